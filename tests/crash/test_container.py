"""The container for real: it takes an image, reports it to an archive outside, is healthy, and survives kill -9.

``make container`` runs it, as root: debootstrap makes the base, buildah builds without a daemon. test_composition.py
needs neither: it plays the services of docker-compose.yml as processes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import ROOT, free_port
from tests.crash.station import LIMIT_S, Pacs, Scanner, noise
from tests.waiting import wait_until

SUITE = "bookworm"
PYTHON = "python3,python3-venv,ca-certificates"
CERTIFICATES = Path("/etc/ssl/certs")

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings(
        "ignore:.*unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]


class Site:
    """A scanner and an archive, around a node that somebody else starts."""

    def __init__(self, samples: Path) -> None:
        self.ports = {"MIQA_DICOM__PORT": free_port(), "MIQA_WEB__PORT": free_port()}
        self.pacs = Pacs()
        self.scanner = Scanner(self.ports["MIQA_DICOM__PORT"], *noise(samples))
        self.scanner.pause_s = 1.0
        self.scanner.start()

    def takes_and_reports_an_image(self) -> None:
        before = len(self.scanner.answered)
        wait_until(lambda: len(self.scanner.answered) > before, LIMIT_S, "an image is taken")
        uid = self.scanner.answered[before]
        wait_until(lambda: uid in self.pacs.reports, LIMIT_S, "the archive has its report")

    def close(self) -> None:
        self.scanner.stop()
        self.pacs.close()


@pytest.fixture
def site(samples: Path) -> Iterator[Site]:
    site = Site(samples)
    yield site
    site.close()


def of_the_container() -> dict[str, str]:
    """MIQA variables of the Dockerfile."""
    return dict(re.findall(r"(MIQA_\w+)=(\S+)", (ROOT / "Dockerfile").read_text("utf-8")))


def _health_command() -> list[str]:
    [command] = re.findall(r"HEALTHCHECK .*?CMD (\[.*?\])\nENTRYPOINT", (ROOT / "Dockerfile").read_text(), re.DOTALL)
    return list(json.loads(command.replace("\\\n", "")))


def is_healthy(port: int) -> bool:
    environment = os.environ | {"MIQA_WEB__HEALTH_PORT": str(port)}
    command = [sys.executable, *_health_command()[1:]]
    return subprocess.run(command, env=environment, check=False, capture_output=True).returncode == 0


class Buildah:
    """Containers without a daemon, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        store = [f"--root={folder / 'store'}", f"--runroot={folder / 'run'}", "--storage-driver=vfs"]
        self._command = ["buildah", *store]

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run([*self._command, *arguments], check=False, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout.strip()

    def run(self, container: str, environment: dict[str, Any], *command: str) -> subprocess.Popen[bytes]:
        options = [f"--env={name}={value}" for name, value in environment.items()]
        return subprocess.Popen([*self._command, "run", "--isolation=chroot", *options, container, "--", *command])


@pytest.fixture
def buildah(tmp_path: Path) -> Iterator[Buildah]:
    if os.environ.get("CONTAINER") != "1":
        pytest.skip("runs with make container")
    buildah = Buildah(tmp_path)
    yield buildah
    buildah("rm", "--all")
    buildah("rmi", "--all", "--force")


def _base(buildah: Buildah, folder: Path) -> str:
    """An image with Python: $CONTAINER_BASE, a folder that debootstrap has made, or one that it makes now."""
    root = Path(os.environ.get("CONTAINER_BASE", folder / "base"))
    if not root.exists():
        command = ["debootstrap", "--variant=minbase", f"--include={PYTHON}", SUITE, str(root)]
        subprocess.run(command, check=True, capture_output=True)
    python = root / "usr/bin/python"
    if not python.exists():
        python.symlink_to("python3")
    container = buildah("from", "scratch")
    buildah("add", container, str(root), "/")
    buildah("commit", container, "localhost/base")
    buildah("rm", container)
    return "localhost/base"


def _volumes(folder: Path) -> list[str]:
    """What pip here is configured with is what pip in the build gets: its settings, local indexes, certificates.

    Constraints stay outside: the locks choose the versions.
    """
    pip = [sys.executable, "-m", "pip", "config", "list"]
    settings = subprocess.run(pip, check=True, capture_output=True, text=True).stdout
    pairs = re.findall(r"^(?:global|:env:)\.([\w-]+)='(.*)'$", settings, re.MULTILINE)
    lines = [f"{name} = {value}" for name, value in pairs if name != "constraint"]
    (folder / "pip.conf").write_text("[global]\n" + "\n".join(dict.fromkeys(lines)) + "\n")
    local = {Path(path) for path in re.findall(r"(?:file://|(?<=[\s'=]))(/[\w./-]+)", settings)}
    folders = {path.parent if path.name == "simple" else path for path in local if path.is_dir()} | {CERTIFICATES}
    volumes = [(str(path), str(path)) for path in sorted(folders)] + [(str(folder / "pip.conf"), "/etc/pip.conf")]
    return [f"--volume={here}:{there}:ro" for here, there in volumes]


def test_the_container_works_and_survives_kill_9(tmp_path: Path, buildah: Buildah, site: Site) -> None:
    missing = [name for name in ("buildah", "debootstrap") if shutil.which(name) is None]
    assert not missing, f"make container needs the Debian packages {' '.join(missing)}"
    base = _base(buildah, tmp_path)
    build = ("build", "--isolation=chroot", "--format=docker", f"--build-arg=BASE={base}", "--tag=localhost/miqa-node")
    buildah(*build, *_volumes(tmp_path), ".")
    container = buildah("from", "localhost/miqa-node")
    health = free_port()
    environment = site.ports | {"MIQA_WEB__HEALTH_PORT": health, "MIQA_DICOM__ALLOWED_PEERS": '["*@127.0.0.1"]'}
    command = ("miqa-node", "run", "--destination", f"PACS=PACS@127.0.0.1:{site.pacs.port}")

    def is_healthy() -> bool:
        return buildah.run(container, {"MIQA_WEB__HEALTH_PORT": health}, *_health_command()).wait() == 0

    for _ in range(2):  # the second one begins where the first was killed
        outside = buildah.run(container, environment, *command)
        site.takes_and_reports_an_image()
        wait_until(is_healthy, LIMIT_S, "the container is healthy")
        assert _owners(outside.pid) == {10001}
        for process in psutil.Process(outside.pid).children(recursive=True):
            process.send_signal(signal.SIGKILL)
        assert outside.wait(timeout=60) != 0
    assert site.pacs.changed == []
    assert all(len(reports) == 1 for reports in site.pacs.reports.values())


def _owners(pid: int) -> set[int]:
    """Users of the node's processes in the container."""
    inside = [one for one in psutil.Process(pid).children(recursive=True) if one.name().startswith("python")]
    return {one.uids().real for one in inside}
