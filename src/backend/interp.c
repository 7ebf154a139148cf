/* The interpreter as a backend: a blob is the kernel's own bytes, loading expands and plans it, launches run all chunks
 * one after the other. One lock per device, since plans and scratch hold the values of the launch that runs. A kernel
 * that reaches outside of a memory is stopped from doing so and logged once. Matrix products are plain loops: each
 * element adds its products in order of k, product and sum rounded separately. */
#include "backend/interp.h"
#include "base/floats.h"

#include <pthread.h>
#include <string.h>

#include "backend/backend.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* gcc does not contract under -std=c17 */
#endif

struct be_device {
    base_alloc *alloc;
    const base_log *log;
    pthread_mutex_t lock; /* of launches and scratch */
    void *scratch;
    size_t scratch_bytes;
};

struct be_exec {
    base_arena arena; /* the expanded kernel and its plan */
    const kn_kernel *kernel;
    interp_plan *plan;
    int reported;
    char name[64];
};

static sn_status interp_open(const be_options *options, be_device **out, base_trap *err) {
    be_device *dev = base_calloc(options->alloc, sizeof *dev);
    if (!dev) return base_set_error(err, SN_ERR_NOMEM, "out of memory: an interpreter device");
    dev->alloc = options->alloc;
    dev->log = options->log;
    if (pthread_mutex_init(&dev->lock, NULL)) {
        base_free(options->alloc, dev, sizeof *dev);
        return base_set_error(err, SN_ERR_UNAVAILABLE, "the system has no more mutexes");
    }
    *out = dev;
    return SN_OK;
}

static void interp_close(be_device *dev) {
    if (!dev) return;
    pthread_mutex_destroy(&dev->lock);
    base_free(dev->alloc, dev->scratch, dev->scratch_bytes);
    base_free(dev->alloc, dev, sizeof *dev);
}

static const char *interp_target(const be_device *dev) {
    (void)dev;
    return "interp 1";
}

typedef struct {
    be_device *dev;
    const void *bytes;
    size_t n;
    base_arena arena;
    const kn_kernel *kernel;
} decoding;

static void decode(void *arg) {
    decoding *d = arg;
    d->kernel = kn_decode(&d->arena, d->bytes, d->n);
}

static sn_status interp_compile(be_device *dev, const void *kernel, size_t n, be_blob *out, base_trap *err) {
    decoding d = {.dev = dev, .bytes = kernel, .n = n};
    base_arena_init(&d.arena, dev->alloc, err);
    sn_status status = base_protect(err, decode, &d);
    base_arena_free(&d.arena);
    if (status) return status;
    *out = (be_blob){base_malloc(dev->alloc, n), n};
    if (!out->at) return base_set_error(err, SN_ERR_NOMEM, "out of memory: a kernel of %zu bytes", n);
    memcpy(out->at, kernel, n);
    return SN_OK;
}

static sn_status interp_text(be_device *dev, const void *kernel, size_t n, const char *what, base_strbuf *out,
                             base_trap *err) {
    if (strcmp(what, "kernel") != 0)
        return base_set_error(err, SN_ERR_UNSUPPORTED, "the interpreter has no %s text, only \"kernel\"", what);
    decoding d = {.dev = dev, .bytes = kernel, .n = n};
    base_arena_init(&d.arena, dev->alloc, err);
    sn_status status = base_protect(err, decode, &d);
    if (!status) kn_print(d.kernel, out);
    base_arena_free(&d.arena);
    return status;
}

static void prepare(void *arg) {
    be_exec *exec = arg;
    const kn_kernel *expanded = kn_expand(&exec->arena, exec->kernel, 0);
    exec->plan = interp_plan_new(&exec->arena, expanded);
}

static void interp_unload(be_device *dev, be_exec *exec) {
    if (!exec) return;
    base_arena_free(&exec->arena);
    base_free(dev->alloc, exec, sizeof *exec);
}

static sn_status interp_load(be_device *dev, const kn_kernel *kernel, const void *blob, size_t n, const char *name,
                             be_exec **out, base_trap *err) {
    base_strbuf bytes;
    base_strbuf_init(&bytes, dev->alloc);
    kn_encode(kernel, &bytes);
    int failed = bytes.failed, same = !failed && bytes.n == n && memcmp(bytes.at, blob, n) == 0;
    base_strbuf_free(&bytes);
    if (failed) return base_set_error(err, SN_ERR_NOMEM, "out of memory: loading kernel %s", name);
    if (!same) return base_set_error(err, SN_ERR_PARSE, "the blob is not that of kernel %s", name);

    be_exec *exec = base_calloc(dev->alloc, sizeof *exec);
    if (!exec) return base_set_error(err, SN_ERR_NOMEM, "out of memory: loading kernel %s", name);
    exec->kernel = kernel;
    strncpy(exec->name, name, sizeof exec->name - 1);
    base_arena_init(&exec->arena, dev->alloc, err);
    sn_status status = base_protect(err, prepare, exec);
    if (status)
        interp_unload(dev, exec);
    else
        *out = exec;
    return status;
}

