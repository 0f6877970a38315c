"""Training samples: repeatable, clean and spoilt in known shares, presented as different hospitals do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import gate_names
from miqa_node.stages.assess.preprocess import Preprocess
from miqa_training import samples
from miqa_training.datasets import DatasetRecord, ImageCache, ObjectBox
from miqa_training.presentation import BaseImage, deliver, vary
from miqa_training.samples import CLASSES, COLUMN, UNKNOWN, Sampler

pytestmark = pytest.mark.more

PATH = Path("chest.png")
RECORD = DatasetRecord(PATH, "nih", "free", "p1", "PA", "", objects=(), long_side_px=480)
OBJECT, DEVICE = COLUMN[FindingName.FOREIGN_OBJECT], COLUMN[FindingName.DEVICE_IN_VIEW]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    y, x = np.mgrid[0:1:480j, 0:1:440j]
    body = np.where(np.abs(x - 0.5) < 0.46, 190, 0)
    for centre in (0.3, 0.7):
        body = np.where(((x - centre) / 0.15) ** 2 + ((y - 0.47) / 0.32) ** 2 < 1, 70, body)
    noise = np.random.default_rng(0).normal(0, 6, body.shape) * (body > 0)
    return np.clip(body + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def sampler(pixels: np.ndarray) -> Sampler:
    return Sampler([RECORD], cast("ImageCache", {PATH: pixels}), [], Preprocess(), seed=3, crops=2)


def test_a_sample_is_the_same_whenever_it_is_drawn(sampler: Sampler) -> None:
    first, again, other = sampler(5), sampler(5), sampler(6)
    assert np.array_equal(first.global_view, again.global_view)
    assert np.array_equal(first.crops, again.crops)
    assert not np.array_equal(first.global_view, other.global_view)


def test_the_shares_of_clean_spoilt_and_gate_samples(sampler: Sampler) -> None:
    drawn = [sampler(n).present for n in range(300)]
    gates = [COLUMN[kind] for kind in gate_names()]
    gate = np.mean([p[gates].max() == 1.0 for p in drawn])
    clean = np.mean([p.max() == 0.0 for p in drawn])
    assert abs(gate - samples.GATE_SHARE) < 0.06
    assert abs(clean - samples.CLEAN_SHARE) < 0.08
    assert all((p[: len(CLASSES) - len(gates)] == UNKNOWN).all() for p in drawn if p[gates].max() == 1.0)


def test_a_simulated_object_is_marked_where_it_is(sampler: Sampler) -> None:
    drawn = [sample for sample in map(sampler, range(400)) if sample.present[OBJECT] == 1.0]
    moved = [COLUMN[name] for name in samples.MOVES_PIXELS]
    placed = [sample.cells[0] for sample in drawn if sample.present[moved].max() <= 0.0]
    assert len(placed) > 5
    assert all((cells == 1.0).any() for cells in placed)
    assert np.mean([(cells == 1.0).mean() for cells in placed]) < 0.25


def test_what_is_simulated_of_one_kind_is_no_object_of_the_other(sampler: Sampler) -> None:
    count = 0
    for sample in map(sampler, range(200)):
        if sample.present[DEVICE] == 1.0 and sample.present[OBJECT] != 1.0:
            count += 1
            assert not (sample.cells[0][sample.cells[1] == 1.0] == 1.0).any()
    assert count > 5


def test_annotated_things_teach_the_map_of_their_kind(pixels: np.ndarray) -> None:
    """A button in the loose box of a lead is the button's place; what a reader was unsure of is nobody's."""
    boxes = (
        ObjectBox((0.1, 0.1, 0.6, 0.6), "monitoring", True),
        ObjectBox((0.3, 0.3, 0.35, 0.35), "external_object", True),
        ObjectBox((0.8, 0.8, 0.9, 0.9), "tube_line", False),
        ObjectBox((0.8, 0.1, 0.9, 0.2), "annotation", True),
    )
    record = replace(RECORD, objects=boxes)
    sampler = Sampler([record], cast("ImageCache", {record.path: pixels}), [], Preprocess(), seed=1, crops=2)
    cells, drawn = sampler._places(BaseImage(pixels.astype(np.float32) / np.float32(255), boxes, record), {}, {})
    button, lead, tube, marker = (
        (int(0.32 * 48),) * 2,
        (int(0.15 * 48),) * 2,
        (int(0.85 * 48),) * 2,
        (7, int(0.85 * 48)),
    )
    assert drawn[0][button] > 0
    assert drawn[1][button] == 0
    assert (cells[0][lead], drawn[1][lead] > 0) == (0.0, True)
    assert (cells[0][tube], cells[1][tube], drawn[1][tube]) == (-1.0, -1.0, 0)
    assert (cells[0][marker], cells[1][marker]) == (0.0, 0.0)
    present, _ = sampler._labels(BaseImage(pixels, boxes[:1], replace(RECORD, objects=boxes[:1])), {})
    assert (present[OBJECT], present[DEVICE]) == (0.0, 1.0)


def test_every_picture_is_delivered_alike() -> None:
    """With a defect or without, most pictures end in 8 bits, so that missing rounding says nothing."""
    image = np.linspace(0, 1, 200 * 200, dtype=np.float32).reshape(200, 200)
    delivered = [deliver(image, np.random.default_rng(n)) for n in range(60)]
    rounded = [np.allclose(one * 255, np.rint(one * 255), atol=1e-3) for one in delivered]
    assert 0.7 < np.mean(rounded) < 0.97


def test_some_images_show_the_chest_grey_between_black_and_white(pixels: np.ndarray) -> None:
    def spread(image: np.ndarray) -> float:
        inside = image[image.shape[0] // 4 : -image.shape[0] // 4, image.shape[1] // 4 : -image.shape[1] // 4]
        low, high = np.percentile(inside, (5, 95))
        return float(high - low)

    bases = [vary(RECORD, pixels, np.random.default_rng(n)).image for n in range(120)]
    usual = float(np.median([spread(image) for image in bases]))
    grey = [image for image in bases if spread(image) < 0.6 * usual]
    assert 0.07 < len(grey) / len(bases) < 0.3
    assert all(image.max() > 0.7 for image in grey)  # a marker keeps the white end of the range
