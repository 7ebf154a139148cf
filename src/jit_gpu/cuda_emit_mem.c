/* Accesses. Lanes that are neighbours in memory are read and written as vectors of up to 16 bytes where all of them are
 * present and the address allows it; else one by one. */
#include "jit_gpu/cuda_emit.h"

static const char *memory(ce *e, kn_id mem) { return ce_text(e, "m%u", mem); }

/* ---- what stays in registers ------------------------------------------------------------------------------------- */

int ce_is_held(const ce *e, kn_id mem) { return e->even && e->held[mem] == e->part_id + 1; }

uint32_t ce_access_axes(const kn_access *access) {
    uint32_t axes = 0;
    for (uint32_t i = 0; i < access->n; i++) axes |= ce_bit(access->axis[i]);
    return axes;
}

/* "w3[q]", "w3". */
static const char *registers(ce *e, char letter, uint32_t number) {
    return ce_text(e, "%c%u%s", letter, number, e->even->rounds > 1 ? "[q]" : "");
}

void ce_declare_held(ce *e, const kn_access *access, const char *start) {
    const char *type = ce_memory_type((sn_dtype)e->k->mem[access->mem].store);
    const char *rounds = e->even->rounds > 1 ? ce_text(e, "[%u]", e->even->rounds) : "";
    ce_line(e, "%s w%u%s%s;", type, access->mem, rounds, ce_dims(e, ce_access_axes(access), 1));
    if (!start) return;
    ce_line(e, "%s%s%s = %s;", *rounds ? ce_text(e, "FOR(q, %u) ", e->even->rounds) : "",
            ce_loops(e, ce_access_axes(access), 1), ce_element(e, access), start);
}

/* ---- elements ---------------------------------------------------------------------------------------------------- */

/* "n0 * D1 + j1": which element of its memory. */
static const char *number_of(ce *e, const kn_access *access) {
    int in_row = e->k->mem[access->mem].space == KN_ROW;
    const char *text = NULL;
    for (uint32_t i = 0; i < access->n; i++) {
        const char *index = ce_index(e, access->axis[i]), *size = ce_size(e, access->step[i]);
        if (index[0] == '0' && !index[1]) continue;
        if (in_row && access->axis[i] == e->last_point) {
            if (e->part->tile == 1) continue;
            index = ce_text(e, "(%s - n%u)", index, e->last_point);
        }
        const char *term = size[0] == '1' && !size[1] ? index : ce_text(e, "%s * %s", index, size);
        text = text ? ce_text(e, "%s + %s", text, term) : term;
    }
    if (access->ix != KN_NONE) {
        const char *step = ce_size(e, access->ix_step), *ix = ce_value(e, access->ix);
        const char *term = step[0] == '1' && !step[1] ? ix : ce_text(e, "%s * %s", ix, step);
        text = text ? ce_text(e, "%s + %s", text, term) : term;
    }
    if (access->base.k || !text)
        text = text ? ce_text(e, "%s + %s", text, ce_size(e, access->base)) : ce_size(e, access->base);
    return text;
}

const char *ce_element(ce *e, const kn_access *access) {
    if (ce_is_held(e, access->mem) && !e->to_memory)
        return ce_text(e, "%s%s", registers(e, 'w', access->mem), ce_indices(e, ce_access_axes(access)));
    return ce_text(e, "%s[%s]", memory(e, access->mem), number_of(e, access));
}

int ce_is_wide(const ce *e, const kn_access *access) {
    if (e->mode == CE_COPIES || e->per_thread == 1) return 0;
    if (access->guard != KN_NONE) return 0;
    if (access->ix != KN_NONE && e->k->inst[access->ix].over & ce_bit(e->lane_axis))
        return 0; /* else a row is picked */
    if (ce_is_held(e, access->mem) && !e->to_memory) return 0;
    for (uint32_t i = 0; i < access->n; i++)
        if (access->axis[i] == e->lane_axis) return access->step[i].k == 1 && access->step[i].dim == KN_NONE;
    return 0;
}

/* Condition that all lanes of this thread are present. */
static const char *all_lanes(ce *e) {
    if (e->mode == CE_POINT_LANES) return ce_text(e, "own_n%u >= %u", e->last_point, e->per_thread);
    return ce_text(e, "own_j%u%s == %u", e->inner, e->ilp > 1 ? "[u]" : "", e->per_thread);
}

static const char *from_memory(ce *e, sn_dtype type, const char *element) {
    return type == SN_BOOL ? ce_text(e, "(%s != 0)", element) : element;
}

