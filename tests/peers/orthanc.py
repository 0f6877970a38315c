"""Orthanc as the archive of tests: one for each worker, emptied before each test that asks for it."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import free_port
from tests.waiting import LIMIT_S, wait_until

ORTHANC = Path("/usr/sbin/Orthanc")
PLUGINS = Path("/usr/share/orthanc/plugins")
DICOMWEB, GDCM = PLUGINS / "libOrthancDicomWeb.so", PLUGINS / "libOrthancGdcm.so"


@dataclass
class Orthanc:
    """One that answers, by its ports."""

    dicom_port: int
    http_port: int

    @property
    def dicomweb(self) -> str:
        """Address of its DICOMweb services; skips where Debian's plug-in is not installed."""
        if not DICOMWEB.exists():
            pytest.skip("orthanc-dicomweb is not installed")
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def call(self, path: str, body: object = None, method: str | None = None) -> Any:
        """What its REST interface answers; bytes are sent as they are, all else as JSON."""
        data = None if body is None else json.dumps(body).encode() if not isinstance(body, bytes) else body
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read() or b"null")

    def answers(self) -> bool:
        """Whether it has started."""
        try:
            self.call("/system")
        except OSError:
            return False
        return True

    def file(self, instance: str) -> bytes:
        """A stored object, by Orthanc's own name for it."""
        url = f"http://127.0.0.1:{self.http_port}/instances/{instance}/file"
        with urllib.request.urlopen(url, timeout=60) as response:
            return bytes(response.read())

    def forget(self) -> None:
        """Remove all that it holds, and all peers that it was told of."""
        peers = ("/patients", "/modalities", "/dicom-web/servers" if DICOMWEB.exists() else "/modalities")
        for path in peers:
            for one in self.call(path):
                self.call(f"{path}/{one}", method="DELETE")


@pytest.fixture(scope="session")
def orthanc_of_the_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """One with what tests need and sites have: DICOMweb, pictures of JPEG 2000, and C-FIND and C-GET for all."""
    plugins = [plugin for plugin in (DICOMWEB, GDCM) if plugin.exists()]
    rights = {"DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True}
    with start_orthanc(tmp_path_factory.mktemp("orthanc"), plugins, **rights) as peer:
        yield peer


@pytest.fixture
def orthanc(orthanc_of_the_worker: Orthanc) -> Orthanc:
    """An empty archive."""
    orthanc_of_the_worker.forget()
    return orthanc_of_the_worker


@contextmanager
def start_orthanc(folder: Path, plugins: Sequence[Path] = (), **changes: Any) -> Iterator[Orthanc]:
    """One of its own, with another configuration."""
    for needed in (ORTHANC, *plugins):
        if not needed.exists():
            pytest.skip(f"{needed} is not installed")
    peer = Orthanc(free_port(), free_port())
    configuration = {
        "Name": "test",
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "DicomAet": "ORTHANC",
        "DicomPort": peer.dicom_port,
        "HttpPort": peer.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomCheckCalledAet": True,
        "Plugins": [str(plugin) for plugin in plugins],
        **changes,
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(configuration))
    process = subprocess.Popen([ORTHANC, file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(peer.answers, what="Orthanc does not start")
        yield peer
    finally:
        process.kill()  # asked to end it waits for three seconds, and nobody needs its files any more
        process.wait(timeout=LIMIT_S)
