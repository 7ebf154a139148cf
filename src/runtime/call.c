/* Calls: bind tensors, run the steps.
 *
 * State machine: binding other memory makes a call RT_POINTERS, other sizes RT_SIZES; preparing makes it RT_READY, and
 * a ready call runs without looking at anything again: no allocation, no check. A preparation that fails leaves the
 * state as it was, so the next run prepares anew. */
#define _POSIX_C_SOURCE 200809L
#include "runtime/call.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ir/infer.h"

/* Every run is timed at first, then one in SAMPLE, since reading the clock costs as much as a small kernel. */
enum { ALWAYS_TIMED = 64, SAMPLE = 16 };

/* ---- making and freeing ------------------------------------------------------------------------------------------ */

/* Carves arrays out of one block; with base NULL it only counts. */
typedef struct {
    char *base;
    size_t used;
} carver;

static void *carve(carver *c, size_t n, size_t size) {
    size_t at = c->used;
    c->used += (n * size + 15) & ~(size_t)15; /* the counts are those of arrays that are in memory already */
    return c->base ? c->base + at : NULL;
}

static void carve_plan(sn_call *call, uint32_t which, carver *c) {
    const sn_function *f = call->function;
    const rt_plan *plan = &f->plan[which];
    const pg_program *p = plan->program;
    rt_call_plan *to = &call->plan[which];
    to->step = carve(c, p->n_step, sizeof *to->step);
    to->count = carve(c, p->n_step, sizeof *to->count);
    to->temp_bytes = carve(c, p->n_temp, sizeof *to->temp_bytes);
    to->temp_offset = carve(c, p->n_temp, sizeof *to->temp_offset);
    to->names = carve(c, f->graph.dim_name.n, sizeof *to->names);
    void **mem = carve(c, plan->n_mem, sizeof *mem);
    int64_t *dim = carve(c, plan->n_dim, sizeof *dim);
    int64_t *chunks = carve(c, plan->n_part, sizeof *chunks);
    if (!c->base) return;
    for (uint32_t i = 0; i < p->n_step; i++) {
        const pg_step *from = &p->step[i];
        rt_step *step = &to->step[i];
        step->kind = from->kind;
        if (from->kind == PG_GEMM) {
            step->gemm.dtype = from->dtype;
            step->gemm.to = from->to;
            step->gemm.relu = from->relu;
            step->gemm.trans_a = from->trans_a;
            step->gemm.trans_b = from->trans_b;
        }
        if (from->kind != PG_LAUNCH) continue;
        step->exec = plan->kernel[i]->exec;
        step->mem = mem;
        step->dim = dim;
        step->n_chunks = chunks;
        step->launch = (kn_launch){mem, dim, from->scalar};
        mem += from->kernel->n_mem;
        dim += from->kernel->n_dim;
        chunks += from->kernel->n_part;
    }
}

static void carve_all(sn_call *call, carver *c) {
    const sn_function *f = call->function;
    size_t n_slot = (size_t)f->n_input + f->roots.n_out;
    uint32_t n_temp = 0;
    call->tensor = carve(c, n_slot, sizeof *call->tensor);
    call->bound = carve(c, n_slot, 1);
    call->array = carve(c, n_slot, sizeof *call->array);
    call->hold = carve(c, n_slot + f->n_held, sizeof *call->hold);
    call->told = carve(c, f->n_told, sizeof *call->told);
    call->names = carve(c, f->graph.dim_name.n, sizeof *call->names);
    call->from = carve(c, f->graph.dim_name.n, sizeof *call->from);
    call->remote.offset = carve(c, n_slot, sizeof *call->remote.offset);
    call->remote.at = carve(c, n_slot, sizeof *call->remote.at);
    call->remote.recorded = carve(c, f->ctx->backend->remote ? RT_RECORDINGS : 0, sizeof *call->remote.recorded);
    for (uint32_t i = 0; f->ctx->backend->remote && i < RT_RECORDINGS; i++) {
        int64_t *names = carve(c, f->graph.dim_name.n, sizeof *names);
        void **at = carve(c, n_slot, sizeof *at);
        if (!c->base) continue;
        call->remote.recorded[i].names = names;
        call->remote.recorded[i].at = at;
    }
    for (uint32_t i = 0; i < f->plans.n; i++) {
        carve_plan(call, i, c);
        if (f->plans.at[i]->n_temp > n_temp) n_temp = f->plans.at[i]->n_temp;
    }
    call->plan_scratch = carve(c, 4 * (size_t)n_temp, sizeof *call->plan_scratch);
}

