/* The CPU backend from a kernel's bytes to results: compiled, loaded by both loaders, run on any number of threads and
 * on a host's pool, under whatever floating-point mode the host has set. */
#define _GNU_SOURCE
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "backend/backend.h"
#include "ir/kernel_build.h"

static base_alloc alloc;
static base_log quiet;
static base_trap err;

static void ignore(void *user, sn_log_level level, const char *message) { (void)user, (void)level, (void)message; }

static be_device *open_device(int threads, const sn_pool *pool) {
    be_device *dev;
    base_alloc_init(&alloc, NULL);
    base_log_init(&quiet, ignore, NULL, SN_LOG_ERROR);
    be_options options = {.alloc = &alloc, .log = &quiet, .threads = threads, .pool = pool};
    ck_assert_msg(!be_cpu.open(&options, &dev, &err), "%s", err.text);
    return dev;
}

static void close_device(be_device *dev) {
    be_cpu.close(dev);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}

/* ---- a kernel with two parts, one of them through scratch -------------------------------------------------------- */

enum { X, Y, Z, ROW, N_MEM };
typedef struct {
    base_alloc alloc;
    base_trap trap;
    base_arena arena;
    kn_kernel *kernel;
    base_strbuf bytes;
} small;

/* y[i] = (x[i] * 3 in a row of scratch) + 1, i < N; z[j] = x[j] * x[j], j < M */
static void build_small(void *arg) {
    small *s = arg;
    kn_build b;
    kn_build_init(&b, &s->arena);
    b.n_dim = 2;
    kn_id i = kn_add_axis(&b, KN_POINT, KN_D(0)), j = kn_add_axis(&b, KN_POINT, KN_D(1));
    kn_access at[N_MEM];
    at[X] = kn_access_of(kn_add_mem(&b, KN_IN, SN_F32, KN_D(0), "x"));
    at[Y] = kn_access_of(kn_add_mem(&b, KN_OUT, SN_F32, KN_D(0), "y"));
    at[Z] = kn_access_of(kn_add_mem(&b, KN_OUT, SN_F32, KN_D(1), "z"));
    at[ROW] = kn_access_of(kn_add_mem(&b, KN_ROW, SN_F32, KN_C(16), "row"));
    kn_access x_of_j = at[X];
    kn_access_step(&at[X], i, KN_C(1));
    kn_access_step(&at[Y], i, KN_C(1));
    kn_access_step(&at[ROW], i, KN_C(1));
    kn_access_step(&at[Z], j, KN_C(1));
    kn_access_step(&x_of_j, j, KN_C(1));
    kn_part_begin(&b, 1, &i, 16, 2, 64);
    kn_phase_begin(&b, 0, 0, NULL, i, 16, 1);
    kn_store(&b, at[ROW], kn_prim2(&b, KP_MUL, SN_F32, kn_load(&b, SN_F32, at[X]), kn_const_f(&b, SN_F32, 3)));
    kn_phase_end(&b);
    kn_phase_begin(&b, 0, 0, NULL, i, 16, 1);
    kn_store(&b, at[Y], kn_prim2(&b, KP_ADD, SN_F32, kn_load(&b, SN_F32, at[ROW]), kn_const_f(&b, SN_F32, 1)));
    kn_phase_end(&b);
    kn_part_end(&b);
    kn_part_begin(&b, 1, &j, 8, 1, 50);
    kn_phase_begin(&b, 0, 0, NULL, j, 8, 1);
    kn_id x = kn_load(&b, SN_F32, x_of_j);
    kn_store(&b, at[Z], kn_prim2(&b, KP_MUL, SN_F32, x, x));
    kn_phase_end(&b);
    kn_part_end(&b);
    s->kernel = kn_build_finish(&b);
    kn_encode(s->kernel, &s->bytes);
}

static void make_small(small *s) {
    char text[256];
    memset(s, 0, sizeof *s);
    base_alloc_init(&s->alloc, NULL);
    base_arena_init(&s->arena, &s->alloc, &s->trap);
    base_strbuf_init(&s->bytes, &s->alloc);
    ck_assert_msg(!base_protect(&s->trap, build_small, s), "%s", s->trap.text);
    const char *wrong = kn_verify(s->kernel, text);
    ck_assert_msg(!wrong, "%s", wrong);
}

