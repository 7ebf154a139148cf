/* The GPU backend: kernels become CUDA C++ (cuda_emit.c), NVRTC makes a cubin of it, the driver runs it.
 * Here: the device with its context and stream, which may be the application's, compiling and loading; gpu_turn.c is
 * about memory and the order of work. */
#include "jit_gpu/gpu.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "jit_gpu/blob.h"

enum { LOG_BYTES = 1024 }; /* of the driver's compiler */

sn_status gpu_enter(be_device *dev, gpu_visit *visit, base_trap *err) {
    cu_result result = dev->cu.cuCtxPushCurrent_v2(dev->context);
    if (result) return cu_fail(&dev->cu, err, result, "making %s current", dev->name);
    visit->mode = CU_CAPTURE_RELAXED;
    (void)dev->cu.cuThreadExchangeStreamCaptureMode(&visit->mode);
    return SN_OK;
}

void gpu_leave(be_device *dev, const gpu_visit *visit) {
    cu_context was;
    cu_capture_mode mode = visit->mode;
    (void)dev->cu.cuThreadExchangeStreamCaptureMode(&mode);
    (void)dev->cu.cuCtxPopCurrent_v2(&was);
}

int gpu_enter_to_free(be_device *dev, gpu_visit *visit) {
    base_trap ignored = {.armed = 0};
    for (int i = 0; i < 2; i++)
        if (!gpu_enter(dev, visit, &ignored)) return 1;
    return 0;
}

/* ---- device ------------------------------------------------------------------------------------------------------ */

/* Where the context cannot be entered any more (the process is ending, and the driver before it; or it was forked),
 * nothing of NVIDIA's is touched: its libraries crash where they are used then. */
static void gpu_close(be_device *dev) {
    if (!dev) return;
    gpu_visit visit;
    int entered = dev->context && gpu_enter_to_free(dev, &visit);
    if (entered && dev->ordered) (void)dev->cu.cuStreamSynchronize(dev->ordered);
    gpu_blas_free(dev, dev->blas, entered);
    if (entered) {
        if (dev->scratch) (void)dev->cu.cuMemFree_v2(dev->scratch);
        for (uint32_t i = 0; i < dev->n_events; i++) (void)dev->cu.cuEventDestroy_v2(dev->events[i]);
        if (dev->recorder && dev->recorder != dev->ordered) (void)dev->cu.cuStreamDestroy_v2(dev->recorder);
        if (dev->ordered && !dev->given_stream) (void)dev->cu.cuStreamDestroy_v2(dev->ordered);
        gpu_leave(dev, &visit);
    }
    if (dev->context && !dev->given_context) (void)dev->cu.cuDevicePrimaryCtxRelease_v2(dev->ordinal);
    if (dev->events) base_free(dev->alloc, dev->events, dev->events_room * sizeof *dev->events);
    gpu_nvrtc_free(dev->nvrtc);
    pthread_mutex_destroy(&dev->turn);
    base_free(dev->alloc, dev, sizeof *dev);
}

/* The device of the context that was given, else the first. */
static sn_status choose_device(be_device *dev, base_trap *err) {
    int n = 0;
    cu_driver *cu = &dev->cu;
    cu_result result = cu->cuDeviceGetCount(&n);
    if (!result && !n)
        return base_set_error(err, SN_ERR_UNAVAILABLE,
                              "GPU: the driver sees no device; is there one, and may this process see it "
                              "(CUDA_VISIBLE_DEVICES)?");
    if (result) return cu_fail(cu, err, result, "asking for devices");
    if (!dev->given_context) {
        result = cu->cuDeviceGet(&dev->ordinal, 0);
        return result ? cu_fail(cu, err, result, "asking for the device") : SN_OK;
    }
    snprintf(dev->name, sizeof dev->name, "the CUDA context that was given");
    gpu_visit visit;
    if (gpu_enter(dev, &visit, err)) return err->status;
    result = cu->cuCtxGetDevice(&dev->ordinal);
    gpu_leave(dev, &visit);
    return result ? cu_fail(cu, err, result, "asking for the device of the CUDA context that was given") : SN_OK;
}

