/* Launches: blocks one after the other, the threads of a block in an order that is asked for, each from one wait to the
 * next. A barrier lets go when all threads are at it, a warp operation when all lanes of its mask are: shuffles then
 * get their values. Whoever waits for what will not come is complained about. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptx.h"

enum { LAST_TIME = 2000000000 };

/* Kept from launch to launch. */
static ptx_thread threads[PTX_MAX_THREADS];
static uint64_t *slots;
static size_t n_slots;
static char *memory;
static size_t memory_bytes;
static uint32_t now = 1;
static char complained[400];

static void *room(void *at, size_t *have, size_t need, size_t size) {
    if (need <= *have) return at;
    free(at);
    *have = need;
    if (!(at = malloc(need * size))) abort();
    return at;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static const ptx_insn *at(const ptx_machine *m, unsigned t) { return &m->kernel->code[m->thread[t].pc]; }

static int complain_of(ptx_machine *m, unsigned t, const char *what) {
    m->running = t;
    return ptx_complain(m, at(m, t), "%s", what);
}

static uint32_t mask_of(const ptx_machine *m, unsigned t) { return (uint32_t)m->thread[t].slot[at(m, t)->d[2]]; }

static void go_on(ptx_thread *t) {
    t->state = PTX_READY;
    t->pc++;
}

/* From which lane, as the ISA has it: the segment of the lane ends at a bound that c gives, and a lane outside of it is
 * the lane itself. */
static unsigned source(const ptx_insn *i, unsigned lane, uint32_t b, uint32_t c, int *inside) {
    uint32_t clamp = c & 31, segment = c >> 8 & 31, most = (lane & segment) | (clamp & ~segment & 31),
             least = lane & segment;
    int from = i->space == PTX_BFLY  ? (int)(lane ^ (b & 31))
               : i->space == PTX_UP  ? (int)lane - (int)(b & 31)
               : i->space == PTX_IDX ? (int)(least | (b & 31 & ~segment))
                                     : (int)(lane + (b & 31));
    *inside = i->space == PTX_UP ? from >= (int)most : from <= (int)most;
    return *inside ? (unsigned)from : lane;
}

static void pass_doubts(const ptx_machine *m, ptx_thread *to, const ptx_thread *from, const ptx_insn *i,
                        uint8_t known) {
    if (known != 0xff && !to->doubts) {
        ptx_begin_doubts(m, to);
        to->why = from->why;
        to->why_thread = from->why_thread;
        to->why_line = from->why_line;
        to->why_other = from->why_other;
    }
    if (!to->doubts && !i->checked) return;
    to->known[i->d[0]] = known;
    to->known[i->d[1]] = 0xff;
}

static int shuffle(ptx_machine *m, unsigned first, uint32_t mask) {
    uint64_t value[PTX_WARP];
    uint8_t known[PTX_WARP];
    for (unsigned lane = 0; lane < PTX_WARP; lane++) {
        if (!(mask >> lane & 1)) continue;
        const ptx_insn *i = at(m, first + lane);
        value[lane] = m->thread[first + lane].slot[i->a];
        int sure = !m->kernel->n_doubtful && !m->thread[first + lane].doubts;
        known[lane] = sure ? 0xff : m->thread[first + lane].known[i->a];
    }
    for (unsigned lane = 0; lane < PTX_WARP; lane++) {
        if (!(mask >> lane & 1)) continue;
        int inside;
        const ptx_insn *i = at(m, first + lane);
        uint64_t *R = m->thread[first + lane].slot;
        unsigned from = source(i, lane, (uint32_t)R[i->b], (uint32_t)R[i->c], &inside);
        if (!(mask >> from & 1)) return complain_of(m, first + lane, "reads a lane outside of its mask");
        R[i->d[0]] = (uint32_t)value[from];
        if (i->d[1]) R[i->d[1]] = (uint64_t)inside;
        pass_doubts(m, &m->thread[first + lane], &m->thread[first + from], i, known[from]);
    }
    return 1;
}

/* The thread has come to a warp operation: are all there? */
static int arrive(ptx_machine *m, unsigned t) {
    unsigned first = t / PTX_WARP * PTX_WARP, lane = t % PTX_WARP;
    uint32_t mask = mask_of(m, t);
    if (!(mask >> lane & 1)) return complain_of(m, t, "a lane that is not in its own mask");
    for (unsigned k = 0; k < PTX_WARP; k++) {
        if (!(mask >> k & 1)) continue;
        if (first + k >= m->n_thread) return complain_of(m, t, "the mask has lanes that are no threads of the block");
        const ptx_thread *other = &m->thread[first + k];
        if (other->state != PTX_AT_WARP) return 1;
        if (other->pc != m->thread[t].pc) return complain_of(m, t, "lanes of its mask are at another warp operation");
        if (mask_of(m, first + k) != mask) return complain_of(m, t, "lanes of its mask have another mask");
    }
    if (at(m, t)->op == PTX_shfl && !shuffle(m, first, mask)) return 0;
    if (at(m, t)->op == PTX_bar_warp_sync && mask != UINT32_MAX)
        return complain_of(m, t, "a barrier of part of a warp is not modelled");
    int barrier = at(m, t)->op == PTX_bar_warp_sync;
    for (unsigned k = 0; k < PTX_WARP; k++) {
        if (!(mask >> k & 1)) continue;
        m->thread[first + k].warp_time += (uint16_t)barrier;
        go_on(&m->thread[first + k]);
    }
    return 1;
}

static int barrier(ptx_machine *m, unsigned ended) {
    for (unsigned t = 0; t < m->n_thread; t++) {
        if (m->thread[t].state != PTX_AT_BARRIER) continue;
        if (ended) return complain_of(m, t, "not all threads of the block come here: some have returned");
        if (m->thread[t].pc != m->thread[0].pc) return complain_of(m, t, "other threads are at another barrier");
    }
    for (unsigned t = 0; t < m->n_thread; t++) go_on(&m->thread[t]);
    m->now++;
    return 1;
}

static int stuck(ptx_machine *m) {
    for (unsigned t = 0; t < m->n_thread; t++)
        if (m->thread[t].state == PTX_AT_WARP) return complain_of(m, t, "waits for lanes that will not come");
    for (unsigned t = 0; t < m->n_thread; t++)
        if (m->thread[t].state == PTX_AT_BARRIER) return complain_of(m, t, "waits for threads that will not come");
    return 0;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static void choose_order(unsigned *order, unsigned n, unsigned how, unsigned block) {
    unsigned seed = how * 2654435761u + block;
    for (unsigned t = 0; t < n; t++) order[t] = how == 1 ? n - 1 - t : t;
    for (unsigned i = n - 1; how > 1 && i > 0; i--) {
        seed = seed * 1664525u + 1013904223u;
        unsigned k = (seed >> 8) % (i + 1), swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
}

static void begin_block(ptx_machine *m, unsigned block, unsigned blocks) {
    const ptx_kernel *k = m->kernel;
    m->block = block;
    m->block_time = ++m->now;
    for (unsigned t = 0; t < m->n_thread; t++) {
        ptx_thread *thread = &m->thread[t];
        thread->state = PTX_FRESH;
        thread->pc = 0;
        thread->warp_time = 0;
        memcpy(thread->slot, k->constant, k->n_constant * sizeof *thread->slot);
        thread->slot[PTX_TID] = t;
        thread->slot[PTX_NTID] = m->n_thread;
        thread->slot[PTX_CTAID] = block;
        thread->slot[PTX_NCTAID] = blocks;
        if (k->n_doubtful) memcpy(thread->known, k->known, k->n_slot);
        thread->doubts = 0;
        thread->astray = 0;
        thread->why = NULL;
        if (m->local_bytes) memset(thread->local + m->local_bytes, 0, m->local_bytes);
    }
}

static int run_block(ptx_machine *m, const unsigned *order) {
    for (unsigned ended = 0; ended < m->n_thread;) {
        unsigned at_barrier = 0, progress = 0;
        for (unsigned i = 0; i < m->n_thread; i++) {
            ptx_thread *t = &m->thread[order[i]];
            if (t->state == PTX_FRESH || t->state == PTX_READY) {
                m->running = order[i];
                progress = 1;
                if (!ptx_run_thread(m)) return 0;
                if (t->state == PTX_AT_WARP && !arrive(m, order[i])) return 0;
                ended += t->state == PTX_ENDED;
            }
            at_barrier += t->state == PTX_AT_BARRIER;
        }
        if (at_barrier && at_barrier + ended == m->n_thread) {
            if (!barrier(m, ended)) return 0;
        } else if (!progress && ended < m->n_thread) {
            return stuck(m);
        }
    }
    return 1;
}

/* ---- launches ---------------------------------------------------------------------------------------------------- */

static size_t end_of(const ptx_variables *all, uint64_t first) {
    uint64_t end = first;
    for (size_t v = 0; v < all->n; v++)
        if (!all->of[v].dynamic) end = all->of[v].at + all->of[v].bytes;
    return (size_t)(end - first);
}

/* Parameters, shared memory, then of each thread what is known of registers and local memory. */
static void take_memory(ptx_machine *m) {
    const ptx_kernel *k = m->kernel;
    size_t known = (k->n_slot + 15) & ~(size_t)15, param = (m->param_bytes + 15) & ~(size_t)15,
           fixed = (m->static_bytes + 15) & ~(size_t)15, dynamic = (m->dynamic_bytes + 15) & ~(size_t)15,
           own = (known + 2 * m->local_bytes + 15) & ~(size_t)15;
    slots = room(slots, &n_slots, (size_t)k->n_slot * m->n_thread, sizeof *slots);
    memory = room(memory, &memory_bytes, param + fixed + dynamic + own * m->n_thread, 1);
    m->param = memory;
    m->shared = m->param + param;
    m->dynamic = m->shared + fixed;
    for (unsigned t = 0; t < m->n_thread; t++) {
        m->thread[t].slot = slots + (size_t)k->n_slot * t;
        m->thread[t].known = (uint8_t *)m->dynamic + dynamic + own * t;
        m->thread[t].local = (char *)m->thread[t].known + known;
    }
}

const char *ptx_run(const ptx_module *module, ptx_kernel *k, void *const *parameters, unsigned blocks,
                    unsigned n_threads, size_t dynamic_bytes, unsigned how) {
    static unsigned order[PTX_MAX_THREADS];
    ptx_machine m = {.module = module,
                     .kernel = k,
                     .thread = threads,
                     .n_thread = n_threads,
                     .param_bytes = end_of(&k->param, PTX_PARAM_FIRST),
                     .static_bytes = end_of(&module->shared, PTX_SHARED_FIRST),
                     .dynamic_bytes = dynamic_bytes,
                     .local_bytes = end_of(&k->local, 0),
                     .now = now};
    if (m.now > LAST_TIME) return "the stand-in has seen more barriers than it can count";
    take_memory(&m);
    for (size_t p = 0; p < k->param.n; p++)
        memcpy(m.param + (k->param.of[p].at - PTX_PARAM_FIRST), parameters[p], k->param.of[p].bytes);
    ptx_see_allocations(k);
    m.launch_time = ++m.now;
    int fine = 1;
    for (unsigned b = 0; b < blocks && fine; b++) {
        unsigned block = how == 1 ? blocks - 1 - b : b;
        choose_order(order, n_threads, how, block);
        begin_block(&m, block, blocks);
        fine = run_block(&m, order);
    }
    now = m.now;
    if (!fine) memcpy(complained, m.complaint, sizeof m.complaint);
    return fine ? NULL : complained;
}
