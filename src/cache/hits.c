/* In: records of finds and compiles. Out: a short file of them, and their sums.
 *
 * A record is a line, a process writes its lines with one write to a file opened with O_APPEND, so lines of several
 * processes do not mix; a line that was cut short spoils the next one at most. The file is rewritten, summed up, by the
 * sweep and by whoever finds it too long: its length is bounded by CACHE_HITS_MAX_BYTES and one write. Nothing here
 * reports a failure. */
#define _GNU_SOURCE
#include "cache/hits.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "cache/disk_dir.h"

/* A number of so many digits at most; a million of them still add up. */
enum { KEY_DIGITS = 16, NUMBER_DIGITS = 12, LINE_MAX_BYTES = KEY_DIGITS + 3 * (1 + NUMBER_DIGITS) + 2 };
static const uint64_t number_max = 999999999999;

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static uint64_t bounded(uint64_t n) { return n < number_max ? n : number_max; }

static size_t put_line(char *at, const cache_hit *r) {
    return (size_t)snprintf(at, LINE_MAX_BYTES, "%016llx %llu %llu %llu\n", (unsigned long long)r->key,
                            (unsigned long long)bounded(r->hits), (unsigned long long)bounded(r->misses),
                            (unsigned long long)bounded(r->saved_us));
}

/* The first characters of an entry's name, or of a line. */
static int read_key(const char *at, uint64_t *key) {
    static const char hex[] = "0123456789abcdef";
    *key = 0;
    for (int i = 0; i < KEY_DIGITS; i++) {
        const char *digit = at[i] ? strchr(hex, at[i]) : NULL;
        if (!digit) return 0;
        *key = *key << 4 | (uint64_t)(digit - hex);
    }
    return 1;
}

uint64_t cache_hits_key_of(const char *name) {
    uint64_t key;
    return cache_dir_is_name(name) && read_key(name, &key) ? key : 0;
}

/* at ends with a newline or NUL. */
static int read_line(const char *at, cache_hit *r) {
    uint64_t *const field[] = {&r->hits, &r->misses, &r->saved_us};
    if (!read_key(at, &r->key)) return 0;
    at += KEY_DIGITS;
    for (int i = 0; i < 3; i++) {
        if (*at++ != ' ') return 0;
        size_t digits = strspn(at, "0123456789");
        if (!digits || digits > NUMBER_DIGITS) return 0;
        *field[i] = strtoull(at, NULL, 10);
        at += digits;
    }
    return *at == '\n';
}

/* ---- appending --------------------------------------------------------------------------------------------------- */

void cache_hits_append(base_alloc *alloc, const char *dir, const cache_hit *records, size_t n) {
    char path[PATH_MAX], text[CACHE_HITS_AT_ONCE * LINE_MAX_BYTES], why[CACHE_WHY_MAX];
    struct rlimit limit;
    struct stat s;
    size_t used = 0;
    int missing, m = snprintf(path, sizeof path, "%s/" CACHE_HITS_NAME, dir);
    if (!n || n > CACHE_HITS_AT_ONCE || m < 0 || m >= (int)sizeof path || !cache_dir_check(dir, &missing, why)) return;
    for (size_t i = 0; i < n; i++) used += put_line(text + used, &records[i]);
    /* O_NONBLOCK: should it be a pipe. */
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) return;
    int good = !fstat(fd, &s) && S_ISREG(s.st_mode);
    uint64_t size = good ? (uint64_t)s.st_size : 0;
    /* Writing past the limit would be answered by a signal that ends the host. */
    if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY && size + used > limit.rlim_cur) good = 0;
    if (good && size <= CACHE_HITS_MAX_BYTES) good = write(fd, text, used) == (ssize_t)used;
    close(fd);
    if (good && size + used > CACHE_HITS_MAX_BYTES) cache_hits_compact(alloc, dir);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int push(cache_hits *h, const cache_hit *r) {
    if (h->n == h->cap) {
        size_t cap = h->cap ? 2 * h->cap : 256;
        cache_hit *at = base_realloc(h->alloc, h->at, h->cap * sizeof *at, cap * sizeof *at);
        if (!at) return 0;
        h->at = at;
        h->cap = cap;
    }
    h->at[h->n++] = *r;
    return 1;
}

