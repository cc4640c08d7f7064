// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * events DEVICE: on the emulated host. An interrupt and an NMI are given to a real-mode guest, KVM_RUN is left before it enters the
 * guest (immediate_exit), and the vCPU's state goes to another VM. There, and where it was, the handler runs once. What
 * KVM_GET_VCPU_EVENTS says on the way is printed: /dev/kvm and /dev/nestvmx must say the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECK(x) \
	do { \
		if (!(x)) { \
			printf("events: %s:%d: %s: %s\n", __FILE__, __LINE__, #x, strerror(errno)); \
			exit(1); \
		} \
	} while (0)

enum { RAM = 1 << 16, VECTOR = 0x41, MAIN = 0x1000, ON_IRQ = 0x2000, ON_NMI = 0x3000, P_MAIN = 0x11, P_IRQ = 0x12, P_NMI = 0x13 };

static const unsigned char loop[] = { 0xfb, 0x90, 0xe6, P_MAIN, 0xeb, 0xfc }; /* sti; nop; 1: out %al,$P_MAIN; jmp 1b */
static const unsigned char on_irq[] = { 0xe6, P_IRQ, 0xcf }, on_nmi[] = { 0xe6, P_NMI, 0xcf }; /* out %al,$...; iret */

struct vm {
	int vm, vcpu;
	char *ram;
	struct kvm_run *run;
};

static void vector(char *ram, int n, unsigned short ip)
{
	memcpy(ram + 4 * n, &ip, 2);
}

static struct vm make(int device)
{
	struct vm m;
	struct kvm_regs regs = { .rip = MAIN, .rsp = 0x8000, .rflags = 2 };
	struct kvm_userspace_memory_region r = { .memory_size = RAM };
	struct kvm_sregs s;

	m.ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(m.ram != MAP_FAILED);
	memcpy(m.ram + MAIN, loop, sizeof(loop));
	memcpy(m.ram + ON_IRQ, on_irq, sizeof(on_irq));
	memcpy(m.ram + ON_NMI, on_nmi, sizeof(on_nmi));
	vector(m.ram, VECTOR, ON_IRQ);
	vector(m.ram, 2, ON_NMI);
	r.userspace_addr = (unsigned long)m.ram;
	m.vm = ioctl(device, KVM_CREATE_VM, 0);
	CHECK(m.vm >= 0 && !ioctl(m.vm, KVM_SET_USER_MEMORY_REGION, &r));
	m.vcpu = ioctl(m.vm, KVM_CREATE_VCPU, 0);
	CHECK(m.vcpu >= 0);
	m.run = mmap(NULL, (size_t)ioctl(device, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, m.vcpu, 0);
	CHECK(m.run != MAP_FAILED && !ioctl(m.vcpu, KVM_GET_SREGS, &s));
	s.cs.base = s.cs.selector = 0;
	CHECK(!ioctl(m.vcpu, KVM_SET_SREGS, &s) && !ioctl(m.vcpu, KVM_SET_REGS, &regs));
	return m;
}

/* The port that the guest writes to. */
static int port(struct vm *m)
{
	CHECK(!ioctl(m->vcpu, KVM_RUN, 0) && m->run->exit_reason == KVM_EXIT_IO);
	return m->run->io.port;
}

/* KVM_RUN completes the access, prepares the entry with what waits, and does not make it. */
static void leave(struct vm *m)
{
	m->run->immediate_exit = 1;
	CHECK(ioctl(m->vcpu, KVM_RUN, 0) < 0 && errno == EINTR);
	m->run->immediate_exit = 0;
}

static struct kvm_vcpu_events tell(struct vm *m, const char *when)
{
	struct kvm_vcpu_events e;

	CHECK(!ioctl(m->vcpu, KVM_GET_VCPU_EVENTS, &e));
	/* Whether an NMI waits or is under delivery already is the engine's business. */
	printf("%s: exception %d, interrupt %d %#x, shadow %d, nmi %d masked %d\n", when, e.exception.injected | e.exception.pending,
	       e.interrupt.injected, e.interrupt.injected ? e.interrupt.nr : 0, e.interrupt.shadow, e.nmi.injected | e.nmi.pending,
	       e.nmi.masked);
	return e;
}

static struct vm move(int device, struct vm *from, struct kvm_vcpu_events *e)
{
	struct vm to = make(device);
	struct kvm_sregs s;
	struct kvm_regs r;

	memcpy(to.ram, from->ram, RAM);
	CHECK(!ioctl(from->vcpu, KVM_GET_REGS, &r) && !ioctl(from->vcpu, KVM_GET_SREGS, &s));
	CHECK(!ioctl(to.vcpu, KVM_SET_SREGS, &s) && !ioctl(to.vcpu, KVM_SET_REGS, &r));
	/* Twice: what is set is not added to what was. */
	CHECK(!ioctl(to.vcpu, KVM_SET_VCPU_EVENTS, e) && !ioctl(to.vcpu, KVM_SET_VCPU_EVENTS, e));
	return to;
}

static void once(struct vm *m, const char *where, int handler)
{
	int first = port(m), second;

	tell(m, where);
	second = port(m);
	CHECK(first == handler && second == P_MAIN);
	tell(m, where);
	CHECK(port(m) == P_MAIN);
}

static void given(int device, const char *what, unsigned long request, void *arg, int handler)
{
	struct vm here = make(device), there;
	struct kvm_vcpu_events e;

	CHECK(port(&here) == P_MAIN);
	CHECK(!ioctl(here.vcpu, request, arg));
	leave(&here);
	CHECK(handler != P_IRQ || !here.run->ready_for_interrupt_injection);
	printf("%s ", what);
	e = tell(&here, "given");
	there = move(device, &here, &e);
	tell(&there, "taken");
	once(&there, "there", handler);
	once(&here, "here", handler);
}

int main(int argc, char **argv)
{
	struct kvm_interrupt irq = { .irq = VECTOR };
	struct kvm_vcpu_events wrong = { .flags = 1u << 31 };
	struct vm m;
	int device = open(argv[argc - 1], O_RDWR);

	CHECK(device >= 0);
	given(device, "interrupt", KVM_INTERRUPT, &irq, P_IRQ);
	given(device, "nmi", KVM_NMI, NULL, P_NMI);
	m = make(device);
	CHECK(ioctl(m.vcpu, KVM_SET_VCPU_EVENTS, &wrong) < 0 && errno == EINVAL);
	wrong = (struct kvm_vcpu_events){ .exception = { .injected = 1, .nr = 2 } };
	CHECK(ioctl(m.vcpu, KVM_SET_VCPU_EVENTS, &wrong) < 0 && errno == EINVAL);
	printf("events ok\n");
	return 0;
}
