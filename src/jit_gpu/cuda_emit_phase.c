/* Phases: the loop nest of each, and the instructions, every one at the outermost level that what it varies over allows
 * (kn_place_part). */
#include <string.h>

#include "jit_gpu/cuda_emit.h"

enum {
    LEAST_SHARED = 4, /* passing a value on is three instructions */
    TOGETHER = 32     /* words of a thread that are on their way together, of several rounds of a loop */
};

uint32_t ce_bit(kn_id axis) { return axis == KN_NONE ? 0 : 1u << axis; }

uint32_t ce_unroll_extent(const ce *e, uint32_t axis) {
    return e->k->axis[axis].role == KN_UNROLL ? (uint32_t)e->k->axis[axis].extent.k : 1;
}

void ce_begin_phase(ce *e, const kn_phase *phase) {
    e->phase = phase;
    e->inner = phase->n_loop ? phase->loop[phase->n_loop - 1] : (kn_id)KN_NONE;
    e->mode = phase->width <= 1 || phase->lanes == KN_NONE ? CE_COPIES
              : phase->lanes == e->inner                   ? CE_LOOP_LANES
                                                           : CE_POINT_LANES;
    e->width = e->mode == CE_COPIES ? 1 : phase->width;
    e->per_thread = e->width > e->team ? e->width / e->team : 1;
    e->lane_axis = e->mode == CE_COPIES ? (kn_id)KN_NONE : phase->lanes;
    e->copies = e->mode == CE_POINT_LANES ? 1 : e->part->tile;
    e->ilp = phase->ilp;
}

/* ---- what a value is repeated for -------------------------------------------------------------------------------- */

/* The dimensions of what varies over these axes, each as format(index name, extent). */
static const char *for_dims(ce *e, uint32_t axes, int lanes,
                            const char *(*add)(ce *, const char *, const char *, uint32_t)) {
    const char *text = "";
    if (axes & ce_bit(e->last_point) && e->copies > 1) text = add(e, text, "r", e->copies);
    if (axes & ce_bit(e->inner) && e->ilp > 1) text = add(e, text, "u", e->ilp);
    for (uint32_t a = 0; a < e->k->n_axis; a++)
        if (axes >> a & 1 && ce_unroll_extent(e, a) > 1)
            text = add(e, text, ce_text(e, "k%u", a), ce_unroll_extent(e, a));
    if (lanes && axes & ce_bit(e->lane_axis) && e->per_thread > 1) text = add(e, text, "v", e->per_thread);
    return text;
}

static const char *add_loop(ce *e, const char *text, const char *name, uint32_t n) {
    return ce_text(e, "%sFOR(%s, %u) ", text, name, n);
}
static const char *add_dim(ce *e, const char *text, const char *name, uint32_t n) {
    (void)name;
    return ce_text(e, "%s[%u]", text, n);
}
static const char *add_index(ce *e, const char *text, const char *name, uint32_t n) {
    (void)n;
    if (e->lane0 && name[0] == 'v') name = "0";
    return ce_text(e, "%s[%s]", text, name);
}

const char *ce_loops(ce *e, uint32_t axes, int lanes) { return for_dims(e, axes, lanes, add_loop); }
const char *ce_dims(ce *e, uint32_t axes, int lanes) { return for_dims(e, axes, lanes, add_dim); }

const char *ce_indices(ce *e, uint32_t axes) { return for_dims(e, axes, 1, add_index); }

uint32_t ce_unrolled(const ce *e, uint32_t axes) {
    uint32_t n = 1;
    for (uint32_t a = 0; a < e->k->n_axis; a++)
        if (axes >> a & 1) n *= ce_unroll_extent(e, a);
    return n;
}

uint32_t ce_elements(const ce *e, uint32_t axes) {
    uint32_t n = ce_unrolled(e, axes);
    if (axes & ce_bit(e->last_point)) n *= e->copies;
    if (axes & ce_bit(e->inner)) n *= e->ilp;
    return axes & ce_bit(e->lane_axis) ? n * e->per_thread : n;
}

