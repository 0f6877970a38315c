"""Where on which slice a measurement of a series comes from, and how that is kept beside the assessment."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqa_node.domain.instance import InstanceDigest


@dataclass(frozen=True, slots=True)
class Mark:
    """``mask``: bool (rows, columns) of the slice with that index; ``measurement`` is the name of what it shows."""

    measurement: str
    index: int
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Extent:
    """What one assessment of a series was about: its slices in order, as (digest, frame), and what was marked."""

    slices: tuple[tuple[InstanceDigest, int], ...]
    marks: tuple[Mark, ...] = ()


def dump_extent(extent: Extent) -> bytes:
    """NumPy archive with the list of slices and the masks, one bit a pixel."""
    buffer = io.BytesIO()
    arrays = {
        f"{mark.measurement}|{mark.index}|{mark.mask.shape[0]}|{mark.mask.shape[1]}": np.packbits(mark.mask)
        for mark in extent.marks
    }
    listed = np.frombuffer(json.dumps(extent.slices).encode(), np.uint8)
    np.savez_compressed(buffer, allow_pickle=False, slices=listed, **arrays)
    return buffer.getvalue()


def load_extent(data: bytes) -> Extent:
    """What :func:`dump_extent` wrote."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        slices = tuple(
            (InstanceDigest(digest), int(frame)) for digest, frame in json.loads(archive["slices"].tobytes())
        )
        return Extent(slices, tuple(_marks([key for key in archive.files if key != "slices"], archive)))


def _marks(keys: Sequence[str], archive: np.lib.npyio.NpzFile) -> list[Mark]:
    marks = []
    for key in keys:
        name, index, rows, columns = key.split("|")
        shape = int(rows), int(columns)
        mask = np.unpackbits(archive[key], count=shape[0] * shape[1]).astype(bool).reshape(shape)
        marks.append(Mark(name, int(index), mask))
    return marks
