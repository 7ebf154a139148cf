/* scratch.h: work memory for kernels, one buffer per running thread, whoever's thread it is. */
#ifndef JIT_CPU_SCRATCH_H
#define JIT_CPU_SCRATCH_H

#include "base/alloc.h"
#include "base/trap.h"

typedef struct cpu_scratch cpu_scratch;

/* slots: how many threads can hold a buffer at the same time; one more waits for a free one. */
sn_status cpu_scratch_new(base_alloc *alloc, int slots, cpu_scratch **out, base_trap *err);
void cpu_scratch_free(cpu_scratch *scratch); /* NULL is fine */

/* Makes every buffer at least this large, for good. May wait for holders: do not call as one. */
sn_status cpu_scratch_reserve(cpu_scratch *scratch, size_t bytes, base_trap *err);

/* A buffer of at least the reserved bytes, 64-byte aligned, for the calling thread until given back. Cannot fail. */
void *cpu_scratch_take(cpu_scratch *scratch, int *slot);
void cpu_scratch_give(cpu_scratch *scratch, int slot);

#endif
