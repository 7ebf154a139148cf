/* One thread, from where it is to where it waits or ends. Registers hold bits; those of less than 64 have zeros before
 * them. A thread that waits for others stays at the instruction: ptx_block.c gives it what it waits for and moves it
 * on.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ptx.h"

enum { MOST_JUMPS = 1000000000 };
static uint64_t executed;
uint64_t ptx_executed(void) { return executed; }

/* ---- scalars ----------------------------------------------------------------------------------------------------- */

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;
static inline uint32_t W(uint64_t x) { return (uint32_t)x; }
static inline uint16_t H(uint64_t x) { return (uint16_t)x; }
static inline int16_t S16(uint64_t x) { return (int16_t)(uint16_t)x; }
static inline int32_t S32(uint64_t x) { return (int32_t)(uint32_t)x; }
static inline int64_t S64(uint64_t x) { return (int64_t)x; }
static inline float F(uint64_t x) {
    float f;
    uint32_t bits = (uint32_t)x;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static inline double G(uint64_t x) {
    double d;
    memcpy(&d, &x, sizeof d);
    return d;
}
static inline uint64_t NF(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return f != f ? 0x7fffffff : bits;
}
static inline uint64_t NG(double d) {
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static uint64_t ptx_insert(uint64_t from, uint64_t into, uint32_t at, uint32_t n) {
    at &= 0xff;
    n &= 0xff;
    if (at > 63 || !n) return into;
    uint64_t mask = (n > 63 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1) << at;
    return (into & ~mask) | (from << at & mask);
}

/* Four of the eight bytes of both, or their signs. */
static uint32_t ptx_permute(uint32_t a, uint32_t b, uint32_t how) {
    uint64_t both = (uint64_t)b << 32 | a;
    uint32_t result = 0;
    for (unsigned k = 0; k < 4; k++, how >>= 4) {
        uint32_t byte = (uint32_t)(both >> 8 * (how & 7)) & 0xff;
        result |= (how & 8 ? (byte >> 7) * 0xff : byte) << 8 * k;
    }
    return result;
}

static double ptx_least(double a, double b) {
    if (a != a) return b;
    if (b != b) return a;
    return a < b || (a == b && signbit(a)) ? a : b;
}

static float ptx_flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }

/* The number beside the nearest, on either side: code must not depend on which. */
static float ptx_beside(float nearest, float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return nextafterf(nearest, bits * 2654435761u >> 31 ? INFINITY : -INFINITY);
}

/* Within a unit in the last place. Subnormals are zeros. Of 2 - 2^-23 it is not 1/2, from which the compiler's own
 * division would be wrong. */
static float ptx_reciprocal(float x) {
    if (fabsf(x) < 0x1p-126f) return copysignf(INFINITY, x);
    float nearest = 1.0f / x, other = ptx_beside(nearest, x);
    if (nearest != nearest || nearest == 0) return nearest;
    double exact = 1.0 / (double)x, unit = ldexp(1, ilogb((double)nearest) - 23);
    int fraction, is_half = fabs(frexp((double)other, &fraction)) == 0.5 && frexp((double)x, &fraction) != 0.5;
    return ptx_flushed(isfinite(other) && fabs((double)other - exact) <= unit && !is_half ? other : nearest);
}

/* Its upper half is within a unit, and not below for 2 - 2^-52, of which the compiler's own division would be wrong. */
static double ptx_reciprocal_f64(double x) {
    uint64_t of, bits;
    if (fabs(x) < 0x1p-1022) return copysign(INFINITY, x);
    double r = 1 / x;
    memcpy(&of, &x, sizeof of);
    memcpy(&bits, &r, sizeof bits);
    int delicate = !(~of << 12);
    if (isfinite(x)) bits = ((bits >> 32) + (bits >> 31 & 1) - (bits >> 33 & 1) + (delicate ? 1 : 0)) << 32;
    memcpy(&r, &bits, sizeof bits);
    return fabs(r) < 0x1p-1022 ? copysign(0, r) : r;
}

/* Within 2^-22.9. The compiler's own roots of two numbers, 0x1.f82294p0 and 0x1.dd26e4p1, would be wrong from the
 * number above the nearest. */
static float ptx_reciprocal_root(float x) {
    double exact = 1.0 / sqrt((double)ptx_flushed(x));
    float nearest = (float)exact, other = ptx_beside(nearest, x);
    if (!(exact > 0) || isinf(nearest)) return nearest;
    int exponent;
    double fraction = frexp((double)x, &exponent);
    int delicate = fraction == (exponent % 2 ? 0x1.f82294p-1 : 0x1.dd26e4p-1);
    return fabs((double)other - exact) <= exact * 0x1p-23 && !delicate ? other : nearest;
}

static int32_t ptx_to_s32(double x) {
    return x >= 2147483648.0 ? INT32_MAX : x > -2147483649.0 ? (int32_t)x : INT32_MIN;
}
static int64_t ptx_to_s64(double x) {
    return x >= 9223372036854775808.0 ? INT64_MAX : x >= -9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}

static float ptx_from_f16(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    float x = exponent == 31 ? (fraction ? NAN : INFINITY)
              : exponent     ? ldexpf((float)(fraction + 1024), exponent - 25)
                             : ldexpf((float)fraction, -24);
    return h >> 15 ? -x : x;
}

/* To the nearest, ties to even: in units of the last place, which is exact in f64. */
static uint64_t ptx_to_f16(float f) {
    uint32_t sign = signbit(f) ? 0x8000 : 0;
    double x = fabs((double)f);
    int exponent;
    if (f != f) return 0x7fff;
    if (x >= 65520) return sign | 0x7c00;
    (void)frexp(x, &exponent); /* x = [1/2, 1) * 2^exponent */
    int place = x == 0 || exponent - 11 < -24 ? -24 : exponent - 11;
    uint32_t units = (uint32_t)rint(ldexp(x, -place)); /* up to 2048 of 2^place */
    return sign | (((uint32_t)(place + 24) << 10) + units);
}

static uint64_t ptx_to_bf16(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return f != f ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/* ---- what is not known ------------------------------------------------------------------------------------------- */

/* Code may carry along what nobody wrote, or what another thread is about to write: an absent lane's values, what a
 * loop's first turn does not use. So the result of an unknown operand is unknown, and so is what is written behind a
 * jump that depends on one, until both ways meet. Only what shows outside is complained about: addresses, stores,
 * barriers, who takes part in a warp operation. */
static int matters(ptx_machine *m, const ptx_thread *t, const ptx_insn *i) {
    if (!t->why) return ptx_complain(m, i, "depends on a register that nothing has been written to");
    return ptx_complain(m, i, "depends on what line %u read: %s%s (thread %u, line %u)", t->why_line, t->why,
                        t->why[0] == 'a' ? " wrote" : "", t->why_thread, t->why_other);
}

enum { KNOWN = 0xff }; /* a bit for each byte */

void ptx_begin_doubts(const ptx_machine *m, ptx_thread *t) {
    if (!t->doubts && !m->kernel->n_doubtful) memset(t->known, KNOWN, m->kernel->n_slot);
    t->doubts = 1;
}

/* Of and, or: a byte that is all `decides` on one side is the result's, whatever the other is. */
static uint8_t known_either(uint64_t a, uint8_t known_a, uint64_t b, uint8_t known_b, uint8_t decides) {
    unsigned known = known_a & known_b;
    for (unsigned k = 0; k < 8; k++) {
        known |= (uint8_t)(a >> 8 * k) == decides ? known_a & 1u << k : 0;
        known |= (uint8_t)(b >> 8 * k) == decides ? known_b & 1u << k : 0;
    }
    return (uint8_t)known;
}

static uint8_t known_permuted(uint8_t known_a, uint8_t known_b, uint32_t how) {
    unsigned both = (known_b & 15u) << 4 | (known_a & 15u), known = 0xf0;
    for (unsigned k = 0; k < 4; k++, how >>= 4) known |= (both >> (how & 7) & 1) << k;
    return (uint8_t)known;
}

static void go_astray(const ptx_machine *m, ptx_thread *t, const ptx_insn *i) {
    ptx_begin_doubts(m, t);
    t->astray = 1;
    t->jump = (uint32_t)(i - m->kernel->code);
    t->join = ptx_join(m->kernel, t->jump);
}

/* 0 after a complaint; 1: go on; -1: the guard says no. */
static int check_registers(ptx_machine *m, ptx_thread *t, const ptx_insn *i) {
    uint8_t *const known = t->known;
    const uint64_t *R = t->slot;
    if (t->astray && m->kernel->code + t->join == i) {
        ptx_forget_between(m->kernel, t->jump, known);
        t->astray = 0;
    }
    uint8_t all = known[i->a] & known[i->b] & known[i->c];
    if (i->guard && known[i->guard] != KNOWN) {
        if (i->op != PTX_bra) return matters(m, t, i);
        if (!t->astray) go_astray(m, t, i);
    }
    if (i->guard && (R[i->guard] & 1) == i->negated) return -1;
    switch (i->op) {
        default: break;
        case PTX_ld: /* what is loaded and stored: below */ return all == KNOWN || matters(m, t, i);
        case PTX_st: return (all == KNOWN && !t->astray) || matters(m, t, i);
        case PTX_bar_sync: return !t->astray || matters(m, t, i);
        case PTX_bar_warp_sync: return (known[i->d[2]] == KNOWN && !t->astray) || matters(m, t, i);
        case PTX_shfl: /* what is shuffled goes with the value: ptx_block.c */
            return ((known[i->b] & known[i->c] & known[i->d[2]]) == KNOWN && !t->astray) || matters(m, t, i);
        case PTX_bra:
        case PTX_ret: return 1;
        case PTX_pack:
            known[i->d[0]] = (uint8_t)(~0u << 2 * i->size | (unsigned)known[i->b] << i->size |
                                       (known[i->a] & ((1u << i->size) - 1)));
            return 1;
        case PTX_unpack:
            known[i->d[1]] = (uint8_t)((unsigned)known[i->a] >> i->size | ~0u << i->size);
            known[i->d[0]] = (uint8_t)(known[i->a] | ~0u << i->size);
            return 1;
        case PTX_cvt_u32_u64: known[i->d[0]] = known[i->a] | 0xf0; return 1;
        case PTX_cvt_u32_u16:
        case PTX_cvt_u16_u32:
        case PTX_cvt_u16_u64: known[i->d[0]] = known[i->a] | 0xfc; return 1;
        case PTX_prmt_b32:
            known[i->d[0]] = known[i->c] == KNOWN ? known_permuted(known[i->a], known[i->b], W(R[i->c])) : 0;
            return 1;
        case PTX_and_b16:
        case PTX_and_b32:
        case PTX_and_b64: known[i->d[0]] = known_either(R[i->a], known[i->a], R[i->b], known[i->b], 0); return 1;
        case PTX_or_b16:
        case PTX_or_b32:
        case PTX_or_b64: known[i->d[0]] = known_either(R[i->a], known[i->a], R[i->b], known[i->b], 0xff); return 1;
        case PTX_shr_u64: /* by whole bytes */
            all = (uint8_t)((unsigned)known[i->a] >> W(R[i->b]) / 8 | ~(0xffu >> W(R[i->b]) / 8));
            if (known[i->b] != KNOWN || W(R[i->b]) & 7) all = known[i->a] & known[i->b];
            break;
        case PTX_bfi_b64: all &= known[i->d[1]]; break;
        case PTX_and_pred:
            if ((known[i->a] == KNOWN && !R[i->a]) || (known[i->b] == KNOWN && !R[i->b])) all = KNOWN;
            break;
        case PTX_or_pred:
            if ((known[i->a] == KNOWN && R[i->a]) || (known[i->b] == KNOWN && R[i->b])) all = KNOWN;
            break;
            /* clang-format off */
#define MOVE(type)                                                                                                     \
    case PTX_mov_##type: known[i->d[0]] = known[i->a]; return 1;                                                       \
    case PTX_selp_##type: known[i->d[0]] = known[i->c] != KNOWN ? 0 : known[R[i->c] & 1 ? i->a : i->b]; return 1;
        MOVE(b16) MOVE(u16) MOVE(s16) MOVE(b32) MOVE(u32) MOVE(s32) MOVE(f32) MOVE(b64) MOVE(u64) MOVE(s64) MOVE(f64)
#undef MOVE
            /* clang-format on */
    }
    known[i->d[0]] = all == KNOWN ? KNOWN : 0;
    return 1;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static int load(ptx_machine *m, ptx_thread *t, const ptx_insn *i, uint64_t *R) {
    m->unknown = 0;
    const char *from = ptx_access(m, i, R[i->a] + (uint64_t)(int64_t)i->offset, 0);
    if (!from) return 0;
    for (unsigned k = 0; k < i->n; k++, from += i->size) {
        uint64_t value = 0;
        memcpy(&value, from, i->size);
        if (i->is_signed && i->size < i->width) {
            unsigned shift = 64 - 8u * i->size;
            value = (uint64_t)((int64_t)(value << shift) >> shift) & (~(uint64_t)0 >> (64 - 8u * i->width));
        }
        R[i->d[k]] = value;
        if (m->unknown) ptx_begin_doubts(m, t);
        if (t->doubts || i->checked)
            t->known[i->d[k]] = (uint8_t) ~(((unsigned)m->unknown >> k * i->size) & ((1u << i->size) - 1));
    }
    if (!m->unknown) return 1;
    t->why = m->why;
    t->why_thread = m->why_thread;
    t->why_line = i->line;
    t->why_other = m->why_line;
    return 1;
}

/* What is not known may be kept where only the block sees it. */
static int store(ptx_machine *m, ptx_thread *t, const ptx_insn *i, const uint64_t *R) {
    m->unknown = 0;
    for (unsigned k = 0; (t->doubts | i->checked) && k < i->n; k++)
        m->unknown |= (uint16_t)((~t->known[i->d[k]] & ((1u << i->size) - 1)) << k * i->size);
    char *to = ptx_access(m, i, R[i->a] + (uint64_t)(int64_t)i->offset, 1);
    if (!to) return 0;
    if (m->unknown && m->is_global) return matters(m, t, i);
    for (unsigned k = 0; k < i->n; k++) memcpy(to + k * i->size, &R[i->d[k]], i->size);
    return 1;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

#define A         R[i->a]
#define B         R[i->b]
#define C         R[i->c]
#define D         R[i->d[0]]
#define E         R[i->d[1]]
#define BAD(text) return ptx_complain(m, i, text)

int ptx_run_thread(ptx_machine *m) {
    ptx_thread *t = &m->thread[m->running];
    uint64_t *const R = t->slot, n = 0;
    const ptx_insn *const code = m->kernel->code;
    unsigned jumps = 0;
    for (const ptx_insn *i = code + t->pc;; i++) {
        n++;
        if (i->checked | t->doubts) {
            int go = check_registers(m, t, i);
            if (!go) return 0;
            if (go < 0) continue;
        } else if (i->guard && (R[i->guard] & 1) == i->negated)
            continue;
        switch ((ptx_op)i->op) {
            case PTX_ld:
                if (!load(m, t, i, R)) return 0;
                break;
            case PTX_st:
                if (!store(m, t, i, R)) return 0;
                break;
            case PTX_bra:
                if (code + i->offset <= i && ++jumps > MOST_JUMPS) BAD("never ends");
                i = code + i->offset - 1;
                break;
            case PTX_ret:
                t->state = PTX_ENDED;
                executed += n;
                return 1;
            case PTX_bar_sync:
            case PTX_bar_warp_sync:
            case PTX_shfl:
                t->state = i->op == PTX_bar_sync ? PTX_AT_BARRIER : PTX_AT_WARP;
                t->pc = (uint32_t)(i - code);
                executed += n;
                return 1;
            case PTX_pack: D = i->size == 4 ? W(A) | B << 32 : H(A) | W(B << 16); break;
            case PTX_unpack: /* the whole is none of the halves */
                E = A >> 8 * i->size;
                D = i->size == 4 ? W(A) : H(A);
                break;
#define OP(name, signature, ...)                                                                                       \
    case PTX_##name:                                                                                                   \
        __VA_ARGS__;                                                                                                   \
        break;
#include "ptx_ops.def"
#undef OP
            case PTX_N_OPS: BAD("is no instruction");
        }
    }
}

int ptx_complain(ptx_machine *m, const ptx_insn *i, const char *format, ...) {
    va_list args;
    if (m->complaint[0]) return 0;
    const char *text = m->module->line[i->line];
    while (*text == ' ' || *text == '\t') text++;
    int n = snprintf(m->complaint, sizeof m->complaint, "block %u, thread %u, line %u of the PTX, '%.*s': ", m->block,
                     m->running, i->line, (int)strcspn(text, ";\n"), text);
    va_start(args, format);
    if (n > 0 && (size_t)n < sizeof m->complaint)
        vsnprintf(m->complaint + n, sizeof m->complaint - (size_t)n, format, args);
    va_end(args);
    for (char *tab = m->complaint; (tab = strchr(tab, '\t'));) *tab = ' ';
    return 0;
}
