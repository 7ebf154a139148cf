/* Random numbers: uniform and normal distributions and dropout, written in RANDOM_BITS and ordinary operators.
 *
 * In: seed, stream and a shape. Out: for each element a function of seed, stream and the element's row-major index, so
 * that no order of computing, number of threads or fusion changes a bit. The stream is enciphered under the seed, which
 * gives the key under which the index is enciphered: Threefry is a bijection for each key, so the streams of one seed
 * have different keys, and the indices of one stream different 64 bits. */
#include "ir/builder.h"

#include <math.h>
#include <string.h>

#include "ir/infer.h"

static ir_id number(ir_build *b, double value) { return ir_const_weak(b->g, value); }

/* A seed or stream: any integer scalar, as i64. */
static ir_id word(ir_build *b, const char *what, ir_id id) {
    id = ir_strong(b->g, b->name, id, SN_I64);
    if (ir_at(b->g, id)->rank || !ir_type_in(IR_T_I, (sn_dtype)ir_at(b->g, id)->dtype))
        base_fail(&b->g->trap, SN_ERR_DTYPE, "%s: %s must be an integer scalar: %s", b->name, what,
                  ir_describe(b->g, id).text);
    return ir_cast(b->g, id, SN_I64);
}

/* The row-major index of each element of a shape, i64. */
static ir_id row_major(ir_build *b, uint32_t rank, const ir_dim *dims) {
    ir_id index = 0, step = ir_const(b->g, SN_I64, 1);
    for (uint32_t i = rank; i-- > 0;) {
        int64_t size;
        if (ir_dim_is_const(b->g, dims[i], &size) && size == 1) continue;
        ir_id along = ir_iota(b->g, SN_I64, dims[i]);
        if (index) along = ir_binary(b->g, IR_MUL, along, step);
        const uint8_t map = (uint8_t)i;
        along = ir_broadcast(b->g, along, rank, dims, &map);
        index = index ? ir_binary(b->g, IR_ADD, index, along) : along;
        step = ir_binary(b->g, IR_MUL, step, ir_dim_node(b->g, dims[i]));
    }
    return index ? index : ir_broadcast_to(b->g, ir_const(b->g, SN_I64, 0), rank, dims);
}

static ir_id bits(ir_build *b, ir_id seed, ir_id stream, uint32_t rank, const ir_dim *dims) {
    seed = word(b, "the seed", seed);
    stream = word(b, "the stream", stream);
    ir_check_shape(b->g, b->name, rank, dims);
    ir_id key = ir_binary(b->g, IR_RANDOM_BITS, stream, seed);
    return ir_binary(b->g, IR_RANDOM_BITS, row_major(b, rank, dims), key);
}

static void want_float(ir_build *b, sn_dtype dtype) {
    ir_check_dtype(b->g, b->name, dtype);
    if (!ir_type_in(IR_T_F, dtype))
        base_fail(&b->g->trap, SN_ERR_DTYPE, "%s: gives floating-point numbers, not %s; convert with sn_cast", b->name,
                  sn_dtype_name(dtype));
}

/* The low `count` bits as a multiple of 2^-count; exact where count is at most the width of the significand. */
static ir_id fraction(ir_build *b, ir_id x, sn_dtype dtype, int count) {
    double range = (double)((uint64_t)1 << count);
    ir_id low = ir_binary(b->g, IR_AND, x, number(b, range - 1));
    return ir_binary(b->g, IR_MUL, ir_cast(b->g, low, dtype), number(b, 1 / range));
}

static ir_id uniform_of(ir_build *b, ir_id x, sn_dtype dtype) {
    if (dtype == SN_F64) return fraction(b, x, dtype, 53);
    int count = 1 - ilogb(base_float_epsilon(dtype)); /* all multiples of 2^-count below 1 are values */
    return fraction(b, ir_cast(b->g, x, SN_I32), dtype, count);
}

