// SPDX-License-Identifier: LGPL-2.1-or-later
/* What every payload stands on: memory, output, exceptions, one struct cpu behind GS. */
#include <stdarg.h>

#include "vmx.h"

_Static_assert(offsetof(struct cpu, l1_rsp) == CPU_L1_RSP, "start.S");
_Static_assert(offsetof(struct cpu, fixup) == CPU_FIXUP, "start.S");
_Static_assert(offsetof(struct cpu, count) == CPU_COUNT, "start.S");
_Static_assert(offsetof(struct cpu, vector) == CPU_VECTOR, "start.S");
_Static_assert(offsetof(struct cpu, error) == CPU_ERROR, "start.S");
_Static_assert(offsetof(struct cpu, launched) == CPU_LAUNCHED, "start.S");
_Static_assert(offsetof(struct cpu, gpr) == CPU_GPR, "start.S");
_Static_assert(sizeof(struct cpu) < CPU_STACK_TOP - 12288, "12 KiB of stack");

u8 cpus[PAYLOAD_MAX_CPUS][CPU_SIZE] __attribute__((aligned(4096)));
extern u8 image_end[];

/* Flat 64-bit and 32-bit segments; the TSS exists because VM exits load TR (SDM 3C 27.5.2). */
static const u64 segments[] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff};
static u64 idt[32][2] __attribute__((aligned(16)));

void *memset(void *p, int c, size_t n) {
    for (u8 *b = p; n--;)
        *b++ = c;
    return p;
}

void *memcpy(void *d, const void *s, size_t n) {
    u8 *t = d;
    for (const u8 *f = s; n--;)
        *t++ = *f++;
    return d;
}

void *page_alloc(unsigned n) {
    struct cpu *c = this_cpu();
    u8 *p = c->heap;
    if ((size_t)(c->heap_end - p) < (size_t)n * 4096) {
        say("info error out_of_memory");
        quit(3);
    }
    c->heap += (size_t)n * 4096;
    return memset(p, 0, (size_t)n * 4096);
}

/* %s, %u, %x (both 64-bit). */
static unsigned format(char *out, unsigned size, const char *f, va_list ap) {
    unsigned n = 0;
    for (; *f && n < size - 1; f++) {
        if (*f != '%') {
            out[n++] = *f;
            continue;
        }
        if (*++f == 's') {
            for (const char *s = va_arg(ap, const char *); *s && n < size - 1; s++)
                out[n++] = *s;
            continue;
        }
        char digits[24];
        unsigned k = 0, base = *f == 'x' ? 16 : 10;
        u64 v = va_arg(ap, u64);
        do
            digits[k++] = "0123456789abcdef"[v % base];
        while (v /= base);
        while (k && n < size - 1)
            out[n++] = digits[--k];
    }
    out[n] = 0;
    return n;
}

void say(const char *f, ...) {
    char line[PAYLOAD_MAX_LINE];
    va_list ap;
    va_start(ap, f);
    format(line, sizeof(line), f, ap);
    va_end(ap);
    if (this_cpu()->args->flags & PAYLOAD_BARE) {
        for (const char *p = line; *p; p++)
            __asm__ volatile("outb %b0, $0xe9" ::"a"(*p));
        __asm__ volatile("outb %b0, $0xe9" ::"a"('\n'));
        return;
    }
    outl(PAYLOAD_PORT_LINE, (u32)(uintptr_t)line);
}

void result(const char *name, bool ok, const char *f, ...) {
    char detail[PAYLOAD_MAX_LINE];
    va_list ap;
    va_start(ap, f);
    format(detail, sizeof(detail), f, ap);
    va_end(ap);
    if (!ok)
        this_cpu()->failed++;
    say("case %s %s %s", name, ok ? "ok" : "fail", detail);
}

void quit(u32 status) {
    if (this_cpu()->args->flags & PAYLOAD_BARE)
        for (const char *p = "Shutdown"; *p; p++) /* how Bochs is asked to end */
            __asm__ volatile("outb %b0, %w1" ::"a"(*p), "d"(0x8900));
    outl(PAYLOAD_PORT_EXIT, status);
    for (;;)
        __asm__ volatile("hlt");
}

void unexpected_exception(u64 vector, u64 error, u64 rip, u64 cr2) {
    say("info exception vector=%u error=0x%x rip=0x%x cr2=0x%x", vector, error, rip, cr2);
    quit(2);
}

static void load_tables(void) {
    u64 *gdt = page_alloc(1);
    u64 t = (uintptr_t)gdt + 2048;
    memcpy(gdt, segments, sizeof(segments));
    gdt[4] = 103 | (t & 0xffffff) << 16 | 0x89ull << 40 | (t >> 24 & 0xff) << 56;
    gdt[5] = t >> 32;
    for (unsigned i = 0; i < 32; i++) {
        u64 h = (uintptr_t)exception_stubs + i * 16;
        idt[i][0] = (h & 0xffff) | 8 << 16 | 0x8e00ull << 32 | (h >> 16 & 0xffff) << 48;
        idt[i][1] = h >> 32;
    }
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) g = {6 * 8 - 1, (uintptr_t)gdt}, i = {sizeof(idt) - 1, (uintptr_t)idt};
    __asm__ volatile("lgdt %0; lidt %1; ltr %w2" ::"m"(g), "m"(i), "r"(32) : "memory");
}

/* The first a vCPU does. Memory from the end of the image to LIMIT is shared out among the vCPUs. */
void cpu_start(struct payload_args *args, struct cpu *c, u64 limit) {
    c->self = c;
    c->args = args;
    wrmsr(MSR_GS_BASE, (uintptr_t)c);
    u64 first = ((uintptr_t)image_end + 4095) & ~4095ull, share = (limit - first) / args->n_vcpus & ~4095ull;
    c->heap = (u8 *)first + args->vcpu * share;
    c->heap_end = c->heap + share;
    load_tables();
    say("info start %u", (u64)args->vcpu);
}
