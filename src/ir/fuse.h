/* fuse.h: from an optimised graph to groups of nodes, one kernel part each.
 *
 * Axis classes. Each node has slots: its result's axes, then the axes it folds. A union-find over slots makes classes:
 * an axis of meaning (the examples, the hidden units), so that equal extents never fuse by accident. Axes of constant
 * extent 1 have no class.
 *
 * Kinds. LEAF values lie in memory before the call. INLINE nodes cost nothing to repeat (constants, loads at other
 * places, broadcasts, transposes, and small constant-size arithmetic done in registers): they are computed wherever
 * they are read. ALIAS nodes are the memory of their operand under another shape. The others are HOME nodes: each
 * belongs to one group.
 *
 * Groups. A group has point classes: its kernel's parallel axes. What a node has besides them becomes a loop or is
 * unrolled. A node whose fold runs over all points is an exit: it leaves one partial value per chunk, and readers, in
 * later groups, combine them. */
#ifndef IR_FUSE_H
#define IR_FUSE_H

#include "ir/program.h"

/* ---- thresholds, all of them ------------------------------------------------------------------------------------- */

enum {
    FU_SMALL_ELEMENTS = 32,  /* constant-size nodes up to here are computed in registers at chunk entry */
    FU_SMALL_TOTAL = 2000,   /* .. unless all of them together cost more primitives than this */
    FU_SCALAR_TOTAL = 10000, /* scalars stay in registers up to this; bounds chains of INLINE arithmetic, too */
    FU_CHUNK_AXES = 8,       /* earlier kernels' chunks that INLINE arithmetic may fold on its way to one reader */
    FU_UNROLL_EXTENT = 32,   /* longest axis expanded in registers */
    FU_UNROLL_PRODUCT = 64,  /* most copies of one instruction by unrolling */
    FU_FEW_ROWS = 8,         /* few rows (or columns) of a product: the large matrix is read once for all of them .. */
    FU_FEW_MATRIX = 32,      /* .. if each of its extents exceeds this; else there is little to read, and loops fuse */
    FU_FEW_COLUMNS = 15,     /* so few stay in registers while what follows fuses: ten classes and a softmax .. */
    FU_FEW_SUMMED = 15,      /* .. and a sum over so few moves more than it computes: loops do it on the way */
    FU_BLAS_PRODUCTS = 4096, /* m n k: below, what a call of BLAS costs is as much as it computes */
    FU_GPU_EXTENT = 32,      /* on a GPU, all of m, n, k must exceed this for a library's product .. */
    FU_GPU_INTENSITY = 8,    /* .. and flops per byte of the operands this */
    FU_GPU_WORDS = 64,       /* registers of a GPU's thread, for accumulators and for the copies of a value: half of the
                                128 with which enough threads are there at once */
    FU_NOMINAL = 1024,       /* stands for a symbolic extent in estimates */
    FU_MIN_POINTS = 64,      /* a demotion must leave this many points (or a symbolic extent) .. */
    FU_TINY = 65536,         /* .. unless no node of the group has more elements than this, folded ones with them */
    FU_FOLD_POINTS = 4096,   /* a fold with few results and more elements than this is spread over chunks */
    FU_ROW_BYTES = 32768,    /* row scratch of one point */
    FU_ACC_BYTES = 262144,   /* partials of one chunk */
    FU_MAX_MEMS = 24,        /* memories of one group */
    FU_MAX_INSTS = 3000,     /* primitives of one group after unrolling */
    FU_LAUNCH_BYTES = 4096,  /* what a launch costs, as memory traffic */
    FU_SMALL_GROUPS = 8,     /* the last groups, of which one may take another small update */
    FU_BLOCK_BYTES = 4096,   /* blocks are worth it where so much lies along either class .. */
    FU_BLOCK_EXTENT = 16,    /* .. whose extents fill blocks of so many .. */
    FU_BLOCK_WASTE = 2,      /* .. to at least one part in this; where no memory has more bytes than .. */
    FU_BLOCK_ALONE = 262144, /* .. this (or a symbolic extent), or there are at least .. */
    FU_BLOCK_TILES = 16,     /* .. so many tiles to do in parallel */
    FU_MAX_PARTS = 16,       /* parts that share a launch */
    FU_SIBLINGS = 16         /* groups that read the same value: so many are looked at, however many there are */
};

