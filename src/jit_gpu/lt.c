/* Products described to cuBLASLt: types, sizes, transposition, batch, alignment and epilogue in; descriptors and an
 * algorithm out.
 *
 * The same product gets the same algorithm, and algorithms that cut the sum over k may only put the parts together in a
 * step of its own, in the type of the sum: so results are the same from run to run, and no part of a sum of 16-bit
 * numbers is rounded to 16 bits. */
#include "jit_gpu/lt.h"

#include <stdio.h>
#include <string.h>

#include "jit_gpu/dynlib.h"

enum { R_32F = 0, R_64F = 1, R_16F = 2, R_16BF = 14 };
enum { COMPUTE_32F = 68, COMPUTE_64F = 70, COMPUTE_32F_FAST_TF32 = 77 };
enum { DESC_TRANSA = 3, DESC_TRANSB = 4, DESC_EPILOGUE = 7, DESC_BIAS_POINTER = 8 };
enum { EPILOGUE_DEFAULT = 1, EPILOGUE_RELU = 2, EPILOGUE_BIAS = 4 };
enum { LAYOUT_BATCH_COUNT = 5, LAYOUT_STRIDED_BATCH_OFFSET = 6 };
enum { PREF_WORKSPACE = 1, PREF_REDUCTION_SCHEMES = 3, PREF_ALIGN_A = 5, PREF_ALIGN_B = 6, PREF_ALIGN_C = 7 };
enum { PREF_ALIGN_D = 8, REDUCTION_IN_COMPUTE_TYPE = 2 };
enum { MOST_ALIGNMENT = 256, ROW_ALIGNMENT = 16 /* less is known to be refused when it runs */ };

sn_status lt_open(base_alloc *alloc, const base_log *log, int driver, lt_library *lt, base_trap *err) {
    gpu_names names;
    const gpu_symbol symbols[] = {
#define ROW(name, result, arguments, optional) {#name, (void **)&lt->name, optional},
        LT_FUNCTIONS(ROW)
#undef ROW
    };
    base_strbuf path;
    base_strbuf_init(&path, alloc);
    gpu_toolkit_names("libcublasLt.so", driver, &names);
    void *library = gpu_dynlib_open(alloc, "cuBLASLt", names.name, NULL, 0, &path, err);
    sn_status status =
        library ? gpu_dynlib_symbols(library, "cuBLASLt", symbols, sizeof symbols / sizeof *symbols, err) : err->status;
    if (!status) base_logf(log, SN_LOG_INFO, "matrix products: %s", path.at);
    base_strbuf_free(&path);
    return status;
}

const char *lt_text(const lt_library *lt, lt_status status, char text[64]) {
    const char *name = lt->cublasLtGetStatusName ? lt->cublasLtGetStatusName(status) : NULL;
    snprintf(text, 64, "%s (%d)", name ? name : "status", status);
    return text;
}

static uint16_t alignment(const void *p) {
    uintptr_t at = (uintptr_t)p | MOST_ALIGNMENT;
    return (uint16_t)(at & (~at + 1));
}

void lt_shape_of(const be_gemm *g, int tf32, lt_shape *s) {
    memset(s, 0, sizeof *s);
    s->m = g->m;
    s->n = g->n;
    s->k = g->k;
    s->batch = g->batch > 1 ? g->batch : 1;
    s->dtype = (int32_t)g->dtype;
    s->to = (int32_t)be_gemm_to(g);
    s->align_a = alignment(g->a);
    s->align_b = alignment(g->b);
    s->align_c = alignment(g->c);
    s->align_row = g->row ? alignment(g->row) : 0;
    s->trans_a = g->trans_a != 0;
    s->trans_b = g->trans_b != 0;
    s->relu = g->relu != 0;
    s->tf32 = tf32 && g->dtype == SN_F32;
}

static int type_of(int32_t dtype) {
    return dtype == SN_F64 ? R_64F : dtype == SN_F16 ? R_16F : dtype == SN_BF16 ? R_16BF : R_32F;
}

static lt_status describe_matrix(const lt_library *lt, int32_t dtype, int64_t rows, int64_t columns, int64_t batch,
                                 lt_layout *out) {
    int32_t count = (int32_t)batch;
    int64_t stride = rows * columns;
    lt_status s =
        lt->cublasLtMatrixLayoutCreate(out, type_of(dtype), (uint64_t)rows, (uint64_t)columns, rows > 0 ? rows : 1);
    if (s || batch == 1) return s;
    s = lt->cublasLtMatrixLayoutSetAttribute(*out, LAYOUT_BATCH_COUNT, &count, sizeof count);
    return s ? s : lt->cublasLtMatrixLayoutSetAttribute(*out, LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride);
}