const char *ce_unroll_index(ce *e, uint32_t axes) {
    const char *text = NULL;
    for (uint32_t a = 0; a < e->k->n_axis; a++) {
        uint32_t n = ce_unroll_extent(e, a);
        if (!(axes >> a & 1) || n == 1) continue;
        text = text ? ce_text(e, "(%s * %u + k%u)", text, n, a) : ce_text(e, "k%u", a);
    }
    return text ? text : "0";
}

/* A value made with lanes of points and now used with copies has another name, and the other way. */
const char *ce_value(ce *e, kn_id inst) {
    uint32_t over = e->k->inst[inst].over;
    const char *suffix = "";
    if (over & ce_bit(e->last_point) && e->part->tile > 1) suffix = e->mode == CE_POINT_LANES ? "l" : "c";
    return ce_text(e, "v%u%s%s", inst, suffix, for_dims(e, over, 1, add_index));
}

static const char *name_of(ce *e, kn_id inst) {
    uint32_t over = e->k->inst[inst].over;
    int formed = over & ce_bit(e->last_point) && e->part->tile > 1;
    if (formed) e->form[inst] = e->mode == CE_POINT_LANES ? CE_AS_LANES : CE_AS_COPIES;
    return ce_text(e, "v%u%s", inst, !formed ? "" : e->mode == CE_POINT_LANES ? "l" : "c");
}

/* ---- indices ----------------------------------------------------------------------------------------------------- */

/* Of the index of a thread's first lane, that of lane v. */
static const char *lane_of(ce *e, const char *index) {
    return e->per_thread == 1 || e->lane0 ? index : ce_text(e, "(%s + v)", index);
}

const char *ce_index(ce *e, kn_id axis) {
    if (e->k->axis[axis].role == KN_UNROLL) return ce_unroll_extent(e, axis) > 1 ? ce_text(e, "k%u", axis) : "0";
    if (axis == e->last_point && e->part->tile > 1) {
        if (e->mode != CE_POINT_LANES) return ce_text(e, "n%uc[r]", axis);
        return lane_of(e, ce_text(e, "n%ul", axis));
    }
    if (e->k->axis[axis].role == KN_POINT) return ce_text(e, "n%u", axis);
    if (axis != e->inner || (e->mode != CE_LOOP_LANES && e->ilp == 1)) return ce_text(e, "j%u", axis);
    const char *index = ce_text(e, "j%ux%s", axis, e->ilp > 1 ? "[u]" : "");
    return e->mode == CE_LOOP_LANES ? lane_of(e, index) : index;
}

/* "t * 4": the first lane of a thread. */
static const char *first_lane(ce *e) { return e->per_thread > 1 ? ce_text(e, "t * %u", e->per_thread) : "t"; }

/* The raw index of the innermost loop, of a thread's first lane, as far as it goes beyond j. */
static const char *loop_offset(ce *e) {
    const char *text = "";
    if (e->ilp > 1) text = e->mode == CE_LOOP_LANES ? ce_text(e, " + u * %u", e->width) : " + u";
    return e->mode == CE_LOOP_LANES ? ce_text(e, "%s + %s", text, first_lane(e)) : text;
}

static const char *both(ce *e, const char *a, const char *b) { return a ? ce_text(e, "%s && %s", a, b) : b; }

