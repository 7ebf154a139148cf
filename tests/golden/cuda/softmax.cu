// kernel softmax.0 reduce_max sub exp sum reciprocal mul
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
    float *m2, /* t10 */
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
        u8 *const scratch = g.in_shared ? sn_shared + threadIdx.x / 32 * g.scratch_bytes : (u8 *)g.scratch + team * g.scratch_bytes;
        u8 *const meet = 0;
        int turn = 0;
        if (g.even[0]) {
            const float v7 = 1.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first;
            for (i64 tile = first; tile < end; tile++) {
                float w1[8][4];
                /* phase 0 */
                float x0[8][4] = {};
                FOR(q, 8) {
                    const i64 j1x = q * 128 + t * 4;
                    const bool in_j1 = j1x < D1;
                    if (in_j1) sn_read<4>(&x0[q][0], &m0[n0 * D1 + j1x]);
                }
                float a1[4];
                FOR(v, 4) a1[v] = __int_as_float(0xff800000);
                FOR(q, 8) {
                    const i64 j1x = q * 128 + t * 4;
                    const bool in_j1 = j1x < D1;
                    float v0[4] = {}; /* x */
                    FOR(v, 4) v0[v] = x0[q][v];
                    FOR(v, 4) if (in_j1) a1[v] = sn_max(a1[v], v0[v]); /* reduce_max(x) */
                }
                float v1;
                float y1;
                y1 = sn_fold_own<op_max, 4>(a1);
                sn_fold<op_max, 32, 32, 1, 1>(&y1, t, meet, turn);
                v1 = y1;
                /* phase 1 */
                float a6[4];
                FOR(v, 4) a6[v] = 0.0f;
                FOR(q, 8) {
                    const i64 j1x = q * 128 + t * 4;
                    const bool in_j1 = j1x < D1;
                    float v2[4] = {}; /* x */
                    FOR(v, 4) v2[v] = x0[q][v];
                    float v3[4]; /* sub(x,..) */
                    FOR(v, 4) v3[v] = (v2[v] - v1);
                    float v4[4];
                    FOR(v, 4) v4[v] = sn_exp_f32(v3[v]);
                    FOR(v, 4) w1[q][v] = v4[v];
                    FOR(v, 4) if (in_j1) a6[v] = (a6[v] + v4[v]);
                }
                float v6;
                float y6;
                y6 = sn_fold_own<op_add, 4>(a6);
                sn_fold<op_add, 32, 32, 1, 1>(&y6, t, meet, turn);
                v6 = y6;
                /* phase 2 */
                const float v8 = (v7 / v6);
                /* phase 3 */
                FOR(q, 8) {
                    const i64 j1x = q * 128 + t * 4;
                    const bool in_j1 = j1x < D1;
                    float v9[4] = {};
                    FOR(v, 4) v9[v] = w1[q][v];
                    float v10[4];
                    FOR(v, 4) v10[v] = (v9[v] * v8);
                    if (in_j1) sn_write<4>(&m2[n0 * D1 + j1x], &v10[0]);
                }
                n0 += 1;
            }
        } else {
            float *const m1 = (float *)(scratch + g.at[1]);
            const float v7 = 1.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first;
            for (i64 tile = first; tile < end; tile++) {
                /* phase 0 */
                float a1[4];
                FOR(v, 4) a1[v] = __int_as_float(0xff800000);
                for (i64 j1 = 0; j1 < D1; j1 += 128) {
                    const i64 j1x = j1 + t * 4;
                    const int own_j1 = (int)sn_least(4, D1 - j1x);
                    float v0[4] = {}; /* x */
                    if (own_j1 == 4 && sn_fits<4>(&m0[n0 * D1 + j1x])) sn_read<4>(&v0[0], &m0[n0 * D1 + j1x]);
                    else FOR(v, 4) if (v < own_j1) v0[v] = m0[n0 * D1 + (j1x + v)];
                    FOR(v, 4) if (v < own_j1) a1[v] = sn_max(a1[v], v0[v]); /* reduce_max(x) */
                }
                float v1;
                float y1;
                y1 = sn_fold_own<op_max, 4>(a1);
                sn_fold<op_max, 32, 32, 1, 1>(&y1, t, meet, turn);
                v1 = y1;
                /* phase 1 */
                float a6[4];
                FOR(v, 4) a6[v] = 0.0f;
                for (i64 j1 = 0; j1 < D1; j1 += 128) {
                    const i64 j1x = sn_opaque(j1 + t * 4);
                    const int own_j1 = (int)sn_least(4, D1 - j1x);
                    float v2[4] = {}; /* x */
                    if (own_j1 == 4 && sn_fits<4>(&m0[n0 * D1 + j1x])) sn_read<4>(&v2[0], &m0[n0 * D1 + j1x]);
                    else FOR(v, 4) if (v < own_j1) v2[v] = m0[n0 * D1 + (j1x + v)];
                    float v3[4]; /* sub(x,..) */
                    FOR(v, 4) v3[v] = (v2[v] - v1);
                    float v4[4];
                    FOR(v, 4) v4[v] = sn_exp_f32(v3[v]);
                    if (own_j1 == 4 && sn_fits<4>(&m1[j1x])) sn_write<4>(&m1[sn_opaque(j1x)], &v4[0]);
                    else FOR(v, 4) if (v < own_j1) m1[(j1x + v)] = v4[v];
                    FOR(v, 4) if (v < own_j1) a6[v] = (a6[v] + v4[v]);
                }
                float v6;
                float y6;
                y6 = sn_fold_own<op_add, 4>(a6);
                sn_fold<op_add, 32, 32, 1, 1>(&y6, t, meet, turn);
                v6 = y6;
                /* phase 2 */
                const float v8 = (v7 / v6);
                /* phase 3 */
                for (i64 j1 = 0; j1 < D1; j1 += 128) {
                    const i64 j1x = sn_opaque(j1 + t * 4);
                    const int own_j1 = (int)sn_least(4, D1 - j1x);
                    float v9[4] = {};
                    if (own_j1 == 4 && sn_fits<4>(&m1[j1x])) sn_read<4>(&v9[0], &m1[j1x]);
                    else FOR(v, 4) if (v < own_j1) v9[v] = m1[(j1x + v)];
                    float v10[4];
                    FOR(v, 4) v10[v] = (v9[v] * v8);
                    if (own_j1 == 4 && sn_fits<4>(&m2[n0 * D1 + j1x])) sn_write<4>(&m2[sn_opaque(n0 * D1 + j1x)], &v10[0]);
                    else FOR(v, 4) if (v < own_j1) m2[n0 * D1 + (j1x + v)] = v10[v];
                }
                n0 += 1;
            }
        }
    }
}
