# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""A program works beside the schema of the next version while that only added to it, and says so when it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from miqa_node.core.settings import share_dir
from miqa_node.errors import ResourcesError, SettingsError
from miqa_node.interfaces.cli.app import run
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.node import Node
from miqa_node.runtime.store.database import Database
from miqa_node.stages.units.rows import instances
from tests.conftest import free_port
from tests.node.test_node import settings_in, store
from tests.runtime.store.test_compatibility import NextVersion, next_version
from tests.waiting import wait_until


def test_a_node_goes_on_beside_the_next_version_and_starts_again(
    tmp_path: Path, samples: Path, next_version: NextVersion, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_in(tmp_path)
    with Node(settings) as node:
        store(node.dicom_port, samples / "RG1_UNCR.dcm")
        wait_until(lambda: decided(node) == 1)
        next_version.migrate(node.database, "9998")
        store(node.dicom_port, samples / "RG3_UNCR.dcm")
        wait_until(lambda: decided(node) == 2)
        wait_until(lambda: node.readiness() == [])
    with Node(settings) as node:
        wait_until(lambda: node.readiness() == [])
        store(node.dicom_port, samples / "693_UNCR.dcm")
        wait_until(lambda: decided(node) == 3)
        with node.database.begin() as transaction:
            transaction.execute(sa.text("SELECT of_the_next_version FROM instances")).all()
        next_version.migrate(node.database, "9999")
        wait_until(lambda: "of a newer miqa-node" in str(node.readiness()))
    capsys.readouterr()
    ports = ["--web-port", str(free_port()), "--dicom-port", str(free_port())]
    assert run(["run", "--data-dir", str(tmp_path), *ports]) == Exit.USAGE
    output = capsys.readouterr().err  # behind the reason a thread may still say that it stops
    assert "schema 9999 of a newer miqa-node" in output
    assert "Traceback" not in output


def decided(node: Node) -> int:
    with node.database.begin() as transaction:
        return instances.count(transaction).decided
