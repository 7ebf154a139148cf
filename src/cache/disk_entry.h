/* disk_entry.h: the format of a cache entry, the same in a file, in a host's store and inside a bundle.
 *
 *     payload     what the backend compiled (an ELF object): first, so that objdump and the like open the file
 *     key         the kernel's bytes, then the target text with its NUL
 *     metadata    lines "name value", an empty line, the text of the graph
 *     footer      CACHE_FOOTER_BYTES, little-endian:
 *          0  payload bytes, kernel bytes, key bytes, metadata bytes    4 x 8
 *         32  hash of the key, low half and high half                   2 x 8
 *         48  family, format version                                    2 x 4
 *         56  checksum of everything before it, XXH3-128, low and high  2 x 8
 *         72  "snkernel"                                                8
 *
 * A reader looks at the end of the file, so an entry that was cut anywhere is no entry. */
#ifndef CACHE_DISK_ENTRY_H
#define CACHE_DISK_ENTRY_H

#include "cache/key.h"

enum { CACHE_FORMAT = 1, CACHE_FOOTER_BYTES = 80 };
enum { CACHE_ENTRY_MAX = 1 << 28 /* bytes; more is no kernel */ };

/* Views into an entry's bytes. */
typedef struct cache_entry {
    const char *payload, *key, *meta;
    size_t payload_bytes, kernel_bytes, key_bytes, meta_bytes;
    base_hash hash;
    uint32_t family;
} cache_entry;

/* NULL if bytes are an intact entry, else what is wrong with them. The bytes are untrusted. */
const char *cache_entry_open(cache_entry *entry, const void *bytes, size_t n);
/* Appends an entry; meta as above. */
void cache_entry_write(base_strbuf *out, const cache_key *key, const void *payload, size_t payload_bytes,
                       const base_strbuf *meta);
int cache_entry_has_key(const cache_entry *entry, const cache_key *key);

/* The value of a metadata line: its start, and its length in *n. NULL where there is none. */
const char *cache_entry_meta(const cache_entry *entry, const char *name, size_t *n);
/* The text of the graph, not NUL-terminated. */
const char *cache_entry_graph(const cache_entry *entry, size_t *n);

#endif
