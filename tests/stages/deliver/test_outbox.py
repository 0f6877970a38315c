"""The outbox: claims, leases, outcomes, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from miqa_node.core.domain.delivery import (
    CommitmentReport,
    CommitmentRequest,
    DeliveryAction,
    DeliveryId,
    DeliveryState,
    ResultKind,
    ResultObject,
)
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.stages.deliver.rows import commitments, deliveries, delivery_jobs
from miqa_node.stages.deliver.rows.outbox import DatabaseOutbox
from miqa_node.stages.receive.rows.commitment_requests import DatabaseLedger
from miqa_node.stages.report.lower import lower_class
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study

LOST = Phrase("lost for good")


def queue(database: Database, number: int, *destinations: str) -> ResultObject:
    of = digest(number)
    result = ResultObject(
        f"2.25.{number}", "1.2.840.10008.5.1.4.1.1.88.34", ResultKind("SR"), f"results/aa/{number}.dcm"
    )
    with database.begin() as transaction:
        instances.record(transaction, header(number), study(), received(of), "instances/aa/b.dcm")
        deliveries.record_result(transaction, of, result, NOW)
        for destination in destinations:
            deliveries.queue(transaction, result, destination, NOW)
    return result


def states(database: Database, number: int) -> list[tuple[str, DeliveryState, int, str]]:
    with database.begin() as transaction:
        rows = deliveries.of_instance(transaction, digest(number))
    return [(row.destination, row.state, row.attempts, row.last_error) for row in rows]


def test_asking_twice_is_asking_once(database: Database) -> None:
    queue(database, 1, "PACS", "PACS")
    queue(database, 1, "PACS")
    assert states(database, 1) == [("PACS", DeliveryState.QUEUED, 0, "")]


def test_a_claimed_delivery_is_nobody_elses_until_the_lease_runs_out(database: Database) -> None:
    result = queue(database, 1, "PACS", "ARCHIVE")
    later = NOW + timedelta(seconds=61)
    with database.begin() as transaction:
        assert deliveries.is_due(transaction, "PACS", NOW)
        claimed = deliveries.claim(transaction, "PACS", 10, NOW, lease_s=60)
        assert [(c.destination, c.item) for c in claimed] == [("PACS", result)]
        assert not deliveries.is_due(transaction, "PACS", NOW)
        assert deliveries.claim(transaction, "PACS", 10, NOW, lease_s=60) == []
        assert len(deliveries.claim(transaction, "PACS", 10, later, lease_s=60)) == 1
        deliveries.release(transaction, [claimed[0].delivery_id])
        assert deliveries.is_due(transaction, "PACS", NOW)


def test_a_report_about_no_delivery_is_logged(database: Database, tmp_path: Path) -> None:
    """Such as one that the trial of a destination asked for, while the node has the port that reports come to."""
    outbox = DatabaseOutbox(database, DiskObjects(tmp_path), lower_class)
    with capture_logs() as lines:
        outbox.commitment_reported(CommitmentReport("2.25.1", True, ("1.2.3",)))
    assert [(line["transaction_uid"], line["complete"]) for line in lines] == [("2.25.1", True)]


def test_outcomes(database: Database) -> None:
    queue(database, 1, "A", "B", "C")
    with database.begin() as transaction:
        ids = {d.destination: d.delivery_id for d in deliveries.of_instance(transaction, digest(1))}
        deliveries.sent(transaction, [ids["A"]], NOW)
        deliveries.failed(transaction, ids["B"], "no route", NOW + timedelta(seconds=5), NOW)
        deliveries.failed(transaction, ids["C"], "SOP class refused", None, NOW)
    assert sorted(states(database, 1)) == [
        ("A", DeliveryState.SENT, 1, ""),
        ("B", DeliveryState.QUEUED, 1, "no route"),
        ("C", DeliveryState.FAILED, 1, "SOP class refused"),
    ]
    with database.begin() as transaction:
        assert not deliveries.is_due(transaction, "B", NOW + timedelta(seconds=4))
        assert deliveries.is_due(transaction, "B", NOW + timedelta(seconds=5))
        assert not deliveries.is_due(transaction, "C", NOW + timedelta(days=9))
        counts = deliveries.count_undelivered(transaction)
    queued, failed = DeliveryState.QUEUED, DeliveryState.FAILED
    assert counts == {"A": {queued: 0, failed: 0}, "B": {queued: 1, failed: 0}, "C": {queued: 0, failed: 1}}


def test_a_lane_whose_lease_ran_out_takes_nothing_back(database: Database) -> None:
    queue(database, 1, "PACS")
    with database.begin() as transaction:
        [slow] = deliveries.claim(transaction, "PACS", 9, NOW, lease_s=10)
        [quick] = deliveries.claim(transaction, "PACS", 9, NOW + timedelta(seconds=11), lease_s=10)
        deliveries.sent(transaction, [quick.delivery_id], NOW, commit=True)
        deliveries.failed(transaction, slow.delivery_id, "No response within 10 s.", NOW, NOW)
        [after] = deliveries.of_instance(transaction, digest(1))
        assert (after.state, after.attempts, after.last_error) == (DeliveryState.SENT, 1, "")
        commitments.asked(transaction, [quick.delivery_id], "2.25.77", NOW)
        commitments.reported(transaction, CommitmentReport("2.25.77", True, ("2.25.1",)), NOW)
        deliveries.sent(transaction, [slow.delivery_id], NOW, commit=True)
        [after] = deliveries.of_instance(transaction, digest(1))
        assert after.state is DeliveryState.COMMITTED


def test_two_lanes_at_once_never_take_the_same_delivery(database: Database) -> None:
    for number in range(40):
        queue(database, number, "PACS")
    claims: list[DeliveryId] = []

    def lane() -> None:
        while True:
            with database.begin() as transaction:
                claimed = deliveries.claim(transaction, "PACS", 3, NOW, lease_s=600)
            if not claimed:
                return
            claims.extend(c.delivery_id for c in claimed)

    lanes = [threading.Thread(target=lane) for _ in range(4)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    assert len(claims) == len(set(claims)) == 40


def job_of(database: Database, destination: str = "PACS") -> int:
    with database.begin() as transaction:
        (job,) = delivery_jobs.select(transaction, delivery_jobs.DeliveryFilter(destination=destination), limit=2)
    return job.delivery_id


def act(database: Database, action: DeliveryAction, delivery_id: int, comment: str = "") -> DeliveryState:
    with database.begin() as transaction:
        return delivery_jobs.act(transaction, action, delivery_id, "anna", comment, NOW).state


def test_a_person_holds_releases_cancels_and_sends_again(database: Database) -> None:
    queue(database, 1, "PACS")
    job = job_of(database)
    assert act(database, DeliveryAction.HOLD, job, "PACS is being moved") is DeliveryState.HELD
    with database.begin() as transaction:
        assert deliveries.claim(transaction, "PACS", 10, NOW, lease_s=60) == []
    with pytest.raises(ConflictError, match="HELD; hold is possible while it is FAILED, QUEUED"):
        act(database, DeliveryAction.HOLD, job)
    assert act(database, DeliveryAction.RELEASE, job) is DeliveryState.QUEUED
    assert act(database, DeliveryAction.CANCEL, job) is DeliveryState.CANCELLED
    with pytest.raises(ConflictError):
        act(database, DeliveryAction.RELEASE, job)
    assert act(database, DeliveryAction.RESEND, job) is DeliveryState.QUEUED
    with database.begin() as transaction:
        assert len(deliveries.claim(transaction, "PACS", 10, NOW, lease_s=60)) == 1
        _job, events = delivery_jobs.show(transaction, job)
    assert [(event.action, event.actor, event.comment) for event in events] == [
        ("hold", "anna", "PACS is being moved"),
        ("release", "anna", ""),
        ("cancel", "anna", ""),
        ("resend", "anna", ""),
    ]
    with pytest.raises(NotFoundError, match="no delivery 99"):
        act(database, DeliveryAction.HOLD, 99)


def test_what_is_held_while_a_lane_tries_stays_held_when_that_fails(database: Database) -> None:
    queue(database, 1, "PACS")
    job = job_of(database)
    with database.begin() as transaction:
        (claimed,) = deliveries.claim(transaction, "PACS", 1, NOW, lease_s=60)
    act(database, DeliveryAction.HOLD, job)
    with database.begin() as transaction:
        deliveries.failed(transaction, claimed.delivery_id, "no route", NOW, NOW)
    assert states(database, 1) == [("PACS", DeliveryState.HELD, 1, "no route")]


@pytest.mark.parametrize("is_tried", [False, True], ids=["before an attempt", "during an attempt"])
def test_what_is_lost_for_good_stays_failed_when_its_destination_takes_others(
    is_tried: bool, database: Database
) -> None:
    lost = queue(database, 1, "PACS")
    queue(database, 2, "PACS")
    with database.begin() as transaction:
        job, other = deliveries.claim(transaction, "PACS", 2, NOW, lease_s=60)
        deliveries.failed(transaction, job.delivery_id, "lost", NOW, NOW)
        deliveries.give_up(transaction, lost.sop_instance_uid, LOST)
        if is_tried:
            deliveries.failed(transaction, job.delivery_id, "lost", NOW, NOW)
        deliveries.sent(transaction, [other.delivery_id], NOW)
        assert deliveries.try_expired(transaction, "PACS", NOW) is False
        [after] = deliveries.of_instance(transaction, digest(1))
    assert after.state is DeliveryState.FAILED


def test_many_at_once_by_filter(database: Database) -> None:
    for number in (1, 2, 3):
        queue(database, number, "PACS", "ARCHIVE")
    with database.begin() as transaction:
        pacs = delivery_jobs.DeliveryFilter(destination="PACS")
        assert delivery_jobs.act_on_all(transaction, DeliveryAction.HOLD, pacs, "anna", "", NOW) == 3
        assert delivery_jobs.act_on_all(transaction, DeliveryAction.HOLD, pacs, "anna", "", NOW) == 0
        held = delivery_jobs.DeliveryFilter(state=(DeliveryState.HELD,))
        assert delivery_jobs.count(transaction, held) == 3
        one = delivery_jobs.DeliveryFilter(uid="1.2.3.2", kind=(ResultKind("SR"),))
        assert {job.destination for job in delivery_jobs.select(transaction, one, limit=9)} == {"PACS", "ARCHIVE"}
        assert delivery_jobs.count(transaction, delivery_jobs.DeliveryFilter(kind=(ResultKind("SEG"),))) == 0


def test_commitment_from_asking_to_the_report(database: Database) -> None:
    for number in (1, 2, 3):
        queue(database, number, "PACS")
    with database.begin() as transaction:
        ids = [d.delivery_id for n in (1, 2, 3) for d in deliveries.of_instance(transaction, digest(n))]
        assert not commitments.is_due(transaction, "PACS", NOW)
        deliveries.sent(transaction, ids, NOW, commit=True)
        assert commitments.is_due(transaction, "PACS", NOW)
        assert {d.delivery_id for d in commitments.claim(transaction, "PACS", 9, NOW, lease_s=60)} == set(ids)
        assert commitments.claim(transaction, "PACS", 9, NOW, lease_s=60) == []
        commitments.asked(transaction, ids, "2.25.77", NOW + timedelta(minutes=10))
        lacking = CommitmentReport("2.25.77", False, ("2.25.1", "2.25.2"), (("2.25.3", 0x0112),))
        assert commitments.reported(transaction, CommitmentReport("2.25.1", True), NOW) == {}
        assert commitments.reported(transaction, lacking, NOW) == {("PACS", False): 1}
    assert [states(database, n)[0][1] for n in (1, 2, 3)] == ["SENT", "SENT", "QUEUED"]
    assert "0x0112" in states(database, 3)[0][3]
    with database.begin() as transaction:
        rest = [d.delivery_id for d in commitments.claim(transaction, "PACS", 9, NOW, lease_s=60)]
        assert set(rest) == set(ids[:2])
        commitments.asked(transaction, rest, "2.25.78", NOW + timedelta(minutes=10))
        assert commitments.reported(transaction, lacking, NOW) == {}  # of the old transaction: too late
        whole = CommitmentReport("2.25.78", True, ("2.25.1", "2.25.2"))
        assert commitments.reported(transaction, whole, NOW) == {("PACS", True): 2}
    assert [states(database, n)[0][1] for n in (1, 2)] == ["COMMITTED", "COMMITTED"]


def test_commitment_is_asked_for_a_limited_number_of_times(database: Database) -> None:
    queue(database, 1, "PACS")
    with database.begin() as transaction:
        ids = [d.delivery_id for d in deliveries.of_instance(transaction, digest(1))]
        deliveries.sent(transaction, ids, NOW, commit=True)
        for number in range(commitments.MAX_REQUESTS):
            assert commitments.is_due(transaction, "PACS", NOW)
            commitments.asked(transaction, ids, f"2.25.{number}", NOW)
        assert not commitments.is_due(transaction, "PACS", NOW)
    assert states(database, 1)[0][1:] == (DeliveryState.SENT, 1, commitments.NO_REPORT)


def test_what_an_archive_never_keeps_is_not_sent_for_ever(database: Database) -> None:
    queue(database, 1, "PACS")
    with database.begin() as transaction:
        ids = [d.delivery_id for d in deliveries.of_instance(transaction, digest(1))]
        for number in range(commitments.MAX_REQUESTS):
            deliveries.sent(transaction, ids, NOW, commit=True)
            commitments.asked(transaction, ids, f"2.25.{number}", NOW)
            lacking = CommitmentReport(f"2.25.{number}", False, (), (("2.25.1", 0x0122),))
            commitments.reported(transaction, lacking, NOW)
    assert states(database, 1)[0][1] == DeliveryState.FAILED
    assert "0x0122" in states(database, 1)[0][3]
    with database.begin() as transaction:
        delivery_jobs.act(transaction, DeliveryAction.RESEND, ids[0], "anna", "", NOW)
        deliveries.sent(transaction, ids, NOW, commit=True)
        commitments.asked(transaction, ids, "2.25.99", NOW + timedelta(minutes=10))
        commitments.reported(transaction, CommitmentReport("2.25.99", False, (), (("2.25.1", 0x0122),)), NOW)
    assert states(database, 1)[0][1] == DeliveryState.QUEUED


def test_reports_that_leave_an_object_out_are_not_asked_for_for_ever(database: Database) -> None:
    queue(database, 1, "PACS")
    with database.begin() as transaction:
        ids = [d.delivery_id for d in deliveries.of_instance(transaction, digest(1))]
        deliveries.sent(transaction, ids, NOW, commit=True)
        for number in range(commitments.MAX_REQUESTS):
            assert commitments.is_due(transaction, "PACS", NOW)
            commitments.asked(transaction, ids, f"2.25.{number}", NOW + timedelta(minutes=10))
            commitments.reported(transaction, CommitmentReport(f"2.25.{number}", False, ("2.25.1",)), NOW)
        assert not commitments.is_due(transaction, "PACS", NOW)
    assert states(database, 1)[0][1:] == (DeliveryState.SENT, 1, commitments.NO_REPORT)


def test_requests_for_commitment_that_did_not_arrive_do_not_count(database: Database) -> None:
    queue(database, 1, "PACS")
    with database.begin() as transaction:
        ids = [d.delivery_id for d in deliveries.of_instance(transaction, digest(1))]
        deliveries.sent(transaction, ids, NOW, commit=True)
        for number in range(2 * commitments.MAX_REQUESTS):
            commitments.asked(transaction, ids, f"2.25.{number}", NOW + timedelta(minutes=10))
            commitments.failed(transaction, ids, "nobody listens", NOW)
        assert commitments.is_due(transaction, "PACS", NOW)


def test_a_delivery_can_go_on_with_another_result_and_keeps_its_row(database: Database) -> None:
    original = queue(database, 1, "PACS", "ARCHIVE")
    lower = ResultObject("2.25.11", "1.2.840.10008.5.1.4.1.1.88.33", ResultKind("SR"), "results/aa/11.dcm")
    with database.begin() as transaction:
        [claimed] = deliveries.claim(transaction, "PACS", 10, NOW, lease_s=60)
        assert deliveries.replace_result(transaction, claimed.delivery_id, original.sop_instance_uid, lower, NOW)
        assert deliveries.is_due(transaction, "PACS", NOW)
        [again] = deliveries.claim(transaction, "PACS", 10, NOW, lease_s=60)
        assert (again.delivery_id, again.item) == (claimed.delivery_id, lower)
        [other] = deliveries.claim(transaction, "ARCHIVE", 10, NOW, lease_s=60)
        assert other.item == original
        # What was replaced is not replaced a second time by a lane that comes late.
        assert not deliveries.replace_result(transaction, claimed.delivery_id, original.sop_instance_uid, lower, NOW)


def test_nothing_is_made_in_the_place_of_what_an_erasure_cancelled(database: Database) -> None:
    original = queue(database, 1, "PACS")
    lower = ResultObject("2.25.11", "1.2.840.10008.5.1.4.1.1.88.33", ResultKind("SR"), "results/aa/11.dcm")
    with database.begin() as transaction:
        [claimed] = deliveries.claim(transaction, "PACS", 10, NOW, lease_s=60)
        transaction.execute(sa.update(t.deliveries).values(state=DeliveryState.CANCELLED.value))
        assert not deliveries.replace_result(transaction, claimed.delivery_id, original.sop_instance_uid, lower, NOW)
        assert transaction.execute(sa.select(t.results.c.sop_instance_uid)).scalars().all() == ["2.25.1"]


def test_of_two_processes_one_takes_a_request_for_commitment(database: Database, tmp_path: Path) -> None:
    """SQLite locks nothing for a read, so the second may look between the first one's look and its claim."""
    request = CommitmentRequest("2.25.5", "CT1", "MIQA", "127.0.0.1", (("1.2", "1.3"),))
    objects, other = DiskObjects(tmp_path), Database(database.url.render_as_string(False))
    first, second = DatabaseLedger(database, objects), DatabaseLedger(other, objects)
    first.ask(request, lease_s=-1)
    claims: list[CommitmentRequest | None] = []
    with between(database, "UPDATE commitment_requests", lambda: claims.append(second.claim(60))):
        claims.append(first.claim(60))
    other.close()
    assert sorted(one.transaction_uid for one in claims if one is not None) == ["2.25.5"]


