/* cuda_emit.h: from a kernel to CUDA C++. Private to the GPU backend.
 *
 * A part's chunks are dealt to teams of threads, one chunk each: a team is a warp, or a whole block where the part asks
 * for more threads than a warp has. The text follows ir/kernel.h closely: the chunk, its tiles, a loop nest per phase.
 * What the kernel leaves implicit becomes dimensions of small arrays that live in registers:
 *
 *     v12[r][u][k1][v]    the value of instruction 12 for
 *         r   the place in the tile, in phases whose lanes are not the points ("copies")
 *         u   which of the ilp iterations of the innermost loop that are done together
 *         k1  the index on an unroll axis
 *         v   which of the lanes of this thread: thread t has the lanes t * V .. t * V + V - 1
 *
 * each only where it varies and there is more than one. Statements run over them in unrolled loops: FOR(r, 4).
 *
 * Ragged ends. Indices of copies, of iterations, and of lanes where a thread has one, are clamped, so that every load
 * is a valid one; of several lanes the absent ones load nothing. All that is absent stores nothing and folds nothing.
 * What does not vary over lanes is computed by all threads of the team alike, and stored by one.
 *
 * Even launches have a second text. In it the lanes of a thread are all present or all absent (in_j1, in_n0), their
 * elements are aligned, and absent threads load nothing. Loops that take no more rounds of lanes than the part says are
 * written out, for q = 0 .. (unless more than half of them would be empty), and what belongs to one thread stays in its
 * registers: memories of rows, sums per element of the row (w3 for memory 3), and values that phases load ahead or
 * again (x5 for load 5).
 *
 * Threads meet (SYNC) where a value passes from one to another: in folds over lanes, where a phase reads what other
 * threads stored, and where copies become lanes. */
#ifndef JIT_GPU_CUDA_EMIT_H
#define JIT_GPU_CUDA_EMIT_H

#include "ir/kernel.h"

enum { CE_WARP = 32, CE_BLOCK = 128 /* threads of a block of warps */, CE_MAX_BATCH_BYTES = 8192 };
enum { CE_MAX_INVERSE = 1 << 21 /* chunks: their cube is below 2^64 */ };

/* ---- for the launch ---------------------------------------------------------------------------------------------- */

/* How a kernel is laid out on threads: a function of the kernel alone. */
typedef struct {
    uint32_t block; /* threads of a block */
} ce_shape;
ce_shape ce_shape_of(const kn_kernel *k);
uint32_t ce_team(const kn_kernel *k, uint32_t part); /* threads of a team */

/* What the text for even launches does with a part: a function of the kernel alone. */
typedef struct {
    uint8_t worth;          /* there is such a text */
    kn_id axis;             /* loops along this axis, by so many lanes, are written out .. */
    uint32_t width, rounds; /* .. for so many rounds; 0: none are */
    uint32_t held_words;    /* of 32 bits, in each thread, of the memories that are held */
} ce_even;
/* held: for all memories of the kernel, 0 at first; those that the part keeps in registers get part + 1. */
void ce_find_even(const kn_kernel *k, uint32_t part, ce_even *even, uint16_t *held);
/* Is the launch even, as far as the part goes? Device addresses are aligned or not as host addresses are. */
int ce_is_even(const kn_kernel *k, uint32_t part, const ce_even *even, const int64_t *dim, void *const *mem);

/* Does a fold over points accumulate in that memory of partials, element by element? Else all it leaves is stored once,
 * and never in scratch. */
int ce_accumulates(const kn_kernel *k, kn_id mem);

/* The last parameter of every kernel; followed in memory by the arrays
 *     int64_t chunks[n_part], each[n_part], over[n_part]; uint64_t inverse[n_part]; uint32_t first[n_part],
 *     even[n_part]; int32_t at[n_mem]
 * each, over: tiles / chunks and what is left, divided here once and not by every thread; inverse: ce_inverse(chunks);
 * first: first block of each part; at: place of a ROW or PART memory in the team's scratch, -1: none. */
typedef struct {
    uint64_t scratch;       /* device address where scratch is not shared memory */
    uint32_t scratch_bytes; /* of a team */
    uint32_t in_shared;     /* scratch is shared memory */
} ce_grid;

/* floor(2^64 / chunks) + 1; for 1 chunk, whose rest is always 0, anything. */
static inline uint64_t ce_inverse(int64_t chunks) { return UINT64_MAX / (uint64_t)chunks + 1; }

