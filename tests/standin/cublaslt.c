/* Matrix products: column-major f64, f32, TF32, f16 and bf16, batches, bias and relu; each sum in order, in f64,
 * rounded once. Strict where the real library is silent or forgiving: unknown attributes and sizes of them, layouts
 * that do not fit each other, operands outside of the device's memory or less aligned than was told, an algorithm that
 * was chosen for something else, a workspace that is too small, a bias that is not set, a question
 * for algorithms while a stream is captured (which CUDA 13.3 refuses). As the real one's, its relu
 * makes 0 of a NaN. TF32 rounds operands to 10 bits of mantissa, so that a test sees that it was asked for. */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "standin.h"

enum { R_32F = 0, R_64F = 1, R_16F = 2, R_16BF = 14, COMPUTE_32F = 68, COMPUTE_64F = 70, COMPUTE_TF32 = 77 };
enum { OK = 0, ALLOC_FAILED = 3, INVALID_VALUE = 7, INTERNAL_ERROR = 14, NOT_SUPPORTED = 15 };
enum { TRANSA = 3, TRANSB = 4, EPILOGUE = 7, BIAS_POINTER = 8, BATCH_COUNT = 5, STRIDE = 6 };
enum { DEFAULT = 1, RELU = 2, BIAS = 4 };
enum {
    REDUCTION_IN_COMPUTE_TYPE = 2,
    PREF_WORKSPACE = 1,
    PREF_REDUCTION = 3,
    PREF_ALIGN = 5 /* .. 8: of a, b, c, d */
};
enum { ALGORITHM = 0x51, WANTED_WORKSPACE = 1 << 20, WORKSPACE_ALIGNMENT = 256, BIAS_ALIGNMENT = 16 };

typedef enum { HANDLE = 0x4c7401, DESC, LAYOUT, PREFERENCE } kind;
typedef struct {
    kind is;
    int compute, scale, trans_a, trans_b;
    unsigned epilogue;
    const void *bias;
} desc;
typedef struct {
    kind is;
    int type, batch;
    uint64_t rows, columns;
    int64_t leading, stride;
} layout;
typedef struct {
    kind is;
    uint64_t workspace;
    unsigned reduction, align[4];
} preference;
typedef struct {
    uint64_t algo[8]; /* ALGORITHM, m, n, k, types and epilogue, batch and transposition, alignments, workspace */
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
} heuristic;

static _Atomic long live;
static _Atomic unsigned refused;

long standin_lt_live(void) { return live; }
void standin_lt_refuse(unsigned what) { refused = what; }

