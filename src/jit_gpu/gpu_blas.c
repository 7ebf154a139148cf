/* Matrix products on cuBLASLt, opened before the first of them. How a product is done is asked for once for its shape,
 * when a call is laid out (the library may refuse to be asked while a stream is captured), and kept as long as a call
 * holds it, and then among the shapes used last. The library gets a workspace from us, so that it allocates nothing
 * while a call is recorded. Where it has no algorithm with the epilogue, or adds no rows so aligned, the product comes
 * without, and a kernel of ours does the rest (gpu_finish.c). */
#include <stdio.h>
#include <string.h>

#include "jit_gpu/gpu.h"
#include "jit_gpu/gpu_finish.h"
#include "jit_gpu/lt.h"

/* NVIDIA's advice for the workspace, from compute capability 9.0 on and before; shapes remembered that no call holds.
 */
enum { WORKSPACE = 32 << 20, OLDER_WORKSPACE = 4 << 20, SHAPES = 256, HOPPER = 90 };

/* A shape met before. */
typedef struct known {
    struct known *next; /* used before this one */
    uint32_t held;      /* by be_gemm.plan */
    lt_shape shape;
    lt_product product;
    lt_heuristic best;
} known;

struct gpu_blas {
    base_alloc *alloc;
    int is_open;
    lt_library lt;
    lt_handle handle;
    cu_ptr workspace;
    size_t workspace_bytes;
    known *latest;
    gpu_finish *finish;
};

void gpu_blas_init(gpu_blas **out, base_alloc *alloc, const base_log *log) {
    (void)log;
    *out = base_calloc(alloc, sizeof **out);
    if (!*out) return;
    (*out)->alloc = alloc;
    (*out)->finish = gpu_finish_new(alloc);
    if ((*out)->finish) return;
    base_free(alloc, *out, sizeof **out);
    *out = NULL;
}

static void forget(gpu_blas *blas, known *p) {
    lt_release(&blas->lt, &p->product);
    base_free(blas->alloc, p, sizeof *p);
}

void gpu_blas_free(be_device *dev, gpu_blas *blas, int entered) {
    if (!blas) return;
    while (blas->latest) {
        known *next = blas->latest->next;
        if (!entered) memset(&blas->latest->product, 0, sizeof blas->latest->product);
        forget(blas, blas->latest);
        blas->latest = next;
    }
    gpu_finish_free(dev, blas->finish);
    if (entered && blas->handle) (void)blas->lt.cublasLtDestroy(blas->handle);
    if (entered && blas->workspace) (void)dev->cu.cuMemFree_v2(blas->workspace);
    base_free(blas->alloc, blas, sizeof *blas);
}

static sn_status open_library(be_device *dev, base_trap *err) {
    gpu_blas *blas = dev->blas;
    char text[64];
    sn_status status = lt_open(dev->alloc, dev->log, dev->cu.version, &blas->lt, err);
    lt_status failed;
    if (!status && !blas->handle && (failed = blas->lt.cublasLtCreate(&blas->handle)))
        status = base_set_error(err, SN_ERR_UNAVAILABLE,
                                "cuBLASLt could not be started: %s; is it of a newer CUDA than the driver, which is "
                                "for %d.%d, or is the device's memory full?",
                                lt_text(&blas->lt, failed, text), dev->cu.version / 1000, dev->cu.version % 1000 / 10);
    cu_result result = 0;
    blas->workspace_bytes = dev->cc >= HOPPER ? WORKSPACE : OLDER_WORKSPACE;
    if (!status && !blas->workspace && (result = dev->cu.cuMemAlloc_v2(&blas->workspace, blas->workspace_bytes)))
        status =
            cu_fail(&dev->cu, err, result, "%zu bytes of workspace for matrix products", (size_t)blas->workspace_bytes);
    return status;
}

