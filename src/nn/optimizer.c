/* Optimisers: gradients and a learning rate in, the new values of parameters and state out, as updates of a function.
 *
 * Adam's corrections 1 - beta^t are written -expm1(t * log beta), which keeps every digit in f32 where beta^t is nearly
 * 1; and they go into two factors that do not depend on the element: with r = sqrt(1 - beta2^t) the step is
 *   lr * r / (1 - beta1^t) * m / (sqrt(v) + epsilon * r). */
#include <math.h>
#include <string.h>

#include "nn/nn.h"

static const char step_name[] = "optimizer.step";

struct sn_optimizer {
    sn_params *params, *state;
    sn_optimizer_options options;
    sn_update *updates; /* of the last call */
    size_t capacity;
};

/* What the updates of one step are made from. */
typedef struct {
    sn_optimizer *o;
    sn_graph *g;
    const char *file;
    int line;
    size_t n;           /* updates so far */
    sn_expr steps;      /* ADAM: those taken, this one among them; i64 */
    sn_expr lr, factor; /* of the dtype below; ADAM: lr * r / (1 - beta1^t) */
    sn_expr epsilon;    /* ADAM: epsilon * r */
    sn_dtype dtype;
} making;

/* ---- making and freeing ------------------------------------------------------------------------------------------ */

static int is_adam(const sn_optimizer *o) {
    return o->options.kind == SN_OPTIMIZER_ADAM || o->options.kind == SN_OPTIMIZER_ADAMW;
}

/* A struct of an earlier or later version: what is missing is 0, what is not known has to be. */
static int copy_options(sn_optimizer_options *to, const sn_optimizer_options *from) {
    memset(to, 0, sizeof *to);
    if (!from) return 1;
    size_t given = from->struct_size ? from->struct_size : sizeof *to;
    if (given < sizeof given) return 0;
    for (size_t i = sizeof *to; i < given; i++)
        if (((const unsigned char *)from)[i]) return 0;
    memcpy(to, from, given < sizeof *to ? given : sizeof *to);
    return 1;
}

static int set_default(double *value, double otherwise) {
    if (*value == 0) *value = otherwise;
    return isfinite(*value) && *value > 0;
}

static sn_status check_options(sn_context *ctx, sn_optimizer_options *o) {
    if ((int)o->kind < SN_OPTIMIZER_SGD || o->kind > SN_OPTIMIZER_ADAMW)
        return nn_fail(ctx, SN_ERR_ARGUMENT, "optimizer: there is no kind number %d", (int)o->kind);
    const struct {
        int right;
        double value;
        const char *wanted;
    } checks[] = {
        {set_default(&o->momentum, 0.9) && o->momentum < 1, o->momentum, "momentum, in [0, 1) wanted"},
        {set_default(&o->beta1, 0.9) && o->beta1 < 1, o->beta1, "beta1, in [0, 1) wanted"},
        {set_default(&o->beta2, 0.999) && o->beta2 < 1, o->beta2, "beta2, in [0, 1) wanted"},
        {set_default(&o->epsilon, 1e-8), o->epsilon, "epsilon, above 0 wanted"},
        {isfinite(o->weight_decay) && o->weight_decay >= 0, o->weight_decay, "weight_decay, 0 or more wanted"}};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (!checks[i].right)
            return nn_fail(ctx, SN_ERR_ARGUMENT, "optimizer: %g given for %s", checks[i].value, checks[i].wanted);
    return SN_OK;
}

