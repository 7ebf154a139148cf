/* What the memory of a GPU bounds, against copying as many bytes there; and large matrix products, against cuBLASLt
 * called directly. Operands are variables and results stay there, so nothing crosses the bus. */
#include "bench.h"
#include "yard.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- bound by memory --------------------------------------------------------------------------------------------- */

enum { CHAIN, SOFTMAX, SUM };
enum { COLUMNS = 1024, MAX_INPUTS = 3 };

typedef struct {
    bench_run *run;
    int variant, n_in;
    int64_t n, n_out;
    sn_var *in[MAX_INPUTS];
} stream;

static void ours(void *arg) { bench_call(((stream *)arg)->run); }

/* Half of the bytes read, half of them written. */
static void copy(void *arg) {
    bench_run *run = ((stream *)arg)->run;
    if (!device_copy(run->device, (size_t)(run->bytes / 2))) bench_fail(run, "%s", device_error(run->device));
}

/* What one period of the inputs gives, by the yardsticks of the CPU. */
static double period_error(stream *s, const float *got, int64_t n) {
    bench_run *run = s->run;
    yard_vector chain = {.n = n, .out = bench_floats(run, n)};
    yard_matrix softmax = {.team = run->team, .rows = n / COLUMNS, .columns = COLUMNS, .out = chain.out};
    const float **x[MAX_INPUTS] = {&chain.x, &chain.y, &chain.z};
    for (int i = 0; i < s->n_in; i++) *x[i] = bench_uniform(run, n, (uint32_t)i + 1, -1, 1);
    softmax.x = chain.x;
    if (s->variant == CHAIN)
        team_run(run->team, yard_chain, &chain);
    else
        team_run(run->team, yard_softmax, &softmax);
    double worst = 0, scale = s->variant == CHAIN ? 1e-3 : 1e-6;
    for (int64_t i = 0; i < s->n_out; i += n) {
        double e = bench_difference(got + i, chain.out, s->n_out - i < n ? s->n_out - i : n, scale);
        if (!(e <= worst)) worst = e;
    }
    return worst;
}

static double sum_error(const stream *s, float got) {
    double period = 0, rest = 0, magnitude = 0;
    for (int64_t i = 0; i < s->n && i < BENCH_PERIOD; i++) {
        double x = (double)(float)bench_uniform_at(i, 1, -1, 1);
        period += x;
        magnitude += fabs(x);
        if (i < s->n % BENCH_PERIOD) rest += x;
    }
    double periods = (double)(s->n / BENCH_PERIOD), want = periods * period + rest;
    return fabs((double)got - want) / (fmax(periods, 1) * magnitude);
}

static double error(void *arg) {
    stream *s = arg;
    float *got = bench_floats(s->run, s->n_out);
    bench_kept_out(s->run, got);
    double e = s->variant == SUM ? sum_error(s, *got)
                                 : period_error(s, got, s->n_out < BENCH_PERIOD ? s->n_out : BENCH_PERIOD);
    size_t used = strlen(s->run->note);
    snprintf(s->run->note + used, sizeof s->run->note - used, "%scopied by %s", used ? "; " : "",
             device_copy_way(s->run->device));
    return e;
}

