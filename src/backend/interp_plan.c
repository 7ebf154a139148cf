/* Kernel -> where each value lives, in which order the instructions of a phase run, which operand slots each copy made
 * by unrolling reads. Values that cross phases keep their slots; those inside of loops share theirs from phase to
 * phase. */
#include "backend/interp_plan.h"

enum { BLOCK_SLOTS = 128, MAX_BLOCK = 64 };

typedef struct {
    interp_plan *plan;
    const kn_kernel *k;
    base_arena *arena;
    uint64_t kept, moving, most; /* slots: of values that cross phases; of this phase's others; the greatest sum */
    uint64_t accs;
    const kn_part *part;
    uint32_t last_point; /* set: the last point axis of the part */
} planner;

static uint32_t product(const kn_kernel *k, uint32_t set) {
    uint32_t n = 1;
    for (uint32_t a = 0; a < k->n_axis; a++)
        if (set >> a & 1) n *= (uint32_t)k->axis[a].extent.k;
    return n;
}

/* The copy of a value with these unroll axes at an index of each axis. */
static uint32_t copy_at(const kn_kernel *k, uint32_t axes, const uint32_t *index) {
    uint32_t copy = 0;
    for (uint32_t a = 0; a < k->n_axis; a++)
        if (axes >> a & 1) copy = copy * (uint32_t)k->axis[a].extent.k + index[a];
    return copy;
}

/* To the next index of the axes in set, the highest id fastest. */
static void advance(const kn_kernel *k, uint32_t set, uint32_t *index) {
    for (uint32_t a = k->n_axis; a-- > 0;) {
        if (!(set >> a & 1)) continue;
        if (++index[a] < (uint32_t)k->axis[a].extent.k) return;
        index[a] = 0;
    }
}

static void plan_operands(planner *p, const kn_inst *i, interp_inst *out) {
    const kn_kernel *k = p->k;
    const kn_access *access = i->acc == KN_NONE ? NULL : &k->access[i->acc];
    const kn_id ids[N_OPERANDS] = {i->a[0], i->a[1], i->a[2], access ? access->ix : (kn_id)KN_NONE,
                                   access ? access->guard : (kn_id)KN_NONE};
    uint32_t *slots = ARENA_ARRAY(p->arena, uint32_t, (size_t)out->copies * out->folded * N_OPERANDS);
    uint32_t index[KN_MAX_AXES] = {0};
    uint32_t folded = i->fold & p->plan->unroll_axes;
    out->operand = slots;
    for (int n = 0; n < N_OPERANDS; n++) {
        if (ids[n] == KN_NONE) continue;
        const interp_inst *from = &p->plan->inst[ids[n]];
        out->row_step[n] = from->rows > 1 ? from->cols : 0;
        out->col_step[n] = from->cols > 1;
    }
    for (uint32_t c = 0; c < out->copies; c++) {
        for (uint32_t f = 0; f < out->folded; f++, slots += N_OPERANDS) {
            for (int n = 0; n < N_OPERANDS; n++) {
                if (ids[n] == KN_NONE) continue;
                const interp_inst *from = &p->plan->inst[ids[n]];
                slots[n] = from->slot + copy_at(k, from->axes, index) * from->rows * from->cols;
            }
            advance(k, folded, index);
        }
        advance(k, out->axes, index);
    }
}

static void plan_shape(planner *p, const kn_phase *phase, const interp_phase *steps, uint32_t id) {
    const kn_kernel *k = p->k;
    const kn_inst *i = &k->inst[id];
    interp_inst *out = &p->plan->inst[id];
    uint32_t innermost = phase->n_loop ? 1u << phase->loop[phase->n_loop - 1] : 0;
    if (i->kind == KI_PRIM && kn_prims[i->prim].is_maths)
        base_fail(p->arena->trap, SN_ERR_INTERNAL, "instruction %u: %s has not been expanded", id,
                  kn_prims[i->prim].name);
    out->axes = i->over & p->plan->unroll_axes;
    out->copies = product(k, out->axes);
    out->folded = product(k, i->fold & p->plan->unroll_axes);
    out->rows = i->over & p->last_point ? p->part->tile : 1;
    out->cols = i->over & innermost ? steps->block : 1;
    if (i->a[0] != KN_NONE) out->from = k->inst[i->a[0]].type;
    uint64_t slots = (uint64_t)out->copies * out->rows * out->cols;
    if (i->over & kn_axes_with(k, KN_LOOP)) {
        out->slot = (uint32_t)p->moving; /* counted from the end of the kept ones, which is known later */
        p->moving += slots;
    } else {
        out->slot = (uint32_t)p->kept;
        p->kept += slots;
    }
    out->acc = (uint32_t)p->accs;
    if (i->kind != KI_FOLD) return;
    uint64_t kinds = kn_is_pair((kn_prim)i->prim) ? 2 : 1; /* indices, then values */
    if (i->acc != KN_NONE)
        p->accs += kinds * out->copies * p->part->tile;
    else if (i->fold & kn_axes_with(k, KN_LOOP))
        p->accs += kinds * out->copies * out->rows * steps->lanes_ilp;
    else if (kinds == 2)
        p->accs += out->cols; /* the values of one row */
}