const char *ce_present(ce *e, uint32_t axes, int one) {
    const char *text = NULL;
    int lanes = e->lane_axis != KN_NONE && axes & ce_bit(e->lane_axis);
    if (one && !lanes) text = "t == 0";
    if (axes & ce_bit(e->last_point) && e->part->tile > 1)
        text = both(e, text,
                    e->mode != CE_POINT_LANES ? "r < present"
                    : e->even                 ? ce_text(e, "in_n%u", e->last_point)
                    : e->per_thread > 1       ? ce_text(e, "v < own_n%u", e->last_point)
                                              : "t < present");
    if (e->even && axes & ce_bit(e->inner) && e->mode == CE_LOOP_LANES)
        return both(e, text, ce_text(e, "in_j%u%s", e->inner, e->ilp > 1 ? "[u]" : ""));
    if (axes & ce_bit(e->inner) && (e->mode == CE_LOOP_LANES || e->ilp > 1)) {
        kn_size n = e->k->axis[e->inner].extent;
        if (e->mode == CE_LOOP_LANES && e->width < e->team) text = both(e, text, ce_text(e, "t < %u", e->width));
        int64_t round = (int64_t)e->ilp * (e->mode == CE_LOOP_LANES ? e->width : 1);
        if (!e->full && (n.dim != KN_NONE || n.k % round))
            text = both(e, text,
                        e->mode == CE_LOOP_LANES && e->per_thread > 1
                            ? ce_text(e, "v < own_j%u%s", e->inner, e->ilp > 1 ? "[u]" : "")
                            : ce_text(e, "j%u%s < %s", e->inner, loop_offset(e), ce_size(e, n)));
    }
    return text;
}

/* ---- instructions ------------------------------------------------------------------------------------------------ */

/* The value of an instruction, in registers of its own. */
static void declare(ce *e, kn_id id, const char *value, int again) {
    const kn_inst *in = &e->k->inst[id];
    const char *dims = ce_dims(e, in->over, 1), *name = name_of(e, id), *type = ce_type((sn_dtype)in->type);
    if (again) {
        ce_line(e, "%s%s = %s;", ce_loops(e, in->over, 1), ce_value(e, id), value);
    } else if (!*dims) {
        ce_line(e, "%s%s %s = %s;", e->again[id] ? "" : "const ", type, name, value);
    } else {
        ce_line(e, "%s %s%s;", type, name, dims);
        ce_line(e, "%s%s = %s;", ce_loops(e, in->over, 1), ce_value(e, id), value);
    }
}

/* Functions that are long: mathematical ones, quotients and roots. */
static int is_function(const kn_inst *in) {
    if (in->kind != KI_PRIM) return 0;
    return kn_prims[in->prim].is_maths || in->prim == KP_DIV || in->prim == KP_SQRT;
}

/* "sn_sin_f32(v4[v], &rare9)": a function that may have another text for what is rare, which may be the compiler's. */
static const char *call(ce *e, kn_id id, const char *a, const char *b) {
    const kn_inst *in = &e->k->inst[id];
    sn_dtype type = (sn_dtype)in->type;
    int rare = ce_has_rare(e, (kn_prim)in->prim, type);
    if (!kn_prims[in->prim].is_maths && !(rare && e->rare))
        return ce_prim(e, (kn_prim)in->prim, type, type, a, b, NULL);
    return ce_text(e, "sn_%s_%s%s(%s%s%s%s%s)", kn_prims[in->prim].name, sn_dtype_name(type),
                   rare && !e->rare ? "_rare" : "", a, b ? ", " : "", b ? b : "", rare && e->rare ? ", &" : "",
                   rare && e->rare ? e->rare : "");
}

static void emit_plain(ce *e, kn_id id, int again) {
    const kn_inst *in = &e->k->inst[id];
    sn_dtype type = (sn_dtype)in->type;
    const char *value = NULL, *a[3] = {NULL, NULL, NULL};
    for (int n = 0; n < 3; n++)
        if (in->a[n] != KN_NONE) a[n] = ce_value(e, in->a[n]);
    switch ((kn_kind)in->kind) {
        case KI_CONST: value = ce_const(e, type, in->bits); break;
        case KI_SCALAR:
            value = type == SN_F32    ? ce_text(e, "__int_as_float((int)S%u)", (unsigned)in->bits)
                    : type == SN_F64  ? ce_text(e, "__longlong_as_double((i64)S%u)", (unsigned)in->bits)
                    : type == SN_BOOL ? ce_text(e, "((u8)S%u != 0)", (unsigned)in->bits)
                                      : ce_text(e, "(%s)S%u", ce_type(type), (unsigned)in->bits);
            break;
        case KI_DIM: value = ce_text(e, "D%u", (unsigned)in->bits); break;
        case KI_INDEX: value = ce_text(e, "(i64)(%s)", ce_index(e, (kn_id)in->bits)); break;
        default: {
            kn_id of = in->prim == KP_SELECT || in->prim == KP_RARE ? in->a[1] : in->a[0];
            value = is_function(in)
                        ? call(e, id, a[0], a[1])
                        : ce_prim(e, (kn_prim)in->prim, (sn_dtype)e->k->inst[of].type, type, a[0], a[1], a[2]);
        }
    }
    declare(e, id, value, again);
}

