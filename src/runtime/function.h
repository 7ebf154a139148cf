/* function.h: a compiled graph. Everything here but the list of calls, the error and the last dims is fixed once
 * sn_function_new has returned, so any thread may read it. */
#ifndef RUNTIME_FUNCTION_H
#define RUNTIME_FUNCTION_H

#include "cache/memory.h"
#include "ir/program.h"
#include "runtime/context.h"
#include "runtime/variable.h"

/* A variable of the function, in address order, which is the order of locking everywhere. */
typedef struct {
    sn_var *var;
    int exclusive; /* the function updates it */
} rt_held;

/* At a call, named dim `name` follows from the size of this axis of this input and the dims solved before it. */
typedef struct {
    uint16_t name;
    uint32_t input, axis;
} rt_solve;

/* What a step has done since the function was made. A call is the only writer of its own counters. */
typedef struct {
    _Atomic uint64_t samples, ns; /* timed runs, and their time */
} rt_count;

/* What runs have cost besides, on a device with memory of its own. */
typedef struct {
    _Atomic uint64_t in, out;           /* bytes across the bus */
    _Atomic uint64_t launches, replays; /* kernels, products and copies started one by one; recordings */
} rt_bus;

/* One of the function's plans: see program.h. */
typedef struct {
    pg_program *program;
    const cache_kernel **kernel;   /* of each step; NULL for what is no launch */
    uint32_t n_mem, n_dim, n_part; /* totals over the launches: what a call has to keep */
    /* Under the function's lock: */
    rt_count *retired; /* of calls that are gone; one per step */
    /* Of the call that last met new dims and ran this plan: */
    int has_last;
    int64_t *last_names;
    size_t *last_bytes, *last_offset;    /* of temporaries */
    uint64_t *last_traffic, *last_flops; /* of steps */
    double *last_ns;                     /* of launches: what they were expected to take on one thread */
    size_t last_arena;
} rt_plan;

struct sn_function {
    sn_context *ctx;
    sn_function *next, **link; /* in ctx->functions, under its lock; link is what points here, NULL: not in it yet */
    _Atomic uint32_t refs;     /* the user's and one per call */
    const char *name;          /* in given's arena */

    ir_graph given; /* what the description needs, givens substituted */
    ir_roots given_roots;
    ir_graph graph; /* after the passes; owner of the program and of the arrays below */
    ir_roots roots;
    int has_given, has_graph; /* initialised, so they are due to be cleared */

    uint32_t n_input;
    pg_plans plans;
    pg_program *program; /* the last of plans, which assumes nothing */
    rt_plan plan[PG_MAX_PLANS];
    const cache_kernel *count_kernel; /* counts an input on a device with memory of its own; else NULL */
    rt_held *held;
    uint32_t n_held;
    rt_solve *solve;
    uint32_t n_solve;
    uint16_t *told; /* named dims that calls are told, in the description's order */
    uint32_t n_told;
    BASE_VEC(ir_check) check; /* of the graph as given, over dims of graph */

    uint32_t n_compiled;
    double compile_ms, plan_ms;

    pthread_mutex_t lock; /* of everything below */
    sn_call *calls;       /* all that live */
    sn_call *idle;        /* those of sn_function_call that nobody uses */
    uint64_t retired_runs;
    rt_bus retired_bus;
    base_trap error;
    uint32_t last_plan; /* the plan that last met new dims; before any call: the one that assumes nothing */
};

/* subgraph.c: checks a description and copies what it needs of the user's graph into the function's `given`, with the
 * givens substituted; sets given_roots. The sentence of a failure is in given's trap. */
sn_status rt_copy_described(sn_function *function, const sn_graph *graph, const sn_function_desc *desc);

/* compile.c: the pipeline. On failure err has the sentence and nothing is left. */
sn_status rt_compile(sn_graph *graph, const sn_function_desc *desc, base_trap *err, sn_function **out);

/* function.c */
void rt_function_retain(sn_function *function);
void rt_function_release(sn_function *function);
/* Frees the calls that sn_function_call keeps for later. */
void rt_function_trim(sn_function *function);

/* bind.c: finds out, once per function, how dims follow from inputs. Fails, under the trap of the function's graph,
 * where a dim follows from none. */
void rt_plan_dims(sn_function *function);

/* show.c: where the function has several plans, a line that says which one follows. */
void rt_put_plan(const sn_function *function, uint32_t plan, base_strbuf *out);
/* show.c: appends the text of sn_function_show; what: one of the backend's texts for code. */
sn_status rt_show(sn_function *function, sn_show what, base_strbuf *out, base_trap *err);
sn_status rt_show_code(sn_function *function, const char *what, base_strbuf *out, base_trap *err);

/* profile.c */
void rt_profile_text(sn_function *function, base_strbuf *out);
void rt_profile_json(sn_function *function, base_strbuf *out);

#endif
