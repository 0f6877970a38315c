"""``doctor`` finds what is wrong and says how to mend it."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from miqa_node import plugins
from miqa_node.core.domain.delivery import SR, ResultObject
from miqa_node.core.domain.operations import DestinationCheck
from miqa_node.core.settings import share_dir
from miqa_node.features.operations.command import series_checks
from miqa_node.features.operations.command.series_checks import how_to_add
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.runtime.store.database import Database
from miqa_node.stages.deliver.rows import deliveries, destination_checks
from miqa_node.stages.explain.sealing import add_gradients
from miqa_node.stages.units.rows import instances
from tests.interfaces.cli.conftest import Ran
from tests.runtime.store.making import NOW, digest, header, received, study
from tests.stages.assess.making import write_package
from tests.stages.deliver.serving import QuietHandler, serving
from tests.web.staging import Stage


@pytest.fixture
def config(tmp_path: Path, data_dir: Path) -> Path:
    """Settings that nothing is wrong with: any free ports, a package that runs."""
    write_package(tmp_path / "models" / "tiny-1.0.0")
    file = tmp_path / "site.toml"
    file.write_text(
        f'[node]\ndata_dir = "{data_dir}"\n'
        f'[assess]\nshipped_packages = false\nmodels_dir = "{tmp_path / "models"}"\nquality_package = "tiny-1.0.0"\n'
        '[dicom]\nhost = "127.0.0.1"\nport = 0\n[web]\nport = 0\n'
    )
    return file


def change(config: Path, old: str, new: str) -> None:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def checks(ran: Any) -> dict[str, dict[str, Any]]:
    return {check["check"]: check for check in ran.json["checks"]}


def test_all_is_well(cli: Callable[..., Ran], config: Path, stage: Stage) -> None:
    ran = cli("doctor", "--config", config, "--json")

    assert ran.code == Exit.OK, ran.out
    assert ran.json["ok"]
    assert {"settings", "data directory", "database", "policy", "accelerator", "models"} <= set(checks(ran))


@pytest.mark.parametrize(
    ("caption", "says"),
    [
        ('backend = "package"\n', "name the package in caption.package"),
        ('backend = "package"\npackage = "site-blip"\n', "There is no package site-blip"),
        ('backend = "http"\n', "give the server's address in caption.url"),
    ],
)
def test_captions_that_cannot_be_made(
    cli: Callable[..., Ran], config: Path, stage: Stage, caption: str, says: str
) -> None:
    config.write_text(f"{config.read_text()}[caption]\n{caption}")
    check = checks(cli("doctor", "--config", config, "--json"))["captions"]
    assert (check["ok"], says in check["detail"]) == (False, True)
    assert "[caption]" in check["mend"]


def test_nothing_is_made_by_looking(cli: Callable[..., Ran], config: Path, data_dir: Path) -> None:
    data_dir.rmdir()

    assert cli("doctor", "--config", config).code == Exit.OK
    assert not data_dir.exists()


def test_lines_for_people_say_how_to_mend(cli: Callable[..., Ran], config: Path) -> None:
    change(config, "tiny-1.0.0", "tiny-9.0.0")

    ran = cli("doctor", "--config", config)

    assert ran.code == Exit.FAILED
    assert any(line.startswith("fail models") for line in ran.out.splitlines())
    assert any(line.startswith("ok   policy") for line in ran.out.splitlines())


def test_a_destination_that_is_away_is_named_once(cli: Callable[..., Ran], config: Path) -> None:
    ran = cli("doctor", "--config", config, "--destination", "PACS=PACS@127.0.0.1:9", "--json")

    assert checks(ran)["destination PACS"]["detail"].count("PACS@127.0.0.1:9") == 1


@pytest.mark.parametrize(
    ("check", "old", "new", "says"),
    [
        ("models", 'tiny-1.0.0"', 'tiny-9.0.0"', "tiny-9.0.0"),
        ("accelerator", "[node]", '[node]\naccelerator = "gpu"', "CUDA"),
        ("policy", "[assess]", '[policy]\nfile = "/nowhere/policy.toml"\n[assess]', "/nowhere/policy.toml"),
        ("data directory", "[assess]", "[store]\nmin_free_bytes = 1000000000000000\n[assess]", "min_free_bytes"),
        ("database", "[assess]", '[store]\ndatabase_url = "postgresql://nobody@127.0.0.1:1/x"\n[assess]', "answer"),
        ("settings", "[assess]", "[assess]\nintra_op_thread = 1", "intra_op_thread"),
        ("settings", "[node]", '[node]\nlanguage = "xx"', "node.language is 'xx'; the node speaks en, de"),
    ],
)
def test_each_fault_is_found(cli: Callable[..., Ran], config: Path, check: str, old: str, new: str, says: str) -> None:
    if check == "accelerator":
        import onnxruntime

        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            pytest.skip("there is a GPU here")
    change(config, old, new)

    ran = cli("doctor", "--config", config, "--json")

    assert ran.code == Exit.FAILED
    outcome = checks(ran)[check]
    assert not outcome["ok"]
    assert says in outcome["detail"]
    assert outcome["mend"]


def test_a_rule_on_a_number_that_nothing_measures_is_named(
    cli: Callable[..., Ran], config: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    rule = 'measurement = "sharpnes"\nabove = 1\nthen = "REVIEW"\nreason = "unsharp"\nevidence = "site"\n'
    policy.write_text(f'version = "1"\n[[rule]]\n{rule}')
    change(config, "[assess]", f'[policy]\nfile = "{policy}"\n[assess]')

    check = checks(cli("doctor", "--config", config, "--json"))["policy"]

    assert not check["ok"]
    assert "nothing here measures sharpnes" in check["detail"]


@pytest.mark.parametrize(
    ("days", "ok", "says"), [(30, True, "ends on"), (13, False, "ends on"), (None, False, "cannot be read")]
)
def test_a_certificate_that_ends_is_named(
    cli: Callable[..., Ran], config: Path, tmp_path: Path, days: int | None, ok: bool, says: str
) -> None:
    file = tmp_path / "web.pem"
    if days is not None:
        made = trustme.CA().issue_cert("n.example", not_after=datetime.now(UTC) + timedelta(days=days))
        made.private_key_and_cert_chain_pem.write_to_path(file)
    change(config, "[web]", f'[web]\ntls_certificate = "{file}"')

    check = checks(cli("doctor", "--config", config, "--json"))["certificates"]

    assert check["ok"] is ok
    assert check["detail"].startswith("web.tls_certificate")
    assert says in check["detail"]
    assert bool(check["mend"]) is not ok


def test_a_database_of_an_older_program_will_be_migrated(cli: Callable[..., Ran], config: Path, data_dir: Path) -> None:
    (data_dir / "miqa.sqlite").touch()

    check = checks(cli("doctor", "--config", config, "--json"))["database"]

    assert (check["ok"], check["mend"]) == (True, "")
    assert "run miqa-node migrate. The next start of the node does it, too." in check["detail"]


def test_a_password_is_not_shown(cli: Callable[..., Ran], config: Path) -> None:
    change(config, "[assess]", '[store]\ndatabase_url = "postgresql://me:secret@127.0.0.1:1/x"\n[assess]')

    assert "secret" not in cli("doctor", "--config", config).out


def test_a_port_that_somebody_holds_without_answering(cli: Callable[..., Ran], config: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        change(config, "port = 0\n[web]", f"port = {held.getsockname()[1]}\n[web]")

        check = checks(cli("doctor", "--config", config, "--json"))["DICOM port"]

    assert not check["ok"]
    assert "dicom.port" in check["mend"]


class Unready(QuietHandler):
    """A node that is not ready."""

    def do_GET(self) -> None:  # noqa: N802 - the library asks for this name
        body = json.dumps({"status": "not ready", "reasons": ["An image waits, the disk answers: Stale file handle."]})
        self.send_response(503)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def test_what_the_node_waits_for_that_runs_here_is_said(cli: Callable[..., Ran], config: Path) -> None:
    """Only the process that meets an error of the disk knows it."""
    with serving(Unready) as address:
        change(config, "[web]\nport = 0", f"[web]\nport = 0\nhealth_port = {address.rpartition(':')[2]}")
        check = checks(cli("doctor", "--config", config, "--json"))["node"]
    assert not check["ok"]
    assert "Stale file handle" in check["detail"]
    assert checks(cli("doctor", "--config", config, "--json"))["node"]["ok"], "no node runs"


@pytest.fixture
def dose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution whose plug-in belongs to no seam of this node."""
    info = tmp_path / "site" / "miqa_dose-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: miqa-dose\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[miqa.moons]\nio = miqa_dose:IO\n")
    monkeypatch.syspath_prepend(str(info.parent))
    yield
    plugins.allow(plugins.EVERYTHING)


