/* Modules, launches, and graphs: of the driver what runs kernels. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ptx.h"
#include "streams.h"

typedef struct {
    work_list work;
    size_t n;
} graph;

typedef struct module {
    void *context;
    struct module *next; /* of those that are loaded: on a lost device nobody unloads them, which is no leak */
    ptx_module *ptx;     /* NULL: it is a library */
    void *library;
    int fd;
    standin_thread **current;
    char *shared;
    size_t shared_bytes;
} module;

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static module *loaded;

typedef struct {
    module *module;
    ptx_kernel *ptx;
    void (*run)(void **);
    int n_parameters, size[MAX_PARAMETERS], bounds, dynamic_most;
    int loaded; /* cuFuncLoad, or a launch outside of a capture: else lazily, which a capture does not stand */
    char name[80];
} function;

/* ---- modules, launches ------------------------------------------------------------------------------------------- */

static result keep_module(module *m, void **out) {
    m->context = standin_context();
    pthread_mutex_lock(&loading);
    m->next = loaded;
    loaded = m;
    pthread_mutex_unlock(&loading);
    standin_made(A_MODULE, 1);
    *out = m;
    return 0;
}

/* The image is a shared object for the host: its length follows from its headers. The file stays open, or the next
 * module would get the same path and the loader would give back the old library. */
result cuModuleLoadData(void **out, const void *image) {
    ENTER(cuModuleLoadData);
    IN_CONTEXT();
    UNSAFE();
    Elf64_Ehdr head;
    memcpy(&head, image, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG)) return INVALID_IMAGE;
    if (head.e_machine != EM_X86_64) return NO_BINARY;
    size_t bytes = head.e_shoff + (size_t)head.e_shnum * head.e_shentsize;
    module *m = calloc(1, sizeof *m);
    if (!m) return OUT_OF_MEMORY;
    char path[64];
    m->fd = memfd_create("standin", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", m->fd);
    if (m->fd < 0 || write(m->fd, image, bytes) != (ssize_t)bytes ||
        !(m->library = dlopen(path, RTLD_NOW | RTLD_LOCAL))) {
        snprintf(standin_complained, sizeof standin_complained, "%s", dlerror());
        if (m->fd >= 0) close(m->fd);
        free(m);
        return INVALID_IMAGE;
    }
    const standin_calls **api = dlsym(m->library, "standin_api");
    char **shared = dlsym(m->library, "standin_shared_range");
    *api = &standin_the_calls;
    m->current = dlsym(m->library, "standin_current");
    if (shared) {
        m->shared = shared[0];
        m->shared_bytes = (size_t)(shared[1] - shared[0]);
    }
    if (m->shared_bytes > SHARED_DEFAULT + SHARED_OWN) { /* NVIDIA's assembler has none of it */
        snprintf(standin_complained, sizeof standin_complained, "%zu bytes of static shared memory", m->shared_bytes);
        dlclose(m->library);
        close(m->fd);
        free(m);
        return INVALID_IMAGE;
    }
    return keep_module(m, out);
}

/* There is no assembler here: the text itself is executed. */
result cuModuleLoadDataEx(void **out, const void *image, unsigned n, const int *options, void **values) {
    ENTER(cuModuleLoadDataEx);
    IN_CONTEXT();
    UNSAFE();
    module *m = calloc(1, sizeof *m);
    if (!m) return OUT_OF_MEMORY;
    pthread_mutex_lock(&loading);
    const char *wrong = ptx_load(image, &m->ptx);
    if (wrong && n == 2 && options[0] == 5 && options[1] == 6)
        snprintf(values[0], (size_t)(uintptr_t)values[1], "%s", wrong);
    if (wrong) snprintf(standin_complained, sizeof standin_complained, "%s", wrong);
    pthread_mutex_unlock(&loading);
    if (!wrong) return keep_module(m, out);
    free(m);
    return INVALID_PTX;
}

/* What is the host's is freed whatever is told. */
result cuModuleUnload(void *at) {
    UNSAFE();
    module *m = at, **link = &loaded;
    pthread_mutex_lock(&loading);
    while (*link != m) link = &(*link)->next;
    *link = m->next;
    pthread_mutex_unlock(&loading);
    ptx_unload(m->ptx);
    if (m->library) {
        dlclose(m->library);
        close(m->fd);
    }
    free(m);
    standin_made(A_MODULE, -1);
    return standin_enter("cuModuleUnload");
}

static void *symbol(const module *m, const char *prefix, const char *name) {
    char text[160];
    snprintf(text, sizeof text, "%s%s", prefix, name);
    return dlsym(m->library, text);
}

