/* llvm_emit.h: from a kernel to an LLVM module. Private to the plug-in.
 *
 * The shape of the code follows ir/kernel.h closely: a function per part; in it the chunk loop, the tile loop and one
 * loop nest per phase. What the kernel leaves implicit becomes copies of instructions in the emitted code:
 *
 *     an instruction of the kernel  ->  one LLVM value per instance: (r, u, one index per UNROLL axis)
 *         r   place in the tile, in phases whose lanes are not the points ("copies"); else always 0
 *         u   which of the ilp iterations of the innermost loop that are done together
 *
 * and each instance is a scalar or, if it varies over the lane axis, a vector. An instruction has instances only along
 * what it varies over, so a weight that is the same for all points of a tile is loaded once for all of them.
 *
 * Ragged ends, of a loop and of the last point axis, run the same body once more with masks. Lanes are masked: loads
 * give 0, stores store nothing, folds keep their accumulator. Copies are clamped: an absent copy repeats the last one
 * that is present, so that its loads need no mask; only its stores and folds are left out, by a uniform condition. A
 * ragged tile of two points has one, and is emitted without the other copy. */
#ifndef JIT_CPU_LLVM_EMIT_H
#define JIT_CPU_LLVM_EMIT_H

#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>

#include "ir/kernel.h"

enum { EM_MAX_WIDTH = 64 }; /* of vectors and tiles here; wider ones are for other processors */

enum { EM_MAX_AHEAD = 4, EM_LINE = 64 /* bytes of a line of the cache */ };
typedef enum { EM_COPIES, EM_LOOP_LANES, EM_POINT_LANES } em_mode;

/* An instance of an instruction. */
typedef struct {
    uint32_t slot; /* its number, counting r slowest and the UNROLL axis with the highest id fastest */
    uint32_t r, u;
    uint8_t x[KN_MAX_AXES]; /* index on each UNROLL axis */
} em_at;

/* The LLVM values of an instruction, by slot. */
typedef struct {
    LLVMValueRef *at;
    uint32_t nr, nu; /* instances along r and u */
    uint32_t lanes;  /* 1: scalars */
} em_value;

/* Pointers of an access with the axes of the enclosing loops added, one for each r (or one for all). */
typedef struct {
    LLVMValueRef *at;
    uint32_t nr;
} em_pointer;

/* What stands for an access in llvm_emit_stage.c. */
typedef struct {
    LLVMValueRef buffer, at; /* at: NULL where the access goes to its memory */
} em_stage;

typedef struct {
    kn_place place; /* where in its phase it runs */
    kn_id seldom;   /* the RARE that it belongs to: nothing but its b needs this; else KN_NONE */
} em_run;

typedef struct {
    kn_size size;
    LLVMValueRef value;
} em_size_entry;

typedef struct {
    base_arena *arena;
    const kn_kernel *k;
    int v4; /* AVX-512 */

    LLVMContextRef context; /* these three belong to the caller */
    LLVMModuleRef module;
    LLVMBuilderRef b;
    LLVMTypeRef void_type, ptr, i1, i8, i32, i64;

    const kn_lines *lines;       /* of the kernel as it was given; NULL: the code gets no line numbers */
    LLVMDIBuilderRef di;         /* the caller's, with lines */
    LLVMMetadataRef file, scope; /* scope: of the function that is being emitted */

    /* the part's function */
    const kn_part *part;
    uint32_t part_id;
    LLVMValueRef fn;
    LLVMValueRef entry_end; /* the entry block's terminator: what is put before it is computed once per call */
    LLVMValueRef launch_dim, launch_scalar;
    LLVMValueRef zero; /* 8 bytes of 0, where loads go whose guard is false */
    BASE_VEC(em_size_entry) sizes;
    LLVMValueRef *mem;   /* start of each memory; PART: of the chunk's own elements */
    em_run *run;         /* of each instruction */
    em_value *value;     /* of each instruction */
    LLVMValueRef **acc;  /* accumulators (allocas) of each FOLD */
    em_pointer *pointer; /* of each access */
    em_stage *stage;     /* of each access */
    uint32_t *aimed;     /* of each access: last round of em_aim_loop that moved it */
    uint32_t aim_round;
    kn_id last_point;                         /* axis, or KN_NONE */
    LLVMValueRef chunk, tile_first, tile_end; /* the chunk's number and tiles */
    LLVMValueRef index[KN_MAX_AXES];          /* of POINT and LOOP axes: where the enclosing loops are */

    /* the tile: full, or ragged with these masks */
    LLVMValueRef tile_n;                     /* points present; NULL: all */
    LLVMValueRef tile_mask;                  /* lanes present; NULL: all */
    LLVMValueRef tile_offset[EM_MAX_WIDTH];  /* r, clamped */
    LLVMValueRef tile_present[EM_MAX_WIDTH]; /* NULL: yes */

    /* the phase */
    const kn_phase *phase;
    em_mode mode;
    uint32_t width, ilp, copies; /* lanes; iterations together; instances along r: 1, or those that a tile may have */
    kn_id lane_axis, inner;      /* inner: the innermost LOOP axis, or KN_NONE */
    kn_id ahead[EM_MAX_AHEAD];   /* accesses of stores of a later phase whose memory this one asks for */
    uint32_t n_ahead;

    /* the innermost loop: full, or its ragged end with these masks */
    LLVMValueRef loop_mask[KN_MAX_ILP];    /* lanes present; NULL: all */
    LLVMValueRef loop_offset[KN_MAX_ILP];  /* u in iterations, clamped; NULL: u itself */
    LLVMValueRef loop_present[KN_MAX_ILP]; /* NULL: yes */

    int in_epoch[2]; /* inside of a loop over epochs: of the phase's rounds, of the part's tiles */
} em;

