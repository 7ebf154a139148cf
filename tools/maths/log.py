"""Coefficients of log and log1p (src/ir/maths_log.c).

    f32: q(f) = (log(1 + f) - f + f^2 / 2) / f^3 on 2/3 <= 1 + f < 4/3
    f64: p(z) = (log((1 + s) / (1 - s)) / s - 2) / z, z = s^2, s = f / (2 + f), on sqrt(1/2) <= 1 + f < sqrt(2)
"""

from mpmath import log, log1p, mpf, sqrt

from remez import climb, remez, rounded, show, to_f64


def q(f):
    if abs(f) < mpf(10) ** -8:
        return mpf(1) / 3 - f / 4 + f * f / 5
    return (log1p(f) - f + f * f / 2) / f**3


def log_f32(degree):
    import numpy as np

    a, b = mpf(2) / 3 - 1, mpf(4) / 3 - 1
    # The relative error rules near f = 0; the small constant keeps the weight from vanishing there.
    c, _ = remez(q, lambda f: (abs(f**3 / log1p(f)) if f else mpf(0)) + mpf("2e-3"), a, b, degree)
    y = np.linspace(float(a), float(b), 4001).astype(np.longdouble)
    y = y[np.abs(y) > 1e-6]

    def error(c):
        p = np.zeros_like(y)
        for k in c[::-1]:
            p = p * y + np.longdouble(k)
        return float(np.max(np.abs((y - y * y / 2 + y**3 * p) / np.log1p(y) - 1)))

    show(f"f32 q, {degree + 1} terms", *climb([c[k] for k in sorted(c)], error, 6000))


def p(z):
    if z < mpf(10) ** -12:
        return mpf(2) / 3 + z * 2 / 5
    s = sqrt(z)
    return (log((1 + s) / (1 - s)) / s - 2) / z


def log_f64(degree):
    limit = ((sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1)) ** 2 * mpf("1.0001")
    show(f"f64 p, {degree + 1} terms", *rounded(p, lambda z: z / 2 + mpf("1e-4"), mpf(0), limit, degree, to_f64))


if __name__ == "__main__":
    log_f32(8)
    log_f64(6)
