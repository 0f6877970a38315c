"""Measures a radiograph: every number that needs no model, at native resolution."""

from __future__ import annotations

import structlog

from miqa_node.core.domain.assessment import LeftOut, Measurement
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header
from miqa_node.core.observe.log import describe_error
from miqa_node.errors import place_of
from miqa_node.stages.measure.base import FAILED, NoNumber, by_reason, image_measures
from miqa_node.stages.measure.view import ImageView

log = structlog.get_logger(__name__)


def measure(radiograph: Radiograph, header: Header) -> tuple[Measurement, ...]:
    """All measurements that can be taken of the image, in a fixed order; padding is excluded.

    A measurement is omitted if the image is too small or too uniform, or if its header lacks the attributes. Values
    are finite. If a measurement fails, it is omitted and the failure logged.
    """
    return numbers_of(ImageView(radiograph, header))[0]


def numbers_of(view: ImageView) -> tuple[tuple[Measurement, ...], tuple[LeftOut, ...]]:
    """The measurements of a view, and what has no number, by reason."""
    measurements, reasons = [], []
    for one in image_measures(view.header):
        try:
            outcome = one.measure(view)
        except Exception as error:  # noqa: BLE001 - code of others may fail in any way, and must not lose the image
            log.error("a measurement failed", measurement=one.name, error=describe_error(error), where=place_of(error))
            outcome = NoNumber(FAILED)
        if isinstance(outcome, NoNumber):
            reasons.append((one.name, outcome.reason))
        else:
            measurements.append(outcome)
    return tuple(measurements), by_reason(reasons)
