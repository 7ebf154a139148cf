/* Holds a kernel to every rule of kernel.h. The arrays may contain anything (decoded bytes are checked here), so ids
 * are looked at before they are followed: tables first, then the structure of parts and phases, then the instructions
 * in order, so that an instruction may rely on all that stands before it. Time is linear and nothing is allocated. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/floats.h"
#include "ir/kernel.h"

/* What the instructions seen so far did to a memory. Phases and parts are stored plus one; 0 is none. */
typedef struct {
    uint16_t part; /* the only one that may touch an INOUT; the last that stored a ROW */
    uint16_t store_phase, load_phase;
    uint16_t store_acc, load_acc; /* in these phases */
    uint16_t late_phase;          /* where an instruction after the nest stored it */
    uint8_t folded;
} mem_state;

typedef struct {
    const kn_kernel *k;
    char *text;
    uint32_t loop_axes, point_axes, unroll_axes;
    uint64_t copies;
    /* where we are */
    uint32_t part, phase, inst;
    uint32_t part_first;                  /* first instruction of the part */
    uint32_t part_points, phase_loops;    /* sets */
    uint64_t late[(KN_NONE + 63) / 64];   /* instructions that run after their phase's nest, and folds over it */
    uint64_t stored[(KN_NONE + 63) / 64]; /* accesses with a store behind the present instruction (check_updates) */
    mem_state mem[KN_MAX_MEMS];
} verifier;

#define TEST(v, condition, ...)                                                                                        \
    do {                                                                                                               \
        if (!(condition)) return fail((v), __VA_ARGS__);                                                               \
    } while (0)

__attribute__((format(printf, 2, 3))) static int fail(verifier *v, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(v->text, 256, format, args);
    va_end(args);
    return 0;
}

/* The same for the present instruction, which the sentence starts with. */
#define TEST_INST(v, condition, ...)                                                                                   \
    do {                                                                                                               \
        if (!(condition)) return fail_inst((v), __VA_ARGS__);                                                          \
    } while (0)

__attribute__((format(printf, 2, 3))) static int fail_inst(verifier *v, const char *format, ...) {
    char why[200];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return fail(v, "instruction %u: %s", v->inst, why);
}

static int has_bit(const uint64_t *set, uint32_t i) { return (int)(set[i / 64] >> (i % 64) & 1); }
static void add_bit(uint64_t *set, uint32_t i) { set[i / 64] |= (uint64_t)1 << (i % 64); }
static int is_power_of_2(uint32_t n) { return n && !(n & (n - 1)); }
static int is_float(uint32_t type) { return type == SN_F32 || type == SN_F64; }
static int is_integer(uint32_t type) { return type == SN_I64 || type == SN_I32 || type == SN_U8; }
static int is_type(uint32_t type) { return is_float(type) || is_integer(type) || type == SN_BOOL; }
static int has_dim(const kn_kernel *k, kn_size size) { return size.dim == KN_NONE || size.dim < k->n_dim; }
static int is_zero(kn_size size) { return size.k == 0 && size.dim == KN_NONE; }

