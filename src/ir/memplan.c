/* The memory plan: sizes and lifetimes of temporaries in; an offset for each in one arena, and the arena's size, out.
 *
 * Largest first (ties: smaller number first), each goes into the tightest gap left by those already placed whose
 * lifetimes meet its own, else behind them. Invariant: two temporaries whose lifetimes share a step share no byte. The
 * order of placing depends on sizes and numbers alone, so equal dims give equal plans. */
#include <string.h>

#include "ir/program.h"

enum { ALIGN = 64 };

static size_t aligned(size_t bytes) { return (bytes + (ALIGN - 1)) & ~(size_t)(ALIGN - 1); }

/* Merge sort, bottom up, of ids by size descending; stable, so ties stay in id order. Returns the buffer with the
 * result. */
static uint32_t *sort_by_size(const size_t *sizes, uint32_t n, uint32_t *ids, uint32_t *spare) {
    for (uint32_t i = 0; i < n; i++) ids[i] = i;
    for (uint64_t run = 1; run < n; run *= 2) {
        for (uint64_t start = 0; start < n; start += 2 * run) {
            uint64_t mid = start + run < n ? start + run : n;
            uint64_t end = start + 2 * run < n ? start + 2 * run : n;
            uint64_t a = start, b = mid;
            for (uint64_t i = start; i < end; i++) {
                int left = b >= end || (a < mid && sizes[ids[a]] >= sizes[ids[b]]);
                spare[i] = left ? ids[a++] : ids[b++];
            }
        }
        uint32_t *swap = ids;
        ids = spare;
        spare = swap;
    }
    return ids;
}

static int meet(const pg_temp *a, const pg_temp *b) { return a->first <= b->last && b->first <= a->last; }

size_t pg_plan(const pg_program *p, const size_t *sizes, size_t *offsets, uint32_t *scratch) {
    uint32_t n = p->n_temp, n_placed = 0;
    const uint32_t *order = sort_by_size(sizes, n, scratch, scratch + n);
    uint32_t *placed = scratch + 2 * (size_t)n; /* by offset */
    size_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = order[i];
        offsets[id] = 0;
        if (!sizes[id]) continue; /* takes no place and hinders none */
        if (sizes[id] > SIZE_MAX / 4) return SIZE_MAX;
        size_t need = aligned(sizes[id]);
        size_t best = SIZE_MAX, best_gap = SIZE_MAX, end = 0; /* end: of the neighbours walked so far */
        for (uint32_t j = 0; j < n_placed; j++) {
            uint32_t other = placed[j];
            if (!meet(&p->temp[id], &p->temp[other])) continue;
            if (offsets[other] > end && offsets[other] - end >= need && offsets[other] - end < best_gap) {
                best_gap = offsets[other] - end;
                best = end;
            }
            size_t other_end = offsets[other] + aligned(sizes[other]);
            if (other_end > end) end = other_end;
        }
        if (best == SIZE_MAX) best = end;
        if (best > SIZE_MAX / 2 - need) return SIZE_MAX;
        offsets[id] = best;
        if (best + need > total) total = best + need;
        uint32_t at = n_placed++;
        while (at && offsets[placed[at - 1]] > best) {
            placed[at] = placed[at - 1];
            at--;
        }
        placed[at] = id;
    }
    return total;
}
