"""The verdict of an image with its reasons, as the rules of the policy gave it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from miqa_node.core.domain.codes import UNKNOWN_FAILURE, Code
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.moderate_fault import SeriesSearch
from miqa_node.core.domain.rule import AppliedRule
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
HELD = "held"
"""Name of the reason for an image with a soft finding that counts only when its room has learned what is usual."""
EXPERIMENTAL = "experimental"
"""Name of the reason for an image whose findings or measurements do not count yet, so that it is never ACCEPT."""


def is_experimental(reasons: Sequence[Reason]) -> bool:
    """Whether the image was judged or measured, and that does not count yet."""
    return any(reason.name == EXPERIMENTAL for reason in reasons)


@dataclass(frozen=True, slots=True)
class Disposition:
    """The verdict with its reasons and the policy that gave it.

    ``attention`` puts a study on the worklist regardless of the verdict, because something went wrong.
    ``rules`` are those that applied, with what each came to; ``search`` is which faults a series was searched for, None
    of all else, and of verdicts of earlier versions.
    ``certificate`` states how far the verdict can be trusted: "certified …" or "no certificate", with the reason.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...]
    policy_version: str
    scope: str
    attention: bool = False
    certificate: str = ""
    rules: tuple[AppliedRule, ...] = ()
    search: SeriesSearch | None = None

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
