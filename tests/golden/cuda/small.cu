// kernel small.0 reduce_max sub cast exp sum reciprocal mul square
struct sn_grid {
    u64 scratch;
    unsigned scratch_bytes, in_shared;
    i64 chunks[3], each[3], over[3];
    u64 inverse[3];
    unsigned first[3], even[3];
    int at[7];
};

#ifndef SN_THREADS
#define SN_THREADS 1024
#endif
extern "C" __global__ void __launch_bounds__(256, SN_THREADS / 256) kernel(
    const u8 *__restrict__ m0, /* y */
    float *m1g, /* t19.part */
    const f16 *__restrict__ m2, /* rows */
    f16 *m4, /* t14 */
    const bf16 *__restrict__ m5, /* x */
    u8 *m6, /* t16 */
    const i64 D0,
    const i64 D1,
    const i64 D2,
    const sn_grid g)
{
    extern __shared__ __align__(16) u8 sn_shared[];
    __shared__ __align__(16) u8 sn_meet[2 * SN_MEET];
    if (blockIdx.x < g.first[1]) {
        const int t = threadIdx.x;
        const i64 team = (i64)blockIdx.x;
        const i64 chunk = team - (i64)g.first[0];
        if (chunk >= g.chunks[0]) return;
        u8 *const meet = sn_meet;
        int turn = 0;
        if (g.even[0]) {
            float *const m1 = m1g + chunk * 1;
            float a3[8];
            FOR(v, 8) a3[v] = 0.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 2048;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(2048, D0 - n0);
                const i64 n0l = sn_opaque(n0 + t * 8);
                const bool in_n0 = t * 8 < present;
                /* phase 0 */
                u8 v0l[8] = {}; /* y */
                if (in_n0) sn_read<8>(&v0l[0], &m0[n0l]);
                u8 v1l[8]; /* add(y,y) */
                FOR(v, 8) v1l[v] = sn_add(v0l[v], v0l[v]);
                float v2l[8];
                FOR(v, 8) v2l[v] = (float)v1l[v];
                FOR(v, 8) if (in_n0) a3[v] = (a3[v] + v2l[v]);
                n0 += 2048;
            }
            float y3;
            y3 = sn_fold_own<op_add, 8>(a3);
            sn_fold<op_add, 256, 256, 1, 1>(&y3, t, meet, turn);
            if (t == 0) m1[0] = y3;
        } else {
            float *const m1 = m1g + chunk * 1;
            float a3[8];
            FOR(v, 8) a3[v] = 0.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 2048;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(2048, D0 - n0);
                const i64 n0l = sn_opaque(n0 + t * 8);
                const int own_n0 = present - t * 8;
                /* phase 0 */
                u8 v0l[8] = {}; /* y */
                if (own_n0 >= 8 && sn_fits<8>(&m0[n0l])) sn_read<8>(&v0l[0], &m0[n0l]);
                else FOR(v, 8) if (v < own_n0) v0l[v] = m0[(n0l + v)];
                u8 v1l[8]; /* add(y,y) */
                FOR(v, 8) v1l[v] = sn_add(v0l[v], v0l[v]);
                float v2l[8];
                FOR(v, 8) v2l[v] = (float)v1l[v];
                FOR(v, 8) if (v < own_n0) a3[v] = (a3[v] + v2l[v]);
                n0 += 2048;
            }
            float y3;
            y3 = sn_fold_own<op_add, 8>(a3);
            sn_fold<op_add, 256, 256, 1, 1>(&y3, t, meet, turn);
            if (t == 0) m1[0] = y3;
        }
        return;
    }
    if (blockIdx.x < g.first[2]) {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 8 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[1] * 8;
        if (chunk >= g.chunks[1]) return;
        u8 *const scratch = g.in_shared ? sn_shared + threadIdx.x / 32 * g.scratch_bytes : (u8 *)g.scratch + team * g.scratch_bytes;
        u8 *const meet = 0;
        int turn = 0;
        if (g.even[1]) {
            const float v11 = 1.0f;
            const i64 first = sn_opaque(chunk * g.each[1] + (i64)__umul64hi(chunk * g.over[1], g.inverse[1])), end = (chunk + 1) * g.each[1] + (i64)__umul64hi((chunk + 1) * g.over[1], g.inverse[1]);
            i64 n1 = first;
            for (i64 tile = first; tile < end; tile++) {
                float w3[4][8];
                /* phase 1 */
                float x4[4][8] = {};
                FOR(q, 4) {
                    const i64 j2x = q * 256 + t * 8;
                    const bool in_j2 = j2x < D0;
                    if (in_j2) sn_read<8>(&x4[q][0], &m2[n1 * D0 + j2x]);
                }
                float a5[8];
                FOR(v, 8) a5[v] = __int_as_float(0xff800000);
                FOR(q, 4) {
                    const i64 j2x = q * 256 + t * 8;
                    const bool in_j2 = j2x < D0;
                    float v4[8] = {}; /* rows */
                    FOR(v, 8) v4[v] = x4[q][v];
                    FOR(v, 8) if (in_j2) a5[v] = sn_max(a5[v], v4[v]); /* reduce_max(rows) */
                }
                float v5;
                float y5;
                y5 = sn_fold_own<op_max, 8>(a5);
                sn_fold<op_max, 32, 32, 1, 1>(&y5, t, meet, turn);
                v5 = y5;
                /* phase 2 */
                float a10[8];
                FOR(v, 8) a10[v] = 0.0f;
                FOR(q, 4) {
                    const i64 j2x = q * 256 + t * 8;
                    const bool in_j2 = j2x < D0;
                    float v6[8] = {}; /* rows */
                    FOR(v, 8) v6[v] = x4[q][v];
                    float v7[8]; /* sub(rows,..) */
                    FOR(v, 8) v7[v] = (v6[v] - v5);
                    float v8[8];
                    FOR(v, 8) v8[v] = sn_exp_f32(v7[v]);
                    FOR(v, 8) w3[q][v] = v8[v];
                    FOR(v, 8) if (in_j2) a10[v] = (a10[v] + v8[v]);
                }
                float v10;
                float y10;
                y10 = sn_fold_own<op_add, 8>(a10);
                sn_fold<op_add, 32, 32, 1, 1>(&y10, t, meet, turn);
                v10 = y10;
                /* phase 3 */
                const float v12 = (v11 / v10);
                /* phase 4 */
                FOR(q, 4) {
                    const i64 j2x = q * 256 + t * 8;
                    const bool in_j2 = j2x < D0;
                    float v13[8] = {};
                    FOR(v, 8) v13[v] = w3[q][v];
                    float v14[8];
                    FOR(v, 8) v14[v] = (v13[v] * v12);
                    float v15[8];
                    FOR(v, 8) v15[v] = sn_f16_value(sn_f16_bits(v14[v]));
                    if (in_j2) sn_write<8>(&m4[n1 * D0 + j2x], &v14[0]);
                }
                n1 += 1;
            }
        } else {
            float *const m3 = (float *)(scratch + g.at[3]);
            const float v11 = 1.0f;
            const i64 first = sn_opaque(chunk * g.each[1] + (i64)__umul64hi(chunk * g.over[1], g.inverse[1])), end = (chunk + 1) * g.each[1] + (i64)__umul64hi((chunk + 1) * g.over[1], g.inverse[1]);
            i64 n1 = first;
            for (i64 tile = first; tile < end; tile++) {
                /* phase 1 */
                float a5[8];
                FOR(v, 8) a5[v] = __int_as_float(0xff800000);
                for (i64 j2 = 0; j2 < D0; j2 += 256) {
                    const i64 j2x = j2 + t * 8;
                    const int own_j2 = (int)sn_least(8, D0 - j2x);
                    float v4[8] = {}; /* rows */
                    if (own_j2 == 8 && sn_fits<8>(&m2[n1 * D0 + j2x])) sn_read<8>(&v4[0], &m2[n1 * D0 + j2x]);
                    else FOR(v, 8) if (v < own_j2) v4[v] = m2[n1 * D0 + (j2x + v)];
                    FOR(v, 8) if (v < own_j2) a5[v] = sn_max(a5[v], v4[v]); /* reduce_max(rows) */
                }
                float v5;
                float y5;
                y5 = sn_fold_own<op_max, 8>(a5);
                sn_fold<op_max, 32, 32, 1, 1>(&y5, t, meet, turn);
                v5 = y5;
                /* phase 2 */
                float a10[8];
                FOR(v, 8) a10[v] = 0.0f;
                for (i64 j2 = 0; j2 < D0; j2 += 256) {
                    const i64 j2x = sn_opaque(j2 + t * 8);
                    const int own_j2 = (int)sn_least(8, D0 - j2x);
                    float v6[8] = {}; /* rows */
                    if (own_j2 == 8 && sn_fits<8>(&m2[n1 * D0 + j2x])) sn_read<8>(&v6[0], &m2[n1 * D0 + j2x]);
                    else FOR(v, 8) if (v < own_j2) v6[v] = m2[n1 * D0 + (j2x + v)];
                    float v7[8]; /* sub(rows,..) */
                    FOR(v, 8) v7[v] = (v6[v] - v5);
                    float v8[8];
                    FOR(v, 8) v8[v] = sn_exp_f32(v7[v]);
                    if (own_j2 == 8 && sn_fits<8>(&m3[j2x])) sn_write<8>(&m3[sn_opaque(j2x)], &v8[0]);
                    else FOR(v, 8) if (v < own_j2) m3[(j2x + v)] = v8[v];
                    FOR(v, 8) if (v < own_j2) a10[v] = (a10[v] + v8[v]);
                }
                float v10;
                float y10;
                y10 = sn_fold_own<op_add, 8>(a10);
                sn_fold<op_add, 32, 32, 1, 1>(&y10, t, meet, turn);
                v10 = y10;
                /* phase 3 */
                const float v12 = (v11 / v10);
                /* phase 4 */
                for (i64 j2 = 0; j2 < D0; j2 += 256) {
                    const i64 j2x = sn_opaque(j2 + t * 8);
                    const int own_j2 = (int)sn_least(8, D0 - j2x);
                    float v13[8] = {};
                    if (own_j2 == 8 && sn_fits<8>(&m3[j2x])) sn_read<8>(&v13[0], &m3[j2x]);
                    else FOR(v, 8) if (v < own_j2) v13[v] = m3[(j2x + v)];
                    float v14[8];
                    FOR(v, 8) v14[v] = (v13[v] * v12);
                    float v15[8];
                    FOR(v, 8) v15[v] = sn_f16_value(sn_f16_bits(v14[v]));
                    if (own_j2 == 8 && sn_fits<8>(&m4[n1 * D0 + j2x])) sn_write<8>(&m4[sn_opaque(n1 * D0 + j2x)], &v14[0]);
                    else FOR(v, 8) if (v < own_j2) m4[n1 * D0 + (j2x + v)] = v14[v];
                }
                n1 += 1;
            }
        }
        return;
    }
    {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 8 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[2] * 8;
        if (chunk >= g.chunks[2]) return;
        if (g.even[2]) {
            const i64 first = sn_opaque(chunk * g.each[2] + (i64)__umul64hi(chunk * g.over[2], g.inverse[2])), end = (chunk + 1) * g.each[2] + (i64)__umul64hi((chunk + 1) * g.over[2], g.inverse[2]);
            i64 n3 = first * 256;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(256, D1 - n3);
                const i64 n3l = sn_opaque(n3 + t * 8);
                const bool in_n3 = t * 8 < present;
                /* phase 5 */
                float v17l[8] = {}; /* x */
                if (in_n3) sn_read<8>(&v17l[0], &m5[n3l]);
                float v18l[8]; /* square(x) */
                FOR(v, 8) v18l[v] = (v17l[v] * v17l[v]);
                bool v19l[8]; /* gt(..,x) */
                FOR(v, 8) v19l[v] = (v17l[v] < v18l[v]);
                if (in_n3) sn_write<8>(&m6[n3l], &v19l[0]); /* gt(..,x) */
                n3 += 256;
            }
        } else {
            const i64 first = sn_opaque(chunk * g.each[2] + (i64)__umul64hi(chunk * g.over[2], g.inverse[2])), end = (chunk + 1) * g.each[2] + (i64)__umul64hi((chunk + 1) * g.over[2], g.inverse[2]);
            i64 n3 = first * 256;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(256, D1 - n3);
                const i64 n3l = sn_opaque(n3 + t * 8);
                const int own_n3 = present - t * 8;
                /* phase 5 */
                float v17l[8] = {}; /* x */
                if (own_n3 >= 8 && sn_fits<8>(&m5[n3l])) sn_read<8>(&v17l[0], &m5[n3l]);
                else FOR(v, 8) if (v < own_n3) v17l[v] = m5[(n3l + v)];
                float v18l[8]; /* square(x) */
                FOR(v, 8) v18l[v] = (v17l[v] * v17l[v]);
                bool v19l[8]; /* gt(..,x) */
                FOR(v, 8) v19l[v] = (v17l[v] < v18l[v]);
                if (own_n3 >= 8 && sn_fits<8>(&m6[n3l])) sn_write<8>(&m6[n3l], &v19l[0]); /* gt(..,x) */
                else FOR(v, 8) if (v < own_n3) m6[(n3l + v)] = (u8)v19l[v];
                n3 += 256;
            }
        }
    }
}

