/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sysroot dump for a bug report: what probe, conf and undo read, and nothing else, so that --root on the unpacked
 * archive says what this host says. */
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <time.h>
#include "common/probe.h"
#include "common/text.h"
#include "host.h"
#include "scrub.h"
#include "tar.h"

enum {
    FILE_LIMIT = 1 << 20,
    CPUINFO_LIMIT = 40 << 20, /* 8192 CPUs */
    MODULES_LIMIT = 16 << 20,
    TOTAL_LIMIT = 64 << 20,
    NAMES_LIMIT = 4096, /* in one directory */
};

/* %KERNEL% in a component stands for the kernel's release; others are fnmatch(3) patterns. A directory that matches
 * becomes an empty directory, any file that is neither that nor regular an empty file: there are no devices in a dump. */
struct source {
    const char *pattern;
    size_t limit; /* 0: FILE_LIMIT */
    scrub_t scrub;
};

static const struct source sources[] = {
    {"/proc/cpuinfo", CPUINFO_LIMIT},
    {"/proc/cmdline", 0, scrub_cmdline},
    {"/proc/xen/capabilities"},
    {"/sys/devices/system/cpu/present"},
    {"/sys/devices/system/cpu/online"},
    {"/sys/devices/system/cpu/vulnerabilities/*"},
    {"/sys/class/dmi/id/product_name"},
    {"/sys/class/dmi/id/sys_vendor"},
    {"/sys/hypervisor/type"},
    {"/sys/kernel/security/lockdown"},
    {"/sys/firmware"},
    {"/sys/firmware/efi"},
    {"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"},
    {"/sys/module/kvm*"},
    {"/sys/module/nestvmx"},
    {"/sys/module/vboxdrv"},
    {"/sys/module/vmmon"},
    {"/sys/module/kvm*/initstate"},
    {"/sys/module/kvm*/refcnt"},
    {"/sys/module/kvm*/holders/*"},
    {"/sys/module/kvm*/parameters/*"},
    {"/sys/module/nestvmx/initstate"},
    {"/sys/module/nestvmx/refcnt"},
    {"/sys/module/nestvmx/holders/*"},
    {"/sys/module/nestvmx/parameters/*"},
    {"/lib/modules/%KERNEL%/modules.dep", MODULES_LIMIT, scrub_lines},
    {"/lib/modules/%KERNEL%/modules.builtin", MODULES_LIMIT, scrub_lines},
    {"/lib/modules/%KERNEL%/modules.builtin.modinfo", MODULES_LIMIT, scrub_records},
    {"/etc/modprobe.d/*", 0, scrub_config},
    {"/run/modprobe.d/*", 0, scrub_config},
    {"/usr/local/lib/modprobe.d/*", 0, scrub_config},
    {"/usr/lib/modprobe.d/*", 0, scrub_config},
    {"/lib/modprobe.d/*", 0, scrub_config},
    {"/etc/initramfs-tools/modules", 0, scrub_config},
    {"/etc/dracut.conf", 0, scrub_config},
    {"/etc/dracut.conf.d/*", 0, scrub_config},
    {"/etc/mkinitcpio.conf", 0, scrub_config},
    {"/dev/kvm"},
    {NESTD_LIBDIR "/nestd.conf"},
    {NESTD_LIBDIR "/nestd.conf.d/*"},
    {NESTD_SYSCONFDIR "/nestd.conf"},
    {NESTD_SYSCONFDIR "/nestd.conf.d/*"},
    {NESTD_STATEDIR "/*.json"},
    {NESTD_STATEDIR "/journal/*"},
};

struct collection {
    const struct options *options;
    struct host host;
    struct tar tar;
    const char *usr; /* "/usr" where /lib is a link to usr/lib, otherwise "" */
};

static void collection_done(struct collection *c) {
    host_done(&c->host);
}

static int note(struct collection *c, const char *path, int r) {
    if (r == -ENOENT || r == -ENOTDIR || r == -ENODEV || r == -EOPNOTSUPP)
        return 0;
    say(c->options, "%s: left out: %s", path, strerror(-r));
    return 0;
}

/* Errors are those of the archive; what cannot be read is left out. */
static int add_text(struct collection *c, const char *path, const char *text) {
    struct stat st = {.st_mode = S_IFREG | 0444};
    size_t size = strlen(text);

    return tar_add(&c->tar, path + 1, &st, NULL, text, size);
}

static int add_link(struct collection *c, const char *path, const char *target) {
    return tar_add(&c->tar, path + 1, &(struct stat){.st_mode = S_IFLNK | 0777}, target, NULL, 0);
}

/* As much as there is up to the limit: a directory for a directory, an empty file for a device. */
static int add_file(struct collection *c, const char *path, const struct source *source) {
    _cleanup_free_ char *data = NULL;
    struct stat st;
    size_t size = 0;
    int r = sysroot_stat(c->host.root, path, &st);

    if (r >= 0 && S_ISREG(st.st_mode))
        r = sysroot_read(c->host.root, path, source->limit ? source->limit : FILE_LIMIT, &data, &size);
    if (r < 0)
        return note(c, path, r);
    if (c->tar.size + size > TOTAL_LIMIT)
        return note(c, path, -EFBIG);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        st.st_mode = S_IFREG | (st.st_mode & 07777);
    if (S_ISDIR(st.st_mode))
        st.st_mode |= 0700; /* or nothing could be unpacked into it */
    if (source->scrub && data)
        source->scrub(data, &size);
    return tar_add(&c->tar, path + 1, &st, NULL, data, size);
}