static int in_class(uint32_t type, uint32_t classes) {
    return (is_float(type) && classes & KN_T_F) || (is_integer(type) && classes & KN_T_I) ||
           (type == SN_BOOL && classes & KN_T_B);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static int check_axes(verifier *v) {
    const kn_kernel *k = v->k;
    TEST(v, k->n_axis <= KN_MAX_AXES, "%u axes are more than %d", k->n_axis, KN_MAX_AXES);
    for (uint32_t i = 0; i < k->n_axis; i++) {
        const kn_axis *a = &k->axis[i];
        TEST(v, a->role <= KN_UNROLL, "axis %u: role %u does not exist", i, a->role);
        TEST(v, has_dim(k, a->extent), "axis %u: dim %u does not exist", i, a->extent.dim);
        TEST(v, a->extent.k >= 0, "axis %u: negative extent", i);
        int small = a->extent.dim == KN_NONE && a->extent.k >= 1 && a->extent.k <= KN_MAX_UNROLL;
        TEST(v, a->role != KN_UNROLL || small, "axis %u: an unroll axis needs a constant extent of 1 .. %d", i,
             KN_MAX_UNROLL);
    }
    v->point_axes = kn_axes_with(k, KN_POINT);
    v->loop_axes = kn_axes_with(k, KN_LOOP);
    v->unroll_axes = kn_axes_with(k, KN_UNROLL);
    return 1;
}

static int check_mems(verifier *v) {
    const kn_kernel *k = v->k;
    TEST(v, k->n_mem <= KN_MAX_MEMS, "%u memories are more than %d", k->n_mem, KN_MAX_MEMS);
    for (uint32_t i = 0; i < k->n_mem; i++) {
        const kn_mem *m = &k->mem[i];
        TEST(v, m->space <= KN_PART, "memory %u: space %u does not exist", i, m->space);
        int half = base_is_half((sn_dtype)m->store) && m->space != KN_ROW && m->space != KN_PART;
        TEST(v, half || is_type(m->store), "memory %u: element type %u cannot be stored", i, m->store);
        TEST(v, m->align_log2 <= 12 && (size_t)1 << m->align_log2 >= sn_dtype_size((sn_dtype)m->store),
             "memory %u: alignment 2^%u does not fit its elements", i, m->align_log2);
        TEST(v, has_dim(k, m->count) && m->count.k >= 0, "memory %u: bad element count", i);
    }
    return 1;
}

static int check_accesses(verifier *v) {
    const kn_kernel *k = v->k;
    for (uint32_t i = 0; i < k->n_access; i++) {
        const kn_access *a = &k->access[i];
        TEST(v, a->mem < k->n_mem, "access %u: memory %u does not exist", i, a->mem);
        TEST(v, a->ix == KN_NONE || a->ix < k->n_inst, "access %u: index %u does not exist", i, a->ix);
        TEST(v, a->guard == KN_NONE || a->guard < k->n_inst, "access %u: guard %u does not exist", i, a->guard);
        TEST(v, a->n <= KN_MAX_NEST, "access %u: %u steps are more than %d", i, a->n, KN_MAX_NEST);
        TEST(v, has_dim(k, a->base) && has_dim(k, a->ix_step), "access %u: a dim does not exist", i);
        TEST(v, a->ix != KN_NONE || is_zero(a->ix_step), "access %u: an index step without an index", i);
        for (uint32_t s = 0; s < a->n; s++) {
            TEST(v, a->axis[s] < k->n_axis, "access %u: axis %u does not exist", i, a->axis[s]);
            TEST(v, has_dim(k, a->step[s]) && a->step[s].k, "access %u: bad step of axis %u", i, a->axis[s]);
        }
    }
    return 1;
}

/* ---- parts and phases -------------------------------------------------------------------------------------------- */

/* The set of the axes in list, which must differ and have the role; 0 in ok when they do not. */
static uint32_t axis_list(const kn_kernel *k, uint32_t n, const kn_id *list, uint32_t role, int *ok) {
    uint32_t set = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (list[i] >= k->n_axis || k->axis[list[i]].role != role || set >> list[i] & 1) {
            *ok = 0;
            return 0;
        }
        set |= 1u << list[i];
    }
    return set;
}

static int check_part(verifier *v, uint32_t next_phase) {
    const kn_kernel *k = v->k;
    const kn_part *p = &k->part[v->part];
    int ok = p->n_point <= KN_MAX_NEST;
    TEST(v, p->first_phase == next_phase && p->end_phase > p->first_phase && p->end_phase <= k->n_phase,
         "part %u: phases [%u, %u) do not follow the part before", v->part, p->first_phase, p->end_phase);
    v->part_points = ok ? axis_list(k, p->n_point, p->point, KN_POINT, &ok) : 0;
    TEST(v, ok, "part %u: bad list of point axes", v->part);
    TEST(v, is_power_of_2(p->tile) && p->tile <= KN_MAX_WIDTH && (p->n_point || p->tile == 1),
         "part %u: tile %u is no power of two up to %d, or 1 without points", v->part, p->tile, KN_MAX_WIDTH);
    TEST(v, is_power_of_2(p->team) && p->team <= KN_MAX_WIDTH, "part %u: team %u is no power of two up to %d", v->part,
         p->team, KN_MAX_WIDTH);
    TEST(v, p->rounds <= KN_MAX_ROUNDS, "part %u: %u rounds, the most are %d", v->part, p->rounds, KN_MAX_ROUNDS);
    TEST(v, p->grain && p->max_chunks, "part %u: grain and max_chunks must not be 0", v->part);
    return 1;
}

