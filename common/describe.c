/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The facts and the verdict as JSON: `nestctl status --json`, Describe(). json-c escapes but does not check UTF-8; the
 * facts' strings are clean already. */
#include "diagnose.h"

#include "json.h"
#include "macros.h"

/* Adds VALUE, which becomes the object's; false: -ENOMEM. */
static bool add(struct json_object *object, const char *key, struct json_object *value) {
    return json_add(object, key, value) == 0;
}

static bool add_string(struct json_object *object, const char *key, const char *s) {
    return json_add_string_or_null(object, key, s) == 0;
}

static bool add_int(struct json_object *object, const char *key, int64_t n) {
    return add(object, key, json_object_new_int64(n));
}

static bool add_bool(struct json_object *object, const char *key, bool b) {
    return add(object, key, json_object_new_boolean(b));
}

/* Adds an object that is made by one of the below to an array. */
static bool append(struct json_object *array, struct json_object *value) {
    if (value && json_object_array_add(array, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

/* OBJECT if OK, otherwise it is put and NULL. */
static struct json_object *done(struct json_object *object, bool ok) {
    if (ok)
        return object;
    json_object_put(object);
    return NULL;
}

static struct json_object *host_object(const struct host_facts *f) {
    struct json_object *o = json_object_new_object();

    return done(o, o && add_string(o, "name", f->name) && add_string(o, "kernel", f->kernel) &&
                       add_string(o, "arch", f->arch) && add_string(o, "vendor", vendor_to_string(f->vendor)) &&
                       add_string(o, "model", f->model) && add_int(o, "cpus", f->n_cpus) &&
                       add_string(o, "extension", extension_to_string(f->extension)) &&
                       add_bool(o, "virtualized", f->virtualized) && add_string(o, "hypervisor", f->hypervisor) &&
                       add_int(o, "level", f->level));
}

static struct json_object *reason_object(const struct reason *r) {
    struct json_object *o = json_object_new_object();

    return done(o, o && add_string(o, "code", r->code) && add_string(o, "level", reason_level_to_string(r->level)) &&
                       add_string(o, "message", r->message) && add_string(o, "hint", r->hint));
}

static struct json_object *reasons_array(const struct verdict *v) {
    struct json_object *array = json_object_new_array();
    bool ok = array;

    for (size_t i = 0; ok && i < v->n_reasons; i++)
        ok = append(array, reason_object(v->reasons + i));
    return done(array, ok);
}

/* Who has a say in the module's options, in modprobe's order. */
static struct json_object *option_object(const struct module_option *option) {
    struct json_object *o = json_object_new_object();

    return done(o, o && add_string(o, "path", option->path) && add_int(o, "line", option->line) &&
                       add_string(o, "parameter", option->parameter) && add_string(o, "value", option->value) &&
                       add_bool(o, "effective", option->effective));
}

static struct json_object *options_array(const struct host_facts *f) {
    struct json_object *array = json_object_new_array();
    bool ok = array;

    for (size_t i = 0; ok && i < f->n_options; i++)
        if (f->vendor_module.name && streq(f->options[i].module, f->vendor_module.name))
            ok = append(array, option_object(f->options + i));
    return done(array, ok);
}

static struct json_object *nested_object(const struct host_facts *f, const struct verdict *v) {
    struct json_object *o = json_object_new_object();
    const struct module_facts *m = &f->vendor_module;

    return done(o, o && add_bool(o, "capable", v->capable) && add_bool(o, "enabled", v->enabled) &&
                       add_bool(o, "persistent", v->persistent) && add_string(o, "module", m->name) &&
                       add_string(o, "module_state", module_state_to_string(m->state)) &&
                       add_bool(o, "pending", v->pending) && add(o, "reasons", reasons_array(v)) &&
                       add(o, "options", options_array(f)));
}

static const char *current_string(const struct feature_facts *ff) {
    static const char *const names[] = { [TRISTATE_NO] = "off", [TRISTATE_YES] = "on", [TRISTATE_UNKNOWN] = "absent" };

    return names[ff->current];
}

static struct json_object *feature_object(const struct feature_facts *ff, const struct conf *conf) {
    struct json_object *o = json_object_new_object();
    const struct feature *feature = ff->feature;
    static const char *const defaults[] = { [TRISTATE_NO] = "off", [TRISTATE_YES] = "on", [TRISTATE_UNKNOWN] = "auto" };
    enum wanted wanted = conf ? conf->features[feature->id] : WANTED_KEEP;

    return done(o, o && add_string(o, "name", feature->name) && add_string(o, "parameter", feature->parameter) &&
                       add_string(o, "hardware", tristate_to_string(ff->hardware)) &&
                       add_string(o, "current", current_string(ff)) && add_string(o, "wanted", wanted_to_string(wanted)) &&
                       add_string(o, "default", feature->parameter ? defaults[ff->kernel_default] : NULL) &&
                       add_string(o, "settable", settable_to_string(ff->settable)) &&
                       add_string(o, "effect", feature->effect));
}

static struct json_object *features_array(const struct host_facts *f, const struct conf *conf) {
    struct json_object *array = json_object_new_array();
    bool ok = array;

    for (size_t i = 0; ok && i < f->n_features; i++)
        ok = append(array, feature_object(f->features + i, conf));
    return done(array, ok);
}

int describe_host(const struct host_facts *facts, const struct verdict *verdict, const struct conf *conf,
                  struct json_object **ret) {
    struct json_object *o = json_object_new_object();

    o = done(o, o && add_int(o, "schema", 1) && add(o, "host", host_object(facts)) &&
                    add(o, "nested", nested_object(facts, verdict)) && add(o, "features", features_array(facts, conf)));
    if (!o)
        return -ENOMEM;
    *ret = o;
    return 0;
}
