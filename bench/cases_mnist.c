/* Training steps of digit classifiers: one example a step, where all weights are read and written and little is
 * computed; batches of 500 with Adam, where matrix products count. Inputs are noise of the digits' shape. */
#include "bench.h"
#include "blas.h"
#include "yard.h"

#include <math.h>
#include <string.h>

enum { PIXELS = YARD_PIXELS, DIGITS = YARD_DIGITS };

/* ---- one example ------------------------------------------------------------------------------------------------- */

enum { EXAMPLES = 512 };

typedef struct {
    bench_run *run;
    int64_t hidden, at[2]; /* at: the next example of ours and the yardstick's */
    sn_var *w1, *w2;
    float rate, *x;
    int64_t label[EXAMPLES];
    yard_digit yard;
} digit;

static void digit_ours(void *arg) {
    digit *s = arg;
    int64_t i = s->at[0]++ % EXAMPLES, pixels = PIXELS;
    sn_tensor x = sn_tensor_of(SN_F32, s->x + i * PIXELS, 1, &pixels),
              label = sn_tensor_of(SN_I64, &s->label[i], 0, NULL);
    bench_bind_in(s->run, 0, &x);
    bench_bind_in(s->run, 1, &label);
    bench_call(s->run);
}

static void digit_yard(void *arg) {
    digit *s = arg;
    int64_t i = s->at[1]++ % EXAMPLES;
    s->yard.x = s->x + i * PIXELS;
    s->yard.label = s->label[i];
    team_run(s->run->team, yard_digit_step, &s->yard);
}

static double digit_error(void *arg) {
    digit *s = arg;
    float *w1 = bench_floats(s->run, s->hidden * PIXELS), *w2 = bench_floats(s->run, s->hidden * DIGITS);
    bench_var_get(s->run, s->w1, w1);
    bench_var_get(s->run, s->w2, w2);
    return fmax(bench_difference(w1, s->yard.w1, s->hidden * PIXELS, 1e-2),
                bench_difference(w2, s->yard.w2, s->hidden * DIGITS, 1e-2));
}

/* On the device: all examples, one after the other, in one call. */
static void digit_steps(void *arg) {
    digit *s = arg;
    if (sn_call_run_steps(s->run->call, 0, 0, s->run->steps)) bench_fail(s->run, "%s", sn_call_error(s->run->call));
}

/* So many steps of both. */
static double digit_steps_error(void *arg) {
    digit *s = arg;
    digit_steps(s);
    for (int64_t i = 0; i < s->run->steps; i++) digit_yard(s);
    return digit_error(s);
}

