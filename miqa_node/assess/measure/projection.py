"""Measures a radiograph: every number that needs no model, at native resolution, whatever is decided of it later.

Definitions, units and sources stand in docs/reference/measurements.md under the name of each measurement.
"""

from __future__ import annotations

from math import isfinite

from miqa_node.assess.measure.anatomy import chest_contrast, outline
from miqa_node.assess.measure.exposure import exposure_index, range_use
from miqa_node.assess.measure.noise import noise
from miqa_node.assess.measure.periodic import blockiness, grid
from miqa_node.assess.measure.plane import Plane, stored_statistics
from miqa_node.assess.measure.sharpness import sharpness
from miqa_node.domain.assessment import Measurement
from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import Header


def measure(radiograph: Radiograph, header: Header) -> tuple[Measurement, ...]:
    """All measurements that can be taken of the image, in a fixed order; padding takes no part.

    What an image is too small, too uniform or not described well enough for is left out. Values are finite.
    """
    found = list(exposure_index(header))
    plane = Plane(radiograph)
    if plane.pixels:
        statistics = stored_statistics(plane)
        found += range_use(plane, statistics)
        if statistics.highest > statistics.lowest:
            found += sharpness(plane)
            found += noise(plane, statistics)
            found += grid(plane)
            found += blockiness(plane)
            found += outline(plane)
            found += chest_contrast(plane, header)
    return tuple(measurement for measurement in found if isfinite(measurement.value))
