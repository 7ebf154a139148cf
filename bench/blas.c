/* Matrix products by OpenBLAS on a team: one call for each thread's range of rows or columns of the result. */
#define _GNU_SOURCE
#include "blas.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* An OpenBLAS older than the processor falls back to SSE3 kernels: the yardstick gets the best there are. Several
 * threads of the team call it at once, which the serial flavour does not bear: it is the one with threads, told to
 * start none. */
static void prefer_kernels(int on) {
    static int ours, threads;
    const char *core = __builtin_cpu_supports("avx512f") ? "SkylakeX" : "Haswell";
    if (on && !getenv("OPENBLAS_CORETYPE") && __builtin_cpu_supports("avx2"))
        ours = !setenv("OPENBLAS_CORETYPE", core, 1);
    if (on && !getenv("OPENBLAS_NUM_THREADS")) threads = !setenv("OPENBLAS_NUM_THREADS", "1", 1);
    if (!on && ours) unsetenv("OPENBLAS_CORETYPE");
    if (!on && threads) unsetenv("OPENBLAS_NUM_THREADS");
}

static blas_sgemm *open_first(void) {
    static const char *const names[] = {"/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0",
                                        "libopenblas.so.0", "libcblas.so.3", "libblas.so.3"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *so = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        void *p = so ? dlsym(so, "cblas_sgemm") : NULL;
        blas_sgemm *sgemm;
        memcpy(&sgemm, &p, sizeof p);
        if (p) return sgemm;
    }
    return NULL;
}

blas_sgemm *blas_open(void) {
    prefer_kernels(1);
    blas_sgemm *sgemm = open_first();
    prefer_kernels(0);
    return sgemm;
}

typedef struct {
    blas_sgemm *sgemm;
    int ta, tb, m, n, k;
    const float *a, *b;
    float *c;
} product;

static void range(int n, int part, int parts, int *from, int *to) {
    int blocks = (n + 15) / 16;
    *from = blocks * part / parts * 16;
    *to = blocks * (part + 1) / parts * 16;
    if (*to > n) *to = n;
}

static void body(void *arg, int part, int parts) {
    const product *p = arg;
    enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };
    int m0 = 0, m1 = p->m, n0 = 0, n1 = p->n;
    if (p->m >= p->n)
        range(p->m, part, parts, &m0, &m1);
    else
        range(p->n, part, parts, &n0, &n1);
    if (m0 >= m1 || n0 >= n1) return;
    int lda = p->ta ? p->m : p->k, ldb = p->tb ? p->k : p->n;
    p->sgemm(ROW_MAJOR, p->ta ? TRANS : NO_TRANS, p->tb ? TRANS : NO_TRANS, m1 - m0, n1 - n0, p->k, 1,
             p->a + (p->ta ? (ptrdiff_t)m0 : (ptrdiff_t)m0 * lda), lda,
             p->b + (p->tb ? (ptrdiff_t)n0 * ldb : (ptrdiff_t)n0), ldb, 0, p->c + (ptrdiff_t)m0 * p->n + n0, p->n);
}

void blas_product(team *t, blas_sgemm *sgemm, int ta, int tb, int m, int n, int k, const float *a, const float *b,
                  float *c) {
    product p = {sgemm, ta, tb, m, n, k, a, b, c};
    team_run(t, body, &p);
}
