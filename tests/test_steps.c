/* sn_call_run_steps: a loop over data that lies in variables gives what the same loop of single calls gives, sees the
 * whole range of its index, holds the variables from the first step to the last, and refuses what it cannot do before
 * anything has run. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>

#include "support/support_runtime.h"

enum { ROWS = 10, COLUMNS = 3 };

/* w[j] = w[j] * 0.5 + data[i][j], and the sum of the new w as output, for row i of a variable of u8. */
typedef struct {
    sn_context *ctx;
    sn_var *data, *w;
    sn_graph *g;
    sn_function *f;
    sn_call *call;
    float sum;
} walk;

static uint8_t value_at(int64_t row, int64_t column) { return (uint8_t)(7 * row + 3 * column + 1); }

static walk walk_open(const char *backend) {
    walk k = {.sum = -1};
    memory = (support_alloc){.fail_at = 0};
    sn_allocator allocator = support_allocator(&memory);
    sn_context_options options = {.allocator = &allocator, .log = keep_log, .threads = 1, .backend = backend};
    ck_assert_int_eq(sn_context_new(&options, &k.ctx), SN_OK);
    ck_assert_int_eq(sn_var_new(k.ctx, "data", SN_U8, 2, (int64_t[]){ROWS, COLUMNS}, &k.data), SN_OK);
    uint8_t data[ROWS][COLUMNS];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++) data[i][j] = value_at(i, j);
    ck_assert_int_eq(sn_var_set(k.data, data, sizeof data), SN_OK);
    k.w = variable(k.ctx, "w", COLUMNS, NULL);

    k.g = sn_graph_new(k.ctx, "walk");
    sn_expr i = sn_input(k.g, "i", SN_I64, SN_SCALAR), scale = sn_input(k.g, "scale", SN_F32, SN_SCALAR);
    sn_expr row = sn_reshape(sn_slice_at_index(sn_use(k.g, k.data), 0, i, SN_DIM(1)), SN_SHAPE(SN_DIM(COLUMNS)));
    sn_expr w = sn_add(sn_mul(sn_use(k.g, k.w), scale), sn_cast(row, SN_F32)), sum = sn_sum_all(w);
    sn_update update = {k.w, w};
    sn_function_desc desc = {.inputs = (sn_expr[]){scale, i},
                             .n_inputs = 2,
                             .outputs = &sum,
                             .n_outputs = 1,
                             .updates = &update,
                             .n_updates = 1};
    k.f = function(k.g, &desc);
    ck_assert_int_eq(sn_call_new(k.f, &k.call), SN_OK);
    return k;
}

static void walk_close(walk *k) {
    sn_call_free(k->call);
    sn_function_free(k->f);
    sn_graph_free(k->g);
    sn_var_free(k->w);
    sn_var_free(k->data);
    close_context(k->ctx);
}

static void bind_walk(walk *k, float *scale) {
    const sn_tensor in = SCALAR(scale), out = SCALAR(&k->sum);
    ck_assert_int_eq(sn_call_bind_input(k->call, 0, &in), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(k->call, 0, &out), SN_OK);
}

/* The same in C; rows outside are clamped as slices clamp. */
static void walk_host(float w[COLUMNS], float scale, int64_t first, int64_t n) {
    for (int64_t i = first; i < first + n; i++)
        for (int j = 0; j < COLUMNS; j++) w[j] = w[j] * scale + value_at(i < 0 ? 0 : i >= ROWS ? ROWS - 1 : i, j);
}

static void expect_w(const walk *k, const float want[COLUMNS]) {
    float have[COLUMNS], sum = 0;
    ck_assert_int_eq(sn_var_get(k->w, have, sizeof have), SN_OK);
    for (int j = 0; j < COLUMNS; j++) {
        ck_assert_float_eq(have[j], want[j]); /* small integers and halves: exact */
        sum += want[j];
    }
    ck_assert_float_eq(k->sum, sum);
}

static const char *const backends[] = {"interp", "cpu", "gpu"}; /* the GPU is the stand-in */

