/* UTF-8 as RFC 3629 has it: shortest forms, no surrogates, nothing above U+10FFFF. */
#include "nn/nn.h"

size_t nn_utf8(const char *text, const char *end) {
    const unsigned char *at = (const unsigned char *)text;
    size_t left = (size_t)(end - text);
    if (!left) return 0;
    if (at[0] < 0x80) return 1;
    size_t n = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < n) return 0;
    for (size_t i = 1; i < n; i++)
        if (at[i] >> 6 != 2) return 0;
    if (at[0] == 0xe0 && at[1] < 0xa0) return 0; /* longer than need be */
    if (at[0] == 0xed && at[1] > 0x9f) return 0; /* a surrogate */
    if (at[0] == 0xf0 && at[1] < 0x90) return 0;
    if (at[0] == 0xf4 && at[1] > 0x8f) return 0;
    return n;
}
