"""Why a budget of alarms cannot be kept: which rules eat it, and what each would give back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from miqa_node.core.domain.site_limit import LimitProposal, OtherRule
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.errors import ConflictError
from miqa_node.features.limits.budget_image import BudgetImage

MOST_NAMED = 3
"""Rules in the sentence; the page and the command list them all."""


@dataclass(frozen=True, slots=True)
class BudgetRefusal:
    """A budget, a share, that the rules ``others`` exceed without any soft finding on ``always`` of ``images``."""

    budget: float
    images: int
    always: int
    others: tuple[OtherRule, ...]

    def refuse(self) -> NoReturn:
        """ConflictError that names the rules of most images."""
        raise ConflictError(
            "A budget of {budget} cannot be kept: {always} of {images} images ({share}) are flagged by rules that "
            "limits do not change: {rules}. Change those first, or allow more.",
            budget=f"{100 * self.budget:.1f} %",
            always=self.always,
            images=self.images,
            share=f"{100 * self.always / self.images:.1f} %",
            rules=joined("; ", [_words(one) for one in self.others[:MOST_NAMED]]),
        )


def _words(rule: OtherRule) -> Phrase:
    return Phrase(
        "{rule} {images}, of which {alone} by it alone", rule=rule.name, images=str(rule.images), alone=str(rule.alone)
    )


def refusal_of(images: Sequence[BudgetImage], budget: float) -> BudgetRefusal | None:
    """Why no limits keep that budget; None if some do."""
    always = sum(image.always for image in images)
    if always <= budget * len(images):
        return None
    return BudgetRefusal(budget, len(images), always, other_rules(images))


def other_rules(images: Sequence[BudgetImage]) -> tuple[OtherRule, ...]:
    """The rules that flag these images whatever the limits, those of most images first."""
    flagged = Counter(name for image in images for name in image.always_by)
    alone = Counter(name for image in images if len(image.always_by) == 1 for name in image.always_by)
    ordered = sorted(flagged.items(), key=lambda item: (-item[1], item[0]))
    return tuple(OtherRule(name, count, alone[name]) for name, count in ordered)


def refuse_blind(proposal: LimitProposal, flagged: int) -> NoReturn:
    """ConflictError of a proposal whose budget is kept only by limits that find nothing."""
    raise ConflictError(
        "A budget of {budget} cannot be kept: only limits that find no simulated defect of {findings} would keep it. "
        "Without those {share} of the images are flagged.",
        budget=f"{100 * proposal.budget:.1f} %",
        findings=", ".join(sorted({name for (_, name), side in proposal.second_side.items() if side.is_blind})),
        share=f"{100 * flagged / proposal.images:.1f} %",
    )
