/* The backend that does nothing: it accepts every kernel, compiles it to an empty blob and runs none. What lies above a
 * backend can be tested and timed with it by itself; memory it hands out is real. */
#include "backend/backend.h"

struct be_device {
    base_alloc *alloc;
};

struct be_exec {
    be_device *dev;
};

static sn_status null_open(const be_options *options, be_device **out, base_trap *err) {
    be_device *dev = base_calloc(options->alloc, sizeof *dev);
    if (!dev) return base_set_error(err, SN_ERR_NOMEM, "out of memory: a null device");
    dev->alloc = options->alloc;
    *out = dev;
    return SN_OK;
}

static void null_close(be_device *dev) {
    if (dev) base_free(dev->alloc, dev, sizeof *dev);
}

static const char *null_target(const be_device *dev) {
    (void)dev;
    return "null 1";
}

static sn_status null_compile(be_device *dev, const void *kernel, size_t n, be_blob *out, base_trap *err) {
    (void)dev;
    (void)kernel;
    (void)n;
    (void)err;
    *out = (be_blob){NULL, 0};
    return SN_OK;
}

static sn_status null_text(be_device *dev, const void *kernel, size_t n, const char *what, base_strbuf *out,
                           base_trap *err) {
    (void)dev;
    (void)kernel;
    (void)n;
    (void)out;
    return base_set_error(err, SN_ERR_UNSUPPORTED, "the null backend generates no code: it has no %s text", what);
}

static sn_status null_load(be_device *dev, const kn_kernel *kernel, const void *blob, size_t n, const char *name,
                           be_exec **out, base_trap *err) {
    (void)kernel;
    (void)blob;
    (void)n;
    be_exec *exec = base_calloc(dev->alloc, sizeof *exec);
    if (!exec) return base_set_error(err, SN_ERR_NOMEM, "out of memory: loading kernel %s", name);
    exec->dev = dev;
    *out = exec;
    return SN_OK;
}

static void null_unload(be_device *dev, be_exec *exec) {
    if (exec) base_free(dev->alloc, exec, sizeof *exec);
}

static sn_status null_reserve(be_device *dev, size_t scratch_bytes, base_trap *err) {
    (void)dev;
    (void)scratch_bytes;
    (void)err;
    return SN_OK;
}

static sn_status null_reserve_gemm(be_device *dev, base_trap *err) {
    (void)dev;
    (void)err;
    return SN_OK;
}

static void null_launch(be_device *dev, be_exec *exec, const kn_launch *launch, const int64_t *n_chunks,
                        size_t scratch_bytes, double ns) {
    (void)dev;
    (void)exec;
    (void)launch;
    (void)n_chunks;
    (void)scratch_bytes;
    (void)ns;
}

static void null_gemm(be_device *dev, const be_gemm *gemm) {
    (void)dev;
    (void)gemm;
}

static void *null_alloc(be_device *dev, size_t bytes) { return base_malloc(dev->alloc, bytes); }
static void null_free(be_device *dev, void *p, size_t bytes) { base_free(dev->alloc, p, bytes); }

const be_backend be_null = {
    .name = "null",
    .open = null_open,
    .close = null_close,
    .target = null_target,
    .compile = null_compile,
    .text = null_text,
    .load = null_load,
    .unload = null_unload,
    .reserve = null_reserve,
    .reserve_gemm = null_reserve_gemm,
    .launch = null_launch,
    .gemm = null_gemm,
    .alloc = null_alloc,
    .free = null_free,
};
