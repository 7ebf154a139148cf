// kernel columns.0 sum
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
    float *m1, /* t2 */
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
            i64 n0 = first * 128;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(128, D0 - n0);
                const i64 n0l = sn_opaque(n0 + t * 4);
                const bool in_n0 = t * 4 < present;
                /* phase 0 */
                float a1[4][4];
                FOR(u, 4) FOR(v, 4) a1[u][v] = 0.0f;
                {
                    i64 j1 = 0;
                    _Pragma("unroll 2") for (; j1 + 4 <= D1; j1 += 4) {
                        i64 j1x[4];
                        FOR(u, 4) j1x[u] = j1 + u;
                        float v0l[4][4] = {}; /* x */
                        FOR(u, 4) if (in_n0) sn_read<4>(&v0l[u][0], &m0[j1x[u] * D0 + n0l]);
                        FOR(u, 4) FOR(v, 4) a1[u][v] = (a1[u][v] + v0l[u][v]); /* sum(x) */
                    }
                    if (j1 < D1) {
                        i64 j1x[4];
                        FOR(u, 4) j1x[u] = sn_least(j1 + u, D1 - 1);
                        float v0l[4][4] = {}; /* x */
                        FOR(u, 4) if (in_n0) sn_read<4>(&v0l[u][0], &m0[j1x[u] * D0 + n0l]);
                        FOR(u, 4) FOR(v, 4) if (j1 + u < D1) a1[u][v] = (a1[u][v] + v0l[u][v]); /* sum(x) */
                    }
                }
                float v1l[4];
                FOR(u, 2) FOR(v, 4) a1[u][v] = op_add::of(a1[2 * u][v], a1[2 * u + 1][v]);
                FOR(u, 1) FOR(v, 4) a1[u][v] = op_add::of(a1[2 * u][v], a1[2 * u + 1][v]);
                FOR(v, 4) v1l[v] = a1[0][v];
                if (in_n0) sn_write<4>(&m1[n0l], &v1l[0]); /* sum(x) */
                n0 += 128;
            }
        } else {
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 128;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(128, D0 - n0);
                const i64 n0l = sn_opaque(n0 + t * 4);
                const int own_n0 = present - t * 4;
                /* phase 0 */
                float a1[4][4];
                FOR(u, 4) FOR(v, 4) a1[u][v] = 0.0f;
                {
                    i64 j1 = 0;
                    _Pragma("unroll 2") for (; j1 + 4 <= D1; j1 += 4) {
                        i64 j1x[4];
                        FOR(u, 4) j1x[u] = j1 + u;
                        float v0l[4][4] = {}; /* x */
                        FOR(u, 4) if (own_n0 >= 4 && sn_fits<4>(&m0[j1x[u] * D0 + n0l])) sn_read<4>(&v0l[u][0], &m0[j1x[u] * D0 + n0l]);
                        else FOR(v, 4) if (v < own_n0) v0l[u][v] = m0[j1x[u] * D0 + (n0l + v)];
                        FOR(u, 4) FOR(v, 4) a1[u][v] = (a1[u][v] + v0l[u][v]); /* sum(x) */
                    }
                    if (j1 < D1) {
                        i64 j1x[4];
                        FOR(u, 4) j1x[u] = sn_least(j1 + u, D1 - 1);
                        float v0l[4][4] = {}; /* x */
                        FOR(u, 4) if (own_n0 >= 4 && sn_fits<4>(&m0[j1x[u] * D0 + n0l])) sn_read<4>(&v0l[u][0], &m0[j1x[u] * D0 + n0l]);
                        else FOR(v, 4) if (v < own_n0) v0l[u][v] = m0[j1x[u] * D0 + (n0l + v)];
                        FOR(u, 4) FOR(v, 4) if (j1 + u < D1) a1[u][v] = (a1[u][v] + v0l[u][v]); /* sum(x) */
                    }
                }
                float v1l[4];
                FOR(u, 2) FOR(v, 4) a1[u][v] = op_add::of(a1[2 * u][v], a1[2 * u + 1][v]);
                FOR(u, 1) FOR(v, 4) a1[u][v] = op_add::of(a1[2 * u][v], a1[2 * u + 1][v]);
                FOR(v, 4) v1l[v] = a1[0][v];
                if (own_n0 >= 4 && sn_fits<4>(&m1[n0l])) sn_write<4>(&m1[n0l], &v1l[0]); /* sum(x) */
                else FOR(v, 4) if (v < own_n0) m1[(n0l + v)] = v1l[v];
                n0 += 128;
            }
        }
    }
}
