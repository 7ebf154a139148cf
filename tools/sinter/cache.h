/* cache.h: what the files of `sinter cache` share. */
#ifndef TOOLS_SINTER_CACHE_H
#define TOOLS_SINTER_CACHE_H

#include <time.h>

#include "cache/disk.h"
#include "cache/hits.h"

/* A file of the cache's folder, read whole; entry is of use where wrong is NULL. */
typedef struct {
    char name[CACHE_NAME_MAX];
    void *bytes; /* of the list's allocator */
    size_t n;
    time_t used;
    cache_hit hit;
    cache_entry entry;
    const char *wrong; /* why it is no entry */
    char why[CACHE_WHY_MAX];
} cache_item;

typedef struct {
    base_alloc alloc;
    char dir[CACHE_PATH_MAX];
    cache_item *at;
    size_t n, cap;
    cache_hits hits; /* of all that ever were there */
    int json;
} cache_list;

/* A metadata line as a text; "" where there is none. */
void cache_item_meta(const cache_item *item, const char *name, char *text, size_t size);
/* Does its key or its name fit? A glob that is NULL always does. */
int cache_item_fits(const cache_item *item, const char *glob);
/* Prints text as a JSON string. */
void cache_json_string(const char *text, size_t n);

/* cache_list.c. The exit status. */
int cache_ls(cache_list *list, const char *glob, const char *sort);
int cache_stats(const cache_list *list, const char *glob);

int cache_is_gpu(const cache_item *item); /* cache_show.c: code for a GPU? */
/* cache_show.c: prints of one entry what is asked for: "about", "graph", "kernel", "llvm", "asm", "disasm"; of a GPU's
 * "cuda", "ptx". The exit status. */
int cache_show(const cache_list *list, const cache_item *item, const char *what);
/* cache_annotate.c: generated code with the lines of the kernel's text (kn_print_named) among its own. */
typedef enum { CACHE_LLVM, CACHE_ASM, CACHE_DISASM } cache_code;
void cache_annotate(cache_code kind, const char *code, size_t n, const base_strbuf *kernel, int coloured,
                    base_strbuf *out);
int cache_has_colours(void); /* does standard output go to a terminal that shows them? */
/* Why two entries are two: the parts of their keys that differ. */
int cache_diff(cache_list *list, const cache_item *a, const cache_item *b);
/* A kernel's text in the names of its first user; 0 where the bytes are no kernel. */
int cache_put_kernel(const cache_item *item, base_strbuf *out);
/* The element types of its memories, each once, as "f32,i64"; "" where the bytes are no kernel. */
void cache_item_types(const cache_item *item, char *text, size_t size);

#endif
