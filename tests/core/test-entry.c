// SPDX-License-Identifier: LGPL-2.1-or-later
/* VM entry: every VMCS of common/payload/entry_cases.h has the outcome the SDM says, and every named check is met by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "mock.h"

enum op { SET, OR, CLR, XOR };
enum outcome { OK, CTL, HOST, GUEST };
struct entry_case {
	const char *name;
	u32 enc[2];
	enum op op[2];
	u64 val[2];
	int n;
	enum outcome outcome;
};
static const struct entry_case cases[] = {
#define EC(name, e, o, v, out) { #name, { e }, { o }, { v }, 1, out },
#define EC2(name, e1, o1, v1, e2, o2, v2, out) { #name, { e1, e2 }, { o1, o2 }, { v1, v2 }, 2, out },
#define EC_EPT EC
#include "../../common/payload/entry_cases.h"
#undef EC
#undef EC2
};

static const char *const outcome_name[] = { "success", "VMfail 7", "VMfail 8", "failed entry" };

static bool failed_by[256];

static void change(u64 enc, enum op op, u64 val)
{
	u64 *f = &M.v.n->val12[nv_field_of(enc)];
	u64 x = op == SET ? val : op == OR ? *f | val : op == CLR ? *f & ~val : *f ^ val;

	/* As the wide fields are; narrow ones lose their upper bits, as VMWRITE makes them. */
	nv_write_field(M.v.n->val12, nv_field_of(enc), enc, x);
	M.v.n->dirty12 = M.v.n->check12 = NV_G_ALL;
	/* The shadow VMCS holds the field too, and is newer in the eyes of the core. */
	M.v.n->shadow_used = false;
}

static enum outcome launch(void)
{
	struct mock_result r;

	M.v.n->failed.name = NULL;
	if (mock_launch())
		return OK;
	if (mock_hw_get(F_GUEST_RIP) == 0x5000) {
		assert_int_equal(M.v.n->val12[F_EXIT_REASON], XR_INVALID_GUEST | XR_FAILED_ENTRY);
		return GUEST;
	}
	r = mock_last();
	assert_int_equal(r.what, FAIL_VALID);
	assert_true(r.error == 7 || r.error == 8);
	return r.error == 7 ? CTL : HOST;
}

static void note_check(void)
{
	for (int i = 0; M.v.n->failed.name && nv_check_table[i].name; i++)
		if (!strcmp(nv_check_table[i].name, M.v.n->failed.name))
			failed_by[i] = true;
}

static void begin(void)
{
	mock_reset();
	assert_int_equal(mock_start(), 0);
	mock_vmxon();
	mock_good_vmcs12();
}

static void test_cases(void **state)
{
	(void)state;
	unsigned int wrong = 0;

	assert_true(NV_ARRAY_SIZE(cases) >= 300);
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(cases); i++) {
		const struct entry_case *c = &cases[i];
		enum outcome out;

		begin();
		for (int k = 0; k < c->n; k++)
			change(c->enc[k], c->op[k], c->val[k]);
		out = launch();
		if (out != c->outcome) {
			print_error("%s: %s, expected %s (%s)\n", c->name, outcome_name[out], outcome_name[c->outcome],
				    M.v.n->failed.name ? M.v.n->failed.name : "no check failed");
			wrong++;
		}
		note_check();
		mock_invariants();
		mock_stop();
	}
	print_message("%u VMCSs\n", (unsigned int)NV_ARRAY_SIZE(cases));
	assert_int_equal(wrong, 0);
}

