/* hash.h: 128-bit fingerprints of bytes (XXH3-128). */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct base_hash {
    uint64_t lo, hi;
} base_hash;

base_hash base_hash_bytes(const void *bytes, size_t n);
uint64_t base_hash64(const void *bytes, size_t n, uint64_t seed);
/* 32 lower-case hex digits and a NUL. */
void base_hash_text(base_hash hash, char out[33]);

#endif
