"""What may be removed, what stays and why, and that a crash at any point of a removal loses and leaves nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from miqa_node.core.domain.delivery import CommitmentRequest, ResultKind, ResultObject
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.domain.object_store import DiskSpace, ObjectStore, Soundness
from miqa_node.core.domain.retention import RemovalCause, RetentionGroup
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.core.observe import metrics
from miqa_node.core.settings import load_settings
from miqa_node.errors import ConflictError, NotFoundError, RemovedError, ResourcesError
from miqa_node.features.retention.rows import erasure, holds, retention
from miqa_node.features.retention.rows.retention import AgeLimits
from miqa_node.features.retention.tables import origin
from miqa_node.features.retention.work import retention as work_retention
from miqa_node.features.retention.work.retention import Retention
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.site_records import labels, retention_clock
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store import upkeep
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import maps_key, original_key, preview_key
from miqa_node.runtime.store.site_store import absence, open_objects
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.receive.rows.arrivals import Arrivals
from miqa_node.stages.receive.rows.commitment_requests import DatabaseLedger
from miqa_node.stages.receive.rows.promises import Promises, Standing
from miqa_node.stages.units.rows import instances, removal
from tests.runtime.store.making import NOW, digest, header, received, study

LIMITS = AgeLimits(accepted=30, flagged=365)
LATER = NOW + timedelta(days=31)
MUCH_LATER = NOW + timedelta(days=366)


class Shelf:
    """A database and an object store that images are put into as the pipeline does it."""

    def __init__(self, database: Database, objects: ObjectStore, folder: Path) -> None:
        self.database, self.objects, self.folder = database, objects, folder
        self.arrivals = Arrivals(database, Artifacts(objects))

    def arrive(self, number: int, study_number: int | None = None, sender: str = "MODALITY") -> InstanceDigest:
        of, study_number = digest(number), number if study_number is None else study_number
        path = self.folder / f"{of}.part"
        path.write_bytes(f"{number}".encode())  # what the digest is of
        came = received(of)
        came = type(came)(str(path), of, path.stat().st_size, sender, "MIQA", "127.0.0.1", NOW)
        self.arrivals.keep(header(number, study_number), study(study_number), came, "", lambda _begun: None)
        return of

    def decide(
        self, number: int, verdict: Verdict = Verdict.ACCEPT, *, study_number: int | None = None, sender: str = "M"
    ) -> InstanceDigest:
        of = self.arrive(number, study_number, sender)
        study_uid = header(number, number if study_number is None else study_number).study_instance_uid
        with self.database.begin() as transaction:
            decided = Disposition(verdict, (), "p", "s")
            instances.save_disposition(transaction, of, study_uid, decided, NOW)
            if decided.flagged:
                worklist.flag(transaction, study_uid, verdict, NOW)
        self.objects.put(preview_key(of), b"preview")
        return of

    def report(self, of: InstanceDigest, *, sent: bool) -> ResultObject:
        result = ResultObject(f"2.25.{of[:8]}".replace("a", "1").translate(_DIGITS), "1.2.3", ResultKind("SR"), "")
        result = ResultObject(
            result.sop_instance_uid, "1.2.3", ResultKind("SR"),
            Artifacts(self.objects).keep_result(of, result.sop_instance_uid, b"report"),
        ).of(b"report")  # fmt: skip
        with self.database.begin() as transaction:
            deliveries.record_result(transaction, of, result, NOW)
            deliveries.queue(transaction, result, "PACS", NOW)
            if sent:
                [delivery] = deliveries.of_instance(transaction, of)
                deliveries.sent(transaction, [delivery.delivery_id], NOW)
        return result

    def groups(self, now: datetime = NOW) -> dict[str, int]:
        with self.database.begin() as transaction:
            return {row.group.value: row.images for row in retention.holdings(transaction, LIMITS, now) if row.images}

    def remove_old(self, now: datetime, limits: AgeLimits = LIMITS) -> int:
        with self.database.begin() as transaction:
            count = retention.remove_old(transaction, limits, now, 100)
        removal.delete_marked(self.database, self.objects, now, 100)
        return count

    def has(self, *digests: InstanceDigest) -> Sequence[bool]:
        return [self.objects.exists(original_key(one)) for one in digests]

    def row(self, of: InstanceDigest) -> Any:
        with self.database.begin() as transaction:
            return transaction.execute(sa.select(t.instances).where(t.instances.c.digest == of)).one()


@contextmanager
def shelf_of_a_node(folder: Path) -> Iterator[Shelf]:
    """One whose folder is a node's data folder, as a backup meets it."""
    folder.mkdir()
    database = Database(f"sqlite:///{folder / 'miqa.sqlite'}")
    database.migrate()
    yield Shelf(database, open_objects("", folder / "objects", 0, 1 << 20), folder)
    database.close()


