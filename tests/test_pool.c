/* The thread pool, scratch memory and the count of processors. Built with -fsanitize=thread this is the stress test of
 * the pool's protocol. */
#define _GNU_SOURCE
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jit_cpu/cores.h"
#include "jit_cpu/cpuid.h"
#include "jit_cpu/pool.h"
#include "jit_cpu/scratch.h"

/* ThreadSanitizer does not support threads in the forked child of a process with threads. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#endif

static base_alloc alloc;
static base_trap err;

static cpu_pool *pool_of(int threads, const sn_pool *host) {
    cpu_pool *pool;
    base_alloc_init(&alloc, NULL);
    ck_assert(!cpu_pool_new(&alloc, threads, host, &pool, &err));
    return pool;
}

static void close_pool(cpu_pool *pool) {
    cpu_pool_free(pool);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}

/* Each index counts itself, without atomics: two runs of one index at the same time are a race that TSan sees. */
static void count(void *arg, int64_t i) { ((int *)arg)[i]++; }

static void each_index_once(cpu_pool *pool, int64_t n) {
    int *seen = calloc((size_t)n + 1, sizeof *seen);
    cpu_pool_for(pool, CPU_ALL, n, count, seen);
    for (int64_t i = 0; i < n; i++) ck_assert_int_eq(seen[i], 1);
    ck_assert_int_eq(seen[n], 0);
    free(seen);
}

START_TEST(runs_each_index_once) {
    static const int threads[] = {1, 2, 3, 7};
    for (size_t t = 0; t < 4; t++) {
        cpu_pool *pool = pool_of(threads[t], NULL);
        ck_assert_int_eq(cpu_pool_threads(pool), threads[t]);
        for (int64_t n = 0; n < 40; n++) each_index_once(pool, n);
        each_index_once(pool, 10007);
        close_pool(pool);
    }
}
END_TEST

typedef struct {
    pthread_t thread[64];
    _Atomic int n;
    _Atomic int blocked;
} visitors;

static void visit(void *arg, int64_t i) {
    visitors *v = arg;
    sigset_t mask;
    (void)i;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (sigismember(&mask, SIGTERM) && sigismember(&mask, SIGALRM)) atomic_fetch_add(&v->blocked, 1);
    v->thread[atomic_fetch_add(&v->n, 1)] = pthread_self();
    while (atomic_load(&v->n) < 4) sched_yield(); /* all four threads take part, or this hangs */
}

START_TEST(all_threads_take_part_and_block_signals) {
    cpu_pool *pool = pool_of(4, NULL);
    for (int round = 0; round < 20; round++) {
        visitors v = {.n = 0};
        cpu_pool_for(pool, CPU_ALL, 4, visit, &v);
        ck_assert_int_eq(v.blocked, 3); /* all but this thread */
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < i; k++) ck_assert(!pthread_equal(v.thread[i], v.thread[k]));
        if (round % 4 == 0) usleep(2000); /* let the workers fall asleep */
    }
    close_pool(pool);
}
END_TEST

typedef struct {
    cpu_pool *pool;
    int64_t sum[64];
} nested;

static void add_inner(void *arg, int64_t i) { atomic_fetch_add((_Atomic int64_t *)arg, i); }

static void outer(void *arg, int64_t i) {
    nested *job = arg;
    _Atomic int64_t sum = 0;
    cpu_pool_for(job->pool, CPU_ALL, 100, add_inner, &sum);
    job->sum[i] = sum;
}

START_TEST(nested_use_runs_on_the_caller) {
    cpu_pool *pool = pool_of(3, NULL);
    nested job = {.pool = pool};
    cpu_pool_for(pool, CPU_ALL, 64, outer, &job);
    for (int i = 0; i < 64; i++) ck_assert_int_eq(job.sum[i], 4950);
    close_pool(pool);
}
END_TEST

static void *concurrent_caller(void *arg) {
    int seen[257];
    for (int round = 0; round < 400; round++) {
        memset(seen, 0, sizeof seen);
        int64_t n = 1 + round % 256;
        cpu_pool_for(arg, CPU_ALL, n, count, seen);
        for (int64_t i = 0; i < 257; i++)
            if (seen[i] != (i < n)) return (void *)1;
    }
    return NULL;
}

