"""Exposures and labels: what is counted, what repeats what, and what a decision leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.codes import MOTION_BLUR
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance, StudyInstanceUid
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion, RegionOutline
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.errors import NotFoundError
from miqa_node.features.analysis.rows import acquisitions, census
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.site_records import label_requests, labels
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.tables import acquisition_findings, label_findings
from miqa_node.runtime.store.tables import acquisitions as table
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study

RULES = AcquisitionRules(
    key=b"k" * 32,
    rooms={"ROOM1": "Thorax 1"},
    shifts={"early": time(6), "late": time(14), "night": time(22)},
)
NOON = datetime(2026, 1, 2, 12, 0, 0)  # noqa: DTZ001 - the hospital's local time


def put(
    transaction: Transaction,
    number: int,
    at: datetime = NOON,
    *,
    verdict: Verdict = Verdict.REJECT,
    rules: AcquisitionRules = RULES,
    patient: int = 1,
    operator: str = "",
    arrived: datetime | None = None,
    **values: object,
) -> InstanceDigest:
    """An image of a patient, received (not before it was made), judged, decided and counted."""
    it = decide(transaction, number, at, verdict, patient, operator, arrived, **values)
    count(transaction, it, rules)
    return it


def decide(
    transaction: Transaction,
    number: int,
    at: datetime = NOON,
    verdict: Verdict = Verdict.REJECT,
    patient: int = 1,
    operator: str = "",
    arrived: datetime | None = None,
    **values: object,
) -> InstanceDigest:
    """An image of a patient, received, judged and decided."""
    made = header(number, study=patient, acquired_at=at, **values)
    it = digest(number)
    arrival = received(it, arrived or max(NOW, at.astimezone(UTC)))
    instances.record(transaction, made, study(patient), arrival, "key", operator)
    blur = Finding(FindingName.MOTION_BLUR, MOTION_BLUR, 0.9, 0.5, 0.4, (0.25, 0.75))
    grid = Finding(FindingName.GRID_ARTIFACT, reason_code(FindingName.GRID_ARTIFACT), 0.1, 0.1, 0.4)
    model = ModelIdentity("quality", "0.2.0", "ab" * 32)
    assessment = Assessment(it, made, NOW, findings=(blur, grid), score=55.0, model=model)
    reason = Reason("motion_blur", "Motion blur", MOTION_BLUR, verdict)
    disposition = Disposition(verdict, (reason,) if verdict.flagged else (), "2026-01", "chest")
    instances.save_assessment(transaction, assessment)
    instances.save_disposition(transaction, it, made.study_instance_uid, disposition, NOW)
    if disposition.flagged:
        worklist.flag(transaction, StudyInstanceUid(made.study_instance_uid), verdict, NOW)
    return it


def count(transaction: Transaction, it: InstanceDigest, rules: AcquisitionRules = RULES) -> None:
    """The exposure of a decided image, if it is one."""
    instance = instances.load(transaction, it)
    assessment, disposition = instances.load_assessment(transaction, it), instances.load_disposition(transaction, it)
    assert assessment is not None
    assert disposition is not None
    if acquisitions.counts(instance):
        acquisitions.record(transaction, Judgement(instance, assessment, disposition), rules, NOW)


def row(transaction: Transaction, of: InstanceDigest) -> sa.Row[Any]:
    return transaction.execute(sa.select(table).where(table.c.digest == of)).one()


def test_an_exposure_is_written_down_by_the_rules_of_the_site(database: Database) -> None:
    with database.begin() as transaction:
        it = put(transaction, 1, operator="op-1", exposure_index=250.0, deviation_index=-1.5, detector_id="D7")
        exposure_row = row(transaction, it)
        places = transaction.execute(sa.select(acquisition_findings)).all()
    assert (exposure_row.day, exposure_row.acquired_at) == (NOON.date(), NOON)
    assert (exposure_row.room, exposure_row.station, exposure_row.detector, exposure_row.shift) == (
        "Thorax 1",
        "ROOM1",
        "D7",
        "early",
    )
    assert (exposure_row.operator, exposure_row.verdict, exposure_row.model) == ("op-1", "REJECT", "quality-0.2.0")
    assert (exposure_row.exposure_index, exposure_row.deviation_index, exposure_row.archived) == (250.0, -1.5, True)
    assert (exposure_row.repeated, exposure_row.rejected, exposure_row.binned) == (False, False, False)
    assert "ID1" not in exposure_row.patient_key
    assert len(exposure_row.patient_key) == 16
    assert [(p.finding, p.x, p.y, p.detector) for p in places] == [("motion_blur", 0.25, 0.75, "D7")]


def test_an_exposure_of_a_clock_that_is_years_ahead_counts_when_it_arrives(database: Database) -> None:
    """The analysis shows the month up to the newest exposure, so one such device would have been all that it shows."""
    with database.begin() as transaction:
        ahead = row(transaction, put(transaction, 1, NOON.replace(year=2099), arrived=NOW))
        early = row(transaction, put(transaction, 2))
        assert ahead.acquired_at == NOW.astimezone().replace(tzinfo=None)
        assert early.acquired_at == NOON
        transaction.execute(sa.update(table).where(table.c.digest == digest(1)).values(day=date(2099, 1, 1)))
        assert census.span(transaction, NOW) == (NOON.date(), NOON.date())


def test_an_image_without_a_time_counts_when_it_arrives_on_the_clock_of_the_hospital(database: Database) -> None:
    """The system's clock is UTC in a container."""
    instance = StoredInstance(digest(1), header(1), "key", datetime(2026, 1, 2, 20, 30, tzinfo=UTC), "MODALITY")
    there = replace(RULES, zone=ZoneInfo("Australia/Sydney")).describe(instance, "ID1")
    assert (there.acquired_at, there.shift) == (datetime(2026, 1, 3, 7, 30), "early")  # noqa: DTZ001


