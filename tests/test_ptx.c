/* The stand-in's PTX: what it complains about, each by PTX that is wrong in one way beside the same that is right; what
 * instructions do where they are delicate; limits of launches. */
#define _GNU_SOURCE
#include <math.h>

#include "base/floats.h"
#include "support/support_ptx.h"
#include "support/support_run.h"

/* ---- complaints -------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name, *body;
    unsigned order;        /* of threads */
    const char *complaint; /* a part of it; NULL: none */
    unsigned blocks, threads, dynamic;
    size_t bytes;
} fault;

#define FULL "mov.b32 %r15, -1;\n"
static const fault faults[] = {
    {"nothing wrong", "st.global.u32 [%rd3], %r2;", 0, NULL, 1, 64, 0, 256},

    /* bounds */
    {"store behind an allocation", "st.global.u32 [%rd3], %r2;", 0,
     "outside of all allocations, byte 252 of one of 252", 1, 64, 0, 252},
    {"store that hangs over", "st.global.u64 [%rd1+8], %rd1;", 0, "outside of all allocations, byte 8 of one of 12", 1,
     1, 0, 12},
    {"store before an allocation", "st.global.u32 [%rd1+-4], %r2;", 0, "'st.global.u32 [%rd1+-4], %r2': address 0x", 1,
     1, 0, 4},
    {"load of nowhere", "mov.u64 %rd6, 64; ld.global.u32 %r4, [%rd6];", 0, "in no allocation", 1, 1, 0, 4},
    {"predicated off", "setp.ne.s32 %p2, %r2, %r2; @%p2 st.global.u32 [%rd1+4096], %r2;", 0, NULL, 1, 64, 0, 4},
    {"predicated off by not", "@!%p1 bra $L; st.global.u32 [%rd1], %r2;\n$L:", 0, NULL, 1, 64, 0, 4},
    {"behind a shared variable", "st.shared.u32 [%rd5], %r2;", 0, "thread 16, line 21 of the PTX", 1, 17, 0, 4},
    {"in a shared variable", "st.shared.u32 [%rd5], %r2;", 0, NULL, 1, 16, 0, 4},
    {"behind dynamic shared memory", "mov.u64 %rd6, dynamic; st.shared.u32 [%rd6+16], %r2;", 0,
     "in no shared variable; 16 bytes are dynamic", 1, 1, 16, 4},
    {"generic, in dynamic shared memory",
     "mov.u64 %rd6, dynamic; cvta.shared.u64 %rd7, %rd6; st.u32 [%rd7+12], %r2; ld.shared.u32 %r4, [%rd6+12];", 0, NULL,
     1, 1, 16, 4},
    {"generic, behind dynamic shared memory",
     "mov.u64 %rd6, dynamic; cvta.shared.u64 %rd7, %rd6; st.u32 [%rd7+16], %r2;", 0, "in no shared variable", 1, 1, 16,
     4},
    {"generic, in device memory", "st.u32 [%rd3], %r2;", 0, NULL, 1, 64, 0, 256},
    {"behind a local variable", "mov.u64 %rd6, own; st.local.u32 [%rd6+32], %r2;", 0, "in no local variable", 1, 1, 0,
     4},
    {"behind the parameters", "ld.param.u32 %r4, [p1+4];", 0, "behind the 12 bytes of parameters", 1, 1, 0, 4},

    /* alignment */
    {"vector at 8", "ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1+8];", 0, "is not aligned to the access's 16 bytes", 1,
     1, 0, 64},
    {"vector at 16", "ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1+16];", 0, NULL, 1, 1, 0, 64},
    {"halves at 1", "ld.global.u16 %rs1, [%rd1+1];", 0, "not aligned to the access's 2 bytes", 1, 1, 0, 64},
    {"eight bytes at 4, shared", "st.shared.u64 [%rd4+4], %rd1;", 0, "not aligned to the access's 8 bytes", 1, 1, 0, 4},

    /* hazards in shared memory */
    {"two write one place", "st.shared.u32 [%rd4], %r2;", 0,
     "that another lane, with no barrier of the warp since, wrote, thread 0 at line 21", 1, 2, 0, 4},
    {"two warps write one place", "setp.eq.s32 %p2, %r2, 32; or.pred %p3, %p1, %p2; @%p3 st.shared.u32 [%rd4], %r2;", 0,
     "another warp, with no barrier since, wrote", 1, 64, 0, 4},
    {"a barrier between writes",
     "@%p1 st.shared.u32 [%rd4], %r2; bar.sync 0; setp.eq.s32 %p2, %r2, 40; @%p2 st.shared.u32 [%rd4], %r2;", 1, NULL,
     1, 64, 0, 4},
    {"bytes beside each other",
     "cvt.u64.u32 %rd6, %r2; add.s64 %rd7, %rd4, %rd6; cvt.u16.u32 %rs1, %r2; st.shared.u8 [%rd7], %rs1;", 0, NULL, 1,
     64, 0, 4},
    {"bytes within four of another's",
     "cvt.u16.u32 %rs1, %r2; @%p1 st.shared.u8 [%rd4+1], %rs1; @!%p1 st.shared.u32 [%rd4], %r2;", 0, "another lane", 1,
     2, 0, 4},
    {"read after another's write",
     "@%p1 st.shared.u32 [%rd4], %r2; ld.shared.u32 %r4, [%rd4]; st.global.u32 [%rd3], %r4;", 0,
     "depends on what line 21 read: another lane, with no barrier of the warp since, wrote (thread 0, line 21)", 1, 32,
     0, 256},
    {"read before another's write, reversed",
     "st.shared.u32 [%rd5], %r2;\nbar.sync 0;\nld.shared.u32 %r4, [%rd4];\n@%p1 st.shared.u32 [%rd4], "
     "%r2;\nst.global.u32 [%rd3], %r4;",
     1, NULL, 1, 2, 0, 256},
    {"write before another's read, forward",
     "st.shared.u32 [%rd5], %r2;\nbar.sync 0;\nld.shared.u32 %r4, [%rd4];\n@%p1 st.shared.u32 [%rd4], "
     "%r2;\nst.global.u32 [%rd3], %r4;",
     0, "depends on what line 23 read", 1, 2, 0, 256},
    {"read and not used",
     "@%p1 st.shared.u32 [%rd4], %r2; ld.shared.u32 %r4, [%rd4]; selp.b32 %r5, %r2, %r4, %p1; @%p1 st.global.u32 "
     "[%rd3], %r5;",
     0, NULL, 1, 32, 0, 256},
    {"bar.warp.sync orders a warp",
     FULL "@%p1 st.shared.u32 [%rd4], %r2; bar.warp.sync %r15; ld.shared.u32 %r4, [%rd4]; st.global.u32 [%rd3], %r4;",
     1, NULL, 1, 32, 0, 256},
    {"bar.warp.sync orders no other warp",
     FULL "@%p1 st.shared.u32 [%rd4], %r2; bar.warp.sync %r15; ld.shared.u32 %r4, [%rd4]; st.global.u32 [%rd3], %r4;",
     0, "another warp", 1, 64, 0, 256},
    {"a shuffle orders no memory",
     FULL "@%p1 st.shared.u32 [%rd4], %r2; shfl.sync.bfly.b32 %r5|%p2, %r2, 1, 31, %r15; ld.shared.u32 %r4, [%rd4]; "
          "st.global.u32 [%rd3], %r4;",
     0, "another lane", 1, 32, 0, 256},
    {"bar.sync orders a block",
     "@%p1 st.shared.u32 [%rd4], %r2; bar.sync 0; ld.shared.u32 %r4, [%rd4]; st.global.u32 [%rd3], %r4;", 1, NULL, 1,
     64, 0, 256},
    {"shared memory of each block",
     "@%p1 st.shared.u32 [%rd4], %r2; bar.sync 0; ld.shared.u32 %r4, [%rd4]; setp.eq.s32 %p2, %r3, 0; @%p2 "
     "st.global.u32 [%rd3], %r4;",
     0, NULL, 3, 64, 0, 256},

    /* hazards in device memory */
    {"two blocks write one place", "@%p1 st.global.u32 [%rd1], %r3;", 0, "writes address 0x", 2, 1, 0, 4},
    {"two blocks write one place, by", "@%p1 st.global.u32 [%rd1], %r3;", 0,
     "that another block wrote, thread 0 at line 21", 2, 1, 0, 4},
    {"a block reads what another wrote",
     "setp.eq.s32 %p2, %r3, 0; @%p2 st.global.u32 [%rd1], %r3; ld.global.u32 %r4, [%rd1]; @!%p2 st.global.u32 "
     "[%rd1+4], %r4;",
     0, "another block wrote", 2, 1, 0, 8},
    {"the same, reversed",
     "setp.eq.s32 %p2, %r3, 0; @%p2 st.global.u32 [%rd1], %r3; ld.global.u32 %r4, [%rd1]; @!%p2 st.global.u32 "
     "[%rd1+4], %r4;",
     1, NULL, 2, 1, 0, 8},
    {"two blocks beside each other", "mul.wide.u32 %rd6, %r3, 4; add.s64 %rd7, %rd1, %rd6; st.global.u32 [%rd7], %r3;",
     0, NULL, 2, 1, 0, 8},
    {"bar.sync orders device memory in a block",
     "st.global.u32 [%rd3], %r2; bar.sync 0; ld.global.u32 %r4, [%rd1]; st.global.u32 [%rd3+256], %r4;", 0, NULL, 1, 64,
     0, 512},
    {"no barrier in device memory",
     "st.global.u32 [%rd3], %r2; ld.global.u32 %r4, [%rd1]; st.global.u32 [%rd3+256], %r4;", 0, "another lane", 1, 2, 0,
     512},
    {"ld.global.nc of what is written before", "st.global.u32 [%rd3], %r2; ld.global.nc.u32 %r4, [%rd3];", 0,
     "that the launch writes, line 21", 1, 1, 0, 4},
    {"ld.global.nc of what is written later", "ld.global.nc.u32 %r4, [%rd3]; bar.sync 0; st.global.u32 [%rd3], %r4;", 0,
     "that ld.global.nc of the launch reads, line 21", 1, 1, 0, 4},
    {"ld.global.nc of other bytes", "ld.global.nc.u32 %r4, [%rd3]; st.global.u32 [%rd3+4], %r4;", 0, NULL, 1, 1, 0, 8},

    /* barriers and shuffles */
    {"some have returned", "@%p1 bra $E; bar.sync 0;\n$E:", 0,
     "not all threads of the block come here: some have returned", 1, 2, 0, 4},
    {"different barriers", "@%p1 bra $E;\nbar.sync 0;\nbra.uni $F;\n$E:\nbar.sync 0;\n$F:", 0,
     "other threads are at another barrier", 1, 2, 0, 4},
    {"lanes that do not come", FULL "@%p1 bra $E; bar.warp.sync %r15;\n$E:", 0, "waits for lanes that will not come", 1,
     32, 0, 4},
    {"lanes at a barrier", FULL "@%p1 bra $E;\nbar.warp.sync %r15;\nbra.uni $F;\n$E:\nbar.sync 0;\n$F:", 0,
     "waits for lanes that will not come", 1, 32, 0, 4},
    {"lanes at different shuffles",
     FULL "@%p1 bra $E;\nshfl.sync.bfly.b32 %r5, %r2, 1, 31, %r15;\nbra.uni $F;\n$E:\nshfl.sync.bfly.b32 %r5, %r2, 2, "
          "31, %r15;\n$F:",
     0, "lanes of its mask are at another warp operation", 1, 32, 0, 4},
    {"a mask beyond the block", FULL "bar.warp.sync %r15;", 0, "lanes that are no threads of the block", 1, 31, 0, 4},
    {"not in its own mask", "mov.b32 %r15, 2; bar.warp.sync %r15;", 0, "a lane that is not in its own mask", 1, 2, 0,
     4},
    {"part of a warp", "mov.b32 %r15, 3; @%p1 bra $E;\n$E: bar.warp.sync %r15;", 0, "part of a warp is not modelled", 1,
     2, 0, 4},
    {"a shuffle from outside of its mask", "mov.b32 %r15, 3; shfl.sync.idx.b32 %r5, %r2, 2, 31, %r15;", 0,
     "reads a lane outside of its mask", 1, 2, 0, 4},
    {"a shuffle of two lanes", "mov.b32 %r15, 3; shfl.sync.idx.b32 %r5, %r2, 1, 31, %r15;", 0, NULL, 1, 2, 0, 4},

    /* what nobody wrote */
    {"a register", "st.global.u32 [%rd1], %r4;", 0, "a register that nothing has been written to", 1, 1, 0, 4},
    {"a register on one way", "@%p1 mov.u32 %r4, 1; st.global.u32 [%rd3], %r4;", 0, "thread 1, line 21", 1, 2, 0, 8},
    {"a register on every way", "@%p1 mov.u32 %r4, 1; @!%p1 mov.u32 %r4, 2; st.global.u32 [%rd3], %r4;", 0, NULL, 1, 2,
     0, 8},
    {"computed from a register", "add.s32 %r5, %r4, 1; shl.b32 %r6, %r5, 2; st.global.u32 [%rd3], %r6;", 0,
     "a register that nothing has been written to", 1, 1, 0, 4},
    {"an address", "cvt.u64.u32 %rd6, %r4; add.s64 %rd7, %rd1, %rd6; ld.global.u32 %r5, [%rd7];", 0,
     "a register that nothing has been written to", 1, 1, 0, 4},
    {"a jump that nothing hangs on",
     "sub.s32 %r6, %r4, %r4; setp.eq.s32 %p2, %r6, 0;\n@%p2 bra $E;\nadd.s32 %r5, %r2, 1;\n$E: st.global.u32 [%rd3], "
     "%r2;",
     0, NULL, 1, 1, 0, 4},
    {"a jump past a store",
     "sub.s32 %r6, %r4, %r4; setp.ne.s32 %p2, %r6, 0;\n@%p2 bra $E;\nst.global.u32 [%rd3], %r2;\n$E:", 0,
     "depends on a register that nothing has been written to", 1, 1, 0, 4},
    {"a jump past a barrier", "sub.s32 %r6, %r4, %r4; setp.ne.s32 %p2, %r6, 0;\n@%p2 bra $E;\nbar.sync 0;\n$E:", 0,
     "'bar.sync 0': depends on a register", 1, 1, 0, 4},
    {"what is written behind a jump",
     "mov.u32 %r5, 1; sub.s32 %r6, %r4, %r4; setp.ne.s32 %p2, %r6, 0;\n@%p2 bra $E;\nmov.u32 %r5, 2;\n$E: "
     "st.global.u32 "
     "[%rd3], %r5;",
     0, "depends on a register", 1, 1, 0, 4},
    {"what would be written behind a jump",
     "mov.u32 %r5, 1; sub.s32 %r6, %r4, %r4; setp.eq.s32 %p2, %r6, 0;\n@%p2 bra $E;\nmov.u32 %r5, 2;\n$E: "
     "st.global.u32 "
     "[%rd3], %r5;",
     0, "depends on a register", 1, 1, 0, 4},
    {"a loop as often as nobody knows",
     "mov.u32 %r5, 0;\n$L: add.s32 %r5, %r5, 1; sub.s32 %r6, %r4, %r4; setp.lt.s32 %p2, %r5, %r6;\n@%p2 bra "
     "$L;\nst.global.u32 [%rd3], %r5;",
     0, "depends on a register", 1, 1, 0, 4},
    {"carried along and not chosen", "selp.b32 %r5, %r2, %r4, %p1; @%p1 st.global.u32 [%rd3], %r5;", 0, NULL, 1, 1, 0,
     4},
    {"shuffled to another lane",
     FULL "@%p1 mov.u32 %r4, 1; shfl.sync.bfly.b32 %r5, %r4, 1, 31, %r15; @%p1 st.global.u32 [%rd3], %r5;", 0,
     "a register that nothing has been written to", 1, 32, 0, 4},
    {"shuffled from a lane that has it",
     FULL "@%p1 mov.u32 %r4, 1; shfl.sync.idx.b32 %r5, %r4, 0, 31, %r15; st.global.u32 [%rd3], %r5;", 0, NULL, 1, 32, 0,
     128},
    {"the half that is written", "mov.b64 %rd6, {%r2, %r4}; mov.b64 {%r5, %r6}, %rd6; st.global.u32 [%rd3], %r5;", 0,
     NULL, 1, 1, 0, 4},
    {"the half that is not", "mov.b64 %rd6, {%r2, %r4}; mov.b64 {%r5, %r6}, %rd6; st.global.u32 [%rd3], %r6;", 0,
     "a register that nothing has been written to", 1, 1, 0, 4},
    {"the byte that is written",
     "and.b32 %r5, %r2, 255; prmt.b32 %r6, %r4, %r5, 30212; and.b32 %r5, %r6, 255; st.global.u32 [%rd3], %r5;", 0, NULL,
     1, 1, 0, 4},
    {"the byte that is not",
     "and.b32 %r5, %r2, 255; prmt.b32 %r6, %r4, %r5, 30212; and.b32 %r5, %r6, 65280; st.global.u32 [%rd3], %r5;", 0,
     "a register that nothing has been written to", 1, 1, 0, 4},
    {"bytes that or fills", "or.b32 %r5, %r4, -1; st.global.u32 [%rd3], %r5;", 0, NULL, 1, 1, 0, 4},
    {"bytes that or leaves", "or.b32 %r5, %r4, 65535; st.global.u32 [%rd3], %r5;", 0,
     "a register that nothing has been written to", 1, 1, 0, 4},
    {"bytes chosen by who knows", "prmt.b32 %r6, %r2, %r2, %r4; st.global.u32 [%rd3], %r6;", 0,
     "a register that nothing has been written to", 1, 1, 0, 4},
    {"the halfword that is written", "cvt.u16.u32 %rs1, %r2; cvt.u32.u16 %r5, %rs1; st.global.u32 [%rd3], %r5;", 0,
     NULL, 1, 1, 0, 4},
    {"the halfword that is not", "cvt.u16.u32 %rs1, %r4; cvt.u32.u16 %r5, %rs1; st.global.u32 [%rd3], %r5;", 0,
     "a register that nothing has been written to", 1, 1, 0, 4},
    {"shared memory", "ld.shared.u32 %r4, [%rd5]; st.global.u32 [%rd3], %r4;", 0,
     "depends on what line 21 read: bytes that nothing has been written to", 1, 1, 0, 4},
    {"shared memory of the block before",
     "setp.eq.s32 %p2, %r3, 0; @%p2 st.shared.u32 [%rd5], %r2; ld.shared.u32 %r4, [%rd5]; @!%p2 st.global.u32 [%rd3], "
     "%r4;",
     0, "block 1, thread 0", 2, 1, 0, 4},
    {"half of what shared memory is read",
     "st.shared.u32 [%rd4], %r2; ld.shared.u64 %rd6, [%rd4]; cvt.u32.u64 %r4, %rd6; st.global.u32 [%rd3], %r4;", 0,
     NULL, 1, 1, 0, 4},
    {"all of what half was written of",
     "st.shared.u32 [%rd4], %r2; ld.shared.u64 %rd6, [%rd4]; st.global.u64 [%rd1], %rd6;", 0,
     "bytes that nothing has been written to", 1, 1, 0, 8},
    {"kept in shared memory and not used", "st.shared.u32 [%rd5], %r4;", 0, NULL, 1, 1, 0, 4},
    {"kept in shared memory and used",
     "st.shared.u32 [%rd5], %r4; ld.shared.u32 %r5, [%rd5]; st.global.u32 [%rd3], %r5;", 0,
     "bytes that were not known when they were written", 1, 1, 0, 4},
    {"local memory", "mov.u64 %rd6, own; ld.local.u32 %r4, [%rd6]; st.global.u32 [%rd3], %r4;", 0,
     "local bytes that are not known", 1, 1, 0, 4},
    {"local memory that is written",
     "mov.u64 %rd6, own; st.local.u32 [%rd6+4], %r2; cvta.local.u64 %rd7, %rd6; ld.u32 %r4, [%rd7+4]; st.global.u32 "
     "[%rd3], %r4;",
     0, NULL, 1, 2, 0, 8},

    /* text that is not understood */
    {"contraction left open", "add.f32 %f1, %f1, %f1;", 0, "line 21: add.f32: unknown instruction", 1, 1, 0, 4},
    {"subnormals flushed", "add.rn.ftz.f32 %f1, %f1, %f1;", 0, "add.rn.ftz.f32: unknown instruction", 1, 1, 0, 4},
    {"an approximation", "ex2.approx.f32 %f1, %f1;", 0, "ex2.approx.f32: unknown instruction", 1, 1, 0, 4},
    {"an atomic", "atom.global.add.u32 %r4, [%rd1], 1;", 0, "atom.global.add.u32: unknown instruction", 1, 1, 0, 4},
    {"a wrong width", "add.s32 %r4, %rd1, %r2;", 0, "add.s32: an operand that it does not have, or of another type", 1,
     1, 0, 4},
    {"an operand too few", "add.s32 %r4, %r2;", 0, "add.s32: too few operands", 1, 1, 0, 4},
    {"an operand too many", "neg.s32 %r4, %r2, %r2;", 0, "neg.s32: an operand", 1, 1, 0, 4},
    {"no such register", "mov.u32 %r99, 1;", 0, "unknown operand '%r99'", 1, 1, 0, 4},
    {"no such label", "bra $NOWHERE;", 0, "no label '$NOWHERE'", 1, 1, 0, 4},
    {"writes a constant", "mov.u32 7, %r1;", 0, "mov.u32: an operand", 1, 1, 0, 4},
    {"another barrier", "bar.sync 1;", 0, "bar.sync: unknown instruction", 1, 1, 0, 4},
    {"a division by 0", "mov.u32 %r4, 0; div.u32 %r5, %r2, %r4;", 0, "divides by 0", 1, 1, 0, 4},
};

