/* The profile: time, memory traffic and arithmetic of every step since the function was made, as a table and as JSON.
 * Times are means over the timed runs (all of a call's first ones, then a sample); bytes and flops are the compiler's
 * estimates at the last dims. On a device with memory of its own times are the device's, and there is a sum of what all
 * runs have sent across the bus and started. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>

#include "runtime/call.h"

typedef struct {
    const char *kind, *name;
    uint64_t samples, ns, bytes, flops;
} row;

/* Sums over the calls that live and those that are gone. Under the function's lock. */
static row row_of(const sn_function *f, uint32_t which, uint32_t i) {
    static const char *const kinds[] = {[PG_LAUNCH] = "launch", [PG_GEMM] = "matmul", [PG_COPY] = "copy"};
    const rt_plan *plan = &f->plan[which];
    const pg_step *step = &plan->program->step[i];
    row r = {.kind = kinds[step->kind],
             .name = step->name ? step->name : "",
             .samples = atomic_load_explicit(&plan->retired[i].samples, memory_order_relaxed),
             .ns = atomic_load_explicit(&plan->retired[i].ns, memory_order_relaxed),
             .bytes = plan->last_traffic[i],
             .flops = plan->last_flops[i]};
    for (const sn_call *call = f->calls; call; call = call->next) {
        const rt_count *count = &call->plan[which].count[i];
        r.samples += atomic_load_explicit(&count->samples, memory_order_relaxed);
        r.ns += atomic_load_explicit(&count->ns, memory_order_relaxed);
    }
    return r;
}

static uint64_t runs_of(const sn_function *f) {
    uint64_t runs = f->retired_runs;
    for (const sn_call *call = f->calls; call; call = call->next)
        runs += atomic_load_explicit(&call->runs, memory_order_relaxed);
    return runs;
}

typedef struct {
    uint64_t in, out, launches, replays;
} bus_totals;

static bus_totals bus_of(const sn_function *f) {
    const rt_bus *gone = &f->retired_bus;
    bus_totals sum = {gone->in, gone->out, gone->launches, gone->replays};
    for (const sn_call *call = f->calls; call; call = call->next) {
        sum.in += call->bus.in;
        sum.out += call->bus.out;
        sum.launches += call->bus.launches;
        sum.replays += call->bus.replays;
    }
    return sum;
}

static double mean_us(const row *r) { return r->samples ? (double)r->ns / (double)r->samples * 1e-3 : 0; }

/* Units of 1e9 per second. */
static double rate(uint64_t amount, double us) { return us > 0 ? (double)amount / us * 1e-3 : 0; }

static void put_table(const sn_function *f, uint32_t which, base_strbuf *out) {
    double total = 0;
    for (uint32_t i = 0; i < f->plans.at[which]->n_step; i++) {
        row r = row_of(f, which, i);
        double us = mean_us(&r);
        total += us;
        base_strbuf_printf(out, "%4u  %-6s %12.3f %12" PRIu64 " %8.2f %12" PRIu64 " %8.2f  %s\n", (unsigned)i, r.kind,
                           us, r.bytes, rate(r.bytes, us), r.flops, rate(r.flops, us), r.name);
    }
    base_strbuf_printf(out, "%4s  %-6s %12.3f\n", "all", "", total);
}

void rt_profile_text(sn_function *f, base_strbuf *out) {
    pthread_mutex_lock(&f->lock);
    const uint64_t runs = runs_of(f);
    base_strbuf_printf(out, "function \"%s\": %" PRIu64 " call%s\n", f->name, runs, base_s(runs));
    base_strbuf_printf(out, "%4s  %-6s %12s %12s %8s %12s %8s  %s\n", "step", "kind", "mean us", "bytes", "GB/s",
                       "flops", "GF/s", "name");
    for (uint32_t which = 0; which < f->plans.n; which++) {
        rt_put_plan(f, which, out);
        put_table(f, which, out);
    }
    if (f->ctx->backend->remote) {
        bus_totals bus = bus_of(f);
        base_strbuf_printf(out,
                           "to the device %" PRIu64 " byte%s, from it %" PRIu64 "; %" PRIu64 " launch%s, %" PRIu64
                           " graph launch%s\n",
                           bus.in, base_s(bus.in), bus.out, bus.launches, bus.launches == 1 ? "" : "es", bus.replays,
                           bus.replays == 1 ? "" : "es");
    }
    pthread_mutex_unlock(&f->lock);
}

static void put_json_string(const char *text, base_strbuf *out) {
    base_strbuf_puts(out, "\"");
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            base_strbuf_printf(out, "\\%c", *c);
        else if (*c < 0x20)
            base_strbuf_printf(out, "\\u%04x", *c);
        else
            base_strbuf_add(out, c, 1);
    }
    base_strbuf_puts(out, "\"");
}

/* Where there are several plans, the step says to which it belongs. */
static void put_json_step(const sn_function *f, uint32_t which, uint32_t i, const char *comma, base_strbuf *out) {
    row r = row_of(f, which, i);
    base_strbuf_printf(out, "%s\n  {", comma);
    if (f->plans.n > 1) {
        base_strbuf text;
        base_strbuf_init(&text, &f->ctx->alloc);
        pg_print_assumption(f->plans.at[which], &text);
        base_strbuf_puts(out, "\"plan\": ");
        put_json_string(text.at ? text.at : "", out);
        base_strbuf_puts(out, ", ");
        out->failed |= text.failed;
        base_strbuf_free(&text);
    }
    base_strbuf_printf(out, "\"kind\": \"%s\", \"name\": ", r.kind);
    put_json_string(r.name, out);
    base_strbuf_printf(out,
                       ", \"timed\": %" PRIu64 ", \"ns\": %" PRIu64 ", \"mean_us\": %.3f, \"bytes\": %" PRIu64
                       ", \"flops\": %" PRIu64 "}",
                       r.samples, r.ns, mean_us(&r), r.bytes, r.flops);
}

void rt_profile_json(sn_function *f, base_strbuf *out) {
    pthread_mutex_lock(&f->lock);
    base_strbuf_puts(out, "{\"function\": ");
    put_json_string(f->name, out);
    base_strbuf_printf(out, ", \"calls\": %" PRIu64 ", \"arena_bytes\": %zu", runs_of(f),
                       f->plan[f->last_plan].last_arena);
    if (f->ctx->backend->remote) {
        bus_totals bus = bus_of(f);
        base_strbuf_printf(out,
                           ", \"bytes_to_device\": %" PRIu64 ", \"bytes_from_device\": %" PRIu64
                           ", \"launches\": %" PRIu64 ", \"graph_launches\": %" PRIu64,
                           bus.in, bus.out, bus.launches, bus.replays);
    }
    base_strbuf_puts(out, ", \"steps\": [");
    const char *comma = "";
    for (uint32_t k = 0; k < f->plans.n; k++)
        for (uint32_t i = 0; i < f->plans.at[k]->n_step; i++, comma = ",") put_json_step(f, k, i, comma, out);
    base_strbuf_puts(out, "]}\n");
    pthread_mutex_unlock(&f->lock);
}
