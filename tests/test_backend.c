/* The interpreter as a backend, and the null backend: primitives at their edges; accesses out of bounds; load, launch
 * and gemm; failing memory. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/interp.h"
#include "support/kernels.h"

/* ---- primitives -------------------------------------------------------------------------------------------------- */

static uint64_t prim(kn_prim p, sn_dtype type, sn_dtype from, uint64_t a, uint64_t b, uint64_t c) {
    uint64_t out = 0xdeadbeef;
    interp_prim(p, type, from, 1, &out, (interp_lanes){&a, 0}, (interp_lanes){&b, 0}, (interp_lanes){&c, 0});
    return out;
}

static uint64_t f(double x) { return kn_bits_of(SN_F32, x); }
static uint64_t d(double x) { return kn_bits_of(SN_F64, x); }

START_TEST(prims_of_integers) {
    ck_assert_uint_eq(prim(KP_ADD, SN_U8, SN_U8, 200, 100, 0), 44);
    ck_assert_uint_eq(prim(KP_SUB, SN_U8, SN_U8, 1, 2, 0), 255);
    ck_assert_uint_eq(prim(KP_MUL, SN_I32, SN_I32, 0x10001, 0x10001, 0), 0x20001);
    ck_assert_uint_eq(prim(KP_NEG, SN_I32, SN_I32, 0x80000000u, 0, 0), 0x80000000u);
    ck_assert_uint_eq(prim(KP_ABS, SN_I32, SN_I32, 0x80000000u, 0, 0), 0x80000000u);
    ck_assert_uint_eq(prim(KP_ABS, SN_I32, SN_I32, (uint32_t)-5, 0, 0), 5);
    ck_assert_uint_eq(prim(KP_ABS, SN_I64, SN_I64, (uint64_t)INT64_MIN, 0, 0), (uint64_t)INT64_MIN);
    ck_assert_uint_eq(prim(KP_ABS, SN_U8, SN_U8, 200, 0, 0), 200);
    ck_assert_uint_eq(prim(KP_MIN, SN_U8, SN_U8, 200, 100, 0), 100);
    ck_assert_uint_eq(prim(KP_MAX, SN_I32, SN_I32, (uint32_t)-1, 1, 0), 1);
    ck_assert_uint_eq(prim(KP_LT, SN_BOOL, SN_I32, (uint32_t)-1, 1, 0), 1);
    ck_assert_uint_eq(prim(KP_LT, SN_BOOL, SN_U8, 255, 1, 0), 0);
    ck_assert_uint_eq(prim(KP_SHL, SN_U8, SN_U8, 0x81, 9, 0), 2);
    ck_assert_uint_eq(prim(KP_SHR, SN_I32, SN_I32, 0x80000000u, 31, 0), 0xffffffffu);
    ck_assert_uint_eq(prim(KP_SHR, SN_I32, SN_I32, 0x80000000u, 32, 0), 0x80000000u);
    ck_assert_uint_eq(prim(KP_SHR, SN_U8, SN_U8, 0x80, 7, 0), 1);
    ck_assert_uint_eq(prim(KP_LSHR, SN_I64, SN_I64, UINT64_MAX, 127, 0), 1);
    ck_assert_uint_eq(prim(KP_LSHR, SN_I32, SN_I32, 0x80000000u, (uint32_t)-1, 0), 1);
    ck_assert_uint_eq(prim(KP_NOT, SN_BOOL, SN_BOOL, 1, 0, 0), 0);
    ck_assert_uint_eq(prim(KP_NOT, SN_U8, SN_U8, 0x0f, 0, 0), 0xf0);
    ck_assert_uint_eq(prim(KP_SELECT, SN_I64, SN_BOOL, 0, 7, 8), 8);
}
END_TEST

