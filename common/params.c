/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "params.h"

#include <ctype.h>

#include "text.h"

#define PARAMETERS_MAX 512 /* kvm_intel of 6.12 has 30; a hostile dump must not make us grow */

void params_done(struct params *p) {
    for (size_t i = 0; i < p->n; i++) {
        free(p->list[i].name);
        free(p->list[i].value);
    }
    free(p->list);
    *p = (struct params){};
}

static struct param *find(const struct params *p, const char *name) {
    for (size_t i = 0; i < p->n; i++)
        if (text_same_name(p->list[i].name, name))
            return &p->list[i];
    return NULL;
}

const struct param *params_get(const struct params *p, const char *name) {
    return find(p, name);
}

int params_set(struct params *p, const char *name, const char *value) {
    _cleanup_free_ char *n = NULL, *v = NULL;
    struct param *old = find(p, name);
    int r;

    if (value && !(v = strdup(value)))
        return -ENOMEM;
    if (old) {
        free(old->value);
        old->value = TAKE_PTR(v);
        return 0;
    }
    if (p->n >= PARAMETERS_MAX)
        return -E2BIG;
    if (!(n = strdup(name)))
        return -ENOMEM;
    if ((r = list_grow(&p->list, p->n, sizeof(*p->list))) < 0)
        return r;
    p->list[p->n++] = (struct param){.name = TAKE_PTR(n), .value = TAKE_PTR(v)};
    return 0;
}

/* One word, the quotes of its value taken off. 0: no more. */
static int next_option(const char **s, char **ret_name, char **ret_value) {
    _cleanup_free_ char *name = NULL, *value = NULL;
    const char *p = *s + strspn(*s, " \t\n"), *start = p;
    bool quoted = false;

    if (!*p)
        return 0;
    for (; *p && (quoted || !isspace((unsigned char)*p)); p++)
        quoted ^= *p == '"';
    if (quoted)
        return -EINVAL;
    *s = p;

    size_t n = p - start, length = strcspn(start, "=\" \t\n");
    if (length == 0 || length > n)
        return -EINVAL;
    if (!(name = strndup(start, length)))
        return -ENOMEM;
    if (length < n) {
        const char *v = start + length + 1, *end = p;

        if (start[length] != '=')
            return -EINVAL;
        if (end - v >= 2 && *v == '"' && end[-1] == '"')
            v++, end--;
        if (memchr(v, '"', end - v))
            return -EINVAL;
        if (!(value = strndup(v, end - v)))
            return -ENOMEM;
    }
    *ret_name = TAKE_PTR(name);
    *ret_value = TAKE_PTR(value);
    return 1;
}

int params_parse(const char *options, struct params *ret) {
    _cleanup_params_ struct params p = {};

    for (;;) {
        _cleanup_free_ char *name = NULL, *value = NULL;
        int r = next_option(&options, &name, &value);

        if (r < 0)
            return r;
        if (r == 0)
            break;
        if ((r = params_set(&p, name, value)) < 0)
            return r;
    }
    *ret = p;
    p = (struct params){};
    return 0;
}

bool param_value_passable(const char *value) {
    for (const char *p = value; *p; p++)
        if (*p == '"' || (unsigned char)*p < ' ' || *p == 0x7f)
            return false;
    return true;
}

int params_format(const struct params *p, char **ret) {
    _cleanup_free_ char *s = NULL;
    _cleanup_fclose_ FILE *f = NULL;
    size_t size;

    if (!(f = open_memstream(&s, &size)))
        return -errno;
    for (size_t i = 0; i < p->n; i++) {
        const struct param *o = &p->list[i];

        if (i > 0)
            fputc(' ', f);
        fputs(o->name, f);
        if (!o->value)
            continue;
        if (!param_value_passable(o->value))
            return -EINVAL;
        fprintf(f, o->value[strcspn(o->value, " ")] || !*o->value ? "=\"%s\"" : "=%s", o->value);
    }
    if (fclose(TAKE_PTR(f)) != 0)
        return -ENOMEM;
    *ret = TAKE_PTR(s);
    return 0;
}

/* kernel/params.c, param_set_bool: y, Y, t, T, 1, on; n, N, f, F, 0, off; no value is true. */
static int truth(const char *v) {
    static const char *const yes[] = {"1", "y", "Y", "t", "T", "on"}, *const no[] = {"0", "n", "N", "f", "F", "off"};

    if (!v)
        return 1;
    for (size_t i = 0; i < ELEMENTSOF(yes); i++)
        if (streq(v, yes[i]))
            return 1;
    for (size_t i = 0; i < ELEMENTSOF(no); i++)
        if (streq(v, no[i]))
            return 0;
    return -1;
}

bool param_value_equal(const char *a, const char *b) {
    if (a && b && streq(a, b))
        return true;
    return truth(a) >= 0 && truth(a) == truth(b);
}

int module_is_live(const struct sysroot *root, const char *module) {
    _cleanup_free_ char *path = text_format("/sys/module/%s", module), *state_path = NULL, *state = NULL;
    struct stat st;
    int r;

    if (!path || !(state_path = text_format("%s/initstate", path)))
        return -ENOMEM;
    r = sysroot_read_line(root, state_path, &state);
    if (r == -ENOENT) { /* built in modules have no initstate, and a directory only if they have parameters */
        r = sysroot_stat(root, path, &st);
        return r == -ENOENT ? 0 : r < 0 ? r : 1;
    }
    if (r < 0)
        return r;
    return streq(state, "live") ? 1 : -EBUSY;
}

int params_read_live(const struct sysroot *root, const char *module, struct params *ret) {
    _cleanup_params_ struct params p = {};
    _cleanup_free_ char *dir = text_format("/sys/module/%s/parameters", module);
    char **names = NULL;
    size_t n = 0;
    int r;

    if (!dir)
        return -ENOMEM;
    if ((r = module_is_live(root, module)) <= 0)
        return r < 0 ? r : -ENOENT;
    if ((r = sysroot_list(root, dir, PARAMETERS_MAX, &names, &n)) < 0 && r != -ENOENT)
        return r;
    r = 0;
    for (size_t i = 0; i < n && r >= 0; i++) {
        _cleanup_free_ char *path = text_format("%s/%s", dir, names[i]), *value = NULL;

        if (!path)
            r = -ENOMEM;
        else if (sysroot_read_line(root, path, &value) >= 0) /* write-only ones cannot be preserved */
            r = params_set(&p, names[i], value);
    }
    strings_free(names, n);
    if (r < 0)
        return r;
    *ret = p;
    p = (struct params){};
    return 0;
}

int params_first_difference(const struct sysroot *root, const char *module, const char *wanted, char **ret_name,
                            char **ret_value) {
    _cleanup_params_ struct params want = {}, live = {};
    int r;

    if ((r = params_parse(wanted, &want)) < 0 || (r = params_read_live(root, module, &live)) < 0)
        return r;
    for (size_t i = 0; i < want.n; i++) {
        const struct param *have = params_get(&live, want.list[i].name);
        _cleanup_free_ char *name = NULL, *value = NULL;

        if (have && param_value_equal(have->value, want.list[i].value))
            continue;
        if (!(name = strdup(want.list[i].name)) || (have && !(value = strdup(have->value))))
            return -ENOMEM;
        *ret_name = TAKE_PTR(name);
        *ret_value = TAKE_PTR(value);
        return 0;
    }
    *ret_name = *ret_value = NULL;
    return 0;
}
