/* interp.h: runs kernels scalar by scalar, exactly as ir/kernel.h says. Compiled code must give the same bits. */
#ifndef BACKEND_INTERP_H
#define BACKEND_INTERP_H

#include "ir/kernel.h"

/* Accesses outside of their memory: such a load gives 0, such a store is skipped. Zero it before use. */
typedef struct {
    int64_t n;
    char first[160]; /* a sentence about the first of them */
} interp_errors;

typedef struct interp_plan interp_plan;

/* Prepares an expanded (kn_expand), verified kernel, which must outlive the plan. Under the arena's trap. */
interp_plan *interp_plan_new(base_arena *arena, const kn_kernel *expanded);
/* Runs chunks [chunk0, chunk1) of a part. scratch as kn_code wants it. One thread at a time: the plan holds the values.
 */
void interp_plan_run(interp_plan *plan, const kn_launch *launch, uint32_t part, int64_t chunk0, int64_t chunk1,
                     void *scratch, interp_errors *errors);

/* Both at once, with memory of the C library's; for tests. Out of memory counts as an error. */
void interp_run(const kn_kernel *expanded, const kn_launch *launch, uint32_t part, int64_t chunk0, int64_t chunk1,
                void *scratch, interp_errors *errors);

/* ---- interp_prims.c ---------------------------------------------------------------------------------------------- */

/* A strided run of values, each in the low bits of 8 bytes and zero above. */
typedef struct {
    const uint64_t *at;
    size_t step;
} interp_lanes;

/* out[i] = prim(a[i], b[i], c[i]) for i < n; operands that prim does not take are not read. out may be an operand's
 * run. type: of the result, from: of the first operand. Not for KN_MATHS primitives. */
void interp_prim(kn_prim prim, sn_dtype type, sn_dtype from, size_t n, uint64_t *out, interp_lanes a, interp_lanes b,
                 interp_lanes c);
/* value[i], index[i] = the pair that wins by ARGMAX or ARGMIN: itself or x[i], ix[i]. type: of the values. */
void interp_pair(kn_prim prim, sn_dtype type, size_t n, uint64_t *value, uint64_t *index, interp_lanes x,
                 interp_lanes ix);

#endif
