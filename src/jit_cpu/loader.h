/* loader.h: links a relocatable object into executable memory of this process. */
#ifndef JIT_CPU_LOADER_H
#define JIT_CPU_LOADER_H

#include "base/elf.h"
#include "base/trap.h"

typedef struct cpu_code {
    void *base; /* owned mapping: code, then constants, each in pages of its own */
    size_t size;
    void *entry;
    size_t entry_size; /* bytes of the entry's code; 0 where the object does not tell */
} cpu_code;

/* Links the object, whose bytes are untrusted: it is loaded or refused (SN_ERR_PARSE). It may not have undefined
 * symbols, writable or thread-local data. The entry is the global function `symbol`. where, unless NULL, gets the
 * address of each section (0: not loaded). out is cleared on failure. No page is ever writable and executable. */
sn_status cpu_link(const void *object, size_t n, const char *symbol, cpu_code *out,
                   uint64_t where[BASE_ELF_MAX_SECTIONS], base_trap *err);
/* The same for a processor that need not be this one (EM_X86_64, EM_AARCH64) and for an image that lies at base, a
 * multiple of 4096, when it runs: addresses and `where` count from there. Here it is data, written and never
 * executable; out->entry is where the entry's bytes are. */
sn_status cpu_link_for(uint16_t machine, uint64_t base, const void *object, size_t n, const char *symbol, cpu_code *out,
                       uint64_t where[BASE_ELF_MAX_SECTIONS], base_trap *err);
void cpu_unlink(cpu_code *code); /* cleared code is fine */

#endif
