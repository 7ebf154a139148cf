/* Many threads of a host on one context: calls of one function, updates of shared variables, functions of equal graphs
 * made at the same time. Whatever the timing and the number of the library's own threads, results are those of one
 * thread to the bit. Built with -fsanitize=thread this is the test of every lock above the backend. */
#define _GNU_SOURCE
#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/call.h"

enum { HOSTS = 4, K = 60, H = 70, N_MAX = 6000, SIZES = 4 };
static const int pool_threads[] = {1, 2, 3, 7};
/* The interpreter is slow, and slower still under a sanitizer. */
static const int64_t sizes_compiled[SIZES] = {1, 37, 1000, N_MAX}, sizes_interpreted[SIZES] = {0, 1, 5, 37};

static int is_served; /* kernels can be compiled for this machine */

/* ---- one layer, its loss and the gradient of its weights --------------------------------------------------------- */

typedef struct {
    sn_context *ctx;
    sn_var *w, *b;
    const int64_t *size;
} room;

typedef struct {
    float rows[N_MAX], loss, dw[K * H];
} result;

static float inputs[N_MAX * K];
static result expected[2][SIZES]; /* compiled, interpreted: from one thread */

static float some(uint64_t i) { return (float)(int64_t)(i * 2654435761u % 2003) / 1001.0f - 1; }

static room room_new(int compiled, int threads) {
    room r = {.size = compiled ? sizes_compiled : sizes_interpreted};
    sn_context_options options = {
        .struct_size = sizeof options, .threads = threads, .backend = compiled ? "cpu" : "interp"};
    ck_assert_int_eq(sn_context_new(&options, &r.ctx), SN_OK);
    ck_assert_int_eq(sn_var_new(r.ctx, "W", SN_F32, 2, (int64_t[]){K, H}, &r.w), SN_OK);
    ck_assert_int_eq(sn_var_new(r.ctx, "b", SN_F32, 1, (int64_t[]){H}, &r.b), SN_OK);
    static float w[K * H], b[H];
    for (size_t i = 0; i < K * H; i++) w[i] = some(i + 77) / 8;
    for (size_t i = 0; i < H; i++) b[i] = some(i + 7);
    for (size_t i = 0; i < N_MAX * K; i++) inputs[i] = some(i);
    ck_assert_int_eq(sn_var_set(r.w, w, sizeof w), SN_OK);
    ck_assert_int_eq(sn_var_set(r.b, b, sizeof b), SN_OK);
    return r;
}

static void room_free(room r) {
    sn_var_free(r.w);
    sn_var_free(r.b);
    sn_context_free(r.ctx);
}

/* NULL on failure: called by any thread. */
static sn_function *layer(room r, const char *name) {
    sn_graph *g = sn_graph_new(r.ctx, name);
    sn_dim n = sn_dim_new(g, "N");
    sn_expr x = sn_input(g, "X", SN_F32, SN_SHAPE(n, SN_DIM(K))), w = sn_use(g, r.w), dw;
    sn_expr h = sn_tanh(sn_add(sn_matmul(x, w), sn_use(g, r.b)));
    sn_expr loss = sn_sum_all(sn_mul(h, h));
    sn_grad(loss, &w, 1, &dw);
    sn_expr out[] = {sn_sum(h, SN_AXES(1), 0), loss, dw};
    sn_function *f;
    sn_status status =
        sn_function_new(g, &(sn_function_desc){.inputs = &x, .n_inputs = 1, .outputs = out, .n_outputs = 3}, &f);
    if (status) fprintf(stderr, "%s\n", sn_graph_error(g));
    sn_graph_free(g);
    return f;
}

static sn_tensor x_of(int64_t n) { return sn_tensor_of(SN_F32, inputs, 2, (int64_t[]){n, K}); }

static void outputs_of(result *to, int64_t n, sn_tensor out[3]) {
    out[0] = sn_tensor_of(SN_F32, to->rows, 1, &n);
    out[1] = sn_tensor_of(SN_F32, &to->loss, 0, NULL);
    out[2] = sn_tensor_of(SN_F32, to->dw, 2, (int64_t[]){K, H});
}

static int same(const result *a, const result *b, int64_t n) {
    return !memcmp(a->rows, b->rows, (size_t)n * sizeof *a->rows) && !memcmp(&a->loss, &b->loss, sizeof a->loss) &&
           !memcmp(a->dw, b->dw, sizeof a->dw);
}

