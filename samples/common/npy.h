/* Arrays as .npy files, which numpy.load reads. */
#ifndef SAMPLES_NPY_H
#define SAMPLES_NPY_H

#include <stdbool.h>

#include <sinter/sinter.h>

/* Makes the folder, unless it exists. On failure prints a sentence to standard error and returns false. */
bool folder_make(const char *folder);

/* Writes folder/name. On failure prints a sentence to standard error and returns false. */
bool npy_save(const char *folder, const char *name, const sn_tensor *array);

#endif
