/* Element-wise work: a chain that memory bounds, and maths functions in the cache; and a transposing read. */
#include "bench.h"
#include "yard.h"

#include <math.h>
#include <string.h>

typedef struct {
    bench_run *run;
    float *got;
    yard_vector yard;
    void (*body)(void *arg, int part, int parts);
} vector;

static void ours(void *arg) { bench_call(((vector *)arg)->run); }

static void yard(void *arg) {
    vector *s = arg;
    team_run(s->run->team, s->body, &s->yard);
}

static double error(void *arg) {
    const vector *s = arg;
    return bench_difference(s->got, s->yard.out, s->yard.n, 1e-3);
}

static vector *new_vector(bench_run *run, int64_t n) {
    vector *s = run->state = bench_alloc(run, sizeof *s);
    *s = (vector){.run = run, .got = bench_floats(run, n), .yard = {.n = n, .out = bench_floats(run, n)}};
    run->ours = ours;
    run->yard = yard;
    run->error = error;
    return s;
}

static void bind(vector *s, const float *const *in, size_t n_in, int32_t rank, const int64_t *sizes) {
    for (size_t i = 0; i < n_in; i++) {
        sn_tensor t = sn_tensor_of(SN_F32, (void *)(uintptr_t)in[i], rank, sizes);
        bench_bind_in(s->run, i, &t);
    }
    sn_tensor out = sn_tensor_of(SN_F32, s->got, rank, sizes);
    bench_bind_out(s->run, 0, &out);
}

/* ---- chain ------------------------------------------------------------------------------------------------------- */

static sn_expr chain_of(sn_graph *g, sn_expr x, sn_expr y, sn_expr z) {
    sn_expr a = sn_add(sn_mul(x, y), z);
    sn_expr b = sn_mul(sn_max(sn_sub(a, x), y), z);
    return sn_mul(sn_abs(sn_sub(b, sn_const(g, 0.5))), a);
}

static void setup_chain(bench_run *run, const bench_case *c) {
    vector *s = new_vector(run, c->size);
    s->body = yard_chain;
    s->yard.x = bench_uniform(run, c->size, 1, -1, 1);
    s->yard.y = bench_uniform(run, c->size, 2, -1, 1);
    s->yard.z = bench_uniform(run, c->size, 3, -1, 1);
    sn_graph *g = bench_graph(run);
    sn_dim N = sn_dim_new(g, "N");
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(N)), y = sn_input(g, "y", SN_F32, SN_SHAPE(N));
    sn_expr z = sn_input(g, "z", SN_F32, SN_SHAPE(N));
    sn_expr out = chain_of(g, x, y, z);
    const sn_expr in[] = {x, y, z};
    bench_compile(run, in, 3, &out, 1, NULL, 0);
    bind(s, (const float *const[]){s->yard.x, s->yard.y, s->yard.z}, 3, 1, &c->size);
    run->bytes = 4.0 * sizeof(float) * (double)c->size;
}

typedef struct {
    bench_run *run;
    sn_dtype dtype;
    uint16_t *got;
    yard_halves yard;
} halves;

static void ours_halves(void *arg) { bench_call(((halves *)arg)->run); }
static void yard_of_halves(void *arg) {
    halves *s = arg;
    team_run(s->run->team, s->dtype == SN_F16 ? yard_chain_f16 : yard_chain_bf16, &s->yard);
}

/* In units of what one rounding to the type may differ. */
static double error_of_halves(void *arg) {
    const halves *s = arg;
    double worst = 0, unit = s->dtype == SN_F16 ? 0x1p-10 : 0x1p-7;
    for (int64_t i = 0; i < s->yard.n; i++) {
        double a = sn_element_get(s->dtype, s->got + i), b = sn_element_get(s->dtype, s->yard.out + i);
        double e = fabs(a - b) / (unit * (1e-3 + fabs(b)));
        if (!(e <= worst)) worst = e;
    }
    return worst;
}

static const uint16_t *halves_of(bench_run *run, sn_dtype dtype, int64_t n, uint32_t seed) {
    uint16_t *p = bench_alloc(run, (size_t)n * sizeof *p);
    for (int64_t i = 0; i < n; i++) sn_element_put(dtype, p + i, bench_uniform_at(i, seed, -1, 1));
    return p;
}

