/* support_graph.h: for tests of the graph IR: run a body over a fresh graph, give inputs their values, evaluate. */
#ifndef SUPPORT_GRAPH_H
#define SUPPORT_GRAPH_H

#include "ir/graph.h"

/* A graph under test with the values of its inputs, of its variables (by position) and named dims. */
typedef struct {
    base_alloc alloc;
    ir_graph g;
    const void *input[256], *var[16];
    int64_t dim[16];
    uint64_t seed;
    char error[BASE_TEXT_MAX]; /* of the last support_try */
} support_graph;

/* Runs body(t) under a fresh graph's trap; it must succeed and leave no memory behind. */
void support_run(void (*body)(support_graph *t));

/* A body of the same name becomes a Check test: IR_TEST(sums) { .. t->g .. } */
#define IR_TEST(name)                                                                                                  \
    static void body_##name(support_graph *t);                                                                         \
    START_TEST(name) { support_run(body_##name); }                                                                     \
    END_TEST                                                                                                           \
    static void body_##name(support_graph *t)

/* Runs body(arg) under the graph's trap again and returns the status; the sentence is in t->error. */
sn_status support_try(support_graph *t, void (*body)(void *arg), void *arg);

ir_dim support_named(support_graph *t, const char *name, int64_t value);
/* An input of constant sizes with a dense value, which is borrowed. */
ir_id support_input(support_graph *t, const char *name, sn_dtype dtype, uint32_t rank, const int64_t *sizes,
                    const void *value);
/* The same with dims. */
ir_id support_input_dims(support_graph *t, const char *name, sn_dtype dtype, uint32_t rank, const ir_dim *dims,
                         const void *value);
#define SIZES(...)                                                                                                     \
    (uint32_t)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }
#define DIMS(...)                                                                                                      \
    (uint32_t)(sizeof((const ir_dim[]){__VA_ARGS__}) / sizeof(ir_dim)), (const ir_dim[]) { __VA_ARGS__ }
ir_dim support_size(support_graph *t, int64_t n); /* ir_dim_const */

/* Value of one node; memory is the graph's. */
void *support_eval(support_graph *t, ir_id id);
double support_eval_scalar(support_graph *t, ir_id id); /* of an f64 or f32 scalar */
/* Elements of a node with the named dims as they are now. */
int64_t support_count(support_graph *t, ir_id id);
double support_float(const void *data, sn_dtype dtype, int64_t i); /* f64 or f32 */

/* Deterministic random numbers. */
double support_uniform(support_graph *t, double low, double high);
int64_t support_below(support_graph *t, int64_t n);
/* n values where ops.def's domain allows operand k (0 or 1) of a binary operator to be. */
double *support_domain(support_graph *t, ir_domain domain, int operand, int64_t n);
/* An f64 input of random values in -2 .. 2. */
ir_id support_random(support_graph *t, const char *name, uint32_t rank, const int64_t *sizes);

/* An element-wise operator of one or two operands; the sum over all axes. */
ir_id support_apply(support_graph *t, int op, ir_id a, ir_id b);
ir_id support_sum_all(support_graph *t, ir_id e);

/* Compare with f64 or f32 values: bit by bit, but any NaN is as good as another. */
void support_check_floats(const char *what, const void *have, sn_dtype dtype, const double *want, int64_t n);
/* Evaluate a node and compare all its elements; of floats, those of compiled code, too, where SN_TWIN asks for it
 * (support_compiled.h). */
void support_check_node_floats(support_graph *t, const char *what, ir_id id, const double *want, int64_t n);
void support_check_node_ints(support_graph *t, const char *what, ir_id id, const int64_t *want, int64_t n);
#define COUNT(a) (int64_t)(sizeof(a) / sizeof *(a))
#define CHECK_FLOATS(t, id, ...)                                                                                       \
    support_check_node_floats(t, #id, id, (const double[]){__VA_ARGS__}, COUNT(((const double[]){__VA_ARGS__})))
#define CHECK_INTS(t, id, ...)                                                                                         \
    support_check_node_ints(t, #id, id, (const int64_t[]){__VA_ARGS__}, COUNT(((const int64_t[]){__VA_ARGS__})))

#endif
