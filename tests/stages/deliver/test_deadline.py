"""How long a failing delivery is tried, with the real outbox and a PACS that is away and comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.delivery import SR, DeliveryAction, DeliveryId, DeliveryState, ResultObject
from miqa_node.core.observe import metrics
from miqa_node.core.settings import DeliverSettings
from miqa_node.interfaces.web.gauges import DatabaseGauges
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.tables import deliveries as table
from miqa_node.stages.deliver.destinations import Destinations
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_node.stages.deliver.lanes import Lanes
from miqa_node.stages.deliver.rows import deliveries, delivery_jobs
from miqa_node.stages.deliver.rows.outbox import DatabaseOutbox
from miqa_node.stages.units.rows import instances
from tests.conftest import free_port
from tests.runtime.store.making import NOW, digest, header, received, study
from tests.stages.deliver.making import as_file, pacs, report
from tests.waiting import wait_until

Make = Callable[..., DeliverSettings]
LONG_AGO = timedelta(days=15)


def queue(database: Database, objects: DiskObjects, number: int, at: datetime = NOW) -> ResultObject:
    sop_class_uid, uid, data = as_file(report())
    result = ResultObject(uid, sop_class_uid, SR, f"results/aa/{number}.dcm")
    objects.put(result.object_key, data)
    with database.begin() as transaction:
        instances.record(transaction, header(number), study(), received(digest(number)), f"instances/aa/{number}.dcm")
        deliveries.record_result(transaction, digest(number), result, at)
        deliveries.queue(transaction, result, "pacs", at)
    return result


def states(database: Database) -> list[str]:
    with database.begin() as transaction:
        return list(transaction.execute(sa.select(table.c.state).order_by(table.c.delivery_id)).scalars())


def change(database: Database, delivery_id: int, **values: object) -> None:
    with database.begin() as transaction:
        transaction.execute(sa.update(table).where(table.c.delivery_id == delivery_id).values(**values))


def lanes_to(database: Database, objects: DiskObjects, settings: DeliverSettings, folder: Path, port: int) -> Lanes:
    config = CStoreConfig(name="pacs", ae_title="PACS", host="127.0.0.1", port=port)
    return Lanes(DatabaseOutbox(database, objects), Destinations(folder / "none.toml", [config]), settings)


def test_what_was_given_up_while_the_pacs_was_away_arrives_when_it_is_back(
    database: Database, tmp_path: Path, deliver_settings: Make
) -> None:
    objects = DiskObjects(tmp_path / "objects")
    port, settings = free_port(), deliver_settings(breaker_failures=100)
    for number in (1, 2, 3):
        queue(database, objects, number)
        change(database, number, failing_since=datetime.now(UTC) - LONG_AGO)
    away = lanes_to(database, objects, settings, tmp_path, port)
    away.start()
    assert wait_until(lambda: states(database) == ["FAILED"] * 3, 60)
    away.stop()
    with pacs(port) as peer:
        # Nothing new comes: one that was given up is tried, and brings the others along.
        back = lanes_to(database, objects, settings, tmp_path, peer.port)
        back.start()
        try:
            assert wait_until(lambda: states(database) == ["SENT"] * 3, 60)
        finally:
            back.stop()
        assert len(peer.uids()) == 3


def test_the_number_of_attempts_gives_nothing_up(database: Database, tmp_path: Path, deliver_settings: Make) -> None:
    """A quiet site's results of Friday were FAILED before Monday, after 500 attempts."""
    objects = DiskObjects(tmp_path / "objects")
    queue(database, objects, 1)
    change(database, 1, attempts=5000)
    lanes = lanes_to(database, objects, deliver_settings(breaker_failures=100), tmp_path, free_port())
    lanes.start()
    try:
        assert wait_until(lambda: attempts(database) > 5001, 60)
    finally:
        lanes.stop()
    assert states(database) == ["QUEUED"]


def attempts(database: Database) -> int:
    with database.begin() as transaction:
        return int(transaction.execute(sa.select(table.c.attempts)).scalar_one())


