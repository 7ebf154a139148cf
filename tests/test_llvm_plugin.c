/* The border of the code generator: what it refuses and how, equal bytes for equal requests from any thread, texts. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "support/support_emit.h"

/* y[n] = prim(x[n]) with points as lanes. */
static base_strbuf kernel_of(support_kernel *k, kn_prim prim) {
    support_kernel_init(k);
    kn_build *b = &k->b;
    kn_id n = kn_add_axis(b, KN_POINT, KN_D(0));
    kn_access x = kn_access_of(kn_add_mem(b, KN_IN, SN_F32, KN_D(0), "x"));
    kn_access y = kn_access_of(kn_add_mem(b, KN_OUT, SN_F32, KN_D(0), "y"));
    kn_access_step(&x, n, KN_C(1));
    kn_access_step(&y, n, KN_C(1));
    kn_part_begin(b, 1, &n, 16, 1, 8);
    kn_phase_begin(b, 0, 0, NULL, n, 16, 1);
    kn_store(b, y, kn_prim1(b, prim, SN_F32, kn_load(b, SN_F32, x)));
    kn_phase_end(b);
    kn_part_end(b);
    return support_kernel_bytes(k);
}

static base_strbuf small_kernel(support_kernel *k) { return kernel_of(k, KP_EXP); }

static sinter_llvm_request request_of(support_kernel *k, const base_strbuf *bytes) {
    return (sinter_llvm_request){.struct_size = sizeof(sinter_llvm_request),
                                 .abi = SINTER_LLVM_ABI,
                                 .want = SINTER_LLVM_OBJECT,
                                 .kernel = bytes->at,
                                 .kernel_size = bytes->n,
                                 .symbol = "sk_1",
                                 .level = "v3",
                                 .allocator = k->alloc.hook};
}

static void free_result(const sinter_llvm_request *r, sinter_llvm_result *result) {
    if (result->bytes) r->allocator.realloc(r->allocator.user, result->bytes, result->n, 0);
}

static void expect(sinter_llvm_request *request, sn_status want, const char *part) {
    sinter_llvm_result result;
    sn_status status = support_plugin()(request, &result);
    ck_assert_msg(status == want, "status %d, %s", (int)status, result.text);
    ck_assert_msg(strstr(result.text, part) != NULL, "'%s' lacks '%s'", result.text, part);
    ck_assert_ptr_null(result.bytes);
    ck_assert_ptr_null(result.handle);
    ck_assert_uint_eq(result.n, 0);
}

START_TEST(bad_requests_are_refused) {
    support_kernel k;
    base_strbuf bytes = small_kernel(&k);
    sinter_llvm_request good = request_of(&k, &bytes), r = good;
    r.abi++;
    expect(&r, SN_ERR_ARGUMENT, "versions");
    r = good, r.level = "v2";
    expect(&r, SN_ERR_ARGUMENT, "v3 or v4");
    r = good, r.symbol = NULL;
    expect(&r, SN_ERR_ARGUMENT, "NULL");
    r = good, r.want = 17;
    expect(&r, SN_ERR_ARGUMENT, "wanted");
    for (size_t n = 0; n < bytes.n; n += 7) {
        r = good, r.kernel_size = n;
        expect(&r, SN_ERR_PARSE, "");
    }
    base_strbuf_free(&bytes);
    support_kernel_free(&k);
}
END_TEST

/* Fails the n-th allocation and counts what is live. */
typedef struct {
    sn_allocator real;
    int64_t left;
    size_t live;
} failing;

static void *failing_realloc(void *user, void *p, size_t old_size, size_t new_size) {
    failing *f = user;
    if (new_size && --f->left < 0) return NULL;
    void *q = f->real.realloc(f->real.user, p, old_size, new_size);
    f->live += new_size - (p ? old_size : 0);
    return q;
}

