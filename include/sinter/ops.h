/* ops.h: the operators. Generated from src/ir/ops.def by tools/gen_ops.c: do not edit. Included by sinter.h.
 *
 * sn_add(a, b) is sn_add_at(a, b, __FILE__, __LINE__): the place is for the message of a bad expression, which
 * is the poison expression; whatever is built on poison is poison. Element-wise operators broadcast as NumPy's
 * do: shapes are aligned at the last axis and constant sizes of 1 repeat. Operands of one operator have one
 * element type (convert with sn_cast); untyped constants (sn_const) take the other operand's. */
/* clang-format off */
#ifndef SINTER_OPS_H
#define SINTER_OPS_H

/* A list of axes, by value. */
typedef struct sn_axes {
    int32_t n;
    int32_t axis[SN_MAX_RANK];
} sn_axes;

/* Axes from an array; n is -1 where there are more than SN_MAX_RANK, which every user of it reports. */
SN_API sn_axes sn_axes_of(int32_t n, const int32_t *axes);
#ifdef __cplusplus
extern "C++" {
template <class... Axis> inline sn_axes sn_axes_list(Axis... axis) {
    const int32_t list[] = {static_cast<int32_t>(axis)...};
    return sn_axes_of(static_cast<int32_t>(sizeof...(axis)), list);
}
}
#define SN_AXES(...) sn_axes_list(__VA_ARGS__)
#else
#define SN_AXES(...) \
    sn_axes_of((int32_t)(sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)), \
               (const int32_t[]){__VA_ARGS__})
#endif

/* The end of the axis, in slices. */
#define SN_END sn_dim_of(INT64_MAX)

/* ---- Element-wise ---- */