static int check_phase(verifier *v, uint32_t next_inst) {
    const kn_kernel *k = v->k;
    const kn_part *part = &k->part[v->part];
    const kn_phase *p = &k->phase[v->phase];
    int ok = p->n_loop <= KN_MAX_NEST;
    TEST(v, p->first == next_inst && p->end >= p->first && p->end <= k->n_inst,
         "phase %u: instructions [%u, %u) do not follow the phase before", v->phase, p->first, p->end);
    v->phase_loops = ok ? axis_list(k, p->n_loop, p->loop, KN_LOOP, &ok) : 0;
    TEST(v, ok, "phase %u: bad list of loop axes", v->phase);
    TEST(v, p->at_entry <= 1, "phase %u: at_entry is %u", v->phase, p->at_entry);
    TEST(v, !p->at_entry || v->phase == part->first_phase || k->phase[v->phase - 1].at_entry,
         "phase %u: an entry phase behind others", v->phase);
    TEST(v, is_power_of_2(p->ilp) && p->ilp <= KN_MAX_ILP && (p->n_loop || p->ilp == 1),
         "phase %u: ilp %u is no power of two up to %d, or 1 without loops", v->phase, p->ilp, KN_MAX_ILP);
    TEST(v, is_power_of_2(p->width) && p->width <= KN_MAX_WIDTH, "phase %u: width %u is no power of two up to %d",
         v->phase, p->width, KN_MAX_WIDTH);
    if (p->lanes == KN_NONE) {
        TEST(v, p->width == 1, "phase %u: width %u without lanes", v->phase, p->width);
    } else if (p->n_loop && p->lanes == p->loop[p->n_loop - 1]) {
        return 1;
    } else {
        TEST(v, part->n_point && p->lanes == part->point[part->n_point - 1] && !p->at_entry,
             "phase %u: lanes are neither the innermost loop nor the last point axis", v->phase);
        TEST(v, p->width == part->tile, "phase %u: width %u of point lanes is not the tile %u", v->phase, p->width,
             part->tile);
    }
    return 1;
}

/* ---- instructions ------------------------------------------------------------------------------------------------ */

static int gives_value(const kn_inst *i) { return i->kind != KI_STORE && !(i->kind == KI_FOLD && i->acc != KN_NONE); }

/* An operand, index or guard: an earlier value of this part that is still there. */
static int check_operand(verifier *v, kn_id id) {
    const kn_inst *a = &v->k->inst[id < v->inst ? id : 0];
    TEST_INST(v, id < v->inst, "operand %u does not come before it", id);
    TEST_INST(v, id >= v->part_first, "operand %u is of another part", id);
    TEST_INST(v, gives_value(a), "operand %u has no value", id);
    TEST_INST(v, id >= v->k->phase[v->phase].first || !(a->over & v->loop_axes),
              "operand %u varies over a loop of another phase", id);
    return 1;
}

static int check_const(verifier *v, const kn_inst *i) {
    size_t bytes = sn_dtype_size((sn_dtype)i->type);
    uint64_t most = i->type == SN_BOOL ? 1 : bytes == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * bytes) - 1;
    TEST_INST(v, i->bits <= most, "the constant's bits exceed its type");
    return 1;
}

