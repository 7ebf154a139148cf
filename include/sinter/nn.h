/* nn.h: parameters, layers, losses, optimisers and files of parameters. Built on sinter.h alone: everything here could
 * be written by a user of that header, and every expression made here is an expression like any other.
 *
 *   sn_params *net;
 *   sn_params_new(ctx, &net);
 *   sn_dim n = sn_dim_new(g, "N");
 *   sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(n, SN_DIM(784)));
 *   sn_expr digits = sn_input(g, "digits", SN_I64, SN_SHAPE(n));
 *   sn_expr lr = sn_input(g, "lr", SN_F32, SN_SCALAR);
 *   sn_expr hidden = sn_relu(sn_layer_linear(net, x, "W1", "b1", 500, sn_init_he_normal()));
 *   sn_expr logits = sn_layer_linear(net, hidden, "W2", "b2", 10, sn_init_xavier_uniform());
 *   sn_expr loss = sn_loss_cross_entropy(logits, digits, SN_REDUCE_MEAN);
 *
 *   sn_optimizer *adam;
 *   sn_optimizer_new(net, &(sn_optimizer_options){.kind = SN_OPTIMIZER_ADAM}, &adam);
 *   sn_expr inputs[] = {x, digits, lr};
 *   sn_function_desc desc = {.inputs = inputs, .n_inputs = 3, .outputs = &loss, .n_outputs = 1};
 *   desc.updates = sn_optimizer_updates(adam, loss, lr, &desc.n_updates);
 *   sn_function *step;
 *   sn_function_new(g, &desc, &step);                        // one call of it is a step of training
 *   sn_params_init(net, 7);                                  // weights from seed 7
 *   ..
 *   sn_params_save(net, "digits.safetensors");
 *
 * The rules of sinter.h hold here: functions that make expressions never fail in the middle of one (the graph keeps the
 * first error with the caller's file and line, sn_function_new reports it); the sentence of every other failure is in
 * sn_context_error. A list of parameters and an optimiser are for one thread at a time, as a graph is.
 */
#ifndef SINTER_NN_H
#define SINTER_NN_H

#include <sinter/sinter.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- initial values --------------------------------------------------------------------------------------------- */

/* How a parameter is filled by sn_params_init. The fans of a parameter of shape [fan_out, ..] are the size of its first
 * axis and the product of the others, which have to be at least one: those of a weight [fan_out, fan_in]. */
typedef enum sn_init_kind {
    SN_INIT_ZEROS,
    SN_INIT_CONSTANT,       /* a everywhere */
    SN_INIT_UNIFORM,        /* uniform in [a, b) */
    SN_INIT_NORMAL,         /* normal with mean a and standard deviation b */
    SN_INIT_LECUN,          /* N(0, 1 / fan_in): LeCun et al., Efficient BackProp, 1998 */
    SN_INIT_XAVIER_UNIFORM, /* uniform, variance 2 / (fan_in + fan_out): Glorot and Bengio, Understanding the difficulty
                               of training deep feedforward neural networks, 2010 */
    SN_INIT_XAVIER_NORMAL,  /* N(0, 2 / (fan_in + fan_out)): the same paper's variance */
    SN_INIT_HE_UNIFORM,     /* uniform, variance 2 / fan_in: He et al., Delving Deep into Rectifiers, 2015 */
    SN_INIT_HE_NORMAL       /* N(0, 2 / fan_in) */
} sn_init_kind;

typedef struct sn_init {
    sn_init_kind kind;
    double a, b;
} sn_init;

static inline sn_init sn_init_of(sn_init_kind kind, double a, double b) {
    sn_init init;
    init.kind = kind;
    init.a = a;
    init.b = b;
    return init;
}
static inline sn_init sn_init_zeros(void) { return sn_init_of(SN_INIT_ZEROS, 0, 0); }
static inline sn_init sn_init_constant(double value) { return sn_init_of(SN_INIT_CONSTANT, value, 0); }
static inline sn_init sn_init_uniform(double low, double high) { return sn_init_of(SN_INIT_UNIFORM, low, high); }
static inline sn_init sn_init_normal(double mean, double deviation) {
    return sn_init_of(SN_INIT_NORMAL, mean, deviation);
}
static inline sn_init sn_init_lecun(void) { return sn_init_of(SN_INIT_LECUN, 0, 0); }
static inline sn_init sn_init_xavier_uniform(void) { return sn_init_of(SN_INIT_XAVIER_UNIFORM, 0, 0); }
static inline sn_init sn_init_xavier_normal(void) { return sn_init_of(SN_INIT_XAVIER_NORMAL, 0, 0); }
static inline sn_init sn_init_he_uniform(void) { return sn_init_of(SN_INIT_HE_UNIFORM, 0, 0); }
static inline sn_init sn_init_he_normal(void) { return sn_init_of(SN_INIT_HE_NORMAL, 0, 0); }

