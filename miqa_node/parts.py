"""The seam ``miqa.parts``: what runs in the background of a node, such as a watch, a server or scheduled work.

A part of another distribution is an entry point of the group ``miqa.parts`` that refers to a :class:`PartKind`. When a
node is made, ``open`` of every kind is called in the processes of its role; it returns None if the site does not use
it. Each part starts at its moment; those of one moment do not depend on each other, and start in the order of their
names, those of other distributions last. Parts stop in reverse order. The contract:

* ``open`` asks no database: its tables may not exist yet.
* ``start`` returns at once. Work that waits or repeats runs in ``threads``, which are watched and restarted;
  ``RegularWork`` is such a part. An error from ``start`` ends the start of the node.
* ``stop`` returns when nothing runs any more. It may be called even if ``start`` failed or was never called.
* Several processes may run the same part on one database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from miqa_node.core.domain.role import NodeRole
from miqa_node.plugins import Seam

if TYPE_CHECKING:  # the context names what a node consists of; whoever imports this module need not load all of it
    from miqa_node.core.domain.object_store import ObjectStore
    from miqa_node.core.domain.ports import JobQueue
    from miqa_node.core.observe.steady_thread import SteadyThread
    from miqa_node.core.settings import Settings
    from miqa_node.local import LocalResult
    from miqa_node.runtime.store.database import Database
    from miqa_node.runtime.work.clock_trust import ClockTrust
    from miqa_node.runtime.workers.pool import WorkerPool
    from miqa_node.stages.deliver.destinations import Destinations
    from miqa_node.stages.deliver.lanes import LaneSnapshot
    from miqa_node.stages.deliver.rows.announcements import Announcer
    from miqa_node.stages.receive.intake import Intake
    from miqa_node.stages.receive.rows.reserve import DiskReserve
    from miqa_node.stages.units.base import UnitContext


class StartMoment(Enum):
    """When a part starts; the last to start is the first to stop."""

    RECORDING = "before models and jobs, which it records"
    WORKING = "once jobs run"
    DELIVERING = "once results are delivered"
    SERVING = "when all else runs, before images come in"


class NodePart(Protocol):
    """A part of one process."""

    @property
    def threads(self) -> Iterable[SteadyThread]:
        """Threads to watch after the start."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A scheduled task: ``cron`` in UTC, empty for never; ``run`` gets the time at which it was due.

    Durable: it runs once in one process, and a missed run is made up for.
    """

    name: str
    cron: str
    run: Callable[[datetime], object]


@dataclass(frozen=True, slots=True)
class PartContext:
    """What a node consists of before its parts run.

    ``clock`` says whether what removes by age may believe the time, ``lanes`` how deliveries of this process stand.
    """

    settings: Settings
    role: NodeRole
    database: Database
    objects: ObjectStore
    queue: JobQueue
    unit: UnitContext
    announcer: Announcer
    destinations: Destinations
    lanes: Callable[[], Mapping[str, LaneSnapshot]]
    intake: Intake
    reserve: DiskReserve
    clock: ClockTrust
    pool: WorkerPool
    look: Callable[..., LocalResult]
    """Assesses a file in a worker process, without storing it."""
    work: Callable[..., Any]
    """Runs a feature's own function in a worker process, with the choice of models and the policy as last argument."""
    obstacle: Callable[..., str]
    """Why no model can judge an image, or a series, now; empty if one can."""
    models: Callable[[], Mapping[str, str]]
    """The model packages in force by slot."""
    readiness: Callable[[], list[str]]
    """Why the node cannot do its work now; empty if it can."""
    starting: Callable[[], bool]
    """Whether it is only not ready yet."""


@dataclass(frozen=True, slots=True)
class PartKind:
    """An installed part. ``open`` makes it, or a schedule, in processes of ``role``; of every role if that is None."""

    name: str
    open: Callable[[PartContext], NodePart | Schedule | None]
    moment: StartMoment = StartMoment.WORKING
    role: NodeRole | None = NodeRole.WORK

    def runs_in(self, role: NodeRole) -> bool:
        """Whether it runs in a process of that role."""
        return self.role is None or role.includes(self.role)


PARTS: Seam[PartKind] = Seam("parts", PartKind)


class OpenParts:
    """The parts of one process, by name."""

    def __init__(self, context: PartContext) -> None:
        """If one cannot be opened, those already open are stopped: they may hold ports."""
        self._schedules: list[Schedule] = []
        self._parts: list[tuple[PartKind, NodePart]] = []
        with ExitStack() as ending:
            for kind in PARTS.all().values():
                opened = kind.open(context) if kind.runs_in(context.role) else None
                if isinstance(opened, Schedule):
                    self._schedules.append(opened)
                elif opened is not None:
                    ending.callback(opened.stop)
                    self._parts.append((kind, opened))
            ending.pop_all()

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """Those that are due at times."""
        return tuple(self._schedules)

    def at(self, moment: StartMoment) -> list[NodePart]:
        """Those that start then, in their order."""
        return [part for kind, part in self._parts if kind.moment is moment]

    def port(self, name: str, which: str = "port") -> int:
        """The port at which a part listens; 0 if it does not."""
        return next((getattr(part, which, 0) for kind, part in self._parts if kind.name == name), 0)
