/* The graph: hash-consed nodes in an arena, and the leaves of expressions.
 *
 * Equal nodes (op, type, operands, attributes) are one node. Names and places are parallel arrays beside the nodes and
 * take no part in identity. Node ids grow, operands come before their users. An allocation that fails half-way through
 * adding a node leaves the graph as it was. */
#include "ir/graph.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "ir/infer.h"

/* Makes sure that the next push cannot fail. */
#define RESERVE(v, arena)                                                                                              \
    ((v)->n == (v)->cap ? (void)((v)->at = base_vec_grow((arena), (v)->at, sizeof *(v)->at, (v)->n, &(v)->cap))        \
                        : (void)0)

static void first_entries(void *arg) {
    ir_graph *g = arg;
    *base_vec_push(&g->node, &g->arena) = (ir_node){.op = IR_POISON};
    *base_vec_push(&g->place, &g->arena) = (ir_place){"", 0};
    *base_vec_push(&g->label, &g->arena) = NULL;
    *base_vec_push(&g->dim, &g->arena) = (ir_poly){0, NULL};
    if (g->name) g->name = base_arena_strdup(&g->arena, g->name);
}

sn_status ir_graph_init(ir_graph *g, base_alloc *alloc, const base_log *log, const char *name) {
    memset(g, 0, sizeof *g);
    base_arena_init(&g->arena, alloc, &g->trap);
    if (log)
        g->log = *log;
    else
        base_log_init(&g->log, NULL, NULL, SN_LOG_OFF);
    g->name = name ? name : "graph";
    g->here = (ir_place){"", 0};
    return base_protect(&g->trap, first_entries, g);
}

void ir_graph_clear(ir_graph *g) { base_arena_free(&g->arena); }

/* ---- interning --------------------------------------------------------------------------------------------------- */

static uint64_t hash_node(const ir_node *n) {
    uint32_t head[5 + SN_MAX_RANK] = {n->op, n->dtype, n->rank, n->n_in, n->n_attr};
    for (int i = 0; i < n->rank; i++) head[5 + i] = n->dim[i];
    uint64_t h = base_hash64(head, sizeof head, 0);
    if (n->n_in) h = base_hash64(n->in, n->n_in * sizeof *n->in, h);
    if (n->n_attr) h = base_hash64(n->attr, n->n_attr * sizeof *n->attr, h);
    return h;
}

static int same_node(const ir_node *a, const ir_node *b) {
    return a->op == b->op && a->dtype == b->dtype && a->rank == b->rank && a->n_in == b->n_in &&
           a->n_attr == b->n_attr && !memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) &&
           (!a->n_in || !memcmp(a->in, b->in, a->n_in * sizeof *a->in)) &&
           (!a->n_attr || !memcmp(a->attr, b->attr, a->n_attr * sizeof *a->attr));
}

static void insert(uint32_t *bucket, uint32_t n_bucket, uint64_t hash, ir_id id) {
    uint32_t i = (uint32_t)hash & (n_bucket - 1);
    while (bucket[i]) i = (i + 1) & (n_bucket - 1);
    bucket[i] = id;
}

static void grow(ir_graph *g) {
    uint32_t n = g->n_bucket ? g->n_bucket * 2 : 256;
    if (n > (uint32_t)1 << 30) base_fail(&g->trap, SN_ERR_UNSUPPORTED, "a graph of more than 2^29 nodes");
    uint32_t *bucket = ARENA_ARRAY(&g->arena, uint32_t, n);
    for (ir_id id = 1; id < g->node.n; id++) insert(bucket, n, hash_node(&g->node.at[id]), id);
    g->bucket = bucket;
    g->n_bucket = n;
}

