/* Matrix products of the GPU backend, on the stand-in, which refuses what is not described to it exactly: every type,
 * transposition, batch and epilogue against a plain loop; an algorithm asked for once; what is remembered is bounded;
 * what the library cannot do is done by a kernel or said in a sentence. Descriptors, on the real library where there is
 * one. */
#define _GNU_SOURCE
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "jit_gpu/lt.h"
#include "support/support_standin.h"

static support_standin gpu;

static base_alloc alloc;
static base_log quiet;
static be_device *dev;
static int has_standin; /* else nothing is counted */

static void ignore(void *user, sn_log_level level, const char *message) { (void)user, (void)level, (void)message; }

static void open_device(int tf32) {
    base_trap err = {.armed = 0};
    has_standin = support_standin_open(&gpu);
    base_alloc_init(&alloc, NULL);
    base_log_init(&quiet, ignore, NULL, SN_LOG_ERROR);
    const be_options options = {.alloc = &alloc, .log = &quiet, .tf32 = tf32};
    ck_assert_msg(!be_gpu.open(&options, &dev, &err), "%s", err.text);
    ck_assert_msg(!be_gpu.reserve_gemm(dev, &err), "%s", err.text);
}

static void close_device(void) {
    be_gpu.close(dev);
    ck_assert_uint_eq(alloc.live_bytes, 0);
    ck_assert_uint_eq(gpu.allocated(), 0);
    ck_assert_int_eq(gpu.lt_live(), 0);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static uint32_t noise_seed = 1;
static double noise(void) { /* between -1 and 1 */
    noise_seed = noise_seed * 1664525u + 1013904223u;
    return (double)(noise_seed >> 8) / (1 << 23) - 1;
}

/* Exactly representable in every type: sixteenths up to 1. */
static double coarse(void) { return rint(noise() * 16) / 16; }

static double get(const void *at, sn_dtype t, size_t i) {
    uint32_t bits;
    uint16_t half;
    float f;
    switch (t) {
        case SN_F64: return ((const double *)at)[i];
        case SN_F32: return (double)((const float *)at)[i];
        case SN_F16:
            half = ((const uint16_t *)at)[i];
            if ((half >> 10 & 31) == 31) return half & 1023 ? NAN : half >> 15 ? -INFINITY : INFINITY;
            return (half >> 15 ? -1 : 1) *
                   (half >> 10 & 31 ? ldexp(1024 + (half & 1023), (half >> 10 & 31) - 25) : ldexp(half & 1023, -24));
        default:
            bits = (uint32_t)((const uint16_t *)at)[i] << 16;
            memcpy(&f, &bits, sizeof f);
            return (double)f;
    }
}
/* Of numbers that the type has exactly. */
static void put(void *at, sn_dtype t, size_t i, double v) {
    float f = (float)v;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    switch (t) {
        case SN_F64: ((double *)at)[i] = v; break;
        case SN_F32: ((float *)at)[i] = f; break;
        case SN_F16:
            ((uint16_t *)at)[i] =
                (uint16_t)(v == 0 ? 0 : (bits >> 16 & 0x8000) | ((bits >> 23 & 255) - 112) << 10 | (bits >> 13 & 1023));
            break;
        default: ((uint16_t *)at)[i] = (uint16_t)(bits >> 16);
    }
}
static double tolerance(sn_dtype t) {
    return t == SN_F64 ? 0x1p-50 : t == SN_F32 ? 0x1p-22 : t == SN_F16 ? 0x1p-10 : 0x1p-7;
}

/* ---- one product ------------------------------------------------------------------------------------------------- */

typedef struct {
    be_gemm g; /* with addresses on the device */
    size_t bytes[4];
    void *at[4], *host[4]; /* a, b, c, row */
} problem;

static void problem_open(problem *p, const be_gemm *g, size_t shift) {
    p->g = *g;
    sn_dtype to = be_gemm_to(g);
    size_t batch = (size_t)(g->batch > 1 ? g->batch : 1), m = (size_t)g->m, n = (size_t)g->n, k = (size_t)g->k;
    const size_t elements[] = {batch * m * k, batch * k * n, batch * m * n, n};
    for (int i = 0; i < 4; i++) {
        sn_dtype t = i < 2 ? g->dtype : to;
        size_t size = sn_dtype_size(t);
        p->bytes[i] = elements[i] * size;
        p->host[i] = malloc(p->bytes[i] + 1);
        p->at[i] = be_gpu.alloc(dev, p->bytes[i] + 256);
        ck_assert(p->host[i] && p->at[i]);
        for (size_t e = 0; e < elements[i]; e++) put(p->host[i], t, e, coarse());
    }
    p->g.a = (char *)p->at[0] + 2 * shift; /* another alignment than that of b */
    p->g.b = (char *)p->at[1] + shift;
    p->g.c = (char *)p->at[2] + shift;
    if (g->row) p->g.row = (char *)p->at[3] + shift;
}

static void problem_close(problem *p) {
    for (int i = 0; i < 4; i++) {
        free(p->host[i]);
        be_gpu.free(dev, p->at[i], p->bytes[i] + 256);
    }
}

static sn_status problem_run(problem *p, base_trap *err) {
    sn_status status = be_gpu.remote->prepare_gemm(dev, &p->g, err);
    if (!status) status = be_gpu.remote->begin(dev, err);
    if (status) return status;
    be_gpu.remote->write(dev, (void *)(uintptr_t)p->g.a, p->host[0], p->bytes[0]);
    be_gpu.remote->write(dev, (void *)(uintptr_t)p->g.b, p->host[1], p->bytes[1]);
    if (p->g.row) be_gpu.remote->write(dev, (void *)(uintptr_t)p->g.row, p->host[3], p->bytes[3]);
    be_gpu.gemm(dev, &p->g);
    be_gpu.remote->read(dev, p->host[2], p->g.c, p->bytes[2]);
    status = be_gpu.remote->finish(dev, 1, err);
    be_gpu.remote->forget_gemm(dev, &p->g);
    return status;
}

static void problem_check(const problem *p, const char *what) {
    const be_gemm *g = &p->g;
    sn_dtype to = be_gemm_to(g);
    for (int64_t s = 0; s < (g->batch > 1 ? g->batch : 1); s++)
        for (int64_t i = 0; i < g->m; i++)
            for (int64_t j = 0; j < g->n; j++) {
                double sum = 0, size = 0;
                for (int64_t q = 0; q < g->k; q++) {
                    int64_t ia = s * g->m * g->k + (g->trans_a ? q * g->m + i : i * g->k + q),
                            ib = s * g->k * g->n + (g->trans_b ? j * g->k + q : q * g->n + j);
                    double term = get(p->host[0], g->dtype, (size_t)ia) * get(p->host[1], g->dtype, (size_t)ib);
                    sum += term;
                    size += fabs(term);
                }
                if (g->row) sum += get(p->host[3], to, (size_t)j);
                if (g->relu && sum < 0) sum = 0;
                double found = get(p->host[2], to, (size_t)((s * g->m + i) * g->n + j));
                ck_assert_msg(fabs(found - sum) <= tolerance(to) * (size + 2),
                              "%s: %s to %s, %d x %d x %d, trans %d %d, batch %d, row %d, relu %d: [%d,%d,%d] is %g, "
                              "not %g",
                              what, sn_dtype_name(g->dtype), sn_dtype_name(to), (int)g->m, (int)g->n, (int)g->k,
                              g->trans_a, g->trans_b, (int)g->batch, g->row != NULL, g->relu, (int)s, (int)i, (int)j,
                              found, sum);
            }
}

static void problem_do(const be_gemm *g, size_t shift, const char *what) {
    problem p;
    base_trap err = {.armed = 0};
    problem_open(&p, g, shift);
    sn_status status = problem_run(&p, &err);
    ck_assert_msg(!status, "%s: %s", what, err.text);
    problem_check(&p, what);
    problem_close(&p);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static const struct {
    sn_dtype dtype, to;
} types[] = {{SN_F32, SN_F32},   {SN_F64, SN_F64}, {SN_F16, SN_F16},
             {SN_BF16, SN_BF16}, {SN_F16, SN_F32}, {SN_BF16, SN_F32}};
enum { N_TYPES = sizeof types / sizeof *types };

/* Each type: one call of the library per product, batches among them, and nothing after it; asked for once. */
START_TEST(every_combination) {
    static const int64_t sizes[][3] = {{1, 1, 1}, {3, 5, 2}, {33, 17, 40}, {40, 1, 9}, {1, 36, 5}, {64, 48, 33}};
    open_device(0);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int way = 0; way < 32; way++) {
            const be_gemm g = {.dtype = types[_i].dtype,
                               .to = types[_i].to == types[_i].dtype ? SN_DTYPE_NONE : types[_i].to,
                               .m = sizes[s][0],
                               .n = sizes[s][1],
                               .k = sizes[s][2],
                               .trans_a = way & 1,
                               .trans_b = way >> 1 & 1,
                               .batch = way & 4 ? 3 : 1,
                               .row = way & 8 ? "" : NULL,
                               .relu = way >> 4 & 1};
            for (int again = 0; again < 2; again++) {
                gpu.reset();
                problem_do(&g, 0, "plain");
                if (!has_standin) continue;
                ck_assert_uint_eq(gpu.count("cublasLtMatmul"), 1);
                ck_assert_uint_eq(gpu.count("cublasLtMatmulAlgoGetHeuristic"), !again);
                ck_assert_uint_eq(gpu.count("cuLaunchKernel"), 0);
            }
        }
    close_device();
}
END_TEST

/* No algorithm has an epilogue: a kernel of ours adds the row and takes relu. */
START_TEST(without_epilogues) {
    if (!support_standin_needed(&gpu, "without_epilogues")) return;
    open_device(0);
    gpu.lt_refuse(1);
    for (size_t t = 0; t < N_TYPES; t++)
        for (int way = 1; way < 8; way++) {
            const be_gemm g = {.dtype = types[t].dtype,
                               .to = types[t].to,
                               .m = 37,
                               .n = 150,
                               .k = 9,
                               .batch = way & 4 ? 3 : 1,
                               .row = way & 1 ? "" : NULL,
                               .relu = way >> 1 & 1};
            gpu.reset();
            problem_do(&g, 0, "no epilogue");
            ck_assert_uint_eq(gpu.count("cublasLtMatmul"), 1);
            ck_assert_uint_eq(gpu.count("cuLaunchKernel"), (unsigned)(way & 3 ? 1 : 0));
        }
    close_device();
}
END_TEST

/* Operands that are less aligned than the library assumes by itself; a row so placed is not given to it. */
START_TEST(alignment_is_told) {
    open_device(0);
    static const size_t shift[] = {4, 8, 16, 32, 64, 128};
    for (size_t i = 0; i < sizeof shift / sizeof *shift; i++) {
        const be_gemm g = {.dtype = SN_F32, .m = 9, .n = 11, .k = 5, .row = "", .relu = 1};
        gpu.reset();
        problem_do(&g, shift[i], "shifted");
        if (!has_standin) continue;
        ck_assert_uint_eq(gpu.count("cuLaunchKernel"), shift[i] < 16);
        ck_assert_uint_eq(gpu.count("cublasLtMatmulAlgoGetHeuristic"), 1);
    }
    close_device();
}
END_TEST

/* The sum of no products is 0, then the row is added. */
START_TEST(nothing_to_sum) {
    open_device(0);
    for (int way = 0; way < 8; way++) {
        const be_gemm g = {.dtype = SN_F32,
                           .m = 5,
                           .n = 7,
                           .k = 0,
                           .batch = way & 4 ? 3 : 1,
                           .row = way & 1 ? "" : NULL,
                           .relu = way >> 1 & 1};
        problem_do(&g, 0, "k = 0");
    }
    ck_assert_uint_eq(gpu.count("cublasLtMatmul"), 0);
    close_device();
}
END_TEST

/* The library's relu makes 0 of a NaN (so NVIDIA's does), the kernel that stands in for it keeps it. */
START_TEST(relu_of_nan) {
    if (!support_standin_needed(&gpu, "relu_of_nan")) return;
    open_device(0);
    for (int refused = 0; refused < 2; refused++) {
        const be_gemm g = {.dtype = SN_F32, .m = 2, .n = 3, .k = 4, .row = "", .relu = 1};
        problem p;
        base_trap err = {.armed = 0};
        gpu.lt_refuse((unsigned)refused);
        problem_open(&p, &g, refused ? 64 : 0); /* another shape: the first is remembered */
        ((float *)p.host[3])[1] = NAN;
        ck_assert_int_eq(problem_run(&p, &err), SN_OK);
        const float *c = p.host[2];
        if (refused)
            ck_assert(isnan(c[1]) && isnan(c[4]));
        else
            ck_assert(c[1] == 0 && c[4] == 0);
        problem_close(&p);
    }
    close_device();
}
END_TEST

START_TEST(tf32_when_asked) {
    if (!support_standin_needed(&gpu, "tf32_when_asked")) return;
    for (int tf32 = 0; tf32 < 2; tf32++) {
        open_device(tf32);
        const float a = 1 + 0x1p-20f, b = 1, wanted = tf32 ? 1 : a;
        const be_gemm g = {.dtype = SN_F32, .m = 1, .n = 1, .k = 1};
        problem p;
        base_trap err = {.armed = 0};
        problem_open(&p, &g, 0);
        memcpy(p.host[0], &a, sizeof a);
        memcpy(p.host[1], &b, sizeof b);
        ck_assert_int_eq(problem_run(&p, &err), SN_OK);
        ck_assert_mem_eq(p.host[2], &wanted, sizeof wanted);
        problem_close(&p);
        problem_do(&(be_gemm){.dtype = SN_F64, .m = 5, .n = 6, .k = 7}, 0, "f64 beside TF32");
        close_device();
    }
}
END_TEST

/* More shapes than are remembered: the one not used for the longest time is asked for again, the others are not. */
START_TEST(memory_of_shapes_is_bounded) {
    if (!support_standin_needed(&gpu, "memory_of_shapes_is_bounded")) return;
    enum { SHAPES = 256, MORE = 20 };
    open_device(0);
    gpu.reset();
    for (int64_t m = 1; m <= SHAPES + MORE; m++) {
        problem_do(&(be_gemm){.dtype = SN_F32, .m = m, .n = 1, .k = 1}, 0, "one of many");
        ck_assert_int_le(gpu.lt_live(), 1 + 5 * SHAPES);
        if (m > 1) problem_do(&(be_gemm){.dtype = SN_F32, .m = 1, .n = 1, .k = 1}, 0, "used all the time");
    }
    ck_assert_uint_eq(gpu.count("cublasLtMatmulAlgoGetHeuristic"), SHAPES + MORE);
    gpu.reset();
    problem_do(&(be_gemm){.dtype = SN_F32, .m = 1, .n = 1, .k = 1}, 0, "used all the time");
    problem_do(&(be_gemm){.dtype = SN_F32, .m = SHAPES + MORE, .n = 1, .k = 1}, 0, "latest");
    ck_assert_uint_eq(gpu.count("cublasLtMatmulAlgoGetHeuristic"), 0);
    problem_do(&(be_gemm){.dtype = SN_F32, .m = 2, .n = 1, .k = 1}, 0, "forgotten");
    ck_assert_uint_eq(gpu.count("cublasLtMatmulAlgoGetHeuristic"), 1);
    close_device();
}
END_TEST

/* What calls hold is not forgotten, however many they are: a recording asks for nothing. Held twice, it stays until
 * both let go. */
START_TEST(held_shapes_stay) {
    if (!support_standin_needed(&gpu, "held_shapes_stay")) return;
    enum { SHAPES = 256, MANY = 300 };
    open_device(0);
    base_trap err = {.armed = 0};
    static be_gemm g[MANY + 1];
    float *a = be_gpu.alloc(dev, MANY * sizeof *a), *c = be_gpu.alloc(dev, MANY * sizeof *c);
    ck_assert(a && c);
    for (int i = 0; i <= MANY; i++) {
        g[i] = (be_gemm){.dtype = SN_F32, .m = i < MANY ? i + 1 : 1, .n = 1, .k = 1, .a = a, .b = a, .c = c};
        ck_assert_int_eq(be_gpu.remote->prepare_gemm(dev, &g[i], &err), SN_OK);
        ck_assert_int_eq(be_gpu.remote->prepare_gemm(dev, &g[i], &err), SN_OK);
    }
    ck_assert_ptr_eq(g[0].plan, g[MANY].plan);
    ck_assert_uint_eq(gpu.count("cublasLtMatmulAlgoGetHeuristic"), MANY);
    be_recording *recording = NULL;
    ck_assert_int_eq(be_gpu.remote->begin(dev, &err), SN_OK);
    for (int i = 0; i <= MANY; i++) be_gpu.gemm(dev, &g[i]); /* what it loads is loaded then */
    be_gpu.remote->record(dev);
    for (int i = 0; i <= MANY; i++) be_gpu.gemm(dev, &g[i]);
    be_gpu.remote->recorded(dev, &recording);
    be_gpu.remote->replay(dev, recording);
    ck_assert_msg(!be_gpu.remote->finish(dev, 1, &err), "%s", err.text);
    be_gpu.remote->forget(dev, recording);
    ck_assert_uint_eq(gpu.count("cublasLtMatmulAlgoGetHeuristic"), MANY);
    ck_assert_int_eq(gpu.lt_live(), 1 + 5 * MANY);
    be_gpu.remote->forget_gemm(dev, &g[MANY]);
    ck_assert_ptr_null(g[MANY].plan);
    ck_assert_int_eq(gpu.lt_live(), 1 + 5 * MANY);
    for (int i = 0; i < MANY; i++) be_gpu.remote->forget_gemm(dev, &g[i]);
    ck_assert_int_eq(gpu.lt_live(), 1 + 5 * SHAPES);
    be_gpu.free(dev, a, MANY * sizeof *a);
    be_gpu.free(dev, c, MANY * sizeof *c);
    close_device();
}
END_TEST

/* Nothing can do it: a sentence with sizes and types, when the call is prepared and not while it runs. */
START_TEST(no_algorithm_has_a_sentence) {
    if (!support_standin_needed(&gpu, "no_algorithm_has_a_sentence")) return;
    open_device(0);
    base_trap err = {.armed = 0};
    be_gemm g = {.dtype = SN_F32, .m = 3, .n = 4, .k = 5, .row = &g, .relu = 1};
    gpu.lt_refuse(2);
    ck_assert_int_eq(be_gpu.remote->prepare_gemm(dev, &g, &err), SN_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.text, "GPU: cuBLASLt has no algorithm for 1 products of 3 x 5 and 5 x 4, f32 to f32");
    gpu.lt_refuse(0);
    g.batch = (int64_t)INT32_MAX + 1;
    base_clear_error(&err);
    ck_assert_int_eq(be_gpu.remote->prepare_gemm(dev, &g, &err), SN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "2147483648 products"));
    g.batch = 1;
    g.to = SN_F64;
    base_clear_error(&err);
    ck_assert_int_eq(be_gpu.remote->prepare_gemm(dev, &g, &err), SN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "f32 to f64"));
    /* sizes beyond 32 bits are the library's to judge: they reach it whole */
    be_gemm wide = {.dtype = SN_F32, .m = 2, .n = (int64_t)1 << 33, .k = 3, .a = &g, .b = &g, .c = &g};
    ck_assert_int_eq(be_gpu.remote->prepare_gemm(dev, &wide, &err), SN_OK);
    close_device();
}
END_TEST

