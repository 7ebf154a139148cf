"""Coefficients of the exponential family (src/ir/maths_exp.c).

    q(r) = (e^r - 1 - r) / r^2 on |r| <= ln2 / 2, so that e^r = 1 + r (1 + r q) has both leading coefficients exact.
"""

import sys

from mpmath import exp, log, mpf, sqrt, tanh

from remez import climb, remez, rounded, show, to_f32, to_f64

HALF = log(mpf(2)) / 2 * mpf("1.0005")


def q(r):
    if abs(r) < mpf(10) ** -15:
        return mpf(1) / 2 + r / 6 + r * r / 24
    return (exp(r) - 1 - r) / r**2


def exp_f32(degree):
    import numpy as np

    c, _ = remez(q, lambda r: r**2 / exp(r), -HALF, HALF, degree)
    x = np.linspace(-float(HALF), float(HALF), 3001).astype(np.longdouble)

    def error(c):
        p = np.zeros_like(x)
        for a in c[::-1]:
            p = p * x + np.longdouble(a)
        return float(np.max(np.abs((1 + x + x * x * p) / np.exp(x) - 1)))

    show(f"f32 q, {degree + 1} terms", *climb([c[k] for k in sorted(c)], error))


def exp_f64(degree):
    show(f"f64 q, {degree + 1} terms", *rounded(q, lambda r: r**2 / exp(r), -HALF, HALF, degree, to_f64))


def tanh_q(limit, degree):
    """Q in z = x^2 with tanh(x) = x - x z / Q, for |x| < limit."""

    def f(z):
        if z < mpf(10) ** -12:
            return 3 + z * 6 / 5
        return z / (1 - tanh(sqrt(z)) / sqrt(z))

    def weight(z):
        ratio = tanh(sqrt(z)) / sqrt(z)
        return (1 - ratio) / ratio / f(z)

    show(f"f32 tanh below {limit}, {degree + 1} terms", *rounded(f, weight, limit**2 * mpf("1e-4"), limit**2, degree, to_f32))


if __name__ == "__main__":
    which = sys.argv[1:] or ["f32", "f64", "tanh"]
    if "f32" in which:
        exp_f32(4)
    if "f64" in which:
        exp_f64(10)
    if "tanh" in which:
        tanh_q(mpf("0.9375"), 3)
