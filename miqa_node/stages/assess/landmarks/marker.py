"""Reads side markers: letters of lead or print that name a side of the patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.landmarks import SideMarker, patient_side
from miqa_node.stages.assess.classify.picture import PictureInput, normalised, place_in, resized, stretched
from miqa_node.stages.assess.section import Section

LETTER_CHANCES = "letters"
"""Output of the marker graph: the probability of a letter's centre, (1, 3, rows, columns) in the order of LETTERS."""
LETTERS = ("L", "R", "D")
"""Left, right, and right in Spanish, Italian, French and Portuguese."""
MARKER_PICTURE = PictureInput(rows=512, columns=512, fit="pad", mean=(0.5,), std=(0.5,))
READ_FROM = 0.4
"""Letters that are less certain are not reported: most of them are none."""
MOST_LETTERS = 8
"""More are not reported of one image, whatever the network sees in it."""
APART_CELLS = 5
"""Letters are at least half of this apart."""
MIDDLE_SHARE = 0.06
"""A marker this close to the middle of the image belongs to neither side."""


class MarkerInput(Section):
    """Section ``marker`` of a landmark package: the input of its marker graph."""

    picture: PictureInput = MARKER_PICTURE


class MarkerNetwork:
    """Finds the letters in an image."""

    def __init__(
        self, run: Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float64]]], picture: PictureInput
    ) -> None:
        """``run`` gives the output LETTER_CHANCES (3, rows, columns) of a prepared image."""
        self._run, self._picture = run, picture
        self.stretch = picture.stretch

    def __call__(
        self, display: NDArray[np.uint16], valid: NDArray[np.bool_] | None = None,
        values: NDArray[np.float32] | None = None,
    ) -> tuple[SideMarker, ...]:  # fmt: skip
        """The markers in presentation values (rows, columns), the most certain first.

        ``values`` are these after the ``stretch``, if they are known already.
        """
        top, left, rows, columns = place_in(display.shape, self._picture)
        values = stretched(display, self._picture.stretch, valid) if values is None else values
        image = normalised(resized(values, self._picture), self._picture)
        return tuple(
            SideMarker(
                letter,
                round((x * self._picture.columns - left) / columns, 4),
                round((y * self._picture.rows - top) / rows, 4),
                round(chance, 4),
            )
            for letter, x, y, chance in peaks_of(self._run(image)[LETTER_CHANCES])
        )


def peaks_of(chances: NDArray[np.float64]) -> list[tuple[str, float, float, float]]:
    """(letter, x, y, probability) of at most MOST_LETTERS peaks of (3, rows, columns), the highest first, as fractions.

    >>> chances = np.zeros((3, 8, 8)); chances[1, 2, 6] = 0.9; chances[0, 2, 5] = 0.5
    >>> peaks_of(chances)
    [('R', 0.8125, 0.3125, 0.9)]
    """
    best = chances.max(0).astype(np.float32)
    highest = cv2.dilate(best, np.ones((APART_CELLS, APART_CELLS)))
    rows, columns = best.shape
    places = np.argwhere((best >= READ_FROM) & (best == highest))
    peaks = [
        (LETTERS[int(chances[:, y, x].argmax())], (x + 0.5) / columns, (y + 0.5) / rows, float(chances[:, y, x].max()))
        for y, x in places.tolist()
    ]
    return sorted(peaks, key=lambda peak: -peak[3])[:MOST_LETTERS]


def contradiction(markers: Sequence[SideMarker], orientation: tuple[str, ...], mirrored: float = 0.0) -> float:
    """Probability that a marker names the other side than the one that it stands on, 0 to 1.

    ``orientation`` is Patient Orientation (0020,0020); without it the patient's right is at the image's left, and with
    neither L nor R along the rows it names no sides that a letter could contradict. A marker that agrees speaks against
    one that does not; one in the middle says nothing. Anatomy that is on the other side, too (``mirrored``, the chance
    of that), makes the letter more credible (Bayes' theorem, both independent); anatomy on its usual side does not make
    it less so, for a misplaced marker stands beside a normal chest.

    >>> contradiction([SideMarker("L", 0.1, 0.1, 0.9)], ("L", "F")), contradiction([SideMarker("L", 0.9, 0.1, 0.9)], ())
    (0.9, 0.0)
    >>> round(contradiction([SideMarker("L", 0.1, 0.1, 0.4)], (), 0.9), 3)
    0.857
    """
    agreeing = disagreeing = 0.0
    for marker in markers:
        if abs(marker.x - 0.5) < MIDDLE_SHARE:
            continue
        stands_on = patient_side("left" if marker.x < 0.5 else "right", orientation)
        if marker.side == stands_on:
            agreeing = max(agreeing, marker.probability)
        elif stands_on:
            disagreeing = max(disagreeing, marker.probability)
    letter, anatomy = disagreeing * (1.0 - agreeing), max(mirrored, 0.5)
    both = letter * anatomy
    return both / (both + (1.0 - letter) * (1.0 - anatomy)) if letter else 0.0


def against_header(mirrored: float, orientation: tuple[str, ...]) -> float:
    """Chance that the anatomy is on the other side than the header says.

    ``mirrored`` is the chance that the patient's right is not at the image's left.

    >>> against_header(0.9, ("L", "F")), against_header(0.75, ("R", "F"))
    (0.9, 0.25)
    """
    return {"right": mirrored, "left": 1.0 - mirrored}.get(patient_side("left", orientation), 0.0)
