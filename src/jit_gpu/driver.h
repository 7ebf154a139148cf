/* driver.h: the CUDA driver API as far as it is used, declared here so that the build needs no CUDA header. Names and
 * types follow NVIDIA's documentation of the driver API; every name is the exported one, `_v2` where that is the ABI
 * with 64-bit sizes. */
#ifndef JIT_GPU_DRIVER_H
#define JIT_GPU_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/trap.h"

typedef int cu_result; /* CUresult */
typedef int cu_device;
/* enums of theirs, which are ints to the ABI */
typedef int cu_attribute, cu_function_attribute, cu_capture_mode, cu_capture_status, cu_jit_option;
typedef uint64_t cu_ptr; /* CUdeviceptr */
typedef void *cu_context, *cu_module, *cu_function, *cu_stream, *cu_event, *cu_graph, *cu_graph_exec;

enum {
    CU_OK = 0,
    CU_INVALID_VALUE = 1,
    CU_OUT_OF_MEMORY = 2,
    CU_NOT_INITIALIZED = 3,
    CU_DEINITIALIZED = 4,
    CU_STUB_LIBRARY = 34,
    CU_DEVICE_UNAVAILABLE = 46,
    CU_NO_DEVICE = 100,
    CU_INVALID_DEVICE = 101,
    CU_INVALID_IMAGE = 200,
    CU_INVALID_CONTEXT = 201,
    CU_NO_BINARY = 209,
    CU_INVALID_PTX = 218,
    CU_NO_JIT_COMPILER = 221,
    CU_UNSUPPORTED_PTX = 222,
    CU_OPERATING_SYSTEM = 304,
    CU_INVALID_HANDLE = 400,
    CU_SYSTEM_NOT_READY = 802,
    CU_SYSTEM_MISMATCH = 803,
    CU_COMPAT_NOT_SUPPORTED = 804,
    CU_MPS_FIRST = 805, /* connection failed, .. */
    CU_MPS_LAST = 810,  /* .. client terminated */
    CU_CAPTURE_IMPLICIT = 906,
    CU_UNKNOWN = 999
};
/* cuDeviceGetAttribute */
enum {
    CU_ATTR_PROCESSORS = 16,
    CU_ATTR_COMPUTE_MODE = 20,
    CU_ATTR_MAJOR = 75,
    CU_ATTR_MINOR = 76,
    CU_ATTR_SHARED_OPTIN = 97
};
enum { CU_MODE_PROHIBITED = 2, CU_MODE_EXCLUSIVE = 3 };      /* what CU_ATTR_COMPUTE_MODE may be, besides 0 */
enum { CU_FUNC_SHARED = 1, CU_FUNC_MAX_DYNAMIC_SHARED = 8 }; /* cuFuncGetAttribute, cuFuncSetAttribute */
enum { CU_JIT_LOG = 5, CU_JIT_LOG_BYTES = 6 };               /* cuModuleLoadDataEx: errors, and room for them */
enum { CU_CAPTURE_THREAD_LOCAL = 1, CU_CAPTURE_RELAXED = 2, CU_NON_BLOCKING = 1, CU_EVENT_NO_TIMING = 2 };
/* Handles of streams that are none: the default stream, and each thread's own one. */
#define CU_LEGACY     ((cu_stream)(uintptr_t)1)
#define CU_PER_THREAD ((cu_stream)(uintptr_t)2)

typedef struct {
    cu_result result;
    void *node, *from;
} cu_update_info; /* CUgraphExecUpdateResultInfo */

