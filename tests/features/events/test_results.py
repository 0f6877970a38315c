"""Results for destinations that take these: who gets which, how final each is, and what an erasure leaves of them."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import MOTION_BLUR
from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.event import EventOrigin
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution, Review
from miqa_node.features.events.effect import EventEffect
from miqa_node.features.retention.rows import erasure
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.tables import events
from miqa_node.stages.conclusion.base import Conclusion
from miqa_node.stages.deliver.kinds.base import DestinationConfig
from miqa_node.stages.deliver.result import ResultContent
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.deliver.rows.announcements import Announcer, body_of
from miqa_node.stages.deliver.rows.stated import IS_RESULT, ResultQueue
from miqa_node.stages.units.base import installed, unit_of
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study

BLURRED = (Reason("motion_blur", "Motion blur", MOTION_BLUR, Verdict.REJECT),)


class Taking(DestinationConfig):
    """Named ``flagged``, ``all`` or ``decided``, it takes what the plug-in's key ``on`` says."""

    takes_results: ClassVar[bool] = True
    kind: str = "taking"

    def state(self, result: ResultContent, /) -> str | None:
        is_named = {"all": True, "flagged": result.is_flagged, "decided": result.review is not None}[self.name]
        if not is_named and not result.has_former:
            return None
        return json.dumps([result.status, result.judgement.disposition.verdict, result.study.patient_name])


class Desk:
    def __init__(self, database: Database, names: Collection[str] = ("flagged", "all", "decided")) -> None:
        self.database = database
        self.queue = ResultQueue(lambda: {name: Taking(name=name) for name in names}, EventOrigin("node", "site"))

    def state(self, verdict: Verdict, generation: int = 0, review: Review | None = None, slice_number: int = 0) -> None:
        number = slice_number or 1
        with self.database.begin() as transaction:
            instances.record(transaction, header(number), study(), received(digest(number)), f"k/{number}")
            judgement = self.judgement(transaction, number, verdict, generation)
            self.queue.state(transaction, judgement, NOW, is_series=bool(slice_number), review=review)

    def judgement(self, transaction: Transaction, number: int, verdict: Verdict, generation: int = 0) -> Judgement:
        instance = replace(instances.load(transaction, digest(number)), generation=generation)
        disposition = Disposition(verdict, BLURRED if verdict.flagged else (), "p1", "all")
        instances.save_disposition(transaction, digest(number), instance.header.study_instance_uid, disposition, NOW)
        return Judgement(instance, Assessment(digest(number), instance.header, NOW), disposition)

    def sent(self) -> dict[str, list[tuple[str, str]]]:
        answers: dict[str, list[tuple[str, str]]] = {}
        with self.database.begin() as transaction:
            for row in deliveries.load_where(transaction, IS_RESULT):
                status, verdict, _name = json.loads(body_of(transaction, row.uid))
                answers.setdefault(row.destination, []).append((status, verdict))
        return answers


def review(number: int, resolution: Resolution | None, **more: Any) -> Review:
    return Review(number, "mara", NOW + timedelta(hours=1), resolution, **more)


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_a_flag_is_preliminary_a_decision_final_and_what_changes_it_a_correction(desk: Desk) -> None:
    desk.state(Verdict.REJECT)
    desk.state(Verdict.REJECT, review=review(1, Resolution.RETAKEN))
    desk.state(Verdict.REJECT, review=review(2, None))
    flagged = [("preliminary", "REJECT"), ("final", "REJECT"), ("corrected", "REJECT")]
    assert desk.sent() == {"flagged": flagged, "all": flagged, "decided": flagged[1:]}


