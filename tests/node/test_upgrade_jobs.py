"""The last version with two stages leaves jobs in every state; this one finishes each exactly once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from dbos import DBOSClient
from pydicom.uid import UID

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.delivery import SR, DeliveryState
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.node import Node
from miqa_node.runtime.store import documents
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.runtime.work.queue import ASSESS_JOB
from miqa_node.stages.deliver.destinations import parse_flag
from miqa_node.stages.units.attempts import Attempts
from miqa_node.stages.units.rows import instances
from miqa_node.stages.units.rows.judgements import Attempt
from tests.installation import sources_of
from tests.node.test_node import Pacs, settings_in, store
from tests.waiting import wait_until

TWO_STAGES = "d82a66f6"
"""The last commit whose jobs have two stages, assess and conclude."""
LIMIT_S = 120.0
NEWER_SETTINGS = (("dicom", "receiver_processes"), ("web", "display_findings"))
"""Those of ``config/miqa.toml`` that the earlier version refuses."""
NODE = """
import json, sys, threading
from datetime import UTC, datetime
from pathlib import Path
from miqa_node.core.domain.role import NodeRole
from miqa_node.core.settings import load_settings
from miqa_node.node import Node
from miqa_node.pipeline import Pipeline
from miqa_node.runtime.work.queue import ASSESS_JOB, RECOVERY_QUEUE, DurableQueue
from miqa_node.stages.deliver.destinations import parse_flag
from miqa_node.stages.units.attempts import Attempts
from miqa_node.stages.units.rows import reassessments

def hang(of, name, digest_of, digests):
    plain = getattr(of, name)
    def work(self, one, *more):
        if digest_of(one) in digests:
            threading.Event().wait(600)
        return plain(self, one, *more)
    setattr(of, name, work)

if __name__ == "__main__":
    wishes = json.loads(sys.argv[1])
    hang(Attempts, "judge", lambda instance: instance.digest, wishes["assess"])
    hang(Pipeline, "conclude", str, wishes["conclude"])
    settings = load_settings(**wishes["settings"])
    with Node(settings, [parse_flag(wishes["destination"])], role=NodeRole(wishes["role"])) as node:
        queue = DurableQueue(node.database, lambda: "")
        for digest in wishes["again"]:
            with node.database.begin() as transaction:
                generation = reassessments.ask(transaction, digest, "anna", "", datetime.now(UTC))
                queue.enqueue_reassess(transaction, digest, generation)
        jobs = [job.workflow_id for job in queue._client.list_workflows(name=ASSESS_JOB)]
        resumed = [job for job in jobs if job.split(":")[1] in wishes["resume"]]
        if resumed:
            queue._client.resume_workflows(resumed, queue_name=RECOVERY_QUEUE)
        Path(wishes["port_file"]).write_text(str(node.dicom_port))
        threading.Event().wait(600)
