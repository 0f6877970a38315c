"""``miqa-node fsck --repair`` and the clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.site_records import retention_clock
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.work.queue import migrate_queue
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage


def test_a_repair_removes_no_orphans_after_a_step(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    """They have to be of a certain age; the step may have happened while no process ran."""
    database, now = stage.services.database, datetime.now(UTC)
    migrate_queue(database)
    orphan = data_dir / "objects" / original_key(InstanceDigest("ab" * 32))
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"")
    os.utime(orphan, ((now - timedelta(days=2)).timestamp(),) * 2)
    with database.begin() as transaction:
        retention_clock.trust(transaction, now - timedelta(days=60))

    ran = cli("fsck", "--repair", "--data-dir", data_dir)
    assert (ran.code, orphan.exists()) == (Exit.FAILED, True)
    assert "they stay, since the clock made a step. If the clock is right, a person confirms it" in ran.out

    assert cli("retention", "confirm", "--data-dir", data_dir, "--yes").code == Exit.OK
    assert cli("fsck", "--repair", "--data-dir", data_dir).code == Exit.OK
    assert not orphan.exists()
