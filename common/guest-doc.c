/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-doc.h"

#define QEMU_XMLNS "http://libvirt.org/schemas/domain/qemu/1.0"

/* libvirt knows some 400 features; more than this is no CPU, and would be slow to look through. */
#define CPU_CHILDREN_MAX 2000

static const char *const cpu_modes[_CPU_MODE_MAX] = {
    [CPU_KEEP] = "keep",
    [CPU_CUSTOM] = "custom",
    [CPU_HOST_MODEL] = "host-model",
    [CPU_HOST_PASSTHROUGH] = "host-passthrough",
    [CPU_MAXIMUM] = "maximum",
};

const char *cpu_mode_to_string(enum cpu_mode mode) {
    return cpu_modes[mode];
}

int cpu_mode_from_string(const char *s) {
    for (size_t i = 0; i < ELEMENTSOF(cpu_modes); i++)
        if (streq(s, cpu_modes[i]))
            return (int)i;
    return -EINVAL;
}

static const char *const policies[] = {
    [POLICY_FORCE] = "force",       [POLICY_REQUIRE] = "require", [POLICY_OPTIONAL] = "optional",
    [POLICY_DISABLE] = "disable",   [POLICY_FORBID] = "forbid",
};

const char *nest_to_string(enum nest nest) {
    static const char *const names[] = {
        [NEST_NO] = "no",       [NEST_CONFIGURED] = "configured", [NEST_OPTIONAL] = "optional",
        [NEST_MODEL] = "model", [NEST_HOST_MODEL] = "host-model", [NEST_PASSTHROUGH] = "passthrough",
    };
    return names[nest];
}

/* Models without svm, a name or a stem of one, from libvirt 9.0 (src/cpu_map) and QEMU (target/i386/cpu.c): Intel's, and
 * the generic ones. What is not here may have it: qemu64, phenom, Opteron_G*, EPYC*, Dhyana*, and whatever comes. */
static const struct {
    const char *stem;
    bool exact;
} models_without_svm[] = {
    {"486", true},          {"pentium", false},  {"coreduo", true},      {"n270", true},
    {"core2duo", true},     {"qemu32", true},    {"kvm32", true},        {"kvm64", true},
    {"athlon", true},       {"Conroe", false},   {"Penryn", false},      {"Nehalem", false},
    {"Westmere", false},    {"IvyBridge", false}, {"SandyBridge", false}, {"Haswell", false},
    {"Broadwell", false},   {"Skylake-", false}, {"Cascadelake-", false}, {"Cooperlake", false},
    {"Icelake-", false},    {"Snowridge", false}, {"SapphireRapids", false}, {"GraniteRapids", false},
    {"SierraForest", false}, {"KnightsMill", false}, {"Denverton", false},
};

bool cpu_model_may_have_svm(const char *model) {
    FOREACH_ARRAY(m, models_without_svm, ELEMENTSOF(models_without_svm))
        if (m->exact ? streq(model, m->stem) : startswith(model, m->stem) != NULL)
            return false;
    return true;
}

static int explain_text_error(int r, char **why) {
    switch (r) {
    case -E2BIG:
        return refuse(why, -EINVAL, "the document is larger than 4 MiB, which libvirt would not accept either");
    case -EILSEQ:
        return refuse(why, -EINVAL, "the document is not text in the encoding it declares");
    case -ENOTSUP:
        return refuse(why, -EINVAL, "the document's encoding is not supported: convert it to UTF-8");
    }
    return r;
}

static int explain_xml_error(int r, char *detail, char **why) {
    _cleanup_free_ char *d = detail;
    switch (r) {
    case -EBADMSG:
        return refuse(why, -EINVAL, "not a well-formed XML document: %s", d ? d : "no reason known");
    case -EPROTONOSUPPORT:
        return refuse(why, -EINVAL, "the document has a document type declaration, which libvirt's never have: "
                                    "remove it");
    case -E2BIG:
        return refuse(why, -EINVAL, "the document has more than %u elements", XML_ELEMENTS_MAX);
    case -ENOPKG:
    case -ELIBBAD:
        return refuse(why, r, "libxml2 cannot be loaded: install the package libxml2");
    }
    return r;
}

/* Only printable ASCII of a foreign document goes into a message. */
static const char *printable(const char *s) {
    for (const char *c = s; *c; c++)
        if (*c < 0x21 || *c > 0x7e || c - s > 60)
            return "unknown";
    return s;
}

