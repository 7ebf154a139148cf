/* What an application is told when a GPU fails it, on the stand-in: work that fails after the call has returned,
 * drivers that cannot be used, and each call of the driver made to fail once. */
#define _GNU_SOURCE
#include "support/support_app.h"

/* What fails after the call returned: 0: noticed by sn_context_sync; 1: by a read; 2: by the next call; 3: by a free,
 * and told by what comes next; 4: by giving memory back to another library. */
START_TEST(failed_late) {
    app a;
    float sum;
    if (!find("failed_late")) return;
    app_ok(&a, NULL, NULL);
    for (int i = 0; i < 4; i++) run_ok(&a);
    ck_assert_int_eq(sn_context_sync(a.ctx), SN_OK);
    run_ok(&a);
    const char *text;
    if (_i >= 3) {
        struct DLManagedTensor *given;
        sn_array *some;
        ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 1, (int64_t[]){4}, &some), SN_OK);
        if (_i == 4) {
            ck_assert_int_eq(sn_array_to_dlpack(a.x, &given), SN_OK);
            sn_array_free(some);
            ck_assert_int_eq(sn_array_from_dlpack(a.ctx, given, &some), SN_OK);
        }
        run_ok(&a);
        gpu.fail_at("cuStreamSynchronize", 1, 1);
        sn_array_free(some);
        ck_assert_int_eq(sn_context_sync(a.ctx), SN_ERR_INTERNAL);
        ck_assert_ptr_nonnull(strstr(sn_context_error(a.ctx), "waiting for work that was started earlier"));
        ck_assert_int_eq(sn_context_sync(a.ctx), SN_OK); /* told once */
        run_ok(&a);
        app_close(&a);
        return;
    }
    gpu.fail_at(_i == 2 ? NULL : "cuStreamSynchronize", 1, 719);
    sn_status status = _i == 0   ? sn_context_sync(a.ctx)
                       : _i == 1 ? sn_array_get(a.sum, &sum, sizeof sum)
                                 : sn_call_run(a.call);
    text = _i == 2 ? sn_call_error(a.call) : sn_context_error(a.ctx);
    ck_assert_int_eq(status, SN_ERR_INTERNAL);
    ck_assert_msg(strstr(text, "CUDA_ERROR_LAUNCH_FAILED") && strstr(text, "the CUDA context is lost"), "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "start the process anew"));
    /* And from there on by everything. */
    ck_assert_int_ne(sn_call_run(a.call), SN_OK);
    ck_assert_ptr_nonnull(strstr(sn_call_error(a.call), "the CUDA context is lost"));
    ck_assert_int_ne(sn_context_sync(a.ctx), SN_OK);
    ck_assert_ptr_nonnull(strstr(sn_context_error(a.ctx), "the CUDA context is lost"));
    ck_assert_int_ne(sn_var_get(a.var, &(int64_t){0}, sizeof(int64_t)), SN_OK);
    gpu.reset();
    app_close(&a);
}
END_TEST

/* What nobody was told yet is told by its first failure. */
START_TEST(first_of_two_failures) {
    void *context, *stream;
    app a;
    sn_array *some[2];
    if (!find("first_of_two_failures")) return;
    ck_assert_int_eq(driver.context_create(&context, 0, 0), 0);
    ck_assert_int_eq(driver.stream_create(&stream, 0), 0);
    app_ok(&a, context, stream);
    for (int i = 0; i < 2; i++) ck_assert_int_eq(sn_array_new(a.ctx, SN_F32, 0, NULL, &some[i]), SN_OK);
    for (int i = 0; i < 2; i++) {
        gpu.fail_at("cuStreamSynchronize", 1, 1 + i);
        sn_array_free(some[i]);
    }
    ck_assert_int_ne(sn_context_sync(a.ctx), SN_OK);
    ck_assert_ptr_nonnull(strstr(sn_context_error(a.ctx), "CUDA_ERROR_INVALID_VALUE"));
    ck_assert_int_eq(sn_context_sync(a.ctx), SN_OK);
    app_close(&a);
    ck_assert_int_eq(driver.stream_destroy(stream), 0);
    ck_assert_int_eq(driver.context_destroy(context), 0);
}
END_TEST

/* A call that fails has no more of the host's memory in use, and one that cannot wait for what it is to wait for fails.
 */
