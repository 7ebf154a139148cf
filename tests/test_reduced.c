/* Graphs on which fusion, lowering or code generation was once wrong, as small as they could be made (reduce_graph.h),
 * run on every path. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/variable.h"
#include "support/support_paths.h"

typedef struct {
    const char *what, *text;
    int64_t dim[4]; /* values of the named dims, in the order in which the text first names them */
} reduced;

static const reduced graphs[] = {
    {"an operand of a concat starts at a negative multiple of a named dim",
     "graph g[M](%a: f64[M+6], %b: f64[M], %c: f64[3]) {\n"
     "  %1 = concat %a, %b, %c, %c axis=0 : f64[2*M+12]\n  return %1\n}\n",
     {1}},
    {"strides of 0 in an empty tensor",
     "graph g(%a: i64[5,0], %b: i64[0,5,0]) {\n"
     "  %1 = broadcast %a map=[1,2] : i64[0,5,0]\n  %2 = sub %1, %b : i64[0,5,0]\n  return %2\n}\n",
     {0}},
    {"rows gathered from a table without columns",
     "graph g[K, M](%a: u8[M,0], %i: i64[K], %b: u8[K,0]) {\n"
     "  check 1 <= M \"gather: needs at least one row, the number of rows is M\"\n"
     "  %1 = gather %a, %i : u8[K,0]\n  %2 = sub %1, %b : u8[K,0]\n  return %2\n}\n",
     {31, 7}},
    {"a fold over points without results",
     "graph g[M](%a: f32[0,M], %b: f32[M,16]) {\n  %1 = matmul %a, %b : f32[0,16]\n  return %1\n}\n",
     {13}},
    {"point axes that are neighbours for their members, but not for an output stored along with them",
     "graph g[K](%a: f64[3,K]) {\n"
     "  %1 = reciprocal %a : f64[3,K]\n  %2 = broadcast %1 map=[1,3] : f64[3,3,3,K]\n  return %2\n}\n",
     {2}},
    {"a transposed output stored along with what it is made of",
     "graph g(%a: f64[5,13]) {\n  %1 = abs %a : f64[5,13]\n  %2 = transpose %1 perm=[1,0] : f64[13,5]\n  return "
     "%2\n}\n",
     {0}},
    {"a row kept for tiles of one point",
     "graph g(%a: f32[3,40], %b: f32[3,40], %c: bool[3,40], %d: f32[3,40]) vars(@W: f32[3,40]) {\n"
     "  %1 = select %c, %b, %a : f32[3,40]\n  %2 = mul %1, %d : f32[3,40]\n"
     "  %3 = reduce_max %2 axes=[1] : f32[3]\n  %4 = broadcast %3 map=[0] : f32[3,40]\n"
     "  %5 = mul %2, %4 : f32[3,40]\n  update @W = %5\n}\n",
     {0}},
    {"a group with a fold over its points merged into one without points",
     "graph g(%a: f64[31,2,2], %b: f64[31,2,2], %c: f64[31,2,2], %d: f64[31,2,2], %e: bool[31,2,2]) {\n"
     "  %1 = exp %a : f64[31,2,2]\n  %2 = sum %1 axes=[0,1,2] : f64[]\n  %3 = sum %b axes=[0,1,2] : f64[]\n"
     "  %4 = broadcast %3 map=[] : f64[31,2,2]\n  %5 = add %c, %4 : f64[31,2,2]\n  %6 = eq %1, %d : bool[31,2,2]\n"
     "  %7 = select %6, %a, %b : f64[31,2,2]\n  %8 = select %e, %5, %7 : f64[31,2,2]\n  %9 = mul %8, %d : f64[31,2,2]\n"
     "  %10 = sub %c, %9 : f64[31,2,2]\n  return %10, %2\n}\n",
     {0}},
    {"a fold in a loop of a value that varies nowhere, read through an inline node",
     "graph g[L, M](%a: f64[], %b: f64[L,M], %c: f64[L,M]) {\n"
     "  %1 = broadcast %a map=[] : f64[L,M]\n  %2 = square %1 : f64[L,M]\n  %3 = add %1, %2 : f64[L,M]\n"
     "  %4 = reduce_max %3 axes=[1] : f64[L]\n  %5 = broadcast %4 map=[0] : f64[L,M]\n  %6 = sub %3, %5 : f64[L,M]\n"
     "  %7 = exp %6 : f64[L,M]\n  %8 = mul %b, %7 : f64[L,M]\n  %9 = add %c, %8 : f64[L,M]\n  return %9\n}\n",
     {3, 100}},
    {"an old value of a variable read again by a phase after the update",
     "graph g(%a: f64[40,5], %c: bool[5], %d: f64[5]) vars(@W: f64[40,5]) {\n"
     "  %1 = sub %a, @W : f64[40,5]\n  %2 = reduce_max %1 axes=[0] : f64[5]\n  %3 = select %c, %2, %d : f64[5]\n"
     "  %4 = broadcast %3 map=[1] : f64[40,5]\n  %5 = sub %1, %4 : f64[40,5]\n  %6 = exp %5 : f64[40,5]\n"
     "  %7 = sum %6 axes=[0] : f64[5]\n  return %7\n  update @W = %1\n}\n",
     {0}},
    {"the same with two variables and a product",
     "graph g(%a: f64[40,3], %b: f64[1,40], %c: f64[3], %d: f64[3,40,3]) vars(@V: f64[3,40,3], @W: f64[3,40,3]) {\n"
     "  %1 = matmul %b, %a : f64[1,3]\n  %2 = reshape %1 : f64[3]\n  %3 = mul %2, %c : f64[3]\n"
     "  %4 = sub %d, @V : f64[3,40,3]\n  %5 = broadcast %3 map=[2] : f64[3,40,3]\n  %6 = add %4, %5 : f64[3,40,3]\n"
     "  update @W = %6\n  update @V = %4\n}\n",
     {0}},
    {"a fold over two named axes beside a long kept one",
     "graph g[L](%a: f64[L,33,L]) {\n  %1 = reduce_min %a axes=[0,2] : f64[33]\n  return %1\n}\n",
     {9}},
    {"a fold over three named axes without results",
     "graph g[L](%a: f32[L,L,L,0]) {\n  %1 = sum %a axes=[0,1,2] : f32[0]\n  %2 = broadcast %1 map=[3] : f32[1,1,1,0]\n"
     "  %3 = abs %2 : f32[1,1,1,0]\n  return %3\n}\n",
     {2}},
    {"partials combined in a loop beside other loops",
     "graph g(%a: f64[33,33], %b: f64[33,33], %c: f64[40,33], %d: f64[40,33], %e: f64[40,33]) {\n"
     "  %1 = reduce_max %a axes=[0] : f64[33]\n  %2 = broadcast %1 map=[1] : f64[33,33]\n  %3 = sub %a, %2 : "
     "f64[33,33]\n"
     "  %4 = exp %3 : f64[33,33]\n  %5 = div %4, %b : f64[33,33]\n  %6 = sigmoid %c : f64[40,33]\n"
     "  %7 = matmul %6, %a : f64[40,33]\n  %8 = mul %7, %d : f64[40,33]\n  %9 = matmul %8, %a : f64[40,33]\n"
     "  %10 = sub %9, %e : f64[40,33]\n  %11 = matmul %10, %a trans=[1] : f64[40,33]\n  return %5, %11\n}\n",
     {0}},
    {"LLVM's instcombine takes the larger of |x| and 0 for that of x and 0",
     "graph g(%a: f64[2]) {\n  %1 = abs %a : f64[2]\n  %2 = softplus %1 : f64[2]\n  return %2\n}\n",
     {0}},
    {"an inline node made of one that had to be given a home",
     "graph g(%a: f64[4,3], %b: f64[4,4], %c: f64[4,4], %d: f64[4,3], %e: f64[4,4,3], %f: f64[4,3]) vars(@W: f64[4,3]) "
     "{\n"
     "  %1 = mul %b, %c : f64[4,4]\n  %2 = matmul %1, %a : f64[4,3]\n  %3 = mul %2, %d : f64[4,3]\n"
     "  %4 = exp %3 : f64[4,3]\n  %5 = broadcast %4 map=[1,2] : f64[4,4,3]\n  %6 = mul %e, %5 : f64[4,4,3]\n"
     "  %7 = sum %6 axes=[1,2] : f64[4]\n  %8 = reshape %7 : f64[4,1]\n  %9 = broadcast %8 map=[0,2] : f64[4,3,1]\n"
     "  %10 = reshape %9 : f64[4,3]\n  %11 = add %f, %10 : f64[4,3]\n  %12 = mul %11, %d : f64[4,3]\n"
     "  %13 = matmul %1, %12 trans=[0] : f64[4,3]\n  %14 = add %13, %a : f64[4,3]\n  update @W = %14\n}\n",
     {0}},
};

