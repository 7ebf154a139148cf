/* In: a kernel's bytes. Out: the kernel, decoded, found on disk or compiled, and loaded, shared with whoever asked for
 * it before.
 *
 * A hash table of entries under one lock. Whoever does not find a key inserts an entry that is being built, builds it
 * outside of the lock and wakes those who found it meanwhile: they sleep on the entry's state. A build that failed is
 * taken off the table at once; its entry lives until the last sleeper has read the error. Entries that nobody holds
 * form a list, longest unused last, and are unloaded from its end when it exceeds MAX_IDLE. */
#define _GNU_SOURCE
#include "cache/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/hash.h"

enum { BUCKETS = 512, MAX_IDLE = 256, KEY_ROOM = 4096 /* for a key on the stack: most fit */ };
enum { BUILDING, READY, FAILED };

typedef struct entry {
    cache_kernel loaded;         /* what callers hold; first, so that it leads back here */
    struct entry *next;          /* in its bucket */
    struct entry *newer, *older; /* on the list of idle ones */
    uint32_t holders;            /* under the cache's lock; building counts */
    _Atomic uint32_t state;
    base_hash hash;
    void *key; /* owned */
    size_t key_bytes;
    base_arena arena; /* of loaded.kernel */
    sn_status status; /* FAILED: why */
    char text[BASE_TEXT_MAX];
} entry;

struct cache_memory {
    base_alloc *alloc;
    const base_log *log;
    const be_backend *backend;
    be_device *device;
    cache_disk *disk; /* may be NULL */
    pthread_mutex_t lock;
    entry *newest_idle, *oldest_idle;
    cache_memory_stats stats;
    entry *bucket[BUCKETS];
};

/* ---- table and list, under the lock ------------------------------------------------------------------------------ */

static entry **place_of(cache_memory *c, base_hash hash, const void *key, size_t n) {
    entry **at = &c->bucket[hash.lo % BUCKETS];
    while (*at && ((*at)->hash.lo != hash.lo || (*at)->hash.hi != hash.hi || (*at)->key_bytes != n ||
                   memcmp((*at)->key, key, n)))
        at = &(*at)->next;
    return at;
}

static void take_off_table(cache_memory *c, entry *e) {
    entry **at = place_of(c, e->hash, e->key, e->key_bytes);
    assert(*at == e);
    *at = e->next;
}

static void make_idle(cache_memory *c, entry *e) {
    e->newer = NULL;
    e->older = c->newest_idle;
    if (e->older)
        e->older->newer = e;
    else
        c->oldest_idle = e;
    c->newest_idle = e;
    c->stats.idle++;
}