static sn_status describe_device(be_device *dev, base_trap *err) {
    int major = 0, minor = 0, shared = 0;
    cu_driver *cu = &dev->cu;
    cu_result result = cu->cuDeviceGetName(dev->name, sizeof dev->name, dev->ordinal);
    if (!result) result = cu->cuDeviceGetAttribute(&major, CU_ATTR_MAJOR, dev->ordinal);
    if (!result) result = cu->cuDeviceGetAttribute(&minor, CU_ATTR_MINOR, dev->ordinal);
    if (!result) result = cu->cuDeviceGetAttribute(&dev->processors, CU_ATTR_PROCESSORS, dev->ordinal);
    if (!result) result = cu->cuDeviceGetAttribute(&shared, CU_ATTR_SHARED_OPTIN, dev->ordinal);
    if (result) return cu_fail(cu, err, result, "asking for the device");
    dev->cc = major * 10 + minor;
    dev->shared_limit = (size_t)shared;
    snprintf(dev->target, sizeof dev->target, "sm_%d;codegen " SINTER_CUDA_CODEGEN, dev->cc);
    return SN_OK;
}

/* The stream that was given, or one of our own. On a stream of somebody else's nothing is recorded: that of the legacy
 * default stream is forbidden, and what its owner puts there meanwhile would be recorded, too. */
static sn_status open_stream(be_device *dev, base_trap *err) {
    cu_context of = NULL;
    cu_result result = CU_OK;
    if (dev->given_stream == CU_PER_THREAD)
        return base_set_error(err, SN_ERR_ARGUMENT,
                              "GPU: the stream that was given is the per-thread default stream, another one in each "
                              "thread: give a stream that was made, or 1, the legacy default stream");
    if (dev->given_stream) {
        dev->ordered = dev->given_stream;
        if ((result = dev->cu.cuStreamGetCtx(dev->given_stream, &of)))
            return cu_fail(&dev->cu, err, result, "asking for the context of the stream that was given");
        if (of != dev->context)
            return base_set_error(
                err, SN_ERR_ARGUMENT,
                "GPU: the stream that was given belongs to another CUDA context than the one that was "
                "given");
    } else {
        result = dev->cu.cuStreamCreate(&dev->ordered, CU_NON_BLOCKING);
    }
    if (!result && dev->given_stream)
        result = dev->cu.cuStreamCreate(&dev->recorder, CU_NON_BLOCKING);
    else
        dev->recorder = dev->ordered;
    dev->stream = dev->ordered;
    return result ? cu_fail(&dev->cu, err, result, "making a stream on %s", dev->name) : SN_OK;
}

static sn_status open_context(be_device *dev, base_trap *err) {
    gpu_visit visit;
    if (!dev->given_context) {
        cu_result result = dev->cu.cuDevicePrimaryCtxRetain(&dev->context, dev->ordinal);
        int mode = 0;
        if (result) {
            cu_fail(&dev->cu, err, result, "opening %s", dev->name);
            if (dev->cu.cuDeviceGetAttribute(&mode, CU_ATTR_COMPUTE_MODE, dev->ordinal)) mode = 0;
            if (mode == CU_MODE_PROHIBITED || (mode == CU_MODE_EXCLUSIVE && result == CU_DEVICE_UNAVAILABLE))
                return base_set_error(err, SN_ERR_UNAVAILABLE,
                                      mode == CU_MODE_PROHIBITED
                                          ? "GPU: opening %s: its compute mode is prohibited, so nobody may use it "
                                            "(nvidia-smi -c DEFAULT changes that)"
                                          : "GPU: opening %s: its compute mode is exclusive, and another process has "
                                            "it",
                                      dev->name);
            return err->status;
        }
    }
    if (gpu_enter(dev, &visit, err)) return err->status;
    sn_status status = open_stream(dev, err);
    gpu_leave(dev, &visit);
    return status;
}

