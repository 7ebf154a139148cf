/* infer.h: what the files of shape and type inference share. Everything here runs under the graph's trap. */
#ifndef IR_INFER_H
#define IR_INFER_H

#include "ir/graph.h"

/* Elements of one value must stay below this, so that no byte offset overflows. */
#define IR_MAX_ELEMENTS ((int64_t)1 << 47)

/* Short texts for messages, by value so that they can be made inside an argument list. */
typedef struct {
    char text[192];
} ir_text;
ir_text ir_describe(const ir_graph *g, ir_id id);                           /* "X is f32[N,2]" */
ir_text ir_type_text(const ir_graph *g, ir_id id);                          /* "f32[N,2]" */
ir_text ir_dim_text(const ir_graph *g, ir_dim d);                           /* "2*N" */
ir_text ir_dims_text(const ir_graph *g, uint32_t rank, const ir_dim *dims); /* "[N,2]" */

/* No term has a negative coefficient: not negative at any call. */
int ir_dim_nonnegative(const ir_graph *g, ir_dim d);
/* Do two dims ask for the same check? */
int ir_check_is(ir_graph *g, const ir_check *c, ir_dim a, ir_dim b, int at_most);
/* d / divisor, or 0 where that is no polynomial with integer coefficients. */
ir_dim ir_dim_divide(ir_graph *g, ir_dim d, int64_t divisor);
/* Product of those dims that have no equal partner in other: named dims cancel before anything is multiplied. */
ir_dim ir_dim_product_without(ir_graph *g, uint32_t rank, const ir_dim *dims, uint32_t n_other, const ir_dim *other);

/* Fails unless the dims are a shape: rank, no negative sizes (a check at each call where a named dim decides), a total
 * that stays below IR_MAX_ELEMENTS. what: "op", or a longer beginning of the sentence. */
void ir_check_shape(ir_graph *g, const char *what, uint32_t rank, const ir_dim *dims);
/* Fails unless the dtype can be computed with. */
void ir_check_dtype(ir_graph *g, const char *what, sn_dtype dtype);

/* Is the node an untyped constant? */
int ir_is_weak(const ir_graph *g, ir_id id);
/* The untyped constant as one of dtype; other nodes as they are. op: for the message. */
ir_id ir_strong(ir_graph *g, const char *op, ir_id id, sn_dtype dtype);
/* An untyped constant as f64; other nodes as they are. */
static inline ir_id ir_typed(ir_graph *g, ir_id id) { return ir_strong(g, "const", id, SN_F64); }

/* MATMUL of two matrices, or of batches with the same leading axes, with the node's flags. */
ir_id ir_matmul_flags(ir_graph *g, ir_id a, ir_id b, int64_t flags);

#endif
