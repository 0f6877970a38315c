"""The exposure indices of IEC 62494-1, as the header gives them."""

from __future__ import annotations

from math import log10

from miqa_node.assess.measure.base import ImageMeasure
from miqa_node.assess.measure.view import ImageView
from miqa_node.domain.codes import Code

SECTION = "Range and exposure"


def _index(view: ImageView) -> float | None:
    return _positive(view.header.exposure_index)


def _target(view: ImageView) -> float | None:
    return _positive(view.header.target_exposure_index)


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _deviation(view: ImageView) -> float | None:
    index, target = _index(view), _target(view)
    if view.header.deviation_index is None and index is not None and target is not None:
        return deviation(index, target)
    return view.header.deviation_index


def deviation(index: float, target: float) -> float:
    """Ten times the common logarithm of the exposure over the intended one.

    >>> deviation(200.0, 100.0)
    3.010299956639812
    """
    return 10.0 * log10(index / target)


EXPOSURE_INDEX = ImageMeasure(
    name="exposure_index",
    unit="1",
    label="Exposure Index",
    code=Code("113845", "DCM", "Exposure Index"),
    summary="Exposure Index (0018,1411), IEC 62494-1.",
    phrase="exposure index {value}",
    phrase_rank=20,
    section=SECTION,
    rank=10,
    needs="header",
    take=_index,
)
TARGET_EXPOSURE_INDEX = ImageMeasure(
    name="target_exposure_index",
    unit="1",
    label="Target Exposure Index",
    code=Code("113846", "DCM", "Target Exposure Index"),
    summary="Target Exposure Index (0018,1412).",
    section=SECTION,
    rank=20,
    needs="header",
    take=_target,
)
DEVIATION_INDEX = ImageMeasure(
    name="deviation_index",
    unit="1",
    report_unit="{index}",
    label="Deviation Index",
    code=Code("113847", "DCM", "Deviation Index"),
    summary="Deviation Index (0018,1413); when absent, 10 · log₁₀(exposure index / target).",
    phrase="exposure {factor} times the intended one (deviation index {value})",
    phrase_rank=10,
    section=SECTION,
    rank=30,
    needs="header",
    take=_deviation,
)
