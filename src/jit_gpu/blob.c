/* Cubin and PTX in one piece. */
#include "jit_gpu/blob.h"

#include <stdint.h>
#include <string.h>

typedef struct {
    uint64_t cubin_bytes, ptx_bytes;
    char magic[8];
} blob_end;
static const char magic[8] = {'S', 'N', 'C', 'U', 'D', 'A', '0', '1'};

void gpu_blob_end(base_strbuf *blob, size_t cubin_bytes, size_t ptx_bytes) {
    blob_end end = {cubin_bytes, ptx_bytes, {0}};
    memcpy(end.magic, magic, sizeof end.magic);
    base_strbuf_add(blob, &end, sizeof end);
}

int gpu_blob_open(gpu_blob *out, const void *bytes, size_t n) {
    blob_end end;
    if (n < sizeof end) return 0;
    n -= sizeof end;
    memcpy(&end, (const char *)bytes + n, sizeof end);
    if (memcmp(end.magic, magic, sizeof magic) || end.cubin_bytes > n || end.ptx_bytes != n - end.cubin_bytes) return 0;
    *out = (gpu_blob){bytes, (size_t)end.cubin_bytes, (const char *)bytes + end.cubin_bytes, (size_t)end.ptx_bytes};
    return end.ptx_bytes && !out->ptx[out->ptx_bytes - 1];
}
