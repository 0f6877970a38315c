"""Every page in both languages, light and dark, on a desktop and a phone, without faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.operations import DestinationCheck
from miqa_node.core.domain.prediction import PendingCause, PendingReason, Prediction
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings.policy import read_policy
from miqa_node.features.limits import own_limits
from miqa_node.features.phantoms import rows as phantoms
from miqa_node.features.worklist.rows import worklist
from miqa_node.interfaces.web.page import PAGES
from miqa_node.interfaces.web.site_time import LANGUAGE_COOKIE
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.site_records import site_limits
from miqa_node.runtime.store.object_keys import preview_key
from miqa_node.stages.deliver.rows import destination_checks
from miqa_node.stages.receive.rows.senders import SenderBook
from miqa_node.stages.units.rows import instances
from tests.quick import in_gate
from tests.web import hospital
from tests.web.axe import faults
from tests.web.browsing import MARKS, shoot, watched
from tests.web.serving import serving_phantoms
from tests.web.staging import Stage, staging
from tests.web.test_browser import CUT_OFF

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.more, *MARKS]

SIZES = ((1280, 1024), (390, 844))
BETWEEN = (820, 1180)
MOST_USED = ("/", "/studies/1.2.3.101", "/images", "/rooms", "/analysis", "/operations")
"""These are looked at in a third width, too, that of a tablet."""
LONG_UID = "1.2.826.0.1.3680043.10.511.3.12345678901234567890123456789012345"
SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
BEHIND = (
    "/studies/1.2.3.101", "/rooms/ROOM1", "/analysis/model", "/analysis/labels", "/analysis/logs", "/readings",
    "/reader-studies", "/tuning?set=1", "/policy", f"/audit?study={LONG_UID}", "/account", "/sign-in",
)  # fmt: skip
"""Pages that no entry of the navigation opens."""
TOO_WIDE = """() => [...document.querySelectorAll("main [role=region][tabindex]")]
    .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => "scrolls sideways: " + one.ariaLabel)"""
BROKEN = "[...document.images].filter(one => one.complete && !one.naturalWidth).map(one => one.getAttribute('src'))"
"""Pictures for which a browser shows its sign of a damaged page."""


def paths() -> list[str]:
    entries = [page.navigation.address for page in PAGES.all().values() if page.navigation]
    return [*entries, *BEHIND]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with staging(tmp_path_factory.mktemp("node"), page_size=20) as stage:
        fill(stage)
        with serving_phantoms(stage, 832, 1024) as address:
            yield address


def fill(stage: Stage) -> None:
    """Half a year of a hospital, a morning of several rooms, predictions, and a PACS that does not answer."""
    hospital.fill(stage)
    now = datetime.now(UTC)
    of = [(verdict, finding) for verdict in (Verdict.REJECT, Verdict.REVIEW, Verdict.ACCEPT, Verdict.NOT_ASSESSED)
          for finding in (FindingName.CLIPPED_ANATOMY, FindingName.FOREIGN_OBJECT, FindingName.NOISE)]  # fmt: skip
    for number in range(101, 149):
        verdict, finding = of[number % len(of)]
        room = f"ROOM{number % 3 + 1}"
        _, digest = stage.add(number, verdict, finding, station=room, at=now - timedelta(minutes=2 * (number - 100)))
        if number < 104:  # the newest of each room were not decoded
            stage.services.objects.delete([preview_key(digest)])
    waits = (PendingCause(PendingReason.LOW_CONFIDENCE, "Low confidence: Pneumonia 0.74, below 0.80."),)
    predicted = Prediction("lungs-1.0.0", "ab" * 32, "Pneumonia", 0.74, {"Pneumonia": 0.74}, pending=waits)
    stage.add(150, Verdict.REVIEW, at=now, predictions=(predicted,))
    study, digest = stage.add(149, Verdict.NOT_ASSESSED, at=now)
    detail = "PACS@10.0.0.5:104 refuses the connection."
    since = now - timedelta(minutes=7)
    checked = now + timedelta(minutes=30)  # a process goes on checking while the pages are looked at
    failing = DestinationCheck("PACS", "a", "cstore", "PACS@10.0.0.5:104", False, False, detail, False, since, checked)
    book = SenderBook(stage.services.database)
    book.note("MODALITY", "10.0.0.7")
    book.write()
    sent = {"class": "1.2.840.10008.5.1.4.1.1.88.34", "destination": "PACS", "instance": LONG_UID, "kind": "SR"}
    with stage.services.database.begin() as transaction:
        worklist.flag(transaction, study, Verdict.NOT_ASSESSED, now)
        records.add(transaction, AuditEntry(AuditEvent.DELIVERED, now, study=LONG_UID, detail=sent))
        destination_checks.record(transaction, failing)
        assessment = instances.load_assessment(transaction, digest)
        assert assessment is not None
        ball = replace(assessment, phantom="Water phantom: round, uniform, of the density of water.")
        phantoms.record(transaction, instances.load(transaction, digest), ball, now)
        policy = read_policy(stage.services.settings.policy_file)
        limits = [own_limits.limit_for(FindingName("noise"), "", "", 0.3)]
        tried = own_limits.appraise(own_limits.newest_images(transaction, policy), limits, policy)
        site_limits.propose(transaction, tried, now)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("language", in_gate(["de", "en"], 1))  # German words are longer
def test_every_page_is_accessible_and_fits(browser: sync_api.Browser, address: str, language: str) -> None:
    wrong: list[str] = []
    with watched(browser, address, "light") as page:
        page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": address}])
        for path in paths():
            for width, height in (*SIZES, BETWEEN) if path in MOST_USED else SIZES:
                page.set_viewport_size({"width": width, "height": height})
                page.goto(path)
                assert page.locator("html").get_attribute("lang") == language
                if page.locator("[data-viewer]").count():
                    page.wait_for_selector("[data-ready]")
                wrong += [f"{path} at {width}: {one}" for one in sorted(outside(page, width))]
                wrong += [f"{path} at {width}: the browser cannot draw {one}" for one in page.evaluate(BROKEN)]
                for scheme in SCHEMES:
                    page.emulate_media(color_scheme=scheme)
                    wrong += [f"{path} at {width}, {scheme}: {fault}" for fault in faults(page)]
                    shoot(page, f"{language}-{width}{path.replace('/', '-').replace('?', '-')}")
    assert not wrong, "\n".join(wrong)


def outside(page: sync_api.Page, width: int) -> set[str]:
    """What does not fit: what scrolls sideways (on a phone, only the page), and fields and headings that end early."""
    sideways = ["scrolls sideways"] if page.evaluate("document.documentElement.scrollWidth") > width else []
    wide = page.evaluate(TOO_WIDE) if width == SIZES[0][0] else []
    return {*page.evaluate(CUT_OFF), *sideways, *wide}