def test_an_unavailable_plugin_is_listed_with_its_reason_and_is_no_fault(
    cli: Callable[..., Ran], config: Path, dose: Any
) -> None:
    ran = cli("doctor", "--config", config, "--json")

    assert ran.code == Exit.OK, ran.out
    assert checks(ran)["plug-in moons.io"]["detail"] == "miqa-dose 1.2, unavailable: This node has no such seam."


FULL = "0xA700: out of resources, the archive is full"


@pytest.mark.parametrize("given_up", [True, False])
def test_a_destination_that_answers_but_takes_nothing_is_a_fault_and_comes_first(
    cli: Callable[..., Ran], config: Path, data_dir: Path, tmp_path: Path, given_up: bool
) -> None:
    database = Database(f"sqlite:///{data_dir / 'miqa.sqlite'}")
    database.migrate()
    now, result = datetime.now(UTC), ResultObject("2.25.1", "1.2", SR, "results/aa/1.dcm")
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(), received(digest(1)), "instances/aa/1.dcm")
        deliveries.record_result(transaction, digest(1), result, NOW)
        deliveries.queue(transaction, result, "FULL", NOW)
        [job] = deliveries.claim(transaction, "FULL", 1, now, 1.0)
        deliveries.failed(transaction, job.delivery_id, FULL, None if given_up else now + timedelta(hours=1), now)
    database.close()
    (tmp_path / "good").mkdir()
    (tmp_path / "full").mkdir()
    flags = ("--destination", f"A_GOOD={tmp_path / 'good'}", "--destination", f"FULL={tmp_path / 'full'}")
    ran = cli("doctor", "--config", config, *flags, "--json")
    destinations = {name: one for name, one in checks(ran).items() if name.startswith("destination ")}
    assert list(destinations) == ["destination FULL", "destination A_GOOD"]
    assert [one["ok"] for one in destinations.values()] == [False, True]
    assert FULL in destinations["destination FULL"]["detail"]
    assert "deliveries resend --destination FULL" in destinations["destination FULL"]["mend"]
    assert ran.code == Exit.FAILED


