/* Memories, dims and element addresses of a part. Tensors are dense and row-major, so the step of an axis is the
 * product of the dims behind it; constants up to 32 are part of the kernel, larger ones and symbolic dims are launch
 * arguments. */
#include <string.h>

#include "ir/lower.h"

enum { BAKED_SIZE = 32 };

lw_source lw_source_of(const lw_part *p, ir_id u) {
    const fu_node *f = &p->s->node[u];
    if (f->kind == FU_LEAF || f->kind == FU_ALIAS) return LW_MEMORY;
    if (f->kind == FU_INLINE) return LW_INLINE;
    if (f->is_exit && f->group != p->gi) {
        if (f->combine < 0 || f->combine == p->gi) return LW_PARTIALS;
        return LW_MEMORY;
    }
    return f->group == p->gi ? LW_MEMBER : LW_MEMORY;
}

const lw_axis *lw_axis_info(const lw_part *p, fu_class c) {
    for (uint32_t i = 0; i < p->n_axis; i++)
        if (p->axis[i].cls == c) return &p->axis[i];
    return NULL;
}

kn_id lw_axis_of(const lw_part *p, fu_class c, ir_id v) {
    const lw_axis *a = lw_axis_info(p, c);
    if (!a)
        base_fail(&p->s->g->trap, SN_ERR_INTERNAL, "lower: no axis for a class of node %u in group %d", v, (int)p->gi);
    return a->axis;
}

static kn_size dim_slot(lw_part *p, pg_dim d) {
    lw_launch *l = p->launch;
    for (uint32_t i = 0; i < l->dim.n; i++)
        if (l->dim.at[i].poly == d.poly && l->dim.at[i].step == d.step && l->dim.at[i].part == d.part) return KN_D(i);
    *base_vec_push(&l->dim, p->s->arena) = d;
    l->b.n_dim = (uint16_t)l->dim.n;
    return KN_D(l->dim.n - 1);
}

kn_size lw_size(lw_part *p, ir_dim d) {
    int64_t n;
    if (ir_dim_is_const(p->s->g, d, &n) && n >= -BAKED_SIZE && n <= BAKED_SIZE) return KN_C(n);
    return dim_slot(p, (pg_dim){d, -1, 0});
}

kn_id lw_chunk_axis(lw_part *p, int32_t step, uint32_t part) {
    for (uint32_t i = 0; i < p->n_chunks; i++)
        if (p->chunks[i].step == step && p->chunks[i].part == part) return p->chunks[i].axis;
    if (p->n_chunks == KN_MAX_AXES) base_fail(&p->s->g->trap, SN_ERR_INTERNAL, "lower: too many chunk axes");
    kn_id axis = kn_add_axis(&p->launch->b, KN_LOOP, dim_slot(p, (pg_dim){ir_dim_const(p->s->g, 1), step, part}));
    p->chunks[p->n_chunks].step = step;
    p->chunks[p->n_chunks].part = part;
    p->chunks[p->n_chunks++].axis = axis;
    p->loop_axes |= 1u << axis;
    return axis;
}

ir_dim lw_count(lw_part *p, ir_id u) {
    const ir_node *n = ir_at(p->s->g, u);
    ir_dim count = ir_dim_const(p->s->g, 1);
    for (uint32_t a = 0; a < n->rank; a++) count = ir_dim_mul(p->s->g, count, n->dim[a]);
    return count;
}

static void add_traffic(lw_part *p, pg_dim elements, sn_dtype dtype) {
    *base_vec_push(&p->launch->traffic, p->s->arena) = elements;
    *base_vec_push(&p->launch->traffic_size, p->s->arena) = (uint8_t)sn_dtype_size(dtype);
}