sn_status sn_optimizer_new(sn_params *params, const sn_optimizer_options *options, sn_optimizer **out) {
    if (out) *out = NULL;
    if (!params) return SN_ERR_ARGUMENT;
    sn_context *ctx = params->ctx;
    sn_optimizer_options copy;
    if (!out) return nn_fail(ctx, SN_ERR_ARGUMENT, "optimizer: out is NULL");
    if (!copy_options(&copy, options))
        return nn_fail(ctx, SN_ERR_ARGUMENT, "optimizer: struct_size %zu of the options is not known: use sizeof, or 0",
                       options->struct_size);
    sn_status status = check_options(ctx, &copy);
    if (status) return status;
    sn_optimizer *o = nn_alloc(ctx, sizeof *o);
    if (!o) return nn_fail(ctx, SN_ERR_NOMEM, "out of memory for an optimizer");
    *o = (sn_optimizer){.params = params, .options = copy};
    status = sn_params_new(ctx, &o->state);
    if (status)
        sn_optimizer_free(o);
    else
        *out = o;
    return status;
}

void sn_optimizer_free(sn_optimizer *o) {
    if (!o) return;
    sn_context *ctx = o->params->ctx;
    sn_params_free(o->state);
    nn_free(ctx, o->updates, o->capacity * sizeof *o->updates);
    nn_free(ctx, o, sizeof *o);
}

sn_params *sn_optimizer_state(sn_optimizer *o) { return o ? o->state : NULL; }

/* ---- words of the graph ------------------------------------------------------------------------------------------ */

static sn_expr number(const making *k, double value) { return sn_const_at(k->g, value, k->file, k->line); }
static sn_expr add(const making *k, sn_expr a, sn_expr b) { return sn_add_at(a, b, k->file, k->line); }
static sn_expr sub(const making *k, sn_expr a, sn_expr b) { return sn_sub_at(a, b, k->file, k->line); }
static sn_expr mul(const making *k, sn_expr a, sn_expr b) { return sn_mul_at(a, b, k->file, k->line); }
static sn_expr scaled(const making *k, double by, sn_expr a) { return mul(k, number(k, by), a); }
static sn_expr root(const making *k, sn_expr a) { return sn_sqrt_at(a, k->file, k->line); }
static sn_expr over(const making *k, sn_expr a, sn_expr b) { return sn_div_at(a, b, k->file, k->line); }

/* by * old + (1 - by) * value. */
static sn_expr faded(const making *k, double by, sn_expr old, sn_expr value) {
    return add(k, scaled(k, by, old), scaled(k, 1 - by, value));
}

static void update(making *k, sn_var *var, sn_expr value) { k->o->updates[k->n++] = (sn_update){var, value}; }

/* The state of that name, found or added; NULL after a failure, which the graph has. */
static sn_var *state(making *k, const char *name, const sn_tensor *type) {
    sn_params *list = k->o->state;
    sn_var *var = sn_params_find(list, name);
    if (var) return var;
    sn_status status = sn_params_add(list, name, type->dtype, type->rank, type->size, sn_init_zeros(), &var);
    if (status) nn_graph_fail(k->g, status, k->file, k->line, "optimizer_updates: %s", sn_context_error(list->ctx));
    return var;
}

/* The state NAME.m or NAME.v of a parameter. */
static sn_var *state_of(making *k, sn_var *param, const char *suffix) {
    sn_context *ctx = k->o->params->ctx;
    sn_tensor type = sn_var_type(param);
    size_t bytes = strlen(sn_var_name(param)) + strlen(suffix) + 1;
    char *name = nn_alloc(ctx, bytes);
    if (!name) {
        nn_graph_fail(k->g, SN_ERR_NOMEM, k->file, k->line, "optimizer_updates: out of memory");
        return NULL;
    }
    snprintf(name, bytes, "%s%s", sn_var_name(param), suffix);
    sn_var *var = state(k, name, &type);
    nn_free(ctx, name, bytes);
    return var;
}

/* ---- the rules --------------------------------------------------------------------------------------------------- */