def test_an_archive_that_is_no_destination_is_named(cli: Callable[..., Ran], config: Path) -> None:
    config.write_text(config.read_text() + '[retention]\narchives = ["VNA"]\n')
    ran = cli("doctor", "--config", config, "--json")
    assert ran.code == Exit.FAILED
    assert "not a destination" in checks(ran)["archive VNA"]["detail"]


def test_a_staging_folder_that_takes_nothing_is_found(cli: Callable[..., Ran], config: Path, data_dir: Path) -> None:
    (data_dir / "incoming").mkdir()
    assert checks(cli("doctor", "--config", config, "--json"))["data directory"]["ok"]
    (data_dir / "incoming").rmdir()
    (data_dir / "incoming").symlink_to(data_dir / "nowhere")
    check = checks(cli("doctor", "--config", config, "--json"))["data directory"]
    assert (check["ok"], "incoming: The data directory cannot be written" in check["detail"]) == (False, True)


def test_what_lacks_without_the_libraries_of_series_is_named(
    cli: Callable[..., Ran], config: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_checks, "missing_libraries", lambda: ["SimpleITK"])
    check = checks(cli("doctor", "--config", config, "--json"))["series"]
    assert check["ok"]
    assert "mr_motion" in str(check)
    assert "without SimpleITK reports" in str(check)


