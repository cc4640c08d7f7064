/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kills a change before and after each call it makes to the outside, and lets each call fail with each error it may
 * plausibly meet, once or from then on. Whatever happens, and once recover() has run, the host is as it was or as it was
 * to be, what is said agrees with it, and doing it again finds nothing to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "text.h"
#include "tests/unit/fake-actors.h"

ssize_t __real_write(int fd, const void *buf, size_t n);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_unlinkat(int dir, const char *path, int flags);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
int __wrap_fsync(int fd);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_unlinkat(int dir, const char *path, int flags);
int __wrap_nanosleep(const struct timespec *t, struct timespec *left);

ssize_t __wrap_write(int fd, const void *buf, size_t n) {
    ssize_t r = fake_libc(FAKE_WRITE) < 0 ? -1 : __real_write(fd, buf, n);

    fake_after();
    return r;
}

/* Nothing need reach a disk here. */
int __wrap_fsync(int fd) {
    int r = fake_libc(FAKE_FSYNC);

    fake_after();
    return r;
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to) {
    int r = fake_libc(FAKE_RENAME) < 0 ? -1 : __real_renameat(from_dir, from, to_dir, to);

    fake_after();
    return r;
}

int __wrap_unlinkat(int dir, const char *path, int flags) {
    int r = fake_libc(FAKE_UNLINK) < 0 ? -1 : __real_unlinkat(dir, path, flags);

    fake_after();
    return r;
}

int __wrap_nanosleep(const struct timespec *t, struct timespec *left) {
    return 0;
}

/* What is done to a host, and how the host is made ready for it. */
struct scenario {
    const char *name;
    void (*prepare)(struct fake_machine *m);
    struct wish wish;
    bool undo; /* the last change, instead of the wish */
};

/* Plans and applies; as nestctl does it. Returns apply's. */
static int change(struct fake_machine *m, const struct wish *wish, bool undo, struct outcome *o) {
    _cleanup_host_facts_ struct host_facts *facts = fake_probe(m);
    _cleanup_(plan_freep) struct plan *plan = NULL;
    int r = undo ? undo_plan(m->root, facts, NULL, &plan) : plan_host(facts, wish, &plan);

    assert_int_equal(r, 0);
    if (!undo)
        assert_int_equal(plan_add_guests(m->root, facts, plan, NULL), 0);
    return undo ? undo_apply(m->root, NULL, plan, NULL, NULL, o) : apply_plan(m->root, plan, "test", NULL, NULL, o);
}

static void must_change(struct fake_machine *m, struct wish wish) {
    _cleanup_(outcome_done) struct outcome o = {};

    assert_int_equal(change(m, &wish, false, &o), 0);
    assert_int_equal(o.exit_code, 0);
}

static void plain(struct fake_machine *m) {
}

static void with_own_file(struct fake_machine *m) {
    fake_put(m, NESTD_MODPROBE_CONF, "# by hand \xff\noptions kvm_intel ple_gap=7\n", 0600);
    (void)fake_adorn(m, NESTD_MODPROBE_CONF);
    fake_put(m, "/etc/modprobe.d/a.conf", "options kvm_intel vpid=0\n", 0644);
    fake_boot(m);
}

static void unloaded(struct fake_machine *m) {
    assert_int_equal(fake_module_unload(m->root, "kvm_intel"), 0);
}

static void after_disable(struct fake_machine *m) {
    must_change(m, (struct wish){.features[FEATURE_NESTED] = WANTED_OFF});
}

static void after_load(struct fake_machine *m) {
    unloaded(m);
    must_change(m, (struct wish){.features[FEATURE_NESTED] = WANTED_ON});
}

#define GUEST_A "6a7c9d2e-0000-4000-8000-00000000000a"
#define GUEST_B "6a7c9d2e-0000-4000-8000-00000000000b"

static void with_guests(struct fake_machine *m) {
    fake_guest(m, GUEST_A, GUEST_A, "expose vmx custom Nehalem -");
    fake_guest(m, GUEST_B, GUEST_B, "original");
    fake_guest(m, "6a7c9d2e-0000-4000-8000-00000000000c", "closed", "hide vmx");
}

static void only_guests(struct fake_machine *m) {
    after_disable(m);
    with_guests(m);
}

