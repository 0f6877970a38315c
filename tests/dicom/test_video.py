"""Video and other streams that nobody decodes, through the real SCP: kept to the last byte, and named in the result."""

from __future__ import annotations

import random
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    VideoEndoscopicImageStorage,
    XRayAngiographicImageStorage,
    generate_uid,
)

from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.worklist.rows import worklist
from miqa_node.stages.units.rows import instances
from tests.dicom.test_receive_reference import connect, port, rig, store
from tests.node.test_pipeline import Rig

__all__ = ["port", "rig"]

VIDEO = [UID(f"1.2.840.10008.1.2.4.{number}") for number in (100, 101, 102, 103, 104, 105, 106, 107, 108)]
FRAGMENTABLE = [UID(f"{syntax}.1") for syntax in VIDEO if syntax not in VIDEO[-2:]]


def video(path: Path, syntax: UID, sop_class: UID) -> bytes:
    """A valid header around fragments that say nothing; the encoded data set."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.Modality = "ES" if sop_class == VideoEndoscopicImageStorage else "XA"
    ds.PatientName, ds.PatientID = "Phantom^Video", "1"
    ds.Rows, ds.Columns, ds.NumberOfFrames, ds.FrameTime = 480, 640, 25, 40.0
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "YBR_PARTIAL_420", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = encapsulate([random.Random(7).randbytes(50_001)], has_bot=False)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path, enforce_file_format=True)
    meta = pydicom.dcmread(path, stop_before_pixels=True).file_meta
    return path.read_bytes()[128 + 4 + 12 + meta.FileMetaInformationGroupLength :]


@pytest.mark.parametrize("sop_class", [VideoEndoscopicImageStorage, XRayAngiographicImageStorage], ids=["ES", "XA"])
@pytest.mark.parametrize("syntax", [*VIDEO, *FRAGMENTABLE])
def test_video_is_kept_and_told_not_assessed(syntax: UID, sop_class: UID, rig: Rig, port: int, tmp_path: Path) -> None:
    sent = video(tmp_path / "video.dcm", syntax, sop_class)
    status, digest = store(port, tmp_path / "video.dcm")
    assert status == 0x0000
    with rig.database.begin() as transaction:
        instance = instances.load(transaction, digest)
    assert instance.header.transfer_syntax_uid == syntax
    assert rig.objects.get(instance.object_key).endswith(sent)
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.NOT_ASSESSED
    with rig.database.begin() as transaction:
        assessment = instances.load_assessment(transaction, digest)
        assert worklist.count(transaction, worklist.WorklistFilter(uid=instance.header.sop_instance_uid)) == 0
    assert assessment is not None
    assert "video; it is stored and delivered, but not decoded" in assessment.not_assessed


def test_the_list_has_every_video_syntax_that_is_known() -> None:
    syntaxes = {syntax for syntax in AllTransferSyntaxes if "MPEG" in syntax.name or "HEVC" in syntax.name}
    assert syntaxes
    assert syntaxes <= {*VIDEO, *FRAGMENTABLE}


def test_the_node_takes_images_all_the_same(rig: Rig, port: int, samples: Path) -> None:
    status, digest = store(port, samples / "RG3_UNCR.dcm")
    assert status == 0x0000
    association, _exchange = connect(port, str(VideoEndoscopicImageStorage), str(VIDEO[-1]))
    association.release()
    with rig.database.begin() as transaction:
        assert instances.load(transaction, digest).digest == digest
