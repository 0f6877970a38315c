"""Carries results from the outbox to their destinations, each in a lane of its own (docs/adr/0006).

A lane is a thread that claims deliveries of one destination, sends them and writes down what came of it. What is
waiting stands in the outbox only, so a lane may die at any instruction: its claims run out and are taken again.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from miqa_node.deliver.breaker import Breaker, BreakerState, Permit
from miqa_node.deliver.connect import connect as connect_destination
from miqa_node.deliver.destinations import DestinationConfig, Destinations
from miqa_node.domain.delivery import Delivery, DeliveryId
from miqa_node.domain.ports import Destination, Outbox
from miqa_node.errors import ClassRefusedError, CommitmentUnsupportedError, DeliveryRefusedError, MiqaError
from miqa_node.observe import metrics
from miqa_node.settings import DeliverSettings

log = structlog.get_logger(__name__)

BATCH_S = 5.0
"""A claimed batch is worked on for so long, then what is left of it is claimed anew."""

_MAX_DOUBLINGS = 30
_JITTER = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class LaneSnapshot:
    """One destination as health pages and metrics show it."""

    breaker: BreakerState
    lanes: int
    in_flight: int
    last_error: str
    last_success_at: datetime | None


class Lanes:
    """All lanes of one process; destinations that appear, change or vanish are taken up while it runs."""

    def __init__(
        self,
        outbox: Outbox,
        destinations: Destinations,
        settings: DeliverSettings,
        *,
        calling_ae_title: str = "MIQA",
        connect: Callable[[DestinationConfig], Destination] | None = None,
    ) -> None:
        self._outbox = outbox
        self._destinations = destinations
        self._settings = settings
        self._connect = connect or partial(_connect, outbox, settings, calling_ae_title)
        self._lock = threading.Lock()
        self._routes: dict[str, _Route] = {}
        self._ending: list[_Route] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to deliver."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._supervise, name="lanes", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """Let each lane finish the object it is sending within the limit (dimse_timeout_s); the rest is released."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        deadline = time.monotonic() + (self._settings.dimse_timeout_s if timeout_s is None else timeout_s)
        with self._lock:
            routes = [*self._routes.values(), *self._ending]
            self._routes, self._ending = {}, []
        for route in routes:
            route.stop()
        for route in routes:
            route.join(deadline)

    def snapshot(self) -> Mapping[str, LaneSnapshot]:
        """The state of every destination, by name."""
        with self._lock:
            return {name: route.snapshot() for name, route in self._routes.items()}

    def _supervise(self) -> None:
        while True:
            self._reconcile(self._destinations.current())
            if self._stopping.wait(self._settings.poll_interval_s):
                return

    def _reconcile(self, wanted: Mapping[str, DestinationConfig]) -> None:
        with self._lock:
            for name, route in list(self._routes.items()):
                if wanted.get(name) != route.config:
                    log.info("destination changed or removed", destination=name)
                    route.stop()
                    self._ending.append(self._routes.pop(name))
            for name, config in wanted.items():
                if name not in self._routes:
                    self._routes[name] = _Route(config, self._outbox, self._settings, self._connect)
            self._ending = [route for route in self._ending if route.is_alive]


class _Route:
    """One destination: its lanes and the breaker that they share."""

    def __init__(
        self,
        config: DestinationConfig,
        outbox: Outbox,
        settings: DeliverSettings,
        connect: Callable[[DestinationConfig], Destination],
    ) -> None:
        self.config = config
        self.outbox = outbox
        self.settings = settings
        self.breaker = Breaker(settings.breaker_failures, settings.breaker_pause_s)
        self.stopping = threading.Event()
        self.last_error = ""
        self.last_success_at: datetime | None = None
        count = config.concurrency or settings.lane_concurrency
        self._lanes = [_Lane(self, connect(config), f"lane-{config.name}-{n}") for n in range(count)]
        for lane in self._lanes:
            lane.start()

    @property
    def is_alive(self) -> bool:
        return any(lane.is_alive() for lane in self._lanes)

    def stop(self) -> None:
        self.stopping.set()

    def join(self, deadline: float) -> None:
        for lane in self._lanes:
            lane.join(max(0.0, deadline - time.monotonic()))
            if lane.is_alive():
                log.warning(
                    "a lane did not stop in time; what it sends will be sent again", destination=self.config.name
                )

    def snapshot(self) -> LaneSnapshot:
        return LaneSnapshot(
            breaker=self.breaker.state,
            lanes=len(self._lanes),
            in_flight=sum(lane.in_flight for lane in self._lanes),
            last_error=self.last_error,
            last_success_at=self.last_success_at,
        )


