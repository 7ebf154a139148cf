/* Parameters as a folder of .npy files, one each: NAME.npy. Loading reads all of them before the first parameter is
 * changed. */
#include <string.h>

#include "nn/nn.h"

/* folder/NAME.npy in memory of the context; NULL after a failure. Names with a slash would lead elsewhere. */
static char *file_of(const sn_params *params, size_t i, const char *folder, size_t *bytes, sn_status *status) {
    const char *name = sn_var_name(params->item[i].var);
    if (strchr(name, '/')) {
        *status = nn_fail(params->ctx, SN_ERR_ARGUMENT, "parameter \"%s\": no file can be called that", name);
        return NULL;
    }
    *bytes = strlen(folder) + strlen(name) + sizeof "/.npy";
    char *path = nn_alloc(params->ctx, *bytes);
    if (path)
        snprintf(path, *bytes, "%s/%s.npy", folder, name);
    else
        *status = nn_fail(params->ctx, SN_ERR_NOMEM, "parameter \"%s\": out of memory", name);
    return path;
}

static sn_status save_one(const sn_params *params, size_t i, const char *folder) {
    sn_context *ctx = params->ctx;
    sn_status status = SN_OK;
    size_t path_bytes, bytes;
    char *path = file_of(params, i, folder, &path_bytes, &status);
    if (!path) return status;
    sn_tensor value = sn_var_type(params->item[i].var);
    bytes = sn_tensor_bytes(&value);
    value.data = bytes ? nn_alloc(ctx, bytes) : NULL;
    if (bytes && !value.data) status = nn_fail(ctx, SN_ERR_NOMEM, "%s: out of memory: %zu bytes", path, bytes);
    if (!status) status = sn_var_get(params->item[i].var, value.data, bytes);
    if (!status) status = sn_npy_write(ctx, path, &value);
    nn_free(ctx, value.data, bytes);
    nn_free(ctx, path, path_bytes);
    return status;
}

sn_status sn_params_save_npy(const sn_params *params, const char *folder) {
    if (!params) return SN_ERR_ARGUMENT;
    if (!folder) return nn_fail(params->ctx, SN_ERR_ARGUMENT, "save: the folder is NULL");
    sn_status status = SN_OK;
    for (size_t i = 0; i < params->n && !status; i++) status = save_one(params, i, folder);
    return status;
}

static sn_status load_one(const sn_params *params, size_t i, const char *folder, sn_tensor *value) {
    sn_status status = SN_OK;
    size_t path_bytes;
    char *path = file_of(params, i, folder, &path_bytes, &status);
    if (!path) return status;
    status = sn_npy_read(params->ctx, path, value);
    sn_tensor type = sn_var_type(params->item[i].var);
    if (!status && value->dtype != type.dtype)
        status = nn_fail(params->ctx, SN_ERR_DTYPE, "%s: it is %s, and %s is wanted: convert it", path,
                         nn_type(value).text, nn_type(&type).text);
    if (!status && !nn_same_sizes(value, &type))
        status = nn_fail(params->ctx, SN_ERR_SHAPE, "%s: it is %s, and %s is wanted", path, nn_type(value).text,
                         nn_type(&type).text);
    nn_free(params->ctx, path, path_bytes);
    return status;
}

sn_status sn_params_load_npy(sn_params *params, const char *folder) {
    if (!params) return SN_ERR_ARGUMENT;
    sn_context *ctx = params->ctx;
    if (!folder) return nn_fail(ctx, SN_ERR_ARGUMENT, "load: the folder is NULL");
    if (!params->n) return SN_OK;
    sn_tensor *values = nn_alloc(ctx, params->n * sizeof *values);
    if (!values) return nn_fail(ctx, SN_ERR_NOMEM, "%s: out of memory", folder);
    memset(values, 0, params->n * sizeof *values);
    sn_status status = SN_OK;
    for (size_t i = 0; i < params->n && !status; i++) status = load_one(params, i, folder, &values[i]);
    for (size_t i = 0; i < params->n; i++) {
        if (!status) sn_var_set(params->item[i].var, values[i].data, sn_tensor_bytes(&values[i]));
        sn_npy_free(ctx, &values[i]);
    }
    nn_free(ctx, values, params->n * sizeof *values);
    return status;
}
