/* A parallel-for for work of 5 us to 100 ms. The caller publishes a job and works on it too; workers join while it is
 * open.
 *
 * `generation` counts jobs: workers sleep on it. `gate` says whether the job is open and how many workers are inside.
 * A worker joins by adding itself to an open gate, so the caller waits only for workers that did join: one that wakes
 * up late finds the gate closed and goes back to sleep.
 *
 * Every thread has a seat, and every seat a share of the indices: always the same one for the same n, so that the
 * memory of an index stays in the cache of one processor from job to job. A thread claims its own share from the front,
 * a few indices at a time, and then what is left of the others', but for the last claim of a thread that takes part:
 * that is too late to help and would move memory.
 *
 * Both sides spin for at most SPIN_NS before they sleep, the last part of it giving way to whoever else wants the
 * processor: a worker may share it with the caller. A wake-up costs some 10 to 50 us whatever we do, which is why short
 * jobs are for workers that are awake (cpu_pool_crew).
 *
 * Everything but the atomics belongs to the caller that holds `busy`; a second caller does its work alone. `owner` is
 * the process whose threads the workers are: in a forked child there are none, and the first caller starts anew. */
#define _GNU_SOURCE
#include "jit_cpu/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/futex.h"

enum { SPIN_ALONE_NS = 3000, SPIN_NS = 20000, CLAIMS_PER_THREAD = 8 };
/* More estimated work than this is worth waking threads. */
enum { LONG_NS = 150 * 1000 };
/* So much shorter work is done alone before workers are woken for it: at first about what a wake-up costs, twice as
 * much after each wake-up that led to nothing, and LOSS_WEIGHT times what was lost by waiting for workers that had no
 * processor: a wait of more than LOSS_NS; less may be memory that moves to another cache when sharing begins. Work done
 * together brings it down again, slowly. */
enum { LEAST_PATIENCE_NS = 30 * 1000, FIRST_PATIENCE_NS = 150 * 1000, MOST_PATIENCE_NS = 1000 * 1000 * 1000 };
enum { LOSS_NS = 200 * 1000, LOSS_WEIGHT = 16, DECAY = 64 };
#define GATE_OPEN   ((uint32_t)1 << 31) /* workers may join */
#define GATE_WAITED ((uint32_t)1 << 30) /* the caller sleeps until the last worker has left */
#define GATE_COUNT  (GATE_WAITED - 1)   /* workers inside */

typedef struct {
    alignas(64) _Atomic int64_t next; /* of its share [.., end) of the job */
    int64_t end;
    _Atomic uint32_t joined; /* its thread takes part: it will do what is left of its share */
    cpu_pool *pool;
    pthread_t thread; /* seat 0 is the caller's */
} seat;

struct cpu_pool {
    base_alloc *alloc;
    size_t bytes;
    int threads;
    int has_host;
    sn_pool host;

    _Atomic uint32_t busy;
    pid_t owner;
    int n_started;

    /* What cpu_pool_crew goes by: hints, written by anybody. */
    _Atomic int64_t alone;    /* short work to be done alone before workers are woken */
    _Atomic int64_t patience; /* where it starts */
    _Atomic uint32_t crowded; /* workers had no processor when the last short work was done */

    alignas(64) _Atomic uint32_t generation;
    _Atomic uint32_t sleeping; /* workers that sleep on it, or are about to */
    _Atomic uint32_t started;
    _Atomic uint32_t stop;

    alignas(64) _Atomic uint32_t gate;
    int64_t step; /* the job, with the seats' shares: written before the gate opens */
    void (*body)(void *arg, int64_t i);
    void *arg;

    seat seat[];
};

static void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Watches a word for up to SPIN_NS while it is `seen`, and returns what it is then. */
static uint32_t spin(_Atomic uint32_t *word, uint32_t seen) {
    int64_t start = base_now_ns();
    for (;;) {
        for (int i = 0; i < 16; i++) {
            uint32_t is = atomic_load_explicit(word, memory_order_acquire);
            if (is != seen) return is;
            pause_cpu();
        }
        int64_t spent = base_now_ns() - start;
        if (spent >= SPIN_NS) return seen;
        if (spent >= SPIN_ALONE_NS) sched_yield();
    }
}

