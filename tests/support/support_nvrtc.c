/* NVRTC by its own functions, since ours ask for no warnings; and the backend that compiles only. */
#define _POSIX_C_SOURCE 200809L
#include "support/support_nvrtc.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "jit_gpu/cuda_emit.h"
#include "jit_gpu/dynlib.h"
#include "support/support_run.h"

typedef void *program;
static struct {
    int (*count)(int *);
    int (*archs)(int *);
    int (*create)(program *, const char *source, const char *name, int n, const char *const *, const char *const *);
    int (*compile)(program, int n, const char *const *options);
    int (*destroy)(program *);
    int (*log_size)(program, size_t *);
    int (*log)(program, char *);
    int (*cubin_size)(program, size_t *);
} real;

int support_nvrtc_archs[NVRTC_MAX_ARCHS], support_nvrtc_n_archs, support_nvrtc_again;

int support_nvrtc_open(void) {
    static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", NULL};
    const gpu_symbol symbols[] = {
        {"nvrtcGetNumSupportedArchs", (void **)&real.count, 0}, {"nvrtcGetSupportedArchs", (void **)&real.archs, 0},
        {"nvrtcCreateProgram", (void **)&real.create, 0},       {"nvrtcCompileProgram", (void **)&real.compile, 0},
        {"nvrtcDestroyProgram", (void **)&real.destroy, 0},     {"nvrtcGetProgramLogSize", (void **)&real.log_size, 0},
        {"nvrtcGetProgramLog", (void **)&real.log, 0},          {"nvrtcGetCUBINSize", (void **)&real.cubin_size, 0},
    };
    base_alloc alloc;
    base_strbuf path;
    base_trap err = {.armed = 0};
    unsetenv("SINTER_CUDA_PATH");
    base_alloc_init(&alloc, NULL);
    base_strbuf_init(&path, &alloc);
    void *library = gpu_dynlib_open(&alloc, "CUDA compiler", names, "libnvrtc-builtins.so.*", 0, &path, &err);
    base_strbuf_free(&path);
    if (!library) {
        printf("skipped: %s\n", err.text);
        return 0;
    }
    ck_assert_msg(!gpu_dynlib_symbols(library, "NVRTC", symbols, sizeof symbols / sizeof *symbols, &err), "%s",
                  err.text);
    ck_assert_int_eq(real.count(&support_nvrtc_n_archs), 0);
    ck_assert(support_nvrtc_n_archs > 0 && support_nvrtc_n_archs <= NVRTC_MAX_ARCHS);
    ck_assert_int_eq(real.archs(support_nvrtc_archs), 0);
    return 1;
}

void support_nvrtc_source(base_arena *arena, const kn_kernel *k, base_strbuf *out) {
    ce_kernel(arena, k, "kernel", NULL, out);
}

enum { OPTIONS = 8 };

typedef struct {
    int result;
    size_t log_bytes, cubin_bytes;
    double seconds;
    char log[4096];
} compilation;
static double slowest;

static double thread_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void compile_with(compilation *c, const char *source, const char *const *options, int n) {
    program p = NULL;
    *c = (compilation){0};
    double start = thread_seconds();
    ck_assert_int_eq(real.create(&p, source, "kernel.cu", 0, NULL, NULL), 0);
    c->result = real.compile(p, n, options);
    ck_assert_int_eq(real.log_size(p, &c->log_bytes), 0);
    if (c->log_bytes < sizeof c->log) ck_assert_int_eq(real.log(p, c->log), 0);
    if (!c->result) ck_assert_int_eq(real.cubin_size(p, &c->cubin_bytes), 0);
    real.destroy(&p);
    c->seconds = thread_seconds() - start;
    if (c->seconds > slowest) slowest = c->seconds;
}

