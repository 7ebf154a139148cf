/* Random graphs. Nodes are added to a pool one after the other, each from operands of the pool that fit; then sums of
 * some of them are differentiated; then functions take outputs and new values of variables from the pool. */
#include "random_graph.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ELEMENTS = 2000 };

/* ---- choices ---------------------------------------------------------------------------------------------------- */

static uint64_t next(random_graph *r) { /* splitmix64 */
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
uint32_t random_below(random_graph *r, uint32_t n) { return (uint32_t)(next(r) >> 32) % n; }
double random_uniform(random_graph *r, double low, double high) {
    return low + (high - low) * ((double)(next(r) >> 11) * 0x1p-53);
}
static int chance(random_graph *r, uint32_t percent) { return random_below(r, 100) < percent; }

int64_t random_size(const random_graph *r, ir_dim d) {
    int64_t n = -1;
    ck_assert(ir_dim_value(r->g, d, r->body.dim, &n) && n >= 0);
    return n;
}

int64_t random_elements(const random_graph *r, ir_id id) {
    int64_t n = 1;
    for (uint32_t a = 0; a < ir_at(r->g, id)->rank; a++) n *= random_size(r, ir_at(r->g, id)->dim[a]);
    return n;
}

static int is_float(sn_dtype t) { return base_is_float(t); }

/* The number of elements must be a polynomial that the graph can hold. */
static int has_count(const random_graph *r, ir_id id) {
    uint32_t factors = 0;
    for (uint32_t a = 0; a < ir_at(r->g, id)->rank; a++) {
        const ir_poly *poly = &r->g->dim.at[ir_at(r->g, id)->dim[a]];
        uint32_t most = 0;
        for (uint32_t i = 0; i < poly->n; i++)
            if (poly->term[i].n > most) most = poly->term[i].n;
        factors += most;
    }
    return factors <= IR_DIM_FACTORS;
}

void random_push(random_graph *r, ir_id id, double most) {
    ck_assert_uint_ne(id, 0);
    if (r->n_pool == RANDOM_MAX_NODES || random_elements(r, id) > MOST_ELEMENTS || !has_count(r, id)) return;
    double large = ir_at(r->g, id)->dtype == SN_F16 ? 16 : 1e4; /* whose products and sums have values, too */
    if (is_float((sn_dtype)ir_at(r->g, id)->dtype) && most > large) {
        id = ir_binary(r->g, IR_MUL, id, ir_const_weak(r->g, 1 / most));
        most = 1;
    }
    r->pool[r->n_pool++] = (random_node){id, most};
}

/* Recent nodes are likelier. */
static uint32_t pick_index(random_graph *r) {
    double u = random_uniform(r, 0, 1);
    return (uint32_t)((double)r->n_pool * (chance(r, 70) ? sqrt(u) : u)) % r->n_pool;
}

random_node random_pick(random_graph *r, uint32_t types) {
    for (int attempt = 0; attempt < 100; attempt++) {
        random_node x = r->pool[pick_index(r)];
        if (ir_type_in((uint8_t)types, (sn_dtype)ir_at(r->g, x.id)->dtype)) return x;
    }
    for (uint32_t i = 0; i < r->n_pool; i++)
        if (ir_type_in((uint8_t)types, (sn_dtype)ir_at(r->g, r->pool[i].id)->dtype)) return r->pool[i];
    ck_abort_msg("no node of types %u", types);
}

random_node random_pick_real(random_graph *r) {
    for (;;) {
        random_node x = random_pick(r, IR_T_F);
        if (ir_at(r->g, x.id)->dtype == r->real || chance(r, 5)) return x;
    }
}

ir_id random_tame(random_graph *r, random_node x, double most) {
    if (x.most <= most) return x.id;
    if (chance(r, 40)) return ir_unary(r->g, IR_TANH, x.id);
    return ir_binary(r->g, IR_MUL, x.id, ir_const_weak(r->g, most / x.most));
}

/* ---- leaves ----------------------------------------------------------------------------------------------------- */

static void fill(random_graph *r, sn_dtype dtype, void *at, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double x = random_uniform(r, -2, 2);
        int64_t whole = (int64_t)random_below(r, 9) - (dtype == SN_U8 ? 0 : 2);
        switch (dtype) {
            case SN_F64:
            case SN_F32:
            case SN_F16:
            case SN_BF16: base_float_put(dtype, (char *)at + (size_t)i * sn_dtype_size(dtype), (long double)x); break;
            case SN_I64: ((int64_t *)at)[i] = whole; break;
            case SN_I32: ((int32_t *)at)[i] = (int32_t)whole; break;
            case SN_BOOL: ((uint8_t *)at)[i] = whole & 1; break;
            default: ((uint8_t *)at)[i] = (uint8_t)whole;
        }
    }
}

