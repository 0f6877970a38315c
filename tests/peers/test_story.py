"""The whole story in a real browser: from the set-up link to the rejection note in a real Orthanc."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import dcmread

from demo.samples import make_samples
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.output import default_kinds
from miqa_node.core.settings import load_settings
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.features.worklist.rows import worklist
from miqa_node.interfaces.cli.app import run as miqa_node
from miqa_node.interfaces.web.set_up import set_up_link
from miqa_node.node import Node
from miqa_node.runtime.site_records import labels
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_selftest.radiographs import SampleImage
from tests.peers.orthanc import Orthanc
from tests.peers.validators import errors, missing_tools
from tests.waiting import wait_until
from tests.web.axe import faults

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
STORESCU = "/usr/bin/storescu"
SCREENSHOTS = os.environ.get("MIQA_TEST_SCREENSHOTS", "")
"""Folder that the documentation's pictures of the pages are written to; none are taken without it."""
PATIENCE_MS = 240_000
PASSWORD = "the lungs are all there"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.peers,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="chromium is not installed"),
    pytest.mark.skipif(not Path(STORESCU).exists(), reason="DCMTK is not installed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

OVERLAY = """async shown => {
    const viewer = document.querySelector('[data-viewer]').viewer;
    viewer.view.outlined = false;
    const box = document.querySelector('[data-overlay=foreign_object]');
    if (box.checked !== shown) box.click();
    await viewer.view.overlay('foreign_object', shown);
    while (shown && !viewer.view.overlays.get('foreign_object').map) await new Promise(go => setTimeout(go, 50));
    viewer.view.draw();
    const {canvas, place} = viewer.view;
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let text = '';
    for (let i = 0; i < data.length; i += 4) text += String.fromCharCode(Math.max(0, data[i] - data[i + 2]));
    return {width: canvas.width, height: canvas.height, place, red: btoa(text)};
}"""
"""How much redder than blue each pixel of the canvas is: gray pixels are not at all."""


@pytest.fixture
def node(tmp_path: Path, orthanc: Orthanc) -> Iterator[Node]:
    settings = load_settings(
        node={"data_dir": tmp_path / "node"},
        dicom={"port": 0, "host": "127.0.0.1"},
        web={"port": 0},
        deliver={"rejection_delay_s": 1.0},
    )
    archive = CStoreConfig(
        name="ORTHANC",
        ae_title="ORTHANC",
        host="127.0.0.1",
        port=orthanc.dicom_port,
        objects=(*default_kinds(), ResultKind("REJECTION")),
    )
    with Node(settings, [archive]) as node:
        yield node


@pytest.fixture
def page(node: Node) -> Iterator[Any]:
    address = f"http://localhost:{node.web_port}"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(base_url=address, viewport={"width": 1360, "height": 900})
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.set_default_navigation_timeout(PATIENCE_MS)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda question: None if question.url.startswith(address) else wrong.append(question.url))
        yield page
        browser.close()
    assert wrong == []


def test_from_the_set_up_link_to_the_rejection_in_the_archive(
    node: Node,
    page: Any,
    orthanc: Orthanc,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expect = sync_api.expect
    expect.set_options(timeout=PATIENCE_MS)
    clean, sample = chest_with_objects()

    # A new node: its set-up link makes the first account.
    page.goto(set_up_link(node.database, node.settings, node.role, node.web_port))
    page.get_by_label("Name").fill("mara")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Repeat").fill(PASSWORD)
    shoot(page, "welcome")
    assert faults(page) == []
    page.get_by_role("button", name="Create the account").click()
    expect(page.get_by_text("Nothing needs attention")).to_be_visible()
    page.get_by_role("link", name="mara").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Name").fill("mara")
    page.get_by_label("Password").fill(PASSWORD)
    shoot(page, "sign-in")
    assert faults(page) == []
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#live")).to_have_text("live")

    # While the page is open, a modality sends an image; the room sees it too.
    room = page.context.new_page()
    station = str(dcmread(io.BytesIO(sample.data), stop_before_pixels=True).StationName)
    room.goto(f"/rooms/{station}")
    expect(room.locator("[data-light=idle]")).to_be_visible()
    send(node, sample, tmp_path)
    expect(page.locator("[data-study]")).to_be_visible()
    expect(page.locator("[data-study]")).to_contain_text("Foreign object")
    expect(room.locator("[data-light=amber], [data-light=red]")).to_contain_text("Foreign object")
    assert faults(room) == []
    shoot(room, "room", phone=True)
    room.close()
    shoot(page, "worklist")
    assert faults(page) == []

    # By keyboard into the study.
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-ready]")
    assert page.title() == "CR · Chest · PA · miqa-node", "no name, no number"
    assert "9RG1" not in page.url
    expect(page.locator("[data-overlay]:checked")).to_have_count(0)
    shoot(page, "study")
    with_overlay = page.evaluate(OVERLAY, True)
    assert faults(page) == []
    without = page.evaluate(OVERLAY, False)
    lies_on_the_object(with_overlay, without, object_mask(clean, sample))

    # A second look, then the rejection.
    page.get_by_label("Comment").fill("necklace over the lungs")
    page.get_by_role("button", name="Reject…").click()
    expect(page.get_by_role("heading", name="What will happen")).to_be_visible()
    expect(page.get_by_label("ORTHANC")).to_be_checked()
    shoot(page, "reject")
    assert faults(page) == []
    page.get_by_role("button", name="Reject", exact=True).click()
    expect(page.locator(".state")).to_have_text("Resolved: rejected")

    # It is in the archive, in the analysis and in the export.
    note = wait_for_note(orthanc)
    assert note.ContentSequence
    assert sample.sop_instance_uid in str(note)
    assert "mara" in str(note)
    page.goto("/analysis")
    expect(page.locator("main")).to_contain_text("The reject rate is 100.0 %")
    expect(page.locator("main")).to_contain_text("1 of 1 images")
    capsys.readouterr()
    out = tmp_path / "labels"
    assert miqa_node(["labels", "export", str(out), "--images", "none", "--data-dir", str(tmp_path / "node")]) == 0
    exported = (out / "labels.csv").read_text("utf-8") + (out / "judgements.csv").read_text("utf-8")
    assert "foreign_object" in exported
    assert ",111215," in exported
    assert "mara" not in exported, "readers are pseudonyms in an export"
    assert "9RG1" not in exported


