/* Memory of the device, and the order of work on it.
 *
 * All work of a device goes through one stream, and calls take turns (begin .. finish), so that what is recorded for a
 * graph is one call's. A failure in a turn is kept and reported by finish; what comes after it in the turn is not
 * started. A turn may end while the device is still at work: `pending` says so, and whoever frees memory or code waits
 * first. The stream may be the application's; nothing is ever known to be done there without asking. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "jit_gpu/gpu.h"

/* The loss of the device is remembered with its cause, which whatever comes later would not tell. */
static void note(be_device *dev, cu_result result, const base_trap *what) {
    if (dev->lost) return;
    dev->lost = cu_is_lost(result);
    if (dev->lost) base_set_error(&dev->late, what->status, "%s", what->text);
}

void gpu_failed(be_device *dev, cu_result result, const char *format, ...) {
    char text[256];
    va_list args;
    if (dev->failed.status) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cu_fail(&dev->cu, &dev->failed, result, "%s", text);
    note(dev, result, &dev->failed);
}

void gpu_settle_here(be_device *dev) {
    base_trap err = {.armed = 0};
    if (!dev->pending && !dev->given_stream) return;
    cu_result result = dev->cu.cuStreamSynchronize(dev->ordered);
    if (result && !dev->late.status) {
        cu_fail(&dev->cu, &err, result, "waiting for work that was started earlier");
        note(dev, result, &err);
        if (!dev->lost) base_set_error(&dev->late, err.status, "%s", err.text);
    }
    dev->pending = 0;
}

