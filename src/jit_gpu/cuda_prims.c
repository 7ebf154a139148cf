/* Scalar primitives as CUDA C++ text. Mathematical functions become device functions made of the expansions that every
 * backend shares (ir/maths.h), so their bits are those of the interpreter; the compiler must not contract
 * (-fmad=false).
 */
#include <math.h>
#include <string.h>

#include "base/floats.h"
#include "ir/kernel_build.h"
#include "jit_gpu/cuda_emit.h"

const char *ce_type(sn_dtype type) {
    switch (type) {
        case SN_F64: return "double";
        case SN_F32: return "float";
        case SN_I64: return "i64";
        case SN_I32: return "int";
        case SN_U8: return "u8";
        default: return "bool";
    }
}

const char *ce_memory_type(sn_dtype type) {
    if (base_is_half(type)) return type == SN_F16 ? "f16" : "bf16";
    return type == SN_BOOL ? "u8" : ce_type(type);
}

static const char *float_const(ce *e, uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    if (!isfinite(x) || (x == 0 && signbit(x))) return ce_text(e, "__int_as_float(0x%08x)", bits);
    const char *digits = ce_text(e, "%.9g", (double)x);
    return ce_text(e, "%s%sf", digits, strpbrk(digits, ".e") ? "" : ".0");
}

static const char *double_const(ce *e, uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    if (!isfinite(x) || (x == 0 && signbit(x)))
        return ce_text(e, "__longlong_as_double(0x%016llxLL)", (unsigned long long)bits);
    const char *digits = ce_text(e, "%.17g", x);
    return ce_text(e, "%s%s", digits, strpbrk(digits, ".e") ? "" : ".0");
}

const char *ce_const(ce *e, sn_dtype type, uint64_t bits) {
    switch (type) {
        case SN_F32: return float_const(e, (uint32_t)bits);
        case SN_F64: return double_const(e, bits);
        case SN_I64:
            if (bits == (uint64_t)INT64_MIN) return "(-9223372036854775807LL - 1)";
            return ce_text(e, (int64_t)bits < 0 ? "(%lldLL)" : "%lldLL", (long long)bits);
        case SN_I32:
            if ((uint32_t)bits == 0x80000000u) return "(-2147483647 - 1)";
            return ce_text(e, (int32_t)(uint32_t)bits < 0 ? "(%d)" : "%d", (int)(int32_t)(uint32_t)bits);
        case SN_U8: return ce_text(e, "(u8)%u", (unsigned)(bits & 255));
        default: return bits & 1 ? "true" : "false";
    }
}

static const char *cast(ce *e, sn_dtype from, sn_dtype to, const char *a) {
    int from_float = from == SN_F32 || from == SN_F64, to_int = to == SN_I64 || to == SN_I32 || to == SN_U8;
    if (from == to) return a;
    if (to == SN_BOOL) return ce_text(e, "(%s != 0)", a);
    if (from_float && to_int) return ce_text(e, "sn_to_%s(%s)", sn_dtype_name(to), a);
    return ce_text(e, "(%s)%s", ce_type(to), a);
}

const char *ce_prim(ce *e, kn_prim prim, sn_dtype from, sn_dtype to, const char *a, const char *b, const char *c) {
    int is_float = from == SN_F32 || from == SN_F64, is_bool = from == SN_BOOL;
    const char *f = from == SN_F32 ? "f" : "";
    switch (prim) {
        case KP_ADD: return ce_text(e, is_float ? "(%s + %s)" : "sn_add(%s, %s)", a, b);
        case KP_SUB: return ce_text(e, is_float ? "(%s - %s)" : "sn_sub(%s, %s)", a, b);
        case KP_MUL: return ce_text(e, is_float ? "(%s * %s)" : "sn_mul(%s, %s)", a, b);
        case KP_DIV: return ce_text(e, "(%s / %s)", a, b);
        case KP_NEG: return ce_text(e, is_float ? "(-%s)" : "sn_neg(%s)", a);
        case KP_ABS: return is_float ? ce_text(e, "fabs%s(%s)", f, a) : ce_text(e, "sn_abs(%s)", a);
        case KP_FMA: return ce_text(e, "fma%s(%s, %s, %s)", f, a, b, c);
        case KP_SQRT: return ce_text(e, "sqrt%s(%s)", f, a);
        case KP_FLOOR: return ce_text(e, "floor%s(%s)", f, a);
        case KP_RINT: return ce_text(e, "rint%s(%s)", f, a);
        case KP_MIN: return ce_text(e, "sn_min(%s, %s)", a, b);
        case KP_MAX: return ce_text(e, "sn_max(%s, %s)", a, b);
        case KP_LT: return ce_text(e, "(%s < %s)", a, b);
        case KP_LE: return ce_text(e, "(%s <= %s)", a, b);
        case KP_EQ: return ce_text(e, "(%s == %s)", a, b);
        case KP_NE: return ce_text(e, "(%s != %s)", a, b);
        case KP_AND: return ce_text(e, "(%s)(%s & %s)", ce_type(from), a, b);
        case KP_OR: return ce_text(e, "(%s)(%s | %s)", ce_type(from), a, b);
        case KP_XOR: return ce_text(e, "(%s)(%s ^ %s)", ce_type(from), a, b);
        case KP_NOT: return is_bool ? ce_text(e, "!%s", a) : ce_text(e, "(%s)~%s", ce_type(from), a);
        case KP_SHL: return ce_text(e, "sn_shl(%s, %s)", a, b);
        case KP_SHR: return ce_text(e, "sn_shr(%s, %s)", a, b);
        case KP_LSHR: return ce_text(e, "sn_lshr(%s, %s)", a, b);
        case KP_ROUND_F16: return ce_text(e, "sn_f16_value(sn_f16_bits(%s))", a);
        case KP_ROUND_BF16: return ce_text(e, "sn_bf16_value(sn_bf16_bits(%s))", a);
        case KP_SCALE: return ce_text(e, "sn_scale(%s, %s)", a, b);
        case KP_SELECT:
        case KP_RARE: return ce_text(e, "(%s ? %s : %s)", a, b, c);
        case KP_CAST: return cast(e, from, to, a);
        case KP_BITCAST: return ce_text(e, "sn_bits_%s(%s)", sn_dtype_name(to), a);
        default: break;
    }
    return ce_text(e, "sn_%s_%s(%s%s%s)", kn_prims[prim].name, sn_dtype_name(to), a, b ? ", " : "", b ? b : "");
}

