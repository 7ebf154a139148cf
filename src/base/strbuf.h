/* strbuf.h: text (or bytes) that grows. Failure is sticky: check ok once at the end. */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include "base/alloc.h"

typedef struct base_strbuf {
    base_alloc *alloc; /* borrowed */
    char *at;          /* owned; always NUL-terminated once anything was added */
    size_t n, cap;
    int failed; /* out of memory happened: the content is incomplete */
} base_strbuf;

void base_strbuf_init(base_strbuf *buf, base_alloc *alloc);
void base_strbuf_free(base_strbuf *buf);
void base_strbuf_add(base_strbuf *buf, const void *bytes, size_t n);
void base_strbuf_puts(base_strbuf *buf, const char *text);
__attribute__((format(printf, 2, 3))) void base_strbuf_printf(base_strbuf *buf, const char *format, ...);
/* The text as a block of exactly n + 1 bytes that the caller frees with base_free(alloc, p, n + 1); NULL if failed.
 * The buffer is empty afterwards. */
char *base_strbuf_take(base_strbuf *buf, size_t *n);

/* The end of a noun that is counted: "%u kernel%s". */
static inline const char *base_s(uint64_t n) { return n == 1 ? "" : "s"; }
static inline const char *base_ies(uint64_t n) { return n == 1 ? "y" : "ies"; }

#endif