/* NVIDIA's advice: more for Hopper and what came after it. The library takes what it needs of it. */
START_TEST(workspace_by_generation) {
    if (!support_standin_needed(&gpu, "workspace_by_generation")) return;
    for (int newer = 0; newer < 2; newer++) {
        if (newer) setenv("STANDIN_PTX", "90", 1); /* the stand-in's device is of the next generation then */
        open_device(0);
        ck_assert_uint_eq(gpu.allocated(), (uint64_t)(newer ? 32 : 4) << 20);
        close_device();
    }
}
END_TEST

/* cuBLASLt cannot be started, or its workspace not be had: a sentence, and it can be tried again. */
START_TEST(opening_again) {
    if (!support_standin_needed(&gpu, "opening_again")) return;
    static const char *const calls[] = {"cublasLtCreate", "cuMemAlloc_v2", "cuCtxPushCurrent_v2"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        base_trap err = {.armed = 0};
        base_alloc_init(&alloc, NULL);
        base_log_init(&quiet, ignore, NULL, SN_LOG_ERROR);
        const be_options options = {.alloc = &alloc, .log = &quiet};
        ck_assert_int_eq(be_gpu.open(&options, &dev, &err), SN_OK);
        gpu.fail_at(calls[i], 1, 2);
        ck_assert_int_ne(be_gpu.reserve_gemm(dev, &err), SN_OK);
        ck_assert_str_ne(err.text, "");
        base_clear_error(&err);
        ck_assert_msg(!be_gpu.reserve_gemm(dev, &err), "%s", err.text);
        problem_do(&(be_gemm){.dtype = SN_F32, .m = 2, .n = 3, .k = 4}, 0, "opened again");
        close_device();
    }
}
END_TEST

