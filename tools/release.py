"""``make dist``: a release in a folder, of the one version number in ``miqa_node/__init__.py``.

Wheels and sdists of all distributions, locks that name them and everything else by hashes, a recipe for a container, a
unit for systemd, the list of parts, a bundle that installs without a network, ``RELEASE.md``, checksums and, where a
key is given, their signature. A release wants a night that is younger than 150 commits; a trial says that it has none.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from jinja2 import Environment

from miqa_node import __version__
from tools import night
from tools.reach.changes import ROOT, git

MOST_COMMITS = 150
"""Commits since each part of the night ran."""
PYTHONS = ("3.11", "3.12", "3.13")
"""Of the bundle. Later ones install with a network: highdicom's libraries have no wheels for them."""
INSTALLED = ("miqa-node", "miqa-node-phantoms", "miqa-node-selftest", "miqa-node-series")
"""Of this project, what a site and a container have; others are added by their files."""
FOLDERS = ("config", "docs")
"""What a site reads and copies from; without a network it has no other place to find them."""
BUNDLE = f"miqa-node-{__version__}-offline-linux-x86_64.tar"
MOST_BYTES = 900_000_000
NAMESPACE = "miqa-node"
"""Of signatures, as `ssh-keygen -Y` asks for one."""
RECIPE = """\
FROM ${BASE} AS build
ARG ACCEL=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /release
RUN python -m venv /opt/miqa
# A file whose SHA-256 is not in the lock is not installed.
COPY *.whl *.lock ./
RUN /opt/miqa/bin/pip install --require-hashes --only-binary :all: --find-links . -r "miqa-node-${ACCEL}.lock"

"""
"""In place of the stage of the `Dockerfile` that installs a checkout."""


def main() -> int:
    """Make a release in FOLDER, which is emptied; return 1, and say what to do, if there can be none."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=main.__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--key", help="private key of OpenSSH that signs the checksums")
    parser.add_argument("--trial", action="store_true", help="also without a night; RELEASE.md says so")
    parser.add_argument("--without-bundle", action="store_true", help="no bundle, no list of parts: needs no index")
    options = parser.parse_args()
    lacks = [] if options.trial and options.without_bundle else faults()
    if lacks and not options.trial:
        sys.stderr.write("\n".join(["No release:", *lacks, "For a trial: make dist TRIAL=1", ""]))
        return 1
    folder: Path = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    build(folder)
    write_locks(folder)
    copy_texts(folder)
    if not options.without_bundle:
        run("make", "--no-print-directory", "-o", "setup", "sbom", "ACCEL=cpu", f"VENV={sys.prefix}", f"DIST={folder}")
    signer = fingerprint(options.key) if options.key else ""
    (folder / "RELEASE.md").write_text(page(is_trial=options.trial, lacks=lacks, signer=signer, parts=names(folder)))
    if not options.without_bundle:
        bundle(folder)
    write_sums(folder)
    if options.key:
        run("ssh-keygen", "-q", "-Y", "sign", "-f", options.key, "-n", NAMESPACE, str(folder / "SHA256SUMS"))
    sys.stdout.write(f"{folder}: {'trial of ' if options.trial else ''}miqa-node {__version__}, ")
    sys.stdout.write(f"signed with {signer}\n" if signer else "*unsigned* (KEY=… signs)\n")
    return 0


def faults() -> list[str]:
    """Why it may not be handed out: parts of the night that failed or are too old, changes not told, files in work."""
    lines, old, rows = [], [], night.parts()
    for name in night.PARTS:
        age = night.commits_since(rows[name]["commit"]) if name in rows else None
        if name not in rows or rows[name]["outcome"] != "passed" or age is None or age >= MOST_COMMITS:
            ran = f"{age} commits ago" if age is not None else "unknown" if name in rows else "never"
            lines.append(f"  {name} of the night: {ran}, {rows.get(name, {}).get('outcome', 'not yet')}")
            old.append(name)
    if old:
        lines.append(f'  each part has to pass within {MOST_COMMITS} commits; run: make night PARTS="{" ".join(old)}"')
    if fragments := [path.name for path in (ROOT / "changes").glob("*.*.md")]:
        lines.append(f"  {len(fragments)} changes are not in CHANGELOG.md; run: .venv/bin/towncrier build --yes")
    if git("status", "--porcelain"):
        lines.append("  files that are not committed; run: git status")
    return lines


def build(folder: Path) -> None:
    """Build wheels and sdists: names and bytes follow from the files alone."""
    for project in (ROOT, *sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))):
        command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
        subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words


def write_locks(folder: Path) -> None:
    """Locks of what a site installs: everything else as ``make lock`` wrote it, and the wheels of this release."""
    own = "".join(
        f"{name}=={__version__} \\\n    --hash=sha256:{digest(wheel_of(name, folder))}\n" for name in INSTALLED
    )
    for accelerator in ("cpu", "gpu"):
        others = (ROOT / "requirements" / f"{accelerator}.lock").read_text("utf-8").replace("make lock", "make dist")
        (folder / f"miqa-node-{accelerator}.lock").write_text(others + own, "utf-8")


def copy_texts(folder: Path) -> None:
    """The recipe of the container, the unit, the installer, the versions of what may be added, pages and settings."""
    for path in ("config/miqa-node.service", "constraints.txt", "CHANGELOG.md", "SECURITY.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / path, folder)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name)
    installer = (ROOT / "tools" / "install.sh").read_text("utf-8")
    (folder / "install.sh").write_text(installer.replace("@VERSION@", __version__), "utf-8")
    before, _, rest = (ROOT / "Dockerfile").read_text("utf-8").partition("FROM ${BASE} AS build\n")
    (folder / "Dockerfile").write_text(before + RECIPE + rest[rest.index("FROM ${BASE}\n") :], "utf-8")


def bundle(folder: Path) -> None:
    """What installs without a network, as one archive: the installer, its lock, and all wheels of each Python.

    Raises
    ------
    SystemExit
        The archive is larger than it may be.
    """
    with TemporaryDirectory() as temporary:
        inside = Path(temporary)
        wheels = inside / "wheels"
        wheels.mkdir()
        for name in INSTALLED:
            shutil.copy(wheel_of(name, folder), wheels)
        lock = ROOT / "requirements" / "cpu.lock"
        for python in PYTHONS:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
            run(*pip, "--only-binary", ":all:", "--python-version", python, "-d", str(wheels), "-r", str(lock))
        for name in FOLDERS:
            shutil.copytree(folder / name, inside / name)
        for path in filter(Path.is_file, folder.iterdir()):
            if path.suffix not in {".whl", ".gz"} and path.name not in {"Dockerfile", "miqa-node-gpu.lock"}:
                shutil.copy(path, inside)
        write_sums(inside)
        with tarfile.open(folder / BUNDLE, "w") as archive:
            for path in sorted(inside.rglob("*")):
                archive.add(path, f"miqa-node-{__version__}/{path.relative_to(inside)}", recursive=False, filter=plain)
    if (size := (folder / BUNDLE).stat().st_size) > MOST_BYTES:
        raise SystemExit(f"{BUNDLE} has {size:,} bytes, more than {MOST_BYTES:,}")


def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """A member of an archive without who made it, and when."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() else 0o644
    return member


