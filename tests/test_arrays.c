/* Arrays: what one call leaves on the device is there for the next, on every backend and with the sizes of the call;
 * what does not fit is told; memory of other libraries by DLPack. Each test runs on the CPU, the interpreter and the
 * GPU's stand-in. */
#include <pthread.h>

#include "runtime/dlpack.h"
#include "support/support_runtime.h"

static const char *const backends[] = {"cpu", "interp", "gpu"};

static sn_context *open_on(int i) {
    memory = (support_alloc){.fail_at = 0};
    last_log[0] = 0;
    sn_allocator allocator = support_allocator(&memory);
    sn_context_options options = {
        .struct_size = sizeof options, .allocator = &allocator, .log = keep_log, .threads = 1, .backend = backends[i]};
    sn_context *ctx;
    ck_assert_msg(!sn_context_new(&options, &ctx), "%s", last_log);
    return ctx;
}

/* y[N] = 2 x + 1, s = sum of x; and a call of it. */
typedef struct {
    sn_context *ctx;
    sn_graph *g;
    sn_function *f;
    sn_call *call;
} twice;

static twice twice_open(sn_context *ctx) {
    twice t = {ctx, sn_graph_new(ctx, "twice"), NULL, NULL};
    sn_expr x = sn_input(t.g, "x", SN_F32, SN_SHAPE(sn_dim_new(t.g, "N")));
    sn_expr out[] = {sn_add(sn_mul(sn_const(t.g, 2), x), sn_const(t.g, 1)), sn_sum_all(x)};
    sn_function_desc desc = {.inputs = &x, .n_inputs = 1, .outputs = out, .n_outputs = 2};
    t.f = function(t.g, &desc);
    ck_assert_int_eq(sn_call_new(t.f, &t.call), SN_OK);
    return t;
}

static void twice_close(twice *t) {
    sn_call_free(t->call);
    sn_function_free(t->f);
    sn_graph_free(t->g);
}

static sn_array *array_of(sn_context *ctx, int64_t n, const float *values) {
    sn_array *a;
    ck_assert_msg(!sn_array_new(ctx, SN_F32, 1, &n, &a), "%s", sn_context_error(ctx));
    if (values) ck_assert_int_eq(sn_array_set(a, values, (size_t)n * sizeof *values), SN_OK);
    return a;
}

static void array_is(sn_array *a, int64_t n, const float *want) {
    float have[64];
    sn_tensor type = sn_array_type(a);
    ck_assert_int_eq(type.rank, 1);
    ck_assert_int_eq(type.size[0], n);
    ck_assert_int_eq(sn_array_get(a, have, (size_t)n * sizeof *have), SN_OK);
    ck_assert_mem_eq(have, want, (size_t)n * sizeof *have);
}

static void run_ok(sn_call *call) { ck_assert_msg(!sn_call_run(call), "%s", sn_call_error(call)); }