def test_who_got_a_former_result_gets_the_amended_one_and_others_a_first_one(desk: Desk) -> None:
    desk.state(Verdict.ACCEPT)
    assert desk.sent() == {"all": [("final", "ACCEPT")]}
    desk.state(Verdict.REJECT, generation=1)
    desk.state(Verdict.ACCEPT, generation=2)
    corrected = [("corrected", "REJECT"), ("corrected", "ACCEPT")]
    assert desk.sent() == {
        "all": [("final", "ACCEPT"), *corrected],
        "flagged": [("preliminary", "REJECT"), ("final", "ACCEPT")],
    }


def test_a_repetition_states_nothing_new_and_where_nobody_takes_results_nothing_is_asked(database: Database) -> None:
    Desk(database).state(Verdict.REVIEW)
    Desk(database).state(Verdict.REVIEW)
    assert Desk(database).sent() == {name: [("preliminary", "REVIEW")] for name in ("flagged", "all")}
    with database.begin() as transaction:
        judgement: Any = None  # whatever it is
        Desk(database, ()).queue.state(transaction, judgement, NOW, is_series=False)


def test_a_later_slice_amends_the_result_of_its_series(desk: Desk) -> None:
    desk.state(Verdict.ACCEPT, slice_number=1)
    desk.state(Verdict.REVIEW, slice_number=2)
    assert desk.sent()["all"] == [("final", "ACCEPT"), ("corrected", "REVIEW")]


@pytest.mark.parametrize("is_silent", [False, True])
def test_nothing_is_stated_in_silent_days(desk: Desk, *, is_silent: bool) -> None:
    announcer = Announcer(lambda _kind: (), desk.queue.origin, destinations=desk.queue.destinations)
    with desk.database.begin() as transaction:
        pixels = header(1, has_pixels=True, rows=9, columns=9)
        instances.record(transaction, pixels, study(), received(digest(1)), "k/1")
        judgement = desk.judgement(transaction, 1, Verdict.REJECT)
        flag = judgement.disposition.silenced("first days") if is_silent else judgement.disposition
        conclusion = Conclusion(replace(judgement, disposition=flag), unit_of(pixels, installed()), flag)
        EventEffect(announcer).apply(transaction, conclusion)
    assert bool(desk.sent()) is not is_silent


def test_a_table_that_cannot_state_a_result_keeps_nobody_from_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    state = Taking.state

    def broken(table: Taking, result: ResultContent, /) -> str | None:
        return state(table, result) if table.name == "all" else str(1 / 0)

    monkeypatch.setattr(Taking, "state", broken)
    desk.state(Verdict.REJECT)
    assert desk.sent() == {"all": [("preliminary", "REJECT")]}


def test_a_message_has_an_identifier_of_its_own_of_twenty_characters(desk: Desk) -> None:
    desk.state(Verdict.REJECT)
    with desk.database.begin() as transaction:
        names = transaction.execute(sa.select(events.c.event_id)).scalars().all()
    assert len(set(names)) == 2
    assert {len(one) for one in names} == {20}


def test_an_erasure_cancels_waiting_results_empties_all_and_lists_those_that_may_have_arrived(desk: Desk) -> None:
    desk.state(Verdict.REJECT)
    desk.state(Verdict.REJECT, review=review(1, Resolution.RETAKEN))
    with desk.database.begin() as transaction:
        first, second, *others = deliveries.load_where(transaction, IS_RESULT)
        deliveries.sent(transaction, [first.delivery_id], NOW, commit=False)
        deliveries.failed(transaction, second.delivery_id, "no answer", NOW, NOW)
        record = erasure.erase(transaction, study().patient_id, "asked", "mara", NOW, authority=study().authority)
        assert {first.uid, second.uid} == {one for one in record.results if len(one) == 20}
        after = {row.delivery_id: row.state for row in deliveries.load_where(transaction, IS_RESULT)}
        assert after == {
            first.delivery_id: DeliveryState.SENT,
            **{one.delivery_id: DeliveryState.CANCELLED for one in (second, *others)},
        }
        assert set(transaction.execute(sa.select(events.c.body)).scalars()) == {"{}"}
