"""Comments in many scripts beside images in many character sets: DCMTK reads them back, and no validator complains."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.output import output_kinds
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.core.settings import load_settings
from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.stages.deliver.form import in_form
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.make import make_objects
from miqa_node.stages.report.outputs.rejection import rejection_note
from tests.peers.test_receive_peers import BIN
from tests.peers.validators import errors_of_all, missing_tools
from tests.quick import in_gate
from tests.stages.report import making
from tests.stages.report.reviewed import amended, review
from tests.stages.report.test_text import COMMENTS, CONFIRMED, in_set

pytestmark = [pytest.mark.peers]

UTF_8 = CStoreConfig(name="p", ae_title="P", host="h", port=104, character_set="ISO_IR 192")
SETS = ("", "ISO_IR 100", "\\ISO 2022 IR 87", "\\ISO 2022 IR 149", "GB18030", "ISO_IR 127", "ISO_IR 144", "ISO_IR 126")

SIX = ("ja", "ko", "zh", "ar", "ru", "el")


@pytest.mark.parametrize("declared", SETS)
def test_dcmtk_reads_the_comment_as_it_was_typed(declared: str, tmp_path: Path) -> None:
    if not (BIN / "dcm2json").exists():
        pytest.skip("dcm2json is not installed")
    source = making.write(making.small(), tmp_path / "source.dcm", in_set(declared))
    name = pydicom.dcmread(source, stop_before_pixels=True).PatientName
    for language, comment in COMMENTS.items():
        note = tmp_path / f"{language}.dcm"
        note.write_bytes(rejection_note([source], making.assessment(), replace(CONFIRMED, comment=comment)).data)
        ran = subprocess.run([BIN / "dcm2json", note], capture_output=True, check=True)
        document = json.loads(ran.stdout)
        texts = [item["0040A160"]["Value"][0] for item in document["0040A730"]["Value"] if "0040A160" in item]
        assert any(text.endswith(f". {comment}") for text in texts), (language, texts)
        (person,) = document["00100010"]["Value"]
        assert person["Alphabetic"] == name.alphabetic, language
        assert person.get("Ideographic", "") == name.ideographic, language


@pytest.mark.parametrize("declared", in_gate(SETS, 3))
def test_dcmtk_and_pydicom_read_the_same_text_in_every_kind_of_object(declared: str, tmp_path: Path) -> None:
    """Also where a person decided, with a comment in each script; no letter becomes a question mark."""
    if not (BIN / "dcm2json").exists():
        pytest.skip("dcm2json is not installed")
    source = making.write(making.small(), tmp_path / "source.dcm", in_set(declared))
    image = pydicom.dcmread(source, stop_before_pixels=True)
    made = [(one, "") for one in making.everything(source)]
    for language, comment in COMMENTS.items():
        folder = tmp_path / language
        folder.mkdir()
        opinion = review(Resolution.CONFIRMED, FindingName.FOREIGN_OBJECT, comment=comment)
        report, *_, assessment, _ = amended(source, opinion, folder)
        made += [(report, comment), (assessment, comment)]
    assert {one.kind for one, _ in made} >= set(output_kinds()) - {"REJECTION", "NOISE_MAP"}
    for one, comment in made:
        path = tmp_path / "made.dcm"
        compressed = making.read(one).file_meta.TransferSyntaxUID.is_encapsulated
        data = uncompress(one.data) if compressed else one.data  # dcm2json writes no compressed pixels
        # Debian's DCMTK knows no escape sequences of Japanese (ISO 2022 IR 87): it gets these as a destination that
        # asks for UTF-8, so that it proves the recoded copy; pydicom reads the object itself.
        path.write_bytes(
            in_form(UTF_8, data, DeliveryContext(load_settings().deliver)) if "IR 87" in declared else data
        )
        ran = subprocess.run([BIN / "dcm2json", path], capture_output=True, check=True)
        theirs, ours = _texts(json.loads(ran.stdout)), _texts(making.read(one).to_json_dict())
        assert theirs == ours, one.kind
        assert not any("?" in text for text in ours), one.kind
        assert image.PatientName.alphabetic in ours
        assert any(comment in text for text in ours), (one.kind, comment)


def _texts(document: Any) -> list[str]:
    """All values that are text, in their order."""
    if isinstance(document, str):
        return [document.rstrip("^ ")]  # empty last parts of a name mean nothing (PS3.5 6.2.1.1)
    if isinstance(document, list):
        return [text for item in document for text in _texts(item)]
    if not isinstance(document, dict):
        return []
    if "vr" not in document:  # a data set, or the groups of a name
        return [text for tag in sorted(document) for text in _texts(document[tag])]
    is_text = document["vr"] in ("SQ", "LO", "SH", "ST", "LT", "UT", "UC", "PN")
    return _texts(document.get("Value", [])) if is_text else []


@pytest.mark.parametrize("declared", in_gate(SETS, 1))
def test_no_validator_complains(declared: str, tmp_path: Path) -> None:
    if missing := missing_tools():
        pytest.skip(f"not installed: {', '.join(missing)}")
    source = making.write(making.small(), tmp_path / "source.dcm", in_set(declared))
    paths = []
    for language in SIX:
        paths.append(tmp_path / f"{language}.dcm")
        paths[-1].write_bytes(
            rejection_note([source], making.assessment(), replace(CONFIRMED, comment=COMMENTS[language])).data
        )
    # A report takes them long: two of the scripts beside each set, and so each script beside two sets or more.
    place = SETS.index(declared)
    for language in (SIX[place % len(SIX)], SIX[(place + 3) % len(SIX)]):
        (tmp_path / language).mkdir()
        opinion = review(Resolution.CONFIRMED, FindingName.FOREIGN_OBJECT, comment=COMMENTS[language])
        decided = amended(source, opinion, tmp_path / language)
        assert {one.kind for one in decided} == {"SR", "KOS", "AIRAI"}
        for number, made in enumerate(decided):
            paths.append(tmp_path / f"{language}-{number}-{made.kind}.dcm")
            paths[-1].write_bytes(made.data)
    verdict = making.disposition(Verdict.REVIEW, FindingName.FOREIGN_OBJECT, text=COMMENTS["ja"])
    assessment, settings = making.assessment(FindingName.FOREIGN_OBJECT), ReportSettings("Röntgen 1", language="de")
    for made in make_objects(ReportedImage(source, SaliencyMaps()), assessment, verdict, settings):
        paths.append(tmp_path / f"{made.kind}.dcm")
        paths[-1].write_bytes(made.data)
    assert {path.name: errors for path, errors in errors_of_all(paths).items() if errors} == {}
