"""Saliency maps as one small file: what the assessment saw is kept beside what it said."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from miqa_node.domain.finding import FindingName
from miqa_node.domain.image import SaliencyMap


def dump_maps(maps: Mapping[FindingName, SaliencyMap]) -> bytes:
    """NumPy archive of half-precision maps, one array per finding; ``method`` rides in the array's name."""
    buffer = io.BytesIO()
    arrays = {f"{name.value}|{m.method}": m.values.astype(np.float16) for name, m in maps.items()}
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def load_maps(data: bytes) -> dict[FindingName, SaliencyMap]:
    """The maps of :func:`dump_maps`, float32 in [0, 1]."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {
            FindingName(key.split("|")[0]): SaliencyMap(archive[key].astype(np.float32), key.split("|")[1])
            for key in archive.files
        }