START_TEST(failed_calls_let_go) {
    static float values[LARGE];
    static const char *const calls[] = {"cuGraphLaunch", "cuEventRecord", "cuEventSynchronize"};
    app a;
    if (!find("failed_calls_let_go")) return;
    app_ok(&a, NULL, NULL);
    /* What comes after a failure is not started. */
    gpu.reset();
    run_ok(&a);
    ck_assert_uint_ge(gpu.count("cuLaunchKernel"), 2);
    gpu.reset();
    gpu.fail_at("cuLaunchKernel", 1, 1);
    ck_assert_int_eq(sn_call_run(a.call), SN_ERR_INTERNAL);
    ck_assert_uint_eq(gpu.count("cuLaunchKernel"), 1);
    gpu.reset();
    const sn_tensor x = VEC(values, LARGE), few = VEC(values, N), other = VEC(values, 10);
    gpu.defer(1);
    for (int direct = 0; direct < 2; direct++) {
        ck_assert_int_eq(sn_call_bind_input(a.call, 0, direct ? &x : &few), SN_OK);
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
            for (int k = 0; k < 4; k++) run_ok(&a);
            ck_assert_int_eq(sn_call_bind_input(a.call, 0, &other), SN_OK);
            run_ok(&a);
            ck_assert_int_eq(sn_context_sync(a.ctx), SN_OK);
            ck_assert_int_eq(sn_call_bind_input(a.call, 0, direct ? &x : &few), SN_OK);
            uint64_t in = gpu.bytes_in();
            gpu.reset();
            gpu.fail_at(calls[i], 1, 1);
            ck_assert_msg(sn_call_run(a.call) == SN_ERR_INTERNAL, "%s", calls[i]);
            ck_assert_str_eq(gpu.failed(), calls[i]);
            ck_assert_ptr_nonnull(strstr(sn_call_error(a.call), "CUDA_ERROR_INVALID_VALUE"));
            if (i < 2) ck_assert_uint_ge(gpu.bytes_in() - in, (direct ? LARGE : N) * sizeof *values);
        }
    }
    /* Nor has it written any. */
    float sum = -5;
    const sn_tensor s = SCALAR(&sum);
    ck_assert_int_eq(sn_call_bind_input(a.call, 0, &other), SN_OK);
    ck_assert_int_eq(sn_call_bind_output(a.call, 1, &s), SN_OK);
    for (int k = 0; k < 3; k++) run_ok(&a);
    sum = -5;
    gpu.fail_at("cuGraphLaunch", 1, 1);
    ck_assert_int_eq(sn_call_run(a.call), SN_ERR_INTERNAL);
    ck_assert(sum == -5);
    app_close(&a);
}
END_TEST

/* ---- sentences --------------------------------------------------------------------------------------------------- */

START_TEST(no_driver_for_us) {
    app a;
    char text[512];
    if (!find("no_driver_for_us")) return;
    setenv("STANDIN_VERSION", "11080", 1);
    ck_assert_int_eq(app_open(&a, NULL, NULL), SN_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(last_log, "is for CUDA 11.8; 12.0 or newer is needed: update the driver"));
    app_close(&a);
    ck_assert_int_eq(sn_device_available("gpu", text, sizeof text), SN_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(text, "update the driver"));
    unsetenv("STANDIN_VERSION");
    setenv("STANDIN_NO_DEVICE", "1", 1);
    ck_assert_int_eq(app_open(&a, NULL, NULL), SN_ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(last_log, "sees no device"));
    ck_assert_ptr_nonnull(strstr(last_log, "CUDA_VISIBLE_DEVICES"));
    app_close(&a);
    unsetenv("STANDIN_NO_DEVICE");
    gpu.reset();
    static const struct {
        int code;
        sn_status status;
        const char *text;
    } codes[] = {{34, SN_ERR_UNAVAILABLE, "is the toolkit's stub"},
                 {100, SN_ERR_UNAVAILABLE, "is there a GPU"},
                 {803, SN_ERR_UNAVAILABLE, "do not fit together: update the driver"}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        gpu.fail_at("cuInit", 1, codes[i].code);
        ck_assert_int_eq(app_open(&a, NULL, NULL), codes[i].status);
        ck_assert_msg(strstr(last_log, codes[i].text) != NULL, "%s", last_log);
        app_close(&a);
    }
}
END_TEST

/* Each call of the driver made to fail once, with the application's context and stream, arrays, and work that is put
 * off: an error with a sentence or no harm; nothing leaks, no context stays current, and the next run is whole. */
