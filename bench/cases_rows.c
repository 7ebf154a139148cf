/* Work on rows of a matrix, and folds: of everything, and of columns. */
#include "bench.h"
#include "yard.h"

#include <math.h>
#include <string.h>

enum { SOFTMAX, LAYER_NORM, SUM, MAX, ARGMAX, COLUMNS };

typedef struct {
    bench_run *run;
    int variant;
    int64_t n_out, index;
    float *got, *got2;
    yard_matrix yard;
    void (*body)(void *arg, int part, int parts);
} matrix;

static void ours(void *arg) { bench_call(((matrix *)arg)->run); }

static void yard(void *arg) {
    matrix *s = arg;
    team_run(s->run->team, s->body, &s->yard);
}

static double error(void *arg) {
    const matrix *s = arg;
    if (s->variant == ARGMAX) return s->index == s->yard.index ? 0 : 1;
    double scale = s->variant == SUM ? 1e3 : s->variant == COLUMNS ? 1e2 : s->variant == SOFTMAX ? 1e-6 : 1e-2;
    double e = bench_difference(s->got, s->yard.out, s->n_out, scale);
    return s->got2 ? fmax(e, bench_difference(s->got2, s->yard.out2, s->n_out, scale)) : e;
}

static void bind_out(matrix *s, size_t at, void *data, sn_dtype dtype, int32_t rank, const int64_t *sizes) {
    sn_tensor t = sn_tensor_of(dtype, data, rank, sizes);
    bench_bind_out(s->run, at, &t);
}

static matrix *new_matrix(bench_run *run, const bench_case *c, int64_t rows, int64_t columns, int64_t n_out) {
    matrix *s = run->state = bench_alloc(run, sizeof *s);
    *s = (matrix){.run = run, .variant = c->variant, .n_out = n_out, .got = bench_floats(run, n_out)};
    s->yard = (yard_matrix){.team = run->team, .rows = rows, .columns = columns, .out = bench_floats(run, n_out)};
    s->yard.x = bench_uniform(run, rows * columns, 1, -1, 1);
    run->ours = ours;
    run->yard = yard;
    run->error = error;
    run->bytes = (double)sizeof(float) * (double)(rows * columns + n_out);
    return s;
}

static void setup_rows(bench_run *run, const bench_case *c) {
    int64_t rows = c->size, columns = 1024, sizes[] = {rows, columns};
    int norm = c->variant == LAYER_NORM;
    matrix *s = new_matrix(run, c, rows, columns, norm ? rows : rows * columns);
    s->body = norm ? yard_layer_norm : yard_softmax;
    sn_graph *g = bench_graph(run);
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N"), SN_DIM(columns)));
    sn_expr softmax = sn_softmax(x, 1), stats[] = {sn_mean(x, SN_AXES(1), 0), sn_variance(x, SN_AXES(1), 0)};
    bench_compile(run, &x, 1, norm ? stats : &softmax, norm ? 2 : 1, NULL, 0);
    sn_tensor in = sn_tensor_of(SN_F32, (void *)(uintptr_t)s->yard.x, 2, sizes);
    bench_bind_in(run, 0, &in);
    bind_out(s, 0, s->got, SN_F32, norm ? 1 : 2, sizes);
    if (!norm) return;
    s->got2 = bench_floats(run, rows);
    s->yard.out2 = bench_floats(run, rows);
    bind_out(s, 1, s->got2, SN_F32, 1, sizes);
}

static void setup_fold(bench_run *run, const bench_case *c) {
    int columns = c->variant == COLUMNS;
    int64_t n = c->size, sizes[] = {n / 1024, 1024};
    matrix *s = new_matrix(run, c, n / 1024, 1024, columns ? 1024 : 1);
    s->yard.part_columns = bench_floats(run, 1024 * (int64_t)run->threads);
    sn_graph *g = bench_graph(run);
    sn_expr x = sn_input(g, "x", SN_F32, columns ? sn_shape_of_sizes(2, sizes) : sn_shape_of_sizes(1, &n)), out;
    switch (c->variant) {
        case SUM: out = sn_sum_all(x), s->body = yard_sum; break;
        case MAX: out = sn_amax_all(x), s->body = yard_max; break;
        case ARGMAX: out = sn_argmax(x, 0, 0), s->body = yard_argmax; break;
        default: out = sn_sum(x, SN_AXES(0), 0), s->body = yard_column_sums; break;
    }
    bench_compile(run, &x, 1, &out, 1, NULL, 0);
    sn_tensor in = sn_tensor_of(SN_F32, (void *)(uintptr_t)s->yard.x, columns ? 2 : 1, columns ? sizes : &n);
    bench_bind_in(run, 0, &in);
    if (c->variant == ARGMAX)
        bind_out(s, 0, &s->index, SN_I64, 0, NULL);
    else
        bind_out(s, 0, s->got, SN_F32, columns ? 1 : 0, (int64_t[]){1024});
}

static const bench_case rows[] = {
    {.name = "softmax",
     .what = "softmax of 4096 rows of 1024",
     .yardstick = "a row at a time: largest, sum of exp with libmvec, scale",
     .measure = BENCH_SPEED,
     .limit = 0.95,
     .tolerance = 1e-3,
     .setup = setup_rows,
     .dtype = SN_F32,
     .size = 4096,
     .variant = SOFTMAX},
    {.name = "layer-norm",
     .what = "mean and variance of 4096 rows of 1024",
     .yardstick = "a row at a time: sum, sum of squared distances",
     .measure = BENCH_SPEED,
     .limit = 0.95,
     .tolerance = 1e-4,
     .setup = setup_rows,
     .dtype = SN_F32,
     .size = 4096,
     .variant = LAYER_NORM},
};
const bench_list bench_rows = {rows, sizeof rows / sizeof *rows};

#define FOLD(name_, what_, yardstick_, kind, size_)                                                                    \
    {                                                                                                                  \
        .name = name_, .what = what_, .yardstick = yardstick_, .measure = BENCH_SPEED, .limit = 0.9,                   \
        .tolerance = 1e-4, .setup = setup_fold, .dtype = SN_F32, .size = size_, .variant = kind                        \
    }
static const bench_case folds[] = {
    FOLD("sum", "sum of 16 M elements", "a loop with eight vectors of accumulators: read bandwidth", SUM, 16 << 20),
    FOLD("max", "largest of 16 M elements", "a loop with eight vectors of accumulators: read bandwidth", MAX, 16 << 20),
    FOLD("argmax", "index of the largest of 16 M elements", "largest per block, then a search: read bandwidth", ARGMAX,
         16 << 20),
    FOLD("column-sums", "sums of the columns of 16384 x 1024", "four rows at a time: read bandwidth", COLUMNS,
         16 << 20),
};
const bench_list bench_folds = {folds, sizeof folds / sizeof *folds};
