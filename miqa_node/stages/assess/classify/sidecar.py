"""Runs a classification package beside the quality package: it adds a routed prediction and its map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.image import SaliencyMap
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.prediction import PendingCause, PendingReason, Prediction
from miqa_node.core.domain.routing import Routing, route
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.core.settings import Accelerator, AssessSettings
from miqa_node.dicom.pixels.histogram import displayed_counts
from miqa_node.errors import MiqaError
from miqa_node.stages.assess.card import Task
from miqa_node.stages.assess.certified import certified_routing
from miqa_node.stages.assess.classify.card import ClassifierCard
from miqa_node.stages.assess.classify.classifier import Classifier, open_classifier
from miqa_node.stages.assess.classify.picture import looked_at
from miqa_node.stages.assess.sidecar import ImageContext, SideTask

log = structlog.get_logger(__name__)


class ClassifierSidecar:
    """See :class:`~miqa_node.stages.assess.sidecar.SidecarModel`."""

    def __init__(self, classifier: Classifier, settings: AssessSettings) -> None:
        self._classifier = classifier
        self._timeout_s = settings.saliency_timeout_s
        self._routing = card_routing(classifier.card, settings)
        self._unexplained = ""

    @property
    def name(self) -> str:
        """``<name>-<version>``."""
        return self._classifier.name

    @property
    def sha256(self) -> str:
        """Identifies the graphs."""
        return self._classifier.sha256

    @property
    def provider(self) -> str:
        """The execution provider that runs the graphs."""
        return self._classifier.provider

    @property
    def golden_differences(self) -> dict[str, float]:
        """Difference of each golden's results here from the expected ones."""
        return dict(self._classifier.golden_differences)

    def contribute(self, context: ImageContext) -> AssessorResult:
        """Add the prediction, and its map unless it cannot be made."""
        classifier, radiograph = self._classifier, context.radiograph
        reason = classifier.card.applicability.excludes(context.header, radiograph.spacing_mm)
        if not reason and radiograph.frames > 1:
            reason = Phrase("The image has several frames; the model judges single images.")
        if reason:
            return context.with_prediction(self._not_judged(reason))
        display, counts = looked_at(radiograph, classifier.card.picture), radiograph.once(displayed_counts)
        scores, image = classifier.see(display, radiograph.valid, counts)
        label = classifier.label(scores)
        prediction = Prediction(self.name, self.sha256, label, scores[label], scores, self._code(label))
        added = context.with_prediction(self._routed(prediction, context))
        point = classifier.card.operating_point
        if point is not None and point.label != label:
            return added  # the label has no place to show
        saliency = self._map(image, label, radiograph.shape)
        if saliency is None:
            return added
        predictions = {**added.maps.predictions, self.name: saliency}
        return replace(added, maps=replace(added.maps, predictions=predictions))

    def _routed(self, prediction: Prediction, context: ImageContext) -> Prediction:
        """The prediction by the site's certificate if there is one, else by card and rule."""
        assessment, card = context.judgement.assessment, self._classifier.card
        routing, disposition = self._routing.of(context.rule), context.disposition()
        routing = routing.in_room(assessment, context.policy.site_limits)
        state = context.certificates.of(card.name, self.name, self.sha256) if context.certificates else None
        if state is not None:
            routing, disposition = certified_routing(routing, state, context, prediction.label)
        return route(prediction, assessment, disposition, routing)

    def _not_judged(self, reason: str) -> Prediction:
        waiting = (PendingCause(PendingReason.NOT_JUDGED, reason),)
        return Prediction(self.name, self.sha256, "", 0.0, {}, pending=waiting)

    def _code(self, label: str) -> Code | None:
        code = next(row.code for row in self._classifier.card.labels if row.name == label)
        return None if code is None else Code(code.value, code.scheme, code.meaning)

    def _map(self, image: NDArray[np.float32], label: str, shape: tuple[int, int]) -> SaliencyMap | None:
        """The map of the prediction; None if it takes too long or fails, which does not affect the prediction."""
        try:
            return self._classifier.map_of(image, label, shape, self._timeout_s)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no common base but this
            reason = str(error) if isinstance(error, MiqaError | TimeoutError) else type(error).__name__
            if reason != self._unexplained:  # log once, not for every image
                log.warning("no map for this package", package=self.name, reason=reason)
            self._unexplained = reason
            return None


def card_routing(card: ClassifierCard, settings: AssessSettings) -> Routing:
    """The conditions without a certificate: the card's evidence if it asks for any, and the rules of the settings."""
    return Routing(
        settings.min_confidence,
        settings.max_percentile,
        unproven=_unproven(card),
        proven_from=max((one.min_confidence for one in card.automation or ()), default=0.0),
    )


def _unproven(card: ClassifierCard) -> str:
    evidence = card.automation
    missing = [one.sentence for one in evidence or () if not one.suffices]
    if evidence is not None and not evidence:
        missing = [Phrase("the card names no evidence")]
    return Phrase("Not automated. {reasons}.", reasons=joined("; ", missing)) if missing else ""


def open_sidecar(folder: Path, accelerator: Accelerator, settings: AssessSettings) -> ClassifierSidecar:
    """Load and check the package; ModelPackageError with the reason if it is unusable."""
    return ClassifierSidecar(open_classifier(folder, accelerator, settings), settings)


SIDE_TASK = SideTask(Task.CLASSIFICATION, ClassifierCard, open_sidecar)
