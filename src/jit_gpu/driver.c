/* The driver: found, checked, and its errors put into sentences. */
#include "jit_gpu/driver.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "jit_gpu/dynlib.h"

enum { OLDEST = 12000 }; /* CUDA 12: graphs that can be updated, cuGraphExecUpdate_v2 */

/* What the user can do about an error. */
static const char another_has_it[] =
    "; another process may have the device to itself, or nobody may use it: its compute mode says so (nvidia-smi -q "
    "-d COMPUTE)";
static const char newer_code[] = "; is the code from a newer CUDA than the driver is for?";
static const struct {
    cu_result first, last;
    sn_status status;
    const char *advice;
} advices[] = {
    {CU_OUT_OF_MEMORY, CU_OUT_OF_MEMORY, SN_ERR_NOMEM, ""},
    {CU_NOT_INITIALIZED, CU_NOT_INITIALIZED, SN_ERR_UNAVAILABLE,
     "; if this process was forked after the device was opened: open it in the process that uses it"},
    {CU_DEINITIALIZED, CU_DEINITIALIZED, SN_ERR_UNAVAILABLE,
     "; the process is ending, and the driver has ended already: free contexts before main returns"},
    {CU_DEVICE_UNAVAILABLE, CU_DEVICE_UNAVAILABLE, SN_ERR_UNAVAILABLE, another_has_it},
    {CU_NO_DEVICE, CU_INVALID_DEVICE, SN_ERR_UNAVAILABLE,
     "; is there a GPU, and may this process see it (CUDA_VISIBLE_DEVICES)?"},
    {CU_INVALID_IMAGE, CU_INVALID_IMAGE, SN_ERR_COMPILE, newer_code},
    {CU_NO_BINARY, CU_NO_BINARY, SN_ERR_COMPILE, newer_code},
    {CU_INVALID_PTX, CU_INVALID_PTX, SN_ERR_COMPILE, newer_code},
    {CU_NO_JIT_COMPILER, CU_NO_JIT_COMPILER, SN_ERR_COMPILE,
     "; libnvidia-ptxjitcompiler.so, a part of the driver, is missing: install it, or a newer NVRTC, which makes code "
     "that does not need it"},
    {CU_UNSUPPORTED_PTX, CU_UNSUPPORTED_PTX, SN_ERR_COMPILE, newer_code},
    {CU_INVALID_CONTEXT, CU_INVALID_CONTEXT, SN_ERR_ARGUMENT, "; is the CUDA context that was given still there?"},
    {CU_INVALID_HANDLE, CU_INVALID_HANDLE, SN_ERR_ARGUMENT,
     "; are the CUDA context and the stream that were given still there?"},
    {CU_OPERATING_SYSTEM, CU_OPERATING_SYSTEM, SN_ERR_UNAVAILABLE,
     "; may this process open the device's files (/dev/nvidia*)?"},
    {CU_SYSTEM_NOT_READY, CU_SYSTEM_NOT_READY, SN_ERR_UNAVAILABLE,
     "; machines whose GPUs are behind NVSwitch want the service nvidia-fabricmanager to run"},
    {CU_SYSTEM_MISMATCH, CU_COMPAT_NOT_SUPPORTED, SN_ERR_UNAVAILABLE,
     "; the driver and the system do not fit together: update the driver"},
    {CU_MPS_FIRST, CU_MPS_LAST, SN_ERR_UNAVAILABLE, "; is CUDA's MPS service in order?"},
};

/* After these, says the driver's documentation, no work in the context succeeds any more, and the process has to be
 * started anew to use the device again. */
int cu_is_lost(cu_result result) {
    static const cu_result lost[] = {214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911};
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
        if (lost[i] == result) return 1;
    return 0;
}

static const char lost_advice[] =
    "; the CUDA context is lost, with all memory in it, and whatever shares it: free the sn_context, and start the "
    "process anew to use the device again";

sn_status cu_fail(const cu_driver *cu, base_trap *err, cu_result result, const char *format, ...) {
    const char *name = NULL, *text = NULL, *advice = "";
    sn_status status = SN_ERR_INTERNAL;
    char doing[400];
    va_list args;
    va_start(args, format);
    vsnprintf(doing, sizeof doing, format, args);
    va_end(args);
    if (cu->cuGetErrorName(result, &name) || !name) name = "unknown error";
    if (cu->cuGetErrorString(result, &text) || !text) text = "no description";
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
        if (result >= advices[i].first && result <= advices[i].last) {
            status = advices[i].status;
            advice = advices[i].advice;
        }
    if (cu_is_lost(result)) advice = lost_advice;
    return base_set_error(err, status, "GPU: %s: %s (%d: %s)%s", doing, name, result, text, advice);
}

sn_status cu_driver_open(base_alloc *alloc, const base_log *log, cu_driver *cu, base_trap *err) {
    static const char *const names[] = {"libcuda.so.1", NULL};
    const gpu_symbol symbols[] = {
#define ROW(name, arguments, optional) {#name, (void **)&cu->name, optional},
        CU_FUNCTIONS(ROW)
#undef ROW
    };
    base_strbuf path;
    base_strbuf_init(&path, alloc);
    memset(cu, 0, sizeof *cu);
    void *library = gpu_dynlib_open(alloc, "NVIDIA driver", names, NULL, 1, &path, err);
    sn_status status =
        library ? gpu_dynlib_symbols(library, "the NVIDIA driver", symbols, sizeof symbols / sizeof *symbols, err)
                : err->status;
    if (!status) base_logf(log, SN_LOG_INFO, "GPU driver: %s", path.at ? path.at : names[0]);
    base_strbuf_free(&path);
    if (status) return status;
    cu_result result = cu->cuInit(0);
    if (result == CU_STUB_LIBRARY)
        return base_set_error(err, SN_ERR_UNAVAILABLE, "no NVIDIA driver: libcuda.so.1 is the toolkit's stub");
    if (result) {
        char text[BASE_TEXT_MAX];
        cu_fail(cu, err, result, "starting the NVIDIA driver (cuInit)");
        memcpy(text, err->text, sizeof text);
        return base_set_error(err, SN_ERR_UNAVAILABLE, "%s%s", text,
                              result == CU_UNKNOWN ? "; may this process open the device's files (/dev/nvidia*), and "
                                                     "is the kernel's module nvidia_uvm loaded?"
                                                   : "");
    }
    if ((result = cu->cuDriverGetVersion(&cu->version))) return cu_fail(cu, err, result, "cuDriverGetVersion");
    if (cu->version < OLDEST || !cu->cuGraphInstantiateWithFlags || !cu->cuGraphExecUpdate_v2)
        return base_set_error(err, SN_ERR_UNAVAILABLE,
                              "the NVIDIA driver is for CUDA %d.%d; %d.%d or newer is needed: update the driver",
                              cu->version / 1000, cu->version % 1000 / 10, OLDEST / 1000, OLDEST % 1000 / 10);
    return SN_OK;
}
