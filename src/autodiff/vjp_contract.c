/* Gradient rule of the matrix product. */
#include "autodiff/vjp.h"
#include "ir/infer.h"

/* y[M,N] = A[M,K] B[K,N], each operand stored as it is or transposed (ta, tb). dA = dy B^T and dB = A^T dy, or their
 * transposes where the operand is stored transposed; the flags express it all without moving an element. */
VJP(matmul) {
    int64_t ta = v->node->attr[0] & 1, tb = v->node->attr[0] >> 1 & 1;
    ir_id a = v->in[0], b = v->in[1], dy = v->dy;
    if (vjp_wants(v, 0))
        vjp_give(v, 0, ta ? ir_matmul_flags(v->g, b, dy, tb | 2) : ir_matmul_flags(v->g, dy, b, 2 * !tb));
    if (vjp_wants(v, 1))
        vjp_give(v, 1, tb ? ir_matmul_flags(v->g, dy, a, 1 | 2 * ta) : ir_matmul_flags(v->g, a, dy, !ta));
}
