/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VM-entry checks (SDM 3C chapter 27), each with a name, its section, and what must hold. V(F) is a field of vmcs12.
 * Expanded in check.c into the code that checks and into the table that names; tests and documents read the table.
 * No include guard. C_SEGn(name, sdm, SEG, what must hold) is expanded for each data segment.
 */
#ifdef C_CTL
/* 27.2.1.1 VM-execution controls */
C_CTL(pin_reserved, "27.2.1.1", nv_ctl_ok(V(PIN_CTL), cap(CAP_TRUE_PIN)))
C_CTL(cpu_reserved, "27.2.1.1", nv_ctl_ok(V(CPU_CTL), cap(CAP_TRUE_CPU)))
C_CTL(cpu2_reserved, "27.2.1.1", !(V(CPU_CTL) & CPU_SECONDARY) || nv_ctl_ok(V(CPU2_CTL), cap(CAP_CPU2)))
C_CTL(cr3_target_count, "27.2.1.1", V(CR3_TARGET_COUNT) <= MISC_CR3_TARGETS(cap(CAP_MISC)))
C_CTL(io_bitmap_a, "27.2.1.1", !(V(CPU_CTL) & CPU_IO_BITMAPS) || page_ok(V(IO_BITMAP_A)))
C_CTL(io_bitmap_b, "27.2.1.1", !(V(CPU_CTL) & CPU_IO_BITMAPS) || page_ok(V(IO_BITMAP_B)))
C_CTL(msr_bitmap, "27.2.1.1", !(V(CPU_CTL) & CPU_MSR_BITMAPS) || page_ok(V(MSR_BITMAP)))
C_CTL(virtual_apic_page, "27.2.1.1", !(V(CPU_CTL) & CPU_TPR_SHADOW) || page_ok(V(VIRT_APIC)))
C_CTL(tpr_threshold_reserved, "27.2.1.1",
	!(V(CPU_CTL) & CPU_TPR_SHADOW) || cpu2_12(v, CPU2_VID) || !(V(TPR_THRESHOLD) & ~0xfull))
C_CTL(tpr_threshold_above_vtpr, "27.2.1.1",
	!(V(CPU_CTL) & CPU_TPR_SHADOW) || cpu2_12(v, CPU2_VID | CPU2_APIC_ACCESS) || tpr_threshold_ok(v))
C_CTL(virtual_nmis_without_nmi_exiting, "27.2.1.1", (V(PIN_CTL) & PIN_NMI) || !(V(PIN_CTL) & PIN_VNMI))
C_CTL(nmi_window_without_virtual_nmis, "27.2.1.1", (V(PIN_CTL) & PIN_VNMI) || !(V(CPU_CTL) & CPU_NMI_WINDOW))
C_CTL(apic_access_page, "27.2.1.1", !cpu2_12(v, CPU2_APIC_ACCESS) || page_ok(V(APIC_ACCESS)))
C_CTL(apicv_without_tpr_shadow, "27.2.1.1",
	(V(CPU_CTL) & CPU_TPR_SHADOW) || !cpu2_12(v, CPU2_X2APIC | CPU2_APIC_REG | CPU2_VID))
