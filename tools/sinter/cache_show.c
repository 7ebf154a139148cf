/* One entry of the kernel cache, looked into: what it holds, and what can be made from its key again. */
#define _POSIX_C_SOURCE 200809L
#include "cache.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "backend/backend.h"
#include "tool.h"

extern char **environ;

typedef struct {
    const cache_item *item;
    base_arena arena;
    base_strbuf *out;
} printing;

/* Names are words behind "memories", one per memory; as many as there are count. */
static void print_kernel(void *arg) {
    printing *p = arg;
    kn_kernel *k = kn_decode(&p->arena, p->item->entry.key, p->item->entry.kernel_bytes);
    size_t n;
    const char *names = cache_entry_meta(&p->item->entry, "memories", &n);
    if (names && k->n_mem) {
        char *text = base_arena_alloc(&p->arena, n + 1), *rest = NULL;
        const char **name = base_arena_array(&p->arena, k->n_mem, sizeof *name);
        memcpy(text, names, n);
        uint32_t i = 0;
        for (char *word = strtok_r(text, " ", &rest); word && i < k->n_mem; word = strtok_r(NULL, " ", &rest))
            name[i++] = strcmp(word, "-") ? word : "";
        if (i == k->n_mem) k->mem_name = name;
    }
    kn_print(k, p->out);
}

static void print_types(void *arg) {
    printing *p = arg;
    const kn_kernel *k = kn_decode(&p->arena, p->item->entry.key, p->item->entry.kernel_bytes);
    for (uint32_t i = 0; i < k->n_mem; i++) {
        uint32_t j = 0;
        while (j < i && k->mem[j].store != k->mem[i].store) j++;
        if (j == i) base_strbuf_printf(p->out, "%s%s", i ? "," : "", sn_dtype_name((sn_dtype)k->mem[i].store));
    }
}

/* 0 where the bytes are no kernel: print decodes them. */
static int put_decoded(const cache_item *item, void (*print)(void *arg), base_strbuf *out) {
    base_trap trap = {.armed = 0};
    printing p = {.item = item, .out = out};
    base_arena_init(&p.arena, out->alloc, &trap);
    sn_status status = base_protect(&trap, print, &p);
    base_arena_free(&p.arena);
    return !status;
}

int cache_put_kernel(const cache_item *item, base_strbuf *out) { return put_decoded(item, print_kernel, out); }

void cache_item_types(const cache_item *item, char *text, size_t size) {
    base_alloc alloc;
    base_strbuf types;
    base_alloc_init(&alloc, NULL);
    base_strbuf_init(&types, &alloc);
    int good = !item->wrong && put_decoded(item, print_types, &types) && !types.failed;
    snprintf(text, size, "%.*s", good ? (int)types.n : 0, good && types.n ? types.at : "");
    base_strbuf_free(&types);
}

/* Generated anew from the key, for this machine; the cached object may be of another one. */
static int put_code(const cache_list *list, const cache_item *item, const char *what, base_strbuf *out) {
    base_log log;
    base_trap err = {.armed = 0};
    be_device *dev = NULL;
    base_log_init(&log, NULL, NULL, SN_LOG_ERROR);
    be_options options = {.alloc = out->alloc, .log = &log, .threads = 1};
    (void)list;
    sn_status status = be_cpu.open(&options, &dev, &err);
    if (!status) status = be_cpu.text(dev, item->entry.key, item->entry.kernel_bytes, what, out, &err);
    if (!status && strcmp(be_cpu.target(dev), item->entry.key + item->entry.kernel_bytes))
        fprintf(stderr, "sinter cache: the entry is for %s, what follows is for %s\n",
                item->entry.key + item->entry.kernel_bytes, be_cpu.target(dev));
    be_cpu.close(dev);
    return status ? tool_fail("cache", "%s", err.text) : 0;
}

static int disassemble(const cache_list *list, const cache_item *item) {
    char path[CACHE_PATH_MAX + CACHE_NAME_MAX];
    snprintf(path, sizeof path, "%s/%s", list->dir, item->name);
    char program[] = "objdump", flag[] = "-d", *const argv[] = {program, flag, path, NULL};
    pid_t child;
    int status;
    fflush(stdout);
    if (posix_spawnp(&child, program, NULL, NULL, argv, environ)) return tool_fail("cache", "there is no objdump");
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Prints what is asked for into out. */
static int put(const cache_list *list, const cache_item *item, const char *what, base_strbuf *out) {
    const cache_entry *e = &item->entry;
    if (!strcmp(what, "graph")) {
        size_t n;
        const char *graph = cache_entry_graph(e, &n);
        base_strbuf_add(out, graph, n);
    } else if (!strcmp(what, "kernel")) {
        if (!cache_put_kernel(item, out)) return tool_fail("cache", "%s: its key holds no kernel", item->name);
    } else if (!strcmp(what, "about")) {
        size_t n;
        (void)cache_entry_graph(e, &n);
        base_strbuf_printf(out, "entry %s\ntarget %s\npayload %zu bytes\nkernel %zu bytes\n", item->name,
                           e->key + e->kernel_bytes, e->payload_bytes, e->kernel_bytes);
        base_strbuf_add(out, e->meta, e->meta_bytes - n - (e->meta_bytes > n));
    } else {
        return put_code(list, item, what, out);
    }
    return out->failed ? tool_fail("cache", "out of memory") : 0;
}

int cache_show(const cache_list *list, const cache_item *item, const char *what) {
    base_alloc alloc;
    base_strbuf out;
    if (item->wrong) return tool_fail("cache", "%s: %s", item->name, item->wrong);
    if (!strcmp(what, "disasm")) return disassemble(list, item);
    base_alloc_init(&alloc, NULL);
    base_strbuf_init(&out, &alloc);
    int status = put(list, item, what, &out);
    if (!status && list->json) {
        printf("\"%s\": ", what);
        cache_json_string(out.at ? out.at : "", out.n);
    } else if (!status) {
        fwrite(out.at, 1, out.n, stdout);
    }
    base_strbuf_free(&out);
    return status;
}

int cache_diff(cache_list *list, const cache_item *a, const cache_item *b) {
    char why[CACHE_WHY_MAX];
    if (a->wrong || b->wrong)
        return tool_fail("cache", "%s: %s", a->wrong ? a->name : b->name, a->wrong ? a->wrong : b->wrong);
    const cache_entry *x = &a->entry, *y = &b->entry;
    const cache_key key = {x->key, x->key_bytes, x->kernel_bytes, x->hash, x->family};
    if (x->key_bytes == y->key_bytes && !memcmp(x->key, y->key, x->key_bytes))
        snprintf(why, sizeof why, "the keys are equal");
    else
        cache_key_differs(&list->alloc, &key, y->key, y->key_bytes, y->kernel_bytes, why);
    if (list->json) {
        printf("{\"differs\": ");
        cache_json_string(why, strlen(why));
        puts("}");
    } else {
        printf("of the second, seen from the first: %s\n", why);
    }
    return 0;
}
