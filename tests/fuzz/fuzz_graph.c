/* Any text into ir_parse. What it takes prints, and the print is read back and prints the same; small graphs go through
 * the passes, fusion and lowering, which may refuse but may not break a rule of their own. */
#include <stdlib.h>
#include <string.h>

#include "ir/kernel.h"
#include "ir/pass.h"
#include "ir/program.h"

enum { MAX_COMPILED = 60 }; /* nodes */

typedef struct {
    ir_graph *g;
    const char *text;
    size_t n;
    ir_roots roots;
} reading;

typedef struct {
    ir_graph *to;
    const reading *from;
    int fuse;
} compiling;

static void must(int holds) {
    if (!holds) abort();
}

static void parse(void *arg) {
    reading *r = arg;
    ir_parse(r->g, r->text, r->n, &r->roots);
}

static void compile(void *arg) {
    compiling *c = arg;
    ir_roots roots;
    ir_optimise(c->to, c->from->g, &c->from->roots, ir_pass_last(KN_FOR_CPU), &roots);
    pg_compile(c->to, &roots, c->fuse, KN_FOR_CPU, NULL);
}

static void print_again(const reading *first, base_alloc *alloc, const base_log *log) {
    base_strbuf one, two;
    base_strbuf_init(&one, alloc);
    base_strbuf_init(&two, alloc);
    ir_print(first->g, &first->roots, &one);
    ir_graph g;
    must(!ir_graph_init(&g, alloc, log, "again"));
    reading again = {.g = &g, .text = one.at, .n = one.n};
    must(!base_protect(&g.trap, parse, &again));
    ir_print(&g, &again.roots, &two);
    must(one.n == two.n && !memcmp(one.at, two.at, one.n));
    base_strbuf_free(&one);
    base_strbuf_free(&two);
    ir_graph_clear(&g);
}

static void compile_it(const reading *from, base_alloc *alloc, const base_log *log) {
    for (int fuse = 0; fuse < 2; fuse++) {
        ir_graph g;
        must(!ir_graph_init(&g, alloc, log, "optimised"));
        compiling c = {&g, from, fuse};
        sn_status status = base_protect(&g.trap, compile, &c);
        if (status == SN_ERR_INTERNAL) abort();
        ir_graph_clear(&g);
    }
}

static void quiet(void *user, sn_log_level level, const char *message) { (void)user, (void)level, (void)message; }

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    base_alloc alloc;
    base_log log;
    ir_graph g;
    base_alloc_init(&alloc, NULL);
    base_log_init(&log, quiet, NULL, SN_LOG_ERROR);
    must(!ir_graph_init(&g, &alloc, &log, "given"));
    reading r = {.g = &g, .text = (const char *)bytes, .n = n};
    sn_status status = base_protect(&g.trap, parse, &r);
    must(!status || g.trap.text[0]);
    if (!status) print_again(&r, &alloc, &log);
    if (!status && g.node.n <= MAX_COMPILED) compile_it(&r, &alloc, &log);
    ir_graph_clear(&g);
    must(atomic_load(&alloc.live_bytes) == 0);
    return 0;
}
