"""What reviewers drew against where the node looked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelId, LabelOrigin, LabelRecord, ReaderOpinion, RegionOutline
from miqa_node.features.analysis.marks import drawn_mask, fidelity, mask_figures
from miqa_node.libraries.plain_statistics.overlap import dice, iou
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.disk import DiskObjects

NOW = datetime(2026, 11, 20, tzinfo=UTC)
DIGEST = InstanceDigest("ab" * 32)
OBJECT = FindingName.FOREIGN_OBJECT


def square(x0: float, y0: float, x1: float, y1: float, finding: str = OBJECT) -> RegionOutline:
    return RegionOutline(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), finding)


def label(*regions: RegionOutline, digest: InstanceDigest = DIGEST) -> LabelRecord:
    opinion = ReaderOpinion("anna", LabelOrigin.DECISION, bad=True, regions=regions)
    return LabelRecord(LabelId(1), digest, NOW, opinion, "REVIEW", "quality", "1.0.0", "cd", "1")


def corner(method: str = "test") -> SaliencyMap:
    """A map that is high in the upper left quarter of the image."""
    values = np.zeros((32, 32), np.float32)
    values[:16, :16] = 1.0
    return SaliencyMap(values, method)


@pytest.fixture
def objects(tmp_path: Path) -> DiskObjects:
    store = DiskObjects(tmp_path, min_free_bytes=0)
    Artifacts(store).keep_maps(DIGEST, SaliencyMaps({OBJECT: corner()}, corner("patchcore")))
    return store


def test_dice_and_iou_of_half_a_cover() -> None:
    whole, half = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    half[:, :2] = True
    assert dice(half, whole) == pytest.approx(2 / 3)
    assert iou(half, whole) == 0.5
    assert (dice(whole, whole), iou(whole, whole)) == (1.0, 1.0)
    assert (dice(~whole, ~whole), iou(~whole, ~whole)) == (0.0, 0.0)


def test_a_polygon_covers_its_share_of_the_image() -> None:
    assert drawn_mask([square(0.25, 0.5, 0.75, 1.0)]).mean() == pytest.approx(0.25, abs=0.01)
    triangle = RegionOutline(((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)))
    mask = drawn_mask([triangle])
    assert mask.mean() == pytest.approx(0.5, abs=0.01)
    assert mask[0, 250]
    assert not mask[250, 250]
    assert drawn_mask([square(-1.0, -1.0, 2.0, 2.0)]).all()


@pytest.mark.parametrize("side", [0.02, 0.05, 0.1])
def test_a_small_drawing_is_no_larger_than_it_was_drawn(side: float) -> None:
    """OpenCV fills the border, too: two percent of a side became half as large again, and a perfect map a bad one."""
    starts = np.random.default_rng(0).uniform(0.1, 0.8, (40, 2))
    shares = [drawn_mask([square(x, y, x + side, y + side)]).mean() for x, y in starts]
    assert np.mean(shares) == pytest.approx(side * side, rel=0.1)
    assert drawn_mask([square(0.3, 0.4, 0.6, 0.4004)]).any()


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [((0.0, 0.0, 0.5, 0.5), 1.0), ((0.0, 0.0, 0.5, 0.25), 2 / 3), ((0.5, 0.5, 1.0, 1.0), 0.0)],
)
def test_what_was_drawn_is_compared_with_the_map_of_its_finding(
    objects: DiskObjects, drawn: tuple[float, float, float, float], expected: float
) -> None:
    [row] = mask_figures([label(square(*drawn))], objects, 0.5)
    assert (row.finding, row.drawn, row.mapped) == ("foreign_object", 1, 1)
    assert row.dice == pytest.approx(expected, abs=0.03)
    assert row.iou == pytest.approx(expected / (2 - expected), abs=0.03)


def test_a_mark_without_a_finding_is_compared_with_what_is_unusual_and_one_without_a_map_counts(
    objects: DiskObjects,
) -> None:
    marks = label(square(0.0, 0.0, 0.5, 0.5, ""), square(0.2, 0.2, 0.4, 0.4, "motion_blur"))
    unusual, blur = mask_figures([marks, label(square(0, 0, 1, 1, ""), digest=InstanceDigest("00" * 32))], objects, 0.5)
    assert (unusual.finding, unusual.drawn, unusual.mapped) == ("anomaly", 2, 1)
    assert unusual.dice == pytest.approx(1.0, abs=0.03)
    assert unusual.centre == pytest.approx(0.25, abs=0.03)  # the middle covers a quarter of the drawn corner
    assert (blur.drawn, blur.mapped, blur.dice) == (1, 0, None)


def test_an_enhancement_is_measured_in_the_marks_apart() -> None:
    original = np.linspace(0, 1, 100 * 100, dtype=np.float32).reshape(100, 100)
    enhanced = original.copy()
    enhanced[20:60, 20:60] += 0.1

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b).mean())

    result = fidelity([label(square(0.2, 0.2, 0.6, 0.6))], lambda _: (original, enhanced), distance, distance)
    assert result is not None
    assert result.images == 1
    assert result.psnr_db == pytest.approx(0.016, abs=1e-4)
    assert result.psnr_marked_db == pytest.approx(0.1, abs=1e-4)
    assert fidelity([], lambda _: (original, enhanced), distance, distance) is None
