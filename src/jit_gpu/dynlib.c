/* Finding CUDA's libraries. What is opened stays open: drivers and compilers do not survive dlclose. */
#define _GNU_SOURCE
#include "jit_gpu/dynlib.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"

/* The toolkit's folders, newest name first, and those of wheels in the active virtual environment or the home. */
static const char *const usual[] = {"/usr/local/cuda/lib64", "/usr/local/cuda/lib",       "/usr/local/cuda-*/lib64",
                                    "/usr/local/cuda-*/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/wsl/lib",
                                    "/opt/cuda/lib64"};
static const char *const wheels[] = {"lib/python3*/site-packages/nvidia/cu*/lib",
                                     "lib/python3*/site-packages/nvidia/cuda_nvrtc/lib",
                                     "lib/python3*/site-packages/nvidia/cublas/lib"};

typedef struct {
    const char *const *names;
    const char *helper;
    base_strbuf *path, *tried;
    void *found;
} search;

/* The helper's file in the folder, opened so that its name is known when the library asks for it. */
static void open_helper(const search *s, const char *folder) {
    char pattern[4096];
    glob_t files;
    int n = snprintf(pattern, sizeof pattern, "%s/%s", folder, s->helper);
    if (n < 0 || (size_t)n >= sizeof pattern || glob(pattern, 0, NULL, &files)) return;
    if (files.gl_pathc) (void)dlopen(files.gl_pathv[0], RTLD_NOW | RTLD_LOCAL);
    globfree(&files);
}

static void *open_one(search *s, const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return NULL;
    s->path->n = 0;
    base_strbuf_puts(s->path, path);
    return s->found = library;
}

/* In one folder; NULL: by the loader's own search. */
static void *open_in(search *s, const char *folder) {
    char path[4096];
    if (folder && s->helper) open_helper(s, folder);
    for (const char *const *name = s->names; *name && !s->found; name++) {
        int n = snprintf(path, sizeof path, "%s%s%s", folder ? folder : "", folder ? "/" : "", *name);
        if (n > 0 && (size_t)n < sizeof path) open_one(s, path);
    }
    if (!s->found) base_strbuf_printf(s->tried, "%s%s", s->tried->n ? ", " : "", folder ? folder : "the loader's path");
    return s->found;
}

/* In the folders that a pattern names, the last in order (the newest version) first. */
static void *open_glob(search *s, const char *root, const char *rest) {
    char pattern[4096];
    glob_t folders;
    int n = snprintf(pattern, sizeof pattern, "%s%s%s", root, *root ? "/" : "", rest);
    if (n < 0 || (size_t)n >= sizeof pattern || glob(pattern, GLOB_ONLYDIR, NULL, &folders)) return NULL;
    for (size_t i = folders.gl_pathc; i-- > 0 && !s->found;) open_in(s, folders.gl_pathv[i]);
    globfree(&folders);
    return s->found;
}

static void open_listed(search *s, const char *list) {
    while (*list && !s->found) {
        char folder[4096];
        size_t n = strcspn(list, ":");
        if (n && n < sizeof folder) {
            memcpy(folder, list, n);
            folder[n] = 0;
            open_in(s, folder);
        }
        list += n + (list[n] == ':');
    }
}

static void open_usual(search *s) {
    const char *home = base_env(BASE_ENV_HOME), *environment = base_env(BASE_ENV_VIRTUAL_ENV);
    char local[4096];
    open_in(s, NULL);
    for (size_t i = 0; i < sizeof usual / sizeof *usual && !s->found; i++) open_glob(s, "", usual[i]);
    for (size_t i = 0; i < sizeof wheels / sizeof *wheels && !s->found; i++) {
        if (environment) open_glob(s, environment, wheels[i]);
        if (!s->found && home && (size_t)snprintf(local, sizeof local, "%s/.local", home) < sizeof local)
            open_glob(s, local, wheels[i]);
    }
}

void *gpu_dynlib_open(base_alloc *alloc, const char *what, const char *const *names, const char *helper,
                      base_strbuf *path, base_trap *err) {
    base_strbuf tried;
    base_strbuf_init(&tried, alloc);
    search s = {names, helper, path, &tried, NULL};
    const char *listed = base_env(BASE_ENV_SINTER_CUDA_PATH);
    if (listed)
        open_listed(&s, listed);
    else
        open_usual(&s);
    if (!s.found)
        base_set_error(err, SN_ERR_UNAVAILABLE,
                       "no %s: %s cannot be opened; looked in %.600s (SINTER_CUDA_PATH names other folders)", what,
                       names[0], tried.at ? tried.at : "?");
    base_strbuf_free(&tried);
    return s.found;
}

sn_status gpu_dynlib_symbols(void *library, const char *what, const gpu_symbol *symbols, size_t n, base_trap *err) {
    for (size_t i = 0; i < n; i++) {
        void *at = dlsym(library, symbols[i].name);
        if (!at && !symbols[i].optional)
            return base_set_error(err, SN_ERR_UNAVAILABLE, "%s has no function %s: it is too old", what,
                                  symbols[i].name);
        *symbols[i].at = at;
    }
    return SN_OK;
}
