/* A training step of the half-moons networks: 5000 points and 1000 hidden units, where arithmetic counts; 200 points
 * and 3 hidden units, where the call itself does. The graph is what samples/moons describes. */
#include "bench.h"
#include "moons.h"
#include "yard.h"

#include <math.h>
#include <string.h>

static const double RATE = 0.01, L2 = 0.01;

void bench_moons_build(bench_run *run, int64_t hidden, sn_dtype dtype, sn_var *var[4], int64_t points,
                       sn_var *data[2]) {
    static const char *const names[] = {"W1", "b1", "W2", "b2"};
    const int32_t rank[] = {2, 1, 2, 1};
    const int64_t size[][2] = {{2, hidden}, {hidden}, {hidden, 2}, {2}};
    sn_graph *g = bench_graph(run);
    sn_dim N = points ? SN_DIM(points) : sn_dim_new(g, "N");
    sn_expr X, y, rate, step;
    if (points) {
        data[0] = bench_var(run, "X", dtype, 2, (int64_t[]){points, 2});
        data[1] = bench_var(run, "y", SN_I64, 1, &points);
        X = sn_use(g, data[0]);
        y = sn_use(g, data[1]);
        rate = sn_const(g, RATE);
        step = sn_input(g, "step", SN_I64, SN_SCALAR);
    } else {
        X = sn_input(g, "X", dtype, SN_SHAPE(N, SN_DIM(2)));
        y = sn_input(g, "y", SN_I64, SN_SHAPE(N));
        rate = sn_input(g, "rate", dtype, SN_SCALAR);
    }
    sn_expr p[4], d[4];
    for (int i = 0; i < 4; i++) {
        var[i] = bench_var(run, names[i], dtype, rank[i], size[i]);
        p[i] = sn_use(g, var[i]);
    }
    sn_expr z = sn_linear(sn_tanh(sn_linear(X, p[0], p[1])), p[2], p[3]);
    sn_expr squares = sn_add(sn_sum_all(sn_square(p[0])), sn_sum_all(sn_square(p[2])));
    sn_expr penalty = sn_div(sn_mul(sn_const(g, L2 / 2), squares), sn_cast(sn_dim_value(g, N), dtype));
    sn_expr loss = sn_add(sn_mean_all(sn_cross_entropy(z, y)), penalty);
    sn_update updates[4];
    if (sn_grad(loss, p, 4, d)) bench_fail(run, "%s", sn_graph_error(g));
    for (int i = 0; i < 4; i++) updates[i] = (sn_update){var[i], sn_sub(p[i], sn_mul(rate, d[i]))};
    const sn_expr in[] = {X, y, rate};
    bench_compile(run, points ? &step : in, points ? 1 : 3, NULL, 0, updates, 4);
}

void bench_moons_points(int64_t i, double x[2], int64_t *y) {
    double along = M_PI * bench_uniform_at(i, 1, 0, 1);
    *y = i % 2;
    x[0] = (*y ? 1 - cos(along) : cos(along)) + bench_uniform_at(i, 2, -0.2, 0.2);
    x[1] = (*y ? 0.5 - sin(along) : sin(along)) + bench_uniform_at(i, 3, -0.2, 0.2);
}

typedef struct {
    bench_run *run;
    sn_var *var[4];
    sn_dtype dtype;
    float rate_f32;
    double rate_f64;
    int64_t done; /* steps */
    yard_moons large;
    yard_moons_f32 small_f32;
    yard_moons_f64 small_f64;
} state;

static void ours(void *arg) { bench_call(((state *)arg)->run); }

static void bind(state *s, int64_t n, void *x, int64_t *y) {
    sn_tensor X = sn_tensor_of(s->dtype, x, 2, (int64_t[]){n, 2}), Y = sn_tensor_of(SN_I64, y, 1, &n);
    sn_tensor rate = sn_tensor_of(s->dtype, s->dtype == SN_F32 ? (void *)&s->rate_f32 : &s->rate_f64, 0, NULL);
    bench_bind_in(s->run, 0, &X);
    bench_bind_in(s->run, 1, &Y);
    bench_bind_in(s->run, 2, &rate);
}

static void yard_large(void *arg) {
    state *s = arg;
    team_run(s->run->team, yard_moons_large, &s->large);
}

