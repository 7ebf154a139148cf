"""Files of parameters between libsinter.so and Python, both ways, through the library's C functions.

usage: nn_files.py BUILD numpy          .npy files and numpy
       nn_files.py BUILD safetensors    .safetensors files and the package of that name
Exit status 77, with a reason, where the package is not installed (here, or in BUILD/peers-venv)."""
import ctypes
import os
import pathlib
import subprocess
import sys
import tempfile

build, package = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
try:
    import numpy as np

    if package == "safetensors":
        from safetensors import safe_open
        from safetensors.numpy import load_file, save_file
except ImportError as why:
    venv = build / "peers-venv/bin/python"
    if venv.exists() and not sys.prefix.startswith(str(build)):
        sys.exit(subprocess.run([venv, *sys.argv]).returncode)
    print(f"nn_files: skipped: {why}; to run it: pip install numpy safetensors, here or in {build}/peers-venv")
    sys.exit(77)

os.environ["SINTER_CACHE"] = "off"
sn = ctypes.CDLL(str(build / "libsinter.so"))


class Init(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("a", ctypes.c_double), ("b", ctypes.c_double)]


sn.sn_context_error.restype = ctypes.c_char_p
sn.sn_params_add.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int32, ctypes.c_void_p, Init,
                             ctypes.c_void_p]
sn.sn_var_set.argtypes = sn.sn_var_get.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
sn.sn_params_load.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint]
for name in ("sn_params_save", "sn_params_save_npy", "sn_params_load_npy"):
    getattr(sn, name).argtypes = [ctypes.c_void_p, ctypes.c_char_p]

dtypes = {"float64": 1, "float32": 2, "int64": 3, "int32": 4, "uint8": 5, "bool": 6, "float16": 7}  # SN_DTYPE_MAP
context = ctypes.c_void_p()


def good(status):
    if status:
        sys.exit(f"nn_files: status {status}: {sn.sn_context_error(context).decode()}")


def make(arrays):
    """A list of parameters with these names and types, and the variables."""
    params, variables = ctypes.c_void_p(), {}
    good(sn.sn_params_new(context, ctypes.byref(params)))
    for name, a in arrays.items():
        sizes, variable = (ctypes.c_int64 * max(a.ndim, 1))(*a.shape), ctypes.c_void_p()
        good(sn.sn_params_add(params, name.encode(), dtypes[a.dtype.name], a.ndim, sizes, Init(0, 0, 0),
                              ctypes.byref(variable)))
        variables[name] = variable
    return params, variables


def write(arrays, save):
    params, variables = make(arrays)
    for name, a in arrays.items():
        a = np.ascontiguousarray(a)
        good(sn.sn_var_set(variables[name], a.ctypes.data, a.nbytes))
    good(save(params))
    sn.sn_params_free(params)


def read(arrays, load):
    params, variables = make(arrays)
    good(load(params))
    out = {}
    for name, a in arrays.items():
        out[name] = np.zeros(a.shape, a.dtype)
        good(sn.sn_var_get(variables[name], out[name].ctypes.data, a.nbytes))
    sn.sn_params_free(params)
    return out


def same(what, have, want):
    if sorted(have) != sorted(want):
        sys.exit(f"nn_files: {what}: names {sorted(have)}, not {sorted(want)}")
    for name, a in want.items():
        b = have[name]
        if b.dtype != a.dtype or b.shape != a.shape or b.tobytes() != a.tobytes():
            sys.exit(f"nn_files: {what}: {name!r} is {b!r}, not {a!r}")


rng = np.random.default_rng(1)
arrays = {}
for i, name in enumerate(dtypes):
    for rank in range(7):
        shape = tuple(int(n) for n in rng.integers(0 if rank > 3 else 1, 4, rank))
        value = rng.integers(0, 2, shape) if name == "bool" else rng.normal(0, 60, shape).clip(0 if name == "uint8" else -200, 200)
        arrays[f"{name}_{rank}"] = np.asarray(value).astype(name)
arrays["specials"] = np.array([np.inf, -np.inf, np.nan, -0.0, 5e-324])
if package == "safetensors":
    arrays['quote " backslash \\ é 𝄞 /'] = np.array([1.5], np.float32)

good(sn.sn_context_new(None, ctypes.byref(context)))
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "p.safetensors")
    if package == "safetensors":
        write(arrays, lambda p: sn.sn_params_save(p, path.encode()))
        same("read by safetensors", load_file(path), arrays)
        with safe_open(path, framework="numpy") as f:
            same("opened by safetensors", {k: f.get_tensor(k) for k in f.keys()}, arrays)
        save_file(arrays, path, metadata={"format": "np", "of": 'a "test" é\n'})
        same("written by safetensors", read(arrays, lambda p: sn.sn_params_load(p, path.encode(), 0)), arrays)
    else:
        write(arrays, lambda p: sn.sn_params_save_npy(p, folder.encode()))
        same("read by numpy", {k: np.load(f"{folder}/{k}.npy") for k in arrays}, arrays)
        for version in ((1, 0), (2, 0), (3, 0)):
            for k, a in arrays.items():
                with open(f"{folder}/{k}.npy", "wb") as f:
                    np.lib.format.write_array(f, a, version)
            same(f"written by numpy as {version}", read(arrays, lambda p: sn.sn_params_load_npy(p, folder.encode())), arrays)
sn.sn_context_free(context)
print(f"nn_files: ok, {len(arrays)} arrays to and from {package}")
