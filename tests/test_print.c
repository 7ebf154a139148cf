/* The text form of graphs: what is printed parses back to an equal graph; what is malformed is refused with a sentence
 * at its place; the verifier knows every rule; arbitrary bytes and nodes harm nothing. */
#include <check.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/text.h"
#include "support/support_graph.h"
#include "support/support_text.h"

/* Every operator, every attribute, odd names, checks, labels, updates. */
static const char everything[] =
    "graph everything[N, M, \"batch size\"](%X: f32[N,4], %y: i64[N], %\"a b\": f64[2*N*M+3,N-1], %ids: i32[3], "
    "%on: bool[N], %start: i64[], %bytes: u8[\"batch size\"]) vars(@W1: f32[4,8], @layer.b: f32[8], @10 \"W1\": f32[]) "
    "{\n"
    "  check N == M \"add: \\\"X\\\" is f32[N,2]\\nat a.c:3\"\n"
    "  check 1 <= N \"\"\n"
    "  %11 = matmul %X, @W1 : f32[N,8]\n"
    "  %12 = broadcast @layer.b map=[1] : f32[N,8]\n"
    "  %13 = add %11, %12 : f32[N,8] \"z1\"\n"
    "  %14 = const 0.1 : f32[]\n"
    "  %15 = broadcast %14 map=[] : f32[N,8]\n"
    "  %16 = lt %13, %15 : bool[N,8]\n"
    "  %17 = select %16, %13, %15 : f32[N,8]\n"
    "  %18 = reduce_max %17 axes=[1] : f32[N]\n"
    "  %19 = broadcast %18 map=[0] : f32[M]\n"
    "  %20 = reduce_min %17 axes=[0,1] : f32[]\n"
    "  %21 = sum %X axes=[0] : f32[4]\n"
    "  %22 = matmul @W1, %X trans=[0,1] : f32[8,N]\n"
    "  %23 = dim_value 2*N-M : i64[]\n"
    "  %24 = iota : i64[N]\n"
    "  %25 = eq %24, %y : bool[N]\n"
    "  %26 = and %25, %on : bool[N]\n"
    "  %27 = cast %26 : f32[N]\n"
    "  %28 = reshape %22 : f32[4,2*N]\n"
    "  %29 = transpose %28 perm=[1,0] : f32[2*N,4]\n"
    "  %30 = slice %29, %start start=[0,1] step=[2,1] runtime=[1,0] : f32[N,3]\n"
    "  %31 = slice %29 start=[N,0] : f32[N,4]\n"
    "  %32 = pad %31 start=[N,0] : f32[2*N,4]\n"
    "  %33 = concat %29, %32, %29 axis=0 : f32[6*N,4]\n"
    "  %34 = gather %33, %ids : f32[3,4]\n"
    "  %35 = scatter_add %ids, %34 : f32[N,4]\n"
    "  %36 = stop_gradient %35 : f32[N,4]\n"
    "  %37 = const -0.25 untyped : f64[]\n"
    "  %38 = recurrence %36, %35 axis=0 : f32[N,4]\n"
    "  %39 = recurrence %38, %35 axis=1 back=1 : f32[N,4]\n"
    "  %40 = prod %39 axes=[1] : f32[N]\n"
    "  return %40, %36, %19, %27, %23, %30, %32, %20, %21, %37, @10, %\"a b\", %bytes\n"
    "  update @W1 = @W1\n"
    "  update @10 = %14\n"
    "}\n";

/* ---- round trip -------------------------------------------------------------------------------------------------- */

static void same_graph(const ir_graph *a, const ir_graph *b) {
    ck_assert_uint_eq(a->node.n, b->node.n);
    for (ir_id id = 1; id < a->node.n; id++) {
        const ir_node *x = ir_at(a, id), *y = ir_at(b, id);
        ck_assert_uint_eq(x->op, y->op);
        ck_assert_uint_eq(x->dtype, y->dtype);
        ck_assert_uint_eq(x->n_in, y->n_in);
        ck_assert_uint_eq(x->n_attr, y->n_attr);
        for (uint32_t i = 0; i < x->n_in; i++) ck_assert_uint_eq(x->in[i], y->in[i]);
        const char *p = a->label.at[id], *q = b->label.at[id];
        ck_assert_str_eq(p ? p : "-", q ? q : "-");
    }
}

