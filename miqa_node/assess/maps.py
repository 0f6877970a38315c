"""Saliency maps as one small file: what the assessment saw is kept beside what it said."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from miqa_node.domain.finding import Finding, FindingName
from miqa_node.domain.image import SaliencyMap

ANOMALY = "anomaly"
PREDICTION = "prediction:"


def dump_maps(
    maps: Mapping[FindingName, SaliencyMap],
    anomaly: SaliencyMap | None = None,
    predictions: Mapping[str, SaliencyMap] | None = None,
) -> bytes:
    """NumPy archive of half-precision maps, one array per finding or package; ``method`` rides in the array's name."""
    buffer = io.BytesIO()
    named = {**{name.value: m for name, m in maps.items()}, **({ANOMALY: anomaly} if anomaly is not None else {})}
    named |= {f"{PREDICTION}{package}": m for package, m in (predictions or {}).items()}
    arrays = {f"{name}|{m.method}": m.values.astype(np.float16) for name, m in named.items()}
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def load_maps(data: bytes) -> dict[FindingName, SaliencyMap]:
    """The findings' maps of :func:`dump_maps`, float32 in [0, 1]."""
    return {FindingName(name): saliency for name, saliency in _read(data).items() if name in set(FindingName)}


def load_prediction_maps(data: bytes) -> dict[str, SaliencyMap]:
    """What each package's prediction was read from, by package; float32 in [0, 1]."""
    read = _read(data).items()
    return {name.removeprefix(PREDICTION): saliency for name, saliency in read if name.startswith(PREDICTION)}


def load_anomaly_map(data: bytes) -> SaliencyMap | None:
    """Where an unusual image is unlike others; None when the image is not unusual."""
    return _read(data).get(ANOMALY)


def with_peaks(findings: Sequence[Finding], maps: Mapping[FindingName, SaliencyMap]) -> tuple[Finding, ...]:
    """The findings, those that are present with the place where their map is highest."""
    return tuple(
        replace(finding, peak=_peak(maps[finding.name])) if finding.present and finding.name in maps else finding
        for finding in findings
    )


def _peak(saliency: SaliencyMap) -> tuple[float, float] | None:
    """(x, y) of the middle of the highest cell, as fractions of the image; None for a map that shows nothing."""
    values = saliency.values
    if not values.size or not float(values.max()) > 0.0:
        return None
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    rows, columns = values.shape
    return round((float(column) + 0.5) / columns, 4), round((float(row) + 0.5) / rows, 4)


def _read(data: bytes) -> dict[str, SaliencyMap]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {
            key.split("|")[0]: SaliencyMap(archive[key].astype(np.float32), key.split("|")[1]) for key in archive.files
        }
