/* A kernel cache over a backend whose code is a text that follows from the kernel, so that loading can tell right code
 * from wrong. */
#define _GNU_SOURCE
#include "support/support_cache.h"

#include <check.h>
#include <dirent.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/hits.h"
#include "ir/kernel_build.h"

/* ---- the backend ------------------------------------------------------------------------------------------------- */

struct be_exec {
    const kn_kernel *kernel;
};

static const char *fake_target(const be_device *dev) { return dev->target; }

static sn_status fake_compiler(be_device *dev, char text[BE_COMPILER_MAX], base_trap *err) {
    (void)err;
    snprintf(text, BE_COMPILER_MAX, "%s", dev->compiler);
    return SN_OK;
}

/* "code for TARGET: ", the kernel's bytes upside down, and some more. */
static void code_of(const be_device *dev, const void *kernel, size_t n, base_strbuf *out) {
    base_strbuf_printf(out, "code for %s: ", dev->target);
    for (size_t i = 0; i < n; i++) {
        char c = (char)~((const char *)kernel)[i];
        base_strbuf_add(out, &c, 1);
    }
    while (out->n < dev->blob_bytes && !out->failed) base_strbuf_puts(out, "and more of it, ");
}

static sn_status fake_compile(be_device *dev, const void *kernel, size_t n, be_blob *out, base_trap *err) {
    base_strbuf code;
    base_strbuf_init(&code, dev->alloc);
    *out = (be_blob){0};
    code_of(dev, kernel, n, &code);
    dev->compiled++;
    if (!code.failed) out->at = base_malloc(dev->alloc, code.n);
    if (out->at) {
        memcpy(out->at, code.at, code.n);
        out->n = code.n;
    }
    base_strbuf_free(&code);
    return out->at ? SN_OK : base_set_error(err, SN_ERR_NOMEM, "out of memory");
}

static sn_status fake_load(be_device *dev, const kn_kernel *kernel, const void *blob, size_t n, const char *name,
                           be_exec **out, base_trap *err) {
    base_strbuf key, code;
    (void)name;
    *out = NULL;
    base_strbuf_init(&key, dev->alloc);
    base_strbuf_init(&code, dev->alloc);
    kn_encode(kernel, &key);
    code_of(dev, key.at, key.n, &code);
    int failed = key.failed || code.failed, right = !failed && n == code.n && !memcmp(blob, code.at, n);
    base_strbuf_free(&key);
    base_strbuf_free(&code);
    be_exec *exec = base_calloc(dev->alloc, sizeof *exec);
    if (failed || !exec) {
        base_free(dev->alloc, exec, sizeof *exec);
        return base_set_error(err, SN_ERR_NOMEM, "out of memory");
    }
    if (!right) {
        dev->wrong_loads++;
        base_free(dev->alloc, exec, sizeof *exec);
        return base_set_error(err, SN_ERR_PARSE, "this is no code of the kernel");
    }
    exec->kernel = kernel;
    dev->loaded++;
    *out = exec;
    return SN_OK;
}

static void fake_unload(be_device *dev, be_exec *exec) {
    if (!exec) return;
    dev->unloaded++;
    base_free(dev->alloc, exec, sizeof *exec);
}

static const be_backend fake = {.name = "fake",
                                .target = fake_target,
                                .compiler = fake_compiler,
                                .compile = fake_compile,
                                .load = fake_load,
                                .unload = fake_unload};

/* ---- the cache --------------------------------------------------------------------------------------------------- */

static void keep_log(void *user, sn_log_level level, const char *message) {
    support_cache *c = user;
    size_t n = strlen(c->logged);
    (void)level;
    snprintf(c->logged + n, sizeof c->logged - n, "%s\n", message);
}

void support_cache_init(support_cache *c, const char *dir, sn_cache_mode mode) {
    memset(c, 0, sizeof *c);
    base_alloc_init(&c->alloc, NULL);
    base_log_init(&c->log, keep_log, c, SN_LOG_INFO);
    c->dev.alloc = &c->alloc;
    c->dev.target = "fake;1";
    c->dev.compiler = "Fake 1.0";
    c->options.mode = mode;
    c->options.max_bytes = 1u << 30;
    snprintf(c->options.dir, sizeof c->options.dir, "%s", dir);
}

void support_cache_start(support_cache *c) {
    sn_status status = cache_disk_new(&c->alloc, &c->log, &c->options, &c->disk, &c->err);
    if (!status) status = cache_memory_new(&c->alloc, &c->log, &fake, &c->dev, c->disk, &c->memory, &c->err);
    ck_assert_msg(!status, "%s", c->err.text);
}

