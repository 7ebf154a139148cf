/* The builder: fills the arrays of a kernel in order and derives each instruction's `over` set as it goes. It checks
 * only what would make the arrays overflow (a failure goes to the arena's trap); kn_verify judges the result. */
#include "ir/kernel_build.h"

#include <math.h>
#include <string.h>

#include "base/floats.h"

void kn_build_init(kn_build *b, base_arena *arena) {
    memset(b, 0, sizeof *b);
    b->arena = arena;
}

static kn_id next_id(kn_build *b, uint32_t n, const char *what) {
    if (n >= KN_NONE) base_fail(b->arena->trap, SN_ERR_UNSUPPORTED, "kernel too large: more than %u %s", n, what);
    return (kn_id)n;
}

/* ids of dims and scalars are counted by their use. */
static void use_dim(kn_build *b, uint32_t dim) {
    if (dim == KN_NONE) return;
    next_id(b, dim, "dims");
    if (dim >= b->n_dim) b->n_dim = (uint16_t)(dim + 1);
}

static void use_size(kn_build *b, kn_size size) { use_dim(b, size.dim); }

kn_id kn_add_axis(kn_build *b, kn_role role, kn_size extent) {
    if (b->axis.n >= KN_MAX_AXES)
        base_fail(b->arena->trap, SN_ERR_UNSUPPORTED, "kernel too large: more than %d axes", KN_MAX_AXES);
    use_size(b, extent);
    *base_vec_push(&b->axis, b->arena) = (kn_axis){.role = (uint8_t)role, .extent = extent};
    return (kn_id)(b->axis.n - 1);
}

kn_id kn_add_mem(kn_build *b, kn_space space, sn_dtype store, kn_size count, const char *name) {
    kn_id id = next_id(b, b->mem.n, "memories");
    use_size(b, count);
    uint8_t align = 0; /* callers' memory is aligned to its elements, scratch to 64 */
    for (size_t size = sn_dtype_size(store); size > 1; size /= 2) align++;
    if (space == KN_ROW) align = 6;
    *base_vec_push(&b->mem, b->arena) =
        (kn_mem){.space = (uint8_t)space, .store = (uint8_t)store, .align_log2 = align, .count = count};
    *base_vec_push(&b->mem_name, b->arena) = name;
    return id;
}

kn_access kn_access_of(kn_id mem) {
    return (kn_access){.mem = mem, .ix = KN_NONE, .guard = KN_NONE, .base = KN_C(0), .ix_step = KN_C(0)};
}

void kn_access_step(kn_access *access, kn_id axis, kn_size step) {
    if (step.k == 0) return;
    for (uint32_t i = 0; i < access->n && i < KN_MAX_NEST; i++) {
        int64_t sum;
        if (access->axis[i] != axis || access->step[i].dim != step.dim) continue;
        if (__builtin_add_overflow(access->step[i].k, step.k, &sum)) continue;
        access->step[i].k = sum;
        if (sum) return;
        access->n--;
        memmove(&access->axis[i], &access->axis[i + 1], (access->n - i) * sizeof access->axis[0]);
        memmove(&access->step[i], &access->step[i + 1], (access->n - i) * sizeof access->step[0]);
        return;
    }
    if (access->n >= KN_MAX_NEST) {
        access->n = KN_MAX_NEST + 1; /* refused by kn_add_access */
        return;
    }
    access->axis[access->n] = axis;
    access->step[access->n++] = step;
}

static int same_size(kn_size a, kn_size b) { return a.k == b.k && a.dim == b.dim; }

static int same_access(const kn_access *a, const kn_access *b) {
    if (a->mem != b->mem || a->ix != b->ix || a->guard != b->guard || a->n != b->n) return 0;
    if (!same_size(a->base, b->base) || !same_size(a->ix_step, b->ix_step)) return 0;
    for (uint32_t i = 0; i < a->n; i++)
        if (a->axis[i] != b->axis[i] || !same_size(a->step[i], b->step[i])) return 0;
    return 1;
}

kn_id kn_add_access(kn_build *b, const kn_access *access) {
    if (access->n > KN_MAX_NEST)
        base_fail(b->arena->trap, SN_ERR_UNSUPPORTED, "kernel too large: an access with more than %d steps",
                  KN_MAX_NEST);
    for (uint32_t i = 0; i < b->access.n; i++)
        if (same_access(&b->access.at[i], access)) return (kn_id)i;
    kn_id id = next_id(b, b->access.n, "accesses");
    use_size(b, access->base);
    use_size(b, access->ix_step);
    for (uint32_t i = 0; i < access->n; i++) use_size(b, access->step[i]);
    *base_vec_push(&b->access, b->arena) = *access;
    return id;
}

