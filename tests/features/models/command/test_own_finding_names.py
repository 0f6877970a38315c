"""The command line takes a package whose finding no taxonomy has, and refuses an ill-formed name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.node.test_own_findings import own_package
from tests.stages.assess.plain import write_plain


def test_models_check_takes_it(tmp_path: Path, cli: Any) -> None:
    own_package(tmp_path / "own-1.0.0")
    config = tmp_path / "site.toml"
    config.write_text(f'[assess]\nshipped_packages = false\nmodels_dir = "{tmp_path}"\nquality_package = "own-1.0.0"\n')
    assert cli("models", "check", "own-1.0.0", "--config", config).code == 0


def test_an_ill_formed_name_is_refused_with_its_place(tmp_path: Path, cli: Any) -> None:
    write_plain(tmp_path / "own-1.0.0", names=("Patient motion", "foreign_object"))
    config = tmp_path / "site.toml"
    config.write_text(f'[assess]\nshipped_packages = false\nmodels_dir = "{tmp_path}"\nquality_package = "own-1.0.0"\n')
    checked = cli("models", "check", "own-1.0.0", "--config", config)
    assert checked.code != 0
    assert "outputs.classes.0.name" in checked.out + checked.err
