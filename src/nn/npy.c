/* NumPy's files of one array. In: a file of anybody's; out: a tensor, or a sentence about the first thing that is
 * wrong; and the other way round.
 *
 * The format: "\x93NUMPY", version, length of the header, the header, the elements. The header is a Python dict of
 * three entries in any order; what it claims is held against the size of the file before memory is asked for. */
#include <stdarg.h>
#include <string.h>

#include "nn/nn.h"

enum { MAX_HEADER = 1 << 16, PREFIX = 10, ALIGN = 64 };
static const char magic[] = "\x93NUMPY";

static const struct {
    const char *descr;
    sn_dtype dtype;
} types[] = {{"<f8", SN_F64}, {"<f4", SN_F32}, {"<f2", SN_F16}, {"<i8", SN_I64},
             {"<i4", SN_I32}, {"|u1", SN_U8},  {"|b1", SN_BOOL}};
enum { N_TYPES = sizeof types / sizeof *types };

typedef struct {
    nn_reader *file;
    const char *at, *end;
    sn_tensor *out;
    int seen; /* bits: descr, fortran_order, shape */
} reader;

/* The file's name in front of the sentence. */
__attribute__((format(printf, 3, 4))) static sn_status fail(const nn_reader *file, sn_status status, const char *format,
                                                            ...) {
    char why[NN_TEXT_MAX / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return nn_fail(file->ctx, status, "%s: %s", file->path, why);
}

/* ---- the header -------------------------------------------------------------------------------------------------- */

static void skip(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')) r->at++;
}

static int accept(reader *r, const char *what) {
    size_t n = strlen(what);
    skip(r);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, what, n)) return 0;
    r->at += n;
    return 1;
}

/* 'text' or "text"; 0 where there is none, or one that is too long. */
static int accept_string(reader *r, char *text, size_t size) {
    skip(r);
    if (r->at == r->end || (*r->at != '\'' && *r->at != '"')) return 0;
    const char *start = r->at + 1, *stop = memchr(start, *r->at, (size_t)(r->end - start));
    if (!stop || (size_t)(stop - start) >= size) return 0;
    memcpy(text, start, (size_t)(stop - start));
    text[stop - start] = 0;
    r->at = stop + 1;
    return 1;
}

static sn_status read_descr(reader *r) {
    char descr[32];
    if (!accept_string(r, descr, sizeof descr)) return fail(r->file, SN_ERR_DTYPE, "its elements are of no plain type");
    for (size_t i = 0; i < N_TYPES; i++)
        if (!strcmp(descr, types[i].descr)) r->out->dtype = types[i].dtype;
    if (r->out->dtype) return SN_OK;
    if (*descr == '>')
        return fail(r->file, SN_ERR_DTYPE, "its elements %s are big-endian: save a.astype(a.dtype.newbyteorder('<'))",
                    descr);
    return fail(r->file, SN_ERR_DTYPE,
                "its elements are %s; Sinter takes <f8, <f4, <f2, <i8, <i4, |u1 and |b1: convert with a.astype(..)",
                descr);
}

static sn_status read_order(reader *r) {
    if (accept(r, "False")) return SN_OK;
    if (accept(r, "True"))
        return fail(r->file, SN_ERR_UNSUPPORTED, "it is in Fortran order: save numpy.ascontiguousarray(a) instead");
    return fail(r->file, SN_ERR_PARSE, "malformed header: fortran_order is neither True nor False");
}

