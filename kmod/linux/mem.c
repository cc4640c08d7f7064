// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's memory: slots of the VMM's address space. Copies go through the VMM's mappings; pages in tables are not pinned, the
 * mmu_notifier takes them out before the kernel takes them away; only what the CPU itself addresses by VMCS is pinned.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "nestvmx.h"
#include "compat.h"

atomic_long_t nvx_pages, nvx_pinned;

static const struct nvx_slot *slot_of(struct nvx_vm *vm, u64 gpa)
{
	const struct nvx_slots *s = rcu_dereference(vm->slots);
	u32 i;

	for (i = 0; i < s->n; i++)
		if (gpa - s->slot[i].gpa < s->slot[i].size)
			return &s->slot[i];
	return NULL;
}

/* Where the VMM has the byte at gpa; 0: no slot, or a read-only one and write. */
static unsigned long hva_of(struct nvx_vm *vm, u64 gpa, bool write)
{
	const struct nvx_slot *s;
	unsigned long hva = 0;

	rcu_read_lock();
	s = slot_of(vm, gpa);
	if (s && !(write && s->readonly))
		hva = s->hva + (gpa - s->gpa);
	rcu_read_unlock();
	return hva;
}

int mach_read_guest(struct nv_vm *vm, u64 gpa, void *buf, u32 len)
{
	unsigned long hva = hva_of(to_nvx_vm(vm), gpa, false);

	if (!hva || copy_from_user(buf, (void __user *)hva, len))
		return -EFAULT;
	return 0;
}

int mach_write_guest(struct nv_vm *vm, u64 gpa, const void *buf, u32 len)
{
	unsigned long hva = hva_of(to_nvx_vm(vm), gpa, true);

	if (!hva || copy_to_user((void __user *)hva, buf, len))
		return -EFAULT;
	return 0;
}

int mach_cmpxchg_guest(struct nv_vm *vm, u64 gpa, u64 old, u64 new_, u32 size)
{
	unsigned long hva = hva_of(to_nvx_vm(vm), gpa, true);
	bool done;
	u32 old32 = old;

	if (!hva || (hva & (size - 1)) || !user_access_begin((void __user *)hva, size))
		return -EFAULT;
	if (size == 8)
		done = unsafe_try_cmpxchg_user((u64 __user *)hva, &old, new_, fault);
	else
		done = unsafe_try_cmpxchg_user((u32 __user *)hva, &old32, (u32)new_, fault);
	user_access_end();
	return !done;
fault:
	user_access_end();
	return -EFAULT;
}

int mach_map_page(struct nv_vm *vm, u64 gpa, struct nv_map *map)
{
	unsigned long hva = hva_of(to_nvx_vm(vm), gpa, true);
	struct page *page;

	if (!hva || pin_user_pages_fast(hva, 1, FOLL_WRITE | FOLL_LONGTERM, &page) != 1)
		return -EFAULT;
	atomic_long_inc(&nvx_pinned);
	*map = (struct nv_map){ .gpa = gpa, .hpa = page_to_phys(page), .va = page_address(page), .mach = page };
	return 0;
}

void mach_unmap_page(struct nv_vm *vm, struct nv_map *map)
{
	struct page *page = map->mach;

	if (map->gpa == NV_NOMAP)
		return;
	unpin_user_pages_dirty_lock(&page, 1, true);
	atomic_long_dec(&nvx_pinned);
	*map = (struct nv_map){ .gpa = NV_NOMAP };
}

struct host_page {
	u64 hpa;	/* of the 4 KiB page at hva */
	u8 shift;	/* how large a page the VMM's own tables have there: only then is the memory contiguous and stays so */
	bool writable;
};

static void found(struct host_page *ret, unsigned long hva, u64 pfn, u8 shift, bool writable)
{
	ret->hpa = (pfn << PAGE_SHIFT) + (hva & ((1UL << shift) - 1) & PAGE_MASK);
	ret->shift = shift;
	ret->writable = writable;
}

