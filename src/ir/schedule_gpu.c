/* How a part runs on a GPU: the same decisions as schedule.c makes for the CPU, for many threads. Lanes are threads, so
 * vectors are as wide as a team and a few elements of each thread, 16 bytes of them; a tile of points is one wide
 * vector, or a few rows whose loads are shared; what has no lanes is computed by all threads of the team alike.
 *
 * The numbers come from what keeps a large GPU busy (132 processors of 2048 threads, 3.3 TB/s, 600 ns until a load from
 * memory returns, some 300 ns from the second cache), not from trials:
 *   600 ns x 3.3 TB/s = 2 MB must be on their way at any time, 15 KB for each processor; twice that, since requests do
 *   not come evenly, is one access of 16 bytes for each of 2048 threads, or four for each of 512. */
#include "ir/schedule.h"

enum {
    WARP = 32,
    BLOCK = 256,     /* eight of these fill a processor; no barrier among more warps than needed for a row */
    ACCESS = 16,     /* bytes of the widest access of a thread */
    PER_THREAD = 4,  /* neighbours of one thread where that is so many bytes of f32 .. */
    MOST = 8,        /* .. and of smaller types, of which more would take the registers of other warps */
    WARP_ROW = 1024, /* up to here a warp has a row to itself: 32 elements a thread fit its registers .. */
    OF_ROW = 32,     /* .. so many for rows to stay in registers: a warp's WARP_ROW */
    FEW_ROWS = 512,  /* .. unless there are so few rows that warps (4 a processor) would leave it waiting for memory */
    MANY_POINTS = 1 << 16, /* 512 threads for each processor */
    SUM_TILE = 4,     /* rows done together where each adds to sums kept per element of the row: as many loads on their
                         way, and a fourth of the accesses to the sums */
    SUM_TILES = 2,    /* .. and tiles of a chunk at least: its sums are written, and read again by who adds them up */
    ACROSS_TILE = 8,  /* rows done together where memory is read or written across them: 32 bytes of f32, the least that
                         memory gives; threads are neighbours along the row, one element each */
    ROW_VALUES = 32,  /* registers for what is the same along a row, such as its values on an unrolled axis */
    POINT_WORDS = 64, /* of 32 bits, for what one value of a thread's points and iterations has on unrolled axes, .. */
    SMALL_WORDS = 32, /* .. where there are more than PER_THREAD points */
    WORDS = 72,       /* of 32 bits, for what a thread keeps of all values: with indices, addresses and what arithmetic
                         needs, 128 registers, of which a processor has enough for 512 threads: two blocks, as many as
                         the numbers of chunks below reckon with. What does not fit is written to memory and read again,
                         and takes the compiler minutes .. */
    TEXT = 2000,      /* .. as do primitives in the text of a part, all that is unrolled counted: a second for these */
    LIGHT_BODY = 30,  /* primitives: above, a thread does a PER_THREAD-th, 4 bytes */
    ILP = 4,          /* accumulators of a fold of each point: the loads of all of them are on their way together, .. */
    CHUNK_ILP = 8,    /* .. over chunks, where there are few points, as many as there may be */
    MAX_WARP_CHUNKS = 1 << 18,  /* forty waves of warps at 48 warps a processor: what runs at the same time is close
                                   together in memory, and a warp still has work for longer than it takes to start .. */
    MAX_BLOCK_CHUNKS = 1 << 14, /* .. and of blocks at six a processor: twenty */
    MAX_ENTRY_CHUNKS = 264,   /* where each chunk begins with folds over what all of them read: two blocks a processor,
                                 a wave; more would do again what they share out */
    MAX_PARTIAL_CHUNKS = 256, /* where each leaves partials that somebody combines: two blocks a processor .. */
    MAX_SCALAR_CHUNKS = 1024, /* .. or as many as fit, where these are a few bytes .. */
    SCALAR_BYTES = 16
};

/* Elements along an axis that make one access of a thread, of the smallest type. A larger one takes two when it is
 * read: the second finds the other half of what the first brought to the first cache. What is written has no such place
 * to meet, so the largest type that is written is one access: then the threads of a warp leave no gaps. */
