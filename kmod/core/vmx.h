/* SPDX-License-Identifier: GPL-2.0-only */
/* Architectural constants (SDM 3C chapters 24-31, appendices A-C), named so as not to meet the kernel's own headers. */
#ifndef NV_VMX_H
#define NV_VMX_H

#include "types.h"

/* Basic exit reasons, appendix C */
enum nv_reason {
	XR_EXC_NMI = 0, XR_EXT_INT = 1, XR_TRIPLE = 2, XR_INIT = 3, XR_SIPI = 4, XR_INTR_WINDOW = 7, XR_NMI_WINDOW = 8,
	XR_TASK = 9, XR_CPUID = 10, XR_GETSEC = 11, XR_HLT = 12, XR_INVD = 13, XR_INVLPG = 14, XR_RDPMC = 15, XR_RDTSC = 16,
	XR_RSM = 17, XR_VMCALL = 18, XR_VMCLEAR = 19, XR_VMLAUNCH = 20, XR_VMPTRLD = 21, XR_VMPTRST = 22, XR_VMREAD = 23,
	XR_VMRESUME = 24, XR_VMWRITE = 25, XR_VMXOFF = 26, XR_VMXON = 27, XR_CR = 28, XR_DR = 29, XR_IO = 30, XR_RDMSR = 31,
	XR_WRMSR = 32, XR_INVALID_GUEST = 33, XR_MSR_LOAD = 34, XR_MWAIT = 36, XR_MTF = 37, XR_MONITOR = 39, XR_PAUSE = 40,
	XR_MCE_ENTRY = 41, XR_TPR_BELOW = 43, XR_APIC_ACCESS = 44, XR_EOI = 45, XR_GDTR_IDTR = 46, XR_LDTR_TR = 47,
	XR_EPT_VIOLATION = 48, XR_EPT_MISCONFIG = 49, XR_INVEPT = 50, XR_RDTSCP = 51, XR_PREEMPT = 52, XR_INVVPID = 53,
	XR_WBINVD = 54, XR_XSETBV = 55, XR_APIC_WRITE = 56, XR_RDRAND = 57, XR_INVPCID = 58, XR_VMFUNC = 59, XR_ENCLS = 60,
	XR_RDSEED = 61, XR_PML_FULL = 62, XR_XSAVES = 63, XR_XRSTORS = 64,
};
#define XR_FAILED_ENTRY 0x80000000u

/* VM-instruction errors, 31.4 */
enum nv_vmerr {
	VE_VMCLEAR_ADDR = 2, VE_VMCLEAR_VMXON = 3, VE_LAUNCH_NOT_CLEAR = 4, VE_RESUME_NOT_LAUNCHED = 5, VE_CONTROLS = 7,
	VE_HOST = 8, VE_PTRLD_ADDR = 9, VE_PTRLD_VMXON = 10, VE_PTRLD_REV = 11, VE_FIELD = 12, VE_READ_ONLY = 13,
	VE_VMXON_IN_ROOT = 15, VE_MOV_SS = 26, VE_INV_OPERAND = 28,
};

/* VM-entry failure qualifications, 27.8 */
enum { EQ_DEFAULT = 0, EQ_PDPTE = 2, EQ_LINK = 4 };

/* VMX aborts, 28.7 */
enum { VA_SAVE_MSR = 1, VA_PDPTE = 2, VA_LOAD_MSR = 4 };

/* Pin-based controls, 25.6.1 */
#define PIN_EXT_INT NV_BIT(0)
#define PIN_NMI NV_BIT(3)
#define PIN_VNMI NV_BIT(5)
#define PIN_PREEMPT NV_BIT(6)
#define PIN_POSTED NV_BIT(7)
#define PIN_DEFAULT1 0x16ull

