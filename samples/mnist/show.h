/* Digits in a terminal. */
#ifndef MNIST_SHOW_H
#define MNIST_SHOW_H

#include <stdint.h>

#include "data.h"

/* Prints the first n digits, or as many as there are, side by side, with the answers they got. */
void show_digits(const digits *shown, const char *const *class_name, const uint8_t *answer, int64_t n);

#endif