static int check_root(const struct guest_doc *d, char **why) {
    const char *root = xml_name(&d->xml, 0), *type = xml_attr(&d->xml, 0, "type");

    if (xml_uri(&d->xml, 0) || !streq(root, "domain"))
        return refuse(why, -EINVAL, "the document's root is <%s>, not <domain>: give the definition of one guest "
                                    "(virsh dumpxml --inactive --security-info)", printable(root));
    if (!type)
        return refuse(why, -EINVAL, "<domain> has no type");
    if (!streq(type, "kvm") && !streq(type, "qemu"))
        return refuse(why, -EOPNOTSUPP, "a guest of type '%s': only kvm and qemu guests can be given vmx or svm here",
                      printable(type));
    return 0;
}

static int check_os(const struct guest_doc *d, char **why) {
    uint32_t type = xml_find(&d->xml, 0, "os/type");
    const char *arch = xml_attr(&d->xml, type, "arch");
    _cleanup_free_ char *os = NULL;
    int r = xml_content(&d->xml, type, &os);
    if (r < 0)
        return r;
    if (*os && !streq(os, "hvm"))
        return refuse(why, -EOPNOTSUPP, "the guest's <os> is of type '%s': only fully virtualized guests (hvm) can nest",
                      printable(os));
    if (arch && !streq(arch, "x86_64") && !streq(arch, "i686"))
        return refuse(why, -EOPNOTSUPP, "the guest's architecture is '%s': vmx and svm exist on x86 only",
                      printable(arch));
    return 0;
}

/* What occurs once, and is looked up by us as by libvirt as the first of its name: twice is a trap. */
static int check_once(const struct guest_doc *d, char **why) {
    static const char *const once[] = {"name", "uuid", "os", "cpu", "metadata", "features", "devices",
                                       "launchSecurity"};
    FOREACH_ARRAY(name, once, ELEMENTSOF(once))
        if (xml_count(&d->xml, 0, NULL, *name) > 1)
            return refuse(why, -EINVAL, "the document has more than one <%s>: libvirt would use the first and drop the "
                                        "rest", *name);
    if (xml_count(&d->xml, d->metadata, GUEST_XMLNS, NULL) > 1)
        return refuse(why, -EINVAL, "<metadata> has more than one element of nestd's: libvirt would keep the first only");
    return 0;
}

static int check_features(const struct guest_doc *d, char **why) {
    if (d->cpu != XML_NONE && xml_count(&d->xml, d->cpu, NULL, NULL) > CPU_CHILDREN_MAX)
        return refuse(why, -EINVAL, "<cpu> has more than %d elements", CPU_CHILDREN_MAX);
    for (uint32_t f = XML_NONE; (f = xml_child(&d->xml, d->cpu, NULL, "feature", f)) != XML_NONE;) {
        const char *name = xml_attr(&d->xml, f, "name");
        if (!name)
            return refuse(why, -EINVAL, "<cpu> has a <feature> without a name, which libvirt refuses");
        for (uint32_t g = f; (g = xml_child(&d->xml, d->cpu, NULL, "feature", g)) != XML_NONE;)
            if (streq_ptr(xml_attr(&d->xml, g, "name"), name))
                return refuse(why, -EINVAL, "<cpu> has the feature '%s' twice, which libvirt refuses",
                              printable(name));
    }
    return 0;
}

static int read_cpu(struct guest_doc *d, char **why) {
    const char *mode = xml_attr(&d->xml, d->cpu, "mode");
    uint32_t model = xml_child(&d->xml, d->cpu, NULL, "model", XML_NONE);

    int m = mode ? cpu_mode_from_string(mode) : CPU_CUSTOM;
    if (m <= CPU_KEEP)
        return refuse(why, -EINVAL, "<cpu> has the mode '%s', which libvirt does not know", printable(mode));
    d->mode = (enum cpu_mode)m;
    if (d->mode != CPU_CUSTOM)
        return 0;
    int r = xml_content(&d->xml, model, &d->model);
    if (r < 0)
        return r;
    if (model != XML_NONE && *d->model)
        return 0;
    /* libvirt 9.0 (qemuDomainDefSetDefaultCPU) asks QEMU, which has one default for each word size. */
    free(d->model);
    const char *arch = xml_attr(&d->xml, xml_find(&d->xml, 0, "os/type"), "arch");
    d->model = strdup(streq_ptr(arch, "i686") ? "qemu32" : "qemu64");
    d->default_model = true;
    return d->model ? 0 : -ENOMEM;
}

static int read_content(const struct guest_doc *d, const char *path, char **ret) {
    uint32_t e = xml_find(&d->xml, 0, path);
    if (e == XML_NONE)
        return 0;
    return xml_content(&d->xml, e, ret);
}

