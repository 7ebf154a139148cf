// kernel chain.0 sub relu mul
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
    const float *__restrict__ m0, /* y */
    const float *__restrict__ m1, /* x */
    float *m2, /* t5 */
    const i64 D0,
    const sn_grid g)
{
    extern __shared__ __align__(16) u8 sn_shared[];
    {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 4 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[0] * 4;
        if (chunk >= g.chunks[0]) return;
        if (g.even[0]) {
            const float v3 = 0.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 128;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(128, D0 - n0);
                const i64 n0l = sn_opaque(n0 + t * 4);
                const bool in_n0 = t * 4 < present;
                /* phase 0 */
                float v0l[4] = {}; /* y */
                if (in_n0) sn_read<4>(&v0l[0], &m0[n0l]);
                float v1l[4] = {}; /* x */
                if (in_n0) sn_read<4>(&v1l[0], &m1[n0l]);
                float v2l[4]; /* sub(y,x) */
                FOR(v, 4) v2l[v] = (v0l[v] - v1l[v]);
                float v4l[4];
                FOR(v, 4) v4l[v] = sn_max(v2l[v], v3);
                float v5l[4]; /* mul(y,..) */
                FOR(v, 4) v5l[v] = (v0l[v] * v4l[v]);
                if (in_n0) sn_write<4>(&m2[n0l], &v5l[0]); /* mul(y,..) */
                n0 += 128;
            }
        } else {
            const float v3 = 0.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 128;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(128, D0 - n0);
                const i64 n0l = sn_opaque(n0 + t * 4);
                const int own_n0 = present - t * 4;
                /* phase 0 */
                float v0l[4] = {}; /* y */
                if (own_n0 >= 4 && sn_fits<4>(&m0[n0l])) sn_read<4>(&v0l[0], &m0[n0l]);
                else FOR(v, 4) if (v < own_n0) v0l[v] = m0[(n0l + v)];
                float v1l[4] = {}; /* x */
                if (own_n0 >= 4 && sn_fits<4>(&m1[n0l])) sn_read<4>(&v1l[0], &m1[n0l]);
                else FOR(v, 4) if (v < own_n0) v1l[v] = m1[(n0l + v)];
                float v2l[4]; /* sub(y,x) */
                FOR(v, 4) v2l[v] = (v0l[v] - v1l[v]);
                float v4l[4];
                FOR(v, 4) v4l[v] = sn_max(v2l[v], v3);
                float v5l[4]; /* mul(y,..) */
                FOR(v, 4) v5l[v] = (v0l[v] * v4l[v]);
                if (own_n0 >= 4 && sn_fits<4>(&m2[n0l])) sn_write<4>(&m2[n0l], &v5l[0]); /* mul(y,..) */
                else FOR(v, 4) if (v < own_n0) m2[(n0l + v)] = v5l[v];
                n0 += 128;
            }
        }
    }
}
