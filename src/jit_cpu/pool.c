/* A parallel-for for work of 0.1 to 100 ms. The caller publishes a job and works on it too; workers join while it is
 * open.
 *
 * `generation` counts jobs: workers sleep on it. `gate` says whether the job is open and how many workers are inside.
 * A worker joins by adding itself to an open gate, so the caller waits only for workers that did join: one that wakes
 * up late finds the gate closed and goes back to sleep. Indices are claimed from `next`, a few at a time.
 *
 * Both sides spin for at most SPIN_NS before they sleep: a longer spin of a worker that shares a processor with the
 * caller keeps the caller waiting (a wake-up costs some 10 to 50 us whatever we do).
 *
 * Everything but these atomics belongs to the caller that holds `busy`; a second caller does its work alone. `owner` is
 * the process whose threads the workers are: in a forked child there are none, and the first caller starts anew. */
#define _GNU_SOURCE
#include "jit_cpu/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <time.h>
#include <unistd.h>

#include "base/futex.h"

enum { SPIN_NS = 4000, CLAIMS_PER_THREAD = 8 };
#define GATE_OPEN   ((uint32_t)1 << 31) /* workers may join */
#define GATE_WAITED ((uint32_t)1 << 30) /* the caller sleeps until the last worker has left */
#define GATE_COUNT  (GATE_WAITED - 1)   /* workers inside */

struct cpu_pool {
    base_alloc *alloc;
    size_t bytes;
    int threads;
    int has_host;
    sn_pool host;

    _Atomic uint32_t busy;
    pid_t owner;
    int n_started;

    alignas(64) _Atomic uint32_t generation;
    _Atomic uint32_t sleeping; /* workers that sleep on it, or are about to */
    _Atomic uint32_t stop;

    alignas(64) _Atomic uint32_t gate;
    int64_t n, step; /* the job: written before the gate opens */
    void (*body)(void *arg, int64_t i);
    void *arg;

    alignas(64) _Atomic int64_t next;

    alignas(64) pthread_t thread[];
};

static void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Watches a word for up to SPIN_NS while it is `seen`, and returns what it is then. */
static uint32_t spin(_Atomic uint32_t *word, uint32_t seen) {
    int64_t end = now_ns() + SPIN_NS;
    for (;;) {
        for (int i = 0; i < 16; i++) {
            uint32_t is = atomic_load_explicit(word, memory_order_acquire);
            if (is != seen) return is;
            pause_cpu();
        }
        if (now_ns() >= end) return seen;
    }
}

static void work(cpu_pool *pool) {
    for (;;) {
        int64_t i = atomic_fetch_add_explicit(&pool->next, pool->step, memory_order_relaxed);
        if (i >= pool->n) return;
        int64_t end = pool->n - i < pool->step ? pool->n : i + pool->step;
        for (; i < end; i++) pool->body(pool->arg, i);
    }
}

static void join_job(cpu_pool *pool) {
    uint32_t gate = atomic_load_explicit(&pool->gate, memory_order_relaxed);
    do {
        if (!(gate & GATE_OPEN)) return;
    } while (!atomic_compare_exchange_weak_explicit(&pool->gate, &gate, gate + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    work(pool);
    gate = atomic_fetch_sub_explicit(&pool->gate, 1, memory_order_acq_rel);
    if (gate == (GATE_WAITED | 1)) base_futex_wake(&pool->gate, 1);
}

static void *worker(void *arg) {
    cpu_pool *pool = arg;
    for (;;) {
        uint32_t seen = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (atomic_load_explicit(&pool->stop, memory_order_acquire)) return NULL;
        join_job(pool);
        if (spin(&pool->generation, seen) != seen) continue;
        /* Sequentially consistent with publish(): it either sees a sleeper or has changed the word before the futex
         * looks. */
        atomic_fetch_add(&pool->sleeping, 1);
        if (atomic_load(&pool->generation) == seen) base_futex_wait(&pool->generation, seen);
        atomic_fetch_sub(&pool->sleeping, 1);
    }
}

static void publish(cpu_pool *pool, int64_t wanted) {
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleeping))
        base_futex_wake(&pool->generation, wanted < pool->n_started ? (int)wanted : pool->n_started);
}

