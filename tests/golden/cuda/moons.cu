// kernel moons.0 matmul add tanh reduce_max sub exp sum eq
struct sn_grid {
    u64 scratch;
    unsigned scratch_bytes, in_shared;
    i64 chunks[1], each[1], over[1];
    unsigned first[1];
    int at[11];
};

extern "C" __global__ void __launch_bounds__(256) kernel(
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
    {
        const int t = threadIdx.x;
        const i64 team = (i64)blockIdx.x;
        const i64 chunk = team - (i64)g.first[0];
        if (chunk >= g.chunks[0]) return;
        u8 *const scratch = g.in_shared ? sn_shared : (u8 *)g.scratch + team * g.scratch_bytes;
        __shared__ __align__(16) u8 meet[2 * SN_MEET];
        int turn = 0;
        float *const m4 = (float *)(scratch + g.at[4]);
        float *const m7 = g.at[7] < 0 ? m7g + chunk * 2 : (float *)(scratch + g.at[7]);
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
        float v0[2];
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
        const i64 first = chunk * g.each[0] + (unsigned)chunk * (unsigned)g.over[0] / (unsigned)g.chunks[0], end = (chunk + 1) * g.each[0] + (unsigned)(chunk + 1) * (unsigned)g.over[0] / (unsigned)g.chunks[0];
        i64 n0 = first * 4;
        for (i64 tile = first; tile < end; tile++) {
            const int present = (int)sn_least(4, D0 - n0);
            i64 n0c[4];
            FOR(r, 4) n0c[r] = n0 + sn_least(r, present - 1);
            /* phase 1 */
            float v10c[4][2];
            FOR(r, 4) FOR(k1, 2) v10c[r][k1] = m1[n0c[r] * 2 + k1];
            float a18[8];
            FOR(i, 8) a18[i] = 0.0f;
            for (i64 j3 = 0; j3 < D1; j3 += 256) {
                const i64 j3x = sn_least(j3 + t, D1 - 1);
                float v11[2];
                FOR(k1, 2) v11[k1] = m2[k1 * D1 + j3x];
                float v12c[4];
                FOR(r, 4) {
                    float acc = (float)0;
                    FOR(k1, 2) acc = k1 == 0 ? (v10c[r][k1] * v11[k1]) : fmaf(v10c[r][k1], v11[k1], acc);
                    v12c[r] = acc;
                }
                const float v13 = m3[j3x];
                float v14c[4];
                FOR(r, 4) v14c[r] = (v12c[r] + v13);
                float v15c[4];
                FOR(r, 4) v15c[r] = sn_tanh_f32(v14c[r]);
                FOR(r, 4) if (r < present && j3 + t < D1) m4[(n0c[r] - n0) * D1 + j3x] = v15c[r];
                float v17[2];
                FOR(k2, 2) v17[k2] = m5[j3x * 2 + k2];
                FOR(r, 4) FOR(k2, 2) if (j3 + t < D1) a18[r * 2 + k2] = fmaf(v15c[r], v17[k2], a18[r * 2 + k2]);
            }
            float v18c[4][2];
            sn_fold<op_add, 256, 256, 8, 8>(&a18[0], t, meet, turn);
            FOR(r, 4) FOR(k2, 2) v18c[r][k2] = a18[r * 2 + k2];
            /* phase 2 */
            float v19c[4][2];
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
            FOR(r, 4) FOR(k2, 2) v22c[r][k2] = sn_exp_f32(v21c[r][k2]);
            float v23c[4];
            FOR(r, 4) {
                float acc = (float)0;
                FOR(k2, 2) acc = k2 == 0 ? v22c[r][k2] : (acc + v22c[r][k2]);
                v23c[r] = acc;
            }
            i64 v24c[4];
            FOR(r, 4) v24c[r] = m6[n0c[r]];
            bool v25c[4][2];
            FOR(r, 4) FOR(k2, 2) v25c[r][k2] = (v24c[r] == v3[k2]);
            bool v26c[4];
            FOR(r, 4) v26c[r] = (v24c[r] < v5);
            bool v27c[4];
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
            FOR(r, 4) v32c[r] = (v29c[r] / v23c[r]);
            float v33c[4][2];
            FOR(r, 4) FOR(k2, 2) v33c[r][k2] = fmaf(v22c[r][k2], v32c[r], v31c[r][k2]);
            FOR(k2, 2) FOR(r, 4) if (r < present) a34[k2][r] = (a34[k2][r] + v33c[r][k2]);
            /* phase 3 */
            for (i64 j3 = 0; j3 < D1; j3 += 256) {
                const i64 j3x = sn_least(j3 + t, D1 - 1);
                float v35[2];
                FOR(k2, 2) v35[k2] = m5[j3x * 2 + k2];
                float v36c[4];
                FOR(r, 4) {
                    float acc = (float)0;
                    FOR(k2, 2) acc = k2 == 0 ? (v33c[r][k2] * v35[k2]) : fmaf(v33c[r][k2], v35[k2], acc);
                    v36c[r] = acc;
                }
                float v37c[4];
                FOR(r, 4) v37c[r] = m4[(n0c[r] - n0) * D1 + j3x];
                FOR(k2, 2) if (j3 + t < D1) {
                    float acc = m8[j3x * 2 + k2];
                    FOR(r, 4) if (r < present) acc = fmaf(v37c[r], v33c[r][k2], acc);
                    m8[j3x * 2 + k2] = acc;
                }
                float v39c[4];
                FOR(r, 4) v39c[r] = (-v37c[r]);
                float v40c[4];
                FOR(r, 4) v40c[r] = fmaf(v39c[r], v37c[r], v9);
                float v41c[4];
                FOR(r, 4) v41c[r] = (v36c[r] * v40c[r]);
                if (j3 + t < D1) {
                    float acc = m9[j3x];
                    FOR(r, 4) if (r < present) acc = (acc + v41c[r]);
                    m9[j3x] = acc;
                }
                FOR(k1, 2) if (j3 + t < D1) {
                    float acc = m10[k1 * D1 + j3x];
                    FOR(r, 4) if (r < present) acc = fmaf(v10c[r][k1], v41c[r], acc);
                    m10[k1 * D1 + j3x] = acc;
                }
            }
            n0 += 4;
        }
        if (t == 0) FOR(k2, 2) m7[k2] = sn_fold_own<op_add, 4>(a34[k2]);
        SYNC0;
        if (g.at[7] >= 0) for (i64 i = t; i < 2; i += 256) m7g[chunk * 2 + i] = m7[i];
        if (g.at[8] >= 0) for (i64 i = t; i < D3; i += 256) m8g[chunk * D3 + i] = m8[i];
        if (g.at[9] >= 0) for (i64 i = t; i < D1; i += 256) m9g[chunk * D1 + i] = m9[i];
        if (g.at[10] >= 0) for (i64 i = t; i < D3; i += 256) m10g[chunk * D3 + i] = m10[i];
    }
}

