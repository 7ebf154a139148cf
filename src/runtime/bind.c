/* Binding: the caller's tensors in; values of the named dims, or a sentence about what does not fit, out.
 *
 * rt_plan_dims orders, once per function, the input axes from which named dims follow: an axis whose dim is linear in
 * exactly one name that is still open decides that name; plain names come first, so that sentences speak of those.
 * Every other axis is a check. A call walks that list, then checks all axes, what the operators ask for, and that no
 * value is too large for the arithmetic on its offsets. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <string.h>

#include "ir/infer.h"
#include "runtime/call.h"

/* ---- once per function ------------------------------------------------------------------------------------------- */

/* Is the poly linear in exactly one open name, *name? plain_only: is it nothing but that name? */
static int decides(const ir_poly *poly, const uint8_t *known, int plain_only, uint16_t *name) {
    int found = 0;
    for (uint32_t t = 0; t < poly->n; t++) {
        int open = 0;
        for (uint32_t f = 0; f < poly->term[t].n; f++) {
            uint16_t at = poly->term[t].name[f];
            if (known[at]) continue;
            if (open++ || (found && *name != at)) return 0;
            *name = at;
            found = 1;
        }
    }
    if (plain_only) return found && poly->n == 1 && poly->term[0].n == 1 && poly->term[0].coef == 1;
    return found;
}

/* Adds a step for every axis that now decides a name; 1 if there was one. */
static int solve_more(sn_function *f, uint8_t *known, int plain_only) {
    const ir_graph *g = &f->graph;
    int progress = 0;
    for (uint32_t i = 0; i < g->input.n; i++) {
        const ir_node *node = ir_at(g, g->input.at[i]);
        for (uint32_t axis = 0; axis < node->rank; axis++) {
            uint16_t name = 0;
            if (!decides(&g->dim.at[node->dim[axis]], known, plain_only, &name)) continue;
            f->solve[f->n_solve++] = (rt_solve){name, i, axis};
            known[name] = 1;
            progress = 1;
        }
    }
    return progress;
}

/* Fails if a name of the dim stays open. */
static void need(sn_function *f, const uint8_t *known, ir_dim d) {
    ir_graph *g = &f->graph;
    const ir_poly *poly = &g->dim.at[d];
    for (uint32_t t = 0; t < poly->n; t++)
        for (uint32_t i = 0; i < poly->term[t].n; i++)
            if (!known[poly->term[t].name[i]])
                base_fail(&g->trap, SN_ERR_MISSING,
                          "function \"%s\": dim %s is used, but no input tells its size: list an input whose shape has "
                          "it, or "
                          "the dim",
                          f->name, g->dim_name.at[poly->term[t].name[i]]);
}

static void need_all(sn_function *f, const uint8_t *known) {
    const ir_graph *g = &f->graph;
    for (ir_id id = 1; id < g->node.n; id++) {
        const ir_node *node = ir_at(g, id);
        for (uint32_t i = 0; i < node->rank; i++) need(f, known, node->dim[i]);
        if (node->op == IR_DIM_VALUE) need(f, known, (ir_dim)node->attr[0]);
        if (node->op == IR_SLICE || node->op == IR_PAD)
            for (uint32_t i = 0; i < node->rank; i++)
                need(f, known, (ir_dim)node->attr[(size_t)IR_SLICE_ATTRS * i + IR_SLICE_START]);
    }
    for (uint32_t i = 0; i < f->check.n; i++) {
        need(f, known, f->check.at[i].a);
        need(f, known, f->check.at[i].b);
    }
}

