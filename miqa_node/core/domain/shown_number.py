"""How people see the value of a measurement: with the digits that its tolerance leaves, on the side of its limit."""

from __future__ import annotations

from math import floor, isfinite, log10

from miqa_node.core.domain.assessment import number_text
from miqa_node.core.domain.measurand import measurand_of

MOST_PLACES = 6
"""Decimal places of a number that has to be told from its limit."""
ABSURD = 1e9
"""From here on, as of a header with an absurd value, a number is written with its power of ten."""


def shown_number(name: str, value: float, limit: float | None = None) -> str:
    """The value of the measurement of this name, with as many more digits as keep it on its side of ``limit``.

    A measurement without ``decimals`` has four significant digits, or beside a limit two.

    >>> shown_number("hu_offset", -17.46), shown_number("hu_offset", -18.2, -18.0), shown_number("mr_motion", 28.4312)
    ('-17', '-18.2', '28.4')
    >>> shown_number("hu_offset", -0.3), shown_number("slice_count", 1374.0)
    ('0', '1,374')
    >>> shown_number("ours", 0.123456), shown_number("ours", 7.625, 12.0), shown_number("ours", 12.0000004, 12.0)
    ('0.1235', '7.6', '12.0000004')
    """
    if not isfinite(value) or abs(value) >= ABSURD:
        return f"{value:g}"
    measurand = measurand_of(name)
    decimals = None if measurand is None else measurand.decimals
    if decimals is not None:
        text = f"{value:,.{_places(value, limit, decimals)}f}"
        text = text if text.strip("-0.") else text.removeprefix("-")
        return text if _apart(text, value, limit) else f"{value:.12g}"
    if limit is None or not value:
        return number_text(value)
    two_digits = 0 if abs(value) >= 100.0 else max(1, 1 - floor(log10(abs(value))))
    text = f"{value:.{_places(value, limit, two_digits)}f}"
    if not _apart(text, value, limit):
        return f"{value:.12g}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _places(value: float, limit: float | None, least: int) -> int:
    """The fewest decimal places, from ``least`` on, that keep the value on its side of the limit."""
    return next(
        (n for n in range(least, MOST_PLACES) if _apart(f"{value:.{n}f}", value, limit)), max(least, MOST_PLACES)
    )


def _apart(text: str, value: float, limit: float | None) -> bool:
    """Whether the text is on the same side of the limit as the value; a value that is the limit is on no side."""
    if limit is None or value == limit:
        return True
    rounded = float(text.replace(",", ""))
    return rounded != limit and (rounded > limit) == (value > limit)


def stated(value: float) -> float:
    """A number as objects and lines for programs state it: six significant digits, of which the last are noise already.

    >>> stated(15.229263733), stated(1234567.0)
    (15.2293, 1234570.0)
    """
    return float(f"{value:.6g}")
