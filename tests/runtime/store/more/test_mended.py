# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import ResourcesError
from miqa_node.runtime.store import damages, tables
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.units.rows import instances
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig
from tests.runtime.store.test_mended import cut, rig, state_of


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
