/* blob.h: what a compiled kernel of the GPU is kept as: the cubin, first so that NVIDIA's tools open it, the PTX behind
 * it for reading, and an end that tells where they are. Where there is no cubin for the device, the PTX is what is
 * loaded. */
#ifndef JIT_GPU_BLOB_H
#define JIT_GPU_BLOB_H

#include "base/strbuf.h"

typedef struct {
    const void *cubin;
    size_t cubin_bytes;
    const char *ptx; /* ends in NUL, which is counted */
    size_t ptx_bytes;
} gpu_blob;

/* Puts the end behind cubin and PTX. */
void gpu_blob_end(base_strbuf *blob, size_t cubin_bytes, size_t ptx_bytes);
/* 1 if the bytes are whole. They are used in place and may be any. */
int gpu_blob_open(gpu_blob *out, const void *bytes, size_t n);

#endif