#define ENTER(name)                                                                                                    \
    do {                                                                                                               \
        int code_ = standin_enter(#name);                                                                              \
        if (code_) return code_;                                                                                       \
    } while (0)

static int make(void **out, size_t bytes, kind is) {
    *out = calloc(1, bytes);
    if (!*out) return ALLOC_FAILED;
    memcpy(*out, &is, sizeof is);
    live++;
    standin_made(A_PRODUCT, 1);
    return OK;
}
static int destroy(void *p, kind is) {
    if (!p || memcmp(p, &is, sizeof is) != 0) return INVALID_VALUE;
    memset(p, 0, sizeof is);
    free(p);
    live--;
    standin_made(A_PRODUCT, -1);
    return OK;
}
/* A value of exactly these bytes. */
static int take(void *to, size_t size, const void *value, size_t bytes) {
    if (!value || bytes != size) return INVALID_VALUE;
    memcpy(to, value, size);
    return OK;
}

const char *cublasLtGetStatusName(int status) {
    return status == ALLOC_FAILED    ? "CUBLAS_STATUS_ALLOC_FAILED"
           : status == INVALID_VALUE ? "CUBLAS_STATUS_INVALID_VALUE"
           : status == NOT_SUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED"
                                     : "CUBLAS_STATUS";
}
int cublasLtCreate(void **handle) {
    ENTER(cublasLtCreate);
    return make(handle, sizeof(kind), HANDLE);
}
int cublasLtDestroy(void *handle) {
    if (standin_gone()) abort(); /* as the real one may */
    return destroy(handle, HANDLE);
}

int cublasLtMatmulDescCreate(desc **out, int compute, int scale) {
    ENTER(cublasLtMatmulDescCreate);
    void *made;
    int code = make(&made, sizeof **out, DESC);
    if (code) return code;
    *out = made;
    (*out)->compute = compute;
    (*out)->scale = scale;
    (*out)->epilogue = DEFAULT;
    return OK;
}
int cublasLtMatmulDescDestroy(desc *d) { return destroy(d, DESC); }
int cublasLtMatmulDescSetAttribute(desc *d, int attribute, const void *value, size_t bytes) {
    ENTER(cublasLtMatmulDescSetAttribute);
    if (d->is != DESC) return INVALID_VALUE;
    switch (attribute) {
        case TRANSA: return take(&d->trans_a, sizeof d->trans_a, value, bytes);
        case TRANSB: return take(&d->trans_b, sizeof d->trans_b, value, bytes);
        case EPILOGUE: return take(&d->epilogue, sizeof d->epilogue, value, bytes);
        case BIAS_POINTER: return take(&d->bias, sizeof d->bias, value, bytes);
        default: return INVALID_VALUE;
    }
}

int cublasLtMatrixLayoutCreate(layout **out, int type, uint64_t rows, uint64_t columns, int64_t leading) {
    ENTER(cublasLtMatrixLayoutCreate);
    if (type != R_32F && type != R_64F && type != R_16F && type != R_16BF) return INVALID_VALUE;
    if (!rows || !columns || leading < (int64_t)rows) return INVALID_VALUE;
    void *made;
    int code = make(&made, sizeof **out, LAYOUT);
    if (code) return code;
    *out = made;
    **out = (layout){LAYOUT, type, 1, rows, columns, leading, 0};
    return OK;
}
int cublasLtMatrixLayoutDestroy(layout *l) { return destroy(l, LAYOUT); }
int cublasLtMatrixLayoutSetAttribute(layout *l, int attribute, const void *value, size_t bytes) {
    ENTER(cublasLtMatrixLayoutSetAttribute);
    if (l->is != LAYOUT) return INVALID_VALUE;
    switch (attribute) {
        case BATCH_COUNT: return take(&l->batch, sizeof l->batch, value, bytes);
        case STRIDE: return take(&l->stride, sizeof l->stride, value, bytes);
        default: return INVALID_VALUE;
    }
}

int cublasLtMatmulPreferenceCreate(preference **out) {
    ENTER(cublasLtMatmulPreferenceCreate);
    void *made;
    int code = make(&made, sizeof **out, PREFERENCE);
    if (code) return code;
    *out = made;
    **out = (preference){PREFERENCE, 0, 7, {256, 256, 256, 256}};
    return OK;
}
int cublasLtMatmulPreferenceDestroy(preference *p) { return destroy(p, PREFERENCE); }
int cublasLtMatmulPreferenceSetAttribute(preference *p, int attribute, const void *value, size_t bytes) {
    ENTER(cublasLtMatmulPreferenceSetAttribute);
    if (p->is != PREFERENCE) return INVALID_VALUE;
    if (attribute == PREF_WORKSPACE) return take(&p->workspace, sizeof p->workspace, value, bytes);
    if (attribute == PREF_REDUCTION) {
        int code = take(&p->reduction, sizeof p->reduction, value, bytes);
        /* Sums put together in place differ from run to run, in the result's type they are rounded on the way: who has
         * a wish is to wish for neither. */
        return code ? code : p->reduction == REDUCTION_IN_COMPUTE_TYPE ? OK : INVALID_VALUE;
    }
    if (attribute < PREF_ALIGN || attribute >= PREF_ALIGN + 4) return INVALID_VALUE;
    unsigned *align = &p->align[attribute - PREF_ALIGN];
    int code = take(align, sizeof *align, value, bytes);
    return code ? code : !*align || *align & (*align - 1) ? INVALID_VALUE : OK;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static size_t size_of(int type) { return type == R_64F ? 8 : type == R_32F ? 4 : 2; }

static double half_value(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double v = exponent == 31 ? (fraction ? NAN : INFINITY)
               : exponent     ? ldexp(1024 + fraction, exponent - 25)
                              : ldexp(fraction, -24);
    return h >> 15 ? -v : v;
}
/* The nearest number with so many bits behind the first, ties to even. */
static double rounded(double v, int bits, int least) {
    int exponent;
    if (!isfinite(v) || v == 0) return v;
    (void)frexp(v, &exponent);
    int unit = exponent - 1 - bits > least ? exponent - 1 - bits : least;
    return ldexp(nearbyint(ldexp(v, -unit)), unit);
}
static uint16_t half_bits(double v) {
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    if (isnan(v)) return 0x7e00;
    v = fabs(rounded(v, 10, -24));
    if (v >= 65536) return sign | 0x7c00;
    if (v < ldexp(1, -14)) return (uint16_t)(sign | (uint16_t)ldexp(v, 24));
    int exponent;
    double fraction = frexp(v, &exponent);
    return (uint16_t)(sign | ((uint16_t)((exponent + 14) << 10) + (uint16_t)(ldexp(fraction, 11) - 1024)));
}

static double get(const void *at, int type, int64_t i) {
    float f;
    uint32_t bits;
    switch (type) {
        case R_64F: return ((const double *)at)[i];
        case R_32F: return (double)((const float *)at)[i];
        case R_16F: return half_value(((const uint16_t *)at)[i]);
        default:
            bits = (uint32_t)((const uint16_t *)at)[i] << 16;
            memcpy(&f, &bits, sizeof f);
            return (double)f;
    }
}
static void put(void *at, int type, int64_t i, double v) {
    float f;
    uint32_t bits;
    switch (type) {
        case R_64F: ((double *)at)[i] = v; break;
        case R_32F: ((float *)at)[i] = (float)v; break;
        case R_16F: ((uint16_t *)at)[i] = half_bits(v); break;
        default:
            f = (float)rounded(v, 7, -133);
            memcpy(&bits, &f, sizeof bits);
            ((uint16_t *)at)[i] = isnan(v) ? 0x7fc0 : (uint16_t)(bits >> 16);
    }
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

typedef struct {
    desc d;
    layout la, lb, lto;
    int64_t k;
    double alpha, beta;
    const void *a, *b;
    void *c;
} product;

/* Do types and sizes fit each other? */
static int check(const desc *d, const layout *a, const layout *b, const layout *c, const layout *to) {
    if (d->is != DESC || a->is != LAYOUT || b->is != LAYOUT || c->is != LAYOUT || to->is != LAYOUT)
        return INVALID_VALUE;
    if (d->trans_a >> 1 || d->trans_b >> 1) return INVALID_VALUE;
    if (d->epilogue != DEFAULT && (d->epilogue & ~(unsigned)(RELU | BIAS) || !d->epilogue)) return INVALID_VALUE;
    if (d->epilogue & BIAS && (!d->bias || (uintptr_t)d->bias % BIAS_ALIGNMENT)) return INVALID_VALUE;
    uint64_t k = d->trans_a ? a->rows : a->columns;
    if ((d->trans_a ? a->columns : a->rows) != to->rows || (d->trans_b ? b->rows : b->columns) != to->columns ||
        (d->trans_b ? b->columns : b->rows) != k || memcmp(c, to, sizeof *c) != 0)
        return INVALID_VALUE;
    if (a->batch != to->batch || b->batch != to->batch || to->batch < 1) return INVALID_VALUE;
    if (to->batch > 1 && to->stride < (int64_t)(to->rows * to->columns)) return INVALID_VALUE;
    int half = a->type == R_16F || a->type == R_16BF;
    if (a->type != b->type || d->scale != (d->compute == COMPUTE_64F ? R_64F : R_32F)) return NOT_SUPPORTED;
    switch (d->compute) {
        case COMPUTE_64F: return a->type == R_64F && to->type == R_64F ? OK : NOT_SUPPORTED;
        case COMPUTE_TF32: return a->type == R_32F && to->type == R_32F ? OK : NOT_SUPPORTED;
        case COMPUTE_32F:
            return (a->type == R_32F || half) && (to->type == R_32F || (half && to->type == a->type)) ? OK
                                                                                                      : NOT_SUPPORTED;
        default: return NOT_SUPPORTED;
    }
}

/* What an algorithm is for. */
static void purpose(const desc *d, const layout *a, const layout *to, uint64_t algo[6]) {
    algo[0] = ALGORITHM;
    algo[1] = to->rows;
    algo[2] = to->columns;
    algo[3] = d->trans_a ? a->rows : a->columns;
    algo[4] = (uint64_t)a->type | (uint64_t)to->type << 8 | (uint64_t)d->compute << 16 | (uint64_t)d->epilogue << 32;
    algo[5] = (uint64_t)to->batch | (uint64_t)d->trans_a << 40 | (uint64_t)d->trans_b << 41;
}

int cublasLtMatmulAlgoGetHeuristic(const kind *handle, desc *d, layout *a, layout *b, layout *c, layout *to,
                                   preference *p, int wanted, heuristic *results, int *found) {
    ENTER(cublasLtMatmulAlgoGetHeuristic);
    *found = 0;
    if (standin_capturing()) return INTERNAL_ERROR;
    if (*handle != HANDLE || p->is != PREFERENCE || wanted < 1) return INVALID_VALUE;
    int code = check(d, a, b, c, to);
    if (code) return code;
    if (refused & 2 || (refused & 1 && d->epilogue != DEFAULT)) return NOT_SUPPORTED;
    memset(results, 0, sizeof *results);
    purpose(d, a, to, results->algo);
    for (int i = 0; i < 4; i++) results->algo[6] |= (uint64_t)p->align[i] << 16 * i;
    results->workspace = p->workspace < WANTED_WORKSPACE ? 0 : WANTED_WORKSPACE;
    results->algo[7] = results->workspace;
    *found = 1;
    return OK;
}

/* Has the algorithm run before? Those of the last uses are remembered. */
static int is_loaded(const uint64_t algo[6], int now) {
    enum { REMEMBERED = 1024 };
    static uint64_t used[REMEMBERED][6];
    static unsigned n;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int found = 0;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < REMEMBERED && i < n && !found; i++) found = !memcmp(used[i], algo, sizeof used[i]);
    if (!found && now) memcpy(used[n++ % REMEMBERED], algo, sizeof used[0]);
    pthread_mutex_unlock(&lock);
    return found;
}

static double operand(const product *p, const void *at, const layout *l, int64_t batch, int64_t i) {
    double v = get(at, l->type, batch * l->stride + i);
    return p->d.compute == COMPUTE_TF32 ? rounded(v, 10, -1000) : v;
}

static int run_product(void *arg) {
    const product *p = arg;
    const layout *la = &p->la, *lb = &p->lb, *lc = &p->lto;
    for (int64_t batch = 0; batch < lc->batch; batch++)
        for (int64_t j = 0; j < (int64_t)lc->columns; j++)
            for (int64_t i = 0; i < (int64_t)lc->rows; i++) {
                double sum = 0;
                for (int64_t q = 0; q < p->k; q++)
                    sum += operand(p, p->a, la, batch, p->d.trans_a ? i * la->leading + q : q * la->leading + i) *
                           operand(p, p->b, lb, batch, p->d.trans_b ? q * lb->leading + j : j * lb->leading + q);
                sum *= p->alpha;
                int64_t at = batch * lc->stride + j * lc->leading + i;
                if (p->beta != 0) sum += p->beta * get(p->c, lc->type, at);
                if (p->d.epilogue & BIAS) sum += get(p->d.bias, lc->type, i);
                if (p->d.epilogue & RELU) sum = sum > 0 ? sum : 0;
                put(p->c, lc->type, at, sum);
            }
    return OK;
}

/* Does the operand lie in the device's memory, aligned as was told? */
static int in_place(const void *at, const layout *l, uint64_t alignment) {
    uint64_t last = (uint64_t)(l->batch - 1) * (uint64_t)l->stride + (l->columns - 1) * (uint64_t)l->leading + l->rows;
    return alignment && (uintptr_t)at % alignment == 0 && standin_on_device(at, last * size_of(l->type));
}

int cublasLtMatmul(const kind *handle, desc *d, const void *alpha, const void *a, layout *la, const void *b, layout *lb,
                   const void *beta, const void *c, layout *lc, void *to, layout *lto, const heuristic *algo,
                   void *workspace, size_t workspace_bytes, void *stream) {
    ENTER(cublasLtMatmul);
    if (*handle != HANDLE || !alpha || !beta || !algo || c != to) return INVALID_VALUE;
    int code = check(d, la, lb, lc, lto);
    if (code) return code;
    uint64_t wanted[6];
    purpose(d, la, lto, wanted);
    if (memcmp(wanted, algo->algo, sizeof wanted) != 0) return NOT_SUPPORTED;
    uint64_t align = algo->algo[6], need = algo->algo[7];
    if (need > workspace_bytes || (uintptr_t)workspace % WORKSPACE_ALIGNMENT ||
        (workspace_bytes && !standin_on_device(workspace, workspace_bytes)))
        return INVALID_VALUE;
    if (!in_place(a, la, align & 0xffff) || !in_place(b, lb, align >> 16 & 0xffff) ||
        !in_place(to, lto, align >> 32 & 0xffff) || (uintptr_t)to % (align >> 48))
        return INVALID_VALUE;
    if (!is_loaded(wanted, !standin_capturing()) && standin_capturing()) return INTERNAL_ERROR;
    if (d->epilogue & BIAS && !standin_on_device(d->bias, lto->rows * size_of(lto->type))) return INVALID_VALUE;
    const product p = {*d,
                       *la,
                       *lb,
                       *lto,
                       (int64_t)(d->trans_a ? la->rows : la->columns),
                       get(alpha, d->scale, 0),
                       get(beta, d->scale, 0),
                       a,
                       b,
                       to};
    return standin_enqueue(stream, run_product, &p, sizeof p);
}