def promise(shelf: Shelf, *uids: str) -> Standing:
    """Promise to keep objects."""
    return ({}, *Promises(shelf.database, shelf.objects).make(uids, patient=True))[-1]


_DIGITS = str.maketrans("abcdef", "123456")


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    return Shelf(database, open_objects("", tmp_path / "objects", 0, 1 << 20), tmp_path)


def test_accepted_images_go_by_age_and_their_counts_stay(shelf: Shelf) -> None:
    old, rows = [shelf.decide(number) for number in range(3)], 3
    with shelf.database.begin() as transaction:
        before = instances.count(transaction)
    assert shelf.remove_old(NOW + timedelta(days=29)) == 0
    assert shelf.remove_old(LATER) == rows
    assert shelf.has(*old) == [False] * rows
    with shelf.database.begin() as transaction:
        assert instances.count(transaction) == before
        removal = instances.load(transaction, old[0]).removal
    assert removal is not None
    assert (removal.cause, "removed by retention on 2026-02-02" in removal.sentence) == (RemovalCause.AGE, True)
    assert shelf.objects.exists(preview_key(old[0]))


def test_what_is_needed_stays_and_says_why(shelf: Shelf) -> None:
    shelf.arrive(1)
    shelf.decide(2, study_number=1)  # its study has an image without a verdict
    held, by_patient = shelf.decide(3), shelf.decide(4)
    opened, accepted_in_open = shelf.decide(5, Verdict.REVIEW), shelf.decide(6, study_number=5)
    waiting = shelf.decide(7)
    shelf.report(waiting, sent=False)
    delivered = shelf.decide(8)
    shelf.report(delivered, sent=True)
    promised = shelf.decide(9)
    assert promise(shelf, "1.2.3.9", "1.2.3.999") == {(header(9).sop_class_uid, "1.2.3.9"): Soundness.SOUND}
    with shelf.database.begin() as transaction:
        holds.put(transaction, "1.2.5.3", "", "court", "ada", NOW)
        holds.put(transaction, "", "ID4", "court", "ada", NOW)
    expected = {"undecided": 2, "hold": 2, "open": 2, "undelivered": 1, "promised": 1, "accepted": 1}
    assert shelf.groups() == expected
    assert shelf.remove_old(MUCH_LATER) == 1
    with shelf.database.begin() as transaction:
        for group in (one for one in RetentionGroup if one.removable):
            assert retention.remove_for_space(transaction, group, MUCH_LATER, 100) == 0
    assert shelf.has(held, by_patient, opened, accepted_in_open, waiting, promised, delivered) == [True] * 6 + [False]


def test_a_promised_image_goes_once_an_archive_has_it(shelf: Shelf) -> None:
    of = shelf.decide(1)
    promise(shelf, "1.2.3.1")
    assert shelf.remove_old(LATER) == 0
    with shelf.database.begin() as transaction:
        transaction.execute(sa.update(t.instances).values(archived_at=NOW))
    assert shelf.remove_old(LATER) == 1
    assert shelf.has(of) == [False]
    assert promise(shelf, "1.2.3.1") == {}, "the node does not promise what it removed"


