/* Blocks: accesses whose lanes lie apart in memory while copies of the same instruction lie side by side, as in
 *
 *     lanes j, a tile of points i:  B[j*N + i]        lanes i, an UNROLL axis k of 10:  W[i*10 + k]
 *
 * Instead of a gather for each copy, all copies along one line of memory are read as one vector for each lane, and the
 * block is transposed in registers; stores do the same the other way round. A block is square, n vectors of n elements
 * of at most 64 bytes; several stand beside each other where there are more lanes or copies.
 *
 * Transposing: number the elements by the bits of their vector and of their place in it. Each step below exchanges one
 * bit of the vector with one bit of the place for every pair of vectors, with the cheapest shuffle of two registers:
 * inside 16 bytes (unpack), then of pieces of 16 bytes.
 *
 * Ragged ends: lanes that are absent read where the last present one does and become 0 afterwards; copies that are
 * absent are masked, and then repeat the last one that is present (see llvm_emit.h). Stores are masked. */
#include "jit_cpu/llvm_emit.h"

enum { LEAST_TILE = 4, LEAST_UNROLL = 3, BLOCK_BYTES = 64, MOST = 16 };

/* The copies along which an access is contiguous. */
typedef struct {
    kn_id axis;      /* the last point axis or an UNROLL axis */
    uint32_t copies; /* extent of the axis, or the tile */
    uint32_t stride; /* in slots, from one copy to the next */
    uint32_t n;      /* of a block */
    int is_tile;
} block;

static const kn_mem *mem_of(const em *e, const kn_access *a) { return &e->k->mem[a->mem]; }
static uint32_t size_of(const em *e, const kn_access *a) {
    return (uint32_t)sn_dtype_size((sn_dtype)mem_of(e, a)->store);
}

/* Is the access one element further for the next index of the axis, whatever the dims? */
static int steps_by_one(const kn_access *a, kn_id axis) {
    int found = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->axis[i] != axis) continue;
        if (found || a->step[i].dim != KN_NONE || a->step[i].k != 1) return 0;
        found = 1;
    }
    return found;
}

/* Instances that follow each other when the index on an UNROLL axis grows by one. */
static uint32_t slots_of(const em *e, uint32_t over, kn_id axis) {
    uint32_t n = 1;
    for (uint32_t a = axis + 1u; a < e->k->n_axis; a++)
        if (over >> a & 1 && e->k->axis[a].role == KN_UNROLL) n *= (uint32_t)e->k->axis[a].extent.k;
    return n;
}

/* Masked accesses of bytes are loops of branches without AVX-512. */
static int can_mask(const em *e, const kn_access *a) { return e->v4 || size_of(e, a) >= 4; }

/* masks: of lanes, too. */
static int find_block(em *e, const kn_access *a, uint32_t over, uint32_t lanes, int masks, block *out) {
    const em_at start = {0};
    if (lanes < 4 || a->guard != KN_NONE || steps_by_one(a, e->lane_axis)) return 0;
    if (em_filling_axis(e, a) != KN_NONE && !em_lane_mask(e, &start)) return 0; /* one stretch of memory */
    int has_lane_axis = 0;
    for (uint32_t i = 0; i < a->n; i++) has_lane_axis |= a->axis[i] == e->lane_axis;
    uint32_t ix_over = a->ix == KN_NONE ? 0 : e->k->inst[a->ix].over;
    if (!has_lane_axis || ix_over & em_bit(e->lane_axis)) return 0;
    *out = (block){.axis = KN_NONE};
    if (e->mode == EM_LOOP_LANES && e->copies >= LEAST_TILE && steps_by_one(a, e->last_point)) {
        *out = (block){.axis = e->last_point, .copies = e->copies, .is_tile = 1};
        out->stride = em_instances(e, over) / e->copies;
        masks |= e->tile_mask != NULL;
    }
    for (kn_id axis = 0; axis < e->k->n_axis && out->axis == KN_NONE; axis++) {
        if (e->k->axis[axis].role != KN_UNROLL || e->k->axis[axis].extent.k < LEAST_UNROLL) continue;
        if (!steps_by_one(a, axis)) continue;
        *out = (block){.axis = axis, .copies = (uint32_t)e->k->axis[axis].extent.k};
        out->stride = slots_of(e, over, axis);
    }
    if (out->axis == KN_NONE || ix_over & em_bit(out->axis)) return 0;
    uint32_t most = BLOCK_BYTES / size_of(e, a);
    if (most > MOST) most = MOST;
    if (most > lanes) most = lanes;
    for (out->n = 1; out->n < out->copies && out->n < most;) out->n *= 2;
    return (!masks && out->copies % out->n == 0) || can_mask(e, a);
}

/* ---- transposing ------------------------------------------------------------------------------------------------- */

static LLVMValueRef shuffle(em *e, LLVMValueRef x, LLVMValueRef y, const uint32_t *from, uint32_t n) {
    LLVMValueRef pick[EM_MAX_WIDTH] = {0};
    for (uint32_t i = 0; i < n; i++) pick[i] = em_i32(e, from[i]);
    return LLVMBuildShuffleVector(e->b, x, y ? y : LLVMGetPoison(LLVMTypeOf(x)), LLVMConstVector(pick, n), "");
}

