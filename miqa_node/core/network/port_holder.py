"""Which process listens on a port of this machine, for the person who has to stop it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"
"""State of a socket in /proc/net/tcp, whose addresses are ADDRESS:PORT in hexadecimal digits."""


def holder_of(port: int) -> str:
    """In words for the end of a sentence, such as " by process 4711 (miqa-node)"; empty if nobody can be named.

    Only root sees the files of other people's processes.
    """
    sockets = {f"socket:[{number}]" for number in _inodes(port)}
    if not sockets:
        return ""
    for process in sorted(_PROC.glob("[0-9]*"), key=lambda one: int(one.name)):
        with suppress(OSError):  # it has ended, or is another user's
            if any(str(file.readlink()) in sockets for file in (process / "fd").iterdir()):
                return f" by process {process.name} ({(process / 'comm').read_text('utf-8', 'replace').strip()})"
    return ""


def _inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text("ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]
