/* Host memory in the shape of an sn_tensor, owned by the sample: made, read and written as doubles whatever its type.
 */
#ifndef SAMPLES_ARRAY_H
#define SAMPLES_ARRAY_H

#include <stdbool.h>
#include <stdint.h>

#include <sinter/sinter.h>

/* Zeros of the given type and sizes. false, with *out empty, where the memory does not exist. */
bool array_new(sn_dtype dtype, int32_t rank, const int64_t *sizes, sn_tensor *out);
/* Frees the memory and empties the tensor, which may be empty already. */
void array_free(sn_tensor *array);

int64_t array_count(const sn_tensor *array);
/* The element at a row-major position, for f64, f32 and i64; put rounds to the array's type. */
double array_get(const sn_tensor *array, int64_t at);
void array_put(sn_tensor *array, int64_t at, double value);

#endif
