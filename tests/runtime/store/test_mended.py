"""A damaged or lost original is mended by the same image sent again, and judged if it could not be judged before."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.object_store import Soundness
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import ResourcesError
from miqa_node.runtime.store import damages, tables
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.units.rows import instances
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


@pytest.mark.more
def test_a_damaged_copy_of_a_sound_object_in_a_bucket_is_fetched_again(
    tmp_path: Path, pool: WorkerPool, samples: Path, bucket_url: str
) -> None:
    objects = open_objects(bucket_url, tmp_path / "cache", 0, 1 << 30)
    rig = Rig(tmp_path, pool, parse_policy(FLAG_EVERYTHING), objects=objects)
    with closing(rig.database):
        digest = rig.receive(samples / "RG1_UNCR.dcm")
        cut(objects.local_path(original_key(digest)))
        with pytest.raises(ResourcesError, match="copy of the original was damaged"):
            rig.finish(digest)
        rig.finish(digest)
        assert rig.verdict(digest) is Verdict.REVIEW
        assert state_of(rig, digest) is None


Damage = Callable[[Path], object]


def flip(file: Path) -> None:
    """What decoders see: the number of rows."""
    data = bytearray(file.read_bytes())
    place = data.index(b"\x28\x00\x10\x00US\x02\x00") + 8
    data[place + 1] ^= 0x70
    file.write_bytes(bytes(data))


@pytest.mark.more
@pytest.mark.parametrize(
    ("damage", "state", "words"),
    [
        (Path.unlink, Soundness.LOST, "is lost"),
        (cut, Soundness.DAMAGED, "is damaged"),
        (flip, Soundness.DAMAGED, "is damaged"),
    ],
)
def test_what_could_not_be_judged_is_judged_when_it_came_again(
    rig: Rig, samples: Path, damage: Damage, state: Soundness, words: str
) -> None:
    source = samples / "RG1_UNCR.dcm"
    digest = rig.receive(source)
    damage(rig.objects.local_path(original_key(digest)))
    rig.finish(digest)
    assert (rig.verdict(digest), state_of(rig, digest)) == (Verdict.NOT_ASSESSED, state)
    with rig.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, digest)
    assert disposition is not None
    assert words in disposition.reasons[0].text
    assert disposition.flagged, "people see it"

    jobs = len(rig.queue.jobs)
    assert rig.receive(source) == digest
    assert rig.queue.jobs[jobs:] == [digest], "it is judged again, once"
    assert state_of(rig, digest) is None
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.REVIEW
    assert rig.receive(source) == digest
    assert len(rig.queue.jobs) == jobs + 1, "nothing more is done for what is sound"


@pytest.mark.more
def test_what_was_judged_before_its_original_was_damaged_is_only_mended(rig: Rig, samples: Path) -> None:
    source = samples / "RG1_UNCR.dcm"
    digest = rig.receive(source)
    rig.finish(digest)
    file = rig.objects.local_path(original_key(digest))
    whole, jobs = file.read_bytes(), len(rig.queue.jobs)
    for damage in (Path.unlink, flip, cut, lambda file: file.write_bytes(b"")):
        damage(file)
        rig.receive(source)
        assert file.read_bytes() == whole
    shutil.rmtree(file.parent)
    rig.receive(source)
    assert file.read_bytes() == whole
    assert len(rig.queue.jobs) == jobs
