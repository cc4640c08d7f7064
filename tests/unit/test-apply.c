/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes to a whole (fake) host: what they do, what they leave alone, and how they are taken back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/xattr.h>

#include "text.h"
#include "tests/unit/fake-actors.h"

#define CONF NESTD_MODPROBE_CONF

static struct plan *make_plan(struct fake_machine *m, struct wish wish) {
    _cleanup_host_facts_ struct host_facts *facts = fake_probe(m);
    struct plan *plan;

    assert_int_equal(plan_host(facts, &wish, &plan), 0);
    return plan;
}

static struct outcome change(struct fake_machine *m, struct wish wish) {
    _cleanup_(plan_freep) struct plan *plan = make_plan(m, wish);
    struct outcome o = {};

    assert_int_equal(apply_plan(m->root, plan, "test", NULL, NULL, &o), 0);
    return o;
}

static void expect(struct fake_machine *m, struct wish wish, int exit_code, const char *part) {
    _cleanup_(outcome_done) struct outcome o = change(m, wish);

    if (o.exit_code != exit_code || (part && !strstr(o.message, part)))
        fail_msg("exit %d: %s (%s)", o.exit_code, o.message, strempty(o.hint));
}

static void undo(struct fake_machine *m, const char *id, int exit_code) {
    _cleanup_host_facts_ struct host_facts *facts = fake_probe(m);
    _cleanup_(plan_freep) struct plan *plan = NULL;
    _cleanup_(outcome_done) struct outcome o = {};

    assert_int_equal(undo_plan(m->root, facts, id, &plan), 0);
    assert_int_equal(undo_apply(m->root, id, plan, NULL, NULL, &o), 0);
    if (o.exit_code != exit_code)
        fail_msg("undo: exit %d: %s (%s)", o.exit_code, o.message, strempty(o.hint));
}

static void expect_parameter(struct fake_machine *m, const char *name, const char *value) {
    _cleanup_free_ char *have = fake_parameter(m, name);

    assert_non_null(have);
    assert_string_equal(have, value);
}

static void expect_same(struct fake_machine *m, const char *snapshot) {
    _cleanup_free_ char *now = fake_snapshot(m);

    assert_string_equal(now, snapshot);
}

static struct wish want(enum feature_id id, enum wanted wanted) {
    struct wish w = {};

    w.features[id] = wanted;
    return w;
}

static int setup(void **state) {
    static struct fake_machine m;

    fake_events = 0;
    fake_fault = (struct fake_fault){};
    fake_new(&m);
    fake_boot(&m);
    *state = &m;
    return 0;
}

static int teardown(void **state) {
    fake_free(*state);
    return 0;
}

static void off_on_and_back(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *first = fake_snapshot(m), *second = NULL;

    expect(m, want(FEATURE_NESTED, WANTED_OFF), 0, "nested=off");
    expect_parameter(m, "nested", "N");
    expect_parameter(m, "ple_gap", "128");
    assert_true(fake_has(m, CONF));
    second = fake_snapshot(m);
    /* It survives a reboot. */
    fake_boot(m);
    expect_same(m, second);
    expect(m, want(FEATURE_NESTED, WANTED_OFF), 0, "nothing to do");
    expect(m, want(FEATURE_NESTED, WANTED_ON), 0, "nested=on");
    expect_parameter(m, "nested", "Y");
    undo(m, NULL, 0);
    expect_same(m, second);
    undo(m, NULL, 0);
    expect_same(m, first);
    assert_int_equal(fake_changes(m), 2); /* the two undos */
    /* An undo is taken back by its id. */
    undo(m, "4", 0);
    expect_same(m, second);
}

/* Somebody else is reloading the module: what it has then is not what it will have. */
static void undo_of_a_module_that_comes_or_goes(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *first = fake_snapshot(m), *second = NULL;
    _cleanup_free_ char *parameters = text_format("%s/sys/module/kvm_intel/parameters", m->dir),
                        *hidden = text_format("%s/fake/hidden", m->dir);

    expect(m, want(FEATURE_NESTED, WANTED_OFF), 0, "nested=off");
    second = fake_snapshot(m);
    fake_put(m, "/sys/module/kvm_intel/initstate", "coming\n", 0444);
    undo(m, NULL, 4);
    assert_int_equal(rename(parameters, hidden), 0);
    undo(m, NULL, 4);
    /* gone while it was looked at */
    fake_put(m, "/sys/module/kvm_intel/initstate", "live\n", 0444);
    undo(m, NULL, 4);
    assert_int_equal(rename(hidden, parameters), 0);
    expect_same(m, second);
    undo(m, NULL, 0);
    expect_same(m, first);
}

