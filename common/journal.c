/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>

#include "json.h"
#include "text.h"

#define JOURNAL_VERSION 1
#define ENTRY_SIZE_MAX (1024 * 1024)
#define IDS_MAX 4096

static const char *const states[_CHANGE_STATE_MAX] = {
    [CHANGE_RUNNING] = "running",
    [CHANGE_ROLLING_BACK] = "rolling-back",
    [CHANGE_DONE] = "done",
};

static void step_done(struct step *s) {
    free(s->target);
    free(s->before);
    free(s->after);
    free(s->why);
}

void steps_free(struct step *steps, size_t n) {
    for (size_t i = 0; i < n; i++)
        step_done(&steps[i]);
    free(steps);
}

static int copy_string(const char *from, char **ret) {
    if (from && !(*ret = strdup(from)))
        return -ENOMEM;
    return 0;
}

int step_copy(const struct step *from, struct step *ret) {
    struct step s = {.kind = from->kind};

    if (copy_string(from->target, &s.target) < 0 || copy_string(from->before, &s.before) < 0 ||
        copy_string(from->after, &s.after) < 0 || copy_string(from->why, &s.why) < 0) {
        step_done(&s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}

int steps_copy(const struct step *from, size_t n, struct step **ret) {
    struct step *steps = calloc(n ? n : 1, sizeof(*steps));

    if (!steps)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (step_copy(&from[i], &steps[i]) < 0) {
            steps_free(steps, i);
            return -ENOMEM;
        }
    *ret = steps;
    return 0;
}

const struct step *steps_find(const struct step *steps, size_t n, enum step_kind kind) {
    for (size_t i = 0; i < n; i++)
        if (steps[i].kind == kind)
            return &steps[i];
    return NULL;
}

struct entry *entry_free(struct entry *e) {
    if (!e)
        return NULL;
    steps_free(e->steps, e->n_steps);
    free(e->verb);
    free(e->summary);
    attributes_done(&e->before);
    attributes_done(&e->after);
    free(e);
    return NULL;
}

static char *entry_path(unsigned id) {
    return text_format(JOURNAL_DIR "/%u.json", id);
}

static int step_to_json(const struct step *s, struct json_object **ret) {
    struct json_object *o = json_object_new_object();

    if (!o)
        return -ENOMEM;
    if (json_add_string(o, "kind", step_kind_to_string(s->kind)) < 0 || json_add_string(o, "target", s->target) < 0 ||
        json_add_string(o, "before", s->before) < 0 || json_add_string(o, "after", s->after) < 0 ||
        json_add_string(o, "why", s->why) < 0) {
        json_object_put(o);
        return -ENOMEM;
    }
    *ret = o;
    return 0;
}

/* The mode is always there, the rest where it is known. */
static const struct attribute_keys {
    const char *mode, *uid, *gid, *xattrs;
    size_t offset;
} attribute_keys[] = {
    {"mode_before", "uid_before", "gid_before", "xattrs_before", offsetof(struct entry, before)},
    {"mode_after", "uid_after", "gid_after", "xattrs_after", offsetof(struct entry, after)},
};

static struct attributes *attributes_of(struct entry *e, const struct attribute_keys *k) {
    return (struct attributes *)((char *)e + k->offset);
}

static int attributes_to_json(const struct attributes *a, const struct attribute_keys *k, struct json_object *o) {
    if (json_add(o, k->mode, json_object_new_int((int)a->mode)) < 0 ||
        (a->uid != (uid_t)-1 && json_add(o, k->uid, json_object_new_int64(a->uid)) < 0) ||
        (a->gid != (gid_t)-1 && json_add(o, k->gid, json_object_new_int64(a->gid)) < 0) ||
        json_add_string(o, k->xattrs, a->xattrs) < 0)
        return -ENOMEM;
    return 0;
}

static int entry_to_json(const struct entry *e, struct json_object *o) {
    struct json_object *steps = json_object_new_array();

    if (json_add(o, "steps", steps) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < e->n_steps; i++) {
        struct json_object *s;

        if (step_to_json(&e->steps[i], &s) < 0)
            return -ENOMEM;
        if (json_object_array_add(steps, s) < 0) {
            json_object_put(s);
            return -ENOMEM;
        }
    }
    if (json_add(o, "version", json_object_new_int(JOURNAL_VERSION)) < 0 ||
        json_add(o, "id", json_object_new_int64(e->id)) < 0 || json_add_string(o, "state", states[e->state]) < 0 ||
        json_add_string(o, "verb", e->verb) < 0 || json_add_string(o, "summary", e->summary) < 0 ||
        json_add(o, "realtime_usec", json_object_new_int64((int64_t)e->realtime_usec)) < 0 ||
        json_add(o, "undoes", json_object_new_int64(e->undoes)) < 0 ||
        json_add(o, "current", json_object_new_int64((int64_t)e->current)) < 0)
        return -ENOMEM;
    FOREACH_ARRAY(k, attribute_keys, ELEMENTSOF(attribute_keys))
        if (attributes_to_json(attributes_of((struct entry *)e, k), k, o) < 0)
            return -ENOMEM;
    return 0;
}

int journal_store(const struct sysroot *root, const struct entry *e) {
    struct json_object *o = json_object_new_object();
    _cleanup_free_ char *path = entry_path(e->id);
    const char *text;
    size_t size;
    int r = -ENOMEM;

    if (o && path && entry_to_json(e, o) >= 0 &&
        (text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PRETTY, &size)))
        r = size > ENTRY_SIZE_MAX ? -EFBIG : sysroot_write_atomic(root, path, text, size, 0600);
    json_object_put(o);
    return r;
}

/* A member that may be missing (*RET stays NULL) but not of another type. */
static int get_string(struct json_object *o, const char *key, char **ret) {
    struct json_object *v;

    if (!json_object_object_get_ex(o, key, &v))
        return 0;
    if (!json_object_is_type(v, json_type_string) ||
        strlen(json_object_get_string(v)) != (size_t)json_object_get_string_len(v))
        return -EBADMSG;
    return copy_string(json_object_get_string(v), ret);
}

static int get_number(struct json_object *o, const char *key, int64_t max, int64_t *ret) {
    struct json_object *v;
    int64_t n;

    if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_int))
        return -EBADMSG;
    n = json_object_get_int64(v);
    if (n < 0 || n > max)
        return -EBADMSG;
    *ret = n;
    return 0;
}

