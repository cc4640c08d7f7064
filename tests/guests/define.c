/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * define DIR <LIST: what libvirt itself makes of the documents that properties wrote. Whatever it accepts before, it must
 * accept after, and write back with what was wished.
 *
 * A libvirtd of the test's own answers at qemu:///session (with-libvirtd). This machine may have no KVM, and the documents name
 * other people's emulators: both are replaced in the documents before and after alike.
 */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "macros.h"

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

static char *localise(char *text) {
    text = replace(text, "<domain type='kvm'", "", "<domain type='qemu'");
    text = replace(text, "<domain type=\"kvm\"", "", "<domain type='qemu'");
    return replace(text, "<emulator>", "</emulator>", "<emulator>" EMULATOR "</emulator>");
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

int main(int argc, char **argv) {
    char number[16], action[16], extension[8], mode[24], path[512];
    size_t judged = 0, failed = 0, off = 0;

    virSetErrorFunc(NULL, quiet);
    virConnectPtr conn = virConnectOpen("qemu:///session");
    if (!conn) {
        printf("# qemu:///session: %s\n", virGetLastErrorMessage());
        return 1;
    }
    while (scanf("# %15s %15s %7s %23s %511s\n", number, action, extension, mode, path) == 5) {
        _cleanup_free_ char *before = localise(read_file(argv[1], "before", number)), *now = NULL, *now_hidden = NULL;
        if (!define(conn, before, NULL))
            continue;
        judged++;
        _cleanup_free_ char *after = localise(read_file(argv[1], "after", number));
        _cleanup_free_ char *hidden = localise(read_file(argv[1], "hidden", number));
        const char *wrong = NULL;
        if (!define(conn, after, &now) || !define(conn, hidden, &now_hidden))
            wrong = virGetLastErrorMessage();
        else if (streq(action, "expose") && !has_feature(now, "require", extension) && !has_feature(now, "force", extension))
            wrong = "the extension is not there";
        else if (has_feature(now_hidden, "require", extension) || has_feature(now_hidden, "force", extension))
            wrong = "the extension is still there";
        if (wrong) {
            printf("# %s (%s %s %s): %s\n", path, action, extension, mode, wrong);
            failed++;
        }
        off += now_hidden && has_feature(now_hidden, "disable", extension);
    }
    virConnectClose(conn);
    printf("# %zu accepted by libvirt before, %zu with the extension switched off by hide, %zu failures\n", judged, off, failed);
    return failed > 0 || judged < 1000 || off < 100;
}
