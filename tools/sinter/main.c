/* The program `sinter`: looks inside graphs, kernels and the machine. One file per command. */
#include "tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sinter/sinter.h"

static const tool_command *const commands[] = {&tool_show, &tool_run, &tool_cache, &tool_info, &tool_ops};

int tool_fail(const char *command, const char *format, ...) {
    va_list args;
    fprintf(stderr, "sinter %s: ", command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return 2;
}

static void usage(FILE *out) {
    fprintf(out, "usage: sinter COMMAND [ARGUMENTS]      (sinter COMMAND --help tells more)\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-28s %s\n", commands[i]->usage, commands[i]->about);
    fprintf(out, "\nsinter %s\n", sn_version());
}

int main(int argc, char **argv) {
    if (argc < 2 || !strcmp(argv[1], "help") || !strcmp(argv[1], "--help")) {
        usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (!strcmp(argv[1], "--version")) {
        puts(sn_version());
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(argv[1], commands[i]->name)) {
            const tool_command *command = commands[i];
            int asks = argc == 3 && !strcmp(argv[2], "--help");
            if (!asks) return command->run(argc - 1, argv + 1);
            printf("usage: sinter %s\n%s\n", command->usage, command->about);
            if (command->options) printf("\n%s", command->options);
            return 0;
        }
    fprintf(stderr, "sinter: no command \"%s\"\n\n", argv[1]);
    usage(stderr);
    return 2;
}
