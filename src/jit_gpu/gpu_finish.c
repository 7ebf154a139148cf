/* Adding a row to a product and taking relu of it: kernel IR over rows and columns in place, compiled by the backend
 * like any other kernel, but neither looked up in the kernel cache nor kept there: few products need it. */
#include "jit_gpu/gpu_finish.h"

#include <string.h>

#include "ir/kernel_build.h"

enum { TILE = 128, TEAM = 32, CHUNKS = 8192, TYPES = SN_BF16 + 1 };

typedef struct {
    base_arena arena;
    kn_kernel *kernel; /* NULL: not made yet */
    be_exec *exec;
} finisher;

struct gpu_finish {
    base_alloc *alloc;
    finisher of[TYPES][2][2]; /* type; is there a row; is there relu */
};

gpu_finish *gpu_finish_new(base_alloc *alloc) {
    gpu_finish *f = base_calloc(alloc, sizeof *f);
    if (f) f->alloc = alloc;
    return f;
}

static void drop(be_device *dev, finisher *f) {
    be_gpu.unload(dev, f->exec);
    if (f->kernel) base_arena_free(&f->arena);
    memset(f, 0, sizeof *f);
}

void gpu_finish_free(be_device *dev, gpu_finish *finish) {
    if (!finish) return;
    for (size_t i = 0; i < TYPES * 2 * 2; i++) drop(dev, &finish->of[0][0][0] + i);
    base_free(finish->alloc, finish, sizeof *finish);
}

typedef struct {
    base_arena *arena;
    sn_dtype dtype;
    int row, relu;
    kn_kernel *kernel;
} making;

/* c[n0, n1] = relu(c[n0, n1] + row[n1]) */
static void make(void *arg) {
    making *m = arg;
    sn_dtype type = m->dtype == SN_F64 ? SN_F64 : SN_F32;
    kn_build b;
    kn_build_init(&b, m->arena);
    b.n_dim = 3; /* rows, columns, elements */
    kn_id axis[2] = {kn_add_axis(&b, KN_POINT, KN_D(0)), kn_add_axis(&b, KN_POINT, KN_D(1))};
    kn_access c = kn_access_of(kn_add_mem(&b, KN_INOUT, m->dtype, KN_D(2), "c")), row = {0};
    kn_access_step(&c, axis[0], KN_D(1));
    kn_access_step(&c, axis[1], KN_C(1));
    if (m->row) {
        row = kn_access_of(kn_add_mem(&b, KN_IN, m->dtype, KN_D(1), "row"));
        kn_access_step(&row, axis[1], KN_C(1));
    }
    kn_part_begin(&b, 2, axis, TILE, 1, CHUNKS);
    kn_part_team(&b, TEAM);
    kn_phase_begin(&b, 0, 0, NULL, axis[1], TILE, 1);
    kn_id value = kn_load(&b, m->dtype, c);
    if (m->row) value = kn_prim2(&b, KP_ADD, type, value, kn_load(&b, m->dtype, row));
    if (m->relu) value = kn_prim2(&b, KP_MAX, type, value, kn_const_f(&b, type, 0));
    kn_store(&b, c, value);
    kn_phase_end(&b);
    kn_part_end(&b);
    m->kernel = kn_build_finish(&b);
}

static finisher *finisher_of(gpu_finish *finish, const be_gemm *g) {
    return &finish->of[be_gemm_to(g)][g->row != NULL][g->relu != 0];
}

static sn_status load(be_device *dev, finisher *f, base_trap *err) {
    be_blob blob = {0};
    base_strbuf bytes;
    base_strbuf_init(&bytes, dev->alloc);
    kn_encode(f->kernel, &bytes);
    sn_status status = bytes.failed ? base_set_error(err, SN_ERR_NOMEM, "out of memory: the end of a matrix product")
                                    : be_gpu.compile(dev, bytes.at, bytes.n, &blob, err);
    if (!status) status = be_gpu.load(dev, f->kernel, blob.at, blob.n, "end of a matrix product", &f->exec, err);
    if (blob.at) base_free(dev->alloc, blob.at, blob.n);
    base_strbuf_free(&bytes);
    return status;
}

sn_status gpu_finish_prepare(be_device *dev, gpu_finish *finish, const be_gemm *g, base_trap *err) {
    finisher *f = finisher_of(finish, g);
    if (f->exec) return SN_OK;
    base_trap trap = {.armed = 0};
    base_arena_init(&f->arena, dev->alloc, &trap);
    making m = {&f->arena, be_gemm_to(g), g->row != NULL, g->relu, NULL};
    sn_status status = base_protect(&trap, make, &m);
    if (status) {
        base_arena_free(&f->arena);
        return base_set_error(err, status, "%s", trap.text);
    }
    f->kernel = m.kernel;
    status = load(dev, f, err);
    if (status) drop(dev, f);
    return status;
}

void gpu_finish_run(be_device *dev, gpu_finish *finish, const be_gemm *g) {
    if (gpu_finish_prepare(dev, finish, g, &dev->failed)) return;
    const finisher *f = finisher_of(finish, g);
    const int64_t rows = g->m * (g->batch > 1 ? g->batch : 1), dim[] = {rows, g->n, rows * g->n};
    void *mem[] = {g->c, (void *)(uintptr_t)g->row};
    const kn_launch launch = {mem, dim, NULL};
    const int64_t chunks = kn_chunks(f->kernel, 0, dim);
    be_gpu.launch(dev, f->exec, &launch, &chunks, 0, 0);
}