def test_flagged_studies_go_long_after_people_resolved_them(shelf: Shelf) -> None:
    flagged, labelled = shelf.decide(1, Verdict.REJECT), shelf.decide(2)
    with shelf.database.begin() as transaction:
        worklist.resolve(transaction, "1.2.5.1", Resolution.DISMISSED, "ada", "", NOW + timedelta(days=10))
        labels.add(transaction, labelled, ReaderOpinion("ada", LabelOrigin.IMPORT, False), NOW)
        rows = list(labels.select(transaction))
    assert shelf.groups() == {"flagged": 2}
    assert shelf.remove_old(LATER) == 0
    assert shelf.remove_old(MUCH_LATER) == 1
    assert shelf.remove_old(MUCH_LATER + timedelta(days=10)) == 1
    assert shelf.has(flagged, labelled) == [False, False]
    with shelf.database.begin() as transaction:
        assert list(labels.select(transaction)) == rows


def test_a_source_may_have_days_of_its_own_and_0_is_never(shelf: Shelf) -> None:
    shelf.decide(1, sender="CT1"), shelf.decide(2, sender="DX1"), shelf.decide(3, sender="CR1")
    limits = AgeLimits(30, 365, {"CT1": 7, "DX1": 0})
    week = NOW + timedelta(days=8)
    assert shelf.remove_old(week, limits) == 1
    assert shelf.remove_old(MUCH_LATER, limits) == 1
    assert shelf.has(digest(1), digest(2), digest(3)) == [False, True, False]
    assert shelf.remove_old(MUCH_LATER, AgeLimits(0, 0)) == 0


def test_for_space_the_oldest_accepted_goes_first(shelf: Shelf) -> None:
    first, second = shelf.decide(1), shelf.decide(2)
    with shelf.database.begin() as transaction:
        older = sa.update(t.dispositions).where(t.dispositions.c.digest == second)
        transaction.execute(older.values(decided_at=NOW - timedelta(days=1)))
        assert retention.remove_for_space(transaction, RetentionGroup.ACCEPTED, NOW, 1) == 1
    assert (shelf.row(first).removed_at, shelf.row(second).removal_cause) == (None, "space")


def test_a_crash_between_row_and_file_is_made_up_for(shelf: Shelf) -> None:
    of = shelf.decide(1)
    with shelf.database.begin() as transaction:
        assert retention.remove_old(transaction, LIMITS, LATER, 100) == 1
    assert shelf.has(of) == [True]  # killed here
    assert removal.delete_marked(shelf.database, shelf.objects, LATER, 100) == (1, 1)
    assert shelf.has(of) == [False]
    assert removal.delete_marked(shelf.database, shelf.objects, LATER, 100) == (0, 0)


