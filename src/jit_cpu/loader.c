/* In: a relocatable object as the compiler or a cache gave it. Out: its code and constants in memory, ready to be
 * called.
 *
 * Anonymous memory is mapped writable, sections are copied and relocated, then code becomes read+execute and constants
 * read-only. Each group has its own pages, so no page is ever writable and executable. Code and constants share one
 * mapping, so that 32-bit relative references always reach. What a relocation does to its bytes is the processor's
 * affair (reloc.h). */
#define _GNU_SOURCE
#include "jit_cpu/loader.h"
#include "jit_cpu/reloc.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { THIS_MACHINE = EM_X86_64 };
#elif defined(__AARCH64EL__)
enum { THIS_MACHINE = EM_AARCH64 };
#else
enum { THIS_MACHINE = EM_NONE }; /* no relocation kinds are known: every object is refused */
#endif
static const cpu_machine *const machines[] = {&cpu_machine_x86_64, &cpu_machine_aarch64};

enum { CODE, CONSTANTS, GROUPS };
enum { MAX_ALIGN = 4096 };
static const uint64_t max_image = (uint64_t)64 << 20;
static const uint64_t nowhere = UINT64_MAX;

typedef struct {
    base_elf elf;
    const cpu_machine *machine;
    uint64_t place[BASE_ELF_MAX_SECTIONS]; /* offset of each section in the image, or nowhere */
    uint64_t end[GROUPS];                  /* of each group: a multiple of the page size */
    uint8_t *image;
    uint64_t base; /* address of the image when its code runs */
    base_trap *err;
} linker;

static sn_status bad(linker *l, const char *sentence) {
    return base_set_error(l->err, SN_ERR_PARSE, "compiled object: %s", sentence);
}

static uint64_t round_up(uint64_t n, uint64_t align) { return (n + align - 1) & ~(align - 1); }

/* The group of a section, -1 for one that is not loaded. Relocations and debug sections do not carry SHF_ALLOC. */
static int group_of(const base_elf_section *s) {
    if (!(s->flags & SHF_ALLOC) || !s->size) return -1;
    return s->flags & SHF_EXECINSTR ? CODE : CONSTANTS;
}

static sn_status lay_out(linker *l) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), at = 0;
    for (int group = 0; group < GROUPS; group++) {
        for (uint32_t i = 1; i < l->elf.n_section; i++) {
            base_elf_section s = base_elf_section_at(&l->elf, i);
            if (group_of(&s) != group) continue;
            if (s.flags & (SHF_WRITE | SHF_TLS | SHF_COMPRESSED))
                return base_set_error(l->err, SN_ERR_PARSE,
                                      "compiled object: section %s is writable, thread-local or compressed; a kernel "
                                      "has code and constants only",
                                      s.name);
            if (s.type != SHT_PROGBITS && s.type != l->machine->unwind_type)
                return base_set_error(l->err, SN_ERR_PARSE, "compiled object: section %s has type %u", s.name, s.type);
            if (s.align > MAX_ALIGN || s.align > page) return bad(l, "a section's alignment exceeds a page");
            at = round_up(at, s.align);
            if (s.size > max_image - at) return bad(l, "it is larger than 64 MiB");
            l->place[i] = at;
            at += s.size;
        }
        l->end[group] = at = round_up(at, page);
    }
    return l->end[CODE] ? SN_OK : bad(l, "it has no code");
}

static void copy_sections(linker *l) {
    memset(l->image, l->machine->gap, l->end[CODE]);
    for (uint32_t i = 1; i < l->elf.n_section; i++) {
        if (l->place[i] == nowhere) continue;
        base_elf_section s = base_elf_section_at(&l->elf, i);
        memcpy(l->image + l->place[i], s.bytes, s.size);
    }
}

static sn_status apply(linker *l, const base_elf_section *target, uint64_t target_place, const base_elf_reloc *r) {
    int width = l->machine->width(r->type);
    if (width < 0)
        return base_set_error(l->err, SN_ERR_PARSE, "compiled object: relocation type %u is not known", r->type);
    if (!width) return SN_OK;
    if ((uint64_t)width > target->size || r->offset > target->size - (uint64_t)width)
        return bad(l, "a relocation crosses its section's end");
    base_elf_symbol y = base_elf_symbol_at(&l->elf, r->symbol);
    if (y.section == SHN_UNDEF || y.section >= l->elf.n_section || l->place[y.section] == nowhere)
        return base_set_error(l->err, SN_ERR_PARSE,
                              "compiled object: a relocation needs symbol '%s', which is not in it", y.name);
    uint64_t place = target_place + r->offset;
    uint64_t value = l->base + l->place[y.section] + y.value + (uint64_t)r->addend;
    const char *refusal = l->machine->apply(r->type, l->image + place, l->base + place, value);
    return refusal ? bad(l, refusal) : SN_OK;
}