def page(*, is_trial: bool, lacks: Iterable[str], signer: str, parts: Iterable[str]) -> str:
    """``RELEASE.md``: whether it is one, of which commit and night, who signed it, what it holds, how to install it."""
    template = Environment(autoescape=False, keep_trailing_newline=True, trim_blocks=True).from_string(  # noqa: S701
        (ROOT / "tools" / "release.md.jinja").read_text("utf-8")
    )
    rows = night.parts()
    return template.render(
        version=__version__,
        commit=night.commit(),
        at=git("log", "-1", "--format=%cs"),
        is_trial=is_trial,
        lacks=[line.strip() for line in lacks],
        signer=signer,
        namespace=NAMESPACE,
        night=[(part.title, rows[name]) for name, part in night.PARTS.items() if name in rows],
        parts=list(parts),
        bundle=BUNDLE,
        pythons=PYTHONS,
    )


def write_sums(folder: Path) -> None:
    """``SHA256SUMS`` of all files, as `sha256sum --check` reads it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{digest(path)}  {path.relative_to(folder)}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines), "utf-8")


def fingerprint(key: str) -> str:
    """The fingerprint of a key, as whoever gave it away can say it."""
    output = subprocess.run(["ssh-keygen", "-l", "-f", key], check=True, capture_output=True, text=True).stdout  # noqa: S603, S607
    [mark] = re.findall(r"SHA256:\S+", output)
    return str(mark)


def names(folder: Path) -> list[str]:
    """Names of the files that are there."""
    return sorted(path.name for path in folder.iterdir())


def wheel_of(name: str, folder: Path) -> Path:
    """The wheel of a distribution."""
    return folder / f"{name.replace('-', '_')}-{__version__}-py3-none-any.whl"


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(*command: str) -> None:
    """Run a program, whose failure ends this one."""
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 - our own words


if __name__ == "__main__":
    sys.exit(main())