static void find_expected(int compiled) {
    room r = room_new(compiled, 1);
    sn_function *f = layer(r, "layer");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < SIZES; i++) {
        sn_tensor x = x_of(r.size[i]), out[3];
        outputs_of(&expected[!compiled][i], r.size[i], out);
        ck_assert_msg(!sn_function_call(f, &x, 1, out, 3), "%s", sn_function_error(f));
    }
    ck_assert(expected[!compiled][SIZES - 1].loss > 1);
    sn_function_free(f);
    room_free(r);
}

/* ---- hosts ------------------------------------------------------------------------------------------------------- */

typedef struct {
    room r;
    int compiled, index, rounds;
    sn_function *f; /* shared, or NULL: each host makes its own */
    pthread_barrier_t *start;
    uint32_t n_compiled, n_kernels;
    const char *problem;
} host;

/* Runs body on HOSTS threads that start together; fails the test if one of them saw a problem. */
static void run_hosts(host *all, void *(*body)(void *)) {
    pthread_t thread[HOSTS];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, HOSTS);
    for (int i = 0; i < HOSTS; i++) {
        all[i].index = i;
        all[i].start = &start;
        ck_assert_int_eq(pthread_create(&thread[i], NULL, body, &all[i]), 0);
    }
    for (int i = 0; i < HOSTS; i++) pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < HOSTS; i++) ck_assert_msg(!all[i].problem, "host %d: %s", i, all[i].problem);
}

