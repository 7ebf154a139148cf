/* Even launches, for which each part has a second text: what a thread's lanes touch is aligned, and they are all
 * present or all absent. In: a kernel, later the dims and addresses of a launch. Out: whether a part is worth a second
 * text, what it keeps in registers for each element of a row, and whether a launch is even. A function of the kernel
 * alone but for the last. */
#include "jit_gpu/cuda_emit.h"

/* Words of 32 bits of each thread, for memories and as many for loads: with what the arithmetic needs, blocks of 256
 * threads still come in twos. */
enum { WORDS = 64, LOADED_WORDS = 32 };

static ce look_at(const kn_kernel *k, uint32_t part) {
    ce e = {.k = k, .part = &k->part[part], .part_id = part, .team = ce_team(k, part)};
    e.last_point = e.part->n_point ? e.part->point[e.part->n_point - 1] : (kn_id)KN_NONE;
    return e;
}

/* ---- phases whose rounds are written out ------------------------------------------------------------------------- */

static int in_rounds(const ce_even *even, const kn_phase *phase) {
    return even->rounds && !phase->at_entry && phase->n_loop == 1 && phase->lanes == even->axis &&
           phase->width == even->width && phase->ilp == 1;
}

int ce_in_rounds(const ce *e) { return e->even && in_rounds(e->even, e->phase); }

static void find_rounds(const ce *e, ce_even *even) {
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase && e->part->rounds; p++) {
        const kn_phase *phase = &e->k->phase[p];
        if (phase->at_entry || phase->n_loop != 1 || phase->lanes != phase->loop[0] || phase->ilp > 1 ||
            phase->width == 1)
            continue;
        *even = (ce_even){.rounds = e->part->rounds, .axis = phase->lanes, .width = phase->width};
        return;
    }
}

/* Registers of one thread for what varies over these axes, in a phase that is written out. */
static uint32_t words(const ce *e, const ce_even *even, uint32_t axes, sn_dtype type) {
    uint32_t n = even->rounds * ce_unrolled(e, axes);
    if (axes & ce_bit(e->last_point)) n *= e->part->tile;
    if (even->width > e->team) n *= even->width / e->team;
    return n * kn_words(type);
}

/* ---- memories ---------------------------------------------------------------------------------------------------- */

/* May the memory be registers: do only phases that are written out touch it, all at one access, each thread its own
 * elements? Sets that access. */
static int may_hold(const ce *e, const ce_even *even, kn_id mem, kn_id *access) {
    *access = KN_NONE;
    for (uint32_t p = 0; p < e->k->n_phase; p++)
        for (kn_id i = e->k->phase[p].first; i < e->k->phase[p].end; i++) {
            const kn_inst *in = &e->k->inst[i];
            for (uint32_t which = 0; which < KN_ACCESSES; which++) {
                kn_id at = kn_access_at(in, which);
                if (at == KN_NONE || e->k->access[at].mem != mem) continue;
                const kn_access *a = &e->k->access[at];
                if (p < e->part->first_phase || p >= e->part->end_phase || !in_rounds(even, &e->k->phase[p])) return 0;
                if (in->kind == KI_FOLD && kn_is_pair((kn_prim)in->prim)) return 0;
                if (a->ix != KN_NONE || a->guard != KN_NONE || !(ce_access_axes(a) & ce_bit(even->axis))) return 0;
                if (*access != KN_NONE && !ce_same_access(a, &e->k->access[*access])) return 0;
                *access = at;
            }
        }
    return *access != KN_NONE;
}

static uint32_t hold(const ce *e, const ce_even *even, kn_space space, uint32_t *left, uint16_t *held) {
    uint32_t all = 0;
    for (kn_id m = 0; m < e->k->n_mem; m++) {
        kn_id access;
        if (e->k->mem[m].space != space || !may_hold(e, even, m, &access)) continue;
        uint32_t n = words(e, even, ce_access_axes(&e->k->access[access]), (sn_dtype)e->k->mem[m].store);
        if (n > *left) continue;
        *left -= n;
        all += n;
        held[m] = (uint16_t)(e->part_id + 1);
    }
    return all;
}

/* ---- loads ------------------------------------------------------------------------------------------------------- */

/* Do all accesses of a memory agree? */
static int one_access(const ce *e, const kn_access *a) {
    for (kn_id i = 0; i < e->k->n_access; i++)
        if (e->k->access[i].mem == a->mem && !ce_same_access(a, &e->k->access[i])) return 0;
    return 1;
}

/* A load that needs nothing but the indices, of what the part does not store but at the same element, later. */
static int is_plain(const ce *e, const ce_even *even, uint32_t phase, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    if (in->kind != KI_LOAD || !in_rounds(even, &e->k->phase[phase])) return 0;
    const kn_access *a = &e->k->access[in->acc];
    uint8_t space = e->k->mem[a->mem].space;
    return a->ix == KN_NONE && a->guard == KN_NONE && in->over & ce_bit(even->axis) &&
           (space == KN_IN || (space == KN_INOUT && one_access(e, a)));
}

