/* disk_dir.h: the cache's folder and its files, one per entry, named after the key.
 *
 * Entries are code that will run here: the folder and each file must belong to this user or to root and be writable by
 * nobody else. Nothing is kept open or remembered between calls, so it does not matter whether the host forks, closes
 * all descriptors, or the folder comes, goes and changes meanwhile. Paths are absolute. */
#ifndef CACHE_DISK_DIR_H
#define CACHE_DISK_DIR_H

#include "base/alloc.h"
#include "cache/key.h"

enum { CACHE_NAME_MAX = 64 };

/* "HASH-FAMILY.k1" where 1 is the format's version. */
void cache_dir_name(base_hash hash, uint32_t family, char name[CACHE_NAME_MAX]);
/* 1 for such a name, of whatever version. */
int cache_dir_is_name(const char *name);

/* 1 if the folder may be used; else 0 and why: *missing is 1 where there simply is none. */
int cache_dir_check(const char *dir, int *missing, char why[CACHE_WHY_MAX]);

typedef enum {
    CACHE_READ,      /* *bytes, n + 1 from alloc, are the caller's */
    CACHE_NONE,      /* there is no such file */
    CACHE_UNREADABLE /* the system refused, or the file is not ours: see why */
} cache_read;

/* keep: the file is used, so note that (at most once a day) for the sweep. */
cache_read cache_dir_read(base_alloc *alloc, const char *dir, const char *name, int keep, void **bytes, size_t *n,
                          char why[CACHE_WHY_MAX]);

/* What stands in the place of link(2), for which NULL stands: a test's, or rename(2) to replace what is there. */
typedef int cache_link(const char *from, const char *to);

/* Puts a file into the folder, which is made where it is missing: whole or not at all, whoever else does the same or is
 * killed meanwhile. An entry that is there already stays. 0 on failure. */
int cache_dir_publish(const char *dir, const char *name, const void *bytes, size_t n, cache_link *link_to,
                      char why[CACHE_WHY_MAX]);
void cache_dir_remove(const char *dir, const char *name);

/* disk_sweep.c: deletes what killed writers left and, where the entries are more than max_bytes (0: no bound), those
 * longest unused until four fifths are left. The record of uses (hits.h) is summed up. */
typedef struct cache_swept {
    uint64_t entries, bytes; /* before */
    uint64_t removed, removed_bytes;
} cache_swept;
cache_swept cache_dir_sweep(base_alloc *alloc, const char *dir, uint64_t max_bytes);

#endif