/* How often a value that is the same in all threads is made: at most a warp's threads, so that each may make one. 0: it
 * is not worth passing it on, or it varies between threads. */
static uint32_t to_share(const ce *e, uint32_t over) {
    if ((over & ce_bit(e->lane_axis) && e->lane_axis != KN_NONE) || (over & ce_bit(e->inner) && e->ilp > 1)) return 0;
    uint32_t n = ce_unrolled(e, over) * (over & ce_bit(e->last_point) ? e->copies : 1);
    return n >= LEAST_SHARED && n <= CE_WARP ? n : 0;
}

int ce_is_shared(const ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    return is_function(in) && to_share(e, in->over);
}

/* What all threads would do alike, several times, each does once, and they tell each other. A quotient of its own each
 * leaves to the compiler. */
static void emit_shared(ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    const char *a = ce_value(e, in->a[0]), *b = in->a[1] != KN_NONE ? ce_value(e, in->a[1]) : NULL;
    const char *loops = ce_loops(e, in->over, 1), *dims = ce_dims(e, in->over, 1), *name = name_of(e, id);
    const char *type = ce_type((sn_dtype)in->type), *each = ce_unroll_index(e, in->over);
    uint32_t n = ce_unrolled(e, in->over);
    int maths = kn_prims[in->prim].is_maths, rare = maths && ce_has_rare(e, (kn_prim)in->prim, (sn_dtype)in->type);
    ce_line(e, "%s %s%s;", type, name, dims);
    ce_open(e);
    if (n < to_share(e, in->over)) each = n == 1 ? "r" : ce_text(e, "r * %u + %s", n, each);
    ce_line(e, "%s x = 0%s;", type, b ? ", y = 0" : "");
    /* Not `==`: the compiler would take the thread for the index, and an indexed array is not registers. Those that
     * have none to do do the last one, which is no special case. */
    ce_line(e, "%sif (t %% %d >= %s) x = %s%s%s;", loops, CE_WARP, each, a, b ? ", y = " : "", b ? b : "");
    b = b ? "y" : NULL;
    if (rare) ce_line(e, "bool rare = false;");
    e->rare = rare ? "rare" : NULL;
    ce_line(e, "%s z = %s;", type, call(e, id, "x", b));
    e->rare = NULL;
    if (rare) ce_line(e, "if (rare) z = %s;", call(e, id, "x", b));
    ce_line(e, "%s%s = sn_from(z, %s);", loops, ce_value(e, id), each);
    ce_close(e);
}

static void emit_instruction(ce *e, kn_id id, int again) {
    const kn_inst *in = &e->k->inst[id];
    if (in->kind == KI_STORE)
        ce_store(e, id);
    else if (in->kind == KI_LOAD) {
        const char *dims = ce_dims(e, in->over, 1), *name = name_of(e, id);
        int may_be_absent = ce_skips_absent(e, in);
        if (*dims) ce_line(e, "%s %s%s%s;", ce_type((sn_dtype)in->type), name, dims, may_be_absent ? " = {}" : "");
        ce_load(e, id);
    } else if (ce_is_shared(e, id))
        emit_shared(e, id);
    else if (in->kind != KI_FOLD)
        emit_plain(e, id, again);
    else if (kn_is_point_fold(in))
        ce_point_fold_step(e, id);
    else if (kn_is_loop_fold(e->k, in))
        ce_loop_fold_step(e, id);
    else {
        const char *name = name_of(e, id);
        if (!again) ce_line(e, "%s %s%s;", ce_type((sn_dtype)in->type), name, ce_dims(e, in->over, 1));
        ce_unroll_fold(e, id);
    }
}

