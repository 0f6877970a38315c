"""The Pointing Game and its sidecars on maps and outlines whose figures can be told by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.settings import load_settings
from miqa_node.stages.assess.card import read_card
from miqa_training.commands.evaluate import parts_table
from miqa_training.map_scores import STEPS, deletion, energy_inside, insertion, pixel_average_precision
from miqa_training.outlines import (
    AnnotatedImage,
    Outline,
    OutlineKind,
    box,
    inside_any,
    object_cxr,
    pathologies,
    real_objects,
)
from miqa_training.pointing import (
    BOTH,
    TOLERANCE,
    chance,
    chance_of,
    evaluate_pointing,
    hit,
    interval_by_patient,
    peak,
    play,
)
from miqa_training.report.subject import EvaluationSubject
from miqa_training.samples import COLUMN, OBJECTS
from tests.conftest import ROOT
from tests.stages.assess.making import write_package

pytestmark = pytest.mark.more

LEFT = box(0.1, 0.2, 0.3, 0.6)


def spot(row: int, column: int, side: int = 20) -> np.ndarray:
    values = np.zeros((side, side), np.float32)
    values[row, column] = 1.0
    return values


def test_the_peak_is_that_of_the_smoothed_map() -> None:
    """A single hot cell loses against a broad place, as it should: one cell is noise."""
    values = np.zeros((30, 40), np.float32)
    values[5, 5] = 1.0
    values[20:25, 30:35] = 0.6
    assert peak(values) == (32.5 / 40, 22.5 / 30)
    assert peak(spot(3, 16)) == (16.5 / 20, 3.5 / 20)


@pytest.mark.parametrize(
    ("point", "exact", "tolerant"),
    [
        ((0.2, 0.4), True, True),
        ((0.1, 0.2), True, True),
        ((0.3 + TOLERANCE - 1e-6, 0.4), False, True),
        ((0.3 + TOLERANCE + 1e-6, 0.4), False, False),
        ((0.2, 0.6 + 1e-3), False, True),
        ((0.9, 0.9), False, False),
    ],
)
def test_a_box_is_hit_inside_and_with_tolerance_beside(point: tuple[float, float], exact: bool, tolerant: bool) -> None:
    assert TOLERANCE == 0.025
    is_hit = hit(point, [(0.7, 0.7, 0.8, 0.8), (0.1, 0.2, 0.3, 0.6)])
    assert (is_hit.exact, is_hit.tolerant) == (exact, tolerant)
    assert play(point, []) == hit(point, [])
    assert not play(point, []).tolerant


def test_an_ellipse_and_a_polygon_are_not_their_boxes() -> None:
    ellipse = Outline(OutlineKind.ELLIPSE, ((0.2, 0.2), (0.6, 0.4)))
    triangle = Outline(OutlineKind.POLYGON, ((0.2, 0.2), (0.6, 0.2), (0.2, 0.6)))
    assert ellipse.contains((0.4, 0.3))
    assert not ellipse.contains((0.21, 0.21))
    assert ellipse.contains((0.4, 0.42), 0.025)
    assert not ellipse.contains((0.4, 0.43), 0.025)
    assert triangle.contains((0.3, 0.3))
    assert not triangle.contains((0.5, 0.5))
    assert triangle.contains((0.41, 0.41), 0.025)
    assert not triangle.contains((0.45, 0.45), 0.025)
    for outline, area in ((ellipse, np.pi * 0.2 * 0.1), (triangle, 0.08), (LEFT, 0.08)):
        assert outline.mask(200, 300).mean() == pytest.approx(area, abs=2e-3)


def test_an_outline_smaller_than_a_cell_has_one_cell() -> None:
    mask = box(0.51, 0.02, 0.52, 0.03).mask(10, 10)
    assert mask.sum() == 1
    assert mask[0, 5]


def test_chance_is_the_share_of_the_image() -> None:
    assert chance_of([LEFT], 0.0, 100) == pytest.approx(0.08, abs=2e-3)
    assert chance([(0.1, 0.2, 0.3, 0.6)], 200) == pytest.approx(0.25 * 0.45, abs=3e-3)
    assert chance_of([LEFT, LEFT], 0.0, 100) == chance_of([LEFT], 0.0, 100)


def test_energy_and_average_precision() -> None:
    lies_inside = LEFT.mask(20, 20)
    inside = lies_inside.astype(np.float32)
    half = box(0.1, 0.2, 0.3, 0.4).mask(20, 20).astype(np.float32)
    everywhere = np.ones((20, 20), np.float32)
    assert energy_inside(inside, lies_inside) == 1.0
    assert energy_inside(1 - inside, lies_inside) == 0.0
    assert energy_inside(everywhere, lies_inside) == pytest.approx(0.08)
    assert energy_inside(0 * inside, lies_inside) == 0.0
    assert pixel_average_precision(inside, lies_inside) == pytest.approx(1.0)
    assert pixel_average_precision(everywhere, lies_inside) == pytest.approx(0.08)
    # The half that is seen comes first and right; the other half comes with everything else.
    assert pixel_average_precision(half, lies_inside) == pytest.approx(0.5 * 1.0 + 0.5 * 0.08)
    ranked = np.arange(20 * 20, dtype=np.float32).reshape(20, 20)
    labels = lies_inside.ravel()[::-1]
    precision = np.cumsum(labels) / np.arange(1, 401)
    assert pixel_average_precision(ranked, lies_inside) == pytest.approx(precision[labels].mean())
    both = inside_any([LEFT, box(0.0, 0.0, 1.0, 0.1)], 20, 20)
    assert both.sum() == 32 + 40


def test_deletion_and_insertion_reward_the_place_that_matters() -> None:
    """The class's probability is the brightness of one sixteenth of the view."""
    view = np.zeros((1, 1, 64, 64), np.float32)
    view[..., 16:32, 32:48] = 1.0

    def confidence(of: np.ndarray) -> float:
        return float(np.clip(of[0, 0, 16:32, 32:48].mean(), 0, 1))

    right, wrong = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float32)
    right[2:4, 4:6] = 1.0
    wrong[6:8, 0:2] = 1.0
    untouched = view.copy()
    assert deletion(confidence, view, right) < 0.12 < deletion(confidence, view, wrong)
    assert insertion(confidence, view, right) > 0.9 > insertion(confidence, view, wrong)
    np.testing.assert_array_equal(view, untouched)
    # Steps hold equal numbers of pixels, so a constant probability gives itself.
    assert deletion(lambda _: 0.25, view, right) == pytest.approx(0.25)
    assert STEPS > 8


