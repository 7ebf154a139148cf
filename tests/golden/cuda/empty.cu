// kernel empty.0 add
struct sn_grid {
    u64 scratch;
    unsigned scratch_bytes, in_shared;
    i64 chunks[1], each[1], over[1];
    u64 inverse[1];
    unsigned first[1], even[1];
    int at[3];
};

#ifndef SN_THREADS
#define SN_THREADS 1024
#endif
extern "C" __global__ void __launch_bounds__(128, SN_THREADS / 128) kernel(
    const float *__restrict__ m0, /* x */
    const float *__restrict__ m1, /* y */
    float *m2, /* t4 */
    const i64 D0,
    const sn_grid g)
{
    extern __shared__ __align__(16) u8 sn_shared[];
    {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 4 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[0] * 4;
        if (chunk >= g.chunks[0]) return;
        const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
        i64 n0 = 0;
        i64 n1 = 0;
        i64 n2 = 0;
        if (first < end) {
            i64 rest = first;
            n2 = rest % ((5 + 31) / 32) * 32;
            rest /= ((5 + 31) / 32);
            n1 = rest % 1;
            rest /= 1;
            n0 = rest;
        }
        for (i64 tile = first; tile < end; tile++) {
            const int present = (int)sn_least(32, 5 - n2);
            const i64 n2l = n2 + sn_least(t, present - 1);
            /* phase 0 */
            const float v0l = m0[n0 * 5 + n1 * 5 + n2l]; /* x */
            const float v1 = m1[n1]; /* y */
            const float v2l = (v0l + v1); /* add(x,y) */
            if (t < present) m2[n0 * 5 + n1 * 5 + n2l] = v2l; /* add(x,y) */
            n2 += 32;
            if (n2 >= 5) n2 = 0, n1++;
            if (n1 >= 0) n1 = 0, n0++;
        }
    }
}