static uint32_t elements(const lw_part *p, const lw_traffic *t, kn_id axis) {
    uint32_t least = ACCESS / PER_THREAD, read = 0, written = 0, found = 0, most = MOST;
    for (uint32_t i = 0; i < p->phase.n; i++) {
        const lw_sizes *size = &t[i].size[axis];
        if (size->least && (!found++ || least > size->least)) least = size->least;
        if (read < size->read) read = size->read;
        if (written < size->written) written = size->written;
        if (t[i].guards) most = PER_THREAD; /* such reads are one by one */
    }
    uint32_t n = ACCESS / least < most ? ACCESS / least : most;
    while (n > 1 && (n * written > ACCESS || n * read > 2 * ACCESS)) n /= 2;
    int64_t extent;
    for (uint32_t i = 0; i < p->n_axis; i++)
        if (p->axis[i].axis == axis && ir_dim_is_const(p->s->g, p->axis[i].extent, &extent))
            while (n > PER_THREAD && extent % n) n /= 2;
    return n;
}

/* How many of them a thread takes: more than PER_THREAD where all threads have them, several where at least half do. */
static uint32_t per_thread(double extent, uint32_t team, uint32_t n) {
    while (n > PER_THREAD && extent < (double)team * n) n /= 2;
    return extent >= (double)team * n / 2 ? n : 1;
}

/* Most copies of a value on an unrolled axis. */
static double copies_of(const lw_part *p) {
    double copies = 1;
    for (uint32_t i = 0; i < p->n_axis; i++)
        if (p->axis[i].role == KN_UNROLL && p->axis[i].axis != KN_NONE && lw_extent(p, p->axis[i].axis) > copies)
            copies = lw_extent(p, p->axis[i].axis);
    return copies;
}

/* Words of one point, in one iteration, of the value or operand in a phase that has most of them. */
static double point_words(const lw_part *p, uint32_t phase) {
    double most = 1;
    for (uint32_t i = 0; i < p->list.n; i++) {
        const lw_item *item = &p->item[p->list.at[i]];
        const ir_node *n = ir_at(p->s->g, p->list.at[i]);
        if (item->phase != phase) continue;
        double words = kn_words((sn_dtype)n->dtype),
               of_input = n->n_in ? kn_words((sn_dtype)ir_at(p->s->g, n->in[0])->dtype) : 0;
        if (words < of_input) words = of_input;
        for (uint32_t a = 0; a < p->n_axis; a++)
            if (p->axis[a].role == KN_UNROLL && p->axis[a].axis != KN_NONE &&
                (item->over | item->reads) >> p->axis[a].axis & 1)
                words *= lw_extent(p, p->axis[a].axis);
        if (words > most) most = words;
    }
    return most;
}

/* Accumulators of a fold over chunks by lanes: all that a launch may leave, in one round, as far as registers go. */
static uint32_t chunks_at_once(const lw_part *p, uint32_t width) {
    uint32_t ilp = MAX_PARTIAL_CHUNKS / width;
    if (ilp > CHUNK_ILP) ilp = CHUNK_ILP;
    while (ilp > 1 && ilp * copies_of(p) > ROW_VALUES) ilp /= 2;
    return ilp < 1 ? 1 : ilp;
}

/* Nominal extent of the innermost loop of the phase, 0 for none. Chunks are at most as many as the last launch left. */
static double inner_extent(const lw_part *p, const lw_phase *phase) {
    if (!phase->n_loop) return 0;
    return lw_over_chunks(p, phase) ? MAX_PARTIAL_CHUNKS : lw_extent(p, phase->loop[phase->n_loop - 1]);
}

static kn_id inner_loop(const lw_part *p, const lw_phase *phase) {
    return inner_extent(p, phase) >= WARP ? phase->loop[phase->n_loop - 1] : (kn_id)KN_NONE;
}

typedef struct {
    int rows;   /* lanes along loops */
    int across; /* .. while as much is contiguous along the points */
    int entry;  /* folds at entry: by each chunk anew */
    int chunks; /* points at which chunks are combined */
    int phases; /* that are not at entry */
    int loops;  /* in these */
    double longest, prims, points;
} kind;

/* Lanes along loops where more is contiguous along them than along the points. Where nothing in memory has both axes,
 * lanes either way are neighbours or read the same: then along loops if sums are kept per element of them, which points
 * would have to add up between threads for each, or if the points alone are too few. */
static int prefers_loops(const lw_part *p, const lw_traffic *t, kn_id inner, kn_id point) {
    if (t->by_loops > 0 || t->by_points > 0) return t->bytes[inner] >= t->bytes[point];
    return lw_sums_rows(p) || lw_extent(p, point) < MANY_POINTS;
}

