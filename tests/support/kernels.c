/* Kernels built by hand. Row-major arrays; dims are those that kernels.h lists. No call has two arguments that add
 * instructions, since C leaves their order open. */
#include "support/kernels.h"

/* An access to a row-major array: axis by axis, outermost first, its step. */
static kn_access at1(kn_id mem, kn_id a, kn_size step_a) {
    kn_access access = kn_access_of(mem);
    kn_access_step(&access, a, step_a);
    return access;
}

static kn_access at2(kn_id mem, kn_id a, kn_size step_a, kn_id b, kn_size step_b) {
    kn_access access = at1(mem, a, step_a);
    kn_access_step(&access, b, step_b);
    return access;
}

static kn_id f2(kn_build *b, kn_prim prim, kn_id x, kn_id y) { return kn_prim2(b, prim, SN_F32, x, y); }
static kn_id f1(kn_build *b, kn_prim prim, kn_id x) { return kn_prim1(b, prim, SN_F32, x); }
static kn_id fold(kn_build *b, kn_prim prim, kn_id axis, kn_id x) {
    return kn_fold(b, prim, SN_F32, 1u << axis, x, KN_NONE);
}
static kn_id fma_fold(kn_build *b, kn_id axis, kn_id x, kn_id y) {
    return kn_fold(b, KP_FMA, SN_F32, 1u << axis, x, y);
}

/* A phase over one loop with the schedule's lanes. */
static void loop_phase(kn_build *b, const kernels_schedule *s, kn_id loop) {
    kn_phase_begin(b, 0, 1, &loop, s->width ? loop : (kn_id)KN_NONE, s->width ? s->width : 1, s->ilp);
}

/* A phase without loops: points as lanes. */
static void point_phase(kn_build *b, const kernels_schedule *s, kn_id point) {
    kn_phase_begin(b, 0, 0, NULL, point, s->tile, 1);
}

static void part(kn_build *b, const kernels_schedule *s, kn_id point) {
    kn_part_begin(b, 1, &point, s->tile, s->grain, s->max_chunks);
}

static kn_kernel *finish(kn_build *b) {
    kn_part_end(b);
    return kn_build_finish(b);
}

kn_kernel *kernels_softmax(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0)), c = kn_add_axis(&b, KN_LOOP, KN_D(1));
    kn_id x = kn_add_mem(&b, KN_IN, SN_F32, KN_D(2), "x"),
          e_row = kn_add_mem(&b, KN_ROW, SN_F32, KN_KD(s->tile, 1), "E"),
          y = kn_add_mem(&b, KN_OUT, SN_F32, KN_D(2), "y");
    kn_access in_row = at2(e_row, n, KN_D(1), c, KN_C(1));
    part(&b, s, n);
    loop_phase(&b, s, c);
    kn_id most = fold(&b, KP_MAX, c, kn_load(&b, SN_F32, at2(x, n, KN_D(1), c, KN_C(1))));
    kn_phase_end(&b);
    loop_phase(&b, s, c);
    kn_id e = f1(&b, KP_EXP, f2(&b, KP_SUB, kn_load(&b, SN_F32, at2(x, n, KN_D(1), c, KN_C(1))), most));
    kn_store(&b, in_row, e);
    kn_id sum = fold(&b, KP_ADD, c, e), one = kn_const_f(&b, SN_F32, 1);
    kn_id scale = f2(&b, KP_DIV, one, sum);
    kn_phase_end(&b);
    loop_phase(&b, s, c);
    kn_store(&b, at2(y, n, KN_D(1), c, KN_C(1)), f2(&b, KP_MUL, kn_load(&b, SN_F32, in_row), scale));
    kn_phase_end(&b);
    return finish(&b);
}