void rt_plan_dims(sn_function *f) {
    ir_graph *g = &f->graph;
    uint8_t *known = ARENA_ARRAY(&g->arena, uint8_t, g->dim_name.n);
    f->solve = ARENA_ARRAY(&g->arena, rt_solve, g->dim_name.n);
    for (uint32_t i = 0; i < f->n_told; i++) {
        if (strcmp(g->dim_name.at[f->told[i]], f->given.dim_name.at[f->told[i]]) != 0)
            base_fail(&g->trap, SN_ERR_INTERNAL, "the passes changed the order of the named dims");
        known[f->told[i]] = 1;
    }
    do
        while (solve_more(f, known, 1)) {
        }
    while (solve_more(f, known, 0));
    need_all(f, known);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

enum { TYPE_TEXT = RT_TYPE_TEXT };

const char *rt_type_text(const sn_tensor *t, char text[TYPE_TEXT]) {
    int n = snprintf(text, TYPE_TEXT, "%s[", sn_dtype_name(t->dtype));
    if (t->rank < 0 || t->rank > SN_MAX_RANK) {
        snprintf(text, TYPE_TEXT, "%s of rank %d (0 to %d are possible)", sn_dtype_name(t->dtype), (int)t->rank,
                 SN_MAX_RANK);
        return text;
    }
    for (int32_t i = 0; i < t->rank; i++)
        n += snprintf(text + n, (size_t)(TYPE_TEXT - n), i ? ",%lld" : "%lld", (long long)t->size[i]);
    snprintf(text + n, (size_t)(TYPE_TEXT - n), "]");
    return text;
}

/* ` with N = 5, M = 3`, or nothing. */
static const char *names_text(const sn_call *call, char text[TYPE_TEXT]) {
    const sn_function *f = call->function;
    int n = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < f->n_told + f->n_solve && n < TYPE_TEXT; i++) {
        uint16_t name = i < f->n_told ? f->told[i] : f->solve[i - f->n_told].name;
        n += snprintf(text + n, (size_t)(TYPE_TEXT - n), "%s%s = %lld", i ? ", " : " with ", f->graph.dim_name.at[name],
                      (long long)call->names[name]);
    }
    return text;
}

/* `input "X"` or `output 0`. */
static const char *slot_text(const sn_function *f, uint32_t slot, char text[TYPE_TEXT]) {
    if (slot < f->n_input)
        snprintf(text, TYPE_TEXT, "input \"%s\"", f->graph.input_name.at[slot]);
    else
        snprintf(text, TYPE_TEXT, "output %u", (unsigned)(slot - f->n_input));
    return text;
}

static ir_id slot_node(const sn_function *f, uint32_t slot) {
    return slot < f->n_input ? f->graph.input.at[slot] : f->roots.out[slot - f->n_input];
}

/* `input "X": f32[5] given, f32[N,2] wanted with N = 5` */
static sn_status mismatch(sn_call *call, uint32_t slot, const sn_tensor *t, sn_status status, int with_names) {
    char slot_is[TYPE_TEXT], given[TYPE_TEXT], names[TYPE_TEXT] = "";
    const sn_function *f = call->function;
    if (with_names) names_text(call, names);
    return base_set_error(&call->error, status, "%s: %s given, %s wanted%s", slot_text(f, slot, slot_is),
                          rt_type_text(t, given), ir_type_text(&f->graph, slot_node(f, slot)).text, names);
}

/* ---- one tensor -------------------------------------------------------------------------------------------------- */