START_TEST(prims_of_floats) {
    ck_assert_uint_eq(prim(KP_NEG, SN_F32, SN_F32, f(0), 0, 0), 0x80000000u);
    ck_assert_uint_eq(prim(KP_ABS, SN_F64, SN_F64, d(-0.0), 0, 0), 0);
    ck_assert_uint_eq(prim(KP_FLOOR, SN_F32, SN_F32, f(-0.5), 0, 0), f(-1));
    ck_assert_uint_eq(prim(KP_RINT, SN_F32, SN_F32, f(2.5), 0, 0), f(2));
    ck_assert_uint_eq(prim(KP_RINT, SN_F64, SN_F64, d(-3.5), 0, 0), d(-4));
    ck_assert_uint_eq(prim(KP_RINT, SN_F32, SN_F32, f(-0.25), 0, 0), f(-0.0));
    ck_assert_uint_eq(prim(KP_MIN, SN_F32, SN_F32, f(0.0), f(-0.0), 0), f(-0.0));
    ck_assert_uint_eq(prim(KP_MIN, SN_F32, SN_F32, f(-0.0), f(0.0), 0), f(0.0));
    ck_assert_uint_eq(prim(KP_MAX, SN_F32, SN_F32, f(NAN), f(1), 0), f(NAN));
    ck_assert_uint_eq(prim(KP_MAX, SN_F32, SN_F32, f(1), f(NAN), 0), f(NAN));
    ck_assert_uint_eq(prim(KP_EQ, SN_BOOL, SN_F32, f(NAN), f(NAN), 0), 0);
    ck_assert_uint_eq(prim(KP_NE, SN_BOOL, SN_F64, d(NAN), d(NAN), 0), 1);
    ck_assert_uint_eq(prim(KP_LE, SN_BOOL, SN_F64, d(0.0), d(-0.0), 0), 1);
    /* One rounding, in the precision of the type. */
    ck_assert_uint_eq(prim(KP_FMA, SN_F32, SN_F32, f(1 + 0x1p-12), f(1 + 0x1p-12), f(-1)), f(0x1p-11 + 0x1p-24));
    ck_assert_uint_eq(prim(KP_MUL, SN_F32, SN_F32, f(1 + 0x1p-12), f(1 + 0x1p-12), 0), f(1 + 0x1p-11));
    ck_assert_uint_eq(prim(KP_DIV, SN_F32, SN_F32, f(1), f(3), 0), 0x3eaaaaab);
    ck_assert_uint_eq(prim(KP_SQRT, SN_F32, SN_F32, f(2), 0, 0), 0x3fb504f3);
    ck_assert_uint_eq(prim(KP_ADD, SN_F32, SN_F32, 1, 1, 0), 2); /* subnormals */
}
END_TEST