int support_nvrtc_compile(const char *source, int arch, int clean, const char *what, char *text, size_t n) {
    char target[48];
    const char *const options[OPTIONS + 1] = {target,
                                              "--std=c++17",
                                              "--fmad=false",
                                              "--diag-suppress=39,177,179,550",
                                              "--no-cache",
                                              "-modify-stack-limit=false",
                                              "--ptxas-options=-warn-spills",
                                              "--ptxas-options=-warn-lmem-usage",
                                              GPU_NVRTC_FEWER};
    compilation c;
    snprintf(target, sizeof target, "--gpu-architecture=sm_%d", arch);
    compile_with(&c, source, options, OPTIONS);
    if (clean && !c.result && (c.log_bytes >= sizeof c.log || strstr(c.log, "spill"))) {
        support_nvrtc_again++;
        compile_with(&c, source, options, OPTIONS + 1);
    }
    int silent = c.log_bytes < sizeof c.log && !c.log[0];
    int slow = clean && c.seconds > SUPPORT_NVRTC_SECONDS;
    if (!c.result && c.cubin_bytes && !slow && (silent || !clean)) return 1;
    snprintf(text, n, "%.200s, sm_%d: NVRTC returns %d, %zu bytes of code after %.0f s: %s", what, arch, c.result,
             c.cubin_bytes, c.seconds, c.log_bytes < sizeof c.log ? c.log : "a long log");
    return 0;
}

/* ---- the backend ------------------------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    base_alloc alloc;
    base_hash *seen; /* of sources */
    size_t n_seen, room;
    unsigned long compiled;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void tell(void) {
    printf("%zu sources, %lu compiled with NVRTC (%d architectures), %d of them again for fewer threads, the slowest "
           "in %.1f s\n",
           all.n_seen, all.compiled, support_nvrtc_n_archs, support_nvrtc_again, slowest);
    free(all.seen);
}

static int is_new(const base_strbuf *source) {
    base_hash hash = base_hash_bytes(source->at, source->n);
    for (size_t i = 0; i < all.n_seen; i++)
        if (all.seen[i].lo == hash.lo && all.seen[i].hi == hash.hi) return 0;
    if (all.n_seen == all.room) {
        all.room = all.room ? 2 * all.room : 256;
        all.seen = realloc(all.seen, all.room * sizeof *all.seen);
        ck_assert_ptr_nonnull(all.seen);
    }
    all.seen[all.n_seen++] = hash;
    return 1;
}

static sn_status compile_new(const char *source, base_trap *err) {
    const char *stride = getenv("SN_STRIDE");
    size_t i = all.n_seen - 1, n = (size_t)support_nvrtc_n_archs,
           every = support_slow() ? 1
                   : stride       ? strtoul(stride, NULL, 10)
                                  : SUPPORT_NVRTC_STRIDE;
    char what[32], text[2048];
    snprintf(what, sizeof what, "source %zu", i);
    for (size_t a = 0; a < n; a++) {
        if ((i * n + a) % every) continue;
        all.compiled++;
        if (!support_nvrtc_compile(source, support_nvrtc_archs[a], 1, what, text, sizeof text)) {
            fprintf(stderr, "%s\n%s\n", source, text);
            return base_set_error(err, SN_ERR_COMPILE, "%s", text);
        }
    }
    return SN_OK;
}

typedef struct {
    base_arena arena;
    const void *bytes;
    size_t n;
    base_strbuf text;
} emission;

static void emit(void *arg) {
    emission *e = arg;
    support_nvrtc_source(&e->arena, kn_decode(&e->arena, e->bytes, e->n), &e->text);
}

static sn_status compile_kernel(be_device *dev, const void *kernel, size_t n, be_blob *out, base_trap *err) {
    emission e = {.bytes = kernel, .n = n};
    base_trap trap = {.armed = 0};
    pthread_mutex_lock(&all.lock);
    base_arena_init(&e.arena, &all.alloc, &trap);
    base_strbuf_init(&e.text, &all.alloc);
    sn_status status = base_protect(&trap, emit, &e);
    base_arena_free(&e.arena);
    if (status)
        base_set_error(err, status, "%s", trap.text);
    else if (is_new(&e.text))
        status = compile_new(e.text.at, err);
    base_strbuf_free(&e.text);
    pthread_mutex_unlock(&all.lock);
    return status ? status : be_null.compile(dev, kernel, n, out, err);
}

const be_backend *support_nvrtc_backend(void) {
    static be_backend backend;
    if (!backend.name) {
        if (!support_nvrtc_open()) exit(77); /* skipped */
        base_alloc_init(&all.alloc, NULL);
        atexit(tell);
        backend = be_null;
        backend.machine = KN_FOR_GPU;
        backend.compile = compile_kernel;
    }
    return &backend;
}
