/* Folds, in the order of ir/kernel.h, which decides the bits.
 *
 * Accumulators are arrays in registers, a12[unroll index][..], of those dimensions that are more than one. Lanes are
 * folded by halves between threads (sn_fold) and then within one. A fold of pairs accumulates pairs, of which its value
 * is the index. Folds over points whose access has LOOP axes accumulate in the chunk's partials: an element belongs to
 * one thread. */
#include "jit_gpu/cuda_emit.h"

static const char *op(const kn_inst *in) {
    switch (in->prim) {
        case KP_MUL: return "op_mul";
        case KP_MIN: return "op_min";
        case KP_MAX: return "op_max";
        case KP_AND: return "op_and";
        case KP_OR: return "op_or";
        case KP_ARGMAX: return "op_argmax";
        case KP_ARGMIN: return "op_argmin";
        default: return "op_add"; /* FMA: where two accumulators meet */
    }
}

static const char *operand(ce *e, const kn_inst *in, int i) {
    return in->a[i] == KN_NONE ? NULL : ce_value(e, in->a[i]);
}

static int is_pair(const kn_inst *in) { return kn_is_pair((kn_prim)in->prim); }

/* dtype of a fold's first operand: of a pair's values. */
static sn_dtype from_type(const ce *e, const kn_inst *in) { return (sn_dtype)e->k->inst[in->a[0]].type; }

/* Of an accumulator. */
static const char *acc_type(ce *e, const kn_inst *in) {
    return is_pair(in) ? ce_text(e, "sn_pair<%s>", ce_type(from_type(e, in))) : ce_type((sn_dtype)in->type);
}

/* The fold's value, of an accumulator's text. */
static const char *value_of(ce *e, const kn_inst *in, const char *acc) {
    return is_pair(in) ? ce_text(e, "%s.index", acc) : acc;
}

/* op(acc, x), or acc + x * y, or the winner of acc and the pair of x and y. */
static const char *step(ce *e, const kn_inst *in, const char *acc) {
    sn_dtype type = (sn_dtype)in->type;
    const char *x = operand(e, in, 0), *y = operand(e, in, 1);
    if (is_pair(in)) return ce_text(e, "%s::of(%s, %s{%s, %s})", op(in), acc, acc_type(e, in), y, x);
    if (in->prim == KP_FMA) return ce_prim(e, KP_FMA, type, type, x, y, acc);
    return ce_prim(e, (kn_prim)in->prim, type, type, acc, x, NULL);
}

static const char *value_identity(ce *e, const kn_inst *in) {
    return ce_const(e, from_type(e, in), kn_identity(kn_pair_value((kn_prim)in->prim), from_type(e, in)));
}

static const char *identity(ce *e, const kn_inst *in) {
    if (is_pair(in))
        return ce_text(e, "%s{%s, %s}", acc_type(e, in), ce_const(e, SN_I64, kn_identity((kn_prim)in->prim, SN_I64)),
                       value_identity(e, in));
    return ce_const(e, (sn_dtype)in->type, kn_identity((kn_prim)in->prim, (sn_dtype)in->type));
}

/* Values of one fold that are exchanged at a time: of the N there are, V of each instance. */
static uint32_t batch(ce *e, const kn_inst *in, uint32_t n) {
    if (e->team <= CE_WARP) return n;
    e->exchanges = 1;
    uint32_t bytes = is_pair(in) ? 16 : (uint32_t)sn_dtype_size((sn_dtype)in->type);
    uint32_t most = CE_MAX_BATCH_BYTES / (e->team * bytes);
    return n < most ? n : most;
}

/* Are the lanes of a thread folded before those of different threads? */
static int own_first(const ce *e) { return e->part->team > 1; }

/* "sn_fold<..>(x, ..)" over n values of each of `lanes` / V threads. */
static void fold_threads(ce *e, const kn_inst *in, const char *x, uint32_t n, uint32_t lanes, uint32_t own) {
    ce_line(e, "sn_fold<%s, %u, %u, %u, %u>(%s, t, meet, turn);", op(in), lanes / own, e->team, n, batch(e, in, n), x);
}

