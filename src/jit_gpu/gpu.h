/* gpu.h: the GPU backend's device, shared by its files. */
#ifndef JIT_GPU_GPU_H
#define JIT_GPU_GPU_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/backend.h"
#include "jit_gpu/cuda_emit.h"
#include "jit_gpu/driver.h"
#include "jit_gpu/nvrtc.h"

typedef struct gpu_blas gpu_blas;

/* What a thread brought along that makes the device's context its current one for a while. */
typedef struct {
    cu_capture_mode mode;
} gpu_visit;

struct be_device {
    base_alloc *alloc;
    const base_log *log;
    cu_driver cu;
    cu_device ordinal;
    cu_context context; /* the one that was given, else the device's primary one, which other libraries share */
    cu_context given_context;
    cu_stream given_stream;
    cu_stream ordered;  /* of all work: calls take turns */
    cu_stream recorder; /* where recordings are made: of our own, always */
    cu_stream stream;   /* ordered, or recorder between record and recorded: where work is put now */
    int cc;             /* compute capability: 90 is 9.0 */
    int processors;
    size_t shared_limit; /* bytes of shared memory that a block may ask for */
    char name[64], target[96], about[160];
    gpu_nvrtc *nvrtc;
    gpu_blas *blas;
    int tf32; /* products of f32 may round their operands */

    pthread_mutex_t turn; /* held from begin to finish; of everything below */
    gpu_visit visit;      /* of the thread that has the turn */
    cu_ptr scratch;       /* of teams whose rows do not fit shared memory */
    size_t scratch_bytes;
    _Atomic uint64_t age; /* counts changes of scratch, whose address recordings hold */
    cu_event *events;     /* marks of this turn */
    uint32_t n_events, events_room;
    enum { GPU_RUNS, GPU_WANTS_RECORDING, GPU_RECORDS } recording; /* since record */
    int pending;                                                   /* there may be work that nobody has waited for */
    base_trap failed;                                              /* first failure since begin; status SN_OK: none */
    base_trap late; /* a failure that nobody has been told yet; of a lost device it stays */
    int lost;
};

/* A kernel in its module. args and grid are for the launch: launches take turns. */
struct be_exec {
    const kn_kernel *kernel; /* borrowed */
    cu_module module;
    cu_function function;
    void **args;
    unsigned char *grid;
    size_t grid_bytes;
    ce_even *even;  /* of each part */
    uint16_t *held; /* of each memory: ce_find_even */
    size_t bytes;   /* of all of these */
};

/* Makes the context current for the calling thread, and leaves the thread as it was. Between them what the thread does
 * neither breaks a recording that the application makes meanwhile (on whatever thread) nor is refused because of one:
 * none of it is on its streams. */
sn_status gpu_enter(be_device *dev, gpu_visit *visit, base_trap *err);
void gpu_leave(be_device *dev, const gpu_visit *visit);
/* The same to free something, which is lost where the context cannot be entered: two tries. */
int gpu_enter_to_free(be_device *dev, gpu_visit *visit);
/* Keeps the first failure of a turn. */
__attribute__((format(printf, 3, 4))) void gpu_failed(be_device *dev, cu_result result, const char *format, ...);

/* gpu_turn.c: waits, outside of a turn, for work that may use what is about to be freed. In the context. here: by who
 * has the lock of turns, and records nothing. */
void gpu_settle(be_device *dev);
void gpu_settle_here(be_device *dev);
void gpu_room_here(be_device *dev, size_t *left, size_t *total); /* 0, 0: not known. In the context. */
void *gpu_alloc(be_device *dev, size_t bytes);
void gpu_free(be_device *dev, void *p, size_t bytes);
extern const be_remote gpu_remote;

/* The CUDA C++ of a kernel with comments: what is compiled has none. Needs no device. */
sn_status gpu_source(base_alloc *alloc, const kn_kernel *kernel, kn_namer *name, void *arg, base_strbuf *out,
                     base_trap *err);

/* ---- gpu_launch.c ------------------------------------------------------------------------------------------------ */

sn_status gpu_prepare(be_device *dev, const be_exec *exec, const kn_launch *launch, const int64_t *n_chunks,
                      base_trap *err);
void gpu_launch(be_device *dev, be_exec *exec, const kn_launch *launch, const int64_t *n_chunks, size_t scratch_bytes,
                double ns);
/* Room for the arguments of a kernel's launches. */
sn_status gpu_exec_room(be_device *dev, be_exec *exec, base_trap *err);

/* ---- gpu_blas.c -------------------------------------------------------------------------------------------------- */

void gpu_blas_init(gpu_blas **out, base_alloc *alloc, const base_log *log);
/* entered: the context is current; else the library is left alone. */
void gpu_blas_free(be_device *dev, gpu_blas *blas, int entered);
/* Opens cuBLASLt, and takes its workspace. */
sn_status gpu_blas_open(be_device *dev, base_trap *err);
sn_status gpu_prepare_gemm(be_device *dev, be_gemm *gemm, base_trap *err);
void gpu_forget_gemm(be_device *dev, be_gemm *gemm);
void gpu_gemm(be_device *dev, const be_gemm *gemm);

#endif
