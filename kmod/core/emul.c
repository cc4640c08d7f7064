// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the core has to do in place of the guest's instruction: find memory operands, copy linear memory, and ports and
 * memory-mapped devices, which user space answers.
 */
#include "internal.h"

#define V(f) V12(v, f)

/* ---- linear memory ---- */

/* Part of an access that lies in one page. 0; 1: fault queued; -EFAULT: not RAM. */
static int translate(struct nv_vcpu *v, u64 lin, u32 access, u64 *gpa)
{
	struct nv_space s, under;
	struct nv_walk w;
	u32 reason;
	u64 qual, l1_gpa, final;

	nv_space_linear(v, &s, &under);
	if (nv_cpl(v) == 3)
		access |= NV_U;
	memset(&w, 0, sizeof(w));
	final = s.fmt == NV_FMT_EPT ? EPTQ_FINAL : 0;
	switch (nv_walk(v, &s, lin, access, &w)) {
	case NV_WALK_OK:
		*gpa = w.pa;
		if (s.under) {
			/* L2-physical to L1-physical. */
			u64 l2_gpa = w.pa;

			if (nv_walk(v, s.under, l2_gpa, access & ~(u32)NV_U, &w) == NV_WALK_OK) {
				*gpa = w.pa;
				return 0;
			}
			w.under_fault = true;
			w.under_gpa = l2_gpa;
			w.under_access = access;
			final = EPTQ_FINAL;
			break;
		}
		return 0;
	case NV_WALK_BUS:
		return -EFAULT;
	default:
		break;
	}
	if (w.under_fault || s.fmt == NV_FMT_EPT) {
		u64 at = w.under_fault ? w.under_gpa : lin;
		u32 how = (w.under_fault ? w.under_access : access) & EPTQ_ACCESS;

		/* As if the CPU had met it: a violation or misconfiguration for L1. */
		if (nv_fault_ept02(v, at, how | EPTQ_LINEAR | final, &reason, &qual, &l1_gpa) != 1)
			return -EFAULT;
		V(GUEST_PHYS) = at;
		V(GUEST_LINEAR) = lin;
		nv_vmexit(v, reason, qual, 0, 0);
		return 1;
	}
	nv_inject_pf(v, lin, w.pf | (access & NV_U ? (u32)PF_U : 0));
	return 1;
}

/* buf NULL: only whether it could be done. */
static int copy_linear(struct nv_vcpu *v, u64 lin, u8 *buf, u32 len, u32 access)
{
	u64 gpa[2] = { 0, 0 };
	u32 first = (u32)(NV_PAGE_SIZE - (lin & ~NV_PAGE_MASK)), part;
	int r;

	/* Both pages are translated before either is touched: a fault leaves nothing half written. len is at most 16. */
	part = len < first ? len : first;
	r = translate(v, lin, access, &gpa[0]);
	if (!r && part < len)
		r = translate(v, lin + part, access, &gpa[1]);
	if (r || !buf)
		return r;
	if (access & NV_W) {
		r = mach_write_guest(v->vm, gpa[0], buf, part);
		return r || part == len ? r : mach_write_guest(v->vm, gpa[1], buf + part, len - part);
	}
	r = mach_read_guest(v->vm, gpa[0], buf, part);
	return r || part == len ? r : mach_read_guest(v->vm, gpa[1], buf + part, len - part);
}

int nv_read_linear(struct nv_vcpu *v, u64 lin, void *buf, u32 len)
{
	int r = copy_linear(v, lin, buf, len, NV_R);

	if (r != -EFAULT)
		return r;
	memset(buf, 0xff, len); /* no memory answers: the bus floats high */
	return 0;
}

int nv_write_linear(struct nv_vcpu *v, u64 lin, const void *buf, u32 len)
{
	int r = copy_linear(v, lin, (u8 *)(uintptr_t)buf, len, NV_W);

	return r == -EFAULT ? 0 : r;
}

/* ---- memory operands (28.2.5, tables 28-11 to 28-14) ---- */