/* A call that does not keep its function alive. */
static sn_status make(sn_function *f, sn_call **out) {
    *out = NULL;
    sn_call *call = base_calloc(&f->ctx->alloc, sizeof *call);
    if (!call) return SN_ERR_NOMEM;
    call->function = f;
    carver c = {NULL, 0};
    carve_all(call, &c);
    call->block_bytes = c.used ? c.used : 1;
    call->block = base_calloc(&f->ctx->alloc, call->block_bytes);
    if (!call->block) {
        base_free(&f->ctx->alloc, call, sizeof *call);
        return SN_ERR_NOMEM;
    }
    c = (carver){call->block, 0};
    carve_all(call, &c);
    for (uint32_t i = 0; i < f->n_told; i++) call->told[i] = -1;
    call->state = RT_SIZES;
    rt_hold_collect(call);
    rt_use_plan(call, f->plans.n - 1);
    pthread_mutex_lock(&f->lock);
    call->next = f->calls;
    if (call->next) call->next->link = &call->next;
    call->link = &f->calls;
    f->calls = call;
    pthread_mutex_unlock(&f->lock);
    *out = call;
    return SN_OK;
}

sn_status sn_call_new(sn_function *f, sn_call **out) {
    if (!out) return SN_ERR_ARGUMENT;
    *out = NULL;
    if (!f) return SN_ERR_ARGUMENT;
    sn_status status = make(f, out);
    if (!status) rt_function_retain(f);
    return status;
}

void rt_call_destroy(sn_call *call) {
    sn_function *f = call->function;
    pthread_mutex_lock(&f->lock);
    *call->link = call->next;
    if (call->next) call->next->link = call->link;
    f->retired_runs += atomic_load_explicit(&call->runs, memory_order_relaxed);
    const rt_bus *bus = &call->bus;
    atomic_fetch_add(&f->retired_bus.in, bus->in);
    atomic_fetch_add(&f->retired_bus.out, bus->out);
    atomic_fetch_add(&f->retired_bus.launches, bus->launches);
    atomic_fetch_add(&f->retired_bus.replays, bus->replays);
    for (uint32_t k = 0; k < f->plans.n; k++)
        for (uint32_t i = 0; i < f->plans.at[k]->n_step; i++) {
            const rt_count *from = &call->plan[k].count[i];
            rt_count *to = &f->plan[k].retired[i];
            atomic_fetch_add_explicit(&to->samples, from->samples, memory_order_relaxed);
            atomic_fetch_add_explicit(&to->ns, from->ns, memory_order_relaxed);
        }
    pthread_mutex_unlock(&f->lock);
    if (call->arena) f->ctx->backend->free(f->ctx->device, call->arena, call->arena_cap);
    rt_remote_free(call);
    for (uint32_t slot = 0; slot < f->n_input + f->roots.n_out; slot++) rt_array_release(call->array[slot]);
    base_free(&f->ctx->alloc, call->block, call->block_bytes);
    base_free(&f->ctx->alloc, call, sizeof *call);
}

void sn_call_free(sn_call *call) {
    if (!call) return;
    sn_function *f = call->function;
    rt_call_destroy(call);
    rt_function_release(f);
}

const char *sn_call_error(const sn_call *call) {
    if (!call) return "no call";
    if (atomic_load_explicit(&call->clashed, memory_order_relaxed))
        return "this call was being run already: a call is for one thread at a time, so make one for each thread "
               "(sn_call_new), or use sn_function_call";
    return call->error.text;
}

/* ---- binding ----------------------------------------------------------------------------------------------------- */

