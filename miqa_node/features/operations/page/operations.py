"""The state of the node and its surroundings, for the operations page, the banner and the REST interface."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from miqa_node.core.domain.delivery import DeliveryAction, DeliveryState
from miqa_node.core.domain.measurand import WITHDRAWN
from miqa_node.core.domain.operations import (
    Alarm,
    DestinationAction,
    DestinationHold,
    DestinationStatus,
    SenderStatus,
    alarms,
)
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import Settings
from miqa_node.core.taxonomy.policy_file import withdrawn_measurements
from miqa_node.errors import NotFoundError, ResourcesError
from miqa_node.features.operations.rows import UnknownSpelling, unknown_spellings
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.people import pseudonym_keys
from miqa_node.runtime.site_records import retention_clock
from miqa_node.runtime.site_records.notice_status import NoticeStatus
from miqa_node.runtime.store import damages, upkeep
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.work import executors
from miqa_node.stages.assess.automation import PackageAutomation, automation_alarms
from miqa_node.stages.deliver.rows import delivery_jobs, destination_checks
from miqa_node.stages.receive.rows import senders
from miqa_node.stages.units.kinds import WITH_VIEW
from miqa_node.stages.units.rows import instances, reassessments

SPAN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class DiskForecast:
    """How full a machine's disk is, and when it will be full; None if it does not fill up or samples are too few."""

    node: str
    sampled_at: datetime
    total_bytes: int
    free_bytes: int
    days_until_full: float | None


@dataclass(frozen=True, slots=True)
class WorkingProcess:
    """A process that judges images, and its last sign of life."""

    name: str
    started_at: datetime
    heartbeat_at: datetime
    is_silent: bool


@dataclass(frozen=True, slots=True)
class SenderImages:
    """Images by sender since yesterday; the address is empty for images not received over a network."""

    calling_ae_title: str
    peer_address: str
    images: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class OperationsReport:
    """The whole state at one moment; times in UTC."""

    at: datetime
    alarms: Sequence[Alarm]
    destinations: Sequence[DestinationStatus]
    senders: Sequence[SenderStatus]
    images_by_sender: Sequence[SenderImages]
    disks: Sequence[DiskForecast]
    models: Mapping[str, str]
    policy: str
    withdrawn: Mapping[str, str]
    """Measurements that the policy names and nothing takes any more, with their successors; empty without one."""
    not_ready: Sequence[str]
    unknown_spellings: Sequence[UnknownSpelling]
    images_waiting: int
    reassessments_waiting: int
    processes: Sequence[WorkingProcess]
    notices: NoticeStatus | None = None
    """Of the REST interface; None if no mail server is configured. Pages have a card."""
    kept_free_bytes: int = 0
    """On the disk of the object store; below that nothing is received."""
    kept_for_waiting_bytes: int = 0
    """Of these, what images that wait will need."""
    predictions: Sequence[PackageAutomation] = ()
    """By which evidence each package for predictions automates."""


def look(services: WebServices) -> OperationsReport:
    """The current state."""
    now, settings = datetime.now(UTC), services.settings
    not_ready = services.recent_readiness.get(None)
    services.reserve.count()
    kept_bytes, predictions = services.reserve.needed_bytes, services.automation()
    with services.database.begin() as transaction:
        statuses = destination_checks.statuses(transaction, services.destinations(), now)
        return OperationsReport(
            now,
            (
                *alarms(statuses, timedelta(seconds=settings.deliver.longest_wait_s), now),
                *damages.alarm(transaction),
                *services.certificate_alarms(),
                *automation_alarms(predictions),
                *pseudonym_keys.alarms(transaction, now),
                *retention_clock.alarms(transaction),
            ),
            statuses,
            senders.select(transaction),
            [SenderImages(*row) for row in instances.by_sender(transaction, now - SPAN)],
            _disks(transaction, settings, kept_bytes, now),
            {slot: name for slot, name in services.models().items() if name},
            services.policy().version if services.policy is not None else "",
            _withdrawn(services),
            not_ready,
            unknown_spellings(transaction, settings.imaging.anatomy, WITH_VIEW, now),
            instances.count_undecided(transaction, now - SPAN),
            reassessments.count_waiting(transaction),
            _processes(transaction, now - timedelta(seconds=settings.work.dead_after_s)),
            kept_free_bytes=kept_bytes,
            kept_for_waiting_bytes=kept_bytes - settings.store.min_free_bytes,
            predictions=predictions,
        )


def _withdrawn(services: WebServices) -> dict[str, str]:
    rules = services.policy().rules if services.policy is not None else ()
    return {name: WITHDRAWN[name].successor for name in withdrawn_measurements(rules)}


def act(services: WebServices, destination: str, action: DestinationAction, actor: str, comment: str) -> str:
    """Apply one action to a destination; returns what was done, in words.

    Raises
    ------
    NotFoundError
        The destination is not configured, not held and has nothing waiting.
    ConflictError
        It is held already, or is not held.
    DeliveryError
        An echo failed.
    """
    now = datetime.now(UTC)
    with services.database.begin() as transaction:
        names = {one.name for one in destination_checks.statuses(transaction, services.destinations(), now)}
    if destination not in names:
        raise NotFoundError("There is no destination {destination}.", destination=destination)
    if action is DestinationAction.ECHO:
        if services.echo is None:
            raise ResourcesError("This process cannot reach destinations.")
        return Phrase("{destination} {answer}.", destination=destination, answer=Phrase(services.echo(destination)))
    with services.database.begin() as transaction:
        match action:
            case DestinationAction.HOLD:
                destination_checks.hold(transaction, DestinationHold(destination, now, actor, comment))
                return Phrase("Nothing is sent to {destination} until it is released.", destination=destination)
            case DestinationAction.RELEASE:
                destination_checks.release(transaction, destination)
                return Phrase("{destination} is sent to again.", destination=destination)
            case DestinationAction.RESEND:
                given_up = delivery_jobs.DeliveryFilter((DeliveryState.FAILED,), destination)
                count = delivery_jobs.act_on_all(transaction, DeliveryAction.RESEND, given_up, actor, comment, now)
                return Phrase(
                    "{count} given up before will be sent to {destination} again.", count=count, destination=destination
                )
            case DestinationAction.DRAIN:
                count = destination_checks.drain(transaction, destination, now)
                return Phrase(
                    "{count} for {destination} are tried now, not at their next turn.",
                    count=count,
                    destination=destination,
                )


def _disks(transaction: Transaction, settings: Settings, kept_bytes: int, now: datetime) -> list[DiskForecast]:
    """Of nodes that run: each takes a sample at every look of its retention, but not more often than every interval."""
    seldom = max(upkeep.SAMPLE_INTERVAL, timedelta(seconds=settings.retention.interval_s))
    forecasts = []
    for node, at, space in upkeep.disks(transaction, now - 2 * seldom):
        days = upkeep.days_until_full(transaction, node, kept_bytes)
        forecasts.append(
            DiskForecast(node, at, space.total_bytes, space.free_bytes, None if math.isinf(days) else days)
        )
    return forecasts


def _processes(transaction: Transaction, alive_since: datetime) -> list[WorkingProcess]:
    return [
        WorkingProcess(name, started_at, heartbeat_at, heartbeat_at < alive_since)
        for name, started_at, heartbeat_at in executors.processes(transaction)
    ]
