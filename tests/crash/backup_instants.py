"""Ends a backup just before each of its changes to the file system, one after the other, and looks at the folder.

    python -m tests.crash.backup_instants DATA_DIR FOLDER SCRATCH

Prints a JSON line an instant: what the kill came before, the faults of the folder, and the objects of its state.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from miqa_node.features.backup import work as backup
from miqa_node.features.backup.work.folder import read_manifest
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_objects

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "sqlite3.connect"}
KILLED = 9


def main(data_dir: Path, folder: Path, scratch: Path) -> None:
    """Every instant, until a backup ends by itself."""
    for instant in range(10_000):
        shutil.copytree(folder, scratch / "folder")
        child = os.fork()
        if not child:
            sys.addaudithook(_kill_before(instant, scratch))
            _back_up(data_dir, scratch / "folder")
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        faults = list(backup.check_backup(scratch / "folder"))
        names = sorted(entry.name for entry in read_manifest(scratch / "folder"))
        if ended == KILLED and instant % 10 == 0:
            _back_up(data_dir, scratch / "folder")
        files = sum(path.is_file() for path in (scratch / "folder").rglob("*")) if not instant % 10 else None
        before = (scratch / "event").read_text() if ended == KILLED else "end"
        print(json.dumps({"before": before, "ended": ended, "faults": faults, "names": names, "files": files}))
        shutil.rmtree(scratch / "folder")
        if ended != KILLED:
            return


def _back_up(data_dir: Path, folder: Path) -> None:
    database = Database(f"sqlite:///{data_dir / 'miqa.sqlite'}", pool_size=1)
    backup.back_up(database, open_objects("", data_dir / "objects", 0, 1 << 20), data_dir, folder)
    database.close()


def _kill_before(instant: int, scratch: Path) -> Callable[[str, tuple[object, ...]], None]:
    changes, folder = iter(range(100_000)), str(scratch / "folder")

    def look(event: str, arguments: tuple[object, ...]) -> None:
        is_writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (event in CHANGES or is_writing) and folder in str(arguments[0]) and next(changes) == instant:
            descriptor = os.open(scratch / "event", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.write(descriptor, event.encode())
            os._exit(KILLED)

    return look


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
