/* Random views, moves and matrix products: whatever reads its operand at other places. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "random_graph.h"

static int chance(random_graph *r, uint32_t percent) { return random_below(r, 100) < percent; }
static ir_dim constant(random_graph *r, int64_t n) { return ir_dim_const(r->g, n); }
enum { ANY_TYPE = IR_T_F | IR_T_I | IR_T_B };

static void add_transpose(random_graph *r) {
    random_node x = random_pick(r, ANY_TYPE);
    uint32_t rank = ir_at(r->g, x.id)->rank;
    uint8_t perm[SN_MAX_RANK] = {0, 1, 2, 3, 4, 5};
    for (uint32_t i = rank; i > 1; i--) {
        uint32_t k = random_below(r, i);
        uint8_t t = perm[k];
        perm[k] = perm[i - 1];
        perm[i - 1] = t;
    }
    random_push(r, ir_transpose(r->g, x.id, perm), x.most);
}

/* Joins neighbours, cuts constant axes in two, adds and drops axes of 1. */
static void add_reshape(random_graph *r) {
    random_node x = random_pick(r, ANY_TYPE);
    const ir_node *n = ir_at(r->g, x.id);
    ir_dim dims[SN_MAX_RANK + 1];
    uint32_t rank = 0;
    int64_t size;
    for (uint32_t a = 0; a < n->rank; a++) {
        ir_dim d = n->dim[a];
        if (ir_dim_is_const(r->g, d, &size) && size == 1 && chance(r, 60)) continue;
        if (rank && chance(r, 30))
            dims[rank - 1] = ir_dim_mul(r->g, dims[rank - 1], d);
        else if (ir_dim_is_const(r->g, d, &size) && size > 0 && size % 2 == 0 && rank + n->rank - a < SN_MAX_RANK &&
                 chance(r, 30)) {
            int64_t cut = size % 4 == 0 && chance(r, 50) ? 4 : 2;
            dims[rank++] = constant(r, size / cut);
            dims[rank++] = constant(r, cut);
        } else
            dims[rank++] = d;
        if (rank + n->rank - a <= SN_MAX_RANK - 1 && chance(r, 20)) dims[rank++] = constant(r, 1);
    }
    if (rank > SN_MAX_RANK) return;
    random_push(r, ir_reshape(r->g, x.id, rank, dims), x.most);
}

static void add_broadcast(random_graph *r) {
    random_node x = random_pick(r, ANY_TYPE);
    const ir_node n = *ir_at(r->g, x.id);
    if (n.rank >= 4) return;
    ir_dim dims[SN_MAX_RANK];
    uint8_t map[SN_MAX_RANK];
    uint32_t rank = 0;
    int64_t size;
    for (uint32_t a = 0; a < n.rank; a++) {
        if (rank + n.rank - a < SN_MAX_RANK && chance(r, 25)) dims[rank++] = r->dim[random_below(r, r->n_dim)];
        map[a] = (uint8_t)rank;
        dims[rank++] =
            ir_dim_is_const(r->g, n.dim[a], &size) && size == 1 ? r->dim[random_below(r, r->n_dim)] : n.dim[a];
    }
    if (rank < SN_MAX_RANK && chance(r, 25)) dims[rank++] = r->dim[random_below(r, r->n_dim)];
    int64_t total = 1;
    for (uint32_t a = 0; a < rank; a++) total *= random_size(r, dims[a]);
    if (total > 2000) return;
    random_push(r, ir_broadcast(r->g, x.id, rank, dims, map), x.most);
}

static ir_id start_node(random_graph *r) {
    random_node x = random_pick(r, IR_T_I);
    ir_id id = x.id;
    const ir_node *n = ir_at(r->g, id);
    if (n->rank && chance(r, 50))
        id = ir_reduce(r->g, IR_RMAX, id, (1u << n->rank) - 1, 0);
    else if (n->rank)
        id = random_input(r, SN_I64, 0, NULL);
    return ir_cast(r->g, id, SN_I64);
}

static int room_for_inputs(const random_graph *r) { return r->g->input.n + 8 < SUPPORT_MAX_INPUTS; }

