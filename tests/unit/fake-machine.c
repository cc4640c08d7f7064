/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/fake-machine.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/xattr.h>

#include "params.h"
#include "tests/unit/support-root.h"
#include "text.h"

#define MODULE     "/sys/module/kvm_intel"
#define KERNEL     "6.1.0-49-amd64"
#define MODULE_DIR "/lib/modules/" KERNEL

struct fake_fault fake_fault;
unsigned fake_events;
enum fake_kind fake_log[4096];
void (*fake_hook)(enum fake_kind kind);

const char *const fake_kinds[] = {
    [FAKE_LOAD] = "load",   [FAKE_UNLOAD] = "unload",   [FAKE_SET] = "set",     [FAKE_SETTLE] = "settle",
    [FAKE_NODE] = "node",   [FAKE_USERS] = "users",     [FAKE_REFRESH] = "refresh", [FAKE_WRITE] = "write",
    [FAKE_FSYNC] = "fsync", [FAKE_RENAME] = "rename",   [FAKE_UNLINK] = "unlink", [FAKE_GUEST] = "guest",
};

/* kvm_intel of Debian's 6.1, less what no test needs. */
static const struct fake_parameter parameters[] = {
    {"enable_apicv", "bool", "Y"},
    {"enable_ipiv", "bool", "N", .needs = "enable_apicv"},
    {"enable_shadow_vmcs", "bool", "Y"},
    {"ept", "bool", "Y"},
    {"eptad", "bool", "Y", .needs = "ept"},
    {"nested", "bool", "Y"},
    {"ple_gap", "uint", "128"},
    {"pml", "bool", "Y", .needs = "eptad"},
    {"unrestricted_guest", "bool", "Y", .needs = "ept"},
    {"vpid", "bool", "Y"},
    {"dump_invalid_vmcs", "bool", "N", .writable = true},
    {"vmentry_l1d_flush", NULL, "not required", .writable = true},
};

/* Returns the error that shall be met instead, or 0. */
static int before(enum fake_kind kind) {
    unsigned n = fake_events++;

    if (n < ELEMENTSOF(fake_log))
        fake_log[n] = kind;
    if (fake_hook)
        fake_hook(kind);
    if (fake_fault.what == FAULT_KILL_BEFORE && n == fake_fault.at)
        raise(SIGKILL);
    if ((fake_fault.what == FAULT_FAIL && n == fake_fault.at) ||
        (fake_fault.what == FAULT_FAIL_FROM && n >= fake_fault.at && kind == fake_log[fake_fault.at]))
        return fake_fault.error;
    return 0;
}

/* Where a parameter has that name */
static int before_event(enum fake_kind kind) {
    return before(kind);
}

void fake_after(void) {
    if (fake_fault.what == FAULT_KILL_AFTER && fake_events == fake_fault.at + 1)
        raise(SIGKILL);
}

int fake_libc(enum fake_kind kind) {
    int error = before(kind);

    errno = error;
    return error ? -1 : 0;
}

static char *full(const char *dir, const char *path) {
    char *s = text_format("%s%s", dir, path);

    assert(s);
    return s;
}

static char *get(const struct sysroot *root, const char *path) {
    char *line = NULL;

    return sysroot_read_line(root, path, &line) < 0 ? NULL : line;
}

static void remove_tree(const char *dir, const char *path) {
    _cleanup_free_ char *real = full(dir, path);

    if (access(real, F_OK) == 0)
        temp_root_free(strdup(real));
}

static const struct fake_parameter *known(const char *name) {
    FOREACH_ARRAY(p, parameters, ELEMENTSOF(parameters))
        if (text_same_name(p->name, name))
            return p;
    return NULL;
}

/* As the kernel does: -EINVAL for what is not of the type; unknown names are only logged. */
static int take_value(struct params *p, const char *name, const char *value, char **ret_message) {
    const struct fake_parameter *k = known(name);
    bool yes = param_value_equal(value, "1"), no = value && param_value_equal(value, "0");

    if (!k)
        return 0;
    if ((k->type && streq(k->type, "bool") && !yes && !no) || (value && strchr(value, ' '))) {
        *ret_message = text_format("kvm_intel: `%s' invalid for parameter `%s'", strempty(value), name);
        return -EINVAL;
    }
    assert(params_set(p, name, k->type && streq(k->type, "bool") ? (yes ? "Y" : "N") : value) >= 0);
    return 0;
}