static void default_is_right(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *before = fake_snapshot(m);
    struct wish w = want(FEATURE_NESTED, WANTED_ON);

    expect(m, w, 0, "nothing to do");
    expect_same(m, before);
    w.persistent = true;
    expect(m, w, 0, NULL);
    assert_true(fake_has(m, CONF));
    undo(m, NULL, 0);
    expect_same(m, before);
}

/* Every parameter keeps its live value, whatever the options on disk say by now; what hangs on EPT comes back with it. */
static void other_parameters_survive(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *before = NULL;
    struct wish w = want(FEATURE_EPT, WANTED_OFF);

    fake_put(m, "/etc/modprobe.d/a.conf", "options kvm_intel ple_gap=64 vpid=0\n", 0644);
    fake_boot(m);
    fake_put(m, "/etc/modprobe.d/a.conf", "options kvm_intel ple_gap=32\n", 0644);
    assert_int_equal(fake_parameter_set(m->root, "kvm_intel", "dump_invalid_vmcs", "1"), 0);
    before = fake_snapshot(m);
    w.runtime_only = true;
    expect(m, w, 0, "until the module is loaded again");
    expect_parameter(m, "ept", "N");
    expect_parameter(m, "pml", "N");
    expect_parameter(m, "ple_gap", "64");
    expect_parameter(m, "vpid", "N");
    expect_parameter(m, "dump_invalid_vmcs", "Y");
    expect_parameter(m, "vmentry_l1d_flush", "EPT disabled");
    assert_false(fake_has(m, CONF));
    w.features[FEATURE_EPT] = WANTED_ON;
    expect(m, w, 0, NULL);
    expect_same(m, before);
    undo(m, NULL, 0);
    undo(m, NULL, 0);
    expect_same(m, before);
}

/* linux/posix_acl_xattr.h, version 2: user rw-, user 0 rw-, group r--, mask rw-, other --- */
#define DEFAULT_ACL                                                                                           \
    "\2\0\0\0" "\1\0\6\0\377\377\377\377" "\2\0\6\0\0\0\0\0" "\4\0\4\0\377\377\377\377"                 \
    "\20\0\6\0\377\377\377\377" "\40\0\0\0\377\377\377\377"

static void own_file_is_kept_byte_for_byte(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *before = NULL;

    fake_put(m, CONF, "# mine: \xff\xfe\x01 \"x\"\noptions kvm_intel ple_gap=16\n\n\n", 0600);
    fake_boot(m);
    before = fake_snapshot(m);
    expect(m, want(FEATURE_NESTED, WANTED_OFF), 0, NULL);
    expect_parameter(m, "ple_gap", "16");
    fake_boot(m);
    expect_parameter(m, "ple_gap", "16"); /* what stood in our file stands in it still */
    undo(m, NULL, 0);
    expect_same(m, before);
}

/* ACL and extended attributes of our file go through a change and its undo, also where somebody changes them in between; what
 * new files inherit from the directory does not come in. */
static void attributes_are_kept(void **state) {
    struct fake_machine *m = *state;
    _cleanup_attributes_ struct attributes before = {}, now = {}, undone = {}, changed = {};
    _cleanup_free_ char *snapshot = NULL, *real = text_format("%s" CONF, m->dir), *dir = strdup(real);

    fake_put(m, CONF, "options kvm_intel ple_gap=16\n", 0640);
    if (!fake_adorn(m, CONF))
        skip(); /* this file system has neither */
    *strrchr(dir, '/') = '\0';
    (void)setxattr(dir, "system.posix_acl_default", DEFAULT_ACL, sizeof(DEFAULT_ACL) - 1, 0);
    fake_boot(m);
    snapshot = fake_snapshot(m);
    assert_int_equal(sysroot_attributes(m->root, CONF, &before), 0);
    assert_true(*before.xattrs);
    expect(m, want(FEATURE_NESTED, WANTED_OFF), 0, NULL);
    assert_int_equal(sysroot_attributes(m->root, CONF, &now), 0);
    assert_string_equal(now.xattrs, before.xattrs);
    assert_int_equal(now.mode, before.mode);
    (void)removexattr(real, "user.nestd");
    (void)removexattr(real, "system.posix_acl_access");
    undo(m, NULL, 0);
    expect_same(m, snapshot);
    /* and a plain file stays plain */
    fake_put(m, CONF, "options kvm_intel ple_gap=16\n", 0640);
    (void)removexattr(real, "system.posix_acl_access");
    assert_int_equal(sysroot_attributes(m->root, CONF, &undone), 0);
    assert_string_equal(undone.xattrs, "");
    expect(m, want(FEATURE_NESTED, WANTED_OFF), 0, NULL);
    assert_int_equal(sysroot_attributes(m->root, CONF, &changed), 0);
    assert_string_equal(changed.xattrs, "");
    assert_int_equal(changed.mode, undone.mode);
}

