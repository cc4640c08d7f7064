// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory runs out, at every point: each scenario is run once as it is, and then again for each N with its N-th allocation, pin or
 * look for host memory failing. Every call then returns 0, or the error, and nothing else; tables, counts and pins are in order
 * after each step; what user space does about an error (KVM_RUN again) makes the guest go on to the very end it has without
 * the failure; and nothing is left when the VM goes.
 */
#include "run.h"

static unsigned int errors; /* seen in this run */

/* What one step returned. True: KVM_RUN failed, the guest is where it was and does the same again. */
static bool again(void)
{
	mock_invariants();
	if (M.ret >= 0)
		return false;
	assert_true(M.ret == -ENOMEM || M.ret == -EFAULT);
	errors++;
	assert_int_equal(mock_enter(), NV_RESUME);
	return true;
}

static void ex(u32 reason, u64 qual)
{
	u64 info = mock_hw_get(F_EXIT_INTR_INFO), err = mock_hw_get(F_EXIT_INTR_ERR), gpa = mock_hw_get(F_GUEST_PHYS);

	do {
		mock_hw(F_EXIT_INTR_INFO, info);
		mock_hw(F_EXIT_INTR_ERR, err);
		mock_hw(F_GUEST_PHYS, gpa);
		mock_exit(reason, qual);
	} while (again());
}

static void violation(u64 gpa, u32 access)
{
	mock_hw(F_GUEST_PHYS, gpa);
	mock_hw(F_GUEST_LINEAR, gpa);
	ex(XR_EPT_VIOLATION, access | EPTQ_LINEAR | EPTQ_FINAL);
}

static void page_fault(u64 gva, u32 err)
{
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR);
	mock_hw(F_EXIT_INTR_ERR, err);
	ex(XR_EXC_NMI, gva);
}

static void touch(u64 gpa, u32 access)
{
	do
		mock_l2_access(gpa, access);
	while (again());
}

static void vmx(u32 reason, u64 operand)
{
	do
		mock_vmx(reason, operand);
	while (again());
}

static void wr(enum nv_field f, u64 val)
{
	do
		mock_vmwrite(nv_fields[f].enc, val);
	while (again());
}

static void zap(u64 gpa, u64 len)
{
	M.seq++;
	nv_vm_zap(&M.vm, gpa, len);
	mock_invariants();
}

/* ---- scenarios, one for each mechanism that takes memory ---- */

static void level_one(void)
{
	violation(G_FREE, NV_R);
	violation(G_FREE + 0x1000, NV_W);
	violation(0x3ff000, NV_X);
	zap(0, MOCK_RAM);
	violation(G_FREE, NV_W);
}

static void ept_on_ept(void)
{
	good();
	vmx(XR_VMLAUNCH, 0);
	for (u64 gpa = 0; gpa < MOCK_RAM; gpa += 0x155000)
		touch(gpa, NV_R);
	touch(G_FREE, NV_W);
	touch(0x40000000, NV_W); /* L1's */
	mock_ept_map(0x40000000, G_FREE, 0x37);
	vmx(XR_VMRESUME, 0);
	touch(0x40000000, NV_W);
	ex(XR_VMCALL, 0);
	do
		mock_inv(XR_INVEPT, 1, G_EPT | 0x1e, 0);
	while (again());
	for (u64 i = 0; i < NV_NEPT02 + 1; i++) { /* more roots than there are */
		mock_write(G_FREE + 0x80000 + i * 0x1000, mock_read(G_EPT));
		wr(F_EPTP, (G_FREE + 0x80000 + i * 0x1000) | 0x1e);
		vmx(XR_VMRESUME, 0);
		touch(G_FREE, NV_R);
		ex(XR_VMCALL, 0);
	}
	vmx(XR_VMRESUME, 0);
	zap(0, MOCK_RAM);
	touch(G_FREE, NV_W);
}

static void shadow_on_ept(void)
{
	good();
	vmx(XR_VMLAUNCH, 0);
	touch(G_FREE, NV_R);
	touch(0x3ff000, NV_W);
	zap(0, MOCK_RAM);
	touch(G_FREE, NV_X);
}

