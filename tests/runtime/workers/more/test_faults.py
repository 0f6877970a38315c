"""A fault of the node is not taken for one of an image: images wait, and go on by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.role import NodeRole
from miqa_node.node import Node
from miqa_node.runtime.store import tables
from miqa_node.runtime.work import stages
from miqa_node.runtime.workers import faults
from miqa_node.stages.units.projection import ProjectionUnit
from miqa_node.stages.units.rows import instances
from tests.conftest import free_port
from tests.node.test_node import get, settings_in, store
from tests.stages.deliver.receiver import receiver, secret_file
from tests.waiting import stays, wait_until


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
