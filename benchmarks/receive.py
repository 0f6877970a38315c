"""How many objects per second the node receives and keeps, beside DCMTK's storescp and Orthanc in the same run.

    python -m benchmarks.receive [--rounds N] [--cr N] [--ct N]
    python -m benchmarks.receive_profile

All three take the same files from the same sender (DCMTK's storescu, TCP_NODELAY=1), one after the other, in
rounds, so that what else runs on the machine hits all of them; each plainly and by TLS. The node is the whole node in
its receiving role: an object counts once it is flushed to disk and its row and job are committed. storescp writes
without flushing, so it is measured a second time with ``flush_on_close.c``, which makes it flush each file and its
folder; Orthanc stores with its defaults. What they stored is emptied after each measurement and removed at
the end: ext4 without a journal passes over the inodes of the last minutes' removed files one by one, which would cost
whoever creates a file next a tenth to a fifth of its time. Needs DCMTK and Orthanc from Debian packages, and a C
compiler.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import trustme
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from benchmarks.machine import describe, keep
from tests.crash.faults import shim

STORESCU, STORESCP, ORTHANC = Path("/usr/bin/storescu"), Path("/usr/bin/storescp"), Path("/usr/sbin/Orthanc")
CC = Path("/usr/bin/cc")
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}
SOURCES = {"CR 8 MB": (ComputedRadiographyImageStorage, "CR", 2048), "CT 0.5 MB": (CTImageStorage, "CT", 512)}
ASSOCIATIONS = (1, 4)
START_S = 60.0


class TlsIdentity(NamedTuple):
    """Files with a key and its certificate, PEM."""

    key: Path
    certificate: Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each receiver is measured")
    parser.add_argument("--cr", type=int, default=40, help="CR images per measurement")
    parser.add_argument("--ct", type=int, default=160, help="CT images per measurement")
    arguments = parser.parse_args()
    for program in (STORESCU, STORESCP, ORTHANC, CC):
        if not program.exists():
            sys.exit(f"{program} is missing: install Debian's packages dcmtk, orthanc and gcc.")
    machine = describe()
    counts = dict(zip(SOURCES, (arguments.cr, arguments.ct), strict=True))
    rates: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, number = Path(name), 0
        identities = (None, make_identity(folder))
        for _ in range(arguments.rounds):
            for kind, count in counts.items():
                for associations, identity in product(ASSOCIATIONS, identities):
                    # New UIDs each time: a known object is cheaper to receive.
                    files = make_files(folder / "source", kind, count)
                    for receiver in (node, *OTHERS):
                        number += 1
                        with receiver(folder / f"receiver-{number}", identity) as port:
                            rate = count / send(port, files, associations, tls=identity is not None)
                        case = f"{kind}, {associations} association{'s' * (associations > 1)}{', TLS' * bool(identity)}"
                        rates.setdefault(case, {}).setdefault(receiver.__name__, []).append(rate)
                        print(f"{case:28} {receiver.__name__:17} {rate:8.1f} images/s", file=sys.stderr)
    result = {
        "sender": "storescu",
        "images_per_measurement": counts,
        "rounds": arguments.rounds,
        "load_after": round(os.getloadavg()[0], 2),
        "images_per_second": {
            case: {
                name: {"median": round(statistics.median(all_rates), 1), "all": [round(rate, 1) for rate in all_rates]}
                for name, all_rates in of_case.items()
            }
            for case, of_case in rates.items()
        },
        "node_beside": {
            case: {other.__name__: round(beside(of_case, other.__name__), 2) for other in OTHERS}
            for case, of_case in rates.items()
        },
    }
    keep("receive", machine, result)


def beside(rates: Mapping[str, list[float]], other: str) -> float:
    """Median over the rounds of the node's rate divided by the other receiver's in the same round."""
    return statistics.median(one / of_other for one, of_other in zip(rates["node"], rates[other], strict=True))


def send(port: int, files: list[Path], associations: int, *, tls: bool) -> float:
    """Seconds until the last response; every object must have been answered with success."""
    shares = [files[start::associations] for start in range(associations)]

    def one(share: list[Path]) -> None:
        command = [str(STORESCU), "-aec", "BENCH", "-xe", "-R", *(["+tla", "-ic"] if tls else [])]
        command += ["127.0.0.1", str(port), *map(str, share)]
        subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True)

    start_s = time.perf_counter()
    with ThreadPoolExecutor(associations) as pool:
        list(pool.map(one, shares))
    return time.perf_counter() - start_s


def make_identity(folder: Path) -> TlsIdentity:
    """A key, and a certificate of an authority that nobody knows."""
    identity = TlsIdentity(folder / "key.pem", folder / "certificate.pem")
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(identity.key)
    issued.cert_chain_pems[0].write_to_path(identity.certificate)
    return identity


def make_files(folder: Path, kind: str, count: int) -> list[Path]:
    """Images of noise, each an instance of its own; they replace those of the last call."""
    folder.mkdir(parents=True, exist_ok=True)
    sop_class, modality, side = SOURCES[kind]
    pixels = np.random.default_rng(7).integers(0, 4096, (side, side), dtype=np.uint16)
    study, series = generate_uid(), generate_uid()
    paths = []
    for number in range(count):
        ds = Dataset()
        ds.SOPClassUID, ds.SOPInstanceUID = sop_class, generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
        ds.Modality, ds.PatientID, ds.PatientName = modality, "BENCH", "Bench^Mark"
        ds.InstanceNumber = number
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows = ds.Columns = side
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.PixelData = pixels.tobytes()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        paths.append(folder / f"{number}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


@contextmanager
def node(folder: Path, identity: TlsIdentity | None) -> Iterator[int]:
    """The whole node, receiving only, with the folders that a node has after its first few hundred objects."""
    port = free_port()
    for number in range(256):
        (folder / "objects" / "instances" / f"{number:02x}").mkdir(parents=True)
    command = [str(Path(sys.executable).with_name("miqa-node")), "run", "--role", "receive"]
    command += ["--data-dir", str(folder), "--dicom-port", str(port), "--web-port", str(free_port())]
    tls = {} if identity is None else {
        "MIQA_DICOM__TLS": "only",
        "MIQA_DICOM__TLS_PORT": str(port),
        "MIQA_DICOM__TLS_CERTIFICATE": str(identity.certificate),
        "MIQA_DICOM__TLS_KEY": str(identity.key),
    }  # fmt: skip
    with running(folder, command, port, tls):
        yield port


@contextmanager
def storescp(folder: Path, identity: TlsIdentity | None, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """DCMTK's receiver, one process per association."""
    port = free_port()
    tls = [] if identity is None else ["+tls", str(identity.key), str(identity.certificate), "-ic"]
    command = [str(STORESCP), "--fork", "-pdu", "131072", *tls, "-od", str(folder), str(port)]
    with running(folder, command, port, environment):
        yield port


