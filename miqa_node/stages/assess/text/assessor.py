"""Searches the pixels of images for text after they are judged, for the kinds of images that the settings name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from miqa_node.core.domain.assessment import Measurement, PlausibilityIssue
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.pixel_text import TextImageKind, TextLine
from miqa_node.core.domain.ports import Assessor, AssessorResult
from miqa_node.core.domain.traits import ImageTraits
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe.log import describe_error
from miqa_node.core.observe.stages import observe
from miqa_node.core.settings import Settings
from miqa_node.dicom.pixels.plausibility import ISSUES
from miqa_node.errors import place_of
from miqa_node.stages.assess.text.extra import can_read
from miqa_node.stages.assess.text.find import find_text
from miqa_node.stages.assess.text.measurand import IDENTITY_TEXT, places

if TYPE_CHECKING:
    from miqa_node.stages.assess.text.reader import TextRecogniser

log = structlog.get_logger(__name__)

CONTRADICTION = "burned_in_contradicted"


class TextAssessor:
    """An :class:`~miqa_node.core.domain.ports.Assessor` that adds what it found in the pixels to another's result."""

    def __init__(
        self, sources: Sequence[TextImageKind], assessor: Callable[[], Assessor], opened: Callable[[], TextRecogniser]
    ) -> None:
        """The recogniser is opened for the first image that needs it."""
        self._sources = frozenset(sources)
        self._assessor = assessor
        self._open = opened
        self._lock = threading.Lock()
        self._reader: TextRecogniser | None = None

    def assess(
        self, header: Header, radiograph: Radiograph, digest: InstanceDigest, traits: ImageTraits
    ) -> AssessorResult:
        """The judgement, with kinds and places of lines if the pixels could be read."""
        judgement = self._assessor().assess(header, radiograph, digest, traits)
        if traits.text_source not in self._sources:
            return judgement
        started = time.perf_counter()
        lines = self._find(radiograph)
        seconds = time.perf_counter() - started
        observe("text", seconds)
        timings = {**judgement.assessment.timings_ms, "text": round(seconds * 1e3, 1)}
        assessment = replace(judgement.assessment, timings_ms=timings)
        if lines is None:
            return replace(judgement, assessment=assessment)
        count = Measurement(IDENTITY_TEXT.name, float(len(lines)), IDENTITY_TEXT.unit, places(lines))
        issues = assessment.plausibility
        if lines and header.burned_in_annotation == "NO":
            sentence = Phrase("Burned In Annotation is NO, but the pixels hold text that may identify: {places}.",
                              places=count.place)  # fmt: skip
            issues = (*issues, PlausibilityIssue(CONTRADICTION, sentence, ISSUES[CONTRADICTION]))
        measurements = (*assessment.measurements, count)
        assessment = replace(assessment, measurements=measurements, plausibility=issues, text=lines)
        return replace(judgement, assessment=assessment)

    def assessor(self) -> Assessor:
        """The assessor for the pipeline: this object."""
        return self

    def _find(self, radiograph: Radiograph) -> tuple[TextLine, ...] | None:
        try:
            return find_text(radiograph, self._ready())
        except Exception as error:  # noqa: BLE001 - whatever a recogniser does, the image is judged and reported
            log.error("text in pixels was not searched", error=describe_error(error), where=place_of(error))
            return None

    def _ready(self) -> TextRecogniser:
        with self._lock:
            if self._reader is None:
                self._reader = self._open()
            return self._reader


def with_text(settings: Settings, assessor: Callable[[], Assessor]) -> Callable[[], Assessor]:
    """The assessor, and a search for text where settings and installation allow it."""
    if not settings.text.sources or not can_read():
        return assessor
    return TextAssessor(settings.text.sources, assessor, partial(_opened, settings.assess.intra_op_threads)).assessor


def _opened(threads: int) -> TextRecogniser:
    from miqa_node.stages.assess.text.reader import TextRecogniser  # noqa: PLC0415 - loads the recogniser

    return TextRecogniser(threads)
