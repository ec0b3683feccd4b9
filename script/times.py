"""Gives files the times that they had when they were last compiled.

Cargo takes a file for changed when it is younger than what was made of it, and in a new clone every
file is. The folder of build products is shared by all clones, so a file whose content is the one
that was compiled last gets its time of then back, and any other file one after that.

    times.py restore FOLDER     before cargo runs on the folder of build products
    times.py keep FOLDER        after it ran

Where something was compiled since the times were kept, nobody knows from what, and nothing is
restored. In the checkout that compiled last its own times are right; any other is compiled anew.
"""

import hashlib
import json
import os
import pathlib
import stat
import sys

# Folders that no compilation looks into.
SKIPPED = {".git", "node_modules", "target"}
SKIPPED_AT_ROOT = {"data"}


def entries():
    """Yields each file and folder of the checkout with a hash of what it holds."""
    for folder, folders, files in os.walk("."):
        skipped = SKIPPED | SKIPPED_AT_ROOT if folder == "." else SKIPPED
        folders[:] = sorted(name for name in folders if name not in skipped)
        for name in files:
            path = os.path.join(folder, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                with open(path, "rb") as file:
                    yield path, hashlib.sha256(file.read()).hexdigest()
        # Cargo looks at the times of folders, too, where a build script asks for one.
        names = "\n".join(sorted(files) + folders)
        yield folder, hashlib.sha256(names.encode()).hexdigest()


def last_compiled(products):
    """When a package of this workspace was last compiled, in nanoseconds; 0 for never."""
    packages = ["lyceum-*", "xtask-*"]
    folders = [f"*/{kind}/{name}/*" for kind in (".fingerprint", "build") for name in packages]
    traces = (trace for folder in folders for trace in products.glob(folder))
    return max((trace.stat().st_mtime_ns for trace in traces), default=0)


def keep(products, notes):
    times = {path: [found, os.stat(path).st_mtime_ns] for path, found in entries()}
    draft = notes.with_suffix(".draft")
    draft.write_text(json.dumps({"checkout": os.getcwd(), "times": times}))
    draft.replace(notes)


def restore(products, notes):
    compiled = last_compiled(products)
    kept = json.loads(notes.read_text()) if notes.exists() else {"checkout": None, "times": {}}
    since = notes.stat().st_mtime_ns if notes.exists() else 0
    if compiled > since:
        if kept["checkout"] == os.getcwd():
            return
        kept["times"], since = {}, compiled
    for path, found in entries():
        known, then = kept["times"].get(path, (None, None))
        now = os.stat(path).st_mtime_ns
        if known == found and then != now:
            os.utime(path, ns=(then, then))
        elif known != found and now <= since:
            os.utime(path)


def main():
    action, folder = sys.argv[1:]
    products = pathlib.Path(folder)
    products.mkdir(parents=True, exist_ok=True)
    {"keep": keep, "restore": restore}[action](products, products / "times.json")


main()