static int by_key(const void *a, const void *b) {
    const cache_hit *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

static void add_to(cache_hit *sum, const cache_hit *r) {
    sum->hits = bounded(sum->hits + r->hits);
    sum->misses = bounded(sum->misses + r->misses);
    sum->saved_us = bounded(sum->saved_us + r->saved_us);
}

static void sum_up(cache_hits *h) {
    size_t n = 0;
    if (h->n) qsort(h->at, h->n, sizeof *h->at, by_key);
    for (size_t i = 0; i < h->n; i++) {
        if (n && h->at[n - 1].key == h->at[i].key)
            add_to(&h->at[n - 1], &h->at[i]);
        else
            h->at[n++] = h->at[i];
    }
    h->n = n;
}

void cache_hits_read(base_alloc *alloc, const char *dir, cache_hits *out) {
    void *bytes;
    size_t n;
    char why[CACHE_WHY_MAX];
    *out = (cache_hits){.alloc = alloc};
    if (cache_dir_read(alloc, dir, CACHE_HITS_NAME, 0, &bytes, &n, why) != CACHE_READ) return;
    char *at = bytes, *end = at + n;
    *end = 0;
    cache_hit r;
    int good = 1;
    while (good && at < end) {
        if (read_line(at, &r)) good = push(out, &r);
        char *stop = memchr(at, '\n', (size_t)(end - at));
        at = stop ? stop + 1 : end;
    }
    base_free(alloc, bytes, n + 1);
    sum_up(out);
}

void cache_hits_free(cache_hits *h) {
    base_free(h->alloc, h->at, h->cap * sizeof *h->at);
    *h = (cache_hits){.alloc = h->alloc};
}

cache_hit cache_hits_of(const cache_hits *h, uint64_t key) {
    cache_hit want = {.key = key};
    const cache_hit *found = h->n ? bsearch(&want, h->at, h->n, sizeof *h->at, by_key) : NULL;
    return found ? *found : want;
}

/* ---- compacting -------------------------------------------------------------------------------------------------- */

/* The keys of the entries that are there. */
static int read_present(const char *path, cache_hits *out) {
    DIR *dir = opendir(path);
    cache_hit r = {0};
    int good = dir != NULL;
    if (!dir) return 0;
    for (struct dirent *d; good && (d = readdir(dir));)
        if ((r.key = cache_hits_key_of(d->d_name))) good = push(out, &r);
    closedir(dir);
    if (good) sum_up(out);
    return good;
}

static int most_hits_first(const void *a, const void *b) {
    const cache_hit *x = a, *y = b;
    if (x->hits != y->hits) return x->hits > y->hits ? -1 : 1;
    return by_key(a, b);
}

void cache_hits_compact(base_alloc *alloc, const char *dir) {
    cache_hits hits, present = {.alloc = alloc};
    base_strbuf out;
    char why[CACHE_WHY_MAX], line[LINE_MAX_BYTES];
    cache_hit gone = {0};
    base_strbuf_init(&out, alloc);
    cache_hits_read(alloc, dir, &hits);
    int good = hits.n && read_present(dir, &present);
    if (!hits.n) cache_dir_remove(dir, CACHE_HITS_NAME); /* absent already, or of no use */
    if (good) qsort(hits.at, hits.n, sizeof *hits.at, most_hits_first);
    for (size_t i = 0; good && i < hits.n; i++) {
        const cache_hit *r = &hits.at[i];
        /* Half of the bound, or the next few lines would make it too long again. */
        int keep = r->key && present.n && out.n < CACHE_HITS_MAX_BYTES / 2 &&
                   bsearch(r, present.at, present.n, sizeof *r, by_key);
        if (keep)
            base_strbuf_add(&out, line, put_line(line, r));
        else
            add_to(&gone, r);
    }
    if (gone.hits || gone.misses) base_strbuf_add(&out, line, put_line(line, &gone));
    /* rename for link: what is there is replaced. */
    if (good && !out.failed) (void)cache_dir_publish(dir, CACHE_HITS_NAME, out.at, out.n, rename, why);
    base_strbuf_free(&out);
    cache_hits_free(&present);
    cache_hits_free(&hits);
}