/* ---- mathematical functions -------------------------------------------------------------------------------------- */

static const kn_kernel *expansion(ce *e, kn_prim prim, sn_dtype type) {
    kn_build b;
    kn_build_init(&b, e->arena);
    kn_id to = kn_add_mem(&b, KN_OUT, type, KN_C(1), NULL);
    kn_part_begin(&b, 0, NULL, 1, 1, 1);
    kn_phase_begin(&b, 0, 0, NULL, KN_NONE, 1, 1);
    kn_id x = kn_scalar(&b, type, 0), y = kn_prims[prim].n_operands > 1 ? kn_scalar(&b, type, 1) : (kn_id)KN_NONE;
    kn_store(&b, kn_access_of(to), kn_prim2(&b, prim, type, x, y));
    kn_phase_end(&b);
    kn_part_end(&b);
    return kn_expand(e->arena, kn_build_finish(&b), 0);
}

static int has_rare(const kn_kernel *k) {
    for (kn_id i = 0; i < k->n_inst; i++)
        if (k->inst[i].kind == KI_PRIM && k->inst[i].prim == KP_RARE) return 1;
    return 0;
}

/* usual: gives what is usual, and says whether the argument is a rare one. Operands of its divisions are as sn_ratio
 * wants them (ir/maths.h). */
static void define(ce *e, const kn_kernel *k, kn_prim prim, sn_dtype type, int usual) {
    const char *name = ce_type(type), *suffix = has_rare(k) && !usual ? "_rare" : "";
    ce_line(e, "DEVICE %s sn_%s_%s%s(%s x%s%s) {", name, kn_prims[prim].name, sn_dtype_name(type), suffix, name,
            kn_prims[prim].n_operands > 1 ? ce_text(e, ", %s y", name) : "", usual ? ", bool *rare" : "");
    e->depth++;
    for (kn_id i = 0; i < k->n_inst; i++) {
        const kn_inst *in = &k->inst[i];
        const char *value = NULL, *a[3] = {NULL, NULL, NULL};
        for (int n = 0; n < 3; n++)
            if (in->a[n] != KN_NONE) a[n] = ce_text(e, "v%u", in->a[n]);
        if (in->kind == KI_CONST) value = ce_const(e, (sn_dtype)in->type, in->bits);
        if (in->kind == KI_SCALAR) value = in->bits ? "y" : "x";
        if (in->kind == KI_PRIM) {
            kn_id of = in->prim == KP_SELECT || in->prim == KP_RARE ? in->a[1] : in->a[0];
            value = ce_prim(e, (kn_prim)in->prim, (sn_dtype)k->inst[of].type, (sn_dtype)in->type, a[0], a[1], a[2]);
            if (in->prim == KP_DIV)
                value = ce_text(e, "sn_ratio_%s(%s, %s)", sn_dtype_name((sn_dtype)in->type), a[0], a[1]);
            if (in->prim == KP_RARE && usual) {
                ce_line(e, "*rare |= %s;", a[0]);
                value = a[2];
            }
        }
        if (in->kind == KI_STORE)
            ce_line(e, "return %s;", a[0]);
        else
            ce_line(e, "const %s v%u = %s;", ce_type((sn_dtype)in->type), i, value);
    }
    ce_close(e);
    ce_line(e, "%s", "");
}

static void define_maths(ce *e, kn_prim prim, sn_dtype type) {
    const kn_kernel *k = expansion(e, prim, type);
    if (has_rare(k)) define(e, k, prim, type, 1);
    define(e, k, prim, type, 0);
}

int ce_has_rare(ce *e, kn_prim prim, sn_dtype type) {
    if (prim == KP_DIV || prim == KP_SQRT) return type == SN_F32;
    if (!kn_prims[prim].is_maths) return 0;
    uint8_t *kind = &e->rare_kind[prim][type];
    if (!*kind) *kind = has_rare(expansion(e, prim, type)) ? 2 : 1;
    return *kind == 2;
}

void ce_maths(ce *e) {
    uint8_t seen[KP_COUNT][SN_BF16 + 1] = {{0}};
    for (kn_id i = 0; i < e->k->n_inst; i++) {
        const kn_inst *in = &e->k->inst[i];
        if (in->kind != KI_PRIM || !kn_prims[in->prim].is_maths || seen[in->prim][in->type]++) continue;
        define_maths(e, (kn_prim)in->prim, (sn_dtype)in->type);
    }
}
