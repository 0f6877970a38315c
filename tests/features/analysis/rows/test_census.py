"""Counts by day and dimension are those of the exposures themselves, also after something changed."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.analysis import tables
from miqa_node.features.analysis.rows import census, measurement_weeks, readings, rollup
from miqa_node.features.analysis.rows.census import AcquisitionCounts, Period
from miqa_node.libraries.plain_statistics.bins import bin_of
from miqa_node.runtime.site_records import label_requests, labels
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.tables import acquisition_days, acquisitions, assessments
from tests.features.analysis.rows.test_analysis import NOON, put
from tests.runtime.store.making import NOW

LATER = NOW + timedelta(hours=1)
PERIOD = Period(date(2026, 1, 1), date(2026, 3, 1))


def fill(transaction: Transaction) -> list[InstanceDigest]:
    """Twelve exposures of three days in two months, two rooms and two modalities."""
    made = []
    for number in range(12):
        day = NOON + timedelta(days=(0, 1, 31)[number % 3], minutes=30 * number)
        verdict = Verdict.REJECT if number % 4 == 0 else Verdict.NOT_ASSESSED if number == 11 else Verdict.ACCEPT
        made.append(
            put(
                transaction, number, day, verdict=verdict, patient=number, modality="DX" if number % 2 else "MG",
                station_name="ROOM1" if number < 8 else "ROOM2", exposure_index=100.0 + number,
                deviation_index=float(number - 6),
            )
        )  # fmt: skip
    return made


def reject(transaction: Transaction, digest: InstanceDigest, now: datetime = LATER) -> None:
    opinion = ReaderOpinion(
        "anna", LabelOrigin.DECISION, bad=True, rejects=True, findings=("motion_blur",), reason="111210"
    )
    labels.add(transaction, digest, opinion, now)


def test_a_day_is_counted_by_all_its_dimensions(database: Database) -> None:
    with database.begin() as transaction:
        made = fill(transaction)
        reject(transaction, made[0])
        labels.add(transaction, made[1], ReaderOpinion("b", LabelOrigin.SPOT_CHECK, bad=True, findings=None), LATER)
        assert rollup.refresh(transaction, LATER) == 0
        rows = census.by_dimensions(transaction, PERIOD, [rollup.ALL, "room", "shift", rollup.REASON])
    [all_] = rows[rollup.ALL]
    assert (all_.images, all_.judged, all_.flagged, all_.rejected) == (12, 11, 3, 1)
    assert all_.escaped == 1  # judged bad, and nobody rejected it
    assert all_.suspected == 2  # REJECT said the model, nobody has looked
    assert (all_.di_count, all_.di_sum, all_.di_low, all_.di_high) == (12, -6.0, 3, 2)
    assert all_.di_squares == sum((n - 6.0) ** 2 for n in range(12))
    assert all_.ei_log_sum == pytest.approx(sum(math.log(100 + n) for n in range(12)))
    assert {(c.value, c.images, c.rejected) for c in rows["room"]} == {("Thorax 1", 8, 1), ("ROOM2", 4, 0)}
    assert [(c.value, c.rejected) for c in rows[rollup.REASON]] == [("111210", 1)]
    assert sum(c.images for c in rows["shift"]) == 12


def test_what_changed_is_counted_anew_and_nothing_else(database: Database) -> None:
    with database.begin() as transaction:
        made = fill(transaction)
        rollup.refresh(transaction, LATER)
        # Somebody else's mark on a day that did not change stays.
        transaction.execute(
            sa.update(acquisition_days).where(acquisition_days.c.day == date(2026, 1, 3)).values(images=99)
        )
        much_later = LATER + timedelta(days=1)
        reject(transaction, made[0], much_later)
        rollup.refresh(transaction, much_later)
        days = dict(census.by_day(transaction, PERIOD))
    assert days[date(2026, 1, 2)].rejected == 1
    assert days[date(2026, 1, 2)].images == 4
    assert days[date(2026, 1, 3)].images > 50


def test_a_hurried_look_counts_the_newest_days_first_and_forgets_none(database: Database) -> None:
    with database.begin() as transaction:
        fill(transaction)
        assert rollup.refresh(transaction, LATER, most_days=1) == 2
        assert [day for day, _ in census.by_day(transaction, PERIOD)] == [date(2026, 2, 2)]
        assert rollup.refresh(transaction, LATER) == 0
        assert len(census.by_day(transaction, PERIOD)) == 3
        assert census.span(transaction, NOW + timedelta(days=99)) == (date(2026, 1, 2), date(2026, 2, 2))
        assert census.choices(transaction, "room", date(2026, 1, 1), limit=9) == ["ROOM2", "Thorax 1"]
        assert census.choices(transaction, "modality", date(2026, 1, 1), limit=9) == ["DX", "MG"]


def test_findings_are_counted_by_day(database: Database) -> None:
    with database.begin() as transaction:
        fill(transaction)
        rollup.refresh(transaction, LATER)
        rows = census.findings_by_day(transaction, PERIOD)
    assert rows == [(date(2026, 1, day), "motion_blur", 4) for day in (2, 3)] + [(date(2026, 2, 2), "motion_blur", 4)]


def test_measurements_are_counted_once_by_week_and_station(database: Database) -> None:
    with database.begin() as transaction:
        made = fill(transaction)
        for number, digest in enumerate(made):
            document = transaction.execute(sa.select(assessments.c.document).where(assessments.c.digest == digest))
            assessment: Assessment = documents.load_assessment(document.scalar_one())
            measured = replace(assessment, measurements=(Measurement("noise", 1.0 + number % 2, "1"),))
            transaction.execute(
                sa.update(assessments)
                .where(assessments.c.digest == digest)
                .values(document=documents.dump_assessment(measured))
            )
        counted = [measurement_weeks.count(transaction, limit=5) for _ in range(4)]
        assert counted == [5, 5, 2, 0]
        monday = measurement_weeks.monday(date(2026, 1, 2))
        january = measurement_weeks.histograms(transaction, monday, date(2026, 2, 1))
        everything = measurement_weeks.histograms(transaction, monday, date(2026, 3, 1))
        weeks = tables.measurement_weeks.c
        by_station = transaction.execute(sa.select(weeks.station, sa.func.sum(weeks.count)).group_by(weeks.station))
        stations = {station: int(count) for station, count in by_station}
        assert transaction.execute(sa.select(acquisitions.c.changed_at).distinct()).scalars().all() == [NOW]
    assert january == {"noise": {bin_of(1.0): 4, bin_of(2.0): 4}}
    assert everything == {"noise": {bin_of(1.0): 6, bin_of(2.0): 6}}
    assert stations == {measurement_weeks.ALL_STATIONS: 12, "ROOM1": 8, "ROOM2": 4}


def test_outcomes_weigh_audits_by_what_they_stand_for(database: Database) -> None:
    with database.begin() as transaction:
        made = fill(transaction)
        reject(transaction, made[0])
        dismissal = ReaderOpinion("anna", LabelOrigin.DECISION, bad=False, findings=())
        labels.add(transaction, made[4], dismissal, LATER)
        labels.add(
            transaction,
            made[1],
            ReaderOpinion("b", LabelOrigin.SPOT_CHECK, bad=True, findings=None, sampled=0.1),
            LATER,
        )
        labels.add(
            transaction, made[2], ReaderOpinion("b", LabelOrigin.SPOT_CHECK, bad=False, findings=(), sampled=0.1), LATER
        )
        again = ReaderOpinion("c", LabelOrigin.SECOND_READING, bad=False, findings=(), blind=True)
        labels.add(transaction, made[0], again, LATER)
        rows = {(o.room, o.flagged): o for o in readings.outcomes(transaction, NOW, LATER + timedelta(hours=1))}
        twice = readings.second_readings(transaction, NOW, LATER + timedelta(hours=1))
        curve = readings.reliability(transaction, NOW, LATER + timedelta(hours=1))
    flagged, accepted = rows["Thorax 1", True], rows["Thorax 1", False]
    assert (flagged.judged, flagged.bad, flagged.weighted) == (2, 1, 2.0)
    assert (accepted.judged, accepted.bad) == (2, 1)
    assert accepted.weighted == pytest.approx(20.0)
    assert accepted.weighted_bad == pytest.approx(10.0)
    assert twice == {(True, False): 1}
    # Of motion blur all were said 0.9: confirmed once, not there in the dismissed and the good one, unknown in one.
    blur = [b for b in curve if b.finding == "motion_blur"]
    assert [(b.bin, b.judged, b.confirmed, round(b.probability_sum, 6)) for b in blur] == [(9, 3, 1, 2.7)]


def test_the_newest_judgement_of_an_image_counts(database: Database) -> None:
    with database.begin() as transaction:
        [first, *_] = fill(transaction)
        reject(transaction, first)
        labels.add(transaction, first, ReaderOpinion("b", LabelOrigin.DECISION, bad=False, findings=()), LATER)
        [outcome] = readings.outcomes(transaction, NOW, LATER + timedelta(hours=1))
        assert (outcome.judged, outcome.bad) == (1, 0)
        assert not transaction.execute(
            sa.select(acquisitions.c.rejected).where(acquisitions.c.digest == first)
        ).scalar_one()


def test_second_readings_are_drawn_from_decisions_since_the_last_look(database: Database) -> None:
    now = datetime(2026, 2, 1, tzinfo=UTC)
    with database.begin() as transaction:
        made = fill(transaction)
        reject(transaction, made[0], now - timedelta(hours=1))
        assert label_requests.draw_second_readings(transaction, 1.0, now, limit=9) == 0  # from now on
        reject(transaction, made[4], now + timedelta(hours=1))
        reject(transaction, made[8], now + timedelta(hours=2))
        assert label_requests.draw_second_readings(transaction, 1.0, now, limit=1) == 1
        assert label_requests.draw_second_readings(transaction, 0.0, now, limit=9) == 1
        assert label_requests.draw_second_readings(transaction, 1.0, now, limit=9) == 0
        requests = label_requests.waiting(transaction, LabelOrigin.SECOND_READING, "berta", limit=9)
    assert [request.digest for request in requests] == [made[4]]


def test_notes_of_other_systems_and_escapes_are_listed(database: Database) -> None:
    with database.begin() as transaction:
        made = fill(transaction)
        note = ReaderOpinion("PACS", LabelOrigin.REJECTION_NOTE, True, rejects=True, reason="111209", source_uid="1.9")
        labels.add(transaction, made[1], note, LATER)
        labels.add(transaction, made[2], ReaderOpinion("b", LabelOrigin.SPOT_CHECK, bad=True, findings=None), LATER)
        notes = census.notes(transaction, NOW, LATER + timedelta(hours=1))
        [escape] = census.escapes(transaction, PERIOD, limit=9)
    assert [(n.sender, n.reason, n.images) for n in notes] == [("PACS", "111209", 1)]
    assert escape.digest == made[2]


@pytest.mark.more
@pytest.mark.parametrize("modality", ["", "DX"])
def test_single_exposures_and_the_roll_up_say_the_same(database: Database, modality: str) -> None:
    dimensions = (rollup.ALL, rollup.REASON, *rollup.DIMENSIONS)
    room = replace(PERIOD, modality=modality, room="Thorax 1")
    chest = replace(PERIOD, modality=modality, body_part="CHEST")  # which all of them are
    with database.begin() as transaction:
        made = fill(transaction)
        reject(transaction, made[4])
        rollup.refresh(transaction, LATER)

        def counted(period: Period) -> tuple[object, object]:
            by = census.by_dimensions(transaction, period, dimensions)
            days = census.by_day(transaction, period)
            return {name: [near(one) for one in by[name]] for name in dimensions}, [(d, near(c)) for d, c in days]

        single = replace(room, body_part="CHEST")  # the roll-up does not know both together
        assert single.combined
        assert not room.combined
        assert counted(room) == counted(single) != counted(chest)
        assert counted(chest) == counted(replace(PERIOD, modality=modality))


def near(counts: AcquisitionCounts) -> AcquisitionCounts:
    return replace(counts, ei_log_sum=round(counts.ei_log_sum, 6), di_sum=round(counts.di_sum, 6))