def test_the_interval_draws_patients_and_not_images() -> None:
    """Forty images of four patients, of whom two always hit, are worth four observations."""
    values = np.repeat([1.0, 1.0, 0.0, 0.0], 10)
    grouped = interval_by_patient(values, np.repeat(list("abcd"), 10).tolist())
    alone = interval_by_patient(values, [str(n) for n in range(40)])
    assert grouped == (0.0, 1.0)
    assert 0.3 < alone[0] < 0.5 < alone[1] < 0.7
    assert interval_by_patient(np.ones(5), list("aabbc")) == pytest.approx((0.438, 1.0), abs=1e-3)
    assert interval_by_patient(values, ["p"] * 40) == pytest.approx((0.207, 0.793), abs=1e-3)


def picture(path: Path, shape: tuple[int, int] = (100, 200), square: tuple[int, int] | None = None) -> Path:
    pixels = np.full(shape, 40, np.uint8)
    pixels[::5] = 55
    if square is not None:
        pixels[square[0] : square[0] + 20, square[1] : square[1] + 30] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Object-CXR's format: a table beside a folder of pictures."""
    picture(tmp_path / "dev" / "00001.jpg")
    picture(tmp_path / "dev" / "00002.jpg")
    picture(tmp_path / "00003.jpg")
    (tmp_path / "dev.csv").write_text(
        "image_name,annotation\n"
        "00001.jpg,0 20 10 60 50;1 100 20 140 80\n"
        "00002.jpg,\n"
        "/path/00003.jpg,2 10 10 50 10 50 90 10 90;\n"
    )
    return tmp_path


def test_object_cxr_is_read_as_it_was_published(published: Path) -> None:
    first, third = object_cxr(published)
    assert first.path.name == "00001.jpg"
    assert first.outlines == (box(0.1, 0.1, 0.3, 0.5), Outline(OutlineKind.ELLIPSE, ((0.5, 0.2), (0.7, 0.8))))
    assert third.patient == "00003.jpg"
    assert third.outlines[0].kind is OutlineKind.POLYGON
    assert third.outlines[0].mask(100, 200).mean() == pytest.approx(0.2 * 0.8, abs=0.01)


