/* Random valid kernels. A kernel has at most 2 point, 2 loop and 2 unroll axes, each with an extent of its own: a
 * constant, or one of 4 base dims. Memory is row-major over some of the axes; sizes that are products of several dims
 * need dims of their own, so dim d of every kernel is the product of those base dims whose bits are set in d + 1.
 *
 * A phase is written in three strokes: loads and arithmetic inside and outside of its loops; folds over the loops; then
 * arithmetic on what is there after them. Stores and folds over points come last. A value knows over what it varies and
 * whether it exists only after the loops, which is all that the rules of kernel.h ask about. */
#include "support/random_kernel.h"

#include <string.h>

enum { MAX_VALUES = 256, MAX_ROWS = 8, TABLE = 7, MOST_OF_THREAD = 32 /* lanes; more compile for long */ };

typedef struct {
    kn_id id;
    sn_dtype type;
    uint32_t over;
    int late; /* of this phase, after the loops */
} value;

typedef struct {
    kn_build b;
    uint64_t state;
    int maths, wide;
    uint32_t team; /* threads, of the part at hand */
    uint32_t most_lanes;
    value values[MAX_VALUES];
    uint32_t n_values;
    /* the kernel's axes */
    kn_id point[2], loop[2], unroll[2];
    uint32_t n_point, n_loop, n_unroll;
    kn_size extent[8];
    /* the part and the phase */
    uint32_t points, loops, all_loops, unrolls, tile;
    int at_entry;
    kn_id row_loop; /* the part has rows along it, KN_NONE: it may have anything */
    uint32_t row_width;
    kn_id nest[2];
    uint32_t n_nest;
    kn_access rows[MAX_ROWS]; /* row scratch stored by earlier phases */
    sn_dtype row_type[MAX_ROWS];
    uint32_t n_rows, n_rows_before;
} maker;

static uint32_t below(maker *m, uint32_t n) { return (uint32_t)(kernels_random(&m->state) >> 33) % n; }
static int chance(maker *m, uint32_t percent) { return below(m, 100) < percent; }

static sn_dtype random_type(maker *m) {
    static const sn_dtype types[] = {SN_F32, SN_F32, SN_F32, SN_F32, SN_F64, SN_I64, SN_I32, SN_U8, SN_BOOL};
    return types[below(m, sizeof types / sizeof *types)];
}

/* How memory may have values of the type. */
static sn_dtype in_memory(maker *m, sn_dtype type) {
    if (type != SN_F32 || !chance(m, 30)) return type;
    return chance(m, 50) ? SN_F16 : SN_BF16;
}

