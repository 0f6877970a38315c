"""Images are judged in worker processes: whatever one of them does to its worker stays its own trouble."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.domain.policy import Policy
from miqa_node.core.settings import Settings, load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import DecodeError
from miqa_node.isolation.workers import ImageWorkers
from miqa_node.stages.report.made import ReportSettings


def settings(folder: Path, **work: object) -> Settings:
    """With no packages: images are measured, which is enough here."""
    return load_settings(
        node={"data_dir": folder},
        assess={"shipped_packages": False, "models_dir": str(folder / "models")},
        work={"processes": 1, **work},
    )


def policy() -> Policy:
    return read_policy(load_settings().policy_file)


def workers_of(node_settings: Settings) -> ImageWorkers:
    return ImageWorkers(node_settings, ModelChoice, policy, ReportSettings())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("node")


@pytest.fixture(scope="module")
def workers(folder: Path) -> Iterator[ImageWorkers]:
    made = workers_of(settings(folder))
    made.pool.warm()
    yield made
    made.pool.close()


def instance_of(path: Path, sender: str = "CR1") -> StoredInstance:
    header, _ = read_header(path)
    return StoredInstance(InstanceDigest("a" * 64), header, "key", datetime.now(UTC), sender)


def test_an_error_arrives_with_its_text_and_its_place(workers: ImageWorkers, samples: Path, folder: Path) -> None:
    path = folder / "objects/cut.dcm"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((samples / "RG3_UNCR.dcm").read_bytes()[:200_000])
    with pytest.raises(DecodeError) as error:
        workers.judge(instance_of(samples / "RG3_UNCR.dcm"), path, 0)
    assert ".py:" in error.value.place  # type: ignore[attr-defined]


def test_the_test_image_is_judged_by_a_worker(workers: ImageWorkers) -> None:
    workers.check_canary()
    workers.check()


def test_settings_reach_a_worker_as_they_are(tmp_path: Path) -> None:
    original = load_settings(node={"data_dir": tmp_path}, caption={"token": "secret"})
    assert pickle.loads(pickle.dumps(original)).model_dump() == original.model_dump()