C_CTL(x2apic_and_apic_access, "27.2.1.1", !cpu2_12(v, CPU2_X2APIC) || !cpu2_12(v, CPU2_APIC_ACCESS))
C_CTL(vid_without_interrupt_exiting, "27.2.1.1", !cpu2_12(v, CPU2_VID) || (V(PIN_CTL) & PIN_EXT_INT))
C_CTL(posted_without_vid, "27.2.1.1", !(V(PIN_CTL) & PIN_POSTED) || cpu2_12(v, CPU2_VID))
C_CTL(posted_without_ack, "27.2.1.1", !(V(PIN_CTL) & PIN_POSTED) || (V(EXIT_CTL) & EXIT_ACK))
C_CTL(posted_vector, "27.2.1.1", !(V(PIN_CTL) & PIN_POSTED) || V(POSTED_NV) <= 255)
C_CTL(posted_descriptor, "27.2.1.1", !(V(PIN_CTL) & PIN_POSTED) || (!(V(PI_DESC) & 63) && nv_phys_ok(V(PI_DESC))))
C_CTL(vpid_zero, "27.2.1.1", !cpu2_12(v, CPU2_VPID) || V(VPID))
C_CTL(eptp_memory_type, "27.2.1.1", !cpu2_12(v, CPU2_EPT) || eptp_type_ok(V(EPTP)))
C_CTL(eptp_walk_length, "27.2.1.1", !cpu2_12(v, CPU2_EPT) || (V(EPTP) & 0x38) == EPTP_WALK4)
C_CTL(eptp_ad, "27.2.1.1", !cpu2_12(v, CPU2_EPT) || !(V(EPTP) & EPTP_AD) || (cap(CAP_EPT_VPID) & EVC_AD))
C_CTL(eptp_reserved, "27.2.1.1", !cpu2_12(v, CPU2_EPT) || (!(V(EPTP) & 0xf80) && nv_phys_ok(V(EPTP))))
C_CTL(unrestricted_without_ept, "27.2.1.1", !cpu2_12(v, CPU2_UNRESTRICTED) || cpu2_12(v, CPU2_EPT))
C_CTL(vmread_bitmap, "27.2.1.1", !cpu2_12(v, CPU2_SHADOW_VMCS) || page_ok(V(VMREAD_BITMAP)))
C_CTL(vmwrite_bitmap, "27.2.1.1", !cpu2_12(v, CPU2_SHADOW_VMCS) || page_ok(V(VMWRITE_BITMAP)))
C_CTL(tsc_multiplier_zero, "27.2.1.1", !cpu2_12(v, CPU2_TSC_SCALING) || V(TSC_MULT))
/* 27.2.1.2 VM-exit controls */
C_CTL(exit_reserved, "27.2.1.2", nv_ctl_ok(V(EXIT_CTL), cap(CAP_TRUE_EXIT)))
C_CTL(save_timer_without_timer, "27.2.1.2", (V(PIN_CTL) & PIN_PREEMPT) || !(V(EXIT_CTL) & EXIT_SAVE_PREEMPT))
C_CTL(exit_store_list, "27.2.1.2", list_ok(V(EXIT_STORE_ADDR), V(EXIT_STORE_COUNT)))
C_CTL(exit_load_list, "27.2.1.2", list_ok(V(EXIT_LOAD_ADDR), V(EXIT_LOAD_COUNT)))
/* 27.2.1.3 VM-entry controls */
C_CTL(entry_reserved, "27.2.1.3", nv_ctl_ok(V(ENTRY_CTL), cap(CAP_TRUE_ENTRY)))
C_CTL(entry_load_list, "27.2.1.3", list_ok(V(ENTRY_LOAD_ADDR), V(ENTRY_LOAD_COUNT)))
#endif

#ifdef C_EVENT
/* 27.2.1.3, only when the valid bit is set. type, vector and info are locals. */
C_EVENT(inject_type, "27.2.1.3", type != 1 && (type != EV_OTHER || (cap(CAP_TRUE_CPU) >> 32 & CPU_MTF)))
C_EVENT(inject_vector_nmi, "27.2.1.3", type != EV_NMI || vector == 2)
C_EVENT(inject_vector_exception, "27.2.1.3", type != EV_HW_EXC || vector <= 31)
C_EVENT(inject_vector_mtf, "27.2.1.3", type != EV_OTHER || vector == 0)
C_EVENT(inject_error_code, "27.2.1.3", !!(info & INFO_ERR) == error_code_due(v, type, vector))
C_EVENT(inject_reserved, "27.2.1.3", !(info & INFO_RESERVED))
C_EVENT(inject_error_code_high, "27.2.1.3", !(info & INFO_ERR) || !(V(ENTRY_EXC_ERR) & 0xffff0000u))
C_EVENT(inject_length, "27.2.1.3", (type != EV_SW_INT && type != EV_PRIV_SW && type != EV_SW_EXC) || V(ENTRY_INSN_LEN) - 1 < 15 ||
			(!V(ENTRY_INSN_LEN) && (cap(CAP_MISC) & MISC_INJECT_LEN0)))
