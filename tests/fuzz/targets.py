"""What is fuzzed: each target takes bytes from outside and must answer them with a result or an error of its own.

An AssertionError, any other exception, a hang or an end of the process is a defect of the node.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from miqa_node.core.domain.instance import ReceivedObject, is_uid
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import ArchiveError, DataSetError, ModelPackageError, SettingsError, UnreadableError
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.bare import bare_card, embedded_goldens, read_metadata
from miqa_node.stages.assess.package_checks import check_files
from miqa_node.stages.assess.sidecars import read_any_card
from miqa_node.stages.assess.signatures import check_origin
from miqa_node.stages.deliver.destinations import parse_destinations
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.part10 import FileOrigin, FileTransfer
from miqa_node.stages.receive.scp import StorageScp
from miqa_node.stages.receive.statuses import SUCCESS
from miqa_node.stages.receive.zip_file import members
from tests.stages.receive.wire import RawPeer

HANG_S = 30.0
"""No input may take longer, also where the machine has other work."""
MAX_OBJECT_BYTES = 1_000_000
ECHO = "1.2.840.10008.1.1"


class FuzzTarget(ABC):
    """One entrance. ``share``: how many of 1,000 inputs go to it; slow ones get fewer."""

    name: str
    share: int
    guided = True
    """Whether coverage of the Python code can guide its inputs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def run(self, data: bytes) -> None:
        """Hand the bytes in; an AssertionError says what is wrong with the answer."""

    def close(self) -> None:  # noqa: B027 - most start nothing
        """Stop what was started."""

    def write(self, data: bytes, name: str = "input") -> Path:
        """A file with the bytes."""
        path = self.folder / name
        path.write_bytes(data)
        return path


