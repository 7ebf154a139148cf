/* Reading a bundle. In: a file, believed in nothing. Out: an index that is checked as a whole, and entries by hash. */
#define _GNU_SOURCE
#include "cache/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/disk_entry.h"
#include "cache/pack_format.h"

typedef struct {
    base_hash hash;
    uint64_t offset, size;
} item;

struct cache_bundle {
    base_alloc *alloc;
    char path[PATH_MAX]; /* absolute */
    dev_t device;        /* the very file whose index this is */
    ino_t file;
    off_t bytes;
    uint32_t n;
    item *at;
};

static int read_at(int fd, void *to, size_t n, uint64_t offset) {
    for (size_t done = 0; done < n;) {
        ssize_t m = pread(fd, (char *)to + done, n - done, (off_t)(offset + done));
        if (m < 0 && errno == EINTR) continue;
        if (m <= 0) return 0;
        done += (size_t)m;
    }
    return 1;
}

static int order(base_hash a, base_hash b) {
    if (a.hi != b.hi) return a.hi < b.hi ? -1 : 1;
    return a.lo < b.lo ? -1 : a.lo > b.lo;
}

/* raw: header and index as they are in the file. */
static const char *take_index(cache_bundle *b, const unsigned char *raw) {
    size_t bytes = (size_t)b->n * PACK_ITEM_BYTES;
    base_hash sum = base_hash_bytes(raw + PACK_HEADER_BYTES, bytes);
    if (sum.lo != pack_read_u(raw + 16, 8) || sum.hi != pack_read_u(raw + 24, 8))
        return "the index's checksum is wrong";
    uint64_t start = PACK_HEADER_BYTES + bytes, end = (uint64_t)b->bytes;
    for (uint32_t i = 0; i < b->n; i++) {
        const unsigned char *at = raw + PACK_HEADER_BYTES + (size_t)i * PACK_ITEM_BYTES;
        b->at[i] =
            (item){{pack_read_u(at, 8), pack_read_u(at + 8, 8)}, pack_read_u(at + 16, 8), pack_read_u(at + 24, 8)};
        if (b->at[i].offset < start || b->at[i].offset > end || b->at[i].size > end - b->at[i].offset ||
            b->at[i].size > CACHE_ENTRY_MAX)
            return "an entry lies outside of the file";
        if (i && order(b->at[i - 1].hash, b->at[i].hash) >= 0) return "the index is out of order";
    }
    return NULL;
}

static sn_status read_index(cache_bundle *b, int fd, base_trap *err) {
    unsigned char head[PACK_HEADER_BYTES];
    struct stat s;
    if (fstat(fd, &s)) return base_set_error(err, SN_ERR_IO, "bundle %s: %s", b->path, strerror(errno));
    if (!S_ISREG(s.st_mode)) return base_set_error(err, SN_ERR_IO, "bundle %s is no file", b->path);
    if (s.st_mode & S_IWOTH)
        return base_set_error(err, SN_ERR_IO, "bundle %s holds code, yet anybody may write it (chmod o-w)", b->path);
    b->device = s.st_dev;
    b->file = s.st_ino;
    b->bytes = s.st_size;
    if ((uint64_t)s.st_size < sizeof head || !read_at(fd, head, sizeof head, 0) ||
        memcmp(head, pack_magic, sizeof pack_magic))
        return base_set_error(err, SN_ERR_PARSE, "bundle %s: it is no bundle", b->path);
    if (pack_read_u(head + 8, 4) != PACK_FORMAT)
        return base_set_error(err, SN_ERR_PARSE, "bundle %s: it is of format version %u, this library reads %d",
                              b->path, (unsigned)pack_read_u(head + 8, 4), PACK_FORMAT);
    uint64_t n = pack_read_u(head + 12, 4);
    if (n > ((uint64_t)s.st_size - sizeof head) / PACK_ITEM_BYTES)
        return base_set_error(err, SN_ERR_PARSE, "bundle %s: it is cut off", b->path);
    b->at = n ? base_calloc(b->alloc, (size_t)n * sizeof *b->at) : NULL;
    size_t bytes = sizeof head + (size_t)n * PACK_ITEM_BYTES;
    unsigned char *raw = base_malloc(b->alloc, bytes);
    if ((n && !b->at) || !raw) {
        base_free(b->alloc, raw, bytes);
        base_free(b->alloc, b->at, (size_t)n * sizeof *b->at);
        b->at = NULL;
        return base_set_error(err, SN_ERR_NOMEM, "bundle %s: out of memory", b->path);
    }
    b->n = (uint32_t)n;
    const char *wrong = read_at(fd, raw, bytes, 0) ? take_index(b, raw) : "it cannot be read";
    base_free(b->alloc, raw, bytes);
    return wrong ? base_set_error(err, SN_ERR_PARSE, "bundle %s: %s", b->path, wrong) : SN_OK;
}

sn_status cache_bundle_open(base_alloc *alloc, const char *path, cache_bundle **out, base_trap *err) {
    cache_bundle *b = *out = base_calloc(alloc, sizeof *b);
    if (!b) return base_set_error(err, SN_ERR_NOMEM, "bundle %s: out of memory", path);
    b->alloc = alloc;
    int fd = -1;
    sn_status status = SN_OK;
    if (!realpath(path, b->path) || (fd = open(b->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
        status = base_set_error(err, SN_ERR_IO, "bundle %s: %s", path, strerror(errno));
    else
        status = read_index(b, fd, err);
    if (fd >= 0) close(fd);
    if (status) {
        cache_bundle_free(b);
        *out = NULL;
    }
    return status;
}

void cache_bundle_free(cache_bundle *b) {
    if (!b) return;
    base_free(b->alloc, b->at, b->n * sizeof *b->at);
    base_free(b->alloc, b, sizeof *b);
}

const char *cache_bundle_path(const cache_bundle *b) { return b->path; }

uint32_t cache_bundle_count(const cache_bundle *b) { return b->n; }

cache_read cache_bundle_read_at(const cache_bundle *b, uint32_t i, void **bytes, size_t *n, char why[CACHE_WHY_MAX]) {
    struct stat s;
    const item *it = &b->at[i];
    *bytes = NULL;
    *n = (size_t)it->size;
    int fd = open(b->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &s))
        snprintf(why, CACHE_WHY_MAX, "bundle %.200s: %s", b->path, strerror(errno));
    else if (s.st_dev != b->device || s.st_ino != b->file || s.st_size != b->bytes)
        snprintf(why, CACHE_WHY_MAX, "bundle %.200s was replaced since it was opened", b->path);
    else if (!(*bytes = base_malloc(b->alloc, *n + 1)))
        snprintf(why, CACHE_WHY_MAX, "bundle %.200s: out of memory", b->path);
    else if (!read_at(fd, *bytes, *n, it->offset)) {
        snprintf(why, CACHE_WHY_MAX, "bundle %.200s cannot be read", b->path);
        base_free(b->alloc, *bytes, *n + 1);
        *bytes = NULL;
    }
    if (fd >= 0) close(fd);
    return *bytes ? CACHE_READ : CACHE_UNREADABLE;
}

cache_read cache_bundle_read(const cache_bundle *b, base_hash hash, void **bytes, size_t *n, char why[CACHE_WHY_MAX]) {
    uint32_t low = 0, high = b->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (order(b->at[middle].hash, hash) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < b->n && !order(b->at[low].hash, hash)) return cache_bundle_read_at(b, low, bytes, n, why);
    *bytes = NULL;
    *n = 0;
    return CACHE_NONE;
}
