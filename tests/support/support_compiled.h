/* support_compiled.h: what a test of graphs checks in the evaluator, checked again as compiled code. */
#ifndef SUPPORT_COMPILED_H
#define SUPPORT_COMPILED_H

#include "support/support_graph.h"

/* Where SN_TWIN is set (support_twin.h): these nodes as outputs of one function, interpreted and compiled, equal what
 * the evaluator makes of them; a difference fails the test. Elsewhere nothing. */
void support_check_compiled(support_graph *t, const char *what, const ir_id *out, uint32_t n);

#endif
