"""Asks of each statement of a report whether it is true, by the bytes of the objects and ``assess --json``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.meaning.reader import (
    NARRATIVE,
    RATING,
    Mask,
    Points,
    Report,
    Segment,
    Statement,
    filled,
    parts_of,
    read_report,
    read_segmentation,
)

ORGANS = {"39607008", "72410000", "86598002", "5798000", "51299004", "113197003", "421060004"}
"""Lung, mediastinum, apex of lung, diaphragm, clavicle, rib, spine."""
OBJECTS = {"foreign_object", "device_in_view"}
"""Findings about something that is no part of an organ."""
SPINE = ("LM_SPINE_TOP", "LM_SPINE_LOW")
VERDICTS = {"111235": "REJECT", "111236": "REVIEW", "111237": "ACCEPT", "": "NOT_ASSESSED"}
NODE = "miqa-node"
MOST_BYTES = 25_000
"""Size of the slim report of a projection image."""
BESIDE = 0.02
"""Share of a region's pixels that may lie beyond the middle of the spine."""
ALIKE = 0.95
"""Least share that mask and outline have in common (intersection over union)."""
ADDED = re.compile(r"\bwith ([\w-]+) ([\w.]+)")
"""A further algorithm in the parameters of the first."""
SAID_SIDE = re.compile(r"\b(left|right) (?:lung|apex)\b")


@dataclass(frozen=True)
class Untruth:
    """A statement that is not so: its kind, the one that says it, and why."""

    kind: str
    says: str
    why: str


@dataclass(frozen=True)
class Account:
    """All that was told of one image: objects by kind, the line of ``assess --json``, texts for people by name."""

    name: str
    shape: tuple[int, int]
    orientation: tuple[str, ...]
    objects: Mapping[str, bytes]
    line: Mapping[str, Any]
    texts: Mapping[str, str]
    node_version: str


def untrue_statements(account: Account, cards: Mapping[str, set[str]], codes: Mapping[str, str]) -> Iterator[Untruth]:
    """Every untrue statement. ``cards`` are the findings by package, ``codes`` the measurements by code."""
    masks = read_segmentation(account.objects["SEG"]) if "SEG" in account.objects else []
    segments = {one.number: one for one in masks}
    if len(account.objects["SR"]) > MOST_BYTES:
        yield Untruth("size", "SR", f"{len(account.objects['SR'])} bytes")
    for kind in ("SR", "SR_FULL"):
        if kind in account.objects:
            yield from _of_report(read_report(account.objects[kind]), segments, account, cards, codes)


def _of_report(
    report: Report,
    segments: Mapping[int, Segment],
    account: Account,
    cards: Mapping[str, set[str]],
    codes: Mapping[str, str],
) -> Iterator[Untruth]:
    judges = {f"{name}-{version}" for name, version in report.equipment}
    for group in report.groups:
        of_it = {number for number, one in segments.items() if one.tracking_uid == group.tracking_uid}
        group.segments = sorted({*group.segments, *of_it})
        yield from _contours(group, account)
        yield from _sides(group, segments, report, account)
        yield from _segments(group, segments, account)
        yield from _algorithm(group, cards, codes, account, judges)
        yield from _numbers(group, codes, account)
        yield from _site(group)
    for number in segments.keys() - {number for group in report.groups for number in group.segments}:
        yield Untruth("seg", segments[number].tracking, "no group of the report is about this segment")
    yield from _segment_makers(segments, cards, account, judges)
    yield from _equipment(report)
    yield from _verdict(report, account)
    yield from _texts(report, segments, account)


def cards_of(models: Path) -> dict[str, set[str]]:
    """The names of findings by ``<name>-<version>`` of each package, as its card lists them."""
    results: dict[str, set[str]] = {}
    for path in sorted(models.glob("*/card.yaml")):
        card = yaml.safe_load(path.read_text("utf-8"))
        rows = card.get("findings") or card.get("outputs", {}).get("classes", [])
        results[path.parent.name] = {one["name"] for one in rows if isinstance(one, dict)}
    return results


def _named(group: Statement) -> str:
    """The finding that a group is about; empty for points, lungs and groups of numbers."""
    return group.tracking.partition(":")[0].partition(" ")[0]


