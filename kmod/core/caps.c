// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capabilities (SDM 3C appendix A): what the CPU has, what vmcs01 uses, what L1 is offered. L1's values are the CPU's
 * masked by what this code implements, so a newer CPU never adds a control that nobody emulates.
 */
#include "internal.h"

struct nv_params nv_params = {
	.ept = true, .nested_ept = true, .shadow_vmcs = true, .vpid = true, .apicv = true, .unrestricted = true,
};
struct nv_caps nv_caps;

/* allowed-0 | allowed-1: must has to be 1; may is what we implement. */
static u64 offer(u64 hw, u64 must, u64 may)
{
	u64 low = must & 0xffffffffu, high = (hw >> 32) & (may | must);

	return low | (high | low) << 32;
}

/* Controls for vmcs01 from a capability MSR: everything in want that the CPU allows; false if need is not allowed. */
static bool pick(u64 hw, u64 need, u64 want, u32 *ret)
{
	u64 may = hw >> 32;

	*ret = (u32)((((need | want) & may) | (hw & 0xffffffffu)));
	return (need & may) == need;
}

static bool hw_cpu2(u64 bit)
{
	return (nv_caps.hw[CAP_CPU] >> 32 & CPU_SECONDARY) && (nv_caps.hw[CAP_CPU2] >> 32 & bit) == bit;
}

static void read_hw(void)
{
	u64 *hw = nv_caps.hw;
	int i;

	for (i = CAP_BASIC; i <= CAP_ENUM; i++)
		hw[i] = mach_host_msr(M_VMX_BASIC + (u32)i);
	/* Reading a capability MSR that does not exist faults: each is announced by another (A.1, A.3.3, A.10). */
	if (hw[CAP_CPU] >> 32 & CPU_SECONDARY)
		hw[CAP_CPU2] = mach_host_msr(M_VMX_BASIC + CAP_CPU2);
	if (hw_cpu2(CPU2_EPT) || hw_cpu2(CPU2_VPID))
		hw[CAP_EPT_VPID] = mach_host_msr(M_VMX_BASIC + CAP_EPT_VPID);
	for (i = 0; i < 4; i++)
		hw[CAP_TRUE_PIN + i] = hw[CAP_BASIC] & BASIC_TRUE ? mach_host_msr(M_VMX_BASIC + CAP_TRUE_PIN + (u32)i) :
								    hw[CAP_PIN + i];
}

static void trim_params(void)
{
	struct nv_params *p = &nv_params;
	u64 evc = nv_caps.hw[CAP_EPT_VPID];

	/* Our tables have four levels and are write-back; INVEPT by context is how they are flushed. */
	if (!hw_cpu2(CPU2_EPT) || (evc & (EVC_WALK4 | EVC_WB | EVC_INVEPT | EVC_INVEPT_SINGLE | EVC_INVEPT_ALL)) !=
					  (EVC_WALK4 | EVC_WB | EVC_INVEPT | EVC_INVEPT_SINGLE | EVC_INVEPT_ALL))
		p->ept = false;
	if (!p->ept)
		p->nested_ept = p->unrestricted = p->prebuilt_ept = false;
	if (!hw_cpu2(CPU2_UNRESTRICTED))
		p->unrestricted = false;
	if (!hw_cpu2(CPU2_VPID) || (evc & (EVC_INVVPID | EVC_INVVPID_SINGLE)) != (EVC_INVVPID | EVC_INVVPID_SINGLE))
		p->vpid = false;
	if (!hw_cpu2(CPU2_SHADOW_VMCS))
		p->shadow_vmcs = false;
	if (!hw_cpu2(CPU2_APIC_REG | CPU2_VID))
		p->apicv = false;
}

