/* The pipeline behind the passes: classes, groups, launches, kernels, steps. Groups that do not depend on each other
 * share a launch as its parts; each step comes after all whose results it needs. */
#include "ir/program.h"

#include <string.h>

#include "ir/lower.h"

typedef struct {
    fu_state *s;
    pg_program *p;
    int32_t *step_of_group; /* -1: none */
    int32_t *first_step;    /* of a group: the first that comes after all that it waits for */
    uint32_t *waits;        /* of a group: for so many groups that have no step yet */
    lw_place *place;        /* per graph node */
    lw_item *item;          /* per graph node: of the part being lowered */
    pg_ref *assign_ref;     /* per fu_assign */
    BASE_VEC(pg_temp) temp;
    BASE_VEC(pg_step) step;
    BASE_VEC(fu_groups) parts; /* per step */
    BASE_VEC(uint32_t) axes;   /* per step: kernel axes, at most */
    BASE_VEC(uint32_t) mems;   /* per step: memories, without row scratch */
    BASE_VEC(uint32_t) open;   /* per step: it, or a later one before which none has room; found by open_step */
    BASE_VEC(uint64_t) ready;  /* groups that may be placed: a heap of when << 32 | group */
} builder;

/* ---- launches ---------------------------------------------------------------------------------------------------- */

static uint32_t axes_needed(fu_state *s, int32_t gi) {
    const fu_group *g = &s->group.at[gi];
    if (g->alone) return 4;
    fu_roles roles;
    fu_find_roles(s, g, g->n_point, g->point, 0, &roles);
    return fu_count_axes(s, gi, g->n_point, &roles, 0);
}

/* Enough room is left for rows. A GPU gets addresses and all else as parameters, of 4096 bytes before CUDA 12.1: a
 * third of that is left for parts, dims and numbers. */
enum { MAX_MEMS = KN_MAX_MEMS / 2, MAX_GPU_MEMS = 192 };

typedef struct {
    fu_state *s;
    uint32_t n;
} mem_count;

static void count_mem(void *arg, ir_id u, int pointwise) {
    mem_count *c = arg;
    (void)pointwise;
    c->n += c->s->read[u] != c->s->read_now;
    c->s->read[u] = c->s->read_now;
}

/* What the group reads and what it writes. */
static uint32_t mems_needed(fu_state *s, int32_t gi) {
    const fu_group *g = &s->group.at[gi];
    mem_count c = {s, g->assign.n + g->combined.n};
    s->read_now++;
    for (uint32_t i = 0; i < g->member.n; i++) {
        ir_id v = g->member.at[i];
        s->read[v] = s->read_now;
        c.n += s->node[v].stored || s->node[v].is_exit;
    }
    for (uint32_t i = 0; i < g->member.n; i++) fu_sources(s, g->member.at[i], count_mem, &c);
    for (uint32_t i = 0; i < g->assign.n; i++) fu_value_sources(s, s->assign.at[g->assign.at[i]].value, count_mem, &c);
    return c.n + g->combined.n;
}

/* The first step from here on that may have room. */
static uint32_t open_step(builder *b, uint32_t step) {
    uint32_t found = step;
    while (found < b->step.n && b->open.at[found] != found) found = b->open.at[found];
    while (step < found) {
        uint32_t next = b->open.at[step];
        b->open.at[step] = found;
        step = next;
    }
    return found;
}