def test_a_store_that_does_not_delete_leaves_the_mark(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    of = shelf.decide(1)

    def away(_keys: Sequence[str]) -> None:
        raise ResourcesError("The object store does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(shelf.objects, "delete", away)
        with pytest.raises(ResourcesError):
            shelf.remove_old(LATER)
    assert (shelf.row(of).removed_at, shelf.row(of).deleted_at) == (LATER, None)
    assert removal.delete_marked(shelf.database, shelf.objects, LATER, 100)[0] == 1


def test_previews_and_results_go_when_the_original_is_gone(shelf: Shelf) -> None:
    of, digest_of_other = shelf.decide(1), shelf.decide(2)
    result = shelf.report(of, sent=True)
    shelf.remove_old(LATER, AgeLimits(30, 365, {}))
    shelf.decide(3)
    with shelf.database.begin() as transaction:
        before = NOW + timedelta(days=1)
        assert retention.remove_artifacts(transaction, before - timedelta(days=2), LATER, 100) == 0
        assert retention.remove_artifacts(transaction, before, LATER, 100) == 2
    removal.delete_marked(shelf.database, shelf.objects, LATER, 100)
    gone = [shelf.objects.exists(key) for key in (preview_key(of), preview_key(digest_of_other), result.object_key)]
    assert gone == [False, False, False]
    assert shelf.objects.exists(preview_key(digest(3)))


def test_an_absent_file_says_that_it_was_removed(database: Database, tmp_path: Path) -> None:
    objects = open_objects("", tmp_path / "objects", 0, 1 << 20, lambda key: absence(database, key))
    shelf = Shelf(database, objects, tmp_path)
    of, result = shelf.decide(1), shelf.report(shelf.decide(2), sent=True)
    shelf.remove_old(LATER)
    with pytest.raises(RemovedError, match="removed by retention on 2026-02-02"):
        objects.local_path(original_key(of))
    with pytest.raises(NotFoundError, match="There is no object") as never:
        objects.get(preview_key(digest(99)))
    assert not isinstance(never.value, RemovedError)
    with database.begin() as transaction:
        retention.remove_artifacts(transaction, None, LATER, 100)
    removal.delete_marked(database, objects, LATER, 100)
    for key in (preview_key(of), result.object_key):
        with pytest.raises(RemovedError, match="made from this image was removed"):
            objects.get(key)


def test_an_image_that_comes_again_is_kept_again(shelf: Shelf) -> None:
    of = shelf.decide(1)
    shelf.remove_old(LATER)
    shelf.arrive(1)
    assert shelf.has(of) == [True]
    row = shelf.row(of)
    assert (row.removed_at, row.deleted_at, row.removal_cause) == (None, None, "")
    assert shelf.remove_old(datetime.now(UTC) + timedelta(days=29)) == 0, "its days count from its return"
    assert shelf.remove_old(datetime.now(UTC) + timedelta(days=31)) == 1


def test_an_image_that_comes_again_before_its_file_is_deleted_stays(shelf: Shelf) -> None:
    of = shelf.decide(1)
    with shelf.database.begin() as transaction:
        retention.remove_old(transaction, LIMITS, LATER, 100)
    shelf.arrive(1)
    assert removal.delete_marked(shelf.database, shelf.objects, LATER, 100) == (0, 0)
    assert shelf.has(of) == [True]


def test_an_image_whose_file_is_deleted_while_it_arrives_is_refused_and_taken_the_next_time(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = shelf.decide(1)
    with shelf.database.begin() as transaction:
        retention.remove_old(transaction, LIMITS, LATER, 100)
    put_file = shelf.objects.put_file

    def then_deleted(key: str, path: Path) -> bool:
        new = put_file(key, path)  # False: the file of the removed image is there still
        removal.delete_marked(shelf.database, shelf.objects, LATER, 100)
        return new

    with monkeypatch.context() as patch:
        patch.setattr(shelf.objects, "put_file", then_deleted)
        with pytest.raises(ResourcesError, match="send it again"):
            shelf.arrive(1)
    assert shelf.has(of) == [False]
    assert shelf.row(of).removed_at is not None
    shelf.arrive(1)
    assert (shelf.has(of), shelf.row(of).removed_at) == ([True], None)


def test_files_without_a_row_are_swept_once_they_are_old(shelf: Shelf, tmp_path: Path) -> None:
    digest_of_other = shelf.decide(1)
    lost, fresh = digest("lost"), digest("fresh")
    for of in (lost, fresh):
        shelf.objects.put(original_key(of), b"x" * 10)
    maps = [maps_key(digest_of_other, generation) for generation in range(2)]  # it was judged again
    for key in maps:
        shelf.objects.put(key, b"maps")
    long_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for key in (original_key(digest_of_other), original_key(lost), *maps):
        os.utime(tmp_path / "objects" / key, (long_ago, long_ago))
    swept = [upkeep.sweep_orphans(shelf.database, shelf.objects, shard, datetime.now(UTC)) for shard in upkeep.shards()]
    assert (sum(count for count, _ in swept), sum(size for _, size in swept)) == (1, 10)
    assert shelf.has(digest_of_other, lost, fresh) == [True, False, True]
    assert all(shelf.objects.exists(key) for key in maps)


def test_nothing_is_swept_that_waiting_work_may_have_made(shelf: Shelf, tmp_path: Path) -> None:
    lost, long_ago = digest("lost"), (datetime.now(UTC) - timedelta(days=2)).timestamp()
    shelf.objects.put(original_key(lost), b"x")
    os.utime(tmp_path / "objects" / original_key(lost), (long_ago, long_ago))
    shelf.arrive(1)  # received at NOW, long before, and undecided
    assert upkeep.sweep_orphans(shelf.database, shelf.objects, lost[:2], datetime.now(UTC)) == (0, 0)


def test_holds_have_a_reason_and_an_end(shelf: Shelf) -> None:
    shelf.decide(1)
    with shelf.database.begin() as transaction:
        for values in (("1.2.5.1", "ID1", "why"), ("", "", "why"), ("1.2.5.1", "", " ")):
            with pytest.raises(ConflictError):
                holds.put(transaction, *values, "ada", NOW)
        with pytest.raises(NotFoundError):
            holds.put(transaction, "1.2.999", "", "why", "ada", NOW)
        hold = holds.put(transaction, "1.2.5.1", "", "why", "ada", NOW)
        with pytest.raises(ConflictError, match="already"):
            holds.put(transaction, "1.2.5.1", "", "again", "ada", NOW)
    assert shelf.remove_old(LATER) == 0
    with shelf.database.begin() as transaction:
        with pytest.raises(ConflictError, match="reason"):
            holds.clear(transaction, hold.hold_id, "", "bob", NOW)
        assert holds.clear(transaction, hold.hold_id, "over", "bob", NOW).cleared_by == "bob"
        with pytest.raises(ConflictError, match="before"):
            holds.clear(transaction, hold.hold_id, "over", "bob", NOW)
        assert (holds.select(transaction), len(holds.select(transaction, cleared=True))) == ([], 1)
    assert shelf.remove_old(LATER) == 1


def test_old_events_and_requests_are_forgotten(shelf: Shelf) -> None:
    of = shelf.decide(1)
    with shelf.database.begin() as transaction:
        for name, state in (("evt_a", "SENT"), ("evt_b", "QUEUED")):
            values = {"event_id": name, "event_type": "study.flagged", "digest": of, "occurred_at": NOW, "body": "{}"}
            transaction.execute(sa.insert(t.events).values(values))
            delivery = {"event_id": name, "destination": "ris", "state": state, "attempts": 0, "next_attempt_at": NOW}
            transaction.execute(sa.insert(t.deliveries).values(delivery | {"last_error": "", "queued_at": NOW}))
        assert upkeep.forget_events(transaction, NOW, 9) == 0
        assert upkeep.forget_events(transaction, LATER, 9) == 1
        assert list(transaction.execute(sa.select(t.events.c.event_id)).scalars()) == ["evt_b"]
    ledger = DatabaseLedger(shelf.database, shelf.objects)
    requests = [CommitmentRequest(f"2.25.{n}", "CT1", "MIQA", "10.0.0.1", (("1.2", "1.2.3.1"),)) for n in range(2)]
    for request in requests:
        ledger.ask(request, lease_s=9)
    ledger.reported(requests[0])
    with shelf.database.begin() as transaction:
        assert upkeep.forget_rows(transaction, datetime.now(UTC) + timedelta(days=1)) == 1


def test_the_forecast_follows_the_trend(database: Database) -> None:
    with database.begin() as transaction:
        assert upkeep.days_until_full(transaction, "n", 0) == float("inf")
        for hour in range(48):
            space = DiskSpace(10_000, 5_000 - 10 * hour)
            upkeep.sample_disk(transaction, "n", space, NOW + timedelta(hours=hour))
            upkeep.sample_disk(transaction, "n", space, NOW + timedelta(hours=hour, minutes=5))  # too soon
            upkeep.sample_disk(transaction, "still", DiskSpace(10_000, 5_000), NOW + timedelta(hours=hour))
        assert upkeep.days_until_full(transaction, "n", 1_000) == pytest.approx((4_530 - 1_000) / 240, rel=1e-6)
        assert upkeep.days_until_full(transaction, "still", 0) == float("inf")
        assert transaction.execute(sa.select(sa.func.count()).select_from(t.disk_samples)).scalar_one() == 96


def test_the_forecast_is_a_metric(shelf: Shelf) -> None:
    settings = load_settings(node={"data_dir": shelf.folder, "name": "n"}, store={"min_free_bytes": 0})
    space = shelf.objects.space()
    assert space is not None
    now = datetime.now(UTC)
    with shelf.database.begin() as transaction:
        for hour in range(48):
            was_free = space.free_bytes + (48 - hour) * space.free_bytes // 48  # half of it went within two days
            upkeep.sample_disk(transaction, "n", DiskSpace(1 << 60, was_free), now - timedelta(hours=48 - hour))
    Retention(shelf.database, shelf.objects, settings).look()
    forecast = metrics.REGISTRY.get_sample_value("miqa_store_days_until_full")
    assert forecast == pytest.approx(2.0, rel=0.1)


def test_a_sender_waits_a_limited_time_for_retention_that_is_at_work(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_retention, "RECLAIM_S", 0.3)
    tables: Any = {
        "node": {"data_dir": shelf.folder},
        "store": {"min_free_bytes": 1 << 60},  # more than any disk has: it is always short
        "retention": {"enabled": True, "min_free_percent": 5},
    }
    work = Retention(shelf.database, shelf.objects, load_settings(**tables))
    begin = time.monotonic()
    with work._turn:
        assert work.reclaim() is True
    assert 0.3 <= time.monotonic() - begin < 60.0
    with capture_logs() as lines:
        assert [work.reclaim() for _ in range(3)] == [True] * 3
    assert [line["event"] for line in lines] == ["the disk stays short: what is left must stay"]


@pytest.mark.parametrize("retention_was_first", [False, True])
def test_what_an_erasure_took_is_not_said_to_be_removed_by_retention(
    database: Database, tmp_path: Path, retention_was_first: bool
) -> None:
    objects = open_objects("", tmp_path / "objects", 0, 1 << 20, lambda key: absence(database, key))
    shelf = Shelf(database, objects, tmp_path)
    of = shelf.decide(1)
    result = shelf.report(of, sent=True)
    if retention_was_first:
        shelf.remove_old(LATER)
    with database.begin() as transaction:
        patient = transaction.execute(sa.select(t.patients.c.patient_id)).scalars().first()
        record = erasure.erase(transaction, str(patient), "request", "ada", LATER)
    erasure.delete_files(database, objects, record, LATER)
    for key in (original_key(of), preview_key(of), result.object_key):
        with pytest.raises(RemovedError, match=r"erased .*at a person's request") as gone:
            objects.get(key)
        assert str(patient) not in str(gone.value)


@pytest.mark.more
@pytest.mark.parametrize(
    ("held_images", "enabled", "goes"),
    [(False, "new", True), (False, False, False), (True, "new", False), (True, True, True)],
)
def test_originals_go_unasked_only_where_the_database_began_empty(
    shelf: Shelf, held_images: bool, enabled: bool | str, goes: bool
) -> None:
    of = shelf.decide(1)
    if held_images:
        with shelf.database.begin() as transaction:
            transaction.execute(sa.update(origin).values(began_empty=False))
    rules = {"enabled": enabled, "accepted_days": 1, "min_free_percent": 0.0}
    settings = load_settings(node={"data_dir": shelf.folder}, store={"min_free_bytes": 0}, retention=rules)
    with shelf.database.begin() as transaction:
        retention_clock.confirm(transaction, datetime.now(UTC))  # the image came long ago, and nothing since
    Retention(shelf.database, shelf.objects, settings).look()
    assert shelf.has(of) == [not goes]
