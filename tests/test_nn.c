/* Lists of parameters: names and types, initial values with their moments and their streams, layers that add or find
 * what they need; and one mistake after another, each with its sentence. */
#include "support/support_nn.h"

static sn_params *list_of(sn_context *ctx) {
    sn_params *params;
    good(sn_params_new(ctx, &params), sn_context_error(ctx));
    return params;
}

static sn_var *add(sn_params *params, const char *name, sn_dtype dtype, int64_t rows, int64_t columns, sn_init init) {
    sn_var *var;
    sn_status status = sn_params_add(params, name, dtype, 2, (int64_t[]){rows, columns}, init, &var);
    ck_assert_msg(!status, "%s: %s", name, sn_status_name(status));
    return var;
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

START_TEST(order_and_names) {
    sn_context *ctx = context_on("interp", 1);
    sn_params *params = list_of(ctx);
    ck_assert_uint_eq(sn_params_count(params), 0);
    ck_assert_ptr_null(sn_params_get(params, 0));
    good(sn_params_init(params, 1), sn_context_error(ctx)); /* nothing to do */
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "layer%d.W", i);
        add(params, name, i % 2 ? SN_F64 : SN_F32, 2, i, sn_init_zeros());
    }
    ck_assert_uint_eq(sn_params_count(params), 40);
    ck_assert_int_eq(sn_params_elements(params), 2 * (39 * 40 / 2));
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "layer%d.W", i);
        ck_assert_str_eq(sn_var_name(sn_params_get(params, (size_t)i)), name);
        ck_assert_ptr_eq(sn_params_find(params, name), sn_params_get(params, (size_t)i));
    }
    ck_assert_ptr_null(sn_params_get(params, 40));
    ck_assert_ptr_null(sn_params_find(params, "layer40.W"));
    ck_assert_ptr_null(sn_params_find(params, NULL));
    ck_assert_ptr_null(sn_params_find(NULL, "x"));
    ck_assert_uint_eq(sn_params_count(NULL), 0);
    ck_assert_int_eq(sn_params_elements(NULL), 0);
    sn_params_free(params);
    sn_params_free(NULL);
    close_context(ctx);
}
END_TEST

static const int64_t two_by_three[] = {2, 3};

static const struct {
    const char *name;
    sn_dtype dtype;
    int32_t rank;
    sn_init init;
    sn_status status;
    const char *sentence;
} mistakes[] = {
    {NULL, SN_F32, 2, {SN_INIT_ZEROS, 0, 0}, SN_ERR_ARGUMENT, "parameter: it has no name"},
    {"", SN_F32, 2, {SN_INIT_ZEROS, 0, 0}, SN_ERR_ARGUMENT, "parameter: it has no name"},
    {"a\nb", SN_F32, 2, {SN_INIT_ZEROS, 0, 0}, SN_ERR_ARGUMENT, "parameter: byte 1 of its name is a control character"},
    {"\xc3\xa9\xe9", SN_F32, 2, {SN_INIT_ZEROS, 0, 0}, SN_ERR_ARGUMENT, "parameter: byte 2 of its name is no UTF-8"},
    {"there",
     SN_F32,
     2,
     {SN_INIT_ZEROS, 0, 0},
     SN_ERR_ARGUMENT,
     "parameter \"there\": the list has one of that name already"},
    {"w", (sn_dtype)9, 2, {SN_INIT_ZEROS, 0, 0}, SN_ERR_DTYPE, "variable \"w\": no operator works on dtype ? (9)"},
    {"w",
     SN_F32,
     7,
     {SN_INIT_ZEROS, 0, 0},
     SN_ERR_SHAPE,
     "variable \"w\": rank 7 given, 0 to 6 possible, with that many sizes"},
    {"w", SN_U8, 2, {SN_INIT_CONSTANT, 256, 0}, SN_ERR_DTYPE, "parameter \"w\": u8 has no value 256"},
    {"w", SN_I32, 2, {SN_INIT_CONSTANT, 0.5, 0}, SN_ERR_DTYPE, "parameter \"w\": i32 has no value 0.5"},
    {"w", SN_I64, 2, {SN_INIT_NORMAL, 0, 1}, SN_ERR_DTYPE, "parameter \"w\": random numbers are floats, not i64"},
    {"w",
     SN_F32,
     2,
     {SN_INIT_UNIFORM, 1, 0},
     SN_ERR_ARGUMENT,
     "parameter \"w\": no uniform numbers lie between 1 and 0: two finite bounds wanted, the lower one first"},
    {"w",
     SN_F32,
     2,
     {SN_INIT_NORMAL, 0, -1},
     SN_ERR_ARGUMENT,
     "parameter \"w\": no normal numbers have mean 0 and deviation -1: finite ones wanted, the deviation 0 or more"},
    {"b",
     SN_F32,
     1,
     {SN_INIT_HE_NORMAL, 0, 0},
     SN_ERR_SHAPE,
     "parameter \"b\": its initial values depend on its fans, those of a weight [out, in], and it has 1 axes: give it "
     "zeros, or a deviation"},
    {"w", SN_F32, 2, {(sn_init_kind)77, 0, 0}, SN_ERR_ARGUMENT, "parameter \"w\": there are no initial values 77"},
};

