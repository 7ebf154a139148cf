/* Entries of the cache that are damaged or are none: flipped, cut, with sizes that lie, of another key or version, no
 * code, no file of ours. Always the right kernel, and a line that says what happened. That code is right is checked by
 * the backend of support_cache when it is loaded. */
#define _GNU_SOURCE
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support_cache.h"
#include "support/support_run.h"

enum { NOBODY = 65534 };

static char dir[SUPPORT_PATH_MAX], path[SUPPORT_PATH_MAX], text[1 << 15];
static support_cache c;

static void set_up(void) { support_folder(dir); }
static void tear_down(void) { support_folder_remove(dir); }

static int ask(int constant) { return support_cache_ask(dir, SN_CACHE_RW, constant, text, sizeof text); }

START_TEST(each_byte_flipped) {
    size_t n, step = support_slow() ? 1 : 13;
    ask(1);
    support_folder_count(dir, ".k1", path);
    char *bytes = support_file(path, &n);
    for (size_t at = 0; at<n; at += n - at> 2 * CACHE_FOOTER_BYTES ? step : 1) {
        char bit = (char)(support_slow() ? 1 << at % 8 : 0x40);
        bytes[at] ^= bit;
        support_file_write(path, bytes, n);
        bytes[at] ^= bit;
        ck_assert_msg(ask(1) == 1, "byte %zu", at);
        SUPPORT_HAS(text, "of the disk is not used and deleted: ");
        ck_assert_int_eq(ask(1), 0);
    }
    free(bytes);
}
END_TEST

START_TEST(cut_at_each_length) {
    size_t n, step = support_slow() ? 1 : 13;
    ask(1);
    support_folder_count(dir, ".k1", path);
    char *bytes = support_file(path, &n);
    for (size_t cut = 0; cut<n; cut += n - cut> 2 * CACHE_FOOTER_BYTES ? step : 1) {
        support_file_write(path, bytes, cut);
        ck_assert_msg(ask(1) == 1, "length %zu", cut);
        SUPPORT_HAS(text, "not used and deleted: ");
    }
    bytes = realloc(bytes, n + 10);
    memset(bytes + n, 0, 10);
    support_file_write(path, bytes, n + 10);
    ck_assert_int_eq(ask(1), 1);
    ck_assert_int_eq(ask(1), 0);
    free(bytes);
}
END_TEST

/* A file whose footer is right in everything but sizes; the checksum is right too. */
START_TEST(sizes_that_lie) {
    static const uint64_t lies[] = {0, 1, 79, 80, 1000, 1u << 20, UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_MAX - 79};
    size_t n;
    ask(1);
    support_folder_count(dir, ".k1", path);
    char *bytes = support_file(path, &n), *foot = bytes + n - CACHE_FOOTER_BYTES;
    for (int field = 0; field < 4; field++) {
        for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
            uint64_t right, sum[2];
            memcpy(&right, foot + 8 * field, 8);
            if (lies[i] == right) continue;
            memcpy(foot + 8 * field, &lies[i], 8);
            base_hash hash = base_hash_bytes(bytes, n - 24);
            sum[0] = hash.lo;
            sum[1] = hash.hi;
            memcpy(foot + 56, sum, 16);
            support_file_write(path, bytes, n);
            memcpy(foot + 8 * field, &right, 8);
            ck_assert_int_eq(ask(1), 1);
            SUPPORT_HAS(text, "not used and deleted: ");
        }
    }
    free(bytes);
}
END_TEST

START_TEST(entry_of_another_target_or_version) {
    size_t n;
    char wanted[SUPPORT_PATH_MAX];
    int compiled;
    ask(1);
    support_folder_count(dir, ".k1", wanted);
    char *right = support_file(wanted, &n);
    unlink(wanted);
    /* Another processor's entry under this one's name. */
    support_cache_init(&c, dir, SN_CACHE_RW);
    c.dev.target = "fake;2";
    support_cache_start(&c);
    ck_assert(!support_cache_get(&c, 1, &compiled));
    support_cache_close(&c);
    support_folder_count(dir, ".k1", path);
    ck_assert_int_eq(rename(path, wanted), 0);
    ck_assert_int_eq(ask(1), 1);
    SUPPORT_HAS(text, "the entry is of another key: it is cached for target 'fake;2', this is 'fake;1'");
    /* An entry of a version to come: under its own name it is left alone, under ours it is no entry. */
    right[n - CACHE_FOOTER_BYTES + 52] = 2;
    support_file_write(wanted, right, n);
    ck_assert_int_eq(ask(1), 1);
    SUPPORT_HAS(text, "of another format version");
    snprintf(path, sizeof path, "%.*s2", (int)strlen(wanted) - 1, wanted);
    support_file_write(path, right, n);
    ck_assert_int_eq(ask(1), 0);
    ck_assert_int_eq(access(path, F_OK), 0);
    free(right);
}
END_TEST

