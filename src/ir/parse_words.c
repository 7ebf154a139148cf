/* Words, names, numbers and symbols of the text form: any bytes in, values or a located sentence out. No number in the
 * text sizes anything; numbers that name nodes stay text. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ir/parse.h"
#include "ir/text.h"

/* ---- failing ----------------------------------------------------------------------------------------------------- */

void ir_parse_fail(ir_parser *p, size_t at, const char *format, ...) {
    char text[BASE_TEXT_MAX / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < p->n; i++) {
        column++;
        if (p->text[i] == '\n') line++, column = 1;
    }
    p->located = 1;
    base_fail(&p->g->trap, SN_ERR_PARSE, "line %zu, column %zu: %s", line, column, text);
}

/* ---- characters and words ---------------------------------------------------------------------------------------- */

static int peek(const ir_parser *p) { return p->at < p->n ? (unsigned char)p->text[p->at] : -1; }

static int is_digit(int c) { return c >= '0' && c <= '9'; }
int ir_at_digit(const ir_parser *p) { return is_digit(peek(p)); }

static int is_letter(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/* White space and comments, which run from # to the end of the line. */
void ir_skip(ir_parser *p) {
    for (; p->at < p->n; p->at++) {
        int c = peek(p);
        if (c == '#')
            while (p->at + 1 < p->n && p->text[p->at + 1] != '\n') p->at++;
        else if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            return;
    }
}

int ir_accept(ir_parser *p, const char *what) {
    ir_skip(p);
    size_t n = strlen(what);
    if (p->n - p->at < n || memcmp(p->text + p->at, what, n)) return 0;
    p->at += n;
    return 1;
}

/* For messages: the character here. */
static const char *here(const ir_parser *p, char buf[16]) {
    int c = peek(p);
    if (c < 0) return "the end";
    if (c == '\n') return "a new line";
    snprintf(buf, 16, c >= 0x20 && c < 0x7f ? "'%c'" : "byte 0x%02x", c);
    return buf;
}

void ir_expect(ir_parser *p, const char *what) {
    char buf[16];
    if (!ir_accept(p, what)) ir_parse_fail(p, p->at, "expected '%s', found %s", what, here(p, buf));
}

/* Letters, digits, underscores and dots from here on; 0 if there is no letter. */
static size_t word_length(const ir_parser *p) {
    size_t n = 0;
    while (p->at + n < p->n && ir_is_plain_name(p->text + p->at + n, 1)) n++;
    if (n == 0) return 0;
    while (p->at + n < p->n) {
        int c = (unsigned char)p->text[p->at + n];
        if (!is_letter(c) && !is_digit(c) && c != '.') break;
        n++;
    }
    return n;
}

/* A word without being a prefix of a longer one. */
int ir_accept_word(ir_parser *p, const char *what) {
    ir_skip(p);
    size_t n = word_length(p);
    if (n != strlen(what) || memcmp(p->text + p->at, what, n)) return 0;
    p->at += n;
    return 1;
}

static int hex_value(int c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* One character of a string after the backslash. */
static char escape(ir_parser *p) {
    size_t at = p->at - 1;
    int c = peek(p);
    p->at++;
    if (c == 'n') return '\n';
    if (c == '"' || c == '\\') return (char)c;
    if (c == 'x' && p->n - p->at >= 2) {
        int high = hex_value((unsigned char)p->text[p->at]), low = hex_value((unsigned char)p->text[p->at + 1]);
        p->at += 2;
        if (high >= 0 && low >= 0 && high + low > 0) return (char)(unsigned char)(high * 16 + low);
    }
    ir_parse_fail(p, at, "a string knows the escapes \\\", \\\\, \\n and \\x01 .. \\xff");
}

/* A string in quotes, in the arena; NULL if there is none here. */
const char *ir_accept_string(ir_parser *p) {
    ir_skip(p);
    if (peek(p) != '"') return NULL;
    size_t start = p->at++, end = p->at, n = 0;
    while (end < p->n && p->text[end] != '"' && p->text[end] != '\n') end += p->text[end] == '\\' ? 2 : 1;
    if (end >= p->n || p->text[end] != '"') ir_parse_fail(p, start, "the string does not end on its line");
    char *text = base_arena_alloc(&p->g->arena, end - p->at + 1);
    while (p->at < end) {
        char c = p->text[p->at++];
        if (c == 0) ir_parse_fail(p, p->at - 1, "a string has no zero bytes");
        text[n++] = c == '\\' ? escape(p) : c;
    }
    p->at = end + 1;
    return text;
}

/* A word or a string; NULL if neither is here. */
static const char *accept_name(ir_parser *p) {
    const char *name = ir_accept_string(p);
    size_t n = name ? 0 : word_length(p);
    if (!n) return name;
    char *copy = base_arena_alloc(&p->g->arena, n + 1);
    memcpy(copy, p->text + p->at, n);
    p->at += n;
    return copy;
}

const char *ir_expect_name(ir_parser *p, const char *what) {
    const char *name = accept_name(p);
    char buf[16];
    if (!name) ir_parse_fail(p, p->at, "expected %s, found %s", what, here(p, buf));
    return name;
}

/* Digits as a number up to the greatest uint64_t. */
static uint64_t expect_digits(ir_parser *p) {
    char buf[16];
    size_t start = p->at;
    if (!is_digit(peek(p))) ir_parse_fail(p, p->at, "expected a number, found %s", here(p, buf));
    uint64_t value = 0;
    for (; is_digit(peek(p)); p->at++)
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(peek(p) - '0'), &value))
            ir_parse_fail(p, start, "the number does not fit 64 bits");
    return value;
}

