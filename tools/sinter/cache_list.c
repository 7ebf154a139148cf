/* The entries of the cache's folder in a table or as JSON, and their sums. The table's columns are as wide as what is
 * in them; colours are for terminals that have them. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache.h"
#include "tool.h"

static double compile_ms(const cache_item *item) {
    char ms[32];
    cache_item_meta(item, "compile_ms", ms, sizeof ms);
    return strtod(ms, NULL);
}

static const char *target_of(const cache_item *item) {
    return item->wrong ? "" : item->entry.key + item->entry.kernel_bytes;
}

static void put_date(const cache_item *item, char *text, size_t size) {
    struct tm t;
    if (!gmtime_r(&item->used, &t) || !strftime(text, size, "%Y-%m-%d", &t)) snprintf(text, size, "?");
}

/* ---- orders ------------------------------------------------------------------------------------------------------ */

static int by_key(const void *a, const void *b) {
    return strcmp(((const cache_item *)a)->name, ((const cache_item *)b)->name);
}

static int by_use(const void *a, const void *b) {
    const cache_item *x = a, *y = b;
    return x->used != y->used ? (x->used > y->used ? -1 : 1) : by_key(a, b);
}

static int by_size(const void *a, const void *b) {
    const cache_item *x = a, *y = b;
    return x->n != y->n ? (x->n > y->n ? -1 : 1) : by_key(a, b);
}

static int by_hits(const void *a, const void *b) {
    const cache_item *x = a, *y = b;
    return x->hit.hits != y->hit.hits ? (x->hit.hits > y->hit.hits ? -1 : 1) : by_key(a, b);
}

static int by_ms(const void *a, const void *b) {
    double x = compile_ms(a), y = compile_ms(b);
    return x > y ? -1 : x < y ? 1 : by_key(a, b);
}

static int by_name(const void *a, const void *b) {
    char x[256], y[256];
    cache_item_meta(a, "name", x, sizeof x);
    cache_item_meta(b, "name", y, sizeof y);
    int order = strcmp(x, y);
    return order ? order : by_key(a, b);
}

static const struct {
    const char *word;
    int (*order)(const void *a, const void *b);
} orders[] = {{"used", by_use},  {"size", by_size}, {"ms", by_ms},
              {"hits", by_hits}, {"name", by_name}, {"key", by_key}};
enum { N_ORDERS = sizeof orders / sizeof *orders };

/* ---- the table --------------------------------------------------------------------------------------------------- */

enum { KEY, BYTES, HITS, MS, USED, TYPES, TARGET, NAME, N_COLUMNS, CELL = 256 };
static const struct {
    const char *head;
    int right;
} columns[N_COLUMNS] = {{"key", 0},  {"bytes", 1}, {"hits", 1},   {"compile ms", 1},
                        {"used", 0}, {"types", 0}, {"target", 0}, {"name", 0}};

static void put_cell(const cache_item *item, int column, char text[CELL]) {
    const char *target = target_of(item);
    *text = 0;
    switch (column) {
        case KEY: snprintf(text, CELL, "%.12s", item->name); break;
        case BYTES: snprintf(text, CELL, "%zu", item->n); break;
        case HITS: snprintf(text, CELL, "%llu", (unsigned long long)item->hit.hits); break;
        case MS: snprintf(text, CELL, "%.2f", compile_ms(item)); break;
        case USED: put_date(item, text, CELL); break;
        case TYPES: cache_item_types(item, text, CELL); break;
        case TARGET: snprintf(text, CELL, "%.*s", (int)strcspn(target, ";"), target); break;
        default:
            if (item->wrong)
                snprintf(text, CELL, "%s", item->wrong);
            else
                cache_item_meta(item, "name", text, CELL);
    }
}

int cache_has_colours(void) {
    const char *term = getenv("TERM"), *refused = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") && !(refused && *refused);
}

/* The last column is as long as it is: no line ends in spaces. */
static void print_row(const int width[N_COLUMNS], char cell[N_COLUMNS][CELL], const char *const colour[N_COLUMNS]) {
    for (int c = 0; c < N_COLUMNS; c++) {
        int wide = c == N_COLUMNS - 1 ? 0 : columns[c].right ? width[c] : -width[c];
        printf("%s%s%*s%s", c ? "  " : "", colour[c] ? colour[c] : "", wide, cell[c], colour[c] ? "\033[0m" : "");
    }
    putchar('\n');
}

