"""``doctor`` names a data folder that everybody may read, and says when its group may."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from miqa_node.core.settings import load_settings
from miqa_node.features.operations.command.health_checks import outcome_of
from miqa_node.features.operations.command.storage_checks import data_directory
from miqa_node.runtime.store.site_store import make_private


@pytest.mark.parametrize(("mode", "is_open"), [(0o755, True), (0o701, True), (0o750, False), (0o700, False)])
def test_a_folder_that_existed_keeps_its_mode_and_is_named(tmp_path: Path, mode: int, is_open: bool) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "other.txt").write_text("of somebody else")
    folder.chmod(mode)
    make_private(folder)
    assert folder.stat().st_mode & 0o777 == mode, "it may be shared on purpose"

    check = outcome_of("data directory", partial(data_directory, load_settings(node={"data_dir": folder})))
    assert check.ok, "what the node writes in it is closed to others"
    assert str(folder) in check.detail
    assert ("everybody on this machine may" in check.detail) is is_open
    assert ("its group may read it" in check.detail) is (mode == 0o750)
    assert (f"chmod o-rwx {folder}" in check.detail) is is_open


def test_a_folder_of_the_node_alone_is_made_private(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    os.chmod(folder, 0o755)  # noqa: PTH101 - as an installer leaves it
    make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
