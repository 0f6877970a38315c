"""Ghosts are what lies half a field away along phase; scalp, halo and what lies in both directions are none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.stages.measure.outlines import find_patient, find_threshold
from miqa_series.mr.ghost import GhostPower, ghost_level, ghost_power
from miqa_series.mr.patient import AIR_MM_FACTOR, MrSlice

SIDE = 192


def drawn(scalp: float, ghost: float = 0.0, seed: int = 0) -> NDArray[np.float32]:
    """A head with a scalp of so much of its signal, and a copy half a field down."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    distance = np.hypot(y / 1.25, x) / (SIDE * 0.28)
    image = np.where(distance < 0.85, 500.0, 0.0)
    image[np.hypot(y, x * 1.5) < 14] = 250.0
    image[(distance > 0.93) & (distance < 1.06)] = 500.0 * scalp
    image = cv2.GaussianBlur(image, (0, 0), 1.0)
    image = image + ghost * np.roll(image, SIDE // 2, 0)
    random = np.random.default_rng(seed)
    real, imaginary = (random.normal(0.0, 8.0, image.shape) for _ in range(2))
    return np.hypot(image + real, imaginary).astype(np.float32)


def level(image: NDArray[np.float32]) -> float:
    """The ghost level of one slice."""
    patient = find_patient(image, find_threshold([image]))
    margin = max(2, round(AIR_MM_FACTOR * SIDE))
    near = cv2.dilate(patient.astype(np.uint8), np.ones((2 * margin + 1,) * 2, np.uint8)) > 0
    return ghost_level(None, [GhostPower(ghost_power(MrSlice(image, patient, near), 0))]) or 0.0


@pytest.mark.parametrize("scalp", [0.05, 0.1, 0.15, 0.3])
def test_a_scalp_is_no_ghost(scalp: float) -> None:
    assert max(level(drawn(scalp, seed=seed)) for seed in range(3)) <= 0.5


@pytest.mark.parametrize("ghost", [0.03, 0.05, 0.1])
def test_a_ghost_beside_a_scalp_has_its_strength(ghost: float) -> None:
    assert level(drawn(0.1, ghost)) == pytest.approx(100.0 * ghost, rel=0.08)


def test_what_lies_in_both_directions_is_no_ghost() -> None:
    image = drawn(0.0)
    both = image + 0.05 * (np.roll(image, SIDE // 2, 0) + np.roll(image, SIDE // 2, 1))
    assert level(np.asarray(both, np.float32)) < 1.0
