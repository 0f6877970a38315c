"""A candidate judges silently, and whatever it does, the active way does not notice."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.observe import metrics
from miqa_node.core.settings import Accelerator, Settings, load_settings
from miqa_node.runtime.workers.child import decode_here
from miqa_node.stages.assess import shadow
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.assess.shadow import LOWEST_PRIORITY, ShadowRunner
from tests.stages.assess.making import RADIOGRAPH, chest_dataset, chest_header, write_package
from tests.waiting import wait_until


class Rig:
    """A shadow with what it saved, and the site's choice at hand."""

    def __init__(self, folder: Path, **assess: Any) -> None:
        self.models = folder / "models"
        values = {"shipped_packages": False, "models_dir": str(self.models), "shadow_timeout_s": 60.0} | assess
        self.settings: Settings = load_settings(
            node={"data_dir": folder, "accelerator": "cpu", "site": "here"}, assess=values
        )
        self.saved: list[tuple[str, Assessment]] = []
        self.choice = ModelChoice()
        self.shadow = ShadowRunner(self.settings, lambda: self.choice, lambda p, a: self.saved.append((p, a)))
        self.folder = folder
        self.before = self.counts()

    def counts(self) -> dict[str, float]:
        return {
            outcome: metrics.SHADOW_IMAGES.labels(outcome)._value.get() for outcome in ("judged", "failed", "dropped")
        }

    def count(self, outcome: str) -> int:
        return int(self.counts()[outcome] - self.before[outcome])

    def choose(self, package: str) -> None:
        self.choice = ModelChoice(shadow=package)
        self.shadow.follow()

    def offer(self, number: int) -> None:
        """Offer an image and say that its verdict is out. Both return before anything is judged."""
        digest, path = InstanceDigest(f"{number:064x}"), self.image(number)
        self.shadow.offer(chest_header(number), path, 0, digest, RADIOGRAPH)
        self.shadow.verdict_is_out(digest)

    def image(self, number: int = 0) -> Path:
        path = self.folder / f"{number}.dcm"
        chest_dataset(number).save_as(path, enforce_file_format=True)
        return path

    def __enter__(self) -> Self:
        self.shadow.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shadow.stop()


def busy_children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if p.nice() == LOWEST_PRIORITY]


def test_without_a_candidate_nothing_is_held(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.choose("tiny-9.9.9")
        rig.offer(1)
        assert rig.shadow.name == ""
    assert rig.count("dropped") == rig.count("failed") == 0


def test_more_images_than_may_wait_are_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_package(tmp_path / "models" / "tiny-2.0.0", "2.0.0", fault="slow", golden=[])
    monkeypatch.setattr(shadow, "MOST_WAITING", 2)
    with Rig(tmp_path) as rig:
        rig.choose("tiny-2.0.0")
        for number in range(1, 9):
            rig.offer(number)
        assert rig.count("dropped") >= 5  # one is judged, two wait
        held = [InstanceDigest(f"{number:064x}") for number in range(20, 25)]
        for digest in held:  # their verdicts never come
            rig.shadow.offer(chest_header(), tmp_path / "1.dcm", 0, digest, RADIOGRAPH)
        assert rig.count("dropped") >= 8


@pytest.mark.more
def test_it_judges_after_the_verdict_what_the_same_package_would_say_in_front(tmp_path: Path) -> None:
    write_package(tmp_path / "models" / "tiny-1.0.0")
    with Rig(tmp_path) as rig:
        rig.choose("tiny-1.0.0")
        digest = InstanceDigest("a" * 64)
        rig.shadow.offer(chest_header(), rig.image(), 0, digest, RADIOGRAPH)
        rig.offer(2)
        wait_until(lambda: len(rig.saved) == 1)
        assert rig.saved[0][1].digest != digest, "the first image has no verdict yet"
        rig.shadow.verdict_is_out(digest)
        wait_until(lambda: len(rig.saved) == 2)
        assert busy_children(), "the candidate has a process of lowest priority of its own"
    package = open_package(rig.models / "tiny-1.0.0", Accelerator.CPU, rig.settings.assess)
    pixels = decode_here(tmp_path / "0.dcm", 0, 10**6)
    expected = ImageAssessor(package).assess(chest_header(), pixels, digest, RADIOGRAPH).assessment
    name, judgement = rig.saved[1]
    assert name == "tiny-1.0.0"
    assert [f.probability for f in judgement.findings] == pytest.approx([f.probability for f in expected.findings])
    assert judgement.model == expected.model
    assert not busy_children(), "it goes with the node"


@pytest.mark.more
def test_a_slow_candidate_is_stopped_and_one_that_dies_again_and_again_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package(tmp_path / "models" / "tiny-1.0.0")
    write_package(tmp_path / "models" / "tiny-2.0.0", "2.0.0", fault="slow", golden=[])
    monkeypatch.setattr(shadow, "MAX_FAILURES", 2)
    with Rig(tmp_path, shadow_timeout_s=30.0) as rig:
        rig.choose("tiny-2.0.0")
        rig.offer(1)
        assert rig.count("failed") == 0, "it did not wait for the candidate"
        wait_until(lambda: bool(busy_children()))
        os.kill(busy_children()[0].pid, signal.SIGKILL)
        wait_until(lambda: rig.count("failed") == 1)
        rig.offer(2)
        assert rig.count("failed") == 1
        wait_until(lambda: rig.count("failed") == 2)
        rig.offer(3)
        wait_until(rig.shadow._queue.empty)
        rig.choose("tiny-1.0.0")  # another candidate starts afresh
        rig.offer(4)
        wait_until(lambda: bool(rig.saved))
        assert rig.count("failed") == 2, "the third image was not even tried"


@pytest.mark.more
def test_a_candidate_that_wants_too_much_memory_fails_alone(tmp_path: Path) -> None:
    write_package(tmp_path / "models" / "tiny-3.0.0", "3.0.0", fault="hungry", golden=[])
    with Rig(tmp_path, shadow_memory_bytes=4 << 30) as rig:
        rig.choose("tiny-3.0.0")
        rig.offer(1)
        wait_until(lambda: rig.count("failed") == 1)
    assert rig.saved == []