/* How deep an instruction runs: 0 before the nest, n_loop inside of all loops. */
static uint32_t depth_of(const kn_kernel *k, const kn_phase *phase, const kn_inst *i) {
    if (i->kind == KI_FOLD && i->fold & kn_axes_with(k, KN_LOOP)) return phase->n_loop;
    uint32_t depth = 0;
    for (uint32_t d = 0; d < phase->n_loop; d++)
        if (i->over >> phase->loop[d] & 1) depth = d + 1;
    return depth;
}

static int is_late(const kn_kernel *k, const unsigned char *late, kn_id id) {
    return id != KN_NONE && (late[id] || (k->inst[id].kind == KI_FOLD && k->inst[id].fold & kn_axes_with(k, KN_LOOP)));
}

/* The phase's instructions by level, in order within each. Constants, scalars and dims run when a launch begins. late:
 * those of this phase that run after the nest; operands of earlier phases are there already. */
static void plan_order(planner *p, const kn_phase *phase, interp_phase *steps, unsigned char *late) {
    const kn_kernel *k = p->k;
    kn_id *order = ARENA_ARRAY(p->arena, kn_id, (size_t)(phase->end - phase->first));
    uint32_t n = 0, levels = phase->n_loop + 2u;
    steps->order = order;
    for (uint32_t id = phase->first; id < phase->end; id++) {
        const kn_inst *i = &k->inst[id];
        const kn_access *access = i->acc == KN_NONE ? NULL : &k->access[i->acc];
        const kn_id operands[N_OPERANDS] = {i->a[0], i->a[1], i->a[2], access ? access->ix : (kn_id)KN_NONE,
                                            access ? access->guard : (kn_id)KN_NONE};
        for (int o = 0; o < N_OPERANDS; o++)
            if (operands[o] != KN_NONE && operands[o] >= phase->first && is_late(k, late, operands[o])) late[id] = 1;
    }
    for (uint32_t level = 0; level < levels; level++) {
        steps->level[level] = n;
        for (uint32_t id = phase->first; id < phase->end; id++) {
            uint32_t at = late[id] ? levels - 1 : depth_of(k, phase, &k->inst[id]);
            if (at == level && k->inst[id].kind > KI_DIM) order[n++] = (kn_id)id;
        }
    }
    steps->level[levels] = n;
}

static uint32_t block_of(const kn_kernel *k, const kn_part *part, const kn_phase *phase) {
    if (!phase->n_loop) return 1;
    for (uint32_t id = phase->first; id < phase->end; id++) { /* stores that may meet run one by one */
        const kn_inst *i = &k->inst[id];
        if (i->kind == KI_STORE && k->access[i->acc].ix != KN_NONE &&
            k->inst[k->access[i->acc].ix].over & kn_axes_with(k, KN_LOOP))
            return 1;
    }
    uint32_t block = BLOCK_SLOTS / part->tile;
    return block > MAX_BLOCK ? MAX_BLOCK : block ? block : 1;
}

interp_plan *interp_plan_new(base_arena *arena, const kn_kernel *k) {
    interp_plan *plan = ARENA_NEW(arena, interp_plan);
    planner p = {.plan = plan, .k = k, .arena = arena};
    unsigned char *late = ARENA_ARRAY(arena, unsigned char, k->n_inst);
    plan->k = k;
    plan->unroll_axes = kn_axes_with(k, KN_UNROLL);
    plan->inst = ARENA_ARRAY(arena, interp_inst, k->n_inst);
    plan->phase = ARENA_ARRAY(arena, interp_phase, k->n_phase);
    plan->access = ARENA_ARRAY(arena, interp_access, k->n_access);
    plan->count = ARENA_ARRAY(arena, int64_t, k->n_mem);
    plan->data = ARENA_ARRAY(arena, unsigned char *, k->n_mem);
    plan->extent = ARENA_ARRAY(arena, int64_t, k->n_axis);
    for (uint32_t part = 0; part < k->n_part; part++) {
        p.part = &k->part[part];
        p.last_point = p.part->n_point ? 1u << p.part->point[p.part->n_point - 1] : 0;
        for (uint32_t n = p.part->first_phase; n < p.part->end_phase; n++) {
            const kn_phase *phase = &k->phase[n];
            interp_phase *steps = &plan->phase[n];
            int loop_lanes = phase->n_loop && phase->lanes == phase->loop[phase->n_loop - 1];
            steps->block = block_of(k, p.part, phase);
            steps->lanes_ilp = (loop_lanes ? phase->width : 1u) * phase->ilp;
            plan_order(&p, phase, steps, late);
            p.moving = 0;
            for (uint32_t id = phase->first; id < phase->end; id++) plan_shape(&p, phase, steps, id);
            if (p.moving > p.most) p.most = p.moving;
        }
    }
    if (p.kept + p.most > UINT32_MAX || p.accs > UINT32_MAX)
        base_fail(arena->trap, SN_ERR_UNSUPPORTED, "a kernel with too many values to interpret");
    for (uint32_t id = 0; id < k->n_inst; id++)
        if (k->inst[id].over & kn_axes_with(k, KN_LOOP)) plan->inst[id].slot += (uint32_t)p.kept;
    for (uint32_t id = 0; id < k->n_inst; id++) plan_operands(&p, &k->inst[id], &plan->inst[id]);
    plan->value = ARENA_ARRAY(arena, uint64_t, p.kept + p.most);
    plan->acc = ARENA_ARRAY(arena, uint64_t, p.accs);
    return plan;
}
