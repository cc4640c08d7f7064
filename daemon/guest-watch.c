/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker that keeps [Guests]: applies it to every guest, then to each that libvirt says was defined or started. It tells
 * nestd what others have done with guests, too. */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <time.h>

#include "common/guest-audit.h"
#include "common/text.h"
#include "guest-keeper.h"
#include "guest-work.h"

/* Somebody who undoes us every time is told, not fought: so many in so many seconds, then a pause. */
#define FIGHT_TIMES 5
#define FIGHT_SEC   60

struct seen {
    char uuid[VIR_UUID_STRING_BUFLEN];
    time_t since;
    unsigned changes;
    char *refused; /* the definition that could not be changed: told once, and left alone until it is another one */
};

/* What nestd was last told of a guest. */
struct known {
    char uuid[VIR_UUID_STRING_BUFLEN];
    struct json_object *view;
    bool gone; /* until it is found again */
};

struct watcher {
    struct worker *worker;
    struct domain_conn c;
    struct conf *conf;
    enum extension extension;
    int signals, timer;
    bool closed, stop, all;
    bool paused; /* TIMER runs */
    bool told_unreadable; /* a guest; that there are more is no news */
    char queue[64][VIR_UUID_STRING_BUFLEN]; /* more than this at once: all are looked at */
    size_t n_queue;
    struct seen seen[256];
    size_t n_seen;
    struct known *known;
    size_t n_known;
    bool told_all; /* what is not known is new */
};

_printf_(2, 3) static void tell(struct watcher *w, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    _cleanup_free_ char *text = text_vformat(format, ap);
    va_end(ap);
    worker_progress(w->worker, 0, text);
}

static time_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static void forget_refusals(struct watcher *w) {
    FOREACH_ARRAY(s, w->seen, w->n_seen) {
        free(s->refused);
        s->refused = NULL;
    }
}

static struct seen *find_seen(struct watcher *w, const struct domain_info *info) {
    FOREACH_ARRAY(s, w->seen, w->n_seen)
        if (streq(s->uuid, info->uuid))
            return s;
    if (w->n_seen == ELEMENTSOF(w->seen)) {
        forget_refusals(w);
        w->n_seen = 0;
    }
    struct seen *s = &w->seen[w->n_seen++];
    *s = (struct seen){.since = now()};
    snprintf(s->uuid, sizeof(s->uuid), "%s", info->uuid);
    return s;
}

/* May this guest be changed once more? */
static bool may_change(struct watcher *w, struct seen *s, const struct domain_info *info) {
    if (streq_ptr(s->refused, info->definition))
        return false;
    if (now() - s->since >= FIGHT_SEC)
        s->since = now(), s->changes = 0;
    if (++s->changes == FIGHT_TIMES + 1)
        tell(w, "Guest %s: somebody changes it back again and again; left alone for %i s", info->name, FIGHT_SEC);
    if (s->changes <= FIGHT_TIMES)
        return true;
    /* Who changed it last may not do it again, so that no event would tell us when the pause is over. */
    if (!w->paused)
        w->c.lv->virEventUpdateTimeout(w->timer, FIGHT_SEC * 1000);
    w->paused = true;
    return false;
}

static void keep(struct watcher *w, virDomainPtr dom) {
    _cleanup_domain_change_ struct domain_change change = {};
    _cleanup_domain_info_ struct domain_info info = {};
    _cleanup_free_ char *why = NULL;
    struct guest_wish wish;
    int r = domain_read(&w->c, dom, w->extension, &info, &why);

    if (r < 0 && r != -ENOENT && !w->told_unreadable) {
        tell(w, "Guest %s cannot be looked at: %s", w->c.lv->virDomainGetName(dom), why ? why : strerror(-r));
        w->told_unreadable = true;
    }
    if (r < 0 || !guest_policy_wish(w->conf, &info, w->extension, &wish))
        return;
    struct seen *seen = find_seen(w, &info);
    if (!may_change(w, seen, &info))
        return;
    free(seen->refused);
    seen->refused = NULL;
    for (int i = 0; i < 3; i++) {
        free(why);
        why = NULL;
        r = domain_rewrite(&w->c, dom, &wish, false, &change, &why);
        if (r != -EAGAIN)
            break;
    }
    const char *word = wish.action == GUEST_EXPOSE ? "exposed" : "hidden", *profile = wish.profile,
               *as = profile ? " with profile " : "";
    if (r < 0) {
        tell(w, "Guest %s cannot be %s%s%s as nestd.conf wants: %s", info.name, word, as, strempty(profile),
             why ? why : strerror(-r));
        if (r != -EAGAIN)
            seen->refused = TAKE_PTR(info.definition);
    } else if (change.changed)
        tell(w, "Guest %s is %s%s%s as nestd.conf wants%s", info.name, word, as, strempty(profile),
             change.needs_restart ? "; it runs and has it after its next start" : "");
}