/* a * b, where the two share no base dim. */
static kn_size times(kn_size a, kn_size b) {
    uint32_t set_a = a.dim == KN_NONE ? 0 : a.dim + 1u, set_b = b.dim == KN_NONE ? 0 : b.dim + 1u;
    uint32_t set = set_a | set_b;
    return (kn_size){a.k * b.k, set ? (kn_id)(set - 1) : (kn_id)KN_NONE};
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* An access of a new memory, row-major over the axes of set in random order, at times in steps of 2 or backwards. */
static kn_access new_memory(maker *m, kn_space space, sn_dtype type, uint32_t set, int64_t extra) {
    kn_id order[8];
    uint32_t n = 0;
    for (kn_id a = 0; a < m->b.axis.n; a++)
        if (set >> a & 1) order[n++] = a;
    for (uint32_t i = n; i > 1 && chance(m, 40); i--) {
        uint32_t other = below(m, i);
        kn_id swapped = order[i - 1];
        order[i - 1] = order[other];
        order[other] = swapped;
    }
    kn_access access = kn_access_of(0);
    kn_size step = KN_C(1);
    if (chance(m, 15) && space != KN_PART) { /* one of each two or three elements; partials have no gaps */
        step = KN_C(2 + below(m, 2));
        access.base = KN_C(below(m, (uint32_t)step.k));
    }
    if (extra > 1) step = times(step, KN_C(extra)); /* room for an index */
    for (uint32_t i = n; i-- > 0;) {
        kn_size extent = m->extent[order[i]];
        int last_point = m->points && order[i] == m->point[m->n_point - 1];
        if (space == KN_ROW && last_point) extent = KN_C(m->tile);
        int backwards = extent.dim == KN_NONE && step.dim == KN_NONE && !access.base.k && chance(m, 10);
        kn_access_step(&access, order[i], backwards ? (kn_size){-step.k, KN_NONE} : step);
        if (backwards) access.base = KN_C((extent.k - 1) * step.k);
        step = times(step, extent);
    }
    if (access.base.k > 0 && step.k <= access.base.k) step.k = access.base.k + 1;
    access.mem = kn_add_mem(&m->b, space, type, step, NULL);
    return access;
}

static uint32_t random_subset(maker *m, uint32_t set, uint32_t percent) {
    uint32_t subset = 0;
    for (uint32_t a = 0; a < 32; a++)
        if (set >> a & 1 && chance(m, percent)) subset |= 1u << a;
    return subset;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static kn_id add(maker *m, sn_dtype type, kn_id id, int late) {
    if (m->n_values < MAX_VALUES)
        m->values[m->n_values++] = (value){.id = id, .type = type, .over = m->b.inst.at[id].over, .late = late};
    return id;
}

/* A value of that type that varies within allowed; -1 where there is none. late: may be one of after the loops. */
static int find(maker *m, sn_dtype type, uint32_t allowed, int late) {
    uint32_t start = m->n_values ? below(m, m->n_values) : 0;
    for (uint32_t i = 0; i < m->n_values; i++) {
        uint32_t at = (start + i) % m->n_values;
        const value *v = &m->values[at];
        if ((type == SN_DTYPE_NONE || v->type == type) && !(v->over & ~allowed) && (late || !v->late)) return (int)at;
    }
    return -1;
}

static kn_id constant(maker *m, sn_dtype type) {
    static const double numbers[] = {0, 1, -1, 2, 0.5, 3.25, -0.0, 1e-3, 100};
    uint32_t pick = below(m, sizeof numbers / sizeof *numbers);
    if (type == SN_F32 || type == SN_F64) {
        if (chance(m, 30)) return kn_scalar(&m->b, type, type == SN_F64);
        return kn_const_f(&m->b, type, numbers[pick]);
    }
    return kn_const_i(&m->b, type, (int64_t)pick - 2);
}

/* Like find, but makes a constant or a cast where nothing is there. */
static kn_id take(maker *m, sn_dtype type, uint32_t allowed, int late, int *is_late) {
    int at = chance(m, 95) ? find(m, type, allowed, late) : -1;
    if (at >= 0) {
        *is_late |= m->values[at].late;
        return m->values[at].id;
    }
    at = find(m, SN_DTYPE_NONE, allowed, late);
    if (at < 0 || chance(m, 30)) return add(m, type, constant(m, type), 0);
    *is_late |= m->values[at].late;
    return add(m, type, kn_prim1(&m->b, KP_CAST, type, m->values[at].id), m->values[at].late);
}

static sn_dtype operand_type(maker *m, const kn_prim_info *info) {
    for (;;) {
        sn_dtype type = random_type(m);
        uint8_t class = type == SN_F32 || type == SN_F64 ? KN_T_F : type == SN_BOOL ? KN_T_B : KN_T_I;
        if (info->types & class) return type;
    }
}

static void arithmetic(maker *m, uint32_t allowed, int late) {
    kn_prim prim;
    do prim = (kn_prim)below(m, KP_COUNT);
    while (prim == KP_BITCAST || (kn_prims[prim].is_maths && (!m->maths || chance(m, 70))));
    const kn_prim_info *info = &kn_prims[prim];
    sn_dtype from = operand_type(m, info);
    if (prim == KP_ROUND_F16 || prim == KP_ROUND_BF16) from = SN_F32;
    sn_dtype type = info->result == KN_R_BOOL ? SN_BOOL : from;
    if (prim == KP_CAST) type = random_type(m);
    int is_late = 0;
    kn_id a[3] = {KN_NONE, KN_NONE, KN_NONE};
    for (uint32_t n = 0; n < info->n_operands; n++)
        a[n] = take(m, (prim == KP_SELECT || prim == KP_RARE) && n == 0 ? SN_BOOL : from, allowed, late, &is_late);
    add(m, type, kn_prim3(&m->b, prim, type, a[0], a[1], a[2]), is_late);
}

/* 0 <= ix < n */
static kn_id in_range(maker *m, kn_id ix, int64_t n) {
    kn_id low = kn_prim2(&m->b, KP_LE, SN_BOOL, kn_const_i(&m->b, SN_I64, 0), ix);
    kn_id high = kn_prim2(&m->b, KP_LT, SN_BOOL, ix, kn_const_i(&m->b, SN_I64, n));
    return kn_prim2(&m->b, KP_AND, SN_BOOL, low, high);
}

static void load(maker *m, uint32_t here) {
    sn_dtype type = random_type(m);
    int unused = 0;
    if (chance(m, 15)) { /* the index of an axis, or a dim */
        uint32_t axis = below(m, m->b.axis.n);
        if (here >> axis & 1)
            add(m, SN_I64, kn_index(&m->b, (kn_id)axis), 0);
        else
            add(m, SN_I64, kn_dim_value(&m->b, below(m, RANDOM_MAX_DIMS - 1)), 0);
        return;
    }
    uint32_t set = random_subset(m, here, 60);
    int gathers = chance(m, 15);
    kn_access access = new_memory(m, KN_IN, in_memory(m, type), set, gathers ? TABLE : 1);
    if (gathers) {
        access.ix = take(m, SN_I64, here, 0, &unused);
        access.ix_step = KN_C(1);
        access.guard = in_range(m, access.ix, TABLE);
        access.base = KN_C(0); /* steps of the axes leave TABLE elements or more to each index */
        for (uint32_t i = 0; i < access.n; i++)
            if (access.step[i].k < 0) return; /* backwards from another base */
    } else if (chance(m, 15)) {
        access.guard = take(m, SN_BOOL, here, 0, &unused);
    }
    add(m, type, kn_load(&m->b, type, access), 0);
}

/* Row scratch of an earlier phase whose axes this one has. */
static void load_row(maker *m, uint32_t here) {
    if (!m->n_rows_before) return;
    uint32_t row = below(m, m->n_rows_before);
    for (uint32_t i = 0; i < m->rows[row].n; i++)
        if (!(here >> m->rows[row].axis[i] & 1)) return;
    add(m, m->row_type[row], kn_load(&m->b, m->row_type[row], m->rows[row]), 0);
}

/* ---- folds and stores -------------------------------------------------------------------------------------------- */

/* An operation that folds the type. */
static kn_prim fold_prim(maker *m, sn_dtype type) {
    static const kn_prim floats[] = {KP_ADD, KP_ADD, KP_FMA, KP_FMA, KP_MUL, KP_MIN, KP_MAX},
                         ints[] = {KP_ADD, KP_MUL, KP_MIN, KP_MAX, KP_AND, KP_OR}, bools[] = {KP_AND, KP_OR};
    if (type == SN_BOOL) return bools[below(m, 2)];
    return type == SN_F32 || type == SN_F64 ? floats[below(m, 7)] : ints[below(m, 6)];
}

/* The second half of pairs: mostly the index of a folded axis, as an argmax has it, else any i64. */
static kn_id pair_index(maker *m, uint32_t axes, uint32_t allowed, int late, int *is_late) {
    for (kn_id a = 0; a < m->b.axis.n && chance(m, 80); a++)
        if (axes & allowed & 1u << a && chance(m, 60)) return add(m, SN_I64, kn_index(&m->b, a), 0);
    return take(m, SN_I64, allowed, late, is_late);
}

static void fold(maker *m, uint32_t axes, uint32_t allowed, int late) {
    int is_late = 0;
    sn_dtype type = random_type(m);
    if (type != SN_BOOL && chance(m, 25)) {
        kn_id x = take(m, type, allowed, late, &is_late), at = pair_index(m, axes, allowed, late, &is_late);
        kn_prim arg = chance(m, 50) ? KP_ARGMAX : KP_ARGMIN;
        add(m, SN_I64, kn_fold(&m->b, arg, SN_I64, axes, x, at), is_late || (axes & m->loops));
        return;
    }
    kn_prim prim = fold_prim(m, type);
    kn_id x = take(m, type, allowed, late, &is_late);
    kn_id y = prim == KP_FMA ? take(m, type, allowed, late, &is_late) : (kn_id)KN_NONE;
    add(m, type, kn_fold(&m->b, prim, type, axes, x, y), is_late || (axes & m->loops));
}

/* The loops that hold all loops of over: an outer part of the nest, at times more of it. */
static uint32_t outer_loops(maker *m, uint32_t over, int late) {
    uint32_t outer = 0, need = 0;
    for (uint32_t d = 0; d < m->n_nest; d++)
        if (over >> m->nest[d] & 1) need = d + 1;
    while (!late && need < m->n_nest && chance(m, 40)) need++;
    for (uint32_t d = 0; d < need; d++) outer |= 1u << m->nest[d];
    return outer;
}

static uint32_t here_of(const maker *m) { return m->points | m->loops | m->unrolls; }

static void store(maker *m) {
    int late = 0;
    sn_dtype type = random_type(m);
    kn_id x = take(m, type, here_of(m), 1, &late);
    uint32_t over = m->b.inst.at[x].over;
    uint32_t set = outer_loops(m, over, late) | (over & m->unrolls);
    set |= random_subset(m, m->unrolls, 20);
    if (chance(m, 30) && m->n_rows < MAX_ROWS) { /* row scratch; the last point axis is all of the points it may have */
        uint32_t last = m->points ? 1u << m->point[m->n_point - 1] : 0;
        kn_access access = new_memory(m, KN_ROW, type, set | (over & last), 1);
        kn_store(&m->b, access, x);
        m->rows[m->n_rows] = access;
        m->row_type[m->n_rows++] = type;
        return;
    }
    kn_access access = new_memory(m, KN_OUT, in_memory(m, type), set | m->points, 1);
    int guard = chance(m, 15) ? find(m, SN_BOOL, set | m->points, late) : -1;
    if (guard >= 0 && !(m->values[guard].late && set & m->loops)) access.guard = m->values[guard].id;
    kn_store(&m->b, access, x);
}

static void fold_over_points(maker *m) {
    int late = 0;
    sn_dtype type = random_type(m);
    if (type == SN_BOOL) type = SN_F32;
    kn_prim prim = fold_prim(m, type);
    kn_id x = take(m, type, here_of(m), 1, &late);
    uint32_t over = m->b.inst.at[x].over;
    kn_id y = KN_NONE;
    int pairs = chance(m, 30);
    if (prim == KP_FMA || pairs) {
        /* A second operand from after the loops must not meet a first that varies over them. */
        uint32_t allowed = late ? m->points | m->unrolls : here_of(m);
        y = pairs ? pair_index(m, m->points, allowed, !(over & m->loops), &late)
                  : take(m, type, allowed, !(over & m->loops), &late);
        over |= m->b.inst.at[y].over;
        if (late && over & m->loops) return;
    }
    uint32_t set = outer_loops(m, over, late) | (over & m->unrolls);
    set |= random_subset(m, m->unrolls, 20);
    kn_access access = new_memory(m, KN_PART, type, set, 1);
    if (pairs)
        kn_fold_point_pairs(&m->b, chance(m, 50) ? KP_ARGMAX : KP_ARGMIN, m->points, x, y, access,
                            new_memory(m, KN_PART, SN_I64, set, 1));
    else
        kn_fold_points(&m->b, prim, type, m->points, x, y, access);
}

/* ---- phases and parts -------------------------------------------------------------------------------------------- */

/* Something loaded here is stored again at the same elements at the end of the phase. */
typedef struct {
    kn_access access;
    sn_dtype type;
    uint32_t set;
} update;

static update begin_update(maker *m) {
    update u = {.type = random_type(m)};
    u.set = m->points | outer_loops(m, 0, 0);
    u.set |= random_subset(m, m->unrolls, 30);
    u.access = new_memory(m, KN_INOUT, in_memory(m, u.type), u.set, 1);
    add(m, u.type, kn_load(&m->b, u.type, u.access), 0);
    return u;
}

static void end_update(maker *m, const update *u) {
    int late = 0;
    kn_store(&m->b, u->access, take(m, u->type, u->set, !(u->set & m->loops), &late));
}

/* Loop indices one by one, each adding to the element of a table that an index memory picks. */
static void scatter(maker *m) {
    kn_phase_begin(&m->b, 0, m->n_nest, m->nest,
                   chance(m, 50) && m->n_point ? m->point[m->n_point - 1] : (kn_id)KN_NONE, 1, 1);
    if (m->b.phase.at[m->b.phase.n - 1].lanes != KN_NONE) m->b.phase.at[m->b.phase.n - 1].width = (uint16_t)m->tile;
    kn_id ix = kn_load(&m->b, SN_I64, new_memory(m, KN_IN, SN_I64, m->loops, 1));
    kn_access table = new_memory(m, KN_INOUT, in_memory(m, SN_F32), m->points, TABLE);
    for (uint32_t i = 0; i < table.n; i++)
        if (table.step[i].k < 0) table.step[i].k = -table.step[i].k;
    table.base = KN_C(0);
    table.ix = kn_prim2(&m->b, KP_AND, SN_I64, ix, kn_const_i(&m->b, SN_I64, 15));
    table.ix_step = KN_C(1);
    table.guard = in_range(m, table.ix, TABLE);
    kn_id old = kn_load(&m->b, SN_F32, table);
    kn_id x = kn_load(&m->b, SN_F32, new_memory(m, KN_IN, SN_F32, m->points | random_subset(m, m->loops, 70), 1));
    kn_store(&m->b, table, kn_prim2(&m->b, KP_ADD, SN_F32, old, x));
    kn_phase_end(&m->b);
}

/* Loops in random number and order, lanes, width and ilp. */
static void begin_phase(maker *m) {
    m->loops = m->n_nest = 0;
    int row = m->row_loop != KN_NONE && !m->at_entry && chance(m, 85);
    if (row) m->nest[m->n_nest++] = m->row_loop;
    for (uint32_t i = 0; i < m->n_loop && !row; i++)
        if (chance(m, 60)) m->nest[m->n_nest++] = m->loop[i];
    if (m->n_nest == 2 && chance(m, 50)) {
        m->nest[0] = m->loop[1];
        m->nest[1] = m->loop[0];
    }
    for (uint32_t i = 0; i < m->n_nest; i++) m->loops |= 1u << m->nest[i];
}

static void open_phase(maker *m) {
    uint32_t way = below(m, 3), width = 1, ilp = m->n_nest ? 1u << below(m, 4) : 1;
    kn_id lanes = KN_NONE;
    if (m->row_loop != KN_NONE && !m->at_entry && m->n_nest == 1 && m->nest[0] == m->row_loop) {
        kn_phase_begin(&m->b, 0, 1, m->nest, m->row_loop, m->row_width, 1);
        return;
    }
    if (m->wide && m->points && m->tile > 16) way = 2; /* not hundreds of copies of the body */
    if (way == 1 && m->n_nest) {
        lanes = m->nest[m->n_nest - 1];
        do width = 1u << below(m, m->wide ? 12 : 6);
        while (width > m->most_lanes || width > MOST_OF_THREAD * m->team);
        if (width > 64 && ilp > 2) ilp = 2;
    } else if (way == 2 && m->points) {
        lanes = m->point[m->n_point - 1];
        width = m->tile;
    }
    kn_phase_begin(&m->b, m->at_entry, m->n_nest, m->nest, lanes, width, ilp);
}

static void phase(maker *m) {
    begin_phase(m);
    if (m->n_nest && m->points && chance(m, 10)) {
        scatter(m);
        return;
    }
    open_phase(m);
    uint32_t here = here_of(m), after = m->points | m->unrolls;
    int updates = m->points && chance(m, 30);
    update u = {0};
    if (updates) u = begin_update(m);
    for (uint32_t n = 2 + below(m, 3); n > 0; n--) load(m, here);
    for (uint32_t n = below(m, 3); n > 0; n--) load_row(m, here);
    for (uint32_t n = 1 + below(m, 8); n > 0; n--) arithmetic(m, here, 0);
    for (uint32_t n = below(m, 3); n > 0 && m->unrolls; n--) {
        uint32_t axes = random_subset(m, m->unrolls, 60);
        if (axes) fold(m, axes, here, 0);
    }
    if (m->n_nest)
        for (uint32_t n = 1 + below(m, 3); n > 0; n--) fold(m, m->loops | random_subset(m, m->unrolls, 30), here, 0);
    for (uint32_t n = below(m, 5); n > 0; n--) arithmetic(m, after, 1);
    if (m->points)
        for (uint32_t n = below(m, 3); n > 0; n--) fold_over_points(m);
    for (uint32_t n = 1 + below(m, 2); n > 0; n--) store(m);
    if (updates) end_update(m, &u);
    kn_phase_end(&m->b);
}

/* What the next phase may still use. */
static void keep_values(maker *m) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n_values; i++) {
        if (m->values[i].over & m->all_loops) continue;
        m->values[n] = m->values[i];
        m->values[n++].late = 0;
    }
    m->n_values = n;
    m->n_rows_before = m->n_rows;
}