static void setup_digit(bench_run *run, const bench_case *c) {
    digit *s = run->state = bench_alloc(run, sizeof *s);
    int64_t H = c->variant ? bench_scaled(run, c->size, 10, 0) : c->size;
    *s = (digit){.run = run, .hidden = H, .rate = 0.1f};
    s->x = bench_uniform(run, EXAMPLES * PIXELS, 1, 0.01, 1);
    for (int64_t i = 0; i < EXAMPLES; i++) s->label[i] = (int64_t)bench_uniform_at(i, 2, 0, DIGITS);
    double r1 = sqrt(3.0 / PIXELS), r2 = sqrt(3.0 / (double)H);
    s->yard = (yard_digit){.team = run->team, .hidden = H, .rate = s->rate};
    s->yard.w1 = bench_uniform(run, H * PIXELS, 3, -r1, r1);
    s->yard.w2 = bench_uniform(run, H * DIGITS, 4, -r2, r2);
    s->yard.h = bench_floats(run, H);
    s->yard.e = bench_floats(run, H);

    sn_graph *g = bench_graph(run);
    sn_expr x, label, rate, step;
    if (c->variant) {
        sn_var *pictures = bench_var(run, "pictures", SN_F32, 2, (int64_t[]){EXAMPLES, PIXELS});
        sn_var *labels = bench_var(run, "labels", SN_I64, 1, (int64_t[]){EXAMPLES});
        bench_var_set(run, pictures, s->x);
        bench_var_set(run, labels, s->label);
        step = sn_input(g, "step", SN_I64, SN_SCALAR);
        x = sn_gather(sn_use(g, pictures), step);
        label = sn_gather(sn_use(g, labels), step);
        rate = sn_const(g, (double)s->rate);
        run->steps = run->scale < 1 ? 16 : EXAMPLES;
    } else {
        x = sn_input(g, "x", SN_F32, SN_SHAPE(SN_DIM(PIXELS)));
        label = sn_input(g, "label", SN_I64, SN_SCALAR);
        rate = sn_input(g, "rate", SN_F32, SN_SCALAR);
    }
    s->w1 = bench_var(run, "W1", SN_F32, 2, (int64_t[]){H, PIXELS});
    s->w2 = bench_var(run, "W2", SN_F32, 2, (int64_t[]){DIGITS, H});
    sn_expr w[2] = {sn_use(g, s->w1), sn_use(g, s->w2)}, d[2];
    sn_expr out = sn_sigmoid(sn_matmul(w[1], sn_sigmoid(sn_matmul(w[0], x))));
    sn_expr target = sn_add(sn_mul(sn_one_hot(label, SN_DIM(DIGITS), SN_F32), sn_const(g, 0.98)), sn_const(g, 0.01));
    sn_expr loss = sn_sum_all(sn_square(sn_sub(target, out)));
    if (sn_grad(loss, w, 2, d)) bench_fail(run, "%s", sn_graph_error(g));
    const sn_update updates[] = {{s->w1, sn_sub(w[0], sn_mul(rate, d[0]))}, {s->w2, sn_sub(w[1], sn_mul(rate, d[1]))}};
    const sn_expr in[] = {x, label, rate};
    bench_compile(run, c->variant ? &step : in, c->variant ? 1 : 3, NULL, 0, updates, 2);
    bench_var_set(run, s->w1, s->yard.w1);
    bench_var_set(run, s->w2, s->yard.w2);
    run->bytes =
        (double)(H * (PIXELS + DIGITS)) * 3 * sizeof(float); /* weights: forward, and read and written by the update */
    if (c->variant) {
        run->ours = digit_steps;
        run->error = digit_steps_error;
        return;
    }
    sn_tensor at_rate = sn_tensor_of(SN_F32, &s->rate, 0, NULL);
    bench_bind_in(run, 2, &at_rate);
    run->ours = digit_ours;
    run->yard = digit_yard;
    run->error = digit_error;
}

/* ---- a batch with Adam ------------------------------------------------------------------------------------------- */

enum { W1, B1, W2, B2, PARAMETERS };

typedef struct {
    bench_run *run;
    blas_sgemm *sgemm;
    int64_t batch, hidden, size[PARAMETERS], steps[2];
    float *x, rate, *parameter[PARAMETERS], *gradient[PARAMETERS];
    int64_t *label;
    sn_var *var[PARAMETERS];
    yard_batch pass;
    yard_adam adam[PARAMETERS];
    int product[5]; /* on the device: the step's five, and where they lie */
} batch;

/* The learning rate of step t, with Adam's correction for the first steps. */
static float rate_of(int64_t t) {
    double n = (double)(t + 1);
    return (float)(0.001 * sqrt(1 - pow(0.999, n)) / (1 - pow(0.9, n)));
}

static void batch_ours(void *arg) {
    batch *s = arg;
    s->rate = rate_of(s->steps[0]++);
    bench_call(s->run);
}

static void batch_yard(void *arg) {
    batch *s = arg;
    team *t = s->run->team;
    int B = (int)s->batch, H = (int)s->hidden;
    blas_product(t, s->sgemm, 0, 0, B, H, PIXELS, s->x, s->parameter[W1], s->pass.h);
    team_run(t, yard_batch_hidden, &s->pass);
    blas_product(t, s->sgemm, 0, 0, B, DIGITS, H, s->pass.h, s->parameter[W2], s->pass.z);
    team_run(t, yard_batch_output, &s->pass);
    blas_product(t, s->sgemm, 1, 0, H, DIGITS, B, s->pass.h, s->pass.z, s->gradient[W2]);
    blas_product(t, s->sgemm, 0, 1, B, H, DIGITS, s->pass.z, s->parameter[W2], s->pass.dh);
    team_run(t, yard_batch_backward, &s->pass);
    blas_product(t, s->sgemm, 1, 0, PIXELS, H, B, s->x, s->pass.dh, s->gradient[W1]);
    float rate = rate_of(s->steps[1]++);
    for (int i = 0; i < PARAMETERS; i++) {
        s->adam[i].rate = rate;
        team_run(t, yard_adam_step, &s->adam[i]);
    }
}