static void free_small(small *s) {
    base_strbuf_free(&s->bytes);
    base_arena_free(&s->arena);
    ck_assert_uint_eq(s->alloc.live_bytes, 0);
}

static be_exec *compile(be_device *dev, const small *s) {
    be_blob blob;
    be_exec *exec;
    ck_assert_msg(!be_cpu.compile(dev, s->bytes.at, s->bytes.n, &blob, &err), "%s", err.text);
    ck_assert_msg(!be_cpu.load(dev, s->kernel, blob.at, blob.n, "small", &exec, &err), "%s", err.text);
    base_free(&alloc, blob.at, blob.n);
    return exec;
}

/* Runs with x[i] = scale * (i + 1) and compares; ns decides about threads. */
static void run_and_compare(be_device *dev, be_exec *exec, const small *s, int64_t n, int64_t m, float scale,
                            double ns) {
    size_t bytes = (size_t)n * sizeof(float) + 64;
    float *x = be_cpu.alloc(dev, bytes), *y = be_cpu.alloc(dev, bytes), *z = be_cpu.alloc(dev, bytes);
    for (int64_t i = 0; i < n; i++) x[i] = scale * (float)(i + 1), y[i] = z[i] = -7;
    int64_t dims[] = {n, m}, chunks[] = {kn_chunks(s->kernel, 0, dims), kn_chunks(s->kernel, 1, dims)};
    void *mem[] = {x, y, z, NULL};
    size_t scratch = (size_t)kn_scratch_bytes(s->kernel, dims);
    ck_assert(!be_cpu.reserve(dev, scratch, &err));
    be_cpu.launch(dev, exec, &(kn_launch){.mem = mem, .dim = dims}, chunks, scratch, ns);
    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(y[i] == scale * (float)(i + 1) * 3 + 1, "y[%d] = %g of %d", (int)i, (double)y[i], (int)n);
        float square = scale * (float)(i + 1) * (scale * (float)(i + 1));
        ck_assert_msg(z[i] == (i < m ? square : -7.0f), "z[%d] = %g of %d", (int)i, (double)z[i], (int)m);
    }
    be_cpu.free(dev, x, bytes);
    be_cpu.free(dev, y, bytes);
    be_cpu.free(dev, z, bytes);
}

static void backwards(void *user, int64_t n, void (*body)(void *arg, int64_t i), void *arg) {
    ++*(int *)user;
    while (n--) body(arg, n);
}

static void with_all_threads(void) {
    static const int threads[] = {1, 2, 3, 7, 0};
    int calls = 0;
    sn_pool host = {backwards, &calls};
    small s;
    make_small(&s);
    for (size_t t = 0; t <= 5; t++) {
        be_device *dev = open_device(t < 5 ? threads[t] : 4, t < 5 ? NULL : &host);
        be_exec *exec = compile(dev, &s);
        for (int64_t n = 1; n < 3000; n = n * 2 + 3) {
            run_and_compare(dev, exec, &s, n, n / 2, 1, 1e9);
            run_and_compare(dev, exec, &s, n, n, 1, 10);
        }
        be_cpu.unload(dev, exec);
        be_cpu.unload(dev, NULL);
        close_device(dev);
    }
    ck_assert_int_gt(calls, 5);
    free_small(&s);
}

START_TEST(runs_on_any_number_of_threads) { with_all_threads(); }
END_TEST

START_TEST(runs_linked_by_orc) {
    setenv("SINTER_LOADER", "orc", 1);
    with_all_threads();
    unsetenv("SINTER_LOADER");
}
END_TEST

#if defined(__x86_64__)
/* Flush-to-zero, denormals-are-zero, rounding up: the host's business, and left as it was. */
START_TEST(ignores_and_keeps_the_floating_point_mode) {
    small s;
    make_small(&s);
    be_device *dev = open_device(3, NULL);
    be_exec *exec = compile(dev, &s);
    float x[64], y[64], z[64], expected[64];
    int64_t dims[] = {64, 64}, chunks[] = {kn_chunks(s.kernel, 0, dims), kn_chunks(s.kernel, 1, dims)};
    void *mem[] = {x, y, z, NULL};
    for (int i = 0; i < 64; i++) {
        x[i] = (float)(i + 1) * 0x1.23456p-66f; /* squares are subnormal and have to be rounded */
        expected[i] = x[i] * x[i];
        ck_assert(expected[i] > 0);
    }
    ck_assert(!be_cpu.reserve(dev, 4096, &err));
    for (int split = 0; split < 2; split++) {
        unsigned before = _mm_getcsr();
        _mm_setcsr(0xdfc0u);
        be_cpu.launch(dev, exec, &(kn_launch){.mem = mem, .dim = dims}, chunks, 4096, split ? 1e9 : 0);
        unsigned after = _mm_getcsr();
        _mm_setcsr(before);
        ck_assert_uint_eq(after, 0xdfc0u);
        ck_assert_mem_eq(z, expected, sizeof z);
    }
    be_cpu.unload(dev, exec);
    close_device(dev);
    free_small(&s);
}
END_TEST
#endif