// kernel moons.1 add mul sub update
struct sn_grid {
    u64 scratch;
    unsigned scratch_bytes, in_shared;
    i64 chunks[4], each[4], over[4];
    unsigned first[4];
    int at[8];
};

extern "C" __global__ void __launch_bounds__(128) kernel(
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
        const i64 first = chunk * g.each[0] + (unsigned)chunk * (unsigned)g.over[0] / (unsigned)g.chunks[0], end = (chunk + 1) * g.each[0] + (unsigned)(chunk + 1) * (unsigned)g.over[0] / (unsigned)g.chunks[0];
        i64 n0 = first * 128;
        for (i64 tile = first; tile < end; tile++) {
            const int present = (int)sn_least(128, D0 - n0);
            i64 n0l[4];
            FOR(v, 4) n0l[v] = n0 + sn_least(t * 4 + v, present - 1);
            /* phase 1 */
            float a8[4];
            FOR(v, 4) a8[v] = 0.0f;
            for (i64 j1 = 0; j1 < D1; j1 += 1) {
                float v7l[4];
                if (t * 4 + 3 < present && sn_fits<4>(&m0[j1 * D0 + n0l[0]])) sn_read<4>(&v7l[0], &m0[j1 * D0 + n0l[0]]);
                else FOR(v, 4) v7l[v] = m0[j1 * D0 + n0l[v]];
                FOR(v, 4) a8[v] = (a8[v] + v7l[v]);
            }
            float v8l[4];
            FOR(v, 4) v8l[v] = a8[v];
            /* phase 2 */
            float v9l[4];
            if (t * 4 + 3 < present && sn_fits<4>(&m1[n0l[0]])) sn_read<4>(&v9l[0], &m1[n0l[0]]);
            else FOR(v, 4) v9l[v] = m1[n0l[v]];
            float v10l[4];
            FOR(v, 4) v10l[v] = (v9l[v] + v9l[v]);
            float v11l[4];
            FOR(v, 4) v11l[v] = fmaf(v5, v10l[v], v8l[v]);
            float v12l[4];
            FOR(v, 4) v12l[v] = (-v11l[v]);
            float v13l[4];
            FOR(v, 4) v13l[v] = fmaf(v12l[v], v6, v9l[v]);
            if (t * 4 + 3 < present && sn_fits<4>(&m1[n0l[0]])) sn_write<4>(&m1[n0l[0]], &v13l[0]);
            else FOR(v, 4) if (t * 4 + v < present) m1[n0l[v]] = v13l[v];
            n0 += 128;
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
        const i64 first = chunk * g.each[1] + (unsigned)chunk * (unsigned)g.over[1] / (unsigned)g.chunks[1], end = (chunk + 1) * g.each[1] + (unsigned)(chunk + 1) * (unsigned)g.over[1] / (unsigned)g.chunks[1];
        i64 n2 = first * 128;
        for (i64 tile = first; tile < end; tile++) {
            const int present = (int)sn_least(128, D0 - n2);
            i64 n2l[4];
            FOR(v, 4) n2l[v] = n2 + sn_least(t * 4 + v, present - 1);
            /* phase 4 */
            float a23[4];
            FOR(v, 4) a23[v] = 0.0f;
            for (i64 j3 = 0; j3 < D1; j3 += 1) {
                float v22l[4];
                if (t * 4 + 3 < present && sn_fits<4>(&m2[j3 * D0 + n2l[0]])) sn_read<4>(&v22l[0], &m2[j3 * D0 + n2l[0]]);
                else FOR(v, 4) v22l[v] = m2[j3 * D0 + n2l[v]];
                FOR(v, 4) a23[v] = (a23[v] + v22l[v]);
            }
            float v23l[4];
            FOR(v, 4) v23l[v] = a23[v];
            /* phase 5 */
            float v24l[4];
            if (t * 4 + 3 < present && sn_fits<4>(&m3[n2l[0]])) sn_read<4>(&v24l[0], &m3[n2l[0]]);
            else FOR(v, 4) v24l[v] = m3[n2l[v]];
            float v25l[4];
            FOR(v, 4) v25l[v] = (v24l[v] + v24l[v]);
            float v26l[4];
            FOR(v, 4) v26l[v] = fmaf(v20, v25l[v], v23l[v]);
            float v27l[4];
            FOR(v, 4) v27l[v] = (-v26l[v]);
            float v28l[4];
            FOR(v, 4) v28l[v] = fmaf(v27l[v], v21, v24l[v]);
            if (t * 4 + 3 < present && sn_fits<4>(&m3[n2l[0]])) sn_write<4>(&m3[n2l[0]], &v28l[0]);
            else FOR(v, 4) if (t * 4 + v < present) m3[n2l[v]] = v28l[v];
            n2 += 128;
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
        const i64 first = chunk * g.each[2] + (unsigned)chunk * (unsigned)g.over[2] / (unsigned)g.chunks[2], end = (chunk + 1) * g.each[2] + (unsigned)(chunk + 1) * (unsigned)g.over[2] / (unsigned)g.chunks[2];
        i64 n4 = first * 128;
        for (i64 tile = first; tile < end; tile++) {
            const int present = (int)sn_least(128, D4 - n4);
            i64 n4l[4];
            FOR(v, 4) n4l[v] = n4 + sn_least(t * 4 + v, present - 1);
            /* phase 7 */
            float a32[4];
            FOR(v, 4) a32[v] = 0.0f;
            for (i64 j5 = 0; j5 < D1; j5 += 1) {
                float v31l[4];
                if (t * 4 + 3 < present && sn_fits<4>(&m4[j5 * D4 + n4l[0]])) sn_read<4>(&v31l[0], &m4[j5 * D4 + n4l[0]]);
                else FOR(v, 4) v31l[v] = m4[j5 * D4 + n4l[v]];
                FOR(v, 4) a32[v] = (a32[v] + v31l[v]);
            }
            float v32l[4];
            FOR(v, 4) v32l[v] = a32[v];
            /* phase 8 */
            float v33l[4];
            if (t * 4 + 3 < present && sn_fits<4>(&m5[n4l[0]])) sn_read<4>(&v33l[0], &m5[n4l[0]]);
            else FOR(v, 4) v33l[v] = m5[n4l[v]];
            float v34l[4];
            FOR(v, 4) v34l[v] = (-v32l[v]);
            float v35l[4];
            FOR(v, 4) v35l[v] = fmaf(v34l[v], v30, v33l[v]);
            if (t * 4 + 3 < present && sn_fits<4>(&m5[n4l[0]])) sn_write<4>(&m5[n4l[0]], &v35l[0]);
            else FOR(v, 4) if (t * 4 + v < present) m5[n4l[v]] = v35l[v];
            n4 += 128;
        }
        return;
    }
    {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 4 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[3] * 4;
        if (chunk >= g.chunks[3]) return;
        /* phase 9 */
        float a38[2];
        FOR(i, 2) a38[i] = 0.0f;
        for (i64 j7 = 0; j7 < D1; j7 += 1) {
            float v37[2];
            FOR(k6, 2) v37[k6] = m6[j7 * 2 + k6];
            FOR(k6, 2) a38[k6] = (a38[k6] + v37[k6]);
        }
        float v38[2];
        FOR(k6, 2) v38[k6] = a38[k6];
        /* phase 10 */
        float v39[2];
        FOR(k6, 2) v39[k6] = m7[k6];
        const float v40 = __int_as_float((int)S1);
        float v41[2];
        FOR(k6, 2) v41[k6] = (-v38[k6]);
        float v42[2];
        FOR(k6, 2) v42[k6] = fmaf(v41[k6], v40, v39[k6]);
        SYNC3;
        FOR(k6, 2) if (t == 0 && chunk == 0) m7[k6] = v42[k6];
        SYNC3;
    }
}
