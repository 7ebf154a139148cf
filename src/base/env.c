/* The environment, read here and nowhere else. */
#define _GNU_SOURCE
#include "base/env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int is_path;
} vars[] = {
#define ROW(name, path, doc) {#name, path},
    BASE_ENV_MAP(ROW)
#undef ROW
};

const char *base_env(base_env_var var) {
    const char *value = vars[var].is_path ? secure_getenv(vars[var].name) : getenv(vars[var].name);
    return value && *value ? value : NULL;
}

int64_t base_env_int(base_env_var var, int64_t fallback) {
    const char *value = base_env(var);
    if (!value) return fallback;
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    return errno || *end ? fallback : n;
}

int base_env_has(base_env_var var, const char *word) {
    const char *value = base_env(var);
    size_t n = strlen(word);
    while (value && *value) {
        size_t len = strcspn(value, ",");
        if ((len == n && !memcmp(value, word, n)) || (len == 3 && !memcmp(value, "all", 3))) return 1;
        value += len + (value[len] == ',');
    }
    return 0;
}

const char *base_env_name(base_env_var var) { return vars[var].name; }