START_TEST(refused_parameters) {
    sn_context *ctx = context_on("interp", 1);
    sn_params *params = list_of(ctx);
    sn_var *var;
    add(params, "there", SN_F32, 1, 1, sn_init_zeros());
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        sn_status status = sn_params_add(params, mistakes[i].name, mistakes[i].dtype, mistakes[i].rank, two_by_three,
                                         mistakes[i].init, &var);
        ck_assert_int_eq(status, mistakes[i].status);
        ck_assert_ptr_null(var);
        ck_assert_str_eq(sn_context_error(ctx), mistakes[i].sentence);
    }
    ck_assert_uint_eq(sn_params_count(params), 1);
    sn_params *none = params;
    ck_assert_int_eq(sn_params_new(NULL, &none), SN_ERR_ARGUMENT);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(sn_params_new(ctx, NULL), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_params_add(NULL, "w", SN_F32, 0, NULL, sn_init_zeros(), NULL), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_params_init(NULL, 0), SN_ERR_ARGUMENT);
    sn_params_free(params);
    close_context(ctx);
}
END_TEST

/* ---- initial values ---------------------------------------------------------------------------------------------- */

enum { IN = 90, OUT = 110 };

static const struct {
    sn_init init;
    double mean, variance, low, high; /* of f64 numbers; bounds for uniform ones */
} draws[] = {
    {{SN_INIT_UNIFORM, -1, 3}, 1, 16.0 / 12, -1, 3},
    {{SN_INIT_NORMAL, 2, 0.5}, 2, 0.25, -9, 9},
    {{SN_INIT_LECUN, 0, 0}, 0, 1.0 / IN, -9, 9},
    {{SN_INIT_XAVIER_UNIFORM, 0, 0}, 0, 2.0 / (IN + OUT), -0.17320508075688774, 0.17320508075688774},
    {{SN_INIT_XAVIER_NORMAL, 0, 0}, 0, 2.0 / (IN + OUT), -9, 9},
    {{SN_INIT_HE_UNIFORM, 0, 0}, 0, 2.0 / IN, -0.2581988897471611, 0.2581988897471611},
    {{SN_INIT_HE_NORMAL, 0, 0}, 0, 2.0 / IN, -9, 9},
};
enum { N_DRAWS = sizeof draws / sizeof *draws };

static double drawn[IN * OUT];

START_TEST(moments) {
    sn_context *ctx = context_on("cpu", 1);
    sn_params *params = list_of(ctx);
    char name[] = "a";
    for (int i = 0; i < N_DRAWS; i++, name[0]++) add(params, name, SN_F64, OUT, IN, draws[i].init);
    good(sn_params_init(params, 5), sn_context_error(ctx));
    for (size_t i = 0; i < N_DRAWS; i++) {
        const double n = IN * OUT, variance = draws[i].variance;
        double sum = 0, squares = 0, low = INFINITY, high = -INFINITY, together = 0;
        good(sn_var_get(sn_params_get(params, i), drawn, sizeof drawn), "");
        for (int k = 0; k < IN * OUT; k++) {
            double d = drawn[k] - draws[i].mean;
            sum += d;
            squares += d * d;
            if (k) together += d * (drawn[k - 1] - draws[i].mean);
            low = fmin(low, drawn[k]);
            high = fmax(high, drawn[k]);
        }
        /* Five standard errors of the mean, of the variance (a normal one's, the widest here) and of the correlation
         * of neighbours. */
        ck_assert_double_le(fabs(sum / n), 5 * sqrt(variance / n));
        ck_assert_double_le(fabs(squares / n - variance), 5 * variance * sqrt(2 / n));
        ck_assert_double_le(fabs(together / n), 5 * variance / sqrt(n));
        ck_assert_double_ge(low, draws[i].low);
        ck_assert_double_lt(high, draws[i].high);
        if (draws[i].high < 9) ck_assert_double_gt(high - low, 0.99 * (draws[i].high - draws[i].low));
    }
    sn_params_free(params);
    close_context(ctx);
}
END_TEST

