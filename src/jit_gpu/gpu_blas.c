/* Matrix products on cuBLASLt, opened before the first of them. Row-major c = a b is the column-major c' = b' a', so
 * nothing is transposed. The algorithm of a product's shape is chosen once. TF32 is off: products are f32 throughout.
 */
#include <stdio.h>
#include <string.h>

#include "jit_gpu/dynlib.h"
#include "jit_gpu/gpu.h"

/* cuBLASLt's types and values, from its documentation; descriptors are made by its own functions, so that their sizes
 * are its own. */
typedef int lt_status;
typedef void *lt_handle, *lt_desc, *lt_layout, *lt_preference;
enum { LT_R_32F = 0, LT_R_64F = 1, LT_COMPUTE_32F = 68, LT_COMPUTE_64F = 70 };
enum { LT_DESC_TRANSA = 3, LT_DESC_TRANSB = 4, LT_PREF_WORKSPACE = 1 };
typedef struct {
    uint64_t data[8];
} lt_algo;
typedef struct {
    lt_algo algo;
    size_t workspace;
    lt_status state;
    float waves;
    int reserved[4];
} lt_heuristic;

#define LT_FUNCTIONS(X)                                                                                                \
    X(cublasLtCreate, (lt_handle * handle))                                                                            \
    X(cublasLtDestroy, (lt_handle handle))                                                                             \
    X(cublasLtMatmulDescCreate, (lt_desc * desc, int compute, int scale))                                              \
    X(cublasLtMatmulDescDestroy, (lt_desc desc))                                                                       \
    X(cublasLtMatmulDescSetAttribute, (lt_desc desc, int attribute, const void *value, size_t bytes))                  \
    X(cublasLtMatrixLayoutCreate, (lt_layout * layout, int type, uint64_t rows, uint64_t columns, int64_t leading))    \
    X(cublasLtMatrixLayoutDestroy, (lt_layout layout))                                                                 \
    X(cublasLtMatmulPreferenceCreate, (lt_preference * preference))                                                    \
    X(cublasLtMatmulPreferenceDestroy, (lt_preference preference))                                                     \
    X(cublasLtMatmulPreferenceSetAttribute,                                                                            \
      (lt_preference preference, int attribute, const void *value, size_t bytes))                                      \
    X(cublasLtMatmulAlgoGetHeuristic,                                                                                  \
      (lt_handle handle, lt_desc desc, lt_layout a, lt_layout b, lt_layout c, lt_layout d, lt_preference preference,   \
       int wanted, lt_heuristic *results, int *found))                                                                 \
    X(cublasLtMatmul, (lt_handle handle, lt_desc desc, const void *alpha, const void *a, lt_layout la, const void *b,  \
                       lt_layout lb, const void *beta, const void *c, lt_layout lc, void *d, lt_layout ld,             \
                       const lt_algo *algo, void *workspace, size_t workspace_bytes, cu_stream stream))

enum { WORKSPACE = 32 << 20 };

/* A shape met before, with its descriptors and algorithm. */
typedef struct product {
    struct product *next;
    sn_dtype dtype;
    int64_t m, n, k;
    int trans_a, trans_b;
    lt_desc desc;
    lt_layout a, b, c;
    lt_heuristic best;
} product;

struct gpu_blas {
    base_alloc *alloc;
    int is_open;
    lt_handle handle;
    cu_ptr workspace;
    product *products;
#define MEMBER(name, arguments) lt_status(*name) arguments;
    LT_FUNCTIONS(MEMBER)
#undef MEMBER
};

void gpu_blas_init(gpu_blas **out, base_alloc *alloc, const base_log *log) {
    (void)log;
    *out = base_calloc(alloc, sizeof **out);
    if (*out) (*out)->alloc = alloc;
}

static void free_product(gpu_blas *blas, product *p) {
    if (p->a) (void)blas->cublasLtMatrixLayoutDestroy(p->a);
    if (p->b) (void)blas->cublasLtMatrixLayoutDestroy(p->b);
    if (p->c) (void)blas->cublasLtMatrixLayoutDestroy(p->c);
    if (p->desc) (void)blas->cublasLtMatmulDescDestroy(p->desc);
    base_free(blas->alloc, p, sizeof *p);
}

void gpu_blas_free(be_device *dev, gpu_blas *blas) {
    if (!blas) return;
    while (blas->products) {
        product *next = blas->products->next;
        free_product(blas, blas->products);
        blas->products = next;
    }
    if (blas->handle) (void)blas->cublasLtDestroy(blas->handle);
    if (blas->workspace) (void)dev->cu.cuMemFree_v2(blas->workspace);
    base_free(blas->alloc, blas, sizeof *blas);
}

static sn_status open_library(be_device *dev, base_trap *err) {
    static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so", NULL};
    gpu_blas *blas = dev->blas;
    const gpu_symbol symbols[] = {
#define ROW(name, arguments) {#name, (void **)&blas->name, 0},
        LT_FUNCTIONS(ROW)
#undef ROW
    };
    base_strbuf path;
    base_strbuf_init(&path, dev->alloc);
    void *library = gpu_dynlib_open(dev->alloc, "cuBLASLt", names, NULL, &path, err);
    sn_status status =
        library ? gpu_dynlib_symbols(library, "cuBLASLt", symbols, sizeof symbols / sizeof *symbols, err) : err->status;
    if (!status) base_logf(dev->log, SN_LOG_INFO, "matrix products: %s", path.at);
    base_strbuf_free(&path);
    lt_status failed;
    if (!status && !blas->handle && (failed = blas->cublasLtCreate(&blas->handle)))
        status = base_set_error(err, SN_ERR_UNAVAILABLE, "cuBLASLt could not be started (%d)", failed);
    cu_result result = 0;
    if (!status && !blas->workspace && (result = dev->cu.cuMemAlloc_v2(&blas->workspace, WORKSPACE)))
        status = cu_fail(&dev->cu, err, result, "%d bytes of workspace for matrix products", (int)WORKSPACE);
    return status;
}