static sn_status relocate(linker *l) {
    for (uint32_t i = 1; i < l->elf.n_section; i++) {
        base_elf_section rela = base_elf_section_at(&l->elf, i);
        if (rela.type != SHT_RELA || l->place[rela.target] == nowhere) continue;
        base_elf_section target = base_elf_section_at(&l->elf, rela.target);
        for (uint32_t k = 0; k < rela.n_reloc; k++) {
            base_elf_reloc r = base_elf_reloc_at(&l->elf, &rela, k);
            if (apply(l, &target, l->place[rela.target], &r)) return l->err->status;
        }
    }
    return SN_OK;
}

/* Refuses undefined symbols, even ones that nothing uses: a kernel calls nothing. */
static sn_status find_entry(linker *l, const char *symbol, cpu_code *out) {
    for (uint32_t i = 1; i < l->elf.n_symbol; i++) {
        base_elf_symbol y = base_elf_symbol_at(&l->elf, i);
        if (y.section == SHN_UNDEF)
            return base_set_error(l->err, SN_ERR_PARSE,
                                  "compiled object: symbol '%s' is undefined; a kernel calls nothing", y.name);
        if (y.bind != STB_GLOBAL || y.type != STT_FUNC || strcmp(y.name, symbol)) continue;
        if (y.section >= l->elf.n_section || l->place[y.section] == nowhere) continue;
        base_elf_section s = base_elf_section_at(&l->elf, y.section);
        if (group_of(&s) != CODE || y.value >= s.size) continue;
        out->entry = l->image + l->place[y.section] + y.value;
        out->entry_size = (size_t)y.size;
    }
    if (out->entry) return SN_OK;
    return base_set_error(l->err, SN_ERR_PARSE, "compiled object: function '%s' is not in it", symbol);
}

static sn_status protect(linker *l) {
    uint64_t code = l->end[CODE], constants = l->end[CONSTANTS] - code;
    __builtin___clear_cache((char *)l->image, (char *)l->image + code);
    if (mprotect(l->image, code, PROT_READ | PROT_EXEC) ||
        (constants && mprotect(l->image + code, constants, PROT_READ)))
        return base_set_error(l->err, SN_ERR_IO,
                              "memory for code could not be made executable: %s (does a security "
                              "policy forbid it?)",
                              strerror(errno));
    return SN_OK;
}

/* Everything but permissions. base is NULL for the address at which the image comes to lie. out stays cleared on
 * failure and has the image otherwise. */
static sn_status link_image(linker *l, uint16_t machine, const uint64_t *base, const void *object, size_t n,
                            const char *symbol, cpu_code *out) {
    char text[BASE_ELF_TEXT_MAX];
    *out = (cpu_code){0};
    if (!base_elf_open(&l->elf, object, n, text)) return bad(l, text);
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
        if (machines[i]->elf == l->elf.machine) l->machine = machines[i];
    if (!l->machine || l->elf.machine != machine) return bad(l, "it is for another kind of processor");
    for (uint32_t i = 0; i < l->elf.n_section; i++) l->place[i] = nowhere;
    if (lay_out(l)) return l->err->status;
    l->image = mmap(NULL, l->end[CONSTANTS], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (l->image == MAP_FAILED)
        return base_set_error(l->err, SN_ERR_NOMEM, "no %zu bytes of memory for code: %s", (size_t)l->end[CONSTANTS],
                              strerror(errno));
    l->base = base ? *base : (uint64_t)(uintptr_t)l->image;
    *out = (cpu_code){.base = l->image, .size = (size_t)l->end[CONSTANTS]};
    copy_sections(l);
    if (!find_entry(l, symbol, out) && !relocate(l)) return SN_OK;
    cpu_unlink(out);
    return l->err->status;
}

static void tell_where(const linker *l, uint64_t where[BASE_ELF_MAX_SECTIONS]) {
    for (uint32_t i = 0; where && i < l->elf.n_section; i++)
        where[i] = l->place[i] == nowhere ? 0 : l->base + l->place[i];
}

sn_status cpu_link(const void *object, size_t n, const char *symbol, cpu_code *out,
                   uint64_t where[BASE_ELF_MAX_SECTIONS], base_trap *err) {
    linker l = {.err = err};
    if (link_image(&l, THIS_MACHINE, NULL, object, n, symbol, out)) return err->status;
    if (protect(&l)) {
        cpu_unlink(out);
        return err->status;
    }
    tell_where(&l, where);
    return SN_OK;
}

sn_status cpu_link_for(uint16_t machine, uint64_t base, const void *object, size_t n, const char *symbol, cpu_code *out,
                       uint64_t where[BASE_ELF_MAX_SECTIONS], base_trap *err) {
    linker l = {.err = err};
    if (link_image(&l, machine, &base, object, n, symbol, out)) return err->status;
    tell_where(&l, where);
    return SN_OK;
}

void cpu_unlink(cpu_code *code) {
    if (code->base) munmap(code->base, code->size);
    *code = (cpu_code){0};
}
