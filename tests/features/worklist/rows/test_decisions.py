"""Decisions that are taken back: labels, counts, retakes and events follow the last word."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from miqa_node.core.domain.event import EventType
from miqa_node.core.domain.label import LabelOrigin
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution, WorklistState
from miqa_node.errors import ConflictError
from miqa_node.features.analysis.rows import label_days, rollup, sql_views
from miqa_node.features.analysis.rows.label_days import LabelDimension
from miqa_node.features.labels.rows import reviews
from miqa_node.features.worklist.rows import history, worklist
from miqa_node.runtime.site_records import label_requests, labels
from miqa_node.runtime.store.database import Database
from tests.features.analysis.rows.test_analysis import NOON, put, row
from tests.features.events.test_announcements import Desk
from tests.runtime.store.making import NOW, digest

STUDY = "1.2.5.1"
LATER = NOW + timedelta(minutes=1)


def test_a_decision_that_is_taken_back_leaves_no_label_and_no_count(database: Database) -> None:
    with database.begin() as transaction:
        it = put(transaction, 1)
        label_requests.ask(transaction, it, LabelOrigin.SPOT_CHECK, 0.1, NOW)
        decided = worklist.resolve(transaction, STUDY, Resolution.CONFIRMED, "mara", "", NOW, reason="111210")
        assert row(transaction, it).rejected
        reopening = worklist.reopen(transaction, STUDY, "mara", "wrong key", LATER, decided.decision)
        counted = row(transaction, it)
        audit = label_requests.find(transaction, it, LabelOrigin.SPOT_CHECK)
        assert (reopening.item.state, reopening.item.resolution) == (WorklistState.OPEN, None)
        assert (counted.rejected, counted.reject_reason, counted.judged_bad) == (False, "", None)
        assert audit is not None
        assert audit.answered_at is None
        assert labels.of_images(transaction, [it]) == []
        assert reviews.newest(transaction) == []
        rollup.refresh(transaction, LATER)
        assert label_days.counts(transaction, LabelDimension.ORIGIN, date.min, date.max) == []
    with database.begin() as transaction:
        assert list(labels.select(transaction)) == []
    with database.begin() as transaction:
        assert list(sql_views.read(transaction, "labels", NOW.date(), NOW.date())[1]) == []
    with database.begin() as transaction:
        worklist.resolve(transaction, STUDY, Resolution.DISMISSED, "mara", "", LATER)
        [label] = labels.of_images(transaction, [it])
        assert (label.judgement.bad, row(transaction, it).judged_bad) == (False, False)
        events = [(event.action, event.comment) for event in history.of_worklist(transaction, STUDY)]
    assert events[1:] == [("confirmed", ""), ("reopened", "wrong key"), ("dismissed", "")]


def test_a_claim_outlives_ones_own_undo_but_not_that_of_another(database: Database) -> None:
    with database.begin() as transaction:
        put(transaction, 1)
        worklist.claim(transaction, STUDY, "mara", NOW)
        worklist.resolve(transaction, STUDY, Resolution.DISMISSED, "mara", "", NOW)
        assert worklist.reopen(transaction, STUDY, "mara", "Undone", NOW).item.claimed_by == "mara"
        worklist.resolve(transaction, STUDY, Resolution.DISMISSED, "mara", "", NOW)
        assert worklist.reopen(transaction, STUDY, "kim", "no", NOW).item.state is WorklistState.OPEN


def test_only_the_decision_in_force_can_be_taken_back(database: Database) -> None:
    with database.begin() as transaction:
        put(transaction, 1)
        with pytest.raises(ConflictError, match="no decision"):
            worklist.reopen(transaction, STUDY, "mara", "x", NOW)
        first = worklist.resolve(transaction, STUDY, Resolution.DISMISSED, "mara", "", NOW).decision
        worklist.reopen(transaction, STUDY, "mara", "Undone", NOW, first)
        worklist.resolve(transaction, STUDY, Resolution.ACCEPTED, "kim", "", NOW)
        with pytest.raises(ConflictError, match="Another decision"):
            worklist.reopen(transaction, STUDY, "mara", "Undone", NOW, first)


def test_a_retake_is_requested_until_a_later_image_of_the_view_comes(database: Database) -> None:
    with database.begin() as transaction:
        put(transaction, 1)
        requests = worklist.resolve(transaction, STUDY, Resolution.RETAKEN, "mara", "", NOW)
        assert requests.outcome == "retake requested"
        for number, values in ((2, {"view_position": "LL"}), (3, {"patient": 2})):
            other = put(transaction, number, NOON + timedelta(minutes=5), verdict=Verdict.ACCEPT, **values)
            assert worklist.complete_retakes(transaction, other, LATER) == 0
        earlier = put(transaction, 4, NOON - timedelta(minutes=5), verdict=Verdict.ACCEPT)
        assert worklist.complete_retakes(transaction, earlier, LATER) == 0
        retake = put(transaction, 5, NOON + timedelta(minutes=6), verdict=Verdict.ACCEPT)
        assert worklist.complete_retakes(transaction, retake, LATER) == 1
        item = worklist.show(transaction, STUDY)
        assert (item.outcome, item.retaken_at) == ("retake done", LATER)
        assert history.of_worklist(transaction, STUDY)[-1].action == "retake done"


def test_subscribers_hear_that_a_resolved_study_is_open_again(database: Database) -> None:
    desk = Desk(database, lambda _: ["ris"])
    desk.image(1, Verdict.REJECT)
    with database.begin() as transaction:
        worklist.resolve(transaction, STUDY, Resolution.DISMISSED, "mara", "", LATER)
    assert desk.look(LATER) == 1
    with database.begin() as transaction:
        worklist.reopen(transaction, STUDY, "mara", "wrong", LATER)
    assert desk.look(LATER) == 1
    with database.begin() as transaction:
        types = [result.kind for result in history.of_instance(transaction, digest(1)).results]
    assert types.count(EventType.STUDY_FLAGGED) == 2
