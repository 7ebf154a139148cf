/* sinter cache: what the kernel cache on disk holds, whether it is whole, and putting it in order. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/elf.h"
#include "jit_gpu/blob.h"
#include "cache.h"
#include "cache/pack.h"
#include "tool.h"

static const char help[] =
    "  ls [GLOB]             entries whose key or name fits, one a line; --sort used|size|ms|hits|name|key\n"
    "  show KEY [PART ..]    about (default), graph, kernel, llvm, asm, disasm, cuda, ptx; KEY: first digits or name\n"
    "  diff KEY KEY          which part of the keys differs\n"
    "  stats [GLOB]          entries, bytes, hits, misses, time that compiling took and that hits saved\n"
    "  verify                reads everything; 1 if anything is damaged\n"
    "  gc [BYTES]            deletes those longest unused until that many bytes are left (default SINTER_CACHE_MAX)\n"
    "  rm KEY ..|--all       deletes entries\n"
    "  pack FILE [GLOB]      makes a bundle of the entries whose key or name fits\n"
    "  unpack FILE           puts a bundle's entries into the folder\n"
    "\n"
    "  --dir DIR             another folder than that of SINTER_CACHE_DIR\n"
    "  --json                prints JSON\n";

/* ---- the folder -------------------------------------------------------------------------------------------------- */

void cache_item_meta(const cache_item *item, const char *name, char *text, size_t size) {
    size_t n = 0;
    const char *value = item->wrong ? NULL : cache_entry_meta(&item->entry, name, &n);
    snprintf(text, size, "%.*s", (int)(n < size ? n : size - 1), value ? value : "");
}

void cache_json_string(const char *text, size_t n) {
    putchar('"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c == '\n')
            printf("\\n");
        else if (c < 32)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void list_free(cache_list *l) {
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].bytes) base_free(&l->alloc, l->at[i].bytes, l->at[i].n + 1);
    cache_hits_free(&l->hits);
    base_free(&l->alloc, l->at, l->cap * sizeof *l->at);
    l->at = NULL;
    l->n = l->cap = 0;
}

static int list_add(cache_list *l, const char *name) {
    char path[CACHE_PATH_MAX + CACHE_NAME_MAX];
    struct stat s;
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        cache_item *at = base_realloc(&l->alloc, l->at, l->cap * sizeof *at, cap * sizeof *at);
        if (!at) return 0;
        l->at = at;
        l->cap = cap;
    }
    cache_item *item = &l->at[l->n++];
    memset(item, 0, sizeof *item);
    item->hit = cache_hits_of(&l->hits, cache_hits_key_of(name));
    snprintf(item->name, sizeof item->name, "%s", name);
    snprintf(path, sizeof path, "%s/%s", l->dir, name);
    if (!stat(path, &s)) item->used = s.st_mtime;
    if (cache_dir_read(&l->alloc, l->dir, name, 0, &item->bytes, &item->n, item->why) != CACHE_READ)
        item->wrong = item->why;
    else
        item->wrong = cache_entry_open(&item->entry, item->bytes, item->n);
    return 1;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const cache_item *)a)->name, ((const cache_item *)b)->name);
}

/* Reads all files with an entry's name. An absent folder is an empty one. */
static int list_read(cache_list *l) {
    char why[CACHE_WHY_MAX];
    int missing, good = 1;
    if (!cache_dir_check(l->dir, &missing, why)) return missing ? 0 : tool_fail("cache", "%s", why);
    DIR *dir = opendir(l->dir);
    if (!dir) return tool_fail("cache", "%s: %s", l->dir, strerror(errno));
    cache_hits_read(&l->alloc, l->dir, &l->hits);
    for (struct dirent *d; good && (d = readdir(dir));)
        if (strlen(d->d_name) < CACHE_NAME_MAX && cache_dir_is_name(d->d_name)) good = list_add(l, d->d_name);
    closedir(dir);
    if (l->n) qsort(l->at, l->n, sizeof *l->at, by_name);
    return good ? 0 : tool_fail("cache", "out of memory");
}

int cache_item_fits(const cache_item *item, const char *glob) {
    char name[256];
    cache_item_meta(item, "name", name, sizeof name);
    return !glob || !fnmatch(glob, item->name, 0) || !fnmatch(glob, name, 0);
}

/* Is that the name of the kernel, or its first word? */
static int has_name(const cache_item *item, const char *word) {
    char name[256];
    size_t n = strlen(word);
    cache_item_meta(item, "name", name, sizeof name);
    return n && !strncmp(name, word, n) && (!name[n] || name[n] == ' ');
}