START_TEST(several_callers_at_once) {
    cpu_pool *pool = pool_of(3, NULL);
    pthread_t thread[5];
    for (int i = 0; i < 5; i++) ck_assert(!pthread_create(&thread[i], NULL, concurrent_caller, pool));
    ck_assert_ptr_null(concurrent_caller(pool));
    for (int i = 0; i < 5; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        ck_assert_ptr_null(failed);
    }
    close_pool(pool);
}
END_TEST

START_TEST(many_short_jobs) {
    cpu_pool *pool = pool_of(4, NULL);
    int seen[8];
    for (int round = 0; round < 20000; round++) {
        memset(seen, 0, sizeof seen);
        cpu_pool_for(pool, CPU_ALL, 8, count, seen);
        for (int i = 0; i < 8; i++) ck_assert_int_eq(seen[i], 1);
    }
    close_pool(pool);
}
END_TEST

/* The child has no workers; it makes its own, and does not wait for the parent's when it closes the pool. */
#ifndef UNDER_TSAN
START_TEST(works_in_a_forked_child) {
    cpu_pool *pool = pool_of(4, NULL);
    for (int round = 0; round < 5; round++) {
        each_index_once(pool, 100);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (!child) {
            alarm(20);
            visitors v = {.n = 0};
            if (round % 2) cpu_pool_for(pool, CPU_ALL, 4, visit, &v);
            int seen[101] = {0}, wrong = round % 2 && v.n != 4;
            cpu_pool_for(pool, CPU_ALL, 100, count, seen);
            for (int i = 0; i < 100; i++) wrong |= seen[i] != 1;
            cpu_pool_free(pool);
            _exit(wrong);
        }
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    each_index_once(pool, 100);
    close_pool(pool);
}
END_TEST
#endif

START_TEST(a_child_that_never_uses_the_pool_may_close_it) {
    cpu_pool *pool = pool_of(3, NULL);
    each_index_once(pool, 100);
    pid_t child = fork();
    if (!child) {
        alarm(20);
        cpu_pool_free(pool);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close_pool(pool);
}
END_TEST

static void backwards(void *user, int64_t n, void (*body)(void *arg, int64_t i), void *arg) {
    ++*(int *)user;
    while (n--) body(arg, n);
}

START_TEST(a_host_pool_gets_the_work) {
    int calls = 0;
    cpu_pool *pool = pool_of(3, &(sn_pool){backwards, &calls});
    each_index_once(pool, 50);
    each_index_once(pool, 1);
    each_index_once(pool, 0);
    ck_assert_int_eq(calls, 1);
    close_pool(pool);
}
END_TEST

/* Each index waits until there are as many threads as indices: then nobody has time to take another's. */
typedef struct {
    pthread_t by[3];
    _Atomic int n;
} shares;

static void note_thread(void *arg, int64_t i) {
    shares *s = arg;
    s->by[i] = pthread_self();
    atomic_fetch_add(&s->n, 1);
    while (atomic_load(&s->n) < 3) sched_yield();
}

START_TEST(threads_keep_their_shares) {
    cpu_pool *pool = pool_of(3, NULL);
    shares first = {.n = 0};
    cpu_pool_for(pool, CPU_ALL, 3, note_thread, &first);
    ck_assert(pthread_equal(first.by[0], pthread_self()));
    for (int round = 0; round < 200; round++) {
        shares s = {.n = 0};
        if (round % 20 == 0) usleep(1000); /* some asleep, some awake */
        each_index_once(pool, 5);
        cpu_pool_for(pool, CPU_ALL, 3, note_thread, &s);
        for (int i = 0; i < 3; i++) ck_assert(pthread_equal(s.by[i], first.by[i]));
    }
    close_pool(pool);
}
END_TEST

/* Very short work is for the caller, long work for everybody. Short work wakes workers more and more seldom while that
 * leads to nothing: here nobody ever publishes a job. */
START_TEST(who_takes_part) {
    cpu_pool *pool = pool_of(1, NULL);
    ck_assert_int_eq(cpu_pool_crew(pool, 1e9), CPU_ALONE);
    close_pool(pool);
    int calls = 0;
    pool = pool_of(2, &(sn_pool){backwards, &calls});
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(cpu_pool_crew(pool, 1e5), CPU_ALONE);
    ck_assert_int_eq(cpu_pool_crew(pool, 1e6), CPU_ALL);
    int seen[10] = {0};
    cpu_pool_for(pool, CPU_ALONE, 10, count, seen);
    ck_assert_int_eq(calls, 0);
    close_pool(pool);

    pool = pool_of(2, NULL);
    ck_assert_int_eq(cpu_pool_crew(pool, 1e6), CPU_ALL);
    int all = 0;
    for (int i = 0; i < 100000; i++) {
        ck_assert_int_eq(cpu_pool_crew(pool, 1e3), CPU_ALONE);
        cpu_crew crew = cpu_pool_crew(pool, 5e4);
        ck_assert(crew != CPU_AWAKE);
        all += crew == CPU_ALL;
    }
    ck_assert_int_ge(all, 5);
    ck_assert_int_le(all, 20);
    close_pool(pool);
}
END_TEST

/* Short jobs one after the other find workers awake sooner or later, unless there is no processor for them. */
START_TEST(short_jobs_find_workers_awake) {
    cpu_pool *pool = pool_of(2, NULL);
    int awake = 0;
    for (int i = 0; i < 200000 && awake < 100; i++) {
        int seen[64] = {0};
        cpu_crew crew = cpu_pool_crew(pool, 1e5);
        awake += crew == CPU_AWAKE;
        cpu_pool_for(pool, crew, 64, count, seen);
        for (int k = 0; k < 64; k++) ck_assert_int_eq(seen[k], 1);
    }
    ck_assert_int_gt(awake, 0);
    close_pool(pool);
}
END_TEST

START_TEST(closing_an_unused_pool) {
    close_pool(pool_of(5, NULL));
    close_pool(pool_of(0, NULL));
    cpu_pool_free(NULL);
    cpu_pool *pool;
    base_alloc_init(&alloc, NULL);
    alloc.fail_at = 1;
    ck_assert_int_eq(cpu_pool_new(&alloc, 2, NULL, &pool, &err), SN_ERR_NOMEM);
    ck_assert_ptr_null(pool);
}
END_TEST

/* ---- scratch ----------------------------------------------------------------------------------------------------- */

typedef struct {
    cpu_scratch *scratch;
    size_t bytes;
    _Atomic int wrong;
} scratch_user;

static void *use_scratch(void *arg) {
    scratch_user *u = arg;
    for (int round = 0; round < 300; round++) {
        int slot;
        unsigned char *at = cpu_scratch_take(u->scratch, &slot), mark = (unsigned char)(uintptr_t)&slot;
        if ((uintptr_t)at % 64) u->wrong = 1;
        memset(at, mark, u->bytes);
        if (round % 7 == 0) sched_yield();
        for (size_t i = 0; i < u->bytes; i += 61)
            if (at[i] != mark) u->wrong = 1;
        cpu_scratch_give(u->scratch, slot);
    }
    return NULL;
}

static void *grow_scratch(void *arg) {
    scratch_user *u = arg;
    base_trap trap;
    for (size_t n = 1000; n < 200000; n += 1000)
        if (cpu_scratch_reserve(u->scratch, n, &trap)) u->wrong = 1;
    return NULL;
}

/* More threads than slots, while another makes the slots grow. */
START_TEST(scratch_belongs_to_one_thread) {
    cpu_scratch *scratch;
    base_alloc_init(&alloc, NULL);
    ck_assert(!cpu_scratch_new(&alloc, 3, &scratch, &err));
    ck_assert(!cpu_scratch_reserve(scratch, 5000, &err));
    scratch_user u = {.scratch = scratch, .bytes = 5000};
    pthread_t thread[7];
    for (int i = 0; i < 7; i++) ck_assert(!pthread_create(&thread[i], NULL, i < 6 ? use_scratch : grow_scratch, &u));
    for (int i = 0; i < 7; i++) pthread_join(thread[i], NULL);
    ck_assert_int_eq(u.wrong, 0);
    u.bytes = 199000;
    use_scratch(&u);
    ck_assert_int_eq(u.wrong, 0);
    cpu_scratch_free(scratch);
    cpu_scratch_free(NULL);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}
END_TEST

START_TEST(scratch_that_cannot_grow_keeps_its_size) {
    cpu_scratch *scratch;
    int slot;
    base_alloc_init(&alloc, NULL);
    ck_assert(!cpu_scratch_new(&alloc, 2, &scratch, &err));
    ck_assert(!cpu_scratch_reserve(scratch, 100, &err));
    alloc.fail_at = 2;
    ck_assert_int_eq(cpu_scratch_reserve(scratch, 100000, &err), SN_ERR_NOMEM);
    ck_assert_int_eq(cpu_scratch_reserve(scratch, 100, &err), SN_OK);
    for (int i = 0; i < 2; i++) memset(cpu_scratch_take(scratch, &slot), 1, 100);
    cpu_scratch_give(scratch, 0);
    cpu_scratch_give(scratch, 1);
    alloc.fail_at = 0;
    ck_assert_int_eq(cpu_scratch_reserve(scratch, 100000, &err), SN_OK);
    memset(cpu_scratch_take(scratch, &slot), 1, 100000);
    cpu_scratch_give(scratch, slot);
    cpu_scratch_free(scratch);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}
END_TEST

/* ---- processors -------------------------------------------------------------------------------------------------- */

static char root[64];

static void write_file(const char *name, const char *content) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(path, 0700);
    }
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(content, f);
    fclose(f);
}

