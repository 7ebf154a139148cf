/* In: a type and sizes. Out: zeroed memory with that description, and its elements as doubles. */
#include "array.h"

#include <stdlib.h>

bool array_new(sn_dtype dtype, int32_t rank, const int64_t *sizes, sn_tensor *out) {
    *out = sn_tensor_of(dtype, NULL, rank, sizes);
    size_t bytes = sn_tensor_bytes(out);
    if (bytes != SIZE_MAX) out->data = calloc(bytes ? bytes : 1, 1);
    if (!out->data) *out = (sn_tensor){0};
    return out->data != NULL;
}

void array_free(sn_tensor *array) {
    free(array->data);
    *array = (sn_tensor){0};
}

int64_t array_count(const sn_tensor *array) {
    int64_t count = 1;
    for (int32_t i = 0; i < array->rank; i++) count *= array->size[i];
    return count;
}

double array_get(const sn_tensor *array, int64_t at) {
    switch (array->dtype) {
        case SN_F64: return ((const double *)array->data)[at];
        case SN_F32: return (double)((const float *)array->data)[at];
        case SN_I64: return (double)((const int64_t *)array->data)[at];
        default: return 0;
    }
}

void array_put(sn_tensor *array, int64_t at, double value) {
    switch (array->dtype) {
        case SN_F64: ((double *)array->data)[at] = value; break;
        case SN_F32: ((float *)array->data)[at] = (float)value; break;
        case SN_I64: ((int64_t *)array->data)[at] = (int64_t)value; break;
        default: break;
    }
}
