/* What a cache on disk meets sooner or later: writers that are killed or race, folders that are full, foreign, missing
 * or no folders, clocks that go back, forks. Always the right kernel, no crash, and a line that says what happened.
 * That code is right is checked by the backend of support_cache when it is loaded. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/support_cache.h"
#include "support/support_run.h"

enum { NOBODY = 65534 };

static char dir[SUPPORT_PATH_MAX], path[SUPPORT_PATH_MAX], text[1 << 15];
static support_cache c;

static void set_up(void) { support_folder(dir); }
static void tear_down(void) { support_folder_remove(dir); }

static int ask_in(const char *where, int constant) {
    return support_cache_ask(where, SN_CACHE_RW, constant, text, sizeof text);
}
static int ask(int constant) { return ask_in(dir, constant); }

/* All files of the folder that have an entry's name are whole. */
static void all_intact(void) {
    char command[SUPPORT_PATH_MAX + 32], line[SUPPORT_PATH_MAX];
    snprintf(command, sizeof command, "ls %s/*.k1 2>/dev/null", dir);
    FILE *list = popen(command, "r");
    while (fgets(line, sizeof line, list)) {
        size_t n;
        line[strcspn(line, "\n")] = 0;
        char *bytes = support_file(line, &n);
        cache_entry e;
        const char *wrong = cache_entry_open(&e, bytes, n);
        ck_assert_msg(!wrong, "%s: %s", line, wrong);
        free(bytes);
    }
    pclose(list);
}

/* ---- writers ----------------------------------------------------------------------------------------------------- */

START_TEST(killed_while_writing) {
    enum { ROUNDS = 200 };
    int entries = 0, begun[2];
    unsigned seed = 1;
    for (int round = 0; round < ROUNDS; round++) {
        ck_assert_int_eq(pipe(begun), 0);
        pid_t child = fork();
        if (!child) {
            int compiled;
            support_cache_init(&c, dir, SN_CACHE_RW);
            c.dev.blob_bytes = 200000; /* so that most of the time goes into writing */
            support_cache_start(&c);
            for (int i = 0;; i++) {
                support_cache_get(&c, 1000 * round + i % 200, &compiled);
                if (!i && write(begun[1], "", 1) != 1) _exit(1);
            }
        }
        char first;
        close(begun[1]);
        ck_assert_int_eq(read(begun[0], &first, 1), 1);
        close(begun[0]);
        usleep((useconds_t)rand_r(&seed) % 10000);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        all_intact();
        support_cache_init(&c, dir, SN_CACHE_RW);
        c.dev.blob_bytes = 200000;
        support_cache_start(&c);
        int compiled, hits = 0;
        for (int i = 0; i < 3; i++) {
            ck_assert(!support_cache_get(&c, 1000 * round + i, &compiled));
            hits += !compiled;
        }
        support_cache_close(&c);
        entries += hits;
        /* Old temporaries of the dead go with a sweep, young ones may belong to the living. */
        if (support_folder_count(dir, ".new-", path)) {
            struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
            cache_dir_sweep(&c.alloc, dir, 1u << 30);
            ck_assert_int_eq(support_folder_count(dir, ".new-", NULL), 1);
            ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
            cache_dir_sweep(&c.alloc, dir, 1u << 30);
            ck_assert_int_eq(support_folder_count(dir, ".new-", NULL), 0);
        }
        support_folder_remove(dir);
        ck_assert_int_eq(mkdir(dir, 0700), 0);
    }
    ck_assert_int_gt(entries, 0);
}
END_TEST

