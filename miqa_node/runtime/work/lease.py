"""Leases of node names in the database: two processes never do durable work under one name.

A process renews its lease with each heartbeat and releases it when it ends. After a crash the same machine takes it
over at once; another machine only after the holder has been silent for ``work.dead_after_s``.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import structlog

from miqa_node.core.settings import WorkSettings
from miqa_node.errors import ResourcesError, SettingsError
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work import executors
from miqa_node.runtime.work.executors import NameHolder

log = structlog.get_logger(__name__)

REBOOT_BEATS = 3
"""A restarted machine, or a clone of it, takes over a name after this many missed heartbeats of its holder."""


class NameLease:
    """The lease of one name for this process. The supervisor watches it; a lost lease cannot be recovered."""

    name = "lease"

    def __init__(self, database: Database, node: str, settings: WorkSettings) -> None:
        self._database, self._node, self._settings = database, node, settings
        self._holder = ProcessIdentity.of_this()
        self._lost = ""

    def take(self) -> None:
        """Acquire the name; SettingsError if another process has it."""
        now = datetime.now(UTC)
        with self._database.begin() as transaction:
            held = executors.held(transaction, self._node, str(self._holder), now)
            if held is not None and held.holder and (reason := self._refusal(held, now)):
                raise SettingsError(reason)
            executors.take(transaction, self._node, str(self._holder), now)

    def renew(self) -> None:
        """Renew the lease: this process is alive."""
        with self._database.begin() as transaction:
            held = executors.beat(transaction, self._node, datetime.now(UTC), str(self._holder))
        if not held and not self._lost:
            self._lost = f"Another process works as {self._node!r} now; this one ends."
            log.critical("lost the name of this node", node=self._node)

    def release(self) -> None:
        """Release the name at once, at an orderly end of the process."""
        try:
            with self._database.begin() as transaction:
                executors.release(transaction, self._node, str(self._holder))
        except ResourcesError as error:  # the next process of this machine takes it over
            log.warning("the name of this node was not released", error=str(error))

    def trouble(self) -> str:
        """Why this process may not continue; empty if it may."""
        return self._lost

    def heal(self) -> None:
        """Do nothing: only a new process can acquire the name."""

    def _refusal(self, held: NameHolder, now: datetime) -> str:
        """Why the name is not free; empty if it is."""
        other, mine = ProcessIdentity.parse(held.holder), self._holder
        settings = self._settings
        if (other.machine, other.boot) == (mine.machine, mine.boot):
            return (
                IN_USE.format(node=self._node, place=f"here, as process {other.pid}")
                if other.runs_here() and other != mine
                else ""
            )
        free_after_s = settings.dead_after_s
        if other.machine == mine.machine:
            free_after_s = min(REBOOT_BEATS * settings.heartbeat_interval_s, free_after_s)
        silent_s = (now - held.heartbeat_at) / timedelta(seconds=1)
        if silent_s >= free_after_s:
            return ""
        place = f"on {other.host} (alive {max(0.0, silent_s):.0f} s ago)"
        hint = f" If that machine is gone, the name is free in {free_after_s - silent_s:.0f} s."
        return IN_USE.format(node=self._node, place=place) + hint


IN_USE = "Another process already works as {node!r} {place}: stop it, or give this one a node.name of its own."


_MACHINE_ID, _BOOT_ID = Path("/etc/machine-id"), Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """``machine`` is the machine's identifier, which clones share, with its host name; ``began`` is in clock ticks."""

    machine: str
    boot: str
    pid: int
    began: int

    @classmethod
    def of_this(cls) -> Self:
        """The current process."""
        machine = f"{_read(_MACHINE_ID)}@{socket.gethostname()}"
        return cls(machine, _read(_BOOT_ID), os.getpid(), _began(os.getpid()))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the form that ``str`` writes."""
        machine, boot, pid, began = text.split("|")
        return cls(machine, boot, int(pid), int(began))

    def __str__(self) -> str:
        """One line, as stored."""
        return f"{self.machine}|{self.boot}|{self.pid}|{self.began}"

    @property
    def host(self) -> str:
        """Host name of its machine."""
        return self.machine.partition("@")[2]

    def runs_here(self) -> bool:
        """Whether the process runs on this machine; its number may have been reused by another process."""
        with suppress(OSError):
            os.kill(self.pid, 0)
            return _began(self.pid) == self.began
        return False


def _read(file: Path) -> str:
    with suppress(OSError):
        return file.read_text("ascii").strip()
    return ""


def _began(pid: int) -> int:
    """Field 22 of proc_pid_stat(5); the name, field 2, may contain anything. 0 without /proc."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19])
    return 0