@pytest.mark.parametrize(
    ("hour", "shift"), [(5, "night"), (6, "early"), (13, "early"), (14, "late"), (21, "late"), (22, "night")]
)
def test_shifts_go_on_until_the_next_and_over_midnight(hour: int, shift: str) -> None:
    assert RULES.shift(time(hour)) == shift
    assert AcquisitionRules().shift(time(hour)) == ""


def test_operators_have_pseudonyms_that_only_the_key_makes() -> None:
    name = "Meier^Anna"
    first, again = RULES.operator(name), RULES.operator("MEIER^ANNA ")
    assert first == again != AcquisitionRules(key=b"x" * 32).operator(name)
    assert first.startswith("op-")
    assert "eier" not in first
    assert RULES.operator("") == ""
    assert AcquisitionRules(show_operators=True).operator(name) == "Meier Anna"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_same_view_of_a_patient_soon_after_makes_the_earlier_one_repeated(
    database: Database, order: tuple[int, int]
) -> None:
    times = (NOON, NOON + timedelta(minutes=5))
    with database.begin() as transaction:
        made = {n: put(transaction, n + 1, times[n]) for n in order}
        assert [row(transaction, made[n]).repeated for n in (0, 1)] == [True, False]


@pytest.mark.parametrize(
    "other",
    [
        {"at": NOON + timedelta(minutes=16)},
        {"at": NOON + timedelta(seconds=1)},
        {"at": NOON + timedelta(minutes=5), "patient": 2},
        {"at": NOON + timedelta(minutes=5), "view_position": "LL"},
        {"at": NOON + timedelta(minutes=5), "image_laterality": "L"},
    ],
    ids=["too late", "the same exposure", "another patient", "another view", "the other side"],
)
def test_other_images_are_no_repeats(database: Database, other: dict[str, Any]) -> None:
    with database.begin() as transaction:
        first = put(transaction, 1)
        second = put(transaction, 2, **other)
        assert not row(transaction, first).repeated
        assert not row(transaction, second).repeated


def test_images_without_view_are_no_repeats_of_each_other(database: Database) -> None:
    with database.begin() as transaction:
        first = put(transaction, 1, view_position="")
        put(transaction, 2, NOON + timedelta(minutes=1), view_position="")
        assert not row(transaction, first).repeated


def test_test_objects_are_not_counted(database: Database) -> None:
    with database.begin() as transaction:
        put(transaction, 1, quality_control=True)
        assert transaction.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0


def test_a_decision_is_a_label_with_provenance(database: Database) -> None:
    with database.begin() as transaction:
        it = put(transaction, 1)
        worklist.resolve(transaction, "1.2.5.1", Resolution.CONFIRMED, "anna", "", NOW)
        [label] = labels.of_images(transaction, [it])
        texts = {
            r.finding: (r.probability, r.present, r.labelled) for r in transaction.execute(sa.select(label_findings))
        }
        exposure_row = row(transaction, it)
    assert label.judgement == ReaderOpinion(
        "anna", LabelOrigin.DECISION, bad=True, rejects=True, findings=("motion_blur",), reason=MOTION_BLUR.value
    )
    assert (label.verdict, label.model_name, label.model_version, label.policy_version) == (
        "REJECT", "quality", "0.2.0", "2026-01",
    )  # fmt: skip
    assert texts == {"motion_blur": (0.9, True, True), "grid_artifact": (0.1, False, False)}
    assert (exposure_row.rejected, exposure_row.reject_reason, exposure_row.judged_bad) == (
        True,
        MOTION_BLUR.value,
        True,
    )