class Keeper:
    """Stands behind the reception: remembers what it was given, as the database would."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, bytes]] = []

    def receive(self, received: ReceivedObject) -> None:
        """Keep the object."""
        content = Path(received.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == received.digest, "the digest is not that of the file"
        self.kept.append((received.digest, content))


class PduTarget(FuzzTarget):
    """Bytes behind an accepted association, on a raw socket; the first byte chooses the receiver."""

    name, share = "pdu", 80
    guided = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._keeper = Keeper()
        dicom = load_settings(
            dicom={"host": "127.0.0.1", "port": 0, "dimse_timeout_s": 2.0, "network_timeout_s": 2.0}
        ).dicom
        self._scps = []
        for fast in (True, False):
            incoming = folder / f"incoming-{fast}"
            scp = StorageScp(dicom, Intake.of(dicom, incoming, self._keeper.receive, lambda: None), fast=fast)
            scp.start()
            self._scps.append((scp, incoming))

    def run(self, data: bytes) -> None:
        scp, _ = self._scps[1 if data[:1] == b"\x01" else 0]
        before = len(self._keeper.kept)
        with RawPeer(scp.port) as peer:
            peer.socket.settimeout(HANG_S)
            with contextlib.suppress(OSError):  # it was closed already
                peer.socket.sendall(data[1:])
                peer.socket.shutdown(socket.SHUT_WR)
            answer = _read_all(peer.socket)
        stored = self._keeper.kept[before:]
        assert answer.count(_STORED) <= len(stored), "answered 0x0000 for what was not kept"
        assert all(content[-8:] in data for _, content in stored), "kept bytes that were not sent"
        self._keeper.kept.clear()

    def close(self) -> None:
        for scp, incoming in self._scps:
            scp.stop(1.0)
            assert list(incoming.iterdir()) == [], "an unfinished object was left behind"


_STORED = struct.pack("<HHIH", 0x0000, 0x0900, 2, 0x0000)
"""The element Status (0000,0900) with 0x0000."""


def _read_all(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while more := connection.recv(65536):
            received += more
    return received


class HandshakeTarget(FuzzTarget):
    """The first bytes on the DICOM port, before anything is agreed; afterwards the port still answers."""

    name, share = "handshake", 40
    guided = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._keeper = Keeper()
        dicom = load_settings(dicom={"host": "127.0.0.1", "port": 0, "acse_timeout_s": 2.0}).dicom
        intake = Intake.of(dicom, folder / "incoming", self._keeper.receive, lambda: None)
        self._scp = StorageScp(dicom, intake, fast=True)
        self._scp.start()
        self._runs = 0

    def run(self, data: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self._scp.port), timeout=HANG_S) as connection:
            with contextlib.suppress(OSError):  # it was closed already
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            _read_all(connection)
        assert self._keeper.kept == []
        self._runs += 1
        if self._runs % 50 == 0:
            with RawPeer(self._scp.port):
                pass

    def close(self) -> None:
        self._scp.stop(1.0)


class DataSetTarget(FuzzTarget):
    """A file (PS3.10) as STOW-RS, the watched folder and the upload take it in, and its header."""

    name, share = "data_set", 330

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._keeper = Keeper()
        self._intake = Intake(folder / "incoming", self._keeper.receive, lambda: None, MAX_OBJECT_BYTES)

    def run(self, data: bytes) -> None:
        self._keeper.kept.clear()
        transfer = FileTransfer(self._intake, FileOrigin("FUZZ", "MIQA", "127.0.0.1"))
        try:
            for start in range(0, len(data), 4096):
                transfer.write(data[start : start + 4096])
            response = transfer.finish()
        finally:
            transfer.end()
        assert (response.status == SUCCESS) == (len(self._keeper.kept) == 1), hex(response.status)
        if response.status == SUCCESS:
            assert is_uid(transfer.sop_instance_uid)
            assert self._keeper.kept[0][1][-8:] in data
        try:
            header, _ = read_header(self.write(data))
        except DataSetError:
            return
        assert is_uid(header.sop_instance_uid)
        assert is_uid(header.sop_class_uid)

    def close(self) -> None:
        assert list((self.folder / "incoming").iterdir()) == []


class PixelTarget(FuzzTarget):
    """Pixels in every transfer syntax that is decoded, in the children that images are decoded in."""

    name, share = "pixels", 100
    guided = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        limits = {"processes": 1, "timeout_s": HANG_S / 3, "memory_bytes": 1 << 30}
        self._pool = WorkerPool(load_settings(work=limits, imaging={"max_pixels": 4_000_000}))
        self._pool.check()

    def run(self, data: bytes) -> None:
        try:
            radiograph = self._pool.decode(self.write(data))
        except UnreadableError:
            return
        assert radiograph.display.shape == radiograph.stored.shape
        assert radiograph.display.size <= 4_000_000

    def close(self) -> None:
        self._pool.close()


class ArchiveTarget(FuzzTarget):
    """An uploaded ZIP file; whatever it says, it stays in its folder and within its limits."""

    name, share = "zip", 120

    def run(self, data: bytes) -> None:
        limits = load_settings().web.model_copy(
            update={"max_archive_bytes": 200_000, "max_archive_members": 20, "max_archive_ratio": 50}
        )
        path = self.write(data)
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            target = Path(scratch) / "members"
            try:
                for member in members(path, target, limits):
                    assert member == path or member.parent == target
                    assert member == path or not member.is_symlink()
            except ArchiveError:
                pass
            if target.exists():
                written = sum(file.stat().st_size for file in target.iterdir())
                assert written <= limits.max_archive_bytes + (1 << 20)
            assert {entry.name for entry in Path(scratch).iterdir()} <= {"members"}


class PackageTarget(FuzzTarget):
    """A model package: the first byte says whether the rest is the card, the signature or a bare graph."""

    name, share = "package", 80

    def run(self, data: bytes) -> None:
        kind, content = data[:1], data[1:]
        assess = load_settings().assess
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            folder = Path(scratch) / "tiny-1.0.0"
            folder.mkdir()
            try:
                if kind == b"b":
                    bare = Path(scratch) / "tiny-1.0.0.onnx"
                    bare.write_bytes(content)
                    metadata = read_metadata(bare)
                    bare_card(bare.name, metadata)
                    embedded_goldens(bare.name, metadata)
                    return
                (folder / "card.yaml").write_bytes(content if kind == b"c" else b"name: tiny\nfiles: {}\n")
                if kind == b"s":
                    (folder / "signature.json").write_bytes(content)
                check_origin(folder, assess)
                check_files(folder, read_any_card(folder))
            except ModelPackageError:
                return


class SettingsTarget(FuzzTarget):
    """A file of the site: the first byte says whether it is the settings, the policy or the destinations."""

    name, share = "settings", 150

    def run(self, data: bytes) -> None:
        path = self.write(data[1:], "site.toml")
        read: Mapping[bytes, Callable[[Path], object]] = {b"p": read_policy, b"d": parse_destinations}
        with contextlib.suppress(SettingsError):
            read.get(data[:1], load_settings)(path)


class MultipartTarget(FuzzTarget):
    """The body of a STOW-RS request; what is answered as stored was kept."""

    name, share = "multipart", 100

    def __init__(self, folder: Path) -> None:
        from python_multipart.exceptions import MultipartParseError

        from miqa_node.interfaces.dicomweb.stow import _answer, _Parts

        super().__init__(folder)
        self._keeper = Keeper()
        self._parts, self._answer, self._refusal = _Parts, _answer, MultipartParseError
        self._intake = Intake(folder / "incoming", self._keeper.receive, lambda: None, MAX_OBJECT_BYTES)

    def run(self, data: bytes) -> None:
        self._keeper.kept.clear()
        parts = self._parts(self._intake, FileOrigin("FUZZ", "MIQA", "127.0.0.1"), b"fuzz")
        try:
            step = 1 + (data[0] if data else 0) * 16
            for start in range(1, len(data), step):
                parts.feed(data[start : start + step])
            parts.complete()
        except self._refusal:
            pass
        finally:
            parts.end()
        stored = [uid for _, uid, answer in parts.outcomes if answer.status == SUCCESS]
        assert len(stored) == len(self._keeper.kept)
        self._answer(parts.outcomes)

    def close(self) -> None:
        assert list((self.folder / "incoming").iterdir()) == []


TARGETS: tuple[type[FuzzTarget], ...] = (
    PduTarget, HandshakeTarget, DataSetTarget, PixelTarget, ArchiveTarget, PackageTarget, SettingsTarget,
    MultipartTarget,
)  # fmt: skip


@contextlib.contextmanager
def opened(kind: type[FuzzTarget]) -> Iterator[FuzzTarget]:
    """A target in a folder of its own, closed at the end."""
    with tempfile.TemporaryDirectory(prefix="miqa-fuzz-") as folder:
        target = kind(Path(folder))
        try:
            yield target
        finally:
            target.close()