kn_kernel *kernels_softmax_short(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0)), c = kn_add_axis(&b, KN_UNROLL, KN_C(s->size));
    kn_id x = kn_add_mem(&b, KN_IN, SN_F32, KN_KD(s->size, 0), "x"),
          y = kn_add_mem(&b, KN_OUT, SN_F32, KN_KD(s->size, 0), "y");
    part(&b, s, n);
    point_phase(&b, s, n);
    kn_id value = kn_load(&b, SN_F32, at2(x, n, KN_C(s->size), c, KN_C(1)));
    kn_id e = f1(&b, KP_EXP, f2(&b, KP_SUB, value, fold(&b, KP_MAX, c, value)));
    kn_id sum = fold(&b, KP_ADD, c, e), one = kn_const_f(&b, SN_F32, 1);
    kn_id scale = f2(&b, KP_DIV, one, sum);
    kn_store(&b, at2(y, n, KN_C(s->size), c, KN_C(1)), f2(&b, KP_MUL, e, scale));
    kn_phase_end(&b);
    return finish(&b);
}

kn_kernel *kernels_row_sum(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0)), c = kn_add_axis(&b, KN_LOOP, KN_D(1));
    kn_id x = kn_add_mem(&b, KN_IN, SN_F32, KN_D(2), "x"), y = kn_add_mem(&b, KN_OUT, SN_F32, KN_D(0), "y");
    part(&b, s, n);
    loop_phase(&b, s, c);
    kn_id sum = fold(&b, KP_ADD, c, kn_load(&b, SN_F32, at2(x, n, KN_D(1), c, KN_C(1))));
    kn_store(&b, at1(y, n, KN_C(1)), sum);
    kn_phase_end(&b);
    return finish(&b);
}

kn_kernel *kernels_row_sum_short(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0)), c = kn_add_axis(&b, KN_UNROLL, KN_C(s->size));
    kn_id x = kn_add_mem(&b, KN_IN, SN_F32, KN_KD(s->size, 0), "x"), y = kn_add_mem(&b, KN_OUT, SN_F32, KN_D(0), "y");
    part(&b, s, n);
    point_phase(&b, s, n);
    kn_id sum = fold(&b, KP_ADD, c, kn_load(&b, SN_F32, at2(x, n, KN_C(s->size), c, KN_C(1))));
    kn_store(&b, at1(y, n, KN_C(1)), sum);
    kn_phase_end(&b);
    return finish(&b);
}

kn_kernel *kernels_column_sum(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0)), c = kn_add_axis(&b, KN_LOOP, KN_D(1));
    kn_id x = kn_add_mem(&b, KN_IN, SN_F32, KN_D(2), "x"), p = kn_add_mem(&b, KN_PART, SN_F32, KN_D(1), "p");
    part(&b, s, n);
    loop_phase(&b, s, c);
    kn_id value = kn_load(&b, SN_F32, at2(x, n, KN_D(1), c, KN_C(1)));
    kn_fold_points(&b, KP_ADD, SN_F32, 1u << n, value, KN_NONE, at1(p, c, KN_C(1)));
    kn_phase_end(&b);
    return finish(&b);
}

kn_kernel *kernels_fold_partials(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id c = kn_add_axis(&b, KN_POINT, KN_D(1)), q = kn_add_axis(&b, KN_LOOP, KN_D(0));
    kn_id p = kn_add_mem(&b, KN_IN, SN_F32, KN_D(2), "p"), y = kn_add_mem(&b, KN_OUT, SN_F32, KN_D(1), "y");
    part(&b, s, c);
    kn_phase_begin(&b, 0, 1, &q, c, s->tile, 1);
    kn_store(&b, at1(y, c, KN_C(1)), fold(&b, KP_ADD, q, kn_load(&b, SN_F32, at2(p, q, KN_D(1), c, KN_C(1)))));
    kn_phase_end(&b);
    return finish(&b);
}