/* Each call fails once, at the driver's and at the library's: a sentence, nothing leaks, and the next product works. */
START_TEST(every_failure_has_a_sentence) {
    if (!support_standin_needed(&gpu, "every_failure_has_a_sentence")) return;
    int reached = 1, failures = 0;
    for (unsigned long k = 1; reached; k++) {
        open_device(0);
        gpu.lt_refuse(_i ? 1 : 0);
        problem p;
        base_trap err = {.armed = 0};
        const be_gemm g = {.dtype = SN_F32, .m = 4, .n = 5, .k = 6, .batch = 2, .row = "", .relu = 1};
        problem_open(&p, &g, 0);
        gpu.reset();
        gpu.fail_at(NULL, k, 3);
        sn_status status = problem_run(&p, &err);
        reached = gpu.count(NULL) >= k;
        failures += status != SN_OK;
        ck_assert_msg(!status || err.text[0], "failure %lu has no sentence", k);
        ck_assert(reached || !status);
        gpu.fail_at(NULL, 0, 0);
        base_clear_error(&err);
        ck_assert_msg(!problem_run(&p, &err), "after failure %lu: %s", k, err.text);
        problem_check(&p, "after a failure");
        problem_close(&p);
        close_device();
    }
    ck_assert_int_gt(failures, 20);
}
END_TEST