/* -a. Floating-point or integer. */
SN_API sn_expr sn_neg_at(sn_expr a, const char *file, int line);
#define sn_neg(...) sn_neg_at(__VA_ARGS__, __FILE__, __LINE__)
/* |a|. Floating-point or integer. */
SN_API sn_expr sn_abs_at(sn_expr a, const char *file, int line);
#define sn_abs(...) sn_abs_at(__VA_ARGS__, __FILE__, __LINE__)
/* -1, 0 or 1; NaN stays; derivative 0. Floating-point or integer. */
SN_API sn_expr sn_sign_at(sn_expr a, const char *file, int line);
#define sn_sign(...) sn_sign_at(__VA_ARGS__, __FILE__, __LINE__)
/* largest integer not above a. Floating-point. */
SN_API sn_expr sn_floor_at(sn_expr a, const char *file, int line);
#define sn_floor(...) sn_floor_at(__VA_ARGS__, __FILE__, __LINE__)
/* least integer not below a. Floating-point. */
SN_API sn_expr sn_ceil_at(sn_expr a, const char *file, int line);
#define sn_ceil(...) sn_ceil_at(__VA_ARGS__, __FILE__, __LINE__)
/* a without its fraction. Floating-point. */
SN_API sn_expr sn_trunc_at(sn_expr a, const char *file, int line);
#define sn_trunc(...) sn_trunc_at(__VA_ARGS__, __FILE__, __LINE__)
/* nearest integer, ties to even. Floating-point. */
SN_API sn_expr sn_round_at(sn_expr a, const char *file, int line);
#define sn_round(...) sn_round_at(__VA_ARGS__, __FILE__, __LINE__)
/* a * a. Floating-point or integer. */
SN_API sn_expr sn_square_at(sn_expr a, const char *file, int line);
#define sn_square(...) sn_square_at(__VA_ARGS__, __FILE__, __LINE__)
/* 1 / a. Floating-point. */
SN_API sn_expr sn_reciprocal_at(sn_expr a, const char *file, int line);
#define sn_reciprocal(...) sn_reciprocal_at(__VA_ARGS__, __FILE__, __LINE__)
/* square root. Floating-point. */
SN_API sn_expr sn_sqrt_at(sn_expr a, const char *file, int line);
#define sn_sqrt(...) sn_sqrt_at(__VA_ARGS__, __FILE__, __LINE__)
/* 1 / sqrt(a). Floating-point. */
SN_API sn_expr sn_rsqrt_at(sn_expr a, const char *file, int line);
#define sn_rsqrt(...) sn_rsqrt_at(__VA_ARGS__, __FILE__, __LINE__)
/* e^a. Floating-point. */
SN_API sn_expr sn_exp_at(sn_expr a, const char *file, int line);
#define sn_exp(...) sn_exp_at(__VA_ARGS__, __FILE__, __LINE__)
/* e^a - 1, accurate near 0. Floating-point. */
SN_API sn_expr sn_expm1_at(sn_expr a, const char *file, int line);
#define sn_expm1(...) sn_expm1_at(__VA_ARGS__, __FILE__, __LINE__)
/* natural logarithm. Floating-point. */
SN_API sn_expr sn_log_at(sn_expr a, const char *file, int line);
#define sn_log(...) sn_log_at(__VA_ARGS__, __FILE__, __LINE__)
/* log(1 + a), accurate near 0. Floating-point. */
SN_API sn_expr sn_log1p_at(sn_expr a, const char *file, int line);
#define sn_log1p(...) sn_log1p_at(__VA_ARGS__, __FILE__, __LINE__)
/* sine of radians. Floating-point. */
SN_API sn_expr sn_sin_at(sn_expr a, const char *file, int line);
#define sn_sin(...) sn_sin_at(__VA_ARGS__, __FILE__, __LINE__)
/* cosine of radians. Floating-point. */
SN_API sn_expr sn_cos_at(sn_expr a, const char *file, int line);
#define sn_cos(...) sn_cos_at(__VA_ARGS__, __FILE__, __LINE__)
/* hyperbolic tangent. Floating-point. */
SN_API sn_expr sn_tanh_at(sn_expr a, const char *file, int line);
#define sn_tanh(...) sn_tanh_at(__VA_ARGS__, __FILE__, __LINE__)
/* error function: 2 / sqrt(pi) times the integral of e^-t^2 from 0 to a. Floating-point. */
SN_API sn_expr sn_erf_at(sn_expr a, const char *file, int line);
#define sn_erf(...) sn_erf_at(__VA_ARGS__, __FILE__, __LINE__)
/* 1 / (1 + e^-a). Floating-point. */
SN_API sn_expr sn_sigmoid_at(sn_expr a, const char *file, int line);
#define sn_sigmoid(...) sn_sigmoid_at(__VA_ARGS__, __FILE__, __LINE__)
/* a where a > 0, else 0; NaN stays; derivative at 0 is 0. Floating-point or integer. */
SN_API sn_expr sn_relu_at(sn_expr a, const char *file, int line);
#define sn_relu(...) sn_relu_at(__VA_ARGS__, __FILE__, __LINE__)
/* log(1 + e^a), for any magnitude. Floating-point. */
SN_API sn_expr sn_softplus_at(sn_expr a, const char *file, int line);
#define sn_softplus(...) sn_softplus_at(__VA_ARGS__, __FILE__, __LINE__)
/* logical not of bool, bitwise complement of integers. Integer or bool. */
SN_API sn_expr sn_not_at(sn_expr a, const char *file, int line);
#define sn_not(...) sn_not_at(__VA_ARGS__, __FILE__, __LINE__)
/* a + b; integers wrap. Floating-point or integer. */
SN_API sn_expr sn_add_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_add(...) sn_add_at(__VA_ARGS__, __FILE__, __LINE__)
/* a - b; integers wrap. Floating-point or integer. */
SN_API sn_expr sn_sub_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_sub(...) sn_sub_at(__VA_ARGS__, __FILE__, __LINE__)
/* a * b; integers wrap. Floating-point or integer. */
SN_API sn_expr sn_mul_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_mul(...) sn_mul_at(__VA_ARGS__, __FILE__, __LINE__)
/* a / b. Floating-point. */
SN_API sn_expr sn_div_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_div(...) sn_div_at(__VA_ARGS__, __FILE__, __LINE__)
/* a^b as C's pow. Floating-point. */
SN_API sn_expr sn_pow_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_pow(...) sn_pow_at(__VA_ARGS__, __FILE__, __LINE__)
/* the smaller; NaN if either is; equal: half the gradient to each. Floating-point or integer. */
SN_API sn_expr sn_min_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_min(...) sn_min_at(__VA_ARGS__, __FILE__, __LINE__)
/* the larger; NaN if either is; equal: half the gradient to each. Floating-point or integer. */
SN_API sn_expr sn_max_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_max(...) sn_max_at(__VA_ARGS__, __FILE__, __LINE__)
/* a < b. Floating-point or integer; the result is bool. */
SN_API sn_expr sn_lt_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_lt(...) sn_lt_at(__VA_ARGS__, __FILE__, __LINE__)
/* a <= b. Floating-point or integer; the result is bool. */
SN_API sn_expr sn_le_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_le(...) sn_le_at(__VA_ARGS__, __FILE__, __LINE__)
/* a > b. Floating-point or integer; the result is bool. */
SN_API sn_expr sn_gt_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_gt(...) sn_gt_at(__VA_ARGS__, __FILE__, __LINE__)
/* a >= b. Floating-point or integer; the result is bool. */
SN_API sn_expr sn_ge_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_ge(...) sn_ge_at(__VA_ARGS__, __FILE__, __LINE__)
/* a == b. Any element type; the result is bool. */
SN_API sn_expr sn_eq_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_eq(...) sn_eq_at(__VA_ARGS__, __FILE__, __LINE__)
/* a != b. Any element type; the result is bool. */
SN_API sn_expr sn_ne_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_ne(...) sn_ne_at(__VA_ARGS__, __FILE__, __LINE__)
/* logical and of bool, bitwise of integers. Integer or bool. */
SN_API sn_expr sn_and_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_and(...) sn_and_at(__VA_ARGS__, __FILE__, __LINE__)
/* logical or of bool, bitwise of integers. Integer or bool. */
SN_API sn_expr sn_or_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_or(...) sn_or_at(__VA_ARGS__, __FILE__, __LINE__)
/* logical exclusive or of bool, bitwise of integers. Integer or bool. */
SN_API sn_expr sn_xor_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_xor(...) sn_xor_at(__VA_ARGS__, __FILE__, __LINE__)
/* a * 2^b, wrapping; 0 where b is negative or all bits are shifted out. Integer. */
SN_API sn_expr sn_shl_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_shl(...) sn_shl_at(__VA_ARGS__, __FILE__, __LINE__)
/* a / 2^b rounded down; 0 or -1, by the sign of a, where b is negative or all bits are shifted out. Integer. */
SN_API sn_expr sn_shr_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_shr(...) sn_shr_at(__VA_ARGS__, __FILE__, __LINE__)
/* random bits of counter a under key b: Threefry-2x32 of 20 rounds, both extended to 64 bits; its low bits. Integer. */
SN_API sn_expr sn_random_bits_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_random_bits(...) sn_random_bits_at(__VA_ARGS__, __FILE__, __LINE__)

