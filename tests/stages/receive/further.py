"""A storage SCP whose further receivers run in threads of the test: all of them but the fork."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.observe.steady_thread import start_brief_thread
from miqa_node.core.settings import Settings, load_settings
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.receivers import process
from miqa_node.stages.receive.receivers.pool import Receivers
from miqa_node.stages.receive.scp import StorageScp
from tests.stages.receive.wire import Node, RawPeer, encoded, p_data, pdv, small_image

NOBODY = 0
"""In place of the number of a process, which nobody may kill."""


class FurtherNode(Node):
    """A listening StorageScp with further receivers, and what all of them received."""

    receivers: Receivers

    def shares(self) -> list[int]:
        """How many associations the node itself and each further receiver serve."""
        own = sum(len(server.active_associations) for server in self.scp._servers.values())
        return [own, *sorted((len(one.lines) for one in self.receivers._receivers), reverse=True)]


@contextmanager
def further_node(
    folder: Path, count: int, *, more: dict[str, Any] | None = None, **dicom: Any
) -> Iterator[FurtherNode]:
    """The node; ``more`` are arguments of its SCP, and ``check`` and ``receive`` of its intake."""
    settings = load_settings(node={"data_dir": str(folder)}, dicom={"host": "127.0.0.1", "port": 0, **dicom})
    options = dict(more or {})
    check, receive = options.pop("check", lambda: None), options.pop("receive", lambda _received: None)

    def keep(received: ReceivedObject) -> None:
        receive(received)
        node.files.append(Path(received.path).read_bytes())
        node.received.append(received)

    settings.incoming_dir.mkdir(parents=True)
    settings.objects_dir.mkdir(parents=True)
    scp = StorageScp(settings.dicom, Intake.of(settings.dicom, settings.incoming_dir, keep, check), **options)
    node = FurtherNode(scp, settings.incoming_dir)
    node.receivers = Receivers(partial(fork, settings), count, scp.desk)
    scp.hand_on_to(node.receivers)
    scp.start()
    try:
        yield node
    finally:
        scp.stop(1.0)


def fork(settings: Settings) -> socket.socket:
    """A receiver in a thread."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    start_brief_thread("further-receiver", lambda: process.serve(settings, theirs, NOBODY))
    return mine


def store(peer: RawPeer, size: int = 2000) -> int:
    """Store one image over the association; the status of its response."""
    ds = small_image(size=size)
    peer.socket.sendall(p_data(pdv(3, RawPeer.command(ds.SOPClassUID, ds.SOPInstanceUID))))
    peer.socket.sendall(p_data(pdv(2, encoded(ds))))
    return peer.read_status()
