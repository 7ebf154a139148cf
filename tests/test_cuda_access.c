/* How wide the accesses are that NVIDIA's compiler makes of the code for the GPU, where there is one (no GPU or driver
 * is needed): an access that the text means as one stays one, for each generation of compilers. Without the texts for
 * lanes that are alone no access of a row or of points may be narrower than said here. */
#define _GNU_SOURCE
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jit_gpu/nvrtc.h"
#include "runtime/function.h"
#include "support/kernels.h"
#include "support/nets.h"
#include "support/support_nvrtc.h"

static base_alloc alloc;
static base_log quiet;
static gpu_nvrtc *nvrtc;

static void ignore(void *user, sn_log_level level, const char *message) { (void)user, (void)level, (void)message; }

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static sn_expr input(net *n, sn_dtype dtype, sn_shape shape) {
    static const char *const names[] = {"x", "y", "z"};
    return n->in[n->n_in] = sn_input(n->g, names[n->n_in], dtype, shape), n->in[n->n_in++];
}

static void chain(net *n, sn_dtype dtype) {
    sn_shape shape = SN_SHAPE(net_dim(n, "N"));
    sn_expr x = input(n, dtype, shape), y = input(n, dtype, shape), z = input(n, dtype, shape);
    net_output(n, sn_add(sn_mul(x, y), z));
}
static void chain_f32(net *n) { chain(n, SN_F32); }
static void chain_f64(net *n) { chain(n, SN_F64); }
static void chain_f16(net *n) { chain(n, SN_F16); }
static void chain_bf16(net *n) { chain(n, SN_BF16); }
static void chain_u8(net *n) { chain(n, SN_U8); }

static void cast(net *n, sn_dtype from, sn_dtype to) {
    net_output(n, sn_cast(input(n, from, SN_SHAPE(net_dim(n, "N"))), to));
}
static void widen_f16(net *n) { cast(n, SN_F16, SN_F32); }
static void narrow_f16(net *n) { cast(n, SN_F32, SN_F16); }
static void widen_u8(net *n) { cast(n, SN_U8, SN_F32); }

static void compare(net *n) {
    sn_shape shape = SN_SHAPE(net_dim(n, "N"));
    sn_expr x = input(n, SN_F32, shape), y = input(n, SN_F32, shape);
    net_output(n, sn_gt(x, y));
}

static void choose(net *n) {
    sn_shape shape = SN_SHAPE(net_dim(n, "N"));
    sn_expr x = input(n, SN_F32, shape), y = input(n, SN_F32, shape);
    net_output(n, sn_select(input(n, SN_BOOL, shape), x, y));
}

/* Points along two axes, and rows. */
static void bias(net *n) {
    sn_dim rows = net_dim(n, "N"), columns = SN_DIM(1024);
    sn_expr x = input(n, SN_F16, SN_SHAPE(rows, columns));
    net_output(n, sn_relu(sn_add(x, input(n, SN_F16, SN_SHAPE(columns)))));
}
static void softmax_f32(net *n) {
    net_output(n, sn_softmax(input(n, SN_F32, SN_SHAPE(net_dim(n, "N"), net_dim(n, "C"))), 1));
}
static void softmax_f16(net *n) {
    net_output(n, sn_softmax(input(n, SN_F16, SN_SHAPE(net_dim(n, "N"), net_dim(n, "C"))), 1));
}

static const struct {
    const char *name;
    void (*build)(net *);
    uint32_t load, store; /* least bytes */
} graphs[] = {{"chain of f32", chain_f32, 16, 16},
              {"chain of f64", chain_f64, 16, 16},
              {"chain of f16", chain_f16, 16, 16},
              {"chain of bf16", chain_bf16, 16, 16},
              {"chain of u8", chain_u8, 8, 8},
              {"f16 to f32", widen_f16, 8, 16},
              {"f32 to f16", narrow_f16, 16, 16},
              {"u8 to f32", widen_u8, 4, 16},
              {"comparison", compare, 16, 8},
              {"choice", choose, 4, 16},
              {"bias", bias, 16, 16},
              {"softmax of f32", softmax_f32, 16, 16},
              {"softmax of f16", softmax_f16, 16, 16}};
enum { GRAPHS = sizeof graphs / sizeof *graphs };

/* ---- PTX --------------------------------------------------------------------------------------------------------- */