static void *values(random_graph *r, sn_dtype dtype, int64_t n) {
    void *at = malloc((size_t)n * 8 + 1);
    ck_assert_ptr_nonnull(at);
    ck_assert_uint_lt(r->n_owned, SUPPORT_MAX_INPUTS);
    r->owned[r->n_owned++] = at;
    fill(r, dtype, at, n);
    return at;
}

ir_id random_input(random_graph *r, sn_dtype dtype, uint32_t rank, const ir_dim *dims) {
    char name[32];
    snprintf(name, sizeof name, "x%u", r->g->input.n);
    ir_id id = ir_input(r->g, name, dtype, rank, dims);
    r->body.input[r->g->input.n - 1] = values(r, dtype, random_elements(r, id));
    return id;
}

static void make_dims(random_graph *r) {
    static const int64_t sizes[] = {1, 1, 2, 2, 3, 3, 4, 5, 7, 8, 13, 16, 17, 31, 33, 40, 65, 100};
    r->n_dim = 2 + random_below(r, 4);
    for (uint32_t i = 0; i < r->n_dim; i++) {
        int64_t n = chance(r, 4) ? 0 : sizes[random_below(r, sizeof sizes / sizeof *sizes)];
        if (chance(r, 35)) {
            char name[16];
            snprintf(name, sizeof name, "%c", "NMKL"[random_below(r, 4)]);
            uint32_t known = r->g->dim_name.n;
            r->dim[i] = ir_dim_named(r->g, name);
            if (r->g->dim_name.n > known) r->body.dim[known] = n;
        } else {
            r->dim[i] = ir_dim_const(r->g, n);
        }
    }
}

static ir_dim any_dim(random_graph *r) { return r->dim[random_below(r, r->n_dim)]; }

/* Distinct choices mostly, so that shapes meet again. Returns the rank. */
uint32_t random_shape(random_graph *r, ir_dim *dims, int constant) {
    static const uint32_t ranks[] = {0, 1, 1, 2, 2, 2, 2, 3, 3, 4};
    uint32_t rank = ranks[random_below(r, 10)], first = random_below(r, r->n_dim);
    int64_t n = 1;
    for (uint32_t i = 0; i < rank; i++) {
        dims[i] = chance(r, 80) ? r->dim[(first + i) % r->n_dim] : any_dim(r);
        if (constant && !ir_dim_is_const(r->g, dims[i], NULL)) dims[i] = ir_dim_const(r->g, 1 + random_below(r, 5));
        n *= random_size(r, dims[i]);
        if (n > MOST_ELEMENTS / 2) return i;
    }
    return rank;
}

static void make_leaves(random_graph *r, sn_context *ctx) {
    static const sn_dtype whole[] = {SN_I64, SN_I64, SN_I32, SN_U8, SN_BOOL};
    ir_dim dims[SN_MAX_RANK];
    for (uint32_t i = 0; i < r->n_dim; i++) { /* every named dim must follow from an input */
        if (ir_dim_is_const(r->g, r->dim[i], NULL)) continue;
        dims[0] = r->dim[i];
        dims[1] = any_dim(r);
        int small = random_size(r, dims[0]) * random_size(r, dims[1]) <= MOST_ELEMENTS;
        random_push(r, random_input(r, r->real, small && chance(r, 60) ? 2 : 1, dims), 2);
    }
    uint32_t n = 2 + random_below(r, 3);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t rank = random_shape(r, dims, 0);
        sn_dtype other = r->real == SN_F32 ? (sn_dtype[]){SN_F64, SN_F16, SN_BF16}[random_below(r, 3)] : SN_F32;
        random_push(r, random_input(r, chance(r, 8) ? other : r->real, rank, dims), 2);
    }
    n = 1 + random_below(r, 3);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t rank = random_shape(r, dims, 0);
        sn_dtype dtype = i ? whole[random_below(r, 5)] : SN_I64;
        random_push(r, random_input(r, dtype, rank, dims), 6);
    }
    n = random_below(r, 5);
    for (uint32_t i = 0; i < n; i++) {
        char name[16];
        int64_t sizes[SN_MAX_RANK];
        uint32_t rank = random_shape(r, dims, 1);
        if (i && chance(r, 60)) { /* like the one before, so that they can be swapped */
            sn_tensor type = sn_var_type(r->var[i - 1]);
            rank = (uint32_t)type.rank;
            memcpy(sizes, type.size, sizeof sizes);
        } else {
            for (uint32_t a = 0; a < rank; a++) sizes[a] = random_size(r, dims[a]);
        }
        snprintf(name, sizeof name, "W%u", i);
        ck_assert_int_eq(sn_var_new(ctx, name, r->real, (int32_t)rank, sizes, &r->var[i]), SN_OK);
        r->n_var = i + 1;
        sn_tensor type = sn_var_type(r->var[i]);
        size_t bytes = sn_tensor_bytes(&type);
        void *at = malloc(bytes + 1);
        fill(r, r->real, at, (int64_t)(bytes / sn_dtype_size(r->real)));
        ck_assert_int_eq(sn_var_set(r->var[i], at, bytes), SN_OK);
        free(at);
        sn_expr use = sn_use(r->g, r->var[i]);
        random_push(r, use.id, 2);
    }
}

