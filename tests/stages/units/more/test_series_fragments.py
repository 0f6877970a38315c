# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""A Series Instance UID for each slice: one stack, one report; what is not part of it is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.uid import UID

from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.fragments import groups
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.words.narrative import narrative
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import header
from tests.stages.measure.series import making
from tests.stages.units.test_series_fragments import Change, finish_due, issue, listed, reports, rig, stack, torn
from tests.stages.units.test_series_way import Rig


def test_each_series_number_has_its_own(rig: Rig, tmp_path: Path) -> None:
    for number in (3, 4, 5):
        rig.receive(*stack(tmp_path / str(number), 5, torn(number)))
    assert len(finish_due(rig)) == 3
    assert sorted(map(listed, reports(rig))) == [(5, 5)] * 3


def test_a_late_slice_amends_the_report(rig: Rig, tmp_path: Path) -> None:
    paths = stack(tmp_path / "s", 6, torn(3))
    rig.receive(*paths[:5])
    finish_due(rig)
    rig.receive(paths[5])
    finish_due(rig)
    first, second = sorted(reports(rig), key=listed)
    assert (listed(first), listed(second)) == ((5, 5), (6, 6))
    [amended] = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert amended.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID


def test_thirty_slices_with_thirty_series_are_one_report(rig: Rig, tmp_path: Path) -> None:
    digests = rig.receive(*stack(tmp_path / "s", 30, torn(3)))
    assert finish_due(rig) == [digests[-1]]
    [report] = reports(rig)
    assert listed(report) == (30, 30)
    assert issue(rig, digests[-1]) == []
    with rig.database.begin() as transaction:
        verdicts = {instances.load_disposition(transaction, digest).verdict for digest in digests}  # type: ignore[union-attr]
    assert verdicts == {Verdict.ACCEPT}
    assert rig.look(21.0) == []
