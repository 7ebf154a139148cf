/* Contexts: each device's primary one, and those that an application makes. The one that is current is kept for each
 * thread in a stack, as the driver does; what needs a context is refused without one, and a stream is used in its own.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

#include "streams.h"

enum { DEVICES = 2, DEEPEST = 16 };
typedef struct {
    int device, retained, gone;
} a_context;

static a_context primary[DEVICES] = {{.device = 0}, {.device = 1}};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local a_context *current[DEEPEST];
static _Thread_local int depth;

void *standin_context(void) { return depth ? current[depth - 1] : NULL; }
int standin_context_depth(void) { return depth; }
int standin_retained(void) { return primary[0].retained + primary[1].retained; }

static int usable(const a_context *c) {
    pthread_mutex_lock(&lock);
    int yes = c && !c->gone && ((c != &primary[0] && c != &primary[1]) || c->retained);
    pthread_mutex_unlock(&lock);
    return yes;
}

/* STANDIN_MODE: 2: nobody may use the device; 3: another process has it. */
int standin_compute_mode(void) {
    const char *compute = getenv("STANDIN_MODE");
    return compute ? atoi(compute) : 0;
}

result cuDevicePrimaryCtxRetain(void **out, int device) {
    ENTER(cuDevicePrimaryCtxRetain);
    if (device < 0 || device >= DEVICES) return INVALID_DEVICE;
    if (standin_compute_mode()) return standin_compute_mode() == 2 ? UNKNOWN : DEVICE_UNAVAILABLE;
    pthread_mutex_lock(&lock);
    primary[device].retained++;
    pthread_mutex_unlock(&lock);
    *out = &primary[device];
    return 0;
}
result cuDevicePrimaryCtxRelease_v2(int device) {
    pthread_mutex_lock(&lock);
    result code = primary[device].retained ? 0 : INVALID_CONTEXT;
    if (!code) primary[device].retained--;
    pthread_mutex_unlock(&lock);
    return code;
}

/* Contexts live as long as the process: a context that is gone can be told from one that is there. */
result cuCtxCreate_v2(void **out, unsigned flags, int device) {
    static a_context made[64];
    static int n;
    (void)flags;
    if (device < 0 || device >= DEVICES || depth == DEEPEST) return INVALID_DEVICE;
    pthread_mutex_lock(&lock);
    a_context *c = n < 64 ? &made[n++] : NULL;
    pthread_mutex_unlock(&lock);
    if (!c) return OUT_OF_MEMORY;
    *c = (a_context){.device = device};
    current[depth++] = c;
    *out = c;
    return 0;
}
result cuCtxDestroy_v2(void *at) {
    a_context *c = at;
    pthread_mutex_lock(&lock);
    c->gone = 1;
    pthread_mutex_unlock(&lock);
    if (depth && current[depth - 1] == c) depth--;
    return 0;
}

result cuCtxPushCurrent_v2(void *context) {
    ENTER(cuCtxPushCurrent_v2);
    if (!usable(context) || depth == DEEPEST) return INVALID_CONTEXT;
    current[depth++] = context;
    return 0;
}
result cuCtxPopCurrent_v2(void **context) {
    if (!depth) return INVALID_CONTEXT;
    *context = current[--depth];
    return 0;
}
result cuCtxGetDevice(int *device) {
    ENTER(cuCtxGetDevice);
    if (!depth) return INVALID_CONTEXT;
    *device = current[depth - 1]->device;
    return 0;
}
