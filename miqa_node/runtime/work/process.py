"""Identity of a process and its machine, for the lease of a node's name."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

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