"""

pytestmark = [pytest.mark.more, pytest.mark.timeout(900)]


class Site:
    """A data directory, images, and a PACS; the version with two stages works in processes that are killed."""

    def __init__(self, folder: Path, samples: Path, pacs: Pacs) -> None:
        self.folder, self.pacs = folder, pacs
        self.destination = f"PACS=PACS@127.0.0.1:{pacs.port}"
        self._program, self._sources = folder / "node.py", sources_of(TWO_STAGES, folder / "sources")
        self._program.write_text(NODE, encoding="utf-8")
        self.tables: dict[str, Any] = {"assess": {"shipped_packages": False, "models_dir": str(folder)}}
        self.database = Database(f"sqlite:///{folder / 'data' / 'miqa.sqlite'}")
        self._files: dict[InstanceDigest, Path] = {}
        self._image = pydicom.dcmread(samples / "RG3_UNCR.dcm")

    def image(self) -> InstanceDigest:
        """A new image."""
        number = len(self._files) + 1
        self._image.SOPInstanceUID = self._image.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.826.0.1.{number}")
        self._image.save_as(self.folder / f"{number}.dcm")
        digest = InstanceDigest(data_set_digest(self.folder / f"{number}.dcm"))
        self._files[digest] = self.folder / f"{number}.dcm"
        return digest

    @contextmanager
    def before(self, *images: InstanceDigest, role: str = "all", **wishes: list[InstanceDigest]) -> Iterator[None]:
        """The version with two stages receives images; in the end it is killed.

        ``wishes``: images that hang when they are to be judged (assess) or when they have been (conclude), images to be
        judged again, and those whose job is scheduled again (resume).
        """
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        settings = settings_in(self.folder / "data", **self.tables).model_dump(mode="json", exclude_unset=True)
        for table, key in NEWER_SETTINGS:
            settings[table].pop(key, None)
        tables = {name: settings[name] for name in ("node", "dicom", "web", "work", "deliver", "assess")}
        nothing: dict[str, list[InstanceDigest]] = {"assess": [], "conclude": [], "again": [], "resume": []}
        words = {"settings": tables, "role": role, "port_file": str(port_file), "destination": self.destination}
        paths = [self._sources, self._sources / "packages" / "miqa-node-training"]
        with subprocess.Popen(
            [sys.executable, self._program, json.dumps({**words, **nothing, **wishes})],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
            stdout=subprocess.DEVNULL,
        ) as process:
            try:
                wait_until(lambda: port_file.exists() and port_file.read_text() != "", LIMIT_S, "the node listens")
                if images:
                    answers = store(int(port_file.read_text()), *(self._files[one] for one in images))
                    assert answers == [0x0000] * len(images)
                yield
            finally:
                process.kill()

    def all(self, query: sa.Select[Any]) -> list[Any]:
        """The rows of a query."""
        with self.database.begin() as transaction:
            return list(transaction.execute(query))

    def decided(self) -> set[str]:
        """Images with a verdict."""
        return {row.digest for row in self.all(sa.select(t.dispositions.c.digest))}

    def assessments(self) -> dict[str, Assessment]:
        """What was found, by image; of an image that is judged again, what was found last."""
        of = t.reassessments.c
        with self.database.begin() as transaction:
            digests = transaction.execute(sa.select(t.instances.c.digest)).scalars().all()
            first = {one: instances.load_assessment(transaction, InstanceDigest(one)) for one in digests}
        again = self.all(sa.select(of.digest, of.document).where(of.document.is_not(None)))
        last = {row.digest: documents.load_assessment(row.document) for row in again}
        return {digest: one for digest, one in (first | last).items() if one is not None}

    def unsent(self) -> int:
        """How many deliveries are not done."""
        return len(self.all(sa.select(t.deliveries.c.state).where(t.deliveries.c.state != DeliveryState.SENT)))

    def jobs(self) -> Counter[str]:
        """How many jobs there are, by status."""
        client = DBOSClient(system_database_engine=self.database.engine)
        return Counter(job.status for job in client.list_workflows(name=ASSESS_JOB))


@pytest.fixture
def site(tmp_path: Path, samples: Path) -> Iterator[Site]:
    pacs = Pacs()
    site = Site(tmp_path, samples, pacs)
    yield site
    site.database.close()
    pacs.server.shutdown()


def test_jobs_of_the_version_with_two_stages_are_finished_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    queued, begun_once, half, scheduled, again_waits, again_half = (site.image() for _ in range(6))
    with site.before(again_waits, again_half):
        wait_until(lambda: site.decided() == {again_waits, again_half}, LIMIT_S, "both have a verdict")
        wait_until(lambda: not site.unsent(), LIMIT_S, "their results are sent")
    hanging = [half, scheduled, again_half]
    with site.before(begun_once, half, scheduled, assess=[begun_once], conclude=hanging, again=[again_half]):
        first = site.all(sa.select(t.reassessments.c.digest))
        assert [row.digest for row in first] == [again_half]
        waits = t.reassessments.c.document.is_not(None)
        wait_until(lambda: bool(site.all(sa.select(t.reassessments.c.digest).where(waits))), LIMIT_S, "judged again")
        wait_until(lambda: {half, scheduled} <= set(site.assessments()), LIMIT_S, "both are assessed")
        wait_until(lambda: begun_once in {row.digest for row in site.all(sa.select(t.attempts.c.digest))}, LIMIT_S)
    with site.before(queued, role="receive", again=[again_waits], resume=[scheduled]):
        pass
    assert site.decided() == {again_waits, again_half}
    assert site.jobs() == {"SUCCESS": 2, "PENDING": 3, "ENQUEUED": 3}
    before = site.assessments()

    judged: list[str] = []
    judge = Attempts.judge

    def counted(self: Attempts, attempt: Attempt) -> AssessorResult | None:
        judged.append(attempt.instance.digest)
        return judge(self, attempt)

    monkeypatch.setattr(Attempts, "judge", counted)
    with Node(settings_in(site.folder / "data", **site.tables), [parse_flag(site.destination)]):
        wait_until(lambda: site.jobs() == {"SUCCESS": 8}, LIMIT_S, "all jobs are done")
        made = {row.sop_instance_uid for row in site.all(sa.select(t.results.c.sop_instance_uid))}
        wait_until(lambda: made <= {ds.SOPInstanceUID for ds in site.pacs.objects}, LIMIT_S, "all results are sent")

    assert sorted(judged) == sorted([queued, begun_once, again_waits]), "what was assessed is not judged once more"
    after = site.assessments()
    assert {digest: after[digest] for digest in hanging} == {digest: before[digest] for digest in hanging}
    once, twice = (queued, begun_once, half, scheduled), (again_waits, again_half)
    verdicts = site.all(sa.select(t.audit_records.c.digest).where(t.audit_records.c.event == AuditEvent.VERDICT))
    assert Counter(row.digest for row in verdicts) == {**dict.fromkeys(once, 1), **dict.fromkeys(twice, 2)}
    reports = site.all(sa.select(t.results.c.digest, t.results.c.generation).where(t.results.c.kind == SR))
    assert Counter((row.digest, row.generation) for row in reports) == Counter(
        [*((digest, 0) for digest in (*once, *twice)), *((digest, 1) for digest in twice)]
    )
    assert set(Counter(ds.SOPInstanceUID for ds in site.pacs.objects).values()) == {1}
