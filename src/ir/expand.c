/* kn_expand: copies a kernel instruction by instruction and puts the code of maths_*.c where a mathematical function
 * stood. Everything but instructions keeps its place and number; phases get the new instruction ranges, and operands,
 * indices and guards the new numbers of what they named. */
#include <string.h>

#include "ir/maths.h"

typedef struct {
    const kn_kernel *from;
    uint32_t has; /* of the backend: KN_HAS_* */
    kn_build to;
    kn_id *now; /* new number of each instruction */
} copier;

static kn_id renamed(const copier *c, kn_id old) { return old == KN_NONE ? old : c->now[old]; }

typedef struct {
    kn_inst *from; /* as the expansion made them; .. */
    kn_id *place;  /* .. where each went */
    kn_id first;
    kn_build *to;
} sorter;

static kn_id put(sorter *s, kn_id id) {
    if (id == KN_NONE || id < s->first) return id;
    kn_id *place = &s->place[id - s->first];
    if (*place != KN_NONE) return *place;
    kn_inst in = s->from[id - s->first];
    for (int n = 0; n < 3; n++) in.a[n] = put(s, in.a[n]);
    *place = (kn_id)s->to->inst.n;
    s->to->inst.at[s->to->inst.n++] = in;
    return *place;
}

/* Brings the instructions from `first` on, all made for `result`, into the order in which it needs them, operands from
 * left to right: C does not say in which order the arguments of nested builder calls are made, and builds by different
 * compilers must make the same kernels. Those that nothing needs go. */
static kn_id in_order(kn_build *b, kn_id first, kn_id result) {
    uint32_t n = b->inst.n - first;
    sorter s = {ARENA_ARRAY(b->arena, kn_inst, n), ARENA_ARRAY(b->arena, kn_id, n), first, b};
    memcpy(s.from, &b->inst.at[first], n * sizeof *s.from);
    for (uint32_t i = 0; i < n; i++) s.place[i] = KN_NONE;
    b->inst.n = first;
    result = put(&s, result);
    b->made_for.n = b->inst.n; /* all for one and the same */
    return result;
}

static kn_id expansion(copier *c, kn_prim prim, sn_dtype type, kn_id x, kn_id y) {
    const kn_maths m = kn_maths_of(&c->to, type, c->has);
    switch (prim) {
        case KP_EXP: return kn_maths_exp(&m, x);
        case KP_LOG: return kn_maths_log(&m, x);
        case KP_LOG1P: return kn_maths_log1p(&m, x);
        case KP_EXPM1: return kn_maths_expm1(&m, x);
        case KP_TANH: return kn_maths_tanh(&m, x);
        case KP_SIGMOID: return kn_maths_sigmoid(&m, x);
        case KP_SIN: return kn_maths_sin(&m, x);
        case KP_COS: return kn_maths_cos(&m, x);
        case KP_ERF: return kn_maths_erf(&m, x);
        case KP_POW: return kn_maths_pow(&m, x, y);
        default:
            base_fail(c->to.arena->trap, SN_ERR_INTERNAL, "primitive %s of type %s has no expansion",
                      kn_prims[prim].name, sn_dtype_name(type));
    }
}

/* The access with instruction numbers of the copy. It cannot be shared by position: two accesses that were different
 * before may be made equal, and the builder then gives them one number. */
static kn_access copied_access(const copier *c, kn_id old) {
    kn_access access = c->from->access[old];
    access.ix = renamed(c, access.ix);
    access.guard = renamed(c, access.guard);
    return access;
}

static kn_id copied(copier *c, const kn_inst *in) {
    kn_build *b = &c->to;
    sn_dtype type = (sn_dtype)in->type;
    kn_prim prim = (kn_prim)in->prim;
    kn_id x = renamed(c, in->a[0]), y = renamed(c, in->a[1]), z = renamed(c, in->a[2]);
    switch ((kn_kind)in->kind) {
        case KI_CONST: return kn_const_bits(b, type, in->bits);
        case KI_SCALAR: return kn_scalar(b, type, (uint32_t)in->bits);
        case KI_DIM: return kn_dim_value(b, (uint32_t)in->bits);
        case KI_INDEX: return kn_index(b, (kn_id)in->bits);
        case KI_LOAD: return kn_load(b, type, copied_access(c, in->acc));
        case KI_STORE: return kn_store(b, copied_access(c, in->acc), x);
        case KI_PRIM: {
            if (!kn_prims[prim].is_maths) return kn_prim3(b, prim, type, x, y, z);
            kn_id first = (kn_id)b->inst.n;
            return in_order(b, first, expansion(c, prim, type, x, y));
        }
        case KI_FOLD:
            if (in->acc == KN_NONE) return kn_fold(b, prim, type, in->fold, x, y);
            if (kn_is_pair(prim))
                return kn_fold_point_pairs(b, prim, in->fold, x, y, copied_access(c, kn_access_at(in, 1)),
                                           copied_access(c, in->acc));
            return kn_fold_points(b, prim, type, in->fold, x, y, copied_access(c, in->acc));
    }
    base_fail(b->arena->trap, SN_ERR_INTERNAL, "instruction of unknown kind %d", in->kind);
}

static void copy_phase(copier *c, const kn_phase *phase) {
    kn_phase_begin(&c->to, phase->at_entry, phase->n_loop, phase->loop, phase->lanes, phase->width, phase->ilp);
    for (kn_id i = phase->first; i < phase->end; i++) {
        c->to.now_for = i;
        c->now[i] = copied(c, &c->from->inst[i]);
    }
    kn_phase_end(&c->to);
}

kn_kernel *kn_expand(base_arena *arena, const kn_kernel *k, uint32_t has) {
    copier c = {.from = k, .has = has, .now = ARENA_ARRAY(arena, kn_id, k->n_inst)};
    kn_build_init(&c.to, arena);
    for (kn_id i = 0; i < k->n_axis; i++) kn_add_axis(&c.to, (kn_role)k->axis[i].role, k->axis[i].extent);
    for (kn_id i = 0; i < k->n_mem; i++) {
        const kn_mem *mem = &k->mem[i];
        kn_id id = kn_add_mem(&c.to, (kn_space)mem->space, (sn_dtype)mem->store, mem->count,
                              k->mem_name ? k->mem_name[i] : NULL);
        c.to.mem.at[id].align_log2 = mem->align_log2;
    }
    for (kn_id p = 0; p < k->n_part; p++) {
        const kn_part *part = &k->part[p];
        kn_part_begin(&c.to, part->n_point, part->point, part->tile, part->grain, part->max_chunks);
        kn_part_team(&c.to, part->team);
        kn_part_rounds(&c.to, part->rounds);
        for (kn_id i = part->first_phase; i < part->end_phase; i++) copy_phase(&c, &k->phase[i]);
        kn_part_end(&c.to);
    }
    kn_kernel *out = kn_build_finish(&c.to);
    out->n_dim = k->n_dim; /* a dim or scalar of which nothing is left keeps its place in the launch */
    out->n_scalar = k->n_scalar;
    return out;
}