/* ---- arithmetic ------------------------------------------------------------------------------------------------- */

static ir_id weak(random_graph *r, double x) { return ir_const_weak(r->g, x); }
static ir_id unary(random_graph *r, ir_op op, ir_id a) { return ir_unary(r->g, op, a); }
static ir_id binary(random_graph *r, ir_op op, ir_id a, ir_id b) { return ir_binary(r->g, op, a, b); }

static ir_id above(random_graph *r, ir_id x, double low) { /* something positive made of x */
    switch (random_below(r, 4)) {
        case 0: return binary(r, IR_ADD, unary(r, IR_SQUARE, x), weak(r, low));
        case 1: return binary(r, IR_ADD, unary(r, IR_ABS, x), weak(r, low));
        case 2: return binary(r, IR_ADD, unary(r, IR_SIGMOID, x), weak(r, low));
        default: return binary(r, IR_MAX, x, weak(r, low));
    }
}

static void add_unary(random_graph *r) {
    ir_op op;
    do op = (ir_op)(1 + random_below(r, IR_OP_COUNT - 1));
    while (ir_ops[op].cls != IR_CLASS_EWISE || ir_ops[op].n_operands != 1 || op == IR_CAST);
    random_node x = random_pick(r, ir_ops[op].types);
    ir_id a = x.id;
    double most = 2;
    if (!is_float((sn_dtype)ir_at(r->g, a)->dtype)) {
        random_push(r, unary(r, op, a), x.most * x.most + 1);
        return;
    }
    int raw = chance(r, 4);
    switch (op) {
        case IR_RECIPROCAL:
        case IR_RSQRT:
            if (!raw) a = above(r, a, 0.5);
            break;
        case IR_SQRT:
        case IR_LOG:
            if (!raw) a = above(r, a, 0.25);
            most = x.most + 1;
            break;
        case IR_LOG1P:
            if (!raw) a = above(r, a, -0.5);
            most = x.most + 1;
            break;
        case IR_EXP:
        case IR_EXPM1:
            a = random_tame(r, x, 3);
            most = 20;
            break;
        case IR_SQUARE:
            a = random_tame(r, x, 30);
            most = x.most > 30 ? 900 : x.most * x.most;
            break;
        case IR_TANH:
        case IR_SIGMOID:
        case IR_SIGN:
        case IR_SIN:
        case IR_COS: most = 1; break;
        default: most = x.most + 1;
    }
    random_push(r, unary(r, op, a), most);
}

/* Do the shapes broadcast to each other? Named dims of equal value do at each call. */
static int broadcasts(const random_graph *r, ir_id a, ir_id b) {
    const ir_node *x = ir_at(r->g, a), *y = ir_at(r->g, b);
    int64_t n = 1;
    for (uint32_t i = 0; i < x->rank || i < y->rank; i++) {
        ir_dim p = i < x->rank ? x->dim[x->rank - 1 - i] : 0, q = i < y->rank ? y->dim[y->rank - 1 - i] : 0;
        int64_t one;
        int p1 = !p || (ir_dim_is_const(r->g, p, &one) && one == 1),
            q1 = !q || (ir_dim_is_const(r->g, q, &one) && one == 1);
        if (!p1 && !q1 && p != q && random_size(r, p) != random_size(r, q)) return 0;
        n *= random_size(r, p1 ? (q ? q : p) : p);
    }
    return n <= MOST_ELEMENTS;
}

