/* Files of the cache's folder, read and published.
 *
 * Publishing: a temporary of a name nobody else has, written and closed, then linked to the entry's name, which is
 * atomic and leaves an entry that is there alone; where the file system has no hard links it is renamed, which replaces
 * the entry by one that is as good. A reader thus sees all of a file or none; what a loss of power leaves is told by
 * the checksum. Reading copies (and does not map): a file cut meanwhile by whatever means is a short read, not a
 * SIGBUS. */
#define _GNU_SOURCE
#include "cache/disk_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/disk_entry.h"

enum { DAY = 86400, TEMP_TRIES = 100 };

void cache_dir_name(base_hash hash, uint32_t family, char name[CACHE_NAME_MAX]) {
    char text[33];
    base_hash_text(hash, text);
    snprintf(name, CACHE_NAME_MAX, "%s-%08x.k%d", text, (unsigned)family, CACHE_FORMAT);
}

int cache_dir_is_name(const char *name) {
    static const char hex[] = "0123456789abcdef";
    return strspn(name, hex) == 32 && name[32] == '-' && strspn(name + 33, hex) == 8 && !strncmp(name + 41, ".k", 2) &&
           name[43] && strspn(name + 43, "0123456789") == strlen(name + 43);
}

static int path_of(char path[PATH_MAX], const char *dir, const char *name) {
    int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);
    return n > 0 && n < PATH_MAX;
}

/* What is wrong with the owner or the mode; NULL if nothing is. */
static const char *distrust(const struct stat *s) {
    if (s->st_uid != geteuid() && s->st_uid != 0) return "belongs to another user";
    if (s->st_mode & (S_IWGRP | S_IWOTH)) return "can be written by others (chmod go-w makes it usable)";
    return NULL;
}

int cache_dir_check(const char *dir, int *missing, char why[CACHE_WHY_MAX]) {
    struct stat s;
    *missing = 0;
    if (stat(dir, &s)) {
        *missing = errno == ENOENT;
        snprintf(why, CACHE_WHY_MAX, "cache folder %s: %s", dir, strerror(errno));
        return 0;
    }
    const char *wrong = S_ISDIR(s.st_mode) ? distrust(&s) : "is no folder";
    if (wrong) snprintf(why, CACHE_WHY_MAX, "cache folder %s %s", dir, wrong);
    return !wrong;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int read_all(int fd, char *to, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t m = read(fd, to + done, n - done);
        if (m < 0 && errno == EINTR) continue;
        if (m <= 0) return 0;
        done += (size_t)m;
    }
    return 1;
}

static void note_use(int fd, const struct stat *s) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    /* A clock that went back leaves times in the future, which would never grow old. */
    if (now.tv_sec - s->st_mtim.tv_sec > DAY || s->st_mtim.tv_sec - now.tv_sec > DAY) (void)futimens(fd, NULL);
}

static cache_read read_open(base_alloc *alloc, int fd, const char *name, int keep, void **bytes, size_t *n,
                            char why[CACHE_WHY_MAX]) {
    struct stat s;
    const char *wrong = NULL;
    if (fstat(fd, &s))
        wrong = strerror(errno);
    else if (!S_ISREG(s.st_mode))
        wrong = "is no file";
    else
        wrong = distrust(&s);
    if (!wrong && s.st_size > CACHE_ENTRY_MAX) wrong = "is too large for an entry";
    if (wrong) {
        snprintf(why, CACHE_WHY_MAX, "entry %s %s", name, wrong);
        return CACHE_UNREADABLE;
    }
    size_t size = (size_t)s.st_size;
    *bytes = base_malloc(alloc, size + 1);
    *n = size;
    errno = 0;
    if (!*bytes || !read_all(fd, *bytes, size)) {
        const char *reason = !*bytes ? "out of memory" : errno ? strerror(errno) : "shorter than it was";
        snprintf(why, CACHE_WHY_MAX, "entry %s: %s", name, reason);
        base_free(alloc, *bytes, size + 1);
        *bytes = NULL;
        return CACHE_UNREADABLE;
    }
    if (keep) note_use(fd, &s);
    return CACHE_READ;
}