static void check_round_trip(const char *text) {
    text_graph first, again;
    text_parse_ok(&first, text);
    char *printed = text_print(&first.g, &first.roots);
    text_same("round trip", printed, text);
    text_parse_ok(&again, printed);
    same_graph(&first.g, &again.g);
    free(printed);
    text_clear(&first);
    text_clear(&again);
}

START_TEST(round_trip) { check_round_trip(everything); }
END_TEST

START_TEST(smallest) {
    check_round_trip("graph g() {\n}\n");
    check_round_trip("graph \"\"() {\n  %1 = const true : bool[]\n  return %1\n}\n");
    check_round_trip("graph \"a \\\\ \\x01\\\"\"(%1 \"\": f32[0]) {\n  return %1\n}\n");
}
END_TEST

START_TEST(constants) {
    static const struct {
        const char *type, *value;
    } cases[] = {
        {"f32", "0"},
        {"f32", "-0"},
        {"f32", "1"},
        {"f32", "0.5"},
        {"f32", "0.1"},
        {"f32", "16777216"},
        {"f32", "3.4028235e38"},
        {"f32", "1e-45"},
        {"f32", "1.1754944e-38"},
        {"f32", "inf"},
        {"f32", "-inf"},
        {"f32", "nan"},
        {"f32", "nan(0xffc00001)"},
        {"f32", "0.0001"},
        {"f32", "1e-5"},
        {"f32", "-123.456"},
        {"f64", "0.1"},
        {"f64", "1000000000"},
        {"f64", "1e10"},
        {"f64", "5e-324"},
        {"f64", "1.7976931348623157e308"},
        {"f64", "3.141592653589793"},
        {"f64", "nan(0xfff8000000000000)"},
        {"f64", "9007199254740993e3"},
        {"f16", "0.1"},
        {"f16", "65500"},
        {"f16", "-inf"},
        {"f16", "6e-8"},
        {"f16", "0.333"},
        {"f16", "nan"},
        {"f16", "nan(0xfe00)"},
        {"bf16", "0.1"},
        {"bf16", "3.39e38"},
        {"bf16", "-9e-41"},
        {"bf16", "inf"},
        {"bf16", "nan(0x7fc0)"},
        {"i64", "-9223372036854775808"},
        {"i64", "9223372036854775807"},
        {"i32", "-2147483648"},
        {"i32", "2147483647"},
        {"u8", "255"},
        {"bool", "true"},
        {"bool", "false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        snprintf(text, sizeof text, "graph g() {\n  %%1 = const %s : %s[]\n  return %%1\n}\n", cases[i].value,
                 cases[i].type);
        if (strcmp(cases[i].value, "9007199254740993e3")) {
            check_round_trip(text);
            continue;
        }
        text_graph t; /* more digits than needed: the nearest value's own digits come back */
        text_parse_ok(&t, text);
        char *printed = text_print(&t.g, &t.roots);
        ck_assert_ptr_nonnull(strstr(printed, "const 9.007199254740993e18 :"));
        free(printed);
        text_clear(&t);
    }
}
END_TEST

/* Each float32 of a sample comes back to the bit. */
START_TEST(floats_to_the_bit) {
    uint64_t seed = 1;
    for (int i = 0; i < 2000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        text_graph t;
        text_parse_ok(&t, "graph g() {\n}\n");
        int64_t bits = i & 1 ? (int64_t)seed : (int64_t)(seed >> 32);
        ir_node node = {.op = IR_CONST, .dtype = i & 1 ? SN_F64 : SN_F32, .n_attr = 1, .attr = &bits};
        ir_id id = t.g.node.n;
        *base_vec_push(&t.g.node, &t.g.arena) = node;
        *base_vec_push(&t.g.label, &t.g.arena) = NULL;
        *base_vec_push(&t.g.place, &t.g.arena) = (ir_place){"", 0};
        ir_roots roots = {.n_out = 1, .out = &id};
        char *printed = text_print(&t.g, &roots);
        text_graph again;
        text_parse_ok(&again, printed);
        ck_assert_msg(ir_at(&again.g, again.roots.out[0])->attr[0] == bits, "%s", printed);
        free(printed);
        text_clear(&again);
        text_clear(&t);
    }
}
END_TEST