static double batch_error(void *arg) {
    batch *s = arg;
    double worst = 0;
    for (int i = 0; i < PARAMETERS; i++) {
        float *got = bench_floats(s->run, s->size[i]);
        bench_var_get(s->run, s->var[i], got);
        worst = fmax(worst, bench_difference(got, s->parameter[i], s->size[i], 0.1));
    }
    return worst;
}

/* Parameters, and what Adam keeps of them, as updates. */
static void adam_updates(batch *s, sn_expr loss, const sn_expr *p, sn_expr rate, sn_update *updates) {
    static const char *const names[][2] = {{"mW1", "vW1"}, {"mb1", "vb1"}, {"mW2", "vW2"}, {"mb2", "vb2"}};
    sn_graph *g = s->run->graph;
    sn_expr d[PARAMETERS];
    if (sn_grad(loss, p, PARAMETERS, d)) bench_fail(s->run, "%s", sn_graph_error(g));
    for (int i = 0; i < PARAMETERS; i++) {
        sn_tensor type = sn_var_type(s->var[i]);
        sn_var *var_m = bench_var(s->run, names[i][0], SN_F32, type.rank, type.size);
        sn_var *var_v = bench_var(s->run, names[i][1], SN_F32, type.rank, type.size);
        sn_expr m = sn_add(sn_mul(sn_const(g, 0.9), sn_use(g, var_m)), sn_mul(sn_const(g, 0.1), d[i]));
        sn_expr v = sn_add(sn_mul(sn_const(g, 0.999), sn_use(g, var_v)), sn_mul(sn_const(g, 0.001), sn_square(d[i])));
        sn_expr step = sn_div(sn_mul(rate, m), sn_add(sn_sqrt(v), sn_const(g, 1e-8)));
        updates[3 * i] = (sn_update){s->var[i], sn_sub(p[i], step)};
        updates[3 * i + 1] = (sn_update){var_m, m};
        updates[3 * i + 2] = (sn_update){var_v, v};
    }
}

/* rate_of by the graph itself, which is told the number of the step. */
static sn_expr rate_in_graph(sn_graph *g, sn_expr step) {
    sn_expr n = sn_add(sn_cast(step, SN_F32), sn_const(g, 1)), one = sn_const(g, 1);
    sn_expr root = sn_sqrt(sn_sub(one, sn_pow(sn_const(g, 0.999), n)));
    return sn_div(sn_mul(sn_const(g, 0.001), root), sn_sub(one, sn_pow(sn_const(g, 0.9), n)));
}

static void batch_graph(batch *s) {
    static const char *const names[] = {"W1", "b1", "W2", "b2"};
    bench_run *run = s->run;
    const int32_t rank[] = {2, 1, 2, 1};
    const int64_t size[][2] = {{PIXELS, s->hidden}, {s->hidden}, {s->hidden, DIGITS}, {DIGITS}};
    sn_graph *g = bench_graph(run);
    sn_expr p[PARAMETERS], x, label, rate, step;
    if (run->device) {
        sn_var *pictures = bench_var(run, "x", SN_F32, 2, (int64_t[]){s->batch, PIXELS});
        sn_var *labels = bench_var(run, "label", SN_I64, 1, &s->batch);
        bench_var_set(run, pictures, s->x);
        bench_var_set(run, labels, s->label);
        x = sn_use(g, pictures);
        label = sn_use(g, labels);
        step = sn_input(g, "step", SN_I64, SN_SCALAR);
        rate = rate_in_graph(g, step);
    } else {
        sn_dim N = sn_dim_new(g, "N");
        x = sn_input(g, "x", SN_F32, SN_SHAPE(N, SN_DIM(PIXELS)));
        label = sn_input(g, "label", SN_I64, SN_SHAPE(N));
        rate = sn_input(g, "rate", SN_F32, SN_SCALAR);
    }
    for (int i = 0; i < PARAMETERS; i++) {
        s->var[i] = bench_var(run, names[i], SN_F32, rank[i], size[i]);
        bench_var_set(run, s->var[i], s->parameter[i]);
        p[i] = sn_use(g, s->var[i]);
    }
    sn_expr z = sn_linear(sn_relu(sn_linear(x, p[W1], p[B1])), p[W2], p[B2]);
    sn_update updates[3 * PARAMETERS];
    adam_updates(s, sn_mean_all(sn_cross_entropy(z, label)), p, rate, updates);
    const sn_expr in[] = {x, label, rate};
    bench_compile(run, run->device ? &step : in, run->device ? 1 : 3, NULL, 0, updates, 3 * PARAMETERS);
    if (run->device) return;
    sn_tensor at_x = sn_tensor_of(SN_F32, s->x, 2, (int64_t[]){s->batch, PIXELS});
    sn_tensor at_label = sn_tensor_of(SN_I64, s->label, 1, &s->batch),
              at_rate = sn_tensor_of(SN_F32, &s->rate, 0, NULL);
    bench_bind_in(run, 0, &at_x);
    bench_bind_in(run, 1, &at_label);
    bench_bind_in(run, 2, &at_rate);
}

