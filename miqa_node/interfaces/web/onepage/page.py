"""A self-contained page about one image: pictures are embedded, nothing is loaded, and it prints on A4."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jinja2 import PackageLoader, Template
from numpy.typing import NDArray

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.image import DIFFERENCE_GAIN, EnhancedImage, SaliencyMap
from miqa_node.core.domain.verdict import Reason
from miqa_node.core.language.catalogue import LANGUAGE, reworded, say, spoken
from miqa_node.core.words.finding_codes import finding_code
from miqa_node.core.words.formats import measurement
from miqa_node.core.words.narrative import Part, advice, sentences
from miqa_node.core.words.next_step import next_step
from miqa_node.core.words.object_words import title_of
from miqa_node.core.words.subject import SegmentSubject, of_anomaly, of_object, of_prediction
from miqa_node.interfaces.web.html.environment import environment
from miqa_node.interfaces.web.html.landmark_layer import landmark_layer
from miqa_node.local import LocalResult
from miqa_node.stages.report.mask import MarkedRegion, regions_of, spread_map
from miqa_node.stages.report.picture import rgb

LARGE_PX, SMALL_PX = 1100, 640
"""Longer sides of the pictures on the page."""
DETAIL_PX = 320
"""Side of the 1:1 window at the largest change by enhancement."""
JPEG_QUALITY = 88
HEAT_OPACITY = 0.55
LANDMARK_COLOUR = (120, 255, 140)
"""RGB colour of anatomical points, as on the study's page."""


@dataclass(frozen=True, slots=True)
class FindingLocation:
    """The location of a finding: the heat map over the image, and the mask of its segmentation."""

    title: str
    sentence: str
    heat: str
    mask: str
    method: str
    colour: str
    code: Code
    finding: Finding | None = None
    advice: str = ""
    because: str = ""


def one_page(
    result: LocalResult,
    enhanced: EnhancedImage | None,
    *,
    threshold: float,
    language: str = "en",
    no_copy: str = "",
) -> str:
    """The page as HTML; ``no_copy`` says why there is no enhanced copy, ``threshold`` turns maps into masks."""
    values = _values(result, enhanced, threshold, language)
    return _template("onepage.html", LANGUAGE.get()).render(**values, no_copy=no_copy, served=False, style=_style())


def of_image(result: LocalResult, *, threshold: float, language: str) -> str:
    """The same for a page of the node, without the copy that only the command makes."""
    values = _values(result, None, threshold, language)
    return _template("image.html", LANGUAGE.get()).render(**values, no_copy="", served=True)


def _values(result: LocalResult, enhanced: EnhancedImage | None, threshold: float, language: str) -> dict[str, object]:
    assessment, disposition = result.assessment, result.disposition
    texts = sentences(assessment, disposition, language)
    first, *others = [one.text for one in texts if one.part not in (Part.FINDING, Part.ADVICE)]
    with spoken(language):
        to_do = next_step(assessment, disposition)  # hints of several findings contradict each other
    places = tuple(_places(result, threshold, language))
    placed = {place.finding.name for place in places if place.finding is not None}
    return {
        "language": language,
        "assessment": assessment,
        "disposition": disposition,
        "header": assessment.header,
        "radiograph": result.radiograph,
        "is_dicom": result.is_dicom,
        "texts": [first, to_do, *others],
        "finding_sentences": [sentence.text for sentence in texts if sentence.part is Part.FINDING],
        "original": picture_uri(result.radiograph.display, LARGE_PX),
        "enhanced": enhanced,
        "compared": _compared(enhanced) if enhanced else (),
        "gain": f"{DIFFERENCE_GAIN:g}",
        "places": places,
        "unplaced": [f for f in assessment.findings if f.present and f.name not in placed],
        "finding_words": {f.name: title_of(f, LANGUAGE.get()) for f in assessment.findings},
        "measurements": assessment.measurements,
        "landmarks": _landmarks(result),
    }


@cache
def _template(name: str, language: str) -> Template:
    return environment(PackageLoader("miqa_node.interfaces.web.onepage"), language).get_template(name)


@cache
def _style() -> str:
    """The colours of the node's pages, with which their style sheet begins, and the rules for one image."""
    static = Path(__file__).parents[1] / "static"
    colours, _, _ = (static / "style.css").read_text("utf-8").partition("\n* {")
    return colours + (static / "one_page.css").read_text("utf-8")


