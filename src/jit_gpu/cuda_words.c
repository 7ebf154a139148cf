/* Registers. In: a part, and where its instructions run. Out: about how many words of 32 bits the values take that a
 * thread has at once, at the text's fullest place: accumulators of folds, rows that are held, and every value from
 * where it is made to where it is used last. Indices and addresses are not among them. */
#include "jit_gpu/cuda_emit.h"

enum { AT_ONCE = 4 /* lanes of a thread along a loop: of more the compiler does some after the others */ };

static uint32_t value_words(const ce *e, const kn_inst *in) {
    if (in->kind == KI_LOAD && e->even && ce_is_held(e, e->k->access[in->acc].mem)) return 0;
    if (in->kind == KI_STORE || in->kind == KI_CONST || in->kind == KI_SCALAR || in->kind == KI_DIM ||
        in->kind == KI_INDEX || kn_is_point_fold(in))
        return 0;
    uint32_t n = ce_elements(e, in->over);
    if (e->mode == CE_LOOP_LANES && in->over & ce_bit(e->inner) && e->per_thread > AT_ONCE)
        n = n / e->per_thread * AT_ONCE;
    return n * kn_words((sn_dtype)in->type);
}

static uint32_t accumulator_words(const ce *e, const kn_inst *in) {
    uint32_t pair = kn_is_pair((kn_prim)in->prim) ? kn_words((sn_dtype)e->k->inst[in->a[0]].type) : 0;
    return kn_words((sn_dtype)in->type) + pair;
}

/* Accumulators of the loops of the present phase: one for each of their iterations that are done together. */
static uint32_t loop_words(const ce *e) {
    uint32_t words = 0;
    for (kn_id i = e->phase->first; i < e->phase->end; i++) {
        const kn_inst *in = &e->k->inst[i];
        if (kn_is_loop_fold(e->k, in)) words += ce_elements(e, in->over | ce_bit(e->inner)) * accumulator_words(e, in);
    }
    return words;
}

/* Sums over points that are in registers while the part runs. */
static uint32_t sum_words(ce *e) {
    uint32_t words = 0;
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++) {
        ce_begin_phase(e, &e->k->phase[p]);
        for (kn_id i = e->phase->first; i < e->phase->end; i++) {
            const kn_inst *in = &e->k->inst[i];
            if (!kn_is_point_fold(in) || !ce_in_registers(e, in)) continue;
            words += ce_unrolled(e, in->over) * (e->mode == CE_POINT_LANES ? e->per_thread : e->copies) *
                     accumulator_words(e, in);
        }
    }
    return words;
}

typedef struct {
    ce *e;
    kn_id *last;           /* of each instruction: the one that uses it last */
    uint32_t *words;       /* .. of its value, where it was made */
    uint32_t live, behind; /* behind: of them, what goes when the loops are done, since each round uses it */
    uint32_t most;
} sweep;

static void meet(sweep *s, uint32_t more) {
    if (s->live + more > s->most) s->most = s->live + more;
}

/* What every tile or every round uses stays while there is another one. */
static void leave(sweep *s, kn_id user) {
    kn_id operand[5];
    const kn_place *place = s->e->place;
    for (int n = kn_operands(s->e->k, &s->e->k->inst[user], operand); n-- > 0;) {
        kn_id of = operand[n];
        if (s->last[of] != user || ((place[of].at_entry || place[of].level == KN_AT_CHUNK) && !place[user].at_entry))
            continue;
        s->last[of] = KN_NONE;
        if (place[of].level < place[user].level)
            s->behind += s->words[of];
        else
            s->live -= s->words[of];
    }
}

/* A value that becomes a held row's is that row. */
static void store(sweep *s, const kn_inst *in) {
    if (in->kind != KI_STORE || !s->e->even || !ce_is_held(s->e, s->e->k->access[in->acc].mem)) return;
    s->live -= s->words[in->a[0]];
    s->words[in->a[0]] = 0;
}

/* The instructions of a phase before the end of its loops, or after. */
static void walk(sweep *s, int after, uint32_t accumulators) {
    const ce *e = s->e;
    for (kn_id i = e->phase->first; i < e->phase->end; i++) {
        const kn_inst *in = &e->k->inst[i];
        if (e->place[i].after != after) continue;
        int fold = kn_is_loop_fold(e->k, in);
        s->words[i] = value_words(e, in);
        if (!fold) s->live += s->words[i];
        store(s, in);
        meet(s, accumulators);
        leave(s, i);
    }
}

uint32_t ce_words(ce *e, uint32_t row_words) {
    const kn_kernel *k = e->k;
    sweep s = {.e = e,
               .last = ARENA_ARRAY(e->arena, kn_id, k->n_inst),
               .words = ARENA_ARRAY(e->arena, uint32_t, k->n_inst),
               .live = sum_words(e) + row_words};
    kn_id first = k->phase[e->part->first_phase].first, end = k->phase[e->part->end_phase - 1].end;
    for (kn_id i = 0; i < k->n_inst; i++) s.last[i] = KN_NONE;
    for (kn_id i = first; i < end; i++) {
        kn_id operand[5];
        for (int n = kn_operands(k, &k->inst[i], operand); n-- > 0;) s.last[operand[n]] = i;
    }
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++) {
        ce_begin_phase(e, &k->phase[p]);
        walk(&s, 0, loop_words(e));
        s.live -= s.behind;
        s.behind = 0;
        for (kn_id i = e->phase->first; i < e->phase->end; i++)
            if (kn_is_loop_fold(k, &k->inst[i]) && s.last[i] != KN_NONE) s.live += s.words[i];
        meet(&s, 0);
        walk(&s, 1, 0);
    }
    return s.most;
}