kn_kernel *kernels_total(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0));
    kn_id x = kn_add_mem(&b, KN_IN, SN_F32, KN_D(0), "x"), p = kn_add_mem(&b, KN_PART, SN_F32, KN_C(1), "p");
    part(&b, s, n);
    point_phase(&b, s, n);
    kn_fold_points(&b, KP_ADD, SN_F32, 1u << n, kn_load(&b, SN_F32, at1(x, n, KN_C(1))), KN_NONE, kn_access_of(p));
    kn_phase_end(&b);
    return finish(&b);
}

kn_kernel *kernels_transpose(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0)), c = kn_add_axis(&b, KN_POINT, KN_D(1));
    kn_id x = kn_add_mem(&b, KN_IN, SN_F32, KN_D(2), "x"), y = kn_add_mem(&b, KN_OUT, SN_F32, KN_D(2), "y");
    kn_part_begin(&b, 2, (kn_id[]){n, c}, s->tile, s->grain, s->max_chunks);
    point_phase(&b, s, c);
    kn_store(&b, at2(y, c, KN_D(0), n, KN_C(1)), kn_load(&b, SN_F32, at2(x, n, KN_D(1), c, KN_C(1))));
    kn_phase_end(&b);
    return finish(&b);
}

/* 0 <= ix < rows */
static kn_id in_range(kn_build *b, kn_id ix, int64_t rows) {
    kn_id low = kn_prim2(b, KP_LE, SN_BOOL, kn_const_i(b, SN_I64, 0), ix);
    kn_id high = kn_prim2(b, KP_LT, SN_BOOL, ix, kn_const_i(b, SN_I64, rows));
    return kn_prim2(b, KP_AND, SN_BOOL, low, high);
}

kn_kernel *kernels_gather(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0)), c = kn_add_axis(&b, KN_LOOP, KN_D(1));
    kn_id table = kn_add_mem(&b, KN_IN, SN_F32, KN_KD(s->size, 1), "table"),
          ix = kn_add_mem(&b, KN_IN, SN_I64, KN_D(0), "ix"), y = kn_add_mem(&b, KN_OUT, SN_F32, KN_D(2), "y");
    part(&b, s, n);
    loop_phase(&b, s, c);
    kn_access row = at1(table, c, KN_C(1));
    row.ix = kn_load(&b, SN_I64, at1(ix, n, KN_C(1)));
    row.ix_step = KN_D(1);
    row.guard = in_range(&b, row.ix, s->size);
    kn_store(&b, at2(y, n, KN_D(1), c, KN_C(1)), kn_load(&b, SN_F32, row));
    kn_phase_end(&b);
    return finish(&b);
}

kn_kernel *kernels_scatter_add(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id c = kn_add_axis(&b, KN_POINT, KN_D(1)), n = kn_add_axis(&b, KN_LOOP, KN_D(0));
    kn_id table = kn_add_mem(&b, KN_INOUT, SN_F32, KN_KD(s->size, 1), "table"),
          ix = kn_add_mem(&b, KN_IN, SN_I64, KN_D(0), "ix"), g = kn_add_mem(&b, KN_IN, SN_F32, KN_D(2), "g");
    part(&b, s, c);
    kn_phase_begin(&b, 0, 1, &n, c, s->tile, 1);
    kn_access row = at1(table, c, KN_C(1));
    row.ix = kn_load(&b, SN_I64, at1(ix, n, KN_C(1)));
    row.ix_step = KN_D(1);
    row.guard = in_range(&b, row.ix, s->size);
    kn_id old = kn_load(&b, SN_F32, row);
    kn_store(&b, row, f2(&b, KP_ADD, old, kn_load(&b, SN_F32, at2(g, n, KN_D(1), c, KN_C(1)))));
    kn_phase_end(&b);
    return finish(&b);
}

