/* sinter run FILE.sn: a graph in the language of docs/ir.md, compiled as it is loaded and run once on arrays from .npy
 * files. In: the graph, a file per input, files for variables; out: a line per output, or files.
 *
 * The text is parsed into a graph of a context, its variables are made there, and from then on it is a graph like any
 * other: the sentences about what does not fit are those that a program would get. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ir/infer.h"
#include "ir/text.h"
#include "runtime/call.h"
#include "sinter/nn.h"
#include "tool.h"

enum { SHOWN = 8, PATH_LENGTH = 4096 };

/* An argument NAME=FILE and what it means: the input, variable or output of that index. */
typedef struct {
    const char *name, *path;
    size_t n_name, index;
} given;

typedef struct {
    given *at;
    size_t n;
} given_list;

typedef struct {
    const char *path, *out_dir, *var_dir;
    char *text;
    size_t n_text;
    given_list input, var, output;
    sn_context_options options;
    sn_context *ctx;
    sn_graph *g;
    ir_roots roots;
    sn_tensor *in, *out; /* of each input and output; data is ours */
    sn_expr *expr;       /* inputs, then outputs */
    sn_update *update;
    int64_t *names; /* of each named dim, -1: no input tells it */
    sn_function *f;
    sn_call *call;
    uint32_t views; /* set of indices of views */
} job;

static int no_memory(void) { return tool_fail("run", "out of memory"); }

/* ---- names ------------------------------------------------------------------------------------------------------- */

static const char *input_name(const job *j, size_t i) { return j->g->input_name.at[i]; }
static const char *var_name(const job *j, size_t i) { return j->g->var.at[i].name; }
static const char *output_name(const job *j, size_t i) {
    const char *label = j->g->label.at[j->roots.out[i]];
    return label ? label : "";
}

/* Finds what each argument means: a name or, where no name is like it, a number from 0. */
static int resolve(const job *j, given_list *list, const char *what, size_t n,
                   const char *(*name_of)(const job *, size_t)) {
    for (size_t k = 0; k < list->n; k++) {
        given *a = &list->at[k];
        for (a->index = 0; a->index < n; a->index++) {
            const char *name = name_of(j, a->index);
            if (strlen(name) == a->n_name && !memcmp(name, a->name, a->n_name)) break;
        }
        char number[24];
        for (size_t i = 0; i < n && a->index == n; i++)
            if (snprintf(number, sizeof number, "%zu", i) == (int)a->n_name && !memcmp(number, a->name, a->n_name))
                a->index = i;
        if (a->index == n)
            return tool_fail("run", "%s: no %s is called \"%.*s\" (it has %zu)", j->path, what, (int)a->n_name, a->name,
                             n);
        for (size_t i = 0; i < k; i++)
            if (list->at[i].index == a->index)
                return tool_fail("run", "%s \"%.*s\" is given twice", what, (int)a->n_name, a->name);
    }
    return 0;
}

/* DIR/NAME.npy, or DIR/PREFIX3.npy where the name would make no file name or is that of an earlier one. */
static int file_path(const job *j, const char *dir, const char *prefix, size_t i,
                     const char *(*name_of)(const job *, size_t), char path[PATH_LENGTH]) {
    const char *name = name_of(j, i);
    int plain = ir_is_plain_name(name, strlen(name)) && strlen(name) < 200;
    for (size_t k = 0; k < i; k++) plain = plain && strcmp(name_of(j, k), name) != 0;
    int n = plain ? snprintf(path, PATH_LENGTH, "%s/%s.npy", dir, name)
                  : snprintf(path, PATH_LENGTH, "%s/%s%zu.npy", dir, prefix, i);
    return n < PATH_LENGTH ? 0 : tool_fail("run", "%s: too long a path", dir);
}

/* ---- the graph and its values ------------------------------------------------------------------------------------ */

static void parse(void *arg) {
    job *j = arg;
    ir_parse(j->g, j->text, j->n_text, &j->roots);
}

