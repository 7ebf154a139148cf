/* Any bytes as an object: read, linked under the name of each of its first functions and shown to debuggers, or
 * refused. Nothing is run. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "jit_cpu/debug.h"
#include "jit_cpu/loader.h"

enum { MAX_ENTRIES = 4 };

static void must(int holds) {
    if (!holds) abort();
}

static volatile size_t sink;

/* Everything that the reader promises can be touched. */
static void read_all(const base_elf *elf) {
    for (uint32_t i = 0; i < elf->n_section; i++) {
        base_elf_section s = base_elf_section_at(elf, i);
        sink += strlen(s.name);
        must(s.align && !(s.align & (s.align - 1)));
        if (s.bytes && s.size) sink += s.bytes[0] + s.bytes[s.size - 1];
        for (uint32_t k = 0; k < s.n_reloc; k++) {
            base_elf_reloc r = base_elf_reloc_at(elf, &s, k);
            must(r.symbol < elf->n_symbol && r.offset < base_elf_section_at(elf, s.target).size);
        }
    }
    for (uint32_t i = 0; i < elf->n_symbol; i++) sink += strlen(base_elf_symbol_at(elf, i).name);
}

static void link_as(const uint8_t *bytes, size_t n, const char *name, base_alloc *alloc) {
    base_trap err = {.armed = 0};
    cpu_code code;
    uint64_t where[BASE_ELF_MAX_SECTIONS];
    sn_status status = cpu_link(bytes, n, name, &code, where, &err);
    if (status) {
        must(err.text[0] && !code.base);
        return;
    }
    must((char *)code.entry >= (char *)code.base &&
         (char *)code.entry + code.entry_size <= (char *)code.base + code.size);
    cpu_debug *debug = cpu_debug_add(alloc, bytes, n, where, "fuzz");
    cpu_debug_remove(alloc, debug);
    cpu_unlink(&code);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    base_alloc alloc;
    base_elf elf;
    char text[BASE_ELF_TEXT_MAX];
    base_alloc_init(&alloc, NULL);
    if (!base_elf_open(&elf, bytes, n, text)) {
        must(text[0] != 0);
        link_as(bytes, n, "k", &alloc);
        return 0;
    }
    read_all(&elf);
    int tried = 0;
    for (uint32_t i = 0; i < elf.n_symbol && tried < MAX_ENTRIES; i++) {
        base_elf_symbol s = base_elf_symbol_at(&elf, i);
        if (s.bind != STB_GLOBAL || s.type != STT_FUNC) continue;
        link_as(bytes, n, s.name, &alloc);
        tried++;
    }
    must(atomic_load(&alloc.live_bytes) == 0);
    return 0;
}
