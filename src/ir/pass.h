/* pass.h: what a rewriting pass is made of, for the pass files and their tests.
 *
 * A pass is a table of rules. The driver rebuilds the graph in id order; for each node, with its operands already
 * rebuilt, the first rule that applies gives the node that stands in its place. A rule looks at the node and at what it
 * was built from, and never changes dtype or shape. */
#ifndef IR_PASS_H
#define IR_PASS_H

#include "ir/graph.h"
#include "ir/kernel.h"

typedef struct {
    ir_graph *g;          /* being built; the node's operands and dims are in it */
    const ir_graph *from; /* being rewritten .. */
    ir_id at;             /* .. and the node's id there */
    const uint32_t *uses; /* of from's nodes: by needed nodes and roots */
} ir_rewrite;

/* A node of rw->g to stand for n, which is not interned yet; 0: the rule does not apply. */
typedef ir_id (*ir_rule_fn)(const ir_rewrite *rw, const ir_node *n);

typedef struct {
    const char *name;
    ir_rule_fn apply;
    const char *doc;
} ir_rule;

typedef struct ir_pass {
    const char *name;
    uint32_t n_rules;
    const ir_rule *rules;
} ir_pass;

extern const ir_pass ir_pass_fold, ir_pass_algebra, ir_pass_view;
/* pass_halves.c: the pass that is done last and once, for a machine whose libraries take f16 and bf16 or do not. */
const ir_pass *ir_pass_last(kn_machine machine);

/* Rewrites what roots need into the empty graph `to`, keeping signature, checks, names and places; pass NULL only
 * copies. Returns how many nodes were rewritten. Under to's trap. */
uint32_t ir_run_pass(ir_graph *to, const ir_graph *from, const ir_roots *roots, const ir_pass *pass, ir_roots *out);

/* Is everything to be held to its rules after each stage? By SINTER_VERIFY; in debug builds always. */
int ir_wants_verify(void);

/* ---- pass_util.c: looking and building --------------------------------------------------------------------------- */

static inline const ir_node *ir_in(const ir_rewrite *rw, const ir_node *n, uint32_t i) {
    return ir_at(rw->g, n->in[i]);
}
static inline int ir_is_float(const ir_node *n) { return base_is_float((sn_dtype)n->dtype); }

/* Is the operand needed by this node alone? 0 also where the operand became what it is in this pass: the next will
 * know. */
int ir_is_only_use(const ir_rewrite *rw, const ir_node *n, uint32_t operand);

int ir_is_unit(const ir_graph *g, ir_dim d); /* constant 1 */
int ir_same_dims(const ir_node *a, const ir_node *b);

/* The bits of a value as the dtype holds it; it must be a value of the dtype. */
uint64_t ir_bits_of(sn_dtype dtype, double value);
/* A constant, or a scalar constant repeated to a shape: 1 and its bits. */
int ir_splat(const ir_graph *g, ir_id id, uint64_t *bits);
int ir_splat_is(const ir_graph *g, ir_id id, double value); /* to the bit: 0 and -0 differ */

/* Nodes of like's shape. */
ir_id ir_make_splat(ir_graph *g, const ir_node *like, uint64_t bits);
ir_id ir_make_unary(ir_graph *g, const ir_node *like, ir_op op, ir_id a);
ir_id ir_make_binary(ir_graph *g, const ir_node *like, ir_op op, ir_id a, ir_id b);
/* Moves of one operand, with like's dtype and shape. */
ir_id ir_make_reshape(ir_graph *g, const ir_node *like, ir_id a);
ir_id ir_make_broadcast(ir_graph *g, const ir_node *like, ir_id a, const int64_t *map);

#endif
