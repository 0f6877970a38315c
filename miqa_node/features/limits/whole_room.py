"""A room that is bad as a whole is told as a room: its own limits would make what all its images show ordinary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.rule import ANOMALY
from miqa_node.features.limits.learn import SeenImage

LEAST_IMAGES = 20
"""Of fewer images a median says little."""
HIGH: Mapping[str, float] = {
    FindingName.NOISE: 0.135,
    FindingName.UNSHARP: 0.03,
    FindingName.MOTION_BLUR: 0.03,
    FindingName.CONTRAST_PROCESSING: 0.03,
    FindingName.UNDEREXPOSURE: 0.03,
    FindingName.OVEREXPOSURE_SATURATION: 0.03,
}
"""The strength that 95 % of single unaltered images of the known sources do not reach, at least .03: below that a
strength is nothing. Of 941 images of eleven sources, those left out that are copies of 224 pixels."""
MANY_UNUSUAL = 0.1
"""Share of unusual images from which on the figures of the card do not hold in a room."""


def whole_room(images: Sequence[SeenImage]) -> tuple[str, ...]:
    """What most images of a room show, by the name of the finding, or ``anomaly``; empty if the room is ordinary."""
    return tuple(_told(images)) if len(images) >= LEAST_IMAGES else ()


def _told(images: Sequence[SeenImage]) -> Iterator[str]:
    for name, high in HIGH.items():
        degrees = [image.degrees[name] for image in images if name in image.degrees]
        if degrees and median(degrees) > high:
            yield name
    if sum(ANOMALY in image.flags for image in images) > MANY_UNUSUAL * len(images):
        yield ANOMALY