static void after_guests(struct fake_machine *m) {
    with_guests(m);
    must_change(m, (struct wish){.features[FEATURE_NESTED] = WANTED_OFF, .guests = true});
}

static const struct scenario scenarios[] = {
    {"disable", plain, {.features[FEATURE_NESTED] = WANTED_OFF}},
    {"enable", after_disable, {.features[FEATURE_NESTED] = WANTED_ON}},
    {"runtime", plain, {.features[FEATURE_EPT] = WANTED_OFF, .runtime_only = true}},
    {"own-file", with_own_file, {.features[FEATURE_NESTED] = WANTED_OFF, .features[FEATURE_APICV] = WANTED_OFF}},
    {"persistent", plain, {.features[FEATURE_NESTED] = WANTED_ON, .persistent = true}},
    {"load", unloaded, {.features[FEATURE_NESTED] = WANTED_ON}},
    {"undo", after_disable, .undo = true},
    {"undo-load", after_load, .undo = true},
    {"guests", with_guests, {.features[FEATURE_NESTED] = WANTED_OFF, .guests = true}},
    {"only-guests", only_guests, {.features[FEATURE_NESTED] = WANTED_OFF, .guests = true}},
    {"undo-guests", after_guests, .undo = true},
};

static void make_ready(const struct scenario *s, struct fake_machine *m) {
    fake_fault = (struct fake_fault){};
    fake_new(m);
    fake_boot(m);
    s->prepare(m);
    fake_events = 0;
}

/* The two states that there may be, and how many events lead from one to the other. */
struct reference {
    char *old, *new;
    unsigned old_changes, new_changes, n_events;
    enum fake_kind kinds[ELEMENTSOF(fake_log)];
};

static void make_reference(const struct scenario *s, struct reference *ref) {
    _cleanup_(outcome_done) struct outcome o = {};
    struct fake_machine m;

    make_ready(s, &m);
    ref->old = fake_snapshot(&m);
    ref->old_changes = fake_changes(&m);
    fake_events = 0;
    assert_int_equal(change(&m, &s->wish, s->undo, &o), 0);
    assert_int_equal(o.exit_code, 0);
    ref->n_events = fake_events;
    memcpy(ref->kinds, fake_log, sizeof(fake_log));
    ref->new = fake_snapshot(&m);
    ref->new_changes = fake_changes(&m);
    assert_string_not_equal(ref->old, ref->new);
    fake_free(&m);
}

static void reference_done(struct reference *ref) {
    free(ref->old);
    free(ref->new);
}

/* Old or new, and not a byte else; *RET_NEW says which. */
static void check_state(struct fake_machine *m, const struct reference *ref, const char *where, bool *ret_new) {
    _cleanup_free_ char *now = NULL;

    fake_libvirt_catches_up(m);
    now = fake_snapshot(m);
    *ret_new = streq(now, ref->new);
    if (!*ret_new && !streq(now, ref->old))
        fail_msg("%s: a third state:\n%s", where, now);
    if (fake_changes(m) != (*ret_new ? ref->new_changes : ref->old_changes))
        fail_msg("%s: the list of changes does not tell the truth", where);
}

/* recover(), until it is clean, and what it said. */
static enum recovery must_recover(struct fake_machine *m, const char *where) {
    _cleanup_free_ char *message = NULL, *again = NULL;
    enum recovery first, second;
    int r = recover(m->root, false, &first, &message);

    if (r < 0)
        fail_msg("%s: recover: %s", where, strerror(-r));
    if (first == RECOVERY_CLEAN ? !!message : !message || !strstr(message, first == RECOVERY_FINISHED ? "finished" : "rolled back"))
        fail_msg("%s: recover says %d: %s", where, first, strempty(message));
    assert_int_equal(recover(m->root, false, &second, &again), 0);
    assert_int_equal(second, RECOVERY_CLEAN);
    return first;
}

/* The change can be made now, and when it is made it is made. */
static void check_usable(struct fake_machine *m, const struct scenario *s, const struct reference *ref, bool is_new,
                         const char *where) {
    _cleanup_(outcome_done) struct outcome o = {};
    bool now_new;

    if (is_new && s->undo)
        return; /* there is no more to undo */
    if (change(m, &s->wish, s->undo, &o) < 0 || o.exit_code != 0)
        fail_msg("%s: afterwards: exit %d: %s", where, o.exit_code, strempty(o.message));
    check_state(m, ref, where, &now_new);
    assert_true(now_new);
}