static void shadow_on_shadow(void)
{
	page_fault(0x7000, 0);
	page_fault(0x200000, PF_W);
	good();
	page_fault(0x7000, 0);
	vmx(XR_VMLAUNCH, 0);
	page_fault(0x9000, PF_W);
	page_fault(0x300000, PF_I);
	ex(XR_INVLPG, 0x9000);
	page_fault(0x9000, PF_W);
	ex(XR_CPUID, 0);
	wr(F_ENTRY_CTL, 0x11ff | ENTRY_LOAD_EFER);
	wr(F_GUEST_EFER, 0);
	wr(F_GUEST_CR4, C4_VMXE | C4_PSE);
	wr(F_GUEST_CS_AR, 0xc09b);
	wr(F_GUEST_CR3, G_FREE);
	mock_write(G_FREE, 0xe7);
	vmx(XR_VMRESUME, 0);
	page_fault(0x5000, 0);
	zap(0, MOCK_RAM);
	page_fault(0x5000, PF_W);
}

static void pinned_pages(void)
{
	good();
	wr(F_PIN_CTL, 0x16 | PIN_POSTED | PIN_EXT_INT);
	wr(F_CPU_CTL, V12(&M.v, CPU_CTL) | CPU_TPR_SHADOW | CPU_MSR_BITMAPS);
	wr(F_VIRT_APIC, G_VAPIC);
	wr(F_MSR_BITMAP, G_MSRMAP);
	wr(F_CPU2_CTL, CPU2_EPT | CPU2_VID | CPU2_APIC_REG | CPU2_APIC_ACCESS);
	wr(F_APIC_ACCESS, G_APIC);
	wr(F_EXIT_CTL, V12(&M.v, EXIT_CTL) | EXIT_ACK);
	wr(F_POSTED_NV, 0xf2);
	wr(F_PI_DESC, G_PI + 64);
	vmx(XR_VMLAUNCH, 0);
	mock_write(G_PI + 64 + 8, 1ull << 35);
	mock_write(G_PI + 64 + 32, 1);
	assert_int_equal(nv_queue_interrupt(&M.v, 0xf2), 0);
	ex(XR_EXT_INT, 0);
	nv_vm_unpin(&M.vm);
	ex(XR_EXT_INT, 0);
	if (M.v.in_l2)
		ex(XR_VMCALL, 0);
	wr(F_APIC_ACCESS, G_FREE);
	vmx(XR_VMRESUME, 0);
	touch(G_FREE + 0x1000, NV_W);
}

static void nested_state(void)
{
	static struct nv_nested_state s;

	good();
	vmx(XR_VMLAUNCH, 0);
	touch(G_FREE, NV_W);
	assert_int_equal(nv_get_nested_state(&M.v, &s), 0);
	ex(XR_VMCALL, 0);
	vmx(XR_VMXOFF, 0);
	assert_int_equal(nv_set_nested_state(&M.v, &s), 0);
	assert_int_equal(mock_enter(), NV_RESUME);
	touch(G_FREE + 0x1000, NV_W);
}

static void shadow_vmcs(void)
{
	good();
	wr(F_CPU2_CTL, CPU2_EPT | CPU2_SHADOW_VMCS);
	wr(F_VMREAD_BITMAP, G_VMREAD);
	wr(F_VMWRITE_BITMAP, G_VMWRITE);
	mock_write(G_SHADOW, NV_VMCS12_REV | NV_VMCS12_SHADOW);
	wr(F_VMCS_LINK, G_SHADOW);
	vmx(XR_VMLAUNCH, 0);
	wr(F_HOST_RSP, 0x1212);
	touch(G_FREE, NV_W);
}

static void no_params(void)
{
}

static void no_nested_ept(void)
{
	nv_params.nested_ept = false;
}

static void no_ept(void)
{
	nv_params.ept = false;
}

static void all_ahead(void)
{
	nv_params.prebuilt_ept = true;
}

static const struct scenario {
	const char *name;
	void (*params)(void), (*run)(void);
	bool allocs, maps, backings; /* which of them it comes to */
} scenarios[] = {
	{ "level one", no_params, level_one, true, false, true },
	{ "level one, prebuilt", all_ahead, level_one, true, false, true },
	{ "EPT on EPT", no_params, ept_on_ept, true, false, true },
	{ "shadow on EPT", no_nested_ept, shadow_on_ept, true, false, true },
	{ "shadow on shadow", no_ept, shadow_on_shadow, true, false, true },
	{ "pinned pages", no_params, pinned_pages, true, true, true },
	{ "nested state", no_params, nested_state, true, false, true },
	{ "a VMCS shadow of L1's", no_params, shadow_vmcs, true, false, true },
};

