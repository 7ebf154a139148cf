/* Finding CUDA's libraries. What is opened stays open: drivers and compilers do not survive dlclose. */
#define _GNU_SOURCE
#include "jit_gpu/dynlib.h"

#include <dlfcn.h>
#include <glob.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"

/* The toolkit's folders, newest name first, and those of wheels: in the active virtual environment, the home, and where
 * the systems of containers have theirs. */
static const char *const usual[] = {"/usr/local/cuda/lib64", "/usr/local/cuda/lib",       "/usr/local/cuda-*/lib64",
                                    "/usr/local/cuda-*/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/wsl/lib",
                                    "/opt/cuda/lib64"};
static const char wheels[] = "lib/python3*/*-packages/nvidia/cu*/lib";
static const char *const roots[] = {"/usr/local", "/usr", "/opt/conda"};

typedef struct {
    const char *name; /* the one looked for now */
    const char *helper;
    int says; /* note the folders in tried */
    base_strbuf *path, *tried;
    void *found;
} search;

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
    int n = snprintf(path, sizeof path, "%s%s%s", folder ? folder : "", folder ? "/" : "", s->name);
    if (n > 0 && (size_t)n < sizeof path) open_one(s, path);
    if (!s->found && s->says)
        base_strbuf_printf(s->tried, "%s%s", s->tried->n ? ", " : "", folder ? folder : "the loader's path");
    return s->found;
}

/* The helpers of what was found, from where it was found or where that leads. */
static void open_helpers(const search *s) {
    struct link_map *map = NULL;
    char folder[PATH_MAX + 128];
    if (!s->helper || dlinfo(s->found, RTLD_DI_LINKMAP, &map) || !map || !map->l_name) return;
    for (int led = 0; led < 2; led++) {
        glob_t files;
        if (led ? !realpath(map->l_name, folder) : snprintf(folder, PATH_MAX, "%s", map->l_name) >= PATH_MAX) return;
        char *name = strrchr(folder, '/');
        if (!name) continue;
        snprintf(name + 1, 128, "%s", s->helper);
        if (glob(folder, 0, NULL, &files)) continue;
        for (size_t i = 0; i < files.gl_pathc; i++) (void)dlopen(files.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
        globfree(&files);
        return;
    }
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
    if (!s->found && environment) open_glob(s, environment, wheels);
    if (!s->found && home && (size_t)snprintf(local, sizeof local, "%s/.local", home) < sizeof local)
        open_glob(s, local, wheels);
    for (size_t i = 0; i < sizeof roots / sizeof *roots && !s->found; i++) open_glob(s, roots[i], wheels);
}

void *gpu_dynlib_open(base_alloc *alloc, const char *what, const char *const *names, const char *helper, int of_system,
                      base_strbuf *path, base_trap *err) {
    base_strbuf tried;
    base_strbuf_init(&tried, alloc);
    search s = {names[0], helper, 1, path, &tried, NULL};
    const char *listed = base_env(BASE_ENV_SINTER_CUDA_PATH);
    for (size_t i = 0; names[i] && !s.found; i++) {
        s.name = names[i];
        s.says = !i;
        if (listed)
            open_listed(&s, listed);
        else
            open_usual(&s);
        if (!s.found && listed && of_system) open_in(&s, NULL);
    }
    if (s.found)
        open_helpers(&s);
    else
        base_set_error(err, SN_ERR_UNAVAILABLE,
                       "no %s: %s cannot be opened; looked in %.600s (SINTER_CUDA_PATH names other folders)", what,
                       names[0], tried.at ? tried.at : "?");
    base_strbuf_free(&tried);
    return s.found;
}

static void add_name(gpu_names *out, size_t *n, const char *stem, int major) {
    if (*n == GPU_NAMES) return;
    if (major)
        snprintf(out->text[*n], sizeof out->text[*n], "%s.%d", stem, major);
    else
        snprintf(out->text[*n], sizeof out->text[*n], "%s", stem);
    out->name[*n] = out->text[*n];
    out->name[++*n] = NULL;
}

void gpu_toolkit_names(const char *stem, int driver, gpu_names *out) {
    size_t n = 0;
    int best = driver ? driver / 1000 : GPU_NEWEST_MAJOR;
    if (best > GPU_OLDEST_MAJOR + GPU_NAMES - 4) best = GPU_OLDEST_MAJOR + GPU_NAMES - 4; /* leaves room for the rest */
    for (int major = best; major >= GPU_OLDEST_MAJOR; major--) add_name(out, &n, stem, major);
    for (int major = best + 1; major <= GPU_NEWEST_MAJOR; major++) add_name(out, &n, stem, major);
    add_name(out, &n, stem, 0);
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
