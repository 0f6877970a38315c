"""The packed record of a night: by test the functions that it reaches, and what it costs.

``tests/reach.xz`` is a header of JSON (commit, tests with their seconds) and a matrix of bits. Most functions are
reached by the same tests as some other: each such set of tests is one row of the matrix, so that thousands of tests
take less than 300 kB. Rows of a table of tests are one test.
"""

from __future__ import annotations

import json
import lzma
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tools.reach.record import unpacked

FILE = Path(__file__).resolve().parents[2] / "tests" / "reach.xz"
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 0, "pb": 0}]


@dataclass(frozen=True, slots=True)
class Table:
    """``seconds``: by test its time on the machine of the night; ``reached``: by place of a function its tests."""

    commit: str
    seconds: dict[str, float]
    reached: dict[int, frozenset[str]]

    def tests(self, places: Iterable[int]) -> set[str]:
        """All that reach one of the functions."""
        return set[str]().union(*(self.reached.get(place, ()) for place in places))


def table_of(commit: str, rows: Iterable[Mapping[str, Any]]) -> Table:
    """The table of the lines of a night; a test that was skipped reached nothing, and is none."""
    seconds, reached = defaultdict[str, float](float), defaultdict[int, set[str]](set)
    latest = {row["test"]: row for row in rows}
    for row in latest.values():
        if row["outcome"] == "skipped":
            continue
        test = function(row["test"])
        seconds[test] += row["s"]
        for place in unpacked(row["reached"]):
            reached[place].add(test)
    sets = {place: frozenset(tests) for place, tests in reached.items()}
    return Table(commit, {test: round(s, 1) for test, s in seconds.items()}, sets)


def function(test: str) -> str:
    """A test without the row of its table.

    >>> function("tests/test_a.py::TestB::test_c[d::e]")
    'tests/test_a.py::TestB::test_c'
    """
    return test.partition("[")[0]


def write(table: Table, file: Path = FILE) -> int:
    """Pack a table; return the bytes of the file."""
    tests = sorted(table.seconds)
    column = {test: number for number, test in enumerate(tests)}
    sets = sorted({tuple(sorted(column[test] for test in some)) for some in table.reached.values()})
    row = {one: number for number, one in enumerate(sets)}
    bits = np.zeros((len(sets), len(tests)), bool)
    for number, one in enumerate(sets):
        bits[number, list(one)] = True
    places = sorted(table.reached)
    rows = [row[tuple(sorted(column[test] for test in table.reached[place]))] for place in places]
    gaps = np.diff(np.array(places, np.uint32), prepend=np.uint32(0)).astype("<u4")
    head = json.dumps(
        {
            "commit": table.commit,
            "tests": tests,
            "seconds": [table.seconds[one] for one in tests],
            "functions": len(places),
            "sets": len(sets),
        }
    )
    parts = [head.encode(), gaps.tobytes(), np.array(rows, "<u2").tobytes(), np.packbits(bits, axis=1).tobytes()]
    packed = [lzma.compress(part, lzma.FORMAT_RAW, filters=FILTERS) for part in parts]
    file.write_bytes(b"".join(struct.pack("<I", len(part)) + part for part in packed))
    return file.stat().st_size


def read(file: Path = FILE) -> Table:
    """The table of a file; FileNotFoundError if there is none."""
    data, parts = file.read_bytes(), list[bytes]()
    while data:
        (length,) = struct.unpack("<I", data[:4])
        parts.append(lzma.decompress(data[4 : 4 + length], lzma.FORMAT_RAW, filters=FILTERS))
        data = data[4 + length :]
    head = json.loads(parts[0])
    tests = head["tests"]
    places = np.cumsum(np.frombuffer(parts[1], "<u4")).tolist()
    bits = np.unpackbits(np.frombuffer(parts[3], np.uint8).reshape(head["sets"], -1), axis=1)
    sets = [frozenset(tests[number] for number in np.flatnonzero(one[: len(tests)])) for one in bits]
    reached = {place: sets[one] for place, one in zip(places, np.frombuffer(parts[2], "<u2").tolist(), strict=True)}
    return Table(head["commit"], dict(zip(tests, head["seconds"], strict=True)), reached)
