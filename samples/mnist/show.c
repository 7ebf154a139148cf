/* In: digits and answers. Out: text. A character is one pixel wide and two high, in five shades. */
#include "show.h"

#include <stdio.h>

enum { ACROSS = 3, GAP = 2 };

static void print_row(const uint8_t *upper) {
    static const char *const shade[] = {" ", "\xe2\x96\x91", "\xe2\x96\x92", "\xe2\x96\x93", "\xe2\x96\x88"};
    for (int column = 0; column < MNIST_SIDE; column++)
        fputs(shade[(upper[column] + upper[column + MNIST_SIDE]) * 5 / 511], stdout);
}

void show_digits(const digits *shown, const char *const *class_name, const uint8_t *answer, int64_t n) {
    if (n > shown->n) n = shown->n;
    for (int64_t from = 0; from < n; from += ACROSS) {
        int64_t to = from + ACROSS < n ? from + ACROSS : n;
        putchar('\n');
        for (int row = 0; row < MNIST_SIDE; row += 2) {
            for (int64_t i = from; i < to; i++) {
                print_row(shown->pixel + i * MNIST_PIXELS + row * MNIST_SIDE);
                printf("%*s", i + 1 < to ? GAP : 0, "");
            }
            putchar('\n');
        }
        for (int64_t i = from; i < to; i++) {
            char text[64];
            const char *given = class_name[answer[i]], *right = class_name[shown->label[i]];
            if (given == right)
                snprintf(text, sizeof text, "%s", given);
            else
                snprintf(text, sizeof text, "%s, but it is %s", given, right);
            printf("%*s%-*s", GAP, "", MNIST_SIDE, text);
        }
        putchar('\n');
    }
}
