"""Limits are chosen by the worst hospital, and each hospital shows what it would get from the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miqa_node.interfaces.cli.exits import Exit
from miqa_training.operating_points import choose_limits, flag_figures, read_images
from tests.interfaces.cli.conftest import Ran, cli  # noqa: F401 - a fixture

QUIET, GRAINY = 0.1, 0.6


def write(folder: Path, rows: list[dict[str, Any]]) -> tuple[Path, Path]:
    """Scores as ``assess --json`` prints them, and what readers said."""
    scores, read = [], []
    for row in rows:
        finding = {"name": row.get("name", "noise_underexposure"), "code": "111211", "probability": 0.9}
        finding |= {"severity": row["severity"], "threshold": 0.5, "flagged": row.get("flagged", False)}
        verdict = "REVIEW" if finding["flagged"] else "ACCEPT"
        model = {"name": "quality", "version": "9.9.9", "sha256": ""}
        scores.append({"file": f"/x/{row['file']}", "verdict": verdict, "findings": [finding], "model": model})
        objects = [{"kind": kind, "sure": True, "box": [0, 0, 1, 1]} for kind in row.get("kinds", ())]
        grades = {"usable": row.get("usable", "yes"), "noise": row.get("noise", 0)}
        read.append({"file": row["file"], "objects": objects, "quality": grades, "comment": ""})
    paths = folder / "scores.jsonl", folder / "annotations.jsonl"
    for path, lines in zip(paths, (scores, read), strict=True):
        path.write_text("\n".join(map(json.dumps, lines)))
    return paths


def hospitals() -> list[dict[str, Any]]:
    """Two quiet hospitals and one whose usable images are all grainy."""
    quiet = [{"file": f"{h}_{n}.png", "severity": QUIET} for h in ("north", "south") for n in range(20)]
    return quiet + [{"file": f"west_{n}.png", "severity": GRAINY} for n in range(20)]


def test_the_worst_hospital_chooses_and_what_it_would_get_from_the_others_is_told(tmp_path: Path) -> None:
    noise = choose_limits(read_images(*write(tmp_path, hospitals())))["noise_underexposure"]
    assert noise["least_severity"] == pytest.approx(GRAINY + 0.1)
    assert noise["held_out"]["west"]["share"] == 1.0
    assert noise["held_out"]["north"]["count"] == 0
    assert 0 < noise["held_out"]["north"]["upper"] < 0.2


def test_a_single_hospital_gets_no_limit_from_others(tmp_path: Path) -> None:
    """It was shown one "of the others": 0.05, chosen on no image."""
    rows = [row for row in hospitals() if row["file"].startswith("west")]
    noise = choose_limits(read_images(*write(tmp_path, rows)))["noise_underexposure"]
    assert noise == {"least_severity": pytest.approx(GRAINY + 0.1), "held_out": {}}


def test_each_figure_counts_the_images_that_it_is_about(tmp_path: Path) -> None:
    rows = [
        {"file": "a_1.png", "severity": 0.2},
        {"file": "a_2.png", "severity": 0.9, "flagged": True},
        {"file": "a_3.png", "severity": 0.9, "flagged": True, "noise": 2, "usable": "limited"},
        {"file": "a_4.png", "severity": 0.5, "name": "foreign_object", "flagged": True, "kinds": ["external_object"]},
        {"file": "b_1.png", "severity": 0.5, "name": "foreign_object", "flagged": True, "kinds": ["monitoring"]},
        {"file": "b_2.png", "severity": 0.5, "name": "foreign_object", "kinds": ["monitoring", "tube_line"]},
    ]
    figures = flag_figures(read_images(*write(tmp_path, rows)))
    counts = {key: (one["all"]["count"], one["all"]["images"]) for key, one in figures.items()}
    assert counts == {
        "clean_flagged": (1, 2),
        "usable_flagged": (3, 5),
        "noisy_without_noise": (1, 5),
        "removable_found": (1, 1),
        "external_found": (1, 1),
        "device_called_object": (1, 2),
        "monitoring_called_object": (1, 1),
    }
    assert figures["usable_flagged"]["macro"] == pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-3)


def test_the_command_prints_and_writes_the_page(cli: Callable[..., Ran], tmp_path: Path) -> None:  # noqa: F811
    scores, read = write(tmp_path, hospitals())
    page = tmp_path / "page.md"
    ran = cli("evaluate", "operating-points", scores, "--annotations", read, "--json", "--page", page)
    assert ran.code == Exit.OK
    assert ran.json["images"] == 60
    text = page.read_text("utf-8")
    assert "60 images, judged by quality-9.9.9." in text
    assert "| `noise_underexposure` | 0.70 | 0.00 (0/20) at 0.70 | 0.00 (0/20) at 0.70 | 1.00 (20/20) at 0.20 |" in text
    assert "clean images flagged" in cli("evaluate", "operating-points", scores, "--annotations", read).out


def test_lines_that_do_not_fit_are_named(cli: Callable[..., Ran], tmp_path: Path) -> None:  # noqa: F811
    scores, read = write(tmp_path, hospitals())
    scores.write_text('{"file": "north_0.png"}')
    ran = cli("evaluate", "operating-points", scores, "--annotations", read)
    assert ran.code == Exit.USAGE
    assert "scores.jsonl must hold lines of assess --json" in ran.err
