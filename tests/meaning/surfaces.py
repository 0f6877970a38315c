"""Asks the same of presentation states, key objects and assessments of decisions: they say what the report says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from tests.meaning.checks import (
    ALIKE,
    SAID_SIDE,
    Account,
    Untruth,
    beyond_all,
    image_side,
    middle_of,
)
from tests.meaning.reader import (
    QUALITY_FINDING,
    Report,
    Segment,
    code_of,
    filled,
    parts_of,
    read_layers,
    read_report,
    read_segmentation,
)

WORDS = {"ACCEPT": "Accepted", "REVIEW": "Review", "REJECT": "Rejected", "NOT_ASSESSED": "Not assessed"}
DESCRIPTION, MODIFIER = "113012", "113011"


def untrue_elsewhere(account: Account) -> Iterator[Untruth]:
    """What presentation state, key object and assessment say that the report does not."""
    report = read_report(account.objects["SR"])
    segments = read_segmentation(account.objects["SEG"]) if "SEG" in account.objects else []
    if "GSPS" in account.objects:
        yield from _presentation(account, {one.number: one for one in segments}, report)
    if "KOS" in account.objects:
        yield from _key_object(account, report)
    if "AIRAI" in account.objects:
        yield from _assessment(account, report)


def _presentation(account: Account, segments: Mapping[int, Segment], report: Report) -> Iterator[Untruth]:
    layers = read_layers(account.objects["GSPS"])
    text = " ".join(layers.pop("VERDICT").texts)
    if not text.startswith(account.line["verdict"]):
        yield Untruth("verdict", "GSPS", text)
    yield from (Untruth("verdict", "GSPS", one) for one in account.line["reasons"][:5] if one[:100] not in text)
    drawn = {int(name.rpartition("_")[2]): layer for name, layer in layers.items()}
    if drawn.keys() != segments.keys():
        yield Untruth("seg", "GSPS", f"layers {sorted(drawn)}, segments {sorted(segments)}")
    for number in drawn.keys() & segments.keys():
        mask, layer = segments[number].mask, drawn[number]
        area = np.zeros(mask.shape, np.bool_)
        for one in layer.outlines:
            area |= filled(one, account.shape)
        alike = (mask & area).sum() / max(1, (mask | area).sum())
        if alike < ALIKE and (mask & area).sum() < ALIKE * mask.sum():
            yield Untruth("seg", f"GSPS {layer.description}", f"outline and segment share {alike:.2f}")
        for side in SAID_SIDE.findall(" ".join([layer.description, *layer.texts])):
            target, middle = image_side(side, account.orientation), middle_of(report)
            if not target:
                yield Untruth("side", "GSPS", f"{side}, and the header says neither left nor right")
            elif middle is not None and beyond_all(parts_of(mask), target, middle):
                yield Untruth("side", "GSPS", f"{side}, and no region is there alone")


def _texts(document: Dataset, code: str) -> list[str]:
    return [str(one.TextValue) for one in document.ContentSequence if code_of(one) == code]


def _key_object(account: Account, report: Report) -> Iterator[Untruth]:
    document = pydicom.dcmread(BytesIO(account.objects["KOS"]))
    [text] = _texts(document, DESCRIPTION)
    if not text.startswith(WORDS[account.line["verdict"]]):
        yield Untruth("verdict", "KOS", text)
    yield from (Untruth("verdict", "KOS", f"without {one}") for one in account.line["reasons"] if one not in text)
    modifiers = {code_of(one, "ConceptCodeSequence") for one in document.ContentSequence if code_of(one) == MODIFIER}
    if not modifiers <= set(report.groups[0].codes.get(QUALITY_FINDING, [])):
        yield Untruth("verdict", "KOS", f"the reason {modifiers} is none of the report")


def _assessment(account: Account, report: Report) -> Iterator[Untruth]:
    document = pydicom.dcmread(BytesIO(account.objects["AIRAI"]))
    assessed = document.AssessedSOPInstanceSequence[0].ReferencedSOPInstanceUID
    if assessed != report.uid:
        yield Untruth("verdict", "AIRAI", "it assesses another report")
    named = {(one.ManufacturerModelName, one.SoftwareVersions) for one in document.ContributingEquipmentSequence}
    if named != report.equipment:
        yield Untruth("algorithm", "AIRAI", f"{sorted(named)}, and the report names {sorted(report.equipment)}")
    text = str(document.AssessmentObservationsSequence[0].ObservationDescription)
    if not text.startswith(WORDS[account.line["verdict"]]):
        yield Untruth("verdict", "AIRAI", text)
