"""What explanation pages say in figures is what the cards of the shipped packages say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from statistics import fmean
from typing import Any

import pytest

from miqa_node.stages.assess.card import read_sections
from miqa_node.stages.assess.targets import Targets
from miqa_node.stages.assess.two_sides import WEAK
from tests.conftest import ROOT

PAGES = ROOT / "docs" / "explanation"


@cache
def card(kind: str) -> dict[str, Any]:
    return dict(read_sections(max((ROOT / "models").glob(f"{kind}-[0-9]*"))))


def short(value: float | None) -> str:
    """``.123`` as tables of these pages write shares."""
    return "–" if value is None else f"{value:.3f}".removeprefix("0")


def signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−").removeprefix("+")


def in_quality() -> Iterator[str]:
    metrics = card("quality")["metrics"]
    for name, one in metrics["simulated"]["findings"].items():
        low, high = (short(limit) for limit in one["macro_interval"])
        yield f"{short(one['auroc_macro'])} ({low}–{high})"
        yield f"| {name} |"
    class_map, default = (metrics["saliency"][name]["both"] for name in ("class_map", "normgrad_scaling"))
    yield (
        f"| {short(class_map['macro'])}, {short(class_map['compact_macro'])[:3]} (NormGrad {short(default['macro'])}, "
        f"{short(default['compact_macro'])}) |"
    )


WORDS = {
    "motion_blur": "motion blur", "unsharp": "unsharpness", "noise": "noise", "underexposure": "under-exposure",
    "overexposure_saturation": "over-exposure", "contrast_processing": "contrast", "grid_artifact": "grid lines",
    "clipped_anatomy": "cut anatomy", "rotation_orientation": "rotation", "foreign_object": "objects",
    "detector_overlay_artifact": "artifacts of detector and overlay", "double_exposure": "double exposure",
}  # fmt: skip


def in_both_sides() -> Iterator[str]:
    """Rows of the page of the quality network about what the whole node finds."""
    findings = card("quality")["two_sides"]["findings"]
    named = (("noise", "noise"), ("contrast", "contrast_processing"), ("grid", "grid_artifact"),
             ("rotation", "rotation_orientation"))  # fmt: skip
    yield "| " + ", ".join(f"{word} {share(findings[name]['found'])}" for word, name in named) + " |"
    kinds = [one for name, one in findings.items() if name != "foreign_object"]
    any_share, severe_share = (fmean(one[key] for one in kinds) for key in ("found", "found_severe"))
    yield f"| {share(any_share)} ({share(severe_share)} from severity .75) |"


def share(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")


def test_the_limits_name_the_weak_findings_of_the_card() -> None:
    weak = [WORDS[name] for name, one in card("quality")["two_sides"]["findings"].items() if one["found"] < WEAK]
    text = " ".join((PAGES / "limits.md").read_text("utf-8").split())
    assert f"in small pictures of other hospitals: {', '.join(weak)} ([both sides]" in text


def test_the_numbers_of_the_readme_are_those_of_the_newest_run_of_rooms() -> None:
    record = json.loads(max((ROOT / "benchmarks" / "results").glob("rooms-*.json")).read_text("utf-8"))
    rooms = list(record["rooms"].values())
    text = (ROOT / "README.md").read_text("utf-8")
    last = re.findall(r"^\| .* \| (\S+) \|$", text.partition("## Six numbers")[2], re.MULTILINE)

    shares = [room["after_50"]["found"] for room in rooms]
    stages = ("before", "learning", "after_50")
    flagged = [share(fmean(room[stage]["flagged_but_cuts"] for room in rooms)) for stage in stages]
    others = share(fmean(fmean(v for name, v in one.items() if name not in {"noise", "inverted"}) for one in shares))
    assert last == ["–", *flagged, others, share(fmean(one["noise"] for one in shares))]
    assert f"own {sum(one['images'] for one in rooms):,} |" in text
    assert f"({record['machine']['commit']},\n{record['at'][:10]})" in text


def of_objects() -> Iterator[str]:
    """Both sides of the object package, and its missed aims."""
    point = card("objects")["metrics"]["operating_point"]
    for one in (*(point[part]["all"] for part in ("choosing", "second", "development")), point["held_out"]):
        yield (
            f"| {share(one['found'])} ({one['removable']}) | {share(one['called_with_devices_only'])} "
            f"({one['devices_only']}) | {share(one['called_with_nothing'])} ({one['nothing']}) |"
        )
    for row in card("objects")["targets"]["rows"]:
        if words := MISSED_OF_OBJECTS.get(row["figure"]):
            yield words.format(share(row["reached"][0]["value"]), share(row["must"]))


MISSED_OF_OBJECTS = {
    "what can be taken off, AUROC against all others": "AUROC of what can be taken off is {} where {} was asked for",
    "the same against devices only": "against devices only {} instead of {}",
    "called one with devices only": "{} of the images with devices only are called an object, where {} at most",
    "Pointing Game, objects and devices, all": "object or device in {} of the images instead of {}",
}


def test_the_page_tells_each_missed_aim_of_the_object_package() -> None:
    targets = Targets.model_validate(card("objects")["targets"])
    assert [row.figure for row in targets.rows if row.is_missed] == list(MISSED_OF_OBJECTS)


def in_saliency() -> Iterator[str]:
    for name, one in card("quality")["metrics"]["saliency"].items():
        if name in {"class_map", "layercam"}:
            both = one["both"]
            keys = ("macro", "pooled", "no_tolerance_macro", "compact_macro", "compact_pooled")
            yield " | ".join(short(both[key]) for key in keys)


def in_five_systems() -> Iterator[str]:
    quality, pneumonia = card("quality"), card("pneumonia-ensemble")
    simulated, anomaly = quality["metrics"]["simulated"], quality["anomaly"]["metrics"]
    yield f"(package {quality['name']}-{quality['version']}"
    yield f"{simulated['mean_auroc_macro']:.3f}"
    yield f"AUROC of {anomaly['not_chest']['auroc']:.3f}"
    yield f"simulated defects with {anomaly['simulated']['mean_auroc']:.3f}"
    yield f"real objects with {anomaly['real_objects']['auroc']:.3f}"
    yield f"pneumonia-ensemble-{pneumonia['version']}"
    groups = pneumonia["metrics"]["test"]["groups"]
    children, both = groups["children"], groups["adults, radiologists' labels, and of further hospitals"]
    yield f"children AUROC {children['auroc']:.3f}"
    yield f"{both['images']} adults of six collections AUROC {both['auroc']:.3f}"
    game = pneumonia["metrics"]["test"]["pointing_game"]
    yield f"{game['methods']['layercam']['pointing_game']:.3f} of {game['images']} images"
    adults = pneumonia["automation"][1]
    yield f"adults {adults['errors']} of {adults['answers']}"


def in_pneumonia() -> Iterator[str]:
    ensemble = card("pneumonia-ensemble")
    for name, one in ensemble["metrics"]["test"]["groups"].items():
        if name in {"children", "adults of further hospitals", "adults, radiologists' labels"}:
            yield f"| {short(one['auroc'])} |"
            yield f"{short(one['recall'])}, {short(one['specificity'])} |"
            yield f"{short(one['ece'])}, {short(one['brier'])} |"
    counts = ensemble["calibration"]
    yield f"uses {counts['images']} images"
    adults = ensemble["automation"][1]
    yield f"{adults['errors']} of {adults['answers']} confident answers was wrong"
    yield f"{100 * adults['upper_bound']:.0f} % (0.4.0"


def in_anomaly() -> Iterator[str]:
    metrics = card("quality")["anomaly"]["metrics"]
    yield f"add {metrics['milliseconds']['score']:.1f} and {metrics['milliseconds']['map']:.1f} ms"
    assert metrics["not_chest"]["above_limit"] == 1.0
    yield f"all {metrics['not_chest']['images']} pictures"


def in_enhancement() -> Iterator[str]:
    hospitals = card("denoiser")["metrics"]["fidelity"]["detector_pitch"]["hospitals"]
    for name, methods in hospitals.items():
        quarter = methods["learned"]["1/4"]
        yield f"{signed(quarter['gain_db'])} dB and {quarter['slope_kept']:.3f} on {name.capitalize()}"


@pytest.mark.parametrize(
    ("page", "words"),
    [(name, text) for name, texts in (
        ("quality", in_quality()), ("quality", in_both_sides()), ("quality", of_objects()),
        ("saliency", in_saliency()),
        ("five-systems", in_five_systems()),
        ("pneumonia", in_pneumonia()), ("enhancement", in_enhancement()), ("anomaly", in_anomaly()),
    ) for text in texts],
)  # fmt: skip
def test_figures_of_a_page_are_those_of_the_card(page: str, words: str) -> None:
    text = " ".join((PAGES / f"{page}.md").read_text("utf-8").split())
    assert words in text, f"docs/explanation/{page}.md does not say: {words}"
