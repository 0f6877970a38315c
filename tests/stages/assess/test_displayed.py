"""Contrast as it is displayed: windows that do not fit are found and flagged, whatever the model says."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.rule import Subject
from miqa_node.core.settings import share_dir
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.stages.assess import displayed as limits_of
from miqa_node.stages.assess.appearance import Appearance, appearance_of
from miqa_node.stages.assess.displayed import (
    USUAL_CONTRAST,
    displayed_defect,
    unusual_contrast,
    with_displayed_contrast,
)
from miqa_node.stages.measure.projection import measure
from miqa_node.stages.measure.view import view_of
from tests.stages.measure.phantoms import header

FINDING = "contrast_processing"


@pytest.fixture(scope="module")
def chest(samples: Path) -> np.ndarray:
    """A real chest radiograph as presentation values in [0, 1]."""
    return np.asarray(decode_frame(samples / "RG1_UNCR.dcm", 0, 10**8).display / 65535.0, np.float32)


def defect(image: np.ndarray) -> tuple[float, float]:
    values = np.asarray(np.rint(image * 65535.0), np.uint16)
    values_by_name = measure(Radiograph(values, values, (0, 65535), None), header())
    return displayed_defect({one.name: one.value for one in values_by_name})


def displayed(image: np.ndarray, window: str, share: float) -> np.ndarray:
    """As an 8-bit viewer shows it: WIDE leaves ``share`` of the grey scale, the others cut ``share`` of the pixels."""
    if window == "wide":
        shown = 0.4 + share * image
    else:
        ends = {"narrow": (share / 2, 1 - share / 2), "bright": (0.0, 1 - share), "dark": (share, 1.0)}[window]
        low, high = np.quantile(image, ends)
        shown = (image - low) / (high - low)
    return np.asarray(np.rint(np.clip(shown, 0, 1) * 255) / 255, np.float32)


def test_an_ordinary_chest_is_well_displayed(chest: np.ndarray) -> None:
    probability, severity = defect(chest)
    assert probability < 0.05
    assert severity == 0.0


def test_black_beside_a_limb_is_no_defect() -> None:
    assert displayed_defect({"displayed_contrast": 60.0, "crushed_dark_share": 50.0}, chest=False)[0] < 0.01
    assert displayed_defect({"displayed_contrast": 60.0, "crushed_dark_share": 50.0})[0] > 0.99


def test_the_limits_are_those_of_the_shipped_policy() -> None:
    policy = parse_policy(tomllib.loads((share_dir("config") / "policy.toml").read_text("utf-8")))
    limits = {rule.what: rule.limit for rule in policy.of(Subject.MEASUREMENT) if rule.supports == FINDING}
    assert limits == {
        "displayed_contrast": limits_of.FLAT_LIMIT,
        "burnt_out_share": limits_of.END_LIMIT,
        "crushed_dark_share": limits_of.END_LIMIT,
    }


def unusual(image: np.ndarray) -> float:
    display = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint16) * 257
    values = {one.name: one.value for one in measure(Radiograph(display, display, (0, 65535), None), header())}
    return unusual_contrast(values, appearance_of(view_of(display)))


def test_an_ordinary_chest_has_usual_contrast(chest: np.ndarray) -> None:
    assert unusual(chest) == 0.0


def coded(image: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", np.rint(image * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(255)


@pytest.mark.parametrize(
    "made",
    [
        lambda image: 0.4 + 0.15 * image,
        lambda image: np.rint(image * 31) / 31,
        lambda image: cv2.GaussianBlur(image, (0, 0), 24.0) * 0.8 + image * 0.2,
        lambda image: coded(image, 12),
    ],
    ids=["flat", "few grey levels", "detail smoothed away", "compressed"],
)
def test_each_way_to_lose_contrast_is_unusual(chest: np.ndarray, made: Callable[[np.ndarray], np.ndarray]) -> None:
    assert unusual(made(chest)) >= 0.5


def test_worse_than_the_limit_is_more_severe() -> None:
    for limit in USUAL_CONTRAST.values():
        worse = limit.limit / limit.factor if limit.is_least else limit.limit * limit.factor
        assert limit.severity(limit.limit) == 0.5
        assert limit.severity(worse) == pytest.approx(0.75)
        better = limit.limit * 1.01 if limit.is_least else limit.limit / 1.01
        assert limit.severity(better) == 0.0


def test_unusual_contrast_raises_the_finding_and_ordinary_contrast_changes_nothing() -> None:
    head = Finding(FindingName.CONTRAST_PROCESSING, Code("111219", "DCM", "Processing"), 0.1, 0.2, 0.5)
    few = Appearance(0.4, grey_levels=20.0, detail=0.3)
    (raised,) = with_displayed_contrast((head,), (), header(), few)
    assert raised.present
    assert raised.severity == pytest.approx(0.75)
    assert with_displayed_contrast((head,), (), header(), Appearance(0.4, grey_levels=120.0, detail=0.3)) == (head,)


@pytest.mark.more
@pytest.mark.parametrize(
    ("window", "shares"),
    [("wide", (0.3, 0.2, 0.1, 0.04)), *((w, (0.1, 0.2, 0.35, 0.5)) for w in ("narrow", "bright", "dark"))],
)
def test_wrong_windows_are_found_and_the_worse_the_surer(
    chest: np.ndarray, window: str, shares: tuple[float, ...]
) -> None:
    series = [defect(displayed(chest, window, share)) for share in shares]
    assert [p for p, _ in series] == sorted(p for p, _ in series)
    assert [s for _, s in series] == sorted(s for _, s in series)
    assert series[2][0] > 0.8
    assert series[3][1] > 0.5
