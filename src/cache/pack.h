/* pack.h: a bundle, the kernels of an application in one file that it ships and that is only ever read.
 *
 *     "snbundle", format version, number of entries    8 + 4 + 4
 *     checksum of the index, XXH3-128, low and high    2 x 8
 *     index: hash low and high, offset, size           n x 4 x 8, ascending by hash (high, then low)
 *     entries (disk_entry.h), each with a checksum of its own
 *
 * All little-endian. Of an open bundle only the index is in memory; the file is opened anew for each entry. */
#ifndef CACHE_PACK_H
#define CACHE_PACK_H

#include "base/trap.h"
#include "cache/disk_dir.h"

typedef struct cache_bundle cache_bundle;

/* SN_ERR_IO where the system refuses, or others may write the file (its entries are code); SN_ERR_PARSE where it is no
 * intact bundle. */
sn_status cache_bundle_open(base_alloc *alloc, const char *path, cache_bundle **out, base_trap *err);
void cache_bundle_free(cache_bundle *bundle); /* NULL is fine */
const char *cache_bundle_path(const cache_bundle *bundle);
uint32_t cache_bundle_count(const cache_bundle *bundle);
/* The bytes of an entry by its key's hash, n + 1 of alloc that are the caller's; not looked into. */
cache_read cache_bundle_read(const cache_bundle *bundle, base_hash hash, void **bytes, size_t *n,
                             char why[CACHE_WHY_MAX]);
/* The same by number, in the order of the index. */
cache_read cache_bundle_read_at(const cache_bundle *bundle, uint32_t i, void **bytes, size_t *n,
                                char why[CACHE_WHY_MAX]);

/* All intact entries of a folder (of the names that `wanted` accepts; NULL: all) into a new bundle, which replaces the
 * file of that name when it is complete. *count is their number. The same entries give the same bytes. */
sn_status cache_pack(base_alloc *alloc, const char *dir, int (*wanted)(void *arg, const char *name), void *arg,
                     const char *path, uint32_t *count, base_trap *err);
/* All entries of a bundle into a folder. *count is the number of those written or already there. */
sn_status cache_unpack(base_alloc *alloc, const char *path, const char *dir, uint32_t *count, base_trap *err);

#endif
