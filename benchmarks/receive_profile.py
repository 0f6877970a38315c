"""What one CT slice costs the receiver, by part: ``python -m benchmarks.receive_profile``.

Two runs for one and for four associations: one with clocks at the borders of parts, one under strace, which counts the
system calls between them (if it is installed). Bytes and rows are those of the whole, per slice.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.machine import describe, keep
from benchmarks.receive import ASSOCIATIONS, free_port, make_files, running, send
from benchmarks.slice_parts import MARK, PARTS

SLICES, KIND = 160, "CT 0.5 MB"
SETTLE_S = 3.0
"""After the start, and before the last records are sealed."""
_LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\()(-?\d*)")


def profile() -> None:
    """Measure, print and keep the budget."""
    machine, result = describe(), {}
    for associations in ASSOCIATIONS:
        times, rows, written = _run(associations, marks=False)
        calls = _run(associations, marks=True)[0] if shutil.which("strace") else {"calls": {}}
        of = {
            part: {
                "processor_ms": round(1e3 * times["seconds"].get(part, 0.0) / SLICES, 3),
                "system_calls": round(calls["calls"].get(part, 0) / SLICES, 1),
            }
            for part in PARTS[1:]
        }
        whole = {name: round(count / SLICES, 2) for name, count in times["counts"].items()}
        whole |= {"processor_ms": round(1e3 * times["processor_s"] / SLICES, 3), "written_bytes": written // SLICES}
        result[f"{associations} associations"] = {"parts": of, "whole": whole, "rows": rows}
    print(json.dumps(result, indent=2))
    keep("receive_profile", machine, result)


def _run(associations: int, *, marks: bool) -> tuple[dict[str, Any], dict[str, float], int]:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        data, counts, trace = folder / "node", folder / "counts", folder / "trace"
        counts.mkdir()
        for number in range(256):
            (data / "objects" / "instances" / f"{number:02x}").mkdir(parents=True)
        command = [sys.executable, "-m", "benchmarks.slice_parts", str(counts), "run", "--role", "receive"]
        command += ["--data-dir", str(data), "--dicom-port", str(port), "--web-port", str(free_port())]
        if marks:
            command = ["strace", "-D", "-f", "-qq", "-o", str(trace), *command]
        files = make_files(folder / "source", KIND, SLICES)
        with running(data, command, port, {"MARK": str(int(marks))}):
            time.sleep(SETTLE_S)
            pids = _tree()
            before = sum(map(_processor_s, pids)), sum(map(_written, pids))
            send(port, files, associations, tls=False)
            time.sleep(SETTLE_S)
            pids = _tree()
            processor_s = sum(map(_processor_s, pids)) - before[0]
            written = sum(map(_written, pids)) - before[1]
            rows = _rows(data / "miqa.sqlite")
        whole: dict[str, Any] = {"seconds": Counter(), "counts": Counter(), "processor_s": processor_s}
        for file in counts.glob("*.json"):
            one = json.loads(file.read_text("utf-8"))
            whole["seconds"].update(one["seconds"])
            whole["counts"].update(one["counts"])
        if marks:
            whole["calls"] = _calls(trace)
        return whole, rows, written


def _tree() -> list[int]:
    """The descendants of this process."""
    parents = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        fields = file.read_text("ascii", "replace").rpartition(")")[2].split()
        parents[int(file.parent.name)] = int(fields[1])
    tree = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= more
    return sorted(tree - {os.getpid()})


def _processor_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _written(pid: int) -> int:
    try:
        return int(re.findall(r"wchar: (\d+)", Path(f"/proc/{pid}/io").read_text("ascii"))[0])
    except OSError:
        return 0


def _rows(file: Path) -> dict[str, float]:
    """New rows of a slice by table, where there are at least half as many as slices."""
    with closing(sqlite3.connect(file)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
    return {name: count / SLICES for name, count in counts.items() if count >= SLICES / 2}


def _calls(trace: Path) -> Counter[str]:
    """System calls of threads by the part that they were in."""
    part: dict[str, str] = {}
    calls: Counter[str] = Counter()
    for line in trace.read_text("ascii", "replace").splitlines():
        call = _LINE.match(line)
        if call is None or "resumed>" in line[:80]:
            continue
        thread, name, first = call.groups()
        number = -int(first) - MARK if first.lstrip("-") else -1
        if name == "lseek" and 0 <= number < len(PARTS):
            part[thread] = PARTS[number]
        elif name != "clock_gettime":  # of the clocks; the other clock is read without a call
            calls[part.get(thread, PARTS[0])] += 1
    return calls


if __name__ == "__main__":
    profile()
