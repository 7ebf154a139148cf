/* dynlib.h: libraries that are opened by name when they are first needed, and never linked. */
#ifndef JIT_GPU_DYNLIB_H
#define JIT_GPU_DYNLIB_H

#include "base/strbuf.h"
#include "base/trap.h"

/* Opens the first of these names (NULL at the end) that there is anywhere: in the folders of SINTER_CUDA_PATH where it
 * is set, else by the loader's own search, then in the toolkit's usual folders and in those of NVIDIA's Python wheels.
 * Returns the handle and the path in path, or NULL and SN_ERR_UNAVAILABLE with the names and folders tried. helper:
 * libraries that it will ask for by name and that lie next to it (a pattern with one *), or NULL. of_system: it comes
 * with the system and not with a toolkit, so the loader is asked even where SINTER_CUDA_PATH is set and has it not. */
void *gpu_dynlib_open(base_alloc *alloc, const char *what, const char *const *names, const char *helper, int of_system,
                      base_strbuf *path, base_trap *err);

/* The names of a toolkit's library ("libnvrtc.so"), the best first, for a driver of this CUDA version (13000: 13.0; 0:
 * not known): what a toolkit of a newer major makes, an older driver does not take, and a newer driver takes all. */
enum { GPU_OLDEST_MAJOR = 12, GPU_NEWEST_MAJOR = 13, GPU_NAMES = 16 };
typedef struct {
    char text[GPU_NAMES][32];
    const char *name[GPU_NAMES + 1];
} gpu_names;
void gpu_toolkit_names(const char *stem, int driver, gpu_names *out);

/* Functions of a library, by name. */
typedef struct {
    const char *name;
    void **at;
    int optional; /* NULL where the library has none */
} gpu_symbol;
/* Fills all of them, or says which one is missing. */
sn_status gpu_dynlib_symbols(void *library, const char *what, const gpu_symbol *symbols, size_t n, base_trap *err);

#endif
