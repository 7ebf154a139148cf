/* support_text.h: for tests that give graphs as text: parse, print, rewrite, and free again. */
#ifndef SUPPORT_TEXT_H
#define SUPPORT_TEXT_H

#include "ir/pass.h"

typedef struct {
    base_alloc alloc;
    ir_graph g;
    ir_roots roots;
    sn_status status;
} text_graph;

/* Parses n bytes; the status is kept and the sentence is g.trap.text. To be cleared in any case. */
void text_parse(text_graph *t, const char *text, size_t n);
/* Parses a text that must be right. */
void text_parse_ok(text_graph *t, const char *text);
/* Frees; nothing may be left behind. */
void text_clear(text_graph *t);

/* The printed text, to be freed with free. */
char *text_print(const ir_graph *g, const ir_roots *roots);

/* Fails the test with both texts unless they are equal. */
void text_same(const char *what, const char *have, const char *want);

/* A rewriting of a graph by one pass, or (pass NULL) by ir_optimise. */
typedef struct {
    text_graph result;
    const ir_graph *from;
    const ir_roots *roots;
    const ir_pass *pass;
    uint32_t n_rewrites; /* with a pass */
} text_rewriting;

/* The body for base_protect on the result's trap. */
void text_run_rewriting(void *rewriting);
/* The result is a graph that keeps every rule; to be cleared by the caller. */
void text_rewrite(text_rewriting *r, const ir_graph *from, const ir_roots *roots, const ir_pass *pass);

/* The rules of all passes; returns how many. */
enum { TEXT_MAX_RULES = 100 };
uint32_t text_all_rules(const ir_rule *rules[TEXT_MAX_RULES]);

#endif
