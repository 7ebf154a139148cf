/* reduce_graph.h: from a body that fails on some path to the smallest one found that still does. */
#ifndef SUPPORT_REDUCE_GRAPH_H
#define SUPPORT_REDUCE_GRAPH_H

#include "support/support_paths.h"

/* Writes the reduced graph's text to standard error. The variables must have the values with which the body failed;
 * they are left so. */
void reduce_graph(const support_body *body, int flags);

#endif