/* ---- a batch on the device: against its products alone ----------------------------------------------------------- */

static void batch_steps(void *arg) {
    batch *s = arg;
    int64_t n = s->run->steps;
    if (sn_call_run_steps(s->run->call, 0, s->steps[0], n)) bench_fail(s->run, "%s", sn_call_error(s->run->call));
    s->steps[0] += n;
}

static void batch_products(void *arg) {
    batch *s = arg;
    for (int i = 0; i < 5; i++)
        if (!device_product_run(s->run->device, s->product[i])) bench_fail(s->run, "%s", device_error(s->run->device));
}

static double batch_device_error(void *arg) {
    batch *s = arg;
    enum { STEPS = 4 };
    if (sn_call_run_steps(s->run->call, 0, 0, STEPS)) bench_fail(s->run, "%s", sn_call_error(s->run->call));
    s->steps[0] = STEPS;
    for (int i = 0; i < STEPS; i++) batch_yard(s);
    double e = batch_error(s);
    s->run->yard = batch_products;
    return e;
}

static void place_products(batch *s) {
    bench_run *run = s->run;
    int64_t B = s->batch, H = s->hidden, longest = B > PIXELS ? B : PIXELS;
    uint64_t at[3];
    for (int i = 0; i < 3; i++)
        if (!(at[i] = device_alloc(run->device, sizeof(float) * (size_t)(longest * (H > PIXELS ? H : PIXELS)))))
            bench_fail(run, "%s", device_error(run->device));
    const struct {
        int trans_a, trans_b;
        int64_t m, n, k;
    } shapes[5] = {
        {0, 0, B, H, PIXELS}, {0, 0, B, DIGITS, H}, {1, 0, H, DIGITS, B}, {0, 1, B, H, DIGITS}, {1, 0, PIXELS, H, B}};
    for (int i = 0; i < 5; i++) {
        const device_product p = {.m = shapes[i].m,
                                  .n = shapes[i].n,
                                  .k = shapes[i].k,
                                  .trans_a = shapes[i].trans_a,
                                  .trans_b = shapes[i].trans_b,
                                  .a = at[0],
                                  .b = at[1],
                                  .c = at[2]};
        if (!(s->product[i] = device_product_new(run->device, &p))) bench_fail(run, "%s", device_error(run->device));
    }
    run->steps = run->scale < 1 ? 2 : 128;
    run->ours = batch_steps;
    run->error = batch_device_error;
}