/* ---- parameters -------------------------------------------------------------------------------------------------- */

/* An ordered list of variables with unique names, which it owns: weights of a network, state of an optimiser. */
typedef struct sn_params sn_params;

/* An empty list; *out is NULL on failure. The context outlives it. */
SN_API sn_status sn_params_new(sn_context *ctx, sn_params **out);
/* Frees the list and gives up its variables, which graphs and functions that use them keep alive. */
SN_API void sn_params_free(sn_params *params);

/* Adds a variable of zeros, to be filled by sn_params_init. name: UTF-8, not empty, without control characters, not in
 * the list yet. Random values want a float (f16 and bf16 get those of f32, rounded), a constant a dtype that
 * has it. *out (may be NULL) belongs to the list. Errors: ARGUMENT, DTYPE, SHAPE, NOMEM. */
SN_API sn_status sn_params_add(sn_params *params, const char *name, sn_dtype dtype, int32_t rank, const int64_t *sizes,
                               sn_init init, sn_var **out);

SN_API size_t sn_params_count(const sn_params *params);
/* Number i in the order of adding; NULL where there is none. The list owns it. */
SN_API sn_var *sn_params_get(const sn_params *params, size_t i);
/* The one of that name; NULL where there is none. The list owns it. */
SN_API sn_var *sn_params_find(const sn_params *params, const char *name);
/* Number of elements of all together. */
SN_API int64_t sn_params_elements(const sn_params *params);

/* Fills every parameter as it was added. Random numbers are those of sn_random_uniform and sn_random_normal, a
 * generator that counts: parameter number i takes stream i of the seed and its element k the draw k, so that a value
 * depends on seed, i and k alone; it is the same on every device and for every number of threads, and stays when other
 * parameters change. Draws run on the context's device, by functions that are compiled like any other, once for each
 * dtype and distribution; the values of all parameters are in memory before the first is set, and none is on failure.
 * Errors: NOMEM, and those of sn_function_new. */
SN_API sn_status sn_params_init(sn_params *params, uint64_t seed);

/* The parameter of that name in a graph, with its dtype and shape. Poison where the list has none of that name. */
SN_API sn_expr sn_params_use_at(const sn_params *params, sn_graph *graph, const char *name, const char *file, int line);
#define sn_params_use(...) sn_params_use_at(__VA_ARGS__, __FILE__, __LINE__)

/* d(sum of loss)/d(parameter i) into grads[i], for each of sn_params_count parameters; zeros where loss does not depend
 * on it. loss is a floating-point scalar; integer parameters are an error. The error is also kept by the graph. */
SN_API sn_status sn_params_grad(const sn_params *params, sn_expr loss, sn_expr *grads);

/* ---- layers ------------------------------------------------------------------------------------------------------ */

/* x * transposed weight + bias: [N,K] -> [N,units] (or [K] -> [units]). The parameters weight [units,K], in which what
 * belongs to a unit lies together (as in PyTorch's files), and bias [units], of x's dtype, are those of the list with
 * these names; where it has none they are added, weight as init says, bias as zeros. So a network that is a function of
 * its input can be built twice: to train, and to answer. bias NULL: there is none. K is a constant. Poison where a
 * parameter has another dtype or shape. */
SN_API sn_expr sn_layer_linear_at(sn_params *params, sn_expr x, const char *weight, const char *bias, int64_t units,
                                  sn_init init, const char *file, int line);
#define sn_layer_linear(...) sn_layer_linear_at(__VA_ARGS__, __FILE__, __LINE__)

/* name, value, text, meaning. */
#define SN_ACTIVATION_MAP(X)                                                                                           \
    X(NONE, 0, "none", "x")                                                                                            \
    X(RELU, 1, "relu", "max(x, 0)")                                                                                    \
    X(SIGMOID, 2, "sigmoid", "1 / (1 + e^-x)")                                                                         \
    X(TANH, 3, "tanh", "hyperbolic tangent")                                                                           \
    X(GELU, 4, "gelu", "x * P(normal < x): Hendrycks and Gimpel, 2016; by erf, not by tanh")                           \
    X(SILU, 5, "silu", "x * sigmoid(x): Hendrycks and Gimpel, 2016; also called swish")                                \
    X(SOFTPLUS, 6, "softplus", "log(1 + e^x)")

typedef enum sn_activation {
#define SN_ACTIVATION_ITEM(name, value, text, meaning) SN_ACTIVATION_##name = value,
    SN_ACTIVATION_MAP(SN_ACTIVATION_ITEM)
#undef SN_ACTIVATION_ITEM
} sn_activation;

