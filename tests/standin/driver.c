/* The driver: a device or two of compute capability 8.0 whose memory is the host's, filled with NaN. Work runs at once,
 * or when somebody waits (standin_defer), or is kept for a graph while a stream captures. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "streams.h"

typedef struct allocation {
    struct allocation *next;
    char *at;
    size_t bytes;
    standin_shadow *shadow;
} allocation;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static allocation *allocations;
static _Atomic uint64_t bytes_in, bytes_out, allocated; /* changed by several threads */
static unsigned order;
static int order_set, deferred;
static uint64_t most = MOST_MEMORY;
char standin_complained[400];

uint64_t standin_bytes_in(void) { return bytes_in; }
uint64_t standin_bytes_out(void) { return bytes_out; }
uint64_t standin_allocated(void) { return allocated; }
const char *standin_complaint(void) { return standin_complained; }
void standin_memory(uint64_t bytes) { most = bytes ? bytes : MOST_MEMORY; }
void standin_defer(int defer) { deferred = defer; }
void standin_order(unsigned how) {
    order = how;
    order_set = 1;
}
unsigned standin_order_now(void) {
    const char *text = order_set ? NULL : getenv("STANDIN_ORDER");
    if (text) standin_order((unsigned)atoi(text));
    return order;
}

/* ---- work on streams --------------------------------------------------------------------------------------------- */

int standin_append(work_list *list, int (*run)(void *), const void *arg, size_t bytes) {
    work *w = malloc(sizeof *w + bytes);
    if (!w) return OUT_OF_MEMORY;
    *w = (work){NULL, run, bytes};
    memcpy(w->arg, arg, bytes);
    if (!list->first) list->last = &list->first;
    *list->last = w;
    list->last = &w->next;
    return 0;
}

void standin_clear(work_list *list) {
    while (list->first) {
        work *next = list->first->next;
        free(list->first);
        list->first = next;
    }
}

int standin_run_list(const work_list *list) {
    for (work *w = list->first; w; w = w->next) {
        int code = w->run(w->arg);
        if (code) return code;
    }
    return 0;
}

/* Runs what waits, as far as the given number of pieces since the beginning. After a failure the rest is dropped. */
static int drain_to(stream *s, uint64_t to) {
    int code = 0;
    while (s->waiting.first && s->done < to) {
        work *w = s->waiting.first;
        s->waiting.first = w->next;
        if (!code) code = w->run(w->arg);
        s->done++;
        free(w);
    }
    return code;
}
static int drain(stream *s) { return drain_to(s, s->put); }

stream standin_legacy;
stream *standin_stream(void *at) {
    if (at == (void *)1) {
        standin_legacy.context = standin_context();
        return standin_legacy.context ? &standin_legacy : NULL;
    }
    stream *s = at; /* NULL: nobody is to use the default stream without saying so */
    return s && s->context == standin_context() ? s : NULL;
}

int standin_enqueue(void *at, int (*run)(void *), const void *arg, size_t bytes) {
    stream *s = standin_stream(at);
    if (!s) return INVALID_VALUE;
    if (standin_implicit(s, 1)) return CAPTURE_IMPLICIT;
    if (s->capturing == 2) return CAPTURE_INVALID;
    if (s->capturing) return standin_append(&s->captured, run, arg, bytes);
    int code = standin_append(&s->waiting, run, arg, bytes);
    if (code) return code;
    s->put++;
    return deferred ? 0 : drain(s);
}

/* ---- device ------------------------------------------------------------------------------------------------------ */

