// SPDX-License-Identifier: LGPL-2.1-or-later
/* KVM's API: Documentation/virt/kvm/api.rst. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "macros.h"
#include "payload/abi.h"
#include "vmm.h"

#define PAGE        4096u
#define MAX_CPUID   256u
#define MAX_NESTED  (16u << 10)

#define CR0_PE (1ull << 0)
#define CR0_ET (1ull << 4)
#define CR0_NE (1ull << 5)
#define CR0_PG (1ull << 31)
#define CR4_PAE (1ull << 5)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)

/* What does not live in KVM_GET_REGS/SREGS and yet belongs to a saved vCPU. */
static const uint32_t saved_msrs[] = {
    0x10,       /* IA32_TIME_STAMP_COUNTER */
    0x3a,       /* IA32_FEATURE_CONTROL: before the nested state, which needs VMX allowed */
    0x174, 0x175, 0x176, /* SYSENTER */
    0x277,      /* IA32_PAT */
    0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, /* STAR LSTAR CSTAR FMASK */
    0xc0000102, /* KERNEL_GS_BASE */
};

typedef struct Vm Vm;

typedef struct Vcpu {
    Vm *vm;
    unsigned index;
    int fd, stats_fd;
    uint64_t exits_offset; /* of the "exits" counter in stats_fd, 0 = none */
    uint64_t exits_before; /* of the vCPUs this one was restored from */
    struct kvm_run *run;
    pthread_t thread;
    int result;
    VmmStop stop;
} Vcpu;

struct Vm {
    const VmmConfig *config;
    int device, fd;
    size_t run_size;
    uint8_t *memory;
    struct kvm_cpuid2 *cpuid;
    pthread_mutex_t lock;
    Vcpu vcpu[PAYLOAD_MAX_CPUS];
};

static int xioctl(int fd, unsigned long request, void *argument) {
    int r = ioctl(fd, request, argument);
    return r < 0 ? -errno : r;
}

static void vcpu_close(Vm *vm, Vcpu *vcpu) {
    if (vcpu->run)
        munmap(vcpu->run, vm->run_size);
    vcpu->run = NULL;
    closep(&vcpu->stats_fd);
    closep(&vcpu->fd);
    vcpu->fd = vcpu->stats_fd = -EBADF;
}

static void vm_done(Vm *vm) {
    FOREACH_ARRAY(vcpu, vm->vcpu, PAYLOAD_MAX_CPUS)
        vcpu_close(vm, vcpu);
    closep(&vm->fd);
    closep(&vm->device);
    if (vm->memory)
        munmap(vm->memory, vm->config->memory);
    free(vm->cpuid);
    pthread_mutex_destroy(&vm->lock);
}

/* Finds where the binary statistics of a vCPU keep "exits" (KVM_GET_STATS_FD). An engine without them still runs. */
static void vcpu_find_exits(Vcpu *vcpu) {
    struct kvm_stats_header header;
    vcpu->exits_offset = 0;
    vcpu->stats_fd = ioctl(vcpu->fd, KVM_GET_STATS_FD, NULL);
    if (vcpu->stats_fd < 0 || pread(vcpu->stats_fd, &header, sizeof(header), 0) != sizeof(header) ||
        header.name_size > PAGE)
        return;
    size_t size = sizeof(struct kvm_stats_desc) + header.name_size;
    _cleanup_free_ struct kvm_stats_desc *desc = calloc(1, size + 1);
    for (uint32_t i = 0; desc && i < header.num_desc; i++) {
        if (pread(vcpu->stats_fd, desc, size, header.desc_offset + (off_t)i * size) != (ssize_t)size)
            return;
        if (streq(desc->name, "exits")) {
            vcpu->exits_offset = header.data_offset + desc->offset;
            return;
        }
    }
}

static uint64_t vcpu_exits(Vcpu *vcpu) {
    uint64_t n = 0;
    if (vcpu->exits_offset && pread(vcpu->stats_fd, &n, sizeof(n), vcpu->exits_offset) != sizeof(n))
        n = 0;
    return n + vcpu->exits_before;
}