static sn_status gpu_open(const be_options *options, be_device **out, base_trap *err) {
    *out = NULL;
    if (options->stream && !options->context)
        return base_set_error(err, SN_ERR_ARGUMENT,
                              "GPU: a stream is given without its CUDA context: give cuda_context, too");
    be_device *dev = base_calloc(options->alloc, sizeof *dev);
    if (!dev) return base_set_error(err, SN_ERR_NOMEM, "out of memory: device");
    dev->alloc = options->alloc;
    dev->log = options->log;
    dev->tf32 = options->tf32;
    dev->context = dev->given_context = options->context;
    dev->given_stream = options->stream;
    pthread_mutex_init(&dev->turn, NULL);
    atomic_init(&dev->age, 0);
    gpu_nvrtc_init(&dev->nvrtc, dev->alloc, dev->log);
    gpu_blas_init(&dev->blas, dev->alloc, dev->log);
    sn_status status = dev->nvrtc && dev->blas ? SN_OK : base_set_error(err, SN_ERR_NOMEM, "out of memory: device");
    if (!status) status = cu_driver_open(dev->alloc, dev->log, &dev->cu, err);
    if (status)
        dev->context = NULL; /* there is no driver to ask anything of it */
    else
        gpu_nvrtc_for(dev->nvrtc, dev->cu.version);
    if (!status) status = choose_device(dev, err);
    if (!status) status = describe_device(dev, err);
    if (!status) status = open_context(dev, err);
    if (status) {
        gpu_close(dev);
        return status;
    }
    snprintf(dev->about, sizeof dev->about, "%s, compute capability %d.%d, driver for CUDA %d.%d", dev->name,
             dev->cc / 10, dev->cc % 10, dev->cu.version / 1000, dev->cu.version % 1000 / 10);
    base_logf(dev->log, SN_LOG_INFO, "GPU: %s", dev->about);
    *out = dev;
    return SN_OK;
}

static const char *gpu_target(const be_device *dev) { return dev->target; }
static const char *gpu_describe(const be_device *dev) { return dev->about; }

/* ---- compiling --------------------------------------------------------------------------------------------------- */

static sn_status gpu_compiler(be_device *dev, char text[BE_COMPILER_MAX], base_trap *err) {
    return gpu_nvrtc_version(dev->nvrtc, text, BE_COMPILER_MAX, err);
}

typedef struct {
    base_arena *arena;
    const kn_kernel *kernel; /* NULL: decoded from .. */
    const void *bytes;
    size_t n;
    const char *symbol;
    const ce_people *people;
    base_strbuf *out;
} emission;

static void emit(void *arg) {
    emission *e = arg;
    const kn_kernel *k = e->kernel ? e->kernel : kn_decode(e->arena, e->bytes, e->n);
    ce_kernel(e->arena, k, e->symbol, e->people, e->out);
}

/* Symbol names come from content: two kernels never share one by accident. */
static void symbol_of(const void *kernel, size_t n, char symbol[40]) {
    memcpy(symbol, "sk_", 3);
    base_hash_text(base_hash_bytes(kernel, n), symbol + 3);
}

static sn_status emit_source(base_alloc *alloc, emission *e, base_trap *err) {
    char symbol[40];
    base_trap trap = {.armed = 0};
    base_arena arena;
    symbol_of(e->bytes, e->n, symbol);
    base_arena_init(&arena, alloc, &trap);
    e->arena = &arena;
    e->symbol = symbol;
    sn_status status = base_protect(&trap, emit, e);
    base_arena_free(&arena);
    if (status) return base_set_error(err, status, "%s", trap.text);
    return e->out->failed ? base_set_error(err, SN_ERR_NOMEM, "out of memory: source of a kernel") : SN_OK;
}

static sn_status source_of(base_alloc *alloc, const void *kernel, size_t n, base_strbuf *out, base_trap *err) {
    emission e = {.bytes = kernel, .n = n, .out = out};
    return emit_source(alloc, &e, err);
}