static void setup_halves(bench_run *run, const bench_case *c) {
    halves *s = run->state = bench_alloc(run, sizeof *s);
    sn_graph *g = bench_graph(run);
    sn_dim N = sn_dim_new(g, "N");
    sn_expr x = sn_input(g, "x", c->dtype, SN_SHAPE(N)), y = sn_input(g, "y", c->dtype, SN_SHAPE(N));
    sn_expr z = sn_input(g, "z", c->dtype, SN_SHAPE(N)), out = chain_of(g, x, y, z);
    const sn_expr in[] = {x, y, z};
    *s = (halves){.run = run, .dtype = c->dtype, .got = bench_alloc(run, (size_t)c->size * sizeof *s->got)};
    s->yard = (yard_halves){c->size, halves_of(run, c->dtype, c->size, 1), halves_of(run, c->dtype, c->size, 2),
                            halves_of(run, c->dtype, c->size, 3), bench_alloc(run, (size_t)c->size * sizeof *s->got)};
    run->ours = ours_halves;
    run->yard = yard_of_halves;
    run->error = error_of_halves;
    bench_compile(run, in, 3, &out, 1, NULL, 0);
    const uint16_t *const data[] = {s->yard.x, s->yard.y, s->yard.z};
    for (size_t i = 0; i < 3; i++) {
        sn_tensor t = sn_tensor_of(c->dtype, (void *)(uintptr_t)data[i], 1, &c->size);
        bench_bind_in(run, i, &t);
    }
    sn_tensor result = sn_tensor_of(c->dtype, s->got, 1, &c->size);
    bench_bind_out(run, 0, &result);
    run->bytes = 4.0 * sizeof(uint16_t) * (double)c->size;
}

/* ---- maths ------------------------------------------------------------------------------------------------------- */

enum { EXP, LOG, SIN, COS, TANH, SIGMOID, ERF };

static void setup_maths(bench_run *run, const bench_case *c) {
    vector *s = new_vector(run, c->size);
    double low = c->variant == LOG ? 1e-3 : -6, high = c->variant == LOG ? 1e3 : 6;
    s->yard.x = bench_uniform(run, c->size, 1, low, high);
    sn_graph *g = bench_graph(run);
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N"))), out;
    switch (c->variant) {
        case EXP: out = sn_exp(x), s->body = yard_exp; break;
        case LOG: out = sn_log(x), s->body = yard_log; break;
        case SIN: out = sn_sin(x), s->body = yard_sin; break;
        case COS: out = sn_cos(x), s->body = yard_cos; break;
        case TANH: out = sn_tanh(x), s->body = yard_tanh; break;
        case ERF: out = sn_erf(x), s->body = yard_erf; break;
        default: out = sn_sigmoid(x), s->body = yard_sigmoid; break;
    }
    bench_compile(run, &x, 1, &out, 1, NULL, 0);
    bind(s, &s->yard.x, 1, 1, &c->size);
}

/* ---- transposing read -------------------------------------------------------------------------------------------- */

/* The yardstick moves as many bytes with memcpy; the result is checked against a plain loop. */
static double transpose_error(void *arg) {
    const vector *s = arg;
    int64_t n = (int64_t)sqrt((double)s->yard.n);
    double worst = 0;
    for (int64_t i = 0; i < n; i += 7)
        for (int64_t j = 0; j < n; j++) {
            float want = (s->yard.x[i * n + j] + s->yard.y[j * n + i]) * s->yard.z[i * n + j];
            double e = fabs((double)s->got[i * n + j] - (double)want);
            if (!(e <= worst)) worst = e;
        }
    return worst;
}

static void yard_two_copies(void *arg) {
    vector *s = arg;
    yard_vector again = s->yard;
    team_run(s->run->team, yard_copy, &s->yard);
    again.x = s->yard.y;
    team_run(s->run->team, yard_copy, &again);
}

static void setup_transpose(bench_run *run, const bench_case *c) {
    int64_t n = c->size, sizes[] = {n, n};
    vector *s = new_vector(run, n * n);
    s->yard.x = bench_uniform(run, n * n, 1, -1, 1);
    s->yard.y = bench_uniform(run, n * n, 2, -1, 1);
    s->yard.z = bench_uniform(run, n * n, 3, -1, 1);
    sn_graph *g = bench_graph(run);
    sn_shape shape = sn_shape_of_sizes(2, sizes);
    sn_expr a = sn_input(g, "A", SN_F32, shape), b = sn_input(g, "B", SN_F32, shape),
            cc = sn_input(g, "C", SN_F32, shape);
    sn_expr out = sn_mul(sn_add(a, sn_t(b)), cc);
    const sn_expr in[] = {a, b, cc};
    bench_compile(run, in, 3, &out, 1, NULL, 0);
    bind(s, (const float *const[]){s->yard.x, s->yard.y, s->yard.z}, 3, 2, sizes);
    run->yard = yard_two_copies;
    run->error = transpose_error;
    run->bytes = 4.0 * sizeof(float) * (double)(n * n);
}

