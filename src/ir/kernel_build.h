/* kernel_build.h: making kernels: by lowering, by kn_expand, by hand in tests. `over` sets are derived as it goes. */
#ifndef IR_KERNEL_BUILD_H
#define IR_KERNEL_BUILD_H

#include "ir/kernel.h"

typedef struct {
    base_arena *arena; /* borrowed */
    BASE_VEC(kn_axis) axis;
    BASE_VEC(kn_mem) mem;
    BASE_VEC(const char *) mem_name;
    BASE_VEC(kn_access) access;
    BASE_VEC(kn_inst) inst;
    BASE_VEC(uint32_t) made_for; /* of each instruction */
    BASE_VEC(kn_phase) phase;
    BASE_VEC(kn_part) part;
    uint16_t n_dim, n_scalar;
    uint32_t now_for; /* what the next instructions are made for */
} kn_build;

#define KN_C(n)     ((kn_size){(n), KN_NONE})    /* constant size */
#define KN_D(d)     ((kn_size){1, (kn_id)(d)})   /* dim d */
#define KN_KD(c, d) ((kn_size){(c), (kn_id)(d)}) /* c * dim d */

void kn_build_init(kn_build *b, base_arena *arena);
kn_id kn_add_axis(kn_build *b, kn_role role, kn_size extent);
kn_id kn_add_mem(kn_build *b, kn_space space, sn_dtype store, kn_size count, const char *name);

/* An access to mem at base 0 without axes; add steps with kn_access_step. A step of constant 0 is not recorded. */
kn_access kn_access_of(kn_id mem);
void kn_access_step(kn_access *access, kn_id axis, kn_size step);
kn_id kn_add_access(kn_build *b, const kn_access *access); /* equal accesses share an id */

kn_id kn_const_bits(kn_build *b, sn_dtype type, uint64_t bits);
kn_id kn_const_f(kn_build *b, sn_dtype type, double value);  /* f32 or f64 */
kn_id kn_const_i(kn_build *b, sn_dtype type, int64_t value); /* integers and bool */
kn_id kn_scalar(kn_build *b, sn_dtype type, uint32_t slot);
kn_id kn_dim_value(kn_build *b, uint32_t dim);
kn_id kn_index(kn_build *b, kn_id axis);
kn_id kn_load(kn_build *b, sn_dtype type, kn_access access); /* type: of the memory */
kn_id kn_store(kn_build *b, kn_access access, kn_id value);
/* Operands not used by the primitive are KN_NONE. type: of the result. */
kn_id kn_prim1(kn_build *b, kn_prim prim, sn_dtype type, kn_id a);
kn_id kn_prim2(kn_build *b, kn_prim prim, sn_dtype type, kn_id x, kn_id y);
kn_id kn_prim3(kn_build *b, kn_prim prim, sn_dtype type, kn_id x, kn_id y, kn_id z);
kn_id kn_round(kn_build *b, sn_dtype dtype, kn_id x); /* an f32 as a value of f16, bf16; of other types: x */
/* fold: set of LOOP and UNROLL axes. y is KN_NONE but for FMA. */
kn_id kn_fold(kn_build *b, kn_prim prim, sn_dtype type, uint32_t fold, kn_id x, kn_id y);
/* Fold over the part's POINT axes (the set fold) into the accumulator at access. */
kn_id kn_fold_points(kn_build *b, kn_prim prim, sn_dtype type, uint32_t fold, kn_id x, kn_id y, kn_access access);
kn_id kn_fold_point_pairs(kn_build *b, kn_prim prim, uint32_t fold, kn_id x, kn_id index, kn_access values,
                          kn_access indices);

/* Phases and parts are opened and closed in order (a part's team is 1, its rounds 0 unless they are set): part_begin, {
 * phase_begin, instructions, phase_end }, part_end. */
void kn_part_begin(kn_build *b, uint32_t n_point, const kn_id *point, uint32_t tile, uint32_t grain,
                   uint32_t max_chunks);
void kn_part_team(kn_build *b, uint32_t team);     /* of the part that was begun last, .. */
void kn_part_rounds(kn_build *b, uint32_t rounds); /* .. like these */
void kn_phase_begin(kn_build *b, int at_entry, uint32_t n_loop, const kn_id *loop, kn_id lanes, uint32_t width,
                    uint32_t ilp);
void kn_phase_end(kn_build *b);
void kn_part_end(kn_build *b);

/* The kernel, in the builder's arena. Instructions keep their order; nothing is removed. */
kn_kernel *kn_build_finish(kn_build *b);

/* Bits of a double as an element of type (f32 rounded; integers truncated). */
uint64_t kn_bits_of(sn_dtype type, double value);

#endif
