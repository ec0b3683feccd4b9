"""Gives files the times that they had when they were last compiled.

Cargo takes a file for changed when it is younger than what was made of it, and in a new clone every
file is. The folder of build products is shared by all clones, so a file whose content is the one
that was compiled last gets its time of then back, and any other file one after that.

    times.py restore FOLDER     before cargo runs on the folder of build products
    times.py keep FOLDER        after it ran

Nothing is restored where something was compiled since the times were kept: nobody knows from what.
"""

import hashlib
import json
import os
import pathlib
import sys

# Folders that no compilation looks into.
SKIPPED = {".git", "node_modules", "target"}


def entries():
    """Yields each file and folder of the checkout with a hash of what it holds."""
    for folder, folders, files in os.walk("."):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in files:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                with open(path, "rb") as file:
                    yield path, hashlib.sha256(file.read()).hexdigest()
        # Cargo looks at the times of folders, too, where a build script asks for one.
        names = "\n".join(sorted(files) + folders)
        yield folder, hashlib.sha256(names.encode()).hexdigest()


def last_compiled(products):
    """When a package of this workspace was last compiled, in nanoseconds."""
    traces = [*products.glob("*/.fingerprint/lyceum-*/*"), *products.glob("*/build/lyceum-*/*")]
    return max((trace.stat().st_mtime_ns for trace in traces), default=0)


def keep(products, notes):
    times = {path: [found, os.stat(path).st_mtime_ns] for path, found in entries()}
    draft = notes.with_suffix(".draft")
    draft.write_text(json.dumps(times))
    draft.replace(notes)


def restore(products, notes):
    if not notes.exists() or last_compiled(products) > notes.stat().st_mtime_ns:
        return
    kept, since = json.loads(notes.read_text()), notes.stat().st_mtime_ns
    for path, found in entries():
        known, then = kept.get(path, (None, None))
        if known == found:
            os.utime(path, ns=(then, then))
        elif os.stat(path).st_mtime_ns <= since:
            os.utime(path)


def main():
    action, folder = sys.argv[1:]
    products = pathlib.Path(folder)
    products.mkdir(parents=True, exist_ok=True)
    {"keep": keep, "restore": restore}[action](products, products / "times.json")


main()