START_TEST(casts) {
    ck_assert_uint_eq(prim(KP_CAST, SN_U8, SN_F32, f(255.9), 0, 0), 255);
    ck_assert_uint_eq(prim(KP_CAST, SN_U8, SN_F32, f(1e9), 0, 0), 255);
    ck_assert_uint_eq(prim(KP_CAST, SN_U8, SN_F64, d(-0.9), 0, 0), 0);
    ck_assert_uint_eq(prim(KP_CAST, SN_U8, SN_F64, d(254.999), 0, 0), 254);
    ck_assert_uint_eq(prim(KP_CAST, SN_I32, SN_F32, f(NAN), 0, 0), 0);
    ck_assert_uint_eq(prim(KP_CAST, SN_I32, SN_F32, f(3e9), 0, 0), INT32_MAX);
    ck_assert_uint_eq(prim(KP_CAST, SN_I32, SN_F64, d(-2147483648.9), 0, 0), 0x80000000u);
    ck_assert_uint_eq(prim(KP_CAST, SN_I32, SN_F64, d(2147483647.9), 0, 0), INT32_MAX);
    ck_assert_uint_eq(prim(KP_CAST, SN_I64, SN_F32, f(-INFINITY), 0, 0), (uint64_t)INT64_MIN);
    ck_assert_uint_eq(prim(KP_CAST, SN_I64, SN_F64, d(0x1p63), 0, 0), INT64_MAX);
    ck_assert_uint_eq(prim(KP_CAST, SN_I64, SN_F64, d(-1.9), 0, 0), (uint64_t)-1);
    ck_assert_uint_eq(prim(KP_CAST, SN_F32, SN_I64, 16777217, 0, 0), f(16777216));
    ck_assert_uint_eq(prim(KP_CAST, SN_F32, SN_I64, 0x4000004000000001, 0, 0), 0x5e800001);
    ck_assert_uint_eq(prim(KP_CAST, SN_F32, SN_F64, d(1e300), 0, 0), f(INFINITY));
    ck_assert_uint_eq(prim(KP_CAST, SN_F64, SN_F32, f(0.1), 0, 0), d((double)0.1f));
    ck_assert_uint_eq(prim(KP_CAST, SN_U8, SN_I32, (uint32_t)-1, 0, 0), 255);
    ck_assert_uint_eq(prim(KP_CAST, SN_I64, SN_I32, (uint32_t)-1, 0, 0), UINT64_MAX);
    ck_assert_uint_eq(prim(KP_CAST, SN_I32, SN_U8, 255, 0, 0), 255);
    ck_assert_uint_eq(prim(KP_CAST, SN_BOOL, SN_F32, f(NAN), 0, 0), 1);
    ck_assert_uint_eq(prim(KP_CAST, SN_BOOL, SN_F32, f(-0.0), 0, 0), 0);
    ck_assert_uint_eq(prim(KP_CAST, SN_BOOL, SN_I64, (uint64_t)1 << 40, 0, 0), 1);
    ck_assert_uint_eq(prim(KP_CAST, SN_F64, SN_BOOL, 1, 0, 0), d(1));
    ck_assert_uint_eq(prim(KP_BITCAST, SN_I32, SN_F32, f(-1), 0, 0), 0xbf800000u);
}
END_TEST

/* ---- out of bounds, and the backend ------------------------------------------------------------------------------ */

/* y[n] = x[n + 1], which the last n may not; then y[n + 1] is not stored either. */
static kn_kernel *shifted(base_arena *arena, const void *arg) {
    int shift_store = *(const int *)arg;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0));
    kn_access x = kn_access_of(kn_add_mem(&b, KN_IN, SN_F32, KN_D(0), "x"));
    kn_access y = kn_access_of(kn_add_mem(&b, KN_OUT, SN_F32, KN_D(0), "y"));
    kn_access_step(&x, n, KN_C(1));
    kn_access_step(&y, n, KN_C(1));
    *(shift_store ? &y.base : &x.base) = KN_C(1);
    kn_part_begin(&b, 1, &n, 4, 1, 1);
    kn_phase_begin(&b, 0, 0, NULL, n, 4, 1);
    kn_store(&b, y, kn_load(&b, SN_F32, x));
    kn_phase_end(&b);
    kn_part_end(&b);
    return kn_build_finish(&b);
}

START_TEST(out_of_bounds) {
    for (int shift_store = 0; shift_store < 2; shift_store++) {
        kernels_room room;
        kernels_room_init(&room);
        kn_kernel *k = kernels_make(&room, shifted, &shift_store);
        const int64_t dims[1] = {5};
        kernels_launch l = kernels_launch_new(k, dims, NULL, 3);
        float old = ((float *)l.mem[1])[0], x0 = ((float *)l.mem[0])[0], x1 = ((float *)l.mem[0])[1];
        interp_errors errors = {0};
        interp_run(k, &l.launch, 0, 0, 1, l.scratch, &errors);
        ck_assert_int_eq(errors.n, 1);
        ck_assert_str_eq(errors.first, shift_store ? "instruction 1: element 5 of memory 1 (y), which has 5"
                                                   : "instruction 0: element 5 of memory 0 (x), which has 5");
        ck_assert(((float *)l.mem[1])[0] == (shift_store ? old : x1));
        if (shift_store)
            ck_assert(((float *)l.mem[1])[1] == x0);
        else
            ck_assert(((float *)l.mem[1])[4] == 0);
        kernels_launch_free(&l);
        kernels_room_free(&room);
    }
}
END_TEST

typedef struct {
    int n;
    char text[256];
} messages;