cache_read cache_dir_read(base_alloc *alloc, const char *dir, const char *name, int keep, void **bytes, size_t *n,
                          char why[CACHE_WHY_MAX]) {
    char path[PATH_MAX];
    int missing;
    *bytes = NULL;
    *n = 0;
    if (!cache_dir_check(dir, &missing, why)) return missing ? CACHE_NONE : CACHE_UNREADABLE;
    if (!path_of(path, dir, name)) {
        snprintf(why, CACHE_WHY_MAX, "the cache folder's path is too long");
        return CACHE_UNREADABLE;
    }
    /* O_NONBLOCK: should it be a pipe. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        cache_read result = errno == ENOENT ? CACHE_NONE : CACHE_UNREADABLE;
        snprintf(why, CACHE_WHY_MAX, "entry %s: %s", name, strerror(errno));
        return result;
    }
    cache_read result = read_open(alloc, fd, name, keep, bytes, n, why);
    close(fd);
    return result;
}

/* ---- publishing -------------------------------------------------------------------------------------------------- */

static int make_folders(const char *dir) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s", dir) >= (int)sizeof path) return errno = ENAMETOOLONG, 0;
    for (char *at = path + 1; *at; at++) {
        if (*at != '/') continue;
        *at = 0;
        if (mkdir(path, 0700) && errno != EEXIST && errno != EROFS && errno != EACCES) return 0;
        *at = '/';
    }
    return !mkdir(path, 0700) || errno == EEXIST;
}

/* Differs between threads, processes, hosts that share the folder, and tries; need not be secret: O_EXCL decides. */
static uint64_t unlikely_number(int try) {
    struct {
        struct timespec now;
        pid_t pid, tid;
        const void *stack;
        int try;
    } seed;
    memset(&seed, 0, sizeof seed);
    clock_gettime(CLOCK_MONOTONIC, &seed.now);
    seed.pid = getpid();
    seed.tid = gettid();
    seed.stack = &seed;
    seed.try = try;
    return base_hash64(&seed, sizeof seed, 0);
}

/* A new file of our own; its name into path. */
static int make_temporary(char path[PATH_MAX], const char *dir) {
    for (int try = 0; try < TEMP_TRIES; try++) {
        char name[CACHE_NAME_MAX];
        snprintf(name, sizeof name, ".new-%ld-%016llx", (long)getpid(), (unsigned long long)unlikely_number(try));
        if (!path_of(path, dir, name)) return errno = ENAMETOOLONG, -1;
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

static int write_all(int fd, const char *from, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t m = write(fd, from + done, n - done);
        if (m < 0 && errno == EINTR) continue;
        if (m < 0) return 0;
        done += (size_t)m;
    }
    return 1;
}

int cache_dir_publish(const char *dir, const char *name, const void *bytes, size_t n, cache_link *link_to,
                      char why[CACHE_WHY_MAX]) {
    char temporary[PATH_MAX], path[PATH_MAX];
    struct rlimit limit;
    int missing;
    if (!cache_dir_check(dir, &missing, why)) {
        if (!missing) return 0;
        if (!make_folders(dir)) {
            snprintf(why, CACHE_WHY_MAX, "cache folder %s cannot be made: %s", dir, strerror(errno));
            return 0;
        }
        if (!cache_dir_check(dir, &missing, why)) return 0;
    }
    /* Writing past this limit would be answered by a signal that ends the host. */
    if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY && n > limit.rlim_cur) {
        snprintf(why, CACHE_WHY_MAX, "cache folder %s: files may not be larger than %llu bytes", dir,
                 (unsigned long long)limit.rlim_cur);
        return 0;
    }
    int fd = path_of(path, dir, name) ? make_temporary(temporary, dir) : (errno = ENAMETOOLONG, -1);
    if (fd < 0) {
        snprintf(why, CACHE_WHY_MAX, "cache folder %s: %s", dir, strerror(errno));
        return 0;
    }
    int written = write_all(fd, bytes, n), error = errno;
    if (close(fd) && written) {
        written = 0;
        error = errno;
    }
    if (written && (link_to ? link_to : link)(temporary, path) && errno != EEXIST) {
        if (!rename(temporary, path)) return 1;
        written = 0;
        error = errno;
    }
    unlink(temporary);
    if (!written) snprintf(why, CACHE_WHY_MAX, "cache folder %s: an entry cannot be written: %s", dir, strerror(error));
    return written;
}

void cache_dir_remove(const char *dir, const char *name) {
    char path[PATH_MAX];
    if (path_of(path, dir, name)) unlink(path);
}
