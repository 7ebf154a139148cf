/* ptx.h: the part of the stand-in's driver that executes PTX as NVIDIA's NVRTC makes it of the generated CUDA C++, and
 * complains about whatever a GPU would not forgive. No assembler comes between: registers, predication, contraction (or
 * none), conversions, vector accesses, state spaces, barriers and shuffles are those of the text.
 *
 * The subset. One module of entries with .param parameters, .maxntid, .reg, .shared and .local variables, labels and
 * instructions; their table is ptx_ops.def, loads, stores and control are in ptx_decode.c. It is what NVRTC was seen to
 * emit for our kernels: anything else is an error that names the instruction. So add.f32 without a rounding, which an
 * assembler may contract to fma, is refused, and so are .ftz, approximations, atomics and fences, which generated code
 * has none of: hazards are judged without them.
 *
 * Results follow NVIDIA's PTX ISA: f32 results that are NaN have the bits 0x7fffffff, f16 and bf16 ones 0x7fff;
 * an approximation is off by as much as the ISA lets it, one way or the other by the operand's bits;
 * conversions to integers saturate, NaN becomes 0, or the least integer where either type has 64 bits; shifts clamp.
 *
 * What is complained about, naming the kernel, the line of the PTX, block, thread and address:
 *
 *   bounds       an access outside of every live allocation, or not wholly inside one shared, local or parameter
 *                variable (between variables there are gaps)
 *   alignment    an access at an address that its whole size, all of a vector, does not divide
 *   hazards      bytes that one thread wrote and another wrote or read, or that one read and another wrote, with no
 *                barrier that both passed between. bar.sync orders the threads of a block, bar.warp.sync the lanes of
 *                a warp; a shuffle orders nothing but itself, and lanes are not in step. Between blocks nothing orders.
 *   ld.global.nc of bytes that the launch writes, whenever it does
 *   barriers     bar.sync that not all threads of the block reach, some having returned or waiting elsewhere; a warp
 *                operation whose mask names lanes that do not arrive, or not there; a shuffle that reads a lane outside
 *                of its mask
 *   nothing yet  shared or local bytes that nobody wrote since the block began, registers before they are written
 *   limits       more threads than .maxntid, more shared memory or parameters than the device has (launch.c)
 *   endless      a thread that jumps back a thousand million times
 *
 * Files: ptx_parse.c (text), ptx_decode.c (instructions), ptx_flow.c (registers), ptx_run.c (a thread), ptx_block.c
 * (blocks), ptx_memory.c and ptx_shadow.c (accesses). */
#ifndef STANDIN_PTX_H
#define STANDIN_PTX_H

#include <stddef.h>
#include <stdint.h>

#include "standin.h"

/* ---- modules ----------------------------------------------------------------------------------------------------- */

/* Loads, stores and control; the others are in ptx_ops.def. */
typedef enum {
    PTX_ld,
    PTX_st,
    PTX_bra,
    PTX_ret,
    PTX_bar_sync,
    PTX_bar_warp_sync,
    PTX_shfl,
    PTX_pack, /* mov of two halves of size bytes */
    PTX_unpack,
#define OP(name, signature, ...) PTX_##name,
#include "ptx_ops.def"
#undef OP
    PTX_N_OPS
} ptx_op;

typedef enum { PTX_GENERIC, PTX_GLOBAL, PTX_SHARED, PTX_LOCAL, PTX_PARAM } ptx_space;
typedef enum { PTX_IDX, PTX_BFLY, PTX_UP, PTX_DOWN } ptx_shuffle;

/* Operands are slots of a thread's registers, constants among them. */
typedef struct {
    uint16_t op;
    uint8_t negated;     /* the guard is !guard */
    uint8_t n;           /* registers in d[]: 1, or of a vector */
    uint8_t space, size; /* ld, st: ptx_space, bytes of an element; shfl: ptx_shuffle */
    uint8_t is_signed;   /* ld: extends the sign into width bytes */
    uint8_t width;
    uint8_t nc;       /* ld.global.nc */
    uint8_t checked;  /* reads or writes a register that may be read before it is written */
    uint32_t guard;   /* 0: none */
    uint32_t d[4];    /* results; st: values; bfi: [1] its fourth operand; shfl: [1] predicate or 0, [2] mask */
    uint32_t a, b, c; /* ld, st: a is the address */
    int32_t offset;   /* ld, st; bra: where to */
    uint32_t line;
} ptx_insn;

/* A variable in shared, local or parameter space. */
typedef struct {
    char name[120];
    uint64_t at; /* address in its space */
    size_t bytes;
    int dynamic; /* its size is the launch's */
} ptx_variable;

typedef struct {
    ptx_variable *of;
    size_t n;
} ptx_variables;

/* Slots: constants, among them these, then registers. */
enum { PTX_ZERO, PTX_TID, PTX_NTID, PTX_CTAID, PTX_NCTAID, PTX_N_FIXED };

typedef struct {
    char name[120];
    ptx_insn *code;
    size_t n_code;
    uint64_t *constant;
    uint32_t n_constant, n_slot;
    uint8_t *width; /* of each slot: 0 for predicates and constants, else bytes */
    uint8_t *known; /* of each slot: 255, or 0 if it may be read before it is written */
    int n_doubtful;
    uint32_t *join; /* of each instruction, when first asked for: ptx_join */
    ptx_variables param, local;
    unsigned max_threads; /* 0: not said */
} ptx_kernel;

typedef struct {
    char *text;
    const char **line; /* starts of lines, from [1] */
    size_t n_line;
    ptx_kernel *kernel;
    size_t n_kernel;
    ptx_variables shared; /* of all kernels: the space is a block's */
    size_t shared_bytes;  /* of those that are not dynamic, without gaps */
} ptx_module;

