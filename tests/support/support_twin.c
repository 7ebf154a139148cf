/* The twin backend: interpreter and compiled code behind one seam. Compiling is put off until compiled code is asked
 * for. */
#include "support_twin.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "runtime/context.h"
#include "support_bridge.h"
#include "support_nvrtc.h"
#include "support_standin.h"

/* What the compiled code is for: SN_TWIN=gpu takes the GPU's. */
static const be_backend *real = &be_cpu;

const int support_twin_threads[SUPPORT_TWIN_DEVICES] = {1, 2, 3, 7};
static const unsigned order[SUPPORT_TWIN_DEVICES] = {0, 1, 17};
static support_standin standin;
int support_twin_on_gpu(void) { return real == &support_bridge; }
static int runs = 1;
int support_twin_runs(void) { return runs; }
int support_twin_devices(void) { return support_twin_on_gpu() ? 3 : SUPPORT_TWIN_DEVICES; }
support_twin_state support_twin;

/* Both structs are opaque to everybody else, so the real ones are held as pointers. */
struct be_device {
    base_alloc *alloc;
    be_device *interp, *cpu[SUPPORT_TWIN_DEVICES];
    size_t scratch;
};

struct be_exec {
    const kn_kernel *kernel;
    be_exec *interp, *cpu[SUPPORT_TWIN_DEVICES];
    be_blob blob;
    char name[64];
};

static void keep_error(const char *text) {
    if (!support_twin.error[0]) snprintf(support_twin.error, sizeof support_twin.error, "%s", text);
}

static void twin_close(be_device *dev) {
    if (!dev) return;
    be_interp.close(dev->interp);
    for (int i = 0; i < support_twin_devices(); i++) real->close(dev->cpu[i]);
    base_free(dev->alloc, dev, sizeof *dev);
}

static sn_status twin_open(const be_options *options, be_device **out, base_trap *err) {
    be_device *dev = base_calloc(options->alloc, sizeof *dev);
    if (!dev) return base_set_error(err, SN_ERR_NOMEM, "out of memory: a twin device");
    dev->alloc = options->alloc;
    sn_status status = be_interp.open(options, &dev->interp, err);
    for (int i = 0; i < support_twin_devices() && !status; i++) {
        be_options own = *options;
        own.threads = support_twin_threads[i];
        status = real->open(&own, &dev->cpu[i], err);
    }
    if (status)
        twin_close(dev);
    else
        *out = dev;
    return status;
}

static const char *twin_target(const be_device *dev) {
    (void)dev;
    return "twin";
}

static sn_status twin_compile(be_device *dev, const void *kernel, size_t n, be_blob *out, base_trap *err) {
    sn_status status = support_twin_runs() ? SN_OK : real->compile(dev->cpu[0], kernel, n, out, err);
    return status ? status : be_interp.compile(dev->interp, kernel, n, out, err);
}

static sn_status twin_text(be_device *dev, const void *kernel, size_t n, const char *what, base_strbuf *out,
                           base_trap *err) {
    return real->text(dev->cpu[0], kernel, n, what, out, err);
}

static void twin_unload(be_device *dev, be_exec *exec) {
    if (!exec) return;
    be_interp.unload(dev->interp, exec->interp);
    for (int i = 0; i < support_twin_devices(); i++) real->unload(dev->cpu[i], exec->cpu[i]);
    base_free(dev->alloc, exec->blob.at, exec->blob.n);
    base_free(dev->alloc, exec, sizeof *exec);
}

static sn_status twin_load(be_device *dev, const kn_kernel *kernel, const void *blob, size_t n, const char *name,
                           be_exec **out, base_trap *err) {
    be_exec *exec = base_calloc(dev->alloc, sizeof *exec);
    if (!exec) return base_set_error(err, SN_ERR_NOMEM, "out of memory: a twin kernel");
    exec->kernel = kernel;
    snprintf(exec->name, sizeof exec->name, "%.63s", name);
    sn_status status = be_interp.load(dev->interp, kernel, blob, n, name, &exec->interp, err);
    if (status)
        twin_unload(dev, exec);
    else
        *out = exec;
    return status;
}

