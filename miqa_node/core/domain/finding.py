"""Quality findings: their names, and the probability, severity and place that a model gives each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.implementation import MANUFACTURER, STATED_VERSION
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.domain.object_place import ObjectPlace

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,63}$"
_NAME = re.compile(NAME_PATTERN[1:-1])


class TaxonomyName(str):
    """A name of the taxonomy: a lower-case word of up to 64 letters, digits and underscores.

    Any such name is valid, even if this node has no entry for it: a package may define its own findings, and rows
    outlive the packages that wrote them. ValueError for everything else.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the name."""
        if not _NAME.fullmatch(text):
            raise ValueError(
                f"{text!r} cannot name a finding: use up to 64 lower-case letters, digits and underscores, "
                "beginning with a letter."
            )
        return super().__new__(cls, text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> dict[str, Any]:
        """The pydantic schema; this module does not import pydantic."""
        text = {"type": "str", "pattern": NAME_PATTERN}
        return {"type": "function-after", "function": {"type": "no-info", "function": cls}, "schema": text}


class FindingName(TaxonomyName):
    """The name of a quality defect, or ``gate`` for an image outside the scope of a model."""

    __slots__ = ()
    MOTION_BLUR: ClassVar[FindingName]
    UNSHARP: ClassVar[FindingName]
    NOISE: ClassVar[FindingName]
    UNDEREXPOSURE: ClassVar[FindingName]
    OVEREXPOSURE_SATURATION: ClassVar[FindingName]
    CONTRAST_PROCESSING: ClassVar[FindingName]
    GRID_ARTIFACT: ClassVar[FindingName]
    CLIPPED_ANATOMY: ClassVar[FindingName]
    ROTATION_ORIENTATION: ClassVar[FindingName]
    FOREIGN_OBJECT: ClassVar[FindingName]
    DEVICE_IN_VIEW: ClassVar[FindingName]
    DETECTOR_OVERLAY_ARTIFACT: ClassVar[FindingName]
    DOUBLE_EXPOSURE: ClassVar[FindingName]
    GATE: ClassVar[FindingName]


class GateClass(TaxonomyName):
    """The name of a reason why an image is outside the scope of a model."""

    __slots__ = ()
    INVERTED: ClassVar[GateClass]
    NOT_FRONTAL_CHEST: ClassVar[GateClass]
    BLANK: ClassVar[GateClass]


for _class in (FindingName, GateClass):  # a class has no instances of itself before it is complete
    for _constant in _class.__annotations__:
        setattr(_class, _constant, _class(_constant.lower()))


def humanised(name: str) -> str:
    """A name as words, for names without a title.

    >>> humanised("patient_motion")
    'Patient motion'
    """
    return name.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class FindingWords:
    """The words for a finding in one language.

    ``like`` compares a severity with something familiar; its ``{size}`` is one of ``sizes``, four texts for
    slight, moderate, marked and severe. ``hint`` is advice on what to do next.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    title: str
    meaning: str = ""
    like: str = ""
    sizes: tuple[str, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class FindingDescription:
    """The description stored with a finding of another taxonomy, so that it can be shown after its source is removed.

    ``words`` has the words by language (RFC 5646). With ``flags`` it causes REVIEW unless a rule of the policy names
    it.
    """

    words: Mapping[str, FindingWords]
    flags: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding as a model judged it.

    ``probability`` is calibrated and in [0, 1], ``severity`` in [0, 1] on the scale of the simulated
    defects (0.25, 0.5, 0.75 and 1 are defined in physical units, see docs/reference/findings.md).
    ``threshold`` is the operating point of the model's card: at or above it the finding is present.
    ``peak`` is the maximum of its map, (x, y) as fractions of the image's width and height; None without a map.
    ``description`` is set for a finding of a package or of another distribution. ``place`` is where something lies that
    can be taken off, if anatomical points were found. ``made_by`` has the package whose network found it, then those
    whose results a rule added; empty of judgements of earlier versions.
    """

    name: FindingName
    code: Code
    probability: float
    severity: float
    threshold: float
    peak: tuple[float, float] | None = None
    description: FindingDescription | None = None
    place: ObjectPlace | None = None
    made_by: tuple[ModelIdentity, ...] = ()

    @property
    def present(self) -> bool:
        """Whether the probability reaches the model's operating point."""
        return self.probability >= self.threshold

    @property
    def strength(self) -> float:
        """Probability times severity: the share of quality that it takes, and the value for limits of a room."""
        return self.probability * self.severity


def by_node(before: Finding, after: Finding) -> Finding:
    """A finding after a rule of the node's own measurements; the node is named as a maker if the rule changed it."""
    if after == before:
        return before
    return replace(after, made_by=(*after.made_by, ModelIdentity(MANUFACTURER, STATED_VERSION.get(), "")))