/*
 * Pages that get_user_pages() has to judge: device memory (special at every level since 6.12, which it refuses: the tables say
 * write-back for all that they map), the zero page, and pages of devices that are memory.
 */
#define NOT_MEMORY (_PAGE_SPECIAL | _PAGE_DEVMAP)

/*
 * What stands in the VMM's page tables, without taking a reference: the caller installs the result only if no invalidation came
 * between (mach_mmu_retry()). Writable means dirty as well: then the kernel knows already that the page changes. False: let
 * get_user_pages() do the work.
 */
static bool walk_host(struct mm_struct *mm, unsigned long hva, struct host_page *ret)
{
	unsigned long flags;
	bool ok = false;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;
	pte_t pte;

	/* Interrupts off keep the tables from being freed under us (as the kernel's own fast GUP does). */
	local_irq_save(flags);
	pgd = READ_ONCE(*pgd_offset(mm, hva));
	if (pgd_none(pgd))
		goto out;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		goto out;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		goto out;
	if (pud_leaf(pud)) {
		found(ret, hva, pud_pfn(pud), PUD_SHIFT, pud_write(pud) && pud_dirty(pud));
		ok = !(pud_val(pud) & NOT_MEMORY);
		goto out;
	}
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (pmd_none(pmd) || !pmd_present(pmd))
		goto out;
	if (pmd_leaf(pmd)) {
		found(ret, hva, pmd_pfn(pmd), PMD_SHIFT, pmd_write(pmd) && pmd_dirty(pmd));
		ok = !(pmd_val(pmd) & (NOT_MEMORY | _PAGE_PROTNONE));
		goto out;
	}
	pte = READ_ONCE(((pte_t *)pmd_page_vaddr(pmd))[pte_index(hva)]);
	if (!pte_present(pte) || pte_val(pte) & (NOT_MEMORY | _PAGE_PROTNONE))
		goto out;
	found(ret, hva, pte_pfn(pte), PAGE_SHIFT, pte_write(pte) && pte_dirty(pte));
	ok = true;
out:
	local_irq_restore(flags);
	return ok;
}

/*
 * Faults the page in; for writing if that is possible, as most pages are written sooner or later and a second fault costs an
 * exit. -EFAULT, -EINTR.
 */
static int fault_host(struct nvx_vm *vm, const struct nvx_slot *s, unsigned long hva, bool write, struct host_page *ret)
{
	struct page *page;
	bool writable;
	int r;

	r = s->readonly ? 0 : get_user_pages_fast(hva, 1, FOLL_WRITE, &page);
	writable = r == 1;
	if (r != 1 && !write)
		r = get_user_pages_fast(hva, 1, 0, &page);
	if (r != 1)
		return fatal_signal_pending(current) ? -EINTR : -EFAULT;
	found(ret, hva, page_to_pfn(page), PAGE_SHIFT, writable);
	if (writable)
		set_page_dirty_lock(page);
	put_page(page);
	return 0;
}

/* The largest page around gpa that lies in the slot and is aligned alike on both sides. */
static u8 fitting_shift(const struct nvx_slot *s, u64 gpa, unsigned long hva, u8 shift)
{
	static const u8 sizes[] = { PUD_SHIFT, PMD_SHIFT };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 size = 1ULL << sizes[i], start = gpa & ~(size - 1);

		if (shift >= sizes[i] && !((gpa ^ hva) & (size - 1)) && start >= s->gpa && start + size <= s->gpa + s->size)
			return sizes[i];
	}
	return PAGE_SHIFT;
}