static void print_table(const cache_list *l, const char *glob) {
    char cell[N_COLUMNS][CELL];
    int width[N_COLUMNS], rows = 0, coloured = cache_has_colours();
    const char *colour[N_COLUMNS];
    for (int c = 0; c < N_COLUMNS; c++) width[c] = (int)strlen(columns[c].head);
    for (size_t i = 0; i < l->n; i++) {
        if (!cache_item_fits(&l->at[i], glob)) continue;
        rows++;
        for (int c = 0; c < N_COLUMNS; c++) {
            put_cell(&l->at[i], c, cell[c]);
            if ((int)strlen(cell[c]) > width[c]) width[c] = (int)strlen(cell[c]);
        }
    }
    if (!rows) return;
    for (int c = 0; c < N_COLUMNS; c++) {
        snprintf(cell[c], CELL, "%s", columns[c].head);
        colour[c] = coloured ? "\033[1m" : NULL;
    }
    print_row(width, cell, colour);
    for (size_t i = 0; i < l->n; i++) {
        if (!cache_item_fits(&l->at[i], glob)) continue;
        for (int c = 0; c < N_COLUMNS; c++) {
            put_cell(&l->at[i], c, cell[c]);
            colour[c] = NULL;
        }
        if (coloured) {
            colour[KEY] = "\033[36m";
            if (!l->at[i].hit.hits) colour[HITS] = "\033[2m";
            if (l->at[i].wrong) colour[NAME] = "\033[31m";
        }
        print_row(width, cell, colour);
    }
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void print_field(const char *name, const char *text) {
    printf(", \"%s\": ", name);
    cache_json_string(text, strlen(text));
}

static void print_json(const cache_list *l, const char *glob) {
    char text[CELL];
    int first = 1;
    printf("[");
    for (size_t i = 0; i < l->n; i++) {
        const cache_item *item = &l->at[i];
        if (!cache_item_fits(item, glob)) continue;
        printf("%s\n  {\"key\": \"%.32s\", \"bytes\": %zu, \"hits\": %llu, \"misses\": %llu, \"compile_ms\": %.3f",
               first ? "" : ",", item->name, item->n, (unsigned long long)item->hit.hits,
               (unsigned long long)item->hit.misses, compile_ms(item));
        put_date(item, text, sizeof text);
        print_field("used", text);
        cache_item_types(item, text, sizeof text);
        print_field("types", text);
        print_field("target", target_of(item));
        cache_item_meta(item, "name", text, sizeof text);
        print_field("name", text);
        cache_item_meta(item, "function", text, sizeof text);
        print_field("function", text);
        print_field("wrong", item->wrong ? item->wrong : "");
        printf("}");
        first = 0;
    }
    printf("\n]\n");
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

int cache_ls(cache_list *l, const char *glob, const char *sort) {
    size_t i = 0;
    while (i < N_ORDERS && sort && strcmp(orders[i].word, sort)) i++;
    if (i == N_ORDERS)
        return tool_fail("cache", "entries are sorted by used, size, ms, hits, name or key, not by %s", sort);
    if (l->n) qsort(l->at, l->n, sizeof *l->at, orders[i].order);
    if (l->json)
        print_json(l, glob);
    else
        print_table(l, glob);
    return 0;
}

int cache_stats(const cache_list *l, const char *glob) {
    unsigned long long entries = 0, bytes = 0, damaged = 0, hits = 0, misses = 0;
    double ms = 0, saved_ms = 0;
    for (size_t i = 0; i < l->n; i++) {
        const cache_item *item = &l->at[i];
        if (!cache_item_fits(item, glob)) continue;
        entries++;
        bytes += item->n;
        ms += compile_ms(item);
        damaged += item->wrong != NULL;
        hits += item->hit.hits;
        misses += item->hit.misses;
        saved_ms += (double)item->hit.saved_us * 1e-3;
    }
    if (!glob) { /* also those of entries that are gone */
        hits = misses = 0;
        saved_ms = 0;
        for (size_t i = 0; i < l->hits.n; i++) {
            hits += l->hits.at[i].hits;
            misses += l->hits.at[i].misses;
            saved_ms += (double)l->hits.at[i].saved_us * 1e-3;
        }
    }
    if (l->json) {
        printf("{\"dir\": ");
        cache_json_string(l->dir, strlen(l->dir));
        printf(", \"entries\": %llu, \"bytes\": %llu, \"damaged\": %llu, \"hits\": %llu, \"misses\": %llu, "
               "\"compile_ms\": %.3f, \"saved_ms\": %.3f}\n",
               entries, bytes, damaged, hits, misses, ms, saved_ms);
        return 0;
    }
    int coloured = cache_has_colours();
    const char *name = coloured ? "\033[1m" : "", *bad = coloured && damaged ? "\033[31m" : "",
               *end = coloured ? "\033[0m" : "";
    printf("%sfolder%s      %s\n%sentries%s     %llu\n%sbytes%s       %llu\n%sdamaged%s     %s%llu%s\n", name, end,
           l->dir, name, end, entries, name, end, bytes, name, end, bad, damaged, end);
    printf("%shits%s        %llu\n%smisses%s      %llu\n%scompiling%s   %.1f ms\n%ssaved%s       %.1f ms\n", name, end,
           hits, name, end, misses, name, end, ms, name, end, saved_ms);
    return 0;
}
