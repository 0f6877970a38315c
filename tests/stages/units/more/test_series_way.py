# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""The way of a series: it waits until it is quiet or complete, is judged once as a whole, and late slices amend."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.uid import UID
from structlog.testing import capture_logs

from miqa_node.core.domain.delivery import KOS, SR, ResultKind
from miqa_node.core.domain.instance import Header, InstanceDigest, ReceivedObject
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.core.domain.worklist import Resolution, WorklistState
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.usual_ranges.rows import baselines
from miqa_node.features.usual_ranges.work import HistoryWork
from miqa_node.features.worklist.rows import browse, history, worklist
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.series import NO_SLICE
from miqa_node.stages.conclusion.work.one_verdict import OneVerdict
from miqa_node.stages.units.rows import instances, reassessments, series
from miqa_node.stages.units.rows.standing import standing
from miqa_node.stages.units.series import SeriesUnit
from miqa_node.stages.units.work.series import SeriesWatch
from tests.parts import build_pipeline, results_of
from tests.stages.measure.series import making
from tests.stages.report.flagged import flagged_series
from tests.stages.units.test_series_way import ACCEPTED, ANY, REVIEWED, RULES, Jobs, Rig, kos_of, late, rig, seen


def test_what_a_person_decided_stands_beside_a_later_verdict(rig: Rig, tmp_path: Path) -> None:
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(5)], "CT")
    digests = rig.receive(paths[0], paths[1], paths[3], paths[4])
    rig.finish(rig.look(30.0)[0])
    with rig.database.begin() as transaction:
        study = instances.load(transaction, digests[0]).header.study_instance_uid
        worklist.resolve(transaction, study, Resolution.DISMISSED, "anna", "", rig.now)
    digests += rig.receive(paths[2])
    assert rig.finish(rig.look(30.0)[0]) is Verdict.ACCEPT
    assert seen(rig, digests) == ACCEPTED
    with rig.database.begin() as transaction:
        item = worklist.show(transaction, study)
    assert (item.state, item.resolution, item.resolved_by) == (WorklistState.RESOLVED, Resolution.DISMISSED, "anna")


def test_a_judgement_that_was_asked_for_before_more_came_changes_nothing_after_it(rig: Rig, tmp_path: Path) -> None:
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(5)], "CT")
    digests = rig.receive(paths[0], paths[1], paths[3], paths[4])
    [first] = rig.look(30.0)
    rig.finish(first)
    with rig.database.begin() as transaction:
        assert reassessments.ask(transaction, first, "anna", "", rig.now) == 1
    digests += rig.receive(paths[2])
    assert rig.finish(rig.look(30.0)[0]) is Verdict.ACCEPT
    rig.finish(first)
    assert seen(rig, digests) == ACCEPTED
    with rig.database.begin() as transaction:
        assert not reassessments.count_waiting(transaction)


def test_series_that_stand_double_follow_the_rule_from_the_first_start_on(rig: Rig, tmp_path: Path) -> None:
    """As databases of earlier versions have them: the later judgement left the earlier one as it was."""
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(5)], "CT")
    digests = rig.receive(paths[0], paths[1], paths[3], paths[4])
    [first] = rig.look(30.0)
    rig.finish(first)
    with rig.database.begin() as transaction:
        before = transaction.execute(sa.select(tables.dispositions)).mappings().all()
        assessment = instances.load_assessment(transaction, first)
        listed = transaction.execute(sa.select(tables.worklist)).mappings().one()
    digests += rig.receive(paths[2])
    assert rig.finish(rig.look(30.0)[0]) is Verdict.ACCEPT
    with rig.database.begin() as transaction:
        assert assessment is not None
        instances.save_assessment(transaction, assessment)
        transaction.execute(sa.delete(tables.reassessments))
        for row in before:
            this = tables.dispositions.c.digest == row["digest"]
            transaction.execute(sa.update(tables.dispositions).where(this).values(**row))
        transaction.execute(sa.update(tables.worklist).values(**listed))
        unsent = sa.select(tables.results.c.sop_instance_uid).where(
            tables.results.c.digest == digests[-1], tables.results.c.kind == KOS
        )
        transaction.execute(sa.delete(tables.deliveries).where(tables.deliveries.c.sop_instance_uid.in_(unsent)))
        transaction.execute(sa.delete(tables.results).where(tables.results.c.sop_instance_uid.in_(unsent)))
        results = transaction.execute(sa.select(sa.func.count()).select_from(tables.results)).scalar_one()
        deliveries = transaction.execute(sa.select(sa.func.count()).select_from(tables.deliveries)).scalar_one()
    work = OneVerdict(rig.pipeline._context, lambda kind: ["PACS"] if kind == KOS else [])
    assert (work.look(), work.look(), work.look()) == (1, 0, 0)
    assert seen(rig, digests) == ACCEPTED
    with rig.database.begin() as transaction:
        study = instances.load(transaction, first).header.study_instance_uid
        assert worklist.show(transaction, study).state is WorklistState.RESOLVED
        assert transaction.execute(sa.select(sa.func.count()).select_from(tables.results)).scalar_one() == results + 1
        sent = transaction.execute(sa.select(sa.func.count()).select_from(tables.deliveries)).scalar_one()
    assert sent == deliveries + 1
    [withdrawal] = kos_of(rig, digests[-1])
    assert withdrawal.ConceptNameCodeSequence[0].CodeValue == "QI_WITHDRAWN"