static int vcpu_open(Vm *vm, unsigned index) {
    Vcpu *vcpu = &vm->vcpu[index];
    vcpu->vm = vm;
    vcpu->index = index;
    vcpu->fd = xioctl(vm->fd, KVM_CREATE_VCPU, (void *)(uintptr_t)index);
    if (vcpu->fd < 0)
        return vcpu->fd;
    void *run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
    if (run == MAP_FAILED)
        return -errno;
    vcpu->run = run;
    vcpu_find_exits(vcpu);
    return xioctl(vcpu->fd, KVM_SET_CPUID2, vm->cpuid);
}

static int vm_create(Vm *vm) {
    vm->fd = xioctl(vm->device, KVM_CREATE_VM, NULL);
    if (vm->fd < 0)
        return vm->fd;
    if (vm->config->irqchip && xioctl(vm->fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_IRQCHIP) > 0) {
        int r = xioctl(vm->fd, KVM_CREATE_IRQCHIP, NULL);
        if (r < 0)
            return r;
    }
    struct kvm_userspace_memory_region region = {
        .memory_size = vm->config->memory, .userspace_addr = (uintptr_t)vm->memory};
    return xioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static int vm_open(Vm *vm) {
    vm->device = open(vm->config->device, O_RDWR | O_CLOEXEC);
    if (vm->device < 0)
        return -errno;
    int version = xioctl(vm->device, KVM_GET_API_VERSION, NULL);
    if (version != KVM_API_VERSION)
        return version < 0 ? version : -EPROTONOSUPPORT;
    int size = xioctl(vm->device, KVM_GET_VCPU_MMAP_SIZE, NULL);
    if (size < (int)sizeof(struct kvm_run))
        return size < 0 ? size : -EPROTONOSUPPORT;
    vm->run_size = size;

    vm->cpuid = calloc(1, sizeof(*vm->cpuid) + MAX_CPUID * sizeof(vm->cpuid->entries[0]));
    if (!vm->cpuid)
        return -ENOMEM;
    vm->cpuid->nent = MAX_CPUID;
    int r = xioctl(vm->device, KVM_GET_SUPPORTED_CPUID, vm->cpuid);
    if (r < 0)
        return r;

    /* Present from the start and in small pages: first-touch costs must not depend on the host's huge-page luck. */
    void *p = mmap(NULL, vm->config->memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return -errno;
    vm->memory = p;
    (void)madvise(p, vm->config->memory, MADV_NOHUGEPAGE);
    memset(p, 0, vm->config->memory);
    return vm_create(vm);
}

static void vm_load(Vm *vm) {
    uint64_t *table = (uint64_t *)(vm->memory + PAYLOAD_PAGE_TABLES);
    table[0] = (PAYLOAD_PAGE_TABLES + PAGE) | 3;
    table[512] = (PAYLOAD_PAGE_TABLES + 2 * PAGE) | 3;
    for (uint64_t i = 0; i < 512; i++)
        table[1024 + i] = i << 21 | 0x83; /* present, writable, 2 MiB */

    struct payload_args *args = (struct payload_args *)(vm->memory + PAYLOAD_ARGS);
    for (unsigned i = 0; i < vm->config->n_vcpus; i++)
        args[i] = (struct payload_args){.magic = PAYLOAD_MAGIC, .flags = vm->config->flags, .vcpu = i,
                                        .n_vcpus = vm->config->n_vcpus, .memory = vm->config->memory};
    memcpy(vm->memory + PAYLOAD_LOAD_ADDRESS, vm->config->image, vm->config->image_size);
}

static int vcpu_reset(Vcpu *vcpu) {
    struct kvm_sregs sregs;
    int r = xioctl(vcpu->fd, KVM_GET_SREGS, &sregs);
    if (r < 0)
        return r;
    struct kvm_segment code = {.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    struct kvm_segment data = {.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
    sregs.cs = code;
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
    sregs.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
    sregs.cr3 = PAYLOAD_PAGE_TABLES;
    sregs.cr4 = CR4_PAE;
    sregs.efer = EFER_LME | EFER_LMA;
    r = xioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
    if (r < 0)
        return r;
    struct kvm_regs regs = {.rip = PAYLOAD_LOAD_ADDRESS, .rflags = 2,
                            .rdi = PAYLOAD_ARGS + vcpu->index * sizeof(struct payload_args)};
    return xioctl(vcpu->fd, KVM_SET_REGS, &regs);
}

typedef struct Saved {
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    struct kvm_vcpu_events events;
    struct kvm_fpu fpu;
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry[ELEMENTSOF(saved_msrs)];
    } msrs;
    union {
        struct kvm_nested_state state;
        uint8_t bytes[MAX_NESTED];
    } nested;
} Saved;

static int vcpu_save(Vcpu *vcpu, Saved *s) {
    memset(s, 0, sizeof(*s));
    s->nested.state.size = sizeof(s->nested);
    s->msrs.head.nmsrs = ELEMENTSOF(saved_msrs);
    for (size_t i = 0; i < ELEMENTSOF(saved_msrs); i++)
        s->msrs.entry[i].index = saved_msrs[i];

    /* The port access is complete only after one more KVM_RUN (api.rst, KVM_EXIT_IO). */
    vcpu->run->immediate_exit = 1;
    int r = xioctl(vcpu->fd, KVM_RUN, NULL);
    vcpu->run->immediate_exit = 0;
    if (r < 0 && r != -EINTR)
        return r;
    const struct {
        unsigned long request;
        void *argument;
    } get[] = {{KVM_GET_NESTED_STATE, &s->nested}, {KVM_GET_REGS, &s->regs}, {KVM_GET_SREGS, &s->sregs},
               {KVM_GET_VCPU_EVENTS, &s->events},  {KVM_GET_FPU, &s->fpu},   {KVM_GET_MSRS, &s->msrs}};
    FOREACH_ARRAY(g, get, ELEMENTSOF(get)) {
        r = xioctl(vcpu->fd, g->request, g->argument);
        if (r < 0)
            return r;
    }
    return r == (int)ELEMENTSOF(saved_msrs) ? 0 : -EIO; /* KVM_GET_MSRS came last: it counts the MSRs it read */
}

static int vcpu_restore(Vcpu *vcpu, Saved *s) {
    const struct {
        unsigned long request;
        void *argument;
        int expected;
    } set[] = {{KVM_SET_SREGS, &s->sregs, 0}, {KVM_SET_MSRS, &s->msrs, ELEMENTSOF(saved_msrs)},
               {KVM_SET_FPU, &s->fpu, 0},     {KVM_SET_NESTED_STATE, &s->nested, 0},
               {KVM_SET_REGS, &s->regs, 0},   {KVM_SET_VCPU_EVENTS, &s->events, 0}};
    FOREACH_ARRAY(e, set, ELEMENTSOF(set)) {
        int r = xioctl(vcpu->fd, e->request, e->argument);
        if (r != e->expected)
            return r < 0 ? r : -EIO;
    }
    return 0;
}

/* The whole VM moves: what stays is the memory. Only for a VM of one vCPU, others would be caught running. */
static int vm_move(Vcpu *vcpu) {
    Vm *vm = vcpu->vm;
    if (vm->config->n_vcpus != 1)
        return -EBUSY;
    _cleanup_free_ Saved *saved = malloc(sizeof(*saved));
    if (!saved)
        return -ENOMEM;
    int r = vcpu_save(vcpu, saved);
    if (r < 0)
        return r;
    uint64_t exits = vcpu_exits(vcpu);
    vcpu_close(vm, vcpu);
    closep(&vm->fd);
    vm->fd = -EBADF;
    r = vm_create(vm);
    if (r >= 0)
        r = vcpu_open(vm, vcpu->index);
    vcpu->exits_before = exits;
    return r < 0 ? r : vcpu_restore(vcpu, saved);
}

static int vm_line(Vm *vm, uint32_t address) {
    char line[PAYLOAD_MAX_LINE + 1];
    if (address > vm->config->memory - PAYLOAD_MAX_LINE)
        return -EFAULT;
    memcpy(line, vm->memory + address, PAYLOAD_MAX_LINE);
    line[PAYLOAD_MAX_LINE] = 0;
    for (char *p = line; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    pthread_mutex_lock(&vm->lock);
    if (vm->config->line)
        vm->config->line(line, vm->config->userdata);
    pthread_mutex_unlock(&vm->lock);
    return 0;
}

/* 1 = the vCPU has finished. */
static int vcpu_io(Vcpu *vcpu) {
    struct kvm_run *run = vcpu->run;
    if (run->io.size != 4 || run->io.count != 1 || run->io.data_offset > vcpu->vm->run_size - 4)
        return -EIO;
    uint32_t *data = (uint32_t *)((uint8_t *)run + run->io.data_offset);
    bool out = run->io.direction == KVM_EXIT_IO_OUT;
    if (run->io.port == PAYLOAD_PORT_EXITS && !out) {
        *data = vcpu_exits(vcpu);
        return 0;
    }
    if (!out)
        return -EIO;
    switch (run->io.port) {
    case PAYLOAD_PORT_LINE:
        return vm_line(vcpu->vm, *data);
    case PAYLOAD_PORT_SAVE:
        return vm_move(vcpu);
    case PAYLOAD_PORT_EXIT:
        return *data ? -EPROTO : 1;
    default:
        return -EIO;
    }
}

static void vcpu_stopped(Vcpu *vcpu) {
    struct kvm_run *run = vcpu->run;
    struct kvm_regs regs = {};
    (void)xioctl(vcpu->fd, KVM_GET_REGS, &regs);
    vcpu->stop = (VmmStop){.vcpu = vcpu->index, .reason = run->exit_reason, .rip = regs.rip};
    switch (run->exit_reason) {
    case KVM_EXIT_FAIL_ENTRY:
        vcpu->stop.detail[0] = run->fail_entry.hardware_entry_failure_reason;
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        vcpu->stop.detail[0] = run->internal.suberror;
        vcpu->stop.detail[1] = run->internal.ndata ? run->internal.data[0] : 0;
        break;
    case KVM_EXIT_MMIO:
        vcpu->stop.detail[0] = run->mmio.phys_addr;
        break;
    case KVM_EXIT_IO:
        vcpu->stop.detail[0] = run->io.port;
        break;
    }
}

static void *vcpu_thread(void *argument) {
    Vcpu *vcpu = argument;
    int r;
    do {
        r = xioctl(vcpu->fd, KVM_RUN, NULL);
        if (r == -EINTR || r == -EAGAIN)
            r = 0;
        else if (r >= 0)
            r = vcpu->run->exit_reason == KVM_EXIT_IO ? vcpu_io(vcpu) : -EIO;
    } while (r == 0);
    if (r == -EIO)
        vcpu_stopped(vcpu);
    vcpu->result = r < 0 ? r : 0;
    return NULL;
}

/* The n-th CPU this process may use, so that two vCPUs stand on two CPUs and costs on one. */
static void vcpu_pin(Vcpu *vcpu) {
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
        return;
    unsigned skip = vcpu->index % CPU_COUNT(&allowed);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && skip-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            (void)pthread_setaffinity_np(vcpu->thread, sizeof(one), &one);
            return;
        }
}

static int vm_run(Vm *vm, VmmStop *ret_stop) {
    unsigned started = 0;
    int result = 0;
    for (; started < vm->config->n_vcpus; started++) {
        int r = pthread_create(&vm->vcpu[started].thread, NULL, vcpu_thread, &vm->vcpu[started]);
        if (r) {
            result = -r;
            break;
        }
        vcpu_pin(&vm->vcpu[started]);
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(vm->vcpu[i].thread, NULL);
        if (vm->vcpu[i].result < 0 && result == 0) {
            result = vm->vcpu[i].result;
            if (ret_stop && result == -EIO)
                *ret_stop = vm->vcpu[i].stop;
        }
    }
    return result;
}

int vmm_run(const VmmConfig *config, VmmStop *ret_stop) {
    if (!config->n_vcpus || config->n_vcpus > PAYLOAD_MAX_CPUS || config->memory % PAGE ||
        config->memory < (16u << 20) || config->memory > (1u << 30) - PAGE ||
        config->image_size > config->memory / 2 - PAYLOAD_LOAD_ADDRESS)
        return -EINVAL;
    _cleanup_(vm_done) Vm vm = {.config = config, .device = -EBADF, .fd = -EBADF, .lock = PTHREAD_MUTEX_INITIALIZER};
    FOREACH_ARRAY(vcpu, vm.vcpu, PAYLOAD_MAX_CPUS)
        vcpu->fd = vcpu->stats_fd = -EBADF;
    int r = vm_open(&vm);
    if (r < 0)
        return r;
    vm_load(&vm);
    for (unsigned i = 0; i < config->n_vcpus; i++) {
        r = vcpu_open(&vm, i);
        if (r >= 0)
            r = vcpu_reset(&vm.vcpu[i]);
        if (r < 0)
            return r;
    }
    return vm_run(&vm, ret_stop);
}
