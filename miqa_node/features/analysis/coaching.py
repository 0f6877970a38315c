"""What could be better next time in how a patient lay or stood, and flags nothing: one sentence each, beside the usual.

Children, and adults from the front (AP), have limits and a usual of their own: at the bedside nobody stands straight.
How deep a breath was is said of PA images alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.landmarks import patient_side
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.language.catalogue import numerals, say

CHILD_YEARS = 16
CHILD, OTHER = "child", "other"
SIDES = ("left", "right", "top", "bottom")
FIELD_MM = 350.0
"""Assumed side of the image where the header gives no spacing: that of a usual detector."""
CUTS = ("clipped_anatomy", "lung_cut_left", "lung_cut_right", "lung_cut_top", "lung_cut_bottom")


@dataclass(frozen=True, slots=True)
class Habit:
    """Something that a room can become better at; ``limits`` by kind of patient, those left out are not coached.

    ``flagged_by``: findings and measurements of which a policy makes a flag; then it needs no coaching.
    """

    name: str
    unit: str
    limits: Mapping[str, float]
    flagged_by: tuple[str, ...]
    least_is_worst: bool = False

    def is_coached(self, kind: str, value: float) -> bool:
        """Whether a value is beyond the limit of its kind."""
        limit = self.limits.get(kind)
        return limit is not None and (value < limit if self.least_is_worst else value > limit)


_MARGINS = ("lung_margin", *(f"lung_margin_{side}" for side in SIDES))
HABITS = (
    Habit("rotation", "%", {"PA": 18, "AP": 20, OTHER: 20, CHILD: 20}, ("patient_rotated", "rotation_percent")),
    Habit("tilt", "°", {"PA": 4, "AP": 6, OTHER: 6, CHILD: 6}, ("tilt_deg",)),
    Habit("breath", "", {"PA": 8.5}, ("poor_inspiration", "ribs_above_dome"), least_is_worst=True),
    Habit("field", "mm", {"PA": 100, "AP": 100, OTHER: 100}, _MARGINS),
    Habit("cut", "mm", dict.fromkeys(("PA", "AP", OTHER, CHILD), 0), (*CUTS, *_MARGINS)),
)
"""Readers call 18 % of rotation slight; limits of tilt and breath are where they agree (positioning.md)."""


@dataclass(frozen=True, slots=True)
class Positioning:
    """How a patient was positioned: values by habit, sizes without a sign, and of some the patient's side."""

    kind: str
    values: Mapping[str, float]
    sides: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Usual:
    """The means of the last ``images`` of a room and kind of patient; few images have none."""

    images: int = 0
    values: Mapping[str, float] = field(default_factory=dict)


def kind_of(header: Header) -> str:
    """Which usual an image has: that of children, of PA or AP images, or of those that do not say it."""
    if header.age_years is not None and header.age_years < CHILD_YEARS:
        return CHILD
    return header.view_position if header.view_position in ("PA", "AP") else OTHER


def positioning_of(assessment: Assessment) -> Positioning | None:
    """The positioning of a frontal chest; None of what a landmark package did not judge."""
    header = assessment.known_header
    measured = {one.name: one for one in assessment.measurements}
    if "rotation_percent" not in measured:
        return None
    values: dict[str, float] = {}
    sides: dict[str, str] = {}
    for habit, name in (("rotation", "rotation_percent"), ("tilt", "tilt_deg")):
        if name in measured:
            number = measured[name].value
            values[habit] = abs(number)
            sides[habit] = patient_side("right" if number > 0 else "left", header.patient_orientation)
    if "ribs_above_dome" in measured:
        values["breath"] = measured["ribs_above_dome"].value
    margins = [
        (one.value * (1.0 if one.unit == "mm" else FIELD_MM / 100.0), patient_side(side, header.patient_orientation))
        for side in SIDES
        if (one := measured.get(f"lung_margin_{side}")) is not None
    ]
    if margins:
        values["field"], sides["field"] = max(margins)
        nearest, sides["cut"] = min(margins)
        values["cut"] = -nearest
    return Positioning(kind_of(header), values, sides)


def coached(positioning: Positioning, disposition: Disposition) -> list[Habit]:
    """What is beyond the limit of its kind and no reason for a flag; nothing of an image that does not count."""
    if disposition.experimental:
        return []
    flagged = {name for one in disposition.reasons if one.verdict.flagged for name in (one.name, one.finding)}
    return [
        habit
        for habit in HABITS
        if habit.name in positioning.values
        and habit.is_coached(positioning.kind, positioning.values[habit.name])
        and not flagged.intersection(habit.flagged_by)
    ]


def sentences(positioning: Positioning, habits: Sequence[Habit], usual: Usual) -> list[str]:
    """What is said, in the language that is spoken now."""
    return [text for habit in habits for text in _sentence(positioning, habit, usual.values.get(habit.name))]


def amount(habit: str, value: float) -> str:
    """A value with its unit, as exact as it is known.

    >>> amount("rotation", 23.7), amount("breath", 8.31), amount("field", 103.2)
    ('24 %', '8.3', '103 mm')
    """
    unit = next(one.unit for one in HABITS if one.name == habit)
    digits = 0 if unit in ("%", "mm") else 1
    return numerals(f"{value:.{digits}f} {unit}".rstrip().replace(" °", "°"))


def _sentence(positioning: Positioning, habit: Habit, usual: float | None) -> Iterator[str]:
    side, value = positioning.sides.get(habit.name, ""), amount(habit.name, positioning.values[habit.name])
    if not side and habit.name != "breath":
        return  # the header says that the picture has no such sides
    text = {
        "rotation": say("rotated to the {side}, {share}", side=say(side), share=value),
        "tilt": say("leaning to the {side}, {angle}", side=say(side), angle=value),
        "breath": say("shallow breath, {count} ribs above the diaphragm", count=value),
        "field": say("field open {length} beyond the lungs, {side}", side=say(side), length=value),
        "cut": say("about {length} of lung missing, {side}", side=say(side), length=value),
    }[habit.name]
    if usual is None or habit.name == "cut":  # whole lungs are usual
        yield text
    else:
        yield say("{text}; usual here {usual}", text=text, usual=amount(habit.name, usual))