int mach_get_backing(struct nv_vm *nv, u64 gpa, bool write, struct nv_backing *ret)
{
	struct nvx_vm *vm = to_nvx_vm(nv);
	const struct nvx_slot *found_slot;
	struct host_page page;
	struct nvx_slot s = {};
	unsigned long hva;
	int r;

	rcu_read_lock();
	found_slot = slot_of(vm, gpa);
	if (found_slot)
		s = *found_slot;
	rcu_read_unlock();
	if (!s.size)
		return -ENXIO;
	if (write && s.readonly)
		return -EROFS;
	hva = s.hva + (gpa - s.gpa);
	if (!walk_host(vm->mm, hva, &page) || (!page.writable && !s.readonly)) {
		struct host_page again;

		r = fault_host(vm, &s, hva, write, &page);
		if (r)
			return r;
		if (walk_host(vm->mm, hva, &again) && again.hpa == page.hpa)
			page.shift = again.shift;
	}
	ret->hpa = page.hpa;
	ret->writable = page.writable && !s.readonly;
	ret->shift = fitting_shift(&s, gpa, hva, page.shift);
	return 0;
}

bool mach_is_ram(struct nv_vm *vm, u64 gpa)
{
	struct nvx_vm *x = to_nvx_vm(vm);
	bool ram;

	rcu_read_lock();
	ram = slot_of(x, gpa);

	rcu_read_unlock();
	return ram;
}

u64 mach_mmu_seq(struct nv_vm *vm)
{
	u64 seq = READ_ONCE(to_nvx_vm(vm)->mmu_seq);

	smp_rmb(); /* before the page tables of the VMM are read; pairs with the lock in zap_end() */
	return seq;
}

bool mach_mmu_retry(struct nv_vm *vm, u64 seq)
{
	return to_nvx_vm(vm)->mmu_active || to_nvx_vm(vm)->mmu_seq != seq;
}

void mach_mmu_lock(struct nv_vm *vm) __acquires(&to_nvx_vm(vm)->mmu_lock)
{
	spin_lock(&to_nvx_vm(vm)->mmu_lock);
}

void mach_mmu_unlock(struct nv_vm *vm) __releases(&to_nvx_vm(vm)->mmu_lock)
{
	spin_unlock(&to_nvx_vm(vm)->mmu_lock);
}

static void zap_begin(struct nvx_vm *vm)
{
	spin_lock(&vm->mmu_lock);
	vm->mmu_active++;
	spin_unlock(&vm->mmu_lock);
}

static void zap_end(struct nvx_vm *vm)
{
	spin_lock(&vm->mmu_lock);
	vm->mmu_seq++;
	smp_wmb(); /* the sequence is new before the range is free again, as in KVM */
	vm->mmu_active--;
	spin_unlock(&vm->mmu_lock);
}

static int notifier_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct nvx_vm *vm = container_of(mn, struct nvx_vm, notifier);
	const struct nvx_slots *slots;
	u32 i;

	zap_begin(vm);
	rcu_read_lock();
	slots = rcu_dereference(vm->slots);
	for (i = 0; i < slots->n; i++) {
		const struct nvx_slot *s = &slots->slot[i];
		unsigned long from = max(range->start, s->hva), to = min(range->end, s->hva + (unsigned long)s->size);

		if (from < to)
			nv_vm_zap(&vm->vm, s->gpa + (from - s->hva), to - from);
	}
	rcu_read_unlock();
	return 0;
}

static void notifier_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	zap_end(container_of(mn, struct nvx_vm, notifier));
}

/* The address space goes: nothing may be mapped any more when this returns. */
static void notifier_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct nvx_vm *vm = container_of(mn, struct nvx_vm, notifier);

	zap_begin(vm);
	nv_vm_zap(&vm->vm, 0, ~0ULL);
	zap_end(vm);
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = notifier_start,
	.invalidate_range_end = notifier_end,
	.release = notifier_release,
};

void *mach_alloc_page(struct nv_vm *vm)
{
	void *p = (void *)__get_free_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

	if (p)
		atomic_long_inc(&nvx_pages);
	return p;
}

void *mach_alloc_low_page(struct nv_vm *vm)
{
	void *p = (void *)__get_free_page(GFP_KERNEL_ACCOUNT | GFP_DMA32 | __GFP_ZERO);

	if (p)
		atomic_long_inc(&nvx_pages);
	return p;
}

