// kernel digit.0 matmul sigmoid
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
extern "C" __global__ void __launch_bounds__(256, SN_THREADS / 256) kernel(
    const float *__restrict__ m0, /* W1 */
    const float *__restrict__ m1, /* x */
    float *m2, /* t8 */
    const float *__restrict__ m3, /* W2 */
    float *m4g, /* t10.part */
    const i64 D0,
    const i64 D1,
    const i64 D2,
    const i64 D3,
    const sn_grid g)
{
    extern __shared__ __align__(16) u8 sn_shared[];
    __shared__ __align__(16) u8 sn_meet[2 * SN_MEET];
    {
        const int t = threadIdx.x;
        const i64 team = (i64)blockIdx.x;
        const i64 chunk = team - (i64)g.first[0];
        if (chunk >= g.chunks[0]) return;
        u8 *const meet = sn_meet;
        int turn = 0;
        if (g.even[0]) {
            float *const m4 = m4g + chunk * 10;
            float a6[10];
            FOR(i, 10) a6[i] = 0.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first;
            for (i64 tile = first; tile < end; tile++) {
                /* phase 0 */
                float a2[4];
                FOR(v, 4) a2[v] = 0.0f;
                {
                    const i64 j2x = t * 4;
                    const bool in_j2 = j2x < D1;
                    float v0[4] = {}; /* W1 */
                    if (in_j2) sn_read<4>(&v0[0], &m0[n0 * D1 + j2x]);
                    float v1[4] = {}; /* x */
                    if (in_j2) sn_read<4>(&v1[0], &m1[j2x]);
                    FOR(v, 4) if (in_j2) a2[v] = fmaf(v0[v], v1[v], a2[v]); /* matmul(W1,x) */
                }
                float v2;
                float y2;
                y2 = sn_fold_own<op_add, 4>(a2);
                sn_fold<op_add, 256, 256, 1, 1>(&y2, t, meet, turn);
                v2 = y2;
                /* phase 1 */
                if (t < 32) {
                    bool rare3 = false;
                    float v3 = sn_sigmoid_f32(v2, &rare3);
                    if (rare3) {
                        v3 = sn_sigmoid_f32_rare(v2);
                    }
                    if (t == 0) m2[n0] = v3;
                    float v5[10]; /* W2 */
                    FOR(k1, 10) v5[k1] = m3[k1 * D0 + n0];
                    FOR(k1, 10) a6[k1] = fmaf(v5[k1], v3, a6[k1]); /* matmul(W2,..) */
                }
                n0 += 1;
            }
            if (t == 0) FOR(k1, 10) m4[k1] = a6[k1];
        } else {
            float *const m4 = m4g + chunk * 10;
            float a6[10];
            FOR(i, 10) a6[i] = 0.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first;
            for (i64 tile = first; tile < end; tile++) {
                /* phase 0 */
                float a2[4];
                FOR(v, 4) a2[v] = 0.0f;
                for (i64 j2 = 0; j2 < D1; j2 += 1024) {
                    const i64 j2x = j2 + t * 4;
                    const int own_j2 = (int)sn_least(4, D1 - j2x);
                    float v0[4] = {}; /* W1 */
                    if (own_j2 == 4 && sn_fits<4>(&m0[n0 * D1 + j2x])) sn_read<4>(&v0[0], &m0[n0 * D1 + j2x]);
                    else FOR(v, 4) if (v < own_j2) v0[v] = m0[n0 * D1 + (j2x + v)];
                    float v1[4] = {}; /* x */
                    if (own_j2 == 4 && sn_fits<4>(&m1[j2x])) sn_read<4>(&v1[0], &m1[j2x]);
                    else FOR(v, 4) if (v < own_j2) v1[v] = m1[(j2x + v)];
                    FOR(v, 4) if (v < own_j2) a2[v] = fmaf(v0[v], v1[v], a2[v]); /* matmul(W1,x) */
                }
                float v2;
                float y2;
                y2 = sn_fold_own<op_add, 4>(a2);
                sn_fold<op_add, 256, 256, 1, 1>(&y2, t, meet, turn);
                v2 = y2;
                /* phase 1 */
                if (t < 32) {
                    bool rare3 = false;
                    float v3 = sn_sigmoid_f32(v2, &rare3);
                    if (rare3) {
                        v3 = sn_sigmoid_f32_rare(v2);
                    }
                    if (t == 0) m2[n0] = v3;
                    float v5[10]; /* W2 */
                    FOR(k1, 10) v5[k1] = m3[k1 * D0 + n0];
                    FOR(k1, 10) a6[k1] = fmaf(v5[k1], v3, a6[k1]); /* matmul(W2,..) */
                }
                n0 += 1;
            }
            if (t == 0) FOR(k1, 10) m4[k1] = a6[k1];
        }
    }
}

// kernel digit.1 matmul sub mul update
struct sn_grid {
    u64 scratch;
    unsigned scratch_bytes, in_shared;
    i64 chunks[1], each[1], over[1];
    u64 inverse[1];
    unsigned first[1], even[1];
    int at[6];
};