static int attributes_from_json(struct json_object *o, const struct attribute_keys *k, struct attributes *ret) {
    int64_t mode, uid = (uid_t)-1, gid = (gid_t)-1;
    int r = get_number(o, k->mode, 07777, &mode);

    if (r < 0 || (json_object_object_get_ex(o, k->uid, NULL) && (r = get_number(o, k->uid, (uid_t)-1, &uid)) < 0) ||
        (json_object_object_get_ex(o, k->gid, NULL) && (r = get_number(o, k->gid, (gid_t)-1, &gid)) < 0) ||
        (r = get_string(o, k->xattrs, &ret->xattrs)) < 0)
        return r;
    ret->mode = (mode_t)mode;
    ret->uid = (uid_t)uid;
    ret->gid = (gid_t)gid;
    return 0;
}

static int step_from_json(struct json_object *o, struct step *s) {
    _cleanup_free_ char *kind = NULL;
    int r;

    if (!json_object_is_type(o, json_type_object))
        return -EBADMSG;
    if ((r = get_string(o, "kind", &kind)) < 0 || (r = get_string(o, "target", &s->target)) < 0 ||
        (r = get_string(o, "before", &s->before)) < 0 || (r = get_string(o, "after", &s->after)) < 0 ||
        (r = get_string(o, "why", &s->why)) < 0)
        return r;
    for (s->kind = 0; s->kind < _STEP_KIND_MAX; s->kind++)
        if (kind && streq(kind, step_kind_to_string(s->kind)))
            return 0;
    return -EBADMSG;
}

static int steps_from_json(struct json_object *o, struct entry *e) {
    struct json_object *list;
    size_t n;
    int r;

    if (!json_object_object_get_ex(o, "steps", &list) || !json_object_is_type(list, json_type_array))
        return -EBADMSG;
    n = json_object_array_length(list);
    if (!(e->steps = calloc(n ? n : 1, sizeof(*e->steps))))
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        e->n_steps++;
        if ((r = step_from_json(json_object_array_get_idx(list, i), &e->steps[i])) < 0)
            return r;
    }
    return 0;
}

static int entry_from_json(struct json_object *o, unsigned id, struct entry *e) {
    int64_t version, stored_id, realtime, undoes, current;
    _cleanup_free_ char *state = NULL;
    int r;

    if (!json_object_is_type(o, json_type_object))
        return -EBADMSG;
    if ((r = get_number(o, "version", INT_MAX, &version)) < 0 ||
        (r = get_number(o, "id", UINT_MAX, &stored_id)) < 0 ||
        (r = get_number(o, "realtime_usec", INT64_MAX, &realtime)) < 0 ||
        (r = get_number(o, "undoes", UINT_MAX, &undoes)) < 0 || (r = steps_from_json(o, e)) < 0 ||
        (r = get_number(o, "current", (int64_t)e->n_steps, &current)) < 0 ||
        (r = get_string(o, "state", &state)) < 0 || (r = get_string(o, "verb", &e->verb)) < 0 ||
        (r = get_string(o, "summary", &e->summary)) < 0)
        return r;
    if (version != JOURNAL_VERSION || stored_id != id || !state || !e->verb || !e->summary)
        return -EBADMSG;
    e->id = id;
    e->realtime_usec = (uint64_t)realtime;
    e->undoes = (unsigned)undoes;
    e->current = (size_t)current;
    FOREACH_ARRAY(k, attribute_keys, ELEMENTSOF(attribute_keys))
        if ((r = attributes_from_json(o, k, attributes_of(e, k))) < 0)
            return r;
    for (e->state = 0; e->state < _CHANGE_STATE_MAX; e->state++)
        if (streq(state, states[e->state]))
            return 0;
    return -EBADMSG;
}

