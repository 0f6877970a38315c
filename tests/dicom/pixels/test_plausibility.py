"""Each issue is raised by the header or pixels that deserve it, and by no sound image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import PlausibilityIssue
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.dicom.pixels.plausibility import ISSUES, check
from miqa_node.stages.measure.projection import measure
from miqa_node.stages.units.kinds import image_traits
from tests.stages.measure.phantoms import chest, header, radiograph

SOUND = radiograph(chest())


def issues(image: Radiograph | None = SOUND, **changes: object) -> set[str]:
    described = header(**changes)
    measurements = () if image is None else measure(image, described)
    return {issue.name for issue in check(described, image_traits(described), image, measurements)}


def test_a_sound_chest_has_no_issue() -> None:
    assert issues() == set()
    assert issues(None) == set()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("body_part_missing", {"body_part_examined": ""}),
        ("body_part_contradicts_modality", {"modality": "MG", "image_laterality": "B"}),
        ("body_part_contradicts_modality", {"body_part_examined": "BREAST", "image_laterality": "L"}),
        ("view_missing", {"view_position": ""}),
        ("view_contradicts_body_part", {"view_position": "MLO"}),
        ("laterality_missing", {"body_part_examined": "HAND"}),
        ("laterality_missing", {"modality": "MG", "body_part_examined": "BREAST", "view_position": "CC"}),
        ("laterality_unexpected", {"image_laterality": "R"}),
        ("orientation_missing", {"patient_orientation": ()}),
        ("orientation_missing", {"patient_orientation": ("", "")}),
        ("orientation_unusual", {"patient_orientation": ("R", "F")}),
        ("orientation_unusual", {"patient_orientation": ("F", "L")}),
        ("spacing_missing", {"pixel_spacing_mm": None}),
        ("voi_missing", {"has_voi": False}),
        ("for_processing", {"presentation_intent_type": "FOR PROCESSING"}),
        ("exposure_index_missing", {"exposure_index": None}),
        ("deviation_index_low", {"deviation_index": -3.5}),
        ("deviation_index_high", {"deviation_index": 4.0}),
        ("burned_in_annotation", {"burned_in_annotation": "YES"}),
        ("quality_control_image", {"quality_control": True}),
        ("matrix_contradicts_header", {"rows": 500}),
    ],
)
def test_headers_that_deserve_an_issue(name: str, changes: dict[str, Any]) -> None:
    assert issues(**changes) == {name}


@pytest.mark.parametrize(
    "changes",
    [
        {"view_position": "postero-anterior"},
        {"patient_orientation": ("L", "FR")},
        {"patient_orientation": ("A", "F"), "view_position": "LL"},
        {"body_part_examined": "HAND", "image_laterality": "R", "patient_orientation": ("R", "F")},
        {"deviation_index": -2.9},
        {"exposure_index": None, "deviation_index": 0.0},
        {"has_voi": False, "bits_stored": 8, "bits_allocated": 8},
        {"burned_in_annotation": "NO"},
        {
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.7",
            "patient_orientation": (),
            "pixel_spacing_mm": None,
            "exposure_index": None,
        },
    ],
)
def test_headers_that_are_fine(changes: dict[str, Any]) -> None:
    assert issues(None, **changes) == set()


def test_only_projections_are_asked_for_view_and_exposure() -> None:
    ct = {"modality": "CT", "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2", "view_position": "", "exposure_index": None}
    assert issues(None, **ct, body_part_examined="", patient_orientation=()) == set()


def test_constant_and_empty_pixels_are_blank() -> None:
    assert "blank_image" in issues(radiograph(np.full((512, 512), 900.0)))
    assert "blank_image" in issues(radiograph(chest(), valid=np.zeros((512, 512), dtype=bool)))


def grain(size_px: float, seed: int = 1) -> NDArray[np.float64]:
    """Noise of deviation 1 whose grains are about so large; of single pixels if it is 0."""
    white = np.random.default_rng(seed).normal(0.0, 1.0, (512, 512))
    smooth = cv2.GaussianBlur(white, (0, 0), size_px) if size_px else white
    return np.asarray(smooth / smooth.std())


SLOPE = np.add(*np.mgrid[-1:1:512j, -1:1:512j]) * 300.0


@pytest.mark.parametrize("size_px", [0.0, 1.5])
@pytest.mark.parametrize("slope", [0.0, 1.0])
@pytest.mark.parametrize("sigma", [3.0, 60.0, 400.0])
def test_nothing_but_noise_is_blank(sigma: float, slope: float, size_px: float) -> None:
    assert "blank_image" in issues(radiograph(2000 + sigma * grain(size_px) + slope * SLOPE))


@pytest.mark.parametrize("size_px", [0.0, 1.5])
@pytest.mark.parametrize("sigma", [60.0, 600.0, 1200.0])
def test_noise_over_a_chest_is_not_blank(sigma: float, size_px: float) -> None:
    """A sixth of the contrast was enough for "nothing but noise", with every rib in plain sight."""
    assert "blank_image" not in issues(radiograph(chest() + sigma * grain(size_px)))


def test_so_small_an_image_is_never_said_to_be_nothing_but_noise() -> None:
    assert "blank_image" not in issues(radiograph(2000 + 60 * grain(0.0)[:100, :100]))


def test_windows_that_cut_most_of_the_image_off_are_named() -> None:
    narrow = np.where(SOUND.stored > 1800, 65535, 0).astype(np.uint16)
    assert "voi_clips_image" in issues(Radiograph(SOUND.stored, narrow, (0, 4095), SOUND.spacing_mm))


def test_inverted_chests_are_seen_and_other_body_parts_left_alone() -> None:
    inverted = Radiograph(SOUND.stored, 65535 - SOUND.display, (0, 4095), SOUND.spacing_mm)
    assert issues(inverted) == {"inverted_look"}
    assert issues(inverted, body_part_examined="SKULL") == set()


def test_bits_beyond_and_far_below_bits_stored_are_seen() -> None:
    more = Radiograph(SOUND.stored, SOUND.display, (0, 4095), SOUND.spacing_mm, steps=("4 unused high bits removed",))
    assert issues(more) == {"bits_stored_exceeded"}
    fewer = Radiograph(SOUND.stored // 16, SOUND.display, (0, 4095), SOUND.spacing_mm)
    assert issues(fewer) == {"bits_stored_unused"}


def test_issues_come_in_the_documented_order_with_their_codes() -> None:
    poor = header(view_position="", exposure_index=None, quality_control=True, pixel_spacing_mm=None)
    issues = check(poor, image_traits(poor), None, ())
    names = [issue.name for issue in issues]
    assert names == [name for name in ISSUES if name in names]
    assert all(isinstance(issue, PlausibilityIssue) and issue.code == ISSUES[issue.name] for issue in issues)
    assert all(issue.message.endswith(".") for issue in issues)


def test_messages_repeat_no_free_text() -> None:
    described: Header = header(
        modality="MG", body_part_examined="JANE DOE", view_position="SECRET", patient_orientation=("JANE", "DOE")
    )
    text = " ".join(issue.message for issue in check(described, image_traits(described), None, ()))
    assert not any(word in text for word in ("JANE", "DOE", "SECRET"))


@pytest.mark.more
def test_real_radiographs_raise_only_what_they_lack(samples: Path) -> None:
    for name in ("RG1_UNCR.dcm", "RG3_UNCR.dcm"):
        real, _ = read_header(samples / name)
        frame = decode_frame(samples / name, 0, 10**9)
        image = Radiograph(
            frame.stored, frame.display, frame.stored_range, frame.spacing_mm, frame.valid, steps=frame.steps
        )
        names = {issue.name for issue in check(real, image_traits(real), image, measure(image, real))}
        assert names == {"spacing_missing", "exposure_index_missing"}
        if name.startswith("RG1"):
            upside = Radiograph(image.stored, 65535 - image.display, image.stored_range, None)
            assert "inverted_look" in {
                issue.name for issue in check(real, image_traits(real), upside, measure(upside, real))
            }
