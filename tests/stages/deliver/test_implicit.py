"""A peer that takes Implicit VR only gets the same values, byte for byte."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.errors import DeliveryRefusedError
from miqa_node.stages.deliver.kinds.base import split_file
from miqa_node.stages.deliver.rewriting import as_implicit_vr
from tests.stages.report import making

KINDS = [ResultKind(name) for name in ("SR", "SEG", "KOS", "GSPS", "ENHANCED")]
KOREAN = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf "
JAPANESE = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B "
NESTED = struct.pack("<HH2sHLHHL", 8, 0x2218, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)


def converted(path: Path) -> list[tuple[bytes, bytes]]:
    """(Explicit, Implicit VR) of each object that is made of the file."""
    made = making.flagged(path, KINDS, making.radiograph(path))
    assert [item.kind for item in made] != []
    data_sets = [split_file(item.data)[1] for item in made]
    return [(data_set, as_implicit_vr(data_set)) for data_set in data_sets]


def test_it_is_the_same_data_set(tmp_path: Path) -> None:
    pairs = converted(making.write(making.small(64, 64), tmp_path / "source.dcm"))
    assert len(pairs) == len(KINDS)
    for explicit, implicit in pairs:
        before = pydicom.dcmread(io.BytesIO(explicit), force=True)
        after = pydicom.dcmread(io.BytesIO(implicit), force=True)
        assert after.original_encoding == (True, True)
        if "PixelData" in before:
            before["PixelData"].VR = "OW"  # as Implicit VR has it always (PS3.5 A.1)
        assert after.to_json_dict() == before.to_json_dict()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("charset", "name"),
    [
        (["", "ISO 2022 IR 149"], KOREAN),
        (["", "ISO 2022 IR 87"], JAPANESE),
        ("ISO_IR 192", b"J\xe9r\xf4me^Latin in spite of what is declared "),
        ("KLINGON", b"\xff^\xfe "),
    ],
)
def test_names_stay_as_they_were_encoded(charset: object, name: bytes, tmp_path: Path) -> None:
    source = making.small(64, 64)
    nested = Dataset()
    nested.PatientID, nested.IssuerOfPatientID = "77", "X" * len(name)
    source.PatientName, source.OtherPatientIDsSequence = "X" * len(name), Sequence([nested])
    source.SpecificCharacterSet = charset
    path = making.write(source, tmp_path / "source.dcm")
    path.write_bytes(path.read_bytes().replace(b"X" * len(name), name))
    for explicit, implicit in converted(path):
        assert explicit.count(name) == implicit.count(name) == 2


def test_sequences_of_undefined_length_get_one() -> None:
    item = b"\x08\x00\x00\x01SH\x02\x00AB"
    delimited = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + item + struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
    sequence = struct.pack("<HH2sHL", 0x08, 0x2218, b"SQ", 0, 0xFFFFFFFF)
    data_set = sequence + delimited + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0) + b"\x10\x00\x20\x00LO\x02\x0047"
    read = pydicom.dcmread(io.BytesIO(as_implicit_vr(data_set)), force=True)
    assert (read.AnatomicRegionSequence[0].CodeValue, read.PatientID) == ("AB", "47")


@pytest.mark.parametrize(
    "data_set",
    [
        b"\x10\x00\x20\x00LO\xff\x0047",
        struct.pack("<HH2sHL", 0x08, 0x2218, b"SQ", 0, 100) + b"\0" * 20,
        struct.pack("<HH2sHL", 0x08, 0x2218, b"UN", 0, 0xFFFFFFFF),
        b"\x10\x00\x20",
        (struct.pack("<HH2sHL", 8, 0x2218, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF))
        * 99,
    ],
)
def test_damage_is_refused(data_set: bytes) -> None:
    with pytest.raises(DeliveryRefusedError, match="Implicit VR"):
        as_implicit_vr(data_set)
