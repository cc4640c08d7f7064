/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rewriter on hand-made nasties. tests/guests/ does the same properties over other people's documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guest-rewrite.h"

#define DOMAIN(body) "<domain type='kvm'>\n  <name>a</name>\n  <os><type arch='x86_64'>hvm</type></os>\n" body "</domain>\n"
#define UTF16(c) c "\0"

struct sample {
    const char *what, *text;
    size_t len; /* 0: strlen */
};

static const struct sample good[] = {
    {"no cpu", DOMAIN("")},
    {"topology only", DOMAIN("  <cpu>\n    <topology sockets='1' cores='2' threads='1'/>\n  </cpu>\n")},
    {"empty cpu", DOMAIN("  <cpu/>\n")},
    {"empty cpu with a space", DOMAIN("  <cpu />\n")},
    {"host-model", DOMAIN("  <cpu mode='host-model' check='partial'/>\n")},
    {"host-model, empty model", DOMAIN("  <cpu mode='host-model'><model fallback='allow'/></cpu>\n")},
    {"passthrough", DOMAIN("\t<cpu\n\t\tmode = \"host-passthrough\"\tcheck='none' migratable='off'   />\n")},
    {"passthrough, cache", DOMAIN("  <cpu mode='host-passthrough'><cache mode='passthrough'/></cpu>\n")},
    {"maximum", DOMAIN("  <cpu mode='maximum' check='none' migratable='on'/>\n")},
    {"custom", DOMAIN("  <cpu mode='custom' match='exact'>\n    <model>EPYC</model>\n    <vendor>AMD</vendor>\n  </cpu>\n")},
    {"custom by default", DOMAIN("<cpu><model>Nehalem</model><feature name='svm'/></cpu>")},
    {"optional", DOMAIN("  <cpu mode='host-passthrough'><feature name='svm' policy='optional'/></cpu>\n")},
    {"disabled", DOMAIN("  <cpu mode='host-model'><feature policy=\"disable\" name=\"svm\"/></cpu>\n")},
    {"forbidden", DOMAIN("  <cpu mode='host-model'><feature policy='forbid' name='svm'></feature></cpu>\n")},
    {"required already", DOMAIN("  <cpu mode='host-model'><feature policy='require' name='svm'/></cpu>\n")},
    {"sub-features", DOMAIN("  <cpu mode='host-model'><feature policy='require' name='svm'/>"
                            "<feature policy='require' name='npt'/></cpu>\n")},
    {"one line", "<domain type='kvm'><name>a</name><os><type>hvm</type></os><cpu mode='host-model'/></domain>"},
    {"metadata, empty", DOMAIN("  <metadata/>\n  <cpu mode='host-model'/>\n")},
    {"metadata, empty with two tags", DOMAIN("  <metadata></metadata>\n")},
    {"metadata, white", DOMAIN("  <metadata>\n\n  </metadata>\n")},
    {"metadata, another's", DOMAIN("  <metadata>\n\t<x:y xmlns:x='urn:x'/><!-- c -->\n  </metadata>\n")},
    {"metadata, our prefix is another's", "<domain type='kvm' xmlns:nestd='urn:other'>\n<name>a</name><metadata>"
                                          "<nestd:nested/></metadata></domain>"},
    {"comments and CDATA", DOMAIN("  <!-- <cpu mode='x'> -->\n  <description><![CDATA[</domain><cpu/>]]></description>\n"
                                  "  <cpu mode='host-model'><!-- <feature name='svm'/> --></cpu><?pi <cpu?>\n")},
    {"entities", DOMAIN("  <title>&lt;cpu&gt; &#38;amp; &amp;#38; &#x3c;</title>\n"
                        "  <cpu mode='host&#45;model'><feature policy='re&#113;uire' name='s&#118;m'/></cpu>\n")},
    {"qemu: bound late", DOMAIN("  <cpu mode='host-model'/>\n<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/"
                                "domain/qemu/1.0'><qemu:arg value='-s'/></qemu:commandline>\n")},
    {"qemu: is something else", DOMAIN("<qemu:cpu xmlns:qemu='urn:x'/><qemu:commandline xmlns:qemu='urn:x'>"
                                       "<qemu:arg value='-cpu'/></qemu:commandline>\n")},
    {"a cpu that is not the guest's", DOMAIN("  <x:cpu xmlns:x='urn:x' mode='no'/>\n  <a><cpu mode='no'/></a>\n")},
    {"i686", "<domain type='kvm'>\n<name>a</name>\n<os><type arch='i686'>hvm</type></os>\n</domain>"},
    {"TCG", "<domain type='qemu'>\n<name>a</name>\n<os><type arch='x86_64'>hvm</type></os>\n</domain>"},
    {"CRLF", "<?xml version='1.0'?>\r\n<domain type='kvm'>\r\n  <name>a</name>\r\n  <cpu mode='host-model'>\r\n  </cpu>\r\n"
             "</domain>\r\n"},
    {"byte order mark", "\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?><domain type='kvm'><name>\xc3\xa4</name></domain>"},
    {"Latin-1", "<?xml version='1.0' encoding=\"ISO-8859-1\" ?>\n<domain type='kvm'><name>a</name><title>\xe4\xff</title>\n"
                "<cpu mode='host-model'><!-- \xfc --></cpu></domain>"},
    {"windows-1252", "<?xml version='1.0' encoding='windows-1252'?><domain type='kvm'><name>\x80</name>\n <cpu><model>"
                     "kvm64</model></cpu></domain>"},
#define U16_BODY "<\0d\0o\0m\0a\0i\0n\0 \0t\0y\0p\0e\0=\0'\0k\0v\0m\0'\0>\0<\0n\0a\0m\0e\0>\0\x3d\xd8\x00\xde<\0/\0n\0a\0m\0e\0>\0" \
                 "<\0c\0p\0u\0 \0m\0o\0d\0e\0=\0'\0h\0o\0s\0t\0-\0m\0o\0d\0e\0l\0'\0/\0>\0<\0/\0d\0o\0m\0a\0i\0n\0>\0"
    {"UTF-16", "\xff\xfe" U16_BODY, sizeof("\xff\xfe" U16_BODY) - 1},
    {"UTF-16 without byte order mark", U16_BODY, sizeof(U16_BODY) - 1},
};