int journal_load(const struct sysroot *root, unsigned id, struct entry **ret) {
    _cleanup_entry_ struct entry *e = calloc(1, sizeof(*e));
    _cleanup_free_ char *path = entry_path(id), *text = NULL;
    struct json_tokener *tokener;
    struct json_object *o;
    size_t size;
    int r;

    if (!e || !path)
        return -ENOMEM;
    if ((r = sysroot_read(root, path, ENTRY_SIZE_MAX, &text, &size)) < 0)
        return r == -EFBIG || r == -EISDIR || r == -EBADF ? -EBADMSG : r;
    if (!(tokener = json_tokener_new()))
        return -ENOMEM;
    o = json_tokener_parse_ex(tokener, text, (int)size);
    if (!o && json_tokener_get_error(tokener) == json_tokener_continue)
        o = json_tokener_parse_ex(tokener, "", 1); /* the NUL that ends a document */
    json_tokener_free(tokener);
    r = o ? entry_from_json(o, id, e) : -EBADMSG;
    json_object_put(o);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(e);
    return 0;
}

static int compare_ids(const void *a, const void *b) {
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

    return x < y ? -1 : x > y;
}

int journal_ids(const struct sysroot *root, unsigned **ret, size_t *ret_n) {
    _cleanup_free_ unsigned *ids = NULL;
    char **names = NULL;
    size_t n = 0, n_ids = 0;
    int r;

    r = sysroot_list(root, JOURNAL_DIR, IDS_MAX, &names, &n);
    if (r == -ENOENT)
        r = 0;
    if (r >= 0 && !(ids = calloc(n ? n : 1, sizeof(*ids))))
        r = -ENOMEM;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        char *dot = strchr(names[i], '.');
        unsigned id;

        if (!dot || !streq(dot, ".json"))
            continue;
        *dot = '\0';
        if (names[i][0] != '0' && text_to_unsigned(names[i], &id) >= 0)
            ids[n_ids++] = id;
    }
    strings_free(names, n);
    if (r < 0)
        return r;
    qsort(ids, n_ids, sizeof(*ids), compare_ids);
    *ret = TAKE_PTR(ids);
    *ret_n = n_ids;
    return 0;
}

int journal_remove(const struct sysroot *root, unsigned id) {
    _cleanup_free_ char *path = entry_path(id);

    return path ? sysroot_unlink(root, path) : -ENOMEM;
}

int journal_unfinished(const struct sysroot *root, struct entry **ret) {
    _cleanup_free_ unsigned *ids = NULL;
    size_t n;
    int r = journal_ids(root, &ids, &n);

    if (r < 0)
        return r;
    /* Only one runs at a time and it is the newest; the others are looked at too, as whoever fiddles with the files
     * must not make us forget a half-made change. */
    while (n-- > 0) {
        _cleanup_entry_ struct entry *e = NULL;

        r = journal_load(root, ids[n], &e);
        if (r < 0 && r != -EBADMSG)
            return r;
        if (r >= 0 && e->state != CHANGE_DONE) {
            *ret = TAKE_PTR(e);
            return 0;
        }
    }
    return -ENOENT;
}

int journal_begin(const struct sysroot *root, struct entry *e) {
    _cleanup_free_ unsigned *ids = NULL;
    size_t n;
    int r = journal_ids(root, &ids, &n);

    if (r < 0)
        return r;
    if (n > 0 && ids[n - 1] == UINT_MAX)
        return -EOVERFLOW;
    e->id = n > 0 ? ids[n - 1] + 1 : 1;
    if ((r = journal_store(root, e)) < 0)
        return r;
    /* Housekeeping may fail: the change itself is what counts. */
    for (size_t i = 0; n >= JOURNAL_KEEP && i <= n - JOURNAL_KEEP; i++)
        (void)journal_remove(root, ids[i]);
    return 0;
}

/* sysroot_write_atomic() names them ".NAME.PID.tmp". */
static bool is_leftover(const char *name, const char *of) {
    const char *s = name[0] == '.' ? startswith(name + 1, of) : NULL;

    if (!s || (*of && *s != '.'))
        return false;
    size_t n = strlen(s);
    return n > 4 && streq(s + n - 4, ".tmp");
}

static int sweep_directory(const struct sysroot *root, const char *path, const char *of) {
    _cleanup_closedir_ DIR *dir = NULL;
    struct dirent *de;
    int r = sysroot_opendir(root, path, &dir);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    while ((de = readdir(dir)))
        if (is_leftover(de->d_name, of) && unlinkat(dirfd(dir), de->d_name, 0) < 0)
            r = -errno;
    return r;
}

int journal_sweep(const struct sysroot *root) {
    int a = sweep_directory(root, "/etc/modprobe.d", "nestd.conf");
    int b = sweep_directory(root, JOURNAL_DIR, "");
    int c = sweep_directory(root, NESTD_STATEDIR, "pending.json");

    return a < 0 ? a : b < 0 ? b : c;
}