/* Values of parameter number `at` of a list that has others before and behind. */
static void fill(const char *backend, int threads, size_t at, size_t others, uint64_t seed, float *to, int64_t n) {
    sn_context *ctx = context_on(backend, threads);
    sn_params *params = list_of(ctx);
    char name[] = "a";
    for (size_t i = 0; i <= others; i++, name[0]++)
        add(params, name, SN_F32, i == at ? n : 3, 2, i % 2 ? sn_init_lecun() : sn_init_normal(0, 1));
    good(sn_params_init(params, seed), sn_context_error(ctx));
    good(sn_var_get(sn_params_get(params, at), to, (size_t)n * 2 * sizeof *to), "");
    sn_params_free(params);
    close_context(ctx);
}

/* The same seed, number and index give the same bits: on both backends, for all numbers of threads, whatever other
 * parameters there are. Another seed and another number give others. */
START_TEST(streams) {
    enum { N = 5000 };
    static float first[2 * N], other[2 * N];
    fill("interp", 1, 2, 2, 9, first, N);
    for (int threads = 1; threads <= 3; threads++) {
        fill("cpu", threads, 2, 4, 9, other, N);
        ck_assert_mem_eq(first, other, sizeof first);
    }
    fill("interp", 1, 2, 2, 9, other, N / 2);
    ck_assert_mem_eq(first, other, sizeof first / 2);
    const struct {
        size_t at;
        uint64_t seed;
    } unlike[] = {{0, 9}, {2, 10}, {2, UINT64_MAX}, {2, (uint64_t)9 << 32}};
    for (size_t i = 0; i < 4; i++) {
        fill("cpu", 1, unlike[i].at, 4, unlike[i].seed, other, N);
        int same = 0;
        for (int k = 0; k < 2 * N; k++) same += first[k] == other[k];
        ck_assert_int_lt(same, 20);
    }
}
END_TEST

/* Narrow parameters get the values that wide ones get, rounded, and train. */
START_TEST(halves) {
    sn_context *ctx = context_on("interp", 1);
    static const sn_dtype dtypes[] = {SN_F32, SN_F16, SN_BF16};
    float wide[6];
    for (int t = 0; t < 3; t++) {
        uint16_t narrow[6], tenth;
        sn_params *params = list_of(ctx);
        sn_var *w = add(params, "w", dtypes[t], 2, 3, sn_init_normal(0.5, 2)),
               *c = add(params, "c", dtypes[t], 1, 1, sn_init_constant(0.1));
        good(sn_params_init(params, 9), sn_context_error(ctx));
        good(t ? sn_var_get(w, narrow, sizeof narrow) : sn_var_get(w, wide, sizeof wide), "");
        if (t) good(sn_var_get(c, &tenth, sizeof tenth), "");
        if (t) ck_assert_uint_eq(tenth, t == 1 ? 0x2e66 : 0x3dcd);
        sn_params_free(params);
        for (int i = 0; i < 6 && t; i++) {
            uint16_t want;
            sn_element_put(dtypes[t], &want, (double)wide[i]);
            ck_assert_uint_eq(narrow[i], want);
        }
    }
    close_context(ctx);
}
END_TEST