/* The host's decimal point is not ours. */
START_TEST(other_locales) {
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_NUMERIC, names[i])) check_round_trip(everything);
    setlocale(LC_NUMERIC, "C");
}
END_TEST

/* A graph from the builders, with dead nodes and leaves in between, prints what its roots need under new numbers. */
IR_TEST(from_builders) {
    ir_graph *g = &t->g;
    ir_dim n = support_named(t, "N", 3);
    ir_id x = support_input_dims(t, "x", SN_F32, DIMS(n, support_size(t, 2)), NULL);
    ir_id dead = ir_unary(g, IR_EXP, x);
    ir_id two = ir_binary(g, IR_MUL, x, ir_const_weak(g, 2));
    ir_id w = ir_use(g, NULL, "w", SN_F32, SIZES(2));
    ir_id v = support_input_dims(t, "v", SN_F32, DIMS(support_named(t, "M", 3)), NULL);
    ir_id sum = ir_binary(g, IR_ADD, ir_reduce(g, IR_SUM, ir_binary(g, IR_ADD, two, w), 2, 0), v);
    ck_assert_uint_ne(dead, 0);
    g->label.at[sum] = "total";
    ir_roots roots = {.n_out = 1, .out = &sum};
    char *printed = text_print(g, &roots);
    text_same("builders", printed,
              "graph test[N, M](%x: f32[N,2], %v: f32[M]) vars(@w: f32[2]) {\n"
              "  check N == M \"add: shapes do not fit: %11 is f32[N], v is f32[M]\"\n"
              "  %4 = const 2 : f32[]\n"
              "  %5 = broadcast %4 map=[] : f32[N,2]\n"
              "  %6 = mul %x, %5 : f32[N,2]\n"
              "  %7 = broadcast @w map=[1] : f32[N,2]\n"
              "  %8 = add %6, %7 : f32[N,2]\n"
              "  %9 = sum %8 axes=[1] : f32[N]\n"
              "  %10 = broadcast %v map=[0] : f32[N]\n"
              "  %11 = add %9, %10 : f32[N] \"total\"\n"
              "  return %11\n"
              "}\n");
    check_round_trip(printed);
    free(printed);
}
END_TEST

/* People may write names for results, any spacing, and comments. */
START_TEST(written_by_hand) {
    text_graph t;
    text_parse_ok(&t, "# a comment\ngraph f [ N ] ( %x : f32[ N , 2 ] ){ %twice=add %x,%x:f32[N,1+1]#end\n"
                      "%\"odd name\" = neg %twice : f32[N, 2*1] return %\"odd name\" , %x }\n# after\n");
    char *printed = text_print(&t.g, &t.roots);
    text_same("by hand", printed,
              "graph f[N](%x: f32[N,2]) {\n"
              "  %2 = add %x, %x : f32[N,2] \"twice\"\n"
              "  %3 = neg %2 : f32[N,2] \"odd name\"\n"
              "  return %3, %x\n"
              "}\n");
    free(printed);
    text_clear(&t);
}
END_TEST

START_TEST(equal_lines_are_one_node) {
    text_graph t;
    text_parse_ok(&t, "graph f(%x: f32[]) { %2 = exp %x : f32[] %3 = exp %x : f32[] return %2, %3 }");
    ck_assert_uint_eq(t.roots.out[0], t.roots.out[1]);
    text_clear(&t);
}
END_TEST

/* ---- errors ------------------------------------------------------------------------------------------------------ */

