/* Any bytes as an IDX file, with one to four dimensions: an array whose elements can all be read, or a sentence. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../samples/mnist/idx.h"

static void must(int holds) {
    if (!holds) abort();
}

static volatile unsigned sink;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    if (!n) return -1; /* fmemopen wants a byte */
    for (int32_t rank = 1; rank <= IDX_MAX_RANK; rank++) {
        FILE *file = fmemopen((void *)(uintptr_t)bytes, n, "rb");
        idx_array a;
        char why[IDX_WHY];
        must(file != NULL);
        if (idx_read(file, "input", rank, &a, why)) {
            int64_t total = 1;
            for (int32_t i = 0; i < rank; i++) total *= a.size[i];
            must(a.rank == rank && total >= 0 && total <= IDX_MAX_BYTES && !why[0]);
            for (int64_t i = 0; i < total; i++) sink += a.data[i];
            idx_free(&a);
        } else
            must(!a.data && !strncmp(why, "input ", 6));
        fclose(file);
    }
    return 0;
}
