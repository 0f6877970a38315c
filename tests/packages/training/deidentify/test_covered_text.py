"""Text in the pixels is covered in the copy, whatever the pixels look like in the file; the original stays as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate_extended, generate_frames
from pydicom.pixels.utils import pack_bits
from pydicom.uid import ExplicitVRBigEndian, RLELossless
from typer.testing import CliRunner

from miqa_node.core.domain.pixel_text import TextKind, TextLine
from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.dicom.pixels.pixel_data import frames_of
from miqa_node.interfaces.cli.app import app
from miqa_node.runtime.workers.child import decode_here
from miqa_training.deidentify import files
from miqa_training.deidentify import pixels as text_module
from miqa_training.deidentify.dataset import DeidentificationMethod
from miqa_training.deidentify.files import ALLOWED, BURNED_IN, COVERED, FileOutcome, deidentify_files
from miqa_training.deidentify.pixels import PixelTools, cover, search
from miqa_training.deidentify.values import Secrets
from tests.stages.assess.text.test_find import Line, Reader
from tests.stages.assess.text.writing import LINES, MARKINGS, NAME, picture, write

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
METHOD = DeidentificationMethod(Secrets(b"a key of the test, 16 or more"))
LINE = TextLine(TextKind.NAME, 8, 6, 20, 8)


class Once(Reader):
    """Reads its lines in the first picture of each frame, and nothing once they are covered."""

    def __init__(self, *lines: Any) -> None:
        super().__init__(*lines)
        self.pictures: list[Any] = []

    def read(self, picture: Any, reduction: int = 1) -> Sequence[Any]:
        self.pictures.append(picture.copy())
        return [one for one in self.lines if picture[int(one.corners[0][1]), int(one.corners[0][0])].any()]


def with_reader(reader: Any) -> PixelTools:
    """Tools that decode in this process."""
    return PixelTools(partial(decode_here, max_pixels=1 << 24), uncompress, reader)


def done(source: Path, out: Path, reader: Any, **options: Any) -> FileOutcome:
    before = hashlib.sha256(source.read_bytes()).digest()
    (outcome,) = deidentify_files([(source, Path())], out, METHOD, tools=with_reader(reader), **options)
    assert hashlib.sha256(source.read_bytes()).digest() == before
    return outcome


@pytest.mark.parametrize(
    "name",
    ["examples_palette.dcm", "examples_rgb_color.dcm", "SC_rgb_rle_2frame.dcm", "SC_ybr_full_422_uncompressed.dcm",
     "SC_rgb_small_odd.dcm", "CT_small.dcm", "MR_small_RLE.dcm", "ExplVR_BigEnd.dcm", "JPEG2000.dcm",
     "SC_rgb_jpeg_dcmtk.dcm"],
)  # fmt: skip
def test_it_is_black_there_and_as_before_elsewhere(name: str) -> None:
    ds = pydicom.dcmread(PYDICOM_FILES / name)
    if ds.file_meta.TransferSyntaxUID.is_compressed:
        ds = pydicom.dcmread(BytesIO(uncompress((PYDICOM_FILES / name).read_bytes())))
    line = TextLine(TextKind.NAME, 1, 1, 2, 2) if min(ds.Rows, ds.Columns) < 40 else LINE
    before = pydicom.dcmread(PYDICOM_FILES / name).pixel_array
    cover(ds, [line])
    after = ds.pixel_array
    assert after.shape == before.shape
    frames = int(ds.get("NumberOfFrames") or 1)
    old, new = (one.reshape(frames, ds.Rows, ds.Columns, -1) for one in (before, after))
    outside = np.ones(old.shape[1:3], bool)
    outside[
        max(0, line.row - 2) : line.row + line.height + 2, max(0, line.column - 2) : line.column + line.width + 2
    ] = False
    assert np.array_equal(new[:, outside], old[:, outside])
    hidden = new[:, line.row : line.row + line.height, line.column : line.column + line.width]
    assert len(np.unique(hidden)) == 1
    if ds.PhotometricInterpretation in ("RGB", "MONOCHROME2"):
        assert hidden.max() == (0 if ds.PhotometricInterpretation == "RGB" else old.min())


def test_it_is_black_in_a_negative(tmp_path: Path) -> None:
    path = write(tmp_path / "image.dcm", 255 - picture(), PhotometricInterpretation="MONOCHROME1")
    ds = pydicom.dcmread(path)
    cover(ds, [LINE])
    assert ds.pixel_array[LINE.row, LINE.column] == ds.pixel_array.max()


def test_pixels_of_one_bit_stay_of_one_bit(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 2, (24, 32), np.uint8)
    ds = pydicom.dcmread(write(tmp_path / "image.dcm", pixels))
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit, ds.PixelData = 0, pack_bits(pixels.ravel())
    cover(ds, [TextLine(TextKind.NAME, 8, 6, 10, 4)])
    assert len(ds.PixelData) == 24 * 32 // 8
    assert not ds.pixel_array[6:10, 8:18].any()
    assert np.array_equal(ds.pixel_array[12:], pixels[12:])


@pytest.mark.parametrize("syntax", [RLELossless, ExplicitVRBigEndian])
def test_the_written_file_has_the_syntax_of_its_pixels(tmp_path: Path, syntax: str) -> None:
    name = "MR_small_RLE.dcm" if syntax == RLELossless else "ExplVR_BigEnd.dcm"
    outcome = done(PYDICOM_FILES / name, tmp_path, Once(Line("SECRETPERSON", (2, 2, 22, 10))))
    assert outcome.written is not None, outcome.reason
    written = pydicom.dcmread(outcome.written)
    assert written.file_meta.TransferSyntaxUID.is_compressed is False
    assert len(np.unique(written.pixel_array[3:9, 3:21])) == 1


def test_tables_of_compressed_frames_go_with_the_compression(tmp_path: Path) -> None:
    ds = pydicom.dcmread(PYDICOM_FILES / "MR_small_RLE.dcm")
    extended = encapsulate_extended(list(generate_frames(ds.PixelData, number_of_frames=1)))
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = extended
    ds.save_as(tmp_path / "image.dcm")
    outcome = done(tmp_path / "image.dcm", tmp_path / "out", Once(Line("SECRETPERSON", (2, 2, 22, 10))))
    assert outcome.written is not None, outcome.reason
    assert [element.keyword for element in pydicom.dcmread(outcome.written).group_dataset(0x7FE0)] == ["PixelData"]


def test_text_of_some_frames_is_covered_on_all(tmp_path: Path) -> None:
    frames = np.stack([np.dstack([picture(seed=n)] * 3) for n in range(6)])
    source = write(tmp_path / "cine.dcm", frames)
    reader = Once(Line("SECRETPERSON", (8, 6, 28, 14)))

    outcome = done(source, tmp_path / "out", reader)

    assert len(outcome.covered) == 1, "covered before the next frame is read"
    assert len(reader.pictures) == 2 * len(frames) + 1, "noise differs, so each frame is read, in two sizes"
    assert outcome.searched is not None
    assert (outcome.searched.read, outcome.searched.alike) == (len(frames), 0)
    assert outcome.written is not None
    assert not pydicom.dcmread(outcome.written).pixel_array[:, 6:14, 8:28].any()


def test_a_declared_text_that_was_found_is_written_with_a_warning(tmp_path: Path) -> None:
    source = write(tmp_path / "image.dcm", picture(), BurnedInAnnotation="YES")
    assert done(source, tmp_path / "none", Once()).written is None
    outcome = done(source, tmp_path / "out", Once(Line(NAME, (8, 6, 28, 14))))
    assert outcome.written is not None
    assert any("look at it" in one for one in outcome.warnings)
    assert NAME not in str(outcome)
    source = write(tmp_path / "face.dcm", picture(), RecognizableVisualFeatures="YES")
    assert done(source, tmp_path / "faces", Once(Line(NAME, (8, 6, 28, 14)))).written is None


def test_more_is_found_once_the_first_is_covered(tmp_path: Path) -> None:
    class Hidden(Once):
        def read(self, picture: Any, reduction: int = 1) -> Sequence[Any]:
            return super().read(picture, reduction)[:1]

    source = write(tmp_path / "image.dcm", picture())
    reader: Any = Hidden(Line(NAME, (8, 6, 28, 14)), Line("01.02.1934", (8, 40, 28, 48)))
    result = search(source, 1, with_reader(reader), reader)
    assert [line.kind for line in result.lines] == ["name", "date"]


def test_without_the_extra_it_says_what_adds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "can_read", lambda: False)
    source = write(tmp_path / "image.dcm", picture(*LINES))
    words = ["deidentify", str(source), str(tmp_path / "out"), "--key", str(tmp_path / "key")]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 1, ran.output
    assert "pip install 'rapidocr" in ran.output
    assert "1 images was not searched" in ran.output
    ran = CliRunner().invoke(app, [*words, "--no-text"])
    assert (ran.exit_code, "pip install" in ran.output) == (0, False)


def test_pixels_that_nobody_can_decode_are_pointed_out(tmp_path: Path) -> None:
    outcome = done(PYDICOM_FILES / "JPEG2000-embedded-sequence-delimiter.dcm", tmp_path / "out", Once())
    assert outcome.written is not None
    assert any("cannot be decoded" in one for one in outcome.warnings)


def test_burned_in_text_that_was_covered_is_said_to_be(tmp_path: Path) -> None:
    """The copy was written with "clean them first, or allow it", as if nothing had been done."""
    source = write(tmp_path / "image.dcm", picture(*LINES))
    ds = pydicom.dcmread(source)
    ds.BurnedInAnnotation = "YES"
    ds.save_as(source)

    covered = done(source, tmp_path / "out", Once(Line("SECRETPERSON", (8, 6, 28, 14))))
    assert covered.written is not None
    assert COVERED in covered.warnings
    assert not any("clean them first" in one for one in covered.warnings)

    refused = done(source, tmp_path / "out", Once())
    assert (refused.written, refused.reason) == (None, BURNED_IN)
    allowed = done(source, tmp_path / "out", Once(), allow_burned_in=True)
    assert allowed.written is not None
    assert ALLOWED in allowed.warnings


def test_what_cannot_be_covered_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_FILE_BYTES", 300_000)
    source = write(tmp_path / "cine.dcm", np.full((12, 128, 128, 3), 200, np.uint8))
    compressed = pydicom.dcmread(source)
    compressed.compress(RLELossless)
    compressed.save_as(source)
    outcome = done(source, tmp_path / "out", Once(Line("SECRETPERSON", (8, 6, 28, 14))))
    assert outcome.written is None
    assert "to be covered" in outcome.reason


@pytest.mark.more
def test_rendered_text_is_gone_and_markings_stay(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="the extra [text] is not installed")
    drawn = picture(*LINES, *MARKINGS)
    source = write(tmp_path / "image.dcm", drawn)

    words = ["deidentify", str(source), str(tmp_path / "out"), "--key", str(tmp_path / "key"), "--json"]
    ran = CliRunner().invoke(app, words)

    assert ran.exit_code == 0, ran.output
    document = json.loads(ran.stdout)
    assert sorted(line["kind"] for line in document["covered"][0]["lines"]) == ["date", "name", "number"]
    assert "MUSTERMANN" not in ran.output
    (file,) = (tmp_path / "out").glob("*.dcm")
    pixels = pydicom.dcmread(file).pixel_array
    for _, column, row in LINES:
        assert pixels[row + 4 : row + 24, column : column + 60].max() <= drawn.min()
    for _, column, row in MARKINGS:
        part = slice(row, row + 24), slice(column, column + 40)
        assert np.array_equal(pixels[part], drawn[part])


@pytest.mark.more
def test_an_image_without_text_keeps_its_code_stream(tmp_path: Path) -> None:
    source = PYDICOM_FILES / "examples_ybr_color.dcm"  # JPEG
    outcome = done(source, tmp_path, Once())
    assert outcome.written is not None
    assert outcome.covered == ()
    written, original = (frames_of(pydicom.dcmread(path)) for path in (outcome.written, source))
    assert [coded(frame) for frame in written] == [coded(frame) for frame in original]


def coded(frame: bytes) -> bytes:
    """What a JPEG has from its scan on."""
    return frame[frame.index(b"\xff\xda") :].rstrip(b"\0")
