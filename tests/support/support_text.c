/* Graphs as text. */
#include "support_text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    text_graph *t;
    const char *text;
    size_t n;
} parse_call;

static void run_parse(void *arg) {
    parse_call *c = arg;
    ir_parse(&c->t->g, c->text, c->n, &c->t->roots);
}

void text_parse(text_graph *t, const char *text, size_t n) {
    memset(t, 0, sizeof *t);
    base_alloc_init(&t->alloc, NULL);
    t->status = ir_graph_init(&t->g, &t->alloc, NULL, "");
    ck_assert_int_eq(t->status, SN_OK);
    parse_call c = {t, text, n};
    t->status = base_protect(&t->g.trap, run_parse, &c);
}

void text_parse_ok(text_graph *t, const char *text) {
    text_parse(t, text, strlen(text));
    ck_assert_msg(t->status == SN_OK, "%s\nin:\n%s", t->g.trap.text, text);
}

void text_clear(text_graph *t) {
    ir_graph_clear(&t->g);
    ck_assert_uint_eq(t->alloc.live_bytes, 0);
}

char *text_print(const ir_graph *g, const ir_roots *roots) {
    base_strbuf out;
    base_strbuf_init(&out, g->arena.alloc);
    ir_print(g, roots, &out);
    ck_assert(!out.failed);
    char *text = malloc(out.n + 1);
    ck_assert_ptr_nonnull(text);
    memcpy(text, out.at, out.n + 1);
    base_strbuf_free(&out);
    return text;
}

void text_same(const char *what, const char *have, const char *want) {
    ck_assert_msg(!strcmp(have, want), "%s: printed\n%s\nexpected\n%s", what, have, want);
}
