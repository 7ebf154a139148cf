/* The disk level of the kernel cache: what is kept, found and told; modes, stores, bundles, the sweep. */
#define _GNU_SOURCE
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/pack.h"
#include "support/kernels.h"
#include "support/support_cache.h"
#include "support/support_run.h"

static char dir[SUPPORT_PATH_MAX], text[1 << 14];
static support_cache c;

static void set_up(void) { support_folder(dir); }
static void tear_down(void) { support_folder_remove(dir); }

static void forget(void *user, sn_log_level level, const char *message) { (void)user, (void)level, (void)message; }

static int ask(int constant) { return support_cache_ask(dir, SN_CACHE_RW, constant, text, sizeof text); }

/* ---- entries ----------------------------------------------------------------------------------------------------- */

START_TEST(second_process_compiles_nothing) {
    ck_assert_int_eq(ask(1), 1);
    SUPPORT_HAS(text, "kernel k1: miss: no such key");
    ck_assert_int_eq(ask(1), 0);
    SUPPORT_HAS(text, "kernel k1: hit, from disk in ");
    ck_assert_int_eq(ask(2), 1);
    ck_assert_int_eq(support_folder_count(dir, ".k1", NULL), 2);
    ck_assert_int_eq(support_folder_count(dir, "", NULL), 2);
}
END_TEST

START_TEST(entry_holds_what_was_put) {
    char path[SUPPORT_PATH_MAX];
    struct stat s;
    ask(1);
    ck_assert_int_eq(support_folder_count(dir, ".k1", path), 1);
    ck_assert_int_eq(stat(path, &s), 0);
    ck_assert_int_eq(s.st_mode & 0777, 0600);
    size_t n, m;
    char *bytes = support_file(path, &n);
    cache_entry entry;
    ck_assert_ptr_null(cache_entry_open(&entry, bytes, n));
    ck_assert_ptr_eq(entry.payload, bytes);
    ck_assert(!memcmp(entry.payload, "code for fake;1: ", 17));
    base_strbuf kernel = support_cache_kernel(SN_F32, 1);
    ck_assert_uint_eq(entry.kernel_bytes, kernel.n);
    ck_assert(!memcmp(entry.key, kernel.at, kernel.n));
    ck_assert_str_eq(entry.key + kernel.n, "fake;1");
    const char *name = cache_entry_meta(&entry, "name", &m);
    ck_assert(m == 2 && !memcmp(name, "k1", 2));
    const char *by = cache_entry_meta(&entry, "compiler", &m);
    ck_assert(m == 8 && !memcmp(by, "Fake 1.0", 8));
    ck_assert_ptr_nonnull(cache_entry_meta(&entry, "compile_ms", &m));
    ck_assert_ptr_nonnull(cache_entry_meta(&entry, "date", &m));
    ck_assert_ptr_nonnull(cache_entry_meta(&entry, "host", &m));
    ck_assert_ptr_null(cache_entry_meta(&entry, "line", &m));
    const char *graph = cache_entry_graph(&entry, &m);
    ck_assert(m == 22 && !memcmp(graph, "graph \"test\"\n  line 2\n", 22));
    base_hash hash = base_hash_bytes(entry.key, entry.key_bytes);
    ck_assert(hash.lo == entry.hash.lo && hash.hi == entry.hash.hi);
    base_strbuf_free(&kernel);
    free(bytes);
}
END_TEST

START_TEST(tells_what_differs) {
    int compiled;
    ask(1);
    support_cache_init(&c, dir, SN_CACHE_RW);
    c.dev.target = "fake;2";
    support_cache_start(&c);
    ck_assert(!support_cache_get(&c, 1, &compiled));
    ck_assert_int_eq(compiled, 1);
    SUPPORT_HAS(c.logged, "kernel k1: miss: it is cached for target 'fake;1', this is 'fake;2'");
    support_cache_close(&c);

    support_cache_open(&c, dir, SN_CACHE_RW);
    ck_assert(!support_cache_get_as(&c, SN_F64, 1, &compiled));
    ck_assert_int_eq(compiled, 1);
    SUPPORT_HAS(c.logged, "miss: a kernel like it is cached for types f32");
    SUPPORT_HAS(c.logged, "this has types f64");
    support_cache_close(&c);
}
END_TEST

