/* One entry of the kernel cache, looked into: what it holds, and what can be made from its key again. */
#define _POSIX_C_SOURCE 200809L
#include "cache.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/backend.h"
#include "base/elf.h"
#include "jit_gpu/blob.h"
#include "jit_gpu/gpu.h"
#include "tool.h"

extern char **environ;

enum { TARGET_MAX = 128 };

typedef struct {
    const cache_item *item;
    base_arena arena;
    base_strbuf *out;
} printing;

/* The words of a line of the metadata, if they are so many, else NULL. "-" is none, "=" is the one before. */
static const char **words_of(printing *p, const char *line, uint32_t n_words) {
    size_t n;
    const char *names = cache_entry_meta(&p->item->entry, line, &n), *before = "";
    if (!names || !n_words) return NULL;
    char *text = base_arena_alloc(&p->arena, n + 1), *rest = NULL;
    const char **name = base_arena_array(&p->arena, n_words, sizeof *name);
    memcpy(text, names, n);
    uint32_t i = 0;
    char *word = strtok_r(text, " ", &rest);
    for (; word && i < n_words; word = strtok_r(NULL, " ", &rest)) {
        if (strcmp(word, "=")) before = strcmp(word, "-") ? word : "";
        name[i++] = before;
    }
    return i == n_words && !word ? name : NULL;
}

static void put_value_name(void *arg, uint32_t inst, base_strbuf *out) {
    const char *const *name = arg;
    base_strbuf_puts(out, name[inst]);
}

/* In the names of its first user. */
static void print_kernel(void *arg) {
    printing *p = arg;
    kn_kernel *k = kn_decode(&p->arena, p->item->entry.key, p->item->entry.kernel_bytes);
    k->mem_name = words_of(p, "memories", k->n_mem);
    const char **values = words_of(p, "values", k->n_inst);
    kn_print_named(k, values ? put_value_name : NULL, values, p->out);
}