static void hand_edit_stops_undo(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *before = NULL;

    expect(m, want(FEATURE_NESTED, WANTED_OFF), 0, NULL);
    fake_put(m, CONF, "options kvm_intel nested=0 # by hand\n", 0644);
    before = fake_snapshot(m);
    undo(m, NULL, 4);
    expect_same(m, before);
}

static void older_change_waits_for_newer(void **state) {
    struct fake_machine *m = *state;
    struct wish first = want(FEATURE_NESTED, WANTED_OFF), second = want(FEATURE_VPID, WANTED_OFF);

    /* No file, whose new content would stop the undo as well. */
    first.runtime_only = second.runtime_only = true;
    expect(m, first, 0, NULL);
    expect(m, second, 0, NULL);
    undo(m, "1", 4);
    undo(m, "2", 0);
    undo(m, "1", 0);
    expect_parameter(m, "nested", "Y");
}

static void in_use(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *before = NULL;
    struct wish w = want(FEATURE_NESTED, WANTED_OFF), waiting;

    fake_use(m, true);
    before = fake_snapshot(m);
    expect(m, w, 4, "in use by guest web1 (running)");
    expect_same(m, before);
    w.when_idle = true;
    expect(m, w, 0, "waits until kvm_intel is idle");
    assert_int_equal(pending_load(m->root, &waiting), 0);
    assert_int_equal(waiting.features[FEATURE_NESTED], WANTED_OFF);
    expect_parameter(m, "nested", "Y");
    fake_use(m, false);
    expect(m, waiting, 0, "nested=off");
    assert_int_equal(pending_load(m->root, &waiting), -ENOENT);
    expect_parameter(m, "nested", "N");
}

static void pending_is_undone(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *before = NULL;
    struct wish w = want(FEATURE_NESTED, WANTED_OFF);

    fake_use(m, true);
    before = fake_snapshot(m);
    w.when_idle = true;
    expect(m, w, 0, "waits");
    undo(m, NULL, 0);
    expect_same(m, before);
}

static struct fake_machine *hooked;

static void use_at_unload(enum fake_kind kind) {
    if (kind == FAKE_UNLOAD)
        fake_use(hooked, true);
}

/* libvirt looks at QEMU just now: that is waited for, and nobody is told to stop it. */
static void libvirt_looks(void **state) {
    struct fake_machine *m = *state;

    fake_use(m, true);
    expect(m, want(FEATURE_NESTED, WANTED_OFF), 4, "guest web1");
    fake_put(m, "/fake/probe", "1", 0644);
    expect(m, want(FEATURE_NESTED, WANTED_OFF), 0, NULL);
    /* It asks QEMU with KVM, and then without. */
    fake_use(m, true);
    fake_put(m, "/fake/probe", "2", 0644);
    expect(m, want(FEATURE_NESTED, WANTED_ON), 0, NULL);
}

static void look_at_unload(enum fake_kind kind) {
    if (kind != FAKE_UNLOAD)
        return;
    fake_hook = NULL;
    fake_use(hooked, true);
    fake_put(hooked, "/fake/probe", "1", 0644);
}

/* It begins between the look and the unloading. */
static void libvirt_looks_meanwhile(void **state) {
    struct fake_machine *m = hooked = *state;

    fake_hook = look_at_unload;
    expect(m, want(FEATURE_NESTED, WANTED_OFF), 0, NULL);
    assert_null(fake_hook);
}

/* A guest starts between the look and the unloading: nothing is changed, and it is named. */
static void race_with_a_guest(void **state) {
    struct fake_machine *m = hooked = *state;
    _cleanup_free_ char *before = fake_snapshot(m);

    fake_hook = use_at_unload;
    expect(m, want(FEATURE_NESTED, WANTED_OFF), 4, "guest web1");
    fake_hook = NULL;
    fake_use(m, false);
    expect_same(m, before);
}

static void load_at_load(enum fake_kind kind) {
    char *message;

    fake_hook = NULL;
    if (kind == FAKE_LOAD)
        assert_int_equal(fake_module_load(hooked->root, "kvm_intel", "", false, &message), 0);
    else
        fake_hook = load_at_load;
}