/* read: how many of the count elements are touched, as far as its first access tells. */
static kn_id add_mem(lw_part *p, pg_ref ref, kn_space space, sn_dtype dtype, ir_dim count, ir_dim read,
                     int32_t chunk_step, uint32_t chunk_part, const char *name) {
    lw_launch *l = p->launch;
    pg_dim elements = {count, chunk_step, chunk_part}, touched = {read, chunk_step, chunk_part};
    for (uint32_t i = 0; i < l->ref.n; i++) {
        if (l->ref.at[i].space != ref.space || l->ref.at[i].index != ref.index || ref.space == PG_NONE) continue;
        uint8_t *was = &l->b.mem.at[i].space;
        if ((*was == KN_IN && space == KN_OUT) || (*was == KN_OUT && space == KN_IN)) {
            *was = KN_INOUT;
            add_traffic(p, elements, dtype); /* once more: read and written */
        }
        return (kn_id)i;
    }
    int64_t n;
    kn_size size;
    if (space == KN_PART)
        size = lw_size(p, count); /* of one chunk */
    else if (chunk_step < 0 && ir_dim_is_const(p->s->g, count, &n) && n <= BAKED_SIZE)
        size = KN_C(n);
    else
        size = dim_slot(p, elements);
    kn_id id = kn_add_mem(&l->b, space, dtype, size, name);
    *base_vec_push(&l->ref, p->s->arena) = ref;
    if (space != KN_ROW) add_traffic(p, touched, dtype);
    if (space == KN_INOUT) add_traffic(p, touched, dtype);
    return id;
}

kn_id lw_mem(lw_part *p, pg_ref ref, kn_space space, sn_dtype dtype, ir_dim count, int32_t chunk_step,
             uint32_t chunk_part, const char *name) {
    return add_mem(p, ref, space, dtype, count, count, chunk_step, chunk_part, name);
}

static const char *name_of(lw_part *p, ir_id u) {
    const ir_graph *g = p->s->g;
    const ir_node *n = ir_at(g, u);
    if (n->op == IR_INPUT) return g->input_name.at[n->attr[0]];
    if (n->op == IR_VAR) return g->var.at[n->attr[0]].name;
    if (g->label.at[u]) return g->label.at[u];
    return base_arena_printf(p->s->arena, "t%u", u);
}

/* Axes of constant size 0 are left out: nothing is accessed there, and a step of 0 would hide that the access varies.
 */
static ir_dim stride_of(lw_part *p, const ir_node *n, uint32_t axis) {
    ir_dim stride = ir_dim_const(p->s->g, 1);
    int64_t size;
    for (uint32_t a = axis + 1; a < n->rank; a++)
        if (!ir_dim_is_const(p->s->g, n->dim[a], &size) || size) stride = ir_dim_mul(p->s->g, stride, n->dim[a]);
    return stride;
}

static void add_step(lw_part *p, kn_access *access, fu_class c, ir_id v, ir_dim stride) {
    if (!c) return;
    kn_id axis = lw_axis_of(p, c, v);
    if (axis != KN_NONE) kn_access_step(access, axis, lw_size(p, stride));
}

uint32_t lw_own_axes(const lw_part *p, ir_id u) {
    uint32_t set = 0;
    for (uint32_t a = 0; a < p->s->node[u].n_axis; a++) {
        fu_class c = fu_class_of(p->s, u, a);
        kn_id axis = c ? lw_axis_of(p, c, u) : KN_NONE;
        if (axis != KN_NONE) set |= 1u << axis;
    }
    return set;
}

uint32_t lw_map_axes(const lw_part *p, ir_id reader, uint32_t k) {
    uint32_t set = 0;
    const fu_edge *e = &p->s->node[reader].edge[k];
    for (uint32_t a = 0; a < SN_MAX_RANK; a++) {
        fu_class c = e->map[a] < 0 ? 0 : fu_class_of(p->s, reader, (uint32_t)e->map[a]);
        kn_id axis = c ? lw_axis_of(p, c, reader) : KN_NONE;
        if (axis != KN_NONE) set |= 1u << axis;
    }
    return set;
}

uint32_t lw_folded_axes(const lw_part *p, ir_id v) {
    uint32_t set = 0;
    for (uint32_t i = p->s->node[v].n_axis; i < p->s->node[v].n_slot; i++) {
        fu_class c = fu_class_of(p->s, v, i);
        kn_id axis = c ? lw_axis_of(p, c, v) : KN_NONE;
        if (axis != KN_NONE) set |= 1u << axis;
    }
    return set;
}