result cuInit(unsigned flags) {
    if (flags) return INVALID_VALUE;
    ENTER(cuInit);
    standin_started();
    return 0;
}
result cuDriverGetVersion(int *version) {
    const char *old = getenv("STANDIN_VERSION");
    *version = old ? atoi(old) : 13000;
    return 0;
}
result cuGetErrorName(result error, const char **text) {
    static const struct {
        result code;
        const char *name;
    } names[] = {{1, "CUDA_ERROR_INVALID_VALUE"},
                 {2, "CUDA_ERROR_OUT_OF_MEMORY"},
                 {100, "CUDA_ERROR_NO_DEVICE"},
                 {200, "CUDA_ERROR_INVALID_IMAGE"},
                 {719, "CUDA_ERROR_LAUNCH_FAILED"}};
    *text = "CUDA_ERROR";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == error) *text = names[i].name;
    return 0;
}
result cuGetErrorString(result error, const char **text) {
    (void)error;
    *text = standin_complained[0] ? standin_complained : "from the stand-in";
    return 0;
}
result cuDeviceGetCount(int *n) {
    ENTER(cuDeviceGetCount);
    *n = getenv("STANDIN_NO_DEVICE") ? 0 : 2;
    return 0;
}
result cuDeviceGet(int *device, int ordinal) {
    ENTER(cuDeviceGet);
    *device = ordinal;
    return ordinal < 0 || ordinal > 1 ? INVALID_DEVICE : 0;
}
result cuDeviceGetName(char *name, int size, int device) {
    ENTER(cuDeviceGetName);
    snprintf(name, (size_t)size, device ? "second stand-in" : "stand-in");
    return 0;
}
/* 80: compute capability 8.0. With STANDIN_PTX=90 that which follows 9.0: what NVRTC makes for 9.0 is no code for it,
 * so that the PTX is loaded. */