/* udev loads the module between our unloading and loading: then it is done once more. */
static void race_with_udev(void **state) {
    struct fake_machine *m = hooked = *state;
    struct wish w = want(FEATURE_NESTED, WANTED_OFF);

    w.runtime_only = true;
    fake_hook = load_at_load;
    expect(m, w, 0, NULL);
    fake_hook = NULL;
    expect_parameter(m, "nested", "N");
}

static void hardware_lacks_it(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *before = NULL;

    /* Not told by /proc/cpuinfo: found only when it is read back. */
    fake_lacks(m, "enable_shadow_vmcs");
    fake_boot(m);
    before = fake_snapshot(m);
    expect(m, want(FEATURE_SHADOW_VMCS, WANTED_ON), 3, "enable_shadow_vmcs");
    expect_same(m, before);
    assert_int_equal(fake_changes(m), 0);
    /* Told. */
    expect(m, want(FEATURE_IPIV, WANTED_ON), 3, "this CPU does not have it");
    expect(m, want(FEATURE_VGIF, WANTED_ON), 3, "not a feature of VMX");
    expect_same(m, before);
}

static void kernel_refuses(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *before = NULL;

    fake_put(m, "/etc/modprobe.d/bad.conf", "options kvm_intel pml=maybe\n", 0644);
    before = fake_snapshot(m);
    {
        _cleanup_(outcome_done) struct outcome o = change(m, want(FEATURE_NESTED, WANTED_OFF));

        assert_int_equal(o.exit_code, 1);
        assert_non_null(strstr(o.message, "`maybe' invalid for parameter `pml'"));
        assert_true(o.rolled_back);
    }
    /* The line keeps the module from being loaded as modprobe would, but not from coming back as it was. */
    expect_same(m, before);
}

static void conflicts(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *before = NULL;

    fake_put(m, "/etc/modprobe.d/kvm.conf", "options kvm_intel nested=0\n", 0644);
    fake_boot(m);
    {
        _cleanup_(plan_freep) struct plan *plan = make_plan(m, want(FEATURE_NESTED, WANTED_ON));

        assert_int_equal(plan->verdict, PLAN_READY);
        assert_int_equal(plan->n_notes, 1);
        assert_non_null(strstr(plan->notes[0], "/etc/modprobe.d/kvm.conf:1"));
    }
    expect(m, want(FEATURE_NESTED, WANTED_ON), 0, NULL);
    fake_boot(m);
    expect_parameter(m, "nested", "Y");
    /* Read after ours: whatever we write, it wins. */
    fake_put(m, "/etc/modprobe.d/tuned.conf", "options kvm_intel nested=1\n", 0644);
    before = fake_snapshot(m);
    {
        _cleanup_(outcome_done) struct outcome o = change(m, want(FEATURE_NESTED, WANTED_OFF));

        assert_int_equal(o.exit_code, 4);
        assert_int_equal(o.n_blockers, 1);
        assert_non_null(strstr(o.blockers[0], "/etc/modprobe.d/tuned.conf:1"));
    }
    expect_same(m, before);
    fake_put(m, "/etc/modprobe.d/tuned.conf", "\n", 0644);
    fake_put(m, "/proc/cmdline", "quiet kvm_intel.nested=1\n", 0644);
    expect(m, want(FEATURE_NESTED, WANTED_OFF), 4, "would not last");
}

static void install_line(void **state) {
    struct fake_machine *m = *state;

    fake_put(m, "/etc/modprobe.d/no.conf", "install kvm_intel /bin/false\n", 0644);
    expect(m, want(FEATURE_NESTED, WANTED_OFF), 4, "cannot be loaded as usual");
    expect_parameter(m, "nested", "Y");
}

static void needs(void **state) {
    struct fake_machine *m = *state;
    struct wish w = want(FEATURE_EPT, WANTED_OFF);

    w.features[FEATURE_PML] = WANTED_ON;
    expect(m, w, 3, "pml needs ept");
    fake_put(m, CONF, "options kvm_intel ept=0\n", 0644);
    fake_boot(m);
    expect(m, want(FEATURE_PML, WANTED_ON), 3, "pml needs ept");
    w.features[FEATURE_EPT] = WANTED_ON;
    expect(m, w, 0, NULL);
    expect_parameter(m, "pml", "Y");
}

static bool cancel(double fraction, const struct step *step, void *userdata) {
    return step->kind != STEP_LOAD_MODULE;
}