sn_status gpu_blas_open(be_device *dev, base_trap *err) {
    if (gpu_enter(dev, err)) return err->status;
    pthread_mutex_lock(&dev->turn);
    sn_status status = dev->blas->is_open ? SN_OK : open_library(dev, err);
    if (!status) dev->blas->is_open = 1;
    pthread_mutex_unlock(&dev->turn);
    gpu_leave(dev);
    return status;
}

static lt_status describe(gpu_blas *blas, product *p) {
    int is_double = p->dtype == SN_F64, type = is_double ? LT_R_64F : LT_R_32F;
    int32_t first = p->trans_b, second = p->trans_a;
    uint64_t m = (uint64_t)p->m, n = (uint64_t)p->n, k = (uint64_t)p->k;
    size_t bytes = WORKSPACE;
    lt_status s = blas->cublasLtMatmulDescCreate(&p->desc, is_double ? LT_COMPUTE_64F : LT_COMPUTE_32F, type);
    if (!s) s = blas->cublasLtMatmulDescSetAttribute(p->desc, LT_DESC_TRANSA, &first, sizeof first);
    if (!s) s = blas->cublasLtMatmulDescSetAttribute(p->desc, LT_DESC_TRANSB, &second, sizeof second);
    if (!s) s = blas->cublasLtMatrixLayoutCreate(&p->a, type, first ? k : n, first ? n : k, first ? p->k : p->n);
    if (!s) s = blas->cublasLtMatrixLayoutCreate(&p->b, type, second ? m : k, second ? k : m, second ? p->m : p->k);
    if (!s) s = blas->cublasLtMatrixLayoutCreate(&p->c, type, n, m, p->n);
    lt_preference preference = NULL;
    if (!s) s = blas->cublasLtMatmulPreferenceCreate(&preference);
    if (!s) s = blas->cublasLtMatmulPreferenceSetAttribute(preference, LT_PREF_WORKSPACE, &bytes, sizeof bytes);
    int found = 0;
    if (!s)
        s = blas->cublasLtMatmulAlgoGetHeuristic(blas->handle, p->desc, p->a, p->b, p->c, p->c, preference, 1, &p->best,
                                                 &found);
    if (!s && !found) s = 15; /* CUBLAS_STATUS_NOT_SUPPORTED */
    if (preference) (void)blas->cublasLtMatmulPreferenceDestroy(preference);
    return s;
}

static product *product_of(gpu_blas *blas, const be_gemm *g, lt_status *status) {
    *status = 0;
    for (product *p = blas->products; p; p = p->next)
        if (p->dtype == g->dtype && p->m == g->m && p->n == g->n && p->k == g->k && p->trans_a == g->trans_a &&
            p->trans_b == g->trans_b)
            return p;
    product *p = base_calloc(blas->alloc, sizeof *p);
    if (!p) {
        *status = 3; /* CUBLAS_STATUS_ALLOC_FAILED */
        return NULL;
    }
    *p = (product){blas->products, g->dtype, g->m, g->n, g->k, g->trans_a,
                   g->trans_b,     NULL,     NULL, NULL, NULL, {{{0}}, 0, 0, 0, {0}}};
    if ((*status = describe(blas, p))) {
        free_product(blas, p);
        return NULL;
    }
    blas->products = p;
    return p;
}

void gpu_gemm(be_device *dev, const be_gemm *g) {
    static const float one = 1, none = 0;
    static const double one64 = 1, none64 = 0;
    gpu_blas *blas = dev->blas;
    if (dev->failed.status) return;
    lt_status status;
    const product *p = product_of(blas, g, &status);
    int is_double = g->dtype == SN_F64;
    size_t size = sn_dtype_size(g->dtype), a_bytes = (size_t)(g->m * g->k) * size,
           b_bytes = (size_t)(g->k * g->n) * size;
    size_t c_bytes = (size_t)(g->m * g->n) * size;
    for (size_t i = 0; p && !status && (i == 0 || i < (size_t)g->batch); i++) {
        const char *a = (const char *)g->a + i * a_bytes, *b = (const char *)g->b + i * b_bytes;
        char *c = (char *)g->c + i * c_bytes;
        status = blas->cublasLtMatmul(blas->handle, p->desc, is_double ? (const void *)&one64 : &one, b, p->a, a, p->b,
                                      is_double ? (const void *)&none64 : &none, c, p->c, c, p->c, &p->best.algo,
                                      (void *)(uintptr_t)blas->workspace, WORKSPACE, dev->stream);
    }
    if (status)
        base_set_error(&dev->failed, SN_ERR_INTERNAL,
                       "GPU: cuBLASLt: product of %lld x %lld and %lld x %lld: status %d", (long long)g->m,
                       (long long)g->k, (long long)g->k, (long long)g->n, status);
}
