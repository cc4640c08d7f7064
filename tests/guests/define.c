/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * define DIR <LIST: what libvirt itself makes of the documents that properties wrote. Whatever it accepts before, it must
 * accept after, and write back with what was wished, which undo must still know for nestd's own.
 *
 * A libvirtd of the test's own answers at qemu:///session (with-libvirtd). This machine may have no KVM, and the documents name
 * other people's emulators: both are replaced in the documents before and after alike.
 */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "guest-mark.h"

#define EMULATOR "/usr/bin/qemu-system-x86_64"

static void quiet(void *data, virErrorPtr error) {
}

static char *read_file(const char *dir, const char *kind, const char *number) {
    _cleanup_free_ char *path = NULL;
    if (asprintf(&path, "%s/%s/%s.xml", dir, kind, number) < 0)
        abort();
    _cleanup_fclose_ FILE *f = fopen(path, "re");
    char *text = NULL;
    size_t room = 0;
    if (!f || getdelim(&text, &room, 0, f) < 0) {
        perror(path);
        exit(1);
    }
    return text;
}

/* Every FROM...UPTO becomes TO. */
static char *replace(char *text, const char *from, const char *upto, const char *to) {
    char *out = NULL;
    size_t size;
    FILE *f = open_memstream(&out, &size);
    const char *at = text;
    for (const char *hit; (hit = strstr(at, from));) {
        const char *end = strstr(hit + strlen(from), upto);
        if (!end)
            break;
        fprintf(f, "%.*s%s", (int)(hit - at), at, to);
        at = end + strlen(upto);
    }
    fputs(at, f);
    fclose(f);
    free(text);
    return out;
}

static char *without_kvm(char *text) {
    text = replace(text, "<domain type='kvm'", "", "<domain type='qemu'");
    return replace(text, "<domain type=\"kvm\"", "", "<domain type='qemu'");
}

static char *localise(char *text) {
    return replace(without_kvm(text), "<emulator>", "</emulator>", "<emulator>" EMULATOR "</emulator>");
}

/* Defines and undefines; *RET is the definition as libvirt then writes it. */
static bool define(virConnectPtr conn, const char *text, char **ret) {
    virDomainPtr dom = virDomainDefineXML(conn, text);
    if (!dom)
        return false;
    if (ret)
        *ret = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
    virDomainUndefineFlags(dom, VIR_DOMAIN_UNDEFINE_NVRAM);
    virDomainFree(dom);
    return !ret || *ret;
}

static bool has_feature(const char *xml, const char *policy, const char *name) {
    char feature[64];
    snprintf(feature, sizeof(feature), "<feature policy='%s' name='%s'/>", policy, name);
    return strstr(xml, feature) != NULL;
}

static char *with_kvm(char *text, bool kvm) {
    return kvm ? replace(text, "<domain type='qemu'", "", "<domain type='kvm'") : text;
}

/* What is wrong with undo of AFTER's wish on NORMAL, libvirt's own writing of the original, or NULL. */
static const char *wrong_undo(virConnectPtr conn, const char *normal, const char *after, bool kvm) {
    _cleanup_guest_result_ struct guest_result done = {}, back = {};
    _cleanup_guest_mark_ struct guest_mark mark = {};
    _cleanup_guest_doc_ struct guest_doc d = {};
    _cleanup_free_ char *text = with_kvm(strdup(normal), kvm), *now = NULL;
    struct guest_wish undo = {GUEST_UNDO};

    if (guest_doc_open(after, strlen(after), &d, NULL) < 0 || guest_mark_read(&d, &mark) < 0)
        return "the mark cannot be read";
    int r = guest_rewrite(text, strlen(text), &mark.wish, &done, NULL);
    if (r == -EOPNOTSUPP) /* libvirt has filled in a network card that ESXi has no driver for */
        return NULL;
    if (r < 0)
        return "refused as libvirt writes it";
    _cleanup_free_ char *local = without_kvm(strdup(done.text));
    if (!define(conn, local, &now))
        return virGetLastErrorMessage();
    now = with_kvm(now, kvm);
    if (guest_rewrite(now, strlen(now), &undo, &back, NULL) < 0)
        return "undo is refused";
    return streq(back.text, text) ? NULL : "libvirt in between, undo does not give the original back";
}

/* A document's original, and what hide makes of it, are the same for many wishes: libvirt is asked once. */
static char last_path[512], *last_hidden[2], *last_normal;
static bool last_stable; /* libvirt writes what it wrote once again as it is, which it does not always */

/* As libvirt writes it, or NULL: it is refused. */
static const char *normalise(virConnectPtr conn, const char *path, const char *before) {
    if (!streq(path, last_path)) {
        snprintf(last_path, sizeof(last_path), "%s", path);
        free(last_normal);
        last_normal = NULL;
        _cleanup_free_ char *again = NULL;
        last_stable = define(conn, before, &last_normal) && define(conn, last_normal, &again) && streq(again, last_normal);
        FOREACH_ARRAY(hidden, last_hidden, ELEMENTSOF(last_hidden)) {
            free(*hidden);
            *hidden = NULL;
        }
    }
    return last_normal;
}

static bool known_hidden(const char *hidden, const char *extension) {
    char **last = &last_hidden[streq(extension, "svm")];
    if (*last && streq(*last, hidden))
        return true;
    free(*last);
    *last = strdup(hidden);
    return false;
}

int main(int argc, char **argv) {
    char number[16], action[16], extension[8], mode[24], path[512];
    size_t judged = 0, failed = 0, off = 0, undone = 0;

    virSetErrorFunc(NULL, quiet);
    virConnectPtr conn = virConnectOpen("qemu:///session");
    if (!conn) {
        printf("# qemu:///session: %s\n", virGetLastErrorMessage());
        return 1;
    }
    while (scanf("# %15s %15s %7s %23s %511s\n", number, action, extension, mode, path) == 5) {
        _cleanup_free_ char *before = localise(read_file(argv[1], "before", number)), *now = NULL, *now_hidden = NULL;
        const char *normal = normalise(conn, path, before);
        if (!normal)
            continue;
        judged++;
        _cleanup_free_ char *after = read_file(argv[1], "after", number);
        bool kvm = strstr(after, "<domain type='kvm'") || strstr(after, "<domain type=\"kvm\""), marked = strstr(after, "<nestd:");
        after = localise(after);
        _cleanup_free_ char *hidden = localise(read_file(argv[1], "hidden", number));
        const char *wrong = NULL;
        if (!define(conn, after, &now) || (!known_hidden(hidden, extension) && !define(conn, hidden, &now_hidden)))
            wrong = virGetLastErrorMessage();
        else if (streq(action, "expose") && !has_feature(now, "require", extension) && !has_feature(now, "force", extension))
            wrong = "the extension is not there";
        else if (now_hidden && (has_feature(now_hidden, "require", extension) || has_feature(now_hidden, "force", extension)))
            wrong = "the extension is still there";
        else if (marked && last_stable && (strstr(after, " profile='") || judged % 4 == 0) && (undone++, true))
            wrong = wrong_undo(conn, normal, after, kvm);
        if (wrong) {
            printf("# %s (%s %s %s): %s\n", path, action, extension, mode, wrong);
            failed++;
        }
        off += now_hidden && has_feature(now_hidden, "disable", extension);
    }
    virConnectClose(conn);
    printf("# %zu accepted by libvirt before, %zu with the extension switched off by hide, %zu undone, %zu failures\n", judged,
           off, undone, failed);
    return failed > 0 || judged < 1000 || off < 50 || undone < 1000;
}