static int capability(void) {
    const char *ptx = getenv("STANDIN_PTX");
    return ptx ? atoi(ptx) / 10 * 10 + 10 : 80;
}
/* Less, for tests of what does not fit there. */
int standin_shared_most(void) {
    const char *less = getenv("STANDIN_SHARED");
    return less ? atoi(less) : SHARED_MOST;
}
result cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    ENTER(cuDeviceGetAttribute);
    *value = attribute == 75   ? capability() / 10
             : attribute == 76 ? capability() % 10
             : attribute == 16 ? 2
             : attribute == 97 ? standin_shared_most()
             : attribute == 20 ? standin_compute_mode()
                               : 0;
    return 0;
}
result cuDeviceTotalMem_v2(size_t *bytes, int device) {
    (void)device;
    *bytes = MOST_MEMORY;
    return 0;
}
/* NVRTC of a real toolkit in the same process asks for it. */
result cuGetExportTable(const void **table, const void *id) {
    (void)id;
    *table = NULL;
    return NOT_FOUND;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

result cuMemGetInfo_v2(size_t *left, size_t *total) {
    *left = *total = 12345; /* of no meaning where it fails */
    ENTER(cuMemGetInfo_v2);
    IN_CONTEXT();
    *total = most;
    *left = most > allocated ? most - allocated : 0;
    return 0;
}

result cuMemAlloc_v2(device_ptr *at, size_t bytes) {
    ENTER(cuMemAlloc_v2);
    IN_CONTEXT();
    UNSAFE();
    if (!bytes) return INVALID_VALUE;
    if (allocated > most || bytes > most - allocated) return OUT_OF_MEMORY;
    allocation *a = malloc(sizeof *a);
    void *memory = NULL;
    if (!a || posix_memalign(&memory, 256, bytes)) {
        free(a);
        return OUT_OF_MEMORY;
    }
    memset(memory, 0xff, bytes);
    pthread_mutex_lock(&lock);
    *a = (allocation){allocations, memory, bytes, NULL};
    allocations = a;
    allocated += bytes;
    pthread_mutex_unlock(&lock);
    *at = (device_ptr)(uintptr_t)memory;
    standin_made(AN_AREA, 1);
    return 0;
}

result cuMemFree_v2(device_ptr at) {
    ENTER(cuMemFree_v2);
    IN_CONTEXT();
    UNSAFE();
    pthread_mutex_lock(&lock);
    allocation **link = &allocations;
    while (*link && (device_ptr)(uintptr_t)(*link)->at != at) link = &(*link)->next;
    allocation *a = *link;
    if (a) {
        *link = a->next;
        allocated -= a->bytes;
    }
    pthread_mutex_unlock(&lock);
    if (!a) return INVALID_VALUE;
    standin_made(AN_AREA, -1);
    ptx_forget(&a->shadow);
    free(a->at);
    free(a);
    return 0;
}

size_t standin_areas(standin_area *to, size_t room) {
    size_t n = 0;
    pthread_mutex_lock(&lock);
    for (allocation *a = allocations; a; a = a->next, n++)
        if (n < room) to[n] = (standin_area){a->at, a->bytes, &a->shadow};
    pthread_mutex_unlock(&lock);
    return n;
}

static int on_device(device_ptr at, size_t bytes) {
    pthread_mutex_lock(&lock);
    const allocation *a = allocations;
    while (a && !(at >= (device_ptr)(uintptr_t)a->at && at + bytes <= (device_ptr)(uintptr_t)a->at + a->bytes))
        a = a->next;
    pthread_mutex_unlock(&lock);
    return a != NULL;
}

int standin_on_device(const void *at, size_t bytes) { return on_device((device_ptr)(uintptr_t)at, bytes); }

/* Kept in a list, so that what a lost device does not take back is not called leaked: standin_pinned counts it. */
static allocation *pinned;
static _Atomic uint64_t pinned_bytes;
uint64_t standin_pinned(void) { return pinned_bytes; }

result cuMemHostAlloc(void **at, size_t bytes, unsigned flags) {
    (void)flags;
    ENTER(cuMemHostAlloc);
    IN_CONTEXT();
    UNSAFE();
    allocation *a = malloc(sizeof *a);
    *at = malloc(bytes ? bytes : 1);
    if (!a || !*at) {
        free(a);
        free(*at);
        return OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&lock);
    *a = (allocation){pinned, *at, bytes, NULL};
    pinned = a;
    pinned_bytes += bytes;
    pthread_mutex_unlock(&lock);
    standin_made(PINNED_MEMORY, 1);
    return 0;
}
result cuMemFreeHost(void *at) {
    UNSAFE();
    pthread_mutex_lock(&lock);
    allocation **link = &pinned;
    while (*link && (*link)->at != at) link = &(*link)->next;
    allocation *a = *link;
    if (a) {
        *link = a->next;
        pinned_bytes -= a->bytes;
    }
    pthread_mutex_unlock(&lock);
    if (!a) return INVALID_VALUE;
    standin_made(PINNED_MEMORY, -1);
    memset(a->at, 0xff, a->bytes); /* what still reads it finds nothing of use */
    free(a->at);
    free(a);
    return 0;
}

typedef struct {
    void *to;
    const void *from;
    size_t bytes;
    _Atomic uint64_t *count;
} copying;

static int run_copy(void *arg) {
    const copying *c = arg;
    memcpy(c->to, c->from, c->bytes);
    if (c->count) *c->count += c->bytes;
    return 0;
}

static result copy(void *to, const void *from, size_t bytes, _Atomic uint64_t *count, void *at) {
    const copying c = {to, from, bytes, count};
    return standin_enqueue(at, run_copy, &c, sizeof c);
}

result cuMemcpyHtoDAsync_v2(device_ptr to, const void *from, size_t bytes, void *at) {
    ENTER(cuMemcpyHtoDAsync_v2);
    if (!on_device(to, bytes)) return INVALID_VALUE;
    return copy((void *)(uintptr_t)to, from, bytes, &bytes_in, at);
}
result cuMemcpyDtoHAsync_v2(void *to, device_ptr from, size_t bytes, void *at) {
    ENTER(cuMemcpyDtoHAsync_v2);
    if (!on_device(from, bytes)) return INVALID_VALUE;
    return copy(to, (void *)(uintptr_t)from, bytes, &bytes_out, at);
}
result cuMemcpyDtoDAsync_v2(device_ptr to, device_ptr from, size_t bytes, void *at) {
    ENTER(cuMemcpyDtoDAsync_v2);
    if (!on_device(from, bytes) || !on_device(to, bytes)) return INVALID_VALUE;
    return copy((void *)(uintptr_t)to, (void *)(uintptr_t)from, bytes, NULL, at);
}

typedef struct {
    void *to;
    size_t bytes;
    unsigned char value;
} filling;

static int run_fill(void *arg) {
    const filling *f = arg;
    memset(f->to, f->value, f->bytes);
    return 0;
}

result cuMemsetD8Async(device_ptr to, unsigned char value, size_t bytes, void *at) {
    ENTER(cuMemsetD8Async);
    if (!on_device(to, bytes)) return INVALID_VALUE;
    const filling f = {(void *)(uintptr_t)to, bytes, value};
    return standin_enqueue(at, run_fill, &f, sizeof f);
}

/* ---- streams, events --------------------------------------------------------------------------------------------- */

result cuStreamCreate(void **at, unsigned flags) {
    ENTER(cuStreamCreate);
    IN_CONTEXT();
    if (flags > 1) return INVALID_VALUE;
    stream *s = calloc(1, sizeof *s);
    if (!s) return OUT_OF_MEMORY;
    s->context = standin_context();
    s->blocking = !flags;
    *at = s;
    standin_made(A_STREAM, 1);
    return 0;
}
result cuStreamDestroy_v2(void *at) {
    stream *s = at;
    standin_clear(&s->waiting);
    standin_clear(&s->captured);
    free(s);
    standin_made(A_STREAM, -1);
    return 0;
}
/* Waiting that fails tells what failed: nothing is at work afterwards either. */
result cuStreamSynchronize(void *at) {
    result code = standin_enter("cuStreamSynchronize");
    stream *s = standin_stream(at);
    if (!s) return INVALID_VALUE;
    if (s->capturing) {
        s->capturing = 2;
        return CAPTURE_UNSUPPORTED;
    }
    if (standin_implicit(s, 1)) return CAPTURE_IMPLICIT;
    UNSAFE();
    result drained = drain(s);
    return code ? code : drained;
}
result cuStreamGetCtx(void *at, void **context) {
    ENTER(cuStreamGetCtx);
    *context = at == (void *)1 ? standin_context() : ((stream *)at)->context;
    return 0;
}
/* When it was, and what has to be run for it. */
typedef struct {
    void *context;
    struct timespec time;
    stream *on; /* NULL: not recorded yet */
    uint64_t after;
    int untimed, captured;
} event;

result cuEventCreate(void **at, unsigned flags) {
    ENTER(cuEventCreate);
    IN_CONTEXT();
    if (flags & ~3u) return INVALID_VALUE;
    event *e = calloc(1, sizeof *e);
    if (!e) return OUT_OF_MEMORY;
    e->context = standin_context();
    e->untimed = (flags & 2) != 0;
    *at = e;
    standin_made(AN_EVENT, 1);
    return 0;
}
result cuEventDestroy_v2(void *at) {
    if (!at) return INVALID_HANDLE;
    free(at);
    standin_made(AN_EVENT, -1);
    return 0;
}

/* The event may be gone by then: its time is of no use to anybody who destroyed it. */
static int run_event(void *arg) {
    (void)arg;
    return 0;
}

result cuEventRecord(void *at, void *on) {
    ENTER(cuEventRecord);
    event *e = at;
    stream *s = standin_stream(on);
    if (!s || s->context != e->context) return INVALID_HANDLE;
    result code = standin_enqueue(on, run_event, &e, sizeof e);
    e->on = s;
    e->captured = s->capturing;
    e->after = s->put;
    clock_gettime(CLOCK_MONOTONIC, &e->time);
    return code;
}
result cuEventSynchronize(void *at) {
    result code = standin_enter("cuEventSynchronize");
    const event *e = at;
    if (e->captured) return CAPTURED_EVENT;
    UNSAFE();
    result drained = e->on ? drain_to(e->on, e->after) : 0;
    return code ? code : drained;
}
result cuEventElapsedTime(float *ms, void *start, void *end) {
    ENTER(cuEventElapsedTime);
    const event *from = start, *to = end;
    if (from->untimed || to->untimed || !from->on || !to->on || from->captured || to->captured) return INVALID_HANDLE;
    if (from->on->done < from->after || to->on->done < to->after) return NOT_READY;
    const struct timespec *a = &from->time, *b = &to->time;
    *ms = (float)((double)(b->tv_sec - a->tv_sec) * 1e3 + (double)(b->tv_nsec - a->tv_nsec) * 1e-6);
    return 0;
}
