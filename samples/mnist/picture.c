/* In: digits, the answers they got, the weights of the first layer. Out: a PNG. On the left the first misclassified
 * digits with the answer given and the right one; on the right above the confusion matrix, one row for each right
 * class; below it the weights into each of the first hidden units, arranged as the pixels that they look at. */
#include "picture.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../common/array.h"
#include "../common/canvas.h"

enum { WIDTH = 1160, HEIGHT = 730, TITLE_Y = 38, HEAD_Y = 74, TOP = 90 };
enum { WRONG_X = 32, WRONG_COLUMNS = 8, WRONG_ROWS = 7, WRONG_W = 68, WRONG_H = 89, WRONG_SIDE = 56 };
enum { MATRIX_X = 676, MATRIX_CELL = 35, MATRIX_W = MATRIX_CELL * MNIST_CLASSES };
enum {
    UNITS_X = 616,
    UNITS_Y = TOP + MATRIX_W + 78,
    UNITS_COLUMNS = 12,
    UNITS_ROWS = 4,
    UNITS_STEP = 43,
    UNITS_SIDE = 40
};

static const colour given_colour = {0.80, 0.30, 0.05}, right_colour = {0.10, 0.36, 0.64}, faint = {0.42, 0.44, 0.47};

/* A picture of MNIST_SIDE times MNIST_SIDE pixels at a place, in a given size, each pixel a sharp square. */
static void draw_pixels(cairo_t *cr, const uint32_t *pixel, double x, double y, double side) {
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, MNIST_SIDE, MNIST_SIDE);
    unsigned char *bytes = cairo_image_surface_get_data(image);
    for (int row = 0; bytes && row < MNIST_SIDE; row++)
        memcpy(bytes + row * cairo_image_surface_get_stride(image), pixel + row * MNIST_SIDE,
               MNIST_SIDE * sizeof *pixel);
    cairo_surface_mark_dirty(image);
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_scale(cr, side / MNIST_SIDE, side / MNIST_SIDE);
    cairo_set_source_surface(cr, image, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
    cairo_rectangle(cr, 0, 0, MNIST_SIDE, MNIST_SIDE);
    cairo_fill(cr);
    cairo_restore(cr);
    cairo_surface_destroy(image);
}

static void draw_head(cairo_t *cr, const char *text, double x, double y) {
    colour_use(cr, colour_ink);
    canvas_text(cr, 13, text, x, y, 0);
}

/* ---- misclassified ----------------------------------------------------------------------------------------------- */

static void draw_digit(cairo_t *cr, const uint8_t *ink, double x, double y) {
    uint32_t pixel[MNIST_PIXELS];
    for (int i = 0; i < MNIST_PIXELS; i++)
        pixel[i] = colour_pixel(colour_blend((colour){0.955, 0.955, 0.95}, colour_ink, ink[i] / 255.0));
    draw_pixels(cr, pixel, x, y, WRONG_SIDE);
}

/* "9 not 4" below a digit; names of clothes take two lines. */
static void draw_caption(cairo_t *cr, const char *given, const char *right, double x, double y) {
    bool lines = strlen(given) + strlen(right) > 2;
    double middle = x + WRONG_SIDE / 2.0;
    colour_use(cr, given_colour);
    canvas_text(cr, 11, given, lines ? middle : middle - 15, y + WRONG_SIDE + 13, lines ? 0.5 : 1);
    colour_use(cr, right_colour);
    canvas_text(cr, 11, right, lines ? middle : middle + 15, y + WRONG_SIDE + (lines ? 25 : 13), lines ? 0.5 : 0);
    if (lines) return;
    colour_use(cr, faint);
    canvas_text(cr, 10, "not", middle, y + WRONG_SIDE + 13, 0.5);
}

static void draw_wrong(cairo_t *cr, const digits *d, const char *const *name, const uint8_t *answer) {
    int64_t wrong = 0;
    for (int64_t i = 0; i < d->n; i++) {
        if (answer[i] == d->label[i]) continue;
        int64_t row = wrong / WRONG_COLUMNS, column = wrong % WRONG_COLUMNS;
        wrong++;
        if (row >= WRONG_ROWS) continue;
        double x = WRONG_X + (double)column * WRONG_W, y = TOP + (double)row * WRONG_H;
        draw_digit(cr, d->pixel + i * MNIST_PIXELS, x, y);
        draw_caption(cr, name[answer[i]], name[d->label[i]], x, y);
    }
    char text[96];
    const int room = WRONG_COLUMNS * WRONG_ROWS;
    if (wrong > room)
        snprintf(text, sizeof text, "The first %d of %" PRId64 " wrong answers: ", room, wrong);
    else
        snprintf(text, sizeof text, wrong ? "All %" PRId64 " wrong answers: " : "No wrong answers", wrong);
    draw_head(cr, text, WRONG_X, HEAD_Y);
    if (!wrong) return;
    cairo_text_extents_t extents;
    cairo_set_font_size(cr, 13);
    cairo_text_extents(cr, text, &extents);
    double x = WRONG_X + extents.x_advance;
    colour_use(cr, given_colour);
    canvas_text(cr, 13, "the answer given", x, HEAD_Y, 0);
    cairo_text_extents(cr, "the answer given", &extents);
    x += extents.x_advance;
    colour_use(cr, colour_ink);
    canvas_text(cr, 13, ", ", x, HEAD_Y, 0);
    colour_use(cr, right_colour);
    canvas_text(cr, 13, "the right one", x + 8, HEAD_Y, 0);
}

