// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * limits CGROUP: on the emulated host. Kernel memory runs out for nestvmx, on a stock kernel: a process that may not be killed gets
 * ENOMEM at its memory cgroup's limit. A VM is made and run under limits that grow by a page each time; every call succeeds or
 * says ENOMEM, nothing is left behind, and a vCPU that stopped for it goes on once there is memory. Then file descriptors, slots
 * and ids run out. Prints a line for each thing that holds; exit code 1 and a line otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAM (4u << 20)
static char *ram;
static const char *cgroup;
static int device;

#define CHECK(x) \
	do { \
		if (!(x)) { \
			printf("limits: %s:%d: %s: %s\n", __FILE__, __LINE__, #x, strerror(errno)); \
			exit(1); \
		} \
	} while (0)

static void write_file(const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", cgroup, name);
	fd = open(path, O_WRONLY);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) > 0);
	close(fd);
}

/* Bytes. */
static long used(void)
{
	char path[256], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/memory.current", cgroup);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atol(text);
}

static int limit_fd; /* memory.max, open: at the limit nothing can be opened */

/* Negative: none. */
static void limit(long bytes)
{
	char text[32];
	int n = snprintf(text, sizeof(text), bytes < 0 ? "max" : "%ld", bytes);

	CHECK(pwrite(limit_fd, text, (size_t)n, 0) == n);
}

/* nestvmx's own count of what is in use. */
static void nothing_left(void)
{
	char text[128] = "";
	int fd = open("/sys/kernel/debug/nestvmx/memory", O_RDONLY);

	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	CHECK(!strcmp(text, "pages 0\npinned 0\n"));
}

struct vm {
	int vm, vcpu;
	struct kvm_run *run;
};

static void drop(struct vm *m)
{
	if (m->run)
		munmap(m->run, 8192);
	if (m->vcpu >= 0)
		close(m->vcpu);
	if (m->vm >= 0)
		close(m->vm);
	*m = (struct vm){ -1, -1, NULL };
}

static int slot(const struct vm *m, unsigned int id, unsigned long gpa, unsigned long size)
{
	struct kvm_userspace_memory_region r = { .slot = id, .guest_phys_addr = gpa, .memory_size = size,
						 .userspace_addr = (unsigned long)ram };

	return ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &r);
}

/* 0, or -1 with errno; what was made is in m. The vCPU is in real mode at 0000:1000. */
static int make(struct vm *m)
{
	struct kvm_regs regs = { .rip = 0x1000, .rflags = 2 };
	struct kvm_sregs s;

	*m = (struct vm){ -1, -1, NULL };
	m->vm = ioctl(device, KVM_CREATE_VM, 0);
	if (m->vm < 0 || slot(m, 0, 0, RAM))
		return -1;
	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	if (m->vcpu < 0)
		return -1;
	m->run = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	if (m->run == MAP_FAILED) {
		m->run = NULL;
		return -1;
	}
	if (ioctl(m->vcpu, KVM_GET_SREGS, &s))
		return -1;
	s.cs.base = s.cs.selector = 0;
	return ioctl(m->vcpu, KVM_SET_SREGS, &s) || ioctl(m->vcpu, KVM_SET_REGS, &regs) ? -1 : 0;
}

/* One byte in each of 15 segments of 64 KiB: mov $0xf000,%ax; 1: mov %ax,%ds; mov %ax,0; sub $0x1000,%ax; jnz 1b; hlt */
static const unsigned char code[] = { 0xb8, 0x00, 0xf0, 0x8e, 0xd8, 0xa3, 0x00, 0x00, 0x2d, 0x00, 0x10, 0x75, 0xf6, 0xf4 };

static void memory(void)
{
	int failed = 0, resumed = 0, good = 0;
	struct vm m;

	/* The kernel charges by 64 pages at a time, as long as it can: nothing is used beyond the limit that this starts with. */
	for (long pages = used() > 80 * 4096 ? used() / 4096 - 80 : 0; good < 3; pages++) {
		CHECK(failed + resumed < 1000);
		write_file("memory.high", "0"); /* what was charged ahead is given back */
		write_file("memory.high", "max");
		limit(pages * 4096);
		if (make(&m)) {
			CHECK(errno == ENOMEM);
			failed++;
			good = 0;
		} else {
			int r = ioctl(m.vcpu, KVM_RUN, 0);

			good = r ? 0 : good + 1;
			if (r) {
				CHECK(errno == ENOMEM);
				limit(-1);
				CHECK(ioctl(m.vcpu, KVM_RUN, 0) == 0);
				resumed++;
			}
			CHECK(m.run->exit_reason == KVM_EXIT_HLT);
		}
		drop(&m);
		limit(-1);
		nothing_left();
	}
	printf("# no memory for a VM %d times, for its tables %d times\n", failed, resumed);
	CHECK(failed >= 5);
	printf("limits: memory\n");
}

