"""Anatomical points of a frontal chest radiograph, in the image and on the patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LANDMARK_WORDS: Mapping[str, str] = {
    "apex": "Apex of the lung",
    "cpa": "Costophrenic angle",
    "dome": "Dome of the diaphragm",
    "clav": "Medial end of the clavicle",
    "lat": "Widest inner rib cage",
    "spine_clav": "Spine between the clavicles",
    "spine_low": "Spine between the domes",
}
"""Names of the kinds of points."""
Outline = tuple[tuple[float, float], ...]
"""Corners (x, y) of a closed polygon, as fractions of the image; the first is not repeated."""
IMAGE_SIDES = ("left", "right", "top", "bottom")
_OPPOSITE = {"left": "right", "right": "left"}
_LETTERS = {"l": "left", "r": "right"}


@dataclass(frozen=True, slots=True)
class SideMarker:
    """A letter in the image that names a side of the patient; ``x`` and ``y`` are fractions of the stored image.

    ``letter``: L is left; R, and D as in derecha, destra and droite, are right. ``probability`` is the network's, not
    calibrated.
    """

    letter: str
    x: float
    y: float
    probability: float

    @property
    def side(self) -> str:
        """The side of the patient that it names."""
        return "left" if self.letter == "L" else "right"


@dataclass(frozen=True, slots=True)
class Landmarks:
    """The points of one image.

    ``points`` holds (x, y) by name, as fractions of the stored image's width and height from its upper left corner; a
    structure that cannot be seen is absent. A name's ending ``_l`` or ``_r`` is the IMAGE's side. ``cut`` is, by side
    of the image (``left``, ``right``, ``top``, ``bottom``), the probability that lung is cut off there. ``lungs`` holds
    the outline of each lung by side of the image (``left``, ``right``), empty from a package without a lung field.
    ``markers`` are the side markers that were read, the most certain first. ``package`` is ``<name>-<version>`` of the
    landmark package, ``sha256`` identifies its graphs.
    """

    points: Mapping[str, tuple[float, float]]
    cut: Mapping[str, float] = field(default_factory=dict)
    package: str = ""
    sha256: str = ""
    lungs: Mapping[str, Outline] = field(default_factory=dict)
    markers: tuple[SideMarker, ...] = ()


def patient_side(image_side: str, orientation: tuple[str, ...]) -> str:
    """The patient's ``left`` or ``right`` for the image's left or right; other sides are unchanged.

    ``orientation`` is Patient Orientation (0020,0020). If it is absent, the patient's right side is assumed at the
    image's left, as frontal radiographs are displayed (PS3.3 C.7.6.1.1.1). If it has neither L nor R along the rows,
    the header says that there are no such sides, and nothing is said.

    >>> patient_side("left", ("L", "F")), patient_side("left", ("R", "F")), patient_side("left", ())
    ('right', 'left', 'right')
    >>> patient_side("left", ("A", "F")), patient_side("top", ("A", "F"))
    ('', 'top')
    """
    if image_side not in _OPPOSITE:
        return image_side
    to_the_right = orientation[0][:1] if orientation and orientation[0] else "L"
    return {"R": image_side, "L": _OPPOSITE[image_side]}.get(to_the_right, "")


def landmark_kind(name: str) -> tuple[str, str]:
    """The kind of a point, and its side of the image: "left", "right", or "" for the midline.

    >>> landmark_kind("apex_l"), landmark_kind("spine_low")
    (('apex', 'left'), ('spine_low', ''))
    """
    kind, _, ending = name.rpartition("_")
    return (kind, _LETTERS[ending]) if ending in _LETTERS else (name, "")


def landmark_words(name: str, orientation: tuple[str, ...] = ()) -> str:
    """The display name of a point, with the side of the patient; where nobody knows that, with the image's.

    >>> landmark_words("apex_l"), landmark_words("apex_l", ("A", "F"))
    ("Apex of the lung, patient's right", "Apex of the lung, image's left")
    """
    kind, side = landmark_kind(name)
    words = LANDMARK_WORDS.get(kind, name)
    return f"{words}, {side_words(side, orientation)}" if side else words


def side_words(image_side: str, orientation: tuple[str, ...]) -> str:
    """A side of the patient in words; where nobody knows that, of the image."""
    side = patient_side(image_side, orientation)
    return f"patient's {side}" if side else f"image's {image_side}"