int64_t ir_expect_magnitude(ir_parser *p, int negative) {
    size_t at = p->at;
    uint64_t value = expect_digits(p);
    if (value > (uint64_t)INT64_MAX + (negative ? 1u : 0u)) ir_parse_fail(p, at, "the number does not fit 64 bits");
    return negative ? (int64_t)(0 - value) : (int64_t)value;
}

int64_t ir_expect_integer(ir_parser *p) {
    int negative = ir_accept(p, "-");
    ir_skip(p);
    return ir_expect_magnitude(p, negative);
}

/* ---- symbols ----------------------------------------------------------------------------------------------------- */

static ir_symbol *slot(ir_symbol *table, uint32_t cap, char kind, const char *name, uint32_t n) {
    uint32_t i = (uint32_t)base_hash64(name, n, (uint64_t)kind) & (cap - 1);
    for (; table[i].at; i = (i + 1) & (cap - 1))
        if (table[i].kind == kind && table[i].n == n && !memcmp(table[i].at, name, n)) break;
    return &table[i];
}

static void grow_symbols(ir_parser *p) {
    uint32_t cap = p->cap_symbol ? p->cap_symbol * 2 : 64;
    ir_symbol *table = ARENA_ARRAY(&p->g->arena, ir_symbol, cap);
    for (uint32_t i = 0; i < p->cap_symbol; i++) {
        const ir_symbol *s = &p->symbols[i];
        if (s->at) *slot(table, cap, s->kind, s->at, s->n) = *s;
    }
    p->symbols = table;
    p->cap_symbol = cap;
}

void ir_define(ir_parser *p, size_t at, char kind, const char *name, uint32_t value) {
    if (p->n_symbol * 2 >= p->cap_symbol) grow_symbols(p);
    ir_symbol *s = slot(p->symbols, p->cap_symbol, kind, name, (uint32_t)strlen(name));
    if (s->at) ir_parse_fail(p, at, "%.60s stands for something already", name);
    *s = (ir_symbol){.at = name, .n = (uint32_t)strlen(name), .value = value, .kind = kind};
    p->n_symbol++;
}

/* The symbol's value; 0 if it has none. */
uint32_t ir_look_up(ir_parser *p, char kind, const char *name) {
    if (!p->cap_symbol) return 0;
    const ir_symbol *s = slot(p->symbols, p->cap_symbol, kind, name, (uint32_t)strlen(name));
    return s->at ? s->value : 0;
}

/* What follows % or @: digits (kind '1' or '2'), a word or a string. */
const char *ir_expect_symbol(ir_parser *p, char sigil, char *kind) {
    *kind = sigil;
    size_t n = 0;
    while (p->at + n < p->n && is_digit((unsigned char)p->text[p->at + n])) n++;
    if (!n) return ir_expect_name(p, "a name or a number");
    *kind = sigil == '%' ? '1' : '2';
    char *digits = base_arena_alloc(&p->g->arena, n + 1);
    memcpy(digits, p->text + p->at, n);
    p->at += n;
    return digits;
}

static int accept_sigil(ir_parser *p, char *sigil) {
    *sigil = ir_accept(p, "%") ? '%' : ir_accept(p, "@") ? '@' : 0;
    return *sigil != 0;
}

ir_id ir_expect_ref(ir_parser *p) {
    char sigil, kind, buf[16];
    ir_skip(p);
    size_t at = p->at;
    if (!accept_sigil(p, &sigil)) ir_parse_fail(p, at, "expected %% or @, found %s", here(p, buf));
    const char *name = ir_expect_symbol(p, sigil, &kind);
    ir_id id = ir_look_up(p, kind, name);
    if (!id) ir_parse_fail(p, at, "%c%.60s is not defined before here", sigil, name);
    return id;
}

