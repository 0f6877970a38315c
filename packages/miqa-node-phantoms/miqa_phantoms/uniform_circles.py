"""Circles in the middle and at the four edges of a module that is uniform: their means, and the noise of one slice."""

from __future__ import annotations

from dataclasses import dataclass

from miqa_node.features.phantoms.measure import PhantomMeasure
from miqa_node.features.phantoms.values import PhantomValue
from miqa_phantoms.modules import Module

PLACES = {"Center": (0.0, 0.0), "Left": (180.0, 1.0), "Right": (0.0, 1.0), "Top": (-90.0, 1.0), "Bottom": (90.0, 1.0)}
"""Angle from right towards down, and the distance from the centre in that of the outer circles."""


@dataclass(frozen=True, slots=True)
class UniformCircles:
    """``group`` begins the names of the means."""

    group: str
    distance_mm: float
    radius_mm: float

    def means(self, module: Module) -> dict[str, float]:
        """By place, in Hounsfield units."""
        distance, radius = self.distance_mm, self.radius_mm
        return {
            name: float(module.pixels(angle, away * distance, radius).mean()) for name, (angle, away) in PLACES.items()
        }

    def values(self, module: Module, measure: PhantomMeasure) -> list[PhantomValue]:
        """The means, with where they were read."""
        values = []
        for name, mean in self.means(module).items():
            angle, away = PLACES[name]
            circle = module.circle(angle, away * self.distance_mm, self.radius_mm, name)
            values.append(measure.value(f"{self.group}.{name}").read(mean, measure.source, module.read_on, [circle]))
        return values

    def noise(self, single: Module, measure: PhantomMeasure) -> PhantomValue:
        """``noise_hu``: the standard deviation in the middle of one slice."""
        deviation = float(single.pixels(0.0, 0.0, self.radius_mm).std(ddof=1))
        circle = single.circle(0.0, 0.0, self.radius_mm)
        return measure.value("noise_hu").read(deviation, measure.source, single.read_on, [circle])
