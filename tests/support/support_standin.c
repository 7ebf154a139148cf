/* The exports of the stand-in's libraries, found by name in those that the backend opens. */
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
static void no_failures(const char *name, int code) { (void)name, (void)code; }
static const char *no_name(void) { return ""; }
static void no_memory(uint64_t bytes) { (void)bytes; }
static int none(void) { return 0; }
static void no_reset(void) {}
static void no_order(unsigned order) { (void)order; }
static void no_defer(int defer) { (void)defer; }
static uint64_t no_bytes(void) { return 0; }
static long no_live(void) { return 0; }
static long none_live(const char *kind) { return (void)kind, 0; }
static void no_refusal(unsigned what) { (void)what; }

static void *open_in(const char *folder, const char *name) {
    char path[PATH_MAX];
    if (!folder || snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return NULL;
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

int support_standin_open(support_standin *out) {
    *out = (support_standin){.count = no_count,
                             .fail_at = no_failure,
                             .fail_always = no_failures,
                             .failed = no_name,
                             .reset = no_reset,
                             .order = no_order,
                             .defer = no_defer,
                             .memory = no_memory,
                             .context_depth = none,
                             .retained = none,
                             .capture_mode = none,
                             .bytes_in = no_bytes,
                             .bytes_out = no_bytes,
                             .allocated = no_bytes,
                             .dynamic = no_bytes,
                             .pinned = no_bytes,
                             .live = none_live,
                             .leave = no_defer,
                             .lt_live = no_live,
                             .lt_refuse = no_refusal};
    const char *folder = getenv("SINTER_CUDA_PATH");
    void *cuda = open_in(folder, "libcuda.so.1"), *lt = NULL;
    if (!cuda || !dlsym(cuda, "standin_reset") || !(lt = open_in(folder, "libcublasLt.so.13"))) return 0;
    const struct {
        void *library;
        const char *name;
        void *at; /* of a pointer to a function */
    } wanted[] = {{cuda, "standin_count", &out->count},
                  {cuda, "standin_fail_at", &out->fail_at},
                  {cuda, "standin_reset", &out->reset},
                  {cuda, "standin_order", &out->order},
                  {cuda, "standin_defer", &out->defer},
                  {cuda, "standin_bytes_in", &out->bytes_in},
                  {cuda, "standin_bytes_out", &out->bytes_out},
                  {cuda, "standin_allocated", &out->allocated},
                  {cuda, "standin_capture_mode", &out->capture_mode},
                  {cuda, "standin_fail_always", &out->fail_always},
                  {cuda, "standin_failed", &out->failed},
                  {cuda, "standin_memory", &out->memory},
                  {cuda, "standin_context_depth", &out->context_depth},
                  {cuda, "standin_retained", &out->retained},
                  {cuda, "standin_dynamic", &out->dynamic},
                  {cuda, "standin_pinned", &out->pinned},
                  {cuda, "standin_live", &out->live},
                  {cuda, "standin_leave", &out->leave},
                  {lt, "standin_lt_live", &out->lt_live},
                  {lt, "standin_lt_refuse", &out->lt_refuse}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *function = dlsym(wanted[i].library, wanted[i].name);
        ck_assert_msg(function != NULL, "the stand-in has no %s", wanted[i].name);
        memcpy(wanted[i].at, &function, sizeof function);
    }
    out->reset();
    out->lt_refuse(0);
    return 1;
}

int support_standin_needed(support_standin *out, const char *test) {
    int found = support_standin_open(out);
    if (!found) printf("%s is skipped: it needs the stand-in device, and this one is real\n", test);
    return found;
}