sn_status gpu_source(base_alloc *alloc, const kn_kernel *kernel, kn_namer *name, void *arg, base_strbuf *out,
                     base_trap *err) {
    const ce_people people = {name, arg};
    base_strbuf key;
    base_strbuf_init(&key, alloc);
    kn_encode(kernel, &key);
    emission e = {.kernel = kernel, .bytes = key.at, .n = key.n, .people = &people, .out = out};
    sn_status status = key.failed ? base_set_error(err, SN_ERR_NOMEM, "out of memory: bytes of a kernel")
                                  : emit_source(alloc, &e, err);
    base_strbuf_free(&key);
    return status;
}

static sn_status gpu_compile(be_device *dev, const void *kernel, size_t n, be_blob *out, base_trap *err) {
    base_strbuf source, ptx, blob;
    base_strbuf_init(&source, dev->alloc);
    base_strbuf_init(&ptx, dev->alloc);
    base_strbuf_init(&blob, dev->alloc);
    *out = (be_blob){0};
    sn_status status = source_of(dev->alloc, kernel, n, &source, err);
    if (!status) status = gpu_nvrtc_compile(dev->nvrtc, source.at, "kernel.cu", dev->cc, &ptx, &blob, err);
    if (!status) {
        size_t cubin_bytes = blob.n;
        base_strbuf_add(&blob, ptx.at, ptx.n);
        gpu_blob_end(&blob, cubin_bytes, ptx.n);
        size_t bytes = blob.n;
        char *at = blob.failed ? NULL : base_malloc(dev->alloc, bytes);
        if (!at) {
            status = base_set_error(err, SN_ERR_NOMEM, "out of memory: code of a kernel");
        } else {
            memcpy(at, blob.at, bytes);
            *out = (be_blob){at, bytes};
        }
    }
    base_strbuf_free(&blob);
    base_strbuf_free(&ptx);
    base_strbuf_free(&source);
    return status;
}

