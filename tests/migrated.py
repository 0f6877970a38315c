"""A SQLite database that went through all migrations, for others to start as copies of it.

It is made once for what it follows from and kept in ``.cache``, as migrations take a tenth of a second.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from miqa_node.built_in import folders
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.schema import versions

ROOT = Path(__file__).resolve().parent.parent


def migrated_file(folder: Path, migrate: Callable[[Database], None]) -> Path:
    """The file of the migrations of today, in ``folder``; of another state another file."""
    file = folder / f"{_digest()}.sqlite"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        mine = file.with_suffix(f".{os.getpid()}")
        database = Database(f"sqlite:///{mine}", pool_size=1)
        migrate(database)
        database.close()
        for older in set(folder.glob("*.sqlite")) - {file}:  # which another runner may just have made
            older.unlink(missing_ok=True)
        mine.replace(file)
    return file


def _digest() -> str:
    """Of what a database follows from: migrations, names in the tables of the code, and the libraries."""
    digest = hashlib.sha256(f"{version('alembic')} {version('sqlalchemy')} {sqlite3.sqlite_version}".encode())
    declared = (*Path(tables.__file__).parent.glob("*.py"), *(folder / "tables.py" for folder in folders()))
    migrations = (ROOT / "migrations" / "env.py", *(file for folder in versions() for file in folder.glob("*.py")))
    for file in sorted(file for file in (*migrations, *declared) if file.is_file()):
        digest.update(b"%s %d\0" % (file.name.encode(), file.stat().st_size) + file.read_bytes())
    return digest.hexdigest()[:16]
