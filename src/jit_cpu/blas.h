/* blas.h: dense matrix products through a CBLAS library that is opened when the first one is needed. */
#ifndef JIT_CPU_BLAS_H
#define JIT_CPU_BLAS_H

#include "backend/backend.h"
#include "jit_cpu/cpuid.h"
#include "jit_cpu/pool.h"

typedef struct cpu_blas cpu_blas;

/* Opens nothing yet. log and pool are borrowed. level: what the library's kernels ought to use. */
sn_status cpu_blas_new(base_alloc *alloc, const base_log *log, cpu_pool *pool, cpu_level level, cpu_blas **out,
                       base_trap *err);
void cpu_blas_free(cpu_blas *blas); /* NULL is fine */

/* Opens the library, once: SINTER_BLAS, or else OpenBLAS with pthreads apart from any BLAS of the host's, or else the
 * usual names. SN_ERR_UNAVAILABLE names everything that was tried. Any thread. */
sn_status cpu_blas_open(cpu_blas *blas, base_trap *err);
/* Only after cpu_blas_open has succeeded. The result depends on shape and operands, not on the number of threads (with
 * a library that brings threads of its own it is up to that library). */
void cpu_blas_gemm(cpu_blas *blas, const be_gemm *gemm);

/* How a product is cut: into *count panels of rows (*by_rows 1) or columns (0) of the result; panel i has those of
 * [cpu_panel_start(extent, count, i), cpu_panel_start(extent, count, i + 1)). A function of the shape alone. */
void cpu_blas_panels(int64_t m, int64_t n, int64_t k, int *by_rows, int64_t *count);
int64_t cpu_panel_start(int64_t extent, int64_t count, int64_t i);

#endif
