"""Asks a backend to describe images that a model judged, after everything else is known about them.

No backend runs unless the site chooses one. It never changes the judgement: its sentences are kept apart, are marked
as machine-written, and no rule of the policy can see them.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import assert_never

import structlog

from miqa_node.core.domain.caption import Caption
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.ports import Assessor, AssessorResult, Captioner
from miqa_node.core.domain.traits import ImageTraits
from miqa_node.core.observe.stages import observe
from miqa_node.core.settings import CaptionBackend, Settings
from miqa_node.errors import MiqaError, SettingsError
from miqa_node.stages.assess.caption.package import open_caption_package
from miqa_node.stages.assess.sidecars import sidecar_folder

log = structlog.get_logger(__name__)

PAUSE_S = 60.0
"""After a failure no image is described for this time."""
MAX_SENTENCES, MAX_CHARACTERS = 5, 300
"""Further sentences, and the rest of a longer one, are dropped."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")


class CaptioningAssessor:
    """An :class:`~miqa_node.core.domain.ports.Assessor` that adds a caption to the result of another one."""

    def __init__(self, assessor: Callable[[], Assessor], captioner: Callable[[], Captioner]) -> None:
        """The captioner is created for the first image that needs it; if that fails, again after a pause."""
        self._assessor = assessor
        self._make = captioner
        self._lock = threading.Lock()
        self._captioner: Captioner | None = None
        self._paused_until = 0.0

    def assess(
        self, header: Header, radiograph: Radiograph, digest: InstanceDigest, traits: ImageTraits
    ) -> AssessorResult:
        """The judgement, with a caption if there is one."""
        judgement = self._assessor().assess(header, radiograph, digest, traits)
        assessment = judgement.assessment
        if assessment.model is None or assessment.is_of_another_kind or time.monotonic() < self._paused_until:
            return judgement
        started = time.perf_counter()
        caption = self._caption(radiograph)
        seconds = time.perf_counter() - started
        observe("caption", seconds)
        timings = {**judgement.assessment.timings_ms, "caption": round(seconds * 1e3, 1)}
        return replace(judgement, assessment=replace(judgement.assessment, caption=caption, timings_ms=timings))

    def assessor(self) -> Assessor:
        """The assessor for the pipeline: this object."""
        return self

    def _caption(self, radiograph: Radiograph) -> Caption | None:
        try:
            captioner = self._ready()
            caption = plain(captioner.describe(radiograph))
        except Exception as error:  # noqa: BLE001 - whatever a backend does, the image is judged and reported
            # The node's own messages may be shown; the text of another exception could quote the request.
            reason = str(error) if isinstance(error, MiqaError) else type(error).__name__
            log.warning("no caption", reason=reason, pause_s=PAUSE_S)
            self._paused_until = time.monotonic() + PAUSE_S
            return None
        return Caption(captioner.writer, caption) if caption else None

    def _ready(self) -> Captioner:
        with self._lock:
            if self._captioner is None:
                self._captioner = self._make()
            return self._captioner


def with_captions(settings: Settings, assessor: Callable[[], Assessor]) -> Callable[[], Assessor]:
    """The assessor, and captions where the settings ask for them; SettingsError as :func:`captioner_of`."""
    opened = captioner_of(settings)
    return assessor if opened is None else CaptioningAssessor(assessor, opened).assessor


def captioner_of(settings: Settings) -> Callable[[], Captioner] | None:
    """Opens the backend of the settings; None if there is none.

    Raises
    ------
    SettingsError
        The settings choose a backend but name no package or address.
    """
    chosen = settings.caption
    match chosen.backend:
        case CaptionBackend.OFF:
            return None
        case CaptionBackend.PACKAGE:
            if not chosen.package:
                raise SettingsError("caption.backend is package: name the package in caption.package.")

            def opened() -> Captioner:
                folder = sidecar_folder(settings.model_folders, chosen.package)
                return open_caption_package(folder, settings.node.accelerator, settings.assess, chosen)

            return opened
        case CaptionBackend.HTTP:
            if not chosen.url.startswith(("http://", "https://")):
                raise SettingsError("caption.backend is http: give the server's address in caption.url.")
            from miqa_node.stages.assess.caption.service import CaptionService  # noqa: PLC0415 - loads a client of HTTP

            return lambda: CaptionService(chosen)
        case never:
            assert_never(never)


def plain(texts: Iterable[str]) -> tuple[str, ...]:
    r"""Sentences without control characters, limited in number and length.

    >>> plain(["Two lungs.  A\nheart. "])
    ('Two lungs.', 'A heart.')
    """
    cleaned = (" ".join(_UNPRINTABLE.sub(" ", text).split()) for text in texts)
    sentences = (sentence.strip() for text in cleaned for sentence in _SENTENCE_END.split(text))
    lines = [sentence[:MAX_CHARACTERS] for sentence in sentences if sentence]
    return tuple(lines[:MAX_SENTENCES])