/* What the table above cannot reach: it needs memory, or another mode. Each names the check it is for. */
struct special {
	const char *check;
	struct {
		enum nv_field f;
		u64 val;
	} set[8];
};
#define CPU_ (0x0401e172 | CPU_HLT | CPU_SECONDARY)
#define VM86_AR(s) { F_GUEST_##s##_AR, 0xf3 }
static const struct special specials[] = {
	{ "tpr_threshold_above_vtpr", { { F_CPU_CTL, CPU_ | CPU_TPR_SHADOW }, { F_VIRT_APIC, G_VAPIC }, { F_TPR_THRESHOLD, 5 } } },
	{ "apic_access_page", { { F_CPU2_CTL, CPU2_EPT | CPU2_APIC_ACCESS }, { F_APIC_ACCESS, G_APIC + 1 } } },
	{ "x2apic_and_apic_access",
	  { { F_CPU_CTL, CPU_ | CPU_TPR_SHADOW }, { F_VIRT_APIC, G_VAPIC }, { F_CPU2_CTL, CPU2_EPT | CPU2_APIC_ACCESS | CPU2_X2APIC } } },
	{ "vid_without_interrupt_exiting",
	  { { F_CPU_CTL, CPU_ | CPU_TPR_SHADOW }, { F_VIRT_APIC, G_VAPIC }, { F_CPU2_CTL, CPU2_EPT | CPU2_VID } } },
	{ "posted_without_vid", { { F_PIN_CTL, 0x16 | PIN_POSTED } } },
	{ "posted_without_ack",
	  { { F_PIN_CTL, 0x16 | PIN_POSTED | PIN_EXT_INT }, { F_CPU_CTL, CPU_ | CPU_TPR_SHADOW }, { F_VIRT_APIC, G_VAPIC },
	    { F_CPU2_CTL, CPU2_EPT | CPU2_VID } } },
	{ "posted_vector",
	  { { F_PIN_CTL, 0x16 | PIN_POSTED | PIN_EXT_INT }, { F_CPU_CTL, CPU_ | CPU_TPR_SHADOW }, { F_VIRT_APIC, G_VAPIC },
	    { F_CPU2_CTL, CPU2_EPT | CPU2_VID }, { F_EXIT_CTL, 0x36dff | EXIT_HOST64 | EXIT_ACK }, { F_POSTED_NV, 0x100 } } },
	{ "posted_descriptor",
	  { { F_PIN_CTL, 0x16 | PIN_POSTED | PIN_EXT_INT }, { F_CPU_CTL, CPU_ | CPU_TPR_SHADOW }, { F_VIRT_APIC, G_VAPIC },
	    { F_CPU2_CTL, CPU2_EPT | CPU2_VID }, { F_EXIT_CTL, 0x36dff | EXIT_HOST64 | EXIT_ACK }, { F_PI_DESC, G_PI + 32 } } },
	{ "unrestricted_without_ept", { { F_CPU2_CTL, CPU2_UNRESTRICTED } } },
	{ "vmread_bitmap", { { F_CPU2_CTL, CPU2_EPT | CPU2_SHADOW_VMCS }, { F_VMREAD_BITMAP, 1 } } },
	{ "vmwrite_bitmap", { { F_CPU2_CTL, CPU2_EPT | CPU2_SHADOW_VMCS }, { F_VMWRITE_BITMAP, 1 } } },
	{ "tsc_multiplier_zero", { { F_CPU2_CTL, CPU2_EPT | CPU2_TSC_SCALING } } },
	{ "guest_cr0_pg_pe", { { F_CPU2_CTL, CPU2_EPT | CPU2_UNRESTRICTED }, { F_GUEST_CR0, C0_PG | C0_NE } } },
	{ "guest_ia32e_paging", { { F_CPU2_CTL, CPU2_EPT | CPU2_UNRESTRICTED }, { F_GUEST_CR0, C0_PE | C0_NE } } },
	{ "guest_pcide", { { F_ENTRY_CTL, 0x11ff | ENTRY_LOAD_EFER }, { F_GUEST_EFER, 0 }, { F_GUEST_CR4, C4_VMXE | C4_PCIDE } } },
	{ "guest_rip", { { F_GUEST_RIP, 0x0000800000000000 } } },
	{ "guest_rflags_vm", { { F_GUEST_RFLAGS, FL_VM | 2 } } },
	{ "activity_hlt_dpl", { { F_GUEST_ACTIVITY, ACT_HLT }, { F_GUEST_SS_AR, 0xc0f3 } } },
	{ "interruptibility_external", { { F_GUEST_RFLAGS, FL_IF | 2 }, { F_GUEST_INTERRUPTIBILITY, 1 }, { F_ENTRY_INTR_INFO, 0x80000020 } } },
	{ "interruptibility_virtual_nmi",
	  { { F_PIN_CTL, 0x16 | PIN_NMI | PIN_VNMI }, { F_GUEST_INTERRUPTIBILITY, 8 }, { F_ENTRY_INTR_INFO, 0x80000202 } } },
	{ "ss_rpl", { { F_GUEST_SS_SEL, 0x13 } } },
	{ "ss_dpl_rpl", { { F_GUEST_SS_SEL, 0x13 }, { F_GUEST_CS_SEL, 0xb } } },
	{ "ss_dpl_zero", { { F_CPU2_CTL, CPU2_EPT | CPU2_UNRESTRICTED }, { F_GUEST_CS_AR, 0xa093 }, { F_GUEST_SS_AR, 0xc0f3 } } },
	{ "ds_dpl", { { F_GUEST_DS_SEL, 3 } } },
	{ "es_dpl", { { F_GUEST_ES_SEL, 3 } } },
	{ "fs_dpl", { { F_GUEST_FS_SEL, 3 } } },
	{ "gs_dpl", { { F_GUEST_GS_SEL, 3 } } },
	{ "ss_g", { { F_GUEST_SS_LIMIT, 0xffff0000 } } },
	{ "ldtr_g", { { F_GUEST_LDTR_AR, 0x82 }, { F_GUEST_LDTR_LIMIT, 0xffffffff } } },
	{ "link_revision", { { F_VMCS_LINK, G_FREE } } },
	{ "pdptes",
	  { { F_ENTRY_CTL, 0x11ff | ENTRY_LOAD_EFER }, { F_GUEST_EFER, 0 }, { F_GUEST_CS_AR, 0xc09b }, { F_GUEST_PDPTE0, 3 } } },
	{ "host_ss_null", { { F_EXIT_CTL, 0x36dff } } }, /* stopped earlier: HOST64 is fixed; see exit_reserved */
};

