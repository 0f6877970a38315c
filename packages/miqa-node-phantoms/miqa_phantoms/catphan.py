"""The modules of a Catphan 504 as its measures read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import Region, SliceRead
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.phantom_shapes.catphan import AIR_HU, CatphanPose, CatphanSlices, find_catphan
from miqa_node.libraries.phantom_shapes.disc import Disc, find_disc
from miqa_node.stages.measure.series_view import Values

NO_MODULE = Phrase("Module CTP404 with its inserts of air and Teflon was not found.")
NOT_COVERED = Phrase("The series does not reach so far along the phantom.")
MOST_OFF_MM = 4.0
"""A slice farther from the middle of a module is not taken for it."""


@dataclass(frozen=True, slots=True)
class Module:
    """A slice of a module; ``image`` is the mean, or the highest value, of it and its neighbours."""

    image: Values
    disc: Disc
    pose: CatphanPose
    read_on: SliceRead

    def pixels(self, angle_deg: float, distance_mm: float, radius_mm: float) -> Array:
        """Those of a circle; the angle as the phantom lies when its insert of air is up."""
        column, row = self.centre(angle_deg, distance_mm)
        down = (np.arange(self.image.shape[0]) - row)[:, None] * self.disc.spacing.rows
        right = (np.arange(self.image.shape[1]) - column)[None, :] * self.disc.spacing.columns
        return np.asarray(self.image[np.hypot(down, right) <= radius_mm], np.float64)

    def centre(self, angle_deg: float, distance_mm: float) -> tuple[float, float]:
        """Column and row."""
        rows, columns = self.disc.points(np.array([self.pose.angle(angle_deg)]), np.array([distance_mm]))
        return float(columns[0]), float(rows[0])

    def circle(self, angle_deg: float, distance_mm: float, radius_mm: float, label: str = "") -> Region:
        """That of :meth:`pixels`."""
        column, row = self.centre(angle_deg, distance_mm)
        return Region("CIRCLE", ((column, row), (column + radius_mm / self.disc.spacing.columns, row)), label)


class CatphanView:
    """The modules of one stack."""

    def __init__(self, stack: PhantomStack, layout: CatphanSlices) -> None:
        self.stack = stack
        self.layout = layout

    def module(self, name: str, offset_mm: float, *, beside: int = 1, highest: bool = False) -> Module | None:
        """The slice so far from CTP404, in the direction of CTP528; None if the stack does not reach it.

        ``beside`` slices on each side are averaged with it, or give their highest value.
        """
        places = self.stack.places_mm or []
        target_mm = places[self.layout.origin] + self.layout.direction * offset_mm
        place = min(range(len(places)), key=lambda one: abs(places[one] - target_mm))
        if abs(places[place] - target_mm) > MOST_OFF_MM:
            return None
        images = self.stack.images[max(0, place - beside) : place + beside + 1]
        image = _combined(images, highest=highest)
        disc = find_disc(image, self.stack.spacing_mm, floor=AIR_HU, divided=False)
        return Module(image, disc or self.layout.disc, self.layout.pose, self.stack.read_on(place, name))


def _combined(images: Sequence[Values], *, highest: bool) -> Values:
    together = np.stack(images)
    return np.asarray(together.max(axis=0) if highest else together.mean(axis=0), np.float32)


def catphan_of(stack: PhantomStack) -> CatphanView | None:
    """None if the stack has no module CTP404."""
    return stack.once(_find)


def _find(stack: PhantomStack) -> CatphanView | None:
    layout = find_catphan(stack.images, stack.places_mm, stack.spacing_mm)
    return None if layout is None else CatphanView(stack, layout)
