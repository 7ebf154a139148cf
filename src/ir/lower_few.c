/* A product of few rows with a matrix, or of a matrix with few columns, as a part of its own. All rows are copies of
 * one body, so that the matrix is read once, as it lies; its elements are lanes along the axis that is contiguous in
 * it: the result's, or the one that is summed over.
 *
 * A symbolic number of rows is one that is assumed to be at least 1 and at most the number of copies: the copies beyond
 * compute the last row once more and store nothing. */
#include "ir/lower.h"

enum {
    LINE = 128,      /* bytes of a row of the matrix that become results at once */
    SUM_LANES = 16,  /* lanes along the axis that is summed over .. */
    SUM_TILE = 2,    /* .. of so many results */
    COPIES = 8,      /* sums in flight: fewer rows run more iterations together */
    CHUNK_NS = 4000, /* work of a chunk, as in schedule.c */
    MAX_CHUNKS = 256
};
static const double NS_PER_PRODUCT = 0.012;

typedef struct {
    lw_part *p;
    const ir_node *n;
    uint32_t few;   /* 0: few rows of the first operand; 1: few columns of the second */
    ir_dim size[3]; /* m, n, k */
    kn_id axis[3];  /* their axes */
    kn_id batch;    /* or KN_NONE */
    int64_t copies;
    kn_id row, there; /* of a symbolic number of rows: the row of a copy, and whether there is one; else KN_NONE */
} product;

static ir_id memory_of(const lw_part *p, ir_id u) {
    while (p->s->node[u].kind == FU_ALIAS) u = ir_at(p->s->g, u)->in[0];
    return u;
}

/* Element [row][column] of one matrix of a batch; row and column are numbers of m, n, k. */
static kn_access element(const product *f, kn_id mem, uint32_t row, uint32_t column) {
    lw_part *p = f->p;
    kn_access access = kn_access_of(mem);
    ir_dim matrix = ir_dim_mul(p->s->g, f->size[row], f->size[column]);
    if (f->batch != KN_NONE) kn_access_step(&access, f->batch, lw_size(p, matrix));
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t at = i ? column : row;
        kn_size step = i ? KN_C(1) : lw_size(p, f->size[column]);
        if (at == f->few && f->row != KN_NONE) {
            access.ix = f->row;
            access.ix_step = step;
        } else {
            kn_access_step(&access, f->axis[at], step);
        }
    }
    return access;
}

static kn_id operand(const product *f, uint32_t k) {
    lw_part *p = f->p;
    ir_id u = memory_of(p, f->n->in[k]);
    pg_ref ref = p->s->node[u].is_exit ? p->place[u].stored : p->place[u].ref;
    sn_dtype type = (sn_dtype)f->n->dtype;
    kn_id mem = lw_mem(p, ref, KN_IN, type, lw_count(p, u), -1, 0, k ? "b" : "a");
    int transposed = f->n->attr[0] >> k & 1;
    uint32_t row = k ? 2 : 0, column = k ? 1 : 2;
    return kn_load(&p->launch->b, type, element(f, mem, transposed ? column : row, transposed ? row : column));
}

static void find_rows(product *f) {
    kn_build *b = &f->p->launch->b;
    f->row = f->there = KN_NONE;
    if (ir_dim_is_const(f->p->s->g, f->size[f->few], NULL)) return;
    kn_id rows = kn_dim_value(b, lw_size(f->p, f->size[f->few]).dim), copy = kn_index(b, f->axis[f->few]);
    kn_id last = kn_prim2(b, KP_ADD, SN_I64, rows, kn_const_i(b, SN_I64, -1));
    f->row = kn_prim2(b, KP_MIN, SN_I64, copy, last);
    f->there = kn_prim2(b, KP_LT, SN_BOOL, copy, rows);
}

