"""Probes every destination at intervals, so a failure is known before a result is late."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import structlog

from miqa_node.core.domain.operations import DestinationCheck
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError, ResourcesError
from miqa_node.parts import PartKind, StartMoment
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.deliver.breaker import BreakerState
from miqa_node.stages.deliver.destinations import Destinations
from miqa_node.stages.deliver.kinds.base import DeliveryContext, DestinationConfig, connect
from miqa_node.stages.deliver.lanes import LaneSnapshot
from miqa_node.stages.deliver.rows import destination_checks

LOOK_S = 5.0
"""Interval for storing the state of the lanes and for probing destinations that do not answer; the settings have the
interval for all others."""
AT_ONCE = 8

log = structlog.get_logger(__name__)


class DestinationWatch(RegularWork):
    """Stores the state of each destination, and starts waiting deliveries at once when one is back."""

    def __init__(
        self,
        database: Database,
        destinations: Destinations,
        lanes: Callable[[], Mapping[str, LaneSnapshot]],
        settings: Settings,
    ) -> None:
        interval_s = min(LOOK_S, settings.deliver.check_interval_s)
        super().__init__("destination-watch", interval_s, "the watch of destinations waits for the database")
        self._database = database
        self._destinations = destinations
        self._lanes = lanes
        self._settings = settings
        self._asked_at: dict[str, float] = {}
        self._answers: dict[str, tuple[bool, str]] = {}

    def stop(self) -> None:
        """Stop; pages and ``doctor`` no longer say what this process saw of its destinations."""
        super().stop()
        try:
            with self._database.begin() as transaction:
                destination_checks.leave(transaction, self._settings.node.name, datetime.now(UTC))
        except ResourcesError as error:  # then its checks become too old within FRESH
            log.warning(self._waits, error=str(error))

    def look(self) -> None:
        """Check the due destinations, all at the same time, and store the state of each."""
        configs, lanes = self._destinations.current(), self._lanes()
        self._ask([config for config in configs.values() if self._is_due(config)])
        now, node = datetime.now(UTC), self._settings.node.name
        with self._database.begin() as transaction:
            destination_checks.forget(transaction, node, set(configs), now)
            for name, config in configs.items():
                waits = destination_checks.has_waiting(transaction, name)
                check = self._check(config, lanes.get(name), now, waits=waits)
                if check is None:
                    continue
                if destination_checks.record(transaction, check):
                    waiting = destination_checks.drain(transaction, name, now)
                    log.info("destination answers again", destination=name, waiting=waiting)

    def _is_due(self, config: DestinationConfig) -> bool:
        answers, _ = self._answers.get(config.name, (True, ""))
        if not answers:
            return True
        asked_at = self._asked_at.get(config.name, float("-inf"))
        return time.monotonic() - asked_at >= self._settings.deliver.check_interval_s

    def _ask(self, configs: list[DestinationConfig]) -> None:
        if not configs:
            return
        with ThreadPoolExecutor(min(AT_ONCE, len(configs)), "destination-check") as pool:
            for config, answer in zip(configs, pool.map(self._ask_one, configs), strict=True):
                self._asked_at[config.name] = time.monotonic()
                if answer is not None:
                    self._answers[config.name] = answer

    def _ask_one(self, config: DestinationConfig) -> tuple[bool, str] | None:
        destination = connect(config, DeliveryContext(self._settings.deliver, self._settings.dicom.ae_title))
        if destination.leaves_trace:
            return None
        try:
            return True, destination.probe()
        except MiqaError as error:
            return False, str(error)
        except Exception as error:  # noqa: BLE001 - a kind of another distribution must not stop the watch
            return False, Phrase("Internal error: {name}.", name=type(error).__name__)
        finally:
            destination.close()

    def _check(
        self, config: DestinationConfig, lane: LaneSnapshot | None, now: datetime, *, waits: bool
    ) -> DestinationCheck | None:
        """None while nothing is known: the destination has no probe, and nothing was sent to it yet.

        The lane's state only counts while deliveries wait: a breaker stays open if its last delivery is cancelled.
        """
        answer = self._answers.get(config.name)
        breaker_open = waits and lane is not None and lane.breaker is not BreakerState.CLOSED
        if answer is None and (lane is None or not (lane.last_error or lane.last_success_at)):
            return None
        answers, detail = answer or (True, "takes what is sent")
        if answers and lane is not None and waits and lane.last_error and (breaker_open or answer is None):
            answers, detail = False, lane.last_error
        return DestinationCheck(
            config.name,
            self._settings.node.name,
            config.kind,
            config.address,
            config.name in self._destinations.by_option,
            answers,
            detail,
            breaker_open,
            now,
            now,
        )


PART = PartKind(
    "destinations",
    lambda context: DestinationWatch(context.database, context.destinations, context.lanes, context.settings),
    StartMoment.DELIVERING,
)
