"""docker-compose.yml, played service by service: each with its own environment, command, files and volumes.

The services are processes of this machine: the three roles, PostgreSQL, an S3 server, and Orthanc as the archive.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import httpx2
import pydicom
import pytest
import yaml
from moto.server import ThreadedMotoServer
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from tests.conftest import ROOT, PostgresServer, free_port
from tests.crash.station import LIMIT_S, noise
from tests.crash.test_container import is_healthy, of_the_container
from tests.peers.orthanc import Orthanc, start_orthanc
from tests.waiting import wait_until

SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
ROLES = ("receive", "work", "web")
KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"

pytestmark = [
    pytest.mark.peers,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings(
        "ignore:.*unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]


class Composition:
    """All services, and what .env says."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        (folder / "data").mkdir(mode=0o700)
        self.pacs = stack.enter_context(start_orthanc(folder, **_of_orthanc(SERVICES["services"]["pacs"])))
        self.database = stack.enter_context(PostgresServer())
        self.bucket = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.bucket.start()
        stack.callback(self.bucket.stop)
        host, port = self.bucket.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"
        self.dotenv = {
            "POSTGRES_PASSWORD": "p", "S3_PASSWORD": "s", "S3_ENDPOINT": self.endpoint,
            "MIQA_OBJECTS_URL": "s3://miqa/objects", "MIQA_ALLOWED_PEERS": '["*@127.0.0.1"]',
        }  # fmt: skip
        self.store = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id="miqa",
            aws_secret_access_key="s",
        )  # fmt: skip
        self.store.create_bucket(Bucket="miqa")
        self.dicom_port, self.web_port = free_port(), free_port()
        self.health = {role: free_port() for role in ROLES}

    def environment(self, role: str) -> dict[str, str]:
        """Of one service: that of the image, then its own; addresses are those of this machine."""
        service = SERVICES["services"][role]
        variables = {name: _filled(str(value), self.dotenv) for name, value in service["environment"].items()}
        own = of_the_container() | variables | {
            "MIQA_STORE__DATABASE_URL": self.database.url,
            "MIQA_WEB__HEALTH_PORT": str(self.health[role]),
            "MIQA_WEB__PORT": str(self.web_port if role == "web" else free_port()),
            "MIQA_DICOM__PORT": str(self.dicom_port),
            "MIQA_DELIVER__REJECTION_DELAY_S": "0",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOSTNAME": "h1",
        }  # fmt: skip
        return {name: self._inside(value, service) for name, value in own.items()}

    def start(self, role: str) -> None:
        service = SERVICES["services"][role]
        command = [word.replace("$$", "$") for word in service.get("entrypoint", ["miqa-node"])] + service["command"]
        log = self._stack.enter_context((self._folder / f"{role}.log").open("wb"))
        process = subprocess.Popen(command, env=self.environment(role), stdout=log, stderr=log, cwd=self._folder)
        self._stack.callback(process.wait, timeout=90)
        self._stack.callback(process.terminate)

    def run(self, role: str, *words: str) -> subprocess.CompletedProcess[str]:
        """``docker compose exec`` of a command."""
        return subprocess.run(
            ["miqa-node", *words], env=self.environment(role), capture_output=True, text=True, check=False
        )

    def _inside(self, value: str, service: dict[str, Any]) -> str:
        """Paths of the container; what a service does not mount does not exist in it."""
        for volume in service.get("volumes", ()):
            name, _, path = volume.partition(":")
            if value == path:
                return str(self._folder / name)
        for config in service.get("configs", ()):
            if value == config["target"]:
                return str(self._file(config["source"]))
        return value

    def _file(self, name: str) -> Path:
        text = SERVICES["configs"][name]["content"]
        file = self._folder / f"{name}.toml"
        file.write_text(text.replace('host = "pacs"', 'host = "127.0.0.1"').replace("4242", str(self.pacs.dicom_port)))
        return file


@pytest.fixture
def composition(tmp_path: Path) -> Iterator[Composition]:
    with ExitStack() as stack:
        yield Composition(tmp_path, stack)


