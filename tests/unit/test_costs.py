"""What one image costs, as counts that no machine changes: a later change must not give back what was gained.

The limits leave some room above what was counted when they were set (docs/explanation/capacity.md).
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from cProfile import Profile
from functools import partial
from pathlib import Path
from pstats import Stats
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.deliver.destinations import parse_flag
from miqa_node.demo.samples import make_samples
from miqa_node.domain.delivery import SR
from miqa_node.domain.finding import FindingName
from miqa_node.node import Node
from tests.unit.report import making
from tests.unit.test_node import Pacs, settings_in, store
from tests.waiting import wait_until

RECEIVE_STATEMENTS = 7
JUDGE_STATEMENTS, JUDGE_TRANSACTIONS = 34, 6
SYNCS = 16
REPORT_CALLS = 45_000
"""Function calls of a report about three findings: with content items as data sets it took 340,000."""


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    pacs = Pacs()
    yield pacs
    pacs.server.shutdown()


class Counts:
    """SQL statements and commits by thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self.statements: Counter[str] = Counter()
        self.commits: Counter[str] = Counter()
        self.receiving: set[str] = set()
        sa.event.listen(engine, "before_cursor_execute", self._statement)
        sa.event.listen(engine, "commit", lambda _connection: self.commits.update([threading.current_thread().name]))

    def _statement(self, _connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        name = threading.current_thread().name
        self.statements[name] += 1
        if statement.startswith("INSERT INTO instances"):
            self.receiving.add(name)

    def judging(self, counter: Counter[str]) -> int:
        return sum(count for name, count in counter.items() if name.startswith("dbos-executor"))


def _noted(synced: list[int], plain: Callable[[int], None], fd: int) -> None:
    synced.append(fd)
    plain(fd)


def test_function_calls_of_a_report(tmp_path: Path) -> None:
    source = making.write(making.small(), tmp_path / "source.dcm")
    making.flagged(source, kinds={SR})  # what is read once
    profile = Profile()
    profile.runcall(making.flagged, source, kinds={SR})
    calls: int = Stats(profile).total_calls  # type: ignore[attr-defined]  # documented, but not in the stubs
    assert calls <= REPORT_CALLS, calls


@pytest.mark.slow
def test_statements_transactions_and_syncs_of_a_flagged_image(
    tmp_path: Path, pacs: Pacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = make_samples()
    chest, flagged = samples[0], next(one for one in samples if one.simulated == FindingName.MOTION_BLUR)
    files = [tmp_path / "first.dcm", tmp_path / "second.dcm"]
    for file, sample in zip(files, (chest, flagged), strict=True):
        file.write_bytes(sample.data)
    synced: list[int] = []
    for call in ("fsync", "fdatasync"):
        plain = getattr(os, call)
        monkeypatch.setattr(os, call, partial(_noted, synced, plain))
    with Node(settings_in(tmp_path / "node"), [parse_flag(f"PACS=PACS@127.0.0.1:{pacs.port}")]) as node:
        store(node.dicom_port, files[0])
        wait_until(lambda: len(pacs.objects) >= 1)
        time.sleep(1.0)  # what follows the first image and the start
        counts, before = Counts(node.database.engine), len(synced)

        store(node.dicom_port, files[1])
        wait_until(lambda: {"SR", "SEG", "KO"} <= {ds.Modality for ds in pacs.objects})
        wait_until(lambda: counts.judging(counts.commits) > 0)
        time.sleep(1.0)

    assert sum(counts.statements[name] for name in counts.receiving) <= RECEIVE_STATEMENTS
    assert counts.judging(counts.statements) <= JUDGE_STATEMENTS
    assert counts.judging(counts.commits) <= JUDGE_TRANSACTIONS
    assert len(synced) - before <= SYNCS