sn_status gpu_blas_open(be_device *dev, base_trap *err) {
    gpu_visit visit;
    if (gpu_enter(dev, &visit, err)) return err->status;
    pthread_mutex_lock(&dev->turn);
    sn_status status = dev->blas->is_open ? SN_OK : open_library(dev, err);
    if (!status) dev->blas->is_open = 1;
    pthread_mutex_unlock(&dev->turn);
    gpu_leave(dev, &visit);
    return status;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static sn_status fail(const gpu_blas *blas, const be_gemm *g, lt_status status, base_trap *err) {
    char text[64];
    const char *a = sn_dtype_name(g->dtype), *c = sn_dtype_name(be_gemm_to(g));
    if (status == LT_NOT_SUPPORTED)
        return base_set_error(
            err, SN_ERR_UNSUPPORTED,
            "GPU: cuBLASLt has no algorithm for %lld products of %lld x %lld and %lld x %lld, %s to %s",
            (long long)(g->batch > 1 ? g->batch : 1), (long long)g->m, (long long)g->k, (long long)g->k,
            (long long)g->n, a, c);
    return base_set_error(err, status == LT_ALLOC_FAILED ? SN_ERR_NOMEM : SN_ERR_INTERNAL,
                          "GPU: cuBLASLt: product of %lld x %lld and %lld x %lld, %s to %s: %s", (long long)g->m,
                          (long long)g->k, (long long)g->k, (long long)g->n, a, c, lt_text(&blas->lt, status, text));
}

static lt_status describe(gpu_blas *blas, known *p, const be_gemm *g) {
    lt_status status = LT_NOT_SUPPORTED;
    if (p->shape.batch > INT32_MAX) return status; /* its field has 32 bits */
    for (int epilogue = p->shape.relu || p->shape.align_row; epilogue >= 0; epilogue--) {
        lt_release(&blas->lt, &p->product);
        status = lt_describe(&blas->lt, &p->shape, g->row, blas->workspace_bytes, epilogue, &p->product);
        if (!status) status = lt_choose(&blas->lt, blas->handle, &p->product, blas->workspace_bytes, &p->best);
        if (status != LT_NOT_SUPPORTED) break;
    }
    return status;
}

/* Of those that nobody holds, only so many stay. */
static void trim(gpu_blas *blas) {
    uint32_t n = 0;
    for (known **link = &blas->latest, *p; (p = *link);) {
        if (p->held || n++ < SHAPES) {
            link = &p->next;
            continue;
        }
        *link = p->next;
        forget(blas, p);
    }
}

/* The shape's product, the latest from now on. */
static known *find(be_device *dev, const be_gemm *g, base_trap *err) {
    gpu_blas *blas = dev->blas;
    lt_shape shape;
    lt_shape_of(g, dev->tf32, &shape);
    known **link = &blas->latest, *p = g->plan;
    if (p && !memcmp(&p->shape, &shape, sizeof shape)) return p;
    for (; (p = *link); link = &p->next) {
        if (memcmp(&p->shape, &shape, sizeof shape) != 0) continue;
        *link = p->next;
        p->next = blas->latest;
        return blas->latest = p;
    }
    p = base_calloc(blas->alloc, sizeof *p);
    if (!p) {
        base_set_error(err, SN_ERR_NOMEM, "out of memory: a matrix product");
        return NULL;
    }
    p->shape = shape;
    lt_status status = describe(blas, p, g);
    if (status) {
        fail(blas, g, status, err);
        forget(blas, p);
        return NULL;
    }
    p->next = blas->latest;
    blas->latest = p;
    trim(blas); /* which leaves the latest */
    return p;
}

/* Does a kernel of ours have to do what comes after the product? */
static int is_unfinished(const known *p, const be_gemm *g) {
    return (g->row || g->relu) && !(p && p->product.epilogue);
}

static void hold(be_gemm *g, known *p) {
    if (p) p->held++;
    if (g->plan) ((known *)g->plan)->held--;
    g->plan = p;
}

sn_status gpu_prepare_gemm(be_device *dev, be_gemm *g, base_trap *err) {
    gpu_visit visit;
    if (gpu_enter(dev, &visit, err)) return err->status;
    pthread_mutex_lock(&dev->turn);
    known *p = g->k ? find(dev, g, err) : NULL;
    sn_status status = g->k && !p ? err->status : SN_OK;
    if (!status && is_unfinished(p, g)) status = gpu_finish_prepare(dev, dev->blas->finish, g, err);
    if (!status) hold(g, p);
    pthread_mutex_unlock(&dev->turn);
    gpu_leave(dev, &visit);
    return status;
}

void gpu_forget_gemm(be_device *dev, be_gemm *g) {
    gpu_visit visit;
    if (!g->plan || !gpu_enter_to_free(dev, &visit)) return;
    pthread_mutex_lock(&dev->turn);
    hold(g, NULL);
    trim(dev->blas);
    pthread_mutex_unlock(&dev->turn);
    gpu_leave(dev, &visit);
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

static lt_status multiply(const be_device *dev, const known *p, const be_gemm *g) {
    static const float one = 1, none = 0;
    static const double one64 = 1, none64 = 0;
    const gpu_blas *blas = dev->blas;
    int is_double = g->dtype == SN_F64;
    lt_status status = p->product.epilogue && g->row ? lt_set_row(&blas->lt, &p->product, g->row) : 0;
    if (status) return status;
    return blas->lt.cublasLtMatmul(blas->handle, p->product.desc, is_double ? (const void *)&one64 : &one, g->b,
                                   p->product.a, g->a, p->product.b, is_double ? (const void *)&none64 : &none, g->c,
                                   p->product.c, g->c, p->product.c, &p->best.algo, (void *)(uintptr_t)blas->workspace,
                                   blas->workspace_bytes, dev->stream);
}

void gpu_gemm(be_device *dev, const be_gemm *g) {
    gpu_blas *blas = dev->blas;
    if (dev->failed.status) return;
    const known *p = g->k ? find(dev, g, &dev->failed) : NULL;
    if (dev->failed.status) return;
    if (p) {
        lt_status status = multiply(dev, p, g);
        if (status) fail(blas, g, status, &dev->failed);
    } else { /* the sum of no products */
        size_t batch = (size_t)(g->batch > 1 ? g->batch : 1);
        size_t bytes = batch * (size_t)g->m * (size_t)g->n * sn_dtype_size(be_gemm_to(g));
        cu_result result = dev->cu.cuMemsetD8Async((uintptr_t)g->c, 0, bytes, dev->stream);
        if (result) gpu_failed(dev, result, "clearing a product's %zu bytes", bytes);
    }
    if (!dev->failed.status && is_unfinished(p, g)) gpu_finish_run(dev, blas->finish, g);
}