@pytest.mark.parametrize(
    ("python", "words"),
    [((3, 11), "bin/pip install 'highdicom<0.29,>=0.28.2' 'simpleitk>=2.5.7'"), ((3, 13), "bin/pip install 'highdicom"),
     ((3, 14), "no wheels for Python 3.14 yet"), ((3, 15), "no wheels for Python 3.15 yet")],
)  # fmt: skip
def test_who_lacks_the_libraries_of_series_reads_the_command_or_that_there_are_no_wheels(
    python: tuple[int, int], words: str
) -> None:
    assert words in how_to_add(python)
    assert ("Python 3.13 can" in how_to_add(python)) == (python >= (3, 14))


@pytest.mark.more
def test_packages_without_gradient_graphs_are_named(
    cli: Callable[..., Ran], config: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def maps(**settings: str) -> Any:
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(f"MIQA_ASSESS__{name.upper()}", value)
            check = checks(cli("doctor", "--config", config, "--json"))["maps"]
        assert check["ok"]
        return check["detail"]

    assert maps() == "tiny-1.0.0 without gradient graphs: each worker derives them (miqa-node models seal adds them)"
    every = "every package in use has the gradient graphs that its maps need"
    assert maps(saliency_method="class_map") == every
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnx", None)
        assert "onnx is not installed to derive them: findings are shown by class maps" in maps()
    folder = config.parent / "models" / "tiny-1.0.0"
    shutil.rmtree(folder)
    write_package(folder, saliency={"maps": "maps", "method": "mean", "taps": ["global_view"]})
    add_gradients(folder)
    assert maps() == every


@pytest.mark.more
def test_the_allow_list_of_the_settings_is_in_force_in_every_command(cli: Callable[..., Ran], config: Path) -> None:
    config.write_text(config.read_text() + '[plugins]\nallow = ["miqa-dose"]\n')
    cli("doctor", "--config", config, "--json")

    assert plugins.allowed() == ("miqa-dose",)
    plugins.allow(plugins.EVERYTHING)


@pytest.mark.more
def test_results_for_a_destination_that_was_removed_are_named(
    cli: Callable[..., Ran], config: Path, data_dir: Path
) -> None:
    database = Database(f"sqlite:///{data_dir / 'miqa.sqlite'}")
    database.migrate()
    result = ResultObject("2.25.1", "1.2", SR, "results/aa/1.dcm")
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(), received(digest(1)), "instances/aa/1.dcm")
        deliveries.record_result(transaction, digest(1), result, NOW)
        deliveries.queue(transaction, result, "OLD", NOW)
    database.close()
    ran = cli("doctor", "--config", config, "--json")
    assert ran.code == Exit.FAILED
    check = checks(ran)["destination OLD"]
    assert "1 deliveries wait" in check["detail"]
    assert "cancel --destination OLD" in check["mend"]
    ran = cli("doctor", "--config", config, "--destination", "OLD=OLD@127.0.0.1:9", "--json")
    assert "127.0.0.1:9" in checks(ran)["destination OLD"]["detail"]