static const struct {
    const char *what, *text;
    enum extension extension;
    int error;
    const char *reason;
} refused[] = {
    {"nothing", "", EXTENSION_SVM, -EINVAL, "well-formed"},
    {"not XML", "hello", EXTENSION_SVM, -EINVAL, "well-formed"},
    {"cut short", "<domain type='kvm'><name>a</name>", EXTENSION_SVM, -EINVAL, "well-formed"},
    {"two documents", "<domain type='kvm'/><domain type='kvm'/>", EXTENSION_SVM, -EINVAL, "well-formed"},
    {"several domains", "<domains><domain type='kvm'/></domains>", EXTENSION_SVM, -EINVAL, "<domains>"},
    {"status", "<domstatus><domain type='kvm'/></domstatus>", EXTENSION_SVM, -EINVAL, "<domstatus>"},
    {"snapshot", "<domainsnapshot/>", EXTENSION_SVM, -EINVAL, "<domainsnapshot>"},
    {"another namespace", "<domain xmlns='urn:x' type='kvm'/>", EXTENSION_SVM, -EINVAL, "<domain>"},
    {"DTD", "<!DOCTYPE domain><domain type='kvm'/>", EXTENSION_SVM, -EINVAL, "document type"},
    {"billion laughs", "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><domain type='kvm'>&b;</domain>", EXTENSION_SVM,
     -EINVAL, "document type"},
    {"external entity", "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/shadow'>]><domain type='kvm'>&a;</domain>",
     EXTENSION_SVM, -EINVAL, "document type"},
    {"undeclared entity", "<domain type='kvm'>&a;</domain>", EXTENSION_SVM, -EINVAL, "well-formed"},
    {"not UTF-8", "<domain type='kvm'><name>\xe4</name></domain>", EXTENSION_SVM, -EINVAL, "encoding"},
    {"odd encoding", "<?xml version='1.0' encoding='EBCDIC-US'?><domain/>", EXTENSION_SVM, -EINVAL, "encoding"},
    {"multi-byte encoding", "<?xml version='1.0' encoding='GBK'?><domain>\x81\x40</domain>", EXTENSION_SVM, -EINVAL,
     "encoding"},
    {"no type", "<domain/>", EXTENSION_SVM, -EINVAL, "no type"},
    {"Xen", "<domain type='xen'/>", EXTENSION_SVM, -EOPNOTSUPP, "'xen'"},
    {"ARM", "<domain type='kvm'><os><type arch='aarch64'>hvm</type></os></domain>", EXTENSION_SVM, -EOPNOTSUPP, "aarch64"},
    {"container", "<domain type='kvm'><os><type>exe</type></os></domain>", EXTENSION_SVM, -EOPNOTSUPP, "'exe'"},
    {"SEV", DOMAIN("<launchSecurity type='sev'/>"), EXTENSION_SVM, -EOPNOTSUPP, "encrypted"},
    {"TCG has no vmx", "<domain type='qemu'/>", EXTENSION_VMX, -EOPNOTSUPP, "does not emulate vmx"},
    {"TCG, passthrough", "<domain type='qemu'><cpu mode='host-passthrough'/></domain>", EXTENSION_SVM, -EOPNOTSUPP,
     "needs KVM"},
    {"-cpu behind libvirt", DOMAIN("<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-cpu'/>"
                                   "</q:commandline>"), EXTENSION_SVM, -EOPNOTSUPP, "qemu:commandline"},
    {"twice the feature", DOMAIN("<cpu mode='host-model'><feature name='svm'/><feature name='svm'/></cpu>"), EXTENSION_SVM,
     -EINVAL, "twice"},
    {"nameless feature", DOMAIN("<cpu mode='host-model'><feature/></cpu>"), EXTENSION_SVM, -EINVAL, "without a name"},
    {"two cpus", DOMAIN("<cpu mode='host-model'/><cpu/>"), EXTENSION_SVM, -EINVAL, "more than one <cpu>"},
    {"odd mode", DOMAIN("<cpu mode='fast'/>"), EXTENSION_SVM, -EINVAL, "'fast'"},
    {"no extension", DOMAIN(""), EXTENSION_NONE, -EOPNOTSUPP, "neither"},
    {"damaged mark", DOMAIN("<metadata><n:nested xmlns:n='urn:nestd:guest:1' wish='x'/></metadata>"), EXTENSION_SVM, -EINVAL,
     "damaged"},
    {"forged mark", /* <cpu/><evil/> */
     DOMAIN("<metadata><n:nested xmlns:n='urn:nestd:guest:1' wish='expose' extension='svm' gap='0'><n:was part='cpu'>"
            "PGNwdS8+PGV2aWwvPg==</n:was></n:nested></metadata><cpu mode='host-model'/>"), EXTENSION_SVM, -EINVAL, "damaged"},
};