static enum nv_field seg_field(u32 seg, enum nv_field es)
{
	static const u8 base[] = { F_GUEST_ES_BASE, F_GUEST_CS_BASE, F_GUEST_SS_BASE, F_GUEST_DS_BASE, F_GUEST_FS_BASE, F_GUEST_GS_BASE };
	static const u8 limit[] = { F_GUEST_ES_LIMIT, F_GUEST_CS_LIMIT, F_GUEST_SS_LIMIT, F_GUEST_DS_LIMIT, F_GUEST_FS_LIMIT,
				    F_GUEST_GS_LIMIT };
	static const u8 ar[] = { F_GUEST_ES_AR, F_GUEST_CS_AR, F_GUEST_SS_AR, F_GUEST_DS_AR, F_GUEST_FS_AR, F_GUEST_GS_AR };

	if (seg > 5)
		seg = 3;
	return (enum nv_field)(es == F_GUEST_ES_BASE ? base[seg] : es == F_GUEST_ES_LIMIT ? limit[seg] : ar[seg]);
}

static int operand_fault(struct nv_vcpu *v, u32 seg)
{
	nv_queue_exception(v, seg == 2 ? XV_SS : XV_GP, true, 0);
	return 1;
}

int nv_operand_linear(struct nv_vcpu *v, u64 disp, u32 info, bool write, u32 len, u64 *lin)
{
	u32 seg = info >> 15 & 7, asize = info >> 7 & 7, scale = info & 3;
	bool long64 = nv_long64(v), index = !(info & NV_BIT(22)), base = !(info & NV_BIT(27));
	u64 off = disp, limit, ar;

	/* A register operand where memory is due: #UD (31.3). */
	if (info & NV_BIT(10)) {
		nv_inject_ud(v);
		return 1;
	}
	if (base)
		off += nv_reg(v, info >> 23 & 15);
	if (index)
		off += nv_reg(v, info >> 18 & 15) << scale;
	off &= asize == 0 ? 0xffffull : asize == 1 ? 0xffffffffull : ~0ull;
	if (long64) {
		*lin = off + (seg >= 4 ? nv_get(v->cur, seg_field(seg, F_GUEST_ES_BASE)) : 0);
		return nv_canonical(*lin) && nv_canonical(*lin + len - 1) ? 0 : operand_fault(v, seg);
	}
	*lin = (u32)(off + nv_get(v->cur, seg_field(seg, F_GUEST_ES_BASE)));
	ar = nv_get(v->cur, seg_field(seg, F_GUEST_ES_AR));
	limit = nv_get(v->cur, seg_field(seg, F_GUEST_ES_LIMIT));
	if (ar & AR_UNUSABLE)
		return operand_fault(v, seg);
	/* Code: writing never, reading if the type says so; data: writing if so. */
	if (write ? (ar & 8) || !(ar & 2) : (ar & 8) && !(ar & 2))
		return operand_fault(v, seg);
	if (!(ar & 8) && (ar & 4)) {
		/* Expand-down. */
		if (off <= limit || off + len - 1 > (ar & AR_DB ? 0xffffffffull : 0xffffull))
			return operand_fault(v, seg);
	} else if (off + len - 1 > limit) {
		return operand_fault(v, seg);
	}
	return 0;
}

/* ---- ports ---- */

static void finish_string(struct nv_vcpu *v, u32 reg)
{
	u64 mask = v->n->io.addr_size == 2 ? 0xffff : v->n->io.addr_size == 4 ? 0xffffffffull : ~0ull;
	u64 step = v->n->io.size, val;

	if (nv_get(v->cur, F_GUEST_RFLAGS) & FL_DF)
		step = -step;
	val = v->regs[reg] + step;
	/* A 32-bit register write clears the upper half, a 16-bit one keeps it. */
	v->regs[reg] = v->n->io.addr_size == 2 ? (v->regs[reg] & ~mask) | (val & mask) : val & mask;
	if (v->n->io.rep) {
		val = v->regs[R_RCX] - 1;
		v->regs[R_RCX] = v->n->io.addr_size == 2 ? (v->regs[R_RCX] & ~mask) | (val & mask) : val & mask;
		if (val & mask) { /* the same instruction again */
			nv_insn_boundary(v);
			return;
		}
	}
	nv_skip_insn(v);
}

