/* The kernel interpreter against plain C: the hand-built kernels at awkward extents, whatever the schedule; fold orders
 * to the bit; random kernels against themselves. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interp.h"
#include "support/random_kernel.h"

static const int64_t extents[] = {0, 1, 2, 3, 7, 16, 17, 33, 100};
enum { N_EXTENTS = sizeof extents / sizeof *extents };

static const kernels_schedule schedules[] = {
    {1, 1, 1, 0, 1, 3}, {1, 4, 5, 1, 1, 3},    {4, 2, 3, 8, 1, 3},   {2, 3, 7, 4, 2, 3},
    {8, 1, 4, 0, 4, 3}, {16, 2, 32, 16, 8, 3}, {64, 1, 2, 64, 2, 3},
};
enum { N_SCHEDULES = sizeof schedules / sizeof *schedules };

typedef struct {
    kernels_room room;
    const kn_kernel *kernel, *expanded;
    kernels_launch l;
} fixture;

static void must_verify(const kn_kernel *k) {
    char text[256];
    const char *error = kn_verify(k, text);
    ck_assert_msg(!error, "%s", error);
}

static void begin(fixture *t, kn_kernel *(*make)(base_arena *, const void *), const kernels_schedule *s,
                  const int64_t *dims, const uint64_t *scalars) {
    kernels_room_init(&t->room);
    t->kernel = kernels_make(&t->room, make, s);
    must_verify(t->kernel);
    t->expanded = kernels_expand(&t->room, t->kernel);
    must_verify(t->expanded);
    t->l = kernels_launch_new(t->kernel, dims, scalars, 12345);
    /* Plain numbers: the references below do not care for NaN. */
    uint64_t state = 99;
    for (uint32_t m = 0; m < t->kernel->n_mem; m++)
        if (t->kernel->mem[m].store == SN_F32)
            for (size_t i = 0; i < t->l.mem_bytes[m] / 4; i++)
                ((float *)t->l.mem[m])[i] = (float)(kernels_random(&state) >> 40) * 0x1p-22f - 2.0f;
}

static void end(fixture *t) {
    kernels_launch_free(&t->l);
    kernels_room_free(&t->room);
}

static void ck_close(double got, double want, double tolerance) {
    ck_assert_msg(fabs(got - want) <= tolerance * (1 + fabs(want)), "got %.9g, want %.9g", got, want);
}

/* Every pair of extents with every schedule. */
#define FOR_ALL(dims)                                                                                                  \
    for (int s = 0; s < N_SCHEDULES; s++)                                                                              \
        for (int e = 0; e < N_EXTENTS; e++)                                                                            \
            for (int f = 0; f < N_EXTENTS; f++)                                                                        \
                for (int64_t dims[3] = {extents[e], extents[f], extents[e] * extents[f]}, once = 1; once; once = 0)

START_TEST(softmax) {
    FOR_ALL(dims) {
        fixture t;
        begin(&t, kernels_softmax, &schedules[s], dims, NULL);
        kernels_interpret(&t.l, t.expanded);
        const float *x = t.l.mem[0], *y = t.l.mem[2];
        for (int64_t n = 0; n < dims[0]; n++) {
            double sum = 0;
            for (int64_t c = 0; c < dims[1]; c++) sum += exp((double)x[n * dims[1] + c]);
            for (int64_t c = 0; c < dims[1]; c++)
                ck_close((double)y[n * dims[1] + c], exp((double)x[n * dims[1] + c]) / sum, 1e-6);
        }
        end(&t);
    }
}
END_TEST

START_TEST(softmax_short) {
    for (int s = 0; s < N_SCHEDULES; s++) {
        for (int e = 0; e < N_EXTENTS; e++) {
            fixture t;
            int64_t size = schedules[s].size;
            begin(&t, kernels_softmax_short, &schedules[s], &extents[e], NULL);
            kernels_interpret(&t.l, t.expanded);
            const float *x = t.l.mem[0], *y = t.l.mem[1];
            for (int64_t n = 0; n < extents[e]; n++) {
                double sum = 0;
                for (int64_t c = 0; c < size; c++) sum += exp((double)x[n * size + c]);
                for (int64_t c = 0; c < size; c++)
                    ck_close((double)y[n * size + c], exp((double)x[n * size + c]) / sum, 1e-6);
            }
            end(&t);
        }
    }
}
END_TEST

