"""One lane: a thread that claims deliveries of one destination, sends them and records each outcome."""

from __future__ import annotations

import math
import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from miqa_node.core.domain.delivery import Delivery, DeliveryId, EventNotice
from miqa_node.core.domain.ports import Outbox
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe import metrics
from miqa_node.core.observe.traces import span
from miqa_node.errors import ClassRefusedError, CommitmentUnsupportedError, DeliveryRefusedError, MiqaError
from miqa_node.stages.deliver.breaker import Breaker, BreakerState, Permit
from miqa_node.stages.deliver.form import in_form
from miqa_node.stages.deliver.kinds.base import DeliveryContext, Destination, DestinationConfig
from miqa_node.stages.deliver.pace import Pace

log = structlog.get_logger(__name__)

BATCH = 50
"""Deliveries that a lane claims at once."""
IDLE_ASSOCIATION_S = 10.0
BATCH_S = 5.0
"""Time for one claimed batch; unsent deliveries are then claimed again."""

TRIAL_PAUSE_S = 3600.0
"""Interval at which an idle lane tries one delivery that expired while the destination was down."""

TROUBLE_MAX_S = 5.0
"""Longest time before a lane checks again whether the database is back."""

_MAX_DOUBLINGS = 30
_JITTER = random.SystemRandom()


@dataclass(slots=True)
class Route:
    """State shared by all lanes of one destination."""

    config: DestinationConfig
    outbox: Outbox
    context: DeliveryContext
    breaker: Breaker
    pace: Pace
    stopping: threading.Event = field(default_factory=threading.Event)
    waking: threading.Event = field(default_factory=threading.Event)
    """Set when a delivery may be queued, and when the lanes stop."""
    last_error: str = ""
    last_success_at: datetime | None = None


