/* Opening a CBLAS library and running products on it in panels.
 *
 * OpenBLAS is opened by path with RTLD_LOCAL | RTLD_DEEPBIND: an instance of our own, whose symbols and thread setting
 * have nothing to do with a BLAS that the host uses. Threads come from our pool: a product is cut into panels by its
 * shape alone and each panel is one call that stays on its thread, so the bits do not depend on who ran which panel.
 *
 * The flavour with pthreads is wanted, told to start none. The serial flavour, as Debian builds it, takes its packing
 * buffers off a table without a lock: two threads that are in it at once may get the same one, and one or two percent
 * of small products come out wrong. It is called by one thread at a time.
 *
 * An OpenBLAS older than the processor does not recognise it and falls back to SSE3 kernels (Prescott), five times
 * slower than what the processor can do. The library's documented way out is the variable OPENBLAS_CORETYPE, read when
 * it is opened, as is OPENBLAS_NUM_THREADS; open_with gives both to our instance alone. */
#define _GNU_SOURCE
#include "jit_cpu/blas.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/env.h"
#include "base/futex.h"

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };
typedef void sgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                      const float *b, int ldb, float beta, float *c, int ldc);
typedef void dgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k, double alpha, const double *a, int lda,
                      const double *b, int ldb, double beta, double *c, int ldc);

typedef struct environment {
    struct environment *next;
    size_t bytes;
    char *at[];
} environment;

struct cpu_blas {
    base_alloc *alloc;
    const base_log *log;
    cpu_pool *pool;
    cpu_level level;
    _Atomic int is_open;
    int has_threads;   /* the library's own: panels then run one after the other */
    int one_at_a_time; /* no two threads may be in it at once */
    sgemm_fn *sgemm;
    dgemm_fn *dgemm;
    environment *environments; /* owned: see open_with */
};

/* ---- one thread of the process at a time ------------------------------------------------------------------------- */

/* The environment and an opened library are the process's, whatever context uses them, and so are these words: the id
 * of the process whose thread opens a library, or is in one that takes one at a time; else 0. In a forked child nobody
 * is inside, whatever a word says. */
static _Atomic uint32_t opening, inside;

static void enter(_Atomic uint32_t *word) {
    uint32_t me = (uint32_t)getpid(), found = 0;
    while (!atomic_compare_exchange_weak_explicit(word, &found, me, memory_order_acquire, memory_order_relaxed)) {
        if (found != me) continue; /* free by now, or left so by fork: next time with what was found */
        base_futex_wait(word, me);
        found = 0;
    }
}

