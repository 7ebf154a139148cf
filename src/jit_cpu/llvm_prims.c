/* Scalar primitives of ir/prims.def as LLVM instructions, on scalars or lane by lane on vectors.
 *
 * In: LLVM values of the operands. Out: one value. Nothing here carries fast-math flags, and nothing becomes a call:
 * only operations are used that x86-64-v3 has or that LLVM expands in place. LLVM's folding of constants rounds like
 * the machine; only the sign and payload of NaNs may differ. */
#include <math.h>

#include "base/floats.h"
#include "jit_cpu/llvm_emit.h"

LLVMTypeRef em_scalar_type(em *e, sn_dtype type) {
    switch (type) {
        case SN_F64: return LLVMDoubleTypeInContext(e->context);
        case SN_F32: return LLVMFloatTypeInContext(e->context);
        case SN_I64: return e->i64;
        case SN_I32: return e->i32;
        case SN_U8: return e->i8;
        case SN_BOOL: return e->i1;
        default: base_fail(e->arena->trap, SN_ERR_UNSUPPORTED, "the code generator has no element type %d", (int)type);
    }
}

LLVMTypeRef em_memory_type(em *e, sn_dtype type) {
    if (base_is_half(type)) return LLVMInt16TypeInContext(e->context);
    return type == SN_BOOL ? e->i8 : em_scalar_type(e, type);
}

LLVMTypeRef em_vector(LLVMTypeRef type, uint32_t lanes) { return lanes > 1 ? LLVMVectorType(type, lanes) : type; }

LLVMValueRef em_const(em *e, sn_dtype type, uint64_t bits) {
    LLVMTypeRef to = em_scalar_type(e, type);
    switch (type) {
        case SN_F64: return LLVMConstBitCast(LLVMConstInt(e->i64, bits, 0), to);
        case SN_F32: return LLVMConstBitCast(LLVMConstInt(e->i32, (uint32_t)bits, 0), to);
        case SN_BOOL: return LLVMConstInt(to, (bits & 0xff) != 0, 0);
        default: return LLVMConstInt(to, bits, 0);
    }
}

LLVMValueRef em_splat(em *e, LLVMValueRef scalar, uint32_t lanes) {
    if (lanes == 1) return scalar;
    LLVMValueRef at[EM_MAX_WIDTH];
    if (LLVMIsConstant(scalar)) {
        for (uint32_t i = 0; i < lanes; i++) at[i] = scalar;
        return LLVMConstVector(at, lanes);
    }
    LLVMValueRef poison = LLVMGetPoison(LLVMVectorType(LLVMTypeOf(scalar), lanes));
    LLVMValueRef one = LLVMBuildInsertElement(e->b, poison, scalar, em_i32(e, 0), "");
    return LLVMBuildShuffleVector(e->b, one, poison, LLVMConstNull(LLVMVectorType(e->i32, lanes)), "splat");
}

static int is_float(sn_dtype type) { return type == SN_F64 || type == SN_F32; }
static int is_unsigned(sn_dtype type) { return type == SN_U8 || type == SN_BOOL; }
static uint32_t bits_of(sn_dtype type) { return (uint32_t)(type == SN_BOOL ? 1 : 8 * sn_dtype_size(type)); }
static uint32_t lanes_of(LLVMValueRef v) {
    LLVMTypeRef type = LLVMTypeOf(v);
    return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetVectorSize(type) : 1;
}

static LLVMValueRef call1(em *e, const char *name, LLVMValueRef a) {
    LLVMTypeRef type = LLVMTypeOf(a);
    return em_intrinsic(e, name, &type, 1, &a, 1);
}

