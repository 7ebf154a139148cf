/* In: what is drawn. Out: a PNG with two pixels a unit, or a sentence: cairo's errors stick to its objects and are
 * asked for once, at the end. */
#include "canvas.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SCALE = 2 };

void colour_use(cairo_t *cr, colour c) { cairo_set_source_rgb(cr, c.r, c.g, c.b); }

colour colour_blend(colour a, colour b, double t) {
    return (colour){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

uint32_t colour_pixel(colour c) {
    return (uint32_t)lround(255 * c.r) << 16 | (uint32_t)lround(255 * c.g) << 8 | (uint32_t)lround(255 * c.b);
}

cairo_t *canvas_new(int width, int height) {
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width * SCALE, height * SCALE);
    cairo_t *cr = cairo_create(surface); /* which keeps the surface */
    cairo_surface_destroy(surface);
    cairo_scale(cr, SCALE, SCALE);
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    colour_use(cr, colour_paper);
    cairo_paint(cr);
    return cr;
}

void canvas_text(cairo_t *cr, double size, const char *text, double x, double y, double where) {
    cairo_text_extents_t extents;
    cairo_set_font_size(cr, size);
    cairo_text_extents(cr, text, &extents);
    cairo_move_to(cr, x - where * extents.x_advance, y);
    cairo_show_text(cr, text);
    cairo_new_path(cr); /* else the next path begins where the text ended */
}

static cairo_status_t write_bytes(void *file, const unsigned char *data, unsigned size) {
    return fwrite(data, 1, size, (FILE *)file) == size ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static bool write_png(const char *path, cairo_surface_t *surface) {
    FILE *file = fopen(path, "wb");
    if (!file) {
        fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
        return false;
    }
    cairo_status_t status = cairo_surface_write_to_png_stream(surface, write_bytes, file);
    bool closed = !fclose(file);
    if (status)
        fprintf(stderr, "cannot write %s: %s\n", path, cairo_status_to_string(status));
    else if (!closed)
        fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
    return !status && closed;
}

bool canvas_save(cairo_t *canvas, const char *path) {
    cairo_status_t status = cairo_status(canvas);
    if (status) fprintf(stderr, "cannot draw %s: %s\n", path, cairo_status_to_string(status));
    bool done = !status && write_png(path, cairo_get_target(canvas));
    cairo_destroy(canvas);
    return done;
}

bool canvas_writable(const char *path) {
    FILE *file = fopen(path, "ab");
    if (!file) {
        fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
        return false;
    }
    fclose(file);
    return true;
}
