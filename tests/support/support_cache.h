/* support_cache.h: a kernel cache of both levels over a backend that compiles to a text it can recognise, and folders
 * to keep it in. */
#ifndef SUPPORT_CACHE_H
#define SUPPORT_CACHE_H

#include "cache/memory.h"

enum { SUPPORT_PATH_MAX = 256 };

struct be_device {
    base_alloc *alloc;
    const char *target, *compiler;
    _Atomic int compiled, loaded, unloaded, wrong_loads;
    size_t blob_bytes; /* at least that many; 0: a few hundred */
};

typedef struct {
    base_alloc alloc;
    base_log log;
    char logged[1 << 16]; /* all messages, one a line */
    struct be_device dev;
    cache_disk_options options; /* may be changed before support_cache_start */
    cache_disk *disk;
    cache_memory *memory;
    base_trap err;
} support_cache;

/* A cache in that folder; _start opens it, which must work. support_cache_open does both. */
void support_cache_init(support_cache *c, const char *dir, sn_cache_mode mode);
void support_cache_start(support_cache *c);
void support_cache_open(support_cache *c, const char *dir, sn_cache_mode mode);
void support_cache_close(support_cache *c); /* nothing may leak, no wrong code may have been loaded */

/* Asks for the kernel y[i] = constant of that element type. The kernel is released at once, so it stays in memory. */
sn_status support_cache_get_as(support_cache *c, sn_dtype type, int constant, int *compiled);
sn_status support_cache_get(support_cache *c, int constant, int *compiled); /* f32 */
/* The same must work, in a cache of its own, opened for that: 1 if it was compiled. log gets what was logged. */
int support_cache_ask(const char *dir, sn_cache_mode mode, int constant, char *log, size_t log_bytes);
base_strbuf support_cache_kernel(sn_dtype type, int constant); /* the bytes; over an allocator that is never freed */

/* A new empty folder. */
void support_folder(char path[SUPPORT_PATH_MAX]);
void support_folder_remove(const char *path); /* with all that is in it */
/* Number of files whose names contain `part`, but for the counts of uses; the last one's path into path, unless NULL.
 */
int support_folder_count(const char *dir, const char *part, char path[SUPPORT_PATH_MAX]);
/* A file's bytes, to be freed; and writing them in place, which keeps the file. */
char *support_file(const char *path, size_t *n);
void support_file_write(const char *path, const void *bytes, size_t n);

#endif