class _Lane(threading.Thread):
    """Sends one object after the other over one connection."""

    def __init__(self, route: _Route, destination: Destination, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._route = route
        self._destination = destination
        self._settings = route.settings
        self._outbox = route.outbox
        self._used_at = 0.0
        self._connected = False
        self.in_flight = 0
        # The time that sending one object may take at worst: connecting, negotiating, waiting for the response.
        self._worst_s = self._settings.connection_timeout_s + 2 * self._settings.dimse_timeout_s

    def run(self) -> None:
        """Deliver until stopped. Errors of the outbox (a database that is away) are waited out."""
        pause_s = self._settings.poll_interval_s
        trouble_s = pause_s
        while not self._route.stopping.is_set():
            try:
                worked = self._work() or self._commit()
                trouble_s = pause_s
            except Exception as error:  # noqa: BLE001 - a lane must outlive whatever happens to its outbox
                log.error("lane is in trouble", destination=self._route.config.name, error=type(error).__name__)
                trouble_s = min(2 * trouble_s, self._settings.backoff_max_s)
                self._route.stopping.wait(trouble_s)
                continue
            if not worked:
                self._close_if_idle()
                self._route.stopping.wait(pause_s)
        self._destination.close()

    def _work(self) -> bool:
        """Claim and send one batch; False when there is nothing to do."""
        breaker = self._route.breaker
        permit = breaker.ask()
        if permit is Permit.NOTHING:
            return False
        limit = 1 if permit is Permit.PROBE else self._settings.batch_size
        try:
            batch = self._claim(limit)
        except BaseException:
            breaker.give_back()
            raise
        if not batch:
            if permit is Permit.PROBE:
                breaker.give_back()
            return False
        self._send_batch(batch)
        return True

    def _claim(self, limit: int) -> list[Delivery]:
        name = self._route.config.name
        if not self._outbox.due(name):
            return []
        return list(self._outbox.claim(name, limit, self._worst_s + BATCH_S))

    def _send_batch(self, batch: list[Delivery]) -> None:
        """Send one by one until the batch, its time, the lane or the destination's patience is at an end."""
        until = time.monotonic() + BATCH_S
        waiting = list(batch)
        sent: list[DeliveryId] = []
        self.in_flight = len(waiting)
        try:
            while waiting and time.monotonic() < until and not self._route.stopping.is_set():
                delivery = waiting.pop(0)
                error = self._send_one(delivery)
                self.in_flight = len(waiting)
                if error is None:
                    sent.append(delivery.delivery_id)
                    continue
                if isinstance(error, ClassRefusedError) and self._outbox.lower(delivery):
                    name, uid = self._route.config.name, delivery.result.sop_instance_uid
                    log.info("sent in a lower SOP class next", destination=name, sop_instance_uid=uid)
                    continue
                self._note_failure(delivery, error)
                if self._route.breaker.state is not BreakerState.CLOSED:
                    break
        finally:
            self.in_flight = 0
            if sent:
                self._outbox.sent(sent, commit=self._route.config.commitment)
            if waiting:
                self._outbox.release([delivery.delivery_id for delivery in waiting])

    def _commit(self) -> bool:
        """Ask the destination to promise that it keeps what it was sent; False when there is nothing to ask for."""
        config = self._route.config
        if not config.commitment or self._route.breaker.state is not BreakerState.CLOSED:
            return False
        batch = self._outbox.claim_uncommitted(config.name, self._settings.batch_size, self._worst_s + BATCH_S)
        if not batch:
            return False
        ids = [delivery.delivery_id for delivery in batch]
        objects = [(delivery.result.sop_class_uid, delivery.result.sop_instance_uid) for delivery in batch]
        # Written down first: the report may be here before the answer to the request.
        transaction_uid = f"2.25.{uuid.uuid4().int}"
        again_at = datetime.now(UTC) + timedelta(seconds=self._settings.commitment_timeout_s)
        self._outbox.commitment_asked(ids, transaction_uid, again_at)
        self._used_at, self._connected = time.monotonic(), True
        outcome = "asked"
        try:
            self._destination.request_commitment(transaction_uid, objects)
        except CommitmentUnsupportedError as error:
            outcome = "unsupported"
            log.warning("no storage commitment", destination=config.name, reason=str(error))
            self._outbox.commitment_failed(ids, str(error), None)
        except MiqaError as error:
            outcome = "failed"
            log.warning("storage commitment could not be asked for", destination=config.name, reason=str(error))
            self._outbox.commitment_failed(ids, str(error), datetime.now(UTC) + self._backoff(3))
        metrics.COMMITMENTS.labels(config.name, outcome).inc(len(ids))
        return True

    def _send_one(self, delivery: Delivery) -> Exception | None:
        name, result = self._route.config.name, delivery.result
        try:
            data = self._outbox.data(delivery)
        except Exception as missing:  # noqa: BLE001 - no fault of the destination's
            self._route.breaker.give_back()
            return missing
        try:
            with metrics.timed(metrics.DELIVERY_SECONDS.labels(name)):
                error = self._destination.send([(result.sop_class_uid, result.sop_instance_uid, data)])[0]
        except Exception as unexpected:  # noqa: BLE001 - one object must not stop the lane
            error = unexpected
        self._used_at, self._connected = time.monotonic(), True
        if error is None:
            metrics.DELIVERIES.labels(name, "sent").inc()
            self._route.last_success_at = datetime.now(UTC)
            self._route.last_error = ""
        if error is None or isinstance(error, DeliveryRefusedError):
            # A refusal is an answer too: the destination is there.
            if self._route.breaker.succeeded():
                log.info("destination is back", destination=name)
        elif self._route.breaker.failed():
            log.error("destination is down; trying again later", destination=name, reason=str(error))
        return error

    def _note_failure(self, delivery: Delivery, error: Exception) -> None:
        name = self._route.config.name
        refused = isinstance(error, DeliveryRefusedError)
        given_up = refused or delivery.attempts + 1 >= self._settings.max_attempts
        retry_at = None if given_up else datetime.now(UTC) + self._backoff(delivery.attempts)
        text = str(error) if isinstance(error, MiqaError) else f"Internal error: {type(error).__name__}."
        self._route.last_error = text
        metrics.DELIVERIES.labels(name, "refused" if refused else "failed").inc()
        log.warning(
            "delivery given up" if given_up else "delivery failed",
            destination=name,
            sop_instance_uid=delivery.result.sop_instance_uid,
            attempt=delivery.attempts + 1,
            reason=text,
        )
        self._outbox.failed(delivery.delivery_id, text, retry_at)

    def _backoff(self, attempts: int) -> timedelta:
        """Doubled after each failure; half of it at random, so that what failed together does not return together."""
        longest = self._settings.backoff_initial_s * 2 ** min(attempts, _MAX_DOUBLINGS)
        return timedelta(seconds=min(longest, self._settings.backoff_max_s) * _JITTER.uniform(0.5, 1.0))

    def _close_if_idle(self) -> None:
        if self._connected and time.monotonic() - self._used_at >= self._settings.idle_association_s:
            self._destination.close()
            self._connected = False


def _connect(
    outbox: Outbox, settings: DeliverSettings, calling_ae_title: str, config: DestinationConfig
) -> Destination:
    return connect_destination(config, settings, calling_ae_title, outbox.commitment_reported)
