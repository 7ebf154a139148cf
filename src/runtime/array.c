/* Arrays: tensors in the device's memory under a reader/writer lock, counted by reference; and what calls do with those
 * that they are bound to. The memory never moves; the sizes are those of the last call that wrote it. */
#define _POSIX_C_SOURCE 200809L
#include "runtime/array.h"

#include <string.h>

#include "runtime/call.h"

static int is_dtype(sn_dtype dtype) { return sn_dtype_size(dtype) != 0; }

/* Refuses types and sizes that cannot be. */
static sn_status check_type(sn_context *ctx, const sn_tensor *type) {
    if (!is_dtype(type->dtype))
        return rt_context_fail(ctx, SN_ERR_DTYPE, "array: there is no dtype %d", (int)type->dtype);
    for (int32_t i = 0; i < type->rank; i++)
        if (type->size[i] < 0)
            return rt_context_fail(ctx, SN_ERR_SHAPE, "array: size %lld of axis %d is negative",
                                   (long long)type->size[i], (int)i);
    if (sn_tensor_bytes(type) > PTRDIFF_MAX)
        return rt_context_fail(ctx, SN_ERR_SHAPE, "array: its bytes do not fit 63 bits");
    return SN_OK;
}

sn_status rt_array_wrap(sn_context *ctx, const sn_tensor *type, int read_only, void *lent, void (*give_back)(void *),
                        sn_array **out) {
    sn_status status = check_type(ctx, type);
    if (status) return status;
    sn_array *array = base_calloc(&ctx->alloc, sizeof *array);
    if (!array) return rt_context_fail(ctx, SN_ERR_NOMEM, "array: out of memory");
    array->ctx = ctx;
    array->type = *type;
    array->capacity = sn_tensor_bytes(type);
    array->read_only = read_only;
    array->lent = lent;
    array->give_back = give_back;
    atomic_init(&array->refs, 1);
    *out = array;
    return SN_OK;
}

sn_status sn_array_new(sn_context *ctx, sn_dtype dtype, int32_t rank, const int64_t *sizes, sn_array **out) {
    if (out) *out = NULL;
    if (!ctx) return SN_ERR_ARGUMENT;
    if (!out) return rt_context_fail(ctx, SN_ERR_ARGUMENT, "array: out is NULL");
    if (rank < 0 || rank > SN_MAX_RANK || (rank && !sizes))
        return rt_context_fail(ctx, SN_ERR_SHAPE, "array: rank %d given, 0 to %d possible, with that many sizes",
                               (int)rank, SN_MAX_RANK);
    sn_tensor type = sn_tensor_of(dtype, NULL, rank, sizes);
    sn_array *array = NULL;
    sn_status status = rt_array_wrap(ctx, &type, 0, NULL, NULL, &array);
    if (status) return status;
    base_trap err = {.armed = 0};
    char room[RT_ROOM_TEXT];
    size_t bytes = array->capacity;
    array->type.data = rt_alloc(ctx, bytes ? bytes : 1);
    if (!array->type.data)
        status = rt_context_fail(ctx, SN_ERR_NOMEM, "array: out of memory: %zu bytes asked for%s", bytes,
                                 rt_room_text(ctx, room));
    else if ((status = rt_transfer(ctx, array->type.data, NULL, NULL, bytes, &err)))
        rt_context_fail(ctx, status, "array: %s", err.text);
    if (status)
        rt_array_release(array);
    else
        *out = array;
    return status;
}

void rt_array_retain(sn_array *array) { atomic_fetch_add_explicit(&array->refs, 1, memory_order_relaxed); }

void rt_array_release(sn_array *array) {
    if (!array || atomic_fetch_sub_explicit(&array->refs, 1, memory_order_acq_rel) > 1) return;
    sn_context *ctx = array->ctx;
    if (array->lent) {
        /* Its owner may free it at once: nothing of ours is to be at work on it then. */
        if (ctx->backend->remote) ctx->backend->remote->settle(ctx->device);
        array->give_back(array->lent);
    } else if (array->type.data) {
        ctx->backend->free(ctx->device, array->type.data, array->capacity ? array->capacity : 1);
    }
    base_free(&ctx->alloc, array, sizeof *array);
}

void sn_array_free(sn_array *array) { rt_array_release(array); }

sn_tensor sn_array_type(const sn_array *array) {
    if (!array) return (sn_tensor){.rank = -1};
    sn_array *a = (sn_array *)(uintptr_t)array; /* for its lock */
    rt_lock_shared(&a->lock);
    sn_tensor type = a->type;
    rt_unlock_shared(&a->lock);
    return type;
}

