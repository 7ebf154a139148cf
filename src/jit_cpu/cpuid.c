/* cpuid and xgetbv answers to an x86-64 level. A level counts only if every feature bit of it is there and the
 * operating system saves the registers it needs. */
#include "jit_cpu/cpuid.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>
#endif

#define BIT(n) ((uint32_t)1 << (n))

enum { MXCSR_DEFAULT = 0x1f80 };

cpu_id cpu_id_read(void) {
    cpu_id id = {0};
#if defined(__x86_64__)
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d)) {
        id.leaf1_ecx = c;
        id.leaf1_edx = d;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) id.leaf7_ebx = b;
    if (__get_cpuid(0x80000001u, &a, &b, &c, &d)) id.ext1_ecx = c;
    if (id.leaf1_ecx & BIT(27)) {
        uint32_t low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        id.xcr0 = low | (uint64_t)high << 32;
    }
#endif
    return id;
}

static int has(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

cpu_level cpu_id_level(const cpu_id *id) {
    /* leaf 1 ecx: sse3 0, ssse3 9, cmpxchg16b 13, sse4.1 19, sse4.2 20, popcnt 23; ext1: lahf 0 */
    const uint32_t v2 = BIT(0) | BIT(9) | BIT(13) | BIT(19) | BIT(20) | BIT(23);
    if (!has(id->leaf1_ecx, v2) || !has(id->ext1_ecx, BIT(0))) return CPU_V1;
    /* leaf 1 ecx: fma 12, movbe 22, osxsave 27, avx 28, f16c 29; leaf 7 ebx: bmi1 3, avx2 5, bmi2 8; ext1: lzcnt 5;
     * xcr0: xmm 1, ymm 2 */
    const uint32_t v3 = BIT(12) | BIT(22) | BIT(27) | BIT(28) | BIT(29);
    if (!has(id->leaf1_ecx, v3) || !has(id->leaf7_ebx, BIT(3) | BIT(5) | BIT(8)) || !has(id->ext1_ecx, BIT(5)) ||
        !has((uint32_t)id->xcr0, BIT(1) | BIT(2)))
        return CPU_V2;
    /* leaf 7 ebx: avx512 f 16, dq 17, cd 28, bw 30, vl 31; xcr0: mask registers and upper halves 5, 6, 7 */
    if (!has(id->leaf7_ebx, BIT(16) | BIT(17) | BIT(28) | BIT(30) | BIT(31)) ||
        !has((uint32_t)id->xcr0, BIT(5) | BIT(6) | BIT(7)))
        return CPU_V3;
    return CPU_V4;
}

sn_status cpu_level_choose(cpu_level machine, const char *wanted, cpu_level *out, base_trap *err) {
    static const char *const words[] = {NULL, "v1", "v2", "v3", "v4"};
    *out = machine;
    if (wanted) {
        int level = CPU_V4;
        while (level && strcmp(words[level] ? words[level] : "", wanted)) level--;
        if (!level) return base_set_error(err, SN_ERR_ARGUMENT, "SINTER_CPU is '%s', expected v3 or v4", wanted);
        if (level > (int)machine)
            return base_set_error(err, SN_ERR_ARGUMENT,
                                  "SINTER_CPU is %s, but this processor (with what the operating "
                                  "system allows) reaches x86-64-v%d",
                                  wanted, (int)machine);
        *out = (cpu_level)level;
    }
    if (*out < CPU_V3)
        return base_set_error(err, SN_ERR_UNSUPPORTED,
                              "compiled kernels need x86-64-v3 (AVX2, FMA); this is x86-64-v%d", (int)*out);
    return SN_OK;
}

uint32_t cpu_fp_enter(void) {
#if defined(__x86_64__)
    uint32_t saved = _mm_getcsr();
    _mm_setcsr(MXCSR_DEFAULT);
    return saved;
#else
    return 0;
#endif
}

void cpu_fp_leave(uint32_t saved) {
#if defined(__x86_64__)
    _mm_setcsr(saved);
#else
    (void)saved;
#endif
}