/* An operand of x's dtype that broadcasts with it; now and then a constant. */
static random_node partner(random_graph *r, random_node x) {
    const ir_node *n = ir_at(r->g, x.id);
    for (int attempt = 0; attempt < 25; attempt++) {
        random_node y = r->pool[pick_index(r)];
        if (ir_at(r->g, y.id)->dtype == n->dtype && broadcasts(r, x.id, y.id) && (y.id != x.id || chance(r, 10)))
            return y;
    }
    if (n->dtype == SN_BOOL) return x;
    static const double constants[] = {0.5, 1, 2, -1, 0, 3, -0.75, 0.1};
    uint32_t first = is_float((sn_dtype)n->dtype) ? 0 : 1;
    double value = constants[first + random_below(r, is_float((sn_dtype)n->dtype) ? 8 : 2)];
    return (random_node){ir_const(r->g, (sn_dtype)n->dtype, value), 3};
}

static void add_binary(random_graph *r) {
    ir_op op;
    do op = (ir_op)(1 + random_below(r, IR_OP_COUNT - 1));
    while (ir_ops[op].cls != IR_CLASS_EWISE || ir_ops[op].n_operands != 2);
    if (chance(r, 45)) op = (ir_op[]){IR_ADD, IR_SUB, IR_MUL, IR_MUL}[random_below(r, 4)];
    random_node x = random_pick(r, ir_ops[op].types), y = partner(r, x);
    if (chance(r, 30)) {
        random_node t = x;
        x = y;
        y = t;
    }
    ir_id a = x.id, b = y.id;
    double most = x.most + y.most;
    if (is_float((sn_dtype)ir_at(r->g, a)->dtype)) {
        if (op == IR_DIV) {
            if (!chance(r, 4)) b = above(r, b, 0.5);
            most = 2 * x.most;
        } else if (op == IR_POW) {
            a = above(r, random_tame(r, x, 3), 0.2);
            b = random_tame(r, y, 3);
            most = 1000;
        } else if (op == IR_MUL) {
            most = x.most * y.most;
        }
    } else if (op == IR_MUL) {
        most = x.most * y.most;
    } else if (op == IR_SHL || op == IR_RANDOM_BITS) {
        most = 0x1p63;
    }
    random_push(r, binary(r, op, a, b), ir_ops[op].to_bool ? 1 : most);
}

static void add_select(random_graph *r) {
    random_node x = random_pick(r, IR_T_F | IR_T_I | IR_T_B), y = partner(r, x), c = random_pick(r, IR_T_B);
    for (int attempt = 0; attempt < 10 && !broadcasts(r, c.id, x.id); attempt++) c = random_pick(r, IR_T_B);
    if (!broadcasts(r, c.id, x.id) || !broadcasts(r, c.id, y.id) || chance(r, 30)) {
        if (ir_at(r->g, x.id)->dtype == SN_BOOL) return;
        c.id = binary(r, IR_LT, x.id, y.id);
    }
    random_push(r, ir_select(r->g, c.id, x.id, y.id), fmax(x.most, y.most));
}

static void add_cast(random_graph *r) {
    static const sn_dtype to[] = {SN_F64, SN_F32, SN_F16, SN_BF16, SN_I64, SN_I32, SN_U8, SN_BOOL};
    random_node x = random_pick(r, IR_T_F | IR_T_I | IR_T_B);
    random_push(r, ir_cast(r->g, x.id, chance(r, 50) ? r->real : to[random_below(r, 8)]), fmax(x.most, 1));
}

