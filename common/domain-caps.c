/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-caps.h"
#include "guest-profile.h"
#include "libvirt-call.h"

/* The <enum name='features'> of <hyperv> (docs/formatdomaincaps.rst, Hyper-V Enlightenments), or XML_NONE. */
static uint32_t find_enum(const struct xml_doc *xml) {
    uint32_t hyperv = xml_find(xml, 0, "features/hyperv");
    if (!streq_ptr(xml_attr(xml, hyperv, "supported"), "yes"))
        return XML_NONE;
    for (uint32_t e = XML_NONE; (e = xml_child(xml, hyperv, NULL, "enum", e)) != XML_NONE;)
        if (streq_ptr(xml_attr(xml, e, "name"), "features"))
            return e;
    return XML_NONE;
}

static bool offers(const struct xml_doc *xml, uint32_t values, const char *name) {
    for (uint32_t v = XML_NONE; (v = xml_child(xml, values, NULL, "value", v)) != XML_NONE;) {
        _cleanup_free_ char *text = NULL;
        if (xml_content(xml, v, &text) >= 0 && streq(text, name))
            return true;
    }
    return false;
}

int domain_caps_parse_without(const char *caps, const struct guest_wish *w, char **ret) {
    const struct guest_profile *p = w->profile ? guest_profile_hypervisor(w->profile) : NULL;
    _cleanup_xml_doc_ struct xml_doc xml = {};
    _cleanup_free_ char *list = NULL;

    int r = xml_parse(caps, strlen(caps), &xml, NULL);
    uint32_t values = r < 0 ? XML_NONE : find_enum(&xml);
    if (r == -ENOMEM)
        return r;
    for (const struct guest_setting *s = p ? p->settings : NULL; s && s->reason && values != XML_NONE; s++) {
        const char *name = guest_setting_enlightenment(s);
        char *longer;
        if (!name || (s->extension != EXTENSION_NONE && s->extension != w->extension) || offers(&xml, values, name))
            continue;
        if (asprintf(&longer, "%s%s%s", strempty(list), list ? "," : "", name) < 0)
            return -ENOMEM;
        free(list);
        list = longer;
    }
    *ret = TAKE_PTR(list);
    return 0;
}

int domain_caps_without(const struct domain_conn *c, const struct guest_doc *d, const struct guest_wish *w, char **ret) {
    const struct guest_profile *p = w->profile ? guest_profile_hypervisor(w->profile) : NULL;
    uint32_t type = xml_find(&d->xml, 0, "os/type");
    _cleanup_free_ char *emulator = NULL, *caps = NULL;

    *ret = NULL;
    if (!p || !p->settings)
        return 0;
    if (xml_content(&d->xml, xml_find(&d->xml, 0, "devices/emulator"), &emulator) < 0)
        return -ENOMEM;
    if (libvirt_capabilities(c->lv, c->conn, emulator, xml_attr(&d->xml, type, "arch"), xml_attr(&d->xml, type, "machine"),
                             xml_attr(&d->xml, 0, "type"), &caps) == -ENOMEM)
        return -ENOMEM;
    return caps ? domain_caps_parse_without(caps, w, ret) : 0;
}
