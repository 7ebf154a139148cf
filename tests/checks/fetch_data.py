"""samples/mnist/fetch-data against mirrors of this program's own, which serve small files in place of MNIST's: cut
connections, damage, mirrors that know no ranges, none at all; Debian's package in their place, and neither.

usage: fetch_data.py PATH/TO/fetch-data
"""
import contextlib
import gzip
import hashlib
import http.server
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

loader = importlib.machinery.SourceFileLoader("fetch_data", sys.argv[1])
sys.dont_write_bytecode = True
fetch = importlib.util.module_from_spec(importlib.util.spec_from_loader("fetch_data", loader))
loader.exec_module(fetch)

# Incompressible, so that a cut file has a half worth keeping.
CONTENT = {data: [b"".join(hashlib.sha256(f"{data}{i}{k}".encode()).digest() for k in range(200 * (i + 1)))
                  for i in range(4)] for data in (fetch.MNIST, fetch.FASHION)}
fetch.SHA256 = {data: [hashlib.sha256(c).hexdigest() for c in contents] for data, contents in CONTENT.items()}
fetch.SIZES = [6400 * (i + 1) for i in range(4)]
PACKED = {name + ".gz": gzip.compress(c, mtime=0) for name, c in zip(fetch.NAMES, CONTENT[fetch.MNIST])}
bad = []


class Mirror(http.server.BaseHTTPRequestHandler):
    """What it does with the first requests for the first file is in behaviour; later it serves honestly."""

    def do_GET(self):
        server = self.server
        body = PACKED.get(self.path.strip("/"))
        server.asked.append((self.path, self.headers.get("Range")))
        how = server.behaviour.pop(0) if server.behaviour else "honest"
        if body is None or how == "missing":
            self.send_error(404)
            return
        start = 0
        if self.headers.get("Range") and how != "no ranges":
            start = int(self.headers["Range"][len("bytes="):-1])
        if start >= len(body):
            self.send_error(416)
            return
        part = body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(part)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        if how == "cut":
            part = part[: len(part) // 2]
        if how == "damaged":
            part = bytes([*part[:-20], part[-20] ^ 1, *part[-19:]])
        self.wfile.write(part)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def mirror(*behaviour):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.behaviour, server.asked = list(behaviour), []
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def run(folder, *arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = fetch.main([str(folder), *arguments])
    return status, out.getvalue(), err.getvalue()


def holds(folder, data):
    return [gzip.open(folder / (name + ".gz")).read() for name in fetch.NAMES] == CONTENT[data]


def expect(what, holds_true, *context):
    if not holds_true:
        bad.append(": ".join([what, *map(str, context)]))


def check_mirrors(folder):
    for behaviour, requests in (((), 4), (("cut",), 5), (("cut", "cut"), 6), (("cut", "no ranges"), 5),
                                (("damaged",), 5)):
        with mirror(*behaviour) as server:
            to = folder / "-".join(["got", *behaviour])
            status, out, err = run(to, "--mirror", server.url)
            expect(str(behaviour), status == 0 and holds(to, fetch.MNIST), out, err)
            expect("requests", len(server.asked) == requests, behaviour, server.asked)
            expect("ranges", (server.asked[1][1] is not None) == (behaviour[:1] == ("cut",)), server.asked)
            expect("what it has", out.startswith(f"{to} has MNIST: ") and server.url in out, out)
            expect("nothing else in the folder", len(list(to.iterdir())) == 4)
            status, out, _ = run(to, "--mirror", server.url)
            expect("second time", status == 0 and len(server.asked) == requests and "already" in out, out)
            victim = to / (fetch.NAMES[2] + ".gz")
            victim.write_bytes(victim.read_bytes()[:-1])
            expect("damage afterwards", run(to, "--mirror", server.url)[0] == 0 and holds(to, fetch.MNIST))
    # A program that was ended in the middle: the next goes on there.
    with mirror("cut", "missing") as one, mirror() as two:
        to = folder / "resumed"
        status, _, err = run(to, "--mirror", one.url, "--mirror", two.url)
        expect("second mirror goes on", status == 0 and holds(to, fetch.MNIST) and two.asked[0][1] is not None, err)
    with mirror("damaged", "damaged", "damaged") as one, mirror() as two:
        to = folder / "damaged"
        status, _, err = run(to, "--mirror", one.url, "--mirror", two.url)
        expect("damaged mirror", status == 0 and holds(to, fetch.MNIST) and "SHA-256 is wrong" in err, err)


def make_package(folder):
    """A deb of the other data, and an apt-get that copies it."""
    root = folder / "deb/usr/share/somewhere"
    root.mkdir(parents=True)
    for name, content in zip(fetch.NAMES, CONTENT[fetch.FASHION]):
        (root / (name + ".gz")).write_bytes(gzip.compress(content))
    control = folder / "deb/DEBIAN/control"
    control.parent.mkdir()
    control.write_text(f"Package: {fetch.PACKAGE}\nVersion: 1\nArchitecture: all\nMaintainer: none <none@localhost>\n"
                       "Description: test\n")
    deb = folder / "data_1_all.deb"
    subprocess.run(["dpkg-deb", "-b", folder / "deb", deb], check=True, capture_output=True)
    apt = folder / "bin/apt-get"
    apt.parent.mkdir()
    apt.write_text(f'#!/bin/sh\n[ "$*" = "-qq download {fetch.PACKAGE}" ] && cp {deb} .\n')
    apt.chmod(0o755)
    return apt


def check_fallback(folder):
    apt = make_package(folder)
    os.environ["PATH"] = f"{apt.parent}:{os.environ['PATH']}"
    with mirror("honest", "missing") as server:
        to = folder / "fallback"
        status, out, err = run(to, "--mirror", server.url)
        expect("fallback", status == 0 and holds(to, fetch.FASHION), out, err)
        expect("says so", f"has {fetch.FASHION}" in out and fetch.PACKAGE in out and "404" in err, out, err)
        asked = len(server.asked)
        status, out, _ = run(to, "--mirror", server.url)
        expect("left alone", status == 0 and len(server.asked) == asked and fetch.FASHION in out, out)
        status, out, _ = run(to, "--mirror", server.url, "--again")
        expect("again", status == 0 and holds(to, fetch.MNIST), out)
        expect("went on", len(server.asked) == asked + 3, server.asked)
    nowhere = "http://127.0.0.1:1"
    to = folder / "again-in-vain"
    expect("fallback without any mirror", run(to, "--mirror", nowhere)[0] == 0)
    expect("no rest is left", sorted(p.name for p in to.iterdir()) == sorted(n + ".gz" for n in fetch.NAMES))
    status, out, _ = run(to, "--mirror", nowhere, "--again")
    expect("keeps what it has", status == 0 and fetch.FASHION in out and holds(to, fetch.FASHION), out)
    apt.write_text("#!/bin/sh\necho no such package >&2\nexit 100\n")
    to = folder / "nothing"
    status, out, err = run(to, "--mirror", nowhere)
    expect("nothing at all", status == 1 and not out and "no such package" in err and "no mirror gave MNIST" in err, err)
    expect("no files", not list(to.glob("*.gz")))
    (folder / "file").write_text("")
    status, out, err = run(folder / "file", "--mirror", nowhere)
    expect("no folder", status == 1 and err.startswith("fetch-data: ") and "Traceback" not in err, err)


with tempfile.TemporaryDirectory() as name:
    check_mirrors(pathlib.Path(name))
    check_fallback(pathlib.Path(name))
print("\n".join(bad) if bad else "fetch-data: ok")
sys.exit(bool(bad))
