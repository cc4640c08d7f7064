/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt-call.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

/* While a call is made, or for ever: both threads hold it, and the last one frees it. */
struct call {
    const struct libvirt *lv;
    void (*make)(struct call *c);
    char *text; /* URI, command, emulator or definition; empty: none */
    char *arch, *machine, *type;
    bool readonly;
    unsigned stats;
    virDomainPtr dom;

    virConnectPtr conn;
    char *answer;
    virDomainStatsRecordPtr *records;
    virErrorPtr error; /* libvirt keeps it by thread */

    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done, given_up;
};

static void call_free(struct call *c) {
    if (c->conn)
        c->lv->virConnectClose(c->conn);
    if (c->dom)
        c->lv->virDomainFree(c->dom);
    if (c->records)
        c->lv->virDomainStatsRecordListFree(c->records);
    if (c->error)
        c->lv->virFreeError(c->error);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->cond);
    free(c->answer);
    free(c->type);
    free(c->machine);
    free(c->arch);
    free(c->text);
    free(c);
}

static void make_open(struct call *c) {
    const char *uri = *c->text ? c->text : NULL;

    c->conn = c->readonly ? c->lv->virConnectOpenReadOnly(uri) : c->lv->virConnectOpen(uri);
    if (!c->conn)
        c->error = c->lv->virSaveLastError();
}

static void make_ask(struct call *c) {
    const struct libvirt_qemu *lq;

    if (libvirt_qemu_load(&lq) >= 0)
        (void)lq->virDomainQemuMonitorCommand(c->dom, c->text, &c->answer, 0);
}

static void make_capabilities(struct call *c) {
    c->answer = c->lv->virConnectGetDomainCapabilities(c->conn, *c->text ? c->text : NULL, c->arch, c->machine, c->type, 0);
}

static void make_definition(struct call *c) {
    c->dom = c->lv->virDomainDefineXMLFlags(c->conn, c->text, 0);
    if (!c->dom)
        c->error = c->lv->virSaveLastError();
}

static void make_stats(struct call *c) {
    virDomainPtr doms[] = {c->dom, NULL};

    if (c->lv->virDomainListGetStats(doms, c->stats, &c->records, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT) == 1 || !c->records)
        return;
    c->lv->virDomainStatsRecordListFree(c->records);
    c->records = NULL;
}

static void *thread_main(void *arg) {
    struct call *c = arg;
    bool given_up;

    c->make(c);
    pthread_mutex_lock(&c->lock);
    c->done = true;
    given_up = c->given_up;
    pthread_cond_signal(&c->cond);
    pthread_mutex_unlock(&c->lock);
    if (given_up)
        call_free(c);
    return NULL;
}

static struct call *call_new(const struct libvirt *lv, const char *text) {
    struct call *c = calloc(1, sizeof(*c));
    pthread_condattr_t attr;

    if (!c)
        return NULL;
    c->lv = lv;
    if (!(c->text = strdup(text))) {
        free(c);
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->cond, &attr);
    pthread_condattr_destroy(&attr);
    return c;
}

/* Signals are for the thread that there was before. */
static int start_thread(struct call *c) {
    sigset_t all, old;
    pthread_t thread;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&thread, NULL, thread_main, c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r == 0)
        pthread_detach(thread);
    return -r;
}

/* -ETIMEDOUT: C is the thread's from now on. */
static int call_make(struct call *c, void (*make)(struct call *c), unsigned seconds) {
    struct timespec end;
    int r;

    c->make = make;
    if ((r = start_thread(c)) < 0)
        return r;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    pthread_mutex_lock(&c->lock);
    while (!c->done && r == 0)
        r = -pthread_cond_timedwait(&c->cond, &c->lock, &end);
    c->given_up = !c->done;
    r = c->given_up ? -ETIMEDOUT : 0;
    pthread_mutex_unlock(&c->lock);
    return r;
}