/* Matrices whose last two axes change places: rows and columns of a, or pixels and channels of images. */
static void setup_swap(bench_run *run, const bench_case *c) {
    int64_t sizes[] = {c->variant ? c->variant : 1, c->size, c->variant ? 64 : c->size};
    int64_t swapped[] = {sizes[0], sizes[2], sizes[1]};
    vector *s = new_vector(run, sizes[0] * sizes[1] * sizes[2]);
    s->yard.rows = sizes[1];
    s->yard.columns = sizes[2];
    s->yard.x = bench_uniform(run, s->yard.n, 1, -1, 1);
    s->body = yard_transpose;
    sn_expr x = sn_input(bench_graph(run), "x", SN_F32, sn_shape_of_sizes(3, sizes));
    sn_expr out = sn_transpose(x, SN_AXES(0, 2, 1));
    bench_compile(run, &x, 1, &out, 1, NULL, 0);
    sn_tensor in = sn_tensor_of(SN_F32, (void *)(uintptr_t)s->yard.x, 3, sizes);
    bench_bind_in(run, 0, &in);
    sn_tensor result = sn_tensor_of(SN_F32, s->got, 3, swapped);
    bench_bind_out(run, 0, &result);
    run->bytes = 2.0 * sizeof(float) * (double)s->yard.n;
}

#define MATHS(function, kind, least)                                                                                   \
    {                                                                                                                  \
        .name = "maths-" #function, .what = #function " of 1 M elements in the cache",                                 \
        .yardstick = "the loop over " #function ", vectorised by the compiler with libmvec", .measure = BENCH_SPEED,   \
        .limit = least, .tolerance = 1e-5, .setup = setup_maths, .dtype = SN_F32, .size = 1 << 20, .variant = kind     \
    }

static const bench_case cases[] = {
    {.name = "chain",
     .what = "eight element-wise operations over 16 M elements of three inputs",
     .yardstick = "one fused loop",
     .measure = BENCH_SPEED,
     .limit = 0.95,
     .tolerance = 1e-4,
     .setup = setup_chain,
     .dtype = SN_F32,
     .size = 16 << 20},
    {.name = "chain-f16",
     .what = "the same of f16",
     .yardstick = "one fused loop of F16C intrinsics",
     .measure = BENCH_SPEED,
     .limit = 0.95,
     .tolerance = 1.01,
     .setup = setup_halves,
     .dtype = SN_F16,
     .size = 16 << 20},
    {.name = "chain-bf16",
     .what = "the same of bf16",
     .yardstick = "one fused loop of AVX2 intrinsics",
     .measure = BENCH_SPEED,
     .limit = 0.95,
     .tolerance = 1.01,
     .setup = setup_halves,
     .dtype = SN_BF16,
     .size = 16 << 20},
    MATHS(exp, EXP, 1.0),
    MATHS(sin, SIN, 1.0),
    MATHS(cos, COS, 1.0),
    MATHS(tanh, TANH, 1.0),
    MATHS(sigmoid, SIGMOID, 1.0),
    MATHS(log, LOG, 0.8),
    MATHS(erf, ERF, 0.8),
    {.name = "transpose",
     .what = "(A + B^T) * C of 4096 x 4096",
     .yardstick = "memcpy of as many bytes",
     .measure = BENCH_SPEED,
     .limit = 0.6,
     .tolerance = 1e-6,
     .setup = setup_transpose,
     .dtype = SN_F32,
     .size = 4096},
    {.name = "transpose-4099",
     .what = "(A + B^T) * C of 4099 x 4099",
     .yardstick = "memcpy of as many bytes",
     .measure = BENCH_SPEED,
     .limit = 0.6,
     .tolerance = 1e-6,
     .setup = setup_transpose,
     .dtype = SN_F32,
     .size = 4099},
    {.name = "transpose-copy",
     .what = "x^T of 4096 x 4096",
     .yardstick = "blocks of 16 x 16, in C",
     .measure = BENCH_SPEED,
     .limit = 0.95,
     .setup = setup_swap,
     .dtype = SN_F32,
     .size = 4096},
    {.name = "transpose-images",
     .what = "channels first: 32 images of 56 x 56 pixels, 64 channels",
     .yardstick = "blocks of 16 x 16, in C",
     .measure = BENCH_SPEED,
     .limit = 0.95,
     .setup = setup_swap,
     .dtype = SN_F32,
     .size = 56 * 56,
     .variant = 32},
};
const bench_list bench_elementwise = {cases, sizeof cases / sizeof *cases};
