"""Noise is decided by measured grain: a model's head may add to it, and cannot overrule it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.taxonomy.lookup import finding_entries
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.stages.assess.appearance import Appearance, appearance_of
from miqa_node.stages.assess.grain import MARKED, grain_excess, severity_of, with_measured_noise
from miqa_node.stages.measure.view import PICTURE_HEADER, ImageView, view_of

HEAD = Finding(FindingName.NOISE, Code("111207", "DCM", "Image artifact(s)"), 0.02, 0.1, 0.9529)
OTHER = replace(HEAD, name=FindingName.UNSHARP)


@pytest.fixture(scope="module")
def chest(samples: Path) -> np.ndarray:
    """A real chest radiograph as presentation values in [0, 1]."""
    return np.asarray(decode_frame(samples / "RG1_UNCR.dcm", 0, 10**8).display / 65535.0, np.float32)


def appearance(image: np.ndarray) -> Appearance:
    return appearance_of(view_of(np.rint(np.clip(image, 0, 1) * 65535).astype(np.uint16)))


def noisy(image: np.ndarray, deviation: float) -> np.ndarray:
    return image + np.random.default_rng(3).normal(0.0, deviation, image.shape)


def flagged(findings: tuple[Finding, ...]) -> bool:
    """Whether the default rule for noise flags."""
    rule = finding_entries()[FindingName.NOISE].policy[0]
    finding = next(one for one in findings if one.name == FindingName.NOISE)
    return finding.present and finding.severity >= rule.min_severity


def test_an_ordinary_chest_is_left_to_the_model(chest: np.ndarray) -> None:
    findings = (HEAD, OTHER)
    assert with_measured_noise(findings, appearance(chest), PICTURE_HEADER) == findings
    assert with_measured_noise(findings, None, PICTURE_HEADER) is findings


def test_nothing_but_padding_has_no_grain() -> None:
    """Without spacing the size of a pixel follows from the picture, of which nothing is left."""
    black = np.zeros((50, 40), np.uint16)
    nothing = Radiograph(black, black, (0, 65535), None, np.zeros(black.shape, bool))
    assert appearance_of(ImageView(nothing, PICTURE_HEADER)).grain is None


@pytest.mark.parametrize("deviation", [0.02, 0.035, 0.06])
def test_noise_that_the_head_misses_is_found_and_flags(chest: np.ndarray, deviation: float) -> None:
    grown = with_measured_noise((HEAD, OTHER), appearance(noisy(chest, deviation)), PICTURE_HEADER)
    assert flagged(grown)
    assert grown[1] is OTHER


def test_grain_is_measured_in_percent_of_white(chest: np.ndarray) -> None:
    before, after = appearance(chest).grain, appearance(noisy(chest, 0.03)).grain
    assert before is not None
    assert after == pytest.approx((before**2 + 3.0**2) ** 0.5, rel=0.05)


def test_more_grain_is_surer_and_worse() -> None:
    grains = (2.5, 3.0, 3.6, 4.4, 8.0)
    series = tuple(with_measured_noise((HEAD,), Appearance(0.8, one, 0.0), PICTURE_HEADER)[0] for one in grains)
    strengths = [one.strength for one in series]
    assert strengths == sorted(set(strengths)), "a room's limit must be able to tell them apart"
    assert flagged(series[:1])
    usual = with_measured_noise((HEAD,), Appearance(0.8, 2.3, 0.0), PICTURE_HEADER)
    assert not usual[0].present


def test_a_head_that_sees_more_is_kept() -> None:
    sure = replace(HEAD, probability=0.999, severity=1.0)
    assert with_measured_noise((sure,), Appearance(0.8, 2.5, 0.0), PICTURE_HEADER) == (sure,)
    assert with_measured_noise((sure,), Appearance(0.8, 0.5, 0.0), PICTURE_HEADER) == (sure,)


def test_a_head_is_believed_of_smooth_chests_and_not_of_the_texture_of_processing() -> None:
    certain_head = replace(HEAD, probability=0.93, severity=0.4)
    assert flagged(with_measured_noise((certain_head, OTHER), Appearance(0.8, 0.6, 0.0), PICTURE_HEADER))
    rough = with_measured_noise((replace(certain_head, probability=0.99),), Appearance(0.8, 1.5, 0.0), PICTURE_HEADER)
    assert rough[0].present, "a room's own limit can tell which of its images have more"
    assert not flagged(rough)
    worse = with_measured_noise(
        (replace(certain_head, probability=0.99, severity=0.8),), Appearance(0.8, 1.5, 0.0), PICTURE_HEADER
    )
    assert worse[0].strength > rough[0].strength
    knee = replace(PICTURE_HEADER, body_part_examined="KNEE")
    assert with_measured_noise((certain_head,), Appearance(0.8, 0.6, 0.0), knee) == (certain_head,)


def test_white_grain_counts_where_structure_explains_none_of_it() -> None:
    """A smooth picture with little noise: less grain than a rough one has, but no structure explains it."""
    smooth = np.tile(np.linspace(0.2, 0.8, 512, dtype=np.float32), (512, 1))
    little = appearance(noisy(smooth, 0.01))
    assert little.white_grain == pytest.approx(1.0, rel=0.15)
    assert little.quantum_grain == pytest.approx(0.0, abs=0.2)
    assert grain_excess(little, PICTURE_HEADER) > MARKED
    rough = noisy(smooth, 0.01)
    rough = rough.reshape(256, 2, 256, 2).mean((1, 3)).repeat(2, 0).repeat(2, 1)
    assert appearance(rough).white_grain == pytest.approx(0.0, abs=0.05)


def test_grain_that_grows_where_few_quanta_arrive_is_noise_though_structure_hides_it() -> None:
    """A rough picture in which the dense half has the noise that exposure explains, and the other hardly any."""
    rng = np.random.default_rng(4)
    smooth = np.tile(np.linspace(0.2, 0.8, 512, dtype=np.float32), (512, 1))
    rough = smooth + rng.normal(0.0, 0.012, (256, 256)).repeat(2, 0).repeat(2, 1)
    few = rough + 0.004 * 10.0**smooth * rng.normal(0.0, 1.0, rough.shape)
    before, after = appearance(rough), appearance(few)
    assert before.quantum_grain == pytest.approx(0.0, abs=0.2)
    assert after.quantum_grain is not None
    assert after.quantum_grain > 1.0
    assert grain_excess(after, PICTURE_HEADER) > MARKED > grain_excess(before, PICTURE_HEADER)


@pytest.mark.parametrize(("index", "factor"), [(-3.0, 2**0.25), (3.0, 2**-0.25), (-30.0, 2**0.5), (0.0, 1.0)])
def test_the_dose_of_the_header_supports_and_decides_nothing_alone(index: float, factor: float) -> None:
    header = replace(PICTURE_HEADER, deviation_index=index)
    grain = Appearance(0.8, 1.22, 0.0)
    assert grain_excess(grain, header) == pytest.approx(factor, rel=0.01)
    assert not flagged(with_measured_noise((HEAD,), grain, header))


def test_severity_is_that_of_the_dose_with_this_noise() -> None:
    assert [severity_of(dose**0.5) for dose in (2, 4, 8, 16, 32)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_saturated_pixels_are_left_out() -> None:
    half_black = np.full((256, 256), 0.5, np.float32)
    half_black[:160] = -1.0
    assert appearance(noisy(half_black, 0.03)).grain == pytest.approx(3.0, rel=0.05)


def test_limbs_have_less_grain_and_an_unknown_part_counts_as_what_the_package_is_made_for() -> None:
    grain = Appearance(0.8, grain=0.9, white_grain=0.0)
    headers = [replace(PICTURE_HEADER, body_part_examined=part) for part in ("CHEST", "", "KNEE")]
    chest, unnamed, knee = (grain_excess(grain, header) for header in headers)
    assert chest == unnamed < MARKED < knee, "by a package for chests, which saw no other kind of image"
    of_any_part = [grain_excess(grain, header, for_chests=False) for header in headers]
    assert of_any_part == [chest, knee, knee], "what another package leaves is no chest"
