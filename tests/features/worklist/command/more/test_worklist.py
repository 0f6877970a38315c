"""The worklist on the command line: the same objects and transitions as over REST."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.main import get_command

from miqa_node.features.worklist.filter import WorklistFilter
from miqa_node.interfaces.cli.app import app
from miqa_node.interfaces.cli.command import commands_of
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.web.app import create_app
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage


def test_the_command_the_rest_interface_and_the_database_have_one_filter(stage: Stage) -> None:
    commands = dict(commands_of("miqa-node", get_command(app)))
    options = {option.name: option.help for option in commands["miqa-node worklist list"].params}
    schema = create_app(stage.services).openapi()["paths"]["/api/v1/worklist"]["get"]["parameters"]
    parameters = {parameter["name"]: parameter.get("description", "") for parameter in schema}

    assert set(WorklistFilter.model_fields) <= set(options) & set(parameters)
    own = {"state", "since", "until"}  # written in another way on the command line
    words = {name: field.description for name, field in WorklistFilter.model_fields.items() if name not in own}
    assert {name: options[name] for name in words} == {name: parameters[name] for name in words} == words


def test_exit_codes(cli: Callable[..., Ran], stage: Stage, data_dir: Path, tmp_path: Path) -> None:
    stage.add(1)
    stage.add(2)
    cli("worklist", "resolve", "1.2.3.1", "confirmed", "--as", "mara", "--data-dir", data_dir)

    unknown = cli("worklist", "show", "1.9", "--data-dir", data_dir)
    resolved = cli("worklist", "claim", "1.2.3.1", "--as", "mara", "--data-dir", data_dir)
    nowhere = cli("worklist", "list", "--data-dir", tmp_path / "nowhere")
    misspelt = cli("worklist", "resolve", "1.2.3.1", "perhaps", "--data-dir", data_dir)
    when = cli("worklist", "list", "--since", "yesterday", "--data-dir", data_dir)

    assert (unknown.code, resolved.code) == (Exit.NOT_FOUND, Exit.CONFLICT)
    assert (nowhere.code, misspelt.code, when.code) == (Exit.USAGE, Exit.USAGE, Exit.USAGE)
    assert "decided" in resolved.err
    assert "claimed" in cli("worklist", "release", "1.2.3.2", "--as", "mara", "--data-dir", data_dir).err
    assert "study date 2026-11-20" in cli("worklist", "show", "1.2.3.1", "--data-dir", data_dir).out
    assert "--data-dir" in nowhere.err
    assert "7d" in when.err
    assert not (tmp_path / "nowhere").exists()


def test_an_old_database_says_how_to_mend_it(cli: Callable[..., Ran], data_dir: Path) -> None:
    (data_dir / "miqa.sqlite").touch()

    ran = cli("worklist", "list", "--data-dir", data_dir)

    assert ran.code == Exit.UNAVAILABLE
    assert "miqa-node migrate" in ran.err
    assert cli("migrate", "--data-dir", data_dir).code == Exit.OK
    assert cli("worklist", "list", "--data-dir", data_dir).code == Exit.OK


def test_claim_release_resolve_and_their_events(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    stage.add(1)

    def call(*words: str) -> Any:
        return cli("worklist", *words, "--data-dir", data_dir)

    assert call("claim", "1.2.3.1", "--as", "mara", "--json").json["claimed_by"] == "mara"
    assert call("release", "1.2.3.1", "--as", "mara", "--json").json["state"] == "OPEN"
    resolved = call("resolve", "1.2.3.1", "retaken", "--comment", "moved", "--as", "tom")
    assert resolved.code == Exit.OK
    assert "RESOLVED: retake requested" in resolved.out

    events = call("show", "1.2.3.1", "--json").json["events"]
    assert [(event["action"], event["actor"]) for event in events] == [
        ("flagged", ""),
        ("claimed", "mara"),
        ("released", "mara"),
        ("retaken", "tom"),
    ]
    assert "retake requested by tom: “moved”" in call("show", "1.2.3.1").out


def test_a_rejection_is_called_so(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    stage.add(1)
    stage.add(2)

    for study, word in (("1.2.3.1", "rejected"), ("1.2.3.2", "confirmed")):
        ran = cli("worklist", "resolve", study, word, "--as", "mara", "--json", "--data-dir", data_dir)
        assert ran.json["resolution"] == "confirmed"
        shown = cli("worklist", "show", study, "--data-dir", data_dir).out
        assert "RESOLVED: rejected" in shown
        assert "confirmed" not in shown