static void add_reduce(random_graph *r) {
    static const ir_op ops[] = {IR_SUM, IR_SUM, IR_SUM, IR_RMAX, IR_RMIN, IR_PROD};
    random_node x = random_pick(r, IR_T_F | IR_T_I);
    const ir_node *n = ir_at(r->g, x.id);
    if (!n->rank) return;
    uint32_t axes = chance(r, 25) ? (1u << n->rank) - 1 : 1 + random_below(r, (1u << n->rank) - 1);
    ir_op op = ops[random_below(r, 6)];
    int keep = chance(r, 50);
    double terms = 1;
    for (uint32_t a = 0; a < n->rank; a++)
        if (axes >> a & 1) terms *= (double)random_size(r, n->dim[a]);
    if (op != IR_SUM && terms == 0 && !chance(r, 10)) op = IR_SUM; /* infinities end most comparisons */
    if (op == IR_PROD && is_float((sn_dtype)n->dtype)) x = (random_node){random_tame(r, x, 1), 1};
    ir_id folded = ir_reduce(r->g, op, x.id, axes, keep);
    double most = op == IR_SUM ? x.most * fmax(terms, 1) : x.most;
    if (op == IR_SUM && is_float((sn_dtype)ir_at(r->g, folded)->dtype) && chance(r, 60)) {
        folded = binary(r, IR_MUL, folded, weak(r, 1 / fmax(terms, 1)));
        most = x.most;
    }
    random_push(r, folded, most);
    if (keep && chance(r, 60)) /* and back */
        random_push(r, binary(r, chance(r, 50) ? IR_SUB : IR_MUL, x.id, folded), x.most * fmax(most, 1) + most);
}

static void add_small_thing(random_graph *r) {
    sn_expr made;
    random_node x;
    switch (random_below(r, 5)) {
        case 0: random_push(r, ir_iota(r->g, chance(r, 60) ? r->real : SN_I64, any_dim(r)), 100); break;
        case 1:
            random_push(r, ir_cast(r->g, ir_dim_node(r->g, any_dim(r)), chance(r, 70) ? r->real : SN_I64), 100);
            break;
        case 2:
            x = random_pick_real(r);
            random_push(r, ir_stop_gradient(r->g, x.id), x.most);
            break;
        case 3: {
            ir_dim dims[SN_MAX_RANK];
            uint32_t rank = random_shape(r, dims, 0);
            random_push(r, ir_broadcast_to(r->g, ir_const(r->g, r->real, random_uniform(r, -2, 2)), rank, dims), 2);
            break;
        }
        default:
            x = random_pick(r, IR_T_I);
            if (ir_at(r->g, x.id)->rank >= 4) break;
            made =
                sn_one_hot(((sn_expr){r->g, x.id}), SN_DIM(1 + random_below(r, 8)), chance(r, 80) ? r->real : SN_BOOL);
            random_push(r, made.id, 1);
    }
}

/* ---- gradients, functions --------------------------------------------------------------------------------------- */

typedef struct {
    ir_graph *g;
    ir_id y, wrt[4], d[4];
    uint32_t n;
} grad_call;
static void call_grad(void *arg) {
    grad_call *c = arg;
    ir_grad(c->g, c->y, c->wrt, c->n, c->d);
}

static void add_gradient(random_graph *r) {
    ir_id y = ir_const(r->g, r->real, 0);
    uint32_t terms = 1 + random_below(r, 3);
    for (uint32_t i = 0; i < terms; i++) {
        random_node x = random_pick_real(r);
        if (ir_at(r->g, x.id)->dtype != r->real) continue;
        ir_id term = ir_reduce(r->g, IR_SUM, x.id, (1u << ir_at(r->g, x.id)->rank) - 1, 0);
        y = binary(r, IR_ADD, y, binary(r, IR_MUL, term, weak(r, random_uniform(r, -0.1, 0.1))));
    }
    grad_call c = {.g = r->g, .y = y, .n = 1 + random_below(r, 4)};
    for (uint32_t i = 0; i < c.n; i++) {
        random_node x = random_pick_real(r);
        c.wrt[i] = i < r->n_var ? r->g->var.at[i].node : x.id;
    }
    ir_id wrt[4];
    memcpy(wrt, c.wrt, sizeof wrt);
    if (base_protect(&r->g->trap, call_grad, &c)) {
        ck_assert_msg(r->g->trap.status == SN_ERR_GRADIENT, "gradient: %s", r->g->trap.text);
        base_clear_error(&r->g->trap);
        return;
    }
    r->with_gradient = 1;
    random_push(r, y, 100);
    for (uint32_t i = 0; i < c.n; i++) {
        random_push(r, c.d[i], 100);
        if (i < r->n_var) /* a step of descent, which functions like to take */
            random_push(r, binary(r, IR_SUB, wrt[i], binary(r, IR_MUL, c.d[i], weak(r, 0.01))), 100);
    }
}

static int same_type(const random_graph *r, ir_id a, ir_id b) {
    const ir_node *x = ir_at(r->g, a), *y = ir_at(r->g, b);
    return x->dtype == y->dtype && x->rank == y->rank && !memcmp(x->dim, y->dim, x->rank * sizeof *x->dim);
}

