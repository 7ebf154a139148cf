/* .npy files in and out. In: a file of anybody's; out: a tensor, or a sentence about the first thing that is wrong.
 *
 * The format: "\x93NUMPY", version, length of the header, the header, the elements. The header is a Python dict of
 * three entries in any order; what it claims is held against the size of the file before memory is asked for. */
#define _POSIX_C_SOURCE 200809L
#include "npy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_HEADER = 1 << 16, PREFIX = 10, ALIGN = 64 };
static const char magic[] = "\x93NUMPY";

static const struct {
    const char *descr;
    sn_dtype dtype;
} types[] = {{"<f8", SN_F64}, {"<f4", SN_F32}, {"<i8", SN_I64}, {"<i4", SN_I32}, {"|u1", SN_U8}, {"|b1", SN_BOOL}};
enum { N_TYPES = sizeof types / sizeof *types };

typedef struct {
    const char *at, *end;
    char *why;
    sn_tensor *out;
    int seen; /* bits: descr, fortran_order, shape */
} reader;

__attribute__((format(printf, 2, 3))) static int fail(char *why, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(why, NPY_WHY_MAX, format, args);
    va_end(args);
    return -1;
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

static int read_descr(reader *r) {
    char descr[32];
    if (!accept_string(r, descr, sizeof descr)) return fail(r->why, "its elements are of no plain type");
    for (size_t i = 0; i < N_TYPES; i++)
        if (!strcmp(descr, types[i].descr)) r->out->dtype = types[i].dtype;
    if (r->out->dtype) return 0;
    if (*descr == '>')
        return fail(r->why, "its elements %s are big-endian: save a.astype(a.dtype.newbyteorder('<'))", descr);
    return fail(r->why, "its elements are %s; Sinter takes <f8, <f4, <i8, <i4, |u1 and |b1: convert with a.astype(..)",
                descr);
}

static int read_order(reader *r) {
    if (accept(r, "False")) return 0;
    if (accept(r, "True")) return fail(r->why, "it is in Fortran order: save numpy.ascontiguousarray(a) instead");
    return fail(r->why, "malformed header: fortran_order is neither True nor False");
}

static int read_size(reader *r, int64_t *size) {
    skip(r);
    const char *start = r->at;
    for (*size = 0; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if (__builtin_mul_overflow(*size, 10, size) || __builtin_add_overflow(*size, *r->at - '0', size))
            return fail(r->why, "malformed header: a size in its shape does not fit 63 bits");
    return r->at > start ? 0 : fail(r->why, "malformed header: its shape is no tuple of sizes");
}

static int read_shape(reader *r) {
    sn_tensor *out = r->out;
    if (!accept(r, "(")) return fail(r->why, "malformed header: its shape is no tuple of sizes");
    while (!accept(r, ")")) {
        if (out->rank == SN_MAX_RANK) return fail(r->why, "it has more than %d axes: reshape it", (int)SN_MAX_RANK);
        if (read_size(r, &out->size[out->rank++])) return -1;
        if (accept(r, ",")) continue;
        if (!accept(r, ")")) return fail(r->why, "malformed header: its shape is no tuple of sizes");
        return 0;
    }
    return 0;
}

static int read_header(reader *r) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    static int (*const read[])(reader *) = {read_descr, read_order, read_shape};
    if (!accept(r, "{")) return fail(r->why, "malformed header: no dict");
    while (!accept(r, "}")) {
        char key[32];
        if (!accept_string(r, key, sizeof key) || !accept(r, ":"))
            return fail(r->why, "malformed header: expected a key and a colon");
        int i = 0;
        while (i < 3 && strcmp(key, keys[i])) i++;
        if (i == 3) return fail(r->why, "malformed header: key '%s' is not known", key);
        if (r->seen >> i & 1) return fail(r->why, "malformed header: key '%s' is there twice", key);
        r->seen |= 1 << i;
        if (read[i](r)) return -1;
        if (accept(r, ",")) continue;
        if (!accept(r, "}")) return fail(r->why, "malformed header: expected a comma or a brace");
        break;
    }
    skip(r);
    if (r->at < r->end) return fail(r->why, "malformed header: there is more after the dict");
    for (int i = 0; i < 3; i++)
        if (!(r->seen >> i & 1)) return fail(r->why, "malformed header: no key '%s'", keys[i]);
    return 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static int get(FILE *f, void *to, size_t n, char *why) {
    if (fread(to, 1, n, f) == n) return 0;
    if (ferror(f)) return fail(why, "cannot be read: %s", strerror(errno));
    return fail(why, "it is cut: %zu bytes were to follow", n);
}

/* Up to the elements; *rest is the number of bytes that are left. */
static int read_prefix(FILE *f, uint64_t *rest, sn_tensor *out, char *why) {
    unsigned char prefix[PREFIX + 2];
    if (get(f, prefix, PREFIX, why)) return -1;
    if (memcmp(prefix, magic, 6)) return fail(why, "it is no .npy file");
    int wide = prefix[6] == 2 || prefix[6] == 3;
    if (prefix[6] < 1 || prefix[6] > 3 || prefix[7])
        return fail(why, "version %d.%d of the format is not known", prefix[6], prefix[7]);
    if (wide && get(f, prefix + PREFIX, 2, why)) return -1;
    size_t n = prefix[8] | (size_t)prefix[9] << 8;
    if (wide) n |= (size_t)prefix[10] << 16 | (size_t)prefix[11] << 24;
    uint64_t used = PREFIX + (wide ? 2u : 0u) + n;
    if (n > MAX_HEADER) return fail(why, "malformed header: it claims %zu bytes for itself", n);
    if (used > *rest) return fail(why, "it is cut: a header of %zu bytes was to follow", n);
    char *header = malloc(n + 1);
    if (!header) return fail(why, "out of memory");
    reader r = {header, header + n, why, out, 0};
    int bad = get(f, header, n, why) || read_header(&r);
    free(header);
    *rest -= used;
    return bad ? -1 : 0;
}

static int read_elements(FILE *f, uint64_t rest, sn_tensor *out, char *why) {
    size_t bytes = sn_tensor_bytes(out);
    if (bytes > PTRDIFF_MAX) return fail(why, "the bytes of its shape do not fit 63 bits");
    if (bytes > rest)
        return fail(why, "it is cut: its shape needs %zu bytes, %llu follow", bytes, (unsigned long long)rest);
    if (bytes < rest) return fail(why, "its shape needs %zu bytes, but %llu follow", bytes, (unsigned long long)rest);
    out->data = malloc(bytes ? bytes : 1);
    if (!out->data) return fail(why, "out of memory: %zu bytes", bytes);
    if (get(f, out->data, bytes, why)) return -1;
    const uint8_t *bools = out->data;
    for (size_t i = 0; out->dtype == SN_BOOL && i < bytes; i++)
        if (bools[i] > 1) return fail(why, "byte %d where a bool is 0 or 1", bools[i]);
    return 0;
}

int npy_read(const char *path, sn_tensor *out, char why[NPY_WHY_MAX]) {
    memset(out, 0, sizeof *out);
    FILE *f = fopen(path, "rb");
    if (!f) return fail(why, "cannot be opened: %s", strerror(errno));
    struct stat st;
    int bad = fstat(fileno(f), &st) || !S_ISREG(st.st_mode);
    if (bad) fail(why, "it is no regular file");
    uint64_t rest = bad ? 0 : (uint64_t)st.st_size;
    bad = bad || read_prefix(f, &rest, out, why) || read_elements(f, rest, out, why);
    fclose(f);
    if (bad) {
        free(out->data);
        out->data = NULL;
    }
    return bad ? -1 : 0;
}

int npy_write(const char *path, const sn_tensor *t, char why[NPY_WHY_MAX]) {
    char shape[SN_MAX_RANK * 24] = "", text[512];
    const char *descr = NULL;
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].dtype == t->dtype) descr = types[i].descr;
    if (!descr) return fail(why, "%s has no type in .npy files", sn_dtype_name(t->dtype));
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
    size_t bytes = sn_tensor_bytes(t);
    FILE *f = fopen(path, "wb");
    if (!f) return fail(why, "cannot be written: %s", strerror(errno));
    int bad = fwrite(prefix, 1, PREFIX, f) != PREFIX || fwrite(text, 1, (size_t)padded, f) != (size_t)padded ||
              (bytes && fwrite(t->data, 1, bytes, f) != bytes);
    int error = errno;
    if (fclose(f) && !bad) {
        bad = 1;
        error = errno;
    }
    if (!bad) return 0;
    struct stat st;
    if (!stat(path, &st) && S_ISREG(st.st_mode)) remove(path);
    return fail(why, "cannot be written: %s", strerror(error));
}
