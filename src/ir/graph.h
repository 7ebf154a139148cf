/* graph.h: the graph IR: typed, hash-consed nodes in an arena. Equal nodes are one node, so common subexpressions are
 * shared from the start; names and places in the user's program are side tables and not part of a node's identity.
 *
 * Node ids are topological: operands have smaller ids. Id 0 is the poison expression. Functions here run under the
 * graph's trap (base_protect(&g->trap, ..)) and fail by jumping; the public builders (builders.c) are where a failure
 * becomes the graph's first error and a poison expression. */
#ifndef IR_GRAPH_H
#define IR_GRAPH_H

#include "base/arena.h"
#include "base/floats.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "sinter/sinter.h"

typedef uint32_t ir_id;  /* node; 0: poison */
typedef uint32_t ir_dim; /* interned dim; 0: none */

typedef enum {
    IR_POISON,
#define IR_OP(UC, lc, doc) IR_##UC,
#include "ir/ops.def"
    IR_OP_COUNT
} ir_op;

/* ---- dims (dim.c): polynomials with integer coefficients over named dims, interned in canonical form, so that equal
 * polynomials have equal ids -------------------------------------------------------------------------------------- */

enum { IR_DIM_FACTORS = 4 };
typedef struct {
    int64_t coef;
    uint8_t n;                     /* factors; 0: the constant term */
    uint16_t name[IR_DIM_FACTORS]; /* index in the graph's dim names, sorted */
} ir_term;
typedef struct {
    uint32_t n;
    const ir_term *term; /* sorted; the zero polynomial has none */
} ir_poly;

/* A check made at each call: two dims that an operator wants equal, or (at_most) a <= b. */
typedef struct {
    ir_dim a, b;
    uint8_t at_most;
    const char *text; /* "add: X is f32[N,2], Y is f32[M,2]" with its place, for the message */
} ir_check;

typedef struct {
    uint8_t op, dtype, rank;
    uint16_t n_in, n_attr;
    ir_dim dim[SN_MAX_RANK];
    const ir_id *in;
    const int64_t *attr;
} ir_node;

typedef struct {
    const char *file; /* borrowed from the caller's __FILE__, or "" */
    int32_t line;
} ir_place;

typedef struct {
    const char *name;
    sn_var *var; /* borrowed; NULL in parsed graphs */
    ir_id node;
} ir_var;

struct sn_graph {
    base_trap trap;
    base_arena arena;
    base_log log;
    void *context; /* the sn_context; NULL for graphs made inside */
    const char *name;

    BASE_VEC(ir_node) node;       /* [0] is poison */
    BASE_VEC(ir_place) place;     /* of each node: the first builder call that made it */
    BASE_VEC(const char *) label; /* of each node: a name for dumps, or NULL */
    BASE_VEC(ir_id) input;        /* INPUT nodes in order */
    BASE_VEC(const char *) input_name;
    BASE_VEC(ir_var) var;
    BASE_VEC(ir_poly) dim; /* [0] unused */
    BASE_VEC(const char *) dim_name;
    BASE_VEC(ir_check) check;
    uint32_t *bucket, n_bucket;         /* hash table of nodes */
    uint32_t *dim_bucket, n_dim_bucket; /* hash table of dims */
    uint32_t *var_bucket, n_var_bucket; /* hash table of the first n_var_known variables */
    uint32_t n_var_known;

    ir_place here; /* place given to new nodes */
    sn_status error;
    char error_text[BASE_TEXT_MAX]; /* the first error */

    sn_status function_error; /* of the last sn_function_new or sn_eval: does not spoil the graph */
    char function_text[BASE_TEXT_MAX];
};
typedef struct sn_graph ir_graph;

/* Facts of the operator table. */
typedef enum { IR_CLASS_LEAF, IR_CLASS_EWISE, IR_CLASS_REDUCE, IR_CLASS_OTHER } ir_class;
typedef enum {
    IR_DOM_ANY,
    IR_DOM_POS,
    IR_DOM_UNIT,
    IR_DOM_SMALL,
    IR_DOM_ABOVE_M1,
    IR_DOM_NONZERO,
    IR_DOM_POWER,
    IR_DOM_DISTINCT
} ir_domain;
enum { IR_T_F = 1, IR_T_I = 2, IR_T_B = 4 };
enum { IR_COMMUTES = 1, IR_NOGRAD = 2 };
/* A reduction that gives an index, i64 whatever its operand is. */
#define IR_IS_ARG(op) ((op) == IR_ARGMAX || (op) == IR_ARGMIN)
typedef struct {
    const char *name;
    uint8_t cls;        /* ir_class; CAST and SELECT are EWISE too */
    uint8_t n_operands; /* EWISE */
    uint8_t types;      /* set of IR_T_*, EWISE and REDUCE */
    uint8_t to_bool;    /* EWISE: result is bool */
    uint8_t cost;
    uint8_t domain;
    uint8_t flags;
    float ulp;
    const char *doc;
} ir_op_info;
extern const ir_op_info ir_ops[IR_OP_COUNT];
/* Is dtype in a set of IR_T_*? */
int ir_type_in(uint8_t types, sn_dtype dtype);