// kernel small.1 update
struct sn_grid {
    u64 scratch;
    unsigned scratch_bytes, in_shared;
    i64 chunks[1], each[1], over[1];
    u64 inverse[1];
    unsigned first[1], even[1];
    int at[2];
};

#ifndef SN_THREADS
#define SN_THREADS 1024
#endif
extern "C" __global__ void __launch_bounds__(128, SN_THREADS / 128) kernel(
    const float *__restrict__ m0, /* t19.part */
    float *m1, /* t19 */
    const i64 D0,
    const sn_grid g)
{
    extern __shared__ __align__(16) u8 sn_shared[];
    {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 4 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[0] * 4;
        if (chunk >= g.chunks[0]) return;
        u8 *const meet = 0;
        int turn = 0;
        /* phase 0 */
        float a1[8];
        FOR(u, 8) a1[u] = 0.0f;
        for (i64 j0 = 0; j0 < D0; j0 += 256) {
            i64 j0x[8];
            FOR(u, 8) j0x[u] = sn_least(j0 + u * 32 + t, D0 - 1);
            float v0[8];
            FOR(u, 8) v0[u] = m0[j0x[u]];
            FOR(u, 8) if (j0 + u * 32 + t < D0) a1[u] = (a1[u] + v0[u]);
        }
        float v1;
        FOR(u, 4) a1[u] = op_add::of(a1[2 * u], a1[2 * u + 1]);
        FOR(u, 2) a1[u] = op_add::of(a1[2 * u], a1[2 * u + 1]);
        FOR(u, 1) a1[u] = op_add::of(a1[2 * u], a1[2 * u + 1]);
        float x1;
        x1 = a1[0];
        sn_fold<op_add, 32, 32, 1, 1>(&x1, t, meet, turn);
        v1 = x1;
        /* phase 1 */
        if (t == 0 && chunk == 0) m1[0] = v1;
    }
}