#endif

#ifdef C_HOST
/* 27.2.2 Host control registers and MSRs */
C_HOST(host_cr0, "27.2.2", cr_fixed(V(HOST_CR0), cap(CAP_CR0_0), cap(CAP_CR0_1)))
C_HOST(host_cr4, "27.2.2", cr_fixed(V(HOST_CR4), cap(CAP_CR4_0), cap(CAP_CR4_1)))
C_HOST(host_cr3, "27.2.2", nv_phys_ok(V(HOST_CR3)))
C_HOST(host_sysenter_esp, "27.2.2", nv_canonical(V(HOST_SYSENTER_ESP)))
C_HOST(host_sysenter_eip, "27.2.2", nv_canonical(V(HOST_SYSENTER_EIP)))
C_HOST(host_pat, "27.2.2", !(V(EXIT_CTL) & EXIT_LOAD_PAT) || pat_ok(V(HOST_PAT)))
C_HOST(host_efer_reserved, "27.2.2", !(V(EXIT_CTL) & EXIT_LOAD_EFER) || !(V(HOST_EFER) & ~(EF_SCE | EF_LME | EF_LMA | EF_NX)))
C_HOST(host_efer_lma, "27.2.2",
	!(V(EXIT_CTL) & EXIT_LOAD_EFER) || ((V(HOST_EFER) & (EF_LMA | EF_LME)) == (V(EXIT_CTL) & EXIT_HOST64 ? EF_LMA | EF_LME : 0)))
/* 27.2.3 Host segment and descriptor-table registers */
C_HOST(host_es, "27.2.3", !(V(HOST_ES_SEL) & 7))
C_HOST(host_cs, "27.2.3", !(V(HOST_CS_SEL) & 7))
C_HOST(host_ss, "27.2.3", !(V(HOST_SS_SEL) & 7))
C_HOST(host_ds, "27.2.3", !(V(HOST_DS_SEL) & 7))
C_HOST(host_fs, "27.2.3", !(V(HOST_FS_SEL) & 7))
C_HOST(host_gs, "27.2.3", !(V(HOST_GS_SEL) & 7))
C_HOST(host_tr, "27.2.3", !(V(HOST_TR_SEL) & 7))
C_HOST(host_cs_null, "27.2.3", V(HOST_CS_SEL))
C_HOST(host_tr_null, "27.2.3", V(HOST_TR_SEL))
C_HOST(host_ss_null, "27.2.3", (V(EXIT_CTL) & EXIT_HOST64) || V(HOST_SS_SEL))
C_HOST(host_fs_base, "27.2.3", nv_canonical(V(HOST_FS_BASE)))
C_HOST(host_gs_base, "27.2.3", nv_canonical(V(HOST_GS_BASE)))
C_HOST(host_gdtr_base, "27.2.3", nv_canonical(V(HOST_GDTR_BASE)))
C_HOST(host_idtr_base, "27.2.3", nv_canonical(V(HOST_IDTR_BASE)))
C_HOST(host_tr_base, "27.2.3", nv_canonical(V(HOST_TR_BASE)))
/* 27.2.4 Address-space size; L1 is in IA-32e mode whenever it can get here with the control set */
C_HOST(host_64bit, "27.2.4", !(V(EXIT_CTL) & EXIT_HOST64) == !(nv_l1_efer(v) & EF_LMA))
C_HOST(host_ia32e_guest, "27.2.4", (V(EXIT_CTL) & EXIT_HOST64) || !(V(ENTRY_CTL) & ENTRY_IA32E))
C_HOST(host_pcide, "27.2.4", (V(EXIT_CTL) & EXIT_HOST64) || !(V(HOST_CR4) & C4_PCIDE))
C_HOST(host_pae, "27.2.4", !(V(EXIT_CTL) & EXIT_HOST64) || (V(HOST_CR4) & C4_PAE))
C_HOST(host_rip, "27.2.4", V(EXIT_CTL) & EXIT_HOST64 ? nv_canonical(V(HOST_RIP)) : !(V(HOST_RIP) >> 32))
#endif