#define BODY(statements) "graph f[N](%x: f32[N,2], %i: i64[]) vars(@w: f32[2]) {\n" statements "}\n"
static const struct {
    const char *text, *error;
} malformed[] = {
    {"", "line 1, column 1: expected 'graph'"},
    {"grap f() {}", "line 1, column 1: expected 'graph'"},
    {"graph", "line 1, column 6: expected the graph's name, found the end"},
    {"graph f(", "line 1, column 9: expected '%', found the end"},
    {"graph f() {", "line 1, column 12: expected %.. = .., check, return, update or }"},
    {"graph f() {}\nx", "line 2, column 1: there is more after the graph"},
    {"graph f() {\n  \x01}", "line 2, column 3: expected %.. = .., check, return, update or }"},
    {"graph \"f", "line 1, column 7: the string does not end on its line"},
    {"graph \"\\q\"() {}", "line 1, column 8: a string knows the escapes"},
    {"graph \"\\x00\"() {}", "line 1, column 8: a string knows the escapes"},
    {"graph f[N,N]() {}", "line 1, column 11: N stands for something already"},
    {"graph f(%a: f32[], %a: f32[]) {}", "line 1, column 20: a stands for something already"},
    {"graph f(%a: f33[]) {}", "line 1, column 13: expected an element type"},
    {"graph f(%a: f8[]) {}", "line 1, column 13: expected an element type"},
    {"graph f(%a: f32[K]) {}", "line 1, column 17: no dim K: declare it behind the graph's name"},
    {"graph f(%a: f32[-1]) {}", "line 1, column 9: node 1, input: axis 0: negative size -1"},
    {"graph f(%a: f32[1,1,1,1,1,1,1]) {}", "line 1, column 29: more than 6 axes"},
    {"graph f(%a: f32[9223372036854775808]) {}", "line 1, column 17: the number does not fit 64 bits"},
    {"graph f(%a: f32[4611686018427387904*4]) {}", "line 1, column 38: dim arithmetic overflows 64 bits"},
    {"graph f[N](%a: f32[N*N*N*N*N]) {}", "line 1, column 29: a product of more than 4 named dims"},
    {"graph f(%a: f32[1000000,1000000000]) {}", "the shape has 2^47 elements or more"},
    {"graph f[N]() vars(@a: f32[N]) {}", "line 1, column 19: node 1, var: axis 0 is not constant"},
    {BODY("  %a = frob %x : f32[N,2]\n"), "line 2, column 8: expected an operator"},
    {BODY("  %a = input : f32[N,2]\n"), "line 2, column 8: expected an operator"},
    {BODY("  %a = neg : f32[N,2]\n"), "line 2, column 12: expected % or @, found ':'"},
    {BODY("  %a = neg %y : f32[N,2]\n"), "line 2, column 12: %y is not defined before here"},
    {BODY("  %a = neg %a : f32[N,2]\n"), "line 2, column 12: %a is not defined before here"},
    {BODY("  %a = neg %1 : f32[N,2]\n"), "line 2, column 12: %1 is not defined before here"},
    {BODY("  %a = neg %x, %x : f32[N,2]\n"), "line 2, column 3: node 4, neg: has 2 operands, not 1"},
    {BODY("  %a = neg %x : f64[N,2]\n"), "node 4, neg: is f64, not f32"},
    {BODY("  %a = neg %x : f32[2,N]\n"), "node 4, neg: axis 0 has size 2, not N"},
    {BODY("  %a = neg %x : f32[N]\n"), "node 4, neg: has rank 1, not 2"},
    {BODY("  %a = not %x : f32[N,2]\n"), "node 4, not: takes no operand of f32"},
    {BODY("  %a = neg %x axes=[0] : f32[N,2]\n"), "line 2, column 15: expected ':', found 'a'"},
    {BODY("  %a = sum %x : f32[N]\n"), "node 4, sum: has 0 attributes, not 1"},
    {BODY("  %a = sum %x axes=[32] : f32[N]\n"), "axes: 32 is no axis"},
    {BODY("  %a = sum %x axes=[0,0,0,0,0,0,0] : f32[N]\n"), "axes: more than 6 entries"},
    {BODY("  %a = slice %x start=[0,0] step=[1] : f32[N,2]\n"), "step: not as long as the list before it"},
    {BODY("  %a = const 1.5 : i64[]\n"), "line 2, column 14: 1.5 is no integer"},
    {BODY("  %a = const 256 : u8[]\n"), "line 2, column 14: 256 does not fit u8"},
    {BODY("  %a = const -1 : u8[]\n"), "line 2, column 14: -1 does not fit u8"},
    {BODY("  %a = const 2147483648 : i32[]\n"), "2147483648 does not fit i32"},
    {BODY("  %a = const 99999999999999999999 : i64[]\n"), "99999999999999999999 does not fit i64"},
    {BODY("  %a = const 1 : bool[]\n"), "a bool is true or false, not 1"},
    {BODY("  %a = const 1e39 : f32[]\n"), "1e39 is above the greatest finite number"},
    {BODY("  %a = const 1e : f32[]\n"), "1e is no number"},
    {BODY("  %a = const . : f32[]\n"), ". is no number"},
    {BODY("  %a = const nan(0x7f800000) : f32[]\n"), "are not the bits of a NaN"},
    {BODY("  %a = const 1 : f32[2]\n"), "node 4, const: is no scalar"},
    {BODY("  %a = const 1 untyped : f32[]\n"), "node 4, const: is untyped but not f64"},
    {BODY("  return\n"), "line 3, column 1: expected % or @, found '}'"},
    {BODY("  update %x = %x\n"), "line 2, column 10: only a variable can be updated"},
    {BODY("  update @w = %x\n"), "update 0 has another type than its variable"},
    {BODY("  update @w = @w update @w = @w\n"), "variable 0 is updated twice"},
    {BODY("  check N < 2\n"), "line 2, column 11: expected '==', found '<'"},
};