/* "relu" ..; "?" for a value that is none. */
SN_API const char *sn_activation_name(sn_activation activation);
/* The activation of that name, for options of programs; ERR_MISSING (without a sentence) where there is none. */
SN_API sn_status sn_activation_find(const char *name, sn_activation *out);

/* The activation of each element. Floating-point. */
SN_API sn_expr sn_activate_at(sn_expr x, sn_activation activation, const char *file, int line);
#define sn_activate(...) sn_activate_at(__VA_ARGS__, __FILE__, __LINE__)

/* ---- losses ------------------------------------------------------------------------------------------------------ */

/* What becomes of the losses of the single elements or rows. */
typedef enum sn_reduction {
    SN_REDUCE_NONE, /* they stay as they are */
    SN_REDUCE_MEAN, /* a scalar: their mean; of none NaN */
    SN_REDUCE_SUM   /* a scalar: their sum */
} sn_reduction;

/* All are floating-point. Operands that are compared element by element have one dtype and one shape, or one of them is
 * a scalar: [N] beside [N,1] is an error, not N * N comparisons. */

/* (y - target)^2 of each element; with MEAN the mean squared error, with SUM the summed squared error. */
SN_API sn_expr sn_loss_squared_at(sn_expr y, sn_expr target, sn_reduction reduction, const char *file, int line);
#define sn_loss_squared(...) sn_loss_squared_at(__VA_ARGS__, __FILE__, __LINE__)
/* |y - target| of each element; the gradient where they are equal is 0. */
SN_API sn_expr sn_loss_absolute_at(sn_expr y, sn_expr target, sn_reduction reduction, const char *file, int line);
#define sn_loss_absolute(...) sn_loss_absolute_at(__VA_ARGS__, __FILE__, __LINE__)
/* With d = |y - target|: d^2 / 2 where d <= delta, delta * (d - delta / 2) beyond; delta > 0. Huber, Robust Estimation
 * of a Location Parameter, 1964. */
SN_API sn_expr sn_loss_huber_at(sn_expr y, sn_expr target, double delta, sn_reduction reduction, const char *file,
                                int line);
#define sn_loss_huber(...) sn_loss_huber_at(__VA_ARGS__, __FILE__, __LINE__)
/* -log softmax(logits)[id] of each row: logits [..,classes], ids [..] of i64, i32 or u8. An id outside the classes
 * gives NaN, and no gradient. One loss per id. */
SN_API sn_expr sn_loss_cross_entropy_at(sn_expr logits, sn_expr ids, sn_reduction reduction, const char *file,
                                        int line);
#define sn_loss_cross_entropy(...) sn_loss_cross_entropy_at(__VA_ARGS__, __FILE__, __LINE__)
/* -sum of probs * log softmax(logits) over the last axis: one loss per row. One shape. */
SN_API sn_expr sn_loss_cross_entropy_probs_at(sn_expr logits, sn_expr probs, sn_reduction reduction, const char *file,
                                              int line);
#define sn_loss_cross_entropy_probs(...) sn_loss_cross_entropy_probs_at(__VA_ARGS__, __FILE__, __LINE__)
/* -(t * log sigmoid(logit) + (1 - t) * log(1 - sigmoid(logit))) of each element, for targets t in [0, 1], written as
 * softplus(logit) - logit * t, which no logit makes overflow. */
SN_API sn_expr sn_loss_binary_cross_entropy_at(sn_expr logits, sn_expr targets, sn_reduction reduction,
                                               const char *file, int line);
#define sn_loss_binary_cross_entropy(...) sn_loss_binary_cross_entropy_at(__VA_ARGS__, __FILE__, __LINE__)

/* ---- optimisers -------------------------------------------------------------------------------------------------- */

/* With w a parameter, g the gradient, lr the learning rate, and every state 0 at first:
 *   SGD       w -= lr * g
 *   MOMENTUM  m = momentum * m + g;  w -= lr * m                       Polyak, Some methods of speeding up .., 1964;
 *             nesterov: w -= lr * (g + momentum * m)                   as in Sutskever et al., On the importance of
 *                                                                      initialization and momentum .., 2013
 *   ADAM      t = t + 1;  m = beta1 * m + (1 - beta1) * g;  v = beta2 * v + (1 - beta2) * g^2
 *             w -= lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
 *                                                                      Kingma and Ba, Adam, 2014
 *   ADAMW     the same, and w -= lr * weight_decay * w besides         Loshchilov and Hutter, Decoupled Weight Decay
 *                                                                      Regularization, 2017
 * weight_decay: in the first three it is a penalty, g + weight_decay * w in place of g. */
typedef enum sn_optimizer_kind {
    SN_OPTIMIZER_SGD,
    SN_OPTIMIZER_MOMENTUM,
    SN_OPTIMIZER_ADAM,
    SN_OPTIMIZER_ADAMW
} sn_optimizer_kind;