/* Factors that do not depend on the parameter but on its dtype: made once for a run of parameters of one dtype. */
static void factors(making *k, sn_expr lr, sn_dtype dtype) {
    if (k->dtype == dtype) return;
    const sn_optimizer_options *o = &k->o->options;
    k->dtype = dtype;
    k->lr = k->factor = sn_expr_dtype(lr) == dtype ? lr : sn_cast_at(lr, dtype, k->file, k->line);
    if (!is_adam(k->o)) return;
    sn_expr t = sn_cast_at(k->steps, dtype, k->file, k->line);
    sn_expr rest1 = sn_expm1_at(scaled(k, log(o->beta1), t), k->file, k->line);
    sn_expr rest2 = sn_expm1_at(scaled(k, log(o->beta2), t), k->file, k->line);
    sn_expr r = root(k, sn_neg_at(rest2, k->file, k->line));
    k->factor = over(k, mul(k, k->lr, r), sn_neg_at(rest1, k->file, k->line));
    k->epsilon = scaled(k, o->epsilon, r);
}

/* 0 after a failure that the graph has. */
static int step_of(making *k, sn_var *var, sn_expr g) {
    const sn_optimizer_options *o = &k->o->options;
    sn_expr w = sn_use_at(k->g, var, k->file, k->line), step;
    if (o->weight_decay > 0 && o->kind != SN_OPTIMIZER_ADAMW) g = add(k, g, scaled(k, o->weight_decay, w));
    if (o->kind == SN_OPTIMIZER_SGD) {
        step = mul(k, k->lr, g);
    } else if (o->kind == SN_OPTIMIZER_MOMENTUM) {
        sn_var *m_var = state_of(k, var, ".m");
        if (!m_var) return 0;
        sn_expr m = add(k, scaled(k, o->momentum, sn_use_at(k->g, m_var, k->file, k->line)), g);
        update(k, m_var, m);
        step = mul(k, k->lr, o->nesterov ? add(k, g, scaled(k, o->momentum, m)) : m);
    } else {
        sn_var *m_var = state_of(k, var, ".m"), *v_var = m_var ? state_of(k, var, ".v") : NULL;
        if (!v_var) return 0;
        sn_expr m = faded(k, o->beta1, sn_use_at(k->g, m_var, k->file, k->line), g);
        sn_expr v = faded(k, o->beta2, sn_use_at(k->g, v_var, k->file, k->line), sn_square_at(g, k->file, k->line));
        update(k, m_var, m);
        update(k, v_var, v);
        step = over(k, mul(k, k->factor, m), add(k, root(k, v), k->epsilon));
        if (o->kind == SN_OPTIMIZER_ADAMW && o->weight_decay > 0)
            step = add(k, step, mul(k, mul(k, k->lr, number(k, o->weight_decay)), w));
    }
    update(k, var, sub(k, w, step));
    return 1;
}

/* Whether a gradient fits its parameter; sn_function_new would say it of the update, not of the gradient. */
static int check_grad(const making *k, sn_var *var, sn_expr grad) {
    if (!grad.id) return 1;
    sn_tensor type = sn_var_type(var);
    sn_shape shape = sn_expr_shape(grad);
    int same = grad.graph == k->g && sn_expr_dtype(grad) == type.dtype && shape.rank == type.rank;
    for (int32_t i = 0; same && i < type.rank; i++) same = !shape.dim[i].id && shape.dim[i].value == type.size[i];
    if (!same)
        nn_graph_fail(k->g, SN_ERR_SHAPE, k->file, k->line,
                      "optimizer_updates: the gradient of parameter \"%s\" has another graph, dtype or shape than %s",
                      sn_var_name(var), nn_type(&type).text);
    return same;
}

static int check_rate(const making *k, sn_expr lr) {
    if (!lr.id && lr.graph) return 1; /* poison: the graph knows why */
    const char *wrong = NULL;
    sn_dtype dtype = sn_expr_dtype(lr);
    if (sn_expr_shape(lr).rank)
        wrong = "is no scalar";
    else if (!nn_is_float(dtype))
        wrong = "is not floating-point";
    if (wrong) nn_graph_fail(k->g, SN_ERR_ARGUMENT, k->file, k->line, "optimizer_updates: the learning rate %s", wrong);
    return !wrong;
}