void support_cache_open(support_cache *c, const char *dir, sn_cache_mode mode) {
    support_cache_init(c, dir, mode);
    support_cache_start(c);
}

void support_cache_close(support_cache *c) {
    cache_memory_free(c->memory);
    cache_disk_free(c->disk);
    ck_assert_int_eq(c->dev.loaded, c->dev.unloaded);
    ck_assert_int_eq(c->dev.wrong_loads, 0);
    ck_assert_uint_eq(c->alloc.live_bytes, 0);
}

typedef struct {
    int constant;
    sn_dtype type;
    base_arena arena;
    base_strbuf bytes;
} kernel_text;

static void build_kernel(void *arg) {
    kernel_text *t = arg;
    kn_build b;
    kn_build_init(&b, &t->arena);
    b.n_dim = 1;
    kn_id axis = kn_add_axis(&b, KN_POINT, KN_D(0)), y = kn_add_mem(&b, KN_OUT, t->type, KN_D(0), "y");
    kn_part_begin(&b, 1, &axis, 8, 1, 64);
    kn_phase_begin(&b, 0, 0, NULL, axis, 8, 1);
    kn_access access = kn_access_of(y);
    kn_access_step(&access, axis, KN_C(1));
    kn_store(&b, access, kn_const_f(&b, t->type, t->constant));
    kn_phase_end(&b);
    kn_part_end(&b);
    kn_encode(kn_build_finish(&b), &t->bytes);
}

static base_alloc plain;
static void make_plain(void) { base_alloc_init(&plain, NULL); }

base_strbuf support_cache_kernel(sn_dtype type, int constant) {
    static pthread_once_t made = PTHREAD_ONCE_INIT;
    base_trap trap = {0};
    pthread_once(&made, make_plain);
    kernel_text t = {.constant = constant, .type = type};
    base_arena_init(&t.arena, &plain, &trap);
    base_strbuf_init(&t.bytes, &plain);
    ck_assert_msg(!base_protect(&trap, build_kernel, &t), "%s", trap.text);
    base_arena_free(&t.arena);
    return t.bytes;
}

static void put_graph(void *arg, base_strbuf *out) { base_strbuf_puts(out, arg); }

sn_status support_cache_get_as(support_cache *c, sn_dtype type, int constant, int *compiled) {
    base_strbuf bytes = support_cache_kernel(type, constant);
    const cache_kernel *kernel;
    static char graph[] = "graph \"test\"\n  line 2\n";
    char name[32];
    snprintf(name, sizeof name, "k%d", constant);
    const cache_about about = {.name = name, .function = "f", .graph = put_graph, .arg = graph};
    sn_status status = cache_memory_get(c->memory, bytes.at, bytes.n, &about, &kernel, compiled, &c->err);
    cache_memory_release(c->memory, kernel);
    base_strbuf_free(&bytes);
    return status;
}

sn_status support_cache_get(support_cache *c, int constant, int *compiled) {
    return support_cache_get_as(c, SN_F32, constant, compiled);
}

int support_cache_ask(const char *dir, sn_cache_mode mode, int constant, char *log, size_t log_bytes) {
    support_cache *c = malloc(sizeof *c);
    int compiled;
    ck_assert_ptr_nonnull(c);
    support_cache_open(c, dir, mode);
    ck_assert_msg(!support_cache_get(c, constant, &compiled), "%s", c->err.text);
    support_cache_close(c);
    if (log) snprintf(log, log_bytes, "%s", c->logged);
    free(c);
    return compiled;
}

/* ---- folders and files ------------------------------------------------------------------------------------------- */

void support_folder(char path[SUPPORT_PATH_MAX]) {
    snprintf(path, SUPPORT_PATH_MAX, "/tmp/sinter-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(path));
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *where) {
    (void)s, (void)type, (void)where;
    return remove(path);
}

void support_folder_remove(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

int support_folder_count(const char *dir, const char *part, char path[SUPPORT_PATH_MAX]) {
    DIR *d = opendir(dir);
    int n = 0;
    if (!d) return 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, CACHE_HITS_NAME)) continue;
        if (!strstr(e->d_name, part)) continue;
        if (path) ck_assert_int_lt(snprintf(path, SUPPORT_PATH_MAX, "%s/%s", dir, e->d_name), SUPPORT_PATH_MAX);
        n++;
    }
    closedir(d);
    return n;
}

char *support_file(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    ck_assert(!fseek(f, 0, SEEK_END));
    long size = ftell(f);
    rewind(f);
    char *bytes = malloc((size_t)size + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, (size_t)size, f), (size_t)size);
    fclose(f);
    *n = (size_t)size;
    return bytes;
}

void support_file_write(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    ck_assert_msg(f != NULL, "%s", path);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}
