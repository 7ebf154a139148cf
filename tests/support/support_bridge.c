/* Launches and products of the GPU backend on host memory: what they touch is copied there and back. */
#include "support_bridge.h"

#include <check.h>
#include <stdlib.h>

struct be_exec {
    const kn_kernel *kernel;
    be_exec *real;
};

/* The device is the real one's; its struct is opaque here. */
static sn_status bridge_open(const be_options *options, be_device **out, base_trap *err) {
    return be_gpu.open(options, out, err);
}
static void bridge_close(be_device *dev) { be_gpu.close(dev); }
static const char *bridge_target(const be_device *dev) { return be_gpu.target(dev); }
static sn_status bridge_compile(be_device *dev, const void *kernel, size_t n, be_blob *out, base_trap *err) {
    return be_gpu.compile(dev, kernel, n, out, err);
}
static sn_status bridge_text(be_device *dev, const void *kernel, size_t n, const char *what, base_strbuf *out,
                             base_trap *err) {
    return be_gpu.text(dev, kernel, n, what, out, err);
}

static sn_status bridge_load(be_device *dev, const kn_kernel *kernel, const void *blob, size_t n, const char *name,
                             be_exec **out, base_trap *err) {
    be_exec *exec = calloc(1, sizeof *exec);
    *out = NULL;
    if (!exec) return base_set_error(err, SN_ERR_NOMEM, "out of memory: a kernel");
    exec->kernel = kernel;
    sn_status status = be_gpu.load(dev, kernel, blob, n, name, &exec->real, err);
    if (status)
        free(exec);
    else
        *out = exec;
    return status;
}

static void bridge_unload(be_device *dev, be_exec *exec) {
    if (!exec) return;
    be_gpu.unload(dev, exec->real);
    free(exec);
}

static sn_status bridge_reserve(be_device *dev, size_t bytes, base_trap *err) {
    return be_gpu.reserve(dev, bytes, err);
}
static sn_status bridge_reserve_gemm(be_device *dev, base_trap *err) { return be_gpu.reserve_gemm(dev, err); }

static void finish(be_device *dev) {
    base_trap err = {.armed = 0};
    if (be_gpu.remote->finish(dev, 1, &err)) ck_abort_msg("%s", err.text);
}

static void begin(be_device *dev) {
    base_trap err = {.armed = 0};
    if (be_gpu.remote->begin(dev, &err)) ck_abort_msg("%s", err.text);
}

/* Bytes of a memory: partials are of the part that leaves them. */
static size_t bytes_of(const kn_kernel *k, kn_id m, const int64_t *dim, const int64_t *n_chunks) {
    int64_t count = kn_size_value(k->mem[m].count, dim), chunks = 1;
    if (k->mem[m].space == KN_PART)
        for (uint32_t p = 0; p < k->n_part; p++)
            for (kn_id i = k->phase[k->part[p].first_phase].first; i < k->phase[k->part[p].end_phase - 1].end; i++)
                for (uint32_t which = 0; which < KN_ACCESSES; which++) {
                    kn_id access = kn_access_at(&k->inst[i], which);
                    if (access != KN_NONE && k->access[access].mem == m) chunks = n_chunks[p];
                }
    return count > 0 ? (size_t)(count * chunks) * sn_dtype_size((sn_dtype)k->mem[m].store) : 0;
}

static void bridge_launch(be_device *dev, be_exec *exec, const kn_launch *launch, const int64_t *n_chunks,
                          size_t scratch_bytes, double ns) {
    const kn_kernel *k = exec->kernel;
    base_trap err = {.armed = 0};
    void **there = calloc((size_t)k->n_mem + 1, sizeof *there);
    size_t *bytes = calloc((size_t)k->n_mem + 1, sizeof *bytes);
    ck_assert(there && bytes);
    for (kn_id m = 0; m < k->n_mem; m++) {
        if (k->mem[m].space == KN_ROW || !launch->mem[m]) continue;
        bytes[m] = bytes_of(k, m, launch->dim, n_chunks);
        if (bytes[m]) ck_assert_ptr_nonnull(there[m] = be_gpu.alloc(dev, bytes[m]));
    }
    const kn_launch remote = {there, launch->dim, launch->scalar};
    if (be_gpu.remote->prepare(dev, exec->real, &remote, n_chunks, &err)) ck_abort_msg("%s", err.text);
    begin(dev);
    for (kn_id m = 0; m < k->n_mem; m++) be_gpu.remote->write(dev, there[m], launch->mem[m], bytes[m]);
    be_gpu.launch(dev, exec->real, &remote, n_chunks, scratch_bytes, ns);
    for (kn_id m = 0; m < k->n_mem; m++)
        if (k->mem[m].space != KN_IN) be_gpu.remote->read(dev, launch->mem[m], there[m], bytes[m]);
    finish(dev);
    for (kn_id m = 0; m < k->n_mem; m++)
        if (there[m]) be_gpu.free(dev, there[m], bytes[m]);
    free(bytes);
    free(there);
}

static void bridge_gemm(be_device *dev, const be_gemm *g) {
    size_t batch = (size_t)(g->batch > 1 ? g->batch : 1), size = sn_dtype_size(g->dtype) * batch,
           to = sn_dtype_size(be_gemm_to(g)), a = (size_t)(g->m * g->k) * size, b = (size_t)(g->k * g->n) * size,
           c = (size_t)(g->m * g->n) * to * batch, row = g->row ? (size_t)g->n * to : 1;
    void *at_a = be_gpu.alloc(dev, a + 1), *at_b = be_gpu.alloc(dev, b + 1), *at_c = be_gpu.alloc(dev, c),
         *at_row = be_gpu.alloc(dev, row);
    ck_assert(at_a && at_b && at_c && at_row);
    base_trap err = {.armed = 0};
    be_gemm there = *g;
    there.a = at_a;
    there.b = at_b;
    there.c = at_c;
    if (g->row) there.row = at_row;
    ck_assert_msg(!be_gpu.remote->prepare_gemm(dev, &there, &err), "%s", err.text);
    begin(dev);
    be_gpu.remote->write(dev, at_a, g->a, a);
    be_gpu.remote->write(dev, at_b, g->b, b);
    if (g->row) be_gpu.remote->write(dev, at_row, g->row, row);
    be_gpu.gemm(dev, &there);
    be_gpu.remote->read(dev, g->c, at_c, c);
    finish(dev);
    be_gpu.remote->forget_gemm(dev, &there);
    be_gpu.free(dev, at_a, a);
    be_gpu.free(dev, at_b, b);
    be_gpu.free(dev, at_c, c);
    be_gpu.free(dev, at_row, row);
}

static void *bridge_alloc(be_device *dev, size_t bytes) {
    (void)dev;
    return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
}
static void bridge_free(be_device *dev, void *p, size_t bytes) {
    (void)dev, (void)bytes;
    free(p);
}

const be_backend support_bridge = {
    .name = "bridge",
    .open = bridge_open,
    .close = bridge_close,
    .target = bridge_target,
    .compile = bridge_compile,
    .text = bridge_text,
    .load = bridge_load,
    .unload = bridge_unload,
    .reserve = bridge_reserve,
    .reserve_gemm = bridge_reserve_gemm,
    .launch = bridge_launch,
    .gemm = bridge_gemm,
    .alloc = bridge_alloc,
    .free = bridge_free,
};
