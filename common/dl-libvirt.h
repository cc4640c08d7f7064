/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt, opened when first needed. It is not linked in: loading it (gnutls, ICU, ...) costs more than all of
 * `nestctl status`, and nestd must stay small as long as no guest concerns it. The types and constants come from
 * libvirt's own headers; only calls go through these tables.
 */
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include "macros.h"

/* Every libvirt function nestd calls; add a line to use another. */
#define LIBVIRT_SYMBOLS(X)                                                                                   \
    X(virConnectClose)                                                                                       \
    X(virConnectDomainEventDeregisterAny)                                                                    \
    X(virConnectDomainEventRegisterAny)                                                                      \
    X(virConnectGetAllDomainStats)                                                                           \
    X(virConnectGetCapabilities)                                                                             \
    X(virConnectGetDomainCapabilities)                                                                       \
    X(virConnectGetLibVersion)                                                                               \
    X(virConnectGetType)                                                                                     \
    X(virConnectGetURI)                                                                                      \
    X(virConnectGetVersion)                                                                                  \
    X(virConnectIsAlive)                                                                                     \
    X(virConnectListAllDomains)                                                                              \
    X(virConnectOpen)                                                                                        \
    X(virConnectOpenReadOnly)                                                                                \
    X(virConnectRef)                                                                                         \
    X(virConnectRegisterCloseCallback)                                                                       \
    X(virConnectSetKeepAlive)                                                                                \
    X(virConnectUnregisterCloseCallback)                                                                     \
    X(virDomainDefineXMLFlags)                                                                               \
    X(virDomainFree)                                                                                         \
    X(virDomainGetID)                                                                                        \
    X(virDomainGetName)                                                                                      \
    X(virDomainGetState)                                                                                     \
    X(virDomainGetUUIDString)                                                                                \
    X(virDomainGetXMLDesc)                                                                                   \
    X(virDomainHasManagedSaveImage)                                                                          \
    X(virDomainIsActive)                                                                                     \
    X(virDomainIsPersistent)                                                                                 \
    X(virDomainListGetStats)                                                                                 \
    X(virDomainLookupByID)                                                                                   \
    X(virDomainLookupByName)                                                                                 \
    X(virDomainLookupByUUIDString)                                                                           \
    X(virDomainRef)                                                                                          \
    X(virDomainStatsRecordListFree)                                                                          \
    X(virEventAddHandle)                                                                                     \
    X(virEventAddTimeout)                                                                                    \
    X(virEventRegisterDefaultImpl)                                                                           \
    X(virEventRunDefaultImpl)                                                                                \
    X(virEventUpdateTimeout)                                                                                 \
    X(virFreeError)                                                                                          \
    X(virGetLastErrorCode)                                                                                   \
    X(virGetLastErrorMessage)                                                                                \
    X(virResetLastError)                                                                                     \
    X(virSaveLastError)                                                                                      \
    X(virSetErrorFunc)

struct libvirt {
#define X(symbol) typeof(symbol) *symbol;
    LIBVIRT_SYMBOLS(X)
#undef X
};

/* The same for libvirt-qemu, which only the question "what does the running QEMU really have" needs. */
#define LIBVIRT_QEMU_SYMBOLS(X) X(virDomainQemuMonitorCommand)

struct libvirt_qemu {
#define X(symbol) typeof(symbol) *symbol;
    LIBVIRT_QEMU_SYMBOLS(X)
#undef X
};

/*
 * Opens the library at the first call. *ret is valid for the life of the process and owned by nobody.
 * libvirt's habit of printing errors to stderr is switched off, its event loop is there (keepalive needs it) but only
 * runs where it is called. Single-threaded, as all of the engine but libvirt-call.c. Errors: -ENOPKG when the library is not installed, -ELIBBAD when it lacks a symbol.
 */
int libvirt_load(const struct libvirt **ret);
int libvirt_qemu_load(const struct libvirt_qemu **ret);

/* Cleanup helpers; they run only where a load succeeded. */
void libvirt_connect_closep(virConnectPtr *conn);
void libvirt_domain_freep(virDomainPtr *dom);

#define _cleanup_vir_connect_ _cleanup_(libvirt_connect_closep)
#define _cleanup_vir_domain_  _cleanup_(libvirt_domain_freep)