static int take_options(struct params *p, const char *options, char **ret_message) {
    _cleanup_params_ struct params given = {};
    int r = 0;

    if (params_parse(options, &given) < 0)
        return -EINVAL;
    for (size_t i = 0; i < given.n && r == 0; i++)
        r = take_value(p, given.list[i].name, given.list[i].value, ret_message);
    return r;
}

/* The "options kvm_intel" lines of /etc/modprobe.d, in the order of the names. */
static int take_files(const struct sysroot *root, struct params *p, char **ret_message) {
    char **names = NULL;
    size_t n = 0;
    int r = 0;

    (void)sysroot_list(root, "/etc/modprobe.d", 100, &names, &n);
    for (size_t i = 0; i < n && r == 0; i++) {
        _cleanup_free_ char *path = text_format("/etc/modprobe.d/%s", names[i]), *text = NULL;
        char *rest, *line;

        assert(path && sysroot_read(root, path, 1 << 20, &text, NULL) >= 0);
        for (rest = text; r == 0 && (line = strsep(&rest, "\n"));)
            if (startswith(line, "options kvm_intel "))
                r = take_options(p, startswith(line, "options kvm_intel "), ret_message);
    }
    strings_free(names, n);
    return r;
}

static void put_parameter(struct fake_machine *m, const struct params *p, const struct fake_parameter *k) {
    _cleanup_free_ char *path = text_format("/fake/new/parameters/%s", k->name), *line = NULL;
    const char *value = params_get(p, k->name)->value;

    if (streq(k->name, "vmentry_l1d_flush") && streq(params_get(p, "ept")->value, "N"))
        value = "EPT disabled";
    assert(path && (line = text_format("%s\n", value)));
    fake_put(m, path, line, k->writable ? 0644 : 0444);
}

/* What the hardware lacks, or depends on what is off, is off; in the order of the table eptad comes before pml. */
static void derive(struct fake_machine *m, struct params *p) {
    FOREACH_ARRAY(k, parameters, ELEMENTSOF(parameters)) {
        _cleanup_free_ char *lacks = text_format("/fake/lacks-%s", k->name);

        if (fake_has(m, lacks))
            assert(params_set(p, k->name, "N") >= 0);
    }
    FOREACH_ARRAY(k, parameters, ELEMENTSOF(parameters))
        if (k->needs && streq(params_get(p, k->needs)->value, "N"))
            assert(params_set(p, k->name, "N") >= 0);
}

static int load(const struct sysroot *root, const char *options, bool alone, char **ret_message) {
    struct fake_machine m = {.dir = root->path, .root = (struct sysroot *)root};
    _cleanup_free_ char *new = full(m.dir, "/fake/new"), *module = full(m.dir, MODULE);
    _cleanup_params_ struct params p = {};
    int r;

    if (fake_has(&m, MODULE))
        return -EEXIST;
    FOREACH_ARRAY(k, parameters, ELEMENTSOF(parameters))
        assert(params_set(&p, k->name, k->value) >= 0);
    if ((!alone && (r = take_files(root, &p, ret_message)) < 0) || (r = take_options(&p, options, ret_message)) < 0)
        return r;
    derive(&m, &p);
    remove_tree(m.dir, "/fake/new");
    fake_put(&m, "/fake/new/initstate", "live\n", 0444);
    fake_put(&m, "/fake/new/refcnt", "0\n", 0444);
    FOREACH_ARRAY(k, parameters, ELEMENTSOF(parameters))
        put_parameter(&m, &p, k);
    /* devtmpfs makes it so; udev has still to come. */
    fake_put(&m, "/fake/kvm", "0600 0 0\n", 0644);
    assert(rename(new, module) == 0);
    return 0;
}

bool fake_may_change(const struct sysroot *root) {
    return true;
}

int fake_module_load(const struct sysroot *root, const char *module, const char *options, bool alone, char **ret_message) {
    int r = -before(FAKE_LOAD);

    *ret_message = NULL;
    assert(streq(module, "kvm_intel"));
    if (r == 0)
        r = load(root, options, alone, ret_message);
    fake_after();
    return r;
}

int fake_module_unload(const struct sysroot *root, const char *module) {
    _cleanup_free_ char *refcnt = NULL, *real = full(root->path, MODULE), *gone = full(root->path, "/fake/gone"),
                        *kvm = full(root->path, "/fake/kvm");
    int r = -before(FAKE_UNLOAD);

    if (r < 0)
        return r;
    if (!(refcnt = get(root, MODULE "/refcnt")))
        return -ENOENT;
    if (!streq(refcnt, "0"))
        return -EBUSY;
    remove_tree(root->path, "/fake/gone");
    assert(rename(real, gone) == 0 && remove(kvm) == 0);
    fake_after();
    return 0;
}