/* What a block's dynamic shared memory has to leave. */
static int static_shared(const module *m) {
    if (m->ptx) return (int)m->ptx->shared_bytes;
    return m->shared_bytes > SHARED_OWN ? (int)(m->shared_bytes - SHARED_OWN) : 0;
}

static result ptx_function(function *f) {
    f->ptx = ptx_find(f->module->ptx, f->name);
    if (!f->ptx || f->ptx->param.n > MAX_PARAMETERS) return NOT_FOUND;
    f->n_parameters = (int)f->ptx->param.n;
    for (int i = 0; i < f->n_parameters; i++) f->size[i] = (int)f->ptx->param.of[i].bytes;
    f->bounds = (int)f->ptx->max_threads;
    return 0;
}

static result host_function(function *f) {
    const module *m = f->module;
    union {
        void *address;
        void (*run)(void **);
        int (*sizes)(int *);
    } run = {symbol(m, "standin_run_", f->name)}, sizes = {symbol(m, "standin_sizes_", f->name)};
    const int *bounds = symbol(m, "standin_bounds_", f->name);
    if (!run.address || !sizes.address || !bounds) return NOT_FOUND;
    f->run = run.run;
    f->n_parameters = sizes.sizes(f->size);
    f->bounds = *bounds;
    return 0;
}

/* A function lives as long as its module's process: tests are short. */
result cuModuleGetFunction(void **out, void *at, const char *name) {
    ENTER(cuModuleGetFunction);
    static function *kept[4096];
    static _Atomic unsigned n_kept; /* kernels are loaded by several threads */
    function *f = calloc(1, sizeof *f);
    if (!f) return OUT_OF_MEMORY;
    f->module = at;
    snprintf(f->name, sizeof f->name, "%s", name);
    result code = f->module->ptx ? ptx_function(f) : host_function(f);
    f->dynamic_most = SHARED_DEFAULT - static_shared(f->module);
    size_t bytes = 0;
    for (int i = 0; i < f->n_parameters; i++) {
        size_t align = f->size[i] < 8 ? (size_t)f->size[i] : 8;
        bytes = (bytes + align - 1) / align * align + (size_t)f->size[i];
    }
    if (!code && bytes > MOST_PARAMETER_BYTES) {
        snprintf(standin_complained, sizeof standin_complained, "kernel %s: %zu bytes of parameters", name, bytes);
        code = INVALID_IMAGE;
    }
    if (code) {
        free(f);
        return code;
    }
    unsigned mine = atomic_fetch_add(&n_kept, 1);
    if (mine < sizeof kept / sizeof *kept) kept[mine] = f; /* reachable, so that nobody calls it leaked */
    *out = f;
    return 0;
}

result cuFuncGetAttribute(int *value, int attribute, void *at) {
    ENTER(cuFuncGetAttribute);
    const function *f = at;
    if (attribute != 1) return INVALID_VALUE;
    *value = static_shared(f->module);
    return 0;
}
result cuFuncSetAttribute(void *at, int attribute, int value) {
    ENTER(cuFuncSetAttribute);
    function *f = at;
    if (attribute != 8 || value < 0 || value > standin_shared_most() - static_shared(f->module)) return INVALID_VALUE;
    f->dynamic_most = value;
    return 0;
}
result cuFuncLoad(void *at) {
    ENTER(cuFuncLoad);
    UNSAFE();
    function *f = at;
    f->loaded = 1;
    return 0;
}

typedef struct {
    function *f;
    unsigned blocks, threads, dynamic;
    size_t n_bytes; /* of the parameters that follow, each at a multiple of 16 */
} launching;

static int run_launch(void *arg) {
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER; /* fibers are of one thread */
    launching *l = arg;
    void *parameters[MAX_PARAMETERS];
    char *at = (char *)(l + 1);
    at += -(uintptr_t)at & 15;
    for (int i = 0; i < l->f->n_parameters; i++) {
        parameters[i] = at;
        at += ((size_t)l->f->size[i] + 15) & ~(size_t)15;
    }
    pthread_mutex_lock(&one);
    const module *m = l->f->module;
    const char *wrong =
        m->ptx
            ? ptx_run(m->ptx, l->f->ptx, parameters, l->blocks, l->threads, l->dynamic, standin_order_now())
            : standin_run(l->f->run, parameters, m->current, (standin_dim){l->blocks, 1, 1},
                          (standin_dim){l->threads, 1, 1}, m->shared, m->shared_bytes, l->dynamic, standin_order_now());
    if (wrong) snprintf(standin_complained, sizeof standin_complained, "kernel %s: %s", l->f->name, wrong);
    pthread_mutex_unlock(&one);
    return wrong ? standin_sticky(LAUNCH_FAILED) : 0;
}