static void run_share(cpu_pool *pool, seat *s, int64_t leave) {
    while (s->end - atomic_load_explicit(&s->next, memory_order_relaxed) > leave) {
        int64_t i = atomic_fetch_add_explicit(&s->next, pool->step, memory_order_relaxed);
        int64_t end = s->end - i < pool->step ? s->end : i + pool->step;
        for (; i < end; i++) pool->body(pool->arg, i);
    }
}

static void work(cpu_pool *pool, int me) {
    atomic_store_explicit(&pool->seat[me].joined, 1, memory_order_relaxed);
    run_share(pool, &pool->seat[me], 0);
    for (int k = 1; k < pool->threads; k++) {
        seat *s = &pool->seat[(me + k) % pool->threads];
        run_share(pool, s, atomic_load_explicit(&s->joined, memory_order_relaxed) ? pool->step : 0);
    }
}

static void join_job(cpu_pool *pool, int me) {
    uint32_t gate = atomic_load_explicit(&pool->gate, memory_order_relaxed);
    do {
        if (!(gate & GATE_OPEN)) return;
    } while (!atomic_compare_exchange_weak_explicit(&pool->gate, &gate, gate + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    work(pool, me);
    gate = atomic_fetch_sub_explicit(&pool->gate, 1, memory_order_acq_rel);
    if (gate == (GATE_WAITED | 1)) base_futex_wake(&pool->gate, 1);
}

static void *worker(void *arg) {
    const seat *mine = arg;
    cpu_pool *pool = mine->pool;
    for (;;) {
        uint32_t seen = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (atomic_load_explicit(&pool->stop, memory_order_acquire)) return NULL;
        join_job(pool, (int)(mine - pool->seat));
        if (spin(&pool->generation, seen) != seen) continue;
        /* Sequentially consistent with publish(): it either sees a sleeper or has changed the word before the futex
         * looks. */
        atomic_fetch_add(&pool->sleeping, 1);
        if (atomic_load(&pool->generation) == seen) base_futex_wait(&pool->generation, seen);
        atomic_fetch_sub(&pool->sleeping, 1);
    }
}

/* wanted: so many sleepers are woken. */
static void publish(cpu_pool *pool, int64_t wanted) {
    atomic_fetch_add(&pool->generation, 1);
    if (wanted && atomic_load(&pool->sleeping))
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
        seat *s = &pool->seat[pool->n_started + 1];
        if (pthread_create(&s->thread, NULL, worker, s)) break;
        pthread_setname_np(s->thread, "sinter");
        pool->n_started++;
    }
    atomic_store_explicit(&pool->started, (uint32_t)pool->n_started, memory_order_relaxed);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static int take(cpu_pool *pool) {
    uint32_t is_free = 0;
    if (pool->threads == 1) return 0;
    return atomic_compare_exchange_strong_explicit(&pool->busy, &is_free, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* After the caller's own part: no more joiners, and wait for those inside. The time asleep, 0 for none. */
static int64_t finish_job(cpu_pool *pool) {
    uint32_t gate = atomic_fetch_and_explicit(&pool->gate, ~GATE_OPEN, memory_order_acq_rel) & ~GATE_OPEN;
    int64_t asleep = 0;
    while (gate & GATE_COUNT) {
        if (gate & GATE_WAITED) {
            int64_t start = base_now_ns();
            base_futex_wait(&pool->gate, gate);
            gate = atomic_load_explicit(&pool->gate, memory_order_acquire);
            asleep += base_now_ns() - start;
        } else {
            uint32_t is = spin(&pool->gate, gate);
            if (is == gate) is = atomic_fetch_or_explicit(&pool->gate, GATE_WAITED, memory_order_acq_rel) | GATE_WAITED;
            gate = is;
        }
    }
    return asleep;
}

/* Hints need no order: two callers at once may at worst wake the workers once too often. */
static int64_t hint(const _Atomic int64_t *at) { return atomic_load_explicit(at, memory_order_relaxed); }
static void set_hint(_Atomic int64_t *at, int64_t value) { atomic_store_explicit(at, value, memory_order_relaxed); }

static void be_patient(cpu_pool *pool, int64_t patience) {
    if (patience < LEAST_PATIENCE_NS) patience = LEAST_PATIENCE_NS;
    if (patience > MOST_PATIENCE_NS) patience = MOST_PATIENCE_NS;
    set_hint(&pool->patience, patience);
    set_hint(&pool->alone, patience);
}

cpu_crew cpu_pool_crew(cpu_pool *pool, double ns) {
    if (!(ns > CPU_SHORT_NS) || (pool->threads == 1 && !pool->has_host)) return CPU_ALONE;
    if (ns > LONG_NS) return CPU_ALL;
    if (pool->has_host) return CPU_ALONE;
    if (!atomic_load_explicit(&pool->crowded, memory_order_relaxed) &&
        atomic_load_explicit(&pool->sleeping, memory_order_relaxed) <
            atomic_load_explicit(&pool->started, memory_order_relaxed))
        return CPU_AWAKE;
    int64_t left = hint(&pool->alone) - (int64_t)ns;
    set_hint(&pool->alone, left);
    if (left > 0) return CPU_ALONE;
    be_patient(pool, 2 * hint(&pool->patience));
    atomic_store_explicit(&pool->crowded, 0, memory_order_relaxed);
    return CPU_ALL;
}

/* From short work that workers were awake for. */
static void learn(cpu_pool *pool, int64_t asleep) {
    int64_t patience = hint(&pool->patience);
    if (asleep > LOSS_NS) {
        atomic_store_explicit(&pool->crowded, 1, memory_order_relaxed);
        be_patient(pool, patience > asleep * LOSS_WEIGHT ? patience : asleep * LOSS_WEIGHT);
    } else if (patience > LEAST_PATIENCE_NS) {
        be_patient(pool, patience - patience / DECAY);
    }
}

void cpu_pool_for(cpu_pool *pool, cpu_crew crew, int64_t n, void (*body)(void *arg, int64_t i), void *arg) {
    if (n <= 0) return;
    if (crew != CPU_ALONE && pool->has_host && n > 1) {
        pool->host.parallel_for(pool->host.user, n, body, arg);
        return;
    }
    if (crew == CPU_ALONE || n == 1 || !take(pool)) {
        for (int64_t i = 0; i < n; i++) body(arg, i);
        return;
    }
    start_workers(pool);
    int64_t threads = pool->threads, each = n / threads, over = n % threads, at = 0;
    pool->step = each / CLAIMS_PER_THREAD > 1 ? each / CLAIMS_PER_THREAD : 1;
    pool->body = body;
    pool->arg = arg;
    for (int64_t t = 0; t < threads; t++) {
        atomic_store_explicit(&pool->seat[t].next, at, memory_order_relaxed);
        atomic_store_explicit(&pool->seat[t].joined, 0, memory_order_relaxed);
        pool->seat[t].end = at += each + (t < over);
    }
    atomic_store_explicit(&pool->gate, GATE_OPEN, memory_order_release);
    publish(pool, crew == CPU_ALL ? n - 1 : 0);
    work(pool, 0);
    int64_t asleep = finish_job(pool);
    if (crew == CPU_AWAKE) learn(pool, asleep);
    atomic_store_explicit(&pool->busy, 0, memory_order_release);
}

int cpu_pool_threads(const cpu_pool *pool) { return pool->threads; }

sn_status cpu_pool_new(base_alloc *alloc, int threads, const sn_pool *host, cpu_pool **out, base_trap *err) {
    *out = NULL;
    if (threads < 1) threads = 1;
    if (threads > CPU_MAX_THREADS) threads = CPU_MAX_THREADS;
    size_t bytes = sizeof(cpu_pool) + (size_t)threads * sizeof(seat);
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
    be_patient(pool, FIRST_PATIENCE_NS);
    for (int i = 0; i < threads; i++) pool->seat[i].pool = pool;
    *out = pool;
    return SN_OK;
}

void cpu_pool_free(cpu_pool *pool) {
    if (!pool) return;
    if (pool->owner == getpid() && pool->n_started) {
        atomic_store(&pool->stop, 1);
        publish(pool, pool->n_started);
        for (int i = 1; i <= pool->n_started; i++) pthread_join(pool->seat[i].thread, NULL);
    }
    base_free(pool->alloc, pool, pool->bytes);
}
