/* builder.h: how a public builder call runs: operands are checked, the body runs under the graph's trap, and a failure
 * becomes the graph's first error and the poison expression. For the files of builders, and whoever adds one. */
#ifndef IR_BUILDER_H
#define IR_BUILDER_H

#include "ir/graph.h"

/* A call: the public name, the graph, operands, and whichever arguments the body wants. */
typedef struct ir_build ir_build;
struct ir_build {
    const char *name; /* without sn_ */
    ir_graph *g;      /* for leaves; else taken from the operands */
    const sn_expr *in;
    size_t n_in;
    ir_id a, b, c; /* the first operands */
    ir_op op;
    sn_dtype dtype;
    double value;
    const char *text;
    sn_axes axes;
    int32_t axis;
    int keep;
    sn_shape shape;
    sn_dim dim, stop;
    int64_t step;
    void *arg;
    ir_id out; /* what the body makes */
};

/* Runs body under the graph's trap with nodes placed at file:line. Operands that are poison give poison; NULL graphs
 * and operands of different graphs never crash. */
sn_expr ir_build_run(ir_build *b, void (*body)(ir_build *b), const char *file, int line);

/* Keeps an error unless the graph has one already. */
void ir_build_error(ir_graph *g, sn_status status, const char *text, const char *file, int line);

/* A dim of the caller's in the graph, under the trap. */
ir_dim ir_build_dim(ir_build *b, sn_dim dim);
/* The call's shape as dims; returns the rank. */
uint32_t ir_build_shape(ir_build *b, ir_dim dims[SN_MAX_RANK]);
/* Axis number of node id from a number that may count from the end. */
uint32_t ir_build_axis(ir_build *b, ir_id id, int32_t axis);
/* The call's axes as a bit set. */
uint32_t ir_build_axes(ir_build *b, ir_id id);
/* Fails unless floating-point; an untyped constant becomes f64. */
ir_id ir_build_float(ir_build *b, ir_id id);

#endif
