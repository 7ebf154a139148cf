/* Functions on the GPU: the interpreter's bits for f32 of every exponent, subnormal and infinite ones too. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "support/support_run.h"
#include "support/support_runtime.h"
#include "support/support_standin.h"

enum { VALUES = 1 << 16, FUNCTIONS = 12 };

static float of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* ---- functions --------------------------------------------------------------------------------------------------- */

static void run(sn_context *ctx, const float *x, float *y[FUNCTIONS]) {
    sn_graph *g = sn_graph_new(ctx, "functions");
    sn_expr in = sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N")));
    sn_expr out[FUNCTIONS] = {sn_tanh(in), sn_sigmoid(in), sn_exp(in),        sn_log(in),
                              sn_sin(in),  sn_erf(in),     sn_softplus(in),   sn_div(in, sn_tanh(in)),
                              sn_sqrt(in), sn_rsqrt(in),   sn_reciprocal(in), sn_div(sn_sqrt(in), sn_const(g, -3))};
    sn_function *f;
    sn_function_desc desc = {.inputs = &in, .n_inputs = 1, .outputs = out, .n_outputs = FUNCTIONS};
    ck_assert_msg(!sn_function_new(g, &desc, &f), "%s", sn_graph_error(g));
    int64_t n = VALUES;
    sn_tensor from = sn_tensor_of(SN_F32, (void *)(uintptr_t)x, 1, &n), to[FUNCTIONS];
    for (int i = 0; i < FUNCTIONS; i++) to[i] = sn_tensor_of(SN_F32, y[i], 1, &n);
    ck_assert_msg(!sn_function_call(f, &from, 1, to, FUNCTIONS), "%s", sn_context_error(ctx));
    sn_function_free(f);
    sn_graph_free(g);
    sn_context_free(ctx);
}

START_TEST(functions_have_the_interpreters_bits) {
    support_standin standin;
    static float x[VALUES], got[FUNCTIONS][VALUES], want[FUNCTIONS][VALUES];
    float *to[2][FUNCTIONS];
    for (uint32_t i = 0; i < VALUES; i++) x[i] = of_bits(i * (UINT32_MAX / VALUES) + i % 4099);
    for (int i = 0; i < FUNCTIONS; i++) to[0][i] = got[i], to[1][i] = want[i];
    support_standin_open(&standin);
    sn_context *ctx;
    ck_assert(
        !sn_context_new(&(sn_context_options){.struct_size = sizeof(sn_context_options), .backend = "gpu"}, &ctx));
    run(ctx, x, to[0]);
    be_backend interp = be_interp;
    interp.machine = KN_FOR_GPU;
    ck_assert(!rt_context_open(NULL, &interp, &ctx));
    run(ctx, x, to[1]);
    for (int k = 0; k < FUNCTIONS; k++)
        for (int i = 0; i < VALUES; i++)
            ck_assert_msg(bits_of(got[k][i]) == bits_of(want[k][i]) || (isnan(got[k][i]) && isnan(want[k][i])),
                          "function %d of %a: %a, want %a", k, x[i], got[k][i], want[k][i]);
}
END_TEST

int main(void) {
    TCase *t = tcase_create("maths");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, functions_have_the_interpreters_bits);
    Suite *s = suite_create("gpu maths");
    suite_add_tcase(s, t);
    return support_main(s);
}