/* In a child, which may be killed. Returns true if it was. */
static bool run_child(struct fake_machine *m, const struct scenario *s, struct fake_fault fault) {
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct outcome o = {};

        fake_fault = fault;
        _exit(change(m, &s->wish, s->undo, &o) < 0 ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

/* Also recover() may be killed. Returns true if it was. */
static bool recover_child(struct fake_machine *m, struct fake_fault fault) {
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        char *message = NULL;
        enum recovery r;

        fake_events = 0;
        fake_fault = fault;
        _exit(recover(m->root, false, &r, &message) < 0 ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static void kill_at(const struct scenario *s, const struct reference *ref, struct fake_fault fault, int second) {
    _cleanup_free_ char *where = text_format("%s: killed %s event %u (%s)%s", s->name,
                                             fault.what == FAULT_KILL_BEFORE   ? "before" :
                                             fault.what == FAULT_KILL_DURING ? "during" :
                                                                               "after", fault.at,
                                             fake_kinds[ref->kinds[fault.at]], second >= 0 ? " and again" : "");
    struct fake_machine m;
    enum recovery r = RECOVERY_CLEAN;
    bool is_new, twice = false;

    make_ready(s, &m);
    assert_true(run_child(&m, s, fault));
    if (second >= 0)
        twice = recover_child(&m, (struct fake_fault){.what = second % 2 ? FAULT_KILL_BEFORE : FAULT_KILL_AFTER,
                                                      .at = (unsigned)second});
    if (second < 0 || twice) {
        r = must_recover(&m, where);
        check_state(&m, ref, where, &is_new);
        if ((r == RECOVERY_FINISHED && !is_new) || (r == RECOVERY_ROLLED_BACK && is_new))
            fail_msg("%s: recover says the wrong thing (%d)", where, r);
        check_usable(&m, s, ref, is_new, where);
    }
    fake_free(&m);
}

static void kills(void **state) {
    FOREACH_ARRAY(s, scenarios, ELEMENTSOF(scenarios)) {
        struct reference ref;

        make_reference(s, &ref);
        for (unsigned at = 0; at < ref.n_events; at++) {
            kill_at(s, &ref, (struct fake_fault){.what = FAULT_KILL_BEFORE, .at = at}, -1);
            kill_at(s, &ref, (struct fake_fault){.what = FAULT_KILL_AFTER, .at = at}, -1);
            if (ref.kinds[at] == FAKE_GUEST)
                kill_at(s, &ref, (struct fake_fault){.what = FAULT_KILL_DURING, .at = at}, -1);
        }
        reference_done(&ref);
    }
}

/* The recovery is killed, too, at each of its events, until one run of it comes to its end. */
static void kills_of_the_recovery(void **state) {
    static const struct scenario with = {"guests", with_guests, {.features[FEATURE_NESTED] = WANTED_OFF, .guests = true}};
    const struct scenario *s = &scenarios[0];
    struct reference ref;

    make_reference(s, &ref);
    for (unsigned at = 0; at < ref.n_events; at += 3)
        for (int second = 0; second < 40; second++)
            kill_at(s, &ref, (struct fake_fault){.what = second % 2 ? FAULT_KILL_BEFORE : FAULT_KILL_AFTER, .at = at}, second);
    reference_done(&ref);
    make_reference(&with, &ref);
    for (unsigned at = 0; at < ref.n_events; at++)
        for (int second = 0; second < 20 && ref.kinds[at] == FAKE_GUEST; second++)
            kill_at(&with, &ref, (struct fake_fault){.what = FAULT_KILL_DURING, .at = at}, second);
    reference_done(&ref);
}

static void with_live_parameter(struct fake_machine *m) {
    assert_int_equal(fake_parameter_set(m->root, "kvm_intel", "dump_invalid_vmcs", "Y"), 0);
}

/* The power fails: udev loads the module, with the options that it finds, before recover() runs. What was set by hand is
 * lost either way; what the options file says and what the module does must agree. */
static void power_cuts(void **state) {
    static const struct scenario s = {"power cut", with_live_parameter, {.features[FEATURE_NESTED] = WANTED_OFF}};
    bool killed = true;

    for (unsigned at = 0; killed; at++) {
        _cleanup_free_ char *where = text_format("power cut after event %u", at), *nested = NULL;
        struct fake_machine m;

        make_ready(&s, &m);
        if ((killed = run_child(&m, &s, (struct fake_fault){.what = FAULT_KILL_AFTER, .at = at}))) {
            fake_boot(&m);
            must_recover(&m, where);
            nested = fake_parameter(&m, "nested");
            if (!streq_ptr(nested, fake_has(&m, NESTD_MODPROBE_CONF) ? "N" : "Y"))
                fail_msg("%s: a third state: nested=%s", where, strempty(nested));
        }
        fake_free(&m);
    }
}

static const int errors[_FAKE_KIND_MAX][8] = {
    [FAKE_LOAD] = {EINVAL, ENODEV, EOPNOTSUPP, EPERM, EEXIST, ENOENT, ENOMEM},
    [FAKE_UNLOAD] = {EBUSY, EPERM, EIO},
    [FAKE_SET] = {EINVAL, EACCES},
    [FAKE_SETTLE] = {ETIMEDOUT, EIO},
    [FAKE_NODE] = {EPERM, ENOENT},
    [FAKE_USERS] = {ENOMEM},
    [FAKE_REFRESH] = {ENOMEM},
    [FAKE_WRITE] = {ENOSPC, EIO, EDQUOT},
    [FAKE_FSYNC] = {EIO, ENOSPC},
    [FAKE_RENAME] = {EROFS, ENOSPC, EACCES},
    [FAKE_UNLINK] = {EROFS, EACCES, EIO},
    [FAKE_GUEST] = {EIO, EACCES, ECONNREFUSED, EAGAIN, ETIMEDOUT, ENOMEM},
};

static void fail_at(const struct scenario *s, const struct reference *ref, struct fake_fault fault) {
    _cleanup_free_ char *where = text_format("%s: event %u (%s) fails%s: %s", s->name, fault.at,
                                             fake_kinds[ref->kinds[fault.at]],
                                             fault.what == FAULT_FAIL_FROM ? " from then on" : "", strerror(fault.error));
    _cleanup_(outcome_done) struct outcome o = {};
    bool is_new, unfinished;
    struct fake_machine m;
    int r;

    make_ready(s, &m);
    fake_fault = fault;
    r = change(&m, &s->wish, s->undo, &o);
    fake_fault = (struct fake_fault){};
    /* "Unfinished" is documented: the entry's id with a failure, or an error with nothing known. */
    unfinished = r < 0 || (o.exit_code != 0 && o.id);
    if (unfinished || o.exit_code == 0)
        must_recover(&m, where);
    check_state(&m, ref, where, &is_new);
    if (is_new != (r >= 0 && o.exit_code == 0) && !unfinished)
        fail_msg("%s: exit %d: %s", where, o.exit_code, strempty(o.message));
    if (r >= 0 && (!o.message || (o.exit_code != 0 && !o.id && strstr(o.message, "too"))))
        fail_msg("%s: message: %s", where, strempty(o.message));
    if (fault.what == FAULT_FAIL && unfinished && r >= 0 && ref->kinds[fault.at] != FAKE_UNLINK)
        fail_msg("%s: one failure must not keep it from going back: %s", where, o.message);
    check_usable(&m, s, ref, is_new, where);
    fake_free(&m);
}

static void failures(void **state) {
    FOREACH_ARRAY(s, scenarios, ELEMENTSOF(scenarios)) {
        struct reference ref;

        make_reference(s, &ref);
        for (unsigned at = 0; at < ref.n_events; at++)
            for (const int *e = errors[ref.kinds[at]]; *e; e++) {
                fail_at(s, &ref, (struct fake_fault){.what = FAULT_FAIL, .at = at, .error = *e});
                fail_at(s, &ref, (struct fake_fault){.what = FAULT_FAIL_FROM, .at = at, .error = *e});
            }
        reference_done(&ref);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kills),
        cmocka_unit_test(kills_of_the_recovery),
        cmocka_unit_test(power_cuts),
        cmocka_unit_test(failures),
    };
    /* Ten thousand machines are made of files: in memory, if the place is not given. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
