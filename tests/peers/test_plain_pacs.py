"""A PACS that decodes nothing and takes Implicit VR only gets every kind of object that its profile asks for."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from miqa_node.core.domain.output import output_kinds
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.errors import DeliveryError
from miqa_node.stages.deliver.form import in_form
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.outputs.airai import AIRAI
from miqa_node.stages.report.outputs.base import OUTPUTS
from miqa_node.stages.report.outputs.rejection import rejection_note
from tests.conftest import free_port
from tests.peers.orthanc import Orthanc
from tests.peers.test_receive_peers import BIN
from tests.peers.validators import errors
from tests.stages.deliver.making import outcomes
from tests.stages.report import making
from tests.stages.report.reviewed import assessed
from tests.stages.report.test_text import CONFIRMED, in_set
from tests.waiting import LIMIT_S, wait_until

pytestmark = pytest.mark.peers


def _answers(destination: CStoreDestination) -> bool:
    with suppress(DeliveryError):
        destination.probe()
        return True
    return False


LABEL_MAP = "SEG_LABELMAP"
"""Its SOP class is younger than DCMTK 3.6.7, which takes it when asked to take what it does not know (``-pm``)."""


def deliver(
    made: Sequence[MadeObject], options: Sequence[str], folder: Path, **profile: object
) -> dict[str, pydicom.FileDataset]:
    """What storescp keeps of the objects, sent by the profile of a destination; by SOP Instance UID."""
    if not (BIN / "storescp").exists():
        pytest.skip("storescp is not installed")
    port = free_port()
    folder.mkdir()
    command = [str(BIN / "storescp"), *options, "-od", str(folder), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        config = CStoreConfig.model_validate(
            {"name": "pacs", "ae_title": "ANY", "host": "127.0.0.1", "port": port, **profile}
        )
        context = DeliveryContext(load_settings().deliver, "NODE")
        destination = CStoreDestination(config, context)
        wait_until(lambda: _answers(destination), what="storescp listens")
        files = [(one.sop_class_uid, one.sop_instance_uid, in_form(config, one.data, context)) for one in made]
        assert outcomes(destination, *files) == [None] * len(files)
        destination.close()
    finally:
        process.terminate()
        process.wait(timeout=LIMIT_S)
    datasets = {str(ds.SOPInstanceUID): ds for ds in map(pydicom.dcmread, folder.iterdir())}
    assert set(datasets) == {one.sop_instance_uid for one in made}
    return datasets


@pytest.mark.parametrize("options", [[], ["+xi"]], ids=["defaults", "implicit only"])
def test_every_kind_reaches_storescp(options: list[str], tmp_path: Path) -> None:
    source = making.write(making.small(), tmp_path / "source.dcm")
    note = rejection_note([source], making.assessment(), CONFIRMED)
    made = [*making.everything(source), *assessed(source), note]
    assert {one.kind for one in made} == set(output_kinds()) - {"NOISE_MAP"}  # which only a CT series has
    older, newer = [one for one in made if one.kind != LABEL_MAP], [one for one in made if one.kind == LABEL_MAP]
    datasets = deliver(older, options, tmp_path / "out") | deliver(newer, [*options, "-pm"], tmp_path / "newer")
    for one in made:
        got, sent = datasets[one.sop_instance_uid], making.read(one)
        assert not got.file_meta.TransferSyntaxUID.is_compressed
        if options:
            assert got.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        if one.kind == AIRAI:
            assert got.to_json_dict() == sent.to_json_dict()
        if sent.file_meta.TransferSyntaxUID.is_compressed:
            plain = tmp_path / f"{one.kind}.dcm"
            plain.write_bytes(uncompress(one.data))
            assert got.PixelData == pydicom.dcmread(plain).PixelData
            before = tmp_path / f"{one.kind}-before.dcm"
            before.write_bytes(one.data)
            assert set(errors(plain)) <= set(errors(before)), one.kind


def test_orthanc_keeps_an_assessment_as_it_is(orthanc: Orthanc, tmp_path: Path) -> None:
    [made] = assessed(making.write(making.small(), tmp_path / "source.dcm"))
    config = CStoreConfig(name="pacs", ae_title="ORTHANC", host="127.0.0.1", port=orthanc.dicom_port)
    destination = CStoreDestination(config, DeliveryContext(load_settings().deliver, "NODE"))
    assert outcomes(destination, (made.sop_class_uid, made.sop_instance_uid, made.data)) == [None]
    destination.close()
    [instance] = orthanc.call("/instances")
    assert pydicom.dcmread(BytesIO(orthanc.file(instance))).to_json_dict() == making.read(made).to_json_dict()


def test_a_pacs_that_takes_deflated_objects_gets_them_so(tmp_path: Path) -> None:
    made = making.everything(making.write(making.small(), tmp_path / "source.dcm"))
    profile = {"transfer_syntaxes": [str(DeflatedExplicitVRLittleEndian), str(ExplicitVRLittleEndian)]}
    for one in made:
        got = deliver([one], ["+xd", "-pm"], tmp_path / one.kind, **profile)[one.sop_instance_uid]
        if making.read(one).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian:
            assert got.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
            assert got.to_json_dict() == making.read(one).to_json_dict()


def test_a_pacs_that_takes_everything_gets_what_its_profile_says(tmp_path: Path) -> None:
    """``+xa``: storescp accepts every transfer syntax that it knows."""
    source = making.write(making.small(), tmp_path / "source.dcm", in_set("ISO_IR 100"))
    made = [one for one in making.everything(source) if one.kind in ("SR", "SEG", "SC", "SC_RLE", "PDF")]
    syntaxes = {one.transfer_syntax_uid for one in OUTPUTS.all().values()}
    free = deliver(made, ["+xa"], tmp_path / "free")
    assert {str(ds.file_meta.TransferSyntaxUID) for ds in free.values()} <= syntaxes
    assert any(ds.file_meta.TransferSyntaxUID.is_compressed for ds in free.values())
    profile = {"transfer_syntaxes": [str(ExplicitVRLittleEndian)], "character_set": "ISO_IR 192"}
    bound = deliver(made, ["+xa"], tmp_path / "bound", **profile)
    for uid, ds in bound.items():
        assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert ds.SpecificCharacterSet == "ISO_IR 192"
        assert (ds.PatientName, ds.StudyDescription) == (free[uid].PatientName, free[uid].StudyDescription)