/* The order that kernel.h gives for folds over loops, written down a second time. */
static float strided_sum(const float *x, int64_t n, uint32_t width, uint32_t ilp) {
    float acc[8][64] = {{0}};
    for (int64_t i = 0; i < n; i++) acc[i / width % ilp][i % width] += x[i];
    for (uint32_t count = ilp; count > 1; count /= 2)
        for (uint32_t i = 0; i < count / 2; i++)
            for (uint32_t l = 0; l < width; l++) acc[i][l] = acc[2 * i][l] + acc[2 * i + 1][l];
    for (uint32_t half = width / 2; half; half /= 2)
        for (uint32_t l = 0; l < half; l++) acc[0][l] += acc[0][l + half];
    return acc[0][0];
}

START_TEST(row_sum) {
    FOR_ALL(dims) {
        fixture t;
        begin(&t, kernels_row_sum, &schedules[s], dims, NULL);
        kernels_interpret(&t.l, t.expanded);
        const float *x = t.l.mem[0], *y = t.l.mem[1];
        uint32_t width = schedules[s].width ? schedules[s].width : 1;
        for (int64_t n = 0; n < dims[0]; n++) {
            float want = strided_sum(x + n * dims[1], dims[1], width, schedules[s].ilp);
            ck_assert_msg(want == y[n], "row %d of %d: got %a, want %a", (int)n, (int)dims[1], (double)y[n],
                          (double)want);
        }
        end(&t);
    }
}
END_TEST

START_TEST(row_sum_short) {
    for (int s = 0; s < N_SCHEDULES; s++) {
        for (int e = 0; e < N_EXTENTS; e++) {
            fixture t;
            begin(&t, kernels_row_sum_short, &schedules[s], &extents[e], NULL);
            kernels_interpret(&t.l, t.expanded);
            const float *x = t.l.mem[0], *y = t.l.mem[1];
            for (int64_t n = 0; n < extents[e]; n++) ck_assert(y[n] == (x[n * 3] + x[n * 3 + 1]) + x[n * 3 + 2]);
            end(&t);
        }
    }
}
END_TEST

/* Chunks of rows; with loop lanes rows are added one after the other. */
START_TEST(column_sum) {
    FOR_ALL(dims) {
        fixture t;
        begin(&t, kernels_column_sum, &schedules[s], dims, NULL);
        kernels_interpret(&t.l, t.expanded);
        const float *x = t.l.mem[0], *p = t.l.mem[1];
        int64_t tile = schedules[s].tile, tiles = (dims[0] + tile - 1) / tile, chunks = t.l.n_chunks[0];
        for (int64_t q = 0; q < chunks; q++) {
            int64_t first = q * tiles / chunks * tile, stop = (q + 1) * tiles / chunks * tile;
            for (int64_t c = 0; c < dims[1]; c++) {
                float want = 0;
                for (int64_t n = first; n < stop && n < dims[0]; n++) want += x[n * dims[1] + c];
                ck_assert(p[q * dims[1] + c] == want);
            }
        }
        end(&t);
    }
}
END_TEST

START_TEST(fold_partials) {
    FOR_ALL(dims) {
        fixture t;
        begin(&t, kernels_fold_partials, &schedules[s], dims, NULL);
        kernels_interpret(&t.l, t.expanded);
        const float *p = t.l.mem[0], *y = t.l.mem[1];
        for (int64_t c = 0; c < dims[1]; c++) {
            float want = 0;
            for (int64_t q = 0; q < dims[0]; q++) want += p[q * dims[1] + c];
            ck_assert(y[c] == want);
        }
        end(&t);
    }
}
END_TEST

/* Accumulators [r] in registers, halved at the end of the chunk. */
START_TEST(total) {
    for (int s = 0; s < N_SCHEDULES; s++) {
        for (int e = 0; e < N_EXTENTS; e++) {
            fixture t;
            begin(&t, kernels_total, &schedules[s], &extents[e], NULL);
            kernels_interpret(&t.l, t.expanded);
            const float *x = t.l.mem[0], *p = t.l.mem[1];
            int64_t tile = schedules[s].tile, tiles = (extents[e] + tile - 1) / tile, chunks = t.l.n_chunks[0];
            for (int64_t q = 0; q < chunks; q++) {
                int64_t first = q * tiles / chunks * tile, stop = (q + 1) * tiles / chunks * tile;
                if (stop > extents[e]) stop = extents[e];
                float want = first < stop ? strided_sum(x + first, stop - first, (uint32_t)tile, 1) : 0;
                ck_assert(p[q] == want);
            }
            end(&t);
        }
    }
}
END_TEST

