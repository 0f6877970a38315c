"""A quality package around an ordinary network, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stages.assess.plain import write_plain

pytestmark = pytest.mark.more


def test_models_check_and_assess_take_it(tmp_path: Path, cli: Any, samples: Path) -> None:
    write_plain(tmp_path / "plain-1.0.0")
    config = tmp_path / "site.toml"
    config.write_text(
        f'[assess]\nshipped_packages = false\nmodels_dir = "{tmp_path}"\nquality_package = "plain-1.0.0"\n'
    )
    assert cli("models", "check", "plain-1.0.0", "--config", config).code == 0
    maps = tmp_path / "maps"
    ran = cli("assess", samples / "RG1_UNCR.dcm", "--json", "--config", config, "--saliency-dir", maps)
    [line] = ran.lines
    assert line["model"]["name"] == "plain"
    assert [finding["name"] for finding in line["findings"]] == ["motion_blur", "foreign_object"]
    assert line["findings"][0]["probability"] > 0.5
    assert list(maps.glob("*motion_blur*"))
