/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* faults: what domain_rewrite() makes of a libvirt that does not keep what it took, does not answer, or is used by somebody else
 * at the same moment. The libvirt at LIBVIRT_DEFAULT_URI is a real one; what goes wrong is put between it and us. */
#include "domain.h"

#define GUEST "<domain type='qemu'><name>faults</name><uuid>6a7c9d2e-0000-4000-8000-0000000000f0</uuid>%s<memory unit='MiB'>64</memory>" \
              "<os><type arch='x86_64'>hvm</type></os><cpu mode='host-model'/></domain>"

static const struct libvirt *real;
static struct domain_conn other; /* another client */
static unsigned defines, reads;  /* calls so far */

/* What happens at a call, counted from 1. */
static struct {
    unsigned forget_at;   /* a define that leaves out what was asked for */
    unsigned refuse_at;   /* a define that fails */
    unsigned deaf_at;     /* a read that fails */
    unsigned meddle_at;   /* before this read, another client redefines the guest */
    bool dead;            /* the connection, when it is asked for */
} fault;

static virDomainPtr define_other(const char *extra) {
    char xml[1024];

    snprintf(xml, sizeof(xml), GUEST, extra);
    return real->virDomainDefineXMLFlags(other.conn, xml, 0);
}

static virDomainPtr faulty_define(virConnectPtr conn, const char *xml, unsigned flags) {
    _cleanup_free_ char *less = strdup(xml);
    char *word = less ? strstr(less, "'require'") : NULL;

    if (++defines == fault.refuse_at)
        return NULL;
    if (defines == fault.forget_at && word)
        memcpy(word, "'disable'", strlen("'disable'"));
    return real->virDomainDefineXMLFlags(conn, less, flags);
}

static char *faulty_read(virDomainPtr dom, unsigned flags) {
    if (++reads == fault.meddle_at) {
        virDomainPtr theirs = define_other("<title>theirs</title>");
        if (theirs)
            real->virDomainFree(theirs);
    }
    return reads == fault.deaf_at ? NULL : real->virDomainGetXMLDesc(dom, flags);
}

static int faulty_alive(virConnectPtr conn) {
    return !fault.dead;
}

static char *definition(virDomainPtr dom) {
    return real->virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
}

static const struct test {
    const char *name;
    typeof(fault) fault;
    int r;
    const char *why;
    enum { OLD, NEW, THEIRS, FORGOTTEN } after;
} tests[] = {
    {"nothing goes wrong", {}, 0, NULL, NEW},
    {"libvirt refuses", {.refuse_at = 1}, -EIO, "libvirt refuses the new definition, the old one stays", OLD},
    {"the connection breaks", {.refuse_at = 1, .dead = true}, -ECONNRESET, "may still come into force", OLD},
    {"libvirt forgets", {.forget_at = 1}, -EIO, "did not keep what was changed; the old definition is back", OLD},
    {"libvirt forgets, and the old one cannot be put back", {.forget_at = 1, .refuse_at = 2}, -EIO,
     "did not keep what was changed; the old definition could not be put back either", FORGOTTEN},
    {"the new definition cannot be read", {.deaf_at = 3}, -EIO, "cannot be read back; the old definition is back", OLD},
    {"the definition cannot be read at all", {.deaf_at = 1}, -EIO, "its definition cannot be read", OLD},
    {"the definition cannot be read again", {.deaf_at = 2}, -EIO, "its definition cannot be read", OLD},
    {"another client redefines it between our read and our define", {.meddle_at = 2}, -EAGAIN, "somebody else redefined the guest",
     THEIRS},
    {"another client redefines it right after our define", {.meddle_at = 3}, -EAGAIN, "their definition stays", THEIRS},
};

static bool as_expected(const struct test *t, const char *before, const char *after, unsigned n_defines) {
    switch (t->after) {
    case OLD:
        return streq(before, after);
    case NEW:
        return strstr(after, "'require' name='svm'") && n_defines == 1;
    case THEIRS:
        return strstr(after, "<title>theirs</title>") && !strstr(after, "svm") && n_defines <= 1;
    default:
        return strstr(after, "'disable' name='svm'") != NULL;
    }
}

static bool run(const struct test *t) {
    const struct guest_wish expose = {GUEST_EXPOSE, EXTENSION_SVM};
    _cleanup_domain_change_ struct domain_change change = {};
    _cleanup_domain_conn_ struct domain_conn c = {};
    _cleanup_free_ char *why = NULL, *before = NULL, *after = NULL;
    struct libvirt faulty = *real;
    _cleanup_vir_domain_ virDomainPtr dom = define_other("");

    if (!dom || domain_connect(getenv("LIBVIRT_DEFAULT_URI"), false, &c, &why) < 0 || !(before = definition(dom)))
        return false;
    faulty.virDomainDefineXMLFlags = faulty_define;
    faulty.virDomainGetXMLDesc = faulty_read;
    faulty.virConnectIsAlive = faulty_alive;
    c.lv = &faulty;
    fault = t->fault;
    defines = reads = 0;
    int r = domain_rewrite(&c, dom, &expose, false, &change, &why);
    bool ok = r == t->r && (!t->why || (why && strstr(why, t->why))) && (after = definition(dom)) &&
              as_expected(t, before, after, defines);
    if (!ok)
        printf("%s: %d (%s), %u defines; now:\n%s", t->name, r, why ? why : "", defines, after ? after : "?\n");
    return ok;
}

/* The connection breaks: an error that does not say whether there is such a guest. */
static virDomainPtr faulty_lookup(virConnectPtr conn, const char *name) {
    (void)real->virDomainGetXMLDesc(NULL, 0);
    return NULL;
}

static bool find(const char *guest, bool faulty, int expected, const char *words) {
    struct libvirt lv = *real;
    struct domain_conn c = {.lv = &lv, .conn = other.conn};
    _cleanup_vir_domain_ virDomainPtr dom = NULL;
    _cleanup_free_ char *why = NULL;
    if (faulty)
        lv.virDomainLookupByName = faulty_lookup;
    int r = domain_find(&c, guest, &dom, &why);
    if (r == expected && !dom == (r < 0) && (!words || (why && strstr(why, words))))
        return true;
    printf("find %s: %d (%s)\n", guest, r, why ? why : "");
    return false;
}

static bool find_all(void) {
    return find("faults", false, 0, NULL) && find("6a7c9d2e-0000-4000-8000-0000000000f0", false, 0, NULL) &&
           find("nobody", false, -ENOENT, "no such guest") && find("77", false, -ENOENT, "no such guest") &&
           find("faults", true, -EIO, "invalid domain");
}

int main(void) {
    unsigned failed = 0;

    if (libvirt_load(&real) < 0 || domain_connect(getenv("LIBVIRT_DEFAULT_URI"), false, &other, NULL) < 0)
        return 1;
    FOREACH_ARRAY(t, tests, ELEMENTSOF(tests))
        failed += !run(t);
    failed += !find_all();
    domain_disconnect(&other);
    printf("%zu of %zu as expected\n", ELEMENTSOF(tests) + 1 - failed, ELEMENTSOF(tests) + 1);
    return failed > 0;
}