START_TEST(transpose) {
    FOR_ALL(dims) {
        fixture t;
        begin(&t, kernels_transpose, &schedules[s], dims, NULL);
        kernels_interpret(&t.l, t.expanded);
        const float *x = t.l.mem[0], *y = t.l.mem[1];
        for (int64_t n = 0; n < dims[0]; n++)
            for (int64_t c = 0; c < dims[1]; c++) ck_assert(y[c * dims[0] + n] == x[n * dims[1] + c]);
        end(&t);
    }
}
END_TEST

START_TEST(gather) {
    FOR_ALL(dims) {
        fixture t;
        begin(&t, kernels_gather, &schedules[s], dims, NULL);
        int64_t *ix = t.l.mem[1];
        for (int64_t n = 0; n < dims[0]; n++) ix[n] = n % 5 - 1; /* -1 and 3 are none of the 3 rows */
        kernels_interpret(&t.l, t.expanded);
        const float *table = t.l.mem[0], *y = t.l.mem[2];
        for (int64_t n = 0; n < dims[0]; n++)
            for (int64_t c = 0; c < dims[1]; c++)
                ck_assert(y[n * dims[1] + c] == (ix[n] >= 0 && ix[n] < 3 ? table[ix[n] * dims[1] + c] : 0));
        end(&t);
    }
}
END_TEST

START_TEST(scatter_add) {
    FOR_ALL(dims) {
        fixture t;
        begin(&t, kernels_scatter_add, &schedules[s], dims, NULL);
        int64_t *ix = t.l.mem[1];
        for (int64_t n = 0; n < dims[0]; n++) ix[n] = n * n % 5 - 1;
        size_t count = (size_t)(3 * dims[1]);
        float *want = malloc(count * sizeof *want + 1);
        memcpy(want, t.l.mem[0], count * sizeof *want);
        const float *g = t.l.mem[2];
        for (int64_t n = 0; n < dims[0]; n++)
            for (int64_t c = 0; c < dims[1]; c++)
                if (ix[n] >= 0 && ix[n] < 3) want[ix[n] * dims[1] + c] += g[n * dims[1] + c];
        kernels_interpret(&t.l, t.expanded);
        ck_assert(!memcmp(want, t.l.mem[0], count * sizeof *want));
        free(want);
        end(&t);
    }
}
END_TEST

START_TEST(update) {
    for (int s = 0; s < N_SCHEDULES; s++) {
        for (int e = 0; e < N_EXTENTS; e++) {
            fixture t;
            uint64_t lr = kn_bits_of(SN_F32, 0.1);
            begin(&t, kernels_update, &schedules[s], &extents[e], &lr);
            kernels_launch before = kernels_launch_copy(&t.l);
            kernels_interpret(&t.l, t.expanded);
            const float *old = before.mem[0], *g = before.mem[1], *w = t.l.mem[0];
            for (int64_t n = 0; n < extents[e]; n++) {
                float step = 0.1f * g[n]; /* rounded by itself */
                ck_assert(w[n] == old[n] - step);
            }
            kernels_launch_free(&before);
            end(&t);
        }
    }
}
END_TEST

