/* Launches: how many blocks, where rows and partials lie, and the arguments in the order of the source's parameters. */
#include <string.h>

#include "jit_gpu/gpu.h"

/* Shared memory holds a block's rows and partials up to this many bytes; more would leave too few blocks on a
 * multiprocessor to hide latencies. */
enum { SHARED_SCRATCH = 64 * 1024, STATIC_SHARED = 2 * CE_MAX_BATCH_BYTES };

typedef struct {
    uint32_t block, blocks;
    uint32_t teams; /* most teams of a block */
    size_t scratch; /* of a team */
    int in_shared;
} geometry;

static size_t bytes_of(const kn_kernel *k, kn_id mem, const int64_t *dim) {
    size_t n = (size_t)kn_size_value(k->mem[mem].count, dim) * sn_dtype_size((sn_dtype)k->mem[mem].store);
    return (n + 63) & ~(size_t)63;
}

/* Does the launch keep it there? */
static int in_registers(const be_exec *exec, const uint32_t *even, kn_id mem) {
    return even && exec->held[mem] && even[exec->held[mem] - 1];
}

/* first[], at[]: as ce_grid has them, or NULL. even[]: of each part, NULL: of none. */
static geometry plan(const be_device *dev, const be_exec *exec, const int64_t *dim, const int64_t *n_chunks,
                     const uint32_t *even, uint32_t *first, int32_t *at) {
    const kn_kernel *k = exec->kernel;
    geometry g = {.block = ce_shape_of(k).block};
    for (uint32_t p = 0; p < k->n_part; p++) {
        uint32_t teams = g.block / ce_team(k, p);
        if (first) first[p] = g.blocks;
        g.blocks += (uint32_t)((n_chunks[p] + teams - 1) / teams);
        if (teams > g.teams) g.teams = teams;
    }
    size_t limit = dev->shared_limit > STATIC_SHARED ? dev->shared_limit - STATIC_SHARED : 0;
    if (limit > SHARED_SCRATCH) limit = SHARED_SCRATCH;
    for (kn_id m = 0; m < k->n_mem; m++) {
        int is_row = k->mem[m].space == KN_ROW && !in_registers(exec, even, m);
        if (at) at[m] = is_row ? (int32_t)g.scratch : -1;
        if (is_row) g.scratch += bytes_of(k, m, dim);
    }
    g.in_shared = g.scratch * g.teams <= limit;
    for (kn_id m = 0; m < k->n_mem; m++) {
        int32_t place = -1;
        if (k->mem[m].space == KN_ROW) continue;
        if (k->mem[m].space == KN_PART && g.in_shared && ce_accumulates(k, m) && !in_registers(exec, even, m)) {
            size_t bytes = bytes_of(k, m, dim);
            if ((g.scratch + bytes) * g.teams <= limit) {
                place = (int32_t)g.scratch;
                g.scratch += bytes;
            }
        }
        if (at) at[m] = place;
    }
    return g;
}

sn_status gpu_prepare(be_device *dev, const be_exec *exec, const kn_launch *launch, const int64_t *n_chunks,
                      base_trap *err) {
    int64_t blocks = 0;
    uint32_t block = ce_shape_of(exec->kernel).block;
    for (uint32_t p = 0; p < exec->kernel->n_part; p++) {
        uint32_t teams = block / ce_team(exec->kernel, p);
        blocks += (n_chunks[p] + teams - 1) / teams;
    }
    int64_t rows = kn_scratch_bytes(exec->kernel, launch->dim);
    if (blocks > INT32_MAX || rows > INT32_MAX)
        return base_set_error(err, SN_ERR_UNSUPPORTED, "GPU: a launch of %lld blocks with %lld bytes of rows each",
                              (long long)blocks, (long long)rows);
    geometry g = plan(dev, exec, launch->dim, n_chunks, NULL, NULL, NULL); /* an even one needs no more */
    size_t need = g.in_shared ? 0 : g.scratch * g.teams * g.blocks;
    if (!need) return SN_OK;
    gpu_visit visit;
    if (gpu_enter(dev, &visit, err)) return err->status;
    pthread_mutex_lock(&dev->turn); /* another thread may want more at the same time */
    cu_ptr more = 0;
    cu_result result = need > dev->scratch_bytes ? dev->cu.cuMemAlloc_v2(&more, need) : CU_OK;
    if (result) {
        size_t left, total;
        gpu_room_here(dev, &left, &total);
        cu_fail(&dev->cu, err, result, "%zu bytes for the rows of a kernel, %zu of %zu are free", need, left, total);
    } else if (more) {
        gpu_settle_here(dev);
        if (dev->scratch) (void)dev->cu.cuMemFree_v2(dev->scratch);
        dev->scratch = more;
        dev->scratch_bytes = need;
        atomic_fetch_add(&dev->age, 1);
    }
    pthread_mutex_unlock(&dev->turn);
    gpu_leave(dev, &visit);
    return result ? err->status : SN_OK;
}

