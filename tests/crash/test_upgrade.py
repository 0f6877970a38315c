"""docs/how-to/upgrade.md, with wheels: a node of an earlier version is filled, upgraded to this one, and goes back.

Everything that the earlier one knew is there, and what it left half done is finished exactly once; the other way too.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from tests.conftest import ROOT, PostgresServer
from tests.crash.faults import marks
from tests.crash.station import LIMIT_S, Node, Pacs, chests, noise
from tests.installation import EARLIER, ENVIRONMENT, Installation, built, sources_of
from tests.waiting import delay, wait_until

OUT_OF_RESOURCES, SUCCESS = 0xA700, 0x0000
COMMAND_LOOK_S = 1.0
"""Between two looks that each start a process, which would keep a busy machine from the node that is looked at."""

pytestmark = [pytest.mark.timeout(3600), *marks]  # the first one counts; each of many waits has a deadline of its own


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The version that a site has."""
    folder = tmp_path_factory.mktemp("earlier")
    sources = sources_of(EARLIER, folder / "sources")
    return Installation(folder / "miqa", *built([sources], folder))


@pytest.fixture(scope="module")
def present(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The version of this checkout, in a folder of its own beside the one that works."""
    folder = tmp_path_factory.mktemp("present")
    return Installation(folder / "miqa", *built([ROOT], folder))


class Site:
    """A data directory, the scanner and the PACS around it, and the images that were sent."""

    def __init__(self, folder: Path, samples: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder, self.data, self.settings = folder, folder / "data", dict(settings or {})
        self.data.mkdir()
        self.pacs = Pacs()
        self._chest, self._noise = chests(samples), noise(samples)
        self._sent = 0
        self.study_of: dict[str, str] = {}

    @contextmanager
    def running(self, version: Installation, role: str = "all") -> Iterator[Node]:
        """The node of a version as a process; it is stopped as a service manager does."""
        node = Node(
            self.folder,
            self.pacs.port,
            ENVIRONMENT | self.settings,
            (role,),
            (str(version.program),),
        )
        try:
            wait_until(lambda: role == "receive" or node.is_ready(), LIMIT_S, f"{version.folder} is ready")
            yield node
        finally:
            node.close()

    def send(self, node: Node, count: int, *, flagged: bool = True) -> list[str]:
        """New images of one new study, by their UIDs; noise is flagged, a good chest radiograph is not."""
        image, pixels = self._noise if flagged else self._chest
        image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
        uids = []
        with scanner(node) as association:
            for _ in range(count):
                self._sent += 1
                image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
                image.PixelData = pixels(self._sent)
                assert association.send_c_store(image).Status == SUCCESS
                uids.append(str(image.SOPInstanceUID))
        self.study_of.update(dict.fromkeys(uids, str(image.StudyInstanceUID)))
        return uids

    def command(self, version: Installation, *words: str) -> str:
        """What a command of a version prints."""
        done = version.run(*words, "--data-dir", str(self.data), settings=self.settings)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def images(self, version: Installation, uids: list[str]) -> dict[str, dict[str, Any]]:
        """What a version says of images, as far as it may not change."""
        images = {}
        for study in {self.study_of[uid] for uid in uids}:
            for shown in json.loads(self.command(version, "explain", study, "--json"))["instances"]:
                verdict = shown["disposition"]
                images[shown["instance"]["header"]["sop_instance_uid"]] = {
                    "digest": shown["instance"]["digest"],
                    "verdict": verdict and verdict["verdict"],
                    "reasons": verdict and [reason["name"] for reason in verdict["reasons"]],
                    "score": shown["assessment"] and shown["assessment"]["score"],
                    "results": {(one["kind"], one["sop_instance_uid"]) for one in shown["results"]},
                }
        assert set(images) == set(uids)
        return images

    def state(self, version: Installation, uids: list[str]) -> dict[str, Any]:
        """What a version says of images and of what people did; its audit trail is unbroken."""
        assert "unbroken" in self.command(version, "audit", "verify")
        listed = json.loads(self.command(version, "worklist", "list", "--all", "--json"))["items"]
        of_study = {one["study_instance_uid"]: (one["state"], one["decision"], one["resolved_by"]) for one in listed}
        return {
            "images": self.images(version, uids),
            "worklist": {uid: of_study.get(self.study_of[uid]) for uid in uids},
            "labels": json.loads(self.command(version, "labels", "list", "--json"))["labels"],
            "accounts": self.command(version, "users", "list"),
        }

    def wait_for_reports(self, uids: list[str]) -> None:
        """Until the PACS has a report of each."""
        wait_until(lambda: set(uids) <= set(self.pacs.reports), LIMIT_S, "every image has its report at the PACS")

    def wait_for_verdicts(self, version: Installation, uids: list[str]) -> None:
        """Until a version says a verdict of each."""

        def of_all() -> bool:
            return all(one["verdict"] for one in self.images(version, uids).values())

        wait_until(of_all, LIMIT_S, "every image has its verdict", look_s=COMMAND_LOOK_S)

    def leave_half_done(self, version: Installation) -> list[str]:
        """Images judged but not delivered, images in the middle of it, and images that are only received."""
        self.pacs.answer = lambda: OUT_OF_RESOURCES
        with self.running(version) as node:
            judged = self.send(node, 2)
            self.wait_for_verdicts(version, judged)
            middle = self.send(node, 8)
        with self.running(version, "receive") as node:
            received = self.send(node, 4)
        self.pacs.answer = lambda: SUCCESS
        return [*judged, *middle, *received]


@contextmanager
def scanner(node: Node) -> Iterator[Any]:
    """An association with the node, as soon as it listens."""
    ae = AE("SCANNER")
    ae.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
    ae.dimse_timeout = ae.network_timeout = LIMIT_S  # a busy machine may take longer than pynetdicom's 30 s

    def established() -> Any:
        association = ae.associate("127.0.0.1", node.dicom_port)
        return association if association.is_established else None

    association = wait_until(established, LIMIT_S, "the node listens")
    yield association
    association.release()


@pytest.fixture
def site(tmp_path: Path, samples: Path) -> Iterator[Site]:
    site = Site(tmp_path, samples)
    yield site
    site.pacs.close()


def fill(site: Site, node: Node, version: Installation) -> tuple[list[str], str]:
    """An accepted image and two flagged ones, an account, two labels, and a decision about the last image."""
    uids = [*site.send(node, 1, flagged=False), *site.send(node, 1), *site.send(node, 1)]
    site.wait_for_reports(uids)
    accepted, labelled, decided = uids
    site.command(version, "users", "add", "mara", "--role", "reviewer")
    (site.folder / "labels.csv").write_text(f"digest,label,sampled\n{accepted},good,1\n{labelled},noise,1\n")
    site.command(version, "labels", "import", str(site.folder / "labels.csv"), "--as", "mara")
    site.command(version, "worklist", "resolve", site.study_of[decided], "retaken", "--as", "mara")
    wait_until(lambda: len(site.pacs.reports[decided]) == 2, LIMIT_S, "the decision is reported")
    return uids, decided


@pytest.mark.long
def test_up_and_back(site: Site, earlier: Installation, present: Installation) -> None:
    with site.running(earlier) as node:
        uids, decided = fill(site, node, earlier)
        before = site.state(earlier, uids)
        assert [before["images"][uid]["verdict"] for uid in uids] == ["ACCEPT", "REJECT", "REJECT"]
        site.command(earlier, "backup", str(site.folder / "backup"))

    half_done = site.leave_half_done(earlier)
    verdicts = {uid: one for uid, one in site.images(earlier, half_done).items() if one["verdict"]}
    assert 2 <= len(verdicts) < len(half_done)
    with site.running(present) as node:
        site.wait_for_reports([*half_done, *site.send(node, 1)])
        assert site.state(present, uids) == before
        after = site.images(present, half_done)
        assert {uid: after[uid] for uid in verdicts} == verdicts
    finished_once(site, decided)

    later = site.leave_half_done(present)
    with site.running(earlier) as node:
        site.wait_for_reports([*later, *site.send(node, 1)])
        assert site.state(earlier, uids) == before
        assert site.images(earlier, half_done) == after
    finished_once(site, decided)

    with site.running(present) as node:
        site.wait_for_reports(site.send(node, 1))
    site.command(present, "fsck", "--deep")
    finished_once(site, decided)

    take_away(site.data / "miqa.sqlite")
    refused = earlier.run("run", "--data-dir", str(site.data))
    assert "of a newer miqa-node: start that version, or a later one." in refused.stdout + refused.stderr
    site.data.rename(site.folder / "newer")
    site.command(earlier, "restore", str(site.folder / "backup"))
    site.command(earlier, "fsck", "--deep")
    with site.running(earlier) as node:
        site.wait_for_reports(site.send(node, 1))
        assert site.state(earlier, uids) == before
    assert not site.pacs.changed


@pytest.mark.long
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_jobs_of_a_killed_node_are_finished_once(
    tmp_path: Path, samples: Path, earlier: Installation, present: Installation, database: str
) -> None:
    """200 images: judged, judged again, half done, scheduled again after kills, undelivered, and only received."""
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer()) if database == "postgresql" else None
        site = Site(tmp_path, samples, {"MIQA_STORE__DATABASE_URL": server.url} if server else {})
        stack.callback(site.pacs.close)
        chance = random.Random(200)
        with site.running(earlier) as node:
            judged = site.send(node, 10)
            site.wait_for_reports(judged)
            site.pacs.answer = lambda: OUT_OF_RESOURCES
            again = judged[:4]
            site.command(earlier, "reassess", *again, "--yes", "--as", "mara")
            busy = [*site.send(node, 25), *site.send(node, 25)]
            some = lambda: any(one["verdict"] for one in site.images(earlier, busy).values())  # noqa: E731
            wait_until(some, LIMIT_S, "the first of them is judged")  # a busy machine has judged none by now
            for _ in range(3):
                delay(chance.uniform(0.2, 1.0))
                node.kill()
                node.start()
                wait_until(node.is_ready, LIMIT_S, "the killed node is ready again")
            busy += site.send(node, 20)
            node.kill()
        with site.running(earlier, "receive") as node:
            received = [uid for _ in range(6) for uid in site.send(node, 20)]
            node.kill()
        everything = [*judged, *busy, *received]
        verdicts = [one["verdict"] for one in site.images(earlier, everything).values()]
        assert 120 <= verdicts.count(None) < 190
        site.pacs.answer = lambda: SUCCESS
        with site.running(present):
            site.wait_for_reports(everything)
            wait_until(lambda: all(len(site.pacs.reports[uid]) == 2 for uid in again), LIMIT_S, "all is judged again")
        assert all(one["verdict"] for one in site.images(present, everything).values())
        assert set(site.pacs.times.values()) == {1}
        assert {uid: len(site.pacs.reports[uid]) for uid in everything if len(site.pacs.reports[uid]) != 1} == (
            dict.fromkeys(again, 2)
        )
        assert not site.pacs.changed
        site.command(present, "fsck", "--deep")


def finished_once(site: Site, decided: str) -> None:
    """Each object came once, and one report of each image; a second one says what a person decided."""
    assert set(site.pacs.times.values()) == {1}
    assert {uid: len(reports) for uid, reports in site.pacs.reports.items() if len(reports) != 1} == {decided: 2}


def take_away(database: Path) -> None:
    """As a version does whose migration drops something: programs that know less may not go on."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE compatibility SET oldest_schema = '9999'")
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