/* To and fro between two arrays, ten times; in between with other sizes. */
START_TEST(from_call_to_call) {
    sn_context *ctx = open_on(_i);
    twice t = twice_open(ctx);
    float values[7] = {0, 1, 2, 3, 4, 5, 6}, want[7], sum;
    sn_array *a = array_of(ctx, 7, values), *b = array_of(ctx, 7, NULL);
    array_is(b, 7, (float[7]){0});
    memcpy(want, values, sizeof want);
    const sn_tensor s = SCALAR(&sum);
    for (int round = 0; round < 10; round++) {
        ck_assert_int_eq(sn_call_bind_input_array(t.call, 0, round % 2 ? b : a), SN_OK);
        ck_assert_int_eq(sn_call_bind_output_array(t.call, 0, round % 2 ? a : b), SN_OK);
        ck_assert_int_eq(sn_call_bind_output(t.call, 1, &s), SN_OK);
        run_ok(t.call);
        float total = 0;
        for (int i = 0; i < 7; i++) total += want[i], want[i] = 2 * want[i] + 1;
        ck_assert(sum == total);
        array_is(round % 2 ? a : b, 7, want);
    }
    /* Smaller: b becomes [3]; then a call that reads b has three, too, bound as it was. */
    const sn_tensor x = VEC(values, 3);
    ck_assert_int_eq(sn_call_bind_input(t.call, 0, &x), SN_OK);
    ck_assert_int_eq(sn_call_bind_output_array(t.call, 0, b), SN_OK);
    run_ok(t.call);
    array_is(b, 3, (float[]){1, 3, 5});
    twice u = twice_open(ctx);
    ck_assert_int_eq(sn_call_bind_input_array(u.call, 0, b), SN_OK);
    ck_assert_int_eq(sn_call_bind_output_array(u.call, 0, a), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(u.call, 1, &s), SN_OK);
    for (int round = 0; round < 4; round++) run_ok(u.call);
    array_is(a, 3, (float[]){3, 7, 11});
    const sn_tensor longer = VEC(values, 5);
    ck_assert_int_eq(sn_call_bind_input(t.call, 0, &longer), SN_OK);
    run_ok(t.call);
    run_ok(u.call);
    array_is(a, 5, (float[]){3, 7, 11, 15, 19});
    ck_assert(sum == 25);
    /* The call keeps what it is bound to. */
    sn_array_free(b);
    run_ok(u.call);
    array_is(a, 5, (float[]){3, 7, 11, 15, 19});
    sn_array_free(a);
    twice_close(&u);
    twice_close(&t);
    close_context(ctx);
}
END_TEST

START_TEST(what_does_not_fit) {
    sn_context *ctx = open_on(_i), *other = NULL;
    support_alloc of_ctx = memory;
    ck_assert_int_eq(sn_context_new(&(sn_context_options){.backend = "interp", .log = keep_log}, &other), SN_OK);
    memory = of_ctx;
    twice t = twice_open(ctx);
    float values[8] = {1, 2, 3, 4, 5, 6, 7, 8}, sum = 0;
    sn_array *a = array_of(ctx, 8, values), *small = array_of(ctx, 7, NULL), *foreign = array_of(other, 8, NULL), *wide;
    ck_assert_int_eq(sn_array_new(ctx, SN_F64, 1, (int64_t[]){8}, &wide), SN_OK);
    const sn_tensor s = SCALAR(&sum);
    sn_call *c = t.call;
#define TELLS(call, status, text)                                                                                      \
    do {                                                                                                               \
        ck_assert_int_eq(call, status);                                                                                \
        ck_assert_msg(strstr(sn_call_error(c), text) != NULL, "%s", sn_call_error(c));                                 \
    } while (0)
    ck_assert_int_eq(sn_call_bind_output(c, 1, &s), SN_OK);
    TELLS(sn_call_bind_input_array(c, 1, a), SN_ERR_ARGUMENT, "has no input 1");
    TELLS(sn_call_bind_output_array(c, 2, a), SN_ERR_ARGUMENT, "has no output 2");
    TELLS(sn_call_bind_input_array(c, 0, NULL), SN_ERR_ARGUMENT, "input 0: the array is NULL");
    TELLS(sn_call_bind_input_array(c, 0, foreign), SN_ERR_ARGUMENT, "of another context");
    TELLS(sn_call_bind_input_array(c, 0, wide), SN_ERR_DTYPE, "input \"x\": f64[8] given, f32[N] wanted");
    TELLS(sn_call_bind_output_array(c, 0, wide), SN_ERR_DTYPE, "output 0: f64[8] given");
    ck_assert_int_eq(sn_call_bind_input_array(c, 0, a), SN_OK);
    ck_assert_int_eq(sn_call_bind_output_array(c, 0, small), SN_OK);
    TELLS(sn_call_run(c), SN_ERR_SHAPE, "output 0: f32[8] needs 32 bytes, its array was made for 28");
    ck_assert_int_eq(sn_call_bind_output_array(c, 0, a), SN_OK);
    TELLS(sn_call_run(c), SN_ERR_ARGUMENT, "output 0 shares memory with input \"x\"");
    array_is(a, 8, values);
    /* The same once the call has run with an array that is large enough. */
    sn_array *large = array_of(ctx, 9, NULL);
    ck_assert_int_eq(sn_call_bind_output_array(c, 0, large), SN_OK);
    for (int i = 0; i < 3; i++) run_ok(c);
    ck_assert_int_eq(sn_call_bind_output_array(c, 0, small), SN_OK);
    TELLS(sn_call_run(c), SN_ERR_SHAPE, "output 0: f32[8] needs 32 bytes, its array was made for 28");
    ck_assert_int_eq(sn_call_bind_output_array(c, 0, large), SN_OK);
    for (int i = 0; i < 3; i++) run_ok(c);
    array_is(large, 8, (float[]){3, 5, 7, 9, 11, 13, 15, 17});
    array_is(small, 7, (float[7]){0});
    sn_array_free(large);
    ck_assert_int_eq(sn_call_bind_input_array(NULL, 0, a), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_call_bind_output_array(NULL, 0, a), SN_ERR_ARGUMENT);

    sn_array *none = a;
    ck_assert_int_eq(sn_array_new(ctx, SN_F32, 7, (int64_t[7]){1, 1, 1, 1, 1, 1, 1}, &none), SN_ERR_SHAPE);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(sn_array_new(ctx, SN_F32, 1, (int64_t[]){-1}, &none), SN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(sn_context_error(ctx), "negative"));
    ck_assert_int_eq(sn_array_new(ctx, SN_F32, 2, (int64_t[]){INT64_MAX, 4}, &none), SN_ERR_SHAPE);
    ck_assert_int_eq(sn_array_new(ctx, (sn_dtype)77, 1, (int64_t[]){1}, &none), SN_ERR_DTYPE);
    ck_assert_int_eq(sn_array_new(ctx, SN_F32, 1, (int64_t[]){1}, NULL), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_array_new(NULL, SN_F32, 1, (int64_t[]){1}, &none), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_array_set(a, values, 31), SN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(sn_context_error(ctx), "set of array f32[8]: 31 bytes given, it has 32"));
    ck_assert_int_eq(sn_array_get(a, NULL, 32), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_array_get(NULL, values, 32), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_array_type(NULL).rank, -1);
    sn_array_free(NULL);
    sn_array_free(foreign);
    sn_context_free(other);
    sn_array_free(a), sn_array_free(small), sn_array_free(wide);
    twice_close(&t);
    close_context(ctx);
}
END_TEST

