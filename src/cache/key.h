/* key.h: what a compiled kernel is found by, and what is told about it besides. */
#ifndef CACHE_KEY_H
#define CACHE_KEY_H

#include "base/hash.h"
#include "ir/kernel.h"

/* The kernel's canonical bytes, then the device's target text with its NUL. All of it decides the code, nothing else
 * does. Borrowed memory. */
typedef struct cache_key {
    const char *at;
    size_t n, kernel_bytes;
    base_hash hash;  /* of all n bytes */
    uint32_t family; /* cache_family of the kernel: helps to say why a key is not found; decides nothing */
} cache_key;

static inline const char *cache_key_target(const cache_key *key) { return key->at + key->kernel_bytes; }

/* Kernels of one family do the same arithmetic, mostly to other types, at other sizes or in another schedule. */
uint32_t cache_family(const kn_kernel *kernel);

/* Into text: which part of a key differs from that of another kernel's (n bytes, the first kernel_bytes its kernel), as
 * a sentence without a full stop. alloc is for work memory. */
enum { CACHE_WHY_MAX = 400 };
void cache_key_differs(base_alloc *alloc, const cache_key *key, const char *other, size_t n, size_t kernel_bytes,
                       char text[CACHE_WHY_MAX]);

/* For people and tools, no part of any key. Any field may be NULL. */
typedef struct cache_about {
    const char *name;        /* of the kernel, for debuggers, profilers and the log */
    const char *function;    /* that it was first compiled for */
    const kn_kernel *kernel; /* its mem_name are the user's names */
    /* Appends the text of the graph; called only when an entry is written. */
    void (*graph)(void *arg, base_strbuf *out);
    /* Called when the kernel is in no cache, before it is compiled: time to get help for the others. */
    void (*missing)(void *arg);
    void *arg;       /* of graph and missing */
    kn_namer *namer; /* names kernel's instructions .. */
    void *namer_arg;
} cache_about;

#endif