START_TEST(every_failure_has_a_sentence) {
    static const char *const kinds[] = {"stream" /* the application's */, "event", "module", "graph", "recording"};
    void *context, *stream, *was;
    app a;
    float values[N], sum, have;
    if (!find("every_failure_has_a_sentence")) return;
    length = N;
    ck_assert_int_eq(driver.context_create(&context, 0, 0), 0);
    ck_assert_int_eq(driver.stream_create(&stream, 0), 0);
    ck_assert_int_eq(driver.pop(&was), 0);
    gpu.defer(1);
    memcpy(values, ramp(0), sizeof values);
    int failures = 0, early = 0;
    for (unsigned long k = 1, reached = 1; reached; k++) {
        gpu.reset();
        uint64_t before = gpu.allocated(), pinned = gpu.pinned();
        gpu.fail_at(NULL, k, _i);
        sn_status status = app_open(&a, context, stream);
        const char *text = a.f ? sn_context_error(a.ctx) : a.g ? sn_graph_error(a.g) : last_log;
        if (a.ctx && !text[0]) text = sn_context_error(a.ctx);
        const sn_tensor x = VEC(values, N), s = SCALAR(&sum);
        int opened = !status;
        if (!status) status = sn_array_set(a.x, ramp(0), sizeof values);
        for (int i = 0; i < 8 && !status; i++) {
            text = sn_call_error(a.call);
            if (i == 4) status = sn_call_bind_input(a.call, 0, &x);
            if (i == 6) status = sn_call_bind_output(a.call, 1, &s);
            if (!status) status = sn_call_run(a.call);
        }
        if (!status) {
            text = sn_context_error(a.ctx);
            status = sn_array_get(a.y, values, sizeof values);
            memcpy(values, ramp(0), sizeof values);
        }
        if (!status) status = sn_context_sync(a.ctx);
        reached = gpu.count(NULL) >= k;
        if (status) {
            ck_assert_msg(text[0], "failure %lu has no sentence", k);
            failures++;
            early += !opened;
        }
        if (!reached) ck_assert_int_eq(status, SN_OK);
        gpu.fail_at(NULL, 0, 0);
        gpu.reset();
        ck_assert_int_eq(gpu.context_depth(), 0);
        if (opened && _i < 700) {
            (void)sn_context_sync(a.ctx); /* tells what is left to tell */
            ck_assert_int_eq(sn_array_set(a.x, ramp(3), sizeof values), SN_OK);
            ck_assert_int_eq(sn_call_bind_input_array(a.call, 0, a.x), SN_OK);
            ck_assert_int_eq(sn_call_bind_output_array(a.call, 1, a.sum), SN_OK);
            for (int i = 0; i < 3; i++) {
                ck_assert_msg(!sn_call_run(a.call), "failure %lu: %s", k, sn_call_error(a.call));
                y_is(a.y, ramp(3), N);
                ck_assert_int_eq(sn_array_get(a.sum, &have, sizeof have), SN_OK);
                ck_assert_msg(have == 19 * N, "failure %lu", k);
            }
        }
        app_close(&a);
        /* What a failed call was to give back stays. */
        if (_i < 700 && strcmp(gpu.failed(), "cuMemFree_v2"))
            ck_assert_msg(gpu.allocated() == before, "failure %lu, of %s, left memory on the device", k, gpu.failed());
        if (_i < 700) {
            ck_assert_uint_eq(gpu.pinned(), pinned);
            for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
                ck_assert_msg(gpu.live(kinds[kind]) == !kind, "failure %lu, of %s, left %ld %ss", k, gpu.failed(),
                              gpu.live(kinds[kind]), kinds[kind]);
        }
        ck_assert_int_eq(gpu.context_depth(), 0);
    }
    ck_assert_int_eq(driver.push(context), 0);
    ck_assert_int_eq(driver.stream_destroy(stream), 0);
    ck_assert_int_eq(driver.context_destroy(context), 0);
    ck_assert_int_gt(early, 10);
    ck_assert_int_gt(failures, early + 20);
}
END_TEST

int main(void) {
    Suite *s = suite_create("gpu failures");
    TCase *t = tcase_create("device");
    tcase_add_loop_test(t, failed_late, 0, 5);
    tcase_add_test(t, first_of_two_failures);
    tcase_add_test(t, failed_calls_let_go);
    tcase_add_test(t, no_driver_for_us);
    tcase_add_loop_test(t, every_failure_has_a_sentence, 2, 3);
    tcase_add_loop_test(t, every_failure_has_a_sentence, 719, 720);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