/* Nothing: empty arrays as input and output, even the same one. */
START_TEST(empty) {
    sn_context *ctx = open_on(_i);
    twice t = twice_open(ctx);
    float sum = 5;
    const sn_tensor s = SCALAR(&sum);
    sn_array *a = array_of(ctx, 0, NULL);
    ck_assert_int_eq(sn_call_bind_input_array(t.call, 0, a), SN_OK);
    ck_assert_int_eq(sn_call_bind_output_array(t.call, 0, a), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(t.call, 1, &s), SN_OK);
    for (int i = 0; i < 4; i++) run_ok(t.call);
    ck_assert(sum == 0);
    ck_assert_int_eq(sn_array_get(a, NULL, 0), SN_OK);
    sn_array_free(a);
    twice_close(&t);
    close_context(ctx);
}
END_TEST

/* An input that is counted may be an array otherwise: both ways, one after the other, 40 steps at a time. */
START_TEST(counted_array) {
    sn_context *ctx = open_on(_i);
    sn_graph *g = sn_graph_new(ctx, "count");
    sn_expr k = sn_input(g, "k", SN_I64, SN_SCALAR);
    sn_var *sum;
    ck_assert_int_eq(sn_var_new(ctx, "sum", SN_I64, 0, NULL, &sum), SN_OK);
    sn_expr out = sn_mul(k, k);
    sn_update update = {sum, sn_add(sn_use(g, sum), k)};
    sn_function *f = function(
        g, &(sn_function_desc){
               .inputs = &k, .n_inputs = 1, .outputs = &out, .n_outputs = 1, .updates = &update, .n_updates = 1});
    sn_call *call;
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    sn_array *a, *b;
    int64_t seven = 7, have, all = 0;
    ck_assert_int_eq(sn_array_new(ctx, SN_I64, 0, NULL, &a), SN_OK);
    ck_assert_int_eq(sn_array_new(ctx, SN_I64, 0, NULL, &b), SN_OK);
    ck_assert_int_eq(sn_array_set(a, &seven, sizeof seven), SN_OK);
    ck_assert_int_eq(sn_call_bind_input_array(call, 0, a), SN_OK);
    ck_assert_int_eq(sn_call_bind_output_array(call, 0, b), SN_OK);
    for (int round = 0; round < 5; round++) {
        run_ok(call);
        ck_assert_int_eq(sn_array_get(b, &have, sizeof have), SN_OK);
        ck_assert_int_eq(have, 49);
        ck_assert_msg(!sn_call_run_steps(call, 0, 100, 40), "%s", sn_call_error(call));
        ck_assert_int_eq(sn_array_get(b, &have, sizeof have), SN_OK);
        ck_assert_int_eq(have, 139 * 139);
        all += 7 + 40 * 100 + 39 * 20;
        ck_assert_int_eq(sn_var_get(sum, &have, sizeof have), SN_OK);
        ck_assert_int_eq(have, all);
        ck_assert_int_eq(sn_array_get(a, &have, sizeof have), SN_OK);
        ck_assert_int_eq(have, 7);
    }
    sn_array_free(a), sn_array_free(b);
    sn_call_free(call);
    sn_function_free(f);
    sn_graph_free(g);
    sn_var_free(sum);
    close_context(ctx);
}
END_TEST

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { THREADS = 3, ROUNDS = 40 };
typedef struct {
    sn_context *ctx;
    sn_array *shared, *mine;
    sn_function *f;
    int writer, wrong;
} worker;

