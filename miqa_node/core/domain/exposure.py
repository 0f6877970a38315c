"""The exposure indices of IEC 62494-1, as a header gives them."""

from __future__ import annotations

from math import isfinite, log10

from miqa_node.core.domain.instance import Header


def exposure_index(header: Header) -> float | None:
    """Exposure Index (0018,1411); None if it is absent or not positive."""
    return _positive(header.exposure_index)


def target_exposure_index(header: Header) -> float | None:
    """Target Exposure Index (0018,1412); None if it is absent or not positive."""
    return _positive(header.target_exposure_index)


def deviation_index(header: Header) -> float | None:
    """Deviation Index (0018,1413); where it is absent, from the two others; None if they are absent, too."""
    index, target = exposure_index(header), target_exposure_index(header)
    if header.deviation_index is None and index is not None and target is not None:
        return deviation(index, target)
    return header.deviation_index


def deviation(index: float, target: float) -> float:
    """Ten times the common logarithm of the exposure over the intended one.

    >>> deviation(200.0, 100.0)
    3.010299956639812
    """
    return 10.0 * log10(index / target)


def _positive(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) and value > 0 else None
