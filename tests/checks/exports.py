"""libsinter exports sn_* alone, the plug-in one function; libsinter needs neither LLVM, CUDA nor BLAS. Inside of it names
begin with those of their modules, and what one file alone uses is static."""
import json
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


def objects():
    """For each object of the build the symbols that it defines, and those that it needs from others."""
    entries = json.loads((build / "compile_commands.json").read_text())  # what lies about from before is not there
    paths = [str(pathlib.Path(e["directory"]) / re.search(r" -o (\S+)", e["command"]).group(1)) for e in entries]
    paths = [p for p in paths if pathlib.Path(p).exists()]
    out = subprocess.run(["nm", "-A", *paths], capture_output=True, text=True).stdout
    defines, needs = {p: set() for p in paths}, {p: set() for p in paths}
    for path, kind, name in re.findall(r"^(.*?):[ 0-9a-f]* (\w) (\S+)$", out, re.M):
        if kind in "TDRBU" and not name.startswith("__odr_asan."):  # AddressSanitizer's, one for each of ours
            (needs if kind == "U" else defines)[path].add(name)
    return defines, needs


modules = re.search(r"their module's prefix: (.*)", (pathlib.Path(sys.argv[2]) / "docs/style.md").read_text()).group(1)
prefixes = tuple(re.findall(r"`(\w+_)`", modules)) + ("sn_", "sinter_", "__jit_debug_")
defines, needs = objects()
called = set().union(*needs.values())
for path, names in defines.items():
    if "sinter_objects.dir" in path or "sinter-llvm.dir" in path:
        file = pathlib.Path(path).name
        bad += [f"{file}: {s} has the prefix of no module" for s in sorted(names) if not s.startswith(prefixes)]
        bad += [f"{file}: {s} is used by no other file: static" for s in sorted(names - called)
                if not s.startswith(("sn_", "sinter_", "__jit_debug_"))]
if len(defines) < 100 or len(called) < 500:
    bad.append("hardly any objects were found")
print("\n".join(bad) if bad else f"exports: ok, {len(symbols)} symbols, needs {needed}")
sys.exit(bool(bad))
