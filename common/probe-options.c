/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who has a say in the options a module gets: modprobe.d in modprobe's order, then the kernel command line
 * (modprobe.d(5); libkmod's config says no file names and lines, so it is read here). */
#include "probe.h"

#include "text.h"

#define FILE_MAX (1 << 20)
#define FILES_MAX 1024
#define OPTIONS_MAX 4096
#define BLANKS " \t"

/* A file of an earlier directory masks one of the same name in a later. */
static const char *const directories[] = {
    "/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d",
};

static const char *const modules[] = { "kvm", "kvm_intel", "kvm_amd", "nestvmx" };

/* One contributor at hand. */
struct origin {
    struct probe *probe;
    const char *path;
    unsigned line;
};

/* Our name for a module that matters here, or NULL. */
static const char *known_module(const char *name) {
    FOREACH_ARRAY(m, modules, ELEMENTSOF(modules))
        if (text_same_name(*m, name))
            return *m;
    return NULL;
}

static int add_option(struct origin *o, const char *module, const char *parameter, const char *value) {
    struct host_facts *f = o->probe->facts;
    if (f->n_options >= OPTIONS_MAX)
        return 0;
    struct module_option option = {
        .path = text_clean(o->path, SIZE_MAX, TEXT_MAX),
        .line = o->line,
        .module = strdup(module),
        .parameter = text_clean(parameter, SIZE_MAX, 128),
        .value = value ? text_clean(value, SIZE_MAX, TEXT_MAX) : NULL,
        .effective = true,
        .ours = streq(o->path, NESTD_MODPROBE_CONF),
    };

    if (!option.path || !option.module || !option.parameter || (value && !option.value) ||
        list_grow(&f->options, f->n_options, sizeof(option)) < 0) {
        module_option_done(&option);
        return -ENOMEM;
    }
    FOREACH_ARRAY(before, f->options, f->n_options)
        if (streq(before->module, module) && text_same_name(before->parameter, option.parameter))
            before->effective = false;
    f->options[f->n_options++] = option;
    return 0;
}

/* Cuts the next word out of *S as the kernel's next_arg() does: quotes keep blanks together and go. */
static char *next_argument(char **s) {
    char *word = *s + strspn(*s, BLANKS), *end;
    bool quoted = false;

    if (!*word)
        return NULL;
    for (end = word; *end && (quoted || !strchr(BLANKS, *end)); end++)
        if (*end == '"')
            quoted = !quoted;
    *s = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

static void unquote(char *s) {
    char *out = s;

    for (; *s; s++)
        if (*s != '"')
            *out++ = *s;
    *out = '\0';
}

/* "nested=1 npt=0" */
static int add_options(struct origin *o, const char *module, char *rest) {
    char *word;
    int r = 0;

    while (r == 0 && (word = next_argument(&rest))) {
        char *value;

        unquote(word);
        if ((value = strchr(word, '=')))
            *value++ = '\0';
        if (*word)
            r = add_option(o, module, word, value);
    }
    return r;
}

static int add_directive(struct origin *o, enum directive_kind kind, const char *module, const char *rest) {
    struct host_facts *f = o->probe->facts;
    if (f->n_directives >= OPTIONS_MAX)
        return 0;
    struct module_directive d = {
        .kind = kind,
        .path = text_clean(o->path, SIZE_MAX, TEXT_MAX),
        .line = o->line,
        .module = strdup(module),
        .text = text_clean(rest + strspn(rest, BLANKS), SIZE_MAX, TEXT_MAX),
    };

    if (!d.path || !d.module || !d.text || list_grow(&f->directives, f->n_directives, sizeof(d)) < 0) {
        module_directive_done(&d);
        return -ENOMEM;
    }
    f->directives[f->n_directives++] = d;
    return 0;
}

static const struct { const char *command; enum directive_kind kind; } directives[] = {
    { "blacklist", DIRECTIVE_BLACKLIST }, { "install", DIRECTIVE_INSTALL }, { "remove", DIRECTIVE_REMOVE },
    { "softdep", DIRECTIVE_SOFTDEP },
};
static const char *const ignored[] = { "alias", "weakdep", "include", "config", "options" };

static int handle_line(struct origin *o, char *line) {
    char *command = line + strspn(line, BLANKS), *rest, *name;
    const char *module;

    if (!*command || *command == '#')
        return 0;
    rest = command + strcspn(command, BLANKS);
    if (*rest)
        *rest++ = '\0';
    rest += strspn(rest, BLANKS);
    name = rest;
    rest += strcspn(rest, BLANKS);
    if (*rest)
        *rest++ = '\0';
    module = known_module(name);
    if (streq(command, "options") && module)
        return add_options(o, module, rest);
    FOREACH_ARRAY(d, directives, ELEMENTSOF(directives))
        if (streq(command, d->command))
            return module ? add_directive(o, d->kind, module, rest) : 0;
    FOREACH_ARRAY(i, ignored, ELEMENTSOF(ignored))
        if (streq(command, *i))
            return 0;
    return probe_warn(o->probe, "%s:%u: modprobe does not know \"%.64s\"", o->path, o->line, command);
}

/* A backslash before the newline joins lines; the line that begins is the one that is named. */
static int handle_text(struct origin *o, char *text) {
    unsigned line = 1;
    int r = 0;

    for (char *s = text; r == 0 && *s;) {
        char *begin = s, *out = s;

        o->line = line;
        for (; *s && *s != '\n'; s++)
            if (s[0] == '\\' && s[1] == '\n') {
                s++;
                line++;
            } else
                *out++ = *s == '\r' ? ' ' : *s;
        if (*s)
            s++;
        line++;
        *out = '\0';
        r = handle_line(o, begin);
    }
    return r;
}

struct conf_file {
    const char *directory;
    char *name;
};

static int compare_files(const void *a, const void *b) {
    const struct conf_file *x = a, *y = b;
    int r = strcmp(x->name, y->name);

    return r ? r : (x->directory > y->directory) - (x->directory < y->directory);
}

/* modprobe reads *.conf, and still *.alias. */
static bool is_conf(const char *name) {
    const char *dot = strrchr(name, '.');

    return dot && (streq(dot, ".conf") || streq(dot, ".alias"));
}

static int list_files(struct probe *p, struct conf_file **files, size_t *n) {
    FOREACH_ARRAY(d, directories, ELEMENTSOF(directories)) {
        char **names = NULL;
        size_t n_names = 0;
        int r = sysroot_list(p->root, *d, FILES_MAX, &names, &n_names);

        if (r < 0 && (r = probe_warn_unreadable(p, *d, r)) < 0)
            return r;
        for (size_t i = 0; i < n_names && r == 0; i++) {
            bool masked = !is_conf(names[i]);

            for (size_t j = 0; j < *n && !masked; j++)
                masked = (*files)[j].directory != *d && streq((*files)[j].name, names[i]);
            if (masked)
                continue;
            if ((r = list_grow(files, *n, sizeof(**files))) == 0)
                (*files)[(*n)++] = (struct conf_file){ *d, TAKE_PTR(names[i]) };
        }
        strings_free(names, n_names);
        if (r < 0)
            return r;
    }
    if (*n > 0)
        qsort(*files, *n, sizeof(**files), compare_files);
    return 0;
}

static int read_file(struct probe *p, const struct conf_file *file) {
    _cleanup_free_ char *path = text_format("%s/%s", file->directory, file->name), *text = NULL;
    struct origin o = { .probe = p, .path = path };
    size_t size;
    int r;

    if (!path)
        return -ENOMEM;
    r = sysroot_read(p->root, path, FILE_MAX, &text, &size);
    if (r == -EBADF || r == -EISDIR || r == -ENOENT) /* a link to /dev/null masks */
        return 0;
    if (r < 0)
        return probe_warn_unreadable(p, path, r);
    if (memchr(text, '\0', size))
        return probe_warn(p, "%s: binary data, not read", path);
    if (streq(path, NESTD_MODPROBE_CONF) && !(p->facts->own_options = strdup(text)))
        return -ENOMEM;
    return handle_text(&o, text);
}

/* "kvm_intel.nested=1"; "modprobe.blacklist=" and "module_blacklist=" with names and commas. */
static int handle_cmdline_word(struct origin *o, char *word) {
    char *value, *dot;
    const char *module;

    unquote(word);
    if ((value = strchr(word, '=')))
        *value++ = '\0';
    if (value && (streq(word, "modprobe.blacklist") || streq(word, "module_blacklist"))) {
        for (char *name; (name = strsep(&value, ","));)
            if ((module = known_module(name))) {
                int r = add_directive(o, DIRECTIVE_BLACKLIST, module, "");
                if (r < 0)
                    return r;
            }
        return 0;
    }
    if (!(dot = strchr(word, '.')) || !dot[1])
        return 0;
    *dot = '\0';
    return (module = known_module(word)) ? add_option(o, module, dot + 1, value) : 0;
}

static int read_cmdline(struct probe *p) {
    static const char path[] = "/proc/cmdline";
    struct origin o = { .probe = p, .path = path };
    _cleanup_free_ char *text = NULL;
    char *rest, *word;
    size_t size;
    int r = sysroot_read(p->root, path, FILE_MAX, &text, &size);

    if (r < 0)
        return probe_warn_unreadable(p, path, r);
    if (memchr(text, '\0', size))
        return probe_warn(p, "%s: binary data, not read", path);
    text[strcspn(text, "\n")] = '\0';
    rest = text;
    while (r == 0 && (word = next_argument(&rest)) && !streq(word, "--")) /* what follows is init's */
        r = handle_cmdline_word(&o, word);
    return r;
}

int probe_options(struct probe *p) {
    struct conf_file *files = NULL;
    size_t n = 0;
    int r = list_files(p, &files, &n);

    for (size_t i = 0; i < n && r == 0; i++)
        r = read_file(p, files + i);
    for (size_t i = 0; i < n; i++)
        free(files[i].name);
    free(files);
    return r < 0 ? r : read_cmdline(p);
}
