/* What src/jit_gpu declares of CUDA's libraries, against NVIDIA's own headers: every function's type, every value,
 * every struct. Compiled and not run, with one of DRIVER, NVRTC and LT defined (cuda_headers.sh). */
#include <stddef.h>

#define SAME(ours, theirs) _Static_assert((long long)(ours) == (long long)(theirs), #ours " is not " #theirs)
#define SAME_FIELD(ours, a, theirs, b)                                                                                 \
    SAME(offsetof(ours, a), offsetof(theirs, b));                                                                      \
    SAME(sizeof(((ours *)0)->a), sizeof(((theirs *)0)->b))
/* Our names of types stand for theirs from here on, so that types can be compared as they are. */
#define SAME_FUNCTION(name, result, arguments)                                                                         \
    _Static_assert(__builtin_types_compatible_p(result(*) arguments, __typeof__(&name)), #name " is declared "         \
                                                                                               "otherwise")

#ifdef DRIVER
#include <cuda.h>

#include "jit_gpu/driver.h"

SAME(sizeof(cu_ptr), sizeof(CUdeviceptr));
SAME(sizeof(cu_device), sizeof(CUdevice));
SAME(sizeof(cu_result), sizeof(CUresult));
SAME(sizeof(cu_attribute), sizeof(CUdevice_attribute));
SAME(sizeof(cu_function_attribute), sizeof(CUfunction_attribute));
SAME(sizeof(cu_capture_mode), sizeof(CUstreamCaptureMode));
SAME(sizeof(cu_capture_status), sizeof(CUstreamCaptureStatus));
SAME(sizeof(cu_jit_option), sizeof(CUjit_option));
SAME(sizeof(cu_update_info), sizeof(CUgraphExecUpdateResultInfo));
SAME_FIELD(cu_update_info, result, CUgraphExecUpdateResultInfo, result);
SAME_FIELD(cu_update_info, node, CUgraphExecUpdateResultInfo, errorNode);
SAME_FIELD(cu_update_info, from, CUgraphExecUpdateResultInfo, errorFromNode);

