/* How a part runs: the order of the loops of each phase, its vector axis, width and accumulators; the tile and the
 * grain of the part. A function of the graph alone: estimates take FU_NOMINAL for symbolic extents. */
#include "ir/schedule.h"

#include <string.h>

enum {
    LOOP_WIDTH = 16,        /* elements of a vector along a loop */
    POINT_WIDTH = 16,       /* points of a tile that are one vector .. */
    LIGHT_POINT_WIDTH = 64, /* .. where little is done for each: several registers hide latencies, and share what .. */
    LIGHT_POINTS = 256,     /* .. all of a row have in common. Of so many few are left over */
    STREAM_BYTES = 256,     /* .. or where a loop reads or writes so much of each row that it comes to .. */
    STREAM_TILES = 4,       /* .. if there are so many such tiles; their vectors are ways to add by themselves */
    STREAM_ILP = 2,
    ROW_TILE = 2,     /* points whose copies share loads and accumulators of the loops .. */
    SUM_TILE = 4,     /* .. where each adds to sums kept for each element of the loops, once a tile .. */
    MANY_POINTS = 64, /* .. if there are so many, or little is done for each: long rows are for threads .. */
    FEW_POINT_NS = 20000,
    BLOCK_TILE = 16,        /* .. where memory is read or written across: see fuse_block.c; at most .. */
    BLOCK_LINE = 64,        /* .. so many bytes .. */
    BLOCK_PRIMS = 600,      /* .. and primitives of all copies, if these are more than .. */
    LEAST_BLOCK_TILE = 4,   /* .. so many points */
    LIGHT_BODY = 6,         /* primitives: below, four accumulators hide the latency of a fold .. */
    MEDIUM_BODY = 30,       /* .. below, two .. */
    CHUNK_NS = 4000,        /* work of a chunk */
    MAX_CHUNKS = 256,       /* where chunks leave nothing behind .. */
    MAX_PARTIAL_CHUNKS = 32 /* .. where each leaves partials that somebody combines */
};
static const double NS_PER_PRIM = 0.03; /* one primitive on one element, vectorised */
/* What a byte of partials adds to the work that a chunk should have: it is cleared, added to and read again. */
static const double PARTIAL_NS_PER_BYTE = 1;

typedef struct {
    lw_part *p;
    uint32_t phase;
    double bytes[KN_MAX_AXES];               /* per kernel axis: of accesses for which it is the contiguous one .. */
    double across[KN_MAX_AXES][KN_MAX_AXES]; /* .. and that vary over the second one, too */
    lw_sizes size[KN_MAX_AXES];              /* of those of which nothing inside is unrolled */
    double prims;                            /* per innermost iteration */
    int guards;                              /* reads under conditions */
} traffic;

/* What a reader takes of a tensor: a row that is picked from a large one counts as a row. */
static double bytes_read(const fu_state *s, ir_id tensor, ir_id reader) {
    double bytes = (double)sn_dtype_size((sn_dtype)ir_at(s->g, tensor)->dtype), whole = fu_bytes(s, tensor);
    for (uint32_t i = 0; i < s->node[reader].n_slot; i++)
        bytes *= (double)fu_extent(s, fu_class_of(s, reader, i), NULL);
    return bytes < whole ? bytes : whole;
}

/* Axis a of the tensor at its own classes, or at those of map in reader. */
static fu_class class_at(const traffic *t, ir_id tensor, const fu_edge *map, ir_id reader, uint32_t a) {
    if (!map) return fu_class_of(t->p->s, tensor, a);
    return map->map[a] < 0 ? 0 : fu_class_of(t->p->s, reader, (uint32_t)map->map[a]);
}

static void count_size(lw_sizes *sizes, sn_dtype dtype, int written) {
    uint8_t size = (uint8_t)sn_dtype_size(dtype), *most = written ? &sizes->written : &sizes->read;
    if (!sizes->least || sizes->least > size) sizes->least = size;
    if (*most < size) *most = size;
}

static uint32_t largest(const lw_sizes *sizes) { return sizes->read > sizes->written ? sizes->read : sizes->written; }

static void count_across(traffic *t, ir_id tensor, const fu_edge *map, ir_id reader, kn_id contiguous, double bytes) {
    const ir_node *n = ir_at(t->p->s->g, tensor);
    for (uint32_t a = 0; a < n->rank; a++) {
        fu_class c = class_at(t, tensor, map, reader, a);
        const lw_axis *axis = c ? lw_axis_info(t->p, c) : NULL;
        if (axis && axis->axis != KN_NONE && axis->axis != contiguous) t->across[contiguous][axis->axis] += bytes;
    }
}

