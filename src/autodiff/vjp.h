/* vjp.h: the gradient rules, one per operator. The table in grad.c names a rule for every row of ops.def, so an
 * operator without one does not link. Rules write ordinary nodes, which fuse and can be differentiated again.
 *
 *     VJP(sin) { vjp_give(v, 0, vjp_mul(v, v->dy, ir_unary(v->g, IR_COS, v->in[0]))); }
 *     VJP_ZERO(sign)       the derivative is 0: nothing flows, silently
 *     VJP_NONE(floor)      there is no derivative: an adjoint that arrives here is the user's error */
#ifndef AUTODIFF_VJP_H
#define AUTODIFF_VJP_H

#include "ir/graph.h"

/* The node y = op(in..) that is being differentiated. Its dtype and those of the operands that vjp_wants are floats. */
typedef struct {
    ir_graph *g;
    const ir_node *node;
    const ir_id *in;
    ir_id y, dy;         /* dy has y's shape */
    const uint8_t *live; /* by node id: an adjoint is wanted */
    ir_id *adjoint;      /* by node id; 0: none yet */
} vjp_state;

typedef enum { VJP_FLOWS, VJP_IS_ZERO, VJP_STOPS } vjp_kind;
typedef struct {
    vjp_kind kind;
    void (*rule)(vjp_state *v);
} vjp_rule;

#define VJP(lc)                                                                                                        \
    static void rule_##lc(vjp_state *v);                                                                               \
    const vjp_rule vjp_of_##lc = {VJP_FLOWS, rule_##lc};                                                               \
    static void rule_##lc(vjp_state *v)
#define VJP_ZERO(lc)       const vjp_rule vjp_of_##lc = {VJP_IS_ZERO, NULL};
#define VJP_NONE(lc)       const vjp_rule vjp_of_##lc = {VJP_STOPS, NULL};

#define IR_OP(UC, lc, doc) extern const vjp_rule vjp_of_##lc;
#include "ir/ops.def"

/* Does operand i want a contribution? Saves building what nobody reads. */
static inline int vjp_wants(const vjp_state *v, uint32_t i) { return v->live[v->in[i]]; }
/* Adds a contribution, of the operand's shape, to the adjoint of operand i; nothing if it is not wanted. */
void vjp_give(vjp_state *v, uint32_t i, ir_id contribution);

/* a * b, where a is often the seed of the sweep: 1 * b is b. */
ir_id vjp_mul(vjp_state *v, ir_id a, ir_id b);
/* A constant of y's dtype, as a scalar; element-wise builders broadcast it. */
ir_id vjp_const(vjp_state *v, double value);
/* A bool or integer that a rule uses (a mask, ids, starts): constant where the result is differentiated again. Without
 * the stop_gradient in it, a second derivative that is zero would look like a mistake of the user's. */
ir_id vjp_fixed(vjp_state *v, ir_id a);
/* vjp_fixed(a op b) for a comparison. */
ir_id vjp_mask(vjp_state *v, ir_op op, ir_id a, ir_id b);
/* The value if a node is a float constant or a broadcast of one. */
int vjp_is_const(const ir_graph *g, ir_id id, double *value);
/* a, of the operand's shape up to names of equal dims, with exactly the dims of node `like`. */
ir_id vjp_fit(ir_graph *g, ir_id a, ir_id like);

#endif
