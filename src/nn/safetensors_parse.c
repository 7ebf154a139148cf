/* The header of a safetensors file: bytes of anybody's in, entries that can be trusted out. It is JSON of one shape, so
 * a grammar of a few rules reads it; everything that the rules do not name is an error: other keys, keys twice, numbers
 * that are no plain integers, names that are no UTF-8, sizes that do not give the bytes, data that overlaps or that
 * nobody owns. Strings are unescaped where they stand, which never makes them longer. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "nn/safetensors.h"

/* What the format knows; the first eight have operators here. */
static const struct {
    const char *name;
    int item;
    sn_dtype dtype;
} dtypes[] = {{"F64", 8, SN_F64},   {"F32", 4, SN_F32}, {"I64", 8, SN_I64},   {"I32", 4, SN_I32}, {"U8", 1, SN_U8},
              {"BOOL", 1, SN_BOOL}, {"F16", 2, SN_F16}, {"BF16", 2, SN_BF16}, {"I8", 1, 0},       {"I16", 2, 0},
              {"U16", 2, 0},        {"U32", 4, 0},      {"U64", 8, 0},        {"C64", 8, 0},      {"F8_E4M3", 1, 0},
              {"F8_E5M2", 1, 0},    {"F8_E8M0", 1, 0}};
enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

const char *nn_st_dtype(sn_dtype dtype) {
    for (size_t i = 0; i < N_DTYPES; i++)
        if (dtype && dtypes[i].dtype == dtype) return dtypes[i].name;
    return NULL;
}

typedef struct {
    char *start, *at, *end;
    char *why;
    sn_status status;
} reader;

/* The first failure stays. Returns 0, as every rule does that does not fit. */
__attribute__((format(printf, 2, 3))) static int fail(reader *r, const char *format, ...) {
    if (r->status) return 0;
    r->status = SN_ERR_PARSE;
    int n = snprintf(r->why, NN_TEXT_MAX, "malformed header at byte %zu: ", (size_t)(r->at - r->start) + NN_ST_PREFIX);
    va_list args;
    va_start(args, format);
    vsnprintf(r->why + n, NN_TEXT_MAX - (size_t)n, format, args);
    va_end(args);
    return 0;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void skip(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')) r->at++;
}

static int accept(reader *r, char c) {
    skip(r);
    if (r->at == r->end || *r->at != c) return 0;
    r->at++;
    return 1;
}

static int expect(reader *r, char c) { return accept(r, c) || fail(r, "expected '%c'", c); }

/* The four digits of a \u escape, or -1. */
static int32_t hex4(reader *r) {
    int32_t value = 0;
    if (r->end - r->at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdefABCDEF", *digit = memchr(digits, r->at[i], 22);
        if (!digit) return -1;
        int32_t v = (int32_t)(digit - digits);
        value = value * 16 + (v < 16 ? v : v - 6);
    }
    r->at += 4;
    return value;
}

/* A character of an escape: one or, beyond U+FFFF, two times four digits. Puts it at to as UTF-8; returns its length.
 */
static size_t unicode(reader *r, char *to) {
    int32_t c = hex4(r);
    if (c >= 0xd800 && c < 0xdc00 && r->end - r->at >= 2 && r->at[0] == '\\' && r->at[1] == 'u') {
        r->at += 2;
        int32_t low = hex4(r);
        c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : -1;
    }
    if (c <= 0 || (c >= 0xd800 && c < 0xe000)) return 0;
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6) to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(lead[n] | c);
    return n;
}

static size_t escape(reader *r, char *to) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (r->at == r->end) return 0;
    char c = *r->at++;
    if (c == 'u') return unicode(r, to);
    const char *name = memchr(names, c, sizeof names - 1);
    if (!name) return 0;
    *to = values[name - names];
    return 1;
}

/* NULL after a failure. The string ends with a 0, which stands where its quote stood at the latest. */
static const char *string(reader *r) {
    if (!expect(r, '"')) return NULL;
    char *start = r->at, *to = start;
    while (r->at < r->end && *r->at != '"') {
        size_t n = 0;
        if (*r->at == '\\') {
            r->at++;
            n = escape(r, to);
        } else if ((unsigned char)*r->at >= 0x20) {
            n = nn_utf8(r->at, r->end);
            memmove(to, r->at, n);
            r->at += n;
        }
        if (!n) {
            fail(r, "this is no character of a string");
            return NULL;
        }
        to += n;
    }
    if (!expect(r, '"')) return NULL;
    *to = 0;
    return start;
}

/* An integer from 0 to 2^63 - 1, without sign, fraction, exponent or leading zeros. */
static int integer(reader *r, int64_t *out) {
    skip(r);
    const char *start = r->at;
    *out = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, *r->at - '0', out))
            return fail(r, "a number does not fit 63 bits");
    if (r->at == start || (*start == '0' && r->at - start > 1)) return fail(r, "expected a plain integer");
    return 1;
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

static int read_dtype(reader *r, nn_st_entry *e) {
    e->dtype = string(r);
    for (size_t i = 0; e->dtype && i < N_DTYPES; i++)
        if (!strcmp(e->dtype, dtypes[i].name)) e->item = dtypes[i].item;
    return e->dtype && (e->item || fail(r, "dtype \"%.40s\" is not known", e->dtype));
}

