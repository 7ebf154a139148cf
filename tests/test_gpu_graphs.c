/* The graphs whose CUDA C++ is golden text, executed: against the evaluator and to the bit of the interpreter, at sizes
 * that the text for even launches takes and at others. */
#include <stdlib.h>

#include "support/gpu_graphs.h"
#include "support/support_run.h"

START_TEST(golden_graphs) {
    sn_context *ctx = support_twin_context();
    const gpu_graph *g = &gpu_graphs[_i];
    for (int k = 0; k < GPU_GRAPH_SIZES; k++) {
        net n;
        g->build(&n, ctx);
        if (n.loss.graph) net_output(&n, n.loss);
        net_check(&n, g->dim[k], 7 + (uint64_t)k, SUPPORT_COMPILED | SUPPORT_FUSED_ONLY, NULL, NULL);
        net_free(&n);
    }
    sn_context_free(ctx);
}
END_TEST

int main(void) {
    setenv("SN_TWIN", "gpu", 1);
    Suite *suite = suite_create("gpu graphs");
    TCase *graphs = tcase_create("graphs");
    tcase_add_loop_test(graphs, golden_graphs, 0, GPU_GRAPHS);
    suite_add_tcase(suite, graphs);
    return support_main(suite);
}