def _contours(group: Statement, account: Account) -> Iterator[Untruth]:
    rows, columns = account.shape
    for points in (*group.contours, *group.points):
        inside = (points >= 0).all() and (points[:, 0] <= columns).all() and (points[:, 1] <= rows).all()
        if not inside:
            yield Untruth("contour", group.tracking, "a point lies outside of the image")
    for outline in group.contours:
        if not np.array_equal(outline[0], outline[-1]):
            yield Untruth("contour", group.tracking, "an outline is not closed")


def image_side(side: str, orientation: tuple[str, ...]) -> str:
    """The image's side at which the patient's lies: by the header, else as frontal images are shown; "" if unknown."""
    towards = orientation[0][:1] if orientation else "L"
    if towards not in ("L", "R"):
        return ""
    return {"left": "right", "right": "left"}[side] if towards == "L" else side


def middle_of(report: Report) -> Points | None:
    """Column of the spine's middle as (slope, offset) over the rows."""
    results = [report.landmarks[code][0] for code in SPINE if code in report.landmarks]
    if not results:
        return None
    if len(results) == 1 or abs(results[0][1] - results[1][1]) < 1:
        return np.array([0.0, results[0][0]])
    (x0, y0), (x1, y1) = results
    slope = (x1 - x0) / (y1 - y0)
    return np.array([slope, x0 - slope * y0])


def beyond(mask: Mask, side: str, middle: Points) -> float:
    """Share of a mask's pixels that are not on that side of the image."""
    rows, columns = np.nonzero(mask)
    line = middle[0] * (rows + 0.5) + middle[1]
    wrong = (columns + 0.5 > line) if side == "left" else (columns + 0.5 < line)
    return float(wrong.mean()) if len(rows) else 0.0


def _sides(group: Statement, segments: Mapping[int, Segment], report: Report, account: Account) -> Iterator[Untruth]:
    words = next(iter(group.sides or re.findall(r"patient's (left|right)", group.tracking)), "")
    if len(group.sides) > 1:
        yield Untruth("side", group.tracking, f"several sides of one group: {group.sides}")
    if not words:
        return
    target, middle = image_side(words, account.orientation), middle_of(report)
    if not target:
        yield Untruth("side", group.tracking, f"{words}, and the header says neither left nor right")
        return
    if middle is None:
        return
    for x, _ in (point[0] for point in group.points):
        twins = [place for place, _ in report.landmarks[group.finding] if place != x]
        if any((x > twin) if target == "left" else (x < twin) for twin in twins):
            yield Untruth("side", group.tracking, f"{words}, and the point is on the other side of its twin")
    masks = [filled(one, account.shape) for one in group.contours]
    masks += [segments[number].mask for number in group.segments if number in segments]
    worst = max((beyond(one, target, middle) for one in masks), default=0.0)
    if worst > BESIDE:
        yield Untruth("side", group.tracking, f"{words}, and {worst:.0%} of it is on the other side")


def _segments(group: Statement, segments: Mapping[int, Segment], account: Account) -> Iterator[Untruth]:
    for number in group.segments:
        if number not in segments:
            yield Untruth("seg", group.tracking, "it refers to a segment that is not there")
            continue
        mask = segments[number].mask
        area = np.zeros(mask.shape, np.bool_)
        for one in group.contours:
            area |= filled(one, account.shape)
        for part in parts_of(mask):
            if part.sum() >= 9 and not (part & area).any():
                yield Untruth("seg", group.tracking, f"a region of {int(part.sum())} pixels is not outlined")
                break
        else:
            alike = (mask & area).sum() / max(1, (mask | area).sum())
            if alike < ALIKE and not _has_holes(mask, area):
                yield Untruth("seg", group.tracking, f"mask and outline share {alike:.2f}")


def _has_holes(mask: Mask, area: Mask) -> bool:
    """Whether the outline differs by what it encloses alone: an outline says nothing of holes."""
    return bool((mask & area).sum() >= ALIKE * mask.sum())