static void leave(_Atomic uint32_t *word) {
    atomic_store_explicit(word, 0, memory_order_release);
    base_futex_wake(word, 1);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* Where Debian and Fedora have the flavour with pthreads, then any. */
static const char *const usual_names[] = {"/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0",
                                          "libopenblasp.so.0",
                                          "/usr/lib/x86_64-linux-gnu/openblas-serial/libopenblas.so.0",
                                          "libopenblas.so.0",
                                          "libcblas.so.3",
                                          "libblas.so.3"};

/* dlsym into a function pointer without a cast between the two kinds of pointers. */
static int symbol(void *so, const char *name, void *function) {
    void *p = dlsym(so, name);
    memcpy(function, &p, sizeof p);
    return p != NULL;
}

/* Sanitizers end the process at a dlopen with RTLD_DEEPBIND. Asked at run time: the host may have one, we not. */
static int open_flags(void) {
    int sanitized =
        dlsym(RTLD_DEFAULT, "__asan_init") || dlsym(RTLD_DEFAULT, "__tsan_init") || dlsym(RTLD_DEFAULT, "__msan_init");
    return RTLD_NOW | RTLD_LOCAL | (sanitized ? 0 : RTLD_DEEPBIND);
}

static const char *core_of(void *so) {
    char *(*corename)(void);
    return symbol(so, "openblas_get_corename", &corename) ? corename() : "";
}

/* Names of kernel sets that use AVX2 and FMA. */
static int is_modern_core(const char *core) {
    static const char *const modern[] = {"Haswell", "Zen", "SkylakeX", "Cooperlake", "SapphireRapids", "Excavator"};
    for (size_t i = 0; i < sizeof modern / sizeof *modern; i++)
        if (!strcasecmp(core, modern[i])) return 1;
    return 0;
}

static int has_core_setting(void) {
    for (char **at = environ; at && *at; at++)
        if (!strncmp(*at, "OPENBLAS_CORETYPE=", 18)) return 1;
    return 0;
}

/* What the process has as its environment while a library is opened: settings in front of what there was (of two
 * settings of one variable the first counts). NULL when out of memory. */
static environment *environment_of(cpu_blas *blas, char *const setting[2], char *const *old) {
    size_t n = 0, given = 0;
    while (old && old[n]) n++;
    while (given < 2 && setting[given]) given++;
    size_t bytes = sizeof(environment) + (given + n + 1) * sizeof *old;
    for (environment *e = blas->environments; e; e = e->next)
        if (e->bytes == bytes && !memcmp(e->at, setting, given * sizeof *old) &&
            (!n || !memcmp(e->at + given, old, n * sizeof *old)))
            return e;
    environment *e = base_malloc(blas->alloc, bytes);
    if (!e) return NULL;
    *e = (environment){.next = blas->environments, .bytes = bytes};
    memcpy(e->at, setting, given * sizeof *old);
    if (n) memcpy(e->at + given, old, n * sizeof *old);
    e->at[given + n] = NULL;
    return blas->environments = e;
}

/* Opens path with OPENBLAS_NUM_THREADS=1 and, unless NULL, one more setting. putenv would change the host's environment
 * for good and is not thread-safe; instead `environ` points to a longer copy of itself meanwhile. Threads that read the
 * environment see the same strings either way; if one replaces it at the same time, its change is left standing. A
 * reader may still be walking the copy, so it lives as long as the context. */
static void *open_with(cpu_blas *blas, const char *path, char *setting) {
    static char one_thread[] = "OPENBLAS_NUM_THREADS=1";
    char **old = environ, **now = old;
    environment *e = environment_of(blas, (char *[]){one_thread, setting}, old);
    int changed = e && __atomic_compare_exchange_n(&environ, &now, e->at, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    void *so = dlopen(path, open_flags());
    now = e ? e->at : NULL;
    if (changed) __atomic_compare_exchange_n(&environ, &now, old, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    return so;
}

/* Opens a library; where it is OpenBLAS, nobody else in the process uses that instance, it does not know the processor
 * and the host has not set its kernels, opens it again and tells it. */
static void *open_library(cpu_blas *blas, const char *path) {
    static char v3[] = "OPENBLAS_CORETYPE=Haswell", v4[] = "OPENBLAS_CORETYPE=SkylakeX";
    void *others = dlopen(path, open_flags() | RTLD_NOLOAD);
    void *so = open_with(blas, path, NULL);
    if (others) dlclose(others);
    if (!so || others || blas->level < CPU_V3 || !*core_of(so) || is_modern_core(core_of(so)) || has_core_setting())
        return so;
    dlclose(so);
    return open_with(blas, path, blas->level == CPU_V4 ? v4 : v3);
}

/* A library with 64-bit integers or another calling convention fails this. */
static int multiplies(const cpu_blas *blas) {
    const float a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {1, 0, 0, 1, 1, 1};
    const double ad[6] = {1, 2, 3, 4, 5, 6}, bd[6] = {1, 0, 0, 1, 1, 1};
    float c[4] = {-1, -1, -1, -1};
    double cd[4] = {-1, -1, -1, -1};
    if (blas->one_at_a_time) enter(&inside);
    blas->sgemm(ROW_MAJOR, NO_TRANS, NO_TRANS, 2, 2, 3, 1, a, 3, b, 2, 0, c, 2);
    blas->dgemm(ROW_MAJOR, NO_TRANS, NO_TRANS, 2, 2, 3, 1, ad, 3, bd, 2, 0, cd, 2);
    if (blas->one_at_a_time) leave(&inside);
    return c[0] == 4 && c[1] == 5 && c[2] == 10 && c[3] == 11 && cd[0] == 4 && cd[1] == 5 && cd[2] == 10 && cd[3] == 11;
}

/* 1 if path is a usable library; else adds the reason to text. */
static int try_library(cpu_blas *blas, const char *path, char *text, size_t size) {
    size_t n = strlen(text);
    void *so = open_library(blas, path);
    if (!so) {
        const char *why = dlerror();
        const char *start = why && !strncmp(why, path, strlen(path)) ? why + strlen(path) : NULL;
        snprintf(text + n, size - n, "%s%s%s", n ? "; " : "", start ? path : "", start ? start : why ? why : path);
        return 0;
    }
    int (*parallel)(void), (*threads)(void);
    int is_openblas =
        symbol(so, "openblas_get_parallel", &parallel) && symbol(so, "openblas_get_num_threads", &threads);
    blas->has_threads = is_openblas && threads() > 1;
    blas->one_at_a_time = is_openblas && !parallel();
    if (!symbol(so, "cblas_sgemm", &blas->sgemm) || !symbol(so, "cblas_dgemm", &blas->dgemm) || !multiplies(blas)) {
        snprintf(text + n, size - n, "%s%s: has no cblas_sgemm and cblas_dgemm with 32-bit sizes", n ? "; " : "", path);
        dlclose(so);
        return 0;
    }
    base_logf(blas->log, SN_LOG_INFO, "matrix products: %s %s%s", path, core_of(so),
              blas->has_threads     ? " (with threads of its own)"
              : blas->one_at_a_time ? " (the serial flavour: one thread at a time)"
                                    : "");
    if (*core_of(so) && !is_modern_core(core_of(so)))
        base_logf(blas->log, SN_LOG_WARN, "%s runs its slow %s kernels on this processor: see OPENBLAS_CORETYPE", path,
                  core_of(so));
    return 1; /* stays open for good: libraries with threads do not survive being closed */
}

sn_status cpu_blas_open(cpu_blas *blas, base_trap *err) {
    if (atomic_load_explicit(&blas->is_open, memory_order_acquire)) return SN_OK;
    char tried[768] = "";
    const char *chosen = base_env(BASE_ENV_SINTER_BLAS);
    enter(&opening);
    int found = atomic_load_explicit(&blas->is_open, memory_order_relaxed);
    if (chosen && !found) found = try_library(blas, chosen, tried, sizeof tried);
    for (size_t i = 0; !chosen && !found && i < sizeof usual_names / sizeof *usual_names; i++)
        found = try_library(blas, usual_names[i], tried, sizeof tried);
    atomic_store_explicit(&blas->is_open, found, memory_order_release);
    leave(&opening);
    if (found) return SN_OK;
    return base_set_error(err, SN_ERR_UNAVAILABLE,
                          "matrix products need a CBLAS library (Debian: libopenblas0-pthread; "
                          "SINTER_BLAS sets a path); tried %s",
                          tried);
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* Every panel packs the whole other operand anew, which costs some 10 % of the time of a panel of 96 rows or columns.
 * So narrow panels have to be long work. Wide ones need no more than a second thread is worth, also where there is
 * none: OpenBLAS multiplies up to a million numbers without packing, 2000 x 32 by 32 x 16 in two panels in 0.6 of the
 * time. Panels of 250 rows of 128 x 128 lose 2 %. Powers of two, as numbers of cores mostly are. */
enum { NARROW = 96, NARROW_FLOPS = 16000000, WIDE = 240, WIDE_FLOPS = 1000000, MAX_PANELS = 64, PANEL_UNIT = 16 };

void cpu_blas_panels(int64_t m, int64_t n, int64_t k, int *by_rows, int64_t *count) {
    *by_rows = m > n;
    int64_t extent = *by_rows ? m : n;
    double flops = 2.0 * (double)m * (double)n * (double)k;
    for (*count = 1; *count < MAX_PANELS; *count *= 2) {
        int64_t width = extent / (*count * 2);
        double each = flops / (double)(*count * 2);
        if (!(width >= NARROW && each >= NARROW_FLOPS) && !(width >= WIDE && each >= WIDE_FLOPS)) break;
    }
}

/* Roughly what one thread takes: enough to know who should take part. */
enum { FLOPS_PER_NS = 64 };
static double estimate_ns(const be_gemm *g, int64_t batch) {
    double size = g->dtype == SN_F32 ? 1 : 2;
    return 2 * size * (double)batch * (double)g->m * (double)g->n * (double)g->k / FLOPS_PER_NS;
}

int64_t cpu_panel_start(int64_t extent, int64_t count, int64_t i) {
    int64_t units = (extent + PANEL_UNIT - 1) / PANEL_UNIT, at = units * i / count * PANEL_UNIT;
    return at < extent ? at : extent;
}

typedef struct {
    cpu_blas *blas;
    const be_gemm *g;
    int by_rows;
    int64_t count; /* panels of each product of the batch */
} panels;

static const char *at(const void *base, int64_t element, size_t size) {
    return (const char *)base + (size_t)element * size;
}

/* Product number i of the batch. */
static be_gemm product_of(const be_gemm *all, int64_t i) {
    be_gemm g = *all;
    size_t size = sn_dtype_size(g.dtype);
    g.a = at(g.a, i * g.m * g.k, size);
    g.b = at(g.b, i * g.k * g.n, size);
    g.c = (char *)g.c + (size_t)(i * g.m * g.n) * size;
    return g;
}

static void run_panel(void *arg, int64_t i) {
    const panels *p = arg;
    const be_gemm one = product_of(p->g, i / p->count), *g = &one;
    i %= p->count;
    int64_t first = cpu_panel_start(p->by_rows ? g->m : g->n, p->count, i);
    int64_t end = cpu_panel_start(p->by_rows ? g->m : g->n, p->count, i + 1);
    if (first == end) return;
    size_t size = sn_dtype_size(g->dtype);
    int64_t row = p->by_rows ? first : 0, column = p->by_rows ? 0 : first;
    int m = (int)(p->by_rows ? end - first : g->m), n = (int)(p->by_rows ? g->n : end - first), k = (int)g->k;
    int lda = (int)(g->trans_a ? g->m : g->k), ldb = (int)(g->trans_b ? g->k : g->n), ldc = (int)g->n;
    const void *a = at(g->a, g->trans_a ? row : row * g->k, size);
    const void *b = at(g->b, g->trans_b ? column * g->k : column, size);
    void *c = (char *)g->c + (size_t)(row * g->n + column) * size;
    int trans_a = g->trans_a ? TRANS : NO_TRANS, trans_b = g->trans_b ? TRANS : NO_TRANS;
    if (p->blas->one_at_a_time) enter(&inside);
    uint32_t fp = cpu_fp_enter();
    if (g->dtype == SN_F32)
        p->blas->sgemm(ROW_MAJOR, trans_a, trans_b, m, n, k, 1, a, lda, b, ldb, 0, c, ldc);
    else
        p->blas->dgemm(ROW_MAJOR, trans_a, trans_b, m, n, k, 1, a, lda, b, ldb, 0, c, ldc);
    cpu_fp_leave(fp);
    if (p->blas->one_at_a_time) leave(&inside);
}

/* Extents beyond the library's 32-bit sizes: rows of the result, one element at a time. Slow, but right. */
static void run_long_row(void *arg, int64_t i) {
    const be_gemm *all = ((const panels *)arg)->g, one = product_of(all, i / all->m), *g = &one;
    i %= all->m;
    uint32_t fp = cpu_fp_enter();
    for (int64_t j = 0; j < g->n; j++) {
        double sum = 0;
        float sum32 = 0;
        for (int64_t l = 0; l < g->k; l++) {
            int64_t ia = g->trans_a ? l * g->m + i : i * g->k + l, ib = g->trans_b ? j * g->k + l : l * g->n + j;
            if (g->dtype == SN_F32)
                sum32 += ((const float *)g->a)[ia] * ((const float *)g->b)[ib];
            else
                sum += ((const double *)g->a)[ia] * ((const double *)g->b)[ib];
        }
        if (g->dtype == SN_F32)
            ((float *)g->c)[i * g->n + j] = sum32;
        else
            ((double *)g->c)[i * g->n + j] = sum;
    }
    cpu_fp_leave(fp);
}

void cpu_blas_gemm(cpu_blas *blas, const be_gemm *g) {
    assert(g->dtype == SN_F32 || g->dtype == SN_F64);
    if (g->m <= 0 || g->n <= 0) return;
    int64_t batch = g->batch > 1 ? g->batch : 1;
    if (g->k <= 0) {
        memset(g->c, 0, (size_t)batch * (size_t)g->m * (size_t)g->n * sn_dtype_size(g->dtype));
        return;
    }
    panels p = {.blas = blas, .g = g};
    if (g->m > INT32_MAX || g->n > INT32_MAX || g->k > INT32_MAX) {
        cpu_pool_for(blas->pool, CPU_ALL, batch * g->m, run_long_row, &p);
        return;
    }
    cpu_blas_panels(g->m, g->n, g->k, &p.by_rows, &p.count);
    if (batch * p.count > 1 && !blas->has_threads && !blas->one_at_a_time) {
        cpu_pool_for(blas->pool, cpu_pool_crew(blas->pool, estimate_ns(g, batch)), batch * p.count, run_panel, &p);
        return;
    }
    for (int64_t i = 0; i < batch * p.count; i++) run_panel(&p, i);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

sn_status cpu_blas_new(base_alloc *alloc, const base_log *log, cpu_pool *pool, cpu_level level, cpu_blas **out,
                       base_trap *err) {
    cpu_blas *blas = *out = base_calloc(alloc, sizeof *blas);
    if (!blas) return base_set_error(err, SN_ERR_NOMEM, "out of memory: matrix products");
    blas->alloc = alloc;
    blas->log = log;
    blas->pool = pool;
    blas->level = level;
    return SN_OK;
}

void cpu_blas_free(cpu_blas *blas) {
    if (!blas) return;
    while (blas->environments) {
        environment *next = blas->environments->next;
        base_free(blas->alloc, blas->environments, blas->environments->bytes);
        blas->environments = next;
    }
    base_free(blas->alloc, blas, sizeof *blas);
}
