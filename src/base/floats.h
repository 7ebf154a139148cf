/* floats.h: the formats of floating element types, and conversions between them and double.
 *
 * Narrowing rounds once, to the nearest value, ties to even; what is beyond the greatest number becomes an infinity.
 * In f16 and bf16 every NaN becomes one, BASE_HALF_NAN, which is the one that GPUs write; widening keeps signs, makes
 * signalling NaNs quiet and loses nothing. */
#ifndef BASE_FLOATS_H
#define BASE_FLOATS_H

#include <stdint.h>

#include "sinter/sinter.h"

enum { BASE_HALF_NAN = 0x7fff };

static inline int base_is_half(sn_dtype dtype) { return dtype == SN_F16 || dtype == SN_BF16; }
static inline int base_is_float(sn_dtype dtype) { return dtype == SN_F32 || dtype == SN_F64 || base_is_half(dtype); }

/* The type in which values are computed: f16 and bf16 are types of memory, their values in registers are f32. */
static inline sn_dtype base_register_type(sn_dtype dtype) { return base_is_half(dtype) ? SN_F32 : dtype; }

uint16_t base_f16_of(double value);
uint16_t base_bf16_of(double value);
float base_f32_of_f16(uint16_t bits);
float base_f32_of_bf16(uint16_t bits);

/* A value as the bits of a floating type, zero-extended, and back. */
uint64_t base_float_bits(sn_dtype dtype, double value);
double base_float_value(sn_dtype dtype, uint64_t bits);
/* An element in memory. Not through double, where that would round twice: of a long double, of an i64. */
double base_float_get(sn_dtype dtype, const void *at);
void base_float_put(sn_dtype dtype, void *at, long double value);

/* Bits of the type's sign, infinity, and the NaN that stands for all. */
uint64_t base_float_sign(sn_dtype dtype);
uint64_t base_float_infinity(sn_dtype dtype);
uint64_t base_float_nan(sn_dtype dtype);
/* The distance from 1 to the next number, and from 0. */
double base_float_epsilon(sn_dtype dtype);
double base_float_least(sn_dtype dtype);
/* The greatest number. */
double base_float_greatest(sn_dtype dtype);

#endif