static int check_prim(verifier *v, const kn_inst *i) {
    const kn_inst *inst = v->k->inst;
    TEST_INST(v, i->prim < KP_COUNT, "primitive %u does not exist", i->prim);
    const kn_prim_info *info = &kn_prims[i->prim];
    for (uint32_t n = 0; n < 3; n++) {
        TEST_INST(v, (n < info->n_operands) == (i->a[n] != KN_NONE), "%s takes %u operands", info->name,
                  info->n_operands);
        if (i->a[n] != KN_NONE && !check_operand(v, i->a[n])) return 0;
    }
    if (i->prim == KP_SELECT || i->prim == KP_RARE) {
        TEST_INST(v, inst[i->a[0]].type == SN_BOOL && inst[i->a[1]].type == i->type && inst[i->a[2]].type == i->type,
                  "%s takes a bool and two of its own type", info->name);
        return 1;
    }
    uint32_t type = inst[i->a[0]].type;
    TEST_INST(v, in_class(type, info->types), "%s does not take %s", info->name, sn_dtype_name((sn_dtype)type));
    for (uint32_t n = 1; n < info->n_operands; n++)
        TEST_INST(v, inst[i->a[n]].type == type, "operands of %s differ in type", info->name);
    if (info->result == KN_R_SAME) TEST_INST(v, i->type == type, "%s changes the type", info->name);
    if (info->result == KN_R_BOOL) TEST_INST(v, i->type == SN_BOOL, "%s gives bool", info->name);
    if (i->prim == KP_ROUND_F16 || i->prim == KP_ROUND_BF16)
        TEST_INST(v, type == SN_F32, "%s does not take %s", info->name, sn_dtype_name((sn_dtype)type));
    if (i->prim == KP_BITCAST)
        TEST_INST(v,
                  is_float(i->type) + is_float(type) == 1 && in_class(i->type, info->types) &&
                      sn_dtype_size((sn_dtype)i->type) == sn_dtype_size((sn_dtype)type),
                  "bitcast is f32 <-> i32 or f64 <-> i64");
    return 1;
}

static int check_fold(verifier *v, const kn_inst *i) {
    const kn_kernel *k = v->k;
    uint32_t all = v->point_axes | v->loop_axes | v->unroll_axes;
    int fma = i->prim == KP_FMA, bits = i->prim == KP_AND || i->prim == KP_OR, pair = kn_is_pair((kn_prim)i->prim);
    int arithmetic = i->prim == KP_ADD || i->prim == KP_MUL || i->prim == KP_MIN || i->prim == KP_MAX;
    TEST_INST(v, fma || bits || pair || arithmetic, "primitive %u does not fold", i->prim);
    TEST_INST(v, i->a[0] != KN_NONE && (fma || pair) == (i->a[1] != KN_NONE) && i->a[2] == KN_NONE,
              "a fold by %s has another number of operands", kn_prims[i->prim].name);
    for (uint32_t n = 0; n < 2; n++) {
        if (i->a[n] == KN_NONE) continue;
        if (!check_operand(v, i->a[n])) return 0;
        TEST_INST(v, k->inst[i->a[n]].type == i->type || (pair && n == 0), "a fold changes the type");
    }
    uint32_t type = k->inst[i->a[0]].type;
    TEST_INST(v, !pair || i->type == SN_I64, "%s gives an i64", kn_prims[i->prim].name);
    TEST_INST(v,
              in_class(type, fma    ? KN_T_F
                             : bits ? KN_T_I | KN_T_B
                                    : KN_T_F | KN_T_I),
              "%s does not fold %s", kn_prims[i->prim].name, sn_dtype_name((sn_dtype)type));
    TEST_INST(v, !i->bits || (pair && i->acc != KN_NONE), "bits where none belong");
    TEST_INST(v, i->bits < k->n_access || !pair || i->acc == KN_NONE, "its values' access does not exist");
    TEST_INST(v, i->fold && !(i->fold & ~all), "a fold over no axis or one that does not exist");
    if (i->fold & v->point_axes) {
        TEST_INST(v, i->fold == v->part_points, "a fold over points is over all point axes of its part and no other");
        TEST_INST(v, !k->phase[v->phase].at_entry, "a fold over points in an entry phase");
        TEST_INST(v, i->acc != KN_NONE, "a fold over points without an accumulator");
    } else {
        uint32_t loops = i->fold & v->loop_axes;
        TEST_INST(v, !loops || loops == v->phase_loops, "a fold over some loops of its phase, or those of another");
        TEST_INST(v, i->acc == KN_NONE, "an accumulator without a fold over points");
    }
    return 1;
}