sn_status rt_check_tensor(sn_call *call, uint32_t slot, const sn_tensor *t, int array) {
    const sn_function *f = call->function;
    char text[TYPE_TEXT];
    if (!t) return base_set_error(&call->error, SN_ERR_ARGUMENT, "%s: the tensor is NULL", slot_text(f, slot, text));
    const ir_node *node = ir_at(&f->graph, slot_node(f, slot));
    if (!sn_dtype_size(t->dtype))
        return base_set_error(&call->error, SN_ERR_DTYPE, "%s: the tensor's dtype is %d, which is none; %s wanted",
                              slot_text(f, slot, text), (int)t->dtype,
                              ir_type_text(&f->graph, slot_node(f, slot)).text);
    if (t->dtype != (sn_dtype)node->dtype) return mismatch(call, slot, t, SN_ERR_DTYPE, 0);
    if (array && slot >= f->n_input) return SN_OK; /* it gets the sizes that the call has */
    if (t->rank != (int32_t)node->rank) return mismatch(call, slot, t, SN_ERR_SHAPE, 0);
    for (uint32_t axis = 0; axis < node->rank; axis++) {
        int64_t n;
        if (t->size[axis] < 0 || (ir_dim_is_const(&f->graph, node->dim[axis], &n) && n != t->size[axis]))
            return mismatch(call, slot, t, SN_ERR_SHAPE, 0);
    }
    size_t bytes = sn_tensor_bytes(t), item = sn_dtype_size(t->dtype);
    if (bytes > PTRDIFF_MAX)
        return base_set_error(&call->error, SN_ERR_SHAPE, "%s: its bytes do not fit 63 bits", slot_text(f, slot, text));
    if (bytes && !t->data)
        return base_set_error(&call->error, SN_ERR_ARGUMENT, "%s: data is NULL, %zu bytes wanted",
                              slot_text(f, slot, text), bytes);
    if (bytes && (uintptr_t)t->data % item)
        return base_set_error(&call->error, SN_ERR_ARGUMENT,
                              "%s: data at %p is not aligned to %zu bytes, as %s has to be", slot_text(f, slot, text),
                              t->data, item, sn_dtype_name(t->dtype));
    return SN_OK;
}

static int overlap(const sn_tensor *a, const sn_tensor *b) {
    size_t a_bytes = sn_tensor_bytes(a), b_bytes = sn_tensor_bytes(b);
    uintptr_t a_at = (uintptr_t)a->data, b_at = (uintptr_t)b->data;
    return a_bytes && b_bytes && a_at < b_at + b_bytes && b_at < a_at + a_bytes;
}

sn_status rt_check_overlap(sn_call *call) {
    const sn_function *f = call->function;
    for (uint32_t out = f->n_input; out < f->n_input + f->roots.n_out; out++)
        for (uint32_t other = 0; other < out; other++)
            if (overlap(&call->tensor[out], &call->tensor[other])) {
                char a[TYPE_TEXT], b[TYPE_TEXT];
                return base_set_error(&call->error, SN_ERR_ARGUMENT,
                                      "%s shares memory with %s: what a call writes has to lie apart",
                                      slot_text(f, out, a), slot_text(f, other, b));
            }
    return SN_OK;
}

/* ---- dims -------------------------------------------------------------------------------------------------------- */

/* value += coef * names .. of a term, leaving out one factor `but` (0x10000: none). 0 on overflow. */
static int add_term(const ir_term *term, const int64_t *names, uint32_t but, int64_t *value) {
    int64_t product = term->coef;
    int skipped = 0;
    for (uint32_t f = 0; f < term->n; f++) {
        if (term->name[f] == but && !skipped)
            skipped = 1;
        else if (__builtin_mul_overflow(product, names[term->name[f]], &product))
            return 0;
    }
    return !__builtin_add_overflow(*value, product, value);
}