START_TEST(no_memory_is_an_error_without_leaks) {
    support_kernel k;
    base_strbuf bytes = small_kernel(&k);
    for (int64_t n = 0;; n++) {
        failing f = {.real = k.alloc.hook, .left = n};
        sinter_llvm_request r = request_of(&k, &bytes);
        r.allocator = (sn_allocator){failing_realloc, &f};
        sinter_llvm_result result;
        sn_status status = support_plugin()(&r, &result);
        free_result(&r, &result);
        ck_assert_uint_eq(f.live, 0);
        if (status == SN_OK) {
            ck_assert_int_gt(n, 0);
            break;
        }
        ck_assert_int_eq(status, SN_ERR_NOMEM);
        ck_assert_int_lt(n, 1000);
    }
    base_strbuf_free(&bytes);
    support_kernel_free(&k);
}
END_TEST

typedef struct {
    const sinter_llvm_request *request;
    sinter_llvm_result result;
    sn_status status;
} thread_job;

static void *compile_in_thread(void *arg) {
    thread_job *j = arg;
    j->status = support_plugin()(j->request, &j->result);
    return NULL;
}

START_TEST(equal_requests_give_equal_bytes_from_any_thread) {
    enum { N = 4 };
    support_kernel k;
    base_strbuf bytes = small_kernel(&k);
    for (uint32_t want = SINTER_LLVM_OBJECT; want <= SINTER_LLVM_ASM; want++) {
        sinter_llvm_request r = request_of(&k, &bytes);
        r.want = want;
        thread_job job[N];
        pthread_t thread[N];
        for (int i = 0; i < N; i++) {
            job[i] = (thread_job){.request = &r};
            ck_assert_int_eq(pthread_create(&thread[i], NULL, compile_in_thread, &job[i]), 0);
        }
        for (int i = 0; i < N; i++) pthread_join(thread[i], NULL);
        for (int i = 0; i < N; i++) {
            ck_assert_msg(job[i].status == SN_OK, "%s", job[i].result.text);
            ck_assert_uint_eq(job[i].result.n, job[0].result.n);
            ck_assert_mem_eq(job[i].result.bytes, job[0].result.bytes, job[0].result.n);
        }
        if (want != SINTER_LLVM_OBJECT) {
            ck_assert_ptr_nonnull(strstr(job[0].result.bytes, "sk_1"));
            ck_assert_uint_eq(strlen(job[0].result.bytes) + 1, job[0].result.n);
        }
        for (int i = 0; i < N; i++) free_result(&r, &job[i].result);
    }
    base_strbuf_free(&bytes);
    support_kernel_free(&k);
}
END_TEST

/* What only rare arguments of sin need, arithmetic in f64, stands behind a branch: none of it before "seldom". */
START_TEST(rare_code_stands_behind_a_branch) {
    support_kernel k;
    base_strbuf bytes = kernel_of(&k, KP_SIN);
    for (int v4 = 0; v4 < 2; v4++) {
        sinter_llvm_request r = request_of(&k, &bytes);
        sinter_llvm_result result;
        r.want = SINTER_LLVM_IR;
        r.level = v4 ? "v4" : "v3";
        ck_assert_int_eq(support_plugin()(&r, &result), SN_OK);
        char *text = result.bytes, *body = text, *rare = strstr(text, "\nseldom");
        ck_assert_ptr_nonnull(rare);
        ck_assert_ptr_nonnull(strstr(rare, "fpext <16 x float>"));
        while (body && (body = strstr(body, "fpext"))) { /* each is in a block "seldom" */
            char *block = body;
            while (block > text && !(block[-1] == '\n' && block[0] != ' ' && block[0] != '\n')) block--;
            ck_assert_msg(!strncmp(block, "seldom", 6), "f64 outside of what is rare, in block %.12s", block);
            body++;
        }
        free_result(&r, &result);
    }
    base_strbuf_free(&bytes);
    support_kernel_free(&k);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("llvm_plugin");
    TCase *tc = tcase_create("plugin");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, bad_requests_are_refused);
    tcase_add_test(tc, no_memory_is_an_error_without_leaks);
    tcase_add_test(tc, equal_requests_give_equal_bytes_from_any_thread);
    tcase_add_test(tc, rare_code_stands_behind_a_branch);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
