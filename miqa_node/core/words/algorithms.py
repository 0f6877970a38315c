"""Which algorithms a result came of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from miqa_node import __version__
from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.implementation import MANUFACTURER, STATED_VERSION


class Algorithm(NamedTuple):
    """One algorithm; ``sha256`` identifies the graphs of a model package and is empty for what else there is."""

    name: str
    version: str
    sha256: str = ""


NODE = Algorithm(MANUFACTURER, __version__)
"""The node of this version."""


def of_node() -> Algorithm:
    """Measurements, checks of the header, policy and pictures."""
    return Algorithm(MANUFACTURER, STATED_VERSION.get())


def algorithms_of(assessment: Assessment) -> Iterator[Algorithm]:
    """What an assessment came of: the node, and each package that judged, found landmarks, predicted or described."""
    yield of_node()
    if assessment.model is not None:
        yield of_model(assessment.model)
    labels = [(one.package, one.sha256) for one in assessment.predictions]
    if assessment.landmarks is not None:
        labels.insert(0, (assessment.landmarks.package, assessment.landmarks.sha256))
    if assessment.objects is not None:
        labels.insert(0, (assessment.objects.package, assessment.objects.sha256))
    for label, sha256 in labels:
        yield Algorithm(*name_and_version(label), sha256)
    if assessment.caption is not None:
        yield Algorithm(assessment.caption.writer, "unknown")


def name_and_version(label: str) -> tuple[str, str]:
    """The parts of a package's ``<name>-<version>``.

    >>> name_and_version("landmarks-0.3.0"), name_and_version("landmarks")
    (('landmarks', '0.3.0'), ('landmarks', 'unknown'))
    """
    name, _, version = label.rpartition("-")
    return (name, version) if name else (label, "unknown")


def of_model(model: ModelIdentity) -> Algorithm:
    """A model package."""
    return Algorithm(model.name, model.version, model.sha256)
