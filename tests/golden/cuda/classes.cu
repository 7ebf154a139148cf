// kernel classes.0 relu matmul add reduce_max sub exp sum eq
struct sn_grid {
    u64 scratch;
    unsigned scratch_bytes, in_shared;
    i64 chunks[2], each[2], over[2];
    u64 inverse[2];
    unsigned first[2], even[2];
    int at[8];
};

#ifndef SN_THREADS
#define SN_THREADS 512
#endif
extern "C" __global__ void __launch_bounds__(256, SN_THREADS / 256) kernel(
    const float *__restrict__ m0, /* b */
    const float *__restrict__ m1, /* x */
    const float *__restrict__ m2, /* W */
    const i64 *__restrict__ m3, /* y */
    float *m4g, /* t46.part */
    float *m5g, /* t47.part */
    const float *__restrict__ m6, /* steps */
    float *m7, /* t48 */
    const i64 D0,
    const i64 D1,
    const i64 D2,
    const i64 D3,
    const sn_grid g)
{
    extern __shared__ __align__(16) u8 sn_shared[];
    __shared__ __align__(16) u8 sn_meet[2 * SN_MEET];
    if (blockIdx.x < g.first[1]) {
        const int t = threadIdx.x;
        const i64 team = (i64)blockIdx.x;
        const i64 chunk = team - (i64)g.first[0];
        if (chunk >= g.chunks[0]) return;
        u8 *const scratch = g.in_shared ? sn_shared : (u8 *)g.scratch + team * g.scratch_bytes;
        u8 *const meet = sn_meet;
        int turn = 0;
        if (g.even[0]) {
            float *const m4 = m4g + chunk * 10;
            float *const m5 = m5g + chunk * D3;
            float a29[10][2];
            FOR(i, 10) FOR(v, 2) a29[i][v] = 0.0f;
            float w5[2][10];
            FOR(q, 2) FOR(k1, 10) w5[q][k1] = 0.0f;
            /* phase 0 */
            float v0[10]; /* b */
            FOR(k1, 10) v0[k1] = m0[k1];
            i64 v1[10];
            FOR(k1, 10) v1[k1] = (i64)(k1);
            const float v2 = 0.0f;
            const i64 v3 = 10LL;
            const i64 v4 = 0LL;
            const i64 v5 = D0;
            const float v6 = (float)v5;
            const float v7 = 1.0f;
            const float v8 = (v7 / v6);
            const float v10 = 0.0f; /* relu(x) */
            const float v31 = 0.0f; /* relu(x) */
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 2;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(2, D0 - n0);
                i64 n0c[2];
                FOR(r, 2) n0c[r] = n0 + sn_least(r, present - 1);
                /* phase 1 */
                float x9[2][2] = {};
                FOR(q, 2) {
                    const i64 j2x = q * 256 + t;
                    const bool in_j2 = j2x < D1;
                    FOR(r, 2) if (in_j2) x9[q][r] = m1[n0c[r] * D1 + j2x];
                }
                float a13[20];
                FOR(i, 20) a13[i] = 0.0f;
                FOR(q, 2) {
                    const i64 j2x = q * 256 + t;
                    const bool in_j2 = j2x < D1;
                    float v9c[2] = {}; /* x */
                    FOR(r, 2) v9c[r] = x9[q][r];
                    float v11c[2]; /* relu(x) */
                    FOR(r, 2) v11c[r] = sn_max(v9c[r], v10);
                    float v12[10] = {}; /* W */
                    FOR(k1, 10) if (in_j2) v12[k1] = m2[j2x * 10 + k1];
                    FOR(r, 2) FOR(k1, 10) if (in_j2) a13[r * 10 + k1] = fmaf(v11c[r], v12[k1], a13[r * 10 + k1]); /* matmul(..,W) */
                }
                float v13c[2][10];
                sn_fold<op_add, 256, 256, 20, 8>(&a13[0], t, meet, turn);
                FOR(r, 2) FOR(k1, 10) v13c[r][k1] = a13[r * 10 + k1];
                /* phase 2 */
                float v14c[2][10]; /* add(..,b) */
                FOR(r, 2) FOR(k1, 10) v14c[r][k1] = (v13c[r][k1] + v0[k1]);
                float v15c[2];
                FOR(r, 2) {
                    float acc = (float)0;
                    FOR(k1, 10) acc = k1 == 0 ? v14c[r][k1] : sn_max(acc, v14c[r][k1]);
                    v15c[r] = acc;
                }
                float v16c[2][10];
                FOR(r, 2) FOR(k1, 10) v16c[r][k1] = (v14c[r][k1] - v15c[r]);
                float v17c[2][10];
                {
                    float x = 0;
                    FOR(r, 2) FOR(k1, 10) if (t % 32 >= r * 10 + k1) x = v16c[r][k1];
                    float z = sn_exp_f32(x);
                    FOR(r, 2) FOR(k1, 10) v17c[r][k1] = sn_from(z, r * 10 + k1);
                }
                float v18c[2];
                FOR(r, 2) {
                    float acc = (float)0;
                    FOR(k1, 10) acc = k1 == 0 ? v17c[r][k1] : (acc + v17c[r][k1]);
                    v18c[r] = acc;
                }
                i64 v19c[2]; /* y */
                FOR(r, 2) v19c[r] = m3[n0c[r]];
                bool v20c[2][10]; /* eq(y,..) */
                FOR(r, 2) FOR(k1, 10) v20c[r][k1] = (v19c[r] == v1[k1]);
                bool v21c[2]; /* lt(y,..) */
                FOR(r, 2) v21c[r] = (v19c[r] < v3);
                bool v22c[2]; /* ge(y,..) */
                FOR(r, 2) v22c[r] = (v4 <= v19c[r]);
                bool v23c[2];
                FOR(r, 2) v23c[r] = (bool)(v21c[r] & v22c[r]);
                float v24c[2];
                FOR(r, 2) v24c[r] = (v23c[r] ? v8 : v2);
                float v25c[2];
                FOR(r, 2) v25c[r] = (-v24c[r]);
                float v26c[2][10];
                FOR(r, 2) FOR(k1, 10) v26c[r][k1] = (v20c[r][k1] ? v25c[r] : v2);
                bool rare27 = false;
                float v27c[2];
                FOR(r, 2) v27c[r] = sn_div_f32(v24c[r], v18c[r], &rare27);
                if (rare27) {
                    FOR(r, 2) v27c[r] = (v24c[r] / v18c[r]);
                }
                float v28c[2][10];
                FOR(r, 2) FOR(k1, 10) v28c[r][k1] = fmaf(v17c[r][k1], v27c[r], v26c[r][k1]);
                if (t < 32) {
                    FOR(k1, 10) FOR(r, 2) if (r < present) a29[k1][r] = (a29[k1][r] + v28c[r][k1]);
                }
                /* phase 3 */
                FOR(q, 2) {
                    const i64 j2x = q * 256 + t;
                    const bool in_j2 = j2x < D1;
                    float v30c[2] = {}; /* x */
                    FOR(r, 2) v30c[r] = x9[q][r];
                    float v32c[2]; /* relu(x) */
                    FOR(r, 2) v32c[r] = sn_max(v30c[r], v31);
                    FOR(k1, 10) {
                        float acc = w5[q][k1];
                        FOR(r, 2) if (r < present) acc = fmaf(v32c[r], v28c[r][k1], acc);
                        w5[q][k1] = acc;
                    }
                }
                n0 += 2;
            }
            if (t == 0) FOR(k1, 10) m4[k1] = sn_fold_own<op_add, 2>(a29[k1]);
            FOR(q, 2) {
                const i64 j2x = q * 256 + t;
                const bool in_j2 = j2x < D1;
                FOR(k1, 10) if (in_j2) m5[j2x * 10 + k1] = w5[q][k1];
            }
        } else {
            float *const m4 = m4g + chunk * 10;
            float *const m5 = g.at[5] < 0 ? m5g + chunk * D3 : (float *)(scratch + g.at[5]);
            float a29[10][2];
            FOR(i, 10) FOR(v, 2) a29[i][v] = 0.0f;
            for (i64 i = t; i < D3; i += 256) m5[i] = 0.0f;
            SYNC0;
            /* phase 0 */
            float v0[10]; /* b */
            FOR(k1, 10) v0[k1] = m0[k1];
            i64 v1[10];
            FOR(k1, 10) v1[k1] = (i64)(k1);
            const float v2 = 0.0f;
            const i64 v3 = 10LL;
            const i64 v4 = 0LL;
            const i64 v5 = D0;
            const float v6 = (float)v5;
            const float v7 = 1.0f;
            const float v8 = (v7 / v6);
            const float v10 = 0.0f; /* relu(x) */
            const float v31 = 0.0f; /* relu(x) */
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 2;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(2, D0 - n0);
                i64 n0c[2];
                FOR(r, 2) n0c[r] = n0 + sn_least(r, present - 1);
                /* phase 1 */
                float a13[20];
                FOR(i, 20) a13[i] = 0.0f;
                for (i64 j2 = 0; j2 < D1; j2 += 256) {
                    const i64 j2x = sn_least(j2 + t, D1 - 1);
                    float v9c[2]; /* x */
                    FOR(r, 2) v9c[r] = m1[n0c[r] * D1 + j2x];
                    float v11c[2]; /* relu(x) */
                    FOR(r, 2) v11c[r] = sn_max(v9c[r], v10);
                    float v12[10]; /* W */
                    FOR(k1, 10) v12[k1] = m2[j2x * 10 + k1];
                    FOR(r, 2) FOR(k1, 10) if (j2 + t < D1) a13[r * 10 + k1] = fmaf(v11c[r], v12[k1], a13[r * 10 + k1]); /* matmul(..,W) */
                }
                float v13c[2][10];
                sn_fold<op_add, 256, 256, 20, 8>(&a13[0], t, meet, turn);
                FOR(r, 2) FOR(k1, 10) v13c[r][k1] = a13[r * 10 + k1];
                /* phase 2 */
                float v14c[2][10]; /* add(..,b) */
                FOR(r, 2) FOR(k1, 10) v14c[r][k1] = (v13c[r][k1] + v0[k1]);
                float v15c[2];
                FOR(r, 2) {
                    float acc = (float)0;
                    FOR(k1, 10) acc = k1 == 0 ? v14c[r][k1] : sn_max(acc, v14c[r][k1]);
                    v15c[r] = acc;
                }
                float v16c[2][10];
                FOR(r, 2) FOR(k1, 10) v16c[r][k1] = (v14c[r][k1] - v15c[r]);
                float v17c[2][10];
                {
                    float x = 0;
                    FOR(r, 2) FOR(k1, 10) if (t % 32 >= r * 10 + k1) x = v16c[r][k1];
                    float z = sn_exp_f32(x);
                    FOR(r, 2) FOR(k1, 10) v17c[r][k1] = sn_from(z, r * 10 + k1);
                }
                float v18c[2];
                FOR(r, 2) {
                    float acc = (float)0;
                    FOR(k1, 10) acc = k1 == 0 ? v17c[r][k1] : (acc + v17c[r][k1]);
                    v18c[r] = acc;
                }
                i64 v19c[2]; /* y */
                FOR(r, 2) v19c[r] = m3[n0c[r]];
                bool v20c[2][10]; /* eq(y,..) */
                FOR(r, 2) FOR(k1, 10) v20c[r][k1] = (v19c[r] == v1[k1]);
                bool v21c[2]; /* lt(y,..) */
                FOR(r, 2) v21c[r] = (v19c[r] < v3);
                bool v22c[2]; /* ge(y,..) */
                FOR(r, 2) v22c[r] = (v4 <= v19c[r]);
                bool v23c[2];
                FOR(r, 2) v23c[r] = (bool)(v21c[r] & v22c[r]);
                float v24c[2];
                FOR(r, 2) v24c[r] = (v23c[r] ? v8 : v2);
                float v25c[2];
                FOR(r, 2) v25c[r] = (-v24c[r]);
                float v26c[2][10];
                FOR(r, 2) FOR(k1, 10) v26c[r][k1] = (v20c[r][k1] ? v25c[r] : v2);
                bool rare27 = false;
                float v27c[2];
                FOR(r, 2) v27c[r] = sn_div_f32(v24c[r], v18c[r], &rare27);
                if (rare27) {
                    FOR(r, 2) v27c[r] = (v24c[r] / v18c[r]);
                }
                float v28c[2][10];
                FOR(r, 2) FOR(k1, 10) v28c[r][k1] = fmaf(v17c[r][k1], v27c[r], v26c[r][k1]);
                if (t < 32) {
                    FOR(k1, 10) FOR(r, 2) if (r < present) a29[k1][r] = (a29[k1][r] + v28c[r][k1]);
                }
                /* phase 3 */
                for (i64 j2 = 0; j2 < D1; j2 += 256) {
                    const i64 j2x = sn_least(j2 + t, D1 - 1);
                    float v30c[2]; /* x */
                    FOR(r, 2) v30c[r] = m1[n0c[r] * D1 + j2x];
                    float v32c[2]; /* relu(x) */
                    FOR(r, 2) v32c[r] = sn_max(v30c[r], v31);
                    FOR(k1, 10) if (j2 + t < D1) {
                        float acc = m5[j2x * 10 + k1];
                        FOR(r, 2) if (r < present) acc = fmaf(v32c[r], v28c[r][k1], acc);
                        m5[j2x * 10 + k1] = acc;
                    }
                }
                n0 += 2;
            }
            if (t == 0) FOR(k1, 10) m4[k1] = sn_fold_own<op_add, 2>(a29[k1]);
            SYNC0;
            if (g.at[5] >= 0) for (i64 i = t; i < D3; i += 256) m5g[chunk * D3 + i] = m5[i];
        }
        return;
    }
    {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 8 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[1] * 8;
        if (chunk >= g.chunks[1]) return;
        /* phase 4 */
        const float v34 = m6[0]; /* steps */
        const float v35 = 1.0f;
        const float v36 = (v34 + v35); /* add(steps,..) */
        if (t == 0 && chunk == 0) m7[0] = v36; /* add(steps,..) */
    }
}

