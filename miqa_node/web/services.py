"""What the web interface reads from and writes to, and how its operations get at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from miqa_node.domain.ports import ObjectStore
from miqa_node.settings import Settings
from miqa_node.store.database import Database


@dataclass(frozen=True, slots=True)
class WebServices:
    """Handed over by ``node``; ``readiness`` gives the reasons why the node is not ready."""

    database: Database
    objects: ObjectStore
    settings: Settings
    readiness: Callable[[], list[str]]


def _of(request: Request) -> WebServices:
    services: WebServices = request.app.state.services
    return services


Services = Annotated[WebServices, Depends(_of)]
"""Parameter type of operations that need them."""
