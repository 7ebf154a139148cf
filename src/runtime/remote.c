/* Runs on a device with memory of its own. Inputs and outputs of the host's have copies there, in one block; small ones
 * cross the bus together, through staging memory. Arrays are where they are. Addresses on the device stay the same from
 * run to run, so that a run can be recorded: the first two run as they are and are timed, the third is recorded, and
 * from then on one start does it all. Runs that count an input have many in one recording: each reads a number of its
 * own, and one kernel before them writes all of these. Each combination of dims and addresses has recordings of its
 * own, the last few of them: it runs once as it is before it is recorded, so that combinations that come but once are
 * not. */
#include "runtime/remote.h"

#include <assert.h>
#include <string.h>

#include "ir/kernel_build.h"
#include "runtime/call.h"

enum {
    STAGED = 64 * 1024, /* bytes of one input or output up to which it is staged */
    ALIGN = 256,        /* of each in its block */
    MANY = 16,          /* runs in one recording */
    TRIES = 3,          /* to record what cannot be recorded */
    TIMED = 1024        /* one in so many runs is timed step by step */
};

static size_t round_up(size_t n) { return (n + ALIGN - 1) / ALIGN * ALIGN; }

/* ---- layout ------------------------------------------------------------------------------------------------------ */

/* Is it copied to or from the host? */
static int of_host(const sn_call *call, uint32_t slot) { return !call->array[slot]; }

/* An input that counts is followed by the numbers of the next MANY runs. */
static_assert(ALIGN >= (1 + MANY) * sizeof(int64_t), "the numbers have no room");
static size_t offset_of_number(int run) { return (1 + (size_t)run) * sizeof(int64_t); }

/* Has it room in the block? An array that sn_call_run_steps may count has: its place there is what is counted. */
static int has_room(const sn_call *call, uint32_t slot) {
    const sn_tensor *t = &call->tensor[slot];
    return of_host(call, slot) || (slot < call->function->n_input && t->dtype == SN_I64 && !t->rank);
}

/* Places slots [first, end) from *at on, small ones first; returns the bytes of these. */
static size_t place(sn_call *call, uint32_t first, uint32_t end, size_t *at) {
    size_t start = *at, staged = 0;
    for (int large = 0; large < 2; large++) {
        for (uint32_t slot = first; slot < end; slot++) {
            size_t bytes = sn_tensor_bytes(&call->tensor[slot]);
            if ((bytes > STAGED) != large || !has_room(call, slot)) continue;
            call->remote.offset[slot] = *at;
            *at += round_up(bytes);
        }
        if (!large) staged = *at - start;
    }
    return staged;
}

static sn_status make_room(sn_call *call, size_t io, size_t staging) {
    sn_context *ctx = call->function->ctx;
    rt_remote *r = &call->remote;
    char room[RT_ROOM_TEXT];
    if (io > r->io_bytes) {
        void *more = rt_alloc(ctx, io);
        if (!more)
            return base_set_error(&call->error, SN_ERR_NOMEM,
                                  "function \"%s\": out of memory: %zu bytes of inputs and outputs%s",
                                  call->function->name, io, rt_room_text(ctx, room));
        if (r->io) ctx->backend->free(ctx->device, r->io, r->io_bytes);
        r->io = more;
        r->io_bytes = io;
    }
    if (staging > r->staging_bytes) {
        void *more = ctx->backend->remote->staging_alloc(ctx->device, staging);
        if (!more)
            return base_set_error(&call->error, SN_ERR_NOMEM, "function \"%s\": out of memory: %zu bytes of staging",
                                  call->function->name, staging);
        if (r->staging) ctx->backend->remote->staging_free(ctx->device, r->staging);
        r->staging = more;
        r->staging_bytes = staging;
    }
    return SN_OK;
}

/* What the launches need of the device besides. */
static sn_status prepare(sn_call *call) {
    sn_context *ctx = call->function->ctx;
    const be_remote *remote = ctx->backend->remote;
    sn_status status = SN_OK;
    int again = 1;
    call->remote.prepared = remote->age(ctx->device) + 1;
    for (uint32_t i = 0; i < call->program->n_step && !status; i++) {
        const rt_step *step = &call->step[i];
        if (step->kind != PG_LAUNCH) continue;
        status = remote->prepare(ctx->device, step->exec, &step->launch, step->n_chunks, &call->error);
        if (status == SN_ERR_NOMEM && again && rt_make_room(ctx)) {
            again = 0;
            status = remote->prepare(ctx->device, step->exec, &step->launch, step->n_chunks, &call->error);
        }
    }
    if (status) call->remote.prepared = 0;
    return status;
}