/* The open name's value from size == rest + factor * name. */
static sn_status solve_one(sn_call *call, const rt_solve *solve) {
    const sn_function *f = call->function;
    const ir_graph *g = &f->graph;
    const ir_poly *poly = &g->dim.at[ir_at(g, g->input.at[solve->input])->dim[solve->axis]];
    const sn_tensor *t = &call->tensor[solve->input];
    int64_t factor = 0, rest = 0, left;
    int fits = 1;
    for (uint32_t i = 0; i < poly->n; i++) {
        int has = 0;
        for (uint32_t k = 0; k < poly->term[i].n; k++) has |= poly->term[i].name[k] == solve->name;
        fits &= add_term(&poly->term[i], call->names, has ? solve->name : 0x10000u, has ? &factor : &rest);
    }
    fits = fits && factor != 0 && !__builtin_sub_overflow(t->size[solve->axis], rest, &left);
    fits = fits && !(factor == -1 && left == INT64_MIN) && left % factor == 0 && left / factor >= 0;
    if (!fits) {
        char given[TYPE_TEXT];
        return base_set_error(&call->error, SN_ERR_SHAPE,
                              "input \"%s\": %s given, %s wanted: no %s makes size %lld of axis %u",
                              g->input_name.at[solve->input], rt_type_text(t, given),
                              ir_type_text(&f->graph, g->input.at[solve->input]).text, g->dim_name.at[solve->name],
                              (long long)t->size[solve->axis], (unsigned)solve->axis);
    }
    call->names[solve->name] = left / factor;
    call->from[solve->name] = solve->input;
    return SN_OK;
}

static sn_status dim_overflow(sn_call *call, ir_dim d) {
    char names[TYPE_TEXT];
    return base_set_error(&call->error, SN_ERR_SHAPE, "dim %s does not fit 63 bits%s",
                          ir_dim_text(&call->function->graph, d).text, names_text(call, names));
}

static sn_status check_axis(sn_call *call, uint32_t slot, uint32_t axis) {
    const sn_function *f = call->function;
    const ir_graph *g = &f->graph;
    const sn_tensor *t = &call->tensor[slot];
    ir_dim d = ir_at(g, slot_node(f, slot))->dim[axis];
    int64_t want;
    if (!ir_dim_value(g, d, call->names, &want)) return dim_overflow(call, d);
    if (want == t->size[axis]) return SN_OK;
    const ir_poly *poly = &g->dim.at[d];
    if (slot < f->n_input && poly->n == 1 && poly->term[0].n == 1 && poly->term[0].coef == 1) {
        uint16_t name = poly->term[0].name[0];
        if (call->from[name] == RT_TOLD)
            return base_set_error(&call->error, SN_ERR_SHAPE, "%s is %lld by sn_call_set_dim and %lld from \"%s\"",
                                  g->dim_name.at[name], (long long)call->names[name], (long long)t->size[axis],
                                  g->input_name.at[slot]);
        return base_set_error(&call->error, SN_ERR_SHAPE, "%s is %lld from \"%s\" and %lld from \"%s\"",
                              g->dim_name.at[name], (long long)call->names[name], g->input_name.at[call->from[name]],
                              (long long)t->size[axis], g->input_name.at[slot]);
    }
    return mismatch(call, slot, t, SN_ERR_SHAPE, 1);
}

/* `moons.c:41: `, or nothing. */
static const char *place_text(const ir_graph *g, ir_id id, char text[TYPE_TEXT]) {
    text[0] = 0;
    if (id < g->place.n && g->place.at[id].file && g->place.at[id].file[0])
        snprintf(text, TYPE_TEXT, "%s:%d: ", g->place.at[id].file, (int)g->place.at[id].line);
    return text;
}

/* No index or byte offset below can overflow, and no size is negative, whatever checks were made before. */
static sn_status check_node(sn_call *call, ir_id id) {
    const ir_graph *g = &call->function->graph;
    const ir_node *node = ir_at(g, id);
    int64_t bytes = (int64_t)sizeof(double), n;
    for (uint32_t i = 0; i < node->rank; i++) {
        if (!ir_dim_value(g, node->dim[i], call->names, &n) || __builtin_mul_overflow(bytes, n > 1 ? n : 1, &bytes))
            return dim_overflow(call, node->dim[i]);
        if (n >= 0) continue;
        char place[TYPE_TEXT], names[TYPE_TEXT];
        return base_set_error(&call->error, SN_ERR_SHAPE, "%s%s: size %s of axis %u is %lld%s",
                              place_text(g, id, place), ir_ops[node->op].name, ir_dim_text(g, node->dim[i]).text,
                              (unsigned)i, (long long)n, names_text(call, names));
    }
    return SN_OK;
}

