/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * l2: the smallest proof that /dev/kvm works here: a VM with one CPU and one page whose real-mode code adds up 1..100
 * and gives the sum to port 0x10. Exit code 0 and "L2: sum 5050" when it did.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum { PAGE = 4096, ENTRY = 0x1000, PORT = 0x10, SUM = 5050 };

static const uint8_t code[] = {
        0x31, 0xc0,                     /*    xor ax,ax         */
        0xb9, 100, 0,                   /*    mov cx,100        */
        0x01, 0xc8,                     /* 1: add ax,cx         */
        0xe2, 0xfc,                     /*    loop 1b           */
        0xe7, PORT,                     /*    out PORT,ax       */
        0xf4,                           /*    hlt               */
};

static int fail(const char *what) {
        printf("L2: ");
        fflush(stdout);
        perror(what);
        return EXIT_FAILURE;
}

int main(void) {
        struct kvm_userspace_memory_region memory = { .guest_phys_addr = ENTRY, .memory_size = PAGE };
        struct kvm_regs regs = { .rip = ENTRY, .rflags = 2 };
        struct kvm_sregs sregs;
        struct kvm_run *run;
        int kvm, vm, cpu, size, sum = -1;

        kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        if (kvm < 0)
                return fail("/dev/kvm");
        vm = ioctl(kvm, KVM_CREATE_VM, 0UL);
        if (vm < 0)
                return fail("KVM_CREATE_VM");
        /* Intel without "unrestricted guest" needs three pages for a TSS of its own; elsewhere this is harmless. */
        if (ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL) < 0)
                return fail("KVM_SET_TSS_ADDR");
        memory.userspace_addr = (uintptr_t) mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory.userspace_addr == (uintptr_t) MAP_FAILED)
                return fail("mmap");
        memcpy((void *) (uintptr_t) memory.userspace_addr, code, sizeof(code));
        if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &memory) < 0)
                return fail("KVM_SET_USER_MEMORY_REGION");
        cpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
        if (cpu < 0)
                return fail("KVM_CREATE_VCPU");
        size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0UL);
        if (size < 0)
                return fail("KVM_GET_VCPU_MMAP_SIZE");
        run = mmap(NULL, (size_t) size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
        if (run == MAP_FAILED)
                return fail("mmap of kvm_run");
        if (ioctl(cpu, KVM_GET_SREGS, &sregs) < 0)
                return fail("KVM_GET_SREGS");
        sregs.cs.base = 0;
        sregs.cs.selector = 0;
        if (ioctl(cpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(cpu, KVM_SET_REGS, &regs) < 0)
                return fail("KVM_SET_REGS");

        for (;;) {
                if (ioctl(cpu, KVM_RUN, 0UL) < 0)
                        return fail("KVM_RUN");
                if (run->exit_reason == KVM_EXIT_HLT)
                        break;
                if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT || run->io.size != 2) {
                        printf("L2: unexpected exit reason %u\n", run->exit_reason);
                        return EXIT_FAILURE;
                }
                sum = *(uint16_t *) ((char *) run + run->io.data_offset);
        }
        printf("L2: sum %d\n", sum);
        return sum == SUM ? EXIT_SUCCESS : EXIT_FAILURE;
}