static const struct {
    enum cpu_mode mode;
    const char *model;
} modes[] = {{CPU_KEEP}, {CPU_HOST_PASSTHROUGH}, {CPU_HOST_MODEL}, {CPU_CUSTOM, "EPYC-Rome"}};

static void rewrite(const struct sample *s, const char *text, size_t len, enum guest_action action, size_t mode,
                    struct guest_result *ret) {
    struct guest_wish w = {action, EXTENSION_SVM, modes[mode].mode, modes[mode].model, NULL};
    char *why = NULL;
    int r = guest_rewrite(text, len, &w, ret, &why);
    if (r < 0)
        fail_msg("%s: %s refused: %s", s->what, guest_action_to_string(action), why);
}

static enum nest nest(const struct guest_result *result) {
    _cleanup_guest_doc_ struct guest_doc d = {};
    assert_int_equal(guest_doc_open(result->text, result->len, &d, NULL), 0);
    return guest_doc_nest(&d, EXTENSION_SVM);
}

static void same(const struct sample *s, const char *what, const char *a, size_t a_len, const char *b, size_t b_len) {
    if (a_len != b_len || memcmp(a, b, a_len) != 0)
        fail_msg("%s: %s: not the same:\n%.*s\n---\n%.*s", s->what, what, (int)a_len, a, (int)b_len, b);
}