/* Two kernels of the suite, with a part of the schedule or the sizes changed. */
static void expect_difference(kn_kernel *(*make)(base_arena *, const void *), const kernels_schedule *a,
                              const kernels_schedule *b, const char *target, const char *want) {
    kernels_room room;
    base_strbuf key[2];
    kernels_room_init(&room);
    for (int i = 0; i < 2; i++) {
        base_strbuf_init(&key[i], &room.alloc);
        kn_encode(kernels_make(&room, make, i ? b : a), &key[i]);
    }
    size_t other = key[0].n, own = key[1].n;
    base_strbuf_add(&key[0], target, strlen(target) + 1);
    base_strbuf_add(&key[1], "here", 5);
    const cache_key k = {.at = key[1].at, .n = key[1].n, .kernel_bytes = own};
    cache_key_differs(&room.alloc, &k, key[0].at, key[0].n, other, text);
    ck_assert_str_eq(text, want);
    for (int i = 0; i < 2; i++) base_strbuf_free(&key[i]);
    kernels_room_free(&room);
}

START_TEST(tells_which_size_or_schedule_differs) {
    const kernels_schedule base = {4, 2, 3, 8, 2, 5};
    kernels_schedule other = base;
    expect_difference(kernels_softmax, &base, &base, "there", "it is cached for target 'there', this is 'here'");
    other.tile = 8;
    expect_difference(
        kernels_softmax, &base, &other, "here",
        "a kernel like it is cached for tiles of 4, at least 2 a chunk, this has tiles of 8, at least 2 a chunk");
    other = base;
    other.ilp = 4;
    expect_difference(kernels_softmax, &base, &other, "there",
                      "a kernel like it is cached for 8 lanes, 2 together and for another target, this has 8 lanes, 4 "
                      "together");
    other = base;
    other.size = 3;
    expect_difference(kernels_row_sum_short, &base, &other, "here",
                      "a kernel like it is cached for size 5 along k1, this has size 3 along k1");
}
END_TEST

START_TEST(makes_missing_folders) {
    char deep[SUPPORT_PATH_MAX + 8];
    struct stat s;
    snprintf(deep, sizeof deep, "%s/a/b/c", dir);
    ck_assert_int_eq(support_cache_ask(deep, SN_CACHE_RO, 1, NULL, 0), 1);
    ck_assert_int_ne(stat(deep, &s), 0);
    ck_assert_int_eq(support_cache_ask(deep, SN_CACHE_RW, 1, NULL, 0), 1);
    ck_assert_int_eq(support_cache_ask(deep, SN_CACHE_RW, 1, NULL, 0), 0);
    ck_assert_int_eq(stat(deep, &s), 0);
    ck_assert_int_eq(s.st_mode & 0777, 0700);
}
END_TEST

/* ---- modes ------------------------------------------------------------------------------------------------------- */

START_TEST(off_and_ro_write_nothing) {
    support_cache_ask(dir, SN_CACHE_OFF, 1, NULL, 0);
    support_cache_ask(dir, SN_CACHE_RO, 1, NULL, 0);
    ck_assert_int_eq(support_folder_count(dir, "", NULL), 0);
    ask(1);
    ck_assert_int_eq(support_cache_ask(dir, SN_CACHE_OFF, 1, NULL, 0), 1);
    ck_assert_int_eq(support_cache_ask(dir, SN_CACHE_RO, 1, NULL, 0), 0);
    /* A bad entry is not deleted by those who may not. */
    char path[SUPPORT_PATH_MAX];
    support_folder_count(dir, ".k1", path);
    support_file_write(path, "bad", 3);
    ck_assert_int_eq(support_cache_ask(dir, SN_CACHE_RO, 1, text, sizeof text), 1);
    SUPPORT_HAS(text, "is not used: it is too short");
    ck_assert_int_eq(support_folder_count(dir, "", NULL), 1);
}
END_TEST

