"""Which algorithms a result came of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from miqa_node import __version__
from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.implementation import MANUFACTURER, STATED_VERSION
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.taxonomy.lookup import finding_entries, is_object


class Algorithm(NamedTuple):
    """One algorithm; ``sha256`` identifies the graphs of a model package and is empty for what else there is."""

    name: str
    version: str
    sha256: str = ""

    @property
    def label(self) -> str:
        """``<name>-<version>``."""
        return f"{self.name}-{self.version}"


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
    if assessment.objects is not None:
        yield of_label(assessment.objects.package, assessment.objects.sha256)
    if (landmarks := of_landmarks(assessment)) is not None:
        yield landmarks
    yield from (of_model(maker) for finding in assessment.findings for maker in finding.made_by)
    yield from (of_model(one.made_by) for one in assessment.measurements if one.made_by is not None)
    yield from (of_label(one.package, one.sha256) for one in assessment.predictions)
    if assessment.caption is not None:
        yield Algorithm(assessment.caption.writer, "unknown")


def makers_of(finding: Finding, assessment: Assessment) -> tuple[Algorithm, ...]:
    """Whose network found it, then those whose results a rule added.

    A judgement of an earlier version does not say; then it follows from the packages that it names.
    """
    if finding.made_by:
        return tuple(of_model(one) for one in finding.made_by)
    landmarks = of_landmarks(assessment)
    if (entry := finding_entries().get(finding.name)) is not None and entry.judged_by and landmarks is not None:
        return (landmarks,)
    if is_object(finding.name) and assessment.objects is not None:
        network = of_label(assessment.objects.package, assessment.objects.sha256)
        return (network, landmarks) if finding.place is not None and landmarks is not None else (network,)
    return (_of(assessment.model),)


def maker_of(measurement: Measurement) -> Algorithm:
    """Who took a measurement: the node, unless a package did."""
    return _of(measurement.made_by)


def anomaly_maker(assessment: Assessment) -> Algorithm:
    """Who says how unusual an image is: the quality package."""
    return _of(assessment.model)


def _of(identity: ModelIdentity | None) -> Algorithm:
    """A package; the node where none is named."""
    return of_node() if identity is None else of_model(identity)


def of_landmarks(assessment: Assessment) -> Algorithm | None:
    """The package that found anatomical points; None if none did."""
    points = assessment.landmarks
    return None if points is None else of_label(points.package, points.sha256)


def of_label(label: str, sha256: str) -> Algorithm:
    """A package by its ``<name>-<version>``."""
    return Algorithm(*name_and_version(label), sha256)


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
