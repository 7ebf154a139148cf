/* The CUDA C++ of kernels: golden text (tests/golden/cuda, without what every source starts with), and all of it
 * through NVIDIA's own compiler, where there is one: no GPU or driver is needed for that. Kernels as the schedule for
 * GPUs makes them compile without a word about spilled registers or local memory: for the first architecture of each
 * generation, with SN_SLOW=1 for all of them and more random kernels. */
#define _GNU_SOURCE
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jit_gpu/cuda_emit.h"
#include "jit_gpu/nvrtc.h"
#include "runtime/function.h"
#include "support/golden.h"
#include "support/gpu_graphs.h"
#include "support/random_kernel.h"
#include "support/support_nvrtc.h"
#include "support/support_run.h"

/* ---- sources ----------------------------------------------------------------------------------------------------- */

typedef struct {
    kernels_room *room;
    const kn_kernel *k;
    const ce_people *people;
    base_strbuf text;
} emission;

static void emit(void *arg) {
    emission *e = arg;
    ce_kernel(&e->room->arena, e->k, "kernel", e->people, &e->text);
}

/* To be freed. */
static base_strbuf source_of(kernels_room *room, const kn_kernel *k, const ce_people *people) {
    emission e = {.room = room, .k = k, .people = people};
    base_strbuf_init(&e.text, &room->alloc);
    ck_assert_msg(!base_protect(&room->trap, emit, &e), "%s", room->trap.text);
    ck_assert(!e.text.failed);
    return e.text;
}

/* ---- what the schedule for GPUs makes of graphs ------------------------------------------------------------------ */

static const ir_graph *graph_of_step; /* while for_kernels calls */

/* Calls f for each kernel of a graph that is scheduled for a GPU; nothing is compiled or run. */
static void for_kernels(int graph, void (*f)(kernels_room *room, const pg_step *step, void *arg), void *arg) {
    static be_backend backend;
    backend = be_null;
    backend.machine = KN_FOR_GPU;
    sn_context *ctx;
    net n;
    kernels_room room;
    ck_assert(!rt_context_open(&(sn_context_options){.struct_size = sizeof(sn_context_options)}, &backend, &ctx));
    gpu_graphs[graph].build(&n, ctx);
    sn_function *function = net_function(&n);
    kernels_room_init(&room);
    graph_of_step = &function->graph;
    for (uint32_t i = 0; i < function->program->n_step; i++)
        if (function->program->step[i].kind == PG_LAUNCH) f(&room, &function->program->step[i], arg);
    kernels_room_free(&room);
    sn_function_free(function);
    net_free(&n);
    sn_context_free(ctx);
}

/* ---- golden text ------------------------------------------------------------------------------------------------- */

static void add_body(kernels_room *room, const pg_step *step, void *arg) {
    pg_namer namer = {graph_of_step, step->kernel};
    const ce_people people = {pg_name_instruction, &namer};
    base_strbuf *all = arg, source = source_of(room, step->kernel, &people);
    const char *body = strstr(source.at, "struct sn_grid");
    ck_assert_ptr_nonnull(body);
    base_strbuf_printf(all, "%s// kernel %s\n%s", all->n ? "\n" : "", step->name, body);
    base_strbuf_free(&source);
}

START_TEST(text_is_golden) {
    base_alloc alloc;
    base_strbuf all;
    char file[64];
    base_alloc_init(&alloc, NULL);
    base_strbuf_init(&all, &alloc);
    for_kernels(_i, add_body, &all);
    snprintf(file, sizeof file, "cuda/%s.cu", gpu_graphs[_i].name);
    golden_check(file, all.at);
    base_strbuf_free(&all);
}
END_TEST

/* The names of memories, which are no part of a kernel's bytes, are in the text for people alone. */
static void compare_names(kernels_room *room, const pg_step *step, void *arg) {
    kn_kernel unnamed = *step->kernel;
    unnamed.mem_name = NULL;
    base_strbuf a = source_of(room, step->kernel, NULL), b = source_of(room, &unnamed, NULL);
    ck_assert_str_eq(a.at, b.at);
    base_strbuf_free(&b);
    base_strbuf_free(&a);
    (void)arg;
}

START_TEST(names_are_no_part_of_the_source) { for_kernels(_i, compare_names, NULL); }
END_TEST

static void odd_name(void *arg, uint32_t inst, base_strbuf *out) {
    (void)arg, (void)inst;
    base_strbuf_puts(out, "*/ odd\n\x01*/");
}

