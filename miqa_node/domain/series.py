"""What one assessment of a CT or MR series was about: its slices, and the masks that its measurements drew on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqa_node.domain.instance import InstanceDigest


@dataclass(frozen=True, slots=True)
class MeasurementMask:
    """Where on one slice a measurement comes from.

    ``measurement`` is its name, ``index`` counts the slices of the snapshot from 0, and ``mask`` is a bool array of
    the slice's shape (rows, columns).
    """

    measurement: str
    index: int
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SeriesSnapshot:
    """The slices that a series had when it was assessed, in order, as (digest, frame), and the masks on them."""

    slices: tuple[tuple[InstanceDigest, int], ...]
    masks: tuple[MeasurementMask, ...] = ()