def makers_of(name: str, cards: Mapping[str, set[str]], line: Mapping[str, Any], equipment: set[str]) -> set[str]:
    """The packages that judged a finding: those that ran and contributed, and whose card lists it; the last counts."""
    ran = [key for key in line["timings_ms"] if key in cards and key in equipment]
    model = line["model"]
    main = f"{model['name']}-{model['version']}" if model else ""
    of_side = [key for key in ran if key != main and name in cards[key]]
    return set(of_side[-1:] or ([main] if main else []))


def _label(one: Mapping[str, str]) -> str:
    return f"{one['name']}-{one['version']}"


def _algorithm(
    group: Statement, cards: Mapping[str, set[str]], codes: Mapping[str, str], account: Account, judges: set[str]
) -> Iterator[Untruth]:  # fmt: skip
    if not group.algorithms:
        yield Untruth("algorithm", group.tracking, "nobody is named")
        return
    words = {_label(one) for one in group.algorithms}
    words |= {f"{name}-{version}" for one in group.algorithms for name, version in ADDED.findall(one["parameters"])}
    name = _named(group)
    findings = {one["name"]: one for one in account.line["findings"]}
    if name in findings:
        makers = makers_of(name, cards, account.line, judges)
        if findings[name]["place"]:  # the outlines of the lungs decide on it
            makers |= {key for key in account.line["timings_ms"] if key.startswith("landmarks-")}
        if not makers <= words:
            yield Untruth("algorithm", group.tracking, f"{sorted(words)}, and {sorted(makers)} judged")
        yield from _checksums(group, findings[name], account)
        return
    for code, _, _ in group.numbers:
        measured = codes.get(code)
        if measured is None or code == RATING:
            continue
        maker = _measured_by(measured, cards, account)
        if maker not in words:
            yield Untruth("algorithm", f"{group.tracking}: {measured}", f"{sorted(words)}, and {maker} measured")


def _measured_by(name: str, cards: Mapping[str, set[str]], account: Account) -> str:
    """Who took a measurement: of anatomical points and side markers the landmark package, else the node."""
    if name in OF_LANDMARKS:
        ran = [key for key in account.line["timings_ms"] if key.startswith("landmarks-")]
        return ran[0] if ran else f"{NODE}-{account.node_version}"
    return f"{NODE}-{account.node_version}"


OF_LANDMARKS = {
    "rotation_percent", "ribs_above_dome", "lung_height_ratio", "tilt_deg", "mirrored_percent", "cut_sides",
    "lung_margin", "lung_margin_left", "lung_margin_right", "lung_margin_top", "lung_margin_bottom",
    "lung_field_percent", "left_markers", "right_markers", "marker_agrees", "part_agrees",
}  # fmt: skip
"""Measurements of the package of anatomical points (docs/reference/measurements.md)."""


def _checksums(group: Statement, finding: Mapping[str, Any], account: Account) -> Iterator[Untruth]:
    """The checksum beside an algorithm is its own, as JSON has it: the main model's with no other package."""
    model, own = account.line["model"], finding["made_by"][0]
    first = group.algorithms[0]
    if _label(first) != _label(own) or own["sha256"] not in first["parameters"]:
        yield Untruth("algorithm", group.tracking, f"{first}, and JSON says {own}")
    for one in group.algorithms:
        if model and model["sha256"] in one["parameters"].partition(" with ")[0] and one["name"] != model["name"]:
            yield Untruth("algorithm", group.tracking, f"{_label(one)} has the checksum of {model['name']}")


def _numbers(group: Statement, codes: Mapping[str, str], account: Account) -> Iterator[Untruth]:
    for code, value, unit in group.numbers:
        if code == RATING:
            score = account.line["score"]
            if score is None or abs(value - score) > 0.051:
                yield Untruth("number", group.tracking, f"rating {value}, and the score is {score}")
        elif code in codes:
            measured = account.line["measurements"].get(codes[code])
            if measured is None or not np.isclose(value, measured["value"], rtol=6e-6, atol=1e-9):
                yield Untruth("number", group.tracking, f"{codes[code]} {value} {unit}, measured {measured}")
    finding = next((one for one in account.line["findings"] if one["name"] == _named(group)), None)
    if finding is not None:
        numbers = [value for _, value, unit in group.numbers if unit == "%"][:2]
        target = [100 * finding["probability"], 100 * finding["severity"]]
        if numbers and not np.allclose(numbers, target[: len(numbers)], atol=0.06):
            yield Untruth("number", group.tracking, f"{numbers}, judged {target}")