static int load_graph(job *j) {
    j->text = tool_read_file(j->path, &j->n_text);
    if (!j->text) return tool_fail("run", "%s cannot be read", j->path);
    if (sn_context_new(&j->options, &j->ctx)) return tool_fail("run", "no context could be made");
    j->g = sn_graph_new(j->ctx, j->path);
    if (!j->g) return no_memory();
    if (base_protect(&j->g->trap, parse, j)) return tool_fail("run", "%s: %s", j->path, j->g->trap.text);
    for (uint32_t i = 0; i < j->g->var.n; i++) {
        ir_var *var = &j->g->var.at[i];
        const ir_node *node = ir_at(j->g, var->node);
        int64_t size[SN_MAX_RANK];
        for (uint32_t k = 0; k < node->rank; k++)
            if (!ir_dim_is_const(j->g, node->dim[k], &size[k]))
                return tool_fail("run", "%s: the shape of variable \"%s\" is not constant", j->path, var->name);
        /* The graph keeps the reference until sn_graph_free. */
        if (sn_var_new(j->ctx, var->name, (sn_dtype)node->dtype, node->rank, size, &var->var))
            return tool_fail("run", "%s: %s", j->path, sn_context_error(j->ctx));
    }
    return 0;
}

static int read_npy(const job *j, const char *path, sn_tensor *to) {
    return sn_npy_read(j->ctx, path, to) ? tool_fail("run", "%s", sn_context_error(j->ctx)) : 0;
}

static int set_var(const job *j, const given *a) {
    const ir_var *var = &j->g->var.at[a->index];
    sn_tensor value, type = sn_var_type(var->var);
    if (read_npy(j, a->path, &value)) return 2;
    int bad = value.dtype != type.dtype || value.rank != type.rank;
    for (int32_t i = 0; i < type.rank && !bad; i++) bad = value.size[i] != type.size[i];
    if (bad) {
        char text[SN_MAX_RANK * 24] = "";
        for (int32_t i = 0, n = 0; i < value.rank; i++)
            n += snprintf(text + n, sizeof text - (size_t)n, i ? ",%" PRId64 : "%" PRId64, value.size[i]);
        tool_fail("run", "variable \"%s\": %s[%s] given, %s wanted", var->name, sn_dtype_name(value.dtype), text,
                  ir_type_text(j->g, var->node).text);
    } else if (sn_var_set(var->var, value.data, sn_tensor_bytes(&value))) {
        bad = tool_fail("run", "%s", sn_context_error(j->ctx));
    }
    sn_npy_free(j->ctx, &value);
    return bad ? 2 : 0;
}

static int load_values(job *j) {
    uint32_t n_in = j->g->input.n, n_out = j->roots.n_out;
    if (resolve(j, &j->input, "input", n_in, input_name) || resolve(j, &j->var, "variable", j->g->var.n, var_name) ||
        resolve(j, &j->output, "output", n_out, output_name))
        return 2;
    j->in = calloc(n_in + 1, sizeof *j->in);
    j->out = calloc(n_out + 1, sizeof *j->out);
    j->expr = calloc((size_t)n_in + n_out + 1, sizeof *j->expr);
    j->update = calloc(j->roots.n_update + 1, sizeof *j->update);
    j->names = calloc(j->g->dim_name.n + 1, sizeof *j->names);
    if (!j->in || !j->out || !j->expr || !j->update || !j->names) return no_memory();
    for (size_t i = 0; i < j->input.n; i++)
        if (read_npy(j, j->input.at[i].path, &j->in[j->input.at[i].index])) return 2;
    for (size_t i = 0; i < j->var.n; i++)
        if (set_var(j, &j->var.at[i])) return 2;
    return 0;
}

/* ---- compiling and running --------------------------------------------------------------------------------------- */

static int compile(job *j) {
    uint32_t n_in = j->g->input.n, n_out = j->roots.n_out;
    for (uint32_t i = 0; i < n_in; i++) j->expr[i] = (sn_expr){j->g, j->g->input.at[i]};
    for (uint32_t i = 0; i < n_out; i++) j->expr[n_in + i] = (sn_expr){j->g, j->roots.out[i]};
    for (uint32_t i = 0; i < j->roots.n_update; i++)
        j->update[i] = (sn_update){j->g->var.at[j->roots.update_var[i]].var, {j->g, j->roots.update[i]}};
    sn_function_desc desc = {.inputs = j->expr,
                             .n_inputs = n_in,
                             .outputs = j->expr + n_in,
                             .n_outputs = n_out,
                             .updates = j->update,
                             .n_updates = j->roots.n_update};
    if (sn_function_new(j->g, &desc, &j->f)) return tool_fail("run", "%s: %s", j->path, sn_graph_error(j->g));
    return sn_call_new(j->f, &j->call) ? no_memory() : 0;
}

