"""From results in the store to usual ranges: what is unusual, when a history begins anew, what is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.features.retention.rows import erasure
from miqa_node.features.usual_ranges import baseline
from miqa_node.features.usual_ranges.baseline import MeasurementRange, SeriesNumbers
from miqa_node.features.usual_ranges.rows import baselines, history
from miqa_node.features.usual_ranges.rows.baselines import ScannerBaseline, SeriesStanding
from miqa_node.features.usual_ranges.rows.changes import scanner_changes
from miqa_node.features.usual_ranges.tables import usual_baselines, usual_series
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.tables import rollup_marks
from tests.features.usual_ranges.ranges_making import FIRST_AT, days, fill, look, measure, noises

NOW = datetime(2026, 11, 20, tzinfo=UTC)
BUSY_TIMEOUT_MS = 100


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database.in_memory()
    yield database
    database.close()


def listed(database: Database) -> list[ScannerBaseline]:
    with database.begin() as transaction:
        return baselines.page(transaction, NOW, limit=100)


def one(database: Database) -> ScannerBaseline:
    [baseline] = listed(database)
    return baseline


def standing(database: Database, digest: InstanceDigest) -> SeriesStanding:
    with database.begin() as transaction:
        place = baselines.standing(transaction, digest, NOW)
    assert place is not None
    return place


def unusual(database: Database, digest: InstanceDigest) -> list[str]:
    return [number.measurement for number in standing(database, digest).unusual]


def test_twice_the_noise_is_unusual_and_the_range_of_the_series_before_is_subjects_with_it(database: Database) -> None:
    at = fill(database, noises(30))
    digest = measure(database, 100, at, {"ct_noise": 20.0, "hu_air": -998.0})
    assert look(database) == 1
    [number] = standing(database, digest).unusual
    assert (number.measurement, number.value, number.unit) == ("ct_noise", 20.0, "[hnsf'U]")
    assert number.low < 8.0
    assert 12.0 < number.high < 20.0
    assert (number.series, number.since, number.is_above) == (30, FIRST_AT, True)
    usual = measure(database, 101, at + timedelta(days=1), {"ct_noise": 10.5, "hu_air": -998.5})
    look(database)
    assert unusual(database, usual) == []
    assert one(database).series == 32


@pytest.mark.parametrize(("count", "step_h", "is_known"), [(19, 24, False), (20, 24, True), (20, 17, False)])
def test_below_20_series_or_two_weeks_nothing_is_unusual(
    database: Database, count: int, step_h: int, is_known: bool
) -> None:
    for number, noise in enumerate(noises(count)):
        measure(database, number, FIRST_AT + timedelta(hours=step_h * number), {"ct_noise": noise})
    look(database)
    entry = one(database)
    assert (bool(entry.ranges), entry.is_enough) == (is_known, is_known)
    digest = measure(database, 99, FIRST_AT + timedelta(days=30), {"ct_noise": 99.0})
    look(database)
    assert unusual(database, digest) == (["ct_noise"] if is_known else [])


def test_a_constant_history_does_not_make_every_difference_unusual(database: Database) -> None:
    at = fill(database, [10.0] * 25)
    slight = measure(database, 100, at, {"ct_noise": 10.3, "hu_air": -996.0})
    plain = measure(database, 101, at, {"ct_noise": 13.0, "hu_air": -960.0})
    look(database)
    assert unusual(database, slight) == []
    assert set(unusual(database, plain)) == {"ct_noise", "hu_air"}


def test_what_the_patient_decides_has_no_usual_range(database: Database) -> None:
    for number, at in enumerate(days(25)):
        measure(database, number, at, {"ct_noise": 10.0, "metal_share": 0.0})
    look(database)
    digest = measure(database, 100, FIRST_AT + timedelta(days=30), {"ct_noise": 10.0, "metal_share": 5.0})
    look(database)
    assert [of.measurement for of in one(database).ranges] == ["ct_noise"]
    assert unusual(database, digest) == []


@pytest.mark.parametrize(
    ("changed", "attribute", "values"),
    [
        ({"software_versions": "V2"}, "Software Versions", ("V1", "V2")),
        ({"detector_id": "SN2"}, "Device Serial Number", ("SN1", "SN2")),
    ],
)
def test_new_software_or_another_device_begins_a_history_and_is_said(
    database: Database, changed: dict[str, Any], attribute: str, values: tuple[str, str]
) -> None:
    at = fill(database, noises(25))
    digest = measure(database, 100, at, {"ct_noise": 30.0, "hu_air": -998.0}, **changed)
    with capture_logs() as lines:
        look(database)
    assert [(line["attribute"], line["before"], line["now"]) for line in lines] == [(attribute, *values)]
    place = standing(database, digest)
    assert (place.unusual, place.baseline.series) == ((), 1)
    [change] = place.baseline.changes
    assert (change.attribute, change.before, change.now, change.at) == (attribute, *values, at)
    with database.begin() as transaction:
        assert scanner_changes(transaction) == [change]
        assert scanner_changes(transaction, "CT9") == []


@pytest.mark.parametrize(
    "changed",
    [
        {"protocol_name": "Abdomen"},
        {"convolution_kernel": "B70f"},
        {"body_part_examined": "ABDOMEN"},
        {"station_name": "CT2"},
    ],
)
def test_other_protocols_kernels_parts_and_stations_have_histories_of_their_own(
    database: Database, changed: dict[str, Any]
) -> None:
    measure(database, 1, FIRST_AT, {"ct_noise": 10.0})
    measure(database, 2, FIRST_AT + timedelta(days=1), {"ct_noise": 10.0}, **changed)
    look(database)
    assert [entry.series for entry in listed(database)] == [1, 1]
    with database.begin() as transaction:
        assert scanner_changes(transaction) == []


def test_spelling_makes_no_other_protocol(database: Database) -> None:
    for number, name in enumerate(("Thorax  Routine", "THORAX ROUTINE ")):
        measure(database, number, FIRST_AT, {"ct_noise": 10.0}, protocol_name=name)
    look(database)
    assert one(database).scanner.protocol == "THORAX ROUTINE"


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"quality_control": True}, {}),
        ({"protocol_name": None}, {}),
        ({}, {"phantom": "It shows a phantom."}),
        ({}, {"unfit": "A single slice."}),
        ({}, {"derived": "It was made of others."}),
    ],
)
def test_what_is_no_ordinary_series_of_a_patient_is_left_out(
    database: Database, changed: dict[str, Any], fields: dict[str, Any]
) -> None:
    measure(database, 1, FIRST_AT, {"ct_noise": 10.0}, fields=fields, **changed)
    assert look(database) == 0
    assert listed(database) == []


def test_pet_takes_part_and_a_header_that_lacks_one_more_element_than_usual_is_unusual(database: Database) -> None:
    pet: dict[str, Any] = {"modality": "PT", "sop_class_uid": "1.2.840.10008.5.1.4.1.1.128", "convolution_kernel": ""}
    for number, at in enumerate(days(20)):
        measure(database, number, at, {"pt_suv_tags_missing": 1.0, "pt_truncation": 40.0 * (number % 2)}, **pet)
    look(database)
    assert [of.measurement for of in one(database).ranges] == ["pt_suv_tags_missing"]
    usual, lacking = (
        measure(database, 100 + int(number), FIRST_AT + timedelta(days=30), {"pt_suv_tags_missing": number}, **pet)
        for number in (1.0, 2.0)
    )
    look(database)
    assert unusual(database, usual) == []
    assert unusual(database, lacking) == ["pt_suv_tags_missing"]


def test_a_series_counts_once_however_often_it_is_read_or_judged(database: Database) -> None:
    at = FIRST_AT + timedelta(days=1)
    first = measure(database, 1, at, {"ct_noise": 10.0})
    look(database)
    later: dict[str, Any] = {"series_instance_uid": "1.2.7.1", "study_instance_uid": "1.2.8.1"}
    second = measure(database, 2, at, {"ct_noise": 11.0}, **later)
    for _ in range(3):
        with database.begin() as transaction:  # as if transactions had committed late
            transaction.execute(sa.delete(rollup_marks))
        look(database)
    assert one(database).series == 1
    with database.begin() as transaction:
        [row] = transaction.execute(sa.select(usual_series)).all()
    assert (row.digest, row.numbers[0][2]) == (second, 11.0)
    assert standing(database, first).digest == second, "any image of the series leads to it"


def test_an_idle_look_reads_one_row_and_writes_nothing(database: Database) -> None:
    fill(database, noises(3))
    statements: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *of: statements.append(of[2]))
    look(database)
    assert [text.split()[0] for text in statements] == ["SELECT", "SELECT"]


def test_an_erased_patient_leaves_no_series_and_no_protocol_behind(database: Database) -> None:
    measure(database, 1, FIRST_AT, {"ct_noise": 10.0}, protocol_name="")
    other = measure(database, 2, FIRST_AT, {"ct_noise": 10.0})
    look(database)
    assert len(listed(database)) == 2
    with database.begin() as transaction:
        erasure.erase(transaction, "ID1", "asked for", "mara", NOW)
        assert transaction.execute(sa.select(usual_series.c.digest)).scalars().all() == [other]
        assert transaction.execute(sa.select(usual_baselines.c.protocol)).scalars().all() == ["THORAX"]


def test_an_erased_patient_does_not_come_back_while_the_node_is_idle(database: Database) -> None:
    """Verdicts of the last minutes are read twice; nothing of the patient may begin a history anew."""
    measure(database, 1, FIRST_AT, {"ct_noise": 10.0}, protocol_name="Doe Jane")
    look(database)
    with database.begin() as transaction:
        erasure.erase(transaction, "ID1", "asked for", "mara", NOW)
    assert look(database) == 0
    assert listed(database) == []


def test_a_clock_that_is_years_ahead_does_not_end_a_history(database: Database) -> None:
    at = fill(database, noises(30))
    ahead = measure(database, 100, datetime(2099, 1, 1), {"ct_noise": 10.0}, received_at=at.replace(tzinfo=UTC))  # noqa: DTZ001
    fill(database, noises(5), 31)
    assert {of.measurement for of in one(database).ranges} == {"ct_noise", "hu_air"}
    assert one(database).last_at == FIRST_AT + timedelta(days=35)
    assert standing(database, ahead).at == at


def test_absurd_numbers_of_headers_take_no_part(database: Database) -> None:
    for number, at in enumerate(days(25)):
        measure(database, number, at, {"ct_noise": 10.0, "ctdi_vol": 1.7e308})
    assert look(database) == 25
    assert [of.measurement for of in one(database).ranges] == ["ct_noise"]


def test_others_write_while_ranges_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite has one writer at a time, and ranges of thousands of series take seconds."""
    monkeypatch.setattr("miqa_node.runtime.store.database.BUSY_TIMEOUT_MS", BUSY_TIMEOUT_MS)
    first, other = (Database(f"sqlite:///{tmp_path}/miqa.sqlite") for _ in range(2))
    first.migrate()
    for number, at in enumerate(days(25)):
        measure(first, number, at, {"ct_noise": 10.0})
    made: list[int] = []

    def ranges_of(numbers: Sequence[SeriesNumbers], budget: float) -> list[MeasurementRange]:
        measure(other, 100, FIRST_AT, {"ct_noise": 10.0})
        made.append(len(numbers))
        return baseline.ranges_of(numbers, budget)

    monkeypatch.setattr(history, "ranges_of", ranges_of)
    look(first)
    assert made == [25]
    assert one(first).ranges
    for each in (first, other):
        each.close()


