/* The context: its options in every form, and what it says of the environment, in dumps, and of what is left behind. */
#define _POSIX_C_SOURCE 200809L
#include "base/log.h"
#include "support/support_runtime.h"

START_TEST(context_options) {
    sn_context *ctx;
    ck_assert_int_eq(sn_context_new(NULL, NULL), SN_ERR_ARGUMENT);
    sn_context_options options = {.struct_size = 4, .log = keep_log, .backend = "interp", .keep_nan = 1};
    ck_assert_int_eq(sn_context_new(&options, &ctx), SN_ERR_ARGUMENT);
    ck_assert_ptr_null(ctx);
    options.struct_size = 0;
    options.backend = "abacus";
    ck_assert_int_eq(sn_context_new(&options, &ctx), SN_ERR_ARGUMENT);
    ck_assert_str_eq(last_log, "there is no backend \"abacus\": use \"cpu\", \"gpu\" or \"interp\"");
    options.backend = "interp";
    options.threads = -1;
    ck_assert_int_eq(sn_context_new(&options, &ctx), SN_ERR_ARGUMENT);
    options.threads = 1;
    ck_assert_int_eq(sn_context_new(&options, &ctx), SN_OK);
    ck_assert_str_eq(sn_context_backend(ctx), "interp");
    ck_assert_str_eq(sn_context_error(ctx), "");
    ck_assert_int_eq(sn_context_sync(ctx), SN_OK);
    ck_assert_int_eq(ctx->keep_nan, 1); /* 0 is the size in the first version, which had everything so far */
    sn_context_free(ctx);
    options.struct_size = sizeof options;
    ck_assert_int_eq(sn_context_new(&options, &ctx), SN_OK);
    ck_assert_int_eq(ctx->keep_nan, 1);
    sn_context_free(ctx);
    options.cuda_stream = &options;
    for (int sized = 0; sized < 2; sized++) { /* the last one is read in both forms */
        options.struct_size = sized ? sizeof options : 0;
        ck_assert_int_eq(sn_context_new(&options, &ctx), SN_ERR_ARGUMENT);
        ck_assert_str_eq(last_log, "cuda_context and cuda_stream are for backend \"gpu\", not \"interp\"");
    }
    options.cuda_stream = NULL;
    options.pool = &(sn_pool){.user = NULL};
    ck_assert_int_eq(sn_context_new(&options, &ctx), SN_ERR_ARGUMENT);
    ck_assert_str_eq(last_log, "context: parallel_for of the pool is NULL");
    options.pool = NULL;
    options.allocator = &(sn_allocator){.user = NULL};
    ck_assert_int_eq(sn_context_new(&options, &ctx), SN_ERR_ARGUMENT);
    ck_assert_str_eq(last_log, "context: realloc of the allocator is NULL");
    options.allocator = NULL;

    /* A struct of a later version: fine as long as nothing in it is used that is not known here. */
    struct {
        sn_context_options known;
        uint64_t later;
    } newer = {.known = options};
    newer.known.struct_size = sizeof newer;
    ck_assert_int_eq(sn_context_new(&newer.known, &ctx), SN_OK);
    sn_context_free(ctx);
    newer.later = 1;
    ck_assert_int_eq(sn_context_new(&newer.known, &ctx), SN_ERR_ARGUMENT);
    sn_context_free(NULL);
}
END_TEST

/* A variable of the environment that is misspelt is not taken for one that is not set. */
START_TEST(environment) {
    static const struct {
        const char *name, *value, *sentence;
    } wrong[] = {
        {"SINTER_DUMP", "kernel,lvlm",
         "SINTER_DUMP: 'lvlm' is none of graph,opt,fuse,kernel,program,llvm,asm,cuda,ptx,all"},
        {"SINTER_FUSE", "no", "SINTER_FUSE: 'no' is none of 0,1: it is ignored"},
        {"SINTER_VERIFY", "yes", "SINTER_VERIFY: 'yes' is none of 0,1: it is ignored"},
        {"SINTER_LOG", "loud", "SINTER_LOG: 'loud' is none of off,error,warn,info,debug: it is ignored"},
        {"SINTER_THREADS", "2 or 3", "SINTER_THREADS is '2 or 3', expected a number: it is ignored"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        setenv(wrong[i].name, wrong[i].value, 1);
        last_log[0] = 0;
        sn_context_options options = {.log = keep_log, .backend = "interp"};
        sn_context *ctx;
        ck_assert_int_eq(sn_context_new(&options, &ctx), SN_OK);
        ck_assert_msg(strstr(last_log, wrong[i].sentence) == last_log, "%s", last_log);
        sn_context_free(ctx);
        unsetenv(wrong[i].name);
    }
    setenv("SINTER_DUMP", "kernel,llvm,cuda", 1);
    last_log[0] = 0;
    sn_context_free(context());
    ck_assert_str_eq(last_log, "");
    unsetenv("SINTER_DUMP");
}
END_TEST

static void count_bytes(void *user, sn_log_level level, const char *message) {
    (void)level;
    size_t *most = user, n = strlen(message);
    if (n > *most) *most = n;
}

START_TEST(long_lines_of_a_dump_are_whole) {
    static char text[9000];
    memset(text, 'x', sizeof text - 1);
    text[10] = text[8010] = '\n';
    size_t most = 0;
    base_log log;
    base_log_init(&log, count_bytes, &most, SN_LOG_ERROR);
    base_log_text(&log, "title", text);
    ck_assert_uint_eq(most, 7999);
    ck_assert_uint_eq(strlen(text), sizeof text - 1);
    ck_assert(text[10] == '\n' && text[8010] == '\n');
}
END_TEST

/* Memory that is never given back: what is left behind is no leak. */
static void *from_a_heap(void *user, void *p, size_t old_size, size_t new_size) {
    static _Alignas(64) char heap[1 << 22];
    size_t *used = user;
    if (!new_size) return NULL;
    void *q = heap + *used;
    *used += (new_size + 63) / 64 * 64;
    ck_assert_uint_le(*used, sizeof heap);
    return p ? memcpy(q, p, old_size < new_size ? old_size : new_size) : q;
}

START_TEST(a_context_freed_too_early_says_so) {
    size_t used = 0;
    sn_allocator allocator = {from_a_heap, &used};
    sn_context_options options = {.allocator = &allocator, .log = keep_log, .threads = 1, .backend = "interp"};
    for (int made = 0; made < 3; made++) {
        sn_context *ctx;
        ck_assert_int_eq(sn_context_new(&options, &ctx), SN_OK);
        sn_var *w = made > 0 ? variable(ctx, "w", 2, NULL) : NULL;
        if (made > 1) {
            sn_graph *g = sn_graph_new(ctx, "twice");
            sn_expr twice = sn_mul(sn_use(g, w), sn_const(g, 2));
            function(g, &(sn_function_desc){.outputs = &twice, .n_outputs = 1});
            sn_graph_free(g);
        }
        last_log[0] = 0;
        sn_context_free(ctx);
        ck_assert_int_eq(strstr(last_log, "the context is freed before ") == last_log, made > 0);
        ck_assert_int_eq(strstr(last_log, "function \"twice\" among them") != NULL, made > 1);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("context");
    TCase *tests = tcase_create("context");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, context_options);
    tcase_add_test(tests, environment);
    tcase_add_test(tests, long_lines_of_a_dump_are_whole);
    tcase_add_test(tests, a_context_freed_too_early_says_so);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
