"""What is said, in processes of their own, where something of a GPU is missing or does not fit: no driver, a driver
without device or too old, no compiler, no library of matrix products (without which small ones run), a compiler that is
newer than the driver.

usage: gpu_sentences.py BUILD"""
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

build = pathlib.Path(sys.argv[1]).resolve()
standin = build / "standin"
bad = []
DRIVER, COMPILER, PRODUCTS = "libcuda.so.1", "libnvrtc.so.13", "libcublasLt.so.13"


def tool(words, **environment):
    environment = dict(os.environ, SINTER_CACHE="off", **environment)
    environment.setdefault("SINTER_CUDA_PATH", str(standin))
    done = subprocess.run([build / "sinter", *words], env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def says(text, wanted, what):
    if wanted not in text:
        bad.append(f"{what}: {wanted!r} is not in\n{text}")


def line_of(name, **environment):
    status, text = tool(["info"], **environment)
    if status:
        bad.append(f"sinter info ends with {status}\n{text}")
    return "".join(line for line in text.splitlines(True) if line.startswith(name))


def npy(path, rows, columns):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}".ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
                     + struct.pack("<f", 1) * (rows * columns))


with tempfile.TemporaryDirectory() as name:
    here = pathlib.Path(name)
    # A file that is no library: the loader stops there, whatever driver the machine has.
    (here / "none").mkdir()
    (here / "none" / DRIVER).write_text("nothing\n")
    loader = str(here / "none") + ":" + os.environ.get("LD_LIBRARY_PATH", "")
    text = line_of("gpu ", SINTER_CUDA_PATH="/nowhere:/neither", LD_LIBRARY_PATH=loader)
    says(text, "no: no NVIDIA driver: libcuda.so.1 cannot be opened; looked in /nowhere, /neither, ", "no driver")
    says(text, "SINTER_CUDA_PATH names other folders", "no driver")
    says(line_of("gpu ", STANDIN_NO_DEVICE="1"), "no: GPU: the driver sees no device", "no device")
    says(line_of("gpu ", STANDIN_VERSION="11080"), "is for CUDA 11.8; 12.0 or newer is needed: update", "old driver")
    says(line_of("gpu ", STANDIN_VERSION="12000"), "driver for CUDA 12.0", "driver of CUDA 12.0")
    says(line_of("gpu ", STANDIN_MODE="2"), "compute mode is prohibited", "prohibited")
    says(line_of("gpu ", STANDIN_MODE="3"), "another process has it", "exclusive")

    for rows, columns in (2, 3), (3, 2), (300, 300):
        npy(here / f"{rows}x{columns}.npy", rows, columns)
    for m, k in (2, 3), (300, 300):
        (here / f"{m}.sn").write_text(
            f"graph product(%a: f32[{m},{k}], %b: f32[{k},{m}]) {{\n  %c = matmul %a, %b : f32[{m},{m}]\n"
            f"  return %c\n}}\n")
    small = ["run", here / "2.sn", "--backend", "gpu", "--input", f"a={here}/2x3.npy", "--input", f"b={here}/3x2.npy"]
    large = ["run", here / "300.sn", "--backend", "gpu", "--input", f"a={here}/300x300.npy", "--input",
             f"b={here}/300x300.npy"]

    def with_libraries(*names):
        folder = here / "-".join(names)
        folder.mkdir()
        for library in names:
            (folder / library).symlink_to(standin / library)
        return dict(SINTER_CUDA_PATH=str(folder), LD_LIBRARY_PATH=str(standin))

    # The stand-in's products name its driver, which the loader finds in its folder.
    there = with_libraries(DRIVER, PRODUCTS)
    says(line_of("gpu ", **there), "gpu          yes", "no compiler")
    says(line_of("gpu compiler", **there), "no: no CUDA compiler: libnvrtc.so.13 cannot be opened; looked in",
         "no compiler")
    status, text = tool(small, **there)
    says(text, "no CUDA compiler: libnvrtc.so.13 cannot be opened; looked in", "no compiler")
    if status != 2:
        bad.append(f"no compiler: a run ends with {status}")

    there = with_libraries(DRIVER, COMPILER)
    status, text = tool(small, **there)
    if status:
        bad.append(f"no cuBLASLt: a small product ends with {status}\n{text}")
    says(line_of("gpu blas", **there), "no: no cuBLASLt: libcublasLt.so.13 cannot be opened; looked in", "no cuBLASLt")
    status, text = tool(large, **there)
    says(text, "no cuBLASLt: libcublasLt.so.13 cannot be opened; looked in", "no cuBLASLt")
    if status != 2:
        bad.append(f"no cuBLASLt: a large product ends with {status}")

    there = with_libraries(DRIVER, COMPILER, PRODUCTS)
    folder = there["SINTER_CUDA_PATH"]
    says(line_of("gpu compiler", **there), f"gpu compiler yes, NVRTC 13.0, {folder}/{COMPILER}\n", "info")
    says(line_of("gpu blas", **there), f"gpu blas     yes, {folder}/{PRODUCTS}\n", "info")
    says(line_of("gpu compiler", STANDIN_VERSION="12040", **there), "; NVRTC 13.0 makes code that the driver", "info")
    status, text = tool(small, STANDIN_VERSION="12040", SINTER_LOG="warn", **there)
    says(text, "NVRTC 13.0 makes code that the driver, which is for CUDA 12.4, may not take: update the driver, or "
               "install NVRTC 12", "newer compiler")
    # A folder of a toolkit has no driver: the system's is looked for all the same.
    there = with_libraries(COMPILER)
    says(line_of("gpu ", SINTER_CUDA_PATH=there["SINTER_CUDA_PATH"], LD_LIBRARY_PATH=str(standin)), "gpu          yes",
         "driver of the system")

    # Where pip puts libraries: here the driver, which is in no wheel, so that a machine without one tells.
    for root, variable in ("venv", "VIRTUAL_ENV"), ("home/.local", "HOME"):
        wheel = here / root / "lib" / "python3.12" / "dist-packages" / "nvidia" / "cu13" / "lib"
        wheel.mkdir(parents=True)
        (wheel / DRIVER).symlink_to(standin / DRIVER)
        there = dict(os.environ, SINTER_CACHE="off", **{variable: str(here / root.split("/")[0])})
        del there["SINTER_CUDA_PATH"]
        done = subprocess.run([build / "sinter", "info"], env=there, capture_output=True, text=True, timeout=300)
        says(done.stdout, "gpu          yes", root)

    # A compiler that the loader finds alone, as when another library of the process brought it: what it needs lies where
    # it leads to. It makes code for a GPU, which the stand-in's driver does not take.
    real = pathlib.Path("/usr/local/cuda/lib64") / COMPILER
    if real.exists():
        (here / "real").mkdir()
        (here / "real" / DRIVER).symlink_to(standin / DRIVER)
        (here / "real" / COMPILER).symlink_to(real)
        there = dict(os.environ, SINTER_CACHE="off", LD_LIBRARY_PATH=str(here / "real"))
        del there["SINTER_CUDA_PATH"]
        done = subprocess.run([build / "sinter", *small], env=there, capture_output=True, text=True, timeout=300)
        says(done.stderr, "GPU: loading kernel", "NVIDIA's compiler")
        says(done.stderr, "is the code from a newer CUDA than the driver is for?", "NVIDIA's compiler")

if bad:
    sys.exit("\n".join(bad))
