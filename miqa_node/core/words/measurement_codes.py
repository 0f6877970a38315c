"""Codes and names of measurements from the seam ``miqa.measurements``; an unknown one keeps its own name."""

from __future__ import annotations

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.finding import humanised
from miqa_node.core.domain.measurand import Measurand, measurand_of
from miqa_node.core.taxonomy.base import SCHEME
from miqa_node.core.words.codes import IMAGE_QUALITY, Concept, private_value


def measurement_code(name: str) -> Code:
    """The concept of a measurement; without one it gets a stable value made from its name.

    >>> measurement_code("deviation_index").value, measurement_code("some_new_measurement").value
    ('113847', 'SOME_NEW_ME_3AE4')
    """
    measurand = measurand_of(name)
    if measurand is None:
        return Code(private_value(name), SCHEME, humanised(name)[:64])
    return measurand.code if isinstance(measurand.code, Code) else _concept(measurand).code


def is_standard(name: str) -> bool:
    """Whether a measurement has a standard code."""
    measurand = measurand_of(name)
    return measurand is not None and isinstance(measurand.code, Code)


def unit_of(name: str, unit: str) -> str:
    """The unit of a measurement in reports.

    >>> unit_of("slice_gaps", "1"), unit_of("coverage", "mm")
    ('{gaps}', 'mm')
    """
    measurand = measurand_of(name)
    return measurand.report_unit if measurand is not None and measurand.report_unit else unit


def _concept(measurand: Measurand) -> Concept:
    value = measurand.code if isinstance(measurand.code, str) and measurand.code else private_value(measurand.name)
    return Concept(value, measurand.label, measurand.summary, measurand.parent or IMAGE_QUALITY)
