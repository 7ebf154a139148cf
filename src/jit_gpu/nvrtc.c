/* NVRTC. Options that matter: no contraction (results are those of the interpreter), nothing of the process's state
 * touched (stack limit), and no look for a driver's cache: compiling needs no GPU. A kernel whose registers do not
 * suffice for as many threads as it asks room for is compiled again, for fewer: how many registers one takes is known
 * when it is compiled and differs between architectures, and what is spilled is read and written in each round. */
#include "jit_gpu/nvrtc.h"

#include <stdio.h>
#include <string.h>

#include "jit_gpu/dynlib.h"

typedef int nvrtc_result;
typedef void *nvrtc_program;
enum { NVRTC_INVALID_OPTION = 5 };

#define NVRTC_FUNCTIONS(X)                                                                                             \
    X(nvrtcVersion, (int *major, int *minor))                                                                          \
    X(nvrtcGetNumSupportedArchs, (int *n))                                                                             \
    X(nvrtcGetSupportedArchs, (int *archs))                                                                            \
    X(nvrtcCreateProgram, (nvrtc_program * program, const char *source, const char *name, int n_headers,               \
                           const char *const *headers, const char *const *header_names))                               \
    X(nvrtcDestroyProgram, (nvrtc_program * program))                                                                  \
    X(nvrtcCompileProgram, (nvrtc_program program, int n_options, const char *const *options))                         \
    X(nvrtcGetPTXSize, (nvrtc_program program, size_t * bytes))                                                        \
    X(nvrtcGetPTX, (nvrtc_program program, char *to))                                                                  \
    X(nvrtcGetCUBINSize, (nvrtc_program program, size_t * bytes))                                                      \
    X(nvrtcGetCUBIN, (nvrtc_program program, char *to))                                                                \
    X(nvrtcGetProgramLogSize, (nvrtc_program program, size_t * bytes))                                                 \
    X(nvrtcGetProgramLog, (nvrtc_program program, char *to))

struct gpu_nvrtc {
    base_alloc *alloc;
    const base_log *log;
    pthread_mutex_t opening;
    _Atomic int is_open;
    int driver, major, minor, n_archs, archs[NVRTC_MAX_ARCHS];
    const char *(*error_string)(nvrtc_result);
#define MEMBER(name, arguments) nvrtc_result(*name) arguments;
    NVRTC_FUNCTIONS(MEMBER)
#undef MEMBER
};

void gpu_nvrtc_init(gpu_nvrtc **out, base_alloc *alloc, const base_log *log) {
    gpu_nvrtc *n = *out = base_calloc(alloc, sizeof *n);
    if (!n) return;
    n->alloc = alloc;
    n->log = log;
    pthread_mutex_init(&n->opening, NULL);
    atomic_init(&n->is_open, 0);
}

void gpu_nvrtc_free(gpu_nvrtc *n) {
    if (!n) return;
    pthread_mutex_destroy(&n->opening);
    base_free(n->alloc, n, sizeof *n);
}

void gpu_nvrtc_for(gpu_nvrtc *n, int driver) { n->driver = driver; }

static sn_status fail(const gpu_nvrtc *n, base_trap *err, nvrtc_result result, const char *what) {
    return base_set_error(err, SN_ERR_COMPILE, "NVRTC: %s: %s (%d)", what, n->error_string(result), result);
}

