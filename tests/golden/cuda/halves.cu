// kernel halves.0 cast mul reduce_max sub exp sum reciprocal
struct sn_grid {
    u64 scratch;
    unsigned scratch_bytes, in_shared;
    i64 chunks[1], each[1], over[1];
    u64 inverse[1];
    unsigned first[1], even[1];
    int at[5];
};

#ifndef SN_THREADS
#define SN_THREADS 1024
#endif
extern "C" __global__ void __launch_bounds__(128, SN_THREADS / 128) kernel(
    const float *__restrict__ m0, /* x */
    float *m1, /* t7 */
    f16 *m2, /* t20 */
    bf16 *m4, /* t18 */
    const i64 D0,
    const i64 D1,
    const i64 D2,
    const u64 S0,
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
            /* phase 0 */
            const float v0 = __int_as_float((int)S0);
            const float v16 = 1.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first;
            for (i64 tile = first; tile < end; tile++) {
                float w3[8][4];
                /* phase 1 */
                float x1[8][4] = {};
                FOR(q, 8) {
                    const i64 j1x = q * 128 + t * 4;
                    const bool in_j1 = j1x < D1;
                    if (in_j1) sn_read<4>(&x1[q][0], &m0[n0 * D1 + j1x]);
                }
                float a6[4];
                FOR(v, 4) a6[v] = __int_as_float(0xff800000);
                FOR(q, 8) {
                    const i64 j1x = q * 128 + t * 4;
                    const bool in_j1 = j1x < D1;
                    float v1[4] = {}; /* x */
                    FOR(v, 4) v1[v] = x1[q][v];
                    float v2[4]; /* x */
                    FOR(v, 4) v2[v] = sn_bf16_value(sn_bf16_bits(v1[v]));
                    float v3[4]; /* x */
                    FOR(v, 4) v3[v] = sn_f16_value(sn_f16_bits(v1[v]));
                    float v4[4]; /* mul(x,..) */
                    FOR(v, 4) v4[v] = (v3[v] * v0);
                    if (in_j1) sn_write<4>(&m1[n0 * D1 + j1x], &v4[0]);
                    FOR(v, 4) if (in_j1) a6[v] = sn_max(a6[v], v2[v]); /* reduce_max(x) */
                    float v7[4]; /* exp(x) */
                    FOR(v, 4) v7[v] = sn_exp_f32(v2[v]);
                    float v8[4];
                    FOR(v, 4) v8[v] = sn_f16_value(sn_f16_bits(v7[v]));
                    if (in_j1) sn_write<4>(&m2[n0 * D1 + j1x], &v7[0]);
                }
                float v6;
                float y6;
                y6 = sn_fold_own<op_max, 4>(a6);
                sn_fold<op_max, 32, 32, 1, 1>(&y6, t, meet, turn);
                v6 = y6;
                /* phase 2 */
                float a15[4];
                FOR(v, 4) a15[v] = 0.0f;
                FOR(q, 8) {
                    const i64 j1x = q * 128 + t * 4;
                    const bool in_j1 = j1x < D1;
                    float v10[4] = {}; /* x */
                    FOR(v, 4) v10[v] = x1[q][v];
                    float v11[4]; /* x */
                    FOR(v, 4) v11[v] = sn_bf16_value(sn_bf16_bits(v10[v]));
                    float v12[4]; /* sub(x,..) */
                    FOR(v, 4) v12[v] = (v11[v] - v6);
                    float v13[4];
                    FOR(v, 4) v13[v] = sn_exp_f32(v12[v]);
                    FOR(v, 4) w3[q][v] = v13[v];
                    FOR(v, 4) if (in_j1) a15[v] = (a15[v] + v13[v]);
                }
                float v15;
                float y15;
                y15 = sn_fold_own<op_add, 4>(a15);
                sn_fold<op_add, 32, 32, 1, 1>(&y15, t, meet, turn);
                v15 = y15;
                /* phase 3 */
                const float v17 = (v16 / v15);
                /* phase 4 */
                FOR(q, 8) {
                    const i64 j1x = q * 128 + t * 4;
                    const bool in_j1 = j1x < D1;
                    float v18[4] = {};
                    FOR(v, 4) v18[v] = w3[q][v];
                    float v19[4];
                    FOR(v, 4) v19[v] = (v18[v] * v17);
                    float v20[4];
                    FOR(v, 4) v20[v] = sn_bf16_value(sn_bf16_bits(v19[v]));
                    if (in_j1) sn_write<4>(&m4[n0 * D1 + j1x], &v19[0]);
                }
                n0 += 1;
            }
        } else {
            float *const m3 = (float *)(scratch + g.at[3]);
            /* phase 0 */
            const float v0 = __int_as_float((int)S0);
            const float v16 = 1.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first;
            for (i64 tile = first; tile < end; tile++) {
                /* phase 1 */
                float a6[4];
                FOR(v, 4) a6[v] = __int_as_float(0xff800000);
                for (i64 j1 = 0; j1 < D1; j1 += 128) {
                    const i64 j1x = sn_opaque(j1 + t * 4);
                    const int own_j1 = (int)sn_least(4, D1 - j1x);
                    float v1[4] = {}; /* x */
                    if (own_j1 == 4 && sn_fits<4>(&m0[n0 * D1 + j1x])) sn_read<4>(&v1[0], &m0[n0 * D1 + j1x]);
                    else FOR(v, 4) if (v < own_j1) v1[v] = m0[n0 * D1 + (j1x + v)];
                    float v2[4]; /* x */
                    FOR(v, 4) v2[v] = sn_bf16_value(sn_bf16_bits(v1[v]));
                    float v3[4]; /* x */
                    FOR(v, 4) v3[v] = sn_f16_value(sn_f16_bits(v1[v]));
                    float v4[4]; /* mul(x,..) */
                    FOR(v, 4) v4[v] = (v3[v] * v0);
                    if (own_j1 == 4 && sn_fits<4>(&m1[n0 * D1 + j1x])) sn_write<4>(&m1[sn_opaque(n0 * D1 + j1x)], &v4[0]);
                    else FOR(v, 4) if (v < own_j1) m1[n0 * D1 + (j1x + v)] = v4[v];
                    FOR(v, 4) if (v < own_j1) a6[v] = sn_max(a6[v], v2[v]); /* reduce_max(x) */
                    float v7[4]; /* exp(x) */
                    FOR(v, 4) v7[v] = sn_exp_f32(v2[v]);
                    float v8[4];
                    FOR(v, 4) v8[v] = sn_f16_value(sn_f16_bits(v7[v]));
                    if (own_j1 == 4 && sn_fits<4>(&m2[n0 * D1 + j1x])) sn_write<4>(&m2[sn_opaque(n0 * D1 + j1x)], &v7[0]);
                    else FOR(v, 4) if (v < own_j1) m2[n0 * D1 + (j1x + v)] = v7[v];
                }
                float v6;
                float y6;
                y6 = sn_fold_own<op_max, 4>(a6);
                sn_fold<op_max, 32, 32, 1, 1>(&y6, t, meet, turn);
                v6 = y6;
                /* phase 2 */
                float a15[4];
                FOR(v, 4) a15[v] = 0.0f;
                for (i64 j1 = 0; j1 < D1; j1 += 128) {
                    const i64 j1x = sn_opaque(j1 + t * 4);
                    const int own_j1 = (int)sn_least(4, D1 - j1x);
                    float v10[4] = {}; /* x */
                    if (own_j1 == 4 && sn_fits<4>(&m0[n0 * D1 + j1x])) sn_read<4>(&v10[0], &m0[n0 * D1 + j1x]);
                    else FOR(v, 4) if (v < own_j1) v10[v] = m0[n0 * D1 + (j1x + v)];
                    float v11[4]; /* x */
                    FOR(v, 4) v11[v] = sn_bf16_value(sn_bf16_bits(v10[v]));
                    float v12[4]; /* sub(x,..) */
                    FOR(v, 4) v12[v] = (v11[v] - v6);
                    float v13[4];
                    FOR(v, 4) v13[v] = sn_exp_f32(v12[v]);
                    if (own_j1 == 4 && sn_fits<4>(&m3[j1x])) sn_write<4>(&m3[sn_opaque(j1x)], &v13[0]);
                    else FOR(v, 4) if (v < own_j1) m3[(j1x + v)] = v13[v];
                    FOR(v, 4) if (v < own_j1) a15[v] = (a15[v] + v13[v]);
                }
                float v15;
                float y15;
                y15 = sn_fold_own<op_add, 4>(a15);
                sn_fold<op_add, 32, 32, 1, 1>(&y15, t, meet, turn);
                v15 = y15;
                /* phase 3 */
                const float v17 = (v16 / v15);
                /* phase 4 */
                for (i64 j1 = 0; j1 < D1; j1 += 128) {
                    const i64 j1x = sn_opaque(j1 + t * 4);
                    const int own_j1 = (int)sn_least(4, D1 - j1x);
                    float v18[4] = {};
                    if (own_j1 == 4 && sn_fits<4>(&m3[j1x])) sn_read<4>(&v18[0], &m3[j1x]);
                    else FOR(v, 4) if (v < own_j1) v18[v] = m3[(j1x + v)];
                    float v19[4];
                    FOR(v, 4) v19[v] = (v18[v] * v17);
                    float v20[4];
                    FOR(v, 4) v20[v] = sn_bf16_value(sn_bf16_bits(v19[v]));
                    if (own_j1 == 4 && sn_fits<4>(&m4[n0 * D1 + j1x])) sn_write<4>(&m4[sn_opaque(n0 * D1 + j1x)], &v19[0]);
                    else FOR(v, 4) if (v < own_j1) m4[n0 * D1 + (j1x + v)] = v19[v];
                }
                n0 += 1;
            }
        }
    }
}