def _landmarks(result: LocalResult) -> str:
    """The image with its anatomical points, as a data URI; empty if there are none."""
    landmarks = result.assessment.landmarks
    if landmarks is None:
        return ""
    gray = (_small(result.radiograph.display, LARGE_PX) >> 8).astype(np.uint8)
    layer = landmark_layer(landmarks, (gray.shape[0], gray.shape[1]), result.assessment.header.patient_orientation)
    share = cv2.resize(layer, gray.shape[::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32)[..., None] / 255
    base = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    return _uri(np.rint(base * (1.0 - share) + np.array(LANDMARK_COLOUR[::-1]) * share).astype(np.uint8))


def _compared(enhanced: EnhancedImage) -> tuple[tuple[str, str, str], ...]:
    """(original, copy, difference): the whole image and, if that is downscaled, a window at full size."""
    pictures = (enhanced.source.display, enhanced.image.display, enhanced.difference_picture)
    whole = tuple(picture_uri(picture, SMALL_PX) for picture in pictures)
    if max(enhanced.source.shape) <= SMALL_PX:
        return ((whole[0], whole[1], whole[2]),)
    strength = cv2.boxFilter(np.abs(enhanced.difference), cv2.CV_32F, (DETAIL_PX, DETAIL_PX))
    half = DETAIL_PX // 2
    rows, columns = strength.shape
    inner = strength[half : max(half + 1, rows - half), half : max(half + 1, columns - half)]
    top, left = (int(at) for at in np.unravel_index(int(inner.argmax()), inner.shape))
    window = (slice(top, top + DETAIL_PX), slice(left, left + DETAIL_PX))
    detail = tuple(picture_uri(np.ascontiguousarray(picture[window]), SMALL_PX) for picture in pictures)
    return (whole[0], whole[1], whole[2]), (detail[0], detail[1], detail[2])


def picture_uri(display: NDArray[np.uint16], side_px: int) -> str:
    """Display values as a gray JPEG in a data URI, at most ``side_px`` wide and high."""
    return _uri((_small(display, side_px) >> 8).astype(np.uint8))


def _places(result: LocalResult, threshold: float, language: str) -> Iterator[FindingLocation]:
    """Locations of the present findings, worst first, then of predictions, then of the anomaly."""
    assessment, shape = result.assessment, result.radiograph.shape
    present = sorted((f for f in assessment.findings if f.present), key=lambda f: -f.probability * f.severity)
    texts = [s.text for s in sentences(assessment, result.disposition, language) if s.part is Part.FINDING]
    text_of = dict(
        zip((f.name for f in present), texts, strict=False)
    )  # both worst first; a gate has only one sentence
    for finding in present:
        if finding.name in result.maps.findings:
            sentence = text_of.get(finding.name, "") if assessment.gate_class is None else ""
            saliency = result.maps.findings[finding.name]
            for region in _regions(of_object(finding, assessment), saliency, shape, threshold):
                here = region.subject.finding or finding
                yield _place(result, region, finding=here, sentence=sentence, language=language)
                sentence = ""
    for prediction in assessment.predictions:
        if prediction.package in result.maps.predictions:
            saliency = result.maps.predictions[prediction.package]
            for region in _regions([of_prediction(prediction)], saliency, shape, threshold):
                yield _place(result, region, sentence=prediction.sentence)
    if assessment.anomaly is not None and result.maps.anomaly is not None:
        unusual_place = [of_anomaly(assessment.anomaly, assessment)]
        for region in _regions(unusual_place, result.maps.anomaly, shape, threshold):
            unusual = say("{sentence}. Unusual is not wrong.", sentence=reworded(assessment.anomaly.sentence))
            yield _place(result, region, title=say("Unusual region"), sentence=unusual)


def _regions(
    subjects: Sequence[SegmentSubject], saliency: SaliencyMap, shape: tuple[int, int], threshold: float
) -> tuple[MarkedRegion, ...]:
    return regions_of([(subjects, saliency)], shape, threshold)


def _place(
    result: LocalResult,
    region: MarkedRegion,
    *,
    finding: Finding | None = None,
    title: str = "",
    sentence: str = "",
    language: str = "en",
) -> FindingLocation:
    subject = region.subject
    heat, mask = _pictures(result.radiograph.display, region)
    parts = result.assessment.contributions.get(finding.name, ()) if finding is not None else ()
    return FindingLocation(
        title=title or _title(region, finding),
        sentence=sentence,
        heat=heat,
        mask=mask,
        method=region.method,
        colour="#{:02x}{:02x}{:02x}".format(*rgb(subject.colour)),
        code=finding_code(finding) if finding is not None else subject.kind,
        finding=finding,
        advice=_advice(result, finding, language) if finding is not None else "",
        because=", ".join(measurement(one.measurement) for one in parts[:3]),
    )


def _title(region: MarkedRegion, finding: Finding | None) -> str:
    if finding is None or region.over:
        return "; ".join(map(reworded, region.titles))
    return title_of(finding, LANGUAGE.get())


def _advice(result: LocalResult, finding: Finding, language: str) -> str:
    reason = Reason(finding.name, "", finding.code, result.disposition.verdict)
    return advice(reason, result.assessment, language)


def _pictures(display: NDArray[np.uint16], region: MarkedRegion) -> tuple[str, str]:
    """(heat map with outline over the image, coloured mask over the darkened image), as data URIs."""
    gray = (_small(display, SMALL_PX) >> 8).astype(np.uint8)
    scale = gray.shape[0] / display.shape[0]
    colour = rgb(region.subject.colour)[::-1]  # OpenCV's order
    base = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    shares = spread_map(region.values, (gray.shape[0], gray.shape[1]))
    warm = cv2.applyColorMap(np.rint(shares * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    share = (np.float32(HEAT_OPACITY) * shares)[..., None]
    heat = np.rint(base * (1.0 - share) + warm * share).astype(np.uint8)
    for outline in region.outlines:
        points = np.rint(outline * scale).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(heat, [points], True, colour, 2, cv2.LINE_AA)
    inside = cv2.resize(region.mask.astype(np.uint8), gray.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    mask = (base * 0.45).astype(np.uint8)
    mask[inside] = (0.35 * base[inside] + 0.65 * np.array(colour)).astype(np.uint8)
    return _uri(heat), _uri(mask)


def _small(display: NDArray[np.uint16], side_px: int) -> NDArray[np.uint16]:
    scale = min(1.0, side_px / max(display.shape))
    if scale == 1.0:
        return display
    size = (max(1, round(display.shape[1] * scale)), max(1, round(display.shape[0] * scale)))
    return np.asarray(cv2.resize(display, size, interpolation=cv2.INTER_AREA), np.uint16)


def _uri(pixels: NDArray[np.uint8]) -> str:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