START_TEST(only_never_compiles) {
    int compiled;
    ask(1);
    support_cache_open(&c, dir, SN_CACHE_ONLY);
    ck_assert(!support_cache_get(&c, 1, &compiled));
    ck_assert_int_eq(support_cache_get(&c, 2, &compiled), SN_ERR_UNAVAILABLE);
    ck_assert_int_eq(compiled, 0);
    ck_assert_int_eq(c.dev.compiled, 0);
    SUPPORT_HAS(c.err.text, "'only' forbids to compile");
    SUPPORT_HAS(c.err.text, dir);
    support_cache_close(&c);
}
END_TEST

START_TEST(strict_compares_the_compiler) {
    int compiled;
    ask(1);
    for (int round = 0; round < 2; round++) {
        support_cache_init(&c, dir, SN_CACHE_STRICT);
        c.dev.compiler = "Fake 1.1";
        support_cache_start(&c);
        ck_assert(!support_cache_get(&c, 1, &compiled));
        ck_assert_int_eq(compiled, round == 0);
        if (!round) SUPPORT_HAS(c.logged, "it was compiled by Fake 1.0, here is Fake 1.1");
        support_cache_close(&c);
    }
    ck_assert_int_eq(ask(1), 0); /* others do not mind */
}
END_TEST

/* ---- places ------------------------------------------------------------------------------------------------------ */

static void choose(const sn_context_options *o, cache_disk_options *out) {
    base_trap err;
    ck_assert_msg(!cache_disk_choose(o, out, &err), "%s", err.text);
}

START_TEST(options_win_over_the_environment) {
    static cache_disk_options out;
    sn_context_options o = {0};
    base_trap err;
    char here[SUPPORT_PATH_MAX], want[SUPPORT_PATH_MAX + 8];
    unsetenv("SINTER_CACHE");
    unsetenv("SINTER_CACHE_DIR");
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "/home/x", 1);
    choose(&o, &out);
    ck_assert_str_eq(out.dir, "/home/x/.cache/sinter");
    ck_assert_int_eq(out.mode, SN_CACHE_RW);
    ck_assert_uint_eq(out.max_bytes, 256u << 20);
    setenv("XDG_CACHE_HOME", "not/absolute", 1);
    choose(&o, &out);
    ck_assert_str_eq(out.dir, "/home/x/.cache/sinter");
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    choose(&o, &out);
    ck_assert_str_eq(out.dir, "/xdg/sinter");
    setenv("SINTER_CACHE_DIR", "mine", 1);
    choose(&o, &out);
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    snprintf(want, sizeof want, "%s/mine", here);
    ck_assert_str_eq(out.dir, want);
    o.cache_dir = "/chosen";
    choose(&o, &out);
    ck_assert_str_eq(out.dir, "/chosen");

    static const char *const words[] = {"off", "ro", "rw", "strict", "only"};
    for (int i = 0; i < 5; i++) {
        setenv("SINTER_CACHE", words[i], 1);
        choose(&o, &out);
        ck_assert_int_eq(out.mode, SN_CACHE_OFF + i);
    }
    o.cache_mode = SN_CACHE_RO;
    choose(&o, &out);
    ck_assert_int_eq(out.mode, SN_CACHE_RO);
    o.cache_mode = SN_CACHE_DEFAULT;
    setenv("SINTER_CACHE", "on", 1);
    ck_assert_int_eq(cache_disk_choose(&o, &out, &err), SN_ERR_ARGUMENT);
    SUPPORT_HAS(err.text, "SINTER_CACHE is 'on'");
    unsetenv("SINTER_CACHE");
    o.cache_mode = (sn_cache_mode)9;
    ck_assert_int_eq(cache_disk_choose(&o, &out, &err), SN_ERR_ARGUMENT);
    o.cache_mode = SN_CACHE_DEFAULT;

    static const struct {
        const char *word;
        uint64_t bytes;
    } sizes[] = {{"0", 0}, {"1000", 1000}, {"3K", 3072}, {"64M", 64u << 20}, {"2G", 2ull << 30}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        setenv("SINTER_CACHE_MAX", sizes[i].word, 1);
        choose(&o, &out);
        ck_assert_uint_eq(out.max_bytes, sizes[i].bytes);
    }
    static const char *const bad[] = {"x", "-1", "5Q", "5MB", "99999999999999999999", "99999999999G"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("SINTER_CACHE_MAX", bad[i], 1);
        ck_assert_msg(cache_disk_choose(&o, &out, &err) == SN_ERR_ARGUMENT, "%s", bad[i]);
    }
}
END_TEST

