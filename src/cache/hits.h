/* hits.h: how often the entries of a folder were found, and what that saved: numbers for people.
 *
 * They lie in the folder's file ".hits", to which processes append lines
 *
 *     KEY HITS MISSES SAVED        16 hexadecimal digits, the first of the entry's name; three numbers, SAVED in us
 *
 * and nothing but "sinter cache" ever reads it, so it may lose lines: to a full disk, to a process that is killed or
 * never closes its context, to two that compact it at the same time. What is no such line is passed over. */
#ifndef CACHE_HITS_H
#define CACHE_HITS_H

#include "base/alloc.h"
#include "base/hash.h"

#define CACHE_HITS_NAME ".hits"
enum { CACHE_HITS_MAX_BYTES = 1 << 20, CACHE_HITS_AT_ONCE = 64 };

typedef struct cache_hit {
    uint64_t key; /* cache_hits_key; 0: entries that are gone, added up */
    uint64_t hits, misses, saved_us;
} cache_hit;

typedef struct cache_hits {
    base_alloc *alloc;
    cache_hit *at; /* ascending by key, each key once */
    size_t n, cap;
} cache_hits;

static inline uint64_t cache_hits_key(base_hash hash) { return hash.hi; }
uint64_t cache_hits_key_of(const char *name); /* of an entry; 0 for another file's */

/* Appends up to CACHE_HITS_AT_ONCE records with one write, and compacts a file that has become too long. */
void cache_hits_append(base_alloc *alloc, const char *dir, const cache_hit *records, size_t n);
/* All there is, to be given back; nothing where there is nothing that can be read. */
void cache_hits_read(base_alloc *alloc, const char *dir, cache_hits *out);
void cache_hits_free(cache_hits *hits);
/* The record of a key; all zero where there is none. */
cache_hit cache_hits_of(const cache_hits *hits, uint64_t key);
/* One line per entry that is there, one for all that are gone. */
void cache_hits_compact(base_alloc *alloc, const char *dir);

#endif