/* ---- the text ---------------------------------------------------------------------------------------------------- */

typedef enum { CE_COPIES, CE_LOOP_LANES, CE_POINT_LANES } ce_mode;

/* In which forms a value of an earlier phase is there, if it varies over the last point axis. */
enum { CE_AS_COPIES = 1, CE_AS_LANES = 2 };

/* What a text for people has besides. */
typedef struct {
    kn_namer *name; /* of an instruction; NULL: none */
    void *arg;
} ce_people;

typedef struct {
    base_arena *arena;
    const kn_kernel *k;
    BASE_VEC(const char *) line; /* of text, indented */
    const ce_people *people;     /* NULL: no comments */
    base_strbuf *out;
    int depth; /* of indentation */

    const kn_part *part;
    uint32_t part_id, team;
    kn_id last_point;
    kn_place *place;     /* of each instruction */
    uint8_t *form;       /* of each instruction: CE_AS_* */
    uint8_t *sole;       /* of each instruction: only the first warp of a block runs it */
    const ce_even *even; /* NULL: the text for any launch */
    uint16_t *held;      /* of each memory: 1 + the part that has it in registers */
    kn_id *kept;         /* of each load: the one whose registers have its value */
    const char *rare;    /* what is rare is noted in this variable; NULL: the text for what is rare */
    uint8_t *again;      /* of each instruction: has a place in the text for what is rare, too */
    int lane0;           /* texts are for the first lane of a thread, not lane v */
    int to_memory;       /* texts of held memories are those of memory */
    uint32_t words;      /* most that a thread has at once, in the texts so far */
    int exchanges;       /* the part needs shared memory to pass values between warps */

    uint8_t rare_kind[KP_COUNT][SN_BF16 + 1]; /* of ce_has_rare: 0: not asked yet, 1: no, 2: yes */

    const kn_phase *phase;
    ce_mode mode;
    uint32_t width, per_thread, ilp, copies; /* lanes, lanes of a thread, .. */
    kn_id lane_axis, inner;
    int full;    /* all iterations of the innermost loop's round are present */
    int in_sole; /* the text is for the first warp alone */
} ce;

/* Appends the source of the kernel, not expanded, as `extern "C" __global__ void symbol`. people NULL: a function of
 * the kernel's bytes alone; else with comments: the names of memories and, where there is a namer, of values. Under the
 * arena's trap. */
void ce_kernel(base_arena *arena, const kn_kernel *k, const char *symbol, const ce_people *people, base_strbuf *out);

/* ---- cuda_emit.c ------------------------------------------------------------------------------------------------- */

/* A line of text at the present depth. */
__attribute__((format(printf, 2, 3))) void ce_line(ce *e, const char *format, ...);
void ce_open(ce *e);  /* { */
void ce_close(ce *e); /* } */
__attribute__((format(printf, 2, 3))) const char *ce_text(ce *e, const char *format, ...);
const char *ce_size(ce *e, kn_size size);
/* Puts the user's name of the instruction, if people want it, behind the first of the lines from that number on. */
void ce_name_line(ce *e, uint32_t line, kn_id inst);

/* ---- cuda_emit_phase.c ------------------------------------------------------------------------------------------- */

void ce_begin_phase(ce *e, const kn_phase *phase); /* sets the fields that depend on the phase */
void ce_chunk_level(ce *e);                        /* what tile phases need that is the same for all tiles */
void ce_phase(ce *e, const kn_phase *phase);
void ce_find_sole(ce *e); /* sets sole, for the part */

uint32_t ce_bit(kn_id axis);
uint32_t ce_unroll_extent(const ce *e, uint32_t axis);
/* `FOR(r, 4) FOR(k1, 2) ` over what a value with these axes is repeated for; lanes 0: not over lanes. "" for none. */
const char *ce_loops(ce *e, uint32_t axes, int lanes);
/* "[4][2]": the same as dimensions of an array. */
const char *ce_dims(ce *e, uint32_t axes, int lanes);
/* "[r][v]": as indices. */
const char *ce_indices(ce *e, uint32_t axes);
/* Number of the unroll indices of these axes, and the text that counts them: "(k1 * 2 + k2)". */
uint32_t ce_unrolled(const ce *e, uint32_t axes);
const char *ce_unroll_index(ce *e, uint32_t axes);
/* Elements that one thread has of a value of the phase: what ce_dims declares. */
uint32_t ce_elements(const ce *e, uint32_t axes);
/* The value of an instruction at the loops' indices. */
const char *ce_value(ce *e, kn_id inst);
/* Condition that what runs over these axes is present here, and is to be stored by this thread if one: NULL: always. */
const char *ce_present(ce *e, uint32_t axes, int one);
/* Opens `for each round q`, with the index on the axis and whether it is present. */
void ce_open_round(ce *e);
/* Index on an axis. */
const char *ce_index(ce *e, kn_id axis);

