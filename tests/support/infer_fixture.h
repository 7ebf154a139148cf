/* infer_fixture.h: a fresh graph for each test, and bodies that must succeed or fail under its trap. For tests of dims,
 * nodes and inference; everything is static, each test program includes it once. */
#ifndef INFER_FIXTURE_H
#define INFER_FIXTURE_H

#include <check.h>

#include "ir/infer.h"

static base_alloc memory;
static ir_graph graph;
static ir_graph *const g = &graph;

static void setup(void) {
    base_alloc_init(&memory, NULL);
    ck_assert_int_eq(ir_graph_init(g, &memory, NULL, "test"), SN_OK);
}

static void teardown(void) {
    ir_graph_clear(g);
    ck_assert_uint_eq(memory.live_bytes, 0);
}

/* Runs a body under the graph's trap; it must succeed. */
static void must(void (*body)(void *arg), void *arg) {
    sn_status status = base_protect(&g->trap, body, arg);
    ck_assert_msg(status == SN_OK, "%s", g->trap.text);
}

/* The body must fail with this status and sentence. */
static void must_fail(void (*body)(void *arg), sn_status status, const char *text) {
    ck_assert_int_eq(base_protect(&g->trap, body, NULL), status);
    ck_assert_str_eq(g->trap.text, text);
}

#define GRAPH_TEST(name)                                                                                               \
    static void body_##name(void);                                                                                     \
    static void run_##name(void *arg) {                                                                                \
        (void)arg;                                                                                                     \
        body_##name();                                                                                                 \
    }                                                                                                                  \
    START_TEST(name) { must(run_##name, NULL); }                                                                       \
    END_TEST                                                                                                           \
    static void body_##name(void)

static ir_dim size(int64_t n) { return ir_dim_const(g, n); }
static ir_dim named(const char *name) { return ir_dim_named(g, name); }

#define INPUT(name, dtype, ...)                                                                                        \
    ir_input(g, name, dtype, (uint32_t)(sizeof((const ir_dim[]){__VA_ARGS__}) / sizeof(ir_dim)),                       \
             (const ir_dim[]){__VA_ARGS__})
static ir_id scalar(const char *name, sn_dtype dtype) { return ir_input(g, name, dtype, 0, NULL); }

static void assert_type(ir_id id, const char *text) { ck_assert_str_eq(ir_type_text(g, id).text, text); }

/* A body for must_fail. */
#define FAILING(name, expression)                                                                                      \
    static void name(void *arg) {                                                                                      \
        (void)arg;                                                                                                     \
        expression;                                                                                                    \
    }

#endif
