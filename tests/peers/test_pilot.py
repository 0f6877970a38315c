"""A pilot on real archives: each image is counted once, whatever is killed, its verdict is that of ``assess``."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.observe import metrics
from miqa_node.core.settings import load_settings
from miqa_node.features.pilot.progress import Outcome
from miqa_node.features.pilot.rows import images
from miqa_node.node import Node
from miqa_node.runtime.store.tables import all_tables
from miqa_node.stages.deliver.kinds.folder import FolderConfig
from tests.conftest import free_port
from tests.features.pilot.making import PERIOD, Site, as_file, past_images
from tests.peers.orthanc import DICOMWEB, start_orthanc
from tests.peers.test_receive_peers import BIN
from tests.quick import in_gate
from tests.sending import exposure, judged
from tests.waiting import LIMIT_S, wait_until

pytestmark = [pytest.mark.peers, pytest.mark.more]

KILLS = 3
WAYS = {
    "C-GET of Orthanc": ("pacs", "get"),
    "C-MOVE of Orthanc": ("pacs", "move"),
    "WADO-RS of Orthanc": ("web", "any"),
    "C-GET of dcmqrscp": ("plain", "get"),
    "C-MOVE of dcmqrscp": ("plain", "move"),
    "folder": ("folder", "any"),
}
PILOTS = re.compile(r"\bpilot\b")
COUNTERS = re.compile(r"miqa_\w+_total|miqa_delivery_seconds_count|miqa_stage_seconds_count")
OF_THE_NETWORK = re.compile("miqa_cstore_received_total")
"""That an archive sent something is no word about an image."""
OF_THE_CLOCK = {"audit_marks", "rollup_marks"}
"""How far background work has looked."""


class Archives:
    """Orthanc, DCMTK's dcmqrscp and a folder with the same images, as the destinations of a site."""

    def __init__(self, stack: ExitStack, folder: Path, samples: Path) -> None:
        self.folder, self.samples, self._stack = folder, samples, stack
        self.files = folder / "images"
        self.site = Site(folder / "site", free_port())

    def fill(self, number: int) -> None:
        """Make the images."""
        self.files.mkdir()
        for image in past_images(self.samples, number):
            (self.files / f"{image.SOPInstanceUID}.dcm").write_bytes(as_file(image))

    def start(self, kind: str, by: str) -> tuple[str, str]:
        """Start what a pilot is to be from; its name for ``--from``, and the way."""
        if kind == "folder":
            self.site.name_archives()
            return str(self.files), by
        start = self._start_plain if kind == "plain" else self._start_orthanc
        self.site.name_archives(**{kind: start(kind)})
        return kind, by

    def _start_orthanc(self, kind: str) -> dict[str, Any]:
        rights = {f"DicomAlwaysAllow{one}": True for one in ("Find", "Get", "Move")}
        peers = {"DicomModalities": {"miqa": ["MIQA", "127.0.0.1", self.site.port]}}
        peer = self._stack.enter_context(start_orthanc(self.folder, [DICOMWEB], **rights, **peers))
        for file in self.files.iterdir():
            peer.call("/instances", file.read_bytes())
        if kind == "web":
            return {"kind": "stow", "url": peer.dicomweb}
        return {"kind": "cstore", "ae_title": "ORTHANC", "host": "127.0.0.1", "port": peer.dicom_port}

    def _start_plain(self, _kind: str) -> dict[str, Any]:
        if not (BIN / "dcmqrscp").exists():
            pytest.skip("dcmqrscp is not installed")
        port, storage = free_port(), self.folder / "plain"
        storage.mkdir()
        config = self.folder / "dcmqrscp.cfg"
        config.write_text(
            f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            f"HostTable BEGIN\nmiqa = (MIQA, localhost, {self.site.port})\nHostTable END\n"
            f"VendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\nPLAIN {storage} RW (1000, 1024mb) ANY\nAETable END\n"
        )
        subprocess.run(
            [*map(str, (BIN / "dcmqridx", storage, *sorted(self.files.iterdir())))],
            check=True,
            capture_output=True,
        )
        process = subprocess.Popen(
            [BIN / "dcmqrscp", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._stack.callback(process.wait, LIMIT_S)
        self._stack.callback(process.kill)
        keys = {"kind": "cstore", "ae_title": "PLAIN", "host": "127.0.0.1", "port": port}
        probe = [str(BIN / "echoscu"), "-aec", "PLAIN", "127.0.0.1", str(port)]
        wait_until(
            lambda: subprocess.run(probe, capture_output=True, check=False).returncode == 0, what="dcmqrscp listens"
        )
        return keys


def seen(of: Archives) -> dict[str, list[str]]:
    """All rows of all tables, counters, and what destinations got, but for what has the origin of a pilot."""
    after = {"told": sorted(str(file) for file in (of.folder / "told").rglob("*.dcm")), "counters": counters()}
    with of.site.transaction() as transaction:
        for table in all_tables().sorted_tables:
            if not table.name.startswith("pilot") and table.name not in OF_THE_CLOCK:
                rows = [str(dict(row)) for row in transaction.execute(sa.select(table)).mappings()]
                after[table.name] = sorted(row for row in rows if not PILOTS.search(row))
    return after


def counters() -> list[str]:
    """Of the node in this process."""
    lines = metrics.exposition().decode().splitlines()
    return [one for one in lines if COUNTERS.match(one) and not OF_THE_NETWORK.match(one)]


def changes(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: sorted(set(rows) ^ set(before[name])) for name, rows in after.items() if rows != before[name]}


@pytest.fixture
def archives(tmp_path: Path, samples: Path) -> Iterator[Archives]:
    with ExitStack() as stack:
        yield Archives(stack, tmp_path, samples)


@contextmanager
def running(of: Archives) -> Iterator[Node]:
    """The node of the site, which receives, and tells a folder of each ordinary image; its rooms learn."""
    (of.folder / "told").mkdir()
    settings = load_settings(of.site.config, web={"port": 0}, policy={"learn_images": 200})
    with Node(settings, [FolderConfig(name="told", folder=str(of.folder / "told"))]) as node:
        yield node


def check_each_once(of: Archives, counts: dict[str, int], number: int) -> None:
    assert [counts[name] for name in ("planned", "found", "fetched")] == [number] * 3
    assert (counts["judged"] + counts["not_assessed"], counts["failed"]) == (number, 0)
    with of.site.transaction() as transaction:
        rows = images.select(transaction, "october")
    assert {row.outcome for row in rows} == {Outcome.JUDGED}
    assert {row.sop_instance_uid: (row.verdict, row.score) for row in rows} == of.site.assessed(of.files)
    assert {(row.room, f"{row.day:%Y-%m}") for row in rows} == {("ROOM0", "2026-10"), ("ROOM1", "2026-10")}
    assert not list((of.site.folder / "incoming").rglob("*.dcm")), "originals go when they are judged"


def pilot_with_kills(of: Archives, source: str, by: str, number: int) -> None:
    of.site.run("pilot", "plan", "october", "--from", source, *PERIOD)
    after = [number * (one + 1) // (KILLS + 1) for one in range(KILLS)]
    check_each_once(of, of.site.run_with_kills("october", after, "--by", by), number)


def test_each_image_counts_once_whatever_is_killed(archives: Archives) -> None:
    archives.fill(8)
    pilot_with_kills(archives, *archives.start("pacs", "get"), 8)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("way", WAYS)
def test_each_of_a_hundred_images_counts_once(archives: Archives, way: str) -> None:
    archives.fill(100)
    source, by = archives.start(*WAYS[way])
    with running(archives) if "MOVE" in way else nullcontext():
        pilot_with_kills(archives, source, by, 100)
        assert (seen(archives)["told"], seen(archives)["instances"]) == ([], [])


def run(of: Archives, source: str, by: str, number: int) -> None:
    of.site.run("pilot", "plan", "october", "--from", source, *PERIOD)
    answer = of.site.run("pilot", "run", "october", "--now", "--pace", "1000", "--by", by, "--json")
    check_each_once(of, json.loads(answer), number)


@pytest.mark.parametrize("way", in_gate([way for way in WAYS if "MOVE" not in way], 1))
def test_nothing_of_today_changes(archives: Archives, way: str) -> None:
    archives.fill(6)
    source, by = archives.start(*WAYS[way])
    with running(archives) as node:
        for number in (100, 101):
            judged(node, exposure(archives.samples, number, StationName="ROOM0"), LIMIT_S)
        wait_until(lambda: seen(archives)["told"], what="it is told")
    before = seen(archives)
    assert [len(before[name]) for name in ("instances", "dispositions", "acquisitions", "worklist")] == [2] * 4
    run(archives, source, by, 6)
    assert changes(before, seen(archives)) == {}


@pytest.mark.parametrize("way", in_gate([way for way in WAYS if "MOVE" in way], 1))
def test_what_comes_by_the_move_of_a_pilot_is_told_to_nobody(archives: Archives, way: str) -> None:
    archives.fill(6)
    source, by = archives.start(*WAYS[way])
    with running(archives):
        before = seen(archives)
        run(archives, source, by, 6)
        changed = changes(before, seen(archives))
    of_the_caller = changed.pop("senders", []) + changed.pop("audit_records", [])
    assert set(changed) <= {"destination_checks", "executors"}, "what a node does without images, too"
    assert not [one for one in of_the_caller if "received" in one or "verdict" in one]