typedef struct {
    be_device *dev;
    be_exec *exec;
    const small *s;
} launcher;

static void *launch_often(void *arg) {
    const launcher *l = arg;
    for (int i = 0; i < 40; i++) run_and_compare(l->dev, l->exec, l->s, 700 + i, 300, (float)i, i % 2 ? 1e9 : 0);
    return NULL;
}

START_TEST(several_host_threads_launch) {
    small s;
    make_small(&s);
    be_device *dev = open_device(2, NULL);
    launcher l = {dev, compile(dev, &s), &s};
    pthread_t thread[6];
    for (int i = 0; i < 6; i++) ck_assert(!pthread_create(&thread[i], NULL, launch_often, &l));
    for (int i = 0; i < 6; i++) pthread_join(thread[i], NULL);
    be_cpu.unload(dev, l.exec);
    close_device(dev);
    free_small(&s);
}
END_TEST

START_TEST(prints_code) {
    small s;
    make_small(&s);
    be_device *dev = open_device(1, NULL);
    base_strbuf text;
    base_strbuf_init(&text, &alloc);
    ck_assert(!be_cpu.text(dev, s.bytes.at, s.bytes.n, "llvm", &text, &err));
    ck_assert_ptr_nonnull(strstr(text.at, "define void @sk_"));
    base_strbuf_free(&text);
    ck_assert(!be_cpu.text(dev, s.bytes.at, s.bytes.n, "asm", &text, &err));
    ck_assert_ptr_nonnull(strstr(text.at, "vmulps"));
    base_strbuf_free(&text);
    ck_assert_int_eq(be_cpu.text(dev, s.bytes.at, s.bytes.n, "poem", &text, &err), SN_ERR_ARGUMENT);
    close_device(dev);
    free_small(&s);
}
END_TEST

START_TEST(same_kernel_same_object) {
    small s;
    make_small(&s);
    be_device *dev = open_device(1, NULL);
    be_blob a, b;
    ck_assert(!be_cpu.compile(dev, s.bytes.at, s.bytes.n, &a, &err));
    ck_assert(!be_cpu.compile(dev, s.bytes.at, s.bytes.n, &b, &err));
    ck_assert_uint_eq(a.n, b.n);
    ck_assert_mem_eq(a.at, b.at, a.n);
    /* Every cut and a flip of every byte of a real object: loaded or refused. Flips may give other code: never run. */
    unsigned char *copy = malloc(a.n);
    be_exec *exec;
    for (size_t i = 0; i < a.n; i++) {
        memcpy(copy, a.at, a.n);
        copy[i] ^= (unsigned char)(1 + i % 255);
        if (!be_cpu.load(dev, s.kernel, copy, a.n, "flipped", &exec, &err)) be_cpu.unload(dev, exec);
        ck_assert_int_eq(be_cpu.load(dev, s.kernel, a.at, i, "cut", &exec, &err), SN_ERR_PARSE);
    }
    free(copy);
    base_free(&alloc, a.at, a.n);
    base_free(&alloc, b.at, b.n);
    close_device(dev);
    free_small(&s);
}
END_TEST

