/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One libvirt domain document: what matters in it for nesting, and where it stands. */
#pragma once

#include "feature.h"
#include "guest-edit.h"
#include "guest-text.h"
#include "guest-xml.h"

/* The namespace of our own element in <metadata>. */
#define GUEST_XMLNS "urn:nestd:guest:1"
#define GUEST_MARK "nested"

enum cpu_mode { CPU_KEEP, CPU_CUSTOM, CPU_HOST_MODEL, CPU_HOST_PASSTHROUGH, CPU_MAXIMUM, _CPU_MODE_MAX };
const char *cpu_mode_to_string(enum cpu_mode mode); /* libvirt's word; "keep" */
int cpu_mode_from_string(const char *s);            /* or -EINVAL */

/* libvirt's virCPUFeaturePolicy; POLICY_NONE: the document does not mention the feature. */
enum cpu_policy { POLICY_NONE, POLICY_FORCE, POLICY_REQUIRE, POLICY_OPTIONAL, POLICY_DISABLE, POLICY_FORBID };

/* Whether a guest's CPU has the extension, and where it has it from. */
enum nest {
    NEST_NO,          /* not in the model, or switched off */
    NEST_CONFIGURED,  /* <feature> says so */
    NEST_OPTIONAL,    /* <feature policy='optional'>: if the host has it */
    NEST_MODEL,       /* the CPU model contains it (svm only: no model of libvirt's contains vmx) */
    NEST_HOST_MODEL,  /* host-model: if libvirt's model of this host has it */
    NEST_PASSTHROUGH, /* host-passthrough, maximum: whenever the host nests */
};
const char *nest_to_string(enum nest nest);

struct guest_doc {
    struct guest_text text;
    struct xml_doc xml;
    uint32_t cpu, metadata, mark; /* elements, or XML_NONE */
    bool tcg;                     /* type='qemu': no KVM */
    char *name, *uuid;            /* as written; NULL: not there */
    enum cpu_mode mode;           /* the effective one: libvirt takes "custom" where none is given */
    char *model;                  /* the effective one in custom mode: QEMU's default where none is given; else NULL */
    bool default_model;           /* the document names neither mode nor model */
};

/*
 * Opens the definition of one x86 KVM or QEMU guest; RAW must outlive it. *ret_why (may be NULL) is set on failure: one
 * sentence, to be freed. Errors: -EINVAL not such a document at all (not XML, several domains, DTD, too large, unknown
 * encoding, ambiguous), -EOPNOTSUPP another architecture or hypervisor, -ENOPKG, -ELIBBAD, -ENOMEM.
 */
int guest_doc_open(const char *raw, size_t len, struct guest_doc *ret, char **ret_why);
void guest_doc_done(struct guest_doc *doc);
#define _cleanup_guest_doc_ _cleanup_(guest_doc_done)

/* Why the extension could never work in this guest (encrypted guest, TCG, CPU set behind libvirt's back), or NULL. A
 * static string. */
const char *guest_doc_cannot_nest(const struct guest_doc *doc, enum extension extension);
/* <qemu:commandline> holds a "-cpu" of its own; QEMU takes the last one, so <cpu> has no effect. */
bool guest_doc_cpu_overridden(const struct guest_doc *doc);
/* The <feature> with this name, or XML_NONE, and its policy. */
uint32_t guest_doc_feature(const struct guest_doc *doc, const char *name, enum cpu_policy *ret_policy);
enum nest guest_doc_nest(const struct guest_doc *doc, enum extension extension);
/* May this model, as libvirt or QEMU knows it, contain svm? Unknown ones may. */
bool cpu_model_may_have_svm(const char *model);
