// kernel moons.0 matmul add tanh reduce_max sub exp sum eq
struct sn_grid {
    u64 scratch;
    unsigned scratch_bytes, in_shared;
    i64 chunks[1], each[1], over[1];
    u64 inverse[1];
    unsigned first[1], even[1];
    int at[11];
};

#ifndef SN_THREADS
#define SN_THREADS 512
#endif
extern "C" __global__ void __launch_bounds__(256, SN_THREADS / 256) kernel(
    const float *__restrict__ m0, /* b2 */
    const float *__restrict__ m1, /* X */
    const float *__restrict__ m2, /* W1 */
    const float *__restrict__ m3, /* b1 */
    const float *__restrict__ m5, /* W2 */
    const i64 *__restrict__ m6, /* y */
    float *m7g, /* t54.part */
    float *m8g, /* t56.part */
    float *m9g, /* t62.part */
    float *m10g, /* t63.part */
    const i64 D0,
    const i64 D1,
    const i64 D2,
    const i64 D3,
    const i64 D4,
    const sn_grid g)
{
    extern __shared__ __align__(16) u8 sn_shared[];
    __shared__ __align__(16) u8 sn_meet[2 * SN_MEET];
    {
        const int t = threadIdx.x;
        const i64 team = (i64)blockIdx.x;
        const i64 chunk = team - (i64)g.first[0];
        if (chunk >= g.chunks[0]) return;
        u8 *const scratch = g.in_shared ? sn_shared : (u8 *)g.scratch + team * g.scratch_bytes;
        u8 *const meet = sn_meet;
        int turn = 0;
        if (g.even[0]) {
            float *const m7 = m7g + chunk * 2;
            float *const m8 = m8g + chunk * D3;
            float *const m9 = m9g + chunk * D1;
            float *const m10 = m10g + chunk * D3;
            float a34[2][4];
            FOR(i, 2) FOR(v, 4) a34[i][v] = 0.0f;
            float w8[2][4];
            FOR(k2, 2) FOR(v, 4) w8[k2][v] = 0.0f;
            float w9[4];
            FOR(v, 4) w9[v] = 0.0f;
            float w10[2][4];
            FOR(k1, 2) FOR(v, 4) w10[k1][v] = 0.0f;
            /* phase 0 */
            float v0[2]; /* b2 */
            FOR(k2, 2) v0[k2] = m0[k2];
            const i64 v1 = D0;
            const float v2 = (float)v1;
            i64 v3[2];
            FOR(k2, 2) v3[k2] = (i64)(k2);
            const float v4 = 0.0f;
            const i64 v5 = 2LL;
            const i64 v6 = 0LL;
            const float v7 = 1.0f;
            const float v8 = (v7 / v2);
            const float v9 = 1.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 4;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(4, D0 - n0);
                i64 n0c[4];
                FOR(r, 4) n0c[r] = n0 + sn_least(r, present - 1);
                float w4[4][4];
                /* phase 1 */
                float v10c[4][2]; /* X */
                FOR(r, 4) FOR(k1, 2) v10c[r][k1] = m1[n0c[r] * 2 + k1];
                float a18[8][4];
                FOR(i, 8) FOR(v, 4) a18[i][v] = 0.0f;
                {
                    const i64 j3x = t * 4;
                    const bool in_j3 = j3x < D1;
                    float v11[2][4] = {}; /* W1 */
                    FOR(k1, 2) if (in_j3) sn_read<4>(&v11[k1][0], &m2[k1 * D1 + j3x]);
                    float v12c[4][4]; /* matmul(X,W1) */
                    FOR(r, 4) FOR(v, 4) {
                        float acc = (float)0;
                        FOR(k1, 2) acc = k1 == 0 ? (v10c[r][k1] * v11[k1][v]) : fmaf(v10c[r][k1], v11[k1][v], acc);
                        v12c[r][v] = acc;
                    }
                    float v13[4] = {}; /* b1 */
                    if (in_j3) sn_read<4>(&v13[0], &m3[j3x]);
                    float v14c[4][4]; /* add(..,b1) */
                    FOR(r, 4) FOR(v, 4) v14c[r][v] = (v12c[r][v] + v13[v]);
                    float v15c[4][4];
                    FOR(r, 4) FOR(v, 4) v15c[r][v] = sn_tanh_f32(v14c[r][v]);
                    FOR(r, 4) FOR(v, 4) w4[r][v] = v15c[r][v];
                    float v17[2][4] = {}; /* W2 */
                    FOR(k2, 2) FOR(v, 4) if (in_j3) v17[k2][v] = m5[(j3x + v) * 2 + k2];
                    FOR(r, 4) FOR(k2, 2) FOR(v, 4) if (in_j3) a18[r * 2 + k2][v] = fmaf(v15c[r][v], v17[k2][v], a18[r * 2 + k2][v]); /* matmul(..,W2) */
                }
                float v18c[4][2];
                float y18[8];
                FOR(i, 8) y18[i] = sn_fold_own<op_add, 4>(a18[i]);
                sn_fold<op_add, 256, 256, 8, 8>(&y18[0], t, meet, turn);
                FOR(r, 4) FOR(k2, 2) v18c[r][k2] = y18[r * 2 + k2];
                /* phase 2 */
                float v19c[4][2]; /* add(..,b2) */
                FOR(r, 4) FOR(k2, 2) v19c[r][k2] = (v18c[r][k2] + v0[k2]);
                float v20c[4];
                FOR(r, 4) {
                    float acc = (float)0;
                    FOR(k2, 2) acc = k2 == 0 ? v19c[r][k2] : sn_max(acc, v19c[r][k2]);
                    v20c[r] = acc;
                }
                float v21c[4][2];
                FOR(r, 4) FOR(k2, 2) v21c[r][k2] = (v19c[r][k2] - v20c[r]);
                float v22c[4][2];
                {
                    float x = 0;
                    FOR(r, 4) FOR(k2, 2) if (t % 32 >= r * 2 + k2) x = v21c[r][k2];
                    float z = sn_exp_f32(x);
                    FOR(r, 4) FOR(k2, 2) v22c[r][k2] = sn_from(z, r * 2 + k2);
                }
                float v23c[4];
                FOR(r, 4) {
                    float acc = (float)0;
                    FOR(k2, 2) acc = k2 == 0 ? v22c[r][k2] : (acc + v22c[r][k2]);
                    v23c[r] = acc;
                }
                i64 v24c[4]; /* y */
                FOR(r, 4) v24c[r] = m6[n0c[r]];
                bool v25c[4][2]; /* eq(y,..) */
                FOR(r, 4) FOR(k2, 2) v25c[r][k2] = (v24c[r] == v3[k2]);
                bool v26c[4]; /* lt(y,..) */
                FOR(r, 4) v26c[r] = (v24c[r] < v5);
                bool v27c[4]; /* ge(y,..) */
                FOR(r, 4) v27c[r] = (v6 <= v24c[r]);
                bool v28c[4];
                FOR(r, 4) v28c[r] = (bool)(v26c[r] & v27c[r]);
                float v29c[4];
                FOR(r, 4) v29c[r] = (v28c[r] ? v8 : v4);
                float v30c[4];
                FOR(r, 4) v30c[r] = (-v29c[r]);
                float v31c[4][2];
                FOR(r, 4) FOR(k2, 2) v31c[r][k2] = (v25c[r][k2] ? v30c[r] : v4);
                float v32c[4];
                {
                    float x = 0, y = 0;
                    FOR(r, 4) if (t % 32 >= r) x = v29c[r], y = v23c[r];
                    float z = (x / y);
                    FOR(r, 4) v32c[r] = sn_from(z, r);
                }
                float v33c[4][2];
                FOR(r, 4) FOR(k2, 2) v33c[r][k2] = fmaf(v22c[r][k2], v32c[r], v31c[r][k2]);
                if (t < 32) {
                    FOR(k2, 2) FOR(r, 4) if (r < present) a34[k2][r] = (a34[k2][r] + v33c[r][k2]);
                }
                /* phase 3 */
                {
                    const i64 j3x = t * 4;
                    const bool in_j3 = j3x < D1;
                    float v35[2][4] = {}; /* W2 */
                    FOR(k2, 2) FOR(v, 4) if (in_j3) v35[k2][v] = m5[(j3x + v) * 2 + k2];
                    float v36c[4][4]; /* matmul(..,W2) */
                    FOR(r, 4) FOR(v, 4) {
                        float acc = (float)0;
                        FOR(k2, 2) acc = k2 == 0 ? (v33c[r][k2] * v35[k2][v]) : fmaf(v33c[r][k2], v35[k2][v], acc);
                        v36c[r][v] = acc;
                    }
                    float v37c[4][4] = {};
                    FOR(r, 4) FOR(v, 4) v37c[r][v] = w4[r][v];
                    FOR(k2, 2) FOR(v, 4) {
                        float acc = w8[k2][v];
                        FOR(r, 4) if (r < present) acc = fmaf(v37c[r][v], v33c[r][k2], acc);
                        w8[k2][v] = acc;
                    }
                    float v39c[4][4];
                    FOR(r, 4) FOR(v, 4) v39c[r][v] = (-v37c[r][v]);
                    float v40c[4][4];
                    FOR(r, 4) FOR(v, 4) v40c[r][v] = fmaf(v39c[r][v], v37c[r][v], v9);
                    float v41c[4][4];
                    FOR(r, 4) FOR(v, 4) v41c[r][v] = (v36c[r][v] * v40c[r][v]);
                    FOR(v, 4) {
                        float acc = w9[v];
                        FOR(r, 4) if (r < present) acc = (acc + v41c[r][v]);
                        w9[v] = acc;
                    }
                    FOR(k1, 2) FOR(v, 4) { /* matmul(X,..) */
                        float acc = w10[k1][v];
                        FOR(r, 4) if (r < present) acc = fmaf(v10c[r][k1], v41c[r][v], acc);
                        w10[k1][v] = acc;
                    }
                }
                n0 += 4;
            }
            if (t == 0) FOR(k2, 2) m7[k2] = sn_fold_own<op_add, 4>(a34[k2]);
            {
                const i64 j3x = t * 4;
                const bool in_j3 = j3x < D1;
                FOR(k2, 2) FOR(v, 4) if (in_j3) m8[(j3x + v) * 2 + k2] = w8[k2][v];
            }
            {
                const i64 j3x = t * 4;
                const bool in_j3 = j3x < D1;
                if (in_j3) sn_write<4>(&m9[j3x], &w9[0]);
            }
            {
                const i64 j3x = t * 4;
                const bool in_j3 = j3x < D1;
                FOR(k1, 2) if (in_j3) sn_write<4>(&m10[k1 * D1 + j3x], &w10[k1][0]);
            }
        } else {
            float *const m4 = (float *)(scratch + g.at[4]);
            float *const m7 = m7g + chunk * 2;
            float *const m8 = g.at[8] < 0 ? m8g + chunk * D3 : (float *)(scratch + g.at[8]);
            float *const m9 = g.at[9] < 0 ? m9g + chunk * D1 : (float *)(scratch + g.at[9]);
            float *const m10 = g.at[10] < 0 ? m10g + chunk * D3 : (float *)(scratch + g.at[10]);
            float a34[2][4];
            FOR(i, 2) FOR(v, 4) a34[i][v] = 0.0f;
            for (i64 i = t; i < D3; i += 256) m8[i] = 0.0f;
            for (i64 i = t; i < D1; i += 256) m9[i] = 0.0f;
            for (i64 i = t; i < D3; i += 256) m10[i] = 0.0f;
            SYNC0;
            /* phase 0 */
            float v0[2]; /* b2 */
            FOR(k2, 2) v0[k2] = m0[k2];
            const i64 v1 = D0;
            const float v2 = (float)v1;
            i64 v3[2];
            FOR(k2, 2) v3[k2] = (i64)(k2);
            const float v4 = 0.0f;
            const i64 v5 = 2LL;
            const i64 v6 = 0LL;
            const float v7 = 1.0f;
            const float v8 = (v7 / v2);
            const float v9 = 1.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 4;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(4, D0 - n0);
                i64 n0c[4];
                FOR(r, 4) n0c[r] = n0 + sn_least(r, present - 1);
                /* phase 1 */
                float v10c[4][2]; /* X */
                FOR(r, 4) FOR(k1, 2) v10c[r][k1] = m1[n0c[r] * 2 + k1];
                float a18[8][4];
                FOR(i, 8) FOR(v, 4) a18[i][v] = 0.0f;
                for (i64 j3 = 0; j3 < D1; j3 += 1024) {
                    const i64 j3x = sn_opaque(j3 + t * 4);
                    const int own_j3 = (int)sn_least(4, D1 - j3x);
                    float v11[2][4] = {}; /* W1 */
                    FOR(k1, 2) if (own_j3 == 4 && sn_fits<4>(&m2[k1 * D1 + j3x])) sn_read<4>(&v11[k1][0], &m2[k1 * D1 + j3x]);
                    else FOR(v, 4) if (v < own_j3) v11[k1][v] = m2[k1 * D1 + (j3x + v)];
                    float v12c[4][4]; /* matmul(X,W1) */
                    FOR(r, 4) FOR(v, 4) {
                        float acc = (float)0;
                        FOR(k1, 2) acc = k1 == 0 ? (v10c[r][k1] * v11[k1][v]) : fmaf(v10c[r][k1], v11[k1][v], acc);
                        v12c[r][v] = acc;
                    }
                    float v13[4] = {}; /* b1 */
                    if (own_j3 == 4 && sn_fits<4>(&m3[j3x])) sn_read<4>(&v13[0], &m3[j3x]);
                    else FOR(v, 4) if (v < own_j3) v13[v] = m3[(j3x + v)];
                    float v14c[4][4]; /* add(..,b1) */
                    FOR(r, 4) FOR(v, 4) v14c[r][v] = (v12c[r][v] + v13[v]);
                    float v15c[4][4];
                    FOR(r, 4) FOR(v, 4) v15c[r][v] = sn_tanh_f32(v14c[r][v]);
                    FOR(r, 4) if (r < present && own_j3 == 4 && sn_fits<4>(&m4[(n0c[r] - n0) * D1 + j3x])) sn_write<4>(&m4[sn_opaque((n0c[r] - n0) * D1 + j3x)], &v15c[r][0]);
                    else FOR(v, 4) if (r < present && v < own_j3) m4[(n0c[r] - n0) * D1 + (j3x + v)] = v15c[r][v];
                    float v17[2][4] = {}; /* W2 */
                    FOR(k2, 2) FOR(v, 4) if (v < own_j3) v17[k2][v] = m5[(j3x + v) * 2 + k2];
                    FOR(r, 4) FOR(k2, 2) FOR(v, 4) if (v < own_j3) a18[r * 2 + k2][v] = fmaf(v15c[r][v], v17[k2][v], a18[r * 2 + k2][v]); /* matmul(..,W2) */
                }
                float v18c[4][2];
                float y18[8];
                FOR(i, 8) y18[i] = sn_fold_own<op_add, 4>(a18[i]);
                sn_fold<op_add, 256, 256, 8, 8>(&y18[0], t, meet, turn);
                FOR(r, 4) FOR(k2, 2) v18c[r][k2] = y18[r * 2 + k2];
                /* phase 2 */
                float v19c[4][2]; /* add(..,b2) */
                FOR(r, 4) FOR(k2, 2) v19c[r][k2] = (v18c[r][k2] + v0[k2]);
                float v20c[4];
                FOR(r, 4) {
                    float acc = (float)0;
                    FOR(k2, 2) acc = k2 == 0 ? v19c[r][k2] : sn_max(acc, v19c[r][k2]);
                    v20c[r] = acc;
                }
                float v21c[4][2];
                FOR(r, 4) FOR(k2, 2) v21c[r][k2] = (v19c[r][k2] - v20c[r]);
                float v22c[4][2];
                {
                    float x = 0;
                    FOR(r, 4) FOR(k2, 2) if (t % 32 >= r * 2 + k2) x = v21c[r][k2];
                    float z = sn_exp_f32(x);
                    FOR(r, 4) FOR(k2, 2) v22c[r][k2] = sn_from(z, r * 2 + k2);
                }
                float v23c[4];
                FOR(r, 4) {
                    float acc = (float)0;
                    FOR(k2, 2) acc = k2 == 0 ? v22c[r][k2] : (acc + v22c[r][k2]);
                    v23c[r] = acc;
                }
                i64 v24c[4]; /* y */
                FOR(r, 4) v24c[r] = m6[n0c[r]];
                bool v25c[4][2]; /* eq(y,..) */
                FOR(r, 4) FOR(k2, 2) v25c[r][k2] = (v24c[r] == v3[k2]);
                bool v26c[4]; /* lt(y,..) */
                FOR(r, 4) v26c[r] = (v24c[r] < v5);
                bool v27c[4]; /* ge(y,..) */
                FOR(r, 4) v27c[r] = (v6 <= v24c[r]);
                bool v28c[4];
                FOR(r, 4) v28c[r] = (bool)(v26c[r] & v27c[r]);
                float v29c[4];
                FOR(r, 4) v29c[r] = (v28c[r] ? v8 : v4);
                float v30c[4];
                FOR(r, 4) v30c[r] = (-v29c[r]);
                float v31c[4][2];
                FOR(r, 4) FOR(k2, 2) v31c[r][k2] = (v25c[r][k2] ? v30c[r] : v4);
                float v32c[4];
                {
                    float x = 0, y = 0;
                    FOR(r, 4) if (t % 32 >= r) x = v29c[r], y = v23c[r];
                    float z = (x / y);
                    FOR(r, 4) v32c[r] = sn_from(z, r);
                }
                float v33c[4][2];
                FOR(r, 4) FOR(k2, 2) v33c[r][k2] = fmaf(v22c[r][k2], v32c[r], v31c[r][k2]);
                if (t < 32) {
                    FOR(k2, 2) FOR(r, 4) if (r < present) a34[k2][r] = (a34[k2][r] + v33c[r][k2]);
                }
                /* phase 3 */
                for (i64 j3 = 0; j3 < D1; j3 += 1024) {
                    const i64 j3x = j3 + t * 4;
                    const int own_j3 = (int)sn_least(4, D1 - j3x);
                    float v35[2][4] = {}; /* W2 */
                    FOR(k2, 2) FOR(v, 4) if (v < own_j3) v35[k2][v] = m5[(j3x + v) * 2 + k2];
                    float v36c[4][4]; /* matmul(..,W2) */
                    FOR(r, 4) FOR(v, 4) {
                        float acc = (float)0;
                        FOR(k2, 2) acc = k2 == 0 ? (v33c[r][k2] * v35[k2][v]) : fmaf(v33c[r][k2], v35[k2][v], acc);
                        v36c[r][v] = acc;
                    }
                    float v37c[4][4] = {};
                    FOR(r, 4) if (own_j3 == 4 && sn_fits<4>(&m4[(n0c[r] - n0) * D1 + j3x])) sn_read<4>(&v37c[r][0], &m4[(n0c[r] - n0) * D1 + j3x]);
                    else FOR(v, 4) if (v < own_j3) v37c[r][v] = m4[(n0c[r] - n0) * D1 + (j3x + v)];
                    FOR(k2, 2) FOR(v, 4) if (v < own_j3) {
                        float acc = m8[(j3x + v) * 2 + k2];
                        FOR(r, 4) if (r < present) acc = fmaf(v37c[r][v], v33c[r][k2], acc);
                        m8[(j3x + v) * 2 + k2] = acc;
                    }
                    float v39c[4][4];
                    FOR(r, 4) FOR(v, 4) v39c[r][v] = (-v37c[r][v]);
                    float v40c[4][4];
                    FOR(r, 4) FOR(v, 4) v40c[r][v] = fmaf(v39c[r][v], v37c[r][v], v9);
                    float v41c[4][4];
                    FOR(r, 4) FOR(v, 4) v41c[r][v] = (v36c[r][v] * v40c[r][v]);
                    FOR(v, 4) if (v < own_j3) {
                        float acc = m9[(j3x + v)];
                        FOR(r, 4) if (r < present) acc = (acc + v41c[r][v]);
                        m9[(j3x + v)] = acc;
                    }
                    FOR(k1, 2) FOR(v, 4) if (v < own_j3) { /* matmul(X,..) */
                        float acc = m10[k1 * D1 + (j3x + v)];
                        FOR(r, 4) if (r < present) acc = fmaf(v10c[r][k1], v41c[r][v], acc);
                        m10[k1 * D1 + (j3x + v)] = acc;
                    }
                }
                n0 += 4;
            }
            if (t == 0) FOR(k2, 2) m7[k2] = sn_fold_own<op_add, 4>(a34[k2]);
            SYNC0;
            if (g.at[8] >= 0) for (i64 i = t; i < D3; i += 256) m8g[chunk * D3 + i] = m8[i];
            if (g.at[9] >= 0) for (i64 i = t; i < D1; i += 256) m9g[chunk * D1 + i] = m9[i];
            if (g.at[10] >= 0) for (i64 i = t; i < D3; i += 256) m10g[chunk * D3 + i] = m10[i];
        }
    }
}