/* ---- over UNROLL axes -------------------------------------------------------------------------------------------- */

static const char *fold_loops(ce *e, const kn_inst *in) {
    const char *text = "";
    for (uint32_t a = 0; a < e->k->n_axis; a++)
        if (in->fold >> a & 1 && ce_unroll_extent(e, a) > 1)
            text = ce_text(e, "%sFOR(k%u, %u) ", text, a, ce_unroll_extent(e, a));
    return text;
}

void ce_unroll_fold(ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    sn_dtype type = (sn_dtype)in->type;
    const char *loops = fold_loops(e, in), *x = operand(e, in, 0), *y = operand(e, in, 1);
    const char *start = is_pair(in)          ? step(e, in, identity(e, in))
                        : in->prim == KP_FMA ? ce_prim(e, KP_MUL, type, type, x, y, NULL)
                                             : x;
    const char *first = NULL;
    for (uint32_t a = 0; a < e->k->n_axis; a++)
        if (in->fold >> a & 1 && ce_unroll_extent(e, a) > 1)
            first = first ? ce_text(e, "%s + k%u", first, a) : ce_text(e, "k%u", a);
    ce_line(e, "%s{", ce_loops(e, in->over, 1));
    e->depth++;
    if (first) {
        ce_line(e, "%s acc = %s;", acc_type(e, in), is_pair(in) ? identity(e, in) : ce_text(e, "(%s)0", ce_type(type)));
        ce_line(e, "%sacc = %s == 0 ? %s : %s;", loops, first, start, step(e, in, "acc"));
    }
    ce_line(e, "%s = %s;", ce_value(e, id), value_of(e, in, first ? "acc" : start));
    ce_close(e);
}

/* ---- over LOOP axes ---------------------------------------------------------------------------------------------- */

/* Copies and unroll indices of an accumulator, counted in one. */
static uint32_t instances(const ce *e, const kn_inst *in) {
    uint32_t r = in->over & ce_bit(e->last_point) && e->copies > 1 ? e->copies : 1;
    return r * ce_unrolled(e, in->over);
}
static const char *instance(ce *e, const kn_inst *in) {
    const char *k = ce_unroll_index(e, in->over);
    if (!(in->over & ce_bit(e->last_point)) || e->copies == 1) return k;
    uint32_t n = ce_unrolled(e, in->over);
    return n == 1 ? "r" : ce_text(e, "r * %u + %s", n, k);
}

/* Lanes of the accumulators: those of the loop, or of the points. */
static int has_lanes(const ce *e, const kn_inst *in) {
    return e->mode == CE_LOOP_LANES || (e->mode == CE_POINT_LANES && in->over & ce_bit(e->last_point));
}

static uint32_t own_lanes(const ce *e, const kn_inst *in) { return has_lanes(e, in) ? e->per_thread : 1; }

/* "[i]", or nothing where there is only one. */
static const char *at(ce *e, uint32_t n, const char *i) { return n > 1 ? ce_text(e, "[%s]", i) : ""; }
static const char *dim(ce *e, uint32_t n) { return n > 1 ? ce_text(e, "[%u]", n) : ""; }
static const char *loop(ce *e, const char *i, uint32_t n) { return n > 1 ? ce_text(e, "FOR(%s, %u) ", i, n) : ""; }

/* An accumulator of a fold over loops. */
static const char *accumulator(ce *e, kn_id id, const char *i, const char *u, const char *v) {
    const kn_inst *in = &e->k->inst[id];
    return ce_text(e, "a%u%s%s%s", id, at(e, instances(e, in), i), at(e, e->ilp, u), at(e, own_lanes(e, in), v));
}

void ce_loop_fold_begin(ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    uint32_t n = instances(e, in), own = own_lanes(e, in);
    const char *type = acc_type(e, in);
    if (n * e->ilp * own == 1) {
        ce_line(e, "%s a%u = %s;", type, id, identity(e, in));
        return;
    }
    ce_line(e, "%s a%u%s%s%s;", type, id, dim(e, n), dim(e, e->ilp), dim(e, own));
    ce_line(e, "%s%s%s%s = %s;", loop(e, "i", n), loop(e, "u", e->ilp), loop(e, "v", own),
            accumulator(e, id, "i", "u", "v"), identity(e, in));
}