static double error_large(void *arg) {
    state *s = arg;
    enum { H = YARD_MOONS_HIDDEN };
    float w1[2 * H], b1[H], w2[2 * H], b2[2], w2t[2 * H];
    bench_var_get(s->run, s->var[0], w1);
    bench_var_get(s->run, s->var[1], b1);
    bench_var_get(s->run, s->var[2], w2);
    bench_var_get(s->run, s->var[3], b2);
    for (int k = 0; k < 2; k++)
        for (int j = 0; j < H; j++) w2t[k * H + j] = w2[2 * j + k];
    double e[] = {bench_difference(w1, s->large.weights->w1[0], sizeof w1 / sizeof *w1, 1e-2),
                  bench_difference(b1, s->large.weights->b1, sizeof b1 / sizeof *b1, 1e-2),
                  bench_difference(w2t, s->large.weights->w2[0], sizeof w2t / sizeof *w2t, 1e-2),
                  bench_difference(b2, s->large.weights->b2, sizeof b2 / sizeof *b2, 1e-2)};
    return fmax(fmax(e[0], e[1]), fmax(e[2], e[3]));
}

/* On the device: steps in one call, and one a call, whose number goes along. */
static void ours_steps(void *arg) {
    state *s = arg;
    if (sn_call_run_steps(s->run->call, 0, 0, s->run->steps)) bench_fail(s->run, "%s", sn_call_error(s->run->call));
}

/* A few steps of both. */
static double error_steps(void *arg) {
    state *s = arg;
    enum { STEPS = 4 };
    if (sn_call_run_steps(s->run->call, 0, 0, STEPS)) bench_fail(s->run, "%s", sn_call_error(s->run->call));
    for (int i = 0; i < STEPS; i++) yard_large(s);
    return error_large(s);
}

enum { MOONS_STEPS = 1, MOONS_CALLS };

static void place_on_device(bench_run *run, const bench_case *c, int64_t n, const float *x, const int64_t *y) {
    state *s = run->state;
    sn_var *data[2];
    bench_moons_build(run, YARD_MOONS_HIDDEN, c->dtype, s->var, n, data);
    bench_var_set(run, data[0], x);
    bench_var_set(run, data[1], y);
    sn_tensor number = sn_tensor_of(SN_I64, &s->done, 0, NULL);
    bench_bind_in(run, 0, &number);
    run->steps = c->variant == MOONS_CALLS ? 0 : run->scale < 1 ? 4 : 512;
    run->ours = c->variant == MOONS_CALLS ? ours : ours_steps;
    run->error = error_steps;
}

static void setup_large(bench_run *run, const bench_case *c) {
    enum { H = YARD_MOONS_HIDDEN };
    state *s = run->state = bench_alloc(run, sizeof *s);
    int64_t n = c->variant ? bench_scaled(run, c->size, 16, 0) : c->size;
    *s = (state){.run = run, .dtype = c->dtype, .rate_f32 = (float)RATE};
    float *x = bench_floats(run, 2 * n);
    int64_t *y = bench_alloc(run, (size_t)n * sizeof *y);
    for (int64_t i = 0; i < n; i++) {
        double at[2];
        bench_moons_points(i, at, &y[i]);
        x[2 * i] = (float)at[0];
        x[2 * i + 1] = (float)at[1];
    }
    s->large = (yard_moons){.team = run->team, .n = n, .x = x, .y = y, .rate = (float)RATE, .l2 = (float)L2};
    s->large.a = bench_floats(run, n * 1024);
    s->large.weights = bench_alloc(run, sizeof *s->large.weights);
    s->large.gradient = bench_alloc(run, (size_t)run->threads * sizeof *s->large.gradient);
    float *w1 = bench_uniform(run, 2 * H, 4, -1.2, 1.2), *w2 = bench_uniform(run, 2 * H, 5, -0.05, 0.05);
    memcpy(s->large.weights->w1, w1, 2 * H * sizeof *w1);
    for (int k = 0; k < 2; k++)
        for (int j = 0; j < H; j++) s->large.weights->w2[k][j] = w2[2 * j + k];
    if (c->variant)
        place_on_device(run, c, n, x, y);
    else
        bench_moons_build(run, H, c->dtype, s->var, 0, NULL);
    bench_var_set(run, s->var[0], w1);
    bench_var_set(run, s->var[2], w2);
    if (c->variant) return;
    bind(s, n, x, y);
    run->ours = ours;
    run->yard = yard_large;
    run->error = error_large;
}

static void yard_small_f32(void *arg) { yard_moons_small_f32(&((state *)arg)->small_f32); }
static void yard_small_f64(void *arg) { yard_moons_small_f64(&((state *)arg)->small_f64); }

