"""The recipes of the page on PACS, as written there but for ports: what each receiver has in the end."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from demo.samples import make_samples
from miqa_node.core.domain.delivery import DeliveryAction
from miqa_node.core.settings import load_settings
from miqa_node.node import Node
from miqa_node.runtime.store import tables
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_node.stages.deliver.rows import delivery_jobs
from miqa_node.stages.report.outputs.base import OUTPUTS
from miqa_selftest.send import send
from tests.conftest import ROOT, free_port
from tests.peers.orthanc import Orthanc, start_orthanc
from tests.peers.test_receive_peers import BIN
from tests.waiting import LIMIT_S, stays, wait_until

pytestmark = [pytest.mark.peers, pytest.mark.more]

PAGE = ROOT / "docs" / "how-to" / "will-it-fit-my-pacs.md"
IMAGES = make_samples()


def recipe(heading: str, title: str, **ports: int) -> str:
    """A block of the page, with ports of this machine in place of its own: ``p104=4711``."""
    section = PAGE.read_text("utf-8").partition(f"\n### {heading}\n")[2].partition("\n##")[0]
    block = re.search(rf'```\w+ title="{re.escape(title)}"\n(.*?)```', section, re.DOTALL)
    assert block is not None
    text = block[1]
    for written, port in ports.items():
        text = re.sub(rf"\b{written[1:]}\b", str(port), text)
    return text


@contextmanager
def node_of(folder: Path) -> Iterator[Node]:
    settings = load_settings(
        node={"data_dir": folder / "node"}, dicom={"port": 0, "host": "127.0.0.1"}, web={"port": 0}
    )
    with Node(settings) as node:
        yield node


def flagged_of(node: Node, port: int, ae_title: str = "MIQA") -> set[str]:
    """Send all images to somebody, and wait until the node has judged them; those that it flagged."""
    peer = CStoreConfig(name="peer", ae_title=ae_title, host="127.0.0.1", port=port)
    assert [one.error for one in send(IMAGES, peer, load_settings().deliver) if one.error] == []
    columns = tables.instances.c.sop_instance_uid, tables.dispositions.c.verdict
    query = sa.select(*columns).join(tables.dispositions, tables.dispositions.c.digest == tables.instances.c.digest)

    def verdicts() -> dict[str, str]:
        with node.database.begin() as transaction:
            return {row[0]: row[1] for row in transaction.execute(query)}

    wait_until(lambda: len(verdicts()) == len(IMAGES))
    return {uid for uid, verdict in verdicts().items() if verdict in {"REVIEW", "REJECT"}}


def states(node: Node) -> Counter[tuple[str, str]]:
    """Number of deliveries by kind and state."""
    query = sa.select(tables.results.c.kind, tables.deliveries.c.state).join(
        tables.deliveries, tables.deliveries.c.sop_instance_uid == tables.results.c.sop_instance_uid
    )
    with node.database.begin() as transaction:
        return Counter((kind, state) for kind, state in transaction.execute(query))


def is_done(node: Node) -> bool:
    return bool(states(node)) and all(state != "QUEUED" for _, state in states(node))


def kinds_in(archive: Orthanc) -> Counter[str]:
    """Number of results in an archive by kind; images count as ``image``."""
    kinds = {one.series_number: str(one.kind) for one in OUTPUTS.all().values() if one.by_default}
    counts: Counter[str] = Counter()
    for series in archive.call("/series?expand"):
        number = int(series["MainDicomTags"].get("SeriesNumber") or 0)
        counts[kinds.get(number, "image")] += len(series["Instances"])
    return counts


def test_orthanc(tmp_path: Path) -> None:
    configuration = json.loads(recipe("Orthanc", "orthanc.json"))
    del configuration["DicomPort"]
    with node_of(tmp_path) as node, start_orthanc(tmp_path, **configuration) as archive:
        destinations = recipe("Orthanc", "destinations.toml", p4242=archive.dicom_port)
        node.settings.destinations_file.write_text(destinations)
        flagged = flagged_of(node, node.dicom_port)
        wait_until(lambda: is_done(node))
        before = kinds_in(archive)
        assert before == Counter(SR=len(flagged), SEG=len(flagged), KOS=len(flagged))
        assert 0 < len(flagged) < len(IMAGES)
        with node.database.begin() as transaction:
            again = delivery_jobs.act_on_all(
                transaction, DeliveryAction.RESEND, delivery_jobs.DeliveryFilter(), "anna", "", datetime.now(UTC)
            )
        assert again == before.total()
        wait_until(lambda: is_done(node))
        assert {state for _, state in states(node)} == {"SENT"}
        assert kinds_in(archive) == before, "the archive keeps one of each"


@pytest.mark.parametrize("objects", ["as written", "with SEG"])
def test_without_segmentations(tmp_path: Path, objects: str) -> None:
    if not (BIN / "storescp").exists():
        pytest.skip("storescp is not installed")
    port, arrivals = free_port(), tmp_path / "pacs"
    arrivals.mkdir()
    (tmp_path / "storescp.cfg").write_text(recipe("A PACS without SEG", "storescp.cfg"))
    command = [str(BIN / "storescp"), "-xf", str(tmp_path / "storescp.cfg"), "Old", "-od", str(arrivals), str(port)]
    pacs = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with node_of(tmp_path) as node:
            destinations = recipe("A PACS without SEG", "destinations.toml", p104=port)
            if objects == "with SEG":
                destinations = destinations.replace('"SR"', '"SR", "SEG"')
            node.settings.destinations_file.write_text(destinations)
            count = len(flagged_of(node, node.dicom_port))
            wait_until(lambda: is_done(node))
            expected = Counter({(kind, "SENT"): count for kind in ("SR", "KOS", "SC", "GSPS", "PDF")})
            refused = Counter({("SEG", "FAILED"): count} if objects == "with SEG" else {})
            assert states(node) == expected + refused
            with node.database.begin() as transaction:
                jobs = delivery_jobs.select(transaction, delivery_jobs.DeliveryFilter(), limit=100)
    finally:
        pacs.terminate()
        pacs.wait(timeout=LIMIT_S)
    assert all(job.attempts == 1 for job in jobs)
    assert all("Segmentation" in job.last_error for job in jobs if job.kind == "SEG")
    assert len(list(arrivals.iterdir())) == 5 * count


def test_a_router(tmp_path: Path) -> None:
    heading = "A router between"
    (tmp_path / "pacs").mkdir()
    (tmp_path / "route.lua").write_text(recipe(heading, "route.lua"))
    with node_of(tmp_path) as node, start_orthanc(tmp_path / "pacs", DicomAet="PACS") as pacs:
        text = recipe(heading, "router.json", p104=pacs.dicom_port, p11112=node.dicom_port)
        configuration = json.loads(text) | {"LuaScripts": [str(tmp_path / "route.lua")]}
        del configuration["DicomPort"]
        with start_orthanc(tmp_path, **configuration) as router:
            destinations = recipe(heading, "destinations.toml", p4242=router.dicom_port)
            node.settings.destinations_file.write_text(destinations)
            count = len(flagged_of(node, router.dicom_port, "ROUTER"))
            expected = Counter(image=len(IMAGES), SR=count, SEG=count, KOS=count)
            wait_until(lambda: kinds_in(pacs) == expected)
            stays(lambda: kinds_in(pacs) == expected, 3.0)
        with node.database.begin() as transaction:
            received = transaction.execute(sa.select(sa.func.count()).select_from(tables.instances)).scalar_one()
    assert received == len(IMAGES), "no result came back"