/* over and fold fit the place; the instruction's depth; how many copies unrolling makes. */
static int check_place(verifier *v, const kn_inst *i) {
    const kn_kernel *k = v->k;
    const kn_phase *phase = &k->phase[v->phase];
    TEST_INST(v, i->over == kn_derive_over(k, i), "over is %#x and must be %#x", i->over, kn_derive_over(k, i));
    TEST_INST(v, !(i->over & v->loop_axes & ~v->phase_loops), "it varies over a loop that its phase does not have");
    TEST_INST(v, !(i->over & v->point_axes & ~v->part_points), "it varies over a point axis of another part");
    TEST_INST(v, !phase->at_entry || !(i->over & v->point_axes), "it varies over a point axis in an entry phase");
    uint32_t copies = 1;
    for (uint32_t a = 0; a < k->n_axis && copies <= KN_MAX_COPIES; a++)
        if ((i->over | i->fold) & v->unroll_axes & 1u << a) copies *= (uint32_t)k->axis[a].extent.k;
    v->copies += copies;
    TEST_INST(v, v->copies <= KN_MAX_COPIES, "unrolling makes more than %d instructions", KN_MAX_COPIES);

    int late = 0;
    const kn_access *access = i->acc == KN_NONE ? NULL : &k->access[i->acc];
    const kn_id operands[5] = {i->a[0], i->a[1], i->a[2], access ? access->ix : (kn_id)KN_NONE,
                               access ? access->guard : (kn_id)KN_NONE};
    for (int n = 0; n < 5; n++)
        if (operands[n] != KN_NONE && operands[n] >= phase->first) late |= has_bit(v->late, operands[n]);
    int loop_fold = i->kind == KI_FOLD && i->fold & v->loop_axes;
    TEST_INST(v, !late || !(loop_fold || i->over & v->loop_axes), "inside of the loops it needs a fold over them");
    if (late || loop_fold) add_bit(v->late, v->inst);
    return 1;
}

/* Set of axes with a step of their own. */
static uint32_t affine_axes(const kn_access *access) {
    uint32_t set = 0;
    for (uint32_t n = 0; n < access->n; n++) set |= 1u << access->axis[n];
    return set;
}

/* Memory instructions: types and axes. Their operands have been looked at. */
static int check_access(verifier *v, const kn_inst *i, kn_id acc, uint32_t type) {
    const kn_kernel *k = v->k;
    const kn_phase *phase = &k->phase[v->phase];
    const kn_part *part = &k->part[v->part];
    const kn_access *access = &k->access[acc];
    const kn_mem *mem = &k->mem[access->mem];
    uint32_t affine = affine_axes(access);
    uint32_t ix_over = access->ix == KN_NONE ? 0 : k->inst[access->ix].over;
    TEST_INST(v, type == (uint32_t)base_register_type((sn_dtype)mem->store), "%s at a memory of %s",
              sn_dtype_name((sn_dtype)type), sn_dtype_name((sn_dtype)mem->store));
    if (mem->space == KN_ROW) {
        uint32_t last = part->n_point ? 1u << part->point[part->n_point - 1] : 0;
        TEST_INST(v, !(affine & v->point_axes & ~last), "row scratch is indexed by a point axis other than the last");
    }
    if (i->kind == KI_LOAD) {
        TEST_INST(v, mem->space != KN_OUT && mem->space != KN_PART, "a load from memory that is only written");
        return 1;
    }
    /* The elements written are those of the outermost loops, once for each index of them. */
    uint32_t outer = 0;
    for (uint32_t n = 0; n < phase->n_loop && i->over >> phase->loop[n] & 1; n++) outer |= 1u << phase->loop[n];
    TEST_INST(v, outer == (i->over & v->loop_axes), "it varies over an inner loop but not over one outside of it");
    if (i->kind == KI_FOLD) {
        TEST_INST(v, mem->space == KN_PART, "a fold over points into memory that is not for partials");
        TEST_INST(v, access->ix == KN_NONE && access->guard == KN_NONE, "an accumulator with an index or a guard");
        TEST_INST(v, !(affine & v->point_axes), "an accumulator indexed by a point axis");
        TEST_INST(v, i->over == affine, "the folded value varies over axes that its accumulator lacks");
        return 1;
    }
    TEST_INST(v, mem->space == KN_OUT || mem->space == KN_INOUT || mem->space == KN_ROW,
              "a store to memory that is not written by stores");
    uint32_t row_points =
        mem->space == KN_ROW && part->n_point ? v->part_points & ~(1u << part->point[part->n_point - 1]) : 0;
    TEST_INST(v, !(i->over & ~(affine | ix_over | row_points)),
              "the stored value varies over axes that its place lacks");
    if (mem->space == KN_ROW) {
        TEST_INST(v, access->ix == KN_NONE, "a store by index to row scratch");
    } else if (!phase->at_entry) {
        TEST_INST(v, (affine & v->part_points) == v->part_points, "a store that not all point axes of its part index");
    } else {
        TEST_INST(v, mem->space == KN_OUT || !part->n_point, "a store to in-out memory in an entry phase");
    }
    if (ix_over & v->loop_axes) {
        int loop_lanes = phase->n_loop && phase->lanes == phase->loop[phase->n_loop - 1];
        TEST_INST(v, !loop_lanes && phase->ilp == 1, "a store by an index of a loop that is not run one by one");
    }
    return 1;
}