static void part(maker *m) {
    static const uint32_t tiles[] = {1, 1, 2, 4, 8, 16, 64}, wide[] = {1, 2, 4, 32, 128, 256, 1024, 2048},
                          teams[] = {1, 32, 64, 256};
    m->n_values = m->n_rows = m->n_rows_before = 0;
    m->n_point = below(m, 3);
    int rows = m->wide && chance(m, 40);
    m->row_loop = KN_NONE;
    do m->tile = m->n_point ? (m->wide ? wide[below(m, 8)] : tiles[below(m, 7)]) : 1;
    while (m->tile > m->most_lanes || (rows && m->tile > 4));
    m->team = 32;
    uint32_t grain = 1 + below(m, 4), max_chunks = 1 + below(m, 6);
    kn_part_begin(&m->b, m->n_point, m->point, m->tile, grain, max_chunks);
    if (m->wide) {
        uint32_t team = teams[below(m, 4)], rounds = 1 + below(m, 4);
        m->team = team < 32 ? 32 : team;
        if (m->tile > MOST_OF_THREAD * m->team) m->team = team = 256;
        m->row_loop = rows ? m->loop[chance(m, 20)] : (kn_id)KN_NONE;
        m->row_width = (team < 32 ? 32 : team) << below(m, 4);
        if (chance(m, 30) || m->row_width > m->most_lanes) m->row_width = 16;
        kn_part_team(&m->b, team);
        kn_part_rounds(&m->b, rows || chance(m, 20) ? rounds : 0);
    }
    m->at_entry = 1;
    m->points = 0;
    if (chance(m, 30)) {
        phase(m);
        keep_values(m);
    }
    m->at_entry = 0;
    for (uint32_t i = 0; i < m->n_point; i++) m->points |= 1u << m->point[i];
    for (uint32_t n = 1 + below(m, 3); n > 0; n--) {
        phase(m);
        keep_values(m);
    }
    kn_part_end(&m->b);
}

