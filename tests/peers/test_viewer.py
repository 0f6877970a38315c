"""The objects in the real OHIF viewer: the overlay lies where the finding is, and the report can be read.

Screenshots lie in the folder that MIQA_VIEWER_SCREENSHOTS names, else among pytest's temporary files.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.pixels
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from miqa_node.domain.delivery import ResultKind
from miqa_node.report import MadeObject
from tests.peers.viewer.stage import HERE, Viewer, missing, viewer
from tests.unit.report import making
from tests.unit.volume.flagged import flagged_series

pytestmark = [pytest.mark.peers, pytest.mark.browser]

SR_SERIES, SEG_SERIES, KOS_SERIES, SC_SERIES = 9901, 9902, 9903, 9905
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


def put(ohif: Viewer, folder: Path, sources: Path | Sequence[Path], made: Sequence[MadeObject]) -> str:
    """Store the images with their results; the UID of their study."""
    images = [sources] if isinstance(sources, Path) else sources
    files = [folder / f"{item.kind}.dcm" for item in made]
    for file, item in zip(files, made, strict=True):
        file.write_bytes(item.data)
    ohif.store(*images, *files)
    return str(pydicom.dcmread(images[0], stop_before_pixels=True).StudyInstanceUID)


def ours(made: Sequence[MadeObject]) -> list[dict[str, Any]]:
    """Number, label, size and centroid of each segment over all its frames, from our own file with pydicom."""
    seg = making.read(next(item for item in made if item.kind is ResultKind.SEG))
    described = []
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    numbers = [f.SegmentIdentificationSequence[0].ReferencedSegmentNumber for f in seg.PerFrameFunctionalGroupsSequence]
    for segment in seg.SegmentSequence:
        of_segment = [n == segment.SegmentNumber for n in numbers]
        _, rows, columns = np.nonzero(frames[of_segment])
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


def mirror(seg: Dataset) -> None:
    flipped = seg.pixel_array[..., ::-1]
    bits = np.packbits(flipped.ravel(), bitorder="little").tobytes()
    seg.PixelData = bits + b"\0" * (len(bits) % 2)


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

    source = SOURCES["dx"](tmp_path)
    made = making.flagged(source)
    mirrored = tuple(_changed(item, mirror) if item.kind is ResultKind.SEG else item for item in made)
    state = ohif.look(put(ohif, tmp_path, source, mirrored), SEG_SERIES, shots / "seg-mirrored.png")
    healthy(state)
    assert not same(state["segments"], ours(made))
    assert same(state["segments"], ours(mirrored))


@pytest.mark.parametrize("kind", ["chest", "dx", "mg"])
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


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_masks_and_report_of_a_series_lie_on_its_slices(
    modality: str, ohif: Viewer, shots: Path, tmp_path: Path
) -> None:
    made = flagged_series(tmp_path / "series", modality)
    study = put(ohif, tmp_path, sorted((tmp_path / "series").iterdir()), made)
    state = ohif.look(study, SEG_SERIES, shots / f"seg-{modality}.png")
    healthy(state)
    assert same(state["segments"], ours(made)), (state["segments"], ours(made))
    mirrored = tuple(_changed(item, mirror) if item.kind is ResultKind.SEG else item for item in made)
    assert not same(state["segments"], ours(mirrored))
    report = ohif.look(study, SR_SERIES, shots / f"sr-{modality}.png")
    healthy(report)
    assert re.search(r"Number of slices: 5", report["drawn"]), report["drawn"]


@pytest.mark.parametrize("kind", [*SOURCES, "CT", "MR"])
def test_the_picture_is_shown(kind: str, ohif: Viewer, shots: Path, tmp_path: Path) -> None:
    if kind in SOURCES:
        sources: Path | list[Path] = SOURCES[kind](tmp_path)
        made: Sequence[MadeObject] = making.flagged(sources, [ResultKind.SC], making.radiograph(sources))
    else:
        made = [item for item in flagged_series(tmp_path / "series", kind) if item.kind is ResultKind.SC]
        sources = sorted((tmp_path / "series").iterdir())
    state = ohif.look(put(ohif, tmp_path, sources, made), SC_SERIES, shots / f"sc-{kind}.png")
    healthy(state)
    picture = making.read(made[0])
    assert (state["picture"]["rows"], state["picture"]["columns"]) == (picture.Rows, picture.Columns)
    # The colours are those that we drew; a decoder that takes YCbCr for RGB would be far off.
    expected = pydicom.pixels.pixel_array(picture).reshape(-1, 3).mean(axis=0)
    assert state["picture"]["mean"] == pytest.approx(list(expected), abs=3)


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