/* Memory of a value that is stored, of a leaf, or of an alias. What slices and picks rows of it reads that many of its
 * elements: a batch of a data set that lies in a variable, not the set. */
static kn_id memory(lw_part *p, ir_id u, ir_id reader) {
    ir_op op = (ir_op)ir_at(p->s->g, reader)->op;
    int part = (op == IR_SLICE || op == IR_GATHER) && ir_at(p->s->g, reader)->in[0] == u;
    ir_id base = u;
    while (p->s->node[base].kind == FU_ALIAS) base = ir_at(p->s->g, base)->in[0];
    const lw_place *place = &p->place[base];
    pg_ref ref = p->s->node[base].is_exit ? place->stored : place->ref;
    return add_mem(p, ref, KN_IN, (sn_dtype)ir_at(p->s->g, base)->dtype, lw_count(p, base),
                   lw_count(p, part ? reader : base), -1, 0, name_of(p, base));
}

kn_id lw_load_own(lw_part *p, ir_id u) {
    const ir_node *n = ir_at(p->s->g, u);
    kn_access access = kn_access_of(memory(p, u, u));
    for (uint32_t a = 0; a < n->rank; a++) add_step(p, &access, fu_class_of(p->s, u, a), u, stride_of(p, n, a));
    return kn_load(&p->launch->b, (sn_dtype)n->dtype, access);
}

static kn_access operand_access(lw_part *p, ir_id reader, uint32_t k) {
    ir_id u = ir_at(p->s->g, reader)->in[k];
    const ir_node *n = ir_at(p->s->g, u);
    const fu_edge *e = &p->s->node[reader].edge[k];
    kn_access access = kn_access_of(memory(p, u, reader));
    for (uint32_t a = 0; a < n->rank; a++)
        if (e->map[a] >= 0)
            add_step(p, &access, fu_class_of(p->s, reader, (uint32_t)e->map[a]), reader, stride_of(p, n, a));
    return access;
}

kn_id lw_load_operand(lw_part *p, ir_id reader, uint32_t k) {
    return kn_load(&p->launch->b, (sn_dtype)ir_at(p->s->g, ir_at(p->s->g, reader)->in[k])->dtype,
                   operand_access(p, reader, k));
}

/* Partials of a node at its own classes, along the chunks q if they are read; values: those of the values that its
 * pairs have. */
static kn_access partials(lw_part *p, ir_id v, kn_space space, kn_id q, int values) {
    const ir_node *n = ir_at(p->s->g, v);
    sn_dtype dtype = lw_type(p, values ? n->in[0] : v);
    ir_dim count = lw_count(p, v);
    const lw_place *place = &p->place[v];
    const char *name = base_arena_printf(p->s->arena, "%s.%s", name_of(p, v), values ? "best" : "part");
    pg_ref ref = values ? place->values : place->ref;
    kn_access access = kn_access_of(lw_mem(p, ref, space, dtype, count, place->step, place->part, name));
    if (q != KN_NONE) /* see stride_of */
        kn_access_step(&access, q, count == ir_dim_const(p->s->g, 0) ? KN_C(1) : lw_size(p, count));
    for (uint32_t a = 0; a < n->rank; a++) add_step(p, &access, fu_class_of(p->s, v, a), v, stride_of(p, n, a));
    return access;
}

static kn_id load_partial(lw_part *p, ir_id u, kn_id q, int values) {
    kn_access access = partials(p, u, KN_IN, q, values);
    return kn_load(&p->launch->b, (sn_dtype)p->launch->b.mem.at[access.mem].store, access);
}

kn_id lw_load_partials(lw_part *p, ir_id u) {
    const ir_node *n = ir_at(p->s->g, u);
    const lw_place *place = &p->place[u];
    kn_build *b = &p->launch->b;
    kn_id q = lw_chunk_axis(p, place->step, place->part);
    kn_prim prim = lw_fold_prim((ir_op)n->op);
    if (!IR_IS_ARG(n->op)) return kn_fold(b, prim, lw_type(p, u), 1u << q, load_partial(p, u, q, 0), KN_NONE);
    kn_id value = load_partial(p, u, q, 1);
    return kn_fold(b, prim, SN_I64, 1u << q, value, load_partial(p, u, q, 0));
}

