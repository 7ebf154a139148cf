/* Matrix products: column-major f32 and f64, each sum in order. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "standin.h"

enum { F32 = 0, F64 = 1, OK = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15, ALGORITHM = 0x51 };
enum { TRANSA = 3, TRANSB = 4, N_ATTRIBUTES = 40 };

typedef struct {
    int scale, attribute[N_ATTRIBUTES];
} desc;
typedef struct {
    int type;
    uint64_t rows, columns;
    int64_t leading;
} layout;
typedef struct {
    uint64_t algo[8];
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
} heuristic;

#define ENTER(name)                                                                                                    \
    do {                                                                                                               \
        int code_ = standin_enter(#name);                                                                              \
        if (code_) return code_;                                                                                       \
    } while (0)

int cublasLtCreate(void **handle) {
    ENTER(cublasLtCreate);
    *handle = malloc(1);
    return OK;
}
int cublasLtDestroy(void *handle) {
    free(handle);
    return OK;
}
int cublasLtMatmulDescCreate(desc **out, int compute, int scale) {
    ENTER(cublasLtMatmulDescCreate);
    (void)compute;
    *out = calloc(1, sizeof **out);
    if (*out) (*out)->scale = scale;
    return OK;
}
int cublasLtMatmulDescDestroy(desc *d) {
    free(d);
    return OK;
}
int cublasLtMatmulDescSetAttribute(desc *d, int attribute, const void *value, size_t bytes) {
    ENTER(cublasLtMatmulDescSetAttribute);
    if (attribute < 0 || attribute >= N_ATTRIBUTES || bytes != sizeof(int)) return INVALID_VALUE;
    memcpy(&d->attribute[attribute], value, bytes);
    return OK;
}
int cublasLtMatrixLayoutCreate(layout **out, int type, uint64_t rows, uint64_t columns, int64_t leading) {
    ENTER(cublasLtMatrixLayoutCreate);
    *out = malloc(sizeof **out);
    if (*out) **out = (layout){type, rows, columns, leading};
    return leading < (int64_t)rows ? INVALID_VALUE : OK;
}
int cublasLtMatrixLayoutDestroy(layout *l) {
    free(l);
    return OK;
}
int cublasLtMatmulPreferenceCreate(void **out) {
    ENTER(cublasLtMatmulPreferenceCreate);
    *out = malloc(1);
    return OK;
}
int cublasLtMatmulPreferenceDestroy(void *preference) {
    free(preference);
    return OK;
}
int cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const void *value, size_t bytes) {
    (void)preference, (void)attribute, (void)value, (void)bytes;
    ENTER(cublasLtMatmulPreferenceSetAttribute);
    return OK;
}
int cublasLtMatmulAlgoGetHeuristic(void *handle, desc *d, layout *a, layout *b, layout *c, layout *e, void *preference,
                                   int wanted, heuristic *results, int *found) {
    (void)handle, (void)d, (void)a, (void)b, (void)c, (void)e, (void)preference;
    ENTER(cublasLtMatmulAlgoGetHeuristic);
    *found = 0;
    if (wanted < 1) return INVALID_VALUE;
    memset(results, 0, sizeof *results);
    results->algo[0] = ALGORITHM;
    *found = 1;
    return OK;
}

typedef struct {
    int is_double, trans_a, trans_b;
    int64_t m, n, k, lda, ldb, ldc;
    double alpha, beta;
    const void *a, *b;
    void *c;
} product;

static double element(const void *at, int is_double, int64_t i) {
    return is_double ? ((const double *)at)[i] : (double)((const float *)at)[i];
}

static int run_product(void *arg) {
    const product *p = arg;
    for (int64_t j = 0; j < p->n; j++)
        for (int64_t i = 0; i < p->m; i++) {
            double sum = 0;
            for (int64_t q = 0; q < p->k; q++)
                sum += element(p->a, p->is_double, p->trans_a ? i * p->lda + q : q * p->lda + i) *
                       element(p->b, p->is_double, p->trans_b ? q * p->ldb + j : j * p->ldb + q);
            sum *= p->alpha;
            int64_t at = j * p->ldc + i;
            if (p->beta != 0) sum += p->beta * element(p->c, p->is_double, at);
            if (p->is_double)
                ((double *)p->c)[at] = sum;
            else
                ((float *)p->c)[at] = (float)sum;
        }
    return OK;
}

int cublasLtMatmul(void *handle, desc *d, const void *alpha, const void *a, layout *la, const void *b, layout *lb,
                   const void *beta, const void *c, layout *lc, void *to, layout *lto, const heuristic *algo,
                   void *workspace, size_t workspace_bytes, void *stream) {
    (void)handle, (void)c, (void)lc, (void)workspace, (void)workspace_bytes;
    ENTER(cublasLtMatmul);
    if (!algo || algo->algo[0] != ALGORITHM) return NOT_SUPPORTED;
    int trans_a = d->attribute[TRANSA], trans_b = d->attribute[TRANSB], is_double = d->scale == F64;
    product p = {is_double,
                 trans_a,
                 trans_b,
                 (int64_t)lto->rows,
                 (int64_t)lto->columns,
                 (int64_t)(trans_a ? la->rows : la->columns),
                 la->leading,
                 lb->leading,
                 lto->leading,
                 element(alpha, is_double, 0),
                 element(beta, is_double, 0),
                 a,
                 b,
                 to};
    if ((int64_t)(trans_a ? la->columns : la->rows) != p.m || (int64_t)(trans_b ? lb->rows : lb->columns) != p.n ||
        (int64_t)(trans_b ? lb->columns : lb->rows) != p.k || la->type != lto->type || lb->type != lto->type)
        return INVALID_VALUE;
    return standin_enqueue(stream, run_product, &p, sizeof p);
}