int fake_parameter_set(const struct sysroot *root, const char *module, const char *name, const char *value) {
    struct fake_machine m = {.dir = root->path, .root = (struct sysroot *)root};
    _cleanup_free_ char *path = text_format(MODULE "/parameters/%s", name), *message = NULL, *line = NULL;
    _cleanup_params_ struct params p = {};
    int r = -before(FAKE_SET);

    if (r == 0 && !fake_has(&m, path))
        r = -ENOENT;
    if (r == 0 && (r = take_value(&p, name, value, &message)) == 0) {
        assert((line = text_format("%s\n", params_get(&p, name)->value)));
        fake_put(&m, path, line, 0644);
    }
    fake_after();
    return r;
}

int fake_settle(const struct sysroot *root, const char *path, unsigned msec) {
    struct fake_machine m = {.dir = root->path, .root = (struct sysroot *)root};
    int r = -before(FAKE_SETTLE);

    if (r == 0 && path && !fake_has(&m, "/fake/kvm"))
        r = -ETIMEDOUT;
    if (r == 0 && path)
        fake_put(&m, "/fake/kvm", "0666 0 0\n", 0644); /* udev's rule, which is not what the administrator wants */
    fake_after();
    return r;
}

int fake_node_restore(const struct sysroot *root, const char *path, mode_t mode, uid_t uid, gid_t gid) {
    struct fake_machine m = {.dir = root->path, .root = (struct sysroot *)root};
    _cleanup_free_ char *line = text_format("%04o %u %u\n", mode, uid, gid);
    int r = -before(FAKE_NODE);

    if (r == 0)
        fake_put(&m, "/fake/kvm", line, 0644);
    fake_after();
    return r;
}

int fake_module_users(const struct sysroot *root, const char *module, char ***ret, size_t *ret_n) {
    _cleanup_free_ char *refcnt = get(root, MODULE "/refcnt");
    int r = -before(FAKE_USERS);

    *ret = NULL;
    *ret_n = 0;
    if (r == 0 && refcnt && !streq(refcnt, "0"))
        r = strings_push(ret, ret_n, strdup("guest web1 (running)"));
    fake_after();
    return r;
}

bool fake_wait_for_probe(const struct sysroot *root, unsigned msec) {
    struct fake_machine m = {.dir = root->path, .root = (struct sysroot *)root};
    _cleanup_free_ char *looks = get(root, "/fake/probe");

    if (!looks)
        return false;
    if (streq(looks, "1"))
        fake_use(&m, false);
    fake_put(&m, "/fake/probe", "1", 0644);
    return true;
}

int fake_libvirt_refresh(const struct sysroot *root, bool parameters_changed, char **ret_note) {
    int r = -before(FAKE_REFRESH);

    *ret_note = NULL;
    fake_after();
    return r;
}

void fake_guest(struct fake_machine *m, const char *uuid, const char *name, const char *state) {
    _cleanup_free_ char *path = text_format("/fake/guests/%s", uuid), *line = text_format("%s %s\n", name, state);

    assert(path && line);
    fake_put(m, path, line, 0644);
}

char *fake_guest_state(struct fake_machine *m, const char *uuid) {
    _cleanup_free_ char *path = text_format("/fake/guests/%s", uuid), *line = get(m->root, path);

    return line ? strdup(strchr(line, ' ') + 1) : NULL;
}

int fake_guests_exposed(const struct sysroot *root, struct actor_guest **ret, size_t *ret_n) {
    struct fake_machine m = {.dir = root->path, .root = (struct sysroot *)root};
    char **names = NULL;
    size_t n = 0, count = 0;

    (void)sysroot_list(root, "/fake/guests", 100, &names, &n);
    assert((*ret = calloc(n + 1, sizeof(**ret))));
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *state = fake_guest_state(&m, names[i]);

        if (!startswith(state, "hide"))
            (*ret)[count++] = (struct actor_guest){strdup(names[i]), strdup(names[i]), TAKE_PTR(state), false};
    }
    strings_free(names, n);
    *ret_n = count;
    return 0;
}

/* Is its daemon there, or started now? */
static bool have_libvirtd(struct fake_machine *m, bool start) {
    if (fake_has(m, "/fake/no-libvirtd") && start)
        remove_tree(m->dir, "/fake/no-libvirtd");
    return !fake_has(m, "/fake/no-libvirtd");
}

