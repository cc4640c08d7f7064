/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Modules: loaded, built in, available or absent; their parameters from sysfs, or from modinfo where not loaded. */
#include "probe.h"

#include <fcntl.h>

#include "dl-libkmod.h"
#include "text.h"

#define PARAMETERS_MAX 256
#define HOLDERS_MAX 256
#define MODULES_TEXT_MAX (16 << 20) /* modules.dep, modules.builtin.modinfo */
#define MODULE_FILE_MAX (64 << 20)

/* Debian, Ubuntu and Fedora compress differently; "updates" and "extra" win over "kernel" (depmod.d(5)). */
static const char *const suffixes[] = { "", ".xz", ".zst", ".gz" };
static const char *const directories[] = { "updates/dkms", "updates", "extra", "misc", "kernel/arch/x86/kvm" };

/* File names have '-' for '_', or not. */
static bool is_module_file(const char *name, const char *module) {
    size_t n = strlen(module);

    for (size_t i = 0; i < n; i++)
        if (name[i] != module[i] && !(name[i] == '-' && module[i] == '_'))
            return false;
    return startswith(name + n, ".ko");
}

/* Looks where kernels are known to put the file: cheaper than reading modules.dep. */
static int find_known(const struct sysroot *root, const char *kernel, const char *module, char **ret) {
    _cleanup_free_ char *dashed = strdup(module);

    if (!dashed)
        return -ENOMEM;
    for (char *c = dashed; *c; c++)
        if (*c == '_')
            *c = '-';
    FOREACH_ARRAY(d, directories, ELEMENTSOF(directories))
        FOREACH_ARRAY(s, suffixes, ELEMENTSOF(suffixes)) {
            _cleanup_free_ char *path = text_format("/lib/modules/%s/%s/%s.ko%s", kernel, *d, dashed, *s);
            struct stat st;

            if (!path)
                return -ENOMEM;
            if (sysroot_stat(root, path, &st) == 0 && S_ISREG(st.st_mode)) {
                *ret = TAKE_PTR(path);
                return 0;
            }
        }
    return 0;
}

/* modules.dep has a line "kernel/.../kvm-intel.ko: ..." for each module file. */
static int find_in_dep(const struct sysroot *root, const char *kernel, const char *module, char **ret) {
    _cleanup_free_ char *path = text_format("/lib/modules/%s/modules.dep", kernel);
    _cleanup_lines_ struct lines lines;
    char *line;
    int r;

    lines.fd = -EBADF;
    if (!path)
        return -ENOMEM;
    if (lines_open(root, path, MODULES_TEXT_MAX, &lines) < 0)
        return 0;
    while ((r = lines_next(&lines, &line)) > 0) {
        char *colon = strchr(line, ':'), *name;

        if (!colon)
            continue;
        *colon = '\0';
        name = strrchr(line, '/');
        if (is_module_file(name ? name + 1 : line, module)) {
            *ret = line[0] == '/' ? strdup(line) : text_format("/lib/modules/%s/%s", kernel, line);
            return *ret ? 0 : -ENOMEM;
        }
    }
    return 0;
}

int probe_module_path(const struct sysroot *root, const char *kernel, const char *module, char **ret) {
    int r;

    *ret = NULL;
    if (!kernel)
        return 0;
    r = find_known(root, kernel, module, ret);
    /* Ours is installed where DKMS and modules_install put it; a search for it would cost every host. */
    if (r < 0 || *ret || streq(module, "nestvmx"))
        return r;
    return find_in_dep(root, kernel, module, ret);
}

static struct parameter *find_parameter(const struct module_facts *m, const char *name) {
    FOREACH_ARRAY(q, m->parameters, m->n_parameters)
        if (text_same_name(q->name, name))
            return q;
    return NULL;
}

/* The parameter, made if there is none yet; NULL: -ENOMEM or too many. */
static struct parameter *get_parameter(struct module_facts *m, const char *name, size_t n) {
    _cleanup_free_ char *clean = text_clean(name, n, 128);
    struct parameter *q;

