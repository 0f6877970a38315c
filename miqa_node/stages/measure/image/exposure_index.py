"""The exposure indices of IEC 62494-1, as the header gives them.

>>> from dataclasses import replace
>>> from miqa_node.stages.measure.view import PICTURE_HEADER
>>> header = replace(PICTURE_HEADER, exposure_index=200.0, target_exposure_index=100.0)
>>> round(exposure.deviation_index(header), 2)
3.01
"""

from __future__ import annotations

from functools import partial

from miqa_node.core.domain import exposure
from miqa_node.core.domain.codes import Code
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.base import ImageMeasure

_stated = partial(ImageMeasure, unit="1", is_learned_soon=True, section="Range and exposure", needs="header")
EXPOSURE_INDEX = _stated(
    name="exposure_index",
    least_spread_share=0.05,
    scale=POSITIVE,
    label="Exposure Index",
    code=Code("113845", "DCM", "Exposure Index"),
    summary="Exposure Index (0018,1411), IEC 62494-1.",
    validity="Images whose header has it, above 0.",
    tolerance="As the header says.",
    phrase="exposure index {value}",
    phrase_rank=20,
    rank=10,
    take=lambda view: exposure.exposure_index(view.header),
)
TARGET_EXPOSURE_INDEX = _stated(
    name="target_exposure_index",
    least_spread_share=0.01,
    scale=POSITIVE,
    label="Target Exposure Index",
    code=Code("113846", "DCM", "Target Exposure Index"),
    summary="Target Exposure Index (0018,1412).",
    validity="Images whose header has it, above 0.",
    tolerance="As the header says.",
    rank=20,
    take=lambda view: exposure.target_exposure_index(view.header),
)
DEVIATION_INDEX = _stated(
    name="deviation_index",
    least_spread=0.3,
    report_unit="{index}",
    label="Deviation Index",
    code=Code("113847", "DCM", "Deviation Index"),
    summary="Deviation Index (0018,1413); when absent, 10 · log₁₀(exposure index / target).",
    validity="Images whose header has it, or both other indices.",
    tolerance="As the header says, or exact from both indices.",
    agreement=0.001,
    proof="The element, or 10 · log₁₀ of both indices.",
    phrase="exposure {factor} times the intended one (deviation index {value})",
    phrase_rank=10,
    concern="The exposure was far from the intended one. With too little, noise hides fine structures; with too much, "
    "the patient got more dose than was needed. Check the exposure settings and the examination chosen at the console.",
    rank=30,
    take=lambda view: exposure.deviation_index(view.header),
)