def test_what_a_person_sends_again_is_not_committed_by_the_report_of_before(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite'}")
    database.migrate()
    queue(database, 1, "PACS")
    with database.begin() as transaction:
        [ready] = deliveries.of_instance(transaction, digest(1))
        deliveries.sent(transaction, [ready.delivery_id], NOW, commit=True)
        commitments.asked(transaction, [ready.delivery_id], "2.25.77", NOW)

    def resend() -> None:
        with database.begin() as other:
            delivery_jobs.act(other, DeliveryAction.RESEND, ready.delivery_id, "ann", "", NOW)

    with between(database, "UPDATE deliveries", resend), database.begin() as transaction:
        commitments.reported(transaction, CommitmentReport("2.25.77", True, ("2.25.1",)), NOW)
    assert states(database, 1)[0][1] is DeliveryState.QUEUED
    database.close()


@contextmanager
def between(database: Database, statement: str, act: Callable[[], object]) -> Iterator[None]:
    """Do something just before the first such statement goes out."""
    acts = [act]

    def look(_connection: object, _cursor: object, text: str, *_: object) -> None:
        if acts and text.startswith(statement):
            acts.pop()()

    sa.event.listen(database.engine, "before_cursor_execute", look)
    yield
    sa.event.remove(database.engine, "before_cursor_execute", look)
    assert not acts
