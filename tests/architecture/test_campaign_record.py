"""When each part of the campaign ran last is said by a file and by a page, which agree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import campaign
from tests.conftest import ROOT

ROWS = json.loads(campaign.RECORD.read_text("utf-8"))["parts"]


def test_page_and_record_agree() -> None:
    assert list(ROWS) == [*campaign.COMMANDS, "pythons"]
    assert campaign.published(ROWS) in campaign.PAGE.read_text("utf-8")


def test_a_row_that_names_a_file_says_its_date_and_commit() -> None:
    named = {name: re.findall(r"^`(.+\.json)`$", row.get("outcome", "")) for name, row in ROWS.items()}
    for name, files in named.items():
        for file in files:
            document = json.loads((campaign.RECORD.parent / file).read_text("utf-8"))
            assert document["at"] == ROWS[name]["at"]
            assert f'"commit": "{ROWS[name]["commit"]}"' in json.dumps(document)


def test_its_commands_are_targets_of_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {command.removeprefix("make ") for command in campaign.COMMANDS.values()} <= targets


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Copies of record and page, which a run writes in their place."""
    copies = []
    for name in ("RECORD", "PAGE"):
        copy = tmp_path / getattr(campaign, name).name
        copy.write_text(getattr(campaign, name).read_text("utf-8"), "utf-8")
        monkeypatch.setattr(campaign, name, copy)
        copies.append(copy)
    return copies


def test_a_part_that_fails_ends_no_other_and_both_are_written(
    written: Sequence[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(campaign.COMMANDS, "fuzz", f"{sys.executable} -c pass")
    monkeypatch.setitem(campaign.COMMANDS, "soak", f"{sys.executable} -c exit(3)")
    monkeypatch.setattr(sys, "argv", ["campaign", "soak", "fuzz"])
    assert campaign.main() == 1
    record, page = written
    rows = json.loads(record.read_text("utf-8"))["parts"]
    assert {name: rows[name]["outcome"] for name in ("soak", "fuzz")} == {"soak": "failed", "fuzz": "passed"}
    assert {name: row for name, row in rows.items() if name not in {"soak", "fuzz"}} == {
        name: row for name, row in ROWS.items() if name not in {"soak", "fuzz"}
    }
    assert campaign.published(rows) in page.read_text("utf-8")
    [before, after] = [
        re.sub(r"<!-- campaign -->.*<!-- end of campaign -->", "", text, flags=re.DOTALL)
        for text in (page.read_text("utf-8"), (ROOT / "docs/explanation/reliability.md").read_text("utf-8"))
    ]
    assert before == after


@pytest.mark.more
def test_the_other_pythons_are_none_that_runs_here() -> None:
    output = subprocess.run(
        [sys.executable, ROOT / ".ci/pythons.py"], check=True, capture_output=True, text=True
    ).stdout
    here = ".".join(map(str, sys.version_info[:3]))
    versions = [line.split(" ", 1)[0] for line in output.splitlines()]
    assert here not in versions
    assert len(set(versions)) == len(versions)
    for line in output.splitlines():
        version, program = line.split(" ", 1)
        answer = subprocess.run([program, "-V"], check=True, capture_output=True, text=True).stdout
        assert answer == f"Python {version}\n"