kn_access lw_accumulator(lw_part *p, ir_id v) { return partials(p, v, KN_PART, KN_NONE, 0); }
kn_access lw_value_accumulator(lw_part *p, ir_id v) { return partials(p, v, KN_PART, KN_NONE, 1); }

void lw_store_own(lw_part *p, ir_id u, pg_ref ref, kn_space space, kn_id value) {
    const ir_node *n = ir_at(p->s->g, u);
    kn_id mem = lw_mem(p, ref, space, (sn_dtype)n->dtype, lw_count(p, u), -1, 0, name_of(p, u));
    kn_access access = kn_access_of(mem);
    for (uint32_t a = 0; a < n->rank; a++) add_step(p, &access, fu_class_of(p->s, u, a), u, stride_of(p, n, a));
    const kn_inst *in = &p->launch->b.inst.at[value];
    if (in->kind == KI_PRIM && in->prim == (n->dtype == SN_F16 ? KP_ROUND_F16 : KP_ROUND_BF16) &&
        base_is_half((sn_dtype)n->dtype))
        value = in->a[0]; /* the store rounds */
    kn_store(&p->launch->b, access, value);
}

/* ---- values read at other places --------------------------------------------------------------------------------- */

static kn_id i64_const(lw_part *p, int64_t n) { return kn_const_i(&p->launch->b, SN_I64, n); }

static kn_id i64_dim(lw_part *p, ir_dim d) {
    int64_t n;
    if (ir_dim_is_const(p->s->g, d, &n) && n < 0) return i64_const(p, n); /* launch dims are not negative */
    kn_size size = lw_size(p, d);
    return size.dim == KN_NONE ? i64_const(p, size.k) : kn_dim_value(&p->launch->b, size.dim);
}

static kn_id clamp(lw_part *p, kn_id x, kn_id high) {
    kn_build *b = &p->launch->b;
    x = kn_prim2(b, KP_MIN, SN_I64, x, high);
    return kn_prim2(b, KP_MAX, SN_I64, x, i64_const(p, 0));
}

static kn_id plus(lw_part *p, kn_id x, kn_id y) {
    if (x == KN_NONE) return y;
    return kn_prim2(&p->launch->b, KP_ADD, SN_I64, x, y);
}

/* The runtime start of an axis, clamped so that size elements at the given step stay inside full; or KN_NONE. */
static kn_id runtime_start(lw_part *p, ir_id v, const int64_t *attr, ir_dim full, ir_dim size) {
    if (!attr[IR_SLICE_RUNTIME]) return KN_NONE;
    kn_build *b = &p->launch->b;
    kn_id start = lw_value(p, ir_at(p->s->g, v)->in[attr[IR_SLICE_RUNTIME]]);
    /* full - ((size - 1) * step + 1) */
    kn_id step = i64_const(p, attr[IR_SLICE_STEP]), minus_one = i64_const(p, -1);
    kn_id span = kn_prim2(b, KP_MUL, SN_I64, plus(p, i64_dim(p, size), minus_one), step);
    kn_id last = kn_prim2(b, KP_SUB, SN_I64, plus(p, i64_dim(p, full), minus_one), span);
    if ((ir_dim)attr[IR_SLICE_START] == ir_dim_const(p->s->g, 0)) return clamp(p, start, last);
    /* The start may be any number: clamped before the constant is added, so that nothing wraps. */
    kn_id more = i64_dim(p, (ir_dim)attr[IR_SLICE_START]);
    start = kn_prim2(b, KP_MIN, SN_I64, start, kn_prim2(b, KP_SUB, SN_I64, last, more));
    start = kn_prim2(b, KP_MAX, SN_I64, start, kn_prim1(b, KP_NEG, SN_I64, more));
    return plus(p, start, more);
}

