/* The compiler: device.h, the source and an entry for each kernel through the host's C++ compiler, into a shared object
 * that takes the place of a cubin. Objects are kept by content in STANDIN_CACHE, since tests compile the same kernels
 * again and again. */
#define _GNU_SOURCE
#include <ctype.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nvrtc.h"

extern char **environ;

typedef struct {
    char *source, *log, *object;
    size_t object_bytes;
} program;

int nvrtcVersion(int *major, int *minor) {
    *major = 13;
    *minor = 0;
    return standin_real_wanted() ? standin_real_version(major, minor) : 0;
}
int nvrtcGetNumSupportedArchs(int *n) {
    if (standin_real_wanted()) return standin_real_archs(n, NULL);
    *n = 3;
    return 0;
}
int nvrtcGetSupportedArchs(int *archs) {
    if (standin_real_wanted()) return standin_real_archs(NULL, archs);
    archs[0] = 75, archs[1] = 80, archs[2] = 90;
    return 0;
}
const char *nvrtcGetErrorString(int code) {
    return code == NVRTC_COMPILATION ? "NVRTC_ERROR_COMPILATION" : code ? "NVRTC_ERROR" : "NVRTC_SUCCESS";
}

int nvrtcCreateProgram(program **out, const char *source, const char *name, int n, const char *const *headers,
                       const char *const *names) {
    (void)name, (void)n, (void)headers, (void)names;
    *out = calloc(1, sizeof **out);
    if (!*out || !((*out)->source = strdup(source))) return NVRTC_OUT_OF_MEMORY;
    return 0;
}
int nvrtcDestroyProgram(program **at) {
    program *p = *at;
    free(p->source);
    free(p->log);
    free(p->object);
    free(p);
    *at = NULL;
    return 0;
}

static char *read_file(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    *n = 0;
    if (!f) return NULL;
    struct stat info;
    if (!fstat(fileno(f), &info) && (text = malloc((size_t)info.st_size + 1))) {
        *n = fread(text, 1, (size_t)info.st_size, f);
        text[*n] = 0;
    }
    fclose(f);
    return text;
}

/* `extern __shared__ __align__(16) T name[];` becomes a pointer to the block's dynamic shared memory. */
static void write_source(FILE *f, const char *source) {
    static const char declaration[] = "extern __shared__ __align__(16) ";
    const char *at, *const whole = source;
    while ((at = strstr(source, declaration))) {
        char type[64], name[64];
        int used = 0;
        fwrite(source, 1, (size_t)(at - source), f);
        if (sscanf(at + sizeof declaration - 1, "%63s %63[^[][];%n", type, name, &used) != 2 || !used) break;
        fprintf(f, "STANDIN_DYNAMIC(%s, %s);", type, name);
        source = at + sizeof declaration - 1 + used;
    }
    fputs(source, f);
    fputc('\n', f);
    for (at = whole; (at = strstr(at, "__global__"));) {
        const char *bounds = strstr(at, "__launch_bounds__("), *body = strchr(at, '{');
        int most = bounds && bounds < body ? atoi(bounds + 18) : 0, n = 0;
        const char *name = bounds && bounds < body ? strchr(bounds, ')') + 1 : strstr(at, "void") + 4;
        while (isspace((unsigned char)*name)) name++;
        while (isalnum((unsigned char)name[n]) || name[n] == '_') n++;
        fprintf(f, "STANDIN_ENTRY(%.*s, %d)\n", n, name, most);
        at = body ? body : at + 10;
    }
    fputs("#ifndef __SANITIZE_ADDRESS__\n"
          "static char standin_some __attribute__((section(\"standin_shared\"), used));\n"
          "extern \"C\" char __start_standin_shared[] __attribute__((visibility(\"hidden\"))),\n"
          "    __stop_standin_shared[] __attribute__((visibility(\"hidden\")));\n"
          "extern \"C\" __attribute__((visibility(\"default\"))) char *standin_shared_range[2];\n"
          "char *standin_shared_range[2] = {__start_standin_shared, __stop_standin_shared};\n"
          "#endif\n",
          f);
}

static int sanitizing(void) {
    extern void __asan_init(void) __attribute__((weak));
    return __asan_init != NULL;
}

static int run_compiler(const char *from, const char *to, const char *log) {
    const char *const args[] = {"g++",
                                "-x",
                                "c++",
                                "-std=c++17",
                                sanitizing() ? "-fsanitize=address,undefined" : "-O1",
                                "-fno-sanitize-recover=undefined", /* misaligned vectors, too */
                                "-shared",
                                "-fPIC",
                                "-march=x86-64-v3",
                                "-fvisibility=hidden",
                                "-ffp-contract=off",
                                "-fno-strict-aliasing",
                                "-nostdinc",
                                "-fno-exceptions",
                                "-fno-rtti",
                                "-w",
                                "-include",
                                STANDIN_DEVICE_H,
                                "-o",
                                to,
                                from,
                                NULL};
    union {
        const char *const *plain;
        char *const *list;
    } argv = {args};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int state = 1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log, 0x241 /* write, create, truncate */, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (posix_spawnp(&child, args[0], &actions, NULL, argv.list, environ) || waitpid(child, &state, 0) < 0) state = 1;
    posix_spawn_file_actions_destroy(&actions);
    return state;
}