/* What could become the variable's value: anything of its type in the pool, or made of a scalar. */
static ir_id new_value(random_graph *r, ir_id var) {
    ir_id found[RANDOM_MAX_NODES];
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n_pool; i++)
        if (same_type(r, r->pool[i].id, var) && r->pool[i].id != var) found[n++] = r->pool[i].id;
    if (n && !chance(r, 15)) return found[random_below(r, n)];
    const ir_node *v = ir_at(r->g, var);
    ir_dim dims[SN_MAX_RANK];
    memcpy(dims, v->dim, sizeof dims);
    if (chance(r, 40) || !v->rank) return binary(r, IR_MUL, var, weak(r, 0.5));
    if (v->rank == 2 && dims[0] == dims[1]) return ir_transpose(r->g, var, (const uint8_t[]){1, 0});
    return ir_broadcast_to(r->g, ir_reduce(r->g, IR_RMAX, var, 1, 1), v->rank, dims);
}

static void make_functions(random_graph *r) {
    r->n_function = 1 + random_below(r, RANDOM_MAX_FUNCTIONS);
    for (uint32_t f = 0; f < r->n_function; f++) {
        ir_id *out = ARENA_ARRAY(&r->g->arena, ir_id, 8), *update = ARENA_ARRAY(&r->g->arena, ir_id, SUPPORT_MAX_VARS);
        uint32_t *var = ARENA_ARRAY(&r->g->arena, uint32_t, SUPPORT_MAX_VARS), n_out = 0, n_update = 0;
        uint32_t wanted = 1 + random_below(r, 5);
        while (n_out < wanted)
            out[n_out++] = r->pool[chance(r, 60) ? r->n_pool - 1 - random_below(r, (r->n_pool + 3) / 4)
                                                 : random_below(r, r->n_pool)]
                               .id;
        for (uint32_t v = 0; v < r->g->var.n; v++) {
            if (chance(r, 30)) continue;
            var[n_update] = v;
            update[n_update++] = new_value(r, r->g->var.at[v].node);
        }
        if (n_update && chance(r, 20)) n_out = 0;
        r->function[f] =
            (ir_roots){.n_out = n_out, .out = out, .n_update = n_update, .update = update, .update_var = var};
    }
}

typedef struct {
    random_graph *r;
    sn_context *ctx;
    int size;
} make_call;

static void make(void *arg) {
    make_call *m = arg;
    random_graph *r = m->r;
    r->real = chance(r, 55) ? SN_F64 : chance(r, 60) ? SN_F32 : chance(r, 50) ? SN_F16 : SN_BF16;
    make_dims(r);
    make_leaves(r, m->ctx);
    random_push(r, ir_binary(r->g, IR_GT, r->pool[0].id, weak(r, 0)), 1);
    for (int i = 0; i < m->size && r->n_pool < RANDOM_MAX_NODES / 2; i++) {
        uint32_t what = random_below(r, 100);
        if (what < 24)
            add_unary(r);
        else if (what < 48)
            add_binary(r);
        else if (what < 52)
            add_select(r);
        else if (what < 56)
            add_cast(r);
        else if (what < 68)
            add_reduce(r);
        else if (what < 72)
            random_add_composite(r);
        else if (what < 76)
            add_small_thing(r);
        else if (what < 84)
            random_add_product(r);
        else
            random_add_view(r);
    }
    if (chance(r, 50)) add_gradient(r);
    make_functions(r);
}

void random_graph_new(random_graph *r, sn_context *ctx, uint64_t seed, int size) {
    memset(r, 0, sizeof *r);
    r->state = seed;
    r->g = sn_graph_new(ctx, "random");
    ck_assert_ptr_nonnull(r->g);
    make_call m = {r, ctx, size};
    sn_status status = base_protect(&r->g->trap, make, &m);
    ck_assert_msg(!status, "seed %llu: %s", (unsigned long long)seed, r->g->trap.text);
    ck_assert_msg(!sn_graph_status(r->g), "seed %llu: %s", (unsigned long long)seed, sn_graph_error(r->g));
    r->body.g = r->g;
}

void random_graph_free(random_graph *r) {
    sn_graph_free(r->g);
    for (uint32_t i = 0; i < r->n_var; i++) sn_var_free(r->var[i]);
    for (uint32_t i = 0; i < r->n_owned; i++) free(r->owned[i]);
}