START_TEST(counts_as_single_calls_do) {
    walk k = walk_open(backends[_i]);
    float scale = 0.5f, want[COLUMNS] = {0};
    bind_walk(&k, &scale);
    ck_assert_int_eq(sn_call_run_steps(k.call, 1, 2, 5), SN_OK);
    walk_host(want, scale, 2, 5);
    expect_w(&k, want);

    /* One by one. The input was not bound by anybody, and is not now. */
    ck_assert_int_eq(sn_call_run(k.call), SN_ERR_MISSING);
    ck_assert_str_eq(sn_call_error(k.call), "input \"i\" is not bound");
    int64_t i = 7;
    sn_tensor at = sn_tensor_of(SN_I64, &i, 0, NULL);
    ck_assert_int_eq(sn_call_bind_input(k.call, 1, &at), SN_OK);
    ck_assert_int_eq(sn_call_run(k.call), SN_OK);
    walk_host(want, scale, 7, 1);
    expect_w(&k, want);

    /* Bound memory is left alone and comes back; other inputs are read anew at each call; rows outside are clamped. */
    scale = 0.25f;
    ck_assert_int_eq(sn_call_run_steps(k.call, 1, -2, 4), SN_OK);
    walk_host(want, scale, -2, 4);
    expect_w(&k, want);
    ck_assert_int_eq(i, 7);
    i = 3;
    ck_assert_int_eq(sn_call_run(k.call), SN_OK);
    walk_host(want, scale, 3, 1);
    expect_w(&k, want);

    /* Many at a time. */
    scale = 1;
    for (int64_t n = 15; n < 51; n += 7) {
        ck_assert_int_eq(sn_call_run_steps(k.call, 1, -3, n), SN_OK);
        walk_host(want, scale, -3, n);
        expect_w(&k, want);
    }

    /* No step writes nothing. */
    k.sum = -1;
    ck_assert_int_eq(sn_call_run_steps(k.call, 1, 0, 0), SN_OK);
    ck_assert_float_eq(k.sum, -1);
    ck_assert_int_eq(sn_call_run_steps(k.call, 1, INT64_MAX - 3, 3), SN_OK);
    walk_host(want, scale, ROWS, 3);
    expect_w(&k, want);
    walk_close(&k);
}
END_TEST

START_TEST(all_or_nothing) {
    walk k = walk_open("interp");
    float scale = 1, none[COLUMNS] = {0}, have[COLUMNS];
    ck_assert_int_eq(sn_call_run_steps(NULL, 0, 0, 1), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_call_run_steps(k.call, 1, 0, 2), SN_ERR_MISSING);
    ck_assert_str_eq(sn_call_error(k.call), "input \"scale\" is not bound");
    bind_walk(&k, &scale);
    ck_assert_int_eq(sn_call_run_steps(k.call, 2, 0, 2), SN_ERR_ARGUMENT);
    ck_assert_str_eq(sn_call_error(k.call), "function \"walk\" has no input 2: it has 2");
    ck_assert_int_eq(sn_call_run_steps(k.call, 0, 0, 2), SN_ERR_DTYPE);
    ck_assert_str_eq(sn_call_error(k.call), "input \"scale\": f32[] cannot count: an i64 scalar wanted");
    const struct { int64_t first, n; } bad[] = {{0, -1}, {INT64_MAX, 1}, {1, INT64_MAX}};
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        ck_assert_int_eq(sn_call_run_steps(k.call, 1, bad[b].first, bad[b].n), SN_ERR_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(sn_call_error(k.call), "input \"i\": cannot count "));
    }
    ck_assert_int_eq(sn_var_get(k.w, have, sizeof have), SN_OK);
    ck_assert_mem_eq(have, none, sizeof have);
    ck_assert_float_eq(k.sum, -1);
    walk_close(&k);
}
END_TEST

/* Whoever looks at the variable while steps run finds the value before or after them, never one between. */
typedef struct {
    walk *k;
    _Atomic int done, looked;
    int between;
} watcher;

static void *watch(void *arg) {
    watcher *w = arg;
    while (!atomic_load(&w->done)) {
        float have[COLUMNS];
        if (sn_var_get(w->k->w, have, sizeof have)) w->between = 1;
        /* Each block of ten rows adds 325 = 1 + 8 + .. + 64 to the first element. */
        if ((int64_t)have[0] % 325) w->between = 1;
        atomic_fetch_add(&w->looked, 1);
    }
    return NULL;
}