static LLVMValueRef compare(em *e, kn_prim prim, sn_dtype type, LLVMValueRef a, LLVMValueRef b) {
    if (is_float(type)) {
        LLVMRealPredicate p = prim == KP_LT   ? LLVMRealOLT
                              : prim == KP_LE ? LLVMRealOLE
                              : prim == KP_EQ ? LLVMRealOEQ
                                              : LLVMRealUNE;
        return LLVMBuildFCmp(e->b, p, a, b, "");
    }
    int u = is_unsigned(type);
    LLVMIntPredicate p = prim == KP_LT   ? (u ? LLVMIntULT : LLVMIntSLT)
                         : prim == KP_LE ? (u ? LLVMIntULE : LLVMIntSLE)
                         : prim == KP_EQ ? LLVMIntEQ
                                         : LLVMIntNE;
    return LLVMBuildICmp(e->b, p, a, b, "");
}

/* Is a constant (a splat, or a vector of indices) zero in lane 0 and NaN nowhere? */
static int is_zero_const(LLVMValueRef x) {
    unsigned n = lanes_of(x);
    if (!LLVMIsConstant(x)) return 0;
    for (unsigned i = 0; i < n; i++) {
        LLVMValueRef lane = LLVMGetTypeKind(LLVMTypeOf(x)) == LLVMVectorTypeKind ? LLVMGetAggregateElement(x, i) : x;
        LLVMBool lossy;
        if (!lane || !LLVMIsAConstantFP(lane)) return 0;
        double value = LLVMConstRealGetDouble(lane, &lossy);
        if (value != value || (i == 0 && value != 0)) return 0;
    }
    return 1;
}

/* (a < b or a is NaN) ? a : b, and likewise for max. The machine's minps x,y is x < y ? x : y, thus y with a NaN. */
static LLVMValueRef min_max(em *e, int is_min, sn_dtype type, LLVMValueRef a, LLVMValueRef b, int plain_b) {
    if (!is_float(type)) {
        int u = is_unsigned(type);
        LLVMIntPredicate p = is_min ? (u ? LLVMIntULT : LLVMIntSLT) : (u ? LLVMIntUGT : LLVMIntSGT);
        return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, p, a, b, ""), a, b, "");
    }
    if (is_zero_const(
            b)) /* LLVM 19 miscompiles the general form below where a is |x|: its instcombine makes it x > 0 */
        return LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, is_min ? LLVMRealULT : LLVMRealUGT, a, b, ""), a, b, "");
    LLVMRealPredicate less = is_min ? LLVMRealOLT : LLVMRealOGT;
    if (plain_b) /* equal operands have equal bits and b is no NaN: one instruction with the operands swapped */
        return LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, less, b, a, ""), b, a, "");
    LLVMValueRef least = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, less, a, b, ""), a, b, "");
    return LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealUNO, a, a, ""), a, least, "");
}

static LLVMValueRef cast(em *e, sn_dtype from, sn_dtype to, LLVMValueRef a) {
    if (from == to) return a;
    LLVMTypeRef types[2] = {em_vector(em_scalar_type(e, to), lanes_of(a)), LLVMTypeOf(a)};
    if (to == SN_BOOL) {
        LLVMValueRef zero = LLVMConstNull(types[1]);
        return is_float(from) ? LLVMBuildFCmp(e->b, LLVMRealUNE, a, zero, "")
                              : LLVMBuildICmp(e->b, LLVMIntNE, a, zero, "");
    }
    if (is_float(from)) {
        if (is_float(to)) return LLVMBuildFPCast(e->b, a, types[0], "");
        return em_intrinsic(e, to == SN_U8 ? "llvm.fptoui.sat" : "llvm.fptosi.sat", types, 2, &a, 1);
    }
    if (is_float(to))
        return is_unsigned(from) ? LLVMBuildUIToFP(e->b, a, types[0], "") : LLVMBuildSIToFP(e->b, a, types[0], "");
    return LLVMBuildIntCast2(e->b, a, types[0], !is_unsigned(from), "");
}

/* ---- f16, bf16 --------------------------------------------------------------------------------------------------- */

/* F16C has instructions for f16; what AVX-512 has for bf16 takes subnormals for zeros, so that the bits are rounded as
 * integers: half of the last place is added, less one where the last place is even. All NaNs become the same one, whose
 * significand is all ones and is left by both ways of rounding. */