START_TEST(refuses) {
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        text_graph t;
        text_parse(&t, malformed[i].text, strlen(malformed[i].text));
        ck_assert_msg(t.status == SN_ERR_PARSE, "%s: taken", malformed[i].text);
        ck_assert_msg(strstr(t.g.trap.text, malformed[i].error), "%s: %s\nexpected %s", malformed[i].text,
                      t.g.trap.text, malformed[i].error);
        text_clear(&t);
    }
}
END_TEST

/* ---- the verifier ------------------------------------------------------------------------------------------------ */

/* Statements that break one rule each. %a f32[N,4], %b f32[4,4], %v f32[N], %i i64[], %k i32[3]. */
static const struct {
    const char *statement, *error;
} broken[] = {
    {"iota : i64[]", "iota: wants one axis and a number type"},
    {"iota : bool[N]", "iota: wants one axis and a number type"},
    {"dim_value N : i32[]", "dim_value: wants an i64 scalar of a dim"},
    {"add %a, %v : f32[N,4]", "add: has rank 2, not 1"},
    {"add %i, %v : f32[]", "add: has rank 0, not 1"},
    {"lt %v, %v : f32[N]", "lt: is f32, not bool"},
    {"select %v, %v, %v : f32[N]", "select: takes no operand of f32"},
    {"and %v, %v : f32[N]", "and: takes no operand of f32"},
    {"exp %k : i32[3]", "exp: takes no operand of i32"},
    {"sum %a axes=[] : f32[N,4]", "sum: axes are none"},
    {"sum %a axes=[2] : f32[N,4]", "sum: axes are none or not those"},
    {"sum %a axes=[0] : f32[N]", "sum: axis 0 has size N, not 4"},
    {"matmul %a, %v : f32[N]", "matmul: operands are no matrices"},
    {"matmul %b, %a : f32[4,4]", "matmul: inner sizes 4 and N differ"},
    {"matmul %a, %b trans=[0] : f32[4,4]", "matmul: inner sizes N and 4 differ"},
    {"matmul %a, %b trans=[2] : f32[N,4]", "matmul: flags are 4, not 0 .. 3"},
    {"matmul %a, %b : f32[4,N]", "matmul: axis 0 has size 4, not N"},
    {"reshape %a : f32[2*N,3]", "reshape: changes the number of elements"},
    {"reshape %a : i32[4*N]", "reshape: is i32, not f32"},
    {"transpose %a perm=[0] : f32[N,4]", "transpose: has 1 attributes, not 2"},
    {"transpose %a perm=[0,0] : f32[N,N]", "transpose: perm is no permutation"},
    {"transpose %a perm=[1,2] : f32[4,N]", "transpose: perm is no permutation"},
    {"transpose %a perm=[1,0] : f32[N,4]", "transpose: axis 0 has size N, not 4"},
    {"broadcast %v map=[2] : f32[N,4]", "broadcast: map sends axis 0 nowhere"},
    {"broadcast %a map=[0,0] : f32[N,4]", "broadcast: map sends axis 1 nowhere or twice"},
    {"broadcast %v map=[1] : f32[N,4]", "broadcast: axis 0 of the operand does not fit axis 1"},
    {"broadcast %v map=[0] : f32[M,4]", "broadcast: axis 0 of the operand does not fit axis 0"},
    {"slice %a start=[0] : f32[N]", "slice: has 3 attributes, not 6"},
    {"slice %a start=[0,0] step=[0,1] : f32[N,4]", "slice: step 0 is below 1"},
    {"slice %a start=[0,0] runtime=[1,0] : f32[N,4]", "slice: runtime start 0 is no operand"},
    {"slice %a, %v start=[0,0] runtime=[1,0] : f32[N,4]", "slice: a runtime start is no i64 scalar"},
    {"slice %a start=[0,0] : f64[N,4]", "slice: is f64, not f32"},
    {"concat %a, %b axis=2 : f32[N,4]", "concat: has no axis 2"},
    {"concat %a, %b axis=1 : f32[N,8]", "concat: axis 0 has size N, not 4"},
    {"concat %a, %b axis=0 : f32[N+5,4]", "concat: axis 0 is not the sum"},
    {"gather %i, %k : i64[3]", "gather: has no rows"},
    {"gather %a, %v : f32[N,4]", "gather: takes no operand of f32"},
    {"gather %a, %k : f32[4,3]", "gather: axis 0 has size 4, not 3"},
    {"scatter_add %k, %a : f32[N,4]", "scatter_add: ids and values differ in axis 0"},
    {"scatter_add %k, %i : i64[]", "scatter_add: has no rows or fewer values than ids"},
    {"scatter_add %v, %a : f32[N,4]", "scatter_add: takes no operand of f32"},
    {"recurrence %a, %a : f32[N,4]", "recurrence: has 0 attributes, not 2"},
    {"recurrence %a, %a axis=2 : f32[N,4]", "recurrence: has no axis 2"},
    {"recurrence %a, %a axis=0 back=2 : f32[N,4]", "recurrence: back is neither 0 nor 1"},
    {"recurrence %a, %b axis=0 : f32[N,4]", "recurrence: axis 0 has size N, not 4"},
    {"matmul %v, %v : f32[]", "matmul: operands are no matrices"},
    {"stop_gradient %a : f32[4,N]", "stop_gradient: axis 0 has size 4, not N"},
};