/* Of two ways the one that leaves memory with more bytes as it lies, unless it computes so much more for nothing. */
#define FU_BLOCK_MORE 1.1

typedef uint32_t fu_class; /* representative slot; 0: extent 1, no axis */

typedef enum { FU_LEAF, FU_INLINE, FU_ALIAS, FU_HOME } fu_kind;

enum { FU_MAX_SLOTS = 2 * SN_MAX_RANK };

/* How an operand is indexed by its reader: operand axis a is the reader's slot map[a] (-1: extent 1). */
typedef struct {
    int8_t map[SN_MAX_RANK];
    uint8_t pointwise; /* every operand axis has the class of the slot: the same point */
} fu_edge;

typedef struct {
    uint8_t kind;      /* fu_kind */
    uint8_t small;     /* INLINE arithmetic of constant size, at most FU_SMALL_ELEMENTS with its folds */
    uint8_t resident;  /* small, and folds or combines partials: computed once at chunk entry, its axes unrolled */
    uint8_t in_memory; /* some reader needs it in memory whatever the groups: output, BLAS operand, shifted read .. */
    uint8_t gemm;      /* a MATMUL left to BLAS */
    uint8_t few;       /* a MATMUL of few rows or columns: a part of its own, see lower_few.c */
    uint8_t free_axes; /* INLINE: set of axes along which it repeats itself, so that any index will do */
    uint8_t n_axis, n_slot;
    uint32_t slot;       /* its first slot */
    uint32_t uses;       /* edges from needed nodes and roots */
    const fu_edge *edge; /* one per operand */
    int32_t group;       /* HOME: its group, else -1 */
    uint8_t is_exit;     /* leaves partials in group */
    int32_t combine;     /* exits that are not small: the group that combines the partials, else -1 */
    uint8_t stored;      /* HOME: written to memory */
    uint8_t needed;
    double bytes; /* estimate, of its value */
    ir_id after;  /* HOME: in the epilogue of a matrix product, of what this value comes to; 0: in none .. */
    ir_id row;    /* .. and the row that it adds, in memory, or 0 */
    const char *epilogue_ends; /* the product or the last of its epilogue: why no more follows */
} fu_node;

/* Writes a value, read at its own classes, to a variable or to memory of its own (outputs that are not HOME nodes).
 * They come after all nodes. */
typedef struct {
    ir_id value;
    uint8_t is_var;
    uint32_t var; /* index in g->var */
    int32_t group;
    uint8_t shadow; /* cannot be done in place: through a temporary, copied at the end */
    uint8_t direct; /* the value is that of a matrix product for BLAS, which writes it there itself */
} fu_assign;

typedef BASE_VEC(int32_t) fu_groups;
typedef struct fu_reader {
    int32_t gi;
    struct fu_reader *earlier;
} fu_reader;

/* A set of groups, in blocks that sets share until one of them changes. */
typedef struct fu_set_block fu_set_block;
typedef struct {
    fu_set_block **block; /* NULL: none of these */
    uint32_t n;
} fu_set;

typedef struct {
    uint8_t gemm;  /* one MATMUL, run by BLAS, and its epilogue: members whose last alone is stored */
    uint8_t alone; /* nothing may join: gemm, few, SCATTER_ADD, RECURRENCE */
    uint8_t n_point;
    fu_class point[KN_MAX_NEST]; /* outermost first */
    BASE_VEC(ir_id) member;      /* HOME nodes, exits among them, in id order */
    BASE_VEC(uint32_t) assign;   /* indices of fu_assign */
    BASE_VEC(ir_id) combined;    /* exits of earlier groups whose partials this group combines and stores or uses */
    fu_set before;               /* groups that must run earlier (transitively) */
    fu_groups previous;          /* .. of them some that all others are before, or are .. */
    fu_groups next;              /* .. and the groups that have this one there. Merged ones do not count */
    uint8_t merged;              /* into another group */
    uint8_t full;                /* no member more fits its budget */
} fu_group;

/* All that it had has gone to others. */
static inline int fu_is_empty(const fu_group *g) { return !g->member.n && !g->combined.n && !g->assign.n; }