SAME(CU_OK, CUDA_SUCCESS);
SAME(CU_INVALID_VALUE, CUDA_ERROR_INVALID_VALUE);
SAME(CU_OUT_OF_MEMORY, CUDA_ERROR_OUT_OF_MEMORY);
SAME(CU_NOT_INITIALIZED, CUDA_ERROR_NOT_INITIALIZED);
SAME(CU_DEINITIALIZED, CUDA_ERROR_DEINITIALIZED);
SAME(CU_STUB_LIBRARY, CUDA_ERROR_STUB_LIBRARY);
SAME(CU_DEVICE_UNAVAILABLE, CUDA_ERROR_DEVICE_UNAVAILABLE);
SAME(CU_NO_DEVICE, CUDA_ERROR_NO_DEVICE);
SAME(CU_INVALID_DEVICE, CUDA_ERROR_INVALID_DEVICE);
SAME(CU_INVALID_IMAGE, CUDA_ERROR_INVALID_IMAGE);
SAME(CU_INVALID_CONTEXT, CUDA_ERROR_INVALID_CONTEXT);
SAME(CU_NO_BINARY, CUDA_ERROR_NO_BINARY_FOR_GPU);
SAME(CU_INVALID_PTX, CUDA_ERROR_INVALID_PTX);
SAME(CU_NO_JIT_COMPILER, CUDA_ERROR_JIT_COMPILER_NOT_FOUND);
SAME(CU_UNSUPPORTED_PTX, CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
SAME(CU_OPERATING_SYSTEM, CUDA_ERROR_OPERATING_SYSTEM);
SAME(CU_INVALID_HANDLE, CUDA_ERROR_INVALID_HANDLE);
SAME(CU_SYSTEM_NOT_READY, CUDA_ERROR_SYSTEM_NOT_READY);
SAME(CU_SYSTEM_MISMATCH, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
SAME(CU_COMPAT_NOT_SUPPORTED, CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE);
SAME(CU_MPS_FIRST, CUDA_ERROR_MPS_CONNECTION_FAILED);
SAME(CU_MPS_LAST, CUDA_ERROR_MPS_CLIENT_TERMINATED);
SAME(CU_CAPTURE_IMPLICIT, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
SAME(CU_UNKNOWN, CUDA_ERROR_UNKNOWN);
SAME(CU_ATTR_PROCESSORS, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
SAME(CU_ATTR_COMPUTE_MODE, CU_DEVICE_ATTRIBUTE_COMPUTE_MODE);
SAME(CU_ATTR_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
SAME(CU_ATTR_MINOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
SAME(CU_ATTR_SHARED_OPTIN, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
SAME(CU_MODE_PROHIBITED, CU_COMPUTEMODE_PROHIBITED);
SAME(CU_MODE_EXCLUSIVE, CU_COMPUTEMODE_EXCLUSIVE_PROCESS);
SAME(CU_FUNC_SHARED, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
SAME(CU_FUNC_MAX_DYNAMIC_SHARED, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
SAME(CU_JIT_LOG, CU_JIT_ERROR_LOG_BUFFER);
SAME(CU_JIT_LOG_BYTES, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
SAME(CU_CAPTURE_THREAD_LOCAL, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
SAME(CU_CAPTURE_RELAXED, CU_STREAM_CAPTURE_MODE_RELAXED);
SAME(CU_NON_BLOCKING, CU_STREAM_NON_BLOCKING);
SAME(CU_EVENT_NO_TIMING, CU_EVENT_DISABLE_TIMING);
SAME(0, CU_STREAM_CAPTURE_STATUS_NONE);
_Static_assert(__builtin_types_compatible_p(__typeof__(CU_STREAM_LEGACY), CUstream), "the legacy default stream");

#if CUDA_VERSION < 12040
CUresult cuFuncLoad(CUfunction function); /* is newer */
#endif
/* Where a header gives a function's name to a later version of it, that one is compared: it takes the same. */
#define cu_result                                 CUresult
#define cu_device                                 CUdevice
#define cu_ptr                                    CUdeviceptr
#define cu_context                                CUcontext
#define cu_module                                 CUmodule
#define cu_function                               CUfunction
#define cu_stream                                 CUstream
#define cu_event                                  CUevent
#define cu_graph                                  CUgraph
#define cu_graph_exec                             CUgraphExec
#define cu_attribute                              CUdevice_attribute
#define cu_function_attribute                     CUfunction_attribute
#define cu_capture_mode                           CUstreamCaptureMode
#define cu_capture_status                         CUstreamCaptureStatus
#define cu_jit_option                             CUjit_option
#define cu_update_info                            CUgraphExecUpdateResultInfo
#define CHECK_FUNCTION(name, arguments, optional) SAME_FUNCTION(name, CUresult, arguments);
CU_FUNCTIONS(CHECK_FUNCTION)
#endif

#ifdef NVRTC
#include <nvrtc.h>

#include "jit_gpu/nvrtc.c"

SAME(sizeof(nvrtc_result), sizeof(nvrtcResult));
SAME(NVRTC_INVALID_OPTION, NVRTC_ERROR_INVALID_OPTION);
SAME(NVRTC_SUCCESS, 0);
#define nvrtc_result                    nvrtcResult
#define nvrtc_program                   nvrtcProgram
#define CHECK_FUNCTION(name, arguments) SAME_FUNCTION(name, nvrtcResult, arguments);
NVRTC_FUNCTIONS(CHECK_FUNCTION)
SAME_FUNCTION(nvrtcGetErrorString, const char *, (nvrtcResult));
#endif

#ifdef LT
#include <cublasLt.h>

#include "jit_gpu/lt.c"

SAME(sizeof(lt_status), sizeof(cublasStatus_t));
SAME(sizeof(lt_algo), sizeof(cublasLtMatmulAlgo_t));
SAME(sizeof(lt_heuristic), sizeof(cublasLtMatmulHeuristicResult_t));
SAME_FIELD(lt_heuristic, algo, cublasLtMatmulHeuristicResult_t, algo);
SAME_FIELD(lt_heuristic, workspace, cublasLtMatmulHeuristicResult_t, workspaceSize);
SAME_FIELD(lt_heuristic, state, cublasLtMatmulHeuristicResult_t, state);
SAME_FIELD(lt_heuristic, waves, cublasLtMatmulHeuristicResult_t, wavesCount);
SAME_FIELD(lt_heuristic, reserved, cublasLtMatmulHeuristicResult_t, reserved);
SAME(0, CUBLAS_STATUS_SUCCESS);
SAME(LT_INVALID_VALUE, CUBLAS_STATUS_INVALID_VALUE);
SAME(LT_ARCH_MISMATCH, CUBLAS_STATUS_ARCH_MISMATCH);
SAME(LT_NOT_SUPPORTED, CUBLAS_STATUS_NOT_SUPPORTED);
SAME(LT_ALLOC_FAILED, CUBLAS_STATUS_ALLOC_FAILED);
SAME(R_32F, CUDA_R_32F);
SAME(R_64F, CUDA_R_64F);
SAME(R_16F, CUDA_R_16F);
SAME(R_16BF, CUDA_R_16BF);
SAME(COMPUTE_32F, CUBLAS_COMPUTE_32F);
SAME(COMPUTE_64F, CUBLAS_COMPUTE_64F);
SAME(COMPUTE_32F_FAST_TF32, CUBLAS_COMPUTE_32F_FAST_TF32);
SAME(DESC_TRANSA, CUBLASLT_MATMUL_DESC_TRANSA);
SAME(DESC_TRANSB, CUBLASLT_MATMUL_DESC_TRANSB);
SAME(DESC_EPILOGUE, CUBLASLT_MATMUL_DESC_EPILOGUE);
SAME(DESC_BIAS_POINTER, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
SAME(EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_DEFAULT);
SAME(EPILOGUE_RELU, CUBLASLT_EPILOGUE_RELU);
SAME(EPILOGUE_BIAS, CUBLASLT_EPILOGUE_BIAS);
SAME(EPILOGUE_RELU | EPILOGUE_BIAS, CUBLASLT_EPILOGUE_RELU_BIAS);
SAME(LAYOUT_BATCH_COUNT, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT);
SAME(LAYOUT_STRIDED_BATCH_OFFSET, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET);
SAME(PREF_WORKSPACE, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
SAME(PREF_REDUCTION_SCHEMES, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
SAME(PREF_ALIGN_A, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
SAME(PREF_ALIGN_B, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
SAME(PREF_ALIGN_C, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
SAME(PREF_ALIGN_D, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
SAME(REDUCTION_IN_COMPUTE_TYPE, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
#define lt_status                                         cublasStatus_t
#define lt_handle                                         cublasLtHandle_t
#define lt_desc                                           cublasLtMatmulDesc_t
#define lt_layout                                         cublasLtMatrixLayout_t
#define lt_preference                                     cublasLtMatmulPreference_t
#define lt_algo                                           cublasLtMatmulAlgo_t
#define lt_heuristic                                      cublasLtMatmulHeuristicResult_t
#define lt_compute                                        cublasComputeType_t
#define lt_type                                           cudaDataType_t
#define lt_stream                                         cudaStream_t
#define lt_desc_attribute                                 cublasLtMatmulDescAttributes_t
#define lt_layout_attribute                               cublasLtMatrixLayoutAttribute_t
#define lt_preference_attribute                           cublasLtMatmulPreferenceAttributes_t
#define CHECK_FUNCTION(name, result, arguments, optional) SAME_FUNCTION(name, result, arguments);
LT_FUNCTIONS(CHECK_FUNCTION)
#endif
