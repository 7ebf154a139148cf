/* Matrix products: against a plain triple loop, for all layouts, odd and empty sizes and both types; equal to the bit
 * for any number of threads; and what is said where no library can be found. */
#define _GNU_SOURCE
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jit_cpu/blas.h"

static base_alloc alloc;
static base_log log_of_test;
static base_trap err;

static void ignore(void *user, sn_log_level level, const char *message) { (void)user, (void)level, (void)message; }

typedef struct {
    cpu_pool *pool;
    cpu_blas *blas;
} library;

static library library_of(int threads) {
    library l;
    base_alloc_init(&alloc, NULL);
    base_log_init(&log_of_test, ignore, NULL, SN_LOG_ERROR);
    ck_assert(!cpu_pool_new(&alloc, threads, NULL, &l.pool, &err));
    cpu_id id = cpu_id_read();
    ck_assert(!cpu_blas_new(&alloc, &log_of_test, l.pool, cpu_id_level(&id), &l.blas, &err));
    return l;
}

static void close_library(library l) {
    cpu_blas_free(l.blas);
    cpu_pool_free(l.pool);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}

static void open_blas(library l) { ck_assert_msg(!cpu_blas_open(l.blas, &err), "%s", err.text); }

static uint64_t random_state;
static double random_value(void) { /* in [-1, 1), 20 bits */
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(int64_t)(random_state >> 44) / (1 << 19) - 1;
}

static double get(sn_dtype dtype, const void *p, int64_t i) {
    return dtype == SN_F32 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static void *random_matrix(sn_dtype dtype, int64_t n) {
    void *p = malloc((size_t)n * 8 + 8);
    for (int64_t i = 0; i < n; i++) {
        if (dtype == SN_F32)
            ((float *)p)[i] = (float)random_value();
        else
            ((double *)p)[i] = random_value();
    }
    return p;
}

/* c starts as NaN: the product must not read it. Behind it stands a mark that must stay. */
static void compare(library l, sn_dtype dtype, int64_t m, int64_t n, int64_t k, int trans_a, int trans_b) {
    void *a = random_matrix(dtype, m * k), *b = random_matrix(dtype, k * n), *c = random_matrix(dtype, m * n + 1);
    for (int64_t i = 0; i < m * n; i++) {
        if (dtype == SN_F32)
            ((float *)c)[i] = NAN;
        else
            ((double *)c)[i] = NAN;
    }
    double mark = get(dtype, c, m * n);
    cpu_blas_gemm(l.blas, &(be_gemm){.dtype = dtype,
                                     .m = m,
                                     .n = n,
                                     .k = k,
                                     .trans_a = trans_a,
                                     .trans_b = trans_b,
                                     .a = a,
                                     .b = b,
                                     .c = c,
                                     .batch = 1});
    double epsilon = dtype == SN_F32 ? 0x1p-24 : 0x1p-53;
    int64_t step = m * n > 20000 ? 13 : 1; /* of large results every 13th element: they lie in all panels and columns */
    for (int64_t at = 0; at < m * n; at += step) {
        int64_t i = at / n, j = at % n;
        double sum = 0, magnitude = 0;
        for (int64_t x = 0; x < k; x++) {
            double term =
                get(dtype, a, trans_a ? x * m + i : i * k + x) * get(dtype, b, trans_b ? j * k + x : x * n + j);
            sum += term;
            magnitude += fabs(term);
        }
        /* k additions of at most this magnitude, each rounded once, whatever their order; twice, for our own sum */
        double bound = 2 * (double)k * epsilon * magnitude, is = get(dtype, c, i * n + j);
        ck_assert_msg(fabs(is - sum) <= bound, "%s m %d n %d k %d trans %d %d at [%d, %d]: %g, expected %g",
                      dtype == SN_F32 ? "f32" : "f64", (int)m, (int)n, (int)k, trans_a, trans_b, (int)i, (int)j, is,
                      sum);
    }
    ck_assert(get(dtype, c, m * n) == mark);
    free(a), free(b), free(c);
}

START_TEST(agrees_with_a_plain_loop) {
    static const int64_t sizes[][3] = {{1, 1, 1},    {2, 3, 4},      {17, 1, 5},   {1, 17, 5},      {5, 7, 1},
                                       {16, 16, 16}, {31, 33, 9},    {64, 10, 37}, {100, 101, 102}, {129, 65, 257},
                                       {3, 200, 50}, {200, 3, 50},   {0, 5, 3},    {5, 0, 3},       {4, 5, 0},
                                       {0, 0, 0},    {211, 397, 223}};
    library l = library_of(2);
    open_blas(l);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int trans = 0; trans < 4; trans++)
            for (int type = 0; type < 2; type++)
                compare(l, type ? SN_F64 : SN_F32, sizes[s][0], sizes[s][1], sizes[s][2], trans & 1, trans >> 1);
    close_library(l);
}
END_TEST

