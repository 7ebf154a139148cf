/* One line on standard error that follows a long run, where that is a terminal; nothing elsewhere. */
#ifndef SAMPLES_PROGRESS_H
#define SAMPLES_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
    bool shown;    /* standard error is a terminal */
    int width;     /* of the line that stands there now */
    int64_t total; /* of the whole run */
    const char *unit;
    double start, last;
} progress;

/* Seconds of a clock that never jumps. */
double clock_seconds(void);

/* unit: what is counted, "passes". */
progress progress_start(int64_t total, const char *unit);
/* Draws the line anew where a tenth of a second has passed since the last time. */
void progress_update(progress *p, int64_t done);
/* Takes the line away: before anything is printed, and at the end. */
void progress_clear(progress *p);

#endif