static uint64_t dynamic;
uint64_t standin_dynamic(void) {
    uint64_t most = dynamic;
    dynamic = 0;
    return most;
}

static result beyond(const function *f, const char *what, unsigned n, int most, result code) {
    snprintf(standin_complained, sizeof standin_complained, "kernel %s: %u %s, and %d is the most", f->name, n, what,
             most);
    return code;
}

result cuLaunchKernel(void *at, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                      unsigned shared, void *on, void **parameters, void **extra) {
    ENTER(cuLaunchKernel);
    function *f = at;
    if (!gx || gy != 1 || gz != 1 || !bx || by != 1 || bz != 1 || bx > 1024 || gx > 0x7fffffffu || extra)
        return INVALID_VALUE;
    if ((int)shared > f->dynamic_most)
        return beyond(f, "bytes of dynamic shared memory", shared, f->dynamic_most, INVALID_VALUE);
    stream *s = standin_stream(on);
    if (!s || s->context != f->module->context) return INVALID_HANDLE;
    if (!f->loaded && s->capturing) {
        s->capturing = 2;
        return CAPTURE_UNSUPPORTED;
    }
    f->loaded = 1;
    if (shared > dynamic) dynamic = shared;
    if (f->bounds && bx > (unsigned)f->bounds) return beyond(f, "threads", bx, f->bounds, OUT_OF_RESOURCES);
    size_t bytes = 16;
    for (int i = 0; i < f->n_parameters; i++) bytes += ((size_t)f->size[i] + 15) & ~(size_t)15;
    launching *l = calloc(1, sizeof *l + bytes);
    if (!l) return OUT_OF_MEMORY;
    *l = (launching){f, gx, bx, shared, bytes};
    char *to = (char *)(l + 1);
    /* where they will lie once copied: work's argument is aligned to 16 */
    to += -sizeof *l & 15;
    for (int i = 0; i < f->n_parameters; i++) {
        memcpy(to, parameters[i], (size_t)f->size[i]);
        to += ((size_t)f->size[i] + 15) & ~(size_t)15;
    }
    result code = standin_enqueue(on, run_launch, l, sizeof *l + bytes);
    free(l);
    return code;
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static size_t length(const work_list *list) {
    size_t n = 0;
    for (const work *w = list->first; w; w = w->next) n++;
    return n;
}

/* What was captured becomes a graph. */
result standin_graph(work_list *captured, void **out) {
    graph *g = calloc(1, sizeof *g);
    if (!g) return OUT_OF_MEMORY;
    g->work = *captured;
    g->n = length(&g->work);
    *captured = (work_list){NULL, NULL};
    standin_made(A_GRAPH, 1);
    *out = g;
    return 0;
}

static result copy_graph(graph *to, const graph *from) {
    for (const work *w = from->work.first; w; w = w->next)
        if (standin_append(&to->work, w->run, w->arg, w->bytes)) return OUT_OF_MEMORY;
    to->n = from->n;
    return 0;
}

result cuGraphInstantiateWithFlags(void **exec, void *at, unsigned long long flags) {
    (void)flags;
    ENTER(cuGraphInstantiateWithFlags);
    graph *g = calloc(1, sizeof *g);
    if (!g || copy_graph(g, at)) return OUT_OF_MEMORY;
    standin_made(A_RECORDING, 1);
    *exec = g;
    return 0;
}

/* The same number and kinds of nodes, as a real device asks. */
result cuGraphExecUpdate_v2(void *exec, void *at, void *info) {
    (void)info;
    ENTER(cuGraphExecUpdate_v2);
    graph *g = exec;
    const graph *from = at;
    if (g->n != from->n) return UPDATE_FAILURE;
    const work *a = g->work.first;
    for (const work *b = from->work.first; b; a = a->next, b = b->next)
        if (a->run != b->run) return UPDATE_FAILURE;
    standin_clear(&g->work);
    return copy_graph(g, from);
}

/* What is started is the graph as it is now: it may be updated or destroyed before its turn comes. */
result cuGraphLaunch(void *exec, void *at) {
    ENTER(cuGraphLaunch);
    const graph *g = exec;
    for (const work *w = g->work.first; w; w = w->next) {
        result code = standin_enqueue(at, w->run, w->arg, w->bytes);
        if (code) return code;
    }
    return 0;
}
static void destroy(graph *g) {
    standin_clear(&g->work);
    free(g);
}
/* As with modules: freed whatever is told. */
result cuGraphExecDestroy(void *exec) {
    destroy(exec);
    standin_made(A_RECORDING, -1);
    return standin_enter("cuGraphExecDestroy");
}
result cuGraphDestroy(void *at) {
    destroy(at);
    standin_made(A_GRAPH, -1);
    return standin_enter("cuGraphDestroy");
}