void ce_loop_fold_step(ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    const char *acc = accumulator(e, id, instance(e, in), "u", "v");
    const char *when = ce_present(e, ce_bit(e->inner), 0);
    uint32_t outer = in->over & ~ce_bit(e->inner);
    ce_line(e, "%s%s%s%s%s%s = %s;", ce_loops(e, outer, 0), loop(e, "u", e->ilp), loop(e, "v", own_lanes(e, in)),
            when ? ce_text(e, "if (%s) ", when) : "", fold_loops(e, in), acc, step(e, in, acc));
}

void ce_loop_fold_end(ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    uint32_t n = instances(e, in), own = own_lanes(e, in);
    const char *type = acc_type(e, in), *value = ce_value(e, id), *x = ce_text(e, "a%u", id);
    const char *each = ce_text(e, "%s%s", loop(e, "i", n), loop(e, "v", own));
    for (uint32_t u = e->ilp; u > 1; u /= 2)
        ce_line(e, "%sFOR(u, %u) %s%s = %s::of(%s, %s);", loop(e, "i", n), u / 2, loop(e, "v", own),
                accumulator(e, id, "i", "u", "v"), op(in), accumulator(e, id, "i", "2 * u", "v"),
                accumulator(e, id, "i", "2 * u + 1", "v"));
    if (e->mode != CE_LOOP_LANES) {
        ce_line(e, "%s%s = %s;", ce_loops(e, in->over, 1), value,
                value_of(e, in, accumulator(e, id, instance(e, in), "0", "v")));
        return;
    }
    if (own > 1 && own_first(e)) {
        x = ce_text(e, "y%u", id);
        ce_line(e, "%s %s%s;", type, x, dim(e, n));
        ce_line(e, "%s%s%s = sn_fold_own<%s, %u>(a%u%s%s);", loop(e, "i", n), x, at(e, n, "i"), op(in), own, id,
                at(e, n, "i"), at(e, e->ilp, "0"));
        fold_threads(e, in, ce_text(e, "&%s%s", x, at(e, n, "0")), n, e->width, own);
        x = ce_text(e, "%s%s", x, at(e, n, instance(e, in)));
        ce_line(e, "%s%s = %s;", ce_loops(e, in->over, 0), value, value_of(e, in, x));
        return;
    }
    if (e->ilp > 1) { /* those that are left, one after the other */
        x = ce_text(e, "x%u", id);
        ce_line(e, "%s %s%s%s;", type, x, dim(e, n), dim(e, own));
        ce_line(e, "%s%s%s%s = %s;", each, x, at(e, n, "i"), at(e, own, "v"), accumulator(e, id, "i", "0", "v"));
    }
    fold_threads(e, in, ce_text(e, "&%s%s%s", x, at(e, n, "0"), at(e, own, "0")), n * own, e->width, own);
    x = ce_text(e, "%s%s", x, at(e, n, instance(e, in)));
    ce_line(e, "%s%s = %s;", ce_loops(e, in->over, 0), value,
            value_of(e, in, own > 1 ? ce_text(e, "sn_fold_own<%s, %u>(%s)", op(in), own, x) : x));
}

/* ---- over POINT axes --------------------------------------------------------------------------------------------- */

int ce_in_registers(const ce *e, const kn_inst *in) { return !(in->over & kn_axes_with(e->k, KN_LOOP)); }

int ce_accumulates(const kn_kernel *k, kn_id mem) {
    for (kn_id i = 0; i < k->n_inst; i++) {
        if (!kn_is_point_fold(&k->inst[i]) || !(k->inst[i].over & kn_axes_with(k, KN_LOOP))) continue;
        for (uint32_t which = 0; which < KN_ACCESSES; which++) {
            kn_id access = kn_access_at(&k->inst[i], which);
            if (access != KN_NONE && k->access[access].mem == mem) return 1;
        }
    }
    return 0;
}

static int point_lanes(const ce *e) { return e->mode == CE_POINT_LANES; }

