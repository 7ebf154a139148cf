/* Layout: a call's dims in; every step's dims, chunk counts and sizes, the plan of temporaries and the arena out; then
 * the addresses. All that can fail does so here, before anything is launched. Steps are laid out in order, since the
 * extents of a later launch may be the chunk counts of an earlier one. */
#define _POSIX_C_SOURCE 200809L
#include <string.h>

#include "runtime/call.h"

/* One thread's time for a step is roughly that of its memory traffic or of its arithmetic, whichever takes longer. */
#define NS_PER_BYTE 0.06
#define NS_PER_FLOP 0.06

static sn_status too_large(sn_call *call, const char *what) {
    return base_set_error(&call->error, SN_ERR_SHAPE, "function \"%s\": %s do not fit 63 bits at these dims",
                          call->function->name, what);
}

static int value_of(const sn_call *call, const pg_dim *dim, int64_t *value) {
    *value = 1;
    if (dim->poly && !ir_dim_value(call->program->graph, dim->poly, call->names, value)) return 0;
    if (dim->step < 0) return *value >= 0;
    int64_t chunks = call->step[dim->step].n_chunks[dim->part];
    return !__builtin_mul_overflow(*value, chunks, value) && *value >= 0;
}

static sn_status launch_sizes(sn_call *call, const pg_step *from, rt_step *step) {
    const kn_kernel *k = from->kernel;
    for (uint32_t i = 0; i < k->n_dim; i++)
        if (!value_of(call, &from->dim[i], &step->dim[i])) return too_large(call, "dims of a kernel");
    for (uint32_t i = 0; i < k->n_part; i++) step->n_chunks[i] = kn_chunks(k, i, step->dim);
    int64_t scratch = kn_scratch_bytes(k, step->dim);
    if (scratch < 0) return too_large(call, "bytes of a kernel's rows");
    step->scratch = (size_t)scratch;
    int64_t n;
    step->traffic = 0;
    for (uint32_t i = 0; i < from->n_traffic; i++) {
        if (!value_of(call, &from->traffic[i], &n)) return too_large(call, "bytes of a kernel");
        step->traffic += (uint64_t)n * from->traffic_size[i];
    }
    step->flops = value_of(call, &from->flops, &n) ? (uint64_t)n : 0;
    return SN_OK;
}

static sn_status gemm_sizes(sn_call *call, const pg_step *from, rt_step *step) {
    be_gemm *gemm = &step->gemm;
    if (!value_of(call, &from->m, &gemm->m) || !value_of(call, &from->n, &gemm->n) ||
        !value_of(call, &from->k, &gemm->k) || !value_of(call, &from->batch, &gemm->batch))
        return too_large(call, "sizes of a matrix product");
    uint64_t m = (uint64_t)gemm->m, n = (uint64_t)gemm->n, k = (uint64_t)gemm->k, batch = (uint64_t)gemm->batch;
    step->traffic = batch * ((m * k + k * n) * sn_dtype_size(from->dtype) + m * n * sn_dtype_size(from->to));
    step->flops = 2 * batch * m * n * k;
    return SN_OK;
}

static sn_status step_sizes(sn_call *call, uint32_t i) {
    const pg_step *from = &call->program->step[i];
    rt_step *step = &call->step[i];
    sn_status status = SN_OK;
    int64_t n, bytes;
    switch ((pg_kind)from->kind) {
        case PG_LAUNCH: status = launch_sizes(call, from, step); break;
        case PG_GEMM: status = gemm_sizes(call, from, step); break;
        case PG_COPY:
            if (!value_of(call, &from->m, &n) || __builtin_mul_overflow(n, (int64_t)sn_dtype_size(from->dtype), &bytes))
                return too_large(call, "bytes of a copy");
            step->copy_bytes = (size_t)bytes;
            step->traffic = 2 * (uint64_t)bytes;
            break;
    }
    double by_traffic = (double)step->traffic * NS_PER_BYTE, by_flops = (double)step->flops * NS_PER_FLOP;
    step->ns = by_traffic > by_flops ? by_traffic : by_flops;
    return status;
}

static sn_status plan_temporaries(sn_call *call) {
    const sn_function *f = call->function;
    const pg_program *p = call->program;
    for (uint32_t i = 0; i < p->n_temp; i++) {
        int64_t n, bytes;
        if (!value_of(call, &p->temp[i].count, &n) ||
            __builtin_mul_overflow(n, (int64_t)sn_dtype_size(p->temp[i].dtype), &bytes))
            return too_large(call, "bytes of a temporary");
        call->temp_bytes[i] = (size_t)bytes;
    }
    size_t need = pg_plan(p, call->temp_bytes, call->temp_offset, call->plan_scratch);
    if (need > PTRDIFF_MAX) return too_large(call, "bytes of temporaries");
    if (need > call->arena_cap) {
        char room[RT_ROOM_TEXT];
        void *arena = rt_alloc(f->ctx, need);
        if (!arena)
            return base_set_error(&call->error, SN_ERR_NOMEM,
                                  "function \"%s\": out of memory: %zu bytes of temporaries%s", f->name, need,
                                  rt_room_text(f->ctx, room));
        if (call->arena) f->ctx->backend->free(f->ctx->device, call->arena, call->arena_cap);
        call->arena = arena;
        call->arena_cap = need;
    }
    call->now->arena_used = need;
    return SN_OK;
}

