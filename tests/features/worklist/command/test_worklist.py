"""The worklist on the command line: the same objects and transitions as over REST."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.main import get_command

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.local_time import moment
from miqa_node.features.worklist.filter import WorklistFilter
from miqa_node.interfaces.cli.app import app
from miqa_node.interfaces.cli.command import commands_of
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.web.app import create_app
from miqa_node.runtime.site_records import labels
from tests.interfaces.cli.conftest import Ran
from tests.web.staging import Stage

AT = moment(datetime(2026, 11, 20, 9, 31, tzinfo=UTC))


def test_json_is_that_of_the_rest_interface(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    stage.add(1)
    stage.add(2, Verdict.REVIEW)
    rest = TestClient(create_app(stage.services), base_url="http://localhost", client=("127.0.0.1", 1))

    listed = cli("worklist", "list", "--json", "--data-dir", data_dir)
    shown = cli("worklist", "show", "1.2.3.1", "--json", "--data-dir", data_dir)

    assert listed.code == Exit.OK
    assert listed.json["items"] == rest.get("/api/v1/worklist").json()["items"]
    assert listed.json["total"] == 2
    assert {k: v for k, v in shown.json.items() if k != "events"} == rest.get("/api/v1/worklist/1.2.3.1").json()
    assert [event["action"] for event in shown.json["events"]] == ["flagged"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--uid", "1.2/3"], "--uid: It is not a UID or digest."),
        (["--modality", "X" * 17], "--modality: 'XXXXXXXXXXXXXXXXX' is too long; the most is 16 characters."),
        (["--saved", "mine", "--since", "7d"], "a view cannot be combined with other filters"),
    ],
)
def test_a_filter_that_the_rest_interface_refuses_is_refused(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path, flags: list[str], words: str
) -> None:
    ran = cli("worklist", "list", "--data-dir", data_dir, *flags)

    assert ran.code == Exit.USAGE
    assert words in " ".join(ran.err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], {"1.2.3.1", "1.2.3.2"}),
        (["--verdict", "reject"], {"1.2.3.1"}),
        (["--reason", "grid_artifact"], {"1.2.3.2"}),
        (["--station", "ROOM2"], {"1.2.3.2"}),
        (["--uid", "1.2.3.4.5.1"], {"1.2.3.1"}),
        (["--accession-number", "ACC2"], {"1.2.3.2"}),
        (["--modality", "CT"], set()),
        (["--since", "2026-11-20T09:32:00+00:00"], {"1.2.3.2"}),
        (["--until", "2026-11-20T10:32:00+01:00"], {"1.2.3.1"}),
        (["--limit", "1", "--offset", "1"], {"1.2.3.1"}),
        (["--state", "resolved"], {"1.2.3.3"}),
        (["--all"], {"1.2.3.1", "1.2.3.2", "1.2.3.3"}),
    ],
)
def test_filters(cli: Callable[..., Ran], stage: Stage, data_dir: Path, flags: list[str], expected: set[str]) -> None:
    stage.add(1)
    stage.add(2, Verdict.REVIEW, FindingName.GRID_ARTIFACT, station="ROOM2")
    stage.add(3, Verdict.REVIEW)
    cli("worklist", "resolve", "1.2.3.3", "dismissed", "--as", "mara", "--data-dir", data_dir)

    ran = cli("worklist", "list", "--json", "--data-dir", data_dir, *flags)

    assert {item["study_instance_uid"] for item in ran.json["items"]} == expected


def test_a_table_for_people_is_tab_separated_when_it_goes_elsewhere(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path
) -> None:
    stage.add(1)

    heading, row = cli("worklist", "list", "--data-dir", data_dir).out.splitlines()

    assert heading.split("\t")[:2] == ["Verdict", "State"]
    assert row.split("\t") == [
        "REJECT", "OPEN", AT, "DX CHEST PA",
        "Motion blur: probability 0.97, severity 0.60", "ACC1", "1.2.3.1",
    ]  # fmt: skip


def test_on_a_terminal_uids_and_reasons_stand_on_lines_of_their_own(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.add(1)
    stage.add(2, Verdict.REVIEW, FindingName.NOISE, study=1)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "dumb")  # no colours
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    flagged = cli("worklist", "list", "--data-dir", data_dir).out.splitlines()
    none = cli("worklist", "list", "--station", "NOWHERE", "--data-dir", data_dir).out

    reasons = ["Motion blur: probability 0.97, severity 0.60", "Noise: probability 0.97, severity 0.60"]
    assert flagged[0] == f"REJECT OPEN {AT} DX CHEST PA ACC1"
    assert flagged[1:] == [f"    {line}" for line in ("1.2.3.1", *reasons)]
    assert none == "No study is flagged, or none that the options name.\n"


def test_a_decision_is_taken_back_with_a_reason(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    stage.add(1)

    def call(*words: str) -> Any:
        return cli("worklist", *words, "--as", "mara", "--data-dir", data_dir)

    assert call("reopen", "1.2.3.1", "--comment", "no").code == Exit.CONFLICT
    call("resolve", "1.2.3.1", "dismissed")
    assert call("reopen", "1.2.3.1", "--comment", " ").code == Exit.USAGE
    reopened = call("reopen", "1.2.3.1", "--comment", "wrong study", "--json").json
    assert (reopened["item"]["state"], reopened["must_restore"]) == ("OPEN", [])
    assert cli("labels", "list", "--data-dir", data_dir).out.count("decision") == 0


def test_a_decision_is_about_all_images_of_a_study_and_can_say_how_many_were_seen(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path
) -> None:
    stage.add(1)
    stage.add(2, study=1)

    def call(*words: str) -> Any:
        return cli("worklist", "resolve", "1.2.3.1", "rejected", *words, "--data-dir", data_dir)

    unseen = call("--image-count", "1")
    assert (unseen.code, "Another image of this study was judged meanwhile" in unseen.err) == (Exit.CONFLICT, True)
    assert call("--image-count", "2").code == Exit.OK
    assert "decision\t2\t2" in cli("labels", "list", "--data-dir", data_dir).out


def test_a_decision_names_its_images_and_its_reason_and_refuses_what_it_cannot_mean(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path
) -> None:
    _, first = stage.add(1)
    _, second = stage.add(2, study=1)

    def call(*words: str) -> Ran:
        return cli("worklist", "resolve", "1.2.3.1", "rejected", *words, "--data-dir", data_dir)

    refused = [
        call("--reason", "113001"),
        call("--image", "f" * 64),
        call("--archive", "NOWHERE", "--reason", "111210"),
    ]
    words = [
        "reason: no code value of CID 7011.",
        "digest: not a flagged image of this study.",
        "archive: NOWHERE takes no rejection notes.",
    ]
    assert [(ran.code, ran.err.strip()) for ran in refused] == [(Exit.USAGE, f"miqa-node: {one}") for one in words]
    assert call("--image", second, "--reason", "111210").code == Exit.OK
    with stage.services.database.begin() as transaction:
        [label] = labels.of_images(transaction, [first, second])
    assert (label.digest, label.judgement.reason) == (second, "111210")


def test_the_config_file_is_found_by_flag_and_by_environment(
    cli: Callable[..., Ran], stage: Stage, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.add(1)
    config = tmp_path / "site.toml"
    config.write_text(f'[node]\ndata_dir = "{data_dir}"\n')

    by_flag = cli("worklist", "list", "--json", "--config", config)
    monkeypatch.setenv("MIQA_CONFIG", str(config))
    by_variable = cli("worklist", "list", "--json")
    monkeypatch.delenv("MIQA_CONFIG")
    monkeypatch.setenv("MIQA_NODE__DATA_DIR", str(data_dir))
    by_setting = cli("worklist", "list", "--json")

    assert by_flag.json["total"] == by_variable.json["total"] == by_setting.json["total"] == 1


def test_only_missing_uids_can_be_given(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    _, digest = stage.add(1)

    ran = cli("worklist", "correct", digest, "--study-uid", "1.2.3", "--data-dir", data_dir)
    unknown = cli("worklist", "correct", "0" * 64, "--study-uid", "1.2.3", "--data-dir", data_dir)
    wrong = cli("worklist", "correct", digest, "--study-uid", "../x", "--data-dir", data_dir)

    assert (ran.code, unknown.code, wrong.code) == (Exit.CONFLICT, Exit.NOT_FOUND, Exit.USAGE)
    assert "only missing ones" in ran.err


@pytest.mark.more
def test_the_command_the_rest_interface_and_the_database_have_one_filter(stage: Stage) -> None:
    commands = dict(commands_of("miqa-node", get_command(app)))
    options = {option.name: option.help for option in commands["miqa-node worklist list"].params}
    schema = create_app(stage.services).openapi()["paths"]["/api/v1/worklist"]["get"]["parameters"]
    parameters = {parameter["name"]: parameter.get("description", "") for parameter in schema}

    assert set(WorklistFilter.model_fields) <= set(options) & set(parameters)
    own = {"state", "since", "until"}  # written in another way on the command line
    words = {name: field.description for name, field in WorklistFilter.model_fields.items() if name not in own}
    assert {name: options[name] for name in words} == {name: parameters[name] for name in words} == words


@pytest.mark.more
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


@pytest.mark.more
def test_an_old_database_says_how_to_mend_it(cli: Callable[..., Ran], data_dir: Path) -> None:
    (data_dir / "miqa.sqlite").touch()

    ran = cli("worklist", "list", "--data-dir", data_dir)

    assert ran.code == Exit.UNAVAILABLE
    assert "miqa-node migrate" in ran.err
    assert cli("migrate", "--data-dir", data_dir).code == Exit.OK
    assert cli("worklist", "list", "--data-dir", data_dir).code == Exit.OK


@pytest.mark.more
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


@pytest.mark.more
def test_a_rejection_is_called_so(cli: Callable[..., Ran], stage: Stage, data_dir: Path) -> None:
    stage.add(1)
    stage.add(2)

    for study, word in (("1.2.3.1", "rejected"), ("1.2.3.2", "confirmed")):
        ran = cli("worklist", "resolve", study, word, "--as", "mara", "--json", "--data-dir", data_dir)
        assert ran.json["resolution"] == "confirmed"
        shown = cli("worklist", "show", study, "--data-dir", data_dir).out
        assert "RESOLVED: rejected" in shown
        assert "confirmed" not in shown
