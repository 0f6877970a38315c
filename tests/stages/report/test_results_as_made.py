"""A lost result is made with the name, language and version of then, and never differs once it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.delivery import SR, DeliveryState
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.worklist.effect.remaking import LOST, Remaking
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.deliver.rows import deliveries
from tests.features.reassess.test_reassessment import SMALL
from tests.features.worklist.test_amendments import DecidedRig
from tests.node.test_pipeline import FLAG_EVERYTHING
from tests.parts import results_of
from tests.runtime.store.making import NOW


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(load_settings()) as pool:
        yield pool


def test_another_name_language_and_version_change_no_byte(tmp_path: Path, samples: Path, pool: WorkerPool) -> None:
    rig = DecidedRig(tmp_path, pool, parse_policy(FLAG_EVERYTHING))
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    with rig.database.begin() as transaction:
        made = results_of(transaction, digest)
    wholes = {one.object_key: rig.objects.get(one.object_key) for one in made}
    context = rig.pipeline._context
    other = replace(context.reporting.settings, node_name="another", language="de", version="99.9")
    remaking = Remaking(replace(context, reporting=replace(context.reporting, settings=other)))
    for one in made:
        rig.objects.delete([one.object_key])
        assert remaking.mend(one.object_key)
    assert {key: rig.objects.get(key) for key in wholes} == wholes

    with rig.database.begin() as transaction:  # as an earlier version recorded them, which kept no settings
        transaction.execute(sa.update(t.results).values(made_with=None))
        delivery = next(one for one in deliveries.of_instance(transaction, digest) if one.item.kind == SR)  # type: ignore[union-attr]
        deliveries.sent(transaction, [delivery.delivery_id], NOW)
        before = {row.object_key: row.sha256 for row in transaction.execute(sa.select(t.results))}
    sent = delivery.item.object_key  # type: ignore[union-attr]
    for one in made:
        rig.objects.delete([one.object_key])
        assert remaking.mend(one.object_key) is (one.object_key != sent), "what was sent stays lost"
    assert not rig.objects.exists(sent)
    with rig.database.begin() as transaction:
        digests = {row.object_key: row.sha256 for row in transaction.execute(sa.select(t.results))}
        tried = deliveries.of_instance(transaction, digest)
    assert digests[sent] == before[sent], "the digest of what was sent never changes"
    assert {one.last_error for one in tried if one.state is DeliveryState.FAILED} == {LOST}, "a lane waits no more"
    assert any(one.state is DeliveryState.FAILED and one.item.object_key == sent for one in tried)  # type: ignore[union-attr]
    rig.database.close()