static void setup_batch(bench_run *run, const bench_case *c) {
    batch *s = run->state = bench_alloc(run, sizeof *s);
    int64_t H = c->size, B = run->device ? bench_scaled(run, 500, 50, 0) : 500;
    *s = (batch){.run = run, .batch = B, .hidden = H, .size = {PIXELS * H, H, H * DIGITS, DIGITS}};
    double r1 = sqrt(3.0 / PIXELS), r2 = sqrt(3.0 / (double)H);
    s->x = bench_uniform(run, B * PIXELS, 1, 0, 1);
    s->label = bench_alloc(run, (size_t)B * sizeof *s->label);
    for (int64_t i = 0; i < B; i++) s->label[i] = (int64_t)bench_uniform_at(i, 2, 0, DIGITS);
    s->parameter[W1] = bench_uniform(run, s->size[W1], 3, -r1, r1);
    s->parameter[B1] = bench_floats(run, H);
    s->parameter[W2] = bench_uniform(run, s->size[W2], 4, -r2, r2);
    s->parameter[B2] = bench_floats(run, DIGITS);
    batch_graph(s);

    s->gradient[W1] = bench_floats(run, s->size[W1]);
    s->gradient[W2] = bench_floats(run, s->size[W2]);
    s->gradient[B1] = bench_floats(run, H * run->threads);
    s->gradient[B2] = bench_floats(run, 16 * run->threads);
    s->pass = (yard_batch){.batch = B, .hidden = H, .label = s->label, .b1 = s->parameter[B1], .b2 = s->parameter[B2]};
    s->pass.h = bench_floats(run, B * H);
    s->pass.dh = bench_floats(run, B * H);
    s->pass.z = bench_floats(run, B * DIGITS);
    s->pass.gb1 = s->gradient[B1];
    s->pass.gb2 = s->gradient[B2];
    for (int i = 0; i < PARAMETERS; i++) {
        s->adam[i] = (yard_adam){.n = s->size[i], .w = s->parameter[i], .n_g = 1};
        s->adam[i].m = bench_floats(run, s->size[i]);
        s->adam[i].v = bench_floats(run, s->size[i]);
        s->adam[i].g[0] = s->gradient[i];
        int64_t stride = i == B1 ? H : 16;
        for (int k = 1; k < run->threads && (i == B1 || i == B2); k++)
            s->adam[i].g[s->adam[i].n_g++] = s->gradient[i] + k * stride;
    }
    if (run->device)
        place_products(s);
    else
        batch_ours(s); /* our library opens OpenBLAS before the yardstick asks for it: both use one instance */
    if (!(s->sgemm = blas_open())) bench_fail(run, "no OpenBLAS for the yardstick");
    if (run->device) return;
    batch_yard(s);
    run->ours = batch_ours;
    run->yard = batch_yard;
    run->error = batch_error;
}

#define DIGIT(count)                                                                                                   \
    {                                                                                                                  \
        .name = "mnist-1-" #count, .what = "784-" #count "-10 sigmoid, squared error: one example, SGD",               \
        .yardstick = "two passes over the weights, which is what a step needs", .measure = BENCH_TIME, .limit = 1.1,   \
        .tolerance = 1e-4, .setup = setup_digit, .dtype = SN_F32, .size = count                                        \
    }

static const bench_case cases[] = {
    DIGIT(200),
    DIGIT(1000),
    DIGIT(2000),
    DIGIT(5000),
    {.name = "mnist-500",
     .what = "784-500-10 relu, softmax cross-entropy, batch 500, Adam: one step",
     .yardstick = "its five products in OpenBLAS, one pass over the rest",
     .measure = BENCH_TIME,
     .limit = 1.1,
     .tolerance = 2e-2, /* Adam's first steps are of the size of the rate wherever a gradient is not 0 */
     .setup = setup_batch,
     .dtype = SN_F32,
     .size = 500},
};
const bench_list bench_mnist = {cases, sizeof cases / sizeof *cases};

#define DIGIT_ON_DEVICE(count, most)                                                                                   \
    {                                                                                                                  \
        .name = "mnist-1-" #count, .what = "784-" #count "-10 sigmoid, squared error: one example, SGD, in one call",  \
        .measure = BENCH_SECONDS, .limit = most, .tolerance = 1e-3, .setup = setup_digit, .dtype = SN_F32,             \
        .size = count, .variant = 1                                                                                    \
    }
static const bench_case on_device[] = {
    DIGIT_ON_DEVICE(200, 12e-6),
    DIGIT_ON_DEVICE(1000, 0),
    DIGIT_ON_DEVICE(2000, 0),
    DIGIT_ON_DEVICE(5000, 25e-6),
    {.name = "mnist-500",
     .what = "784-500-10 relu, softmax cross-entropy, batch 500, Adam: one step, many in one call",
     .yardstick = "its five products in cuBLASLt alone",
     .measure = BENCH_TIME,
     .tolerance = 2e-2,
     .setup = setup_batch,
     .dtype = SN_F32,
     .size = 500},
};
const bench_list bench_mnist_gpu = {on_device, sizeof on_device / sizeof *on_device};