def test_a_dismissal_is_a_label_of_a_good_image_and_rejects_nothing(database: Database) -> None:
    with database.begin() as transaction:
        it = put(transaction, 1)
        worklist.resolve(transaction, "1.2.5.1", Resolution.DISMISSED, "anna", "", NOW)
        [label] = labels.of_images(transaction, [it])
        exposure_row = row(transaction, it)
    assert (label.judgement.bad, label.judgement.findings) == (False, ())
    assert (exposure_row.rejected, exposure_row.judged_bad) == (False, False)


@pytest.mark.parametrize(("resolution", "count"), [(Resolution.CONFIRMED, 2), (Resolution.DISMISSED, 0)])
def test_of_two_flagged_images_both_are_rejected_but_nobody_said_which_is_good(
    database: Database, resolution: Resolution, count: int
) -> None:
    with database.begin() as transaction:
        both = [put(transaction, 1), put(transaction, 2, NOON + timedelta(hours=1))]
        worklist.resolve(transaction, "1.2.5.1", resolution, "anna", "", NOW)
        assert len(labels.of_images(transaction, both)) == count


def test_a_note_of_another_system_counts_once_and_no_later_word_takes_it_back(database: Database) -> None:
    note = ReaderOpinion("PACS", LabelOrigin.REJECTION_NOTE, True, rejects=True, reason="111209", source_uid="1.9")
    with database.begin() as transaction:
        it = put(transaction, 1, verdict=Verdict.ACCEPT)
        assert labels.add(transaction, it, note, NOW) is not None
        assert labels.add(transaction, it, note, NOW) is None
        good = ReaderOpinion("anna", LabelOrigin.SPOT_CHECK, bad=False, findings=(), sampled=0.1)
        labels.add(transaction, it, good, NOW)
        exposure_row = row(transaction, it)
        assert len(list(labels.select(transaction))) == 2
    assert (exposure_row.rejected, exposure_row.reject_reason, exposure_row.judged_bad) == (True, "111209", False)


def test_regions_come_back_as_they_were_drawn(database: Database) -> None:
    region = RegionOutline(((0.1, 0.2), (0.5, 0.2), (0.5, 0.75)), "foreign_object")
    with database.begin() as transaction:
        it = put(transaction, 1)
        opinion = ReaderOpinion("anna", LabelOrigin.IMPORT, bad=True, findings=None, regions=(region,))
        labels.add(transaction, it, opinion, NOW)
        [label] = labels.select(transaction, since=NOW, until=NOW + timedelta(seconds=1))
    assert label.judgement == opinion
    assert region.box == (0.1, 0.2, 0.5, 0.75)


def test_an_image_that_is_not_here_cannot_be_labelled(database: Database) -> None:
    with database.begin() as transaction, pytest.raises(NotFoundError, match="No instance"):
        labels.add(transaction, digest("nothing"), ReaderOpinion("anna", LabelOrigin.IMPORT, bad=False), NOW)


def test_an_audited_image_answers_its_request_with_its_share(database: Database) -> None:
    with database.begin() as transaction:
        it = put(transaction, 1)
        assert label_requests.ask(transaction, it, LabelOrigin.SPOT_CHECK, 0.05, NOW)
        assert not label_requests.ask(transaction, it, LabelOrigin.SPOT_CHECK, 0.05, NOW)
        worklist.resolve(transaction, "1.2.5.1", Resolution.DISMISSED, "anna", "", NOW)
        [label] = labels.of_images(transaction, [it])
        assert label_requests.count(transaction, LabelOrigin.SPOT_CHECK) == (1, 1)
    assert (label.judgement.origin, label.judgement.sampled) == (LabelOrigin.SPOT_CHECK, 0.05)


def test_about_the_share_that_was_asked_for_is_audited() -> None:
    rules = AcquisitionRules(key=b"k" * 32, audit_share=0.1)
    drawn = sum(rules.audits(digest(number)) for number in range(5000))
    assert 430 < drawn < 570  # ± 3.3 standard deviations
    assert not any(AcquisitionRules(key=b"k" * 32).audits(digest(number)) for number in range(100))


def test_the_second_reader_is_not_the_first(database: Database) -> None:
    with database.begin() as transaction:
        it = put(transaction, 1)
        kind = LabelOrigin.SECOND_READING
        label_requests.ask(transaction, it, kind, 1.0, datetime(2026, 1, 3, tzinfo=UTC), first_reader="anna")
        assert label_requests.waiting(transaction, kind, "anna", limit=9) == []
        assert [r.digest for r in label_requests.waiting(transaction, kind, "berta", limit=9)] == [it]