/* Puts a group into the earliest step that may take it, else into a new one. All groups before it have their steps. */
static void place_group(builder *b, int32_t gi) {
    fu_state *s = b->s;
    const fu_group *g = &s->group.at[gi];
    uint32_t need = g->gemm ? 0 : axes_needed(s, gi), mems = mems_needed(s, gi);
    uint32_t at = (uint32_t)b->first_step[gi], most = s->machine == KN_FOR_GPU ? MAX_GPU_MEMS : MAX_MEMS;
    for (; s->fuse && !g->gemm; at++) {
        at = open_step(b, at);
        s->work++;
        if (at == b->step.n || (b->axes.at[at] + need <= KN_MAX_AXES && b->mems.at[at] + mems <= most)) break;
    }
    if (!s->fuse || g->gemm) at = b->step.n;
    if (at == b->step.n) {
        *base_vec_push(&b->step, s->arena) = (pg_step){.kind = g->gemm ? PG_GEMM : PG_LAUNCH};
        *base_vec_push(&b->parts, s->arena) = (fu_groups){0};
        *base_vec_push(&b->axes, s->arena) = 0;
        *base_vec_push(&b->mems, s->arena) = 0;
        *base_vec_push(&b->open, s->arena) = at;
    }
    b->step_of_group[gi] = (int32_t)at;
    *base_vec_push(&b->parts.at[at], s->arena) = gi;
    b->axes.at[at] += need;
    b->mems.at[at] += mems;
    if (g->gemm || b->parts.at[at].n == FU_MAX_PARTS) b->open.at[at] = at + 1;
}

static int is_awaited(const fu_state *s, int32_t gi) {
    const fu_groups *next = &s->group.at[gi].next;
    for (uint32_t i = 0; i < next->n; i++)
        if (!s->group.at[next->at[i]].merged) return 1;
    return 0;
}

static void push_ready(builder *b, uint64_t key) {
    uint32_t i = b->ready.n;
    *base_vec_push(&b->ready, b->s->arena) = key;
    for (; i > 0 && b->ready.at[(i - 1) / 2] > key; i = (i - 1) / 2) b->ready.at[i] = b->ready.at[(i - 1) / 2];
    b->ready.at[i] = key;
}

static uint64_t pop_ready(builder *b) {
    uint64_t least = b->ready.at[0], last = b->ready.at[--b->ready.n];
    uint32_t i = 0;
    for (uint32_t k = 1; k < b->ready.n; k = 2 * i + 1) {
        k += k + 1 < b->ready.n && b->ready.at[k + 1] < b->ready.at[k];
        if (b->ready.at[k] >= last) break;
        b->ready.at[i] = b->ready.at[k];
        i = k;
    }
    b->ready.at[i] = last;
    return least;
}

/* What waits for gi, which has its step (or is empty and needs none), waits for one group less. Groups are placed in
 * rounds, each in order of their numbers: what becomes ready behind this place has its turn in this round, too. */
static void release(builder *b, int32_t gi, uint64_t round, int32_t place) {
    fu_state *s = b->s;
    s->stack.n = 0;
    *base_vec_push(&s->stack, s->arena) = gi;
    while (s->stack.n) {
        int32_t done = s->stack.at[--s->stack.n];
        const fu_group *g = &s->group.at[done];
        int32_t after = fu_is_empty(g) ? b->first_step[done] : b->step_of_group[done] + 1;
        for (uint32_t i = 0; i < g->next.n; i++) {
            int32_t x = g->next.at[i];
            if (s->group.at[x].merged) continue;
            s->work++;
            if (b->first_step[x] < after) b->first_step[x] = after;
            if (--b->waits[x]) continue;
            if (fu_is_empty(&s->group.at[x]))
                *base_vec_push(&s->stack, s->arena) = x;
            else
                push_ready(b, (round + (x < place)) << 32 | (uint32_t)x);
        }
    }
}