static void collect(void *user, sn_log_level level, const char *message) {
    messages *m = user;
    ck_assert_int_eq(level, SN_LOG_ERROR);
    m->n++;
    snprintf(m->text, sizeof m->text, "%s", message);
}

START_TEST(as_a_backend) {
    kernels_room room;
    kernels_room_init(&room);
    messages heard = {0};
    base_log log;
    base_log_init(&log, collect, &heard, SN_LOG_ERROR);
    be_options options = {.alloc = &room.alloc, .log = &log};
    base_trap err = {0};
    be_device *dev = NULL;
    ck_assert_int_eq(be_interp.open(&options, &dev, &err), SN_OK);
    ck_assert_str_eq(be_interp.target(dev), "interp 1");

    kernels_schedule schedule = {4, 2, 3, 8, 2, 3};
    kn_kernel *k = kernels_make(&room, kernels_softmax, &schedule);
    base_strbuf bytes, text;
    base_strbuf_init(&bytes, &room.alloc);
    base_strbuf_init(&text, &room.alloc);
    kn_encode(k, &bytes);
    be_blob blob;
    be_exec *exec = NULL;
    ck_assert_int_eq(be_interp.compile(dev, bytes.at, bytes.n, &blob, &err), SN_OK);
    ck_assert_int_eq(be_interp.load(dev, k, blob.at, blob.n - 1, "softmax", &exec, &err), SN_ERR_PARSE);
    ck_assert_str_eq(err.text, "the blob is not that of kernel softmax");
    ck_assert_int_eq(be_interp.load(dev, k, blob.at, blob.n, "softmax", &exec, &err), SN_OK);
    ck_assert_int_eq(be_interp.text(dev, bytes.at, bytes.n, "kernel", &text, &err), SN_OK);
    ck_assert_ptr_nonnull(strstr(text.at, "part 0  points n0"));
    ck_assert_int_eq(be_interp.text(dev, bytes.at, bytes.n, "asm", &text, &err), SN_ERR_UNSUPPORTED);
    ck_assert_int_eq(be_interp.compile(dev, bytes.at, bytes.n - 1, &blob, &err), SN_ERR_PARSE);

    const int64_t dims[3] = {33, 17, 33 * 17};
    kernels_launch a = kernels_launch_new(k, dims, NULL, 5), b = kernels_launch_copy(&a);
    kernels_interpret(&a, kernels_expand(&room, k));
    size_t scratch = (size_t)kn_scratch_bytes(k, dims);
    ck_assert_uint_gt(scratch, 0);
    ck_assert_int_eq(be_interp.reserve(dev, scratch, &err), SN_OK);
    be_interp.launch(dev, exec, &b.launch, b.n_chunks, scratch, 0);
    char where[256];
    ck_assert_msg(kernels_launch_same(&a, &b, where), "%s", where);
    ck_assert_int_eq(heard.n, 0);
    be_interp.unload(dev, exec);
    base_free(&room.alloc, blob.at, blob.n);
    base_strbuf_free(&bytes);

    /* What reaches outside is logged once and harms nothing. */
    int shift_store = 1;
    kn_kernel *bad = kernels_make(&room, shifted, &shift_store);
    kn_encode(bad, &bytes);
    ck_assert_int_eq(be_interp.load(dev, bad, bytes.at, bytes.n, "bad", &exec, &err), SN_OK);
    kernels_launch c = kernels_launch_new(bad, dims, NULL, 5);
    for (int i = 0; i < 3; i++) be_interp.launch(dev, exec, &c.launch, c.n_chunks, 0, 0);
    ck_assert_int_eq(heard.n, 1);
    ck_assert_str_eq(heard.text, "kernel bad: instruction 1: element 33 of memory 1 (y), which has 33 (1 such errors)");
    be_interp.unload(dev, exec);

    const float m1[6] = {1, 2, 3, 4, 5, 6}, m2[6] = {1, 0, 2, 1, 0, 3};
    float product[4];
    be_gemm gemm = {.dtype = SN_F32, .m = 2, .n = 2, .k = 3, .a = m1, .b = m2, .c = product};
    be_interp.gemm(dev, &gemm);
    ck_assert(product[0] == 5 && product[1] == 11 && product[2] == 14 && product[3] == 23);
    gemm.trans_a = gemm.trans_b = 1; /* a is stored [3,2], b [2,3] */
    be_interp.gemm(dev, &gemm);
    ck_assert(product[0] == 11 && product[1] == 16 && product[2] == 14 && product[3] == 20);

    kernels_launch_free(&a);
    kernels_launch_free(&b);
    kernels_launch_free(&c);
    base_strbuf_free(&bytes);
    base_strbuf_free(&text);
    be_interp.close(dev);
    kernels_room_free(&room);
}
END_TEST

