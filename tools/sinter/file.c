/* A whole file, of whatever length, into memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

char *tool_read_file(const char *path, size_t *n) {
    FILE *f = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    if (!f) return NULL;
    size_t cap = 1 << 16;
    char *text = malloc(cap);
    *n = 0;
    while (text) {
        *n += fread(text + *n, 1, cap - *n, f);
        if (*n < cap) break;
        char *larger = realloc(text, cap *= 2);
        if (!larger) free(text);
        text = larger;
    }
    if (text && ferror(f)) {
        free(text);
        text = NULL;
    }
    if (f != stdin) fclose(f);
    return text;
}
