// kernel gather.0 mul
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
    const i64 *__restrict__ m0, /* ids */
    const float *__restrict__ m1, /* table */
    float *m2, /* t6 */
    const i64 D0,
    const i64 D1,
    const i64 D2,
    const i64 D3,
    const i64 D4,
    const sn_grid g)
{
    extern __shared__ __align__(16) u8 sn_shared[];
    {
        const int t = threadIdx.x % 32;
        const i64 team = (i64)blockIdx.x * 4 + threadIdx.x / 32;
        const i64 chunk = team - (i64)g.first[0] * 4;
        if (chunk >= g.chunks[0]) return;
        if (g.even[0]) {
            /* phase 0 */
            const float v0 = 2.0f;
            const i64 v2 = (-1LL); /* gather(table,ids) */
            const i64 v3 = D3; /* gather(table,ids) */
            const i64 v4 = sn_add(v3, v2); /* gather(table,ids) */
            const i64 v6 = 0LL; /* gather(table,ids) */
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = 0;
            i64 n1 = 0;
            if (first < end) {
                i64 rest = first;
                n1 = rest % ((D1 + 127) / 128) * 128;
                rest /= ((D1 + 127) / 128);
                n0 = rest;
            }
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(128, D1 - n1);
                const i64 n1l = sn_opaque(n1 + t * 4);
                const bool in_n1 = t * 4 < present;
                /* phase 1 */
                const i64 v1 = m0[n0]; /* ids */
                const i64 v5 = sn_min(v1, v4); /* gather(table,ids) */
                const i64 v7 = sn_max(v5, v6); /* gather(table,ids) */
                float v8l[4] = {}; /* gather(table,ids) */
                if (in_n1) sn_read<4>(&v8l[0], &m1[n1l + v7 * D1]);
                float v9l[4];
                FOR(v, 4) v9l[v] = (v8l[v] * v0);
                if (in_n1) sn_write<4>(&m2[n0 * D1 + n1l], &v9l[0]);
                n1 += 128;
                if (n1 >= D1) n1 = 0, n0++;
            }
        } else {
            /* phase 0 */
            const float v0 = 2.0f;
            const i64 v2 = (-1LL); /* gather(table,ids) */
            const i64 v3 = D3; /* gather(table,ids) */
            const i64 v4 = sn_add(v3, v2); /* gather(table,ids) */
            const i64 v6 = 0LL; /* gather(table,ids) */
            const i64 first = sn_opaque(chunk * g.each[0] + (i64)__umul64hi(chunk * g.over[0], g.inverse[0])), end = (chunk + 1) * g.each[0] + (i64)__umul64hi((chunk + 1) * g.over[0], g.inverse[0]);
            i64 n0 = 0;
            i64 n1 = 0;
            if (first < end) {
                i64 rest = first;
                n1 = rest % ((D1 + 127) / 128) * 128;
                rest /= ((D1 + 127) / 128);
                n0 = rest;
            }
            for (i64 tile = first; tile < end; tile++) {
                const int present = (int)sn_least(128, D1 - n1);
                const i64 n1l = sn_opaque(n1 + t * 4);
                const int own_n1 = present - t * 4;
                /* phase 1 */
                const i64 v1 = m0[n0]; /* ids */
                const i64 v5 = sn_min(v1, v4); /* gather(table,ids) */
                const i64 v7 = sn_max(v5, v6); /* gather(table,ids) */
                float v8l[4] = {}; /* gather(table,ids) */
                if (own_n1 >= 4 && sn_fits<4>(&m1[n1l + v7 * D1])) sn_read<4>(&v8l[0], &m1[n1l + v7 * D1]);
                else FOR(v, 4) if (v < own_n1) v8l[v] = m1[(n1l + v) + v7 * D1];
                float v9l[4];
                FOR(v, 4) v9l[v] = (v8l[v] * v0);
                if (own_n1 >= 4 && sn_fits<4>(&m2[n0 * D1 + n1l])) sn_write<4>(&m2[n0 * D1 + n1l], &v9l[0]);
                else FOR(v, 4) if (v < own_n1) m2[n0 * D1 + (n1l + v)] = v9l[v];
                n1 += 128;
                if (n1 >= D1) n1 = 0, n0++;
            }
        }
    }
}
