/* Threads to use: the affinity mask, cut by the cgroup's CPU quota. A quota may stand at the process's group or at any
 * group above it, and inside a container the group's path may be one that only the host can see: every prefix of the
 * path is looked at, those that do not exist count for nothing. */
#define _GNU_SOURCE
#include "jit_cpu/cores.h"

#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PATH_TEXT = 4096 };

/* The file's start as text; 0 if it cannot be read. */
static int read_text(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    size_t n = 0;
    for (ssize_t got; n < size - 1 && (got = read(fd, text + n, size - 1 - n)) > 0;) n += (size_t)got;
    close(fd);
    text[n] = 0;
    return n > 0;
}

static int whole_cores(long long quota, long long period) {
    if (quota <= 0 || period <= 0) return 0;
    long long cores = quota / period + (quota % period != 0);
    return cores > 1 << 20 ? 1 << 20 : (int)cores;
}

/* One group directory: cpu.max (version 2) holds "max 100000" or "150000 100000", the version 1 files a number each. */
static int quota_of(const char *dir) {
    char path[MAX_PATH_TEXT + 64], text[128];
    snprintf(path, sizeof path, "%s/cpu.max", dir);
    if (read_text(path, text, sizeof text)) {
        char *end;
        long long quota = strtoll(text, &end, 10);
        return end == text ? 0 : whole_cores(quota, strtoll(end, NULL, 10));
    }
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
    if (!read_text(path, text, sizeof text)) return 0;
    long long quota = strtoll(text, NULL, 10);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
    return read_text(path, text, sizeof text) ? whole_cores(quota, strtoll(text, NULL, 10)) : 0;
}

/* The least quota of a group and the groups above it. */
static int least_quota(const char *mount, const char *group) {
    char dir[MAX_PATH_TEXT];
    int n = snprintf(dir, sizeof dir, "%s%s", mount, group), least = 0;
    if (n < 0 || n >= (int)sizeof dir) return 0;
    for (size_t top = strlen(mount);;) {
        int quota = quota_of(dir);
        if (quota && (!least || quota < least)) least = quota;
        if (strlen(dir) <= top) return least;
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < top) return least;
        *slash = 0;
    }
}

static int has_word(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == n && !memcmp(p, word, n)) return 1;
    return 0;
}

int cpu_cores_quota(const char *membership, const char *root) {
    char text[16384], mount[MAX_PATH_TEXT / 2];
    if (!read_text(membership, text, sizeof text)) return 0;
    int least = 0;
    for (char *line = text, *next; line && *line; line = next) { /* number:controllers:path */
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
        if (!group) continue;
        *list++ = 0;
        *group++ = 0;
        int quota = 0;
        if (!*list)
            quota = least_quota(root, group);
        else if (has_word(list, "cpu")) {
            snprintf(mount, sizeof mount, "%s/%s", root, list);
            quota = least_quota(mount, group);
            if (!quota) {
                snprintf(mount, sizeof mount, "%s/cpu", root);
                quota = least_quota(mount, group);
            }
        }
        if (quota && (!least || quota < least)) least = quota;
    }
    return least;
}

int cpu_cores(void) {
    cpu_set_t set[8]; /* 8192 processors: the call fails where the mask is smaller than the kernel's */
    int cores =
        sched_getaffinity(0, sizeof set, set) ? (int)sysconf(_SC_NPROCESSORS_ONLN) : CPU_COUNT_S(sizeof set, set);
    int quota = cpu_cores_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    if (quota && quota < cores) cores = quota;
    return cores < 1 ? 1 : cores;
}
