/* In: the context's options and the environment. Out: mode, folder and budget. Options win. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "cache/disk.h"

static const uint64_t default_max = 256u << 20;

static sn_status choose_mode(sn_cache_mode asked, sn_cache_mode *out, base_trap *err) {
    static const char *const words[] = {[SN_CACHE_OFF] = "off",
                                        [SN_CACHE_RO] = "ro",
                                        [SN_CACHE_RW] = "rw",
                                        [SN_CACHE_STRICT] = "strict",
                                        [SN_CACHE_ONLY] = "only"};
    if ((unsigned)asked > SN_CACHE_ONLY)
        return base_set_error(err, SN_ERR_ARGUMENT, "there is no cache mode number %d", (int)asked);
    *out = asked ? asked : SN_CACHE_RW;
    const char *word = base_env(BASE_ENV_SINTER_CACHE);
    if (asked || !word) return SN_OK;
    for (unsigned i = SN_CACHE_OFF; i <= SN_CACHE_ONLY; i++) {
        if (strcmp(word, words[i])) continue;
        *out = (sn_cache_mode)i;
        return SN_OK;
    }
    return base_set_error(err, SN_ERR_ARGUMENT, "SINTER_CACHE is '%.100s', expected off, ro, rw, strict or only", word);
}

/* Bytes, or with a suffix K, M or G. */
static sn_status choose_max(uint64_t *out, base_trap *err) {
    *out = default_max;
    const char *text = base_env(BASE_ENV_SINTER_CACHE_MAX);
    if (!text) return SN_OK;
    static const char suffixes[] = "KMG";
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    const char *suffix = *end ? strchr(suffixes, *end) : NULL;
    unsigned shift = suffix ? 10u * (unsigned)(suffix - suffixes + 1) : 0;
    if (errno || end == text || *text == '-' || (*end && (!suffix || end[1])) || n > (UINT64_MAX >> shift))
        return base_set_error(err, SN_ERR_ARGUMENT,
                              "SINTER_CACHE_MAX is '%.100s', expected a number of bytes, as in 500000 or 64M", text);
    *out = (uint64_t)n << shift;
    return SN_OK;
}

/* dir[/tail], made absolute, so that the host may change its folder. */
static int put_dir(cache_disk_options *o, const char *dir, const char *tail) {
    char here[CACHE_PATH_MAX] = "";
    if (*dir != '/' && !getcwd(here, sizeof here)) {
        o->no_dir = "the current folder has no name";
        return 0;
    }
    int n = snprintf(o->dir, sizeof o->dir, "%s%s%s%s", here, *here ? "/" : "", dir, tail);
    if (n > 0 && (size_t)n < sizeof o->dir - CACHE_NAME_MAX) return 1;
    o->dir[0] = 0;
    o->no_dir = "its path is too long";
    return 0;
}

sn_status cache_disk_choose(const sn_context_options *given, cache_disk_options *out, base_trap *err) {
    memset(out, 0, sizeof *out);
    out->store = given->store;
    out->bundle = given->cache_bundle;
    if (choose_mode(given->cache_mode, &out->mode, err) || choose_max(&out->max_bytes, err)) return err->status;
    if (out->store && !out->store->get)
        return base_set_error(err, SN_ERR_ARGUMENT, "a store for kernels needs a function get");
    const char *dir = given->cache_dir && *given->cache_dir ? given->cache_dir : base_env(BASE_ENV_SINTER_CACHE_DIR);
    const char *xdg = base_env(BASE_ENV_XDG_CACHE_HOME), *home = base_env(BASE_ENV_HOME);
    if (dir)
        put_dir(out, dir, "");
    else if (xdg && *xdg == '/') /* anything else is to be ignored, says the specification */
        put_dir(out, xdg, "/sinter");
    else if (home && *home == '/')
        put_dir(out, home, "/.cache/sinter");
    else
        out->no_dir = "none of SINTER_CACHE_DIR, XDG_CACHE_HOME and HOME is set";
    return SN_OK;
}
