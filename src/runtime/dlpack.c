/* Arrays from and to DLPack. Memory is never copied: what cannot be used in place is refused with a sentence. A tensor
 * that is given away is one block with its shape and strides, and a reference to its array. */
#define _POSIX_C_SOURCE 200809L
#include "runtime/dlpack.h"

#include <string.h>

#include "runtime/array.h"

static const struct {
    sn_dtype dtype;
    uint8_t code, bits;
} types[] = {{SN_F64, DL_FLOAT, 64}, {SN_F32, DL_FLOAT, 32}, {SN_F16, DL_FLOAT, 16}, {SN_BF16, DL_BFLOAT, 16},
             {SN_I64, DL_INT, 64},   {SN_I32, DL_INT, 32},   {SN_U8, DL_UINT, 8},    {SN_BOOL, DL_BOOL, 8}};
enum { N_TYPES = sizeof types / sizeof *types };

static void place_of(const sn_context *ctx, int32_t *type, int32_t *number) {
    *type = DL_CPU;
    *number = 0;
    if (ctx->backend->remote) ctx->backend->remote->place(ctx->device, type, number);
}

/* ---- from -------------------------------------------------------------------------------------------------------- */

static sn_status check_place(sn_context *ctx, const dl_tensor *t) {
    int32_t type, number;
    place_of(ctx, &type, &number);
    int reachable = t->device.type == type;
    if (type == DL_CPU) reachable |= t->device.type == DL_CUDA_HOST; /* the host's memory, pinned */
    if (type == DL_CUDA) reachable |= t->device.type == DL_CUDA_MANAGED;
    if (!reachable)
        return rt_context_fail(ctx, SN_ERR_UNSUPPORTED,
                               "DLPack: the tensor is in memory of device type %d, which backend \"%s\" cannot use: "
                               "%d is wanted",
                               (int)t->device.type, ctx->backend->name, (int)type);
    if (t->device.type == DL_CUDA && t->device.number != number)
        return rt_context_fail(ctx, SN_ERR_UNSUPPORTED, "DLPack: the tensor is on CUDA device %d, the context on %d",
                               (int)t->device.number, (int)number);
    return SN_OK;
}

static int is_dense(const dl_tensor *t) {
    int64_t step = 1;
    if (!t->strides) return 1;
    for (int32_t i = 0; i < t->rank; i++)
        if (!t->shape[i]) return 1;
    for (int32_t i = t->rank; i-- > 0;) {
        if (t->shape[i] != 1 && t->strides[i] != step) return 0;
        if (__builtin_mul_overflow(step, t->shape[i], &step)) return 0;
    }
    return 1;
}

/* What the tensor is to us, or a sentence. */
static sn_status take(sn_context *ctx, const dl_tensor *t, sn_tensor *type) {
    sn_status status = check_place(ctx, t);
    size_t i = 0;
    if (status) return status;
    while (i < N_TYPES && (types[i].code != t->dtype.code || types[i].bits != t->dtype.bits)) i++;
    if (i == N_TYPES || t->dtype.lanes != 1)
        return rt_context_fail(ctx, SN_ERR_DTYPE, "DLPack: no dtype is like type code %d of %d bits and %d lanes",
                               t->dtype.code, t->dtype.bits, t->dtype.lanes);
    if (t->rank < 0 || t->rank > SN_MAX_RANK || (t->rank && !t->shape))
        return rt_context_fail(ctx, SN_ERR_SHAPE, "DLPack: rank %d given, 0 to %d possible, with a shape", (int)t->rank,
                               SN_MAX_RANK);
    *type = sn_tensor_of(types[i].dtype, NULL, t->rank, t->shape);
    char text[RT_TYPE_TEXT];
    for (int32_t axis = 0; axis < t->rank; axis++)
        if (t->shape[axis] < 0)
            return rt_context_fail(ctx, SN_ERR_SHAPE, "DLPack: %s: sizes are negative", rt_type_text(type, text));
    if (!is_dense(t))
        return rt_context_fail(ctx, SN_ERR_UNSUPPORTED,
                               "DLPack: %s: its strides are not those of dense row-major memory: make it contiguous "
                               "first",
                               rt_type_text(type, text));
    type->data = t->data ? (char *)t->data + t->byte_offset : NULL;
    if (sn_tensor_bytes(type) && !type->data)
        return rt_context_fail(ctx, SN_ERR_ARGUMENT, "DLPack: %s: data is NULL", rt_type_text(type, text));
    if ((uintptr_t)type->data % sn_dtype_size(type->dtype))
        return rt_context_fail(ctx, SN_ERR_ARGUMENT, "DLPack: %s: data at %p is not aligned to %zu bytes",
                               rt_type_text(type, text), type->data, sn_dtype_size(type->dtype));
    return SN_OK;
}

static void give_back(void *lent) {
    struct DLManagedTensor *t = lent;
    if (t->deleter) t->deleter(t);
}

static void give_back_versioned(void *lent) {
    struct DLManagedTensorVersioned *t = lent;
    if (t->deleter) t->deleter(t);
}

