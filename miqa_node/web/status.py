"""For whoever runs the node: is it alive, is it ready, how is it doing."""

from __future__ import annotations

import time
from http import HTTPStatus
from threading import Lock
from typing import Literal

import structlog
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from miqa_node.domain.delivery import DeliveryState
from miqa_node.domain.worklist import WorklistState
from miqa_node.errors import MiqaError
from miqa_node.observe import metrics
from miqa_node.store import deliveries, instances, worklist
from miqa_node.web.services import Services, WebServices

MIN_REFRESH_S = 5.0
"""Gauges that need the database are counted at most this often, however many scrape them."""

log = structlog.get_logger(__name__)
router = APIRouter(tags=["status"])


class Health(BaseModel):
    """The process runs and answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether the node can do its work."""

    status: Literal["ready", "not ready"]
    reasons: list[str] = Field(description="Why it cannot; empty when it can.")


@router.get("/healthz", summary="Whether the process is alive")
def healthz() -> Health:
    """200 as long as the process answers: restart it when it does not."""
    return Health()


@router.get(
    "/readyz",
    summary="Whether the node can do its work",
    responses={503: {"model": Readiness, "description": "Not ready; the reasons say why"}},
)
def readyz(services: Services, response: Response) -> Readiness:
    """503 with reasons when the database, the disk, the model or a required GPU is missing."""
    reasons = services.readiness()
    metrics.READY.set(not reasons)
    if reasons:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return Readiness(status="not ready", reasons=reasons)
    return Readiness(status="ready", reasons=[])


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def prometheus(services: Services) -> Response:
    """All metrics in the Prometheus text format; docs/reference/metrics.md explains each."""
    _gauges.refresh(services)
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)


class _Gauges:
    """Gauges of what is in the database. Metrics belong to the process, and so does this."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counted_at = -MIN_REFRESH_S
        self._counted_for: WebServices | None = None

    def refresh(self, services: WebServices) -> None:
        """Count again, unless it was done just now."""
        with self._lock:
            now = time.monotonic()
            if self._counted_for is services and now - self._counted_at < MIN_REFRESH_S:
                return
            self._counted_at, self._counted_for = now, services
            try:
                self._count(services)
            except MiqaError as error:
                log.warning("metrics are not counted", error=error)

    @staticmethod
    def _count(services: WebServices) -> None:
        with services.database.begin() as transaction:
            counts = instances.count(transaction)
            by_state = deliveries.count_by_state(transaction)
            unresolved = worklist.Filter(state=(WorklistState.OPEN, WorklistState.CLAIMED))
            flagged = worklist.count(transaction, unresolved)
        metrics.JOBS_WAITING.set(counts.received - counts.decided)
        metrics.WORKLIST_OPEN.set(flagged)
        for destination in {name for name, _ in by_state}:
            queued = by_state.get((destination, DeliveryState.QUEUED.value), 0)
            failed = by_state.get((destination, DeliveryState.FAILED.value), 0)
            metrics.DELIVERIES_WAITING.labels(destination=destination).set(queued)
            metrics.DELIVERIES_FAILED.labels(destination=destination).set(failed)


_gauges = _Gauges()