/* A part of each axis, or the operand put into a larger whole. */
static void add_range(random_graph *r, int pad) {
    random_node x = random_pick(r, ANY_TYPE);
    const ir_node n = *ir_at(r->g, x.id);
    if (!n.rank || !room_for_inputs(r)) return;
    ir_range range[SN_MAX_RANK];
    ir_dim full[SN_MAX_RANK];
    for (uint32_t a = 0; a < n.rank; a++) {
        int64_t size = random_size(r, n.dim[a]), step = chance(r, 70) ? 1 : 2 + (int64_t)random_below(r, 2);
        int whole = chance(r, 40);
        range[a] = (ir_range){0, 0, 1, n.dim[a]};
        full[a] = n.dim[a];
        if (whole) continue;
        range[a].step = step;
        if (chance(r, 20)) range[a].runtime = start_node(r);
        int64_t start;
        if (pad) {
            start = random_below(r, 4);
            ir_dim extent = n.dim[a];
            if (step > 1 && size == 0) range[a].step = 1;
            if (range[a].step > 1)
                extent = ir_dim_add(r->g, ir_dim_mul(r->g, ir_dim_sub(r->g, extent, constant(r, 1)), constant(r, step)),
                                    constant(r, 1));
            full[a] = ir_dim_add(r->g, extent, constant(r, start + random_below(r, 4)));
        } else if (!ir_dim_is_const(r->g, n.dim[a], NULL) && chance(r, 60) &&
                   size) { /* all but the first and last few */
            start = random_below(r, (uint32_t)(size > 3 ? 3 : size));
            int64_t end = random_below(r, (uint32_t)(size - start > 3 ? 3 : size - start));
            range[a].step = 1;
            range[a].size = ir_dim_sub(r->g, n.dim[a], constant(r, start + end));
        } else {
            start = size ? random_below(r, (uint32_t)size) : 0;
            int64_t most = size - start > 0 ? (size - start - 1) / step + 1 : 0;
            int64_t count = chance(r, 3) ? 0 : most - (most > 1 ? random_below(r, (uint32_t)most) : 0);
            range[a].size = constant(r, count);
        }
        if (!range[a].runtime || chance(r, 30)) range[a].start = constant(r, start);
    }
    random_push(r, pad ? ir_pad(r->g, x.id, range, full) : ir_slice(r->g, x.id, range), x.most);
}

static void add_concat(random_graph *r) {
    random_node x = random_pick(r, ANY_TYPE);
    const ir_node n = *ir_at(r->g, x.id);
    if (!n.rank) return;
    uint32_t axis = random_below(r, n.rank), count = 1;
    ir_id in[4] = {x.id};
    double most = x.most;
    for (uint32_t attempt = 0; attempt < 30 && count < 4; attempt++) {
        random_node y = r->pool[random_below(r, r->n_pool)];
        const ir_node *m = ir_at(r->g, y.id);
        int fits = m->dtype == n.dtype && m->rank == n.rank;
        for (uint32_t a = 0; fits && a < n.rank; a++) fits = a == axis || m->dim[a] == n.dim[a];
        if (!fits) continue;
        in[count++] = y.id;
        most = fmax(most, y.most);
        if (chance(r, 50)) break;
    }
    if (count == 1) in[count++] = x.id;
    random_push(r, ir_concat(r->g, count, in, axis), most);
}

/* Rolls: the value of a variable at other places is what in-place updates have to look out for. */
static void add_roll(random_graph *r) {
    random_node x = r->n_var && chance(r, 60) ? (random_node){r->g->var.at[random_below(r, r->n_var)].node, 5}
                                              : random_pick(r, ANY_TYPE);
    const ir_node n = *ir_at(r->g, x.id);
    int64_t size;
    if (!n.rank || !ir_dim_is_const(r->g, n.dim[0], &size) || size < 2) return;
    ir_range first[SN_MAX_RANK], rest[SN_MAX_RANK];
    for (uint32_t a = 0; a < n.rank; a++) first[a] = rest[a] = (ir_range){0, 0, 1, n.dim[a]};
    first[0].size = constant(r, 1);
    rest[0].size = constant(r, size - 1);
    rest[0].start = constant(r, 1);
    ir_id parts[2] = {ir_slice(r->g, x.id, rest), ir_slice(r->g, x.id, first)};
    random_push(r, ir_concat(r->g, 2, parts, 0), x.most);
}

static ir_id ids_for(random_graph *r, uint32_t rank, const ir_dim *dims) {
    for (int attempt = 0; attempt < 20; attempt++) {
        random_node x = r->pool[random_below(r, r->n_pool)];
        const ir_node *n = ir_at(r->g, x.id);
        if ((n->dtype == SN_I64 || n->dtype == SN_I32) && n->rank == rank && !memcmp(n->dim, dims, rank * sizeof *dims))
            return x.id;
    }
    return room_for_inputs(r) ? random_input(r, chance(r, 70) ? SN_I64 : SN_I32, rank, dims) : 0;
}

static void add_gather(random_graph *r) {
    random_node x = random_pick(r, ANY_TYPE);
    const ir_node n = *ir_at(r->g, x.id);
    if (!n.rank || !random_size(r, n.dim[0])) return;
    ir_dim dims[2] = {r->dim[random_below(r, r->n_dim)], r->dim[random_below(r, r->n_dim)]};
    ir_id ids = ids_for(r, random_below(r, n.rank > 4 ? 2 : 3), dims);
    if (ids) random_push(r, ir_gather(r->g, x.id, ids), x.most);
}

static void add_scatter(random_graph *r) {
    random_node x = random_pick(r, IR_T_F | IR_T_I);
    const ir_node n = *ir_at(r->g, x.id);
    if (!n.rank) return;
    uint32_t rank = 1 + random_below(r, n.rank > 1 ? 2 : 1);
    ir_dim rows = r->dim[random_below(r, r->n_dim)];
    if (!random_size(r, rows)) rows = constant(r, 3);
    ir_id ids = ids_for(r, rank, n.dim);
    if (!ids) return;
    double count = 1;
    for (uint32_t a = 0; a < rank; a++) count *= (double)random_size(r, n.dim[a]);
    random_push(r, ir_scatter_add(r->g, ids, x.id, rows), x.most * fmax(count, 1));
}

