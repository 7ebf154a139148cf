// A C++17 program on the public API: y = x^2 + 5x + 2 and its slope, for a batch of any size.
#include <sinter/sinter.h>

#include <cstdio>
#include <vector>

int main() {
    sn_context *ctx = nullptr;
    if (sn_context_new(nullptr, &ctx)) return 1;
    sn_graph *g = sn_graph_new(ctx, "square");
    sn_dim n = sn_dim_new(g, "n");
    sn_expr x = sn_input(g, "x", SN_F64, SN_SHAPE(n));
    sn_expr y = sn_add(sn_add(sn_square(x), sn_mul(sn_const(g, 5.0), x)), sn_const(g, 2.0));
    sn_expr dy;
    if (sn_grad(sn_sum_all(y), &x, 1, &dy)) return 1;
    sn_expr outputs[] = {y, dy};
    sn_function_desc desc = {};
    desc.inputs = &x;
    desc.n_inputs = 1;
    desc.outputs = outputs;
    desc.n_outputs = 2;
    sn_function *f = nullptr;
    if (sn_function_new(g, &desc, &f)) {
        std::fprintf(stderr, "%s\n", sn_graph_error(g));
        return 1;
    }
    for (int64_t size : {0, 1, 5}) {
        const auto n_points = static_cast<size_t>(size);
        std::vector<double> at(n_points), value(n_points), slope(n_points);
        for (size_t i = 0; i < n_points; i++) at[i] = 2.0 + double(i);
        sn_tensor in = sn_tensor_of(SN_F64, at.data(), 1, &size);
        sn_tensor out[] = {sn_tensor_of(SN_F64, value.data(), 1, &size), sn_tensor_of(SN_F64, slope.data(), 1, &size)};
        if (sn_function_call(f, &in, 1, out, 2)) {
            std::fprintf(stderr, "%s\n", sn_function_error(f));
            return 1;
        }
        for (size_t i = 0; i < n_points; i++)
            if (value[i] != at[i] * at[i] + 5 * at[i] + 2 || slope[i] != 2 * at[i] + 5) return 1;
    }
    sn_function_free(f);
    sn_graph_free(g);
    sn_context_free(ctx);
}
