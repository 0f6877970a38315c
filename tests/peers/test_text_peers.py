"""Comments in many scripts beside images in many character sets: DCMTK reads them back, and no validator complains."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from miqa_node.domain.finding import FindingName
from miqa_node.domain.image import SaliencyMaps
from miqa_node.domain.policy import Verdict
from miqa_node.report import ReportedImage, ReportSettings, make_objects, rejection_note
from tests.peers.test_receive_peers import BIN
from tests.peers.validators import errors_of_all, missing_tools
from tests.unit.report import making
from tests.unit.report.test_text import COMMENTS, CONFIRMED, in_set

pytestmark = [pytest.mark.peers, pytest.mark.slow]

SETS = ("", "ISO_IR 100", "\\ISO 2022 IR 87", "\\ISO 2022 IR 149", "GB18030", "ISO_IR 127", "ISO_IR 144", "ISO_IR 126")


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


@pytest.mark.parametrize("declared", SETS)
def test_no_validator_complains(declared: str, tmp_path: Path) -> None:
    if missing := missing_tools():
        pytest.skip(f"not installed: {', '.join(missing)}")
    source = making.write(making.small(), tmp_path / "source.dcm", in_set(declared))
    paths = []
    for language in ("ja", "ko", "zh", "ar", "ru", "el"):
        paths.append(tmp_path / f"{language}.dcm")
        paths[-1].write_bytes(
            rejection_note([source], making.assessment(), replace(CONFIRMED, comment=COMMENTS[language])).data
        )
    verdict = making.disposition(Verdict.REVIEW, FindingName.FOREIGN_OBJECT, text=COMMENTS["ja"])
    assessment, settings = making.assessment(FindingName.FOREIGN_OBJECT), ReportSettings("Röntgen 1", language="de")
    for made in make_objects(ReportedImage(source, SaliencyMaps()), assessment, verdict, settings):
        paths.append(tmp_path / f"{made.kind}.dcm")
        paths[-1].write_bytes(made.data)
    assert {path.name: errors for path, errors in errors_of_all(paths).items() if errors} == {}