/* Shapes that are cut into several panels, by rows and by columns. */
static const int64_t cut_shapes[][3] = {{210, 405, 301}, {777, 100, 311}, {100, 777, 311},
                                        {448, 400, 301}, {2000, 32, 16},  {33, 1000, 32}};

START_TEST(panels_agree_with_a_plain_loop) {
    library l = library_of(3);
    open_blas(l);
    for (size_t s = 0; s < sizeof cut_shapes / sizeof *cut_shapes; s++) {
        const int64_t *e = cut_shapes[s];
        int by_rows;
        int64_t count;
        cpu_blas_panels(e[0], e[1], e[2], &by_rows, &count);
        ck_assert_int_gt(count, 1);
        ck_assert_int_eq(by_rows, e[0] > e[1]);
        for (int trans = 0; trans < 4; trans++)
            compare(l, trans & 1 ? SN_F32 : SN_F64, e[0], e[1], e[2], trans & 1, trans >> 1);
        compare(l, SN_F32, e[0], e[1], e[2], 0, 0);
    }
    close_library(l);
}
END_TEST

/* Each product of a batch has the bits that it has alone; nothing behind the last is written. */
START_TEST(batches) {
    static const int64_t shapes[][3] = {{33, 40, 35}, {400, 300, 200}, {3, 5, 0}, {1, 1, 7}};
    for (size_t s = 0; s < 4 * (sizeof shapes / sizeof *shapes); s++) {
        int64_t m = shapes[s / 4][0], n = shapes[s / 4][1], k = shapes[s / 4][2], batch = 5;
        sn_dtype dtype = s & 1 ? SN_F64 : SN_F32;
        size_t size = sn_dtype_size(dtype);
        void *a = random_matrix(dtype, batch * m * k), *b = random_matrix(dtype, batch * k * n);
        char *c = random_matrix(dtype, batch * m * n + 1), *one = random_matrix(dtype, m * n);
        double mark = get(dtype, c, batch * m * n);
        library l = library_of(3);
        open_blas(l);
        cpu_blas_gemm(l.blas, &(be_gemm){.dtype = dtype,
                                         .m = m,
                                         .n = n,
                                         .k = k,
                                         .trans_a = (int)s >> 1 & 1,
                                         .trans_b = (int)s & 1,
                                         .a = a,
                                         .b = b,
                                         .c = c,
                                         .batch = batch});
        for (int64_t i = 0; i < batch; i++) {
            const char *from_a = (const char *)a + (size_t)(i * m * k) * size;
            const char *from_b = (const char *)b + (size_t)(i * k * n) * size;
            cpu_blas_gemm(l.blas, &(be_gemm){.dtype = dtype,
                                             .m = m,
                                             .n = n,
                                             .k = k,
                                             .trans_a = (int)s >> 1 & 1,
                                             .trans_b = (int)s & 1,
                                             .a = from_a,
                                             .b = from_b,
                                             .c = one,
                                             .batch = 1});
            ck_assert_msg(!memcmp(c + (size_t)(i * m * n) * size, one, (size_t)(m * n) * size),
                          "product %d of shape %d", (int)i, (int)s);
        }
        ck_assert_double_eq(get(dtype, c, batch * m * n), mark);
        close_library(l);
        free(a), free(b), free(c), free(one);
    }
}
END_TEST

