/* kernels.h: kernels built by hand, and memory to run kernels with. */
#ifndef SUPPORT_KERNELS_H
#define SUPPORT_KERNELS_H

#include "ir/kernel.h"
#include "ir/kernel_build.h"

/* ---- memory for a test's kernels: an arena whose failures end the test ------------------------------------------- */

typedef struct {
    base_alloc alloc;
    base_trap trap;
    base_arena arena;
} kernels_room;

void kernels_room_init(kernels_room *room);
void kernels_room_free(kernels_room *room); /* fails the test if anything else still lives in its allocator */
/* make(arena, arg) under the room's trap; a failure fails the test with its sentence. */
kn_kernel *kernels_make(kernels_room *room, kn_kernel *(*make)(base_arena *arena, const void *arg), const void *arg);
/* kn_expand under the room's trap. */
kn_kernel *kernels_expand(kernels_room *room, const kn_kernel *k);

/* ---- hand-built kernels: make functions for kernels_make, arg is a kernels_schedule ------------------------------ */

typedef struct {
    uint32_t tile, grain, max_chunks;
    uint32_t width, ilp; /* of loop lanes; width 0: no lanes; point lanes where a kernel has no loops */
    int64_t size;        /* a constant extent where the kernel wants one */
} kernels_schedule;

/* memories, dims and scalars in this order */
kn_kernel *kernels_softmax(base_arena *, const void *);       /* x E y; N C */
kn_kernel *kernels_softmax_short(base_arena *, const void *); /* x y; N; size columns unrolled, points as lanes */
kn_kernel *kernels_row_sum(base_arena *, const void *);       /* x y; N C */
kn_kernel *kernels_row_sum_short(base_arena *, const void *); /* x y; N; size columns unrolled */
kn_kernel *kernels_column_sum(base_arena *, const void *);    /* x p; N C; partials of each chunk */
kn_kernel *kernels_fold_partials(base_arena *, const void *); /* p y; chunks C */
kn_kernel *kernels_total(base_arena *, const void *);         /* x p; N; accumulators in registers */
kn_kernel *kernels_transpose(base_arena *, const void *);     /* x y; N C; y[c,n] = x[n,c] */
kn_kernel *kernels_gather(base_arena *, const void *);        /* table ix y; N C; size rows in table; others give 0 */
kn_kernel *kernels_scatter_add(base_arena *, const void *);   /* table ix g; N C; size rows in table; others skipped */
kn_kernel *kernels_update(base_arena *, const void *);        /* w g; N; scalar lr: w -= lr * g, in place */

/* Two-layer network 2-size-2 with tanh, softmax and cross-entropy: loss and gradients of one step, then the update.
 * step: X y W1 b1 W2 b2 A L G4 G3 G1 G2; N (y is i64; A row scratch, L .. G2 partials)
 * update: W1 W2 b1 b2 G1 G3 G2 G4 L loss; chunks N; scalars lr l2 */
kn_kernel *kernels_moons_step(base_arena *, const void *);
kn_kernel *kernels_moons_short(base_arena *,
                               const void *); /* the same step, size unrolled (<= 16), points as lanes; no A */
kn_kernel *kernels_moons_update(base_arena *, const void *);

/* ---- launches ---------------------------------------------------------------------------------------------------- */

typedef struct {
    const kn_kernel *kernel;
    kn_launch launch;
    int64_t *dim;
    uint64_t *scalar;
    void **mem; /* each of malloc, exactly as long as the kernel may touch */
    size_t *mem_bytes;
    int64_t *n_chunks; /* of each part */
    void *scratch;
} kernels_launch;

/* Memory for these dims and scalars, filled from the seed (floats: small, some special; integers: any). */
kernels_launch kernels_launch_new(const kn_kernel *k, const int64_t *dims, const uint64_t *scalars, uint64_t seed);
/* The same with a copy of the contents. */
kernels_launch kernels_launch_copy(const kernels_launch *from);
void kernels_launch_free(kernels_launch *l);
/* All chunks of all parts in the interpreter; an access out of bounds fails the test. */
void kernels_interpret(kernels_launch *l, const kn_kernel *expanded);
/* Do all memories hold the same bits (any NaN equals any other)? text says where not. */
int kernels_launch_same(const kernels_launch *a, const kernels_launch *b, char text[256]);

uint64_t kernels_random(uint64_t *state);

#endif
