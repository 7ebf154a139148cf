/* Functions on the GPU: the interpreter's bits for arguments of every exponent, subnormal and infinite ones too. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "support/support_run.h"
#include "support/support_runtime.h"
#include "support/support_standin.h"

enum { VALUES = 1 << 16, FUNCTIONS = 13 };

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

static void run(sn_context *ctx, sn_dtype type, const void *x, void *y[FUNCTIONS]) {
    sn_graph *g = sn_graph_new(ctx, "functions");
    sn_expr in = sn_input(g, "x", type, SN_SHAPE(sn_dim_new(g, "N")));
    sn_expr out[FUNCTIONS] = {sn_tanh(in),
                              sn_sigmoid(in),
                              sn_exp(in),
                              sn_log(in),
                              sn_sin(in),
                              sn_erf(in),
                              sn_softplus(in),
                              sn_div(in, sn_tanh(in)),
                              sn_sqrt(in),
                              sn_rsqrt(in),
                              sn_reciprocal(in),
                              sn_div(sn_sqrt(in), sn_const(g, -3)),
                              sn_pow(in, sn_const(g, 0.4))};
    sn_function *f;
    sn_function_desc desc = {.inputs = &in, .n_inputs = 1, .outputs = out, .n_outputs = FUNCTIONS};
    ck_assert_msg(!sn_function_new(g, &desc, &f), "%s", sn_graph_error(g));
    int64_t n = VALUES;
    sn_tensor from = sn_tensor_of(type, (void *)(uintptr_t)x, 1, &n), to[FUNCTIONS];
    for (int i = 0; i < FUNCTIONS; i++) to[i] = sn_tensor_of(type, y[i], 1, &n);
    ck_assert_msg(!sn_function_call(f, &from, 1, to, FUNCTIONS), "%s", sn_context_error(ctx));
    sn_function_free(f);
    sn_graph_free(g);
    sn_context_free(ctx);
}

/* On the GPU, and by the interpreter. */
static void run_both(sn_dtype type, const void *x, void *got[FUNCTIONS], void *want[FUNCTIONS]) {
    support_standin standin;
    support_standin_open(&standin);
    sn_context *ctx;
    ck_assert(
        !sn_context_new(&(sn_context_options){.struct_size = sizeof(sn_context_options), .backend = "gpu"}, &ctx));
    run(ctx, type, x, got);
    be_backend interp = be_interp;
    interp.machine = KN_FOR_GPU;
    ck_assert(!rt_context_open(NULL, &interp, &ctx));
    run(ctx, type, x, want);
}

START_TEST(functions_have_the_interpreters_bits) {
    static float x[VALUES], got[FUNCTIONS][VALUES], want[FUNCTIONS][VALUES];
    void *to[2][FUNCTIONS];
    for (uint32_t i = 0; i < VALUES; i++) x[i] = of_bits(i * (UINT32_MAX / VALUES) + i % 4099);
    for (int i = 0; i < FUNCTIONS; i++) to[0][i] = got[i], to[1][i] = want[i];
    run_both(SN_F32, x, to[0], to[1]);
    for (int k = 0; k < FUNCTIONS; k++)
        for (int i = 0; i < VALUES; i++)
            ck_assert_msg(bits_of(got[k][i]) == bits_of(want[k][i]) || (isnan(got[k][i]) && isnan(want[k][i])),
                          "function %d of %a: %a, want %a", k, x[i], got[k][i], want[k][i]);
}
END_TEST

/* Every exponent, and as many numbers between 2^-8 and 2^8. */
START_TEST(functions_of_f64_have_them) {
    static double x[VALUES], got[FUNCTIONS][VALUES], want[FUNCTIONS][VALUES];
    void *to[2][FUNCTIONS];
    for (uint64_t i = 0; i < VALUES; i++) {
        uint64_t bits = i * (UINT64_MAX / VALUES) + i * 2654435761u % 99991;
        memcpy(&x[i], &bits, sizeof bits);
        if (i % 2) x[i] = ldexp((double)(i * 2654435761u % 4294967291u) / 4294967291u - 0.5, (int)(i / 2 % 17) - 8);
    }
    for (int i = 0; i < FUNCTIONS; i++) to[0][i] = got[i], to[1][i] = want[i];
    run_both(SN_F64, x, to[0], to[1]);
    for (int k = 0; k < FUNCTIONS; k++)
        for (int i = 0; i < VALUES; i++)
            ck_assert_msg(!memcmp(&got[k][i], &want[k][i], sizeof **got) || (isnan(got[k][i]) && isnan(want[k][i])),
                          "function %d of %a: %a, want %a", k, x[i], got[k][i], want[k][i]);
}
END_TEST

int main(void) {
    TCase *t = tcase_create("maths");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, functions_have_the_interpreters_bits);
    tcase_add_test(t, functions_of_f64_have_them);
    Suite *s = suite_create("gpu maths");
    suite_add_tcase(s, t);
    return support_main(s);
}
