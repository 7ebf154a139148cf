/* Runs the threads of a block as fibers on one thread of the system: each until it ends or waits at a barrier or a warp
 * operation. A thread that ends leaves its stack to the next, so a kernel without barriers needs one stack. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "standin.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
enum { STACK = 1024 * 1024 };
#else
enum { STACK = 512 * 1024 };
#endif
enum { PAGE = 4096, MAX_THREADS = 1024, WARP = 32, MAX_MASKS = 8, MAX_DYNAMIC = 232448 };

typedef enum { FRESH, READY, AT_BARRIER, AT_WARP, ENDED } state;

typedef struct {
    char *stack;
    void *sp;
    void *fake; /* AddressSanitizer's */
} fiber;

/* A warp operation in progress: the lanes of one mask that have arrived. */
typedef struct {
    unsigned mask, arrived;
    int line, phase, used;
    unsigned long long value[2][WARP];
} meeting;

static fiber fibers[MAX_THREADS];
static int n_fibers, n_free, free_fiber[MAX_THREADS];
static struct {
    state state;
    int line, fiber;
} threads[MAX_THREADS];
static standin_thread ids[MAX_THREADS];
static meeting meetings[MAX_THREADS / WARP][MAX_MASKS];
static int running;
static void *scheduler_sp;
static standin_thread **current;
static void (*entry)(void **);
static void **entry_args;
static char dynamic[MAX_DYNAMIC] __attribute__((aligned(1024)));
static char complaint[320];
static int failed;
#if defined(__SANITIZE_ADDRESS__)
static void *scheduler_fake;
static const void *scheduler_bottom;
static size_t scheduler_size;
#endif

#if defined(__x86_64__)
/* Saves what a call preserves, changes stacks, restores. */
void standin_switch(void **from, void *to);
__asm__(".text\n.globl standin_switch\n.hidden standin_switch\n.type standin_switch,@function\nstandin_switch:\n"
        " push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
        " mov %rsp,(%rdi)\n mov %rsi,%rsp\n"
        " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n");
#else
#error "the stand-in runs on x86-64"
#endif

static void complain(const char *text, int line) {
    if (!failed)
        snprintf(complaint, sizeof complaint, "%s (block %u, thread %u, line %d)", text, ids[running].block.x,
                 ids[running].thread.x, line);
    failed = 1;
}

static void to_scheduler(void) {
    fiber *f = &fibers[threads[running].fiber];
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&f->fake, scheduler_bottom, scheduler_size);
#endif
    standin_switch(&f->sp, scheduler_sp);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(f->fake, &scheduler_bottom, &scheduler_size);
#endif
}

static void fiber_main(void) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(NULL, &scheduler_bottom, &scheduler_size);
#endif
    for (;;) {
        entry(entry_args);
        threads[running].state = ENDED;
        to_scheduler();
    }
}

static void resume(int t) {
    fiber *f = &fibers[threads[t].fiber];
    running = t;
    *current = &ids[t];
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&scheduler_fake, f->stack, STACK);
#endif
    standin_switch(&scheduler_sp, f->sp);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(scheduler_fake, NULL, NULL);
#endif
}

static void new_fiber(void) {
    fiber *f = &fibers[n_fibers];
    char *map = mmap(NULL, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED || mprotect(map, PAGE, PROT_NONE)) abort();
    f->stack = map + PAGE;
    void **sp = (void **)(void *)(f->stack + STACK);
    union {
        void (*function)(void);
        void *address;
    } start = {fiber_main};
    *--sp = NULL;
    *--sp = start.address;
    for (int i = 0; i < 6; i++) *--sp = NULL;
    f->sp = sp;
    free_fiber[n_free++] = n_fibers++;
}

static void drop_fibers(void) {
    for (int i = 0; i < n_fibers; i++) munmap(fibers[i].stack - PAGE, STACK + PAGE);
    n_fibers = n_free = 0;
}

/* ---- what kernels call ------------------------------------------------------------------------------------------- */

static void barrier(int line) {
    threads[running].state = AT_BARRIER;
    threads[running].line = line;
    to_scheduler();
}

static meeting *find_meeting(unsigned mask) {
    meeting *all = meetings[running / WARP], *unused = NULL;
    for (int i = 0; i < MAX_MASKS; i++) {
        if (all[i].used && all[i].mask == mask) return &all[i];
        if (!all[i].used && !unused) unused = &all[i];
    }
    if (!unused) abort(); /* more masks in one warp than generated code ever has */
    *unused = (meeting){.mask = mask, .used = 1};
    return unused;
}