// kernel halves.1 sum
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
    const f16 *__restrict__ m0, /* t20 */
    f16 *m1, /* t21 */
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
                        float v0l[4][4] = {};
                        FOR(u, 4) if (in_n0) sn_read<4>(&v0l[u][0], &m0[j1x[u] * D0 + n0l]);
                        FOR(u, 4) FOR(v, 4) a1[u][v] = (a1[u][v] + v0l[u][v]);
                    }
                    if (j1 < D1) {
                        i64 j1x[4];
                        FOR(u, 4) j1x[u] = sn_least(j1 + u, D1 - 1);
                        float v0l[4][4] = {};
                        FOR(u, 4) if (in_n0) sn_read<4>(&v0l[u][0], &m0[j1x[u] * D0 + n0l]);
                        FOR(u, 4) FOR(v, 4) if (j1 + u < D1) a1[u][v] = (a1[u][v] + v0l[u][v]);
                    }
                }
                float v1l[4];
                FOR(u, 2) FOR(v, 4) a1[u][v] = op_add::of(a1[2 * u][v], a1[2 * u + 1][v]);
                FOR(u, 1) FOR(v, 4) a1[u][v] = op_add::of(a1[2 * u][v], a1[2 * u + 1][v]);
                FOR(v, 4) v1l[v] = a1[0][v];
                if (in_n0) sn_write<4>(&m1[n0l], &v1l[0]);
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
                        float v0l[4][4] = {};
                        FOR(u, 4) if (own_n0 >= 4 && sn_fits<4>(&m0[j1x[u] * D0 + n0l])) sn_read<4>(&v0l[u][0], &m0[j1x[u] * D0 + n0l]);
                        else FOR(v, 4) if (v < own_n0) v0l[u][v] = m0[j1x[u] * D0 + (n0l + v)];
                        FOR(u, 4) FOR(v, 4) a1[u][v] = (a1[u][v] + v0l[u][v]);
                    }
                    if (j1 < D1) {
                        i64 j1x[4];
                        FOR(u, 4) j1x[u] = sn_least(j1 + u, D1 - 1);
                        float v0l[4][4] = {};
                        FOR(u, 4) if (own_n0 >= 4 && sn_fits<4>(&m0[j1x[u] * D0 + n0l])) sn_read<4>(&v0l[u][0], &m0[j1x[u] * D0 + n0l]);
                        else FOR(v, 4) if (v < own_n0) v0l[u][v] = m0[j1x[u] * D0 + (n0l + v)];
                        FOR(u, 4) FOR(v, 4) if (j1 + u < D1) a1[u][v] = (a1[u][v] + v0l[u][v]);
                    }
                }
                float v1l[4];
                FOR(u, 2) FOR(v, 4) a1[u][v] = op_add::of(a1[2 * u][v], a1[2 * u + 1][v]);
                FOR(u, 1) FOR(v, 4) a1[u][v] = op_add::of(a1[2 * u][v], a1[2 * u + 1][v]);
                FOR(v, 4) v1l[v] = a1[0][v];
                if (own_n0 >= 4 && sn_fits<4>(&m1[n0l])) sn_write<4>(&m1[n0l], &v1l[0]);
                else FOR(v, 4) if (v < own_n0) m1[(n0l + v)] = v1l[v];
                n0 += 128;
            }
        }
    }
}
