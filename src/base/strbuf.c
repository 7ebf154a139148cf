/* Text that grows; failure is sticky. */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void base_strbuf_init(base_strbuf *buf, base_alloc *alloc) { *buf = (base_strbuf){.alloc = alloc}; }

void base_strbuf_free(base_strbuf *buf) {
    base_free(buf->alloc, buf->at, buf->cap);
    base_strbuf_init(buf, buf->alloc);
}

/* Room for n more bytes and a NUL. */
static int reserve(base_strbuf *buf, size_t n) {
    if (buf->failed) return 0;
    if (buf->cap - buf->n > n) return 1;
    size_t cap = buf->cap ? buf->cap : 256;
    while (cap - buf->n <= n) {
        if (cap > SIZE_MAX / 2) {
            buf->failed = 1;
            return 0;
        }
        cap *= 2;
    }
    char *at = base_realloc(buf->alloc, buf->at, buf->cap, cap);
    if (!at) {
        buf->failed = 1;
        return 0;
    }
    buf->at = at;
    buf->cap = cap;
    return 1;
}

void base_strbuf_add(base_strbuf *buf, const void *bytes, size_t n) {
    if (!reserve(buf, n)) return;
    if (n) memcpy(buf->at + buf->n, bytes, n);
    buf->n += n;
    buf->at[buf->n] = 0;
}

void base_strbuf_puts(base_strbuf *buf, const char *text) { base_strbuf_add(buf, text, strlen(text)); }

void base_strbuf_printf(base_strbuf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(buf, (size_t)n)) return;
    va_start(args, format);
    vsnprintf(buf->at + buf->n, (size_t)n + 1, format, args);
    va_end(args);
    buf->n += (size_t)n;
}

char *base_strbuf_take(base_strbuf *buf, size_t *n) {
    if (n) *n = buf->n;
    char *at = NULL;
    if (!buf->failed) {
        at = base_malloc(buf->alloc, buf->n + 1);
        if (at && buf->n) memcpy(at, buf->at, buf->n);
        if (at) at[buf->n] = 0;
    }
    base_strbuf_free(buf);
    return at;
}
