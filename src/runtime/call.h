/* call.h: a function with bound tensors and all that a run needs, laid out for the dims of the last run. */
#ifndef RUNTIME_CALL_H
#define RUNTIME_CALL_H

#include "runtime/array.h"
#include "runtime/function.h"
#include "runtime/remote.h"

/* What has to be done before the next run. */
typedef enum {
    RT_READY,    /* nothing: same memory, same dims */
    RT_POINTERS, /* memory was bound anew, sizes are those of the last run */
    RT_SIZES     /* everything */
} rt_state;

/* In sn_call.from: told by sn_call_set_dim, not by an input. */
#define RT_TOLD UINT32_MAX

/* A lock that a run takes. */
typedef struct {
    rt_lock *lock;
    int exclusive;
} rt_hold;

/* A step with the dims of the call put in. */
typedef struct {
    uint8_t kind; /* pg_kind */
    be_exec *exec;
    kn_launch launch;
    int64_t *n_chunks; /* of each part */
    size_t scratch;
    double ns; /* estimate */
    be_gemm gemm;
    const void *from; /* COPY */
    void *to;
    size_t copy_bytes;
    void **mem; /* LAUNCH: what launch.mem points to */
    int64_t *dim;
    uint64_t traffic, flops;
} rt_step;

/* What a call has for each plan of its function. */
typedef struct {
    rt_step *step;
    rt_count *count; /* of each step */
    size_t *temp_bytes, *temp_offset;
    size_t arena_used;
    int laid_out; /* .. for these named dims: */
    int64_t *names;
} rt_call_plan;

struct sn_call {
    sn_function *function;
    sn_call *next, **link; /* in function->calls; link is what points here */
    sn_call *next_idle;
    base_trap error;
    _Atomic uint32_t running; /* since a run began and until it ends: nobody else may come to the fields below .. */
    _Atomic uint32_t clashed; /* .. and somebody has tried */
    rt_state state;
    sn_tensor *tensor; /* inputs, then outputs; data: the host's memory, or the array's */
    uint8_t *bound;
    sn_array **array; /* of each of them: what it is bound to; NULL: memory of the host's */
    uint32_t n_array;
    rt_hold *hold; /* locks of the variables and arrays, in the order of their addresses */
    uint32_t n_hold;
    int64_t count_at; /* what the counting input of sn_call_run_steps reads */
    int64_t *told;    /* sizes of the dims that the call is told; -1: not yet */
    int64_t *names;   /* values of the named dims, and which of them .. */
    uint32_t *from;   /* .. input told it */
    rt_call_plan plan[PG_MAX_PLANS];
    rt_call_plan *now; /* the plan for the dims, and what it has: */
    const pg_program *program;
    rt_step *step;
    rt_count *count;
    size_t *temp_bytes, *temp_offset;
    uint32_t *plan_scratch;
    void *arena; /* temporaries of whatever plan; the backend's memory */
    size_t arena_cap;
    rt_remote remote; /* where the backend has memory of its own */
    _Atomic uint64_t runs;
    rt_bus bus;
    void *block; /* of all arrays above */
    size_t block_bytes;
};

/* Adds a timed run to a counter that only this thread writes and others may read. */
static inline void rt_count_time(rt_count *count, uint64_t ns) {
    uint64_t samples = atomic_load_explicit(&count->samples, memory_order_relaxed);
    uint64_t sum = atomic_load_explicit(&count->ns, memory_order_relaxed);
    atomic_store_explicit(&count->samples, samples + 1, memory_order_relaxed);
    atomic_store_explicit(&count->ns, sum + ns, memory_order_relaxed);
}

/* Is another thread's run under way? Plain loads and stores, since an exchange would cost a tenth of a small run: of
 * two runs that begin within the same few ns neither sees the other. Nothing else of the call is touched then. */
static inline int rt_call_is_taken(sn_call *call) {
    if (atomic_load_explicit(&call->running, memory_order_acquire)) {
        atomic_store_explicit(&call->clashed, 1, memory_order_relaxed);
        return 1;
    }
    if (atomic_load_explicit(&call->clashed, memory_order_relaxed))
        atomic_store_explicit(&call->clashed, 0, memory_order_relaxed);
    return 0;
}

/* hold.c: what a call locks for a run. */
void rt_hold_collect(sn_call *call); /* after arrays were bound anew */
void rt_hold_lock(const sn_call *call);
void rt_hold_unlock(const sn_call *call);

/* array.c: sizes of bound arrays that have changed since the last run are taken over; the locks are held. */
sn_status rt_array_refresh(sn_call *call);
/* array.c: output arrays get the sizes of the run. */
void rt_array_settle(const sn_call *call);

/* call.c: binds a slot (inputs, then outputs) to the tensor, whose memory is the array's where there is one. */
sn_status rt_bind(sn_call *call, uint32_t slot, const sn_tensor *tensor, sn_array *array);
sn_status rt_no_such(sn_call *call, const char *what, size_t index, uint32_t n);

/* call.c: frees a call of the idle list; such calls hold no reference to their function. */
void rt_call_destroy(sn_call *call);

/* bind.c: can this tensor be this input or output, as far as can be told without the other ones? index counts inputs,
 * then outputs. array: it is that of one. The sentence goes to call->error. */
sn_status rt_check_tensor(sn_call *call, uint32_t slot, const sn_tensor *tensor, int array);
/* bind.c: dims from the sizes of the inputs, which are all bound, and every check on them. */
sn_status rt_solve_inputs(sn_call *call);
/* bind.c: the same, and the outputs' sizes checked. */
sn_status rt_solve_dims(sn_call *call);
/* bind.c: no output shares memory with an input or another output. */
sn_status rt_check_overlap(sn_call *call);

/* layout.c: makes this plan the one that runs. */
void rt_use_plan(sn_call *call, uint32_t which);
/* layout.c: from dims to a plan and its launches: chunk counts, the plan of temporaries, scratch. */
sn_status rt_layout(sn_call *call);
/* layout.c: puts the addresses of bound tensors, variables and temporaries into the steps. */
void rt_point(sn_call *call);
void rt_point_steps(sn_call *call); /* the same for what was found there before */

#endif
