"""A small archive with DICOMweb behind the viewer: Debian's Orthanc with its plug-in, on a loopback port."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miqa_node.errors import MiqaError, SettingsError
from miqa_selftest.launch import HOST

ORTHANC = Path("/usr/sbin/Orthanc")
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
START_LIMIT_S = 30.0
REQUEST_LIMIT_S = 60.0
HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class Archive:
    """A running Orthanc."""

    port: int

    def store(self, data: bytes) -> None:
        """Store one DICOM file."""
        self._call("POST", "/instances", data)

    def studies(self) -> list[str]:
        """Study Instance UIDs in the archive."""
        return [str(study["MainDicomTags"]["StudyInstanceUID"]) for study in self._call("GET", "/studies?expand")]

    def clear(self) -> None:
        """Delete everything."""
        for patient in self._call("GET", "/patients"):
            self._call("DELETE", f"/patients/{patient}")

    def answers(self) -> bool:
        """Whether the archive listens."""
        try:
            self._call("GET", "/system")
        except OSError:
            return False
        return True

    def _call(self, method: str, path: str, body: bytes | None = None) -> Any:
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=REQUEST_LIMIT_S)) as connection:
            connection.request(method, path, body)
            response = connection.getresponse()
            answer = response.read()
            if response.status != HTTP_OK:
                raise MiqaError(f"Orthanc answered {response.status} to {method} {path}.")
            return json.loads(answer)


@contextmanager
def archive(folder: Path, port: int) -> Iterator[Archive]:
    """An Orthanc that keeps its files in ``folder`` until the block ends.

    Raises
    ------
    SettingsError
        Orthanc or its DICOMweb plug-in is not installed.
    """
    lacking = [str(path) for path in (ORTHANC, DICOMWEB) if not path.exists()]
    if lacking:
        packages = "apt-get install orthanc orthanc-dicomweb"
        raise SettingsError(f"Not installed: {', '.join(lacking)} (Debian: {packages}).")
    settings = folder / "orthanc.json"
    settings.write_text(json.dumps(_settings(folder / "storage", port)), "utf-8")
    # A separate session: Ctrl-C goes to the parent process, which then stops it.
    process = subprocess.Popen(  # noqa: S603 - a fixed program
        [ORTHANC, settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        running = Archive(port)
        until = time.monotonic() + START_LIMIT_S
        while not running.answers():
            if process.poll() is not None or time.monotonic() > until:
                raise MiqaError(f"Orthanc did not start within {START_LIMIT_S:g} s on port {port}.")
            time.sleep(0.1)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(START_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _settings(storage: Path, port: int) -> dict[str, Any]:
    return {
        "Name": "Results of miqa-node",
        "StorageDirectory": str(storage),
        "IndexDirectory": str(storage),
        "HttpPort": port,
        "HttpBindAddresses": [HOST],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
        "Plugins": [str(DICOMWEB)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