static sn_status read_size(reader *r, int64_t *size) {
    skip(r);
    const char *start = r->at;
    for (*size = 0; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if (__builtin_mul_overflow(*size, 10, size) || __builtin_add_overflow(*size, *r->at - '0', size))
            return fail(r->file, SN_ERR_PARSE, "malformed header: a size in its shape does not fit 63 bits");
    return r->at > start ? SN_OK : fail(r->file, SN_ERR_PARSE, "malformed header: its shape is no tuple of sizes");
}

static sn_status read_shape(reader *r) {
    sn_tensor *out = r->out;
    if (!accept(r, "(")) return fail(r->file, SN_ERR_PARSE, "malformed header: its shape is no tuple of sizes");
    while (!accept(r, ")")) {
        if (out->rank == SN_MAX_RANK)
            return fail(r->file, SN_ERR_PARSE, "it has more than %d axes: reshape it", (int)SN_MAX_RANK);
        sn_status status = read_size(r, &out->size[out->rank++]);
        if (status) return status;
        if (accept(r, ",")) continue;
        if (!accept(r, ")")) return fail(r->file, SN_ERR_PARSE, "malformed header: its shape is no tuple of sizes");
        return SN_OK;
    }
    return SN_OK;
}

static sn_status read_header(reader *r) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    static sn_status (*const read[])(reader *) = {read_descr, read_order, read_shape};
    if (!accept(r, "{")) return fail(r->file, SN_ERR_PARSE, "malformed header: no dict");
    while (!accept(r, "}")) {
        char key[32];
        if (!accept_string(r, key, sizeof key) || !accept(r, ":"))
            return fail(r->file, SN_ERR_PARSE, "malformed header: expected a key and a colon");
        int i = 0;
        while (i < 3 && strcmp(key, keys[i])) i++;
        if (i == 3) return fail(r->file, SN_ERR_PARSE, "malformed header: key '%s' is not known", key);
        if (r->seen >> i & 1) return fail(r->file, SN_ERR_PARSE, "malformed header: key '%s' is there twice", key);
        r->seen |= 1 << i;
        sn_status status = read[i](r);
        if (status) return status;
        if (accept(r, ",")) continue;
        if (!accept(r, "}")) return fail(r->file, SN_ERR_PARSE, "malformed header: expected a comma or a brace");
        break;
    }
    skip(r);
    if (r->at < r->end) return fail(r->file, SN_ERR_PARSE, "malformed header: there is more after the dict");
    for (int i = 0; i < 3; i++)
        if (!(r->seen >> i & 1)) return fail(r->file, SN_ERR_PARSE, "malformed header: no key '%s'", keys[i]);
    return SN_OK;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* What is left of the file has to be there before it is read. */
static sn_status get(nn_reader *file, void *to, size_t n) {
    if (n <= file->left) return nn_reader_get(file, to, n);
    return fail(file, SN_ERR_PARSE, "it is cut: %zu bytes were to follow", n);
}

/* Up to the elements. */
static sn_status read_prefix(nn_reader *file, sn_tensor *out) {
    unsigned char prefix[PREFIX + 2];
    if (file->left < PREFIX) return fail(file, SN_ERR_PARSE, "it is no .npy file");
    sn_status status = get(file, prefix, PREFIX);
    if (status) return status;
    if (memcmp(prefix, magic, 6)) return fail(file, SN_ERR_PARSE, "it is no .npy file");
    int wide = prefix[6] == 2 || prefix[6] == 3;
    if (prefix[6] < 1 || prefix[6] > 3 || prefix[7])
        return fail(file, SN_ERR_UNSUPPORTED, "version %d.%d of the format is not known", prefix[6], prefix[7]);
    if (wide) status = get(file, prefix + PREFIX, 2);
    if (status) return status;
    size_t n = prefix[8] | (size_t)prefix[9] << 8;
    if (wide) n |= (size_t)prefix[10] << 16 | (size_t)prefix[11] << 24;
    if (n > MAX_HEADER) return fail(file, SN_ERR_PARSE, "malformed header: it claims %zu bytes for itself", n);
    if (n > file->left) return fail(file, SN_ERR_PARSE, "it is cut: a header of %zu bytes was to follow", n);
    char *header = nn_alloc(file->ctx, n + 1);
    if (!header) return fail(file, SN_ERR_NOMEM, "out of memory");
    status = get(file, header, n);
    if (!status) status = read_header(&(reader){file, header, header + n, out, 0});
    nn_free(file->ctx, header, n + 1);
    return status;
}

static sn_status read_elements(nn_reader *file, sn_tensor *out) {
    size_t bytes = sn_tensor_bytes(out);
    if (bytes > PTRDIFF_MAX) return fail(file, SN_ERR_PARSE, "the bytes of its shape do not fit 63 bits");
    if (bytes > file->left)
        return fail(file, SN_ERR_PARSE, "it is cut: its shape needs %zu bytes, %llu follow", bytes,
                    (unsigned long long)file->left);
    if (bytes < file->left)
        return fail(file, SN_ERR_PARSE, "its shape needs %zu bytes, but %llu follow", bytes,
                    (unsigned long long)file->left);
    out->data = nn_alloc(file->ctx, bytes ? bytes : 1);
    if (!out->data) return fail(file, SN_ERR_NOMEM, "out of memory: %zu bytes", bytes);
    sn_status status = get(file, out->data, bytes);
    const uint8_t *bools = out->data;
    for (size_t i = 0; out->dtype == SN_BOOL && i < bytes && !status; i++)
        if (bools[i] > 1) status = fail(file, SN_ERR_PARSE, "byte %d where a bool is 0 or 1", bools[i]);
    return status;
}

void sn_npy_free(sn_context *ctx, sn_tensor *tensor) {
    if (!ctx || !tensor) return;
    size_t bytes = tensor->data ? sn_tensor_bytes(tensor) : 0;
    nn_free(ctx, tensor->data, bytes ? bytes : 1);
    memset(tensor, 0, sizeof *tensor);
}

sn_status sn_npy_read(sn_context *ctx, const char *path, sn_tensor *out) {
    if (out) memset(out, 0, sizeof *out);
    if (!ctx) return SN_ERR_ARGUMENT;
    if (!path || !out) return nn_fail(ctx, SN_ERR_ARGUMENT, "npy: %s is NULL", path ? "out" : "the path");
    nn_reader file;
    sn_tensor read = {0};
    sn_status status = nn_reader_open(ctx, path, &file);
    if (!status) status = read_prefix(&file, &read);
    if (!status) status = read_elements(&file, &read);
    nn_reader_close(&file);
    if (status)
        sn_npy_free(ctx, &read);
    else
        *out = read;
    return status;
}

static sn_status check_tensor(sn_context *ctx, const char *path, const sn_tensor *t, const char **descr) {
    *descr = NULL;
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].dtype == t->dtype) *descr = types[i].descr;
    if (!*descr)
        return nn_fail(ctx, SN_ERR_DTYPE, "%s: %s has no type in .npy files%s", path, sn_dtype_name(t->dtype),
                       t->dtype == SN_BF16 ? ": cast it to f32 first" : "");
    size_t bytes = sn_tensor_bytes(t);
    if (t->rank < 0 || t->rank > SN_MAX_RANK || bytes > PTRDIFF_MAX || (bytes && !t->data))
        return nn_fail(ctx, SN_ERR_ARGUMENT, "%s: the tensor has no data, or no sizes that could be", path);
    return SN_OK;
}

