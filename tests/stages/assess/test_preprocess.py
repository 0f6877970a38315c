"""From display pixels to a model's two inputs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from miqa_node.stages.assess.preprocess import (
    MAX_SIDE_PX,
    Crops,
    GlobalView,
    Normalise,
    Preprocess,
    TwoBranchInputs,
    crop_origins,
    displayed_range,
    normalise,
    prepare,
    working_image,
)


@pytest.mark.parametrize("shape", [(1, 20_000), (20_000, 1), (3, 8193)])
def test_a_slender_picture_is_not_enlarged_to_gigabytes(shape: tuple[int, int]) -> None:
    small = working_image(np.zeros(shape, np.uint16), Crops())

    assert (min(small.shape), max(small.shape)) == (Crops().size_px, MAX_SIDE_PX)


def _image(rows: int, columns: int) -> np.ndarray:
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    return np.asarray(20000 + 30000 * x + 5000 * y, np.uint16)


@pytest.mark.parametrize("shape", [(512, 512), (367, 448), (2048, 1990), (1955, 1841), (120, 900), (90, 70)])
def test_shapes_types_and_bounds(shape: tuple[int, int]) -> None:
    spec = Preprocess()
    inputs = prepare(_image(*shape), None, spec)
    assert inputs.arrays["global_view"].shape == (1, 1, spec.global_view.rows, spec.global_view.columns)
    count, channels, height, width = inputs.arrays["crops"].shape
    assert 1 <= count <= spec.crops.most_per_side**2
    assert (channels, height, width) == (1, spec.crops.size_px, spec.crops.size_px)
    assert len(inputs.crop_boxes) == count
    for array in inputs.arrays.values():
        assert array.dtype == np.float32
        assert array.flags["C_CONTIGUOUS"]
        assert np.isfinite(array).all()
        assert -2.0 <= array.min() <= array.max() <= 2.0


def test_crops_are_what_the_image_holds_there() -> None:
    spec = Preprocess()
    display = _image(512, 480)
    whole = normalise(display, displayed_range(display, spec.normalise), spec.normalise)
    inputs = prepare(display, None, spec)
    for crop, (x0, y0, _, _) in zip(inputs.crops, inputs.crop_boxes, strict=True):
        row, column = round(y0 * 512), round(x0 * 480)
        assert np.array_equal(crop[0], whole[row : row + 160, column : column + 160])


def test_crops_reach_all_four_edges() -> None:
    origins = np.array(crop_origins((1000, 700), Crops()))
    assert origins.min(0).tolist() == [0, 0]
    assert (origins.max(0) + 160).tolist() == [1000, 700]


def test_only_the_longer_side_is_limited() -> None:
    assert working_image(_image(2000, 1000), Crops()).shape == (1024, 512)
    assert working_image(_image(500, 400), Crops()).shape == (500, 400)
    assert min(working_image(_image(90, 300), Crops()).shape) == 160


def test_brightness_and_contrast_do_not_matter_but_the_picture_does() -> None:
    display = _image(400, 400)
    other = (display.astype(np.float64) * 0.4 + 9000).astype(np.uint16)
    first, second = (prepare(d, None, Preprocess()).global_view for d in (display, other))
    assert np.abs(first - second).max() < 0.01
    assert np.abs(first - prepare(display[::-1].copy(), None, Preprocess()).global_view).max() > 0.2


def test_padding_is_black_and_does_not_move_the_range() -> None:
    display = _image(400, 400)
    valid = np.ones(display.shape, bool)
    valid[:, :100] = False
    padded = display.copy()
    padded[:, :100] = 65535
    chest = display[:, 100:]
    without = normalise(chest, displayed_range(chest, Normalise()), Normalise())
    view = prepare(padded, valid, Preprocess())
    assert view.crops[0, 0, 0, 0] == pytest.approx(-2.0)
    assert np.abs(view.global_view[0, 0, :, 120:].mean() - without[:, 25:].mean()) < 0.02


def test_noise_of_a_blank_image_stays_small() -> None:
    noise = np.random.default_rng(0).normal(30000, 20, (300, 300)).astype(np.uint16)
    assert prepare(noise, None, Preprocess()).global_view.std() < 0.3


def test_flat_images_give_finite_inputs() -> None:
    for value in (0, 65535):
        assert np.isfinite(prepare(np.full((300, 200), value, np.uint16), None, Preprocess()).global_view).all()


def test_section_goes_to_the_card_and_back() -> None:
    spec = Preprocess(crops=Crops(size_px=128, most_per_side=3))
    assert Preprocess.model_validate(spec.model_dump(mode="json")) == spec
    with pytest.raises(ValidationError, match="letterbox"):
        Preprocess.model_validate({"global_view": {"fit": "letterbox"}})
    with pytest.raises(ValidationError):
        Preprocess.model_validate({"sharpen": True})


@pytest.mark.parametrize("cut", [False, True])
def test_a_large_image_gives_the_same_crops_and_nearly_the_same_view(*, cut: bool) -> None:
    display = _image(2048, 1500)
    valid = np.ones(display.shape, np.bool_)
    valid[:, 1200:] = not cut
    spec = Preprocess(global_view=GlobalView(rows=384, columns=384), crops=Crops(size_px=320, long_side_px=2048))
    large = prepare(display, valid, spec)
    whole = replace_large(display, valid, spec)
    assert np.array_equal(large.crops, whole.crops)
    assert large.crop_boxes == whole.crop_boxes
    difference = np.abs(large.global_view - whole.global_view)
    assert difference.mean() < 0.02, "clipped before or after the reduction"


def replace_large(display: NDArray[np.uint16], valid: NDArray[np.bool_], spec: Preprocess) -> TwoBranchInputs:
    """As if the image was not large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("miqa_node.stages.assess.preprocess.LARGE", 1000)
        return prepare(display, valid, spec)
