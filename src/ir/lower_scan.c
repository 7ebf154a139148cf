/* Operators that go through memory in a prescribed order and are parts of their own: sums of rows by id, and
 * recurrences.
 *
 * Both keep what they accumulate in a memory that a sequential loop loads and stores again (kernel.h: INOUT with ix),
 * which every backend has to have anyway; points are what may run in parallel. */
#include "ir/lower.h"

enum { SCAN_LANES = 64, SCAN_COPIES = 8 };

static const ir_node *at(const lw_part *p, ir_id v) { return ir_at(p->s->g, v); }
static const fu_node *fu(const lw_part *p, ir_id v) { return &p->s->node[v]; }

static kn_id operand_memory(lw_part *p, ir_id u, const char *name) {
    while (fu(p, u)->kind == FU_ALIAS) u = at(p, u)->in[0];
    pg_ref ref = fu(p, u)->is_exit ? p->place[u].stored : p->place[u].ref;
    return lw_mem(p, ref, KN_IN, (sn_dtype)at(p, u)->dtype, lw_count(p, u), -1, 0, name);
}

/* Zeros, to whose rows values are added one after the other: points are the elements of a row, so that each is its own
 * sequence and the order is fixed. */
void lw_scatter(lw_part *p) {
    ir_graph *g = p->s->g;
    kn_build *b = &p->launch->b;
    ir_id v = p->group->member.at[0];
    const ir_node *n = at(p, v);
    sn_dtype type = (sn_dtype)n->dtype;
    ir_dim row = ir_dim_const(g, 1);
    for (uint32_t a = 1; a < n->rank; a++) row = ir_dim_mul(g, row, n->dim[a]);
    ir_dim ids_count = lw_count(p, n->in[0]);
    int64_t one;
    b->now_for = v;
    uint32_t points = !(ir_dim_is_const(g, row, &one) && one == 1);
    kn_id d = points ? kn_add_axis(b, KN_POINT, lw_size(p, row)) : KN_NONE;
    kn_id r = kn_add_axis(b, KN_LOOP, lw_size(p, n->dim[0])), i = kn_add_axis(b, KN_LOOP, lw_size(p, ids_count));
    kn_id out = lw_mem(p, p->place[v].ref, KN_INOUT, type, lw_count(p, v), -1, 0, "rows");
    kn_id mem[2] = {operand_memory(p, n->in[0], "ids"), operand_memory(p, n->in[1], "values")};
    uint32_t tile = points ? 16 : 1;
    kn_part_begin(b, points, &d, tile, 1, 256);
    kn_phase_begin(b, !points, 1, &r, d, tile, 1);
    kn_access zero = kn_access_of(out);
    kn_access_step(&zero, r, lw_size(p, row));
    if (points) kn_access_step(&zero, d, KN_C(1));
    kn_store(b, zero, kn_const_bits(b, type, 0));
    kn_phase_end(b);
    kn_phase_begin(b, !points, 1, &i, d, tile, 1);
    kn_access id_at = kn_access_of(mem[0]), value_at = kn_access_of(mem[1]), to = kn_access_of(out);
    kn_access_step(&id_at, i, KN_C(1));
    kn_access_step(&value_at, i, lw_size(p, row));
    if (points) {
        kn_access_step(&value_at, d, KN_C(1));
        kn_access_step(&to, d, KN_C(1));
    }
    sn_dtype id_type = (sn_dtype)at(p, n->in[0])->dtype;
    kn_id id = kn_load(b, id_type, id_at);
    if (id_type != SN_I64) id = kn_prim1(b, KP_CAST, SN_I64, id);
    kn_size rows = lw_size(p, n->dim[0]);
    kn_id n_rows = rows.dim == KN_NONE ? kn_const_i(b, SN_I64, rows.k) : kn_dim_value(b, rows.dim);
    kn_id last = kn_prim2(b, KP_ADD, SN_I64, n_rows, kn_const_i(b, SN_I64, -1));
    kn_id none = kn_const_i(b, SN_I64, 0);
    id = kn_prim2(b, KP_MAX, SN_I64, kn_prim2(b, KP_MIN, SN_I64, id, last), none);
    to.ix = id;
    to.ix_step = lw_size(p, row);
    to.guard = kn_prim2(b, KP_LT, SN_BOOL, none, n_rows);
    kn_id value = kn_load(b, type, value_at), sum = kn_prim2(b, KP_ADD, type, kn_load(b, type, to), value);
    kn_store(b, to, sum);
    kn_phase_end(b);
    kn_part_end(b);
}

/* As if sizes of 0 were 1: nothing is accessed there, and a step of 0 would hide that the access varies. */
static ir_dim stride_of(lw_part *p, const ir_node *n, uint32_t axis) {
    ir_dim stride = ir_dim_const(p->s->g, 1);
    for (uint32_t a = axis + 1; a < n->rank; a++)
        if (n->dim[a] != ir_dim_const(p->s->g, 0)) stride = ir_dim_mul(p->s->g, stride, n->dim[a]);
    return stride;
}