LLVMValueRef em_half_bits(em *e, sn_dtype half, LLVMValueRef value) {
    LLVMBuilderRef b = e->b;
    uint32_t lanes = lanes_of(value);
    LLVMTypeRef i16 = em_vector(em_memory_type(e, half), lanes), i32 = em_vector(e->i32, lanes);
    LLVMValueRef nan = LLVMBuildFCmp(b, LLVMRealUNO, value, value, "");
    if (half == SN_F16) {
        value = LLVMBuildSelect(b, nan, em_splat(e, em_const(e, SN_F32, 0x7fffe000), lanes), value, "");
        value = LLVMBuildFPTrunc(b, value, em_vector(LLVMHalfTypeInContext(e->context), lanes), "");
        return LLVMBuildBitCast(b, value, i16, "");
    }
#define NUMBER(n) em_splat(e, em_i32(e, n), lanes)
    LLVMValueRef bits = LLVMBuildBitCast(b, value, i32, "");
    LLVMValueRef odd = LLVMBuildAnd(b, LLVMBuildLShr(b, bits, NUMBER(16), ""), NUMBER(1), "");
    bits = LLVMBuildAdd(b, LLVMBuildAdd(b, bits, NUMBER(0x7fff), ""), odd, "");
    bits = LLVMBuildSelect(b, nan, NUMBER(0x7fff0000), bits, "");
    return LLVMBuildTrunc(b, LLVMBuildLShr(b, bits, NUMBER(16), ""), i16, "");
}

LLVMValueRef em_half_value(em *e, sn_dtype half, LLVMValueRef bits) {
    LLVMBuilderRef b = e->b;
    uint32_t lanes = lanes_of(bits);
    LLVMTypeRef f32 = em_vector(em_scalar_type(e, SN_F32), lanes);
    if (half == SN_F16)
        return LLVMBuildFPExt(b, LLVMBuildBitCast(b, bits, em_vector(LLVMHalfTypeInContext(e->context), lanes), ""),
                              f32, "");
    bits = LLVMBuildZExt(b, bits, em_vector(e->i32, lanes), "");
    return LLVMBuildBitCast(b, LLVMBuildShl(b, bits, NUMBER(16), ""), f32, "");
#undef NUMBER
}

/* ---- a * 2^floor(b) ---------------------------------------------------------------------------------------------- */

/* Lanes [first, first + n) of v; lanes that v lacks are undefined. */
static LLVMValueRef slice(em *e, LLVMValueRef v, uint32_t first, uint32_t n) {
    LLVMValueRef place[KN_MAX_WIDTH];
    uint32_t lanes = lanes_of(v);
    for (uint32_t i = 0; i < n; i++) place[i] = first + i < lanes ? em_i32(e, first + i) : LLVMGetPoison(e->i32);
    return LLVMBuildShuffleVector(e->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(place, n), "");
}

/* vscalefps, vscalefpd on registers of 512 bits. */
static LLVMValueRef scale_v4(em *e, sn_dtype type, LLVMValueRef a, LLVMValueRef b) {
    uint32_t lanes = lanes_of(a), native = type == SN_F32 ? 16 : 8;
    const char *name = type == SN_F32 ? "llvm.x86.avx512.mask.scalef.ps.512" : "llvm.x86.avx512.mask.scalef.pd.512";
    LLVMTypeRef mask = type == SN_F32 ? LLVMInt16TypeInContext(e->context) : e->i8;
    LLVMTypeRef vector = LLVMVectorType(em_scalar_type(e, type), lanes);
    if (lanes == 1) {
        LLVMValueRef wide = scale_v4(e, type, em_splat(e, a, native), em_splat(e, b, native));
        return LLVMBuildExtractElement(e->b, wide, em_i32(e, 0), "");
    }
    if (lanes > native) {
        LLVMValueRef half[2], place[KN_MAX_WIDTH];
        for (uint32_t h = 0; h < 2; h++)
            half[h] = scale_v4(e, type, slice(e, a, h * lanes / 2, lanes / 2), slice(e, b, h * lanes / 2, lanes / 2));
        for (uint32_t i = 0; i < lanes; i++) place[i] = em_i32(e, i);
        return LLVMBuildShuffleVector(e->b, half[0], half[1], LLVMConstVector(place, lanes), "");
    }
    if (lanes < native) a = slice(e, a, 0, native), b = slice(e, b, 0, native);
    enum { AS_MXCSR_SAYS = 4 };
    LLVMValueRef args[5] = {a, b, LLVMConstNull(LLVMTypeOf(a)), LLVMConstAllOnes(mask), em_i32(e, AS_MXCSR_SAYS)};
    LLVMValueRef scaled = em_intrinsic(e, name, NULL, 0, args, 5);
    return LLVMTypeOf(scaled) == vector ? scaled : slice(e, scaled, 0, lanes);
}

