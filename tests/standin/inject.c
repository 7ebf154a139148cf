/* Counts calls by name and makes chosen ones fail; and all of them in a forked process and when the process ends, which
 * is the time to look for what nobody has destroyed. */
#define _DEFAULT_SOURCE
#include "standin.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_NAMES = 128 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    const char *name;
    unsigned long n;
} counters[MAX_NAMES];
static unsigned n_names;
static unsigned long total, fail_in;
static const char *fail_name, *always_name, *failed = "";
static int always_code;
static int fail_code, sticky;
static int injured; /* something has failed: what is left may be nobody's fault */

/* As the driver's own: what is registered after it at exit runs before it. */
enum { UP = 1, FORKED = 3, ENDED = 4 };
static int state;
static void forked(void) { state = FORKED; }

static _Atomic long live[KINDS];
static const char *const kinds[KINDS] = {"stream",    "event",   "module",     "graph",
                                         "recording", "product", "allocation", "pinned memory"};
static int may_leave;
void standin_made(standin_kind kind, int by) { live[kind] += by; }
void standin_leave(int may) { may_leave = may; }
long standin_live(const char *kind) {
    long n = 0;
    for (int i = 0; i < KINDS; i++)
        if (!kind || !strcmp(kinds[i], kind)) n += live[i];
    return n;
}

static void ended(int status, void *unused) {
    (void)unused;
    int whole = state == UP && !status && !injured && !may_leave;
    state = ENDED;
    if (!whole || (!standin_live(NULL) && !standin_retained())) return;
    for (int i = 0; i < KINDS; i++)
        if (live[i]) fprintf(stderr, "stand-in: not destroyed: %s, %ld times\n", kinds[i], live[i]);
    if (standin_retained())
        fprintf(stderr, "stand-in: not released: the primary context, %d times\n", standin_retained());
    fflush(NULL);
    _exit(3);
}
void standin_started(void) {
    pthread_mutex_lock(&lock);
    if (!state) {
        pthread_atfork(NULL, NULL, forked);
        on_exit(ended, NULL);
        state = UP;
    }
    pthread_mutex_unlock(&lock);
}
int standin_gone(void) { return state == FORKED || state == ENDED ? state : 0; }

static unsigned long *counter(const char *name) {
    for (unsigned i = 0; i < n_names; i++)
        if (!strcmp(counters[i].name, name)) return &counters[i].n;
    if (n_names == MAX_NAMES) return NULL;
    counters[n_names].name = name;
    counters[n_names].n = 0;
    return &counters[n_names++].n;
}

int standin_enter(const char *name) {
    if (standin_gone()) return standin_gone();
    pthread_mutex_lock(&lock);
    unsigned long *n = counter(name);
    if (n) ++*n;
    total++;
    int code = sticky;
    if (fail_in && (!fail_name || !strcmp(fail_name, name)) && !--fail_in) {
        code = fail_code;
        failed = name;
        injured = 1;
        if (code >= 700 && code < 800) sticky = code;
    }
    if (!code && always_name && !strcmp(always_name, name)) {
        code = always_code;
        injured = 1;
    }
    pthread_mutex_unlock(&lock);
    return code;
}

int standin_sticky(int code) {
    pthread_mutex_lock(&lock);
    sticky = code;
    injured = 1;
    pthread_mutex_unlock(&lock);
    return code;
}

const char *standin_failed(void) { return failed; }

unsigned long standin_count(const char *name) {
    pthread_mutex_lock(&lock);
    unsigned long n = total;
    if (name) {
        const unsigned long *at = counter(name);
        n = at ? *at : 0;
    }
    pthread_mutex_unlock(&lock);
    return n;
}

void standin_fail_at(const char *name, unsigned long n, int code) {
    pthread_mutex_lock(&lock);
    fail_name = name;
    fail_in = n;
    fail_code = code;
    pthread_mutex_unlock(&lock);
}

void standin_fail_always(const char *name, int code) {
    pthread_mutex_lock(&lock);
    always_name = name;
    always_code = code;
    pthread_mutex_unlock(&lock);
}

void standin_reset(void) {
    pthread_mutex_lock(&lock);
    always_name = NULL;
    for (unsigned i = 0; i < n_names; i++) counters[i].n = 0;
    total = fail_in = 0;
    sticky = 0;
    pthread_mutex_unlock(&lock);
}