def test_of_very_many_series_some_of_all_days_make_the_ranges(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ultrasound scanner makes hundreds of images a day: the newest 4,000 are those of a week."""
    monkeypatch.setattr(history, "MOST_SERIES", 30)
    for number, noise in enumerate(noises(75)):
        measure(database, number, FIRST_AT + timedelta(hours=6 * number), {"ct_noise": noise})
    look(database)
    [noise_range] = one(database).ranges
    assert (noise_range.series, noise_range.since) == (25, FIRST_AT + timedelta(hours=12))


def test_series_of_two_studies_that_share_a_uid_count_apart(database: Database) -> None:
    at = fill(database, noises(25))
    loud = measure(database, 100, at, {"ct_noise": 30.0}, series_instance_uid="1.2.7.1")
    plain = measure(database, 101, at, {"ct_noise": 10.0}, series_instance_uid="1.2.7.1")
    look(database)
    assert one(database).series == 27
    assert (unusual(database, loud), unusual(database, plain)) == (["ct_noise"], [])


@pytest.mark.more
def test_a_series_that_is_judged_again_with_the_same_numbers_keeps_what_it_was_compared_with(
    database: Database,
) -> None:
    at = fill(database, noises(30))
    same: dict[str, Any] = {"series_instance_uid": "1.2.7.100", "study_instance_uid": "1.2.8.100"}
    first = measure(database, 100, at, {"ct_noise": 20.0})
    look(database)
    [before] = standing(database, first).unusual
    fill(database, noises(40, level=20.0), 101)
    again = measure(database, 300, at, {"ct_noise": 20.0}, **same)
    look(database)
    assert standing(database, again).unusual == (before,)
    assert standing(database, again).digest == again
    changed = measure(database, 301, at, {"ct_noise": 60.0}, **same)
    look(database)
    assert standing(database, changed).unusual != (before,)


@pytest.mark.more
def test_a_step_of_the_level_is_shown_with_its_day(database: Database) -> None:
    fill(database, [*noises(40), *noises(20, level=14.0, seed=2)])
    [noise] = [of for of in one(database).ranges if of.measurement == "ct_noise"]
    [shift] = noise.shifts
    assert abs(shift.at - (FIRST_AT + timedelta(days=40))) <= timedelta(days=2)
    assert shift.before == pytest.approx(10.0, abs=0.5)
    assert shift.after == pytest.approx(14.0, abs=0.7)
    assert one(database).newest_shift == shift.at


@pytest.mark.more
def test_more_results_than_one_batch_are_all_read(database: Database) -> None:
    for number, at in enumerate(days(230)):
        measure(database, number, at, {"ct_noise": 10.0})
    assert look(database) == 230
    assert one(database).series == 230