kn_kernel *kernels_update(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0));
    kn_id w = kn_add_mem(&b, KN_INOUT, SN_F32, KN_D(0), "w"), g = kn_add_mem(&b, KN_IN, SN_F32, KN_D(0), "g");
    part(&b, s, n);
    point_phase(&b, s, n);
    kn_id old = kn_load(&b, SN_F32, at1(w, n, KN_C(1)));
    kn_id lr = kn_scalar(&b, SN_F32, 0), slope = kn_load(&b, SN_F32, at1(g, n, KN_C(1)));
    kn_id step = f2(&b, KP_MUL, lr, slope);
    kn_store(&b, at1(w, n, KN_C(1)), f2(&b, KP_SUB, old, step));
    kn_phase_end(&b);
    return finish(&b);
}

/* ---- moons ------------------------------------------------------------------------------------------------------- */

/* 1 / dim as f32 */
static kn_id inverse(kn_build *b, uint32_t dim) {
    kn_id one = kn_const_f(b, SN_F32, 1), count = kn_prim1(b, KP_CAST, SN_F32, kn_dim_value(b, dim));
    return f2(b, KP_DIV, one, count);
}

typedef struct {
    kn_id n, j, k, c;
    kn_id X, y, W1, b1, W2, b2, A, L, G4, G3, G1, G2;
} moons;

static moons moons_begin(kn_build *b, const kernels_schedule *s, kn_role j_role) {
    moons m;
    int64_t h = s->size;
    m.n = kn_add_axis(b, KN_POINT, KN_D(0));
    m.j = kn_add_axis(b, j_role, KN_C(h));
    m.k = kn_add_axis(b, KN_UNROLL, KN_C(2));
    m.c = kn_add_axis(b, KN_UNROLL, KN_C(2));
    m.X = kn_add_mem(b, KN_IN, SN_F32, KN_KD(2, 0), "X");
    m.y = kn_add_mem(b, KN_IN, SN_I64, KN_D(0), "y");
    m.W1 = kn_add_mem(b, KN_IN, SN_F32, KN_C(2 * h), "W1");
    m.b1 = kn_add_mem(b, KN_IN, SN_F32, KN_C(h), "b1");
    m.W2 = kn_add_mem(b, KN_IN, SN_F32, KN_C(2 * h), "W2");
    m.b2 = kn_add_mem(b, KN_IN, SN_F32, KN_C(2), "b2");
    m.A = j_role == KN_LOOP ? kn_add_mem(b, KN_ROW, SN_F32, KN_C(h * s->tile), "A") : (kn_id)KN_NONE;
    m.L = kn_add_mem(b, KN_PART, SN_F32, KN_C(1), "L");
    m.G4 = kn_add_mem(b, KN_PART, SN_F32, KN_C(2), "G4");
    m.G3 = kn_add_mem(b, KN_PART, SN_F32, KN_C(2 * h), "G3");
    m.G1 = kn_add_mem(b, KN_PART, SN_F32, KN_C(2 * h), "G1");
    m.G2 = kn_add_mem(b, KN_PART, SN_F32, KN_C(h), "G2");
    return m;
}

/* tanh(b1[j] + sum over k of X[n,k] W1[k,j]) */
static kn_id moons_hidden(kn_build *b, const moons *m, int64_t h) {
    kn_id X = kn_load(b, SN_F32, at2(m->X, m->n, KN_C(2), m->k, KN_C(1)));
    kn_id W1 = kn_load(b, SN_F32, at2(m->W1, m->k, KN_C(h), m->j, KN_C(1)));
    kn_id b1 = kn_load(b, SN_F32, at1(m->b1, m->j, KN_C(1)));
    return f1(b, KP_TANH, f2(b, KP_ADD, b1, fma_fold(b, m->k, X, W1)));
}

static kn_id moons_W2(kn_build *b, const moons *m) {
    return kn_load(b, SN_F32, at2(m->W2, m->j, KN_C(2), m->c, KN_C(1)));
}

