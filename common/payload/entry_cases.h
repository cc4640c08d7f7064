/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMCSs that are wrong in one named way, and some that are right. One table for the core's hosted tests and for the payload, which
 * runs them on whatever CPU or hypervisor is below it; the outcomes must agree.
 *
 * EC(name, encoding, op, value, outcome)
 *   applied to a VMCS that enters a 64-bit guest (the one of l1_start_l2() or mock_good_vmcs12()): SET the field to value, OR it,
 *   AND it with ~value (CLR), or XOR it
 *   outcome: OK the entry succeeds; CTL VMfail 7; HOST VMfail 8; GUEST failed entry, reason 33
 * EC2 makes a second change first: EC2(name, encoding, op, value, encoding2, op2, value2, outcome)
 * No include guard.
 */
#ifndef EC2
#define EC2(name, e1, o1, v1, e2, o2, v2, outcome)
#define EC2_UNDEF
#endif
EC(good, 0x681e, OR, 0, OK)
/* reserved bits of the controls: each bit that is fixed, cleared or set */
#define EC_CLR(name, enc, bit) EC(name##_clear_##bit, enc, CLR, 1ull << bit, CTL)
#define EC_SETB(name, enc, bit) EC(name##_set_##bit, enc, OR, 1ull << bit, CTL)
EC_CLR(pin, 0x4000, 1) EC_CLR(pin, 0x4000, 2) EC_CLR(pin, 0x4000, 4)
EC_SETB(pin, 0x4000, 8) EC_SETB(pin, 0x4000, 9) EC_SETB(pin, 0x4000, 15) EC_SETB(pin, 0x4000, 16) EC_SETB(pin, 0x4000, 24) EC_SETB(pin, 0x4000, 31)
EC_CLR(cpu, 0x4002, 1) EC_CLR(cpu, 0x4002, 4) EC_CLR(cpu, 0x4002, 5) EC_CLR(cpu, 0x4002, 6) EC_CLR(cpu, 0x4002, 8) EC_CLR(cpu, 0x4002, 13)
EC_CLR(cpu, 0x4002, 14) EC_CLR(cpu, 0x4002, 26)
EC_SETB(cpu, 0x4002, 0) EC_SETB(cpu, 0x4002, 17) EC_SETB(cpu, 0x4002, 18)
EC_CLR(exit, 0x400c, 0) EC_CLR(exit, 0x400c, 1) EC_CLR(exit, 0x400c, 3) EC_CLR(exit, 0x400c, 4) EC_CLR(exit, 0x400c, 5) EC_CLR(exit, 0x400c, 6)
EC_CLR(exit, 0x400c, 7) EC_CLR(exit, 0x400c, 8) EC_CLR(exit, 0x400c, 10) EC_CLR(exit, 0x400c, 11) EC_CLR(exit, 0x400c, 13) EC_CLR(exit, 0x400c, 14)
EC_CLR(exit, 0x400c, 16) EC_CLR(exit, 0x400c, 17)
EC_SETB(exit, 0x400c, 26) EC_SETB(exit, 0x400c, 27) EC_SETB(exit, 0x400c, 30) EC_SETB(exit, 0x400c, 31)
EC_CLR(entry, 0x4012, 0) EC_CLR(entry, 0x4012, 1) EC_CLR(entry, 0x4012, 3) EC_CLR(entry, 0x4012, 4) EC_CLR(entry, 0x4012, 5) EC_CLR(entry, 0x4012, 6)
EC_CLR(entry, 0x4012, 7) EC_CLR(entry, 0x4012, 8) EC_CLR(entry, 0x4012, 12)
EC_SETB(entry, 0x4012, 10) EC_SETB(entry, 0x4012, 11) EC_SETB(entry, 0x4012, 19) EC_SETB(entry, 0x4012, 24) EC_SETB(entry, 0x4012, 31)
/* relations between controls */
EC(cr3_target_count_5, 0x400a, SET, 5, CTL)
EC(cr3_target_count_4, 0x400a, SET, 4, OK)
EC(cr3_target_count_max, 0x400a, SET, 0xffffffff, CTL)
EC2(io_bitmap_a_unaligned, 0x4002, OR, 1ull << 25, 0x2000, SET, 0x14001, CTL)
EC2(io_bitmap_a_beyond, 0x4002, OR, 1ull << 25, 0x2000, SET, 1ull << 60, CTL)
EC2(io_bitmap_b_unaligned, 0x4002, OR, 1ull << 25, 0x2002, SET, 0x14800, CTL)
EC2(io_bitmap_b_beyond, 0x4002, OR, 1ull << 25, 0x2002, SET, 1ull << 52, CTL)
EC2(msr_bitmap_unaligned, 0x4002, OR, 1ull << 28, 0x2004, SET, 0x13010, CTL)
EC2(msr_bitmap_beyond, 0x4002, OR, 1ull << 28, 0x2004, SET, 1ull << 63, CTL)
EC2(virtual_apic_unaligned, 0x4002, OR, 1ull << 21, 0x2012, SET, 0x16008, CTL)
EC2(virtual_apic_beyond, 0x4002, OR, 1ull << 21, 0x2012, SET, 1ull << 55, CTL)
EC2(tpr_threshold_reserved_4, 0x4002, OR, 1ull << 21, 0x401c, SET, 0x10, CTL)
EC2(tpr_threshold_reserved_31, 0x4002, OR, 1ull << 21, 0x401c, SET, 0x80000000, CTL)
EC(virtual_nmis_alone, 0x4000, OR, 1ull << 5, CTL)
EC2(virtual_nmis_with_nmi, 0x4000, OR, 1ull << 3 | 1ull << 5, 0x4002, OR, 0, OK)
EC(nmi_window_alone, 0x4002, OR, 1ull << 22, CTL)
EC2(nmi_window_nmi_exiting_only, 0x4000, OR, 1ull << 3, 0x4002, OR, 1ull << 22, CTL)
EC(save_timer_alone, 0x400c, OR, 1ull << 22, CTL)
EC(ext_int_exiting, 0x4000, OR, 1, OK)
EC(ack_without_exiting, 0x400c, OR, 1ull << 15, OK)
/* MSR lists */
EC2(exit_store_unaligned, 0x400e, SET, 1, 0x2006, SET, 0x19008, CTL)
EC2(exit_store_beyond, 0x400e, SET, 1, 0x2006, SET, 1ull << 52, CTL)
EC2(exit_store_end_beyond, 0x400e, SET, 0x1000, 0x2006, SET, ~0ull << 8, CTL)
EC2(exit_load_unaligned, 0x4010, SET, 1, 0x2008, SET, 0x19001, CTL)
EC2(exit_load_beyond, 0x4010, SET, 1, 0x2008, SET, 1ull << 56, CTL)
EC2(entry_load_unaligned, 0x4014, SET, 1, 0x200a, SET, 0x19004, CTL)
EC2(entry_load_beyond, 0x4014, SET, 1, 0x200a, SET, 1ull << 62, CTL)
EC(exit_store_unused_address, 0x2006, SET, 0x19001, OK)
/* event injection */
#define EC_EV(name, info, outcome) EC(inject_##name, 0x4016, SET, info, outcome)
EC_EV(type_1, 0x80000120, CTL)
EC_EV(nmi_vector_3, 0x80000203, CTL)
EC_EV(nmi_vector_0, 0x80000200, CTL)
EC_EV(exception_32, 0x80000320, CTL)
EC_EV(exception_255, 0x800003ff, CTL)
EC_EV(other_vector_1, 0x80000701, CTL)
EC_EV(ud_with_error, 0x80000b06, CTL)
EC_EV(gp_without_error, 0x8000030d, CTL)
EC_EV(df_without_error, 0x80000308, CTL)
EC_EV(ts_without_error, 0x8000030a, CTL)
EC_EV(np_without_error, 0x8000030b, CTL)
EC_EV(ss_without_error, 0x8000030c, CTL)
EC_EV(pf_without_error, 0x8000030e, CTL)
EC_EV(ac_without_error, 0x80000311, CTL)
EC_EV(de_with_error, 0x80000b00, CTL)
EC_EV(bp_exc_with_error, 0x80000b03, CTL)
EC_EV(mc_with_error, 0x80000b12, CTL)
EC_EV(interrupt_with_error, 0x80000820, CTL)
EC_EV(nmi_with_error, 0x80000a02, CTL)
EC_EV(reserved_12, 0x80001202, CTL)
EC_EV(reserved_16, 0x80010202, CTL)
EC_EV(reserved_30, 0xc0000202, CTL)
EC2(inject_error_code_16, 0x4018, SET, 0x10000, 0x4016, SET, 0x80000b0d, CTL)
EC2(inject_error_code_31, 0x4018, SET, 0x80000000, 0x4016, SET, 0x80000b0d, CTL)
EC2(inject_length_0, 0x401a, SET, 0, 0x4016, SET, 0x80000480, CTL)
EC2(inject_length_16, 0x401a, SET, 16, 0x4016, SET, 0x80000480, CTL)
EC2(inject_soft_exc_length_16, 0x401a, SET, 16, 0x4016, SET, 0x80000603, CTL)
EC2(inject_priv_length_0, 0x401a, SET, 0, 0x4016, SET, 0x80000501, CTL)
EC(inject_invalid_ignored, 0x4016, SET, 0x7ffff1ff, OK)
/* host state: fixed bits, addresses, selectors */
EC(host_cr0_pe, 0x6c00, CLR, 1, HOST) EC(host_cr0_ne, 0x6c00, CLR, 1ull << 5, HOST) EC(host_cr0_pg, 0x6c00, CLR, 1ull << 31, HOST)
EC(host_cr0_high, 0x6c00, OR, 1ull << 32, HOST) EC(host_cr0_wp, 0x6c00, XOR, 1ull << 16, OK)
EC(host_cr4_vmxe, 0x6c04, CLR, 1ull << 13, HOST) EC(host_cr4_pae, 0x6c04, CLR, 1ull << 5, HOST)
EC(host_cr4_11, 0x6c04, OR, 1ull << 15, HOST) EC(host_cr4_19, 0x6c04, OR, 1ull << 19, HOST) EC(host_cr4_high, 0x6c04, OR, 1ull << 32, HOST)
EC(host_cr3_52, 0x6c02, OR, 1ull << 52, HOST) EC(host_cr3_63, 0x6c02, OR, 1ull << 63, HOST)
#define EC_CANON(name, enc) EC(name##_noncanonical, enc, SET, 0x8000000000000000, HOST) EC(name##_noncanonical_47, enc, SET, 0x0000800000000000, HOST) \
    EC(name##_noncanonical_high, enc, SET, 0xffff000000000000, HOST) EC(name##_canonical_high, enc, SET, 0xffff800000000000, OK)
EC_CANON(host_sysenter_esp, 0x6c10) EC_CANON(host_sysenter_eip, 0x6c12)
EC(host_fs_base_noncanonical, 0x6c06, SET, 0x0000800000000000, HOST)
EC(host_gs_base_noncanonical, 0x6c08, SET, 0x0000800000000000, HOST)
EC(host_tr_base_noncanonical, 0x6c0a, SET, 0x0000800000000000, HOST)
EC(host_gdtr_base_noncanonical, 0x6c0c, SET, 0x0000800000000000, HOST)
EC(host_idtr_base_noncanonical, 0x6c0e, SET, 0x0000800000000000, HOST)
EC(host_rip_noncanonical, 0x6c16, SET, 0x0000800000000000, HOST)
#define EC_SEL(s, enc) EC(host_##s##_rpl_1, enc, OR, 1, HOST) EC(host_##s##_rpl_2, enc, OR, 2, HOST) EC(host_##s##_ti, enc, OR, 4, HOST)
EC_SEL(es, 0xc00) EC_SEL(cs, 0xc02) EC_SEL(ss, 0xc04) EC_SEL(ds, 0xc06) EC_SEL(fs, 0xc08) EC_SEL(gs, 0xc0a) EC_SEL(tr, 0xc0c)
EC(host_cs_null, 0xc02, SET, 0, HOST) EC(host_tr_null, 0xc0c, SET, 0, HOST) EC(host_ss_null, 0xc04, SET, 0, OK) EC(host_ds_null, 0xc06, SET, 0, OK)
#define EC_PAT(name, value, outcome, ctlenc, ctlbit, patenc) EC2(name, ctlenc, OR, 1ull << ctlbit, patenc, SET, value, outcome)
EC_PAT(host_pat_2, 0x0007040600070402, HOST, 0x400c, 19, 0x2c00) EC_PAT(host_pat_3, 0x0307040600070406, HOST, 0x400c, 19, 0x2c00)
EC_PAT(host_pat_8, 0x0007040800070406, HOST, 0x400c, 19, 0x2c00) EC_PAT(host_pat_good, 0x0007040600070406, OK, 0x400c, 19, 0x2c00)
EC2(host_efer_reserved_1, 0x400c, OR, 1ull << 21, 0x2c02, SET, 0x502, HOST)
EC2(host_efer_reserved_12, 0x400c, OR, 1ull << 21, 0x2c02, SET, 0x1500, HOST)
EC2(host_efer_no_lma, 0x400c, OR, 1ull << 21, 0x2c02, SET, 0x100, HOST)
EC2(host_efer_no_lme, 0x400c, OR, 1ull << 21, 0x2c02, SET, 0x400, HOST)
EC2(host_efer_none, 0x400c, OR, 1ull << 21, 0x2c02, SET, 0, HOST)
EC2(host_efer_good, 0x400c, OR, 1ull << 21, 0x2c02, SET, 0x500, OK)
/* guest control registers and MSRs */
EC(guest_cr0_ne, 0x6800, CLR, 1ull << 5, GUEST) EC(guest_cr0_pe, 0x6800, CLR, 1, GUEST) EC(guest_cr0_pg, 0x6800, CLR, 1ull << 31, GUEST)
EC(guest_cr0_high, 0x6800, OR, 1ull << 32, GUEST)
EC(guest_cr4_vmxe, 0x6804, CLR, 1ull << 13, GUEST) EC(guest_cr4_pae, 0x6804, CLR, 1ull << 5, GUEST) EC(guest_cr4_15, 0x6804, OR, 1ull << 15, GUEST)
EC(guest_cr4_19, 0x6804, OR, 1ull << 19, GUEST) EC(guest_cr4_high, 0x6804, OR, 1ull << 40, GUEST)
EC(guest_cr3_52, 0x6802, OR, 1ull << 52, GUEST) EC(guest_cr3_62, 0x6802, OR, 1ull << 62, GUEST)
EC2(guest_dr7_32, 0x4012, OR, 4, 0x681a, OR, 1ull << 32, GUEST)
EC2(guest_dr7_63, 0x4012, OR, 4, 0x681a, OR, 1ull << 63, GUEST)
EC2(guest_debugctl_2, 0x4012, OR, 4, 0x2802, SET, 4, GUEST)
EC2(guest_debugctl_16, 0x4012, OR, 4, 0x2802, SET, 1ull << 16, GUEST)
EC(guest_sysenter_esp, 0x6824, SET, 0x0000800000000000, GUEST) EC(guest_sysenter_eip, 0x6826, SET, 0x8000000000000000, GUEST)
EC_PAT(guest_pat_2, 0x0007040600070402, GUEST, 0x4012, 14, 0x2804) EC_PAT(guest_pat_3, 0x0307040600070406, GUEST, 0x4012, 14, 0x2804)
EC_PAT(guest_pat_8, 0x0008040600070406, GUEST, 0x4012, 14, 0x2804) EC_PAT(guest_pat_good, 0x0606060606060606, OK, 0x4012, 14, 0x2804)
EC2(guest_efer_reserved_1, 0x4012, OR, 1ull << 15, 0x2806, SET, 0x502, GUEST)
EC2(guest_efer_reserved_63, 0x4012, OR, 1ull << 15, 0x2806, SET, 1ull << 63 | 0x500, GUEST)
EC2(guest_efer_no_lma, 0x4012, OR, 1ull << 15, 0x2806, SET, 0x100, GUEST)
EC2(guest_efer_no_lme, 0x4012, OR, 1ull << 15, 0x2806, SET, 0x400, GUEST)
EC2(guest_efer_good, 0x4012, OR, 1ull << 15, 0x2806, SET, 0x501, OK)
EC(guest_ia32e_clear, 0x4012, CLR, 1ull << 9, GUEST)
/* guest segments */
EC(tr_ti, 0x80e, OR, 4, GUEST) EC2(ldtr_ti, 0x4820, SET, 0x82, 0x80c, SET, 4, GUEST) EC(ldtr_ti_unusable, 0x80c, OR, 4, OK)
EC(tr_base, 0x6814, SET, 0x0000800000000000, GUEST) EC(fs_base, 0x680e, SET, 0x0000800000000000, GUEST) EC(gs_base, 0x6810, SET, 0x0000800000000000, GUEST)
EC(fs_base_high, 0x680e, SET, 0xffff800000000000, OK) EC(gs_base_high, 0x6810, SET, 0xffff800000000000, OK)
EC2(ldtr_base, 0x4820, SET, 0x82, 0x6812, SET, 0x0000800000000000, GUEST)
EC(cs_base_32, 0x6808, OR, 1ull << 32, GUEST) EC(ss_base_32, 0x680a, OR, 1ull << 32, GUEST) EC(ds_base_32, 0x680c, OR, 1ull << 32, GUEST)
EC(es_base_32, 0x6806, OR, 1ull << 32, GUEST)
#define EC_CSTYPE(t, outcome) EC(cs_type_##t, 0x4816, SET, 0xa090 | t, outcome)
EC_CSTYPE(0, GUEST) EC_CSTYPE(1, GUEST) EC_CSTYPE(2, GUEST) EC_CSTYPE(4, GUEST) EC_CSTYPE(5, GUEST) EC_CSTYPE(6, GUEST) EC_CSTYPE(7, GUEST) EC_CSTYPE(8, GUEST)
EC_CSTYPE(9, OK) EC_CSTYPE(10, GUEST) EC_CSTYPE(11, OK) EC_CSTYPE(12, GUEST) EC_CSTYPE(13, OK) EC_CSTYPE(14, GUEST) EC_CSTYPE(15, OK)
EC(cs_system, 0x4816, CLR, 0x10, GUEST) EC(cs_dpl_3, 0x4816, OR, 0x60, GUEST) EC(cs_absent, 0x4816, CLR, 0x80, GUEST) EC(cs_l_and_d, 0x4816, OR, 1ull << 14, GUEST)
EC(cs_reserved_8, 0x4816, OR, 1ull << 8, GUEST) EC(cs_reserved_11, 0x4816, OR, 1ull << 11, GUEST) EC(cs_reserved_17, 0x4816, OR, 1ull << 17, GUEST)
EC(cs_reserved_31, 0x4816, OR, 1ull << 31, GUEST) EC(cs_g_low, 0x4802, SET, 0xfffff000, GUEST) EC(cs_no_g_high, 0x4816, CLR, 1ull << 15, GUEST)
#define EC_SSTYPE(t, outcome) EC(ss_type_##t, 0x4818, SET, 0xc090 | t, outcome)
EC_SSTYPE(0, GUEST) EC_SSTYPE(1, GUEST) EC_SSTYPE(2, GUEST) EC_SSTYPE(3, OK) EC_SSTYPE(4, GUEST) EC_SSTYPE(5, GUEST) EC_SSTYPE(6, GUEST) EC_SSTYPE(7, OK)
EC_SSTYPE(9, GUEST) EC_SSTYPE(11, GUEST) EC_SSTYPE(15, GUEST)
#define EC_DATA(s, ar, limit, sel) \
    EC(s##_type_0, ar, SET, 0xc090, GUEST) EC(s##_type_2, ar, SET, 0xc092, GUEST) EC(s##_type_9, ar, SET, 0xc099, GUEST) \
    EC(s##_type_1, ar, SET, 0xc091, OK) EC(s##_type_11, ar, SET, 0xc09b, OK) EC(s##_system, ar, CLR, 0x10, GUEST) EC(s##_absent, ar, CLR, 0x80, GUEST) \
    EC(s##_reserved_8, ar, OR, 1ull << 8, GUEST) EC(s##_reserved_20, ar, OR, 1ull << 20, GUEST) EC(s##_no_g_high, ar, CLR, 1ull << 15, GUEST) \
    EC(s##_g_low, limit, SET, 0xfffffffe, GUEST) EC2(s##_unusable, ar, SET, 0x10000, limit, SET, 0x12345678, OK)
EC_DATA(ds, 0x481a, 0x4806, 0x806) EC_DATA(es, 0x4814, 0x4800, 0x800) EC_DATA(fs, 0x481c, 0x4808, 0x808) EC_DATA(gs, 0x481e, 0x480a, 0x80a)
EC(ss_system, 0x4818, CLR, 0x10, GUEST) EC(ss_absent, 0x4818, CLR, 0x80, GUEST) EC(ss_reserved_9, 0x4818, OR, 1ull << 9, GUEST)
EC(ss_no_g_high, 0x4818, CLR, 1ull << 15, GUEST)
EC(tr_type_3, 0x4822, SET, 0x83, GUEST) EC(tr_type_9, 0x4822, SET, 0x89, GUEST) EC(tr_type_2, 0x4822, SET, 0x82, GUEST) EC(tr_s, 0x4822, OR, 0x10, GUEST)
EC(tr_absent, 0x4822, CLR, 0x80, GUEST) EC(tr_unusable, 0x4822, OR, 1ull << 16, GUEST) EC(tr_reserved_10, 0x4822, OR, 1ull << 10, GUEST)
EC(tr_no_g_high, 0x480e, SET, 0x100000, GUEST) EC2(tr_g_low, 0x4822, OR, 1ull << 15, 0x480e, SET, 0x67, GUEST)
EC(ldtr_type_3, 0x4820, SET, 0x83, GUEST) EC(ldtr_s, 0x4820, SET, 0x92, GUEST) EC(ldtr_absent, 0x4820, SET, 0x02, GUEST)
EC(ldtr_reserved_8, 0x4820, SET, 0x182, GUEST)
EC(gdtr_base, 0x6816, SET, 0x0000800000000000, GUEST) EC(idtr_base, 0x6818, SET, 0x0000800000000000, GUEST)
EC(gdtr_limit, 0x4810, SET, 0x10000, GUEST) EC(idtr_limit, 0x4812, SET, 0x80000000, GUEST)
/* RIP, RFLAGS */
EC(rflags_bit1, 0x6820, CLR, 2, GUEST) EC(rflags_3, 0x6820, OR, 1ull << 3, GUEST) EC(rflags_5, 0x6820, OR, 1ull << 5, GUEST) EC(rflags_15, 0x6820, OR, 1ull << 15, GUEST)
EC(rflags_22, 0x6820, OR, 1ull << 22, GUEST) EC(rflags_63, 0x6820, OR, 1ull << 63, GUEST) EC(rflags_vm, 0x6820, OR, 1ull << 17, GUEST)
EC(inject_interrupt_if_0, 0x4016, SET, 0x80000020, GUEST)
/* non-register state */
EC(activity_4, 0x4826, SET, 4, GUEST) EC(activity_max, 0x4826, SET, 0xffffffff, GUEST)
EC2(activity_hlt_sti, 0x4824, SET, 1, 0x4826, SET, 1, GUEST) EC2(activity_hlt_mov_ss, 0x4824, SET, 2, 0x4826, SET, 1, GUEST)
EC2(activity_hlt_injects_ud, 0x4016, SET, 0x80000306, 0x4826, SET, 1, GUEST)
EC(interruptibility_5, 0x4824, OR, 1ull << 5, GUEST) EC(interruptibility_31, 0x4824, OR, 1ull << 31, GUEST) EC(interruptibility_both, 0x4824, SET, 3, GUEST)
EC(interruptibility_sti_if_0, 0x4824, SET, 1, GUEST) EC(interruptibility_smi, 0x4824, SET, 4, GUEST) EC(interruptibility_mov_ss, 0x4824, SET, 2, OK)
EC2(interruptibility_nmi_mov_ss, 0x4824, SET, 2, 0x4016, SET, 0x80000202, GUEST)
EC(pending_debug_4, 0x6822, SET, 1ull << 4, GUEST) EC(pending_debug_11, 0x6822, SET, 1ull << 11, GUEST) EC(pending_debug_13, 0x6822, SET, 1ull << 13, GUEST)
EC(pending_debug_63, 0x6822, SET, 1ull << 63, GUEST)
EC2(pending_debug_bs_without_tf, 0x4824, SET, 2, 0x6822, SET, 1ull << 14, GUEST)
EC2(pending_debug_tf_without_bs, 0x4824, SET, 2, 0x6820, OR, 1ull << 8, GUEST)
EC(link_unaligned, 0x2800, SET, 0x1a008, GUEST) EC(link_beyond, 0x2800, SET, 1ull << 52, GUEST)
/* with EPT, where it is in use */
#ifdef EC_EPT
EC_EPT(eptp_type_1, 0x201a, XOR, 7, CTL) EC_EPT(eptp_type_7, 0x201a, OR, 1, CTL) EC_EPT(eptp_walk_3, 0x201a, XOR, 8, CTL) EC_EPT(eptp_walk_5, 0x201a, XOR, 0x38, CTL)
EC_EPT(eptp_7, 0x201a, OR, 1ull << 8, CTL) EC_EPT(eptp_11, 0x201a, OR, 1ull << 11, CTL) EC_EPT(eptp_52, 0x201a, OR, 1ull << 52, CTL) EC_EPT(eptp_63, 0x201a, OR, 1ull << 63, CTL)
EC_EPT(vpid_zero, 0x401e, OR, 1ull << 5, CTL) EC_EPT(vid_without_tpr_shadow, 0x401e, OR, 1ull << 9, CTL) EC_EPT(x2apic_without_tpr_shadow, 0x401e, OR, 1ull << 4, CTL)
EC_EPT(apic_reg_without_tpr_shadow, 0x401e, OR, 1ull << 8, CTL) EC_EPT(cpu2_set_31, 0x401e, OR, 1ull << 31, CTL)
#endif
#undef EC_CLR
#undef EC_SETB
#undef EC_EV
#undef EC_CANON
#undef EC_SEL
#undef EC_PAT
#undef EC_CSTYPE
#undef EC_SSTYPE
#undef EC_DATA
#ifdef EC2_UNDEF
#undef EC2
#undef EC2_UNDEF
#endif
