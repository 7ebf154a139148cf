/* Who wrote memory when, and what ld.global.nc read. Each few bytes have a cell; cells lie in pages that are made when
 * memory is first written or read so, four bytes a cell until a smaller access comes along.
 *
 * Time counts barriers, blocks and launches and never goes back, so no cell is ever cleared: what is older than the
 * block is of another block, what is older than the launch is over, and only what happened in this interval between
 * barriers needs a look at threads. Within a warp time goes on at each bar.warp.sync, too.
 *
 * A read of what another thread wrote with no barrier between is found here; one that comes before such a write is the
 * same when the threads run in reversed order, in which tests run them, too. */
#include <stdlib.h>
#include <string.h>

#include "ptx.h"

enum { PAGE = 4096 };

typedef struct {
    uint32_t write, nc; /* when it was written, and read not coherently */
    uint16_t writer, warp_time;
    uint32_t line, nc_line;
    uint8_t unknown; /* what was written is */
} cell;

typedef struct {
    unsigned shift; /* bytes of a cell: 1 << shift */
    cell cells[];
} page;

struct standin_shadow {
    size_t n;
    page *of[];
};

void ptx_forget(standin_shadow **shadow) {
    standin_shadow *s = *shadow;
    for (size_t p = 0; s && p < s->n; p++) free(s->of[p]);
    free(s);
    *shadow = NULL;
}

/* Cells of 1 << shift bytes, in the state of those there are. */
static page *split(page *old, unsigned shift) {
    page *p = calloc(1, sizeof *p + (PAGE >> shift) * sizeof(cell));
    if (!p) abort();
    p->shift = shift;
    for (size_t c = 0; old && c < (size_t)PAGE >> shift; c++) p->cells[c] = old->cells[c >> (old->shift - shift)];
    free(old);
    return p;
}

static page *page_of(standin_shadow **shadow, size_t bytes, size_t offset, unsigned shift) {
    size_t need = (bytes + PAGE - 1) / PAGE;
    if (!*shadow || (*shadow)->n < need) {
        size_t had = *shadow ? (*shadow)->n : 0;
        standin_shadow *more = realloc(*shadow, sizeof *more + need * sizeof(page *));
        if (!more) abort();
        memset(more->of + had, 0, (need - had) * sizeof(page *));
        more->n = need;
        *shadow = more;
    }
    page **p = &(*shadow)->of[offset / PAGE];
    if (!*p || (*p)->shift > shift) *p = split(*p, shift);
    return *p;
}

typedef struct {
    ptx_machine *m;
    const ptx_insn *i;
    uint16_t thread, warp_time;
    uint32_t since; /* what is older is over */
    uint64_t address;
    size_t size;
} touching;

/* NULL, or why the write is not ordered before what is done now. */
static const char *unordered(const touching *t, const cell *c) {
    if (c->write < t->since) return NULL;
    if (c->write < t->m->block_time) return "another block";
    if (c->write < t->m->now || c->writer == t->thread) return NULL;
    if (c->writer / PTX_WARP != t->thread / PTX_WARP) return "another warp, with no barrier since,";
    return c->warp_time == t->warp_time ? "another lane, with no barrier of the warp since," : NULL;
}

static int note_write(const touching *t, cell *c, int unknown) {
    const char *who = unordered(t, c);
    if (who)
        return ptx_complain(t->m, t->i, "writes address %#llx of %zu bytes that %s wrote, thread %u at line %u",
                            (unsigned long long)t->address, t->size, who, c->writer, c->line);
    if (c->nc >= t->since)
        return ptx_complain(t->m, t->i,
                            "writes address %#llx of %zu bytes that ld.global.nc of the launch reads, line %u",
                            (unsigned long long)t->address, t->size, c->nc_line);
    c->write = t->m->now;
    c->writer = t->thread;
    c->warp_time = t->warp_time;
    c->line = t->i->line;
    c->unknown = (uint8_t)unknown;
    return 1;
}

/* What is read is not known, and why. Whether that matters shows later. */
static int note_read(const touching *t, const cell *c, unsigned bytes, int shared) {
    const char *why = unordered(t, c);
    if (shared && c->write < t->since) why = "bytes that nothing has been written to";
    if (!why && c->write >= t->since && c->unknown) why = "bytes that were not known when they were written";
    if (!why) return 1;
    t->m->unknown |= (uint16_t)bytes;
    t->m->why = why;
    t->m->why_thread = c->writer;
    t->m->why_line = c->line;
    return 1;
}

static int note_nc(const touching *t, cell *c) {
    if (c->write >= t->since)
        return ptx_complain(t->m, t->i, "reads address %#llx of %zu bytes that the launch writes, line %u",
                            (unsigned long long)t->address, t->size, c->line);
    c->nc = t->m->now;
    c->nc_line = t->i->line;
    return 1;
}

int ptx_note(ptx_machine *m, const ptx_insn *i, standin_shadow **shadow, size_t bytes, size_t offset, uint64_t address,
             int write, int shared) {
    size_t size = (size_t)i->size * i->n;
    if (!write && !shared && !i->nc && (!*shadow || !(*shadow)->of[offset / PAGE])) return 1;
    unsigned most = m->unknown || i->size == 1 ? 0 : i->size == 2 ? 1 : 2;
    page *p = page_of(shadow, bytes, offset, most);
    cell *c = &p->cells[offset % PAGE >> p->shift];
    const touching t = {
        m,       i,   (uint16_t)m->running, m->thread[m->running].warp_time, shared ? m->block_time : m->launch_time,
        address, size};
    unsigned part = (1u << (1u << p->shift)) - 1;
    for (size_t n = size >> p->shift; n; n--, c++, part <<= 1u << p->shift)
        if (!(write   ? note_write(&t, c, (m->unknown & part) != 0)
              : i->nc ? note_nc(&t, c)
                      : note_read(&t, c, part, shared)))
            return 0;
    return 1;
}
