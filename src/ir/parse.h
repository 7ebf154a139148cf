/* parse.h: what the two files of the parser share: the text being read, and its words, names and numbers. All of it
 * runs under the graph's trap and fails with SN_ERR_PARSE at the place in the text. */
#ifndef IR_PARSE_H
#define IR_PARSE_H

#include "ir/graph.h"

typedef struct {
    const char *at; /* in the arena; NULL: empty slot */
    uint32_t n, value;
    char kind; /* '%' and '@' followed by a name, '1' and '2' by a number, 'd' a dim */
} ir_symbol;

typedef struct {
    ir_graph *g;
    const char *text;
    size_t n, at;
    ir_roots *roots;
    int located; /* the error's text has its place already */

    ir_symbol *symbols;
    uint32_t n_symbol, cap_symbol;
    uint32_t *cls, n_cls, cap_cls, cls_checks; /* classes of dims when there were cls_checks checks */
    BASE_VEC(ir_id) in;                        /* operands of the statement */
    BASE_VEC(ir_id) out;
    BASE_VEC(ir_id) update;
    BASE_VEC(uint32_t) update_var;
} ir_parser;

__attribute__((noreturn, format(printf, 3, 4))) void ir_parse_fail(ir_parser *p, size_t at, const char *format, ...);

/* Each of these skips white space and comments first. accept_ takes what it finds or nothing, expect_ fails. */
int ir_accept(ir_parser *p, const char *what);
int ir_accept_word(ir_parser *p, const char *what); /* not the beginning of a longer word */
void ir_expect(ir_parser *p, const char *what);
const char *ir_accept_string(ir_parser *p);                 /* in the arena; NULL: none here */
const char *ir_expect_name(ir_parser *p, const char *what); /* a word or a string */
int64_t ir_expect_integer(ir_parser *p);
/* A number without a sign, to which `negative` belongs. */
int64_t ir_expect_magnitude(ir_parser *p, int negative);
void ir_skip(ir_parser *p);
int ir_at_digit(const ir_parser *p);

/* The value as it is written, and its bits once the dtype is known. */
enum { IR_MAX_NUMBER = 80 };
void ir_expect_constant(ir_parser *p, char word[IR_MAX_NUMBER]);
uint64_t ir_constant_bits(ir_parser *p, size_t at, const char *word, sn_dtype dtype);

/* What stands behind % or @ (the sigil): the kind tells names from numbers. */
const char *ir_expect_symbol(ir_parser *p, char sigil, char *kind);
void ir_define(ir_parser *p, size_t at, char kind, const char *name, uint32_t value);
uint32_t ir_look_up(ir_parser *p, char kind, const char *name); /* 0: not defined */
ir_id ir_expect_ref(ir_parser *p);                              /* %name, %7, @name: a node */

#endif