/* Groups that others wait for come first; the rest, such as updates, then share the launches that are there anyway. */
static void place_groups(builder *b) {
    fu_state *s = b->s;
    uint32_t left = 0, n = s->group.n;
    fu_groups late = {0};
    for (int32_t gi = 0; gi < (int32_t)n; gi++) {
        const fu_group *g = &s->group.at[gi];
        b->step_of_group[gi] = -1;
        left += !fu_is_empty(g);
        for (uint32_t i = 0; i < g->previous.n; i++) b->waits[gi] += !s->group.at[g->previous.at[i]].merged;
    }
    fu_groups first = {0};
    for (int32_t gi = 0; gi < (int32_t)n; gi++)
        if (!b->waits[gi] && !s->group.at[gi].merged) *base_vec_push(&first, s->arena) = gi;
    for (uint32_t i = 0; i < first.n; i++) {
        if (fu_is_empty(&s->group.at[first.at[i]]))
            release(b, first.at[i], 0, 0);
        else
            push_ready(b, (uint32_t)first.at[i]);
    }
    while (b->ready.n) {
        uint64_t key = pop_ready(b);
        int32_t gi = (int32_t)(key & UINT32_MAX);
        if (!is_awaited(s, gi)) {
            *base_vec_push(&late, s->arena) = gi;
            continue;
        }
        place_group(b, gi);
        left--;
        release(b, gi, key >> 32, gi);
    }
    for (uint32_t i = 0; i < late.n; i++) push_ready(b, (uint32_t)late.at[i]);
    for (; b->ready.n; left--) place_group(b, (int32_t)pop_ready(b));
    if (left) base_fail(&s->g->trap, SN_ERR_INTERNAL, "fusion: groups depend on each other in a circle");
}

/* ---- memories ---------------------------------------------------------------------------------------------------- */

static pg_ref new_temp_of(builder *b, ir_id v, sn_dtype dtype, int32_t step, uint32_t part, const char *suffix) {
    ir_graph *g = b->s->g;
    const ir_node *n = ir_at(g, v);
    ir_dim count = ir_dim_const(g, 1);
    for (uint32_t a = 0; a < n->rank; a++) count = ir_dim_mul(g, count, n->dim[a]);
    const char *label = g->label.at[v];
    *base_vec_push(&b->temp, b->s->arena) =
        (pg_temp){.dtype = dtype,
                  .count = {count, step, part},
                  .first = UINT32_MAX,
                  .name = label ? base_arena_printf(b->s->arena, "%s%s", label, suffix)
                                : base_arena_printf(b->s->arena, "t%u%s", v, suffix)};
    return (pg_ref){PG_TEMP, b->temp.n - 1};
}

static pg_ref new_temp(builder *b, ir_id v, int32_t step, uint32_t part, const char *suffix) {
    return new_temp_of(b, v, (sn_dtype)ir_at(b->s->g, v)->dtype, step, part, suffix);
}

static int32_t output_of(const builder *b, ir_id v) { return b->s->output[v]; }

static pg_ref memory_for(builder *b, ir_id v) {
    int32_t out = output_of(b, v);
    for (uint32_t i = 0; i < b->s->assign.n; i++) {
        const fu_assign *a = &b->s->assign.at[i];
        if (a->direct && fu_home(b->s, a->value) == v) return (pg_ref){PG_VAR, a->var};
    }
    return out >= 0 ? (pg_ref){PG_OUTPUT, (uint32_t)out} : new_temp(b, v, -1, 0, "");
}

static uint32_t part_of(const builder *b, int32_t gi) {
    const fu_groups *parts = &b->parts.at[b->step_of_group[gi]];
    uint32_t part = 0;
    while (parts->at[part] != gi) part++;
    return part;
}