def test_object_cxr_without_a_header_and_with_other_parts(published: Path) -> None:
    picture(published / "train" / "8.jpg")
    (published / "train.csv").write_text("8.jpg,0 0 0 200 100\n")
    [only] = object_cxr(published, "train")
    assert only.outlines == (box(0.0, 0.0, 1.0, 1.0),)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("00001.jpg,0 1 2 3", r"dev\.csv, line 2: a rectangle cannot have 3 numbers"),
        ("00001.jpg,2 1 2 3 4", r"line 2: a polygon cannot have 4 numbers"),
        ("00001.jpg,7 1 2 3 4", r"line 2: 7 is not a kind of outline"),
        ("00001.jpg,0 a b c d", r"line 2: could not convert"),
        ("00001.jpg", r"line 2: two columns are expected, there are 1"),
    ],
)
def test_lines_that_do_not_fit_are_named(published: Path, line: str, says: str) -> None:
    (published / "dev.csv").write_text(f"image_name,annotation\n{line}\n")
    with pytest.raises(ValueError, match=says):
        object_cxr(published)


def test_a_missing_picture_is_named(published: Path) -> None:
    (published / "dev.csv").write_text("image_name,annotation\n9.jpg,0 1 2 3 4\n")
    with pytest.raises(ValueError, match=r"line 2: 9\.jpg is neither in dev/"):
        object_cxr(published)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A class map that is the brightness of the view, and taps for the gradients."""
    write_package(tmp_path / "tiny-1.0.0", saliency={"maps": "maps", "method": "mean", "taps": ["global_view"]})
    return tmp_path / "tiny-1.0.0"


def bright_objects(folder: Path) -> list[AnnotatedImage]:
    """Each picture has one bright object; in the third the drawn box is somewhere else."""
    places = [(20, 30), (60, 130), (20, 150), (50, 60)]
    made = []
    for number, (row, column) in enumerate(places):
        path = picture(folder / f"{number}.png", square=(row, column))
        drawn = box(column / 200, row / 100, (column + 30) / 200, (row + 20) / 100)
        wrong = number == 2
        made.append(AnnotatedImage(path, f"p{number // 2}", (box(0.0, 0.8, 0.1, 1.0) if wrong else drawn,)))
    return [*made, AnnotatedImage(made[0].path, "nobody", ())]


def test_a_package_plays_with_every_method(package: Path, tmp_path: Path) -> None:
    dataset = bright_objects(tmp_path / "pictures")
    result = evaluate_pointing(package, dataset, curves=2)
    methods = result["methods"]
    assert (result["images"], result["patients"], result["images_with_curves"]) == (4, 2, 2)
    assert {"class_map", "normgrad_combined", "gradcam", "occlusion", "centre", "random"} <= set(methods)
    for name in ("normgrad_scaling", "normgrad_combined", "occlusion"):
        assert methods[name]["pointing_game"] == 0.75, name
        assert methods[name]["pointing_game_interval"] == [0.3424, 1.0]
    assert methods["centre"]["pointing_game"] == 0.0
    share = np.mean([chance_of(a.outlines, TOLERANCE) for a in dataset if a.outlines])
    assert methods["random"]["pointing_game"] == pytest.approx(share, abs=1e-4)
    assert methods["occlusion"]["energy_inside"] > 2 * methods["random"]["energy_inside"]
    assert methods["occlusion"]["deletion"] <= methods["random"]["deletion"]
    assert methods["occlusion"]["insertion"] >= methods["random"]["insertion"]


def test_normgrad_stands_first_and_sources_and_compact_boxes_alone(package: Path, tmp_path: Path) -> None:
    dataset = []
    for image in bright_objects(tmp_path / "pictures")[:4]:
        [(left, top), (right, _)] = image.outlines[0].points
        dataset.append(replace(image, outlines=(box(left, top, right, top + 0.15),)))
    whole = replace(dataset[1], outlines=(*dataset[1].outlines, box(0.0, 0.0, 1.0, 1.0)))
    dataset = [replace(one, source="a" if n < 3 else "b") for n, one in enumerate([dataset[0], whole, *dataset[2:]])]
    result = evaluate_pointing(package, dataset)
    methods = result["methods"]
    assert [name for name in methods if name.startswith("normgrad")] == list(methods)[:5]
    assert list(methods)[-2:] == ["centre", "random"]
    assert (result["compact_images"], result["sources"]) == (3, {"a": 3, "b": 1})
    best = methods["normgrad_combined"]
    assert best["pointing_game"] == 0.75
    assert {name: row["pointing_game"] for name, row in best["sources"].items()} == {"a": 0.6667, "b": 1.0}
    assert best["macro"]["pointing_game"] == pytest.approx(0.8333, abs=1e-3)
    assert best["compact"]["pointing_game"] == 0.6667, "a box of the whole image is none"
    assert methods["centre"]["sources"]["a"]["pointing_game_no_tolerance"] == 0.3333
    headings, rows = parts_table(result)
    assert [one if isinstance(one, str) else one.heading for one in headings] == [
        "With / without tolerance", "Compact (3)", "a (3)", "b (1)", "Mean of sources",
    ]  # fmt: skip
    assert [row[0] for row in rows] == list(methods)
    assert next(row for row in rows if row[0] == "normgrad_combined")[3] == "1.000 / 1.000"


def test_boxes_of_objects_and_devices_are_played_with_the_likelier_of_both() -> None:
    """The map of removable objects alone was held against the boxes of devices, which it does not show."""
    folder = max(path for path in (ROOT / "models").glob("quality-[0-9]*"))
    subject = EvaluationSubject(folder)
    columns = [COLUMN[finding] for finding in OBJECTS]
    likelier, dataset = set(), list[AnnotatedImage]()
    for path in sorted((folder / "golden").glob("*.png")):
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        judged = subject(np.asarray(pixels).astype(np.uint16) * np.uint16(257))
        column = columns[int(subject.scales.probability(judged.logits)[columns].argmax())]
        x, y = peak(judged.maps[column])
        likelier.add(column)
        dataset.append(AnnotatedImage(path, path.stem, (box(x - 0.001, y - 0.001, x + 0.001, y + 0.001),)))
    assert likelier == set(columns)
    for finding, hits in ((BOTH, True), (FindingName.FOREIGN_OBJECT, False), (FindingName.DEVICE_IN_VIEW, False)):
        result = evaluate_pointing(folder, dataset, finding=finding, methods=["class_map"])
        assert (result["methods"]["class_map"]["pointing_game_no_tolerance"] == 1.0) == hits, finding


def test_curves_are_left_out_unless_asked_for(package: Path, tmp_path: Path) -> None:
    result = evaluate_pointing(package, bright_objects(tmp_path / "pictures"), methods=["class_map"])
    assert set(result["methods"]) == {"class_map"}
    assert "deletion" not in result["methods"]["class_map"]


@pytest.mark.parametrize(
    ("change", "says"),
    [({"finding": "hat"}, "no class 'hat'"), ({"dataset": []}, "no image")],
)
def test_what_cannot_be_played_is_said(package: Path, tmp_path: Path, change: dict[str, Any], says: str) -> None:
    arguments: dict[str, Any] = {"dataset": bright_objects(tmp_path / "pictures")} | change
    play_it: Callable[..., Any] = evaluate_pointing
    with pytest.raises(ValueError, match=says):
        play_it(package, **arguments)


def test_the_default_method_points_better_than_maps_that_cost_nothing() -> None:
    """By the shipped card, over hospitals and on compact boxes; no other method is better on both."""
    card = read_card(max(path for path in (ROOT / "models").glob("quality-[0-9]*")))
    figures = {
        name: (row["both"]["macro"], row["both"]["compact_macro"]) for name, row in card.metrics["saliency"].items()
    }
    default = figures[load_settings().assess.saliency_method]
    assert default > figures["class_map"]
    assert default[1] > figures["class_map"][1]
    assert not any(macro > default[0] and compact > default[1] for macro, compact in figures.values())


@pytest.mark.shared
def test_the_data_folder_holds_real_objects_and_pathologies(shared_data: Path) -> None:
    """The baselines are known from the project's experiments: centre .47, random .32."""
    dataset = real_objects(shared_data)
    centre = np.mean([play((0.5, 0.5), a.outlines).tolerant for a in dataset])
    random = np.mean([chance_of(a.outlines, TOLERANCE, 40) for a in dataset])
    assert centre == pytest.approx(0.47, abs=0.01)
    assert random == pytest.approx(0.32, abs=0.015)
    choosing = real_objects(shared_data, choosing=True)
    assert choosing
    assert not {a.path for a in choosing} & {a.path for a in dataset}
    disease = pathologies(shared_data)
    assert len(disease) > 100
    assert all(0 <= v <= 1.001 for a in disease for o in a.outlines for p in o.points for v in p)
