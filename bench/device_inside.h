/* device_inside.h: what device.c and device_product.c share: NVIDIA's functions, declared here from their documentation
 * so that the build needs no header of theirs. */
#ifndef BENCH_DEVICE_INSIDE_H
#define BENCH_DEVICE_INSIDE_H

#include "device.h"

enum { DEVICE_MAX_OWNED = 64, DEVICE_WORKSPACE = 32 << 20 };

typedef struct device_products device_products;

/* name, arguments */
#define DEVICE_DRIVER(X)                                                                                               \
    X(cuDeviceGet, (int *device, int ordinal))                                                                         \
    X(cuDeviceGetAttribute, (int *value, int attribute, int device))                                                   \
    X(cuDevicePrimaryCtxRetain, (void **context, int device))                                                          \
    X(cuDevicePrimaryCtxRelease_v2, (int device))                                                                      \
    X(cuCtxPushCurrent_v2, (void *context))                                                                            \
    X(cuCtxPopCurrent_v2, (void **context))                                                                            \
    X(cuMemGetInfo_v2, (size_t * free, size_t * total))                                                                \
    X(cuMemAlloc_v2, (uint64_t * at, size_t bytes))                                                                    \
    X(cuMemFree_v2, (uint64_t at))                                                                                     \
    X(cuMemcpyHtoDAsync_v2, (uint64_t to, const void *from, size_t bytes, void *stream))                               \
    X(cuMemcpyDtoHAsync_v2, (void *to, uint64_t from, size_t bytes, void *stream))                                     \
    X(cuMemcpyDtoDAsync_v2, (uint64_t to, uint64_t from, size_t bytes, void *stream))                                  \
    X(cuMemsetD8Async, (uint64_t to, unsigned char value, size_t bytes, void *stream))                                 \
    X(cuStreamCreate, (void **stream, unsigned flags))                                                                 \
    X(cuStreamDestroy_v2, (void *stream))                                                                              \
    X(cuStreamSynchronize, (void *stream))                                                                             \
    X(cuModuleLoadData, (void **module, const void *image))                                                            \
    X(cuModuleUnload, (void *module))                                                                                  \
    X(cuModuleGetFunction, (void **function, void *module, const char *name))                                          \
    X(cuLaunchKernel, (void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,   \
                       unsigned shared, void *stream, void **parameters, void **extra))

struct device {
    char error[400];
    int device, processors, arch;
    void *context, *stream;
    uint64_t owned[DEVICE_MAX_OWNED];
    size_t n_owned;
    /* The copy. */
    size_t copy_bytes;
    uint64_t from, to;
    void *module, *kernel;
    const char *way;
    device_products *products;
#define DEVICE_MEMBER(name, arguments) int(*name) arguments;
    DEVICE_DRIVER(DEVICE_MEMBER)
#undef DEVICE_MEMBER
};

/* 1 where the result is 0, else 0 with "what: result". */
int device_good(device *d, int result, const char *what);
/* A library that this process has open whose path has this in it, or NULL. */
void *device_library(const char *part);
/* A function of a library; 0 with a sentence where it has none. */
int device_symbol(device *d, void *library, const char *name, void *to);
void device_products_free(device *d);

#endif
