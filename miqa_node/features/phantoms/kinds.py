"""Names of the kinds of phantoms, as people know them."""

from __future__ import annotations

from collections.abc import Mapping

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase

UNKNOWN = Phrase("Phantom of unknown kind")

WORDS: Mapping[str, Phrase] = {
    PhantomKind.ACR_MR_LARGE: Phrase("ACR MR phantom, large"),
    PhantomKind.ACR_MR_MEDIUM: Phrase("ACR MR phantom, medium"),
    PhantomKind.MR_UNIFORM: Phrase("Uniform MR phantom"),
    PhantomKind.MR_SLICE_WIDTH: Phrase("MR phantom with ramps (slice width)"),
    PhantomKind.MR_RESOLUTION: Phrase("MR phantom with a slanted square (resolution)"),
    PhantomKind.LCD_CT: Phrase("Low-contrast CT phantom"),
    PhantomKind.CATPHAN_504: Phrase("Catphan 504"),
    PhantomKind.CATPHAN_600: Phrase("Catphan 600"),
    PhantomKind.CATPHAN_604: Phrase("Catphan 604"),
    PhantomKind.ACR_CT_464: Phrase("ACR CT phantom (464)"),
    PhantomKind.CT_WATER: Phrase("Water phantom, CT"),
}


def kind_words(kind: str) -> str:
    """The name of a kind; its word in the code if it has none here.

    >>> kind_words("acr_mr_large"), kind_words("")
    ('ACR MR phantom, large', 'Phantom of unknown kind')
    """
    return WORDS.get(kind, kind or UNKNOWN)
