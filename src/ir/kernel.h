/* kernel.h: the kernel IR, all that a backend sees.
 *
 * Ids index the arrays of kn_kernel and there is no pointer inside them: the arrays written in order (kn_encode) are
 * the cache key and the compiler's only input, and what `sinter show` decodes and prints.
 *
 * Execution of one part, for chunks chunk0 <= c < chunk1 (kn_chunks tells how many there are):
 *
 *     for each chunk c
 *         start the chunk's accumulators (folds over POINT axes) at the identity of their operation
 *         entry phases, in order                          -- no POINT axis; their stores to OUT happen in chunk 0 only;
 *                                                            what they compute is the same in all chunks
 *         for each tile of the chunk, in order            -- tiles are numbered row-major over the point axes
 *             the other phases, in order, over the tile's points
 *         write the accumulators that stayed in registers
 *
 * Points. A tile is `tile` consecutive indices of the last point axis (1 for no point axis), one index of each other
 * point axis. There are T = product of the other extents * ceil(last extent / tile) tiles. Chunk c of C has the tiles
 * [c * T / C, (c + 1) * T / C). A tile at the end of the last axis may have fewer points; `r` is a point's place in it.
 *
 * A phase is a nest over its LOOP axes, outermost first. `lanes` is the innermost of them ("loop lanes": width
 * consecutive indices are one vector; the points of a tile are copies of the body), or the last point axis ("point
 * lanes": the points of a tile are one vector, width == tile), or KN_NONE (scalar: copies of the body). `ilp`
 * iterations of the innermost LOOP axis (steps of `width` indices with loop lanes, single indices otherwise) are done
 * together. UNROLL axes are expanded everywhere, in order of their ids, the lowest outermost.
 *
 * Within a phase instructions run in order, each as deep in the nest as the innermost LOOP axis it varies over. Those
 * outside of all loops run before the nest, or after it if they need (through whatever operands) a fold over its loops;
 * nothing inside the nest may need one, nor may a load before the nest read a memory that an instruction in front of it
 * stores after the nest. Which NaN an arithmetic primitive gives (payload, sign) is not specified.
 *
 * Order of folds, which decides the bits:
 *   over UNROLL axes alone:
 *       index order, lowest axis id outermost: v0, then op(acc, v1) ..; FMA starts with a0 * b0.
 *   over LOOP axes (all of the phase's, and any UNROLL axes with them):
 *       index i of the innermost loop goes to accumulator [(i / w) % ilp][i % w], w = width with loop lanes, else 1;
 *       accumulators start at the identity and run through the nest in order (UNROLL axes innermost); at the end the
 *       ilp accumulators are combined as a tree of neighbours (0,1)(2,3).. until one is left, then its w lanes by
 *       halves: lane l with lane l + w/2, .. (with a team of more than one thread: first the neighbours that
 *       kn_thread_lanes gives one thread by halves, then what is left of each).
 *   over POINT axes, accumulator access without LOOP axes:
 *       accumulator [r], identity, tiles in order; at the end of the chunk lane r with lane r + tile/2, .. by halves
 *       (neighbours of one thread first, as above), then stored.
 *   over POINT axes, access with LOOP axes:
 *       loop lanes and scalar phases: the points of a tile one after the other into the element; point lanes: the
 *       tile's values combined by halves (absent points: identity), then into the element. FMA with point lanes
 *       multiplies first and then combines by addition.
 *   a later kernel folds the chunks' partials, in chunk order if its schedule says so (ilp 1).
 *
 * ARGMAX and ARGMIN fold pairs, a value a[0] and its index a[1], and give the index of the pair that wins. A NaN wins
 * against numbers, the greater (ARGMIN: the lesser) number against others; between equal values (-0 and +0, two NaNs)
 * the lower index wins. This order of all pairs is total, so the order in which they meet decides nothing. The identity
 * is the value that MAX (MIN) starts with and the greatest index. Over points both halves of the winner are left as
 * partials, so that a later kernel can fold them as pairs.
 */
#ifndef IR_KERNEL_H
#define IR_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "sinter/sinter.h"

typedef uint16_t kn_id;
enum {
    KN_NONE = 0xffff,
    KN_MAX_NEST = 8,
    KN_MAX_AXES = 32,
    KN_MAX_UNROLL = 32,
    KN_MAX_ILP = 8,
    KN_MAX_WIDTH = 2048,
    KN_MAX_ROUNDS = 32
};
enum { KN_MAX_MEMS = 1024, KN_MAX_COPIES = 1 << 16 /* of all instructions together, once UNROLL axes are expanded */ };

