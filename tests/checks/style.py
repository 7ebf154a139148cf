"""Long files give a reason; every .c opens with a comment; generated files are up to date; env.md names every variable;
nothing but env.c reads the environment."""
import pathlib
import re
import subprocess
import sys

root, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
bad = []
for folder in ("src", "include", "tools", "samples", "tests", "bench"):
    for path in sorted((root / folder).rglob("*.[ch]")):
        text = path.read_text()
        name = path.relative_to(root)
        lines = text.count("\n")
        if lines > 600 and "long because" not in text.lower():
            bad.append(f"{name}: {lines} lines without a reason (say 'Long because ..')")
        if path.suffix == ".c" and not text.startswith(("/*", "//")):
            bad.append(f"{name}: does not open with what it is")
        if re.search(r"^/\* ---- .*\n \*(/| *-{10})", text, re.M):
            bad.append(f"{name}: the heading of a section is more than one line of 120 columns")
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text):
            bad.append(f"{name}: unfinished")
        if folder == "src" and path.name != "env.c" and re.search(r"\b(secure_)?getenv\s*\(", text):
            bad.append(f"{name}: reads the environment; base/env.c does that")
written = subprocess.run([build / "gen_ops"], capture_output=True, text=True, check=True).stdout
if written != (root / "include/sinter/ops.h").read_text():
    bad.append("include/sinter/ops.h is not what gen_ops writes: run ./dev gen")
written = subprocess.run([build / "gen_ops", "--docs"], capture_output=True, text=True, check=True).stdout
if written != (root / "docs/ops.md").read_text():
    bad.append("docs/ops.md is not what gen_ops --docs writes: run ./dev gen")
documented = set(re.findall(r"`(SINTER_[A-Z_]+)`", (root / "docs/env.md").read_text()))
known = set(re.findall(r"X\((SINTER_[A-Z_]+),", (root / "src/base/env.h").read_text()))
if documented != known:
    bad.append(f"docs/env.md: differs from base/env.h in {sorted(documented ^ known)}")
print("\n".join(bad) if bad else "style: ok")
sys.exit(bool(bad))
