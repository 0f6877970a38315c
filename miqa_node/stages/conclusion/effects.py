"""The seam ``miqa.effects``: what a verdict brings about, each effect in a file of its own.

Each has a place in their order. Effects of one transaction write their rows in it, the same in each process, so that
two transactions do not wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.ports import JobQueue
from miqa_node.core.domain.verdict import Verdict
from miqa_node.plugins import Seam
from miqa_node.stages.conclusion.base import Effect, Effects, LaterEffect
from miqa_node.stages.deliver.rows.announcements import Announcer
from miqa_node.stages.units.base import UnitContext

DestinationsFor = Callable[[ResultKind], Sequence[str]]
"""Names of the destinations that request objects of a kind."""
Declining = Callable[[str, Verdict], Sequence[str]]
"""Names of the destinations that take no results of images of a modality with this verdict."""


@dataclass(frozen=True, slots=True)
class EffectContext:
    """The tools of an effect."""

    unit: UnitContext
    queue: JobQueue
    rules: AcquisitionRules
    announcer: Announcer
    taking: DestinationsFor
    declining: Declining = lambda _modality, _verdict: ()


@dataclass(frozen=True, slots=True)
class EffectKind:
    """An installed effect; ``open`` makes it, or returns None if there is nothing for it to do."""

    name: str
    open: Callable[[EffectContext], Effect | LaterEffect | None]
    on_verdict: bool = True
    """Whether it is an effect of the verdict on an assessed unit."""
    on_giving_up: bool = False
    """Whether it is an effect of giving up a unit: the study is flagged for review, without a report."""
    order: int = 100
    """Place among the effects, lowest first; those of other distributions usually come last."""


EFFECTS: Seam[EffectKind] = Seam("effects", EffectKind)


def verdict_effects(context: EffectContext) -> Effects:
    """The effects of the verdict on an assessed unit."""
    return _opened([kind for kind in _in_order() if kind.on_verdict], context)


def giving_up_effects(context: EffectContext) -> Effects:
    """The effects of giving up a unit."""
    return _opened([kind for kind in _in_order() if kind.on_giving_up], context)


def _in_order() -> list[EffectKind]:
    return sorted(EFFECTS.all().values(), key=lambda kind: kind.order)


def _opened(kinds: Sequence[EffectKind], context: EffectContext) -> Effects:
    effects = [kind.open(context) for kind in kinds]
    return Effects(
        [effect for effect in effects if isinstance(effect, Effect)],
        [effect for effect in effects if isinstance(effect, LaterEffect)],
    )
