/* In: a file that anybody may have written. Out: its bytes with their sizes, or a sentence on what is wrong with it.
 *
 * A source gives the file's bytes in order, through zlib where it begins as gzip does. Every number of the header is
 * looked at before it is used, the elements are read as they come, and both the data and the file must end together:
 * only there does gzip's checksum say that all of it was right. */
#include "idx.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

typedef struct source {
    FILE *file;
    const char *name;
    char *why;
    bool gzip, ended; /* ended: at the end of a gzip stream, of which there may be several */
    z_stream z;       /* next_in and avail_in are what was read and not given yet, with and without gzip */
    uint8_t buffer[1 << 14];
} source;

__attribute__((format(printf, 2, 3))) static bool fail(source *s, const char *format, ...) {
    int at = snprintf(s->why, IDX_WHY, "%.300s ", s->name);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->why + at, IDX_WHY - (size_t)at, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- bytes in order ---------------------------------------------------------------------------------------------- */

/* Reads on where nothing is left of what was read; avail_in is 0 at the end of the file. */
static bool refill(source *s) {
    if (s->z.avail_in) return true;
    s->z.next_in = s->buffer;
    s->z.avail_in = (uInt)fread(s->buffer, 1, sizeof s->buffer, s->file);
    return !ferror(s->file) || fail(s, "cannot be read: %s", strerror(errno));
}

static bool source_open(source *s) {
    if (!refill(s)) return false;
    if (!s->z.avail_in) return fail(s, "is empty");
    s->gzip = s->z.avail_in > 1 && s->buffer[0] == 0x1f && s->buffer[1] == 0x8b;
    enum { GZIP_ALONE = 16 };
    if (s->gzip && inflateInit2(&s->z, MAX_WBITS + GZIP_ALONE) != Z_OK) {
        s->gzip = false;
        return fail(s, "cannot be read: there is not enough memory");
    }
    return true;
}

static void source_close(source *s) {
    if (s->gzip) inflateEnd(&s->z);
}

/* One step of the decompression towards z.avail_out == 0. */
static bool inflate_some(source *s) {
    if (s->ended) inflateReset(&s->z);
    s->ended = false;
    switch (inflate(&s->z, Z_NO_FLUSH)) {
        case Z_STREAM_END: s->ended = true; return true;
        case Z_OK: return true;
        case Z_MEM_ERROR: return fail(s, "cannot be read: there is not enough memory");
        default: return fail(s, "is damaged: gzip finds %s", s->z.msg ? s->z.msg : "no stream");
    }
}

/* The next n bytes, or as many as there are: *got. */
static bool pull(source *s, uint8_t *to, size_t n, size_t *got) {
    *got = 0;
    while (*got < n) {
        if (!refill(s)) return false;
        if (!s->z.avail_in) return !s->gzip || s->ended || fail(s, "is cut off: its gzip stream does not end");
        size_t room = n - *got, some;
        if (s->gzip) {
            s->z.next_out = to + *got;
            s->z.avail_out = (uInt)room;
            if (!inflate_some(s)) return false;
            some = room - s->z.avail_out;
        } else {
            some = s->z.avail_in < room ? s->z.avail_in : room;
            memcpy(to + *got, s->z.next_in, some);
            s->z.next_in += some;
            s->z.avail_in -= (uInt)some;
        }
        *got += some;
    }
    return true;
}

/* ---- the format -------------------------------------------------------------------------------------------------- */

static uint32_t big_endian(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static const char *type_name(uint8_t type) {
    switch (type) {
        case 0x08: return "unsigned bytes";
        case 0x09: return "signed bytes";
        case 0x0b: return "16-bit integers";
        case 0x0c: return "32-bit integers";
        case 0x0d: return "32-bit floats";
        case 0x0e: return "64-bit floats";
        default: return "of no known type";
    }
}

/* Four bytes: 0, 0, type, rank. */
static bool read_magic(source *s, int32_t rank) {
    uint8_t magic[4];
    size_t got;
    if (!pull(s, magic, sizeof magic, &got)) return false;
    if (got < sizeof magic) return fail(s, "ends after %zu bytes, inside the 4 that an IDX file begins with", got);
    if (magic[0] || magic[1])
        return fail(s, "is no IDX file: it begins with %02x %02x %02x %02x, not with 00 00 08 %02x", magic[0], magic[1],
                    magic[2], magic[3], (unsigned)rank);
    if (magic[2] != 0x08)
        return fail(s, "holds elements of type %02x, %s; wanted are unsigned bytes, type 08", magic[2],
                    type_name(magic[2]));
    if (magic[3] != rank) return fail(s, "has %d dimension%s, not %" PRId32, magic[3], magic[3] == 1 ? "" : "s", rank);
    return true;
}

/* The sizes, and how many bytes they ask for. */
static bool read_sizes(source *s, idx_array *out, size_t *bytes) {
    uint8_t header[4 * IDX_MAX_RANK];
    size_t wanted = 4 * (size_t)out->rank, got;
    if (!pull(s, header, wanted, &got)) return false;
    if (got < wanted) return fail(s, "ends inside its header, after %zu of %zu bytes", got + 4, wanted + 4);
    char text[16 * IDX_MAX_RANK] = "";
    int at = 0;
    bool sane = true;
    uint64_t total = 1;
    for (int32_t i = 0; i < out->rank; i++) {
        uint32_t size = big_endian(header + 4 * i);
        out->size[i] = size;
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%" PRIu32, i ? " x " : "", size);
        /* total stays below 2^31, so that the product fits; a size of 0 must not hide an absurd one after it. */
        total *= size ? size : 1;
        if (total > IDX_MAX_BYTES) sane = false, total = 1;
    }
    for (int32_t i = 0; i < out->rank; i++) total *= out->size[i] != 0;
    *bytes = (size_t)total;
    return sane || fail(s, "claims to hold %s bytes; more than %d are taken for damage", text, IDX_MAX_BYTES);
}

static bool read_elements(source *s, idx_array *out, size_t bytes) {
    size_t room = 0, have = 0;
    while (have < bytes || !out->data) {
        if (have == room) {
            room = room ? 2 * room : 1 << 16;
            if (room > bytes) room = bytes ? bytes : 1;
            uint8_t *larger = realloc(out->data, room);
            if (!larger) return fail(s, "cannot be read: there is not enough memory for its %zu bytes", bytes);
            out->data = larger;
        }
        size_t wanted = (room < bytes ? room : bytes) - have, got;
        if (!pull(s, out->data + have, wanted, &got)) return false;
        have += got;
        if (got < wanted) return fail(s, "ends after %zu of its %zu bytes of data", have, bytes);
    }
    uint8_t more;
    size_t got;
    if (!pull(s, &more, 1, &got)) return false;
    return !got || fail(s, "goes on after its %zu bytes of data", bytes);
}

bool idx_read(FILE *file, const char *name, int32_t rank, idx_array *out, char why[IDX_WHY]) {
    source s = {.file = file, .name = name, .why = why};
    *out = (idx_array){.rank = rank};
    why[0] = 0;
    size_t bytes = 0;
    bool done = rank < 1 || rank > IDX_MAX_RANK ? fail(&s, "is asked for %" PRId32 " dimensions", rank)
                                                : source_open(&s) && read_magic(&s, rank) &&
                                                      read_sizes(&s, out, &bytes) && read_elements(&s, out, bytes);
    source_close(&s);
    if (!done) idx_free(out);
    return done;
}

bool idx_load(const char *path, int32_t rank, idx_array *out, char why[IDX_WHY]) {
    *out = (idx_array){0};
    FILE *file = fopen(path, "rb");
    if (!file) {
        source s = {.name = path, .why = why};
        return fail(&s, "cannot be opened: %s", strerror(errno));
    }
    bool done = idx_read(file, path, rank, out, why);
    fclose(file);
    return done;
}

void idx_free(idx_array *array) {
    free(array->data);
    *array = (idx_array){0};
}
