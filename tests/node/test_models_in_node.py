"""A whole node whose models change while images stream in: nothing is lost, judged twice or judged by a bad package."""

from __future__ import annotations

import json
import os
import signal
import threading
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_context

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.model_choice import Slot
from miqa_node.core.settings import load_settings
from miqa_node.features.worklist.rows import history
from miqa_node.isolation import tasks
from miqa_node.node import Node
from miqa_node.runtime.site_records import activations
from miqa_node.runtime.store.database import Database
from miqa_node.stages.conclusion.rows import shadows
from miqa_node.stages.units.rows import instances
from tests.parts import NO_CERTIFICATE
from tests.stages.assess.making import CR, chest_dataset, write_package
from tests.stages.assess.test_session import break_graph
from tests.waiting import delay, wait_until

pytestmark = pytest.mark.more


def store(port: int, *numbers: int) -> None:
    ae = AE("SCANNER")
    ae.requested_contexts = [build_context(CR, ExplicitVRLittleEndian)]
    association = ae.associate("127.0.0.1", port, ae_title="MIQA")
    assert association.is_established
    assert [association.send_c_store(chest_dataset(number)).Status for number in numbers] == [0] * len(numbers)
    association.release()


class Site:
    """A node with two versions of a package, and what became of its images."""

    def __init__(self, folder: Path, **assess: Any) -> None:
        self.folder = folder
        for version in ("1.0.0", "1.1.0"):
            write_package(folder / "models" / f"quality-{version}", version, "quality")
        self.settings = load_settings(
            node={"data_dir": folder / "node", "name": "t", "accelerator": "cpu", "site": "General"},
            dicom={"port": 0, "host": "127.0.0.1"},
            web={"port": 0},
            work={"processes": 1},
            assess={"shipped_packages": False, "models_dir": str(folder / "models"), "follow_interval_s": 0.1} | assess,
        )
        self.node = Node(self.settings)

    @property
    def database(self) -> Database:
        return self.node.database

    def choose(self, package: str, slot: Slot = Slot.ACTIVE) -> None:
        with self.database.begin() as transaction:
            activations.choose(transaction, slot, package, "admin", "", datetime.now(UTC))

    def found(self, number: int) -> history.InstanceHistory | None:
        with self.database.begin() as transaction:
            rows = history.of_uid(transaction, f"1.2.826.0.1.1.{number}", limit=2)
        assert len(rows) <= 1
        return rows[0] if rows else None

    def card_version(self) -> str:
        accepted = self.node.judging.workers._accepted
        assert accepted is not None
        return (accepted.active or "quality-1.1.0").removeprefix("quality-")

    def assessment(self, number: int) -> Assessment | None:
        row = self.found(number)
        return row.assessment if row and row.disposition else None

    def versions(self, numbers: range) -> list[str]:
        wait_until(lambda: all(self.assessment(number) for number in numbers))
        made = [self.assessment(number) for number in numbers]
        return [one.model.version if one and one.model else "" for one in made]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_activation_and_rollback_reach_a_running_node_while_images_stream_in(site: Site) -> None:
    with site.node:
        assert site.node.judging.models.name == "quality-1.1.0"
        sender = threading.Thread(target=lambda: [store(site.node.dicom_port, n) for n in range(1, 13)])
        sender.start()
        wait_until(lambda: site.assessment(3) is not None)
        site.choose("quality-1.0.0")
        sender.join()
        streamed = site.versions(range(1, 13))
        wait_until(lambda: site.node.judging.models.name == "quality-1.0.0")
        wait_until(lambda: site.card_version() == "1.0.0")
        store(site.node.dicom_port, 13, 1, 2)  # 1 and 2 come again: nothing is judged twice
        assert site.versions(range(13, 14)) == ["1.0.0"]
        with site.database.begin() as transaction:
            assert activations.roll_back(transaction, Slot.ACTIVE, "admin", "", datetime.now(UTC)) == ""
        wait_until(lambda: site.card_version() == "1.1.0")
        store(site.node.dicom_port, 14)
        assert site.versions(range(14, 15)) == ["1.1.0"]
        assert site.versions(range(1, 13)) == streamed
        assert set(streamed[:3]) == {"1.1.0"}
        assert set(streamed) <= {"1.0.0", "1.1.0"}
        with site.database.begin() as transaction:
            assert instances.count(transaction).received == 14
            assert instances.count(transaction).decided == 14
        row = site.found(14)
        assert row is not None
        assert row.disposition is not None
        assert row.disposition.certificate.startswith(NO_CERTIFICATE)
        address = f"http://127.0.0.1:{site.node.web_port}"
        with urllib.request.urlopen(f"{address}/api/v1/instances/1.2.826.0.1.1.14") as answer:
            [shown] = json.load(answer)["instances"]
        assert shown["disposition"]["certificate"].startswith(NO_CERTIFICATE)
        with urllib.request.urlopen(f"{address}/studies/1.2.826.0.1.2.14") as answer:
            assert NO_CERTIFICATE.capitalize() in answer.read().decode()


