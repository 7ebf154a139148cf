/* The context: options in; allocator, log, backend and kernel cache out; the device's memory for all that is made from
 * it. The context's own memory comes from the host's allocator directly, because the counting allocator lives inside
 * it. */
#define _POSIX_C_SOURCE 200809L
#include "runtime/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "runtime/function.h"

int rt_options_copy(void *to, size_t known, size_t first_version, const void *from) {
    memset(to, 0, known);
    if (!from) return 1;
    size_t given;
    memcpy(&given, from, sizeof given);
    if (!given) given = first_version;
    if (given < sizeof given) return 0;
    for (size_t i = known; i < given; i++)
        if (((const unsigned char *)from)[i]) return 0;
    memcpy(to, from, given < known ? given : known);
    return 1;
}

sn_status rt_context_fail(sn_context *ctx, sn_status status, const char *format, ...) {
    char text[BASE_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&ctx->error_lock);
    base_set_error(&ctx->error, status, "%s", text);
    pthread_mutex_unlock(&ctx->error_lock);
    return status;
}

static const be_backend *find_backend(const char *name) {
    const be_backend *const known[] = {&be_cpu, &be_gpu, &be_interp, &be_null};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i]->name, name)) return known[i];
    return NULL;
}

/* Opens the device, or the kernel interpreter on a machine that the code generator does not serve. */
static sn_status open_device(sn_context *ctx, const sn_context_options *options, const be_backend *backend) {
    if (!backend) {
        const char *name = options->backend ? options->backend : base_env(BASE_ENV_SINTER_BACKEND);
        backend = find_backend(name ? name : "cpu");
        if (!backend) {
            base_logf(&ctx->log, SN_LOG_ERROR, "there is no backend \"%s\": use \"cpu\", \"gpu\" or \"interp\"", name);
            return SN_ERR_ARGUMENT;
        }
    }
    int64_t threads = options->threads ? options->threads : base_env_int(BASE_ENV_SINTER_THREADS, 0);
    if (threads < 0 || threads > INT32_MAX) {
        base_logf(&ctx->log, SN_LOG_ERROR, "%lld threads asked for: 0 takes what the machine allows",
                  (long long)threads);
        return SN_ERR_ARGUMENT;
    }
    be_options to_backend = {.alloc = &ctx->alloc,
                             .log = &ctx->log,
                             .threads = (int32_t)threads,
                             .pool = ctx->pool.parallel_for ? &ctx->pool : NULL,
                             .tf32 = options->tf32 != 0,
                             .context = options->cuda_context,
                             .stream = options->cuda_stream};
    ctx->backend = backend;
    if ((options->cuda_context || options->cuda_stream) && !backend->remote) {
        base_logf(&ctx->log, SN_LOG_ERROR, "cuda_context and cuda_stream are for backend \"gpu\", not \"%s\"",
                  backend->name);
        return SN_ERR_ARGUMENT;
    }
    sn_status status = backend->open(&to_backend, &ctx->device, &ctx->error);
    if (status == SN_ERR_UNSUPPORTED && backend == &be_cpu) {
        base_logf(&ctx->log, SN_LOG_WARN, "%s: kernels are interpreted, which is slow", ctx->error.text);
        base_clear_error(&ctx->error);
        ctx->backend = &be_interp;
        status = be_interp.open(&to_backend, &ctx->device, &ctx->error);
    }
    if (status) base_logf(&ctx->log, SN_LOG_ERROR, "backend %s: %s", ctx->backend->name, ctx->error.text);
    return status;
}

static sn_status open_cache(sn_context *ctx, const sn_context_options *options) {
    cache_disk_options disk;
    sn_status status = cache_disk_choose(options, &disk, &ctx->error);
    if (!status) status = cache_disk_new(&ctx->alloc, &ctx->log, &disk, &ctx->disk, &ctx->error);
    if (status) base_logf(&ctx->log, SN_LOG_ERROR, "kernel cache: %s", ctx->error.text);
    return status ? status
                  : cache_memory_new(&ctx->alloc, &ctx->log, ctx->backend, ctx->device, ctx->disk, &ctx->cache,
                                     &ctx->error);
}

