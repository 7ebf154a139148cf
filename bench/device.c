/* Memory, copies and waiting, through the driver that Sinter has opened. */
#define _GNU_SOURCE
#include "device_inside.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { ATTRIBUTE_PROCESSORS = 16, ATTRIBUTE_MAJOR = 75, ATTRIBUTE_MINOR = 76, NON_BLOCKING = 1 };
enum { COPY_THREADS = 256, COPY_TRIES = 5, VECTOR = 16 };

int device_good(device *d, int result, const char *what) {
    if (result) snprintf(d->error, sizeof d->error, "%s: error %d", what, result);
    return !result;
}

typedef struct {
    const char *part;
    char path[1024];
} search;

static int look_at(struct dl_phdr_info *info, size_t size, void *arg) {
    search *s = arg;
    (void)size;
    if (!info->dlpi_name || !strstr(info->dlpi_name, s->part)) return 0;
    snprintf(s->path, sizeof s->path, "%s", info->dlpi_name);
    return 1;
}

void *device_library(const char *part) {
    search s = {.part = part};
    return dl_iterate_phdr(look_at, &s) ? dlopen(s.path, RTLD_NOW | RTLD_NOLOAD) : NULL;
}

int device_symbol(device *d, void *library, const char *name, void *to) {
    void *at = dlsym(library, name);
    if (!at) snprintf(d->error, sizeof d->error, "there is no function %s", name);
    memcpy(to, &at, sizeof at);
    return at != NULL;
}