/* ---- Leaves ---- */

/* A symbolic input. Names are unique inside a graph. Errors: name, dtype, shape. */
SN_API sn_expr sn_input_at(sn_graph *graph, const char *name, sn_dtype dtype, sn_shape shape, const char *file,
                           int line);
#define sn_input(...) sn_input_at(__VA_ARGS__, __FILE__, __LINE__)
/* The value that a variable has when a call begins. The same variable gives the same expression. */
SN_API sn_expr sn_use_at(sn_graph *graph, sn_var *var, const char *file, int line);
#define sn_use(...) sn_use_at(__VA_ARGS__, __FILE__, __LINE__)
/* An untyped scalar: takes the element type of the other operand, f64 where there is none. An error where that
 * type does not have the value (2.5 beside i32). */
SN_API sn_expr sn_const_at(sn_graph *graph, double value, const char *file, int line);
#define sn_const(...) sn_const_at(__VA_ARGS__, __FILE__, __LINE__)
/* A scalar of the given type. An error where the type does not have the value. */
SN_API sn_expr sn_const_of_at(sn_graph *graph, sn_dtype dtype, double value, const char *file, int line);
#define sn_const_of(...) sn_const_of_at(__VA_ARGS__, __FILE__, __LINE__)
/* The same value everywhere. */
SN_API sn_expr sn_full_at(sn_graph *graph, sn_dtype dtype, double value, sn_shape shape, const char *file, int line);
#define sn_full(...) sn_full_at(__VA_ARGS__, __FILE__, __LINE__)
/* Zeros with the type and shape of a. */
SN_API sn_expr sn_zeros_like_at(sn_expr a, const char *file, int line);
#define sn_zeros_like(...) sn_zeros_like_at(__VA_ARGS__, __FILE__, __LINE__)
/* Ones with the type and shape of a. */
SN_API sn_expr sn_ones_like_at(sn_expr a, const char *file, int line);
#define sn_ones_like(...) sn_ones_like_at(__VA_ARGS__, __FILE__, __LINE__)
/* [rows,columns]: 1 where the indices are equal, else 0. */
SN_API sn_expr sn_eye_at(sn_graph *graph, sn_dtype dtype, sn_dim rows, sn_dim columns, const char *file, int line);
#define sn_eye(...) sn_eye_at(__VA_ARGS__, __FILE__, __LINE__)
/* [dim]: 0, 1, 2 .. Floating-point or integer. */
SN_API sn_expr sn_iota_at(sn_graph *graph, sn_dtype dtype, sn_dim dim, const char *file, int line);
#define sn_iota(...) sn_iota_at(__VA_ARGS__, __FILE__, __LINE__)
/* The value of a dim at each call, as an i64 scalar. */
SN_API sn_expr sn_dim_value_at(sn_graph *graph, sn_dim dim, const char *file, int line);
#define sn_dim_value(...) sn_dim_value_at(__VA_ARGS__, __FILE__, __LINE__)