/* Emits the kernel, already expanded, as function `symbol` into the module. Under the arena's trap. */
void em_kernel(em *e, const char *symbol);

/* ---- llvm_emit.c: parts, chunks, tiles; small tools -------------------------------------------------------------- */

typedef struct {
    LLVMBasicBlockRef body, exit;
    LLVMValueRef index, end, step;
} em_loop;
/* for (index = start; index < end; index += step). */
em_loop em_loop_begin(em *e, const char *name, LLVMValueRef start, LLVMValueRef end, LLVMValueRef step);
void em_loop_end(em *e, em_loop *loop);

/* Products and sums of sizes that wrap: bytes from outside may hold any numbers, and bad ones must not be undefined
 * here. */
static inline int64_t em_mul64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }
static inline int64_t em_add64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }

LLVMValueRef em_i64(em *e, int64_t value);
LLVMValueRef em_i32(em *e, uint32_t value);
/* The value of a size, computed once per call. */
LLVMValueRef em_size(em *e, kn_size size);
LLVMValueRef em_alloca(em *e, LLVMTypeRef type, const char *name);
LLVMBasicBlockRef em_block(em *e, const char *name);
/* if (condition) { what is emitted until em_end_if }: returns the block to give to em_end_if. condition NULL: always.
 */
LLVMBasicBlockRef em_if(em *e, LLVMValueRef condition, const char *name);
void em_end_if(em *e, LLVMBasicBlockRef join);
/* a and b, where NULL stands for true. */
LLVMValueRef em_and(em *e, LLVMValueRef a, LLVMValueRef b);
/* `lane < n` for each lane. */
LLVMValueRef em_lanes_below(em *e, uint32_t lanes, LLVMValueRef n);
/* Lanes [first, first + lanes) of a vector; a scalar for one lane. */
LLVMValueRef em_lanes_from(em *e, LLVMValueRef vector, uint32_t first, uint32_t lanes);
/* Calls an overloaded intrinsic. */
LLVMValueRef em_intrinsic(em *e, const char *name, LLVMTypeRef *types, size_t n_types, LLVMValueRef *args,
                          uint32_t n_args);

/* ---- llvm_lines.c: which line of the kernel's text code is for, in the object's line table --------------------------
 *
 * The lines are those of kn_print, so they follow from the key alone; what is computed on them has names in the text
 * that `sinter cache show` prints. A table of lines is all: no variables, no types. */

void em_lines_begin(em *e, const char *symbol);
/* What is emitted next belongs to that function, which does not begin at any instruction. */
void em_lines_function(em *e, LLVMValueRef fn, const char *name, uint32_t line);
void em_lines_end(em *e);
/* What is emitted next is for that line. */
void em_line(em *e, uint32_t line);
static inline void em_line_of_part(em *e) {
    if (e->lines) em_line(e, e->lines->part[e->part_id]);
}
static inline void em_line_of_phase(em *e) {
    if (e->lines) em_line(e, e->lines->phase[e->phase - e->k->phase]);
}
static inline void em_line_of(em *e, kn_id inst) {
    if (e->lines) em_line(e, e->lines->inst[e->k->made_for[inst]]);
}

