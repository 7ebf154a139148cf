/* In: the table. Out: a PNG, both axes logarithmic: a straight line is a time that grows with the nodes. */
#include "sweep.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "../common/canvas.h"

enum { WIDTH = 760, HEIGHT = 520, AREA_X = 74, AREA_Y = 64, AREA_W = 650, AREA_H = 376 };

static const colour line_colour[SWEEP_DEVICES] = {{0.12, 0.38, 0.66}, {0.86, 0.36, 0.08}};
static const char *const line_name[SWEEP_DEVICES] = {"CPU", "GPU"};

typedef struct {
    double left, right, bottom, top; /* decimal logarithms */
} view;

static double paper_x(const view *v, double nodes) {
    return AREA_X + AREA_W * (log10(nodes) - v->left) / (v->right - v->left);
}

static double paper_y(const view *v, double seconds) {
    return AREA_Y + AREA_H * (v->top - log10(seconds)) / (v->top - v->bottom);
}

static view view_of(const sweep_table *t) {
    view v = {log10((double)t->hidden[0]) - 0.2, log10((double)t->hidden[SWEEP_SIZES - 1]) + 0.12, INFINITY, -INFINITY};
    for (int d = 0; d < SWEEP_DEVICES; d++)
        for (int i = 0; i < SWEEP_SIZES; i++)
            if (!isnan(t->seconds[d][i])) {
                v.bottom = fmin(v.bottom, log10(t->seconds[d][i]));
                v.top = fmax(v.top, log10(t->seconds[d][i]));
            }
    if (v.bottom > v.top) v.bottom = v.top = 0;
    v.bottom -= 0.25;
    v.top += 0.25;
    return v;
}

/* 1, 2 and 5 times powers of ten up the side; the sizes that were measured along the bottom. */
static void draw_axes(cairo_t *cr, const view *v, const sweep_table *t) {
    char text[32];
    const colour grid = {0.90, 0.90, 0.91};
    cairo_set_line_width(cr, 1);
    for (int power = -6; power <= 9; power++)
        for (int digit = 1; digit <= 5; digit = digit == 1 ? 2 : digit + 3) {
            double value = digit * pow(10, power), at = log10(value);
            if (at < v->bottom || at > v->top) continue;
            double y = paper_y(v, value);
            colour_use(cr, grid);
            cairo_move_to(cr, AREA_X, y);
            cairo_rel_line_to(cr, AREA_W, 0);
            cairo_stroke(cr);
            colour_use(cr, colour_ink);
            snprintf(text, sizeof text, "%.*f", power < 0 ? -power : 0, value);
            canvas_text(cr, 12, text, AREA_X - 9, y + 4, 1);
        }
    for (int i = 0; i < SWEEP_SIZES; i++) {
        double x = paper_x(v, (double)t->hidden[i]);
        colour_use(cr, grid);
        cairo_move_to(cr, x, AREA_Y);
        cairo_rel_line_to(cr, 0, AREA_H);
        cairo_stroke(cr);
        colour_use(cr, colour_ink);
        snprintf(text, sizeof text, "%" PRId64, t->hidden[i]);
        canvas_text(cr, 12, text, x, AREA_Y + AREA_H + 19, 0.5);
    }
    colour_use(cr, colour_ink);
    cairo_rectangle(cr, AREA_X, AREA_Y, AREA_W, AREA_H);
    cairo_stroke(cr);
    canvas_text(cr, 13, "hidden nodes", AREA_X + AREA_W / 2.0, AREA_Y + AREA_H + 42, 0.5);
    canvas_text(cr, 13, "s", AREA_X - 9, AREA_Y - 10, 1);
}

static void draw_line(cairo_t *cr, const view *v, const sweep_table *t, int d) {
    colour_use(cr, line_colour[d]);
    cairo_set_line_width(cr, 2.2);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    for (int i = 0; i < SWEEP_SIZES; i++)
        cairo_line_to(cr, paper_x(v, (double)t->hidden[i]), paper_y(v, t->seconds[d][i]));
    cairo_stroke(cr);
    for (int i = 0; i < SWEEP_SIZES; i++) {
        double x = paper_x(v, (double)t->hidden[i]), y = paper_y(v, t->seconds[d][i]);
        char text[32];
        cairo_arc(cr, x, y, 4.5, 0, 6.283185307179586);
        cairo_fill(cr);
        snprintf(text, sizeof text, "%.3g s", t->seconds[d][i]);
        canvas_text(cr, 12, text, x - 8, y - 9, 1);
    }
}

/* The devices; where one is missing, it says so. */
static void draw_legend(cairo_t *cr, const sweep_table *t) {
    for (int d = 0; d < SWEEP_DEVICES; d++) {
        char text[64];
        double y = AREA_Y + 24 + 20 * d;
        snprintf(text, sizeof text, "%s%s", line_name[d], t->why[d][0] ? ": none on this machine" : "");
        colour_use(cr, t->why[d][0] ? colour_unknown : line_colour[d]);
        cairo_arc(cr, AREA_X + 20, y - 4.5, 4.5, 0, 6.283185307179586);
        cairo_fill(cr);
        canvas_text(cr, 13, text, AREA_X + 32, y, 0);
    }
}

bool sweep_plot(const char *path, const sweep_table *t, const char *title) {
    cairo_t *cr = canvas_new(WIDTH, HEIGHT);
    view v = view_of(t);
    colour_use(cr, colour_ink);
    canvas_text(cr, 16, title, AREA_X, 34, 0);
    draw_axes(cr, &v, t);
    for (int d = 0; d < SWEEP_DEVICES; d++)
        if (!t->why[d][0]) draw_line(cr, &v, t, d);
    draw_legend(cr, t);
    return canvas_save(cr, path);
}