typedef struct sn_optimizer_options {
    size_t struct_size; /* sizeof(sn_optimizer_options), or 0 */
    sn_optimizer_kind kind;
    int nesterov;        /* MOMENTUM */
    double momentum;     /* MOMENTUM: in [0, 1); 0: 0.9 */
    double beta1;        /* ADAM, ADAMW: in [0, 1); 0: 0.9 */
    double beta2;        /* ADAM, ADAMW: in [0, 1); 0: 0.999 */
    double epsilon;      /* ADAM, ADAMW: > 0; 0: 1e-8 */
    double weight_decay; /* >= 0 */
} sn_optimizer_options;

typedef struct sn_optimizer sn_optimizer;

/* An optimiser of a list of parameters, which outlives it. options NULL: SGD. *out is NULL on failure. */
SN_API sn_status sn_optimizer_new(sn_params *params, const sn_optimizer_options *options, sn_optimizer **out);
/* Frees it with its state, which functions that use it keep alive. */
SN_API void sn_optimizer_free(sn_optimizer *optimizer);

/* A step of training as updates: the new values of all parameters and of the state, in the graph of loss, a
 * floating-point scalar. lr is a floating-point scalar too: an input, a constant, or an expression of a schedule.
 * Makes the gradients, and what state is missing. The array is the optimiser's until the next call on it. On failure
 * it is NULL, *n is 0, and the graph keeps the error. */
SN_API const sn_update *sn_optimizer_updates_at(sn_optimizer *optimizer, sn_expr loss, sn_expr lr, size_t *n,
                                                const char *file, int line);
#define sn_optimizer_updates(...) sn_optimizer_updates_at(__VA_ARGS__, __FILE__, __LINE__)
/* The same with gradients of the caller's making, grads[i] of the dtype and shape of parameter i: clipped, for one. */
SN_API const sn_update *sn_optimizer_updates_from_at(sn_optimizer *optimizer, const sn_expr *grads, sn_expr lr,
                                                     size_t *n, const char *file, int line);
#define sn_optimizer_updates_from(...) sn_optimizer_updates_from_at(__VA_ARGS__, __FILE__, __LINE__)

/* The state, owned by the optimiser: "NAME.m" and "NAME.v" of the dtype and shape of parameter NAME, and, for ADAM and
 * ADAMW, the number of steps taken, "optimizer.step", an i64 scalar. Empty until the updates have been made. It can be
 * saved and loaded like parameters, and sn_params_init on it starts anew. */
SN_API sn_params *sn_optimizer_state(sn_optimizer *optimizer);

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Writes all parameters as a safetensors file, which the Python package of that name reads. The old file of that name
 * is there until the new one is complete. Errors: IO, NOMEM. */
SN_API sn_status sn_params_save(const sn_params *params, const char *path);

enum {
    SN_LOAD_ALL = 0,          /* the file has these parameters and no others */
    SN_LOAD_SKIP_UNKNOWN = 1, /* what is in the file alone is left out */
    SN_LOAD_KEEP_MISSING = 2  /* parameters that are not in the file keep their values */
};

/* Reads parameters by name from a safetensors file of anybody's; their dtypes and shapes have to be those of the file.
 * Nothing is changed on failure. flags: SN_LOAD_ of above. Errors: IO, PARSE (a malformed file), MISSING (a parameter
 * that the file lacks, or a name that the list lacks), DTYPE, SHAPE, NOMEM. */
SN_API sn_status sn_params_load(sn_params *params, const char *path, unsigned flags);

/* A whole .npy file (NumPy's, of one array) into memory of the context's allocator, or an array into a file. Element
 * types are those that have operators; files have to be little-endian, in C order. Free with sn_npy_free, which empties
 * the tensor. The old file of that name is there until the new one is complete. Errors: IO, PARSE, DTYPE, UNSUPPORTED,
 * NOMEM; then out->data is NULL. */
SN_API sn_status sn_npy_read(sn_context *ctx, const char *path, sn_tensor *out);
SN_API sn_status sn_npy_write(sn_context *ctx, const char *path, const sn_tensor *tensor);
SN_API void sn_npy_free(sn_context *ctx, sn_tensor *tensor);

/* Each parameter as folder/NAME.npy, in a folder that exists; names must do for file names. Load takes the parameters
 * of the list, nothing else, and changes nothing on failure. Errors: those of sn_npy_write and sn_npy_read, and
 * ARGUMENT, SHAPE. */
SN_API sn_status sn_params_save_npy(const sn_params *params, const char *folder);
SN_API sn_status sn_params_load_npy(sn_params *params, const char *folder);

#ifdef __cplusplus
}
#endif

#endif