static uint32_t grain_of(const product *f, uint32_t tile) {
    double k = (double)fu_nominal(f->p->s, f->size[2], NULL);
    double ns = k * (double)f->copies * tile * NS_PER_PRODUCT;
    return ns >= CHUNK_NS ? 1 : (uint32_t)(CHUNK_NS / ns);
}

/* Batch and the many rows or columns are the points. */
static uint32_t make_axes(product *f, kn_id *point) {
    lw_part *p = f->p;
    kn_build *b = &p->launch->b;
    ir_dim batch = ir_dim_const(p->s->g, 1), one = batch;
    uint32_t n_point = 0;
    for (uint32_t a = 0; a + 2u < f->n->rank; a++) batch = ir_dim_mul(p->s->g, batch, f->n->dim[a]);
    f->batch = batch == one ? KN_NONE : (point[n_point++] = kn_add_axis(b, KN_POINT, lw_size(p, batch)));
    point[n_point++] = f->axis[!f->few] = kn_add_axis(b, KN_POINT, lw_size(p, f->size[!f->few]));
    f->axis[2] = kn_add_axis(b, KN_LOOP, lw_size(p, f->size[2]));
    f->axis[f->few] = kn_add_axis(b, KN_UNROLL, KN_C(f->copies));
    ir_dim products =
        ir_dim_mul(p->s->g, ir_dim_mul(p->s->g, batch, f->size[0]), ir_dim_mul(p->s->g, f->size[1], f->size[2]));
    ir_dim flops = ir_dim_mul(p->s->g, ir_dim_const(p->s->g, 2), products);
    p->launch->flops = ir_dim_add(p->s->g, p->launch->flops, flops);
    return n_point;
}

void lw_few(lw_part *p) {
    kn_build *b = &p->launch->b;
    ir_id v = p->group->member.at[0];
    product f = {.p = p, .n = ir_at(p->s->g, v)};
    const ir_dim *extent = p->s->extent + p->s->node[v].slot + f.n->rank - 2u;
    for (uint32_t i = 0; i < 3; i++) f.size[i] = extent[i];
    int64_t least;
    f.few = !fu_range(p->s, f.size[0], &least, &f.copies) || f.copies > FU_FEW_ROWS;
    if (f.few) fu_range(p->s, f.size[1], &least, &f.copies);
    b->now_for = v;
    sn_dtype type = (sn_dtype)f.n->dtype;
    kn_id point[2];
    uint32_t n_point = make_axes(&f, point);
    /* The matrix is [k, many] or [many, k]: the second operand as it is, the first transposed, or the other way. */
    int along_points = (int)(f.n->attr[0] >> !f.few & 1) == (int)f.few;
    uint32_t tile = along_points ? LINE / (uint32_t)sn_dtype_size(type) : SUM_TILE,
             width = along_points ? tile : SUM_LANES;
    uint32_t ilp = 1;
    while (ilp * 2 * f.copies <= COPIES) ilp *= 2;
    kn_part_begin(b, n_point, point, tile, grain_of(&f, tile), MAX_CHUNKS);
    kn_phase_begin(b, 0, 1, &f.axis[2], along_points ? f.axis[!f.few] : f.axis[2], width, ilp);
    find_rows(&f);
    kn_id x = operand(&f, 0), y = operand(&f, 1);
    kn_id sum = kn_fold(b, KP_FMA, type, 1u << f.axis[2], x, y);
    kn_id out = lw_mem(p, p->place[v].ref, KN_OUT, type, lw_count(p, v), -1, 0, "c");
    kn_access to = kn_access_of(out);
    if (f.batch != KN_NONE) kn_access_step(&to, f.batch, lw_size(p, ir_dim_mul(p->s->g, f.size[0], f.size[1])));
    kn_access_step(&to, f.axis[0], lw_size(p, f.size[1]));
    kn_access_step(&to, f.axis[1], KN_C(1));
    to.guard = f.there;
    kn_store(b, to, sum);
    kn_phase_end(b);
    kn_part_end(b);
}
