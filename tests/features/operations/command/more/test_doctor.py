# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from tests.features.operations.command.test_doctor import change, checks, config
from tests.interfaces.cli.conftest import Ran
from tests.runtime.store.making import NOW, digest, header, received, study
from tests.stages.assess.making import write_package
from tests.stages.deliver.serving import QuietHandler, serving
from tests.web.staging import Stage


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


def test_the_allow_list_of_the_settings_is_in_force_in_every_command(cli: Callable[..., Ran], config: Path) -> None:
    config.write_text(config.read_text() + '[plugins]\nallow = ["miqa-dose"]\n')
    cli("doctor", "--config", config, "--json")

    assert plugins.allowed() == ("miqa-dose",)
    plugins.allow(plugins.EVERYTHING)


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
        'version = "1"\n[[scope]]\nname = "chests"\nmodality = ["DX"]\ndefault_findings = true\n'
        '[[scope]]\nname = "knees"\nbody_part = ["KNEE"]\n'
        'plausibility = [{ name = "pixels_contradict_body_part", verdict = "REVIEW" }]\n'
        '[[scope]]\nname = "CT"\nmodality = ["CT"]\n'
    )
    config.write_text(config.read_text() + f'[policy]\nfile = "{own}"\n')
    assert contradictions().startswith("no rule for pixels_contradict_body_part in chests: ")


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
    policy.write_text(shipped.replace("default_findings = true", "default_findings = true\nown_figures = true"))
    assert checks(cli("doctor", "--config", config, "--json"))["figures"]["detail"] == every


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
