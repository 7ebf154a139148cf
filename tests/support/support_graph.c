/* Fresh graphs, values and evaluation for the tests of the graph IR. */
#include "support_graph.h"

#include "support_compiled.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

typedef struct {
    support_graph *t;
    void (*body)(support_graph *t);
} call;

static void run_body(void *arg) {
    call *c = arg;
    c->body(c->t);
}

void support_run(void (*body)(support_graph *t)) {
    support_graph *t = calloc(1, sizeof *t);
    ck_assert_ptr_nonnull(t);
    base_alloc_init(&t->alloc, NULL);
    t->seed = 88172645463325252u;
    ck_assert_int_eq(ir_graph_init(&t->g, &t->alloc, NULL, "test"), SN_OK);
    call c = {t, body};
    sn_status status = base_protect(&t->g.trap, run_body, &c);
    ck_assert_msg(status == SN_OK, "%s: %s", sn_status_name(status), t->g.trap.text);
    ir_graph_clear(&t->g);
    ck_assert_uint_eq(t->alloc.live_bytes, 0);
    free(t);
}

sn_status support_try(support_graph *t, void (*body)(void *arg), void *arg) {
    sn_status status = base_protect(&t->g.trap, body, arg);
    memcpy(t->error, t->g.trap.text, sizeof t->error);
    base_clear_error(&t->g.trap); /* the failure was expected: support_run's body goes on */
    return status;
}

ir_dim support_size(support_graph *t, int64_t n) { return ir_dim_const(&t->g, n); }

ir_dim support_named(support_graph *t, const char *name, int64_t value) {
    ir_dim d = ir_dim_named(&t->g, name);
    ck_assert_uint_le(t->g.dim_name.n, sizeof t->dim / sizeof *t->dim);
    for (uint32_t i = 0; i < t->g.dim_name.n; i++)
        if (!strcmp(t->g.dim_name.at[i], name)) t->dim[i] = value;
    return d;
}

ir_id support_input_dims(support_graph *t, const char *name, sn_dtype dtype, uint32_t rank, const ir_dim *dims,
                         const void *value) {
    ir_id id = ir_input(&t->g, name, dtype, rank, dims);
    ck_assert_uint_le(t->g.input.n, sizeof t->input / sizeof *t->input);
    t->input[t->g.input.n - 1] = value;
    return id;
}

