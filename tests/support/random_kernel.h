/* random_kernel.h: random valid kernels for holding a compiler to the interpreter. The same seed gives the same kernel.
 */
#ifndef SUPPORT_RANDOM_KERNEL_H
#define SUPPORT_RANDOM_KERNEL_H

#include "support/kernels.h"

enum { RANDOM_BASE_DIMS = 4, RANDOM_MAX_DIMS = 1 << RANDOM_BASE_DIMS, RANDOM_SCALARS = 2 };

typedef struct {
    uint64_t seed;
    int maths;           /* with KN_MATHS primitives */
    int wide;            /* for machines with many threads: tiles and widths up to KN_MAX_WIDTH, teams of up to 256 */
    uint32_t most_lanes; /* 0: as many as there may be; less compiles faster */
} random_options;

/* For kernels_make; arg is random_options. Dim d of the kernel is the product of base dims in the set random_dim_set.
 */
kn_kernel *random_kernel(base_arena *arena, const void *options);

/* Memory, dims and scalars for a random kernel: base dims of 0, 1 and odd sizes, by the seed. */
kernels_launch random_launch(const kn_kernel *k, uint64_t seed);

#endif
