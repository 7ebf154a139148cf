/* npy.h: NumPy's file format for one array, as far as Sinter's element types go: C order, little-endian. */
#ifndef TOOLS_SINTER_NPY_H
#define TOOLS_SINTER_NPY_H

#include "sinter/sinter.h"

enum { NPY_WHY_MAX = 256 };

/* Reads a whole file into memory to be freed with free(out->data). 0, or -1 with a sentence in why and out->data NULL.
 */
int npy_read(const char *path, sn_tensor *out, char why[NPY_WHY_MAX]);
/* 0, or -1 with a sentence in why; then there is no file of that name that is cut. */
int npy_write(const char *path, const sn_tensor *tensor, char why[NPY_WHY_MAX]);

#endif