/* ---- Element types, selection, names ---- */

/* Other element type, same shape. Float to integer truncates and saturates, NaN gives 0; to bool: a != 0. */
SN_API sn_expr sn_cast_at(sn_expr a, sn_dtype dtype, const char *file, int line);
#define sn_cast(...) sn_cast_at(__VA_ARGS__, __FILE__, __LINE__)
/* Where condition (bool) is true a, else b; the three broadcast. a and b have one element type. */
SN_API sn_expr sn_select_at(sn_expr condition, sn_expr a, sn_expr b, const char *file, int line);
#define sn_select(...) sn_select_at(__VA_ARGS__, __FILE__, __LINE__)
/* a where it lies in [low, high], else the bound that it passed (high where the bounds cross); NaN stays. The
 * gradient goes to a where it lies inside, bounds included, else to the bound. Not for bool. */
SN_API sn_expr sn_clamp_at(sn_expr a, sn_expr low, sn_expr high, const char *file, int line);
#define sn_clamp(...) sn_clamp_at(__VA_ARGS__, __FILE__, __LINE__)
/* Is the element NaN? Floating-point; the result is bool. */
SN_API sn_expr sn_isnan_at(sn_expr a, const char *file, int line);
#define sn_isnan(...) sn_isnan_at(__VA_ARGS__, __FILE__, __LINE__)
/* Is the element neither NaN nor infinite? Floating-point; the result is bool. */
SN_API sn_expr sn_isfinite_at(sn_expr a, const char *file, int line);
#define sn_isfinite(...) sn_isfinite_at(__VA_ARGS__, __FILE__, __LINE__)
/* a times the normal distribution's probability below a: a (1 + erf(a / sqrt 2)) / 2. Floating-point. */
SN_API sn_expr sn_gelu_at(sn_expr a, const char *file, int line);
#define sn_gelu(...) sn_gelu_at(__VA_ARGS__, __FILE__, __LINE__)
/* The usual approximation of gelu: a (1 + tanh(sqrt(2 / pi) (a + 0.044715 a^3))) / 2. Floating-point. */
SN_API sn_expr sn_gelu_tanh_at(sn_expr a, const char *file, int line);
#define sn_gelu_tanh(...) sn_gelu_tanh_at(__VA_ARGS__, __FILE__, __LINE__)
/* a, through which no gradient flows. */
SN_API sn_expr sn_stop_gradient_at(sn_expr a, const char *file, int line);
#define sn_stop_gradient(...) sn_stop_gradient_at(__VA_ARGS__, __FILE__, __LINE__)
/* a itself, called label in messages and dumps from now on. */
SN_API sn_expr sn_name_at(sn_expr a, const char *label, const char *file, int line);
#define sn_name(...) sn_name_at(__VA_ARGS__, __FILE__, __LINE__)

