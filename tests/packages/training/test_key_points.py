"""No image of training shows what an evaluation image shows; crops are found by key points, not by signatures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_training.datasets import may_ship, read_records
from miqa_training.key_points import key_points, same_pictures

pytestmark = pytest.mark.more


def structure(seed: int) -> NDArray[np.uint8]:
    """An image with details of many sizes."""
    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.uniform(size=(n, n)), (420, 420), interpolation=cv2.INTER_CUBIC) for n in (6, 14, 40, 90)]
    image = sum(layer / (place + 1.0) for place, layer in enumerate(layers))
    return np.asarray(np.clip((image - np.min(image)) / np.ptp(image) * 255, 0, 255), np.uint8)


def cropped(pixels: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """A part of the image, smaller, with another tone, compressed: what a signature of the whole does not recognise."""
    rng, (rows, columns) = np.random.default_rng(seed), pixels.shape
    share = rng.uniform(0.6, 0.8)
    height, width = int(rows * share), int(columns * share)
    top, left = int(rng.integers(rows - height)), int(rng.integers(columns - width))
    part = pixels[top : top + height, left : left + width]
    small = cv2.resize(part, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    toned = np.rint(255.0 * (small / 255.0) ** 1.3).astype(np.uint8)
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", toned, [cv2.IMWRITE_JPEG_QUALITY, 80])[1], 0), np.uint8)


def test_a_crop_is_found_and_other_images_are_not() -> None:
    images = [structure(seed) for seed in range(8)]
    every = [key_points(image) for image in images]
    crops = [key_points(cropped(image, seed)) for seed, image in enumerate(images)]
    assert {(pair.one, pair.other) for pair in same_pictures(crops, every)} == {(n, n) for n in range(8)}
    assert same_pictures(crops[:4], every[4:]) == []


def test_an_image_without_key_points_resembles_nothing() -> None:
    flat = key_points(np.full((300, 300), 90, np.uint8))
    assert same_pictures([flat], [key_points(structure(1)), flat]) == []


def pictures(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix in {".png", ".jpg"})
    assert files, f"{folder} has no pictures"
    return files


def grey(path: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.shared
def test_no_image_of_training_shows_an_image_of_the_evaluation(shared_data: Path) -> None:
    """Of any folder that weights learn from: chests, chests with boxes around objects, and objects."""
    training = [record.path for record in read_records(shared_data / "cxr_train") if may_ship(record)]
    training += pictures(shared_data / "objects_train" / "images") + pictures(shared_data / "cxr_boxes")
    evaluation = [record.path for record in read_records(shared_data / "cxr_eval")]
    pixels = [grey(path) for path in evaluation]
    shown = [key_points(one) for one in pixels]
    learned = [key_points(grey(path)) for path in training]
    leaks = [(evaluation[pair.one].name, training[pair.other].name) for pair in same_pictures(shown, learned)]
    assert leaks == []
    crops = [key_points(cropped(one, seed)) for seed, one in enumerate(pixels[::12])]
    matches = {
        pair.one for pair in same_pictures(crops, [*learned, *shown]) if pair.other == len(learned) + 12 * pair.one
    }
    assert len(matches) >= 0.9 * len(crops), "a test that misses crops says nothing about leaks"
