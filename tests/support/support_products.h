/* What the stand-in for the GPU tells tests about calls and matrix products. Every function is static: a program of
 * tests includes this once. */
#ifndef SUPPORT_PRODUCTS_H
#define SUPPORT_PRODUCTS_H

#include <check.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    unsigned long (*count)(const char *name); /* standin.h has these .. */
    void (*fail_at)(const char *name, unsigned long n, int code);
    void (*reset)(void);
    uint64_t (*allocated)(void);
    long (*live)(void);            /* .. objects of cuBLASLt that are not destroyed .. */
    void (*refuse)(unsigned what); /* .. 1: no algorithm has an epilogue; 2: there are no algorithms */
} gpu;

static void gpu_symbol_of(const char *library, const char *symbol, void *to) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", getenv("SINTER_CUDA_PATH"), library);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL), *at = so ? dlsym(so, symbol) : NULL;
    ck_assert_msg(at != NULL, "%s", dlerror());
    memcpy(to, &at, sizeof at);
}

static void gpu_find(void) {
    gpu_symbol_of("libcuda.so.1", "standin_count", &gpu.count);
    gpu_symbol_of("libcuda.so.1", "standin_fail_at", &gpu.fail_at);
    gpu_symbol_of("libcuda.so.1", "standin_reset", &gpu.reset);
    gpu_symbol_of("libcuda.so.1", "standin_allocated", &gpu.allocated);
    gpu_symbol_of("libcublasLt.so.13", "standin_lt_live", &gpu.live);
    gpu_symbol_of("libcublasLt.so.13", "standin_lt_refuse", &gpu.refuse);
    gpu.reset();
    gpu.refuse(0);
}

/* A number between -1 and 1. */
static uint32_t noise_seed = 1;
static double noise(void) {
    noise_seed = noise_seed * 1664525u + 1013904223u;
    return (double)(noise_seed >> 8) / (1 << 23) - 1;
}

#endif
