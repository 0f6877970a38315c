"""A copy on this machine is no result: what the bucket lost or cut is not sent, but made again first."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.domain.delivery import SR, ResultObject
from miqa_node.core.domain.object_store import Soundness
from miqa_node.errors import DeliveryError
from miqa_node.runtime.store import damages
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.deliver.rows.outbox import DatabaseOutbox
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study

REPORT = b"a report of the node"


@pytest.mark.parametrize("harm", ["lost", "cut"])
def test_a_warm_copy_is_not_sent(database: Database, bucket_url: str, tmp_path: Path, harm: str) -> None:
    here = open_objects(bucket_url, tmp_path / "cache", 0, 1 << 20)
    elsewhere = open_objects(bucket_url, tmp_path / "other cache", 0, 1 << 20)
    key = Artifacts(here).keep_result(digest(1), "2.25.57", REPORT)
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(), received(digest(1)), "k/1")
        result = ResultObject("2.25.57", "1.2.3", SR, key).of(REPORT)
        deliveries.record_result(transaction, digest(1), result, NOW)
        deliveries.queue(transaction, result, "PACS", NOW)
        [delivery] = deliveries.of_instance(transaction, digest(1))
    outbox = DatabaseOutbox(database, here)
    assert outbox.data(delivery) == REPORT
    if harm == "lost":
        elsewhere.delete([key])
    else:
        elsewhere.replace(key, REPORT[:5])
    assert here.get(key) == REPORT, "the copy is warm"
    with pytest.raises(DeliveryError, match="made again"):
        outbox.data(delivery)
    with database.begin() as transaction:
        state = damages.among(transaction, [key])
    assert state == {key: Soundness.LOST if harm == "lost" else Soundness.DAMAGED}
    Artifacts(here).mend_result(key, REPORT)
    assert outbox.data(delivery) == REPORT
