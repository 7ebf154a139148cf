// kernel total.0 sum
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
extern "C" __global__ void __launch_bounds__(256, SN_THREADS / 256) kernel(
    const float *__restrict__ m0, /* x */
    float *m1g, /* t2.part */
    const i64 D0,
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
            float *const m1 = m1g + chunk * 1;
            float a1[4];
            FOR(v, 4) a1[v] = 0.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 1024;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(1024, D0 - n0);
                const i64 n0l = sn_opaque(n0 + t * 4);
                const bool in_n0 = t * 4 < present;
                /* phase 0 */
                float v0l[4] = {}; /* x */
                if (in_n0) sn_read<4>(&v0l[0], &m0[n0l]);
                FOR(v, 4) if (in_n0) a1[v] = (a1[v] + v0l[v]); /* sum(x) */
                n0 += 1024;
            }
            float y1;
            y1 = sn_fold_own<op_add, 4>(a1);
            sn_fold<op_add, 256, 256, 1, 1>(&y1, t, meet, turn);
            if (t == 0) m1[0] = y1;
        } else {
            float *const m1 = m1g + chunk * 1;
            float a1[4];
            FOR(v, 4) a1[v] = 0.0f;
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = first * 1024;
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(1024, D0 - n0);
                const i64 n0l = sn_opaque(n0 + t * 4);
                const int own_n0 = present - t * 4;
                /* phase 0 */
                float v0l[4] = {}; /* x */
                if (own_n0 >= 4 && sn_fits<4>(&m0[n0l])) sn_read<4>(&v0l[0], &m0[n0l]);
                else FOR(v, 4) if (v < own_n0) v0l[v] = m0[(n0l + v)];
                FOR(v, 4) if (v < own_n0) a1[v] = (a1[v] + v0l[v]); /* sum(x) */
                n0 += 1024;
            }
            float y1;
            y1 = sn_fold_own<op_add, 4>(a1);
            sn_fold<op_add, 256, 256, 1, 1>(&y1, t, meet, turn);
            if (t == 0) m1[0] = y1;
        }
    }
}

// kernel total.1 update
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
    const float *__restrict__ m0, /* t2.part */
    float *m1, /* t2 */
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
            float v0[8]; /* sum(x) */
            FOR(u, 8) v0[u] = m0[j0x[u]];
            FOR(u, 8) if (j0 + u * 32 + t < D0) a1[u] = (a1[u] + v0[u]); /* sum(x) */
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
        if (t == 0 && chunk == 0) m1[0] = v1; /* sum(x) */
    }
}
