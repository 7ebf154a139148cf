/* Facts about a kernel: sizes, tiles and chunks for given dims, scratch layout, identities of folds, axis sets. All are
 * functions of the kernel and the extents alone. Sizes saturate instead of overflowing, so a size too large to exist
 * stays too large. */
#include "ir/kernel.h"

enum { KN_T_FI = KN_T_F | KN_T_I, KN_T_IB = KN_T_I | KN_T_B, KN_T_FIB = KN_T_F | KN_T_I | KN_T_B };

const kn_prim_info kn_prims[KP_END] = {
#define KN_PRIM(UC, lc, operands, types, result, doc)  {#lc, operands, 0, KN_T_##types, KN_R_##result, doc},
#define KN_MATHS(UC, lc, operands, types, result, doc) {#lc, operands, 1, KN_T_##types, KN_R_##result, doc},
#define KN_FOLD(UC, lc, types, doc)                    [KP_##UC] = {#lc, 2, 0, KN_T_##types, KN_R_ANY, doc},
#include "ir/prims.def"
};

int kn_is_pair(kn_prim fold) { return fold == KP_ARGMAX || fold == KP_ARGMIN; }
kn_prim kn_pair_value(kn_prim fold) { return fold == KP_ARGMIN ? KP_MIN : KP_MAX; }

kn_id kn_access_at(const kn_inst *inst, uint32_t i) {
    if (i == 0) return inst->acc;
    int is_pair = inst->kind == KI_FOLD && inst->acc != KN_NONE && kn_is_pair((kn_prim)inst->prim);
    return is_pair ? (kn_id)inst->bits : (kn_id)KN_NONE;
}

static int64_t mul_sat(int64_t a, int64_t b) {
    int64_t product;
    if (!__builtin_mul_overflow(a, b, &product)) return product;
    return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
}

static int64_t add_sat(int64_t a, int64_t b) {
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return a < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b != 0); }

int64_t kn_size_value(kn_size size, const int64_t *dims) {
    return size.dim == KN_NONE ? size.k : mul_sat(size.k, dims[size.dim]);
}

int64_t kn_tiles(const kn_kernel *k, uint32_t part, const int64_t *dims) {
    const kn_part *p = &k->part[part];
    int64_t tiles = 1;
    int empty = 0; /* a product may saturate before the factor 0 is met */
    for (uint32_t i = 0; i < p->n_point; i++) {
        int64_t extent = kn_size_value(k->axis[p->point[i]].extent, dims);
        if (extent <= 0) empty = 1;
        if (i + 1u == p->n_point) extent = ceil_div(extent, p->tile);
        tiles = mul_sat(tiles, extent);
    }
    return empty ? 0 : tiles;
}

int64_t kn_chunks(const kn_kernel *k, uint32_t part, const int64_t *dims) {
    const kn_part *p = &k->part[part];
    int64_t chunks = ceil_div(kn_tiles(k, part, dims), p->grain);
    if (chunks > p->max_chunks) chunks = p->max_chunks;
    if (chunks < 1) return 1;
    while (p->team == 1 && chunks & (chunks - 1)) chunks &= chunks - 1;
    return chunks;
}

int64_t kn_chunk_tile(int64_t tiles, int64_t chunks, int64_t c) {
    /* chunks fits in 32 bits, hence c and the remainder do, and their product in 64. */
    uint64_t rest = (uint64_t)(tiles % chunks);
    return c * (tiles / chunks) + (int64_t)((uint64_t)c * rest / (uint64_t)chunks);
}

uint32_t kn_thread_lanes(const kn_kernel *k, const kn_part *part, uint32_t lanes) {
    uint32_t threads = KN_WARP;
    if (part->team == 1) return 1;
    for (uint32_t p = 0; p < k->n_part && part->team > KN_WARP; p++)
        if (k->part[p].team > threads) threads = k->part[p].team;
    return lanes > threads ? lanes / threads : 1;
}

static int64_t row_bytes(const kn_mem *mem, const int64_t *dims) {
    if (mem->space != KN_ROW) return 0;
    int64_t bytes = mul_sat(kn_size_value(mem->count, dims), (int64_t)sn_dtype_size((sn_dtype)mem->store));
    return add_sat(bytes, 63) & ~(int64_t)63;
}

int64_t kn_row_offset(const kn_kernel *k, uint32_t mem, const int64_t *dims) {
    int64_t bytes = 0;
    for (uint32_t m = 0; m < mem; m++) bytes = add_sat(bytes, row_bytes(&k->mem[m], dims));
    return bytes;
}

int64_t kn_scratch_bytes(const kn_kernel *k, const int64_t *dims) { return kn_row_offset(k, k->n_mem, dims); }

uint64_t kn_identity(kn_prim fold, sn_dtype type) {
    switch (fold) {
        case KP_MUL: return type == SN_F64 ? 0x3ff0000000000000u : type == SN_F32 ? 0x3f800000u : 1u;
        case KP_MIN:
            switch (type) {
                case SN_F64: return 0x7ff0000000000000u;
                case SN_F32: return 0x7f800000u;
                case SN_I64: return INT64_MAX;
                case SN_I32: return INT32_MAX;
                default: return UINT8_MAX;
            }
        case KP_MAX:
            switch (type) {
                case SN_F64: return 0xfff0000000000000u;
                case SN_F32: return 0xff800000u;
                case SN_I64: return (uint64_t)INT64_MIN;
                case SN_I32: return (uint32_t)INT32_MIN;
                default: return 0;
            }
        case KP_AND:
            switch (type) {
                case SN_I64: return UINT64_MAX;
                case SN_I32: return UINT32_MAX;
                case SN_U8: return UINT8_MAX;
                default: return 1; /* bool */
            }
        case KP_ARGMAX:
        case KP_ARGMIN: return INT64_MAX;
        default: return 0; /* ADD, FMA, OR */
    }
}

kn_id kn_phase_of(const kn_kernel *k, kn_id inst) {
    uint32_t low = 0, high = k->n_phase; /* the first phase that ends behind inst */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (k->phase[middle].end > inst)
            high = middle;
        else
            low = middle + 1;
    }
    return low < k->n_phase && k->phase[low].first <= inst ? (kn_id)low : (kn_id)KN_NONE;
}

uint32_t kn_axes_with(const kn_kernel *k, kn_role role) {
    uint32_t set = 0;
    for (uint32_t a = 0; a < k->n_axis && a < KN_MAX_AXES; a++)
        if (k->axis[a].role == role) set |= 1u << a;
    return set;
}

uint32_t kn_derive_over(const kn_kernel *k, const kn_inst *inst) {
    uint32_t over = inst->kind == KI_INDEX ? 1u << inst->bits : 0;
    for (int i = 0; i < 3; i++)
        if (inst->a[i] != KN_NONE) over |= k->inst[inst->a[i]].over;
    if (inst->acc != KN_NONE) {
        const kn_access *access = &k->access[inst->acc];
        for (uint32_t i = 0; i < access->n; i++) over |= 1u << access->axis[i];
        if (access->ix != KN_NONE) over |= k->inst[access->ix].over;
        if (access->guard != KN_NONE) over |= k->inst[access->guard].over;
    }
    return over & ~inst->fold;
}
