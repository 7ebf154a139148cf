/* Matrix products by cuBLASLt, called directly: descriptors once, the algorithm by trying those that it proposes. It
 * computes column-major, where a row-major matrix is its transpose, so c = a b is asked for as c' = b' a'. */
#include "device_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

enum { R_32F = 0, R_16BF = 14, COMPUTE_32F = 68, COMPUTE_TF32 = 77 };
enum { DESC_TRANSA = 3, DESC_TRANSB = 4, DESC_EPILOGUE = 7, DESC_BIAS = 8 }; /* a bias is of the result's type */
enum { EPILOGUE_RELU_BIAS = 6, PREFERENCE_WORKSPACE = 1 };
enum { MAX_PRODUCTS = 16, MAX_ALGORITHMS = 8, TRIES = 4 };

typedef struct {
    struct {
        uint64_t data[8];
    } algorithm;
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
} heuristic;

#define PRODUCT_FUNCTIONS(X)                                                                                           \
    X(cublasLtCreate, (void **handle))                                                                                 \
    X(cublasLtDestroy, (void *handle))                                                                                 \
    X(cublasLtMatmulDescCreate, (void **desc, int compute, int scale))                                                 \
    X(cublasLtMatmulDescDestroy, (void *desc))                                                                         \
    X(cublasLtMatmulDescSetAttribute, (void *desc, int attribute, const void *value, size_t bytes))                    \
    X(cublasLtMatrixLayoutCreate, (void **layout, int type, uint64_t rows, uint64_t columns, int64_t leading))         \
    X(cublasLtMatrixLayoutDestroy, (void *layout))                                                                     \
    X(cublasLtMatmulPreferenceCreate, (void **preference))                                                             \
    X(cublasLtMatmulPreferenceDestroy, (void *preference))                                                             \
    X(cublasLtMatmulPreferenceSetAttribute, (void *preference, int attribute, const void *value, size_t bytes))        \
    X(cublasLtMatmulAlgoGetHeuristic, (void *handle, void *desc, void *a, void *b, void *c, void *d, void *preference, \
                                       int wanted, heuristic *results, int *found))                                    \
    X(cublasLtMatmul, (void *handle, void *desc, const void *alpha, uint64_t a, void *layout_a, uint64_t b,            \
                       void *layout_b, const void *beta, uint64_t c, void *layout_c, uint64_t d, void *layout_d,       \
                       const void *algorithm, uint64_t workspace, size_t workspace_bytes, void *stream))

typedef struct {
    device_product what;
    void *desc, *a, *b, *c;
    heuristic best;
} planned;

struct device_products {
    void *handle;
    uint64_t workspace;
    planned product[MAX_PRODUCTS];
    int n;
#define MEMBER(name, arguments) int(*name) arguments;
    PRODUCT_FUNCTIONS(MEMBER)
#undef MEMBER
};

void device_products_free(device *d) {
    device_products *p = d->products;
    for (int i = 0; i < p->n; i++) {
        planned *one = &p->product[i];
        if (one->a) (void)p->cublasLtMatrixLayoutDestroy(one->a);
        if (one->b) (void)p->cublasLtMatrixLayoutDestroy(one->b);
        if (one->c) (void)p->cublasLtMatrixLayoutDestroy(one->c);
        if (one->desc) (void)p->cublasLtMatmulDescDestroy(one->desc);
    }
    if (p->handle) (void)p->cublasLtDestroy(p->handle);
    free(p);
    d->products = NULL;
}

