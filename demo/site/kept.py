"""Where made sites lie: in the build's data folder, by schema, models, policy and the code that made them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from demo.site.making import make_site, settings_of
from demo.site.past import move_ahead
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.schema import revisions, versions

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "miqa-data" / "site"
SIZES = {"busy": (300, 40), "small": (60, 6)}
"""Exposures of patients and scans of phantoms."""
MOST_MB = 150.0
DATABASE = "miqa.sqlite"


def place_of(size: str) -> Path:
    """Of a made site, whether it is there or not."""
    judges = [*ROOT.glob("models/*/card.yaml"), *ROOT.glob("models/*/*.onnx"), ROOT / "config" / "policy.toml"]
    schema = [file for folder in versions() for file in folder.glob("[0-9]*_*.py")]
    digest = hashlib.sha256()
    for path in [*sorted(judges), *sorted(schema), *sorted(Path(__file__).parent.glob("*.py"))]:
        digest.update(path.read_bytes())
    return FOLDER / f"{size}-{revisions()[-1]}-{digest.hexdigest()[:12]}"


def made(size: str) -> Path:
    """The site; it is made if it is not there, and sites of other schemas and models go.

    One process makes it; others that want it at the same time wait, as each would take both cores for a minute.
    """
    place = place_of(size)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f".{size}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            _make(size, place)
    return place


def _make(size: str, place: Path) -> None:
    for other in FOLDER.glob(f"{size}-*"):
        shutil.rmtree(other)
    unfinished = FOLDER / f".{size}-{os.getpid()}"
    try:
        make_site(unfinished, *SIZES[size])
        unfinished.rename(place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def copied(place: Path, folder: Path) -> Path:
    """A copy that may change, as of today; files that never change are linked where that is possible."""
    shutil.copytree(place / "objects", folder / "objects", copy_function=_link)
    for path in place.iterdir():
        if path.is_file() and not path.name.startswith(DATABASE):
            shutil.copy2(path, folder)
    with closing(sqlite3.connect(place / DATABASE)) as source, closing(sqlite3.connect(folder / DATABASE)) as target:
        source.backup(target)
    with closing(Database(settings_of(folder).database_url)) as database:
        move_ahead(database, datetime.now(UTC) - datetime.fromtimestamp((place / DATABASE).stat().st_mtime, UTC))
    return folder


def megabytes(place: Path) -> float:
    """What a site takes on disk."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 1e6


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