static void take_array(sn_call *call, uint32_t slot, sn_array *array) {
    if (call->array[slot] == array) return;
    if (array) rt_array_retain(array);
    call->n_array += (uint32_t)(array != NULL) - (uint32_t)(call->array[slot] != NULL);
    rt_array_release(call->array[slot]);
    call->array[slot] = array;
    rt_hold_collect(call);
}

sn_status rt_bind(sn_call *call, uint32_t slot, const sn_tensor *tensor, sn_array *array) {
    sn_status status = rt_check_tensor(call, slot, tensor, array != NULL);
    if (status) {
        call->bound[slot] = 0;
        call->state = RT_SIZES;
        take_array(call, slot, NULL);
        return status;
    }
    sn_tensor *to = &call->tensor[slot];
    rt_state need = RT_READY;
    /* The sizes of an output that is an array follow from the dims: those that it has now do not matter, its room does.
     */
    int keeps_sizes = array && slot >= call->function->n_input;
    if (!call->bound[slot] || !call->array[slot] != !array || (keeps_sizes && sn_tensor_bytes(to) > array->capacity) ||
        (!keeps_sizes && memcmp(to->size, tensor->size, (size_t)tensor->rank * sizeof *to->size)))
        need = RT_SIZES;
    else if (to->data != tensor->data)
        need = RT_POINTERS;
    if (keeps_sizes && need < RT_SIZES)
        to->data = tensor->data;
    else
        *to = *tensor;
    call->bound[slot] = 1;
    take_array(call, slot, array);
    if (need > call->state) call->state = need;
    return SN_OK;
}

sn_status rt_no_such(sn_call *call, const char *what, size_t index, uint32_t n) {
    return base_set_error(&call->error, SN_ERR_ARGUMENT, "function \"%s\" has no %s %zu: it has %u",
                          call->function->name, what, index, (unsigned)n);
}

sn_status sn_call_bind_input(sn_call *call, size_t index, const sn_tensor *tensor) {
    if (!call || rt_call_is_taken(call)) return SN_ERR_ARGUMENT;
    if (index >= call->function->n_input) return rt_no_such(call, "input", index, call->function->n_input);
    return rt_bind(call, (uint32_t)index, tensor, NULL);
}

sn_status sn_call_bind_output(sn_call *call, size_t index, const sn_tensor *tensor) {
    if (!call || rt_call_is_taken(call)) return SN_ERR_ARGUMENT;
    if (index >= call->function->roots.n_out) return rt_no_such(call, "output", index, call->function->roots.n_out);
    return rt_bind(call, call->function->n_input + (uint32_t)index, tensor, NULL);
}