START_TEST(survives_running_out_of_memory_anywhere) {
    small s;
    make_small(&s);
    base_alloc_init(&alloc, NULL);
    base_log_init(&quiet, ignore, NULL, SN_LOG_ERROR);
    for (int n = 1, done = 0; !done; n++) {
        be_options options = {.alloc = &alloc, .log = &quiet, .threads = 2};
        be_device *dev = NULL;
        be_exec *exec = NULL;
        be_blob blob = {0};
        alloc.fail_at = n;
        sn_status status = be_cpu.open(&options, &dev, &err);
        if (!status) status = be_cpu.compile(dev, s.bytes.at, s.bytes.n, &blob, &err);
        if (!status) status = be_cpu.load(dev, s.kernel, blob.at, blob.n, "small", &exec, &err);
        if (!status) status = be_cpu.reserve(dev, 100, &err);
        ck_assert_msg(status == SN_OK || status == SN_ERR_NOMEM, "%d: %s", n, err.text);
        done = alloc.fail_at > 0; /* fewer allocations than that: none failed */
        alloc.fail_at = 0;
        if (dev) be_cpu.unload(dev, exec);
        base_free(&alloc, blob.at, blob.n);
        be_cpu.close(dev);
        ck_assert_uint_eq(alloc.live_bytes, 0);
        ck_assert_int_lt(n, 1000);
    }
    free_small(&s);
}
END_TEST

START_TEST(settings_that_make_no_sense_are_refused) {
    static const struct {
        const char *name, *value, *word;
        sn_status status;
    } wrong[] = {{"SINTER_CPU", "v9", "'v9'", SN_ERR_ARGUMENT},
                 {"SINTER_CPU", "v2", "x86-64-v2", SN_ERR_UNSUPPORTED},
                 {"SINTER_LOADER", "gold", "'gold'", SN_ERR_ARGUMENT}};
    base_alloc_init(&alloc, NULL);
    be_options options = {.alloc = &alloc, .log = &quiet};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        be_device *dev;
        setenv(wrong[i].name, wrong[i].value, 1);
        ck_assert_int_eq(be_cpu.open(&options, &dev, &err), wrong[i].status);
        ck_assert_ptr_null(dev);
        ck_assert_msg(strstr(err.text, wrong[i].word) != NULL, "%s", err.text);
        unsetenv(wrong[i].name);
    }
    setenv("SINTER_CPU", "v3", 1);
    be_device *dev = open_device(1, NULL);
    ck_assert_ptr_nonnull(strstr(be_cpu.target(dev), "x86-64-v3;"));
    close_device(dev);
    unsetenv("SINTER_CPU");
}
END_TEST

START_TEST(a_missing_compiler_is_an_error) {
    small s;
    be_blob blob;
    char *path = getenv("SINTER_LLVM") ? strdup(getenv("SINTER_LLVM")) : NULL;
    make_small(&s);
    be_device *dev = open_device(1, NULL);
    setenv("SINTER_LLVM", "/no/such/plugin.so", 1);
    ck_assert_int_eq(be_cpu.compile(dev, s.bytes.at, s.bytes.n, &blob, &err), SN_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "/no/such/plugin.so"));
    ck_assert_ptr_null(blob.at);
    setenv("SINTER_LLVM", "libm.so.6", 1);
    ck_assert_int_eq(be_cpu.compile(dev, s.bytes.at, s.bytes.n, &blob, &err), SN_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "sinter_llvm_compile"));
    if (path) {
        setenv("SINTER_LLVM", path, 1);
        be_cpu.unload(dev, compile(dev, &s)); /* a failure is not remembered */
    }
    close_device(dev);
    free(path);
    free_small(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cpu");
    TCase *tc = tcase_create("cpu");
    be_device *dev;
    base_alloc_init(&alloc, NULL);
    base_log_init(&quiet, ignore, NULL, SN_LOG_ERROR);
    sn_status status = be_cpu.open(&(be_options){.alloc = &alloc, .log = &quiet}, &dev, &err);
    be_cpu.close(dev);
    if (status == SN_ERR_UNSUPPORTED) {
        printf("no test of compiled kernels: %s\n", err.text);
        return 0;
    }
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, runs_on_any_number_of_threads);
    tcase_add_test(tc, runs_linked_by_orc);
#if defined(__x86_64__)
    tcase_add_test(tc, ignores_and_keeps_the_floating_point_mode);
#endif
    tcase_add_test(tc, several_host_threads_launch);
    tcase_add_test(tc, prints_code);
    tcase_add_test(tc, same_kernel_same_object);
    tcase_add_test(tc, survives_running_out_of_memory_anywhere);
    tcase_add_test(tc, settings_that_make_no_sense_are_refused);
    tcase_add_test(tc, a_missing_compiler_is_an_error);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