static int tasks(void) {
    DIR *dir = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(dir);
    int n = 0;
    for (struct dirent *e; (e = readdir(dir));) n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* ---- one function, many callers ---------------------------------------------------------------------------------- */

/* By sn_function_call, and by a call of its own; another thread's looks at stats and profile come in between. */
static void *call_often(void *arg) {
    host *h = arg;
    result *is = malloc(sizeof *is);
    sn_call *call;
    if (sn_call_new(h->f, &call)) h->problem = "no call";
    pthread_barrier_wait(h->start);
    for (int round = 0; round < h->rounds && !h->problem; round++) {
        int at = (h->index + round) % SIZES;
        int64_t n = h->r.size[at];
        sn_tensor x = x_of(n), out[3];
        outputs_of(is, n, out);
        memset(is, 0xff, sizeof *is);
        if (round % 2) {
            if (sn_function_call(h->f, &x, 1, out, 3)) h->problem = "the function failed";
        } else {
            sn_call_bind_input(call, 0, &x);
            for (size_t i = 0; i < 3; i++) sn_call_bind_output(call, i, &out[i]);
            if (sn_call_run(call)) h->problem = "the call failed";
        }
        if (!h->problem && !same(is, &expected[!h->compiled][at], n)) h->problem = "other bits than on one thread";
        out[0].size[0]++; /* a call that is refused, among those that run */
        if (sn_function_call(h->f, &x, 1, out, 3) != SN_ERR_SHAPE) h->problem = "a wrong size was taken";
        sn_function_stats stats;
        char *text = NULL;
        if (sn_function_get_stats(h->f, &stats) || sn_function_show(h->f, SN_SHOW_PROFILE, &text))
            h->problem = "nothing to show";
        sn_string_free(h->r.ctx, text);
    }
    sn_call_free(call);
    free(is);
    return NULL;
}

static void share_a_function(int compiled) {
    find_expected(compiled);
    for (size_t t = 0; t < sizeof pool_threads / sizeof *pool_threads; t++) {
        room r = room_new(compiled, pool_threads[t]);
        host all[HOSTS] = {{.index = 0}};
        sn_function *f = layer(r, "layer");
        ck_assert_ptr_nonnull(f);
        for (int i = 0; i < HOSTS; i++) all[i] = (host){.r = r, .compiled = compiled, .rounds = 12, .f = f};
        int before = tasks();
        run_hosts(all, call_often);
        if (compiled) ck_assert_int_eq(tasks() - before, pool_threads[t] - 1); /* the library's own were at work */
        sn_function_free(f);
        room_free(r);
    }
}

START_TEST(callers_share_a_compiled_function) {
    if (is_served) share_a_function(1);
}
END_TEST

START_TEST(callers_share_an_interpreted_function) { share_a_function(0); }
END_TEST

/* ---- equal graphs, made at the same time ------------------------------------------------------------------------- */

static void *make_and_call(void *arg) {
    host *h = arg;
    char name[16];
    snprintf(name, sizeof name, "layer%d", h->index); /* names are no part of a kernel's key */
    pthread_barrier_wait(h->start);
    sn_function *f = layer(h->r, name);
    result *is = calloc(1, sizeof *is);
    sn_function_stats stats;
    sn_tensor x = x_of(h->r.size[2]), out[3];
    outputs_of(is, h->r.size[2], out);
    if (!f || sn_function_get_stats(f, &stats) || sn_function_call(f, &x, 1, out, 3)) {
        h->problem = "the function failed";
    } else {
        h->n_compiled = stats.n_compiled;
        h->n_kernels = stats.n_kernels;
        if (!same(is, &expected[!h->compiled][2], h->r.size[2])) h->problem = "other bits than on one thread";
    }
    sn_function_free(f);
    free(is);
    return NULL;
}

static void make_equal_functions(int compiled) {
    find_expected(compiled);
    room alone = room_new(compiled, 1);
    sn_function *f = layer(alone, "layer");
    sn_function_stats stats;
    ck_assert_int_eq(sn_function_get_stats(f, &stats), SN_OK);
    ck_assert_uint_gt(stats.n_compiled, 1);
    sn_function_free(f);
    room_free(alone);
    for (size_t t = 0; t < sizeof pool_threads / sizeof *pool_threads; t++) {
        room r = room_new(compiled, pool_threads[t]);
        host all[HOSTS] = {{.index = 0}};
        for (int i = 0; i < HOSTS; i++) all[i] = (host){.r = r, .compiled = compiled};
        run_hosts(all, make_and_call);
        uint32_t n_compiled = 0;
        for (int i = 0; i < HOSTS; i++) {
            n_compiled += all[i].n_compiled;
            ck_assert_uint_eq(all[i].n_kernels, stats.n_kernels);
        }
        ck_assert_uint_eq(n_compiled, stats.n_compiled); /* each kernel once, whoever was first */
        room_free(r);
    }
}

START_TEST(equal_graphs_are_compiled_once) {
    if (is_served) make_equal_functions(1);
}
END_TEST

START_TEST(equal_graphs_are_interpreted_once) { make_equal_functions(0); }
END_TEST

/* ---- variables that everybody updates ---------------------------------------------------------------------------- */

enum { COUNTERS = 1 << 18, UPDATES = 12 };

typedef struct {
    sn_context *ctx;
    sn_var *low, *high; /* high[i] == low[i] + 1, always */
    sn_function *add, *read;
    size_t n;
    pthread_barrier_t *start;
    const char *problem;
} updater;

static void *update_often(void *arg) {
    updater *u = arg;
    float *now = malloc(u->n * sizeof *now), wrong = 7, step;
    pthread_barrier_wait(u->start);
    for (int i = 0; i < UPDATES; i++) {
        step = (float)(1 + i % 3);
        sn_tensor in = sn_tensor_of(SN_F32, &step, 0, NULL), out = sn_tensor_of(SN_F32, &wrong, 0, NULL);
        if (sn_function_call(u->add, &in, 1, NULL, 0)) u->problem = sn_function_error(u->add);
        if (sn_function_call(u->read, NULL, 0, &out, 1)) u->problem = sn_function_error(u->read);
        if (wrong != 0) u->problem = "a half-done update was seen";
        if (sn_var_get(u->low, now, u->n * sizeof *now)) u->problem = "no value";
        for (size_t k = 1; k < u->n; k++)
            if (now[k] != now[0]) u->problem = "a half-done update was copied";
    }
    free(now);
    return NULL;
}

static void update_together(const char *backend, int64_t n) {
    for (size_t t = 0; t < sizeof pool_threads / sizeof *pool_threads; t++) {
        updater u = {.n = (size_t)n};
        sn_context_options options = {.struct_size = sizeof options, .threads = pool_threads[t], .backend = backend};
        ck_assert_int_eq(sn_context_new(&options, &u.ctx), SN_OK);
        ck_assert_int_eq(sn_var_new(u.ctx, "low", SN_F32, 1, &n, &u.low), SN_OK);
        ck_assert_int_eq(sn_var_new(u.ctx, "high", SN_F32, 1, &n, &u.high), SN_OK);
        sn_graph *g = sn_graph_new(u.ctx, "count");
        sn_expr step = sn_input(g, "step", SN_F32, SN_SCALAR), low = sn_use(g, u.low), high = sn_use(g, u.high);
        sn_expr wrong = sn_sum_all(sn_cast(sn_ne(high, sn_add(low, sn_const(g, 1))), SN_F32));
        sn_expr next = sn_add(low, step);
        sn_update ups[] = {{u.high, sn_add(next, sn_const(g, 1))}, {u.low, next}};
        sn_update first = {u.high, sn_add(low, sn_const(g, 1))};
        sn_function *init;
        ck_assert_int_eq(sn_function_new(g, &(sn_function_desc){.updates = &first, .n_updates = 1}, &init), SN_OK);
        ck_assert_int_eq(
            sn_function_new(g, &(sn_function_desc){.inputs = &step, .n_inputs = 1, .updates = ups, .n_updates = 2},
                            &u.add),
            SN_OK);
        ck_assert_int_eq(sn_function_new(g, &(sn_function_desc){.outputs = &wrong, .n_outputs = 1}, &u.read), SN_OK);
        ck_assert_int_eq(sn_function_call(init, NULL, 0, NULL, 0), SN_OK);
        sn_graph_free(g);

        pthread_t thread[HOSTS];
        updater each[HOSTS];
        pthread_barrier_t start;
        pthread_barrier_init(&start, NULL, HOSTS);
        u.start = &start;
        for (int i = 0; i < HOSTS; i++) {
            each[i] = u;
            ck_assert_int_eq(pthread_create(&thread[i], NULL, update_often, &each[i]), 0);
        }
        for (int i = 0; i < HOSTS; i++) pthread_join(thread[i], NULL);
        pthread_barrier_destroy(&start);
        for (int i = 0; i < HOSTS; i++) ck_assert_msg(!each[i].problem, "host %d: %s", i, each[i].problem);
        float *sum = malloc((size_t)n * sizeof *sum);
        ck_assert_int_eq(sn_var_get(u.low, sum, (size_t)n * sizeof *sum), SN_OK);
        for (int64_t i = 0; i < n; i++) ck_assert(sum[i] == HOSTS * UPDATES * 2); /* no update was lost: 1, 2, 3, .. */
        free(sum);
        sn_function_free(init);
        sn_function_free(u.add);
        sn_function_free(u.read);
        sn_var_free(u.low);
        sn_var_free(u.high);
        sn_context_free(u.ctx);
    }
}

START_TEST(updates_are_seen_whole) {
    update_together("interp", 100);
    if (is_served) update_together("cpu", COUNTERS);
}
END_TEST

/* ---- functions come and go --------------------------------------------------------------------------------------- */

/* More kernels than the cache keeps idle are made and dropped by all threads at once. */
static void *make_many(void *arg) {
    host *h = arg;
    pthread_barrier_wait(h->start);
    for (int i = 0; i < h->rounds && !h->problem; i++) {
        sn_graph *g = sn_graph_new(h->r.ctx, "many");
        sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(SN_DIM(3 + i % 100)));
        sn_expr y = i % 2 ? sn_tanh(x) : sn_reshape(sn_sum_all(x), sn_shape_of(0, NULL));
        if (i % 3) y = sn_add(y, sn_const(g, 2));
        if (i % 5 == 4) y = sn_cast(y, SN_I32);
        sn_function *f;
        if (sn_function_new(g, &(sn_function_desc){.inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1}, &f))
            h->problem = "the function failed";
        sn_function_free(f);
        sn_graph_free(g);
    }
    return NULL;
}