static sn_status interp_reserve(be_device *dev, size_t scratch_bytes, base_trap *err) {
    sn_status status = SN_OK;
    pthread_mutex_lock(&dev->lock);
    if (scratch_bytes > dev->scratch_bytes) {
        void *scratch = base_malloc(dev->alloc, scratch_bytes);
        if (scratch) {
            base_free(dev->alloc, dev->scratch, dev->scratch_bytes);
            dev->scratch = scratch;
            dev->scratch_bytes = scratch_bytes;
        } else {
            status = base_set_error(err, SN_ERR_NOMEM, "out of memory: %zu bytes of scratch", scratch_bytes);
        }
    }
    pthread_mutex_unlock(&dev->lock);
    return status;
}

static sn_status interp_reserve_gemm(be_device *dev, base_trap *err) {
    (void)dev;
    (void)err;
    return SN_OK;
}

static void interp_launch(be_device *dev, be_exec *exec, const kn_launch *launch, const int64_t *n_chunks,
                          size_t scratch_bytes, double ns) {
    (void)ns;
    interp_errors errors = {0};
    int report = 0;
    pthread_mutex_lock(&dev->lock);
    if (scratch_bytes > dev->scratch_bytes) {
        errors.n = 1;
        strcpy(errors.first, "its scratch was not reserved");
    } else {
        for (uint32_t part = 0; part < exec->kernel->n_part; part++)
            interp_plan_run(exec->plan, launch, part, 0, n_chunks[part], dev->scratch, &errors);
    }
    if (errors.n && !exec->reported) report = exec->reported = 1;
    pthread_mutex_unlock(&dev->lock);
    if (report)
        base_logf(dev->log, SN_LOG_ERROR, "kernel %s: %s (%lld such errors)", exec->name, errors.first,
                  (long long)errors.n);
}

#define GEMM(T)                                                                                                        \
    const T *a = g->a, *b = g->b, *row = g->row;                                                                       \
    T *c = g->c;                                                                                                       \
    for (int64_t i = 0; i < g->m; i++) {                                                                               \
        for (int64_t j = 0; j < g->n; j++) {                                                                           \
            T sum = 0;                                                                                                 \
            for (int64_t q = 0; q < g->k; q++) {                                                                       \
                T product = a[g->trans_a ? q * g->m + i : i * g->k + q] * b[g->trans_b ? j * g->k + q : q * g->n + j]; \
                sum += product;                                                                                        \
            }                                                                                                          \
            if (row) sum += row[j];                                                                                    \
            c[i * g->n + j] = g->relu && sum <= 0 ? 0 : sum;                                                           \
        }                                                                                                              \
    }

static void gemm_f32(const be_gemm *g) { GEMM(float) }
static void gemm_f64(const be_gemm *g) { GEMM(double) }

/* f16 and bf16: in f32, rounded at the end. */
static void gemm_half(const be_gemm *g) {
    sn_dtype to = be_gemm_to(g);
    size_t size = sn_dtype_size(g->dtype), size_to = sn_dtype_size(to);
    const char *a = g->a, *b = g->b, *row = g->row;
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t j = 0; j < g->n; j++) {
            float sum = 0;
            for (int64_t q = 0; q < g->k; q++) {
                size_t at_a = (size_t)(g->trans_a ? q * g->m + i : i * g->k + q),
                       at_b = (size_t)(g->trans_b ? j * g->k + q : q * g->n + j);
                float product =
                    (float)base_float_get(g->dtype, a + at_a * size) * (float)base_float_get(g->dtype, b + at_b * size);
                sum += product;
            }
            if (row) sum += (float)base_float_get(to, row + (size_t)j * size_to);
            base_float_put(to, (char *)g->c + (size_t)(i * g->n + j) * size_to,
                           (long double)(g->relu && sum <= 0 ? 0 : sum));
        }
}

static void interp_gemm(be_device *dev, const be_gemm *gemm) {
    (void)dev;
    be_gemm one = *gemm;
    size_t size = sn_dtype_size(one.dtype);
    for (int64_t i = 0; i < gemm->batch || i == 0; i++) {
        if (one.dtype == SN_F32)
            gemm_f32(&one);
        else if (one.dtype == SN_F64)
            gemm_f64(&one);
        else
            gemm_half(&one);
        one.a = (const char *)one.a + (size_t)(one.m * one.k) * size;
        one.b = (const char *)one.b + (size_t)(one.k * one.n) * size;
        one.c = (char *)one.c + (size_t)(one.m * one.n) * sn_dtype_size(be_gemm_to(&one));
    }
}

static void *interp_alloc(be_device *dev, size_t bytes) { return base_malloc(dev->alloc, bytes); }
static void interp_free(be_device *dev, void *p, size_t bytes) { base_free(dev->alloc, p, bytes); }

const be_backend be_interp = {
    .name = "interp",
    .open = interp_open,
    .close = interp_close,
    .target = interp_target,
    .compile = interp_compile,
    .text = interp_text,
    .load = interp_load,
    .unload = interp_unload,
    .reserve = interp_reserve,
    .reserve_gemm = interp_reserve_gemm,
    .launch = interp_launch,
    .gemm = interp_gemm,
    .alloc = interp_alloc,
    .free = interp_free,
};
