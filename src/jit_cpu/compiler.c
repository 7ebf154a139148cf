/* Finding and opening libsinter-llvm.so. RTLD_LOCAL keeps LLVM's symbols away from a host that brings an LLVM of its
 * own; RTLD_NOW makes a plug-in that does not fit fail here, with a sentence, and not in the middle of a compile. */
#define _GNU_SOURCE
#include "jit_cpu/compiler.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"

enum { MAX_PATH_TEXT = 4096 };

void cpu_compiler_init(cpu_compiler *compiler, const base_log *log) {
    compiler->log = log;
    pthread_mutex_init(&compiler->opening, NULL);
    atomic_init(&compiler->compile, NULL);
}

void cpu_compiler_free(cpu_compiler *compiler) { pthread_mutex_destroy(&compiler->opening); }

/* The plug-in's path in the folder of the object that this code is in; 0 where that cannot be told. */
static int path_beside(char *path, size_t size) {
    static const char here;
    Dl_info info;
    if (!dladdr(&here, &info) || !info.dli_fname) return 0;
    const char *slash = strrchr(info.dli_fname, '/');
    if (!slash) return 0;
    int n = snprintf(path, size, "%.*s/" SINTER_LLVM_SO, (int)(slash - info.dli_fname), info.dli_fname);
    return n > 0 && (size_t)n < size;
}

static sinter_llvm_compile_fn *try_open(const cpu_compiler *compiler, const char *path, char *text, size_t size) {
    size_t n = strlen(text);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!so) {
        const char *why = dlerror();
        int named = why && strstr(why, path); /* the reason mostly begins with the path */
        snprintf(text + n, size - n, "%s%s%s%s", n ? "; " : "", named ? "" : path, named ? "" : ": ",
                 why ? why : "unknown reason");
        return NULL;
    }
    sinter_llvm_compile_fn *compile;
    void *p = dlsym(so, SINTER_LLVM_ENTRY);
    memcpy(&compile, &p, sizeof p);
    if (compile)
        base_logf(compiler->log, SN_LOG_INFO, "compiler: %s", path);
    else
        snprintf(text + n, size - n, "%s%s: has no function " SINTER_LLVM_ENTRY, n ? "; " : "", path);
    return compile;
}

sn_status cpu_compiler_open(cpu_compiler *compiler, sinter_llvm_compile_fn **out, base_trap *err) {
    *out = atomic_load_explicit(&compiler->compile, memory_order_acquire);
    if (*out) return SN_OK;
    char tried[800] = "", beside[MAX_PATH_TEXT];
    const char *chosen = base_env(BASE_ENV_SINTER_LLVM);
    pthread_mutex_lock(&compiler->opening);
    *out = atomic_load_explicit(&compiler->compile, memory_order_relaxed);
    if (!*out && chosen) *out = try_open(compiler, chosen, tried, sizeof tried);
    if (!*out && !chosen && path_beside(beside, sizeof beside)) *out = try_open(compiler, beside, tried, sizeof tried);
    if (!*out && !chosen) *out = try_open(compiler, SINTER_LLVM_SO, tried, sizeof tried);
    atomic_store_explicit(&compiler->compile, *out, memory_order_release);
    pthread_mutex_unlock(&compiler->opening);
    if (*out) return SN_OK;
    return base_set_error(err, SN_ERR_UNAVAILABLE,
                          "no compiler: " SINTER_LLVM_SO " cannot be opened (SINTER_LLVM sets its "
                          "path); tried %s",
                          tried);
}