sn_status gpu_exec_room(be_device *dev, be_exec *exec, base_trap *err) {
    const kn_kernel *k = exec->kernel;
    size_t n_args = (size_t)k->n_mem + k->n_dim + k->n_scalar + 1;
    exec->grid_bytes = sizeof(ce_grid) + k->n_part * (4 * sizeof(int64_t) + 2 * sizeof(uint32_t)) +
                       k->n_mem * sizeof(int32_t) + sizeof(int64_t);
    size_t even_bytes = k->n_part * sizeof *exec->even;
    exec->bytes = n_args * sizeof *exec->args + exec->grid_bytes + even_bytes + k->n_mem * sizeof *exec->held;
    exec->args = base_calloc(dev->alloc, exec->bytes);
    if (!exec->args) return base_set_error(err, SN_ERR_NOMEM, "out of memory: arguments of a kernel");
    exec->grid = (unsigned char *)(exec->args + n_args);
    exec->even = (ce_even *)(void *)(exec->grid + exec->grid_bytes);
    exec->held = (uint16_t *)(exec->even + k->n_part);
    for (uint32_t p = 0; p < k->n_part; p++) ce_find_even(k, p, &exec->even[p], exec->held);
    return SN_OK;
}

void gpu_launch(be_device *dev, be_exec *exec, const kn_launch *launch, const int64_t *n_chunks, size_t scratch_bytes,
                double ns) {
    (void)scratch_bytes, (void)ns;
    const kn_kernel *k = exec->kernel;
    ce_grid *grid = (ce_grid *)(void *)exec->grid;
    int64_t *chunks = (int64_t *)(void *)(exec->grid + sizeof *grid), *each = chunks + k->n_part,
            *over = each + k->n_part;
    uint64_t *inverse = (uint64_t *)(over + k->n_part);
    uint32_t *first = (uint32_t *)(inverse + k->n_part);
    uint32_t *even = first + k->n_part;
    int32_t *at = (int32_t *)(even + k->n_part);
    for (uint32_t p = 0; p < k->n_part; p++)
        even[p] = (uint32_t)ce_is_even(k, p, &exec->even[p], launch->dim, launch->mem);
    geometry g = plan(dev, exec, launch->dim, n_chunks, even, first, at);
    for (uint32_t p = 0; p < k->n_part; p++) {
        chunks[p] = n_chunks[p];
        int64_t tiles = kn_tiles(k, p, launch->dim);
        each[p] = tiles / n_chunks[p];
        over[p] = tiles % n_chunks[p];
        inverse[p] = ce_inverse(n_chunks[p]);
    }
    *grid = (ce_grid){dev->scratch, (uint32_t)g.scratch, (uint32_t)g.in_shared};
    uint32_t n = 0;
    union {
        void *const *mem;
        void **arg;
    } mem = {launch->mem};
    for (uint32_t m = 0; m < k->n_mem; m++)
        if (k->mem[m].space != KN_ROW) exec->args[n++] = &mem.arg[m];
    for (uint32_t d = 0; d < k->n_dim; d++) exec->args[n++] = (void *)(uintptr_t)&launch->dim[d];
    for (uint32_t s = 0; s < k->n_scalar; s++) exec->args[n++] = (void *)(uintptr_t)&launch->scalar[s];
    exec->args[n] = grid;
    unsigned shared = g.in_shared ? (unsigned)(g.scratch * g.teams) : 0;
    if (dev->failed.status) return;
    cu_result result =
        dev->cu.cuLaunchKernel(exec->function, g.blocks, 1, 1, g.block, 1, 1, shared, dev->stream, exec->args, NULL);
    if (result)
        gpu_failed(dev, result, "launch of %u blocks of %u threads, %u bytes of shared memory", g.blocks, g.block,
                   shared);
}