/* Leaves a value and waits for all lanes of the mask; returns the values of all. */
static unsigned long long *warp(unsigned mask, int line, unsigned long long value) {
    unsigned lane = (unsigned)running % WARP;
    if (!(mask >> lane & 1)) complain("a lane that is not in its own mask", line);
    meeting *m = find_meeting(mask);
    if (!m->arrived)
        m->line = line;
    else if (m->line != line)
        complain("lanes of one warp wait at different warp operations", line);
    int phase = m->phase;
    m->value[phase][lane] = value;
    m->arrived |= 1u << lane;
    if (m->arrived == mask) {
        m->arrived = 0;
        m->phase ^= 1;
        int first = running / WARP * WARP;
        for (int i = 0; i < WARP; i++)
            if (mask >> i & 1 && first + i != running) threads[first + i].state = READY;
    } else {
        threads[running].state = AT_WARP;
        threads[running].line = line;
        to_scheduler();
    }
    return m->value[phase];
}

static void *dynamic_shared(void) { return dynamic; }

const standin_calls standin_the_calls = {barrier, warp, complain, dynamic_shared};

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static unsigned next_random(unsigned *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void choose_order(int *order, int n, unsigned how, unsigned block) {
    unsigned seed = how * 2654435761u + block;
    for (int t = 0; t < n; t++) order[t] = how == 1 ? n - 1 - t : t;
    for (int i = n - 1; how > 1 && i > 0; i--) {
        int k = (int)(next_random(&seed) % (unsigned)(i + 1)), swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
}

static void wait_error(int n) {
    for (int t = 0; t < n; t++) {
        if (threads[t].state != AT_WARP && threads[t].state != AT_BARRIER) continue;
        running = t;
        complain(threads[t].state == AT_WARP ? "a warp operation waits for lanes that will not come"
                                             : "a barrier waits for threads that will not come",
                 threads[t].line);
        return;
    }
}

/* One turn over all threads; returns how many have ended so far, or -1 after a complaint. */
static int turn(const int *order, int n, int ended) {
    int progress = 0, waiting = 0, line = -1, differ = 0;
    for (int i = 0; i < n && !failed; i++) {
        int t = order[i];
        if (threads[t].state == FRESH) {
            if (!n_free) new_fiber();
            threads[t].fiber = free_fiber[--n_free];
            threads[t].state = READY;
        }
        if (threads[t].state == READY) {
            progress = 1;
            resume(t);
            if (threads[t].state == ENDED) {
                ended++;
                free_fiber[n_free++] = threads[t].fiber;
            }
        }
        if (threads[t].state != AT_BARRIER) continue;
        waiting++;
        if (line >= 0 && line != threads[t].line) differ = 1;
        line = threads[t].line;
    }
    if (!failed && waiting && waiting + ended == n) {
        if (ended || differ) {
            wait_error(n);
            snprintf(complaint, sizeof complaint, "%s (block %u, line %d)",
                     ended ? "__syncthreads is not reached by all threads of the block: some have returned"
                           : "threads wait at different __syncthreads",
                     ids[0].block.x, line);
        }
        for (int t = 0; t < n; t++) threads[t].state = READY;
    } else if (!failed && !progress && ended < n) {
        wait_error(n);
    }
    return failed ? -1 : ended;
}

const char *standin_run(void (*kernel)(void **), void **args, standin_thread **at, standin_dim grid, standin_dim block,
                        char *shared, size_t shared_bytes, size_t dynamic_bytes, unsigned how) {
    static int order[MAX_THREADS];
    int n = (int)block.x;
    entry = kernel;
    entry_args = args;
    current = at;
    failed = 0;
    complaint[0] = 0;
    if (dynamic_bytes > sizeof dynamic) return "more dynamic shared memory than there is";
    for (unsigned b = 0; b < grid.x; b++) {
        if (shared_bytes) memset(shared, 0xff, shared_bytes);
        memset(dynamic, 0xff, dynamic_bytes);
        memset(meetings, 0, sizeof meetings[0] * (size_t)((n + WARP - 1) / WARP));
        choose_order(order, n, how, b);
        for (int t = 0; t < n; t++) {
            threads[t].state = FRESH;
            ids[t] = (standin_thread){{(unsigned)t, 0, 0}, {b, 0, 0}, block, grid, (unsigned)t % WARP};
        }
        for (int ended = 0; ended < n;)
            if ((ended = turn(order, n, ended)) < 0) {
                drop_fibers(); /* those of this block never end */
                return complaint;
            }
    }
    return NULL;
}