int fake_guest_read(const struct sysroot *root, const char *uuid, bool start, char **ret_state, char **ret_why) {
    struct fake_machine m = {.dir = root->path, .root = (struct sysroot *)root};

    if (!have_libvirtd(&m, start))
        return -EHOSTDOWN;
    return (*ret_state = fake_guest_state(&m, uuid)) ? 0 : -ENOENT;
}

void fake_libvirt_catches_up(struct fake_machine *m) {
    char **names = NULL;
    size_t n = 0;

    (void)sysroot_list(m->root, "/fake/late", 100, &names, &n);
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *path = text_format("/fake/late/%s", names[i]), *state = get(m->root, path);

        fake_guest(m, names[i], names[i], state);
    }
    strings_free(names, n);
    remove_tree(m->dir, "/fake/late");
}

static void leave_late(struct fake_machine *m, const char *uuid, const char *state) {
    _cleanup_free_ char *path = text_format("/fake/late/%s", uuid);

    fake_put(m, path, state, 0644);
}

int fake_guest_restore(const struct sysroot *root, const char *uuid, const char *before, const char *after, bool start,
                       char **ret_why) {
    struct fake_machine m = {.dir = root->path, .root = (struct sysroot *)root};

    fake_libvirt_catches_up(&m);
    return fake_guest_set(root, uuid, after, before, start, ret_why);
}

int fake_guest_set(const struct sysroot *root, const char *uuid, const char *before, const char *after, bool start,
                   char **ret_why) {
    struct fake_machine m = {.dir = root->path, .root = (struct sysroot *)root};
    _cleanup_free_ char *now = fake_guest_state(&m, uuid), *refuses = text_format("/fake/refuses-%s", uuid);
    int r;

    if (fake_fault.what == FAULT_KILL_DURING && fake_fault.at == fake_events) {
        leave_late(&m, uuid, after);
        raise(SIGKILL);
    }
    r = -before_event(FAKE_GUEST);
    if (r == -ETIMEDOUT)
        leave_late(&m, uuid, after);
    if (r == 0 && !have_libvirtd(&m, start))
        r = -EHOSTDOWN;
    else if (r == 0 && !now)
        r = -ENOENT;
    else if (r == 0 && !streq(now, after)) {
        if (!streq(now, before))
            r = -ESTALE;
        else if (fake_has(&m, refuses)) {
            *ret_why = strdup("libvirt refuses the new definition, the old one stays");
            r = -EIO;
        } else
            fake_guest(&m, uuid, uuid, after);
    }
    fake_after();
    return r;
}

void fake_put(struct fake_machine *m, const char *path, const char *text, mode_t mode) {
    _cleanup_free_ char *real = full(m->dir, path), *new = full(m->dir, "/fake/file");

    temp_root_puts(m->dir, path, ""); /* its parents */
    temp_root_puts(m->dir, "/fake/file", text);
    assert(chmod(new, mode) == 0 && rename(new, real) == 0);
}

bool fake_adorn(struct fake_machine *m, const char *path) {
    /* linux/posix_acl_xattr.h, version 2: user rw-, user 0 r--, group ---, mask r--, other --- */
    static const unsigned char acl[] = {2, 0, 0, 0,
                                        1, 0, 6, 0, 255, 255, 255, 255, 2,  0, 4, 0, 0,   0,   0,   0,   4, 0, 0, 0, 255, 255, 255, 255,
                                        16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255};
    _cleanup_free_ char *real = full(m->dir, path);
    int taken = 0;

    taken += setxattr(real, "user.nestd", "\0=\n", 3, 0) == 0;
    taken += setxattr(real, "system.posix_acl_access", acl, sizeof(acl), 0) == 0;
    return taken > 0;
}

bool fake_has(struct fake_machine *m, const char *path) {
    struct stat st;

    return sysroot_stat(m->root, path, &st) >= 0;
}

char *fake_parameter(struct fake_machine *m, const char *name) {
    _cleanup_free_ char *path = text_format(MODULE "/parameters/%s", name);

    return get(m->root, path);
}

void fake_use(struct fake_machine *m, bool used) {
    fake_put(m, MODULE "/refcnt", used ? "3\n" : "0\n", 0444);
}

void fake_lacks(struct fake_machine *m, const char *parameter) {
    _cleanup_free_ char *path = text_format("/fake/lacks-%s", parameter);

    fake_put(m, path, "", 0644);
}

void fake_boot(struct fake_machine *m) {
    _cleanup_free_ char *message = NULL;

    remove_tree(m->dir, MODULE);
    assert(load(m->root, "", false, &message) == 0);
    fake_put(m, "/fake/kvm", "0660 0 104\n", 0644);
}

