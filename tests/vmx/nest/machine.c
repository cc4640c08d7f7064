// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What kmod/core asks of a machine (machine.h there), on a CPU with one thread, memory mapped one to one and no interrupts.
 */
#include "nest.h"

/* ---- VMCSs ---- */

u64 mach_vmread(u32 enc) {
    return vmread(enc);
}

void mach_vmwrite(u32 enc, u64 v) {
    vmwrite(enc, v);
}

void mach_vmcs_load(struct nv_vcpu *v, struct nv_vmcs *m) {
    v->cur = m;
    m->cpu = 0;
    vmptrld(&m->hpa);
}

void mach_vmcs_clear(struct nv_vcpu *v, struct nv_vmcs *m) {
    vmclear(&m->hpa);
    m->cpu = -1;
    m->launched = false;
}

void mach_host_state(struct nv_vcpu *v, struct nv_vmcs *m) {
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) g, i;
    static const u8 data[] = {F_HOST_ES_SEL, F_HOST_SS_SEL, F_HOST_DS_SEL, F_HOST_FS_SEL, F_HOST_GS_SEL};
    unsigned int n;

    asm volatile("sgdt %0; sidt %1" : "=m"(g), "=m"(i));
    nv_put(m, F_HOST_CR0, READ_CR(0));
    nv_put(m, F_HOST_CR3, READ_CR(3));
    nv_put(m, F_HOST_CR4, READ_CR(4));
    for (n = 0; n < sizeof(data); n++)
        nv_put(m, (enum nv_field)data[n], 16);
    nv_put(m, F_HOST_CS_SEL, 8);
    nv_put(m, F_HOST_TR_SEL, 32);
    nv_put(m, F_HOST_TR_BASE, 0); /* no privilege ever changes */
    nv_put(m, F_HOST_FS_BASE, 0);
    nv_put(m, F_HOST_GS_BASE, (u64)this_cpu());
    nv_put(m, F_HOST_GDTR_BASE, g.base);
    nv_put(m, F_HOST_IDTR_BASE, i.base);
    nv_put(m, F_HOST_SYSENTER_CS, 0);
    nv_put(m, F_HOST_SYSENTER_ESP, 0);
    nv_put(m, F_HOST_SYSENTER_EIP, 0);
    nv_put(m, F_HOST_EFER, rdmsr(MSR_EFER));
    nv_put(m, F_HOST_PAT, rdmsr(MSR_PAT));
    nv_put(m, F_HOST_RIP, (u64)nest_exit);
}

static void give_region(struct nv_vmcs *m, bool shadow) {
    m->region = page_alloc(1);
    m->hpa = (u64)m->region;
    m->cpu = -1;
    *(u32 *)m->region = (u32)rdmsr(MSR_VMX_BASIC) | (shadow ? NV_VMCS12_SHADOW : 0);
}

void nest_vcpu_machine(struct nv_vcpu *v) {
    give_region(&v->vmcs01, false);
    give_region(&v->vmcs02, false);
    give_region(&v->shadow, true);
    v->vpid01 = nv_params.vpid ? 1 : 0;
    v->vpid02 = nv_params.vpid ? 2 : 0;
}

void mach_invept(u64 type, u64 eptp) {
    struct descriptor d = {{eptp, 0}};
    invept(type, &d);
}

void mach_invvpid(u64 type, u16 vpid, u64 gva) {
    struct descriptor d = {{vpid, gva}};
    invvpid(type, &d);
}

/* ---- L2's memory ---- */

static void *ram(u64 gpa, u32 len) {
    return gpa < NEST_SIZE && len <= NEST_SIZE - gpa ? (void *)(NEST_BASE + gpa) : NULL;
}

int mach_read_guest(struct nv_vm *vm, u64 gpa, void *buf, u32 len) {
    void *p = ram(gpa, len);
    if (!p)
        return -EFAULT;
    memcpy(buf, p, len);
    return 0;
}

