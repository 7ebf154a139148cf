/* The kernel's side of the stand-in: as much of CUDA C++ as generated sources use, for a host compiler without any
 * system header. It is put in front of the source. */
#define __global__
#define __device__
#define __forceinline__ inline __attribute__((always_inline))
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#ifdef __SANITIZE_ADDRESS__
#define __shared__ static
#else
#define __shared__ static __attribute__((section("standin_shared")))
#endif
typedef unsigned long size_t;
struct standin_dim {
    unsigned x, y, z;
};
struct standin_thread {
    standin_dim thread, block, block_dim, grid_dim;
    unsigned lane;
};
struct standin_calls {
    void (*barrier)(int line);
    unsigned long long *(*warp)(unsigned mask, int line, unsigned long long value);
    void (*bad)(const char *text, int line);
    void *(*dynamic)(void);
};
extern "C" {
__attribute__((visibility("default"))) standin_thread *standin_current;
__attribute__((visibility("default"))) const standin_calls *standin_api;
}
#define threadIdx (standin_current->thread)
#define blockIdx  (standin_current->block)
#define blockDim  (standin_current->block_dim)
#define gridDim   (standin_current->grid_dim)
/* extern __shared__ T name[]: the block's dynamic shared memory */
#define STANDIN_DYNAMIC(type, name) type *const name = (type *)standin_api->dynamic()

static inline void __syncthreads(int line = __builtin_LINE()) { standin_api->barrier(line); }
static inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE()) {
    standin_api->warp(mask, line, 0);
}
template <class T> static inline T standin_shuffle(unsigned mask, T value, int from, int line) {
    union {
        T value;
        unsigned long long bits;
    } mine, theirs;
    mine.bits = 0;
    mine.value = value;
    unsigned long long *all = standin_api->warp(mask, line, mine.bits);
    if (!(mask >> from & 1)) standin_api->bad("a shuffle reads a lane outside of its mask", line);
    theirs.bits = all[from];
    return theirs.value;
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T value, int d, int line = __builtin_LINE()) {
    return standin_shuffle(mask, value, (int)(standin_current->lane ^ (unsigned)d) & 31, line);
}
template <class T> static inline T __shfl_sync(unsigned mask, T value, int from, int line = __builtin_LINE()) {
    return standin_shuffle(mask, value, from & 31, line);
}
static inline float __int_as_float(int i) {
    union {
        int i;
        float f;
    } u;
    u.i = i;
    return u.f;
}
static inline int __float_as_int(float f) {
    union {
        int i;
        float f;
    } u;
    u.f = f;
    return u.i;
}
static inline double __longlong_as_double(long long i) {
    union {
        long long i;
        double f;
    } u;
    u.i = i;
    return u.f;
}
static inline long long __double_as_longlong(double f) {
    union {
        long long i;
        double f;
    } u;
    u.f = f;
    return u.i;
}
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
static inline float sn_f16_value(unsigned short bits) {
    union {
        unsigned short bits;
        _Float16 value;
    } u;
    u.bits = bits;
    return (float)u.value;
}
static inline unsigned short sn_f16_bits(float x) {
    union {
        unsigned short bits;
        _Float16 value;
    } u;
    u.value = (_Float16)x;
    return x != x ? 0x7fff : u.bits;
}
#define scalbnf   __builtin_scalbnf
#define scalbn    __builtin_scalbn
#define sqrtf     __builtin_sqrtf
#define sqrt      __builtin_sqrt
#define fabsf     __builtin_fabsf
#define fabs      __builtin_fabs
#define copysignf __builtin_copysignf
#define floorf    __builtin_floorf
#define floor     __builtin_floor
#define rintf     __builtin_rintf
#define rint      __builtin_rint
#define fmaf      __builtin_fmaf
#define fma       __builtin_fma

/* How the driver calls a kernel, and how large its parameters are. */
template <class T> struct standin_plain { typedef T type; };
template <class T> struct standin_plain<const T> { typedef T type; };
template <int... I> struct standin_list {};
template <int N, int... I> struct standin_count_to : standin_count_to<N - 1, N - 1, I...> {};
template <int... I> struct standin_count_to<0, I...> { typedef standin_list<I...> list; };
template <class... A, int... I> static inline void standin_apply(void (*f)(A...), void **p, standin_list<I...>) {
    f(*(typename standin_plain<A>::type *)p[I]...);
}
template <class... A> static inline void standin_call(void (*f)(A...), void **p) {
    standin_apply(f, p, typename standin_count_to<sizeof...(A)>::list());
}
template <class... A> static inline int standin_sizes(void (*)(A...), int *sizes) {
    int all[] = {(int)sizeof(A)..., 0};
    for (unsigned i = 0; i < sizeof...(A); i++) sizes[i] = all[i];
    return sizeof...(A);
}
#define STANDIN_ENTRY(name, bounds)                                                                                    \
    extern "C" __attribute__((visibility("default"))) void standin_run_##name(void **p) { standin_call(&name, p); }    \
    extern "C" __attribute__((visibility("default"))) int standin_sizes_##name(int *s) {                               \
        return standin_sizes(&name, s);                                                                                \
    }                                                                                                                  \
    extern "C" __attribute__((visibility("default"))) int standin_bounds_##name;                                       \
    int standin_bounds_##name = bounds;
