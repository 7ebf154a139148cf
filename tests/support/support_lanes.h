/* support_lanes.h: runs the straight-line code of an element-wise kernel over blocks, one primitive after the other,
 * each a plain loop: fast enough to try every f32. Independent of the interpreter and of the code generators. */
#ifndef SUPPORT_LANES_H
#define SUPPORT_LANES_H

#include "ir/kernel_build.h"

enum { LANES = 512 };

typedef struct lanes {
    const kn_kernel *kernel;
    unsigned char *values; /* LANES values of 8 bytes for each instruction */
    int fused;             /* the machine has fma */
} lanes;

/* out[i] = prim(x[i], y[i]) as a kernel: memories 0 and 1 are inputs, 2 is the output. */
kn_kernel *lanes_kernel(base_arena *arena, kn_prim prim, sn_dtype type);

/* Free with lanes_close. The kernel must hold KI_CONST, KI_LOAD, KI_STORE and primitives alone. */
lanes lanes_open(const kn_kernel *kernel);
void lanes_close(lanes *l);
/* LANES elements. */
void lanes_run(lanes *l, const void *x, const void *y, void *out);

#endif
