"""A further process that receives: it serves the associations that the node's own process hands over.

It reads the network, writes, checks and flushes each object, and reads its header. Rows, jobs and audit records are
written by the node's own process, which all of them ask, so there is one writer and one count of everything.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import OrderedDict
from contextlib import suppress
from functools import partial
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.association import Association

from miqa_node.core.domain.delivery import CommitmentRequest
from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.network.connections import connection_of
from miqa_node.core.network.server_tls import ServerTls, server_tls
from miqa_node.core.observe.steady_thread import start_brief_thread
from miqa_node.core.settings import Settings, TlsMode
from miqa_node.errors import ResourcesError
from miqa_node.runtime.store.disk import free_bytes
from miqa_node.runtime.workers.answers import read_answer
from miqa_node.stages.receive.admission import Caller, Rejection
from miqa_node.stages.receive.associations import StorageAssociations, store_request
from miqa_node.stages.receive.commitment import Commitment, ReportOn
from miqa_node.stages.receive.intake import Intake, Transfer
from miqa_node.stages.receive.receivers.line import Line, decoded, encoded
from miqa_node.stages.receive.servers import PeerServer

MAX_REPORTS = 200
"""Maximum number of associations remembered for reports of storage commitment."""
_MESSAGE_BYTES = 4096


def receive(settings: Settings, control: socket.socket) -> None:
    """Receive in this process until that of the node closes ``control``, or ends."""
    serve(settings, control, os.getpid())


def serve(settings: Settings, control: socket.socket, pid: int) -> None:
    """The same, known to the node as that process."""
    _, (of_process, of_reports), _, _ = socket.recv_fds(control, _MESSAGE_BYTES, 2)
    line = Line(of_process)
    with suppress(ResourcesError):  # the node has ended meanwhile
        line.call("hello", pid)
    scp = ReceiverScp(settings, control, line)
    scp.start()
    start_brief_thread("reports", lambda: scp.report(Line(of_reports)))
    scp.is_over.wait()
    scp.stop()
    line.close()


class SocketsOfNode(PeerServer):
    """Takes the connections that the node's process has accepted."""

    def __init__(self, *arguments: Any, control: socket.socket, tls: ServerTls | None, **keywords: Any) -> None:
        self._control, self._tls = control, tls
        self.is_over = threading.Event()
        self.lines: dict[socket.socket, Line] = {}
        """The line of each connection."""
        super().__init__(*arguments, **keywords)

    def server_bind(self) -> None:
        """Nothing is bound: connections come from the node's process."""
        if self.socket is not None:
            self.socket.close()
        self.socket = self._control

    def server_activate(self) -> None:
        """Nothing listens."""

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection, and the line for what is asked about its association."""
        message, descriptors, _, _ = socket.recv_fds(self._control, _MESSAGE_BYTES, 2)
        if len(descriptors) < 2:
            self.is_over.set()
            self.is_over.wait(0.01)
            raise OSError("the node's process has ended")
        address, is_tls = read_answer(message)
        self._connections += 1
        connection, line = socket.socket(fileno=descriptors[0]), Line(descriptors[1])
        if is_tls and self._tls is not None:
            connection = self.secured(connection, self._tls)
        self.lines[connection] = line
        return connection, address

    def service_actions(self) -> None:
        """End the lines of connections that are closed."""
        self.forget_closed()
        super().service_actions()

    def forget_closed(self, association: Association | None = None) -> None:
        """End these lines, and that of an association."""
        closed = None if association is None else association.dul.socket and association.dul.socket.socket
        for connection in [one for one in list(self.lines) if one.fileno() < 0 or one is closed]:
            if (line := self.lines.pop(connection, None)) is not None:
                line.close()


class ReceiverScp(StorageAssociations):
    """The associations of one such process."""

    def __init__(self, settings: Settings, control: socket.socket, line: Line) -> None:
        self._line, self._control = line, control
        self._folder, self._needed_bytes = settings.objects_dir, 0
        self._asked: OrderedDict[str, Association] = OrderedDict()
        intake = Intake.of(
            settings.dicom, settings.incoming_dir, _keep_nowhere, self._check,
            anatomy=settings.imaging.anatomy, has_room=self._has_room, is_first=False,
        )  # fmt: skip
        intake.has_company = lambda: True  # or the node's own process would have taken the association
        commitment = Commitment(self._ask, lambda: line.call("answered"), self._note_report)
        super().__init__(settings.dicom, intake, commitment=commitment, passcodes=self._passcode)
        self.is_over = threading.Event()

    def _open(self) -> None:
        settings = self._settings
        tls = None if settings.tls is TlsMode.OFF else server_tls(settings)
        server: Any = self._serve(
            "receiver", SocketsOfNode, (settings.host, settings.port), control=self._control, tls=tls
        )
        self._lines: SocketsOfNode = server
        server.is_over = self.is_over

    def _seat(self, association: Association, caller: Caller) -> tuple[Rejection, str] | None:
        refused: tuple[Rejection, str] | None = self._line_of(association).call("seat", caller)
        return refused

    def _refuse(self, caller: Caller, rejection: Rejection, hint: str) -> None:
        self._line.call("refuse", caller, rejection, hint)

    def _malformed(self, address: str, reason: str) -> None:
        self._line.call("malformed", address, reason)

    def _passcode(self, name: str, passcode: str) -> bool:
        return bool(self._line.call("passcode", name, passcode))

    def _line_of(self, association: Association) -> Line:
        return self._lines.lines[connection_of(association)]

    def _begin(self, association: Association, sop_class: str, sop_instance: str, transfer_syntax: str) -> Transfer:
        line = self._line_of(association)
        request = store_request(association, sop_class, sop_instance, transfer_syntax)
        return self._intake.begin(request, partial(self._keep, line), line.count)

    def _keep(self, line: Line, received: ReceivedObject) -> None:
        self._needed_bytes = line.call("keep", received)

    def _check(self) -> None:
        self._needed_bytes = self._line.call("check")

    def _has_room(self) -> bool:
        return free_bytes(self._folder) >= self._needed_bytes

    def _on_close(self, event: Any) -> None:
        super()._on_close(event)
        self._lines.forget_closed(event.assoc)

    def _ask(self, request: CommitmentRequest, association: Association | ReportOn) -> None:
        assert isinstance(association, Association)  # noqa: S101 - of this process
        self._asked[request.transaction_uid] = association
        while len(self._asked) > MAX_REPORTS:
            self._asked.popitem(last=False)
        self._line.call("ask", request)

    def _note_report(self, event_type: int, information: Dataset) -> None:
        self._line.call("report", event_type, encoded(information))

    def report(self, line: Line) -> None:
        """Send the reports that go out on associations of this process."""
        was_taken = False
        with suppress(ResourcesError):
            while (one := line.call("next_report", was_taken)) is not None:
                from miqa_node.stages.deliver.commitment_reports import report_on  # noqa: PLC0415 - 10 MB for few

                transaction_uid, event_type, report = one
                association = self._asked.pop(transaction_uid, None)
                was_taken = association is not None and report_on(association, event_type, decoded(report))


def _keep_nowhere(_received: ReceivedObject) -> None:
    raise AssertionError("each transfer says where its object goes")