static int make_all(making *k, const sn_expr *grads, sn_expr lr) {
    const sn_params *params = k->o->params;
    if (!check_rate(k, lr)) return 0;
    if (is_adam(k->o) && params->n) {
        sn_tensor count = sn_tensor_of(SN_I64, NULL, 0, NULL);
        sn_var *var = state(k, step_name, &count);
        if (!var) return 0;
        k->steps = add(k, sn_use_at(k->g, var, k->file, k->line), number(k, 1));
        update(k, var, k->steps);
    }
    for (size_t i = 0; i < params->n; i++) {
        sn_var *var = params->item[i].var;
        if (!check_grad(k, var, grads[i])) return 0;
        factors(k, lr, sn_var_type(var).dtype);
        if (!step_of(k, var, grads[i])) return 0;
    }
    for (size_t i = 0; i < k->n; i++)
        if (!k->o->updates[i].value.id) return 0;
    return 1;
}

/* Room for the updates of every parameter, two states of each, and the count. */
static int reserve(sn_optimizer *o) {
    size_t want = 3 * o->params->n + 1;
    if (want <= o->capacity) return 1;
    void *p =
        sn_context_realloc(o->params->ctx, o->updates, o->capacity * sizeof *o->updates, want * sizeof *o->updates);
    if (!p) return 0;
    o->updates = p;
    o->capacity = want;
    return 1;
}

static const sn_update *make_updates(sn_optimizer *o, sn_graph *g, const sn_expr *grads, sn_expr lr, size_t *n,
                                     const char *file, int line) {
    making k = {.o = o, .g = g, .file = file, .line = line};
    if (!make_all(&k, grads, lr)) return NULL;
    *n = k.n;
    return o->updates;
}

const sn_update *sn_optimizer_updates_from_at(sn_optimizer *o, const sn_expr *grads, sn_expr lr, size_t *n,
                                              const char *file, int line) {
    if (n) *n = 0;
    sn_graph *g = lr.graph;
    if (!g || !o || !n || (o->params->n && !grads)) {
        nn_graph_fail(g, SN_ERR_ARGUMENT, file, line, "optimizer_updates: %s is NULL",
                      !o   ? "the optimizer"
                      : !n ? "n"
                           : "the array of gradients");
        return NULL;
    }
    if (!reserve(o)) {
        nn_graph_fail(g, SN_ERR_NOMEM, file, line, "optimizer_updates: out of memory");
        return NULL;
    }
    return make_updates(o, g, grads, lr, n, file, line);
}

const sn_update *sn_optimizer_updates_at(sn_optimizer *o, sn_expr loss, sn_expr lr, size_t *n, const char *file,
                                         int line) {
    if (n) *n = 0;
    if (!o || !n || lr.graph != loss.graph) {
        nn_graph_fail(loss.graph, SN_ERR_ARGUMENT, file, line, "optimizer_updates: %s",
                      !o   ? "the optimizer is NULL"
                      : !n ? "n is NULL"
                           : "the learning rate belongs to another graph than the loss");
        return NULL;
    }
    if (loss.id && (sn_expr_shape(loss).rank || !nn_is_float(sn_expr_dtype(loss)))) {
        nn_graph_fail(loss.graph, SN_ERR_SHAPE, file, line,
                      "optimizer_updates: the loss is %s, a floating-point scalar wanted; reduce it with sum or mean",
                      nn_is_float(sn_expr_dtype(loss)) ? "no scalar" : sn_dtype_name(sn_expr_dtype(loss)));
        return NULL;
    }
    sn_context *ctx = o->params->ctx;
    size_t bytes = (o->params->n + 1) * sizeof(sn_expr); /* one more: never nothing */
    sn_expr *grads = nn_alloc(ctx, bytes);
    if (!grads) {
        nn_graph_fail(loss.graph, SN_ERR_NOMEM, file, line, "optimizer_updates: out of memory");
        return NULL;
    }
    const sn_update *updates = NULL;
    if (!sn_params_grad(o->params, loss, grads)) updates = sn_optimizer_updates_from_at(o, grads, lr, n, file, line);
    nn_free(ctx, grads, bytes);
    return updates;
}
