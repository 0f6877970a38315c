"""An assessment: all measurements and findings of one image, with the identity of what produced them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.caption import Caption
from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.finding import Finding, FindingName, GateClass
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.landmarks import Landmarks
from miqa_node.core.domain.model_identity import ModelIdentity as ModelIdentity  # noqa: PLC0414 - known here, too
from miqa_node.core.domain.pixel_text import TextLine
from miqa_node.core.domain.prediction import Prediction
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.core.language.phrase import Phrase


@dataclass(frozen=True, slots=True)
class ObjectJudge:
    """The package that judged what can be taken off, and devices, in place of the quality package."""

    package: str
    """``<name>-<version>``."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number with a UCUM unit; docs/reference/measurements.md defines it under its name."""

    name: str
    value: float
    unit: str
    """UCUM code: "1", "mm", "%", "dB", "{lp}/mm" …"""
    place: str = ""
    """Where it was found, in words: "slice 5 of 11"."""
    made_by: ModelIdentity | None = None
    """The package whose network took it; None if the node did."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why some measurements that cover an image or series have no number, as a sentence, and their names."""

    reason: str
    measurements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contribution:
    """The effect of one measurement on a finding, for models of measurements.

    ``part`` is in logits before calibration, relative to good images: positive values support the finding. The bias and
    the parts of all measurements add up to the logit. ``value`` is None if the measurement could not be taken and a
    typical value was used.
    """

    measurement: str
    value: float | None
    unit: str
    part: float


def number_text(value: float) -> str:
    """A number with four significant figures and without an exponent, for readers unfamiliar with powers of ten.

    >>> number_text(1234567.0), number_text(0.123456), number_text(12.0), number_text(0.00002778)
    ('1,235,000', '0.1235', '12', '0.00002778')
    """
    return f"{Decimal(f'{value:.4g}'):,f}"


def contributions_text(contributions: Sequence[Contribution], most: int = 3) -> str:
    """The strongest contributions in words, e.g. "noise_share 3.1 % (+2.40), contrast 12 % (−0.61)"."""

    def words(one: Contribution) -> str:
        unit = "" if one.unit in {"", "1"} else f" {one.unit}"
        value = "not measured" if one.value is None else f"{one.value:.3g}{unit}"
        return f"{one.measurement} {value} ({one.part:+.2f})".replace("(-", "(−")

    return ", ".join(words(one) for one in contributions[:most])


@dataclass(frozen=True, slots=True)
class PlausibilityIssue:
    """A contradiction between header and pixels, or a required value missing from the header."""

    name: str
    message: str
    code: Code


REPORT_FORM = 2
"""The form of reports and other objects. Raise it when the same judgement gives other bytes than before: it belongs to
their UIDs, so that no UID has two bodies (docs/adr/0004)."""
NO_MODEL = Phrase("No quality model is installed.")
"""Why an image was only measured on a node without a model."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """The node's assessment of one image.

    ``not_assessed`` is the reason why no model judged the image (out of scope or of another kind, unreadable, no
    pixels). It is empty if a model did; then ``findings`` has every row of the taxonomy. Measurements are possible in
    both cases.
    """

    digest: InstanceDigest
    header: Header
    assessed_at: datetime
    findings: tuple[Finding, ...] = ()
    gate: Mapping[GateClass, float] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    """What has no number, by reason; empty of assessments of earlier versions."""
    plausibility: tuple[PlausibilityIssue, ...] = ()
    anomaly: AnomalyScore | None = None
    """How unusual the image is; None if the package has no anomaly model."""
    score: float | None = None
    model: ModelIdentity | None = None
    not_assessed: str = ""
    calibration: str = ""
    """SHA-256 of the site's calibration file used for the probabilities; empty for the card's own calibration."""
    quarantined: bool = False
    """The assessment crashed its worker repeatedly; a person must look at the image."""
    decoder: str = ""
    steps: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    contributions: Mapping[FindingName, tuple[Contribution, ...]] = field(default_factory=dict)
    """For each present finding of a model of measurements, strongest first; empty for models of pixels."""
    predictions: tuple[Prediction, ...] = ()
    """Predictions of further packages enabled by the site; decision support, not diagnosis."""

    form: int = 0
    """The form of the objects about it, :data:`REPORT_FORM` of the version that judged; 0 before there was one."""

    generation: int = 0
    """How often the image was judged again, including this assessment."""
    phantom: str = ""
    """Why the series is considered one of a test object, not of a patient; empty if it is not."""

    phantom_kind: str = ""
    """Which test object (:class:`~miqa_node.core.domain.phantom.PhantomKind`); empty if it was not told, and of
    assessments of earlier versions."""

    experimental: str = ""
    """Why findings or measurements alone flag nothing, and the image is never ACCEPT; empty if they count."""

    has_figures: bool = False
    """Whether the card of the package that judged it names its body part among those with figures."""

    part_seen: str = ""
    """The body part that the pixels show beyond doubt, whatever the header says: CHEST of a frontal chest. Empty:
    unsure, or nothing looked. A record of the node's own, never in an object that it sends."""

    derived: str = ""
    """Why rules for plain radiographs do not apply to the image, which derives from another; empty if they do."""

    unfit: str = ""
    """Why limits cannot apply to it, although it was measured: a single slice, a capture. Empty if they can."""

    kind: str = ""
    """What the slices of a series are (:mod:`miqa_node.core.domain.slice_kind`); empty of other images."""
    field_t: float | None = None
    """Magnetic Field Strength (0018,0087) of an MR series, in tesla; None if the header does not say."""

    landmarks: Landmarks | None = None
    """Anatomical points of a frontal chest, if a package for them is installed and saw enough of it."""

    objects: ObjectJudge | None = None
    """The package that judged objects and devices, if one of its own did."""

    text: tuple[TextLine, ...] = ()
    """Lines in the pixels that may identify; empty if there are none, or if the pixels were not searched: then the
    measurement ``identity_text`` is absent."""

    usual_ranges: tuple[UsualRange, ...] = ()
    """The confirmed ranges of its machine when it was judged; those of the first judgement hold for later ones."""

    caption: Caption | None = None
    """A machine-written description of the image, if the site enabled it; no rule reads it."""

    @property
    def is_of_another_kind(self) -> bool:
        """Whether the model saw that the pixels are not what it judges, whatever the header says.

        Nothing else that a model said of the image is kept then: it would be about a chest that is not there.
        """
        return bool(self.not_assessed) and self.model is not None

    @property
    def known_header(self) -> Header:
        """The header; where it names no body part, with the one that the pixels show, by which rules go then."""
        if self.header.body_part_examined or not self.part_seen:
            return self.header
        return replace(self.header, body_part_examined=self.part_seen)

    @property
    def gate_class(self) -> GateClass | None:
        """Why the image is outside the model's scope; None if it is inside, or if the class is unknown."""
        gate = self.finding(FindingName.GATE)
        if gate is None or not gate.present:
            return None
        # The gate's row repeats the probability of one class (stages/assess/assessor.py).
        return max(self.gate, key=lambda name: (self.gate[name] == gate.probability, self.gate[name]), default=None)

    def finding(self, name: FindingName) -> Finding | None:
        """The finding of that name, if a model judged it."""
        return next((f for f in self.findings if f.name == name), None)

    def usual_range(self, name: str, unit: str) -> UsualRange | None:
        """The confirmed range of that measurement, if there was one."""
        return next((one for one in self.usual_ranges if (one.measurement, one.unit) == (name, unit)), None)

    def measurement(self, name: str) -> Measurement | None:
        """The measurement of that name, if it could be taken."""
        return next((m for m in self.measurements if m.name == name), None)