static int dim_value(const job *j, ir_dim d, int64_t *value) {
    const ir_poly *poly = &j->g->dim.at[d];
    for (uint32_t t = 0; t < poly->n; t++)
        for (uint32_t k = 0; k < poly->term[t].n; k++)
            if (j->names[poly->term[t].name[k]] < 0)
                return tool_fail("run", "%s: a check needs dim %s, but no input tells its size", j->path,
                                 j->g->dim_name.at[poly->term[t].name[k]]);
    if (ir_dim_value(j->g, d, j->names, value)) return 0;
    return tool_fail("run", "%s: dim %s does not fit 63 bits", j->path, ir_dim_text(j->g, d).text);
}

/* The function checks what its operators ask for. A text may have checks of its own besides, where passes removed the
 * operator that asked. */
static int check_dims(job *j) {
    for (uint32_t i = 0; i < j->g->dim_name.n; i++) {
        j->names[i] = -1;
        for (uint32_t k = 0; k < j->f->n_solve; k++) {
            uint16_t solved = j->f->solve[k].name;
            if (!strcmp(j->f->graph.dim_name.at[solved], j->g->dim_name.at[i])) j->names[i] = j->call->names[solved];
        }
    }
    for (uint32_t i = 0; i < j->g->check.n; i++) {
        const ir_check *check = &j->g->check.at[i];
        int64_t a, b;
        if (dim_value(j, check->a, &a) || dim_value(j, check->b, &b)) return 2;
        if (check->at_most ? a > b : a != b)
            return tool_fail("run", "%s%s%s is %" PRId64 ", %s is %" PRId64, check->text, *check->text ? ": " : "",
                             ir_dim_text(j->g, check->a).text, a, ir_dim_text(j->g, check->b).text, b);
    }
    return 0;
}

static int make_output(job *j, uint32_t i) {
    const ir_graph *g = &j->f->graph;
    const ir_node *node = ir_at(g, j->f->roots.out[i]);
    int64_t size[SN_MAX_RANK];
    for (uint32_t k = 0; k < node->rank; k++)
        if (!ir_dim_value(g, node->dim[k], j->call->names, &size[k]))
            return tool_fail("run", "%s: output %u: dim %s does not fit 63 bits", j->path, (unsigned)i,
                             ir_dim_text(g, node->dim[k]).text);
    sn_tensor *t = &j->out[i];
    *t = sn_tensor_of((sn_dtype)node->dtype, NULL, node->rank, size);
    size_t bytes = sn_tensor_bytes(t);
    t->data = bytes <= PTRDIFF_MAX ? malloc(bytes ? bytes : 1) : NULL;
    if (!t->data) return tool_fail("run", "%s: out of memory for output %u: %zu bytes", j->path, (unsigned)i, bytes);
    return sn_call_bind_output(j->call, i, t) ? tool_fail("run", "%s", sn_call_error(j->call)) : 0;
}