START_TEST(constants_and_again) {
    sn_context *ctx = context_on("interp", 1);
    sn_params *params = list_of(ctx);
    sn_var *z = add(params, "z", SN_I64, 2, 2, sn_init_zeros()),
           *c = add(params, "c", SN_U8, 1, 3, sn_init_constant(7));
    sn_var *b = add(params, "b", SN_BOOL, 1, 1, sn_init_constant(1)),
           *f = add(params, "f", SN_F32, 1, 1, sn_init_constant(0.1));
    sn_var *none = add(params, "none", SN_F32, 0, 4, sn_init_he_uniform());
    sn_var *one, *w = add(params, "w", SN_F64, 3, 3, sn_init_lecun());
    good(sn_params_add(params, "one", SN_F64, 0, NULL, sn_init_uniform(4, 4), &one), sn_context_error(ctx));
    (void)none;
    double first[9], again[9], four;
    int64_t zeros[4] = {1, 2, 3, 4};
    uint8_t seven[3], yes;
    float tenth;
    good(sn_var_set(z, zeros, sizeof zeros), "");
    good(sn_params_init(params, 3), sn_context_error(ctx));
    good(sn_var_get(w, first, sizeof first), "");
    good(sn_params_init(params, 4), sn_context_error(ctx));
    good(sn_params_init(params, 3), sn_context_error(ctx));
    good(sn_var_get(w, again, sizeof again), "");
    ck_assert_mem_eq(first, again, sizeof first);
    good(sn_var_get(z, zeros, sizeof zeros), "");
    good(sn_var_get(c, seven, sizeof seven), "");
    good(sn_var_get(b, &yes, sizeof yes), "");
    good(sn_var_get(f, &tenth, sizeof tenth), "");
    good(sn_var_get(one, &four, sizeof four), "");
    for (int i = 0; i < 4; i++) ck_assert_int_eq(zeros[i], 0);
    for (int i = 0; i < 3; i++) ck_assert_uint_eq(seven[i], 7);
    ck_assert_uint_eq(yes, 1);
    ck_assert_float_eq(tenth, 0.1f);
    ck_assert_double_eq(four, 4);
    sn_params_free(params);
    close_context(ctx);
}
END_TEST

/* ---- layers ------------------------------------------------------------------------------------------------------ */

/* x times W transposed, and b, for a vector and for rows, W and b added by the one and found by the other. */
START_TEST(linear) {
    sn_context *ctx = context_on("interp", 1);
    sn_params *params = list_of(ctx);
    sn_graph *g = sn_graph_new(ctx, "linear");
    sn_expr rows = sn_input(g, "rows", SN_F32, SN_SHAPE(sn_dim_new(g, "N"), SN_DIM(3)));
    sn_expr row = sn_input(g, "row", SN_F32, SN_SHAPE(SN_DIM(3)));
    sn_expr outs[] = {sn_layer_linear(params, rows, "W", "b", 2, sn_init_lecun()),
                      sn_layer_linear(params, row, "W", NULL, 2, sn_init_lecun())};
    ck_assert_uint_eq(sn_params_count(params), 2);
    ck_assert_int_eq(sn_params_elements(params), 8);
    sn_var *W = sn_params_find(params, "W"), *b = sn_params_find(params, "b");
    ck_assert_int_eq(sn_var_type(W).size[0], 2);
    ck_assert_int_eq(sn_var_type(W).size[1], 3);
    good(sn_var_set(W, (float[]){1, 3, 5, 2, 4, 6}, 24), "");
    good(sn_var_set(b, (float[]){100, 200}, 8), "");
    sn_function *f;
    sn_expr in[] = {rows, row};
    sn_function_desc desc = {.inputs = in, .n_inputs = 2, .outputs = outs, .n_outputs = 2};
    good(sn_function_new(g, &desc, &f), sn_graph_error(g));
    float x[] = {1, 0, 0, 1, 1, 1}, y[2][2], z[2];
    sn_tensor at[] = {sn_tensor_of(SN_F32, x, 2, (int64_t[]){2, 3}), sn_tensor_of(SN_F32, x + 3, 1, (int64_t[]){3})};
    sn_tensor to[] = {sn_tensor_of(SN_F32, y, 2, (int64_t[]){2, 2}), sn_tensor_of(SN_F32, z, 1, (int64_t[]){2})};
    good(sn_function_call(f, at, 2, to, 2), sn_function_error(f));
    ck_assert_mem_eq(y, ((float[]){101, 202, 109, 212}), sizeof y);
    ck_assert_mem_eq(z, ((float[]){9, 12}), sizeof z);
    sn_function_free(f);
    sn_graph_free(g);
    sn_params_free(params);
    close_context(ctx);
}
END_TEST