/* ---- a store of the host's --------------------------------------------------------------------------------------- */

typedef struct {
    char key[4][33];
    char *bytes[4];
    size_t n[4];
    int used, gets;
} store;

static void store_get(void *user, const char *key, void (*give)(void *to, const void *bytes, size_t n), void *to) {
    store *s = user;
    s->gets++;
    for (int i = 0; i < s->used; i++)
        if (!strcmp(s->key[i], key)) give(to, s->bytes[i], s->n[i]);
}

static void store_put(void *user, const char *key, const void *bytes, size_t n) {
    store *s = user;
    int i = 0;
    while (i < s->used && strcmp(s->key[i], key)) i++;
    ck_assert_int_lt(i, 4);
    if (i == s->used) s->used++;
    snprintf(s->key[i], sizeof s->key[i], "%s", key);
    free(s->bytes[i]);
    s->bytes[i] = malloc(n);
    memcpy(s->bytes[i], bytes, n);
    s->n[i] = n;
}

static int ask_store(const sn_store *where, int constant) {
    int compiled;
    support_cache_init(&c, dir, SN_CACHE_RW);
    c.options.store = where;
    support_cache_start(&c);
    ck_assert(!support_cache_get(&c, constant, &compiled));
    support_cache_close(&c);
    return compiled;
}

START_TEST(store_stands_in_for_the_folder) {
    store s = {.used = 0};
    sn_store where = {store_get, store_put, &s};
    ck_assert_int_eq(ask_store(&where, 1), 1);
    ck_assert_int_eq(ask_store(&where, 1), 0);
    SUPPORT_HAS(c.logged, "hit, from store");
    ck_assert_int_eq(ask_store(&where, 2), 1);
    ck_assert_int_eq(support_folder_count(dir, "", NULL), 0);
    ck_assert_int_eq(s.used, 2);
    /* Whatever it gives is looked at: another key's entry, a flipped bit, a cut. */
    char *right = s.bytes[0];
    size_t n = s.n[0];
    s.bytes[0] = s.bytes[1];
    s.n[0] = s.n[1];
    s.bytes[1] = right;
    s.n[1] = n;
    ck_assert_int_eq(ask_store(&where, 1), 1);
    SUPPORT_HAS(c.logged, "the entry is of another key");
    ck_assert_int_eq(ask_store(&where, 1), 0);
    s.bytes[0][5] ^= 4;
    ck_assert_int_eq(ask_store(&where, 1), 1);
    SUPPORT_HAS(c.logged, "its checksum is wrong");
    s.n[0] -= 7;
    ck_assert_int_eq(ask_store(&where, 1), 1);
    ck_assert_int_eq(ask_store(&where, 1), 0);
    s.n[0] = 0;
    where.put = NULL;
    ck_assert_int_eq(ask_store(&where, 1), 1);
    ck_assert_int_eq(ask_store(&where, 1), 1);
    for (int i = 0; i < s.used; i++) free(s.bytes[i]);
}
END_TEST

/* ---- bundles ----------------------------------------------------------------------------------------------------- */

static char bundle[SUPPORT_PATH_MAX + 16];

static uint32_t pack(void) {
    base_alloc alloc;
    base_trap err;
    uint32_t count;
    base_alloc_init(&alloc, NULL);
    snprintf(bundle, sizeof bundle, "%s/app.bundle", dir);
    ck_assert_msg(!cache_pack(&alloc, dir, NULL, NULL, bundle, &count, &err), "%s", err.text);
    ck_assert_uint_eq(alloc.live_bytes, 0);
    return count;
}

static int ask_bundle(sn_cache_mode mode, int constant, sn_status want) {
    int compiled;
    support_cache_init(&c, "/nonexistent/sinter", mode);
    c.options.bundle = bundle;
    support_cache_start(&c);
    ck_assert_int_eq(support_cache_get(&c, constant, &compiled), want);
    support_cache_close(&c);
    return compiled;
}

