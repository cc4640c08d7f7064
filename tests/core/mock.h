/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mock machine below kmod/core: VMCSs, L1's memory, tables, a TLB that keeps translations until it is told to forget them,
 * and checks that what the core does is allowed. A violated rule aborts: tests and fuzzers see it at once.
 */
#pragma once

#include "../../kmod/core/internal.h"

#define MOCK_RAM (4ull << 20) /* at gpa 0 */
#define MOCK_MMIO 0xfee00000ull
#define MOCK_TLB 64
#define EPTP_ADDR 0x000ffffffffff000ull
/* Host memory behind L1's page: far from gpa, so that one is not taken for the other, and aligned for large pages. */
#define HPA_BASE 0x2ec2c0000000ull

struct mock_tlb {
	bool used;
	u16 vpid;
	u64 eptp, gpa, hpa; /* without EPT: 0, linear address */
	u32 perm; /* EPT_RWX; without EPT: PF_W PF_U PF_I */
	u64 cr3; /* without EPT: what the guest had there */
	u16 owner; /* VPID that L1 gave L2, 0: none */
	u32 born; /* M.serial then */
};

struct mock {
	struct nv_vm vm;
	struct nv_vcpu v;
	u8 *ram;
	u8 pins[MOCK_RAM / 4096];
	bool gone[MOCK_RAM / 4096]; /* taken away by the host */
	bool rom[MOCK_RAM / 4096];
	bool large; /* the host has 2 MiB pages where it can */
	u64 msr[0x3000]; /* VMX capability MSRs by low bits */
	u32 wrote[MOCK_RAM / 4096], serial; /* when L1's page was last written, by whom ever; a clock of events */
	u32 entry02; /* when L2 was entered, 0: L1 runs */
	u64 tsc, seq;
	bool locked, notifier_active;
	long pages, allocs; /* live */
	long fail_in, fail_map_in, fail_backing_in; /* the how many'th allocation, pin, look for memory fails; 0: none */
	unsigned int failures; /* how many did */
	struct mock_tlb tlb[MOCK_TLB];
	unsigned int invepts, invvpids, kicks, barriers, loads, clears;
	u64 guest_msr[8];
	u64 dr[8];
	void (*on_read)(u64 gpa, u32 len); /* called at every read of L1's memory, to change it between two reads */
	int ret; /* of the last nv_handle_exit or nv_prepare_entry */
	bool in_commit, entered; /* the guest runs: exits can come */
};
extern struct mock M;

/* The CPU of the emulated Intel host (Skylake-X) as Bochs shows it. */
void mock_reset(void); /* machine and parameters; everything of the previous run is checked for leaks and freed */
int mock_start(void); /* nv_global_init, VM, one vCPU in 64-bit mode at CPL 0 with identity paging off: see mock.c */
void mock_stop(void); /* frees; aborts on a leak */

/* One VM exit of the level that runs, as the CPU would make it: state, information, nv_exit_begin, nv_handle_exit, and, if the
 * core says resume, the next entry. Returns what nv_handle_exit or nv_prepare_entry returned. */
int mock_exit(u32 reason, u64 qual);
int mock_enter(void); /* nv_prepare_entry, nv_commit_entry, and the entry */
/* Sets a field of the current hardware VMCS, as the CPU does at an exit. */
void mock_hw(enum nv_field f, u64 val);
u64 mock_hw_get(enum nv_field f);

/* L1 executes a VMX instruction with a memory operand at M_OPERAND, or registers. After it: */
enum { OK_, FAIL_INVALID, FAIL_VALID, FAULT };
struct mock_result {
	int what; /* of the enum above */
	u32 error; /* VM-instruction error, or vector of the fault */
};
#define MOCK_OPERAND 0x3000ull
struct mock_result mock_vmx(u32 reason, u64 operand);
struct mock_result mock_inv(u32 reason, u64 type, u64 d0, u64 d1);
struct mock_result mock_vmwrite(u64 enc, u64 val);
struct mock_result mock_vmread(u64 enc, u64 *ret);
struct mock_result mock_last(void);

/* Guest pages with fixed uses. */
enum { G_VMXON = 0x10000, G_VMCS = 0x11000, G_VMCS2 = 0x12000, G_MSRMAP = 0x13000, G_IO_A = 0x14000, G_IO_B = 0x15000, G_VAPIC = 0x16000,
       G_APIC = 0x17000, G_PI = 0x18000, G_LIST = 0x19000, G_SHADOW = 0x1a000, G_VMREAD = 0x1b000, G_VMWRITE = 0x1c000,
       G_EPT = 0x20000, G_PT = 0x40000, G_FREE = 0x100000 };
void mock_write(u64 gpa, u64 val); /* 8 bytes */
u64 mock_read(u64 gpa);
/* VMXON, VMPTRLD and a vmcs12 that enters a 64-bit L2 with EPT12 (identity over RAM at G_EPT). */
void mock_vmxon(void);
void mock_good_vmcs12(void);
void mock_ept_map(u64 l2_gpa, u64 l1_gpa, u64 flags); /* 4 KiB entry of EPT12 */
/* VMLAUNCH or VMRESUME; true: L2 runs. */
bool mock_launch(void);
bool mock_resume(void);
/* A memory access of L2 through TLB and EPT02, with EPT violations handled by the core. Address in host memory, or 0 when L1
 * got the exit. */
u64 mock_l2_access(u64 gpa, u32 access);
/* Without EPT: an access of the level that runs, error-code bits say which (PF_W, PF_U, PF_I). 0: the guest got a fault or an exit. */
u64 mock_linear_access(u64 gva, u32 access);
u64 mock_hpa(u64 l1_gpa);
/*
 * What no guest may ever see: values of L0's host-state fields, addresses of host memory, of tables and of VMCSs. The comparison
 * is hidden from the fuzzers, which would learn the values from it.
 */
bool mock_is_secret(u64 val);
void mock_invariants(void);

#define MOCK_CHECK(x) \
	do { \
		if (!(x)) \
			mock_fail(#x, __FILE__, __LINE__); \
	} while (0)
void mock_fail(const char *what, const char *file, int line) __attribute__((noreturn));
