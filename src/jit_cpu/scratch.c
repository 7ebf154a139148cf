/* A fixed number of slots, each with a buffer that only whoever took the slot may touch. Kernels call nothing, so a
 * thread that holds a slot always gives it back: waiting for one cannot deadlock. */
#define _GNU_SOURCE
#include "jit_cpu/scratch.h"

#include <assert.h>
#include <pthread.h>

#include "base/futex.h"

typedef struct {
    _Atomic uint32_t taken;
    size_t n;
    void *at;
} slot_of;

enum { SMALLEST = 4096 };

struct cpu_scratch {
    base_alloc *alloc;
    size_t bytes;
    int n_slot;
    pthread_mutex_t growing;
    _Atomic size_t reserved;
    _Atomic uint32_t given; /* counts slots given back while somebody waits */
    _Atomic uint32_t waiting;
    slot_of slot[];
};

sn_status cpu_scratch_new(base_alloc *alloc, int slots, cpu_scratch **out, base_trap *err) {
    size_t bytes = sizeof(cpu_scratch) + (size_t)slots * sizeof(slot_of);
    cpu_scratch *s = *out = base_calloc(alloc, bytes);
    if (!s) return base_set_error(err, SN_ERR_NOMEM, "out of memory: scratch of kernels");
    s->alloc = alloc;
    s->bytes = bytes;
    s->n_slot = slots;
    pthread_mutex_init(&s->growing, NULL);
    return SN_OK;
}

void cpu_scratch_free(cpu_scratch *s) {
    if (!s) return;
    for (int i = 0; i < s->n_slot; i++) base_free(s->alloc, s->slot[i].at, s->slot[i].n);
    pthread_mutex_destroy(&s->growing);
    base_free(s->alloc, s, s->bytes);
}

/* Takes one of the slots [first, end), or returns -1. */
static int try_take(cpu_scratch *s, int first, int end) {
    for (int i = first; i < end; i++) {
        uint32_t is_free = 0;
        if (!atomic_load(&s->slot[i].taken) && atomic_compare_exchange_strong(&s->slot[i].taken, &is_free, 1)) return i;
    }
    return -1;
}

static int take_one_of(cpu_scratch *s, int first, int end) {
    int slot = try_take(s, first, end);
    while (slot < 0) {
        /* Announce, look again, then sleep: whoever gives a slot back after that look sees the announcement. */
        uint32_t seen = atomic_load(&s->given);
        atomic_fetch_add(&s->waiting, 1);
        slot = try_take(s, first, end);
        if (slot < 0) base_futex_wait(&s->given, seen);
        atomic_fetch_sub(&s->waiting, 1);
        if (slot < 0) slot = try_take(s, first, end);
    }
    return slot;
}

void *cpu_scratch_take(cpu_scratch *s, int *slot) {
    *slot = take_one_of(s, 0, s->n_slot);
    return s->slot[*slot].at;
}

void cpu_scratch_give(cpu_scratch *s, int slot) {
    atomic_store(&s->slot[slot].taken, 0);
    if (!atomic_load(&s->waiting)) return;
    atomic_fetch_add(&s->given, 1);
    base_futex_wake(&s->given, INT32_MAX); /* a waiter may want one certain slot: all look */
}

/* Powers of two, so that slowly growing batches do not allocate at each call. */
static size_t generous(size_t bytes) {
    size_t n = SMALLEST;
    while (n < bytes && n <= SIZE_MAX / 4) n *= 2;
    return n < bytes ? bytes : n;
}

sn_status cpu_scratch_reserve(cpu_scratch *s, size_t bytes, base_trap *err) {
    if (bytes <= atomic_load_explicit(&s->reserved, memory_order_acquire)) return SN_OK;
    pthread_mutex_lock(&s->growing);
    size_t want = generous(bytes);
    sn_status status = SN_OK;
    for (int i = 0; i < s->n_slot && !status; i++) {
        int slot = take_one_of(s, i, i + 1);
        if (s->slot[slot].n < want) {
            void *larger = base_malloc(s->alloc, want);
            if (larger) {
                base_free(s->alloc, s->slot[slot].at, s->slot[slot].n);
                s->slot[slot].at = larger;
                s->slot[slot].n = want;
            } else {
                status = base_set_error(err, SN_ERR_NOMEM, "out of memory: %zu bytes of scratch for each of %d threads",
                                        want, s->n_slot);
            }
        }
        cpu_scratch_give(s, slot);
    }
    if (!status && atomic_load_explicit(&s->reserved, memory_order_relaxed) < want)
        atomic_store_explicit(&s->reserved, want, memory_order_release);
    pthread_mutex_unlock(&s->growing);
    return status;
}