/* One writes the shared array, in lengths that go up and down; the others read it: always a whole one. */
static void *work(void *arg) {
    worker *w = arg;
    sn_call *call;
    float values[16], sum;
    if (sn_call_new(w->f, &call)) return NULL;
    const sn_tensor s = SCALAR(&sum);
    w->wrong |= sn_call_bind_output(call, 1, &s) != SN_OK;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t n = 1 + round % 16;
        for (int i = 0; i < 16; i++) values[i] = (float)(round + 1);
        const sn_tensor x = VEC(values, n);
        if (w->writer) {
            w->wrong |= sn_call_bind_input(call, 0, &x) || sn_call_bind_output_array(call, 0, w->shared);
            w->wrong |= sn_call_run(call) != SN_OK;
        } else {
            w->wrong |= sn_call_bind_input_array(call, 0, w->shared) || sn_call_bind_output_array(call, 0, w->mine);
            w->wrong |= sn_call_run(call) != SN_OK;
            sn_tensor type = sn_array_type(w->mine);
            w->wrong |= sn_array_get(w->mine, values, sn_tensor_bytes(&type)) != SN_OK;
            for (int64_t i = 0; i < type.size[0]; i++) w->wrong |= values[i] != values[0];
        }
        if (round % 8 == 7) w->wrong |= sn_context_sync(w->ctx) != SN_OK;
    }
    sn_call_free(call);
    return NULL;
}

START_TEST(from_several_threads) {
    sn_context *ctx = open_on(_i);
    twice t = twice_open(ctx);
    pthread_t thread[THREADS];
    worker w[THREADS];
    sn_array *shared = array_of(ctx, 16, NULL);
    for (int i = 0; i < THREADS; i++) {
        w[i] = (worker){ctx, shared, array_of(ctx, 16, NULL), t.f, !i, 0};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_int_eq(w[i].wrong, 0);
        sn_array_free(w[i].mine);
    }
    sn_array_free(shared);
    twice_close(&t);
    close_context(ctx);
}
END_TEST

/* ---- DLPack ------------------------------------------------------------------------------------------------------ */

static int deleted;
static void count_deleted(struct DLManagedTensor *t) {
    (void)t;
    deleted++;
}
static void count_deleted_versioned(struct DLManagedTensorVersioned *t) {
    (void)t;
    deleted++;
}

