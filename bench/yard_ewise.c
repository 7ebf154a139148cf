/* Element-wise loops, as one writes them for a vectorising compiler. */
#include "yard.h"

#include <math.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#define LOOP(name, expression)                                                                                         \
    void name(void *arg, int part, int parts) {                                                                        \
        const yard_vector *v = arg;                                                                                    \
        const float *restrict x = v->x;                                                                                \
        float *restrict out = v->out;                                                                                  \
        int64_t from, to;                                                                                              \
        yard_range(v->n, 1024, part, parts, &from, &to);                                                               \
        for (int64_t i = from; i < to; i++) out[i] = (expression);                                                     \
    }
LOOP(yard_exp, expf(x[i]))
LOOP(yard_log, logf(x[i]))
LOOP(yard_sin, sinf(x[i]))
LOOP(yard_cos, cosf(x[i]))
LOOP(yard_tanh, tanhf(x[i]))
LOOP(yard_erf, erff(x[i]))
LOOP(yard_sigmoid, 1 / (1 + expf(-x[i])))

void yard_chain(void *arg, int part, int parts) {
    const yard_vector *v = arg;
    const float *restrict x = v->x, *restrict y = v->y, *restrict z = v->z;
    float *restrict out = v->out;
    int64_t from, to;
    yard_range(v->n, 1024, part, parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        float a = x[i] * y[i] + z[i];
        float b = fmaxf(a - x[i], y[i]) * z[i];
        out[i] = fabsf(b - 0.5f) * a;
    }
}

/* f16 by the machine's instructions, bf16 by shifts and an addition that rounds to even; numbers without NaN. */
#if defined(__F16C__) && defined(__AVX2__)
#define STEP 8
static inline __m256 from_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
static inline void to_f16(uint16_t *p, __m256 v) { _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v, 0)); }
static inline __m256 from_bf16(const uint16_t *p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
static inline void to_bf16(uint16_t *p, __m256 v) {
    __m256i bits = _mm256_castps_si256(v), odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    bits = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    bits = _mm256_srli_epi32(bits, 16);
    __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(bits, bits), 0xd8);
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(packed));
}
static inline __m256 chain_of(__m256 x, __m256 y, __m256 z) {
    __m256 a = _mm256_fmadd_ps(x, y, z), b = _mm256_mul_ps(_mm256_max_ps(_mm256_sub_ps(a, x), y), z);
    __m256 c = _mm256_sub_ps(b, _mm256_set1_ps(0.5f));
    return _mm256_mul_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), c), a);
}
#define CHAIN_OF_HALVES(type)                                                                                          \
    void yard_chain_##type(void *arg, int part, int parts) {                                                           \
        const yard_halves *v = arg;                                                                                    \
        int64_t from, to;                                                                                              \
        yard_range(v->n, 1024, part, parts, &from, &to);                                                               \
        for (int64_t i = from; i + STEP <= to; i += STEP)                                                              \
            to_##type(v->out + i, chain_of(from_##type(v->x + i), from_##type(v->y + i), from_##type(v->z + i)));      \
    }
#else
#define CHAIN_OF_HALVES(type)                                                                                          \
    void yard_chain_##type(void *arg, int part, int parts) { (void)arg, (void)part, (void)parts; }
#endif
CHAIN_OF_HALVES(f16)
CHAIN_OF_HALVES(bf16)

void yard_copy(void *arg, int part, int parts) {
    const yard_vector *v = arg;
    int64_t from, to;
    yard_range(v->n, 1024, part, parts, &from, &to);
    if (to > from) memcpy(v->out + from, v->x + from, (size_t)(to - from) * sizeof *v->out);
}

enum { BLOCK = 16 };

/* A whole block, through a copy of it, which the compiler keeps in registers or next to them. */
static void transpose_block(const float *restrict x, int64_t columns, float *restrict out, int64_t rows) {
    float block[BLOCK][BLOCK];
    for (int i = 0; i < BLOCK; i++)
        for (int j = 0; j < BLOCK; j++) block[i][j] = x[i * columns + j];
    for (int j = 0; j < BLOCK; j++)
        for (int i = 0; i < BLOCK; i++) out[j * rows + i] = block[i][j];
}

void yard_transpose(void *arg, int part, int parts) {
    const yard_vector *v = arg;
    int64_t size = v->rows * v->columns, bands = (v->columns + BLOCK - 1) / BLOCK, from, to;
    yard_range(v->n / size * bands, 1, part, parts, &from, &to);
    for (int64_t band = from; band < to; band++) { /* rows of the result */
        const float *x = v->x + band / bands * size;
        float *out = v->out + band / bands * size;
        int64_t j = band % bands * BLOCK, last = j + BLOCK < v->columns ? j + BLOCK : v->columns;
        for (int64_t i = 0; i < v->rows; i += BLOCK) {
            if (i + BLOCK <= v->rows && last == j + BLOCK) {
                transpose_block(x + i * v->columns + j, v->columns, out + j * v->rows + i, v->rows);
                continue;
            }
            for (int64_t a = j; a < last; a++)
                for (int64_t b = i; b < i + BLOCK && b < v->rows; b++) out[a * v->rows + b] = x[b * v->columns + a];
        }
    }
}

void yard_parabola(const float *x, float *y, float *dy) {
    *y = *x * *x + 5 * *x + 2;
    *dy = 2 * *x + 5;
}