def _site(group: Statement) -> Iterator[Untruth]:
    if _named(group) in OBJECTS and group.site in ORGANS:
        yield Untruth("site", group.tracking, "something that is not of the organ has it as its site")
    if group.finding == "19227008":
        yield Untruth("site", group.tracking, "something on the clothes is coded as a foreign body")


def _segment_makers(
    segments: Mapping[int, Segment], cards: Mapping[str, set[str]], account: Account, judges: set[str]
) -> Iterator[Untruth]:  # fmt: skip
    findings = {one["name"] for one in account.line["findings"]}
    for one in segments.values():
        name = one.tracking.partition(":")[0]
        if name not in findings:
            continue
        makers = makers_of(name, cards, account.line, judges)
        words = "-".join(one.algorithm)
        if makers and words not in makers:
            yield Untruth("algorithm", f"segment {one.tracking}", f"{words}, and {sorted(makers)} judged")
        if one.algorithm[0] and one.algorithm[0] not in one.name:
            yield Untruth("algorithm", f"segment {one.tracking}", "two names of its algorithm")


def _equipment(report: Report) -> Iterator[Untruth]:
    """Whoever is named in a group is named in the equipment, and in Software Versions."""
    if missing := {f"{name} {version}" for name, version in report.equipment} - set(report.software):
        yield Untruth("algorithm", "SR", f"Software Versions do not name {sorted(missing)}")
    for group in report.groups:
        for one in group.algorithms:
            if (one["name"], one["version"]) not in report.equipment:
                yield Untruth("algorithm", group.tracking, f"{_label(one)} is not in Contributing Equipment")


def _verdict(report: Report, account: Account) -> Iterator[Untruth]:
    verdict, first = account.line["verdict"], report.groups[0]
    if VERDICTS[first.assessment] != verdict:
        yield Untruth("verdict", "SR", f"{VERDICTS[first.assessment]}, and the verdict is {verdict}")
    comments = " ".join(first.comments)
    for reason in account.line["reasons"]:
        if reason not in comments:
            yield Untruth("verdict", "SR", f"without the reason {reason}")
    if ("KOS" in account.objects) != (verdict in ("REVIEW", "REJECT")):
        yield Untruth("verdict", "KOS", f"a key object does not go with {verdict}")
    if verdict == "NOT_ASSESSED" and account.line["score"] is not None:
        yield Untruth("score", "JSON", "a score of an image that was not assessed")
    score = account.line["score"]
    words = set() if score is None else {f"{score + by:.0f}" for by in (-0.05, 0.0, 0.05)}
    for name, text in account.texts.items():
        figures = re.findall(r"(?:image quality |: )?(\d+) (?:of|von) 100", text)
        if not words >= set(figures):
            yield Untruth("score", name, f"{figures}, and the score is {score}")


def _texts(report: Report, segments: Mapping[int, Segment], account: Account) -> Iterator[Untruth]:
    """The sides that sentences name, against the regions of objects."""
    middle = middle_of(report)
    masks = [one.mask for one in segments.values() if one.tracking.partition(":")[0] == "foreign_object"]
    parts = [part for mask in masks for part in parts_of(mask)]
    words = {"JSON": " ".join(account.line["narrative"]), "SR": " ".join(one.narrative for one in report.groups)}
    for name, text in {**words, **account.texts}.items():
        for side in dict.fromkeys(SAID_SIDE.findall(text)):
            target = image_side(side, account.orientation)
            if not target:
                yield Untruth("side", name, f"over the {side} lung, and the header says neither left nor right")
            elif middle is not None and parts and beyond_all(parts, target, middle):
                yield Untruth("side", name, f"over the {side} lung, and no region is there alone")


def beyond_all(parts: list[Mask], side: str, middle: Points) -> bool:
    """Whether none of the parts is on that side of the image alone."""
    return all(beyond(part, side, middle) > BESIDE for part in parts)


__all__ = ["NARRATIVE", "Account", "Untruth", "cards_of", "image_side", "untrue_statements"]