static void descriptors(void)
{
	struct rlimit was, now;
	struct vm m;
	int next;

	CHECK(getrlimit(RLIMIT_NOFILE, &was) == 0);
	next = dup(device);
	close(next);
	now = was;
	now.rlim_cur = (rlim_t)next;
	CHECK(setrlimit(RLIMIT_NOFILE, &now) == 0);
	CHECK(make(&m) && errno == EMFILE);
	drop(&m);
	now.rlim_cur = (rlim_t)next + 1;
	CHECK(setrlimit(RLIMIT_NOFILE, &now) == 0);
	CHECK(make(&m) && errno == EMFILE && m.vm >= 0);
	CHECK(setrlimit(RLIMIT_NOFILE, &was) == 0);
	/* The id was not taken by the vCPU that did not come into being. */
	m.vcpu = ioctl(m.vm, KVM_CREATE_VCPU, 0);
	CHECK(m.vcpu >= 0);
	CHECK(ioctl(m.vm, KVM_CREATE_VCPU, 0) < 0 && errno == EEXIST);
	CHECK(ioctl(m.vm, KVM_CREATE_VCPU, 64) < 0 && errno == EINVAL);
	drop(&m);
	nothing_left();
	printf("limits: descriptors and ids\n");
}

static void slots(void)
{
	unsigned int n = (unsigned int)ioctl(device, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
	struct vm m = { ioctl(device, KVM_CREATE_VM, 0), -1, NULL };

	CHECK(m.vm >= 0 && n > 1 && n < 1000);
	for (unsigned int i = 0; i < n; i++)
		CHECK(slot(&m, i, (unsigned long)i << 24, 4096) == 0);
	CHECK(slot(&m, n, (unsigned long)n << 24, 4096) && errno == ENOSPC);
	CHECK(slot(&m, 0, 1ul << 24, 4096) && errno == EEXIST);
	CHECK(slot(&m, 0, 1, 4096) && errno == EINVAL);
	CHECK(slot(&m, 0, -4096ul, 8192) && errno == EINVAL);
	CHECK(slot(&m, n, 0, 0) && errno == EINVAL);
	CHECK(slot(&m, 5, 5ul << 24, 0) == 0 && slot(&m, n, (unsigned long)n << 24, 4096) == 0);
	drop(&m);
	nothing_left();
	printf("limits: slots\n");
}

/* The VM's memory is that of the process which made it: another's calls are refused. */
static void strangers(void)
{
	int status = -1;
	struct vm m;

	CHECK(make(&m) == 0);
	if (fork() == 0)
		_exit(ioctl(m.vcpu, KVM_RUN, 0) < 0 && errno == EIO && slot(&m, 1, 1ul << 24, 4096) < 0 && errno == EIO ? 0 : 1);
	CHECK(wait(&status) > 0 && status == 0);
	CHECK(ioctl(m.vcpu, KVM_RUN, 0) == 0 && m.run->exit_reason == KVM_EXIT_HLT);
	drop(&m);
	nothing_left();
	printf("limits: strangers\n");
}

int main(int argc, char **argv)
{
	char path[256];
	int fd;

	CHECK(argc == 2);
	cgroup = argv[1];
	device = open("/dev/nestvmx", O_RDWR | O_CLOEXEC);
	CHECK(device >= 0);
	ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(ram != MAP_FAILED);
	memset(ram, 0x90, RAM);
	memcpy(ram + 0x1000, code, sizeof(code));
	setvbuf(stdout, NULL, _IOLBF, 256);
	CHECK(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
	fd = open("/proc/self/oom_score_adj", O_WRONLY);
	CHECK(fd >= 0 && write(fd, "-1000", 5) == 5);
	close(fd);
	write_file("cgroup.procs", "0");
	snprintf(path, sizeof(path), "%s/memory.max", cgroup);
	limit_fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(limit_fd >= 0);
	descriptors();
	slots();
	strangers();
	memory();
	return 0;
}
