/* The counts of a cache folder's uses: what is counted, what is lost, how long the file may become, and that nothing
 * about it can disturb a program. */
#define _GNU_SOURCE
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/hits.h"
#include "support/support_cache.h"
#include "support/support_run.h"

static char dir[SUPPORT_PATH_MAX], file[SUPPORT_PATH_MAX + 8];
static base_alloc alloc;

static void set_up(void) {
    support_folder(dir);
    snprintf(file, sizeof file, "%s/" CACHE_HITS_NAME, dir);
    base_alloc_init(&alloc, NULL);
}

static void tear_down(void) {
    ck_assert_uint_eq(alloc.live_bytes, 0);
    support_folder_remove(dir);
}

static uint64_t key_of(int constant) {
    base_strbuf key = support_cache_kernel(SN_F32, constant);
    base_strbuf_add(&key, "fake;1", 7);
    uint64_t k = cache_hits_key(base_hash_bytes(key.at, key.n));
    base_strbuf_free(&key);
    return k;
}

static cache_hit counted(uint64_t key) {
    cache_hits h;
    cache_hits_read(&alloc, dir, &h);
    cache_hit r = cache_hits_of(&h, key);
    cache_hits_free(&h);
    return r;
}

#define COUNTED(key, n_hits, n_misses)                                                                                 \
    do {                                                                                                               \
        cache_hit r_ = counted(key);                                                                                   \
        ck_assert_uint_eq(r_.hits, (uint64_t)(n_hits));                                                                \
        ck_assert_uint_eq(r_.misses, (uint64_t)(n_misses));                                                            \
    } while (0)

static off_t size_of_file(void) {
    struct stat s;
    return stat(file, &s) ? -1 : s.st_size;
}

static int ask(sn_cache_mode mode, int constant) { return support_cache_ask(dir, mode, constant, NULL, 0); }

/* ---- what is counted --------------------------------------------------------------------------------------------- */

START_TEST(finds_and_compiles_are_counted) {
    for (int i = 0; i < 5; i++) ask(SN_CACHE_RW, 1);
    ask(SN_CACHE_RW, 2);
    ask(SN_CACHE_STRICT, 2);
    COUNTED(key_of(1), 4, 1);
    COUNTED(key_of(2), 1, 1);
    COUNTED(key_of(3), 0, 0);
    struct stat s;
    ck_assert_int_eq(stat(file, &s), 0);
    ck_assert_int_eq(s.st_mode & 0777, 0600);
    /* The names of entries lead to the same counts. */
    char path[SUPPORT_PATH_MAX];
    support_folder_count(dir, ".k1", path);
    uint64_t key = cache_hits_key_of(strrchr(path, '/') + 1);
    ck_assert(key == key_of(1) || key == key_of(2));
    ck_assert_uint_eq(cache_hits_key_of(CACHE_HITS_NAME), 0);
}
END_TEST

START_TEST(who_may_not_write_counts_nothing) {
    ask(SN_CACHE_RW, 1);
    off_t size = size_of_file();
    for (int i = 0; i < 3; i++) {
        ask(SN_CACHE_RO, 1);
        ask(SN_CACHE_ONLY, 1);
        ask(SN_CACHE_OFF, 1);
    }
    ck_assert_int_eq(size_of_file(), size);
}
END_TEST

