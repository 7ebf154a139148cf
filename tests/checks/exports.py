"""libsinter exports sn_* alone, the plug-in one function; libsinter needs neither LLVM, CUDA nor BLAS."""
import pathlib
import re
import subprocess
import sys

build = pathlib.Path(sys.argv[1])
bad = []


def exported(path):
    out = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    return sorted(line.split()[-1].split("@")[0] for line in out.splitlines())


symbols = exported(build / "libsinter.so")
# GDB finds the descriptor of just-in-time code by these two names.
debugger = {"__jit_debug_descriptor", "__jit_debug_register_code"}
bad += [f"libsinter.so exports {s}" for s in symbols if not s.startswith("sn_") and s not in debugger]
if sum(s.startswith("sn_") for s in symbols) < 50:
    bad.append("libsinter.so exports hardly anything")
dynamic = subprocess.run(["readelf", "-d", build / "libsinter.so"], capture_output=True, text=True, check=True).stdout
needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
bad += [f"libsinter.so needs {n}" for n in needed if re.search(r"LLVM|cuda|nvrtc|blas", n, re.I)]
plugin = build / "libsinter-llvm.so"
if plugin.exists() and len(exported(plugin)) != 1:
    bad.append(f"libsinter-llvm.so exports {exported(plugin)}, one function wanted")
print("\n".join(bad) if bad else f"exports: ok, {len(symbols)} symbols, needs {needed}")
sys.exit(bool(bad))