START_TEST(many_processes_one_cold_key) {
    enum { MOST = 32 };
    int gate[2];
    pid_t child[MOST];
    for (int round = 0; round < (support_slow() ? 20 : 3); round++) {
        ck_assert_int_eq(pipe(gate), 0);
        for (int i = 0; i < MOST; i++) {
            if ((child[i] = fork())) continue;
            char go;
            int compiled;
            close(gate[1]);
            support_cache_open(&c, dir, SN_CACHE_RW);
            if (read(gate[0], &go, 1) != 0) _exit(2); /* until the parent closes its end */
            for (int k = 0; k < 10; k++)
                if (support_cache_get(&c, 10 * round + k, &compiled)) _exit(3);
            _exit(c.dev.wrong_loads != 0);
        }
        close(gate[0]);
        close(gate[1]);
        for (int i = 0; i < MOST; i++) support_join(child[i]);
        ck_assert_int_eq(support_folder_count(dir, ".k1", NULL), 10 * (round + 1));
        ck_assert_int_eq(support_folder_count(dir, "", NULL), 10 * (round + 1));
        all_intact();
        for (int k = 0; k < 10; k++) ck_assert_int_eq(ask(10 * round + k), 0);
    }
}
END_TEST

typedef struct {
    support_cache *cache;
    pthread_barrier_t *start;
    int compiled;
    sn_status status;
} seeker;

static void *seek(void *arg) {
    seeker *s = arg;
    base_trap trap;
    base_strbuf bytes = support_cache_kernel(SN_F32, 7);
    const cache_kernel *kernel;
    pthread_barrier_wait(s->start);
    s->status = cache_memory_get(s->cache->memory, bytes.at, bytes.n, &(cache_about){.name = "k"}, &kernel,
                                 &s->compiled, &trap);
    cache_memory_release(s->cache->memory, kernel);
    base_strbuf_free(&bytes);
    return NULL;
}

START_TEST(two_threads_one_key) {
    static support_cache other;
    pthread_barrier_t start;
    for (int round = 0; round < 50; round++) {
        for (int shared = 0; shared < 2; shared++) {
            pthread_t thread[2];
            support_cache_open(&c, dir, SN_CACHE_RW);
            support_cache_open(&other, dir, SN_CACHE_RW);
            pthread_barrier_init(&start, NULL, 2);
            seeker s[2] = {{.cache = &c, .start = &start}, {.cache = shared ? &c : &other, .start = &start}};
            for (int i = 0; i < 2; i++) ck_assert(!pthread_create(&thread[i], NULL, seek, &s[i]));
            for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
            ck_assert(!s[0].status && !s[1].status);
            ck_assert_int_le(s[0].compiled + s[1].compiled, shared ? 1 : 2);
            ck_assert_int_ge(s[0].compiled + s[1].compiled, 1);
            pthread_barrier_destroy(&start);
            support_cache_close(&c);
            support_cache_close(&other);
            ck_assert_int_eq(support_folder_count(dir, "", path), 1);
            ck_assert_int_eq(unlink(path), 0);
        }
    }
}
END_TEST

START_TEST(fork_before_and_after_use) {
    int compiled;
    support_cache_open(&c, dir, SN_CACHE_RW);
    for (int used = 0; used < 2; used++) {
        pid_t child = fork();
        if (!child) {
            for (int i = 0; i < 4; i++)
                if (support_cache_get(&c, i, &compiled)) _exit(1);
            support_cache_close(&c);
            _exit(0);
        }
        for (int i = 2; i < 6; i++) ck_assert(!support_cache_get(&c, i, &compiled));
        support_join(child);
    }
    support_cache_close(&c);
    for (int i = 0; i < 6; i++) ck_assert_int_eq(ask(i), 0);
    ck_assert_int_eq(support_folder_count(dir, "", NULL), 6);
}
END_TEST

START_TEST(host_closes_all_descriptors) {
    pid_t child = fork();
    if (!child) {
        int compiled;
        support_cache_open(&c, dir, SN_CACHE_RW);
        support_cache_get(&c, 1, &compiled);
        for (int fd = 0; fd < 1024; fd++) close(fd);
        if (chdir("/")) _exit(1);
        sn_status got = support_cache_get(&c, 2, &compiled);
        _exit(got || !compiled);
    }
    support_join(child);
    ck_assert_int_eq(ask(2), 0);
}
END_TEST

/* ---- folders ----------------------------------------------------------------------------------------------------- */