/* Each of these spoils a graph of its own. */
typedef struct {
    sn_context *ctx;
    sn_params *params;
    sn_optimizer *o;
    sn_graph *g, *other;
    sn_expr x, rows, digits, lr;
} field;

static void m_units(field *k) { sn_layer_linear(k->params, k->x, "V", NULL, 0, sn_init_zeros()); }
static void m_named(field *k) { sn_layer_linear(k->params, k->rows, "V", NULL, 2, sn_init_zeros()); }
static void m_digits(field *k) { sn_layer_linear(k->params, k->digits, "V", NULL, 2, sn_init_zeros()); }
static void m_scalar(field *k) { sn_layer_linear(k->params, k->lr, "V", NULL, 2, sn_init_zeros()); }
static void m_shape(field *k) { sn_layer_linear(k->params, k->x, "W", NULL, 5, sn_init_zeros()); }
static void m_bias(field *k) { sn_layer_linear(k->params, k->x, "W", "W", 4, sn_init_zeros()); }
static void m_name(field *k) { sn_layer_linear(k->params, k->x, "", NULL, 5, sn_init_zeros()); }
static void m_no_list(field *k) { sn_layer_linear(NULL, k->x, "W", NULL, 5, sn_init_zeros()); }
static void m_poison(field *k) { sn_layer_linear(k->params, (sn_expr){k->g, 0}, "V", NULL, 2, sn_init_zeros()); }
static void m_use(field *k) { sn_params_use(k->params, k->g, "Q"); }
static void m_activation(field *k) { sn_activate(k->x, (sn_activation)99); }
static void m_ids(field *k) { sn_activate(k->digits, SN_ACTIVATION_RELU); }
static void m_ranks(field *k) { sn_loss_squared(k->x, k->rows, SN_REDUCE_SUM); }
static void m_repeat(field *k) { sn_loss_absolute(k->x, sn_sum(k->x, SN_AXES(1), 1), SN_REDUCE_SUM); }
static void m_delta(field *k) { sn_loss_huber(k->x, k->x, 0, SN_REDUCE_SUM); }
static void m_reduction(field *k) { sn_loss_squared(k->x, k->x, (sn_reduction)9); }
static void m_classes(field *k) { sn_loss_cross_entropy(k->rows, k->digits, SN_REDUCE_MEAN); }
static void m_loss(field *k) {
    size_t n = 9;
    ck_assert_ptr_null(sn_optimizer_updates(k->o, k->x, k->lr, &n));
    ck_assert_uint_eq(n, 0);
}
static void m_rate(field *k) {
    size_t n;
    ck_assert_ptr_null(sn_optimizer_updates(k->o, sn_sum_all(k->x), k->x, &n));
}
static void m_rate_type(field *k) {
    size_t n;
    ck_assert_ptr_null(sn_optimizer_updates(k->o, sn_sum_all(k->x), sn_const_of(k->g, SN_I64, 1), &n));
}
static void m_graphs(field *k) {
    size_t n;
    ck_assert_ptr_null(sn_optimizer_updates(k->o, sn_sum_all(k->x), sn_const(k->other, 1), &n));
}
static void m_optimizer(field *k) {
    size_t n;
    ck_assert_ptr_null(sn_optimizer_updates(NULL, sn_sum_all(k->x), k->lr, &n));
}
static void m_grad(field *k) {
    size_t n;
    sn_expr grads[] = {k->x};
    ck_assert_ptr_null(sn_optimizer_updates_from(k->o, grads, k->lr, &n));
}
static void m_integer(field *k) {
    sn_expr grads[2];
    good(sn_params_add(k->params, "n", SN_I64, 0, NULL, sn_init_zeros(), NULL), "");
    ck_assert_int_eq(sn_params_grad(k->params, sn_sum_all(k->x), grads), SN_ERR_GRADIENT);
    ck_assert_uint_eq(grads[1].id, 0);
}