static int open_products(device *d) {
    void *library = device_library("libcublasLt.so");
    if (!library) {
        snprintf(d->error, sizeof d->error, "no libcublasLt.so is open");
        return 0;
    }
    device_products *p = d->products = calloc(1, sizeof *p);
    if (!p) return 0;
#define FIND(name, arguments)                                                                                          \
    if (!device_symbol(d, library, #name, &p->name)) return 0;
    PRODUCT_FUNCTIONS(FIND)
#undef FIND
    return device_good(d, p->cublasLtCreate(&p->handle), "cublasLtCreate") &&
           (p->workspace = device_alloc(d, DEVICE_WORKSPACE));
}

static int set(device *d, planned *one, int attribute, const void *value, size_t bytes) {
    return device_good(d, d->products->cublasLtMatmulDescSetAttribute(one->desc, attribute, value, bytes),
                       "cublasLtMatmulDescSetAttribute");
}

static int describe(device *d, planned *one) {
    device_products *p = d->products;
    const device_product *w = &one->what;
    int type = w->precision == DEVICE_BF16 ? R_16BF : R_32F;
    int32_t first = w->trans_b, second = w->trans_a, epilogue = EPILOGUE_RELU_BIAS;
    uint64_t m = (uint64_t)w->m, n = (uint64_t)w->n, k = (uint64_t)w->k;
    if (!device_good(
            d, p->cublasLtMatmulDescCreate(&one->desc, w->precision == DEVICE_TF32 ? COMPUTE_TF32 : COMPUTE_32F, R_32F),
            "cublasLtMatmulDescCreate") ||
        !set(d, one, DESC_TRANSA, &first, sizeof first) || !set(d, one, DESC_TRANSB, &second, sizeof second))
        return 0;
    if (w->bias &&
        (!set(d, one, DESC_EPILOGUE, &epilogue, sizeof epilogue) || !set(d, one, DESC_BIAS, &w->bias, sizeof w->bias)))
        return 0;
    int wrong = p->cublasLtMatrixLayoutCreate(&one->a, type, first ? k : n, first ? n : k, first ? w->k : w->n);
    if (!wrong)
        wrong = p->cublasLtMatrixLayoutCreate(&one->b, type, second ? m : k, second ? k : m, second ? w->m : w->k);
    if (!wrong) wrong = p->cublasLtMatrixLayoutCreate(&one->c, type, n, m, w->n);
    return device_good(d, wrong, "cublasLtMatrixLayoutCreate");
}

static int run(device *d, const planned *one, const heuristic *how) {
    static const float alpha = 1, beta = 0;
    const device_products *p = d->products;
    const device_product *w = &one->what;
    return device_good(d,
                       p->cublasLtMatmul(p->handle, one->desc, &alpha, w->b, one->a, w->a, one->b, &beta, w->c, one->c,
                                         w->c, one->c, &how->algorithm, p->workspace, DEVICE_WORKSPACE, d->stream),
                       "cublasLtMatmul");
}

static int choose(device *d, planned *one) {
    device_products *p = d->products;
    heuristic all[MAX_ALGORITHMS];
    void *preference = NULL;
    size_t bytes = DEVICE_WORKSPACE;
    int found = 0, wrong = p->cublasLtMatmulPreferenceCreate(&preference);
    if (!wrong) wrong = p->cublasLtMatmulPreferenceSetAttribute(preference, PREFERENCE_WORKSPACE, &bytes, sizeof bytes);
    if (!wrong)
        wrong = p->cublasLtMatmulAlgoGetHeuristic(p->handle, one->desc, one->a, one->b, one->c, one->c, preference,
                                                  MAX_ALGORITHMS, all, &found);
    if (preference) (void)p->cublasLtMatmulPreferenceDestroy(preference);
    if (!wrong && !found) wrong = 15; /* CUBLAS_STATUS_NOT_SUPPORTED */
    if (!device_good(d, wrong, "cublasLtMatmulAlgoGetHeuristic")) return 0;
    double least = 1e30;
    for (int i = 0; i < found; i++) {
        if (all[i].state || !run(d, one, &all[i]) || !device_sync(d)) continue; /* one that cannot run is no choice */
        double start = bench_now();
        for (int k = 0; found > 1 && k < TRIES; k++) (void)run(d, one, &all[i]);
        if (!device_sync(d)) return 0;
        double t = bench_now() - start;
        if (t < least) {
            least = t;
            one->best = all[i];
        }
    }
    return least < 1e30;
}

int device_product_new(device *d, const device_product *product) {
    if (!d->products && !open_products(d)) return 0;
    if (d->products->n == MAX_PRODUCTS) return 0;
    planned *one = &d->products->product[d->products->n++];
    one->what = *product;
    return describe(d, one) && choose(d, one) ? d->products->n : 0;
}

int device_product_run(device *d, int product) {
    const planned *one = &d->products->product[product - 1];
    return run(d, one, &one->best);
}