static double error_small(void *arg) {
    state *s = arg;
    const int n[4] = {6, 3, 6, 2};
    const float *f32[4] = {s->small_f32.w1, s->small_f32.b1, s->small_f32.w2, s->small_f32.b2};
    const double *f64[4] = {s->small_f64.w1, s->small_f64.b1, s->small_f64.w2, s->small_f64.b2};
    double worst = 0;
    for (int i = 0; i < 4; i++) {
        union {
            float f32[6];
            double f64[6];
        } got;
        bench_var_get(s->run, s->var[i], &got);
        for (int k = 0; k < n[i]; k++) {
            double a = s->dtype == SN_F32 ? (double)got.f32[k] : got.f64[k];
            double b = s->dtype == SN_F32 ? (double)f32[i][k] : f64[i][k], e = fabs(a - b) / (0.01 + fabs(b));
            if (!(e <= worst)) worst = e;
        }
    }
    return worst;
}

static void setup_small(bench_run *run, const bench_case *c) {
    state *s = run->state = bench_alloc(run, sizeof *s);
    *s = (state){.run = run, .dtype = c->dtype, .rate_f32 = (float)RATE, .rate_f64 = RATE};
    float *x32 = bench_floats(run, 2 * c->size);
    double *x64 = bench_alloc(run, (size_t)c->size * 2 * sizeof *x64);
    int64_t *y = bench_alloc(run, (size_t)c->size * sizeof *y);
    for (int64_t i = 0; i < c->size; i++) {
        bench_moons_points(i, &x64[2 * i], &y[i]);
        x32[2 * i] = (float)x64[2 * i];
        x32[2 * i + 1] = (float)x64[2 * i + 1];
    }
    s->small_f32 = (yard_moons_f32){.n = c->size, .x = x32, .y = y, .rate = (float)RATE, .l2 = (float)L2};
    s->small_f64 = (yard_moons_f64){.n = c->size, .x = x64, .y = y, .rate = RATE, .l2 = L2};
    for (int i = 0; i < 6; i++) {
        s->small_f64.w1[i] = bench_uniform_at(i, 4, -1.2, 1.2);
        s->small_f64.w2[i] = bench_uniform_at(i, 5, -1, 1);
        s->small_f32.w1[i] = (float)s->small_f64.w1[i];
        s->small_f32.w2[i] = (float)s->small_f64.w2[i];
    }
    int wide = c->dtype == SN_F64;
    bench_moons_build(run, 3, c->dtype, s->var, 0, NULL);
    bench_var_set(run, s->var[0], wide ? (void *)s->small_f64.w1 : s->small_f32.w1);
    bench_var_set(run, s->var[2], wide ? (void *)s->small_f64.w2 : s->small_f32.w2);
    bind(s, c->size, wide ? (void *)x64 : x32, y);
    run->ours = ours;
    run->yard = wide ? yard_small_f64 : yard_small_f32;
    run->error = error_small;
}

static const bench_case cases[] = {
    {.name = "moons-large",
     .what = "5000 points, 2-1000-2 tanh, softmax, cross-entropy, L2: one full-batch gradient step",
     .yardstick = "a row forward and backward at a time, tanh within 4 ulp",
     .measure = BENCH_TIME,
     .limit = 1.0,
     .by_mean = 1,
     .tolerance = 1e-5,
     .setup = setup_large,
     .dtype = SN_F32,
     .size = 5000},
    {.name = "moons-small",
     .what = "200 points, 2-3-2, the same step",
     .yardstick = "one loop with everything in registers, libmvec, one thread",
     .measure = BENCH_SECONDS,
     .limit = 2.5e-6,
     .tolerance = 1e-5,
     .setup = setup_small,
     .dtype = SN_F32,
     .size = 200},
    {.name = "moons-small-f64",
     .what = "200 points, 2-3-2, the same step in f64",
     .yardstick = "one loop with everything in registers, libmvec, one thread",
     .measure = BENCH_SECONDS,
     .limit = 5e-6,
     .tolerance = 1e-12,
     .setup = setup_small,
     .dtype = SN_F64,
     .size = 200},
};
const bench_list bench_moons = {cases, sizeof cases / sizeof *cases};

#define ON_DEVICE(name_, kind, how)                                                                                    \
    {                                                                                                                  \
        .name = name_, .what = "5000 points, 2-1000-2: a full-batch gradient step, " how, .measure = BENCH_SECONDS,    \
        .limit = 40e-6, .tolerance = 1e-4, .setup = setup_large, .dtype = SN_F32, .size = 5000, .variant = kind        \
    }
static const bench_case on_device[] = {
    ON_DEVICE("moons-large", MOONS_STEPS, "many in one call"),
    ON_DEVICE("moons-large-call", MOONS_CALLS, "one a call"),
};
const bench_list bench_moons_gpu = {on_device, sizeof on_device / sizeof *on_device};