static sn_status check_given(sn_context *ctx, const void *tensor, sn_array **out) {
    if (out) *out = NULL;
    if (!ctx) return SN_ERR_ARGUMENT;
    return tensor && out ? SN_OK
                         : rt_context_fail(ctx, SN_ERR_ARGUMENT, "DLPack: %s is NULL", out ? "the tensor" : "out");
}

sn_status sn_array_from_dlpack(sn_context *ctx, struct DLManagedTensor *tensor, sn_array **out) {
    sn_tensor type;
    sn_status status = check_given(ctx, tensor, out);
    if (!status) status = take(ctx, &tensor->tensor, &type);
    return status ? status : rt_array_wrap(ctx, &type, 0, tensor, give_back, out);
}

sn_status sn_array_from_dlpack_versioned(sn_context *ctx, struct DLManagedTensorVersioned *tensor, sn_array **out) {
    sn_tensor type;
    sn_status status = check_given(ctx, tensor, out);
    if (!status && tensor->version.major != DL_MAJOR)
        status = rt_context_fail(ctx, SN_ERR_UNSUPPORTED, "DLPack: the tensor is of version %u.%u, %d is known",
                                 (unsigned)tensor->version.major, (unsigned)tensor->version.minor, DL_MAJOR);
    if (!status) status = take(ctx, &tensor->tensor, &type);
    int read_only = !status && (tensor->flags & DL_READ_ONLY) != 0;
    return status ? status : rt_array_wrap(ctx, &type, read_only, tensor, give_back_versioned, out);
}

/* ---- to ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    union {
        struct DLManagedTensor plain;
        struct DLManagedTensorVersioned versioned;
    } managed;
    sn_array *array;
    int64_t shape[SN_MAX_RANK], strides[SN_MAX_RANK];
} lent;

static void take_back(lent *l) {
    sn_array *array = l->array;
    base_free(&array->ctx->alloc, l, sizeof *l);
    rt_array_release(array);
}

static void take_back_plain(struct DLManagedTensor *t) { take_back(t->manager); }
static void take_back_versioned(struct DLManagedTensorVersioned *t) { take_back(t->manager); }

static void describe(lent *l, dl_tensor *to) {
    const sn_context *ctx = l->array->ctx;
    const sn_tensor type = sn_array_type(l->array);
    size_t i = 0;
    while (types[i].dtype != type.dtype) i++;
    place_of(ctx, &to->device.type, &to->device.number);
    to->data = type.data;
    to->rank = type.rank;
    to->dtype.code = types[i].code;
    to->dtype.bits = types[i].bits;
    to->dtype.lanes = 1;
    int64_t step = 1;
    for (int32_t axis = type.rank; axis-- > 0;) {
        l->shape[axis] = type.size[axis];
        l->strides[axis] = step;
        step *= type.size[axis] ? type.size[axis] : 1;
    }
    to->shape = l->shape;
    to->strides = l->strides;
    to->byte_offset = 0;
}

/* NULL after a failure, whose status is *status. */
static lent *lend(sn_array *array, sn_status *status) {
    sn_context *ctx = array->ctx;
    *status = sn_context_sync(ctx);
    lent *l = *status ? NULL : base_calloc(&ctx->alloc, sizeof *l);
    if (!*status && !l) *status = rt_context_fail(ctx, SN_ERR_NOMEM, "DLPack: out of memory for a tensor");
    if (!l) return NULL;
    rt_array_retain(array);
    l->array = array;
    return l;
}

sn_status sn_array_to_dlpack(sn_array *array, struct DLManagedTensor **out) {
    sn_status status = SN_ERR_ARGUMENT;
    if (out) *out = NULL;
    if (!array || !out) return array ? rt_context_fail(array->ctx, status, "DLPack: out is NULL") : status;
    if (array->read_only)
        return rt_context_fail(array->ctx, SN_ERR_UNSUPPORTED,
                               "DLPack: a read-only array can be given away in the versioned form alone");
    lent *l = lend(array, &status);
    if (!l) return status;
    struct DLManagedTensor *t = &l->managed.plain;
    describe(l, &t->tensor);
    t->manager = l;
    t->deleter = take_back_plain;
    *out = t;
    return SN_OK;
}

sn_status sn_array_to_dlpack_versioned(sn_array *array, struct DLManagedTensorVersioned **out) {
    sn_status status = SN_ERR_ARGUMENT;
    if (out) *out = NULL;
    if (!array || !out) return array ? rt_context_fail(array->ctx, status, "DLPack: out is NULL") : status;
    lent *l = lend(array, &status);
    if (!l) return status;
    struct DLManagedTensorVersioned *t = &l->managed.versioned;
    describe(l, &t->tensor);
    t->version.major = DL_MAJOR;
    t->version.minor = DL_MINOR;
    t->manager = l;
    t->deleter = take_back_versioned;
    t->flags = array->read_only ? DL_READ_ONLY : 0;
    *out = t;
    return SN_OK;
}
