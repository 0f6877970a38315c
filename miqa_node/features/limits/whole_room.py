"""A room that is bad as a whole is told as a room: its own limits would make what all its images show ordinary."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import median

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.rule import ANOMALY
from miqa_node.features.limits.learn import SeenImage

LEAST_IMAGES, MOST_NEWEST = 20, 60
"""Of fewer images a median says little; what was long ago is over."""
HIGH: Mapping[str, float] = {
    FindingName.NOISE: 0.145,
    FindingName.UNSHARP: 0.03,
    FindingName.MOTION_BLUR: 0.03,
    FindingName.CONTRAST_PROCESSING: 0.139,
    FindingName.UNDEREXPOSURE: 0.03,
    FindingName.OVEREXPOSURE_SATURATION: 0.135,
}
"""The strength that 95 % of single unaltered images of the known sources do not reach, each source alike, at least .03:
below that a strength is nothing. Of 981 images of eleven sources; copies of 224 pixels are left out, and so are JSRT
and Wingspan, which choose nothing. Of these Wingspan is told to be noisy."""
MANY_UNUSUAL = 0.1
"""Share of unusual images from which on the figures of the card do not hold in a room."""
STAYS = 0.8
"""What is told already stays so down to this part of a limit, so that it is not told each time that chance lifts it."""
MOST_EXAMPLES = 6


def whole_room(
    images: Sequence[SeenImage], before: Collection[str] = (), limits: Mapping[str, float] | None = None
) -> tuple[str, ...]:
    """What most images of a room show, by the name of the finding, or ``anomaly``; empty if the room is ordinary.

    ``before`` is told of it already. ``limits`` are its own: a median beyond them has moved since the room learned.
    """
    return tuple(_told(images, before, limits or {})) if len(images) >= LEAST_IMAGES else ()


def _told(images: Sequence[SeenImage], before: Collection[str], limits: Mapping[str, float]) -> Iterator[str]:
    for name, elsewhere in HIGH.items():
        high = min(elsewhere, limits.get(name, elsewhere))
        degrees = [image.degrees[name] for image in images if name in image.degrees]
        if degrees and median(degrees) > high * (STAYS if name in before else 1.0):
            yield name
    many = MANY_UNUSUAL * (STAYS if ANOMALY in before else 1.0)
    if sum(ANOMALY in image.flags for image in images) > many * len(images):
        yield ANOMALY


def typical(images: Sequence[SeenImage], names: Sequence[str]) -> list[int]:
    """The places of images that show what is told, by turns of each name those nearest to its median."""
    nearest = [_nearest(images, name) for name in names]
    turns = [place for turn in range(MOST_EXAMPLES) for places in nearest for place in places[turn : turn + 1]]
    return list(dict.fromkeys(turns))[:MOST_EXAMPLES]


def _nearest(images: Sequence[SeenImage], name: str) -> list[int]:
    shown = [place for place, one in enumerate(images) if name in (one.flags if name == ANOMALY else one.degrees)]
    middle = median(images[place].degrees[name] for place in shown)
    return sorted(shown, key=lambda place: abs(images[place].degrees[name] - middle))