/* Symbolic links in configuration stay links (one to /dev/null masks a file); those of sysfs name what they lead to. */
static int add_leaf(struct collection *c, const char *path, const struct source *source) {
    _cleanup_free_ char *target = NULL;
    int r = sysroot_readlink(c->host.root, path, &target);

    if (r >= 0 && startswith(path, "/sys/"))
        return tar_add(&c->tar, path + 1, &(struct stat){.st_mode = S_IFDIR | 0755}, NULL, NULL, 0);
    r = r >= 0 ? add_link(c, path, target) : add_file(c, path, source);
    return r == -ENAMETOOLONG ? note(c, path, r) : r;
}

/* PATH is what PATTERN was expanded to so far, without a '/' at its end. */
static int expand(struct collection *c, char *path, size_t length, const char *pattern, const struct source *source) {
    size_t n = strcspn(pattern + 1, "/");
    const char *rest = pattern + 1 + n;
    char component[128];
    char **names = NULL;
    size_t n_names = 0;
    int r;

    if (streq(rest, "") && n == 0)
        return add_leaf(c, path, source);
    snprintf(component, sizeof(component), "%.*s", (int)n, pattern + 1);
    if (streq(component, "%KERNEL%")) {
        if (!c->host.facts->kernel)
            return 0;
        snprintf(component, sizeof(component), "%s", c->host.facts->kernel);
    }
    if (!strpbrk(component, "*?[")) {
        snprintf(path + length, PATH_MAX - length, "/%s", component);
        return *rest ? expand(c, path, strlen(path), rest, source) : add_leaf(c, path, source);
    }
    r = sysroot_list(c->host.root, path, NAMES_LIMIT, &names, &n_names);
    if (r < 0)
        return note(c, path, r);
    for (size_t i = 0; i < n_names && r >= 0; i++) {
        if (fnmatch(component, names[i], 0) == 0) {
            snprintf(path + length, PATH_MAX - length, "/%s", names[i]);
            r = *rest ? expand(c, path, strlen(path), rest, source) : add_leaf(c, path, source);
            path[length] = '\0';
        }
    }
    strings_free(names, n_names);
    return r;
}

/* Where /lib is a link to usr/lib it stays one, and what is below it is collected once. */
static int add_lib(struct collection *c) {
    _cleanup_free_ char *lib = NULL;
    int r;

    c->usr = sysroot_readlink(c->host.root, "/lib", &lib) >= 0 && streq(lib, "usr/lib") ? "/usr" : "";
    if (!*c->usr)
        return 0;
    r = tar_add(&c->tar, "usr/lib", &(struct stat){.st_mode = S_IFDIR | 0755}, NULL, NULL, 0);
    return r < 0 ? r : add_link(c, "/lib", lib);
}

static int add_sources(struct collection *c) {
    int r = add_lib(c);

    FOREACH_ARRAY(s, sources, ELEMENTSOF(sources)) {
        char path[PATH_MAX] = "";

        if (r < 0)
            break;
        if (*c->usr && streq(s->pattern, "/lib/modprobe.d/*"))
            continue;
        if (startswith(s->pattern, "/lib/"))
            snprintf(path, sizeof(path), "%s", c->usr);
        r = expand(c, path, strlen(path), s->pattern, s);
    }
    return r;
}

/* What a dump has as text although the machine has it otherwise. */
static int add_facts(struct collection *c) {
    const struct host_facts *f = c->host.facts;
    const struct {
        const char *path, *value;
    } names[] = {
        {"/proc/sys/kernel/hostname", f->name},
        {"/proc/sys/kernel/osrelease", f->kernel},
        {"/proc/sys/kernel/arch", f->arch},
    };
    int r = 0;

    FOREACH_ARRAY(n, names, ELEMENTSOF(names)) {
        char line[512];

        snprintf(line, sizeof(line), "%s\n", strempty(n->value));
        if (n->value && r >= 0)
            r = add_text(c, n->path, line);
    }
    return r;
}

/* *R is what reading TEXT said; what cannot be read is left out. Frees TEXT. */
static int add_generated(struct collection *c, const char *path, int read_result, char *text) {
    int r = read_result < 0 ? note(c, path, read_result) : add_text(c, path, text);

    if (read_result >= 0)
        free(text);
    return r;
}

static int add_registers(struct collection *c) {
    char *text = NULL;
    int r, e, n_failed = 0;

    if (c->host.root->live) {
        e = dump_cpuid(&text);
        r = add_generated(c, "/dev/cpu/0/cpuid", e, text);
    } else {
        r = add_file(c, "/dev/cpu/0/cpuid", &(struct source){});
    }
    for (unsigned cpu = 0; cpu < c->host.facts->n_cpus && r >= 0 && n_failed == 0; cpu++) {
        char path[64];

        e = dump_msr(c->host.root, cpu, &text);
        snprintf(path, sizeof(path), "/dev/cpu/%u/msr", cpu);
        n_failed += e == -EACCES || e == -EPERM; /* for all of them */
        r = add_generated(c, path, e, text);
    }
    return r;
}

