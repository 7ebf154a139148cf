/* XXH3-128 from xxHash, header-only so that nothing is added to DT_NEEDED. */
#include "base/hash.h"

#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

base_hash base_hash_bytes(const void *bytes, size_t n) {
    XXH128_hash_t h = XXH3_128bits(bytes, n);
    return (base_hash){h.low64, h.high64};
}

uint64_t base_hash64(const void *bytes, size_t n, uint64_t seed) { return XXH3_64bits_withSeed(bytes, n, seed); }

void base_hash_text(base_hash hash, char out[33]) {
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)hash.hi, (unsigned long long)hash.lo);
}