/* Accumulators of one unroll index: of the copies, or of this thread's lanes. */
static uint32_t places(const ce *e) { return point_lanes(e) ? e->per_thread : e->copies; }

void ce_point_fold_begin(ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    if (ce_is_held(e, e->k->access[in->acc].mem)) {
        ce_declare_held(e, &e->k->access[in->acc], identity(e, in));
        return;
    }
    if (!ce_in_registers(e, in)) {
        for (uint32_t which = 0; which < KN_ACCESSES && kn_access_at(in, which) != KN_NONE; which++) {
            kn_id mem = e->k->access[kn_access_at(in, which)].mem;
            const char *start = which         ? value_identity(e, in)
                                : is_pair(in) ? ce_const(e, SN_I64, kn_identity((kn_prim)in->prim, SN_I64))
                                              : identity(e, in);
            ce_line(e, "for (i64 i = t; i < %s; i += %u) m%u[i] = %s%s;", ce_size(e, e->k->mem[mem].count), e->team,
                    mem, in->type == SN_BOOL ? "(u8)" : "", start);
        }
        return;
    }
    uint32_t n = ce_unrolled(e, in->over), own = places(e);
    const char *type = acc_type(e, in);
    if (n * own == 1) {
        ce_line(e, "%s a%u = %s;", type, id, identity(e, in));
        return;
    }
    ce_line(e, "%s a%u%s%s;", type, id, dim(e, n), dim(e, own));
    ce_line(e, "%s%sa%u%s%s = %s;", loop(e, "i", n), loop(e, "v", own), id, at(e, n, "i"), at(e, own, "v"),
            identity(e, in));
}

/* Loops over the unroll axes and, with copies, the points of the tile. */
static const char *place_loops(ce *e, const kn_inst *in) {
    const char *own = point_lanes(e)  ? (e->per_thread > 1 ? ce_text(e, "FOR(v, %u) ", e->per_thread) : "")
                      : e->copies > 1 ? ce_text(e, "FOR(r, %u) ", e->copies)
                                      : "";
    return ce_text(e, "%s%s", ce_loops(e, in->over, 0), own);
}

static void step_registers(ce *e, kn_id id, const kn_inst *in) {
    const char *acc = ce_text(e, "a%u%s%s", id, at(e, ce_unrolled(e, in->over), ce_unroll_index(e, in->over)),
                              at(e, places(e), point_lanes(e) ? "v" : "r"));
    const char *when = ce_present(e, ce_bit(e->last_point), 0);
    ce_line(e, "%s%s%s = %s;", place_loops(e, in), when ? ce_text(e, "if (%s) ", when) : "", acc, step(e, in, acc));
}

/* The partial that a fold accumulates in, as an accumulator, and its opposite. */
static const char *partial(ce *e, const kn_inst *in) {
    const char *element = ce_element(e, &e->k->access[in->acc]);
    if (!is_pair(in)) return in->type == SN_BOOL ? ce_text(e, "(%s != 0)", element) : element;
    return ce_text(e, "%s{%s, %s}", acc_type(e, in), element, ce_element(e, &e->k->access[kn_access_at(in, 1)]));
}
static const char *put_partial(ce *e, const kn_inst *in, const char *acc) {
    const char *element = ce_element(e, &e->k->access[in->acc]);
    if (!is_pair(in)) return ce_text(e, "%s = %s%s;", element, in->type == SN_BOOL ? "(u8)" : "", acc);
    return ce_text(e, "%s = %s.index, %s = %s.value;", element, acc, ce_element(e, &e->k->access[kn_access_at(in, 1)]),
                   acc);
}

/* The points of the tile one after the other into the element, by the thread whose element it is. Point lanes of one
 * point are a copy here, but multiply before they add, as all point lanes do. */