START_TEST(folder_is_not_to_be_trusted) {
    char where[SUPPORT_PATH_MAX + 8];
    snprintf(where, sizeof where, "%s/f", dir);
    ck_assert_int_eq(ask_in(where, 1), 1);
    static const mode_t modes[] = {0770, 0702, 0777, 01777};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(chmod(where, modes[i]), 0);
        ck_assert_int_eq(ask_in(where, 1), 1);
        SUPPORT_HAS(text, "can be written by others (chmod go-w makes it usable)");
        ck_assert_int_eq(ask_in(where, 2), 1);
    }
    ck_assert_int_eq(chmod(where, 0755), 0);
    ck_assert_int_eq(ask_in(where, 1), 0);
    ck_assert_int_eq(ask_in(where, 2), 1); /* nothing was written meanwhile */

    char link[SUPPORT_PATH_MAX + 8];
    snprintf(link, sizeof link, "%s/link", dir);
    ck_assert_int_eq(symlink("f", link), 0);
    ck_assert_int_eq(ask_in(link, 1), 0); /* a link to what is ours */
    ck_assert_int_eq(unlink(link), 0);
    /* A link to what is someone else's: /tmp is everybody's, and with the rights to do so we make one. */
    ck_assert_int_eq(symlink("/tmp", link), 0);
    ck_assert_int_eq(ask_in(link, 1), 1);
    SUPPORT_HAS(text, "can be written by others");
    ck_assert_int_eq(unlink(link), 0);
    if (!geteuid()) {
        ck_assert_int_eq(chown(where, NOBODY, NOBODY), 0);
        ck_assert_int_eq(symlink("f", link), 0);
        ck_assert_int_eq(ask_in(link, 1), 1);
        SUPPORT_HAS(text, "belongs to another user");
        ck_assert_int_eq(support_cache_ask(link, SN_CACHE_RO, 1, text, sizeof text), 1);
    }
}
END_TEST

START_TEST(folder_is_a_file_or_dangles) {
    char where[SUPPORT_PATH_MAX + 8];
    snprintf(where, sizeof where, "%s/f", dir);
    support_file_write(where, "x", 1);
    ck_assert_int_eq(ask_in(where, 1), 1);
    SUPPORT_HAS(text, "is no folder");
    snprintf(where, sizeof where, "%s/f/g", dir);
    ck_assert_int_eq(ask_in(where, 1), 1);
    SUPPORT_HAS(text, "Not a directory");
    snprintf(where, sizeof where, "%s/link", dir);
    ck_assert_int_eq(symlink("nowhere", where), 0);
    ck_assert_int_eq(ask_in(where, 1), 1);
    SUPPORT_HAS(text, "cache folder");
    ck_assert_int_eq(ask_in("/proc/self/sinter", 1), 1);
    SUPPORT_HAS(text, "cannot be made");
}
END_TEST

/* Runs as somebody without rights, where the test itself has all. */
static void as_nobody(void) {
    if (geteuid()) return;
    if (setgid(NOBODY) || setuid(NOBODY)) _exit(9);
}

START_TEST(folder_is_read_only) {
    ask(1);
    support_folder_count(dir, ".k1", path);
    if (!geteuid()) {
        ck_assert_int_eq(chown(path, NOBODY, NOBODY), 0);
        ck_assert_int_eq(chown(dir, NOBODY, NOBODY), 0);
    }
    ck_assert_int_eq(chmod(dir, 0500), 0);
    pid_t child = fork();
    if (!child) {
        as_nobody();
        int compiled;
        support_cache_open(&c, dir, SN_CACHE_RW);
        if (support_cache_get(&c, 1, &compiled) || compiled) _exit(1);
        if (support_cache_get(&c, 2, &compiled) || !compiled) _exit(2);
        if (!strstr(c.logged, "Permission denied; kernels are compiled anew")) _exit(3);
        _exit(0);
    }
    support_join(child);
    ck_assert_int_eq(support_folder_count(dir, "", NULL), 1);
    ck_assert_int_eq(chmod(dir, 0700), 0);
    if (geteuid()) return;
    /* One of root's is good to read for others. What they may not read they leave alone. */
    ck_assert(!chown(dir, 0, 0) && !chown(path, 0, 0) && !chmod(dir, 0755) && !chmod(path, 0644));
    for (int readable = 1; readable >= 0; readable--) {
        ck_assert_int_eq(chmod(path, readable ? 0644 : 0600), 0);
        child = fork();
        if (!child) {
            as_nobody();
            int compiled;
            support_cache_open(&c, dir, SN_CACHE_RW);
            _exit(support_cache_get(&c, 1, &compiled) || compiled == readable);
        }
        support_join(child);
        ck_assert_int_eq(access(path, F_OK), 0);
    }
}
END_TEST