START_TEST(broken_nodes) {
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char text[400];
        snprintf(text, sizeof text,
                 "graph f[N, M](%%a: f32[N,4], %%b: f32[4,4], %%v: f32[N], %%i: i64[], %%k: i32[3]) {\n  %%r = %s\n}\n",
                 broken[i].statement);
        text_graph t;
        text_parse(&t, text, strlen(text));
        ck_assert_msg(t.status == SN_ERR_PARSE && strstr(t.g.trap.text, broken[i].error), "%s: %s\nexpected %s",
                      broken[i].statement, t.status ? t.g.trap.text : "taken", broken[i].error);
        text_clear(&t);
    }
}
END_TEST

/* Dims that checks join, through others if need be, may stand for each other where a node says so. */
START_TEST(checks_join_dims) {
    for (int joined = 0; joined < 2; joined++) {
        char full[300];
        snprintf(full, sizeof full,
                 "graph f[N, M, K](%%v: f32[N]) {\n  check N == K\n%s"
                 "  %%2 = broadcast %%v map=[0] : f32[M]\n  return %%2\n}\n",
                 joined ? "  check M == K\n" : "  check M <= K\n");
        text_graph t;
        text_parse(&t, full, strlen(full));
        ck_assert_int_eq(t.status, joined ? SN_OK : SN_ERR_PARSE);
        text_clear(&t);
    }
}
END_TEST

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Whatever a node holds, the verifier answers. */
START_TEST(arbitrary_nodes) {
    uint64_t seed = 88172645463325252u;
    uint32_t n_valid = 0;
    for (int i = 0; i < 20000; i++) {
        text_graph t;
        text_parse_ok(&t, everything);
        ir_id in[4];
        int64_t attr[8];
        ir_node node = *ir_at(&t.g, (ir_id)(1 + next_random(&seed) % (t.g.node.n - 1)));
        for (uint32_t k = 0; k < 4; k++) in[k] = k < node.n_in ? node.in[k] : (ir_id)(next_random(&seed) % 50);
        for (uint32_t k = 0; k < 8; k++) attr[k] = k < node.n_attr ? node.attr[k] : 1;
        if (node.n_in <= 4 && node.n_attr <= 8) node.in = in, node.attr = attr;
        /* one or two fields at random, so that deep rules are reached */
        for (int k = 0; k < 2; k++) {
            uint64_t r = next_random(&seed);
            int64_t odd = r >> 40 & 1 ? (int64_t)r : (int64_t)(r >> 20 & 7) - 2;
            switch (r % 9) {
                case 0: node.op = (uint8_t)(r >> 8); break;
                case 1: node.dtype = (uint8_t)(r >> 8 & 15); break;
                case 2: node.rank = (uint8_t)(r >> 8 & 7); break;
                case 3: node.n_in = (uint16_t)(r >> 8 & 3); break;
                case 4: node.n_attr = (uint16_t)(r >> 8 & 7); break;
                case 5: node.dim[r >> 8 & 3] = (ir_dim)(r >> 16 & 31); break;
                case 6: in[r >> 8 & 3] = (ir_id)odd; break;
                case 7: attr[r >> 8 & 7] = odd; break;
                default: node.in = node.n_in < 3 && r >> 9 & 1 ? NULL : node.in; break;
            }
        }
        t.g.node.at[t.g.node.n - 1] = node;
        char text[256];
        const char *sentence = ir_verify(&t.g, &t.roots, text);
        if (!sentence) {
            n_valid++;
            free(text_print(&t.g, &t.roots));
        }
        text_clear(&t);
    }
    ck_assert_uint_gt(n_valid, 100); /* else the changes are too wild to reach the deeper rules */
}
END_TEST

