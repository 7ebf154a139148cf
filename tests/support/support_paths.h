/* support_paths.h: runs a function body on every path: graph evaluator, kernels interpreted (fused and not), kernels
 * compiled (on 1, 2, 3 and 7 threads), and compares what comes out.
 *
 * Compiled code and interpreter must agree to the bit (matrix products of BLAS: within the tolerance). The evaluator is
 * compared within a tolerance found for each element by evaluating again with every operator's result off by some times
 * its bound in ops.def (folds: by the error of adding in any order), so that conditioning is accounted for; where such
 * runs end in different classes (a NaN, a flipped comparison) the element tells nothing. */
#ifndef SUPPORT_PATHS_H
#define SUPPORT_PATHS_H

#include "ir/graph.h"
#include "support/support_twin.h"

enum { SUPPORT_MAX_INPUTS = 64, SUPPORT_MAX_VARS = 8, SUPPORT_MAX_DIMS = 8, SUPPORT_MAX_ROOTS = 32 };

typedef struct {
    sn_graph *g;                           /* of a twin context */
    const void *input[SUPPORT_MAX_INPUTS]; /* by position in g->input */
    int64_t dim[SUPPORT_MAX_DIMS];         /* values of g's named dims */
    ir_roots roots;
    const double *ulp; /* SUPPORT_ULP: per output and update, how far it may be off; 0: the same bits */
} support_body;

enum {
    SUPPORT_COMPILED = 1,  /* run compiled code, too */
    SUPPORT_THREADS = 2,   /* .. and on several numbers of threads */
    SUPPORT_ULP = 4,       /* the tolerance is body->ulp (of the result's ulp), not an estimate */
    SUPPORT_FUSED_ONLY = 8 /* not unfused */
};

/* Called with the function of a path once it has run; may be NULL. */
typedef void (*support_look)(void *arg, sn_function *f);

/* 1, or 0 and a sentence. Afterwards the variables have their new values. */
int support_paths(const support_body *body, int flags, support_look look, void *arg, char *text, size_t n);

/* Elements compared with the evaluator so far; those of them that told nothing. */
extern uint64_t support_compared, support_skipped;

/* Bytes of a node's value at the body's dims. */
size_t support_bytes(const ir_graph *g, ir_id id, const int64_t *names);

/* ---- cases: a body made by a function --------------------------------------------------------------------------- */

typedef struct {
    support_body body;
    sn_graph *g;
    const char *what; /* for messages */
    uint64_t seed;
    uint32_t n_out;
    ir_id out[SUPPORT_MAX_ROOTS];
    double ulp[SUPPORT_MAX_ROOTS];
    void *owned[SUPPORT_MAX_INPUTS];
} support_case;

/* Makes a graph, lets build fill it under the graph's trap, and runs it; a difference fails the test. With
 * SN_COMPILED=1 in the environment compiled code runs in any case. */
void support_run_case(sn_context *ctx, const char *what, void (*build)(support_case *c, const void *arg),
                      const void *arg, int flags);
/* The same with another seed, and a look at each path's function. */
void support_look_case(sn_context *ctx, const char *what, uint64_t seed,
                       void (*build)(support_case *c, const void *arg), const void *arg, int flags, support_look look,
                       void *look_arg);
/* A named dim with its value; an input of that many random elements: floats in -2 .. 2, integers in -3 .. 8. */
ir_dim support_case_dim(support_case *c, const char *name, int64_t value);
ir_id support_case_input(support_case *c, sn_dtype dtype, uint32_t rank, const ir_dim *dims);
ir_id support_case_sizes(support_case *c, sn_dtype dtype, uint32_t rank, const int64_t *sizes);
void *support_case_data(support_case *c, ir_id input); /* to put other values in */
void support_case_out(support_case *c, ir_id id, double ulp);
uint32_t support_case_below(support_case *c, uint32_t n);
double support_case_uniform(support_case *c, double low, double high);
void support_put(void *at, sn_dtype dtype, int64_t i, double value);

#endif