static sn_status open_library(gpu_nvrtc *n, base_trap *err) {
    gpu_names names;
    const gpu_symbol symbols[] = {
#define ROW(name, arguments) {#name, (void **)&n->name, 0},
        NVRTC_FUNCTIONS(ROW)
#undef ROW
            {"nvrtcGetErrorString", (void **)&n->error_string, 0}};
    base_strbuf path;
    base_strbuf_init(&path, n->alloc);
    gpu_toolkit_names("libnvrtc.so", n->driver, &names);
    void *library = gpu_dynlib_open(n->alloc, "CUDA compiler", names.name, "libnvrtc-builtins.so.*", 0, &path, err);
    sn_status status =
        library ? gpu_dynlib_symbols(library, "NVRTC", symbols, sizeof symbols / sizeof *symbols, err) : err->status;
    nvrtc_result result = 0;
    if (!status &&
        ((result = n->nvrtcVersion(&n->major, &n->minor)) || (result = n->nvrtcGetNumSupportedArchs(&n->n_archs))))
        status = fail(n, err, result, "its version");
    if (!status && (n->n_archs < 1 || n->n_archs > NVRTC_MAX_ARCHS))
        status = base_set_error(err, SN_ERR_UNAVAILABLE, "NVRTC knows %d architectures", n->n_archs);
    if (!status && (result = n->nvrtcGetSupportedArchs(n->archs))) status = fail(n, err, result, "its architectures");
    if (!status) base_logf(n->log, SN_LOG_INFO, "CUDA compiler: %s, NVRTC %d.%d", path.at, n->major, n->minor);
    if (!status && n->driver && n->major > n->driver / 1000)
        base_logf(
            n->log, SN_LOG_WARN,
            "CUDA compiler: NVRTC %d.%d makes code that the driver, which is for CUDA %d.%d, may not take: update "
            "the driver, or install NVRTC %d",
            n->major, n->minor, n->driver / 1000, n->driver % 1000 / 10, n->driver / 1000);
    base_strbuf_free(&path);
    return status;
}

static sn_status ensure_open(gpu_nvrtc *n, base_trap *err) {
    if (atomic_load_explicit(&n->is_open, memory_order_acquire)) return SN_OK;
    pthread_mutex_lock(&n->opening);
    sn_status status = atomic_load_explicit(&n->is_open, memory_order_relaxed) ? SN_OK : open_library(n, err);
    if (!status) atomic_store_explicit(&n->is_open, 1, memory_order_release);
    pthread_mutex_unlock(&n->opening);
    return status;
}

sn_status gpu_nvrtc_version(gpu_nvrtc *n, char *text, size_t size, base_trap *err) {
    sn_status status = ensure_open(n, err);
    if (!status) snprintf(text, size, "NVRTC %d.%d", n->major, n->minor);
    return status;
}

sn_status gpu_nvrtc_archs(gpu_nvrtc *n, int archs[NVRTC_MAX_ARCHS], int *count, base_trap *err) {
    sn_status status = ensure_open(n, err);
    if (status) return status;
    memcpy(archs, n->archs, sizeof n->archs);
    *count = n->n_archs;
    return SN_OK;
}

/* The compiler's messages, as far as a sentence can hold them: the first lines tell most. */
static sn_status compile_error(const gpu_nvrtc *n, nvrtc_program program, nvrtc_result result, base_trap *err) {
    size_t bytes = 0;
    char *log = NULL;
    if (!n->nvrtcGetProgramLogSize(program, &bytes) && bytes) log = base_calloc(n->alloc, bytes + 1);
    if (log) (void)n->nvrtcGetProgramLog(program, log);
    base_set_error(err, SN_ERR_COMPILE, "NVRTC: %s (%d): %.800s", n->error_string(result), result,
                   log ? log : "no log");
    if (log) base_free(n->alloc, log, bytes + 1);
    return err->status;
}

static sn_status take(const gpu_nvrtc *n, nvrtc_program program, base_strbuf *to,
                      nvrtc_result (*size)(nvrtc_program, size_t *), nvrtc_result (*get)(nvrtc_program, char *),
                      base_trap *err) {
    size_t bytes = 0;
    nvrtc_result result = size(program, &bytes);
    if (result) return fail(n, err, result, "size of the code");
    char *at = base_malloc(n->alloc, bytes + 1);
    if (!at) return base_set_error(err, SN_ERR_NOMEM, "out of memory: %zu bytes of GPU code", bytes);
    if (bytes && (result = get(program, at)))
        fail(n, err, result, "the code");
    else
        base_strbuf_add(to, at, bytes);
    base_free(n->alloc, at, bytes + 1);
    if (!result && to->failed) return base_set_error(err, SN_ERR_NOMEM, "out of memory: %zu bytes of GPU code", bytes);
    return result ? err->status : SN_OK;
}