ir_id ir_intern(ir_graph *g, const ir_node *node) {
    if (g->node.n * 2 >= g->n_bucket) grow(g);
    uint64_t hash = hash_node(node);
    for (uint32_t i = (uint32_t)hash & (g->n_bucket - 1); g->bucket[i]; i = (i + 1) & (g->n_bucket - 1))
        if (same_node(&g->node.at[g->bucket[i]], node)) return g->bucket[i];

    ir_node copy = *node;
    for (int i = node->rank; i < SN_MAX_RANK; i++) copy.dim[i] = 0;
    ir_id *in = ARENA_ARRAY(&g->arena, ir_id, node->n_in);
    int64_t *attr = ARENA_ARRAY(&g->arena, int64_t, node->n_attr);
    if (node->n_in) memcpy(in, node->in, node->n_in * sizeof *in);
    if (node->n_attr) memcpy(attr, node->attr, node->n_attr * sizeof *attr);
    copy.in = in;
    copy.attr = attr;
    RESERVE(&g->node, &g->arena);
    RESERVE(&g->place, &g->arena);
    RESERVE(&g->label, &g->arena);
    ir_id id = g->node.n;
    *base_vec_push(&g->node, &g->arena) = copy;
    *base_vec_push(&g->place, &g->arena) = g->here;
    *base_vec_push(&g->label, &g->arena) = NULL;
    insert(g->bucket, g->n_bucket, hash, id);
    return id;
}

/* ---- inputs and variables ---------------------------------------------------------------------------------------- */

static ir_id leaf(ir_graph *g, ir_op op, sn_dtype dtype, uint32_t rank, const ir_dim *dims, uint16_t n_attr,
                  const int64_t *attr) {
    ir_node node = {.op = (uint8_t)op, .dtype = (uint8_t)dtype, .rank = (uint8_t)rank, .n_attr = n_attr, .attr = attr};
    for (uint32_t i = 0; i < rank; i++) node.dim[i] = dims[i];
    return ir_intern(g, &node);
}

ir_id ir_input(ir_graph *g, const char *name, sn_dtype dtype, uint32_t rank, const ir_dim *dims) {
    if (!name || !*name) base_fail(&g->trap, SN_ERR_ARGUMENT, "input: has no name");
    for (uint32_t i = 0; i < g->input.n; i++)
        if (!strcmp(g->input_name.at[i], name))
            base_fail(&g->trap, SN_ERR_ARGUMENT, "input: the graph already has an input named %s", name);
    ir_check_dtype(g, "input", dtype);
    ir_check_shape(g, "input", rank, dims);
    const char *copy = base_arena_strdup(&g->arena, name);
    RESERVE(&g->input, &g->arena);
    RESERVE(&g->input_name, &g->arena);
    ir_id id = leaf(g, IR_INPUT, dtype, rank, dims, 1, (const int64_t[]){g->input.n});
    *base_vec_push(&g->input, &g->arena) = id;
    *base_vec_push(&g->input_name, &g->arena) = copy;
    g->label.at[id] = copy;
    return id;
}

static uint64_t hash_var(const ir_var *v) {
    return v->var ? base_hash64(&v->var, sizeof v->var, 1) : base_hash64(v->name, strlen(v->name), 2);
}

/* Where the variable is, or belongs, in a table with room. */
static uint32_t *var_place(const ir_graph *g, const ir_var *v) {
    uint32_t i = (uint32_t)hash_var(v) & (g->n_var_bucket - 1);
    for (; g->var_bucket[i]; i = (i + 1) & (g->n_var_bucket - 1)) {
        const ir_var *x = &g->var.at[g->var_bucket[i] - 1];
        if (x->var == v->var && (v->var || !strcmp(x->name, v->name))) break;
    }
    return &g->var_bucket[i];
}

/* Its number + 1 where it is in the graph, else 0. Variables come into graphs in other ways, too: the table follows. */
static uint32_t find_var(ir_graph *g, const ir_var *v) {
    if (2 * g->var.n >= g->n_var_bucket) {
        uint32_t n = g->n_var_bucket ? g->n_var_bucket : 16;
        while (n <= 4 * g->var.n) n *= 2;
        g->var_bucket = ARENA_ARRAY(&g->arena, uint32_t, n);
        g->n_var_bucket = n;
        g->n_var_known = 0;
    }
    for (; g->n_var_known < g->var.n; g->n_var_known++) {
        uint32_t *place = var_place(g, &g->var.at[g->n_var_known]);
        if (!*place) *place = g->n_var_known + 1; /* of two that are the same the first */
    }
    return *var_place(g, v);
}

