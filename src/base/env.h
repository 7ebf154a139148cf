/* env.h: the only place that reads the environment. docs/env.md says what each variable is for; a test holds its list
 * against BASE_ENV_MAP. */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include <stddef.h>
#include <stdint.h>

/* name, is a path (read through secure_getenv), what its value may be: words with commas between, "#" for a whole
 * number, NULL for what its reader judges */
#define BASE_ENV_MAP(X)                                                                                                \
    X(SINTER_LOG, 0, "off,error,warn,info,debug")                                                                      \
    X(SINTER_DUMP, 0, "graph,opt,fuse,kernel,program,llvm,asm,cuda,ptx,all")                                           \
    X(SINTER_VERIFY, 0, "0,1")                                                                                         \
    X(SINTER_BACKEND, 0, NULL)                                                                                         \
    X(SINTER_THREADS, 0, "#")                                                                                          \
    X(SINTER_FUSE, 0, "0,1")                                                                                           \
    X(SINTER_LOADER, 0, NULL)                                                                                          \
    X(SINTER_CPU, 0, NULL)                                                                                             \
    X(SINTER_PERF, 0, "0,1")                                                                                           \
    X(SINTER_LLVM, 1, NULL)                                                                                            \
    X(SINTER_BLAS, 1, NULL)                                                                                            \
    X(SINTER_CUDA_PATH, 1, NULL)                                                                                       \
    X(SINTER_CACHE, 0, NULL)                                                                                           \
    X(SINTER_CACHE_DIR, 1, NULL)                                                                                       \
    X(SINTER_CACHE_MAX, 0, NULL)                                                                                       \
    X(XDG_CACHE_HOME, 1, NULL)                                                                                         \
    X(HOME, 1, NULL)                                                                                                   \
    X(VIRTUAL_ENV, 1, NULL)

typedef enum base_env_var {
#define BASE_ENV_ITEM(name, path, words) BASE_ENV_##name,
    BASE_ENV_MAP(BASE_ENV_ITEM)
#undef BASE_ENV_ITEM
        BASE_ENV_COUNT
} base_env_var;

/* The value, or NULL where unset or empty. */
const char *base_env(base_env_var var);
int64_t base_env_int(base_env_var var, int64_t fallback);
/* Is word in the comma-separated value (or "all")? */
int base_env_has(base_env_var var, const char *word);
/* Is the value none that the variable may have? Then text (of size bytes) gets the sentence; the value is ignored. */
int base_env_wrong(base_env_var var, char *text, size_t size);

#endif