/* Names are the user's and may hold anything. */
static void check_odd_names(kernels_room *room, const pg_step *step, void *arg) {
    const ce_people people = {odd_name, NULL};
    base_strbuf text = source_of(room, step->kernel, &people);
    const char *first = strstr(text.at, " odd");
    ck_assert_ptr_nonnull(first);
    for (const char *at = first; at; at = strstr(at + 1, " odd"))
        ck_assert_int_eq(strncmp(at - 5, "/* *_ odd__*_ */\n", 17), 0);
    base_strbuf_free(&text);
    (void)arg;
}

START_TEST(names_stay_inside_comments) { for_kernels(_i, check_odd_names, NULL); }
END_TEST

/* ---- NVIDIA's compiler ------------------------------------------------------------------------------------------- */

/* clean: nothing spilled, nothing in local memory. */
static void compile(const char *source, int arch, int clean, const char *what) {
    char text[4608];
    ck_assert_msg(support_nvrtc_compile(source, arch, clean, what, text, sizeof text), "%s", text);
}

/* All, or the first of each generation; with sanitizers, which NVRTC knows nothing of and is slow under, the last. */
static int wanted(int i) {
    if (support_slow()) return 1;
    const int *archs = support_nvrtc_archs;
    return SUPPORT_SANITIZED ? i == support_nvrtc_n_archs - 1 : !i || archs[i] / 10 != archs[i - 1] / 10;
}

static void compile_everywhere(kernels_room *room, const pg_step *step, void *arg) {
    base_strbuf source = source_of(room, step->kernel, NULL);
    for (int i = 0; i < support_nvrtc_n_archs; i++)
        if (wanted(i)) compile(source.at, support_nvrtc_archs[i], 1, step->name);
    base_strbuf_free(&source);
    (void)arg;
}

START_TEST(graphs_compile_without_spilling) {
    if (!support_nvrtc_open()) return;
    for_kernels(_i, compile_everywhere, NULL);
}
END_TEST

static base_alloc alloc;
static base_log quiet;
static gpu_nvrtc *nvrtc;

static void ignore(void *user, sn_log_level level, const char *message) { (void)user, (void)level, (void)message; }

static void compile_twice(kernels_room *room, const pg_step *step, void *arg) {
    base_trap err = {.armed = 0};
    base_strbuf source = source_of(room, step->kernel, NULL), ptx[2], cubin[2];
    for (int i = 0; i < 2; i++) {
        base_strbuf_init(&ptx[i], &alloc);
        base_strbuf_init(&cubin[i], &alloc);
        ck_assert_msg(!gpu_nvrtc_compile(nvrtc, source.at, "kernel.cu", 90, &ptx[i], &cubin[i], &err), "%s", err.text);
    }
    ck_assert_uint_gt(cubin[0].n, 0);
    ck_assert_uint_eq(cubin[0].n, cubin[1].n);
    ck_assert_mem_eq(cubin[0].at, cubin[1].at, cubin[0].n);
    ck_assert_str_eq(ptx[0].at, ptx[1].at);
    for (int i = 0; i < 2; i++) {
        base_strbuf_free(&ptx[i]);
        base_strbuf_free(&cubin[i]);
    }
    base_strbuf_free(&source);
    (void)arg;
}

START_TEST(the_same_source_gives_the_same_code) {
    if (!support_nvrtc_open()) return;
    base_alloc_init(&alloc, NULL);
    base_log_init(&quiet, ignore, NULL, SN_LOG_ERROR);
    gpu_nvrtc_init(&nvrtc, &alloc, &quiet);
    ck_assert_ptr_nonnull(nvrtc);
    for_kernels(0, compile_twice, NULL);
    gpu_nvrtc_free(nvrtc);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}
END_TEST

/* One that does spill: without what it says the silence of the others would mean nothing. */
START_TEST(spilling_shows) {
    static const char source[] = "extern \"C\" __global__ void kernel(float *x, int n) {\n"
                                 "    float a[64];\n"
                                 "    for (int i = 0; i < n; i++) a[(i * 7) % 64] = x[i];\n"
                                 "    for (int i = 0; i < n; i++) x[i] = a[(i * i) % 64];\n"
                                 "}\n";
    char text[4608];
    if (!support_nvrtc_open()) return;
    int last = support_nvrtc_archs[support_nvrtc_n_archs - 1];
    compile(source, last, 0, "an array");
    ck_assert(!support_nvrtc_compile(source, last, 1, "an array", text, sizeof text));
    SUPPORT_HAS(text, "bytes");
}
END_TEST

