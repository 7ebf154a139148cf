/* The environment, read here and nowhere else. */
#define _GNU_SOURCE
#include "base/env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int is_path;
    const char *words;
} vars[] = {
#define ROW(name, path, words) {#name, path, words},
    BASE_ENV_MAP(ROW)
#undef ROW
};

const char *base_env(base_env_var var) {
    const char *value = vars[var].is_path ? secure_getenv(vars[var].name) : getenv(vars[var].name);
    return value && *value ? value : NULL;
}

static int read_int(const char *value, int64_t *n) {
    char *end;
    errno = 0;
    *n = strtoll(value, &end, 10);
    return !errno && !*end;
}

int64_t base_env_int(base_env_var var, int64_t fallback) {
    const char *value = base_env(var);
    int64_t n;
    return value && read_int(value, &n) ? n : fallback;
}

/* Is the word of n bytes one of the list's? */
static int has(const char *list, const char *word, size_t n) {
    while (*list) {
        size_t len = strcspn(list, ",");
        if (len == n && !memcmp(list, word, n)) return 1;
        list += len + (list[len] == ',');
    }
    return 0;
}

int base_env_has(base_env_var var, const char *word) {
    const char *value = base_env(var);
    return value && (has(value, word, strlen(word)) || has(value, "all", 3));
}

int base_env_wrong(base_env_var var, char *text, size_t size) {
    const char *value = base_env(var), *words = vars[var].words;
    if (!value || !words) return 0;
    int64_t n;
    if (!strcmp(words, "#")) {
        if (read_int(value, &n)) return 0;
        snprintf(text, size, "%s is '%.100s', expected a number: it is ignored", vars[var].name, value);
        return 1;
    }
    while (*value) {
        size_t len = strcspn(value, ",");
        if (!has(words, value, len)) {
            snprintf(text, size, "%s: '%.*s' is none of %s: it is ignored", vars[var].name,
                     (int)(len < 100 ? len : 100), value, words);
            return 1;
        }
        value += len + (value[len] == ',');
    }
    return 0;
}