static int read_shape(reader *r, nn_st_entry *e, uint64_t *count) {
    *count = 1;
    if (!expect(r, '[')) return 0;
    if (accept(r, ']')) return 1;
    do {
        int64_t size;
        if (!integer(r, &size)) return 0;
        if (e->rank < SN_MAX_RANK) e->size[e->rank] = size;
        if (e->rank == INT32_MAX || __builtin_mul_overflow(*count, (uint64_t)size, count))
            return fail(r, "the number of elements does not fit 64 bits");
        e->rank++;
    } while (accept(r, ','));
    return expect(r, ']');
}

static int read_offsets(reader *r, nn_st_entry *e) {
    int64_t begin, end;
    if (!expect(r, '[') || !integer(r, &begin) || !expect(r, ',') || !integer(r, &end) || !expect(r, ']')) return 0;
    e->begin = (uint64_t)begin;
    e->end = (uint64_t)end;
    return end >= begin || fail(r, "data_offsets run backwards");
}

static int read_entry(reader *r, nn_st_entry *e) {
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    uint64_t count = 0;
    int seen = 0;
    if (!expect(r, '{')) return 0;
    do {
        const char *key = string(r);
        if (!key || !expect(r, ':')) return 0;
        int i = 0;
        while (i < 3 && strcmp(key, keys[i])) i++;
        if (i == 3) return fail(r, "key \"%.40s\" is not known", key);
        if (seen >> i & 1) return fail(r, "key \"%s\" is there twice", key);
        seen |= 1 << i;
        if (!(i == 0 ? read_dtype(r, e) : i == 1 ? read_shape(r, e, &count) : read_offsets(r, e))) return 0;
    } while (accept(r, ','));
    if (!expect(r, '}')) return 0;
    if (seen != 7) return fail(r, "\"%.80s\" lacks its dtype, shape or data_offsets", e->name);
    uint64_t bytes;
    if (__builtin_mul_overflow(count, (uint64_t)e->item, &bytes) || bytes != e->end - e->begin)
        return fail(r, "\"%.80s\" has %" PRIu64 " bytes of data, and its shape asks for another number", e->name,
                    e->end - e->begin);
    return 1;
}

/* Texts that say something about the file; they are checked and left. */
static int read_metadata(reader *r) {
    if (!expect(r, '{')) return 0;
    if (accept(r, '}')) return 1;
    do
        if (!string(r) || !expect(r, ':') || !string(r)) return 0;
    while (accept(r, ','));
    return expect(r, '}');
}

static int read_entries(reader *r, nn_st_header *h) {
    int metadata = 0;
    if (!expect(r, '{')) return 0;
    if (accept(r, '}')) return 1;
    do {
        nn_st_entry e = {.name = string(r)};
        if (!e.name || !expect(r, ':')) return 0;
        if (!strcmp(e.name, "__metadata__")) {
            if (metadata++) return fail(r, "key \"__metadata__\" is there twice");
            if (!read_metadata(r)) return 0;
            continue;
        }
        if (!read_entry(r, &e)) return 0;
        void *entries = h->entry;
        int room = nn_grow(h->ctx, &entries, h->n, &h->capacity, sizeof *h->entry);
        h->entry = entries;
        if (!room) {
            r->status = SN_ERR_NOMEM;
            snprintf(r->why, NN_TEXT_MAX, "out of memory");
            return 0;
        }
        h->entry[h->n++] = e;
    } while (accept(r, ','));
    return expect(r, '}');
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b) {
    const nn_st_entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const nn_st_entry *)a)->name, ((const nn_st_entry *)b)->name);
}

/* Every byte of data is of exactly one entry, and no two have one name. */
static int check_entries(reader *r, nn_st_header *h, uint64_t data) {
    uint64_t at = 0;
    if (h->n) qsort(h->entry, h->n, sizeof *h->entry, by_place);
    for (size_t i = 0; i < h->n; i++) {
        const nn_st_entry *e = &h->entry[i];
        if (e->begin != at)
            return fail(r, "the data of \"%.80s\" begins at %" PRIu64 ", and that before it ends at %" PRIu64, e->name,
                        e->begin, at);
        at = e->end;
    }
    if (at != data) return fail(r, "its entries have %" PRIu64 " bytes of data, and %" PRIu64 " follow", at, data);
    if (h->n) qsort(h->entry, h->n, sizeof *h->entry, by_name);
    for (size_t i = 1; i < h->n; i++)
        if (!strcmp(h->entry[i - 1].name, h->entry[i].name))
            return fail(r, "\"%.80s\" is there twice", h->entry[i].name);
    return 1;
}

sn_status nn_st_parse(sn_context *ctx, char *text, size_t n, uint64_t data, nn_st_header *out, char why[NN_TEXT_MAX]) {
    *out = (nn_st_header){.ctx = ctx};
    reader r = {.start = text, .at = text, .end = text + n, .why = why};
    why[0] = 0;
    if (!n || *text != '{') {
        fail(&r, "expected '{'");
    } else if (read_entries(&r, out)) {
        while (r.at < r.end && *r.at == ' ') r.at++;
        if (r.at < r.end)
            fail(&r, "there is more after the end");
        else
            check_entries(&r, out, data);
    }
    return r.status;
}

void nn_st_free(nn_st_header *h) {
    nn_free(h->ctx, h->entry, h->capacity * sizeof *h->entry);
    *h = (nn_st_header){.ctx = h->ctx};
}

const nn_st_entry *nn_st_find(const nn_st_header *h, const char *name) {
    nn_st_entry key = {.name = name};
    return h->n ? bsearch(&key, h->entry, h->n, sizeof *h->entry, by_name) : NULL;
}