static void uniform(ir_build *b) {
    ir_dim dims[SN_MAX_RANK];
    uint32_t rank = ir_build_shape(b, dims);
    want_float(b, b->dtype);
    b->out = uniform_of(b, bits(b, b->a, b->b, rank, dims), b->dtype);
}
sn_expr sn_random_uniform_at(sn_expr seed, sn_expr stream, sn_dtype dtype, sn_shape shape, const char *file, int line) {
    ir_build call = {
        .name = "random_uniform", .in = (sn_expr[]){seed, stream}, .n_in = 2, .dtype = dtype, .shape = shape};
    return ir_build_run(&call, uniform, file, line);
}

/* Box and Muller: sqrt(-2 log u) cos(pi v), where u in (0, 1] comes of 31 bits of the one word and v in [-1, 1) of the
 * other. u is the middle of its interval, so that the largest magnitude is sqrt(64 log 2) = 6.66. */
static void normal(ir_build *b) {
    ir_graph *g = b->g;
    ir_dim dims[SN_MAX_RANK];
    uint32_t rank = ir_build_shape(b, dims);
    want_float(b, b->dtype);
    sn_dtype type = base_register_type(b->dtype); /* 2^31 is no value of f16 */
    ir_id both = bits(b, b->a, b->b, rank, dims);
    ir_id radius = ir_cast(g, both, SN_I32);
    ir_id angle = ir_cast(g, ir_binary(g, IR_SHR, both, number(b, 32)), SN_I32);
    radius = ir_cast(g, ir_binary(g, IR_AND, radius, number(b, 0x1p31 - 1)), type);
    radius = ir_binary(g, IR_MUL, ir_binary(g, IR_ADD, radius, number(b, 0.5)), number(b, 0x1p-31));
    radius = ir_unary(g, IR_SQRT, ir_binary(g, IR_MUL, ir_unary(g, IR_LOG, radius), number(b, -2)));
    angle = ir_binary(g, IR_MUL, ir_cast(g, angle, type), number(b, 0x1p-31 * 3.14159265358979323846));
    b->out = ir_cast(g, ir_binary(g, IR_MUL, radius, ir_unary(g, IR_COS, angle)), b->dtype);
}
sn_expr sn_random_normal_at(sn_expr seed, sn_expr stream, sn_dtype dtype, sn_shape shape, const char *file, int line) {
    ir_build call = {
        .name = "random_normal", .in = (sn_expr[]){seed, stream}, .n_in = 2, .dtype = dtype, .shape = shape};
    return ir_build_run(&call, normal, file, line);
}

static void dropout(ir_build *b) {
    ir_graph *g = b->g;
    ir_id x = ir_build_float(b, b->a), p = b->b;
    sn_dtype dtype = (sn_dtype)ir_at(g, x)->dtype;
    if (ir_at(g, p)->rank)
        base_fail(&g->trap, SN_ERR_SHAPE, "dropout: the probability must be a scalar: %s", ir_describe(g, p).text);
    double value;
    memcpy(&value, ir_at(g, p)->n_attr ? ir_at(g, p)->attr : (const int64_t[]){0}, sizeof value);
    if (ir_is_weak(g, p) && !(value >= 0 && value < 1))
        base_fail(&g->trap, SN_ERR_ARGUMENT, "dropout: the probability %.17g is not in [0, 1)", value);
    ir_dim dims[SN_MAX_RANK];
    memcpy(dims, ir_at(g, x)->dim, sizeof dims);
    ir_id u = uniform_of(b, bits(b, b->c, b->in[3].id, ir_at(g, x)->rank, dims), dtype);
    ir_id kept = ir_binary(g, IR_GE, u, ir_stop_gradient(g, ir_strong(g, b->name, p, dtype)));
    ir_id scale = ir_binary(g, IR_DIV, number(b, 1), ir_binary(g, IR_SUB, number(b, 1), p));
    if (!ir_is_weak(g, scale)) scale = ir_stop_gradient(g, scale);
    b->out = ir_select(g, kept, ir_binary(g, IR_MUL, x, scale), number(b, 0));
}
sn_expr sn_dropout_at(sn_expr a, sn_expr p, sn_expr seed, sn_expr stream, const char *file, int line) {
    ir_build call = {.name = "dropout", .in = (sn_expr[]){a, p, seed, stream}, .n_in = 4};
    return ir_build_run(&call, dropout, file, line);
}
