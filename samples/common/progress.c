/* In: steps done. Out: "12000 of 20000 passes, 60 %, 4000 a second, 2 s left" in place, ten times a second at most. */
#define _POSIX_C_SOURCE 200809L
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

double clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

progress progress_start(int64_t total, const char *unit) {
    double now = clock_seconds();
    return (progress){.shown = isatty(STDERR_FILENO) == 1, .total = total, .unit = unit, .start = now, .last = now};
}

void progress_update(progress *p, int64_t done) {
    if (!p->shown || done <= 0) return;
    double now = clock_seconds();
    if (now - p->last < 0.1) return;
    p->last = now;
    double rate = (double)done / (now - p->start);
    char line[128];
    int width =
        snprintf(line, sizeof line, "%" PRId64 " of %" PRId64 " %s, %.0f %%, %.0f a second, %.0f s left", done,
                 p->total, p->unit, 100 * (double)done / (double)p->total, rate, (double)(p->total - done) / rate);
    /* Blanks over what an earlier, longer line left. */
    fprintf(stderr, "\r%-*s", p->width, line);
    fflush(stderr);
    if (width > p->width) p->width = width;
}

void progress_clear(progress *p) {
    if (p->width) fprintf(stderr, "\r%*s\r", p->width, "");
    p->width = 0;
    fflush(stderr);
}