    if (!clean)
        return NULL;
    if ((q = find_parameter(m, clean)))
        return q;
    if (m->n_parameters >= PARAMETERS_MAX || list_grow(&m->parameters, m->n_parameters, sizeof(*q)) < 0)
        return NULL;
    q = m->parameters + m->n_parameters++;
    *q = (struct parameter){ .name = TAKE_PTR(clean), .in_modinfo = true };
    return q;
}

/* One "parm=NAME:DESCRIPTION" or "parmtype=NAME:TYPE". */
static int take_modinfo(struct module_facts *m, const char *key, const char *value) {
    bool typed = streq(key, "parmtype");
    const char *colon = strchr(value, ':');
    struct parameter *q;

    if ((!typed && !streq(key, "parm")) || !colon || m->n_parameters >= PARAMETERS_MAX)
        return 0;
    if (!(q = get_parameter(m, value, colon - value)))
        return -ENOMEM;
    if (typed && !q->type && !(q->type = text_clean(colon + 1, SIZE_MAX, 64)))
        return -ENOMEM;
    return 0;
}

/* "kvm_intel.parmtype=nested:bool" entries, divided by NULs (modules.builtin.modinfo) or newlines (a dump's). */
static int take_modinfo_text(struct module_facts *m, char *text, size_t size) {
    for (size_t i = 0, n; i < size; i += n + 1) {
        char *entry = text + i, *dot, *equals;
        int r;

        n = strcspn(entry, "\n");
        entry[n] = '\0';
        if (!(dot = strchr(entry, '.')) || !(equals = strchr(dot, '=')))
            continue;
        *dot = *equals = '\0';
        if (text_same_name(entry, m->name) && (r = take_modinfo(m, dot + 1, equals + 1)) < 0)
            return r;
    }
    return 0;
}

static int modinfo_from_text(struct probe *p, struct module_facts *m, const char *file) {
    _cleanup_free_ char *path = text_format("/lib/modules/%s/%s", strempty(p->facts->kernel), file), *text = NULL;
    size_t size;
    int r;

    if (!path)
        return -ENOMEM;
    r = sysroot_read(p->root, path, MODULES_TEXT_MAX, &text, &size);
    if (r < 0)
        return r;
    return take_modinfo_text(m, text, size);
}

static void kmod_ctx_done(struct kmod_ctx **ctx) {
    const struct libkmod *kmod;

    if (*ctx && libkmod_load(&kmod) == 0)
        kmod->kmod_unref(*ctx);
}

static void kmod_mod_done(struct kmod_module **mod) {
    const struct libkmod *kmod;

    if (*mod && libkmod_load(&kmod) == 0)
        kmod->kmod_module_unref(*mod);
}

static void say_nothing(void *data, int priority, const char *file, int line, const char *fn, const char *format,
                        va_list args) {
}

/* A compressed file in a dump is not opened: nothing bounds what it would unpack to. */
static int open_module_file(const struct sysroot *root, const char *path) {
    _cleanup_close_ int fd = sysroot_openat(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    struct stat st;
    char magic[4];

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size > MODULE_FILE_MAX)
        return -EFBIG;
    if (!root->live && (pread(fd, magic, 4, 0) != 4 || memcmp(magic, "\177ELF", 4) != 0))
        return -EPROTONOSUPPORT;
    return TAKE_FD(fd);
}