static void print_source(void *arg) {
    printing *p = arg;
    kn_kernel *k = kn_decode(&p->arena, p->item->entry.key, p->item->entry.kernel_bytes);
    base_trap err = {.armed = 0};
    k->mem_name = words_of(p, "memories", k->n_mem);
    const char **values = words_of(p, "values", k->n_inst);
    if (gpu_source(p->out->alloc, k, values ? put_value_name : NULL, values, p->out, &err))
        base_fail(p->arena.trap, err.status, "%s", err.text);
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

/* ---- code -------------------------------------------------------------------------------------------------------- */

/* Generated anew from the key, for this machine: what is a text of be_cpu. */
static sn_status generate(const cache_item *item, const char *what, char target[TARGET_MAX], base_strbuf *out,
                          base_trap *err) {
    base_log log;
    be_device *dev = NULL;
    base_log_init(&log, NULL, NULL, SN_LOG_ERROR);
    be_options options = {.alloc = out->alloc, .log = &log, .threads = 1};
    sn_status status = be_cpu.open(&options, &dev, err);
    if (!status) snprintf(target, TARGET_MAX, "%s", be_cpu.target(dev));
    if (!status) status = be_cpu.text(dev, item->entry.key, item->entry.kernel_bytes, what, out, err);
    be_cpu.close(dev);
    return status;
}

static int annotate(cache_code kind, const cache_item *item, const base_strbuf *code, int coloured, base_strbuf *out) {
    base_strbuf kernel;
    base_strbuf_init(&kernel, out->alloc);
    int good = cache_put_kernel(item, &kernel) && !kernel.failed && !code->failed;
    if (good) cache_annotate(kind, code->at ? code->at : "", code->n, &kernel, coloured, out);
    base_strbuf_free(&kernel);
    return good ? 0 : tool_fail("cache", "%s: its key holds no kernel", item->name);
}

static int put_code(const cache_item *item, cache_code kind, int coloured, base_strbuf *out) {
    base_trap err = {.armed = 0};
    base_strbuf code;
    char target[TARGET_MAX];
    base_strbuf_init(&code, out->alloc);
    sn_status failed = generate(item, kind == CACHE_ASM ? "asm lines" : "llvm lines", target, &code, &err);
    const char *kept_for = item->entry.key + item->entry.kernel_bytes;
    if (!failed && strcmp(target, kept_for))
        fprintf(stderr, "sinter cache: the entry is for %s, what follows is for %s\n", kept_for, target);
    int status = failed ? tool_fail("cache", "%s", err.text) : annotate(kind, item, &code, coloured, out);
    base_strbuf_free(&code);
    return status;
}

/* The same code as the entry's with line numbers, which entries do not have: 1, or 0 and said why on standard error. */
static int with_lines(const cache_item *item, base_strbuf *object) {
    base_trap err = {.armed = 0};
    base_elf kept, made;
    char target[TARGET_MAX], text[BASE_ELF_TEXT_MAX];
    if (generate(item, "object lines", target, object, &err)) {
        fprintf(stderr, "sinter cache: the code is shown without the kernel's lines: %s\n", err.text);
        return 0;
    }
    if (base_elf_open(&kept, item->entry.payload, item->entry.payload_bytes, text) &&
        base_elf_open(&made, object->at, object->n, text) && base_elf_same_code(&kept, &made))
        return 1;
    fprintf(stderr,
            "sinter cache: the code is shown without the kernel's lines: compiled here, for %s, the kernel becomes "
            "other code\n",
            target);
    return 0;
}

/* What objdump prints of the object. */
static int objdump(const void *object, size_t n, base_strbuf *out) {
    char path[] = "/tmp/sinter-code-XXXXXX", program[] = "objdump", flags[] = "-drl", reads[] = "--no-show-raw-insn";
    char *const argv[] = {program, flags, reads, path, NULL};
    int fd = mkstemp(path), ends[2], status = 1;
    if (fd < 0) return tool_fail("cache", "no file for the code can be made in /tmp: %s", strerror(errno));
    int written = write(fd, object, n) == (ssize_t)n;
    close(fd);
    if (!written || pipe(ends)) {
        unlink(path);
        return tool_fail("cache", "the code cannot be given to objdump: %s", strerror(errno));
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    pid_t child;
    int failed = posix_spawnp(&child, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    char block[4096];
    for (ssize_t got; !failed && (got = read(ends[0], block, sizeof block)) > 0;)
        base_strbuf_add(out, block, (size_t)got);
    close(ends[0]);
    if (!failed && waitpid(child, &status, 0) != child) status = 1;
    unlink(path);
    if (failed) return tool_fail("cache", "there is no objdump");
    return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : tool_fail("cache", "objdump fails");
}

static int disassemble(const cache_item *item, int coloured, base_strbuf *out) {
    const cache_entry *e = &item->entry;
    base_strbuf object, text;
    base_strbuf_init(&object, out->alloc);
    base_strbuf_init(&text, out->alloc);
    int lines = with_lines(item, &object);
    int status = objdump(lines ? object.at : e->payload, lines ? object.n : e->payload_bytes, &text);
    if (!status) status = annotate(CACHE_DISASM, item, &text, coloured, out);
    base_strbuf_free(&text);
    base_strbuf_free(&object);
    return status;
}

/* ---- all parts --------------------------------------------------------------------------------------------------- */

int cache_is_gpu(const cache_item *item) {
    const cache_entry *e = &item->entry;
    return e->key_bytes > e->kernel_bytes + 3 && !memcmp(e->key + e->kernel_bytes, "sm_", 3);
}

/* CUDA C++, made from the key, or the PTX that was kept. */
static int put_gpu(const cache_item *item, const char *what, base_strbuf *out) {
    const cache_entry *e = &item->entry;
    gpu_blob blob;
    if (!strcmp(what, "cuda"))
        return put_decoded(item, print_source, out) ? 0 : tool_fail("cache", "%s: its key holds no kernel", item->name);
    if (!gpu_blob_open(&blob, e->payload, e->payload_bytes))
        return tool_fail("cache", "%s: its code is malformed", item->name);
    base_strbuf_add(out, blob.ptx, blob.ptx_bytes - 1);
    return out->failed ? tool_fail("cache", "out of memory") : 0;
}

/* Prints what is asked for into out. */
static int put(const cache_list *list, const cache_item *item, const char *what, base_strbuf *out) {
    const cache_entry *e = &item->entry;
    int coloured = !list->json && cache_has_colours();
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
    } else if (cache_is_gpu(item) != (!strcmp(what, "cuda") || !strcmp(what, "ptx"))) {
        return tool_fail("cache", "%s is code for a %s: it has no %s", item->name, cache_is_gpu(item) ? "GPU" : "CPU",
                         what);
    } else if (cache_is_gpu(item)) {
        return put_gpu(item, what, out);
    } else if (!strcmp(what, "disasm")) {
        return disassemble(item, coloured, out);
    } else {
        return put_code(item, strcmp(what, "asm") ? CACHE_LLVM : CACHE_ASM, coloured, out);
    }
    return out->failed ? tool_fail("cache", "out of memory") : 0;
}

int cache_show(const cache_list *list, const cache_item *item, const char *what) {
    base_alloc alloc;
    base_strbuf out;
    if (item->wrong) return tool_fail("cache", "%s: %s", item->name, item->wrong);
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
