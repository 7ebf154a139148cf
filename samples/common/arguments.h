/* Values of options on a command line. Each function returns true, or false after a sentence on standard error that
 * names the program, the option and what it takes. */
#ifndef SAMPLES_ARGUMENTS_H
#define SAMPLES_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include <sinter/sinter.h>

/* Whose sentences they are: "moons". */
typedef struct arguments {
    const char *program;
} arguments;

bool arguments_integer(arguments a, const char *name, const char *text, int64_t least, int64_t most, int64_t *out);
bool arguments_seed(arguments a, const char *name, const char *text, uint64_t *out);
/* A finite number, 0 or more. */
bool arguments_number(arguments a, const char *name, const char *text, double *out);
/* f32 or f64. */
bool arguments_float_type(arguments a, const char *name, const char *text, sn_dtype *out);
/* Not empty. */
bool arguments_path(arguments a, const char *name, const char *text, const char **out);
/* The position of text in a list that NULL ends. */
bool arguments_choice(arguments a, const char *name, const char *text, const char *const *list, int *out);

#endif
