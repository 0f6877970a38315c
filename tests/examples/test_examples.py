"""The examples of docs/how-to/extend.md: each is one file, and all work as wheels in a real node."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from miqa_node import plugins
from tests.installation import Installation, built

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))
LIMIT_S = 240


def modules_of(example: Path) -> list[Path]:
    """Its Python files."""
    return [path for path in example.rglob("*.py") if "build" not in path.parts]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a node with the examples made of an image and a waveform."""
    folder = tmp_path_factory.mktemp("story")
    of_project = built([ROOT, ROOT / "packages" / "miqa-node-selftest"], folder / "node")
    examples = built(EXAMPLES, folder / "examples")
    site, empty = Installation(folder / "site", *of_project, *examples), folder / "story"
    empty.mkdir()
    (folder / "path" / "tests").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "waiting.py", folder / "path" / "tests")
    done = subprocess.run(
        [site.python, ROOT / "tests" / "examples" / "story.py", empty],
        capture_output=True,
        text=True,
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(folder / "path")},  # all that it has of the checkout
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def test_there_is_an_example_for_every_seam() -> None:
    seams = {
        group
        for example in EXAMPLES
        for group in tomllib.loads((example / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    }
    between_two_features = {"miqa.past_rooms"}
    assert seams == {seam.group for seam in plugins.SEAMS.all().values()} - between_two_features


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_one_file_and_its_project(example: Path) -> None:
    [module] = modules_of(example)
    assert "miqa_api = 1" in module.read_text("utf-8")


def test_doctor_lists_every_plugin_as_loaded(story: dict[str, Any]) -> None:
    listed = {check["check"]: check["detail"] for check in story["doctor"] if check["check"].startswith("plug-in ")}
    assert len(listed) == len(EXAMPLES)
    assert all(re.fullmatch(r"miqa-example-[a-z]+ 1\.0, loaded", detail) for detail in listed.values()), listed


def test_the_finding_of_the_taxonomy_flags_through_the_network_of_the_contract(story: dict[str, Any]) -> None:
    image = story["instances"]["image"]
    findings = {finding["name"]: finding for finding in image["assessment"]["findings"]}
    assert findings["patient_motion"]["probability"] > 0.9
    assert image["disposition"]["verdict"] == "REVIEW"
    assert {"patient_motion", "skipped_values"} <= {reason["name"] for reason in image["disposition"]["reasons"]}
    assert "Patient motion" in story["report"]


def test_the_measurement_is_in_the_report_with_its_unit(story: dict[str, Any]) -> None:
    assert "Skipped grey values" in story["report"]


def test_the_unit_answers_for_its_objects(story: dict[str, Any]) -> None:
    assert "Waveforms are kept" in json.dumps(story["instances"]["waveform"])


def test_report_and_output_reach_the_destination(story: dict[str, Any]) -> None:
    assert story["lights"] == 1
    assert len(story["delivered"]) == 2
    assert all(re.fullmatch(r"[0-9a-f]{64} [0-9.]+ [0-9.]+", line) for line in story["delivered"])


def test_the_effect_follows_each_verdict(story: dict[str, Any]) -> None:
    assert story["lamps"] == ["NOT_ASSESSED", "REVIEW"]


def test_the_part_runs_in_the_background(story: dict[str, Any]) -> None:
    assert story["backlog"] == "0\n"


def test_the_metric_is_counted(story: dict[str, Any]) -> None:
    assert sorted(story["metrics"]) == [f'site_stored_objects{{modality="{one}"}} 1.0' for one in ("CR", "ECG")]


def test_the_card_stands_in_the_row_of_the_flagged_study(story: dict[str, Any]) -> None:
    assert story["worklist"].count('title="Flagged images of study ') == 1


def test_the_page_stands_in_the_bar_and_the_command_in_the_help(story: dict[str, Any]) -> None:
    assert '<a href="/verdicts"' in story["page"]
    assert "REVIEW" in story["page"]
    assert story["verdicts"].splitlines() == ["NOT_ASSESSED 1", "REVIEW 1"]
    assert "how many images got each verdict" in story["help"]
