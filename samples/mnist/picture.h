/* What a trained network sees, as one picture: digits it takes for others, how often it takes which for which, and what
 * its first layer looks for. */
#ifndef MNIST_PICTURE_H
#define MNIST_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include <sinter/sinter.h>

#include "data.h"

/* Writes a PNG. answer: the class given to each of the digits. weights: those of the first layer, [hidden,
 * MNIST_PIXELS]. On failure prints a sentence to standard error and returns false. */
bool picture_save(const char *path, const digits *shown, const char *const *class_name, const uint8_t *answer,
                  const sn_tensor *weights, const char *title);

#endif
