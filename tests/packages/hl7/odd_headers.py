"""Headers with odd names, identifiers and dates, written by pydicom, each with what it means.

Names are in the character sets of PS3.5 and in one to three groups; dates are those that PS3.5 allows, older and
foreign forms that say a day all the same, and what consoles and programs write for "unknown".
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

NOBODY: tuple[str, ...] = ()
NAMES: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "": [
        ("Adams^John Robert Quincy^^Rev.^B.A. M.Div.", ("Adams^John Robert Quincy^^B.A. M.Div.^Rev.",)),
        ("Doe^Jane", ("Doe^Jane",)), ("Doe", ("Doe",)), ("^Jane", ("^Jane",)), ("^^^Dr", ("^^^^Dr",)),
        ("Smith ^ Jane  Ann ", ("Smith^Jane Ann",)), ("O'Neil-Doe^J.", ("O'Neil-Doe^J.",)),
        ("A|B^C&D~E", (r"A\F\B^C\T\D\R\E",)), ("", NOBODY), ("^^^^", NOBODY), ("==", NOBODY), ("^=^^=^", NOBODY),
        ("a^b^c^d^e^f^g", ("a^b^c^e^d",)), ("x" * 64, ("x" * 64,)), ('""', NOBODY), ("Doe\tX^J\x7f", ("Doe X^J",)),
        ("Doe^Jane=", ("Doe^Jane",)), ("Doe^Jane==", ("Doe^Jane",)),
    ],
    "ISO_IR 100": [("Müller^Jörg^^Dr.", ("Müller^Jörg^^^Dr.",)), ("Buc^Jérôme", ("Buc^Jérôme",))],
    "ISO_IR 101": [("Wałęsa^Łukasz", ("Wałęsa^Łukasz",))],
    "ISO_IR 109": [("Ĥaĝo^Ĵan", ("Ĥaĝo^Ĵan",))], "ISO_IR 110": [("Kārlis^Ņina", ("Kārlis^Ņina",))],
    "ISO_IR 144": [("Люкceмбypг^Роза", ("Люкceмбypг^Роза",))], "ISO_IR 126": [("Διονυσιος", ("Διονυσιος",))],
    "ISO_IR 127": [("قباني^لنزار", ("قباني^لنزار",))], "ISO_IR 138": [("שרון^דבורה", ("שרון^דבורה",))],
    "ISO_IR 148": [("Çavuşoğlu^Işıl", ("Çavuşoğlu^Işıl",))], "ISO_IR 166": [("นามสกุล^ชื่อ", ("นามสกุล^ชื่อ",))],
    "ISO_IR 13": [("ﾔﾏﾀﾞ^ﾀﾛｳ", ("ﾔﾏﾀﾞ^ﾀﾛｳ",))],
    "\\ISO 2022 IR 87": [
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", ("Yamada^Tarou^^^^^^A", "山田^太郎^^^^^^I", "やまだ^たろう^^^^^^P")),
        ("=山田^太郎", ("山田^太郎^^^^^^I",)), ("==やまだ^たろう", ("やまだ^たろう^^^^^^P",)),
    ],
    "\\ISO 2022 IR 149": [
        ("Hong^Gildong=洪^吉洞=홍^길동", ("Hong^Gildong^^^^^^A", "洪^吉洞^^^^^^I", "홍^길동^^^^^^P")),
        ("=洪^吉洞", ("洪^吉洞^^^^^^I",)),
    ],
    "\\ISO 2022 IR 58": [("Zhang^XiaoDong=张^小东", ("Zhang^XiaoDong^^^^^^A", "张^小东^^^^^^I"))],
    "GB18030": [("Wang^XiaoDong=王^小东", ("Wang^XiaoDong^^^^^^A", "王^小东^^^^^^I")), ("王^小东", ("王^小东",))],
    "GBK": [("=王^小东", ("王^小东^^^^^^I",))],
    "ISO_IR 192": [
        ("=山田^太郎=やまだ^たろう", ("山田^太郎^^^^^^I", "やまだ^たろう^^^^^^P")),
        ("Nguyễn^Thị Ánh=阮^氏映", ("Nguyễn^Thị Ánh^^^^^^A", "阮^氏映^^^^^^I")),
        ("王^小東^^^先生", ("王^小東^^先生",)), ("=山|田^太~郎", (r"山\F\田^太\R\郎^^^^^^I",)),
        ("Doe^=^太郎", ("Doe^^^^^^^A", "^太郎^^^^^^I")), ("==ヤマダ^タロウ^^^様", ("ヤマダ^タロウ^^様^^^^P",)),
    ],
}  # fmt: skip
DATES = {
    "19700131": "19700131", "19700131 ": "19700131", "1970.01.31": "19700131", "1970-01-31": "19700131",
    "1970/01/31": "19700131", "19700131120000": "19700131", "20240229": "20240229", "18991231": "18991231",
    "19000228": "19000228", "20260131": "20260131", "1970": "1970", "197001": "197001", "1970.01": "197001",
    "1970-01": "197001", "": "", " ": "", "00000000": "", "19600000": "", "19600100": "", "20261331": "",
    "20250229": "", "19000229": "", "19700431": "", "00010101": "", "16010101": "", "17530101": "", "99991231": "",
    "99999999": "", "20991231": "", "00/00/0000": "", "01/02/1970": "", "31.01.1970": "", "70": "", "700131": "",
    "1970013": "", "19700131-19701231": "", "-": "", "unknown": "", "ANONYMIZED": "", '""': "", "1970J131": "",
    "0000": "", "196000": "", "19601": "", "197013": "", "1.2.3.4": "", "9999": "", "        ": "", "**/**/****": "",
    "1970-1-31": "", "Jan 1970": "", "0": "", "000": "", "1": "", "19700132": "",
}  # fmt: skip
IDS = {
    "P1": "P1", " P 1 ": "P 1", "A|B": r"A\F\B", "A^B": r"A\S\B", "A&B": r"A\T\B", "A~B": r"A\R\B", "0": "0",
    "000123": "000123", "患者1": "患者1", "x" * 64: "x" * 64, "a\x01b": "a b", "1.2.3": "1.2.3", "": "", '""': "",
}  # fmt: skip
ISSUERS: dict[tuple[str, str, str], tuple[str, str | None, str | None]] = {
    ("", "", ""): ("", None, None), ("NORTH", "", ""): ("NORTH", None, "NORTH"),
    ("NORTH^1", "", ""): (r"NORTH\S\1", None, "NORTH^1"), ("R&D", "", ""): (r"R\T\D", None, "R&D"),
    ("A&B&C", "", ""): (r"A\T\B\T\C", None, "A&B&C"), (" N ", "", ""): ("N", None, "N"),
    ("N", "1.2.3", "ISO"): ("&1.2.3&ISO", "urn:oid:1.2.3", None),
    ("", "1.2.3", ""): ("&1.2.3&ISO", "urn:oid:1.2.3", None),
    ("", "01.2", "ISO"): ("&01.2&ISO", None, "01.2"), ("", "x.example", "DNS"): ("&x.example&DNS", None, "x.example"),
    ("", "https://x.example/mrn", "URI"): ("&https://x.example/mrn&URI", "https://x.example/mrn", None),
    ("", "not a uri", "URI"): ("&not a uri&URI", None, "not a uri"),
    ("", "6f0e6f4e-6d0f-5b3a-9f0a-0c7a2a1d8b85", "UUID"):
        ("&6f0e6f4e-6d0f-5b3a-9f0a-0c7a2a1d8b85&UUID", "urn:uuid:6f0e6f4e-6d0f-5b3a-9f0a-0c7a2a1d8b85", None),
    ("", "no", "UUID"): ("&no&UUID", None, "no"),
}  # fmt: skip
"""PID-3.4, and system and assigner of FHIR."""


@dataclass(frozen=True, slots=True)
class OddHeader:
    """Elements of a header, and what they mean in HL7."""

    character_set: str
    name: str
    patient_id: str
    issuer: tuple[str, str, str]
    born: str
    on: str

    @property
    def names(self) -> tuple[str, ...]:
        """The repetitions of PID-5."""
        return next(means for name, means in NAMES[self.character_set] if name == self.name)

    def write(self, file: Path) -> Path:
        """A file with it, as pydicom writes it without asking whether it is allowed."""
        ds = Dataset()
        ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.4.5"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.3", "1.2.3.4", "DX"
        if self.character_set:
            ds.SpecificCharacterSet = self.character_set.split("\\")
        with pydicom.config.disable_value_validation():
            ds.PatientName, ds.PatientID = self.name, self.patient_id
            ds.PatientBirthDate, ds.StudyDate = self.born, self.on
        namespace, universal, kind = self.issuer
        ds.IssuerOfPatientID = namespace
        if universal:
            item = Dataset()
            item.UniversalEntityID, item.UniversalEntityIDType = universal, kind
            ds.IssuerOfPatientIDQualifiersSequence = Sequence([item])
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        out = BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pydicom.dcmwrite(out, ds, enforce_file_format=True)
        file.write_bytes(out.getvalue())
        return file


def odd_headers(count: int) -> Iterator[OddHeader]:
    """So many: each name, date, ID and issuer at least once, in ever other company."""
    names = [(sets, name) for sets, those in NAMES.items() for name, _ in those]
    dates, ids, issuers = list(DATES), list(IDS), list(ISSUERS)
    for number in range(count):
        sets, name = names[number % len(names)]
        patient_id = ids[(number * 5 + number // len(names)) % len(ids)]
        if not patient_id.isascii():
            sets, name = "ISO_IR 192", NAMES["ISO_IR 192"][number % len(NAMES["ISO_IR 192"])][0]
        issuer = issuers[(number * 3 + number // len(ids)) % len(issuers)]
        yield OddHeader(
            sets, name, patient_id, issuer, dates[number % len(dates)], dates[(number * 7 + 3) % len(dates)]
        )
