"""Numbers on German pages: commas before decimals, and narrow spaces between thousands."""

from __future__ import annotations

from miqa_node.core.language.catalogue import LANGUAGE, numerals
from miqa_node.interfaces.web.html.formats import figures, whole


def english(text: str) -> list[str]:
    """Decimals that are not written as in German."""
    return [a for a, b in zip(text.split(), numerals(text).split(), strict=True) if a != b]


def test_thousands_are_apart_in_both_languages() -> None:
    assert (whole(1374), figures(1235000.0)) == ("1,374", "1,235,000")
    context = LANGUAGE.set("de")
    try:
        assert (whole(1374), figures(1235000.0), figures(0.25)) == ("1\u202f374", "1\u202f235\u202f000", "0,25")
        assert english("1 of 2.5") == ["2.5"]
        assert english("1\u202f374 von 2,5, quality 0.6.0") == []
    finally:
        LANGUAGE.reset(context)