#ifndef SN_THREADS
#define SN_THREADS 1024
#endif
extern "C" __global__ void __launch_bounds__(256, SN_THREADS / 256) kernel(
    const float *__restrict__ m0, /* t10.part */
    const float *__restrict__ m1, /* t */
    const float *__restrict__ m2, /* t8 */
    float *m3, /* W2 */
    const float *__restrict__ m4, /* x */
    float *m5, /* W1 */
    const i64 D0,
    const i64 D1,
    const i64 D2,
    const i64 D3,
    const i64 D4,
    const i64 D5,
    const u64 S0,
    const sn_grid g)
{
    extern __shared__ __align__(16) u8 sn_shared[];
    __shared__ __align__(16) u8 sn_meet[2 * SN_MEET];
    {
        const int t = threadIdx.x;
        const i64 team = (i64)blockIdx.x;
        const i64 chunk = team - (i64)g.first[0];
        if (chunk >= g.chunks[0]) return;
        u8 *const meet = sn_meet;
        int turn = 0;
        if (g.even[0]) {
            /* phase 0 */
            const float v0 = 1.0f;
            const float v1 = __int_as_float((int)S0);
            /* phase 1 */
            float a3[10];
            FOR(i, 10) a3[i] = 0.0f;
            for (i64 j3 = 0; j3 < D2; j3 += 256) {
                const i64 j3x = j3 + t;
                const bool in_j3 = j3x < D2;
                float v2[10] = {}; /* matmul(W2,..) */
                FOR(k1, 10) if (in_j3) v2[k1] = m0[j3x * 10 + k1];
                FOR(k1, 10) if (in_j3) a3[k1] = (a3[k1] + v2[k1]); /* matmul(W2,..) */
            }
            float v3[10];
            sn_fold<op_add, 256, 256, 10, 8>(&a3[0], t, meet, turn);
            FOR(k1, 10) v3[k1] = a3[k1];
            /* phase 2 */
            float v4[10]; /* t */
            FOR(k1, 10) v4[k1] = m1[k1];
            float v5[10];
            {
                float x = 0;
                FOR(k1, 10) if (t % 32 >= k1) x = v3[k1];
                bool rare = false;
                float z = sn_sigmoid_f32(x, &rare);
                if (rare) z = sn_sigmoid_f32_rare(x);
                FOR(k1, 10) v5[k1] = sn_from(z, k1);
            }
            float v6[10]; /* sub(..,t) */
            FOR(k1, 10) v6[k1] = (v5[k1] - v4[k1]);
            float v7[10];
            FOR(k1, 10) v7[k1] = (v6[k1] + v6[k1]);
            float v8[10];
            FOR(k1, 10) v8[k1] = (v0 - v5[k1]);
            float v9[10];
            FOR(k1, 10) v9[k1] = (v5[k1] * v8[k1]);
            float v10[10];
            FOR(k1, 10) v10[k1] = (v7[k1] * v9[k1]);
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first;
            for (i64 tile = first; tile < end; tile++) {
                float x21[4] = {};
                float x23[4] = {};
                {
                    const i64 j2x = t * 4;
                    const bool in_j2 = j2x < D1;
                    if (in_j2) sn_read<4>(&x21[0], &m4[j2x]);
                    if (in_j2) sn_read<4>(&x23[0], &m5[n0 * D1 + j2x]);
                }
                /* phase 3 */
                const float v11 = m2[n0];
                float v13[10]; /* W2 */
                FOR(k1, 10) v13[k1] = m3[k1 * D0 + n0];
                float v14; /* matmul(W2,..) */
                {
                    float acc = (float)0;
                    FOR(k1, 10) acc = k1 == 0 ? (v13[k1] * v10[k1]) : fmaf(v13[k1], v10[k1], acc);
                    v14 = acc;
                }
                const float v15 = (v0 - v11);
                const float v16 = (v11 * v15);
                const float v17 = (v14 * v16);
                SYNC0;
                if (t < 32) {
                    float v12[10];
                    FOR(k1, 10) v12[k1] = (v10[k1] * v11);
                    float v18[10]; /* sub(W2,..) */
                    FOR(k1, 10) v18[k1] = (-v12[k1]);
                    float v19[10]; /* sub(W2,..) */
                    FOR(k1, 10) v19[k1] = fmaf(v18[k1], v1, v13[k1]);
                    FOR(k1, 10) if (t == 0) m3[k1 * D0 + n0] = v19[k1]; /* sub(W2,..) */
                }
                /* phase 4 */
                {
                    const i64 j2x = t * 4;
                    const bool in_j2 = j2x < D1;
                    float v21[4] = {}; /* x */
                    FOR(v, 4) v21[v] = x21[v];
                    float v22[4]; /* matmul(..,x) */
                    FOR(v, 4) v22[v] = (v17 * v21[v]);
                    float v23[4] = {}; /* W1 */
                    FOR(v, 4) v23[v] = x23[v];
                    float v24[4]; /* sub(W1,..) */
                    FOR(v, 4) v24[v] = (-v22[v]);
                    float v25[4]; /* sub(W1,..) */
                    FOR(v, 4) v25[v] = fmaf(v24[v], v1, v23[v]);
                    if (in_j2) sn_write<4>(&m5[n0 * D1 + j2x], &v25[0]); /* sub(W1,..) */
                }
                n0 += 1;
            }
        } else {
            /* phase 0 */
            const float v0 = 1.0f;
            const float v1 = __int_as_float((int)S0);
            /* phase 1 */
            float a3[10];
            FOR(i, 10) a3[i] = 0.0f;
            for (i64 j3 = 0; j3 < D2; j3 += 256) {
                const i64 j3x = sn_least(j3 + t, D2 - 1);
                float v2[10]; /* matmul(W2,..) */
                FOR(k1, 10) v2[k1] = m0[j3x * 10 + k1];
                FOR(k1, 10) if (j3 + t < D2) a3[k1] = (a3[k1] + v2[k1]); /* matmul(W2,..) */
            }
            float v3[10];
            sn_fold<op_add, 256, 256, 10, 8>(&a3[0], t, meet, turn);
            FOR(k1, 10) v3[k1] = a3[k1];
            /* phase 2 */
            float v4[10]; /* t */
            FOR(k1, 10) v4[k1] = m1[k1];
            float v5[10];
            {
                float x = 0;
                FOR(k1, 10) if (t % 32 >= k1) x = v3[k1];
                bool rare = false;
                float z = sn_sigmoid_f32(x, &rare);
                if (rare) z = sn_sigmoid_f32_rare(x);
                FOR(k1, 10) v5[k1] = sn_from(z, k1);
            }
            float v6[10]; /* sub(..,t) */
            FOR(k1, 10) v6[k1] = (v5[k1] - v4[k1]);
            float v7[10];
            FOR(k1, 10) v7[k1] = (v6[k1] + v6[k1]);
            float v8[10];
            FOR(k1, 10) v8[k1] = (v0 - v5[k1]);
            float v9[10];
            FOR(k1, 10) v9[k1] = (v5[k1] * v8[k1]);
            float v10[10];
            FOR(k1, 10) v10[k1] = (v7[k1] * v9[k1]);
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first;
            for (i64 tile = first; tile < end; tile++) {
                /* phase 3 */
                const float v11 = m2[n0];
                float v13[10]; /* W2 */
                FOR(k1, 10) v13[k1] = m3[k1 * D0 + n0];
                float v14; /* matmul(W2,..) */
                {
                    float acc = (float)0;
                    FOR(k1, 10) acc = k1 == 0 ? (v13[k1] * v10[k1]) : fmaf(v13[k1], v10[k1], acc);
                    v14 = acc;
                }
                const float v15 = (v0 - v11);
                const float v16 = (v11 * v15);
                const float v17 = (v14 * v16);
                SYNC0;
                if (t < 32) {
                    float v12[10];
                    FOR(k1, 10) v12[k1] = (v10[k1] * v11);
                    float v18[10]; /* sub(W2,..) */
                    FOR(k1, 10) v18[k1] = (-v12[k1]);
                    float v19[10]; /* sub(W2,..) */
                    FOR(k1, 10) v19[k1] = fmaf(v18[k1], v1, v13[k1]);
                    FOR(k1, 10) if (t == 0) m3[k1 * D0 + n0] = v19[k1]; /* sub(W2,..) */
                }
                /* phase 4 */
                for (i64 j2 = 0; j2 < D1; j2 += 1024) {
                    const i64 j2x = sn_opaque(j2 + t * 4);
                    const int own_j2 = (int)sn_least(4, D1 - j2x);
                    float v21[4] = {}; /* x */
                    if (own_j2 == 4 && sn_fits<4>(&m4[j2x])) sn_read<4>(&v21[0], &m4[j2x]);
                    else FOR(v, 4) if (v < own_j2) v21[v] = m4[(j2x + v)];
                    float v22[4]; /* matmul(..,x) */
                    FOR(v, 4) v22[v] = (v17 * v21[v]);
                    float v23[4] = {}; /* W1 */
                    if (own_j2 == 4 && sn_fits<4>(&m5[n0 * D1 + j2x])) sn_read<4>(&v23[0], &m5[n0 * D1 + j2x]);
                    else FOR(v, 4) if (v < own_j2) v23[v] = m5[n0 * D1 + (j2x + v)];
                    float v24[4]; /* sub(W1,..) */
                    FOR(v, 4) v24[v] = (-v22[v]);
                    float v25[4]; /* sub(W1,..) */
                    FOR(v, 4) v25[v] = fmaf(v24[v], v1, v23[v]);
                    if (own_j2 == 4 && sn_fits<4>(&m5[n0 * D1 + j2x])) sn_write<4>(&m5[sn_opaque(n0 * D1 + j2x)], &v25[0]); /* sub(W1,..) */
                    else FOR(v, 4) if (v < own_j2) m5[n0 * D1 + (j2x + v)] = v25[v];
                }
                n0 += 1;
            }
        }
    }
}
