/* How a part runs on a GPU: the same decisions as schedule.c makes for the CPU, for many threads. Lanes are threads, so
 * vectors are as wide as a team and a few elements of each thread (16 bytes at a time); a tile of points is one wide
 * vector, or a few rows whose loads are shared; what has no lanes is computed by all threads of the team alike. The
 * thresholds are estimates from the machine's numbers and have not been tuned on one. */
#include "ir/schedule.h"

enum {
    WARP = 32,
    BLOCK = 256,
    PER_THREAD = 4,  /* neighbours of one thread: one access of 16 bytes of f32 */
    LONG_ROW = 4096, /* from here a block shares a row; below, a warp has one .. */
    FEW_ROWS = 512,  /* .. unless there are so few rows that warps would leave processors idle */
    SUM_TILE = 4,    /* rows done together where each adds to sums kept per element of the row */
    LIGHT_BODY = 30, /* primitives: below, a thread does PER_THREAD points */
    MAX_WARP_CHUNKS = 8192,
    MAX_BLOCK_CHUNKS = 1024,
    MAX_PARTIAL_CHUNKS = 256 /* where each leaves partials that somebody combines in order */
};

/* Elements along an axis that one thread takes. */
static uint32_t per_thread(double extent, uint32_t team) {
    return extent >= (double)team * PER_THREAD ? PER_THREAD : 1;
}

void lw_schedule_gpu(lw_part *p, const lw_traffic *t, kn_id point) {
    int rows = 0, tile_phases = 0, exits = lw_partial_bytes(p) > 0;
    double longest = 0, prims = 0;
    for (uint32_t i = 0; i < p->phase.n; i++) {
        lw_phase *phase = &p->phase.at[i];
        kn_id inner = phase->n_loop ? phase->loop[phase->n_loop - 1] : KN_NONE;
        if (inner == KN_NONE || lw_over_chunks(p, phase) || lw_extent(p, inner) < WARP) inner = KN_NONE;
        int along = inner != KN_NONE && (phase->entry || point == KN_NONE || t[i].bytes[inner] >= t[i].bytes[point]);
        phase->lanes = along ? inner : KN_NONE;
        tile_phases += !phase->entry;
        if (!phase->entry) prims += t[i].prims;
        if (!along || phase->entry) continue;
        rows = 1;
        if (lw_extent(p, inner) > longest) longest = lw_extent(p, inner);
    }
    double points = point == KN_NONE ? 1 : lw_extent(p, point);
    p->tile = 1;
    p->team = WARP;
    if (rows) {
        int sums = lw_sums_rows(p);
        if (longest >= LONG_ROW || points <= FEW_ROWS || sums || point == KN_NONE) p->team = BLOCK;
        if (sums && points >= BLOCK) p->tile = SUM_TILE;
    } else if (point != KN_NONE && tile_phases) {
        uint32_t own = prims <= LIGHT_BODY && points > FEW_ROWS ? PER_THREAD : 1;
        if (exits) p->team = BLOCK;
        p->tile = p->team * own;
    }
    for (uint32_t i = 0; i < p->phase.n; i++) {
        lw_phase *phase = &p->phase.at[i];
        kn_id inner = phase->n_loop ? phase->loop[phase->n_loop - 1] : KN_NONE;
        if (phase->lanes == KN_NONE && !phase->entry && rows && inner != KN_NONE && !lw_over_chunks(p, phase) &&
            lw_extent(p, inner) >= WARP)
            phase->lanes = inner; /* one mapping for the whole part: rows stay with their threads */
        if (phase->lanes != KN_NONE) {
            phase->width = p->team * per_thread(lw_extent(p, phase->lanes), p->team);
        } else if (!phase->entry && !rows && p->tile > 1) {
            phase->lanes = point;
            phase->width = p->tile;
        }
    }
    p->grain = 1;
    p->max_chunks = exits ? MAX_PARTIAL_CHUNKS : p->team > WARP ? MAX_BLOCK_CHUNKS : MAX_WARP_CHUNKS;
    if (!p->point_axes) p->max_chunks = 1;
}
