/* Losses: expressions of the single losses from the public operators, then what the reduction makes of them. */
#include <math.h>

#include "nn/nn.h"

static sn_expr reduce(sn_expr losses, sn_reduction reduction, const char *file, int line) {
    switch (reduction) {
        case SN_REDUCE_NONE: return losses;
        case SN_REDUCE_MEAN: return sn_mean_all_at(losses, file, line);
        case SN_REDUCE_SUM: return sn_sum_all_at(losses, file, line);
    }
    return nn_graph_fail(losses.graph, SN_ERR_ARGUMENT, file, line, "loss: there is no reduction %d", (int)reduction);
}

/* Operators broadcast, losses must not: what is compared has one shape, or is a scalar. Sizes that only a call knows
 * are compared by the operators' own checks. 1 where the two do; poison says so of itself later. */
static int comparable(const char *name, sn_expr a, sn_expr b, const char *file, int line) {
    if (!a.id || !b.id || a.graph != b.graph) return 1;
    sn_shape m = sn_expr_shape(a), n = sn_expr_shape(b);
    if (!m.rank || !n.rank) return 1;
    if (m.rank != n.rank) {
        nn_graph_fail(a.graph, SN_ERR_SHAPE, file, line,
                      "%s: shapes differ: the first has %d axes, the second %d; they are compared element by element",
                      name, (int)m.rank, (int)n.rank);
        return 0;
    }
    for (int32_t i = 0; i < m.rank; i++) {
        int one_of_m = !m.dim[i].id && m.dim[i].value == 1, one_of_n = !n.dim[i].id && n.dim[i].value == 1;
        int differ = !m.dim[i].id && !n.dim[i].id && m.dim[i].value != n.dim[i].value;
        if (!differ && one_of_m == one_of_n) continue;
        nn_graph_fail(
            a.graph, SN_ERR_SHAPE, file, line,
            "%s: shapes differ in axis %d, which would repeat one of them; they are compared element by element", name,
            (int)i);
        return 0;
    }
    return 1;
}

static sn_expr poison(sn_expr e) { return (sn_expr){e.graph, 0}; }

sn_expr sn_loss_squared_at(sn_expr y, sn_expr target, sn_reduction reduction, const char *file, int line) {
    if (!comparable("loss_squared", y, target, file, line)) return poison(y);
    return reduce(sn_square_at(sn_sub_at(y, target, file, line), file, line), reduction, file, line);
}

sn_expr sn_loss_absolute_at(sn_expr y, sn_expr target, sn_reduction reduction, const char *file, int line) {
    if (!comparable("loss_absolute", y, target, file, line)) return poison(y);
    return reduce(sn_abs_at(sn_sub_at(y, target, file, line), file, line), reduction, file, line);
}

/* With near = min(d, delta): near^2 / 2 + delta * (d - near), whose two halves have finite slopes for every d. */
sn_expr sn_loss_huber_at(sn_expr y, sn_expr target, double delta, sn_reduction reduction, const char *file, int line) {
    if (!comparable("loss_huber", y, target, file, line)) return poison(y);
    if (!(delta > 0 && isfinite(delta)))
        return nn_graph_fail(y.graph, SN_ERR_ARGUMENT, file, line, "loss_huber: delta is %g: a number above 0 wanted",
                             delta);
    sn_expr d = sn_abs_at(sn_sub_at(y, target, file, line), file, line);
    sn_expr limit = sn_const_at(y.graph, delta, file, line), half = sn_const_at(y.graph, 0.5, file, line);
    sn_expr near = sn_min_at(d, limit, file, line), far = sn_sub_at(d, near, file, line);
    sn_expr square = sn_mul_at(half, sn_square_at(near, file, line), file, line);
    return reduce(sn_add_at(square, sn_mul_at(limit, far, file, line), file, line), reduction, file, line);
}

sn_expr sn_loss_cross_entropy_at(sn_expr logits, sn_expr ids, sn_reduction reduction, const char *file, int line) {
    return reduce(sn_cross_entropy_at(logits, ids, file, line), reduction, file, line);
}

sn_expr sn_loss_cross_entropy_probs_at(sn_expr logits, sn_expr probs, sn_reduction reduction, const char *file,
                                       int line) {
    return reduce(sn_cross_entropy_probs_at(logits, probs, file, line), reduction, file, line);
}

sn_expr sn_loss_binary_cross_entropy_at(sn_expr logits, sn_expr targets, sn_reduction reduction, const char *file,
                                        int line) {
    if (!comparable("loss_binary_cross_entropy", logits, targets, file, line)) return poison(logits);
    sn_expr agreed = sn_mul_at(logits, targets, file, line);
    return reduce(sn_sub_at(sn_softplus_at(logits, file, line), agreed, file, line), reduction, file, line);
}
