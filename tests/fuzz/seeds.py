"""Writes the corpus: ``python -m tests.fuzz.seeds``. Everything in it is made here; nothing shows a patient."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import UID, ComputedRadiographyImageStorage
from pynetdicom import build_context
from pynetdicom.pdu import A_ASSOCIATE_RQ, A_RELEASE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

from miqa_node.core.keys.signing import Signer
from miqa_node.core.settings import share_dir
from miqa_selftest.encodings import ENCODINGS, encoded
from tests.conftest import ROOT
from tests.policies import EVERY_KEY
from tests.stages.assess.making import chest_dataset, write_package
from tests.stages.receive.wire import RawPeer, p_data, pdv
from tests.stages.receive.wire import encoded as data_set_of

CORPUS = Path(__file__).parent / "corpus"
ABORT = bytes.fromhex("07000000000400000000")
CT = "1.2.840.10008.5.1.4.1.1.2"


def small() -> Dataset:
    """A radiograph of 16 × 16 pixels."""
    ds = chest_dataset(1)
    ds.Rows = ds.Columns = 16
    ds.PixelData = (np.arange(256, dtype=np.uint16) * 13 % 4096).tobytes()
    return ds


def pdus() -> Iterator[tuple[str, bytes]]:
    """What follows an accepted association; the first byte chooses the receiver."""
    ds = small()
    ds.SOPClassUID = UID(CT)
    data, command = data_set_of(ds), RawPeer.command(CT, str(ds.SOPInstanceUID))
    whole = p_data(pdv(3, command)) + p_data(pdv(0, data[:100])) + p_data(pdv(2, data[100:]))
    release = A_RELEASE_RQ().encode()
    yield "store", b"\0" + whole + release
    yield "store-stock", b"\1" + whole + release
    yield "two", b"\0" + p_data(pdv(3, command), pdv(2, data)) * 2 + release
    yield "command-in-parts", b"\0" + p_data(pdv(1, command[:20])) + p_data(pdv(3, command[20:]), pdv(2, data))
    yield "unfinished", b"\0" + whole[:-200]
    yield "no-data", b"\0" + p_data(pdv(3, RawPeer.command(CT, "1.2.3", has_data=False))) + release
    yield "abort", b"\1" + whole[:300] + ABORT


def handshakes() -> Iterator[tuple[str, bytes]]:
    """Requests for an association."""
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = "FUZZ", "MIQA"
    context = build_context(str(ComputedRadiographyImageStorage))
    context.context_id = 1
    request.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16384
    implementation.implementation_class_uid = UID("1.2.3.4")
    request.user_information = [length, implementation]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(request)
    yield "request", pdu.encode()
    yield "http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield "tls", bytes.fromhex("16030100c4010000c00303") + bytes(80)


def archives() -> Iterator[tuple[str, bytes]]:
    """ZIP files: sound, with paths, of zeros, within each other."""
    content = encoded(small(), ENCODINGS[1])
    members: dict[str, dict[str, bytes]] = {
        "sound": {"a.dcm": content},
        "paths": {"../a.dcm": content[:200], "/b": b"b", "DICOMDIR": b"c", ".hidden": b"d"},
        "zeros": {"zeros": bytes(100_000)},
    }
    for name, files in members.items():
        yield name, zipped(files)
    yield "nested", zipped({"inner.zip": zipped(members["sound"])})
    yield "lzma", zipped(members["sound"], zipfile.ZIP_LZMA)
    yield "bzip2", zipped(members["sound"], zipfile.ZIP_BZIP2)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The files in a ZIP file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def packages() -> Iterator[tuple[str, bytes]]:
    """A card, cards of the packages that ship, a signature, a bare graph with its card."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "tiny-1.0.0"
        write_package(folder)
        yield "card", b"c" + (folder / "card.yaml").read_bytes()
        yield "graph", b"b" + (folder / "model.onnx").read_bytes()
        signed = Signer.open(Path(scratch) / "key").sign({"purpose": "model package", "package": "tiny-1.0.0"})
        yield "signature", b"s" + json.dumps(signed).encode()
    for kind in ("landmarks", "pneumonia-ensemble", "denoiser"):
        [folder] = share_dir("models").glob(f"{kind}-[0-9]*")
        yield f"card-{kind}", b"c" + (folder / "card.yaml").read_bytes()[:3000]


def settings() -> Iterator[tuple[str, bytes]]:
    """Settings table by table, a policy with every key, and destinations."""
    for table, values in tomllib.loads((ROOT / "config/miqa.toml").read_text("utf-8")).items():
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict)]
        yield f"settings-{table}", f"s[{table}]\n".encode() + "\n".join(lines).encode()
    yield "policy", b"p" + EVERY_KEY.encode()
    yield "destinations", b"d" + (ROOT / "config/destinations.example.toml").read_bytes()


def multiparts() -> Iterator[tuple[str, bytes]]:
    """Bodies with the boundary "fuzz"; the first byte is the size of the pieces that they arrive in."""
    content = encoded(small(), ENCODINGS[1])
    part = b"--fuzz\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n"
    yield "one", b"\xff" + part + b"--fuzz--\r\n"
    yield "two", b"\x01" + part * 2 + b"--fuzz--\r\n"
    yield "unfinished", b"\x07" + part[:-300]
    yield "no-image", b"\x20--fuzz\r\n\r\nhello\r\n--fuzz--"


def files() -> Iterator[tuple[str, bytes]]:
    """The small radiograph in each transfer syntax that an installed encoder makes."""
    for encoding in ENCODINGS:
        yield encoding.syntax.rsplit("1.2.840.10008.1.2", 1)[-1].strip(".") or "implicit", encoded(small(), encoding)


def main() -> None:
    """Write every file again."""
    shutil.rmtree(CORPUS, ignore_errors=True)
    kinds = {
        "pdu": pdus, "handshake": handshakes, "zip": archives, "package": packages, "settings": settings,
        "multipart": multiparts, "data_set": files, "pixels": files,
    }  # fmt: skip
    for target, seeds in kinds.items():
        (CORPUS / target).mkdir(parents=True)
        for name, content in seeds():
            (CORPUS / target / name).write_bytes(content)


if __name__ == "__main__":
    main()
