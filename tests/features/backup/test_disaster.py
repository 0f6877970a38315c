"""The drill: a node is backed up while it works, its machine is lost, and another one goes on from the backup."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from miqa_node.features.backup import work as backup
from miqa_node.interfaces.cli.app import run
from miqa_node.node import Node
from miqa_node.stages.units.rows import instances
from tests.conftest import POSTGRES_BIN
from tests.node.test_node import settings_in
from tests.node.test_retention_in_node import send_all
from tests.stages.assess.making import chest_dataset
from tests.waiting import wait_until

pytestmark = pytest.mark.more

IMAGES = 24


@pytest.mark.timeout(900)
def test_a_node_goes_on_elsewhere_from_a_backup_that_was_made_while_it_worked(tmp_path: Path) -> None:
    home, elsewhere, folder = tmp_path / "home", tmp_path / "elsewhere", tmp_path / "backup"
    quick: dict[str, Any] = {"assess": {"shipped_packages": False, "models_dir": str(tmp_path)}}
    with Node(settings_in(home, **quick)) as node:
        images = [chest_dataset(number) for number in range(IMAGES)]
        sender = threading.Thread(target=lambda: send_all(node, images))
        sender.start()
        wait_until(lambda: _counts(node).received >= IMAGES // 3)
        backup.back_up(node.database, node.objects, home, folder)
        in_backup = _counts(node).received
        sender.join()
    assert in_backup >= IMAGES // 3
    assert run(["restore", str(folder), "--verify"]) == 0
    assert run(["restore", str(folder), "--data-dir", str(elsewhere)]) == 0
    assert run(["fsck", "--deep", "--data-dir", str(elsewhere)]) == 0
    with Node(settings_in(elsewhere, **quick)) as node:
        restored = _counts(node).received
        assert IMAGES // 3 <= restored <= in_backup
        wait_until(lambda: _counts(node).decided == restored)
        send_all(node, images)  # the modality sends its last images again: known ones make no work
        wait_until(lambda: _counts(node).decided == IMAGES)
        assert _counts(node).received == IMAGES
    assert run(["fsck", "--deep", "--data-dir", str(elsewhere)]) == 0


@pytest.mark.peers
@pytest.mark.timeout(900)
def test_a_node_on_postgresql_goes_on_elsewhere_from_a_dump_and_a_backup(
    tmp_path: Path, postgres_url: str, another_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere, folder, dump = (tmp_path / name for name in ("home", "elsewhere", "backup", "miqa.dump"))
    quick: dict[str, Any] = {"assess": {"shipped_packages": False, "models_dir": str(tmp_path)}}
    with Node(settings_in(home, store={"database_url": postgres_url}, **quick)) as node:
        images = [chest_dataset(number) for number in range(IMAGES)]
        sender = threading.Thread(target=lambda: send_all(node, images))
        sender.start()
        wait_until(lambda: _counts(node).received >= IMAGES // 3)
        subprocess.run([POSTGRES_BIN / "pg_dump", "--format=custom", f"--file={dump}", postgres_url], check=True)
        backup.back_up(node.database, node.objects, home, folder)
        sender.join()
    assert run(["restore", str(folder), "--verify"]) == 0

    monkeypatch.setenv("MIQA_STORE__DATABASE_URL", another_postgres_url)
    subprocess.run([POSTGRES_BIN / "pg_restore", f"--dbname={another_postgres_url}", dump], check=True)
    assert run(["restore", str(folder), "--data-dir", str(elsewhere)]) == 0
    assert run(["fsck", "--deep", "--data-dir", str(elsewhere)]) == 0
    with Node(settings_in(elsewhere, store={"database_url": another_postgres_url}, **quick)) as node:
        restored = _counts(node).received
        assert restored >= IMAGES // 3
        wait_until(lambda: _counts(node).decided == restored)
        send_all(node, images)
        wait_until(lambda: _counts(node).decided == IMAGES)
    assert run(["fsck", "--deep", "--data-dir", str(elsewhere)]) == 0


@pytest.fixture
def another_postgres_url(postgres: str) -> Iterator[str]:
    """An empty database on the same server, as the machine has that a node is restored on."""
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("CREATE DATABASE elsewhere")
        yield postgres.rsplit("/", 1)[0] + "/elsewhere"
        admin.execute("DROP DATABASE elsewhere WITH (FORCE)")


def _counts(node: Node) -> instances.InstanceCounts:
    with node.database.begin() as transaction:
        return instances.count(transaction)