static void setup_stream(bench_run *run, const bench_case *c) {
    stream *s = run->state = bench_alloc(run, sizeof *s);
    int inputs = c->variant == CHAIN ? 3 : 1, outputs = c->variant != SUM;
    double arrays = 2.0 * (inputs + outputs) + outputs; /* the copy's as large as all of these, and one to spare */
    *s = (stream){.run = run, .variant = c->variant, .n_in = inputs};
    s->n = bench_scaled(run, c->size, COLUMNS, sizeof(float) * arrays);
    s->n_out = outputs ? s->n : 1;
    run->bytes = sizeof(float) * (double)(inputs * s->n + s->n_out);
    int64_t rows[] = {s->n / COLUMNS, COLUMNS};
    int matrix = c->variant == SOFTMAX;
    float *values = bench_floats(run, s->n);
    static const char *const names[] = {"x", "y", "z"};
    sn_graph *g = bench_graph(run);
    sn_expr v[MAX_INPUTS], result;
    for (int i = 0; i < inputs; i++) {
        s->in[i] = bench_var(run, names[i], SN_F32, matrix ? 2 : 1, matrix ? rows : &s->n);
        bench_fill(values, s->n, (uint32_t)i + 1, -1, 1);
        bench_var_set(run, s->in[i], values);
        v[i] = sn_use(g, s->in[i]);
    }
    if (c->variant == CHAIN) {
        sn_expr a = sn_add(sn_mul(v[0], v[1]), v[2]);
        sn_expr b = sn_mul(sn_max(sn_sub(a, v[0]), v[1]), v[2]);
        result = sn_mul(sn_abs(sn_sub(b, sn_const(g, 0.5))), a);
    } else {
        result = matrix ? sn_softmax(v[0], 1) : sn_sum_all(v[0]);
    }
    bench_compile(run, NULL, 0, &result, 1, NULL, 0);
    bench_keep_out(run, SN_F32, matrix ? 2 : outputs, matrix ? rows : &s->n);
    run->ours = ours;
    run->yard = copy;
    run->error = error;
}

#define STREAM(name_, kind, what_, n)                                                                                  \
    {                                                                                                                  \
        .name = name_, .what = what_, .yardstick = "a copy of as many bytes on the device", .measure = BENCH_SPEED,    \
        .limit = 0.9, .tolerance = 1e-3, .setup = setup_stream, .dtype = SN_F32, .size = n, .variant = kind            \
    }
static const bench_case streams[] = {
    STREAM("chain", CHAIN, "eight element-wise operations over 256 M elements of three inputs", 256 << 20),
    STREAM("softmax", SOFTMAX, "softmax of 65536 rows of 1024", 64 << 20),
    STREAM("sum", SUM, "sum of 1 G elements", 1 << 30),
};
const bench_list bench_memory_gpu = {streams, sizeof streams / sizeof *streams};

/* ---- products ---------------------------------------------------------------------------------------------------- */

typedef struct {
    bench_run *run;
    int64_t n;
    sn_dtype dtype;
    float *a, *b, *bias; /* numbers of that type */
    device_product direct;
    int product;
} product;

