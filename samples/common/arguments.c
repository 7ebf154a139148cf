/* In: the text of an option's value. Out: the value, within its range, or a sentence. */
#include "arguments.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool arguments_integer(arguments a, const char *name, const char *text, int64_t least, int64_t most, int64_t *out) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < least || value > most) {
        fprintf(stderr, "%s: --%s takes an integer from %" PRId64 " to %" PRId64 ", not \"%s\"\n", a.program, name,
                least, most, text);
        return false;
    }
    *out = value;
    return true;
}

bool arguments_seed(arguments a, const char *name, const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    /* strtoull takes "-1" for its largest value. */
    if (end == text || *end || errno || strchr(text, '-')) {
        fprintf(stderr, "%s: --%s takes an integer from 0 to %" PRIu64 ", not \"%s\"\n", a.program, name, UINT64_MAX,
                text);
        return false;
    }
    *out = value;
    return true;
}

bool arguments_number(arguments a, const char *name, const char *text, double *out) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value < 0) {
        fprintf(stderr, "%s: --%s takes a number that is 0 or more, not \"%s\"\n", a.program, name, text);
        return false;
    }
    *out = value;
    return true;
}

bool arguments_choice(arguments a, const char *name, const char *text, const char *const *list, int *out) {
    for (int i = 0; list[i]; i++)
        if (!strcmp(text, list[i])) {
            *out = i;
            return true;
        }
    fprintf(stderr, "%s: --%s takes ", a.program, name);
    for (int i = 0; list[i]; i++) fprintf(stderr, "%s%s", i == 0 ? "" : list[i + 1] ? ", " : " or ", list[i]);
    fprintf(stderr, ", not \"%s\"\n", text);
    return false;
}

bool arguments_float_type(arguments a, const char *name, const char *text, sn_dtype *out) {
    int which;
    if (!arguments_choice(a, name, text, (const char *const[]){"f32", "f64", NULL}, &which)) return false;
    *out = which ? SN_F64 : SN_F32;
    return true;
}

bool arguments_path(arguments a, const char *name, const char *text, const char **out) {
    if (!*text) {
        fprintf(stderr, "%s: --%s takes the name of a file or folder, not \"\"\n", a.program, name);
        return false;
    }
    *out = text;
    return true;
}
