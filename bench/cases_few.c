/* Training steps of a digit classifier on one example and on eight: the plan that a function with a symbolic batch has
 * for such sizes, and the same network built for that size alone. Inputs are noise of the digits' shape. */
#include "bench.h"
#include "yard.h"

#include <math.h>
#include <string.h>

enum { PIXELS = YARD_PIXELS, DIGITS = YARD_DIGITS, HIDDEN = 500, BATCHES = 64, PARAMETERS = 4 };
enum { SYMBOLIC, CONSTANT };

typedef struct {
    bench_run *run;
    int64_t batch, at[2]; /* at: the next batch of ours and the yardstick's */
    int64_t size[PARAMETERS];
    float *x, *parameter[PARAMETERS];
    int64_t *label;
    sn_var *var[PARAMETERS];
    yard_few yard;
} few;

static void few_ours(void *arg) {
    few *s = arg;
    int64_t i = s->at[0]++ % BATCHES * s->batch;
    sn_tensor x = sn_tensor_of(SN_F32, s->x + i * PIXELS, 2, (int64_t[]){s->batch, PIXELS}),
              label = sn_tensor_of(SN_I64, s->label + i, 1, &s->batch);
    bench_bind_in(s->run, 0, &x);
    bench_bind_in(s->run, 1, &label);
    bench_call(s->run);
}

static void few_yard(void *arg) {
    few *s = arg;
    int64_t i = s->at[1]++ % BATCHES * s->batch;
    s->yard.x = s->x + i * PIXELS;
    s->yard.label = s->label + i;
    team_run(s->run->team, yard_few_step, &s->yard);
}

static double few_error(void *arg) {
    few *s = arg;
    double worst = 0;
    for (int i = 0; i < PARAMETERS; i++) {
        float *got = bench_floats(s->run, s->size[i]);
        bench_var_get(s->run, s->var[i], got);
        worst = fmax(worst, bench_difference(got, s->parameter[i], s->size[i], 1e-2));
    }
    return worst;
}

static void few_graph(few *s, int how) {
    static const char *const names[] = {"W1", "b1", "W2", "b2"};
    static const int32_t rank[] = {2, 1, 2, 1};
    static const int64_t size[][2] = {{PIXELS, HIDDEN}, {HIDDEN}, {HIDDEN, DIGITS}, {DIGITS}};
    bench_run *run = s->run;
    sn_graph *g = bench_graph(run);
    sn_dim N = how == SYMBOLIC ? sn_dim_new(g, "N") : SN_DIM(s->batch);
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(N, SN_DIM(PIXELS)));
    sn_expr label = sn_input(g, "label", SN_I64, SN_SHAPE(N)), p[PARAMETERS], d[PARAMETERS];
    for (int i = 0; i < PARAMETERS; i++) {
        s->var[i] = bench_var(run, names[i], SN_F32, rank[i], size[i]);
        bench_var_set(run, s->var[i], s->parameter[i]);
        p[i] = sn_use(g, s->var[i]);
    }
    sn_expr z = sn_linear(sn_relu(sn_linear(x, p[0], p[1])), p[2], p[3]);
    if (sn_grad(sn_mean_all(sn_cross_entropy(z, label)), p, PARAMETERS, d)) bench_fail(run, "%s", sn_graph_error(g));
    sn_update updates[PARAMETERS];
    for (int i = 0; i < PARAMETERS; i++)
        updates[i] = (sn_update){s->var[i], sn_sub(p[i], sn_mul(sn_const(g, s->yard.rate), d[i]))};
    const sn_expr in[] = {x, label};
    bench_compile(run, in, 2, NULL, 0, updates, PARAMETERS);
}

static void setup_few(bench_run *run, const bench_case *c) {
    few *s = run->state = bench_alloc(run, sizeof *s);
    int64_t B = c->size, H = HIDDEN;
    *s = (few){.run = run, .batch = B, .size = {PIXELS * H, H, H * DIGITS, DIGITS}};
    double r1 = sqrt(3.0 / PIXELS), r2 = sqrt(3.0 / (double)H);
    s->x = bench_uniform(run, BATCHES * B * PIXELS, 1, 0, 1);
    s->label = bench_alloc(run, (size_t)(BATCHES * B) * sizeof *s->label);
    for (int64_t i = 0; i < BATCHES * B; i++) s->label[i] = (int64_t)bench_uniform_at(i, 2, 0, DIGITS);
    s->parameter[0] = bench_uniform(run, s->size[0], 3, -r1, r1);
    s->parameter[1] = bench_floats(run, H);
    s->parameter[2] = bench_uniform(run, s->size[2], 4, -r2, r2);
    s->parameter[3] = bench_floats(run, DIGITS);
    s->yard = (yard_few){.team = run->team, .batch = B, .hidden = H, .rate = 0.01f};
    few_graph(s, c->variant);
    s->yard.w1 = s->parameter[0];
    s->yard.b1 = s->parameter[1];
    s->yard.w2 = s->parameter[2];
    s->yard.b2 = s->parameter[3];
    s->yard.h = bench_floats(run, B * H);
    s->yard.e = bench_floats(run, B * H);
    run->ours = few_ours;
    run->yard = few_yard;
    run->error = few_error;
    run->bytes = (double)(H * (PIXELS + DIGITS)) * 3 * sizeof(float);
}

#define FEW(count, how, suffix, words)                                                                                 \
    {                                                                                                                  \
        .name = "mnist-few-" #count suffix,                                                                            \
        .what = "784-500-10 relu, softmax cross-entropy, SGD: a step of " #count ", batch " words,                     \
        .yardstick = "two passes over the weights, which is what a step needs", .measure = BENCH_TIME, .limit = 1.1,   \
        .tolerance = 1e-3, .setup = setup_few, .dtype = SN_F32, .size = count, .variant = how                          \
    }

static const bench_case cases[] = {
    FEW(1, SYMBOLIC, "", "symbolic"), FEW(1, CONSTANT, "-const", "constant"),
    FEW(2, SYMBOLIC, "", "symbolic"), FEW(2, CONSTANT, "-const", "constant"),
    FEW(8, SYMBOLIC, "", "symbolic"), FEW(8, CONSTANT, "-const", "constant"),
};
const bench_list bench_few = {cases, sizeof cases / sizeof *cases};
