/* Pictures by cairo: a white canvas, colours, text, and a PNG at the end. */
#ifndef SAMPLES_CANVAS_H
#define SAMPLES_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

#include <cairo.h>

typedef struct colour {
    double r, g, b;
} colour;

static const colour colour_ink = {0.15, 0.16, 0.18}, colour_paper = {1, 1, 1}, colour_unknown = {0.6, 0.6, 0.6};

void colour_use(cairo_t *cr, colour c);
/* From a, t = 0, to b, t = 1. */
colour colour_blend(colour a, colour b, double t);
/* For an image of CAIRO_FORMAT_RGB24. */
uint32_t colour_pixel(colour c);

/* A canvas of the given size, each unit of which is two pixels wide and high. */
cairo_t *canvas_new(int width, int height);
/* Writes it as a PNG and frees it. On failure prints a sentence to standard error and returns false. */
bool canvas_save(cairo_t *canvas, const char *path);
/* true where a file of that name can be written, which is tried before long work; else prints why not. */
bool canvas_writable(const char *path);

/* Text of a size whose start (0), middle (0.5) or end (1) lies at x, on a base line at y. */
void canvas_text(cairo_t *cr, double size, const char *text, double x, double y, double where);

#endif