#ifdef C_HOT
/* 27.3.1.1 Guest control registers and EFER. pe, lma, vm, ur and info are locals. */
C_HOT(guest_cr0, "27.3.1.1", 0, cr_fixed(V(GUEST_CR0), cap(CAP_CR0_0) & ~(ur ? C0_PE | C0_PG : 0), cap(CAP_CR0_1)))
C_HOT(guest_cr0_pg_pe, "27.3.1.1", 0, !(V(GUEST_CR0) & C0_PG) || pe)
C_HOT(guest_cr4, "27.3.1.1", 0, cr_fixed(V(GUEST_CR4), cap(CAP_CR4_0), cap(CAP_CR4_1)))
C_HOT(guest_ia32e_paging, "27.3.1.1", 0, !lma || ((V(GUEST_CR0) & C0_PG) && (V(GUEST_CR4) & C4_PAE)))
C_HOT(guest_pcide, "27.3.1.1", 0, lma || !(V(GUEST_CR4) & C4_PCIDE))
C_HOT(guest_cr3, "27.3.1.1", 0, nv_phys_ok(V(GUEST_CR3)))
C_HOT(guest_efer_reserved, "27.3.1.1", 0,
	!(V(ENTRY_CTL) & ENTRY_LOAD_EFER) || !(V(GUEST_EFER) & ~(EF_SCE | EF_LME | EF_LMA | EF_NX)))
C_HOT(guest_efer_lma, "27.3.1.1", 0, !(V(ENTRY_CTL) & ENTRY_LOAD_EFER) || !(V(GUEST_EFER) & EF_LMA) == !lma)
C_HOT(guest_efer_lme, "27.3.1.1", 0,
	!(V(ENTRY_CTL) & ENTRY_LOAD_EFER) || !(V(GUEST_CR0) & C0_PG) || !(V(GUEST_EFER) & EF_LMA) == !(V(GUEST_EFER) & EF_LME))
/* 27.3.1.4 RIP, RFLAGS */
C_HOT(guest_rip, "27.3.1.4", 0, lma && (V(GUEST_CS_AR) & AR_L) ? nv_canonical(V(GUEST_RIP)) : !(V(GUEST_RIP) >> 32))
C_HOT(guest_rflags_reserved, "27.3.1.4", 0, (V(GUEST_RFLAGS) & (~0x3fffffull | 0x802a)) == FL_FIXED)
C_HOT(guest_rflags_vm, "27.3.1.4", 0, !vm || (!lma && pe))
C_HOT(guest_rflags_if, "27.3.1.4", 0, !injects(info, EV_EXT) || (V(GUEST_RFLAGS) & FL_IF))
/* 27.3.1.5 Non-register state */
C_HOT(activity, "27.3.1.5", 0, V(GUEST_ACTIVITY) == ACT_ACTIVE || (V(GUEST_ACTIVITY) == ACT_HLT && (cap(CAP_MISC) & MISC_ACT_HLT)))
C_HOT(activity_hlt_dpl, "27.3.1.5", 0, V(GUEST_ACTIVITY) != ACT_HLT || !AR_DPL(V(GUEST_SS_AR)))
C_HOT(activity_blocking, "27.3.1.5", 0, V(GUEST_ACTIVITY) == ACT_ACTIVE || !(V(GUEST_INTERRUPTIBILITY) & (INTR_STI | INTR_MOV_SS)))
C_HOT(activity_event, "27.3.1.5", 0, V(GUEST_ACTIVITY) != ACT_HLT || event_wakes_hlt(info))
C_HOT(interruptibility_reserved, "27.3.1.5", 0, !(V(GUEST_INTERRUPTIBILITY) & ~0xfull))
C_HOT(interruptibility_sti_and_mov_ss, "27.3.1.5", 0,
	(V(GUEST_INTERRUPTIBILITY) & (INTR_STI | INTR_MOV_SS)) != (INTR_STI | INTR_MOV_SS))
