"""Coefficients of pow (src/ir/maths_pow.c), z = s^2, s = (m - 1) / (m + 1), sqrt(1/2) <= m < sqrt(2).

    f32   log2(m) / s = (2 / ln2) atanh(s) / s, and 2^r on |r| <= 1/2, all evaluated in f64
    f64   q(z) in atanh(s) / s = 1 + z (1/3 + z q), and 2^r
"""

from mpmath import atanh, log, mp, mpf, sqrt

from remez import rounded, show, to_f64

LIMIT = ((sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1)) ** 2 * mpf("1.0001")
LN2 = log(mpf(2))


def ratio(z):
    s = sqrt(z)
    return atanh(s) / s if z > mpf(10) ** -40 else 1 + z / 3


def q(z):
    if z < mpf(10) ** -12:
        return mpf(1) / 5 + z / 7 + z * z / 9
    return ((ratio(z) - 1) / z - mpf(1) / 3) / z


def exp2(name, degree):
    half = mpf("0.5001")
    show(f"{name} exp2, {degree + 1} terms",
         *rounded(lambda r: mpf(2) ** r, lambda r: mpf(2) ** -r, -half, half, degree, to_f64, {0: mpf(1)}))


def pair(name, v):
    print(name, float(v).hex(), float(v - float(v)).hex())


if __name__ == "__main__":
    mp.prec = 300
    show("f32 log2, 5 terms", *rounded(lambda z: ratio(z) * 2 / LN2, lambda z: LN2 / 2, mpf(0), LIMIT, 4, to_f64))
    exp2("f32", 6)
    show("f64 q, 8 terms", *rounded(q, lambda z: z * z + mpf("1e-9"), mpf(0), LIMIT, 7, to_f64))
    exp2("f64", 12)
    pair("1/3", mpf(1) / 3)
    pair("2/ln2", 2 / LN2)