/* By factors 2^k. Down, each but the last keeps as many digits as there are, so that only one multiplication rounds. */
static LLVMValueRef scale_by_factors(em *e, sn_dtype type, LLVMValueRef a, LLVMValueRef b) {
    int f32 = type == SN_F32, most = f32 ? 127 : 1023, digits = f32 ? 24 : 53;
    sn_dtype bits_type = f32 ? SN_I32 : SN_I64;
    uint32_t lanes = lanes_of(a);
#define NUMBER(value) em_splat(e, LLVMConstReal(em_scalar_type(e, type), (value)), lanes)
    LLVMValueRef n = call1(e, "llvm.floor", b), is_nan = LLVMBuildFCmp(e->b, LLVMRealUNO, b, b, "");
    LLVMValueRef zero_or_inf = LLVMBuildFMul(
        e->b, a, LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOGT, b, NUMBER(0), ""), b, NUMBER(0), ""), "");
    n = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOLT, n, NUMBER(3 * most), ""), n, NUMBER(3 * most), "");
    n = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOGT, n, NUMBER(-3 * most), ""), n, NUMBER(-3 * most), "");
    LLVMValueRef is_inf = LLVMBuildFCmp(e->b, LLVMRealOEQ, call1(e, "llvm.fabs", b), NUMBER(INFINITY), ""), y = a;
    for (int step = 0; step < 4; step++) {
        int k = step < 2 ? most : -(most - 1) + digits;
        LLVMValueRef far = step < 2 ? LLVMBuildFCmp(e->b, LLVMRealOGT, n, NUMBER(most), "")
                                    : LLVMBuildFCmp(e->b, LLVMRealOLT, n, NUMBER(1 - most), "");
        y = LLVMBuildSelect(e->b, far, LLVMBuildFMul(e->b, y, NUMBER(ldexp(1, k)), ""), y, "");
        n = LLVMBuildSelect(e->b, far, LLVMBuildFSub(e->b, n, NUMBER(k), ""), n, "");
    }
    n = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOLT, n, NUMBER(most), ""), n, NUMBER(most), "");
    n = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOGT, n, NUMBER(1 - most), ""), n, NUMBER(1 - most), "");
    /* 2^n: n + bias becomes the exponent field by way of the last digits of a large sum. */
    LLVMValueRef sum = LLVMBuildFAdd(e->b, n, NUMBER(ldexp(1.5, digits - 1) + most), "");
    LLVMTypeRef ints = em_vector(em_scalar_type(e, bits_type), lanes);
    LLVMValueRef shift = em_splat(e, LLVMConstInt(em_scalar_type(e, bits_type), (unsigned)digits - 1, 0), lanes);
    LLVMValueRef power = LLVMBuildShl(e->b, LLVMBuildBitCast(e->b, sum, ints, ""), shift, "");
    y = LLVMBuildFMul(e->b, y, LLVMBuildBitCast(e->b, power, LLVMTypeOf(a), ""), "");
    y = LLVMBuildSelect(e->b, is_inf, zero_or_inf, y, "");
    return LLVMBuildSelect(e->b, is_nan, b, y, "");
#undef NUMBER
}