C_HOT(interruptibility_sti_if, "27.3.1.5", 0, !(V(GUEST_INTERRUPTIBILITY) & INTR_STI) || (V(GUEST_RFLAGS) & FL_IF))
C_HOT(interruptibility_external, "27.3.1.5", 0, !injects(info, EV_EXT) || !(V(GUEST_INTERRUPTIBILITY) & (INTR_STI | INTR_MOV_SS)))
/* Not 3: that is for an NMI into blocking by STI, which a CPU may refuse and we do not (27.8). */
C_HOT(interruptibility_nmi, "27.3.1.5", 0, !injects(info, EV_NMI) || !(V(GUEST_INTERRUPTIBILITY) & INTR_MOV_SS))
C_HOT(interruptibility_smi, "27.3.1.5", 0, !(V(GUEST_INTERRUPTIBILITY) & INTR_SMI))
C_HOT(interruptibility_virtual_nmi, "27.3.1.5", 0,
	!(V(PIN_CTL) & PIN_VNMI) || !injects(info, EV_NMI) || !(V(GUEST_INTERRUPTIBILITY) & INTR_NMI))
C_HOT(pending_debug_reserved, "27.3.1.5", 0, !(V(GUEST_PENDING_DBG) & ~0x500full & ~NV_BIT(16)))
C_HOT(pending_debug_bs, "27.3.1.5", 0, pending_bs_ok(v))
#endif