sn_status rt_remote_layout(sn_call *call) {
    const sn_function *f = call->function;
    rt_remote *r = &call->remote;
    size_t at = 0;
    r->staged_in = place(call, 0, f->n_input, &at);
    r->inputs = at;
    r->staged_out = place(call, f->n_input, f->n_input + f->roots.n_out, &at);
    sn_status status = make_room(call, at ? at : ALIGN, r->staged_in + r->staged_out);
    return status ? status : prepare(call);
}

static int is_for(const sn_call *call, const rt_recorded *x) {
    const sn_function *f = call->function;
    size_t n_slot = (size_t)f->n_input + f->roots.n_out;
    return x->used && x->arena == call->arena && !memcmp(x->at, call->remote.at, n_slot * sizeof *x->at) &&
           !memcmp(x->names, call->names, f->graph.dim_name.n * sizeof *x->names);
}

/* What was recorded with what the steps have now, or the place of what was not used for longest, for something new. */
static rt_recorded *find(sn_call *call) {
    const sn_function *f = call->function;
    rt_remote *r = &call->remote;
    rt_recorded *oldest = r->recorded;
    for (rt_recorded *x = r->recorded; x < r->recorded + RT_RECORDINGS; x++) {
        if (is_for(call, x)) return x;
        if (x->used < oldest->used) oldest = x;
    }
    oldest->arena = call->arena;
    memcpy(oldest->at, r->at, ((size_t)f->n_input + f->roots.n_out) * sizeof *r->at);
    memcpy(oldest->names, call->names, f->graph.dim_name.n * sizeof *call->names);
    oldest->ran = 0;
    oldest->once_age = oldest->many_age = 0;
    oldest->once_bad = oldest->many_bad = 0;
    return oldest;
}

void rt_remote_point(sn_call *call) {
    const sn_function *f = call->function;
    rt_remote *r = &call->remote;
    for (uint32_t slot = 0; slot < f->n_input + f->roots.n_out; slot++)
        r->at[slot] = of_host(call, slot) ? r->io + r->offset[slot] : call->tensor[slot].data;
    rt_recorded *was = r->now;
    int same = was && is_for(call, was);
    if (!same) r->now = find(call);
    r->moved |= !same;
    r->now->used = ++r->clock;
}

sn_status rt_remote_products(sn_call *call) {
    const sn_context *ctx = call->function->ctx;
    sn_status status = SN_OK;
    if (!call->remote.moved) return status;
    for (uint32_t i = 0; i < call->program->n_step && !status; i++) {
        be_gemm *g = &call->step[i].gemm;
        if (call->step[i].kind == PG_GEMM && g->m && g->n && g->batch)
            status = ctx->backend->remote->prepare_gemm(ctx->device, g, &call->error);
    }
    call->remote.moved = status != SN_OK;
    return status;
}

void rt_remote_free(sn_call *call) {
    const sn_context *ctx = call->function->ctx;
    rt_remote *r = &call->remote;
    if (!ctx->backend->remote) return;
    for (uint32_t k = 0; k < call->function->plans.n; k++)
        for (uint32_t i = 0; i < call->function->plans.at[k]->n_step; i++)
            ctx->backend->remote->forget_gemm(ctx->device, &call->plan[k].step[i].gemm);
    for (uint32_t i = 0; i < RT_RECORDINGS; i++) {
        ctx->backend->remote->forget(ctx->device, r->recorded[i].once);
        ctx->backend->remote->forget(ctx->device, r->recorded[i].many);
    }
    ctx->backend->remote->forget_point(ctx->device, r->sent);
    if (r->io) ctx->backend->free(ctx->device, r->io, r->io_bytes);
    if (r->staging) ctx->backend->remote->staging_free(ctx->device, r->staging);
}

/* ---- copies between host and device ------------------------------------------------------------------------------ */

static void add_to(_Atomic uint64_t *count, uint64_t n) {
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n, memory_order_relaxed);
}

static void send(sn_call *call, size_t at, const void *from, size_t bytes) {
    const sn_context *ctx = call->function->ctx;
    ctx->backend->remote->write(ctx->device, call->remote.io + at, from, bytes);
    add_to(&call->bus.in, bytes);
}

static void fetch(sn_call *call, void *to, size_t at, size_t bytes) {
    const sn_context *ctx = call->function->ctx;
    ctx->backend->remote->read(ctx->device, to, call->remote.io + at, bytes);
    add_to(&call->bus.out, bytes);
}