START_TEST(bits_do_not_depend_on_threads) {
    static const int threads[] = {1, 2, 3, 7};
    for (size_t s = 0; s < sizeof cut_shapes / sizeof *cut_shapes; s++)
        for (int type = 0; type < 2; type++) {
            int64_t m = cut_shapes[s][0], n = cut_shapes[s][1], k = cut_shapes[s][2];
            sn_dtype dtype = type ? SN_F64 : SN_F32;
            size_t bytes = (size_t)(m * n) * sn_dtype_size(dtype);
            void *a = random_matrix(dtype, m * k), *b = random_matrix(dtype, k * n), *c[4];
            for (size_t t = 0; t < 4; t++) {
                library l = library_of(threads[t]);
                open_blas(l);
                c[t] = malloc(bytes);
                cpu_blas_gemm(l.blas, &(be_gemm){.dtype = dtype,
                                                 .m = m,
                                                 .n = n,
                                                 .k = k,
                                                 .trans_a = (int)s & 1,
                                                 .trans_b = (int)s >> 1,
                                                 .a = a,
                                                 .b = b,
                                                 .c = c[t],
                                                 .batch = 1});
                ck_assert_msg(!memcmp(c[0], c[t], bytes), "%d threads", threads[t]);
                close_library(l);
            }
            for (size_t t = 0; t < 4; t++) free(c[t]);
            free(a), free(b);
        }
}
END_TEST

START_TEST(panels_cover_the_result) {
    for (int64_t extent = 1; extent < 500; extent++)
        for (int64_t count = 1; count <= 64; count *= 2) {
            ck_assert_int_eq(cpu_panel_start(extent, count, 0), 0);
            ck_assert_int_eq(cpu_panel_start(extent, count, count), extent);
            for (int64_t i = 0; i < count; i++)
                ck_assert_int_le(cpu_panel_start(extent, count, i), cpu_panel_start(extent, count, i + 1));
        }
    int by_rows;
    int64_t count;
    cpu_blas_panels(100000, 100000, 100000, &by_rows, &count);
    ck_assert_int_eq(count, 64);
    cpu_blas_panels(64, 64, 64, &by_rows, &count);
    ck_assert_int_eq(count, 1);
    cpu_blas_panels(2000, 16, 32, &by_rows, &count); /* little, but wide enough for two threads .. */
    ck_assert_int_eq(count, 2);
    cpu_blas_panels(500, 16, 32, &by_rows, &count); /* .. and what is no work for two */
    ck_assert_int_eq(count, 1);
    cpu_blas_panels(400, 100, 100, &by_rows, &count); /* narrow panels pack more than they gain */
    ck_assert_int_eq(count, 1);
}
END_TEST

typedef struct {
    library l;
    _Atomic int n, wrong;
} many;

enum { SIDE = 104, PRODUCTS = 3000 }; /* OpenBLAS has another way for less than 10^6 multiplications */

/* Small products, one after the other: what several threads share in the library is taken and given back all the time.
 * The numbers are small integers, so results are exact, and other ones for each thread. */