sn_status sn_npy_write(sn_context *ctx, const char *path, const sn_tensor *t) {
    if (!ctx) return SN_ERR_ARGUMENT;
    if (!path || !t) return nn_fail(ctx, SN_ERR_ARGUMENT, "npy: %s is NULL", path ? "the tensor" : "the path");
    const char *descr;
    sn_status status = check_tensor(ctx, path, t, &descr);
    if (status) return status;
    char shape[SN_MAX_RANK * 24] = "", text[512];
    for (int32_t i = 0, n = 0; i < t->rank; i++)
        n += snprintf(shape + n, sizeof shape - (size_t)n, "%s%lld%s", i ? " " : "", (long long)t->size[i],
                      i + 1 < t->rank || t->rank == 1 ? "," : "");
    int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape);
    /* Padded so that the elements begin at a multiple of ALIGN. */
    int padded = (PREFIX + n + 1 + ALIGN - 1) / ALIGN * ALIGN - PREFIX;
    memset(text + n, ' ', (size_t)(padded - n - 1));
    text[padded - 1] = '\n';

    char prefix[PREFIX] = {0};
    memcpy(prefix, magic, 6);
    prefix[6] = 1;
    prefix[8] = (char)(padded & 255);
    prefix[9] = (char)(padded >> 8);
    nn_writer file;
    nn_writer_open(ctx, path, &file);
    nn_writer_put(&file, prefix, PREFIX);
    nn_writer_put(&file, text, (size_t)padded);
    nn_writer_put(&file, t->data, sn_tensor_bytes(t));
    return nn_writer_close(&file);
}