typedef enum {
#define FU_REASONS(X)                                                                                                  \
    X(CYCLE, "cycle: needs a value that is complete only after this kernel")                                           \
    X(SHIFTED, "shifted: reads another point of a value made here")                                                    \
    X(POINTS, "points: its index space does not cover this kernel's points")                                           \
    X(FEW_POINTS, "few points: folding here would leave too little to do in parallel")                                 \
    X(NEST, "nest: a folded loop inside another loop of the same sweep")                                               \
    X(ROW, "row: scratch per point too large")                                                                         \
    X(ACCUMULATORS, "accumulators: partial results per chunk too large or of symbolic size")                           \
    X(REGISTERS, "registers: more results of loops at once than a thread of a GPU has registers for")                  \
    X(BUDGET, "budget: too many memories or instructions in one kernel")                                               \
    X(IN_PLACE, "in place: the old value is still read elsewhere")                                                     \
    X(PROFIT, "profit: nothing is saved")
#define FU_REASON_ITEM(name, text) FU_##name,
    FU_OK,
    FU_REASONS(FU_REASON_ITEM)
#undef FU_REASON_ITEM
} fu_reason;

typedef struct {
    uint32_t now; /* the test; older entries count as cleared */
    uint32_t level;
    uint8_t row, seen;
} fu_test;

typedef struct {
    ir_graph *g;
    const ir_roots *roots;
    base_arena *arena;
    int fuse; /* 0: no joining */
    kn_machine machine;
    int keep_nan;            /* no relu in epilogues, which make 0 of a NaN */
    const pg_assume *assume; /* what is known of a named dim, or NULL */
    fu_node *node;           /* per graph node */
    uint32_t *parent;        /* union-find over slots */
    uint32_t *owner;         /* node of a slot */
    ir_dim *extent;          /* of a slot; of a class: its representative's */
    uint32_t n_slot;
    uint32_t *next_in_class, *class_size; /* members of a class as a ring */
    BASE_VEC(fu_group) group;
    BASE_VEC(fu_assign) assign;
    fu_groups stack;          /* of groups that a walk has still to visit */
    fu_class *cls;            /* of a slot, once all is united; else NULL */
    uint32_t *stamp, now;     /* marks of fu_sources */
    fu_reader **reader;       /* per graph node: groups with a member that has it as an operand, the latest first */
    fu_groups *var_reader;    /* per variable of the graph: groups that read its old value, in order */
    int32_t *output;          /* per graph node: the first output that it is, or -1 */
    uint64_t work;            /* steps taken, for whoever watches how they grow */
    uint32_t *read, read_now; /* marks of values that a group reads: read[u] == read_now */
    fu_test *test;            /* per graph node: what the budget test of number test_now found out about it */
    uint32_t test_now;
    base_strbuf why;
} fu_state;

/* ---- fuse_axes.c ------------------------------------------------------------------------------------------------- */
/* Fills node, slots and classes for what roots need. */
void fu_axes(fu_state *s);
/* Why a MATMUL is done in loops and not by BLAS. */
void fu_why_loops(const fu_state *s, ir_id v, base_strbuf *out);
/* Is the node a MATMUL large enough for BLAS on the CPU? why: appends the reason if it is not; may be NULL. */
int fu_uses_blas(const ir_graph *g, const ir_node *n, base_strbuf *why);
/* Class of a node's slot i (result axes first, then folded axes); 0: no axis. */
fu_class fu_class_of(const fu_state *s, ir_id v, uint32_t i);
/* A dim for estimates: its value, or where it is symbolic (*symbolic is set; may be NULL) the most that is assumed of
 * it, else FU_NOMINAL. */
int64_t fu_nominal(const fu_state *s, ir_dim d, int *symbolic);
/* The values that a dim can have; 0 where nothing bounds it. */
int fu_range(const fu_state *s, ir_dim d, int64_t *least, int64_t *most);
/* The same of a class' extent. */
int64_t fu_extent(const fu_state *s, fu_class c, int *symbolic);
/* Estimated bytes of a node's value. */
/* What a reshape without work leads to. */
static inline ir_id fu_home(const fu_state *s, ir_id v) {
    while (s->node[v].kind == FU_ALIAS) v = ir_at(s->g, v)->in[0];
    return v;
}
static inline double fu_bytes(const fu_state *s, ir_id v) { return s->node[v].bytes; }

