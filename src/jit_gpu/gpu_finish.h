/* gpu_finish.h: what comes after a matrix product (be_gemm: row and relu), by a kernel of its own, where the library's
 * product cannot do it. One kernel for each type and kind, made when it is first needed. */
#ifndef JIT_GPU_GPU_FINISH_H
#define JIT_GPU_GPU_FINISH_H

#include "jit_gpu/gpu.h"

typedef struct gpu_finish gpu_finish;

gpu_finish *gpu_finish_new(base_alloc *alloc); /* NULL: out of memory */
void gpu_finish_free(be_device *dev, gpu_finish *finish);
/* Both for whoever has the turn. Compiling does not belong into a recording: prepare before it. */
sn_status gpu_finish_prepare(be_device *dev, gpu_finish *finish, const be_gemm *gemm, base_trap *err);
void gpu_finish_run(be_device *dev, gpu_finish *finish, const be_gemm *gemm); /* failures: gpu_failed */

#endif
