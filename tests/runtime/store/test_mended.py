"""A damaged or lost original is mended by the same image sent again, and judged if it could not be judged before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.object_store import Soundness
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.runtime.store import damages, tables
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.workers.pool import WorkerPool
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[Rig]:
    rig = Rig(tmp_path, pool, parse_policy(FLAG_EVERYTHING))
    with closing(rig.database):
        yield rig


def state_of(rig: Rig, digest: InstanceDigest) -> Soundness | None:
    with rig.database.begin() as transaction:
        return damages.among(transaction, [original_key(digest)]).get(original_key(digest))


def test_an_original_that_fsck_found_lost_is_there_again(rig: Rig, samples: Path) -> None:
    source = samples / "RG1_UNCR.dcm"
    digest = rig.receive(source)
    key = original_key(digest)
    with rig.database.begin() as transaction:
        values = {"removed_at": sa.func.current_timestamp(), "deleted_at": sa.func.current_timestamp()}
        transaction.execute(sa.update(tables.instances).values(**values, removal_cause="lost"))
    rig.objects.delete([key])
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.NOT_ASSESSED
    rig.receive(source)
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.REVIEW