/* With every option, or those alone that each version knows. */
enum { ALL_OPTIONS = 7, OLD_OPTIONS = 3 };

static nvrtc_result compile_with(gpu_nvrtc *n, nvrtc_program *program, const char *source, const char *name,
                                 const char *const *options, int n_options, base_trap *err) {
    *program = NULL;
    nvrtc_result result = n->nvrtcCreateProgram(program, source, name, 0, NULL, NULL);
    if (result) {
        fail(n, err, result, "a new program");
        return result;
    }
    result = n->nvrtcCompileProgram(*program, n_options, options);
    if (result == NVRTC_INVALID_OPTION && n_options > OLD_OPTIONS) {
        (void)n->nvrtcDestroyProgram(program);
        return compile_with(n, program, source, name, options, OLD_OPTIONS, err);
    }
    if (result) compile_error(n, *program, result, err);
    return result;
}

/* Has the compiler warned of spilled registers? It does for an architecture alone, not where it leaves PTX. */
static int has_spilled(const gpu_nvrtc *n, nvrtc_program program) {
    size_t bytes = 0;
    if (n->nvrtcGetProgramLogSize(program, &bytes) || bytes < 2) return 0;
    char *log = base_calloc(n->alloc, bytes + 1);
    int spilled = log && !n->nvrtcGetProgramLog(program, log) && strstr(log, "spill");
    if (log) base_free(n->alloc, log, bytes + 1);
    return spilled;
}

sn_status gpu_nvrtc_compile(gpu_nvrtc *n, const char *source, const char *name, int cc, base_strbuf *ptx,
                            base_strbuf *cubin, base_trap *err) {
    sn_status status = ensure_open(n, err);
    if (status) return status;
    int arch = 0;
    for (int i = 0; i < n->n_archs; i++)
        if (n->archs[i] <= cc && n->archs[i] > arch) arch = n->archs[i];
    if (!arch)
        return base_set_error(err, SN_ERR_UNSUPPORTED,
                              "NVRTC %d.%d does not compile for compute capability %d.%d; its oldest is %d.%d",
                              n->major, n->minor, cc / 10, cc % 10, n->archs[0] / 10, n->archs[0] % 10);
    int same_major = arch / 10 == cc / 10;
    char option[48];
    snprintf(option, sizeof option, "--gpu-architecture=%s_%d", same_major ? "sm" : "compute", arch);
    const char *const options[ALL_OPTIONS + 1] = {
        option,
        "--std=c++17",
        "--fmad=false",
        "--no-cache",
        "-modify-stack-limit=false",
        "--diag-suppress=39,177,179,550", /* not used; rests of empty extents */
        "--ptxas-options=-warn-spills",
        GPU_NVRTC_FEWER};
    nvrtc_program program;
    nvrtc_result result = compile_with(n, &program, source, name, options, ALL_OPTIONS, err);
    if (!result && has_spilled(n, program)) {
        (void)n->nvrtcDestroyProgram(&program);
        result = compile_with(n, &program, source, name, options, ALL_OPTIONS + 1, err);
    }
    if (result) status = err->status;
    if (!status && ptx) status = take(n, program, ptx, n->nvrtcGetPTXSize, n->nvrtcGetPTX, err);
    if (!status && cubin && same_major) status = take(n, program, cubin, n->nvrtcGetCUBINSize, n->nvrtcGetCUBIN, err);
    if (program) (void)n->nvrtcDestroyProgram(&program);
    return status;
}
