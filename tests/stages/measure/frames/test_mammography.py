"""Mammography: lengths are those of the drawn breast, and a cut, turned or saturated one shows in its own number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.stages.measure.frames.making import Image, values, write

ROWS, COLUMNS, PITCH_MM = 600, 400, 0.4


def breast(reach: int = 250, middle: int = 300, *, muscle: bool = False) -> Image:
    """Half an ellipse at the left, with noise; with ``muscle`` a bright triangle of 150 × 300 pixels at the top."""
    image = np.full((ROWS, COLUMNS), 200.0)
    cv2.ellipse(image, (0, middle), (reach, 220), 0, 0, 360, 1800.0, -1)
    if muscle:
        image[:60, :250] = np.maximum(image[:60, :250], 1800.0)
        cv2.fillPoly(image, [np.array([[0, 0], [150, 0], [0, 300]])], 2800.0)
    return np.asarray(image + np.random.default_rng(3).normal(0, 20, image.shape))


def described(dataset: Dataset, view: str = "CC") -> None:
    """A left breast from a detector."""
    dataset.ViewPosition, dataset.ImageLaterality, dataset.PatientOrientation = view, "L", ["A", "R"]
    dataset.ImagerPixelSpacing = [PITCH_MM, PITCH_MM]
    dataset.CompressionForce, dataset.BodyPartThickness, dataset.KVP, dataset.Exposure = "95", "52", "28", "80"
    dataset.OrganDose = "0.0132"


def test_an_ordinary_view(tmp_path: Path) -> None:
    numbers = values(write(tmp_path / "cc.dcm", "MG", [breast()], described, bits=12))
    assert numbers["mg_nipple_line"] == pytest.approx(250 * PITCH_MM, abs=4)
    assert numbers["mg_border_contact"] == 0
    assert numbers["mg_wall_agrees"] == 1
    assert numbers["mg_saturated_share"] < 0.1
    assert "mg_pectoral_length" not in numbers
    assert numbers["mg_compression_force"] == 95
    assert (numbers["mg_compressed_thickness"], numbers["mg_kvp"], numbers["mg_exposure"]) == (52, 28, 80)
    assert numbers["mg_glandular_dose"] == pytest.approx(1.32)


def test_what_the_header_lacks_is_left_out(tmp_path: Path) -> None:
    numbers = values(write(tmp_path / "bare.dcm", "MG", [breast()], bits=12))
    assert set(numbers) == {"mg_border_contact", "mg_saturated_share"}


def spot(dataset: Dataset) -> None:
    described(dataset)
    modifier, view = Dataset(), Dataset()
    modifier.CodeValue, modifier.CodingSchemeDesignator, modifier.CodeMeaning = "399055006", "SCT", "Spot Compression"
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "399162004", "SCT", "cranio-caudal"
    view.ViewModifierCodeSequence = [modifier]
    dataset.ViewCodeSequence = [view]


def stereotactic(dataset: Dataset) -> None:
    described(dataset)
    dataset.ImagerPixelSpacing = [0.1, 0.1]  # a field of 60 x 40 mm


def told(dataset: Dataset) -> None:
    described(dataset)
    dataset.ProtocolName = "STEREO SCOUT"


@pytest.mark.parametrize("change", [spot, stereotactic, told])
def test_views_of_a_part_have_no_outline(tmp_path: Path, change: Callable[[Dataset], None]) -> None:
    numbers = values(write(tmp_path / "part.dcm", "MG", [breast(muscle=True)], change, bits=12))
    assert not {"mg_nipple_line", "mg_border_contact", "mg_pectoral_length"} & set(numbers)
    assert {"mg_saturated_share", "mg_compression_force"} <= set(numbers)


@pytest.mark.parametrize("image", [breast(middle=120), breast(middle=480), breast(reach=460)])
def test_a_cut_breast_touches_the_border(tmp_path: Path, image: Image) -> None:
    assert values(write(tmp_path / "cut.dcm", "MG", [image], described, bits=12))["mg_border_contact"] > 15


def test_a_turned_picture_contradicts_its_orientation(tmp_path: Path) -> None:
    turned = np.ascontiguousarray(breast()[:, ::-1])
    numbers = values(write(tmp_path / "turned.dcm", "MG", [turned], described, bits=12))
    assert numbers["mg_wall_agrees"] == 0
    assert numbers["mg_nipple_line"] == pytest.approx(250 * PITCH_MM, abs=4)


def test_saturated_tissue(tmp_path: Path) -> None:
    image = breast()
    image[250:350, :100] = 5000
    assert values(write(tmp_path / "white.dcm", "MG", [image], described, bits=12))["mg_saturated_share"] > 5


def test_the_muscle_and_the_nipple_line_of_an_oblique_view(tmp_path: Path) -> None:
    path = write(tmp_path / "mlo.dcm", "MG", [breast(muscle=True)], lambda ds: described(ds, "MLO"), bits=12)
    numbers = values(path)
    assert numbers["mg_pectoral_length"] == pytest.approx(np.hypot(150, 300) * PITCH_MM, rel=0.12)
    assert numbers["mg_nipple_line"] == pytest.approx(abs(250 - 0) * np.cos(np.arctan(0.5)) * PITCH_MM, rel=0.12)
    assert numbers["mg_border_contact"] == 0