static be_exec *compiled(be_device *dev, be_exec *exec) {
    base_trap err = {.armed = 0};
    if (!exec->blob.at) {
        base_strbuf key;
        base_strbuf_init(&key, dev->alloc);
        kn_encode(exec->kernel, &key);
        real->compile(dev->cpu[0], key.at, key.n, &exec->blob, &err);
        base_strbuf_free(&key);
        support_twin.kernels++;
    }
    be_exec **slot = &exec->cpu[support_twin.device];
    be_device *cpu = dev->cpu[support_twin.device];
    if (exec->blob.at && !*slot) real->load(cpu, exec->kernel, exec->blob.at, exec->blob.n, exec->name, slot, &err);
    if (*slot) return *slot;
    char text[512];
    snprintf(text, sizeof text, "compiling %.80s: %.400s", exec->name, err.text);
    keep_error(text);
    return NULL;
}

static sn_status twin_reserve(be_device *dev, size_t bytes, base_trap *err) {
    sn_status status = be_interp.reserve(dev->interp, bytes, err);
    for (int i = 0; i < support_twin_devices() && !status; i++) status = real->reserve(dev->cpu[i], bytes, err);
    return status;
}

static sn_status twin_reserve_gemm(be_device *dev, base_trap *err) {
    sn_status status = SN_OK;
    for (int i = 0; i < support_twin_devices() && !status; i++) status = real->reserve_gemm(dev->cpu[i], err);
    return status;
}

static void twin_launch(be_device *dev, be_exec *exec, const kn_launch *launch, const int64_t *n_chunks, size_t scratch,
                        double ns) {
    if (!support_twin.compiled) {
        be_interp.launch(dev->interp, exec->interp, launch, n_chunks, scratch, ns);
        return;
    }
    be_exec *cpu = compiled(dev, exec);
    if (support_twin_on_gpu()) standin.order(order[support_twin.device]);
    if (cpu) real->launch(dev->cpu[support_twin.device], cpu, launch, n_chunks, scratch, support_twin.split ? 1e12 : 0);
}

static void twin_gemm(be_device *dev, const be_gemm *gemm) {
    if (support_twin.compiled)
        real->gemm(dev->cpu[support_twin.device], gemm);
    else
        be_interp.gemm(dev->interp, gemm);
}

static void *twin_alloc(be_device *dev, size_t bytes) {
    void *p = real->alloc(dev->cpu[0], bytes);
    if (p) memset(p, 0xff, bytes);
    return p;
}

static void twin_free(be_device *dev, void *p, size_t bytes) {
    if (p) memset(p, 0xff, bytes);
    real->free(dev->cpu[0], p, bytes);
}

static be_backend twin = {
    .name = "twin",
    .open = twin_open,
    .close = twin_close,
    .target = twin_target,
    .compile = twin_compile,
    .text = twin_text,
    .load = twin_load,
    .unload = twin_unload,
    .reserve = twin_reserve,
    .reserve_gemm = twin_reserve_gemm,
    .launch = twin_launch,
    .gemm = twin_gemm,
    .alloc = twin_alloc,
    .free = twin_free,
};

static void keep_log(void *user, sn_log_level level, const char *message) {
    (void)user;
    if (level == SN_LOG_ERROR || level == SN_LOG_WARN)
        keep_error(message);
    else
        fprintf(stderr, "%s\n", message); /* SINTER_DUMP */
}

sn_context *support_twin_context(void) {
    sn_context_options options = {.struct_size = sizeof options, .log = keep_log};
    sn_context *ctx;
    support_twin = (support_twin_state){.compiled = 0};
    const char *which = getenv("SN_TWIN");
    real = !which                    ? &be_cpu
           : !strcmp(which, "gpu")   ? &support_bridge
           : !strcmp(which, "nvrtc") ? support_nvrtc_backend()
                                     : &be_cpu;
    runs = real == &be_cpu || real == &support_bridge;
    twin.machine = real == &be_cpu ? KN_FOR_CPU : KN_FOR_GPU;
    support_standin_open(&standin);
    ck_assert_int_eq(rt_context_open(&options, &twin, &ctx), SN_OK);
    return ctx;
}
