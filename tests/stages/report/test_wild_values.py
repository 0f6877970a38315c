"""Results are made of what senders really write: values that the standard forbids, and encodings of old."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from miqa_node.stages.report.made import MadeObject
from tests.stages.report import making

KINDS = [ResultKind(name) for name in ("SR", "SEG", "KOS", "GSPS", "SC", "ENHANCED")]
"""Those that take over what stands in the header; the others are made as these are."""
Change = Callable[[Dataset], None]


def with_values(**values: object) -> Change:
    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


def made_of(path: Path) -> tuple[MadeObject, ...]:
    return making.flagged(path, KINDS, making.radiograph(path))


TABLE = np.linspace(0, 65535, 4096).astype("<u2")
OVERLAY = bytes(range(256)) * 2


def with_words(dataset: Dataset) -> None:
    """A VOI LUT and an overlay, both in words (VR OW), whose byte order is that of the file."""
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.add_new("LUTData", "OW", TABLE.tobytes())
    dataset.VOILUTSequence = Sequence([item])
    making.without("WindowCenter", "WindowWidth")(dataset)
    dataset.add_new(0x60000010, "US", 64)
    dataset.add_new(0x60000011, "US", 64)
    dataset.add_new(0x60000040, "CS", "G")
    dataset.add_new(0x60000050, "SS", [1, 1])
    dataset.add_new(0x60000100, "US", 1)
    dataset.add_new(0x60000102, "US", 0)
    dataset.add_new(0x60003000, "OW", OVERLAY)


def swapped(words: bytes) -> bytes:
    return np.frombuffer(words, "<u2").astype(">u2").tobytes()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_words_of_a_big_endian_source_are_turned_round(syntax: str, tmp_path: Path) -> None:
    source = making.small(64, 64)
    with_words(source)
    source.file_meta.TransferSyntaxUID = UID(syntax)
    if syntax == ExplicitVRBigEndian:
        source.PixelData = swapped(source.PixelData)
        source[0x60003000].value = swapped(OVERLAY)
        source.VOILUTSequence[0]["LUTData"].value = swapped(TABLE.tobytes())
    path = tmp_path / "source.dcm"
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(path, source, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    made = {item.kind: making.read(item) for item in made_of(path)}
    enhanced, state = made[ResultKind("ENHANCED")], made[ResultKind("GSPS")]
    assert enhanced[0x60003000].value == OVERLAY
    assert enhanced.VOILUTSequence[0].LUTData == TABLE.tobytes()
    assert state.SoftcopyVOILUTSequence[0].VOILUTSequence[0].LUTData == TABLE.tobytes()


def test_a_lut_over_negative_values_stays_one_in_the_presentation_state(tmp_path: Path) -> None:
    source = making.small(64, 64)
    with_words(source)
    source.RescaleSlope, source.RescaleIntercept = "1", "-1024"
    del source.VOILUTSequence[0].LUTDescriptor
    source.VOILUTSequence[0].add_new("LUTDescriptor", "SS", [4096, -1000, 16])
    source.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian  # which does not say that it was SS
    path = tmp_path / "source.dcm"
    source.save_as(path, implicit_vr=True, little_endian=True)
    state = next(making.read(i) for i in making.flagged(path, [ResultKind("GSPS")]))
    table = state.SoftcopyVOILUTSequence[0].VOILUTSequence[0]
    assert (table["LUTDescriptor"].VR, list(table.LUTDescriptor)) == ("SS", [4096, -1000, 16])


def test_a_slope_without_an_intercept_is_in_the_presentation_state(tmp_path: Path) -> None:
    """Without it the window, which is in the modality's units, would show something else than was judged."""
    path = making.write(making.small(64, 64), tmp_path / "source.dcm", with_values(RescaleSlope="2"))
    (state,) = map(making.read, making.flagged(path, [ResultKind("GSPS")]))
    assert (state.RescaleSlope, state.RescaleIntercept) == (2, 0)


def test_measuring_goes_by_the_calibrated_spacing_where_there_is_one(tmp_path: Path) -> None:
    both = with_values(ImagerPixelSpacing=[0.2, 0.2], PixelSpacing=[0.15, 0.15])
    path = making.write(making.small(64, 64), tmp_path / "source.dcm", both)
    seg, state = map(making.read, making.flagged(path, [ResultKind("SEG"), ResultKind("GSPS")]))
    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing == [0.15, 0.15]
    assert state.DisplayedAreaSelectionSequence[0].PresentationPixelSpacing == [0.15, 0.15]
    film = making.write(making.small(64, 64), tmp_path / "film.dcm", with_values(NominalScannedPixelSpacing=[0.1, 0.1]))
    seg = making.read(making.flagged(film, [ResultKind("SEG")])[0])
    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing == [0.1, 0.1]


def test_files_name_the_implementation_that_the_associations_name(tmp_path: Path) -> None:
    for item in made_of(making.write(making.small(64, 64), tmp_path / "source.dcm")):
        meta = making.read(item).file_meta
        assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
        assert meta.ImplementationVersionName == IMPLEMENTATION_VERSION_NAME


def test_a_derived_image_is_not_the_authorized_original(tmp_path: Path) -> None:
    source = making.small(64, 64)
    original = copy.deepcopy(source)
    original.SOPInstanceStatus, original.SOPAuthorizationDateTime = "AO", "20260101120000"
    path = making.write(original, tmp_path / "source.dcm")
    pixels = making.radiograph(path)
    (made,) = [i for i in making.flagged(path, [ResultKind("ENHANCED")], pixels) if i.kind == ResultKind("ENHANCED")]
    assert not {"SOPInstanceStatus", "SOPAuthorizationDateTime"} & set(making.read(made).dir())
    assert "SOPInstanceStatus" in pydicom.dcmread(path)
