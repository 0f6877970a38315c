"""Where a finding is strongest: the highest point of its saliency map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import SaliencyMap


def with_peaks(findings: Sequence[Finding], maps: Mapping[FindingName, SaliencyMap]) -> tuple[Finding, ...]:
    """The findings; each present one gets the place where its map is highest."""
    return tuple(
        replace(finding, peak=_peak(maps[finding.name])) if finding.present and finding.name in maps else finding
        for finding in findings
    )


def _peak(saliency: SaliencyMap) -> tuple[float, float] | None:
    """(x, y) of the centre of the highest cell, as fractions of the image; None for an empty map."""
    values = saliency.values
    if not values.size or not float(values.max()) > 0.0:
        return None
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    rows, columns = values.shape
    return round((float(column) + 0.5) / columns, 4), round((float(row) + 0.5) / rows, 4)
