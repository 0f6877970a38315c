"""Objects in the retired big endian syntax are converted, each kind of word by its own size."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRBigEndian

from miqa_node.dicom.bytes.uncompressed import uncompress

SAMPLES = ("MR_small_bigendian", "ExplVR_BigEnd", "SC_rgb_expb", "SC_rgb_expb_16bit", "SC_rgb_expb_32bit_2frame")


@pytest.mark.parametrize("name", SAMPLES)
def test_pixels_and_header_are_the_same(name: str) -> None:
    path = get_testdata_file(f"{name}.dcm")
    if not isinstance(path, str):
        pytest.skip("not among the samples of this version of pydicom")
    source = dcmread(path)
    plain = dcmread(BytesIO(uncompress(Path(path).read_bytes())))
    assert plain.file_meta.TransferSyntaxUID.is_little_endian
    assert np.array_equal(plain.pixel_array, source.pixel_array)
    del plain.PixelData, source.PixelData
    assert [element for element in source if element.tag.element] == list(plain)  # group lengths are retired


def test_words_of_tables_and_of_items_are_swapped() -> None:
    source = Dataset()
    source.SOPClassUID, source.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "2.25.1"
    source.RedPaletteColorLookupTableDescriptor = [2, 0, 16]
    source.RedPaletteColorLookupTableData = b"\x01\x02\x03\x04"
    item = Dataset()
    item.FloatPixelData, item.DoubleFloatPixelData = b"\1\2\3\4", b"\1\2\3\4\5\6\7\10"
    source.IconImageSequence = [item]
    source.ensure_file_meta()
    source.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    out = BytesIO()
    source.save_as(out, enforce_file_format=True)
    plain = dcmread(BytesIO(uncompress(out.getvalue())))
    assert plain.RedPaletteColorLookupTableDescriptor == [2, 0, 16]
    assert plain.RedPaletteColorLookupTableData == b"\x02\x01\x04\x03"
    assert plain.IconImageSequence[0].FloatPixelData == b"\4\3\2\1"
    assert plain.IconImageSequence[0].DoubleFloatPixelData == b"\10\7\6\5\4\3\2\1"
