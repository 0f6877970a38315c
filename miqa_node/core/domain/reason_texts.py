"""The texts of reasons: what a finding, a measurement or a waiting prediction says about an image."""

from __future__ import annotations

from math import floor, isfinite, log10

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.finding import humanised
from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.core.language.phrase import Phrase

MOST_PLACES = 6
"""Decimal places of a number in a reason."""
ABSURD = 1e9
"""From here on, as of a header with an absurd value, a number is written with its power of ten."""
_UNITS = {"1": "", "[hnsf'U]": " HU"}


def finding_text(title: str, probability: float, severity: float, limit: str = "") -> Phrase:
    """A finding with its numbers, and the limit of the room that it is beyond."""
    values = {"finding": Phrase(title), "probability": f"{probability:.2f}", "severity": f"{severity:.2f}"}
    if limit:
        return Phrase("{finding} ({limit}): probability {probability}, severity {severity}", limit=limit, **values)
    return Phrase("{finding}: probability {probability}, severity {severity}", **values)


def measured_text(measured: Measurement, comparison: str, least_or_most: float) -> Phrase:
    """Value and limit, with place and significance if the measurement's definition has a ``concern``."""
    unit = _UNITS.get(measured.unit, f" {measured.unit}")
    value, limit = f"{_legible(measured.value, least_or_most)}{unit}", f"{least_or_most:g}{unit}"
    measurand = MEASUREMENTS.all().get(measured.name)
    if measurand is None or not measurand.concern:
        return Phrase(f"{humanised(measured.name)} {{value}} is {comparison} {{limit}}", value=value, limit=limit)
    return Phrase(
        f"{{measurement}}: {{value}}, {comparison} the limit of {{limit}}. {{concern}}",
        measurement=Phrase(measurand.label),
        value=_placed(value, measured),
        limit=limit,
        concern=Phrase(measurand.concern),
    )


def counted_text(measured: Measurement) -> Phrase:
    """A count of what should not be, with its place and significance; it needs no limit."""
    measurand = MEASUREMENTS.all().get(measured.name)
    return Phrase(
        "{measurement}: {value}. {concern}",
        measurement=Phrase(measurand.label if measurand else humanised(measured.name)),
        value=_placed(f"{measured.value:g}", measured),
        concern=Phrase(measurand.concern if measurand else ""),
    )


def _placed(value: str, measured: Measurement) -> str:
    return Phrase("{value} ({place})", value=value, place=measured.place) if measured.place else value


def _legible(value: float, limit: float) -> str:
    """The number to one decimal place or two digits, and to as many more as keep it on its side of the limit.

    >>> _legible(7.625, 12.0), _legible(-7.0, -6.0), _legible(-1024.3, -1020.0), _legible(12.04, 12.0)
    ('7.6', '-7', '-1024', '12.04')
    >>> _legible(1e300, 6.0), _legible(12.0000004, 12.0)
    ('1e+300', '12.0000004')
    """
    if not value or not isfinite(value) or abs(value) >= ABSURD:
        return f"{value:g}"
    places = 0 if abs(value) >= 100.0 else max(1, 1 - floor(log10(abs(value))))
    while places < MOST_PLACES and not _same_side(round(value, places), value, limit):
        places += 1
    if not _same_side(round(value, places), value, limit):
        return f"{value:.12g}"
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _same_side(rounded: float, value: float, limit: float) -> bool:
    return rounded != limit and (rounded > limit) == (value > limit)


def pending_text(package: str, text: str) -> Phrase:
    """Why a prediction waits; ``text`` is a sentence, here within another."""
    bare = text.removesuffix(".")
    if isinstance(text, Phrase):
        bare = Phrase(text.message.removesuffix("."), **text.values)
    return Phrase("{package}: {text} (decision support, not diagnosis)", package=package, text=bare)