/* name, arguments, optional */
#define CU_FUNCTIONS(X)                                                                                                \
    X(cuInit, (unsigned flags), 0)                                                                                     \
    X(cuDriverGetVersion, (int *version), 0)                                                                           \
    X(cuGetErrorName, (cu_result error, const char **text), 0)                                                         \
    X(cuGetErrorString, (cu_result error, const char **text), 0)                                                       \
    X(cuDeviceGetCount, (int *n), 0)                                                                                   \
    X(cuDeviceGet, (cu_device * device, int ordinal), 0)                                                               \
    X(cuDeviceGetName, (char *name, int size, cu_device device), 0)                                                    \
    X(cuDeviceGetAttribute, (int *value, cu_attribute attribute, cu_device device), 0)                                 \
    X(cuDevicePrimaryCtxRetain, (cu_context * context, cu_device device), 0)                                           \
    X(cuDevicePrimaryCtxRelease_v2, (cu_device device), 0)                                                             \
    X(cuCtxPushCurrent_v2, (cu_context context), 0)                                                                    \
    X(cuCtxPopCurrent_v2, (cu_context * context), 0)                                                                   \
    X(cuCtxGetDevice, (cu_device * device), 0)                                                                         \
    X(cuMemGetInfo_v2, (size_t * free, size_t * total), 0)                                                             \
    X(cuMemAlloc_v2, (cu_ptr * at, size_t bytes), 0)                                                                   \
    X(cuMemFree_v2, (cu_ptr at), 0)                                                                                    \
    X(cuMemHostAlloc, (void **at, size_t bytes, unsigned flags), 0)                                                    \
    X(cuMemFreeHost, (void *at), 0)                                                                                    \
    X(cuMemcpyHtoDAsync_v2, (cu_ptr to, const void *from, size_t bytes, cu_stream stream), 0)                          \
    X(cuMemcpyDtoHAsync_v2, (void *to, cu_ptr from, size_t bytes, cu_stream stream), 0)                                \
    X(cuMemcpyDtoDAsync_v2, (cu_ptr to, cu_ptr from, size_t bytes, cu_stream stream), 0)                               \
    X(cuMemsetD8Async, (cu_ptr to, unsigned char value, size_t bytes, cu_stream stream), 0)                            \
    X(cuStreamCreate, (cu_stream * stream, unsigned flags), 0)                                                         \
    X(cuStreamDestroy_v2, (cu_stream stream), 0)                                                                       \
    X(cuStreamSynchronize, (cu_stream stream), 0)                                                                      \
    X(cuStreamGetCtx, (cu_stream stream, cu_context * context), 0)                                                     \
    X(cuThreadExchangeStreamCaptureMode, (cu_capture_mode * mode), 0)                                                  \
    X(cuStreamIsCapturing, (cu_stream stream, cu_capture_status * status), 0)                                          \
    X(cuEventCreate, (cu_event * event, unsigned flags), 0)                                                            \
    X(cuEventDestroy_v2, (cu_event event), 0)                                                                          \
    X(cuEventRecord, (cu_event event, cu_stream stream), 0)                                                            \
    X(cuEventSynchronize, (cu_event event), 0)                                                                         \
    X(cuEventElapsedTime, (float *ms, cu_event start, cu_event end), 0)                                                \
    X(cuModuleLoadData, (cu_module * module, const void *image), 0)                                                    \
    X(cuModuleLoadDataEx, (cu_module * module, const void *image, unsigned n, cu_jit_option *options, void **values),  \
      0)                                                                                                               \
    X(cuModuleUnload, (cu_module module), 0)                                                                           \
    X(cuModuleGetFunction, (cu_function * function, cu_module module, const char *name), 0)                            \
    X(cuFuncGetAttribute, (int *value, cu_function_attribute attribute, cu_function function), 0)                      \
    X(cuFuncSetAttribute, (cu_function function, cu_function_attribute attribute, int value), 0)                       \
    X(cuFuncLoad, (cu_function function), 1)                                                                           \
    X(cuLaunchKernel,                                                                                                  \
      (cu_function function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,             \
       unsigned shared, cu_stream stream, void **parameters, void **extra),                                            \
      0)                                                                                                               \
    X(cuStreamBeginCapture_v2, (cu_stream stream, cu_capture_mode mode), 0)                                            \
    X(cuStreamEndCapture, (cu_stream stream, cu_graph * graph), 0)                                                     \
    X(cuGraphInstantiateWithFlags, (cu_graph_exec * exec, cu_graph graph, unsigned long long flags), 1)                \
    X(cuGraphExecUpdate_v2, (cu_graph_exec exec, cu_graph graph, cu_update_info * info), 1)                            \
    X(cuGraphLaunch, (cu_graph_exec exec, cu_stream stream), 0)                                                        \
    X(cuGraphExecDestroy, (cu_graph_exec exec), 0)                                                                     \
    X(cuGraphDestroy, (cu_graph graph), 0)

typedef struct {
#define CU_MEMBER(name, arguments, optional) cu_result(*name) arguments;
    CU_FUNCTIONS(CU_MEMBER)
#undef CU_MEMBER
    int version; /* 13000: CUDA 13.0 */
} cu_driver;

/* Opens the driver and initialises it. SN_ERR_UNAVAILABLE with a sentence where there is none, where it is a stub,
 * where it has no device, or where it is too old. */
sn_status cu_driver_open(base_alloc *alloc, const base_log *log, cu_driver *out, base_trap *err);

int cu_is_lost(cu_result result); /* does it end the context it happened in? */
/* A sentence about a failed call: what was being done, the driver's name for it, and what to do. Returns the status:
 * SN_ERR_COMPILE where the driver cannot use the code that it was given. */
__attribute__((format(printf, 4, 5))) sn_status cu_fail(const cu_driver *cu, base_trap *err, cu_result result,
                                                        const char *format, ...);

#endif