/* ---- the real library -------------------------------------------------------------------------------------------- */

/* It takes every description (it needs no device for that), and refuses to start without one. */
START_TEST(real_library) {
    base_trap err = {.armed = 0};
    lt_library lt;
    unsetenv("SINTER_CUDA_PATH");
    base_alloc_init(&alloc, NULL);
    base_log_init(&quiet, ignore, NULL, SN_LOG_ERROR);
    if (lt_open(&alloc, &quiet, 0, &lt, &err)) {
        printf("skipped: %s\n", err.text);
        return;
    }
    for (size_t t = 0; t < N_TYPES; t++)
        for (int way = 0; way < 64; way++) {
            const be_gemm g = {.dtype = types[t].dtype,
                               .to = types[t].to,
                               .m = 33,
                               .n = way & 32 ? (int64_t)1 << 33 : 40,
                               .k = 35,
                               .trans_a = way & 1,
                               .trans_b = way >> 1 & 1,
                               .batch = way & 4 ? 3 : 1,
                               .a = &g,
                               .b = &g,
                               .c = (void *)4096,
                               .row = way & 8 ? (void *)4096 : NULL,
                               .relu = way >> 4 & 1};
            lt_shape shape;
            lt_product product;
            lt_shape_of(&g, 1, &shape);
            lt_status status = lt_describe(&lt, &shape, g.row, 32 << 20, 1, &product);
            ck_assert_msg(!status, "%s to %s, way %d: %d", sn_dtype_name(g.dtype), sn_dtype_name(g.to), way, status);
            ck_assert_int_eq(product.epilogue, g.row || g.relu);
            lt_release(&lt, &product);
        }
    char text[64];
    ck_assert_str_eq(lt_text(&lt, LT_NOT_SUPPORTED, text), "CUBLAS_STATUS_NOT_SUPPORTED (15)");
    ck_assert_uint_eq(alloc.live_bytes, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gpu_blas");
    TCase *tc = tcase_create("gpu_blas");
    tcase_add_loop_test(tc, every_combination, 0, N_TYPES);
    tcase_add_test(tc, without_epilogues);
    tcase_add_test(tc, alignment_is_told);
    tcase_add_test(tc, nothing_to_sum);
    tcase_add_test(tc, relu_of_nan);
    tcase_add_test(tc, tf32_when_asked);
    tcase_add_test(tc, memory_of_shapes_is_bounded);
    tcase_add_test(tc, held_shapes_stay);
    tcase_add_test(tc, no_algorithm_has_a_sentence);
    tcase_add_test(tc, workspace_by_generation);
    tcase_add_test(tc, opening_again);
    tcase_add_loop_test(tc, every_failure_has_a_sentence, 0, 2);
    tcase_add_test(tc, real_library);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
