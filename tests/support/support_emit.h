/* support_emit.h: compiles a kernel with the LLVM plug-in for every level, runs it, and compares all that it wrote with
 * the kernel interpreter, bit for bit (any NaN equals any NaN): the code as ORC linked it when it compiled; and with
 * that, every bit equal, the same object linked by our loader, and both again from an entry of the cache. */
#ifndef SUPPORT_EMIT_H
#define SUPPORT_EMIT_H

#include "ir/kernel_build.h"
#include "jit_cpu/llvm_plugin.h"

enum { SUPPORT_MAX_DIMS = 16, SUPPORT_MAX_SCALARS = 8 };

/* What the memories hold at the start. */
typedef enum {
    SUPPORT_PLAIN,  /* small values, all different */
    SUPPORT_SPECIAL /* also infinities, NaN, zeros, subnormals, values that no integer type holds */
} support_fill;

typedef struct {
    int64_t dim[SUPPORT_MAX_DIMS];
    uint64_t scalar[SUPPORT_MAX_SCALARS];
    support_fill fill;
    int64_t index_below; /* > 0: i64 memories hold values in [0, index_below) */
} support_case;

/* A kernel under construction in memory of its own. */
typedef struct {
    base_alloc alloc;
    base_trap trap;
    base_arena arena;
    kn_build b;
} support_kernel;

void support_kernel_init(support_kernel *s);
void support_kernel_free(support_kernel *s);

/* Compiles the kernel and runs it on each case; fails the running test with `what` and the place of the first
 * difference. Also checks that the object has one symbol and no undefined one, and that nothing outside of the memories
 * is touched: each ends at a page that cannot be. */
void support_emit_check(support_kernel *s, const support_case *cases, size_t n_cases, const char *what);

/* The same for a kernel made elsewhere; s gives memory. */
void support_emit_check_kernel(support_kernel *s, const kn_kernel *k, const support_case *cases, size_t n_cases,
                               const char *what);

/* The plug-in's function, and the bytes of a finished kernel (base_strbuf_free). */
sinter_llvm_compile_fn *support_plugin(void);
base_strbuf support_kernel_bytes(support_kernel *s);

#endif