/* More finds than are kept in memory; and a context that a child inherited. */
START_TEST(many_finds_of_one_context) {
    support_cache *c = malloc(sizeof *c);
    int compiled, n = 2 * CACHE_HITS_AT_ONCE + 7;
    for (int round = 0; round < 2; round++) {
        support_cache_open(c, dir, SN_CACHE_RW);
        for (int i = 0; i < n; i++) ck_assert(!support_cache_get(c, i, &compiled) && compiled == !round);
        pid_t child = fork();
        if (!child) {
            support_cache_close(c);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        support_cache_close(c);
    }
    for (int i = 0; i < n; i++) COUNTED(key_of(i), 1, 1);
    free(c);
}
END_TEST

START_TEST(processes_append_at_the_same_time) {
    enum { PROCESSES = 8, TIMES = 100 };
    for (int p = 0; p < PROCESSES; p++) {
        if (fork()) continue;
        cache_hit r[3] = {{.key = 1, .hits = 1}, {.key = (uint64_t)p + 2, .misses = 1}, {.key = 1, .saved_us = 10}};
        for (int i = 0; i < TIMES; i++) cache_hits_append(&alloc, dir, r, 3);
        _exit(0);
    }
    for (int p = 0; p < PROCESSES; p++) ck_assert_int_gt(wait(NULL), 0);
    COUNTED(1, PROCESSES * TIMES, 0);
    ck_assert_uint_eq(counted(1).saved_us, PROCESSES * TIMES * 10);
    for (uint64_t p = 0; p < PROCESSES; p++) COUNTED(p + 2, 0, TIMES);
}
END_TEST

/* ---- the file ---------------------------------------------------------------------------------------------------- */

START_TEST(other_lines_are_passed_over) {
    static const char text[] = "0000000000000007 1 2 3\n"
                               "hello\n\n"
                               "0000000000000007 1 2\n"
                               "0000000000000007 1 2 3 4\n"
                               "0000000000000007 -1 2 3\n"
                               "0000000000000007 1234567890123 2 3\n"
                               "000000000000007 1 2 3\n"
                               "0000000000000007 1 2 30000000000000000008 1 2 3\n"
                               "0000000000000007 999999999999 999999999999 999999999999\n"
                               "0000000000000008 5 6 7\n"
                               "0000000000000008 5 6 7";
    support_file_write(file, text, sizeof text - 1);
    COUNTED(8, 5, 6);
    COUNTED(7, 999999999999, 999999999999); /* stays what a line can hold */
    support_file_write(file, "\0\0\0\n\377\n", 6);
    COUNTED(0, 0, 0);
    for (size_t cut = 0; cut < sizeof text; cut++) {
        support_file_write(file, text, cut);
        ck_assert_uint_le(counted(8).hits, 5);
    }
}
END_TEST

START_TEST(compacting_keeps_the_sums) {
    for (int i = 0; i < 3; i++)
        for (int j = 0; j <= i + 1; j++) ask(SN_CACHE_RW, i);
    cache_hit gone[2] = {{.key = 5, .hits = 4, .misses = 2, .saved_us = 9}, {.key = 6, .hits = 1}};
    cache_hits_append(&alloc, dir, gone, 2);
    off_t before = size_of_file();
    cache_dir_sweep(&alloc, dir, 0);
    ck_assert_int_lt(size_of_file(), before);
    for (int i = 0; i < 3; i++) COUNTED(key_of(i), i + 1, 1);
    COUNTED(5, 0, 0);
    COUNTED(0, 5, 2); /* of those that are gone */
    ck_assert_uint_eq(counted(0).saved_us, 9);
    before = size_of_file();
    cache_dir_sweep(&alloc, dir, 0);
    ck_assert_int_eq(size_of_file(), before);
    cache_dir_sweep(&alloc, dir, 1); /* deletes all entries */
    COUNTED(0, 5 + 1 + 2 + 3, 2 + 3);
    ck_assert_int_eq(support_folder_count(dir, "", NULL), 0); /* no temporaries */
}
END_TEST

START_TEST(length_is_bounded) {
    cache_hit r[CACHE_HITS_AT_ONCE];
    off_t longest = 0;
    uint64_t n = 0;
    for (int round = 0; round < 3000; round++) {
        for (int i = 0; i < CACHE_HITS_AT_ONCE; i++) r[i] = (cache_hit){.key = ++n, .hits = 1, .saved_us = 123456789};
        cache_hits_append(&alloc, dir, r, CACHE_HITS_AT_ONCE);
        if (size_of_file() > longest) longest = size_of_file();
    }
    ck_assert_int_gt(longest, CACHE_HITS_MAX_BYTES / 2);
    ck_assert_int_lt(longest, CACHE_HITS_MAX_BYTES + 10000);
    cache_hits_compact(&alloc, dir);
    COUNTED(0, n, 0);
    /* A long file without any sense is replaced as well. */
    char *rubbish = calloc(1, 2 * CACHE_HITS_MAX_BYTES);
    support_file_write(file, rubbish, 2 * CACHE_HITS_MAX_BYTES);
    free(rubbish);
    cache_hits_append(&alloc, dir, r, 1);
    ck_assert_int_eq(size_of_file(), -1);
    cache_hits_append(&alloc, dir, r, 1);
    COUNTED(r[0].key, 1, 0);
}
END_TEST

/* Whatever stands in the way, kernels are found and no line is logged. */
START_TEST(nothing_disturbs_the_program) {
    char text[4096], other[SUPPORT_PATH_MAX + 16];
    struct stat s;
    ask(SN_CACHE_RW, 1);
    snprintf(other, sizeof other, "%s/other", dir);
    for (int way = 0; way < 4; way++) {
        unlink(file);
        if (way == 0) ck_assert_int_eq(mkdir(file, 0700), 0);
        if (way == 1) ck_assert_int_eq(mkfifo(file, 0600), 0);
        if (way == 2) ck_assert_int_eq(symlink(other, file), 0);
        if (way == 3) ck_assert_int_eq(symlink(file, file), 0);
        ck_assert_int_eq(support_cache_ask(dir, SN_CACHE_RW, 1, text, sizeof text), 0);
        ck_assert_msg(!strstr(text, "warn") && strstr(text, "hit, from disk"), "%s", text);
        COUNTED(key_of(1), 0, 0);
        ck_assert_int_ne(stat(other, &s), 0); /* a link is not followed */
        cache_dir_sweep(&alloc, dir, 0);
        rmdir(file);
    }
    pid_t child = fork();
    if (!child) { /* the limit on files would be a signal */
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){10, 10});
        cache_hits_append(&alloc, dir, &(cache_hit){.key = 1, .hits = 1}, 1);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
    ck_assert_int_le(size_of_file(), 0);
    for (int n = 1; n < 40; n++) { /* out of memory at each place of reading and compacting */
        cache_hits_append(&alloc, dir, &(cache_hit){.key = 9, .hits = 1}, 1);
        alloc.fail_at = n;
        cache_hits_compact(&alloc, dir);
        alloc.fail_at = 0;
        ck_assert_uint_eq(alloc.live_bytes, 0);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cache hits");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, finds_and_compiles_are_counted);
    tcase_add_test(t, who_may_not_write_counts_nothing);
    tcase_add_test(t, many_finds_of_one_context);
    tcase_add_test(t, processes_append_at_the_same_time);
    tcase_add_test(t, other_lines_are_passed_over);
    tcase_add_test(t, compacting_keeps_the_sums);
    tcase_add_test(t, length_is_bounded);
    tcase_add_test(t, nothing_disturbs_the_program);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return support_main(suite()); }