/* ---- constants --------------------------------------------------------------------------------------------------- */

/* Decimal digits with a point and an exponent. The point is taken out before strtod, which would look for the locale's.
 */
static double parse_decimal(ir_parser *p, size_t at, const char *word, sn_dtype dtype) {
    char digits[2 * IR_MAX_NUMBER];
    size_t n = 0;
    long shift = 0, exponent = 0;
    const char *c = word;
    int point = 0, any = 0;
    for (; is_digit((unsigned char)*c) || (*c == '.' && !point); c++) {
        if (*c == '.') {
            point = 1;
            continue;
        }
        any = 1;
        digits[n++] = *c;
        shift -= point;
    }
    if (any && (*c == 'e' || *c == 'E') && (is_digit((unsigned char)c[1]) || c[1] == '-' || c[1] == '+')) {
        char *end;
        exponent = strtol(c + 1, &end, 10);
        c = end;
        if (exponent > 100000) exponent = 100000;
        if (exponent < -100000) exponent = -100000;
    }
    if (!any || *c) ir_parse_fail(p, at, "%.60s is no number", word);
    snprintf(digits + n, sizeof digits - n, "e%ld", exponent + shift);
    double value = dtype == SN_F32 ? (double)strtof(digits, NULL) : strtod(digits, NULL);
    value = base_float_value(dtype, base_float_bits(dtype, value));
    if (value > 0x1.fffffffffffffp1023)
        ir_parse_fail(p, at, "%.60s is above the greatest finite number; infinity is inf", word);
    return value;
}

static uint64_t float_bits(ir_parser *p, size_t at, const char *word, sn_dtype dtype) {
    uint64_t bits, sign = base_float_sign(dtype);
    if (!strncmp(word, "nan(0x", 6)) {
        char *end;
        bits = strtoull(word + 6, &end, 16);
        int is_nan = (bits & ~sign) > base_float_infinity(dtype) && bits <= (sign | (sign - 1));
        if (strcmp(end, ")") || !is_nan) ir_parse_fail(p, at, "%.60s are not the bits of a NaN", word);
        return bits;
    }
    int negative = *word == '-';
    if (!strcmp(word, "nan")) return base_float_nan(dtype);
    if (!strcmp(word + negative, "inf"))
        bits = base_float_infinity(dtype);
    else
        bits = base_float_bits(dtype, parse_decimal(p, at, word + negative, dtype));
    return negative ? bits | sign : bits;
}

void ir_expect_constant(ir_parser *p, char word[IR_MAX_NUMBER]) {
    ir_skip(p);
    size_t at = p->at, n = 0;
    for (; p->at < p->n; p->at++) {
        int c = peek(p);
        if (!is_letter(c) && !is_digit(c) && (c == 0 || !strchr("+-.()", c))) break;
        if (n + 1 == IR_MAX_NUMBER) ir_parse_fail(p, at, "a constant of more than %d characters", IR_MAX_NUMBER - 1);
        word[n++] = (char)c;
    }
    word[n] = 0;
    if (!n) ir_parse_fail(p, at, "expected a constant");
}

uint64_t ir_constant_bits(ir_parser *p, size_t at, const char *word, sn_dtype dtype) {
    if (base_is_float(dtype)) return float_bits(p, at, word, dtype);
    if (dtype == SN_BOOL) {
        if (strcmp(word, "true") && strcmp(word, "false"))
            ir_parse_fail(p, at, "a bool is true or false, not %.60s", word);
        return word[0] == 't';
    }
    int negative = *word == '-';
    const char *c = word + negative;
    uint64_t magnitude = 0;
    int fits = 1;
    for (; is_digit((unsigned char)*c); c++)
        fits = fits && !__builtin_mul_overflow(magnitude, (uint64_t)10, &magnitude) &&
               !__builtin_add_overflow(magnitude, (uint64_t)(*c - '0'), &magnitude);
    if (*c || c == word + negative) ir_parse_fail(p, at, "%.60s is no integer", word);
    uint64_t most = dtype == SN_I64 ? INT64_MAX : dtype == SN_I32 ? INT32_MAX : UINT8_MAX;
    if (negative) most = dtype == SN_U8 ? 0 : most + 1;
    if (!fits || magnitude > most) ir_parse_fail(p, at, "%.60s does not fit %s", word, sn_dtype_name(dtype));
    uint64_t bits = negative ? 0 - magnitude : magnitude;
    return dtype == SN_I32 ? (uint32_t)bits : bits;
}
