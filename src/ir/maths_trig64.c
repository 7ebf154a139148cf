#include "ir/maths.h"
kn_id kn_maths_sin_f64(const kn_maths *m, kn_id x, int cosine) {
    (void)x, (void)cosine;
    base_fail(m->b->arena->trap, SN_ERR_UNSUPPORTED, "sin of f64 has no expansion yet");
}
