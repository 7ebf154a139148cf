/* Variables: zero-filled device memory of a constant shape under a reader/writer lock, counted by reference. */
#define _POSIX_C_SOURCE 200809L
#include "runtime/variable.h"

#include <string.h>

#include "ir/graph.h"

static int known_dtype(sn_dtype dtype) { return dtype >= SN_F64 && dtype <= SN_BF16; }

sn_status rt_transfer(sn_context *ctx, void *at, const void *from, void *to, size_t bytes, base_trap *err) {
    const be_remote *remote = ctx->backend->remote;
    if (!bytes) return SN_OK;
    if (!remote) {
        if (to)
            memcpy(to, at, bytes);
        else if (from)
            memcpy(at, from, bytes);
        else
            memset(at, 0, bytes);
        return SN_OK;
    }
    sn_status status = remote->begin(ctx->device, err);
    if (status) return status;
    if (to)
        remote->read(ctx->device, to, at, bytes);
    else if (from)
        remote->write(ctx->device, at, from, bytes);
    else
        remote->clear(ctx->device, at, bytes);
    return remote->finish(ctx->device, to || from, err);
}

static sn_status transfer(sn_var *var, const void *from, void *to, size_t bytes) {
    base_trap err = {.armed = 0};
    sn_status status = rt_transfer(var->ctx, var->data, from, to, bytes, &err);
    return status ? rt_context_fail(var->ctx, status, "variable \"%s\": %s", var->name, err.text) : SN_OK;
}

/* The parts that can fail, into a cleared variable; rt_var_release undoes whatever was done. */
static sn_status fill(sn_var *var, const char *name) {
    sn_context *ctx = var->ctx;
    size_t n = strlen(name) + 1;
    var->name = base_malloc(&ctx->alloc, n);
    if (var->name) memcpy(var->name, name, n);
    var->data = rt_alloc(ctx, var->bytes ? var->bytes : 1);
    char room[RT_ROOM_TEXT];
    if (!var->name || !var->data)
        return rt_context_fail(ctx, SN_ERR_NOMEM, "variable \"%s\": out of memory: %zu bytes asked for%s", name,
                               var->bytes, rt_room_text(ctx, room));
    return transfer(var, NULL, NULL, var->bytes);
}

sn_status sn_var_new(sn_context *ctx, const char *name, sn_dtype dtype, int32_t rank, const int64_t *sizes,
                     sn_var **out) {
    if (out) *out = NULL;
    if (!ctx) return SN_ERR_ARGUMENT;
    if (!out || !name) return rt_context_fail(ctx, SN_ERR_ARGUMENT, "variable: %s is NULL", name ? "out" : "its name");
    if (!known_dtype(dtype))
        return rt_context_fail(ctx, SN_ERR_DTYPE, "variable \"%s\": no operator works on dtype %s (%d)", name,
                               sn_dtype_name(dtype), (int)dtype);
    if (rank < 0 || rank > SN_MAX_RANK || (rank && !sizes))
        return rt_context_fail(ctx, SN_ERR_SHAPE,
                               "variable \"%s\": rank %d given, 0 to %d possible, with that many sizes", name,
                               (int)rank, SN_MAX_RANK);
    sn_tensor type = sn_tensor_of(dtype, NULL, rank, sizes);
    for (int32_t i = 0; i < rank; i++)
        if (sizes[i] < 0)
            return rt_context_fail(ctx, SN_ERR_SHAPE, "variable \"%s\": size %lld of axis %d is negative", name,
                                   (long long)sizes[i], (int)i);
    size_t bytes = sn_tensor_bytes(&type);
    if (bytes > PTRDIFF_MAX)
        return rt_context_fail(ctx, SN_ERR_SHAPE, "variable \"%s\": its bytes do not fit 63 bits", name);

    sn_var *var = base_calloc(&ctx->alloc, sizeof *var);
    if (!var) return rt_context_fail(ctx, SN_ERR_NOMEM, "variable \"%s\": out of memory", name);
    var->ctx = ctx;
    var->type = type;
    var->bytes = bytes;
    atomic_init(&var->refs, 1);
    sn_status status = fill(var, name);
    if (status)
        rt_var_release(var);
    else
        *out = var;
    return status;
}

void rt_var_retain(sn_var *var) { atomic_fetch_add_explicit(&var->refs, 1, memory_order_relaxed); }

void rt_var_release(sn_var *var) {
    if (!var || atomic_fetch_sub_explicit(&var->refs, 1, memory_order_acq_rel) > 1) return;
    sn_context *ctx = var->ctx;
    if (var->data) ctx->backend->free(ctx->device, var->data, var->bytes ? var->bytes : 1);
    if (var->name) base_free(&ctx->alloc, var->name, strlen(var->name) + 1);
    base_free(&ctx->alloc, var, sizeof *var);
}

void sn_var_free(sn_var *var) { rt_var_release(var); }

const char *sn_var_name(const sn_var *var) { return var ? var->name : ""; }

sn_tensor sn_var_type(const sn_var *var) { return var ? var->type : (sn_tensor){.rank = -1}; }

/* Shared by set and get: the whole value, and its size named exactly. */
static sn_status check_copy(sn_var *var, const void *data, size_t bytes, const char *what) {
    if (!var) return SN_ERR_ARGUMENT;
    if (bytes != var->bytes)
        return rt_context_fail(var->ctx, SN_ERR_SHAPE, "%s of variable \"%s\": %zu bytes given, its value has %zu",
                               what, var->name, bytes, var->bytes);
    if (!data && bytes)
        return rt_context_fail(var->ctx, SN_ERR_ARGUMENT, "%s of variable \"%s\": data is NULL", what, var->name);
    return SN_OK;
}

sn_status sn_var_set(sn_var *var, const void *data, size_t bytes) {
    sn_status status = check_copy(var, data, bytes, "set");
    if (status || !bytes) return status;
    rt_lock_exclusive(&var->lock);
    status = transfer(var, data, NULL, bytes);
    rt_unlock_exclusive(&var->lock);
    return status;
}

sn_status sn_var_get(sn_var *var, void *data, size_t bytes) {
    sn_status status = check_copy(var, data, bytes, "get");
    if (status || !bytes) return status;
    rt_lock_shared(&var->lock);
    status = transfer(var, NULL, data, bytes);
    rt_unlock_shared(&var->lock);
    return status;
}