static const struct {
    void (*make)(field *);
    const char *sentence; /* what stands behind the place */
} bad_expressions[] = {
    {m_units, "layer_linear: 0 units wanted for \"V\": at least one"},
    {m_named,
     "layer_linear: the last axis of x is a named dim, so that the shape of \"V\" is not known: x wants a last axis of "
     "constant size"},
    {m_digits, "layer_linear: x is i64: a float wanted; convert with sn_cast"},
    {m_scalar,
     "layer_linear: x is a scalar, so that the shape of \"V\" is not known: x wants a last axis of constant size"},
    {m_shape, "layer_linear: parameter \"W\" is f32[4,3], and f32[5,3] is wanted here"},
    {m_bias, "layer_linear: parameter \"W\" is f32[4,3], and f32[4] is wanted here"},
    {m_name, "layer_linear: parameter: it has no name"},
    {m_no_list, "layer_linear: the list of parameters is NULL"},
    {m_poison, "matmul: operand 1 is not an expression: it was never made"},
    {m_use, "use: there is no parameter \"Q\" among the 1"},
    {m_activation, "activate: there is no activation 99"},
    {m_ids, "activate: x is i64: a float wanted; convert with sn_cast"},
    {m_ranks, "loss_squared: shapes differ: the first has 2 axes, the second 1; they are compared element by element"},
    {m_repeat,
     "loss_absolute: shapes differ in axis 1, which would repeat one of them; they are compared element by element"},
    {m_delta, "loss_huber: delta is 0: a number above 0 wanted"},
    {m_reduction, "loss: there is no reduction 9"},
    {m_classes, NULL},
    {m_loss, "optimizer_updates: the loss is no scalar, a floating-point scalar wanted; reduce it with sum or mean"},
    {m_rate, "optimizer_updates: the learning rate is no scalar"},
    {m_rate_type, "optimizer_updates: the learning rate is not floating-point"},
    {m_graphs, "optimizer_updates: the learning rate belongs to another graph than the loss"},
    {m_optimizer, "optimizer_updates: the optimizer is NULL"},
    {m_grad, "optimizer_updates: the gradient of parameter \"W\" has another graph, dtype or shape than f32[4,3]"},
    {m_integer, "grad: parameter \"n\" is i64[], which has no gradient: keep it in a list of its own"},
};

START_TEST(refused_expressions) {
    field k = {.ctx = context_on("interp", 1)};
    for (size_t i = 0; i < sizeof bad_expressions / sizeof *bad_expressions; i++) {
        k.params = list_of(k.ctx);
        add(k.params, "W", SN_F32, 4, 3, sn_init_zeros());
        good(sn_optimizer_new(k.params, NULL, &k.o), sn_context_error(k.ctx));
        k.g = sn_graph_new(k.ctx, "bad");
        k.other = sn_graph_new(k.ctx, "other");
        sn_dim n = sn_dim_new(k.g, "N");
        k.x = sn_input(k.g, "x", SN_F32, SN_SHAPE(n, SN_DIM(3)));
        k.rows = sn_input(k.g, "rows", SN_F32, SN_SHAPE(n));
        k.digits = sn_input(k.g, "digits", SN_I64, SN_SHAPE(n));
        k.lr = sn_input(k.g, "lr", SN_F32, SN_SCALAR);
        bad_expressions[i].make(&k);
        ck_assert_msg(sn_graph_status(k.g) != SN_OK, "mistake %zu is taken", i);
        const char *have = sn_graph_error(k.g), *place = strstr(have, "test_nn.c:");
        if (bad_expressions[i].sentence)
            ck_assert_str_eq(place ? strstr(place, ": ") + 2 : have, bad_expressions[i].sentence);
        /* Only the gradient's sentence has no place: sn_grad takes none. */
        ck_assert_msg(place || strstr(have, "grad"), "no place: %s", have);
        sn_graph_free(k.other);
        sn_graph_free(k.g);
        sn_optimizer_free(k.o);
        sn_params_free(k.params);
    }
    close_context(k.ctx);
}
END_TEST

static const struct {
    sn_optimizer_options options;
    const char *sentence;
} bad_options[] = {
    {{.kind = (sn_optimizer_kind)9}, "optimizer: there is no kind number 9"},
    {{.momentum = 1}, "optimizer: 1 given for momentum, in [0, 1) wanted"},
    {{.momentum = -0.5}, "optimizer: -0.5 given for momentum, in [0, 1) wanted"},
    {{.beta1 = 1.5}, "optimizer: 1.5 given for beta1, in [0, 1) wanted"},
    {{.beta2 = (double)NAN}, "optimizer: nan given for beta2, in [0, 1) wanted"},
    {{.epsilon = -1}, "optimizer: -1 given for epsilon, above 0 wanted"},
    {{.weight_decay = -1}, "optimizer: -1 given for weight_decay, 0 or more wanted"},
    {{.weight_decay = (double)INFINITY}, "optimizer: inf given for weight_decay, 0 or more wanted"},
    {{.struct_size = 3}, "optimizer: struct_size 3 of the options is not known: use sizeof, or 0"},
};

