/* In: a key. Out: the entry of it, from the bundle, the store or the folder; or a place where it is kept from now on.
 */
#define _GNU_SOURCE
#include "cache/disk.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "cache/hits.h"
#include "cache/pack.h"

/* A sweep reads the whole folder; it is worth while once this part of the budget has been written. */
enum { SWEEPS_PER_BUDGET = 16 };

struct cache_disk {
    base_alloc *alloc;
    const base_log *log;
    cache_disk_options o;
    sn_store store; /* o.store's copy */
    cache_bundle *bundle;
    _Atomic int warned; /* one warning per context is enough, the rest is for those who ask */
    /* Finds in the folder that are not in its file yet. Whoever meets another one at it lets the count be lost, and so
     * does a child of a fork: nobody ever waits for statistics. */
    pid_t owner;
    _Atomic int counting;
    size_t n_hits;
    cache_hit hits[CACHE_HITS_AT_ONCE];
};

sn_status cache_disk_new(base_alloc *alloc, const base_log *log, const cache_disk_options *options, cache_disk **out,
                         base_trap *err) {
    *out = NULL;
    if (options->mode == SN_CACHE_OFF) return SN_OK;
    cache_disk *d = base_calloc(alloc, sizeof *d);
    if (!d) return base_set_error(err, SN_ERR_NOMEM, "out of memory: kernel cache");
    d->alloc = alloc;
    d->log = log;
    d->o = *options;
    d->owner = getpid();
    if (options->store) {
        d->store = *options->store;
        d->o.store = &d->store;
    }
    if (options->bundle && cache_bundle_open(alloc, options->bundle, &d->bundle, err)) {
        base_free(alloc, d, sizeof *d);
        return err->status;
    }
    *out = d;
    return SN_OK;
}

static int may_write(const cache_disk *d) { return d->o.mode == SN_CACHE_RW || d->o.mode == SN_CACHE_STRICT; }

static void write_hits(cache_disk *d) {
    if (d->n_hits && getpid() == d->owner) cache_hits_append(d->alloc, d->o.dir, d->hits, d->n_hits);
    d->n_hits = 0;
}

/* Counts a find or a compile of an entry of the folder. */
static void count(cache_disk *d, const cache_key *key, const cache_hit *what) {
    if (!may_write(d) || atomic_exchange_explicit(&d->counting, 1, memory_order_acquire)) return;
    if (d->n_hits == CACHE_HITS_AT_ONCE) write_hits(d);
    d->hits[d->n_hits] = *what;
    d->hits[d->n_hits++].key = cache_hits_key(key->hash);
    atomic_store_explicit(&d->counting, 0, memory_order_release);
}

void cache_disk_free(cache_disk *d) {
    if (!d) return;
    write_hits(d);
    cache_bundle_free(d->bundle);
    base_free(d->alloc, d, sizeof *d);
}

sn_cache_mode cache_disk_mode(const cache_disk *d) { return d->o.mode; }

void cache_disk_places(const cache_disk *d, char *text, size_t size) {
    size_t n = 0;
    text[0] = 0;
    if (d->bundle) {
        int m = snprintf(text, size, "bundle %s, ", cache_bundle_path(d->bundle));
        n = m < 0 ? 0 : (size_t)m < size ? (size_t)m : size - 1;
    }
    if (d->o.store)
        snprintf(text + n, size - n, "the host's store");
    else if (*d->o.dir)
        snprintf(text + n, size - n, "folder %s", d->o.dir);
    else
        snprintf(text + n, size - n, "no folder: %s", d->o.no_dir);
}