/* Whole and of the right key, but no code of the kernel: the loader refuses it. */
START_TEST(entry_that_cannot_be_loaded) {
    base_strbuf kernel = support_cache_kernel(SN_F32, 1), meta, entry;
    char name[CACHE_NAME_MAX], why[CACHE_WHY_MAX];
    int compiled;
    ask(1);
    support_folder_count(dir, ".k1", path);
    size_t n;
    char *bytes = support_file(path, &n);
    cache_entry e;
    ck_assert_ptr_null(cache_entry_open(&e, bytes, n));
    cache_key k = {e.key, e.key_bytes, e.kernel_bytes, e.hash, e.family};
    base_strbuf_init(&meta, kernel.alloc);
    base_strbuf_init(&entry, kernel.alloc);
    base_strbuf_puts(&meta, "\n");
    cache_entry_write(&entry, &k, "rubbish", 7, &meta);
    unlink(path);
    cache_dir_name(e.hash, e.family, name);
    ck_assert_msg(cache_dir_publish(dir, name, entry.at, entry.n, NULL, why), "%s", why);
    support_cache_open(&c, dir, SN_CACHE_RW);
    ck_assert(!support_cache_get(&c, 1, &compiled));
    ck_assert_int_eq(compiled, 1);
    ck_assert_int_eq(c.dev.wrong_loads, 1);
    c.dev.wrong_loads = 0;
    SUPPORT_HAS(c.logged, "not used and deleted: this is no code of the kernel");
    support_cache_close(&c);
    ck_assert_int_eq(ask(1), 0);
    base_strbuf_free(&kernel);
    base_strbuf_free(&meta);
    base_strbuf_free(&entry);
    free(bytes);
}
END_TEST

/* Never opened, or opened and found to be none of ours: left alone, compiled each time. */
START_TEST(entry_that_is_no_file_of_ours) {
    char file[SUPPORT_PATH_MAX], away[SUPPORT_PATH_MAX + 8];
    ask(1);
    support_folder_count(dir, ".k1", file);
    snprintf(away, sizeof away, "%s/away", dir);
    ck_assert_int_eq(rename(file, away), 0);
    ck_assert_int_eq(symlink("away", file), 0);
    ck_assert_int_eq(ask(1), 1);
    SUPPORT_HAS(text, "Too many levels of symbolic links");
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(mkfifo(file, 0600), 0);
    ck_assert_int_eq(ask(1), 1);
    SUPPORT_HAS(text, "is no file");
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(mkdir(file, 0700), 0);
    ck_assert_int_eq(ask(1), 1);
    ck_assert_int_eq(rmdir(file), 0);
    ck_assert_int_eq(rename(away, file), 0);
    ck_assert_int_eq(chmod(file, 0620), 0);
    ck_assert_int_eq(ask(1), 1);
    SUPPORT_HAS(text, "can be written by others");
    ck_assert_int_eq(chmod(file, 0600), 0);
    ck_assert_int_eq(ask(1), 0);
    if (!geteuid()) {
        ck_assert_int_eq(chown(file, NOBODY, NOBODY), 0);
        ck_assert_int_eq(ask(1), 1);
        SUPPORT_HAS(text, "belongs to another user");
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cache damage");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, each_byte_flipped);
    tcase_add_test(t, cut_at_each_length);
    tcase_add_test(t, sizes_that_lie);
    tcase_add_test(t, entry_of_another_target_or_version);
    tcase_add_test(t, entry_that_cannot_be_loaded);
    tcase_add_test(t, entry_that_is_no_file_of_ours);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return support_main(suite()); }
