"""Odd files are right alike by all ways in: named, or in a folder, for ``assess``; by C-STORE; and by STOW-RS.

The files are those of ``odd_files.py`` and all of pydicom's own test files. Whatever a file is, each way says the same
of it: it is judged, or the same reason why not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydicom.uid import UID
from pynetdicom import AE, build_context

from miqa_node.core.domain.instance import InstanceDigest, can_name
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.dicom.elements import peek_elements
from miqa_node.errors import DataSetError
from miqa_node.interfaces.cli.app import run
from miqa_node.interfaces.web.app import WebServices, create_app
from miqa_node.libraries.pynetdicom_streaming.exchange import Exchange
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.scp import StorageScp
from miqa_node.stages.units.rows import copies, instances
from tests.dicom.odd_files import JUDGED, OddFile, odd_files
from tests.dicom.reference import FOLDERS, NOT_CASES
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig
from tests.quick import in_gate

CLASS, INSTANCE = 0x00080016, 0x00080018
ANSWER_S, LARGEST = 60.0, 1 << 22
UNDECODABLE = "The pixels could not be decoded: "
NO_MODEL = "No quality model is installed."
OF_ITS_KIND = (
    "Measured, experimental: ",
    "The node has no measurements and no model for ",
    "The header does not say what kind of image this is: ",
)
REFUSED, LEFT_OUT, NOT_SENT = "refused", "left out", "not sent"
UNNAMED = "Not a DICOM"
UNPLACED = "Give it what is missing: miqa-node worklist correct."
"""Of an image without UID of study or series, which ``assess`` looks at all the same."""
OF_A_SERIES = ("MR_truncated.dcm",)
"""Slices that a node judges with the other files of their series, here with one that is whole."""
BOUNDARY = "odd"
ODD_NAMES = ("", " с пробелом", "-患者.dcm", ".tmp", ";1", "-ü'\"$(x)", ".", ".DCM")
"""What file names end in."""

pytestmark = [
    pytest.mark.more,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore"),  # of the libraries that write and send odd things
]


def libraries_files() -> Iterator[OddFile]:
    """pydicom's own test files; nothing is expected of them but that all ways agree."""
    for path in sorted(FOLDERS["pydicom"].iterdir()):
        if path.is_file() and not path.name.endswith(NOT_CASES) and path.stat().st_size < LARGEST:
            yield OddFile(path.name, path.read_bytes(), "")


@dataclass(frozen=True)
class Sayings:
    """What each way says of one file."""

    named: str
    folder: str
    c_store: str
    stow: str


class Node:
    """The whole pipeline behind one way in."""

    def __init__(self, folder: Path, pool: WorkerPool) -> None:
        folder.mkdir()
        self.rig = Rig(folder, pool, parse_policy(FLAG_EVERYTHING), relaxed_uids=True)

    def said(self, digest: InstanceDigest) -> str:
        """JUDGED, or why not, after the stages ran as the queue would run them."""
        self.rig.finish(digest)
        with self.rig.database.begin() as transaction:
            image = copies.instance_of(transaction, digest) or digest  # some files are one image in two encodings
            assessment = instances.load_assessment(transaction, image)
        assert assessment is not None
        reason = assessment.not_assessed.removeprefix(UNDECODABLE)
        return JUDGED if reason in ("", NO_MODEL) or assessment.unfit or reason.startswith(OF_ITS_KIND) else reason


@pytest.fixture(scope="module", params=in_gate(["made", "pydicom"], 1))
def sayings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[OddFile, Sayings]]:
    """Of each file, by its name."""
    files = odd_files() if request.param == "made" else list(libraries_files())
    folder, nodes = tmp_path_factory.mktemp("odd"), tmp_path_factory.mktemp("nodes")
    paths = []
    for number, file in enumerate(files):
        paths.append(
            folder / f"{number:03d}-{re.sub('[^A-Za-z0-9]', '_', file.name)}{ODD_NAMES[number % len(ODD_NAMES)]}"
        )
        paths[-1].write_bytes(file.data)
    named, listed = _assess(*map(str, paths)), _assess(str(folder))
    with WorkerPool(load_settings(work={"processes": 1})) as pool:
        stored = _by_c_store(files, Node(nodes / "c-store", pool))
        posted = _by_stow(files, Node(nodes / "stow", pool))
    return {
        file.name: (file, Sayings(named[path.name], listed.get(path.name, LEFT_OUT), by_network, by_web))
        for file, path, by_network, by_web in zip(files, paths, stored, posted, strict=True)
    }