def test_what_failed_while_others_arrived_waits_for_a_person(database: Database, tmp_path: Path) -> None:
    objects = DiskObjects(tmp_path / "objects")
    stubborn, other, last = (queue(database, objects, number) for number in (1, 2, 3))
    assert stubborn != other != last
    with database.begin() as transaction:
        deliveries.failed(transaction, DeliveryId(1), "0xC000", NOW, NOW)
        deliveries.sent(transaction, [DeliveryId(2)], NOW + LONG_AGO - timedelta(hours=1))
        deliveries.expired(transaction, DeliveryId(1), "0xC000", NOW + LONG_AGO)
        assert not deliveries.try_expired(transaction, "pacs", NOW + LONG_AGO)
        deliveries.sent(transaction, [DeliveryId(3)], NOW + LONG_AGO)
    assert states(database) == ["FAILED", "SENT", "SENT"]


def test_a_trial_that_fails_is_given_up_again_and_a_refusal_is_not_tried(database: Database, tmp_path: Path) -> None:
    objects = DiskObjects(tmp_path / "objects")
    for number in (1, 2):
        queue(database, objects, number)
    later = NOW + LONG_AGO
    with database.begin() as transaction:
        deliveries.failed(transaction, DeliveryId(1), "no route", NOW, NOW)
        deliveries.expired(transaction, DeliveryId(1), "no route", later)
        deliveries.failed(transaction, DeliveryId(2), "refused", None, later)
        assert deliveries.try_expired(transaction, "pacs", later)
        [trial] = deliveries.claim(transaction, "pacs", 9, later, lease_s=9)
        assert (trial.delivery_id, trial.failing_since) == (1, NOW)
        deliveries.expired(transaction, DeliveryId(1), "no route", later)
    assert states(database) == ["FAILED", "FAILED"]


@pytest.mark.parametrize("action", [DeliveryAction.RESEND, DeliveryAction.RELEASE])
def test_a_person_begins_the_deadline_anew(database: Database, tmp_path: Path, action: DeliveryAction) -> None:
    objects = DiskObjects(tmp_path / "objects")
    queue(database, objects, 1)
    with database.begin() as transaction:
        deliveries.failed(transaction, DeliveryId(1), "no route", NOW, NOW)
        delivery_jobs.act(transaction, DeliveryAction.HOLD, 1, "ada", "", NOW)
        delivery_jobs.act(transaction, action, 1, "ada", "", NOW)
        [claimed] = deliveries.claim(transaction, "pacs", 9, NOW, lease_s=9)
    assert claimed.failing_since is None


def test_the_age_of_the_oldest_undelivered_result_is_a_metric(database: Database, tmp_path: Path) -> None:
    objects = DiskObjects(tmp_path / "objects")
    queue(database, objects, 1, datetime.now(UTC) - timedelta(days=2))
    queue(database, objects, 2, datetime.now(UTC))
    DatabaseGauges(database).refresh()
    assert 2 * 86400 <= oldest() < 2 * 86400 + 600
    with database.begin() as transaction:
        deliveries.sent(transaction, [DeliveryId(1), DeliveryId(2)], datetime.now(UTC))
    DatabaseGauges(database).refresh()
    assert oldest() == 0


def oldest() -> float:
    value = metrics.REGISTRY.get_sample_value("miqa_delivery_oldest_seconds", {"destination": "pacs"})
    assert value is not None
    return value


@pytest.mark.more
def test_thousands_of_results_that_were_given_up_come_back_in_a_moment(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'many.sqlite'}")
    database.migrate()
    objects = DiskObjects(tmp_path / "objects")
    queue(database, objects, 1)
    row = {"sop_instance_uid": None, "destination": "pacs", "last_error": "", "queued_at": NOW, "next_attempt_at": NOW}
    with database.begin() as transaction:
        given_up = {"state": "FAILED", "attempts": 9, "failing_since": NOW}
        transaction.execute(sa.insert(table), [row | given_up for _ in range(20_000)])
        start = time.monotonic()
        deliveries.sent(transaction, [DeliveryId(1)], NOW + LONG_AGO)
        assert time.monotonic() - start < 60
        counts = deliveries.count_undelivered(transaction)
    assert counts == {"pacs": {DeliveryState.QUEUED: 20_000, DeliveryState.FAILED: 0}}
    database.close()
