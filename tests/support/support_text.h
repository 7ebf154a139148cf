/* support_text.h: for tests that give graphs as text: parse, print, rewrite, and free again. */
#ifndef SUPPORT_TEXT_H
#define SUPPORT_TEXT_H

#include "ir/graph.h"

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

#endif
