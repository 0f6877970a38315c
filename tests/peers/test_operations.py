"""A real archive that dies and comes back: the banner says so within a minute, and goes by itself."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pynetdicom import AE

from miqa_node.core.settings import load_settings
from miqa_node.features.operations.command.doctor import examine
from miqa_node.node import Node
from miqa_node.stages.deliver.destinations import parse_flag
from tests.conftest import free_port
from tests.node.test_node import get, settings_in, store
from tests.peers.test_receive_peers import BIN
from tests.waiting import LIMIT_S, wait_until
from tests.web.browsing import chromium, watched

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.peers]


@contextmanager
def storescp(port: int, folder: Path) -> Iterator[None]:
    if not (BIN / "storescp").exists():
        pytest.skip("storescp is not installed")
    command = [str(BIN / "storescp"), "--ignore", "-od", str(folder), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait(timeout=LIMIT_S)


def page(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return str(answer.read().decode())


def test_an_archive_that_dies_is_an_alarm_and_its_return_ends_it(tmp_path: Path, samples: Path) -> None:
    port = free_port()
    settings = settings_in(tmp_path, deliver={"check_interval_s": 1.0, "breaker_pause_s": 1.0})
    with Node(settings, [parse_flag(f"pacs=ANY@127.0.0.1:{port}")]) as node:

        def health() -> str:
            destinations = get(node.web_port, "/api/v1/operations")[1]["destinations"]
            return str(destinations[0]["health"]) if destinations else ""

        with storescp(port, tmp_path):
            wait_until(lambda: health() == "answers", 120)
            wait_until(lambda: "pacs" not in page(node.web_port, "/operations/alarms"), 120)
        wait_until(lambda: health() == "failing", 60)
        wait_until(lambda: "pacs fails" in page(node.web_port, "/operations/alarms"), 60)
        [pacs] = get(node.web_port, "/api/v1/operations")[1]["destinations"]
        assert pacs["since"]
        assert str(port) in pacs["detail"]
        check = {one.check: one for one in examine(None, tmp_path, ())}["destination pacs"]
        assert (check.ok, "--destination" in check.detail) == (False, True)
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0x0000]
        wait_until(lambda: get(node.web_port, "/api/v1/deliveries")[1]["total"] > 0, 120)
        with storescp(port, tmp_path):
            wait_until(lambda: health() == "answers", 120)
            wait_until(lambda: "pacs" not in page(node.web_port, "/operations/alarms"), 120)
            states = "/api/v1/deliveries?state=QUEUED"
            wait_until(lambda: get(node.web_port, states)[1]["total"] == 0, 120)
        senders = get(node.web_port, "/api/v1/operations")[1]["senders"]
        assert [one["calling_ae_title"] for one in senders] == ["SCANNER"]


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_an_open_page_turns_red_within_a_minute_and_green_by_itself(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """With the settings as they are delivered; nobody reloads the page."""
    port = free_port()
    settings = load_settings(
        node={"data_dir": tmp_path / "node"}, dicom={"port": 0, "host": "127.0.0.1"}, web={"port": 0}
    )
    pacs = [parse_flag(f"pacs=ANY@127.0.0.1:{port}")]
    with (
        Node(settings, pacs) as node,
        chromium() as browser,
        watched(browser, f"http://127.0.0.1:{node.web_port}", "light") as page,
    ):
        failing, answering = page.locator(".place.failing"), page.locator(".place.answers")
        alarms = page.locator("#alarms")
        with storescp(port, tmp_path):
            page.goto("/operations")
            sync_api.expect(answering).to_be_visible()
            sync_api.expect(alarms).not_to_contain_text("pacs")
        began = time.monotonic()
        sync_api.expect(alarms).to_contain_text("pacs fails since", timeout=60_000)
        record_property("red_after_s", round(time.monotonic() - began, 1))
        sync_api.expect(failing).to_contain_text(f"127.0.0.1:{port}")
        with storescp(port, tmp_path):
            began = time.monotonic()
            sync_api.expect(alarms).not_to_contain_text("pacs", timeout=60_000)
            record_property("green_after_s", round(time.monotonic() - began, 1))
            sync_api.expect(answering).to_be_visible()


def test_a_sender_that_is_refused_is_listed_with_the_remedy(tmp_path: Path) -> None:
    with Node(settings_in(tmp_path, dicom={"require_called_ae_title": True})) as node:
        ae = AE("STRANGER")
        ae.add_requested_context("1.2.840.10008.1.1")
        assert ae.associate("127.0.0.1", node.dicom_port, ae_title="OTHER").is_rejected

        def senders() -> list[dict[str, object]]:
            return list(get(node.web_port, "/api/v1/operations")[1]["senders"])

        wait_until(lambda: bool(senders()), 60)
        [one] = senders()
        assert (one["calling_ae_title"], one["refusals"]) == ("STRANGER", 1)
        assert "another AE title" in str(one["reason"])
        assert "require_called_ae_title" in str(one["hint"])