/* ------------------------------------------------------------------ what nestd is told */

static void tell_event(struct watcher *w, const char *uuid, struct json_object *before, struct json_object *after) {
    struct json_object *event = json_object_new_object();

    json_object_object_add(event, "uuid", json_object_new_string(uuid));
    json_object_object_add(event, "before", json_object_get(before));
    json_object_object_add(event, "after", json_object_get(after));
    worker_event(w->worker, event);
    json_object_put(event);
}

static struct known *find_known(struct watcher *w, const char *uuid) {
    FOREACH_ARRAY(k, w->known, w->n_known)
        if (streq(k->uuid, uuid))
            return k;
    return NULL;
}

static void forget(struct watcher *w, struct known *k) {
    json_object_put(k->view);
    *k = w->known[--w->n_known];
}

static struct known *add_known(struct watcher *w, const char *uuid) {
    struct known *longer = reallocarray(w->known, w->n_known + 1, sizeof(*longer));

    if (!longer)
        return NULL;
    w->known = longer;
    longer[w->n_known] = (struct known){};
    snprintf(longer[w->n_known].uuid, sizeof(longer->uuid), "%s", uuid);
    return &longer[w->n_known++];
}

/* DOM NULL: there is no such guest any more. */
static void look_again(struct watcher *w, const char *uuid, virDomainPtr dom) {
    struct known *k = find_known(w, uuid);
    struct json_object *view = NULL;
    int r = dom ? guest_view(&w->c, dom, w->extension, &view, NULL) : -ENOENT;

    if (r == -ENOENT && k) {
        tell_event(w, uuid, k->view, NULL);
        forget(w, k);
    }
    if (r < 0)
        return;
    if (!k && !(k = add_known(w, uuid))) {
        json_object_put(view);
        return;
    }
    if ((k->view || w->told_all) && !json_object_equal(k->view, view))
        tell_event(w, uuid, k->view, view);
    json_object_put(k->view);
    k->view = view;
    k->gone = false;
}

/* ------------------------------------------------------------------ libvirt's events */

/* libvirt's pings end a call to a daemon that is gone, but not always: with two of our threads waiting, seen with a stopped
 * libvirtd, they may wait for ever. SIGALRM ends the worker then; nestd starts it anew, and what was half done is looked at. */
#define ATTEND_SEC 300

static void attend(struct watcher *w, const char *uuid, virDomainPtr dom) {
    alarm(ATTEND_SEC);
    if (dom)
        keep(w, dom);
    look_again(w, uuid, dom);
    alarm(0);
}

static void keep_all(struct watcher *w) {
    virDomainPtr *doms = NULL;
    char uuid[VIR_UUID_STRING_BUFLEN];
    int n = w->c.lv->virConnectListAllDomains(w->c.conn, &doms, 0);

    FOREACH_ARRAY(k, w->known, w->n_known)
        k->gone = n >= 0;
    for (int i = 0; i < n; i++) {
        if (w->c.lv->virDomainGetUUIDString(doms[i], uuid) >= 0)
            attend(w, uuid, doms[i]);
        w->c.lv->virDomainFree(doms[i]);
    }
    free(doms);
    for (size_t i = w->n_known; i-- > 0;)
        if (w->known[i].gone)
            look_again(w, w->known[i].uuid, NULL);
    w->told_all = w->told_all || n >= 0;
}

/* What may change a property, or what there is. */
static bool matters(int event) {
    switch (event) {
    case VIR_DOMAIN_EVENT_DEFINED:
    case VIR_DOMAIN_EVENT_UNDEFINED:
    case VIR_DOMAIN_EVENT_STARTED:
    case VIR_DOMAIN_EVENT_STOPPED:
        return true;
    default:
        return false;
    }
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque) {
    struct watcher *w = opaque;
    if (!matters(event))
        return 0;
    if (w->n_queue == ELEMENTSOF(w->queue))
        w->all = true;
    else if (w->c.lv->virDomainGetUUIDString(dom, w->queue[w->n_queue]) >= 0)
        w->n_queue++;
    return 0;
}

static void on_close(virConnectPtr conn, int reason, void *opaque) {
    ((struct watcher *)opaque)->closed = true;
}