/* ---- Reductions: negative axes count from the end; keep != 0 leaves reduced axes with size 1 ---- */

/* Sum over axes; integers wrap; the sum of nothing is 0. Not for bool. */
SN_API sn_expr sn_sum_at(sn_expr a, sn_axes axes, int keep, const char *file, int line);
#define sn_sum(...) sn_sum_at(__VA_ARGS__, __FILE__, __LINE__)
/* Product over axes; integers wrap; the product of nothing is 1. Not for bool. Gradients are right where zeros are. */
SN_API sn_expr sn_prod_at(sn_expr a, sn_axes axes, int keep, const char *file, int line);
#define sn_prod(...) sn_prod_at(__VA_ARGS__, __FILE__, __LINE__)
/* Mean over axes. Floating-point. */
SN_API sn_expr sn_mean_at(sn_expr a, sn_axes axes, int keep, const char *file, int line);
#define sn_mean(...) sn_mean_at(__VA_ARGS__, __FILE__, __LINE__)
/* Mean of the squared distance from the mean over axes (divides by n, not n - 1). Floating-point. */
SN_API sn_expr sn_variance_at(sn_expr a, sn_axes axes, int keep, const char *file, int line);
#define sn_variance(...) sn_variance_at(__VA_ARGS__, __FILE__, __LINE__)
/* Sum of the squared distances from the mean, divided by n - ddof: 1 gives the unbiased estimate of a sample.
 * NaN or infinite where n is not more than ddof. Floating-point. */
