"""The IHE integration statement is what the code does: its objects reach a running node, which commits to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from miqa_node.core.domain.delivery import CommitmentRequest
from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.settings import load_settings, share_dir
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_node.stages.receive.commitment import Commitment
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.scp import StorageScp
from miqa_node.stages.report.outputs.rejection import Confirmation, rejection_note
from tests.stages.deliver.making import outcomes
from tests.stages.report import making
from tools.conformance import storage_classes, uid_name
from tools.integration import integration_page

pytestmark = pytest.mark.more

PAGE = share_dir("config").parent / "docs" / "reference" / "integration.md"
CONFIRMED = Confirmation("j.doe", making.ASSESSED_AT, "111210", "both hands moved")
STORED = re.compile(r"^\| .+ Stored \[(RAD-[0-9]+)\] \| (?:C-STORE of )?(.+?) \| ", re.MULTILINE)
"""(transaction, what is stored) of a row."""


@dataclass
class LiveNode:
    port: int = 0
    files: list[Dataset] = field(default_factory=list)
    requests: list[CommitmentRequest] = field(default_factory=list)

    def keep(self, received: ReceivedObject) -> None:
        self.files.append(dcmread(received.path))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[LiveNode]:
    live = LiveNode()
    commitment = Commitment(
        lambda request, association: live.requests.append(request), lambda: None, lambda event_type, information: None
    )
    settings = load_settings(dicom={"host": "127.0.0.1", "port": 0}).dicom
    intake = Intake.of(settings, tmp_path / "in", live.keep, lambda: None)
    scp = StorageScp(settings, intake, commitment=commitment)
    scp.start()
    live.port = scp.port
    yield live
    scp.stop(1.0)


def test_the_integration_statement_is_that_of_this_code() -> None:
    page = PAGE.read_text("utf-8")
    assert page == integration_page(), "run: python -m tools.reference integration --out docs/reference/integration.md"
    for test in re.findall(r"`(?:tests/[a-z]+/)?(test_[a-z_]+[.]py)`", page):
        assert list((PAGE.parents[2] / "tests").rglob(test)), test


def test_what_it_stores_reaches_a_node_that_commits_to_it(node: LiveNode, tmp_path: Path) -> None:
    """What a node sends of one image: the classes of the transactions, all of them and no other; then N-ACTION."""
    source = making.write(making.small(), tmp_path / "source.dcm")
    made = [*making.everything(source), rejection_note([source], making.assessment(), CONFIRMED)]
    config = CStoreConfig(name="n", ae_title="MIQA", host="127.0.0.1", port=node.port, commitment=True)
    destination = CStoreDestination(config, DeliveryContext(load_settings().deliver, "MIQA"))
    assert outcomes(destination, *((one.sop_class_uid, one.sop_instance_uid, one.data) for one in made)) == [
        None for _ in made
    ]
    page = PAGE.read_text("utf-8")
    stored = dict(STORED.findall(page))
    assert set(stored) == {"RAD-43", "RAD-18", "RAD-29", "RAD-19", "RAD-66"}
    names = {uid_name(uid) for uid in storage_classes()}
    stated = names & {name for text in stored.values() for name in re.split(", | and ", text)}
    enhanced = uid_name(dcmread(source, stop_before_pixels=True).SOPClassUID)
    assert "in the class of their source" in stored["RAD-18"]
    of_series = {"Parametric Map Storage"}  # of a CT series; this is one image
    assert of_series < stated
    assert {uid_name(ds.SOPClassUID) for ds in node.files} == {*stated, enhanced} - of_series
    for ds in node.files:
        if ds.Modality == "KO":
            (title,) = ds.ConceptNameCodeSequence
            assert f"({title.CodeValue}, {title.CodingSchemeDesignator}, {title.CodeMeaning})" in page

    objects = [(one.sop_class_uid, one.sop_instance_uid) for one in made]
    destination.request_commitment("1.2.3.4.5", objects)
    destination.close()
    (request,) = node.requests
    assert (request.transaction_uid, sorted(request.objects)) == ("1.2.3.4.5", sorted(objects))