/* The elements of each line along the axis one after the other; the lines are the points. The running value lies in a
 * cell of its own, whose address the loop does not change: ix is always 0, but says that the cell is loaded and stored
 * in each iteration. */
void lw_recurrence(lw_part *p) {
    ir_graph *g = p->s->g;
    kn_build *b = &p->launch->b;
    ir_id v = p->group->member.at[0];
    const ir_node *n = at(p, v);
    sn_dtype type = lw_type(p, v); /* of the running value; the result is rounded where it is stored */
    uint32_t axis = (uint32_t)n->attr[0];
    b->now_for = v;
    ir_dim outer = ir_dim_const(g, 1), inner = outer, one = outer;
    for (uint32_t a = 0; a < axis; a++) outer = ir_dim_mul(g, outer, n->dim[a]);
    for (uint32_t a = axis + 1; a < n->rank; a++) inner = ir_dim_mul(g, inner, n->dim[a]);
    kn_size inner_step = lw_size(p, stride_of(p, n, axis)), line = inner_step;
    if (axis > 0) line = lw_size(p, stride_of(p, n, axis - 1));
    kn_id point[2], o = KN_NONE, i = KN_NONE;
    uint32_t n_point = 0;
    if (outer != one) o = point[n_point++] = kn_add_axis(b, KN_POINT, lw_size(p, outer));
    if (inner != one) i = point[n_point++] = kn_add_axis(b, KN_POINT, lw_size(p, inner));
    kn_id j = kn_add_axis(b, KN_LOOP, lw_size(p, n->dim[axis]));
    /* Lines side by side are lanes; lines one behind the other, each contiguous, are copies that hide the latency. */
    kn_id lanes = i, mem[2];
    uint32_t tile = i != KN_NONE ? SCAN_LANES : o != KN_NONE ? SCAN_COPIES : 1, width = i != KN_NONE ? tile : 1;
    for (uint32_t k = 0; k < 2; k++)
        mem[k] = ir_splat_of(g, n->in[k]) ? KN_NONE : operand_memory(p, n->in[k], k ? "terms" : "factors");
    kn_id out = lw_mem(p, p->place[v].ref, KN_OUT, (sn_dtype)n->dtype, lw_count(p, v), -1, 0, "result");
    kn_id running = lw_mem(p, p->place[v].stored, KN_INOUT, type, ir_dim_mul(g, outer, inner), -1, 0, "running");

    kn_part_begin(b, n_point, point, tile, 1, 256);
    kn_access cell = kn_access_of(running), element = kn_access_of(out);
    if (o != KN_NONE) kn_access_step(&cell, o, inner_step);
    if (i != KN_NONE) kn_access_step(&cell, i, KN_C(1));
    if (o != KN_NONE) kn_access_step(&element, o, line);
    if (i != KN_NONE) kn_access_step(&element, i, KN_C(1));
    kn_phase_begin(b, !n_point, 0, NULL, lanes, width, 1);
    kn_store(b, cell, kn_const_bits(b, type, 0));
    kn_phase_end(b);

    kn_phase_begin(b, !n_point, 1, &j, lanes, width, 1);
    kn_id index = kn_index(b, j), zero = kn_const_i(b, SN_I64, 0);
    cell.ix = kn_prim2(b, KP_MUL, SN_I64, index, zero);
    cell.ix_step = KN_C(1);
    if (n->attr[1]) {
        kn_size size = lw_size(p, n->dim[axis]);
        kn_id count = size.dim == KN_NONE ? kn_const_i(b, SN_I64, size.k) : kn_dim_value(b, size.dim);
        kn_id end = kn_prim2(b, KP_ADD, SN_I64, count, kn_const_i(b, SN_I64, -1));
        element.ix = kn_prim2(b, KP_SUB, SN_I64, end, index);
        element.ix_step = inner_step;
    } else {
        kn_access_step(&element, j, inner_step);
    }
    kn_id x[2];
    for (uint32_t k = 0; k < 2; k++) {
        ir_id splat = ir_splat_of(g, n->in[k]);
        kn_access from = element;
        from.mem = mem[k];
        x[k] = splat ? lw_constant(p, (sn_dtype)at(p, splat)->dtype, (uint64_t)at(p, splat)->attr[0])
                     : kn_load(b, type, from);
    }
    kn_id before = kn_load(b, type, cell), y;
    if (type == SN_F32 || type == SN_F64)
        y = kn_prim3(b, KP_FMA, type, x[0], before, x[1]);
    else
        y = kn_prim2(b, KP_ADD, type, kn_prim2(b, KP_MUL, type, x[0], before), x[1]);
    kn_store(b, cell, y);
    kn_store(b, element, y);
    kn_phase_end(b);
    kn_part_end(b);
}