/* Given away, taken by another context of the same backend, written there through a call: the first sees it. */
START_TEST(given_and_taken) {
    sn_context *ctx = open_on(_i);
    twice t = twice_open(ctx);
    float values[6] = {1, 2, 3, 4, 5, 6}, sum;
    sn_array *a = array_of(ctx, 6, values), *b = array_of(ctx, 6, NULL), *view, *out;
    struct DLManagedTensor *plain;
    struct DLManagedTensorVersioned *versioned;
    ck_assert_int_eq(sn_array_to_dlpack(a, &plain), SN_OK);
    ck_assert_int_eq(sn_array_to_dlpack_versioned(b, &versioned), SN_OK);
    int on_gpu = !strcmp(backends[_i], "gpu");
    ck_assert_int_eq(plain->tensor.device.type, on_gpu ? 2 : 1);
    ck_assert_int_eq(plain->tensor.device.number, 0);
    ck_assert_int_eq(plain->tensor.rank, 1);
    ck_assert_int_eq(plain->tensor.shape[0], 6);
    ck_assert_int_eq(plain->tensor.strides[0], 1);
    ck_assert_int_eq(plain->tensor.dtype.code, 2);
    ck_assert_int_eq(plain->tensor.dtype.bits, 32);
    ck_assert_int_eq(plain->tensor.dtype.lanes, 1);
    ck_assert_uint_eq(versioned->version.major, 1);
    ck_assert_uint_eq(versioned->flags, 0);
    ck_assert_ptr_eq(versioned->tensor.data, sn_array_type(b).data);
    sn_array_free(a); /* lives on */
    ck_assert_int_eq(sn_array_from_dlpack(ctx, plain, &view), SN_OK);
    ck_assert_int_eq(sn_array_from_dlpack_versioned(ctx, versioned, &out), SN_OK);
    array_is(view, 6, values);
    const sn_tensor s = SCALAR(&sum);
    ck_assert_int_eq(sn_call_bind_input_array(t.call, 0, view), SN_OK);
    ck_assert_int_eq(sn_call_bind_output_array(t.call, 0, out), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(t.call, 1, &s), SN_OK);
    run_ok(t.call);
    array_is(b, 6, (float[]){3, 5, 7, 9, 11, 13});
    sn_array_free(out), sn_array_free(view), sn_array_free(b);
    twice_close(&t);
    close_context(ctx);
}
END_TEST

/* Memory of others may begin at any element: calls that were recorded for other addresses see that. */
START_TEST(anywhere) {
    enum { ALL = 60, SOME = 33 };
    sn_context *ctx = open_on(_i);
    twice t = twice_open(ctx);
    float values[ALL], have[ALL], want[ALL], sum;
    for (int i = 0; i < ALL; i++) values[i] = (float)i;
    sn_array *from = array_of(ctx, ALL, values), *to = array_of(ctx, ALL, NULL);
    const sn_tensor s = SCALAR(&sum);
    ck_assert_int_eq(sn_call_bind_output(t.call, 1, &s), SN_OK);
    int64_t shape = SOME;
    for (int at = 0; at < 12; at++) {
        struct DLManagedTensor *lent[2];
        sn_array *part[2];
        for (int k = 0; k < 2; k++) {
            ck_assert_int_eq(sn_array_to_dlpack(k ? to : from, &lent[k]), SN_OK);
            lent[k]->tensor.shape[0] = shape;
            lent[k]->tensor.byte_offset = sizeof(float) * (size_t)(k ? at / 4 : at % 4);
            ck_assert_int_eq(sn_array_from_dlpack(ctx, lent[k], &part[k]), SN_OK);
        }
        ck_assert_int_eq(sn_array_set(to, memset(want, 0, sizeof want), sizeof want), SN_OK);
        ck_assert_int_eq(sn_call_bind_input_array(t.call, 0, part[0]), SN_OK);
        ck_assert_int_eq(sn_call_bind_output_array(t.call, 0, part[1]), SN_OK);
        for (int round = 0; round < 3; round++) run_ok(t.call);
        for (int i = 0; i < SOME; i++) want[at / 4 + i] = 2 * values[at % 4 + i] + 1;
        ck_assert_int_eq(sn_array_get(to, have, sizeof have), SN_OK);
        ck_assert_mem_eq(have, want, sizeof want);
        sn_array_free(part[0]), sn_array_free(part[1]);
    }
    sn_array_free(from), sn_array_free(to);
    twice_close(&t);
    close_context(ctx);
}
END_TEST

