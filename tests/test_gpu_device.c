/* What an application sees of a GPU, on the stand-in: its own context and stream, arrays that stay there, calls that
 * return while the device is at work. The stand-in counts, and puts work off until somebody waits. */
#define _GNU_SOURCE
#include "support/support_app.h"

/* ---- context and stream ------------------------------------------------------------------------------------------ */

/* 0: a context alone; 1: and a stream; 2: and the legacy default stream; 3: of the second device. */
START_TEST(own_context) {
    void *context, *stream = NULL, *was;
    app a;
    if (!find("own_context")) return;
    ck_assert_int_eq(driver.context_create(&context, 0, _i == 3), 0);
    if (_i == 1) ck_assert_int_eq(driver.stream_create(&stream, 0), 0);
    if (_i == 2) stream = (void *)1;
    ck_assert_int_eq(driver.pop(&was), 0);
    app_ok(&a, context, stream);
    ck_assert_int_eq(gpu.retained(), 0);
    ck_assert_int_eq(gpu.context_depth(), 0);
    gpu.reset();
    ck_assert_int_eq(sn_array_set(a.x, ramp(1), LARGE * sizeof(float)), SN_OK);
    for (int i = 0; i < 5; i++) run_ok(&a);
    y_is(a.y, ramp(1), LARGE);
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), 3);
    struct DLManagedTensor *lent;
    ck_assert_int_eq(sn_array_to_dlpack(a.x, &lent), SN_OK);
    int32_t device[2];
    memcpy(device, (char *)lent + 8, sizeof device);
    ck_assert_int_eq(device[0], 2);
    ck_assert_int_eq(device[1], _i == 3);
    sn_array *again;
    ck_assert_int_eq(sn_array_from_dlpack(a.ctx, lent, &again), SN_OK);
    sn_array_free(again);
    /* On a stream of the application's there may be kernels of its own at work on an array: whoever frees one waits. */
    ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){4}, &again), SN_OK);
    ck_assert_int_eq(sn_context_sync(a.ctx), SN_OK);
    gpu.reset();
    sn_array_free(again);
    ck_assert_uint_eq(gpu.count("cuStreamSynchronize"), stream ? 1 : 0);
    ck_assert_int_eq(gpu.context_depth(), 0);
    app_close(&a);
    ck_assert_int_eq(gpu.context_depth(), 0);
    ck_assert_uint_eq(gpu.allocated(), 0);
    /* Both are as they were. */
    ck_assert_int_eq(driver.push(context), 0);
    if (_i == 1) ck_assert_int_eq(driver.stream_destroy(stream), 0);
    ck_assert_int_eq(driver.context_destroy(context), 0);
}
END_TEST

START_TEST(without_one_the_primary_is_used) {
    app a;
    if (!find("without_one_the_primary_is_used")) return;
    app_ok(&a, NULL, NULL);
    ck_assert_int_eq(gpu.retained(), 1);
    app_close(&a);
    ck_assert_int_eq(gpu.retained(), 0);
}
END_TEST

/* The primary context that the application has and gives is as much its own as any. */
START_TEST(the_applications_primary) {
    void *context;
    app a;
    if (!find("the_applications_primary")) return;
    ck_assert_int_eq(driver.retain(&context, 0), 0);
    app_ok(&a, context, NULL);
    run_ok(&a);
    ck_assert_int_eq(gpu.retained(), 1);
    app_close(&a);
    ck_assert_int_eq(gpu.retained(), 1);
    ck_assert_int_eq(driver.release(0), 0);
    ck_assert_int_eq(gpu.retained(), 0);
}
END_TEST

