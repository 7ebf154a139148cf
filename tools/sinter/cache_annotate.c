/* In: code with line numbers, as LLVM IR, as assembly or as objdump prints it, and the lines of the kernel that it is
 * for. Out: the code with these lines between its own. What only serves to carry the numbers is left out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"

typedef struct {
    const char *kernel, *end; /* its text */
    uint32_t last;            /* line that stands before what follows */
    const char *mark, *colour, *plain;
    base_strbuf *out;
} annotation;

/* The line of the kernel without its indentation, unless it stands there already. */
static void put_line_of_kernel(annotation *a, uint32_t line) {
    const char *at = a->kernel;
    if (line == a->last || !line) return;
    for (uint32_t i = 1; i < line && at; i++) {
        at = memchr(at, '\n', (size_t)(a->end - at));
        at = at && at + 1 < a->end ? at + 1 : NULL;
    }
    if (!at) return;
    const char *stop = memchr(at, '\n', (size_t)(a->end - at));
    while (at < a->end && *at == ' ') at++;
    base_strbuf_printf(a->out, "%s%s %.*s%s\n", a->colour, a->mark, (int)((stop ? stop : a->end) - at), at, a->plain);
    a->last = line;
}

/* Where text stands in the n bytes, or NULL. */
static const char *find(const char *at, size_t n, const char *text) {
    size_t length = strlen(text);
    for (size_t i = 0; i + length <= n; i++)
        if (!memcmp(at + i, text, length)) return at + i;
    return NULL;
}

/* ---- what objdump -dl prints: lines "[PATH/]sk_0123.kernel:17 .." and "sk_0123():" ------------------------------- */

static int disasm_line(annotation *a, const char *at, size_t n) {
    static const char name[] = ".kernel:";
    if (!n || *at == ' ' || *at == '\t') return 0;
    if (find(at, n, ":     file format ")) return 1; /* of a file that is gone */
    for (size_t i = 0; i + sizeof name <= n; i++) {
        if (memcmp(at + i, name, sizeof name - 1)) continue;
        put_line_of_kernel(a, (uint32_t)strtoul(at + i + sizeof name - 1, NULL, 10));
        return 1;
    }
    return n > 3 && !memcmp(at + n - 3, "():", 3);
}

/* ---- assembly: directives ".loc FILE LINE COLUMN" ---------------------------------------------------------------- */

static int asm_line(annotation *a, const char *at, size_t n) {
    static const char loc[] = "\t.loc\t";
    static const char *const dropped[] = {"\t.file\t", ".Ltmp", ".Lfunc_begin", "\t.cfi_"};
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
        if (n > strlen(dropped[i]) && !memcmp(at, dropped[i], strlen(dropped[i]))) return 1;
    if (n < sizeof loc || memcmp(at, loc, sizeof loc - 1)) return 0;
    char *end;
    (void)strtoul(at + sizeof loc - 1, &end, 10);
    put_line_of_kernel(a, (uint32_t)strtoul(end, NULL, 10));
    return 1;
}

/* ---- LLVM IR: "value, !dbg !12" and "!12 = !DILocation(line: 17, .." --------------------------------------------- */

static int next_line(const char **rest, const char *end, const char **line, size_t *n) {
    if (*rest >= end) return 0;
    const char *stop = memchr(*rest, '\n', (size_t)(end - *rest));
    *line = *rest;
    *n = (size_t)((stop ? stop : end) - *rest);
    *rest += *n + 1;
    return 1;
}

/* line[i]: of location !i; 0 for other metadata. */
typedef struct {
    uint32_t *line;
    size_t n;
} locations;

static locations read_locations(const char *code, const char *end) {
    static const char mark[] = "!DILocation(line: ";
    locations all = {NULL, 0};
    const char *line;
    size_t n;
    for (const char *at = code; next_line(&at, end, &line, &n);) all.n += n && *line == '!';
    all.line = calloc(all.n + 1, sizeof *all.line);
    if (!all.line) all.n = 0;
    for (const char *at = code; all.n && next_line(&at, end, &line, &n);) {
        const char *number = find(line, n, mark);
        if (!number || *line != '!') continue;
        size_t id = strtoul(line + 1, NULL, 10); /* they are numbered from 0 without gaps */
        if (id < all.n) all.line[id] = (uint32_t)strtoul(number + sizeof mark - 1, NULL, 10);
    }
    return all;
}

/* Puts what is in front of "!dbg" or tells that nothing is to be printed. */
static int llvm_line(annotation *a, const char *at, size_t n, const locations *where) {
    const char *dbg = find(at, n, " !dbg !");
    if (n && *at == '!') return 1; /* metadata */
    if (!dbg) return 0;
    unsigned long id = strtoul(dbg + strlen(" !dbg !"), NULL, 10);
    if (*at == ' ' && id < where->n) put_line_of_kernel(a, where->line[id]);
    size_t kept = (size_t)(dbg - at);
    int comma = kept && at[kept - 1] == ',';
    base_strbuf_add(a->out, at, kept - (size_t)comma);
    const char *rest = dbg + strlen(" !dbg !"); /* as of a function's head: " {" */
    while (rest < at + n && *rest >= '0' && *rest <= '9') rest++;
    base_strbuf_add(a->out, rest, (size_t)(at + n - rest));
    base_strbuf_puts(a->out, "\n");
    return 1;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

void cache_annotate(cache_code kind, const char *code, size_t n, const base_strbuf *kernel, int coloured,
                    base_strbuf *out) {
    annotation a = {.kernel = kernel->at,
                    .end = kernel->at + kernel->n,
                    .mark = kind == CACHE_ASM ? "#" : ";",
                    .colour = coloured ? "\033[36m" : "",
                    .plain = coloured ? "\033[0m" : "",
                    .out = out};
    const char *end = code + n, *line;
    size_t length;
    locations where = {NULL, 0};
    if (kind == CACHE_LLVM) where = read_locations(code, end);
    for (const char *rest = code; next_line(&rest, end, &line, &length);) {
        if (kind == CACHE_ASM && find(line, length, "\t.section\t.debug_")) break; /* tables to the end */
        int done = kind == CACHE_LLVM  ? llvm_line(&a, line, length, &where)
                   : kind == CACHE_ASM ? asm_line(&a, line, length)
                                       : disasm_line(&a, line, length);
        if (done) continue;
        if (!length) a.last = 0;
        base_strbuf_add(out, line, length);
        base_strbuf_puts(out, "\n");
    }
    free(where.line);
}