/* For sn_function_show and sn_function_get_stats. */
static void remember(const sn_call *call, uint32_t which) {
    sn_function *f = call->function;
    rt_plan *plan = &f->plan[which];
    const pg_program *p = plan->program;
    pthread_mutex_lock(&f->lock);
    f->last_plan = which;
    plan->has_last = 1;
    plan->last_arena = call->now->arena_used;
    memcpy(plan->last_names, call->names, f->graph.dim_name.n * sizeof *plan->last_names);
    memcpy(plan->last_bytes, call->temp_bytes, p->n_temp * sizeof *plan->last_bytes);
    memcpy(plan->last_offset, call->temp_offset, p->n_temp * sizeof *plan->last_offset);
    for (uint32_t i = 0; i < p->n_step; i++) {
        plan->last_traffic[i] = call->step[i].traffic;
        plan->last_flops[i] = call->step[i].flops;
        plan->last_ns[i] = call->step[i].ns;
    }
    pthread_mutex_unlock(&f->lock);
}

static sn_status lay_out(sn_call *call) {
    sn_function *f = call->function;
    size_t scratch = 0;
    call->now->laid_out = 0;
    for (uint32_t i = 0; i < call->program->n_step; i++) {
        sn_status status = step_sizes(call, i);
        if (status) return status;
        if (call->step[i].scratch > scratch) scratch = call->step[i].scratch;
    }
    sn_status status = plan_temporaries(call);
    if (!status && scratch) status = f->ctx->backend->reserve(f->ctx->device, scratch, &call->error);
    if (status) return status;
    memcpy(call->now->names, call->names, f->graph.dim_name.n * sizeof *call->names);
    call->now->laid_out = 1;
    return SN_OK;
}

void rt_use_plan(sn_call *call, uint32_t which) {
    call->now = &call->plan[which];
    call->program = call->function->plan[which].program;
    call->step = call->now->step;
    call->count = call->now->count;
    call->temp_bytes = call->now->temp_bytes;
    call->temp_offset = call->now->temp_offset;
}

/* Each plan keeps the layout of the dims that it last met, so that a call may go back and forth between two. */
sn_status rt_layout(sn_call *call) {
    sn_function *f = call->function;
    uint32_t which = pg_plan_for(&f->plans, call->names);
    rt_use_plan(call, which);
    int same = call->now->laid_out && !memcmp(call->now->names, call->names, f->graph.dim_name.n * sizeof *call->names);
    sn_status status = same ? SN_OK : lay_out(call);
    if (!status && f->ctx->backend->remote) status = rt_remote_layout(call);
    if (!status && f->ctx->backend->remote) {
        rt_point(call);
        status = rt_remote_products(call);
    }
    if (!status) remember(call, which);
    return status;
}

static void *address(const sn_call *call, pg_ref ref) {
    const sn_function *f = call->function;
    int remote = f->ctx->backend->remote != NULL;
    uint32_t slot = ref.space == PG_OUTPUT ? f->n_input + ref.index : ref.index;
    switch ((pg_space)ref.space) {
        case PG_INPUT:
        case PG_OUTPUT:
            if (!remote || call->array[slot]) return call->tensor[slot].data;
            return call->remote.io + call->remote.offset[slot] +
                   (slot == call->remote.counted ? call->remote.number : 0);
        case PG_VAR: return f->graph.var.at[ref.index].var->data;
        case PG_TEMP: return call->arena ? (char *)call->arena + call->temp_offset[ref.index] : NULL;
        case PG_NONE: break;
    }
    return NULL;
}

void rt_point(sn_call *call) {
    if (call->function->ctx->backend->remote) rt_remote_point(call);
    rt_point_steps(call);
}

void rt_point_steps(sn_call *call) {
    const pg_program *p = call->program;
    for (uint32_t i = 0; i < p->n_step; i++) {
        const pg_step *from = &p->step[i];
        rt_step *step = &call->step[i];
        switch ((pg_kind)from->kind) {
            case PG_LAUNCH:
                for (uint32_t m = 0; m < from->kernel->n_mem; m++) step->mem[m] = address(call, from->mem[m]);
                break;
            case PG_GEMM:
                step->gemm.a = address(call, from->a);
                step->gemm.b = address(call, from->b);
                step->gemm.row = address(call, from->row);
                step->gemm.c = address(call, from->c);
                break;
            case PG_COPY:
                step->from = address(call, from->a);
                step->to = address(call, from->c);
                break;
        }
    }
}