static void warn(cache_disk *d, const char *why) {
    sn_log_level level = atomic_exchange(&d->warned, 1) ? SN_LOG_INFO : SN_LOG_WARN;
    base_logf(d->log, level, "kernel cache: %s; kernels are compiled anew", why);
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

typedef struct {
    cache_disk *disk;
    void *bytes;
    size_t n;
} given_bytes;

/* The store hands over an entry. */
static void take_bytes(void *to, const void *bytes, size_t n) {
    given_bytes *g = to;
    if (g->bytes || n > CACHE_ENTRY_MAX) return;
    g->bytes = base_malloc(g->disk->alloc, n + 1);
    if (!g->bytes) return;
    if (n) memcpy(g->bytes, bytes, n);
    g->n = n;
}

static cache_read read_store(cache_disk *d, const cache_key *key, cache_found *out) {
    given_bytes g = {.disk = d};
    char hash[33];
    base_hash_text(key->hash, hash);
    d->store.get(d->store.user, hash, take_bytes, &g);
    out->bytes = g.bytes;
    out->n = g.n;
    return g.bytes ? CACHE_READ : CACHE_NONE;
}

static cache_read read_folder(cache_disk *d, const cache_key *key, cache_found *out, char why[CACHE_WHY_MAX]) {
    char name[CACHE_NAME_MAX];
    if (!*d->o.dir) {
        snprintf(why, CACHE_WHY_MAX, "there is no cache folder: %s", d->o.no_dir);
        return CACHE_UNREADABLE;
    }
    cache_dir_name(key->hash, key->family, name);
    return cache_dir_read(d->alloc, d->o.dir, name, may_write(d), &out->bytes, &out->n, why);
}

/* Is what was read an entry of this key, by this compiler? Else why, and nothing is left in out. */
static int fits(cache_disk *d, const cache_key *key, const char *compiler, cache_found *out, char why[CACHE_WHY_MAX]) {
    const char *wrong = cache_entry_open(&out->entry, out->bytes, out->n);
    char differs[CACHE_WHY_MAX], text[CACHE_WHY_MAX + 40];
    if (!wrong && !cache_entry_has_key(&out->entry, key)) {
        cache_key_differs(d->alloc, key, out->entry.key, out->entry.key_bytes, out->entry.kernel_bytes, differs);
        snprintf(text, sizeof text, "the entry is of another key: %s", differs);
        wrong = text;
    }
    if (!wrong && compiler) {
        size_t n;
        const char *by = cache_entry_meta(&out->entry, "compiler", &n);
        if (!by || n != strlen(compiler) || memcmp(by, compiler, n)) {
            snprintf(text, sizeof text, "it was compiled by %.*s, here is %s", (int)(n < 64 ? n : 64), by ? by : "",
                     compiler);
            wrong = text;
        }
    }
    if (!wrong) return 1;
    snprintf(why, CACHE_WHY_MAX, "%.*s", CACHE_WHY_MAX - 1, wrong);
    cache_disk_refuse(d, key, out, why);
    cache_found_free(d, out);
    return 0;
}

/* Entries of the same family are looked at until one tells which part of the key differs: another target before other
 * types. */
static void explain_miss(cache_disk *d, const cache_key *key, char why[CACHE_WHY_MAX]) {
    char suffix[16];
    snprintf(suffix, sizeof suffix, "-%08x.k", (unsigned)key->family);
    DIR *dir = *d->o.dir && !d->o.store ? opendir(d->o.dir) : NULL;
    if (!dir) return;
    int same_kernel = 0;
    for (struct dirent *e; !same_kernel && (e = readdir(dir));) {
        void *bytes;
        size_t n;
        char ignored[CACHE_WHY_MAX];
        cache_entry entry;
        if (!cache_dir_is_name(e->d_name) || strncmp(e->d_name + 32, suffix, strlen(suffix))) continue;
        if (cache_dir_read(d->alloc, d->o.dir, e->d_name, 0, &bytes, &n, ignored) != CACHE_READ) continue;
        if (!cache_entry_open(&entry, bytes, n)) {
            same_kernel = entry.kernel_bytes == key->kernel_bytes && !memcmp(entry.key, key->at, key->kernel_bytes);
            cache_key_differs(d->alloc, key, entry.key, entry.key_bytes, entry.kernel_bytes, why);
        }
        base_free(d->alloc, bytes, n + 1);
    }
    closedir(dir);
}

/* What the entry took to compile is what finding it saves. */
static void count_hit(cache_disk *d, const cache_key *key, const cache_entry *entry) {
    char text[32];
    size_t n;
    const char *ms = cache_entry_meta(entry, "compile_ms", &n);
    snprintf(text, sizeof text, "%.*s", (int)(n < sizeof text ? n : 0), ms ? ms : "");
    double us = strtod(text, NULL) * 1e3;
    count(d, key, &(cache_hit){.hits = 1, .saved_us = us > 0 && us < 1e12 ? (uint64_t)us : 0});
}

int cache_disk_get(cache_disk *d, const cache_key *key, const char *compiler, int explain, cache_found *out,
                   char why[CACHE_WHY_MAX]) {
    *out = (cache_found){.place = "bundle"};
    snprintf(why, CACHE_WHY_MAX, "no such key");
    int told = 0;
    if (d->bundle) {
        cache_read result = cache_bundle_read(d->bundle, key->hash, &out->bytes, &out->n, why);
        if (result == CACHE_READ && fits(d, key, compiler, out, why)) return 1;
        told = result != CACHE_NONE;
    }
    out->place = d->o.store ? "store" : "disk";
    char more[CACHE_WHY_MAX];
    cache_read result = d->o.store ? read_store(d, key, out) : read_folder(d, key, out, more);
    if (result == CACHE_READ) {
        if (fits(d, key, compiler, out, more)) {
            if (!d->o.store) count_hit(d, key, &out->entry);
            return 1;
        }
        snprintf(why, CACHE_WHY_MAX, "%s", more);
    } else if (result == CACHE_UNREADABLE) {
        warn(d, more);
        snprintf(why, CACHE_WHY_MAX, "%s", more);
    } else if (!told && explain) {
        explain_miss(d, key, why);
    }
    return 0;
}

void cache_found_free(cache_disk *d, cache_found *found) {
    if (found->bytes) base_free(d->alloc, found->bytes, found->n + 1);
    found->bytes = NULL;
    found->entry = (cache_entry){0};
}

void cache_disk_refuse(cache_disk *d, const cache_key *key, const cache_found *found, const char *why) {
    char name[CACHE_NAME_MAX];
    int deletes = may_write(d) && !strcmp(found->place, "disk");
    cache_dir_name(key->hash, key->family, name);
    base_logf(d->log, SN_LOG_WARN, "kernel cache: entry %s of the %s is not used%s: %s", name, found->place,
              deletes ? " and deleted" : "", why);
    if (deletes) cache_dir_remove(d->o.dir, name);
}

/* ---- keeping ----------------------------------------------------------------------------------------------------- */

/* A line of metadata; what would end it early becomes a space. */
static void put_line(base_strbuf *meta, const char *name, const char *value) {
    if (!value) return;
    base_strbuf_printf(meta, "%s ", name);
    for (; *value; value++) base_strbuf_add(meta, *value == '\n' ? " " : value, 1);
    base_strbuf_puts(meta, "\n");
}

/* A word per instruction; "=": the word before it, "-": no name. */
static void put_values(base_strbuf *meta, const cache_about *about) {
    size_t last = 0, last_n = 0;
    base_strbuf_puts(meta, "values");
    for (uint32_t i = 0; i < about->kernel->n_inst && !meta->failed; i++) {
        base_strbuf_puts(meta, " ");
        size_t at = meta->n;
        about->namer(about->namer_arg, i, meta);
        if (meta->failed) return;
        if (meta->n == at) base_strbuf_puts(meta, "-");
        for (size_t k = at; k < meta->n && !meta->failed; k++)
            if ((unsigned char)meta->at[k] <= ' ') meta->at[k] = '_';
        if (!meta->failed && last_n == meta->n - at && !memcmp(meta->at + last, meta->at + at, last_n)) {
            meta->n = at;
            base_strbuf_puts(meta, "=");
        } else {
            last = at;
            last_n = meta->n - at;
        }
    }
    base_strbuf_puts(meta, "\n");
}

static void put_meta(base_strbuf *meta, const char *compiler, double compile_ms, const cache_about *about) {
    struct utsname host;
    char date[32] = "?";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc)) strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    put_line(meta, "name", about->name);
    put_line(meta, "function", about->function);
    const kn_kernel *k = about->kernel;
    if (k && k->mem_name) {
        base_strbuf_puts(meta, "memories");
        for (uint32_t i = 0; i < k->n_mem; i++) {
            const char *at = k->mem_name[i] && *k->mem_name[i] ? k->mem_name[i] : "-";
            base_strbuf_puts(meta, " ");
            for (; *at; at++) base_strbuf_add(meta, (unsigned char)*at <= ' ' ? "_" : at, 1);
        }
        base_strbuf_puts(meta, "\n");
    }
    if (k && about->namer) put_values(meta, about);
    put_line(meta, "compiler", compiler);
    base_strbuf_printf(meta, "compile_ms %.3f\n", compile_ms);
    put_line(meta, "host", uname(&host) ? "?" : host.nodename);
    put_line(meta, "date", date);
    put_line(meta, "sinter", sn_version());
    base_strbuf_puts(meta, "\n");
    if (about->graph) about->graph(about->arg, meta);
}