static void count_contiguous(traffic *t, ir_id tensor, const fu_edge *map, ir_id reader, int written) {
    lw_part *p = t->p;
    double bytes = bytes_read(p->s, tensor, reader);
    const ir_node *n = ir_at(p->s->g, tensor);
    int first = 1;
    for (uint32_t a = n->rank; a-- > 0;) {
        fu_class c = class_at(t, tensor, map, reader, a);
        if (!c) {
            int64_t one;
            if (ir_dim_is_const(p->s->g, n->dim[a], &one) && one == 1) continue;
            return; /* the contiguous axis is not walked */
        }
        const lw_axis *axis = lw_axis_info(p, c);
        if (axis && axis->axis != KN_NONE) {
            t->bytes[axis->axis] += bytes;
            if (first) {
                count_size(&t->size[axis->axis], (sn_dtype)n->dtype, written);
                count_across(t, tensor, map, reader, axis->axis, bytes);
            }
        }
        first = 0;
        if (!axis || axis->role != KN_UNROLL) return; /* unrolled: the next axis out is nearly contiguous */
    }
}

static void walk(traffic *t, ir_id v, int top) {
    lw_part *p = t->p;
    if ((!top && p->item[v].scheduled && p->item[v].phase != t->phase) || !lw_visit(p, v)) return;
    lw_source source = lw_source_of(p, v);
    if (source == LW_MEMORY || source == LW_PARTIALS) {
        count_contiguous(t, v, NULL, v, 0);
        return;
    }
    const ir_node *n = ir_at(p->s->g, v);
    double copies = 1;
    for (uint32_t i = 0; i < p->s->node[v].n_slot; i++) {
        const lw_axis *axis = lw_axis_info(p, fu_class_of(p->s, v, i));
        if (axis && axis->role == KN_UNROLL) copies *= (double)fu_extent(p->s, axis->cls, NULL);
    }
    t->guards |= n->op == IR_CONCAT || n->op == IR_PAD;
    t->prims += copies * (ir_ops[n->op].cost + (ir_ops[n->op].cls == IR_CLASS_OTHER ? 1 : 0));
    for (uint32_t k = 0; k < n->n_in; k++) {
        if (p->s->node[v].edge[k].pointwise)
            walk(t, n->in[k], 0);
        else
            count_contiguous(t, n->in[k], &p->s->node[v].edge[k], v, 0);
    }
    int adds = p->s->node[v].is_exit && p->s->machine == KN_FOR_CPU; /* to sums kept for each element of loops */
    if ((p->s->node[v].stored || adds) && source == LW_MEMBER) count_contiguous(t, v, NULL, v, 1);
}

static void measure(traffic *t, lw_part *p, uint32_t phase) {
    *t = (traffic){.p = p, .phase = phase};
    lw_walk(p);
    for (uint32_t i = 0; i < p->list.n; i++) {
        const lw_item *item = &p->item[p->list.at[i]];
        if (item->scheduled && item->phase == phase) walk(t, p->list.at[i], 1);
    }
    for (uint32_t i = 0; i < p->group->assign.n; i++)
        if (p->assign_phase[i] == phase) {
            ir_id v = p->s->assign.at[p->group->assign.at[i]].value;
            walk(t, v, 0);
            count_contiguous(t, v, NULL, v, 1);
        }
}

double lw_extent(const lw_part *p, kn_id axis) {
    for (uint32_t i = 0; i < p->n_axis; i++)
        if (p->axis[i].axis == axis) return (double)fu_nominal(p->s, p->axis[i].extent, NULL);
    return MAX_PARTIAL_CHUNKS; /* an axis over chunks */
}

int lw_has_fold(const lw_part *p, uint32_t phase) {
    for (uint32_t i = 0; i < p->list.n; i++) {
        const lw_item *item = &p->item[p->list.at[i]];
        if (item->scheduled && item->phase == phase && item->loop_fold) return 1;
    }
    return 0;
}

static kn_id last_point(const lw_part *p) {
    kn_id axis = KN_NONE;
    for (uint32_t i = 0; i < p->n_axis; i++)
        if (p->axis[i].role == KN_POINT && p->axis[i].axis != KN_NONE) axis = p->axis[i].axis;
    return axis;
}

/* Loops with the most contiguous one innermost. */
static void order_loops(lw_phase *phase, const traffic *t) {
    for (uint32_t axis = 0; axis < KN_MAX_AXES; axis++)
        if ((phase->nest >> axis & 1) && phase->n_loop < KN_MAX_NEST) phase->loop[phase->n_loop++] = (kn_id)axis;
    for (uint32_t i = 1; i < phase->n_loop; i++)
        for (uint32_t k = i; k > 0 && t->bytes[phase->loop[k - 1]] > t->bytes[phase->loop[k]]; k--) {
            kn_id swap = phase->loop[k];
            phase->loop[k] = phase->loop[k - 1];
            phase->loop[k - 1] = swap;
        }
}