START_TEST(functions_come_and_go) {
    room r = room_new(0, 1);
    host all[HOSTS] = {{.index = 0}};
    for (int i = 0; i < HOSTS; i++) all[i] = (host){.r = r, .rounds = 250};
    run_hosts(all, make_many);
    room_free(r);
}
END_TEST

/* ---- a call that two threads use --------------------------------------------------------------------------------- */

static void *run_it(void *call) { return sn_call_run(call) ? NULL : call; }

/* While a run is under way, which here waits for a variable, everything that would touch the call is refused, and the
 * run goes on unharmed. */
START_TEST(a_call_is_for_one_thread) {
    float values[3] = {1, 2, 3}, sums[3], other[3];
    int64_t size = 3;
    sn_context *ctx;
    sn_var *v;
    sn_array *array;
    sn_function *f;
    sn_call *call;
    sn_context_options options = {.struct_size = sizeof options, .backend = "interp"};
    ck_assert_int_eq(sn_context_new(&options, &ctx), SN_OK);
    ck_assert_int_eq(sn_var_new(ctx, "v", SN_F32, 1, &size, &v), SN_OK);
    ck_assert_int_eq(sn_array_new(ctx, SN_F32, 1, &size, &array), SN_OK);
    sn_graph *g = sn_graph_new(ctx, "shared");
    sn_dim n = sn_dim_new(g, "N");
    sn_expr in[] = {sn_input(g, "x", SN_F32, SN_SHAPE(SN_DIM(3))), sn_input(g, "step", SN_I64, SN_SCALAR)};
    sn_expr out = sn_add(sn_add(in[0], sn_use(g, v)), sn_cast(in[1], SN_F32));
    sn_function_desc desc = {.inputs = in, .n_inputs = 2, .outputs = &out, .n_outputs = 1, .dims = &n, .n_dims = 1};
    ck_assert_msg(!sn_function_new(g, &desc, &f), "%s", sn_graph_error(g));
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    const int64_t step = 10;
    const sn_tensor x = sn_tensor_of(SN_F32, values, 1, &size), y = sn_tensor_of(SN_F32, sums, 1, &size),
                    z = sn_tensor_of(SN_F32, other, 1, &size),
                    i = sn_tensor_of(SN_I64, (void *)(uintptr_t)&step, 0, NULL);
    ck_assert_int_eq(sn_call_set_dim(call, 0, 5), SN_OK);
    ck_assert_int_eq(sn_call_bind_input(call, 0, &x), SN_OK);
    ck_assert_int_eq(sn_call_bind_input(call, 1, &i), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(call, 0, &y), SN_OK);
    for (int round = 0; round < 2; round++) {
        pthread_t thread;
        void *fine;
        rt_lock_exclusive(&v->lock);
        ck_assert_int_eq(pthread_create(&thread, NULL, run_it, call), 0);
        while (!atomic_load(&call->running)) sched_yield();
        for (int way = 0; way < 7; way++) {
            sn_status status = way == 0   ? sn_call_run(call)
                               : way == 1 ? sn_call_run_steps(call, 1, 0, 2)
                               : way == 2 ? sn_call_bind_input(call, 0, &z)
                               : way == 3 ? sn_call_bind_output(call, 0, &z)
                               : way == 4 ? sn_call_bind_input_array(call, 0, array)
                               : way == 5 ? sn_call_bind_output_array(call, 0, array)
                                          : sn_call_set_dim(call, 0, -1);
            ck_assert_msg(status == SN_ERR_ARGUMENT, "way %d", way);
            ck_assert_ptr_nonnull(strstr(sn_call_error(call), "a call is for one thread at a time"));
        }
        memset(sums, 0, sizeof sums);
        rt_unlock_exclusive(&v->lock);
        ck_assert_int_eq(pthread_join(thread, &fine), 0);
        ck_assert_ptr_eq(fine, call);
        for (int k = 0; k < 3; k++) ck_assert(sums[k] == (float)(k + 11));
        ck_assert_int_eq(sn_call_set_dim(call, 0, -1), SN_ERR_ARGUMENT); /* of the call's own again */
        ck_assert_ptr_nonnull(strstr(sn_call_error(call), "is negative"));
        ck_assert_int_eq(sn_call_run(call), SN_OK);
    }
    /* One that fails lets go, too. */
    ck_assert_int_eq(sn_call_run_steps(call, 7, 0, 2), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_call_run_steps(call, 1, 0, 0), SN_OK);
    ck_assert_int_eq(sn_call_bind_input_array(call, 9, array), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_call_run_steps(call, 1, 0, 2), SN_OK);
    ck_assert(sums[0] == 2);
    sn_call_free(call);
    sn_function_free(f);
    sn_graph_free(g);
    sn_array_free(array);
    sn_var_free(v);
    sn_context_free(ctx);
}
END_TEST

int main(void) {
    sn_context *ctx;
    sn_context_options options = {.struct_size = sizeof options, .log_level = SN_LOG_OFF, .backend = "cpu"};
    is_served = !sn_context_new(&options, &ctx) && !strcmp(sn_context_backend(ctx), "cpu");
    sn_context_free(ctx);
    Suite *suite = suite_create("threads");
    TCase *tests = tcase_create("threads");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, callers_share_a_compiled_function);
    tcase_add_test(tests, callers_share_an_interpreted_function);
    tcase_add_test(tests, equal_graphs_are_compiled_once);
    tcase_add_test(tests, equal_graphs_are_interpreted_once);
    tcase_add_test(tests, updates_are_seen_whole);
    tcase_add_test(tests, functions_come_and_go);
    tcase_add_test(tests, a_call_is_for_one_thread);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
