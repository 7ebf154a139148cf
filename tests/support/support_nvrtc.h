/* support_nvrtc.h: NVIDIA's own compiler, where there is one: it needs neither a GPU nor a driver. What it says about
 * spilled registers and local memory is the only way to see them. */
#ifndef SUPPORT_NVRTC_H
#define SUPPORT_NVRTC_H

#include "backend/backend.h"
#include "jit_gpu/nvrtc.h"

/* Not the stand-in, to which SINTER_CUDA_PATH points in tests. 0, with the reason printed, where there is none. */
int support_nvrtc_open(void);
extern int support_nvrtc_archs[NVRTC_MAX_ARCHS], support_nvrtc_n_archs; /* ascending */
extern int support_nvrtc_again;                                         /* so many spilled at first */

/* The source of a kernel, appended; fails under the arena's trap. */
void support_nvrtc_source(base_arena *arena, const kn_kernel *k, base_strbuf *out);
/* What a user would wait for at most, in processor time: a few seconds are usual for the largest, minutes were. */
enum { SUPPORT_NVRTC_SECONDS = 15 };
/* 1, or 0 and a sentence: it does not compile, or (clean) not in that time, something lies in local memory, or spilled
 * with room for as few threads as the product takes back to, too. */
int support_nvrtc_compile(const char *source, int arch, int clean, const char *what, char *text, size_t n);

/* A backend that runs nothing: kernels are compiled, each text once, and have to be clean. With SN_SLOW=1 all of them
 * for all architectures, else every SN_STRIDE-th pair of a source and an architecture. */
enum { SUPPORT_NVRTC_STRIDE = 719 /* unless the environment says; a prime, so that architectures take turns */ };
const be_backend *support_nvrtc_backend(void);

#endif
