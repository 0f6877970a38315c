"""Reads what objects say from their bytes alone: pydicom and numpy, and no line of the node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

LEFT, RIGHT = "7771000", "24028007"
SIDES = {LEFT: "left", RIGHT: "right"}
GROUP, FINDING, SITE, LATERALITY = "125007", "121071", "363698007", "272741003"
TRACKING, TRACKING_UID, ALGORITHM = "112039", "112040", {"111001": "name", "111003": "version", "111002": "parameters"}
QUALITY_FINDING = "111052"
SEGMENT_FRAME, QUALITY_ASSESSMENT, COMMENT, NARRATIVE, RATING = "121214", "111050", "121106", "111412", "111029"
PROJECTS_OVER = "PROJECTS_OVER"

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]


@dataclass
class Statement:
    """What one group of a report says."""

    tracking: str = ""
    tracking_uid: str = ""
    finding: str = ""
    meaning: str = ""
    site: str = ""
    sides: list[str] = field(default_factory=list)
    """Those that are said, each once; "" for anatomy without one."""
    projected: str = ""
    """What something outside of the patient projects over."""
    algorithms: list[dict[str, str]] = field(default_factory=list)
    numbers: list[tuple[str, float, str]] = field(default_factory=list)
    contours: list[Points] = field(default_factory=list)
    points: list[Points] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    assessment: str = ""
    codes: dict[str, list[str]] = field(default_factory=dict)
    """Values of its codes by concept."""
    comments: list[str] = field(default_factory=list)
    narrative: str = ""


@dataclass
class Report:
    """A Structured Report: its groups, and the algorithms that its equipment names."""

    groups: list[Statement]
    equipment: set[tuple[str, str]]
    uid: str = ""
    software: tuple[str, ...] = ()

    @property
    def landmarks(self) -> dict[str, list[tuple[float, float]]]:
        """Places of anatomical points by code."""
        results: dict[str, list[tuple[float, float]]] = {}
        for group in self.groups:
            for point in group.points:
                results.setdefault(group.finding, []).append((float(point[0, 0]), float(point[0, 1])))
        return results


def read(data: bytes) -> Dataset:
    """The data set of a file."""
    return pydicom.dcmread(BytesIO(data))


def code_of(item: Dataset, keyword: str = "ConceptNameCodeSequence") -> str:
    """The value of a code, long ones too."""
    if keyword not in item or not item[keyword].value:
        return ""
    code = item[keyword].value[0]
    return str(code.get("CodeValue") or code.get("LongCodeValue") or code.get("URNCodeValue") or "")


def read_report(data: bytes) -> Report:
    """The groups of a report, in their order."""
    return report_of(read(data))


def report_of(document: Dataset) -> Report:
    """The same of its data set."""
    equipment = {
        (str(one.ManufacturerModelName), str(one.SoftwareVersions))
        for one in document.get("ContributingEquipmentSequence", [])
    }
    versions = document.SoftwareVersions
    software = (versions,) if isinstance(versions, str) else tuple(versions)
    return Report([_group(item) for item in _groups(document)], equipment, str(document.SOPInstanceUID), software)


def _groups(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", []):
        if code_of(child) == GROUP:
            yield child
        else:
            yield from _groups(child)


def _group(item: Dataset) -> Statement:
    statement = Statement()
    for child in item.ContentSequence:
        _take(statement, child)
        if child.ValueType == "CODE":
            statement.codes.setdefault(code_of(child), []).append(code_of(child, "ConceptCodeSequence"))
    statement.algorithms = _algorithms(item)
    return statement


def _take(statement: Statement, child: Dataset) -> None:
    name, kind = code_of(child), child.ValueType
    if name == TRACKING:
        statement.tracking = str(child.TextValue)
    elif name == TRACKING_UID:
        statement.tracking_uid = str(child.UID)
    elif name == FINDING:
        statement.finding = code_of(child, "ConceptCodeSequence")
        statement.meaning = str(child.ConceptCodeSequence[0].CodeMeaning)
    elif name in (SITE, PROJECTS_OVER):
        setattr(statement, "site" if name == SITE else "projected", code_of(child, "ConceptCodeSequence"))
        sides = [one for one in child.get("ContentSequence", []) if code_of(one) == LATERALITY]
        side = SIDES[code_of(sides[0], "ConceptCodeSequence")] if sides else ""
        statement.sides += [] if side in statement.sides else [side]
        for place in child.get("ContentSequence", []):
            _draw(statement, place)
    elif name == QUALITY_ASSESSMENT:
        statement.assessment = code_of(child, "ConceptCodeSequence")
    elif name == COMMENT:
        statement.comments.append(str(child.TextValue))
    elif name == NARRATIVE:
        statement.narrative = str(child.TextValue)
    elif kind == "NUM":
        value = child.MeasuredValueSequence[0]
        unit = str(value.MeasurementUnitsCodeSequence[0].CodeValue)
        number = value.get("FloatingPointValue", value.NumericValue)
        statement.numbers.append((name, float(number), unit))
        for place in child.get("ContentSequence", []):
            _draw(statement, place)
    elif kind == "IMAGE" and name == SEGMENT_FRAME:
        statement.segments += _numbers(child.ReferencedSOPSequence[0])
    else:
        _draw(statement, child)


def _numbers(reference: Dataset) -> list[int]:
    for keyword in ("ReferencedSegmentNumber", "ReferencedFrameNumber"):
        if keyword in reference:
            value = reference[keyword].value
            return [int(one) for one in (value if isinstance(value, pydicom.multival.MultiValue) else [value])]
    return []


def _draw(statement: Statement, item: Dataset) -> None:
    if item.ValueType != "SCOORD":
        return
    points = np.array(item.GraphicData, float).reshape(-1, 2)
    if item.GraphicType == "POINT":
        statement.points.append(points)
    elif not any(points.shape == one.shape and np.array_equal(points, one) for one in statement.contours):
        statement.contours.append(points)


def _algorithms(item: Dataset) -> list[dict[str, str]]:
    """Name, version and parameters, in order; a second name begins the next one."""
    results: list[dict[str, str]] = []
    for child in item.ContentSequence:
        key = ALGORITHM.get(code_of(child), "")
        if key == "name":
            results.append({"name": str(child.TextValue), "version": "", "parameters": ""})
        elif key and results:
            results[-1][key] = f"{results[-1][key]} {child.TextValue}".strip()
    return results


@dataclass
class Segment:
    """One segment: its mask, and who made it."""

    number: int
    tracking: str
    tracking_uid: str
    algorithm: tuple[str, str]
    name: str
    side: str
    mask: Mask
    description: str = ""


def read_segmentation(data: bytes) -> list[Segment]:
    """The segments of a binary segmentation or label map of one image."""
    document = read(data)
    frames = document.pixel_array
    frames = frames if frames.ndim == 3 else frames[np.newaxis]
    masks: dict[int, Mask] = {}
    if document.SegmentationType == "LABELMAP":
        for one in document.SegmentSequence:
            masks[int(one.SegmentNumber)] = (frames == one.SegmentNumber).any(0)
    else:
        for frame, group in zip(frames, document.PerFrameFunctionalGroupsSequence, strict=True):
            number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
            mask = frame > 0
            masks[number] = masks[number] | mask if number in masks else mask
    return [_segment(one, masks[int(one.SegmentNumber)]) for one in document.SegmentSequence if one.SegmentNumber]


def _segment(item: Dataset, mask: Mask) -> Segment:
    makers = item.get("SegmentationAlgorithmIdentificationSequence", [])
    algorithm = (str(makers[0].AlgorithmName), str(makers[0].AlgorithmVersion)) if makers else ("", "")
    kind = item.SegmentedPropertyTypeCodeSequence[0]
    modifiers = [code_of(kind, "SegmentedPropertyTypeModifierCodeSequence")]
    modifiers += [code_of(one, "AnatomicRegionModifierSequence") for one in item.get("AnatomicRegionSequence", [])]
    side = next((SIDES[one] for one in modifiers if one in SIDES), "")
    return Segment(
        int(item.SegmentNumber), str(item.get("TrackingID", "")), str(item.get("TrackingUID", "")), algorithm,
        str(item.get("SegmentAlgorithmName", "")),
        side, mask, str(item.get("SegmentDescription", "")),
    )  # fmt: skip


@dataclass
class Layer:
    """A layer of a presentation state: its outlines and texts."""

    description: str
    outlines: list[Points] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def read_layers(data: bytes) -> dict[str, Layer]:
    """The layers of a presentation state by name."""
    document = read(data)
    layers = {str(one.GraphicLayer): Layer(str(one.GraphicLayerDescription)) for one in document.GraphicLayerSequence}
    for annotation in document.GraphicAnnotationSequence:
        layer = layers[annotation.GraphicLayer]
        layer.texts += [str(one.UnformattedTextValue) for one in annotation.get("TextObjectSequence", [])]
        for graphic in annotation.get("GraphicObjectSequence", []):
            layer.outlines.append(np.array(graphic.GraphicData, float).reshape(-1, 2))
    return layers


def filled(outline: Points, shape: tuple[int, int]) -> Mask:
    """The pixels whose centres lie in a closed outline or on it, by crossings of each row."""
    rows, columns = shape
    mask = np.zeros(shape, np.bool_)
    x, y = outline[:, 0] - 0.5, outline[:, 1] - 0.5
    for row in range(max(0, int(np.ceil(y.min() - 1e-6))), min(rows - 1, int(np.floor(y.max() + 1e-6))) + 1):
        begin, end = y[:-1], y[1:]
        crosses = (begin <= row) != (end <= row)
        with np.errstate(divide="ignore", invalid="ignore"):
            across = np.sort((x[:-1] + (row - begin) / (end - begin) * (x[1:] - x[:-1]))[crosses])
        for left, right in zip(across[::2], across[1::2], strict=True):
            mask[row, max(0, int(np.ceil(left - 1e-6))) : min(columns - 1, int(np.floor(right + 1e-6))) + 1] = True
        flat = (begin == row) & (end == row)
        for left, right in zip(np.minimum(x[:-1], x[1:])[flat], np.maximum(x[:-1], x[1:])[flat], strict=True):
            mask[row, max(0, int(np.ceil(left))) : min(columns - 1, int(np.floor(right))) + 1] = True
    # An edge belongs to its region, as contours are drawn through the centres of the outermost pixels.
    for (x0, y0), (x1, y1) in zip(outline[:-1] - 0.5, outline[1:] - 0.5, strict=True):
        steps = int(max(abs(x1 - x0), abs(y1 - y0))) + 1
        across = np.clip(np.rint(np.linspace(x0, x1, steps + 1)).astype(int), 0, columns - 1)
        down = np.clip(np.rint(np.linspace(y0, y1, steps + 1)).astype(int), 0, rows - 1)
        mask[down, across] = True
    return mask


def parts_of(mask: Mask) -> list[Mask]:
    """The connected parts of a mask (eight neighbours), by runs of rows."""
    parents: list[int] = []

    def root(one: int) -> int:
        while parents[one] != one:
            parents[one] = parents[parents[one]]
            one = parents[one]
        return one

    runs: list[tuple[int, int, int, int]] = []
    above: list[tuple[int, int, int]] = []
    for row in np.flatnonzero(mask.any(1)).tolist():
        edges = np.flatnonzero(np.diff(np.concatenate([[0], mask[row].view(np.int8), [0]])))
        here: list[tuple[int, int, int]] = []
        near = above if runs and runs[-1][0] == row - 1 else []
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            number = len(parents)
            parents.append(number)
            for other_start, other_end, other in near:
                if other_start <= end and start <= other_end:
                    parents[root(number)] = root(other)
            here.append((start, end, number))
            runs.append((row, start, end, number))
        above = here
    parts: dict[int, Mask] = {}
    for row, start, end, number in runs:
        parts.setdefault(root(number), np.zeros(mask.shape, np.bool_))[row, start:end] = True
    return sorted(parts.values(), key=lambda part: -int(part.sum()))