START_TEST(nobody_sees_between) {
    walk k = walk_open("interp");
    float scale = 1;
    bind_walk(&k, &scale);
    watcher w = {.k = &k};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, watch, &w), 0);
    /* Until it had its chance, however busy the machine is. */
    for (int i = 0; i < 300 || atomic_load(&w.looked) < 3; i++)
        ck_assert_int_eq(sn_call_run_steps(k.call, 1, 0, ROWS), SN_OK);
    atomic_store(&w.done, 1);
    pthread_join(thread, NULL);
    ck_assert_msg(!w.between, "a value between the steps was seen");
    walk_close(&k);
}
END_TEST

/* ---- batches of a data set on the device ------------------------------------------------------------------------- */

enum { ITEMS = 600, FEATURES = 12, BATCHES = 5 };

static uint8_t image[ITEMS][FEATURES], label[ITEMS];
static int64_t order[ITEMS];

static sn_var *filled(sn_context *ctx, const char *name, sn_dtype dtype, int32_t rank, const int64_t *sizes,
                      const void *from) {
    sn_var *var;
    ck_assert_int_eq(sn_var_new(ctx, name, dtype, rank, sizes, &var), SN_OK);
    sn_tensor type = sn_var_type(var);
    ck_assert_int_eq(sn_var_set(var, from, sn_tensor_bytes(&type)), SN_OK);
    return var;
}

/* Batch i is rows i * batch .. of the set, or of the set in another order; its size is a constant, or told. The step
 * w += x^T (label + 1) / 4 is exact in f32. */
static void check_batches(const char *backend, int64_t batch, int shuffled, int told) {
    memory = (support_alloc){.fail_at = 0};
    sn_allocator allocator = support_allocator(&memory);
    sn_context_options options = {.allocator = &allocator, .log = keep_log, .threads = 1, .backend = backend};
    sn_context *ctx;
    ck_assert_int_eq(sn_context_new(&options, &ctx), SN_OK);
    sn_var *images = filled(ctx, "images", SN_U8, 2, (int64_t[]){ITEMS, FEATURES}, image);
    sn_var *labels = filled(ctx, "labels", SN_U8, 1, (int64_t[]){ITEMS}, label);
    sn_var *rows = filled(ctx, "order", SN_I64, 1, (int64_t[]){ITEMS}, order), *w = variable(ctx, "w", FEATURES, NULL);

    sn_graph *g = sn_graph_new(ctx, "batches");
    sn_dim size = told ? sn_dim_new(g, "B") : SN_DIM(batch);
    sn_expr i = sn_input(g, "i", SN_I64, SN_SCALAR), at = sn_mul(i, sn_dim_value(g, size));
    sn_expr x = sn_use(g, images), t = sn_use(g, labels);
    if (shuffled) {
        sn_expr ids = sn_slice_at_index(sn_use(g, rows), 0, at, size);
        x = sn_gather(x, ids);
        t = sn_gather(t, ids);
    } else {
        x = sn_slice_at_index(x, 0, at, size);
        t = sn_slice_at_index(t, 0, at, size);
    }
    sn_expr weight = sn_mul(sn_add(sn_cast(t, SN_F32), sn_const(g, 1)), sn_const(g, 0.25));
    sn_expr step = sn_matmul(weight, sn_cast(x, SN_F32));
    sn_update update = {w, sn_add(sn_use(g, w), step)};
    sn_function_desc desc = {.inputs = &i, .n_inputs = 1, .updates = &update, .n_updates = 1};
    if (told) {
        desc.dims = &size;
        desc.n_dims = 1;
    }
    sn_function *f = function(g, &desc);
    sn_call *call;
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    if (told) ck_assert_int_eq(sn_call_set_dim(call, 0, batch), SN_OK);
    ck_assert_int_eq(sn_call_run_steps(call, 0, 1, BATCHES), SN_OK);

    float want[FEATURES] = {0}, have[FEATURES];
    for (int64_t r = batch; r < batch * (1 + BATCHES); r++)
        for (int k = 0; k < FEATURES; k++) {
            int64_t row = shuffled ? order[r] : r;
            want[k] += image[row][k] * ((float)label[row] + 1) / 4;
        }
    ck_assert_int_eq(sn_var_get(w, have, sizeof have), SN_OK);
    ck_assert_mem_eq(have, want, sizeof want);

    /* No copy of the set is made, and no pass over it: a step reads its batch, twice at most. */
    sn_function_stats stats;
    ck_assert_int_eq(sn_function_get_stats(f, &stats), SN_OK);
    ck_assert_uint_le(stats.n_kernels, 2);
    ck_assert_uint_lt(stats.arena_bytes, 8192);
    ck_assert_uint_le(stats.bytes_per_call, 2 * (uint64_t)batch * (FEATURES + 1 + 8 * 2) + 6000);

    sn_call_free(call);
    sn_function_free(f);
    sn_graph_free(g);
    sn_var_free(images);
    sn_var_free(labels);
    sn_var_free(rows);
    sn_var_free(w);
    close_context(ctx);
}