def test_a_bad_package_that_is_activated_or_shadows_leaves_the_way_of_images_alone(tmp_path: Path) -> None:
    site = Site(tmp_path, shadow_timeout_s=2.0)
    write_package(tmp_path / "models" / "quality-3.0.0", "3.0.0", "quality", fault="slow", golden=[])
    with site.node:
        site.choose("quality-2.0.0")  # there is none
        site.choose("quality-3.0.0", Slot.SHADOW)  # it loops for hours
        wait_until(lambda: site.node.judging.shadow.name == "quality-3.0.0")
        store(site.node.dicom_port, *range(1, 7))
        assert set(site.versions(range(1, 7))) == {"1.1.0"}  # the slow one would have taken forever
        wait_until(lambda: site.node.readiness() == [])
        with site.database.begin() as transaction:
            assert shadows.count(transaction, "quality-3.0.0") == 0


def test_a_shadow_judges_the_same_images_and_nobody_hears_of_it(site: Site) -> None:
    with site.node:
        site.choose("quality-1.0.0", Slot.SHADOW)
        wait_until(lambda: site.node.judging.shadow.name == "quality-1.0.0")

        def judged() -> int:
            with site.database.begin() as transaction:
                return shadows.count(transaction, "quality-1.0.0")

        def judge(number: int) -> None:
            store(site.node.dicom_port, number)
            wait_until(lambda: judged() == number)

        for number in range(1, 4):
            judge(number)
        assert set(site.versions(range(1, 4))) == {"1.1.0"}
        with site.database.begin() as transaction:
            silent = shadows.opinions(transaction, "quality-1.0.0", limit=10)
            active = shadows.opinions(transaction, "quality-1.1.0", limit=10)
            for digest in silent:
                rows = history.of_instance(transaction, InstanceDigest(digest))
                assert rows.assessment is not None
                assert rows.assessment.model is not None
                assert rows.assessment.model.version == "1.1.0"
        assert set(silent) == set(active)
        for digest, opinion in silent.items():
            assert opinion.verdict is active[digest].verdict  # the same graph under another number
    assert not list((site.folder / "node" / "calibration").glob("*"))


def break_session() -> None:
    """In the worker process."""
    models = tasks._models
    assert isinstance(models, tasks._WorkerModels)
    assert models.active.package is not None
    break_graph(models.active.package)


def test_a_model_session_that_raises_again_and_again_is_loaded_again(site: Site) -> None:
    with site.node:
        store(site.node.dicom_port, 1)
        assert site.versions(range(1, 2)) == ["1.1.0"]
        site.node.judging.workers.pool.run(break_session)
        store(site.node.dicom_port, 2, 3, 4)
        assert site.versions(range(2, 5)) == ["1.1.0"] * 3
        assert [made.not_assessed for n in range(2, 5) if (made := site.assessment(n))] == [""] * 3
        wait_until(lambda: site.node.readiness() == [])


def test_one_process_runs_the_models_of_all_workers_and_its_death_costs_no_image(tmp_path: Path) -> None:
    site = Site(tmp_path, inference_process="on")
    with site.node:
        process = site.node.judging.workers._inference
        assert process is not None
        store(site.node.dicom_port, 1)
        assert site.versions(range(1, 2)) == ["1.1.0"]
        sender = threading.Thread(target=lambda: [store(site.node.dicom_port, n) for n in range(2, 10)])
        sender.start()
        for _ in range(2):
            os.kill(process._process.pid, signal.SIGKILL)
            delay(4.0)  # it kills again while the images of after the first death are judged
        sender.join()
        assert site.versions(range(2, 10)) == ["1.1.0"] * 8
        assert [made.not_assessed for n in range(1, 10) if (made := site.assessment(n))] == [""] * 9
        wait_until(lambda: site.node.readiness() == [])