@pytest.mark.parametrize(("modality", "flagged"), [("CT", "Metal"), ("MR", "Body at end of phase direction")])
def test_what_flagged_a_series_is_the_first_number_of_its_report(modality: str, flagged: str, tmp_path: Path) -> None:
    made = {item.kind: item for item in flagged_series(tmp_path / "series", modality)}
    report = pydicom.dcmread(BytesIO(made[ResultKind("SR")].data))
    (groups,) = (c for c in report.ContentSequence if c.ConceptNameCodeSequence[0].CodeValue == "126010")
    numbers = [item for item in groups.ContentSequence[0].ContentSequence if item.ValueType == "NUM"]
    assert numbers[0].ConceptNameCodeSequence[0].CodeMeaning == flagged
    units = {
        one.ConceptNameCodeSequence[0].CodeMeaning: one.MeasuredValueSequence[0]
        .MeasurementUnitsCodeSequence[0]
        .CodeValue
        for one in numbers
    }
    assert (units["Number of slices"], units["Gaps between slices"]) == ("{slices}", "{gaps}")


def test_late_slices_amend(rig: Rig, tmp_path: Path) -> None:
    images = [making.body_ct(seed=n) for n in range(6)]
    paths = making.write_series(tmp_path / "s", images, "CT")
    rig.receive(paths[0], paths[1], paths[3], paths[4])
    [first] = rig.look(30.0)
    assert rig.finish(first) is Verdict.REVIEW  # a slice is missing
    rig.receive(paths[2], paths[5])
    [second] = rig.look(30.0)
    assert second != first
    assert rig.finish(second) is Verdict.ACCEPT
    amended = rig.report(second)
    [study] = amended.PredecessorDocumentsSequence
    [reference] = study.ReferencedSeriesSequence
    earlier = rig.report(first)
    assert reference.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == earlier.SOPInstanceUID
    assert reference.SeriesInstanceUID == earlier.SeriesInstanceUID
    assert amended.SOPInstanceUID != earlier.SOPInstanceUID
    with rig.database.begin() as transaction:
        assert instances.count(transaction).decided == 6


def test_two_studies_that_share_the_uid_of_a_series_are_judged_apart(rig: Rig, tmp_path: Path) -> None:
    def copied(dataset: pydicom.Dataset) -> None:
        dataset.StudyInstanceUID, dataset.PatientID = "1.2.3.99", "ANOTHER"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{dataset.SOPInstanceUID}.9")

    images = [making.body_ct(seed=n) for n in range(4)]
    first = rig.receive(*making.write_series(tmp_path / "a", images, "CT"))
    second = rig.receive(*making.write_series(tmp_path / "b", images, "CT", change=copied))
    assert set(rig.look(21.0)) == {first[-1], second[-1]}
    for digests in (first, second):
        assert rig.finish(digests[-1]) is Verdict.ACCEPT
        report = rig.report(digests[-1])
        with rig.database.begin() as transaction:
            stored = [instances.load(transaction, digest) for digest in digests]
        [study] = {one.header.study_instance_uid for one in stored if one is not None}
        [listed] = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
        assert report.StudyInstanceUID == study
        assert {one.ReferencedSOPInstanceUID for one in listed.ReferencedSOPSequence} == {
            one.header.sop_instance_uid for one in stored if one is not None
        }


def test_a_series_has_one_verdict_when_more_of_it_comes(rig: Rig, tmp_path: Path) -> None:
    """Nine slices were REVIEW and three ACCEPT, the worklist open, and the page of the study said accepted."""
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(7)], "CT")
    digests = rig.receive(paths[0], paths[1], paths[3], paths[4])
    assert rig.finish(rig.look(30.0)[0]) is Verdict.REVIEW
    assert seen(rig, digests) == REVIEWED
    [note] = [one for digest in digests for one in kos_of(rig, digest)]
    digests += rig.receive(paths[2])
    with rig.database.begin() as transaction:
        header = instances.load(transaction, digests[0]).header
        assert late(transaction, header) == "More of the series came, being measured: 1."
    assert rig.finish(rig.look(30.0)[0]) is Verdict.ACCEPT
    assert seen(rig, digests) == ACCEPTED
    with rig.database.begin() as transaction:
        item = worklist.show(transaction, header.study_instance_uid)
        events = history.of_worklist(transaction, header.study_instance_uid)
        assert not late(transaction, header)
    assert (item.state, item.resolved_by) == (WorklistState.RESOLVED, "miqa-node")
    assert events[-1].comment.endswith("More of its series came, and all was judged: accepted.")
    [withdrawal] = kos_of(rig, digests[-1])
    assert withdrawal.ConceptNameCodeSequence[0].CodeValue == "QI_WITHDRAWN"
    assert note.SOPInstanceUID in str(withdrawal)

    digests += rig.receive(paths[6])  # and the next one begins a gap
    assert rig.finish(rig.look(30.0)[0]) is Verdict.REVIEW
    assert seen(rig, digests) == REVIEWED
    with rig.database.begin() as transaction:
        assert worklist.show(transaction, header.study_instance_uid).state is WorklistState.OPEN