/* The element that the first lane of a thread touches, and its value. */
static const char *first_element(ce *e, const kn_access *access) {
    e->lane0 = 1;
    const char *text = ce_element(e, access);
    e->lane0 = 0;
    return text;
}
/* .. to be written as a vector: see sn_opaque. Points are opaque anyway, and rounds have constant distances to keep. */
static const char *first_written(ce *e, const kn_access *access) {
    if (e->mode != CE_LOOP_LANES || ce_in_rounds(e)) return first_element(e, access);
    e->lane0 = 1;
    const char *text = ce_text(e, "%s[sn_opaque(%s)]", memory(e, access->mem), number_of(e, access));
    e->lane0 = 0;
    return text;
}
static const char *first_value(ce *e, kn_id inst) {
    e->lane0 = 1;
    const char *text = ce_value(e, inst);
    e->lane0 = 0;
    return text;
}

int ce_skips_absent(const ce *e, const kn_inst *in) {
    return in->over & ce_bit(e->lane_axis) && (e->even || e->per_thread > 1);
}

/* Where absent lanes load nothing. to: of lane v and of the first lane. */
static void load_present(ce *e, const kn_inst *in, const char *to, const char *to_first) {
    const kn_access *access = &e->k->access[in->acc];
    const char *when = ce_present(e, ce_bit(e->lane_axis), 0), *loops = ce_loops(e, in->over, 1);
    if (ce_is_wide(e, access)) {
        const char *first = first_element(e, access), *each = ce_loops(e, in->over, 0);
        if (e->even) {
            ce_line(e, "%sif (%s) sn_read<%u>(&%s, &%s);", each, when, e->per_thread, to_first, first);
            return;
        }
        ce_line(e, "%sif (%s && sn_fits<%u>(&%s)) sn_read<%u>(&%s, &%s);", each, all_lanes(e), e->per_thread, first,
                e->per_thread, to_first, first);
        loops = ce_text(e, "else FOR(v, %u) ", e->per_thread);
    }
    const char *value = from_memory(e, (sn_dtype)in->type, ce_element(e, access));
    if (access->guard != KN_NONE) when = ce_text(e, "%s && %s", when, ce_value(e, access->guard));
    ce_line(e, "%sif (%s) %s = %s;", loops, when, to, value);
}

void ce_load_ahead(ce *e) {
    int any = 0;
    for (kn_id i = e->phase->first; i < e->phase->end; i++) {
        if (e->kept[i] != i) continue;
        const kn_inst *in = &e->k->inst[i];
        ce_line(e, "%s x%u%s%s = {};", ce_type((sn_dtype)in->type), i,
                e->even->rounds > 1 ? ce_text(e, "[%u]", e->even->rounds) : "", ce_dims(e, in->over, 1));
        any = 1;
    }
    if (!any) return;
    ce_open_round(e);
    for (kn_id i = e->phase->first; i < e->phase->end; i++) {
        if (e->kept[i] != i) continue;
        const kn_inst *in = &e->k->inst[i];
        const char *to = ce_text(e, "%s%s", registers(e, 'x', i), ce_indices(e, in->over));
        e->lane0 = 1;
        const char *first = ce_text(e, "%s%s", registers(e, 'x', i), ce_indices(e, in->over));
        e->lane0 = 0;
        load_present(e, in, to, first);
    }
    ce_close(e);
}

void ce_load(ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    const kn_access *access = &e->k->access[in->acc];
    sn_dtype type = (sn_dtype)in->type;
    const char *to = ce_value(e, id), *declare = *ce_dims(e, in->over, 1) ? "" : ce_text(e, "%s ", ce_type(type));
    if (e->even && e->kept[id] != KN_NONE) {
        ce_line(e, "%s%s%s = %s%s;", ce_loops(e, in->over, 1), declare, to, registers(e, 'x', e->kept[id]),
                ce_indices(e, in->over));
        return;
    }
    if (ce_skips_absent(e, in) && !ce_is_held(e, access->mem)) {
        if (*declare) ce_line(e, "%s%s = 0;", declare, to);
        load_present(e, in, to, first_value(e, id));
        return;
    }
    const char *element = ce_element(e, access), *value = from_memory(e, type, element);
    if (access->guard != KN_NONE)
        value = ce_text(e, "%s ? %s : (%s)0", ce_value(e, access->guard), value, ce_type(type));
    ce_line(e, "%s%s%s%s = %s;", ce_loops(e, in->over, 1), *declare ? "const " : "", declare, to, value);
}

/* Is the memory loaded in the phase that runs? */
static int is_loaded_here(const ce *e, kn_id mem) {
    for (kn_id i = e->phase->first; i < e->phase->end; i++)
        if (e->k->inst[i].kind == KI_LOAD && e->k->access[e->k->inst[i].acc].mem == mem) return 1;
    return 0;
}

/* One thread stores what all of them have loaded. */
int ce_store_meets(const ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    int one = !(in->over & ce_bit(e->lane_axis)) || e->lane_axis == KN_NONE;
    return one && is_loaded_here(e, e->k->access[in->acc].mem);
}