static void *multiply_often(void *arg) {
    many *job = arg;
    base_trap trap;
    int me = atomic_fetch_add(&job->n, 1);
    float a[SIDE * SIDE], b[SIDE * SIDE], c[SIDE * SIDE], expected[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) {
        a[i] = (float)((i * 7 + me * 13) % 11);
        b[i] = (float)((i * 5 + me * 3) % 7);
    }
    for (int i = 0; i < SIDE * SIDE; i++) {
        expected[i] = 0;
        for (int k = 0; k < SIDE; k++) expected[i] += a[i / SIDE * SIDE + k] * b[k * SIDE + i % SIDE];
    }
    if (cpu_blas_open(job->l.blas, &trap)) job->wrong++;
    for (int i = 0; i < PRODUCTS; i++) {
        cpu_blas_gemm(job->l.blas, &(be_gemm){.dtype = SN_F32,
                                              .m = SIDE,
                                              .n = SIDE,
                                              .k = SIDE,
                                              .trans_a = 0,
                                              .trans_b = 0,
                                              .a = a,
                                              .b = b,
                                              .c = c,
                                              .batch = 1});
        if (memcmp(c, expected, sizeof c)) job->wrong++;
    }
    return NULL;
}

/* On every library that can be opened, and in two contexts, which share it. */
static void multiply_on_many_threads(const char *path) {
    if (path) setenv("SINTER_BLAS", path, 1);
    many job = {.l = library_of(2)}, other = {.l = job.l};
    cpu_id id = cpu_id_read();
    ck_assert(!cpu_blas_new(&alloc, &log_of_test, job.l.pool, cpu_id_level(&id), &other.l.blas, &err));
    if (cpu_blas_open(job.l.blas, &err) == SN_OK) {
        pthread_t thread[6];
        for (int i = 0; i < 6; i++) ck_assert(!pthread_create(&thread[i], NULL, multiply_often, i % 2 ? &job : &other));
        for (int i = 0; i < 6; i++) pthread_join(thread[i], NULL);
        ck_assert_msg(!job.wrong && !other.wrong, "%s: %d of %d products are wrong", path ? path : "the usual library",
                      job.wrong + other.wrong, 6 * PRODUCTS);
    } else {
        ck_assert_ptr_nonnull(path);
    }
    cpu_blas_free(other.l.blas);
    close_library(job.l);
    unsetenv("SINTER_BLAS");
}

START_TEST(many_threads_open_and_multiply) {
    multiply_on_many_threads(NULL);
    multiply_on_many_threads("/usr/lib/x86_64-linux-gnu/openblas-serial/libopenblas.so.0");
    multiply_on_many_threads("/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0");
}
END_TEST

extern char **environ;

START_TEST(the_environment_stays_as_it_was) {
    char **before = environ;
    library l = library_of(1);
    open_blas(l);
    ck_assert_ptr_eq(environ, before);
    ck_assert_ptr_null(getenv("OPENBLAS_CORETYPE"));
    close_library(l);
}
END_TEST

START_TEST(says_what_was_tried) {
    char path[64] = "/tmp/sinter-not-a-library-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(
        (int)write(fd, "no ELF file at all, but long enough to be read as one, says the dynamic loader", 78), 78);
    close(fd);
    const char *bad[] = {"/no/such/dir/libblas.so", path, "libm.so.6"};
    for (int i = 0; i < 3; i++) {
        library l = library_of(1);
        setenv("SINTER_BLAS", bad[i], 1);
        ck_assert_int_eq(cpu_blas_open(l.blas, &err), SN_ERR_UNAVAILABLE);
        ck_assert_msg(strstr(err.text, bad[i]) && strstr(err.text, "SINTER_BLAS"), "%s", err.text);
        unsetenv("SINTER_BLAS");
        open_blas(l); /* a failure is not remembered */
        close_library(l);
    }
    unlink(path);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("blas");
    TCase *tc = tcase_create("blas");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, agrees_with_a_plain_loop);
    tcase_add_test(tc, panels_agree_with_a_plain_loop);
    tcase_add_test(tc, bits_do_not_depend_on_threads);
    tcase_add_test(tc, batches);
    tcase_add_test(tc, panels_cover_the_result);
    tcase_add_test(tc, many_threads_open_and_multiply);
    tcase_add_test(tc, the_environment_stays_as_it_was);
    tcase_add_test(tc, says_what_was_tried);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
