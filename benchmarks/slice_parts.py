"""Runs ``miqa-node`` with a clock at each part of the way of a slice; what the parts took is written at the end.

    python -m benchmarks.slice_parts FOLDER run --role receive …

Each process of the node writes ``FOLDER/<pid>.json``: processor time by part, statements, flushes and their bytes. With
MARK=1 a system call that fails, of a number of its own for each part, stands at the borders of parts, for strace.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from stat import S_ISREG
from typing import Any

from miqa_node.dicom.bytes.headers import HeaderReader
from miqa_node.features.audit import rows as chain
from miqa_node.interfaces.cli.__main__ import main as run
from miqa_node.libraries.pynetdicom_streaming.streaming import StreamingDul
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.stages.receive import incoming
from miqa_node.stages.receive.intake import Intake, Transfer
from miqa_node.stages.receive.receivers import line, pool, process
from miqa_node.stages.receive.rows.group import GroupCommit

PARTS = (
    "elsewhere", "network and DUL", "header", "names and checks", "file", "flush", "rows", "audit", "answer",
    "between processes",
)  # fmt: skip
MARK = 1000
"""Number of the file that does not exist, plus that of the part, in a system call at a border."""
_WITH_MARKS = os.environ.get("MARK") == "1"


class PartClock:
    """Processor time of threads by part; a part within another one is not counted twice."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._here = threading.local()

    def part(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as a part of that name."""

        @wraps(function)
        def timed(*arguments: Any, **keywords: Any) -> Any:
            stack = self._stack()
            self._charge(stack[-1])
            stack.append(name)
            _mark(name)
            try:
                return function(*arguments, **keywords)
            finally:
                self._charge(stack.pop())
                _mark(stack[-1])

        return timed

    def _stack(self) -> list[str]:
        if not hasattr(self._here, "stack"):
            self._here.stack, self._here.at = ["elsewhere"], time.thread_time()
        stack: list[str] = self._here.stack
        return stack

    def _charge(self, part: str) -> None:
        now = time.thread_time()
        with self._lock:
            self.seconds[part] += now - self._here.at
        self._here.at = now

    def write(self, folder: Path) -> None:
        """Write what this process has counted."""
        text = json.dumps({"seconds": self.seconds, "counts": self.counts, "processor_s": time.process_time()})
        (folder / f"{os.getpid()}.json").write_text(text, "utf-8")


def _mark(part: str) -> None:
    if _WITH_MARKS:
        with suppress(OSError):
            os.lseek(-(MARK + PARTS.index(part)), 0, 0)


def set_up(clock: PartClock, folder: Path) -> None:
    """Put the clock at the borders of parts."""
    places: list[tuple[Any, str, str]] = [
        (StreamingDul, "run", "network and DUL"),
        (StreamingDul, "_answer", "answer"),
        (Intake, "begin", "names and checks"),
        (Transfer, "finish", "names and checks"),
        (incoming.IncomingObject, "__init__", "file"),
        (incoming.IncomingObject, "write", "file"),
        (incoming.IncomingObject, "discard", "file"),
        (incoming, "read_elements", "header"),
        (HeaderReader, "read", "header"),
        (Artifacts, "keep_original", "file"),
        (Intake, "keep", "rows"),
        (GroupCommit, "run", "rows"),
        (records, "add", "audit"),
        (chain, "seal", "audit"),
        (line.Line, "call", "between processes"),
        (pool, "answer", "between processes"),
    ]
    receive = process.receive

    def receive_and_write(*arguments: Any) -> None:
        clock.seconds.clear()
        clock.counts.clear()
        receive(*arguments)
        clock.write(folder)

    setattr(process, "receive", receive_and_write)  # noqa: B010 - it is replaced for good
    for owner, name, part in places:
        setattr(owner, name, clock.part(part, getattr(owner, name)))
    _count(clock, DriverStatement, "all", lambda *_: {"statements": 1})
    _count(clock, GroupCommit, "_write", lambda *_: {"transactions": 1})
    if not _WITH_MARKS:
        _count(clock, os, "fsync", _flush)
    os.fsync = clock.part("flush", os.fsync)


def _count(clock: PartClock, owner: Any, name: str, counts: Callable[..., dict[str, int]]) -> None:
    function = getattr(owner, name)

    @wraps(function)
    def counting(*arguments: Any, **keywords: Any) -> Any:
        clock.counts.update(counts(*arguments))
        return function(*arguments, **keywords)

    setattr(owner, name, counting)


def _flush(descriptor: int) -> dict[str, int]:
    status = os.fstat(descriptor)
    return {"flushes": 1, "flushed bytes": status.st_size if S_ISREG(status.st_mode) else 0}


def main() -> None:
    folder = Path(sys.argv.pop(1))
    clock = PartClock()
    set_up(clock, folder)
    atexit.register(clock.write, folder)
    sys.argv[0] = "miqa-node"
    run()


if __name__ == "__main__":
    main()