void ce_store(ce *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    const kn_access *access = &e->k->access[in->acc];
    const kn_mem *mem = &e->k->mem[access->mem];
    sn_dtype type = (sn_dtype)in->type;
    const char *element = ce_element(e, access), *from = ce_value(e, in->a[0]);
    const char *when = ce_present(e, in->over, 1);
    if (e->phase->at_entry && mem->space != KN_ROW) when = when ? ce_text(e, "%s && chunk == 0", when) : "chunk == 0";
    if (access->guard != KN_NONE)
        when = when ? ce_text(e, "%s && %s", when, ce_value(e, access->guard)) : ce_value(e, access->guard);
    int meets = !e->in_sole && ce_store_meets(e, id);
    if (meets) ce_line(e, "SYNC%u;", e->part_id);
    const char *store = ce_text(e, "%s%s = %s;", when ? ce_text(e, "if (%s) ", when) : "", element,
                                type == SN_BOOL ? ce_text(e, "(u8)%s", from) : from);
    int has_lanes = e->k->inst[in->a[0]].over & ce_bit(e->lane_axis) && e->lane_axis != KN_NONE;
    if (ce_is_held(e, access->mem)) {
        ce_line(e, "%s%s = %s%s;", ce_loops(e, in->over, 1), element, type == SN_BOOL ? "(u8)" : "", from);
    } else if (!ce_is_wide(e, access) || !has_lanes) {
        ce_line(e, "%s%s", ce_loops(e, in->over, 1), store);
    } else if (e->even) {
        ce_line(e, "%sif (%s) sn_write<%u>(&%s, &%s);", ce_loops(e, in->over, 0), when, e->per_thread,
                first_written(e, access), first_value(e, in->a[0]));
    } else {
        const char *copies =
            in->over & ce_bit(e->last_point) && e->mode != CE_POINT_LANES && e->part->tile > 1 ? "r < present && " : "";
        const char *entry = e->phase->at_entry && mem->space != KN_ROW ? "chunk == 0 && " : "";
        ce_line(e, "%sif (%s%s%s && sn_fits<%u>(&%s)) sn_write<%u>(&%s, &%s);", ce_loops(e, in->over, 0), copies, entry,
                all_lanes(e), e->per_thread, first_element(e, access), e->per_thread, first_written(e, access),
                first_value(e, in->a[0]));
        ce_line(e, "else FOR(v, %u) %s", e->per_thread, store);
    }
    /* Other rounds and tiles touch other elements, but for places that are values, and for scratch. */
    if (meets && (access->ix != KN_NONE || mem->space == KN_ROW)) ce_line(e, "SYNC%u;", e->part_id);
}

/* ---- where threads must meet ------------------------------------------------------------------------------------- */

int ce_same_access(const kn_access *a, const kn_access *b) {
    if (a->ix != KN_NONE || b->ix != KN_NONE || a->n != b->n) return 0;
    if (a->base.k != b->base.k || a->base.dim != b->base.dim) return 0;
    for (uint32_t i = 0; i < a->n; i++)
        if (a->axis[i] != b->axis[i] || a->step[i].k != b->step[i].k || a->step[i].dim != b->step[i].dim) return 0;
    return 1;
}

/* Does the same thread touch the same element in both phases? */
static int same_threads(const ce *e, const kn_phase *p, const kn_inst *a, const kn_phase *q, const kn_inst *b) {
    const kn_access *x = &e->k->access[a->acc], *y = &e->k->access[b->acc];
    if (p->lanes == KN_NONE || p->lanes != q->lanes || p->width != q->width || !ce_same_access(x, y)) return 0;
    return a->over & ce_bit(p->lanes) && b->over & ce_bit(p->lanes);
}

/* One of the two stores what the other loads or stores, and another thread may do it. again: in another tile, which has
 * elements of its own in memory, but for places that are values. */
static int conflict(const ce *e, uint32_t p, uint32_t q, int again) {
    const kn_kernel *k = e->k;
    const kn_phase *first = &k->phase[p], *then = &k->phase[q];
    for (kn_id i = first->first; i < first->end; i++) {
        const kn_inst *a = &k->inst[i];
        if (a->kind != KI_LOAD && a->kind != KI_STORE) continue;
        kn_id mem = k->access[a->acc].mem;
        if (k->mem[mem].space != KN_ROW && k->mem[mem].space != KN_INOUT) continue;
        for (kn_id n = then->first; n < then->end; n++) {
            const kn_inst *b = &k->inst[n];
            if (b->kind != KI_LOAD && b->kind != KI_STORE) continue;
            if (k->access[b->acc].mem != mem || (a->kind == KI_LOAD && b->kind == KI_LOAD)) continue;
            if (again && k->mem[mem].space != KN_ROW && k->access[a->acc].ix == KN_NONE &&
                k->access[b->acc].ix == KN_NONE)
                continue;
            if (!same_threads(e, first, a, then, b)) return 1;
        }
    }
    return 0;
}

int ce_must_meet(const ce *e, uint32_t first, uint32_t end, uint32_t phase, int again) {
    for (uint32_t p = first; p < end; p++)
        if (conflict(e, p, phase, again)) return 1;
    return 0;
}