/* ---- fuse.c, fuse_join.c ----------------------------------------------------------------------------------------- */
/* Assigns every HOME node and every assign to a group. */
void fu_fuse(fu_state *s);
/* Calls visit for each value in memory, home node or exit on which a value depends, through INLINE nodes and aliases.
 * pointwise: read at the reader's own point all the way. fu_sources: of v's operands; fu_value_sources: of v itself. */
typedef void (*fu_visit)(void *arg, ir_id source, int pointwise);
void fu_sources(fu_state *s, ir_id v, fu_visit visit, void *arg);
void fu_value_sources(fu_state *s, ir_id v, fu_visit visit, void *arg);
/* The classes that operands of v (value: v itself) held in registers force to be unrolled. Returns their number. */
uint32_t fu_forced(fu_state *s, ir_id v, int value, fu_class *out);
/* The group after which v's value can be read from memory, or its partials combined; -1 for LEAF values. */
int32_t fu_provider(const fu_state *s, ir_id v);

/* ---- fuse_order.c ------------------------------------------------------------------------------------------------ */
int fu_before(const fu_state *s, int32_t earlier, int32_t later);
/* Notes that one group must run before another, and what follows from it. */
void fu_add_before(fu_state *s, int32_t earlier, int32_t later);
/* Is there a group between the two, of which the first is before the second? */
int fu_has_between(const fu_state *s, int32_t earlier, int32_t later);
/* What had to wait for `from`, and for what it waits, is `to`'s. */
void fu_merge_order(fu_state *s, int32_t from, int32_t to);

/* Roles of the classes of a group that are not points. */
typedef struct {
    uint32_t n;
    fu_class cls[KN_MAX_AXES];
    uint8_t role[KN_MAX_AXES]; /* kn_role */
} fu_roles;

/* Tests a group as it stands: points, nests, budgets. fewer: some of its members had more points before. */
fu_reason fu_test_group(fu_state *s, int32_t gi, int fewer);

/* Would v fit into group gi? On FU_OK, join tells the group's new points, whether v is an exit, and the bytes saved. */
typedef struct {
    uint8_t n_point, is_exit;
    fu_class point[KN_MAX_NEST];
    double saved;
} fu_join;
fu_reason fu_try_join(fu_state *s, ir_id v, int32_t gi, int sibling, fu_join *join);
fu_reason fu_try_assign(fu_state *s, const fu_assign *a, int32_t gi);
/* Kernel axes of the group with these points and roles, and with extra as a member (or 0): points, loops, unrolled
 * axes, and the chunks of every earlier group whose partials it combines. At most KN_MAX_AXES can be lowered. */
uint32_t fu_count_axes(fu_state *s, int32_t gi, uint32_t n_point, const fu_roles *roles, ir_id extra);
/* Points of a new group for v. */
void fu_new_points(fu_state *s, ir_id v, fu_join *join);
const char *fu_reason_text(fu_reason reason);

/* ---- fuse_gemm.c ------------------------------------------------------------------------------------------------- */
/* Fills after, row and epilogue_ends. */
void fu_find_epilogues(fu_state *s);
/* The product's group that v joins as the next of its epilogue, or -1. */
int32_t fu_product_of(fu_state *s, ir_id v);
/* Is the value's memory copied in less time than a launch takes? */
int fu_is_cheap_copy(const fu_state *s, ir_id v);
/* Lets a product write this assignment's variable, where that is right; before others are settled. */
void fu_write_directly(fu_state *s, uint32_t assign);

/* ---- fuse_merge.c ------------------------------------------------------------------------------------------------ */
/* Groups that can become one do. */
void fu_merge(fu_state *s);

/* ---- fuse_late.c ------------------------------------------------------------------------------------------------- */
/* Nodes that one later group alone reads move there where that moves fewer bytes. */
void fu_place_late(fu_state *s);

/* ---- fuse_block.c ------------------------------------------------------------------------------------------------ */
/* Points and loops of groups that read or write memory across itself. */
void fu_find_blocks(fu_state *s);

/* FU_OK, FU_NEST or FU_BUDGET. point: the points to assume; extra: one more member, or 0. */
fu_reason fu_find_roles(fu_state *s, const fu_group *group, uint32_t n_point, const fu_class *point, ir_id extra,
                        fu_roles *roles);

#endif