START_TEST(complaints) {
    const fault *f = &faults[_i];
    if (!ptx_open("complaints")) return;
    gpu.order(f->order);
    const char *got = ptx_try(f->body, f->blocks, f->threads, f->dynamic, NULL, f->bytes);
    if (f->complaint)
        ck_assert_msg(strstr(got, f->complaint) != NULL, "%s: '%s', not '%s'", f->name, got, f->complaint);
    else
        ck_assert_msg(!got[0], "%s: '%s'", f->name, got);
    gpu.order(0);
    ptx_close();
}
END_TEST

/* All of a complaint: kernel, block, thread, line, instruction, address. */
START_TEST(a_complaint_names_the_place) {
    char want[400];
    if (!ptx_open("a_complaint_names_the_place")) return;
    const char *got = ptx_try("mov.u64 %rd6, 4096;\n\tst.global.u32 \t[%rd6+4], %r2;", 2, 3, 0, NULL, 4);
    snprintf(want, sizeof want,
             "kernel k: block 0, thread 0, line %d of the PTX, 'st.global.u32  [%%rd6+4], %%r2': address 0x1004 of 4 "
             "bytes is in no allocation",
             PTX_HEAD_LINES + 2);
    ck_assert_str_eq(got, want);
    ptx_close();
}
END_TEST

