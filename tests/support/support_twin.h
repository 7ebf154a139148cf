/* support_twin.h: a context whose backend has every kernel twice, interpreted and compiled, and runs the one that the
 * test asks for. So one graph, one function and one set of variables serve all paths. Temporaries start as NaN.
 * Compiled is for the CPU, or with SN_TWIN=gpu for the GPU; what differs between its devices are the numbers of threads
 * there, and the order of threads on the stand-in here: forward, reversed, random by a seed. With SN_TWIN=nvrtc nothing
 * runs: every kernel goes through NVIDIA's compiler (support_nvrtc.h). */
#ifndef SUPPORT_TWIN_H
#define SUPPORT_TWIN_H

#include "backend/backend.h"
#include "sinter/sinter.h"

enum { SUPPORT_TWIN_DEVICES = 4 };
extern const int support_twin_threads[SUPPORT_TWIN_DEVICES]; /* 1, 2, 3, 7 */
int support_twin_on_gpu(void);
int support_twin_runs(void);    /* 0 with SN_TWIN=nvrtc */
int support_twin_devices(void); /* all, or on the GPU three, one for each order */

typedef struct {
    int compiled;     /* 0: the interpreter */
    int device;       /* compiled: which of the devices */
    int split;        /* compiled: cut every launch into ranges, however small it is */
    uint64_t kernels; /* compiled so far */
    char error[512];  /* the first error or warning that was logged, or what failed while compiling late */
} support_twin_state;
extern support_twin_state support_twin;

/* A context on that backend; messages of at least warnings go to support_twin.error. */
sn_context *support_twin_context(void);

#endif
