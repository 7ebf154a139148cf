/* Capture, with the driver's rules: what is not on a stream is refused to threads that a capture concerns, and spoils
 * the capture (a thread's mode says which captures concern it); a capture ends on the thread that began it; the legacy
 * default stream cannot be used while a stream that it waits for is captured. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

#include "streams.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static stream *captures;
static _Thread_local int mode; /* MODE_GLOBAL at first; its address names the thread */

int standin_capturing(void) {
    pthread_mutex_lock(&lock);
    int any = captures != NULL;
    pthread_mutex_unlock(&lock);
    return any;
}

int standin_unsafe(void) {
    int found = 0;
    pthread_mutex_lock(&lock);
    for (stream *s = captures; s && mode != MODE_RELAXED; s = s->next) {
        int mine = s->thread == &mode && s->mode != MODE_RELAXED;
        if (!mine && !(mode == MODE_GLOBAL && s->mode == MODE_GLOBAL)) continue;
        s->capturing = 2;
        found = CAPTURE_UNSUPPORTED;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

int standin_implicit(const stream *s, int invalidates) {
    int found = 0;
    pthread_mutex_lock(&lock);
    for (stream *c = captures; c && s == &standin_legacy; c = c->next) {
        if (!c->blocking || c->context != s->context) continue;
        if (invalidates) c->capturing = 2;
        found = CAPTURE_IMPLICIT;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

result cuThreadExchangeStreamCaptureMode(int *to) {
    int was = mode;
    if (*to < MODE_GLOBAL || *to > MODE_RELAXED) return INVALID_VALUE;
    mode = *to;
    *to = was;
    return 0;
}

int standin_capture_mode(void) { return mode; }

result cuStreamBeginCapture_v2(void *at, int how) {
    ENTER(cuStreamBeginCapture_v2);
    stream *s = standin_stream(at);
    if (!s || how < MODE_GLOBAL || how > MODE_RELAXED) return INVALID_VALUE;
    if (s == &standin_legacy) return CAPTURE_UNSUPPORTED;
    if (s->capturing) return ILLEGAL_STATE;
    pthread_mutex_lock(&lock);
    s->capturing = 1;
    s->mode = how;
    s->thread = &mode;
    s->next = captures;
    captures = s;
    pthread_mutex_unlock(&lock);
    return 0;
}

/* A failure that is asked for ends the capture, too. */
result cuStreamEndCapture(void *at, void **out) {
    stream *s = standin_stream(at);
    *out = NULL;
    if (!s) return INVALID_VALUE;
    if (!s->capturing) return ILLEGAL_STATE;
    if (s->mode != MODE_RELAXED && s->thread != &mode) return CAPTURE_WRONG_THREAD;
    int code = standin_enter("cuStreamEndCapture");
    pthread_mutex_lock(&lock);
    stream **link = &captures;
    while (*link != s) link = &(*link)->next;
    *link = s->next;
    if (!code && s->capturing == 2) code = CAPTURE_INVALID;
    s->capturing = 0;
    pthread_mutex_unlock(&lock);
    if (!code) code = standin_graph(&s->captured, out);
    if (code) standin_clear(&s->captured);
    return code;
}

result cuStreamIsCapturing(void *at, int *status) {
    ENTER(cuStreamIsCapturing);
    stream *s = standin_stream(at);
    if (!s) return INVALID_VALUE;
    if (standin_implicit(s, 0)) return CAPTURE_IMPLICIT;
    *status = s->capturing;
    return 0;
}