static int call(job *j) {
    for (uint32_t i = 0; i < j->g->input.n; i++) {
        if (!j->in[i].data) {
            sn_call_run(j->call); /* says what is missing */
            return tool_fail("run", "%s: %s: --input %s=FILE.npy, of type %s", j->path, sn_call_error(j->call),
                             input_name(j, i), ir_type_text(j->g, j->g->input.at[i]).text);
        }
        if (sn_call_bind_input(j->call, i, &j->in[i])) return tool_fail("run", "%s", sn_call_error(j->call));
    }
    if (rt_solve_inputs(j->call)) return tool_fail("run", "%s", sn_call_error(j->call));
    if (check_dims(j)) return 2;
    for (uint32_t i = 0; i < j->roots.n_out; i++)
        if (make_output(j, i)) return 2;
    return sn_call_run(j->call) ? tool_fail("run", "%s", sn_call_error(j->call)) : 0;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static void print_value(const sn_tensor *t, size_t i) {
    switch (t->dtype) {
        case SN_F64: printf(" %.17g", ((const double *)t->data)[i]); break;
        case SN_F32: printf(" %.9g", (double)((const float *)t->data)[i]); break;
        case SN_F16: printf(" %.5g", sn_element_get(SN_F16, (const uint16_t *)t->data + i)); break;
        case SN_BF16: printf(" %.4g", sn_element_get(SN_BF16, (const uint16_t *)t->data + i)); break;
        case SN_I64: printf(" %" PRId64, ((const int64_t *)t->data)[i]); break;
        case SN_I32: printf(" %" PRId32, ((const int32_t *)t->data)[i]); break;
        case SN_BOOL: printf(((const uint8_t *)t->data)[i] ? " true" : " false"); break;
        default: printf(" %d", ((const uint8_t *)t->data)[i]); break;
    }
}

static void print_output(const job *j, size_t i) {
    const sn_tensor *t = &j->out[i];
    const char *name = output_name(j, i);
    if (*name)
        printf("%s: %s[", name, sn_dtype_name(t->dtype));
    else
        printf("%zu: %s[", i, sn_dtype_name(t->dtype));
    for (int32_t k = 0; k < t->rank; k++) printf(k ? ",%" PRId64 : "%" PRId64, t->size[k]);
    printf("]");
    size_t n = sn_tensor_bytes(t) / sn_dtype_size(t->dtype);
    for (size_t k = 0; k < n && k < SHOWN; k++) print_value(t, k);
    puts(n > SHOWN ? " .." : "");
}

static int write_npy(const job *j, const char *path, const sn_tensor *t) {
    return sn_npy_write(j->ctx, path, t) ? tool_fail("run", "%s", sn_context_error(j->ctx)) : 0;
}

static int make_dir(const char *dir) {
    struct stat st;
    if (!mkdir(dir, 0777) || (errno == EEXIST && !stat(dir, &st) && S_ISDIR(st.st_mode))) return 0;
    return tool_fail("run", "%s: no folder can be made: %s", dir, strerror(errno));
}

static int save_vars(const job *j) {
    char path[PATH_LENGTH];
    int bad = make_dir(j->var_dir);
    for (uint32_t i = 0; i < j->g->var.n && !bad; i++) {
        sn_tensor t = sn_var_type(j->g->var.at[i].var);
        size_t bytes = sn_tensor_bytes(&t);
        t.data = malloc(bytes ? bytes : 1);
        if (!t.data) return no_memory();
        if (sn_var_get(j->g->var.at[i].var, t.data, bytes)) bad = tool_fail("run", "%s", sn_context_error(j->ctx));
        bad = bad || file_path(j, j->var_dir, "var", i, var_name, path) || write_npy(j, path, &t);
        free(t.data);
    }
    return bad ? 2 : 0;
}

static int save(const job *j) {
    char path[PATH_LENGTH];
    if (j->out_dir && make_dir(j->out_dir)) return 2;
    for (uint32_t i = 0; i < j->roots.n_out; i++) {
        if (!j->out_dir && !j->output.n) print_output(j, i);
        if (j->out_dir && (file_path(j, j->out_dir, "out", i, output_name, path) || write_npy(j, path, &j->out[i])))
            return 2;
    }
    for (size_t i = 0; i < j->output.n; i++)
        if (write_npy(j, j->output.at[i].path, &j->out[j->output.at[i].index])) return 2;
    if (j->var_dir && save_vars(j)) return 2;
    return fflush(stdout) ? tool_fail("run", "the output cannot be written") : 0;
}

/* ---- looking inside ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    sn_show what;
} views[] = {{"why", SN_SHOW_WHY},   {"kernel", SN_SHOW_KERNEL},   {"program", SN_SHOW_PROGRAM},
             {"code", SN_SHOW_CODE}, {"profile", SN_SHOW_PROFILE}, {"profile-json", SN_SHOW_PROFILE_JSON}};
enum { N_VIEWS = sizeof views / sizeof *views };

/* After the run, which the program's sizes and the profile are of. */
static int show(const job *j) {
    for (size_t i = 0; i < N_VIEWS; i++) {
        char *text;
        if (!(j->views >> i & 1)) continue;
        if (sn_function_show(j->f, views[i].what, &text)) return tool_fail("run", "%s", sn_function_error(j->f));
        fputs(text, stdout);
        sn_string_free(j->ctx, text);
    }
    return 0;
}

static int take_view(job *j, const char *name) {
    size_t i = 0;
    while (i < N_VIEWS && strcmp(views[i].name, name)) i++;
    if (i == N_VIEWS)
        return tool_fail("run", "--show is why, kernel, program, code, profile or profile-json, not \"%s\"", name);
    j->views |= 1u << i;
    return 0;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static int add(given_list *list, const char *flag, const char *value) {
    const char *equals = strchr(value, '=');
    if (!equals || equals == value || !equals[1]) return tool_fail("run", "%s %s: NAME=FILE.npy wanted", flag, value);
    list->at[list->n++] = (given){.name = value, .n_name = (size_t)(equals - value), .path = equals + 1};
    return 0;
}

static int take_flag(job *j, const char *flag, const char *value) {
    if (!strcmp(flag, "--input")) return add(&j->input, flag, value);
    if (!strcmp(flag, "--var")) return add(&j->var, flag, value);
    if (!strcmp(flag, "--output") && strchr(value, '=')) return add(&j->output, flag, value);
    if (!strcmp(flag, "--output")) {
        j->out_dir = value;
    } else if (!strcmp(flag, "--save-vars")) {
        j->var_dir = value;
    } else if (!strcmp(flag, "--backend")) {
        if (strcmp(value, "cpu") && strcmp(value, "gpu") && strcmp(value, "interp"))
            return tool_fail("run", "--backend is cpu, gpu or interp, not \"%s\"", value);
        j->options.backend = value;
    } else if (!strcmp(flag, "--show")) {
        return take_view(j, value);
    } else {
        char *end;
        errno = 0;
        long n = strtol(value, &end, 10);
        if (*end || end == value || errno || n < 1 || n > 4096)
            return tool_fail("run", "--threads is a number from 1 to 4096, not \"%s\"", value);
        j->options.threads = (int32_t)n;
    }
    return 0;
}

static int take_arguments(job *j, int argc, char **argv) {
    static const char *const flags[] = {"--input",   "--var",     "--output", "--save-vars",
                                        "--backend", "--threads", "--show"};
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < sizeof flags / sizeof *flags && strcmp(argv[i], flags[k])) k++;
        if (k < sizeof flags / sizeof *flags) {
            if (i + 1 == argc) return tool_fail("run", "%s needs a value", argv[i]);
            if (take_flag(j, argv[i], argv[i + 1])) return 2;
            i++;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            return tool_fail("run", "no flag \"%s\"", argv[i]);
        } else if (j->path) {
            return tool_fail("run", "one file at a time, please: \"%s\"", argv[i]);
        } else {
            j->path = argv[i];
        }
    }
    return j->path ? 0 : tool_fail("run", "which file? usage: sinter %s", tool_run.usage);
}