/* ---- copies ------------------------------------------------------------------------------------------------------ */

/* Under the lock. */
static sn_status copy(sn_array *array, const void *from, void *to, size_t bytes, const char *what) {
    sn_context *ctx = array->ctx;
    char text[RT_TYPE_TEXT];
    base_trap err = {.armed = 0};
    size_t has = sn_tensor_bytes(&array->type);
    if (bytes != has)
        return rt_context_fail(ctx, SN_ERR_SHAPE, "%s of array %s: %zu bytes given, it has %zu", what,
                               rt_type_text(&array->type, text), bytes, has);
    if (!from && !to && bytes)
        return rt_context_fail(ctx, SN_ERR_ARGUMENT, "%s of array %s: data is NULL", what,
                               rt_type_text(&array->type, text));
    if (from && array->read_only)
        return rt_context_fail(ctx, SN_ERR_ARGUMENT, "set of array %s: it is read-only: its owner said so",
                               rt_type_text(&array->type, text));
    sn_status status = bytes ? rt_transfer(ctx, array->type.data, from, to, bytes, &err) : SN_OK;
    return status ? rt_context_fail(ctx, status, "array %s: %s", rt_type_text(&array->type, text), err.text) : SN_OK;
}

sn_status sn_array_set(sn_array *array, const void *data, size_t bytes) {
    if (!array) return SN_ERR_ARGUMENT;
    rt_lock_exclusive(&array->lock);
    sn_status status = copy(array, data, NULL, bytes, "set");
    rt_unlock_exclusive(&array->lock);
    return status;
}

sn_status sn_array_get(sn_array *array, void *data, size_t bytes) {
    if (!array) return SN_ERR_ARGUMENT;
    rt_lock_shared(&array->lock);
    sn_status status = copy(array, NULL, data, bytes, "get");
    rt_unlock_shared(&array->lock);
    return status;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static sn_status bind(sn_call *call, uint32_t slot, sn_array *array, const char *what, size_t index) {
    if (!array)
        return base_set_error(&call->error, SN_ERR_ARGUMENT, "function \"%s\", %s %zu: the array is NULL",
                              call->function->name, what, index);
    if (array->ctx != call->function->ctx)
        return base_set_error(
            &call->error, SN_ERR_ARGUMENT,
            "function \"%s\", %s %zu: the array is of another context: arrays are memory of one device",
            call->function->name, what, index);
    if (array->read_only && slot >= call->function->n_input)
        return base_set_error(&call->error, SN_ERR_ARGUMENT,
                              "function \"%s\", output %zu: the array is read-only: its owner said so",
                              call->function->name, index);
    const sn_tensor type = sn_array_type(array);
    return rt_bind(call, slot, &type, array);
}

sn_status sn_call_bind_input_array(sn_call *call, size_t index, sn_array *array) {
    if (!call || rt_call_is_taken(call)) return SN_ERR_ARGUMENT;
    if (index >= call->function->n_input) return rt_no_such(call, "input", index, call->function->n_input);
    return bind(call, (uint32_t)index, array, "input", index);
}

sn_status sn_call_bind_output_array(sn_call *call, size_t index, sn_array *array) {
    if (!call || rt_call_is_taken(call)) return SN_ERR_ARGUMENT;
    if (index >= call->function->roots.n_out) return rt_no_such(call, "output", index, call->function->roots.n_out);
    return bind(call, call->function->n_input + (uint32_t)index, array, "output", index);
}

sn_status rt_array_refresh(sn_call *call) {
    for (uint32_t slot = 0; slot < call->function->n_input; slot++) {
        if (!call->array[slot]) continue;
        const sn_tensor *now = &call->array[slot]->type;
        sn_tensor *then = &call->tensor[slot];
        if (now->rank == then->rank && !memcmp(now->size, then->size, (size_t)now->rank * sizeof *now->size)) continue;
        call->state = RT_SIZES;
        sn_status status = rt_check_tensor(call, slot, now, 1);
        if (status) return status;
        *then = *now;
    }
    return SN_OK;
}

void rt_array_settle(const sn_call *call) {
    const sn_function *f = call->function;
    for (uint32_t slot = f->n_input; slot < f->n_input + f->roots.n_out; slot++)
        if (call->array[slot]) call->array[slot]->type = call->tensor[slot];
}
