/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only place where the core meets its surroundings' headers: fixed-width types, errno, memcpy.
 * Everything else in core/ includes this and nothing from the kernel or the C library.
 */
#ifndef NV_TYPES_H
#define NV_TYPES_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/string.h>
#include <linux/errno.h>
#include <linux/stddef.h>
#else
#include <stdint.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <errno.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
#endif

#define nv_fallthrough __attribute__((__fallthrough__))
/* Rare work with locals of its own, kept out of a short caller: its stack frame would be paid for on every exit. */
#define nv_noinline __attribute__((__noinline__))
#define nv_inline inline __attribute__((__always_inline__))
#define NV_BIT(n) (1ULL << (n))
#define NV_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NV_PAGE_SIZE 4096ULL
#define NV_PAGE_MASK (~(NV_PAGE_SIZE - 1))
/* Bits lo..hi, both included. */
#define NV_MASK(hi, lo) ((~0ULL >> (63 - (hi))) & (~0ULL << (lo)))

/* One read, as the CPU would do it: for memory that another vCPU may be writing. */
#define nv_read_once(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define nv_write_once(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELAXED)

#endif
