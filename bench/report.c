/* Results as a table and as JSON. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void print_time(double seconds) {
    if (seconds < 1e-6) printf(" %8.1f ns", seconds * 1e9);
    else if (seconds < 1e-3) printf(" %8.2f us", seconds * 1e6);
    else printf(" %8.3f ms", seconds * 1e3);
}

void bench_print_head(void) {
    printf("%-18s %2s  %11s %11s  %11s %11s  %7s  %-22s %s\n", "case", "th", "median", "mean", "yardstick", "mean", "GB/s",
           "ratio and target", "");
}

void bench_print_row(const bench_result *r) {
    printf("%-18s %2d ", r->c->name, r->threads);
    if (*r->failure) {
        printf(" failed: %s\n", r->failure);
        fflush(stdout);
        return;
    }
    print_time(r->ours.median);
    print_time(r->ours.mean);
    printf(" ");
    print_time(r->yard.median);
    print_time(r->yard.mean);
    if (r->bytes > 0) printf("  %7.1f", r->bytes / r->ours.median * 1e-9);
    else printf("  %7s", "");
    char text[80];
    if (r->c->measure == BENCH_TIME) snprintf(text, sizeof text, "time x %.3f <= %.2f", r->ratio, r->c->limit);
    else if (r->c->measure == BENCH_SPEED) snprintf(text, sizeof text, "speed x %.3f >= %.2f", r->ratio, r->c->limit);
    else if (r->c->limit < 1e-6) snprintf(text, sizeof text, "%.0f ns <= %.0f ns", r->ratio * 1e9, r->c->limit * 1e9);
    else if (r->c->limit < 1e-3) snprintf(text, sizeof text, "%.2f us <= %.2f us", r->ratio * 1e6, r->c->limit * 1e6);
    else snprintf(text, sizeof text, "%.1f ms <= %.1f ms", r->ratio * 1e3, r->c->limit * 1e3);
    printf("  %-22s %s\n", text, r->met ? "met" : "missed");
    fflush(stdout);
}

static void write_stats(FILE *f, const char *name, const bench_stats *s) {
    fprintf(f, "\"%s\": {\"median\": %.9g, \"mean\": %.9g, \"least\": %.9g, \"steps\": %lld}", name, s->median, s->mean,
            s->least, (long long)s->steps);
}

/* Failure sentences may hold anything. */
static void write_text(FILE *f, const char *text) {
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', f);
        if ((unsigned char)*text < 32) fprintf(f, "\\u%04x", (unsigned)*text);
        else fputc(*text, f);
    }
    fputc('"', f);
}

static void write_machine(FILE *f) {
    char line[256], model[256] = "unknown";
    FILE *cpu = fopen("/proc/cpuinfo", "r");
    while (cpu && fgets(line, sizeof line, cpu))
        if (sscanf(line, "model name : %255[^\n]", model) == 1) break;
    if (cpu) fclose(cpu);
    fprintf(f, "  \"sinter\": \"%s\",\n  \"machine\": ", sn_version());
    write_text(f, model);
    fprintf(f, ",\n");
}

int bench_write_json(const char *path, const bench_result *r, size_t n) {
    static const char *const measure[] = {"time", "speed", "seconds"};
    FILE *f = strcmp(path, "-") ? fopen(path, "w") : stdout;
    if (!f) return 0;
    fprintf(f, "{\n");
    write_machine(f);
    fprintf(f, "  \"results\": [");
    for (size_t i = 0; i < n; i++, r++) {
        fprintf(f, "%s\n    {\"case\": \"%s\", \"threads\": %d, \"dtype\": \"%s\", ", i ? "," : "", r->c->name, r->threads,
                sn_dtype_name(r->c->dtype));
        if (*r->failure) {
            fprintf(f, "\"failure\": ");
            write_text(f, r->failure);
        } else {
            write_stats(f, "ours", &r->ours);
            fprintf(f, ", ");
            write_stats(f, "yardstick", &r->yard);
            fprintf(f, ", \"samples\": %d, \"bytes\": %.0f, \"error\": %.3g, \"by\": \"%s\", \"measure\": \"%s\", "
                       "\"ratio\": %.6g, \"limit\": %.6g, \"met\": %s",
                    r->samples, r->bytes, r->error, r->c->by_mean ? "mean" : "median", measure[r->c->measure], r->ratio,
                    r->c->limit, r->met ? "true" : "false");
        }
        fprintf(f, "}");
    }
    fprintf(f, "\n  ]\n}\n");
    int good = !ferror(f);
    return (f == stdout ? !fflush(f) : !fclose(f)) && good;
}