/* Primary processor-based controls, 25.6.2 */
#define CPU_INTR_WINDOW NV_BIT(2)
#define CPU_TSC_OFFSET NV_BIT(3)
#define CPU_HLT NV_BIT(7)
#define CPU_INVLPG NV_BIT(9)
#define CPU_MWAIT NV_BIT(10)
#define CPU_RDPMC NV_BIT(11)
#define CPU_RDTSC NV_BIT(12)
#define CPU_CR3_LOAD NV_BIT(15)
#define CPU_CR3_STORE NV_BIT(16)
#define CPU_CR8_LOAD NV_BIT(19)
#define CPU_CR8_STORE NV_BIT(20)
#define CPU_TPR_SHADOW NV_BIT(21)
#define CPU_NMI_WINDOW NV_BIT(22)
#define CPU_MOV_DR NV_BIT(23)
#define CPU_UNCOND_IO NV_BIT(24)
#define CPU_IO_BITMAPS NV_BIT(25)
#define CPU_MTF NV_BIT(27)
#define CPU_MSR_BITMAPS NV_BIT(28)
#define CPU_MONITOR NV_BIT(29)
#define CPU_PAUSE NV_BIT(30)
#define CPU_SECONDARY NV_BIT(31)
#define CPU_DEFAULT1 0x0401e172ull
#define CPU_TRUE_DEFAULT1 0x04006172ull

/* Secondary processor-based controls */
#define CPU2_APIC_ACCESS NV_BIT(0)
#define CPU2_EPT NV_BIT(1)
#define CPU2_DESC NV_BIT(2)
#define CPU2_RDTSCP NV_BIT(3)
#define CPU2_X2APIC NV_BIT(4)
#define CPU2_VPID NV_BIT(5)
#define CPU2_WBINVD NV_BIT(6)
#define CPU2_UNRESTRICTED NV_BIT(7)
#define CPU2_APIC_REG NV_BIT(8)
#define CPU2_VID NV_BIT(9)
#define CPU2_PLE NV_BIT(10)
#define CPU2_RDRAND NV_BIT(11)
#define CPU2_INVPCID NV_BIT(12)
#define CPU2_VMFUNC NV_BIT(13)
#define CPU2_SHADOW_VMCS NV_BIT(14)
#define CPU2_RDSEED NV_BIT(16)
#define CPU2_PML NV_BIT(17)
#define CPU2_VE NV_BIT(18)
#define CPU2_XSAVES NV_BIT(20)
#define CPU2_TSC_SCALING NV_BIT(25)

/* VM-exit controls, 25.7.1 */
#define EXIT_SAVE_DEBUG NV_BIT(2)
#define EXIT_HOST64 NV_BIT(9)
#define EXIT_LOAD_PERF NV_BIT(12)
#define EXIT_ACK NV_BIT(15)
#define EXIT_SAVE_PAT NV_BIT(18)
#define EXIT_LOAD_PAT NV_BIT(19)
#define EXIT_SAVE_EFER NV_BIT(20)
#define EXIT_LOAD_EFER NV_BIT(21)
#define EXIT_SAVE_PREEMPT NV_BIT(22)
#define EXIT_DEFAULT1 0x36dffull
#define EXIT_TRUE_DEFAULT1 0x36dfbull

/* VM-entry controls, 25.8.1 */
#define ENTRY_LOAD_DEBUG NV_BIT(2)
#define ENTRY_IA32E NV_BIT(9)
#define ENTRY_SMM NV_BIT(10)
#define ENTRY_DEACT_SMM NV_BIT(11)
#define ENTRY_LOAD_PERF NV_BIT(13)
#define ENTRY_LOAD_PAT NV_BIT(14)
#define ENTRY_LOAD_EFER NV_BIT(15)
#define ENTRY_DEFAULT1 0x11ffull
#define ENTRY_TRUE_DEFAULT1 0x11fbull

/* Interruption information, 25.8.3, 25.9.2 */
#define INFO_VECTOR 0xffu
#define INFO_TYPE 0x700u
#define INFO_ERR NV_BIT(11)
#define INFO_NMI_UNBLOCK NV_BIT(12) /* exit; reserved on entry */
#define INFO_VALID 0x80000000u
#define INFO_RESERVED 0x7ffff000u /* on entry */
enum { EV_EXT = 0, EV_NMI = 2, EV_HW_EXC = 3, EV_SW_INT = 4, EV_PRIV_SW = 5, EV_SW_EXC = 6, EV_OTHER = 7 };
#define INFO_TYPE_OF(i) (((i) >> 8) & 7)
#define INFO_MAKE(type, vec) (INFO_VALID | (u32)(type) << 8 | (u32)(vec))

/* Interruptibility, 25.4.2 */
#define INTR_STI NV_BIT(0)
#define INTR_MOV_SS NV_BIT(1)
#define INTR_SMI NV_BIT(2)
#define INTR_NMI NV_BIT(3)
#define INTR_ENCLAVE NV_BIT(4)
enum { ACT_ACTIVE, ACT_HLT, ACT_SHUTDOWN, ACT_SIPI };