START_TEST(bundle_serves_without_folder_or_compiler) {
    for (int i = 0; i < 50; i++) ask(i);
    ck_assert_uint_eq(pack(), 50);
    size_t n, m;
    char *first = support_file(bundle, &n);
    pack();
    char *again = support_file(bundle, &m);
    ck_assert(n == m && !memcmp(first, again, n));
    for (int i = 0; i < 50; i++) ck_assert_int_eq(ask_bundle(SN_CACHE_ONLY, i, SN_OK), 0);
    SUPPORT_HAS(c.logged, "hit, from bundle");
    ask_bundle(SN_CACHE_ONLY, 50, SN_ERR_UNAVAILABLE);
    ck_assert_int_eq(ask_bundle(SN_CACHE_RO, 50, SN_OK), 1);

    char other[SUPPORT_PATH_MAX];
    base_alloc alloc;
    base_trap err;
    uint32_t count;
    base_alloc_init(&alloc, NULL);
    support_folder(other);
    ck_assert(!cache_unpack(&alloc, bundle, other, &count, &err));
    ck_assert_uint_eq(count, 50);
    for (int i = 0; i < 50; i++) ck_assert_int_eq(support_cache_ask(other, SN_CACHE_ONLY, i, NULL, 0), 0);
    support_folder_remove(other);
    free(first);
    free(again);
}
END_TEST

START_TEST(bundle_is_believed_in_nothing) {
    base_alloc alloc;
    base_trap err;
    cache_bundle *b;
    size_t n;
    int refused = 0;
    base_alloc_init(&alloc, NULL);
    for (int i = 0; i < 3; i++) ask(i);
    pack();
    char *bytes = support_file(bundle, &n);
    for (size_t cut = 0; cut < n; cut += cut < 200 ? 1 : 61) {
        support_file_write(bundle, bytes, cut);
        ck_assert_int_eq(cache_bundle_open(&alloc, bundle, &b, &err), SN_ERR_PARSE);
    }
    for (size_t at = 0; at < n; at += at < 200 ? 1 : 61) {
        bytes[at] ^= 0x21;
        support_file_write(bundle, bytes, n);
        bytes[at] ^= 0x21;
        if (cache_bundle_open(&alloc, bundle, &b, &err)) {
            refused++;
            continue;
        }
        cache_bundle_free(b);
        for (int i = 0; i < 3; i++) ask_bundle(SN_CACHE_RO, i, SN_OK); /* right, from it or compiled */
    }
    ck_assert_int_ge(refused, 32 + 3 * 32);
    support_file_write(bundle, bytes, n);
    ck_assert_int_eq(chmod(bundle, 0666), 0);
    ck_assert_int_eq(cache_bundle_open(&alloc, bundle, &b, &err), SN_ERR_IO);
    ck_assert_int_eq(chmod(bundle, 0644), 0);
    ck_assert_int_eq(cache_bundle_open(&alloc, "/nonexistent", &b, &err), SN_ERR_IO);
    SUPPORT_HAS(err.text, "/nonexistent");
    sn_context *ctx;
    sn_context_options o = {
        .cache_mode = SN_CACHE_RO, .cache_bundle = "/nonexistent", .backend = "interp", .log = forget};
    ck_assert_int_eq(sn_context_new(&o, &ctx), SN_ERR_IO);
    ck_assert_ptr_null(ctx);
    free(bytes);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}
END_TEST

START_TEST(bundle_replaced_while_open) {
    int compiled;
    for (int i = 0; i < 3; i++) ask(i);
    pack();
    support_cache_init(&c, "/nonexistent/sinter", SN_CACHE_RO);
    c.options.bundle = bundle;
    support_cache_start(&c);
    ck_assert(!support_cache_get(&c, 0, &compiled) && !compiled);
    ask(3);
    pack();
    ck_assert(!support_cache_get(&c, 1, &compiled) && compiled);
    SUPPORT_HAS(c.logged, "app.bundle was replaced since it was opened");
    support_cache_close(&c);
}
END_TEST

/* ---- the sweep --------------------------------------------------------------------------------------------------- */

static void make_old(const char *path, long seconds) {
    struct timespec t[2];
    clock_gettime(CLOCK_REALTIME, &t[0]);
    t[0].tv_sec -= seconds;
    t[1] = t[0];
    ck_assert_int_eq(utimensat(AT_FDCWD, path, t, 0), 0);
}