int nv_handle_io(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	u64 qual = nv_get(v->cur, F_EXIT_QUAL), mask;
	u8 size = (u8)((qual & 7) + 1);
	bool in = qual & NV_BIT(3);
	int r;

	memset(&n->io, 0, sizeof(n->io));
	n->io.type = NV_UX_IO;
	n->io.size = size;
	n->io.string = qual & NV_BIT(4);
	n->io.rep = qual & NV_BIT(5);
	memset(&v->ux.io, 0, sizeof(v->ux.io));
	v->ux.io.addr = qual >> 16 & 0xffff;
	v->ux.io.size = size;
	v->ux.io.write = !in;
	if (n->io.string) {
		u32 a = nv_caps.hw[CAP_BASIC] & BASIC_INS_OUTS ? nv_get(v->cur, F_EXIT_INSN_INFO) >> 7 & 7 : nv_long64(v) ? 2 : 1;

		n->io.addr_size = (u8)(2 << a);
		mask = a == 0 ? 0xffff : a == 1 ? 0xffffffffull : ~0ull;
		n->io.lin = nv_get(v->cur, F_GUEST_LINEAR);
		if (n->io.rep && !(v->regs[R_RCX] & mask)) {
			nv_skip_insn(v);
			n->io.type = NV_UX_NONE;
			return NV_RESUME;
		}
		/* INS faults before the device is asked: what it answers is read once. */
		r = in ? copy_linear(v, n->io.lin, NULL, size, NV_W) : nv_read_linear(v, n->io.lin, v->ux.io.data, size);
		if (r && r != -EFAULT)
			return r < 0 ? r : NV_RESUME;
	} else if (!in) {
		memcpy(v->ux.io.data, &v->regs[R_RAX], size);
	}
	if (!in) {
		/* Nothing comes back: the instruction is over. */
		if (n->io.string)
			finish_string(v, R_RSI);
		else
			nv_skip_insn(v);
		n->io.type = NV_UX_NONE;
	}
	v->ux.type = NV_UX_IO;
	return NV_USER;
}

/* ---- memory-mapped devices: MOV in its forms, and what compilers make of it ---- */

struct insn {
	u8 byte[15], len, pos;
	u8 opsize, addr_size, rex;
	bool write, imm, sign;
	u8 size, dest_size, reg;
	u32 immval;
};

static bool fetch(struct nv_vcpu *v, struct insn *d)
{
	u64 rip = nv_get(v->cur, F_GUEST_RIP) + (nv_long64(v) ? 0 : nv_get(v->cur, F_GUEST_CS_BASE));

	while (d->len < sizeof(d->byte)) {
		u64 gpa;

		/* The CPU has just executed this instruction; should it have gone since, the decode fails. */
		if (translate(v, rip + d->len, NV_X, &gpa) || mach_read_guest(v->vm, gpa, &d->byte[d->len], 1)) {
			v->n->ev.exc.pending = false;
			return d->len > 0;
		}
		d->len++;
	}
	return true;
}

static u8 next(struct insn *d)
{
	return d->pos < d->len ? d->byte[d->pos++] : 0;
}

/* Skips ModRM, SIB and displacement: the address is known from the exit. False: no memory operand. */
static bool skip_modrm(struct insn *d)
{
	u8 m = next(d), mod = m >> 6, rm = m & 7;

	d->reg = (u8)((m >> 3 & 7) | (d->rex & 4 ? 8 : 0));
	if (mod == 3)
		return false;
	if (d->addr_size == 2) {
		d->pos = (u8)(d->pos + (mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0));
		return true;
	}
	if (rm == 4) {
		u8 sib = next(d);

		if (mod == 0 && (sib & 7) == 5)
			d->pos = (u8)(d->pos + 4);
	} else if (mod == 0 && rm == 5) {
		d->pos = (u8)(d->pos + 4);
	}
	d->pos = (u8)(d->pos + (mod == 1 ? 1 : mod == 2 ? 4 : 0));
	return true;
}