START_TEST(mistakes_about_contexts) {
    void *context, *other, *stream, *was;
    app a;
    if (!find("mistakes_about_contexts")) return;
    ck_assert_int_eq(driver.context_create(&context, 0, 0), 0);
    ck_assert_int_eq(driver.stream_create(&stream, 0), 0);
    ck_assert_int_eq(driver.context_create(&other, 0, 0), 0);
    ck_assert_int_eq(driver.pop(&was), 0);
    ck_assert_int_eq(driver.pop(&was), 0);
    ck_assert_int_eq(app_open(&a, NULL, stream), SN_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(last_log, "a stream is given without its CUDA context"));
    app_close(&a);
    ck_assert_int_eq(app_open(&a, other, stream), SN_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(last_log, "belongs to another CUDA context"));
    app_close(&a);
    ck_assert_int_eq(driver.context_destroy(other), 0);
    ck_assert_int_eq(app_open(&a, other, NULL), SN_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(last_log, "is the CUDA context that was given still there?"));
    app_close(&a);
    sn_context *ctx;
    sn_context_options options = {
        .struct_size = sizeof options, .backend = "interp", .log = keep_log, .cuda_context = context};
    ck_assert_int_eq(sn_context_new(&options, &ctx), SN_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(last_log, "are for backend \"gpu\", not \"interp\""));

    /* While the application records, nothing is put on its stream. */
    app_ok(&a, context, stream);
    run_ok(&a);
    void *graph;
    ck_assert_int_eq(driver.push(context), 0);
    ck_assert_int_eq(driver.begin_capture(stream, 0), 0);
    gpu.reset();
    ck_assert_int_eq(sn_call_run(a.call), SN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sn_call_error(a.call), "is recording a CUDA graph on its stream"));
    ck_assert_int_eq(sn_context_sync(a.ctx), SN_ERR_UNSUPPORTED);
    ck_assert_uint_eq(gpu.count("cuLaunchKernel"), 0);
    ck_assert_int_eq(driver.end_capture(stream, &graph), 0);
    ck_assert_int_eq(driver.graph_destroy(graph), 0);
    run_ok(&a);
    app_close(&a);
    ck_assert_int_eq(driver.stream_destroy(stream), 0);
    ck_assert_int_eq(driver.context_destroy(context), 0);
}
END_TEST

/* ---- what stays on the device ------------------------------------------------------------------------------------ */

static void profile_has(const app *a, const char *wanted) {
    char *text;
    ck_assert_int_eq(sn_function_show(a->f, SN_SHOW_PROFILE_JSON, &text), SN_OK);
    ck_assert_msg(strstr(text, wanted) != NULL, "%s", text);
    sn_string_free(a->ctx, text);
}

/* Not a byte crosses the bus, and the counters and the profile say so; a result that is asked for crosses alone. */
START_TEST(nothing_crosses) {
    app a;
    float sum;
    if (!find("nothing_crosses")) return;
    app_ok(&a, NULL, NULL);
    ck_assert_int_eq(sn_array_set(a.x, ramp(0), LARGE * sizeof(float)), SN_OK);
    for (int i = 0; i < 3; i++) run_ok(&a);
    ck_assert_int_eq(sn_context_sync(a.ctx), SN_OK);
    uint64_t in = gpu.bytes_in(), out = gpu.bytes_out();
    gpu.reset();
    for (int i = 0; i < 100; i++) run_ok(&a);
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), 100);
    ck_assert_uint_eq(gpu.count("cuLaunchKernel"), 0);
    ck_assert_uint_eq(gpu.count("cuStreamSynchronize"), 0);
    ck_assert_uint_eq(gpu.count("cuEventSynchronize"), 0);
    ck_assert_uint_eq(gpu.count("cuMemAlloc_v2"), 0);
    ck_assert_uint_eq(gpu.bytes_in(), in);
    ck_assert_uint_eq(gpu.bytes_out(), out);
    profile_has(&a, "\"calls\": 103,");
    profile_has(&a, "\"timed\": 2, \"ns\": ");
    profile_has(&a, "\"bytes_to_device\": 0, \"bytes_from_device\": 0, \"launches\": ");
    profile_has(&a, "\"graph_launches\": 101,");
    ck_assert_int_eq(sn_array_get(a.sum, &sum, sizeof sum), SN_OK);
    ck_assert(sum == 49.5f * LARGE);
    ck_assert_uint_eq(gpu.bytes_out(), out + sizeof sum);
    /* What the host gives and gets is counted: a block of 256 bytes each way, and LARGE floats directly. */
    const sn_tensor x = VEC((void *)(uintptr_t)ramp(1), LARGE), s = SCALAR(&sum);
    ck_assert_int_eq(sn_call_bind_input(a.call, 0, &x), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(a.call, 1, &s), SN_OK);
    in = gpu.bytes_in(), out = gpu.bytes_out();
    run_ok(&a);
    ck_assert_uint_eq(gpu.bytes_in() - in, LARGE * sizeof(float));
    ck_assert_uint_eq(gpu.bytes_out() - out, 256);
    profile_has(&a, "\"bytes_to_device\": 80000, \"bytes_from_device\": 256,");
    char *text;
    ck_assert_int_eq(sn_function_show(a.f, SN_SHOW_PROFILE, &text), SN_OK);
    ck_assert_ptr_nonnull(strstr(text, "to the device 80000 bytes, from it 256; "));
    sn_string_free(a.ctx, text);
    app_close(&a);
}
END_TEST

