"""PNG and JPEG files become display-ready images; what they are not is said."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from miqa_node.core.domain.instance import Header, is_uid
from miqa_node.dicom.pixels import picture
from miqa_node.dicom.pixels.picture import is_picture, read_picture
from miqa_node.dicom.pixels.preview import preview_png
from miqa_node.errors import DataSetError, DecodeError
from miqa_node.stages.units.kinds import is_projection
from tests.pictures import picture_pixels
from tests.stages.measure.phantoms import chest, radiograph


def read(path: Path) -> tuple[Header, np.ndarray, np.ndarray]:
    header, image = read_picture(path, modality="DX", body_part="chest", view="pa")
    assert image.display.dtype == np.uint16
    assert image.display.shape == image.stored.shape == (header.rows, header.columns)
    return header, image.stored, image.display


def test_8_bit_gray_fills_the_display(tmp_path: Path) -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(gray).save(tmp_path / "a.png")
    header, stored, display = read(tmp_path / "a.png")
    assert np.array_equal(stored, gray)
    assert np.array_equal(display, gray.astype(np.uint16) * 257)
    assert (header.modality, header.body_part_examined, header.view_position) == ("DX", "CHEST", "PA")
    assert header.photometric_interpretation == "MONOCHROME2"
    assert is_projection(header)


def test_16_bit_gray_is_kept(tmp_path: Path) -> None:
    gray = (np.arange(4096, dtype=np.uint16) * 16).reshape(64, 64)
    cv2.imwrite(str(tmp_path / "a.png"), gray)
    header, stored, display = read(tmp_path / "a.png")
    assert np.array_equal(stored, gray)
    assert np.array_equal(display, gray)
    assert header.bits_stored == 16


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_colour_becomes_luminance(tmp_path: Path, depth: type[np.unsignedinteger]) -> None:
    highest = np.iinfo(depth).max
    rgb = np.random.default_rng(1).integers(0, highest + 1, (32, 32, 3)).astype(depth)
    cv2.imwrite(str(tmp_path / "a.png"), rgb[..., ::-1])
    _, _, display = read(tmp_path / "a.png")
    expected = rgb.astype(np.float64) @ [0.299, 0.587, 0.114] / highest
    assert np.abs(display / 65535 - expected).max() < 1.5 / highest + 1e-4
    _, radiograph = read_picture(tmp_path / "a.png", modality="DX", body_part="", view="")
    assert radiograph.colour is not None
    assert np.array_equal(radiograph.colour, rgb.astype(np.uint16) * (65535 // highest))


def test_transparency_lies_on_black(tmp_path: Path) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[..., :3], rgba[:, :4, 3] = 200, 255
    Image.fromarray(rgba).save(tmp_path / "a.png")
    _, _, display = read(tmp_path / "a.png")
    assert not display[:, 4:].any()
    assert (display[:, :4] == 200 * 257).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_viewers_turn_it(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    deep = np.arange(6 * 4, dtype=np.uint16).reshape(6, 4) * 2000
    for name, image in (
        ("a.jpg", Image.fromarray((deep >> 8).astype(np.uint8)).resize((32, 48))),
        ("b.png", Image.fromarray((deep >> 8).astype(np.uint8)).convert("RGB")),
        ("c.png", Image.fromarray(deep)),
    ):
        image.save(tmp_path / name, exif=exif.tobytes())
        shown = ImageOps.exif_transpose(Image.open(tmp_path / name))
        stored = read(tmp_path / name)[1]
        assert np.array_equal(stored, np.asarray(shown if image.mode != "RGB" else shown.convert("L")))


def test_damaged_exif_data_damage_no_picture(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read(tmp_path / "a.jpg")[1].shape == (8, 8)


def test_jpeg_palette_and_bilevel_are_read(tmp_path: Path) -> None:
    gray = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    Image.fromarray(gray).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(read(tmp_path / "a.jpg")[1].astype(int) - gray).max() < 8
    Image.fromarray(gray).convert("P").save(tmp_path / "p.png")
    assert np.abs(read(tmp_path / "p.png")[1].astype(int) - gray).max() <= 1
    Image.fromarray(gray > 100).save(tmp_path / "b.png")
    assert set(np.unique(read(tmp_path / "b.png")[1])) == {0, 255}


def test_uids_follow_from_the_bytes(tmp_path: Path) -> None:
    gray = np.random.default_rng(2).integers(0, 256, (16, 16)).astype(np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(gray).save(tmp_path / name)
    Image.fromarray(255 - gray).save(tmp_path / "c.png")
    first, same, other = (read(tmp_path / name)[0] for name in ("a.png", "b.png", "c.png"))
    uids = [first.sop_instance_uid, first.series_instance_uid, first.study_instance_uid]
    assert all(is_uid(uid) and uid.startswith("2.25.") for uid in uids)
    assert len(set(uids)) == 3
    assert same.sop_instance_uid == first.sop_instance_uid
    assert other.sop_instance_uid != first.sop_instance_uid


def test_what_is_no_picture_is_refused(tmp_path: Path, samples: Path) -> None:
    (tmp_path / "a.png").write_text("<html></html>")
    with pytest.raises(DataSetError, match="Neither DICOM nor PNG nor JPEG"):
        read(tmp_path / "a.png")
    with pytest.raises(DataSetError):
        read(samples / "MR2_UNCR.dcm")
    assert not is_picture(tmp_path / "a.png")
    assert not is_picture(samples / "MR2_UNCR.dcm")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_cut_off_pictures_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (64, 64)).astype(np.uint8)).save(path)
    assert is_picture(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(DecodeError, match="Export it again"):
        read(path)


def test_limits_of_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setattr(picture, "MAX_PICTURE_PIXELS", 4095)
    with pytest.raises(DecodeError, match="64 × 64 pixels"):
        read(tmp_path / "a.png")
    monkeypatch.setattr(picture, "MAX_FILE_BYTES", 10)
    with pytest.raises(DecodeError, match="larger than"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((400, 200), (100, 50)), ((200, 400), (50, 100)), ((40, 30), (40, 30)), ((1000, 1), (100, 1))],
)
def test_previews_fit_and_keep_their_proportion(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    png = preview_png(radiograph(chest(*shape)), 100)
    decoded = picture_pixels(png)
    assert decoded.shape == expected
    assert decoded.dtype == np.uint8


def test_previews_are_averages_of_the_display() -> None:
    image = radiograph(chest())
    decoded = picture_pixels(preview_png(image, 64))
    assert decoded.mean() == pytest.approx(image.display.mean() / 257, abs=1.0)
