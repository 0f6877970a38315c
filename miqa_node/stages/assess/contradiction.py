"""What the header names and the pixels do not show, in both directions: one issue, for which a policy has one rule."""

from __future__ import annotations

from miqa_node.core.domain.assessment import PlausibilityIssue
from miqa_node.core.domain.finding import GateClass
from miqa_node.core.domain.instance import Header
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.pixels.plausibility import ISSUES

CONTRADICTION = "pixels_contradict_body_part"
NO_CHEST = Phrase(
    "No frontal chest in the pixels: check label, view and patient; or the image is too blurred, moved or cut."
)
NOT_WHAT_IT_SAYS = Phrase(
    "The pixels do not show what the header names: check label, view and patient; or the image is too blurred, moved "
    "or cut."
)


def shows_another(header: Header, gate: GateClass) -> tuple[PlausibilityIssue, ...]:
    """The issue of an image that a package covers by its header, and whose pixels show another kind.

    Empty if the header names no body part. A header with a lateral view is covered by no package for frontal ones.
    """
    if not header.body_part_examined:
        return ()
    return (_issue(NO_CHEST if gate == GateClass.NOT_FRONTAL_CHEST else NOT_WHAT_IT_SAYS),)


def shows_chest(header: Header) -> tuple[PlausibilityIssue, ...]:
    """The issue of an image that shows a frontal chest, and whose header names a part that has no lungs."""
    part = header.body_part_examined
    named = part if part.isalnum() else Phrase("another one")
    return (_issue(Phrase("The pixels show a frontal chest, but the body part is {part}.", part=named)),)


def _issue(text: str) -> PlausibilityIssue:
    return PlausibilityIssue(CONTRADICTION, text, ISSUES[CONTRADICTION])
