/* env.h: the only place that reads the environment. docs/env.md is checked against BASE_ENV_MAP by a test. */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include <stdint.h>

/* name, is a path (read through secure_getenv), doc */
#define BASE_ENV_MAP(X)                                                                                                \
    X(SINTER_LOG, 0, "off, error, warn (default), info, debug: messages to the log")                                   \
    X(SINTER_DUMP, 0,                                                                                                  \
      "comma list of graph, opt, fuse, kernel, program, llvm, asm, cuda, ptx, or all: printed to the log at compile")  \
    X(SINTER_VERIFY, 0, "1: verify after every pass and every kernel (always on in debug builds)")                     \
    X(SINTER_BACKEND, 0, "cpu (default), gpu or interp, where the context option does not say")                        \
    X(SINTER_THREADS, 0, "number of threads, where the context option does not say")                                   \
    X(SINTER_FUSE, 0, "0: every node in a kernel of its own (for comparing)")                                          \
    X(SINTER_LOADER, 0, "own (default) or orc: who links compiled objects")                                            \
    X(SINTER_CPU, 0, "v3 or v4: generate for this x86-64 level instead of the best the machine has")                   \
    X(SINTER_PERF, 0, "1: write /tmp/perf-PID.map, so that perf names kernels")                                        \
    X(SINTER_LLVM, 1, "path of libsinter-llvm.so, where it does not lie beside libsinter.so")                          \
    X(SINTER_BLAS, 1, "path of the CBLAS library to open instead of OpenBLAS")                                         \
    X(SINTER_CUDA_PATH, 1, "folders, with colons between, of libcuda, NVRTC and cuBLAS, instead of the usual ones")    \
    X(SINTER_CACHE, 0, "off, ro, rw (default), strict or only: what is done with kernels kept on disk")                \
    X(SINTER_CACHE_DIR, 1, "folder of the kernels kept on disk")                                                       \
    X(SINTER_CACHE_MAX, 0, "bytes that they may take (256M; K, M and G are understood; 0: any number)")                \
    X(XDG_CACHE_HOME, 1, "its folder sinter is used where SINTER_CACHE_DIR is not set")                                \
    X(HOME, 1, "its folder .cache/sinter is used where neither is set")                                                \
    X(VIRTUAL_ENV, 1, "NVIDIA's Python wheels are looked for in it")

typedef enum base_env_var {
#define BASE_ENV_ITEM(name, path, doc) BASE_ENV_##name,
    BASE_ENV_MAP(BASE_ENV_ITEM)
#undef BASE_ENV_ITEM
        BASE_ENV_COUNT
} base_env_var;

/* The value, or NULL where unset or empty. */
const char *base_env(base_env_var var);
int64_t base_env_int(base_env_var var, int64_t fallback);
/* Is word in the comma-separated value (or "all")? */
int base_env_has(base_env_var var, const char *word);
const char *base_env_name(base_env_var var);

#endif