static void clear(job *j) {
    sn_call_free(j->call);
    sn_function_free(j->f);
    for (uint32_t i = 0; j->in && i < j->g->input.n; i++) sn_npy_free(j->ctx, &j->in[i]);
    for (uint32_t i = 0; j->out && i < j->roots.n_out; i++) free(j->out[i].data);
    sn_graph_free(j->g);
    sn_context_free(j->ctx);
    free(j->in);
    free(j->out);
    free(j->expr);
    free(j->update);
    free(j->names);
    free(j->text);
    free(j->input.at);
    free(j->var.at);
    free(j->output.at);
}

static int run(int argc, char **argv) {
    job j = {.options = {.struct_size = sizeof j.options}};
    j.input.at = calloc((size_t)argc, sizeof *j.input.at);
    j.var.at = calloc((size_t)argc, sizeof *j.var.at);
    j.output.at = calloc((size_t)argc, sizeof *j.output.at);
    int bad = !j.input.at || !j.var.at || !j.output.at ? no_memory() : take_arguments(&j, argc, argv);
    bad = bad || load_graph(&j) || load_values(&j) || compile(&j) || call(&j) || show(&j) || save(&j);
    clear(&j);
    return bad ? 2 : 0;
}

const tool_command tool_run = {
    "run", run, "run FILE.sn [OPTION ..]", "compiles such a graph and runs it once on arrays of NumPy's",
    "  --input NAME=F.npy           an input; every one is needed\n"
    "  --var NAME=F.npy             the value of a variable before the run, else zeros\n"
    "  --output DIR|NAME=F.npy      where outputs go; without it their first values are printed\n"
    "  --save-vars DIR              where the variables' values go after the run\n"
    "  --backend cpu|gpu|interp     what runs it\n"
    "  --threads N                  how many threads it may use\n"
    "  --show VIEW                  prints why, kernel, program, code, profile or profile-json\n"};