START_TEST(batches_on_the_device) {
    for (int i = 0; i < ITEMS; i++) {
        label[i] = (uint8_t)(i * 7 % 10);
        order[i] = i * 101 % ITEMS; /* a permutation: 101 is prime to 600 */
        for (int k = 0; k < FEATURES; k++) image[i][k] = (uint8_t)(i * 31 + k * 17);
    }
    const int64_t sizes[] = {1, 3, 32, 100};
    for (size_t b = 0; b < 4; b++)
        for (int way = 0; way < 4; way++) check_batches(backends[_i], sizes[b], way & 1, way >> 1);
}
END_TEST

/* A batch size that no input tells: any size with one function, the last batch a shorter one. */
START_TEST(told_dims) {
    sn_context *ctx = context();
    float values[10];
    for (int i = 0; i < 10; i++) values[i] = (float)(i + 1);
    sn_var *data = variable(ctx, "data", 10, values);
    sn_graph *g = sn_graph_new(ctx, "told");
    sn_dim b = sn_dim_new(g, "B"), n = sn_dim_new(g, "N");
    sn_expr at = sn_input(g, "at", SN_I64, SN_SCALAR), extra = sn_input(g, "extra", SN_F32, SN_SHAPE(b));
    sn_expr part = sn_slice_at_index(sn_use(g, data), 0, at, b), sum = sn_sum_all(part);
    sn_expr in[] = {at, extra}, both = sn_sum_all(sn_add(part, extra));
    sn_function_desc desc = {.inputs = in, .n_inputs = 1, .outputs = &sum, .n_outputs = 1};
    sn_function *f;
    ck_assert_int_eq(sn_function_new(g, &desc, &f), SN_ERR_MISSING);
    ck_assert_str_eq(sn_graph_error(g), "function \"told\": dim B is used, but no input tells its size: list an input "
                                        "whose shape has it, or the dim");
    const struct {
        sn_dim dims[2];
        size_t n;
        const char *sentence;
    } bad[] = {{{{4, 0}}, 1, "function \"told\": dim 0 is no named dim of its graph: one that sn_dim_new made"},
               {{b, sn_dim_add(g, b, n)},
                2,
                "function \"told\": dim 1 is no named dim of its graph: one that sn_dim_new made"},
               {{{0, 9999}}, 1, "function \"told\": dim 0 is no named dim of its graph: one that sn_dim_new made"},
               {{b, b}, 2, "function \"told\": dim 1, B, is listed twice"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        desc.dims = bad[i].dims;
        desc.n_dims = bad[i].n;
        ck_assert_int_eq(sn_function_new(g, &desc, &f), SN_ERR_ARGUMENT);
        ck_assert_str_eq(sn_graph_error(g), bad[i].sentence);
    }
    const sn_dim told[] = {n, b}; /* N is in no expression */
    desc.dims = told;
    desc.n_dims = 2;
    f = function(g, &desc);
    sn_call *call;
    int64_t from = 0;
    float have;
    sn_tensor start = sn_tensor_of(SN_I64, &from, 0, NULL), out = SCALAR(&have);
    ck_assert_int_eq(sn_function_call(f, &start, 1, &out, 1), SN_ERR_MISSING);
    ck_assert_str_eq(sn_function_error(f), "dim N has no size yet: make a call and tell it by sn_call_set_dim");
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    ck_assert_int_eq(sn_call_bind_input(call, 0, &start), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(call, 0, &out), SN_OK);
    ck_assert_int_eq(sn_call_set_dim(NULL, 0, 1), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_call_set_dim(call, 2, 1), SN_ERR_ARGUMENT);
    ck_assert_str_eq(sn_call_error(call), "function \"told\" cannot be told dim 2: its description lists 2 dims");
    ck_assert_int_eq(sn_call_set_dim(call, 1, -1), SN_ERR_ARGUMENT);
    ck_assert_str_eq(sn_call_error(call), "dim B: size -1 is negative");
    ck_assert_int_eq(sn_call_set_dim(call, 0, 7), SN_OK);
    for (int64_t size = 0; size <= 10; size++) {
        from = 10 - size;
        ck_assert_int_eq(sn_call_set_dim(call, 1, size), SN_OK);
        ck_assert_int_eq(sn_call_run(call), SN_OK);
        float want = 0;
        for (int64_t i = from; i < 10; i++) want += values[i];
        ck_assert_float_eq(have, want);
    }
    ck_assert_int_eq(sn_call_set_dim(call, 1, 11), SN_OK); /* more than there is: the slice's own check */
    ck_assert_int_eq(sn_call_run(call), SN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(sn_call_error(call), "B = 11"));
    sn_call_free(call);
    sn_function_free(f);

    /* An input that has the dim as well has to agree. */
    desc = (sn_function_desc){.inputs = in, .n_inputs = 2, .outputs = &both, .n_outputs = 1, .dims = &b, .n_dims = 1};
    f = function(g, &desc);
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    sn_tensor three = VEC(values, 3);
    from = 0;
    ck_assert_int_eq(sn_call_bind_input(call, 0, &start), SN_OK);
    ck_assert_int_eq(sn_call_bind_input(call, 1, &three), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(call, 0, &out), SN_OK);
    ck_assert_int_eq(sn_call_set_dim(call, 0, 2), SN_OK);
    ck_assert_int_eq(sn_call_run(call), SN_ERR_SHAPE);
    ck_assert_str_eq(sn_call_error(call), "B is 2 by sn_call_set_dim and 3 from \"extra\"");
    ck_assert_int_eq(sn_call_set_dim(call, 0, 3), SN_OK);
    ck_assert_int_eq(sn_call_run(call), SN_OK);
    ck_assert_float_eq(have, 12);
    sn_call_free(call);
    sn_function_free(f);
    sn_graph_free(g);
    sn_var_free(data);
    close_context(ctx);
}
END_TEST

START_TEST(hooks_for_builders_of_users) {
    sn_context *ctx = context();
    ck_assert_int_eq(sn_context_fail(ctx, SN_ERR_IO, "the disk is full"), SN_ERR_IO);
    ck_assert_str_eq(sn_context_error(ctx), "the disk is full");
    ck_assert_int_eq(sn_context_fail(NULL, SN_ERR_IO, "?"), SN_ERR_IO);
    char *p = sn_context_realloc(ctx, NULL, 0, 5);
    memcpy(p, "four", 5);
    p = sn_context_realloc(ctx, p, 5, 5000);
    ck_assert_str_eq(p, "four");
    ck_assert_ptr_null(sn_context_realloc(ctx, p, 5000, 0));
    ck_assert_ptr_null(sn_context_realloc(NULL, NULL, 0, 5));

    sn_graph *g = sn_graph_new(ctx, "g");
    ck_assert_ptr_eq(sn_graph_context(g), ctx);
    ck_assert_ptr_null(sn_graph_context(NULL));
    sn_expr bad = sn_graph_fail(g, SN_ERR_SHAPE, "conv: no room for the kernel", "net.c", 12);
    ck_assert_uint_eq(bad.id, 0);
    ck_assert_uint_eq(sn_neg(bad).id, 0);
    sn_graph_fail(g, SN_ERR_DTYPE, "a later one", NULL, 0);
    ck_assert_int_eq(sn_graph_status(g), SN_ERR_SHAPE);
    ck_assert_str_eq(sn_graph_error(g), "net.c:12: conv: no room for the kernel");
    ck_assert_uint_eq(sn_graph_fail(NULL, SN_ERR_SHAPE, "?", NULL, 0).id, 0);
    sn_graph_free(g);
    close_context(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("steps");
    TCase *tests = tcase_create("steps");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, counts_as_single_calls_do, 0, 3);
    tcase_add_test(tests, all_or_nothing);
    tcase_add_test(tests, nobody_sees_between);
    tcase_add_loop_test(tests, batches_on_the_device, 0, 2);
    tcase_add_test(tests, told_dims);
    tcase_add_test(tests, hooks_for_builders_of_users);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
