"""What an image is of, in one line: the title of its row, its picture and its page."""

from __future__ import annotations

from miqa_node.core.language.catalogue import say

SIDES = {"L": "left", "R": "right", "B": "both sides"}
"""Image Laterality (0020,0062) in words; anything else is not a side."""
STACKS = frozenset({"CT", "MR", "PT", "NM"})
"""Modalities whose series are told apart by their description, because their body part and view are the same."""


def image_title(modality: str, body_part: str, view: str, laterality: str = "", description: str = "") -> str:
    """Modality, body part, side of the patient and view; of a series its description, too.

    >>> image_title("MG", "BREAST", "CC", "L"), image_title("CT", "HEAD", "", "", "Head 1.0 Hr40")
    ('MG · BREAST · left · CC', 'CT · HEAD · Head 1.0 Hr40')
    >>> image_title("", "", "")
    'Unknown image type'
    """
    side = say(SIDES[laterality]) if laterality in SIDES else ""
    named = description if modality in STACKS else ""
    return " · ".join(filter(None, (modality, body_part, side, view, named))) or say("Unknown image type")