static bool decode(struct nv_vcpu *v, struct insn *d)
{
	bool long64 = nv_long64(v), db = nv_get(v->cur, F_GUEST_CS_AR) & AR_DB, more = true;
	u8 op;

	d->opsize = long64 || db ? 4 : 2;
	d->addr_size = long64 ? 8 : db ? 4 : 2;
	while (more) {
		op = next(d);
		switch (op) {
		case 0x66:
			d->opsize = long64 || db ? 2 : 4;
			break;
		case 0x67:
			d->addr_size = long64 ? 4 : db ? 2 : 4;
			break;
		case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: case 0xf0: case 0xf2: case 0xf3:
			break;
		default:
			more = false;
		}
	}
	if (long64 && (op & 0xf0) == 0x40) {
		d->rex = op;
		if (op & 8)
			d->opsize = 8;
		op = next(d);
	}
	d->size = d->dest_size = d->opsize;
	switch (op) {
	case 0x88:
	case 0x8a:
		d->size = d->dest_size = 1;
		nv_fallthrough;
	case 0x89:
	case 0x8b:
		d->write = op <= 0x89;
		return skip_modrm(d);
	case 0xc6:
		d->size = 1;
		nv_fallthrough;
	case 0xc7:
		d->write = d->imm = true;
		if (!skip_modrm(d) || d->reg & 7)
			return false;
		d->immval = next(d);
		if (d->size > 1)
			d->immval |= (u32)next(d) << 8;
		if (d->size > 2)
			d->immval |= (u32)next(d) << 16, d->immval |= (u32)next(d) << 24;
		return true;
	case 0xa0: case 0xa1: case 0xa2: case 0xa3:
		if (!(op & 1))
			d->size = d->dest_size = 1;
		d->write = op >= 0xa2;
		d->pos = (u8)(d->pos + d->addr_size);
		return true;
	case 0x0f:
		op = next(d);
		if (op != 0xb6 && op != 0xb7 && op != 0xbe && op != 0xbf)
			return false;
		d->size = op & 1 ? 2 : 1;
		d->sign = op >= 0xbe;
		return skip_modrm(d);
	default:
		return false;
	}
}

/* SPL..DIL need a REX prefix, AH..BH are bytes 1 of the first four. */
static bool high_byte(const struct insn *d)
{
	return d->size == 1 && !d->rex && d->reg >= 4;
}

int nv_handle_mmio(struct nv_vcpu *v, u64 gpa)
{
	struct nv_nested *n = v->n;
	struct insn d;
	u64 val;

	memset(&d, 0, sizeof(d));
	if (!fetch(v, &d) || !decode(v, &d) || d.pos > d.len || (d.dest_size == 1 && high_byte(&d))) {
		v->ux.type = NV_UX_INTERNAL;
		v->ux.hw = XR_EPT_VIOLATION;
		return NV_USER;
	}
	memset(&n->io, 0, sizeof(n->io));
	memset(&v->ux.io, 0, sizeof(v->ux.io));
	n->io.next_rip = nv_get(v->cur, F_GUEST_RIP) + d.pos;
	v->ux.io.addr = gpa;
	v->ux.io.size = d.size;
	v->ux.io.write = d.write;
	v->ux.type = NV_UX_MMIO;
	if (d.write) {
		val = d.imm ? (u64)(s64)(s32)d.immval : nv_reg(v, d.reg);
		memcpy(v->ux.io.data, &val, d.size);
		nv_insn_done(v, n->io.next_rip);
		return NV_USER;
	}
	n->io.type = NV_UX_MMIO;
	n->io.size = d.size;
	n->io.dest_size = d.dest_size;
	n->io.sign = d.sign;
	n->io.reg = d.reg;
	return NV_USER;
}

/* Puts val into the low bytes of a register as an instruction would. */
static void set_part(struct nv_vcpu *v, u32 reg, u64 val, u32 size)
{
	if (size >= 4)
		nv_set_reg(v, reg, size == 4 ? (u32)val : val);
	else
		nv_set_reg(v, reg, (nv_reg(v, reg) & ~NV_MASK(8 * size - 1, 0)) | (val & NV_MASK(8 * size - 1, 0)));
}

int nv_complete_io(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	enum nv_ux_type type = n->io.type;
	u64 val = 0;
	int r;

	n->io.type = NV_UX_NONE;
	if (type == NV_UX_NONE)
		return NV_RESUME;
	memcpy(&val, v->ux.io.data, n->io.size);
	if (type == NV_UX_MMIO) {
		if (n->io.sign && n->io.size < 8)
			val = (u64)((s64)(val << (64 - 8 * n->io.size)) >> (64 - 8 * n->io.size));
		set_part(v, n->io.reg, val, n->io.dest_size);
		nv_insn_done(v, n->io.next_rip);
		return NV_RESUME;
	}
	if (n->io.string) {
		r = nv_write_linear(v, n->io.lin, v->ux.io.data, n->io.size);
		if (r)
			return r < 0 ? r : NV_RESUME;
		finish_string(v, R_RDI);
		return NV_RESUME;
	}
	set_part(v, R_RAX, val, n->io.size);
	nv_skip_insn(v);
	return NV_RESUME;
}