static kn_id add_inst(kn_build *b, kn_inst inst) {
    kn_id id = next_id(b, b->inst.n, "instructions");
    const kn_kernel view = {.access = b->access.at, .inst = b->inst.at};
    inst.over = kn_derive_over(&view, &inst);
    *base_vec_push(&b->inst, b->arena) = inst;
    *base_vec_push(&b->made_for, b->arena) = b->now_for;
    return id;
}

/* An instruction without operands. */
static kn_id add_leaf(kn_build *b, kn_kind kind, sn_dtype type, uint64_t bits) {
    return add_inst(b, (kn_inst){.kind = (uint8_t)kind,
                                 .type = (uint8_t)type,
                                 .a = {KN_NONE, KN_NONE, KN_NONE},
                                 .acc = KN_NONE,
                                 .bits = bits});
}

kn_id kn_const_bits(kn_build *b, sn_dtype type, uint64_t bits) { return add_leaf(b, KI_CONST, type, bits); }

kn_id kn_const_f(kn_build *b, sn_dtype type, double value) { return kn_const_bits(b, type, kn_bits_of(type, value)); }

kn_id kn_const_i(kn_build *b, sn_dtype type, int64_t value) {
    switch (type) {
        case SN_I64: return kn_const_bits(b, type, (uint64_t)value);
        case SN_I32: return kn_const_bits(b, type, (uint32_t)value);
        case SN_U8: return kn_const_bits(b, type, (uint8_t)value);
        default: return kn_const_bits(b, type, value != 0);
    }
}

kn_id kn_scalar(kn_build *b, sn_dtype type, uint32_t slot) {
    next_id(b, slot, "scalars");
    if (slot >= b->n_scalar) b->n_scalar = (uint16_t)(slot + 1);
    return add_leaf(b, KI_SCALAR, type, slot);
}

kn_id kn_dim_value(kn_build *b, uint32_t dim) {
    use_dim(b, dim);
    return add_leaf(b, KI_DIM, SN_I64, dim);
}

kn_id kn_index(kn_build *b, kn_id axis) { return add_leaf(b, KI_INDEX, SN_I64, axis); }

kn_id kn_load(kn_build *b, sn_dtype type, kn_access access) {
    kn_id acc = kn_add_access(b, &access);
    type = base_register_type(type);
    return add_inst(b, (kn_inst){.kind = KI_LOAD, .type = (uint8_t)type, .a = {KN_NONE, KN_NONE, KN_NONE}, .acc = acc});
}

kn_id kn_store(kn_build *b, kn_access access, kn_id value) {
    kn_id acc = kn_add_access(b, &access);
    return add_inst(
        b, (kn_inst){.kind = KI_STORE, .type = b->inst.at[value].type, .a = {value, KN_NONE, KN_NONE}, .acc = acc});
}

kn_id kn_prim3(kn_build *b, kn_prim prim, sn_dtype type, kn_id x, kn_id y, kn_id z) {
    return add_inst(
        b, (kn_inst){.kind = KI_PRIM, .prim = (uint8_t)prim, .type = (uint8_t)type, .a = {x, y, z}, .acc = KN_NONE});
}

kn_id kn_prim2(kn_build *b, kn_prim prim, sn_dtype type, kn_id x, kn_id y) {
    return kn_prim3(b, prim, type, x, y, KN_NONE);
}

kn_id kn_prim1(kn_build *b, kn_prim prim, sn_dtype type, kn_id a) {
    return kn_prim3(b, prim, type, a, KN_NONE, KN_NONE);
}

static kn_id add_fold(kn_build *b, kn_prim prim, sn_dtype type, uint32_t fold, kn_id x, kn_id y, kn_id acc,
                      uint64_t bits) {
    return add_inst(b, (kn_inst){.kind = KI_FOLD,
                                 .prim = (uint8_t)prim,
                                 .type = (uint8_t)type,
                                 .a = {x, y, KN_NONE},
                                 .acc = acc,
                                 .fold = fold,
                                 .bits = bits});
}

kn_id kn_fold(kn_build *b, kn_prim prim, sn_dtype type, uint32_t fold, kn_id x, kn_id y) {
    return add_fold(b, prim, type, fold, x, y, KN_NONE, 0);
}

kn_id kn_fold_points(kn_build *b, kn_prim prim, sn_dtype type, uint32_t fold, kn_id x, kn_id y, kn_access access) {
    kn_id acc = kn_add_access(b, &access);
    return add_fold(b, prim, type, fold, x, y, acc, 0);
}

kn_id kn_fold_point_pairs(kn_build *b, kn_prim prim, uint32_t fold, kn_id x, kn_id index, kn_access values,
                          kn_access indices) {
    kn_id value_acc = kn_add_access(b, &values), acc = kn_add_access(b, &indices);
    return add_fold(b, prim, SN_I64, fold, x, index, acc, value_acc);
}