/* ---- which for which --------------------------------------------------------------------------------------------- */

/* Shares of a row: right ones in blue, wrong ones in orange, whose colour grows with the root so that few are seen. */
static colour share_colour(double share, bool right) {
    colour full = right ? (colour){0.30, 0.55, 0.80} : (colour){0.93, 0.42, 0.10};
    double t = right ? share * share : fmin(1, 2 * sqrt(share));
    return colour_blend((colour){0.975, 0.975, 0.97}, full, t);
}

static void draw_matrix(cairo_t *cr, const digits *d, const char *const *name, const uint8_t *answer) {
    int64_t count[MNIST_CLASSES][MNIST_CLASSES] = {{0}};
    for (int64_t i = 0; i < d->n; i++) count[d->label[i]][answer[i]]++;
    draw_head(cr, "How often each class (row) got which answer (column)", UNITS_X, HEAD_Y);
    for (int row = 0; row < MNIST_CLASSES; row++) {
        int64_t all = 0;
        for (int column = 0; column < MNIST_CLASSES; column++) all += count[row][column];
        double y = TOP + row * MATRIX_CELL;
        colour_use(cr, colour_ink);
        canvas_text(cr, 11, name[row], MATRIX_X - 8, y + MATRIX_CELL / 2.0 + 4, 1);
        for (int column = 0; column < MNIST_CLASSES; column++) {
            double x = MATRIX_X + column * MATRIX_CELL;
            int64_t n = count[row][column];
            colour_use(cr, share_colour(all ? (double)n / (double)all : 0, row == column));
            cairo_rectangle(cr, x + 0.5, y + 0.5, MATRIX_CELL - 1, MATRIX_CELL - 1);
            cairo_fill(cr);
            if (!n) continue;
            char text[24];
            snprintf(text, sizeof text, "%" PRId64, n);
            colour_use(cr, colour_ink);
            canvas_text(cr, n < 100000 ? 11 : 8, text, x + MATRIX_CELL / 2.0, y + MATRIX_CELL / 2.0 + 4, 0.5);
        }
    }
    for (int column = 0; column < MNIST_CLASSES; column++) {
        /* Names of clothes are wider than a cell: every second one a line lower. */
        double x = MATRIX_X + (column + 0.5) * MATRIX_CELL, y = TOP + MATRIX_W + 15;
        canvas_text(cr, 11, name[column], x, strlen(name[column]) > 1 && column % 2 ? y + 13 : y, 0.5);
    }
}

/* ---- the first layer --------------------------------------------------------------------------------------------- */

/* Blue for weights below 0, red above; 1 is the largest weight of the unit. */
static colour weight_colour(double w) {
    static const colour below = {0.13, 0.40, 0.67}, none = {0.97, 0.97, 0.97}, above = {0.70, 0.09, 0.17};
    if (isnan(w)) return colour_unknown;
    return colour_blend(none, w < 0 ? below : above, fabs(w));
}

static void draw_units(cairo_t *cr, const sn_tensor *weights) {
    int64_t units = weights->size[0], most = UNITS_COLUMNS * UNITS_ROWS, shown = units < most ? units : most;
    char text[128];
    snprintf(text, sizeof text, "Weights into %s%" PRId64 " of %" PRId64 " hidden units: red > 0, blue < 0",
             shown < units ? "the first " : "", shown, units);
    draw_head(cr, text, UNITS_X, UNITS_Y - 14);
    for (int64_t unit = 0; unit < shown; unit++) {
        uint32_t pixel[MNIST_PIXELS];
        double largest = 0;
        for (int64_t i = 0; i < MNIST_PIXELS; i++)
            largest = fmax(largest, fabs(array_get(weights, unit * MNIST_PIXELS + i)));
        for (int64_t i = 0; i < MNIST_PIXELS; i++)
            pixel[i] =
                colour_pixel(weight_colour(largest > 0 ? array_get(weights, unit * MNIST_PIXELS + i) / largest : 0));
        draw_pixels(cr, pixel, UNITS_X + (double)(unit % UNITS_COLUMNS) * UNITS_STEP,
                    UNITS_Y + (double)(unit / UNITS_COLUMNS) * UNITS_STEP, UNITS_SIDE);
    }
}

bool picture_save(const char *path, const digits *shown, const char *const *class_name, const uint8_t *answer,
                  const sn_tensor *weights, const char *title) {
    cairo_t *cr = canvas_new(WIDTH, HEIGHT);
    colour_use(cr, colour_ink);
    canvas_text(cr, 18, title, WRONG_X, TITLE_Y, 0);
    draw_wrong(cr, shown, class_name, answer);
    draw_matrix(cr, shown, class_name, answer);
    draw_units(cr, weights);
    return canvas_save(cr, path);
}
