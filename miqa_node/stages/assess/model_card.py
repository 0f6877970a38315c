"""MODEL_CARD.md: a readable page; every word and figure in it comes from the package's card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from miqa_node.stages.assess.card import BaseCard, Card
from miqa_node.stages.assess.certificate import Certificate
from miqa_node.stages.assess.choices import CHOSEN_ON_FEWER, Choices
from miqa_node.stages.assess.classify.card import ClassifierCard
from miqa_node.stages.assess.objects.card import ObjectCard
from miqa_node.stages.assess.objects.sides import OPERATING_POINT, both_sides
from miqa_node.stages.assess.targets import Targets
from miqa_node.stages.assess.two_sides import TwoSides

Cell = str | int | float | bool | None
SENTENCE = 60
"""Number of characters from which list items stand on separate lines."""


def model_card(card: BaseCard) -> str:
    """Markdown of a whole card."""
    not_for = (card.not_for,) if isinstance(card.not_for, str) else card.not_for
    lines = [
        f"# {card.name} {card.version}",
        "",
        "Generated from the card of the package; do not edit.",
        "",
        _one_line(card.intended_use),
        "",
        "**Not for:** " + "; ".join(_one_line(text) for text in not_for) + ".",
        "",
        *_audience(card),
        "## Limits",
        "",
        *(f"- {_one_line(limit)}" for limit in card.limits or ("None is stated.",)),
        "",
        "## Applies to",
        "",
        *_applicability(card),
        "",
        *_task(card),
        *_section("Calibration", card.calibration),
        *(_both_sides(card.two_sides) if card.two_sides else ()),
        *_object_sides(card),
        *_choices(card.choices),
        *(_targets(card.targets) if card.targets else ()),
        *_section("Figures", {name: value for name, value in card.metrics.items() if name != OPERATING_POINT}),
        *_section("Training", card.training),
        *(_section("Anomaly", card.anomaly.model_dump(mode="json")) if isinstance(card, Card) and card.anomaly else ()),
        "## Files",
        "",
        *_table(("file", "SHA-256"), sorted(card.files.items())),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _audience(card: BaseCard) -> list[str]:
    """For whom the package is, if its card says so."""
    sentences = card.audience if isinstance(card, ClassifierCard) else ()
    return ["## For whom", "", *(f"- {_one_line(one)}" for one in sentences), ""] if sentences else []


def _task(card: BaseCard) -> list[str]:
    """The part that only cards of this task have."""
    if isinstance(card, Card):
        return [
            "## Classes and operating points",
            "",
            *_table(
                ("class", "gate", "code", "threshold", "temperature", "bias"),
                [
                    (
                        row.name,
                        row.gate,
                        f"{row.code.value} {row.code.scheme} {row.code.meaning}",
                        row.threshold,
                        row.temperature,
                        row.bias,
                    )
                    for row in card.outputs.classes
                ],
            ),
            "",
            "## Certificate",
            "",
            *_certificate(card.certificate),
            "",
        ]
    shared = {*BaseCard.model_fields, "comparison", "audience"}
    own = card.model_dump(mode="json", include=set(type(card).model_fields) - shared)
    return _section(_words(card.task.value), own)


def _applicability(card: BaseCard) -> list[str]:
    scope = card.applicability
    lists = {
        "Modality": scope.modality,
        "Body Part Examined": scope.body_part,
        "View Position": scope.view,
        "SOP Class UID": scope.sop_class,
    }
    lines = [
        f"- {name}: {', '.join(value or '(absent)' for value in values) or 'any'}" for name, values in lists.items()
    ]
    if scope.pixel_pitch_mm is not None:
        lines.append(f"- Pixel pitch: {scope.pixel_pitch_mm.min:g} to {scope.pixel_pitch_mm.max:g} mm")
    return lines


def _certificate(certificate: Certificate | None) -> list[str]:
    if certificate is None or not certificate.guarantees:
        return ["None: a site makes its own with `miqa-node calibrate`."]
    world = "It certifies simulated defects only. " if certificate.world == "simulated" else ""
    return [
        f"{world}Made on {certificate.made_on} under the policy {certificate.policy_version}:",
        "",
        *(f"- {guarantee.sentence}" for guarantee in certificate.guarantees),
    ]


def _both_sides(sides: TwoSides) -> list[str]:
    """What is found and what is flagged wrongly, in general and by source."""
    lines = ["## Found, and flagged wrongly", "", _one_line(sides.about), ""]
    flagged = (("usable", sides.usable_flagged), ("clean", sides.clean_flagged))
    for word, one in flagged:
        if one is not None:
            each = ", ".join(f"{name} {count} of {images}" for name, (count, images) in one.sources.items())
            lines.append(f"- Of {word} images as they are, {one.share:.3f} are flagged ({each})")
    families = list(dict.fromkeys(family for one in sides.findings.values() for family in one.found_by))
    head = ("finding", "", "found", "severity .75 and more", *(f"by {name}" for name in families), "flagged wrongly")
    rows = [
        (name, "**weak**" if one.is_weak else "", one.found, one.found_severe,
         *(one.found_by.get(family) for family in families), one.clean_flagged)
        for name, one in sides.findings.items()
    ]  # fmt: skip
    by_source = [
        (name, source, one.defects, one.found, one.found_severe, one.clean, one.clean_flagged)
        for name, finding in sides.findings.items()
        for source, one in finding.sources.items()
    ]
    heads = ("finding", "source", "defects", "found", "severity .75 and more", "clean", "flagged wrongly")
    return [*lines, "", *_table(head, rows), "", "### By source", "", *_table(heads, by_source), ""]


def _targets(targets: Targets) -> list[str]:
    """What had to be reached, and what was tried where it is missed."""
    lines = ["## Targets", "", _one_line(targets.about), "", *_table(targets.head, targets.table), ""]
    if targets.tried:
        lines += ["Tried for what is missed:", "", *(f"- {_one_line(one)}" for one in targets.tried), ""]
    return lines


def _choices(choices: Choices | None) -> list[str]:
    """What chose, and what it rests on."""
    lines = ["## What chose", ""]
    if choices is None:
        return [*lines, f"{CHOSEN_ON_FEWER} of three sources.", ""]
    head = ("figure", "images", "with what is to be found", "sources", "chose")
    looked = f"The images that chose were looked at {choices.looks} times."
    return [*lines, looked, "", *_table(head, choices.table), ""]


def _object_sides(card: BaseCard) -> list[str]:
    """Both sides of the operating point of an object package, and how it compares with the way before."""
    lines = []
    if sides := both_sides(card.metrics):
        rows = [tuple((one.model_dump() | {"images": _words(one.images)}).values()) for one in sides]
        head = tuple(_words(name) for name in type(sides[0]).model_fields)
        lines += ["## Operating point", "", *_table(head, rows), ""]
    if isinstance(card, ObjectCard) and (comparison := card.comparison):
        compared = [(row.figure, row.source, row.before, row.now, row.change)
                    for row in comparison.rows]  # fmt: skip
        lines += [
            f"## Beside {comparison.package}", "", _one_line(comparison.about), "",
            *_table(("figure", "source", comparison.package, card.label, ""), compared), "",
        ]  # fmt: skip
    return lines


def _section(title: str, values: Mapping[str, Any], level: int = 2) -> list[str]:
    """A heading, then numbers and texts as a list, and nested values as tables or subsections."""
    if not values:
        return []
    plain = {name: value for name, value in values.items() if not _is_nested(value)}
    lines = [f"{'#' * min(level, 6)} {title}", "", *_items(plain)]
    if plain:
        lines.append("")
    for name, value in values.items():
        if name in plain:
            continue
        if isinstance(value, Mapping) and not _is_table(list(value.values())):
            lines += _section(_words(name), value, level + 1)
        else:
            lines += [f"{'#' * min(level + 1, 6)} {_words(name)}", "", *_rows(value), ""]
    return lines


def _items(plain: Mapping[str, Any]) -> list[str]:
    """One item per value; sentences of a list are nested items."""
    lines = []
    for name, value in plain.items():
        if isinstance(value, list) and any(len(str(one)) > SENTENCE for one in value):
            lines += [f"- {_words(name)}:", *(f"    - {_text(one)}" for one in value)]
        else:
            lines.append(f"- {_words(name)}: {_text(value)}")
    return lines


def _rows(value: Mapping[str, Any] | Sequence[Any]) -> list[str]:
    """A mapping or list of mappings as a table; nested cells are flattened to ``outer inner`` columns."""
    named = isinstance(value, Mapping)
    records = [_flat(row) for row in (value.values() if isinstance(value, Mapping) else value)]
    columns = list(dict.fromkeys(name for record in records for name in record))
    rows = [[_text(record.get(name)) for name in columns] for record in records]
    if named:
        rows = [[str(name), *row] for name, row in zip(value, rows, strict=True)]
    return _table(["", *columns] if named else columns, rows)


def _flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        label = f"{prefix}{_words(name).lower()}"
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{label} ")
        else:
            flat[label] = value
    return flat


def _is_nested(value: object) -> bool:
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, Sequence) and not isinstance(value, str) and _is_table(value)


def _is_table(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(value, Mapping) for value in values)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return lines + ["| " + " | ".join(_text(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(str(k))} {_text(v)}" for k, v in value.items()) or "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_text(item) for item in value)
    return _one_line(str(value))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _words(name: str) -> str:
    text = str(name).replace("_", " ")
    return text[:1].upper() + text[1:]
