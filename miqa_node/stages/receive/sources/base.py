"""Interface of sources: parts of the node that bring images in, such as a listener, a watched folder or a query.

A source of another distribution is an entry point of the group ``miqa.sources`` that refers to a :class:`SourceKind`.
Its settings are the table ``[sources.<name>]``. When the node starts, ``open`` of every installed kind is called in
the processes of its role; it returns None if the site does not use it. The contract:

* ``start`` returns at once. Work that waits, such as polling, runs in a thread of the source. An error from ``start``
  ends the start of the node, so a site notices a port in use.
* ``stop`` returns when the source takes no more objects and has none in progress. It may be called even if ``start``
  failed or was never called.
* Objects go through ``context.intake`` (bytes, as they arrive) or ``context.receive`` (a complete file in
  ``context.settings.incoming_dir``). When either returns, the object is durable, and only then may it be acknowledged,
  removed or marked as read at its origin. After a crash the same object may be brought in twice; it is stored once.
* ResourcesError means that the node can take no objects now, or stops: keep the object at its origin and try later.
* Several processes may run the same source. A source that must run once, such as a poller, takes its own lock.
* Context that is not an image, such as an order, is written with ``context.database`` to tables of the source.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.domain.role import NodeRole
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.core.settings import Settings
from miqa_node.plugins import Seam
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.workers.forks import Fork
from miqa_node.stages.receive.intake import Intake


@dataclass(frozen=True, slots=True)
class SourceContext:
    """The tools of a source.

    ``options`` is its table in the settings, not yet checked. ``receive`` makes a complete object durable;
    ``check_store`` raises ResourcesError while the node cannot take objects.
    """

    settings: Settings
    database: Database
    objects: ObjectStore
    intake: Intake
    receive: Callable[[ReceivedObject], None]
    check_store: Callable[[], None]
    options: Mapping[str, Any] = field(default_factory=dict)
    trusted_now: Callable[[], datetime | None] = lambda: datetime.now(UTC)
    """The time for what removes by age; None while the clock may be wrong."""
    needed_bytes: Callable[[], int] = lambda: 0
    """How much of the disk must stay free, as of the last count."""
    fork: Fork | None = None
    """Makes a further process that receives; None if this process has to do it alone."""


class ImageSource(ABC):
    """One source in one process."""

    port: int = 0
    """The listening port; 0 if it does not listen."""
    threads: Sequence[SteadyThread] = ()
    """Threads to watch after the start; they are restarted if they end."""

    @abstractmethod
    def start(self) -> None:
        """Begin to bring images in."""

    @abstractmethod
    def stop(self) -> None:
        """Finish objects in progress and take no more."""


@dataclass(frozen=True, slots=True)
class SourceKind:
    """An installed source; ``open`` creates it, or returns None if the site does not use it."""

    name: str
    open: Callable[[SourceContext], ImageSource | None]
    role: NodeRole = NodeRole.RECEIVE
    """The role of the process in which it runs."""


SOURCES: Seam[SourceKind] = Seam("sources", SourceKind)


def open_sources(context: SourceContext, role: NodeRole) -> dict[str, ImageSource]:
    """The sources that run in a process of the role, by name."""
    tables = context.settings.sources
    kinds = {name: kind for name, kind in SOURCES.all().items() if role.includes(kind.role)}
    opened = {name: kind.open(replace(context, options=tables.get(name, {}))) for name, kind in kinds.items()}
    return {name: source for name, source in opened.items() if source is not None}
