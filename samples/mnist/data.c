/* In: a folder. Out: pictures and labels that fit each other: as many of the ones as of the others, pictures of the one
 * size, labels from 0 to 9. */
#include "data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zlib.h>

#include "idx.h"

static const char *const digit_name[MNIST_CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
static const char *const fashion_name[MNIST_CLASSES] = {"top",    "trouser", "pullover", "dress", "coat",
                                                        "sandal", "shirt",   "sneaker",  "bag",   "boot"};

/* Data sets by zlib's crc32 of the labels of training and test: the folder's name may say anything. */
static const struct {
    const char *name;
    uint32_t train, test;
    const char *const *of;
} known[] = {
    {"MNIST", 0xba07e8ef, 0xee8604d9, digit_name},
    {"Fashion-MNIST (clothes, not digits)", 0x2ed6e46a, 0x242bc73f, fashion_name},
};

/* Where to look; to free with free. */
static char *default_folder(void) {
    const char *given = getenv("SINTER_MNIST_DIR");
    if (given && *given) return strdup(given);
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    bool has_data = data && *data == '/';
    const char *base = has_data ? data : home && *home ? home : ".";
    const char *rest = has_data ? "/sinter/mnist" : "/.local/share/sinter/mnist";
    size_t size = strlen(base) + strlen(rest) + 1;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s%s", base, rest);
    return path;
}

/* The file as it was published, or unpacked. */
static bool load_file(const char *folder, const char *name, int32_t rank, idx_array *out) {
    size_t size = strlen(folder) + strlen(name) + sizeof "/.gz";
    char *path = malloc(size), why[IDX_WHY];
    if (!path) {
        fprintf(stderr, "not enough memory for the path %s/%s\n", folder, name);
        return false;
    }
    struct stat there;
    snprintf(path, size, "%s/%s.gz", folder, name);
    bool packed = !stat(path, &there);
    if (!packed) snprintf(path, size, "%s/%s", folder, name);
    bool found = packed || !stat(path, &there), done = found && idx_load(path, rank, out, why);
    if (!found)
        fprintf(stderr,
                "there is no %s with or without .gz in %s; samples/mnist/fetch-data gets the data, --data or "
                "SINTER_MNIST_DIR names another folder\n",
                name, folder);
    else if (!done)
        fprintf(stderr, "%s\n", why);
    free(path);
    return done;
}

/* Takes over what both arrays hold, where they fit. */
static bool take(const char *folder, const char *which, idx_array *images, idx_array *labels, digits *out) {
    *out = (digits){.n = images->size[0], .pixel = images->data, .label = labels->data};
    images->data = labels->data = NULL;
    if (images->size[1] != MNIST_SIDE || images->size[2] != MNIST_SIDE) {
        fprintf(stderr, "%s: the %s pictures are of %" PRId64 " x %" PRId64 " pixels, not of %d x %d\n", folder, which,
                images->size[1], images->size[2], MNIST_SIDE, MNIST_SIDE);
        return false;
    }
    if (labels->size[0] != out->n || !out->n) {
        fprintf(stderr, "%s: there are %" PRId64 " %s pictures and %" PRId64 " labels\n", folder, out->n, which,
                labels->size[0]);
        return false;
    }
    for (int64_t i = 0; i < out->n; i++)
        if (out->label[i] >= MNIST_CLASSES) {
            fprintf(stderr, "%s: the label of %s picture %" PRId64 " is %d; there are %d classes\n", folder, which, i,
                    out->label[i], MNIST_CLASSES);
            return false;
        }
    return true;
}

static bool load_set(const char *folder, const char *which, const char *images_file, const char *labels_file,
                     digits *out) {
    idx_array images = {0}, labels = {0};
    bool done = load_file(folder, images_file, 3, &images) && load_file(folder, labels_file, 1, &labels) &&
                take(folder, which, &images, &labels, out);
    idx_free(&images);
    idx_free(&labels);
    return done;
}

static bool load_folder(const char *folder, mnist_data *out) {
    if (!load_set(folder, "training", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", &out->train) ||
        !load_set(folder, "test", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", &out->test)) {
        mnist_free(out);
        return false;
    }
    uint32_t train = (uint32_t)crc32(0, out->train.label, (uInt)out->train.n);
    uint32_t test = (uint32_t)crc32(0, out->test.label, (uInt)out->test.n);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].train == train && known[i].test == test) out->name = known[i].name, out->of = known[i].of;
    return true;
}

bool mnist_load(const char *folder, mnist_data *out) {
    *out = (mnist_data){.name = "data of unknown origin", .of = digit_name};
    char *found = folder ? NULL : default_folder();
    bool done = (folder || found) && load_folder(folder ? folder : found, out);
    if (!folder && !found) fprintf(stderr, "not enough memory for the name of the folder\n");
    free(found);
    return done;
}

void mnist_free(mnist_data *data) {
    free(data->train.pixel);
    free(data->train.label);
    free(data->test.pixel);
    free(data->test.label);
    *data = (mnist_data){0};
}
