/* random_graph.h: random graphs with the values of their inputs: a seed in, a few functions over shared variables out.
 */
#ifndef SUPPORT_RANDOM_GRAPH_H
#define SUPPORT_RANDOM_GRAPH_H

#include "support/support_paths.h"

enum { RANDOM_MAX_NODES = 512, RANDOM_MAX_FUNCTIONS = 3 };

typedef struct {
    ir_id id;
    double most; /* about the largest magnitude: keeps values from growing beyond all bounds */
} random_node;

typedef struct {
    sn_graph *g;
    uint64_t state;
    sn_dtype real;     /* the float type in most places */
    support_body body; /* inputs and dims; roots are those of a function when it runs */
    uint32_t n_function;
    ir_roots function[RANDOM_MAX_FUNCTIONS];
    sn_var *var[SUPPORT_MAX_VARS];
    uint32_t n_var;
    int with_gradient;

    random_node pool[RANDOM_MAX_NODES];
    uint32_t n_pool;
    ir_dim dim[6];
    uint32_t n_dim;
    void *owned[SUPPORT_MAX_INPUTS];
    uint32_t n_owned;
} random_graph;

/* Fails the test where a builder refuses what it should take. size: about how many operators. */
void random_graph_new(random_graph *r, sn_context *ctx, uint64_t seed, int size);
void random_graph_free(random_graph *r);

/* Random numbers, for whoever goes on with the graph: [0, n), and low .. high. */
uint32_t random_below(random_graph *r, uint32_t n);
double random_uniform(random_graph *r, double low, double high);

/* random_views.c: one more view, move or matrix product of nodes in the pool. */
void random_add_view(random_graph *r);
void random_add_product(random_graph *r);

/* random_composites.c: one more composite. */
void random_add_composite(random_graph *r);

/* What these files use. */
void random_push(random_graph *r, ir_id id, double most);
random_node random_pick(random_graph *r, uint32_t types);       /* a node with a dtype in a set of IR_T_* */
random_node random_pick_real(random_graph *r);                  /* .. of the real dtype */
ir_id random_tame(random_graph *r, random_node x, double most); /* x, or something bounded made of it */
int64_t random_size(const random_graph *r, ir_dim d);
int64_t random_elements(const random_graph *r, ir_id id);
uint32_t random_shape(random_graph *r, ir_dim *dims, int constant); /* fills dims, returns their number */
ir_id random_input(random_graph *r, sn_dtype dtype, uint32_t rank, const ir_dim *dims);

#endif
