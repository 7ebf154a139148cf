/* In: the cache's folder and a budget. Out: a folder within the budget.
 *
 * The time of a file's last change is the time of its last use, to a day (disk_dir.c). Several processes may sweep at
 * the same time: an entry that is gone already is gone, and a process that is just loading one has it open. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/disk_dir.h"
#include "cache/hits.h"

enum { TEMPORARY_SECONDS = 3600 };

typedef struct {
    char name[CACHE_NAME_MAX];
    time_t used;
    uint64_t bytes;
} file;

typedef struct {
    base_alloc *alloc;
    file *at;
    size_t n, cap;
} files;

static int add(files *f, const file *new) {
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 256;
        file *at = base_realloc(f->alloc, f->at, f->cap * sizeof *at, cap * sizeof *at);
        if (!at) return 0;
        f->at = at;
        f->cap = cap;
    }
    f->at[f->n++] = *new;
    return 1;
}

static int longest_unused_first(const void *a, const void *b) {
    const file *x = a, *y = b;
    if (x->used != y->used) return x->used < y->used ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* An entry goes to the list, a temporary of the dead away. */
static void look_at(files *f, int dir, const char *name, time_t now, cache_swept *swept) {
    struct stat s;
    int temporary = !strncmp(name, ".new-", 5);
    if ((!temporary && (strlen(name) >= CACHE_NAME_MAX || !cache_dir_is_name(name))) ||
        fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW) || !S_ISREG(s.st_mode))
        return;
    if (temporary) {
        /* Also those of a time to come: the clock was set back since. */
        if (s.st_mtime < now - TEMPORARY_SECONDS || s.st_mtime > now + TEMPORARY_SECONDS) unlinkat(dir, name, 0);
        return;
    }
    file new = {.used = s.st_mtime < now ? s.st_mtime : now, .bytes = (uint64_t)s.st_size};
    memcpy(new.name, name, strlen(name) + 1);
    if (add(f, &new)) {
        swept->entries++;
        swept->bytes += new.bytes;
    }
}

cache_swept cache_dir_sweep(base_alloc *alloc, const char *path, uint64_t max_bytes) {
    cache_swept swept = {0};
    files f = {.alloc = alloc};
    char why[CACHE_WHY_MAX];
    int missing;
    if (!cache_dir_check(path, &missing, why)) return swept;
    DIR *dir = opendir(path);
    if (!dir) return swept;
    time_t now = time(NULL);
    for (struct dirent *d; (d = readdir(dir));) look_at(&f, dirfd(dir), d->d_name, now, &swept);
    uint64_t left = swept.bytes, enough = max_bytes - max_bytes / 5;
    if (max_bytes && left > max_bytes) {
        qsort(f.at, f.n, sizeof *f.at, longest_unused_first);
        for (size_t i = 0; i < f.n && left > enough; i++) {
            if (unlinkat(dirfd(dir), f.at[i].name, 0)) continue;
            left -= f.at[i].bytes;
            swept.removed++;
            swept.removed_bytes += f.at[i].bytes;
        }
    }
    closedir(dir);
    base_free(alloc, f.at, f.cap * sizeof *f.at);
    cache_hits_compact(alloc, path);
    return swept;
}
