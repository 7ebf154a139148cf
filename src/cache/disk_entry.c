/* In: a payload, its key and metadata. Out: the bytes of an entry; and back, believing nothing. Sizes are compared with
 * what is there before they are used, the checksum is compared before anything is read. */
#include "cache/disk_entry.h"

#include <string.h>

static const char magic[8] = {'s', 'n', 'k', 'e', 'r', 'n', 'e', 'l'};
enum { CHECKSUM_AT = 56, MAGIC_AT = 72 };

static uint64_t read_u(const unsigned char *at, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint64_t)at[i] << 8 * i;
    return v;
}

static void write_u(base_strbuf *out, uint64_t v, size_t bytes) {
    unsigned char raw[8];
    for (size_t i = 0; i < bytes; i++) raw[i] = (unsigned char)(v >> 8 * i);
    base_strbuf_add(out, raw, bytes);
}

const char *cache_entry_open(cache_entry *e, const void *bytes, size_t n) {
    *e = (cache_entry){0};
    if (n < CACHE_FOOTER_BYTES) return "it is too short to be an entry";
    const unsigned char *at = bytes, *foot = at + n - CACHE_FOOTER_BYTES;
    if (memcmp(foot + MAGIC_AT, magic, sizeof magic))
        return "it does not end like an entry: cut off, or something else";
    if (read_u(foot + 52, 4) != CACHE_FORMAT) return "it is of another format version";
    uint64_t size[4], left = n - CACHE_FOOTER_BYTES;
    for (int i = 0; i < 4; i++) size[i] = read_u(foot + 8 * i, 8);
    if (size[0] > left || size[2] > left - size[0] || size[3] != left - size[0] - size[2] || size[1] >= size[2])
        return "its sizes do not add up to the file's";
    base_hash sum = base_hash_bytes(bytes, n - CACHE_FOOTER_BYTES + CHECKSUM_AT);
    if (sum.lo != read_u(foot + CHECKSUM_AT, 8) || sum.hi != read_u(foot + CHECKSUM_AT + 8, 8))
        return "its checksum is wrong";
    e->payload = bytes;
    e->payload_bytes = (size_t)size[0];
    e->key = e->payload + size[0];
    e->kernel_bytes = (size_t)size[1];
    e->key_bytes = (size_t)size[2];
    e->meta = e->key + size[2];
    e->meta_bytes = (size_t)size[3];
    e->hash = (base_hash){read_u(foot + 32, 8), read_u(foot + 40, 8)};
    e->family = (uint32_t)read_u(foot + 48, 4);
    return e->key[e->key_bytes - 1] ? "its target is not a text" : NULL;
}

void cache_entry_write(base_strbuf *out, const cache_key *key, const void *payload, size_t payload_bytes,
                       const base_strbuf *meta) {
    size_t start = out->n;
    base_strbuf_add(out, payload, payload_bytes);
    base_strbuf_add(out, key->at, key->n);
    base_strbuf_add(out, meta->at, meta->n);
    const uint64_t words[6] = {payload_bytes, key->kernel_bytes, key->n, meta->n, key->hash.lo, key->hash.hi};
    for (int i = 0; i < 6; i++) write_u(out, words[i], 8);
    write_u(out, key->family, 4);
    write_u(out, CACHE_FORMAT, 4);
    if (out->failed) return;
    base_hash sum = base_hash_bytes(out->at + start, out->n - start);
    write_u(out, sum.lo, 8);
    write_u(out, sum.hi, 8);
    base_strbuf_add(out, magic, sizeof magic);
}

int cache_entry_has_key(const cache_entry *e, const cache_key *key) {
    return e->key_bytes == key->n && e->kernel_bytes == key->kernel_bytes && !memcmp(e->key, key->at, key->n);
}

const char *cache_entry_meta(const cache_entry *e, const char *name, size_t *n) {
    const char *at = e->meta, *end = e->meta + e->meta_bytes;
    size_t len = strlen(name);
    while (at < end && *at != '\n') {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        if ((size_t)(stop - at) > len && !memcmp(at, name, len) && at[len] == ' ') {
            *n = (size_t)(stop - at) - len - 1;
            return at + len + 1;
        }
        at = stop + (stop < end);
    }
    *n = 0;
    return NULL;
}

const char *cache_entry_graph(const cache_entry *e, size_t *n) {
    const char *at = e->meta, *end = e->meta + e->meta_bytes;
    while (at < end && *at != '\n') {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        at = stop ? stop + 1 : end;
    }
    at += at < end;
    *n = (size_t)(end - at);
    return at;
}