/* The module files themselves are large: a dump has their parameters as text, and their places. */
static int add_modules(struct collection *c) {
    static const char *const modules[] = {"kvm", "kvm_intel", "kvm_amd", "nestvmx"};
    const char *kernel = c->host.facts->kernel;
    char path[512], *text = NULL;
    int r = 0;

    if (!kernel)
        return 0;
    FOREACH_ARRAY(m, modules, ELEMENTSOF(modules)) {
        _cleanup_free_ char *file = NULL;

        if (r >= 0)
            r = probe_module_path(c->host.root, kernel, *m, &file);
        if (r < 0 || !file)
            continue;
        snprintf(path, sizeof(path), "%s%s", startswith(file, "/lib/") ? c->usr : "", file);
        r = add_text(c, path, "");
    }
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "%s/lib/modules/%s/nestd.modinfo", c->usr, kernel);
    r = dump_modinfo(c->host.root, &text);
    return add_generated(c, path, r, text);
}

static int collect(struct collection *c) {
    int r = add_sources(c);

    if (r >= 0)
        r = add_facts(c);
    if (r >= 0)
        r = add_registers(c);
    if (r >= 0)
        r = add_modules(c);
    return r >= 0 ? tar_end(&c->tar) : r;
}

/* Nobody's file is overwritten, and nobody else reads ours. */
static int open_output(const char *name) {
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return fd < 0 ? -errno : fd;
}

static void put_summary(const struct options *options, const struct collection *c, const char *name) {
    _cleanup_json_ struct json_object *o = NULL;

    if (options->json) {
        o = json_object_new_object();
        json_object_object_add(o, "schema", json_object_new_int(1));
        json_object_object_add(o, "file", json_object_new_string(name));
        json_object_object_add(o, "size", json_object_new_int64((int64_t)c->tar.size));
        json_object_object_add(o, "members", json_object_new_int((int)c->tar.n_members));
        put_json(o);
    } else if (!options->quiet) {
        printf("%s: %u files, %llu KiB. Look through it before you send it; 'nestctl --root=DIR' reads it unpacked.\n",
               name, c->tar.n_members, (unsigned long long)c->tar.size / 1024);
    }
}

/* "nestd-HOST-TIME.tar" */
static char *default_name(const struct collection *c) {
    char stamp[32] = "now", *name;
    struct tm tm;

    if (localtime_r(&c->tar.mtime, &tm))
        strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
    name = text_format("nestd-%.200s-%s.tar", c->host.facts->name ? c->host.facts->name : "host", stamp);
    for (char *p = name; p && *p; p++)
        if (*p == '/')
            *p = '_';
    return name;
}

/* A whole archive of this name, or none. */
static int collect_into(struct collection *c, const char *name) {
    int r;

    c->tar.fd = open_output(name);
    if (c->tar.fd < 0)
        return c->tar.fd;
    r = collect(c);
    if (r >= 0 && fsync(c->tar.fd) < 0 && errno != EINVAL) /* EINVAL: a pipe or a device */
        r = -errno;
    close(c->tar.fd);
    if (r < 0)
        (void)unlink(name);
    return r;
}

static int check_usage(const struct options *options, bool to_stdout) {
    if (options->host)
        return fail(EXIT_USAGE, "--host", "run 'ssh HOST nestctl collect - > FILE.tar'", "a dump does not come over the bus");
    if (to_stdout && isatty(STDOUT_FILENO))
        return fail(EXIT_USAGE, "-", "name a file, or redirect it", "an archive is not for a terminal");
    if (to_stdout && options->json)
        return fail(EXIT_USAGE, "--json", "leave one of the two out", "standard output is the archive already");
    return EXIT_DONE;
}

int verb_collect(const struct options *options, int argc, char *argv[]) {
    _cleanup_(collection_done) struct collection c = {
        .options = options, .tar = {.fd = STDOUT_FILENO, .mtime = time(NULL)}};
    bool to_stdout = argc > 0 && streq(argv[0], "-");
    _cleanup_free_ char *name = NULL;
    int r;

    r = check_usage(options, to_stdout);
    if (r == EXIT_DONE)
        r = host_read(options, &c.host);
    if (r != EXIT_DONE)
        return r;
    name = argc > 0 ? strdup(argv[0]) : default_name(&c);
    if (!name)
        return fail_errno(-ENOMEM, "collect", NULL);
    r = to_stdout ? collect(&c) : collect_into(&c, name);
    if (r < 0)
        return fail(r == -EACCES ? EXIT_NOT_AUTHORISED : EXIT_FAILED, name,
                    r == -EEXIST ? "name another file" : "name a file that can be written", "%s", strerror(-r));
    if (!to_stdout)
        put_summary(options, &c, name);
    return EXIT_DONE;
}