/* Loss and gradients of the moons network in f64, from the memories of the kernel. Order: L G4 G3 G1 G2. */
static void moons_reference(const kernels_launch *l, int64_t n_rows, int64_t h, double *sums) {
    const float *X = l->mem[0], *W1 = l->mem[2], *b1 = l->mem[3], *W2 = l->mem[4], *b2 = l->mem[5];
    const int64_t *y = l->mem[1];
    double *G4 = sums + 1, *G3 = G4 + 2, *G1 = G3 + 2 * h, *G2 = G1 + 2 * h;
    for (int64_t i = 0; i < 3 + 5 * h; i++) sums[i] = 0;
    for (int64_t n = 0; n < n_rows; n++) {
        double a[64], z[2] = {(double)b2[0], (double)b2[1]}, d[2];
        for (int64_t j = 0; j < h; j++) {
            a[j] = tanh((double)b1[j] + (double)X[2 * n] * (double)W1[j] + (double)X[2 * n + 1] * (double)W1[h + j]);
            for (int c = 0; c < 2; c++) z[c] += a[j] * (double)W2[2 * j + c];
        }
        double t = exp(z[0]) + exp(z[1]);
        for (int c = 0; c < 2; c++) {
            d[c] = (exp(z[c]) / t - (y[n] == c)) / (double)n_rows;
            G4[c] += d[c];
        }
        sums[0] += log(t) - (y[n] == 0 ? z[0] : y[n] == 1 ? z[1] : 0);
        for (int64_t j = 0; j < h; j++) {
            double g = (d[0] * (double)W2[2 * j] + d[1] * (double)W2[2 * j + 1]) * (1 - a[j] * a[j]);
            for (int c = 0; c < 2; c++) G3[2 * j + c] += a[j] * d[c];
            for (int k = 0; k < 2; k++) G1[k * h + j] += (double)X[2 * n + k] * g;
            G2[j] += g;
        }
    }
}

static void check_moons(kn_kernel *(*make)(base_arena *, const void *), int64_t h, uint32_t first_part) {
    for (int s = 0; s < N_SCHEDULES; s++) {
        for (int e = 0; e < N_EXTENTS; e++) {
            fixture t;
            kernels_schedule schedule = schedules[s];
            schedule.size = h;
            begin(&t, make, &schedule, &extents[e], NULL);
            int64_t *y = t.l.mem[1];
            for (int64_t n = 0; n < extents[e]; n++) y[n] = n % 3; /* 2 is neither class: nothing is picked */
            kernels_interpret(&t.l, t.expanded);
            double sums[3 + 5 * 64];
            const double *want = sums;
            moons_reference(&t.l, extents[e], h, sums);
            for (uint32_t m = first_part; m < first_part + 5; m++) {
                const float *partial = t.l.mem[m];
                int64_t count = t.kernel->mem[m].count.k;
                for (int64_t i = 0; i < count; i++) {
                    double got = 0;
                    for (int64_t q = 0; q < t.l.n_chunks[0]; q++) got += (double)partial[q * count + i];
                    ck_close(got, *want++, 2e-5);
                }
            }
            end(&t);
        }
    }
}

START_TEST(moons_step) {
    check_moons(kernels_moons_step, 1, 7);
    check_moons(kernels_moons_step, 13, 7);
    check_moons(kernels_moons_step, 33, 7);
}
END_TEST

START_TEST(moons_short) { check_moons(kernels_moons_short, 3, 6); }
END_TEST

START_TEST(moons_update) {
    for (int s = 0; s < N_SCHEDULES; s++) {
        fixture t;
        kernels_schedule schedule = schedules[s];
        schedule.size = 13;
        const int64_t dims[2] = {5, 100};
        const uint64_t scalars[2] = {kn_bits_of(SN_F32, 0.5), kn_bits_of(SN_F32, 0.25)};
        begin(&t, kernels_moons_update, &schedule, dims, scalars);
        kernels_launch old = kernels_launch_copy(&t.l);
        kernels_interpret(&t.l, t.expanded);
        static const int partials[4] = {4, 5, 6, 7};
        for (int w = 0; w < 4; w++) {
            const float *before = old.mem[w], *after = t.l.mem[w], *G = old.mem[partials[w]];
            int64_t count = t.kernel->mem[w].count.k;
            for (int64_t i = 0; i < count; i++) {
                double sum = 0;
                for (int64_t q = 0; q < 5; q++) sum += (double)G[q * count + i];
                ck_close((double)after[i], (double)before[i] - 0.5 * (sum + 0.25 / 100 * (double)before[i]), 1e-6);
            }
        }
        double sum = 0;
        for (int q = 0; q < 5; q++) sum += (double)((float *)old.mem[8])[q];
        ck_close((double)*(float *)t.l.mem[9], sum / 100, 1e-6);
        kernels_launch_free(&old);
        end(&t);
    }
}
END_TEST

