/* The rewriting passes: each rule alone on a graph that it must rewrite and on graphs that it must leave; and the
 * driver. */
#define _POSIX_C_SOURCE 200809L
#include <check.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/pass.h"
#include "support/support_graph.h"
#include "support/support_text.h"

static void drop_labels(ir_graph *g) {
    for (ir_id id = 1; id < g->node.n; id++) g->label.at[id] = NULL;
}

/* ---- every rule -------------------------------------------------------------------------------------------------- */

#define HEAD                                                                                                           \
    "graph t[N, M](%x: f32[N], %y: f32[N], %d: f64[N], %i: i32[N], %j: i32[N], %u: u8[N], %v: u8[N], %p: bool[N], "    \
    "%q: bool[N], %k: f32[], %a: f32[N,4], %b: f32[4,M], %s: f32[4], %c: f32[N,1], %l: i64[N], %t: f32[N,4,M], "       \
    "%o: f32[1,4], %z: i64[]) {\n"
/* A constant repeated to [N], as %const and then %name. */
#define SPLAT(type, value, name)                                                                                       \
    "%" name "0 = const " value " : " type "[] %" name " = broadcast %" name "0 map=[] : " type "[N]\n"

/* %h is x as an f16; the same and a constant repeated to [N]. */
#define HALF_OF_X               "%h = cast %x : f16[N] "
#define HALF(type, value, name) HALF_OF_X SPLAT(type, value, name)

typedef struct {
    const char *rule, *before, *after; /* after NULL: the rule must not fire */
} rule_case;