/* ---- any bytes, and no memory ------------------------------------------------------------------------------------ */

/* Mutated text is refused, or it is a graph that prints and parses to itself. */
START_TEST(mutated_text) {
    uint64_t seed = 0x9e3779b97f4a7c15u;
    static const char alphabet[] = "%@\"\\[]()=:,+-*# \n0129.eNxgraph\xff";
    char text[sizeof everything + 64];
    uint32_t n_taken = 0;
    int rounds = getenv("SN_SLOW") ? 200000 : 20000;
    for (int i = 0; i < rounds; i++) {
        size_t n = sizeof everything - 1;
        memcpy(text, everything, n);
        for (uint64_t k = next_random(&seed) % 4; k < 4; k++) {
            uint64_t r = next_random(&seed);
            size_t at = (size_t)(r >> 8) % n, span = (size_t)(r >> 40 & 7);
            if (r % 4 == 0)
                text[at] = alphabet[(r >> 32) % (sizeof alphabet - 1)];
            else if (r % 4 == 1)
                n = at + 1;
            else if (at + span < n && r % 4 == 2)
                memmove(text + at, text + at + span, n - at - span), n -= span;
            else if (at + span < n && n + span < sizeof text)
                memmove(text + at + span, text + at, n - at), n += span;
        }
        text_graph t;
        text_parse(&t, text, n);
        if (t.status == SN_OK) {
            char *printed = text_print(&t.g, &t.roots);
            n_taken++;
            check_round_trip(printed);
            free(printed);
        } else {
            ck_assert_int_eq(t.status, SN_ERR_PARSE);
            ck_assert_ptr_nonnull(strstr(t.g.trap.text, "column"));
        }
        text_clear(&t);
    }
    ck_assert_uint_gt(n_taken, 10);
}
END_TEST

typedef struct {
    text_graph t;
    int parsed;
} starved;

