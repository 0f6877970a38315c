"""How long a failing delivery is tried, with the real outbox and a PACS that is away and comes back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.delivery import DeliveryId, DeliveryState
from miqa_node.core.settings import load_settings
from miqa_node.node import Node
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.tables import deliveries as table
from miqa_node.stages.deliver.rows import deliveries
from tests.runtime.store.making import NOW
from tests.stages.deliver.test_deadline import LONG_AGO, queue


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


def test_a_count_of_attempts_in_the_settings_is_understood_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings(
        deliver={"max_attempts": 500},
        node={"data_dir": tmp_path},
        dicom={"port": 0},
        web={"port": 0, "health_port": 0},
        assess={"shipped_packages": False, "models_dir": str(tmp_path)},
    )
    with Node(settings):
        pass
    assert "give_up_after_days" in capsys.readouterr().out + caplog.text, "wherever the log goes at the moment"