int guest_doc_open(const char *raw, size_t len, struct guest_doc *ret, char **ret_why) {
    _cleanup_guest_doc_ struct guest_doc d = {.cpu = XML_NONE, .metadata = XML_NONE, .mark = XML_NONE};
    char *detail = NULL;

    int r = guest_text_open(raw, len, &d.text);
    if (r < 0)
        return explain_text_error(r, ret_why);
    r = xml_parse(d.text.utf8, d.text.len, &d.xml, &detail);
    if (r < 0)
        return explain_xml_error(r, detail, ret_why);

    d.cpu = xml_find(&d.xml, 0, "cpu");
    d.metadata = xml_find(&d.xml, 0, "metadata");
    d.mark = xml_child(&d.xml, d.metadata, GUEST_XMLNS, GUEST_MARK, XML_NONE);
    d.tcg = streq_ptr(xml_attr(&d.xml, 0, "type"), "qemu");
    if ((r = check_root(&d, ret_why)) < 0 || (r = check_once(&d, ret_why)) < 0 ||
        (r = check_os(&d, ret_why)) < 0 || (r = check_features(&d, ret_why)) < 0 ||
        (r = read_cpu(&d, ret_why)) < 0 || (r = read_content(&d, "name", &d.name)) < 0 ||
        (r = read_content(&d, "uuid", &d.uuid)) < 0)
        return r;
    *ret = d;
    d = (struct guest_doc){};
    return 0;
}

void guest_doc_done(struct guest_doc *d) {
    guest_text_done(&d->text);
    xml_doc_done(&d->xml);
    free(d->name);
    free(d->uuid);
    free(d->model);
    *d = (struct guest_doc){};
}

bool guest_doc_cpu_overridden(const struct guest_doc *d) {
    uint32_t args = xml_child(&d->xml, 0, QEMU_XMLNS, "commandline", XML_NONE);
    for (uint32_t a = XML_NONE; (a = xml_child(&d->xml, args, QEMU_XMLNS, "arg", a)) != XML_NONE;) {
        const char *value = xml_attr(&d->xml, a, "value");
        if (value && (streq(value, "-cpu") || streq(value, "--cpu")))
            return true;
    }
    return false;
}

const char *guest_doc_cannot_nest(const struct guest_doc *d, enum extension extension) {
    /* AMD SEV guests cannot run SVM (APM volume 2, 15.34); a TDX guest has no VMX (Intel TDX module spec). */
    if (xml_find(&d->xml, 0, "launchSecurity") != XML_NONE)
        return "an encrypted guest (<launchSecurity>) cannot run guests of its own";
    if (d->tcg && extension == EXTENSION_VMX)
        return "QEMU without KVM (type='qemu') does not emulate vmx: make it a kvm guest";
    if (guest_doc_cpu_overridden(d))
        return "<qemu:commandline> sets -cpu itself, which overrides <cpu>: move it into <cpu>";
    return NULL;
}

uint32_t guest_doc_feature(const struct guest_doc *d, const char *name, enum cpu_policy *ret_policy) {
    *ret_policy = POLICY_NONE;
    for (uint32_t f = XML_NONE; (f = xml_child(&d->xml, d->cpu, NULL, "feature", f)) != XML_NONE;) {
        if (!streq_ptr(xml_attr(&d->xml, f, "name"), name))
            continue;
        const char *policy = xml_attr(&d->xml, f, "policy");
        *ret_policy = POLICY_REQUIRE; /* what libvirt takes when none is given (virCPUDefParseXML) */
        for (size_t i = POLICY_FORCE; policy && i < ELEMENTSOF(policies); i++)
            if (streq(policy, policies[i]))
                *ret_policy = (enum cpu_policy)i;
        return f;
    }
    return XML_NONE;
}

enum nest guest_doc_nest(const struct guest_doc *d, enum extension extension) {
    enum cpu_policy policy;

    if (extension == EXTENSION_NONE || (d->tcg && extension == EXTENSION_VMX))
        return NEST_NO;
    guest_doc_feature(d, extension_to_string(extension), &policy);
    bool passthrough = d->mode == CPU_HOST_PASSTHROUGH || d->mode == CPU_MAXIMUM;
    switch (policy) {
    case POLICY_FORCE:
    case POLICY_REQUIRE:
        return NEST_CONFIGURED;
    case POLICY_DISABLE:
    case POLICY_FORBID:
        return NEST_NO;
    case POLICY_OPTIONAL:
        /* libvirt drops "optional" in the passthrough modes: the host decides there. */
        return passthrough ? NEST_PASSTHROUGH : NEST_OPTIONAL;
    case POLICY_NONE:
        break;
    }
    if (passthrough)
        return NEST_PASSTHROUGH;
    if (d->mode == CPU_HOST_MODEL)
        return NEST_HOST_MODEL;
    return extension == EXTENSION_SVM && cpu_model_may_have_svm(d->model) ? NEST_MODEL : NEST_NO;
}
