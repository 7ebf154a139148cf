/* Making and opening up bundles. In: a folder of entries. Out: a bundle, sorted, so that equal entries give equal
 * bytes; and back. Only intact entries go either way. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/disk_entry.h"
#include "cache/pack.h"
#include "cache/pack_format.h"

typedef struct {
    void *bytes;
    size_t n;
    base_hash hash;
} packed;

typedef struct {
    base_alloc *alloc;
    packed *at;
    uint32_t n, cap;
} entries;

static void entries_free(entries *e) {
    for (uint32_t i = 0; i < e->n; i++) base_free(e->alloc, e->at[i].bytes, e->at[i].n + 1);
    base_free(e->alloc, e->at, e->cap * sizeof *e->at);
}

static int add_file(entries *e, const char *dir, const char *name) {
    cache_entry entry;
    packed new;
    char why[CACHE_WHY_MAX];
    if (cache_dir_read(e->alloc, dir, name, 0, &new.bytes, &new.n, why) != CACHE_READ) return 1;
    if (cache_entry_open(&entry, new.bytes, new.n)) {
        base_free(e->alloc, new.bytes, new.n + 1);
        return 1;
    }
    new.hash = entry.hash;
    if (e->n == e->cap) {
        uint32_t cap = e->cap ? 2 * e->cap : 64;
        packed *at = base_realloc(e->alloc, e->at, e->cap * sizeof *at, cap * sizeof *at);
        if (!at) {
            base_free(e->alloc, new.bytes, new.n + 1);
            return 0;
        }
        e->at = at;
        e->cap = cap;
    }
    e->at[e->n++] = new;
    return 1;
}

static int by_hash(const void *a, const void *b) {
    const packed *x = a, *y = b;
    if (x->hash.hi != y->hash.hi) return x->hash.hi < y->hash.hi ? -1 : 1;
    return x->hash.lo < y->hash.lo ? -1 : x->hash.lo > y->hash.lo;
}

static void put_u(base_strbuf *out, uint64_t v, size_t bytes) {
    unsigned char raw[8];
    for (size_t i = 0; i < bytes; i++) raw[i] = (unsigned char)(v >> 8 * i);
    base_strbuf_add(out, raw, bytes);
}

/* Header and index. */
static void put_head(const entries *e, base_strbuf *out) {
    base_strbuf index;
    base_strbuf_init(&index, e->alloc);
    uint64_t offset = PACK_HEADER_BYTES + (uint64_t)e->n * PACK_ITEM_BYTES;
    for (uint32_t i = 0; i < e->n; i++) {
        put_u(&index, e->at[i].hash.lo, 8);
        put_u(&index, e->at[i].hash.hi, 8);
        put_u(&index, offset, 8);
        put_u(&index, e->at[i].n, 8);
        offset += e->at[i].n;
    }
    base_hash sum = base_hash_bytes(index.at, index.n);
    base_strbuf_add(out, pack_magic, sizeof pack_magic);
    put_u(out, PACK_FORMAT, 4);
    put_u(out, e->n, 4);
    put_u(out, sum.lo, 8);
    put_u(out, sum.hi, 8);
    base_strbuf_add(out, index.at, index.n);
    out->failed |= index.failed;
    base_strbuf_free(&index);
}

static sn_status write_file(const entries *e, const char *path, base_trap *err) {
    base_strbuf head;
    base_strbuf_init(&head, e->alloc);
    put_head(e, &head);
    if (head.failed) {
        base_strbuf_free(&head);
        return base_set_error(err, SN_ERR_NOMEM, "bundle %s: out of memory", path);
    }
    char temporary[PATH_MAX];
    FILE *file = NULL;
    if (snprintf(temporary, sizeof temporary, "%s.new", path) < (int)sizeof temporary)
        file = fopen(temporary, "wbe");
    else
        errno = ENAMETOOLONG;
    int good = file && fwrite(head.at, 1, head.n, file) == head.n;
    for (uint32_t i = 0; good && i < e->n; i++) good = fwrite(e->at[i].bytes, 1, e->at[i].n, file) == e->at[i].n;
    int error = errno;
    if (file && fclose(file) && good) {
        good = 0;
        error = errno;
    }
    if (good && rename(temporary, path)) {
        good = 0;
        error = errno;
    }
    if (file && !good) remove(temporary);
    base_strbuf_free(&head);
    return good ? SN_OK : base_set_error(err, SN_ERR_IO, "bundle %s cannot be written: %s", path, strerror(error));
}

sn_status cache_pack(base_alloc *alloc, const char *dir, int (*wanted)(void *arg, const char *name), void *arg,
                     const char *path, uint32_t *count, base_trap *err) {
    entries e = {.alloc = alloc};
    char why[CACHE_WHY_MAX];
    int missing, good = 1;
    *count = 0;
    if (!cache_dir_check(dir, &missing, why)) return base_set_error(err, SN_ERR_IO, "%s", why);
    DIR *folder = opendir(dir);
    if (!folder) return base_set_error(err, SN_ERR_IO, "cache folder %s: %s", dir, strerror(errno));
    for (struct dirent *d; good && (d = readdir(folder));)
        if (cache_dir_is_name(d->d_name) && (!wanted || wanted(arg, d->d_name))) good = add_file(&e, dir, d->d_name);
    closedir(folder);
    if (e.n) qsort(e.at, e.n, sizeof *e.at, by_hash);
    /* A copy of an entry under another name is the same entry. */
    uint32_t kept = 0;
    for (uint32_t i = 0; i < e.n; i++) {
        if (kept && !by_hash(&e.at[kept - 1], &e.at[i]))
            base_free(alloc, e.at[i].bytes, e.at[i].n + 1);
        else
            e.at[kept++] = e.at[i];
    }
    e.n = kept;
    sn_status status =
        good ? write_file(&e, path, err) : base_set_error(err, SN_ERR_NOMEM, "bundle %s: out of memory", path);
    if (!status) *count = e.n;
    entries_free(&e);
    return status;
}

sn_status cache_unpack(base_alloc *alloc, const char *path, const char *dir, uint32_t *count, base_trap *err) {
    cache_bundle *bundle;
    *count = 0;
    sn_status status = cache_bundle_open(alloc, path, &bundle, err);
    if (status) return status;
    for (uint32_t i = 0; !status && i < cache_bundle_count(bundle); i++) {
        void *bytes;
        size_t n;
        char why[CACHE_WHY_MAX], name[CACHE_NAME_MAX];
        cache_entry entry;
        if (cache_bundle_read_at(bundle, i, &bytes, &n, why) != CACHE_READ) {
            status = base_set_error(err, SN_ERR_IO, "%s", why);
            break;
        }
        const char *wrong = cache_entry_open(&entry, bytes, n);
        if (wrong) status = base_set_error(err, SN_ERR_PARSE, "bundle %s: entry %u: %s", path, (unsigned)i, wrong);
        if (!status) {
            cache_dir_name(entry.hash, entry.family, name);
            if (cache_dir_publish(dir, name, bytes, n, NULL, why))
                ++*count;
            else
                status = base_set_error(err, SN_ERR_IO, "%s", why);
        }
        base_free(alloc, bytes, n + 1);
    }
    cache_bundle_free(bundle);
    return status;
}