static const rule_case cases[] = {
    /* fold */
    {"constant_operands", "%1 = const 3 : f32[] %2 = const 0.1 : f32[] %r = mul %1, %2 : f32[] return %r",
     "%r = const 0.3 : f32[] return %r"},
    {"constant_operands", "%1 = const 255 : u8[] %2 = const 2 : u8[] %r = add %1, %2 : u8[] return %r",
     "%r = const 1 : u8[] return %r"},
    {"constant_operands", "%1 = const -1 : i32[] %r = cast %1 : u8[] return %r", "%r = const 255 : u8[] return %r"},
    {"constant_operands", "%1 = const -1 : f32[] %r = sqrt %1 : f32[] return %r", "%r = const nan : f32[] return %r"},
    {"constant_operands",
     "%1 = const true : bool[] %2 = const 7 : i64[] %3 = const 8 : i64[] "
     "%r = select %1, %2, %3 : i64[] return %r",
     "%r = const 7 : i64[] return %r"},
    {"constant_operands", "%1 = const nan : f64[] %r = ne %1, %1 : bool[] return %r",
     "%r = const true : bool[] return %r"},
    {"constant_operands", "%1 = const 1 : f32[] %r = add %1, %k : f32[] return %r", NULL},
    {"constant_operands", "%1 = const 1 : f32[] %2 = broadcast %1 map=[] : f32[N] %r = neg %2 : f32[N] return %r",
     NULL},
    {"constant_condition", SPLAT("bool", "true", "m") "%r = select %m, %x, %y : f32[N] return %r", "return %x"},
    {"constant_condition", SPLAT("bool", "false", "m") "%r = select %m, %x, %y : f32[N] return %r", "return %y"},
    {"constant_condition", "%r = select %p, %x, %y : f32[N] return %r", NULL},
    {"constant_dim", "%r = dim_value 12 : i64[] return %r", "%r = const 12 : i64[] return %r"},
    {"constant_dim", "%r = dim_value N : i64[] return %r", NULL},

    /* algebra: sums */
    {"add_zero", SPLAT("f32", "-0", "m") "%r = add %x, %m : f32[N] return %r", "return %x"},
    {"add_zero", SPLAT("f32", "-0", "m") "%r = add %m, %x : f32[N] return %r", "return %x"},
    {"add_zero", SPLAT("i32", "0", "m") "%r = add %i, %m : i32[N] return %r", "return %i"},
    {"add_zero", SPLAT("f32", "0", "m") "%r = add %x, %m : f32[N] return %r", NULL},
    {"add_neg", "%1 = neg %y : f32[N] %r = add %x, %1 : f32[N] return %r", "%r = sub %x, %y : f32[N] return %r"},
    {"add_neg", "%1 = neg %u : u8[N] %r = add %1, %v : u8[N] return %r", "%r = sub %v, %u : u8[N] return %r"},
    {"add_neg", "%1 = abs %y : f32[N] %r = add %x, %1 : f32[N] return %r", NULL},
    {"sub_zero", SPLAT("f32", "0", "m") "%r = sub %x, %m : f32[N] return %r", "return %x"},
    {"sub_zero", SPLAT("f32", "-0", "m") "%r = sub %x, %m : f32[N] return %r", NULL},
    {"sub_from_zero", SPLAT("f32", "-0", "m") "%r = sub %m, %x : f32[N] return %r", "%r = neg %x : f32[N] return %r"},
    {"sub_from_zero", SPLAT("i32", "0", "m") "%r = sub %m, %i : i32[N] return %r", "%r = neg %i : i32[N] return %r"},
    {"sub_from_zero", SPLAT("f32", "0", "m") "%r = sub %m, %x : f32[N] return %r", NULL},
    {"sub_neg", "%1 = neg %y : f32[N] %r = sub %x, %1 : f32[N] return %r", "%r = add %x, %y : f32[N] return %r"},
    {"sub_neg", "%1 = neg %y : f32[N] %r = sub %1, %x : f32[N] return %r", NULL},
    {"sub_self", "%r = sub %i, %i : i32[N] return %r", SPLAT("i32", "0", "r") "return %r"},
    {"sub_self", "%r = sub %x, %x : f32[N] return %r", NULL},
    {"sub_self", "%r = sub %i, %j : i32[N] return %r", NULL},

    /* algebra: products */
    {"mul_one", SPLAT("f32", "1", "m") "%r = mul %m, %x : f32[N] return %r", "return %x"},
    {"mul_one", SPLAT("f32", "1.0000001", "m") "%r = mul %m, %x : f32[N] return %r", NULL},
    {"mul_minus_one", SPLAT("f32", "-1", "m") "%r = mul %x, %m : f32[N] return %r", "%r = neg %x : f32[N] return %r"},
    {"mul_minus_one", SPLAT("u8", "255", "m") "%r = mul %u, %m : u8[N] return %r", NULL},
    {"mul_zero", SPLAT("i32", "0", "m") "%r = mul %i, %m : i32[N] return %r", SPLAT("i32", "0", "r") "return %r"},
    {"mul_zero", SPLAT("f32", "0", "m") "%r = mul %x, %m : f32[N] return %r", NULL},
    {"mul_neg_neg", "%1 = neg %x : f32[N] %2 = neg %y : f32[N] %r = mul %1, %2 : f32[N] return %r",
     "%r = mul %x, %y : f32[N] return %r"},
    {"mul_neg_neg", "%1 = neg %x : f32[N] %2 = neg %y : f32[N] %r = div %1, %2 : f32[N] return %r",
     "%r = div %x, %y : f32[N] return %r"},
    {"mul_neg_neg", "%1 = neg %x : f32[N] %r = mul %1, %y : f32[N] return %r", NULL},
    {"mul_neg_const", SPLAT("f32", "3", "m") "%1 = neg %x : f32[N] %r = mul %1, %m : f32[N] return %r",
     SPLAT("f32", "-3", "m") "%r = mul %x, %m : f32[N] return %r"},
    {"mul_neg_const", SPLAT("f64", "-inf", "m") "%1 = neg %d : f64[N] %r = mul %m, %1 : f64[N] return %r",
     SPLAT("f64", "inf", "m") "%r = mul %d, %m : f64[N] return %r"},
    {"mul_neg_const", "%1 = neg %x : f32[N] %r = mul %1, %y : f32[N] return %r", NULL},
    {"mul_self", "%r = mul %x, %x : f32[N] return %r", "%r = square %x : f32[N] return %r"},
    {"mul_self", "%r = mul %x, %y : f32[N] return %r", NULL},
    {"div_one", SPLAT("f32", "1", "m") "%r = div %x, %m : f32[N] return %r", "return %x"},
    {"div_one", SPLAT("f32", "1", "m") "%r = div %m, %x : f32[N] return %r", NULL},
    {"one_div", SPLAT("f32", "1", "m") "%r = div %m, %x : f32[N] return %r", "%r = reciprocal %x : f32[N] return %r"},
    {"one_div", SPLAT("f32", "-1", "m") "%r = div %m, %x : f32[N] return %r", NULL},
    {"div_power_of_two", SPLAT("f32", "8", "m") "%r = div %x, %m : f32[N] return %r",
     SPLAT("f32", "0.125", "m") "%r = mul %x, %m : f32[N] return %r"},
    {"div_power_of_two", SPLAT("f64", "-0.5", "m") "%r = div %d, %m : f64[N] return %r",
     SPLAT("f64", "-2", "m") "%r = mul %d, %m : f64[N] return %r"},
    {"div_power_of_two", SPLAT("f32", "8.507059e37", "m") "%r = div %x, %m : f32[N] return %r", /* 2^126 */
     SPLAT("f32", "1.1754944e-38", "m") "%r = mul %x, %m : f32[N] return %r"},
    {"div_power_of_two", SPLAT("f32", "1.7014118e38", "m") "%r = div %x, %m : f32[N] return %r", NULL}, /* 2^127 */
    {"div_power_of_two", SPLAT("f32", "1e-45", "m") "%r = div %x, %m : f32[N] return %r", NULL},
    {"div_power_of_two", SPLAT("f32", "0", "m") "%r = div %x, %m : f32[N] return %r", NULL},
    {"div_power_of_two", SPLAT("f32", "inf", "m") "%r = div %x, %m : f32[N] return %r", NULL},
    {"div_power_of_two", SPLAT("f32", "3", "m") "%r = div %x, %m : f32[N] return %r", NULL},
    {"pow_const", SPLAT("f32", "2", "m") "%r = pow %x, %m : f32[N] return %r", "%r = square %x : f32[N] return %r"},
    {"pow_const", SPLAT("f32", "1", "m") "%r = pow %x, %m : f32[N] return %r", "return %x"},
    {"pow_const", SPLAT("f32", "0", "m") "%r = pow %x, %m : f32[N] return %r", SPLAT("f32", "1", "r") "return %r"},
    {"pow_const", SPLAT("f32", "-1", "m") "%r = pow %x, %m : f32[N] return %r",
     "%r = reciprocal %x : f32[N] return %r"},
    {"pow_const", SPLAT("f32", "0.5", "m") "%r = pow %x, %m : f32[N] return %r", NULL},
    {"pow_const", SPLAT("f32", "2", "m") "%r = pow %m, %x : f32[N] return %r", NULL},

    /* algebra: one operand */
    {"neg_neg", "%1 = neg %x : f32[N] %r = neg %1 : f32[N] return %r", "return %x"},
    {"neg_neg", "%1 = abs %x : f32[N] %r = neg %1 : f32[N] return %r", NULL},
    {"abs_neg", "%1 = neg %i : i32[N] %r = abs %1 : i32[N] return %r", "%r = abs %i : i32[N] return %r"},
    {"abs_neg", "%1 = neg %u : u8[N] %r = abs %1 : u8[N] return %r", NULL},
    {"square_of_sign", "%1 = neg %u : u8[N] %r = square %1 : u8[N] return %r", "%r = square %u : u8[N] return %r"},
    {"square_of_sign", "%1 = abs %x : f32[N] %r = square %1 : f32[N] return %r", "%r = square %x : f32[N] return %r"},
    {"square_of_sign", "%1 = relu %x : f32[N] %r = square %1 : f32[N] return %r", NULL},
    {"same_again", "%1 = relu %x : f32[N] %r = relu %1 : f32[N] return %r", "%r = relu %x : f32[N] return %r"},
    {"same_again", "%1 = floor %x : f32[N] %r = floor %1 : f32[N] return %r", "%r = floor %x : f32[N] return %r"},
    {"same_again", "%1 = square %x : f32[N] %r = square %1 : f32[N] return %r", NULL},
    {"stop_gradient", "%r = stop_gradient %x : f32[N] return %r", "return %x"},

    /* algebra: truth */
    {"not_not", "%1 = not %i : i32[N] %r = not %1 : i32[N] return %r", "return %i"},
    {"not_not", "%1 = neg %i : i32[N] %r = not %1 : i32[N] return %r", NULL},
    {"not_equal", "%1 = eq %x, %y : bool[N] %r = not %1 : bool[N] return %r", "%r = ne %x, %y : bool[N] return %r"},
    {"not_equal", "%1 = ne %p, %q : bool[N] %r = not %1 : bool[N] return %r", "%r = eq %p, %q : bool[N] return %r"},
    {"not_equal", "%1 = lt %x, %y : bool[N] %r = not %1 : bool[N] return %r", NULL},
    {"logic_const", SPLAT("bool", "true", "m") "%r = and %p, %m : bool[N] return %r", "return %p"},
    {"logic_const", SPLAT("bool", "false", "m") "%r = or %m, %p : bool[N] return %r", "return %p"},
    {"logic_const", SPLAT("bool", "false", "m") "%r = and %p, %m : bool[N] return %r",
     SPLAT("bool", "false", "m") "return %m"},
    {"logic_const", SPLAT("bool", "true", "m") "%r = or %p, %m : bool[N] return %r",
     SPLAT("bool", "true", "m") "return %m"},
    {"logic_const", SPLAT("bool", "true", "m") "%r = xor %p, %m : bool[N] return %r", NULL},
    {"logic_const", SPLAT("i32", "1", "m") "%r = and %i, %m : i32[N] return %r", NULL},
    {"same_twice", "%r = max %x, %x : f32[N] return %r", "return %x"},
    {"same_twice", "%r = and %i, %i : i32[N] return %r", "return %i"},
    {"same_twice", "%r = xor %i, %i : i32[N] return %r", NULL},
    {"select_same", "%r = select %p, %x, %x : f32[N] return %r", "return %x"},
    {"select_same", "%r = select %p, %x, %y : f32[N] return %r", NULL},
    {"select_not", "%1 = not %p : bool[N] %r = select %1, %x, %y : f32[N] return %r",
     "%r = select %p, %y, %x : f32[N] return %r"},
    {"select_not", "%r = select %p, %x, %y : f32[N] return %r", NULL},

    /* algebra: casts */
    {"cast_nothing", "%r = cast %x : f32[N] return %r", "return %x"},
    {"cast_nothing", "%r = cast %x : f64[N] return %r", NULL},
    {"cast_cast", "%1 = cast %x : f64[N] %r = cast %1 : f32[N] return %r", "return %x"},
    {"cast_cast", "%1 = cast %p : f32[N] %r = cast %1 : i64[N] return %r", "%r = cast %p : i64[N] return %r"},
    {"cast_cast", "%1 = cast %i : i64[N] %r = cast %1 : u8[N] return %r", "%r = cast %i : u8[N] return %r"},
    {"cast_cast", "%1 = cast %u : f32[N] %r = cast %1 : i32[N] return %r", "%r = cast %u : i32[N] return %r"},
    {"cast_cast", "%1 = cast %i : f64[N] %r = cast %1 : bool[N] return %r", "%r = cast %i : bool[N] return %r"},
    {"cast_cast", "%1 = cast %i : f64[N] %r = cast %1 : u8[N] return %r", NULL}, /* saturates, an i32 would wrap */
    {"cast_cast", "%1 = cast %i : f32[N] %r = cast %1 : f64[N] return %r", NULL},
    {"cast_cast", "%1 = cast %d : f32[N] %r = cast %1 : f64[N] return %r", NULL},
    {"cast_cast", "%1 = cast %l : f64[N] %r = cast %1 : i64[N] return %r", NULL},
    {"cast_cast", "%1 = cast %x : i32[N] %r = cast %1 : f32[N] return %r", NULL},
    {"cast_cast", "%1 = cast %u : bool[N] %r = cast %1 : u8[N] return %r", NULL},

    /* view: broadcasts */
    {"broadcast_nothing", "%r = broadcast %a map=[0,1] : f32[N,4] return %r", "return %a"},
    {"broadcast_nothing", "%r = broadcast %s map=[1] : f32[4,4] return %r", NULL},
    {"broadcast_broadcast", "%1 = broadcast %s map=[1] : f32[M,4] %r = broadcast %1 map=[2,1] : f32[N,4,M] return %r",
     "%r = broadcast %s map=[1] : f32[N,4,M] return %r"},
    {"broadcast_broadcast", "%1 = neg %s : f32[4] %r = broadcast %1 map=[1] : f32[N,4] return %r", NULL},
    {"broadcast_reshape", "%1 = reshape %x : f32[1,N,1] %r = broadcast %1 map=[0,1,2] : f32[M,N,4] return %r",
     "%r = broadcast %x map=[1] : f32[M,N,4] return %r"},
    {"broadcast_reshape", "%1 = reshape %a : f32[4*N] %r = broadcast %1 map=[0] : f32[4*N,M] return %r", NULL},
    {"broadcast_reshape", "%1 = reshape %c : f32[N] %r = broadcast %1 map=[0] : f32[N,M] return %r", NULL},
    {"broadcast_permutes", "%r = broadcast %a map=[1,0] : f32[4,N] return %r",
     "%r = transpose %a perm=[1,0] : f32[4,N] return %r"},
    {"broadcast_permutes", "%r = broadcast %t map=[2,0,1] : f32[4,M,N] return %r",
     "%r = transpose %t perm=[1,2,0] : f32[4,M,N] return %r"},
    {"broadcast_permutes", "%r = broadcast %o map=[1,0] : f32[4,N] return %r", NULL},
    {"broadcast_permutes", "%r = broadcast %s map=[1] : f32[N,4] return %r", NULL},
    {"ewise_of_broadcasts",
     "%1 = broadcast %x map=[0] : f32[N,4] %2 = broadcast %y map=[0] : f32[N,4] "
     "%r = add %1, %2 : f32[N,4] return %r",
     "%1 = add %x, %y : f32[N] %r = broadcast %1 map=[0] : f32[N,4] return %r"},
    {"ewise_of_broadcasts", "%1 = broadcast %o map=[0,1] : f32[N,4] %r = exp %1 : f32[N,4] return %r",
     "%1 = exp %o : f32[1,4] %r = broadcast %1 map=[0,1] : f32[N,4] return %r"},
    {"ewise_of_broadcasts",
     "%1 = broadcast %k map=[] : f32[N,4] %2 = broadcast %s map=[1] : f32[N,4] "
     "%r = sub %1, %2 : f32[N,4] return %r",
     "%1 = broadcast %k map=[] : f32[4] %2 = sub %1, %s : f32[4] %r = broadcast %2 map=[1] : f32[N,4] return %r"},
    {"ewise_of_broadcasts",
     "%1 = broadcast %p map=[0] : bool[N,4] %2 = broadcast %x map=[0] : f32[N,4] "
     "%3 = broadcast %k map=[] : f32[N,4] %r = select %1, %2, %3 : f32[N,4] return %r",
     "%1 = broadcast %k map=[] : f32[N] %2 = select %p, %x, %1 : f32[N] %r = broadcast %2 map=[0] : f32[N,4] return "
     "%r"},
    {"ewise_of_broadcasts", "%1 = broadcast %i map=[0] : i32[N,4] %r = cast %1 : f32[N,4] return %r",
     "%1 = cast %i : f32[N] %r = broadcast %1 map=[0] : f32[N,4] return %r"},
    {"ewise_of_broadcasts",
     "%1 = broadcast %x map=[0] : f32[N,4] %2 = broadcast %s map=[1] : f32[N,4] "
     "%r = add %1, %2 : f32[N,4] return %r",
     NULL},
    {"ewise_of_broadcasts", "%1 = broadcast %x map=[0] : f32[N,4] %r = add %1, %a : f32[N,4] return %r", NULL},
    {"ewise_of_broadcasts", "%1 = broadcast %x map=[0] : f32[N,1] %r = exp %1 : f32[N,1] return %r", NULL},
    {"ewise_of_broadcasts",
     "%1 = broadcast %x map=[0] : f32[N,N] %2 = broadcast %x map=[1] : f32[N,N] "
     "%r = add %1, %2 : f32[N,N] return %r",
     NULL},

    /* view: reshapes */
    {"reshape_nothing", "%r = reshape %a : f32[N,4] return %r", "return %a"},
    {"reshape_nothing", "%r = reshape %a : f32[4,N] return %r", NULL},
    {"reshape_reshape", "%1 = reshape %a : f32[4*N] %r = reshape %1 : f32[2,2*N] return %r",
     "%r = reshape %a : f32[2,2*N] return %r"},
    {"reshape_reshape", "%1 = neg %a : f32[N,4] %r = reshape %1 : f32[2,2*N] return %r", NULL},
    {"move_of_scalar", "%1 = broadcast %k map=[] : f32[N,4] %r = reshape %1 : f32[4*N] return %r",
     "%r = broadcast %k map=[] : f32[4*N] return %r"},
    {"move_of_scalar", "%1 = broadcast %k map=[] : f32[1] %r = reshape %1 : f32[] return %r", "return %k"},
    {"move_of_scalar",
     "%1 = broadcast %k map=[] : f32[N,4] %r = slice %1, %z start=[0,2] runtime=[1,0] : f32[1,2] return %r",
     "%r = broadcast %k map=[] : f32[1,2] return %r"},
    {"move_of_scalar", "%1 = broadcast %s map=[1] : f32[N,4] %r = slice %1 start=[0,2] : f32[N,2] return %r", NULL},
    {"move_of_scalar", "%1 = broadcast %k map=[] : f32[4] %r = pad %1 start=[1] : f32[6] return %r", NULL},
    {"reshape_broadcast", "%1 = broadcast %x map=[1] : f32[1,N,1] %r = reshape %1 : f32[N,1] return %r",
     "%r = reshape %x : f32[N,1] return %r"},
    {"reshape_broadcast", "%1 = broadcast %a map=[1,0] : f32[4,N] %r = reshape %1 : f32[4*N] return %r", NULL},
    {"reshape_broadcast", "%1 = broadcast %x map=[0] : f32[N,4] %r = reshape %1 : f32[4*N] return %r", NULL},

    /* view: transposes and matmuls */
    {"transpose_nothing", "%r = transpose %a perm=[0,1] : f32[N,4] return %r", "return %a"},
    {"transpose_nothing", "%r = transpose %a perm=[1,0] : f32[4,N] return %r", NULL},
    {"transpose_transpose",
     "%1 = transpose %t perm=[1,2,0] : f32[4,M,N] %r = transpose %1 perm=[0,2,1] : f32[4,N,M] return %r",
     "%r = transpose %t perm=[1,0,2] : f32[4,N,M] return %r"},
    {"transpose_transpose", "%1 = neg %t : f32[N,4,M] %r = transpose %1 perm=[0,2,1] : f32[N,M,4] return %r", NULL},
    {"transpose_broadcast",
     "%1 = broadcast %a map=[2,0] : f32[4,M,N] %r = transpose %1 perm=[2,0,1] : f32[N,4,M] return %r",
     "%r = broadcast %a map=[0,1] : f32[N,4,M] return %r"},
    {"transpose_broadcast", "%1 = reshape %a : f32[2,2*N] %r = transpose %1 perm=[1,0] : f32[2*N,2] return %r", NULL},
    {"transpose_of_units", "%r = transpose %c perm=[1,0] : f32[1,N] return %r", "%r = reshape %c : f32[1,N] return %r"},
    {"transpose_of_units", "%r = transpose %a perm=[1,0] : f32[4,N] return %r", NULL},
    {"matmul_of_transpose", "%1 = transpose %a perm=[1,0] : f32[4,N] %r = matmul %1, %a trans=[] : f32[4,4] return %r",
     "%r = matmul %a, %a trans=[0] : f32[4,4] return %r"},
    {"matmul_of_transpose",
     "%1 = transpose %a perm=[1,0] : f32[4,N] %2 = transpose %b perm=[1,0] : f32[M,4] "
     "%r = matmul %1, %2 trans=[0,1] : f32[N,M] return %r",
     "%r = matmul %a, %b : f32[N,M] return %r"},
    {"matmul_of_transpose", "%1 = neg %a : f32[N,4] %r = matmul %1, %b : f32[N,M] return %r", NULL},
    {"transpose_of_matmul", "%1 = matmul %a, %b : f32[N,M] %r = transpose %1 perm=[1,0] : f32[M,N] return %r",
     "%r = matmul %b, %a trans=[0,1] : f32[M,N] return %r"},
    {"transpose_of_matmul", "%1 = matmul %a, %a trans=[0] : f32[4,4] %r = transpose %1 perm=[1,0] : f32[4,4] return %r",
     "%r = matmul %a, %a trans=[0] : f32[4,4] return %r"},
    {"transpose_of_matmul", "%1 = matmul %a, %b : f32[N,M] %r = transpose %1 perm=[1,0] : f32[M,N] return %r, %1",
     NULL},

    /* view: slices, concats, reductions */
    {"whole_part", "%r = slice %a start=[0,0] : f32[N,4] return %r", "return %a"},
    {"whole_part", "%r = pad %a start=[0,0] : f32[N,4] return %r", "return %a"},
    {"whole_part", "%r = slice %a start=[0,1] : f32[N,3] return %r", NULL},
    {"whole_part", "%r = slice %a, %z start=[0,0] runtime=[1,0] : f32[N,4] return %r", NULL},
    {"whole_part", "%r = slice %a start=[0,0] step=[1,2] : f32[N,2] return %r", NULL},
    {"concat_of_one", "%r = concat %a axis=1 : f32[N,4] return %r", "return %a"},
    {"concat_of_one", "%r = concat %a, %a axis=1 : f32[N,8] return %r", NULL},
    {"reduce_units", "%r = sum %c axes=[1] : f32[N] return %r", "%r = reshape %c : f32[N] return %r"},
    {"reduce_units", "%r = sum %c axes=[0,1] : f32[] return %r", NULL},
    {"reduce_reduce", "%1 = sum %t axes=[1] : f32[N,M] %r = sum %1 axes=[1] : f32[N] return %r",
     "%r = sum %t axes=[1,2] : f32[N] return %r"},
    {"reduce_reduce", "%1 = reduce_max %t axes=[0] : f32[4,M] %r = reduce_max %1 axes=[0,1] : f32[] return %r",
     "%r = reduce_max %t axes=[0,1,2] : f32[] return %r"},
    {"reduce_reduce", "%1 = sum %t axes=[1] : f32[N,M] %r = reduce_max %1 axes=[1] : f32[N] return %r", NULL},
    {"reduce_reduce", "%1 = sum %t axes=[1] : f32[N,M] %r = sum %1 axes=[1] : f32[N] return %r, %1", NULL},

    /* f16, bf16 */
    {"div_power_of_two", HALF("f16", "16384", "m") "%r = div %h, %m : f16[N] return %r",
     HALF("f16", "0.000061035156", "m") "%r = mul %h, %m : f16[N] return %r"},
    {"div_power_of_two", HALF("f16", "32768", "m") "%r = div %h, %m : f16[N] return %r", NULL},
    {"mul_neg_const", HALF("f16", "3", "m") "%1 = neg %h : f16[N] %r = mul %1, %m : f16[N] return %r",
     HALF("f16", "-3", "m") "%r = mul %h, %m : f16[N] return %r"},
    {"cast_cast", HALF_OF_X "%1 = cast %h : f32[N] %r = cast %1 : f64[N] return %r",
     HALF_OF_X "%r = cast %h : f64[N] return %r"},
    {"cast_cast", HALF_OF_X "%1 = cast %h : bf16[N] %r = cast %1 : f16[N] return %r", NULL},
    {"cast_cast", "%1 = cast %x : f16[N] %r = cast %1 : f32[N] return %r", NULL},
    {"cast_cast", "%1 = cast %u : bf16[N] %r = cast %1 : f32[N] return %r", "%r = cast %u : f32[N] return %r"},
    {"constant_operands", "%1 = const 2048 : f16[] %2 = const 3 : f16[] %r = add %1, %2 : f16[] return %r",
     "%r = const 2052 : f16[] return %r"},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static const ir_rule *rule_named(const char *name) {
    const ir_rule *rules[TEXT_MAX_RULES];
    for (uint32_t n = text_all_rules(rules); n-- > 0;)
        if (!strcmp(rules[n]->name, name)) return rules[n];
    ck_abort_msg("no rule %s", name);
    return NULL;
}

static void parse_case(text_graph *t, const char *body) {
    char text[2000];
    snprintf(text, sizeof text, "%s%s\n}\n", HEAD, body);
    text_parse_ok(t, text);
    drop_labels(&t->g);
}

START_TEST(rules) {
    const rule_case *c = &cases[_i];
    const ir_pass alone = {c->rule, 1, rule_named(c->rule)};
    text_graph before;
    parse_case(&before, c->before);
    text_rewriting r;
    text_rewrite(&r, &before.g, &before.roots, &alone);
    if (c->after) {
        text_graph after;
        parse_case(&after, c->after);
        drop_labels(&r.result.g);
        char *have = text_print(&r.result.g, &r.result.roots), *want = text_print(&after.g, &after.roots);
        ck_assert_msg(r.n_rewrites == 1, "%s: fired %u times on %s", c->rule, r.n_rewrites, c->before);
        text_same(c->rule, have, want);
        free(have);
        free(want);
        text_clear(&after);
    } else {
        ck_assert_msg(r.n_rewrites == 0, "%s fired on %s", c->rule, c->before);
    }
    text_clear(&r.result);
    text_clear(&before);
}
END_TEST

/* Each rule is seen to fire, and, but for those without a condition, to refuse. */
START_TEST(every_rule_has_cases) {
    const ir_rule *rule[TEXT_MAX_RULES];
    uint32_t n = text_all_rules(rule);
    for (uint32_t i = 0; i < n; i++) {
        int fires = 0, refuses = !strcmp(rule[i]->name, "stop_gradient");
        for (int k = 0; k < N_CASES; k++)
            if (!strcmp(cases[k].rule, rule[i]->name)) cases[k].after ? fires++ : refuses++;
        ck_assert_msg(fires && refuses, "rule %s: %d cases fire, %d refuse", rule[i]->name, fires, refuses);
        ck_assert_msg(*rule[i]->doc, "rule %s has no doc", rule[i]->name);
        for (uint32_t k = 0; k < i; k++) ck_assert_str_ne(rule[k]->name, rule[i]->name);
    }
}
END_TEST

/* docs/ir.md lists the rules of each pass as the tables do: `name` | doc, with | written as an entity. */
START_TEST(rules_are_documented) {
    FILE *file = fopen(SN_SOURCE_DIR "/docs/ir.md", "rb");
    ck_assert_ptr_nonnull(file);
    static char doc[1 << 16];
    doc[fread(doc, 1, sizeof doc - 1, file)] = 0;
    fclose(file);
    const ir_rule *rule[TEXT_MAX_RULES];
    const char *at = doc;
    for (uint32_t i = 0, n = text_all_rules(rule); i < n; i++) {
        char row[400];
        size_t used = (size_t)snprintf(row, sizeof row, "| `%s` | ", rule[i]->name);
        for (const char *c = rule[i]->doc; *c; c++)
            used += (size_t)snprintf(row + used, sizeof row - used, *c == '|' ? "&#124;" : "%c", *c);
        snprintf(row + used, sizeof row - used, " |\n");
        at = strstr(at, row);
        ck_assert_msg(at != NULL, "docs/ir.md does not have, in the order of the tables: %s", row);
    }
}
END_TEST

/* ---- the driver -------------------------------------------------------------------------------------------------- */

static void check_optimised(const char *before, const char *after) {
    text_graph t;
    text_parse_ok(&t, before);
    text_rewriting r, again;
    text_rewrite(&r, &t.g, &t.roots, NULL);
    char *have = text_print(&r.result.g, &r.result.roots);
    text_same("optimised", have, after);
    text_rewrite(&again, &r.result.g, &r.result.roots, NULL);
    char *twice = text_print(&again.result.g, &again.result.roots);
    text_same("optimised again", twice, after);
    free(have);
    free(twice);
    text_clear(&again.result);
    text_clear(&r.result);
    text_clear(&t);
}

START_TEST(signature_stays) {
    check_optimised(
        "graph f[B, A](%unused: f32[A], %x: i32[A,B]) vars(@idle: f32[], @w: i32[]) {\n"
        "  check A == B \"why\"\n  check 1 <= A \"rows\"\n"
        "  %5 = neg %x : i32[A,B]\n  %6 = exp %unused : f32[A]\n  %7 = const 2 : i32[]\n"
        "  %8 = neg %5 : i32[A,B] \"same as x\"\n  %9 = const 1 : i32[]\n  %10 = add %9, %7 : i32[] \"three\"\n"
        "  return %8, %10, %8\n  update @w = %7\n}\n",
        "graph f[B, A](%unused: f32[A], %x: i32[A,B]) vars(@idle: f32[], @w: i32[]) {\n"
        "  check A == B \"why\"\n  check 1 <= A \"rows\"\n"
        "  %5 = const 2 : i32[]\n  %6 = const 3 : i32[] \"three\"\n"
        "  return %x, %6, %x\n  update @w = %5\n}\n");
}
END_TEST

START_TEST(commuted_operands_are_one_node) {
    check_optimised("graph f(%x: f32[], %y: f32[]) {\n  %3 = add %y, %x : f32[]\n  %4 = add %x, %y : f32[]\n"
                    "  %5 = max %y, %x : f32[]\n  return %3, %4, %5\n}\n",
                    "graph f(%x: f32[], %y: f32[]) {\n  %3 = add %x, %y : f32[]\n  %4 = max %y, %x : f32[]\n"
                    "  return %3, %3, %4\n}\n");
}
END_TEST

/* Rules of different passes hand each other work: constants behind broadcasts, transposes uncovered by casts. */
START_TEST(passes_take_turns) {
    check_optimised("graph f[N](%x: f32[N,4]) {\n"
                    "  %2 = const 6 : f32[]\n  %3 = broadcast %2 map=[] : f32[N,4]\n"
                    "  %4 = const 3 : f32[]\n  %5 = broadcast %4 map=[] : f32[N,4]\n"
                    "  %6 = div %3, %5 : f32[N,4]\n"
                    "  %7 = pow %x, %6 : f32[N,4]\n"
                    "  %8 = transpose %7 perm=[1,0] : f32[4,N]\n"
                    "  %9 = cast %8 : f64[4,N]\n  %10 = cast %9 : f32[4,N]\n"
                    "  %11 = matmul %10, %x : f32[4,4]\n"
                    "  %12 = stop_gradient %11 : f32[4,4]\n"
                    "  %13 = transpose %12 perm=[1,0] : f32[4,4]\n"
                    "  return %13\n}\n",
                    "graph f[N](%x: f32[N,4]) {\n"
                    "  %2 = square %x : f32[N,4]\n"
                    "  %3 = matmul %x, %2 trans=[0] : f32[4,4]\n"
                    "  return %3\n}\n");
}
END_TEST

START_TEST(untyped_roots_get_a_type) {
    check_optimised("graph f() {\n  %1 = const 0.5 untyped : f64[]\n  return %1\n}\n",
                    "graph f() {\n  %1 = const 0.5 : f64[]\n  return %1\n}\n");
}
END_TEST

/* A chain far longer than the rounds: one sweep goes from one end to the other. */
START_TEST(long_chains) {
    base_strbuf text;
    base_alloc alloc;
    base_alloc_init(&alloc, NULL);
    base_strbuf_init(&text, &alloc);
    base_strbuf_puts(&text, "graph f[N](%x: f32[N,4]) {\n  %2 = transpose %x perm=[1,0] : f32[4,N]\n");
    for (int i = 3; i <= 1000; i++)
        base_strbuf_printf(&text, "  %%%d = transpose %%%d perm=[1,0] : f32[%s]\n", i, i - 1, i % 2 ? "N,4" : "4,N");
    base_strbuf_puts(&text, "  return %1000\n}\n");
    check_optimised(text.at, "graph f[N](%x: f32[N,4]) {\n  %2 = transpose %x perm=[1,0] : f32[4,N]\n  return %2\n}\n");
    base_strbuf_free(&text);
}
END_TEST

IR_TEST(places_and_variables) {
    ir_graph *g = &t->g;
    g->here = (ir_place){"model.c", 3};
    ir_id w = ir_use(g, (sn_var *)(void *)t, "w", SN_F32, SIZES(2));
    g->here = (ir_place){"model.c", 4};
    ir_id e = ir_unary(g, IR_EXP, w);
    g->here = (ir_place){"other.c", 9};
    ir_id s = ir_unary(g, IR_NEG, ir_unary(g, IR_NEG, ir_unary(g, IR_LOG, e)));
    ir_roots roots = {.n_out = 1, .out = &s};
    text_rewriting r;
    text_rewrite(&r, g, &roots, NULL);
    const ir_graph *to = &r.result.g;
    ck_assert_ptr_eq(to->var.at[0].var, t);
    ir_id log = r.result.roots.out[0];
    ck_assert_uint_eq(ir_at(to, log)->op, IR_LOG);
    ck_assert_str_eq(to->place.at[log].file, "other.c");
    ck_assert_int_eq(to->place.at[log].line, 9);
    ck_assert_str_eq(to->place.at[ir_at(to, log)->in[0]].file, "model.c");
    ck_assert_int_eq(to->place.at[ir_at(to, log)->in[0]].line, 4);
    ck_assert_int_eq(to->place.at[to->var.at[0].node].line, 3);
    text_clear(&r.result);
}
END_TEST

/* A rule that changes a type has done nothing. */
static ir_id to_scalar(const ir_rewrite *rw, const ir_node *n) {
    return n->op == IR_NEG ? ir_const_bits(rw->g, SN_F32, 0) : 0;
}

START_TEST(types_are_guarded) {
    const ir_rule rule = {"to_scalar", to_scalar, ""};
    const ir_pass pass = {"wrong", 1, &rule};
    text_graph t;
    text_parse_ok(&t, "graph f(%x: f32[2]) { %2 = neg %x : f32[2] return %2 }");
    text_rewriting r;
    text_rewrite(&r, &t.g, &t.roots, &pass);
    ck_assert_uint_eq(r.n_rewrites, 0);
    ck_assert_uint_eq(ir_at(&r.result.g, r.result.roots.out[0])->op, IR_NEG);
    text_clear(&r.result);
    text_clear(&t);
}
END_TEST

/* The host's rounding mode neither changes what is folded nor is changed. */
START_TEST(rounding_mode) {
    static const char before[] =
        "graph f() {\n  %1 = const 1 : f32[]\n  %2 = const 3 : f32[]\n  %3 = div %1, %2 : f32[]\n"
        "  return %3\n}\n",
                      after[] = "graph f() {\n  %1 = const 0.33333334 : f32[]\n  return %1\n}\n";
    text_graph t;
    text_parse_ok(&t, before);
    fesetround(FE_DOWNWARD);
    text_rewriting r;
    text_rewrite(&r, &t.g, &t.roots, NULL);
    int mode = fegetround();
    fesetround(FE_TONEAREST);
    ck_assert_int_eq(mode, FE_DOWNWARD);
    char *have = text_print(&r.result.g, &r.result.roots);
    text_same("folded", have, after);
    free(have);
    text_clear(&r.result);
    text_clear(&t);
}
END_TEST

static void count_lines(void *user, sn_log_level level, const char *message) {
    (void)level;
    int *lines = user;
    lines[0]++;
    if (!strncmp(message, "opt: after algebra, 1 rewrites", 30)) lines[1]++;
}

START_TEST(dumps) {
    int lines[2] = {0};
    text_graph t;
    text_parse_ok(&t, "graph f(%x: f32[2]) { %2 = neg %x : f32[2] %3 = neg %2 : f32[2] return %3 }");
    base_log_init(&t.g.log, count_lines, lines, SN_LOG_WARN);
    setenv("SINTER_DUMP", "opt", 1);
    text_rewriting r;
    text_rewrite(&r, &t.g, &t.roots, NULL);
    unsetenv("SINTER_DUMP");
    ck_assert_int_eq(lines[0], 6 + 4); /* a title and a text before, and after the one pass that did something */
    ck_assert_int_eq(lines[1], 1);
    text_clear(&r.result);
    text_clear(&t);
}
END_TEST

START_TEST(out_of_memory) {
    text_graph t;
    text_parse_ok(&t, "graph f[N](%x: f32[N,4]) { %c = const 2 : f32[] %b = broadcast %c map=[] : f32[N,4] "
                      "%p = pow %x, %b : f32[N,4] %t = transpose %p perm=[1,0] : f32[4,N] "
                      "%m = matmul %t, %x : f32[4,4] return %m }");
    int done = 0;
    for (int64_t n = 1; !done; n++) {
        text_rewriting r = {.from = &t.g, .roots = &t.roots};
        base_alloc_init(&r.result.alloc, NULL);
        r.result.alloc.fail_at = n;
        sn_status status = ir_graph_init(&r.result.g, &r.result.alloc, NULL, "f");
        if (!status) status = base_protect(&r.result.g.trap, text_run_rewriting, &r);
        done = status == SN_OK;
        ck_assert(done || strstr(r.result.g.trap.text, "out of memory"));
        text_clear(&r.result);
        ck_assert_int_lt(n, 10000);
    }
    text_clear(&t);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes");
    TCase *tests = tcase_create("rewriting");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, rules, 0, N_CASES);
    tcase_add_test(tests, every_rule_has_cases);
    tcase_add_test(tests, rules_are_documented);
    tcase_add_test(tests, signature_stays);
    tcase_add_test(tests, commuted_operands_are_one_node);
    tcase_add_test(tests, passes_take_turns);
    tcase_add_test(tests, untyped_roots_get_a_type);
    tcase_add_test(tests, long_chains);
    tcase_add_test(tests, places_and_variables);
    tcase_add_test(tests, types_are_guarded);
    tcase_add_test(tests, rounding_mode);
    tcase_add_test(tests, dumps);
    tcase_add_test(tests, out_of_memory);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
