/* GDB: a copy of the object with the sections' load addresses written into it goes on a list that GDB finds by name;
 * GDB has a breakpoint on __jit_debug_register_code and reads the list when that is called. perf: a line per kernel in
 * /tmp/perf-PID.map. */
#define _GNU_SOURCE
#include "jit_cpu/debug.h"

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"

/* Names, layout and values are GDB's ("JIT Compilation Interface" in its manual). */
struct jit_code_entry {
    struct jit_code_entry *next, *prev;
    const char *symfile_addr;
    uint64_t symfile_size;
};
struct jit_descriptor {
    uint32_t version, action_flag;
    struct jit_code_entry *relevant_entry, *first_entry;
};
enum { JIT_NOACTION, JIT_REGISTER, JIT_UNREGISTER };

/* The library's only mutable globals: a debugger looks for exactly one list per shared object, by this name, so it
 * cannot belong to a context. The lock guards it. */
struct jit_descriptor __jit_debug_descriptor = {1, JIT_NOACTION, NULL, NULL};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void __jit_debug_register_code(void);
__attribute__((noinline)) void __jit_debug_register_code(void) { __asm__ volatile("" ::: "memory"); }

struct cpu_debug {
    struct jit_code_entry entry;
    size_t bytes; /* of this allocation: the copy of the object follows */
    char object[];
};

static void write_perf_line(int fd, uint64_t address, const base_elf_symbol *y, const char *name) {
    char line[512];
    const char *part = strchr(y->name, '.'); /* the parts of a kernel are functions of their own */
    int n = snprintf(line, sizeof line, "%llx %llx sinter %s%s%s\n", (unsigned long long)address,
                     (unsigned long long)y->size, name, part ? " " : "", part ? part + 1 : "");
    if (n >= (int)sizeof line) {
        n = (int)sizeof line - 1;
        line[n - 1] = '\n';
    }
    ssize_t written = write(fd, line, (size_t)n);
    (void)written; /* a profile without names is no error */
}

/* perf reads the file only if it belongs to the user; O_NOFOLLOW and the owner check keep others from misleading us. */
static void write_perf_map(const base_elf *elf, const uint64_t *where, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%ld.map", (long)getpid());
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return;
    struct stat info;
    if (!fstat(fd, &info) && S_ISREG(info.st_mode) && info.st_uid == geteuid())
        for (uint32_t i = 1; i < elf->n_symbol; i++) {
            base_elf_symbol y = base_elf_symbol_at(elf, i);
            if (y.type != STT_FUNC || !y.section || y.section >= elf->n_section || !where[y.section]) continue;
            write_perf_line(fd, where[y.section] + y.value, &y, name);
        }
    close(fd);
}

static void tell(struct jit_code_entry *entry, uint32_t action) {
    __jit_debug_descriptor.relevant_entry = entry;
    __jit_debug_descriptor.action_flag = action;
    __jit_debug_register_code();
    __jit_debug_descriptor.relevant_entry = NULL;
    __jit_debug_descriptor.action_flag = JIT_NOACTION;
}

cpu_debug *cpu_debug_add(base_alloc *alloc, const void *object, size_t n, const uint64_t *where, const char *name) {
    base_elf elf;
    char text[BASE_ELF_TEXT_MAX];
    if (!base_elf_open(&elf, object, n, text)) return NULL;
    if (base_env_int(BASE_ENV_SINTER_PERF, 0)) write_perf_map(&elf, where, name);
    size_t bytes = sizeof(cpu_debug) + n;
    cpu_debug *d = base_malloc(alloc, bytes);
    if (!d) return NULL;
    d->bytes = bytes;
    memcpy(d->object, object, n);
    for (uint32_t i = 1; i < elf.n_section; i++) {
        base_elf_section s = base_elf_section_at(&elf, i);
        memcpy(d->object + s.header + offsetof(Elf64_Shdr, sh_addr), &where[i], sizeof where[i]);
    }
    pthread_mutex_lock(&lock);
    d->entry = (struct jit_code_entry){__jit_debug_descriptor.first_entry, NULL, d->object, n};
    if (d->entry.next) d->entry.next->prev = &d->entry;
    __jit_debug_descriptor.first_entry = &d->entry;
    tell(&d->entry, JIT_REGISTER);
    pthread_mutex_unlock(&lock);
    return d;
}

void cpu_debug_remove(base_alloc *alloc, cpu_debug *d) {
    if (!d) return;
    pthread_mutex_lock(&lock);
    if (d->entry.next) d->entry.next->prev = d->entry.prev;
    if (d->entry.prev)
        d->entry.prev->next = d->entry.next;
    else
        __jit_debug_descriptor.first_entry = d->entry.next;
    tell(&d->entry, JIT_UNREGISTER);
    pthread_mutex_unlock(&lock);
    base_free(alloc, d, d->bytes);
}