@pytest.mark.more
def test_a_policy_without_the_rule_for_contradictions_is_told_so(
    cli: Callable[..., Ran], config: Path, stage: Stage, tmp_path: Path
) -> None:
    def contradictions() -> str:
        check = checks(cli("doctor", "--config", config, "--json"))["contradictions"]
        assert check["ok"], "a site may have taken it out"
        return str(check["detail"])

    assert contradictions() == "the policy has a rule for pixels_contradict_body_part"
    own = tmp_path / "own.toml"
    own.write_text(
        'version = "1"\n[where.knees]\nbody_part = ["KNEE"]\n[where.chests]\nmodality = ["DX"]\nexcept = ["knees"]\n'
        '[where.CT]\nmodality = ["CT"]\n[[rule]]\nwhere = "chests"\nfinding = "default"\nevidence = "card"\n'
        '[[rule]]\nwhere = "knees"\ncontradiction = "pixels_contradict_body_part"\nthen = "REVIEW"\nevidence = "site"\n'
    )
    config.write_text(config.read_text() + f'[policy]\nfile = "{own}"\n')
    assert contradictions().startswith("no rule for pixels_contradict_body_part in chests: ")


@pytest.mark.more
def test_a_package_that_the_policy_has_no_figure_of_is_named(cli: Callable[..., Ran], config: Path) -> None:
    ran = cli("doctor", "--config", config, "--json")
    check = checks(ran)["figures"]
    assert (ran.code, check["ok"]) == (Exit.OK, True)
    assert check["detail"].startswith("no figure of tiny-1.0.0 in frontal chest radiograph: what it finds there is exp")
    policy = config.parent / "policy.toml"
    shipped = (share_dir("config") / "policy.toml").read_text("utf-8")
    policy.write_text(shipped.replace('package = "quality-0.9.3"', 'package = "tiny"'))
    change(config, "[assess]", f'[policy]\nfile = "{policy}"\n[assess]')
    every = "the policy lacks no figure of tiny-1.0.0"
    assert checks(cli("doctor", "--config", config, "--json"))["figures"]["detail"] == every
    policy.write_text(shipped.replace('evidence = "quality on chests"', 'evidence = "site"'))
    assert checks(cli("doctor", "--config", config, "--json"))["figures"]["detail"] == every


@pytest.mark.more
def test_what_the_running_node_says_of_its_own_destinations_ends_with_it(
    cli: Callable[..., Ran], config: Path, data_dir: Path
) -> None:
    database = Database(f"sqlite:///{data_dir / 'miqa.sqlite'}")
    database.migrate()
    now = datetime.now(UTC)
    away = DestinationCheck("RUN", "n1", "cstore", "A@h:104", True, False, "no answer", False, now, now)
    with database.begin() as transaction:
        destination_checks.record(transaction, away)
    check = checks(cli("doctor", "--config", config, "--json"))["destination RUN"]
    assert not check["ok"]
    assert "A@h:104 no answer (given by run --destination" in check["detail"]
    with database.begin() as transaction:
        destination_checks.leave(transaction, "n1", datetime.now(UTC))
    database.close()
    assert "destination RUN" not in checks(cli("doctor", "--config", config, "--json"))


@pytest.mark.more
@pytest.mark.parametrize("kind", ["instances", "results", "previews"])
def test_a_folder_that_takes_nothing_is_found(cli: Callable[..., Ran], config: Path, data_dir: Path, kind: str) -> None:
    """Also one shard of 256, and by root, who may do everything: a dead mount is no folder any more."""
    shard = data_dir / "objects" / kind / "7f"
    for number in range(256):
        (shard.parent / f"{number:02x}").mkdir(parents=True)
    assert checks(cli("doctor", "--config", config, "--json"))["object store"]["ok"]
    before = sorted(data_dir.rglob("*"))
    shard.rmdir()
    shard.symlink_to(data_dir / "nowhere")

    check = checks(cli("doctor", "--config", config, "--json"))["object store"]

    assert (check["ok"], f"folder {kind}/7f cannot be written" in check["detail"]) == (False, True)
    assert check["mend"]
    assert sorted(data_dir.rglob("*")) == before, "nothing of it stays"
