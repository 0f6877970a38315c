"""A series has one verdict, and all that the node says of it agrees, however its slices came and were judged.

The ways are a table that the test makes: how slices arrive, as what they arrive, and what happens in between. What
must come out follows from the slices alone: a series with a gap is REVIEW, one without is ACCEPT, and where a slice is
gone the verdict stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydicom.uid import UID

from miqa_node.core.domain.delivery import KOS, SR
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution, WorklistItem, WorklistState
from miqa_node.core.settings import load_settings
from miqa_node.core.words.codes import QUALITY_ASSESSMENTS
from miqa_node.features.notices.rows import notices
from miqa_node.features.worklist.effect.amendment import Amendments
from miqa_node.features.worklist.rows import overview, worklist
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.store import tables
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.report.withdrawal import notes_in_force
from miqa_node.stages.units.rows import instances, reassessments
from tests.crash.faults import ALL
from tests.interfaces.cli.conftest import Ran, cli
from tests.quick import in_gate
from tests.stages.measure.series import making
from tests.stages.units.test_series_way import Rig

pytestmark = pytest.mark.more

__all__ = ["cli"]

SLICES = 7
TWIN = "1.2.3.99"
"""Another study in which slices have the Series Instance UID of the first one."""
WORDS = {Verdict.ACCEPT: "Accepted", Verdict.REVIEW: "Review", Verdict.NOT_ASSESSED: "Not assessed"}

ARRIVALS: dict[str, list[list[int]]] = {
    "late": [[0, 1, 3, 4], [2]],
    "late, and again late": [[0, 1, 3, 4], [2], [6]],
    "in parts": [[0, 1, 2, 3], [4], [5, 6]],
    "out of order": [[5, 4, 3, 1], [0], [2]],
    "twice": [[0, 1, 3, 4], [0, 1, 3, 4], [2, 3]],
    "good, then with a gap": [[0, 1, 2, 3], [5]],
}
SHAPES = ("one series", "a series for each slice", "one UID in two studies")
BETWEEN = ("nothing", "claimed", "dismissed", "asked again", "a slice is removed")


@dataclass(frozen=True)
class Way:
    arrivals: str
    shape: str
    between: str

    @property
    def name(self) -> str:
        return f"{self.arrivals}, {self.shape}, {self.between}"


def ways() -> list[Way]:
    """All ways with ``make faults``; else a third, in which each two of arrivals, shape and event come together."""
    numbered = product(enumerate(ARRIVALS), enumerate(SHAPES), enumerate(BETWEEN))
    return [
        Way(arrivals, shape, between)
        for (first, arrivals), (second, shape), (third, between) in numbered
        if ALL or (first + second + third) % len(SHAPES) == 0
    ]


WAYS = ways()


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[Rig]:
    rig = Rig(tmp_path, pool)
    rig.now = datetime.now(UTC) - timedelta(hours=1)
    yield rig
    rig.database.close()


def files(folder: Path, shape: str, study: str = "") -> list[Path]:
    def change(dataset: pydicom.Dataset) -> None:
        if shape == SHAPES[1]:
            dataset.SeriesInstanceUID = f"{making.SERIES}.9.{dataset.InstanceNumber}"
        if study:
            dataset.StudyInstanceUID, dataset.PatientID = study, "ANOTHER"
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{dataset.SOPInstanceUID}.9")

    images = [making.body_ct(seed=number) for number in range(SLICES)]
    return making.write_series(folder, images, "CT", change=change)


def verdict_of(numbers: set[int]) -> Verdict:
    """What the rules of the rig say of these slices."""
    return Verdict.ACCEPT if len(numbers) == max(numbers) - min(numbers) + 1 else Verdict.REVIEW


@dataclass
class Said:
    """All that the node says of a study."""

    rig: Rig
    web: TestClient
    cli: Callable[..., Ran]
    study: str
    paths: list[Path]
    here: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    flagged: bool = False
    claimed: bool = False
    dismissed: bool = False
    digests: list[InstanceDigest] = field(default_factory=list)

    def receive(self, numbers: Sequence[int]) -> bool:
        """Send slices; returns whether any of them is new."""
        is_new = bool(set(numbers) - self.here)
        self.digests += self.rig.receive(*(self.paths[number] for number in numbers))
        self.here |= set(numbers)
        self.gone -= set(numbers)
        return is_new

    def item(self) -> WorklistItem | None:
        with self.rig.database.begin() as transaction:
            items = worklist.select(transaction, worklist.WorklistFilter(), limit=9)
        return next((item for item in items if item.study_instance_uid == self.study), None)

    def verdicts(self) -> dict[str, set[str]]:
        """By surface."""
        words = {"rows": {verdict.value for verdict in self._rows()}}
        listed = self.web.get("/images").text
        of_study = [row for row in re.findall("<tr>.*?</tr>", listed, re.DOTALL) if f"/studies/{self.study}" in row]
        words["images"] = {self._verdict_in(row) for row in of_study}
        page = self.web.get(f"/studies/{self.study}").text
        words["study"] = {self._verdict_in(re.findall("<h1>.*?</h1>", page, re.DOTALL)[0])}
        explained = self.cli("explain", self.study, "--data-dir", self.rig.folder).out
        words["explain"] = set(re.findall(r"slices +\d+, verdict ([A-Z_]+);", explained))
        words["explain one"] = set(re.findall(r"^  verdict +([A-Z_]+) at", explained, re.MULTILINE))
        rest = self.web.get(f"/api/v1/instances/{self.study}", params={"limit": 99}).json()["instances"]
        words["rest"] = {one["disposition"]["verdict"] for one in rest if one["disposition"]}
        words["report"] = {self._code(one) for one in self.reports()}
        return words

    def late(self) -> dict[str, bool]:
        """Whether each surface says that more came and is being measured."""
        words = "More of the series came, being measured"
        explained = self.cli("explain", self.study, "--data-dir", self.rig.folder).out
        rest = self.web.get(f"/api/v1/instances/{self.study}", params={"limit": 99}).json()["instances"]
        pages = {"images": "/images", "study": f"/studies/{self.study}"}
        if (item := self.item()) is not None and item.state is not WorklistState.RESOLVED:
            pages |= {"worklist": "/", "rest worklist": f"/api/v1/worklist/{self.study}"}
        places = {name: words in self.web.get(address).text for name, address in pages.items()}
        return places | {"explain": words in explained, "rest": all(words in one["late"] for one in rest)}

    def reports(self) -> list[pydicom.Dataset]:
        """Those that no later one amends, by QIDO and from the store."""
        answer = self.web.get("/api/dicom-web/instances", params={"StudyInstanceUID": self.study, "limit": 99})
        answers = [] if answer.status_code == 204 else answer.json()
        made = {one.SOPInstanceUID: one for one in self._files(SR)}
        assert {one["00080018"]["Value"][0] for one in answers} >= set(made), "QIDO has all reports"
        amended = {
            reference.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
            for one in made.values()
            for study in one.get("PredecessorDocumentsSequence", ())
            for reference in study.ReferencedSeriesSequence
        }
        return [one for uid, one in made.items() if uid not in amended]

    def notes(self) -> int:
        """Key objects that hold."""
        return len(notes_in_force(Path(one.filename) for one in self._files(KOS)))

    def _files(self, kind: str) -> list[pydicom.Dataset]:
        of = tables.results.c
        with self.rig.database.begin() as transaction:
            query = sa.select(of.object_key).join(tables.instances, tables.instances.c.digest == of.digest)
            mine = tables.instances.c.study_instance_uid == self.study, of.kind == kind
            keys = transaction.execute(query.where(*mine).order_by(of.made_at)).scalars().all()
        return [pydicom.dcmread(self.rig.objects.local_path(key)) for key in keys]

    def _rows(self) -> list[Verdict]:
        of = tables.dispositions.c
        with self.rig.database.begin() as transaction:
            rows = transaction.execute(sa.select(of.verdict).where(of.study_instance_uid == self.study)).scalars()
            return [Verdict(one) for one in rows]

    @staticmethod
    def _verdict_in(text: str) -> str:
        [words] = set(re.findall(r'<span class="verdict [a-z_]+">([^<]+)</span>', text))
        return next((verdict.value for verdict, named in WORDS.items() if named == words), words)

    @staticmethod
    def _code(report: pydicom.Dataset) -> str:
        codes = {one.value for one in report.iterall() if one.keyword == "CodeValue"}
        [verdict] = [verdict.value for verdict, code in QUALITY_ASSESSMENTS.items() if code.value in codes]
        return verdict


def client(rig: Rig) -> TestClient:
    settings = load_settings(node={"data_dir": rig.folder})
    services = WebServices(rig.database, rig.objects, settings, list)
    return TestClient(
        create_app(services), "http://localhost:8080", client=("127.0.0.1", 50000), follow_redirects=False
    )


def judge_all(rig: Rig) -> None:
    """What is due, what was asked for before it came, and the reports of decisions."""
    for digest in (*rig.look(30.0), *rig.jobs.digests):
        rig.pipeline.judge(digest)
    rig.jobs.digests.clear()
    Amendments(rig.pipeline._context, lambda _kind: ["PACS"]).make_due()


def remove(rig: Rig, digest: InstanceDigest) -> None:
    """As retention does."""
    of = tables.instances
    with rig.database.begin() as transaction:
        key = instances.load(transaction, digest).object_key
        values = {"removed_at": rig.now, "removal_cause": RemovalCause.AGE.value}
        transaction.execute(sa.update(of).where(of.c.digest == digest).values(**values))
    rig.objects.local_path(key).unlink()


def happen(rig: Rig, speaker: Said, way: Way) -> None:
    """What happens after the first verdict."""
    item, between = speaker.item(), way.between
    with rig.database.begin() as transaction:
        if between == "claimed" and item is not None:
            worklist.claim(transaction, speaker.study, "anna", rig.now)
            speaker.claimed = True
        elif between == "dismissed" and item is not None:
            worklist.resolve(transaction, speaker.study, Resolution.DISMISSED, "anna", "", rig.now)
            speaker.dismissed = True
        elif between == "asked again":
            row = reassessments.representative(transaction, instances.load(transaction, speaker.digests[0]).header)
            assert reassessments.ask(transaction, InstanceDigest(row.digest), "anna", "", rig.now)
            rig.jobs.digests.append(InstanceDigest(row.digest))
    if between == "a slice is removed":
        remove(rig, speaker.digests[0])
        speaker.gone.add(ARRIVALS[way.arrivals][0][0])


def check_state(speaker: Said, verdict: Verdict) -> None:
    """Worklist, notices and the archive's key object: what a person said stands beside the verdict."""
    item, is_flagged = speaker.item(), verdict is Verdict.REVIEW
    if item is not None:
        assert {image.verdict for image in item.images} == ({verdict} if is_flagged else set())
        if speaker.claimed:
            assert (item.state, item.claimed_by) == (WorklistState.CLAIMED, "anna")
        elif speaker.dismissed:
            assert (item.state, item.resolved_by) == (WorklistState.RESOLVED, "anna")
        else:
            assert item.state is (WorklistState.OPEN if is_flagged else WorklistState.RESOLVED)
    assert is_flagged <= (item is not None)
    now = datetime.now(UTC)
    with speaker.rig.database.begin() as transaction:
        entries = notices.flagged(transaction, now - timedelta(days=1), now + timedelta(days=1), ())
    assert {one.verdict for one in entries if one.study_instance_uid == speaker.study} == (
        {verdict} if is_flagged else set()
    )
    assert speaker.notes() == (is_flagged and not speaker.dismissed), "a key object holds while the series is flagged"


