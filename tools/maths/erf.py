"""Coefficients of erf (src/ir/maths_erf.c).

    small   erf(x) / x - 1 in z = x^2, below the limit
    large   p(s) = -log2(erfc(a)), s = a - limit, so that erf = 1 - 2^-p
    exp2    2^r on |r| <= 1/2
"""

import sys

from mpmath import erf, erfc, log, mpf, pi, sqrt

from remez import rounded, show, to_f32, to_f64


def small(name, limit, degree, form):
    def f(z):
        x = sqrt(z)
        return erf(x) / x - 1 if z > mpf(10) ** -30 else 2 / sqrt(pi) - 1 - 2 / sqrt(pi) * z / 3

    show(f"{name} small, {degree + 1} terms", *rounded(f, lambda z: 1 / (1 + f(z)), mpf(0), mpf(limit) ** 2, degree, form))


def large(name, limit, end, degree, form):
    limit, end = mpf(limit), mpf(end)

    def weight(s):
        a = limit + s
        return erfc(a) * log(mpf(2)) / erf(a)

    show(f"{name} large, {degree + 1} terms",
         *rounded(lambda s: -log(erfc(limit + s)) / log(mpf(2)), weight, mpf(0), end - limit, degree, form))


def exp2(name, degree, form):
    half = mpf("0.5001")
    show(f"{name} exp2, {degree + 1} terms",
         *rounded(lambda r: mpf(2) ** r, lambda r: mpf(2) ** -r, -half, half, degree, form))


if __name__ == "__main__":
    which = sys.argv[1:] or ["f32", "f64"]
    if "f32" in which:
        small("f32", "0.9375", 6, to_f32)
        large("f32", "0.9375", "3.93", 6, to_f32)
        exp2("f32", 5, to_f32)
    if "f64" in which:
        exp2("f64", 11, to_f64)
        small("f64", "1", 12, to_f64)
        large("f64", "1", "5.95", 18, to_f64)
