/* IDX: the format in which MNIST and data sets after it are published. Big-endian numbers: two bytes 0, the type of the
 * elements, the number of dimensions; the size of each dimension in 32 bits; the elements, row-major. Usually all of it
 * compressed with gzip. */
#ifndef MNIST_IDX_H
#define MNIST_IDX_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { IDX_MAX_RANK = 4, IDX_MAX_BYTES = 1 << 30, IDX_WHY = 512 };

/* Unsigned bytes, which is what pictures and their labels are. */
typedef struct idx_array {
    uint8_t *data;
    int32_t rank;
    int64_t size[IDX_MAX_RANK];
} idx_array;

/* Reads all of an open file that holds bytes with rank dimensions, compressed with gzip or not. false: *out is empty
 * and why is a sentence that begins with the file's name. Memory grows with what the file holds, not with what its
 * header says, and never beyond IDX_MAX_BYTES. */
bool idx_read(FILE *file, const char *name, int32_t rank, idx_array *out, char why[IDX_WHY]);
/* The same for a path. */
bool idx_load(const char *path, int32_t rank, idx_array *out, char why[IDX_WHY]);
/* Frees the elements and empties the array, which may be empty already. */
void idx_free(idx_array *array);

#endif
