/* The CPU backend: kernels become objects through the compiler plug-in, objects become code through our loader,
 * launches run on our threads (or the host's), products on a CBLAS library.
 *
 * A launch is cut into ranges of chunks. Which thread runs which range decides no bit of the result: chunks are
 * independent and their number is a function of extents alone. */
#define _GNU_SOURCE
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "base/env.h"
#include "base/hash.h"
#include "jit_cpu/blas.h"
#include "jit_cpu/compiler.h"
#include "jit_cpu/cores.h"
#include "jit_cpu/cpuid.h"
#include "jit_cpu/debug.h"
#include "jit_cpu/loader.h"
#include "jit_cpu/pool.h"
#include "jit_cpu/scratch.h"

/* Ranges per thread: some threads start late, some chunks take longer. But a range that takes less time than this
 * (estimated) is mostly entry phases. */
enum { RANGES_PER_THREAD = 4, RANGE_NS = 20000 };

struct be_device {
    base_alloc *alloc;
    const base_log *log;
    cpu_level level;
    int orc; /* code is linked by ORC and not by our loader */
    char target[64];
    cpu_pool *pool;
    cpu_scratch *scratch;
    cpu_blas *blas;
    cpu_compiler compiler;
};

struct be_exec {
    const kn_kernel *kernel; /* borrowed */
    kn_code run;
    cpu_code code;    /* our loader: owned */
    cpu_debug *debug; /* may be NULL */
    void *orc;        /* ORC: owned */
    void (*orc_release)(void *);
};

/* ---- device ------------------------------------------------------------------------------------------------------ */

static void cpu_close(be_device *dev) {
    if (!dev) return;
    cpu_compiler_free(&dev->compiler);
    cpu_blas_free(dev->blas);
    cpu_scratch_free(dev->scratch);
    cpu_pool_free(dev->pool);
    base_free(dev->alloc, dev, sizeof *dev);
}

static sn_status cpu_open(const be_options *options, be_device **out, base_trap *err) {
    *out = NULL;
    cpu_id id = cpu_id_read();
    cpu_level level;
    const char *loader = base_env(BASE_ENV_SINTER_LOADER);
    if (cpu_level_choose(cpu_id_level(&id), base_env(BASE_ENV_SINTER_CPU), &level, err)) return err->status;
    if (loader && strcmp(loader, "own") && strcmp(loader, "orc"))
        return base_set_error(err, SN_ERR_ARGUMENT, "SINTER_LOADER is '%s', expected own or orc", loader);
    be_device *dev = base_calloc(options->alloc, sizeof *dev);
    if (!dev) return base_set_error(err, SN_ERR_NOMEM, "out of memory: device");
    dev->alloc = options->alloc;
    dev->log = options->log;
    dev->level = level;
    dev->orc = loader && !strcmp(loader, "orc");
    snprintf(dev->target, sizeof dev->target, "x86-64-v%d;codegen " SINTER_LLVM_CODEGEN, (int)level);
    cpu_compiler_init(&dev->compiler, options->log);
    int cores = cpu_cores(), threads = options->threads > 0 ? options->threads : cores;
    /* Host threads that launch at the same time each need scratch besides the pool's; more of them than processors
     * wait. */
    if (cpu_pool_new(dev->alloc, threads, options->pool, &dev->pool, err) ||
        cpu_scratch_new(dev->alloc, cpu_pool_threads(dev->pool) + cores, &dev->scratch, err) ||
        cpu_blas_new(dev->alloc, dev->log, dev->pool, level, &dev->blas, err)) {
        cpu_close(dev);
        return err->status;
    }
    *out = dev;
    return SN_OK;
}

static const char *cpu_target(const be_device *dev) { return dev->target; }

static void *cpu_alloc(be_device *dev, size_t bytes) { return base_malloc(dev->alloc, bytes); }

static void cpu_free(be_device *dev, void *p, size_t bytes) { base_free(dev->alloc, p, bytes); }

/* ---- compiling --------------------------------------------------------------------------------------------------- */

static void *counted_realloc(void *user, void *p, size_t old_size, size_t new_size) {
    return base_realloc(user, p, old_size, new_size);
}

/* Asks the plug-in. Symbol names come from content: two kernels never share one by accident. want: the fields of the
 * request that are not the same for all. */