static void place_values(builder *b) {
    fu_state *s = b->s;
    for (ir_id v = 1; v < s->g->node.n; v++) {
        const fu_node *f = &s->node[v];
        const ir_node *n = ir_at(s->g, v);
        lw_place *place = &b->place[v];
        place->step = -1;
        if (!f->needed) continue;
        if (n->op == IR_INPUT) place->ref = (pg_ref){PG_INPUT, (uint32_t)n->attr[0]};
        if (n->op == IR_VAR) place->ref = (pg_ref){PG_VAR, (uint32_t)n->attr[0]};
        if (f->kind != FU_HOME) continue;
        if (f->is_exit) {
            place->step = b->step_of_group[f->group];
            place->part = part_of(b, f->group);
            sn_dtype partial = base_register_type((sn_dtype)n->dtype);
            place->ref = new_temp_of(b, v, partial, place->step, place->part, ".part");
            if (IR_IS_ARG(n->op)) {
                sn_dtype dtype = base_register_type((sn_dtype)ir_at(s->g, n->in[0])->dtype);
                place->values = new_temp_of(b, v, dtype, place->step, place->part, ".best");
            }
            if (f->stored) place->stored = memory_for(b, v);
        } else if (f->stored) {
            place->ref = memory_for(b, v);
        }
        if (n->op == IR_RECURRENCE) { /* the running values: one for each line along the axis */
            place->stored = new_temp_of(b, v, base_register_type((sn_dtype)n->dtype), -1, 0, ".running");
            ir_dim lines = ir_dim_const(s->g, 1);
            for (uint32_t a = 0; a < n->rank; a++)
                if (a != (uint32_t)n->attr[0]) lines = ir_dim_mul(s->g, lines, n->dim[a]);
            b->temp.at[place->stored.index].count.poly = lines;
        }
    }
    b->assign_ref = ARENA_ARRAY(s->arena, pg_ref, s->assign.n);
    for (uint32_t i = 0; i < s->assign.n; i++) {
        const fu_assign *a = &s->assign.at[i];
        if (!a->is_var)
            b->assign_ref[i] = (pg_ref){PG_OUTPUT, (uint32_t)output_of(b, a->value)};
        else if (a->shadow)
            b->assign_ref[i] = new_temp(b, a->value, -1, 0, ".new");
        else
            b->assign_ref[i] = (pg_ref){PG_VAR, a->var};
    }
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* "moons.0 matmul add tanh": the operators in it, each once. */
static const char *name_step(builder *b, int32_t step) {
    fu_state *s = b->s;
    const char *name = base_arena_printf(s->arena, "%s.%d", s->g->name ? s->g->name : "graph", (int)step);
    uint32_t n = 0;
    uint8_t *named = ARENA_ARRAY(s->arena, uint8_t, IR_OP_COUNT);
    const fu_groups *parts = &b->parts.at[step];
    int32_t last = -1;
    for (uint32_t part = 0; part < parts->n; part++) { /* in order of their numbers */
        int32_t least = INT32_MAX;
        for (uint32_t i = 0; i < parts->n; i++)
            if (parts->at[i] > last && parts->at[i] < least) least = parts->at[i];
        last = least;
        const fu_group *g = &s->group.at[least];
        for (uint32_t i = 0; i < g->member.n; i++) {
            ir_op op = (ir_op)ir_at(s->g, g->member.at[i])->op;
            if (!named[op] && n++ < 8) name = base_arena_printf(s->arena, "%s %s", name, ir_ops[op].name);
            named[op] = 1;
        }
        if (g->assign.n && !named[0] && n++ < 8) name = base_arena_printf(s->arena, "%s update", name);
        named[0] |= g->assign.n != 0;
    }
    return name;
}

static void make_launch(builder *b, int32_t step) {
    fu_state *s = b->s;
    lw_launch *l = ARENA_NEW(s->arena, lw_launch);
    kn_build_init(&l->b, s->arena);
    l->flops = ir_dim_const(s->g, 0);
    const char *text = name_step(b, step);
    for (uint32_t part = 0; part < b->parts.at[step].n; part++) {
        int32_t gi = b->parts.at[step].at[part];
        lw_part *p = ARENA_NEW(s->arena, lw_part);
        *p = (lw_part){.s = s,
                       .launch = l,
                       .place = b->place,
                       .assign_ref = b->assign_ref,
                       .item = b->item,
                       .group = &s->group.at[gi],
                       .gi = gi};
        lw_lower(p);
    }
    pg_step *out = &b->step.at[step];
    out->name = text;
    out->kernel = kn_build_finish(&l->b);
    out->mem = l->ref.at;
    out->dim = l->dim.at;
    out->scalar = l->scalar.at;
    out->n_traffic = l->traffic.n;
    out->traffic = l->traffic.at;
    out->traffic_size = l->traffic_size.at;
    out->flops = (pg_dim){l->flops, -1, 0};
    char why[256];
    const char *wrong = kn_verify(out->kernel, why);
    if (wrong) base_fail(&s->g->trap, SN_ERR_INTERNAL, "lowering of %s broke a rule of the kernel IR: %s", text, wrong);
}

static pg_ref ref_of(const builder *b, ir_id v) {
    while (b->s->node[v].kind == FU_ALIAS) v = ir_at(b->s->g, v)->in[0];
    return b->s->node[v].is_exit ? b->place[v].stored : b->place[v].ref;
}

static void make_gemm(builder *b, int32_t step) {
    fu_state *s = b->s;
    const fu_group *group = &s->group.at[b->parts.at[step].at[0]];
    ir_id v = group->member.at[0], last = group->member.at[group->member.n - 1];
    const ir_node *n = ir_at(s->g, v);
    const ir_dim *extent = s->extent + s->node[v].slot + n->rank - 2u;
    ir_graph *g = s->g;
    ir_dim batch = ir_dim_const(g, 1);
    for (uint32_t a = 0; a + 2u < n->rank; a++) batch = ir_dim_mul(g, batch, n->dim[a]);
    ir_dim products = ir_dim_mul(g, ir_dim_mul(g, batch, extent[0]), ir_dim_mul(g, extent[1], extent[2]));
    ir_dim flops = ir_dim_mul(g, ir_dim_const(g, 2), products);
    pg_step *out = &b->step.at[step];
    *out = (pg_step){.kind = PG_GEMM,
                     .name = name_step(b, step),
                     .dtype = (sn_dtype)n->dtype,
                     .to = (sn_dtype)ir_at(s->g, last)->dtype,
                     .m = {extent[0], -1, 0},
                     .n = {extent[1], -1, 0},
                     .k = {extent[2], -1, 0},
                     .batch = {batch, -1, 0},
                     .trans_a = (uint8_t)(n->attr[0] & 1),
                     .trans_b = (uint8_t)(n->attr[0] >> 1 & 1),
                     .a = ref_of(b, n->in[0]),
                     .b = ref_of(b, n->in[1]),
                     .row = {PG_NONE, 0},
                     .relu = ir_at(s->g, last)->op == IR_RELU,
                     .c = b->place[last].ref,
                     .flops = {flops, -1, 0}};
    pg_dim *traffic = ARENA_ARRAY(s->arena, pg_dim, 4);
    uint8_t *size = ARENA_ARRAY(s->arena, uint8_t, 4);
    for (uint32_t i = 0; i < 3; i++) { /* m k, k n, m n */
        ir_dim matrix = ir_dim_mul(g, extent[i == 1 ? 2 : 0], extent[i == 0 ? 2 : 1]);
        traffic[i] = (pg_dim){ir_dim_mul(g, batch, matrix), -1, 0};
        size[i] = (uint8_t)sn_dtype_size(i == 2 ? out->to : out->dtype);
    }
    out->n_traffic = 3;
    for (uint32_t i = 1; i < group->member.n; i++) {
        ir_id row = s->node[group->member.at[i]].row;
        if (!row) continue;
        out->row = ref_of(b, row);
        traffic[3] = (pg_dim){extent[1], -1, 0};
        size[3] = size[2];
        out->n_traffic = 4;
    }
    out->traffic = traffic;
    out->traffic_size = size;
}

static void add_copy(builder *b, ir_id v, pg_ref from, pg_ref to) {
    ir_graph *g = b->s->g;
    const ir_node *n = ir_at(g, v);
    ir_dim count = ir_dim_const(g, 1);
    for (uint32_t a = 0; a < n->rank; a++) count = ir_dim_mul(g, count, n->dim[a]);
    pg_dim *traffic = ARENA_ARRAY(b->s->arena, pg_dim, 2);
    uint8_t *size = ARENA_ARRAY(b->s->arena, uint8_t, 2);
    traffic[0] = traffic[1] = (pg_dim){count, -1, 0};
    size[0] = size[1] = (uint8_t)sn_dtype_size((sn_dtype)n->dtype);
    *base_vec_push(&b->step, b->s->arena) = (pg_step){.kind = PG_COPY,
                                                      .name = "copy",
                                                      .dtype = (sn_dtype)n->dtype,
                                                      .m = {count, -1, 0},
                                                      .a = from,
                                                      .c = to,
                                                      .n_traffic = 2,
                                                      .traffic = traffic,
                                                      .traffic_size = size,
                                                      .flops = {ir_dim_const(g, 0), -1, 0}};
}

static void add_copies(builder *b) {
    const ir_roots *r = b->s->roots;
    for (uint32_t i = 0; i < r->n_out; i++) {
        int32_t first = output_of(b, r->out[i]);
        if ((uint32_t)first != i) add_copy(b, r->out[i], (pg_ref){PG_OUTPUT, (uint32_t)first}, (pg_ref){PG_OUTPUT, i});
    }
    for (uint32_t i = 0; i < b->s->assign.n; i++) {
        const fu_assign *a = &b->s->assign.at[i];
        if (a->shadow) add_copy(b, a->value, b->assign_ref[i], (pg_ref){PG_VAR, a->var});
    }
}

static void use_temp(builder *b, pg_ref ref, uint32_t step) {
    if (ref.space != PG_TEMP) return;
    pg_temp *t = &b->temp.at[ref.index];
    if (t->first == UINT32_MAX) t->first = step;
    t->last = step;
}

static void find_lifetimes(builder *b) {
    for (uint32_t i = 0; i < b->step.n; i++) {
        const pg_step *step = &b->step.at[i];
        if (step->kind == PG_LAUNCH) {
            for (uint32_t k = 0; k < step->kernel->n_mem; k++) use_temp(b, step->mem[k], i);
            continue;
        }
        use_temp(b, step->a, i);
        if (step->kind == PG_GEMM) {
            use_temp(b, step->b, i);
            use_temp(b, step->row, i);
        }
        use_temp(b, step->c, i);
    }
    for (uint32_t i = 0; i < b->temp.n; i++)
        if (b->temp.at[i].first == UINT32_MAX) b->temp.at[i].first = b->temp.at[i].last = 0;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void print_node(base_strbuf *out, const fu_state *s, ir_id v) {
    base_strbuf_printf(out, "    %%%u %s ", v, ir_ops[ir_at(s->g, v)->op].name);
    ir_print_type(s->g, v, out);
    if (s->g->label.at[v]) base_strbuf_printf(out, " \"%s\"", s->g->label.at[v]);
    if (s->node[v].is_exit) base_strbuf_puts(out, " (partial per chunk)");
    if (s->node[v].stored) base_strbuf_puts(out, " stored");
    base_strbuf_puts(out, "\n");
}

static void print_groups(builder *b, base_strbuf *out) {
    fu_state *s = b->s;
    for (uint32_t step = 0; step < b->step.n; step++) {
        base_strbuf_printf(out, "%s\n", b->step.at[step].name);
        for (uint32_t part = 0; step < b->parts.n && part < b->parts.at[step].n; part++) {
            int32_t gi = b->parts.at[step].at[part];
            const fu_group *g = &s->group.at[gi];
            base_strbuf_printf(out, "  part %u = g%d, points (", part, (int)gi);
            for (uint32_t i = 0; i < g->n_point; i++) {
                base_strbuf_puts(out, i ? ", " : "");
                ir_print_dim(s->g, s->extent[g->point[i]], out);
            }
            base_strbuf_puts(out, ")\n");
            for (uint32_t i = 0; i < g->combined.n; i++)
                base_strbuf_printf(out, "    %%%u combined from partials%s\n", g->combined.at[i],
                                   s->node[g->combined.at[i]].stored ? ", stored" : "");
            for (uint32_t i = 0; i < g->member.n; i++) print_node(out, s, g->member.at[i]);
            for (uint32_t i = 0; i < g->assign.n; i++) {
                const fu_assign *a = &s->assign.at[g->assign.at[i]];
                if (a->is_var)
                    base_strbuf_printf(out, "    @%s = %%%u%s\n", s->g->var.at[a->var].name, a->value,
                                       a->shadow ? ", through a temporary" : ", in place");
                else
                    base_strbuf_printf(out, "    output %d = %%%u\n", (int)output_of(b, a->value), a->value);
            }
        }
    }
}

static const char *keep_text(fu_state *s, const base_strbuf *text) {
    if (text->failed) base_fail(&s->g->trap, SN_ERR_NOMEM, "out of memory while explaining fusion");
    return text->at ? base_arena_strdup(s->arena, text->at) : "";
}

typedef struct {
    fu_state *s;
    pg_program *result;
    base_strbuf *fuse_text;
} compile_arg;

static void compile(void *arg) {
    compile_arg *a = arg;
    fu_state *s = a->s;
    builder *b = ARENA_NEW(s->arena, builder);
    *b = (builder){.s = s};
    fu_axes(s);
    fu_fuse(s);
    b->step_of_group = ARENA_ARRAY(s->arena, int32_t, s->group.n);
    b->first_step = ARENA_ARRAY(s->arena, int32_t, s->group.n);
    b->waits = ARENA_ARRAY(s->arena, uint32_t, s->group.n);
    b->place = ARENA_ARRAY(s->arena, lw_place, s->g->node.n);
    b->item = ARENA_ARRAY(s->arena, lw_item, s->g->node.n);
    place_groups(b);
    place_values(b);
    for (uint32_t i = 0; i < b->step.n; i++) {
        if (b->step.at[i].kind == PG_GEMM)
            make_gemm(b, (int32_t)i);
        else
            make_launch(b, (int32_t)i);
    }
    add_copies(b);
    find_lifetimes(b);
    int32_t *step_of = ARENA_ARRAY(s->arena, int32_t, s->g->node.n);
    for (ir_id v = 0; v < s->g->node.n; v++) {
        int32_t gi = v && s->node[v].kind == FU_HOME && s->node[v].needed ? s->node[v].group : -1;
        step_of[v] = gi < 0 ? -1 : b->step_of_group[gi];
    }
    print_groups(b, a->fuse_text);
    pg_program *p = ARENA_NEW(s->arena, pg_program);
    *p = (pg_program){.assume = s->assume,
                      .graph = s->g,
                      .roots = *s->roots,
                      .n_step = b->step.n,
                      .n_temp = b->temp.n,
                      .step = b->step.at,
                      .temp = b->temp.at,
                      .step_of = step_of,
                      .fuse_text = keep_text(s, a->fuse_text),
                      .why_text = keep_text(s, &s->why),
                      .work = s->work};
    a->result = p;
}

pg_program *pg_compile(ir_graph *g, const ir_roots *roots, int how, kn_machine machine, const pg_assume *assume) {
    fu_state *s = ARENA_NEW(&g->arena, fu_state);
    *s = (fu_state){.g = g,
                    .roots = roots,
                    .arena = &g->arena,
                    .fuse = (how & PG_FUSE) != 0,
                    .machine = machine,
                    .keep_nan = (how & PG_KEEP_NAN) != 0,
                    .assume = assume};
    base_strbuf fuse_text;
    base_strbuf_init(&s->why, g->arena.alloc);
    base_strbuf_init(&fuse_text, g->arena.alloc);
    compile_arg arg = {s, NULL, &fuse_text};
    sn_status status = base_protect(&g->trap, compile, &arg);
    base_strbuf_free(&s->why); /* the texts are not the arena's */
    base_strbuf_free(&fuse_text);
    if (status) {
        char text[BASE_TEXT_MAX];
        memcpy(text, g->trap.text, sizeof text);
        base_fail(&g->trap, status, "%s", text);
    }
    return arg.result;
}