SN_API sn_expr sn_variance_ddof_at(sn_expr a, sn_axes axes, int ddof, int keep, const char *file, int line);
#define sn_variance_ddof(...) sn_variance_ddof_at(__VA_ARGS__, __FILE__, __LINE__)
/* Square root of sn_variance_ddof. */
SN_API sn_expr sn_std_at(sn_expr a, sn_axes axes, int ddof, int keep, const char *file, int line);
#define sn_std(...) sn_std_at(__VA_ARGS__, __FILE__, __LINE__)
/* Is any of the bools over axes true? Of nothing: false. */
SN_API sn_expr sn_any_at(sn_expr a, sn_axes axes, int keep, const char *file, int line);
#define sn_any(...) sn_any_at(__VA_ARGS__, __FILE__, __LINE__)
/* Are all of the bools over axes true? Of nothing: true. */
SN_API sn_expr sn_all_at(sn_expr a, sn_axes axes, int keep, const char *file, int line);
#define sn_all(...) sn_all_at(__VA_ARGS__, __FILE__, __LINE__)
/* Largest over axes, NaN if any is; of nothing: -infinity or the least integer. Not for bool. */
SN_API sn_expr sn_amax_at(sn_expr a, sn_axes axes, int keep, const char *file, int line);
#define sn_amax(...) sn_amax_at(__VA_ARGS__, __FILE__, __LINE__)
/* Smallest over axes, NaN if any is; of nothing: infinity or the greatest integer. Not for bool. */
SN_API sn_expr sn_amin_at(sn_expr a, sn_axes axes, int keep, const char *file, int line);
#define sn_amin(...) sn_amin_at(__VA_ARGS__, __FILE__, __LINE__)
/* Sum of all elements, a scalar. */
SN_API sn_expr sn_sum_all_at(sn_expr a, const char *file, int line);
#define sn_sum_all(...) sn_sum_all_at(__VA_ARGS__, __FILE__, __LINE__)
/* Product of all elements, a scalar. */
SN_API sn_expr sn_prod_all_at(sn_expr a, const char *file, int line);
#define sn_prod_all(...) sn_prod_all_at(__VA_ARGS__, __FILE__, __LINE__)
/* Mean of all elements, a scalar. Floating-point. */
SN_API sn_expr sn_mean_all_at(sn_expr a, const char *file, int line);
#define sn_mean_all(...) sn_mean_all_at(__VA_ARGS__, __FILE__, __LINE__)
/* Largest of all elements, a scalar. */
SN_API sn_expr sn_amax_all_at(sn_expr a, const char *file, int line);
#define sn_amax_all(...) sn_amax_all_at(__VA_ARGS__, __FILE__, __LINE__)
/* Smallest of all elements, a scalar. */
SN_API sn_expr sn_amin_all_at(sn_expr a, const char *file, int line);
#define sn_amin_all(...) sn_amin_all_at(__VA_ARGS__, __FILE__, __LINE__)
/* Index (i64) of the first largest element along axis; a NaN counts as largest. The axis must not be empty. */
SN_API sn_expr sn_argmax_at(sn_expr a, int32_t axis, int keep, const char *file, int line);
#define sn_argmax(...) sn_argmax_at(__VA_ARGS__, __FILE__, __LINE__)
/* Index (i64) of the first smallest element along axis; a NaN counts as smallest. The axis must not be empty. */
SN_API sn_expr sn_argmin_at(sn_expr a, int32_t axis, int keep, const char *file, int line);
#define sn_argmin(...) sn_argmin_at(__VA_ARGS__, __FILE__, __LINE__)

/* ---- Along an axis, in order: back != 0 goes from the last element to the first ---- */

/* Sum of the elements up to each one; exclusive != 0: of those before it, 0 for the first. Integers wrap. Not for bool. */
SN_API sn_expr sn_cumsum_at(sn_expr a, int32_t axis, int exclusive, int back, const char *file, int line);
#define sn_cumsum(...) sn_cumsum_at(__VA_ARGS__, __FILE__, __LINE__)
/* Product of the elements up to each one; exclusive != 0: of those before it, 1 for the first. */
SN_API sn_expr sn_cumprod_at(sn_expr a, int32_t axis, int exclusive, int back, const char *file, int line);
#define sn_cumprod(...) sn_cumprod_at(__VA_ARGS__, __FILE__, __LINE__)
/* y[k] = a[k] * y[k - 1] + b[k], where 0 stands before the first: discounted sums, moving averages, linear filters.
 * a and b broadcast. Not for bool. */
SN_API sn_expr sn_recurrence_at(sn_expr a, sn_expr b, int32_t axis, int back, const char *file, int line);
#define sn_recurrence(...) sn_recurrence_at(__VA_ARGS__, __FILE__, __LINE__)

/* ---- Linear algebra ---- */

/* Matrix product of vectors, matrices and batches of matrices with NumPy's rules: [M,K] x [K,N], [K] x [K,N],
 * [M,K] x [K], [K] x [K], [..,M,K] x [..,K,N] with leading axes that broadcast. Floating-point, one element type. */