static sn_status ask(be_device *dev, const void *kernel, size_t n, const sinter_llvm_request *want,
                     sinter_llvm_result *result, base_trap *err) {
    sinter_llvm_compile_fn *compile;
    if (cpu_compiler_open(&dev->compiler, &compile, err)) return err->status;
    char symbol[40] = "sk_", level[8];
    base_hash_text(base_hash_bytes(kernel, n), symbol + 3);
    snprintf(level, sizeof level, "v%d", (int)dev->level);
    sinter_llvm_request request = {
        .struct_size = sizeof request,
        .abi = SINTER_LLVM_ABI,
        .codegen = SINTER_LLVM_CODEGEN,
        .want = want->want,
        .lines = want->lines,
        .object = want->object,
        .object_size = want->object_size,
        .kernel = kernel,
        .kernel_size = n,
        .symbol = symbol,
        .level = level,
        .allocator = {counted_realloc, dev->alloc},
    };
    sn_status status = compile(&request, result);
    return status ? base_set_error(err, status, "%s", result->text) : SN_OK;
}

/* The plug-in tells its version with every answer, also when it is asked for nothing. */
static sn_status cpu_compiler_text(be_device *dev, char text[BE_COMPILER_MAX], base_trap *err) {
    sinter_llvm_compile_fn *compile;
    sinter_llvm_request nothing = {.struct_size = sizeof nothing, .abi = SINTER_LLVM_ABI};
    sinter_llvm_result result = {0};
    if (cpu_compiler_open(&dev->compiler, &compile, err)) return err->status;
    (void)compile(&nothing, &result);
    snprintf(text, BE_COMPILER_MAX, "LLVM %s", result.llvm);
    return SN_OK;
}

static sn_status cpu_compile(be_device *dev, const void *kernel, size_t n, be_blob *out, base_trap *err) {
    sinter_llvm_result result = {0};
    *out = (be_blob){0};
    if (ask(dev, kernel, n, &(sinter_llvm_request){.want = SINTER_LLVM_OBJECT}, &result, err)) return err->status;
    *out = (be_blob){result.bytes, result.n};
    return SN_OK;
}