static bool set_vmcs01_controls(void)
{
	struct nv_caps *c = &nv_caps;
	struct nv_params *p = &nv_params;
	u64 need = CPU_UNCOND_IO | CPU_MSR_BITMAPS | CPU_TSC_OFFSET | CPU_HLT | CPU_MWAIT | CPU_MONITOR | CPU_RDPMC |
		   CPU_CR8_LOAD | CPU_CR8_STORE | CPU_MOV_DR | CPU_INTR_WINDOW;
	u64 cpu2 = CPU2_RDTSCP | CPU2_INVPCID | CPU2_WBINVD;
	bool ok;

	if (!p->ept)
		need |= CPU_INVLPG | CPU_CR3_LOAD | CPU_CR3_STORE;
	if (p->ept)
		cpu2 |= CPU2_EPT;
	if (p->unrestricted)
		cpu2 |= CPU2_UNRESTRICTED;
	if (p->vpid)
		cpu2 |= CPU2_VPID;

	ok = pick(c->hw[CAP_TRUE_PIN], PIN_EXT_INT | PIN_NMI, PIN_VNMI, &c->pin);
	ok &= pick(c->hw[CAP_TRUE_CPU], need, CPU_SECONDARY, &c->cpu);
	ok &= pick(c->hw[CAP_TRUE_EXIT], EXIT_HOST64 | EXIT_LOAD_EFER | EXIT_SAVE_EFER,
		   EXIT_SAVE_DEBUG | EXIT_SAVE_PAT | EXIT_LOAD_PAT, &c->exit);
	ok &= pick(c->hw[CAP_TRUE_ENTRY], ENTRY_IA32E | ENTRY_LOAD_EFER, ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT, &c->entry);
	/* Windows are opened when wanted; IA-32e mode follows EFER. */
	c->cpu &= ~(u32)CPU_INTR_WINDOW;
	c->entry &= ~(u32)ENTRY_IA32E;
	if (c->cpu & CPU_SECONDARY)
		pick(c->hw[CAP_CPU2], 0, cpu2, &c->cpu2);
	/* CR3 exiting is in the default1 class: without EPT it is needed, with EPT it must be possible to clear it. */
	if (p->ept && (c->cpu & (CPU_CR3_LOAD | CPU_CR3_STORE | CPU_INVLPG)))
		ok = false;
	return ok;
}

static u64 offered_ept_vpid(void)
{
	u64 hw = nv_caps.hw[CAP_EPT_VPID], l1 = 0;

	if (nv_params.nested_ept)
		l1 |= EVC_WALK4 | EVC_WB | EVC_2M | EVC_INVEPT | EVC_INVEPT_SINGLE | EVC_INVEPT_ALL |
		      (hw & (EVC_X_ONLY | EVC_1G | EVC_AD | EVC_UC));
	if (nv_params.vpid)
		l1 |= EVC_INVVPID | EVC_INVVPID_ADDR | EVC_INVVPID_SINGLE | EVC_INVVPID_ALL | EVC_INVVPID_KEEP;
	return l1;
}

static u64 offered_cpu2(void)
{
	struct nv_params *p = &nv_params;
	u64 may = CPU2_DESC | CPU2_RDTSCP | CPU2_WBINVD | CPU2_RDRAND | CPU2_RDSEED | CPU2_INVPCID | CPU2_PLE | CPU2_APIC_ACCESS |
		  CPU2_TSC_SCALING;

	if (p->nested_ept)
		may |= CPU2_EPT;
	if (p->nested_ept && p->unrestricted)
		may |= CPU2_UNRESTRICTED;
	/* Unrestricted guests need EPT (27.2.1.1); in shadow-on-EPT L1 has none, so it is not offered. */
	if (p->vpid)
		may |= CPU2_VPID;
	if (p->shadow_vmcs)
		may |= CPU2_SHADOW_VMCS;
	if (p->apicv)
		may |= CPU2_X2APIC | CPU2_APIC_REG | CPU2_VID;
	return offer(nv_caps.hw[CAP_CPU2], 0, may);
}