/* Recordings hold addresses: what is bound anew is never written or read by an old one. */
START_TEST(bound_anew) {
    app a;
    sn_array *other, *to;
    if (!find("bound_anew")) return;
    app_ok(&a, NULL, NULL);
    ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){LARGE}, &other), SN_OK);
    ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){LARGE}, &to), SN_OK);
    ck_assert_int_eq(sn_array_set(a.x, ramp(1), LARGE * sizeof(float)), SN_OK);
    ck_assert_int_eq(sn_array_set(other, ramp(7), LARGE * sizeof(float)), SN_OK);
    for (int i = 0; i < 4; i++) run_ok(&a);
    gpu.reset();
    ck_assert_int_eq(sn_call_bind_input_array(a.call, 0, other), SN_OK);
    ck_assert_int_eq(sn_call_bind_output_array(a.call, 0, to), SN_OK);
    for (int i = 0; i < 3; i++) {
        run_ok(&a);
        y_is(to, ramp(7), LARGE);
        y_is(a.y, ramp(1), LARGE);
    }
    /* Once as it is, then recorded, beside what was recorded with the others. */
    ck_assert_uint_eq(gpu.count("cuGraphLaunch"), 2);
    ck_assert_uint_eq(gpu.count("cuGraphInstantiateWithFlags"), 1);
    /* To and fro in every run: each way is recorded once. */
    for (int again = 0; again < 2; again++) {
        gpu.reset();
        for (int i = 0; i < 6; i++) {
            ck_assert_int_eq(sn_call_bind_input_array(a.call, 0, i % 2 ? other : a.x), SN_OK);
            run_ok(&a);
            y_is(to, ramp(i % 2 ? 7 : 1), LARGE);
        }
        ck_assert_uint_eq(gpu.count("cuStreamBeginCapture_v2"), again ? 0 : 1);
        ck_assert_uint_eq(gpu.count("cuGraphLaunch"), again ? 6 : 5);
    }
    int64_t runs;
    ck_assert_int_eq(sn_var_get(a.var, &runs, sizeof runs), SN_OK);
    ck_assert_int_eq(runs, 19);
    sn_array_free(other), sn_array_free(to);
    app_close(&a);
}
END_TEST

/* An array gets other sizes where it is: what was recorded with the old ones is not for them. */
START_TEST(sizes_change_in_place) {
    static const int64_t sizes[] = {10, 7, 10, 12};
    float values[N];
    app a;
    sn_call *call;
    if (!find("sizes_change_in_place")) return;
    length = N;
    app_ok(&a, NULL, NULL);
    ck_assert_int_eq(sn_call_new(a.f, &call), SN_OK);
    ck_assert_int_eq(sn_call_bind_output_array(call, 0, a.x), SN_OK);
    ck_assert_int_eq(sn_call_bind_output_array(call, 1, a.sum), SN_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const sn_tensor t = VEC((void *)(uintptr_t)ramp((float)i), sizes[i]);
        ck_assert_int_eq(sn_call_bind_input(call, 0, &t), SN_OK);
        ck_assert_msg(!sn_call_run(call), "%s", sn_call_error(call));
        for (int k = 0; k < N; k++) values[k] = 2 * ramp((float)i)[k] + 1;
        gpu.reset();
        for (int run = 0; run < 4; run++) {
            run_ok(&a);
            y_is(a.y, values, sizes[i]);
        }
        /* The first two of all are timed, sizes that come again are recorded, others run once before. */
        ck_assert_uint_eq(gpu.count("cuGraphLaunch"), i == 0 ? 2 : i == 2 ? 4 : 3);
    }
    sn_call_free(call);
    app_close(&a);
}
END_TEST

/* Bound to more arrays than recordings are kept of, in turn, and to one much more often than to the others: that one
 * stays. What is no longer recorded is made into what comes. */
START_TEST(recordings_are_bounded) {
    enum { ARRAYS = 12, KEPT = 8 };
    app a;
    sn_array *x[ARRAYS];
    if (!find("recordings_are_bounded")) return;
    length = N;
    app_ok(&a, NULL, NULL);
    for (int i = 0; i < ARRAYS; i++) {
        ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){N}, &x[i]), SN_OK);
        ck_assert_int_eq(sn_array_set(x[i], ramp((float)i), N * sizeof(float)), SN_OK);
    }
    for (int i = 0; i < 4; i++) run_ok(&a);
    gpu.reset();
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < ARRAYS; i++)
            for (int run = 0; run < 2; run++) {
                ck_assert_int_eq(sn_call_bind_input_array(a.call, 0, run ? x[0] : x[i]), SN_OK);
                run_ok(&a);
                y_is(a.y, ramp(run ? 0 : (float)i), N);
            }
    ck_assert_uint_le(gpu.count("cuGraphInstantiateWithFlags"), KEPT);
    ck_assert_uint_ge(gpu.count("cuGraphLaunch"), 4 * ARRAYS);
    /* Each twice in a row: recorded the second time, by an update of what was used for longest. */
    gpu.reset();
    for (int i = 0; i < 2 * ARRAYS; i++) {
        ck_assert_int_eq(sn_call_bind_input_array(a.call, 0, x[i / 2]), SN_OK);
        run_ok(&a);
        y_is(a.y, ramp((float)(i / 2)), N);
    }
    ck_assert_uint_le(gpu.count("cuGraphInstantiateWithFlags"), KEPT);
    ck_assert_uint_ge(gpu.count("cuGraphExecUpdate_v2"), ARRAYS - KEPT);
    for (int i = 0; i < ARRAYS; i++) sn_array_free(x[i]);
    app_close(&a);
    ck_assert_uint_eq(gpu.allocated(), 0);
}
END_TEST