static kn_id slice(lw_part *p, ir_id v) {
    ir_graph *g = p->s->g;
    kn_build *b = &p->launch->b;
    const ir_node *n = ir_at(g, v), *x = ir_at(g, n->in[0]);
    kn_access access = kn_access_of(memory(p, n->in[0], v));
    ir_dim base = ir_dim_const(g, 0);
    kn_id offset = KN_NONE;
    for (uint32_t a = 0; a < x->rank; a++) {
        const int64_t *attr = n->attr + IR_SLICE_ATTRS * a;
        ir_dim stride = stride_of(p, x, a);
        add_step(p, &access, fu_class_of(p->s, v, a), v, ir_dim_mul(g, stride, ir_dim_const(g, attr[IR_SLICE_STEP])));
        kn_id start = runtime_start(p, v, attr, x->dim[a], n->dim[a]);
        if (start != KN_NONE)
            offset = plus(p, offset, kn_prim2(b, KP_MUL, SN_I64, start, i64_dim(p, stride)));
        else
            base = ir_dim_add(g, base, ir_dim_mul(g, stride, (ir_dim)attr[IR_SLICE_START]));
    }
    access.base = lw_size(p, base);
    if (offset != KN_NONE) {
        access.ix = offset;
        access.ix_step = KN_C(1);
    }
    return kn_load(b, (sn_dtype)n->dtype, access);
}

static kn_id both(lw_part *p, kn_id x, kn_id y) {
    return x == KN_NONE ? y : kn_prim2(&p->launch->b, KP_AND, SN_BOOL, x, y);
}

static kn_id index_of_class(lw_part *p, fu_class c, ir_id v) {
    if (!c) return i64_const(p, 0);
    return kn_index(&p->launch->b, lw_axis_of(p, c, v));
}

/* x / step; guard says, too, whether that is whole. The kernel IR has no division of integers. Where x is k step with
 * k < 2^51, its product with the rounded reciprocal is nearer to k than 1/2; where it is not, multiplying shows it. */
static kn_id step_of(lw_part *p, kn_id x, int64_t step, kn_id *guard) {
    kn_build *b = &p->launch->b;
    kn_id ratio, back;
    if (step & (step - 1)) {
        kn_id part = kn_prim1(b, KP_CAST, SN_F64, x);
        part = kn_prim2(b, KP_MUL, SN_F64, part, kn_const_f(b, SN_F64, 1 / (double)step));
        part = kn_prim2(b, KP_ADD, SN_F64, part, kn_const_f(b, SN_F64, 0.5));
        ratio = kn_prim1(b, KP_CAST, SN_I64, kn_prim1(b, KP_FLOOR, SN_F64, part));
        back = kn_prim2(b, KP_MUL, SN_I64, ratio, i64_const(p, step));
    } else {
        kn_id bits = i64_const(p, __builtin_ctzll((unsigned long long)step));
        ratio = kn_prim2(b, KP_SHR, SN_I64, x, bits);
        back = kn_prim2(b, KP_SHL, SN_I64, ratio, bits);
    }
    *guard = both(p, *guard, kn_prim2(b, KP_EQ, SN_BOOL, back, x));
    return ratio;
}

/* Each result index i has operand index (i - start) / step where that is whole and inside, else zero. */
static kn_id pad(lw_part *p, ir_id v) {
    ir_graph *g = p->s->g;
    kn_build *b = &p->launch->b;
    const ir_node *n = ir_at(g, v), *x = ir_at(g, n->in[0]);
    kn_access access = kn_access_of(memory(p, n->in[0], v));
    kn_id offset = KN_NONE, guard = KN_NONE, zero = i64_const(p, 0);
    for (uint32_t a = 0; a < x->rank; a++) {
        const int64_t *attr = n->attr + IR_SLICE_ATTRS * a;
        fu_class c = fu_class_of(p->s, v, a);
        int64_t start_value;
        int whole =
            !attr[IR_SLICE_RUNTIME] && attr[IR_SLICE_STEP] == 1 && x->dim[a] == n->dim[a] &&
            (!attr[IR_SLICE_START] || (ir_dim_is_const(g, (ir_dim)attr[IR_SLICE_START], &start_value) && !start_value));
        if (whole) {
            add_step(p, &access, c, v, stride_of(p, x, a));
            continue;
        }
        kn_id start = runtime_start(p, v, attr, n->dim[a], x->dim[a]);
        if (start == KN_NONE) start = i64_dim(p, (ir_dim)attr[IR_SLICE_START]);
        kn_id from = kn_prim2(b, KP_SUB, SN_I64, index_of_class(p, c, v), start);
        if (attr[IR_SLICE_STEP] > 1) from = step_of(p, from, attr[IR_SLICE_STEP], &guard);
        guard = both(p, guard, kn_prim2(b, KP_LE, SN_BOOL, zero, from));
        guard = both(p, guard, kn_prim2(b, KP_LT, SN_BOOL, from, i64_dim(p, x->dim[a])));
        offset = plus(p, offset, kn_prim2(b, KP_MUL, SN_I64, from, i64_dim(p, stride_of(p, x, a))));
    }
    access.guard = guard;
    if (offset != KN_NONE) {
        access.ix = offset;
        access.ix_step = KN_C(1);
    }
    return kn_load(b, (sn_dtype)n->dtype, access);
}

