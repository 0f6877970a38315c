"""Health, readiness and metrics, for the people and programs that operate the node."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from miqa_node.core.keys.secret_files import identity_of
from miqa_node.core.observe import metrics
from miqa_node.interfaces.web.services import Services

router = APIRouter(tags=["status"])


class Health(BaseModel):
    """The process runs and answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether the node can do its work."""

    status: Literal["ready", "starting", "not ready"] = Field(description="Starting is not ready in the first minute.")
    reasons: list[str] = Field(description="Why the node is not ready; empty if it is.")
    node: str = Field(description="The random name of the node's data folder: whoever started a node knows it by that.")


@router.get("/healthz", summary="Whether the process is alive")
def healthz() -> Health:
    """200 as long as the process answers; restart the process if it does not."""
    return Health()


@router.get(
    "/readyz",
    summary="Whether the node can do its work",
    responses={503: {"model": Readiness, "description": "Not ready; the reasons say why"}},
)
def readyz(services: Services, response: Response) -> Readiness:
    """503 with reasons when the database, the disk, the model or a required GPU is missing."""
    reasons, node = services.readiness(), identity_of(services.settings.node.data_dir)
    if not reasons:
        return Readiness(status="ready", reasons=[], node=node)
    response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Readiness(status="starting" if services.starting() else "not ready", reasons=reasons, node=node)


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def prometheus(services: Services) -> Response:
    """All metrics in the Prometheus text format; docs/reference/metrics.md explains each."""
    metrics.READY.set(not services.readiness())
    services.gauges.refresh()
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)
