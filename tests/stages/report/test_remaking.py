"""Results whose files are lost or damaged are not sent as they are: they are made again, the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from miqa_node.core.domain.delivery import KOS, REJECTION, SR, Delivery, ResultObject
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.object_store import Soundness
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import DeliveryError
from miqa_node.features.worklist.effect.remaking import Remaking
from miqa_node.features.worklist.work.mending import ResultMending
from miqa_node.runtime.store import damages
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.deliver.rows.outbox import DatabaseOutbox
from miqa_node.stages.report.lower import lower_class
from tests.features.reassess.test_reassessment import SMALL
from tests.features.worklist.test_amendments import DecidedRig
from tests.node.test_pipeline import FLAG_EVERYTHING
from tests.parts import results_of
from tests.stages.receive.test_promises import cut, delete, empty, flip

Damage = Callable[..., None]
DAMAGES = (delete, empty, cut, flip)


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[DecidedRig]:
    rig = DecidedRig(tmp_path, pool, parse_policy(FLAG_EVERYTHING))
    yield rig
    rig.database.close()


def remaking(rig: DecidedRig) -> Remaking:
    return Remaking(rig.pipeline._context)


def deliveries_of(rig: DecidedRig, digest: InstanceDigest) -> list[Delivery]:
    with rig.database.begin() as transaction:
        return deliveries.of_instance(transaction, digest)


def unsound(rig: DecidedRig) -> list[str]:
    with rig.database.begin() as transaction:
        return damages.results(transaction)


def results(rig: DecidedRig, digest: InstanceDigest) -> list[ResultObject]:
    with rig.database.begin() as transaction:
        return results_of(transaction, digest)


def test_each_damage_of_each_result_is_seen_before_it_is_sent_and_mended(rig: DecidedRig, samples: Path) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    outbox, mending = DatabaseOutbox(rig.database, rig.objects, lower_class), remaking(rig)
    kinds = set()
    for number, delivery in enumerate(deliveries_of(rig, digest)):
        result = delivery.item
        assert isinstance(result, ResultObject)
        whole = rig.objects.get(result.object_key)
        assert outbox.data(delivery) == whole
        DAMAGES[number % 4](rig.objects, result.object_key)
        with pytest.raises(DeliveryError, match="made again"):
            outbox.data(delivery)
        assert unsound(rig) == [result.object_key]
        assert ResultMending(rig.database, mending).look() == 1
        assert outbox.data(delivery) == whole
        assert unsound(rig) == []
        kinds.add(result.kind)
    assert {SR, KOS} <= kinds


def test_what_cannot_be_made_again_stays_as_it_is(rig: DecidedRig, samples: Path) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    note = ResultObject("2.25.7", "1.2.840.10008.5.1.4.1.1.88.59", REJECTION, "results/ab/2.25.7.dcm").of(b"a note")
    rig.objects.put(note.object_key, b"a no")
    with rig.database.begin() as transaction:
        deliveries.record_result(transaction, digest, note, datetime.now(UTC))
        damages.note(transaction, note.object_key, digest, Soundness.DAMAGED, datetime.now(UTC))
    assert ResultMending(rig.database, remaking(rig)).look() == 0
    assert unsound(rig) == [note.object_key]
    assert rig.objects.get(note.object_key) == b"a no"