def test_a_wrong_dismissal_is_undone_and_the_archive_holds_the_right_decision(
    node: Node,
    page: Any,
    orthanc: Orthanc,
    tmp_path: Path,
) -> None:
    expect = sync_api.expect
    expect.set_options(timeout=PATIENCE_MS)
    _, sample = chest_with_objects()
    page.goto(set_up_link(node.database, node.settings, node.role, node.web_port))
    page.get_by_label("Name").fill("mara")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Repeat").fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    expect(page.get_by_text("Nothing needs attention")).to_be_visible()
    send(node, sample, tmp_path)
    page.get_by_role("link", name=re.compile("CR|DX")).click()
    page.wait_for_selector("[data-ready]")

    page.keyboard.press("d")  # a slip
    expect(page.locator(".state")).to_have_text("Resolved: dismissed")
    expect(page.locator(".toast")).to_contain_text("Dismissed.")
    assert faults(page) == []
    shoot(page, "undo")
    dismissed = wait_for(orthanc, "SR", "DEC_DISMISSED")
    wait_for(orthanc, "KO", "QI_WITHDRAWN")

    page.keyboard.press("u")
    expect(page.locator(".state")).not_to_contain_text("Resolved")
    reopened = wait_for(orthanc, "SR", "DEC_REOPENED")
    page.keyboard.press("t")
    expect(page.locator(".state")).to_have_text("Resolved: retake requested")
    right = wait_for(orthanc, "SR", "DEC_RETAKE")

    assert predecessor(reopened) == dismissed.SOPInstanceUID
    assert predecessor(right) == reopened.SOPInstanceUID
    assert "mara" in str(right)
    with node.database.begin() as transaction:
        [digest] = (image.digest for image in worklist.show(transaction, str(right.StudyInstanceUID)).images)
        [label] = labels.of_images(transaction, [InstanceDigest(digest)])
    assert (label.judgement.bad, label.judgement.actor) == (True, "mara")
    notes = documents(orthanc, "KO")
    assert sorted(note.ConceptNameCodeSequence[0].CodeValue for note in notes) == ["113010", "113010", "QI_WITHDRAWN"]
    if missing_tools():
        return
    for number, document in enumerate([*documents(orthanc, "SR"), *notes]):
        file = tmp_path / f"of-the-archive-{number}.dcm"
        document.save_as(file, enforce_file_format=True)
        assert errors(file) == []


