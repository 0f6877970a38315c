"""The port on which the node of a folder serves its pages, for commands: ``run`` may have been given another one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from miqa_node.core.settings import Settings

_FILE = "web-port"
_PRIVATE = 0o600


def note_port(data_dir: Path, port: int) -> None:
    """Remember the port; the newest start counts."""
    file = data_dir / _FILE
    file.unlink(missing_ok=True)
    file.touch(_PRIVATE)
    file.write_text(f"{port}\n")


def url_of_pages(settings: Settings) -> str:
    """What links to the pages begin with: the public address, else the port of the node's last start here."""
    port = settings.web.port
    with suppress(OSError, ValueError):
        port = int((settings.node.data_dir / _FILE).read_text())
    return settings.web_url if settings.web.public_url else settings.web.address(port)