static void keep_queued(struct watcher *w) {
    size_t n = w->n_queue;
    char queue[ELEMENTSOF(w->queue)][VIR_UUID_STRING_BUFLEN];

    /* Events come in while libvirt answers; they queue up behind. */
    memcpy(queue, w->queue, sizeof(queue));
    w->n_queue = 0;
    for (size_t i = 0; i < n && !w->closed; i++) {
        _cleanup_vir_domain_ virDomainPtr dom = w->c.lv->virDomainLookupByUUIDString(w->c.conn, queue[i]);
        if (dom || w->c.lv->virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
            attend(w, queue[i], dom);
    }
    if (w->all) {
        w->all = false;
        keep_all(w);
    }
}

/* Until libvirt goes away or we are to stop. Sleeps in libvirt's event loop. */
static void watch(struct watcher *w) {
    const struct libvirt *lv = w->c.lv;
    w->closed = false;
    w->n_queue = 0;
    w->told_unreadable = false;
    forget_refusals(w); /* another libvirt may take them */
    int id = lv->virConnectDomainEventRegisterAny(w->c.conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                                  VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), w, NULL);
    if (id < 0 || lv->virConnectRegisterCloseCallback(w->c.conn, on_close, w, NULL) < 0)
        w->closed = true;
    else
        keep_all(w);
    while (!w->closed && !w->stop) {
        if (w->n_queue > 0 || w->all)
            keep_queued(w);
        else if (lv->virEventRunDefaultImpl() < 0)
            w->closed = true;
    }
    if (id >= 0) {
        lv->virConnectDomainEventDeregisterAny(w->c.conn, id);
        lv->virConnectUnregisterCloseCallback(w->c.conn, on_close);
    }
}

/* Where libvirt's sockets are: the directory of URI's "socket=", or the system's. NULL: -ENOMEM. */
static char *socket_directory(const char *uri) {
    const char *socket = uri ? strstr(uri, "?socket=/") : NULL;
    char *path = strdup(socket ? socket + strlen("?socket=") : "/run/libvirt/libvirt-sock");

    if (path)
        *strrchr(path, '/') = 0;
    return path;
}

/* Tells when libvirt's sockets come, go or change. Without the directory, when that comes. */
static int watch_sockets(void) {
    _cleanup_free_ char *directory = socket_directory(getenv("LIBVIRT_DEFAULT_URI"));
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (fd >= 0 && directory && inotify_add_watch(fd, directory, IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF) < 0)
        inotify_add_watch(fd, "/run", IN_CREATE);
    return fd;
}

/* Sleeps until there is something on SOCKETS, which were watched since before libvirt did not answer, or we are to stop. */
static void wait_for_libvirt(struct watcher *w, int sockets) {
    struct pollfd p[] = {{.fd = sockets, .events = POLLIN}, {.fd = w->signals, .events = POLLIN}};
    if (poll(p, ELEMENTSOF(p), -1) > 0 && p[1].revents)
        w->stop = true;
}

static void on_signal(int watch_id, int fd, int events, void *opaque) {
    ((struct watcher *)opaque)->stop = true;
}

static void on_timer(int timer, void *opaque) {
    struct watcher *w = opaque;
    w->c.lv->virEventUpdateTimeout(timer, -1);
    w->paused = false;
    w->all = true;
}

/* SIGTERM as a file descriptor: one that comes just before we fall asleep is not lost. */
static int take_signals(struct watcher *w) {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    w->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (w->signals < 0)
        return -errno;
    w->stop = worker_cancelled(w->worker);
    return 0;
}

static int prepare(struct watcher *w, const struct order *order) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_host_facts_ struct host_facts *facts = NULL;
    int r = sysroot_open(order->root_path, &root);
    if (r < 0 || (r = conf_load(root, &w->conf)) < 0 || (r = probe_host(root, &facts)) < 0)
        return r;
    w->extension = facts->extension;
    return w->extension == EXTENSION_NONE ? -EOPNOTSUPP : 0;
}

int work_keep_guests(struct worker *worker, const void *order, struct json_object **ret) {
    struct watcher *w = calloc(1, sizeof(*w));
    const struct libvirt *lv;
    bool told = false;

    if (!w)
        return -ENOMEM;
    w->worker = worker;
    int r = prepare(w, order);
    if (r >= 0 && (r = take_signals(w)) >= 0 && (r = libvirt_load(&lv)) >= 0 &&
        (lv->virEventAddHandle(w->signals, VIR_EVENT_HANDLE_READABLE, on_signal, w, NULL) < 0 ||
         (w->timer = lv->virEventAddTimeout(-1, on_timer, w, NULL)) < 0))
        r = -EIO;
    while (r >= 0 && !w->stop) {
        _cleanup_free_ char *why = NULL;
        _cleanup_close_ int sockets = watch_sockets();
        r = domain_connect(getenv("LIBVIRT_DEFAULT_URI"), false, &w->c, &why);
        if (r == -ETIMEDOUT) {
            tell(w, "libvirt: %s", why); /* nothing would tell us when it is well again: nestd starts us anew */
            break;
        }
        if (r < 0) {
            r = 0;
            if (!told)
                tell(w, "Waiting for libvirt, to keep guests as nestd.conf wants: %s", why);
            told = true;
            wait_for_libvirt(w, sockets);
            continue;
        }
        told = false;
        watch(w);
        domain_disconnect(&w->c);
    }
    if (w->conf)
        conf_free(w->conf);
    forget_refusals(w);
    while (w->n_known > 0)
        forget(w, w->known);
    free(w->known);
    if (w->signals > 0)
        close(w->signals);
    free(w);
    return r;
}
