"""Carries results from the outbox to their destinations, each in its own lane (docs/adr/0006).

Deliveries wait only in the outbox, so a lane may die at any point: its claims expire and are taken again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from miqa_node.core.domain.ports import Outbox
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.core.settings import DeliverSettings
from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.stages.deliver.breaker import Breaker, BreakerState
from miqa_node.stages.deliver.destinations import Destinations
from miqa_node.stages.deliver.kinds.base import DeliveryContext, Destination, DestinationConfig, connect
from miqa_node.stages.deliver.lane import Lane, Route
from miqa_node.stages.deliver.pace import Pace

log = structlog.get_logger(__name__)

STUCK_AFTER_S = 300.0


@dataclass(frozen=True, slots=True)
class LaneSnapshot:
    """State of one destination for health pages and metrics."""

    breaker: BreakerState
    lanes: int
    in_flight: int
    last_error: str
    last_success_at: datetime | None


class Lanes:
    """All lanes of one process; destinations may appear, change or vanish at any time."""

    def __init__(
        self,
        outbox: Outbox,
        destinations: Destinations,
        settings: DeliverSettings,
        *,
        calling_ae_title: str = "MIQA",
        uncompress: Callable[[bytes], bytes] = uncompress,
        connect: Callable[[DestinationConfig, DeliveryContext], Destination] = connect,
    ) -> None:
        self._outbox = outbox
        self._destinations = destinations
        self._settings = settings
        context = DeliveryContext(settings, calling_ae_title, outbox.commitment_reported, uncompress)
        self._context = context
        self._connect = connect
        self._lock = threading.Lock()
        self._groups: dict[str, _LaneGroup] = {}
        self._ending: list[_LaneGroup] = []
        self._thread = SteadyThread("lanes", self._supervise, STUCK_AFTER_S)
        self.threads = (self._thread,)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """Let each lane finish its current object within ``dimse_timeout_s``; release the other deliveries."""
        self._thread.stop()
        deadline = time.monotonic() + (self._settings.dimse_timeout_s if timeout_s is None else timeout_s)
        with self._lock:
            groups = [*self._groups.values(), *self._ending]
            self._groups, self._ending = {}, []
        for group in groups:
            group.stop()
        for group in groups:
            group.join(deadline)

    def wake(self) -> None:
        """Let idle lanes check for deliveries at once."""
        with self._lock:
            for group in self._groups.values():
                group.wake()

    def snapshot(self) -> Mapping[str, LaneSnapshot]:
        """The state of every destination, by name."""
        with self._lock:
            return {name: group.snapshot() for name, group in self._groups.items()}

    def _supervise(self) -> None:
        pause_s = 0.0
        while self._thread.goes_on(pause_s):
            pause_s = self._settings.poll_interval_s
            try:
                self._reconcile(self._destinations.current())
            except Exception:  # later destinations need lanes, too
                log.exception("the lanes could not be brought in line with the destinations")

    def _reconcile(self, configs: Mapping[str, DestinationConfig]) -> None:
        with self._lock:
            for name, group in list(self._groups.items()):
                if configs.get(name) != group.config:
                    log.info("destination changed or removed", destination=name)
                    group.stop()
                    self._ending.append(self._groups.pop(name))
            for name, config in configs.items():
                if name not in self._groups:
                    self._groups[name] = _LaneGroup(config, self._outbox, self._context, self._connect)
            for group in self._groups.values():
                group.mend()
            self._ending = [group for group in self._ending if group.is_alive]


class _LaneGroup:
    """The lanes of one destination."""

    def __init__(
        self,
        config: DestinationConfig,
        outbox: Outbox,
        context: DeliveryContext,
        connect: Callable[[DestinationConfig, DeliveryContext], Destination],
    ) -> None:
        self.config = config
        settings = context.settings
        breaker = Breaker(settings.breaker_failures, settings.breaker_pause_s)
        self._route = Route(config, outbox, context, breaker, Pace(config.objects_per_s))
        self._connect = connect
        self._lanes = [self._open(n) for n in range(config.concurrency)]

    def _open(self, number: int) -> Lane:
        lane = Lane(self._route, self._connect(self.config, self._route.context), f"lane-{self.config.name}-{number}")
        lane.start()
        return lane

    def mend(self) -> None:
        """Replace a lane that has ended by a new one; its claims are taken again."""
        for number, lane in enumerate(self._lanes):
            if not lane.is_alive() and not self._route.stopping.is_set():
                log.error("a lane has ended, a new one takes its place", destination=self.config.name)
                self._route.breaker.give_back()  # it may have held the probe
                self._lanes[number] = self._open(number)

    @property
    def is_alive(self) -> bool:
        return any(lane.is_alive() for lane in self._lanes)

    def stop(self) -> None:
        self._route.stopping.set()
        self.wake()

    def wake(self) -> None:
        self._route.waking.set()

    def join(self, deadline: float) -> None:
        for lane in self._lanes:
            lane.join(max(0.0, deadline - time.monotonic()))
            if lane.is_alive():
                name = self.config.name
                log.warning("a lane did not stop in time; its current object will be sent again", destination=name)

    def snapshot(self) -> LaneSnapshot:
        return LaneSnapshot(
            breaker=self._route.breaker.state,
            lanes=len(self._lanes),
            in_flight=sum(lane.in_flight for lane in self._lanes),
            last_error=self._route.last_error,
            last_success_at=self._route.last_success_at,
        )