void ce_instruction(ce *e, kn_id i, int again) {
    uint32_t line = e->line.n;
    emit_instruction(e, i, again);
    if (!again) ce_name_line(e, line, i);
}

/* The instructions of a place: those that a warp does alone, or the others. */
static uint32_t instructions_at(const ce *e, int level, int after, int sole, kn_id *ids) {
    uint32_t n = 0;
    for (kn_id i = e->phase->first; i < e->phase->end; i++)
        if (e->place[i].level == level && e->place[i].after == after && (level == KN_AT_POINT && e->sole[i]) == sole)
            ids[n++] = i;
    return n;
}

static void emit_level(ce *e, int level, int after) {
    kn_id *ids = ARENA_ARRAY(e->arena, kn_id, e->phase->end - e->phase->first);
    ce_run(e, ids, instructions_at(e, level, after, 0, ids));
    uint32_t n = instructions_at(e, level, after, 1, ids);
    if (!n) return;
    int meets = 0;
    for (uint32_t i = 0; i < n; i++) meets |= e->k->inst[ids[i]].kind == KI_STORE && ce_store_meets(e, ids[i]);
    if (meets) ce_line(e, "SYNC%u;", e->part_id);
    ce_line(e, "if (t < %d) {", CE_WARP);
    e->depth++;
    e->in_sole = 1;
    ce_run(e, ids, n);
    e->in_sole = 0;
    ce_close(e);
}

/* ---- for the first warp alone ------------------------------------------------------------------------------------ */

/* Does one thread alone use what becomes of this instruction: is it a store, or a sum in registers, of what is the same
 * in all threads? */
static int is_for_one(const ce *e, kn_id i) {
    const kn_inst *in = &e->k->inst[i];
    if (in->kind == KI_STORE) {
        const kn_access *access = &e->k->access[in->acc];
        return e->k->mem[access->mem].space != KN_ROW && access->ix == KN_NONE;
    }
    return kn_is_point_fold(in) && e->mode != CE_POINT_LANES && ce_in_registers(e, in);
}

/* Instructions of tiles whose results one thread of a block uses in the end: other warps leave them out. Users are in
 * the same place, so that what the first warp does is one block of text. */