LLVMValueRef em_prim(em *e, kn_prim prim, sn_dtype from, sn_dtype to, const LLVMValueRef v[3], int plain_b) {
    LLVMBuilderRef b = e->b;
    LLVMValueRef x = v[0], y = v[1], z = v[2];
    int f = is_float(from);
    switch (prim) {
        case KP_ADD: return f ? LLVMBuildFAdd(b, x, y, "") : LLVMBuildAdd(b, x, y, "");
        case KP_SUB: return f ? LLVMBuildFSub(b, x, y, "") : LLVMBuildSub(b, x, y, "");
        case KP_MUL: return f ? LLVMBuildFMul(b, x, y, "") : LLVMBuildMul(b, x, y, "");
        case KP_DIV: return LLVMBuildFDiv(b, x, y, "");
        case KP_NEG: return f ? LLVMBuildFNeg(b, x, "") : LLVMBuildNeg(b, x, "");
        case KP_ABS: {
            if (f) return call1(e, "llvm.fabs", x);
            if (is_unsigned(from)) return x;
            LLVMTypeRef type = LLVMTypeOf(x);
            LLVMValueRef args[2] = {x, LLVMConstInt(e->i1, 0, 0)}; /* 0: the least integer gives itself, not poison */
            return em_intrinsic(e, "llvm.abs", &type, 1, args, 2);
        }
        case KP_FMA: {
            LLVMTypeRef type = LLVMTypeOf(x);
            LLVMValueRef args[3] = {x, y, z};
            return em_intrinsic(e, "llvm.fma", &type, 1, args, 3);
        }
        case KP_SQRT: return call1(e, "llvm.sqrt", x);
        case KP_FLOOR: return call1(e, "llvm.floor", x);
        case KP_RINT: return call1(e, "llvm.roundeven", x);
        case KP_ROUND_F16: return em_half_value(e, SN_F16, em_half_bits(e, SN_F16, x));
        case KP_ROUND_BF16: return em_half_value(e, SN_BF16, em_half_bits(e, SN_BF16, x));
        case KP_SCALE: return e->v4 ? scale_v4(e, from, x, y) : scale_by_factors(e, from, x, y);
        case KP_MIN: return min_max(e, 1, from, x, y, plain_b);
        case KP_MAX: return min_max(e, 0, from, x, y, plain_b);
        case KP_LT:
        case KP_LE:
        case KP_EQ:
        case KP_NE: return compare(e, prim, from, x, y);
        case KP_AND: return LLVMBuildAnd(b, x, y, "");
        case KP_OR: return LLVMBuildOr(b, x, y, "");
        case KP_XOR: return LLVMBuildXor(b, x, y, "");
        case KP_NOT: return LLVMBuildNot(b, x, "");
        case KP_SHL:
        case KP_SHR:
        case KP_LSHR: {
            LLVMValueRef last = em_splat(e, LLVMConstInt(em_scalar_type(e, from), bits_of(from) - 1, 0), lanes_of(y));
            y = LLVMBuildAnd(b, y, last, "");
            if (prim == KP_SHL) return LLVMBuildShl(b, x, y, "");
            return prim == KP_LSHR || is_unsigned(from) ? LLVMBuildLShr(b, x, y, "") : LLVMBuildAShr(b, x, y, "");
        }
        case KP_SELECT:
        case KP_RARE: return LLVMBuildSelect(b, x, y, z, "");
        case KP_CAST: return cast(e, from, to, x);
        case KP_BITCAST: return LLVMBuildBitCast(b, x, em_vector(em_scalar_type(e, to), lanes_of(x)), "");
        default:
            base_fail(e->arena->trap, SN_ERR_INTERNAL, "%s reached the code generator unexpanded", kn_prims[prim].name);
    }
}

LLVMValueRef em_prim2(em *e, kn_prim prim, sn_dtype type, LLVMValueRef a, LLVMValueRef b) {
    LLVMValueRef v[3] = {a, b, NULL};
    return em_prim(e, prim, type, type, v, 0);
}