/* Registers that a thread of a GPU needs for one element: of 32 bits each. */
static inline uint32_t kn_words(sn_dtype type) { return sn_dtype_size(type) > 4 ? 2 : 1; }

/* k * dims[dim]; dim == KN_NONE: the constant k. */
typedef struct {
    int64_t k;
    kn_id dim;
} kn_size;

typedef enum {
    KN_POINT, /* parallel: points are independent, any order */
    KN_LOOP,  /* sequential inside a point, any extent; may be the vector axis */
    KN_UNROLL /* constant extent 1 .. KN_MAX_UNROLL: expanded in registers */
} kn_role;

typedef struct {
    uint8_t role; /* kn_role */
    kn_size extent;
} kn_axis;

typedef enum {
    KN_IN,
    KN_OUT,
    KN_INOUT, /* same-element rule: each load has the access of a store and precedes it; no other part touches it. A
                 scatter (store with ix) may be loaded and stored again in a sequential LOOP. */
    KN_ROW,   /* scratch of one tile (of one chunk, stored in an entry phase); of the POINT axes only the last may be in
                 an access, and there it counts r, the place in the tile, not the index. No ix in a store. Stored in the
                 same part before it is loaded; a phase that loads and stores it has one access for both */
    KN_PART   /* [chunks][count]: what one fold over POINT axes leaves; its access is inside the chunk's own count
                 elements, has no POINT axis, ix or guard, and has every other axis that the folded value varies over.
                 Not loaded */
} kn_space;

typedef struct {
    uint8_t space; /* kn_space */
    uint8_t store; /* sn_dtype in memory; bool is a byte 0 or 1; f16 and bf16, not of ROW and PART, are loaded as f32
                      and rounded to the nearest, ties to even, when stored: every NaN as 0x7fff */
    uint8_t align_log2;
    kn_size count; /* elements: of the whole memory, of one tile (ROW), of one chunk (PART) */
} kn_mem;

/* element = base + sum step[i] * index(axis[i]) + ix_step * value(ix).
 * Stores: the axes of over are those of the access and of ix (ROW: and outer POINT axes). In a phase that is not at
 * entry, stores to OUT and INOUT have all POINT axes of the part among axis[]. Where the ix of a store varies over a
 * LOOP axis, that phase has no loop lanes and ilp 1. The LOOP axes of a store and of a fold over points are the
 * outermost ones of their phase's nest. */
typedef struct {
    kn_id mem;
    kn_id ix;    /* instruction of type i64, or KN_NONE */
    kn_id guard; /* instruction of type bool, or KN_NONE; false: a load gives 0 and touches nothing, a store stores
                    nothing */
    uint8_t n;
    kn_id axis[KN_MAX_NEST];
    kn_size step[KN_MAX_NEST], base, ix_step;
} kn_access;

typedef enum {
#define KN_PRIM(UC, lc, operands, types, result, doc) KP_##UC,
#include "ir/prims.def"
    KP_COUNT,
    KP_BEFORE_FOLDS = KP_COUNT - 1, /* what folds but is no primitive comes behind KP_COUNT */
#define KN_PRIM(UC, lc, operands, types, result, doc)
#define KN_FOLD(UC, lc, types, doc) KP_##UC,
#include "ir/prims.def"
    KP_END
} kn_prim;

typedef enum {
    KI_CONST,  /* bits */
    KI_SCALAR, /* launch scalar number bits */
    KI_DIM,    /* launch dim number bits, type i64 */
    KI_INDEX,  /* index of axis number bits, type i64 */
    KI_LOAD,
    KI_STORE, /* a[0] at acc */
    KI_PRIM,
    KI_FOLD /* prim: ADD MUL MIN MAX AND OR over a[0], or FMA: adds a[0] * a[1], or ARGMAX ARGMIN: pairs, type i64 */
} kn_kind;

typedef struct {
    uint8_t kind;  /* kn_kind */
    uint8_t prim;  /* kn_prim, of PRIM and FOLD */
    uint8_t type;  /* sn_dtype of the value; STORE: of a[0]. That of the memory, where there is one
                      (f32 where that is f16 or bf16) */
    kn_id a[3];    /* operands: earlier instructions, else KN_NONE */
    kn_id acc;     /* LOAD, STORE, FOLD over points: index of a kn_access, else KN_NONE */
    uint32_t over; /* set of axes the value varies over (STORE: is stored over): derived (kn_derive_over), verified */
    uint32_t fold; /* FOLD: axes reduced: LOOP and UNROLL axes, or else POINT axes alone (all of the part's) */
    uint64_t bits; /* ARGMAX, ARGMIN over points: the kn_access of the values' partials, over the axes of acc */
} kn_inst;

