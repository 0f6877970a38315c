"""Modules of a CT phantom along its axis, as its measures read them: each has its own look, at its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import Region, SliceRead
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.phantom_shapes.catphan import AIR_HU, CatphanPose
from miqa_node.libraries.phantom_shapes.disc import Disc, find_disc
from miqa_node.stages.measure.series_view import Values

NOT_COVERED = Phrase("The series does not reach so far along the phantom.")
OTHER_LOOK = Phrase("The slices where this module should be do not look like it.")
NO_SIDE = Phrase("No line pairs were found, and nothing else tells on which side the other modules are.")
BESIDE_MM = 3.0
"""Slices so near to the middle are averaged, however many there are."""


@dataclass(frozen=True, slots=True)
class Module:
    """A slice of a module; ``image`` may be the mean, or the highest value, of several."""

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


class ModuleView:
    """The modules of one stack; each is a module, or the reason why there is none."""

    def __init__(self, stack: PhantomStack, middle_mm: float, disc: Disc, pose: CatphanPose, direction: int) -> None:
        self.stack = stack
        self.disc = disc
        self.pose = pose
        self.direction = direction
        """1 if the other modules' distances rise with the places of slices, -1 if they fall; 0 if nothing tells it."""
        self.at_mm: Sequence[float] = [one - middle_mm for one in stack.places_mm or []]
        """Distances from the middle of the module with the inserts."""

    def place_of(self, distance_mm: float, most_off_mm: float, looks_so: Callable[[Values], bool]) -> int | Phrase:
        """The slice nearest to a distance that looks as the module does."""
        if self.direction == 0:
            is_covered = any(abs(abs(at) - abs(distance_mm)) <= most_off_mm for at in self.at_mm)
            return NO_SIDE if is_covered else NOT_COVERED
        target = self.direction * distance_mm
        near = [place for place, at in enumerate(self.at_mm) if abs(at - target) <= most_off_mm]
        if not near:
            return NOT_COVERED
        alike = [place for place in near if looks_so(self.stack.images[place])]
        return min(alike, key=lambda one: abs(self.at_mm[one] - target)) if alike else OTHER_LOOK

    def nearest(self, at_mm: float) -> int:
        """The slice nearest to a distance."""
        return min(range(len(self.at_mm)), key=lambda one: abs(self.at_mm[one] - at_mm))

    def mean(self, name: str, place: int | Phrase) -> Module | Phrase:
        """Of the slice and of those beside it, by where they lie: overlapping ones do not make it thinner."""
        return place if isinstance(place, Phrase) else self.mean_of(name, place)

    def mean_of(self, name: str, place: int) -> Module:
        """The same of a slice that is there."""
        near = [one for one, at in enumerate(self.at_mm) if abs(at - self.at_mm[place]) <= BESIDE_MM]
        return self.module(name, place, np.stack([self.stack.images[one] for one in near]).mean(axis=0))

    def single(self, name: str, place: int | Phrase) -> Module | Phrase:
        """One slice, which has its own noise."""
        return place if isinstance(place, Phrase) else self.module(name, place, self.stack.images[place])

    def module(self, name: str, place: int, image: Values) -> Module:
        """An image of the slice, or of several about it."""
        image = np.asarray(image, np.float32)
        disc = find_disc(image, self.stack.spacing_mm, floor=AIR_HU, divided=False)
        return Module(image, disc or self.disc, self.pose, self.stack.read_on(place, name))
