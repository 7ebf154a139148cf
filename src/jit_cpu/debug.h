/* debug.h: tells GDB and perf about code that was loaded. */
#ifndef JIT_CPU_DEBUG_H
#define JIT_CPU_DEBUG_H

#include "base/alloc.h"
#include "jit_cpu/loader.h"

typedef struct cpu_debug cpu_debug;

/* Registers linked code with GDB's JIT interface, under the object's own symbols; with SINTER_PERF=1 also writes a line
 * with `name` to /tmp/perf-PID.map. where is what cpu_link gave. NULL when out of memory: only debugging suffers. */
cpu_debug *cpu_debug_add(base_alloc *alloc, const void *object, size_t n, const uint64_t *where, const char *name);
void cpu_debug_remove(base_alloc *alloc, cpu_debug *entry); /* NULL is fine */

#endif