/* Loss and its gradient d[c] from s[c] = sum over j of A[j] W2[j,c]. */
static kn_id moons_loss(kn_build *b, const moons *m, kn_id s) {
    kn_id z2 = f2(b, KP_ADD, s, kn_load(b, SN_F32, at1(m->b2, m->c, KN_C(1))));
    kn_id most = fold(b, KP_MAX, m->c, z2);
    kn_id e = f1(b, KP_EXP, f2(b, KP_SUB, z2, most));
    kn_id t = fold(b, KP_ADD, m->c, e);
    kn_id class = kn_load(b, SN_I64, at1(m->y, m->n, KN_C(1))), index = kn_index(b, m->c);
    kn_id hit = kn_prim2(b, KP_EQ, SN_BOOL, index, class);
    kn_id one = kn_const_f(b, SN_F32, 1), zero = kn_const_f(b, SN_F32, 0);
    kn_id target = kn_prim3(b, KP_SELECT, SN_F32, hit, one, zero);
    kn_id off = f2(b, KP_SUB, f2(b, KP_DIV, e, t), target), scale = inverse(b, 0);
    kn_id d = f2(b, KP_MUL, off, scale);
    kn_id picked = fold(b, KP_ADD, m->c, kn_prim3(b, KP_SELECT, SN_F32, hit, z2, zero));
    kn_id loss = f2(b, KP_SUB, f2(b, KP_ADD, most, f1(b, KP_LOG, t)), picked);
    kn_fold_points(b, KP_ADD, SN_F32, 1u << m->n, loss, KN_NONE, kn_access_of(m->L));
    kn_fold_points(b, KP_ADD, SN_F32, 1u << m->n, d, KN_NONE, at1(m->G4, m->c, KN_C(1)));
    return d;
}

static void moons_gradients(kn_build *b, const moons *m, int64_t h, kn_id a, kn_id d) {
    uint32_t points = 1u << m->n;
    kn_fold_points(b, KP_FMA, SN_F32, points, a, d, at2(m->G3, m->j, KN_C(2), m->c, KN_C(1)));
    kn_id one = kn_const_f(b, SN_F32, 1), square = f2(b, KP_MUL, a, a);
    kn_id slope = f2(b, KP_SUB, one, square);
    kn_id g = f2(b, KP_MUL, fma_fold(b, m->c, d, moons_W2(b, m)), slope);
    kn_id X = kn_load(b, SN_F32, at2(m->X, m->n, KN_C(2), m->k, KN_C(1)));
    kn_fold_points(b, KP_FMA, SN_F32, points, X, g, at2(m->G1, m->k, KN_C(h), m->j, KN_C(1)));
    kn_fold_points(b, KP_ADD, SN_F32, points, g, KN_NONE, at1(m->G2, m->j, KN_C(1)));
}

kn_kernel *kernels_moons_step(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    moons m = moons_begin(&b, s, KN_LOOP);
    kn_access in_row = at2(m.A, m.n, KN_C(s->size), m.j, KN_C(1));
    part(&b, s, m.n);
    loop_phase(&b, s, m.j);
    kn_id a = moons_hidden(&b, &m, s->size);
    kn_store(&b, in_row, a);
    kn_id sum = fma_fold(&b, m.j, a, moons_W2(&b, &m));
    kn_phase_end(&b);
    point_phase(&b, s, m.n);
    kn_id d = moons_loss(&b, &m, sum);
    kn_phase_end(&b);
    loop_phase(&b, s, m.j);
    moons_gradients(&b, &m, s->size, kn_load(&b, SN_F32, in_row), d);
    kn_phase_end(&b);
    return finish(&b);
}

kn_kernel *kernels_moons_short(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    kn_build b;
    kn_build_init(&b, arena);
    moons m = moons_begin(&b, s, KN_UNROLL);
    part(&b, s, m.n);
    point_phase(&b, s, m.n);
    kn_id a = moons_hidden(&b, &m, s->size);
    kn_id d = moons_loss(&b, &m, fma_fold(&b, m.j, a, moons_W2(&b, &m)));
    moons_gradients(&b, &m, s->size, a, d);
    kn_phase_end(&b);
    return finish(&b);
}

