/* Results as a table and as JSON. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *time_text(double seconds, char text[16]) {
    if (seconds < 1e-6)
        snprintf(text, 16, "%.1f ns", seconds * 1e9);
    else if (seconds < 1e-3)
        snprintf(text, 16, "%.2f us", seconds * 1e6);
    else
        snprintf(text, 16, "%.3f ms", seconds * 1e3);
    return text;
}

static const char *ratio_text(const bench_case *c, double ratio, char text[16]) {
    if (c->measure == BENCH_SECONDS) return time_text(ratio, text);
    snprintf(text, 16, "%s x %.3f", c->measure == BENCH_TIME ? "time" : "speed", ratio);
    return text;
}

static const char *yard_text(const bench_result *r, double seconds, char text[16]) {
    return r->yard.steps ? time_text(seconds, text) : "-";
}

void bench_print_head(void) {
    printf("%-16s %2s %11s %11s %11s %11s %6s  %-13s %-13s %s\n", "case", "th", "median", "mean", "yardstick", "mean",
           "GB/s", "ratio", "of the best", "target");
}

void bench_print_row(const bench_result *r) {
    char text[6][16], bandwidth[16] = "";
    const bench_case *c = r->c;
    if (*r->failure) {
        printf("%-16s %2d failed: %s\n", c->name, r->threads, r->failure);
    } else {
        if (r->bytes > 0) snprintf(bandwidth, sizeof bandwidth, "%.1f", r->bytes / r->ours.median * 1e-9);
        char target[40] = "no target";
        if (r->smaller)
            snprintf(target, sizeof target, "target is for full size");
        else if (c->limit > 0)
            snprintf(target, sizeof target, "%s %-14s %s",
                     c->measure == BENCH_SPEED ? ">=" : "<=", ratio_text(c, c->limit, text[0]),
                     r->met ? "met" : "missed");
        printf("%-16s %2d %11s %11s %11s %11s %6s  %-13s %-13s %s%s%s\n", c->name, r->threads,
               time_text(r->ours.median, text[0]), time_text(r->ours.mean, text[1]),
               yard_text(r, r->yard.median, text[2]), yard_text(r, r->yard.mean, text[3]), bandwidth,
               ratio_text(c, r->ratio, text[4]), ratio_text(c, r->best, text[5]), target, *r->note ? "; " : "",
               r->note);
    }
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
        if ((unsigned char)*text < 32)
            fprintf(f, "\\u%04x", (unsigned)*text);
        else
            fputc(*text, f);
    }
    fputc('"', f);
}

static void write_machine(FILE *f, const char *gpu) {
    char line[256], model[256] = "unknown";
    FILE *cpu = fopen("/proc/cpuinfo", "r");
    while (cpu && fgets(line, sizeof line, cpu))
        if (sscanf(line, "model name : %255[^\n]", model) == 1) break;
    if (cpu) fclose(cpu);
    fprintf(f, "  \"sinter\": \"%s\",\n  \"machine\": ", sn_version());
    write_text(f, model);
    if (gpu) fprintf(f, ",\n  \"device\": ");
    if (gpu) write_text(f, gpu);
    fprintf(f, ",\n");
}

int bench_write_json(const char *path, const char *gpu, const bench_result *r, size_t n) {
    static const char *const measure[] = {"time", "speed", "seconds"};
    FILE *f = strcmp(path, "-") ? fopen(path, "w") : stdout;
    if (!f) return 0;
    fprintf(f, "{\n");
    write_machine(f, gpu);
    fprintf(f, "  \"results\": [");
    for (size_t i = 0; i < n; i++, r++) {
        fprintf(f, "%s\n    {\"case\": \"%s\", \"threads\": %d, \"dtype\": \"%s\", ", i ? "," : "", r->c->name,
                r->threads, sn_dtype_name(r->c->dtype));
        if (*r->failure) {
            fprintf(f, "\"failure\": ");
            write_text(f, r->failure);
        } else {
            write_stats(f, "ours", &r->ours);
            if (r->yard.steps) {
                fprintf(f, ", ");
                write_stats(f, "yardstick", &r->yard);
            }
            if (r->size) fprintf(f, ", \"size\": %lld", (long long)r->size);
            if (*r->note) {
                fprintf(f, ", \"note\": ");
                write_text(f, r->note);
            }
            fprintf(f,
                    ", \"samples\": %d, \"bytes\": %.0f, \"error\": %.3g, \"by\": \"%s\", \"measure\": \"%s\", "
                    "\"ratio\": %.6g, \"best\": %.6g, \"limit\": %.6g, \"met\": %s",
                    r->samples, r->bytes, r->error, r->c->by_mean ? "mean" : "median", measure[r->c->measure], r->ratio,
                    r->best, r->c->limit,
                    r->smaller ? "null"
                    : r->met   ? "true"
                               : "false");
        }
        fprintf(f, "}");
    }
    fprintf(f, "\n  ]\n}\n");
    int good = !ferror(f);
    return (f == stdout ? !fflush(f) : !fclose(f)) && good;
}

/* One line a case: the median, the yardstick's, bandwidth, the ratio and what it should be. */
int bench_write_markdown(const char *path, const char *gpu, const bench_result *r, size_t n) {
    FILE *f = fopen(path, "w");
    if (!f) return 0;
    if (gpu) fprintf(f, "%s, Sinter %s.\n\n", gpu, sn_version());
    fprintf(f, "| case | a step | of | compared | GB/s | ratio | target | |\n|---|---:|---|---:|---:|---:|---:|---|\n");
    for (size_t i = 0; i < n; i++, r++) {
        char text[4][16], bandwidth[16] = "";
        const bench_case *c = r->c;
        if (*r->failure) {
            fprintf(f, "| `%s` | | | | | | | failed: %s |\n", c->name, r->failure);
            continue;
        }
        if (r->bytes > 0) snprintf(bandwidth, sizeof bandwidth, "%.0f", r->bytes / r->ours.median * 1e-9);
        fprintf(f, "| `%s` | %s | %s%s%s | %s | %s | %s |", c->name, time_text(r->ours.median, text[0]),
                c->yardstick ? c->yardstick : "nothing", *r->note ? "; " : "", r->note,
                yard_text(r, r->yard.median, text[1]), bandwidth, ratio_text(c, r->ratio, text[2]));
        if (c->limit > 0 && !r->smaller)
            fprintf(f, " %s %s | %s |\n", c->measure == BENCH_SPEED ? ">=" : "<=", ratio_text(c, c->limit, text[3]),
                    r->met ? "met" : "missed");
        else
            fprintf(f, " | |\n");
    }
    return !fclose(f);
}