/* Whichever allocation fails, loading says so and leaks nothing. */
START_TEST(loading_without_memory) {
    kernels_room room;
    kernels_room_init(&room);
    kernels_schedule schedule = {4, 2, 3, 8, 2, 3};
    kn_kernel *k = kernels_make(&room, kernels_softmax, &schedule);
    base_strbuf bytes;
    base_strbuf_init(&bytes, &room.alloc);
    kn_encode(k, &bytes);
    base_log log;
    base_log_init(&log, NULL, NULL, SN_LOG_ERROR);
    base_alloc other;
    base_alloc_init(&other, NULL);
    be_options options = {.alloc = &other, .log = &log};
    base_trap err = {0};
    int loaded = 0;
    for (int64_t at = 1; !loaded && at < 1000; at++) {
        be_device *dev = NULL;
        be_exec *exec = NULL;
        be_blob blob = {0};
        other.fail_at = at;
        sn_status status = be_interp.open(&options, &dev, &err);
        if (!status) status = be_interp.compile(dev, bytes.at, bytes.n, &blob, &err);
        if (!status) status = be_interp.load(dev, k, bytes.at, bytes.n, "softmax", &exec, &err);
        if (!status) status = be_interp.reserve(dev, 1000, &err);
        loaded = !status;
        if (status) ck_assert_int_eq(status, SN_ERR_NOMEM);
        other.fail_at = 0;
        if (dev) {
            be_interp.unload(dev, exec);
            base_free(&other, blob.at, blob.n);
        }
        be_interp.close(dev);
        ck_assert_uint_eq(other.live_bytes, 0);
    }
    ck_assert(loaded);
    base_strbuf_free(&bytes);
    kernels_room_free(&room);
}
END_TEST

START_TEST(null_backend) {
    base_alloc alloc;
    base_alloc_init(&alloc, NULL);
    be_options options = {.alloc = &alloc};
    base_trap err = {0};
    be_device *dev = NULL;
    be_exec *exec = NULL;
    be_blob blob;
    ck_assert_int_eq(be_null.open(&options, &dev, &err), SN_OK);
    ck_assert_int_eq(be_null.compile(dev, "", 0, &blob, &err), SN_OK);
    ck_assert_uint_eq(blob.n, 0);
    ck_assert_int_eq(be_null.load(dev, NULL, NULL, 0, "nothing", &exec, &err), SN_OK);
    ck_assert_int_eq(be_null.text(dev, "", 0, "asm", NULL, &err), SN_ERR_UNSUPPORTED);
    ck_assert_int_eq(be_null.reserve(dev, 1000, &err), SN_OK);
    ck_assert_int_eq(be_null.reserve_gemm(dev, &err), SN_OK);
    be_null.launch(dev, exec, NULL, NULL, 0, 0);
    be_null.gemm(dev, NULL);
    void *p = be_null.alloc(dev, 100);
    ck_assert_ptr_nonnull(p);
    be_null.free(dev, p, 100);
    be_null.unload(dev, exec);
    be_null.close(dev);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("backend");
    TCase *tc = tcase_create("backend");
    tcase_add_test(tc, prims_of_integers);
    tcase_add_test(tc, prims_of_floats);
    tcase_add_test(tc, casts);
    tcase_add_test(tc, out_of_bounds);
    tcase_add_test(tc, as_a_backend);
    tcase_add_test(tc, loading_without_memory);
    tcase_add_test(tc, null_backend);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
