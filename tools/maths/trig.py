"""Constants of sin and cos (src/ir/maths_trig.c).

    steps       doubles K that lie very close below a multiple of 2 pi, for bringing f32 arguments down exactly
    far_f32     sin(r) / r in z = r^2, evaluated in f64, |r| <= pi / 2 (and a little more)
    parts       pi / 2 in three parts, the second with so few bits that its products with n are exact
    near_f32    kernels for |r| <= pi / 4
    sin_f64, cos_f64   kernels for |r| <= pi / 4
    two_over_pi        the bits of 2 / pi in pieces of 48, as doubles
"""

import sys

from mpmath import cos, floor, log, mp, mpf, pi, sin, sqrt

from remez import rounded, show, to_f32, to_f64

mp.prec = 1400


def steps(near):
    """The best K = j 2^s, j < 2^53, K about 2^near, by continued fractions of 2^s / (2 pi); d = K - m 2 pi < 0."""
    best = None
    for s in range(near - 55, near - 50):
        target = mpf(2) ** s / (2 * pi)
        # Convergents m / j of the target: j * target is close to the integer m.
        x, (j0, m0), (j1, m1) = target, (1, 0), (0, 1)
        while True:
            a = int(floor(x))
            j0, j1, m0, m1 = j1, a * j1 + j0, m1, a * m1 + m0
            if j1 >= 2**53:
                break
            k = j1 * mpf(2) ** s
            d = k - m1 * 2 * pi
            if k > mpf(2) ** (near - 3) and d < 0 and (best is None or -d * 2**near / k < best[0]):
                best = (-d * 2**near / k, k, d)
            x = 1 / (x - a)
    _, k, d = best
    print(f"K about 2^{near}: {float(k).hex()}, 1/K {float(1 / k).hex()}, d {float(d).hex()}")


def far_f32(degree):
    limit = pi / 2 + mpf("0.004")

    def f(z):
        return sin(sqrt(z)) / sqrt(z) if z > mpf(10) ** -20 else 1 - z / 6

    show(f"f32 sin, {degree + 1} terms", *rounded(f, lambda z: 1 / f(z), mpf(0), limit**2, degree, to_f64, {0: mpf(1)}))


def parts(bits, second, to_format):
    """bits of the type; second: of the second part."""
    first = floor(pi / 2 * mpf(2) ** (bits - 1)) * mpf(2) ** (1 - bits)
    rest = pi / 2 - first
    unit = mpf(2) ** (floor(log(rest, 2)) + 1 - second)
    middle = floor(rest / unit) * unit
    print(f"pi/2 with {second} bits in the second part: "
          f"{float(first).hex()} {float(middle).hex()} {float(to_format(rest - middle)).hex()}")


def near_f32(sin_degree, cos_degree):
    limit = (pi / 4 * mpf("1.002")) ** 2

    def odd(z):
        return (sin(sqrt(z)) / sqrt(z) - 1) / z if z > mpf(10) ** -20 else -mpf(1) / 6

    def even(z):
        return (cos(sqrt(z)) - 1) / z if z > mpf(10) ** -20 else -mpf(1) / 2

    def odd_weight(z):
        return z * sqrt(z) / sin(sqrt(z)) if z else z

    show(f"f32 sin, {sin_degree + 1} terms", *rounded(odd, odd_weight, mpf(0), limit, sin_degree, to_f32))
    show(f"f32 cos, {cos_degree + 1} terms",
         *rounded(even, lambda z: z / cos(sqrt(z)), mpf(0), limit, cos_degree, to_f32))


def sin_f64(degree):
    limit = (pi / 4 * mpf("1.0001")) ** 2

    def f(z):
        return (sin(sqrt(z)) / sqrt(z) - 1) / z if z > mpf(10) ** -12 else -mpf(1) / 6 + z / 120

    show(f"f64 sin, {degree + 1} terms",
         *rounded(f, lambda z: z + mpf("1e-3"), mpf(0), limit, degree, to_f64))


def cos_f64(degree):
    limit = (pi / 4 * mpf("1.0001")) ** 2

    def f(z):
        return (cos(sqrt(z)) - 1 + z / 2) / z**2 if z > mpf(10) ** -10 else mpf(1) / 24 - z / 720

    show(f"f64 cos, {degree + 1} terms",
         *rounded(f, lambda z: z * z / cos(sqrt(z)) + mpf("1e-3"), mpf(0), limit, degree, to_f64))


def two_over_pi(n, width):
    rest, out = 2 / pi, []
    for k in range(n):
        digit = floor(rest * mpf(2) ** (width * (k + 1)))
        rest -= digit * mpf(2) ** (-width * (k + 1))
        out.append(f"{int(digit):#x}")
    print(f"2/pi in {n} digits of {width} bits:\n    " + ", ".join(out))


if __name__ == "__main__":
    which = sys.argv[1:] or ["f32", "f64"]
    print("pi", float(pi).hex(), float(pi - float(pi)).hex(), "1/pi", float(1 / pi).hex())
    print("pi/2", float(pi / 2).hex(), float(pi / 2 - float(pi / 2)).hex())
    if "f32" in which:
        steps(86)
        steps(43)
        parts(24, 11, to_f32)
    if "f64" in which:
        parts(53, 33, to_f64)
    mp.prec = 200
    if "f32" in which:
        far_f32(4)
        near_f32(2, 3)
    if "f64" in which:
        sin_f64(5)
        cos_f64(5)
        mp.prec = 1400
        two_over_pi(25, 48)
