/* Mathematical functions on the GPU: the interpreter's bits for f32 of every exponent, subnormal and infinite ones too;
 * and the quotient that generated code takes where operands are known to be harmless, which must be the rounded one
 * whatever approximate reciprocal a processor begins with. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "support/support_run.h"
#include "support/support_runtime.h"
#include "support/support_standin.h"

enum { VALUES = 1 << 16, FUNCTIONS = 8 };

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
    sn_expr out[FUNCTIONS] = {sn_tanh(in), sn_sigmoid(in), sn_exp(in),      sn_log(in),
                              sn_sin(in),  sn_erf(in),     sn_softplus(in), sn_div(in, sn_tanh(in))};
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

/* ---- the quotient ------------------------------------------------------------------------------------------------ */

/* sn_ratio of the generated source, with the reciprocal that it begins with. */
static float ratio(float a, float b, float r) {
    r = fmaf(fmaf(-b, r, 1.0f), r, r);
    float q = a * r;
    return fmaf(fmaf(-b, q, a), r, q);
}

/* For each b of [1, 2): some a, and reciprocals up to a unit in the last place away. At two b's of the last steps
 * before 2 only the nearest will do, which is what a processor has whose compiler divides in this way. */
START_TEST(quotients_are_rounded_once) {
    uint64_t seed = 1;
    for (uint32_t b = 0x3f800000; b < 0x40000000; b += support_slow() ? 1 : 7)
        for (int off = b < 0x3ffffff0 ? -1 : 0; off <= (b < 0x3ffffff0); off++) {
            float y = of_bits(b), r = of_bits(bits_of(1 / y) + (uint32_t)off);
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            float x = of_bits(0x3f800000 | (uint32_t)(seed >> 41));
            if (ratio(x, y, r) != x / y || ratio(1, y, r) != 1 / y) ck_abort_msg("%a / %a from %a", x, y, r);
        }
    ck_assert(ratio(0, 3, 1.0f / 3) == 0 && isnan(ratio(1, NAN, NAN)));
}
END_TEST

int main(void) {
    TCase *t = tcase_create("maths");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, functions_have_the_interpreters_bits);
    tcase_add_test(t, quotients_are_rounded_once);
    Suite *s = suite_create("gpu maths");
    suite_add_tcase(s, t);
    return support_main(s);
}
