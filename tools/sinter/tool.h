/* tool.h: what the commands of the program `sinter` share. */
#ifndef TOOLS_SINTER_TOOL_H
#define TOOLS_SINTER_TOOL_H

#include <stddef.h>

typedef struct {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command; the result is the exit status */
    const char *usage, *about;         /* one line each */
    const char *options;               /* lines for --help, or NULL */
} tool_command;

extern const tool_command tool_cache, tool_show, tool_run, tool_info, tool_ops;

/* Prints "sinter COMMAND: what was wrong" to standard error and returns 2. */
__attribute__((format(printf, 2, 3))) int tool_fail(const char *command, const char *format, ...);

/* The bytes of a file ("-": standard input), to be freed with free; NULL: it cannot be read. */
char *tool_read_file(const char *path, size_t *n);

#endif