/* Each pair of vectors that differ in one bit of their number takes that bit for one of the place: the highest inside a
 * piece, which the others follow upwards, or the lowest of those that tell the pieces, which the others follow down. */
static void exchange(em *e, LLVMValueRef *v, uint32_t n, uint32_t piece, uint32_t bit) {
    uint32_t from[2][MOST], pairs = n / piece / 2;
    for (uint32_t h = 0; h < 2; h++)
        for (uint32_t i = 0; i < n; i++)
            from[h][i] = bit < piece ? i / piece * piece + h * (piece / 2) + i % piece / 2 + (i % 2 ? n : 0)
                                     : (2 * (i / piece % pairs) + h) * piece + i % piece + (i < n / 2 ? 0 : n);
    for (uint32_t i = 0; i < n; i++) {
        if (i & bit) continue;
        LLVMValueRef x = v[i], y = v[i | bit];
        v[i] = shuffle(e, x, y, from[0], n);
        v[i | bit] = shuffle(e, x, y, from[1], n);
    }
}

/* n vectors of n elements of size bytes. */
static void transpose(em *e, LLVMValueRef *v, uint32_t n, uint32_t size) {
    uint32_t piece = 16 / size < n ? 16 / size : n; /* elements inside 16 bytes */
    for (uint32_t bit = piece / 2; bit; bit /= 2) exchange(e, v, n, piece, bit);
    for (uint32_t bit = piece; bit < n; bit *= 2) exchange(e, v, n, piece, bit);
}

/* Elements [first, first + n) of a vector. */
static LLVMValueRef part_of(em *e, LLVMValueRef v, uint32_t first, uint32_t n) {
    uint32_t from[EM_MAX_WIDTH];
    if (n == LLVMGetVectorSize(LLVMTypeOf(v))) return v;
    for (uint32_t i = 0; i < n; i++) from[i] = first + i;
    return shuffle(e, v, NULL, from, n);
}

/* n vectors (a power of two) after each other. */
static LLVMValueRef join(em *e, LLVMValueRef *v, uint32_t n) {
    uint32_t from[EM_MAX_WIDTH];
    for (; n > 1; n /= 2) {
        uint32_t lanes = 2 * LLVMGetVectorSize(LLVMTypeOf(v[0]));
        for (uint32_t i = 0; i < lanes; i++) from[i] = i;
        for (uint32_t i = 0; i < n / 2; i++) v[i] = shuffle(e, v[2 * i], v[2 * i + 1], from, lanes);
    }
    return v[0];
}

/* ---- lines of memory: one for each lane -------------------------------------------------------------------------- */

typedef struct {
    LLVMValueRef at[EM_MAX_WIDTH];      /* address of the first copy; absent lanes: the last present one's */
    LLVMValueRef present[EM_MAX_WIDTH]; /* NULL: yes */
} lines;

static LLVMValueRef step_from(em *e, const kn_access *a, LLVMValueRef p) {
    LLVMTypeRef type = em_memory_type(e, (sn_dtype)mem_of(e, a)->store);
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->axis[i] != e->lane_axis) continue;
        LLVMValueRef step = em_size(e, a->step[i]);
        p = LLVMBuildGEP2(e->b, type, p, &step, 1, "");
    }
    return p;
}

/* at: an instance with index 0 along the block. */
static void find_lines(em *e, kn_id acc, const em_at *at, uint32_t lanes, lines *out) {
    LLVMValueRef mask = em_lane_mask(e, at), p = em_place(e, acc, at, lanes);
    for (uint32_t l = 0; l < lanes; l++) {
        out->present[l] = mask ? LLVMBuildExtractElement(e->b, mask, em_i32(e, l), "") : NULL;
        LLVMValueRef here = l ? step_from(e, &e->k->access[acc], p) : p;
        if (mask && l == 0) { /* of the first vector of a round some lane is present */
            em_at first = *at;
            first.u = 0;
            p = em_place(e, acc, &first, lanes);
        }
        p = out->at[l] = mask ? LLVMBuildSelect(e->b, out->present[l], here, p, "") : here;
    }
}

static LLVMValueRef advance(em *e, const kn_access *a, LLVMValueRef p, uint32_t elements) {
    LLVMValueRef n = em_i64(e, elements);
    return elements ? LLVMBuildGEP2(e->b, em_memory_type(e, (sn_dtype)mem_of(e, a)->store), p, &n, 1, "") : p;
}

/* Which of the copies [first, first + n) exist and are present; NULL: all. */
static LLVMValueRef copies_mask(em *e, const block *b, uint32_t first) {
    if (b->is_tile && e->tile_mask) return part_of(e, e->tile_mask, first, b->n);
    if (first + b->n <= b->copies) return NULL;
    LLVMValueRef bits[MOST];
    for (uint32_t i = 0; i < b->n; i++) bits[i] = LLVMConstInt(e->i1, first + i < b->copies, 0);
    return LLVMConstVector(bits, b->n);
}

