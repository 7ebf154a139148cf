"""Lower layers never include higher ones; jit_cpu and jit_gpu never include each other; nn and samples see only include/."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
allowed = {
    "base": {"base"},
    "ir": {"base", "ir"},
    "autodiff": {"base", "ir", "autodiff"},
    "backend": {"base", "ir", "backend"},
    "cache": {"base", "ir", "backend", "cache"},
    "jit_cpu": {"base", "ir", "backend", "jit_cpu"},
    "jit_gpu": {"base", "ir", "backend", "jit_gpu"},
    "nn": {"nn"},
    "runtime": {"base", "ir", "autodiff", "backend", "cache", "jit_cpu", "jit_gpu", "runtime"},
}
bad = []
for path in sorted((root / "src").rglob("*.[chd]*")):
    if path.suffix not in (".c", ".h", ".def"):
        continue
    layer = path.relative_to(root / "src").parts[0]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            continue
        target = match.group(1).split("/")[0]
        if target == "sinter":
            continue
        if target not in allowed[layer]:
            bad.append(f"{path.relative_to(root)}:{number}: {layer} may not include {match.group(1)}")
for path in sorted((root / "samples").rglob("*.[ch]")):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if match and not (path.parent / match.group(1)).exists() and not (root / "samples" / match.group(1)).exists():
            bad.append(f"{path.relative_to(root)}:{number}: samples see only include/: {match.group(1)}")
print("\n".join(bad) if bad else "layers: ok")
sys.exit(bool(bad))
