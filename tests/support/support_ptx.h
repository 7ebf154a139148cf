/* support_ptx.h: PTX on the stand-in's driver, past the product: what it complains about. Everything is static: a
 * program of tests includes this once. */
#ifndef SUPPORT_PTX_H
#define SUPPORT_PTX_H

#include <check.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support_standin.h"

static support_standin gpu;
static struct {
    int (*init)(unsigned);
    int (*context_create)(void **, unsigned, int);
    int (*context_destroy)(void *);
    int (*load)(void **, const void *, unsigned, const int *, void **);
    int (*unload)(void *);
    int (*function)(void **, void *, const char *);
    int (*attribute)(void *, int, int);
    int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **,
                  void **);
    int (*alloc)(uint64_t *, size_t);
    int (*free)(uint64_t);
    const char *(*complaint)(void);
    uint64_t (*executed)(void);
} driver;
static void *ptx_context;

/* 0: the device is a real one. */
static int ptx_open(const char *test) {
    const struct {
        const char *name;
        void *at;
    } wanted[] = {{"cuInit", &driver.init},
                  {"cuCtxCreate_v2", &driver.context_create},
                  {"cuCtxDestroy_v2", &driver.context_destroy},
                  {"cuModuleLoadDataEx", &driver.load},
                  {"cuModuleUnload", &driver.unload},
                  {"cuModuleGetFunction", &driver.function},
                  {"cuFuncSetAttribute", &driver.attribute},
                  {"cuLaunchKernel", &driver.launch},
                  {"cuMemAlloc_v2", &driver.alloc},
                  {"cuMemFree_v2", &driver.free},
                  {"standin_complaint", &driver.complaint},
                  {"ptx_executed", &driver.executed}};
    char path[PATH_MAX];
    if (!support_standin_needed(&gpu, test)) return 0;
    snprintf(path, sizeof path, "%s/libcuda.so.1", getenv("SINTER_CUDA_PATH"));
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_ptr_nonnull(library);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *function = dlsym(library, wanted[i].name);
        ck_assert_msg(function != NULL, "the stand-in has no %s", wanted[i].name);
        memcpy(wanted[i].at, &function, sizeof function);
    }
    ck_assert_int_eq(driver.init(0), 0);
    ck_assert_int_eq(driver.context_create(&ptx_context, 0, 0), 0);
    return 1;
}

static void ptx_close(void) { ck_assert_int_eq(driver.context_destroy(ptx_context), 0); }

/* What is before and behind a body: parameters p0 (an address) and p1 (a number), registers, 64 bytes of shared memory
 * and 32 of local. */
static const char ptx_head[] = ".version 9.0\n.target sm_90\n.address_size 64\n"
                               ".extern .shared .align 16 .b8 dynamic[];\n"
                               ".visible .entry k(.param .u64 .ptr .align 1 p0, .param .u32 p1)\n.maxntid 64, 1, 1\n{\n"
                               ".reg .pred %p<8>; .reg .b16 %rs<16>; .reg .b32 %r<16>; .reg .f32 %f<8>;\n"
                               ".reg .b64 %rd<16>; .reg .f64 %fd<8>;\n"
                               ".shared .align 16 .b8 fixed[64];\n.local .align 16 .b8 own[32];\n"
                               "ld.param.u64 %rd1, [p0];\nld.param.u32 %r1, [p1];\nmov.u32 %r2, %tid.x;\n"
                               "mov.u32 %r3, %ctaid.x;\nmul.wide.u32 %rd2, %r2, 4;\nadd.s64 %rd3, %rd1, %rd2;\n"
                               "mov.u64 %rd4, fixed;\nadd.s64 %rd5, %rd4, %rd2;\nsetp.eq.s32 %p1, %r2, 0;\n";
enum { PTX_HEAD_LINES = 20 };

/* Runs a body and returns what is complained about, "" for nothing. Blocks of threads, bytes of dynamic shared memory
 * and of the allocation that p0 names; p1 is 5. data: what is in it before and behind, NULL: zeros. */
__attribute__((unused)) static const char *ptx_try(const char *body, unsigned blocks, unsigned threads,
                                                   unsigned dynamic, void *data, size_t bytes) {
    static char text[1 << 16];
    static const char *complaint;
    void *module, *function;
    uint64_t at;
    uint32_t five = 5;
    snprintf(text, sizeof text, "%s%s\nret;\n}\n", ptx_head, body);
    ck_assert_int_eq(driver.alloc(&at, bytes), 0);
    void *there = (void *)(uintptr_t)at; /* the device's memory is the host's */
    if (data)
        memcpy(there, data, bytes);
    else
        memset(there, 0, bytes);
    int code = driver.load(&module, text, 0, NULL, NULL);
    complaint = driver.complaint();
    if (!code) {
        ck_assert_int_eq(driver.function(&function, module, "k"), 0);
        code = driver.launch(function, blocks, 1, 1, threads, 1, 1, dynamic, (void *)1, (void *[]){&at, &five}, NULL);
        gpu.reset(); /* the error stays otherwise */
        ck_assert_int_eq(driver.unload(module), 0);
    }
    if (!code) complaint = "";
    if (data) memcpy(data, there, bytes);
    ck_assert_int_eq(driver.free(at), 0);
    return complaint;
}

#endif
