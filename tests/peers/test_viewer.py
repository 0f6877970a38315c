"""The objects in the real OHIF viewer: masks lie where we say, reports can be read, pictures look as we drew them.

Screenshots lie in the folder that MIQA_VIEWER_SCREENSHOTS names, else among pytest's temporary files.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from demo.samples import make_samples
from demo.viewer.archive import Archive, archive
from demo.viewer.package import viewer_files
from demo.viewer.site import site
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.worklist import Resolution
from miqa_node.errors import MiqaError
from miqa_node.stages.report.made import MadeObject
from tests.conftest import free_port
from tests.peers.sources import as_bytes
from tests.quick import in_gate
from tests.stages.report import making
from tests.stages.report.flagged import flagged_series
from tests.stages.report.reviewed import amended, review

if TYPE_CHECKING:
    from playwright import sync_api
else:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from tests.peers.look import NOTHING_OUTSIDE, WEBGL_WITHOUT_A_CARD, Looker, drawn, looking, placed

CHROMIUM = Path("/usr/bin/chromium")
SR, SEG, KOS, SC, MIRRORED, NOISE_MAP = 9901, 9902, 9903, 9905, 9912, 9914
SHOWN_KINDS = (ResultKind("SR"), ResultKind("SEG"), ResultKind("KOS"), ResultKind("SC"), ResultKind("NOISE_MAP"))

pytestmark = [
    pytest.mark.peers,
    pytest.mark.browser,
    # Playwright's driver leaves its event loop to the interpreter when it ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@dataclass(frozen=True)
class Study:
    """A source with its results, open in the viewer."""

    name: str
    made: dict[ResultKind, FileDataset]
    mirrored: FileDataset
    looker: Looker
    shots: Path

    def show(self, series_number: int, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        state = self.looker.show(series_number, until)
        self.looker.page.screenshot(path=self.shots / f"{self.name}-{series_number}.png")
        assert not self.looker.crashed, self.looker.errors
        assert self.looker.errors == []
        assert self.looker.outside == []
        assert until(state), {**state, "canvas": None}
        return state


Make = Callable[[Path], tuple[Sequence[Path], Sequence[MadeObject]]]


def radiograph(make: Callable[[Path], Path], blurred: tuple[float, float] = (0.65, 0.25)) -> Make:
    """One image with three defects, two of which have a place."""

    def made(folder: Path) -> tuple[list[Path], Sequence[MadeObject]]:
        source = make(folder / "source.dcm")
        return [source], making.flagged(source, SHOWN_KINDS, making.radiograph(source), blurred)

    return made


def series(modality: str) -> Make:
    """A CT with metal on the second and fourth of its slices, an MR that folds over."""

    def made(folder: Path) -> tuple[list[Path], Sequence[MadeObject]]:
        objects = flagged_series(folder / "series", modality)
        return sorted((folder / "series").iterdir()), [item for item in objects if item.kind in SHOWN_KINDS]

    return made


SOURCES: dict[str, Make] = {
    "CR-chest": radiograph(lambda _: making.CHEST),
    "DX": radiograph(lambda file: making.write(making.small(700, 500), file, making.as_dx)),
    # Two masks that overlap.
    "MG": radiograph(lambda file: making.write(making.small(700, 500), file, making.as_mg), blurred=(0.35, 0.75)),
    "CT": series("CT"),
    "CR-extremity": radiograph(lambda _: making.EXTREMITY),
    "MR": series("MR"),
}


@pytest.fixture(scope="module")
def images_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    if not CHROMIUM.exists():
        give_up("chromium is not installed")
    try:
        with archive(tmp_path_factory.mktemp("archive"), free_port()) as running:
            yield running
    except MiqaError as error:
        give_up(str(error))


@pytest.fixture(scope="module")
def address(images_archive: Archive) -> Iterator[str]:
    try:
        files = viewer_files()
    except MiqaError as error:
        give_up(str(error))
    with site(files, images_archive.port) as running:
        yield running


def give_up(why: str) -> None:
    pytest.fail(why) if os.environ.get("MIQA_TEST_REQUIRE_PEERS") else pytest.skip(why)


# For this module only: while Playwright runs, its event loop is this thread's, and no other test could run one.
@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.BrowserContext]:
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", NOTHING_OUTSIDE, *WEBGL_WITHOUT_A_CARD]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser.new_context(viewport={"width": 1400, "height": 900})
        browser.close()


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("MIQA_VIEWER_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module", params=in_gate(SOURCES, 2))
def study(
    request: pytest.FixtureRequest,
    images_archive: Archive,
    address: str,
    browser: sync_api.BrowserContext,
    shots: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Study]:
    images, made = SOURCES[request.param](tmp_path_factory.mktemp(request.param))
    objects = {item.kind: making.read(item) for item in made}
    mirrored = mirror(making.read(next(item for item in made if item.kind == ResultKind("SEG"))))
    images_archive.clear()
    for data in [*(image.read_bytes() for image in images), *(item.data for item in made), as_bytes(mirrored)]:
        images_archive.store(data)
    with looking(browser, address, str(objects[ResultKind("SR")].StudyInstanceUID)) as looker:
        yield Study(request.param, objects, mirrored, looker, shots)


def test_the_report_can_be_read_on_the_image(study: Study) -> None:
    state = study.show(SR, lambda state: bool(state["labels"]) and name(state["labels"][0][0]) in state["drawn"])
    groups = measurement_groups(study.made[ResultKind("SR")])
    assert sorted(state["labels"]) == sorted(lines(group) for group in groups)
    for first, *_more in state["labels"]:
        assert " ".join(first.replace("=", ": ").split()) in state["drawn"]
    places = [place for group in groups for place in outlines(group)]
    assert state["image"] in {image for image, _ in places}
    drawn_points = [(outline["image"], points) for outline in state["outlines"] for points in outline["points"]]
    assert len(drawn_points) >= len(groups)
    for image, points in drawn_points:
        assert any(image == of and near(points, expected) for of, expected in places)


def test_the_masks_lie_where_we_say(study: Study) -> None:
    state = study.show(SEG, lambda state: len(state["masks"]) > 0 and state["canvas"] is not None)
    seg = study.made[ResultKind("SEG")]
    assert state["segments"] == [[one.SegmentNumber, one.SegmentLabel] for one in seg.SegmentSequence]
    assert same(state["masks"], ours(seg)), (state["masks"], ours(seg))
    # What a person sees: the colour lies on that part of the image, and not on the other side.
    assert overlap(state, seg) > 0.8
    assert overlap(state, study.mirrored) < 0.5


def test_mirrored_masks_are_noticed(study: Study) -> None:
    """Control: what the test above would say if the viewer showed them on the wrong side."""
    state = study.show(MIRRORED, lambda state: len(state["masks"]) > 0 and state["canvas"] is not None)
    seg = study.made[ResultKind("SEG")]
    assert not same(state["masks"], ours(seg))
    assert overlap(state, seg) < 0.5
    assert same(state["masks"], ours(study.mirrored))
    assert overlap(state, study.mirrored) > 0.8


def test_the_picture_looks_as_we_drew_it(study: Study) -> None:
    state = study.show(SC, lambda state: state["series"] == [SC] and state["canvas"] is not None)
    ours = pixel_array(study.made[ResultKind("SC")])
    drawn_picture = drawn(state["canvas"]).astype(float)

    def difference(picture: NDArray[np.uint8]) -> float:
        expected = placed(picture, state["canvas"])
        inside = expected.min(axis=-1) >= 0
        return float(np.abs(drawn_picture - expected)[inside].mean())

    assert difference(ours) < 8
    assert difference(ours[:, ::-1]) > 2 * difference(ours)
    assert difference(ours[..., ::-1]) > difference(ours)


def test_the_key_object_does_no_harm(study: Study) -> None:
    """OHIF does not show key objects; it says so and goes on."""
    state = study.show(KOS, lambda state: state["series"] != [])
    assert {"KO", "SEG", "SR", "OT"} <= set(state["modalities"])


REFUSALS = ("Only works with 32 bit data", "different geometry dimensions")


def test_the_noise_map_is_refused_for_its_blocks(study: Study) -> None:
    """OHIF lays Parametric Maps of 32 bits over volumes of as many rows and columns, and says so instead of others.

    The tests above show that the other series of the study open beside it. Last here, since the page is lost then.
    """
    has_map = ResultKind("NOISE_MAP") in study.made
    assert has_map == (study.name == "CT"), "only a CT series has one"
    if not has_map:
        return
    study.looker.show(NOISE_MAP, lambda _: bool(study.looker.errors))
    assert any(one in error for one in REFUSALS for error in study.looker.errors)
    assert study.looker.outside == []


IS_READABLE = """(element, start) => { const range = document.createRange();
    range.setStart(element.firstChild, 0); range.setEnd(element.firstChild, start.length);
    return range.getBoundingClientRect().right < element.getBoundingClientRect().right - 8; }"""
"""Whether the start of a text lies within its element."""


def test_the_last_word_of_a_person_stands_in_the_list_of_series(
    images_archive: Archive, address: str, browser: sync_api.BrowserContext, shots: Path, tmp_path: Path
) -> None:
    """OHIF shows only the numbers of a report, so the series of an amended report is named after the decision."""
    report, *_ = amended(making.CHEST, review(Resolution.DISMISSED), tmp_path)
    images_archive.clear()
    for data in (
        making.CHEST.read_bytes(),
        *(file.read_bytes() for file in tmp_path.glob("before-SR.dcm")),
        report.data,
    ):
        images_archive.store(data)
    with looking(browser, address, str(making.read(report).StudyInstanceUID)) as looker:
        series = looker.page.locator('[data-cy^="study-browser-thumbnail"]')
        decided = series.get_by_text("Decision: dismissed (image quality)")
        sync_api.expect(decided).to_be_visible()
        assert decided.evaluate(IS_READABLE, "Decision: dismissed"), "the panel cuts long descriptions off"
        sync_api.expect(series.filter(has_text="Image quality report")).to_be_visible()
        looker.page.screenshot(path=shots / "decided.png")


def test_make_viewer_serves_the_results_of_the_demonstration(address: str, tmp_path: Path) -> None:
    """As the target starts it; ``address`` says that all it needs is here."""
    sample = make_samples()[0]
    source = tmp_path / "source.dcm"
    source.write_bytes(sample.data)
    (tmp_path / "pacs").mkdir()
    for item in making.flagged(source):
        (tmp_path / "pacs" / f"{item.kind}.dcm").write_bytes(item.data)
    command = [sys.executable, "-m", "demo.viewer", "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [next(process.stdout) for _ in range(3)]
            (shown,) = re.findall(r"http://127\.0\.0\.1:\d+", lines[0])
            with urllib.request.urlopen(f"{shown}/dicom-web/studies", timeout=30) as response:
                studies = {study["0020000D"]["Value"][0]: study["00080061"]["Value"] for study in json.load(response)}
            assert len(studies) == len({one.study_instance_uid for one in make_samples()})
            assert sorted(studies[sample.study_instance_uid]) == ["CR", "KO", "SEG", "SR"]
            with urllib.request.urlopen(f"{shown}/", timeout=30) as response:
                assert b"ohif" in response.read().lower()
            assert f"MIQA_WEB__VIEWER_URL='{shown}/viewer?StudyInstanceUIDs={{study_uid}}' make run" in lines[1]
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def ours(seg: Dataset) -> list[dict[str, Any]]:
    """Source, size and centroid of each frame that is not empty, from our own file with pydicom."""
    matches, shared = [], seg.SharedFunctionalGroupsSequence[0]
    for frame, groups in zip(frames(seg), seg.PerFrameFunctionalGroupsSequence, strict=True):
        rows, columns = np.nonzero(frame)
        if len(rows):
            source = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
            holder = groups if "SegmentIdentificationSequence" in groups else shared  # all of one
            segment = holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            place = {"row": rows.mean(), "column": columns.mean()}
            matches.append({"segment": segment, "image": source, "pixels": len(rows), **place})
    return matches


def same(outlines: list[dict[str, Any]], expected: list[dict[str, Any]]) -> bool:
    """Whether the viewer holds these masks on these images; centroids to a tenth of a pixel."""

    def order(mask: dict[str, Any]) -> tuple[int, str]:
        return mask["segment"], mask["image"]

    return len(outlines) == len(expected) and all(
        (order(s), s["pixels"]) == (order(e), e["pixels"])
        and (s["row"], s["column"]) == pytest.approx((e["row"], e["column"]), abs=0.1)
        for s, e in zip(sorted(outlines, key=order), sorted(expected, key=order), strict=True)
    )


def overlap(state: dict[str, Any], seg: Dataset) -> float:
    """Intersection over union of what is coloured on the canvas and of the masks of the image that is shown."""
    sources = [
        groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for groups in seg.PerFrameFunctionalGroupsSequence
    ]
    shown = frames(seg)[[source == state["image"] for source in sources]].any(axis=0)
    expected = placed(np.asarray(shown), state["canvas"]) > 0.5
    coloured = np.ptp(drawn(state["canvas"]).astype(int), axis=-1) > 20
    return float((coloured & expected).sum() / (coloured | expected).sum())


def frames(seg: Dataset) -> NDArray[np.uint8]:
    """The masks, (frames, rows, columns)."""
    return np.asarray(seg.pixel_array.reshape(-1, seg.Rows, seg.Columns))


def mirror(seg: FileDataset) -> FileDataset:
    """The same masks on the other side, in a series of their own."""
    flipped = frames(seg)[..., ::-1]
    bits = np.packbits(flipped.ravel(), bitorder="little").tobytes()
    seg.PixelData = bits + b"\0" * (len(bits) % 2)
    seg.SeriesNumber, seg.SeriesInstanceUID = MIRRORED, f"{seg.SeriesInstanceUID}.9"
    seg.SOPInstanceUID = seg.file_meta.MediaStorageSOPInstanceUID = UID(f"{seg.SOPInstanceUID}.9")
    return seg


def measurement_groups(report: Dataset) -> list[Dataset]:
    """The groups of TID 1410 and 1501."""
    groups = [report] if report.ConceptNameCodeSequence[0].CodeValue == "125007" else []
    return groups + [
        group
        for item in report.get("ContentSequence", ())
        if item.ValueType == "CONTAINER"
        for group in measurement_groups(item)
    ]


def lines(group: Dataset) -> list[str]:
    """The measurements of a group as OHIF 3.12 writes them: two decimals, and nothing at all for a zero."""
    lines = []
    for item in group.ContentSequence:
        if item.ValueType == "NUM":
            measured = item.MeasuredValueSequence[0]
            value = Decimal(float(measured.NumericValue)).quantize(Decimal("0.01"), ROUND_HALF_UP)
            unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
            lines.append(
                f"{item.ConceptNameCodeSequence[0].CodeMeaning}={value if measured.NumericValue else ''} {unit}"
            )
    return lines


def near(points: Sequence[Sequence[float]], expected: NDArray[np.float64]) -> bool:
    """Whether an outline is the same to half a pixel."""
    return np.shape(points) == expected.shape and bool(np.abs(np.asarray(points) - expected).max() < 0.6)


def name(line: str) -> str:
    return line.partition("=")[0]


def outlines(item: Dataset) -> list[tuple[str, NDArray[np.float64]]]:
    """Image and points, column and row, of every SCOORD below."""
    shapes = []
    if item.get("ValueType") == "SCOORD":
        image = item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        shapes.append((image, np.reshape(item.GraphicData, (-1, 2)).astype(float)))
    return shapes + [place for child in item.get("ContentSequence", ()) for place in outlines(child)]
