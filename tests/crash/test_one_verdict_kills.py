"""kill -9 while series come late, twice, in parts or out of order: after each start all surfaces agree on one verdict.

The ways are those of tests/node/test_one_verdict_everywhere.py; here a node in a process of its own goes them, and
is killed while slices arrive, wait and are judged.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, cast

import httpx2
import pydicom
import pytest
from pydicom.uid import UID

from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from tests.conftest import KINDS_OF_DATABASE
from tests.crash.faults import ALL, marks
from tests.crash.station import LIMIT_S, Node, Pacs
from tests.crash.test_kill import pacs  # noqa: F401 - fixture
from tests.crash.test_series import send
from tests.interfaces.cli.conftest import Ran, cli
from tests.node.test_one_verdict_everywhere import ARRIVALS, SHAPES, SLICES, Said, check_state, verdict_of
from tests.stages.measure.series import making
from tests.waiting import delay, wait_until

__all__ = ["cli"]
pytestmark = [pytest.mark.timeout(3600), *marks]  # the first one counts

BETWEEN = ("nothing", "claimed", "dismissed")
WAYS = list(product(ARRIVALS, SHAPES)) if ALL else [("late, and again late", SHAPES[0])]
"""With ``make faults`` 18 ways and 20 kills or more, else one way."""
POLICY = """
version = "s1"
[evidence."two scanners"]
tried_on = ["one", "two"]
[[rule]]
modality = ["CT"]
each = [
    { measurement = ["ct_noise", "slice_gaps"], then = "ACCEPT", evidence = "two scanners" },
    { measurement = "slice_gaps", above = 0, then = "REVIEW", reason = "111209", evidence = "site" },
]
"""
LONGEST_S = 3.0
"""Until a kill: slices arrive, wait one second, are judged and reported in it."""
NOT_YET = (AssertionError, ValueError, IndexError, httpx2.HTTPError)
"""What the surfaces say before there is a verdict."""


class Killed:
    """A node with a database that the test reads, too."""

    def __init__(self, folder: Path, url: str, port: int) -> None:
        self.folder, self.kills = folder / "data", 0
        self.folder.mkdir()
        self.database = Database(url or f"sqlite:///{self.folder / 'miqa.sqlite'}", pool_size=2)
        self.database.migrate()
        self.objects = DiskObjects(self.folder / "objects")
        self.node = Node(folder, port)
        self.web = httpx2.Client(base_url=f"http://127.0.0.1:{self.node.web_port}", timeout=60)
        self.wait()

    def kill(self) -> None:
        self.node.kill()
        self.node.start()
        self.kills += 1

    def wait(self) -> None:
        wait_until(self.node.is_ready, LIMIT_S, "the node is ready", look_s=0.2)

    def close(self) -> None:
        self.web.close()
        self.node.close()
        self.database.close()


@pytest.fixture(params=KINDS_OF_DATABASE if ALL else KINDS_OF_DATABASE[:1])
def killed(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    pacs: Pacs,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Killed]:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY, "utf-8")
    url = str(request.getfixturevalue("postgres_url")) if request.param == "postgresql" else ""
    environment = {
        "MIQA_POLICY__FILE": str(policy),
        "MIQA_WORK__CT_QUIET_S": "1",
        "MIQA_WORK__HEARTBEAT_INTERVAL_S": "1",
        "MIQA_WORK__MAX_ATTEMPTS": "20",  # on a slow machine most kills meet the same series
        **({"MIQA_STORE__DATABASE_URL": url} if url else {}),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    killed = Killed(tmp_path, url, pacs.port)
    yield killed
    killed.close()


def slices(folder: Path, shape: str, number: int, *, twin: bool = False) -> tuple[str, list[Path]]:
    """Study Instance UID and files of a way; a twin is another study whose series has the same UID."""
    series, study = f"{making.SERIES}.{number}", f"{making.STUDY}.{number}{'.9' if twin else ''}"

    def change(dataset: pydicom.Dataset) -> None:
        own = f".{dataset.InstanceNumber}" if shape == SHAPES[1] else ""
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = f"{series}{own}", study
        dataset.PatientID = f"W{study}"[-16:]
        uid = UID(f"{study}.{dataset.InstanceNumber}")
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid

    images = [making.body_ct(seed=SLICES * number + one) for one in range(SLICES)]
    return study, making.write_series(folder / study, images, "CT", change=change)


def decide(speaker: Said, between: str, verdict: Verdict) -> None:
    """As a person does on the worklist after the first verdict."""
    if verdict is not Verdict.REVIEW or between == BETWEEN[0]:
        return
    now = datetime.now(UTC)
    with speaker.rig.database.begin() as transaction:
        if between == "claimed":
            worklist.claim(transaction, speaker.study, "anna", now)
            speaker.claimed = True
        else:
            worklist.resolve(transaction, speaker.study, Resolution.DISMISSED, "anna", "", now)
            speaker.dismissed = True


def check(speaker: Said, expected: Verdict) -> None:
    """An AssertionError, or another of NOT_YET, unless all surfaces say what follows from the slices."""
    of_report = {Verdict.ACCEPT.value if speaker.dismissed else expected.value}
    verdicts = speaker.verdicts()
    assert verdicts == {surface: {expected.value} for surface in verdicts} | {"report": of_report}
    assert not any(speaker.late().values())
    check_state(speaker, expected)


def agree(speaker: Said, expected: Verdict) -> None:
    def is_so() -> bool:
        with suppress(*NOT_YET):
            check(speaker, expected)
            return True
        return False

    with suppress(AssertionError):  # what they say instead is told below
        wait_until(is_so, LIMIT_S, look_s=0.5)
    check(speaker, expected)


def test_one_verdict_after_each_kill(killed: Killed, tmp_path: Path, cli: Callable[..., Ran]) -> None:
    chance, speakers = random.Random(20261128), list[tuple[Said, Verdict]]()
    for number, (arrivals, shape) in enumerate(WAYS):
        rig, between = cast("Any", killed), BETWEEN[number % len(BETWEEN)]
        twins = (False, True) if shape == SHAPES[2] else (False,)
        made = [slices(tmp_path / "sent", shape, number, twin=twin) for twin in twins]
        studies = [Said(rig, cast("Any", killed.web), cli, study, paths) for study, paths in made]
        expected = Verdict.ACCEPT
        for place, numbers in enumerate(ARRIVALS[arrivals]):
            strike = chance.randrange(len(numbers)) if chance.random() < 0.5 else -1
            for at, one in enumerate(numbers):
                for speaker in studies:
                    send(killed.node.dicom_port, speaker.paths[one])
                if at == strike:
                    killed.kill()  # while slices arrive
            if strike < 0:
                delay(chance.uniform(0.0, LONGEST_S))
                killed.kill()  # while the series waits or is judged
            killed.wait()
            for speaker in studies:
                speaker.here |= set(numbers)
                expected = verdict_of(speaker.here)
                is_flagged = expected is Verdict.REVIEW
                speaker.dismissed &= speaker.flagged or not is_flagged
                speaker.flagged = is_flagged
                agree(speaker, expected)
                if not place:
                    decide(speaker, between, expected)
        speakers += [(speaker, expected) for speaker in studies]
    killed.kill()
    killed.wait()
    for speaker, expected in speakers[-2:]:
        agree(speaker, expected)
    assert killed.kills >= (20 if ALL else 3)
