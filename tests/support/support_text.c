/* Graphs as text, and what passes make of them. */
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

void text_run_rewriting(void *rewriting) {
    text_rewriting *r = rewriting;
    text_graph *t = &r->result;
    if (r->pass)
        r->n_rewrites = ir_run_pass(&t->g, r->from, r->roots, r->pass, &t->roots);
    else
        ir_optimise(&t->g, r->from, r->roots, NULL, &t->roots);
}

void text_rewrite(text_rewriting *r, const ir_graph *from, const ir_roots *roots, const ir_pass *pass) {
    memset(r, 0, sizeof *r);
    r->from = from;
    r->roots = roots;
    r->pass = pass;
    base_alloc_init(&r->result.alloc, NULL);
    ck_assert_int_eq(ir_graph_init(&r->result.g, &r->result.alloc, &from->log, from->name), SN_OK);
    sn_status status = base_protect(&r->result.g.trap, text_run_rewriting, r);
    ck_assert_msg(status == SN_OK, "%s", r->result.g.trap.text);
    char text[256];
    const char *broken = ir_verify(&r->result.g, &r->result.roots, text);
    ck_assert_msg(!broken, "%s", broken);
}

uint32_t text_all_rules(const ir_rule *rules[TEXT_MAX_RULES]) {
    static const ir_pass *const passes[] = {&ir_pass_fold, &ir_pass_algebra, &ir_pass_view};
    uint32_t n = 0;
    for (size_t p = 0; p < sizeof passes / sizeof *passes; p++)
        for (uint32_t i = 0; i < passes[p]->n_rules; i++) rules[n++] = &passes[p]->rules[i];
    ck_assert_uint_le(n, TEXT_MAX_RULES);
    return n;
}
