"""The table of ports says what a running node listens on, and nothing else, whatever its settings open."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import astuple
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
from typer.testing import CliRunner

from miqa_node.core.settings import load_settings
from miqa_node.features.operations.command.port_table import CLOSED, port_rows
from miqa_node.interfaces.cli.app import app
from tests.conftest import ROOT, free_port
from tests.waiting import wait_until

DESTINATIONS = """
[[destination]]
name = "pacs"
ae_title = "PACS"
host = "192.0.2.10"
port = 104
tls = true
commitment = true

[[destination]]
name = "cloud"
kind = "stow"
url = "https://user:word@pacs.example:8443/dicom-web"

[[destination]]
name = "share"
kind = "folder"
folder = "/srv/import"
"""
SECURE = '[dicom]\ntls = "{tls}"\ntls_port = {tls_port}\ntls_certificate = "{pem}"\n'
MORE = (
    '[web]\ntls_certificate = "{pem}"\nhealth_port = {health_port}\nviewer_url = "https://viewer.example/{{study_uid}}"\n'
    '[watch]\nfolder = "{watched}"\n'
)


def table(*arguments: str) -> list[dict[str, Any]]:
    outcome = CliRunner().invoke(app, ["doctor", "--ports", "--json", *arguments])
    assert outcome.exit_code == 0, outcome.output
    rows: list[dict[str, Any]] = json.loads(outcome.stdout)["ports"]
    return rows


def test_destinations_are_listed_without_what_is_secret(tmp_path: Path) -> None:
    (tmp_path / "destinations.toml").write_text(DESTINATIONS)
    called = [row for row in table("--data-dir", str(tmp_path)) if row["setting"] == "destination"]
    assert [(row["address"], row["protocol"], row["tls"]) for row in called] == [
        ("192.0.2.10:104", "DICOM", "yes"), ("pacs.example:8443", "HTTP", "yes")
    ]  # fmt: skip
    text = CliRunner().invoke(app, ["doctor", "--ports", "--data-dir", str(tmp_path)]).stdout
    assert "word" not in text
    assert text.startswith("Way\tAddress\tSetting\tDefault\tWhen\tProtocol\tPeer\tTLS\nin\t0.0.0.0:11112\tdicom.port\t")


def test_each_setting_that_names_another_machine_opens_its_row() -> None:
    settings = load_settings(
        dicom={"commitment_peers": ["CT1@10.0.0.21:104"]},
        notices={"smtp_host": "mail.example", "sender": "miqa@mail.example"},
        audit={"syslog_transport": "tls", "syslog_host": "log.example"},
        store={"database_url": "postgresql+psycopg://miqa:word@db.example/miqa", "objects_url": "s3://bucket/miqa"},
        oidc={"issuer": "https://sso.example/realm", "client_id": "miqa", "client_secret": "word"},
        telemetry={"traces_url": "http://collector:4318/v1/traces"},
    )
    addresses = [row.address for row in port_rows(settings, []) if row.way == "out"]
    assert addresses == [
        "10.0.0.21:104", "mail.example:587", "log.example:6514", "db.example:5432", "s3://bucket", "sso.example:443",
        "collector:4318",
    ]  # fmt: skip


def test_the_page_has_the_table_of_the_defaults() -> None:
    page = (ROOT / "docs" / "how-to" / "will-it-fit-my-pacs.md").read_text("utf-8")
    lines = [f"| {' | '.join(astuple(row))} |" for row in port_rows(load_settings(), [])]
    assert "\n" + "\n".join(lines) + "\n\n" in page


@pytest.mark.more
@pytest.mark.skipif(shutil.which("ss") is None, reason="ss is not installed")
@pytest.mark.parametrize(
    ("role", "text", "opened"),
    [
        ("all", "", ["dicom.port", "web.port", "web.health_port"]),
        ("all", SECURE.replace("{tls}", "also") + MORE,
         ["dicom.port", "dicom.tls_port", "web.port", "web.health_port"]),
        ("receive", SECURE.replace("{tls}", "only"), ["dicom.tls_port", "web.port", "web.health_port"]),
        ("work", "", ["web.port", "web.health_port"]),
    ],
)  # fmt: skip
def test_a_running_node_listens_on_the_ports_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str, text: str, opened: list[str]
) -> None:
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "node.pem")
    (tmp_path / "watched").mkdir()
    ports = {name: free_port() for name in ("tls_port", "health_port", "port", "web_port")}
    values = {**ports, "pem": tmp_path / "node.pem", "watched": tmp_path / "watched"}
    file = tmp_path / "miqa.toml"
    file.write_text(text.format(**values))
    monkeypatch.setenv("MIQA_NODE__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MIQA_DICOM__PORT", str(ports["port"]))
    monkeypatch.setenv("MIQA_WEB__PORT", str(ports["web_port"]))
    rows = {row["setting"]: row["address"] for row in table("--config", str(file)) if row["way"] == "in"}
    program: list[str | Path] = [
        Path(sys.executable).with_name("miqa-node"),
        "run",
        "--config",
        str(file),
        "--role",
        role,
    ]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(program, stdout=log, stderr=log) as node:
        try:
            assert wait_until(lambda: is_ready(int(rows["web.health_port"].rpartition(":")[2])), 120.0)
            addresses = listening(node.pid)
        finally:
            node.terminate()
    assert addresses == {rows[setting] for setting in opened}
    if role == "all":
        assert addresses == {address for address in rows.values() if address != CLOSED}


def is_ready(port: int) -> bool:
    with suppress(OSError, HTTPException), closing(HTTPConnection("127.0.0.1", port, timeout=5.0)) as connection:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    return False


def listening(pid: int) -> set[str]:
    """The addresses that a process and its children listen on, as the system says."""
    pids = {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
    lines = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[3] for line in lines if pids & set(map(int, re.findall(r"pid=(\d+)", line)))}