/* Memory instructions: order among themselves. */
static int check_order(verifier *v, const kn_inst *i, kn_id acc) {
    const kn_kernel *k = v->k;
    const kn_access *access = &k->access[acc];
    mem_state *m = &v->mem[access->mem];
    uint32_t space = k->mem[access->mem].space;
    uint16_t part = (uint16_t)(v->part + 1), phase = (uint16_t)(v->phase + 1);
    if (i->kind == KI_FOLD) {
        TEST_INST(v, !m->folded, "partials of two folds in one memory");
        m->folded = 1;
        return 1;
    }
    if (space == KN_INOUT) {
        TEST_INST(v, !m->part || m->part == part, "in-out memory of two parts");
        m->part = part;
    }
    if (i->kind == KI_LOAD) {
        TEST_INST(v, m->late_phase != phase, "it reads before the loops what is stored after them");
        if (space != KN_ROW) return 1;
        TEST_INST(v, m->part == part, "row scratch is loaded before it is stored");
        TEST_INST(v, m->store_phase != phase || m->store_acc == i->acc,
                  "row scratch is loaded and stored in a phase at different accesses");
        /* KN_NONE, which equals no access: two accesses in this phase, so that a store of it is wrong. */
        m->load_acc = m->load_phase == phase && m->load_acc != i->acc ? (uint16_t)KN_NONE : i->acc;
        m->load_phase = phase;
        return 1;
    }
    if (has_bit(v->late, v->inst)) m->late_phase = phase;
    if (space != KN_ROW) return 1;
    TEST_INST(v, m->load_phase != phase || m->load_acc == i->acc,
              "row scratch is loaded and stored in a phase at different accesses");
    m->store_acc = m->store_phase == phase && m->store_acc != i->acc ? (uint16_t)KN_NONE : i->acc;
    m->store_phase = phase;
    m->part = part;
    return 1;
}