sn_status sn_call_set_dim(sn_call *call, size_t index, int64_t size) {
    if (!call || rt_call_is_taken(call)) return SN_ERR_ARGUMENT;
    const sn_function *f = call->function;
    if (index >= f->n_told)
        return base_set_error(&call->error, SN_ERR_ARGUMENT,
                              "function \"%s\" cannot be told dim %zu: its description lists %u dims", f->name, index,
                              (unsigned)f->n_told);
    if (size < 0)
        return base_set_error(&call->error, SN_ERR_ARGUMENT, "dim %s: size %lld is negative",
                              f->graph.dim_name.at[f->told[index]], (long long)size);
    if (call->told[index] != size) call->state = RT_SIZES;
    call->told[index] = size;
    return SN_OK;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static sn_status prepare(sn_call *call) {
    const sn_function *f = call->function;
    for (uint32_t slot = 0; slot < f->n_input + f->roots.n_out; slot++) {
        if (call->bound[slot]) continue;
        if (slot < f->n_input)
            return base_set_error(&call->error, SN_ERR_MISSING, "input \"%s\" is not bound",
                                  f->graph.input_name.at[slot]);
        return base_set_error(&call->error, SN_ERR_MISSING, "output %u is not bound", (unsigned)(slot - f->n_input));
    }
    for (uint32_t i = 0; i < f->n_told; i++)
        if (call->told[i] < 0)
            return base_set_error(&call->error, SN_ERR_MISSING,
                                  "dim %s has no size yet: make a call and tell it by sn_call_set_dim",
                                  f->graph.dim_name.at[f->told[i]]);
    if (call->state == RT_SIZES) {
        sn_status status = rt_solve_dims(call);
        if (!status) status = rt_layout(call);
        if (status) return status;
        call->state = RT_POINTERS;
    }
    sn_status status = rt_check_overlap(call);
    if (status) return status;
    rt_point(call);
    /* Other arrays may be aligned otherwise. */
    if (f->ctx->backend->remote && (status = rt_remote_products(call))) return status;
    call->state = RT_READY;
    return SN_OK;
}

static void gemm(const sn_context *ctx, const be_gemm *g) {
    if (!g->m || !g->n || !g->batch) return;
    /* The sum of no products; BLAS libraries differ on it. */
    if (!g->k && !g->row)
        memset(g->c, 0, (size_t)g->batch * (size_t)g->m * (size_t)g->n * sn_dtype_size(be_gemm_to(g)));
    else
        ctx->backend->gemm(ctx->device, g);
}

static inline void run_step(const sn_context *ctx, const rt_step *s) {
    switch ((pg_kind)s->kind) {
        case PG_LAUNCH: ctx->backend->launch(ctx->device, s->exec, &s->launch, s->n_chunks, s->scratch, s->ns); break;
        case PG_GEMM: gemm(ctx, &s->gemm); break;
        case PG_COPY:
            if (s->copy_bytes && s->from != s->to) memcpy(s->to, s->from, s->copy_bytes);
            break;
    }
}

static void run_timed(sn_call *call) {
    const sn_function *f = call->function;
    int64_t before = base_now_ns();
    for (uint32_t i = 0; i < call->program->n_step; i++) {
        run_step(f->ctx, &call->step[i]);
        int64_t after = base_now_ns();
        rt_count_time(&call->count[i], (uint64_t)(after - before));
        before = after;
    }
}

static void run_once(sn_call *call) {
    const sn_function *f = call->function;
    uint64_t run = atomic_load_explicit(&call->runs, memory_order_relaxed);
    if (run < ALWAYS_TIMED || run % SAMPLE == 0) {
        run_timed(call);
    } else {
        for (const rt_step *s = call->step, *end = s + call->program->n_step; s < end; s++) run_step(f->ctx, s);
    }
    atomic_store_explicit(&call->runs, run + 1, memory_order_relaxed);
}

/* Runs a ready call n times; counting: what its input number `input` is bound to is one more each time. The locks are
 * held. */
static sn_status run(sn_call *call, int counting, size_t input, int64_t n) {
    if (call->function->ctx->backend->remote) return rt_remote_run(call, counting, input, n);
    run_once(call);
    for (int64_t left = n - 1; left; left--) {
        call->count_at++;
        run_once(call);
    }
    return SN_OK;
}

/* The sizes of arrays can be looked at only while nobody else writes them, so a call with arrays prepares under its
 * locks; others do so before. */
static sn_status prepare_and_run(sn_call *call, int counting, size_t input, int64_t n) {
    sn_status status = SN_OK;
    if (!call->n_array && call->state != RT_READY) status = prepare(call);
    if (status) return status;
    rt_hold_lock(call);
    if (call->n_array) {
        status = rt_array_refresh(call);
        if (!status && call->state != RT_READY) status = prepare(call);
    }
    if (!status && n) {
        status = run(call, counting, input, n);
        if (!status && call->n_array) rt_array_settle(call);
    }
    rt_hold_unlock(call);
    return status;
}

static int begin(sn_call *call) {
    if (!call || rt_call_is_taken(call)) return 0;
    atomic_store_explicit(&call->running, 1, memory_order_relaxed);
    return 1;
}

static sn_status end(sn_call *call, sn_status status) {
    atomic_store_explicit(&call->running, 0, memory_order_release);
    return status;
}

sn_status sn_call_run(sn_call *call) {
    return begin(call) ? end(call, prepare_and_run(call, 0, 0, 1)) : SN_ERR_ARGUMENT;
}

static sn_status check_steps(sn_call *call, size_t input, int64_t first, int64_t n) {
    const sn_function *f = call->function;
    int64_t end;
    if (input >= f->n_input) return rt_no_such(call, "input", input, f->n_input);
    const ir_node *node = ir_at(&f->graph, f->graph.input.at[input]);
    if (node->dtype != SN_I64 || node->rank)
        return base_set_error(&call->error, SN_ERR_DTYPE, "input \"%s\": %s cannot count: an i64 scalar wanted",
                              f->graph.input_name.at[input], ir_type_text(&f->graph, f->graph.input.at[input]).text);
    if (n < 0 || __builtin_add_overflow(first, n, &end))
        return base_set_error(&call->error, SN_ERR_ARGUMENT,
                              "input \"%s\": cannot count %lld steps from %lld: the number has to be 0 or more, the "
                              "last value to fit 63 bits",
                              f->graph.input_name.at[input], (long long)n, (long long)first);
    return SN_OK;
}

/* The counting input is bound to a number inside the call for as long as the steps run. It tells no dims, so the sizes
 * stay solved, and the addresses are what has to be put in again afterwards. */
sn_status sn_call_run_steps(sn_call *call, size_t input, int64_t first, int64_t n) {
    if (!begin(call)) return SN_ERR_ARGUMENT;
    sn_status status = check_steps(call, input, first, n);
    if (status) return end(call, status);
    const sn_tensor was = call->tensor[input];
    const uint8_t was_bound = call->bound[input];
    sn_array *const was_array = call->array[input];
    call->count_at = first;
    call->tensor[input] = sn_tensor_of(SN_I64, &call->count_at, 0, NULL);
    call->bound[input] = 1;
    call->array[input] = NULL; /* which stays locked, and in n_array */
    if (call->state == RT_READY) call->state = RT_POINTERS;
    status = prepare_and_run(call, 1, input, n);
    call->tensor[input] = was;
    call->bound[input] = was_bound;
    call->array[input] = was_array;
    if (call->state == RT_READY) call->state = RT_POINTERS;
    return end(call, status);
}

/* ---- the convenience over it ------------------------------------------------------------------------------------- */

static sn_status fail_function(sn_function *f, const base_trap *error, sn_status status, const char *text) {
    pthread_mutex_lock(&f->lock);
    base_set_error(&f->error, status, "%s", error ? error->text : text);
    pthread_mutex_unlock(&f->lock);
    return status;
}

static sn_status take_call(sn_function *f, sn_call **out) {
    pthread_mutex_lock(&f->lock);
    *out = f->idle;
    if (*out) f->idle = (*out)->next_idle;
    pthread_mutex_unlock(&f->lock);
    return *out ? SN_OK : make(f, out);
}

static void give_back_call(sn_function *f, sn_call *call) {
    pthread_mutex_lock(&f->lock);
    call->next_idle = f->idle;
    f->idle = call;
    pthread_mutex_unlock(&f->lock);
}

sn_status sn_function_call(sn_function *f, const sn_tensor *inputs, size_t n_inputs, const sn_tensor *outputs,
                           size_t n_outputs) {
    if (!f) return SN_ERR_ARGUMENT;
    if (n_inputs != f->n_input || n_outputs != f->roots.n_out || (n_inputs && !inputs) || (n_outputs && !outputs)) {
        char text[256];
        snprintf(text, sizeof text, "function \"%.100s\": %zu inputs and %zu outputs given%s, %u and %u wanted",
                 f->name, n_inputs, n_outputs, (n_inputs && !inputs) || (n_outputs && !outputs) ? " as NULL" : "",
                 (unsigned)f->n_input, (unsigned)f->roots.n_out);
        return fail_function(f, NULL, SN_ERR_ARGUMENT, text);
    }
    sn_call *call;
    sn_status status = take_call(f, &call);
    if (status) return fail_function(f, NULL, status, "out of memory for a call");
    for (size_t i = 0; i < n_inputs && !status; i++) status = sn_call_bind_input(call, i, &inputs[i]);
    for (size_t i = 0; i < n_outputs && !status; i++) status = sn_call_bind_output(call, i, &outputs[i]);
    if (!status) status = sn_call_run(call);
    if (status) fail_function(f, &call->error, status, NULL);
    give_back_call(f, call);
    return status;
}