static void step_copies(ce *e, const kn_inst *in) {
    sn_dtype type = (sn_dtype)in->type;
    const char *next = step(e, in, "acc");
    if (in->prim == KP_FMA && e->phase->lanes != KN_NONE && e->phase->lanes == e->last_point)
        next = ce_prim(e, KP_ADD, type, type, "acc",
                       ce_prim(e, KP_MUL, type, type, operand(e, in, 0), operand(e, in, 1), NULL), NULL);
    const char *when = ce_present(e, in->over, 1), *there = ce_present(e, ce_bit(e->last_point), 0);
    if (ce_is_held(e, e->k->access[in->acc].mem)) when = NULL;
    ce_line(e, "%s%s{", ce_loops(e, in->over, 1), when ? ce_text(e, "if (%s) ", when) : "");
    e->depth++;
    ce_line(e, "%s acc = %s;", acc_type(e, in), partial(e, in));
    ce_line(e, "%s%sacc = %s;", e->copies > 1 ? ce_text(e, "FOR(r, %u) ", e->copies) : "",
            there ? ce_text(e, "if (%s) ", there) : "", next);
    ce_line(e, "%s", put_partial(e, in, "acc"));
    ce_close(e);
}

/* The tile's values combined, then into the element. */
static void step_tile(ce *e, const kn_inst *in) {
    sn_dtype type = (sn_dtype)in->type;
    const char *x = operand(e, in, 0), *y = operand(e, in, 1);
    if (in->prim == KP_FMA) x = ce_prim(e, KP_MUL, type, type, x, y, NULL);
    if (is_pair(in)) x = ce_text(e, "%s{%s, %s}", acc_type(e, in), y, x);
    const char *when = ce_present(e, ce_bit(e->last_point), 0);
    ce_line(e, "%s{", ce_loops(e, in->over, 0));
    e->depth++;
    ce_line(e, "%s x[%u];", acc_type(e, in), e->per_thread);
    ce_line(e, "%sx[%s] = %s ? %s : %s;", e->per_thread > 1 ? ce_text(e, "FOR(v, %u) ", e->per_thread) : "",
            e->per_thread > 1 ? "v" : "0", when, x, identity(e, in));
    if (own_first(e)) {
        ce_line(e, "%s all = sn_fold_own<%s, %u>(x);", acc_type(e, in), op(in), e->per_thread);
        fold_threads(e, in, "&all", 1, e->width, e->per_thread);
    } else {
        fold_threads(e, in, "x", e->per_thread, e->width, e->per_thread);
        ce_line(e, "const %s all = sn_fold_own<%s, %u>(x);", acc_type(e, in), op(in), e->per_thread);
    }
    ce_line(e, "if (%s) {", ce_present(e, in->over, 1));
    e->depth++;
    ce_line(e, "const %s both = %s::of(%s, all);", acc_type(e, in), op(in), partial(e, in));
    ce_line(e, "%s", put_partial(e, in, "both"));
    ce_close(e);
    ce_close(e);
}

void ce_point_fold_step(ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    if (ce_in_registers(e, in))
        step_registers(e, id, in);
    else if (point_lanes(e))
        step_tile(e, in);
    else
        step_copies(e, in);
}

/* Sums that stayed in registers, to where later kernels read them. */
static void store_held(ce *e, const kn_access *access) {
    ce_open_round(e);
    const char *from = ce_element(e, access), *loops = ce_loops(e, ce_access_axes(access), 0);
    e->to_memory = 1;
    const char *to = ce_element(e, access), *when = ce_present(e, ce_bit(e->inner), 0);
    if (ce_is_wide(e, access)) {
        e->lane0 = 1;
        const char *first = ce_element(e, access);
        e->to_memory = 0;
        ce_line(e, "%sif (%s) sn_write<%u>(&%s, &%s);", loops, when, e->per_thread, first, ce_element(e, access));
        e->lane0 = 0;
    } else {
        ce_line(e, "%sif (%s) %s = %s;", ce_loops(e, ce_access_axes(access), 1), when, to, from);
    }
    e->to_memory = 0;
    ce_close(e);
}