void gpu_settle(be_device *dev) {
    pthread_mutex_lock(&dev->turn);
    gpu_settle_here(dev);
    pthread_mutex_unlock(&dev->turn);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

void *gpu_alloc(be_device *dev, size_t bytes) {
    base_trap ignored = {.armed = 0};
    cu_ptr at = 0;
    gpu_visit visit;
    if (gpu_enter(dev, &visit, &ignored)) return NULL;
    cu_result result = dev->cu.cuMemAlloc_v2(&at, bytes);
    gpu_leave(dev, &visit);
    if (cu_is_lost(result)) { /* that there is no memory is the least of it */
        pthread_mutex_lock(&dev->turn);
        cu_fail(&dev->cu, &ignored, result, "asking for %zu bytes", bytes);
        note(dev, result, &ignored);
        pthread_mutex_unlock(&dev->turn);
    }
    return result ? NULL : (void *)(uintptr_t)at;
}

void gpu_free(be_device *dev, void *p, size_t bytes) {
    (void)bytes;
    gpu_visit visit;
    if (!gpu_enter_to_free(dev, &visit)) return;
    gpu_settle(dev);
    (void)dev->cu.cuMemFree_v2((uintptr_t)p);
    gpu_leave(dev, &visit);
}

static void settle(be_device *dev) {
    gpu_visit visit;
    if (!gpu_enter_to_free(dev, &visit)) return;
    gpu_settle(dev);
    gpu_leave(dev, &visit);
}

void gpu_room_here(be_device *dev, size_t *left, size_t *total) {
    if (dev->cu.cuMemGetInfo_v2(left, total)) *left = *total = 0;
}

static void gpu_room(be_device *dev, size_t *left, size_t *total) {
    base_trap ignored = {.armed = 0};
    *left = *total = 0;
    gpu_visit visit;
    if (gpu_enter(dev, &visit, &ignored)) return;
    gpu_room_here(dev, left, total);
    gpu_leave(dev, &visit);
}

static void gpu_trim(be_device *dev) {
    base_trap ignored = {.armed = 0};
    gpu_visit visit;
    if (gpu_enter(dev, &visit, &ignored)) return;
    pthread_mutex_lock(&dev->turn);
    gpu_settle_here(dev);
    if (dev->scratch) {
        (void)dev->cu.cuMemFree_v2(dev->scratch);
        dev->scratch = 0;
        dev->scratch_bytes = 0;
        atomic_fetch_add(&dev->age, 1);
    }
    pthread_mutex_unlock(&dev->turn);
    gpu_leave(dev, &visit);
}

/* kDLCUDA and the device's number. */
static void gpu_place(const be_device *dev, int32_t *type, int32_t *number) {
    *type = 2;
    *number = dev->ordinal;
}

static void *staging_alloc(be_device *dev, size_t bytes) {
    base_trap ignored = {.armed = 0};
    void *at = NULL;
    gpu_visit visit;
    if (gpu_enter(dev, &visit, &ignored)) return NULL;
    if (dev->cu.cuMemHostAlloc(&at, bytes, 0)) at = NULL;
    gpu_leave(dev, &visit);
    return at;
}

static void staging_free(be_device *dev, void *p) {
    gpu_visit visit;
    if (!gpu_enter_to_free(dev, &visit)) return;
    gpu_settle(dev);
    (void)dev->cu.cuMemFreeHost(p);
    gpu_leave(dev, &visit);
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

/* What happened since anybody looked. */
static sn_status look(be_device *dev, base_trap *err) {
    if (dev->late.status) {
        sn_status status = base_set_error(err, dev->late.status, "%s", dev->late.text);
        if (!dev->lost) base_clear_error(&dev->late);
        return status;
    }
    if (!dev->given_stream) return SN_OK;
    int capturing = 0;
    cu_result result = dev->cu.cuStreamIsCapturing(dev->given_stream, &capturing);
    if (result == CU_CAPTURE_IMPLICIT) capturing = 1; /* another stream, which the default stream waits for */
    if (result && !capturing) {
        cu_fail(&dev->cu, err, result, "asking for the state of the application's stream");
        note(dev, result, err);
        return err->status;
    }
    return capturing
               ? base_set_error(err, SN_ERR_UNSUPPORTED,
                                "GPU: the application is recording a CUDA graph on its stream, or on one that waits "
                                "for it: end that first")
               : SN_OK;
}

static sn_status gpu_begin(be_device *dev, base_trap *err) {
    gpu_visit visit;
    if (gpu_enter(dev, &visit, err)) return err->status;
    pthread_mutex_lock(&dev->turn);
    dev->visit = visit;
    base_clear_error(&dev->failed);
    sn_status status = look(dev, err);
    if (status) {
        pthread_mutex_unlock(&dev->turn);
        gpu_leave(dev, &visit);
    }
    return status;
}

static sn_status gpu_finish(be_device *dev, int wait, base_trap *err) {
    if (wait || dev->failed.status) {
        cu_result result = dev->cu.cuStreamSynchronize(dev->ordered);
        if (result)
            gpu_failed(dev, result, dev->pending ? "waiting for this and earlier work" : "waiting for the device");
        dev->pending = 0;
    } else {
        dev->pending = 1;
    }
    sn_status status = dev->failed.status;
    if (status) base_set_error(err, status, "%s", dev->failed.text);
    const gpu_visit visit = dev->visit;
    pthread_mutex_unlock(&dev->turn);
    gpu_leave(dev, &visit);
    return status;
}

static int gpu_failing(const be_device *dev) { return dev->failed.status != SN_OK; }

/* ---- points: events without a time ------------------------------------------------------------------------------- */

static void gpu_point(be_device *dev, be_point **at) {
    cu_event event = *at;
    cu_result result = CU_OK;
    if (dev->failed.status) return;
    if (!event) result = dev->cu.cuEventCreate(&event, CU_EVENT_NO_TIMING);
    if (!result) {
        *at = event;
        result = dev->cu.cuEventRecord(event, dev->ordered);
    }
    if (result) gpu_failed(dev, result, "noting a place in the order of work");
}

static void gpu_await(be_device *dev, be_point *at) {
    if (dev->failed.status) return;
    cu_result result = dev->cu.cuEventSynchronize(at);
    if (result) gpu_failed(dev, result, "waiting for the device");
}

static void gpu_forget_point(be_device *dev, be_point *at) {
    gpu_visit visit;
    if (!at || !gpu_enter_to_free(dev, &visit)) return;
    (void)dev->cu.cuEventDestroy_v2(at);
    gpu_leave(dev, &visit);
}

/* ---- copies ------------------------------------------------------------------------------------------------------ */

static void gpu_write(be_device *dev, void *to, const void *from, size_t n) {
    if (!n || dev->failed.status) return;
    cu_result result = dev->cu.cuMemcpyHtoDAsync_v2((uintptr_t)to, from, n, dev->stream);
    if (result) gpu_failed(dev, result, "copying %zu bytes to the device", n);
}

static void gpu_read(be_device *dev, void *to, const void *from, size_t n) {
    if (!n || dev->failed.status) return;
    cu_result result = dev->cu.cuMemcpyDtoHAsync_v2(to, (uintptr_t)from, n, dev->stream);
    if (result) gpu_failed(dev, result, "copying %zu bytes from the device", n);
}

static void gpu_copy(be_device *dev, void *to, const void *from, size_t n) {
    if (!n || dev->failed.status) return;
    cu_result result = dev->cu.cuMemcpyDtoDAsync_v2((uintptr_t)to, (uintptr_t)from, n, dev->stream);
    if (result) gpu_failed(dev, result, "copying %zu bytes on the device", n);
}

static void gpu_clear(be_device *dev, void *to, size_t n) {
    if (!n || dev->failed.status) return;
    cu_result result = dev->cu.cuMemsetD8Async((uintptr_t)to, 0, n, dev->stream);
    if (result) gpu_failed(dev, result, "clearing %zu bytes", n);
}

/* ---- recordings: CUDA graphs ------------------------------------------------------------------------------------- */

static void gpu_record(be_device *dev) {
    if (dev->failed.status) return;
    dev->recording = GPU_WANTS_RECORDING;
    cu_result result = dev->cu.cuStreamBeginCapture_v2(dev->recorder, CU_CAPTURE_THREAD_LOCAL);
    if (result) {
        gpu_failed(dev, result, "recording a call");
        return;
    }
    dev->recording = GPU_RECORDS;
    dev->stream = dev->recorder;
}

/* What fails while a call is recorded has run nothing, so the work can be started piece by piece instead, and tells by
 * itself if that fails, too. */
static void excuse(be_device *dev) {
    if (dev->lost || !dev->failed.status) return;
    base_logf(dev->log, SN_LOG_WARN, "a call is started piece by piece, since it cannot be recorded: %s",
              dev->failed.text);
    base_clear_error(&dev->failed);
}

static void gpu_recorded(be_device *dev, be_recording **at) {
    cu_driver *cu = &dev->cu;
    cu_graph graph = NULL;
    cu_graph_exec exec = *at;
    cu_update_info info = {0};
    cu_result result = CU_OK;
    const int wanted = dev->recording != GPU_RUNS; /* else something had failed before */
    if (dev->recording == GPU_RECORDS) result = cu->cuStreamEndCapture(dev->recorder, &graph);
    dev->recording = GPU_RUNS;
    dev->stream = dev->ordered;
    if (result) gpu_failed(dev, result, "recording a call");
    if (!dev->failed.status && exec && cu->cuGraphExecUpdate_v2(exec, graph, &info)) { /* other steps than before */
        (void)cu->cuGraphExecDestroy(exec);
        exec = NULL;
    }
    if (!dev->failed.status && !exec && (result = cu->cuGraphInstantiateWithFlags(&exec, graph, 0)))
        gpu_failed(dev, result, "making a graph of a recorded call");
    if (graph) (void)cu->cuGraphDestroy(graph);
    if (dev->failed.status && exec) { /* what failed is not in it: it must not be replayed */
        (void)cu->cuGraphExecDestroy(exec);
        exec = NULL;
    }
    if (wanted) excuse(dev);
    *at = exec;
}

static void gpu_replay(be_device *dev, be_recording *recording) {
    if (dev->failed.status) return;
    cu_result result = dev->cu.cuGraphLaunch(recording, dev->stream);
    if (result) gpu_failed(dev, result, "starting a recorded call");
}

/* One that runs is freed by the driver when it is done. */
static void gpu_forget(be_device *dev, be_recording *recording) {
    gpu_visit visit;
    if (!recording || !gpu_enter_to_free(dev, &visit)) return;
    (void)dev->cu.cuGraphExecDestroy(recording);
    gpu_leave(dev, &visit);
}

static uint64_t gpu_age(const be_device *dev) { return atomic_load(&dev->age); }

/* ---- time on the device ------------------------------------------------------------------------------------------ */

static cu_result more_events(be_device *dev, uint32_t n) {
    if (n > dev->events_room) {
        uint32_t room = n < 32 ? 64 : 2 * n;
        cu_event *events =
            base_realloc(dev->alloc, dev->events, dev->events_room * sizeof *events, room * sizeof *events);
        if (!events) return CU_OUT_OF_MEMORY;
        dev->events = events;
        dev->events_room = room;
    }
    while (dev->n_events < n) {
        cu_result result = dev->cu.cuEventCreate(&dev->events[dev->n_events], 0);
        if (result) return result;
        dev->n_events++;
    }
    return CU_OK;
}

static void gpu_mark(be_device *dev, uint32_t i) {
    if (dev->failed.status) return;
    cu_result result = i < dev->n_events ? CU_OK : more_events(dev, i + 1);
    if (!result) result = dev->cu.cuEventRecord(dev->events[i], dev->stream);
    if (result) gpu_failed(dev, result, "noting the time");
}

static uint64_t gpu_elapsed(be_device *dev, uint32_t i) {
    float ms = 0;
    if (dev->failed.status || i + 1 >= dev->n_events) return 0;
    cu_result result = dev->cu.cuEventSynchronize(dev->events[i + 1]);
    if (!result) result = dev->cu.cuEventElapsedTime(&ms, dev->events[i], dev->events[i + 1]);
    if (result) gpu_failed(dev, result, "reading the time");
    return result ? 0 : (uint64_t)((double)ms * 1e6);
}

const be_remote gpu_remote = {
    .begin = gpu_begin,
    .finish = gpu_finish,
    .failing = gpu_failing,
    .settle = settle,
    .point = gpu_point,
    .await = gpu_await,
    .forget_point = gpu_forget_point,
    .write = gpu_write,
    .read = gpu_read,
    .copy = gpu_copy,
    .clear = gpu_clear,
    .staging_alloc = staging_alloc,
    .staging_free = staging_free,
    .room = gpu_room,
    .trim = gpu_trim,
    .place = gpu_place,
    .prepare = gpu_prepare,
    .prepare_gemm = gpu_prepare_gemm,
    .forget_gemm = gpu_forget_gemm,
    .record = gpu_record,
    .recorded = gpu_recorded,
    .replay = gpu_replay,
    .forget = gpu_forget,
    .age = gpu_age,
    .mark = gpu_mark,
    .elapsed = gpu_elapsed,
};
