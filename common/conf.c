/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf.h"

#include <fcntl.h>
#include <ini.h>

#include "text.h"

#define CONF_FILE_MAX (64 * 1024)
#define CONF_DROPINS_MAX 256
#define CONF_WARNINGS_MAX 64
#define CONF_LIST_MAX 1024
#define IDLE_TIMEOUT_DEFAULT_SEC 30
#define USEC_PER_SEC UINT64_C(1000000)

const char *wanted_to_string(enum wanted w) {
    static const char *const names[] = { "keep", "on", "off" };

    return names[w];
}

/* What the parser carries: inih's reader hands it line by line, so that the handler knows where it is. */
struct parser {
    struct conf *conf;
    const char *path;
    const char *rest; /* of the file */
    unsigned line;
    bool understood; /* the line at hand has reached the handler, or there is nothing to understand in it */
    int error;       /* -ENOMEM */
};

static void warn(struct parser *p, const char *format, ...) _printf_(2, 3);
static void warn(struct parser *p, const char *format, ...) {
    struct conf *c = p->conf;
    struct conf_warning w = { .line = p->line };
    va_list ap;

    if (c->n_warnings >= CONF_WARNINGS_MAX)
        return;
    va_start(ap, format);
    w.message = text_vformat(format, ap);
    va_end(ap);
    w.path = text_clean(p->path, SIZE_MAX, TEXT_MAX);
    if (!w.message || !w.path || list_grow(&c->warnings, c->n_warnings, sizeof(w)) < 0) {
        free(w.message);
        free(w.path);
        p->error = -ENOMEM;
        return;
    }
    c->warnings[c->n_warnings++] = w;
}

static int parse_wanted(const char *value, enum wanted *ret) {
    static const struct { const char *word; enum wanted wanted; } words[] = {
        { "on", WANTED_ON },   { "yes", WANTED_ON }, { "true", WANTED_ON },   { "1", WANTED_ON },
        { "off", WANTED_OFF }, { "no", WANTED_OFF }, { "false", WANTED_OFF }, { "0", WANTED_OFF },
        { "keep", WANTED_KEEP }, { "", WANTED_KEEP },
    };

    FOREACH_ARRAY(w, words, ELEMENTSOF(words))
        if (strcasecmp(value, w->word) == 0) {
            *ret = w->wanted;
            return 0;
        }
    return -EINVAL;
}

static int handle_feature(struct parser *p, const char *name, const char *value) {
    const struct feature *f = feature_by_name(EXTENSION_VMX, name);

    if (!f)
        f = feature_by_name(EXTENSION_SVM, name);
    if (!f)
        return -ENOENT;
    return parse_wanted(value, &p->conf->features[f->id]);
}

static int handle_boot(struct parser *p, const char *name, const char *value) {
    static const char *const words[] = { "verify", "apply", "ignore" };

    if (!streq(name, "OnDrift"))
        return -ENOENT;
    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        if (streq(value, words[i])) {
            p->conf->on_drift = i;
            return 0;
        }
    return -EINVAL;
}

static int handle_daemon(struct parser *p, const char *name, const char *value) {
    unsigned seconds;

    if (!streq(name, "IdleExitSec"))
        return -ENOENT;
    if (streq(value, "infinity"))
        p->conf->idle_timeout_usec = UINT64_MAX;
    else if (text_to_unsigned(value, &seconds) < 0)
        return -EINVAL;
    else
        p->conf->idle_timeout_usec = seconds * USEC_PER_SEC;
    return 0;
}

/* Adds the words of VALUE; an empty value clears what came before, as in systemd's lists. */
static int add_words(char ***list, const char *value) {
    const char *word;
    size_t n = 0, length;

    while (*list && (*list)[n])
        n++;
    if (!*value) {
        strings_free(*list, n);
        *list = NULL;
        return 0;
    }
    while ((length = text_word(&value, " \t,", &word)) > 0) {
        char **grown;

        if (n >= CONF_LIST_MAX)
            return -E2BIG;
        if (!(grown = reallocarray(*list, n + 2, sizeof(char *))))
            return -ENOMEM;
        *list = grown;
        grown[n] = text_clean(word, length, TEXT_MAX);
        if (!grown[n++])
            return -ENOMEM;
        grown[n] = NULL;
    }
    return 0;
}

static int handle_guests(struct parser *p, const char *name, const char *value) {
    if (streq(name, "Expose"))
        return add_words(&p->conf->expose, value);
    if (streq(name, "Hide"))
        return add_words(&p->conf->hide, value);
    return -ENOENT;
}

/* -ENOENT: no such key; -EINVAL: no such value. */
static const struct section {
    const char *name, *values;
    int (*handle)(struct parser *p, const char *name, const char *value);
} sections[] = {
    { "Features", "on, off or keep", handle_feature },
    { "Boot", "verify, apply or ignore", handle_boot },
    { "Daemon", "a number of seconds or infinity", handle_daemon },
    { "Guests", "at most 1024 names, UUIDs or patterns", handle_guests },
};

static int handle_assignment(void *userdata, const char *section, const char *name, const char *value) {
    struct parser *p = userdata;
    _cleanup_free_ char *clean_section = text_clean(section, SIZE_MAX, 64), *clean_name = text_clean(name, SIZE_MAX, 64),
                        *clean_value = text_clean(value, SIZE_MAX, 64);
    const struct section *s = NULL;
    int r;

    p->understood = true;
    if (!clean_section || !clean_name || !clean_value) {
        p->error = -ENOMEM;
        return 1;
    }
    FOREACH_ARRAY(i, sections, ELEMENTSOF(sections))
        if (streq(i->name, section))
            s = i;
    r = s ? s->handle(p, name, value) : 0;
    if (!s)
        warn(p, "unknown section [%s], \"%s\" ignored", clean_section, clean_name);
    else if (r == -ENOMEM)
        p->error = r;
    else if (r == -ENOENT)
        warn(p, "unknown setting \"%s\" in [%s], ignored", clean_name, section);
    else if (r < 0)
        warn(p, "%s=%s: not %s, ignored", clean_name, clean_value, s->values);
    return 1;
}