// kernel moons.1 add mul sub update
struct sn_grid {
    u64 scratch;
    unsigned scratch_bytes, in_shared;
    i64 chunks[4], each[4], over[4];
    u64 inverse[4];
    unsigned first[4], even[4];
    int at[8];
};

#ifndef SN_THREADS
#define SN_THREADS 512
#endif
extern "C" __global__ void __launch_bounds__(128, SN_THREADS / 128) kernel(
    const float *__restrict__ m0, /* t63.part */
    float *m1, /* W1 */
    const float *__restrict__ m2, /* t56.part */
    float *m3, /* W2 */
    const float *__restrict__ m4, /* t62.part */
    float *m5, /* b1 */
    const float *__restrict__ m6, /* t54.part */
    float *m7, /* b2 */
    const i64 D0,
    const i64 D1,
    const i64 D2,
    const i64 D3,
    const i64 D4,
    const i64 D5,
    const i64 D6,
    const u64 S0,
    const u64 S1,
    const sn_grid g)
{
    extern __shared__ __align__(16) u8 sn_shared[];
    if (blockIdx.x < g.first[1]) {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 4 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[0] * 4;
        if (chunk >= g.chunks[0]) return;
        /* phase 0 */
        const i64 v0 = D2;
        const float v1 = (float)v0;
        const float v2 = __int_as_float((int)S0);
        const float v3 = 1.0f;
        const float v4 = (v3 / v1);
        const float v5 = (v2 * v4);
        const float v6 = __int_as_float((int)S1);
        const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
        i64 n0 = first * 32;
        for (i64 tile = first; tile < end; tile++) {
            const int present = (int)sn_least(32, D0 - n0);
            const i64 n0l = n0 + sn_least(t, present - 1);
            /* phase 1 */
            float a8[8];
            FOR(u, 8) a8[u] = 0.0f;
            {
                i64 j1 = 0;
                _Pragma("unroll 4") for (; j1 + 8 <= D1; j1 += 8) {
                    i64 j1x[8];
                    FOR(u, 8) j1x[u] = j1 + u;
                    float v7l[8]; /* matmul(X,..) */
                    FOR(u, 8) v7l[u] = m0[j1x[u] * D0 + n0l];
                    FOR(u, 8) a8[u] = (a8[u] + v7l[u]); /* matmul(X,..) */
                }
                if (j1 < D1) {
                    i64 j1x[8];
                    FOR(u, 8) j1x[u] = sn_least(j1 + u, D1 - 1);
                    float v7l[8]; /* matmul(X,..) */
                    FOR(u, 8) v7l[u] = m0[j1x[u] * D0 + n0l];
                    FOR(u, 8) if (j1 + u < D1) a8[u] = (a8[u] + v7l[u]); /* matmul(X,..) */
                }
            }
            float v8l;
            FOR(u, 4) a8[u] = op_add::of(a8[2 * u], a8[2 * u + 1]);
            FOR(u, 2) a8[u] = op_add::of(a8[2 * u], a8[2 * u + 1]);
            FOR(u, 1) a8[u] = op_add::of(a8[2 * u], a8[2 * u + 1]);
            v8l = a8[0];
            /* phase 2 */
            const float v9l = m1[n0l]; /* W1 */
            const float v10l = (v9l + v9l); /* add(W1,W1) */
            const float v11l = fmaf(v5, v10l, v8l);
            const float v12l = (-v11l); /* sub(W1,..) */
            const float v13l = fmaf(v12l, v6, v9l); /* sub(W1,..) */
            if (t < present) m1[n0l] = v13l; /* sub(W1,..) */
            n0 += 32;
        }
        return;
    }
    if (blockIdx.x < g.first[2]) {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 4 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[1] * 4;
        if (chunk >= g.chunks[1]) return;
        /* phase 3 */
        const i64 v15 = D2;
        const float v16 = (float)v15;
        const float v17 = __int_as_float((int)S0);
        const float v18 = 1.0f;
        const float v19 = (v18 / v16);
        const float v20 = (v17 * v19);
        const float v21 = __int_as_float((int)S1);
        const i64 first = sn_opaque(chunk * g.each[1] + (i64)__umul64hi(chunk * g.over[1], g.inverse[1])), end = (chunk + 1) * g.each[1] + (i64)__umul64hi((chunk + 1) * g.over[1], g.inverse[1]);
        i64 n2 = first * 32;
        for (i64 tile = first; tile < end; tile++) {
            const int present = (int)sn_least(32, D0 - n2);
            const i64 n2l = n2 + sn_least(t, present - 1);
            /* phase 4 */
            float a23[8];
            FOR(u, 8) a23[u] = 0.0f;
            {
                i64 j3 = 0;
                _Pragma("unroll 4") for (; j3 + 8 <= D1; j3 += 8) {
                    i64 j3x[8];
                    FOR(u, 8) j3x[u] = j3 + u;
                    float v22l[8];
                    FOR(u, 8) v22l[u] = m2[j3x[u] * D0 + n2l];
                    FOR(u, 8) a23[u] = (a23[u] + v22l[u]);
                }
                if (j3 < D1) {
                    i64 j3x[8];
                    FOR(u, 8) j3x[u] = sn_least(j3 + u, D1 - 1);
                    float v22l[8];
                    FOR(u, 8) v22l[u] = m2[j3x[u] * D0 + n2l];
                    FOR(u, 8) if (j3 + u < D1) a23[u] = (a23[u] + v22l[u]);
                }
            }
            float v23l;
            FOR(u, 4) a23[u] = op_add::of(a23[2 * u], a23[2 * u + 1]);
            FOR(u, 2) a23[u] = op_add::of(a23[2 * u], a23[2 * u + 1]);
            FOR(u, 1) a23[u] = op_add::of(a23[2 * u], a23[2 * u + 1]);
            v23l = a23[0];
            /* phase 5 */
            const float v24l = m3[n2l]; /* W2 */
            const float v25l = (v24l + v24l); /* add(W2,W2) */
            const float v26l = fmaf(v20, v25l, v23l);
            const float v27l = (-v26l); /* sub(W2,..) */
            const float v28l = fmaf(v27l, v21, v24l); /* sub(W2,..) */
            if (t < present) m3[n2l] = v28l; /* sub(W2,..) */
            n2 += 32;
        }
        return;
    }
    if (blockIdx.x < g.first[3]) {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 4 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[2] * 4;
        if (chunk >= g.chunks[2]) return;
        /* phase 6 */
        const float v30 = __int_as_float((int)S1);
        const i64 first = sn_opaque(chunk * g.each[2] + (i64)__umul64hi(chunk * g.over[2], g.inverse[2])), end = (chunk + 1) * g.each[2] + (i64)__umul64hi((chunk + 1) * g.over[2], g.inverse[2]);
        i64 n4 = first * 32;
        for (i64 tile = first; tile < end; tile++) {
            const int present = (int)sn_least(32, D4 - n4);
            const i64 n4l = n4 + sn_least(t, present - 1);
            /* phase 7 */
            float a32[8];
            FOR(u, 8) a32[u] = 0.0f;
            {
                i64 j5 = 0;
                _Pragma("unroll 4") for (; j5 + 8 <= D1; j5 += 8) {
                    i64 j5x[8];
                    FOR(u, 8) j5x[u] = j5 + u;
                    float v31l[8];
                    FOR(u, 8) v31l[u] = m4[j5x[u] * D4 + n4l];
                    FOR(u, 8) a32[u] = (a32[u] + v31l[u]);
                }
                if (j5 < D1) {
                    i64 j5x[8];
                    FOR(u, 8) j5x[u] = sn_least(j5 + u, D1 - 1);
                    float v31l[8];
                    FOR(u, 8) v31l[u] = m4[j5x[u] * D4 + n4l];
                    FOR(u, 8) if (j5 + u < D1) a32[u] = (a32[u] + v31l[u]);
                }
            }
            float v32l;
            FOR(u, 4) a32[u] = op_add::of(a32[2 * u], a32[2 * u + 1]);
            FOR(u, 2) a32[u] = op_add::of(a32[2 * u], a32[2 * u + 1]);
            FOR(u, 1) a32[u] = op_add::of(a32[2 * u], a32[2 * u + 1]);
            v32l = a32[0];
            /* phase 8 */
            const float v33l = m5[n4l]; /* b1 */
            const float v34l = (-v32l); /* sub(b1,..) */
            const float v35l = fmaf(v34l, v30, v33l); /* sub(b1,..) */
            if (t < present) m5[n4l] = v35l; /* sub(b1,..) */
            n4 += 32;
        }
        return;
    }
    {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 4 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[3] * 4;
        if (chunk >= g.chunks[3]) return;
        u8 *const meet = 0;
        int turn = 0;
        /* phase 9 */
        float a38[2][8];
        FOR(i, 2) FOR(u, 8) a38[i][u] = 0.0f;
        for (i64 j7 = 0; j7 < D1; j7 += 256) {
            i64 j7x[8];
            FOR(u, 8) j7x[u] = sn_least(j7 + u * 32 + t, D1 - 1);
            float v37[8][2];
            FOR(u, 8) FOR(k6, 2) v37[u][k6] = m6[j7x[u] * 2 + k6];
            FOR(k6, 2) FOR(u, 8) if (j7 + u * 32 + t < D1) a38[k6][u] = (a38[k6][u] + v37[u][k6]);
        }
        float v38[2];
        FOR(i, 2) FOR(u, 4) a38[i][u] = op_add::of(a38[i][2 * u], a38[i][2 * u + 1]);
        FOR(i, 2) FOR(u, 2) a38[i][u] = op_add::of(a38[i][2 * u], a38[i][2 * u + 1]);
        FOR(i, 2) FOR(u, 1) a38[i][u] = op_add::of(a38[i][2 * u], a38[i][2 * u + 1]);
        float x38[2];
        FOR(i, 2) x38[i] = a38[i][0];
        sn_fold<op_add, 32, 32, 2, 2>(&x38[0], t, meet, turn);
        FOR(k6, 2) v38[k6] = x38[k6];
        /* phase 10 */
        float v39[2]; /* b2 */
        FOR(k6, 2) v39[k6] = m7[k6];
        const float v40 = __int_as_float((int)S1);
        float v41[2]; /* sub(b2,..) */
        FOR(k6, 2) v41[k6] = (-v38[k6]);
        float v42[2]; /* sub(b2,..) */
        FOR(k6, 2) v42[k6] = fmaf(v41[k6], v40, v39[k6]);
        SYNC3; /* sub(b2,..) */
        FOR(k6, 2) if (t == 0 && chunk == 0) m7[k6] = v42[k6];
    }
}
