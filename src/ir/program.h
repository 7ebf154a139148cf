/* program.h: what the pipeline makes of a function: kernels, and a list of steps over named memories. It knows no
 * backend and no address; src/runtime runs it. */
#ifndef IR_PROGRAM_H
#define IR_PROGRAM_H

#include "ir/graph.h"
#include "ir/kernel.h"

/* A size known at each call: poly * (step < 0 ? 1 : number of chunks of that part of that step's kernel). */
typedef struct {
    ir_dim poly; /* of the program's graph */
    int32_t step;
    uint32_t part;
} pg_dim;

/* What a plan takes for granted of one named dim: least <= it <= most. */
typedef struct {
    uint16_t name; /* index in dim_name */
    int64_t least, most;
} pg_assume;

typedef enum { PG_INPUT, PG_OUTPUT, PG_VAR, PG_TEMP, PG_NONE /* ROW memories */ } pg_space;
typedef struct {
    uint8_t space; /* pg_space */
    uint32_t index;
} pg_ref;

/* A temporary of the call. Its size is the product of both factors in elements. */
typedef struct {
    sn_dtype dtype;
    pg_dim count;
    uint32_t first, last; /* steps that use it: lifetimes for the memory plan */
    const char *name;
} pg_temp;

typedef enum { PG_LAUNCH, PG_GEMM, PG_COPY } pg_kind;
typedef struct {
    uint8_t kind; /* pg_kind */
    /* LAUNCH */
    kn_kernel *kernel;
    const char *name;       /* "moons.1 tanh sum": for people */
    const pg_ref *mem;      /* one per kernel->mem */
    const pg_dim *dim;      /* one per kernel dim */
    const uint64_t *scalar; /* one per kernel scalar */
    uint32_t n_traffic;     /* memory traffic is a sum: each an element count .. */
    const pg_dim *traffic;
    const uint8_t *traffic_size; /* .. times these bytes */
    pg_dim flops;                /* estimate */
    /* GEMM: c[m,n] = op(a) op(b), row-major; batch of them one after the other in memory. Then, on machines that have
     * epilogues, row[n] is added to every row, and relu taken. */
    sn_dtype dtype; /* of a and b */
    sn_dtype to;    /* of c and row */
    pg_dim m, n, k, batch;
    uint8_t trans_a, trans_b; /* stored [k,m], [n,k] */
    uint8_t relu;             /* may make 0 of a NaN */
    pg_ref row;               /* PG_NONE: nothing is added */
    /* GEMM and COPY (b unused; m: elements) */
    pg_ref a, b, c;
} pg_step;

/* A plan of a function: what to do where the call's dims are as assumed. */
typedef struct {
    const pg_assume *assume; /* NULL: nothing */
    ir_graph *graph;         /* the optimised graph: types of inputs, outputs, variables; dims; checks */
    ir_roots roots;          /* ids in graph */
    uint32_t n_step, n_temp;
    pg_step *step;
    pg_temp *temp;
    /* For each node of graph: the step that computes it (the one that stores it, where several do), or -1. */
    const int32_t *step_of;
    const char *fuse_text; /* which nodes went where */
    const char *why_text;  /* every fusion decision */
    uint64_t work;         /* steps that fusion and lowering took: for tests of how they grow */
} pg_program;

/* Fuses, lowers and orders an optimised graph. Everything is in g's arena. Under g's trap. how: a set of pg_how.
 * assume: in g's arena, or NULL. */
typedef enum {
    PG_FUSE = 1,    /* else a kernel per node */
    PG_KEEP_NAN = 2 /* relu stays out of matrix products */
} pg_how;
pg_program *pg_compile(ir_graph *g, const ir_roots *roots, int how, kn_machine machine, const pg_assume *assume);

/* variant.c: all plans of a function. The first whose assumption holds runs; the last assumes nothing. */
enum { PG_MAX_PLANS = 4 };
typedef struct {
    uint32_t n;
    pg_program *at[PG_MAX_PLANS];
    ir_graph one; /* of the plan that takes a dim for 1 */
    int has_one;  /* initialised */
} pg_plans;
/* As pg_compile. After failure, too, pg_plans_clear is due, before g is cleared. */
void pg_compile_plans(pg_plans *plans, ir_graph *g, const ir_roots *roots, int how, kn_machine machine);
void pg_plans_clear(pg_plans *plans);
/* The number of the plan for these sizes of the named dims. */
uint32_t pg_plan_for(const pg_plans *plans, const int64_t *names);
/* "N = 1", "1 <= N <= 8", "all other sizes". */
void pg_print_assumption(const pg_program *p, base_strbuf *out);

/* names.c: a kn_namer for a kernel that was lowered from a graph; arg is a pg_namer. */
typedef struct {
    const ir_graph *graph;
    const kn_kernel *kernel;
} pg_namer;
void pg_name_instruction(void *arg, uint32_t inst, base_strbuf *out);

/* memplan.c: offsets of temporaries in one arena for the dims of a call, by lifetime; returns the arena's bytes. sizes:
 * bytes of each. Offsets are multiples of 64. Deterministic. scratch: at least 4 * n_temp uint32_t. */
size_t pg_plan(const pg_program *p, const size_t *sizes, size_t *offsets, uint32_t *scratch);

#endif
