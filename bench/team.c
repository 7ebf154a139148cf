/* A team of threads that all run the same body, with a barrier. Workers spin a little before they sleep, as a careful
 * program would do it: a longer spin would take the processor away from what is timed in turn with the yardstick. */
#define _GNU_SOURCE
#include "team.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPINS = 400, MAX_THREADS = 256 }; /* some 10 us */

struct team {
    int threads, stop;
    void (*body)(void *arg, int part, int parts);
    void *arg;
    alignas(64) _Atomic uint32_t generation; /* of jobs: workers sleep on it */
    alignas(64) _Atomic uint32_t sleeping;
    alignas(64) _Atomic uint32_t left; /* parts of the job that are not done */
    alignas(64) _Atomic uint32_t arrived;
    alignas(64) _Atomic uint32_t passed; /* barriers */
    pthread_t thread[MAX_THREADS];
};

typedef struct {
    team *team;
    int part;
} worker;

static void relax(int spins) {
    if (spins % SPINS == SPINS - 1) sched_yield();
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void *work(void *arg) {
    worker me = *(worker *)arg;
    free(arg);
    team *t = me.team;
    uint32_t seen = 0;
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load_explicit(&t->generation, memory_order_acquire) == seen; i++) relax(0);
        while (atomic_load(&t->generation) == seen) {
            atomic_fetch_add(&t->sleeping, 1);
            syscall(SYS_futex, &t->generation, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
            atomic_fetch_sub(&t->sleeping, 1);
        }
        seen++;
        if (t->stop) return NULL;
        t->body(t->arg, me.part, t->threads);
        atomic_fetch_sub_explicit(&t->left, 1, memory_order_release);
    }
}

static void next_job(team *t) {
    atomic_fetch_add(&t->generation, 1);
    if (atomic_load(&t->sleeping)) syscall(SYS_futex, &t->generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

team *team_new(int threads) {
    team *t = NULL;
    if (threads < 1 || threads > MAX_THREADS || posix_memalign((void **)&t, 64, sizeof *t)) return NULL;
    *t = (team){.threads = 1};
    for (int i = 1; i < threads; i++) {
        worker *w = malloc(sizeof *w);
        if (w) *w = (worker){t, i};
        if (!w || pthread_create(&t->thread[i], NULL, work, w)) {
            free(w);
            team_free(t);
            return NULL;
        }
        t->threads++;
    }
    return t;
}

void team_free(team *t) {
    if (!t) return;
    t->stop = 1;
    next_job(t);
    for (int i = 1; i < t->threads; i++) pthread_join(t->thread[i], NULL);
    free(t);
}

void team_run(team *t, void (*body)(void *arg, int part, int parts), void *arg) {
    t->body = body;
    t->arg = arg;
    atomic_store(&t->left, (uint32_t)t->threads - 1);
    if (t->threads > 1) next_job(t);
    body(arg, 0, t->threads);
    for (int i = 0; atomic_load_explicit(&t->left, memory_order_acquire); i++) relax(i);
}

void team_wait(team *t) {
    uint32_t passed = atomic_load(&t->passed);
    if (atomic_fetch_add(&t->arrived, 1) + 1 == (uint32_t)t->threads) {
        atomic_store(&t->arrived, 0);
        atomic_fetch_add(&t->passed, 1);
        return;
    }
    for (int i = 0; atomic_load_explicit(&t->passed, memory_order_acquire) == passed; i++) relax(i);
}
