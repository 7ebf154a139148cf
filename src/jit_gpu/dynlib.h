/* dynlib.h: libraries that are opened by name when they are first needed, and never linked. */
#ifndef JIT_GPU_DYNLIB_H
#define JIT_GPU_DYNLIB_H

#include "base/strbuf.h"
#include "base/trap.h"

/* Opens the first of these names (NULL at the end) that there is: in the folders of SINTER_CUDA_PATH where it is set,
 * else by the loader's own search, then in the toolkit's usual folders and in those of NVIDIA's Python wheels. Returns
 * the handle and the path in path, or NULL and SN_ERR_UNAVAILABLE with the names and folders tried. helper: a library
 * that has to be opened before it from the same folder (a pattern with one *), or NULL. */
void *gpu_dynlib_open(base_alloc *alloc, const char *what, const char *const *names, const char *helper,
                      base_strbuf *path, base_trap *err);

/* Functions of a library, by name. */
typedef struct {
    const char *name;
    void **at;
    int optional; /* NULL where the library has none */
} gpu_symbol;
/* Fills all of them, or says which one is missing. */
sn_status gpu_dynlib_symbols(void *library, const char *what, const gpu_symbol *symbols, size_t n, base_trap *err);

#endif