/* Parses; NULL, or what is wrong with the text, and *out is NULL. */
const char *ptx_load(const char *text, ptx_module **out);
void ptx_unload(ptx_module *m);
ptx_kernel *ptx_find(const ptx_module *m, const char *name);

/* Runs all blocks; NULL, or a complaint. parameters: in the order of the kernel's. order: standin_order's. */
const char *ptx_run(const ptx_module *m, ptx_kernel *k, void *const *parameters, unsigned blocks, unsigned threads,
                    size_t dynamic_bytes, unsigned order);
/* Instructions executed so far. */
uint64_t ptx_executed(void);

/* ---- for the parser ---------------------------------------------------------------------------------------------- */

/* What an operand may be, as ptx_decode.c asks for it. */
typedef struct {
    uint32_t slot[4];
    uint8_t n;           /* of a vector; 1 otherwise */
    uint8_t is_address;  /* [slot + offset] */
    uint8_t is_register; /* can be written */
    int32_t offset;
    uint8_t width;     /* of a register; 0: predicate; 255: constant */
    uint32_t second;   /* of `a|b`, or 0 */
    const char *label; /* a name that is no variable: a place in the code */
    size_t label_n;
} ptx_operand;
enum { PTX_MAX_OPERANDS = 6, PTX_CONSTANT = 255 };

/* ptx_decode.c: fills in what the name and operands say; a complaint, or NULL. */
const char *ptx_decode(const char *name, ptx_operand *x, unsigned n, ptx_insn *i);
/* Calls f for each slot that the instruction reads, or writes. */
void ptx_reads(const ptx_insn *i, void (*f)(uint32_t slot, void *arg), void *arg);
void ptx_writes(const ptx_insn *i, void (*f)(uint32_t slot, void *arg), void *arg);
/* ptx_flow.c: finds doubtful registers and the instructions that have to be checked for them. */
void ptx_find_doubtful(ptx_kernel *k);
/* Where both ways from a jump meet; n_code: nowhere. */
uint32_t ptx_join(ptx_kernel *k, uint32_t pc);
/* Nothing is known of what is written between the jump and there. */
void ptx_forget_between(ptx_kernel *k, uint32_t pc, uint8_t *known);

/* ---- for running ------------------------------------------------------------------------------------------------- */

/* Shared and local memory in the generic space; device memory has the host's addresses, which are below. */
#define PTX_SHARED_WINDOW ((uint64_t)1 << 56)
#define PTX_LOCAL_WINDOW  ((uint64_t)2 << 56)
#define PTX_PARAM_FIRST   ((uint64_t)3 << 56)
enum {
    PTX_SHARED_FIRST = 1024,
    PTX_DYNAMIC_FIRST = 1 << 20,
    PTX_GAP = 256,
    PTX_WARP = 32,
    PTX_MAX_THREADS = 1024,
    PTX_PROCESSOR_THREADS = 2048
};

typedef enum { PTX_FRESH, PTX_READY, PTX_AT_BARRIER, PTX_AT_WARP, PTX_ENDED } ptx_state;

typedef struct {
    ptx_state state;
    uint32_t pc;
    uint64_t *slot;
    /* What is not known, for ptx_run.c. */
    uint8_t *known; /* of each slot: a bit for each byte */
    uint8_t doubts; /* every instruction has to look */
    uint8_t astray; /* behind a jump that it should not have decided on, before ways meet: .. */
    uint32_t jump, join;
    const char *why; /* the last unknown value that was read: NULL: a register was */
    unsigned why_thread;
    uint32_t why_line, why_other; /* where that was, and what the other thread did */
    char *local;                  /* memory, and behind it a byte each that says whether it is written */
    uint16_t warp_time;           /* bar.warp.syncs passed */
} ptx_thread;

/* A launch at work. */
typedef struct {
    const ptx_module *module;
    ptx_kernel *kernel;
    ptx_thread *thread;
    unsigned n_thread, block, running;
    char *param, *shared, *dynamic; /* memory of parameters, of shared variables and the dynamic one */
    size_t param_bytes, static_bytes, dynamic_bytes, local_bytes;
    /* Time: of the launch's begin, of the block's, now. */
    uint32_t launch_time, block_time, now;
    /* Of the access: which of its bytes are not known, and of a load why; is it to device memory? */
    uint16_t unknown;
    int is_global;
    const char *why;
    unsigned why_thread;
    uint32_t why_line;
    char complaint[320];
} ptx_machine;

/* Runs the thread until it waits or ends: 0 after a complaint. */
int ptx_run_thread(ptx_machine *m);
/* From now on the thread looks at what is known of registers: so far all of them were, but for the kernel's doubtful.
 */
void ptx_begin_doubts(const ptx_machine *m, ptx_thread *t);
/* Says what is wrong with the running thread's instruction. Returns 0. */
__attribute__((format(printf, 3, 4))) int ptx_complain(ptx_machine *m, const ptx_insn *i, const char *format, ...);

/* ptx_memory.c: the bytes at the address, having been checked; NULL after a complaint. */
char *ptx_access(ptx_machine *m, const ptx_insn *i, uint64_t address, int write);
/* Looks at live allocations, at the begin of a launch. */
void ptx_see_allocations(const ptx_kernel *k);
void ptx_forget_shared(void);

/* ptx_shadow.c: notes an access to memory of so many bytes; *shadow is NULL at first. 0 after a complaint. */
int ptx_note(ptx_machine *m, const ptx_insn *i, standin_shadow **shadow, size_t bytes, size_t offset, uint64_t address,
             int write, int shared);

#endif