START_TEST(sweep_keeps_to_the_budget) {
    char path[20][SUPPORT_PATH_MAX + 64];
    base_alloc alloc;
    base_alloc_init(&alloc, NULL);
    uint64_t total = 0;
    for (int i = 0; i < 20; i++) {
        char one[SUPPORT_PATH_MAX];
        struct stat s;
        support_folder(one);
        support_cache_ask(one, SN_CACHE_RW, i, NULL, 0);
        support_folder_count(one, ".k1", text);
        snprintf(path[i], sizeof path[i], "%s/%.60s", dir, strrchr(text, '/') + 1);
        ck_assert_int_eq(rename(text, path[i]), 0);
        ck_assert_int_eq(stat(path[i], &s), 0);
        total += (uint64_t)s.st_size;
        make_old(path[i], 10000 * (20 - i)); /* entry 0 is the longest unused */
        support_folder_remove(one);
    }
    char other[SUPPORT_PATH_MAX + 16];
    snprintf(other, sizeof other, "%s/README", dir);
    support_file_write(other, "not an entry", 12);
    make_old(other, 1000000);
    cache_swept swept = cache_dir_sweep(&alloc, dir, total);
    ck_assert_uint_eq(swept.removed, 0);
    swept = cache_dir_sweep(&alloc, dir, total / 2);
    ck_assert_uint_eq(swept.entries, 20);
    ck_assert_uint_eq(swept.bytes, total);
    ck_assert_uint_le(total - swept.removed_bytes, total * 2 / 5);
    ck_assert_uint_ge(total - swept.removed_bytes, total * 2 / 5 - total / 20 - 100);
    for (int i = 0; i < 20; i++) ck_assert_int_eq(access(path[i], F_OK) != 0, i < (int)swept.removed);
    ck_assert_int_eq(access(other, F_OK), 0);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}
END_TEST

START_TEST(writers_sweep_by_themselves) {
    int compiled;
    support_cache_init(&c, dir, SN_CACHE_RW);
    c.options.max_bytes = 20000;
    support_cache_start(&c);
    for (int i = 0; i < 300; i++) ck_assert(!support_cache_get(&c, i, &compiled));
    support_cache_close(&c);
    int left = support_folder_count(dir, ".k1", NULL);
    ck_assert_int_gt(left, 5);
    ck_assert_int_lt(left, 100);
    SUPPORT_HAS(c.logged, "bytes removed");
}
END_TEST

START_TEST(use_is_noted_once_a_day) {
    char path[SUPPORT_PATH_MAX];
    struct stat before, after;
    ask(1);
    support_folder_count(dir, ".k1", path);
    static const struct {
        long age;
        int touched;
    } cases[] = {{3600, 0}, {100000, 1}, {-3600, 0}, {-100000000, 1}};
    for (size_t i = 0; i < 4; i++) {
        make_old(path, cases[i].age);
        ck_assert_int_eq(stat(path, &before), 0);
        ck_assert_int_eq(ask(1), 0);
        ck_assert_int_eq(stat(path, &after), 0);
        ck_assert_int_eq(before.st_mtime != after.st_mtime, cases[i].touched);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("disk cache");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, second_process_compiles_nothing);
    tcase_add_test(t, entry_holds_what_was_put);
    tcase_add_test(t, tells_what_differs);
    tcase_add_test(t, tells_which_size_or_schedule_differs);
    tcase_add_test(t, makes_missing_folders);
    tcase_add_test(t, off_and_ro_write_nothing);
    tcase_add_test(t, only_never_compiles);
    tcase_add_test(t, strict_compares_the_compiler);
    tcase_add_test(t, options_win_over_the_environment);
    tcase_add_test(t, store_stands_in_for_the_folder);
    tcase_add_test(t, bundle_serves_without_folder_or_compiler);
    tcase_add_test(t, bundle_is_believed_in_nothing);
    tcase_add_test(t, bundle_replaced_while_open);
    tcase_add_test(t, sweep_keeps_to_the_budget);
    tcase_add_test(t, writers_sweep_by_themselves);
    tcase_add_test(t, use_is_noted_once_a_day);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return support_main(suite()); }
