"""What a source is: a part of the node that brings images in, such as a listener, a watched folder or a query.

A source of another distribution is an entry point of the group ``miqa.sources`` that refers to a :class:`SourceKind`.
Its settings are the table ``[sources.<name>]``. When the node starts, ``open`` of every installed kind is called in
the processes of the role that it names; it returns None if the site does not ask for it. The contract:

* ``start`` returns at once. Whatever waits, such as a poller between two rounds, runs in a thread of the source.
  An error from ``start`` ends the start of the node, so that a site notices a port that is taken.
* ``stop`` returns when the source takes nothing more and nothing of it is under way. It may be called although
  ``start`` failed or was never called.
* Objects go through ``context.intake`` (bytes, as they arrive) or ``context.receive`` (a complete file in
  ``context.settings.incoming_dir``). When either returns, the object is durable, and only then may it be acknowledged,
  removed or marked as read wherever it came from. After a crash the same object may be brought in twice: that is once.
* ResourcesError means that the node can take nothing now, or stops: keep the object where it is and try again later.
* Several processes may run the same source. One that must run once, such as a poller, takes a lock of its own.
* Context that is not an image, such as an order, is written with ``context.database`` in tables of the source.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from miqa_node.domain.instance import ReceivedObject
from miqa_node.domain.ports import ObjectStore
from miqa_node.domain.role import NodeRole
from miqa_node.observe.steady_thread import SteadyThread
from miqa_node.plugins import Seam
from miqa_node.receive.intake import Intake
from miqa_node.settings import Settings
from miqa_node.store.database import Database


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a source may use.

    ``options`` is its table in the settings, not yet checked. ``receive`` makes a complete object durable;
    ``check_store`` raises ResourcesError while nothing can be taken.
    """

    settings: Settings
    database: Database
    objects: ObjectStore
    intake: Intake
    receive: Callable[[ReceivedObject], None]
    check_store: Callable[[], None]
    options: Mapping[str, Any] = field(default_factory=dict)


class ImageSource(ABC):
    """One way in, in one process."""

    port: int = 0
    """The port it listens on; 0 if it does not listen."""
    threads: Sequence[SteadyThread] = ()
    """Threads that are watched once it has started, and started again if they end."""

    @abstractmethod
    def start(self) -> None:
        """Begin to bring images in."""

    @abstractmethod
    def stop(self) -> None:
        """Finish what is under way and take nothing more."""


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A source that is installed; ``open`` makes one, or gives None if the site does not ask for it."""

    name: str
    open: Callable[[SourceContext], ImageSource | None]
    role: NodeRole = NodeRole.RECEIVE
    """The process that it runs in."""


SOURCES: Seam[SourceKind] = Seam("sources", SourceKind)


def open_sources(context: SourceContext, role: NodeRole) -> dict[str, ImageSource]:
    """The sources that run in a process of the role, by name."""
    tables = context.settings.sources
    kinds = {name: kind for name, kind in SOURCES.all().items() if role.includes(kind.role)}
    opened = {name: kind.open(replace(context, options=tables.get(name, {}))) for name, kind in kinds.items()}
    return {name: source for name, source in opened.items() if source is not None}
