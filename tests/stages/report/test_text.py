"""Text in the writer's language: in the source's character set where it holds it, else in UTF-8, and never as "?"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_charset_files
from pydicom.dataset import Dataset

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.stages.report.lower import lower_class
from miqa_node.stages.report.outputs.rejection import Confirmation, rejection_note
from tests.stages.report import making

CONFIRMED = Confirmation("Jörg Größe", datetime(2026, 11, 20, 10, 0, tzinfo=UTC), "111210", "")
COMMENTS = {
    "ja": "患者が動いた",
    "ja-kana": "ｶﾝｼﾞｬ が ~ うごいた",
    "ko": "환자가 움직였습니다",
    "zh": "病人移动了，请重拍",
    "ar": "تحرك المريض أثناء التصوير",
    "ru": "Пациент двигался",
    "el": "Ο ασθενής κινήθηκε",
    "de": "Größe: 37° – Patient bewegt, 5 µm",
    "he": "המטופל זז",
    "th": "ผู้ป่วยขยับ",
}
NAMES = {
    "": "Doe^John",
    "ISO_IR 100": "Müller^Jörg",
    "ISO_IR 144": "Люкceмбypг",
    "ISO_IR 126": "Διονυσιος",
    "ISO_IR 127": "قباني^لنزار",
    "ISO_IR 13": "ﾔﾏﾀﾞ^ﾀﾛｳ",
    "ISO_IR 192": "Wang^XiaoDong=王^小东",
    "GB18030": "Wang^XiaoDong=王^小东",
    "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "ISO 2022 IR 13\\ISO 2022 IR 87": "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    "\\ISO 2022 IR 149": "Hong^Gildong=洪^吉洞=홍^길동",
    "\\ISO 2022 IR 58": "Zhang^XiaoDong=张^小东",
}


def in_set(name: str) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        ds.SpecificCharacterSet = name.split("\\") if "\\" in name else name
        ds.PatientName, ds.StudyDescription = NAMES[name], NAMES[name].split("=")[-1].split("^")[0]

    return change


def comment_of(note: Dataset) -> str:
    texts = [item.TextValue for item in note.ContentSequence if item.ValueType == "TEXT"]
    (text,) = [one for one in texts if one.startswith("Rejected")]
    return str(text).partition(". ")[2]


@pytest.mark.parametrize(
    ("declared", "comment", "written"),
    [
        ("ISO_IR 100", "Größe", "ISO_IR 100"),
        ("", "moved", None),
        ("", "Größe", "ISO_IR 192"),
        ("ISO_IR 144", "Пациент двигался", "ISO_IR 144"),
        ("ISO_IR 144", "Größe", "ISO_IR 192"),
        ("\\ISO 2022 IR 87", "患者が動いた", ["", "ISO 2022 IR 87"]),
        ("GB18030", "病人移动了", "GB18030"),
        ("ISO_IR 13", "moved", "ISO_IR 13"),
        ("ISO_IR 13", "~", "ISO_IR 192"),
    ],
)
def test_the_images_character_set_stays_where_it_holds_the_text(
    declared: str, comment: str, written: object, tmp_path: Path
) -> None:
    source = making.write(making.small(), tmp_path / "source.dcm", in_set(declared))
    confirmed = replace(CONFIRMED, actor="jd", comment=comment)
    note = making.read(rejection_note([source], making.assessment(), confirmed))
    assert note.get("SpecificCharacterSet") == (written if declared or written else note.get("SpecificCharacterSet"))
    assert comment_of(note) == comment
    image = pydicom.dcmread(source, stop_before_pixels=True)
    if written == declared:
        assert note.get_item("PatientName").value == image.get_item("PatientName").value, "byte for byte"


def test_every_character_set_of_pydicoms_own_files(tmp_path: Path) -> None:
    files = [Path(path) for path in get_charset_files("*.dcm") if isinstance(path, str)]
    assert len(files) > 10
    for path in files:
        image = pydicom.dcmread(path)
        if "StudyInstanceUID" not in image:
            continue
        made = rejection_note([path], making.assessment(), replace(CONFIRMED, comment=COMMENTS["ja"]))
        note = making.read(made)
        assert comment_of(note) == COMMENTS["ja"], path.name
        assert note.PatientName == image.PatientName, path.name


def test_where_the_image_breaks_its_character_set_nothing_is_guessed(tmp_path: Path) -> None:
    def latin_without_a_word(ds: Dataset) -> None:
        ds.SpecificCharacterSet = "ISO_IR 100"
        ds.PatientName = "Müller^Jörg"

    source = making.write(making.small(), tmp_path / "source.dcm", latin_without_a_word)
    source.write_bytes(source.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 6  "))
    made = rejection_note([source], making.assessment(), replace(CONFIRMED, comment="Größe 患者"))
    assert b"M\xfcller^J\xf6rg" in made.data
    assert b"Groesse <U+60A3><U+8005>" in made.data
    assert b"?" not in made.data


def test_a_lower_report_keeps_the_text(tmp_path: Path) -> None:
    source = making.write(making.small(), tmp_path / "source.dcm", in_set("ISO_IR 100"))
    report = next(item.data for item in making.flagged(source) if item.kind == ResultKind("SR"))
    while (lowered := lower_class(report)) is not None:
        report = lowered[2]
    made = pydicom.dcmread(pydicom.filebase.DicomBytesIO(report))
    assert made.SOPClassUID.name == "Basic Text SR Storage"
    assert str(made.PatientName) == "Müller^Jörg"


@pytest.mark.more
def test_a_comment_comes_back_as_it_was_typed_whatever_the_image_declares(tmp_path: Path) -> None:
    small = making.small()
    for number, name in enumerate(NAMES):
        source = making.write(small, tmp_path / f"{number}.dcm", in_set(name))
        image = pydicom.dcmread(source, stop_before_pixels=True)
        for comment in COMMENTS.values():
            made = rejection_note([source], making.assessment(), replace(CONFIRMED, comment=comment))
            note = making.read(made)
            assert comment_of(note) == comment, (name, comment)
            (person,) = [item.PersonName for item in note.ContentSequence if item.ValueType == "PNAME"]
            assert str(person) == "Jörg Größe^"
            assert (note.PatientName, note.StudyDescription) == (image.PatientName, image.StudyDescription), name
            assert b"?" not in made.data, (name, comment)