static int modinfo_from_file(struct probe *p, struct module_facts *m, const char *path) {
    static const char *const no_configuration[] = { NULL };
    _cleanup_(kmod_ctx_done) struct kmod_ctx *ctx = NULL;
    _cleanup_(kmod_mod_done) struct kmod_module *mod = NULL;
    _cleanup_close_ int fd = open_module_file(p->root, path);
    _cleanup_free_ char *self = NULL;
    struct kmod_list *info = NULL, *i;
    const struct libkmod *kmod;
    int r;

    if (fd < 0)
        return fd;
    if ((r = libkmod_load(&kmod)) < 0)
        return r;
    /* By descriptor, so that the sysroot's rules hold. */
    if (!(self = text_format("/proc/self/fd/%d", fd)) || !(ctx = kmod->kmod_new("/", no_configuration)))
        return -ENOMEM;
    kmod->kmod_set_log_fn(ctx, say_nothing, NULL);
    if ((r = kmod->kmod_module_new_from_path(ctx, self, &mod)) < 0 || (r = kmod->kmod_module_get_info(mod, &info)) < 0)
        return r;
    r = 0;
    for (i = info; i && r == 0; i = kmod->kmod_list_next(info, i))
        r = take_modinfo(m, kmod->kmod_module_info_get_key(i), kmod->kmod_module_info_get_value(i));
    kmod->kmod_module_info_free_list(info);
    return r;
}

const char *module_error_reason(int error, const char **ret_remedy) {
    static const struct {
        int error;
        const char *reason, *remedy;
    } table[] = {
        { -ENOPKG, "libkmod (libkmod.so.2) is not installed", "install it: the package libkmod2 or kmod-libs" },
        { -EPROTONOSUPPORT, "in a dump only an uncompressed module is read", "make the dump with 'nestctl collect'" },
    };

    if (ret_remedy)
        *ret_remedy = NULL;
    FOREACH_ARRAY(t, table, ELEMENTSOF(table))
        if (t->error == error) {
            if (ret_remedy)
                *ret_remedy = t->remedy;
            return t->reason;
        }
    return strerror(-error);
}

/* modinfo's parameters of a module that is not loaded. */
static int probe_modinfo(struct probe *p, struct module_facts *m, const char *path) {
    int r = -ENOENT;

    if (!p->root->live)
        r = modinfo_from_text(p, m, "nestd.modinfo");
    if (r == -ENOENT || (r == 0 && m->n_parameters == 0))
        r = modinfo_from_file(p, m, path);
    if (r >= 0 || probe_is_shortage(r))
        return r;
    m->parameters_error = r == -ENOENT ? -ENODATA : r; /* libkmod's for a file without modinfo */
    return probe_warn(p, "%s: its parameters are not known: %s", path, module_error_reason(m->parameters_error, NULL));
}

/* One sysfs attribute of a parameter. */
static int read_parameter(struct probe *p, struct module_facts *m, const char *dir, const char *name) {
    _cleanup_free_ char *path = text_format("%s/%s", dir, name), *value = NULL;
    struct parameter *q = get_parameter(m, name, strlen(name));
    struct stat st;
    int r;

    if (!path || !q)
        return path && m->n_parameters >= PARAMETERS_MAX ? 0 : -ENOMEM;
    if (sysroot_stat(p->root, path, &st) == 0)
        q->mode = st.st_mode & 07777;
    r = sysroot_read_line(p->root, path, &value);
    if (r == -ENOMEM)
        return r;
    if (r < 0) /* write-only ones may be unreadable; a strange one is not worth a warning each */
        return 0;
    free(q->value);
    return (q->value = text_clean(value, SIZE_MAX, TEXT_MAX)) ? 0 : -ENOMEM;
}

static int read_parameters(struct probe *p, struct module_facts *m) {
    _cleanup_free_ char *dir = text_format("/sys/module/%s/parameters", m->name);
    char **names = NULL;
    size_t n = 0;
    int r;

    if (!dir)
        return -ENOMEM;
    r = sysroot_list(p->root, dir, PARAMETERS_MAX, &names, &n);
    if (r < 0)
        return probe_warn_unreadable(p, dir, r);
    for (size_t i = 0; i < n && r == 0; i++)
        r = read_parameter(p, m, dir, names[i]);
    strings_free(names, n);
    return r;
}

static int read_loaded(struct probe *p, struct module_facts *m) {
    _cleanup_free_ char *dir = text_format("/sys/module/%s/holders", m->name),
                        *path = text_format("/sys/module/%s/refcnt", m->name), *refcnt = NULL;
    unsigned count;
    int r;

    if (!dir || !path)
        return -ENOMEM;
    if ((r = probe_line(p, path, &refcnt)) < 0)
        return r;
    if (refcnt && text_to_unsigned(refcnt, &count) == 0 && count <= INT32_MAX)
        m->refcnt = count;
    r = sysroot_list(p->root, dir, HOLDERS_MAX, &m->holders, &m->n_holders);
    return r < 0 ? probe_warn_unreadable(p, dir, r) : 0;
}