START_TEST(files_may_not_grow) {
    pid_t child = fork();
    if (!child) {
        int compiled;
        struct rlimit limit = {.rlim_cur = 500000, .rlim_max = 500000};
        if (setrlimit(RLIMIT_FSIZE, &limit)) _exit(1);
        support_cache_init(&c, dir, SN_CACHE_RW);
        c.dev.blob_bytes = 1000000;
        support_cache_start(&c);
        if (support_cache_get(&c, 1, &compiled) || !compiled) _exit(2);
        if (!strstr(c.logged, "files may not be larger than 500000 bytes; kernels are compiled anew")) _exit(3);
        if (support_cache_get(&c, 2, &compiled) || !compiled) _exit(4);
        _exit(0);
    }
    support_join(child);
    ck_assert_int_eq(support_folder_count(dir, "", NULL), 0);
}
END_TEST

/* A file system of 64 KiB, mounted where nobody else sees it; skipped where that is not allowed. */
START_TEST(disk_is_full) {
    pid_t child = fork();
    if (!child) {
        int compiled;
        if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
            mount("sinter", dir, "tmpfs", 0, "size=64k,mode=0700"))
            _exit(77);
        support_cache_init(&c, dir, SN_CACHE_RW);
        c.dev.blob_bytes = 10000;
        support_cache_start(&c);
        for (int i = 0; i < 20; i++)
            if (support_cache_get(&c, i, &compiled) || !compiled) _exit(1);
        if (!strstr(c.logged, "No space left on device; kernels are compiled anew")) _exit(2);
        support_cache_close(&c);
        all_intact();
        int kept = support_folder_count(dir, ".k1", NULL);
        if (kept < 3 || kept != support_folder_count(dir, "", NULL)) _exit(3);
        support_cache_init(&c, dir, SN_CACHE_RW);
        c.dev.blob_bytes = 10000;
        support_cache_start(&c);
        for (int i = 0; i < 20; i++) {
            if (support_cache_get(&c, i, &compiled)) _exit(4);
            kept -= !compiled;
        }
        _exit(kept ? 5 : 0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        fprintf(stderr, "disk_is_full: no file system can be mounted here\n");
    else
        ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

static int no_links(const char *from, const char *to) {
    (void)from, (void)to;
    errno = EPERM;
    return -1;
}

START_TEST(file_system_without_hard_links) {
    int compiled;
    for (int round = 0; round < 2; round++) {
        support_cache_init(&c, dir, SN_CACHE_RW);
        c.options.link = no_links;
        support_cache_start(&c);
        ck_assert(!support_cache_get(&c, 1, &compiled));
        ck_assert_int_eq(compiled, !round);
        support_cache_close(&c);
    }
    ck_assert_int_eq(support_folder_count(dir, "", NULL), 1);
    all_intact();
}
END_TEST

START_TEST(home_is_unset) {
    sn_context_options o = {0};
    int compiled;
    unsetenv("HOME");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("SINTER_CACHE_DIR");
    unsetenv("SINTER_CACHE");
    support_cache_init(&c, "", SN_CACHE_RW);
    ck_assert(!cache_disk_choose(&o, &c.options, &c.err));
    ck_assert_str_eq(c.options.dir, "");
    support_cache_start(&c);
    for (int i = 0; i < 3; i++) ck_assert(!support_cache_get(&c, i, &compiled) && compiled);
    SUPPORT_HAS(c.logged, "there is no cache folder: none of SINTER_CACHE_DIR, XDG_CACHE_HOME and HOME is set");
    support_cache_close(&c);
}
END_TEST

START_TEST(one_warning_is_enough) {
    char where[SUPPORT_PATH_MAX + 8];
    int compiled, lines = 0;
    snprintf(where, sizeof where, "%s/f", dir);
    support_file_write(where, "x", 1);
    support_cache_init(&c, where, SN_CACHE_RW);
    c.log.level = SN_LOG_WARN;
    support_cache_start(&c);
    for (int i = 0; i < 5; i++) ck_assert(!support_cache_get(&c, i, &compiled));
    for (const char *at = c.logged; (at = strchr(at, '\n')); at++) lines++;
    ck_assert_int_eq(lines, 1);
    support_cache_close(&c);
}
END_TEST

START_TEST(clock_goes_back) {
    static const time_t times[] = {1, 1000000000, 4000000000, 100000000000};
    struct stat s;
    ask(1);
    support_folder_count(dir, ".k1", path);
    for (size_t i = 0; i < 4; i++) {
        struct timespec t[2] = {{.tv_sec = times[i]}, {.tv_sec = times[i]}};
        ck_assert_int_eq(utimensat(AT_FDCWD, path, t, 0), 0);
        ck_assert_int_eq(ask(1), 0);
        ck_assert_int_eq(stat(path, &s), 0);
        ck_assert_int_lt(labs((long)(s.st_mtime - time(NULL))), 100);
    }
    /* What is from a time to come grows old with the others, from today on. */
    struct timespec t[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000}};
    ck_assert_int_eq(utimensat(AT_FDCWD, path, t, 0), 0);
    base_alloc alloc;
    base_alloc_init(&alloc, NULL);
    cache_swept swept = cache_dir_sweep(&alloc, dir, 1);
    ck_assert_uint_eq(swept.removed, 1);
}
END_TEST

START_TEST(folder_vanishes_while_in_use) {
    int compiled;
    char where[SUPPORT_PATH_MAX + 8];
    snprintf(where, sizeof where, "%s/f", dir);
    support_cache_open(&c, where, SN_CACHE_RW);
    for (int i = 0; i < 3; i++) {
        ck_assert(!support_cache_get(&c, i, &compiled) && compiled);
        support_folder_remove(where);
    }
    ck_assert(!support_cache_get(&c, 3, &compiled) && compiled);
    ck_assert_int_eq(support_folder_count(where, ".k1", NULL), 1);
    support_cache_close(&c);
}
END_TEST

/* Each allocation fails once, on the way to a miss and on the way to a hit. */
START_TEST(out_of_memory_anywhere) {
    for (int warm = 0; warm < 2; warm++) {
        int compiled, right = 0;
        for (int n = 1; !right; n++) {
            ck_assert_int_lt(n, 200);
            if (!warm) {
                support_folder_remove(dir);
                ck_assert_int_eq(mkdir(dir, 0700), 0);
            }
            support_cache_open(&c, dir, SN_CACHE_RW);
            c.alloc.fail_at = n;
            sn_status status = support_cache_get(&c, 1, &compiled);
            ck_assert(status == SN_OK || status == SN_ERR_NOMEM);
            right = !status && c.alloc.fail_at > 0;
            c.alloc.fail_at = 0;
            support_cache_close(&c);
            all_intact();
        }
        ck_assert_int_eq(compiled, !warm);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cache faults");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, killed_while_writing);
    tcase_add_test(t, many_processes_one_cold_key);
    tcase_add_test(t, two_threads_one_key);
    tcase_add_test(t, fork_before_and_after_use);
    tcase_add_test(t, host_closes_all_descriptors);
    tcase_add_test(t, folder_is_not_to_be_trusted);
    tcase_add_test(t, folder_is_a_file_or_dangles);
    tcase_add_test(t, folder_is_read_only);
    tcase_add_test(t, files_may_not_grow);
    tcase_add_test(t, disk_is_full);
    tcase_add_test(t, file_system_without_hard_links);
    tcase_add_test(t, home_is_unset);
    tcase_add_test(t, one_warning_is_enough);
    tcase_add_test(t, clock_goes_back);
    tcase_add_test(t, folder_vanishes_while_in_use);
    tcase_add_test(t, out_of_memory_anywhere);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return support_main(suite()); }
