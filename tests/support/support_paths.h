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
    sn_graph *g; /* of a twin context */
    const void *input[SUPPORT_MAX_INPUTS]; /* by position in g->input */
    int64_t dim[SUPPORT_MAX_DIMS];         /* values of g's named dims */
    ir_roots roots;
} support_body;

enum {
    SUPPORT_COMPILED = 1, /* run compiled code, too */
    SUPPORT_THREADS = 2,  /* .. and on several numbers of threads */
    SUPPORT_EXACT = 4,    /* the evaluator's bits are wanted: no tolerance, and zeros have signs */
    SUPPORT_FUSED_ONLY = 8 /* not unfused */
};

/* Called with the function of a path once it has run; may be NULL. */
typedef void (*support_look)(void *arg, sn_function *f);

/* 1, or 0 and a sentence. Afterwards the variables have their new values. */
int support_paths(const support_body *body, int flags, support_look look, void *arg, char *text, size_t n);

/* Elements compared with the evaluator so far; those of them that told nothing. */
extern uint64_t support_compared, support_skipped;

/* What support_paths finds wrong fails the test with the graph's text. */
void support_check_paths(const support_body *body, int flags);

/* Bytes of a node's value at the body's dims. */
size_t support_bytes(const ir_graph *g, ir_id id, const int64_t *names);

#endif