@pytest.mark.parametrize("way", in_gate(WAYS, 6), ids=[way.name for way in WAYS])
def test_all_surfaces_agree(rig: Rig, tmp_path: Path, cli: Callable[..., Ran], way: Way) -> None:
    web = client(rig)
    studies = [Said(rig, web, cli, making.STUDY, files(tmp_path / "a", way.shape))]
    if way.shape == SHAPES[2]:
        studies.append(Said(rig, web, cli, TWIN, files(tmp_path / "b", way.shape, TWIN)))
    expected = Verdict.ACCEPT
    for place, numbers in enumerate(ARRIVALS[way.arrivals]):
        for speaker in studies:
            is_new = speaker.receive(numbers)
            if place and is_new:
                assert set(speaker.late().values()) == {True}, speaker.late()
        judge_all(rig)
        for speaker in studies:
            if not speaker.gone:
                expected = verdict_of(speaker.here)
            is_flagged = expected is Verdict.REVIEW
            speaker.dismissed &= speaker.flagged or not is_flagged  # a series that is flagged anew is open again
            speaker.flagged = is_flagged
            # A report of a decision says what the person decided.
            of_report = {Verdict.ACCEPT.value if speaker.dismissed else expected.value}
            verdicts = speaker.verdicts()
            assert verdicts == {surface: {expected.value} for surface in verdicts} | {"report": of_report}, place
            assert not any(speaker.late().values())
            check_state(speaker, expected)
            if not place:
                happen(rig, speaker, way)
    count = sum(len(speaker.here) for speaker in studies)
    with rig.database.begin() as transaction:
        counted = overview.look(transaction, rig.now - timedelta(days=1))
    assert (counted.accepted, counted.in_work) == (count if expected is Verdict.ACCEPT else 0, 0)
