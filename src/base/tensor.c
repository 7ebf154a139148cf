/* Plain facts about element types, shapes and the caller's tensors: values in, values out, no state. */
#include <stdint.h>

#include "sinter/sinter.h"

#define TEXT(x)    TEXT_OF(x)
#define TEXT_OF(x) #x

const char *sn_version(void) { return TEXT(SN_VERSION_MAJOR) "." TEXT(SN_VERSION_MINOR) "." TEXT(SN_VERSION_PATCH); }

const char *sn_status_name(sn_status status) {
    switch (status) {
#define ITEM(name, value, text)                                                                                        \
    case SN_##name: return #name;
        SN_STATUS_MAP(ITEM)
#undef ITEM
    }
    return "?";
}

size_t sn_dtype_size(sn_dtype dtype) {
    switch (dtype) {
#define ITEM(name, value, bytes, text)                                                                                 \
    case SN_##name: return bytes;
        SN_DTYPE_MAP(ITEM)
#undef ITEM
        case SN_DTYPE_NONE: break;
    }
    return 0;
}

const char *sn_dtype_name(sn_dtype dtype) {
    switch (dtype) {
#define ITEM(name, value, bytes, text)                                                                                 \
    case SN_##name: return text;
        SN_DTYPE_MAP(ITEM)
#undef ITEM
        case SN_DTYPE_NONE: break;
    }
    return "?";
}

sn_shape sn_shape_of(int32_t rank, const sn_dim *dims) {
    sn_shape shape = {.rank = rank};
    if (rank < 0 || rank > SN_MAX_RANK || (rank > 0 && !dims)) {
        shape.rank = -1;
        return shape;
    }
    for (int32_t i = 0; i < rank; i++) shape.dim[i] = dims[i];
    return shape;
}

sn_shape sn_shape_of_sizes(int32_t rank, const int64_t *sizes) {
    sn_shape shape = {.rank = rank};
    if (rank < 0 || rank > SN_MAX_RANK || (rank > 0 && !sizes)) {
        shape.rank = -1;
        return shape;
    }
    for (int32_t i = 0; i < rank; i++) shape.dim[i] = sn_dim_of(sizes[i]);
    return shape;
}

/* A rank outside of [0, SN_MAX_RANK] is kept as -1, which every user of the tensor reports. */
sn_tensor sn_tensor_of(sn_dtype dtype, void *data, int32_t rank, const int64_t *sizes) {
    sn_tensor tensor = {.data = data, .dtype = dtype, .rank = rank};
    if (rank < 0 || rank > SN_MAX_RANK || (rank > 0 && !sizes)) tensor.rank = -1;
    for (int32_t i = 0; i < tensor.rank; i++) tensor.size[i] = sizes[i];
    return tensor;
}

size_t sn_tensor_bytes(const sn_tensor *tensor) {
    if (!tensor || tensor->rank < 0 || tensor->rank > SN_MAX_RANK) return SIZE_MAX;
    /* Zeros first: a tensor without elements has no bytes however large its other sizes are. */
    for (int32_t i = 0; i < tensor->rank; i++)
        if (tensor->size[i] < 0) return SIZE_MAX;
    for (int32_t i = 0; i < tensor->rank; i++)
        if (tensor->size[i] == 0) return 0;
    size_t bytes = sn_dtype_size(tensor->dtype);
    for (int32_t i = 0; i < tensor->rank; i++)
        if (__builtin_mul_overflow(bytes, (uint64_t)tensor->size[i], &bytes)) return SIZE_MAX;
    return bytes;
}