static kn_id new_axis(maker *m, kn_role role, kn_size extent) {
    kn_id id = kn_add_axis(&m->b, role, extent);
    m->extent[id] = extent;
    return id;
}

kn_kernel *random_kernel(base_arena *arena, const void *options) {
    const random_options *o = options;
    maker m;
    memset(&m, 0, sizeof m);
    m.state = o->seed;
    m.maths = o->maths;
    m.wide = o->wide;
    m.most_lanes = o->most_lanes ? o->most_lanes : KN_MAX_WIDTH;
    kn_build_init(&m.b, arena);
    for (int i = 0; i < 2; i++) {
        m.point[i] = new_axis(&m, KN_POINT, chance(&m, 80) ? KN_D((1 << i) - 1) : KN_C(1 + below(&m, 9)));
        m.loop[i] = new_axis(&m, KN_LOOP, chance(&m, 80) ? KN_D((4 << i) - 1) : KN_C(1 + below(&m, 20)));
        m.all_loops |= 1u << m.loop[i];
    }
    m.n_loop = 2;
    m.n_unroll = below(&m, 3);
    for (uint32_t i = 0; i < m.n_unroll; i++) {
        m.unroll[i] = new_axis(&m, KN_UNROLL, KN_C(1 + below(&m, 4)));
        m.unrolls |= 1u << m.unroll[i];
    }
    for (uint32_t n = 1 + below(&m, 2); n > 0; n--) part(&m);
    m.b.n_dim = RANDOM_MAX_DIMS - 1;
    m.b.n_scalar = RANDOM_SCALARS;
    return kn_build_finish(&m.b);
}

