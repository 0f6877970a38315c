"""What an image is of, in one line: the title of its row, its picture and its page."""

from __future__ import annotations

import re

from miqa_node.core.language.catalogue import LANGUAGE, say
from miqa_node.core.taxonomy.anatomy import STANDARD

SIDES = {"L": "left", "R": "right", "B": "both sides"}
"""Image Laterality (0020,0062) in words; anything else is not a side."""
STACKS = frozenset({"CT", "MR", "PT", "NM"})
"""Modalities whose series are told apart by their description, because their body part and view are the same."""


_TERMS = STANDARD.body_parts.terms | STANDARD.views.terms
_TERM = re.compile(r"\b[A-Z]{2,}\b")


def image_title(modality: str, body_part: str, view: str, laterality: str = "", description: str = "") -> str:
    """Modality, body part, side of the patient and view; of a series its description, too.

    >>> image_title("MG", "BREAST", "CC", "L"), image_title("CT", "HEAD", "", "", "Head 1.0 Hr40")
    ('MG · Breast · left · CC', 'CT · Head · Head 1.0 Hr40')
    >>> image_title("", "", "")
    'Unknown image type'
    """
    side = say(SIDES[laterality]) if laterality in SIDES else ""
    named = description if modality in STACKS else ""
    part, of_view = (anatomy_words(one) if {*one.split()} <= _TERMS else one for one in (body_part, view))
    return " · ".join(filter(None, (modality, part, side, of_view, named))) or say("Unknown image type")


def anatomy_words(text: str) -> str:
    """A text with the terms for body parts and views in it as people say them.

    >>> anatomy_words("CSPINE ODONTOID"), anatomy_words("KNEE AP is not switched on here.")
    ('Cervical spine odontoid', 'Knee AP is not switched on here.')
    """
    return _TERM.sub(lambda term: _words_for(term[0]), text)


def _words_for(term: str) -> str:
    vocabulary = STANDARD.body_parts if term in STANDARD.body_parts.terms else STANDARD.views
    return vocabulary.words_for(term, LANGUAGE.get())
