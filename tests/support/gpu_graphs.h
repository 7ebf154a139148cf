/* gpu_graphs.h: graphs whose CUDA C++ is golden text, and sizes of their named dims to run them with. */
#ifndef GPU_GRAPHS_H
#define GPU_GRAPHS_H

#include "support/nets.h"

enum { GPU_GRAPHS = 12, GPU_GRAPH_SIZES = 2 };
typedef struct {
    const char *name;
    void (*build)(net *n, sn_context *ctx);
    int64_t dim[GPU_GRAPH_SIZES][2]; /* even, and not */
} gpu_graph;
extern const gpu_graph gpu_graphs[GPU_GRAPHS];

#endif