void random_add_view(random_graph *r) {
    switch (random_below(r, 12)) {
        case 0:
        case 1: add_transpose(r); break;
        case 2:
        case 3: add_reshape(r); break;
        case 4: add_broadcast(r); break;
        case 5:
        case 6: add_range(r, 0); break;
        case 7: add_range(r, 1); break;
        case 8: add_concat(r); break;
        case 9: add_roll(r); break;
        case 10: add_gather(r); break;
        default: add_scatter(r);
    }
}

/* A batch of matrices times itself transposed, on either side, or times a new batch or one matrix that is repeated. */
static void add_batches(random_graph *r, random_node x) {
    const ir_node n = *ir_at(r->g, x.id);
    ir_id a = random_tame(r, x, 10), b;
    int64_t size = random_elements(r, x.id), rows = random_size(r, n.dim[1]), columns = random_size(r, n.dim[2]);
    if (size * rows > 100000 || size * columns > 100000) return;
    double terms = (double)(rows > columns ? rows : columns) + 1, scale = 1 / (terms * fmin(x.most + 1, 10));
    static const uint8_t swap[] = {0, 2, 1};
    switch (random_below(r, 4)) {
        case 0: b = ir_matmul(r->g, ir_transpose(r->g, a, swap), a); break;
        case 1: b = ir_matmul(r->g, a, ir_transpose(r->g, a, swap)); break;
        default: {
            if (!room_for_inputs(r)) return;
            ir_dim dims[3] = {random_below(r, 2) ? n.dim[0] : ir_dim_const(r->g, 1), n.dim[2], ir_dim_const(r->g, 3)};
            b = ir_matmul(r->g, a, random_input(r, (sn_dtype)n.dtype, 3, dims));
        }
    }
    random_push(r, ir_binary(r->g, IR_MUL, b, ir_const_weak(r->g, scale)), 10);
}

/* x[a,b] with a matrix of the pool that has b, however it is stored, or with a new one. */
/* A layer on rows of a number that is not known, wide enough for BLAS where they are many: functions of it have several
 * plans. Now and then with the weights transposed. */
static void add_layer(random_graph *r) {
    ir_dim rows = 0;
    for (uint32_t i = 0; i < r->n_dim && !rows; i++)
        if (!ir_dim_is_const(r->g, r->dim[i], NULL) && random_size(r, r->dim[i]) <= 40) rows = r->dim[i];
    if (!rows || !room_for_inputs(r)) return;
    ir_dim in = ir_dim_const(r->g, 40 + random_below(r, 8)), out = ir_dim_const(r->g, 36 + random_below(r, 6));
    static const uint8_t swap[] = {1, 0};
    int across = chance(r, 50);
    ir_id x = random_input(r, SN_F32, 2, (ir_dim[]){rows, in});
    ir_id w = random_input(r, SN_F32, 2, across ? (ir_dim[]){out, in} : (ir_dim[]){in, out});
    random_push(r, x, 2);
    random_push(r, w, 2);
    random_push(r, ir_matmul(r->g, x, across ? ir_transpose(r->g, w, swap) : w), 40);
}

void random_add_product(random_graph *r) {
    if (chance(r, 12)) {
        add_layer(r);
        return;
    }
    random_node x = random_pick_real(r), y = x;
    const ir_node n = *ir_at(r->g, x.id);
    if (n.rank == 3 && random_below(r, 2) == 0) add_batches(r, x);
    if (n.rank < 1 || n.rank > 3) return;
    ir_dim k = n.dim[n.rank - 1];
    int found = 0, across = 0;
    for (int attempt = 0; attempt < 40 && !found; attempt++) {
        y = r->pool[random_below(r, r->n_pool)];
        const ir_node *m = ir_at(r->g, y.id);
        if (m->dtype != n.dtype || m->rank < 1 || m->rank > 2) continue;
        if (m->dim[0] == k)
            found = 1;
        else if (m->rank == 2 && m->dim[1] == k)
            found = across = 1;
    }
    if (!found) {
        if (!room_for_inputs(r)) return;
        ir_dim dims[2] = {k, r->dim[random_below(r, r->n_dim)]};
        if (random_size(r, dims[0]) * random_size(r, dims[1]) > 2000) return;
        y = (random_node){random_input(r, (sn_dtype)n.dtype, 2, dims), 2};
    }
    ir_id a = random_tame(r, x, 10), b = random_tame(r, y, 10);
    static const uint8_t swap[] = {1, 0};
    if (across) b = ir_transpose(r->g, b, swap);
    double terms = fmax((double)random_size(r, k), 1), most = terms * fmin(x.most, 10) * fmin(y.most, 10);
    if (random_elements(r, a) * random_elements(r, b) > 400000) return;
    ir_id product = ir_matmul(r->g, a, b);
    if (chance(r, 50)) {
        product = ir_binary(r->g, IR_MUL, product, ir_const_weak(r->g, 1 / sqrt(terms)));
        most /= sqrt(terms);
    }
    random_push(r, product, most);
}