/* Chunks may run in any order and in any grouping. */
START_TEST(chunks_are_independent) {
    fixture t;
    kernels_schedule schedule = {2, 3, 8, 8, 2, 13};
    const int64_t dims[1] = {100};
    begin(&t, kernels_moons_step, &schedule, dims, NULL);
    kernels_launch backwards = kernels_launch_copy(&t.l);
    kernels_interpret(&t.l, t.expanded);
    ck_assert_int_eq(t.l.n_chunks[0], 8);
    interp_errors errors = {0};
    for (int64_t c = 8; c-- > 0;) interp_run(t.expanded, &backwards.launch, 0, c, c + 1, backwards.scratch, &errors);
    ck_assert_int_eq(errors.n, 0);
    char text[256];
    ck_assert_msg(kernels_launch_same(&t.l, &backwards, text), "%s", text);
    kernels_launch_free(&backwards);
    end(&t);
}
END_TEST

/* p[c] += x[n,c] * x[n,c] with points as lanes: products of a tile by halves, then into the element. */
static kn_kernel *square_sum(base_arena *arena, const void *arg) {
    const kernels_schedule *s = arg;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0)), c = kn_add_axis(&b, KN_LOOP, KN_D(1));
    kn_access x = kn_access_of(kn_add_mem(&b, KN_IN, SN_F32, KN_D(2), "x")),
              p = kn_access_of(kn_add_mem(&b, KN_PART, SN_F32, KN_D(1), "p"));
    kn_access_step(&x, n, KN_D(1));
    kn_access_step(&x, c, KN_C(1));
    kn_access_step(&p, c, KN_C(1));
    kn_part_begin(&b, 1, &n, s->tile, s->grain, s->max_chunks);
    kn_phase_begin(&b, 0, 1, &c, n, s->tile, s->ilp);
    kn_id value = kn_load(&b, SN_F32, x);
    kn_fold_points(&b, KP_FMA, SN_F32, 1u << n, value, value, p);
    kn_phase_end(&b);
    kn_part_end(&b);
    return kn_build_finish(&b);
}

START_TEST(point_lanes_into_memory) {
    FOR_ALL(dims) {
        fixture t;
        begin(&t, square_sum, &schedules[s], dims, NULL);
        kernels_interpret(&t.l, t.expanded);
        const float *x = t.l.mem[0], *p = t.l.mem[1];
        int64_t tile = schedules[s].tile, tiles = (dims[0] + tile - 1) / tile, chunks = t.l.n_chunks[0];
        for (int64_t q = 0; q < chunks; q++) {
            for (int64_t c = 0; c < dims[1]; c++) {
                float want = 0;
                for (int64_t i = q * tiles / chunks; i < (q + 1) * tiles / chunks; i++) {
                    float lanes[64] = {0};
                    for (int64_t l = 0; l < tile && i * tile + l < dims[0]; l++) {
                        float value = x[(i * tile + l) * dims[1] + c];
                        lanes[l] = value * value;
                    }
                    for (int64_t half = tile / 2; half; half /= 2)
                        for (int64_t l = 0; l < half; l++) lanes[l] += lanes[l + half];
                    want += lanes[0];
                }
                ck_assert(p[q * dims[1] + c] == want);
            }
        }
        end(&t);
    }
}
END_TEST

/* At entry: R[c] = w[c] + w[c] to row scratch, o[c] = w[c], t = sum of w; then y[n,c] = R[c] * t. */
static kn_kernel *with_entry(base_arena *arena, const void *arg) {
    const kernels_schedule *s = arg;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0)), c = kn_add_axis(&b, KN_LOOP, KN_D(1));
    kn_access w = kn_access_of(kn_add_mem(&b, KN_IN, SN_F32, KN_D(1), "w")),
              R = kn_access_of(kn_add_mem(&b, KN_ROW, SN_F32, KN_D(1), "R")),
              o = kn_access_of(kn_add_mem(&b, KN_OUT, SN_F32, KN_D(1), "o")),
              y = kn_access_of(kn_add_mem(&b, KN_OUT, SN_F32, KN_D(2), "y"));
    kn_access_step(&w, c, KN_C(1));
    kn_access_step(&R, c, KN_C(1));
    kn_access_step(&o, c, KN_C(1));
    kn_access_step(&y, n, KN_D(1));
    kn_access_step(&y, c, KN_C(1));
    kn_part_begin(&b, 1, &n, s->tile, s->grain, s->max_chunks);
    kn_phase_begin(&b, 1, 1, &c, c, 4, 1);
    kn_id value = kn_load(&b, SN_F32, w);
    kn_store(&b, R, kn_prim2(&b, KP_ADD, SN_F32, value, value));
    kn_store(&b, o, value);
    kn_id sum = kn_fold(&b, KP_ADD, SN_F32, 1u << c, value, KN_NONE);
    kn_phase_end(&b);
    kn_phase_begin(&b, 0, 1, &c, c, 8, 2);
    kn_store(&b, y, kn_prim2(&b, KP_MUL, SN_F32, kn_load(&b, SN_F32, R), sum));
    kn_phase_end(&b);
    kn_part_end(&b);
    return kn_build_finish(&b);
}