static void parse_starved(void *arg) {
    starved *s = arg;
    ir_parse(&s->t.g, everything, sizeof everything - 1, &s->t.roots);
    s->parsed = 1;
}

/* Every allocation that can fail does so once; the status says so and nothing leaks. */
START_TEST(out_of_memory) {
    int done = 0;
    for (int64_t n = 1; !done; n++) {
        starved s = {.parsed = 0};
        base_alloc_init(&s.t.alloc, NULL);
        s.t.alloc.fail_at = n;
        sn_status status = ir_graph_init(&s.t.g, &s.t.alloc, NULL, "");
        if (!status) status = base_protect(&s.t.g.trap, parse_starved, &s);
        if (s.parsed) {
            base_strbuf out;
            base_strbuf_init(&out, &s.t.alloc);
            ir_print(&s.t.g, &s.t.roots, &out);
            done = !out.failed;
            base_strbuf_free(&out);
        } else {
            ck_assert(status == SN_ERR_NOMEM || strstr(s.t.g.trap.text, "out of memory"));
        }
        text_clear(&s.t);
        ck_assert_int_lt(n, 10000);
    }
}
END_TEST

/* ---- dot --------------------------------------------------------------------------------------------------------- */

START_TEST(dot) {
    text_graph t;
    text_parse_ok(&t, "graph f[N](%x: f32[N], %unused: f32[]) vars(@w: f32[]) {\n"
                      "  %4 = broadcast @w map=[] : f32[N]\n"
                      "  %5 = mul %x, %4 : f32[N] \"say \\\"hi\\\"\"\n"
                      "  %6 = sum %5 axes=[0] : f32[]\n"
                      "  return %5\n  update @w = %6\n}\n");
    int32_t group[7] = {-1, -1, -1, -1, 0, 0, 1};
    base_strbuf out;
    base_strbuf_init(&out, &t.alloc);
    ir_print_dot(&t.g, &t.roots, group, &out);
    text_same("dot", out.at,
              "digraph \"f\" {\n"
              "  node [fontname=\"Helvetica\", fontsize=10];\n"
              "  n1 [label=\"x\\nf32[N]\", shape=box];\n"
              "  n3 [label=\"w\\nf32[]\", shape=box, style=\"bold\"];\n"
              "  subgraph cluster_0 {\n  label=\"kernel 0\";\n"
              "  n4 [label=\"%4 broadcast\\nf32[N]\", shape=ellipse, style=filled, fillcolor=\"#cfe2f3\"];\n"
              "  n5 [label=\"%5 mul\\nsay \\\"hi\\\"\\nf32[N]\", shape=ellipse, style=filled, fillcolor=\"#cfe2f3\"];\n"
              "  }\n"
              "  subgraph cluster_1 {\n  label=\"kernel 1\";\n"
              "  n6 [label=\"%6 sum\\nf32[]\", shape=ellipse, style=filled, fillcolor=\"#d9ead3\"];\n"
              "  }\n"
              "  n3 -> n4;\n  n1 -> n5;\n  n4 -> n5;\n  n5 -> n6;\n"
              "  out0 [label=\"output 0\", shape=doublecircle];\n  n5 -> out0;\n"
              "  up0 [label=\"new w\", shape=doublecircle];\n  n6 -> up0;\n"
              "}\n");
    base_strbuf_free(&out);
    text_clear(&t);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("print");
    TCase *tests = tcase_create("text form");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, round_trip);
    tcase_add_test(tests, smallest);
    tcase_add_test(tests, constants);
    tcase_add_test(tests, floats_to_the_bit);
    tcase_add_test(tests, other_locales);
    tcase_add_test(tests, from_builders);
    tcase_add_test(tests, written_by_hand);
    tcase_add_test(tests, equal_lines_are_one_node);
    tcase_add_test(tests, refuses);
    tcase_add_test(tests, broken_nodes);
    tcase_add_test(tests, checks_join_dims);
    tcase_add_test(tests, arbitrary_nodes);
    tcase_add_test(tests, mutated_text);
    tcase_add_test(tests, out_of_memory);
    tcase_add_test(tests, dot);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