/* Returns 1 if the caller's own memory is read directly: it has to stay until the copy is done. */
static int send_inputs(sn_call *call) {
    const sn_function *f = call->function;
    rt_remote *r = &call->remote;
    int direct = 0;
    for (uint32_t slot = 0; slot < f->n_input; slot++) {
        const sn_tensor *t = &call->tensor[slot];
        size_t bytes = sn_tensor_bytes(t), at = r->offset[slot];
        if (!bytes || !of_host(call, slot)) continue;
        if (at < r->staged_in) {
            memcpy(r->staging + at, t->data, bytes);
        } else {
            send(call, at, t->data, bytes);
            direct = 1;
        }
    }
    if (r->staged_in) send(call, 0, r->staging, r->staged_in);
    return direct;
}

static void fetch_outputs(sn_call *call) {
    const sn_function *f = call->function;
    rt_remote *r = &call->remote;
    if (r->staged_out) fetch(call, r->staging + r->staged_in, r->inputs, r->staged_out);
    for (uint32_t slot = f->n_input; slot < f->n_input + f->roots.n_out; slot++) {
        size_t at = r->offset[slot];
        if (of_host(call, slot) && at - r->inputs >= r->staged_out)
            fetch(call, call->tensor[slot].data, at, sn_tensor_bytes(&call->tensor[slot]));
    }
}

/* Does it write memory of the host's? */
static int has_host_output(const sn_call *call) {
    const sn_function *f = call->function;
    for (uint32_t slot = f->n_input; slot < f->n_input + f->roots.n_out; slot++)
        if (of_host(call, slot) && sn_tensor_bytes(&call->tensor[slot])) return 1;
    return 0;
}