static int open_driver(device *d) {
    void *library = device_library("libcuda.so");
    if (!library) {
        snprintf(d->error, sizeof d->error, "no libcuda.so is open");
        return 0;
    }
#define FIND(name, arguments)                                                                                          \
    if (!device_symbol(d, library, #name, &d->name)) return 0;
    DEVICE_DRIVER(FIND)
#undef FIND
    int major = 0, minor = 0;
    if (!device_good(d, d->cuDeviceGet(&d->device, 0), "cuDeviceGet") ||
        !device_good(d, d->cuDevicePrimaryCtxRetain(&d->context, d->device), "cuDevicePrimaryCtxRetain"))
        return 0;
    if (!device_good(d, d->cuCtxPushCurrent_v2(d->context), "cuCtxPushCurrent") ||
        !device_good(d, d->cuStreamCreate(&d->stream, NON_BLOCKING), "cuStreamCreate") ||
        d->cuDeviceGetAttribute(&d->processors, ATTRIBUTE_PROCESSORS, d->device) ||
        d->cuDeviceGetAttribute(&major, ATTRIBUTE_MAJOR, d->device) ||
        d->cuDeviceGetAttribute(&minor, ATTRIBUTE_MINOR, d->device))
        return 0;
    d->arch = 10 * major + minor;
    return 1;
}

device *device_open(char *why, size_t n) {
    device *d = calloc(1, sizeof *d);
    if (d && open_driver(d)) return d;
    snprintf(why, n, "the GPU cannot be used beside Sinter: %s", d ? d->error : "no memory");
    device_close(d);
    return NULL;
}

void device_close(device *d) {
    void *was;
    if (!d) return;
    if (d->products) device_products_free(d);
    if (d->module) (void)d->cuModuleUnload(d->module);
    for (size_t i = 0; i < d->n_owned; i++) (void)d->cuMemFree_v2(d->owned[i]);
    if (d->stream) (void)d->cuStreamDestroy_v2(d->stream);
    if (d->context) {
        (void)d->cuCtxPopCurrent_v2(&was);
        (void)d->cuDevicePrimaryCtxRelease_v2(d->device);
    }
    free(d);
}

const char *device_error(const device *d) { return d->error; }

size_t device_free_bytes(device *d) {
    size_t left = 0, total = 0;
    return d->cuMemGetInfo_v2(&left, &total) ? 0 : left;
}

uint64_t device_alloc(device *d, size_t bytes) {
    char what[64];
    uint64_t at = 0;
    snprintf(what, sizeof what, "%zu bytes on the device", bytes);
    if (d->n_owned == DEVICE_MAX_OWNED || !device_good(d, d->cuMemAlloc_v2(&at, bytes), what)) return 0;
    return d->owned[d->n_owned++] = at;
}

int device_sync(device *d) { return device_good(d, d->cuStreamSynchronize(d->stream), "waiting for the device"); }

int device_upload(device *d, uint64_t to, const void *from, size_t bytes) {
    return device_good(d, d->cuMemcpyHtoDAsync_v2(to, from, bytes, d->stream), "a copy to the device") &&
           device_sync(d);
}

int device_download(device *d, void *to, uint64_t from, size_t bytes) {
    return device_good(d, d->cuMemcpyDtoHAsync_v2(to, from, bytes, d->stream), "a copy from the device") &&
           device_sync(d);
}

/* ---- the copy ---------------------------------------------------------------------------------------------------- */

static const char source[] =
    "struct __align__(16) vector {\n"
    "    unsigned x, y, z, w;\n"
    "};\n"
    "extern \"C\" __global__ void __launch_bounds__(256) plain_copy(const vector *from, vector *to, long long n) {\n"
    "    for (long long i = (long long)blockIdx.x * 256 + threadIdx.x; i < n; i += (long long)gridDim.x * 256)\n"
    "        to[i] = from[i];\n"
    "}\n";

/* The kernel, by the compiler that Sinter has opened; no failure: the driver's copy is there in any case. */
static void compile_kernel(device *d) {
    void *library = device_library("libnvrtc.so"), *program = NULL;
    int (*create)(void **, const char *, const char *, int, const char *const *, const char *const *);
    int (*compile)(void *, int, const char *const *);
    int (*cubin_size)(void *, size_t *), (*cubin)(void *, char *), (*destroy)(void **);
    char arch[48];
    const char *const options[] = {arch};
    size_t n = 0;
    if (!library || !device_symbol(d, library, "nvrtcCreateProgram", &create) ||
        !device_symbol(d, library, "nvrtcCompileProgram", &compile) ||
        !device_symbol(d, library, "nvrtcGetCUBINSize", &cubin_size) ||
        !device_symbol(d, library, "nvrtcGetCUBIN", &cubin) ||
        !device_symbol(d, library, "nvrtcDestroyProgram", &destroy))
        return;
    snprintf(arch, sizeof arch, "--gpu-architecture=sm_%d", d->arch);
    if (create(&program, source, "copy.cu", 0, NULL, NULL)) return;
    if (!compile(program, 1, options) && !cubin_size(program, &n) && n) {
        char *image = malloc(n);
        if (image && !cubin(program, image) && !d->cuModuleLoadData(&d->module, image))
            (void)d->cuModuleGetFunction(&d->kernel, d->module, "plain_copy");
        free(image);
    }
    destroy(&program);
}

static int copy_by_driver(device *d) {
    return device_good(d, d->cuMemcpyDtoDAsync_v2(d->to, d->from, d->copy_bytes, d->stream), "cuMemcpyDtoD");
}

static int copy_by_kernel(device *d) {
    long long n = (long long)(d->copy_bytes / VECTOR);
    void *parameters[] = {&d->from, &d->to, &n};
    long long blocks = (n + COPY_THREADS - 1) / COPY_THREADS, most = 32LL * d->processors;
    return device_good(d,
                       d->cuLaunchKernel(d->kernel, (unsigned)(blocks < most ? blocks : most), 1, 1, COPY_THREADS, 1, 1,
                                         0, d->stream, parameters, NULL),
                       "launching the copy");
}

/* The least time of some tries; negative on failure. */
static double time_of(device *d, int (*copy)(device *)) {
    double least = 1e30;
    for (int i = 0; i < COPY_TRIES; i++) {
        double start = bench_now();
        for (int k = 0; k < COPY_TRIES; k++)
            if (!copy(d)) return -1;
        if (!device_sync(d)) return -1;
        double t = bench_now() - start;
        if (t < least) least = t;
    }
    return least;
}

static int prepare_copy(device *d, size_t bytes) {
    d->copy_bytes = (bytes + VECTOR - 1) / VECTOR * VECTOR;
    if (!(d->from = device_alloc(d, d->copy_bytes)) || !(d->to = device_alloc(d, d->copy_bytes))) return 0;
    if (!device_good(d, d->cuMemsetD8Async(d->from, 1, d->copy_bytes, d->stream), "filling") || !device_sync(d))
        return 0;
    if (!d->kernel) compile_kernel(d);
    double driver = time_of(d, copy_by_driver), kernel = d->kernel ? time_of(d, copy_by_kernel) : 1e30;
    if (driver < 0 || kernel < 0) return 0;
    d->way = kernel < driver ? "a kernel" : "cuMemcpyDtoD";
    if (driver < kernel) d->kernel = NULL;
    return 1;
}

int device_copy(device *d, size_t bytes) {
    if (!d->way && !prepare_copy(d, bytes)) return 0;
    return d->kernel ? copy_by_kernel(d) : copy_by_driver(d);
}

const char *device_copy_way(const device *d) { return d->way ? d->way : "none yet"; }