// kernel classes.1 mul add square sqrt div sub update
struct sn_grid {
    u64 scratch;
    unsigned scratch_bytes, in_shared;
    i64 chunks[2], each[2], over[2];
    u64 inverse[2];
    unsigned first[2], even[2];
    int at[9];
};

#ifndef SN_THREADS
#define SN_THREADS 512
#endif
extern "C" __global__ void __launch_bounds__(128, SN_THREADS / 128) kernel(
    const float *__restrict__ m0, /* steps */
    const float *__restrict__ m1, /* t47.part */
    float *m2, /* m.W */
    float *m3, /* v.W */
    float *m4, /* W */
    const float *__restrict__ m5, /* t46.part */
    float *m6, /* b */
    float *m7, /* m.b */
    float *m8, /* v.b */
    const i64 D0,
    const i64 D1,
    const i64 D2,
    const i64 D3,
    const u64 S0,
    const u64 S1,
    const u64 S2,
    const u64 S3,
    const u64 S4,
    const sn_grid g)
{
    extern __shared__ __align__(16) u8 sn_shared[];
    if (blockIdx.x < g.first[1]) {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 4 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[0] * 4;
        if (chunk >= g.chunks[0]) return;
        /* phase 0 */
        const float v0 = m0[0]; /* steps */
        const float v1 = 1.0f;
        const float v2 = (v0 + v1); /* add(steps,..) */
        const float v3 = __int_as_float((int)S0);
        const float v4 = sn_pow_f32(v3, v2);
        const float v5 = (v1 - v4);
        const float v6 = __int_as_float((int)S1);
        const float v7 = sn_pow_f32(v6, v2);
        const float v8 = (v1 - v7);
        bool rare9 = false;
        float v9 = sn_sqrt_f32(v8, &rare9);
        const float v10 = __int_as_float((int)S2);
        float v11 = (v9 * v10);
        float v12 = sn_div_f32(v11, v5, &rare9);
        const float v13 = __int_as_float((int)S3);
        const float v14 = __int_as_float((int)S4);
        if (rare9) {
            v9 = sqrtf(v8);
            v11 = (v9 * v10);
            v12 = (v11 / v5);
        }
        const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
        i64 n0 = first * 32;
        for (i64 tile = first; tile < end; tile++) {
            const int present = (int)sn_least(32, D0 - n0);
            const i64 n0l = n0 + sn_least(t, present - 1);
            /* phase 1 */
            float a16[8];
            FOR(u, 8) a16[u] = 0.0f;
            {
                i64 j1 = 0;
                _Pragma("unroll 4") for (; j1 + 8 <= D1; j1 += 8) {
                    i64 j1x[8];
                    FOR(u, 8) j1x[u] = j1 + u;
                    float v15l[8];
                    FOR(u, 8) v15l[u] = m1[j1x[u] * D0 + n0l];
                    FOR(u, 8) a16[u] = (a16[u] + v15l[u]);
                }
                if (j1 < D1) {
                    i64 j1x[8];
                    FOR(u, 8) j1x[u] = sn_least(j1 + u, D1 - 1);
                    float v15l[8];
                    FOR(u, 8) v15l[u] = m1[j1x[u] * D0 + n0l];
                    FOR(u, 8) if (j1 + u < D1) a16[u] = (a16[u] + v15l[u]);
                }
            }
            float v16l;
            FOR(u, 4) a16[u] = op_add::of(a16[2 * u], a16[2 * u + 1]);
            FOR(u, 2) a16[u] = op_add::of(a16[2 * u], a16[2 * u + 1]);
            FOR(u, 1) a16[u] = op_add::of(a16[2 * u], a16[2 * u + 1]);
            v16l = a16[0];
            /* phase 2 */
            const float v17l = (v16l * v13);
            const float v18l = m2[n0l]; /* m.W */
            const float v19l = fmaf(v18l, v3, v17l);
            const float v20l = (v16l * v16l);
            const float v21l = (v20l * v10);
            const float v22l = m3[n0l]; /* v.W */
            const float v23l = fmaf(v22l, v6, v21l);
            bool rare24 = false;
            float v24l = sn_sqrt_f32(v23l, &rare24);
            float v25l = (v24l + v14);
            const float v26l = (v19l * v12);
            float v27l = sn_div_f32(v26l, v25l, &rare24);
            const float v28l = m4[n0l]; /* W */
            if (rare24) {
                v24l = sqrtf(v23l);
                v25l = (v24l + v14);
                v27l = (v26l / v25l);
            }
            const float v29l = (v28l - v27l); /* sub(W,..) */
            if (t < present) m2[n0l] = v19l;
            if (t < present) m3[n0l] = v23l;
            if (t < present) m4[n0l] = v29l; /* sub(W,..) */
            n0 += 32;
        }
        return;
    }
    {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 4 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[1] * 4;
        if (chunk >= g.chunks[1]) return;
        u8 *const meet = 0;
        int turn = 0;
        /* phase 3 */
        float a34[10][2];
        FOR(i, 10) FOR(u, 2) a34[i][u] = 0.0f;
        for (i64 j3 = 0; j3 < D1; j3 += 64) {
            i64 j3x[2];
            FOR(u, 2) j3x[u] = sn_least(j3 + u * 32 + t, D1 - 1);
            float v33[2][10];
            FOR(u, 2) FOR(k2, 10) v33[u][k2] = m5[j3x[u] * 10 + k2];
            FOR(k2, 10) FOR(u, 2) if (j3 + u * 32 + t < D1) a34[k2][u] = (a34[k2][u] + v33[u][k2]);
        }
        float v34[10];
        FOR(i, 10) FOR(u, 1) a34[i][u] = op_add::of(a34[i][2 * u], a34[i][2 * u + 1]);
        float x34[10];
        FOR(i, 10) x34[i] = a34[i][0];
        sn_fold<op_add, 32, 32, 10, 10>(&x34[0], t, meet, turn);
        FOR(k2, 10) v34[k2] = x34[k2];
        /* phase 4 */
        float v35[10]; /* b */
        FOR(k2, 10) v35[k2] = m6[k2];
        const float v36 = m0[0]; /* steps */
        float v37[10]; /* m.b */
        FOR(k2, 10) v37[k2] = m7[k2];
        float v38[10]; /* v.b */
        FOR(k2, 10) v38[k2] = m8[k2];
        const float v39 = 1.0f;
        const float v40 = (v36 + v39); /* add(steps,..) */
        const float v41 = __int_as_float((int)S0);
        const float v42 = sn_pow_f32(v41, v40);
        const float v43 = (v39 - v42);
        const float v44 = __int_as_float((int)S1);
        const float v45 = sn_pow_f32(v44, v40);
        const float v46 = (v39 - v45);
        bool rare47 = false;
        float v47 = sn_sqrt_f32(v46, &rare47);
        const float v48 = __int_as_float((int)S2);
        float v49 = (v47 * v48);
        float v50 = sn_div_f32(v49, v43, &rare47);
        const float v51 = __int_as_float((int)S3);
        const float v52 = __int_as_float((int)S4);
        float v53[10]; /* mul(m.b,..) */
        FOR(k2, 10) v53[k2] = (v37[k2] * v41);
        float v54[10];
        FOR(k2, 10) v54[k2] = fmaf(v34[k2], v51, v53[k2]);
        float v55[10];
        FOR(k2, 10) v55[k2] = (v34[k2] * v34[k2]);
        float v56[10]; /* mul(v.b,..) */
        FOR(k2, 10) v56[k2] = (v38[k2] * v44);
        float v57[10];
        FOR(k2, 10) v57[k2] = fmaf(v55[k2], v48, v56[k2]);
        if (rare47) {
            v47 = sqrtf(v46);
            v49 = (v47 * v48);
            v50 = (v49 / v43);
        }
        float v58[10];
        {
            float x = 0;
            FOR(k2, 10) if (t % 32 >= k2) x = v57[k2];
            float z = sqrtf(x);
            FOR(k2, 10) v58[k2] = sn_from(z, k2);
        }
        float v59[10];
        FOR(k2, 10) v59[k2] = (v58[k2] + v52);
        float v60[10];
        FOR(k2, 10) v60[k2] = (v54[k2] * v50);
        float v61[10];
        {
            float x = 0, y = 0;
            FOR(k2, 10) if (t % 32 >= k2) x = v60[k2], y = v59[k2];
            float z = (x / y);
            FOR(k2, 10) v61[k2] = sn_from(z, k2);
        }
        float v62[10]; /* sub(b,..) */
        FOR(k2, 10) v62[k2] = (v35[k2] - v61[k2]);
        SYNC1;
        FOR(k2, 10) if (t == 0 && chunk == 0) m7[k2] = v54[k2];
        SYNC1;
        FOR(k2, 10) if (t == 0 && chunk == 0) m8[k2] = v57[k2];
        SYNC1; /* sub(b,..) */
        FOR(k2, 10) if (t == 0 && chunk == 0) m6[k2] = v62[k2];
    }
}
