# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""The objects that a destination must ask for: presentation state, pictures, fractional segmentation."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels.utils import pixel_array

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph, SaliencyMaps
from miqa_node.core.domain.output import output_kinds
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.words.narrative import narrative
from miqa_node.stages.report.gsps_shutter import exposed_field
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.make import make_objects
from miqa_node.stages.report.picture import MIN_SIDE
from tests.peers.validators import open_segmentation
from tests.stages.report import making
from tests.stages.report.flagged import flagged_series
from tests.stages.report.test_on_request import SHAPE, made, source
from tests.stages.report.test_text import COMMENTS


@pytest.mark.peers
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_page_can_be_read(source: Path, tmp_path: Path, language: str) -> None:
    assessment = making.assessment(FindingName.FOREIGN_OBJECT)
    verdict = making.disposition(Verdict.REJECT, FindingName.FOREIGN_OBJECT)
    maps = SaliencyMaps({FindingName.FOREIGN_OBJECT: making.bump(0.3, 0.7)})
    settings = ReportSettings(language=language)
    (made,) = make_objects(
        ReportedImage(source, maps, decode=lambda: making.radiograph(source)),
        assessment,
        verdict,
        settings,
        [ResultKind("PDF")],
    )
    document = making.read(made)
    file = tmp_path / "page.pdf"
    file.write_bytes(document.EncapsulatedDocument[: document.EncapsulatedDocumentLength])
    text = subprocess.run(["pdftotext", "-layout", file, "-"], capture_output=True, text=True, check=True).stdout
    joined = " ".join(text.split())
    english = ("Image quality: REJECT", "of 100", "Measurements", "Decision support only", "where the model looked")
    assert all((words in joined) == (language == "en") for words in english)
    assert ("Bildqualität: REJECT" in joined) == (language == "de")
    for sentence in narrative(assessment, verdict, language):
        assert sentence in joined
    assert {"en": "Exposure Index", "de": "Expositionsindex"}[language] in joined
    assert str(document.PatientName) not in joined
    drawn = subprocess.run(["pdftoppm", "-r", "40", "-png", file, tmp_path / "page"], check=False, timeout=60)
    assert drawn.returncode == 0
    assert [path.name for path in tmp_path.glob("*.png")] == ["page-1.png"]


@pytest.mark.peers
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
@pytest.mark.parametrize("language", ["ja", "ko", "zh", "ar", "ru", "el"])
def test_the_page_holds_a_site_s_words_in_their_script(source: Path, tmp_path: Path, language: str) -> None:
    """Arabic is drawn in joined forms (NFKC undoes them), which a reader turns round again."""
    words = COMMENTS[language]
    (made,) = make_objects(
        ReportedImage(source, SaliencyMaps(), decode=lambda: making.radiograph(source)),
        making.not_assessed(words),
        making.disposition(Verdict.REVIEW),
        kinds=[ResultKind("PDF")],
    )
    file = tmp_path / "page.pdf"
    file.write_bytes(making.read(made).EncapsulatedDocument)
    text = subprocess.run(["pdftotext", file, "-"], capture_output=True, text=True, check=True).stdout
    printed, typed = ("".join(unicodedata.normalize("NFKC", one).split()) for one in (text, words))
    assert typed in printed


def test_the_label_map_of_a_series_has_one_frame_for_each_marked_slice(tmp_path: Path) -> None:
    by_kind = {one.kind: making.read(one) for one in flagged_series(tmp_path, "CT")}
    labels, binary = by_kind[ResultKind("SEG_LABELMAP")], by_kind[ResultKind("SEG")]
    numbers = labels.pixel_array.reshape(-1, labels.Rows, labels.Columns)

    def source_of(frame: pydicom.Dataset) -> str:
        return str(frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID)

    marked: dict[str, np.ndarray] = {}
    for frame, mask in zip(binary.PerFrameFunctionalGroupsSequence, binary.pixel_array, strict=True):
        uid = source_of(frame)
        marked[uid] = marked.get(uid, False) | (mask > 0)
    frames = labels.PerFrameFunctionalGroupsSequence
    assert len(frames) == len(marked)
    for frame, labelled in zip(frames, numbers, strict=True):
        assert ((labelled > 0) == marked[source_of(frame)]).all()
    places = [float(frame.PlanePositionSequence[0].ImagePositionPatient[2]) for frame in frames]
    assert places in (sorted(places), sorted(places, reverse=True))


def test_all_of_them_are_made_once_asked_for_and_none_without(source: Path, made: dict[ResultKind, MadeObject]) -> None:
    assert set(made) == set(output_kinds()) - {ResultKind("REJECTION"), ResultKind("AIRAI"), ResultKind("NOISE_MAP")}
    assert len({item.sop_instance_uid for item in made.values()}) == len(made)
    assert [item.data for item in making.everything(source)] == [item.data for item in made.values()]
