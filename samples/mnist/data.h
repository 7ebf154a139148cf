/* The four files of MNIST, or of a data set in its format, from a folder. */
#ifndef MNIST_DATA_H
#define MNIST_DATA_H

#include <stdbool.h>
#include <stdint.h>

enum { MNIST_SIDE = 28, MNIST_PIXELS = MNIST_SIDE * MNIST_SIDE, MNIST_CLASSES = 10 };

/* Pictures row by row, 0 is paper and 255 is ink, and the class of each. */
typedef struct digits {
    int64_t n;
    uint8_t *pixel; /* [n][MNIST_PIXELS] */
    uint8_t *label; /* [n], each below MNIST_CLASSES */
} digits;

typedef struct mnist_data {
    digits train, test;
    const char *name;      /* of the data set, told by the checksums of its labels: "MNIST", "Fashion-MNIST" .. */
    const char *const *of; /* the name of each class */
} mnist_data;

/* folder NULL: SINTER_MNIST_DIR, else where fetch-data puts the files, sinter/mnist in XDG_DATA_HOME or ~/.local/share.
 * Reads train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each with
 * .gz or without. On failure prints a sentence to standard error and returns false. */
bool mnist_load(const char *folder, mnist_data *out);
void mnist_free(mnist_data *data);

#endif
