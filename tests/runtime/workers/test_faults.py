"""A fault of the node is not taken for one of an image: images wait, and go on by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.role import NodeRole
from miqa_node.core.observe import metrics
from miqa_node.errors import ModelPackageError, ResourcesError
from miqa_node.node import Node
from miqa_node.runtime.store import tables
from miqa_node.runtime.work import stages
from miqa_node.runtime.workers import faults
from miqa_node.runtime.workers.faults import NodeFaults
from miqa_node.stages.units.projection import ProjectionUnit
from miqa_node.stages.units.rows import instances
from tests.conftest import free_port
from tests.node.test_node import get, settings_in, store
from tests.stages.deliver.receiver import receiver, secret_file
from tests.waiting import delay, stays, wait_until


class SwitchedCanary:
    """Passes or fails as told."""

    def __init__(self) -> None:
        self.broken = False
        self.judged = 0

    def check(self) -> None:
        self.judged += 1
        if self.broken:
            raise ResourcesError("A test image cannot be judged.")


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> SwitchedCanary:
    monkeypatch.setattr(faults, "RETRY_S", 0.05)
    metrics.PAUSED.set(0)
    return SwitchedCanary()


def test_an_image_that_fails_alone_is_to_blame(canary: SwitchedCanary) -> None:
    judge = NodeFaults(canary.check, 3, 0.0)
    judge.blame("a", "its worker died")
    judge.blame("a", "its worker died")
    judge.succeeded()
    judge.blame("b", "its worker died")
    judge.check()
    assert canary.judged == 3


def test_without_a_working_canary_nothing_is_given_up_until_it_passes(canary: SwitchedCanary) -> None:
    judge = NodeFaults(canary.check, 3, 0.0)
    judge.start()
    try:
        canary.broken = True
        with pytest.raises(ResourcesError, match="test image"):
            judge.blame("a", "its worker died")
        with pytest.raises(ResourcesError, match="test image"):
            judge.check()
        assert metrics.REGISTRY.get_sample_value("miqa_paused") == 1
        canary.broken = False
        wait_until(lambda: metrics.REGISTRY.get_sample_value("miqa_paused") == 0)
        judge.check()
        judge.blame("a", "its worker died")
    finally:
        judge.stop()


def test_images_that_fail_alike_wait_although_the_canary_passes_until_one_is_judged(canary: SwitchedCanary) -> None:
    messages: list[str] = []
    judge = NodeFaults(canary.check, 3, 0.0, messages.append)
    judge.start()
    try:
        for image in "abc":
            judge.blame(image, "")  # damaged files: the canary decides
        judge.blame("a", "its worker died")
        judge.blame("b", "its worker died")
        judge.blame("x", "a step failed again and again")  # another fault in between changes nothing
        for image in "cde" * 3:
            with pytest.raises(ResourcesError, match="different images in a row failed alike"):
                judge.blame(image, "its worker died")
            judge.admit()  # the others may still be judged, which would show that the node can
        with pytest.raises(ResourcesError, match="5 different images"):
            judge.check()
        assert metrics.REGISTRY.get_sample_value("miqa_paused") == 1
        wait_until(lambda: len(messages) == 1)
        judge.succeeded()
        judge.check()
        assert metrics.REGISTRY.get_sample_value("miqa_paused") == 0
        wait_until(lambda: len(messages) == 2)
        judge.blame("f", "its worker died")
    finally:
        judge.stop()
    assert messages[1] == ""


def test_images_that_fail_alike_do_not_wait_for_ever(canary: SwitchedCanary) -> None:
    judge = NodeFaults(canary.check, 2, 0.0, hold_s=0.2)
    judge.blame("a", "its worker died")
    with pytest.raises(ResourcesError):
        judge.blame("b", "its worker died")
    delay(0.31)  # longer than they wait
    judge.blame("b", "its worker died")
    judge.check()


def test_a_canary_that_cannot_be_judged_for_any_reason_pauses(canary: SwitchedCanary) -> None:
    def broken() -> None:
        raise ModelPackageError("The card is missing.")

    judge = NodeFaults(broken, 3, 0.0)
    with pytest.raises(ResourcesError, match="The card is missing"):
        judge.blame("a", "")


def test_a_canary_is_judged_at_intervals(canary: SwitchedCanary) -> None:
    judge = NodeFaults(canary.check, 3, 0.05)
    judge.start()
    try:
        wait_until(lambda: canary.judged >= 2)
        canary.broken = True
        wait_until(lambda: metrics.REGISTRY.get_sample_value("miqa_paused") == 1)
        canary.broken = False
        wait_until(lambda: metrics.REGISTRY.get_sample_value("miqa_paused") == 0)
    finally:
        judge.stop()


def test_a_pause_and_its_end_are_announced_once_each_even_if_that_fails_at_first(canary: SwitchedCanary) -> None:
    messages: list[str] = []
    fails = iter((True, False, True, False))

    def announce(reason: str) -> None:
        if next(fails):
            raise ResourcesError("The database did not answer.")
        messages.append(reason)

    judge = NodeFaults(canary.check, 3, 0.05, announce)
    canary.broken = True
    judge.start()
    try:
        wait_until(lambda: len(messages) == 1)
        canary.broken = False
        wait_until(lambda: len(messages) == 2)
        judged = canary.judged
        wait_until(lambda: canary.judged >= judged + 3)
    finally:
        judge.stop()
    assert messages == ["A test image cannot be judged.", ""]


@pytest.mark.more
def test_a_node_that_cannot_judge_gives_no_image_up_and_goes_on_by_itself(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "RETRY_S", 0.2)
    monkeypatch.setattr(stages, "HOLD_S", 0.2)
    monkeypatch.setattr(stages, "RETRY_INTERVAL_S", 0.01)
    port = free_port()
    (tmp_path / "destinations.toml").write_text(
        f'[[destination]]\nname = "pager"\nkind = "webhook"\nurl = "http://127.0.0.1:{port}/in"\n'
        f'secret_file = "{secret_file(tmp_path)}"\nevents = ["node.paused", "node.resumed"]\n'
    )
    with receiver(port) as pager, Node(settings_in(tmp_path), role=NodeRole.ALL) as node:
        node.judging.faults._canary()  # a sound node judges the canary, and leaves nothing behind
        with node.database.begin() as transaction:
            assert instances.count(transaction).received == 0
        with monkeypatch.context() as patch:
            patch.setattr(ProjectionUnit, "judge", _broken)
            node.judging.workers.pool.run(_break_worker)
            assert store(node.dicom_port, samples / "RG3_UNCR.dcm", samples / "RG1_UNCR.dcm") == [0x0000] * 2
            wait_until(lambda: "test image cannot be judged" in str(node.readiness()))
            stays(lambda: _decided(node) == 0, for_s=2.0)
        node.judging.workers.pool.run(_mend_worker)
        wait_until(lambda: _decided(node) == 2)
        wait_until(lambda: node.readiness() == [])
        wait_until(lambda: len(pager.events) == 2)
        assert [event["type"] for event in pager.events] == ["node.paused", "node.resumed"]
        assert "test image cannot be judged" in pager.events[0]["data"]["reason"]
        _code, listed = get(node.web_port, "/api/v1/deliveries?kind=node.paused")
        assert [job["study_instance_uid"] for job in listed["items"]] == [""]
        with node.database.begin() as transaction:
            digests = [d for one in transaction.execute(sa.select(tables.instances.c.digest)) for d in one]
            reasons = str([instances.load_disposition(transaction, digest) for digest in digests])
    assert "never finished" not in reasons
    assert "again and again" not in reasons


def _decided(node: Node) -> int:
    with node.database.begin() as transaction:
        return instances.count(transaction).decided


_JUDGE = ProjectionUnit.judge


def _break_worker() -> None:
    ProjectionUnit.judge = _broken  # type: ignore[method-assign,assignment]


def _mend_worker() -> None:
    ProjectionUnit.judge = _JUDGE  # type: ignore[method-assign]


def _broken(*_: object, **__: object) -> None:
    raise RuntimeError("broken session")
