/* text.h: what the printer, the parser and the verifier share: the attributes of each operator as text, names that need
 * no quotes, and the check of a single node. */
#ifndef IR_TEXT_H
#define IR_TEXT_H

#include "ir/graph.h"

/* How `key=value` stands for entries of ir_node.attr. */
typedef enum {
    IR_FORM_INT,  /* axis=1: attr[first] */
    IR_FORM_SET,  /* axes=[0,2]: the bits set in attr[0] */
    IR_FORM_LIST, /* perm=[1,0]: attr[first], attr[first + stride] .. */
    IR_FORM_DIMS  /* start=[0,N-1]: the same, of dims */
} ir_form;

typedef struct {
    uint8_t op, form, first, stride;
    const char *key;
    int optional;   /* not printed where every entry is .. */
    int64_t absent; /* .. this */
} ir_attr_text;

extern const ir_attr_text ir_attr_texts[];
extern const uint32_t ir_n_attr_texts;

/* A letter or underscore, then letters, digits, underscores and dots. */
int ir_is_plain_name(const char *name, size_t n);

/* Dims that the graph's checks make equal have equal classes. cls has room for g->dim.n entries. */
void ir_dim_classes(const ir_graph *g, uint32_t *cls);

/* NULL if the node, about to have this id, keeps every rule of its operator, else a sentence in text. cls may be
 * shorter than g->dim: dims from n_cls on are in classes of their own. */
const char *ir_verify_node(const ir_graph *g, const ir_node *node, ir_id id, const uint32_t *cls, uint32_t n_cls,
                           char text[256]);

#endif