static int check_inst(verifier *v) {
    const kn_kernel *k = v->k;
    const kn_inst *i = &k->inst[v->inst];
    int folds = i->kind == KI_FOLD;
    TEST_INST(v, i->kind <= KI_FOLD, "kind %u does not exist", i->kind);
    TEST_INST(v, is_type(i->type), "type %u cannot be computed with", i->type);
    TEST_INST(v, folds || i->kind == KI_PRIM || !i->prim, "a primitive where none belongs");
    TEST_INST(v, folds || !i->fold, "folded axes where none belong");
    TEST_INST(v, i->kind <= KI_INDEX || folds || !i->bits, "bits where none belong");
    TEST_INST(v, folds || (i->kind == KI_LOAD || i->kind == KI_STORE) == (i->acc != KN_NONE), "an access is %s",
              i->acc == KN_NONE ? "missing" : "where none belongs");
    if (i->kind != KI_PRIM && !folds)
        TEST_INST(v, (i->kind == KI_STORE) == (i->a[0] != KN_NONE) && i->a[1] == KN_NONE && i->a[2] == KN_NONE,
                  "wrong number of operands");
    if (i->acc != KN_NONE) {
        TEST_INST(v, i->acc < k->n_access, "access %u does not exist", i->acc);
        const kn_access *access = &k->access[i->acc];
        if (access->ix != KN_NONE) {
            if (!check_operand(v, access->ix)) return 0;
            TEST_INST(v, k->inst[access->ix].type == SN_I64, "an index is not i64");
        }
        if (access->guard != KN_NONE) {
            if (!check_operand(v, access->guard)) return 0;
            TEST_INST(v, k->inst[access->guard].type == SN_BOOL, "a guard is not bool");
        }
    }
    switch (i->kind) {
        case KI_CONST:
            if (!check_const(v, i)) return 0;
            break;
        case KI_SCALAR: TEST_INST(v, i->bits < k->n_scalar, "its scalar does not exist"); break;
        case KI_DIM: TEST_INST(v, i->bits < k->n_dim && i->type == SN_I64, "bad dim"); break;
        case KI_INDEX: TEST_INST(v, i->bits < k->n_axis && i->type == SN_I64, "bad axis"); break;
        case KI_STORE:
            if (!check_operand(v, i->a[0])) return 0;
            TEST_INST(v, k->inst[i->a[0]].type == i->type, "a store changes the type");
            break;
        case KI_PRIM:
            if (!check_prim(v, i)) return 0;
            break;
        case KI_FOLD:
            if (!check_fold(v, i)) return 0;
            break;
        default: break;
    }
    if (!check_place(v, i)) return 0;
    for (uint32_t n = 0; n < KN_ACCESSES; n++) {
        kn_id acc = kn_access_at(i, n);
        if (acc == KN_NONE) continue;
        if (!check_access(v, i, acc, n ? k->inst[i->a[0]].type : i->type) || !check_order(v, i, acc)) return 0;
    }
    return 1;
}

/* Backwards over the instructions: a load of in-out memory has a store at its access behind it. */
static int check_updates(verifier *v) {
    const kn_kernel *k = v->k;
    for (v->inst = k->n_inst; v->inst-- > 0;) {
        const kn_inst *i = &k->inst[v->inst];
        if (i->kind == KI_STORE) add_bit(v->stored, i->acc);
        if (i->kind == KI_LOAD && k->mem[k->access[i->acc].mem].space == KN_INOUT)
            TEST_INST(v, has_bit(v->stored, i->acc),
                      "a load of in-out memory without a store at the same access behind it");
    }
    return 1;
}

static int check_all(verifier *v) {
    const kn_kernel *k = v->k;
    if (!check_axes(v) || !check_mems(v) || !check_accesses(v)) return 0;
    uint32_t next_phase = 0, next_inst = 0;
    TEST(v, k->n_part, "a kernel without parts");
    for (v->part = 0; v->part < k->n_part; v->part++) {
        if (!check_part(v, next_phase)) return 0;
        v->part_first = next_inst;
        for (v->phase = next_phase; v->phase < k->part[v->part].end_phase; v->phase++) {
            if (!check_phase(v, next_inst)) return 0;
            next_inst = k->phase[v->phase].end;
        }
        next_phase = k->part[v->part].end_phase;
    }
    TEST(v, next_phase == k->n_phase && next_inst == k->n_inst, "phases or instructions behind the last part");
    for (v->part = 0; v->part < k->n_part; v->part++) {
        const kn_part *part = &k->part[v->part];
        int ok = 1;
        v->part_points = axis_list(k, part->n_point, part->point, KN_POINT, &ok);
        v->part_first = k->phase[part->first_phase].first;
        for (v->phase = part->first_phase; v->phase < part->end_phase; v->phase++) {
            const kn_phase *phase = &k->phase[v->phase];
            v->phase_loops = axis_list(k, phase->n_loop, phase->loop, KN_LOOP, &ok);
            for (v->inst = phase->first; v->inst < phase->end; v->inst++)
                if (!check_inst(v)) return 0;
        }
    }
    return check_updates(v);
}

const char *kn_verify(const kn_kernel *k, char text[256]) {
    verifier v; /* 30 KB, mostly sets that must start empty */
    memset(&v, 0, sizeof v);
    v.k = k;
    v.text = text;
    return check_all(&v) ? NULL : text;
}