START_TEST(refused) {
    sn_context *ctx = open_on(_i);
    twice t = twice_open(ctx);
    float values[12] = {0};
    sn_array *base = array_of(ctx, 12, values), *got = NULL;
    int32_t here = strcmp(backends[_i], "gpu") ? 1 : 2;
    int64_t shape[7] = {3, 4, 1, 1, 1, 1, 1}, strides[7] = {4, 1, 1, 1, 1, 1, 1};
    struct DLManagedTensor m = {.deleter = count_deleted};
    m.tensor.data = sn_array_type(base).data;
    m.tensor.device.type = here;
    m.tensor.rank = 2;
    m.tensor.dtype.code = DL_FLOAT;
    m.tensor.dtype.bits = 32;
    m.tensor.dtype.lanes = 1;
    m.tensor.shape = shape;
    m.tensor.strides = strides;
    const struct DLManagedTensor good = m;
    deleted = 0;
#define REFUSED(status, text, ...)                                                                                     \
    do {                                                                                                               \
        m = good;                                                                                                      \
        __VA_ARGS__;                                                                                                   \
        ck_assert_int_eq(sn_array_from_dlpack(ctx, &m, &got), status);                                                 \
        ck_assert_ptr_null(got);                                                                                       \
        ck_assert_msg(strstr(sn_context_error(ctx), text) != NULL, "%s", sn_context_error(ctx));                       \
    } while (0)
    REFUSED(SN_ERR_UNSUPPORTED, "device type 10", m.tensor.device.type = 10);
    if (here == 2) REFUSED(SN_ERR_UNSUPPORTED, "on CUDA device 1, the context on 0", m.tensor.device.number = 1);
    REFUSED(SN_ERR_DTYPE, "type code 5 of 64 bits", m.tensor.dtype.code = 5, m.tensor.dtype.bits = 64);
    REFUSED(SN_ERR_DTYPE, "4 lanes", m.tensor.dtype.lanes = 4);
    REFUSED(SN_ERR_SHAPE, "rank 7", m.tensor.rank = 7);
    REFUSED(SN_ERR_SHAPE, "rank 2 given", m.tensor.shape = NULL);
    REFUSED(SN_ERR_SHAPE, "negative", m.tensor.shape = (int64_t[]){3, -4});
    REFUSED(SN_ERR_UNSUPPORTED, "f32[3,4]: its strides", m.tensor.strides = (int64_t[]){1, 3});
    REFUSED(SN_ERR_ARGUMENT, "data is NULL", m.tensor.data = NULL);
    REFUSED(SN_ERR_ARGUMENT, "not aligned to 4 bytes", m.tensor.byte_offset = 2);
    ck_assert_int_eq(deleted, 0);

    /* Strides of axes of one element mean nothing; an offset does; no deleter is fine. */
    m = good;
    m.tensor.shape = (int64_t[]){1, 3, 1};
    m.tensor.strides = (int64_t[]){77, 1, -5};
    m.tensor.rank = 3;
    m.tensor.byte_offset = 16;
    ck_assert_int_eq(sn_array_from_dlpack(ctx, &m, &got), SN_OK);
    ck_assert_ptr_eq(sn_array_type(got).data, (char *)m.tensor.data + 16);
    sn_array_free(got);
    ck_assert_int_eq(deleted, 1);
    m = good;
    m.deleter = NULL;
    m.tensor.strides = NULL;
    ck_assert_int_eq(sn_array_from_dlpack(ctx, &m, &got), SN_OK);
    sn_array_free(got);

    struct DLManagedTensorVersioned v = {.deleter = count_deleted_versioned, .flags = 1, .tensor = good.tensor};
    v.version.major = 2;
    ck_assert_int_eq(sn_array_from_dlpack_versioned(ctx, &v, &got), SN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sn_context_error(ctx), "version 2.0"));
    v.version.major = 1;
    v.tensor.rank = 1;
    v.tensor.shape = (int64_t[]){12};
    v.tensor.strides = NULL;
    ck_assert_int_eq(sn_array_from_dlpack_versioned(ctx, &v, &got), SN_OK);
    ck_assert_int_eq(sn_array_set(got, values, sizeof values), SN_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(sn_context_error(ctx), "read-only"));
    ck_assert_int_eq(sn_call_bind_output_array(t.call, 0, got), SN_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(sn_call_error(t.call), "read-only"));
    ck_assert_int_eq(sn_call_bind_input_array(t.call, 0, got), SN_OK);
    struct DLManagedTensor *plain;
    ck_assert_int_eq(sn_array_to_dlpack(got, &plain), SN_ERR_UNSUPPORTED);
    ck_assert_ptr_null(plain);
    struct DLManagedTensorVersioned *again;
    ck_assert_int_eq(sn_array_to_dlpack_versioned(got, &again), SN_OK);
    ck_assert_uint_eq(again->flags, 1);
    again->deleter(again);
    sn_array_free(got);
    ck_assert_int_eq(deleted, 1); /* the call has it */
    twice_close(&t);
    ck_assert_int_eq(deleted, 2);

    ck_assert_int_eq(sn_array_from_dlpack(NULL, &m, &got), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_array_from_dlpack(ctx, NULL, &got), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_array_from_dlpack(ctx, &m, NULL), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_array_to_dlpack(base, NULL), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_array_to_dlpack(NULL, &plain), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_array_to_dlpack_versioned(NULL, &again), SN_ERR_ARGUMENT);
    sn_array_free(base);
    close_context(ctx);
}
END_TEST