START_TEST(entry_phases) {
    FOR_ALL(dims) {
        fixture t;
        begin(&t, with_entry, &schedules[s], dims, NULL);
        float *w = t.l.mem[0], *o = t.l.mem[2];
        const float *y = t.l.mem[3];
        for (int64_t c = 0; c < dims[1]; c++) o[c] = -1, w[c] = (float)(c + 1);
        interp_errors errors = {0};
        interp_run(t.expanded, &t.l.launch, 0, 1, t.l.n_chunks[0], t.l.scratch, &errors);
        for (int64_t c = 0; c < dims[1]; c++) ck_assert(o[c] == -1); /* only the first chunk stores at entry */
        interp_run(t.expanded, &t.l.launch, 0, 0, 1, t.l.scratch, &errors);
        ck_assert_int_eq(errors.n, 0);
        for (int64_t c = 0; c < dims[1]; c++) {
            ck_assert(o[c] == w[c]);
            for (int64_t n = 0; n < dims[0]; n++)
                ck_assert(y[n * dims[1] + c] == 2 * w[c] * (float)(dims[1] * (dims[1] + 1) / 2));
        }
        end(&t);
    }
}
END_TEST

/* Random kernels keep every rule, stay in bounds, survive encoding, and do not care in which order their chunks run. */
START_TEST(random_kernels) {
    uint64_t n = getenv("SN_SLOW") ? 20000 : 400;
    for (uint64_t seed = 1; seed <= n; seed++) {
        kernels_room room;
        kernels_room_init(&room);
        random_options options = {.seed = seed, .maths = seed % 4 == 0};
        const kn_kernel *k = kernels_make(&room, random_kernel, &options);
        char text[256];
        const char *error = kn_verify(k, text);
        ck_assert_msg(!error, "seed %d: %s", (int)seed, error);
        k = kernels_expand(&room, k);
        error = kn_verify(k, text);
        ck_assert_msg(!error, "seed %d, expanded: %s", (int)seed, error);
        for (uint64_t launch = 0; launch < 3; launch++) {
            kernels_launch a = random_launch(k, seed * 10 + launch), b = kernels_launch_copy(&a);
            interp_errors errors = {0};
            for (uint32_t p = 0; p < k->n_part; p++) {
                interp_run(k, &a.launch, p, 0, a.n_chunks[p], a.scratch, &errors);
                for (int64_t c = b.n_chunks[p]; c-- > 0;) interp_run(k, &b.launch, p, c, c + 1, b.scratch, &errors);
            }
            ck_assert_msg(!errors.n, "seed %d, launch %d: %s", (int)seed, (int)launch, errors.first);
            ck_assert_msg(kernels_launch_same(&a, &b, text), "seed %d, launch %d: %s", (int)seed, (int)launch, text);
            kernels_launch_free(&a);
            kernels_launch_free(&b);
        }
        kernels_room_free(&room);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("interp");
    TCase *tc = tcase_create("interp");
    tcase_add_test(tc, softmax);
    tcase_add_test(tc, softmax_short);
    tcase_add_test(tc, row_sum);
    tcase_add_test(tc, row_sum_short);
    tcase_add_test(tc, column_sum);
    tcase_add_test(tc, fold_partials);
    tcase_add_test(tc, total);
    tcase_add_test(tc, transpose);
    tcase_add_test(tc, gather);
    tcase_add_test(tc, scatter_add);
    tcase_add_test(tc, update);
    tcase_add_test(tc, moons_step);
    tcase_add_test(tc, moons_short);
    tcase_add_test(tc, moons_update);
    tcase_add_test(tc, chunks_are_independent);
    tcase_add_test(tc, point_lanes_into_memory);
    tcase_add_test(tc, entry_phases);
    tcase_add_test(tc, random_kernels);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