/* ---- llvm_emit_phase.c: phases, their loops and instructions ----------------------------------------------------- */

/* Decides the level of every instruction of the part. */
void em_place_part(em *e);
void em_emit_chunk_level(em *e);                   /* what the tile phases need that is the same for all tiles */
void em_begin_phase(em *e, const kn_phase *phase); /* sets the fields that depend on the phase */
void em_emit_phase(em *e, const kn_phase *phase);

/* The instructions of one level; a round of the innermost loop at index i. For llvm_emit_stage.c. */
void em_emit_level(em *e, int level, int after);
void em_emit_round(em *e, LLVMValueRef i, int in_loop);

uint32_t em_bit(kn_id axis); /* the set of one axis; empty for KN_NONE */
/* First and next instance over a set of axes in the current phase: for (em_at at = {0}; ..; em_next(..)). */
uint32_t em_instances(const em *e, uint32_t axes);
int em_next(const em *e, uint32_t axes, em_at *at);
/* Next index on the UNROLL axes in the set, leaving the rest; 0 when it has wrapped to the first. */
int em_next_unroll(const em *e, uint32_t axes, em_at *at);
/* Makes room for the instances of an instruction. */
em_value *em_new_value(em *e, kn_id inst, uint32_t axes, uint32_t lanes);
/* The instance of inst that belongs to `at`, as `lanes` lanes. */
LLVMValueRef em_get(em *e, kn_id inst, const em_at *at, uint32_t lanes);
/* Lanes of something that varies over the set of axes. */
uint32_t em_lanes(const em *e, uint32_t axes);
/* Which lanes are present (NULL: all), and whether the copy is (NULL: yes). */
LLVMValueRef em_lane_mask(em *e, const em_at *at);
LLVMValueRef em_copy_present(em *e, const em_at *at);

/* ---- llvm_emit_mem.c: accesses ----------------------------------------------------------------------------------- */

/* Set of axes an access varies over, with its index and guard. */
uint32_t em_access_axes(const em *e, kn_id access);
/* Points the accesses of instructions [first, end) of at least this level at their memory, adding all POINT axes. */
void em_aim(em *e, kn_id first, kn_id end, int level);
/* Adds a LOOP axis; returns what em_aim_back takes to undo it. */
em_pointer *em_aim_loop(em *e, kn_id axis, int level);
void em_aim_back(em *e, const em_pointer *saved);
/* Finds what the phase is to ask for ahead (e->ahead), aims at it; asks for the lines of one round. */
void em_aim_ahead(em *e);
void em_ask_ahead(em *e);

/* Reads and writes `lanes` lanes through an access; the masks and guard of `at` apply. */
LLVMValueRef em_load(em *e, kn_id access, const em_at *at, uint32_t lanes);
void em_store(em *e, kn_id access, const em_at *at, uint32_t lanes, LLVMValueRef value);
/* Reads all instances over a set of axes, by slot. */
void em_load_all(em *e, kn_id access, uint32_t over, uint32_t lanes, LLVMValueRef *value);
/* Stores all instances over a set of axes, by slot. Neighbours on an UNROLL axis become one wide store where they can.
 */
void em_store_all(em *e, kn_id access, uint32_t over, uint32_t lanes, const LLVMValueRef *value);

/* For llvm_emit_block.c. The address of the instance: of its first lane; an ix that varies over the lanes is left out.
 */
LLVMValueRef em_place(em *e, kn_id acc, const em_at *at, uint32_t lanes);
/* If the lanes are 2 or 4 elements apart and an UNROLL axis of that extent fills the gaps, that axis. Then the lanes of
 * all its indices together are one stretch of memory. */
kn_id em_filling_axis(const em *e, const kn_access *a);
LLVMValueRef em_load_masked(em *e, const kn_access *a, LLVMTypeRef type, LLVMValueRef p, LLVMValueRef mask);
void em_store_masked(em *e, const kn_access *a, LLVMValueRef p, LLVMValueRef value, LLVMValueRef mask);
/* When an instance is stored at all; NULL: always. Entry phases run in every chunk, but what they store outside of
 * scratch is stored by the first alone. */
LLVMValueRef em_store_condition(em *e, const kn_access *a, const em_at *at, uint32_t lanes);
/* Values and what memory has of them: bool as bytes, f16 and bf16 as 16 bits. */
LLVMValueRef em_to_memory(em *e, const kn_access *a, LLVMValueRef value, uint32_t lanes);
LLVMValueRef em_from_memory(em *e, const kn_access *a, LLVMValueRef stored);