/* The layout is an ABI: offsets as a compiler of C lays out the standard's structs on 64-bit machines. */
START_TEST(layout_of_dlpack) {
    ck_assert_uint_eq(sizeof(dl_tensor), 48);
    ck_assert_uint_eq(offsetof(dl_tensor, device), 8);
    ck_assert_uint_eq(offsetof(dl_tensor, rank), 16);
    ck_assert_uint_eq(offsetof(dl_tensor, dtype), 20);
    ck_assert_uint_eq(offsetof(dl_tensor, shape), 24);
    ck_assert_uint_eq(offsetof(dl_tensor, strides), 32);
    ck_assert_uint_eq(offsetof(dl_tensor, byte_offset), 40);
    ck_assert_uint_eq(offsetof(struct DLManagedTensor, manager), 48);
    ck_assert_uint_eq(offsetof(struct DLManagedTensor, deleter), 56);
    ck_assert_uint_eq(offsetof(struct DLManagedTensorVersioned, manager), 8);
    ck_assert_uint_eq(offsetof(struct DLManagedTensorVersioned, deleter), 16);
    ck_assert_uint_eq(offsetof(struct DLManagedTensorVersioned, flags), 24);
    ck_assert_uint_eq(offsetof(struct DLManagedTensorVersioned, tensor), 32);
}
END_TEST

int main(void) {
    Suite *s = suite_create("arrays");
    TCase *t = tcase_create("arrays");
    tcase_add_loop_test(t, from_call_to_call, 0, 3);
    tcase_add_loop_test(t, what_does_not_fit, 0, 3);
    tcase_add_loop_test(t, empty, 0, 3);
    tcase_add_loop_test(t, counted_array, 0, 3);
    tcase_add_loop_test(t, from_several_threads, 0, 3);
    tcase_add_loop_test(t, given_and_taken, 0, 3);
    tcase_add_loop_test(t, anywhere, 0, 3);
    tcase_add_loop_test(t, refused, 0, 3);
    tcase_add_test(t, layout_of_dlpack);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
