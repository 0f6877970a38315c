"""A node with a policy of the form of before receives and stores, and judges nothing until the file is converted."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.settings.policy import watched_policy
from miqa_node.errors import SettingsError
from miqa_node.interfaces.cli.app import run
from miqa_node.node import Node
from miqa_node.runtime.workers import faults
from miqa_node.stages.units.rows import instances
from tests.node.test_node import get, settings_in, store
from tests.waiting import stays, wait_until

FORMER = """
version = "former-1"
[[scope]]
name = "all"
measurement = [{ name = "blank_share", above = 101, verdict = "REVIEW", reason = "111220" }]
"""
COMMAND = "miqa-node policy convert FILE --out NEW"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text(FORMER)
    return file


def test_images_wait_until_the_policy_is_converted(
    tmp_path: Path, policy: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "RETRY_S", 0.5)
    with Node(settings_in(tmp_path / "node", policy={"file": str(policy)})) as node:
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0x0000]
        [digest] = _stored(node)
        code, answer = get(node.web_port, "/readyz")
        assert (code, any(COMMAND in reason for reason in answer["reasons"])) == (503, True)
        stays(lambda: _assessment(node, digest) is None, 3)
        new = tmp_path / "new.toml"
        assert run(["policy", "convert", str(policy), "--out", str(new)]) == 0
        new.replace(policy)
        wait_until(lambda: _assessment(node, digest) is not None)
        assert node.policy.current().version == "former-1"
        wait_until(lambda: get(node.web_port, "/readyz")[0] == 200)


def test_a_file_of_before_never_replaces_a_good_one(policy: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        watched_policy(policy.with_name("absent.toml"))
    waiting = watched_policy(policy)
    assert COMMAND in waiting.current().obstacle
    policy.write_text('version = "new-1"\n[[rule]]\nfinding = "all"\nthen = "ACCEPT"\nevidence = "card"\n')
    assert (waiting.current().version, waiting.current().obstacle) == ("new-1", "")
    policy.write_text(FORMER)
    with structlog.testing.capture_logs() as logs:
        assert (waiting.current().version, waiting.current().obstacle) == ("new-1", "")
    assert COMMAND in logs[0]["reason"]


def _stored(node: Node) -> list[InstanceDigest]:
    import sqlalchemy as sa

    with node.database.begin() as transaction:
        return [InstanceDigest(one) for one in transaction.execute(sa.text("SELECT digest FROM instances")).scalars()]


def _assessment(node: Node, digest: InstanceDigest) -> Assessment | None:
    with node.database.begin() as transaction:
        return instances.load_assessment(transaction, digest)
