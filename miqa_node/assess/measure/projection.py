"""Measures a radiograph: every number that needs no model, at native resolution."""

from __future__ import annotations

import structlog

from miqa_node.assess.measure.base import image_measures
from miqa_node.assess.measure.view import ImageView
from miqa_node.domain.assessment import Measurement
from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import Header

log = structlog.get_logger(__name__)


def measure(radiograph: Radiograph, header: Header) -> tuple[Measurement, ...]:
    """All measurements that can be taken of the image, in a fixed order; padding takes no part.

    Left out is whatever the image is too small, too uniform or not described well enough for. Values are finite. If a
    measurement fails, it is left out and the log says so.
    """
    view, measurements = ImageView(radiograph, header), []
    for one in image_measures():
        try:
            measurement = one.measure(view)
        except Exception as error:  # noqa: BLE001 - code of others may fail in any way, and must not lose the image
            log.error("a measurement failed", measurement=one.name, error=f"{type(error).__name__}: {error}")
            continue
        if measurement is not None:
            measurements.append(measurement)
    return tuple(measurements)