void ce_find_sole(ce *e) {
    const kn_kernel *k = e->k;
    kn_id end = k->phase[e->part->end_phase - 1].end;
    memset(e->sole, 0, k->n_inst);
    for (uint32_t p = e->part->end_phase; p-- > e->part->first_phase && e->team > CE_WARP;) {
        ce_begin_phase(e, &k->phase[p]);
        if (e->phase->at_entry) break;
        for (kn_id i = e->phase->end; i-- > e->phase->first;) {
            const kn_inst *in = &k->inst[i];
            uint32_t lanes = e->lane_axis == KN_NONE ? 0 : ce_bit(e->lane_axis);
            int sole = e->place[i].level == KN_AT_POINT && !(in->over & lanes) &&
                       (is_for_one(e, i) || (in->kind != KI_STORE && !kn_is_loop_fold(k, in) && !kn_is_point_fold(in)));
            int used = in->kind == KI_STORE || kn_is_point_fold(in);
            for (kn_id j = i + 1; j < end && sole; j++) {
                kn_id operand[5];
                for (int n = kn_operands(k, &k->inst[j], operand); n-- > 0;)
                    if (operand[n] == i) {
                        used = 1;
                        sole &= e->sole[j] && e->place[j].after == e->place[i].after && j < e->phase->end;
                    }
            }
            e->sole[i] = (uint8_t)(sole && used);
        }
    }
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */

/* Condition of the index j. */
static const char *is_inside(ce *e, const char *index) {
    const char *inside = ce_text(e, "%s < %s", index, ce_size(e, e->k->axis[e->inner].extent));
    return e->width < e->team ? ce_text(e, "t < %u && %s", e->width, inside) : inside;
}

void ce_open_round(ce *e) {
    kn_id j = e->inner;
    if (e->even->rounds > 1)
        ce_line(e, "FOR(q, %u) {", e->even->rounds);
    else
        ce_line(e, "{");
    e->depth++;
    ce_line(e, "const i64 j%ux = %s%s;", j, e->even->rounds > 1 ? ce_text(e, "q * %u + ", e->width) : "",
            first_lane(e));
    ce_line(e, "const bool in_j%u = %s;", j, is_inside(e, ce_text(e, "j%ux", j)));
}

/* The loop of an even launch: rounds of lanes. */
static void emit_even_loop(ce *e) {
    kn_id j = e->inner;
    if (ce_in_rounds(e)) {
        ce_open_round(e);
    } else {
        ce_line(e, "for (i64 j%u = 0; j%u < %s; j%u += %u) {", j, j, ce_size(e, e->k->axis[j].extent), j,
                e->ilp * e->width);
        e->depth++;
        if (e->ilp > 1) {
            ce_line(e, "i64 j%ux[%u];", j, e->ilp);
            ce_line(e, "bool in_j%u[%u];", j, e->ilp);
            ce_line(e, "FOR(u, %u) j%ux[u] = j%u + u * %u + %s, in_j%u[u] = %s;", e->ilp, j, j, e->width, first_lane(e),
                    j, is_inside(e, ce_text(e, "j%ux[u]", j)));
        } else {
            ce_line(e, "const i64 j%ux = j%u + %s;", j, j, first_lane(e));
            ce_line(e, "const bool in_j%u = %s;", j, is_inside(e, ce_text(e, "j%ux", j)));
        }
    }
    emit_level(e, e->phase->n_loop, 0);
    ce_close(e);
}

/* Rounds of the innermost loop whose loads go ahead of what is done with them. What is stored in each of them takes
 * registers besides, with its address. One round where threads meet in each, since no load goes ahead of that. */
static uint32_t rounds_ahead(const ce *e) {
    uint32_t words = 0;
    for (kn_id i = e->phase->first; i < e->phase->end; i++) {
        const kn_inst *in = &e->k->inst[i];
        if (kn_is_point_fold(in) && e->mode == CE_POINT_LANES && !ce_in_registers(e, in)) return 1;
        int stores = in->kind == KI_STORE;
        uint32_t over = stores ? ce_access_axes(&e->k->access[in->acc]) : in->over;
        if ((in->kind != KI_LOAD && !stores) || !(over & ce_bit(e->inner))) continue;
        uint32_t own = over & ce_bit(e->lane_axis) ? e->per_thread : 1, each = ce_unrolled(e, over) * e->ilp;
        words += each * own * kn_words((sn_dtype)in->type) + (stores ? 2 * each : 0);
    }
    return words && words < TOGETHER ? TOGETHER / words : 1;
}

/* Iterations that are done together, as long as there are all of them: without conditions several rounds of loads go
 * ahead of what is done with them. The loop's index stays for the rest, in a scope that the caller closes. */
static void emit_full_rounds(ce *e, const char *n) {
    kn_id j = e->inner;
    ce_open(e);
    ce_line(e, "i64 j%u = 0;", j);
    ce_line(e, "_Pragma(\"unroll %u\") for (; j%u + %u <= %s; j%u += %u) {", rounds_ahead(e), j, e->ilp, n, j, e->ilp);
    e->depth++;
    ce_line(e, "i64 j%ux[%u];", j, e->ilp);
    ce_line(e, "FOR(u, %u) j%ux[u] = j%u + u;", e->ilp, j, j);
    e->full = 1;
    emit_level(e, e->phase->n_loop, 0);
    e->full = 0;
    ce_close(e);
}

/* Does the phase write vectors? Then its indices are opaque, as those of points are: it takes fewer registers, too. */
static int writes_vectors(const ce *e) {
    for (kn_id i = e->phase->first; i < e->phase->end; i++)
        if (e->k->inst[i].kind == KI_STORE && ce_is_wide(e, &e->k->access[e->k->inst[i].acc])) return 1;
    return 0;
}

static void emit_inner_loop(ce *e) {
    kn_id j = e->inner;
    const char *n = ce_size(e, e->k->axis[j].extent);
    int lanes = e->mode == CE_LOOP_LANES;
    if (lanes && e->even) {
        emit_even_loop(e);
        return;
    }
    uint32_t step = e->ilp * (lanes ? e->width : 1);
    if (!lanes && e->ilp > 1) {
        emit_full_rounds(e, n);
        ce_line(e, "if (j%u < %s) {", j, n);
    } else {
        ce_line(e, "for (i64 j%u = 0; j%u < %s; j%u += %u) {", j, j, n, j, step);
    }
    e->depth++;
    if (lanes || e->ilp > 1) {
        const char *x = ce_text(e, "j%u%s", j, loop_offset(e)), *u = e->ilp > 1 ? "[u]" : "";
        const char *each = e->ilp > 1 ? ce_text(e, "FOR(u, %u) ", e->ilp) : "";
        int several = lanes && e->per_thread > 1;
        if (!several)
            x = ce_text(e, "sn_least(%s, %s - 1)", x, n);
        else if (writes_vectors(e))
            x = ce_text(e, "sn_opaque(%s)", x);
        if (e->ilp > 1)
            ce_line(e, "i64 j%ux[%u];%s", j, e->ilp, several ? ce_text(e, " int own_j%u[%u];", j, e->ilp) : "");
        ce_line(e, "%s%sj%ux%s = %s;", each, e->ilp > 1 ? "" : "const i64 ", j, u, x);
        if (several)
            ce_line(e, "%s%sown_j%u%s = (int)sn_least(%u, %s - j%ux%s);", each, e->ilp > 1 ? "" : "const int ", j, u,
                    e->per_thread, n, j, u);
    }
    emit_level(e, e->phase->n_loop, 0);
    ce_close(e);
    if (!lanes && e->ilp > 1) ce_close(e);
}

static void emit_nest(ce *e, int level) {
    if (level + 1 == e->phase->n_loop) {
        emit_inner_loop(e);
        return;
    }
    kn_id j = e->phase->loop[level];
    ce_line(e, "for (i64 j%u = 0; j%u < %s; j%u++) {", j, j, ce_size(e, e->k->axis[j].extent), j);
    e->depth++;
    emit_level(e, level + 1, 0);
    emit_nest(e, level + 1);
    ce_close(e);
}

void ce_phase(ce *e, const kn_phase *phase) {
    ce_begin_phase(e, phase);
    if (e->people) ce_line(e, "/* phase %u */", (unsigned)(phase - e->k->phase));
    if (!phase->at_entry)
        for (kn_id i = phase->first; i < phase->end; i++) {
            kn_id operand[5];
            for (int n = kn_operands(e->k, &e->k->inst[i], operand); n-- > 0;)
                if (operand[n] < phase->first) ce_convert(e, operand[n]);
        }
    emit_level(e, KN_AT_POINT, 0);
    if (phase->n_loop) {
        if (ce_in_rounds(e) && !ce_loads_at_tile(e, (uint32_t)(phase - e->k->phase))) ce_load_ahead(e);
        for (kn_id i = phase->first; i < phase->end; i++)
            if (kn_is_loop_fold(e->k, &e->k->inst[i])) ce_loop_fold_begin(e, i);
        emit_nest(e, 0);
        for (kn_id i = phase->first; i < phase->end; i++)
            if (kn_is_loop_fold(e->k, &e->k->inst[i])) {
                ce_line(e, "%s %s%s;", ce_type((sn_dtype)e->k->inst[i].type), name_of(e, i),
                        ce_dims(e, e->k->inst[i].over, 1));
                ce_loop_fold_end(e, i);
            }
    }
    emit_level(e, KN_AT_POINT, 1);
}

void ce_chunk_level(ce *e) {
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++) {
        if (e->k->phase[p].at_entry) continue;
        ce_begin_phase(e, &e->k->phase[p]);
        emit_level(e, KN_AT_CHUNK, 0);
    }
}