static lt_status prefer(const lt_library *lt, lt_preference preference, int attribute, uint32_t value) {
    return lt->cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value);
}

static lt_status describe_wishes(const lt_library *lt, const lt_shape *shape, size_t workspace, lt_product *p) {
    uint64_t bytes = workspace;
    lt_status s = lt->cublasLtMatmulPreferenceCreate(&p->preference);
    if (!s) s = lt->cublasLtMatmulPreferenceSetAttribute(p->preference, PREF_WORKSPACE, &bytes, sizeof bytes);
    if (!s) s = prefer(lt, p->preference, PREF_REDUCTION_SCHEMES, REDUCTION_IN_COMPUTE_TYPE);
    if (!s) s = prefer(lt, p->preference, PREF_ALIGN_A, shape->align_b);
    if (!s) s = prefer(lt, p->preference, PREF_ALIGN_B, shape->align_a);
    if (!s) s = prefer(lt, p->preference, PREF_ALIGN_C, shape->align_c);
    if (!s) s = prefer(lt, p->preference, PREF_ALIGN_D, shape->align_c);
    return s;
}

lt_status lt_set_row(const lt_library *lt, const lt_product *p, const void *row) {
    return lt->cublasLtMatmulDescSetAttribute(p->desc, DESC_BIAS_POINTER, &row, sizeof row);
}

lt_status lt_describe(const lt_library *lt, const lt_shape *shape, const void *row, size_t workspace, int epilogue,
                      lt_product *p) {
    int is_double = shape->dtype == SN_F64;
    int32_t first = shape->trans_b, second = shape->trans_a;
    uint32_t end = (uint32_t)(shape->align_row ? EPILOGUE_BIAS : 0) | (uint32_t)(shape->relu ? EPILOGUE_RELU : 0);
    *p = (lt_product){.epilogue = epilogue && end && (!shape->align_row || shape->align_row >= ROW_ALIGNMENT)};
    if (!p->epilogue) end = EPILOGUE_DEFAULT;
    lt_status s = lt->cublasLtMatmulDescCreate(&p->desc,
                                               is_double     ? COMPUTE_64F
                                               : shape->tf32 ? COMPUTE_32F_FAST_TF32
                                                             : COMPUTE_32F,
                                               is_double ? R_64F : R_32F);
    if (!s) s = lt->cublasLtMatmulDescSetAttribute(p->desc, DESC_TRANSA, &first, sizeof first);
    if (!s) s = lt->cublasLtMatmulDescSetAttribute(p->desc, DESC_TRANSB, &second, sizeof second);
    if (!s) s = lt->cublasLtMatmulDescSetAttribute(p->desc, DESC_EPILOGUE, &end, sizeof end);
    if (!s && p->epilogue && shape->align_row) s = lt_set_row(lt, p, row);
    const int64_t m = shape->m, n = shape->n, k = shape->k, batch = shape->batch;
    if (!s) s = describe_matrix(lt, shape->dtype, first ? k : n, first ? n : k, batch, &p->a);
    if (!s) s = describe_matrix(lt, shape->dtype, second ? m : k, second ? k : m, batch, &p->b);
    if (!s) s = describe_matrix(lt, shape->to, n, m, batch, &p->c);
    return s ? s : describe_wishes(lt, shape, workspace, p);
}

lt_status lt_choose(const lt_library *lt, lt_handle handle, const lt_product *p, size_t workspace, lt_heuristic *out) {
    int found = 0;
    memset(out, 0, sizeof *out);
    lt_status s =
        lt->cublasLtMatmulAlgoGetHeuristic(handle, p->desc, p->a, p->b, p->c, p->c, p->preference, 1, out, &found);
    if (s == LT_INVALID_VALUE || s == LT_ARCH_MISMATCH) return LT_NOT_SUPPORTED;
    if (!s && (found < 1 || out->state || out->workspace > workspace)) return LT_NOT_SUPPORTED;
    return s;
}

void lt_release(const lt_library *lt, lt_product *p) {
    if (p->preference) (void)lt->cublasLtMatmulPreferenceDestroy(p->preference);
    if (p->a) (void)lt->cublasLtMatrixLayoutDestroy(p->a);
    if (p->b) (void)lt->cublasLtMatrixLayoutDestroy(p->b);
    if (p->c) (void)lt->cublasLtMatrixLayoutDestroy(p->c);
    if (p->desc) (void)lt->cublasLtMatmulDescDestroy(p->desc);
    memset(p, 0, sizeof *p);
}
