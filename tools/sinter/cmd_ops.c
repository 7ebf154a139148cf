/* sinter ops: the operators of the graph IR. */
#include <stdio.h>

#include "ir/graph.h"
#include "tool.h"

static int run(int argc, char **argv) {
    (void)argv;
    if (argc > 1) return tool_fail("ops", "takes no arguments");
    for (int op = 1; op < IR_OP_COUNT; op++) printf("%-14s %s\n", ir_ops[op].name, ir_ops[op].doc);
    return 0;
}

const tool_command tool_ops = {"ops", run, "ops", "the operators and what they mean", NULL};
