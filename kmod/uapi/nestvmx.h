/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/nestvmx speaks the subset of KVM's API below (<linux/kvm.h>, Documentation/virt/kvm/api.rst): structures, numbers and
 * meaning are KVM's. What is not listed answers ENOTTY.
 *
 * device  KVM_GET_API_VERSION KVM_CREATE_VM(0) KVM_CHECK_EXTENSION KVM_GET_VCPU_MMAP_SIZE KVM_GET_SUPPORTED_CPUID
 *         KVM_GET_MSR_INDEX_LIST
 * VM      KVM_CREATE_VCPU KVM_CHECK_EXTENSION KVM_SET_USER_MEMORY_REGION (KVM_MEM_READONLY, no dirty log)
 *         KVM_SET_TSS_ADDR, KVM_SET_IDENTITY_MAP_ADDR (accepted, without effect), KVM_SET_GSI_ROUTING (EINVAL, as without irqchip)
 * vCPU    KVM_RUN KVM_{GET,SET}_REGS KVM_{GET,SET}_SREGS KVM_{GET,SET}_MSRS KVM_{GET,SET}_FPU KVM_{GET,SET}_XSAVE
 *         KVM_{GET,SET}_XCRS KVM_{GET,SET}_DEBUGREGS KVM_{GET,SET}_VCPU_EVENTS KVM_{GET,SET}_MP_STATE KVM_SET_CPUID2
 *         KVM_INTERRUPT KVM_NMI KVM_GET_TSC_KHZ KVM_GET_STATS_FD KVM_{GET,SET}_NESTED_STATE
 *
 * That is what QEMU uses with -accel kvm,kernel-irqchip=off (tests/vmx/check-qemu): from 9.0 on with device=/dev/nestvmx, before with
 * that device in the place of /dev/kvm.
 *
 * No interrupt controller in the kernel: CR8 and HLT exit to user space (KVM_EXIT_SET_TPR, KVM_EXIT_HLT).
 * KVM_CREATE_VM fails with EBUSY while another module owns VMX; the kernel's log names it.
 * The data of KVM_{GET,SET}_NESTED_STATE is format VMX, its vmcs12 pages hold nestvmx's own layout (revision NESTVMX_VMCS12):
 * they move between hosts with nestvmx, not to KVM.
 */
#ifndef NESTVMX_UAPI_H
#define NESTVMX_UAPI_H

#define NESTVMX_DEVICE "/dev/nestvmx"
#define NESTVMX_VMCS12 0x4e560001u

#endif