static uint32_t accumulators(double prims) { return prims <= LIGHT_BODY ? 4 : prims <= MEDIUM_BODY ? 2 : 1; }

/* Much is contiguous along the loop and much along the points: blocks of both. */
static int in_blocks(const lw_part *p, const traffic *t, kn_id inner, kn_id point) {
    return inner != KN_NONE && point != KN_NONE && lw_extent(p, point) >= FU_BLOCK_EXTENT &&
           t->across[inner][point] >= FU_BLOCK_BYTES && t->across[point][inner] >= FU_BLOCK_BYTES;
}

static uint32_t block_tile(const traffic *t, kn_id inner, kn_id point, double prims) {
    uint32_t size = largest(&t->size[inner]), other = largest(&t->size[point]), tile = BLOCK_TILE;
    if (size < other) size = other;
    while (tile * size > BLOCK_LINE) tile /= 2;
    while (tile > LEAST_BLOCK_TILE && tile * prims > BLOCK_PRIMS) tile /= 2;
    return tile;
}

/* A loop across rows that the points lie along, with little done for each element: what it takes is how memory is met.
 * A tile of one line splits two lines in each row that does not begin at one, and comes back to each page for the
 * next tile. */
static int is_stream(const traffic *t, kn_id inner, kn_id point) {
    return inner != KN_NONE && point != KN_NONE && t->across[point][inner] > 0 && t->prims <= LIGHT_BODY;
}

/* Nominal bytes that each chunk leaves to be combined. */
double lw_partial_bytes(const lw_part *p) {
    double bytes = 0;
    for (uint32_t i = 0; i < p->group->member.n; i++)
        if (p->s->node[p->group->member.at[i]].is_exit) bytes += fu_bytes(p->s, p->group->member.at[i]);
    return bytes;
}

int lw_sums_rows(const lw_part *p) {
    for (uint32_t i = 0; i < p->group->member.n; i++) {
        ir_id v = p->group->member.at[i];
        if (p->s->node[v].is_exit && p->item[v].over & p->loop_axes) return 1;
    }
    return 0;
}

/* Partials are combined in chunk order: one accumulator, no lanes along the chunks. */
int lw_over_chunks(const lw_part *p, const lw_phase *phase) {
    for (uint32_t k = 0; k < p->n_chunks; k++)
        if (phase->nest >> p->chunks[k].axis & 1) return 1;
    return 0;
}

/* Sum of primitives over the nominal index space, as a dim: for profiles. */
static void add_flops(lw_part *p) {
    ir_graph *g = p->s->g;
    for (uint32_t l = 0; l < p->list.n; l++) {
        ir_id v = p->list.at[l];
        const ir_op_info *info = &ir_ops[ir_at(g, v)->op];
        lw_source source = lw_source_of(p, v);
        if (source != LW_MEMBER) continue;
        int64_t cost = ir_at(g, v)->op == IR_MATMUL ? 2 : info->cls == IR_CLASS_REDUCE ? 1 : info->cost;
        ir_dim n = ir_dim_const(g, cost);
        for (uint32_t i = 0; i < p->s->node[v].n_slot; i++) n = ir_dim_mul(g, n, p->s->extent[p->s->node[v].slot + i]);
        p->launch->flops = ir_dim_add(g, p->launch->flops, n);
    }
}

/* On a GPU the loops' order is the same; the rest is decided there. */
static void schedule_gpu(lw_part *p, kn_id point) {
    lw_traffic *of = ARENA_ARRAY(p->s->arena, lw_traffic, p->phase.n);
    for (uint32_t i = 0; i < p->phase.n; i++) {
        traffic t;
        measure(&t, p, i);
        order_loops(&p->phase.at[i], &t);
        memcpy(of[i].bytes, t.bytes, sizeof t.bytes);
        memcpy(of[i].size, t.size, sizeof t.size);
        of[i].prims = t.prims;
        of[i].guards = t.guards;
        const lw_phase *phase = &p->phase.at[i];
        kn_id inner = phase->n_loop ? phase->loop[phase->n_loop - 1] : (kn_id)KN_NONE;
        of[i].across = in_blocks(p, &t, inner, point);
        if (inner == KN_NONE || point == KN_NONE) continue;
        of[i].by_loops = t.across[point][inner];
        of[i].by_points = t.across[inner][point];
    }
    lw_schedule_gpu(p, of, point);
    add_flops(p);
}

