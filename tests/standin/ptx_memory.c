/* Accesses: which memory an address is in, whether all of it, and whether it may be touched there. */
#include <stdlib.h>
#include <string.h>

#include "ptx.h"

static standin_area *areas; /* by address */
static size_t n_area, area_room;
static uint32_t *seen; /* of each instruction: the area of its last access */
static size_t seen_room;
static standin_shadow *of_shared[2];

static int by_address(const void *a, const void *b) {
    const standin_area *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

void ptx_see_allocations(const ptx_kernel *k) {
    size_t n;
    while ((n = standin_areas(areas, area_room)) > area_room) {
        area_room = n * 2;
        areas = realloc(areas, area_room * sizeof *areas);
        if (!areas) abort();
    }
    n_area = n;
    if (n_area) qsort(areas, n_area, sizeof *areas, by_address);
    if (k->n_code > seen_room) {
        seen_room = k->n_code * 2;
        seen = realloc(seen, seen_room * sizeof *seen);
        if (!seen) abort();
    }
    memset(seen, 0, k->n_code * sizeof *seen);
}

void ptx_forget_shared(void) {
    ptx_forget(&of_shared[0]);
    ptx_forget(&of_shared[1]);
}

/* ---- device memory ----------------------------------------------------------------------------------------------- */

static int is_in(const standin_area *a, uint64_t address, size_t size) {
    uint64_t first = (uint64_t)(uintptr_t)a->at;
    return address >= first && size <= a->bytes && address - first <= a->bytes - size;
}

/* The last area that begins at or before the address, or the first. */
static size_t find(uint64_t address) {
    size_t low = 0, high = n_area;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if ((uint64_t)(uintptr_t)areas[middle].at <= address)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static char *global(ptx_machine *m, const ptx_insn *i, uint64_t address, size_t size, int write) {
    uint32_t *last = &seen[i - m->kernel->code];
    if (*last >= n_area || !is_in(&areas[*last], address, size)) {
        size_t k = find(address);
        if (!n_area || !is_in(&areas[k], address, size)) {
            if (!n_area || address < (uint64_t)(uintptr_t)areas[k].at)
                ptx_complain(m, i, "address %#llx of %zu bytes is in no allocation", (unsigned long long)address, size);
            else
                ptx_complain(m, i, "address %#llx of %zu bytes is outside of all allocations, byte %llu of one of %zu",
                             (unsigned long long)address, size,
                             (unsigned long long)(address - (uint64_t)(uintptr_t)areas[k].at), areas[k].bytes);
            return NULL;
        }
        *last = (uint32_t)k;
    }
    const standin_area *a = &areas[*last];
    size_t offset = (size_t)(address - (uint64_t)(uintptr_t)a->at);
    return ptx_note(m, i, a->shadow, a->bytes, offset, address, write, 0) ? a->at + offset : NULL;
}

/* ---- a block's, a thread's, a launch's --------------------------------------------------------------------------- */

static const ptx_variable *variable_at(const ptx_variables *all, uint64_t address, size_t size, size_t dynamic_bytes) {
    for (size_t v = 0; v < all->n; v++) {
        const ptx_variable *of = &all->of[v];
        size_t bytes = of->dynamic ? dynamic_bytes : of->bytes;
        if (address >= of->at && size <= bytes && address - of->at <= bytes - size) return of;
    }
    return NULL;
}

static char *shared(ptx_machine *m, const ptx_insn *i, uint64_t address, size_t size, int write) {
    const ptx_variable *v = variable_at(&m->module->shared, address, size, m->dynamic_bytes);
    if (!v) {
        ptx_complain(m, i, "address %#llx of %zu bytes is in no shared variable; %zu bytes are dynamic",
                     (unsigned long long)address, size, m->dynamic_bytes);
        return NULL;
    }
    size_t offset = (size_t)(address - (v->dynamic ? PTX_DYNAMIC_FIRST : PTX_SHARED_FIRST));
    if (!ptx_note(m, i, &of_shared[v->dynamic], v->dynamic ? m->dynamic_bytes : m->static_bytes, offset, address, write,
                  1))
        return NULL;
    return (v->dynamic ? m->dynamic : m->shared) + offset;
}

static char *local(ptx_machine *m, const ptx_insn *i, uint64_t address, size_t size, int write) {
    char *at = m->thread[m->running].local;
    if (!variable_at(&m->kernel->local, address, size, 0)) {
        ptx_complain(m, i, "address %#llx of %zu bytes is in no local variable", (unsigned long long)address, size);
        return NULL;
    }
    for (size_t b = 0; b < size; b++) {
        char *known = &at[m->local_bytes + address + b];
        if (write)
            *known = !(m->unknown >> b & 1);
        else if (!*known) {
            m->unknown |= (uint16_t)(1u << b);
            m->why = "local bytes that are not known";
        }
    }
    return at + address;
}

static char *parameter(ptx_machine *m, const ptx_insn *i, uint64_t address, size_t size) {
    uint64_t offset = address - PTX_PARAM_FIRST;
    if (size <= m->param_bytes && offset <= m->param_bytes - size) return m->param + offset;
    ptx_complain(m, i, "address %#llx of %zu bytes is behind the %zu bytes of parameters",
                 (unsigned long long)(address - PTX_PARAM_FIRST), size, m->param_bytes);
    return NULL;
}

char *ptx_access(ptx_machine *m, const ptx_insn *i, uint64_t address, int write) {
    size_t size = (size_t)i->size * i->n;
    if (address & (size - 1)) {
        ptx_complain(m, i, "address %#llx is not aligned to the access's %zu bytes", (unsigned long long)address, size);
        return NULL;
    }
    m->is_global = i->space == PTX_GLOBAL || (i->space == PTX_GENERIC && address >> 56 == 0);
    switch ((ptx_space)i->space) {
        case PTX_GENERIC:
            if (address >> 56 == PTX_SHARED_WINDOW >> 56) return shared(m, i, address - PTX_SHARED_WINDOW, size, write);
            if (address >> 56 == PTX_LOCAL_WINDOW >> 56) return local(m, i, address - PTX_LOCAL_WINDOW, size, write);
            return global(m, i, address, size, write);
        case PTX_GLOBAL: return global(m, i, address, size, write);
        case PTX_SHARED: return shared(m, i, address, size, write);
        case PTX_LOCAL: return local(m, i, address, size, write);
        case PTX_PARAM: return parameter(m, i, address, size);
    }
    return NULL;
}