/* 64 values that a loop keeps do not fit the 32 registers of 2048 threads, and so are compiled for 256; four do. */
static void compile_for_threads(int values, const char *least) {
    char source[600];
    base_strbuf ptx;
    base_trap err = {.armed = 0};
    base_strbuf_init(&ptx, &alloc);
    snprintf(source, sizeof source,
             "#ifndef SN_THREADS\n#define SN_THREADS 2048\n#endif\n"
             "extern \"C\" __global__ void __launch_bounds__(256, SN_THREADS / 256) kernel(float *x, int n) {\n"
             "    float a[%d];\n"
             "    _Pragma(\"unroll\") for (int i = 0; i < %d; i++) a[i] = x[i];\n"
             "    for (int k = 0; k < n; k++)\n"
             "        _Pragma(\"unroll\") for (int i = 0; i < %d; i++) a[i] = a[i] * x[k + i] + 1;\n"
             "    _Pragma(\"unroll\") for (int i = 0; i < %d; i++) x[i] = a[i];\n"
             "}\n",
             values, values, values, values);
    ck_assert_msg(!gpu_nvrtc_compile(nvrtc, source, "kernel.cu", 90, &ptx, NULL, &err), "%s", err.text);
    ck_assert_ptr_nonnull(strstr(ptx.at, least));
    base_strbuf_free(&ptx);
}

START_TEST(what_spills_is_compiled_for_fewer_threads) {
    if (!support_nvrtc_open()) return;
    base_alloc_init(&alloc, NULL);
    base_log_init(&quiet, ignore, NULL, SN_LOG_ERROR);
    gpu_nvrtc_init(&nvrtc, &alloc, &quiet);
    compile_for_threads(64, ".minnctapersm 1\n");
    compile_for_threads(4, ".minnctapersm 8\n");
    gpu_nvrtc_free(nvrtc);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}
END_TEST

/* Kernels that no schedule made: for one architecture. */
static void compile_one(kernels_room *room, const kn_kernel *k, const char *what) {
    base_strbuf source = source_of(room, k, NULL);
    for (int i = 0; i < support_nvrtc_n_archs; i++)
        if (support_nvrtc_archs[i] == 90 || support_slow()) compile(source.at, support_nvrtc_archs[i], 0, what);
    base_strbuf_free(&source);
}

START_TEST(kernels_of_every_kind_compile) {
    static const struct {
        const char *name;
        kn_kernel *(*make)(base_arena *, const void *);
    } kernels[] = {{"softmax", kernels_softmax},
                   {"short softmax", kernels_softmax_short},
                   {"row sum", kernels_row_sum},
                   {"short row sum", kernels_row_sum_short},
                   {"column sum", kernels_column_sum},
                   {"partials", kernels_fold_partials},
                   {"total", kernels_total},
                   {"transpose", kernels_transpose},
                   {"gather", kernels_gather},
                   {"scatter", kernels_scatter_add},
                   {"update", kernels_update},
                   {"moons", kernels_moons_step},
                   {"short moons", kernels_moons_short},
                   {"moons' update", kernels_moons_update}};
    static const kernels_schedule schedule = {.tile = 4, .grain = 1, .max_chunks = 8, .width = 64, .ilp = 2, .size = 5};
    if (!support_nvrtc_open()) return;
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        kernels_room room;
        kernels_room_init(&room);
        compile_one(&room, kernels_make(&room, kernels[i].make, &schedule), kernels[i].name);
        kernels_room_free(&room);
    }
}
END_TEST

START_TEST(random_kernels_compile) {
    if (!support_nvrtc_open()) return;
    for (uint64_t seed = 1, n = support_slow() ? 500 : SUPPORT_SANITIZED ? 3 : 12; seed <= n; seed++) {
        char what[32];
        kernels_room room;
        kernels_room_init(&room);
        const random_options options = {.seed = seed, .maths = seed % 4 == 0, .wide = seed % 2 == 0};
        snprintf(what, sizeof what, "seed %d", (int)seed);
        compile_one(&room, kernels_make(&room, random_kernel, &options), what);
        kernels_room_free(&room);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cuda source");
    TCase *text = tcase_create("text"), *compiler = tcase_create("compiler");
    tcase_add_loop_test(text, text_is_golden, 0, GPU_GRAPHS);
    tcase_add_loop_test(text, names_are_no_part_of_the_source, 0, GPU_GRAPHS);
    tcase_add_loop_test(text, names_stay_inside_comments, 0, GPU_GRAPHS);
    tcase_add_loop_test(compiler, graphs_compile_without_spilling, 0, GPU_GRAPHS);
    tcase_add_test(compiler, the_same_source_gives_the_same_code);
    tcase_add_test(compiler, spilling_shows);
    tcase_add_test(compiler, what_spills_is_compiled_for_fewer_threads);
    tcase_add_test(compiler, kernels_of_every_kind_compile);
    tcase_add_test(compiler, random_kernels_compile);
    suite_add_tcase(suite, text);
    suite_add_tcase(suite, compiler);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
