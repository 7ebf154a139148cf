/* Conversions between the floating element types: bits in, bits out. Doubles hold every value of the others, so one
 * routine narrows to both half types: it cuts a 53-bit significand, rounds by what was cut off, and lets a carry run
 * into the exponent, where the pattern after the greatest number is infinity. */
#include "base/floats.h"

#include <math.h>
#include <string.h>

/* A format of 16 bits: digits of the fraction; the exponent has the rest but the sign. */
enum { F16_FRACTION = 10, BF16_FRACTION = 7 };

static uint16_t narrow(double value, int fraction) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 63 << 15);
    int bias = (1 << (14 - fraction)) - 1, least = 1 - bias; /* exponent of the least normal number */
    uint64_t magnitude = bits << 1 >> 1;
    if (magnitude > 0x7ff0000000000000u) return BASE_HALF_NAN;
    int exponent = (int)(magnitude >> 52) - 1023;
    if (exponent > bias) return (uint16_t)(sign | 0x7fffu >> fraction << fraction);
    int drop = 52 - fraction + (exponent < least ? least - exponent : 0);
    if (drop > 53) return sign; /* less than half of the least number; doubles below the normal ones are, too */
    uint64_t significand = (magnitude & 0xfffffffffffffu) | (uint64_t)1 << 52, half = (uint64_t)1 << (drop - 1);
    uint64_t kept = significand >> drop, rest = significand & (2 * half - 1);
    kept += rest > half || (rest == half && (kept & 1));
    if (exponent > least) kept += (uint64_t)(exponent - least) << fraction;
    return (uint16_t)(sign | kept);
}

uint16_t base_f16_of(double value) { return narrow(value, F16_FRACTION); }
uint16_t base_bf16_of(double value) { return narrow(value, BF16_FRACTION); }

static float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float base_f32_of_f16(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits >> 15) << 31, magnitude = bits & 0x7fffu;
    if (magnitude >= 0x7c00) /* infinity, NaN: made quiet */
        return float_of_bits(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13 | (uint32_t)(magnitude > 0x7c00) << 22);
    if (magnitude < 0x400) return sign ? -(float)magnitude * 0x1p-24f : (float)magnitude * 0x1p-24f;
    return float_of_bits(sign | ((magnitude << 13) + (112u << 23)));
}

float base_f32_of_bf16(uint16_t bits) {
    uint32_t is_nan = (bits & 0x7fffu) > 0x7f80;
    return float_of_bits((uint32_t)bits << 16 | is_nan << 22);
}

uint64_t base_float_bits(sn_dtype dtype, double value) {
    uint64_t bits = 0;
    base_float_put(dtype, &bits, value);
    return bits;
}

double base_float_value(sn_dtype dtype, uint64_t bits) { return base_float_get(dtype, &bits); }

double base_float_get(sn_dtype dtype, const void *at) {
    double wide;
    float single;
    uint16_t half;
    switch (dtype) {
        case SN_F64: memcpy(&wide, at, sizeof wide); return wide;
        case SN_F32: memcpy(&single, at, sizeof single); return (double)single;
        case SN_F16: memcpy(&half, at, sizeof half); return (double)base_f32_of_f16(half);
        case SN_BF16: memcpy(&half, at, sizeof half); return (double)base_f32_of_bf16(half);
        default: return 0;
    }
}

/* To double such that rounding again to 24 bits or fewer gives what rounding once would: where bits are lost, the last
 * one is set. */
static double to_odd(long double value) {
    double near = (double)value;
    if (!isfinite(near) || (long double)near == value) return near;
    uint64_t bits;
    memcpy(&bits, &near, sizeof bits);
    if (fabsl((long double)near) > fabsl(value)) bits--; /* towards zero */
    bits |= 1;
    memcpy(&near, &bits, sizeof near);
    return near;
}

void base_float_put(sn_dtype dtype, void *at, long double value) {
    double wide = (double)value;
    float single = (float)value;
    uint16_t half = 0;
    switch (dtype) {
        case SN_F64: memcpy(at, &wide, sizeof wide); return;
        case SN_F32: memcpy(at, &single, sizeof single); return;
        case SN_F16: half = base_f16_of(to_odd(value)); break;
        case SN_BF16: half = base_bf16_of(to_odd(value)); break;
        default: return;
    }
    memcpy(at, &half, sizeof half);
}

static int64_t integer(double value, double least, double end) { /* of least <= x < end; saturates, NaN: 0 */
    if (isnan(value)) return 0;
    if (value <= least) return (int64_t)least;
    return value >= end ? (int64_t)((uint64_t)end - 1) : (int64_t)value;
}

double sn_element_get(sn_dtype dtype, const void *element) {
    int64_t wide;
    int32_t narrow;
    if (base_is_float(dtype)) return base_float_get(dtype, element);
    switch (dtype) {
        case SN_I64: memcpy(&wide, element, sizeof wide); return (double)wide;
        case SN_I32: memcpy(&narrow, element, sizeof narrow); return (double)narrow;
        case SN_U8: return (double)*(const uint8_t *)element;
        case SN_BOOL: return *(const uint8_t *)element != 0;
        default: return 0;
    }
}

void sn_element_put(sn_dtype dtype, void *element, double value) {
    int64_t wide = integer(value, -0x1p63, 0x1p63);
    int32_t narrow = (int32_t)integer(value, -0x1p31, 0x1p31);
    if (base_is_float(dtype)) base_float_put(dtype, element, (long double)value);
    switch (dtype) {
        case SN_I64: memcpy(element, &wide, sizeof wide); break;
        case SN_I32: memcpy(element, &narrow, sizeof narrow); break;
        case SN_U8: *(uint8_t *)element = (uint8_t)integer(value, 0, 256); break;
        case SN_BOOL: *(uint8_t *)element = value != 0; break;
        default: break;
    }
}

uint64_t base_float_sign(sn_dtype dtype) { return (uint64_t)1 << (8 * sn_dtype_size(dtype) - 1); }

uint64_t base_float_infinity(sn_dtype dtype) { return base_float_bits(dtype, INFINITY); }

uint64_t base_float_nan(sn_dtype dtype) {
    return dtype == SN_F64 ? 0x7ff8000000000000u : dtype == SN_F32 ? 0x7fc00000u : BASE_HALF_NAN;
}

double base_float_epsilon(sn_dtype dtype) {
    return dtype == SN_F64 ? 0x1p-52 : dtype == SN_F32 ? 0x1p-23 : dtype == SN_F16 ? 0x1p-10 : 0x1p-7;
}

double base_float_least(sn_dtype dtype) { return base_float_value(dtype, 1); }

double base_float_greatest(sn_dtype dtype) { return base_float_value(dtype, base_float_infinity(dtype) - 1); }