/* ---- graph.c ----------------------------------------------------------------------------------------------------- */

/* Prepares an empty graph. After failure (SN_ERR_NOMEM) ir_graph_clear is still due. */
sn_status ir_graph_init(ir_graph *g, base_alloc *alloc, const base_log *log, const char *name);
void ir_graph_clear(ir_graph *g);

static inline const ir_node *ir_at(const ir_graph *g, ir_id id) { return &g->node.at[id]; }

/* Finds or adds a node exactly as given, without any check or inference. in and attr are copied. */
ir_id ir_intern(ir_graph *g, const ir_node *node);

ir_dim ir_dim_const(ir_graph *g, int64_t n);
ir_dim ir_dim_named(ir_graph *g, const char *name);
ir_dim ir_dim_add(ir_graph *g, ir_dim a, ir_dim b);
ir_dim ir_dim_sub(ir_graph *g, ir_dim a, ir_dim b);
ir_dim ir_dim_mul(ir_graph *g, ir_dim a, ir_dim b);
/* 1 and the value if the dim is constant. */
int ir_dim_is_const(const ir_graph *g, ir_dim d, int64_t *n);
/* The dim with a number in the place of a name. */
ir_dim ir_dim_fix(ir_graph *g, ir_dim d, uint16_t name, int64_t value);
/* Value with the named dims' values; SN_ERR_SHAPE through the return value 0 on overflow. */
int ir_dim_value(const ir_graph *g, ir_dim d, const int64_t *names, int64_t *value);
/* a == b now, or a check at each call (a constant against another constant fails here). Returns the dim to go on with:
 * the constant one if there is one, else a. what names the operator and operands for the message. */
ir_dim ir_dim_same(ir_graph *g, ir_dim a, ir_dim b, const char *what);
/* a <= b now, or a check at each call. */
void ir_dim_at_most(ir_graph *g, ir_dim a, ir_dim b, const char *what);

/* Nodes with inference and checks; they fail with a sentence "op: what was wrong" (the caller adds the place). */
ir_id ir_input(ir_graph *g, const char *name, sn_dtype dtype, uint32_t rank, const ir_dim *dims);
ir_id ir_use(ir_graph *g, sn_var *var, const char *name, sn_dtype dtype, uint32_t rank, const int64_t *sizes);
ir_id ir_const_bits(ir_graph *g, sn_dtype dtype, uint64_t bits);
ir_id ir_const(ir_graph *g, sn_dtype dtype, double value);
/* An untyped constant: an f64 CONST with attr[1] = 1 that takes the dtype of the operand it meets. */
ir_id ir_const_weak(ir_graph *g, double value);
ir_id ir_iota(ir_graph *g, sn_dtype dtype, ir_dim n);
ir_id ir_dim_node(ir_graph *g, ir_dim d); /* DIM_VALUE, i64 */
ir_id ir_cast(ir_graph *g, ir_id a, sn_dtype dtype);
/* Element-wise with NumPy broadcasting: operands of different shapes get BROADCAST nodes. */
ir_id ir_unary(ir_graph *g, ir_op op, ir_id a);
ir_id ir_binary(ir_graph *g, ir_op op, ir_id a, ir_id b);
ir_id ir_select(ir_graph *g, ir_id c, ir_id a, ir_id b);
/* axes: bit set. Reduced axes disappear; keep: they stay with size 1. */
ir_id ir_reduce(ir_graph *g, ir_op op, ir_id a, uint32_t axes, int keep);
ir_id ir_matmul(ir_graph *g, ir_id a, ir_id b); /* as NumPy's: rank 1 or more each, leading axes broadcast */
ir_id ir_reshape(ir_graph *g, ir_id a, uint32_t rank, const ir_dim *dims);
ir_id ir_transpose(ir_graph *g, ir_id a, const uint8_t *perm);
/* map[a]: axis of the result for axis a of the operand. */
ir_id ir_broadcast(ir_graph *g, ir_id a, uint32_t rank, const ir_dim *dims, const uint8_t *map);
ir_id ir_broadcast_to(ir_graph *g, ir_id a, uint32_t rank, const ir_dim *dims); /* aligned at the last axis */
typedef struct {
    ir_dim start;  /* 0: 0 */
    ir_id runtime; /* i64 scalar added to start, or 0 */
    int64_t step;  /* >= 1 */
    ir_dim size;   /* of the result */
} ir_range;
ir_id ir_slice(ir_graph *g, ir_id a, const ir_range *range);                        /* one per axis */
ir_id ir_pad(ir_graph *g, ir_id a, const ir_range *range, const ir_dim *full_dims); /* range[i].size is a's */
ir_id ir_concat(ir_graph *g, uint32_t n, const ir_id *in, uint32_t axis);
ir_id ir_gather(ir_graph *g, ir_id x, ir_id ids);
ir_id ir_scatter_add(ir_graph *g, ir_id ids, ir_id values, ir_dim rows);
ir_id ir_stop_gradient(ir_graph *g, ir_id a);
/* infer_scan.c: y[k] = a[k] y[k-1] + b[k] along an axis, 0 before the first; back: from the last element. a and b
 * broadcast. */
