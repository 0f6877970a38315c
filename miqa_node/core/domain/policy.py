"""The site's rules: which findings and measurements make an image ACCEPT, REVIEW or REJECT.

:mod:`miqa_node.core.domain.decision` applies them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from miqa_node.core.domain.acceptance import Acceptance
from miqa_node.core.domain.codes import UNKNOWN_FAILURE, Code
from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.finding_figure import FindingFigure
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.kept_figure import KeptFigure
from miqa_node.core.domain.object_place import ChestRegion
from miqa_node.core.domain.prediction import PackageRule
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.language.phrase import Phrase


class Verdict(StrEnum):
    """The node's verdict on an image. NOT_ASSESSED is never ACCEPT."""

    ACCEPT = "ACCEPT"
    REVIEW = "REVIEW"
    REJECT = "REJECT"
    NOT_ASSESSED = "NOT_ASSESSED"

    @property
    def flagged(self) -> bool:
        """Whether the verdict alone puts the study on the worklist."""
        return self in (Verdict.REVIEW, Verdict.REJECT)

    @property
    def words(self) -> str:
        """The name on pages and in reports; settings, REST and the command line use the value."""
        return VERDICT_WORDS[self]

    @property
    def rank(self) -> int:
        """Rank by severity; the verdict of a study is that of its worst image."""
        return (Verdict.ACCEPT, Verdict.NOT_ASSESSED, Verdict.REVIEW, Verdict.REJECT).index(self)


VERDICT_WORDS = {
    Verdict.ACCEPT: "Accepted",
    Verdict.REVIEW: "Review",
    Verdict.REJECT: "Rejected",
    Verdict.NOT_ASSESSED: "Not assessed",
}


class LimitSide(StrEnum):
    """How a rule compares a measurement with its limit."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class FindingRule:
    """REVIEW or REJECT when the finding is present and reaches both limits.

    ``soft``: slight degrees are ordinary, so a site's confirmed limit for a room replaces these limits. ``over``: an
    object must lie there, if that is known; empty: anywhere. ``any_part``: the finding needs no anatomy, so the rule
    applies whatever the pixels show.
    """

    finding: FindingName
    verdict: Verdict
    min_probability: float = 0.0
    min_severity: float = 0.0
    soft: bool = False
    over: tuple[ChestRegion, ...] = ()
    any_part: bool = False

    def concerns(self, finding: Finding) -> bool:
        """Whether the finding lies where the rule looks."""
        return not self.over or finding.place is None or bool(set(self.over) & set(finding.place.over))

    def reached(self, finding: Finding) -> bool:
        """Whether a finding reaches both limits."""
        return finding.probability >= self.min_probability and finding.severity >= self.min_severity


@dataclass(frozen=True, slots=True)
class MeasurementRule:
    """REVIEW or REJECT when the measurement is above or below its limit.

    ``finding`` is the finding that it supports; empty if its reason is only a code.
    """

    measurement: str
    comparison: LimitSide
    limit: float
    verdict: Verdict
    code: Code
    finding: str = ""


@dataclass(frozen=True, slots=True)
class UsualRule:
    """REVIEW when the measurement lies above or below the usual range of the machine that a person confirmed.

    ``finding`` is the finding that it supports; empty if its reason is only a code. REVIEW is the only possible
    verdict, because a range says what is usual, not what is good.
    """

    measurement: str
    comparison: LimitSide
    code: Code
    finding: str = ""
    verdict: Verdict = Verdict.REVIEW


@dataclass(frozen=True, slots=True)
class PlausibilityRule:
    """REVIEW or REJECT if header and pixels have the named contradiction; NOT_ASSESSED only keeps from ACCEPT."""

    issue: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class AnomalyRule:
    """REVIEW when the image is more unusual than ``min_percentile`` percent of the baseline's images.

    REVIEW is the only possible verdict, because disease also makes images unusual.
    """

    min_percentile: float
    verdict: Verdict = Verdict.REVIEW


@dataclass(frozen=True, slots=True)
class Scope:
    """The rules for one kind of image; empty tuples match everything."""

    name: str
    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    view: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    """Kinds of slices of a series (:mod:`miqa_node.core.domain.slice_kind`)."""
    findings: tuple[FindingRule, ...] = ()
    measurements: tuple[MeasurementRule, ...] = ()
    usual: tuple[UsualRule, ...] = ()
    plausibility: tuple[PlausibilityRule, ...] = ()
    anomaly: AnomalyRule | None = None
    packages: tuple[PackageRule, ...] = ()
    ignored_findings: tuple[FindingName, ...] = ()
    """Findings that never flag in this scope, even if their package or the default rules would flag them."""
    acceptances: tuple[Acceptance, ...] = ()
    """Measurements that suffice for ACCEPT without a model if no rule flags; the first that covers an image applies."""
    figures: tuple[KeptFigure, ...] = ()
    """What models are known to find, by body part, view and age; empty: only packages and ages make experimental."""
    finding_figures: tuple[FindingFigure, ...] = ()
    """Findings that may flag images on which the figures above make all others experimental."""
    own_figures: bool = False
    """The site has figures of its own for these images: here experimental findings count like any others."""

    @property
    def limited(self) -> frozenset[str]:
        """The measurements that a rule limits."""
        return frozenset(rule.measurement for rule in self.measurements)

    @property
    def judges_by_measurements(self) -> bool:
        """Whether no rule needs a model, so that only limits that were tried can accept anything."""
        return bool(self.acceptances) or (bool(self.measurements) and not self.findings)

    def covers(self, header: Header, kind: str = "") -> bool:
        """Whether the image, or the series of slices of this kind, belongs to this scope.

        An assessment of an earlier version has no kind; then kinds do not count.
        """
        part, view = header.body_part_examined, header.view_position
        named = [(self.modality, header.modality), (self.body_part, part), (self.view, view)]
        named += [(self.kind, kind)] if kind else []
        return all(not allowed or name in allowed for allowed, name in named)


OF_LIMITS = "+limits."
"""Between the version of the rules and the number of the site's set of limits."""


