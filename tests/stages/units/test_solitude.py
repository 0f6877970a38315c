"""A node that dies gives up no image for it; one that makes it die is found."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import MiqaError, ResourcesError
from miqa_node.runtime.store import tables
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.units import solitude
from miqa_node.stages.units.base import UnitContext
from miqa_node.stages.units.projection import ProjectionUnit
from miqa_node.stages.units.rows import instances
from miqa_node.stages.units.solitude import Solitude
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig
from tests.waiting import LIMIT_S, wait_until

IMAGES, LIMIT = 5, 3


class KilledError(BaseException):
    """Ends a thread without a trace in the database, as SIGKILL ends all threads of a process."""


class Life:
    """One life of a node: all images without a verdict are judged, until it is killed or done."""

    def __init__(self, folder: Path, pool: WorkerPool, digests: list[InstanceDigest]) -> None:
        self.rig = Rig(folder, pool, parse_policy(FLAG_EVERYTHING))
        self._threads = [threading.Thread(target=self._judge, args=(digest,)) for digest in digests]
        for thread in self._threads:
            thread.start()

    def _judge(self, digest: InstanceDigest) -> None:
        with suppress(KilledError, MiqaError):
            self.rig.finish(digest)

    @property
    def is_over(self) -> bool:
        """Whether nothing is judged any more."""
        return not any(thread.is_alive() for thread in self._threads)

    def end(self) -> dict[InstanceDigest, Verdict]:
        """The verdicts at its end."""
        for thread in self._threads:
            thread.join(LIMIT_S)
        with self.rig.database.begin() as transaction:
            rows = transaction.execute(sa.select(tables.dispositions.c.digest)).scalars().all()
            verdicts = {digest: instances.load_disposition(transaction, digest) for digest in map(InstanceDigest, rows)}
        self.rig.database.close()
        return {digest: disposition.verdict for digest, disposition in verdicts.items() if disposition is not None}


class Judging:
    """Instead of :meth:`ProjectionUnit.judge`, which goes on where nothing is held."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inside: list[InstanceDigest] = []
        self.deadly: InstanceDigest | None = None
        self.is_held = True
        self._killed = threading.Event()
        judge = ProjectionUnit.judge

        def held(unit: ProjectionUnit, instance: StoredInstance, context: UnitContext) -> AssessorResult:
            self.inside.append(instance.digest)
            if self.is_held or self.deadly in self.inside:
                assert self._killed.wait(LIMIT_S)
            if self._killed.is_set():
                raise KilledError
            return judge(unit, instance, context)

        monkeypatch.setattr(ProjectionUnit, "judge", held)

    def is_decided(self, life: Life) -> bool:
        """Whether a life met the image that ends it, or is over without it."""
        return self.deadly in self.inside or life.is_over

    def kill(self, life: Life) -> list[InstanceDigest]:
        """End a life; which images were judged then."""
        inside = list(self.inside)
        life.rig.pipeline.close()
        self._killed.set()
        life.end()
        self.forget()
        return inside

    def forget(self) -> None:
        """Before another life."""
        self.inside.clear()
        self._killed.clear()


@pytest.fixture
def judging(monkeypatch: pytest.MonkeyPatch) -> Judging:
    monkeypatch.setattr(solitude, "PAUSE_S", 2.0)
    return Judging(monkeypatch)


@pytest.fixture
def digests(tmp_path: Path, pool: WorkerPool, samples: Path) -> Iterator[list[InstanceDigest]]:
    rig = Rig(tmp_path, pool, parse_policy(FLAG_EVERYTHING))
    uids = [f"1.2.3.{number}" for number in range(IMAGES)]
    yield [rig.receive(samples / "RG3_UNCR.dcm", {"SOPInstanceUID": uid, "PatientID": uid}) for uid in uids]
    rig.database.close()


def test_deaths_of_the_node_count_against_one_that_was_judged_alone_at_most(
    tmp_path: Path, pool: WorkerPool, digests: list[InstanceDigest], judging: Judging
) -> None:
    life = Life(tmp_path, pool, digests)
    wait_until(lambda: len(judging.inside) == IMAGES, what="all are judged side by side")
    judging.kill(life)
    alone: list[InstanceDigest] = []
    for _ in range(IMAGES + 1):
        life = Life(tmp_path, pool, digests)
        wait_until(lambda: bool(judging.inside))
        [suspect] = judging.kill(life)
        alone.append(suspect)
    assert sorted(alone[:IMAGES]) == sorted(digests), "each has its turn before the first has another"
    judging.is_held = False
    verdicts = Life(tmp_path, pool, digests).end()
    assert verdicts == dict.fromkeys(digests, Verdict.REVIEW)


def test_an_image_that_ends_the_node_is_found_within_its_attempts_and_no_other_is_blamed(
    tmp_path: Path,
    pool: WorkerPool,
    digests: list[InstanceDigest],
    judging: Judging,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(solitude, "PAUSE_S", 0.05)
    judging.is_held, judging.deadly = False, digests[2]
    verdicts: dict[InstanceDigest, Verdict] = {}
    lives = 0
    while len(verdicts) < IMAGES:
        life, lives = Life(tmp_path, pool, digests), lives + 1
        wait_until(partial(judging.is_decided, life))
        if judging.deadly in judging.inside:
            judging.kill(life)
        else:
            verdicts = life.end()
    assert lives <= LIMIT + 2
    blamed = [digest for digest, verdict in verdicts.items() if verdict is Verdict.NOT_ASSESSED]
    assert blamed == [digests[2]]


def test_a_node_that_stops_lets_nobody_wait() -> None:
    places, entered = Solitude(), threading.Event()
    refused: list[str] = []

    def alone() -> None:
        entered.set()
        try:
            with places.alone(0):
                pass
        except ResourcesError as error:
            refused.append(str(error))

    with places.together():
        thread = threading.Thread(target=alone)
        thread.start()
        assert entered.wait(LIMIT_S)
        places.close()
        thread.join(LIMIT_S)
    assert refused == ["The node stops."]