ir_id ir_recurrence(ir_graph *g, ir_id a, ir_id b, uint32_t axis, int back);
/* Each element is its neighbour before it (back: after it) along an axis, 0 where there is none. */
ir_id ir_shifted(ir_graph *g, ir_id a, uint32_t axis, int back);
/* Sums, products of the elements up to each one; exclusive: of those before it. */
ir_id ir_cumsum(ir_graph *g, ir_id a, uint32_t axis, int exclusive, int back);
ir_id ir_cumprod(ir_graph *g, ir_id a, uint32_t axis, int exclusive, int back);

/* The CONST that a node is or only repeats, else 0. */
static inline ir_id ir_splat_of(const ir_graph *g, ir_id id) {
    while (ir_at(g, id)->op == IR_BROADCAST) id = ir_at(g, id)->in[0];
    return ir_at(g, id)->op == IR_CONST ? id : 0;
}

/* SLICE and PAD attributes, three per axis. */
enum { IR_SLICE_START, IR_SLICE_STEP, IR_SLICE_RUNTIME, IR_SLICE_ATTRS };

/* ---- infer.c: the same node in another graph, operands replaced; runs inference again ---------------------------- */
/* Copies a node of `from` into g with operands in[] (ids of g). dim_map maps ir_dims of `from` to g's (ir_dim_copy). */
ir_id ir_copy_node(ir_graph *g, const ir_graph *from, ir_id node, const ir_id *in);
ir_dim ir_dim_copy(ir_graph *g, const ir_graph *from, ir_dim d);

/* ---- print.c, parse.c, verify.c, dot.c --------------------------------------------------------------------------- */

/* A function body: outputs and updates over a graph. */
typedef struct {
    uint32_t n_out, n_update;
    const ir_id *out;
    const ir_id *update;        /* new values .. */
    const uint32_t *update_var; /* .. of these variables (index in g->var) */
} ir_roots;

void ir_print(const ir_graph *g, const ir_roots *roots, base_strbuf *out);
void ir_print_type(const ir_graph *g, ir_id id, base_strbuf *out); /* f32[N,2] */
void ir_print_dim(const ir_graph *g, ir_dim d, base_strbuf *out);
/* Parses what ir_print writes into an empty graph; roots are in its arena. Under g's trap: fails with SN_ERR_PARSE and
 * a sentence with line and column. */
void ir_parse(ir_graph *g, const char *text, size_t n, ir_roots *roots);
/* NULL, or a sentence about the first broken rule; ir_no_memory where there is too little memory to tell. */
extern const char ir_no_memory[];
const char *ir_verify(const ir_graph *g, const ir_roots *roots, char text[256]);
/* group[id]: kernel of a node, or -1; may be NULL. */
void ir_print_dot(const ir_graph *g, const ir_roots *roots, const int32_t *group, base_strbuf *out);

/* ---- pass.c and the passes: graph -> graph ----------------------------------------------------------------------- */

/* Rewrites what roots need into `to` (an initialised empty graph): constant folding, algebraic simplification,
 * transposes into matmuls, casts and stop_gradients removed, dead code dropped; in that order until nothing changes.
 * last: a pass (pass.h) that follows once, or NULL. SINTER_DUMP and SINTER_VERIFY act between passes. Under to's trap.
 */
struct ir_pass;
void ir_optimise(ir_graph *to, const ir_graph *from, const ir_roots *roots, const struct ir_pass *last, ir_roots *out);
/* The same with a number in the place of a named dim, which keeps its place among the names. */
void ir_optimise_fixed(ir_graph *to, const ir_graph *from, const ir_roots *roots, uint16_t name, int64_t value,
                       ir_roots *out);

/* ---- eval.c: the graph evaluator, an oracle ---------------------------------------------------------------------- */

/* Values of every root, node by node in f64 (integers exactly), rounded to the node's dtype after each. Memory of
 * results is in the arena. input[i], var[i]: dense values of g->input / g->var; names: values of the named dims. */
typedef struct {
    const void *const *input;
    const void *const *var;
    const int64_t *names;
} ir_values;
/* out[i]: values of roots->out, then of roots->update; sizes follow from the dims. */
void ir_eval(const ir_graph *g, const ir_roots *roots, const ir_values *values, base_arena *arena, void **out);

/* ---- autodiff/grad.c --------------------------------------------------------------------------------------------- */

/* d[i] = d(y)/d(wrt[i]); y is a float scalar. Under g's trap. */
void ir_grad(ir_graph *g, ir_id y, const ir_id *wrt, uint32_t n, ir_id *d);

#endif