def test_all_ways_say_the_same(sayings: dict[str, tuple[OddFile, Sayings]]) -> None:
    assert "\n".join(f"{name}: {one}" for name, (file, one) in sayings.items() if not _agree(file, one)) == ""
    assert len(sayings) in (len(odd_files()), len(list(libraries_files())))  # none is lost, and no two share a name
    assert len(sayings) > 70


def test_what_is_said_is_right(sayings: dict[str, tuple[OddFile, Sayings]]) -> None:
    assert {
        n: (file.said, one.named) for n, (file, one) in sayings.items() if not one.named.startswith(file.said)
    } == {}


def _agree(file: OddFile, one: Sayings) -> bool:
    if one.named.startswith(UNNAMED):  # there is nothing to send, and a folder may hold anything
        return one.folder in (one.named, LEFT_OUT) and one.c_store == NOT_SENT and one.stow == REFUSED
    if one.stow == REFUSED:
        return one.folder == one.named != JUDGED and one.c_store in (REFUSED, NOT_SENT)
    if one.folder != one.named or one.c_store != one.stow:
        return False
    if file.received or (not file.said and one.c_store.endswith(UNPLACED)):
        return one.c_store.startswith(file.received)
    return one.c_store == one.named or file.name in OF_A_SERIES


def _assess(*arguments: str) -> dict[str, str]:
    """What the command says, by name of the file."""
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(StringIO()):
        run(["assess", "--json", "--per-file", *arguments])
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    return {Path(line["file"]).name: line.get("error") or line.get("skipped") or JUDGED for line in lines}


def _sent(file: OddFile) -> tuple[str, str, str, bytes] | None:
    """SOP class, instance, transfer syntax and data set of a C-STORE; None if there is nothing to send."""
    try:
        encoding, elements = peek_elements(file.data, frozenset({CLASS, INSTANCE}))
    except DataSetError:
        return None
    uids = [elements[tag].value.decode("latin-1").strip(" \0") if tag in elements else "" for tag in (CLASS, INSTANCE)]
    sendable = all(map(can_name, uids))
    return (uids[0], uids[1], encoding.transfer_syntax_uid, file.data[encoding.offset :]) if sendable else None


def _by_c_store(files: Sequence[OddFile], node: Node) -> list[str]:
    dicom = {"host": "127.0.0.1", "port": 0, "relaxed_uids": True, "max_associations_per_peer": 60}
    settings = load_settings(dicom=dicom).dicom
    folder = node.rig.folder / "incoming"
    scp = StorageScp(settings, Intake.of(settings, folder, node.rig.pipeline.receive, node.rig.objects.check))
    scp.start()
    reasons = []
    for file in files:
        sent = _sent(file)
        if sent is None:
            reasons.append(NOT_SENT)
            continue
        sop_class, instance, syntax, data = sent
        association = AE("ODD").associate("127.0.0.1", scp.port, [build_context(UID(sop_class), UID(syntax))])
        context_id = association.accepted_contexts[0].context_id
        assert context_id is not None
        status = Exchange(association, ANSWER_S).store(context_id, sop_class, instance, data)
        association.release()
        assert status in (0x0000, 0xA900, 0xC000), f"{file.name}: {status:04X}"
        reasons.append(REFUSED if status else node.said(_digest(data)))
    scp.stop(1.0)
    node.rig.database.close()
    return reasons


def _by_stow(files: Sequence[OddFile], node: Node) -> list[str]:
    settings = load_settings(node={"data_dir": node.rig.folder})
    intake = Intake(node.rig.folder / "incoming", node.rig.pipeline.receive, lambda: None, 1 << 28, relaxed_uids=True)
    services = replace(WebServices(node.rig.database, node.rig.objects, settings, list), intake=intake)
    client = TestClient(create_app(services), "http://localhost:8080", client=("127.0.0.1", 50000))
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    reasons = []
    for file in files:
        part = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + file.data
        end = f"\r\n--{BOUNDARY}--\r\n".encode()
        answer = client.post("/api/dicom-web/studies", content=part + end, headers={"content-type": kind})
        sent = _sent(file)
        if answer.status_code != 200:
            assert answer.status_code == 409, f"{file.name}: {answer.status_code}"
            reasons.append(REFUSED)
        else:
            encoding, _ = peek_elements(file.data, frozenset({CLASS}))
            reasons.append(node.said(_digest(sent[3] if sent else file.data[encoding.offset :])))
    node.rig.database.close()
    return reasons


def _digest(data: bytes) -> InstanceDigest:
    return InstanceDigest(hashlib.sha256(data).hexdigest())
