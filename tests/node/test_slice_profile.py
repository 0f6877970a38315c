"""The clock of ``benchmarks.receive_profile`` charges each moment of a thread to one part."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.receive_profile import _calls
from benchmarks.slice_parts import MARK, PARTS, PartClock


def test_a_part_within_another_is_counted_once() -> None:
    clock = PartClock()

    def work() -> None:
        until_s = time.thread_time() + 0.01
        while time.thread_time() < until_s:
            pass

    inner = clock.part("flush", work)
    outer = clock.part("file", lambda: (inner(), work()))
    began_s = time.thread_time()
    outer()
    took_s = time.thread_time() - began_s
    assert clock.seconds["flush"] >= 0.01
    assert clock.seconds["file"] >= 0.01
    assert clock.seconds["file"] + clock.seconds["flush"] <= took_s


def test_system_calls_belong_to_the_part_that_their_thread_is_in(tmp_path: Path) -> None:
    header, file = (MARK + PARTS.index(part) for part in ("header", "file"))
    lines = (
        "7 poll([{fd=3}], 1, 0) = 0",
        f"7 lseek(-{header}, 0, SEEK_SET) = -1 EBADF (Bad file descriptor)",
        f"8 lseek(-{file}, 0, SEEK_SET <unfinished ...>",
        "8 <... lseek resumed>) = -1 EBADF (Bad file descriptor)",
        "7 pread64(9, ..., 16, 0) = 16",
        "8 writev(9, ..., 2 <unfinished ...>",
        "7 clock_gettime(CLOCK_THREAD_CPUTIME_ID, {}) = 0",
        "8 <... writev resumed>) = 12",
    )
    trace = tmp_path / "trace"
    trace.write_text("\n".join(lines), "ascii")
    assert _calls(trace) == {"elsewhere": 1, "header": 1, "file": 1}
