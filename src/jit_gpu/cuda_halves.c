/* What a source needs for f16 and bf16: types of memory that become floats when they are read and round when they are
 * assigned, so that the text of loads and stores is that of other types. 16 bits and one instruction each way: CUDA's
 * headers for them are a megabyte, and NVRTC has no headers. Every NaN is stored as 0x7fff, which is what the
 * instructions do.
 *
 * Without __CUDA_ARCH__ the source is not for a GPU, and who compiles it has the conversions of f16. */
#include "base/floats.h"
#include "jit_gpu/cuda_emit.h"

/* clang-format off */
static const char f16[] =
"#ifdef __CUDA_ARCH__\n"
"DEVICE float sn_f16_value(unsigned short bits) {\n"
"    float x;\n"
"    asm(\"cvt.f32.f16 %0, %1;\" : \"=f\"(x) : \"h\"(bits));\n"
"    return x;\n"
"}\n"
"DEVICE unsigned short sn_f16_bits(float x) {\n"
"    unsigned short bits;\n"
"    asm(\"cvt.rn.f16.f32 %0, %1;\" : \"=h\"(bits) : \"f\"(x));\n"
"    return bits;\n"
"}\n"
"#endif\n"
"struct f16 {\n"
"    unsigned short bits;\n"
"    __device__ __forceinline__ operator float() const { return sn_f16_value(bits); }\n"
"    __device__ __forceinline__ void operator=(float x) { bits = sn_f16_bits(x); }\n"
"};\n"
"\n";

static const char bf16[] =
"DEVICE float sn_bf16_value(unsigned short bits) { return __int_as_float((int)((unsigned)bits << 16)); }\n"
"DEVICE unsigned short sn_bf16_bits(float x) {\n"
"#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800\n"
"    unsigned short bits;\n"
"    asm(\"cvt.rn.bf16.f32 %0, %1;\" : \"=h\"(bits) : \"f\"(x));\n"
"    return bits;\n"
"#else\n"
"    const unsigned bits = (unsigned)__float_as_int(x);\n"
"    return x != x ? (unsigned short)0x7fff : (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);\n"
"#endif\n"
"}\n"
"struct bf16 {\n"
"    unsigned short bits;\n"
"    __device__ __forceinline__ operator float() const { return sn_bf16_value(bits); }\n"
"    __device__ __forceinline__ void operator=(float x) { bits = sn_bf16_bits(x); }\n"
"};\n"
"\n";
/* clang-format on */

static int uses(const kn_kernel *k, sn_dtype dtype, kn_prim rounding) {
    for (uint32_t m = 0; m < k->n_mem; m++)
        if (k->mem[m].store == dtype) return 1;
    for (uint32_t i = 0; i < k->n_inst; i++)
        if (k->inst[i].kind == KI_PRIM && k->inst[i].prim == rounding) return 1;
    return 0;
}

void ce_halves(ce *e) {
    if (uses(e->k, SN_F16, KP_ROUND_F16)) *base_vec_push(&e->line, e->arena) = f16;
    if (uses(e->k, SN_BF16, KP_ROUND_BF16)) *base_vec_push(&e->line, e->arena) = bf16;
}
