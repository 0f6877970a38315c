"""A site that has nothing but a release, by the pages: install, story, upgrade, back, restore, take off."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from miqa_node import __version__
from tests.conftest import ROOT
from tests.project.machine import INSTALL, NEXT, UPGRADE, Machine, commands, made, room_of_namespaces, settings
from tests.waiting import wait_until
from tools import release

pytestmark = [pytest.mark.more, pytest.mark.long, pytest.mark.timeout(3600)]

DEVELOPED = f"{NEXT}.dev0"
LIMIT_S = 240.0
FIRST = ("1.2.3.1", "1.2.3.2")
"""Studies that were there before the upgrade."""
ADDS = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "9000", "{last}", None, None
def upgrade() -> None:
    op.create_table("of_the_next_version", sa.Column("id", sa.Integer, primary_key=True))
    op.add_column("instances", sa.Column("of_the_next_version", sa.Text))
"""
PACS = """
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification
ae = AE("PACS")
for one in AllStoragePresentationContexts: ae.add_supported_context(one.abstract_syntax)
ae.add_supported_context(Verification)
ae.start_server(("192.0.2.10", 104), evt_handlers=[(evt.EVT_C_STORE, lambda event: 0)])
"""
SEND = """
import sys
from pydicom import dcmread
from pydicom.uid import generate_uid
from pynetdicom import AE
ae = AE("DX_ROOM_1")
image = dcmread(sys.argv[1])
ae.add_requested_context(image.SOPClassUID, image.file_meta.TransferSyntaxUID)
image.StudyInstanceUID, image.SOPInstanceUID = sys.argv[2], generate_uid()
image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
association = ae.associate("192.0.2.21", 11112, bind_address=("192.0.2.21", 0), ae_title="MIQA")
assert association.is_established
assert association.send_c_store(image).Status == 0
association.release()
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make dist` makes of this checkout, whatever nights say; or a release that is to be tried, $RELEASE."""
    if place := os.environ.get("RELEASE"):
        return Path(shutil.copytree(place, tmp_path_factory.mktemp("release") / "dist"))
    folder = tmp_path_factory.mktemp("release") / "dist"
    done = made(folder, "TRIAL=1")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def developed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a next version, whose database has a table and a column more."""
    folder = tmp_path_factory.mktemp("next")
    checkout = folder / "checkout"
    subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), checkout], check=True)
    for name in subprocess.run(
        ["git", "ls-files", "-m"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split():
        shutil.copy(ROOT / name, checkout / name)  # what is being worked on
    about = checkout / "miqa_node" / "__init__.py"
    about.write_text(about.read_text().replace(f'"{__version__}"', f'"{DEVELOPED}"'))
    last = max(path.name[:4] for path in checkout.glob("**/migrations/**/[0-9]*.py"))
    (checkout / "migrations" / "versions" / "9000_next.py").write_text(ADDS.format(last=last))
    done = made(folder / "dist", "TRIAL=1", "BUNDLE=no", checkout=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    inside = folder / f"miqa-node-{DEVELOPED}"
    subprocess.run(["tar", "xf", dist / release.BUNDLE, "-C", folder], check=True)
    (folder / f"miqa-node-{__version__}").rename(inside)
    for path in (folder / "dist").glob("*"):
        if path.is_dir():
            shutil.copytree(path, inside / path.name, dirs_exist_ok=True)
        elif path.suffix != ".gz":
            shutil.copy(path, inside / "wheels" if path.suffix == ".whl" else inside)
    archive = folder / f"miqa-node-{DEVELOPED}-offline-linux-x86_64.tar"
    subprocess.run(["tar", "cf", archive, "-C", folder, inside.name], check=True)
    return archive


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if not room_of_namespaces():
        pytest.skip("needs root, and unshare, nsenter, ip, runuser and useradd")
    machine = Machine(tmp_path)
    yield machine
    machine.close()


def test_files_are_whole_and_install_with_a_network(dist: Path, tmp_path: Path) -> None:
    assert (dist / release.BUNDLE).stat().st_size < release.MOST_BYTES
    lines = [line.split("  ") for line in (dist / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert sums.keys() == {str(path.relative_to(dist)) for path in dist.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert sums["RELEASE.md"] == hashlib.sha256((dist / "RELEASE.md").read_bytes()).hexdigest()
    parts = {one["name"] for one in json.loads((dist / "miqa-node-cpu.cdx.json").read_text())["components"]}
    assert {"numpy", "onnxruntime", "pydicom"} <= parts
    assert "*Unsigned*" in (dist / "RELEASE.md").read_text()
    install = ["sh", str(dist / "install.sh"), str(tmp_path / "miqa")]
    environment = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    output = subprocess.run(install, cwd="/", check=True, capture_output=True, text=True, env=environment).stdout
    assert output == f"miqa-node {__version__} is in {tmp_path / 'miqa'}.\n"
    again = subprocess.run(install, cwd="/", check=False, capture_output=True, text=True)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    (dist / "miqa-node-cpu.lock").write_text((dist / "miqa-node-cpu.lock").read_text() + "\n")
    changed = subprocess.run(
        [*install[:2], str(tmp_path / "other")], cwd="/", check=False, capture_output=True, text=True
    )
    assert (changed.returncode, "not those of the release" in changed.stderr) == (1, True)
    assert not (tmp_path / "other").exists()


def test_a_site_lives_by_the_pages_alone(dist: Path, developed: Path, machine: Machine, samples: Path) -> None:
    releases = machine.folder / "srv" / "releases"
    for file in (dist / release.BUNDLE, developed, samples / "RG1_UNCR.dcm", samples / "RG3_UNCR.dcm"):
        shutil.copy(file, releases)
    inside = f"/srv/releases/miqa-node-{__version__}"

    [install] = commands(INSTALL, "1. Install")
    assert f"miqa-node {__version__} is in /opt/miqa-{__version__}." in machine.does(install)
    assert "Network is unreachable" in machine.does(
        "/opt/miqa/bin/python -c \"import socket; socket.create_connection(('192.0.2.99', 443), 5)\"", code=1
    )
    configure, destinations = settings(INSTALL, "2. Configure")
    (machine.folder / "etc" / "miqa" / "miqa.toml").write_text(configure)
    (machine.folder / "srv" / "miqa" / "data" / "destinations.toml").write_text(destinations)
    machine.does("chown miqa: /mnt/backup /srv/miqa/data/destinations.toml; chmod 755 /srv")
    machine.start(PACS)
    check, start = commands(INSTALL, "3. Check, then start")
    assert "images went as they should" in machine.does(check)
    machine.does(start, inside)
    ready(machine)

    machine.node("users add mara --role reviewer")
    send(machine, "RG1_UNCR.dcm", FIRST[0])
    send(machine, "RG3_UNCR.dcm", FIRST[1])
    machine.does("install -d -o miqa /srv/miqa/past && install -o miqa RG1_UNCR.dcm RG3_UNCR.dcm /srv/miqa/past")
    machine.node("pilot plan past --from /srv/miqa/past --modality DX,CR")
    machine.node("pilot run past --now")
    before = state(machine)
    assert before["verdicts"] == ["ACCEPT", "NOT_ASSESSED"]
    assert before["pilot"]

    up, *_ = commands(UPGRADE, "Upgrade")
    machine.does(up.replace(NEXT, DEVELOPED))
    ready(machine)
    assert machine.node("--version").strip() == f"miqa-node {DEVELOPED}"
    assert state(machine) == before
    send(machine, "RG1_UNCR.dcm", "1.2.3.3")

    back, restore = commands(UPGRADE, "Go back")
    machine.does(back)
    ready(machine)
    assert machine.node("--version").strip() == f"miqa-node {__version__}"
    assert "works beside it" in (machine.folder / "srv" / "log").read_text()
    assert state(machine) == before
    assert verdict(machine, "1.2.3.3") == before["verdicts"][0], "what the newer version judged is there"
    send(machine, "RG3_UNCR.dcm", "1.2.3.4")

    machine.does(restore)
    ready(machine)
    assert state(machine) == before
    send(machine, "RG3_UNCR.dcm", "1.2.3.5")

    [remove] = commands(INSTALL, "8. Uninstall")
    machine.does(remove)
    assert list((machine.folder / "opt").iterdir()) == []
    assert not (machine.folder / "etc" / "miqa").exists()
    assert "miqa:" not in (machine.folder / "etc" / "passwd").read_text()


def ready(machine: Machine) -> None:
    """Wait until the node answers that it is ready."""
    ask = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8081/readyz', timeout=5)"

    def answers() -> bool:
        return machine.does(f'/opt/miqa/bin/python -c "{ask}" >/dev/null 2>&1 && echo yes || echo no') == "yes\n"

    wait_until(answers, LIMIT_S, "the node is ready", look_s=1.0)


def send(machine: Machine, file: str, study: str) -> None:
    """Send an image as a new study, and wait for its verdict."""
    machine.does(f"/opt/miqa/bin/python - {file} {study} <<'EOF'\n{SEND}\nEOF")
    wait_until(lambda: verdict(machine, study), LIMIT_S, "it has a verdict", look_s=1.0)


def verdict(machine: Machine, study: str) -> str:
    """The verdict of a study's image; empty while there is none."""
    [shown] = json.loads(machine.node(f"explain {study} --json"))["instances"]
    return str((shown["disposition"] or {}).get("verdict", ""))


def state(machine: Machine) -> Mapping[str, Any]:
    """What a site knows: verdicts of its first two images, accounts, a pilot, a trail without a gap."""
    assert "unbroken" in machine.node("audit verify")
    return {
        "verdicts": [verdict(machine, study) for study in FIRST],
        "accounts": machine.node("users list"),
        "pilot": json.loads(machine.node("pilot report past --json")),
    }
