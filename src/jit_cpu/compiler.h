/* compiler.h: the compiler plug-in, opened when the first kernel has to be compiled. */
#ifndef JIT_CPU_COMPILER_H
#define JIT_CPU_COMPILER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "base/trap.h"
#include "jit_cpu/llvm_plugin.h"

typedef struct {
    const base_log *log; /* borrowed */
    pthread_mutex_t opening;
    _Atomic(sinter_llvm_compile_fn *) compile; /* NULL until opened */
} cpu_compiler;

void cpu_compiler_init(cpu_compiler *compiler, const base_log *log);
void cpu_compiler_free(cpu_compiler *compiler);

/* Opens SINTER_LLVM, or else libsinter-llvm.so beside this library, or else that name where the system looks.
 * SN_ERR_UNAVAILABLE names all that was tried. Any thread. The plug-in is never closed: LLVM cannot be unloaded. */
sn_status cpu_compiler_open(cpu_compiler *compiler, sinter_llvm_compile_fn **out, base_trap *err);

#endif
