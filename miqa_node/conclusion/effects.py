"""The effects of a verdict in a node, in their order."""

from __future__ import annotations

from miqa_node.conclusion.acquisition import AcquisitionEffect
from miqa_node.conclusion.base import Effects, LaterEffect
from miqa_node.conclusion.deliver import Declining, DeliveryEffect, DestinationsFor
from miqa_node.conclusion.event import EventEffect, LateEventEffect
from miqa_node.conclusion.label_request import LabelRequestEffect
from miqa_node.conclusion.log_line import LogEffect
from miqa_node.conclusion.metric import MetricEffect
from miqa_node.conclusion.note import NoteEffect
from miqa_node.conclusion.phantom import PhantomEffect
from miqa_node.conclusion.series_verdict import SeriesEffect
from miqa_node.conclusion.shadow import ShadowEffect
from miqa_node.conclusion.standing_flag import StandingFlagEffect
from miqa_node.conclusion.worklist import WorklistEffect
from miqa_node.domain.acquisition import AcquisitionRules
from miqa_node.domain.ports import JobQueue
from miqa_node.store.announcements import Announcer
from miqa_node.units.base import UnitContext


def verdict_effects(
    context: UnitContext,
    queue: JobQueue,
    rules: AcquisitionRules,
    destinations: DestinationsFor,
    announcer: Announcer,
    declining: Declining = lambda _modality: (),
) -> Effects:
    """The effects of the verdict on an assessed unit."""
    shadow = context.judging.shadow
    release: tuple[LaterEffect, ...] = () if shadow is None else (ShadowEffect(shadow),)
    return Effects(
        (
            AcquisitionEffect(rules, queue),
            LabelRequestEffect(rules),
            StandingFlagEffect(context.database),
            DeliveryEffect(context, destinations, declining),
            NoteEffect(context),
            SeriesEffect(context),
            PhantomEffect(),
            WorklistEffect(),
            EventEffect(announcer),
        ),
        (*release, MetricEffect(), LogEffect()),
    )


def giving_up_effects(context: UnitContext, announcer: Announcer) -> Effects:
    """The effects of giving up a unit: the study is flagged for review, without a report."""
    return Effects((WorklistEffect(),), (MetricEffect(), LogEffect(), LateEventEffect(context.database, announcer)))
