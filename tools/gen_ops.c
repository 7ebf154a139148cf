/* Writes include/sinter/ops.h from the operator table: `gen_ops > include/sinter/ops.h`. Element-wise operators follow
 * from their rows in src/ir/ops.def; the other public operators are the rows of `others` below. */
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *name;   /* without sn_ */
    const char *params; /* as declared */
    const char *doc;
} row;

static const row others[] = {
    {NULL, "Leaves", NULL},
    {"input", "sn_graph *graph, const char *name, sn_dtype dtype, sn_shape shape",
     "A symbolic input. Names are unique inside a graph. Errors: name, dtype, shape."},
    {"use", "sn_graph *graph, sn_var *var",
     "The value that a variable has when a call begins. The same variable gives the same expression."},
    {"const", "sn_graph *graph, double value",
     "An untyped scalar: takes the element type of the other operand, f64 where there is none. An error where that\n"
     " * type does not have the value (2.5 beside i32)."},
    {"const_of", "sn_graph *graph, sn_dtype dtype, double value",
     "A scalar of the given type. An error where the type does not have the value."},
    {"full", "sn_graph *graph, sn_dtype dtype, double value, sn_shape shape", "The same value everywhere."},
    {"zeros_like", "sn_expr a", "Zeros with the type and shape of a."},
    {"ones_like", "sn_expr a", "Ones with the type and shape of a."},
    {"eye", "sn_graph *graph, sn_dtype dtype, sn_dim rows, sn_dim columns",
     "[rows,columns]: 1 where the indices are equal, else 0."},
    {"iota", "sn_graph *graph, sn_dtype dtype, sn_dim dim", "[dim]: 0, 1, 2 .. Floating-point or integer."},
    {"dim_value", "sn_graph *graph, sn_dim dim", "The value of a dim at each call, as an i64 scalar."},

    {NULL, "Element types, selection, names", NULL},
    {"cast", "sn_expr a, sn_dtype dtype",
     "Other element type, same shape. Float to integer truncates and saturates, NaN gives 0; to bool: a != 0."},
    {"select", "sn_expr condition, sn_expr a, sn_expr b",
     "Where condition (bool) is true a, else b; the three broadcast. a and b have one element type."},
    {"clamp", "sn_expr a, sn_expr low, sn_expr high",
     "a where it lies in [low, high], else the bound that it passed (high where the bounds cross); NaN stays. The\n"
     " * gradient goes to a where it lies inside, bounds included, else to the bound. Not for bool."},
    {"isnan", "sn_expr a", "Is the element NaN? Floating-point; the result is bool."},
    {"isfinite", "sn_expr a", "Is the element neither NaN nor infinite? Floating-point; the result is bool."},
    {"gelu", "sn_expr a",
     "a times the normal distribution's probability below a: a (1 + erf(a / sqrt 2)) / 2. Floating-point."},
    {"gelu_tanh", "sn_expr a",
     "The usual approximation of gelu: a (1 + tanh(sqrt(2 / pi) (a + 0.044715 a^3))) / 2. Floating-point."},
    {"stop_gradient", "sn_expr a", "a, through which no gradient flows."},
    {"name", "sn_expr a, const char *label", "a itself, called label in messages and dumps from now on."},

    {NULL, "Reductions: negative axes count from the end; keep != 0 leaves reduced axes with size 1", NULL},
    {"sum", "sn_expr a, sn_axes axes, int keep",
     "Sum over axes; integers wrap; the sum of nothing is 0. Not for bool."},
    {"prod", "sn_expr a, sn_axes axes, int keep",
     "Product over axes; integers wrap; the product of nothing is 1. Not for bool. Gradients are right where zeros "
     "are."},
    {"mean", "sn_expr a, sn_axes axes, int keep", "Mean over axes. Floating-point."},
    {"variance", "sn_expr a, sn_axes axes, int keep",
     "Mean of the squared distance from the mean over axes (divides by n, not n - 1). Floating-point."},
    {"variance_ddof", "sn_expr a, sn_axes axes, int ddof, int keep",
     "Sum of the squared distances from the mean, divided by n - ddof: 1 gives the unbiased estimate of a sample.\n"
     " * NaN or infinite where n is not more than ddof. Floating-point."},
    {"std", "sn_expr a, sn_axes axes, int ddof, int keep", "Square root of sn_variance_ddof."},
    {"any", "sn_expr a, sn_axes axes, int keep", "Is any of the bools over axes true? Of nothing: false."},
    {"all", "sn_expr a, sn_axes axes, int keep", "Are all of the bools over axes true? Of nothing: true."},
    {"amax", "sn_expr a, sn_axes axes, int keep",
     "Largest over axes, NaN if any is; of nothing: -infinity or the least integer. Not for bool."},
    {"amin", "sn_expr a, sn_axes axes, int keep",
     "Smallest over axes, NaN if any is; of nothing: infinity or the greatest integer. Not for bool."},
    {"sum_all", "sn_expr a", "Sum of all elements, a scalar."},
    {"prod_all", "sn_expr a", "Product of all elements, a scalar."},
    {"mean_all", "sn_expr a", "Mean of all elements, a scalar. Floating-point."},
    {"amax_all", "sn_expr a", "Largest of all elements, a scalar."},
    {"amin_all", "sn_expr a", "Smallest of all elements, a scalar."},
    {"argmax", "sn_expr a, int32_t axis, int keep",
     "Index (i64) of the first largest element along axis; a NaN counts as largest. The axis must not be empty."},
    {"argmin", "sn_expr a, int32_t axis, int keep",
     "Index (i64) of the first smallest element along axis; a NaN counts as smallest. The axis must not be empty."},

    {NULL, "Along an axis, in order: back != 0 goes from the last element to the first", NULL},
    {"cumsum", "sn_expr a, int32_t axis, int exclusive, int back",
     "Sum of the elements up to each one; exclusive != 0: of those before it, 0 for the first. Integers wrap. Not for "
     "bool."},
    {"cumprod", "sn_expr a, int32_t axis, int exclusive, int back",
     "Product of the elements up to each one; exclusive != 0: of those before it, 1 for the first."},
    {"recurrence", "sn_expr a, sn_expr b, int32_t axis, int back",
     "y[k] = a[k] * y[k - 1] + b[k], where 0 stands before the first: discounted sums, moving averages, linear "
     "filters.\n"
     " * a and b broadcast. Not for bool."},

    {NULL, "Linear algebra", NULL},
    {"matmul", "sn_expr a, sn_expr b",
     "Matrix product of vectors, matrices and batches of matrices with NumPy's rules: [M,K] x [K,N], [K] x [K,N],\n"
     " * [M,K] x [K], [K] x [K], [..,M,K] x [..,K,N] with leading axes that broadcast. Floating-point, one element "
     "type."},
    {"linear", "sn_expr x, sn_expr weight, sn_expr bias",
     "x * weight + bias: [N,K] x [K,M] + [M], or anything that matmul and add take."},

    {NULL, "Shape", NULL},
    {"reshape", "sn_expr a, sn_shape shape",
     "The same elements in row-major order. One size may be -1: what the others leave."},
    {"transpose", "sn_expr a, sn_axes axes", "Axis i of the result is axis axes[i] of a: a permutation of all axes."},
    {"t", "sn_expr a", "The transposed matrix. a has two axes."},
    {"broadcast_to", "sn_expr a, sn_shape shape",
     "a repeated to a larger shape with NumPy's rule: aligned at the last axis, only constant size 1 repeats."},
    {"expand", "sn_expr a, int32_t axis", "A new axis of size 1 at this position of the result."},
    {"slice", "sn_expr a, int32_t axis, sn_dim start, sn_dim stop",
     "Elements [start, stop) along an axis. Negative constants count from the end, SN_END is the end; none may\n"
     " * lie outside."},
    {"slice_step", "sn_expr a, int32_t axis, sn_dim start, sn_dim stop, int64_t step",
     "Every step-th element of [start, stop). step >= 1; above 1 the distance of start and stop must be a constant."},
    {"slice_at_index", "sn_expr a, int32_t axis, sn_expr start, sn_dim size",
     "size elements along an axis from a start that is computed (an integer scalar), clamped so that all exist."},
    {"pad", "sn_expr a, sn_shape low, sn_shape high, sn_expr value",
     "a with low[i] elements before and high[i] after it along each axis i: the scalar value. None may be negative."},
    {"concat", "const sn_expr *a, size_t n, int32_t axis",
     "n expressions one after the other along an axis. One element type; the other axes are equal."},

    {NULL, "Rows and classes: ids are i64, i32 or u8", NULL},
    {"gather", "sn_expr a, sn_expr ids",
     "Rows a[ids]: the shape of ids, then the rest of a's. Ids outside are clamped. a has at least one row."},
    {"one_hot", "sn_expr ids, sn_dim classes, sn_dtype dtype",
     "1 where the last axis' index is the id, else 0: the shape of ids, then classes. An id outside gives zeros."},

    {NULL, "Random numbers: element i in row-major order depends on seed, stream and i alone (docs/random.md)", NULL},
    {"random_uniform", "sn_expr seed, sn_expr stream, sn_dtype dtype, sn_shape shape",
     "Floats in [0, 1), multiples of 2^-24 (f32) or 2^-53 (f64), equally likely. seed and stream are integer scalars; "
     "no\n"
     " * gradient flows through them."},
    {"random_normal", "sn_expr seed, sn_expr stream, sn_dtype dtype, sn_shape shape",
     "Floats of the normal distribution with mean 0 and variance 1; seed and stream as in sn_random_uniform."},
    {"dropout", "sn_expr a, sn_expr p, sn_expr seed, sn_expr stream",
     "Each element is 0 with probability p, a scalar in [0, 1), else a / (1 - p): use another stream at each call.\n"
     " * Gradients flow through a alone. Floating-point."},

    {NULL, "Functions over an axis, and losses: floating-point, computed without overflow", NULL},
    {"softmax", "sn_expr a, int32_t axis", "e^a divided by its sum along the axis."},
    {"log_softmax", "sn_expr a, int32_t axis", "Logarithm of softmax."},
    {"logsumexp", "sn_expr a, int32_t axis, int keep", "Logarithm of the sum of e^a along the axis."},
    {"cross_entropy", "sn_expr logits, sn_expr ids",
     "Loss of each row: -log softmax(logits)[id], of the shape of ids; logits have that shape, then classes. An id\n"
     " * outside the classes gives NaN, and no gradient."},
    {"cross_entropy_probs", "sn_expr logits, sn_expr probs",
     "Loss of each row: -sum of probs * log softmax(logits) over the last axis. One shape and element type."},
    {"mse", "sn_expr a, sn_expr b", "Mean over all elements of (a - b)^2, a scalar."},
};

