/* The other compiler of the stand-in: with STANDIN_PTX in the environment kernels go to NVIDIA's own NVRTC, and the PTX
 * that it makes takes the place of a cubin. It is kept by content in STANDIN_CACHE, too: compiling is most of the time
 * of a test. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nvrtc.h"

typedef void *real_program;
static struct {
    int (*create)(real_program *, const char *source, const char *name, int n, const char *const *headers,
                  const char *const *names);
    int (*destroy)(real_program *);
    int (*compile)(real_program, int n, const char *const *options);
    int (*ptx_size)(real_program, size_t *);
    int (*ptx)(real_program, char *);
    int (*log_size)(real_program, size_t *);
    int (*log)(real_program, char *);
    int (*version)(int *, int *);
    int (*n_archs)(int *);
    int (*archs)(int *);
} real;
static int found;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *open_first(const char *pattern) {
    glob_t files;
    void *library = NULL;
    if (glob(pattern, 0, NULL, &files)) return NULL;
    for (size_t i = files.gl_pathc; i-- > 0 && !library;) library = dlopen(files.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
    globfree(&files);
    return library;
}

/* Where toolkits are; the loader's own search would find the stand-in, which has the same name. */
static void find(void) {
    static const char *const folders[] = {"/usr/local/cuda/lib64", "/usr/local/cuda-*/lib64",
                                          "/usr/lib/x86_64-linux-gnu", "/opt/cuda/lib64"};
    void *library = NULL;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && !library; i++) {
        char pattern[256];
        snprintf(pattern, sizeof pattern, "%s/libnvrtc-builtins.so.1*", folders[i]);
        (void)open_first(pattern);
        snprintf(pattern, sizeof pattern, "%s/libnvrtc.so.1[0-9]", folders[i]);
        library = open_first(pattern);
    }
    if (!library) return;
    const struct {
        const char *name;
        void *at; /* of a pointer to a function */
    } wanted[] = {{"nvrtcCreateProgram", &real.create},
                  {"nvrtcDestroyProgram", &real.destroy},
                  {"nvrtcCompileProgram", &real.compile},
                  {"nvrtcGetPTXSize", &real.ptx_size},
                  {"nvrtcGetPTX", &real.ptx},
                  {"nvrtcGetProgramLogSize", &real.log_size},
                  {"nvrtcGetProgramLog", &real.log},
                  {"nvrtcVersion", &real.version},
                  {"nvrtcGetNumSupportedArchs", &real.n_archs},
                  {"nvrtcGetSupportedArchs", &real.archs}};
    found = 1;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *function = dlsym(library, wanted[i].name);
        if (!function) found = 0;
        memcpy(wanted[i].at, &function, sizeof function);
    }
}

int standin_real_wanted(void) { return getenv("STANDIN_PTX") != NULL; }

int standin_real_version(int *major, int *minor) {
    pthread_once(&once, find);
    return found ? real.version(major, minor) : NVRTC_BUILTIN_FAILURE;
}

/* Those up to the one that is wanted: the device is of a later generation, see driver.c. */
int standin_real_archs(int *n, int *archs) {
    int all[64], count = 0, kept = 0, code;
    pthread_once(&once, find);
    if (!found) return NVRTC_BUILTIN_FAILURE;
    if ((code = real.n_archs(&count)) || count > 64 || (code = real.archs(all))) return code ? code : 1;
    for (int i = 0; i < count; i++) {
        if (all[i] > atoi(getenv("STANDIN_PTX"))) continue;
        if (archs) archs[kept] = all[i];
        kept++;
    }
    if (n) *n = kept;
    return 0;
}

static char *take(real_program p, int (*size)(real_program, size_t *), int (*get)(real_program, char *)) {
    size_t n = 0;
    char *text = size(p, &n) ? NULL : calloc(1, n + 1);
    if (text && n && get(p, text)) {
        free(text);
        return NULL;
    }
    return text;
}

int standin_real_compile(const char *source, int n, const char *const *options, char **ptx, char **log) {
    real_program p = NULL;
    pthread_once(&once, find);
    if (!found) {
        *log = strdup("there is no NVRTC of NVIDIA's here");
        return NVRTC_BUILTIN_FAILURE;
    }
    int code = real.create(&p, source, "kernel.cu", 0, NULL, NULL);
    if (code) return code;
    code = real.compile(p, n, options);
    *log = take(p, real.log_size, real.log);
    if (!code && !(*ptx = take(p, real.ptx_size, real.ptx))) code = NVRTC_OUT_OF_MEMORY;
    real.destroy(&p);
    return code;
}