/* One part: w -= lr * (G + l2 / N * w), G the sum of the chunks' partials; rows of w unrolled where it has two axes. */
static void moons_update_part(kn_build *b, const kernels_schedule *s, kn_id q, kn_id w, kn_id G, kn_id n,
                              kn_size step_n, kn_id unroll, kn_size step_unroll, int64_t count) {
    part(b, s, n);
    kn_phase_begin(b, 0, 1, &q, n, s->tile, 1);
    kn_access place = at1(w, n, step_n), from = at2(G, q, KN_C(count), n, step_n);
    if (unroll != KN_NONE) {
        kn_access_step(&place, unroll, step_unroll);
        kn_access_step(&from, unroll, step_unroll);
    }
    kn_id sum = fold(b, KP_ADD, q, kn_load(b, SN_F32, from));
    kn_id old = kn_load(b, SN_F32, place);
    kn_id lr = kn_scalar(b, SN_F32, 0), l2 = kn_scalar(b, SN_F32, 1), scale = inverse(b, 1);
    kn_id slope = f2(b, KP_ADD, sum, f2(b, KP_MUL, f2(b, KP_MUL, l2, scale), old));
    kn_store(b, place, f2(b, KP_SUB, old, f2(b, KP_MUL, lr, slope)));
    kn_phase_end(b);
    kn_part_end(b);
}

kn_kernel *kernels_moons_update(base_arena *arena, const void *schedule) {
    const kernels_schedule *s = schedule;
    int64_t h = s->size;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id j = kn_add_axis(&b, KN_POINT, KN_C(h)), c = kn_add_axis(&b, KN_POINT, KN_C(2)),
          q = kn_add_axis(&b, KN_LOOP, KN_D(0)), k = kn_add_axis(&b, KN_UNROLL, KN_C(2));
    kn_id W1 = kn_add_mem(&b, KN_INOUT, SN_F32, KN_C(2 * h), "W1"),
          W2 = kn_add_mem(&b, KN_INOUT, SN_F32, KN_C(2 * h), "W2"),
          b1 = kn_add_mem(&b, KN_INOUT, SN_F32, KN_C(h), "b1"), b2 = kn_add_mem(&b, KN_INOUT, SN_F32, KN_C(2), "b2"),
          G1 = kn_add_mem(&b, KN_IN, SN_F32, KN_KD(2 * h, 0), "G1"),
          G3 = kn_add_mem(&b, KN_IN, SN_F32, KN_KD(2 * h, 0), "G3"),
          G2 = kn_add_mem(&b, KN_IN, SN_F32, KN_KD(h, 0), "G2"), G4 = kn_add_mem(&b, KN_IN, SN_F32, KN_KD(2, 0), "G4"),
          L = kn_add_mem(&b, KN_IN, SN_F32, KN_D(0), "L"), loss = kn_add_mem(&b, KN_OUT, SN_F32, KN_C(1), "loss");
    moons_update_part(&b, s, q, W1, G1, j, KN_C(1), k, KN_C(h), 2 * h);
    moons_update_part(&b, s, q, W2, G3, j, KN_C(2), k, KN_C(1), 2 * h);
    moons_update_part(&b, s, q, b1, G2, j, KN_C(1), KN_NONE, KN_C(0), h);
    moons_update_part(&b, s, q, b2, G4, c, KN_C(1), KN_NONE, KN_C(0), 2);
    kn_part_begin(&b, 0, NULL, 1, 1, 1);
    kn_phase_begin(&b, 0, 1, &q, KN_NONE, 1, 1);
    kn_id sum = fold(&b, KP_ADD, q, kn_load(&b, SN_F32, at1(L, q, KN_C(1))));
    kn_store(&b, kn_access_of(loss), f2(&b, KP_MUL, sum, inverse(&b, 1)));
    kn_phase_end(&b);
    return finish(&b);
}