/* EPT, 29.3 */
#define EPT_R NV_BIT(0)
#define EPT_W NV_BIT(1)
#define EPT_X NV_BIT(2)
#define EPT_RWX (EPT_R | EPT_W | EPT_X)
#define EPT_IPAT NV_BIT(6)
#define EPT_LARGE NV_BIT(7)
#define EPT_A NV_BIT(8)
#define EPT_D NV_BIT(9)
#define EPT_WB (6ull << 3)
#define EPTP_WB 6ull
#define EPTP_WALK4 (3ull << 3)
#define EPTP_AD NV_BIT(6)
/* Exit qualification of a violation, table 28-7 */
#define EPTQ_ACCESS 7ull
#define EPTQ_LINEAR NV_BIT(7)
#define EPTQ_FINAL NV_BIT(8)
#define EPTQ_NMI_UNBLOCK NV_BIT(12)
/* IA32_VMX_EPT_VPID_CAP, A.10 */
#define EVC_X_ONLY NV_BIT(0)
#define EVC_WALK4 NV_BIT(6)
#define EVC_UC NV_BIT(8)
#define EVC_WB NV_BIT(14)
#define EVC_2M NV_BIT(16)
#define EVC_1G NV_BIT(17)
#define EVC_INVEPT NV_BIT(20)
#define EVC_AD NV_BIT(21)
#define EVC_INVEPT_SINGLE NV_BIT(25)
#define EVC_INVEPT_ALL NV_BIT(26)
#define EVC_INVVPID NV_BIT(32)
#define EVC_INVVPID_ADDR NV_BIT(40)
#define EVC_INVVPID_SINGLE NV_BIT(41)
#define EVC_INVVPID_ALL NV_BIT(42)
#define EVC_INVVPID_KEEP NV_BIT(43)
/* IA32_VMX_MISC, A.6 */
#define MISC_RATE 0x1full
#define MISC_STORE_LMA NV_BIT(5)
#define MISC_ACT_HLT NV_BIT(6)
#define MISC_CR3_TARGETS(m) (((m) >> 16) & 0x1ff)
#define MISC_MSR_LIST(m) (512u * ((((m) >> 25) & 7) + 1))
#define MISC_VMWRITE_ALL NV_BIT(29)
#define MISC_INJECT_LEN0 NV_BIT(30)
/* IA32_VMX_BASIC, A.1 */
#define BASIC_INS_OUTS NV_BIT(54)
#define BASIC_TRUE NV_BIT(55)

/* Paging entries, SDM 3A chapter 4 */
#define PT_P NV_BIT(0)
#define PT_W NV_BIT(1)
#define PT_U NV_BIT(2)
#define PT_A NV_BIT(5)
#define PT_D NV_BIT(6)
#define PT_PS NV_BIT(7)
#define PT_G NV_BIT(8)
#define PT_NX NV_BIT(63)
/* #PF error code */
#define PF_P NV_BIT(0)
#define PF_W NV_BIT(1)
#define PF_U NV_BIT(2)
#define PF_RSVD NV_BIT(3)
#define PF_I NV_BIT(4)