static const char head[] =
    "/* ops.h: the operators. Generated from src/ir/ops.def by tools/gen_ops.c: do not edit. Included by sinter.h.\n"
    " *\n"
    " * sn_add(a, b) is sn_add_at(a, b, __FILE__, __LINE__): the place is for the message of a bad expression, which\n"
    " * is the poison expression; whatever is built on poison is poison. Element-wise operators broadcast as NumPy's\n"
    " * do: shapes are aligned at the last axis and constant sizes of 1 repeat. Operands of one operator have one\n"
    " * element type (convert with sn_cast); untyped constants (sn_const) take the other operand's. */\n"
    "/* clang-format off */\n"
    "#ifndef SINTER_OPS_H\n"
    "#define SINTER_OPS_H\n"
    "\n"
    "/* A list of axes, by value. */\n"
    "typedef struct sn_axes {\n"
    "    int32_t n;\n"
    "    int32_t axis[SN_MAX_RANK];\n"
    "} sn_axes;\n"
    "\n"
    "/* Axes from an array; n is -1 where there are more than SN_MAX_RANK, which every user of it reports. */\n"
    "SN_API sn_axes sn_axes_of(int32_t n, const int32_t *axes);\n"
    "#ifdef __cplusplus\n"
    "extern \"C++\" {\n"
    "template <class... Axis> inline sn_axes sn_axes_list(Axis... axis) {\n"
    "    const int32_t list[] = {static_cast<int32_t>(axis)...};\n"
    "    return sn_axes_of(static_cast<int32_t>(sizeof...(axis)), list);\n"
    "}\n"
    "}\n"
    "#define SN_AXES(...) sn_axes_list(__VA_ARGS__)\n"
    "#else\n"
    "#define SN_AXES(...) \\\n"
    "    sn_axes_of((int32_t)(sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)), \\\n"
    "               (const int32_t[]){__VA_ARGS__})\n"
    "#endif\n"
    "\n"
    "/* The end of the axis, in slices. */\n"
    "#define SN_END sn_dim_of(INT64_MAX)\n";

