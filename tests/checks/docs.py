"""What README.md and docs/ say is so: links and paths lead somewhere, names exist, programs compile, commands print what
stands below them, tables equal the tables in the sources, changes shown still fit the files.

usage: docs.py SOURCE BUILD            check everything
       docs.py SOURCE --apply TREE     make the changes that docs/adding-an-op.md shows in a copy of the tree

A block that opens with /* name.c or # name.sn becomes that file. In a ```console block a line "$ command" (and lines "> more" of it) is run in a
folder that looks like the source tree, and what it prints must be the lines below it; a line "..." stands for any lines, "..." inside a
line for any text. A ```diff block names its file in a line "+++ file"; its old side must stand in the file."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

source = pathlib.Path(sys.argv[1]).resolve()
pages = [source / "README.md", source / "CHANGELOG.md", *sorted((source / "docs").glob("*.md"))]
bad = []


def blocks(page):
    """(language, line number, text) of each fenced block."""
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S):
        yield match.group(1), page.read_text()[: match.start()].count("\n") + 1, match.group(2)


def hunks(page):
    """(file, old text, new text) of each diff block."""
    for language, line, text in blocks(page):
        if language != "diff":
            continue
        name, *rest = text.splitlines(keepends=True)
        if not name.startswith("+++ "):
            bad.append(f"{page.name}:{line}: a diff that does not name its file")
            continue
        for hunk in re.split(r"^@@.*\n", "".join(rest), flags=re.M):
            lines = hunk.splitlines(keepends=True)
            old = "".join(l[1:] for l in lines if l[0] in " -")
            new = "".join(l[1:] for l in lines if l[0] in " +")
            if lines:
                yield name[4:].strip(), old, new


def apply(tree):
    for name, old, new in hunks(source / "docs/adding-an-op.md"):
        path = tree / name
        text = path.read_text()
        if text.count(old) != 1:
            sys.exit(f"{name}: the change of docs/adding-an-op.md does not fit:\n{old}")
        path.write_text(text.replace(old, new))


def check_links(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path = target.split("#")[0]
        if not re.match(r"[a-z]+:", target) and path and not (page.parent / path).exists():
            bad.append(f"{page.name}: no {target}")
    for path in re.findall(r"`((?:src|include|tests|tools|docs|samples|bench)/[\w./*-]+)`", text):
        if not (list(source.glob(path)) if "*" in path else (source / path).exists()):
            bad.append(f"{page.name}: no {path}")


def check_names(page, known, commands):
    text = page.read_text()
    for name in sorted(set(re.findall(r"\b(?:sn|SN|SINTER)_\w+", text)) - known):
        if not name.endswith("_"):
            bad.append(f"{page.name}: nothing is called {name}")
    for command in sorted(set(re.findall(r"\./dev ([a-z]+)", text)) - commands):
        bad.append(f"{page.name}: ./dev has no command {command}")


def same(want, have):
    """Does text equal the lines wanted, where "..." stands for anything?"""
    pattern = ""
    for line in want:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += r".*?".join(re.escape(part) for part in line.split("...")) + r"\n"
    return re.fullmatch(pattern, have) is not None


def run_blocks(page, folder, environment):
    ran = 0
    for language, line, text in blocks(page):
        name = re.match(r"(?:/\*|#) ([\w-]+\.(?:c|sn))\b", text)
        if language == "c" and not name:
            bad.append(f"{page.name}:{line}: a program that is not run: it does not open with /* name.c")
        if name:
            (folder / name.group(1)).write_text(text)
        if language != "console":
            continue
        for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
            command, *want = part.splitlines()
            while want and want[0].startswith("> "):
                command += "\n" + want.pop(0)[2:]
            done = subprocess.run(["sh", "-c", command], cwd=folder, env=environment, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=120)
            ran += 1
            if not same(want, done.stdout):
                bad.append(f"{page.name}:{line}: $ {command}\nprints\n{done.stdout}instead of\n" + "\n".join(want))
    return ran


def check_headers(folder):
    """The programs at the head of the public headers compile."""
    for name, given in (("sinter.h", ""), ("nn.h", "sn_context *ctx; sn_graph *g; sn_context_new(NULL, &ctx);\n"
                                                   "g = sn_graph_new(ctx, \"net\");\n")):
        head = (source / "include/sinter" / name).read_text().split(" */")[0]
        body = "\n".join(line[5:] for line in head.splitlines() if line.startswith(" *   ") and line.strip() != "*   ..")
        body = body.split("Errors      ")[0]
        if body.count("sn_") < 10:
            bad.append(f"{name}: no program at its head")
        path = folder / f"head-{name}.c"
        path.write_text(f"#include <sinter/{name}>\n#include <stdio.h>\nint main(void) {{\n{given}{body}return 0;\n}}\n")
        done = subprocess.run(["gcc", "-std=c17", "-Wall", "-Werror", "-Wno-unused-variable", f"-I{source}/include",
                               "-fsyntax-only", path], capture_output=True, text=True)
        if done.returncode:
            bad.append(f"{name}: the program at its head does not compile:\n{done.stderr}")


def check_tables():
    header = (source / "include/sinter/sinter.h").read_text()
    status = re.findall(r'X\((OK|ERR_\w+), (\d+), "(.*)"\)', header)
    told = re.findall(r"^\| `SN_(\w+)` \| (\d+) \| (.*?) \|", (source / "docs/errors.md").read_text(), re.M)
    if len(status) < 10 or status != told:
        bad.append(f"docs/errors.md: its table is not SN_STATUS_MAP: {sorted(set(status) ^ set(told))}")
    version = re.search(r"project\(sinter VERSION ([\d.]+)", (source / "CMakeLists.txt").read_text()).group(1)
    newest = re.search(r"^## ([\d.]+)", (source / "CHANGELOG.md").read_text(), re.M).group(1)
    if version != newest:
        bad.append(f"CHANGELOG.md ends at {newest}, the version is {version}")


def check_labels(build):
    printed = subprocess.run(["ctest", "--test-dir", build, "--print-labels"], capture_output=True, text=True).stdout
    labels = set(re.findall(r"^  (\w+)$", printed, re.M))
    told = set(re.findall(r"^\| `(\w+)` \|", (source / "docs/testing.md").read_text(), re.M))
    if labels != told:
        bad.append(f"docs/testing.md: its labels and those of ctest differ in {sorted(labels ^ told)}")


def words(folders):
    """Every sn_, SN_ and SINTER_ name of the sources and the build."""
    found = set()
    for path in [p for f in folders for p in (source / f).rglob("*")] + list(source.glob("CMake*")) + [source / "dev"]:
        if path.suffix in (".c", ".h", ".def", ".txt", ".json", ".py", ".sh", "") and path.is_file():
            found |= set(re.findall(r"\b(?:sn|SN|SINTER)_\w+", path.read_text(errors="replace")))
    return found | {"SN_" + n for n in re.findall(r"X\((ERR_\w+|OK|F\d\d|I\d\d),", (source / "include/sinter/sinter.h").read_text())}


def main():
    if sys.argv[2] == "--apply":
        return apply(pathlib.Path(sys.argv[3]))
    build = pathlib.Path(sys.argv[2]).resolve()
    usage = subprocess.run([source / "dev", "help"], capture_output=True, text=True, check=True).stdout
    commands = set(re.findall(r"^  ([a-z]+)", usage, re.M)) | {"help"}
    cases = (source / "dev").read_text().split("\ncase $command in\n")[1]
    handled = set(re.findall(r"^    ([a-z]+)\)", cases, re.M))
    if commands != handled:
        bad.append(f"dev: help and commands differ in {sorted(commands ^ handled)}")
    known = words(("include", "src", "tests", "cmake"))
    known |= {"sn_noun", "sn_noun_verb", "SN_UPPER", "SINTER_UPPER"}  # patterns of docs/style.md
    for _, _, new in hunks(source / "docs/adding-an-op.md"):
        known |= {"sn_" + name for name in re.findall(r"^IR_EWISE\(\w+, (\w+),", new, re.M)}
    environment = {k: v for k, v in os.environ.items() if not re.match(r"(SINTER|SN)_|LD_", k)}
    environment["LC_ALL"] = "C"
    environment["PATH"] = str(pathlib.Path(sys.executable).parent) + ":" + environment["PATH"]  # its python3 has NumPy
    ran = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        environment["XDG_CACHE_HOME"] = str(folder / ".cache")  # never the developer's
        for path in source.iterdir():
            if not path.name.startswith((".", "build")):
                (folder / path.name).symlink_to(path)
        (folder / "build").symlink_to(build)
        for page in pages:
            check_links(page)
            check_names(page, known, commands)
            for name, old, _ in hunks(page):
                if (source / name).read_text().count(old) != 1:
                    bad.append(f"{page.name}: a change that does not fit {name} any more:\n{old}")
            ran += run_blocks(page, folder, environment)
        check_headers(folder)
    check_tables()
    check_labels(build)
    if ran < 8:
        bad.append(f"only {ran} commands were run")
    print("\n".join(bad) if bad else f"docs: ok, {len(pages)} pages, {ran} commands run")
    sys.exit(bool(bad))


main()