/* ---- running ---------------------------------------------------------------------------------------------------- */

typedef struct {
    sn_context *ctx;
    const reduced *from;
    support_body body;
    void *data[SUPPORT_MAX_INPUTS];
    sn_var *var[SUPPORT_MAX_VARS];
} run;

/* Deterministic values of any type. */
static void fill(const ir_graph *g, ir_id id, void *at, size_t bytes) {
    sn_dtype dtype = (sn_dtype)ir_at(g, id)->dtype;
    uint32_t state = 12345 + id;
    for (int64_t i = 0; i < (int64_t)(bytes / sn_dtype_size(dtype)); i++) {
        state = state * 1664525 + 1013904223;
        double x = (double)(state >> 8) * 0x1p-24;
        support_put(at, dtype, i, dtype == SN_F64 || dtype == SN_F32 ? 4 * x - 2 : dtype == SN_BOOL ? x > 0.5 : 5 * x);
    }
}

static void prepare(void *arg) {
    run *r = arg;
    sn_graph *g = r->body.g;
    ir_parse(g, r->from->text, strlen(r->from->text), &r->body.roots);
    memcpy(r->body.dim, r->from->dim, sizeof r->from->dim);
    for (uint32_t i = 0; i < g->input.n; i++) {
        size_t bytes = support_bytes(g, g->input.at[i], r->body.dim);
        r->data[i] = malloc(bytes + 1);
        fill(g, g->input.at[i], r->data[i], bytes);
        r->body.input[i] = r->data[i];
    }
    for (uint32_t i = 0; i < g->var.n; i++) {
        const ir_node *n = ir_at(g, g->var.at[i].node);
        int64_t size[SN_MAX_RANK];
        for (uint32_t a = 0; a < n->rank; a++) ck_assert(ir_dim_is_const(g, n->dim[a], &size[a]));
        ck_assert_int_eq(sn_var_new(r->ctx, g->var.at[i].name, (sn_dtype)n->dtype, n->rank, size, &r->var[i]), SN_OK);
        size_t bytes = support_bytes(g, g->var.at[i].node, r->body.dim);
        void *value = malloc(bytes + 1);
        fill(g, g->var.at[i].node, value, bytes);
        ck_assert_int_eq(sn_var_set(r->var[i], value, bytes), SN_OK);
        free(value);
        g->var.at[i].var = r->var[i];
        rt_var_retain(r->var[i]); /* as sn_use does: sn_graph_free gives it back */
    }
}

START_TEST(stay_right) {
    char text[1024];
    run r = {.ctx = support_twin_context(), .from = &graphs[_i]};
    r.body.g = sn_graph_new(r.ctx, "reduced");
    sn_status status = base_protect(&r.body.g->trap, prepare, &r);
    ck_assert_msg(!status, "%s: %s", r.from->what, r.body.g->trap.text);
    int right = support_paths(&r.body, SUPPORT_COMPILED | SUPPORT_THREADS, NULL, NULL, text, sizeof text);
    ck_assert_msg(right, "%s: %s", r.from->what, text);
    for (uint32_t i = 0; i < r.body.g->input.n; i++) free(r.data[i]);
    for (uint32_t i = 0; i < r.body.g->var.n; i++) sn_var_free(r.var[i]);
    sn_graph_free(r.body.g);
    sn_context_free(r.ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("reduced");
    TCase *tests = tcase_create("reduced");
    tcase_add_loop_test(tests, stay_right, 0, (int)(sizeof graphs / sizeof *graphs));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
