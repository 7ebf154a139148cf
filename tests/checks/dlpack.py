"""Arrays and NumPy's by DLPack, both ways: NumPy's header is not ours, so the layout of the structs, the codes of types and
who frees what are held against somebody else's idea of them.

usage: dlpack.py BUILD"""
import ctypes
import os
import pathlib
import sys

import numpy as np

os.environ["SINTER_BACKEND"] = "interp"
lib = ctypes.CDLL(str(pathlib.Path(sys.argv[1]).resolve() / "libsinter.so"))
lib.sn_context_error.restype = ctypes.c_char_p
api = ctypes.pythonapi
api.PyCapsule_GetPointer.restype = ctypes.c_void_p
api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
api.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]
api.PyCapsule_New.restype = ctypes.py_object
api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
NAMES = {"": b"dltensor", "_versioned": b"dltensor_versioned"}
USED = {"": b"used_dltensor", "_versioned": b"used_dltensor_versioned"}
SN_DTYPES = {"f8": 1, "f4": 2, "i8": 3, "i4": 4, "u1": 5, "b1": 6, "f2": 7}
newer = np.lib.NumpyVersion(np.__version__) >= "2.1.0"  # has the versioned form


def take(ctx, x, form):
    """An array of ours over x's memory; None and NumPy keeps its tensor where that is refused."""
    capsule = x.__dlpack__(max_version=(1, 0)) if form else x.__dlpack__()
    array = ctypes.c_void_p()
    pointer = ctypes.c_void_p(api.PyCapsule_GetPointer(capsule, NAMES[form]))
    if getattr(lib, "sn_array_from_dlpack" + form)(ctx, pointer, ctypes.byref(array)):
        return None
    api.PyCapsule_SetName(capsule, USED[form])
    return array


class Given:
    def __init__(self, array, form):
        self.array, self.form = array, form

    def __dlpack_device__(self):
        return 1, 0

    def __dlpack__(self, **_):
        pointer = ctypes.c_void_p()
        assert not getattr(lib, "sn_array_to_dlpack" + self.form)(self.array, ctypes.byref(pointer))
        return api.PyCapsule_New(pointer, NAMES[self.form], None)


def content(array, x):
    have = np.zeros_like(x)
    assert not lib.sn_array_get(array, have.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(x.nbytes))
    return have


def check(ctx, code, shape, form):
    x = (np.arange(np.prod(shape, dtype=int)) % 2).astype(code).reshape(shape)
    before = sys.getrefcount(x)
    array = take(ctx, x, form)
    assert array, lib.sn_context_error(ctx)
    assert np.array_equal(content(array, x), x)
    if x.size:
        x.flat[0] = 1  # the same memory
        assert np.array_equal(content(array, x), x)
    lib.sn_array_free(array)
    assert sys.getrefcount(x) == before, "NumPy's deleter was not called"

    ours = ctypes.c_void_p()
    sizes = (ctypes.c_int64 * 6)(*shape)
    assert not lib.sn_array_new(ctx, SN_DTYPES[code], len(shape), sizes, ctypes.byref(ours))
    assert not lib.sn_array_set(ours, x.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(x.nbytes))
    y = np.from_dlpack(Given(ours, form))
    assert y.dtype == x.dtype and y.shape == x.shape and np.array_equal(x, y)
    z = np.zeros_like(x)
    assert not lib.sn_array_set(ours, z.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(z.nbytes))
    lib.sn_array_free(ours)  # y keeps it
    assert np.array_equal(y, z)


ctx = ctypes.c_void_p()
assert not lib.sn_context_new(None, ctypes.byref(ctx))
forms = ["", "_versioned"] if newer else [""]
for form in forms:
    for code in SN_DTYPES:
        if code == "b1" and np.lib.NumpyVersion(np.__version__) < "1.25.0":
            continue  # which has no code for it
        for shape in [(), (5,), (3, 4), (2, 1, 3), (0, 4)]:
            check(ctx, code, shape, form)
    wide = np.arange(12, dtype="f4").reshape(3, 4)
    assert take(ctx, wide[:, ::2], form) is None and b"contiguous" in lib.sn_context_error(ctx)
    assert take(ctx, wide.astype("c8"), form) is None and b"no dtype" in lib.sn_context_error(ctx)
    part = take(ctx, wide[1:], form)
    assert part and np.array_equal(content(part, wide[1:]), wide[1:])
    lib.sn_array_free(part)
lib.sn_context_free(ctx)