/* ---- time -------------------------------------------------------------------------------------------------------- */

/* The call returns before anything ran; what the host gave may be changed at once, whether it was staged or read where
 * it is. */
START_TEST(returns_early) {
    static float values[LARGE];
    int64_t n = _i ? LARGE : N;
    app a;
    if (!find("returns_early")) return;
    app_ok(&a, NULL, NULL);
    const sn_tensor x = VEC(values, n);
    ck_assert_int_eq(sn_call_bind_input(a.call, 0, &x), SN_OK);
    for (int i = 0; i < 3; i++) run_ok(&a);
    ck_assert_int_eq(sn_context_sync(a.ctx), SN_OK);
    gpu.defer(1);
    const float *device = sn_array_type(a.y).data; /* the stand-in's memory is the host's */
    gpu.reset();
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < n; k++) values[k] = ramp((float)(i + 10))[k];
        run_ok(&a);
        for (int k = 0; k < n; k++) values[k] = -1;
        ck_assert_uint_eq(gpu.count("cuStreamSynchronize"), 0);
        ck_assert_msg(device[0] != (float)(2 * i + 21), "run %d has happened", i);
        if (i != 2) continue;
        y_is(a.y, ramp(12), n);
        gpu.reset();
    }
    ck_assert_int_eq(sn_context_sync(a.ctx), SN_OK);
    ck_assert(device[0] == 29);
    y_is(a.y, ramp(14), n);
    int64_t runs;
    ck_assert_int_eq(sn_var_get(a.var, &runs, sizeof runs), SN_OK);
    ck_assert_int_eq(runs, 8);
    /* Two on their way at a time, each with inputs of its own. */
    sn_array *other;
    ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, &n, &other), SN_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(sn_call_bind_output_array(a.call, 0, i ? other : a.y), SN_OK);
        memcpy(values, ramp((float)(50 + i)), sizeof values);
        run_ok(&a);
    }
    y_is(a.y, ramp(50), n);
    y_is(other, ramp(51), n);
    ck_assert_int_eq(sn_call_bind_output_array(a.call, 0, a.y), SN_OK);
    sn_array_free(other);
    /* With a result for the host it is done when it returns. */
    float sum;
    const sn_tensor s = SCALAR(&sum);
    ck_assert_int_eq(sn_call_bind_output(a.call, 1, &s), SN_OK);
    for (int k = 0; k < n; k++) values[k] = 1;
    run_ok(&a);
    ck_assert(sum == (float)n);
    ck_assert(device[0] == 3);
    app_close(&a);
    ck_assert_uint_eq(gpu.allocated(), 0);
}
END_TEST

/* Work that waits for its turn when all it uses is freed. */
START_TEST(freed_while_at_work) {
    app a;
    if (!find("freed_while_at_work")) return;
    gpu.defer(1);
    app_ok(&a, NULL, NULL);
    for (int i = 0; i < 4; i++) run_ok(&a);
    app_close(&a);
    ck_assert_uint_eq(gpu.allocated(), 0);
}
END_TEST

int main(void) {
    Suite *s = suite_create("gpu device");
    TCase *t = tcase_create("device");
    tcase_add_loop_test(t, own_context, 0, 4);
    tcase_add_test(t, without_one_the_primary_is_used);
    tcase_add_test(t, the_applications_primary);
    tcase_add_test(t, mistakes_about_contexts);
    tcase_add_test(t, nothing_crosses);
    tcase_add_test(t, bound_anew);
    tcase_add_test(t, sizes_change_in_place);
    tcase_add_test(t, recordings_are_bounded);
    tcase_add_loop_test(t, returns_early, 0, 2);
    tcase_add_test(t, freed_while_at_work);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
