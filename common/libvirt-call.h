/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls of libvirt that may never return: they are made in a thread of their own, which is left behind when the time is
 * up. Every other call over a connection made here fails by libvirt's keepalive when the daemon hangs. */
#pragma once

#include "dl-libvirt.h"

#define LIBVIRT_PATIENCE_SEC 45 /* a daemon that is started by its socket looks at every guest first */
#define QEMU_PATIENCE_SEC    10
#define DEFINE_PATIENCE_SEC  120

/* Errors: -ETIMEDOUT; -EIO: *RET_ERROR (may be NULL) says why if it is set, virFreeError() frees it. */
int libvirt_open(const struct libvirt *lv, const char *uri, bool readonly, virConnectPtr *ret, virErrorPtr *ret_error);
/* QEMU may be stopped, and libvirt's daemon waits for it with one of its threads. The caller frees *ret. */
int libvirt_ask_qemu(const struct libvirt *lv, virDomainPtr dom, const char *command, char **ret);
/* virDomainListGetStats() of one guest; virDomainStatsRecordListFree() frees *ret. */
int libvirt_stats(const struct libvirt *lv, virDomainPtr dom, unsigned stats, virDomainStatsRecordPtr **ret);
/* virConnectGetDomainCapabilities(). libvirt may have to start QEMU to know, and waits for it for ever. The caller frees *ret. */
int libvirt_capabilities(const struct libvirt *lv, virConnectPtr conn, const char *emulator, const char *arch,
                         const char *machine, const char *type, char **ret);
/* virDomainDefineXMLFlags(), for which libvirt may have to start QEMU, too. After -ETIMEDOUT the definition may still come
 * into force. */
int libvirt_define(const struct libvirt *lv, virConnectPtr conn, const char *xml, virErrorPtr *ret_error);
