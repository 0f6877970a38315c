"""An object is named by its place, in both languages, and the advice follows from what it lies over."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.object_place import ChestRegion, ObjectPlace, WornAt
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.core.words.headline import MAX_WORDS, headline
from miqa_node.core.words.narrative import narrative
from miqa_node.core.words.object_words import hint_of, title_of
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.make import make_objects
from tests.meaning.reader import SIDES, read_report
from tests.stages.report import making

NAME = FindingName.FOREIGN_OBJECT
FOREIGN = Finding(NAME, reason_code(NAME), 0.9, 0.5, 0.5, peak=(0.6, 0.2))
AT_NECK = ObjectPlace((ChestRegion.LUNG,), "left", apex=True, worn=WornAt.NECK)
OVER = (
    AT_NECK,
    ObjectPlace((ChestRegion.LUNG, ChestRegion.OUTSIDE), "right"),
    ObjectPlace((ChestRegion.MEDIASTINUM,)),
    ObjectPlace((ChestRegion.OUTSIDE,)),
    ObjectPlace((ChestRegion.LUNG,)),
    ObjectPlace((ChestRegion.LUNG,), apex=True),
)


def told(place: ObjectPlace | None, language: str = "en") -> tuple[str, tuple[str, ...]]:
    assessment = replace(making.assessment(), findings=(replace(FOREIGN, place=place),))
    disposition = making.disposition(Verdict.REVIEW, NAME)
    return headline(assessment, disposition, language), narrative(assessment, disposition, language)


def test_the_room_display_says_what_to_do() -> None:
    title, sentences = told(AT_NECK)
    assert title == "Something worn at the neck over the left apex"
    assert any(one.startswith(f"{title}: moderate") and "picture" not in one for one in sentences)
    assert "Have it taken off and repeat." in sentences


def test_it_speaks_german() -> None:
    title, sentences = told(AT_NECK, "de")
    assert title == "Etwas am Hals Getragenes über der linken Lungenspitze"
    assert "Ablegen lassen und wiederholen." in sentences


def test_beside_the_lungs_nothing_needs_to_be_repeated() -> None:
    title, sentences = told(ObjectPlace((ChestRegion.OUTSIDE,), worn=WornAt.CLOTHES))
    assert title == "Something on the clothes outside of the lungs"
    assert not any("repeat" in one for one in sentences)


def test_without_a_place_it_is_told_as_before() -> None:
    title, sentences = told(None)
    assert title == "Foreign object, in the upper part"
    assert "Have it taken off, then repeat if it hides anatomy." in sentences


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_place_has_short_words(language: str) -> None:
    titles = [
        title_of(replace(FOREIGN, place=replace(place, worn=worn)), language)
        for place, worn in product(OVER, (None, *WornAt))
    ]
    assert len(set(titles)) == len(titles)
    assert all(len(title.split()) <= MAX_WORDS for title in titles)
    assert all(hint_of(replace(FOREIGN, place=place), language) for place in OVER)


@pytest.mark.parametrize(
    ("place", "code", "side"),
    [
        (AT_NECK, "86598002", "7771000"),
        (OVER[1], "39607008", "24028007"),
        (OVER[2], "72410000", None),
        (OVER[3], None, None),
        (None, None, None),
    ],
)
def test_the_report_has_the_coded_site(
    tmp_path: Path, place: ObjectPlace | None, code: str | None, side: str | None
) -> None:
    hd = pytest.importorskip("highdicom.sr")
    dataset = making.small()
    making.as_dx(dataset)
    source = making.write(dataset, tmp_path / "source.dcm")
    assessment = replace(making.assessment(), findings=(replace(FOREIGN, place=place),))
    made = make_objects(
        ReportedImage(source, SaliencyMaps({NAME: making.bump(0.2, 0.6)})), assessment,
        making.disposition(Verdict.REVIEW, NAME),
    )  # fmt: skip
    [report] = [one for one in made if making.read(one).Modality == "SR"]
    (tmp_path / "report.dcm").write_bytes(report.data)
    groups = hd.srread(tmp_path / "report.dcm").content.get_planar_roi_measurement_groups()
    [group] = [one for one in groups if one.tracking_identifier == NAME]
    assert not group.finding_sites
    [spoken] = [one for one in read_report(report.data).groups if one.tracking == NAME]
    assert (spoken.projected, spoken.site) == (code or "", "")
    assert spoken.sides == ([SIDES.get(side or "", "")] if code else [])
