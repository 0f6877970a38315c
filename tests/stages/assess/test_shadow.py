"""A candidate judges silently, and whatever it does, the active way does not notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.observe import metrics
from miqa_node.core.settings import Settings, load_settings
from miqa_node.stages.assess.shadow import ShadowRunner
from tests.stages.assess.making import RADIOGRAPH, chest_dataset, chest_header, write_package


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


def test_without_a_candidate_nothing_is_held(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.choose("tiny-9.9.9")
        rig.offer(1)
        assert rig.shadow.name == ""
    assert rig.count("dropped") == rig.count("failed") == 0


def test_more_images_than_may_wait_are_let_go(tmp_path: Path) -> None:
    write_package(tmp_path / "models" / "tiny-2.0.0", "2.0.0", fault="slow", golden=[])
    with Rig(tmp_path, shadow_queue=2) as rig:
        rig.choose("tiny-2.0.0")
        for number in range(1, 9):
            rig.offer(number)
        assert rig.count("dropped") >= 5  # one is judged, two wait
        held = [InstanceDigest(f"{number:064x}") for number in range(20, 25)]
        for digest in held:  # their verdicts never come
            rig.shadow.offer(chest_header(), tmp_path / "1.dcm", 0, digest, RADIOGRAPH)
        assert rig.count("dropped") >= 8