/* ---- llvm_emit_block.c ------------------------------------------------------------------------------------------- */

/* em_load_all and em_store_all where the lanes lie apart but copies side by side; 0 where they do not. */
int em_load_blocks(em *e, kn_id access, uint32_t over, uint32_t lanes, LLVMValueRef *value);
int em_store_blocks(em *e, kn_id access, uint32_t over, uint32_t lanes, const LLVMValueRef *value);

/* Is the access one whose lanes lie apart but the points of a tile side by side, and which is always moved in blocks?
 */
int em_is_tile_block(em *e, kn_id access, uint32_t over, uint32_t lanes);

/* ---- llvm_emit_stage.c ------------------------------------------------------------------------------------------- */

/* Emits what the phase does, in stages where that is possible and better, else by direct. */
void em_emit_body(em *e, void (*direct)(em *e));
/* A vector of the row that is being done. */
LLVMValueRef em_staged_load(em *e, const kn_inst *in);
void em_staged_store(em *e, const kn_inst *in, LLVMValueRef value);

/* ---- llvm_emit_fold.c -------------------------------------------------------------------------------------------- */

/* Accumulators over points in registers: [instance][place in the tile], or one of as many lanes. */
static inline uint32_t em_places(const em *e) { return e->mode == EM_POINT_LANES ? 1 : e->part->tile; }
void em_emit_unroll_fold(em *e, kn_id inst);
void em_loop_fold_begin(em *e, kn_id inst);  /* before the loops */
void em_loop_fold_step(em *e, kn_id inst);   /* inside */
void em_loop_fold_end(em *e, kn_id inst);    /* after */
void em_point_fold_begin(em *e, kn_id inst); /* at the chunk's start */
void em_point_fold_step(em *e, kn_id inst);
void em_point_fold_end(em *e, kn_id inst); /* at the chunk's end */
/* All elements of the chunk's partials at an access := value. */
void em_fill_partials(em *e, kn_id access, LLVMValueRef value);

/* ---- llvm_emit_pair.c: the same for folds of pairs --------------------------------------------------------------- */

void em_pair_unroll(em *e, kn_id inst);
void em_pair_loop_begin(em *e, kn_id inst);
void em_pair_loop_step(em *e, kn_id inst);
void em_pair_loop_end(em *e, kn_id inst);
void em_pair_point_begin(em *e, kn_id inst);
void em_pair_point_step(em *e, kn_id inst);
void em_pair_point_end(em *e, kn_id inst);
/* Around the innermost loop of a phase (points: around the tiles of a part) with folds among [first, end) that count
 * rounds: a loop over epochs, which makes `to` the end of the epoch. Where there is no such fold, nothing. */
em_loop em_epoch_begin(em *e, kn_id first, kn_id end, int points, LLVMValueRef from, LLVMValueRef *to, int64_t step);
void em_epoch_end(em *e, em_loop *epoch, kn_id first, kn_id end, int points, int64_t step);

/* ---- llvm_prims.c: scalar primitives, lane by lane --------------------------------------------------------------- */

LLVMTypeRef em_scalar_type(em *e, sn_dtype type); /* bool: i1 */
LLVMTypeRef em_memory_type(em *e, sn_dtype type); /* bool: i8; f16, bf16: i16 */
/* f32 to the bits of f16 or bf16, and back. */
LLVMValueRef em_half_bits(em *e, sn_dtype half, LLVMValueRef value);
LLVMValueRef em_half_value(em *e, sn_dtype half, LLVMValueRef bits);
LLVMTypeRef em_vector(LLVMTypeRef type, uint32_t lanes); /* lanes 1: the scalar type */
LLVMValueRef em_const(em *e, sn_dtype type, uint64_t bits);
LLVMValueRef em_splat(em *e, LLVMValueRef scalar, uint32_t lanes);
/* from: type of the operands (of b in SELECT); to: of the result. plain_b: b is a constant, neither NaN nor zero. */
LLVMValueRef em_prim(em *e, kn_prim prim, sn_dtype from, sn_dtype to, const LLVMValueRef a[3], int plain_b);
LLVMValueRef em_prim2(em *e, kn_prim prim, sn_dtype type, LLVMValueRef a, LLVMValueRef b);

#endif
