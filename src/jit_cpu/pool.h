/* pool.h: parallel-for over a small pool of our own threads, or over the host's pool. */
#ifndef JIT_CPU_POOL_H
#define JIT_CPU_POOL_H

#include "base/alloc.h"
#include "base/trap.h"

typedef struct cpu_pool cpu_pool;

enum { CPU_MAX_THREADS = 1024, CPU_SHORT_NS = 12000 /* less work is never worth a second thread */ };

/* threads: the caller's included; 1 starts none. host: used for everything where not NULL. Threads are started by the
 * first parallel-for; they block all signals. */
sn_status cpu_pool_new(base_alloc *alloc, int threads, const sn_pool *host, cpu_pool **out, base_trap *err);
/* Waits for the workers to end. NULL is fine. */
void cpu_pool_free(cpu_pool *pool);

/* Who takes part. */
typedef enum {
    CPU_ALONE, /* the caller */
    CPU_AWAKE, /* and workers that are not asleep */
    CPU_ALL    /* and those that are */
} cpu_crew;

/* Who should do work that takes one thread about ns. Waking a worker costs 10 to 50 us: long work is worth it, short
 * work only if more of it follows, which is found out by doing it alone for a while. Workers stay awake for some 20 us
 * after each job. The answer depends on the time; what is computed must not depend on the answer. */
cpu_crew cpu_pool_crew(cpu_pool *pool, double ns);

/* Runs body(arg, i) for each i in [0, n) in any order; done when it returns. Each thread begins with a share of its
 * own, the same in every job with the same n. Never fails: with no threads to be had, the caller does all of it. Any
 * thread may call, also from inside a body: a caller that finds the workers busy runs its work itself. A host's pool
 * gets everything that is not for the caller alone. After fork the child's first call starts workers of its own.
 * (Forking inside a body is not supported.) */
void cpu_pool_for(cpu_pool *pool, cpu_crew crew, int64_t n, void (*body)(void *arg, int64_t i), void *arg);

/* How many threads take part at most; with a host pool, what was asked for. */
int cpu_pool_threads(const cpu_pool *pool);

#endif
