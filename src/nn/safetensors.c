/* Parameters as safetensors files. Saving: types and values in, a header in the order of element sizes, largest first,
 * which keeps every value aligned, and the values out. Loading: the header is parsed, held against the file's size and
 * against the list, all values are read, and only then is the first parameter changed. */
#include <stdlib.h>
#include <string.h>

#include "nn/safetensors.h"

/* ---- saving ------------------------------------------------------------------------------------------------------ */

/* Text that grows; bytes NULL after memory ran out. */
typedef struct {
    sn_context *ctx;
    char *bytes;
    size_t n, capacity;
    int full;
} text;

static void put(text *t, const char *from, size_t n) {
    if (t->full) return;
    if (n > t->capacity - t->n) {
        size_t more = 2 * t->capacity + n + 256;
        char *p = sn_context_realloc(t->ctx, t->bytes, t->capacity, more);
        if (!p) {
            t->full = 1;
            return;
        }
        t->bytes = p;
        t->capacity = more;
    }
    memcpy(t->bytes + t->n, from, n);
    t->n += n;
}

static void puts_text(text *t, const char *from) { put(t, from, strlen(from)); }

static void put_entry(text *t, const char *name, const sn_tensor *type, uint64_t begin, uint64_t end) {
    char number[64];
    puts_text(t, t->n > 1 ? ",\"" : "\"");
    for (const char *at = name; *at; at++) {
        if (*at == '"' || *at == '\\') put(t, "\\", 1);
        put(t, at, 1);
    }
    puts_text(t, "\":{\"dtype\":\"");
    puts_text(t, nn_st_dtype(type->dtype));
    puts_text(t, "\",\"shape\":[");
    for (int32_t i = 0; i < type->rank; i++) {
        snprintf(number, sizeof number, "%s%lld", i ? "," : "", (long long)type->size[i]);
        puts_text(t, number);
    }
    snprintf(number, sizeof number, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin,
             (unsigned long long)end);
    puts_text(t, number);
}

/* Calls visit for each parameter in the order of the file. */
static void in_file_order(const sn_params *params, void (*visit)(void *arg, sn_var *var, const sn_tensor *type),
                          void *arg) {
    for (size_t item = 8; item; item /= 2)
        for (size_t i = 0; i < params->n; i++) {
            sn_tensor type = sn_var_type(params->item[i].var);
            if (sn_dtype_size(type.dtype) == item) visit(arg, params->item[i].var, &type);
        }
}

typedef struct {
    text header;
    uint64_t at;    /* in the data */
    size_t largest; /* value, in bytes */
    char *value;
    nn_writer *file;
} saving;

static void describe(void *arg, sn_var *var, const sn_tensor *type) {
    saving *s = arg;
    size_t bytes = sn_tensor_bytes(type);
    put_entry(&s->header, sn_var_name(var), type, s->at, s->at + bytes);
    s->at += bytes;
    if (bytes > s->largest) s->largest = bytes;
}

static void write_value(void *arg, sn_var *var, const sn_tensor *type) {
    saving *s = arg;
    size_t bytes = sn_tensor_bytes(type);
    if (!bytes || s->file->status) return;
    s->file->status = sn_var_get(var, s->value, bytes);
    nn_writer_put(s->file, s->value, bytes);
}

static sn_status write_all(const sn_params *params, const char *path, saving *s) {
    unsigned char length[NN_ST_PREFIX];
    for (int i = 0; i < NN_ST_PREFIX; i++) length[i] = (unsigned char)((uint64_t)s->header.n >> 8 * i);
    nn_writer file;
    nn_writer_open(params->ctx, path, &file);
    nn_writer_put(&file, length, sizeof length);
    nn_writer_put(&file, s->header.bytes, s->header.n);
    s->file = &file;
    in_file_order(params, write_value, s);
    return nn_writer_close(&file);
}

