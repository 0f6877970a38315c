"""The texts of reasons: what a finding, a measurement or a waiting prediction says about an image."""

from __future__ import annotations

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.finding import humanised
from miqa_node.core.domain.measurand import MEASUREMENTS, label_of
from miqa_node.core.domain.rule import compared_number
from miqa_node.core.domain.shown_number import shown_number
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.core.language.phrase import Phrase

_UNITS = {"1": "", "[hnsf'U]": " HU"}


def finding_text(title: str, probability: float, severity: float, limit: str = "") -> Phrase:
    """A finding with its numbers, and the limit of the room that it is beyond."""
    values = {"finding": Phrase(title), "probability": f"{probability:.2f}", "severity": f"{severity:.2f}"}
    if limit:
        return Phrase("{finding} ({limit}): probability {probability}, severity {severity}", limit=limit, **values)
    return Phrase("{finding}: probability {probability}, severity {severity}", **values)


def measured_text(
    measured: Measurement, comparison: str, least_or_most: float, numbers: tuple[float, ...] = ()
) -> Phrase:
    """Value and limit, with place and significance if the measurement's definition has a ``concern``.

    Where ``numbers`` have the number of slices, too, the limit is a share of them.
    """
    unit = _unit(measured)
    value, limit = f"{shown_number(measured.name, measured.value, least_or_most)}{unit}", f"{least_or_most:g}{unit}"
    if len(numbers) > 1:
        value, limit = share_text(numbers, least_or_most), f"{100 * least_or_most:g} %"
    measurand = MEASUREMENTS.all().get(measured.name)
    if measurand is None:
        return Phrase(f"{humanised(measured.name)} {{value}} is {comparison} {{limit}}", value=value, limit=limit)
    values = {"measurement": Phrase(measurand.label), "value": _placed(value, measured), "limit": limit}
    if not measurand.concern:
        return Phrase(f"{{measurement}}: {{value}}, {comparison} the limit of {{limit}}", **values)
    concern = Phrase(measurand.concern)
    return Phrase(
        f"{{measurement}}: {{value}}, {comparison} the limit of {{limit}}. {{concern}}", **values, concern=concern
    )


def nearly_text(measured: Measurement, limit: float) -> Phrase:
    """What explains others, though it is not beyond its own limit."""
    measurand, unit = MEASUREMENTS.all().get(measured.name), _unit(measured)
    return Phrase(
        "{measurement}: {value}, near the limit of {limit}, and it explains what else is seen. {concern}",
        measurement=label_of(measured.name),
        value=_placed(f"{shown_number(measured.name, measured.value, limit)}{unit}", measured),
        limit=f"{limit:g}{unit}",
        concern=Phrase(measurand.concern) if measurand is not None else "",
    )


def share_text(values: tuple[float, ...], limit: float) -> Phrase:
    """So many of the slices, with percent that are on the side of the limit, a share."""
    percent = shown_number("", 100 * compared_number(values), 100 * limit)
    count, slices = (f"{one:g}" for one in values)
    return Phrase("{count} of {slices} ({percent} %)", count=count, slices=slices, percent=percent)


def _unit(measured: Measurement) -> str:
    """Its unit after a number, as people write it."""
    return _UNITS.get(measured.unit, f" {measured.unit}").replace("{", "").replace("}", "")


NOISES = ("noise_sigma", "noise_share", "grain_over_structure")
NOISIER = Phrase("Noisier than this machine's usual images")
UNUSUAL = {
    "above": Phrase("Above what is usual on this machine"),
    "below": Phrase("Below what is usual on this machine"),
}


def unusual_text(measured: Measurement, usual: UsualRange, comparison: str) -> Phrase:
    """What is unusual, with value and range."""
    unit, is_noise = _unit(measured), measured.name in NOISES and comparison == "above"
    low, high = (shown_number(measured.name, one) for one in (usual.low, usual.high))
    return Phrase(
        "{what}: {measurement} {value}, usual {low} to {high} in {count} images since {day}",
        what=NOISIER if is_noise else UNUSUAL[comparison],
        measurement=label_of(measured.name),
        value=f"{shown_number(measured.name, measured.value)}{unit}",
        low=f"{low}{unit}",
        high=f"{high}{unit}",
        count=str(usual.series),
        day=f"{usual.since:%Y-%m-%d}",
    )


def counted_text(measured: Measurement) -> Phrase:
    """A count of what should not be, with its place and significance; it needs no limit."""
    measurand = MEASUREMENTS.all().get(measured.name)
    return Phrase(
        "{measurement}: {value}. {concern}",
        measurement=label_of(measured.name),
        value=_placed(f"{measured.value:g}", measured),
        concern=Phrase(measurand.concern if measurand else ""),
    )


def _placed(value: str, measured: Measurement) -> str:
    return Phrase("{value} ({place})", value=value, place=measured.place) if measured.place else value


def pending_text(package: str, text: str) -> Phrase:
    """Why a prediction waits; ``text`` is a sentence, here within another."""
    bare = text.removesuffix(".")
    if isinstance(text, Phrase):
        bare = Phrase(text.message.removesuffix("."), **text.values)
    return Phrase("{package}: {text} (decision support, not diagnosis)", package=package, text=bare)