class Lane(threading.Thread):
    """Sends objects one after the other over one connection."""

    def __init__(self, route: Route, destination: Destination, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._route = route
        self._destination = destination
        self._settings = route.context.settings
        self._outbox = route.outbox
        self._used_at = 0.0
        self._connected = False
        self._trial_at = time.monotonic()
        self._commit_at = 0.0
        self._unasked = 0
        self.in_flight = 0
        # The longest time for one object: connecting, negotiating, waiting for the response.
        self._worst_s = self._settings.connection_timeout_s + 2 * self._settings.dimse_timeout_s

    def run(self) -> None:
        """Deliver until stopped. While the outbox fails (the database is unreachable), wait and try again."""
        pause_s = self._settings.poll_interval_s
        trouble_s = pause_s
        while not self._route.stopping.is_set():
            try:
                worked = self._work() or self._commit() or self._try_expired()
                trouble_s = pause_s
            except Exception as error:  # noqa: BLE001 - a lane must survive any error of its outbox
                log.error("lane is in trouble", destination=self._route.config.name, error=type(error).__name__)
                trouble_s = min(2 * trouble_s, TROUBLE_MAX_S)
                self._route.stopping.wait(trouble_s)
                continue
            if not worked:
                self._close_if_idle()
                self._route.waking.wait(pause_s)
            self._route.waking.clear()
        self._destination.close()

    def _work(self) -> bool:
        """Claim and send one batch; False if there is nothing to do."""
        breaker, pace = self._route.breaker, self._route.pace
        permit = Permit.NOTHING if pace.wait_s() > 0.0 else breaker.ask()
        if permit is Permit.NOTHING:
            return False
        limit = 1 if permit is Permit.PROBE else min(BATCH, pace.most_in(BATCH_S))
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
        """Send one by one until the batch or its time ends, the lane stops, or the breaker opens."""
        until = time.monotonic() + BATCH_S
        waiting = list(batch)
        sent: dict[DeliveryId, str] = {}
        self.in_flight = len(waiting)
        try:
            while waiting and self._route.pace.allows(until, self._route.stopping):
                delivery = waiting.pop(0)
                error, note = self._send_one(delivery)
                self.in_flight = len(waiting)
                if error is None:
                    sent[delivery.delivery_id] = note
                    continue
                if isinstance(error, ClassRefusedError) and self._outbox.lower(delivery):
                    name, uid = self._route.config.name, delivery.uid
                    log.info("sent in a lower SOP class next", destination=name, sop_instance_uid=uid)
                    continue
                self._note_failure(delivery, error)
                if self._route.breaker.state is not BreakerState.CLOSED:
                    break
        finally:
            self.in_flight = 0
            if sent:
                self._outbox.sent(sent, commit=self._route.config.asks_commitment)
            if waiting:
                self._outbox.release([delivery.delivery_id for delivery in waiting])

    def _commit(self) -> bool:
        """Request storage commitment from the destination for sent objects; False if there are none."""
        config = self._route.config
        if not config.asks_commitment or self._route.breaker.state is not BreakerState.CLOSED:
            return False
        if time.monotonic() < self._commit_at:
            return False  # the last request failed; that of other objects would, too
        batch = self._outbox.claim_uncommitted(config.name, BATCH, self._worst_s + BATCH_S)
        if not batch:
            return False
        ids = [delivery.delivery_id for delivery in batch]
        objects = [(delivery.sop_class_uid, delivery.uid) for delivery in batch]
        # Recorded first: the report may arrive before the response to the request.
        transaction_uid = f"2.25.{uuid.uuid4().int}"
        again_at = datetime.now(UTC) + timedelta(seconds=self._settings.commitment_timeout_s)
        self._outbox.commitment_asked(ids, transaction_uid, again_at)
        self._used_at, self._connected = time.monotonic(), True
        outcome = "asked"
        try:
            self._destination.request_commitment(transaction_uid, objects)
            self._unasked = 0
        except CommitmentUnsupportedError as error:
            outcome = "unsupported"
            log.warning("no storage commitment", destination=config.name, reason=str(error))
            self._outbox.commitment_failed(ids, str(error), None)
        except MiqaError as error:
            outcome = "failed"
            log.warning("storage commitment could not be asked for", destination=config.name, reason=str(error))
            pause = self._backoff(self._unasked)
            self._unasked += 1
            self._commit_at = time.monotonic() + pause.total_seconds()
            self._outbox.commitment_failed(ids, str(error), datetime.now(UTC) + pause)
        metrics.COMMITMENTS.labels(config.name, outcome).inc(len(ids))
        return True

    def _try_expired(self) -> bool:
        """At long intervals, send one expired delivery; if it succeeds, the others are queued again."""
        if time.monotonic() < self._trial_at:
            return False
        self._trial_at = time.monotonic() + TRIAL_PAUSE_S
        return self._outbox.try_expired(self._route.config.name)

    def _send_one(self, delivery: Delivery) -> tuple[Exception | None, str]:
        """The error of a delivery; None, and a note, if it arrived."""
        name, error, note = self._route.config.name, None, ""
        try:
            data = self._outbox.data(delivery)
        except Exception as missing:  # noqa: BLE001 - the destination is not to blame
            self._route.breaker.give_back()
            return missing, ""
        try:
            data = in_form(self._route.config, data, self._route.context)
            with (
                span("deliver", destination=name, uid=delivery.uid),
                metrics.timed(metrics.DELIVERY_SECONDS.labels(name)),
            ):
                if isinstance(delivery.item, EventNotice):
                    self._destination.send_event(delivery.item.event_id, data)
                else:
                    note = self._destination.send_one(delivery.item.sop_class_uid, delivery.uid, data) or ""
        except Exception as failure:  # noqa: BLE001 - one object must not stop the lane
            error = failure
        self._used_at, self._connected = time.monotonic(), True
        if error is None:
            metrics.DELIVERIES.labels(name, "sent").inc()
            self._route.last_success_at = datetime.now(UTC)
            self._route.last_error = ""
        if error is None or isinstance(error, DeliveryRefusedError):
            # A refusal is also an answer: the destination is up.
            if self._route.breaker.succeeded():
                log.info("destination is back", destination=name)
        elif self._route.breaker.failed():
            log.error("destination is down; trying again later", destination=name, reason=str(error))
        return error, note

    def _note_failure(self, delivery: Delivery, error: Exception) -> None:
        name = self._route.config.name
        refused = isinstance(error, DeliveryRefusedError)
        now = datetime.now(UTC)
        expired = not refused and self._is_over(delivery, now)
        given_up = refused or expired
        text = (
            str(error) if isinstance(error, MiqaError) else Phrase("Internal error: {name}.", name=type(error).__name__)
        )
        self._route.last_error = text
        metrics.DELIVERIES.labels(name, "refused" if refused else "failed").inc()
        log.warning(
            "delivery given up" if given_up else "delivery failed",
            destination=name,
            sop_instance_uid=delivery.uid,
            attempt=delivery.attempts + 1,
            reason=text,
        )
        if expired:
            self._outbox.expired(delivery.delivery_id, text)
        else:
            pause = max(self._backoff(delivery.attempts), self._rest(error))
            self._outbox.failed(delivery.delivery_id, text, None if refused else now + pause)

    def _rest(self, error: Exception) -> timedelta:
        """The pause that the receiver asked for (Retry-After), in which it gets nothing else, either."""
        asked_s = min(getattr(error, "retry_after_s", 0.0), self._settings.backoff_max_s)
        self._route.pace.rest(asked_s)
        return timedelta(seconds=asked_s)

    def _is_over(self, delivery: Delivery, now: datetime) -> bool:
        """Whether the delivery has failed for as long as the site allows."""
        days = self._settings.give_up_after_days
        return bool(days and delivery.failing_since and now - delivery.failing_since >= timedelta(days=days))

    def _backoff(self, attempts: int) -> timedelta:
        """Doubled after each failure; half of it is random, so simultaneous failures do not retry together.

        While the breaker is open, it sets the pace: the long back-off of an often-tried object must not keep the lane
        from noticing that the destination is back.
        """
        settings, is_down = self._settings, self._route.breaker.state is not BreakerState.CLOSED
        longest = settings.backoff_initial_s * 2 ** min(attempts, _MAX_DOUBLINGS)
        at_most = min(settings.backoff_max_s, settings.breaker_pause_s if is_down else math.inf)
        return timedelta(seconds=min(longest, at_most) * _JITTER.uniform(0.5, 1.0))

    def _close_if_idle(self) -> None:
        if self._connected and time.monotonic() - self._used_at >= IDLE_ASSOCIATION_S:
            self._destination.close()
            self._connected = False