def storescp_flushing(folder: Path, identity: TlsIdentity | None) -> AbstractContextManager[int]:
    """The same, keeping what it says that it keeps."""
    library = shim(Path(__file__).with_name("flush_on_close.c"), folder.parent)
    return storescp(folder, identity, {"LD_PRELOAD": library})


@contextmanager
def orthanc(folder: Path, identity: TlsIdentity | None) -> Iterator[int]:
    """Orthanc with its defaults."""
    port = free_port()
    configuration: dict[str, Any] = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "DicomPort": port,
        "HttpPort": free_port(),
        "RemoteAccessAllowed": False,
        "Plugins": [],
    }
    if identity is not None:
        configuration |= {
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(identity.certificate),
            "DicomTlsPrivateKey": str(identity.key),
            "DicomTlsTrustedCertificates": str(identity.certificate),
            "DicomTlsRemoteCertificateRequired": False,
        }
    folder.mkdir(parents=True)
    file = folder.parent / "orthanc.json"
    file.write_text(json.dumps(configuration), "utf-8")
    with running(folder, [str(ORTHANC), str(file)], port):
        yield port


OTHERS = (storescp, storescp_flushing, orthanc)


@contextmanager
def running(folder: Path, command: list[str], port: int, more: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a receiver until the block ends; its files are empty then."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**ENVIRONMENT, **(more or {})}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + START_S
        while not answers(port):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{command[0]} does not start")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)
        for path in folder.rglob("*"):
            if path.is_file():
                os.truncate(path, 0)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
