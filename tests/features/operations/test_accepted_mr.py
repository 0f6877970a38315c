"""``doctor`` names policies of sites that still accept MR series by measurements; the shipped one does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.settings import Settings, load_settings
from miqa_node.features.operations.command.series_checks import accepted_mr

SCOPE = 'version = "1"\n[[scope]]\nname = "MR of ours"\nmodality = ["MR"]\n'
TABLE = '[[scope.accept]]\nmeasured = ["mr_snr"]\ntried_on = ["one", "two"]\n'


def settings_with(policy: str, folder: Path) -> Settings:
    path = folder / "policy.toml"
    path.write_text(policy, encoding="utf-8")
    return load_settings(policy={"file": str(path)})


@pytest.mark.parametrize("copied", [SCOPE + 'accept_measured = ["mr_snr"]\n', SCOPE + TABLE])
def test_doctor_names_the_scopes_of_a_site_that_copied_the_table(copied: str, tmp_path: Path) -> None:
    text = accepted_mr(settings_with(copied, tmp_path))
    assert text.startswith("the policy accepts MR series by measurements in MR of ours:")
    assert "docs/how-to/upgrade.md" in text