#define C0_PE NV_BIT(0)
#define C0_MP NV_BIT(1)
#define C0_EM NV_BIT(2)
#define C0_TS NV_BIT(3)
#define C0_ET NV_BIT(4)
#define C0_NE NV_BIT(5)
#define C0_WP NV_BIT(16)
#define C0_AM NV_BIT(18)
#define C0_NW NV_BIT(29)
#define C0_CD NV_BIT(30)
#define C0_PG NV_BIT(31)
#define C4_VME NV_BIT(0)
#define C4_PVI NV_BIT(1)
#define C4_TSD NV_BIT(2)
#define C4_DE NV_BIT(3)
#define C4_PSE NV_BIT(4)
#define C4_PAE NV_BIT(5)
#define C4_MCE NV_BIT(6)
#define C4_PGE NV_BIT(7)
#define C4_PCE NV_BIT(8)
#define C4_OSFXSR NV_BIT(9)
#define C4_OSXMM NV_BIT(10)
#define C4_UMIP NV_BIT(11)
#define C4_LA57 NV_BIT(12)
#define C4_VMXE NV_BIT(13)
#define C4_SMXE NV_BIT(14)
#define C4_FSGSBASE NV_BIT(16)
#define C4_PCIDE NV_BIT(17)
#define C4_OSXSAVE NV_BIT(18)
#define C4_SMEP NV_BIT(20)
#define C4_SMAP NV_BIT(21)
#define C4_PKE NV_BIT(22)
#define C4_CET NV_BIT(23)
#define C4_PKS NV_BIT(24)
#define EF_SCE NV_BIT(0)
#define EF_LME NV_BIT(8)
#define EF_LMA NV_BIT(10)
#define EF_NX NV_BIT(11)
#define FL_CF NV_BIT(0)
#define FL_FIXED NV_BIT(1)
#define FL_PF NV_BIT(2)
#define FL_AF NV_BIT(4)
#define FL_ZF NV_BIT(6)
#define FL_SF NV_BIT(7)
#define FL_TF NV_BIT(8)
#define FL_IF NV_BIT(9)
#define FL_DF NV_BIT(10)
#define FL_OF NV_BIT(11)
#define FL_RF NV_BIT(16)
#define FL_VM NV_BIT(17)

/* Segment access rights in a VMCS, 25.4.1 */
#define AR_TYPE 0xfu
#define AR_S NV_BIT(4)
#define AR_DPL(ar) (((ar) >> 5) & 3)
#define AR_P NV_BIT(7)
#define AR_L NV_BIT(13)
#define AR_DB NV_BIT(14)
#define AR_G NV_BIT(15)
#define AR_UNUSABLE NV_BIT(16)
#define AR_RESERVED (0xf00u | 0xfffe0000u)

enum { XV_DB = 1, XV_NMI = 2, XV_BP = 3, XV_OF = 4, XV_UD = 6, XV_NM = 7, XV_DF = 8, XV_TS = 10, XV_NP = 11, XV_SS = 12,
	XV_GP = 13, XV_PF = 14, XV_AC = 17, XV_MC = 18, XV_CP = 21 };

/* MSRs */
#define M_TSC 0x10u
#define M_APIC_BASE 0x1bu
#define M_FEATURE_CONTROL 0x3au
#define M_TSC_ADJUST 0x3bu
#define M_SPEC_CTRL 0x48u
#define M_PRED_CMD 0x49u
#define M_UCODE_WRITE 0x79u
#define M_UCODE_REV 0x8bu
#define M_SMM_MONITOR 0x9bu
#define M_SMBASE 0x9eu
#define M_SYSENTER_CS 0x174u
#define M_SYSENTER_ESP 0x175u
#define M_SYSENTER_EIP 0x176u
#define M_MISC_ENABLE 0x1a0u
#define M_DEBUGCTL 0x1d9u
#define DEBUGCTL_LBR NV_BIT(0)
#define DEBUGCTL_BTF NV_BIT(1)
#define DBG_BD NV_BIT(13) /* DR6, exit qualification and pending debug exceptions */
#define DBG_BS NV_BIT(14)
#define DR7_GD NV_BIT(13)
#define M_PAT 0x277u
#define M_PERF_GLOBAL 0x38fu
#define M_VMX_BASIC 0x480u
#define M_TSC_DEADLINE 0x6e0u
#define M_X2APIC 0x800u
#define M_X2APIC_LAST 0x8ffu
#define M_EFER 0xc0000080u
#define M_STAR 0xc0000081u
#define M_FS_BASE 0xc0000100u
#define M_GS_BASE 0xc0000101u
#define M_KERNEL_GS_BASE 0xc0000102u
#define FC_LOCKED NV_BIT(0)
#define FC_VMX_OUTSIDE_SMX NV_BIT(2)

/* nv_caps index of each capability MSR */
enum nv_cap { CAP_BASIC, CAP_PIN, CAP_CPU, CAP_EXIT, CAP_ENTRY, CAP_MISC, CAP_CR0_0, CAP_CR0_1, CAP_CR4_0, CAP_CR4_1,
	      CAP_ENUM, CAP_CPU2, CAP_EPT_VPID, CAP_TRUE_PIN, CAP_TRUE_CPU, CAP_TRUE_EXIT, CAP_TRUE_ENTRY, CAP_VMFUNC };

#endif