static void test_properties(void **state) {
    FOREACH_ARRAY(s, good, ELEMENTSOF(good)) {
        size_t len = s->len ? s->len : strlen(s->text);
        for (size_t mode = 0; mode < ELEMENTSOF(modes); mode++) {
            _cleanup_guest_result_ struct guest_result exposed = {}, again = {}, back = {}, hidden = {}, hidden_back = {},
                                                       other = {}, direct = {}, plain_hidden = {};
            if (modes[mode].mode == CPU_HOST_PASSTHROUGH && strstr(s->text, "type='qemu'"))
                continue;
            rewrite(s, s->text, len, GUEST_EXPOSE, mode, &exposed);
            assert_true(exposed.changed);
            assert_int_equal(nest(&exposed), NEST_CONFIGURED);
            rewrite(s, exposed.text, exposed.len, GUEST_EXPOSE, mode, &again);
            same(s, "expose twice", exposed.text, exposed.len, again.text, again.len);
            assert_false(again.changed);
            rewrite(s, exposed.text, exposed.len, GUEST_UNDO, 0, &back);
            same(s, "undo", s->text, len, back.text, back.len);

            rewrite(s, exposed.text, exposed.len, GUEST_HIDE, 0, &hidden);
            assert_int_equal(nest(&hidden), NEST_NO);
            rewrite(s, s->text, len, GUEST_HIDE, 0, &plain_hidden);
            same(s, "hide starts from the original", plain_hidden.text, plain_hidden.len, hidden.text, hidden.len);
            rewrite(s, hidden.text, hidden.len, GUEST_UNDO, 0, &hidden_back);
            same(s, "undo of hide", s->text, len, hidden_back.text, hidden_back.len);

            size_t next = (mode + 2) % ELEMENTSOF(modes);
            if (modes[next].mode == CPU_HOST_PASSTHROUGH && strstr(s->text, "type='qemu'"))
                continue;
            rewrite(s, exposed.text, exposed.len, GUEST_EXPOSE, next, &other);
            rewrite(s, s->text, len, GUEST_EXPOSE, next, &direct);
            same(s, "wishes do not pile up", direct.text, direct.len, other.text, other.len);
        }
    }
}

static void test_refused(void **state) {
    FOREACH_ARRAY(c, refused, ELEMENTSOF(refused)) {
        struct guest_wish w = {GUEST_EXPOSE, c->extension};
        struct guest_result result = {};
        _cleanup_free_ char *why = NULL;
        int r = guest_rewrite(c->text, strlen(c->text), &w, &result, &why);
        if (r != c->error || !why || !strstr(why, c->reason))
            fail_msg("%s: got %d (%s), expected %d (...%s...)", c->what, r, why, c->error, c->reason);
        assert_null(result.text);
    }
}

static char *expose_as(const char *text, enum cpu_mode mode, const char *model, size_t *ret_len) {
    struct guest_wish w = {GUEST_EXPOSE, EXTENSION_SVM, mode, model};
    struct guest_result result = {};
    assert_int_equal(guest_rewrite(text, strlen(text), &w, &result, NULL), 0);
    strv_free(result.notes);
    *ret_len = result.len;
    return result.text;
}

