"""The worklist's states and filters, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any

import pytest

from miqa_node.core.domain.codes import MOTION_BLUR
from miqa_node.core.domain.instance import StudyInstanceUid
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution, WorklistState
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.worklist.rows import worklist
from miqa_node.features.worklist.rows.worklist import WorklistFilter, WorklistOrder, WorklistPosition
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study


def flag(
    database: Database, number: int, study_number: int, verdict: Verdict, later_s: int = 0, **values: object
) -> None:
    with database.begin() as transaction:
        judge(transaction, number, study_number, verdict, later_s, **values)


def judge(
    transaction: Transaction, number: int, study_number: int, verdict: Verdict, later_s: int = 0, **values: object
) -> None:
    of = digest(number)
    at = NOW + timedelta(seconds=later_s)
    reason = Reason("motion_blur", f"Motion blur of {number}", MOTION_BLUR, verdict)
    image = header(number, study_number, **values)
    instances.record(transaction, image, study(study_number), received(of, at), "instances/aa/b.dcm")
    disposition = Disposition(verdict, (reason,), "p", "s")
    instances.save_disposition(transaction, of, image.study_instance_uid, disposition, at)
    if disposition.flagged:
        worklist.flag(transaction, image.study_instance_uid, verdict, at)


def uids(database: Database, expected: WorklistFilter) -> list[str]:
    with database.begin() as transaction:
        items = worklist.select(transaction, expected, limit=100)
        assert worklist.count(transaction, expected) == len(items)
    return [item.study_instance_uid for item in items]


def test_a_study_takes_the_worst_verdict_and_shows_its_flagged_images(database: Database) -> None:
    flag(database, 1, 1, Verdict.REVIEW)
    flag(database, 2, 1, Verdict.REJECT)
    flag(database, 3, 1, Verdict.REVIEW)
    flag(database, 4, 1, Verdict.ACCEPT)
    with database.begin() as transaction:
        item = worklist.show(transaction, "1.2.5.1")
    assert item.verdict is Verdict.REJECT
    assert item.state is WorklistState.OPEN
    assert item.accession_number == "ACC1"
    assert [image.reasons for image in item.images] == [
        ("Motion blur of 1",),
        ("Motion blur of 2",),
        ("Motion blur of 3",),
    ]


def test_filters(database: Database) -> None:
    flag(database, 1, 1, Verdict.REVIEW)
    flag(database, 2, 2, Verdict.REJECT, later_s=10, modality="DX", station_name="ROOM2")
    flag(database, 3, 3, Verdict.REVIEW, later_s=20, body_part_examined="HAND", view_position="AP")
    assert uids(database, WorklistFilter()) == ["1.2.5.3", "1.2.5.2", "1.2.5.1"]
    assert uids(database, WorklistFilter(verdict=(Verdict.REJECT,))) == ["1.2.5.2"]
    assert uids(database, WorklistFilter(modality="CR")) == ["1.2.5.3", "1.2.5.1"]
    assert uids(database, WorklistFilter(station="ROOM2")) == ["1.2.5.2"]
    assert uids(database, WorklistFilter(body_part="HAND", view="AP")) == ["1.2.5.3"]
    assert uids(database, WorklistFilter(accession_number="ACC2")) == ["1.2.5.2"]
    assert uids(database, WorklistFilter(uid="1.2.3.3")) == ["1.2.5.3"]
    assert uids(database, WorklistFilter(since=NOW + timedelta(seconds=5), until=NOW + timedelta(seconds=15))) == [
        "1.2.5.2"
    ]
    assert len(uids(database, WorklistFilter(reason="motion_blur"))) == 3
    assert uids(database, WorklistFilter(reason="motion")) == []
    assert uids(database, WorklistFilter(reason="%")) == []
    with database.begin() as transaction:
        worklist.claim(transaction, StudyInstanceUid("1.2.5.2"), "kim", NOW)
    assert uids(database, WorklistFilter(state=(WorklistState.CLAIMED,), claimed_by="kim")) == ["1.2.5.2"]
    with database.begin() as transaction:
        page = worklist.select(transaction, WorklistFilter(), limit=1, offset=1)
    assert [item.study_instance_uid for item in page] == ["1.2.5.2"]


@pytest.mark.parametrize("order", WorklistOrder)
def test_pages_are_parts_of_one_list_even_where_studies_were_flagged_at_the_same_time(
    database: Database, order: WorklistOrder
) -> None:
    for number in range(1, 10):
        flag(database, number, number, Verdict.REJECT if number % 3 else Verdict.REVIEW, later_s=number // 4)
    with database.begin() as transaction:

        def uids_of_page(**place: Any) -> list[str]:
            items = worklist.page(transaction, WorklistFilter(reason="motion_blur"), limit=4, order=order, **place)
            return [item.study_instance_uid for item in items]

        def place(uid: str) -> WorklistPosition:
            return worklist.place_of(worklist.show(transaction, uid))

        first = uids_of_page()
        second = uids_of_page(after=place(first[-1]))
        assert len({*first, *second, *uids_of_page(after=place(second[-1]))}) == 9
        assert uids_of_page(before=place(second[0])) == first
        newest = worklist.newest(transaction, WorklistFilter(), 100)
        assert uids_of_page(among=newest) == first
        if order is WorklistOrder.NEWEST:
            assert newest[:4] == first


def test_claim_release_and_resolve(database: Database) -> None:
    flag(database, 1, 1, Verdict.REVIEW)
    with database.begin() as transaction:
        assert worklist.claim(transaction, "1.2.5.1", "kim", NOW).claimed_by == "kim"
        assert worklist.unclaim(transaction, "1.2.5.1", "kim", NOW).state is WorklistState.OPEN
        item = worklist.resolve(transaction, "1.2.5.1", Resolution.CONFIRMED, "kim", "seen", NOW)
    assert (item.state, item.resolution, item.resolved_by, item.comment) == (
        WorklistState.RESOLVED,
        Resolution.CONFIRMED,
        "kim",
        "seen",
    )
    with database.begin() as transaction, pytest.raises(ConflictError):
        worklist.claim(transaction, "1.2.5.1", "lee", NOW)
    with database.begin() as transaction, pytest.raises(NotFoundError):
        worklist.show(transaction, "1.9")


def test_a_new_flagged_image_opens_a_resolved_study_again(database: Database) -> None:
    flag(database, 1, 1, Verdict.REVIEW)
    with database.begin() as transaction:
        worklist.resolve(transaction, "1.2.5.1", Resolution.DISMISSED, "kim", "", NOW)
    flag(database, 2, 1, Verdict.REVIEW, later_s=60)
    with database.begin() as transaction:
        item = worklist.show(transaction, "1.2.5.1")
    assert (item.state, item.resolution, item.claimed_by) == (WorklistState.OPEN, None, "")


def test_who_decides_while_another_image_is_flagged_waits_for_it(database: Database) -> None:
    flag(database, 1, 1, Verdict.REVIEW)

    def decide() -> None:
        with database.begin() as transaction:
            worklist.resolve(transaction, "1.2.5.1", Resolution.ACCEPTED, "kim", "", NOW, image_count=1)

    with ThreadPoolExecutor(1) as person:
        with database.begin() as transaction:
            judge(transaction, 2, 1, Verdict.REVIEW, later_s=60)
            decision = person.submit(decide)
            wait([decision], timeout=0.3)
        with pytest.raises(ConflictError, match="judged meanwhile"):
            decision.result()
