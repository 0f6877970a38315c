"""Opens what a pilot of the command line reads from: a destination by its name, or files by paths with a slash."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from miqa_node.core.settings import Settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import ConflictError, NotFoundError, SettingsError
from miqa_node.features.pilot.archive import ArchiveSource, Way
from miqa_node.features.pilot.folder import FolderSource
from miqa_node.features.pilot.moves import MoveToNode, folder_of
from miqa_node.features.pilot.protocol import PilotProtocol
from miqa_node.features.pilot.source import PilotSource
from miqa_node.runtime.store.database import Database
from miqa_node.stages.deliver.destinations import Destinations
from miqa_node.stages.deliver.kinds.base import DeliveryContext, DestinationConfig, connect

ARCHIVES = ("cstore", "stow")
"""Kinds of destinations that can be asked and fetched from."""
MOVING = "cstore"


def is_archive(sources: Sequence[str]) -> bool:
    """Whether it is a destination; SettingsError if it is both, or several.

    >>> is_archive(["PACS"]), is_archive(["./october", "/media/cdrom/DICOMDIR"])
    (True, False)
    """
    words = [one for one in sources if "/" not in one]
    if words and len(sources) > 1:
        raise SettingsError("Name one destination, or paths, which have a slash (./{name}).", name=words[0])
    return bool(words)


@contextmanager
def opened_source(
    settings: Settings, database: Database, protocol: PilotProtocol, folder: Path, way: Way = Way.ANY
) -> Iterator[PilotSource]:
    """The source of a protocol, closed at the end; what is unpacked lies in ``folder`` until then."""
    authorities, rooms = settings.patients.authorities, settings.analysis.rooms

    def room(station: str) -> str:
        return rooms.get(station, station)

    parts = settings.imaging.anatomy.body_parts.canonical
    source: PilotSource
    if protocol.is_archive:
        config = archive_named(settings, protocol.sources[0])
        context = DeliveryContext(settings.deliver, settings.dicom.ae_title)
        move = None
        if config.kind == MOVING:
            own: Any = config
            originator = own.calling_ae_title or settings.dicom.ae_title
            move = MoveToNode(database, originator.strip(), settings.dicom.ae_title)
        elif way is Way.MOVE:
            raise SettingsError("Only a destination of kind cstore can be asked by C-MOVE.")
        source = ArchiveSource(
            connect(config, context), protocol, authorities, room, parts, way=way, move=move,
            move_wait_s=settings.deliver.move_wait_s,
        )  # fmt: skip
    else:
        read = partial(read_header, nameless=True, anatomy=settings.imaging.anatomy)
        source = FolderSource(protocol, folder, settings.web, read, authorities, room)
    try:
        yield source
    finally:
        source.close()


def archive_named(settings: Settings, name: str) -> DestinationConfig:
    """The destination; NotFoundError if there is none, SettingsError if it is no archive."""
    config = Destinations(settings.destinations_file).current().get(name)
    if config is None:
        raise NotFoundError(
            "{destination} is no destination of {file}; a path has a slash (./{destination}).",
            destination=name,
            file=settings.destinations_file,
        )
    if config.kind not in ARCHIVES:
        raise SettingsError(
            "{destination} cannot be asked; name a destination of kind cstore or stow.", destination=name
        )
    return config


@contextmanager
def only_run(settings: Settings) -> Iterator[Path]:
    """The empty folder for fetched files; ConflictError while another pilot of this node runs."""
    folder = folder_of(settings)
    folder.mkdir(parents=True, exist_ok=True)
    with (settings.node.data_dir / "pilot.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConflictError("A pilot of this node is running; archives are asked by one at a time.") from error
        for file in folder.glob("*.dcm"):  # of a process that was killed
            file.unlink(missing_ok=True)
        yield folder
