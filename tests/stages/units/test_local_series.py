"""``assess`` without a node judges a series as a node does: the same measurements, verdict, issues and report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.local import LocalAssessor
from miqa_node.local_series import LocalSeriesAssessor, group_files
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.units.rows import instances
from tests.stages.units.test_series_fragments import SAGITTAL, capture, renamed, stack, torn
from tests.stages.units.test_series_way import Rig


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[Rig]:
    rig = Rig(tmp_path, pool)
    yield rig
    rig.database.close()


def test_it_says_what_a_node_says(rig: Rig, tmp_path: Path) -> None:
    files = [
        *stack(tmp_path / "a", 8, torn(3)),
        *stack(tmp_path / "b", 2, lambda ds: (torn(3, ImageOrientationPatient=SAGITTAL)(ds), renamed(ds, 50))[0]),
        *stack(tmp_path / "c", 4, torn(4)),
        capture(tmp_path / "d", 3),
    ]
    rig.receive(*files)
    in_node = []
    for digest in rig.look(21.0):
        rig.finish(digest)
        with rig.database.begin() as transaction:
            if not instances.load(transaction, digest).header.sop_class_uid.endswith(".7"):
                in_node.append(instances.load_assessment(transaction, digest))

    settings = load_settings(work={"processes": 1})
    with LocalAssessor(settings, reports=ReportSettings()) as images:
        groups = group_files(files, settings)
        local = [LocalSeriesAssessor(images, settings).assess(group) for group in groups if group.slices]

    assert [len(group.files) for group in groups] == [10, 4, 1]
    of_node = {one.header.series_number: one for one in in_node if one is not None}
    for result in local:
        expected = of_node[result.header.series_number]
        assert result.assessment.measurements == expected.measurements
        assert result.assessment.plausibility == expected.plausibility
        assert result.assessment.not_assessed == expected.not_assessed
        assert [one.kind for one in result.objects or ()] == ["SR"]
    left_out = ["slices_left_out" in {issue.name for issue in one.assessment.plausibility} for one in local]
    assert left_out == [True, False]


def test_slices_without_a_study_are_judged_one_by_one_and_nothing_refers_to_them(tmp_path: Path) -> None:
    files = stack(tmp_path / "a", 2, lambda ds: ds.__delattr__("StudyInstanceUID"))
    settings = load_settings(work={"processes": 1})
    with LocalAssessor(settings, reports=ReportSettings()) as images:
        groups = group_files(files, settings)
        local = [LocalSeriesAssessor(images, settings).assess(group) for group in groups]

    assert [len(group.slices) for group in groups] == [1, 1]
    for result in local:
        assert result.disposition.verdict is Verdict.NOT_ASSESSED
        assert (result.header.study_instance_uid, result.objects) == ("", None)