/* What is written, not only that it can be undone. */
static void test_cpu(void **state) {
    static const struct {
        const char *before;
        enum cpu_mode mode;
        const char *model, *after;
    } cases[] = {
        {DOMAIN("  <cpu mode='host-model'/>\n"), CPU_KEEP, NULL,
         "  <cpu mode='host-model'>\n    <feature policy='require' name='svm'/>\n  </cpu>\n"},
        {DOMAIN("  <cpu mode='custom' match='exact' check='full'>\n    <model fallback='forbid'>EPYC</model>\n"
                "    <vendor>AMD</vendor>\n    <feature policy='disable' name='svm'/>\n  </cpu>\n"), CPU_HOST_PASSTHROUGH, NULL,
         "  <cpu mode='host-passthrough'>\n    <feature policy='require' name='svm'/>\n  </cpu>\n"},
        {DOMAIN("  <cpu mode='host-passthrough' migratable='off'>\n    <cache mode='passthrough'/>\n  </cpu>\n"),
         CPU_HOST_MODEL, NULL,
         "  <cpu mode='host-model'>\n    <feature policy='require' name='svm'/>\n  </cpu>\n"},
        {DOMAIN(""), CPU_KEEP, NULL,
         "\n  <cpu mode='custom' match='exact' check='none'>\n    <model fallback='forbid'>qemu64</model>\n"
         "    <feature policy='require' name='svm'/>\n  </cpu>"},
        {DOMAIN("\t<cpu>\n\t\t<topology sockets='1' cores='2' threads='1'/>\n\t</cpu>\n"), CPU_KEEP, NULL,
         "\t<cpu mode='custom' match='exact' check='none'>\n\t\t<topology sockets='1' cores='2' threads='1'/>\n"
         "\t\t<feature policy='require' name='svm'/>\n\t\t<model fallback='forbid'>qemu64</model>\n\t</cpu>\n"},
        {DOMAIN("  <cpu><model>Nehalem</model></cpu>\n"), CPU_CUSTOM, "EPYC",
         "  <cpu><feature policy='require' name='svm'/><model fallback='forbid'>EPYC</model></cpu>\n"},
    };
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        size_t len;
        _cleanup_free_ char *text = expose_as(c->before, c->mode, c->model, &len);
        if (!strstr(text, c->after))
            fail_msg("expected:\n%s\ngot:\n%s", c->after, text);
    }
}

static void test_bad_wish(void **state) {
    static const struct {
        const char *text;
        struct guest_wish wish;
        int error;
    } cases[] = {
        {DOMAIN("<cpu mode='host-model'/>"), {GUEST_EXPOSE, EXTENSION_SVM, CPU_CUSTOM}, -EINVAL},
        {DOMAIN("<cpu mode='host-model'/>"), {GUEST_EXPOSE, EXTENSION_SVM, CPU_CUSTOM, "a'/><evil"}, -EINVAL},
        {DOMAIN("<cpu mode='host-model'/>"), {GUEST_EXPOSE, EXTENSION_SVM, CPU_HOST_MODEL, "EPYC"}, -EINVAL},
        {"<domain type='qemu'/>", {GUEST_EXPOSE, EXTENSION_SVM, CPU_HOST_PASSTHROUGH}, -EOPNOTSUPP},
    };
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        struct guest_result result = {};
        _cleanup_free_ char *why = NULL;
        assert_int_equal(guest_rewrite(c->text, strlen(c->text), &c->wish, &result, &why), c->error);
        assert_non_null(why);
        assert_null(result.text);
    }
}

/* In TEXT, FROM becomes TO. */
static char *replace(const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    char *out;
    assert_non_null(at);
    assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
    return out;
}