/* After finish: what came with the staged outputs. */
static void unpack_outputs(sn_call *call) {
    const sn_function *f = call->function;
    const rt_remote *r = &call->remote;
    for (uint32_t slot = f->n_input; slot < f->n_input + f->roots.n_out; slot++) {
        size_t at = r->offset[slot] - r->inputs, bytes = sn_tensor_bytes(&call->tensor[slot]);
        if (of_host(call, slot) && at < r->staged_out && bytes)
            memcpy(call->tensor[slot].data, r->staging + r->staged_in + at, bytes);
    }
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static void start_step(const sn_context *ctx, const rt_step *s) {
    const be_gemm *g = &s->gemm;
    switch ((pg_kind)s->kind) {
        case PG_LAUNCH: ctx->backend->launch(ctx->device, s->exec, &s->launch, s->n_chunks, s->scratch, s->ns); break;
        case PG_GEMM:
            if (g->m && g->n && g->batch) ctx->backend->gemm(ctx->device, g);
            break;
        case PG_COPY:
            if (s->from != s->to) ctx->backend->remote->copy(ctx->device, s->to, s->from, s->copy_bytes);
            break;
    }
}

static void start_steps(const sn_call *call) {
    const sn_function *f = call->function;
    for (uint32_t i = 0; i < call->program->n_step; i++) start_step(f->ctx, &call->step[i]);
}

static void start_timed(sn_call *call) {
    const sn_function *f = call->function;
    const be_remote *remote = f->ctx->backend->remote;
    uint32_t n = call->program->n_step;
    remote->mark(f->ctx->device, 0);
    for (uint32_t i = 0; i < n; i++) {
        start_step(f->ctx, &call->step[i]);
        remote->mark(f->ctx->device, i + 1);
    }
    for (uint32_t i = 0; i < n; i++) rt_count_time(&call->count[i], remote->elapsed(f->ctx->device, i));
}

/* The input becomes more by so much; the numbers that follow it are its old value, one more, .. */
static void count(const sn_call *call, size_t input, uint64_t by) {
    const sn_function *f = call->function;
    unsigned char *at = call->remote.io + call->remote.offset[input];
    void *mem[] = {at, at + offset_of_number(0)};
    const kn_launch launch = {mem, NULL, &by};
    const int64_t chunks = 1;
    f->ctx->backend->launch(f->ctx->device, f->count_kernel->exec, &launch, &chunks, 0, 0);
}

static uint64_t runs_of(const sn_call *call) { return atomic_load_explicit(&call->runs, memory_order_relaxed); }

/* A recording that is of no age has to be made. What cannot be recorded is not tried for ever. */
static int is_made(uint64_t *made, uint64_t age, uint32_t *bad, const be_recording *recording) {
    *made = recording ? age : 0;
    *bad = recording ? 0 : *bad + 1;
    return recording != NULL;
}

/* One run: as it is at first, where it is timed, and once after sizes or addresses changed (what is used for the first
 * time may have to be loaded, and what changes each time is not worth recording); else by its recording. */
static void run_once(sn_call *call) {
    const sn_context *ctx = call->function->ctx;
    const be_remote *remote = ctx->backend->remote;
    rt_recorded *x = call->remote.now;
    uint64_t run = runs_of(call), age = remote->age(ctx->device) + 1;
    int timed = run % TIMED < 2, recorded = !timed && x->ran && x->once_age == age;
    if (!timed && x->ran && !recorded && x->once_bad < TRIES) {
        remote->record(ctx->device);
        start_steps(call);
        remote->recorded(ctx->device, &x->once);
        recorded = is_made(&x->once_age, age, &x->once_bad, x->once);
    }
    if (recorded) {
        remote->replay(ctx->device, x->once);
        add_to(&call->bus.replays, 1);
    } else {
        if (timed)
            start_timed(call);
        else
            start_steps(call);
        add_to(&call->bus.launches, call->program->n_step);
    }
    x->ran = 1;
    atomic_store_explicit(&call->runs, run + 1, memory_order_relaxed);
}

/* 0: they could not be recorded, and nothing has been run. */
static int run_many(sn_call *call, size_t input) {
    const sn_context *ctx = call->function->ctx;
    const be_remote *remote = ctx->backend->remote;
    rt_recorded *x = call->remote.now;
    uint64_t age = remote->age(ctx->device) + 1;
    if (x->many_age != age || x->many_input != input) {
        if (x->many_bad >= TRIES) return 0;
        remote->record(ctx->device);
        count(call, input, MANY);
        call->remote.counted = input;
        for (int i = 0; i < MANY; i++) {
            call->remote.number = offset_of_number(i);
            rt_point_steps(call);
            start_steps(call);
        }
        remote->recorded(ctx->device, &x->many);
        call->remote.number = 0;
        rt_point_steps(call);
        x->many_input = input;
        if (!is_made(&x->many_age, age, &x->many_bad, x->many)) return 0;
    }
    remote->replay(ctx->device, x->many);
    add_to(&call->bus.replays, 1);
    atomic_store_explicit(&call->runs, runs_of(call) + MANY, memory_order_relaxed);
    return 1;
}

/* Takes the turn with everything prepared that launches need: what another thread made the device give back since, is
 * asked for again. */
static sn_status begin(sn_call *call) {
    const sn_context *ctx = call->function->ctx;
    const be_remote *remote = ctx->backend->remote;
    for (;;) {
        sn_status status = remote->begin(ctx->device, &call->error);
        if (status || call->remote.prepared == remote->age(ctx->device) + 1) return status;
        status = remote->finish(ctx->device, 0, &call->error);
        if (!status) status = prepare(call);
        if (status) return status;
    }
}

sn_status rt_remote_run(sn_call *call, int counting, size_t input, int64_t n) {
    const sn_context *ctx = call->function->ctx;
    const be_remote *remote = ctx->backend->remote;
    rt_remote *r = &call->remote;
    int waits = has_host_output(call);
    sn_status status = begin(call);
    if (status) return status;
    if (r->sending) remote->await(ctx->device, r->sent); /* staging memory is still being read */
    r->sending = 0;
    int direct = send_inputs(call);
    if (!waits && (r->staged_in || direct)) {
        remote->point(ctx->device, &r->sent);
        r->sending = r->sent != NULL;
    }
    while (n > 0 && !remote->failing(ctx->device)) {
        if (counting && n >= MANY && runs_of(call) >= 2 && r->now->ran && run_many(call, input)) {
            n -= MANY;
            continue;
        }
        run_once(call);
        if (counting && --n) {
            count(call, input, 1);
            add_to(&call->bus.launches, 1);
        }
        if (!counting) n--;
    }
    fetch_outputs(call);
    if (!waits && direct && r->sending) {
        remote->await(ctx->device, r->sent);
        r->sending = 0;
    }
    status = remote->finish(ctx->device, waits, &call->error);
    if (!status) unpack_outputs(call);
    return status;
}

kn_kernel *rt_count_kernel(base_arena *arena) {
    kn_build b;
    kn_build_init(&b, arena);
    kn_access counter = kn_access_of(kn_add_mem(&b, KN_INOUT, SN_I64, KN_C(1), "count"));
    kn_access numbers = kn_access_of(kn_add_mem(&b, KN_OUT, SN_I64, KN_C(MANY), "numbers"));
    kn_id run = kn_add_axis(&b, KN_UNROLL, KN_C(MANY));
    kn_access_step(&numbers, run, KN_C(1));
    kn_part_begin(&b, 0, NULL, 1, 1, 1);
    kn_phase_begin(&b, 0, 0, NULL, KN_NONE, 1, 1);
    kn_id now = kn_load(&b, SN_I64, counter);
    kn_store(&b, numbers, kn_prim2(&b, KP_ADD, SN_I64, now, kn_index(&b, run)));
    kn_store(&b, counter, kn_prim2(&b, KP_ADD, SN_I64, now, kn_scalar(&b, SN_I64, 0)));
    kn_phase_end(&b);
    kn_part_end(&b);
    return kn_build_finish(&b);
}