/* The one entry whose key begins so, or whose kernel is called so; else NULL, and said why. */
static const cache_item *find(const cache_list *l, const char *key) {
    const cache_item *found = NULL;
    for (int by_name = 0; by_name < 2 && !found; by_name++)
        for (size_t i = 0; i < l->n; i++) {
            if (by_name ? !has_name(&l->at[i], key) : strncmp(l->at[i].name, key, strlen(key)) != 0) continue;
            if (found)
                return tool_fail("cache", "several entries %s %s: %.12s, %.12s ..",
                                 by_name ? "are called" : "begin with", key, found->name, l->at[i].name),
                       NULL;
            found = &l->at[i];
        }
    if (!found) tool_fail("cache", "no entry begins with or is called %s in %s", key, l->dir);
    return found;
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static int show(cache_list *l, int argc, char **argv) {
    static char about[] = "about", *only_about[] = {about};
    static const char *const parts[] = {"about", "graph", "kernel", "llvm", "asm", "disasm", "cuda", "ptx"};
    const size_t n_parts = sizeof parts / sizeof *parts;
    if (!argc) return tool_fail("cache", "show needs a key");
    const cache_item *item = find(l, argv[0]);
    if (!item) return 1;
    char **part = argc > 1 ? argv + 1 : only_about;
    int n = argc > 1 ? argc - 1 : 1, status = 0;
    for (int i = 0; i < n; i++) {
        size_t k = 0;
        while (k < n_parts && strcmp(parts[k], part[i])) k++;
        if (k == n_parts) return tool_fail("cache", "an entry has no part %s", part[i]);
    }
    if (l->json) printf("{");
    for (int i = 0; i < n && !status; i++) {
        if (l->json && i) printf(", ");
        status = cache_show(l, item, part[i]);
    }
    if (l->json) puts("}");
    return status;
}

/* What is wrong with an entry whose checksum is right: nothing, unless a program of ours did it. */
static const char *look_deeper(const cache_item *item, char text[BASE_ELF_TEXT_MAX]) {
    const cache_entry *e = &item->entry;
    base_alloc alloc;
    base_strbuf kernel;
    base_elf elf;
    char name[CACHE_NAME_MAX];
    base_hash hash = base_hash_bytes(e->key, e->key_bytes);
    cache_dir_name(hash, e->family, name);
    if (hash.lo != e->hash.lo || hash.hi != e->hash.hi || strcmp(name, item->name)) return "it is of another key";
    base_alloc_init(&alloc, NULL);
    base_strbuf_init(&kernel, &alloc);
    int decodes = cache_put_kernel(item, &kernel);
    base_strbuf_free(&kernel);
    if (!decodes) return "its key holds no kernel";
    if (cache_is_gpu(item)) {
        gpu_blob blob;
        return gpu_blob_open(&blob, e->payload, e->payload_bytes) ? NULL : "its code is malformed";
    }
    return base_elf_open(&elf, e->payload, e->payload_bytes, text) ? NULL : text;
}

static int verify(const cache_list *l) {
    size_t bad = 0;
    if (l->json) printf("{\"damaged\": [");
    for (size_t i = 0; i < l->n; i++) {
        char text[BASE_ELF_TEXT_MAX];
        const char *wrong = l->at[i].wrong ? l->at[i].wrong : look_deeper(&l->at[i], text);
        if (!wrong) continue;
        if (l->json) {
            printf("%s{\"entry\": \"%s\", \"wrong\": ", bad ? ", " : "", l->at[i].name);
            cache_json_string(wrong, strlen(wrong));
            printf("}");
        } else {
            printf("%s: %s\n", l->at[i].name, wrong);
        }
        bad++;
    }
    if (l->json)
        printf("], \"entries\": %zu}\n", l->n);
    else
        printf("%zu entr%s, %zu damaged\n", l->n, base_ies(l->n), bad);
    return bad != 0;
}

static int collect(cache_list *l, uint64_t max_bytes) {
    cache_swept swept = cache_dir_sweep(&l->alloc, l->dir, max_bytes);
    unsigned long long entries = swept.entries, bytes = swept.bytes, removed = swept.removed,
                       gone = swept.removed_bytes;
    if (l->json)
        printf("{\"entries\": %llu, \"bytes\": %llu, \"removed\": %llu, \"removed_bytes\": %llu}\n", entries, bytes,
               removed, gone);
    else
        printf("%llu entr%s of %llu bytes; removed %llu of %llu bytes\n", entries, base_ies(entries), bytes, removed,
               gone);
    return 0;
}

static int delete (cache_list *l, int argc, char **argv) {
    int all = argc == 1 && !strcmp(argv[0], "--all");
    size_t removed = 0;
    if (!argc) return tool_fail("cache", "rm needs keys, or --all");
    for (size_t i = 0; all && i < l->n; i++, removed++) cache_dir_remove(l->dir, l->at[i].name);
    for (int k = 0; !all && k < argc; k++, removed++) {
        const cache_item *item = find(l, argv[k]);
        if (!item) return 1;
        cache_dir_remove(l->dir, item->name);
    }
    printf(l->json ? "{\"removed\": %zu}\n" : "removed %zu\n", removed);
    return 0;
}

typedef struct {
    const cache_list *list;
    const char *glob;
} choice;

static int chosen(void *arg, const char *name) {
    const choice *c = arg;
    for (size_t i = 0; i < c->list->n; i++)
        if (!strcmp(c->list->at[i].name, name)) return cache_item_fits(&c->list->at[i], c->glob);
    return 0;
}

static int bundle(cache_list *l, int packing, int argc, char **argv) {
    base_trap err = {.armed = 0};
    uint32_t count;
    choice c = {l, argc > 1 ? argv[1] : NULL};
    if (!argc) return tool_fail("cache", "pack and unpack need a file");
    sn_status status = packing ? cache_pack(&l->alloc, l->dir, chosen, &c, argv[0], &count, &err)
                               : cache_unpack(&l->alloc, argv[0], l->dir, &count, &err);
    if (status) return tool_fail("cache", "%s", err.text);
    if (l->json)
        printf("{\"entries\": %u}\n", (unsigned)count);
    else
        printf("%u entr%s\n", (unsigned)count, base_ies(count));
    return 0;
}

static int number(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return !errno && end != text && !*end && *text != '-';
}

static int command(cache_list *l, const char *what, int argc, char **argv, const char *sort, uint64_t max_bytes) {
    if (!strcmp(what, "ls")) return cache_ls(l, argc ? argv[0] : NULL, sort);
    if (!strcmp(what, "show")) return show(l, argc, argv);
    if (!strcmp(what, "stats")) return cache_stats(l, argc ? argv[0] : NULL);
    if (!strcmp(what, "verify")) return verify(l);
    if (!strcmp(what, "rm")) return delete (l, argc, argv);
    if (!strcmp(what, "pack") || !strcmp(what, "unpack")) return bundle(l, *what == 'p', argc, argv);
    if (!strcmp(what, "gc")) {
        if (argc && !number(argv[0], &max_bytes)) return tool_fail("cache", "%s is no number of bytes", argv[0]);
        return collect(l, max_bytes);
    }
    if (!strcmp(what, "diff")) {
        if (argc != 2) return tool_fail("cache", "diff needs two keys");
        const cache_item *a = find(l, argv[0]), *b = find(l, argv[1]);
        return a && b ? cache_diff(l, a, b) : 1;
    }
    return tool_fail("cache", "no command \"%s\"\n\n%s", what, help);
}

static int run(int argc, char **argv) {
    static cache_list l;
    static cache_disk_options options;
    sn_context_options given = {0};
    base_trap err = {.armed = 0};
    const char *sort = NULL;
    int n = 0; /* words that are no options stay in front */
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json"))
            l.json = 1;
        else if (!strcmp(argv[i], "--dir") && i + 1 < argc)
            given.cache_dir = argv[++i];
        else if (!strcmp(argv[i], "--sort") && i + 1 < argc)
            sort = argv[++i];
        else
            argv[n++] = argv[i];
    }
    if (!n) return tool_fail("cache", "which command?\n\n%s", help);
    if (cache_disk_choose(&given, &options, &err)) return tool_fail("cache", "%s", err.text);
    if (!*options.dir) return tool_fail("cache", "there is no cache folder: %s", options.no_dir);
    base_alloc_init(&l.alloc, NULL);
    l.hits.alloc = &l.alloc;
    memcpy(l.dir, options.dir, sizeof l.dir);
    int status = list_read(&l);
    if (!status) status = command(&l, argv[0], n - 1, argv + 1, sort, options.max_bytes);
    list_free(&l);
    return status;
}

const tool_command tool_cache = {"cache", run, "cache COMMAND [OPTION ..]",
                                 "lists, shows, checks, packs and deletes the kernels kept on disk", help};
