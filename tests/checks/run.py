"""sinter run against NumPy: arrays in and out through .npy files, variables written back, and a sentence for every file
and every argument that does not fit.

usage: run.py BUILD [BACKEND ..]"""
import math
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

import numpy as np

tool = pathlib.Path(sys.argv[1]).resolve() / "sinter"
backends = sys.argv[2:] or ["cpu", "interp"]
environment = dict(os.environ, SINTER_BACKEND=backends[-1])  # where --backend does not say
bad = []

LINEAR = """graph linear[N](%x: f32[N,2], %t: f32[N]) vars(@w: f32[2,1], @"step count": i64[]) {
  check 2 <= N "linear: needs two rows"
  %a = matmul %x, @w : f32[N,1]
  %p = reshape %a : f32[N]
  %d = sub %p, %t : f32[N]
  %s = square %d : f32[N]
  %loss = sum %s axes=[0] : f32[]
  %v = mul @w, @w : f32[2,1]
  %one = const 1 : i64[]
  %n = add @"step count", %one : i64[]
  return %loss, %p, %d
  update @w = %v
  update @"step count" = %n
}
"""


def run(*arguments):
    words = [tool, "run", *map(str, arguments)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
    if done.returncode not in (0, 2):
        bad.append(f"{arguments}: ends with {done.returncode}\n{done.stderr}")
    return done.returncode, done.stdout, done.stderr


def prints(want, *arguments):
    status, out, err = run(*arguments)
    if status or out != want:
        bad.append(f"{arguments}: {status}\n{out}{err}instead of\n{want}")


def fails(pattern, *arguments):
    status, out, err = run(*arguments)
    if status != 2 or out or not re.fullmatch(f"sinter run: .*{pattern}.*\n", err):
        bad.append(f"{arguments}: {status}\n{out}{err}no sentence like {pattern!r}")


def same(path, want):
    if not os.path.exists(path):
        return bad.append(f"{path}: was not written")
    have = np.load(path)
    if have.dtype != want.dtype or have.shape != want.shape or not np.array_equal(have, want):
        bad.append(f"{path}: {have!r} instead of {want!r}")


def check_linear():
    pathlib.Path("linear.sn").write_text(LINEAR)
    x = np.arange(24, dtype=np.float32).reshape(12, 2) / 4
    t, w = np.arange(12, dtype=np.float32), np.array([[0.5], [3]], np.float32)
    p = (x @ w)[:, 0]
    np.save("x.npy", x), np.save("t.npy", t), np.save("w.npy", w), np.save("wide.npy", w.astype(np.float64))
    np.save("one.npy", x[:1]), np.save("one_t.npy", t[:1])
    np.save("x_fortran.npy", np.asfortranarray(x))
    given = ["linear.sn", "--input", "x=x.npy", "--input", "1=t.npy"]
    for backend in backends:
        how = ["--backend", backend, "--threads", 2]
        loss = np.sum((p - t) ** 2, dtype=np.float32)
        texts = [" ".join(f"{v:.9g}" for v in values[:8]) for values in (p, p - t)]
        prints(f"loss: f32[] {loss:.9g}\np: f32[12] {texts[0]} ..\nd: f32[12] {texts[1]} ..\n",
               *given, "--var", "w=w.npy", *how, "--save-vars", backend)
        same(f"{backend}/w.npy", w * w)
        same(f"{backend}/var1.npy", np.array(1))
        # The written variables go on; a variable that is not given is zero.
        prints("", *given, "--var", f"w={backend}/w.npy", "--var", f"step count={backend}/var1.npy", "--output", "out",
               "--output", "p=named.npy", "--output", "2=counted.npy", "--save-vars", "next", *how)
        p2 = (x @ (w * w))[:, 0]
        same("out/loss.npy", np.sum((p2 - t) ** 2, dtype=np.float32))
        same("out/p.npy", p2), same("named.npy", p2), same("counted.npy", p2 - t)
        same("next/var1.npy", np.array(2))
        prints("", *given, "--output", "p=zero.npy", *how)
        same("zero.npy", 0 * p)

    fails('input "t" is not bound: --input t=FILE.npy, of type f32\\[N\\]', *given[:3])
    fails('input "t": f32\\[12,2\\] given, f32\\[N\\] wanted', *given[:3], "--input", "t=x.npy")
    fails('N is 12 from "x" and 1 from "t"', *given[:3], "--input", "t=one_t.npy")
    fails("linear: needs two rows: 2 is 2, N is 1", given[0], "--input", "x=one.npy", "--input", "t=one_t.npy")
    fails('variable "w": f64\\[2,1\\] given, f32\\[2,1\\] wanted', *given, "--var", "w=wide.npy")
    fails('no input is called "z"', "linear.sn", "--input", "z=x.npy")
    fails('no output is called "3"', *given, "--output", "3=x.npy")
    fails('no variable is called "v"', *given, "--var", "v=x.npy")
    fails('input "0" is given twice', *given, "--input", "0=x.npy")
    fails("NAME=FILE.npy wanted", *given, "--input", "x")
    fails("needs a value", *given, "--input")
    fails('no flag "--fast"', *given, "--fast")
    fails("--threads is a number", *given, "--threads", "many")
    fails("--backend is cpu, gpu or interp", *given, "--backend", "abacus")
    fails("which file")
    fails("one file at a time", *given, "other.sn")
    fails("none.sn cannot be read", "none.sn")
    fails("line 1, column 1", "x.npy")
    fails("no folder can be made", *given, "--output", "x.npy")
    fails("cannot be written", *given, "--output", "p=none/p.npy")
    fails("Fortran order: save numpy.ascontiguousarray", "linear.sn", "--input", "x=x_fortran.npy")


def threefry(counter, key):
    """Threefry-2x32 of 20 rounds on arrays of uint64, from the paper."""
    low, turn = np.uint64(0xffffffff), [13, 15, 26, 6, 17, 29, 16, 24]
    k = [key & low, key >> np.uint64(32)]
    k.append(k[0] ^ k[1] ^ np.uint64(0x1bd11bda))
    x, y = (counter + k[0]) & low, ((counter >> np.uint64(32)) + k[1]) & low
    for i in range(20):
        x = (x + y) & low
        y = ((y << np.uint64(turn[i % 8])) | (y >> np.uint64(32 - turn[i % 8]))) & low ^ x
        if i % 4 == 3:
            s = i // 4 + 1
            x, y = (x + k[s % 3]) & low, (y + k[(s + 1) % 3] + np.uint64(s)) & low
    return x | y << np.uint64(32)


def check_operators():
    """Operators that NumPy has as well, from text to array: exactly, or close where a function or order is our own."""
    rng = np.random.default_rng(1)
    f, w = rng.uniform(-4, 4, (5, 7)), rng.integers(-2**40, 2**40, (5, 7))
    halves, b = np.arange(-17, 18).reshape(5, 7) / 2, rng.integers(-2, 70, (5, 7))
    m, many = rng.uniform(-1, 1, (2, 3, 5, 7)), rng.uniform(-1, 1, (2, 3, 7, 4))
    erf = np.vectorize(math.erf)
    inside = (b >= 0) & (b < 64)
    cases = [
        ("round %x : f64[5,7]", [halves], np.round(halves), 0), ("ceil %x : f64[5,7]", [halves], np.ceil(halves), 0),
        ("trunc %x : f64[5,7]", [f], np.trunc(f), 0), ("erf %x : f64[5,7]", [f], erf(f), 1e-15),
        ("shl %x, %y : i64[5,7]", [w, b], np.where(inside, w << np.where(inside, b, 0), 0), 0),
        ("shr %x, %y : i64[5,7]", [w, b], w >> np.where(inside, b, 63), 0),
        ("random_bits %x, %y : i64[5,7]", [w, b], threefry(w.view(np.uint64), b.view(np.uint64)).view(np.int64), 0),
        ("prod %x axes=[1] : f64[5]", [f], f.prod(axis=1), 1e-15),
        ("recurrence %x, %y axis=1 : i64[5,7]", [np.ones_like(w), w], w.cumsum(axis=1), 0),
        ("recurrence %x, %y axis=0 back=1 : i64[5,7]", [np.ones_like(w), w], w[::-1].cumsum(axis=0)[::-1], 0),
        ("matmul %x, %y : f64[2,3,5,4]", [m, many], m @ many, 1e-14),
        ("matmul %y, %x trans=[0,1] : f64[2,3,4,5]", [m, many], np.swapaxes(m @ many, 2, 3), 1e-14),
    ]
    names = {"float64": "f64", "int64": "i64"}
    for number, (text, given, want, close) in enumerate(cases):
        inputs, files = [], []
        for name, a in zip("xy", given):
            np.save(f"{name}.npy", a)
            inputs.append(f"%{name}: {names[str(a.dtype)]}[{','.join(map(str, a.shape))}]")
            files += ["--input", f"{name}={name}.npy"]
        pathlib.Path("op.sn").write_text(f"graph op({', '.join(inputs)}) {{\n  %r = {text}\n  return %r\n}}\n")
        prints("", "op.sn", *files, "--output", "r=r.npy", "--backend", backends[number % len(backends)])
        have = np.load("r.npy")
        if have.shape != want.shape or not (np.abs(have - want) <= close * (1 + np.abs(want))).all():
            bad.append(f"{text}: {have!r} instead of {want!r}")


def check_types():
    """Each element type there and back, with every rank and with nothing in it."""
    types = [("f64", "<f8"), ("f32", "<f4"), ("f16", "<f2"), ("i64", "<i8"), ("i32", "<i4"), ("u8", "|u1"), ("bool", "|b1")]
    for number, (name, dtype) in enumerate(types):
        for shape in [(), (3,), (1,), (2, 0, 2), (1, 2, 3, 1, 2, 2)]:
            a = (np.arange(np.prod(shape, dtype=int)).reshape(shape) * 7 % 3).astype(dtype)
            type_text = f"{name}[{','.join(map(str, shape))}]"
            pathlib.Path("same.sn").write_text(f"graph same(%x: {type_text}) {{\n  return %x\n}}\n")
            np.save("a.npy", a)
            backend = backends[number % len(backends)]
            prints("", "same.sn", "--input", "x=a.npy", "--output", "x=b.npy", "--backend", backend)
            same("b.npy", a)
    pathlib.Path("same.sn").write_text("graph same[N](%x: bool[N]) {\n  return %x\n}\n")
    np.save("a.npy", np.array([True, False]))
    prints("x: bool[2] true false\n", "same.sn", "--input", "x=a.npy", "--backend", backends[-1])


def check_damage():
    """Files that are no .npy files of ours, and every cut of one that is."""
    def file(header, data=b"\0" * 8, version=b"\1\0", length=None):
        header = header.encode() + b"\n"
        size = struct.pack("<H" if version[0] == 1 else "<I", len(header) if length is None else length)
        pathlib.Path("bad.npy").write_bytes(b"\x93NUMPY" + version + size + header + data)
        return ["same.sn", "--input", "x=bad.npy", "--backend", "interp"]

    pathlib.Path("same.sn").write_text("graph same[N](%x: f32[N]) {\n  return %x\n}\n")
    good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
    prints("x: f32[2] 0 0\n", *file(good))
    prints("x: f32[2] 0 0\n", *file(good, version=b"\2\0"))
    prints("x: f32[2] 0 0\n", *file(good, version=b"\3\0"))
    prints("x: f32[2] 0 0\n", *file('{"shape":(2),"fortran_order":False,"descr":"<f4"}'))
    fails("version 4.0", *file(good, version=b"\4\0"))
    fails("it is cut: its shape needs 8 bytes, 7 follow", *file(good, data=b"\0" * 7))
    fails("needs 8 bytes, but 9 follow", *file(good, data=b"\0" * 9))
    fails("it is cut: a header of 60000", *file(good, length=60000))
    fails("claims 4000000000 bytes", *file(good, version=b"\2\0", length=4000000000))
    fails("big-endian", *file(good.replace("<f4", ">f4")))
    fails("its elements are <c8", *file(good.replace("<f4", "<c8")))
    fails("no plain type", *file(good.replace("'<f4'", "[('a', '<f4')]")))
    fails("neither True nor False", *file(good.replace("False", "0")))
    fails("Fortran order", *file(good.replace("False", "True")))
    fails("no key 'shape'", *file("{'descr': '<f4', 'fortran_order': False}"))
    fails("'descr' is there twice", *file(good.replace("{", "{'descr': '<f4', ")))
    fails("'colour' is not known", *file(good.replace("shape", "colour")))
    fails("more after the dict", *file(good + " {}"))
    fails("expected a comma", *file(good.replace("', 'fortran", "' 'fortran")))
    fails("no dict", *file("'descr'"))
    for shape in ("(-1,)", "(2, x)", "(2 3)", "2", "(,)", "[2]", "(2"):
        fails("malformed header: its shape is no tuple", *file(good.replace("(2,)", shape)))
    fails("more than 6 axes", *file(good.replace("(2,)", "(1, 1, 1, 1, 1, 1, 2)")))
    fails("does not fit 63 bits", *file(good.replace("(2,)", "(99999999999999999999,)")))
    fails("do not fit 63 bits", *file(good.replace("(2,)", "(4611686018427387904, 4)")))
    fails("its shape needs 4000000000000 bytes", *file(good.replace("(2,)", "(1000000000000,)")))
    fails("bool is 0 or 1", *file(good.replace("<f4", "|b1"), data=b"\1\2"))
    fails("it is no .npy file", "same.sn", "--input", "x=same.sn")
    fails("cannot be opened", "same.sn", "--input", "x=none.npy")
    fails("no regular file", "same.sn", "--input", "x=.")
    file(good)
    whole = pathlib.Path("bad.npy").read_bytes()
    for n in range(0, len(whole), 5):
        pathlib.Path("bad.npy").write_bytes(whole[:n])
        fails("bad.npy: it is (cut|no .npy file)", "same.sn", "--input", "x=bad.npy", "--backend", "interp")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    check_linear()
    check_operators()
    check_types()
    check_damage()
print("\n".join(bad) if bad else "run: ok")
sys.exit(bool(bad))
