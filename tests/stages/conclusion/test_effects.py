"""The effects of a verdict: which they are, in which order, and what becomes of one that fails."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.event import EventOrigin
from miqa_node.core.domain.ports import JobQueue
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.conclusion.base import Conclusion, Effects, LaterEffect
from miqa_node.stages.conclusion.effects import EFFECTS, EffectContext, giving_up_effects, verdict_effects
from miqa_node.stages.deliver.rows.announcements import Announcer
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig

OF_A_VERDICT = [
    "AcquisitionEffect",
    "DerivedEffect",
    "StatementEffect",
    "LabelRequestEffect",
    "SeriesEffect",
    "StandingFlagEffect",
    "DeliveryEffect",
    "RoomEffect",
    "NoteEffect",
    "PhantomEffect",
    "WorklistEffect",
    "EventEffect",
]
"""Rows of the database, such as those of events, are in this order."""


@pytest.fixture
def context(tmp_path: Path, pool: WorkerPool) -> EffectContext:
    rig = Rig(tmp_path, pool, parse_policy(FLAG_EVERYTHING))
    rig.database.close()
    announcer, queue = Announcer(lambda _kind: (), EventOrigin()), cast("JobQueue", rig.queue)
    return EffectContext(rig.pipeline._context, queue, AcquisitionRules(), announcer, lambda _kind: ())


OF_GIVING_UP = ["SeriesEffect", "StandingFlagEffect", "WorklistEffect"]


def names(effects: Effects) -> tuple[list[str], list[str]]:
    parts = effects.in_transaction, effects.after_commit
    return [type(one).__name__ for one in parts[0]], [type(one).__name__ for one in parts[1]]


def test_the_effects_of_a_verdict_are_in_their_order(context: EffectContext) -> None:
    assert names(verdict_effects(context)) == (OF_A_VERDICT, ["MetricEffect", "LogEffect"])


def test_what_is_given_up_is_listed_counted_logged_and_announced_and_nothing_else(context: EffectContext) -> None:
    assert names(giving_up_effects(context)) == (OF_GIVING_UP, ["MetricEffect", "LogEffect", "LateEventEffect"])


def test_an_effect_is_called_as_in_its_table() -> None:
    assert {name: kind.name for name, kind in EFFECTS.all().items()} == {name: name for name in EFFECTS.all()}


class BrokenEffect(LaterEffect):
    """One of another distribution, with a mistake."""

    def follow(self, conclusion: Conclusion) -> None:
        raise ZeroDivisionError


class NotingEffect(LaterEffect):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.conclusions: list[Conclusion] = []

    def follow(self, conclusion: Conclusion) -> None:
        self.conclusions.append(conclusion)


def test_an_effect_that_fails_after_the_commit_does_not_keep_the_others() -> None:
    noting, conclusion = NotingEffect(), cast("Conclusion", object())
    with capture_logs() as lines:
        Effects((), (BrokenEffect(), noting)).follow(conclusion)
    assert noting.conclusions == [conclusion]
    assert [line["effect"] for line in lines] == ["BrokenEffect"]