static sn_status cpu_text(be_device *dev, const void *kernel, size_t n, const char *what, base_strbuf *out,
                          base_trap *err) {
    static const struct {
        const char *what;
        sinter_llvm_want want;
        uint32_t lines;
    } texts[] = {{"llvm", SINTER_LLVM_IR, 0},
                 {"asm", SINTER_LLVM_ASM, 0},
                 {"llvm lines", SINTER_LLVM_IR, 1},
                 {"asm lines", SINTER_LLVM_ASM, 1},
                 {"object lines", SINTER_LLVM_OBJECT, 1}};
    size_t i = 0, n_texts = sizeof texts / sizeof *texts;
    while (i < n_texts && strcmp(texts[i].what, what)) i++;
    if (i == n_texts) return base_set_error(err, SN_ERR_ARGUMENT, "no text '%s' of kernels: llvm and asm exist", what);
    sinter_llvm_result result = {0};
    const sinter_llvm_request want = {.want = texts[i].want, .lines = texts[i].lines};
    if (ask(dev, kernel, n, &want, &result, err)) return err->status;
    int ends_in_nul = texts[i].want != SINTER_LLVM_OBJECT && result.n;
    base_strbuf_add(out, result.bytes, result.n - (size_t)ends_in_nul);
    base_free(dev->alloc, result.bytes, result.n);
    return out->failed ? base_set_error(err, SN_ERR_NOMEM, "out of memory: text of a kernel") : SN_OK;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

static void cpu_unload(be_device *dev, be_exec *exec) {
    if (!exec) return;
    if (exec->orc) exec->orc_release(exec->orc);
    cpu_debug_remove(dev->alloc, exec->debug);
    cpu_unlink(&exec->code);
    base_free(dev->alloc, exec, sizeof *exec);
}

static sn_status load_own(be_device *dev, be_exec *exec, const base_strbuf *key, const void *blob, size_t n,
                          const char *name, base_trap *err) {
    char symbol[40] = "sk_";
    uint64_t where[BASE_ELF_MAX_SECTIONS];
    base_hash_text(base_hash_bytes(key->at, key->n), symbol + 3);
    if (cpu_link(blob, n, symbol, &exec->code, where, err)) return err->status;
    memcpy(&exec->run, &exec->code.entry, sizeof exec->run);
    exec->debug = cpu_debug_add(dev->alloc, blob, n, where, name);
    return SN_OK;
}

/* The same object, linked by ORC: to compare with, and for debugging of our loader. */
static sn_status load_orc(be_device *dev, be_exec *exec, const base_strbuf *key, const void *blob, size_t n,
                          base_trap *err) {
    sinter_llvm_result result = {0};
    const sinter_llvm_request want = {.want = SINTER_LLVM_LINK, .object = blob, .object_size = n};
    if (ask(dev, key->at, key->n, &want, &result, err)) return err->status;
    memcpy(&exec->run, &result.address, sizeof exec->run);
    exec->orc = result.handle;
    exec->orc_release = result.release;
    return SN_OK;
}

static sn_status cpu_load(be_device *dev, const kn_kernel *kernel, const void *blob, size_t n, const char *name,
                          be_exec **out, base_trap *err) {
    *out = NULL;
    be_exec *exec = base_calloc(dev->alloc, sizeof *exec);
    base_strbuf key;
    base_strbuf_init(&key, dev->alloc);
    kn_encode(kernel, &key);
    sn_status status;
    if (!exec || key.failed)
        status = base_set_error(err, SN_ERR_NOMEM, "out of memory: kernel %s", name);
    else
        status = dev->orc ? load_orc(dev, exec, &key, blob, n, err) : load_own(dev, exec, &key, blob, n, name, err);
    base_strbuf_free(&key);
    if (!exec || status) {
        cpu_unload(dev, exec);
        return status;
    }
    exec->kernel = kernel;
    *out = exec;
    return SN_OK;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static sn_status cpu_reserve(be_device *dev, size_t scratch_bytes, base_trap *err) {
    return cpu_scratch_reserve(dev->scratch, scratch_bytes, err);
}

static sn_status cpu_reserve_gemm(be_device *dev, base_trap *err) { return cpu_blas_open(dev->blas, err); }

typedef struct {
    be_device *dev;
    const be_exec *exec;
    const kn_launch *launch;
    const int64_t *n_chunks;
    int64_t ranges;
    int wants_scratch;
} work;

/* Range i has the i-th share of the chunks of each part: what two launches do with the same rows is done by the same
 * thread. Where a part has fewer chunks than there are ranges, the parts take turns. */
static int64_t range_start(const work *w, uint32_t part, int64_t i) {
    if (w->ranges == 1) return w->n_chunks[part] * i;
    return (w->n_chunks[part] * i + part % w->ranges) / w->ranges;
}

static void run_range(void *arg, int64_t i) {
    const work *w = arg;
    int slot = 0;
    void *scratch = w->wants_scratch ? cpu_scratch_take(w->dev->scratch, &slot) : NULL;
    uint32_t fp = cpu_fp_enter();
    for (uint32_t part = 0; part < w->exec->kernel->n_part; part++) {
        int64_t at = range_start(w, part, i), end = range_start(w, part, i + 1);
        if (at < end) w->exec->run(w->launch, part, at, end, scratch);
    }
    cpu_fp_leave(fp);
    if (w->wants_scratch) cpu_scratch_give(w->dev->scratch, slot);
}

/* Who takes part, and in how many ranges. Arithmetic, whose traces the host must not find in its floating-point flags.
 */
static cpu_crew split(work *w, double ns) {
    uint32_t fp = cpu_fp_enter();
    cpu_crew crew = cpu_pool_crew(w->dev->pool, ns);
    if (crew != CPU_ALONE) {
        int64_t threads = cpu_pool_threads(w->dev->pool), total = 0;
        for (uint32_t part = 0; part < w->exec->kernel->n_part; part++) total += w->n_chunks[part];
        double each = ns / (double)(threads * RANGE_NS);
        w->ranges = threads * (each < 1 ? 1 : each > RANGES_PER_THREAD ? RANGES_PER_THREAD : (int64_t)each);
        if (w->ranges > total) w->ranges = total ? total : 1;
    }
    cpu_fp_leave(fp);
    return crew;
}

static void cpu_launch(be_device *dev, be_exec *exec, const kn_launch *launch, const int64_t *n_chunks,
                       size_t scratch_bytes, double ns) {
    work w = {dev, exec, launch, n_chunks, 1, scratch_bytes != 0};
    cpu_crew crew = ns > CPU_SHORT_NS ? split(&w, ns) : CPU_ALONE;
    cpu_pool_for(dev->pool, crew, w.ranges, run_range, &w);
}

static void cpu_gemm(be_device *dev, const be_gemm *gemm) { cpu_blas_gemm(dev->blas, gemm); }

static const char *const cpu_texts[] = {"llvm", "asm", NULL};

const be_backend be_cpu = {
    .name = "cpu",
    .split_ns = CPU_SHORT_NS,
    .open = cpu_open,
    .close = cpu_close,
    .target = cpu_target,
    .compiler = cpu_compiler_text,
    .compile = cpu_compile,
    .texts = cpu_texts,
    .text = cpu_text,
    .load = cpu_load,
    .unload = cpu_unload,
    .reserve = cpu_reserve,
    .reserve_gemm = cpu_reserve_gemm,
    .launch = cpu_launch,
    .gemm = cpu_gemm,
    .alloc = cpu_alloc,
    .free = cpu_free,
};