static uint64_t fnv(uint64_t hash, const char *text) {
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

/* Two hashes of the source and of what else makes the code: enough for a test's cache. */
static void cache_path(char path[512], const char *source, int real, int n, const char *const *options) {
    size_t bytes = 0;
    char *device = real ? NULL : read_file(STANDIN_DEVICE_H, &bytes);
    uint64_t a = fnv(fnv(0xcbf29ce484222325u, source), device ? device : "");
    for (int i = 0; real && i < n; i++) a = fnv(a, options[i]);
    uint64_t b = fnv(a ^ 0x9e3779b97f4a7c15u, source);
    free(device);
    snprintf(path, 512, "%s/%016llx%016llx%s", STANDIN_CACHE, (unsigned long long)a, (unsigned long long)b,
             real           ? ".ptx"
             : sanitizing() ? "-strict.so"
                            : ".so");
}

/* Published whole or not at all. */
static void keep(const char *path, const char *bytes, size_t n) {
    char temporary[600];
    snprintf(temporary, sizeof temporary, "%s.%d", path, (int)getpid());
    mkdir(STANDIN_CACHE, 0700);
    FILE *out = fopen(temporary, "wb");
    if (!out) return;
    int whole = fwrite(bytes, 1, n, out) == n;
    if (fclose(out) || !whole || rename(temporary, path)) unlink(temporary);
}

static int compile(program *p, const char *object) {
    char folder[] = "/tmp/standinXXXXXX", from[64], to[64], log[64];
    if (!mkdtemp(folder)) return NVRTC_BUILTIN_FAILURE;
    snprintf(from, sizeof from, "%s/k.cu", folder);
    snprintf(to, sizeof to, "%s/k.so", folder);
    snprintf(log, sizeof log, "%s/log", folder);
    FILE *f = fopen(from, "w");
    int state = 1;
    if (f) {
        write_source(f, p->source);
        fclose(f);
        state = run_compiler(from, to, log);
    }
    size_t n;
    p->log = read_file(log, &n);
    if (!state) p->object = read_file(to, &p->object_bytes);
    if (!state && p->object) keep(object, p->object, p->object_bytes);
    unlink(from);
    unlink(to);
    unlink(log);
    rmdir(folder);
    return state ? NVRTC_COMPILATION : 0;
}

int nvrtcCompileProgram(program *p, int n, const char *const *options) {
    char object[512];
    for (int i = 0; i < n; i++) {
        const char *number = strstr(options[i], "gpu-architecture=") ? strrchr(options[i], '_') : NULL;
        if (number && atoi(number + 1) < 75) {
            p->log = strdup("nvrtc: error: invalid value for --gpu-architecture (-arch)\n");
            return NVRTC_INVALID_OPTION;
        }
        /* STANDIN_OLD_NVRTC: what newer versions have been taught is not known. */
        if (getenv("STANDIN_OLD_NVRTC") && (strstr(options[i], "no-cache") || strstr(options[i], "stack-limit")))
            return NVRTC_INVALID_OPTION;
    }
    int real = standin_real_wanted();
    cache_path(object, p->source, real, n, options);
    p->object = read_file(object, &p->object_bytes);
    if (p->object) return 0;
    if (!real) return compile(p, object);
    int code = standin_real_compile(p->source, n, options, &p->object, &p->log);
    if (code) return code;
    p->object_bytes = strlen(p->object) + 1;
    keep(object, p->object, p->object_bytes);
    memcpy(strrchr(object, '.'), ".cu", 4); /* for who reads a complaint about it */
    keep(object, p->source, strlen(p->source));
    return 0;
}

static const char no_ptx[] = ".version 0.0 // of the stand-in: there is no PTX\n";
int nvrtcGetPTXSize(program *p, size_t *bytes) {
    *bytes = standin_real_wanted() ? p->object_bytes : sizeof no_ptx;
    return 0;
}
int nvrtcGetPTX(program *p, char *to) {
    if (standin_real_wanted())
        memcpy(to, p->object, p->object_bytes);
    else
        memcpy(to, no_ptx, sizeof no_ptx);
    return 0;
}
int nvrtcGetCUBINSize(program *p, size_t *bytes) {
    *bytes = p->object_bytes;
    return 0;
}
int nvrtcGetCUBIN(program *p, char *to) {
    memcpy(to, p->object, p->object_bytes);
    return 0;
}
int nvrtcGetProgramLogSize(program *p, size_t *bytes) {
    *bytes = p->log ? strlen(p->log) + 1 : 1;
    return 0;
}
int nvrtcGetProgramLog(program *p, char *to) {
    strcpy(to, p->log ? p->log : "");
    return 0;
}