static void take_off_idle(cache_memory *c, entry *e) {
    if (e->newer)
        e->newer->older = e->older;
    else
        c->newest_idle = e->older;
    if (e->older)
        e->older->newer = e->newer;
    else
        c->oldest_idle = e->newer;
    c->stats.idle--;
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

static void entry_free(cache_memory *c, entry *e) {
    if (!e) return;
    c->backend->unload(c->device, e->loaded.exec);
    base_arena_free(&e->arena);
    base_free(c->alloc, e->key, e->key_bytes);
    base_free(c->alloc, e, sizeof *e);
}

static entry *entry_new(cache_memory *c, base_hash hash, const void *key, size_t n) {
    entry *e = base_calloc(c->alloc, sizeof *e);
    if (!e) return NULL;
    base_arena_init(&e->arena, c->alloc, NULL);
    e->key = base_malloc(c->alloc, n);
    if (!e->key) {
        base_free(c->alloc, e, sizeof *e);
        return NULL;
    }
    memcpy(e->key, key, n);
    e->key_bytes = n;
    e->hash = hash;
    e->holders = 1;
    return e;
}

typedef struct {
    entry *e;
    const void *kernel;
    size_t n;
} decoding;

static void decode(void *arg) {
    decoding *d = arg;
    d->e->loaded.kernel = kn_decode(&d->e->arena, d->kernel, d->n);
}

/* Finds the kernel on disk and loads it: 1 and *status; 0 where it has to be compiled. */
static int from_disk(cache_memory *c, entry *e, const cache_key *key, const char *name, sn_status *status,
                     base_trap *err) {
    char why[CACHE_WHY_MAX], version[BE_COMPILER_MAX], hash[33];
    const char *compiler = NULL;
    cache_found found;
    double start = base_now_ms();
    int strict = cache_disk_mode(c->disk) == SN_CACHE_STRICT, only = cache_disk_mode(c->disk) == SN_CACHE_ONLY;
    base_hash_text(e->hash, hash);
    if (strict) {
        if ((*status = c->backend->compiler(c->device, version, err))) return 1;
        compiler = version;
    }
    if (cache_disk_get(c->disk, key, compiler, only || c->log->level >= SN_LOG_INFO, &found, why)) {
        const cache_entry *kept = &found.entry;
        *status = c->backend->load(c->device, e->loaded.kernel, kept->payload, kept->payload_bytes, name,
                                   &e->loaded.exec, err);
        if (!*status)
            base_logf(c->log, SN_LOG_INFO, "kernel %s: hit, from %s in %.0f us, %zu bytes, %s", name, found.place,
                      (base_now_ms() - start) * 1e3, kept->payload_bytes, hash);
        int refused = *status == SN_ERR_PARSE || *status == SN_ERR_COMPILE; /* damaged, or not for this machine */
        if (refused) cache_disk_refuse(c->disk, key, &found, err->text);
        snprintf(why, sizeof why, "%.390s", err->text);
        cache_found_free(c->disk, &found);
        if (!refused) return 1;
    }
    if (only) {
        char places[512];
        cache_disk_places(c->disk, places, sizeof places);
        *status = base_set_error(err, SN_ERR_UNAVAILABLE,
                                 "not in the kernel cache, and its mode 'only' forbids to compile: %s (%s; target %s)",
                                 why, places, cache_key_target(key));
        return 1;
    }
    base_logf(c->log, SN_LOG_INFO, "kernel %s: miss: %s, %s", name, why, hash);
    return 0;
}

/* Decodes, finds or compiles, and loads; what was made is in the entry also on failure. */
static sn_status build(cache_memory *c, entry *e, const void *kernel, size_t n, const cache_about *about, int *compiled,
                       base_trap *err) {
    const char *name = about->name ? about->name : "?";
    char hash[33], compiler[BE_COMPILER_MAX] = "?";
    be_blob blob;
    decoding d = {e, kernel, n};
    base_hash_text(e->hash, hash);
    e->arena.trap = err;
    sn_status status = base_protect(err, decode, &d);
    e->arena.trap = NULL;
    if (status) return status;
    cache_key key = {e->key, e->key_bytes, n, e->hash, c->disk ? cache_family(e->loaded.kernel) : 0};
    if (c->disk && from_disk(c, e, &key, name, &status, err)) return status;
    if (about->missing) about->missing(about->arg);
    double start = base_now_ms();
    status = c->backend->compile(c->device, kernel, n, &blob, err);
    if (status) return status;
    *compiled = 1;
    double done = base_now_ms();
    status = c->backend->load(c->device, e->loaded.kernel, blob.at, blob.n, name, &e->loaded.exec, err);
    if (!status)
        base_logf(c->log, SN_LOG_INFO, "kernel %s: compiled in %.2f ms, loaded in %.0f us, %zu bytes, %s", name,
                  done - start, (base_now_ms() - done) * 1e3, blob.n, hash);
    if (!status && c->disk && !c->backend->compiler(c->device, compiler, err))
        cache_disk_put(c->disk, &key, blob.at, blob.n, compiler, done - start, about);
    base_free(c->alloc, blob.at, blob.n);
    return status;
}

static void drop(cache_memory *c, entry *e) {
    entry *unload = NULL;
    pthread_mutex_lock(&c->lock);
    assert(e->holders);
    if (!--e->holders) {
        if (atomic_load_explicit(&e->state, memory_order_relaxed) == FAILED) {
            unload = e;
        } else {
            make_idle(c, e);
            if (c->stats.idle > MAX_IDLE) {
                unload = c->oldest_idle;
                take_off_idle(c, unload);
                take_off_table(c, unload);
                c->stats.loaded--;
            }
        }
    }
    pthread_mutex_unlock(&c->lock);
    entry_free(c, unload);
}

/* The entry of a key, held; *is_new if it has to be built by the caller. NULL when out of memory. */
static entry *find_or_insert(cache_memory *c, const void *key, size_t n, int *is_new) {
    base_hash hash = base_hash_bytes(key, n);
    pthread_mutex_lock(&c->lock);
    entry **at = place_of(c, hash, key, n), *e = *at;
    *is_new = !e;
    if (e) {
        c->stats.hits++;
        if (!e->holders++) take_off_idle(c, e);
    } else if ((e = entry_new(c, hash, key, n))) {
        c->stats.misses++;
        *at = e;
    }
    pthread_mutex_unlock(&c->lock);
    return e;
}

static void publish(cache_memory *c, entry *e, sn_status status, const base_trap *err) {
    pthread_mutex_lock(&c->lock);
    if (status) {
        e->status = status;
        memcpy(e->text, err->text, sizeof e->text);
        take_off_table(c, e);
    } else {
        c->stats.loaded++;
    }
    atomic_store_explicit(&e->state, status ? FAILED : READY, memory_order_release);
    pthread_mutex_unlock(&c->lock);
    base_futex_wake(&e->state, INT32_MAX);
}

/* ---- what callers see -------------------------------------------------------------------------------------------- */

sn_status cache_memory_get(cache_memory *c, const void *kernel, size_t n, const cache_about *about,
                           const cache_kernel **out, int *compiled, base_trap *err) {
    const char *name = about->name ? about->name : "?";
    const char *target = c->backend->target(c->device);
    char room[KEY_ROOM];
    size_t target_bytes = strlen(target) + 1, key_bytes = n + target_bytes;
    int is_new = 0, is_large = key_bytes > sizeof room;
    char *key = is_large ? base_malloc(c->alloc, key_bytes) : room;
    entry *e = NULL;
    *out = NULL;
    *compiled = 0;
    base_clear_error(err);
    if (key) {
        memcpy(key, kernel, n);
        memcpy(key + n, target, target_bytes);
        e = find_or_insert(c, key, key_bytes, &is_new);
    }
    if (is_large) base_free(c->alloc, key, key_bytes);
    if (!e) return base_set_error(err, SN_ERR_NOMEM, "out of memory: kernel %s", name);
    if (is_new) {
        sn_status status = build(c, e, kernel, n, about, compiled, err);
        *compiled &= !status;
        publish(c, e, status, err);
    }
    uint32_t state;
    while ((state = atomic_load_explicit(&e->state, memory_order_acquire)) == BUILDING)
        base_futex_wait(&e->state, BUILDING);
    if (state == FAILED) {
        sn_status status = base_set_error(err, e->status, "%s", e->text);
        drop(c, e);
        return status;
    }
    if (!is_new) base_logf(c->log, SN_LOG_DEBUG, "kernel %s: in memory", name);
    *out = &e->loaded;
    return SN_OK;
}

void cache_memory_release(cache_memory *c, const cache_kernel *kernel) {
    if (kernel) drop(c, (entry *)(uintptr_t)kernel);
}

cache_memory_stats cache_memory_get_stats(cache_memory *c) {
    pthread_mutex_lock(&c->lock);
    cache_memory_stats stats = c->stats;
    pthread_mutex_unlock(&c->lock);
    return stats;
}

sn_status cache_memory_new(base_alloc *alloc, const base_log *log, const be_backend *backend, be_device *device,
                           cache_disk *disk, cache_memory **out, base_trap *err) {
    cache_memory *c = *out = base_calloc(alloc, sizeof *c);
    if (!c) return base_set_error(err, SN_ERR_NOMEM, "out of memory: kernel cache");
    c->alloc = alloc;
    c->log = log;
    c->backend = backend;
    c->device = device;
    c->disk = backend->compiler ? disk : NULL;
    pthread_mutex_init(&c->lock, NULL);
    return SN_OK;
}

void cache_memory_free(cache_memory *c) {
    if (!c) return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (c->bucket[i]) {
            entry *e = c->bucket[i];
            c->bucket[i] = e->next;
            entry_free(c, e);
        }
    }
    pthread_mutex_destroy(&c->lock);
    base_free(c->alloc, c, sizeof *c);
}