/* ---- limits ------------------------------------------------------------------------------------------------------ */

START_TEST(limits_of_launches) {
    if (!ptx_open("limits_of_launches")) return;
    ck_assert_ptr_nonnull(strstr(ptx_try("", 1, 65, 0, NULL, 4), "65 threads, and 64 is the most"));
    ck_assert_str_eq(ptx_try("", 1, 64, 0, NULL, 4), "");
    /* 48 KiB with what is not dynamic, as long as nothing asked for more. */
    ck_assert_ptr_nonnull(strstr(ptx_try("", 1, 64, 49152 - 64 + 1, NULL, 4),
                                 "49089 bytes of dynamic shared memory, and 49088 is the most"));
    ck_assert_str_eq(ptx_try("", 1, 64, 49152 - 64, NULL, 4), "");
    ptx_close();
}
END_TEST

/* What was asked for, and no more than the device has. */
START_TEST(more_shared_memory_is_asked_for) {
    char text[8192];
    void *module, *function;
    uint64_t at = 0;
    uint32_t number = 0;
    if (!ptx_open("more_shared_memory_is_asked_for")) return;
    const int most = 166912;
    snprintf(text, sizeof text, "%s ret;\n}\n", ptx_head);
    ck_assert_msg(!driver.load(&module, text, 0, NULL, NULL), "%s", driver.complaint());
    ck_assert_int_eq(driver.function(&function, module, "k"), 0);
    void *parameters[] = {&at, &number};
    ck_assert_int_eq(driver.attribute(function, 8, most - 64 + 1), 1);
    ck_assert_int_eq(driver.attribute(function, 8, most - 64), 0);
    ck_assert_int_eq(driver.attribute(function, 8, 60000), 0);
    ck_assert_int_eq(driver.launch(function, 1, 1, 1, 1, 1, 1, 60000, (void *)1, parameters, NULL), 0);
    ck_assert_int_eq(driver.launch(function, 1, 1, 1, 1, 1, 1, 60001, (void *)1, parameters, NULL), 1);
    ck_assert_int_eq(driver.function(&function, module, "l"), 500);
    ck_assert_int_eq(driver.unload(module), 0);
    ptx_close();
}
END_TEST

