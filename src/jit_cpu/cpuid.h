/* cpuid.h: which x86-64 level processor and operating system support, and the floating-point mode of kernels. */
#ifndef JIT_CPU_CPUID_H
#define JIT_CPU_CPUID_H

#include <stdint.h>

#include "base/trap.h"

/* The levels of the x86-64 psABI. Kernels need V3 (AVX2, FMA, F16C); V4 adds AVX-512 F, BW, CD, DQ, VL. */
typedef enum { CPU_V1 = 1, CPU_V2, CPU_V3, CPU_V4 } cpu_level;

/* What cpuid and xgetbv answer; apart from the reading so that tests can ask about other machines. */
typedef struct {
    uint32_t leaf1_ecx, leaf1_edx;
    uint32_t leaf7_ebx;
    uint32_t ext1_ecx; /* leaf 0x80000001 */
    uint64_t xcr0;     /* state that the operating system saves; 0 without OSXSAVE */
} cpu_id;

cpu_id cpu_id_read(void); /* all zero on another kind of processor */
/* Each feature bit counts by itself: a hypervisor may mask some of a level's. */
cpu_level cpu_id_level(const cpu_id *id);
/* The level to generate code for: the machine's, or wanted ("v3", "v4", the value of SINTER_CPU) where it is not NULL.
 * SN_ERR_ARGUMENT for a word that is no level or above the machine's, SN_ERR_UNSUPPORTED below v3. */
sn_status cpu_level_choose(cpu_level machine, const char *wanted, cpu_level *out, base_trap *err);

/* Kernels run under the default floating-point mode (to nearest, subnormals kept, no traps), whatever the host has set:
 * results are defined to the bit. cpu_fp_enter returns what cpu_fp_leave puts back, status flags included. */
uint32_t cpu_fp_enter(void);
void cpu_fp_leave(uint32_t saved);

#endif