def by_rest(node: Node, study: str, *words: str) -> None:
    action, *resolution = words
    body = {"actor": "mara", "comment": "a slip"} | ({"resolution": resolution[0]} if resolution else {})
    request = urllib.request.Request(
        f"http://127.0.0.1:{node.web_port}/api/v1/worklist/{study}/{action}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def by_command_line(node: Node, study: str, *words: str) -> None:
    action, *resolution = words
    of = ["--as", "mara", "--comment", "a slip", "--data-dir", str(node.settings.node.data_dir)]
    assert miqa_node(["worklist", action, study, *resolution, *of]) == 0


@pytest.mark.parametrize("say", [by_rest, by_command_line])
def test_the_last_word_is_in_the_archive_however_it_was_said(
    node: Node,
    orthanc: Orthanc,
    tmp_path: Path,
    say: Callable[..., None],
) -> None:
    _, sample = chest_with_objects()
    study = str(dcmread(io.BytesIO(sample.data), stop_before_pixels=True).StudyInstanceUID)
    send(node, sample, tmp_path)
    first = wait_for(orthanc, "KO", "113010")
    assert first.StudyInstanceUID == study

    say(node, study, "resolve", "dismissed")
    dismissed = wait_for(orthanc, "SR", "DEC_DISMISSED")
    wait_for(orthanc, "KO", "QI_WITHDRAWN")
    say(node, study, "reopen")
    reopened = wait_for(orthanc, "SR", "DEC_REOPENED")
    say(node, study, "resolve", "retaken")
    right = wait_for(orthanc, "SR", "DEC_RETAKE")

    assert predecessor(reopened) == dismissed.SOPInstanceUID
    assert predecessor(right) == reopened.SOPInstanceUID
    assert "mara" in str(right)
    with node.database.begin() as transaction:
        [digest] = (image.digest for image in worklist.show(transaction, study).images)
        [label] = labels.of_images(transaction, [InstanceDigest(digest)])
    assert (label.judgement.bad, label.judgement.actor) == (True, "mara")


def predecessor(report: Any) -> str:
    [series] = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    return str(series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def documents(orthanc: Orthanc, modality: str) -> list[Any]:
    """What Orthanc holds of a modality."""
    held = orthanc.call("/instances")
    those = (one for one in held if orthanc.call(f"/instances/{one}/simplified-tags").get("Modality") == modality)
    return [dcmread(io.BytesIO(orthanc.file(one))) for one in those]


def wait_for(orthanc: Orthanc, modality: str, code: str, limit_s: float = 240.0) -> Any:
    """The document with a code that arrived in Orthanc."""
    return wait_until(
        lambda: next((one for one in documents(orthanc, modality) if f'"{code}"' in one.to_json()), None),
        limit_s,
        f"a {modality} with {code} arrives",
        look_s=0.5,
    )


def chest_with_objects() -> tuple[SampleImage, SampleImage]:
    """The real chest, and the same with simulated objects on it."""
    samples = make_samples()
    return samples[0], next(one for one in samples if one.simulated == FindingName.FOREIGN_OBJECT)


def send(node: Node, sample: SampleImage, folder: Path) -> None:
    file = folder / "image.dcm"
    file.write_bytes(sample.data)
    address = ["-aec", node.settings.dicom.ae_title, "127.0.0.1", str(node.dicom_port)]
    subprocess.run([STORESCU, *address, str(file)], check=True, timeout=120)


def object_mask(clean: SampleImage, sample: SampleImage) -> np.ndarray:
    """Where the simulated objects lie: the pixels in which the two images differ."""

    def display(one: SampleImage) -> np.ndarray:
        file = Path(os.environ.get("TMPDIR", "/tmp")) / f"{one.sop_instance_uid}.dcm"
        file.write_bytes(one.data)
        try:
            return np.asarray(decode_frame(file, 0, 200_000_000).display, np.int32)
        finally:
            file.unlink()

    return np.asarray(np.abs(display(sample) - display(clean)) > 0.05 * 65535)


def lies_on_the_object(shown: dict[str, Any], hidden: dict[str, Any], mask: np.ndarray) -> None:
    """The overlay colours the canvas, most strongly on the object, and is gone when it is switched off."""
    import base64

    def red(red_values: dict[str, Any]) -> np.ndarray:
        data = np.frombuffer(base64.b64decode(red_values["red"]), np.uint8)
        return data.reshape(red_values["height"], red_values["width"]).astype(float)

    assert red(hidden).max() <= 1
    colour = red(shown)
    assert colour.max() > 60
    left, top, width, height = shown["place"]
    ys, xs = np.nonzero(colour > 0.7 * colour.max())
    rows = np.clip(((ys - top) / height * mask.shape[0]).astype(int), 0, mask.shape[0] - 1)
    columns = np.clip(((xs - left) / width * mask.shape[1]).astype(int), 0, mask.shape[1] - 1)
    objects = np.argwhere(mask)[:: max(1, int(mask.sum() // 4000))]
    nearest = [
        np.hypot(objects[:, 0] - r, objects[:, 1] - c).min() for r, c in zip(rows[::20], columns[::20], strict=True)
    ]
    # The map is coarse (a cell is about 3 % of the image): near is within two cells.
    assert np.mean(np.array(nearest) < 0.06 * max(mask.shape)) > 0.9


def wait_for_note(orthanc: Orthanc, limit_s: float = 120.0) -> Any:
    """The key object 113001 that arrived in Orthanc."""

    def note() -> Any:
        notes = documents(orthanc, "KO")
        return next((one for one in notes if one.ConceptNameCodeSequence[0].CodeValue == "113001"), None)

    return wait_until(note, limit_s, "a rejection note arrives", look_s=0.5)


def shoot(page: Any, name: str, *, phone: bool = False) -> None:
    if not SCREENSHOTS:
        return
    folder = Path(SCREENSHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    size = page.viewport_size
    if phone:
        page.set_viewport_size({"width": 390, "height": 780})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(300)
        page.screenshot(path=folder / f"{name}-{scheme}.jpg", type="jpeg", quality=82, full_page=not phone)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(size)