static int quota(const char *membership) {
    char path[256];
    write_file("membership", membership);
    snprintf(path, sizeof path, "%s/membership", root);
    return cpu_cores_quota(path, root);
}

START_TEST(quota_of_cgroups) {
    strcpy(root, "/tmp/sinter-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_int_eq(quota("0::/none/such\n"), 0);
    write_file("a/b/cpu.max", "max 100000\n");
    ck_assert_int_eq(quota("0::/a/b\n"), 0);
    write_file("a/b/cpu.max", "250000 100000\n");
    ck_assert_int_eq(quota("0::/a/b\n"), 3);
    ck_assert_int_eq(quota("0::/a/b/c\n"), 3);
    ck_assert_int_eq(quota("0::/a\n"), 0);
    write_file("a/cpu.max", "100000 100000\n");
    ck_assert_int_eq(quota("0::/a/b\n"), 1);
    write_file("a/cpu.max", "rubbish\n");
    ck_assert_int_eq(quota("0::/a/b\n"), 3);
    write_file("a/cpu.max", "100 0\n");
    ck_assert_int_eq(quota("0::/a\n"), 0);
    write_file("cpu.max", "50000 100000\n"); /* as a container sees its own group */
    ck_assert_int_eq(quota("0::/far/away\n"), 1);
    write_file("cpu.max", "max 100000\n");
    write_file("cpu,cpuacct/d/cpu.cfs_quota_us", "400000\n");
    write_file("cpu,cpuacct/d/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(quota("12:memory:/d\n3:cpu,cpuacct:/d\n"), 4);
    ck_assert_int_eq(quota("3:cpuset,cpuacct:/d\n"), 0);
    write_file("cpu,cpuacct/d/cpu.cfs_quota_us", "-1\n");
    ck_assert_int_eq(quota("3:cpu,cpuacct:/d\n"), 0);
    write_file("cpu/cpu.cfs_quota_us", "200000\n");
    write_file("cpu/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(quota("3:cpu,cpuacct:/d\n"), 2);
    ck_assert_int_eq(quota("rubbish\n:\n::\n0::/a/b\n"), 3);
    ck_assert_int_eq(quota(""), 0);
    ck_assert_int_eq(cpu_cores_quota("/no/such/file", root), 0);
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(affinity_counts) {
    cpu_set_t all, one;
    int cores = cpu_cores();
    ck_assert_int_ge(cores, 1);
    ck_assert(!sched_getaffinity(0, sizeof all, &all));
    ck_assert_int_le(cores, CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    ck_assert(!sched_setaffinity(0, sizeof one, &one));
    ck_assert_int_eq(cpu_cores(), 1);
    sched_setaffinity(0, sizeof all, &all);
}
END_TEST

START_TEST(levels_count_each_feature) {
    const cpu_id v4 = {.leaf1_ecx = 0x7ffafbff, .leaf7_ebx = 0xd39ffffb, .ext1_ecx = 0x121, .xcr0 = 0xe7};
    ck_assert_int_eq(cpu_id_level(&v4), CPU_V4);
    static const struct {
        int word, bit;
        cpu_level left;
    } without[] = {{0, 0, CPU_V1},  {0, 13, CPU_V1}, {0, 23, CPU_V1}, {0, 12, CPU_V2}, {0, 22, CPU_V2}, {0, 27, CPU_V2},
                   {0, 28, CPU_V2}, {0, 29, CPU_V2}, {1, 3, CPU_V2},  {1, 5, CPU_V2},  {1, 8, CPU_V2},  {1, 16, CPU_V3},
                   {1, 17, CPU_V3}, {1, 28, CPU_V3}, {1, 30, CPU_V3}, {1, 31, CPU_V3}, {2, 0, CPU_V1},  {2, 5, CPU_V2},
                   {3, 1, CPU_V2},  {3, 2, CPU_V2},  {3, 5, CPU_V3},  {3, 6, CPU_V3},  {3, 7, CPU_V3}};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        cpu_id id = v4;
        uint32_t bit = (uint32_t)1 << without[i].bit;
        switch (without[i].word) {
            case 0: id.leaf1_ecx &= ~bit; break;
            case 1: id.leaf7_ebx &= ~bit; break;
            case 2: id.ext1_ecx &= ~bit; break;
            default: id.xcr0 &= ~(uint64_t)bit;
        }
        ck_assert_int_eq(cpu_id_level(&id), without[i].left);
    }
    ck_assert_int_eq(cpu_id_level(&(cpu_id){0}), CPU_V1);
    cpu_level level;
    ck_assert(!cpu_level_choose(CPU_V4, NULL, &level, &err) && level == CPU_V4);
    ck_assert(!cpu_level_choose(CPU_V4, "v3", &level, &err) && level == CPU_V3);
    ck_assert_int_eq(cpu_level_choose(CPU_V3, "v4", &level, &err), SN_ERR_ARGUMENT);
    ck_assert_int_eq(cpu_level_choose(CPU_V4, "avx", &level, &err), SN_ERR_ARGUMENT);
    ck_assert_int_eq(cpu_level_choose(CPU_V2, NULL, &level, &err), SN_ERR_UNSUPPORTED);
    ck_assert_int_eq(cpu_level_choose(CPU_V4, "v2", &level, &err), SN_ERR_UNSUPPORTED);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pool");
    TCase *tc = tcase_create("pool");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, runs_each_index_once);
    tcase_add_test(tc, all_threads_take_part_and_block_signals);
    tcase_add_test(tc, nested_use_runs_on_the_caller);
    tcase_add_test(tc, threads_keep_their_shares);
    tcase_add_test(tc, who_takes_part);
    tcase_add_test(tc, short_jobs_find_workers_awake);
    tcase_add_test(tc, several_callers_at_once);
    tcase_add_test(tc, many_short_jobs);
#ifndef UNDER_TSAN
    tcase_add_test(tc, works_in_a_forked_child);
#endif
    tcase_add_test(tc, a_child_that_never_uses_the_pool_may_close_it);
    tcase_add_test(tc, a_host_pool_gets_the_work);
    tcase_add_test(tc, closing_an_unused_pool);
    tcase_add_test(tc, scratch_belongs_to_one_thread);
    tcase_add_test(tc, scratch_that_cannot_grow_keeps_its_size);
    tcase_add_test(tc, quota_of_cgroups);
    tcase_add_test(tc, affinity_counts);
    tcase_add_test(tc, levels_count_each_feature);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
