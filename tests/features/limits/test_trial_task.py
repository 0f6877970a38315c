"""Simulated defects are tried in sandboxed worker processes, by the packages in force, on originals by reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from miqa_node.core.domain.instance import StoredInstance
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.settings import Settings, load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import MiqaError
from miqa_node.features.limits.learn import SeenImage
from miqa_node.features.limits.room_trials import DefectTry
from miqa_node.features.limits.trial_task import try_original
from miqa_node.isolation.workers import ImageWorkers
from miqa_node.stages.report.made import ReportSettings
from tests.runtime.store.making import NOW, digest

NOISY = DefectTry("noise", 1.0, 2, 0)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Worker processes may read the originals of such a node."""
    settings = load_settings(node={"data_dir": tmp_path_factory.mktemp("node")}, work={"processes": 1})
    settings.objects_dir.mkdir()
    return settings


@pytest.fixture(scope="module")
def workers(settings: Settings) -> Iterator[ImageWorkers]:
    policy = read_policy(settings.policy_file)
    made = ImageWorkers(settings, ModelChoice, lambda: policy, ReportSettings.of(settings))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def stored(samples: Path) -> StoredInstance:
    """The chest that ships with pydicom; its header names no part."""
    file = samples / "RG1_UNCR.dcm"
    header, _ = read_header(file)
    return StoredInstance(digest(1), replace(header, body_part_examined="CHEST", view_position="PA"), "1", NOW, "AE")


def seen_of(workers: ImageWorkers, stored: StoredInstance, path: Path, package: str) -> list[SeenImage]:
    trials: list[SeenImage] = workers.work(try_original, stored, path, package, [NOISY])
    return trials


def test_defects_are_judged_by_the_package_in_force_and_only_numbers_come_back(
    workers: ImageWorkers, stored: StoredInstance, samples: Path, settings: Settings
) -> None:
    path = settings.objects_dir / "RG1_UNCR.dcm"
    path.write_bytes((samples / path.name).read_bytes())
    judged = workers.judge(stored, path, 0).result.assessment
    assert judged.model is not None
    [trial] = seen_of(workers, stored, path, judged.model.label)
    assert (trial.defect, "noise" in trial.flags) == ("noise", True)
    usual = judged.finding(next(one.name for one in judged.findings if one.name == "noise"))
    assert usual is not None
    assert trial.degrees["noise"] > usual.strength
    assert seen_of(workers, stored, path, "quality-0.0.1") == [], "the room's images are of another package"


def test_what_cannot_be_read_is_an_error_of_the_image(
    workers: ImageWorkers, stored: StoredInstance, settings: Settings
) -> None:
    (settings.objects_dir / "damaged.dcm").write_bytes(b"no image")
    with pytest.raises(MiqaError):
        seen_of(workers, stored, settings.objects_dir / "damaged.dcm", "quality-1.0")