/* Rows of as many rounds as a part says. */
static void fit_rounds(const kn_kernel *k, int64_t *base) {
    for (uint32_t p = 0; p < k->n_part; p++)
        for (uint32_t q = k->part[p].first_phase; q < k->part[p].end_phase && k->part[p].rounds; q++) {
            const kn_phase *phase = &k->phase[q];
            if (phase->n_loop != 1 || phase->lanes != phase->loop[0] || phase->ilp > 1) continue;
            int64_t most = (int64_t)k->part[p].rounds * phase->width;
            kn_id dim = k->axis[phase->lanes].extent.dim;
            if (dim == KN_NONE || most > 512) continue;
            for (int i = 0; i < RANDOM_BASE_DIMS; i++) {
                if (base[i] > 8) base[i] = 8;
                if (dim + 1u == 1u << i) base[i] = most - most / 4;
            }
            return;
        }
}

kernels_launch random_launch(const kn_kernel *k, uint64_t seed) {
    static const int64_t sizes[] = {0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 33};
    uint64_t state = seed;
    int64_t base[RANDOM_BASE_DIMS], dims[RANDOM_MAX_DIMS - 1];
    for (int i = 0; i < RANDOM_BASE_DIMS; i++) {
        uint32_t pick = (uint32_t)(kernels_random(&state) >> 33) % 14;
        base[i] = pick < 12 ? sizes[pick] : (int64_t)pick;
        if (seed % 3 == 0) base[i] = (base[i] + 7) & ~INT64_C(7); /* vectors are aligned and whole */
    }
    if (seed % 3 == 0) fit_rounds(k, base);
    for (uint32_t d = 0; d < RANDOM_MAX_DIMS - 1; d++) {
        dims[d] = 1;
        for (int i = 0; i < RANDOM_BASE_DIMS; i++)
            if ((d + 1) >> i & 1) dims[d] *= base[i];
    }
    const uint64_t scalars[RANDOM_SCALARS] = {kn_bits_of(SN_F32, 0.75), kn_bits_of(SN_F64, -1.5)};
    return kernels_launch_new(k, dims, scalars, seed);
}
