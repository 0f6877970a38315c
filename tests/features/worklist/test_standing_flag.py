"""A repeated judgement that fails takes back no flag: the study stays open, and says why, until one succeeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.reassessment import ReassessmentFilter
from miqa_node.core.domain.worklist import WorklistItem, WorklistState
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.store import damages, tables
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.units.rows import instances
from tests.features.reassess.test_reassessment import PASS_EVERYTHING, SMALL, AgainRig
from tests.node.test_pipeline import FLAG_EVERYTHING

IMAGE = "RG1_UNCR.dcm"
"""An image that the quality package covers."""
REJECT_EVERYTHING: dict[str, Any] = {
    "version": "t4",
    "scope": [
        {"name": "all", "measurement": [{"name": "entropy", "above": 0.0, "verdict": "REJECT", "reason": "unsharp"}]}
    ],
}
NO_RULES: dict[str, Any] = {"version": "t5", "scope": [{"name": "all"}]}


@pytest.fixture(scope="module")
def model() -> ImageAssessor:
    settings = load_settings()
    return ImageAssessor(open_package(settings.models_dir / "quality-0.9.3", Accelerator.CPU, settings.assess))


@pytest.fixture(scope="module")
def blind() -> Iterator[WorkerPool]:
    """It can decode no image of a usual size, as after a fault of its settings."""
    pool = WorkerPool(load_settings(imaging={"max_pixels": 1000}))
    yield pool
    pool.close()


Rigs = Callable[..., AgainRig]


@pytest.fixture
def rigs(tmp_path: Path, pool: WorkerPool) -> Any:
    """Nodes one after the other on the same data; the one before is closed."""
    made: list[AgainRig] = []

    def make(
        policy: dict[str, Any], assessor: ImageAssessor | None = None, pool: WorkerPool = pool, **other: Any
    ) -> AgainRig:
        if made:
            made.pop().database.close()
        made.append(AgainRig(tmp_path, pool, parse_policy(policy), assessor=assessor, **other))
        return made[-1]

    yield make
    made.pop().database.close()


def item_of(rig: AgainRig, digest: InstanceDigest) -> WorklistItem:
    with rig.database.begin() as transaction:
        return worklist.show(transaction, instances.load(transaction, digest).header.study_instance_uid)


def original(rig: AgainRig, digest: InstanceDigest) -> Path:
    with rig.database.begin() as transaction:
        return rig.objects.local_path(instances.load(transaction, digest).object_key)


def judge_again(rig: AgainRig, digest: InstanceDigest) -> None:
    assert rig.again(uids=(digest,)) == 1
    rig.finish(digest)


def gone(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [gone, emptied, cut, flipped])
def test_an_image_whose_stored_copy_is_damaged_keeps_its_verdict(
    rigs: Rigs, samples: Path, damage: Callable[[Path], None]
) -> None:
    rig = rigs(FLAG_EVERYTHING)
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig = rigs(PASS_EVERYTHING)
    plan = rig.service.plan(ReassessmentFilter(uids=(digest,)))
    damage(original(rig, digest))
    assert rig.again(uids=(digest,)) == 0, "it is refused"
    assert rig.service.begin(plan, "anna", "", datetime.now(UTC)) == 1, "it was asked for just before"
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.REVIEW
    assert item_of(rig, digest).state is WorklistState.OPEN
    with rig.database.begin() as transaction:
        [request] = transaction.execute(sa.select(tables.reassessments)).all()
        history = transaction.execute(sa.select(tables.worklist_events)).all()
        assert len(damages.among(transaction, [instances.load(transaction, digest).object_key])) == 1
    assert request.failure.endswith("Send the image again.")
    assert (history[-1].action, history[-1].comment) == ("not judged again", request.failure)