START_TEST(too_many_parameters) {
    static const char form[] = ".version 9.0\n.target sm_90\n.address_size 64\n"
                               ".visible .entry k(.param .align 8 .b8 p0[%d])\n{\nret;\n}\n";
    char text[256];
    void *module, *function;
    if (!ptx_open("too_many_parameters")) return;
    for (int n = 4096; n <= 4104; n += 8) {
        snprintf(text, sizeof text, form, n);
        ck_assert_msg(!driver.load(&module, text, 0, NULL, NULL), "%s", driver.complaint());
        ck_assert_int_eq(driver.function(&function, module, "k"), n > 4096 ? 200 : 0);
        ck_assert_int_eq(driver.unload(module), 0);
    }
    ck_assert_ptr_nonnull(strstr(driver.complaint(), "4104 bytes of parameters"));
    ptx_close();
}
END_TEST

/* Every cut and damaged text is refused or runs: nothing crashes. */
START_TEST(cut_text_is_refused) {
    char text[8192];
    void *module;
    if (!ptx_open("cut_text_is_refused")) return;
    int n = snprintf(text, sizeof text,
                     "%s shfl.sync.bfly.b32 %%r5|%%p2, %%r2, 1, 31, -1;\n@!%%p1 bra $L;\n$L: ret;\n}\n", ptx_head);
    ck_assert_msg(!driver.load(&module, text, 0, NULL, NULL), "%s", driver.complaint());
    ck_assert_int_eq(driver.unload(module), 0);
    for (int i = 1; i < n - 2; i++) {
        char kept = text[i];
        text[i] = 0;
        if (!driver.load(&module, text, 0, NULL, NULL)) ck_assert_int_eq(driver.unload(module), 0);
        static const char other[] = "@%[{;,9.";
        for (size_t k = 0; other[k]; k++) {
            text[i] = other[k];
            if (!driver.load(&module, text, 0, NULL, NULL)) ck_assert_int_eq(driver.unload(module), 0);
        }
        text[i] = kept;
    }
    ptx_close();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ptx");
    TCase *t = tcase_create("ptx");
    tcase_add_loop_test(t, complaints, 0, sizeof faults / sizeof *faults);
    tcase_add_test(t, a_complaint_names_the_place);
    tcase_add_test(t, limits_of_launches);
    tcase_add_test(t, more_shared_memory_is_asked_for);
    tcase_add_test(t, too_many_parameters);
    tcase_add_test(t, cut_text_is_refused);
    suite_add_tcase(suite, t);
    return support_main(suite);
}