START_TEST(options) {
    sn_context *ctx = context_on("interp", 1);
    sn_params *params = list_of(ctx);
    sn_optimizer *o;
    for (size_t i = 0; i < sizeof bad_options / sizeof *bad_options; i++) {
        ck_assert_int_eq(sn_optimizer_new(params, &bad_options[i].options, &o), SN_ERR_ARGUMENT);
        ck_assert_ptr_null(o);
        ck_assert_str_eq(sn_context_error(ctx), bad_options[i].sentence);
    }
    ck_assert_int_eq(sn_optimizer_new(params, NULL, NULL), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_optimizer_new(NULL, NULL, &o), SN_ERR_ARGUMENT);
    sn_optimizer_free(NULL);
    ck_assert_ptr_null(sn_optimizer_state(NULL));
    sn_activation activation;
    good(sn_activation_find("tanh", &activation), "");
    ck_assert_int_eq(activation, SN_ACTIVATION_TANH);
    ck_assert_int_eq(sn_activation_find("tan", &activation), SN_ERR_MISSING);
    ck_assert_int_eq(sn_activation_find(NULL, &activation), SN_ERR_ARGUMENT);
    ck_assert_str_eq(sn_activation_name((sn_activation)99), "?");
    sn_params_free(params);
    close_context(ctx);
}
END_TEST

/* Updates made anew for a second graph, after the list has grown: the state of the first stays. */
START_TEST(optimizer_of_a_growing_list) {
    sn_context *ctx = context_on("interp", 1);
    sn_params *params = list_of(ctx);
    sn_optimizer *o;
    good(sn_optimizer_new(params, &(sn_optimizer_options){.kind = SN_OPTIMIZER_ADAM}, &o), "");
    size_t n;
    for (int round = 0; round < 3; round++) {
        sn_graph *g = sn_graph_new(ctx, "round");
        char name[] = "a";
        name[0] = (char)(name[0] + round);
        sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(SN_DIM(2))),
                loss = sn_sum_all(sn_layer_linear(params, x, name, NULL, 3, sn_init_lecun()));
        const sn_update *updates = sn_optimizer_updates(o, loss, sn_const(g, 0.1), &n);
        ck_assert_ptr_nonnull(updates);
        ck_assert_uint_eq(n, 1 + 3 * (size_t)(round + 1));
        ck_assert_uint_eq(sn_params_count(sn_optimizer_state(o)), 1 + 2 * (size_t)(round + 1));
        ck_assert_ptr_eq(updates[0].var, sn_params_get(sn_optimizer_state(o), 0));
        sn_function *f;
        sn_function_desc desc = {.inputs = &x, .n_inputs = 1, .updates = updates, .n_updates = n};
        good(sn_function_new(g, &desc, &f), sn_graph_error(g));
        sn_function_free(f);
        sn_graph_free(g);
    }
    /* An empty list has no updates, and that is no error. */
    sn_params *none = list_of(ctx);
    sn_optimizer *idle;
    good(sn_optimizer_new(none, &(sn_optimizer_options){.kind = SN_OPTIMIZER_ADAM}, &idle), "");
    sn_graph *g = sn_graph_new(ctx, "none");
    sn_optimizer_updates(idle, sn_const_of(g, SN_F32, 1), sn_const(g, 1), &n);
    ck_assert_uint_eq(n, 0);
    good(sn_graph_status(g), sn_graph_error(g));
    sn_graph_free(g);
    sn_optimizer_free(idle);
    sn_params_free(none);
    sn_optimizer_free(o);
    sn_params_free(params);
    close_context(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("nn");
    TCase *tests = tcase_create("nn");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, order_and_names);
    tcase_add_test(tests, refused_parameters);
    tcase_add_test(tests, moments);
    tcase_add_test(tests, streams);
    tcase_add_test(tests, halves);
    tcase_add_test(tests, constants_and_again);
    tcase_add_test(tests, linear);
    tcase_add_test(tests, refused_expressions);
    tcase_add_test(tests, options);
    tcase_add_test(tests, optimizer_of_a_growing_list);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