void ce_point_fold_end(ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    if (ce_is_held(e, e->k->access[in->acc].mem)) {
        store_held(e, &e->k->access[in->acc]);
        return;
    }
    if (!ce_in_registers(e, in)) return;
    const char *x = ce_text(e, "a%u", id);
    uint32_t n = ce_unrolled(e, in->over), own = places(e);
    uint32_t group = kn_thread_lanes(e->k, e->part, e->part->tile); /* neighbours that are folded first */
    if (point_lanes(e) && own > 1 && own_first(e)) {
        const char *y = ce_text(e, "y%u", id);
        ce_line(e, "%s %s%s;", acc_type(e, in), y, dim(e, n));
        ce_line(e, "%s%s%s = sn_fold_own<%s, %u>(%s%s);", loop(e, "i", n), y, at(e, n, "i"), op(in), own, x,
                at(e, n, "i"));
        fold_threads(e, in, ce_text(e, "&%s%s", y, at(e, n, "0")), n, e->width, own);
        x = y;
        own = 1;
    } else if (point_lanes(e)) {
        fold_threads(e, in, ce_text(e, "&%s%s%s", x, at(e, n, "0"), at(e, own, "0")), n * own, e->width, own);
    }
    x = ce_text(e, "%s%s", x, at(e, n, ce_unroll_index(e, in->over)));
    if (own > 1 && group > 1 && !point_lanes(e))
        x = ce_text(e, "sn_fold_groups<%s, %u, %u>(%s)", op(in), own, group, x);
    else if (own > 1)
        x = ce_text(e, "sn_fold_own<%s, %u>(%s)", op(in), own, x);
    if (!is_pair(in)) {
        ce_line(e, "if (t == 0) %s%s", ce_loops(e, in->over, 0), put_partial(e, in, x));
        return;
    }
    ce_line(e, "if (t == 0) %s{", ce_loops(e, in->over, 0));
    e->depth++;
    ce_line(e, "const %s all = %s;", acc_type(e, in), x);
    ce_line(e, "%s", put_partial(e, in, "all"));
    ce_close(e);
}

/* ---- between forms ----------------------------------------------------------------------------------------------- */

void ce_convert(ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    uint32_t tile = e->part->tile;
    if (!(in->over & ce_bit(e->last_point)) || tile == 1) return;
    uint8_t wanted = e->mode == CE_POINT_LANES ? CE_AS_LANES : CE_AS_COPIES;
    if (e->form[id] & wanted) return;
    e->form[id] |= wanted;
    const char *type = ce_type((sn_dtype)in->type);
    uint32_t own = tile > e->team ? tile / e->team : 1;
    const char *dims = "", *index = "", *loops = "";
    for (uint32_t a = 0; a < e->k->n_axis; a++)
        if (in->over >> a & 1 && ce_unroll_extent(e, a) > 1) {
            dims = ce_text(e, "%s[%u]", dims, ce_unroll_extent(e, a));
            index = ce_text(e, "%s[k%u]", index, a);
            loops = ce_text(e, "%sFOR(k%u, %u) ", loops, a, ce_unroll_extent(e, a));
        }
    if (wanted == CE_AS_LANES) {
        ce_line(e, "%s v%ul%s%s;", type, id, dims, own > 1 ? ce_text(e, "[%u]", own) : "");
        ce_line(e, "%s%s{", loops, own > 1 ? ce_text(e, "FOR(v, %u) ", own) : "");
        e->depth++;
        ce_line(e, "%s here = v%uc[0]%s;", type, id, index);
        ce_line(e, "FOR(r, %u) if (%s == r) here = v%uc[r]%s;", tile, own > 1 ? ce_text(e, "t * %u + v", own) : "t", id,
                index);
        ce_line(e, "v%ul%s%s = here;", id, index, own > 1 ? "[v]" : "");
        ce_close(e);
        return;
    }
    if (e->team > CE_WARP) e->exchanges = 1;
    ce_line(e, "%s v%uc[%u]%s;", type, id, tile, dims);
    ce_line(e, "%s{", loops);
    e->depth++;
    ce_line(e, "%s all[%u];", type, tile);
    ce_line(e, "sn_spread<%u, %u, %u>(all, %sv%ul%s, t, meet, turn);", tile, own, e->team, own > 1 ? "" : "&", id,
            index);
    ce_line(e, "FOR(r, %u) v%uc[r]%s = all[r];", tile, id, index);
    ce_close(e);
}