/* Threads inherit the signal mask of whoever makes them: a host's handlers must never run on ours. */
static void start_workers(cpu_pool *pool) {
    pid_t pid = getpid();
    if (pool->owner != pid) {
        pool->owner = pid;
        pool->n_started = 0;
        atomic_store(&pool->gate, 0);
        atomic_store(&pool->sleeping, 0);
    }
    if (pool->n_started == pool->threads - 1) return;
    sigset_t all, old;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &old)) return;
    while (pool->n_started < pool->threads - 1) {
        if (pthread_create(&pool->thread[pool->n_started], NULL, worker, pool)) break;
        pthread_setname_np(pool->thread[pool->n_started], "sinter");
        pool->n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static int take(cpu_pool *pool) {
    uint32_t is_free = 0;
    if (pool->threads == 1) return 0;
    return atomic_compare_exchange_strong_explicit(&pool->busy, &is_free, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* After the caller's own share: no more joiners, and wait for those inside. */
static void finish_job(cpu_pool *pool) {
    uint32_t gate = atomic_fetch_and_explicit(&pool->gate, ~GATE_OPEN, memory_order_acq_rel) & ~GATE_OPEN;
    while (gate & GATE_COUNT) {
        if (gate & GATE_WAITED) {
            base_futex_wait(&pool->gate, gate);
            gate = atomic_load_explicit(&pool->gate, memory_order_acquire);
        } else {
            uint32_t is = spin(&pool->gate, gate);
            if (is == gate) is = atomic_fetch_or_explicit(&pool->gate, GATE_WAITED, memory_order_acq_rel) | GATE_WAITED;
            gate = is;
        }
    }
}

void cpu_pool_for(cpu_pool *pool, int64_t n, void (*body)(void *arg, int64_t i), void *arg) {
    if (n <= 0) return;
    if (pool->has_host && n > 1) {
        pool->host.parallel_for(pool->host.user, n, body, arg);
        return;
    }
    if (n == 1 || !take(pool)) {
        for (int64_t i = 0; i < n; i++) body(arg, i);
        return;
    }
    start_workers(pool);
    pool->n = n;
    pool->step = n / ((int64_t)pool->threads * CLAIMS_PER_THREAD);
    if (pool->step < 1) pool->step = 1;
    pool->body = body;
    pool->arg = arg;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->gate, GATE_OPEN, memory_order_release);
    publish(pool, n - 1);
    work(pool);
    finish_job(pool);
    atomic_store_explicit(&pool->busy, 0, memory_order_release);
}

int cpu_pool_threads(const cpu_pool *pool) { return pool->threads; }

sn_status cpu_pool_new(base_alloc *alloc, int threads, const sn_pool *host, cpu_pool **out, base_trap *err) {
    *out = NULL;
    if (threads < 1) threads = 1;
    if (threads > CPU_MAX_THREADS) threads = CPU_MAX_THREADS;
    size_t bytes = sizeof(cpu_pool) + (size_t)(threads - 1) * sizeof(pthread_t);
    cpu_pool *pool = base_calloc(alloc, bytes);
    if (!pool) return base_set_error(err, SN_ERR_NOMEM, "out of memory: thread pool");
    pool->alloc = alloc;
    pool->bytes = bytes;
    pool->threads = threads;
    if (host) {
        pool->has_host = 1;
        pool->host = *host;
    }
    pool->owner = getpid();
    *out = pool;
    return SN_OK;
}

void cpu_pool_free(cpu_pool *pool) {
    if (!pool) return;
    if (pool->owner == getpid() && pool->n_started) {
        atomic_store(&pool->stop, 1);
        publish(pool, pool->n_started);
        for (int i = 0; i < pool->n_started; i++) pthread_join(pool->thread[i], NULL);
    }
    base_free(pool->alloc, pool, pool->bytes);
}
