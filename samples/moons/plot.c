/* In: probabilities on a grid over the plane, points with their classes, a title. Out: a PNG by cairo. From back to
 * front: the probabilities as colours that run smoothly from one class to the other, the line where they are equal
 * (found cell by cell, as marching squares do), the points, axes with ticks, title and legend. */
#include "plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../common/array.h"
#include "../common/canvas.h"

enum { WIDTH = 800, HEIGHT = 600 };
enum { AREA_X = 58, AREA_Y = 52, AREA_W = 722, AREA_H = 500 };

static const colour point_colour[2] = {{0.12, 0.38, 0.66}, {0.86, 0.36, 0.08}};

/* Blue for 0, orange for 1, nearly white at 1/2; lighter than the points so that they stand out. */
static colour region_colour(double p) {
    static const colour stop[5] = {
        {0.48, 0.68, 0.86}, {0.75, 0.86, 0.94}, {0.97, 0.97, 0.96}, {0.99, 0.85, 0.72}, {0.97, 0.68, 0.45}};
    if (!(p >= 0 && p <= 1)) return colour_unknown; /* a training that diverged gives NaN */
    int at = p < 1 ? (int)(4 * p) : 3;
    return colour_blend(stop[at], stop[at + 1], 4 * p - at);
}

/* ---- the plane and the paper ------------------------------------------------------------------------------------- */

plot_view plot_view_of(const sn_tensor *X) {
    plot_view v = {array_get(X, 0), array_get(X, 0), array_get(X, 1), array_get(X, 1)};
    for (int64_t i = 0; i < X->size[0]; i++) {
        double x = array_get(X, 2 * i), y = array_get(X, 2 * i + 1);
        v.left = fmin(v.left, x);
        v.right = fmax(v.right, x);
        v.bottom = fmin(v.bottom, y);
        v.top = fmax(v.top, y);
    }
    const double margin = 0.35;
    double width = v.right - v.left + 2 * margin, height = v.top - v.bottom + 2 * margin;
    double unit = fmax(width / AREA_W, height / AREA_H);
    double x = (v.left + v.right) / 2, y = (v.bottom + v.top) / 2;
    return (plot_view){x - unit * AREA_W / 2, x + unit * AREA_W / 2, y - unit * AREA_H / 2, y + unit * AREA_H / 2};
}

double plot_grid_x(const plot_grid *g, int column) {
    return g->view.left + (g->view.right - g->view.left) * (column + 0.5) / g->columns;
}

double plot_grid_y(const plot_grid *g, int row) {
    return g->view.bottom + (g->view.top - g->view.bottom) * (row + 0.5) / g->rows;
}

static double paper_x(const plot_view *v, double x) { return AREA_X + AREA_W * (x - v->left) / (v->right - v->left); }

static double paper_y(const plot_view *v, double y) { return AREA_Y + AREA_H * (v->top - y) / (v->top - v->bottom); }

/* ---- regions and boundary ---------------------------------------------------------------------------------------- */

/* One pixel a cell, drawn larger: cairo interpolates between their middles. */
static void draw_regions(cairo_t *cr, const plot_grid *g) {
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, g->columns, g->rows);
    unsigned char *bytes = cairo_image_surface_get_data(image);
    for (int row = 0; bytes && row < g->rows; row++) {
        /* The image's first row is the top one. */
        unsigned char *to = bytes + (size_t)(g->rows - 1 - row) * (size_t)cairo_image_surface_get_stride(image);
        for (int column = 0; column < g->columns; column++) {
            uint32_t value = colour_pixel(region_colour(g->value[row * g->columns + column]));
            memcpy(to + 4 * (size_t)column, &value, sizeof value);
        }
    }
    cairo_surface_mark_dirty(image);
    cairo_save(cr);
    cairo_translate(cr, AREA_X, AREA_Y);
    cairo_scale(cr, (double)AREA_W / g->columns, (double)AREA_H / g->rows);
    cairo_set_source_surface(cr, image, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_BILINEAR);
    cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD);
    cairo_rectangle(cr, 0, 0, g->columns, g->rows);
    cairo_fill(cr);
    cairo_restore(cr);
    cairo_surface_destroy(image);
}

/* The line through the square of four middles where the probability is 1/2: on each side whose ends lie on different
 * sides of 1/2 there is one point of it. Four such points make two lines. */
static void boundary_in_square(cairo_t *cr, const plot_grid *g, int column, int row) {
    static const int corner[5][2] = {{0, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 0}};
    double x[4], y[4];
    int found = 0;
    for (int side = 0; side < 4; side++) {
        int c0 = column + corner[side][0], r0 = row + corner[side][1];
        int c1 = column + corner[side + 1][0], r1 = row + corner[side + 1][1];
        double a = g->value[r0 * g->columns + c0] - 0.5, b = g->value[r1 * g->columns + c1] - 0.5;
        if (isnan(a) || isnan(b) || (a < 0) == (b < 0)) continue;
        double t = a / (a - b);
        double at_x = plot_grid_x(g, c0) * (1 - t) + plot_grid_x(g, c1) * t;
        double at_y = plot_grid_y(g, r0) * (1 - t) + plot_grid_y(g, r1) * t;
        x[found] = paper_x(&g->view, at_x);
        y[found++] = paper_y(&g->view, at_y);
    }
    for (int i = 0; i + 1 < found; i += 2) {
        cairo_move_to(cr, x[i], y[i]);
        cairo_line_to(cr, x[i + 1], y[i + 1]);
    }
}

