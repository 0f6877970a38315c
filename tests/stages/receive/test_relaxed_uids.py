"""UIDs with letters, as anonymised archives have them: taken by setting, kept as they are, and named so by results."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import UID

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import DataSetError
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.part10 import FileOrigin, FileTransfer
from tests.stages.receive.wire import Node, encoded, send_raw, small_image
from tests.stages.report import making

pytestmark = pytest.mark.filterwarnings("ignore:.*Invalid value for VR UI", "ignore:.*value for VR UI")
ANONYMOUS = {
    "SOPInstanceUID": "ANON-7f3.1_a",
    "SeriesInstanceUID": "LIDC-IDRI-0001.s",
    "StudyInstanceUID": "1.2.abc",
}
StartNode = Callable[..., Node]


@pytest.mark.parametrize("relaxed", [False, True])
def test_c_store(start_node: StartNode, relaxed: bool) -> None:
    read = []

    def receive(received: ReceivedObject) -> None:
        read.append(read_header(Path(received.path), relaxed=relaxed)[0])

    node = start_node(receive, relaxed_uids=relaxed)
    ds = small_image()
    for keyword, uid in ANONYMOUS.items():
        setattr(ds, keyword, uid)
    response = send_raw(node.port, encoded(ds), sop_instance=ds.SOPInstanceUID)
    assert response is not None
    assert response.Status == (0x0000 if relaxed else 0xC000)
    if relaxed:
        (header,) = read
        assert (header.sop_instance_uid, header.study_instance_uid) == ("ANON-7f3.1_a", "1.2.abc")
        dataset = dcmread(BytesIO(node.files[0]))
        assert {keyword: dataset[keyword].value for keyword in ANONYMOUS} == ANONYMOUS
        assert dataset.file_meta.MediaStorageSOPInstanceUID == "ANON-7f3.1_a"
    else:
        assert "dicom.relaxed_uids" in str(response.ErrorComment)


@pytest.mark.parametrize("relaxed", [False, True])
def test_stow_and_folder(tmp_path: Path, relaxed: bool) -> None:
    files: list[bytes] = []
    intake = Intake(
        tmp_path / "in", lambda r: files.append(Path(r.path).read_bytes()), lambda: None, 1 << 24, relaxed_uids=relaxed
    )
    file = _anonymous(tmp_path).read_bytes()
    transfer = FileTransfer(intake, FileOrigin("STOW-RS", "MIQA", "127.0.0.1"))
    transfer.write(file)
    response = transfer.finish()
    transfer.end()
    assert response.status == (0x0000 if relaxed else 0xC000)
    assert len(files) == relaxed


@pytest.mark.parametrize("uid", ["..", "../1", "a/b", "a b", "ä", "x" * 65])
def test_what_could_leave_its_folder_is_no_uid_with_the_setting_either(tmp_path: Path, uid: str) -> None:
    path = _anonymous(tmp_path, SOPInstanceUID=uid)
    with pytest.raises(DataSetError):
        read_header(path, relaxed=True)
    intake = Intake(tmp_path / "in", lambda r: None, lambda: None, 1 << 24, relaxed_uids=True)
    transfer = FileTransfer(intake, FileOrigin("STOW-RS", "MIQA", "127.0.0.1"))
    transfer.write(path.read_bytes())
    assert transfer.finish().status == 0xC000
    transfer.end()


def test_results_name_the_image_as_its_sender_does(tmp_path: Path) -> None:
    path = _anonymous(tmp_path)
    made = making.flagged(path)
    assert {one.kind for one in made} == {"SR", "SEG", "KOS"}
    for one in made:
        ds = making.read(one)
        assert ds.StudyInstanceUID == "1.2.abc"
        assert "ANON-7f3.1_a" in {str(element.value) for element in ds.iterall() if element.VR == "UI"}
        assert str(ds.SOPInstanceUID).startswith("2.25.")


def test_assess_needs_no_setting(tmp_path: Path) -> None:
    header, _ = read_header(_anonymous(tmp_path), nameless=True)
    assert header.sop_instance_uid == "ANON-7f3.1_a"


def _anonymous(folder: Path, **uids: str) -> Path:
    ds = making.small(64, 64)
    for keyword, uid in (ANONYMOUS | uids).items():
        ds[keyword].value = uid
    ds.file_meta.MediaStorageSOPInstanceUID = UID(ds["SOPInstanceUID"].value)
    path = folder / "anonymous.dcm"
    ds.save_as(path, enforce_file_format=False)
    return path