int mach_write_guest(struct nv_vm *vm, u64 gpa, const void *buf, u32 len) {
    void *p = ram(gpa, len);
    if (!p)
        return -EFAULT;
    memcpy(p, buf, len);
    return 0;
}

int mach_cmpxchg_guest(struct nv_vm *vm, u64 gpa, u64 old, u64 new_, u32 size) {
    void *p = ram(gpa, size);
    if (!p)
        return -EFAULT;
    if (size == 4)
        return !__sync_bool_compare_and_swap((u32 *)p, (u32)old, (u32)new_);
    return !__sync_bool_compare_and_swap((u64 *)p, old, new_);
}

int mach_map_page(struct nv_vm *vm, u64 gpa, struct nv_map *map) {
    void *p = ram(gpa, NV_PAGE_SIZE);
    if (!p)
        return -EFAULT;
    map->gpa = gpa;
    map->hpa = (u64)p;
    map->va = p;
    return 0;
}

void mach_unmap_page(struct nv_vm *vm, struct nv_map *map) {
    map->gpa = NV_NOMAP;
}

int mach_get_backing(struct nv_vm *vm, u64 gpa, bool write, struct nv_backing *ret) {
    if (!ram(gpa, 1))
        return -ENXIO;
    *ret = (struct nv_backing){.hpa = NEST_BASE + (gpa & NV_PAGE_MASK), .shift = 21, .writable = true};
    return 0;
}

bool mach_is_ram(struct nv_vm *vm, u64 gpa) {
    return ram(gpa, 1);
}

u64 mach_mmu_seq(struct nv_vm *vm) {
    return 0;
}

bool mach_mmu_retry(struct nv_vm *vm, u64 seq) {
    return false;
}

void mach_mmu_lock(struct nv_vm *vm) {
}

void mach_mmu_unlock(struct nv_vm *vm) {
}

/* ---- memory: freed pages are used again, structures are never freed ---- */

static void *free_pages;

void *mach_alloc_page(struct nv_vm *vm) {
    void *p = free_pages;
    if (!p)
        return page_alloc(1);
    free_pages = *(void **)p;
    return memset(p, 0, NV_PAGE_SIZE);
}

void *mach_alloc_low_page(struct nv_vm *vm) {
    return mach_alloc_page(vm);
}

void mach_free_page(struct nv_vm *vm, void *va) {
    *(void **)va = free_pages;
    free_pages = va;
}

void *mach_alloc(size_t size) {
    return page_alloc((unsigned)((size + NV_PAGE_SIZE - 1) / NV_PAGE_SIZE));
}

void mach_free(void *p) {
}

u64 mach_pa(const void *va) {
    return (u64)va;
}

void *mach_va(u64 hpa) {
    return (void *)hpa;
}

/* ---- CPU ---- */

u64 mach_host_msr(u32 msr) {
    return rdmsr(msr);
}

u64 mach_phys_mask(void) {
    u32 r[4];
    cpuid(0x80000008, 0, r);
    return NV_BIT(r[0] & 0xff) - 1;
}

u64 mach_tsc(void) {
    return rdtsc();
}

u32 mach_tsc_khz(void) {
    return 50000; /* only for KVM's deadline of a saved timer */
}

/* What the payload uses lies in the VMCS or is the core's own. */
int mach_get_msr(struct nv_vcpu *v, u32 msr, u64 *ret, bool host) {
    return -EINVAL;
}

int mach_set_msr(struct nv_vcpu *v, u32 msr, u64 val, bool host) {
    return -EINVAL;
}

int mach_xsetbv(struct nv_vcpu *v, u32 idx, u64 val) {
    return -EINVAL;
}

u64 mach_get_dr(struct nv_vcpu *v, int n) {
    return 0;
}

void mach_set_dr(struct nv_vcpu *v, int n, u64 val) {
}

void mach_barrier(struct nv_vcpu *v) {
}

void mach_kick_sync(struct nv_vcpu *v) {
}
