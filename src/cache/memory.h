/* memory.h: the in-memory level of the kernel cache: one loaded kernel per key, shared by all functions of a context;
 * behind it may stand a level that outlives the process (disk.h).
 *
 * Key: the kernel's canonical bytes (kn_encode) and the device's target text; hashed to 128 bits, stored whole and
 * compared. On a miss the level behind is asked, then the backend compiles; several threads that want one key at the
 * same time cause one compile, the others wait for it (and share its error, should it fail). Kernels that nobody holds
 * any more stay loaded for the next function that wants them, up to a bound; the longest unused goes first. */
#ifndef CACHE_MEMORY_H
#define CACHE_MEMORY_H

#include "backend/backend.h"
#include "cache/disk.h"

typedef struct cache_memory cache_memory;

typedef struct cache_kernel {
    const kn_kernel *kernel; /* what the key's bytes decode to (mem_name is NULL: names are no part of a key) */
    be_exec *exec;
} cache_kernel;

typedef struct cache_memory_stats {
    uint64_t hits, misses; /* of get; whoever waited for another thread's compile had a hit */
    uint32_t loaded;       /* kernels now loaded .. */
    uint32_t idle;         /* .. of these held by nobody */
} cache_memory_stats;

/* device, alloc, log and disk are borrowed for the cache's life. disk NULL: nothing stands behind. */
sn_status cache_memory_new(base_alloc *alloc, const base_log *log, const be_backend *backend, be_device *device,
                           cache_disk *disk, cache_memory **out, base_trap *err);
/* Unloads everything. All that was got must have been released; the device is still open. NULL is fine. */
void cache_memory_free(cache_memory *cache);

/* The loaded kernel of encoded kernel bytes, to be given back with cache_memory_release. The first getter's about
 * counts. *compiled is 1 if this call had the backend compile it, else 0. Any
 * thread. On failure *out is NULL, err has the sentence and nothing stays behind: the next get tries anew. */
sn_status cache_memory_get(cache_memory *cache, const void *kernel, size_t n, const cache_about *about,
                           const cache_kernel **out, int *compiled, base_trap *err);
void cache_memory_release(cache_memory *cache, const cache_kernel *kernel); /* NULL is fine */

cache_memory_stats cache_memory_get_stats(cache_memory *cache);

#endif
