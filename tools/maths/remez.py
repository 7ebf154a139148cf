"""Weighted minimax polynomials (Remez' second algorithm) and their rounding to float coefficients.

    remez(f, weight, a, b, degree)   min over c of  max over [a, b] of |weight(x) * (f(x) - sum c[k] x^k)|
    rounded(f, weight, a, b, degree, formats)
                                     the same with each coefficient rounded in turn, the others fitted again around it
    climb(c, error)                  hill climbing over neighbouring f32 coefficients

Needs mpmath, and numpy for climb. Sources: E. Remez 1934; N. Brisebarre and S. Chevillard 2007 for why rounding one
coefficient after the other beats rounding all at once.
"""

import struct

from mpmath import cos, log, lu_solve, matrix, mp, mpf, pi

mp.prec = 200


def to_f32(v):
    return mpf(struct.unpack("f", struct.pack("f", float(v)))[0])


def to_f64(v):
    return mpf(float(v))


def remez(f, weight, a, b, degree, fixed=None, iterations=40, grid=None):
    """Returns ({k: c[k]}, greatest weighted error). fixed: coefficients given beforehand."""
    fixed = fixed or {}
    free = [k for k in range(degree + 1) if k not in fixed]
    n = len(free) + 1
    grid = grid or 40 * n + 200
    # Chebyshev-like grid: errors vary fastest at the ends.
    at = [(a + b) / 2 - (b - a) / 2 * cos(pi * mpf(i) / grid) for i in range(grid + 1)]
    weights = [weight(x) for x in at]
    values = [f(x) - sum(c * x**k for k, c in fixed.items()) for x in at]
    points = [round(grid * i / (n - 1)) for i in range(n)]
    best = None
    for _ in range(iterations):
        lhs, rhs = matrix(n, n), matrix(n, 1)
        for row, i in enumerate(points):
            for column, k in enumerate(free):
                lhs[row, column] = at[i] ** k * weights[i]
            lhs[row, n - 1] = (-1) ** row
            rhs[row] = values[i] * weights[i]
        solution = lu_solve(lhs, rhs)
        c = [solution[j] for j in range(n - 1)]
        level = abs(solution[n - 1])
        errors = []
        for x, w, v in zip(at, weights, values):
            p = mpf(0)
            for k in range(free[-1] if free else 0, -1, -1):
                p = p * x + (c[free.index(k)] if k in free else 0)
            errors.append(w * (v - p))
        greatest = max(abs(e) for e in errors)
        if best is None or greatest < best[1]:
            best = (dict(fixed) | dict(zip(free, c)), greatest)
        if greatest <= level * mpf("1.0005"):
            break
        points = alternation(errors, n)
        if points is None:
            break
    return best


def alternation(errors, n):
    """n grid indices where the error is extreme and changes its sign, or None."""
    runs = []
    for i, e in enumerate(errors):
        if e == 0:
            continue
        if runs and errors[runs[-1]] * e > 0:
            if abs(e) > abs(errors[runs[-1]]):
                runs[-1] = i
        else:
            runs.append(i)
    while len(runs) > n:
        runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
    return runs if len(runs) == n else None


def rounded(f, weight, a, b, degree, formats, fixed=None):
    """formats: a rounding function for all coefficients, or a list, one for each."""
    fixed = dict(fixed or {})
    greatest = None
    for k in range(degree + 1):
        if k in fixed:
            continue
        c, _ = remez(f, weight, a, b, degree, fixed)
        fixed[k] = (formats[k] if isinstance(formats, list) else formats)(c[k])
    grid = [a + (b - a) * mpf(i) / 2000 for i in range(2001)]
    greatest = max(abs(weight(x) * (f(x) - sum(c * x**k for k, c in fixed.items()))) for x in grid)
    return fixed, greatest


def climb(c, error, steps=4000, seed=1):
    """Betters f32 coefficients: random neighbours, kept when error(c) falls. Returns (c, error)."""
    import numpy as np

    rng = np.random.default_rng(seed)
    c = np.array([float(v) for v in c], dtype=np.float32)
    best = error(c)
    for _ in range(steps):
        d = c.copy()
        for k in rng.integers(0, len(c), size=rng.integers(1, 4)):
            for _ in range(int(rng.integers(1, 2 + k * 3))):
                d[k] = np.nextafter(d[k], np.float32(np.inf if rng.random() < 0.5 else -np.inf))
        e = error(d)
        if e < best:
            best, c = e, d
    return c, best


def bits(error):
    return float(log(error) / log(2))


def show(name, c, error):
    values = [c[k] for k in sorted(c)] if isinstance(c, dict) else list(c)
    print(f"{name}  (error 2^{bits(mpf(float(error))):.2f})")
    print("    " + ", ".join(float(v).hex().replace("0000000p", "p") for v in values))