/* Chunks are combined by lanes along the points where there are such, since these are neighbours in memory. */
static kind find_lanes(lw_part *p, const lw_traffic *t, kn_id point) {
    kind k = {.points = point == KN_NONE ? 1 : lw_extent(p, point)};
    for (uint32_t i = 0; i < p->phase.n; i++) {
        lw_phase *phase = &p->phase.at[i];
        kn_id inner = inner_loop(p, phase);
        int chunks = lw_over_chunks(p, phase);
        int along = inner != KN_NONE &&
                    (phase->entry || point == KN_NONE || (!chunks && prefers_loops(p, &t[i], inner, point)));
        phase->lanes = along ? inner : KN_NONE;
        if (phase->entry) {
            k.entry |= phase->n_loop > 0;
            continue;
        }
        k.phases++;
        k.loops |= phase->n_loop > 0;
        k.prims += t[i].prims;
        k.chunks |= chunks && point != KN_NONE;
        if (!along) continue;
        k.rows = 1;
        k.across |= t[i].across;
        if (inner_extent(p, phase) > k.longest) k.longest = inner_extent(p, phase);
    }
    return k;
}

/* Rows done together: fewer where each holds many values on unrolled axes, or in each thread. */
static uint32_t row_tile(const lw_part *p, uint32_t each) {
    uint32_t tile = SUM_TILE;
    while (tile > 1 && (tile * copies_of(p) > ROW_VALUES || tile * each > SUM_TILE * PER_THREAD)) tile /= 2;
    return tile;
}

/* Most elements of one thread along the innermost loops. */
static uint32_t of_rows(const lw_part *p, const lw_traffic *t) {
    uint32_t most = 1;
    for (uint32_t i = 0; i < p->phase.n; i++) {
        const lw_phase *phase = &p->phase.at[i];
        if (phase->entry || inner_loop(p, phase) == KN_NONE || lw_over_chunks(p, phase)) continue;
        uint32_t n = per_thread(inner_extent(p, phase), p->team, elements(p, t, inner_loop(p, phase)));
        if (n > most) most = n;
    }
    return most;
}

/* Points of one thread, as long as what it keeps of them are registers. */
static uint32_t of_points(const lw_part *p, const lw_traffic *t, const kind *k, kn_id point) {
    uint32_t each = elements(p, t, point);
    /* Along the last of several axes there need be no more points than a warp takes 16 bytes each of. */
    int several = p->point_axes & (p->point_axes - 1) && k->points >= WARP * each / 2;
    if (k->chunks || !(several || k->points > FEW_ROWS)) return 1;
    if (k->loops && k->points < MANY_POINTS && each > PER_THREAD) each = PER_THREAD; /* threads that work for long */
    if (k->prims > LIGHT_BODY) each = each > PER_THREAD ? each / PER_THREAD : 1;
    for (uint32_t i = 0; each > 1 && i < p->phase.n; i++) {
        double words = point_words(p, i);
        while (each > 1 && each * words > (each > PER_THREAD ? SMALL_WORDS : POINT_WORDS)) each /= 2;
    }
    return each;
}

static void choose_team(lw_part *p, const lw_traffic *t, const kind *k, kn_id point, int exits) {
    p->tile = 1;
    p->team = WARP;
    if (k->rows) {
        int sums = lw_sums_rows(p), few = exits || k->entry;
        if (k->longest > WARP_ROW || k->points <= FEW_ROWS || few || point == KN_NONE) p->team = BLOCK;
        if (k->across) {
            p->team = BLOCK;
            p->tile = ACROSS_TILE;
        } else if (sums ? k->points >= BLOCK : few && k->points >= SUM_TILE * MAX_PARTIAL_CHUNKS) {
            p->tile = row_tile(p, of_rows(p, t));
        }
    } else if (point != KN_NONE && k->phases) {
        if (exits || k->entry) p->team = BLOCK;
        p->tile = p->team * of_points(p, t, k, point);
    }
}

/* Rounds of lanes that rows take, where all of a row fits registers. */
static uint32_t rounds(const lw_part *p) {
    uint32_t most = 0, each = 1;
    for (uint32_t i = 0; i < p->phase.n; i++) {
        const lw_phase *phase = &p->phase.at[i];
        if (phase->entry || !phase->n_loop || phase->lanes != phase->loop[phase->n_loop - 1]) continue;
        uint32_t n = (uint32_t)((inner_extent(p, phase) + phase->width - 1) / phase->width);
        if (lw_over_chunks(p, phase)) continue;
        if (n > most) most = n;
        if (phase->width > p->team * each) each = phase->width / p->team;
    }
    return most * (each > 1 ? each : PER_THREAD) <= OF_ROW ? most : 0;
}

