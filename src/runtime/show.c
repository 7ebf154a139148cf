/* Looking inside a function: every view of sn_show as text. The same state gives the same text, except for the times of
 * the profile. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <string.h>

#include "runtime/function.h"

static void put_dim(const pg_program *p, const pg_dim *dim, base_strbuf *out) {
    if (dim->poly) ir_print_dim(p->graph, dim->poly, out);
    if (dim->step < 0) {
        if (!dim->poly) base_strbuf_puts(out, "1");
        return;
    }
    base_strbuf_printf(out, "%schunks(%d.%u)", dim->poly ? " * " : "", (int)dim->step, (unsigned)dim->part);
}

static void put_ref(const pg_program *p, pg_ref ref, base_strbuf *out) {
    switch ((pg_space)ref.space) {
        case PG_INPUT: base_strbuf_puts(out, p->graph->input_name.at[ref.index]); return;
        case PG_OUTPUT: base_strbuf_printf(out, "out%u", (unsigned)ref.index); return;
        case PG_VAR: base_strbuf_puts(out, p->graph->var.at[ref.index].name); return;
        case PG_TEMP: base_strbuf_printf(out, "t%u", (unsigned)ref.index); return;
        case PG_NONE: base_strbuf_puts(out, "-"); return;
    }
}

static void put_launch(const pg_program *p, const pg_step *step, base_strbuf *out) {
    const kn_kernel *k = step->kernel;
    base_strbuf_printf(out, "launch %s (", step->name);
    for (uint32_t i = 0, n = 0; i < k->n_mem; i++) {
        if (step->mem[i].space == PG_NONE) continue;
        static const char *const marks[] = {
            [KN_IN] = "", [KN_OUT] = ">", [KN_INOUT] = "<>", [KN_ROW] = "", [KN_PART] = ">"};
        base_strbuf_printf(out, "%s%s", n++ ? ", " : "", marks[k->mem[i].space]);
        put_ref(p, step->mem[i], out);
    }
    base_strbuf_puts(out, ")");
    for (uint32_t i = 0; i < k->n_dim; i++) {
        base_strbuf_puts(out, i ? ", " : " dims ");
        put_dim(p, &step->dim[i], out);
    }
    for (uint32_t i = 0; i < k->n_scalar; i++)
        base_strbuf_printf(out, "%s0x%" PRIx64, i ? ", " : " scalars ", step->scalar[i]);
}

static void put_step(const sn_function *f, const rt_plan *plan, uint32_t i, base_strbuf *out) {
    const pg_program *p = plan->program;
    const pg_step *step = &p->step[i];
    int64_t one;
    base_strbuf_printf(out, "%3u  ", (unsigned)i);
    switch ((pg_kind)step->kind) {
        case PG_LAUNCH: put_launch(p, step, out); break;
        case PG_GEMM:
            base_strbuf_printf(out, "matmul %s ", sn_dtype_name(step->dtype));
            put_ref(p, step->c, out);
            base_strbuf_puts(out, "[");
            if (!ir_dim_is_const(p->graph, step->batch.poly, &one) || one != 1) {
                put_dim(p, &step->batch, out);
                base_strbuf_puts(out, ",");
            }
            put_dim(p, &step->m, out);
            base_strbuf_puts(out, ",");
            put_dim(p, &step->n, out);
            base_strbuf_puts(out, "] = ");
            put_ref(p, step->a, out);
            base_strbuf_puts(out, step->trans_a ? "^T x " : " x ");
            put_ref(p, step->b, out);
            base_strbuf_puts(out, step->trans_b ? "^T over " : " over ");
            put_dim(p, &step->k, out);
            if (step->row.space != PG_NONE) {
                base_strbuf_puts(out, ", + ");
                put_ref(p, step->row, out);
            }
            if (step->relu) base_strbuf_puts(out, ", relu");
            break;
        case PG_COPY:
            base_strbuf_puts(out, "copy ");
            put_ref(p, step->a, out);
            base_strbuf_puts(out, " to ");
            put_ref(p, step->c, out);
            base_strbuf_printf(out, ", %s[", sn_dtype_name(step->dtype));
            put_dim(p, &step->m, out);
            base_strbuf_puts(out, "]");
            break;
    }
    if (plan->has_last)
        base_strbuf_printf(out, "  # %" PRIu64 " bytes, %" PRIu64 " flops", plan->last_traffic[i], plan->last_flops[i]);
    double split_ns = f->ctx->backend->split_ns;
    if (plan->has_last && split_ns > 0 && step->kind == PG_LAUNCH)
        base_strbuf_printf(out, ", about %.3g us: %s", plan->last_ns[i] * 1e-3,
                           plan->last_ns[i] > split_ns ? "shared among threads" : "one thread");
    base_strbuf_puts(out, "\n");
}

/* Steps, temporaries, and their places at the dims of the last call that met new ones. Under the lock. */
static void put_program(const sn_function *f, const rt_plan *plan, base_strbuf *out) {
    const pg_program *p = plan->program;
    base_strbuf_printf(out, "program \"%s\": %u step%s, %u temporar%s\n", f->name, (unsigned)p->n_step,
                       base_s(p->n_step), (unsigned)p->n_temp, base_ies(p->n_temp));
    for (uint32_t i = 0; i < p->n_step; i++) put_step(f, plan, i, out);
    for (uint32_t i = 0; i < p->n_temp; i++) {
        const pg_temp *t = &p->temp[i];
        base_strbuf_printf(out, "t%u  %s %s[", (unsigned)i, t->name ? t->name : "", sn_dtype_name(t->dtype));
        put_dim(p, &t->count, out);
        base_strbuf_printf(out, "] in steps %u to %u", (unsigned)t->first, (unsigned)t->last);
        if (plan->has_last) base_strbuf_printf(out, "  # %zu bytes at %zu", plan->last_bytes[i], plan->last_offset[i]);
        base_strbuf_puts(out, "\n");
    }
    if (plan->has_last) {
        base_strbuf_printf(out, "arena %zu bytes", plan->last_arena);
        for (uint32_t i = 0; i < f->n_solve; i++)
            base_strbuf_printf(out, "%s%s = %" PRId64, i ? ", " : " with ", f->graph.dim_name.at[f->solve[i].name],
                               plan->last_names[f->solve[i].name]);
        base_strbuf_puts(out, "\n");
    } else {
        base_strbuf_puts(out, "not called yet: no sizes\n");
    }
}