ir_id support_input(support_graph *t, const char *name, sn_dtype dtype, uint32_t rank, const int64_t *sizes,
                    const void *value) {
    ir_dim dims[SN_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = ir_dim_const(&t->g, sizes[i]);
    return support_input_dims(t, name, dtype, rank, dims, value);
}

void *support_eval(support_graph *t, ir_id id) {
    ir_roots roots = {.n_out = 1, .out = &id};
    ir_values values = {t->input, t->var, t->dim};
    void *out;
    ir_eval(&t->g, &roots, &values, &t->g.arena, &out);
    return out;
}

double support_float(const void *data, sn_dtype dtype, int64_t i) {
    ck_assert(dtype == SN_F64 || dtype == SN_F32);
    return dtype == SN_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

double support_eval_scalar(support_graph *t, ir_id id) {
    ck_assert_uint_eq(ir_at(&t->g, id)->rank, 0);
    return support_float(support_eval(t, id), (sn_dtype)ir_at(&t->g, id)->dtype, 0);
}

int64_t support_count(support_graph *t, ir_id id) {
    const ir_node *node = ir_at(&t->g, id);
    int64_t n = 1, size = 0;
    for (uint32_t i = 0; i < node->rank; i++) {
        ck_assert(ir_dim_value(&t->g, node->dim[i], t->dim, &size));
        n *= size;
    }
    return n;
}

static uint64_t next(support_graph *t) { /* xorshift64* */
    t->seed ^= t->seed >> 12;
    t->seed ^= t->seed << 25;
    t->seed ^= t->seed >> 27;
    return t->seed * 2685821657736338717u;
}

double support_uniform(support_graph *t, double low, double high) {
    return low + (high - low) * ((double)(next(t) >> 11) * 0x1p-53);
}

int64_t support_below(support_graph *t, int64_t n) { return (int64_t)(next(t) % (uint64_t)n); }

static double draw(support_graph *t, ir_domain domain, int operand) {
    switch (domain) {
        case IR_DOM_POS: return exp(support_uniform(t, log(1e-3), log(1e3)));
        case IR_DOM_UNIT: return support_uniform(t, -1, 1);
        case IR_DOM_SMALL: return support_uniform(t, -8, 8);
        case IR_DOM_ABOVE_M1: return -1 + exp(support_uniform(t, log(0.01), log(1e3)));
        case IR_DOM_NONZERO: return (next(t) & 1 ? 1 : -1) * support_uniform(t, 0.1, 4);
        case IR_DOM_POWER: return operand ? support_uniform(t, -3, 3) : support_uniform(t, 0.1, 8);
        /* a at whole numbers, b between them */
        case IR_DOM_DISTINCT: return (double)support_below(t, 9) - 4 + (operand ? support_uniform(t, 0.25, 0.75) : 0);
        case IR_DOM_ANY: break;
    }
    return support_uniform(t, -4, 4);
}

double *support_domain(support_graph *t, ir_domain domain, int operand, int64_t n) {
    double *x = ARENA_ARRAY(&t->g.arena, double, (size_t)n);
    for (int64_t i = 0; i < n; i++) x[i] = draw(t, domain, operand);
    return x;
}

ir_id support_random(support_graph *t, const char *name, uint32_t rank, const int64_t *sizes) {
    int64_t n = 1;
    for (uint32_t i = 0; i < rank; i++) n *= sizes[i];
    double *x = ARENA_ARRAY(&t->g.arena, double, (size_t)n);
    for (int64_t i = 0; i < n; i++) x[i] = support_uniform(t, -2, 2);
    return support_input(t, name, SN_F64, rank, sizes, x);
}

ir_id support_apply(support_graph *t, int op, ir_id a, ir_id b) {
    return ir_ops[op].n_operands == 1 ? ir_unary(&t->g, (ir_op)op, a) : ir_binary(&t->g, (ir_op)op, a, b);
}

ir_id support_sum_all(support_graph *t, ir_id e) {
    return ir_reduce(&t->g, IR_SUM, e, (1u << ir_at(&t->g, e)->rank) - 1, 0);
}

void support_check_floats(const char *what, const void *have, sn_dtype dtype, const double *want, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double x = support_float(have, dtype, i), y = want[i];
        ck_assert_msg(isnan(y) ? isnan(x) : x == y && !signbit(x) == !signbit(y), "%s[%lld] is %.17g, not %.17g", what,
                      (long long)i, x, y);
    }
}

void support_check_node_floats(support_graph *t, const char *what, ir_id id, const double *want, int64_t n) {
    ck_assert_int_eq(support_count(t, id), n);
    support_check_floats(what, support_eval(t, id), (sn_dtype)ir_at(&t->g, id)->dtype, want, n);
    support_check_compiled(t, what, &id, 1);
}

static int64_t int_at(const void *data, sn_dtype dtype, int64_t i) {
    switch (dtype) {
        case SN_I64: return ((const int64_t *)data)[i];
        case SN_I32: return ((const int32_t *)data)[i];
        case SN_U8:
        case SN_BOOL: return ((const uint8_t *)data)[i];
        default: ck_abort_msg("%s is no integer type", sn_dtype_name(dtype));
    }
}

void support_check_node_ints(support_graph *t, const char *what, ir_id id, const int64_t *want, int64_t n) {
    ck_assert_int_eq(support_count(t, id), n);
    const void *have = support_eval(t, id);
    for (int64_t i = 0; i < n; i++) {
        int64_t x = int_at(have, (sn_dtype)ir_at(&t->g, id)->dtype, i);
        ck_assert_msg(x == want[i], "%s[%lld] is %lld, not %lld", what, (long long)i, (long long)x, (long long)want[i]);
    }
}