ir_id ir_use(ir_graph *g, sn_var *var, const char *name, sn_dtype dtype, uint32_t rank, const int64_t *sizes) {
    if (!name) name = "";
    uint32_t known = find_var(g, &(ir_var){name, var, 0});
    if (known) return g->var.at[known - 1].node;
    ir_check_dtype(g, "use", dtype);
    ir_dim dims[SN_MAX_RANK] = {0};
    for (uint32_t i = 0; i < rank && i < SN_MAX_RANK; i++) dims[i] = ir_dim_const(g, sizes[i]);
    ir_check_shape(g, "use", rank, dims);
    const char *copy = base_arena_strdup(&g->arena, name);
    RESERVE(&g->var, &g->arena);
    ir_id id = leaf(g, IR_VAR, dtype, rank, dims, 1, (const int64_t[]){g->var.n});
    *base_vec_push(&g->var, &g->arena) = (ir_var){copy, var, id};
    if (*copy) g->label.at[id] = copy;
    return id;
}

/* ---- constants --------------------------------------------------------------------------------------------------- */

ir_id ir_const_bits(ir_graph *g, sn_dtype dtype, uint64_t bits) {
    ir_check_dtype(g, "const", dtype);
    size_t bytes = sn_dtype_size(dtype);
    if (bytes < 8) bits &= ((uint64_t)1 << (8 * bytes)) - 1;
    if (dtype == SN_BOOL) bits = bits != 0;
    int64_t attr;
    memcpy(&attr, &bits, sizeof attr);
    return leaf(g, IR_CONST, dtype, 0, NULL, 1, &attr);
}

/* The value's bits, zero-extended to 64. */
static uint64_t bits_of(ir_graph *g, sn_dtype dtype, double value) {
    uint64_t bits = 0;
    int64_t least = 0, greatest = 1;
    switch (dtype) {
        case SN_F64:
        case SN_F32:
        case SN_F16:
        case SN_BF16:
            bits = base_float_bits(dtype, value);
            if (isfinite(value) && !isfinite(base_float_value(dtype, bits)))
                base_fail(&g->trap, SN_ERR_ARGUMENT, "const: %.17g is out of range of %s", value, sn_dtype_name(dtype));
            return bits;
        case SN_I64: least = INT64_MIN; break;
        case SN_I32: least = INT32_MIN, greatest = INT32_MAX; break;
        case SN_U8: greatest = UINT8_MAX; break;
        default: break;
    }
    /* 2^63 is not an i64 and INT64_MAX is not a double: the bound is exclusive there. */
    int fits =
        dtype == SN_I64 ? value >= -0x1p63 && value < 0x1p63 : value >= (double)least && value <= (double)greatest;
    if (!(fits && value == trunc(value)))
        base_fail(&g->trap, SN_ERR_ARGUMENT, "const: %.17g is not a value of %s", value, sn_dtype_name(dtype));
    int64_t integer = (int64_t)value;
    memcpy(&bits, &integer, sizeof bits);
    return bits;
}

ir_id ir_const(ir_graph *g, sn_dtype dtype, double value) {
    ir_check_dtype(g, "const", dtype);
    return ir_const_bits(g, dtype, bits_of(g, dtype, value));
}

ir_id ir_const_weak(ir_graph *g, double value) {
    int64_t attr[2] = {0, 1};
    memcpy(attr, &value, sizeof value);
    return leaf(g, IR_CONST, SN_F64, 0, NULL, 2, attr);
}

int ir_is_weak(const ir_graph *g, ir_id id) {
    const ir_node *n = ir_at(g, id);
    return n->op == IR_CONST && n->n_attr == 2 && n->attr[1];
}

/* ---- index and dim values ---------------------------------------------------------------------------------------- */

ir_id ir_iota(ir_graph *g, sn_dtype dtype, ir_dim n) {
    ir_check_dtype(g, "iota", dtype);
    if (dtype == SN_BOOL) base_fail(&g->trap, SN_ERR_DTYPE, "iota: bool does not count; make it i64 and compare");
    ir_check_shape(g, "iota", 1, &n);
    return leaf(g, IR_IOTA, dtype, 1, &n, 0, NULL);
}

ir_id ir_dim_node(ir_graph *g, ir_dim d) {
    int64_t n;
    if (ir_dim_is_const(g, d, &n)) return ir_const_bits(g, SN_I64, (uint64_t)n);
    return leaf(g, IR_DIM_VALUE, SN_I64, 0, NULL, 1, (const int64_t[]){d});
}