@pytest.mark.long
def test_the_composition_is_whole(composition: Composition, samples: Path) -> None:
    for role in ROLES:
        composition.start(role)
    for role, port in composition.health.items():
        wait_until(lambda port=port: is_healthy(port), LIMIT_S, f"{role} is healthy")  # type: ignore[misc]
    image, pixels = noise(samples)
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
    image.PixelData = pixels(1)
    for port in (composition.pacs.dicom_port, composition.dicom_port):  # a site sends to both
        assert _send(port, image) == 0x0000
    pacs, study = composition.pacs, str(image.StudyInstanceUID)
    wait_until(lambda: _classes(pacs, study) - {ComputedRadiographyImageStorage}, LIMIT_S, "the PACS has the report")

    with httpx2.Client(
        base_url=f"http://127.0.0.1:{composition.web_port}",
        trust_env=False,
        timeout=60,
        headers={"origin": f"http://127.0.0.1:{composition.web_port}"},
    ) as browser:
        _asks_the_archive(browser)
        _rejects(browser, study)
        wait_until(lambda: KEY_OBJECT in _classes(pacs, study), LIMIT_S, "the PACS has the rejection note")
        _loses_and_fetches(composition, browser, str(image.SOPInstanceUID))
    logs = "".join((composition._folder / f"{role}.log").read_text() for role in ROLES)
    assert "several keys of pseudonyms" not in logs
    assert "Traceback" not in logs


def test_every_role_has_the_same_files_and_settings() -> None:
    services = [SERVICES["services"][role] for role in ROLES]
    for shared in ("volumes", "configs", "image", "networks", "read_only", "cap_drop"):
        assert all(one[shared] == services[0][shared] for one in services), shared
    common = set.intersection(*(set(one["environment"]) for one in services))
    assert common >= {"MIQA_STORE__DATABASE_URL", "MIQA_STORE__OBJECTS_URL", "MIQA_DELIVER__DESTINATIONS_FILE",
                      "MIQA_RETENTION__ARCHIVES"}  # fmt: skip
    assert "MIQA_DICOM__MAX_ASSOCIATIONS_PER_PEER" in services[0]["environment"]


def _asks_the_archive(browser: httpx2.Client) -> None:
    answer = browser.post("/api/v1/destinations/PACS/echo", json={"actor": "mara"})
    assert answer.status_code == 200, answer.text
    page = browser.get("/operations").text
    assert "PACS" in page
    csrf = _csrf(page)
    answer = browser.post("/operations", data={"do": "echo PACS", "actor": "mara", "csrf": csrf})
    assert answer.status_code == 200
    assert "PACS" in answer.text


def _rejects(browser: httpx2.Client, study: str) -> None:
    page = browser.get(f"/studies/{study}").text
    form = {
        "resolution": "confirmed", "actor": "mara", "reason": "111210", "archive": "PACS", "sure": "true",
        "csrf": _csrf(page),
    }  # fmt: skip
    answer = browser.post(f"/studies/{study}/resolve", data=form)
    assert answer.status_code == 303, answer.text


def _loses_and_fetches(composition: Composition, browser: httpx2.Client, uid: str) -> None:
    listed = composition.store.list_objects_v2(Bucket="miqa", Prefix="objects/instances/")["Contents"]
    [key] = [one["Key"] for one in listed]
    composition.store.delete_object(Bucket="miqa", Key=key)
    repaired = composition.run("work", "fsck", "--repair")
    assert "original lost" in repaired.stdout, repaired.stdout + repaired.stderr
    fetched = browser.post("/api/v1/retrievals", json={"uid": uid})
    assert fetched.status_code == 200, fetched.text
    assert composition.store.head_object(Bucket="miqa", Key=key)["ContentLength"] > 0


def _csrf(page: str) -> str:
    return page.partition('name="csrf" value="')[2].partition('"')[0]


def _send(port: int, image: pydicom.Dataset) -> int:
    ae = AE("SCANNER")
    ae.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", port, ae_title="PACS")
    assert association.is_established
    status = association.send_c_store(image)
    association.release()
    return int(status.Status)


def _classes(pacs: Orthanc, study: str) -> set[str]:
    instances = pacs.call("/tools/find", {"Level": "Instance", "Query": {"StudyInstanceUID": study}})
    return {pacs.call(f"/instances/{one}/simplified-tags")["SOPClassUID"] for one in instances}


def _filled(value: str, dotenv: dict[str, str]) -> str:
    """With the variables of .env, or their defaults."""
    pattern = re.compile(r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}")
    return pattern.sub(lambda match: dotenv.get(match.group(1), match.group(2) or ""), value)


def _of_orthanc(service: dict[str, Any]) -> dict[str, Any]:
    """Orthanc's configuration from the variables of its image: DICOM_AET is DicomAet."""
    configuration = {}
    for name, value in service["environment"].items():
        prefix, _, key = name.partition("ORTHANC__")
        if not prefix and key:
            configuration[key.title().replace("_", "")] = {"true": True, "false": False}.get(value, value)
    return configuration