void kn_part_begin(kn_build *b, uint32_t n_point, const kn_id *point, uint32_t tile, uint32_t grain,
                   uint32_t max_chunks) {
    next_id(b, b->part.n, "parts");
    if (n_point > KN_MAX_NEST)
        base_fail(b->arena->trap, SN_ERR_UNSUPPORTED, "kernel too large: more than %d point axes", KN_MAX_NEST);
    kn_part part = {.first_phase = (kn_id)b->phase.n,
                    .n_point = (uint8_t)n_point,
                    .tile = (uint16_t)(tile <= KN_MAX_WIDTH ? tile : 0), /* 0 is refused by kn_verify */
                    .team = 1,
                    .grain = grain,
                    .max_chunks = max_chunks};
    for (uint32_t i = 0; i < n_point; i++) part.point[i] = point[i];
    *base_vec_push(&b->part, b->arena) = part;
}

void kn_part_team(kn_build *b, uint32_t team) {
    b->part.at[b->part.n - 1].team = (uint16_t)(team <= KN_MAX_WIDTH ? team : 0);
}

void kn_part_rounds(kn_build *b, uint32_t rounds) {
    b->part.at[b->part.n - 1].rounds = (uint16_t)(rounds <= KN_MAX_ROUNDS ? rounds : KN_MAX_ROUNDS + 1);
}

void kn_phase_begin(kn_build *b, int at_entry, uint32_t n_loop, const kn_id *loop, kn_id lanes, uint32_t width,
                    uint32_t ilp) {
    next_id(b, b->phase.n, "phases");
    if (n_loop > KN_MAX_NEST)
        base_fail(b->arena->trap, SN_ERR_UNSUPPORTED, "kernel too large: more than %d loop axes", KN_MAX_NEST);
    kn_phase phase = {.first = (kn_id)b->inst.n,
                      .at_entry = at_entry != 0,
                      .n_loop = (uint8_t)n_loop,
                      .lanes = lanes,
                      .width = (uint16_t)(width <= KN_MAX_WIDTH ? width : 0),
                      .ilp = (uint8_t)(ilp <= KN_MAX_ILP ? ilp : 0)};
    for (uint32_t i = 0; i < n_loop; i++) phase.loop[i] = loop[i];
    *base_vec_push(&b->phase, b->arena) = phase;
}

void kn_phase_end(kn_build *b) { b->phase.at[b->phase.n - 1].end = (kn_id)b->inst.n; }

void kn_part_end(kn_build *b) { b->part.at[b->part.n - 1].end_phase = (kn_id)b->phase.n; }

kn_kernel *kn_build_finish(kn_build *b) {
    kn_kernel *k = ARENA_NEW(b->arena, kn_kernel);
    *k = (kn_kernel){.n_axis = (uint16_t)b->axis.n,
                     .n_mem = (uint16_t)b->mem.n,
                     .n_access = (uint16_t)b->access.n,
                     .n_inst = (uint16_t)b->inst.n,
                     .n_phase = (uint16_t)b->phase.n,
                     .n_part = (uint16_t)b->part.n,
                     .n_dim = b->n_dim,
                     .n_scalar = b->n_scalar,
                     .axis = b->axis.at,
                     .mem = b->mem.at,
                     .access = b->access.at,
                     .inst = b->inst.at,
                     .phase = b->phase.at,
                     .part = b->part.at,
                     .mem_name = b->mem_name.at,
                     .made_for = b->made_for.at};
    return k;
}

kn_id kn_round(kn_build *b, sn_dtype dtype, kn_id x) {
    if (!base_is_half(dtype)) return x;
    return kn_prim1(b, dtype == SN_F16 ? KP_ROUND_F16 : KP_ROUND_BF16, SN_F32, x);
}

uint64_t kn_bits_of(sn_dtype type, double value) {
    uint64_t bits = 0;
    switch (type) {
        case SN_F64: memcpy(&bits, &value, 8); return bits;
        case SN_F32: {
            float narrow = (float)value;
            uint32_t low;
            memcpy(&low, &narrow, 4);
            return low;
        }
        case SN_BOOL: return value != 0;
        default: break;
    }
    /* An integer: NaN gives 0, what lies outside saturates, as CAST does. */
    if (isnan(value)) return 0;
    double least = type == SN_I64 ? -0x1p63 : type == SN_I32 ? -0x1p31 : 0;
    uint64_t mask = type == SN_I64 ? UINT64_MAX : type == SN_I32 ? UINT32_MAX : UINT8_MAX;
    uint64_t most = type == SN_U8 ? mask : mask >> 1;
    if (value <= least) return (uint64_t)(int64_t)least & mask;
    if (value >= (double)most) return most;
    return (uint64_t)(int64_t)value & mask;
}
