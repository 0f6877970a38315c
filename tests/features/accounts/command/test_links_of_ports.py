"""A link that a command prints opens: at the public address, else at the port on which the node serves its pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from miqa_node.runtime.work.served_ports import note_port
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage


def test_the_link_has_the_port_in_use(cli: Callable[..., Ran], data_dir: Path, stage: Stage, tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text("[web]\nport = 9191\n")
    words = ("--data-dir", data_dir, "--config", config)
    assert "http://localhost:9191/welcome/" in cli("users", "add", "mara", *words).out
    note_port(data_dir, 9292)  # as run --web-port does
    assert "http://localhost:9292/welcome/" in cli("users", "link", "mara", *words).out
    config.write_text('[web]\nport = 9191\npublic_url = "https://quality.example/"\n')
    assert "https://quality.example/welcome/" in cli("users", "link", "mara", *words).out
    assert (data_dir / "web-port").stat().st_mode & 0o777 == 0o600
