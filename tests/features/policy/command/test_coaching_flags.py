"""A site can make a flag of all that is coached: ``policy try`` says what each rule would have flagged."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.analysis.coaching import HABITS
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage

HOW_TO = Path(__file__).parents[4] / "docs/how-to/tune-the-policy.md"
MEASURED = {
    "rotation": ("rotation_percent", -30.0, 20.0, "%"),
    "tilt": ("tilt_deg", -7.0, 3.0, "deg"),
    "breath": ("ribs_above_dome", 7.0, 9.0, "1"),
    "field": ("lung_margin_bottom", 130.0, 60.0, "mm"),
    "cut": ("lung_margin", -1.0, 4.0, "mm"),
}
"""Of each, what its rule in the documentation flags, and what it does not."""


def rules() -> str:
    """The rules that the documentation has for what is coached."""
    [block] = re.findall(r"## Flags of what is coached.*?```toml\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)
    return str(block)


def test_each_habit_that_is_coached_has_a_rule() -> None:
    assert set(MEASURED) == {habit.name for habit in HABITS}


@pytest.mark.parametrize("name", MEASURED)
def test_a_rule_of_the_documentation_says_what_it_would_have_flagged(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path, tmp_path: Path, name: str
) -> None:
    measurement, flagged, fine, unit = MEASURED[name]
    now = datetime.now(UTC)
    stage.add(1, Verdict.ACCEPT, at=now, measured=(Measurement(measurement, flagged, unit),))
    stage.add(2, Verdict.ACCEPT, at=now, measured=(Measurement(measurement, fine, unit),))
    shipped = (Path(__file__).parents[4] / "config/policy.toml").read_text("utf-8")
    file = tmp_path / "coaching.toml"
    file.write_text(shipped + rules())
    ran = cli("policy", "try", file, "--json", "--data-dir", data_dir)
    assert ran.code == 0, ran.err
    [rule] = [one for one in ran.json["rules"] if one["what"] == measurement]
    assert (rule["then"], rule["newly"]["count"], rule["no_longer"]["count"]) == ("REVIEW", 1, 0)