/* One instruction; again: its value anew, where it is declared already. */
void ce_instruction(ce *e, kn_id id, int again);
/* A function that each thread computes for others, too: threads have to come there together. */
int ce_is_shared(const ce *e, kn_id id);

/* ---- cuda_rare.c ------------------------------------------------------------------------------------------------- */

/* Instructions of one place, in order; what is rare for some of them is done again behind all that it may wait for. */
void ce_run(ce *e, const kn_id *ids, uint32_t n);

/* ---- cuda_even.c ------------------------------------------------------------------------------------------------- */

/* Is the phase that runs written out? */
int ce_in_rounds(const ce *e);
/* Finds the loads that are kept, in at most so many words. */
void ce_keep_loads(const ce *e, uint32_t room, kn_id *kept);
/* Are the loads that a phase keeps on their way from the tile's beginning, while other phases run? Where they take one
 * round, and so few registers. */
int ce_loads_at_tile(const ce *e, uint32_t phase);

/* ---- cuda_words.c ------------------------------------------------------------------------------------------------ */

/* About how many words of 32 bits a thread has in registers at once, in the text at hand of the part; row_words: of the
 * rows that are held. */
uint32_t ce_words(ce *e, uint32_t row_words);

/* ---- cuda_emit_mem.c --------------------------------------------------------------------------------------------- */

/* "m3[n0 * D1 + j1]": the element of an access. */
const char *ce_element(ce *e, const kn_access *access);
/* Are the lanes of a thread neighbours in memory? */
int ce_is_wide(const ce *e, const kn_access *access);
uint32_t ce_access_axes(const kn_access *access);
int ce_same_access(const kn_access *a, const kn_access *b);
int ce_is_held(const ce *e, kn_id mem);
/* The registers of a held memory, of what phases of the present mode touch at the access. */
void ce_declare_held(ce *e, const kn_access *access, const char *start);
/* Loads ahead what the phase keeps. */
void ce_load_ahead(ce *e);
void ce_load(ce *e, kn_id inst);
int ce_skips_absent(const ce *e, const kn_inst *load); /* do absent lanes load nothing? */
void ce_store(ce *e, kn_id inst);
int ce_store_meets(const ce *e, kn_id inst); /* must all have loaded before? */
/* Must the team meet between phases [first, end) and this one, because one thread reads what another stored? again:
 * between those of one tile and this one of the next. */
int ce_must_meet(const ce *e, uint32_t first, uint32_t end, uint32_t phase, int again);

/* ---- cuda_emit_fold.c -------------------------------------------------------------------------------------------- */

void ce_unroll_fold(ce *e, kn_id inst);
void ce_loop_fold_begin(ce *e, kn_id inst);
void ce_loop_fold_step(ce *e, kn_id inst);
void ce_loop_fold_end(ce *e, kn_id inst);
void ce_point_fold_begin(ce *e, kn_id inst);
void ce_point_fold_step(ce *e, kn_id inst);
void ce_point_fold_end(ce *e, kn_id inst);
/* Does a fold over points accumulate in registers? */
int ce_in_registers(const ce *e, const kn_inst *inst);
/* Brings a value of an earlier phase into the form of this one. */
void ce_convert(ce *e, kn_id inst);

/* ---- cuda_prims.c ------------------------------------------------------------------------------------------------ */

const char *ce_type(sn_dtype type);        /* of a value */
const char *ce_memory_type(sn_dtype type); /* of an element in memory */
const char *ce_const(ce *e, sn_dtype type, uint64_t bits);
/* The primitive of operand texts; from: type of the operands. */
const char *ce_prim(ce *e, kn_prim prim, sn_dtype from, sn_dtype to, const char *a, const char *b, const char *c);
int ce_has_rare(ce *e, kn_prim prim, sn_dtype type); /* has a text for rare arguments besides, or the compiler has */
/* What every source starts with, then the half types and one function for each mathematical primitive that the kernel
 * has. */
void ce_prelude(ce *e);
void ce_halves(ce *e); /* cuda_halves.c */
void ce_maths(ce *e);

#endif