/* Somebody else edits the exposed document. */
static void test_changed_by_others(void **state) {
    const char *original = DOMAIN("  <cpu mode='host-model'>\n  </cpu>\n  <devices/>\n");
    size_t len;
    _cleanup_free_ char *exposed = expose_as(original, CPU_KEEP, NULL, &len);
    struct guest_wish undo = {GUEST_UNDO}, expose = {GUEST_EXPOSE, EXTENSION_SVM};

    /* Elsewhere: the CPU comes back exactly, their change stays. */
    _cleanup_free_ char *elsewhere = replace(exposed, "<devices/>", "<devices><emulator>x</emulator></devices>");
    _cleanup_free_ char *wanted = replace(original, "<devices/>", "<devices><emulator>x</emulator></devices>");
    _cleanup_guest_result_ struct guest_result a = {}, b = {}, c = {}, d = {}, e = {};
    assert_int_equal(guest_rewrite(elsewhere, strlen(elsewhere), &undo, &a, NULL), 0);
    assert_string_equal(a.text, wanted);

    /* In the CPU: only our feature goes, and it is said. */
    _cleanup_free_ char *cpu = replace(exposed, "  </cpu>", "    <topology sockets='1' cores='2' threads='1'/>\n  </cpu>");
    _cleanup_free_ char *rest = replace(original, "  </cpu>", "    <topology sockets='1' cores='2' threads='1'/>\n  </cpu>");
    assert_int_equal(guest_rewrite(cpu, strlen(cpu), &undo, &b, NULL), 0);
    assert_string_equal(b.text, rest);
    assert_non_null(strstr(b.notes[0], "somebody else"));

    /* In the CPU, and the wish again: on top of their change. */
    assert_int_equal(guest_rewrite(cpu, strlen(cpu), &expose, &c, NULL), 0);
    assert_non_null(strstr(c.text, "<topology"));
    assert_int_equal(nest(&c), NEST_CONFIGURED);

    /* libvirt writes the CPU its own way, with its defaults: that is no change. */
    _cleanup_free_ char *libvirt = replace(exposed, "<cpu mode='host-model'>\n    <feature policy='require' name='svm'/>\n  </cpu>",
                                           "<cpu check='partial' mode=\"host-model\"><feature name='svm' policy='require'/></cpu>");
    assert_int_equal(guest_rewrite(libvirt, strlen(libvirt), &expose, &d, NULL), 0);
    assert_false(d.changed);
    assert_int_equal(guest_rewrite(libvirt, strlen(libvirt), &undo, &e, NULL), 0);
    assert_string_equal(e.text, original);

    /* They have hidden it: expose gives it back, undo has nothing to take. */
    _cleanup_free_ char *hidden = replace(exposed, "policy='require' name='svm'", "policy='disable' name='svm'");
    _cleanup_guest_result_ struct guest_result f = {}, g = {};
    assert_int_equal(guest_rewrite(hidden, strlen(hidden), &expose, &f, NULL), 0);
    assert_int_equal(nest(&f), NEST_CONFIGURED);
    assert_int_equal(guest_rewrite(hidden, strlen(hidden), &undo, &g, NULL), 0);
    assert_int_equal(nest(&g), NEST_NO);

    /* It was required before nestd, so nothing of <cpu> is kept; then they take it out. */
    const char *required = DOMAIN("  <cpu mode='host-model'><feature policy='require' name='svm'/></cpu>\n");
    _cleanup_free_ char *marked = expose_as(required, CPU_KEEP, NULL, &len);
    _cleanup_free_ char *taken = replace(marked, "<feature policy='require' name='svm'/>", "");
    _cleanup_guest_result_ struct guest_result i = {};
    assert_int_equal(guest_rewrite(taken, strlen(taken), &expose, &i, NULL), 0);
    assert_int_equal(nest(&i), NEST_CONFIGURED);

    /* They have moved what nestd made: undo takes its own white space, neither more nor what is not there. */
    const char *bare = DOMAIN("  <devices/>\n");
    _cleanup_free_ char *made = expose_as(bare, CPU_KEEP, NULL, &len);
    _cleanup_free_ char *closer = replace(made, "\n  <cpu mode=", "<cpu mode=");
    _cleanup_free_ char *farther = replace(made, "\n  <cpu mode=", "\n\n\n  <cpu mode=");
    _cleanup_free_ char *blank = replace(bare, "</os>", "</os>\n\n");
    _cleanup_guest_result_ struct guest_result j = {}, k = {};
    assert_int_equal(guest_rewrite(closer, strlen(closer), &undo, &j, NULL), 0);
    assert_string_equal(j.text, bare);
    assert_int_equal(guest_rewrite(farther, strlen(farther), &undo, &k, NULL), 0);
    assert_string_equal(k.text, blank);

    /* They have put something beside our mark: <metadata> stays for it. */
    _cleanup_free_ char *beside = replace(exposed, "</metadata>", "<x:y xmlns:x='urn:x'/></metadata>");
    _cleanup_guest_result_ struct guest_result h = {};
    assert_int_equal(guest_rewrite(beside, strlen(beside), &undo, &h, NULL), 0);
    assert_non_null(strstr(h.text, "<x:y xmlns:x='urn:x'/></metadata>"));
    assert_null(strstr(h.text, "nestd"));
}

