# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""``tune`` on a node's store: propose, look, confirm, list, withdraw."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmwrite

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Verdict
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.store.object_keys import original_key
from tests.features.limits.command.test_tune import NOISE, judged
from tests.interfaces.cli.conftest import Ran
from tests.stages.assess.making import chest_dataset
from tests.web.staging import Stage


def test_limits_of_ones_own_are_tried_and_kept(cli: Callable[..., Ran], data_dir: Path, judged: Stage) -> None:
    at = ("--data-dir", data_dir)
    tried = cli("tune", "--limit", "noise=0.3", *at)
    assert tried.code == Exit.OK
    assert "a trial: of 45 images" in tried.out
    assert "+noise, all other rooms: 0.30" in tried.out
    assert "Nothing was kept" in tried.out
    assert cli("tune", "--json", *at).json == []

    assert "set 1:" in cli("tune", "--limit", "noise=0.3", "--keep", *at).out
    changed = cli("tune", "--show", 1, "--limit", "noise:ROOM9:AP=0.9", "--keep", "--json", *at).json
    places = {(one["limit"]["room"], one["limit"]["least_strength"]) for one in changed["proposal"]["limits"]}
    assert (changed["number"], places) == (2, {("", 0.3), ("ROOM9", 0.9)})
    confirm = ("tune", "--confirm", 2, "--as", "mara", "--comment", "by hand", *at)
    assert "confirmed by mara" in cli(*confirm, "--second-look").out
    assert "-noise, ROOM9, AP: 0.90" in cli("tune", "--limit", "noise=0.3", *at).out


def test_simulated_defects_on_own_originals_are_counted(
    cli: Callable[..., Ran], data_dir: Path, judged: Stage, tmp_path: Path
) -> None:
    """Originals of some images lie in the store; the packages that ship judge them with defects."""
    for number in range(20, 32):
        _, digest = judged.add(100 + number, Verdict.ACCEPT, NOISE)
        judged.services.objects.put(original_key(digest), chest(number))
    at = ("--data-dir", data_dir)
    made = cli("tune", "--budget", "8%", "--quick", "--json", *at).json
    assert {one["simulated"] for one in made["proposal"]["limits"]} == {None}
    tried = cli("tune", "--simulate", made["number"], "--json", *at).json
    noise = [one for one in tried["proposal"]["limits"] if one["limit"]["finding"] == NOISE and one["limit"]["room"]]
    assert [(one["simulated"] > 0, one["found"] is not None) for one in noise] == [(True, True)]
    shown = cli("tune", "--show", made["number"], *at).out
    assert "Simulated defects on own images" in shown


def chest(number: int) -> bytes:
    """Smooth, so that simulated noise can be seen."""
    dataset, y = chest_dataset(number), np.linspace(-1, 1, 120)[:, None]
    x = np.linspace(-1, 1, 96)[None]
    dataset.PixelData = (3000 * np.exp(-2 * x**2 - y**2) + 300).astype(np.uint16).tobytes()
    file = BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def test_without_originals_nothing_is_said_about_the_second_side(
    cli: Callable[..., Ran], data_dir: Path, judged: Stage
) -> None:
    at = ("--data-dir", data_dir)
    assert "no stored original of these images could be read" in cli("tune", "--budget", "8%", *at).out
    assert "tune --simulate 2 tries it" in cli("tune", "--budget", "8%", "--quick", *at).out
    assert cli("tune", "--simulate", 99, *at).code == Exit.NOT_FOUND
