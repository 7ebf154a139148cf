/* pack_format.h: the numbers that reader and writer of a bundle share. */
#ifndef CACHE_PACK_FORMAT_H
#define CACHE_PACK_FORMAT_H

#include <stdint.h>

enum { PACK_FORMAT = 1, PACK_HEADER_BYTES = 32, PACK_ITEM_BYTES = 32 };
static const char pack_magic[8] = {'s', 'n', 'b', 'u', 'n', 'd', 'l', 'e'};

static inline uint64_t pack_read_u(const unsigned char *at, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint64_t)at[i] << 8 * i;
    return v;
}

#endif
