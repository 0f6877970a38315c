"""Side markers as measurements, of radiographs of any part, and what they say against the side in the header.

The network learned on chests. On other parts a letter counts from a higher certainty on, because screws, phalanges
and logos look like an uncertain L or R there.
"""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.domain.assessment import Measurement, PlausibilityIssue
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.landmarks import SideMarker
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.pixels.plausibility import ISSUES, PAIRED
from miqa_node.stages.assess.landmarks.measurands import LEFT_MARKERS, MARKER_AGREES, RIGHT_MARKERS

SURE_FROM = 0.7
"""Of 101 images of other parts and 202 of spines, eleven letters are at least this certain, all of them right."""
CONTRADICTION = "marker_contradicts_laterality"
SIDES = {"L": "left", "R": "right"}
"""What Image Laterality (0020,0062) calls a side."""


def sure_markers(markers: Sequence[SideMarker]) -> tuple[SideMarker, ...]:
    """Those that count as measurements."""
    return tuple(marker for marker in markers if marker.probability >= SURE_FROM)


def marker_measurements(markers: Sequence[SideMarker], header: Header) -> tuple[Measurement, ...]:
    """How many letters name each side, where the most certain one stands, and whether they agree with the header."""
    sure = sure_markers(markers)
    counts = tuple(
        Measurement(measurand.name, float(len(letters)), measurand.unit, _place(letters[0]) if letters else "")
        for measurand, letters in (
            (LEFT_MARKERS, [marker for marker in sure if marker.side == "left"]),
            (RIGHT_MARKERS, [marker for marker in sure if marker.side == "right"]),
        )
    )
    agrees = marker_agrees(sure, header)
    if agrees is None:
        return counts
    return (*counts, Measurement(MARKER_AGREES.name, float(agrees), MARKER_AGREES.unit))


def marker_agrees(markers: Sequence[SideMarker], header: Header) -> bool | None:
    """Whether the letters name the side in the header of a paired part.

    None without a letter, with letters of both sides, and where the header names no side of a paired part.

    >>> from miqa_node.stages.measure.view import PICTURE_HEADER
    >>> from dataclasses import replace
    >>> knee = replace(PICTURE_HEADER, body_part_examined="KNEE", image_laterality="L")
    >>> marker_agrees([SideMarker("R", 0.1, 0.2, 0.9)], knee), marker_agrees([], knee)
    (False, None)
    """
    side = SIDES.get(header.image_laterality)
    letters = {marker.side for marker in markers}
    if side is None or len(letters) != 1 or header.body_part_examined not in PAIRED:
        return None
    return letters == {side}


def marker_issues(markers: Sequence[SideMarker], header: Header) -> tuple[PlausibilityIssue, ...]:
    """The contradiction, if there is one: a hint, which flags nothing unless a policy says so."""
    sure = sure_markers(markers)
    if marker_agrees(sure, header) is not False:
        return ()
    sentence = Phrase(
        "A marker {letter} is read in the picture, but laterality is {image_laterality}.",
        letter=sure[0].letter, image_laterality=header.image_laterality,
    )  # fmt: skip
    return (PlausibilityIssue(CONTRADICTION, sentence, ISSUES[CONTRADICTION]),)


def _place(marker: SideMarker) -> Phrase:
    across, down = f"{100.0 * marker.x:.0f} %", f"{100.0 * marker.y:.0f} %"
    return Phrase(
        "{letter} at {across} of the width, {down} of the height",
        letter=marker.letter, across=across, down=down,
    )  # fmt: skip
