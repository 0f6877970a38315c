"""The room that waiting images will need stays free, on a real small disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from miqa_node.core.domain.object_store import MiB
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.settings import Settings, load_settings
from miqa_node.errors import ResourcesError
from miqa_node.features.retention.work.retention import Retention
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import objects_of
from miqa_node.stages.receive.rows.reserve import ASIDE_BYTES, FEW, USUAL_BYTES, DiskReserve, WaitingCount, WaitingWork
from miqa_node.stages.units.rows import instances, reassessments, series
from tests.features.retention.rows.test_retention import Shelf
from tests.runtime.store.making import NOW, digest, header
from tests.small_disk import small_disk

DISK_MIB, MIN_FREE_MIB = 32, 4
FIT = (DISK_MIB - MIN_FREE_MIB) // (USUAL_BYTES // MiB) - 1
"""Waiting images for which there is room, beside their small files."""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Of a node whose data directory is a small disk."""
    with small_disk(tmp_path / "data", DISK_MIB) as folder:
        yield load_settings(
            node={"data_dir": folder},
            store={"min_free_bytes": MIN_FREE_MIB * MiB},
            retention={"enabled": True, "accepted_days": 0, "min_free_percent": 1.0},
        )


@pytest.fixture
def shelf(database: Database, settings: Settings) -> Shelf:
    return Shelf(database, objects_of(settings), settings.node.data_dir)


def decided(shelf: Shelf, number: int) -> None:
    with shelf.database.begin() as transaction:
        accepted = Disposition(Verdict.ACCEPT, (), "p", "s")
        study_uid = header(number, number).study_instance_uid
        instances.save_disposition(transaction, digest(number), study_uid, accepted, NOW)


def waiting(database: Database) -> WaitingWork:
    with database.begin() as transaction:
        return WaitingCount().count(transaction, NOW)


def test_images_that_wait_keep_their_room_until_they_are_judged(shelf: Shelf, settings: Settings) -> None:
    reserve = DiskReserve(shelf.database, shelf.objects, settings)
    for number in range(FIT):
        shelf.arrive(number)
        reserve.add()
    assert reserve.suffices()
    reserve.check()

    for number in range(FIT, FIT + 3):
        shelf.arrive(number)
        reserve.add()
    assert not reserve.suffices()
    with pytest.raises(ResourcesError, match=r"images that wait to be judged need .* store\.min_free_bytes"):
        reserve.check()

    for number in range(10):
        decided(shelf, number)
    elsewhere = DiskReserve(shelf.database, shelf.objects, settings)  # it counts what others have accepted
    elsewhere.check()
    elsewhere.count()
    assert elsewhere.needed_bytes == MIN_FREE_MIB * MiB + (FIT + 3 - 10) * USUAL_BYTES


def test_a_refusal_is_not_of_images_that_were_judged_meanwhile(
    shelf: Shelf, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "miqa_node.stages.receive.rows.reserve.COUNT_INTERVAL_S", float("inf")
    )  # nobody counts in the background
    reserve = DiskReserve(shelf.database, shelf.objects, settings)
    for _ in range(2 * FIT):  # accepted, and judged before anybody counted
        reserve.add()
    assert not reserve.suffices()
    reserve.check()
    assert reserve.suffices()


def test_a_series_counts_once_and_what_is_judged_again_counts(database: Database, shelf: Shelf) -> None:
    for number in range(8):
        shelf.arrive(number, study_number=1)
    assert waiting(database).units == 8
    with database.begin() as transaction:
        series.arrive(transaction, header(1, 1), NOW)
    assert waiting(database).units == 1
    with database.begin() as transaction:
        reassessments.ask(transaction, digest(1), "ada", "", NOW)
    assert waiting(database).units == 2


def test_what_an_image_needs_is_what_the_last_ones_wrote(database: Database, shelf: Shelf) -> None:
    for number in range(FEW):
        assert waiting(database).unit_bytes == USUAL_BYTES
        of = shelf.decide(number)
        with database.begin() as transaction:
            for kind in ("SR", "SEG"):
                result = {"sop_instance_uid": f"2.25.{number}.{kind}", "sop_class_uid": "1.2", "kind": kind}
                row = result | {"digest": of, "object_key": kind, "made_at": NOW, "size_bytes": 3 * MiB}
                transaction.execute(t.results.insert().values(row))
    assert waiting(database).unit_bytes == ASIDE_BYTES + 9 * MiB


def test_retention_makes_the_room_that_waiting_images_need(shelf: Shelf, settings: Settings) -> None:
    old = shelf.decide(1000)
    shelf.objects.local_path(original_key(old)).write_bytes(bytes(8 * MiB))
    for number in range(FIT):
        shelf.arrive(number)
    reserve = DiskReserve(shelf.database, shelf.objects, settings)
    reserve.count()
    with pytest.raises(ResourcesError, match="images that wait"):
        reserve.check()

    assert Retention(shelf.database, shelf.objects, settings, reserve).reclaim()

    reserve.check()
    assert not shelf.objects.exists(original_key(old))


def test_a_bucket_takes_what_is_written(settings: Settings) -> None:
    store = settings.store.model_copy(update={"objects_url": "s3://miqa"})
    with_bucket = settings.model_copy(update={"store": store})
    assert WaitingWork(1000, USUAL_BYTES).reserve_bytes(with_bucket) == MIN_FREE_MIB * MiB