/* `: 2*N is 6` behind the text, of a dim that is no number. */
static void add_side(const ir_graph *g, ir_dim d, int64_t value, char text[TYPE_TEXT]) {
    int64_t n;
    if (ir_dim_is_const(g, d, &n)) return;
    size_t end = strlen(text);
    snprintf(text + end, TYPE_TEXT - end, "%s%s is %lld", end ? ", " : ": ", ir_dim_text(g, d).text, (long long)value);
}

/* What an operator asks of two dims. */
static sn_status check_dims(sn_call *call, const ir_check *check) {
    const ir_graph *g = &call->function->graph;
    int64_t a, b;
    if (!ir_dim_value(g, check->a, call->names, &a)) return dim_overflow(call, check->a);
    if (!ir_dim_value(g, check->b, call->names, &b)) return dim_overflow(call, check->b);
    if (check->at_most ? a <= b : a == b) return SN_OK;
    char sides[TYPE_TEXT] = "", names[TYPE_TEXT];
    add_side(g, check->a, a, sides);
    add_side(g, check->b, b, sides);
    return base_set_error(&call->error, SN_ERR_SHAPE, "%s%s%s", check->text, sides, names_text(call, names));
}

sn_status rt_solve_inputs(sn_call *call) {
    const sn_function *f = call->function;
    const ir_graph *g = &f->graph;
    sn_status status = SN_OK;
    for (uint32_t i = 0; i < f->n_told; i++) {
        call->names[f->told[i]] = call->told[i];
        call->from[f->told[i]] = RT_TOLD;
    }
    for (uint32_t i = 0; i < f->n_solve && !status; i++) status = solve_one(call, &f->solve[i]);
    for (uint32_t slot = 0; slot < f->n_input && !status; slot++)
        for (uint32_t axis = 0; axis < ir_at(g, slot_node(f, slot))->rank && !status; axis++)
            status = check_axis(call, slot, axis);
    for (uint32_t i = 0; i < f->check.n && !status; i++) status = check_dims(call, &f->check.at[i]);
    for (ir_id id = 1; id < g->node.n && !status; id++) status = check_node(call, id);
    return status;
}

/* The sizes of an output that an array is to get; they have to fit its memory. */
static sn_status size_array(sn_call *call, uint32_t slot) {
    const sn_function *f = call->function;
    const ir_node *node = ir_at(&f->graph, slot_node(f, slot));
    sn_tensor *t = &call->tensor[slot];
    t->rank = node->rank;
    for (uint32_t axis = 0; axis < node->rank; axis++)
        if (!ir_dim_value(&f->graph, node->dim[axis], call->names, &t->size[axis]))
            return dim_overflow(call, node->dim[axis]);
    size_t bytes = sn_tensor_bytes(t), room = call->array[slot]->capacity;
    char text[TYPE_TEXT], type[TYPE_TEXT];
    if (bytes > room)
        return base_set_error(&call->error, SN_ERR_SHAPE,
                              "%s: %s needs %zu bytes, its array was made for %zu: make a larger one",
                              slot_text(f, slot, text), rt_type_text(t, type), bytes, room);
    return SN_OK;
}

sn_status rt_solve_dims(sn_call *call) {
    const sn_function *f = call->function;
    const ir_graph *g = &f->graph;
    sn_status status = rt_solve_inputs(call);
    for (uint32_t slot = f->n_input; slot < f->n_input + f->roots.n_out && !status; slot++)
        if (call->array[slot]) status = size_array(call, slot);
    for (uint32_t slot = f->n_input; slot < f->n_input + f->roots.n_out && !status; slot++)
        for (uint32_t axis = 0; axis < ir_at(g, slot_node(f, slot))->rank && !status; axis++)
            status = check_axis(call, slot, axis);
    return status;
}
