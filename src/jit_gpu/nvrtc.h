/* nvrtc.h: NVIDIA's run-time compiler: CUDA C++ source in, PTX (to read) and cubin (to load) out. */
#ifndef JIT_GPU_NVRTC_H
#define JIT_GPU_NVRTC_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/trap.h"

enum { NVRTC_MAX_ARCHS = 64 };

typedef struct gpu_nvrtc gpu_nvrtc; /* opened once, when a kernel is not in the cache */

void gpu_nvrtc_init(gpu_nvrtc **out, base_alloc *alloc, const base_log *log);
void gpu_nvrtc_free(gpu_nvrtc *nvrtc);
/* Before it is opened: what it makes is for a driver of this CUDA version (13000: 13.0). */
void gpu_nvrtc_for(gpu_nvrtc *nvrtc, int driver);
/* "NVRTC 13.0", opening it if need be. */
sn_status gpu_nvrtc_version(gpu_nvrtc *nvrtc, char *text, size_t size, base_trap *err);
/* The option of a second attempt, where registers were spilled: room for 256 threads of a processor, so that each may
 * have as many registers as there are. Sources say otherwise what they ask for. */
#define GPU_NVRTC_FEWER "-DSN_THREADS=256"
/* Compiles for a device of compute capability cc (90: 9.0): for the greatest architecture up to it that this NVRTC
 * knows. cubin is empty where that is of another major version: then the PTX is to be loaded. Either may be NULL. Any
 * thread. */
sn_status gpu_nvrtc_compile(gpu_nvrtc *nvrtc, const char *source, const char *name, int cc, base_strbuf *ptx,
                            base_strbuf *cubin, base_trap *err);
/* The architectures it compiles for, ascending; returns how many. */
sn_status gpu_nvrtc_archs(gpu_nvrtc *nvrtc, int archs[NVRTC_MAX_ARCHS], int *n, base_trap *err);

#endif