#ifdef C_SEG
/* 27.3.1.1 debug state and MSRs */
C_SEG(guest_dr7, "27.3.1.1", 0, !(V(ENTRY_CTL) & ENTRY_LOAD_DEBUG) || !(V(GUEST_DR7) >> 32))
C_SEG(guest_debugctl, "27.3.1.1", 0, !(V(ENTRY_CTL) & ENTRY_LOAD_DEBUG) || !(V(GUEST_DEBUGCTL) & ~0xdfc3ull))
C_SEG(guest_sysenter_esp, "27.3.1.1", 0, nv_canonical(V(GUEST_SYSENTER_ESP)))
C_SEG(guest_sysenter_eip, "27.3.1.1", 0, nv_canonical(V(GUEST_SYSENTER_EIP)))
C_SEG(guest_pat, "27.3.1.1", 0, !(V(ENTRY_CTL) & ENTRY_LOAD_PAT) || pat_ok(V(GUEST_PAT)))
/* 27.3.1.2 Segment registers: selectors, bases, limits */
C_SEG(tr_ti, "27.3.1.2", 0, !(V(GUEST_TR_SEL) & 4))
C_SEG(ldtr_ti, "27.3.1.2", 0, (V(GUEST_LDTR_AR) & AR_UNUSABLE) || !(V(GUEST_LDTR_SEL) & 4))
C_SEG(ss_rpl, "27.3.1.2", 0, vm || ur || !((V(GUEST_SS_SEL) ^ V(GUEST_CS_SEL)) & 3))
C_SEG(tr_base, "27.3.1.2", 0, nv_canonical(V(GUEST_TR_BASE)))
C_SEG(fs_base, "27.3.1.2", 0, nv_canonical(V(GUEST_FS_BASE)))
C_SEG(gs_base, "27.3.1.2", 0, nv_canonical(V(GUEST_GS_BASE)))
C_SEG(ldtr_base, "27.3.1.2", 0, (V(GUEST_LDTR_AR) & AR_UNUSABLE) || nv_canonical(V(GUEST_LDTR_BASE)))
C_SEG(cs_base, "27.3.1.2", 0, !(V(GUEST_CS_BASE) >> 32))
C_SEG(ss_base, "27.3.1.2", 0, (V(GUEST_SS_AR) & AR_UNUSABLE) || !(V(GUEST_SS_BASE) >> 32))
C_SEG(ds_base, "27.3.1.2", 0, (V(GUEST_DS_AR) & AR_UNUSABLE) || !(V(GUEST_DS_BASE) >> 32))
C_SEG(es_base, "27.3.1.2", 0, (V(GUEST_ES_AR) & AR_UNUSABLE) || !(V(GUEST_ES_BASE) >> 32))
/* Virtual-8086 mode */
#define C_VM86(s, S) \
	C_SEG(vm86_##s##_base, "27.3.1.2", 0, !vm || V(GUEST_##S##_BASE) == V(GUEST_##S##_SEL) << 4) \
	C_SEG(vm86_##s##_limit, "27.3.1.2", 0, !vm || V(GUEST_##S##_LIMIT) == 0xffff) \
	C_SEG(vm86_##s##_ar, "27.3.1.2", 0, !vm || V(GUEST_##S##_AR) == 0xf3)
C_VM86(cs, CS)
C_VM86(ss, SS)
C_VM86(ds, DS)
C_VM86(es, ES)
C_VM86(fs, FS)
C_VM86(gs, GS)
#undef C_VM86
/* CS */
C_SEG(cs_type, "27.3.1.2", 0, vm || cs_type_ok(V(GUEST_CS_AR) & AR_TYPE, ur))
C_SEG(cs_s, "27.3.1.2", 0, vm || (V(GUEST_CS_AR) & AR_S))
C_SEG(cs_dpl, "27.3.1.2", 0, vm || cs_dpl_ok(V(GUEST_CS_AR), V(GUEST_SS_AR)))
C_SEG(cs_p, "27.3.1.2", 0, vm || (V(GUEST_CS_AR) & AR_P))
C_SEG(cs_reserved, "27.3.1.2", 0, vm || !(V(GUEST_CS_AR) & AR_RESERVED))
C_SEG(cs_db, "27.3.1.2", 0, vm || !lma || !(V(GUEST_CS_AR) & AR_L) || !(V(GUEST_CS_AR) & AR_DB))
C_SEG(cs_g, "27.3.1.2", 0, vm || limit_ok(V(GUEST_CS_LIMIT), V(GUEST_CS_AR)))
/* SS */
C_SEG(ss_type, "27.3.1.2", 0, vm || skip(V(GUEST_SS_AR)) || (V(GUEST_SS_AR) & AR_TYPE) == 3 || (V(GUEST_SS_AR) & AR_TYPE) == 7)
C_SEG(ss_s, "27.3.1.2", 0, vm || skip(V(GUEST_SS_AR)) || (V(GUEST_SS_AR) & AR_S))
C_SEG(ss_dpl_rpl, "27.3.1.2", 0, vm || ur || AR_DPL(V(GUEST_SS_AR)) == (V(GUEST_SS_SEL) & 3))
C_SEG(ss_dpl_zero, "27.3.1.2", 0, vm || (pe && (V(GUEST_CS_AR) & AR_TYPE) != 3) || !AR_DPL(V(GUEST_SS_AR)))
C_SEG(ss_p, "27.3.1.2", 0, vm || skip(V(GUEST_SS_AR)) || (V(GUEST_SS_AR) & AR_P))
C_SEG(ss_reserved, "27.3.1.2", 0, vm || skip(V(GUEST_SS_AR)) || !(V(GUEST_SS_AR) & AR_RESERVED))
C_SEG(ss_g, "27.3.1.2", 0, vm || skip(V(GUEST_SS_AR)) || limit_ok(V(GUEST_SS_LIMIT), V(GUEST_SS_AR)))
/* DS, ES, FS, GS */
#define C_DATA(s, S) \
	C_SEG(s##_type, "27.3.1.2", 0, vm || skip(V(GUEST_##S##_AR)) || data_type_ok(V(GUEST_##S##_AR) & AR_TYPE)) \
	C_SEG(s##_s, "27.3.1.2", 0, vm || skip(V(GUEST_##S##_AR)) || (V(GUEST_##S##_AR) & AR_S)) \
	C_SEG(s##_dpl, "27.3.1.2", 0, vm || ur || skip(V(GUEST_##S##_AR)) || data_dpl_ok(V(GUEST_##S##_AR), V(GUEST_##S##_SEL))) \
	C_SEG(s##_p, "27.3.1.2", 0, vm || skip(V(GUEST_##S##_AR)) || (V(GUEST_##S##_AR) & AR_P)) \
	C_SEG(s##_reserved, "27.3.1.2", 0, vm || skip(V(GUEST_##S##_AR)) || !(V(GUEST_##S##_AR) & AR_RESERVED)) \
	C_SEG(s##_g, "27.3.1.2", 0, vm || skip(V(GUEST_##S##_AR)) || limit_ok(V(GUEST_##S##_LIMIT), V(GUEST_##S##_AR)))
C_DATA(ds, DS)
C_DATA(es, ES)
C_DATA(fs, FS)
C_DATA(gs, GS)
#undef C_DATA
/* TR, LDTR */
C_SEG(tr_type, "27.3.1.2", 0, (V(GUEST_TR_AR) & AR_TYPE) == 11 || (!lma && (V(GUEST_TR_AR) & AR_TYPE) == 3))
C_SEG(tr_s, "27.3.1.2", 0, !(V(GUEST_TR_AR) & AR_S))
C_SEG(tr_p, "27.3.1.2", 0, V(GUEST_TR_AR) & AR_P)
C_SEG(tr_reserved, "27.3.1.2", 0, !(V(GUEST_TR_AR) & AR_RESERVED))
C_SEG(tr_g, "27.3.1.2", 0, limit_ok(V(GUEST_TR_LIMIT), V(GUEST_TR_AR)))
C_SEG(tr_usable, "27.3.1.2", 0, !(V(GUEST_TR_AR) & AR_UNUSABLE))
C_SEG(ldtr_type, "27.3.1.2", 0, skip(V(GUEST_LDTR_AR)) || (V(GUEST_LDTR_AR) & AR_TYPE) == 2)
C_SEG(ldtr_s, "27.3.1.2", 0, skip(V(GUEST_LDTR_AR)) || !(V(GUEST_LDTR_AR) & AR_S))
C_SEG(ldtr_p, "27.3.1.2", 0, skip(V(GUEST_LDTR_AR)) || (V(GUEST_LDTR_AR) & AR_P))
C_SEG(ldtr_reserved, "27.3.1.2", 0, skip(V(GUEST_LDTR_AR)) || !(V(GUEST_LDTR_AR) & AR_RESERVED))
C_SEG(ldtr_g, "27.3.1.2", 0, skip(V(GUEST_LDTR_AR)) || limit_ok(V(GUEST_LDTR_LIMIT), V(GUEST_LDTR_AR)))
/* 27.3.1.3 Descriptor-table registers */
C_SEG(gdtr_base, "27.3.1.3", 0, nv_canonical(V(GUEST_GDTR_BASE)))
C_SEG(idtr_base, "27.3.1.3", 0, nv_canonical(V(GUEST_IDTR_BASE)))
C_SEG(gdtr_limit, "27.3.1.3", 0, V(GUEST_GDTR_LIMIT) <= 0xffff)
C_SEG(idtr_limit, "27.3.1.3", 0, V(GUEST_IDTR_LIMIT) <= 0xffff)
/* 27.3.1.5 VMCS link pointer */
C_SEG(link_aligned, "27.3.1.5", EQ_LINK, V(VMCS_LINK) == NV_NOMAP || page_ok(V(VMCS_LINK)))
C_SEG(link_revision, "27.3.1.5", EQ_LINK, V(VMCS_LINK) == NV_NOMAP || link_rev_ok(v))
#endif

#ifdef C_PDPTE
/* 27.3.1.6 Page-directory-pointer-table entries */
C_PDPTE(pdptes, "27.3.1.6", EQ_PDPTE, !has_pdptes(v) || pdptes_ok(v))
#endif