static int same_load(const ce *e, kn_id a, kn_id b) {
    const kn_access *x = &e->k->access[e->k->inst[a].acc], *y = &e->k->access[e->k->inst[b].acc];
    return x->mem == y->mem && e->k->mem[x->mem].space == KN_IN && ce_same_access(x, y);
}

int ce_loads_at_tile(const ce *e, uint32_t phase) {
    uint32_t first = e->part->first_phase;
    while (first < phase && e->k->phase[first].at_entry) first++;
    return phase > first && e->even->rounds == 1 && in_rounds(e->even, &e->k->phase[phase]);
}

void ce_keep_loads(const ce *e, uint32_t room, kn_id *kept) {
    uint32_t left = room < LOADED_WORDS ? room : LOADED_WORDS;
    for (kn_id i = 0; i < e->k->n_inst; i++) kept[i] = KN_NONE;
    if (!e->even->rounds) return;
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++)
        for (kn_id i = e->k->phase[p].first; i < e->k->phase[p].end; i++) {
            if (kept[i] != KN_NONE || !is_plain(e, e->even, p, i)) continue;
            uint32_t n = words(e, e->even, e->k->inst[i].over, (sn_dtype)e->k->inst[i].type);
            if (n > left) continue;
            int again = 0;
            for (uint32_t q = p; q < e->part->end_phase; q++)
                for (kn_id j = e->k->phase[q].first; j < e->k->phase[q].end; j++)
                    if (j > i && is_plain(e, e->even, q, j) && same_load(e, i, j)) kept[j] = i, again = 1;
            if (!again && e->even->rounds == 1 && !ce_loads_at_tile(e, p)) continue;
            kept[i] = i;
            left -= n;
        }
}

/* ---- parts and launches ------------------------------------------------------------------------------------------ */

/* Calls f for each access of the part whose lanes are neighbours in memory, until it returns 0; returns how many. */
static uint32_t for_wide(const kn_kernel *k, uint32_t part, int (*f)(const ce *, const kn_access *, void *),
                         void *arg) {
    ce e = look_at(k, part);
    uint32_t n = 0;
    for (uint32_t p = e.part->first_phase; p < e.part->end_phase; p++) {
        ce_begin_phase(&e, &k->phase[p]);
        for (kn_id i = k->phase[p].first; i < k->phase[p].end; i++)
            for (uint32_t which = 0; which < KN_ACCESSES; which++) {
                kn_id at = kn_access_at(&k->inst[i], which);
                if (at == KN_NONE || !ce_is_wide(&e, &k->access[at])) continue;
                n++;
                if (f && !f(&e, &k->access[at], arg)) return n;
            }
    }
    return n;
}

void ce_find_even(const kn_kernel *k, uint32_t part, ce_even *even, uint16_t *held) {
    ce e = look_at(k, part);
    uint32_t left = WORDS;
    *even = (ce_even){.axis = KN_NONE};
    find_rounds(&e, even);
    if (even->rounds) {
        even->held_words = hold(&e, even, KN_PART, &left, held);
        even->held_words += hold(&e, even, KN_ROW, &left, held);
    }
    even->worth = even->rounds || for_wide(k, part, NULL, NULL);
}

typedef struct {
    const int64_t *dim;
    void *const *mem;
    int even;
} launch;

/* Are the vectors of this access aligned, wherever the other axes stand? */
static int is_aligned(const ce *e, const kn_access *a, void *arg) {
    launch *l = arg;
    const kn_mem *mem = &e->k->mem[a->mem];
    int64_t size = (int64_t)sn_dtype_size((sn_dtype)mem->store), bytes = size * e->per_thread;
    if (bytes > 16) bytes = 16;
    l->even &= kn_size_value(a->base, l->dim) * size % bytes == 0;
    if (a->ix != KN_NONE) l->even &= kn_size_value(a->ix_step, l->dim) * size % bytes == 0;
    for (uint32_t i = 0; i < a->n; i++)
        if (a->axis[i] != e->lane_axis) l->even &= kn_size_value(a->step[i], l->dim) * size % bytes == 0;
    if (mem->space == KN_PART) l->even &= kn_size_value(mem->count, l->dim) * size % bytes == 0;
    if (mem->space != KN_ROW) l->even &= (int64_t)(uintptr_t)l->mem[a->mem] % bytes == 0;
    return l->even;
}

int ce_is_even(const kn_kernel *k, uint32_t part, const ce_even *even, const int64_t *dim, void *const *mem) {
    launch l = {dim, mem, even->worth};
    if (even->rounds) {
        int64_t extent = kn_size_value(k->axis[even->axis].extent, dim), most = (int64_t)even->rounds * even->width;
        l.even &= extent <= most && (even->rounds == 1 || extent > most / 2);
    }
    ce e = look_at(k, part);
    for (uint32_t p = e.part->first_phase; p < e.part->end_phase && l.even; p++) {
        ce_begin_phase(&e, &k->phase[p]);
        if (e.mode != CE_COPIES) l.even &= kn_size_value(k->axis[e.lane_axis].extent, dim) % e.per_thread == 0;
    }
    if (l.even) for_wide(k, part, is_aligned, &l);
    return l.even;
}