static void cancelled(void **state) {
    struct fake_machine *m = *state;
    _cleanup_(plan_freep) struct plan *plan = make_plan(m, want(FEATURE_NESTED, WANTED_OFF));
    _cleanup_free_ char *before = fake_snapshot(m);
    _cleanup_(outcome_done) struct outcome o = {};

    assert_int_equal(apply_plan(m->root, plan, "disable", cancel, NULL, &o), 0);
    assert_true(o.rolled_back);
    assert_int_equal(o.exit_code, 1);
    expect_same(m, before);
}

static void stale_plan(void **state) {
    struct fake_machine *m = *state;
    _cleanup_(plan_freep) struct plan *plan = make_plan(m, want(FEATURE_NESTED, WANTED_OFF));
    _cleanup_(outcome_done) struct outcome o = {};

    expect(m, want(FEATURE_VPID, WANTED_OFF), 0, NULL);
    assert_int_equal(apply_plan(m->root, plan, "disable", NULL, NULL, &o), 0);
    assert_int_equal(o.exit_code, 1);
    assert_non_null(strstr(o.message, "changed since"));
    expect_parameter(m, "nested", "Y");
}

static void defaults(void **state) {
    struct fake_machine *m = *state;
    _cleanup_host_facts_ struct host_facts *facts = NULL;
    struct wish w = {};

    fake_put(m, "/etc/modprobe.d/a.conf", "options kvm_intel nested=0 vpid=0\n", 0644);
    fake_boot(m);
    assert_int_equal(fake_module_unload(m->root, "kvm_intel"), 0);
    {
        char *message;

        assert_int_equal(fake_module_load(m->root, "kvm_intel", "enable_shadow_vmcs=0 enable_apicv=0", false, &message), 0);
    }
    facts = fake_probe(m);
    wish_enable_defaults(facts, &w);
    assert_int_equal(w.features[FEATURE_NESTED], WANTED_ON);
    assert_int_equal(w.features[FEATURE_SHADOW_VMCS], WANTED_ON);
    assert_int_equal(w.features[FEATURE_VPID], WANTED_KEEP);  /* off on purpose */
    assert_int_equal(w.features[FEATURE_APICV], WANTED_KEEP); /* not ours to judge */
    assert_int_equal(w.features[FEATURE_EPT], WANTED_KEEP);   /* on already */
}

static void not_loaded(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *before = NULL;

    assert_int_equal(fake_module_unload(m->root, "kvm_intel"), 0);
    before = fake_snapshot(m);
    expect(m, want(FEATURE_NESTED, WANTED_ON), 0, NULL);
    expect_parameter(m, "nested", "Y");
    undo(m, NULL, 0);
    expect_same(m, before);
    expect(m, want(FEATURE_NESTED, WANTED_OFF), 0, NULL);
    assert_null(fake_parameter(m, "nested"));
    fake_boot(m);
    expect_parameter(m, "nested", "N");
}

static void symlink_is_refused(void **state) {
    struct fake_machine *m = *state;
    _cleanup_free_ char *path = text_format("%s" CONF, m->dir);

    assert_int_equal(symlink("other.conf", path), 0);
    expect(m, want(FEATURE_NESTED, WANTED_OFF), 1, "symbolic link");
    expect_parameter(m, "nested", "Y");
}

static void one_at_a_time(void **state) {
    struct fake_machine *m = *state;
    _cleanup_(plan_freep) struct plan *plan = make_plan(m, want(FEATURE_NESTED, WANTED_OFF));
    _cleanup_close_ int lock = -EBADF;
    struct outcome o;

    expect(m, want(FEATURE_NESTED, WANTED_ON), 0, NULL);
    lock = sysroot_openat(m->root, NESTD_RUNDIR "/lock", O_RDWR, 0);
    assert_true(lock >= 0);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_int_equal(apply_plan(m->root, plan, "disable", NULL, NULL, &o), -EBUSY);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(off_on_and_back), T(undo_of_a_module_that_comes_or_goes), T(default_is_right), T(other_parameters_survive),
        T(own_file_is_kept_byte_for_byte),
        T(attributes_are_kept),
        T(hand_edit_stops_undo), T(older_change_waits_for_newer), T(in_use), T(pending_is_undone),
        T(race_with_a_guest), T(libvirt_looks), T(libvirt_looks_meanwhile), T(race_with_udev), T(hardware_lacks_it), T(kernel_refuses), T(conflicts),
        T(install_line), T(needs), T(cancelled), T(stale_plan), T(defaults), T(not_loaded), T(symlink_is_refused),
        T(one_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