/* An fgets() for inih. Leading blanks go: inih would take the line for a continuation. */
static char *next_line(char *buf, int size, void *userdata) {
    struct parser *p = userdata;

    if (!p->understood)
        warn(p, "not a setting (NAME=VALUE), ignored");
    p->understood = true;
    if (!*p->rest || p->error < 0)
        return NULL;
    p->line++;
    size_t n = strcspn(p->rest, "\n");
    const char *line = p->rest;
    p->rest += n + (line[n] == '\n');
    if (p->line == 1 && startswith(line, "\xEF\xBB\xBF")) {
        line += 3;
        n -= 3;
    }
    while (n > 0 && strchr(" \t\r", *line)) {
        line++;
        n--;
    }
    if (n + 2 > (size_t)size) {
        warn(p, "line longer than %d bytes, ignored", size - 2);
        n = 0;
    }
    memcpy(buf, line, n);
    strcpy(buf + n, "\n");
    size_t length = strcspn(buf, "\r\n");
    while (length > 0 && strchr(" \t", buf[length - 1]))
        length--;
    p->understood = length == 0 || strchr("#;", buf[0]) || (buf[0] == '[' && strchr(buf, ']'));
    return buf;
}

static int load_file(const struct sysroot *root, const char *path, struct conf *conf) {
    _cleanup_free_ char *text = NULL;
    struct parser p = { .conf = conf, .path = path, .understood = true };
    size_t size;
    int r;

    r = sysroot_read(root, path, CONF_FILE_MAX, &text, &size);
    if (r == -ENOMEM || r == -ENOENT || r == -EBADF) /* a device: masked by a link to /dev/null */
        return r == -ENOMEM ? r : 0;
    if (r < 0)
        warn(&p, "not read: %s", strerror(-r));
    else if (memchr(text, '\0', size))
        warn(&p, "not read: binary data");
    else {
        p.rest = text;
        if (ini_parse_stream(next_line, &p, handle_assignment, &p) == -2)
            return -ENOMEM;
    }
    return p.error;
}

/* Only the first that exists counts; -ENOENT: none does. */
static int load_first(const struct sysroot *root, const char *name, struct conf *conf) {
    static const char *const dirs[] = { NESTD_SYSCONFDIR, NESTD_LIBDIR };

    FOREACH_ARRAY(d, dirs, ELEMENTSOF(dirs)) {
        _cleanup_free_ char *path = text_format("%s/%s", *d, name);
        _cleanup_close_ int fd = -EBADF;

        if (!path)
            return -ENOMEM;
        /* Not following: a link to /dev/null masks, also where the dump has no /dev/null. */
        if ((fd = sysroot_openat(root, path, O_PATH | O_NOFOLLOW, 0)) != -ENOENT)
            return load_file(root, path, conf);
    }
    return 0;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int load_dropins(const struct sysroot *root, struct conf *conf) {
    static const char *const dirs[] = { NESTD_SYSCONFDIR "/nestd.conf.d", NESTD_LIBDIR "/nestd.conf.d" };
    char **names = NULL;
    size_t n = 0;
    int r = 0;

    FOREACH_ARRAY(d, dirs, ELEMENTSOF(dirs)) {
        struct parser p = { .conf = conf, .path = *d };
        char **here = NULL;
        size_t n_here = 0;

        r = sysroot_list(root, *d, CONF_DROPINS_MAX, &here, &n_here);
        if (r < 0 && r != -ENOENT && r != -ENOMEM)
            warn(&p, "not read: %s", strerror(-r));
        for (size_t i = 0; i < n_here; i++) {
            const char *dot = strrchr(here[i], '.');

            r = dot && streq(dot, ".conf") ? strings_push(&names, &n, TAKE_PTR(here[i])) : 0;
            if (r < 0)
                break;
        }
        strings_free(here, n_here);
        if (r == -ENOMEM || p.error < 0) {
            r = -ENOMEM;
            goto finish;
        }
    }
    if (n > 0)
        qsort(names, n, sizeof(*names), compare_names);
    r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        _cleanup_free_ char *name = NULL;

        if (i > 0 && streq(names[i], names[i - 1]))
            continue;
        r = (name = text_format("nestd.conf.d/%s", names[i])) ? load_first(root, name, conf) : -ENOMEM;
    }
finish:
    strings_free(names, n);
    return r;
}

int conf_load(const struct sysroot *root, struct conf **ret) {
    struct conf *conf = calloc(1, sizeof(*conf));
    int r;

    if (!conf)
        return -ENOMEM;
    conf->idle_timeout_usec = IDLE_TIMEOUT_DEFAULT_SEC * USEC_PER_SEC;
    if ((r = load_first(root, "nestd.conf", conf)) < 0 || (r = load_dropins(root, conf)) < 0) {
        conf_free(conf);
        return r;
    }
    *ret = conf;
    return 0;
}

static void free_words(char **list) {
    size_t n = 0;

    while (list && list[n])
        n++;
    strings_free(list, n);
}

struct conf *conf_free(struct conf *conf) {
    if (!conf)
        return NULL;
    for (size_t i = 0; i < conf->n_warnings; i++) {
        free(conf->warnings[i].path);
        free(conf->warnings[i].message);
    }
    free(conf->warnings);
    free_words(conf->expose);
    free_words(conf->hide);
    free(conf);
    return NULL;
}
