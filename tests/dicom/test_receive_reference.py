"""Every case of the reference table through the real SCP: what has a data set is kept and answered, nothing hangs.

Each file's data set goes over a socket as it is, in its own transfer syntax, into a storage SCP with the whole pipeline
behind it; then the stages run as the queue would run them, and the verdict says what the table says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID
from pynetdicom import AE, build_context
from pynetdicom.association import Association

from miqa_node.core.domain.instance import InstanceDigest, is_uid
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.dicom.elements import peek_elements
from miqa_node.errors import DataSetError
from miqa_node.libraries.pynetdicom_streaming.exchange import Exchange
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.scp import StorageScp
from miqa_node.stages.units.base import CONFLICTING
from miqa_node.stages.units.rows import copies, instances, series, unit_verdicts
from tests.dicom.reference import FOLDERS, Case, load_cases
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig

CLASS, INSTANCE = 0x00080016, 0x00080018
CASES = load_cases()
ANSWER_S = 60.0
KEPT, UNREADABLE, NOT_SENT = "kept", "unreadable", "not sendable"
COPY = "copy"
"""The image of an earlier file in another encoding: it has no verdict of its own."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with WorkerPool(load_settings(work={"processes": 1})) as pool:
        rig = Rig(tmp_path_factory.mktemp("node"), pool, parse_policy(FLAG_EVERYTHING))
        yield rig
        rig.database.close()


@pytest.fixture(scope="module")
def earlier() -> set[str]:
    """Digests of the files that were sent: some folders of the table have the same."""
    return set()


@pytest.fixture(scope="module")
def port(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    settings = load_settings(dicom={"host": "127.0.0.1", "port": 0, "max_associations_per_peer": 60}).dicom
    folder = rig.folder / "incoming"
    scp = StorageScp(settings, Intake.of(settings, folder, rig.pipeline.receive, rig.objects.check))
    scp.start()
    yield scp.port
    scp.stop(1.0)
    assert list(folder.iterdir()) == []


def store(port: int, path: Path) -> tuple[int | None, InstanceDigest]:
    """(status, digest) of a C-STORE of the file's data set; None when it has nothing to send."""
    data = path.read_bytes()
    try:
        encoding, peer_uids = peek_elements(data, frozenset({CLASS, INSTANCE}))
    except DataSetError:
        return None, InstanceDigest("")
    uids = [
        peer_uids[tag].value.decode("latin-1").strip(" \0") if tag in peer_uids else "" for tag in (CLASS, INSTANCE)
    ]
    if not all(map(is_uid, uids)):
        return None, InstanceDigest("")
    sent = data[encoding.offset :]
    association, exchange = connect(port, uids[0], encoding.transfer_syntax_uid)
    try:
        context_id = association.accepted_contexts[0].context_id
        assert context_id is not None
        status = exchange.store(context_id, uids[0], uids[1], sent)
        return status, InstanceDigest(hashlib.sha256(sent).hexdigest())
    finally:
        association.release()


def connect(port: int, sop_class: str, syntax: str) -> tuple[Association, Exchange]:
    association = AE("CASES").associate("127.0.0.1", port, [build_context(UID(sop_class), UID(syntax))])
    assert association.is_established
    return association, Exchange(association, ANSWER_S)


def outcome(rig: Rig, port: int, path: Path) -> tuple[str, str]:
    """What became of the file, and what the node says of it."""
    status, digest = store(port, path)
    if status is None:
        return NOT_SENT, ""
    if status != 0x0000:
        assert status in (0xA900, 0xC000), f"{status:04X}"
        return UNREADABLE, ""
    rig.pipeline.judge(digest)
    with rig.database.begin() as transaction:
        if copies.instance_of(transaction, digest) is not None:
            return COPY, ""
        members = [one.digest for one in series.files(transaction, instances.load(transaction, digest).header)]
        newest = unit_verdicts.represents(transaction, members or [digest])[-1]  # it speaks for all
        assessment = instances.load_assessment(transaction, newest)
    assert assessment is not None
    assert isinstance(rig.verdict(digest), Verdict)
    return KEPT, "; ".join([assessment.not_assessed, *(issue.message for issue in assessment.plausibility)])


# The sending library's own opinion of UIDs that real files have.
pytestmark = [pytest.mark.more, pytest.mark.filterwarnings("ignore:Invalid value for VR UI")]


def _mark(case: Case) -> object:
    marks = [pytest.mark.shared] if case.source == "shared" else []
    return pytest.param(case, id=f"{case.source}/{case.file}", marks=marks)


@pytest.mark.parametrize("case", [_mark(case) for case in CASES])
def test_through_the_scp(case: Case, rig: Rig, port: int, earlier: set[str]) -> None:
    if not FOLDERS[case.source].is_dir():
        pytest.skip("the shared data folder is not beside the checkout")
    what, answer = outcome(rig, port, case.path)
    file = hashlib.sha256(case.path.read_bytes()).hexdigest()
    again = file in earlier
    earlier.add(file)
    if not case.error:
        # Whatever decodes also arrives, unless it lacks the UIDs without which nothing can be sent.
        assert what in (KEPT, COPY, NOT_SENT)
        assert "could not be decoded" not in answer
    elif what == KEPT and not again:  # since then others of its series have spoken
        # A slice whose UID another file of the table had first takes no part in its series, and what has no study or
        # series is not assessed at all.
        reasons = (case.assess, CONFLICTING.message, "Give it what is missing: miqa-node worklist correct.")
        assert any(reason in answer for reason in reasons), "the reason is recorded"
    assert "^" not in answer


@pytest.mark.parametrize("file", ["MR_truncated.dcm"])
def test_a_slice_that_cannot_be_decoded_is_told_why(file: str, rig: Rig, port: int, tmp_path: Path) -> None:
    """Under UIDs of its own, as those of the table's other files would have come first."""
    case = next(case for case in CASES if case.file == file)
    header, data = pydicom.dcmread(case.path, stop_before_pixels=True), case.path.read_bytes()
    for uid in (header.SOPInstanceUID, header.SeriesInstanceUID):
        other = f"{uid[:-3]}{'987' if uid[-3:] != '987' else '986'}"
        data = data.replace(uid.encode(), other.encode())
    (tmp_path / "slice.dcm").write_bytes(data)
    what, answer = outcome(rig, port, tmp_path / "slice.dcm")
    assert what == KEPT
    assert case.assess in answer


def test_the_node_is_well_after_all_of_them(rig: Rig, port: int, samples: Path) -> None:
    case = next(case for case in CASES if case.source == "pydicom-data" and case.file == "RG3_UNCR.dcm")
    assert outcome(rig, port, case.path)[0] == KEPT