def rules_version(version: str) -> str:
    """The version of a policy without its set of limits, which changes no rule.

    >>> rules_version("2026-11-28.3+limits.4")
    '2026-11-28.3'
    """
    return version.partition(OF_LIMITS)[0]


@dataclass(frozen=True, slots=True)
class Policy:
    """All scopes of a site; the first that covers an image applies to it."""

    version: str
    scopes: tuple[Scope, ...]
    titles: Mapping[str, str] = field(default_factory=dict)
    """The English titles of findings and gate classes that reasons use."""
    site_limits: SiteLimits = field(default_factory=SiteLimits)
    """The site's confirmed limits for rooms, which replace the limits of soft rules."""

    def with_limits(self, limits: SiteLimits) -> Policy:
        """The policy with the limits of the site; its version includes them, because reports contain the version."""
        return replace(self, version=f"{self.version}{OF_LIMITS}{limits.number}", site_limits=limits)

    def scope_of(self, header: Header, kind: str = "") -> Scope | None:
        """The scope that applies to an image, or to a series of slices of this kind."""
        return next((scope for scope in self.scopes if scope.covers(header, kind)), None)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a verdict: a sentence for people and a code for machines.

    ``finding`` is the finding that a measurement supports; empty if ``name`` is sufficient.
    """

    name: str
    text: str
    code: Code
    verdict: Verdict
    finding: str = ""


DERIVED = "derived_image"
"""The name of the reason for an image derived from another one of the same exposure."""
UNFIT = "unfit"
"""The name of the reason for what no limit can apply to, such as a single slice or a capture."""
ANOTHER_KIND = "another_kind"
"""The name of the reason for an image whose pixels are not what the model judges."""
PHANTOM = "phantom"
"""The name of the reason for a series of a test object, which is on a separate list."""

SPOT_CHECK = Reason(
    "audit", Phrase("Accepted, and drawn at random: say whether it is a good image."), UNKNOWN_FAILURE, Verdict.ACCEPT
)
"""The reason for an accepted image on the worklist, if there is no other."""
SILENT = "silent"
"""Name of the reason for a verdict that is only recorded."""
LOOKED_FOR = "looked_for"
"""Name of the reason that says what was looked for in an image that is not judged as a whole."""
EXPERIMENTAL = "experimental"
"""Name of the reason for an image whose findings or measurements do not count yet, so that it is never ACCEPT."""


def is_experimental(reasons: Sequence[Reason]) -> bool:
    """Whether the image was judged or measured, and that does not count yet."""
    return any(reason.name == EXPERIMENTAL for reason in reasons)


@dataclass(frozen=True, slots=True)
class Disposition:
    """The verdict with its reasons and the policy that gave it.

    ``attention`` puts a study on the worklist regardless of the verdict, because something went wrong.
    ``certificate`` states how far the verdict can be trusted: "certified …" or "no certificate", with the reason.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...]
    policy_version: str
    scope: str
    attention: bool = False
    certificate: str = ""

    @property
    def flagged(self) -> bool:
        """Whether the study goes on the worklist."""
        return self.attention or (self.verdict.flagged and not self.silent)

    @property
    def silent(self) -> bool:
        """Whether the verdict is only recorded, without worklist entry and without results."""
        return any(reason.name == SILENT for reason in self.reasons)

    @property
    def experimental(self) -> bool:
        """Whether the image was judged or measured, and that does not count yet."""
        return is_experimental(self.reasons)

    def silenced(self, text: str) -> Disposition:
        """The same disposition in silent days, for that reason: a flag is only recorded, and nothing is ACCEPT."""
        if self.verdict is Verdict.ACCEPT:
            reason = Reason(EXPERIMENTAL, text, UNKNOWN_FAILURE, Verdict.NOT_ASSESSED)
            return replace(self, verdict=Verdict.NOT_ASSESSED, reasons=(*self.reasons, reason))
        if not self.verdict.flagged:
            return self
        return replace(self, reasons=(*self.reasons, Reason(SILENT, text, UNKNOWN_FAILURE, Verdict.ACCEPT)))

    def flags(self, finding: FindingName) -> bool:
        """Whether a finding is a reason for flagging the image."""
        return any(reason.verdict.flagged and finding in (reason.name, reason.finding) for reason in self.reasons)