/* Sweeps by chance, in proportion to what is written: so the number of sweeps follows the bytes that all processes
 * write, and none needs to know of another. */
static void perhaps_sweep(cache_disk *d, uint64_t written) {
    if (!d->o.max_bytes) return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t chance = base_hash64(&now, sizeof now, (uint64_t)(uintptr_t)&now);
    if (chance % (d->o.max_bytes / SWEEPS_PER_BUDGET + 1) > written) return;
    cache_swept swept = cache_dir_sweep(d->alloc, d->o.dir, d->o.max_bytes);
    base_logf(d->log, SN_LOG_INFO, "kernel cache: %llu entr%s of %llu bytes, %llu of %llu bytes removed",
              (unsigned long long)swept.entries, base_ies(swept.entries), (unsigned long long)swept.bytes,
              (unsigned long long)swept.removed, (unsigned long long)swept.removed_bytes);
}

static void put_folder(cache_disk *d, const cache_key *key, const base_strbuf *entry) {
    char name[CACHE_NAME_MAX], why[CACHE_WHY_MAX];
    cache_dir_name(key->hash, key->family, name);
    if (!*d->o.dir) {
        snprintf(why, sizeof why, "there is no cache folder: %s", d->o.no_dir);
        warn(d, why);
    } else if (d->o.max_bytes && entry->n > d->o.max_bytes) {
        base_logf(d->log, SN_LOG_INFO, "kernel cache: an entry of %zu bytes is more than SINTER_CACHE_MAX", entry->n);
    } else if (!cache_dir_publish(d->o.dir, name, entry->at, entry->n, d->o.link, why)) {
        warn(d, why);
    } else {
        count(d, key, &(cache_hit){.misses = 1});
        perhaps_sweep(d, entry->n);
    }
}

void cache_disk_put(cache_disk *d, const cache_key *key, const void *payload, size_t payload_bytes,
                    const char *compiler, double compile_ms, const cache_about *about) {
    if (!may_write(d) || (d->o.store && !d->store.put)) return;
    base_strbuf meta, entry;
    base_strbuf_init(&meta, d->alloc);
    base_strbuf_init(&entry, d->alloc);
    put_meta(&meta, compiler, compile_ms, about);
    entry.failed = meta.failed;
    cache_entry_write(&entry, key, payload, payload_bytes, &meta);
    char hash[33];
    base_hash_text(key->hash, hash);
    if (entry.failed)
        warn(d, "out of memory for an entry");
    else if (d->o.store)
        d->store.put(d->store.user, hash, entry.at, entry.n);
    else
        put_folder(d, key, &entry);
    base_strbuf_free(&meta);
    base_strbuf_free(&entry);
}