/* ---- loads and stores -------------------------------------------------------------------------------------------- */

static LLVMValueRef load_line(em *e, const kn_access *a, LLVMTypeRef type, LLVMValueRef p, LLVMValueRef mask) {
    if (mask) return em_load_masked(e, a, type, p, mask);
    LLVMValueRef value = LLVMBuildLoad2(e->b, type, p, "");
    LLVMSetAlignment(value, size_of(e, a));
    return value;
}

static void load_block(em *e, kn_id acc, const block *b, const em_at *at, uint32_t lanes, LLVMValueRef *value) {
    const kn_access *a = &e->k->access[acc];
    LLVMTypeRef type = em_vector(em_memory_type(e, (sn_dtype)mem_of(e, a)->store), b->n);
    LLVMValueRef lane_mask = em_lane_mask(e, at), block_of[EM_MAX_WIDTH][MOST], row[KN_MAX_WIDTH];
    lines line;
    find_lines(e, acc, at, lanes, &line);
    for (uint32_t first = 0; first < b->copies; first += b->n) {
        LLVMValueRef mask = copies_mask(e, b, first);
        for (uint32_t g = 0; g < lanes / b->n; g++) {
            for (uint32_t i = 0; i < b->n; i++)
                block_of[g][i] = load_line(e, a, type, advance(e, a, line.at[g * b->n + i], first), mask);
            transpose(e, block_of[g], b->n, size_of(e, a));
        }
        for (uint32_t c = first; c < b->copies && c < first + b->n; c++) {
            for (uint32_t g = 0; g < lanes / b->n; g++) row[g] = block_of[g][c - first];
            LLVMValueRef all = join(e, row, lanes / b->n);
            if (lane_mask) all = LLVMBuildSelect(e->b, lane_mask, all, LLVMConstNull(LLVMTypeOf(all)), "");
            all = em_from_memory(e, a, all);
            if (b->is_tile && c && e->tile_present[c])
                all = LLVMBuildSelect(e->b, e->tile_present[c], all, value[at->slot + (c - 1) * b->stride], "");
            value[at->slot + c * b->stride] = all;
        }
    }
}

static void store_line(em *e, const kn_access *a, LLVMValueRef p, LLVMValueRef value, LLVMValueRef mask) {
    if (mask)
        em_store_masked(e, a, p, value, mask);
    else
        LLVMSetAlignment(LLVMBuildStore(e->b, value, p), size_of(e, a));
}

static void store_block(em *e, kn_id acc, const block *b, const em_at *at, uint32_t lanes, const LLVMValueRef *value) {
    const kn_access *a = &e->k->access[acc];
    lines line;
    LLVMBasicBlockRef end = em_if(e, em_store_condition(e, a, at, lanes), "store");
    find_lines(e, acc, at, lanes, &line);
    for (uint32_t first = 0; first < b->copies; first += b->n) {
        LLVMValueRef mask = copies_mask(e, b, first), part[MOST];
        for (uint32_t g = 0; g < lanes / b->n; g++) {
            for (uint32_t i = 0; i < b->n; i++) {
                uint32_t c = first + i < b->copies ? first + i : first;
                part[i] = part_of(e, em_to_memory(e, a, value[at->slot + c * b->stride], lanes), g * b->n, b->n);
            }
            transpose(e, part, b->n, size_of(e, a));
            for (uint32_t i = 0; i < b->n; i++) {
                LLVMValueRef here = line.present[g * b->n + i], both = here ? em_splat(e, here, b->n) : NULL;
                store_line(e, a, advance(e, a, line.at[g * b->n + i], first), part[i], em_and(e, mask, both));
            }
        }
    }
    em_end_if(e, end);
}

static int is_first(const block *b, const em_at *at) { return b->is_tile ? at->r == 0 : at->x[b->axis] == 0; }

int em_load_blocks(em *e, kn_id access, uint32_t over, uint32_t lanes, LLVMValueRef *value) {
    block b;
    em_at at = {0};
    if (!find_block(e, &e->k->access[access], over, lanes, 0, &b)) return 0;
    do
        if (is_first(&b, &at)) load_block(e, access, &b, &at, lanes, value);
    while (em_next(e, over, &at));
    return 1;
}

int em_store_blocks(em *e, kn_id access, uint32_t over, uint32_t lanes, const LLVMValueRef *value) {
    block b;
    em_at at = {0};
    int masks = e->mode == EM_LOOP_LANES ? e->loop_mask[0] != NULL : e->tile_mask != NULL;
    if (!find_block(e, &e->k->access[access], over, lanes, masks, &b)) return 0;
    do
        if (is_first(&b, &at)) store_block(e, access, &b, &at, lanes, value);
    while (em_next(e, over, &at));
    return 1;
}

int em_is_tile_block(em *e, kn_id access, uint32_t over, uint32_t lanes) {
    block b;
    return find_block(e, &e->k->access[access], over, lanes, 1, &b) && b.is_tile;
}