static void put_kernels(const pg_program *p, base_strbuf *out) {
    for (uint32_t i = 0; i < p->n_step; i++) {
        const pg_step *step = &p->step[i];
        if (step->kind != PG_LAUNCH) continue;
        base_strbuf_printf(out, "kernel %s (step %u)\n", step->name, (unsigned)i);
        pg_namer namer = {p->graph, step->kernel};
        kn_print_named(step->kernel, pg_name_instruction, &namer, out);
    }
}

static sn_status put_code(sn_function *f, const pg_program *p, const char *what, base_strbuf *out, base_trap *err) {
    const be_backend *backend = f->ctx->backend;
    for (uint32_t i = 0; i < p->n_step; i++) {
        const pg_step *step = &p->step[i];
        if (step->kind != PG_LAUNCH) continue;
        base_strbuf_printf(out, "; %s of kernel %s (step %u)\n", what, step->name, (unsigned)i);
        if (backend->source && !strcmp(what, backend->texts[0])) {
            pg_namer namer = {p->graph, step->kernel};
            sn_status failed = backend->source(&f->ctx->alloc, step->kernel, pg_name_instruction, &namer, out, err);
            if (failed) return failed;
            continue;
        }
        base_strbuf bytes;
        base_strbuf_init(&bytes, &f->ctx->alloc);
        kn_encode(step->kernel, &bytes);
        sn_status status = bytes.failed ? base_set_error(err, SN_ERR_NOMEM, "out of memory for the bytes of a kernel")
                                        : backend->text(f->ctx->device, bytes.at, bytes.n, what, out, err);
        base_strbuf_free(&bytes);
        if (status) return status;
    }
    return SN_OK;
}

void rt_put_plan(const sn_function *f, uint32_t plan, base_strbuf *out) {
    if (f->plans.n == 1) return;
    base_strbuf_printf(out, "# plan %u of %u: ", (unsigned)plan + 1, (unsigned)f->plans.n);
    pg_print_assumption(f->plans.at[plan], out);
    base_strbuf_puts(out, "\n");
}

sn_status rt_show_code(sn_function *f, const char *what, base_strbuf *out, base_trap *err) {
    sn_status status = SN_OK;
    for (uint32_t i = 0; i < f->plans.n && !status; i++) {
        rt_put_plan(f, i, out);
        status = put_code(f, f->plans.at[i], what, out, err);
    }
    return status;
}

/* A view that each plan has. */
static void put_plans(sn_function *f, sn_show what, base_strbuf *out) {
    pthread_mutex_lock(&f->lock);
    for (uint32_t i = 0; i < f->plans.n; i++) {
        const pg_program *p = f->plans.at[i];
        rt_put_plan(f, i, out);
        switch (what) {
            case SN_SHOW_OPT: ir_print(p->graph, &p->roots, out); break;
            case SN_SHOW_FUSE: base_strbuf_puts(out, p->fuse_text); break;
            case SN_SHOW_WHY: base_strbuf_puts(out, p->why_text); break;
            case SN_SHOW_KERNEL: put_kernels(p, out); break;
            default: put_program(f, &f->plan[i], out);
        }
    }
    pthread_mutex_unlock(&f->lock);
}

sn_status rt_show(sn_function *f, sn_show what, base_strbuf *out, base_trap *err) {
    sn_status status = SN_OK;
    switch (what) {
        case SN_SHOW_GRAPH: ir_print(&f->given, &f->given_roots, out); break;
        case SN_SHOW_OPT:
        case SN_SHOW_FUSE:
        case SN_SHOW_WHY:
        case SN_SHOW_KERNEL:
        case SN_SHOW_PROGRAM: put_plans(f, what, out); break;
        case SN_SHOW_CODE:
            if (!f->ctx->backend->texts)
                status = base_set_error(err, SN_ERR_UNSUPPORTED, "show: backend %s has no code to show",
                                        f->ctx->backend->name);
            for (const char *const *text = f->ctx->backend->texts; text && *text && !status; text++)
                status = rt_show_code(f, *text, out, err);
            break;
        case SN_SHOW_DOT: ir_print_dot(&f->graph, &f->roots, f->program->step_of, out); break;
        case SN_SHOW_PROFILE: rt_profile_text(f, out); break;
        case SN_SHOW_PROFILE_JSON: rt_profile_json(f, out); break;
        default: return base_set_error(err, SN_ERR_ARGUMENT, "show: there is no view number %d", (int)what);
    }
    if (!status && out->failed) status = base_set_error(err, SN_ERR_NOMEM, "out of memory for a text");
    return status;
}
