"""The objects in the real OHIF viewer: the overlay lies where the finding is, and the report can be read.

Screenshots lie in the folder that MIQA_VIEWER_SCREENSHOTS names, else among pytest's temporary files.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from miqa_node.domain.delivery import ResultKind
from miqa_node.report import MadeObject
from tests.peers.viewer.stage import HERE, Viewer, missing, viewer
from tests.unit.report import making

pytestmark = [pytest.mark.peers, pytest.mark.browser]

SR_SERIES, SEG_SERIES, KOS_SERIES = 9901, 9902, 9903
SETUP_S = 300.0


@pytest.fixture(scope="module")
def ohif(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    if lacking := missing():
        message = f"not installed: {', '.join(lacking)}"
        pytest.fail(message) if os.environ.get("MIQA_TEST_REQUIRE_PEERS") else pytest.skip(message)
    setup = subprocess.run([HERE / "setup.sh"], capture_output=True, text=True, timeout=SETUP_S, check=False)
    if setup.returncode != 0:
        message = f"the viewer cannot be fetched: {setup.stderr.strip()[-300:]}"
        pytest.fail(message) if os.environ.get("MIQA_TEST_REQUIRE_PEERS") else pytest.skip(message)
    with viewer(Path(setup.stdout.split()[-1]), tmp_path_factory.mktemp("pacs")) as running:
        yield running


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("MIQA_VIEWER_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def put(ohif: Viewer, folder: Path, source: Path, made: tuple[MadeObject, ...]) -> str:
    """Store the image with its results; the UID of their study."""
    files = [folder / f"{item.kind}.dcm" for item in made]
    for file, item in zip(files, made, strict=True):
        file.write_bytes(item.data)
    ohif.store(source, *files)
    return str(pydicom.dcmread(source, stop_before_pixels=True).StudyInstanceUID)


def ours(made: tuple[MadeObject, ...]) -> list[dict[str, Any]]:
    """Number, label, size and centroid of each segment, from our own file with pydicom."""
    seg = making.read(next(item for item in made if item.kind is ResultKind.SEG))
    described = []
    for segment, frame in zip(seg.SegmentSequence, seg.pixel_array, strict=True):
        rows, columns = np.nonzero(frame)
        described.append(
            {
                "number": segment.SegmentNumber,
                "label": segment.SegmentLabel,
                "pixels": len(rows),
                "row": rows.mean(),
                "column": columns.mean(),
            }
        )
    return described


def same(seen: list[dict[str, Any]], expected: list[dict[str, Any]]) -> bool:
    """Whether the viewer holds these segments; centroids to a tenth of a pixel."""
    return len(seen) == len(expected) and all(
        (s["number"], s["label"], s["pixels"]) == (e["number"], e["label"], e["pixels"])
        and (s["row"], s["column"]) == pytest.approx((e["row"], e["column"]), abs=0.1)
        for s, e in zip(sorted(seen, key=lambda s: s["number"]), expected, strict=True)
    )


def healthy(state: dict[str, Any]) -> None:
    assert state["crashed"] is False, state["errors"]
    assert state["outside"] == []
    assert state["shown"] is True, state


SOURCES: dict[str, Callable[[Path], Path]] = {
    "chest": lambda _: making.CHEST,
    "extremity": lambda _: making.EXTREMITY,
    "dx": lambda folder: making.write(making.small(700, 500), folder / "source.dcm", making.as_dx),
    "mg": lambda folder: making.write(making.small(700, 500), folder / "source.dcm", making.as_mg),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_the_segmentation_lies_where_we_say(kind: str, ohif: Viewer, shots: Path, tmp_path: Path) -> None:
    source = SOURCES[kind](tmp_path)
    made = making.flagged(source)
    state = ohif.look(put(ohif, tmp_path, source, made), SEG_SERIES, shots / f"seg-{kind}.png")
    healthy(state)
    assert same(state["segments"], ours(made)), (state["segments"], ours(made))


def test_a_mirrored_segmentation_is_noticed(ohif: Viewer, shots: Path, tmp_path: Path) -> None:
    """Control: what the check would say if the overlay lay on the wrong side."""

    def mirror(seg: Dataset) -> None:
        flipped = seg.pixel_array[:, :, ::-1]
        bits = np.packbits(flipped.ravel(), bitorder="little").tobytes()
        seg.PixelData = bits + b"\0" * (len(bits) % 2)

    source = SOURCES["dx"](tmp_path)
    made = making.flagged(source)
    mirrored = tuple(_changed(item, mirror) if item.kind is ResultKind.SEG else item for item in made)
    state = ohif.look(put(ohif, tmp_path, source, mirrored), SEG_SERIES, shots / "seg-mirrored.png")
    healthy(state)
    assert not same(state["segments"], ours(made))
    assert same(state["segments"], ours(mirrored))


@pytest.mark.parametrize("kind", ["chest", "mg"])
def test_the_report_can_be_read_on_the_image(kind: str, ohif: Viewer, shots: Path, tmp_path: Path) -> None:
    source = SOURCES[kind](tmp_path)
    state = ohif.look(put(ohif, tmp_path, source, making.flagged(source)), SR_SERIES, shots / f"sr-{kind}.png")
    healthy(state)
    first = {labels[0].split("=")[0] for labels in state["labels"]}
    assert first == {
        "Image Quality Rating",
        "Certainty of foreign object",
        "Certainty of motion blur",
        "Certainty of clipped anatomy",
    }
    for line in ("Certainty of foreign object: 93.00 %", "Severity: 62.00 %", "Exposure Index: 412.00"):
        assert line in state["drawn"]
    assert re.search(r"Image Quality Rating: \d", state["drawn"])


def test_the_key_object_does_no_harm(ohif: Viewer, shots: Path, tmp_path: Path) -> None:
    """OHIF does not show key objects; it says so and goes on."""
    source = SOURCES["dx"](tmp_path)
    state = ohif.look(put(ohif, tmp_path, source, making.flagged(source)), KOS_SERIES, shots / "kos.png")
    assert state["crashed"] is False
    assert state["outside"] == []
    assert sorted(state["displaySets"]) == ["DX", "KO", "SEG", "SR"]


def _changed(item: MadeObject, change: Callable[[Dataset], None]) -> MadeObject:
    dataset = making.read(item)
    change(dataset)
    out = DicomBytesIO()
    dataset.save_as(out)
    return MadeObject(item.kind, item.sop_class_uid, item.sop_instance_uid, out.getvalue())
