"""Both sides of an operating point: what a card says that a finding finds, and what it flags wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from miqa_node.core.domain.codes import UNKNOWN_FAILURE
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.settings import load_settings
from miqa_node.errors import MiqaError
from miqa_node.stages.assess.card import read_card
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.package_files import newest_package
from miqa_node.stages.assess.package_use import check_package
from miqa_node.stages.assess.two_sides import TwoSides
from miqa_training.degrade import Image
from miqa_training.two_sides import (
    NodeJudge,
    PictureVerdict,
    SidesCase,
    by_kept,
    collect,
    figures_of,
    mean_found,
    ordinary_images,
    write_card,
)
from tests.stages.assess.making import write_package
from tests.web.staging import phantom_png
from tools.figures_page import named


def case(source: str, made: str = "", level: float = 0.0, *flags: str, clean: bool = False) -> SidesCase:
    return SidesCase("a.png", source, clean, made, level, "one" if made else "", bool(flags), frozenset(flags))


CASES = [
    case("a", "", 0.0, clean=True), case("a", "", 0.0, "noise"), case("b"), case("b"),
    case("a", "noise", 0.5), case("a", "noise", 1.0, "noise"),
    case("b", "noise", 0.5, "unsharp"), case("b", "noise", 0.5),
    case("a", "unsharp", 0.75, "unsharp"), case("b", "unsharp", 0.5, "unsharp"),
]  # fmt: skip


def test_what_a_package_finds_counts_before_the_policy_has_a_figure_of_it(tmp_path: Path) -> None:
    """The figure is made with these counts; the shipped policy has one of another package."""
    chests = {"modality": ["DX"], "body_part": ["CHEST"], "view": ["PA"]}
    write_package(tmp_path / "tiny-1.0.0", applicability=chests)
    assess = {"shipped_packages": False, "models_dir": str(tmp_path), "quality_package": "tiny-1.0.0"}
    judge = NodeJudge(load_settings(None, assess=assess))
    picture = cv2.imdecode(np.frombuffer(phantom_png(), np.uint8), cv2.IMREAD_GRAYSCALE)
    disposition = judge(np.asarray(picture, np.float32) / np.float32(255)).disposition
    assert disposition.scope == "frontal chest radiograph"
    assert not disposition.experimental, disposition.reasons


def test_pictures_that_no_package_judges_are_told(tmp_path: Path) -> None:
    """Every share would be 0.00, and nothing would say why."""
    chests = {"modality": ["DX"], "body_part": ["CHEST"], "view": ["PA"]}
    write_package(tmp_path / "tiny-1.0.0", applicability=chests)
    assess = {"shipped_packages": False, "models_dir": str(tmp_path), "quality_package": "tiny-1.0.0"}
    settings = load_settings(None, assess=assess)
    picture = np.full((120, 90), 0.5, np.float32)
    chest, knee = NodeJudge(settings), NodeJudge(settings, "KNEE", "AP")
    chest(picture)
    knee(picture)
    assert chest.obstacle == ""
    assert "KNEE is outside what the model was made for" in knee.obstacle


@pytest.fixture
def figures() -> dict[str, Any]:
    return figures_of(CASES, "Ten cases.")


def test_shares_are_means_over_sources_and_only_the_right_finding_counts(figures: dict[str, Any]) -> None:
    noise = figures["findings"]["noise"]
    assert (noise["found"], noise["found_severe"], noise["clean_flagged"]) == (0.25, 1.0, 0.25)
    assert noise["sources"]["b"] == {
        "defects": 2, "found": 0.0, "found_severe": None, "clean": 2, "clean_flagged": 0.0,
    }  # fmt: skip
    assert figures["usable_flagged"] == {"share": 0.25, "sources": {"a": [1, 2], "b": [0, 2]}}
    assert figures["clean_flagged"]["sources"] == {"a": [0, 1]}


def test_the_mean_is_over_all_findings_those_without_a_rule_too(figures: dict[str, Any]) -> None:
    assert mean_found(figures) == pytest.approx((0.25 + 1.0) / 2, abs=0.001)
    silent = figures_of([*CASES, case("a", "motion_blur", 0.5), case("b", "motion_blur", 1.0)], "")
    assert mean_found(silent) == pytest.approx((0.25 + 1.0 + 0.0) / 3, abs=0.001)


def test_less_than_half_is_weak_in_the_section_and_on_both_pages(figures: dict[str, Any], tmp_path: Path) -> None:
    assert TwoSides.model_validate(figures).weak == ("noise",)
    cells = [named(name, figures["findings"][name]) for name in ("noise", "unsharp")]
    assert cells == ["`noise`, **weak**", "`unsharp`"]

    folder = tmp_path / "tiny-1.0.0"
    write_package(folder)
    graph = (folder / "model.onnx").read_bytes()
    write_card(folder, figures)
    card = read_card(folder)
    assert card.two_sides == TwoSides.model_validate(figures)
    assert "| noise | **weak** | 0.25 |" in model_card(card)
    assert (folder / "MODEL_CARD.md").read_text("utf-8") == model_card(card)
    assert (folder / "model.onnx").read_bytes() == graph, "reports name its checksum"


def test_models_check_has_the_sources_too(figures: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "tiny-1.0.0"
    write_package(folder)
    write_card(folder, figures)
    outcome = check_package(folder, load_settings(None, node={"data_dir": tmp_path, "accelerator": "cpu"}))
    noise = outcome["two_sides"]["noise"]
    assert (noise["found"], noise["weak"]) == (0.25, True)
    assert noise["sources"]["b"] == figures["findings"]["noise"]["sources"]["b"]


@pytest.mark.parametrize("name", ["quality", "any-radiograph"])
def test_both_packages_that_judge_have_both_sides(name: str) -> None:
    folder = newest_package(load_settings(None).model_folders, name)
    assert folder is not None
    sides = read_card(folder).two_sides
    assert sides is not None
    assert {"noise", "motion_blur", "unsharp"} <= set(sides.findings)


def test_a_card_without_both_sides_says_nothing_about_them(tmp_path: Path) -> None:
    folder = tmp_path / "tiny-1.0.0"
    write_package(folder)
    assert "two_sides" not in yaml.safe_load((folder / "card.yaml").read_text("utf-8"))
    assert "Found, and flagged wrongly" not in model_card(read_card(folder))


def test_a_folder_of_ordinary_pictures_of_a_part_has_both_sides(tmp_path: Path) -> None:
    for number in range(3):
        pixels = np.full((40, 50), 60 + 20 * number, np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
    (tmp_path / "notes.txt").write_text("not an image")
    looks: list[Image] = []

    def judge(image: Image) -> PictureVerdict:
        looks.append(image)
        reason = Reason("noise", "", UNKNOWN_FAILURE, Verdict.REVIEW)
        reasons = (reason,) if image.max() > 0.9 else ()
        disposition = Disposition(Verdict.REVIEW if reasons else Verdict.ACCEPT, reasons, "1", "")
        return PictureVerdict(disposition, frozenset({"noise"}))

    def white(image: Image, *_: object) -> Image:
        return np.ones_like(image)

    cases = collect(judge, ordinary_images(tmp_path), {"one": white}, names=[FindingName.NOISE])
    assert len(looks) == 6
    figures = figures_of(cases, "")
    noise = figures["findings"]["noise"]
    assert (noise["found"], noise["judged_present"]) == (1.0, 1.0)
    assert (noise["clean_flagged"], noise["clean_judged_present"]) == (0.0, 1.0), "no rule flags it in clean images"
    assert figures["usable_flagged"] == {"share": 0.0, "sources": {tmp_path.name: [0, 3]}}
    with pytest.raises(MiqaError, match="export ordinary ones"):
        (tmp_path / "empty").mkdir()
        ordinary_images(tmp_path / "empty")


def test_pictures_in_folders_below_are_of_sources(tmp_path: Path) -> None:
    for room in ("room1", "room2"):
        (tmp_path / room).mkdir()
        cv2.imwrite(str(tmp_path / room / "a.png"), np.full((40, 50), 90, np.uint8))
    assert [record.source for record in ordinary_images(tmp_path)] == ["room1", "room2"]


def test_a_family_that_nothing_learned_from_leaves_out_what_cannot_be_seen() -> None:
    image = np.zeros((200, 200), np.float32)
    image[60:140, 60:140] = 0.8
    seed = (11, 0, 0)
    smeared = by_kept(image, image, FindingName.MOTION_BLUR, 1.0, seed)
    assert smeared is not None
    assert 100 < np.count_nonzero(np.abs(smeared - image) > 0.1) < 2000, "the edges of the square, and no more"
    assert by_kept(image, image, FindingName.MOTION_BLUR, 0.5, seed) is None, "half a pixel of two millimetres"
    assert by_kept(image, image, FindingName.CLIPPED_ANATOMY, 1.0, seed) is None
