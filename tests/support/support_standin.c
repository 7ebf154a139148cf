/* The exports of the stand-in's libcuda.so.1, found by name in the library that the backend opens. */
#define _GNU_SOURCE
#include "support/support_standin.h"

#include <check.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long no_count(const char *name) { return (void)name, 0; }
static void no_failure(const char *name, unsigned long n, int code) { (void)name, (void)n, (void)code; }
static void no_reset(void) {}
static void no_order(unsigned order) { (void)order; }
static void no_defer(int defer) { (void)defer; }
static uint64_t no_bytes(void) { return 0; }

int support_standin_open(support_standin *out) {
    *out = (support_standin){no_count, no_failure, no_reset, no_order, no_defer, no_bytes, no_bytes, no_bytes};
    const char *folder = getenv("SINTER_CUDA_PATH");
    char path[PATH_MAX];
    if (!folder || snprintf(path, sizeof path, "%s/libcuda.so.1", folder) >= (int)sizeof path) return 0;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library || !dlsym(library, "standin_reset")) return 0;
    const struct {
        const char *name;
        void *at; /* of a pointer to a function */
    } wanted[] = {{"standin_count", &out->count},         {"standin_fail_at", &out->fail_at},
                  {"standin_reset", &out->reset},         {"standin_order", &out->order},
                  {"standin_defer", &out->defer},         {"standin_bytes_in", &out->bytes_in},
                  {"standin_bytes_out", &out->bytes_out}, {"standin_allocated", &out->allocated}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *function = dlsym(library, wanted[i].name);
        ck_assert_msg(function != NULL, "the stand-in has no %s", wanted[i].name);
        memcpy(wanted[i].at, &function, sizeof function);
    }
    out->reset();
    return 1;
}

int support_standin_needed(support_standin *out, const char *test) {
    int found = support_standin_open(out);
    if (!found) printf("%s is skipped: it needs the stand-in device, and this one is real\n", test);
    return found;
}
