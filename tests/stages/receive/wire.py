"""What tests of receiving send, and who sends it."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Self

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import build_context
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.stages.deliver.association import ClosingAE
from miqa_node.stages.receive.scp import StorageScp
from tests.waiting import LIMIT_S, wait_until


@dataclass
class Node:
    """A listening StorageScp and what it received."""

    scp: StorageScp
    folder: Path
    received: list[ReceivedObject] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.scp.port

    def leftovers(self) -> list[Path]:
        """What is still in the incoming folder; a connection's end is given time to be noticed."""
        with suppress(AssertionError):
            wait_until(lambda: not any(self.folder.iterdir()), 5.0)
        return list(self.folder.iterdir())


def small_image(sop_class: str = CTImageStorage, size: int = 2000) -> Dataset:
    """A data set with just enough in it to be stored."""
    ds = Dataset()
    ds.SOPClassUID = UID(sop_class)
    ds.SOPInstanceUID = generate_uid()
    ds.StudyInstanceUID = generate_uid()
    ds.SeriesInstanceUID = generate_uid()
    ds.Modality = "CT"
    ds.PatientName = "Phantom^Test"
    ds.PixelData = bytes(size)
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def encoded(ds: Dataset) -> bytes:
    data = encode(ds, is_implicit_vr=False, is_little_endian=True)
    assert data is not None
    return data


def send_raw(
    port: int,
    data_set: bytes | None,
    *,
    sop_class: str = CTImageStorage,
    sop_instance: str = "1.2.3",
    syntax: str = ExplicitVRLittleEndian,
    calling: str = "TEST",
    called: str = "MIQA",
) -> C_STORE | None:
    """Send these bytes under that request, whatever they are; the response primitive, None without one."""
    ae = ClosingAE(calling)
    ae.dimse_timeout = 10
    association = ae.associate("127.0.0.1", port, [build_context(sop_class, syntax)], called)
    assert association.is_established
    request = C_STORE()
    request.MessageID = 7
    request.AffectedSOPClassUID = sop_class
    request.AffectedSOPInstanceUID = sop_instance
    request.Priority = 2
    if data_set is not None:
        request.DataSet = BytesIO(data_set)
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        pass
    association.dimse.send_msg(request, 1)
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    association.release()
    assert response is None or isinstance(response, C_STORE)
    return response


class RawPeer:
    """An association over a bare socket, to send what no decent toolkit would."""

    def __init__(
        self,
        port: int,
        sop_class: str = CTImageStorage,
        syntax: str = ExplicitVRLittleEndian,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.socket = plain if tls is None else tls.wrap_socket(plain, server_hostname="127.0.0.1")
        request = A_ASSOCIATE()
        request.application_context_name = "1.2.840.10008.3.1.1.1"
        request.calling_ae_title = "RAW"
        request.called_ae_title = "MIQA"
        context = build_context(sop_class, syntax)
        context.context_id = 1
        request.presentation_context_definition_list = [context]
        length = MaximumLengthNotification()
        length.maximum_length_received = 16384
        implementation = ImplementationClassUIDNotification()
        implementation.implementation_class_uid = UID("1.2.3.4")
        request.user_information = [length, implementation]
        pdu = A_ASSOCIATE_RQ()
        pdu.from_primitive(request)
        self.socket.sendall(pdu.encode())
        assert self.read_pdu()[0] == 2

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def read_pdu(self) -> tuple[int, bytes]:
        head = self._read(6)
        return head[0], self._read(struct.unpack(">I", head[2:])[0])

    def is_ended(self) -> bool:
        """Whether the node ends the association: by A-ABORT, or by a reset, which overtakes an abort on its way."""
        try:
            while self.read_pdu()[0] != 7:
                pass
        except (EOFError, ConnectionError):
            pass
        except TimeoutError:
            return False
        return True

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def read_status(self) -> int:
        kind, body = self.read_pdu()
        assert kind == 4, kind
        command = body[6:]
        at = command.index(b"\x00\x00\x00\x09")
        return int(struct.unpack_from("<H", command, at + 8)[0])

    @staticmethod
    def command(sop_class: str, sop_instance: str, *, has_data: bool = True) -> bytes:
        request = C_STORE()
        request.MessageID = 1
        request.AffectedSOPClassUID = sop_class
        request.AffectedSOPInstanceUID = sop_instance
        request.Priority = 2
        if has_data:
            request.DataSet = BytesIO(b"xx")
        message = C_STORE_RQ()
        message.primitive_to_message(request)
        data = encode(message.command_set, is_implicit_vr=True, is_little_endian=True)
        assert data is not None
        return data


def pdv(control: int, data: bytes, context_id: int = 1) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context_id, control) + data


def p_data(*pdvs: bytes) -> bytes:
    body = b"".join(pdvs)
    return struct.pack(">BxI", 4, len(body)) + body
