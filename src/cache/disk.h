/* disk.h: the level of the kernel cache that outlives the process: a bundle that the application ships, then a folder
 * of files or, instead of it, a store of the host's. It finds compiled kernels by key and keeps those that were
 * compiled.
 *
 * Whatever lies there is believed only after its sizes, checksum and whole key have been compared. An entry whose
 * content is wrong is deleted, and compiled again; what the system refuses to read is left alone. Where nothing can be
 * written kernels are compiled each time. How often entries are found is counted (hits.h). Any thread, no lock. */
#ifndef CACHE_DISK_H
#define CACHE_DISK_H

#include "base/log.h"
#include "base/trap.h"
#include "cache/disk_dir.h"
#include "cache/disk_entry.h"

typedef struct cache_disk cache_disk;

enum { CACHE_PATH_MAX = 4096 };

typedef struct cache_disk_options {
    sn_cache_mode mode;       /* decided: not SN_CACHE_DEFAULT */
    char dir[CACHE_PATH_MAX]; /* absolute; "": there is none, because of no_dir */
    const char *no_dir;
    uint64_t max_bytes;    /* of the folder; 0: no bound */
    const sn_store *store; /* instead of the folder; NULL: the folder */
    const char *bundle;    /* NULL: none */
    cache_link *link;      /* NULL: link(2) */
} cache_disk_options;

/* disk_where.c: what the context's options say, and where they are silent, the environment. */
sn_status cache_disk_choose(const sn_context_options *options, cache_disk_options *out, base_trap *err);

/* *out is NULL in mode off. Fails where a bundle is asked for and cannot be used. */
sn_status cache_disk_new(base_alloc *alloc, const base_log *log, const cache_disk_options *options, cache_disk **out,
                         base_trap *err);
void cache_disk_free(cache_disk *disk); /* NULL is fine */

sn_cache_mode cache_disk_mode(const cache_disk *disk);

typedef struct cache_found {
    cache_entry entry; /* views into bytes */
    void *bytes;       /* n + 1 of the cache's allocator */
    size_t n;
    const char *place; /* "bundle", "store", "disk" */
} cache_found;

/* 1 if the key is there, to be given back with cache_found_free; else 0 and why, a sentence without a full stop.
 * compiler: what compiled an entry must be equal to this; NULL: need not. explain: look for entries that are nearly
 * the same, to say in why which part of the key differs (reads the whole folder). */
int cache_disk_get(cache_disk *disk, const cache_key *key, const char *compiler, int explain, cache_found *out,
                   char why[CACHE_WHY_MAX]);
void cache_found_free(cache_disk *disk, cache_found *found);
/* An entry that was found turned out to be of no use: logs that and deletes it, if the mode lets us. */
void cache_disk_refuse(cache_disk *disk, const cache_key *key, const cache_found *found, const char *why);

/* Keeps a kernel that was compiled, if the mode lets us; a failure is logged and nothing more. */
void cache_disk_put(cache_disk *disk, const cache_key *key, const void *payload, size_t payload_bytes,
                    const char *compiler, double compile_ms, const cache_about *about);

/* "folder /home/x/.cache/sinter" and the like, for messages. */
void cache_disk_places(const cache_disk *disk, char *text, size_t size);

#endif