struct host_facts *fake_probe(struct fake_machine *m) {
    _cleanup_free_ char *kvm = NULL;
    struct host_facts *facts;
    unsigned mode, uid, gid;

    assert(probe_host(m->root, &facts) == 0);
    if (sysroot_read_line(m->root, "/fake/kvm", &kvm) >= 0 && sscanf(kvm, "%o %u %u", &mode, &uid, &gid) == 3)
        facts->dev_kvm = (struct dev_kvm_facts){.exists = true, .is_char = true, .mode = mode, .uid = uid, .gid = gid};
    return facts;
}

static void write_modinfo(struct fake_machine *m) {
    _cleanup_free_ char *text = NULL;
    _cleanup_fclose_ FILE *f = NULL;
    size_t size;

    assert((f = open_memstream(&text, &size)));
    FOREACH_ARRAY(k, parameters, ELEMENTSOF(parameters))
        if (k->type)
            fprintf(f, "kvm_intel.parmtype=%s:%s\n", k->name, k->type);
    fflush(f);
    fake_put(m, MODULE_DIR "/nestd.modinfo", text, 0644);
}

void fake_new(struct fake_machine *m) {
    m->dir = temp_root_new();
    assert(sysroot_open(m->dir, &m->root) >= 0);
    fake_put(m, "/proc/sys/kernel/osrelease", KERNEL "\n", 0644);
    fake_put(m, "/proc/cmdline", "root=/dev/vda quiet\n", 0644);
    fake_put(m, "/proc/cpuinfo",
             "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel name\t: Fake\nflags\t\t: fpu vmx sse2\n"
             "vmx flags\t: vnmi preemption_timer invvpid ept_ad flexpriority apicv ept vpid unrestricted_guest "
             "shadow_vmcs pml tsc_scaling\n\n",
             0644);
    fake_put(m, MODULE_DIR "/modules.dep", "kernel/arch/x86/kvm/kvm-intel.ko: kernel/arch/x86/kvm/kvm.ko\nkernel/arch/x86/kvm/kvm.ko:\n",
             0644);
    fake_put(m, MODULE_DIR "/modules.builtin", "", 0644);
    write_modinfo(m);
    fake_put(m, "/etc/modprobe.d/other.conf", "# not ours\noptions kvm ignore_msrs=1\n", 0640);
    fake_put(m, "/sys/module/kvm/initstate", "live\n", 0444);
    fake_put(m, "/sys/module/kvm/refcnt", "1\n", 0444);
    fake_put(m, "/run/empty", "", 0644);
    fake_put(m, "/var/lib/empty", "", 0644);
}

void fake_free(struct fake_machine *m) {
    sysroot_free(m->root);
    temp_root_free(m->dir);
    *m = (struct fake_machine){};
}

/* Every file below a directory, hidden ones too: a temporary file that was left is another machine. */
static void print_files(FILE *f, struct fake_machine *m, const char *dir) {
    _cleanup_free_ char *real = full(m->dir, dir);
    struct dirent **list;
    int n = scandir(real, &list, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *path = text_format("%s/%s", dir, list[i]->d_name), *text = NULL;
        _cleanup_attributes_ struct attributes a = {};

        if (list[i]->d_type == DT_REG) {
            assert(sysroot_read(m->root, path, 1 << 20, &text, NULL) >= 0 && sysroot_attributes(m->root, path, &a) >= 0);
            fprintf(f, "%s %o %u:%u: %s\n%s", path, a.mode, a.uid, a.gid, text, a.xattrs);
        }
        free(list[i]);
    }
    if (n >= 0)
        free(list);
}

char *fake_snapshot(struct fake_machine *m) {
    _cleanup_fclose_ FILE *f = NULL;
    _cleanup_free_ char *kvm = get(m->root, "/fake/kvm");
    char *text = NULL;
    size_t size;

    assert((f = open_memstream(&text, &size)));
    print_files(f, m, "/etc/modprobe.d");
    print_files(f, m, MODULE);
    print_files(f, m, MODULE "/parameters");
    print_files(f, m, NESTD_STATEDIR);
    print_files(f, m, "/fake/guests");
    fprintf(f, "kvm: %s\n", kvm ? kvm : "no");
    fflush(f);
    fclose(TAKE_PTR(f));
    return text;
}

unsigned fake_changes(struct fake_machine *m) {
    struct change *changes;
    unsigned count = 0;
    size_t n;

    assert(undo_list(m->root, &changes, &n) >= 0);
    for (size_t i = 0; i < n; i++)
        count += !changes[i].undone;
    changes_free(changes, n);
    return count;
}