static sn_status gpu_text(be_device *dev, const void *kernel, size_t n, const char *what, base_strbuf *out,
                          base_trap *err) {
    if (!strcmp(what, "cuda")) return source_of(dev->alloc, kernel, n, out, err);
    if (strcmp(what, "ptx"))
        return base_set_error(err, SN_ERR_ARGUMENT, "no text '%s' of kernels: cuda and ptx exist", what);
    base_strbuf source, ptx;
    base_strbuf_init(&source, dev->alloc);
    base_strbuf_init(&ptx, dev->alloc);
    sn_status status = source_of(dev->alloc, kernel, n, &source, err);
    if (!status) status = gpu_nvrtc_compile(dev->nvrtc, source.at, "kernel.cu", dev->cc, &ptx, NULL, err);
    if (!status && ptx.n) base_strbuf_add(out, ptx.at, ptx.n - 1); /* without its NUL */
    if (!status && out->failed) status = base_set_error(err, SN_ERR_NOMEM, "out of memory: text of a kernel");
    base_strbuf_free(&ptx);
    base_strbuf_free(&source);
    return status;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

static void unload(be_device *dev, be_exec *exec, int used) {
    gpu_visit visit;
    if (!exec) return;
    if (exec->module && gpu_enter_to_free(dev, &visit)) {
        if (used) gpu_settle(dev);
        (void)dev->cu.cuModuleUnload(exec->module);
        gpu_leave(dev, &visit);
    }
    if (exec->args) base_free(dev->alloc, exec->args, exec->bytes);
    base_free(dev->alloc, exec, sizeof *exec);
}

static void gpu_unload(be_device *dev, be_exec *exec) { unload(dev, exec, 1); }

/* A cubin, or PTX where there is none for the device, which the driver compiles: then with what that said. */
static cu_result load_image(be_device *dev, const gpu_blob *blob, cu_module *module, char log[LOG_BYTES]) {
    if (blob->cubin_bytes) return dev->cu.cuModuleLoadData(module, blob->cubin);
    cu_jit_option options[] = {CU_JIT_LOG, CU_JIT_LOG_BYTES};
    void *values[] = {log, (void *)(uintptr_t)(LOG_BYTES - 1)};
    return dev->cu.cuModuleLoadDataEx(module, blob->ptx, 2, options, values);
}

static sn_status load_module(be_device *dev, be_exec *exec, const void *blob, size_t n, const char *symbol,
                             const char *name, base_trap *err) {
    gpu_blob whole;
    gpu_visit visit;
    char log[LOG_BYTES] = "";
    if (!gpu_blob_open(&whole, blob, n)) return base_set_error(err, SN_ERR_PARSE, "GPU: code of a kernel is malformed");
    if (gpu_enter(dev, &visit, err)) return err->status;
    const char *what = "loading kernel";
    cu_result result = load_image(dev, &whole, &exec->module, log);
    if (!result) {
        what = "finding the entry of kernel";
        result = dev->cu.cuModuleGetFunction(&exec->function, exec->module, symbol);
    }
    /* Else it may be loaded when it is first started, perhaps while a call is recorded. */
    if (!result && dev->cu.cuFuncLoad) {
        what = "loading the code of kernel";
        result = dev->cu.cuFuncLoad(exec->function);
    }
    if (!result) {
        what = "shared memory of kernel";
        int fixed = 0;
        result = dev->cu.cuFuncGetAttribute(&fixed, CU_FUNC_SHARED, exec->function);
        int room = (int)dev->shared_limit - fixed;
        if (!result)
            result = dev->cu.cuFuncSetAttribute(exec->function, CU_FUNC_MAX_DYNAMIC_SHARED, room > 0 ? room : 0);
    }
    if (result) cu_fail(&dev->cu, err, result, "%s %s%s%.300s", what, name, *log ? ": " : "", log);
    gpu_leave(dev, &visit);
    return result ? err->status : SN_OK;
}

static sn_status gpu_load(be_device *dev, const kn_kernel *kernel, const void *blob, size_t n, const char *name,
                          be_exec **out, base_trap *err) {
    char symbol[40];
    *out = NULL;
    be_exec *exec = base_calloc(dev->alloc, sizeof *exec);
    base_strbuf key;
    base_strbuf_init(&key, dev->alloc);
    kn_encode(kernel, &key);
    sn_status status = SN_OK;
    if (!exec || key.failed)
        status = base_set_error(err, SN_ERR_NOMEM, "out of memory: kernel %s", name);
    else {
        symbol_of(key.at, key.n, symbol);
        exec->kernel = kernel;
        status = gpu_exec_room(dev, exec, err);
        if (!status) status = load_module(dev, exec, blob, n, symbol, name, err);
    }
    base_strbuf_free(&key);
    if (status)
        unload(dev, exec, 0); /* it may be loaded in a turn, where nobody can wait for one */
    else
        *out = exec;
    return status;
}

static sn_status gpu_reserve(be_device *dev, size_t scratch_bytes, base_trap *err) {
    (void)dev, (void)scratch_bytes, (void)err; /* gpu_prepare knows how many teams there will be */
    return SN_OK;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const char *const texts[] = {"cuda", "ptx", NULL};

const be_backend be_gpu = {
    .name = "gpu",
    .machine = KN_FOR_GPU,
    .open = gpu_open,
    .close = gpu_close,
    .target = gpu_target,
    .describe = gpu_describe,
    .compiler = gpu_compiler,
    .texts = texts,
    .compile = gpu_compile,
    .text = gpu_text,
    .source = gpu_source,
    .load = gpu_load,
    .unload = gpu_unload,
    .reserve = gpu_reserve,
    .reserve_gemm = gpu_blas_open,
    .launch = gpu_launch,
    .gemm = gpu_gemm,
    .alloc = gpu_alloc,
    .free = gpu_free,
    .remote = &gpu_remote,
};