/* Is MODULE in modules.builtin ("kernel/arch/x86/kvm/kvm-intel.ko" a line)? */
static bool is_builtin(struct probe *p, const char *module) {
    _cleanup_free_ char *path = text_format("/lib/modules/%s/modules.builtin", strempty(p->facts->kernel));
    _cleanup_lines_ struct lines lines;
    char *line;

    lines.fd = -EBADF;
    if (!path || lines_open(p->root, path, MODULES_TEXT_MAX, &lines) < 0)
        return false;
    while (lines_next(&lines, &line) > 0) {
        const char *slash = strrchr(line, '/');

        if (is_module_file(slash ? slash + 1 : line, module))
            return true;
    }
    return false;
}

static int probe_module(struct probe *p, struct module_facts *m, const char *name) {
    _cleanup_free_ char *dir = text_format("/sys/module/%s", name), *init = text_format("/sys/module/%s/initstate", name),
                        *path = NULL;
    struct stat st;
    int r;

    m->name = name;
    m->refcnt = -1;
    if (!dir || !init)
        return -ENOMEM;
    if (sysroot_stat(p->root, dir, &st) == 0 && S_ISDIR(st.st_mode)) {
        /* Only a loaded module has an initstate; what is built in has at most parameters. */
        if ((r = probe_line(p, init, &m->initstate)) < 0 || (r = read_parameters(p, m)) < 0)
            return r;
        m->state = m->initstate ? MODULE_LOADED : MODULE_BUILTIN;
        return m->initstate ? read_loaded(p, m) : 0;
    }
    if ((r = probe_module_path(p->root, p->facts->kernel, name, &path)) < 0)
        return r;
    if (path) {
        m->state = MODULE_AVAILABLE;
        return probe_modinfo(p, m, path);
    }
    if (!streq(name, "nestvmx") && is_builtin(p, name)) {
        m->state = MODULE_BUILTIN;
        r = modinfo_from_text(p, m, "modules.builtin.modinfo");
        return r == -ENOMEM ? r : 0;
    }
    m->state = MODULE_ABSENT;
    return 0;
}

int probe_modules(struct probe *p) {
    struct host_facts *f = p->facts;
    const char *vendor = extension_module(f->extension ? f->extension : f->masked_extension);
    int r;

    if ((r = probe_module(p, &f->kvm, "kvm")) < 0 || (r = probe_module(p, &f->nestvmx, "nestvmx")) < 0)
        return r;
    return vendor ? probe_module(p, &f->vendor_module, vendor) : 0;
}

int dump_modinfo(const struct sysroot *root, char **ret) {
    static const char *const modules[] = { "kvm", "kvm_intel", "kvm_amd", "nestvmx" };
    _cleanup_host_facts_ struct host_facts *f = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r = probe_host(root, &f);

    if (r < 0)
        return r;
    _cleanup_fclose_ FILE *out = open_memstream(&text, &size);
    if (!out)
        return -ENOMEM;
    FOREACH_ARRAY(name, modules, ELEMENTSOF(modules)) {
        struct module_facts m = { .name = *name };
        struct probe p = { .root = root, .facts = f };
        _cleanup_free_ char *path = NULL;

        if ((r = probe_module_path(root, f->kernel, *name, &path)) == 0 && path)
            r = probe_modinfo(&p, &m, path);
        FOREACH_ARRAY(q, m.parameters, m.n_parameters)
            fprintf(out, "%s.%s=%s:%s\n", *name, q->type ? "parmtype" : "parm", q->name, strempty(q->type));
        module_facts_done(&m);
        if (r < 0)
            return r;
    }
    if (fflush(out) != 0)
        return -ENOMEM;
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}
