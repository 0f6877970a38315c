"""Runs of a pilot against an archive of pynetdicom that refuses, sends others, hangs up, and is slow; and erasures."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset

from miqa_node.core.domain.patient import PatientKey
from miqa_node.errors import DeliveryError
from miqa_node.features.pilot.archive import Way
from miqa_node.features.pilot.judging import PilotJudge
from miqa_node.features.pilot.progress import Outcome
from miqa_node.features.pilot.rows import images, pilots, sample
from miqa_node.features.pilot.tables import pilot_sample
from miqa_node.runtime.store.database import Database
from tests.features.pilot.making import past_images
from tests.features.pilot.trial import EndOfNightError, trial

pytestmark = pytest.mark.more


@pytest.fixture
def past(samples: Path) -> list[Dataset]:
    return [*past_images(samples, 6)]


def test_what_the_archive_cannot_give_is_listed_with_its_words(
    tmp_path: Path, judge: PilotJudge, past: list[Dataset]
) -> None:
    refused, half, other, ends, lasts, _good = (str(one.SOPInstanceUID) for one in past)
    with trial(tmp_path, judge, past) as one:
        one.archive.faults = {refused: 0xA700, half: 0xB000, other: "other", ends: "abort", lasts: 0xC000}
        counts = one.run()
        assert (counts.found, counts.fetched, counts.failed, counts.waiting) == (6, 1, 5, 0)
        words = {uid: row.failure for uid, row in one.rows().items() if row.outcome is Outcome.FAILED}
        assert words.keys() == {refused, half, other, ends, lasts}
        expected = {refused: "0xA700", half: "0xB000", lasts: "0xC000", other: "0xA702", ends: "aborted"}
        assert {uid: text in words[uid] for uid, text in expected.items()} == dict.fromkeys(expected, True), words
        gets = len(one.archive.gets)
        assert gets == 1 + 5 * images.MOST_ATTEMPTS
        assert one.run() == counts
        assert len(one.archive.gets) == gets, "it is not asked for ever"


def test_an_archive_that_recovers_gives_what_it_did_not(tmp_path: Path, judge: PilotJudge, past: list[Dataset]) -> None:
    first = str(past[0].SOPInstanceUID)
    with trial(tmp_path, judge, past) as one:
        one.archive.faults = {first: 0xA700}
        one.archive.recovers_after = 6
        counts = one.run()
    assert (counts.fetched, counts.failed) == (6, 0)


def test_without_get_and_without_a_node_nothing_comes(tmp_path: Path, judge: PilotJudge, past: list[Dataset]) -> None:
    with trial(tmp_path, judge, past[:1], get=False) as one:
        counts = one.run(Way.GET)
        [row] = one.rows().values()
    assert (counts.failed, "does no C-GET" in row.failure) == (1, True)


def test_a_dead_archive_ends_the_run_and_loses_nothing(tmp_path: Path, judge: PilotJudge, past: list[Dataset]) -> None:
    with trial(tmp_path, judge, past) as one, pytest.raises(EndOfNightError):
        one.run(stop_after=2)
    with closing(Database(str(one.database.engine.url))) as one.database:
        with pytest.raises(DeliveryError):
            one.run()
        with one.database.begin() as transaction:
            counts = pilots.counts(transaction, "october")
        assert (counts.fetched, counts.failed) == (2, 0)
        with one.archive.serving():
            counts = one.run()
    assert (counts.found, counts.fetched) == (6, 6)
    assert len(set(one.archive.gets)) == len(one.archive.gets) == 6


def test_a_slow_archive_is_asked_more_slowly_within_ten_images(
    tmp_path: Path, judge: PilotJudge, samples: Path
) -> None:
    with trial(tmp_path, judge, [*past_images(samples, 12)]) as one:
        slow_from = 2
        one.archive.answer_s = lambda gets: 0.3 if gets >= slow_from else 0.0
        factors: list[float] = []
        tell = one.pace.wait
        one.pace.wait = lambda ask: (tell(ask), factors.append(one.pace.factor))[0]  # type: ignore[method-assign]
        one.run()
    assert max(factors[slow_from : slow_from + 10]) > 1.0


def test_a_patient_who_was_erased_is_not_fetched_again(tmp_path: Path, judge: PilotJudge, past: list[Dataset]) -> None:
    with trial(tmp_path, judge, past) as one:
        with pytest.raises(EndOfNightError):
            one.run(stop_after=3)
        erased = {str(image.SOPInstanceUID) for image in past if image.PatientID == "P0"}
        one.erase("P0")
        assert not erased & one.rows().keys()
        gets = len(one.archive.gets)
        counts = one.run()
        assert (counts.found, counts.fetched, counts.erased) == (6, 4, 2)
        assert not erased & set(one.archive.gets[gets:])
        one.erase("P1")  # after the pilot
        with one.database.begin() as transaction:
            counts = pilots.counts(transaction, "october")
        assert (counts.fetched, counts.erased) == (2, 4)


def test_whoever_was_erased_before_is_never_listed(tmp_path: Path, judge: PilotJudge, past: list[Dataset]) -> None:
    with trial(tmp_path, judge, past) as one:
        one.run()
        one.erase("P0")
        with one.database.begin() as transaction:
            protocol = pilots.find(transaction, "october").protocol
            again = [images.FoundImage("1", "2", "3", "4", "CR", "20261001", PatientKey("P0"))]
            assert images.add(transaction, protocol.name, again) == {"CR": 1}
        assert "3" not in one.rows()


def test_whoever_is_erased_while_a_sample_is_fetched_is_not_fetched_again(
    tmp_path: Path, judge: PilotJudge, past: list[Dataset]
) -> None:
    with trial(tmp_path, judge, past) as one:
        one.run()
        one.draw()
        gets = len(one.archive.gets)
        one.fetch_sample(lambda: one.erase("P2"))
        assert len(set(one.archive.gets[gets:])) == len(past) - 2
        assert not {str(image.SOPInstanceUID) for image in past if image.PatientID == "P2"} & set(
            one.archive.gets[gets:]
        )
        with one.database.begin() as transaction:
            counts = sample.counts(transaction, "october")
    assert (counts.drawn, counts.fetched, counts.lost) == (4, 4, 0)


def test_a_sample_asks_three_times_before_an_image_is_lost(
    tmp_path: Path, judge: PilotJudge, past: list[Dataset]
) -> None:
    gone, busy, *_others = (str(one.SOPInstanceUID) for one in past)
    with trial(tmp_path, judge, past) as one:
        one.run()
        one.draw()
        gets = len(one.archive.gets)
        one.archive.faults = {gone: 0xA700, busy: 0xA701}
        one.archive.recovers_after = gets + len(past)
        one.fetch_sample()
        assert one.archive.gets[gets:].count(busy) == 2, "it was busy, and is no longer"
        with one.database.begin() as transaction:
            assert sample.losses(transaction, "october") == {}
            transaction.execute(sa.update(pilot_sample).values(picture=None, attempts=0))
        one.archive.recovers_after = 10_000
        gets = len(one.archive.gets)
        one.fetch_sample()
        one.fetch_sample()
        assert one.archive.gets[gets:].count(gone) == images.MOST_ATTEMPTS
        with one.database.begin() as transaction:
            assert ["0xA700" in words for words in sample.losses(transaction, "october").values()].count(True) == 1


def test_strata_have_the_size_of_what_an_erasure_left(tmp_path: Path, judge: PilotJudge, past: list[Dataset]) -> None:
    with trial(tmp_path, judge, past) as one:
        one.run()
        one.draw("not flagged / * / * / *")
        sizes = []
        for patient in ("P0", "P1"):
            one.erase(patient)
            with one.database.begin() as transaction:
                sizes.append(sample.strata(transaction, "october"))
    assert sizes == [{"not flagged / * / * / *": (size, size)} for size in (4, 2)]


def test_progress_counts_all_rows_once_a_batch(tmp_path: Path, judge: PilotJudge, past: list[Dataset]) -> None:
    with trial(tmp_path, judge, past) as one:
        whole: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            if "count(" in statement and "FROM pilot_images" in statement:
                whole.append(statement)

        sa.event.listen(one.database.engine, "before_cursor_execute", note)
        assert one.run().fetched == len(past)
        days = len({str(image.StudyDate) for image in past})
        assert len(whole) == days + 1, "for each day, or a hundred of its images, and at the end"
        whole.clear()
        one.run()
        assert len(whole) == 1