/* Options as 0.1.0 had them. */
enum { FIRST_VERSION = offsetof(sn_context_options, cuda_stream) + sizeof(void *) };

/* Copies the options and opens the log that they ask for, which is told what is wrong with them. */
static sn_status read_options(const sn_context_options *given, sn_context_options *options, base_log *log) {
    int known = rt_options_copy(options, sizeof *options, FIRST_VERSION, given);
    if (!known) *options = (sn_context_options){.log_level = SN_LOG_ERROR}; /* none of it can be trusted */
    base_log_init(log, options->log, options->log_user, options->log_level);
    if (!known)
        base_logf(log, SN_LOG_ERROR, "context: struct_size %zu of the options is not known: use sizeof, or 0",
                  given->struct_size);
    else if (options->allocator && !options->allocator->realloc)
        base_logf(log, SN_LOG_ERROR, "context: realloc of the allocator is NULL");
    else if (options->pool && !options->pool->parallel_for)
        base_logf(log, SN_LOG_ERROR, "context: parallel_for of the pool is NULL");
    else
        return SN_OK;
    return SN_ERR_ARGUMENT;
}

static void check_environment(const base_log *log) {
    char text[BASE_TEXT_MAX];
    for (base_env_var var = 0; var < BASE_ENV_COUNT; var++)
        if (base_env_wrong(var, text, sizeof text)) base_logf(log, SN_LOG_WARN, "%s", text);
}

sn_status rt_context_open(const sn_context_options *given, const be_backend *backend, sn_context **out) {
    if (!out) return SN_ERR_ARGUMENT;
    *out = NULL;
    sn_context_options options;
    base_log log;
    sn_status status = read_options(given, &options, &log);
    if (status) return status;
    check_environment(&log);

    base_alloc direct;
    base_alloc_init(&direct, options.allocator);
    sn_context *ctx = base_calloc(&direct, sizeof *ctx);
    if (!ctx) return SN_ERR_NOMEM;
    base_alloc_init(&ctx->alloc, options.allocator);
    ctx->log = log;
    if (options.pool) ctx->pool = *options.pool;
    ctx->keep_nan = options.keep_nan != 0;
    if (pthread_mutex_init(&ctx->error_lock, NULL)) {
        base_free(&direct, ctx, sizeof *ctx);
        return SN_ERR_NOMEM;
    }
    if (pthread_mutex_init(&ctx->functions_lock, NULL)) {
        pthread_mutex_destroy(&ctx->error_lock);
        base_free(&direct, ctx, sizeof *ctx);
        return SN_ERR_NOMEM;
    }
    status = open_device(ctx, &options, backend);
    if (!status) status = open_cache(ctx, &options);
    if (status) {
        sn_context_free(ctx);
        return status;
    }
    *out = ctx;
    return SN_OK;
}

sn_status sn_context_new(const sn_context_options *options, sn_context **out) {
    return rt_context_open(options, NULL, out);
}

/* What was made from a context has to be freed before it: what the allocator misses is somebody's mistake. */
static void tell_what_is_left(sn_context *ctx) {
    size_t left = atomic_load(&ctx->alloc.live_bytes);
    if (!left) return;
    const sn_function *f = ctx->functions;
    base_logf(
        &ctx->log, SN_LOG_WARN,
        "the context is freed before %zu bytes that were made from it%s%s%s: whatever they are must not be used or "
        "freed any more",
        left, f ? ", function \"" : "", f ? f->name : "", f ? "\" among them" : "");
}