/* Values cross phases of a part freely if they vary over POINT and UNROLL axes alone; through KN_ROW otherwise. Entry
 * phases come first; in them no instruction varies over a POINT axis, nor (unless the part has none) stores to INOUT.
 * An instruction that does not vary over some of the phase's LOOP axes is computed outside of these loops; so is its
 * memory access: a load must be valid whenever the axes it varies over are in range. */
typedef struct {
    kn_id first, end; /* instructions */
    uint8_t at_entry; /* done once per chunk, before its tiles */
    uint8_t n_loop;
    kn_id loop[KN_MAX_NEST];
    kn_id lanes;
    uint16_t width; /* power of two, <= KN_MAX_WIDTH; 1 with lanes == KN_NONE */
    uint8_t ilp;    /* 1 .. KN_MAX_ILP, power of two */
} kn_phase;

/* An index space. The parts of a kernel are independent and share a launch. */
typedef struct {
    kn_id first_phase, end_phase;
    uint8_t n_point;
    kn_id point[KN_MAX_NEST];
    uint16_t tile;   /* points of the last point axis done together: power of two, <= KN_MAX_WIDTH; 1 without points */
    uint16_t team;   /* threads that share a tile, power of two, <= KN_MAX_WIDTH: for backends that have many. 1 on the
                        CPU */
    uint16_t rounds; /* of lanes that the loops of this part take, for backends that keep rows in registers: where they
                        take more, these do not. 0: any number. It decides no bit */
    uint32_t grain;  /* least tiles per chunk */
    uint32_t max_chunks; /* C = max(1, min(ceil(T / grain), max_chunks)), of extents alone, never of the machine; with a
                            team of 1 the greatest power of two up to that: then the same share of chunks is the same
                            points in every launch. Larger teams share no memory from launch to launch */
} kn_part;

typedef struct {
    uint16_t n_axis, n_mem, n_access, n_inst, n_phase, n_part, n_dim, n_scalar;
    kn_axis *axis;
    kn_mem *mem;
    kn_access *access;
    kn_inst *inst;
    kn_phase *phase;
    kn_part *part;
    /* Side tables for people, each may be NULL; not part of the key. */
    const char *const *mem_name;
    /* What an instruction was made for, in its maker's numbers: by lowering for a node of the program's graph, by
     * kn_expand for an instruction of the kernel that it was given. */
    const uint32_t *made_for;
} kn_kernel;

/* What a kernel is scheduled for. Any reader runs any kernel, as far as its limits allow. */
typedef enum { KN_FOR_CPU, KN_FOR_GPU } kn_machine;

/* What a launch passes. mem[i] for ROW memories is ignored. The machine code of a kernel on the CPU is
 *     void k(const kn_launch *, uint32_t part, int64_t chunk0, int64_t chunk1, void *scratch)
 * It calls nothing. scratch has kn_scratch_bytes, aligned to 64, and belongs to the calling thread for the call. */
typedef struct {
    void *const *mem;
    const int64_t *dim;
    const uint64_t *scalar; /* a value's bits, in the low bytes */
} kn_launch;
typedef void (*kn_code)(const kn_launch *, uint32_t part, int64_t chunk0, int64_t chunk1, void *scratch);

/* ---- facts (kernel.c) -------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    uint8_t n_operands;
    uint8_t is_maths; /* rewritten by kn_expand */
    uint8_t types;    /* set of KN_T_* */
    uint8_t result;   /* KN_R_* */
    const char *doc;
} kn_prim_info;
enum { KN_T_F = 1, KN_T_I = 2, KN_T_B = 4 };
enum { KN_R_SAME, KN_R_BOOL, KN_R_ANY };
extern const kn_prim_info kn_prims[KP_END];

int64_t kn_size_value(kn_size size, const int64_t *dims);
int64_t kn_tiles(const kn_kernel *k, uint32_t part, const int64_t *dims);
int64_t kn_chunks(const kn_kernel *k, uint32_t part, const int64_t *dims);
/* First tile of chunk c of chunks: floor(c * tiles / chunks) without overflow. */
int64_t kn_chunk_tile(int64_t tiles, int64_t chunks, int64_t c);
/* How many neighbours of so many lanes one thread of the team has; 1 with a team of 1. A team is at least a warp, and a
 * larger one as large as the kernel's largest. */
