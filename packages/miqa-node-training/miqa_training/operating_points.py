"""Chooses limits of soft findings that hold at left-out hospitals, and counts what a policy flags.

A finding is soft if slight degrees of it are ordinary (``taxonomy``). One number is chosen for each: the minimum
severity that flags. It is the smallest severity at which, in every hospital, few of the images that readers called
usable are flagged. Leave-one-hospital-out: the limit chosen on the other hospitals is applied to the one left out. The
share that it flags there, with its exact upper limit, is what a new hospital can expect.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import finding_entries
from miqa_node.errors import SettingsError
from miqa_node.libraries.plain_statistics.binomial import upper_limit
from miqa_training.datasets import DEVICE_KINDS, EQUIPMENT, objects_of

MOST_USABLE = 0.025
"""Share of the usable images of any hospital that one soft finding may flag."""
STEP = 0.05
"""Step of severities; the choice is one step stricter than the available images require."""
DELTA = 0.05
REMOVABLE, DEVICES = "external_object", DEVICE_KINDS
NOISE = (FindingName("noise"), FindingName("noise_underexposure"))
OBJECT = FindingName("foreign_object")


@dataclass(frozen=True, slots=True)
class ScoredFinding:
    """One finding of one image, as ``assess --json`` prints it."""

    probability: float
    severity: float
    threshold: float
    flagged: bool


@dataclass(frozen=True, slots=True)
class ReadImage:
    """One image with the node's result and the readers' annotation.

    ``grades``: 0 none, 1 slight, 2 marked, by kind of defect. ``kinds``: of the objects in it, ``sure`` of those that
    the reader was sure of.
    """

    file: str
    hospital: str
    verdict: str
    findings: Mapping[FindingName, ScoredFinding]
    usable: str
    grades: Mapping[str, int]
    kinds: frozenset[str]
    sure: frozenset[str]

    @property
    def flagged(self) -> bool:
        """Whether the verdict is REVIEW or REJECT."""
        return self.verdict in {"REVIEW", "REJECT"}

    @property
    def clean(self) -> bool:
        """Usable, without any grade, object or device."""
        return self.usable == "yes" and not any(self.grades.values()) and not self.kinds & {REMOVABLE, *DEVICES}

    def flags(self, *names: FindingName) -> bool:
        """Whether one of the findings is a reason for the verdict."""
        return any(name in self.findings and self.findings[name].flagged for name in names)


FIGURES: Mapping[str, tuple[str, Callable[[ReadImage], bool], Callable[[ReadImage], bool]]] = {
    "clean_flagged": ("clean images flagged", lambda i: i.clean, lambda i: i.flagged),
    "usable_flagged": ("usable images flagged", lambda i: i.usable == "yes", lambda i: i.flagged),
    "noisy_without_noise": (
        "called noisy though readers saw none", lambda i: i.grades.get("noise", 0) == 0, lambda i: i.flags(*NOISE)
    ),
    "removable_found": ("removable objects found", lambda i: REMOVABLE in i.sure, lambda i: i.flags(OBJECT)),
    "external_found": (
        "the same with breathing hoses and connectors, as first drawn",
        lambda i: bool(i.sure & {REMOVABLE, EQUIPMENT}), lambda i: i.flags(OBJECT),
    ),
    "device_called_object": (
        "called a foreign object though there are devices only",
        lambda i: bool(i.kinds & DEVICES) and REMOVABLE not in i.kinds, lambda i: i.flags(OBJECT),
    ),
    "monitoring_called_object": (
        "called a foreign object though there is monitoring only",
        lambda i: "monitoring" in i.kinds and i.kinds <= {"monitoring", "annotation"}, lambda i: i.flags(OBJECT),
    ),
}  # fmt: skip
"""Key → label, images concerned, and the images counted among them."""


def read_images(scores: Path, annotations: Path) -> list[ReadImage]:
    """Lines of ``assess --json``, joined with the readers' lines by file name.

    The hospital is the part of the name before the first underscore. SettingsError for lines that do not match.
    """
    try:
        read = {row["file"]: row for row in map(json.loads, annotations.read_text("utf-8").splitlines())}
        lines = [json.loads(line) for line in scores.read_text("utf-8").splitlines()]
        return [_image(line, read[Path(line["file"]).name]) for line in lines if Path(line["file"]).name in read]
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            f"{scores.name} must hold lines of assess --json, and {annotations.name} the readers' lines: "
            f"{type(error).__name__} {error}"
        ) from error


def model_of(scores: Path) -> str:
    """Name and version of the model that gave the scores; "no model" if none did."""
    with scores.open(encoding="utf-8") as lines:
        model = json.loads(next(lines, "{}")).get("model")
    return f"{model['name']}-{model['version']}" if model else "no model"


def _image(line: Mapping[str, Any], row: Mapping[str, Any]) -> ReadImage:
    name = Path(line["file"]).name
    findings = {
        FindingName(one["name"]): ScoredFinding(
            one["probability"], one["severity"], one["threshold"], bool(one["flagged"])
        )
        for one in line["findings"]
    }
    grades = {key: int(value) for key, value in row["quality"].items() if key != "usable"}
    objects = objects_of(row)
    return ReadImage(
        name, name.split("_", maxsplit=1)[0], line["verdict"], findings, row["quality"]["usable"], grades,
        frozenset(o.kind for o in objects), frozenset(o.kind for o in objects if o.sure),
    )  # fmt: skip


def flag_figures(images: Sequence[ReadImage]) -> dict[str, Any]:
    """Each figure by hospital, with its macro mean, the worst hospital, and the exact upper limit over all images."""
    figures: dict[str, Any] = {}
    for key, (words, about, counted) in FIGURES.items():
        rows = {
            hospital: _count([counted(i) for i in images if i.hospital == hospital and about(i)])
            for hospital in sorted({i.hospital for i in images})
        }
        shares = [row["share"] for row in rows.values() if row["share"] is not None]
        everything = _count([counted(i) for i in images if about(i)])
        figures[key] = {
            "words": words,
            "hospitals": rows,
            "all": everything,
            "macro": round(float(np.mean(shares)), 3) if shares else None,
        }
    return figures


def choose_limits(images: Sequence[ReadImage]) -> dict[str, Any]:
    """The minimum severity of each soft finding, and the result at each hospital when the others choose it."""
    usable = [image for image in images if image.usable == "yes"]
    hospitals = sorted({image.hospital for image in usable})
    chosen: dict[str, Any] = {}
    for name in (name for name, entry in finding_entries().items() if entry.soft):
        held_out = {}
        for hospital in hospitals:
            others = [i for i in usable if i.hospital != hospital]
            if not others:
                continue  # a single hospital has no limit from elsewhere
            limit = least_severity(others, name)
            flagged = [_reaches(i, name, limit) for i in usable if i.hospital == hospital]
            held_out[hospital] = {"limit": limit, **_count(flagged)}
        if any(name in image.findings for image in usable):
            chosen[name] = {"least_severity": least_severity(usable, name), "held_out": held_out}
    return chosen


def least_severity(usable: Sequence[ReadImage], name: FindingName) -> float:
    """The smallest severity, in steps, that flags few usable images in every hospital, plus one step; at most 1."""
    by_hospital = {i.hospital: [j for j in usable if j.hospital == i.hospital] for i in usable}
    for step in range(round(1.0 / STEP) + 1):
        limit = round(step * STEP, 2)
        shares = (np.mean([_reaches(i, name, limit) for i in group]) for group in by_hospital.values())
        if max(shares, default=0.0) <= MOST_USABLE:
            return round(min(1.0, limit + STEP), 2)
    return 1.0


def _reaches(image: ReadImage, name: FindingName, limit: float) -> bool:
    finding = image.findings.get(name)
    return finding is not None and finding.probability >= finding.threshold and finding.severity >= limit


def _count(counted: Sequence[bool]) -> dict[str, Any]:
    hits, images = int(sum(counted)), len(counted)
    share = round(hits / images, 3) if images else None
    return {"count": hits, "images": images, "share": share, "upper": round(upper_limit(hits, images, DELTA), 3)}
