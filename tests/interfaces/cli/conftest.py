"""Runs commands as the entry point does, and gives them a node's folder with images in it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.settings import load_settings
from miqa_node.interfaces.cli.app import run
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from tests.web.staging import Stage


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run ``miqa-node`` with these words."""
    for name in ("MIQA_CONFIG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: object) -> Ran:
        capsys.readouterr()
        with warnings.catch_warnings():
            code = run([str(word) for word in words])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "node"
    folder.mkdir()
    return folder


@pytest.fixture
def stage(data_dir: Path) -> Iterator[Stage]:
    settings = load_settings(node={"data_dir": data_dir})
    database = Database(settings.database_url)
    database.migrate()
    yield Stage(WebServices(database, DiskObjects(settings.objects_dir), settings, list), [])
    database.close()
