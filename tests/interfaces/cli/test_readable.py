"""Times of commands are of the site's clock, also those that are typed; a table breaks no word on 100 columns."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from miqa_node.interfaces.cli.output import Column, print_table
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage

UID = "2.25.198541145027398829540833776131783384471"


def test_times_are_of_the_site_s_zone_and_typed_ones_too(
    cli: Callable[..., Ran], data_dir: Path, stage: Stage, tmp_path: Path
) -> None:
    stage.add(1)  # flagged at 09:31 UTC of a day of winter
    config = tmp_path / "site.toml"
    config.write_text('[node]\ntime_zone = "Europe/Berlin"\n')
    words = ("worklist", "list", "--data-dir", data_dir, "--config", config)

    assert "2026-11-20 10:31:00 CET" in cli(*words).out
    assert [item["flagged_at"] for item in cli(*words, "--json").json["items"]] == ["2026-11-20T09:31:00Z"]
    assert "10:31:00" in cli(*words, "--since", "2026-11-20T10:31").out
    assert "10:31:00" not in cli("worklist", "list", "--since", "2026-11-20T10:32", *words[2:]).out
    trail = cli("audit", "show", "--until", "2999-01-01", *words[2:])
    assert " CE" in trail.out.splitlines()[1]


@pytest.mark.parametrize("columns", [100, 72])
def test_a_table_breaks_no_word(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    heads = (Column("ID", number=True), "State", "Series Instance UID", "Why", Column("Use", cut=True))
    why = "The pixels show a test object and not a patient, as all of its outline lies on one circle."
    print_table(heads, [("7", "QUEUED", UID, why, "For radiographs " * 9)])

    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= columns
    text = " ".join(" ".join(lines).split())
    assert UID in text
    assert set(why.split()) <= set(text.split())
    assert "…" in text
