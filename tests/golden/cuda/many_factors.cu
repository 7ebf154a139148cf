// kernel factors.0 cast prod
struct sn_grid {
    u64 scratch;
    unsigned scratch_bytes, in_shared;
    i64 chunks[1], each[1], over[1];
    u64 inverse[1];
    unsigned first[1], even[1];
    int at[2];
};

#ifndef SN_THREADS
#define SN_THREADS 512
#endif
extern "C" __global__ void __launch_bounds__(128, SN_THREADS / 128) kernel(
    const float *__restrict__ m0, /* x */
    double *m1, /* t3 */
    const i64 D0,
    const i64 D1,
    const i64 D2,
    const sn_grid g)
{
    extern __shared__ __align__(16) u8 sn_shared[];
    {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 4 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[0] * 4;
        if (chunk >= g.chunks[0]) return;
        if (g.even[0]) {
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 64;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(64, D0 - n0);
                const i64 n0l = sn_opaque(n0 + t * 2);
                const bool in_n0 = t * 2 < present;
                /* phase 0 */
                double a2[2];
                FOR(v, 2) a2[v] = 1.0;
                for (i64 j3 = 0; j3 < 20; j3 += 1) {
                    float v0l[2][7][2] = {}; /* x */
                    FOR(k1, 2) FOR(k2, 7) FOR(v, 2) if (in_n0) v0l[k1][k2][v] = m0[j3 * D2 + (n0l + v) * 14 + k2 * 2 + k1];
                    double v1l[2][7][2]; /* x */
                    FOR(k1, 2) FOR(k2, 7) FOR(v, 2) v1l[k1][k2][v] = (double)v0l[k1][k2][v];
                    FOR(v, 2) FOR(k1, 2) FOR(k2, 7) a2[v] = (a2[v] * v1l[k1][k2][v]); /* prod(x) */
                }
                double v2l[2];
                FOR(v, 2) v2l[v] = a2[v];
                if (in_n0) sn_write<2>(&m1[n0l], &v2l[0]); /* prod(x) */
                n0 += 64;
            }
        } else {
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 64;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(64, D0 - n0);
                const i64 n0l = sn_opaque(n0 + t * 2);
                const int own_n0 = present - t * 2;
                /* phase 0 */
                double a2[2];
                FOR(v, 2) a2[v] = 1.0;
                for (i64 j3 = 0; j3 < 20; j3 += 1) {
                    float v0l[2][7][2] = {}; /* x */
                    FOR(k1, 2) FOR(k2, 7) FOR(v, 2) if (v < own_n0) v0l[k1][k2][v] = m0[j3 * D2 + (n0l + v) * 14 + k2 * 2 + k1];
                    double v1l[2][7][2]; /* x */
                    FOR(k1, 2) FOR(k2, 7) FOR(v, 2) v1l[k1][k2][v] = (double)v0l[k1][k2][v];
                    FOR(v, 2) FOR(k1, 2) FOR(k2, 7) a2[v] = (a2[v] * v1l[k1][k2][v]); /* prod(x) */
                }
                double v2l[2];
                FOR(v, 2) v2l[v] = a2[v];
                if (own_n0 >= 2 && sn_fits<2>(&m1[n0l])) sn_write<2>(&m1[n0l], &v2l[0]); /* prod(x) */
                else FOR(v, 2) if (v < own_n0) m1[(n0l + v)] = v2l[v];
                n0 += 64;
            }
        }
    }
}