/* Lanes of one thread that are more than so many. */
static int halve_lanes(lw_part *p, const kind *k, uint32_t most) {
    int found = 0;
    for (uint32_t i = 0; i < p->phase.n; i++) {
        lw_phase *phase = &p->phase.at[i];
        if (phase->lanes == KN_NONE || phase->width <= p->team * most) continue;
        phase->width /= 2;
        found = 1;
    }
    if (found && !k->rows && p->tile > p->team * most) p->tile /= 2;
    return found;
}

/* Halves one of the things that multiply what a thread keeps: those first that cost least. Loads of several iterations
 * are on their way together, and so are those of as many values as a thread keeps here; rows that are done together
 * share accesses to sums; lanes of one thread are one access, or, of small types, half of one. Returns 0 where nothing
 * is left to halve. */
static int keep_less(lw_part *p, const kind *k) {
    int found = 0;
    if (halve_lanes(p, k, PER_THREAD)) return 1;
    for (uint32_t i = 0; i < p->phase.n; i++)
        if (p->phase.at[i].ilp > 1) {
            p->phase.at[i].ilp /= 2;
            found = 1;
        }
    if (found) return 1;
    if (k->rows && p->tile > 1) {
        p->tile /= 2;
        return 1;
    }
    return halve_lanes(p, k, 1);
}

/* Primitives in the text of the part, all that is unrolled counted: loops of so many rounds are written out. */
static double text_of(const lw_part *p, const lw_traffic *t, const kind *k, uint32_t rounds) {
    double all = 0;
    for (uint32_t i = 0; i < p->phase.n; i++) {
        const lw_phase *phase = &p->phase.at[i];
        double n = t[i].prims * phase->ilp;
        if (phase->width > p->team) n *= phase->width / p->team;
        if (!phase->entry && k->rows) n *= p->tile;
        if (!phase->entry && phase->n_loop && rounds) n *= rounds;
        all += n;
    }
    return all;
}

void lw_schedule_gpu(lw_part *p, const lw_traffic *t, kn_id point) {
    int exits = lw_partial_bytes(p) > 0;
    kind k = find_lanes(p, t, point);
    choose_team(p, t, &k, point, exits);
    for (uint32_t i = 0; i < p->phase.n; i++) {
        lw_phase *phase = &p->phase.at[i];
        if (phase->lanes == KN_NONE && !phase->entry && k.rows)
            phase->lanes = inner_loop(p, phase); /* one mapping for the whole part: rows stay with their threads */
        if (phase->lanes != KN_NONE) {
            int chunks = lw_over_chunks(p, phase);
            uint32_t n = elements(p, t, phase->lanes);
            phase->width = p->team * (chunks || k.across ? 1 : per_thread(inner_extent(p, phase), p->team, n));
            if (chunks && lw_has_fold(p, i)) phase->ilp = (uint8_t)chunks_at_once(p, phase->width);
        } else if (!phase->entry && !k.rows && p->tile > 1) {
            phase->lanes = point;
            phase->width = p->tile;
            if (lw_has_fold(p, i))
                phase->ilp = lw_over_chunks(p, phase) ? CHUNK_ILP : t[i].prims <= LIGHT_BODY ? ILP : 1;
            double words = phase->ilp > 1 ? p->tile / p->team * point_words(p, i) : 0;
            while (phase->ilp > 1 && phase->ilp * words > POINT_WORDS) phase->ilp /= 2;
        }
    }
    while ((lw_words(p) > WORDS || text_of(p, t, &k, 0) > TEXT) && keep_less(p, &k)) continue;
    p->rounds = k.across ? 0 : rounds(p);
    if (text_of(p, t, &k, p->rounds) > TEXT) p->rounds = 0;
    p->grain = k.rows && lw_sums_rows(p) ? SUM_TILES : 1;
    p->max_chunks = p->team > WARP ? MAX_BLOCK_CHUNKS : MAX_WARP_CHUNKS;
    if (k.entry) p->max_chunks = MAX_ENTRY_CHUNKS;
    if (exits) p->max_chunks = lw_partial_bytes(p) <= SCALAR_BYTES ? MAX_SCALAR_CHUNKS : MAX_PARTIAL_CHUNKS;
    if (!p->point_axes) p->max_chunks = 1;
}
