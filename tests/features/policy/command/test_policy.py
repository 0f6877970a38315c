"""``policy convert`` and ``policy try``, and what doctor and migrate say of a policy of the form of before."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings.policy import read_policy
from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage

Cli = Callable[..., Ran]
FORMER = """version = "former-1"
[[scope]]
name = "chests"
body_part = ["CHEST"]
finding = [{ name = "noise", verdict = "REVIEW" }]
"""
OR = """version = "former-1"
[[scope]]
name = "chests"
finding = [
    { name = "noise", verdict = "REVIEW", min_probability = 0.5 },
    { name = "noise", verdict = "REVIEW", min_severity = 0.5 },
]
"""
COMMAND = "miqa-node policy convert FILE --out NEW"


@pytest.fixture
def former(tmp_path: Path) -> Path:
    file = tmp_path / "former.toml"
    file.write_text(FORMER)
    return file


def test_rules_are_written_with_what_each_table_became(cli: Cli, former: Path) -> None:
    new = former.with_name("new.toml")
    ran = cli("policy", "convert", former, "--out", new)
    assert (ran.code, ran.err) == (Exit.OK, "")
    assert (
        '- [[scope.finding]] { name = "noise", verdict = "REVIEW" }\n+ { finding = "noise", then = "REVIEW" }'
        in ran.out
    )
    assert "comments are not here" in new.read_text()
    assert read_policy(new).version == "former-1"
    again = cli("policy", "convert", former, "--out", new)
    assert again.code == Exit.USAGE
    assert "exists already" in again.err
    done = cli("policy", "convert", new)
    assert (done.code, "nothing to do" in done.out) == (Exit.OK, True)


def test_without_a_file_the_rules_are_the_output(cli: Cli, former: Path) -> None:
    ran = cli("policy", "convert", former)
    assert tomllib.loads(ran.out)["version"] == "former-1"
    assert "+ " in ran.err
    data = cli("policy", "convert", former, "--json").json
    assert (data["former"], data["converted"], data["text"]) == (True, True, ran.out)
    assert {"place", "before", "after", "remark", "obstacle"} == data["steps"][0].keys()


def test_what_cannot_be_converted_is_exit_code_1_and_nothing_is_written(cli: Cli, former: Path) -> None:
    former.write_text(OR)
    new = former.with_name("new.toml")
    ran = cli("policy", "convert", former, "--out", new)
    assert (ran.code, new.exists()) == (Exit.FAILED, False)
    [line] = [line for line in ran.out.splitlines() if line.startswith("!")]
    assert "Write one with the limits that are to hold" in line
    assert cli("policy", "convert", former).out == ""
    data = cli("policy", "convert", former, "--json")
    assert (data.code, data.json["converted"], data.json["text"]) == (Exit.FAILED, False, "")


def test_a_broken_file_is_said_to_be_broken(cli: Cli, former: Path) -> None:
    former.write_text("version = 1")
    assert cli("policy", "convert", former).code == Exit.USAGE
    assert cli("policy", "convert", former.with_name("absent.toml")).code == Exit.USAGE


def test_doctor_and_migrate_name_the_command(
    cli: Cli, former: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIQA_POLICY__FILE", str(former))
    at = ("--data-dir", data_dir)
    [check] = [one for one in cli("doctor", "--json", *at).json["checks"] if one["check"] == "policy"]
    assert (check["ok"], COMMAND in check["detail"]) == (False, True)
    ran = cli("migrate", *at)
    assert (ran.code, COMMAND in ran.err) == (Exit.USAGE, True)
    assert not list(data_dir.glob("*.sqlite"))
    monkeypatch.delenv("MIQA_POLICY__FILE")
    assert cli("migrate", *at).code == Exit.OK


@pytest.fixture
def judged(stage: Stage) -> Stage:
    """An accepted, and a rejected image of today, and one of long ago."""
    now = datetime.now(UTC)
    for number, (verdict, days) in enumerate(((Verdict.ACCEPT, 0), (Verdict.REJECT, 1), (Verdict.REJECT, 60))):
        stage.add(number, verdict, at=now - timedelta(days=days))
    return stage


RULES = """version = "tried"
[where.chests]
body_part = ["CHEST"]
[[rule]]
where = "chests"
evidence = "site"
each = [
    { finding = "all", then = "ACCEPT" },
    { measurement = "noise", then = "REJECT", above = 12, reason = "noise" },
]
"""


@pytest.mark.usefixtures("judged")
def test_a_policy_is_tried_on_what_was_judged_lately(cli: Cli, former: Path, data_dir: Path) -> None:
    former.write_text(RULES)
    at = ("--data-dir", data_dir)
    lately, ever = (cli("policy", "try", former, "--json", *since, *at).json for since in ((), ("--since", "90d")))
    assert (lately["images"], ever["images"]) == (2, 3)
    of = {(rule["place"], rule["what"]): rule for rule in ever["rules"]}
    assert of["chests", "noise"]["newly"]["count"] == 3
    blurred = of["frontal chest radiograph", "motion_blur"]
    assert (blurred["newly"]["count"], blurred["no_longer"]["count"]) == (0, 2)
    assert {one["study_instance_uid"] for one in blurred["no_longer"]["images"]} == {"1.2.3.1", "1.2.3.2"}
    assert (ever["flagged"]["now"], ever["flagged"]["then"], ever["flagged"]["newly"]["count"]) == (2, 3, 1)
    assert (ever["accepted"]["newly"]["count"], ever["accepted"]["no_longer"]["count"]) == (0, 1)
    text = cli("policy", "try", former, "--since", "90d", *at).out
    assert "Of 3 images and series 2 are flagged now, 3 would be: 1 newly, 0 no longer." in text
    assert "PID" not in text


@pytest.mark.usefixtures("judged")
def test_a_policy_that_cannot_be_read_is_not_tried(cli: Cli, former: Path, data_dir: Path) -> None:
    ran = cli("policy", "try", former, "--data-dir", data_dir)
    assert (ran.code, COMMAND in ran.err) == (Exit.USAGE, True)
    former.write_text('version = "1"\n[[rule]]\nfinding = "noise"\nthen = "REVEIW"\nevidence = "site"\n')
    ran = cli("policy", "try", former, "--data-dir", data_dir)
    assert (ran.code, "line 3" in ran.err) == (Exit.USAGE, True)