enum { SAME, BOOL };
enum { F, I, FI, IB, FIB };
static const char *const types[] = {"Floating-point", "Integer", "Floating-point or integer", "Integer or bool",
                                    "Any element type"};
static const char *const ewise_params[] = {NULL, "sn_expr a", "sn_expr a, sn_expr b"};

/* A declaration, broken after the comma that still fits in 120 columns, and its macro. */
static void print_op(const row *op, FILE *out) {
    char text[512];
    snprintf(text, sizeof text, "SN_API sn_expr sn_%s_at(%s, const char *file, int line);", op->name, op->params);
    fprintf(out, "/* %s */\n", op->doc);
    if (strlen(text) <= 120) {
        fprintf(out, "%s\n", text);
    } else {
        size_t at = 119;
        while (at && text[at] != ',') at--;
        fprintf(out, "%.*s\n%*s%s\n", (int)at + 1, text, (int)(strchr(text, '(') - text) + 1, "", text + at + 2);
    }
    fprintf(out, "#define sn_%s(...) sn_%s_at(__VA_ARGS__, __FILE__, __LINE__)\n", op->name, op->name);
}

static void print_ewise(const char *name, int operands, int typeset, int result, const char *doc, FILE *out) {
    char text[512];
    snprintf(text, sizeof text, "%s. %s%s.", doc, types[typeset], result == BOOL ? "; the result is bool" : "");
    print_op(&(row){name, ewise_params[operands], text}, out);
}