/* What the guest and user space can see at the end. */
struct outcome {
	u64 rip, rsp, cr3, cr0, info, memory, vmcs12, in_l2; /* no padding: compared as bytes */
};

static u64 hash(const void *p, size_t n)
{
	u64 h = 14695981039346656037ull;

	for (const u8 *b = p; n--; b++)
		h = (h ^ *b) * 1099511628211ull;
	return h;
}

static struct outcome outcome(void)
{
	return (struct outcome){ .rip = mock_hw_get(F_GUEST_RIP), .rsp = mock_hw_get(F_GUEST_RSP), .cr0 = mock_hw_get(F_GUEST_CR0),
		.cr3 = nv_params.ept ? mock_hw_get(F_GUEST_CR3) : 0, .info = mock_hw_get(F_ENTRY_INTR_INFO), .memory = hash(M.ram, MOCK_RAM),
		.vmcs12 = M.v.n->vmcs12 ? hash(M.v.n->val12, NV_NFIELDS * sizeof(u64)) : 0, .in_l2 = M.v.in_l2 };
}

/* Returns false when the counter was not used up: the scenario does not come to that many. */
static bool one(const struct scenario *s, size_t counter, long n, struct outcome *ret)
{
	long *fail = (long *)((char *)&M + counter);
	bool used;

	errors = 0;
	mock_reset();
	s->params();
	assert_int_equal(mock_start(), NV_RESUME);
	/* Tables built so far, and pages kept for them, go: the scenario has to take its own. */
	zap(0, ~0ull);
	while (M.v.mmu->ncache)
		mach_free_page(&M.vm, M.v.mmu->cache[--M.v.mmu->ncache]);
	*fail = n;
	s->run();
	used = n && !*fail;
	*fail = 0;
	*ret = outcome();
	mock_invariants();
	mock_stop();
	return used;
}

#define D(x) (unsigned long long)as_is.x, (unsigned long long)now.x

static void each(const struct scenario *s, size_t counter, bool expected, bool same)
{
	struct outcome as_is, now;
	unsigned int seen = 0;
	long n;

	assert_false(one(s, counter, 0, &as_is));
	assert_int_equal(errors, 0);
	for (n = 1; one(s, counter, n, &now); n++) {
		seen += errors;
		if (same && memcmp(&now, &as_is, sizeof(now))) {
			print_error("%s: another end when number %ld fails: rip %llx %llx, rsp %llx %llx, cr3 %llx %llx, cr0 %llx %llx, event %llx %llx, memory %d, vmcs12 %d, L2 %llx %llx\n",
				    s->name, n, D(rip), D(rsp), D(cr3), D(cr0), D(info), as_is.memory == now.memory, as_is.vmcs12 == now.vmcs12, D(in_l2));
			fail();
		}
		assert_true(n < 5000);
	}
	if (expected ? n < 2 : n != 1) {
		print_error("%s: came to %ld\n", s->name, n - 1);
		fail();
	}
	print_message("%s: %ld points, %u errors\n", s->name, n - 1, seen);
}

static void allocations(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(scenarios); i++)
		each(&scenarios[i], offsetof(struct mock, fail_in), scenarios[i].allocs, true);
}

static void host_memory(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(scenarios); i++)
		each(&scenarios[i], offsetof(struct mock, fail_backing_in), scenarios[i].backings, true);
}

/* A page that cannot be pinned costs L2 the feature, which is not the same end; but no error and no leak. */
static void pins(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(scenarios); i++)
		each(&scenarios[i], offsetof(struct mock, fail_map_in), scenarios[i].maps, false);
}

/* A machine that does not come into being: nothing of it stays. EPT01 built ahead is a help, so its failure is no error. */
static void creation(void **state)
{
	static void (*const params[])(void) = { no_params, no_ept, all_ahead };

	(void)state;
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(params); i++) {
		bool used = true;
		long n;

		for (n = 1; used; n++) {
			int r;

			mock_reset();
			params[i]();
			M.fail_in = n;
			r = mock_start();
			used = !M.fail_in;
			M.fail_in = 0;
			if (r == NV_RESUME) {
				assert_true(!used || params[i] == all_ahead);
				mock_invariants();
				mock_stop();
				continue;
			}
			assert_int_equal(r, -ENOMEM);
			assert_true(used);
			assert_int_equal(M.pages, 0);
			assert_int_equal(M.allocs, 0);
		}
		assert_true(n > 8 && n < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(creation), cmocka_unit_test(allocations), cmocka_unit_test(host_memory), cmocka_unit_test(pins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