/* The lines for lanes alone begin with these words. */
static void drop_lines(base_strbuf *text, const char *words) {
    size_t to = 0;
    for (char *line = text->at, *end = text->at + text->n, *next; line < end; line = next) {
        next = memchr(line, '\n', (size_t)(end - line));
        next = next ? next + 1 : end;
        if (!strncmp(line + strspn(line, " "), words, strlen(words))) continue;
        memmove(text->at + to, line, (size_t)(next - line));
        to += (size_t)(next - line);
    }
    text->n = to;
    text->at[to] = 0;
}

/* Bytes of the access whose name begins here: "ld.global.nc.v4.f32". */
static uint32_t bytes_of(const char *name) {
    uint32_t many = 1, bits = 0;
    for (const char *at = name; *at && *at != ' ' && *at != '\t'; at++) {
        if (*at != '.') continue;
        if (at[1] == 'v') many = (uint32_t)strtoul(at + 2, NULL, 10);
        if (strchr("bfus", at[1]) && at[2] >= '0' && at[2] <= '9') bits = (uint32_t)strtoul(at + 2, NULL, 10);
    }
    ck_assert_msg(bits, "%.40s", name);
    return many * bits / 8;
}

/* Of the accesses with that name the least bytes; how many there are. */
static uint32_t least(const char *ptx, const char *name, uint32_t *n) {
    uint32_t bytes = UINT32_MAX;
    *n = 0;
    for (const char *at = ptx; (at = strstr(at, name)); at++) {
        uint32_t here = bytes_of(at);
        if (here < bytes) bytes = here;
        ++*n;
    }
    return bytes;
}

typedef struct {
    kernels_room *room;
    const kn_kernel *k;
    base_strbuf text;
} emission;

static void emit(void *arg) {
    emission *e = arg;
    support_nvrtc_source(&e->room->arena, e->k, &e->text);
}

static void check_kernel(kernels_room *room, const kn_kernel *k, int graph, int arch) {
    emission e = {.room = room, .k = k};
    base_strbuf ptx;
    base_trap err = {.armed = 0};
    base_strbuf_init(&e.text, &alloc);
    base_strbuf_init(&ptx, &alloc);
    ck_assert_msg(!base_protect(&room->trap, emit, &e), "%s", room->trap.text);
    drop_lines(&e.text, "else FOR(v, ");
    ck_assert_msg(!gpu_nvrtc_compile(nvrtc, e.text.at, "kernel.cu", arch, &ptx, NULL, &err), "%s", err.text);
    uint32_t loads, stores, load = least(ptx.at, "ld.global", &loads), store = least(ptx.at, "st.global", &stores);
    const char *name = graphs[graph].name;
    ck_assert_msg(loads && load >= graphs[graph].load, "%s, sm_%d: a load of %u bytes", name, arch, load);
    ck_assert_msg(stores && store >= graphs[graph].store, "%s, sm_%d: a store of %u bytes", name, arch, store);
    base_strbuf_free(&ptx);
    base_strbuf_free(&e.text);
}

START_TEST(accesses_are_whole) {
    static const int archs[] = {75, 90, 120};
    static be_backend backend;
    sn_context *ctx;
    net n;
    kernels_room room;
    if (!support_nvrtc_open()) return;
    base_alloc_init(&alloc, NULL);
    base_log_init(&quiet, ignore, NULL, SN_LOG_ERROR);
    gpu_nvrtc_init(&nvrtc, &alloc, &quiet);
    backend = be_null;
    backend.machine = KN_FOR_GPU;
    ck_assert(!rt_context_open(&(sn_context_options){.struct_size = sizeof(sn_context_options)}, &backend, &ctx));
    net_begin(&n, ctx, "access");
    graphs[_i].build(&n);
    sn_function *function = net_function(&n);
    kernels_room_init(&room);
    ck_assert_uint_eq(function->program->n_step, 1);
    for (size_t a = 0; a < sizeof archs / sizeof *archs; a++)
        for (int i = 0; i < support_nvrtc_n_archs; i++)
            if (support_nvrtc_archs[i] == archs[a])
                check_kernel(&room, function->program->step[0].kernel, _i, archs[a]);
    kernels_room_free(&room);
    sn_function_free(function);
    net_free(&n);
    sn_context_free(ctx);
    gpu_nvrtc_free(nvrtc);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cuda access");
    TCase *compiler = tcase_create("compiler");
    tcase_add_loop_test(compiler, accesses_are_whole, 0, GRAPHS);
    suite_add_tcase(suite, compiler);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