/* Operands one after the other: each is loaded where the index falls into it. */
static kn_id concat(lw_part *p, ir_id v) {
    ir_graph *g = p->s->g;
    kn_build *b = &p->launch->b;
    const ir_node *n = ir_at(g, v);
    uint32_t axis = (uint32_t)n->attr[0];
    kn_id at = index_of_class(p, fu_class_of(p->s, v, axis), v), result = KN_NONE;
    ir_dim start = ir_dim_const(g, 0);
    for (uint32_t k = 0; k < n->n_in; k++) {
        const ir_node *x = ir_at(g, n->in[k]);
        ir_dim end = ir_dim_add(g, start, x->dim[axis]), stride = stride_of(p, x, axis);
        kn_id first = kn_prim2(b, KP_LE, SN_BOOL, i64_dim(p, start), at);
        kn_id here = kn_prim2(b, KP_AND, SN_BOOL, first, kn_prim2(b, KP_LT, SN_BOOL, at, i64_dim(p, end)));
        kn_access access = kn_access_of(memory(p, n->in[k], v));
        for (uint32_t a = 0; a < x->rank; a++) {
            /* An operand of extent 1 along the axis still moves with it inside its guard. */
            fu_class c = fu_class_of(p->s, v, a);
            add_step(p, &access, c, v, stride_of(p, x, a));
        }
        access.base = lw_size(p, ir_dim_mul(g, start, stride));
        access.base.k = -access.base.k; /* launch dims are not negative */
        access.guard = here;
        kn_id value = kn_load(b, (sn_dtype)n->dtype, access);
        result = result == KN_NONE ? value : kn_prim3(b, KP_SELECT, lw_type(p, v), first, value, result);
        start = end;
    }
    return result;
}

static kn_id gather(lw_part *p, ir_id v) {
    ir_graph *g = p->s->g;
    kn_build *b = &p->launch->b;
    const ir_node *n = ir_at(g, v), *x = ir_at(g, n->in[0]);
    kn_id id = p->s->node[v].edge[1].pointwise ? lw_value(p, n->in[1]) : lw_load_operand(p, v, 1);
    if (ir_at(g, n->in[1])->dtype != SN_I64) id = kn_prim1(b, KP_CAST, SN_I64, id);
    kn_access access = operand_access(p, v, 0);
    kn_id minus_one = i64_const(p, -1), n_rows = i64_dim(p, x->dim[0]);
    id = clamp(p, id, plus(p, n_rows, minus_one));
    access.ix = id;
    access.ix_step = lw_size(p, stride_of(p, x, 0));
    int64_t rows;
    if (!ir_dim_is_const(g, x->dim[0], &rows) || rows == 0) /* no row to read */
        access.guard = kn_prim2(b, KP_LT, SN_BOOL, i64_const(p, 0), n_rows);
    return kn_load(b, (sn_dtype)n->dtype, access);
}

kn_id lw_moved(lw_part *p, ir_id v) {
    switch (ir_at(p->s->g, v)->op) {
        case IR_SLICE: return slice(p, v);
        case IR_PAD: return pad(p, v);
        case IR_CONCAT: return concat(p, v);
        default: return gather(p, v);
    }
}
