/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include "actor.h"
#include "params.h"
#include "text.h"

#define OPTIONS_FILE_MAX (256 * 1024)
#define SETTLE_MSEC      10000
#define ATTEMPTS         10 /* with a pause between: a user that only looks (libvirt probing QEMU) is soon gone */
#define PAUSE_MSEC       200
#define PROBE_MSEC       2000

void failure_done(struct failure *f) {
    free(f->message);
}

static int fail(struct failure *f, int error, char *message) {
    free(f->message);
    *f = (struct failure){.error = error, .message = message};
    return error;
}

static void pause_a_little(void) {
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_MSEC * 1000000L}, NULL);
}

int run_lock(const struct sysroot *root, int *ret_fd) {
    _cleanup_close_ int run = -EBADF, fd = -EBADF;

    fd = sysroot_openat(root, NESTD_RUNDIR "/lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (fd == -ENOENT) {
        if ((run = sysroot_openat(root, "/run", O_RDONLY | O_DIRECTORY, 0)) < 0)
            return run;
        if (mkdirat(run, strrchr(NESTD_RUNDIR, '/') + 1, 0755) < 0 && errno != EEXIST)
            return -errno;
        fd = sysroot_openat(root, NESTD_RUNDIR "/lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    }
    if (fd < 0)
        return fd;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int run_read_options(const struct sysroot *root, char **ret, struct attributes *ret_attributes) {
    _cleanup_free_ char *text = NULL, *link = NULL;
    struct attributes attributes;
    size_t size;
    int r;

    if (sysroot_readlink(root, NESTD_MODPROBE_CONF, &link) >= 0)
        return -EMLINK;
    r = sysroot_read(root, NESTD_MODPROBE_CONF, OPTIONS_FILE_MAX, &text, &size);
    if (r == -ENOENT) {
        *ret = NULL;
        *ret_attributes = (struct attributes)ATTRIBUTES_NEW(0644);
        return 0;
    }
    if (r < 0)
        return r;
    if (strlen(text) != size)
        return -EBADMSG;
    if ((r = sysroot_attributes(root, NESTD_MODPROBE_CONF, &attributes)) < 0)
        return r;
    *ret = TAKE_PTR(text);
    *ret_attributes = attributes;
    return 0;
}

static const char *why_not_written(int r) {
    return r == -EPERM ? "its owner cannot be given to what replaces it: chown it to root, or use nestctl --direct as root"
                       : strerror(-r);
}

static int write_options(const struct sysroot *root, const char *text, const struct attributes *attributes) {
    int r = text ? sysroot_replace(root, NESTD_MODPROBE_CONF, text, strlen(text), attributes) :
                   sysroot_unlink(root, NESTD_MODPROBE_CONF);

    return !text && r == -ENOENT ? 0 : r;
}

static int unload(const struct sysroot *root, const char *module, struct failure *f) {
    int r = 0;

    for (unsigned i = 0; i < ATTEMPTS; i++) {
        if (i > 0 && !actor_wait_for_probe(root, PROBE_MSEC))
            pause_a_little();
        r = actor_module_unload(root, module);
        if (r != -EBUSY)
            break;
    }
    if (r >= 0 || r == -ENOENT)
        return 0;
    return fail(f, r, text_format(r == -EBUSY ? "%s is in use and cannot be unloaded" :
                                                "%s could not be unloaded: %s", module, module_error_reason(r, NULL)));
}

static int load(const struct sysroot *root, const char *module, const char *options, bool alone, struct failure *f) {
    _cleanup_free_ char *name = NULL, *value = NULL, *message = NULL;
    int r;

    for (unsigned i = 0; i < ATTEMPTS; i++) {
        free(TAKE_PTR(message));
        r = actor_module_load(root, module, options, alone, &message);
        if (r != -EEXIST)
            break;
        /* Somebody was faster (udev, or a guest manager): good if it has the right values, otherwise once more. */
        free(TAKE_PTR(name));
        free(TAKE_PTR(value));
        r = params_first_difference(root, module, options, &name, &value);
        if (r >= 0 && !name)
            return 0;
        if (r == -ENOMEM)
            return fail(f, r, NULL);
        if ((r = unload(root, module, f)) < 0)
            return r;
        r = -EEXIST;
    }
    if (r >= 0)
        return 0;
    return fail(f, r, text_format("%s could not be loaded: %s", module, message ? message : module_error_reason(r, NULL)));
}

/* BEFORE: "MODE UID GID" as plan-steps.c writes it, or NULL. NODE NULL: the module is gone and its device with it. */
static int settle(const struct sysroot *root, const char *node, const char *before, struct failure *f) {
    unsigned mode, uid, gid;
    int r = actor_settle(root, node, SETTLE_MSEC);
    struct stat st;

    if (!node)
        return 0;
    if (r == -ETIMEDOUT && sysroot_stat(root, node, &st) >= 0)
        r = 0; /* udev is busy with something else; the device is there */
    if (r < 0)
        return fail(f, r, text_format("%s did not come back: %s", node, strerror(-r)));
    if (!before || sscanf(before, "%o %u %u", &mode, &uid, &gid) != 3)
        return 0;
    if ((r = actor_node_restore(root, node, mode, uid, gid)) < 0)
        return fail(f, r, text_format("%s: owner and mode could not be restored: %s", node, strerror(-r)));
    return 0;
}

static int verify(const struct sysroot *root, const struct step *s, struct failure *f) {
    _cleanup_free_ char *name = NULL, *value = NULL;
    _cleanup_params_ struct params expected = {};
    const struct param *want;
    int r;

    if ((r = params_first_difference(root, s->target, s->after, &name, &value)) < 0)
        return fail(f, r, text_format("%s could not be read back: %s", s->target, strerror(-r)));
    if (!name)
        return 0;
    if ((r = params_parse(s->after, &expected)) < 0)
        return fail(f, r, NULL);
    want = params_get(&expected, name);
    fail(f, -EOPNOTSUPP,
         text_format("the kernel did not take %s=%s: it reads %s", name, want && want->value ? want->value : "",
                     value ? value : "as absent"));
    f->unmet = true;
    return f->error;
}

static int set_parameter(const struct sysroot *root, const struct step *s, const char *value, struct failure *f) {
    const char *slash = strchr(s->target, '/');
    _cleanup_free_ char *module = slash ? strndup(s->target, slash - s->target) : NULL;
    int r;

    if (!slash || !value)
        return fail(f, -EBADMSG, NULL);
    if (!module)
        return fail(f, -ENOMEM, NULL);
    if ((r = actor_parameter_set(root, module, slash + 1, value)) < 0)
        return fail(f, r, text_format("parameter %s could not be set to %s: %s", s->target, value, strerror(-r)));
    return 0;
}

int run_guest(const struct step *s, struct run_guest *ret) {
    const char *name = strchr(s->target, ' ');

    if (s->kind != STEP_CHANGE_GUEST || !s->before || !s->after || !name || name - s->target != RUN_UUID_LENGTH)
        return -EBADMSG;
    memcpy(ret->uuid, s->target, RUN_UUID_LENGTH);
    ret->uuid[RUN_UUID_LENGTH] = 0;
    ret->name = name + 1;
    return 0;
}

/* A guest that is gone needs nothing. */
static int change_guest(const struct sysroot *root, const struct step *s, struct failure *f) {
    _cleanup_free_ char *why = NULL;
    struct run_guest g = {};
    int r = run_guest(s, &g);

    if (r < 0 || (r = actor_guest_set(root, g.uuid, s->before, s->after, true, &why)) >= 0 || r == -ENOENT)
        return r == -EBADMSG ? fail(f, r, NULL) : 0;
    /* What may still come of it is for the rollback to see to, and not to be told. */
    if (r == -ETIMEDOUT || r == -ECONNRESET)
        return fail(f, r, text_format("guest %s: libvirt did not answer to the new definition", g.name));
    return fail(f, r, text_format("guest %s: %s", g.name, why ? why : strerror(-r)));
}

static int make_step(const struct sysroot *root, struct entry *e, const struct step *s, char **note,
                     struct failure *f) {
    int r;

    switch (s->kind) {
    case STEP_WRITE_OPTIONS:
        if ((r = write_options(root, s->after, &e->after)) < 0)
            return fail(f, r, text_format("%s could not be written: %s", NESTD_MODPROBE_CONF, why_not_written(r)));
        return 0;
    case STEP_SET_PARAMETER:
        return set_parameter(root, s, s->after, f);
    case STEP_UNLOAD_MODULE:
        return unload(root, s->target, f);
    case STEP_LOAD_MODULE:
        return load(root, s->target, s->after, false, f);
    case STEP_SETTLE:
        return settle(root, steps_find(e->steps, e->n_steps, STEP_LOAD_MODULE) ? s->target : NULL, s->before, f);
    case STEP_REFRESH_LIBVIRT:
        r = *note ? 0 : actor_libvirt_refresh(root, streq_ptr(s->after, "parameters"), note);
        return r < 0 ? fail(f, r, NULL) : 0;
    case STEP_VERIFY:
        return verify(root, s, f);
    case STEP_CHANGE_GUEST:
        return change_guest(root, s, f);
    default:
        return fail(f, -EBADMSG, NULL);
    }
}

/* What a reader of the journal gets to see, though the disk may not have it yet. Made durable or not: everything is
 * changed, so that recover() would come to the same end. */
static bool journal_says(const struct sysroot *root, unsigned id, enum change_state state) {
    _cleanup_entry_ struct entry *e = NULL;

    return journal_load(root, id, &e) >= 0 && e->state == state;
}

int run_forward(const struct sysroot *root, struct entry *e, apply_progress_t progress, void *userdata, char **note,
                struct failure *f) {
    int r;

    for (; e->current < e->n_steps; e->current++) {
        const struct step *s = &e->steps[e->current];

        if (progress && !progress((double)e->current / (double)e->n_steps, s, userdata))
            return fail(f, -ECANCELED, strdup("cancelled"));
        if ((r = journal_store(root, e)) < 0)
            return fail(f, r, text_format("the journal in %s could not be written: %s", JOURNAL_DIR, strerror(-r)));
        if ((r = make_step(root, e, s, note, f)) < 0)
            return r;
    }
    e->state = CHANGE_DONE;
    if ((r = journal_store(root, e)) < 0 && !journal_says(root, e->id, CHANGE_DONE)) {
        e->state = CHANGE_RUNNING;
        e->current = e->n_steps > 0 ? e->n_steps - 1 : 0;
        return fail(f, r, text_format("the journal in %s could not be written: %s", JOURNAL_DIR, strerror(-r)));
    }
    return 0;
}

/* The last step of these kinds at or before LAST. */
static const struct step *made(const struct entry *e, enum step_kind kind) {
    for (size_t i = 0; i < e->n_steps && i <= e->current; i++)
        if (e->steps[i].kind == kind)
            return &e->steps[i];
    return NULL;
}

static int restore_options(const struct sysroot *root, const struct entry *e, struct failure *f) {
    const struct step *s = made(e, STEP_WRITE_OPTIONS);
    _cleanup_attributes_ struct attributes attributes = {};
    _cleanup_free_ char *text = NULL;
    int r;

    if (!s)
        return 0;
    if ((r = run_read_options(root, &text, &attributes)) < 0 && r != -EMLINK && r != -EBADMSG)
        return fail(f, r, text_format("%s could not be read: %s", NESTD_MODPROBE_CONF, strerror(-r)));
    if (streq_ptr(text, s->before) && (!text || attributes_equal(&attributes, &e->before)) && r >= 0)
        return 0;
    /* Neither what was nor what we wrote: somebody's edit since the crash, which is not ours to lose. */
    if (r < 0 || (!streq_ptr(text, s->after) && !streq_ptr(text, s->before)))
        return 0;
    if ((r = write_options(root, s->before, &e->before)) < 0)
        return fail(f, r, text_format("%s could not be put back: %s", NESTD_MODPROBE_CONF, why_not_written(r)));
    return 0;
}

static int restore_parameters(const struct sysroot *root, const struct entry *e, struct failure *f) {
    int r;

    for (size_t i = e->current + 1; i-- > 0;)
        if (i < e->n_steps && e->steps[i].kind == STEP_SET_PARAMETER && e->steps[i].before &&
            (r = set_parameter(root, &e->steps[i], e->steps[i].before, f)) < 0)
            return r;
    return 0;
}

/* What somebody else has made of a guest since is not ours to lose. */
static int restore_guests(const struct sysroot *root, const struct entry *e, bool booting, struct failure *f) {
    int r, first = 0;

    for (size_t i = e->current + 1; i-- > 0;) {
        const struct step *s = i < e->n_steps ? &e->steps[i] : NULL;
        _cleanup_free_ char *why = NULL;
        struct run_guest g;

        if (!s || run_guest(s, &g) < 0)
            continue;
        /* Only of the last one it is not known whether libvirt had answered. */
        r = i == e->current ? actor_guest_restore(root, g.uuid, s->before, s->after, !booting, &why) :
                              actor_guest_set(root, g.uuid, s->after, s->before, !booting, &why);
        if (r < 0 && r != -ENOENT && r != -ESTALE && first == 0)
            first = fail(f, r, text_format("guest %s could not be put back: %s", g.name, why ? why : strerror(-r)));
    }
    return first;
}

/* A module that is coming or going will have come or gone in a moment. */
static int wait_until_stable(const struct sysroot *root, const char *module) {
    int r = 0;

    for (unsigned i = 0; i < ATTEMPTS * 5; i++) {
        if ((r = module_is_live(root, module)) != -EBUSY)
            break;
        pause_a_little();
    }
    return r;
}

/* MODULE as it was: with OPTIONS, or not loaded (NULL). 1: it had to be loaded or unloaded for that. */
static int restore_module(const struct sysroot *root, const char *module, const char *options, struct failure *f) {
    _cleanup_free_ char *name = NULL, *value = NULL;
    int r = wait_until_stable(root, module);

    if (r < 0)
        return fail(f, r, text_format("module %s: %s", module, strerror(-r)));
    if (r > 0) {
        if (options && (r = params_first_difference(root, module, options, &name, &value)) < 0)
            return fail(f, r, text_format("%s could not be read back: %s", module, strerror(-r)));
        if (options && !name)
            return 0;
        if ((r = unload(root, module, f)) < 0)
            return r;
    } else if (!options)
        return 0;
    /* A line that somebody else wrote into modprobe.d since the module was loaded must not keep it from coming back:
     * OPTIONS holds all the values it had. */
    if (options && (r = load(root, module, options, false, f)) < 0 && r != -ENOMEM)
        r = load(root, module, options, true, f);
    return r < 0 ? r : 1;
}

static bool journal_is_gone(const struct sysroot *root, unsigned id) {
    _cleanup_entry_ struct entry *e = NULL;

    return journal_load(root, id, &e) == -ENOENT;
}

/* Does the module run with a new value of what the reload (UNLOAD, LOAD) was to change? It may although that step
 * was not reached: the power failed, and udev loaded the module at boot with the options file that is now taken back. */
static int booted_with_new(const struct sysroot *root, const struct step *unload, const struct step *load) {
    _cleanup_params_ struct params before = {}, after = {}, changed = {};
    _cleanup_free_ char *wanted = NULL, *name = NULL, *value = NULL;
    int r;

    if (!unload || !load || !unload->before || !load->after)
        return 0;
    if ((r = params_parse(unload->before, &before)) < 0 || (r = params_parse(load->after, &after)) < 0)
        return r;
    FOREACH_ARRAY(p, before.list, before.n) {
        const struct param *new = params_get(&after, p->name);

        if (new && !param_value_equal(new->value, p->value) && (r = params_set(&changed, p->name, p->value)) < 0)
            return r;
    }
    if ((r = params_format(&changed, &wanted)) < 0)
        return r;
    r = params_first_difference(root, unload->target, wanted, &name, &value);
    return r == -ENOENT ? 0 : r < 0 ? r : !!name;
}

int run_backward(const struct sysroot *root, struct entry *e, bool booting, struct failure *f) {
    const struct step *unloaded = made(e, STEP_UNLOAD_MODULE), *loaded = made(e, STEP_LOAD_MODULE),
                      *settled = steps_find(e->steps, e->n_steps, STEP_SETTLE);
    _cleanup_free_ char *note = NULL;
    int r;

    e->state = CHANGE_ROLLING_BACK;
    /* A full disk must not keep us from putting things back: as it stands in the journal, "running", it would be
     * judged by what the machine looks like, with the same result. */
    (void)journal_store(root, e);

    /* The file first: whoever loads the module behind our back then does it with the old options. */
    if ((r = restore_options(root, e, f)) < 0 || (r = restore_parameters(root, e, f)) < 0)
        return r;
    if (!unloaded && !loaded) {
        const struct step *unload = steps_find(e->steps, e->n_steps, STEP_UNLOAD_MODULE);

        if ((r = booted_with_new(root, unload, steps_find(e->steps, e->n_steps, STEP_LOAD_MODULE))) < 0)
            return fail(f, r, text_format("%s could not be read back: %s", unload->target, strerror(-r)));
        if (r > 0)
            unloaded = unload;
    }
    if (unloaded || loaded) {
        const struct step *s = unloaded ? unloaded : loaded;

        if ((r = restore_module(root, s->target, unloaded ? unloaded->before : NULL, f)) < 0)
            return r;
        /* Killed between load and settle, /dev/kvm may be there with the wrong owner although nothing is left to load. */
        if (settled && (r = settle(root, unloaded ? settled->target : NULL, settled->before, f)) < 0)
            return r;
        (void)actor_libvirt_refresh(root, true, &note);
    }
    if ((r = restore_guests(root, e, booting, f)) < 0)
        return r;
    if ((r = journal_remove(root, e->id)) < 0 && !journal_is_gone(root, e->id))
        return fail(f, r, text_format("the journal in %s could not be written: %s", JOURNAL_DIR, strerror(-r)));
    return 0;
}

static int step_is_made(const struct sysroot *root, const struct entry *e, const struct step *s) {
    _cleanup_free_ char *text = NULL, *module = NULL, *name = NULL, *value = NULL, *wanted = NULL;
    _cleanup_attributes_ struct attributes attributes = {};
    struct run_guest guest;
    const char *slash;
    int r;

    switch (s->kind) {
    case STEP_WRITE_OPTIONS:
        r = run_read_options(root, &text, &attributes);
        return r < 0 ? r : streq_ptr(text, s->after) && (!text || attributes_equal(&attributes, &e->after));
    case STEP_SET_PARAMETER:
        if (!(slash = strchr(s->target, '/')))
            return -EBADMSG;
        if (!(module = strndup(s->target, slash - s->target)) || !(wanted = text_format("%s=%s", slash + 1, s->after)))
            return -ENOMEM;
        r = params_first_difference(root, module, wanted, &name, &value);
        return r == -ENOENT ? 0 : r < 0 ? r : !name;
    case STEP_UNLOAD_MODULE:
        if (steps_find(e->steps, e->n_steps, STEP_LOAD_MODULE))
            return 1; /* to be loaded again: that is what counts */
        r = wait_until_stable(root, s->target);
        return r < 0 ? r : r == 0;
    case STEP_LOAD_MODULE:
        if ((r = wait_until_stable(root, s->target)) <= 0)
            return r;
        r = params_first_difference(root, s->target, s->after, &name, &value);
        return r == -ENOENT ? 0 : r < 0 ? r : !name;
    case STEP_CHANGE_GUEST:
        if ((r = run_guest(s, &guest)) >= 0)
            r = actor_guest_state(root, guest.uuid, false, &text, NULL);
        return r == -ENOENT ? 1 : r < 0 ? r : streq_ptr(text, s->after);
    default:
        return 1;
    }
}

static bool is_change(enum step_kind k) {
    return k != STEP_SETTLE && k != STEP_REFRESH_LIBVIRT && k != STEP_VERIFY;
}

int run_is_nearly_done(const struct sysroot *root, struct entry *e) {
    size_t next = e->current;
    int r;

    for (size_t i = 0; i < e->n_steps; i++) {
        if (!is_change(e->steps[i].kind))
            continue;
        if ((r = step_is_made(root, e, &e->steps[i])) <= 0)
            return r;
        if (i >= next)
            next = i + 1;
    }
    e->current = next;
    return 1;
}
