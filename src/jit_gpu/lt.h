/* lt.h: cuBLASLt as far as it is used, declared here so that the build needs no header of it, and products described to
 * it. Types and values are from its documentation; descriptors are made by its own functions, so that their sizes are
 * its own. Nothing here needs a be_device: whoever has a context and a stream can multiply, as a yardstick does.
 *
 * Row-major c = a b is the column-major c' = b' a': nothing is transposed for it, and the row that is added to
 * each row of c is what the library calls a bias, one value for each row of c'. */
#ifndef JIT_GPU_LT_H
#define JIT_GPU_LT_H

#include "backend/backend.h"

typedef int lt_status; /* 0: success */
typedef void *lt_handle, *lt_desc, *lt_layout, *lt_preference, *lt_stream;
/* enums of theirs, which are ints to the ABI */
typedef int lt_compute, lt_type, lt_desc_attribute, lt_layout_attribute, lt_preference_attribute;
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

enum { LT_INVALID_VALUE = 7, LT_ARCH_MISMATCH = 8, LT_NOT_SUPPORTED = 15, LT_ALLOC_FAILED = 3 };

/* name, result, arguments, optional */
#define LT_FUNCTIONS(X)                                                                                                \
    X(cublasLtCreate, lt_status, (lt_handle * handle), 0)                                                              \
    X(cublasLtDestroy, lt_status, (lt_handle handle), 0)                                                               \
    X(cublasLtGetStatusName, const char *, (lt_status status), 1)                                                      \
    X(cublasLtMatmulDescCreate, lt_status, (lt_desc * desc, lt_compute compute, lt_type scale), 0)                     \
    X(cublasLtMatmulDescDestroy, lt_status, (lt_desc desc), 0)                                                         \
    X(cublasLtMatmulDescSetAttribute, lt_status,                                                                       \
      (lt_desc desc, lt_desc_attribute attribute, const void *value, size_t bytes), 0)                                 \
    X(cublasLtMatrixLayoutCreate, lt_status,                                                                           \
      (lt_layout * layout, lt_type type, uint64_t rows, uint64_t columns, int64_t leading), 0)                         \
    X(cublasLtMatrixLayoutDestroy, lt_status, (lt_layout layout), 0)                                                   \
    X(cublasLtMatrixLayoutSetAttribute, lt_status,                                                                     \
      (lt_layout layout, lt_layout_attribute attribute, const void *value, size_t bytes), 0)                           \
    X(cublasLtMatmulPreferenceCreate, lt_status, (lt_preference * preference), 0)                                      \
    X(cublasLtMatmulPreferenceDestroy, lt_status, (lt_preference preference), 0)                                       \
    X(cublasLtMatmulPreferenceSetAttribute, lt_status,                                                                 \
      (lt_preference preference, lt_preference_attribute attribute, const void *value, size_t bytes), 0)               \
    X(cublasLtMatmulAlgoGetHeuristic, lt_status,                                                                       \
      (lt_handle handle, lt_desc desc, lt_layout a, lt_layout b, lt_layout c, lt_layout d, lt_preference preference,   \
       int wanted, lt_heuristic *results, int *found),                                                                 \
      0)                                                                                                               \
    X(cublasLtMatmul, lt_status,                                                                                       \
      (lt_handle handle, lt_desc desc, const void *alpha, const void *a, lt_layout la, const void *b, lt_layout lb,    \
       const void *beta, const void *c, lt_layout lc, void *d, lt_layout ld, const lt_algo *algo, void *workspace,     \
       size_t workspace_bytes, lt_stream stream),                                                                      \
      0)

typedef struct {
#define LT_MEMBER(name, result, arguments, optional) result(*name) arguments;
    LT_FUNCTIONS(LT_MEMBER)
#undef LT_MEMBER
} lt_library;

/* Finds and opens the library, the one that fits a driver of this CUDA version (0: not known). */
sn_status lt_open(base_alloc *alloc, const base_log *log, int driver, lt_library *out, base_trap *err);
/* The library's name of a status, with its number. */
const char *lt_text(const lt_library *lt, lt_status status, char text[64]);

/* All that decides how a product is done. Compared byte by byte: made by lt_shape_of alone. */
typedef struct {
    int64_t m, n, k, batch;
    int32_t dtype, to;
    uint16_t align_a, align_b, align_c, align_row; /* bytes, a power of two up to 256; align_row 0: no row */
    uint8_t trans_a, trans_b, relu, tf32;
    uint8_t zero[4];
} lt_shape;
void lt_shape_of(const be_gemm *g, int tf32, lt_shape *out);

/* A product as the library wants it. a and b are its operands, which are the other way round. */
typedef struct {
    lt_desc desc;
    lt_layout a, b, c;
    lt_preference preference;
    int epilogue; /* row and relu are part of it */
} lt_product;

/* Describes a shape with its epilogue, if it has one and the library may do it: 1 in epilogue. row: of this call, for
 * its alignment. On failure, too, lt_release is due. */
lt_status lt_describe(const lt_library *lt, const lt_shape *shape, const void *row, size_t workspace, int epilogue,
                      lt_product *out);
lt_status lt_set_row(const lt_library *lt, const lt_product *product, const void *row);
/* The library's first choice of algorithm: LT_NOT_SUPPORTED where it has none. */
lt_status lt_choose(const lt_library *lt, lt_handle handle, const lt_product *product, size_t workspace,
                    lt_heuristic *out);
void lt_release(const lt_library *lt, lt_product *product);

#endif