static void print_ops_h(FILE *out) {
    fputs(head, out);
    fputs("\n/* ---- Element-wise ---- */\n\n", out);
#define IR_EWISE(UC, lc, operands, typeset, result, cost, domain, ulp, flags, real, whole, doc)                        \
    print_ewise(#lc, operands, typeset, result, doc, out);
#include "ir/ops.def"
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (others[i].name)
            print_op(&others[i], out);
        else
            fprintf(out, "\n/* ---- %s ---- */\n\n", others[i].params);
    }
    fputs("\n#endif\n", out);
}

/* Largest error found, in ulp; NULL where the result is exact or correctly rounded by construction. */
typedef struct {
    const char *op, *f32, *f64;
} measured;
static const measured accuracy[] = {
#define MATHS_MEASURED(lc, f32, f64) {#lc, f32, f64},
#include "maths/measured.def"
    {NULL, NULL, NULL},
};

/* A bar would end the cell. */
static void print_cell(FILE *out, const char *text) {
    for (; *text; text++) fprintf(out, *text == '|' ? "\\%c" : "%c", *text);
}

static void print_row(FILE *out, const char *name, const char *dtypes, const char *result, double ulp,
                      const char *doc) {
    const measured *m = NULL;
    for (m = accuracy; m->op && strcmp(m->op, name) != 0;) m++;
    fprintf(out, "| `%s` | %s | %s | %g | %s | %s | ", name, dtypes, result, ulp, m->op ? m->f32 : "",
            m->op ? m->f64 : "");
    print_cell(out, doc);
    fputs(" |\n", out);
}

static void print_docs(FILE *out) {
    static const char *const sets[] = {"floats", "integers", "floats, integers", "integers, bool", "all"};
    fputs(
        "# Operators\n\n"
        "Generated from `src/ir/ops.def` and `tools/maths/measured.def` by `./dev gen`. The graph IR has these and no "
        "others;\n"
        "composites (`sn_softmax`, `sn_cross_entropy`, `sn_mean` and the rest of `<sinter/ops.h>`) are written in "
        "them.\n\n"
        "## Element-wise\n\n"
        "Operands of one operator have one dtype and broadcast as NumPy's do. *Bound* is the largest error in ulp that "
        "tests\n"
        "allow against exact arithmetic; 0 and 0.5 mean exact and correctly rounded. *f32* and *f64* are the largest "
        "errors\n"
        "measured: over all 2^32 inputs for functions of one f32, on dense samples against MPFR for f64 and `pow`.\n"
        "f16 and bf16 are computed as f32 and rounded where they are stored.\n\n"
        "| operator | operands | result | bound | f32 | f64 | meaning |\n|---|---|---|---|---|---|---|\n",
        out);
#define IR_EWISE(UC, lc, operands, typeset, result, cost, domain, ulp, flags, real, whole, doc)                        \
    print_row(out, #lc, sets[typeset], (result) == BOOL ? "bool" : "same", ulp, doc);
#define IR_OP(UC, lc, doc)
#include "ir/ops.def"
    fputs("\n## Others\n\n| operator | meaning |\n|---|---|\n", out);
#define IR_EWISE(UC, lc, operands, typeset, result, cost, domain, ulp, flags, real, whole, doc)
#define IR_OP(UC, lc, doc) fprintf(out, "| `%s` | %s |\n", #lc, doc);
#include "ir/ops.def"
}

int main(int argc, char **argv) {
    int docs = argc > 1 && !strcmp(argv[1], "--docs");
    if (argc > 2 || (argc > 1 && !docs)) {
        fprintf(stderr, "usage: gen_ops [--docs]\nPrints include/sinter/ops.h, or docs/ops.md.\n");
        return 2;
    }
    if (docs)
        print_docs(stdout);
    else
        print_ops_h(stdout);
    return ferror(stdout) != 0;
}