void lw_schedule(lw_part *p) {
    kn_id point = last_point(p);
    p->team = 1;
    p->rounds = 0;
    if (p->s->machine == KN_FOR_GPU) {
        schedule_gpu(p, point);
        return;
    }
    traffic *t = ARENA_ARRAY(p->s->arena, traffic, p->phase.n);
    int loop_lanes = 0, tile_phases = 0;
    const traffic *block = NULL; /* of a phase that reads or writes in blocks */
    kn_id block_loop = KN_NONE;
    double ns = 0, stream = 0;
    uint32_t stream_size = sizeof(float); /* what is smaller is as large in registers */
    for (uint32_t i = 0; i < p->phase.n; i++) {
        lw_phase *phase = &p->phase.at[i];
        measure(&t[i], p, i);
        order_loops(phase, &t[i]);
        double work = t[i].prims + 1;
        for (uint32_t k = 0; k < phase->n_loop; k++) work *= lw_extent(p, phase->loop[k]);
        if (!phase->entry) ns += work * NS_PER_PRIM;
        tile_phases += !phase->entry;
        kn_id inner = phase->n_loop ? phase->loop[phase->n_loop - 1] : KN_NONE;
        if (!phase->entry && is_stream(&t[i], inner, point)) {
            stream += work * NS_PER_PRIM;
            if (stream_size < largest(&t[i].size[point])) stream_size = largest(&t[i].size[point]);
        }
        int long_loop = inner != KN_NONE && lw_extent(p, inner) >= LOOP_WIDTH && !lw_over_chunks(p, phase);
        int blocks = long_loop && !phase->entry && in_blocks(p, &t[i], inner, point);
        int prefer_loop = long_loop && (phase->entry || blocks || t[i].bytes[inner] >= t[i].bytes[point]);
        if (prefer_loop) phase->lanes = inner;
        if (prefer_loop && !phase->entry) loop_lanes = 1;
        if (blocks) {
            block = &t[i];
            block_loop = inner;
        }
    }
    int in_stream = !block && !loop_lanes && stream >= ns / 2 && stream > 0 &&
                    lw_extent(p, point) * stream_size >= STREAM_TILES * STREAM_BYTES;
    p->tile = 1;
    if (point != KN_NONE && tile_phases) {
        double extent = lw_extent(p, point);
        double prims = 0; /* with copies by unrolling: few loops, few values alive */
        for (uint32_t i = 0; i < p->phase.n; i++) prims += p->phase.at[i].entry ? 0 : t[i].prims;
        if (block)
            p->tile = block_tile(block, block_loop, point, prims);
        else if (in_stream)
            p->tile = STREAM_BYTES / stream_size;
        else if (!loop_lanes)
            p->tile = prims <= 2 * LIGHT_BODY && extent >= LIGHT_POINTS ? LIGHT_POINT_WIDTH : POINT_WIDTH;
        else if (extent >= MANY_POINTS || (extent > 1 && ns <= FEW_POINT_NS))
            p->tile = lw_sums_rows(p) ? SUM_TILE : ROW_TILE;
    }
    for (uint32_t i = 0; i < p->phase.n; i++) {
        lw_phase *phase = &p->phase.at[i];
        kn_id inner = phase->n_loop ? phase->loop[phase->n_loop - 1] : KN_NONE;
        int chunks = lw_over_chunks(p, phase);
        if (phase->lanes != KN_NONE)
            phase->width = LOOP_WIDTH;
        else if (!phase->entry && loop_lanes && inner != KN_NONE && lw_extent(p, inner) >= LOOP_WIDTH && !chunks) {
            phase->lanes = inner; /* mixed parts: vectors along loops, the few points as copies */
            phase->width = LOOP_WIDTH;
        } else if (!phase->entry && p->tile > 1) {
            phase->lanes = point;
            phase->width = p->tile;
        }
        if (lw_has_fold(p, i) && !chunks && !block)
            phase->ilp = accumulators(t[i].prims); /* a block has copies enough */
        if (in_stream && phase->ilp > STREAM_ILP) phase->ilp = STREAM_ILP;
    }
    double per_tile = ns * p->tile;
    double partial = lw_partial_bytes(p), chunk = CHUNK_NS + partial * PARTIAL_NS_PER_BYTE;
    double grain = per_tile > 0 ? chunk / per_tile : chunk;
    p->grain = grain < 1 ? 1 : grain > 1 << 20 ? 1 << 20 : (uint32_t)grain;
    p->max_chunks = partial > 0 ? MAX_PARTIAL_CHUNKS : MAX_CHUNKS;
    if (!p->point_axes) p->max_chunks = 1;
    add_flops(p);
}
