"""Elements are encoded as pydicom's writer encodes them, whatever they hold."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.valuerep import IS, DSdecimal, DSfloat

from miqa_node.stages.report.elements import elements_of, encode_elements
from miqa_node.stages.report.encoded import elements_in, items_in

CHARACTER_SETS: tuple[str | list[str], ...] = (
    "", "ISO_IR 100", "ISO_IR 192", ["", "ISO 2022 IR 87"], ["ISO 2022 IR 100", "ISO 2022 IR 144"], "GB18030",
)  # fmt: skip
NAMES = ("", "A", "AB", "abc  ", " lead", "Müller", "山田^太郎", "Ivanov^И", "^^", "=", "x" * 70, "é" * 3)
TEXTS = (*NAMES, "a\nb\r\n", 'tab\t"q"')
UNITS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("LO", "SH", "PN", "UC"), NAMES),
    "DS": (1, 1.5, "1.50", "-0", 0.1 + 0.2, DSfloat("1e3"), DSfloat(2.25), DSdecimal("3.10"), 1e-7, 123456789.123),
    "IS": (0, -5, "007", IS("12"), 2**31 - 1, ""),
    "US": (0, 65535), "UL": (0, 2**32 - 1), "SS": (-30000, 5), "SL": (-(2**31), 5), "FL": (0.5, -1e30), "FD": (1e300,),
    "DA": ("20240101", "", "1999"), "TM": ("101010.123", "10", ""), "DT": ("20240101101010+0100", ""),
    "UI": ("1.2.3", "1.2.34", ""), "CS": ("A", "AB_C", ""), "AE": ("AE", "AET1 "), "AS": ("045Y",),
    "AT": (0x00100010, 0x7FE00010),
}  # fmt: skip
SINGLE: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("LT", "ST", "UT"), TEXTS),
    "UR": ("http://x/y", ""),
    **dict.fromkeys(("OB", "OW", "UN"), (b"", b"12", b"12345678")),
}


def data_set(rng: random.Random, depth: int) -> Dataset:
    made = Dataset()
    if (characters := rng.choice(CHARACTER_SETS)) and (depth or rng.random() < 0.3):
        made.SpecificCharacterSet = characters
    for number in range(rng.randint(0, 8)):
        vr = rng.choice([*UNITS, *SINGLE, *["SQ"] * (3 * depth)])
        made.add_new((0x0009, 0x1000 + number), vr, value_of(vr, rng, depth))
    return made


def value_of(vr: str, rng: random.Random, depth: int) -> object:
    if vr == "SQ":
        return Sequence([data_set(rng, depth - 1) for _ in range(rng.randint(0, 2))])
    if vr in SINGLE:
        return rng.choice([*SINGLE[vr], None])
    one: Callable[[], object] = lambda: rng.choice(UNITS[vr])  # noqa: E731
    return one() if rng.random() < 0.7 else [one() for _ in range(rng.randint(0, 3))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(200))
def test_any_data_set_is_encoded_as_pydicom_does(seed: int) -> None:
    made = data_set(random.Random(seed), 2)
    characters = convert_encodings(made.get("SpecificCharacterSet") or "ISO_IR 6")
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, made, characters)
    assert encode_elements(elements_of(made), characters) == out.getvalue()


@pytest.mark.parametrize("vr", ["UN", "OB", "OW"])
def test_an_odd_number_of_bytes_is_padded_so_that_sequences_stay_whole(vr: str) -> None:
    item, made = Dataset(), Dataset()
    item.add_new(0x00091001, vr, b"odd")
    made.RequestAttributesSequence = [item, item]
    [sequence] = elements_in(encode_elements(elements_of(made)))
    assert [[one.value for one in elements_in(part)] for part in items_in(sequence.value)] == [[b"odd\0"]] * 2
