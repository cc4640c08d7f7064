/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A VMM of the smallest size: loads a flat 64-bit payload (common/payload/abi.h) into one memory slot and runs it on any
 * device that speaks KVM's API. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct VmmConfig {
    const char *device;  /* "/dev/kvm" or "/dev/nestvmx" */
    const void *image;   /* flat binary for PAYLOAD_LOAD_ADDRESS */
    size_t image_size;
    size_t memory;       /* bytes of guest RAM, page-aligned, at least 16 MiB, below 1 GiB */
    unsigned n_vcpus;    /* 1..PAYLOAD_MAX_CPUS; vCPU n runs in a thread of its own, pinned to the n-th allowed CPU */
    uint32_t flags;      /* PAYLOAD_* */
    bool irqchip;        /* with the interrupt controllers of the kernel, where the device has them (KVM_CAP_IRQCHIP) */
    /* Called for each line of the payload; serialised over the vCPUs. */
    void (*line)(const char *line, void *userdata);
    void *userdata;
} VmmConfig;

/* Why the guest stopped, when it did so without finishing. */
typedef struct VmmStop {
    unsigned vcpu;
    uint32_t reason;     /* KVM_EXIT_* */
    uint64_t detail[2];  /* hardware entry failure reason, internal error suberror, MMIO address ... */
    uint64_t rip;
} VmmStop;

/* Runs the payload to its end. 0 = every vCPU finished with status 0; -EPROTO = the payload ended with another status;
 * -EIO = the guest stopped otherwise, *ret_stop says how; other negative errno from the kernel's API. */
int vmm_run(const VmmConfig *config, VmmStop *ret_stop);