enum { KN_WARP = 32 };
uint32_t kn_thread_lanes(const kn_kernel *k, const kn_part *part, uint32_t lanes);
/* Bytes of all KN_ROW memories, each aligned to 64; kn_row_offset tells where one starts. */
int64_t kn_scratch_bytes(const kn_kernel *k, const int64_t *dims);
int64_t kn_row_offset(const kn_kernel *k, uint32_t mem, const int64_t *dims);
/* Bits of the identity of a fold's operation (FMA: of ADD) in a type: +0, 1, +inf or the greatest, -inf or the least,
 * all ones, 0; ARGMAX, ARGMIN: the index. */
uint64_t kn_identity(kn_prim fold, sn_dtype type);
/* A fold of pairs: ARGMAX, ARGMIN. The winner's value is what MAX or MIN would give: kn_pair_value. */
int kn_is_pair(kn_prim fold);
kn_prim kn_pair_value(kn_prim fold);
/* The accesses of an instruction: of the element it touches, and of the values' partials; KN_NONE for none. */
enum { KN_ACCESSES = 2 };
kn_id kn_access_at(const kn_inst *inst, uint32_t i);
/* Phase to which an instruction belongs; KN_NONE for none. */
kn_id kn_phase_of(const kn_kernel *k, kn_id inst);
/* The set of axes an instruction varies over, from its operands' sets and its access. Its ids must be in range. */
uint32_t kn_derive_over(const kn_kernel *k, const kn_inst *inst);
/* Set of the kernel's axes with that role. */
uint32_t kn_axes_with(const kn_kernel *k, kn_role role);

/* ---- kernel_place.c ---------------------------------------------------------------------------------------------- */

/* Where in its part an instruction runs, for code generators. */
enum { KN_AT_CHUNK = -1, KN_AT_POINT = 0 }; /* else: inside so many loops of its phase */
typedef struct {
    uint32_t axes; /* it runs over these: what it and its access vary over, and the loops and points it folds */
    int8_t level;
    uint8_t at_entry;
    uint8_t after; /* at the point, but after the loops: needs the result of a fold over them */
} kn_place;
/* Fills place[] for the instructions of a part. An instruction of a tile phase whose value is the same for all tiles of
 * the chunk, and that reads nothing the tile may change, is at the chunk. */
void kn_place_part(const kn_kernel *k, const kn_part *part, kn_place *place);
/* The operands of an instruction with those of its access, earlier instructions all; returns how many. */
int kn_operands(const kn_kernel *k, const kn_inst *inst, kn_id operand[5]);
int kn_is_loop_fold(const kn_kernel *k, const kn_inst *inst);
int kn_is_point_fold(const kn_inst *inst);

/* ---- encode.c: bytes and back ------------------------------------------------------------------------------------ */

/* Canonical bytes, little-endian, without padding; equal kernels give equal bytes. */
void kn_encode(const kn_kernel *k, base_strbuf *out);
/* Decodes and verifies; fails with SN_ERR_PARSE on anything malformed, truncated or left over. */
kn_kernel *kn_decode(base_arena *arena, const void *bytes, size_t n);

/* ---- kernel_verify.c, kernel_print.c ----------------------------------------------------------------------------- */

/* NULL if the kernel keeps every rule of this header, else a sentence in text. Safe on any content of the arrays. */
const char *kn_verify(const kn_kernel *k, char text[256]);
/* Readable text in the notation of docs/ir.md. */
void kn_print(const kn_kernel *k, base_strbuf *out);
/* The same with the user's names of values: name appends that of an instruction, or nothing. */
typedef void kn_namer(void *arg, uint32_t inst, base_strbuf *out);
void kn_print_named(const kn_kernel *k, kn_namer *name, void *arg, base_strbuf *out);
/* The lines of that text, from 1, on which parts, phases and instructions stand: what debuggers call the line of the
 * code. 0 for an instruction of no phase. */
typedef struct {
    uint32_t *part, *phase, *inst;
} kn_lines;
kn_lines kn_lines_of(base_arena *arena, const kn_kernel *k);

/* ---- expand.c ---------------------------------------------------------------------------------------------------- */

/* The same kernel with every KN_MATHS primitive rewritten into the others (methods and measured errors: docs/maths.md),
 * SCALE among them where the backend has an instruction for it; the results have the same bits with it and without. */
enum { KN_HAS_SCALE = 1 };
kn_kernel *kn_expand(base_arena *arena, const kn_kernel *k, uint32_t has);

#endif