/* To the nearest, ties to even; the numbers here are finite. */
static uint16_t bf16_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float of_bf16(uint16_t x) {
    uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Random numbers of the case's type, in place as floats and returned as they are stored. */
static void *made(product *s, float **at, int64_t n, uint32_t seed) {
    *at = bench_uniform(s->run, n, seed, -1, 1);
    if (s->dtype == SN_F32) return *at;
    uint16_t *stored = bench_alloc(s->run, (size_t)n * sizeof *stored);
    for (int64_t i = 0; i < n; i++) {
        stored[i] = bf16_of((*at)[i]);
        (*at)[i] = of_bf16(stored[i]);
    }
    return stored;
}

/* What was stored, as floats, in place; there is room. */
static void widen(const product *s, float *at, int64_t n) {
    const char *bytes = (const char *)at;
    for (int64_t i = n; s->dtype != SN_F32 && i-- > 0;) {
        uint16_t stored;
        memcpy(&stored, bytes + (size_t)i * sizeof stored, sizeof stored);
        at[i] = of_bf16(stored);
    }
}

static void product_ours(void *arg) { bench_call(((product *)arg)->run); }

static void product_direct(void *arg) {
    product *s = arg;
    if (!s->product && !(s->product = device_product_new(s->run->device, &s->direct)))
        bench_fail(s->run, "cuBLASLt directly: %s", device_error(s->run->device));
    if (!device_product_run(s->run->device, s->product)) bench_fail(s->run, "%s", device_error(s->run->device));
}

/* Some rows against sums in f64, and all of it against the direct call's result. */
static double product_error(void *arg) {
    product *s = arg;
    int64_t n = s->n;
    float *got = bench_floats(s->run, n * n), *direct = bench_floats(s->run, n * n);
    bench_kept_out(s->run, got);
    if (!device_download(s->run->device, direct, s->direct.c, (size_t)(n * n) * sn_dtype_size(s->dtype)))
        bench_fail(s->run, "%s", device_error(s->run->device));
    widen(s, got, n * n);
    widen(s, direct, n * n);
    double scale = sqrt((double)n) / 3, worst = bench_difference(got, direct, n * n, scale);
    for (int64_t i = 0; i < n; i += n / 4)
        for (int64_t j = 0; j < n; j++) {
            double sum = (double)s->bias[j];
            for (int64_t k = 0; k < n; k++) sum += (double)s->a[i * n + k] * (double)s->b[k * n + j];
            double e = fabs((double)got[i * n + j] - fmax(sum, 0)) / scale;
            if (!(e <= worst)) worst = e;
        }
    return worst;
}

static uint64_t on_device(bench_run *run, const void *data, size_t bytes) {
    uint64_t at = device_alloc(run->device, bytes);
    if (!at || !device_upload(run->device, at, data, bytes)) bench_fail(run, "%s", device_error(run->device));
    return at;
}

static void setup_product(bench_run *run, const bench_case *c) {
    product *s = run->state = bench_alloc(run, sizeof *s);
    int64_t n = bench_scaled(run, c->size, 64, 0), sizes[] = {n, n};
    *s = (product){.run = run, .n = n, .dtype = c->dtype};
    const void *of_a = made(s, &s->a, n * n, 1), *of_b = made(s, &s->b, n * n, 2), *of_bias = made(s, &s->bias, n, 3);
    sn_graph *g = bench_graph(run);
    sn_var *a = bench_var(run, "a", c->dtype, 2, sizes), *b = bench_var(run, "b", c->dtype, 2, sizes),
           *bias = bench_var(run, "bias", c->dtype, 1, &n);
    bench_var_set(run, a, of_a);
    bench_var_set(run, b, of_b);
    bench_var_set(run, bias, of_bias);
    sn_expr result = sn_relu(sn_add(sn_matmul(sn_use(g, a), sn_use(g, b)), sn_use(g, bias)));
    bench_compile(run, NULL, 0, &result, 1, NULL, 0);
    bench_keep_out(run, c->dtype, 2, sizes);
    size_t each = sn_dtype_size(c->dtype), bytes = (size_t)(n * n) * each;
    s->direct = (device_product){.precision = (device_precision)c->variant,
                                 .m = n,
                                 .n = n,
                                 .k = n,
                                 .a = on_device(run, of_a, bytes),
                                 .b = on_device(run, of_b, bytes),
                                 .bias = on_device(run, of_bias, (size_t)n * each),
                                 .c = on_device(run, of_a, bytes)};
    run->ours = product_ours;
    run->yard = product_direct;
    run->error = product_error;
}

#define PRODUCT(name_, type, precision, close)                                                                         \
    {                                                                                                                  \
        .name = "matmul-" name_, .what = "relu(A B + bias), 4096 x 4096, " name_,                                      \
        .yardstick = "cuBLASLt called directly, the same epilogue", .measure = BENCH_SPEED, .limit = 0.95,             \
        .tolerance = close, .setup = setup_product, .dtype = type, .size = 4096, .variant = precision,                 \
        .tf32 = (precision) == DEVICE_TF32                                                                             \
    }
static const bench_case products[] = {
    PRODUCT("f32", SN_F32, DEVICE_F32, 1e-5),
    PRODUCT("tf32", SN_F32, DEVICE_TF32, 2e-3),
    PRODUCT("bf16", SN_BF16, DEVICE_BF16, 1e-2),
};
const bench_list bench_products_gpu = {products, sizeof products / sizeof *products};
