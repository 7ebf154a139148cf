/* blas.h: the matrix products of yardsticks. */
#ifndef BENCH_BLAS_H
#define BENCH_BLAS_H

#include "team.h"

typedef void blas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                        const float *b, int ldb, float beta, float *c, int ldc);

/* OpenBLAS's serial flavour or what stands in for it; NULL where there is none. Where the process has that library open
 * already, it is the same instance. */
blas_sgemm *blas_open(void);
/* c [m, n] = a b on all threads of a team, cut along the longer of m and n. a [m, k], or with ta [k, m]; b alike. */
void blas_product(team *t, blas_sgemm *sgemm, int ta, int tb, int m, int n, int k, const float *a, const float *b,
                  float *c);

#endif
