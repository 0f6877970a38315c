"""The ports on which the node of a folder takes images and serves its pages; ``run`` may have been given other ones."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from miqa_node.core.settings import Settings

WEB, DICOM = "web-port", "dicom-port"
_PRIVATE = 0o600


def note_port(data_dir: Path, port: int, which: str = WEB) -> None:
    """Remember a port that is bound; the newest start counts."""
    file = data_dir / which
    file.unlink(missing_ok=True)
    file.touch(_PRIVATE)
    file.write_text(f"{port}\n")


def port_of(data_dir: Path, which: str = WEB) -> int:
    """The port of the node's last start here; 0 if none is known."""
    with suppress(OSError, ValueError):
        return int((data_dir / which).read_text())
    return 0


def url_of_pages(settings: Settings) -> str:
    """What links to the pages begin with: the public address, else the port of the node's last start here."""
    port = port_of(settings.node.data_dir) or settings.web.port
    return settings.web_url if settings.web.public_url else settings.web.address(port)