SN_API sn_expr sn_matmul_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_matmul(...) sn_matmul_at(__VA_ARGS__, __FILE__, __LINE__)
/* x * weight + bias: [N,K] x [K,M] + [M], or anything that matmul and add take. */
SN_API sn_expr sn_linear_at(sn_expr x, sn_expr weight, sn_expr bias, const char *file, int line);
#define sn_linear(...) sn_linear_at(__VA_ARGS__, __FILE__, __LINE__)

/* ---- Shape ---- */

/* The same elements in row-major order. One size may be -1: what the others leave. */
SN_API sn_expr sn_reshape_at(sn_expr a, sn_shape shape, const char *file, int line);
#define sn_reshape(...) sn_reshape_at(__VA_ARGS__, __FILE__, __LINE__)
/* Axis i of the result is axis axes[i] of a: a permutation of all axes. */
SN_API sn_expr sn_transpose_at(sn_expr a, sn_axes axes, const char *file, int line);
#define sn_transpose(...) sn_transpose_at(__VA_ARGS__, __FILE__, __LINE__)
/* The transposed matrix. a has two axes. */
SN_API sn_expr sn_t_at(sn_expr a, const char *file, int line);
#define sn_t(...) sn_t_at(__VA_ARGS__, __FILE__, __LINE__)
/* a repeated to a larger shape with NumPy's rule: aligned at the last axis, only constant size 1 repeats. */
SN_API sn_expr sn_broadcast_to_at(sn_expr a, sn_shape shape, const char *file, int line);
#define sn_broadcast_to(...) sn_broadcast_to_at(__VA_ARGS__, __FILE__, __LINE__)
/* A new axis of size 1 at this position of the result. */
SN_API sn_expr sn_expand_at(sn_expr a, int32_t axis, const char *file, int line);
#define sn_expand(...) sn_expand_at(__VA_ARGS__, __FILE__, __LINE__)
/* Elements [start, stop) along an axis. Negative constants count from the end, SN_END is the end; none may
 * lie outside. */
SN_API sn_expr sn_slice_at(sn_expr a, int32_t axis, sn_dim start, sn_dim stop, const char *file, int line);
#define sn_slice(...) sn_slice_at(__VA_ARGS__, __FILE__, __LINE__)
/* Every step-th element of [start, stop). step >= 1; above 1 the distance of start and stop must be a constant. */
SN_API sn_expr sn_slice_step_at(sn_expr a, int32_t axis, sn_dim start, sn_dim stop, int64_t step, const char *file,
                                int line);
#define sn_slice_step(...) sn_slice_step_at(__VA_ARGS__, __FILE__, __LINE__)
/* size elements along an axis from a start that is computed (an integer scalar), clamped so that all exist. */
SN_API sn_expr sn_slice_at_index_at(sn_expr a, int32_t axis, sn_expr start, sn_dim size, const char *file, int line);
#define sn_slice_at_index(...) sn_slice_at_index_at(__VA_ARGS__, __FILE__, __LINE__)
/* a with low[i] elements before and high[i] after it along each axis i: the scalar value. None may be negative. */
SN_API sn_expr sn_pad_at(sn_expr a, sn_shape low, sn_shape high, sn_expr value, const char *file, int line);
#define sn_pad(...) sn_pad_at(__VA_ARGS__, __FILE__, __LINE__)
/* n expressions one after the other along an axis. One element type; the other axes are equal. */
SN_API sn_expr sn_concat_at(const sn_expr *a, size_t n, int32_t axis, const char *file, int line);
#define sn_concat(...) sn_concat_at(__VA_ARGS__, __FILE__, __LINE__)

/* ---- Rows and classes: ids are i64, i32 or u8 ---- */