static void draw_boundary(cairo_t *cr, const plot_grid *g) {
    for (int row = 0; row + 1 < g->rows; row++)
        for (int column = 0; column + 1 < g->columns; column++) boundary_in_square(cr, g, column, row);
    colour_use(cr, colour_ink);
    cairo_set_line_width(cr, 1.6);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    cairo_stroke(cr);
}

/* ---- points ------------------------------------------------------------------------------------------------------ */

static void draw_point(cairo_t *cr, double x, double y, double radius, int class) {
    cairo_arc(cr, x, y, radius, 0, 6.283185307179586);
    colour_use(cr, point_colour[class]);
    cairo_fill_preserve(cr);
    colour_use(cr, colour_paper);
    cairo_set_line_width(cr, radius / 4);
    cairo_stroke(cr);
}

/* Both classes in the order of the data, so that neither covers the other. Many points are drawn smaller. */
static void draw_points(cairo_t *cr, const plot_view *v, const sn_tensor *X, const sn_tensor *y) {
    int64_t n = X->size[0];
    double radius = fmax(1.2, fmin(4.4, 4.4 * sqrt(250.0 / (double)n)));
    for (int64_t i = 0; i < n; i++)
        draw_point(cr, paper_x(v, array_get(X, 2 * i)), paper_y(v, array_get(X, 2 * i + 1)), radius,
                   array_get(y, i) > 0.5);
}

/* ---- text and axes ----------------------------------------------------------------------------------------------- */

/* The distance of two ticks: 1, 2 or 5 times a power of ten, about ten of them in the range. */
static double tick_step(double range) {
    double power = pow(10, floor(log10(range / 10)));
    double digit = range / 10 / power;
    return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

static void tick_label(char *out, size_t size, double value, double step) {
    int digits = (int)fmax(0, -floor(log10(step) + 1e-9));
    snprintf(out, size, "%.*f", digits, value == 0 ? 0 : value);
}

static void draw_axes(cairo_t *cr, const plot_view *v) {
    char text[32];
    colour_use(cr, colour_ink);
    cairo_set_line_width(cr, 1);
    cairo_rectangle(cr, AREA_X, AREA_Y, AREA_W, AREA_H);
    cairo_stroke(cr);
    double step = tick_step(v->right - v->left);
    for (double i = ceil(v->left / step); i * step <= v->right; i++) {
        double x = paper_x(v, i * step);
        cairo_move_to(cr, x, AREA_Y + AREA_H);
        cairo_rel_line_to(cr, 0, 5);
        cairo_stroke(cr);
        tick_label(text, sizeof text, i * step, step);
        canvas_text(cr, 12, text, x, AREA_Y + AREA_H + 18, 0.5);
    }
    for (double i = ceil(v->bottom / step); i * step <= v->top; i++) {
        double y = paper_y(v, i * step);
        cairo_move_to(cr, AREA_X, y);
        cairo_rel_line_to(cr, -5, 0);
        cairo_stroke(cr);
        tick_label(text, sizeof text, i * step, step);
        canvas_text(cr, 12, text, AREA_X - 9, y + 4, 1);
    }
    canvas_text(cr, 13, "x\xe2\x82\x81", AREA_X + AREA_W / 2.0, AREA_Y + AREA_H + 37, 0.5);
    canvas_text(cr, 13, "x\xe2\x82\x82", AREA_X - 46, AREA_Y + AREA_H / 2.0, 0);
}

static void draw_title(cairo_t *cr, const char *title) {
    colour_use(cr, colour_ink);
    canvas_text(cr, 16, title, AREA_X, 33, 0);
    double x = AREA_X + AREA_W;
    for (int class = 1; class >= 0; class --) {
        char text[24];
        snprintf(text, sizeof text, "class %d", class);
        colour_use(cr, colour_ink);
        canvas_text(cr, 13, class ? "class 1" : "class 0", x, 33, 1);
        draw_point(cr, x - 52, 28.5, 4.4, class);
        x -= 72;
    }
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

bool plot_save(const char *path, const plot_grid *grid, const sn_tensor *X, const sn_tensor *y, const char *title) {
    cairo_t *cr = canvas_new(WIDTH, HEIGHT);
    cairo_save(cr);
    cairo_rectangle(cr, AREA_X, AREA_Y, AREA_W, AREA_H);
    cairo_clip(cr);
    draw_regions(cr, grid);
    draw_boundary(cr, grid);
    draw_points(cr, &grid->view, X, y);
    cairo_restore(cr);
    draw_axes(cr, &grid->view);
    draw_title(cr, title);

    return canvas_save(cr, path);
}