static void offer_l1(void)
{
	struct nv_caps *c = &nv_caps;
	u64 *l1 = c->l1, *hw = c->hw;
	u64 pin = PIN_EXT_INT | PIN_NMI | PIN_VNMI | PIN_PREEMPT;
	u64 cpu = CPU_INTR_WINDOW | CPU_TSC_OFFSET | CPU_HLT | CPU_INVLPG | CPU_MWAIT | CPU_RDPMC | CPU_RDTSC | CPU_CR3_LOAD |
		  CPU_CR3_STORE | CPU_CR8_LOAD | CPU_CR8_STORE | CPU_TPR_SHADOW | CPU_NMI_WINDOW | CPU_MOV_DR | CPU_UNCOND_IO |
		  CPU_IO_BITMAPS | CPU_MTF | CPU_MSR_BITMAPS | CPU_MONITOR | CPU_PAUSE | CPU_SECONDARY;
	u64 exit = EXIT_SAVE_DEBUG | EXIT_HOST64 | EXIT_ACK | EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER |
		   EXIT_SAVE_PREEMPT;
	u64 entry = ENTRY_LOAD_DEBUG | ENTRY_IA32E | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER;

	/* PIR is processed by the core itself, so posted interrupts need no support from the CPU but VID. */
	if (nv_params.apicv)
		pin |= PIN_POSTED;
	l1[CAP_BASIC] = NV_VMCS12_REV | 4096ull << 32 | 6ull << 50 | BASIC_TRUE | (hw[CAP_BASIC] & BASIC_INS_OUTS);
	l1[CAP_TRUE_PIN] = offer(hw[CAP_TRUE_PIN] | PIN_POSTED << 32, PIN_DEFAULT1, pin);
	l1[CAP_TRUE_CPU] = offer(hw[CAP_TRUE_CPU], CPU_TRUE_DEFAULT1, cpu);
	l1[CAP_TRUE_EXIT] = offer(hw[CAP_TRUE_EXIT], EXIT_TRUE_DEFAULT1 | EXIT_HOST64, exit);
	l1[CAP_TRUE_ENTRY] = offer(hw[CAP_TRUE_ENTRY], ENTRY_TRUE_DEFAULT1, entry);
	/* The plain MSRs report the default1 class as fixed (A.2). */
	l1[CAP_PIN] = l1[CAP_TRUE_PIN];
	l1[CAP_CPU] = l1[CAP_TRUE_CPU] | CPU_DEFAULT1;
	l1[CAP_EXIT] = l1[CAP_TRUE_EXIT] | EXIT_DEFAULT1;
	l1[CAP_ENTRY] = l1[CAP_TRUE_ENTRY] | ENTRY_DEFAULT1;
	l1[CAP_CPU2] = offered_cpu2();
	l1[CAP_EPT_VPID] = offered_ept_vpid();
	l1[CAP_MISC] = (hw[CAP_MISC] & (MISC_RATE | MISC_ACT_HLT | MISC_VMWRITE_ALL | MISC_INJECT_LEN0 | 7ull << 25)) |
		       ((u64)(MISC_CR3_TARGETS(hw[CAP_MISC]) < 4 ? MISC_CR3_TARGETS(hw[CAP_MISC]) : 4) << 16);
	if (nv_params.nested_ept && nv_params.unrestricted)
		l1[CAP_MISC] |= MISC_STORE_LMA;
	l1[CAP_CR0_0] = C0_PE | C0_NE | C0_PG;
	l1[CAP_CR0_1] = hw[CAP_CR0_1];
	l1[CAP_CR4_0] = C4_VMXE;
	l1[CAP_CR4_1] = hw[CAP_CR4_1] & ~(C4_SMXE | C4_LA57 | C4_CET | C4_PKS);
}

static void offer_fields(void)
{
	struct nv_caps *c = &nv_caps;
	u64 cpu2 = c->l1[CAP_CPU2] >> 32, cpu = c->l1[CAP_TRUE_CPU] >> 32, pin = c->l1[CAP_TRUE_PIN] >> 32;
	bool *n = c->needs;
	unsigned int i, top = 0;

	n[NV_N_ALWAYS] = true;
	n[NV_N_CPU2] = cpu & CPU_SECONDARY;
	n[NV_N_EPT] = cpu2 & CPU2_EPT;
	n[NV_N_VPID] = cpu2 & CPU2_VPID;
	n[NV_N_TPR_SHADOW] = cpu & CPU_TPR_SHADOW;
	n[NV_N_APIC_ACCESS] = cpu2 & CPU2_APIC_ACCESS;
	n[NV_N_VID] = cpu2 & CPU2_VID;
	n[NV_N_POSTED] = pin & PIN_POSTED;
	n[NV_N_MSR_BITMAP] = cpu & CPU_MSR_BITMAPS;
	n[NV_N_PREEMPT_TIMER] = pin & PIN_PREEMPT;
	n[NV_N_EFER] = c->l1[CAP_TRUE_ENTRY] >> 32 & ENTRY_LOAD_EFER;
	n[NV_N_PAT] = c->l1[CAP_TRUE_ENTRY] >> 32 & ENTRY_LOAD_PAT;
	n[NV_N_PLE] = cpu2 & CPU2_PLE;
	n[NV_N_SHADOW_VMCS] = cpu2 & CPU2_SHADOW_VMCS;
	n[NV_N_TSC_SCALING] = cpu2 & CPU2_TSC_SCALING;
	for (i = 0; i < NV_NFIELDS; i++) {
		unsigned int idx = nv_fields[i].enc >> 1 & 0x1ff;

		if (!n[nv_fields[i].needs])
			continue;
		if (idx > top)
			top = idx;
		if (nv_fields[i].shadow == NV_S_RW)
			c->shadow_rw[c->nrw++] = (u8)i;
		else if (nv_fields[i].shadow == NV_S_RO)
			c->shadow_ro[c->nro++] = (u8)i;
	}
	c->l1[CAP_ENUM] = top << 1;
}

int nv_global_init(void)
{
	memset(&nv_caps, 0, sizeof(nv_caps));
	read_hw();
	trim_params();
	/* Bits above MAXPHYADDR: VMX structures are limited to 32 bits when bit 48 says so (A.1). */
	nv_caps.phys_mask = nv_caps.hw[CAP_BASIC] & NV_BIT(48) ? ~0xffffffffull : ~mach_phys_mask();
	if (!set_vmcs01_controls())
		return -EOPNOTSUPP;
	offer_l1();
	offer_fields();
	return 0;
}
