"""Images are judged in worker processes: whatever one of them does to its worker stays its own trouble."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest

from miqa_node.core.domain.assessment import ModelIdentity
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.domain.policy import Policy
from miqa_node.core.settings import Settings, load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import DecodeError, DecodeLimitError
from miqa_node.isolation import tasks
from miqa_node.isolation.workers import ImageWorkers
from miqa_node.runtime.workers import pool as pool_module
from miqa_node.runtime.workers import turns
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.make import make_objects
from miqa_node.stages.units.image import judge_here
from tests.conftest import ROOT
from tests.stages.assess.making import write_package
from tests.stages.report import making
from tests.waiting import wait_until

LIMIT_S = 60.0


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


@pytest.mark.more
def test_what_an_idle_node_checks_takes_one_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its readiness asks for two checks at the same moment; a second process would take 70 MB."""
    monkeypatch.setattr(
        pool_module, "OWN_WAIT_S", LIMIT_S
    )  # a check does not overtake one that a busy machine slows down
    made = workers_of(settings(folder, processes=4))
    made.pool.warm()
    checks = (made.check_now, made.pool._try_sample, made.check_canary) * 2
    try:
        with ThreadPoolExecutor(len(checks)) as pool:
            for check in [pool.submit(check) for check in checks]:
                check.result(LIMIT_S)
        assert len(made.pool._children._children) == 1
    finally:
        made.pool.close()


@pytest.mark.more
def test_a_worker_judges_as_this_process_would(workers: ImageWorkers, samples: Path) -> None:
    path = samples / "RG3_UNCR.dcm"
    instance = instance_of(path)
    there = workers.judge(instance, path, 0)
    here = judge_here(tasks.decoding(load_settings()), lambda: ImageAssessor(None))(instance, path, 0)
    assert there.result.assessment.measurements == here.result.assessment.measurements
    assert there.preview == here.preview
    assert list(there.result.assessment.timings_ms)[:2] == ["decode", "measure"]


@pytest.mark.more
def test_a_worker_makes_the_report_that_this_process_would(workers: ImageWorkers, samples: Path) -> None:
    path = samples / "RG3_UNCR.dcm"
    result = workers.look(path, ("DX", "CHEST", "PA"))
    assert result.radiograph.shape == (1760, 1760)
    arguments = (ReportedImage(path, result.maps), result.assessment, result.disposition, ReportSettings())
    assert workers.pool.run(make_objects, *arguments) == make_objects(*arguments)


def hoard() -> None:
    parts = [np.ones(64 << 20, np.uint8) for _ in range(10_000)]
    assert parts


@pytest.mark.more
def test_an_image_over_its_memory_or_time_is_an_error_of_that_image(tmp_path: Path, samples: Path) -> None:
    limits: list[tuple[dict[str, float], str, Callable[..., object], tuple[float, ...]]] = [
        ({"memory_bytes": 1 << 30}, "memory_bytes", hoard, ()),
        ({"timeout_s": 2.0}, "timeout_s", time.sleep, (600.0,)),
    ]
    for limit, setting, work, arguments in limits:
        workers = workers_of(settings(tmp_path, **limit))
        try:
            with pytest.raises(DecodeLimitError, match=rf"work\.{setting}"):
                workers.pool.run(work, *arguments)
            assert workers.pool.run(pow, 2, 10) == 1024
        finally:
            workers.pool.close()


@pytest.mark.more
def test_a_worker_that_is_killed_costs_its_image_no_verdict(workers: ImageWorkers, samples: Path) -> None:
    path = samples / "RG1_J2KR.dcm"
    idle = workers.pool.run(os.getpid)
    os.kill(idle, signal.SIGKILL)
    assert workers.pool.run(os.getpid) != idle
    busy = workers.pool.run(os.getpid)
    with ThreadPoolExecutor(1) as threads:
        judged = threads.submit(workers.judge, instance_of(path), path, 0)
        wait_until(lambda: workers.pool.all_busy)
        os.kill(busy, signal.SIGKILL)
        assert judged.result(LIMIT_S).result.assessment.measurements
    wait_until(lambda: not psutil.pid_exists(busy) or psutil.Process(busy).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.more
def test_endless_images_of_one_sender_leave_room_for_an_image_of_another(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LONG_WAIT_S", 0.3)
    path, workers = samples / "RG3_UNCR.dcm", workers_of(settings(tmp_path, timeout_s=600.0))
    with ThreadPoolExecutor(3) as threads:
        try:
            endless = [threads.submit(workers.pool.run, time.sleep, 500.0, sender="ENDLESS") for _ in range(2)]
            wait_until(lambda: workers.pool.all_busy)
            assert workers.judge(instance_of(path, "OTHER"), path, 0).result.assessment.measurements
            assert not any(task.done() for task in endless), "it did not wait for them"
        finally:
            workers.pool.close()


SHARING = """
import os
from pathlib import Path
from miqa_node.core import process
if os.environ["PREPARED"]:
    process.prepare()
from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.isolation.workers import ImageWorkers
from miqa_node.stages.report.made import ReportSettings
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy

def own_memory():
    from miqa_node.isolation import tasks
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))
    return tasks._models.active.package.name, own // 1024, len(os.listdir(f"/proc/{os.getppid()}/task"))

if __name__ == "__main__":
    settings = load_settings(node={"data_dir": os.environ["FOLDER"]})
    workers = ImageWorkers(settings, ModelChoice, lambda: read_policy(settings.policy_file), ReportSettings())
    print(*workers.pool.run(own_memory))
    workers.pool.close()
"""


@pytest.mark.more
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux' figures of memory")
@pytest.mark.parametrize("prepared", ["yes", ""], ids=["prepared", "unprepared"])
def test_workers_share_the_models_and_are_forked_from_a_process_without_threads(tmp_path: Path, prepared: str) -> None:
    """With its own models a worker held 130 MB more. OpenCV's threads in the fork server kept workers from starting."""
    script = tmp_path / "sharing.py"
    script.write_text(SHARING, "utf-8")
    environment = os.environ | {"FOLDER": str(tmp_path), "PYTHONPATH": str(ROOT), "PREPARED": prepared}
    output = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, env=environment)
    package, megabytes, threads = output.stdout.splitlines()[-1].split()
    assert package.startswith("quality-")
    assert int(megabytes) < 60
    assert int(threads) == 1 or not prepared, "BLAS has threads of its own, which it starts again in a child"


@pytest.mark.more
def test_the_certificate_is_asked_for_again_when_what_it_depends_on_changes(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package(tmp_path / "models/quality-1.0.0", "1.0.0", "quality")
    node_settings = settings(tmp_path)
    made = workers_of(node_settings)
    questions: list[object] = []
    run = made.pool.run

    def count(function: Callable[..., object], *arguments: object, sender: str = "") -> object:
        questions.append(function)
        return run(function, *arguments, sender=sender)

    monkeypatch.setattr(made.pool, "run", count)
    rules = policy()
    assessment = replace(making.assessment(), model=ModelIdentity("quality", "1.0.0", "0" * 64), calibration="")
    try:
        first = made.certify(assessment, rules)
        assert made.certify(assessment, rules) == first
        assert questions == [tasks.certify]
        assert made.certify(assessment, replace(rules, version="another")) == first
        assert questions == [tasks.certify] * 2
        folder = node_settings.node.data_dir / "calibration"
        folder.mkdir(exist_ok=True)
        (folder / "quality-1.0.0.yaml").write_text("no calibration", "utf-8")
        made.certify(assessment, rules)
        made.certify(assessment, rules)
        assert questions == [tasks.certify] * 3
    finally:
        made.pool.close()
