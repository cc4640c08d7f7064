/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's own uevents (lib/kobject_uevent.c): "ACTION@DEVPATH", NUL, "KEY=VALUE", NUL, ... */
#pragma once

#include "common/macros.h"

#define UEVENT_MAX 4096

enum uevent_kind {
    UEVENT_OTHER,
    UEVENT_MODULE,     /* a module came or went, or /dev/kvm did */
    UEVENT_VM_CREATED, /* kvm_uevent_notify_change(), virt/kvm/kvm_main.c */
    UEVENT_VM_DESTROYED,
};

/* A non-blocking socket that gets only what uevent_read() tells apart: no disk or network event wakes its owner. */
int uevent_open(void);
int uevent_attach_filter(int fd);
/* The next event; *RET_VMS: how many virtual machines there are now, with UEVENT_VM_*. -EAGAIN: none. */
int uevent_read(int fd, enum uevent_kind *ret, unsigned *ret_vms);
enum uevent_kind uevent_parse(const char *message, size_t size, unsigned *ret_vms);