sn_status sn_params_save(const sn_params *params, const char *path) {
    if (!params) return SN_ERR_ARGUMENT;
    sn_context *ctx = params->ctx;
    if (!path) return nn_fail(ctx, SN_ERR_ARGUMENT, "save: the path is NULL");
    saving s = {.header = {.ctx = ctx}};
    puts_text(&s.header, "{");
    in_file_order(params, describe, &s);
    puts_text(&s.header, "}");
    while (s.header.n % 8 && !s.header.full) puts_text(&s.header, " ");
    s.value = s.largest && !s.header.full ? nn_alloc(ctx, s.largest) : NULL;
    sn_status status = SN_OK;
    if (s.header.full || (s.largest && !s.value))
        status = nn_fail(ctx, SN_ERR_NOMEM, "%s: out of memory", path);
    else if (s.header.n > NN_ST_HEADER_MAX)
        status = nn_fail(ctx, SN_ERR_UNSUPPORTED, "%s: the names of %zu parameters take %zu bytes: the format has %d",
                         path, params->n, s.header.n, (int)NN_ST_HEADER_MAX);
    else
        status = write_all(params, path, &s);
    nn_free(ctx, s.value, s.largest);
    nn_free(ctx, s.header.bytes, s.header.capacity);
    return status;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

typedef struct {
    sn_params *params;
    const char *path;
    nn_reader file;
    char *text;
    size_t text_bytes;
    nn_st_header header;
    char *values; /* of the parameters that the file has, in the list's order */
    size_t bytes;
} loading;

static sn_status read_header(loading *l) {
    sn_context *ctx = l->params->ctx;
    unsigned char prefix[NN_ST_PREFIX];
    sn_status status = nn_reader_open(ctx, l->path, &l->file);
    if (status) return status;
    if (l->file.left < NN_ST_PREFIX)
        return nn_fail(ctx, SN_ERR_PARSE, "%s: it is no safetensors file: it has %llu bytes", l->path,
                       (unsigned long long)l->file.left);
    status = nn_reader_get(&l->file, prefix, sizeof prefix);
    if (status) return status;
    uint64_t n = 0;
    for (int i = NN_ST_PREFIX; i-- > 0;) n = n << 8 | prefix[i];
    if (n > NN_ST_HEADER_MAX || n > l->file.left)
        return nn_fail(ctx, SN_ERR_PARSE,
                       "%s: it is no safetensors file, or cut: a header of %llu bytes where %llu follow", l->path,
                       (unsigned long long)n, (unsigned long long)l->file.left);
    l->text_bytes = (size_t)n + 1;
    l->text = nn_alloc(ctx, l->text_bytes);
    if (!l->text) return nn_fail(ctx, SN_ERR_NOMEM, "%s: out of memory for its header", l->path);
    status = nn_reader_get(&l->file, l->text, (size_t)n);
    if (status) return status;
    char why[NN_TEXT_MAX];
    status = nn_st_parse(ctx, l->text, (size_t)n, l->file.left, &l->header, why);
    return status ? nn_fail(ctx, status, "%s: %s", l->path, why) : SN_OK;
}

/* "F16[3,4]" of an entry. */
static nn_type_text entry_type(const nn_st_entry *e) {
    nn_type_text out;
    size_t n = (size_t)snprintf(out.text, sizeof out.text, "%.10s[", e->dtype);
    for (int32_t i = 0; i < e->rank && i < SN_MAX_RANK; i++)
        n += (size_t)snprintf(out.text + n, sizeof out.text - n, "%s%lld", i ? "," : "", (long long)e->size[i]);
    snprintf(out.text + n, sizeof out.text - n, e->rank > SN_MAX_RANK ? ",..]" : "]");
    return out;
}

static sn_status check_one(const loading *l, const char *name, const sn_tensor *type, const nn_st_entry *e) {
    sn_context *ctx = l->params->ctx;
    if (strcmp(e->dtype, nn_st_dtype(type->dtype)))
        return nn_fail(ctx, SN_ERR_DTYPE, "%s: \"%s\" is %s there, and %s here: convert it", l->path, name,
                       entry_type(e).text, nn_type(type).text);
    int same = e->rank == type->rank;
    for (int32_t i = 0; same && i < type->rank; i++) same = e->size[i] == type->size[i];
    return same ? SN_OK
                : nn_fail(ctx, SN_ERR_SHAPE, "%s: \"%s\" is %s there, and %s here", l->path, name, entry_type(e).text,
                          nn_type(type).text);
}

/* Every parameter has its entry, of its type. */
static sn_status check_params(loading *l, unsigned flags) {
    sn_context *ctx = l->params->ctx;
    size_t missing = 0, found = 0;
    const char *first = NULL;
    for (size_t i = 0; i < l->params->n; i++) {
        const char *name = sn_var_name(l->params->item[i].var);
        const nn_st_entry *e = nn_st_find(&l->header, name);
        sn_tensor type = sn_var_type(l->params->item[i].var);
        if (!e && !missing++) first = name;
        if (!e) continue;
        found++;
        sn_status status = check_one(l, name, &type, e);
        if (status) return status;
        l->bytes += (size_t)(e->end - e->begin); /* at most the file's */
    }
    if (missing && !(flags & SN_LOAD_KEEP_MISSING))
        return nn_fail(ctx, SN_ERR_MISSING,
                       "%s: it lacks \"%s\"%s: %zu of the %zu parameters; SN_LOAD_KEEP_MISSING "
                       "leaves those as they are",
                       l->path, first, missing > 1 ? " and others" : "", missing, l->params->n);
    if (found == l->header.n || flags & SN_LOAD_SKIP_UNKNOWN) return SN_OK;
    size_t i = 0;
    while (sn_params_find(l->params, l->header.entry[i].name)) i++;
    return nn_fail(ctx, SN_ERR_MISSING,
                   "%s: it has \"%s\"%s, which no parameter is called; SN_LOAD_SKIP_UNKNOWN leaves "
                   "%zu of its entries out",
                   l->path, l->header.entry[i].name, l->header.n - found > 1 ? " and others" : "", l->header.n - found);
}

static sn_status read_values(loading *l) {
    sn_context *ctx = l->params->ctx;
    if (!l->bytes) return SN_OK;
    l->values = nn_alloc(ctx, l->bytes);
    if (!l->values) return nn_fail(ctx, SN_ERR_NOMEM, "%s: out of memory: %zu bytes", l->path, l->bytes);
    char *to = l->values;
    for (size_t i = 0; i < l->params->n; i++) {
        sn_var *var = l->params->item[i].var;
        const nn_st_entry *e = nn_st_find(&l->header, sn_var_name(var));
        if (!e) continue;
        size_t n = (size_t)(e->end - e->begin);
        sn_status status = nn_reader_seek(&l->file, NN_ST_PREFIX + (l->text_bytes - 1) + e->begin);
        if (!status) status = nn_reader_get(&l->file, to, n);
        if (status) return status;
        for (size_t b = 0; sn_var_type(var).dtype == SN_BOOL && b < n; b++)
            if ((unsigned char)to[b] > 1)
                return nn_fail(ctx, SN_ERR_PARSE, "%s: \"%s\" has byte %d where a bool is 0 or 1", l->path,
                               sn_var_name(var), (unsigned char)to[b]);
        to += n;
    }
    return SN_OK;
}

static void set_all(const loading *l) {
    const char *from = l->values;
    for (size_t i = 0; i < l->params->n; i++) {
        sn_var *var = l->params->item[i].var;
        const nn_st_entry *e = nn_st_find(&l->header, sn_var_name(var));
        if (!e) continue;
        sn_var_set(var, from, (size_t)(e->end - e->begin)); /* the sizes were compared: it cannot fail */
        from += e->end - e->begin;
    }
}

sn_status sn_params_load(sn_params *params, const char *path, unsigned flags) {
    if (!params) return SN_ERR_ARGUMENT;
    sn_context *ctx = params->ctx;
    if (!path) return nn_fail(ctx, SN_ERR_ARGUMENT, "load: the path is NULL");
    if (flags & ~(unsigned)(SN_LOAD_SKIP_UNKNOWN | SN_LOAD_KEEP_MISSING))
        return nn_fail(ctx, SN_ERR_ARGUMENT, "load: flags %#x are not known", flags);
    loading l = {.params = params, .path = path, .header = {.ctx = ctx}};
    sn_status status = read_header(&l);
    if (!status) status = check_params(&l, flags);
    if (!status) status = read_values(&l);
    if (!status) set_all(&l);
    nn_reader_close(&l.file);
    nn_free(ctx, l.values, l.bytes);
    nn_free(ctx, l.text, l.text_bytes);
    nn_st_free(&l.header);
    return status;
}