static void test_nest(void **state) {
    static const struct {
        const char *text;
        enum extension extension;
        enum nest nest;
    } cases[] = {
        {DOMAIN(""), EXTENSION_SVM, NEST_MODEL},
        {DOMAIN(""), EXTENSION_VMX, NEST_NO},
        {DOMAIN("<cpu mode='host-model'/>"), EXTENSION_VMX, NEST_HOST_MODEL},
        {DOMAIN("<cpu mode='host-passthrough'/>"), EXTENSION_VMX, NEST_PASSTHROUGH},
        {DOMAIN("<cpu mode='host-passthrough'><feature policy='optional' name='vmx'/></cpu>"), EXTENSION_VMX, NEST_PASSTHROUGH},
        {DOMAIN("<cpu mode='host-model'><feature policy='optional' name='vmx'/></cpu>"), EXTENSION_VMX, NEST_OPTIONAL},
        {DOMAIN("<cpu mode='host-model'><feature policy='force' name='vmx'/></cpu>"), EXTENSION_VMX, NEST_CONFIGURED},
        {DOMAIN("<cpu mode='host-model'><feature policy='require' name='vmx'/></cpu>"), EXTENSION_SVM, NEST_HOST_MODEL},
        {DOMAIN("<cpu><model>Haswell-noTSX</model></cpu>"), EXTENSION_SVM, NEST_NO},
        {DOMAIN("<cpu><model>EPYC-Milan</model></cpu>"), EXTENSION_SVM, NEST_MODEL},
        {DOMAIN("<cpu><model>Opteron_G3</model></cpu>"), EXTENSION_VMX, NEST_NO},
        {DOMAIN("<cpu><model>unheard-of</model></cpu>"), EXTENSION_SVM, NEST_MODEL},
        {"<domain type='qemu'><cpu mode='maximum'/></domain>", EXTENSION_VMX, NEST_NO},
        {"<domain type='kvm'><os><type arch='i686'>hvm</type></os></domain>", EXTENSION_SVM, NEST_NO},
    };
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        _cleanup_guest_doc_ struct guest_doc d = {};
        assert_int_equal(guest_doc_open(c->text, strlen(c->text), &d, NULL), 0);
        if (guest_doc_nest(&d, c->extension) != c->nest)
            fail_msg("%s: %s", c->text, nest_to_string(guest_doc_nest(&d, c->extension)));
    }
}

static void test_bounds(void **state) {
    struct guest_wish w = {GUEST_EXPOSE, EXTENSION_SVM};
    struct guest_result result = {};
    size_t n = GUEST_TEXT_MAX + 1;
    _cleanup_free_ char *text = malloc(n);
    memset(text, ' ', n);
    assert_int_equal(guest_rewrite(text, n, &w, &result, NULL), -EINVAL);
    /* too many elements */
    size_t at = (size_t)sprintf(text, "<domain type='kvm'>");
    for (size_t i = 0; i < XML_ELEMENTS_MAX; i++)
        at += (size_t)sprintf(text + at, "<a/>");
    at += (size_t)sprintf(text + at, "</domain>");
    assert_int_equal(guest_rewrite(text, at, &w, &result, NULL), -EINVAL);
    /* too deep: libxml2's own limit */
    at = (size_t)sprintf(text, "<domain type='kvm'>");
    for (size_t i = 0; i < 1000; i++)
        at += (size_t)sprintf(text + at, "<a>");
    assert_int_equal(guest_rewrite(text, at, &w, &result, NULL), -EINVAL);
    /* too much in <cpu> */
    at = (size_t)sprintf(text, "<domain type='kvm'><cpu mode='host-model'>");
    for (size_t i = 0; i < 5000; i++)
        at += (size_t)sprintf(text + at, "<feature policy='require' name='f%zu'/>", i);
    at += (size_t)sprintf(text + at, "</cpu></domain>");
    assert_int_equal(guest_rewrite(text, at, &w, &result, NULL), -EINVAL);
    assert_null(result.text);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_properties), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cpu),        cmocka_unit_test(test_bad_wish),
        cmocka_unit_test(test_changed_by_others), cmocka_unit_test(test_nest),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