/* Rows a[ids]: the shape of ids, then the rest of a's. Ids outside are clamped. a has at least one row. */
SN_API sn_expr sn_gather_at(sn_expr a, sn_expr ids, const char *file, int line);
#define sn_gather(...) sn_gather_at(__VA_ARGS__, __FILE__, __LINE__)
/* 1 where the last axis' index is the id, else 0: the shape of ids, then classes. An id outside gives zeros. */
SN_API sn_expr sn_one_hot_at(sn_expr ids, sn_dim classes, sn_dtype dtype, const char *file, int line);
#define sn_one_hot(...) sn_one_hot_at(__VA_ARGS__, __FILE__, __LINE__)

/* ---- Random numbers: element i in row-major order depends on seed, stream and i alone (docs/random.md) ---- */

/* Floats in [0, 1), multiples of 2^-24 (f32) or 2^-53 (f64), equally likely. seed and stream are integer scalars; no
 * gradient flows through them. */
SN_API sn_expr sn_random_uniform_at(sn_expr seed, sn_expr stream, sn_dtype dtype, sn_shape shape, const char *file,
                                    int line);
#define sn_random_uniform(...) sn_random_uniform_at(__VA_ARGS__, __FILE__, __LINE__)
/* Floats of the normal distribution with mean 0 and variance 1; seed and stream as in sn_random_uniform. */
SN_API sn_expr sn_random_normal_at(sn_expr seed, sn_expr stream, sn_dtype dtype, sn_shape shape, const char *file,
                                   int line);
#define sn_random_normal(...) sn_random_normal_at(__VA_ARGS__, __FILE__, __LINE__)
/* Each element is 0 with probability p, a scalar in [0, 1), else a / (1 - p): use another stream at each call.
 * Gradients flow through a alone. Floating-point. */
SN_API sn_expr sn_dropout_at(sn_expr a, sn_expr p, sn_expr seed, sn_expr stream, const char *file, int line);
#define sn_dropout(...) sn_dropout_at(__VA_ARGS__, __FILE__, __LINE__)

/* ---- Functions over an axis, and losses: floating-point, computed without overflow ---- */

/* e^a divided by its sum along the axis. */
SN_API sn_expr sn_softmax_at(sn_expr a, int32_t axis, const char *file, int line);
#define sn_softmax(...) sn_softmax_at(__VA_ARGS__, __FILE__, __LINE__)
/* Logarithm of softmax. */
SN_API sn_expr sn_log_softmax_at(sn_expr a, int32_t axis, const char *file, int line);
#define sn_log_softmax(...) sn_log_softmax_at(__VA_ARGS__, __FILE__, __LINE__)
/* Logarithm of the sum of e^a along the axis. */
SN_API sn_expr sn_logsumexp_at(sn_expr a, int32_t axis, int keep, const char *file, int line);
#define sn_logsumexp(...) sn_logsumexp_at(__VA_ARGS__, __FILE__, __LINE__)
/* Loss of each row: -log softmax(logits)[id], of the shape of ids; logits have that shape, then classes. An id
 * outside the classes gives NaN, and no gradient. */
SN_API sn_expr sn_cross_entropy_at(sn_expr logits, sn_expr ids, const char *file, int line);
#define sn_cross_entropy(...) sn_cross_entropy_at(__VA_ARGS__, __FILE__, __LINE__)
/* Loss of each row: -sum of probs * log softmax(logits) over the last axis. One shape and element type. */
SN_API sn_expr sn_cross_entropy_probs_at(sn_expr logits, sn_expr probs, const char *file, int line);
#define sn_cross_entropy_probs(...) sn_cross_entropy_probs_at(__VA_ARGS__, __FILE__, __LINE__)
/* Mean over all elements of (a - b)^2, a scalar. */
SN_API sn_expr sn_mse_at(sn_expr a, sn_expr b, const char *file, int line);
#define sn_mse(...) sn_mse_at(__VA_ARGS__, __FILE__, __LINE__)

#endif
