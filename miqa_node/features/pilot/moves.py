"""Takes what a pilot asked an archive for by C-MOVE out of the way of ordinary images, before anything is told of it.

Only what names Move Originator AE Title and Message ID of a C-MOVE that waits is a pilot's (PS3.7 9.1.1.1.9); an image
in doubt goes the ordinary way. The file waits in the folder of pilots for the process that asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from miqa_node.core.domain.instance import MoveOrigin, ReceivedObject
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.core.settings import Settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.features.pilot.rows import moves
from miqa_node.parts import PartContext, PartKind, StartMoment
from miqa_node.runtime.store.database import Database


def folder_of(settings: Settings) -> Path:
    """Where fetched files lie until they are judged: seconds, or until the next run after a process was killed."""
    return settings.incoming_dir / "pilot"


@dataclass(frozen=True, slots=True)
class MoveToNode:
    """Has an archive send to this node, which calls it as ``originator`` and receives as ``ae_title``."""

    database: Database
    originator: str
    ae_title: str

    def expect(self, message_id: int) -> None:
        """For a while what comes by the C-MOVE with that Message ID is a pilot's, whatever becomes of who asked."""
        with self.database.begin() as transaction:
            moves.expect(transaction, MoveOrigin(self.originator, message_id))

    def came_otherwise(self, sop_instance_uid: str) -> bool:
        """Whether the node received the image as an ordinary one."""
        with self.database.begin() as transaction:
            return moves.is_received(transaction, sop_instance_uid)


class PilotMoves:
    """Part of a node that receives."""

    threads: Iterable[SteadyThread] = ()

    def __init__(self, context: PartContext) -> None:
        self._database, self._intake = context.database, context.intake
        self._folder = folder_of(context.settings)

    def start(self) -> None:
        """Look at each object that came by a C-MOVE."""
        self._intake.diverts = self.take

    def stop(self) -> None:
        """The intake has ended before."""

    def take(self, received: ReceivedObject) -> bool:
        """Whether the object is a pilot's; its file then waits in the folder of pilots."""
        origin = received.move
        if origin is None:
            return False
        with self._database.begin() as transaction:
            if not moves.waits(transaction, origin):
                return False
        path = Path(received.path)
        header, _ = received.header or read_header(path)
        self._folder.mkdir(parents=True, exist_ok=True)
        path.replace(self._folder / f"{header.sop_instance_uid}.dcm")
        return True


PART = PartKind("pilot_moves", PilotMoves, StartMoment.SERVING, role=None)