void sn_context_free(sn_context *ctx) {
    if (!ctx) return;
    cache_memory_free(ctx->cache);
    cache_disk_free(ctx->disk);
    if (ctx->device) ctx->backend->close(ctx->device);
    tell_what_is_left(ctx);
    pthread_mutex_destroy(&ctx->functions_lock);
    pthread_mutex_destroy(&ctx->error_lock);
    base_alloc direct;
    base_alloc_init(&direct, &ctx->alloc.hook);
    base_free(&direct, ctx, sizeof *ctx);
}

const char *sn_context_error(const sn_context *ctx) { return ctx ? ctx->error.text : "no context"; }

sn_status sn_context_fail(sn_context *ctx, sn_status status, const char *sentence) {
    return ctx ? rt_context_fail(ctx, status ? status : SN_ERR_ARGUMENT, "%s", sentence ? sentence : "") : status;
}

void *sn_context_realloc(sn_context *ctx, void *p, size_t old_size, size_t new_size) {
    return ctx ? base_realloc(&ctx->alloc, p, old_size, new_size) : NULL;
}

sn_status sn_context_sync(sn_context *ctx) {
    if (!ctx) return SN_ERR_ARGUMENT;
    const be_remote *remote = ctx->backend->remote;
    if (!remote) return SN_OK;
    base_trap err = {.armed = 0};
    sn_status status = remote->begin(ctx->device, &err);
    if (!status) status = remote->finish(ctx->device, 1, &err);
    return status ? rt_context_fail(ctx, status, "%s", err.text) : SN_OK;
}

/* ---- memory of the device ---------------------------------------------------------------------------------------- */

int rt_make_room(sn_context *ctx) {
    if (!ctx->backend->remote) return 0;
    pthread_mutex_lock(&ctx->functions_lock);
    for (sn_function *f = ctx->functions; f; f = f->next) rt_function_trim(f);
    pthread_mutex_unlock(&ctx->functions_lock);
    ctx->backend->remote->trim(ctx->device);
    return 1;
}

void *rt_alloc(sn_context *ctx, size_t bytes) {
    void *at = ctx->backend->alloc(ctx->device, bytes);
    if (!at && rt_make_room(ctx)) at = ctx->backend->alloc(ctx->device, bytes);
    return at;
}

const char *rt_room_text(sn_context *ctx, char text[RT_ROOM_TEXT]) {
    size_t left = 0, total = 0;
    text[0] = 0;
    if (ctx->backend->remote) ctx->backend->remote->room(ctx->device, &left, &total);
    if (total) {
        snprintf(text, RT_ROOM_TEXT, "; %zu of the device's %zu bytes are free", left, total);
    } else if (ctx->backend->remote) { /* it may have none because it is lost */
        base_trap err = {.armed = 0};
        if (ctx->backend->remote->begin(ctx->device, &err))
            snprintf(text, RT_ROOM_TEXT, "; the device says: %.600s", err.text);
        else
            (void)ctx->backend->remote->finish(ctx->device, 0, &err);
    }
    return text;
}

static void say_nothing(void *user, sn_log_level level, const char *message) { (void)user, (void)level, (void)message; }

sn_status sn_device_available(const char *name, char *text, size_t size) {
    const be_backend *backend = name ? find_backend(name) : NULL;
    if (!backend) {
        if (text && size) snprintf(text, size, "there is no backend \"%s\"", name ? name : "");
        return SN_ERR_ARGUMENT;
    }
    base_alloc alloc;
    base_log log;
    base_trap err = {.armed = 0};
    be_device *device = NULL;
    base_alloc_init(&alloc, NULL);
    base_log_init(&log, say_nothing, NULL, SN_LOG_ERROR);
    const be_options options = {.alloc = &alloc, .log = &log, .threads = 1};
    sn_status status = backend->open(&options, &device, &err);
    const char *about = status ? err.text : backend->describe ? backend->describe(device) : backend->target(device);
    if (text && size) snprintf(text, size, "%s", about);
    if (!status) backend->close(device);
    return status;
}

const char *sn_context_backend(const sn_context *ctx) { return ctx ? ctx->backend->name : "?"; }