static void test_specials(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(specials); i++) {
		const struct special *s = &specials[i];

		begin();
		M.v.n->shadow_used = false;
		for (int k = 0; k < 8 && (k == 0 || s->set[k].f || s->set[k].val); k++)
			change(nv_fields[s->set[k].f].enc, SET, s->set[k].val);
		assert_int_not_equal(launch(), OK);
		if (strcmp(s->check, "host_ss_null"))
			assert_string_equal(M.v.n->failed.name, s->check);
		note_check();
		mock_stop();
	}
}

/* Virtual-8086 mode has rules of its own for every segment. */
static void test_vm86(void **state)
{
	static const struct {
		const char *check;
		enum nv_field f;
		u64 val;
	} wrong[] = {
#define S(s, S_) { "vm86_" #s "_base", F_GUEST_##S_##_BASE, 1 }, { "vm86_" #s "_limit", F_GUEST_##S_##_LIMIT, 0x1ffff }, \
	{ "vm86_" #s "_ar", F_GUEST_##S_##_AR, 0x93 }
		S(cs, CS), S(ss, SS), S(ds, DS), S(es, ES), S(fs, FS), S(gs, GS), { NULL, F_GUEST_RFLAGS, FL_VM | 2 }
#undef S
	};
	(void)state;
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(wrong); i++) {
		begin();
		change(ENC_ENTRY_CTL, SET, 0x11ff | ENTRY_LOAD_EFER);
		change(ENC_GUEST_EFER, SET, 0);
		change(ENC_GUEST_CR4, SET, C4_VMXE);
		change(ENC_GUEST_RFLAGS, SET, FL_VM | 2);
#define S(s) change(ENC_GUEST_##s##_SEL, SET, 0x100), change(ENC_GUEST_##s##_BASE, SET, 0x1000), \
	change(ENC_GUEST_##s##_LIMIT, SET, 0xffff), change(ENC_GUEST_##s##_AR, SET, 0xf3)
		S(CS), S(SS), S(DS), S(ES), S(FS), S(GS);
#undef S
		change(nv_fields[wrong[i].f].enc, SET, wrong[i].val);
		if (wrong[i].check) {
			assert_int_equal(launch(), GUEST);
			assert_string_equal(M.v.n->failed.name, wrong[i].check);
		} else {
			assert_int_equal(launch(), OK);
		}
		note_check();
		mock_stop();
	}
}

/* Checks that L1 cannot fail, because a reserved bit stands before them. Anything else has to have been met. */
static void test_every_check_was_met(void **state)
{
	static const char *const covered_by_reserved[] = { "eptp_ad", "host_64bit", "host_ia32e_guest", "host_pcide", "host_ss_null", "activity",
							   "inject_type", "cs_base" };
	unsigned int missing = 0;

	(void)state;
	for (int i = 0; nv_check_table[i].name; i++) {
		bool known = failed_by[i];

		for (unsigned int k = 0; k < NV_ARRAY_SIZE(covered_by_reserved); k++)
			known |= !strcmp(covered_by_reserved[k], nv_check_table[i].name);
		if (!known) {
			print_error("no test fails %s (%s)\n", nv_check_table[i].name, nv_check_table[i].sdm);
			missing++;
		}
	}
	assert_int_equal(missing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_specials),
		cmocka_unit_test(test_vm86),
		cmocka_unit_test(test_every_check_was_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