/* Takes C over. */
static int call_for_text(struct call *c, void (*make)(struct call *c), unsigned seconds, char **ret) {
    int r = call_make(c, make, seconds);

    if (r == -ETIMEDOUT)
        return r;
    if (r >= 0 && !c->answer)
        r = -EIO;
    if (r >= 0)
        *ret = TAKE_PTR(c->answer);
    call_free(c);
    return r;
}

/* Pings, answered by the daemon's main loop: 25 s of silence close the connection, and what waits for an answer fails.
 * libvirtd itself pings after 5 s of silence (keepalive_interval), so that ours are rarely sent. */
#define PING_SEC 5
#define PINGS    4

int libvirt_open(const struct libvirt *lv, const char *uri, bool readonly, virConnectPtr *ret, virErrorPtr *ret_error) {
    struct call *c = call_new(lv, uri ? uri : "");
    int r;

    if (!c)
        return -ENOMEM;
    c->readonly = readonly;
    if ((r = call_make(c, make_open, LIBVIRT_PATIENCE_SEC)) == -ETIMEDOUT)
        return r;
    if (r >= 0 && !c->conn)
        r = -EIO;
    if (r == -EIO && ret_error)
        *ret_error = TAKE_PTR(c->error);
    if (r >= 0) {
        *ret = TAKE_PTR(c->conn);
        (void)lv->virConnectSetKeepAlive(*ret, PING_SEC, PINGS);
    }
    call_free(c);
    return r;
}

/* Over the guest's own connection. */
static struct call *call_new_for(const struct libvirt *lv, virDomainPtr dom, const char *text) {
    struct call *c = call_new(lv, text);

    if (c && lv->virDomainRef(dom) >= 0)
        c->dom = dom;
    return c;
}

int libvirt_ask_qemu(const struct libvirt *lv, virDomainPtr dom, const char *command, char **ret) {
    struct call *c = call_new_for(lv, dom, command);

    return c ? call_for_text(c, make_ask, QEMU_PATIENCE_SEC, ret) : -ENOMEM;
}

int libvirt_stats(const struct libvirt *lv, virDomainPtr dom, unsigned stats, virDomainStatsRecordPtr **ret) {
    struct call *c = call_new_for(lv, dom, "");
    int r;

    if (!c)
        return -ENOMEM;
    c->stats = stats;
    if ((r = call_make(c, make_stats, QEMU_PATIENCE_SEC)) == -ETIMEDOUT)
        return r;
    if (r >= 0 && !c->records)
        r = -EIO;
    if (r >= 0)
        *ret = TAKE_PTR(c->records);
    call_free(c);
    return r;
}

static int copy(char **ret, const char *s) {
    return s && !(*ret = strdup(s)) ? -ENOMEM : 0;
}

int libvirt_capabilities(const struct libvirt *lv, virConnectPtr conn, const char *emulator, const char *arch,
                         const char *machine, const char *type, char **ret) {
    struct call *c = call_new(lv, emulator ? emulator : "");
    int r;

    if (!c)
        return -ENOMEM;
    if ((r = copy(&c->arch, arch)) >= 0 && (r = copy(&c->machine, machine)) >= 0 && (r = copy(&c->type, type)) >= 0 &&
        lv->virConnectRef(conn) >= 0)
        c->conn = conn;
    if (r >= 0)
        return call_for_text(c, make_capabilities, LIBVIRT_PATIENCE_SEC, ret);
    call_free(c);
    return r;
}

int libvirt_define(const struct libvirt *lv, virConnectPtr conn, const char *xml, virErrorPtr *ret_error) {
    struct call *c = call_new(lv, xml);
    int r;

    if (!c)
        return -ENOMEM;
    if (lv->virConnectRef(conn) >= 0)
        c->conn = conn;
    if ((r = call_make(c, make_definition, DEFINE_PATIENCE_SEC)) == -ETIMEDOUT)
        return r;
    if (r >= 0 && !c->dom) {
        r = -EIO;
        *ret_error = TAKE_PTR(c->error);
    }
    call_free(c);
    return r;
}