void mach_free_page(struct nv_vm *vm, void *va)
{
	if (!va)
		return;
	free_page((unsigned long)va);
	atomic_long_dec(&nvx_pages);
}

void *mach_alloc(size_t size)
{
	return kvzalloc(size, GFP_KERNEL_ACCOUNT);
}

void mach_free(void *p)
{
	kvfree(p);
}

static int slot_index(const struct nvx_slots *s, u32 id)
{
	u32 i;

	for (i = 0; i < s->n; i++)
		if (s->slot[i].id == id)
			return i;
	return -1;
}

static bool overlaps(const struct nvx_slots *s, const struct nvx_slot *new, int except)
{
	u32 i;

	for (i = 0; i < s->n; i++)
		if ((int)i != except && new->gpa < s->slot[i].gpa + s->slot[i].size && s->slot[i].gpa < new->gpa + new->size)
			return true;
	return false;
}

/* KVM_SET_USER_MEMORY_REGION: size 0 deletes. Address space 0 only, no dirty log. */
int nvx_set_slot(struct nvx_vm *vm, const struct kvm_userspace_memory_region *r)
{
	struct nvx_slot new = { .gpa = r->guest_phys_addr, .size = r->memory_size, .hva = r->userspace_addr, .id = r->slot,
				.readonly = r->flags & KVM_MEM_READONLY };
	struct nvx_slots *old, *s;
	struct nvx_slot gone = {};
	int i, ret = 0;

	if (r->flags & ~KVM_MEM_READONLY || r->slot >= 1 << 16 || !PAGE_ALIGNED(new.gpa | new.size | new.hva))
		return -EINVAL;
	if (new.size && (new.gpa + new.size < new.gpa || new.gpa + new.size > (1ULL << boot_cpu_data.x86_phys_bits) ||
			 !access_ok((void __user *)new.hva, new.size)))
		return -EINVAL;
	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	mutex_lock(&vm->lock);
	old = rcu_dereference_protected(vm->slots, lockdep_is_held(&vm->lock));
	*s = *old;
	i = slot_index(s, r->slot);
	if (i >= 0)
		gone = s->slot[i];
	if (new.size && overlaps(s, &new, i))
		ret = -EEXIST;
	else if (!new.size && i < 0)
		ret = -EINVAL;
	else if (new.size && i < 0 && s->n == NVX_MAX_SLOTS)
		ret = -ENOSPC;
	else if (!new.size)
		s->slot[i] = s->slot[--s->n];
	else
		s->slot[i >= 0 ? i : (int)s->n++] = new;
	if (ret) {
		mutex_unlock(&vm->lock);
		kfree(s);
		return ret;
	}
	zap_begin(vm);
	rcu_assign_pointer(vm->slots, s);
	synchronize_rcu();
	if (gone.size) {
		nv_vm_zap(&vm->vm, gone.gpa, gone.size);
		nv_vm_unpin(&vm->vm);
	}
	zap_end(vm);
	mutex_unlock(&vm->lock);
	kfree(old);
	return 0;
}

int nvx_mem_init(struct nvx_vm *vm)
{
	struct nvx_slots *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	int r;

	if (!s)
		return -ENOMEM;
	spin_lock_init(&vm->mmu_lock);
	rcu_assign_pointer(vm->slots, s);
	vm->mm = current->mm;
	mmgrab(vm->mm);
	vm->notifier.ops = &notifier_ops;
	r = mmu_notifier_register(&vm->notifier, vm->mm);
	if (r) {
		mmdrop(vm->mm);
		kfree(s);
	}
	return r;
}

void nvx_mem_free(struct nvx_vm *vm)
{
	mmu_notifier_unregister(&vm->notifier, vm->mm);
	mmdrop(vm->mm);
	kfree(rcu_access_pointer(vm->slots));
}
